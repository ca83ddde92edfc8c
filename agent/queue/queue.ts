// The disk queue of an exporter: what is put is durable before it is answered, and is handed out in
// order until each batch is acknowledged, over restarts and crashes at any instant.
//
//     <folder>/0000000000000001.seg   segments, see format.ts
//     <folder>/cursor, reserve        see cursor.ts
//     <folder>/marks                  see origins.ts
//     <folder>/quarantine/            see quarantine.ts
//
// Promises:
// - A batch gets an id when it is sealed, `<agent>/<epoch>/<sequence>`, and keeps it for ever. Its
//   epoch is new each time the queue is opened, so that no id can ever name two contents.
// - Batches may be acknowledged in any order; the cursor moves over those that are without a gap. A
//   segment is removed only after a cursor behind its last record is durable.
// - Batches that an earlier process may have handed out have `attempt` 1, all others 0: how far it
//   handed out is durable before it does (`handed` of the cursor), some batches ahead.
// - A full queue answers `retryable`, or drops its oldest segment when told to, and counts it.
// - What a queue lost to damage is counted, with its first and last sequence in the log.

import type { Batch, Origin } from '../../proto/contract/batch.ts';
import { rejected, retryable, type Outcome } from '../../proto/contract/outcome.ts';
import type { Counters } from '../../runtime/counters.ts';
import { rateLimited, type Log } from '../../runtime/log.ts';
import type { World } from '../../runtime/world.ts';
import { createKeyRing } from './cipher.ts';
import { createCursorFile, type CursorFile } from './cursor.ts';
import { limits as formatLimits, recordBytes } from './format.ts';
import { showGauges } from './gauges.ts';
import { createGivenUp, type GivenUp, type GivenUpReason } from './given_up.ts';
import { encodeOrigins, limits as originLimits, Marks } from './origins.ts';
import { Progress } from './progress.ts';
import { createQuarantine } from './quarantine.ts';
import { createReader, type Reader } from './reader.ts';
import { recover, type Recovered } from './recovery.ts';
import { limits as segmentLimits, type Segment, type SequenceRange } from './segment.ts';
import { createWriter, type Writer, type Written } from './writer.ts';

export const limits = {
  /** Bytes that wait for the disk. More is answered `retryable`. */
  waitingBytesMax: 64 * 1024 * 1024,
  /** Puts that wait for the disk. */
  waitingPutsMax: 10_000,
  segmentBytesMin: 64 * 1024,
  /** A queue has at least so many segments when it is full, so that room comes in small steps. */
  segmentsMin: 8,
  retryAfterMs: 1000,
  logIntervalMs: 10_000,
} as const;

export interface QueueOptions {
  readonly folder: string;
  readonly agentId: string;
  /** The exporter, for counters. */
  readonly id: string;
  readonly world: World;
  readonly log: Log;
  readonly counters: Counters;
  readonly size: QueueSize;
  /** What a full queue does with a new batch. */
  readonly whenFull: 'refuse' | 'drop_oldest';
  /** Of 32 bytes each: all are for reading, the first is for writing. Without it nothing is. */
  readonly keys?: readonly Uint8Array[];
}

/** Each is a bound of its own. */
export interface QueueSize {
  /** Of the segments on disk. */
  readonly bytesMax: number;
  /** Not yet acknowledged. */
  readonly itemsMax: number;
  readonly batchesMax: number;
  /** 0–1: bytesMax is at most this share of the file system. */
  readonly diskShareMax: number;
}

/** A batch that was handed out. */
export interface Taken {
  readonly batch: Batch;
  readonly sequence: number;
  /** How often it may have been sent before, as far as the queue can know. */
  readonly attempt: number;
  readonly enqueuedMs: number;
  /** It is delivered, or given up for `reason`, and never handed out again. Safe to call twice. */
  done(reason?: GivenUpReason): void;
  /** The batch once more from the disk, until it is done; null when it cannot be read. */
  again(): Promise<Batch | null>;
}

