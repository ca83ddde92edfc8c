// The storage in ClickHouse, put together: connection, migration at the start, writer and reader.

import type { ClickHouseClient } from '@clickhouse/client';
import { ClickHouseError } from '@clickhouse/client';
import { retryable } from '../../../proto/contract/outcome.ts';
import type { Counters } from '../../../runtime/counters.ts';
import { OperatorError } from '../../../runtime/errors.ts';
import { rateLimited } from '../../../runtime/log.ts';
import type { Log } from '../../../runtime/log.ts';
import { retryDelayMs } from '../../../runtime/retry.ts';
import type { World } from '../../../runtime/world.ts';
import type { Storage } from '../contract.ts';
import { appendRows } from './append.ts';
import { Connection } from './client.ts';
import type { ConnectionOptions } from './client.ts';
import { connectionCause, LOGIN_CODES, UNKNOWN_DATABASE } from './errors.ts';
import type { EvictionOptions } from './eviction.ts';
import { migrate } from './migrate.ts';
import { ping, runQuery } from './reader.ts';
import type { Retention } from './retention.ts';
import { createWatch } from './watch.ts';
import type { SpaceReport, WatchOptions } from './watch.ts';
import { createWriter } from './writer.ts';
import type { FlushOptions } from './writer.ts';

export interface ClickHouseStorageOptions extends ConnectionOptions {
  readonly world: World;
  readonly log: Log;
  readonly counters: Counters;
  /** For `ON CLUSTER` and replicated tables; null for one server or the embedded engine. */
  readonly cluster: string | null;
  /** Who asks texts of others; absent or null for the user of all else. */
  readonly reader?: Pick<ConnectionOptions, 'username' | 'password'> | null | undefined;
  readonly flush: FlushOptions;
  readonly retention: Retention;
  /** What the tables may take of the disk; absent for no limit. */
  readonly space?: EvictionOptions & Pick<WatchOptions, 'everyMs'> | undefined;
}

export interface ClickHouseStorage extends Storage {
  /** What the tables take, as it was last seen. */
  space(): SpaceReport;
}

/** While the store is away at the start. */
const START_RETRY = {
  initialIntervalMs: 200,
  maxIntervalMs: 5000,
  multiplier: 1.5,
  randomizationFactor: 0.2,
};
const LOG_EVERY_MS = 30_000;
const NO_LIMITS: EvictionOptions = { maxSize: null, minFree: null };

export function createClickHouseStorage(options: ClickHouseStorageOptions): ClickHouseStorage {
  const { world } = options;
  const connection = new Connection(options);
  const { reader = null } = options;
  const readers = reader === null ? connection : new Connection({ ...options, ...reader });
  const watch = createWatch({ ...options, connection, ...(options.space ?? NO_LIMITS) });
  const writer = createWriter({ ...options, connection, pace: () => watch.pace() });
  const stopping = new AbortController();
  let started = false;
  return {
    start: async () => {
      await startWhenReachable(options, connection, stopping.signal);
      started = !stopping.signal.aborted;
      if (started) watch.start();
    },
    stop: async (deadline) => {
      stopping.abort();
      await watch.stop();
      await writer.stop(deadline);
      await connection.close();
      if (readers !== connection) await readers.close();
    },
    writer: {
      consume: (batch, abort, attempt) => (started
        ? writer.consume(batch, abort, attempt)
        : Promise.resolve(retryable('the store is not ready yet', START_RETRY.maxIntervalMs))),
    },
    query: (request) => runQuery(request.foreign === true ? readers : connection, request),
    append: (request) => appendRows(connection, request),
    ping: () => ping(connection, world.clock),
    space: () => watch.report(),
  };
}

/** Tries until the schema is up to date, or a person must do something, or `stop` fires. */
async function startWhenReachable(
  options: ClickHouseStorageOptions,
  connection: Connection,
  stop: AbortSignal,
): Promise<void> {
  const { world } = options;
  const log = rateLimited(options.log, world.clock, LOG_EVERY_MS);
  for (let attempt = 0; !stop.aborted; attempt++) {
    try {
      await migrateDatabase(options, connection);
      return;
    } catch (error) {
      if (error instanceof OperatorError) throw error;
      checkLogin(error, options);
      log.warn(`waiting for ClickHouse at ${options.url()}: ${connectionCause(error)}`);
      await world.clock.sleep(retryDelayMs(START_RETRY, attempt, 0, world.random), stop);
    }
  }
}

async function migrateDatabase(
  options: ClickHouseStorageOptions,
  connection: Connection,
): Promise<void> {
  const { cluster, database, log, retention, world } = options;
  if (!(await databaseExists(connection.client()))) {
    const onCluster = cluster === null ? '' : ` ON CLUSTER '${cluster}'`;
    await connection.runOutside(`CREATE DATABASE IF NOT EXISTS \`${database}\`${onCluster}`);
  }
  const client = connection.client();
  await migrate({ client, files: world.files, target: { cluster }, retention, log });
}

async function databaseExists(client: ClickHouseClient): Promise<boolean> {
  try {
    await client.command({ query: 'SELECT 1' });
    return true;
  } catch (error) {
    if (error instanceof ClickHouseError && Number(error.code) === UNKNOWN_DATABASE) return false;
    throw error;
  }
}

function checkLogin(error: unknown, { url, username }: ClickHouseStorageOptions): void {
  if (!(error instanceof ClickHouseError) || !LOGIN_CODES.has(Number(error.code))) return;
  throw new OperatorError(
    `ClickHouse at ${url()} does not let '${username}' in`,
    'correct clickhouse.username and clickhouse.password',
  );
}
