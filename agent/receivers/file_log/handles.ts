// Open files: at most `max` of them. A file stays open after it was read, so that it can be read to
// its end when its name is gone; when there is no room, the one that was used longest ago and
// still has a name is closed.

import type { Files, OpenFile } from '../../../runtime/files.ts';
import type { Tail } from './tail.ts';

export interface Handles {
  /** The open file; null when its name stands for another file now, or when all are in use. */
  open(tail: Tail): Promise<OpenFile | null>;
  close(tail: Tail): Promise<void>;
  closeAll(): Promise<void>;
  count(): number;
}

export function createHandles(files: Files, max: number): Handles {
  /** From the one used longest ago to the one used last. */
  const order = new Set<Tail>();
  let opening = 0;
  const close = async (tail: Tail): Promise<void> => {
    const { file } = tail;
    tail.file = null;
    order.delete(tail);
    await file?.close();
  };
  /** Takes a place, which is in `opening` until the file is open. */
  const takePlace = async (): Promise<boolean> => {
    while (order.size + opening >= max) {
      const idle = firstIdle(order);
      if (idle === undefined) return false;
      await close(idle);
    }
    opening++;
    return true;
  };
  const openNew = async (tail: Tail): Promise<OpenFile | null> => {
    const file = await files.open(tail.path, 'read');
    if (file === null) return null;
    const { device, inode } = await file.stat();
    if (device === tail.device && inode === tail.inode) return file;
    await file.close();
    return null;
  };
  return {
    open: async (tail) => {
      if (tail.file === null) {
        if (!await takePlace()) return null;
        try {
          tail.file = await openNew(tail);
        } finally {
          opening--;
        }
        if (tail.file === null) return null;
      }
      order.delete(tail);
      order.add(tail);
      return tail.file;
    },
    close,
    closeAll: async () => {
      for (const tail of [...order]) await close(tail);
    },
    count: () => order.size,
  };
}

function firstIdle(order: ReadonlySet<Tail>): Tail | undefined {
  for (const tail of order) {
    if (!tail.reading && tail.lostSinceMs === null) return tail;
  }
  return undefined;
}