export interface Queue {
  /**
   * `accepted` when the batch is durable. `retryable` when the queue is full, cannot be written
   * now, has stopped, or `abort` fired (then the batch may be in it all the same).
   */
  put(batch: Batch, abort: AbortSignal): Promise<Outcome>;
  /** The next batch; null when `abort` fires or the queue has stopped. Calls may overlap. */
  take(abort: AbortSignal): Promise<Taken | null>;
  /** Batches that were not acknowledged. */
  batches(): number;
  items(): number;
  /** Bytes of its segments. */
  bytes(): number;
  /** The stretches of this receiver that are durable here, and whose batches may be gone again. */
  origins(receiver: string): Origin[];
  /** Answers all puts, saves the cursor, closes the files. What was not done stays for later. */
  stop(): Promise<void>;
}

/** Opens the queue in `folder`. Throws what `recover` throws (recovery.ts). */
export async function createQueue(options: QueueOptions): Promise<Queue> {
  const { world, folder, agentId } = options;
  const keys = createKeyRing(options.keys ?? []);
  const log = rateLimited(options.log, world.clock, limits.logIntervalMs);
  const quarantine = createQuarantine(folder, world.files, log);
  const epoch = world.random.uuid();
  const marks = new Marks({ folder, world, log, keys, agentId, epoch });
  await marks.load();
  // Not limited: each missing range is said.
  const found = await recover({
    folder, files: world.files, clock: world.clock, log: options.log, quarantine, agentId, epoch,
    keys, marks,
  });
  const space = await world.files.space(folder).catch(() => null);
  const share = (space?.totalBytes ?? Infinity) * options.size.diskShareMax;
  const bytesMax = Math.floor(Math.min(options.size.bytesMax, share));
  const segmentBytesMax = Math.min(segmentLimits.segmentBytesMax,
    Math.max(limits.segmentBytesMin, Math.floor(bytesMax / limits.segmentsMin)));
  const cursor = createCursorFile(folder, world);
  await cursor.keepReserve();
  const core = new Core({ ...options, log, epoch, marks, cursor }, found, bytesMax);
  core.progress = new Progress({
    world, log, cursor, done: found.done, handed: found.handed,
    remove: (done) => core.removeUpTo(done),
  });
  core.reader = createReader({
    folder, world, log, quarantine, segments: core.segments, resumeAt: found.resumeAt,
    done: found.done, missed: (range) => core.miss(range),
  });
  core.writer = createWriter({
    folder, world, log, agentId, epoch, segmentBytesMax, key: keys.current, next: found.next,
    began: (segment) => void core.segments.push(segment),
    sealed: (segment, records, before) => core.seal(segment, records, before),
  });
  return core;
}

type CoreOptions = QueueOptions & {
  readonly epoch: string;
  readonly marks: Marks;
  readonly cursor: CursorFile;
};

class Core implements Queue {
  readonly segments: Segment[];
  reader!: Reader;
  writer!: Writer;
  progress!: Progress;
  readonly #options: CoreOptions;
  readonly #bytesMax: number;
  /** Sequences that an earlier process wrote. */
  readonly #earlier: number;
  /** Of these, what may have been handed out. */
  readonly #handedEarlier: number;
  readonly #givenUp: GivenUp;
  /** Handed out, in order. */
  readonly #taken = new Map<number, { acknowledged: boolean; items: number }>();
  #batches: number;
  #items: number;
  #waitingItems = 0;
  /** The last sequence that is durable. */
  #sealed: number;
  #stopped: Promise<void> | null = null;
  /** Batches that wait for room; the next one waits behind the last. */
  #waiting = 0;
  #entering: Promise<unknown> = Promise.resolve();
  #dropping: Promise<void> | null = null;

