// Everything that the tables hold, in a form that can be compared, for tests that expect two
// stores, or one store at two moments, to hold the same.

import { createHash } from 'node:crypto';
import type { Storage } from '../../../../backend/storage/contract.ts';
import type { Signal } from '../../../../proto/otlp/model.ts';
import { createWorld } from '../../../../runtime/world.ts';
import type { World } from '../../../../runtime/world.ts';
import { queryText } from './storage_fixture.ts';

export const TABLES: Readonly<Record<Signal, readonly string[]>> = {
  logs: ['otel_logs'],
  traces: ['otel_traces'],
  metrics: ['gauge', 'sum', 'histogram', 'exponential_histogram', 'summary']
    .map((kind) => `otel_metrics_${kind}`),
};
const VIEW = 'SELECT TraceId, min(Start), max(End) FROM otel_traces_trace_id_ts GROUP BY TraceId';
const BATCHES = `SELECT BatchId, TableName, Day, any(Rows), any(Refused) FROM binnacle_batches
  GROUP BY BatchId, TableName, Day`;

/** A hash of every row of every table, and of what their views say. */
export async function contents(storage: Storage): Promise<string> {
  const tables = Object.values(TABLES).flat();
  const questions = [...tables.map((table) => `SELECT * FROM ${table}`), VIEW, BATCHES];
  const texts = await Promise.all(questions.map((sql) => queryText(storage, sql, 'TSV')));
  return texts.map((text) => {
    const lines = text.split('\n').sort();
    return `${lines.length} ${createHash('sha256').update(lines.join('\n')).digest('hex')}`;
  }).join('\n');
}

/** Logs without a time are stored with that of the clock, if it is told. */
export function worldAt(nowMs: (() => number) | undefined): World {
  const world = createWorld();
  return nowMs === undefined ? world : { ...world, clock: { ...world.clock, nowMs } };
}
