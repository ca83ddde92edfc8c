// Where live tails hang on the intake: each batch is offered after its commit, and what fits the
// search of a listener is put into a queue of his.
//
// Promises:
// - While nobody listens to a signal, its batches are not looked at.
// - The intake never waits for a listener. What is more than a listener takes, or than is decoded
//   in a second, is not kept but counted, and the listener is told how much.
// - A batch that was stored before and comes again may be offered again.

import type { Batch } from '../../proto/contract/batch.ts';
import { DecodeError } from '../../proto/protobuf/error.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Counters } from '../../runtime/counters.ts';
import { createMatcher } from '../search/match.ts';
import type { SearchNode } from '../search/node.ts';
import { recordsOf, type Tailed, type TailRecord } from './records.ts';

export const limits = {
  /** Listeners at the same time; further ones are turned away. */
  listenersMax: 50,
  /** Records that wait for a listener; further ones are counted as dropped. */
  waitingMax: 1000,
  /** Records that are decoded in a second for all listeners; the rest is counted as dropped. */
  decodedPerSecondMax: 20_000,
} as const;

/** What has come since it was asked for the last time. */
export interface Tail {
  readonly entries: readonly object[];
  /** Records that fit, or may have fitted, and are not among the entries. */
  readonly dropped: number;
}

export interface Listener {
  take(): Tail;
  close(): void;
}

export interface Listening {
  readonly signal: Tailed;
  readonly search: SearchNode;
  /** Something is there to take. Called once until it was taken. */
  readonly ready: () => void;
  /** The hub has closed. */
  readonly ended: () => void;
}

export interface TailHub {
  /** Must be called for what is committed, and does not throw. */
  offer(batch: Batch): void;
  /** Null when there are too many already. Throws SearchError. */
  listen(listening: Listening): Listener | null;
  /** Ends all listeners. */
  close(): void;
}

const SECOND_MS = 1000;

export function createTailHub(clock: Clock, counters: Counters): TailHub {
  const queues = new Set<Queue>();
  let secondFromMs = Number.NEGATIVE_INFINITY;
  let decoded = 0;
  const count = (verdict: string, records: number) => {
    if (records === 0) return;
    counters.counter('binnacle_tail_records_total',
      'Records for live tails: sent, or dropped for slow ones.', { verdict }).add(records);
  };
  counters.gauge('binnacle_tail_listeners', 'Live tails that are open.', () => queues.size);
  /** Whether so many records more may be decoded in this second. */
  const mayDecode = (records: number): boolean => {
    if (clock.monotonicMs() - secondFromMs >= SECOND_MS) {
      secondFromMs = clock.monotonicMs();
      decoded = 0;
    }
    // One batch is always looked at, however large it is.
    if (decoded > 0 && decoded + records > limits.decodedPerSecondMax) return false;
    decoded += records;
    return true;
  };
  return {
    offer: (batch) => {
      if (queues.size === 0) return;
      const wanted = [...queues].filter(({ signal }) => signal === batch.signal);
      if (wanted.length === 0) return;
      const records = mayDecode(batch.itemCount) ? readable(batch, clock.nowNs()) : null;
      for (const queue of wanted) queue.offer(records, batch.itemCount);
    },
    listen: (listening) => {
      if (queues.size >= limits.listenersMax) return null;
      const queue = new Queue(listening, count);
      queues.add(queue);
      return { take: () => queue.take(), close: () => void queues.delete(queue) };
    },
    close: () => {
      const all = [...queues];
      queues.clear();
      for (const queue of all) queue.end();
    },
  };
}

/** Null for what cannot be decoded, of which the storage has stored what it could. */
function readable(batch: Batch, nowNs: bigint): TailRecord[] | null {
  try {
    return recordsOf(batch, nowNs);
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
}

type Count = (verdict: 'sent' | 'dropped', records: number) => void;

class Queue {
  readonly signal: Tailed;
  private readonly fits: (record: TailRecord) => boolean;
  private readonly ready: () => void;
  private readonly ended: () => void;
  private readonly count: Count;
  private entries: object[] = [];
  private dropped = 0;
  private isTold = false;

  constructor({ signal, search, ready, ended }: Listening, count: Count) {
    this.signal = signal;
    this.fits = createMatcher(search, signal);
    this.ready = ready;
    this.ended = ended;
    this.count = count;
  }

  /** `records` is null when nobody looked at them. */
  offer(records: readonly TailRecord[] | null, itemCount: number): void {
    if (records === null) this.dropped += itemCount;
    for (const record of records ?? []) {
      if (!this.fits(record)) continue;
      if (this.entries.length < limits.waitingMax) this.entries.push(record.entry());
      else this.dropped += 1;
    }
    if (this.isTold || (this.entries.length === 0 && this.dropped === 0)) return;
    this.isTold = true;
    this.ready();
  }

  take(): Tail {
    const { entries, dropped } = this;
    this.entries = [];
    this.dropped = 0;
    this.isTold = false;
    this.count('sent', entries.length);
    this.count('dropped', dropped);
    return { entries, dropped };
  }

  end(): void {
    this.ended();
  }
}