  constructor(options: CoreOptions, found: Recovered, bytesMax: number) {
    this.#options = options;
    this.#bytesMax = bytesMax;
    this.segments = found.segments;
    this.#earlier = found.next - 1;
    this.#sealed = found.next - 1;
    this.#givenUp = createGivenUp(options.counters, options.id);
    this.#handedEarlier = Math.min(found.handed ?? Infinity, this.#earlier);
    this.#batches = found.records;
    this.#items = found.items;
    for (const { from, to } of found.missing) this.#givenUp.add(from, to, 'missing', 0);
    showGauges(options, {
      batches: () => this.#batches, items: () => this.#items, bytes: () => this.bytes(),
      bytesMax: () => bytesMax, first: () => this.#earlier + 1,
      sealed: () => this.#sealed, done: () => this.progress.done,
    });
  }

  async put(batch: Batch, abort: AbortSignal): Promise<Outcome> {
    if (abort.aborted) return retryable('the sender stopped waiting');
    const bytes = batch.bytes.length;
    if (bytes > formatLimits.payloadBytesMax) {
      return rejected(`a batch of ${bytes} bytes does not fit into the queue`);
    }
    const origins = recordBytes(bytes) + originLimits.recordBytesMax > formatLimits.payloadBytesMax
      ? null : encodeOrigins(batch.origins);
    if (this.#waiting > 0 || this.#isFull(batch, origins)) {
      this.#waiting += 1;
      const turn = this.#entering.then(() => this.#waitForRoom(batch, origins));
      const hasRoom = await (this.#entering = turn);
      this.#waiting--;
      if (!hasRoom) return retryable('the queue is full', limits.retryAfterMs);
    }
    if (this.#stopped !== null) return retryable('the queue has stopped');
    if (this.writer.waitingBytes() <= limits.waitingBytesMax
      && this.writer.waitingEntries() < limits.waitingPutsMax) {
      return this.#write(batch, origins, abort);
    }
    return retryable('too much is waiting for the disk', limits.retryAfterMs);
  }

  /** One batch at a time: they stay in order. False when there is none to be made. */
  async #waitForRoom(batch: Batch, origins: Buffer | null): Promise<boolean> {
    while (this.#stopped === null && this.#isFull(batch, origins)) {
      if (await this.#makeRoom()) continue;
      this.#options.log.warn('the queue is full');
      return false;
    }
    return true;
  }

  #write(batch: Batch, origins: Buffer | null, abort: AbortSignal): Promise<Outcome> {
    return new Promise((resolve) => {
      const leave = () => resolve(retryable('the sender stopped waiting'));
      abort.addEventListener('abort', leave, { once: true });
      this.#waitingItems += batch.itemCount;
      this.writer.add({
        batch, origins,
        enqueuedMs: this.#options.world.clock.nowMs(),
        answer: (outcome) => {
          abort.removeEventListener('abort', leave);
          this.#waitingItems -= batch.itemCount;
          resolve(outcome);
        },
      });
    });
  }

  async take(abort: AbortSignal): Promise<Taken | null> {
    let found = await this.reader.next(abort);
    // It may have been dropped on its way here.
    while (found !== null && found.sequence <= this.progress.done) {
      found = await this.reader.next(abort);
    }
    if (found === null) return null;
    const { sequence, at, batch, enqueuedMs, segment } = found;
    segment.waitingRecords -= 1;
    segment.waitingItems -= batch.itemCount;
    const state = { acknowledged: false, items: batch.itemCount };
    this.#taken.set(sequence, state);
    if (!(await this.progress.mayHandOut(sequence, abort))) return null;
    return {
      batch, sequence, enqueuedMs,
      attempt: sequence <= this.#handedEarlier ? 1 : 0,
      again: () => this.reader.again(segment, at),
      done: (reason) => {
        if (state.acknowledged) return;
        state.acknowledged = true;
        if (reason !== undefined) this.#givenUp.add(sequence, sequence, reason, state.items);
        if (!this.#taken.has(sequence)) return;
        this.#batches -= 1;
        this.#items -= state.items;
        this.#advance();
      },
    };
  }

  batches(): number {
    return this.#batches;
  }

  items(): number {
    return this.#items;
  }

  bytes(): number {
    return this.segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  origins(receiver: string): Origin[] {
    return this.#options.marks.of(receiver);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    await this.writer.stop();
    await this.reader.stop();
    await this.#dropping;
    await this.progress.stop();
  }

  /** New records at the end of `segment` are durable. */
  seal(segment: Segment, records: readonly Written[], bytesBefore: number): void {
    for (const { batch, hasOrigins } of records) {
      if (hasOrigins) this.#options.marks.add(batch.origins);
    }
    const items = records.reduce((sum, { batch }) => sum + batch.itemCount, 0);
    segment.waitingRecords += records.length;
    segment.waitingItems += items;
    this.#sealed = segment.last;
    this.#batches += records.length;
    this.#items += items;
    this.reader.offer(segment, records, bytesBefore);
  }

  /** Damage that came to light while reading. */
  miss(range: SequenceRange): void {
    this.#options.log.error('the queue has lost records',
      { records: range.to - range.from + 1, ...range });
    this.#givenUp.add(range.from, range.to, 'missing', 0);
  }

  #isFull({ bytes, itemCount }: Batch, origins: Buffer | null): boolean {
    const { itemsMax, batchesMax } = this.#options.size;
    // A bound that is smaller than one batch would refuse it for ever.
    if (this.#batches === 0 && this.writer.waitingEntries() === 0) return false;
    const size = this.bytes() + this.writer.waitingBytes()
      + recordBytes(bytes.length, false, origins);
    return size > this.#bytesMax
      || this.#items + this.#waitingItems + itemCount > itemsMax
      || this.#batches + this.writer.waitingEntries() + 1 > batchesMax;
  }

  /** False when there is nothing that may be removed. */
  async #makeRoom(): Promise<boolean> {
    const before = this.segments.length;
    const { done } = this.progress;
    const newest = this.segments.at(-1);
    if (newest !== undefined && newest.last <= done) this.writer.roll();
    if (!this.progress.isSaved || newest !== undefined && newest.last <= done) {
      await this.progress.save();
    }
    if (this.segments.length < before) return true;
    if (this.#options.whenFull === 'refuse' || before === 0) return false;
    this.#dropping ??= this.#dropOldest().finally(() => {
      this.#dropping = null;
    });
    await this.#dropping;
    return this.segments.length < before;
  }

