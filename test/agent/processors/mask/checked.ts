// The mask processor as tests use it: one text in, what became of it and what was counted out.

import { maskProcessor } from '../../../../agent/processors/mask/processor.ts';
import { Batch } from '../../../../proto/contract/batch.ts';
import type { AnyValue, LogRecord } from '../../../../proto/otlp/model.ts';
import { createCounters } from '../../../../runtime/counters.ts';
import { createSink, makeBatch, NEVER, testContext } from '../../../contract/fakes.ts';
import { RULE_NAMES } from '../../../../agent/processors/mask/rules.ts';

export interface Checked {
  /** As the body of a log record, or as the value of its attribute `key`. */
  mask(text: string, key?: string): Promise<{ masked: string; counts: Map<string, number> }>;
  /** The record as it comes out; bytes go in, as from the network. */
  record(record: Partial<LogRecord>): Promise<LogRecord>;
}

export async function createChecked(settings: Record<string, unknown> = {}): Promise<Checked> {
  const sink = createSink();
  const counters = createCounters();
  const config = maskProcessor.schema.parse(settings);
  const processor = maskProcessor.create(config, testContext({ counters }), sink);
  await processor.start();
  const record = async (changes: Partial<LogRecord>): Promise<LogRecord> => {
    await processor.consume(logBatch(changes), NEVER);
    return sink.received.at(-1)!.is('logs')
      ? firstRecord(sink.received.at(-1)! as Batch<'logs'>) : firstRecord(logBatch(changes));
  };
  const names = [...RULE_NAMES, ...config.rules.map(({ name }) => name)];
  const countOf = (rule: string) => counters.total('binnacle_mask_matches_total', { rule });
  return {
    record,
    mask: async (text, key = '') => {
      const before = new Map(names.map((name) => [name, countOf(name)]));
      const value: AnyValue = { type: 'string', value: text };
      const changed = key === '' ? await record({ body: value, attributes: [] })
        : await record({ body: undefined, attributes: [{ key, value }] });
      const masked = key === '' ? changed.body! : changed.attributes[0]!.value;
      const counts = names.map((name) => [name, countOf(name) - before.get(name)!] as const);
      return {
        masked: String(masked.value),
        counts: new Map(counts.filter(([, count]) => count > 0)),
      };
    },
  };
}

/** A batch of one log record, as bytes. */
export function logBatch(changes: Partial<LogRecord>): Batch<'logs'> {
  const { request } = makeBatch('logs', 1);
  const [group] = request.resourceLogs;
  const [scope] = group!.scopeLogs;
  const logRecords = [{ ...scope!.logRecords[0]!, ...changes }];
  const built = Batch.fromRequest('logs', {
    resourceLogs: [{ ...group!, scopeLogs: [{ ...scope!, logRecords }] }],
  });
  return Batch.fromBytes('logs', built.bytes);
}

export const firstRecord = (batch: Batch<'logs'>): LogRecord =>
  batch.request.resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!;
