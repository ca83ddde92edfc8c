/**
 * The engine's native addon, typed, and the three failures of opening it that an operator can fix.
 *
 * The addon is used directly instead of through chdb's `Session`, for two measured reasons:
 * - `Session.close()` waits for every running call of the whole process, so one long query keeps
 *   all short-lived sessions open. The addon closes one connection by itself.
 * - `Session.insert` takes text formats only.
 *
 * Rules the addon does not enforce and we must keep: never close a connection that has a call
 * running (the engine aborts), and never run a second statement on a connection after a failed one
 * without discarding its output (half-written output of the failed one comes first).
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** One native connection: its own settings, parameters and database; not shared between queries. */
export type Connection = { readonly connection: unique symbol };

/** What a finished call reports. `rowsRead` counts result rows, or inserted rows of an INFILE. */
export interface NativeResult {
  bytes: Uint8Array;
  /** Seconds. */
  elapsed: number;
  rowsRead: number;
  bytesRead: number;
}

/** The calls of the addon that we use. All but the last block the calling thread shortly. */
export interface Native {
  CreateConnection(path: string, args?: string[]): Connection;
  CloseConnection(connection: Connection): void;
  QueryAsyncConnection(connection: Connection, sql: string, format: string): Promise<NativeResult>;
}

/** A start that failed for a reason outside of the program; the message is one whole sentence. */
export class EngineStartError extends Error {
  override name = 'EngineStartError';
}

/**
 * Loads the addon of this platform.
 *
 * @throws EngineStartError when chdb, or its library for this platform, is not installed.
 */
export function loadNative(): Native {
  const require = createRequire(import.meta.url);
  try {
    // The loader is not among the package's exports, so it is reached by path.
    const root = dirname(require.resolve('chdb/package.json'));
    const loader = require(join(root, 'dist', 'loader.js')) as { loadNative(): Native };
    return loader.loadNative();
  } catch (error) {
    const cause = error instanceof Error ? firstLine(error.message) : String(error);
    throw new EngineStartError(
      `cannot load the embedded engine for ${process.platform}-${process.arch}: ${cause}; ` +
        'install the optional package chdb, or set CLICKHOUSE_URL to use a ClickHouse server',
    );
  }
}

/**
 * Opens the first connection of the process, which starts the engine on the folder.
 *
 * @throws EngineStartError when the folder is in use, or the engine refuses it.
 */
export function openFolder(
  native: Native,
  folder: { path: string; enginePath: string; configFile: string },
): Connection {
  try {
    return native.CreateConnection(folder.enginePath, [`--config-file=${folder.configFile}`]);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (/Cannot lock file|Another server instance/.test(message)) {
      throw new EngineStartError(
        `cannot open data folder ${folder.path}: another process uses it; ` +
          'stop it or choose another folder with BINNACLE_DATA_DIR',
      );
    }
    throw new EngineStartError(`cannot open data folder ${folder.path}: ${firstLine(message)}`);
  }
}

function firstLine(text: string): string {
  const line = text.split('\n', 1)[0] ?? '';
  return line.length > 500 ? `${line.slice(0, 500)}…` : line;
}
