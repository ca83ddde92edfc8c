// Batches that the destination refused for good: `rejected/<sequence>.<signal>.otlp`, the OTLP
// request as it was sent. Nothing reads them again; a person may, and may remove them.

import { join } from 'node:path';
import { errorMessage } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { Files } from '../../runtime/files.ts';
import type { Taken } from './queue.ts';

export const limits = {
  /** Files kept. What is refused beyond it is counted and said only. */
  filesMax: 1000,
  /** Bytes kept, all files together. */
  bytesMax: 64 * 1024 * 1024,
} as const;

export interface DeadLetters {
  /** Keeps it durably if there is room. Never throws. */
  keep(taken: Taken, reason: string): Promise<void>;
}

export function createDeadLetters(parent: string, files: Files, log: Log): DeadLetters {
  const folder = join(parent, 'rejected');
  let kept: Promise<{ count: number; bytes: number }> | null = null;
  return {
    keep: async ({ batch, sequence }, reason) => {
      const name = `${sequence}.${batch.signal}.otlp`;
      const about = { batch: batch.id, items: batch.itemCount };
      try {
        kept ??= countKept(folder, files);
        const used = await kept;
        const { length } = batch.bytes;
        if (used.count >= limits.filesMax || used.bytes + length > limits.bytesMax) {
          log.error(`a refused batch was dropped, rejected/ is full: ${reason}`, about);
          return;
        }
        used.count += 1;
        used.bytes += length;
        await files.replace(join(folder, name), batch.bytes);
        log.error(`a refused batch was kept as rejected/${name}: ${reason}`, about);
      } catch (error) {
        kept = null;
        log.error(`cannot keep a refused batch: ${errorMessage(error)}`, about);
      }
    },
  };
}

async function countKept(folder: string, files: Files) {
  await files.makeFolder(folder);
  const used = { count: 0, bytes: 0 };
  for (const { name } of (await files.list(folder)) ?? []) {
    used.count += 1;
    used.bytes += (await files.stat(join(folder, name)))?.sizeBytes ?? 0;
  }
  return used;
}
