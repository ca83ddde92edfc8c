// Brings the database to the schema of this program: applies the schema files that it does not
// have, and sets how long data is kept. Safe to run again, and by several backends at once.
//
// Refused with OperatorError, before anything is changed: a database that a newer program has
// changed, and one where a file was applied that has another content today.

import type { ClickHouseClient } from '@clickhouse/client';
import { OperatorError } from '../../../runtime/errors.ts';
import type { Files } from '../../../runtime/files.ts';
import type { Log } from '../../../runtime/log.ts';
import { readSchemaFiles, renderStatements } from './schema.ts';
import type { SchemaFile, SchemaTarget } from './schema.ts';

export const VERSIONS_TABLE = 'binnacle_schema_versions';

export interface MigrationOptions {
  readonly client: ClickHouseClient;
  readonly files: Files;
  readonly target: SchemaTarget;
  readonly retention: Retention;
  readonly log: Log;
}

/** How long data is kept, in milliseconds, by its own time. */
export interface Retention {
  readonly logsMs: number;
  readonly tracesMs: number;
  readonly metricsMs: number;
}

interface AppliedFile {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
}

export async function migrate(options: MigrationOptions): Promise<void> {
  const known = await readSchemaFiles(options.files);
  const applied = await readApplied(options.client);
  checkApplied(applied, known);
  for (const file of known) {
    if (!applied.some(({ version }) => version === file.version)) await applyFile(file, options);
  }
  await applyRetention(options);
}

/** Empty for a database that has no table of versions. */
async function readApplied(client: ClickHouseClient): Promise<AppliedFile[]> {
  const rows = (query: string) => readRows<AppliedFile>(client, query);
  const tables = await rows(`SELECT name FROM system.tables
    WHERE database = currentDatabase() AND name = '${VERSIONS_TABLE}'`);
  if (tables.length === 0) return [];
  return rows(`SELECT version, argMax(name, applied_at) AS name,
    argMax(checksum, applied_at) AS checksum
    FROM ${VERSIONS_TABLE} GROUP BY version ORDER BY version`);
}

function checkApplied(applied: readonly AppliedFile[], known: readonly SchemaFile[]): void {
  const newest = Math.max(0, ...applied.map(({ version }) => version));
  if (newest > known.length) {
    throw new OperatorError(
      `the store has schema version ${newest}, this program knows ${known.length}`,
      'upgrade binnacle, or let it use another database',
    );
  }
  for (const { version, checksum, name } of applied) {
    const file = known[version - 1]!;
    if (file.checksum === checksum) continue;
    throw new OperatorError(
      `schema file ${file.name} differs from ${name} that was applied to the store`,
      'use the binnacle that made this store, or a newer release, or another database',
    );
  }
}

async function applyFile(file: SchemaFile, options: MigrationOptions): Promise<void> {
  const { client, target, log } = options;
  for (const query of renderStatements(file.text, target)) await client.command({ query });
  await client.command({
    query: `INSERT INTO ${VERSIONS_TABLE} (version, name, checksum)
      SETTINGS async_insert = 0
      SELECT {version:UInt32}, {name:String}, {checksum:String}`,
    query_params: { version: file.version, name: file.name, checksum: file.checksum },
  });
  log.info(`applied schema ${file.name}`);
}

const METRIC_KINDS = ['gauge', 'sum', 'histogram', 'exponential_histogram', 'summary'];

/** Tables that forget, the column that says how old a row is, and how long rows are kept. */
function expiries({ logsMs, tracesMs, metricsMs }: Retention): [string, string][] {
  const metrics = METRIC_KINDS.map((kind): [string, string] =>
    [`otel_metrics_${kind}`, expiry('TimeUnix', metricsMs)]);
  return [
    ['otel_logs', expiry('Timestamp', logsMs)],
    ['otel_traces', expiry('Timestamp', tracesMs)],
    ['otel_traces_trace_id_ts', expiry('End', tracesMs)],
    ...metrics,
    ['binnacle_batches', expiry('Committed', Math.max(logsMs, tracesMs, metricsMs))],
  ];
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/**
 * In ClickHouse's own spelling, so that it can be found again in a table's definition. Days are
 * counted from the date, which cannot overflow; parts of a day need the 32-bit time.
 */
function expiry(column: string, keptMs: number): string {
  return keptMs % DAY_MS === 0
    ? `toDate(${column}) + toIntervalDay(${keptMs / DAY_MS})`
    : `toDateTime(${column}) + toIntervalHour(${Math.ceil(keptMs / HOUR_MS)})`;
}

async function applyRetention({ client, target, retention, log }: MigrationOptions): Promise<void> {
  const tables = await readRows<{ name: string; engine_full: string }>(
    client,
    'SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()',
  );
  const onCluster = target.cluster === null ? '' : ` ON CLUSTER '${target.cluster}'`;
  for (const [name, ttl] of expiries(retention)) {
    const table = tables.find((candidate) => candidate.name === name);
    if (table === undefined || table.engine_full.includes(` TTL ${ttl} `)) continue;
    await client.command({ query: `ALTER TABLE ${name}${onCluster} MODIFY TTL ${ttl}` });
    log.info(`${name} now keeps rows until ${ttl}`);
  }
}

async function readRows<T>(client: ClickHouseClient, query: string): Promise<T[]> {
  const answer = await client.query({ query, format: 'JSONEachRow' });
  return answer.json<T>();
}
