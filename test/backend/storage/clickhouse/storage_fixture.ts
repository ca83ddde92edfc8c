// A storage on a real engine, in a database of its own, for the tests of this folder.

import assert from 'node:assert/strict';
import { setMaxListeners } from 'node:events';
import { createClickHouseStorage } from '../../../../backend/storage/clickhouse/storage.ts';
import type { ClickHouseStorage, ClickHouseStorageOptions }
  from '../../../../backend/storage/clickhouse/storage.ts';
import type { Storage } from '../../../../backend/storage/contract.ts';
import { createCounters } from '../../../../runtime/counters.ts';
import type { Counters } from '../../../../runtime/counters.ts';
import { SILENT_LOG } from '../../../../runtime/log.ts';
import { createWorld } from '../../../../runtime/world.ts';

export const NEVER = new AbortController().signal;
// Many requests listen to it at the same time, which is no leak.
setMaxListeners(0, NEVER);

/** Long enough for every time that a test makes up. */
const KEPT_MS = 60 * 365 * 86_400_000;

export interface StorageFixture {
  readonly storage: Storage;
  readonly counters: Counters;
  readonly options: ClickHouseStorageOptions;
  /** What the tables take, as the storage last saw it. */
  storageSpace(): ReturnType<ClickHouseStorage['space']>;
  /** The rows of a query. */
  rows<T = Record<string, unknown>>(sql: string): Promise<T[]>;
  stop(): Promise<void>;
}

export type StorageChanges = Partial<ClickHouseStorageOptions>;

export function storageOptions(url: string, changes: StorageChanges): ClickHouseStorageOptions {
  return {
    world: createWorld(),
    log: SILENT_LOG,
    counters: createCounters(),
    url: () => url,
    username: 'default',
    password: process.env['CLICKHOUSE_PASSWORD'] ?? '',
    database: 'default',
    cluster: null,
    flush: { intervalMs: 20, rows: 100_000, bytes: 64 << 20, waitingBytesMax: 256 << 20 },
    retention: { logsMs: KEPT_MS, tracesMs: KEPT_MS, metricsMs: KEPT_MS },
    ...changes,
  };
}

export async function startStorage(
  url: string,
  changes: StorageChanges = {},
): Promise<StorageFixture> {
  const options = storageOptions(url, changes);
  const storage = createClickHouseStorage(options);
  await storage.start();
  return {
    storage,
    counters: options.counters,
    options,
    storageSpace: () => storage.space(),
    rows: (sql) => queryRows(storage, sql),
    stop: () => storage.stop(AbortSignal.timeout(10_000)),
  };
}

export async function queryText(storage: Storage, sql: string, format: string): Promise<string> {
  const { body } = await storage.query({ sql, format, abort: NEVER });
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

export async function queryRows<T>(storage: Storage, sql: string): Promise<T[]> {
  const text = await queryText(storage, sql, 'JSONEachRow');
  return text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as T);
}

export async function countRows(storage: Storage, table: string): Promise<number> {
  const [row] = await queryRows<{ rows: string | number }>(
    storage,
    `SELECT count() AS rows FROM ${table}`,
  );
  assert.ok(row !== undefined);
  return Number(row.rows);
}
