// Appends batches to segments and answers each when it is durable.
//
// Promises:
// - Group commit: what is put while a write and its sync are under way goes into the next one
//   together. A put is answered `accepted` only after the sync of its segment, and of the folder
//   when the segment is new, has succeeded.
// - A segment whose write or sync failed is never written or synced again (the kernel forgets what
//   a failed sync could not write, and a second one would succeed without it). The group is written
//   once more, from memory, to a new segment; if that fails too, its puts are answered `retryable`.
// - Sequences are given when a group is written and are used again only by what replaces it.
// - One group is written at a time; what waits is bounded by whoever puts.

import { join } from 'node:path';
import type { Batch } from '../../proto/contract/batch.ts';
import { ACCEPTED, retryable, type Outcome } from '../../proto/contract/outcome.ts';
import { errorCode, systemCause } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { OpenFile } from '../../runtime/files.ts';
import type { World } from '../../runtime/world.ts';
import { SALT_BYTES, type QueueKey } from './cipher.ts';
import {
  encodeHeader, HEADER_BYTES, recordBytes, recordParts, sealOf, segmentName, type SegmentHeader,
} from './format.ts';
import type { Segment } from './segment.ts';

export const limits = {
  /** Bytes that are written and synced together, unless one record alone is larger. */
  groupBytesMax: 4 * 1024 * 1024,
  /** What a client is asked to wait after a write failed. */
  retryAfterMs: 1000,
} as const;

/** A batch on its way to the disk. */
export interface Entry {
  readonly batch: Batch;
  /** As they stand in the record; null: none. */
  readonly origins: Buffer | null;
  readonly enqueuedMs: number;
  answer(outcome: Outcome): void;
}

/** A batch that is durable. */
export interface Sealed {
  readonly sequence: number;
  /** Where its record begins in its segment. */
  readonly at: number;
  readonly batch: Batch;
  readonly enqueuedMs: number;
}

/** One that was just written. */
export interface Written extends Sealed {
  /** Its origins are in its record. */
  readonly hasOrigins: boolean;
}

export interface WriterOptions {
  readonly folder: string;
  readonly world: World;
  readonly log: Log;
  readonly agentId: string;
  readonly epoch: string;
  /** Null: nothing is encrypted. */
  readonly key: QueueKey | null;
  /** The sequence of the first record. */
  readonly next: number;
  readonly segmentBytesMax: number;
  /** Called when a segment has been begun and is durable; it may have no record yet. */
  began(segment: Segment): void;
  /** Called when records at the end of `segment` are durable, before their puts are answered. */
  sealed(segment: Segment, records: readonly Written[], bytesBefore: number): void;
}

export interface Writer {
  /** Writes it as soon as the disk is free and answers it. */
  add(entry: Entry): void;
  /** Bytes of entries that are not answered yet. */
  waitingBytes(): number;
  waitingEntries(): number;
  /** True while `segment` may still be appended to. */
  writes(segment: Segment): boolean;
  /** The next group goes to a new segment; this one is left at once if it is not being written. */
  roll(): void;
  /** Resolves when everything that was added is answered, and closes the segment. */
  stop(): Promise<void>;
}

