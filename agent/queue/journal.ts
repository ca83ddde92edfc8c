// What a processor holds back: batches that were accepted and wait for something, such as for the
// rest of their trace. A queue (queue.ts) whose batches are taken at once and acknowledged late: a
// batch is durable before its sender is answered, survives a kill at any instant, and is taken
// again at the next start until `done` was called and saved.
//
// It is counted as `binnacle_journal_*`, apart from the queues of exporters: what is in a journal
// does not go to a destination under its own id.

import type { Batch } from '../../proto/contract/batch.ts';
import type { ComponentContext } from '../../proto/contract/component.ts';
import type { Outcome } from '../../proto/contract/outcome.ts';
import { createCounters } from '../../runtime/counters.ts';
import { OperatorError, systemCause } from '../../runtime/errors.ts';
import { createQueue, type Queue, type Taken } from './queue.ts';

export const limits = {
  /** A journal takes at most this share of its file system. */
  diskShareMax: 0.1,
  /** Nothing that an earlier process left came for so long: the rest of it cannot be read. */
  replayIdleMs: 2000,
} as const;

export type Held = Pick<Taken, 'batch' | 'sequence' | 'enqueuedMs' | 'again' | 'done'>;

export interface JournalOptions {
  readonly context: ComponentContext;
  readonly folder: string;
  /** On disk. At it `put` answers `retryable`. */
  readonly bytesMax: number;
  /** Of 32 bytes; the first is for writing. None: it is not encrypted. */
  readonly keys: readonly Uint8Array[];
}

export interface Journal {
  /** `accepted` when the batch is durable; it will be taken. */
  put(batch: Batch, abort: AbortSignal): Promise<Outcome>;
  /** What an earlier process left, in its order; to be called once, before `put`. */
  replay(each: (held: Held) => void): Promise<void>;
  /** The next batch; null when `abort` fires or the journal has stopped. */
  take(abort: AbortSignal): Promise<Held | null>;
  /** Batches that are not done. */
  batches(): number;
  /** Saves what is done and closes the files. */
  stop(): Promise<void>;
}

/** Throws OperatorError when the folder cannot be used. */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const { context, folder, bytesMax, keys } = options;
  const { id, world, log, agentId } = context;
  const counters = createCounters();
  let queue: Queue;
  try {
    queue = await createQueue({
      id, world, log, agentId, counters, folder, keys,
      size: {
        bytesMax, itemsMax: Infinity, batchesMax: Infinity, diskShareMax: limits.diskShareMax,
      },
      whenFull: 'refuse',
    });
  } catch (error) {
    const message = error instanceof OperatorError ? error.message : systemCause(error);
    throw new OperatorError(`cannot open the journal of processor ${id}: ${message}`,
      error instanceof OperatorError ? error.hint
        : `make ${folder} a folder that this user may write`);
  }
  const missing = () => counters.total('binnacle_queue_missing_batches_total');
  const mostBytes = () => counters.total('binnacle_queue_bytes_max');
  showJournal(context, queue, { missing, bytesMax: mostBytes });
  return {
    put: (batch, abort) => queue.put(batch, abort),
    take: (abort) => queue.take(abort),
    replay: (each) => replay(queue, missing, options, each),
    batches: () => queue.batches(),
    stop: () => queue.stop(),
  };
}

async function replay(
  queue: Queue,
  missing: () => number,
  { context: { world, log } }: JournalOptions,
  each: (held: Held) => void,
): Promise<void> {
  const missingBefore = missing();
  const left = queue.batches();
  for (let taken = 0; taken + missing() - missingBefore < left; taken++) {
    const idle = new AbortController();
    const timer = world.clock.after(limits.replayIdleMs, () => idle.abort());
    const held = await queue.take(idle.signal);
    timer.cancel();
    if (held === null) {
      log.error('the journal has lost records', { records: left - taken });
      return;
    }
    each(held);
  }
}

interface Shown {
  missing(): number;
  bytesMax(): number;
}

function showJournal(
  { id, counters }: ComponentContext, queue: Queue, { missing, bytesMax }: Shown,
): void {
  const labels = { processor: id };
  counters.gauge('binnacle_journal_batches', 'Batches that the processor holds back.',
    () => queue.batches(), labels);
  counters.gauge('binnacle_journal_items', 'Items that the processor holds back.',
    () => queue.items(), labels);
  counters.gauge('binnacle_journal_bytes', 'Bytes that what it holds back takes on disk.',
    () => queue.bytes(), labels);
  counters.gauge('binnacle_journal_bytes_max', 'Bytes that it may take on disk.', bytesMax, labels);
  counters.counterFrom('binnacle_journal_missing_batches_total',
    'Batches that were held back and cannot be read.', missing, labels);
}