  async #dropOldest(): Promise<void> {
    const segment = this.segments[0]!;
    if (this.writer.writes(segment)) this.writer.roll();
    // What is being written right now would be answered, and gone.
    if (this.writer.writes(segment)) return;
    const { first, last } = segment;
    let records = segment.waitingRecords;
    let items = segment.waitingItems;
    this.reader.drop(segment);
    for (const [sequence, { acknowledged, items: own }] of this.#taken) {
      if (sequence > last) break;
      this.#taken.delete(sequence);
      if (acknowledged) continue;
      // What is being sent right now may still arrive, but nobody will send it again.
      records += 1;
      items += own;
    }
    this.#batches -= records;
    this.#items -= items;
    segment.waitingRecords = 0;
    segment.waitingItems = 0;
    this.progress.advance(last);
    this.#givenUp.add(first, last, 'overflow', items);
    this.#options.log.error('the queue is full: its oldest records were dropped',
      { records, items, from: first, to: last });
    await this.progress.save();
  }

  /** Removes the segments that end there; to be called when a cursor behind them is durable. */
  async removeUpTo(done: number): Promise<void> {
    const over = this.segments.filter((segment) =>
      segment.last <= done && !this.writer.writes(segment));
    const { marks, cursor } = this.#options;
    if (over.length > 0) await marks.save(() => cursor.giveReserve());
    for (const segment of over) {
      await this.#options.world.files.remove(segment.path);
      this.segments.splice(this.segments.indexOf(segment), 1);
    }
  }

  #advance(): void {
    let { done } = this.progress;
    for (const [sequence, { acknowledged }] of this.#taken) {
      if (!acknowledged) break;
      done = sequence;
      this.#taken.delete(sequence);
    }
    this.progress.advance(done);
  }
}
