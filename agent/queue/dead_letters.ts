// Batches that the destination refused for good: `rejected/<sequence>.<signal>.otlp`, the OTLP
// request as it was sent. Nothing reads them again; a person may, and may remove them. Where the
// queue is encrypted they are `<sequence>.<signal>.sealed`: a segment of that one record.

import { join } from 'node:path';
import { errorMessage } from '../../runtime/errors.ts';
import type { ComponentContext } from '../../proto/contract/component.ts';
import type { Files } from '../../runtime/files.ts';
import type { Random } from '../../runtime/random.ts';
import { createKeyRing, SALT_BYTES, type QueueKey } from './cipher.ts';
import { encodeHeader, encodeRecord, HEADER_BYTES, recordBytes, sealOf } from './format.ts';
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

/** `keys` as those of the queue. */
export function createDeadLetters(
  parent: string,
  { world: { files, random }, log }: Pick<ComponentContext, 'world' | 'log'>,
  keys: readonly Uint8Array[],
): DeadLetters {
  const { current } = createKeyRing(keys);
  const folder = join(parent, 'rejected');
  let kept: Promise<{ count: number; bytes: number }> | null = null;
  return {
    keep: async (taken, reason) => {
      const { batch, sequence } = taken;
      const name = `${sequence}.${batch.signal}.${current === null ? 'otlp' : 'sealed'}`;
      const about = { batch: batch.id, items: batch.itemCount };
      try {
        kept ??= countKept(folder, files);
        const used = await kept;
        const content = current === null ? batch.bytes : sealLetter(taken, current, random);
        const { length } = content;
        if (used.count >= limits.filesMax || used.bytes + length > limits.bytesMax) {
          log.error(`a refused batch was dropped, rejected/ is full: ${reason}`, about);
          return;
        }
        used.count += 1;
        used.bytes += length;
        await files.replace(join(folder, name), content);
        log.error(`a refused batch was kept as rejected/${name}: ${reason}`, about);
      } catch (error) {
        kept = null;
        log.error(`cannot keep a refused batch: ${errorMessage(error)}`, about);
      }
    },
  };
}

function sealLetter({ batch, sequence, enqueuedMs }: Taken, key: QueueKey, random: Random) {
  const [agentId = '', epoch = ''] = batch.id!.split('/');
  const seal = { keyId: key.id, salt: random.bytes(SALT_BYTES) };
  const header = { agentId, epoch, first: sequence, seal };
  const bytes = Buffer.alloc(HEADER_BYTES + recordBytes(batch.bytes.length, true));
  encodeHeader(header).copy(bytes);
  const { signal, itemCount } = batch;
  encodeRecord(bytes, HEADER_BYTES, { signal, itemCount, sequence, enqueuedMs }, batch.bytes,
    sealOf(header, key));
  return bytes;
}

async function countKept(folder: string, files: Files) {
  await files.makeFolder(folder, 0o700);
  const used = { count: 0, bytes: 0 };
  for (const { name } of (await files.list(folder)) ?? []) {
    used.count += 1;
    used.bytes += (await files.stat(join(folder, name)))?.sizeBytes ?? 0;
  }
  return used;
}
