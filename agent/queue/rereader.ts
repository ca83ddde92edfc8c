// Reads records of a queue once more, for whoever took them and keeps only where they are. One
// segment is open at a time, so whoever wants many asks for them in order.

import { join } from 'node:path';
import { Batch } from '../../proto/contract/batch.ts';
import type { Signal } from '../../proto/otlp/model.ts';
import { DecodeError } from '../../proto/protobuf/error.ts';
import { errorMessage } from '../../runtime/errors.ts';
import type { OpenFile } from '../../runtime/files.ts';
import type { Log } from '../../runtime/log.ts';
import type { World } from '../../runtime/world.ts';
import { claimedBytes, decodeRecord, openRecord } from './format.ts';
import type { Segment } from './segment.ts';

export const limits = {
  /** Read from a segment at a time, unless a record is larger. */
  chunkBytes: 1024 * 1024,
  /** As `chunkBytes`, where only one record is wanted. */
  recordBytesHint: 64 * 1024,
} as const;

export interface Rereader {
  /** The batch whose record begins there; null, and said in the log, when it cannot be read. */
  read(segment: Segment, at: number): Promise<Batch | null>;
  stop(): Promise<void>;
}

export interface RereaderOptions {
  readonly folder: string;
  readonly world: World;
  readonly log: Log;
}

export function createRereader({ folder, world, log }: RereaderOptions): Rereader {
  let file: { readonly segment: Segment; readonly open: OpenFile } | null = null;
  let turn: Promise<unknown> = Promise.resolve();
  const openFile = async (segment: Segment): Promise<OpenFile> => {
    if (file?.segment === segment) return file.open;
    await close();
    const open = await world.files.open(join(folder, segment.name), 'read');
    if (open === null) throw new Error('it is gone');
    file = { segment, open };
    return open;
  };
  const close = async () => {
    const left = file;
    file = null;
    await left?.open.close().catch(() => {});
  };
  const read = async (segment: Segment, at: number): Promise<Batch | null> => {
    try {
      const chunk = await readChunk(await openFile(segment), at, segment.bytes,
        limits.recordBytesHint);
      const record = decodeRecord(chunk, 0);
      const payload = record === null ? null : openRecord(chunk, record, segment.seal);
      if (payload === null) throw new Error('it is damaged');
      const batch = batchOf(record!.signal, payload, `${segment.ids}/${record!.sequence}`);
      if (batch === null) throw new Error('it is no batch');
      return batch;
    } catch (error) {
      log.error(`cannot read a record of the segment ${segment.name}: ${errorMessage(error)}`,
        { at });
      return null;
    }
  };
  return {
    read: (segment, at) => {
      const result = turn.then(() => read(segment, at));
      turn = result;
      return result;
    },
    stop: async () => {
      await turn;
      await close();
    },
  };
}

/** From a record's beginning on: at least all of it, when it is one and lies before `end`. */
export async function readChunk(
  file: OpenFile, at: number, end: number, chunkBytes: number = limits.chunkBytes,
): Promise<Buffer> {
  const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, end - at));
  const got = await file.read(chunk, at);
  const claimed = claimedBytes(chunk.subarray(0, got), 0);
  if (claimed === null || claimed <= got || claimed > end - at) return chunk.subarray(0, got);
  const whole = Buffer.allocUnsafe(claimed);
  return whole.subarray(0, await file.read(whole, at));
}

/** Null for bytes that are none. */
export function batchOf(signal: Signal, bytes: Uint8Array, id: string): Batch | null {
  try {
    return Batch.fromBytes(signal, bytes, id);
  } catch (error) {
    // Its CRC is right, so it was put like this; nobody could have counted it then.
    if (error instanceof DecodeError) return null;
    throw error;
  }
}
