/**
 * The configuration file of the embedded engine: memory limit, caches in proportion to it, no logs.
 */
import { accessSync, constants, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineStartError } from './native.ts';

/** Where the parts of a data folder are. */
export interface Folder {
  path: string;
  /** The engine's own files: tables, metadata, lock. */
  enginePath: string;
  configFile: string;
}

/**
 * Makes the folder and writes the engine's configuration into it.
 *
 * @throws EngineStartError when the folder cannot be made or written.
 */
export function prepareFolder(path: string, memoryBytes: number): Folder {
  const enginePath = join(path, 'clickhouse');
  const configFile = join(path, 'engine.xml');
  try {
    mkdirSync(enginePath, { recursive: true, mode: 0o700 });
    accessSync(path, constants.W_OK);
    accessSync(enginePath, constants.W_OK);
    writeFileSync(configFile, configOf(memoryBytes), { mode: 0o600 });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    const cause = CAUSES[code] ?? code;
    throw new EngineStartError(
      `cannot open data folder ${path}: ${cause}; ` +
        'make it writable or choose another folder with BINNACLE_DATA_DIR',
    );
  }
  return { path, enginePath, configFile };
}

const CAUSES: Record<string, string> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left on the disk',
  ENOTDIR: 'a part of the path is not a folder',
  EEXIST: 'a file of that name is there',
};

/** ClickHouse's defaults for caches are gigabytes; here they are shares of the limit. */
function configOf(memoryBytes: number): string {
  const share = (part: number): number => Math.floor(memoryBytes * part);
  return `<clickhouse>
  <logger><level>none</level></logger>
  <max_server_memory_usage>${memoryBytes}</max_server_memory_usage>
  <mark_cache_size>${share(0.05)}</mark_cache_size>
  <primary_index_cache_size>${share(0.05)}</primary_index_cache_size>
  <index_mark_cache_size>${share(0.03)}</index_mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <query_condition_cache_size>${share(0.02)}</query_condition_cache_size>
</clickhouse>
`;
}
