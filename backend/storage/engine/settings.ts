/**
 * The configuration files of the embedded engine: memory limit, caches in proportion, no logs,
 * and what it may do at all.
 *
 * Nobody in the process, we included, may read or write files, URLs, object stores or other
 * databases by SQL: no source is granted, and no engine of tables that has one. Bodies of INSERT
 * come in by INFILE and results leave by INTO OUTFILE, which are statements of the embedding
 * program (server.ts refuses them from outside). What these grants do not stop is the function
 * `file('path')`; the SQL gate (backend/gate/) does.
 */
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { OperatorError, systemCause } from '../../../runtime/errors.ts';

/** Where the parts of a data folder are. */
export interface Folder {
  path: string;
  /** The engine's own files: tables, metadata, lock. */
  enginePath: string;
  configFile: string;
  /** For files that are of no use after a restart; empty at the start. */
  temporaryPath: string;
}

/** What the engine's one user may do. No SOURCES, no dictionaries, no functions, no backups. */
const GRANTS = [
  'SELECT, INSERT, ALTER, DROP, TRUNCATE, OPTIMIZE, SHOW, KILL QUERY, SYSTEM MERGES ON *.*',
  'CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE TEMPORARY TABLE ON *.*',
  ...['MergeTree', 'ReplacingMergeTree', 'AggregatingMergeTree', 'SummingMergeTree', 'Memory']
    .map((engine) => `TABLE ENGINE ON ${engine}`),
];

/**
 * Makes the folder and writes the engine's configuration into it.
 *
 * @throws OperatorError when the folder cannot be made or written.
 */
export function prepareFolder(path: string, memoryBytes: number): Folder {
  const enginePath = join(path, 'clickhouse');
  const configFile = join(path, 'engine.xml');
  const usersFile = join(path, 'users.xml');
  const emptyPath = join(path, 'empty');
  const temporaryPath = join(path, 'temporary');
  try {
    makeFolder(enginePath);
    makeFolder(emptyPath);
    fs.rmSync(temporaryPath, { recursive: true, force: true });
    makeFolder(temporaryPath);
    fs.accessSync(path, fs.constants.W_OK);
    fs.accessSync(enginePath, fs.constants.W_OK);
    if (isLocked(join(enginePath, 'status'))) {
      throw folderInUse(path);
    }
    fs.writeFileSync(usersFile, usersXml(), { mode: 0o600 });
    const config = configOf(memoryBytes, { usersFile, emptyPath });
    fs.writeFileSync(configFile, config, { mode: 0o600 });
  } catch (error) {
    if (error instanceof OperatorError) {
      throw error;
    }
    throw new OperatorError(
      `cannot open data folder ${path}: ${systemCause(error)}`,
      'make it writable or choose another folder with BINNACLE_DATA_DIR',
    );
  }
  return { path, enginePath, configFile, temporaryPath };
}

/** What is said when the engine's lock is held. */
export function folderInUse(path: string): OperatorError {
  return new OperatorError(
    `cannot open data folder ${path}: another process uses it`,
    'stop it or choose another folder with BINNACLE_DATA_DIR',
  );
}

/** Step by step: where a parent refuses, as in /proc, Node's own recursion never ends. */
function makeFolder(path: string): void {
  if (!fs.existsSync(path)) {
    if (dirname(path) !== path) {
      makeFolder(dirname(path));
    }
    fs.mkdirSync(path, { mode: 0o700 });
  }
}

/**
 * Whether somebody holds the engine's lock. Asked before opening, as the engine's own refusal is a
 * line on stderr. Only Linux tells; elsewhere the engine refuses.
 */
function isLocked(statusFile: string): boolean {
  if (!fs.existsSync('/proc/locks') || !fs.existsSync(statusFile)) {
    return false;
  }
  const inode = `:${fs.statSync(statusFile).ino} `;
  return fs.readFileSync('/proc/locks', 'utf8')
    .split('\n')
    .some((line) => line.includes('FLOCK') && line.includes(inode));
}

/**
 * How much smaller than their sum parts must be to be merged while they are new. With ClickHouse's
 * 5, merging takes as much processor time as inserting; 10 saves a third of it and leaves some more
 * parts for queries to open (D-037). Parts that grow old are merged all the same.
 */
const MERGE_BASE = 10;
const MERGES_MEMORY = 'merges_mutations_memory_usage_soft_limit';

/**
 * ClickHouse's defaults for caches and merges are gigabytes; here they are shares of the limit. The
 * API gives queries half of it (main.ts), so that an insert always finds memory.
 */
function configOf(
  memoryBytes: number,
  { usersFile, emptyPath }: { usersFile: string; emptyPath: string },
): string {
  const share = (part: number): number => Math.floor(memoryBytes * part);
  return `<clickhouse>
  <logger><level>none</level></logger>
  <display_name>binnacle</display_name>
  <users_config>${escaped(usersFile)}</users_config>
  <user_files_path>${escaped(emptyPath)}/</user_files_path>
  <max_server_memory_usage>${memoryBytes}</max_server_memory_usage>
  <${MERGES_MEMORY}>${share(0.25)}</${MERGES_MEMORY}>
  <mark_cache_size>${share(0.05)}</mark_cache_size>
  <primary_index_cache_size>${share(0.05)}</primary_index_cache_size>
  <index_mark_cache_size>${share(0.03)}</index_mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <query_condition_cache_size>${share(0.02)}</query_condition_cache_size>
  <merge_tree><merge_selector_base>${MERGE_BASE}</merge_selector_base></merge_tree>
</clickhouse>
`;
}

function usersXml(): string {
  const grants = GRANTS.map((grant) => `      <query>GRANT ${grant}</query>`);
  return `<clickhouse>
  <profiles><default/></profiles>
  <quotas><default/></quotas>
  <users><default>
    <password/>
    <networks><ip>::1</ip><ip>127.0.0.1</ip></networks>
    <profile>default</profile>
    <quota>default</quota>
    <grants>
${grants.join('\n')}
    </grants>
  </default></users>
</clickhouse>
`;
}

const escaped = (text: string): string =>
  text.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`);
