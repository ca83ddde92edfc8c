// Where damaged bytes of a queue go: `quarantine/`, under the name of their file and the offsets
// they had. Nothing in it is ever removed or read again by the program; a person may.

import { join } from 'node:path';
import { errorMessage } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { Files } from '../../runtime/files.ts';

export const limits = {
  /** Files kept. Beyond it damage is still reported, but only stays where it is. */
  filesMax: 1000,
} as const;

export interface Quarantine {
  /**
   * Copies a stretch of a file. False when it lies there already, from an earlier start that has
   * reported it.
   */
  keep(name: string, start: number, bytes: Uint8Array): Promise<boolean>;
  /** Moves a whole file. */
  move(path: string, name: string): Promise<void>;
}

/** What cannot be kept is said in the log; it never stops the queue. */
export function createQuarantine(parent: string, files: Files, log: Log): Quarantine {
  const folder = join(parent, 'quarantine');
  const hasRoom = async () => {
    await files.makeFolder(folder);
    return ((await files.list(folder)) ?? []).length < limits.filesMax;
  };
  const failed = (name: string, error: unknown) =>
    log.warn(`cannot put ${name} into quarantine: ${errorMessage(error)}`);
  return {
    keep: async (name, start, bytes) => {
      const path = join(folder, `${name}.${start}-${start + bytes.length}`);
      try {
        if (await files.stat(path) !== null) return false;
        if (await hasRoom()) await files.replace(path, bytes);
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
      } catch (error) {
        failed(name, error);
      }
    },
  };
}
