// The schema files: how they are read, and what their placeholders become.
//
//   file       = comments and statements; a statement ends with `;` at the end of a line
//   {ON_CLUSTER}       nothing                    | ON CLUSTER 'name'
//   {ENGINE Family}    Family                     | ReplicatedFamily
//   {TABLE_SETTINGS}   what every table of telemetry is made with, see below
//
// A file is never changed once it has been released: its checksum is kept in the database. Each
// statement can run twice, and at the same time as the same statement from another backend.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Files } from '../../../runtime/files.ts';

export interface SchemaFile {
  readonly version: number;
  readonly name: string;
  /** As it was written, placeholders included. */
  readonly text: string;
  /** SHA-256 of `text`, hexadecimal. */
  readonly checksum: string;
}

/** Where the tables are to live: one server, or all servers of a cluster with replicated tables. */
export interface SchemaTarget {
  /** The cluster's name in the server's configuration; null for a single server. */
  readonly cluster: string | null;
}

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), 'schema');

/** All schema files, by version. Numbers rise; one that was never used may be missing. */
export async function readSchemaFiles(files: Files): Promise<SchemaFile[]> {
  const entries = (await files.list(FOLDER)) ?? [];
  const names = entries.map((entry) => entry.name).filter((name) => /^\d+_.*\.sql$/.test(name));
  const read = names.sort().map(async (name, index) => {
    const version = Number.parseInt(name, 10);
    const before = Number.parseInt(names[index - 1] ?? '0', 10);
    assert.ok(version > before, `schema file ${name} is out of sequence`);
    const text = (await files.readText(join(FOLDER, name))) ?? '';
    return { version, name, text, checksum: createHash('sha256').update(text).digest('hex') };
  });
  assert.ok(read.length > 0, `no schema files in ${FOLDER}`);
  return Promise.all(read);
}

/** The statements of a schema file, ready to run against `target`. */
export function renderStatements(text: string, target: SchemaTarget): string[] {
  const code = text.replace(/^--.*\n/gm, '');
  return code
    .split(/;\s*(?:\n|$)/)
    .map((statement) => fillIn(statement.trim(), target))
    .filter((statement) => statement !== '');
}

function fillIn(statement: string, { cluster }: SchemaTarget): string {
  const replicated = cluster !== null;
  const onCluster = replicated ? ` ON CLUSTER '${cluster}'` : '';
  return statement
    .replace(/ \{ON_CLUSTER\}/g, onCluster)
    .replace(/\{ENGINE ([^}]+)\}/g, replicated ? 'Replicated$1' : '$1')
    .replace(/\{TABLE_SETTINGS\}/g, tableSettings(replicated).join(', '));
}

/**
 * Parts are dropped as a whole when their time is over, and a changed retention only touches their
 * descriptions; a commit is on stable storage before it is
 * answered; and a block that is sent again with the same token is recognised, for as many inserts
 * as the window holds. Plain MergeTree has no such window unless it is asked for, and a view's
 * target needs its own.
 *
 * Waiting for stable storage costs 6 to 25 ms an insert of 1,000 or 10,000 spans on a virtual disk
 * and no CPU to speak of; it vanishes in the noise at 100,000 (test/bench/insert.ts).
 */
function tableSettings(replicated: boolean): string[] {
  const window = replicated
    ? [
        'replicated_deduplication_window = 10000',
        'replicated_deduplication_window_seconds = 604800',
      ]
    : ['non_replicated_deduplication_window = 10000'];
  const fsync = ['fsync_after_insert = 1', 'fsync_part_directory = 1'];
  const expiry = ['ttl_only_drop_parts = 1', 'materialize_ttl_recalculate_only = 1'];
  return ['index_granularity = 8192', ...expiry, ...window, ...fsync];
}
