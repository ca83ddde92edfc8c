// A batch too large for one insert is cut at the same records each time, in whatever company and by
// whatever process: the names of its pieces say which records they hold, and a retry, days and
// releases later, looks for them by these names (names.ts, D-023). Where it is cut is written down
// in a golden file: a change there would store pieces of batches that are on their way once more.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { rowNames } from '../../../../backend/storage/clickhouse/transcode/names.ts';
import { limits, Transcoder } from '../../../../backend/storage/clickhouse/transcode/transcoder.ts';
import type { RecordRange } from '../../../../backend/storage/clickhouse/transcode/transcoder.ts';
import { Batch } from '../../../../proto/contract/batch.ts';
import { encodeRequest } from '../../../../proto/otlp/codec.ts';
import { SIGNALS } from '../../../../proto/otlp/model.ts';
import type { Attributes, RequestOf, Resource, Signal } from '../../../../proto/otlp/model.ts';
import { generateServiceSpans } from '../../../bench/data.ts';
import { generateRequest, seededRandom } from '../../../proto/generate.ts';

const GOLDEN = new URL('../../../golden/storage/pieces.json', import.meta.url).pathname;
const START_MS = 1_760_000_000_000;
const TIME = BigInt(START_MS) * 1_000_000n;
const COUNT = 1200;

const text = (key: string, bytes: number): Attributes[number] =>
  ({ key, value: { type: 'string', value: 'x'.repeat(bytes) } });

const attributes = [text('large', 120_000)];
const resource: Resource = { attributes, droppedAttributesCount: 0, entityRefs: [] };
const shared = { resource, schemaUrl: '' };

const encoded = <S extends Signal>(signal: S, request: RequestOf<S>): Batch =>
  Batch.fromBytes(signal, encodeRequest(signal, request), 'a/1/1');

const LARGE: Readonly<Record<Signal, () => Batch>> = {
  traces: () => {
    const [group] = generateServiceSpans(seededRandom(1), COUNT, START_MS).resourceSpans;
    return encoded('traces', { resourceSpans: [{ ...group!, resource }] });
  },
  logs: () => {
    const [group] = generateRequest('logs', seededRandom(2), { groups: 4 }).resourceLogs
      .filter(({ scopeLogs }) => scopeLogs.some(({ logRecords }) => logRecords.length > 0));
    const [scope] = group!.scopeLogs.filter(({ logRecords }) => logRecords.length > 0);
    const logRecords = Array.from({ length: COUNT }, (_, index) => ({
      ...scope!.logRecords[0]!, timeUnixNano: index % 3 === 0 ? 0n : TIME,
      observedTimeUnixNano: 0n, attributes: [text('own', index % 50)],
    }));
    const scopeLogs = [{ ...scope!, logRecords }];
    return encoded('logs', { resourceLogs: [{ ...shared, scopeLogs }] });
  },
  metrics: () => {
    const point = {
      attributes: [], startTimeUnixNano: TIME, timeUnixNano: TIME, flags: 0, exemplars: [],
      value: { type: 'double', value: 1 },
    } as const;
    const dataPoints = Array.from({ length: COUNT / 4 }, () => point);
    const metrics = [1, 20, 300, 40_000].map((bytes, index) => ({
      name: `metric ${index}`, description: 'd'.repeat(bytes), unit: '', metadata: [],
      data: index % 2 === 0 ? { type: 'gauge', dataPoints } as const
        : { type: 'sum', dataPoints, aggregationTemporality: 2, isMonotonic: true } as const,
    }));
    const scopeMetrics = [{ scope: undefined, metrics, schemaUrl: '' }];
    return encoded('metrics', { resourceMetrics: [{ ...shared, scopeMetrics }] });
  },
};

/** A few records of the signal, so that the columns are not empty. */
function company(signal: Signal, seed: number): Batch {
  const request = generateRequest(signal, seededRandom(seed), { groups: 3 });
  return Batch.fromBytes(signal, encodeRequest(signal, request as never), `b/1/${seed}`);
}

/** The numbers of the records with which its pieces begin. */
function cut(batch: Batch, arrivalMs: number, before: readonly Batch[]): number[] {
  const firsts: number[] = [];
  const transcoder = new Transcoder(batch.signal);
  let next: number | null = 0;
  while (next !== null) {
    const range: RecordRange = { first: next, end: Infinity };
    transcoder.reset();
    for (const one of before) transcoder.append(one, arrivalMs, undefined, rowNames(one.id, 0));
    next = transcoder.append(batch, arrivalMs, range, rowNames(batch.id, firsts.length)).next;
    firsts.push(range.first);
  }
  return firsts;
}

test('pieces: cut at the same records in any company, at any time, and by any release', () => {
  const cuts: Record<string, readonly number[]> = { bytesMax: [limits.repeatedBytesMax] };
  for (const signal of SIGNALS) {
    const batch = LARGE[signal]();
    assert.ok(batch.itemCount >= COUNT);
    const alone = cut(batch, START_MS, []);
    assert.ok(alone.length >= 3, `${signal}: ${alone.length} pieces`);
    const others = [1, 2, 3].map((seed) => company(signal, seed));
    const later = START_MS + 8 * 86_400_000;
    assert.deepEqual(cut(batch, later, others), alone, signal);
    assert.deepEqual(cut(batch, later, [...others].reverse()), alone, signal);
    cuts[signal] = alone;
  }
  const found = `${JSON.stringify(cuts, null, 1)}\n`;
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(GOLDEN, found);
  assert.equal(found, readFileSync(GOLDEN, 'utf8'),
    'batches that are on their way were cut elsewhere: their pieces need other names then');
});

test('pieces: broken records do not move the cuts', () => {
  const batch = LARGE.traces();
  const bytes = Buffer.from(batch.bytes);
  const alone = cut(batch, START_MS, []);
  // A tag that cannot be, inside of the last span: the request is walked with care then.
  const [group] = batch.is('traces') ? batch.request.resourceSpans : [];
  const last = group!.scopeSpans[0]!.spans.at(-1)!;
  const name = bytes.lastIndexOf(Buffer.from(last.spanId, 'hex'));
  bytes[name - 1] = 7;
  const broken = Batch.fromBytes('traces', bytes, batch.id);
  const transcoder = new Transcoder('traces');
  const range = { first: alone.at(-1)!, end: Infinity };
  const { stored, next } = transcoder.append(broken, 0, range, rowNames(batch.id, 0));
  assert.deepEqual([stored, next], [COUNT - alone.at(-1)! - 1, null]);
  assert.deepEqual(cut(broken, START_MS, [company('traces', 1)]), alone);
});
