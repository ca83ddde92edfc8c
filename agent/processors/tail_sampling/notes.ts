// What was decided and delivered, as it stands in the journal between the batches it is about, so
// that after a crash nothing is decided a second time that was done. A note is a batch of one log
// record; its body is a row of 32 bytes for each trace, numbers little-endian:
//
//      0  trace id                                  16 bytes
//     16  what was decided: an index of KINDS       u8
//     17  the threshold, big-endian; zeros: none    7 bytes
//     24  the chance                                f64
//
// Any bytes can be read. Traces whose id has not 16 bytes are not noted.

import { Batch } from '../../../proto/contract/batch.ts';
import { ALWAYS, THRESHOLD_DIGITS } from '../sampling/threshold.ts';
import type { Decision } from './decision.ts';

const ROW_BYTES = 32;
const KINDS = ['sampled', 'not_sampled', 'dropped'] as const;

export function encodeNote(decisions: ReadonlyMap<string, Decision>): Batch<'logs'> {
  const noted = [...decisions].filter(([id]) => id.length === 32);
  const bytes = Buffer.alloc(noted.length * ROW_BYTES);
  for (const [index, [id, { kind, threshold, chance }]] of noted.entries()) {
    const at = index * ROW_BYTES;
    bytes.write(id, at, 'hex');
    bytes.writeUInt8(KINDS.indexOf(kind), at + 16);
    bytes.write(threshold ?? ALWAYS, at + 17, 'hex');
    bytes.writeDoubleLE(chance, at + 24);
  }
  const record = {
    timeUnixNano: 0n, observedTimeUnixNano: 0n, severityNumber: 0, severityText: '',
    body: { type: 'bytes', value: bytes } as const, attributes: [], droppedAttributesCount: 0,
    flags: 0, traceId: '', spanId: '', eventName: '',
  };
  const scopeLogs = [{ scope: undefined, logRecords: [record], schemaUrl: '' }];
  return Batch.fromRequest('logs', {
    resourceLogs: [{ resource: undefined, scopeLogs, schemaUrl: '' }],
  });
}

export function decodeNote(batch: Batch<'logs'>): Map<string, Decision> {
  const body = batch.request.resourceLogs[0]?.scopeLogs[0]?.logRecords[0]?.body;
  const decisions = new Map<string, Decision>();
  if (body?.type !== 'bytes') return decisions;
  const bytes = Buffer.from(body.value);
  for (let at = 0; at + ROW_BYTES <= bytes.length; at += ROW_BYTES) {
    const kind = KINDS[bytes.readUInt8(at + 16)];
    const chance = bytes.readDoubleLE(at + 24);
    if (kind === undefined || !(chance > 0 && chance <= 1)) continue;
    const digits = bytes.toString('hex', at + 17, at + 17 + THRESHOLD_DIGITS / 2);
    const threshold = digits === ALWAYS ? null : digits;
    decisions.set(bytes.toString('hex', at, at + 16), { kind, chance, threshold });
  }
  return decisions;
}
