// A gate on a real engine, and the locked session behind it, for the tests of this folder.

import type { Gate, GateOptions } from '../../../backend/gate/gate.ts';
import { createGate } from '../../../backend/gate/gate.ts';
import { LOCKED_SETTINGS } from '../../../backend/gate/settings.ts';
import type { Storage } from '../../../backend/storage/contract.ts';
import { startEngine } from '../storage/engine_fixture.ts';
import { NEVER, startStorage } from '../storage/clickhouse/storage_fixture.ts';

export const TABLES: ReadonlySet<string> = new Set([
  'otel_logs', 'otel_traces', 'otel_traces_trace_id_ts', 'otel_metrics_gauge', 'otel_metrics_sum',
  'otel_metrics_histogram', 'otel_metrics_exponential_histogram', 'otel_metrics_summary',
]);

export interface GateFixture {
  readonly url: string;
  readonly storage: Storage;
  readonly gate: Gate;
  /** Statements that gates of this fixture asked for themselves. */
  readonly asked: readonly string[];
  /** Another gate on the same engine. */
  gateWith(changes: Partial<GateOptions>): Gate;
  /** Runs a text as readers do: locked, with limits. */
  read(sql: string, options?: ReadOptions): Promise<string>;
  stop(): Promise<void>;
}

export interface ReadOptions {
  readonly params?: Readonly<Record<string, unknown>>;
  readonly settings?: Readonly<Record<string, string | number>>;
  readonly format?: string;
}

/** What the desk gives a reader, without its limits of rows. */
export const READER = { ...LOCKED_SETTINGS, readonly: 1, max_execution_time: 5,
  max_memory_usage: 512 * 1024 * 1024, max_result_rows: 100_000 };

export async function startGate(database: string): Promise<GateFixture> {
  const engine = await startEngine();
  const store = await startStorage(engine.url, { database });
  const asked: string[] = [];
  const read: GateFixture['read'] = async (sql, options = {}) => {
    const { params, settings = {}, format = 'TabSeparatedRaw' } = options;
    const { body } = await store.storage.query({
      sql, format, params, abort: NEVER, settings: { ...settings, ...READER },
    });
    const chunks: Buffer[] = [];
    for await (const chunk of body) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString();
  };
  const ask: GateOptions['ask'] = (sql, params) => {
    asked.push(sql);
    return read(sql, { params });
  };
  const gateWith = (changes: Partial<GateOptions>): Gate =>
    createGate({ ask, tables: TABLES, database, ...changes });
  const stop = async (): Promise<void> => {
    await store.stop();
    await engine.stop();
  };
  return { url: engine.url, storage: store.storage, gate: gateWith({}), asked, gateWith, read,
    stop };
}
