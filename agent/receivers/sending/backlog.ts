// For receivers that follow sources which can be read again from a position: what was read and has
// no verdict yet, in order. Items become entries, entries go through the operators, and batches are
// delivered one after the other, so that when one has its verdict all before it have theirs, too.
// While a batch is under way the next ones gather; nothing waits for time.
//
// Promises:
// - `done` is told of items in their order, each once, after the final verdict of all that became
//   of them. A position may move over these, and only over these.
// - What operators hold back (lines that wait for others) is not done before it is sent.
// - When the backlog is full, `full` says so and the source is to be read no further; then nothing
//   is held back any more.

import type { Batch } from '../../../proto/contract/batch.ts';
import type { Clock, Timer } from '../../../runtime/clock.ts';
import type { EntryBatches } from '../../operators/batches.ts';
import type { Entry } from '../../operators/entry.ts';
import type { Delivery } from './delivery.ts';

export const limits = {
  /** Items of one batch: as many as the batch processor sends on without waiting for more. */
  batchItemsMax: 8192,
  /** Bytes of items of one batch; one item alone may have more. */
  batchBytesMax: 4 * 1024 * 1024,
} as const;

/** Bytes that several backlogs hold together. */
export interface BacklogRoom {
  readonly bytesMax: number;
  bytes: number;
}

export interface BacklogOptions<T> {
  readonly batches: EntryBatches;
  readonly delivery: Delivery;
  readonly clock: Clock;
  /** Fires when nothing new is begun. */
  readonly stopping: AbortSignal;
  /** Makes the entry of an item, perhaps more than once; null for one that is left out. */
  readonly entryOf: (item: T) => Entry | null;
  /** Gives a batch its origins: `items` are all that it was made of. */
  readonly mark: (batch: Batch<'logs'>, items: readonly T[]) => Batch<'logs'>;
  readonly done: (items: readonly T[]) => void;
  /** Bytes of items that it holds before it is full. */
  readonly bytesMax: number;
  /** Shared by the backlogs of a receiver; full for those that hold anything when it is full. */
  readonly room?: BacklogRoom;
}

export interface Backlog<T> {
  /** Takes an item whether or not it is full. `bytes`: about what it takes in memory. */
  add(item: T, bytes: number): void;
  full(): boolean;
  /** Resolves when it is not full, or with false when it is over. */
  room(): Promise<boolean>;
  /** The newest item that is not done. */
  last(): T | undefined;
  /** Resolves when nothing is under way, and nothing waits but for others to come. */
  idle(): Promise<void>;
  /** Nothing more comes: nothing is held back. Resolves when all was sent, or when it is over. */
  end(): Promise<void>;
}

interface Waiting<T> {
  readonly item: T;
  readonly bytes: number;
  readonly sinceMs: number;
}

export function createBacklog<T>(options: BacklogOptions<T>): Backlog<T> {
  const { batches, delivery, clock, stopping } = options;
  const shared = options.room ?? { bytesMax: Infinity, bytes: 0 };
  let items: Waiting<T>[] = [];
  let bytes = 0;
  let running: Promise<void> | undefined;
  let due: Timer | undefined;
  let woken: (() => void)[] = [];
  let ending = false;

  const full = (): boolean =>
    bytes >= options.bytesMax || (bytes > 0 && shared.bytes >= shared.bytesMax);
  const wake = (): void => {
    for (const go of woken.splice(0)) go();
  };
  const forget = (count: number): void => {
    for (const one of items.slice(0, count)) {
      bytes -= one.bytes;
      shared.bytes -= one.bytes;
    }
    items = items.slice(count);
  };
  const isDue = (index: number): boolean => full() || ending || stopping.aborted
    || clock.monotonicMs() - items[index]!.sinceMs >= (batches.holdMs ?? 0);

  /** Sends one batch; resolves with whether there may be more to send. */
  const sendSome = async (): Promise<boolean> => {
    const count = countOf(items);
    const size = items.slice(0, count).reduce((sum, one) => sum + one.bytes, 0);
    if (!await delivery.admit(size)) return false;
    const built = batches.build({
      count, isDue,
      observedNs: clock.nowNs(),
      entry: (index) => options.entryOf(items[index]!.item),
    });
    const sent = items.slice(0, built.taken).map(({ item }) => item);
    const batch = built.batch === null ? null : options.mark(built.batch, sent);
    if (!await delivery.deliver(batch, size)) return false;
    forget(built.taken);
    if (sent.length > 0) options.done(sent);
    wake();
    // What came meanwhile may be what others wait for.
    return built.taken > 0 || items.length > count;
  };
  const run = async (): Promise<void> => {
    // So that all that comes at once goes at once.
    await Promise.resolve();
    for (let more = true; more && items.length > 0 && !stopping.aborted;) more = await sendSome();
    running = undefined;
    if (items.length === 0 || stopping.aborted) return;
    // All that is left is held back.
    due ??= clock.after(batches.holdMs ?? 0, () => {
      due = undefined;
      begin();
    });
  };
  const begin = (): void => {
    running ??= run();
  };
  stopping.addEventListener('abort', () => {
    due?.cancel();
    wake();
  }, { once: true });
  return {
    add: (item, size) => {
      items.push({ item, bytes: size, sinceMs: clock.monotonicMs() });
      bytes += size;
      shared.bytes += size;
      begin();
    },
    full,
    room: async () => {
      while (full() && !stopping.aborted) {
        await new Promise<void>((resolve) => woken.push(resolve));
      }
      return !stopping.aborted;
    },
    last: () => items.at(-1)?.item,
    idle: async () => {
      while (running !== undefined) await running;
    },
    end: async () => {
      ending = true;
      // What is under way may have held back what is due only now.
      while (running !== undefined) await running;
      due?.cancel();
      begin();
      while (running !== undefined) await running;
    },
  };
}

/** The items of the next batch, from the first on. */
function countOf(items: readonly Waiting<unknown>[]): number {
  const most = Math.min(items.length, limits.batchItemsMax);
  let bytes = 0;
  for (let count = 0; count < most; count++) {
    bytes += items[count]!.bytes;
    if (bytes > limits.batchBytesMax && count > 0) return count;
  }
  return most;
}