export function createWriter(options: WriterOptions): Writer {
  const { world, log, segmentBytesMax } = options;
  const waiting: Entry[] = [];
  let waitingBytes = 0;
  let next = options.next;
  let active: { segment: Segment; file: OpenFile } | null = null;
  let running: Promise<void> | null = null;
  let rollAsked = false;
  let syncFailed = false;
  let closing: Promise<void> | null = null;

  const leave = async () => {
    const left = active;
    active = null;
    await left?.file.close().catch(() => {});
  };
  const write = async (group: readonly Entry[], bytes: number) => {
    if (rollAsked || (active !== null && active.segment.bytes + bytes > segmentBytesMax)) {
      rollAsked = false;
      await leave();
    }
    const isNew = active === null;
    active ??= await begin(next, options);
    const { segment, file } = active;
    const before = segment.bytes;
    await file.writeParts(group.flatMap(({ batch, origins, enqueuedMs }, index) => recordParts({
      sequence: next + index, signal: batch.signal, itemCount: batch.itemCount, enqueuedMs,
    }, batch.bytes, segment.seal, origins)), before);
    syncFailed = true;
    await file.sync();
    syncFailed = false;
    if (isNew) {
      await world.files.syncFolder(options.folder);
      options.began(segment);
    }
    let at = before;
    const records = group.map(({ batch, origins, enqueuedMs }, index) => {
      const sequence = next + index;
      const record = { sequence, at, batch, enqueuedMs, hasOrigins: origins !== null };
      at += recordBytes(batch.bytes.length, segment.seal !== null, origins);
      return record;
    });
    segment.bytes = before + bytes;
    next += group.length;
    segment.last = next - 1;
    options.sealed(segment, records, before);
  };
  /** Leaves a segment whose write failed, with nothing in it beyond what is durable. */
  const abandon = async () => {
    const left = active;
    if (left === null) return;
    // Frees the room. What stands there is void when the next segment begins before it; until then
    // a crash would bring it back although nobody was told that it is here.
    await left.file.truncate(left.segment.bytes).catch(() => {});
    if (!syncFailed) await left.file.sync().catch(() => {});
    syncFailed = false;
    await leave();
    if (left.segment.last >= left.segment.first) return;
    await world.files.remove(left.segment.path);
    await world.files.syncFolder(options.folder);
  };
  const commit = async (group: readonly Entry[]): Promise<Outcome> => {
    const sealed = options.key !== null;
    const bytes = group.reduce((sum, { batch, origins }) =>
      sum + recordBytes(batch.bytes.length, sealed, origins), 0);
    for (let again = false; ; again = true) {
      try {
        await write(group, bytes);
        return ACCEPTED;
      } catch (error) {
        await abandon().catch(() => {});
        log.error(`cannot write to the queue: ${systemCause(error)}`);
        if (again || errorCode(error) === 'ENOSPC') {
          return retryable(`the queue cannot be written: ${systemCause(error)}`,
            limits.retryAfterMs);
        }
      }
    }
  };
  const run = async () => {
    while (waiting.length > 0) {
      const group = takeGroup(waiting);
      const outcome = await commit(group);
      for (const entry of group) {
        waitingBytes -= entry.batch.bytes.length;
        entry.answer(outcome);
      }
    }
    running = null;
  };
  return {
    add: (entry) => {
      waiting.push(entry);
      waitingBytes += entry.batch.bytes.length;
      // What is put in the same turn of the event loop goes together.
      running ??= Promise.resolve().then(run);
    },
    waitingBytes: () => waitingBytes,
    waitingEntries: () => waiting.length,
    writes: (segment) => active?.segment === segment,
    roll: () => {
      // A group that is being written still belongs to this segment.
      if (running === null) closing = leave();
      else rollAsked = true;
    },
    stop: async () => {
      while (running !== null) await running;
      await closing;
      await leave();
    },
  };
}

function takeGroup(waiting: Entry[]): Entry[] {
  let bytes = 0;
  let count = 0;
  while (count < waiting.length) {
    const { batch, origins } = waiting[count]!;
    bytes += recordBytes(batch.bytes.length, false, origins);
    if (count > 0 && bytes > limits.groupBytesMax) break;
    count += 1;
  }
  return waiting.splice(0, count);
}

async function begin(first: number, options: WriterOptions) {
  const { folder, world, agentId, epoch, key } = options;
  const name = segmentName(first);
  const path = join(folder, name);
  // Left by an earlier attempt that could not remove it. It holds nothing that was acknowledged:
  // whatever was has a lower sequence than the one that comes next.
  await world.files.remove(path);
  const file = await world.files.open(path, 'write');
  if (file === null) {
    throw Object.assign(new Error('the folder of the queue is gone'), { code: 'ENOENT' });
  }
  const header: SegmentHeader = {
    agentId, epoch, first,
    seal: key === null ? null : { keyId: key.id, salt: world.random.bytes(SALT_BYTES) },
  };
  const segment: Segment = {
    path, name, first,
    ids: `${agentId}/${epoch}`,
    seal: key === null ? null : sealOf(header, key),
    startAt: HEADER_BYTES, last: first - 1, bytes: HEADER_BYTES,
    waitingRecords: 0, waitingItems: 0, damages: new Set(),
  };
  try {
    await file.write(encodeHeader(header), 0);
  } catch (error) {
    await file.close().catch(() => {});
    await world.files.remove(path).catch(() => {});
    throw error;
  }
  return { segment, file };
}
