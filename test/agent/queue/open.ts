// A queue on a disk in memory, for tests: opened, filled, emptied, and opened again after a crash.

import {
  encodeHeader, encodeRecord, HEADER_BYTES, recordBytes, segmentName,
} from '../../../agent/queue/format.ts';
import { createPieces, type Pieces } from '../../../agent/queue/pieces.ts';
import { createQueue, type Queue, type QueueOptions } from '../../../agent/queue/queue.ts';
import type { Batch } from '../../../proto/contract/batch.ts';
import { createCounters } from '../../../runtime/counters.ts';
import type { Files } from '../../../runtime/files.ts';
import { createSeededRandom } from '../../../runtime/random.ts';
import { createWorld, type World } from '../../../runtime/world.ts';
import { batchOfKeys, createRecordingLog, itemKeys, NEVER } from '../../contract/fakes.ts';
import { createFaultyFiles, type FaultyFiles } from '../../contract/faulty_files.ts';

export const FOLDER = '/queue';
export const FIRST = `${FOLDER}/${segmentName(1)}`;
export const AGENT = '11111111-2222-4333-8444-555555555555';

export const SIZE = {
  bytesMax: 1e9, itemsMax: Infinity, batchesMax: Infinity, diskShareMax: 1,
};

/** Small segments, so that they are begun and removed all the time. */
export const SMALL: Partial<QueueOptions> = { size: { ...SIZE, bytesMax: 600_000 } };

let seeds = 0;

export interface Opened {
  readonly queue: Queue;
  readonly log: ReturnType<typeof createRecordingLog>;
  readonly counters: ReturnType<typeof createCounters>;
}

export const faultyDisk = (seed = 1): FaultyFiles => createFaultyFiles(seed);

/** The disk as a process sees it that can die: afterwards none of its calls comes back. */
export function mortal({ files }: Pick<FaultyFiles, 'files'>): { files: Files; die(): void } {
  let alive = true;
  const guarded = Object.entries(files).map(([name, call]) => [name, (...args: unknown[]) =>
    (alive ? (call as (...all: unknown[]) => unknown)(...args) : new Promise(() => {}))]);
  return {
    files: Object.fromEntries(guarded) as Files,
    die: () => {
      alive = false;
    },
  };
}

export async function openOn(
  { files }: Pick<FaultyFiles, 'files'>,
  options: Partial<QueueOptions> = {},
): Promise<Opened> {
  const log = createRecordingLog();
  const counters = createCounters();
  // Chance of its own each time: an epoch is new at every start.
  const world: World = { ...createWorld(), random: createSeededRandom(++seeds), files };
  const queue = await createQueue({
    folder: FOLDER, agentId: AGENT, id: 'otlp', world, log, counters, size: SIZE,
    whenFull: 'refuse', ...options,
  });
  return { queue, log, counters };
}

export const batchOf = (...keys: string[]): Batch<'logs'> => batchOfKeys('logs', keys);

/** A batch of which a few fill a small segment. */
export const large = (name: string): Batch<'logs'> => batchOf(name, 'x'.repeat(20_000));

export const segmentsOf = (paths: readonly string[]): string[] =>
  paths.filter((path) => path.endsWith('.seg'));

/** A disk on which a queue left records r0 … in one segment, each at the returned offset. */
export async function filledDisk(count: number, seed = 1, options: Partial<QueueOptions> = {}) {
  const disk = faultyDisk(seed);
  const { queue } = await openOn(disk, options);
  const starts: number[] = [];
  for (const name of namesOf(count)) {
    starts.push(queue.bytes() || HEADER_BYTES);
    await queue.put(batchOf(name), NEVER);
  }
  await queue.stop();
  return { disk, starts };
}

export const EPOCH = '01234567-89ab-4def-8123-456789abcdef';
export const HEADER = { epoch: EPOCH, agentId: AGENT, first: 1, seal: null };

/** A segment of records 1 to `count`, and where each begins. */
export function segmentOf(count: number): { bytes: Buffer; starts: number[] } {
  const bytes = Buffer.alloc(HEADER_BYTES + count * recordBytes(100));
  encodeHeader(HEADER).copy(bytes);
  const starts: number[] = [];
  let at = HEADER_BYTES;
  for (let sequence = 1; sequence <= count; sequence++) {
    starts.push(at);
    const head = { sequence, signal: 'logs' as const, itemCount: 2, enqueuedMs: 5 };
    at = encodeRecord(bytes, at, head, Buffer.alloc(100, sequence));
  }
  return { bytes, starts };
}

/** Bytes as if they were a file. */
export const piecesOf = (bytes: Buffer): Pieces => createPieces({
  read: async (target, position) => {
    const part = bytes.subarray(position, position + target.length);
    target.set(part);
    return part.length;
  },
}, bytes.length);

/** One bit of a byte, the other way round. */
export const flip = (at: number) => (bytes: Buffer): Buffer => {
  bytes[at] = bytes[at]! ^ 0x10;
  return bytes;
};

export interface Drained {
  readonly keys: string[];
  readonly ids: string[];
  readonly attempts: number[];
}

/** Takes all that is there and acknowledges it. */
export async function drain(queue: Queue): Promise<Drained> {
  const drained: Drained = { keys: [], ids: [], attempts: [] };
  while (queue.batches() > 0) {
    const taken = await takeSoon(queue);
    if (taken === null) break;
    drained.keys.push(...itemKeys(taken.batch));
    drained.ids.push(taken.batch.id!);
    drained.attempts.push(taken.attempt);
    taken.done();
  }
  return drained;
}

/** The next batch, or null when none comes within a moment. */
export async function takeSoon(queue: Queue, waitMs = 500) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), waitMs);
  try {
    return await queue.take(abort.signal);
  } finally {
    clearTimeout(timer);
  }
}

export async function putAll(queue: Queue, names: readonly string[]): Promise<string[]> {
  const outcomes = await Promise.all(names.map((name) => queue.put(batchOf(name), NEVER)));
  return names.filter((_, index) => outcomes[index]!.status === 'accepted');
}

export const namesOf = (count: number, prefix = 'r'): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`);
