// Brings the database to the schema of this program: applies the schema files that it does not
// have, and sets how long data is kept. Safe to run again, and by several backends at once.
//
// Refused with OperatorError, before anything is changed: a database that a newer program has
// changed, one where a file was applied that has another content today, and a server that is too
// old.

import type { ClickHouseClient } from '@clickhouse/client';
import { OperatorError } from '../../../runtime/errors.ts';
import type { Files } from '../../../runtime/files.ts';
import type { Log } from '../../../runtime/log.ts';
import { applyRetention } from './retention.ts';
import type { Retention } from './retention.ts';
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

interface AppliedFile {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
}

export async function migrate(options: MigrationOptions): Promise<void> {
  const known = await readSchemaFiles(options.files);
  await checkServer(options.client);
  const applied = await readApplied(options.client);
  checkApplied(applied, known);
  for (const file of known) {
    if (!applied.some(({ version }) => version === file.version)) await applyFile(file, options);
  }
  await applyRetention(options);
}

/** The tables use settings that ClickHouse has not always had; the youngest tells. */
async function checkServer(client: ClickHouseClient): Promise<void> {
  const [server] = await readRows<{ version: string; known: number }>(client, `SELECT
    version() AS version, count() AS known FROM system.merge_tree_settings
    WHERE name = 'materialize_projections_on_insert'`);
  if (Number(server?.known) > 0) return;
  throw new OperatorError(
    `the store runs ClickHouse ${server?.version}, which does not know the settings of the tables`,
    'use ClickHouse 26.7 or newer',
  );
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
  const byVersion = new Map(known.map((file) => [file.version, file]));
  const strange = applied.find(({ version }) => !byVersion.has(version));
  if (strange !== undefined) {
    const newest = known.at(-1)!.version;
    throw new OperatorError(
      `the store has schema version ${strange.version}, this program knows ${newest}`,
      'upgrade binnacle, or let it use another database',
    );
  }
  for (const { version, checksum, name } of applied) {
    const file = byVersion.get(version)!;
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

async function readRows<T>(client: ClickHouseClient, query: string): Promise<T[]> {
  const answer = await client.query({ query, format: 'JSONEachRow' });
  return answer.json<T>();
}
