// Where damaged bytes of a queue go: `quarantine/`, under the name of their file and the offsets
// they had. Nothing in it is ever removed or read again by the program; a person may.

import { basename, join } from 'node:path';
import { errorMessage } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { Files, OpenFile } from '../../runtime/files.ts';

export const limits = {
  /** Files kept. Beyond it damage is still reported, but only stays where it is. */
  filesMax: 1000,
  /** Copied at a time. */
  pieceBytes: 1024 * 1024,
} as const;

export interface Quarantine {
  /**
   * Copies a stretch of the file of this name. False when it lies there already, from an earlier
   * start that has reported it.
   */
  keep(name: string, source: OpenFile, start: number, end: number): Promise<boolean>;
  /** Moves a whole file. False when that failed. */
  move(path: string, name: string): Promise<boolean>;
}

/** What cannot be kept is said in the log; nothing here throws. */
export function createQuarantine(parent: string, files: Files, log: Log): Quarantine {
  const folder = join(parent, 'quarantine');
  const hasRoom = async () => {
    await files.makeFolder(folder);
    return ((await files.list(folder)) ?? []).length < limits.filesMax;
  };
  /** Durably, and under its name only when all of it is there. */
  const copy = async (path: string, source: OpenFile, start: number, end: number) => {
    const temporary = join(folder, `.${basename(path)}.new`);
    const target = await files.open(temporary, 'write');
    try {
      await target?.truncate(0);
      for (let at = start; at < end;) {
        const piece = Buffer.allocUnsafe(Math.min(limits.pieceBytes, end - at));
        const got = await source.read(piece, at);
        if (got === 0) break;
        await target?.write(piece.subarray(0, got), at - start);
        at += got;
      }
      await target?.sync();
    } finally {
      await target?.close();
    }
    await files.rename(temporary, path);
    await files.syncFolder(folder);
  };
  const failed = (name: string, error: unknown) =>
    log.warn(`cannot put ${name} into quarantine: ${errorMessage(error)}`);
  return {
    keep: async (name, source, start, end) => {
      const path = join(folder, `${name}.${start}-${end}`);
      try {
        if (await files.stat(path) !== null) return false;
        if (await hasRoom()) await copy(path, source, start, end);
      } catch (error) {
        failed(name, error);
      }
      return true;
    },
    move: async (path, name) => {
      try {
        await files.makeFolder(folder);
        const taken = new Set(((await files.list(folder)) ?? []).map((entry) => entry.name));
        let free = name;
        for (let copy = 1; taken.has(free); copy++) free = `${name}.${copy}`;
        await files.rename(path, join(folder, free));
        return true;
      } catch (error) {
        failed(name, error);
        return false;
      }
    },
  };
}
