/**
 * The engine's native addon, typed, and the failures of opening it that an operator can mend.
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
import { OperatorError, errorMessage } from '../../../runtime/errors.ts';

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

/**
 * Loads the addon of this platform.
 *
 * @throws OperatorError when chdb, or its library for this platform, is not installed.
 */
export function loadNative(): Native {
  const require = createRequire(import.meta.url);
  try {
    // The loader is not among the package's exports, so it is reached by path.
    const root = dirname(require.resolve('chdb/package.json'));
    const loader = require(join(root, 'dist', 'loader.js')) as { loadNative(): Native };
    return loader.loadNative();
  } catch (error) {
    const cause = firstLine(errorMessage(error));
    throw new OperatorError(
      `cannot load the embedded engine for ${process.platform}-${process.arch}: ${cause}`,
      'install the optional package chdb, or set CLICKHOUSE_URL to use a ClickHouse server',
    );
  }
}

/**
 * Opens the first connection of the process, which starts the engine on the folder.
 *
 * @throws OperatorError when the folder is in use, or the engine refuses it.
 */
export function openFolder(
  native: Native,
  folder: { path: string; enginePath: string; configFile: string },
): Connection {
  try {
    return native.CreateConnection(folder.enginePath, [`--config-file=${folder.configFile}`]);
  } catch (error) {
    // The addon prints its reason to stderr and throws a general message. On Linux the lock was
    // asked for before; elsewhere it is by far the likeliest reason.
    const cause = firstLine(errorMessage(error));
    const { path } = folder;
    throw new OperatorError(
      `cannot open data folder ${path}: another process uses it, or it is damaged (${cause})`,
      'stop that process or choose another folder with BINNACLE_DATA_DIR',
    );
  }
}

function firstLine(text: string): string {
  const line = text.split('\n', 1)[0] ?? '';
  return line.length > 500 ? `${line.slice(0, 500)}…` : line;
}
