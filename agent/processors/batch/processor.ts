// Gathers small batches into larger ones, so that exporting costs less.
//
// Promises:
// - The answer travels: a call of `consume` resolves with the verdict on what it handed in, after
//   the merged batch that it became part of was answered. Nothing is acknowledged early.
// - A merged batch that is `rejected` is sent again in halves, down to single requests: only those
//   that are refused by themselves are answered `rejected`.
// - Partial success (`rejected` > 0 in `accepted`) is the sender's own when its request was sent
//   alone. Of a merged batch nobody knows whose records were refused: the number is divided in
//   proportion to the records of each request, so that the sum stays right, and the reason says so.
// - A request larger than `send_batch_max_size` is cut. Its answer is one for all pieces: refused
//   pieces count as refused records, and when a piece is accepted, those that are still retryable
//   are sent again from here, since the sender could only repeat the whole.
// - What waits or is under way holds at most `limits.heldBytesMax` bytes; beyond that `consume`
//   waits before it takes a batch in.
//
// Merging joins bytes (proto/otlp/merge.ts); nothing is decoded. With `send_batch_max_size` merged
// batches are at most that large, not exactly: whole requests are put together as long as they fit.

import * as z from 'zod';
import { count, duration, fault, ignoredKey, section } from '../../../config/schema.ts';
import type {
  ComponentContext, Consumer, Processor, ProcessorFactory,
} from '../../../proto/contract/component.ts';
import { retryable, type Outcome } from '../../../proto/contract/outcome.ts';
import { SIGNALS, type Signal } from '../../../proto/otlp/model.ts';
import type { Timer } from '../../../runtime/clock.ts';
import type { RetryOptions } from '../../../runtime/retry.ts';
import { createDelivery } from './delivery.ts';
import { createSource, type Source } from './source.ts';

const createSchema = () => section({
  timeout: duration().describe('How long the first of a batch waits; 0s sends everything at once.')
    .prefault('200ms'),
  send_batch_size: count().describe('Items at which a batch is sent before the timeout.')
    .default(8192),
  send_batch_max_size: count().describe('Most items of a batch; larger ones are cut. 0: no limit.')
    .default(0),
  metadata_keys: z.array(z.string()).max(0,
    'is not supported: the connection of a client is not known to the pipeline')
    .describe('Must be empty.').default([]),
  metadata_cardinality_limit: ignoredKey('there are no metadata_keys that it would bound'),
}).superRefine((config, ctx) => {
  const { send_batch_max_size: most, send_batch_size: size } = config;
  if (most > 0 && most < size) {
    fault(ctx, 'must not be less than send_batch_size', '', ['send_batch_max_size']);
  }
});

export type BatchConfig = z.output<ReturnType<typeof createSchema>>;

export interface BatcherOptions {
  /** Beyond it `consume` waits; one batch alone may be larger. */
  readonly heldBytesMax: number;
  /** Waits between tries for pieces whose request is accepted in part. */
  readonly pieceRetry: RetryOptions;
}

const limits: BatcherOptions = {
  heldBytesMax: 64 * 1024 * 1024,
  pieceRetry: {
    initialIntervalMs: 100,
    maxIntervalMs: 5000,
    multiplier: 2,
    randomizationFactor: 0.5,
  },
};

export const batchProcessor: ProcessorFactory<BatchConfig> = {
  kind: 'processor',
  type: 'batch',
  signals: SIGNALS,
  get schema() {
    return createSchema();
  },
  create: (config, context, next) => createBatcher(config, context, next, limits),
};

/** What waits of one signal to be sent together. */
interface Queue {
  sources: Source[];
  items: number;
  timer: Timer | undefined;
}

/** The factory's `create`, with bounds that a test may want smaller. */
export function createBatcher(
  config: BatchConfig,
  context: ComponentContext,
  next: Consumer,
  { heldBytesMax, pieceRetry }: BatcherOptions,
): Processor {
  const { clock } = context.world;
  const stopping = new AbortController();
  const queues = new Map<Signal, Queue>();
  const underWay = new Set<Promise<void>>();
  const turns: (() => void)[] = [];
  let heldBytes = 0;
  let stopped = false;
  const delivery = createDelivery({
    next,
    world: context.world,
    itemsMax: config.send_batch_max_size === 0 ? Infinity : config.send_batch_max_size,
    pieceRetry,
    stop: stopping.signal,
  });
  const sent = countersOf(context);

  const flush = (queue: Queue, cause: keyof typeof sent) => {
    queue.timer?.cancel();
    queue.timer = undefined;
    const { sources } = queue;
    queue.sources = [];
    queue.items = 0;
    if (sources.length === 0) return;
    sent[cause].add(1);
    const delivered = delivery.send(sources).finally(() => underWay.delete(delivered));
    underWay.add(delivered);
  };
  const enqueue = (source: Source) => {
    const { signal, itemCount } = source.batch;
    const queue = queues.get(signal) ?? { sources: [], items: 0, timer: undefined };
    queues.set(signal, queue);
    queue.sources.push(source);
    queue.items += itemCount;
    if (config.timeout === 0 || queue.items >= config.send_batch_size) flush(queue, 'size');
    else queue.timer ??= clock.after(config.timeout, () => flush(queue, 'timeout'));
  };
  const isFull = (bytes: number) => heldBytes > 0 && heldBytes + bytes > heldBytesMax;
  const waitForRoom = async (abort: AbortSignal) => {
    // Whatever waits for company must go now, or there may never be room.
    for (const queue of queues.values()) flush(queue, 'size');
    await nextTurn(turns, abort);
  };
  const release = (bytes: number) => {
    heldBytes -= bytes;
    for (const turn of turns.splice(0)) turn();
  };

  return {
    start: async () => {},
    stop: async (deadline) => {
      stopped = true;
      for (const turn of turns.splice(0)) turn();
      for (const queue of queues.values()) flush(queue, 'timeout');
      const giveUp = () => stopping.abort();
      if (deadline.aborted) giveUp();
      deadline.addEventListener('abort', giveUp, { once: true });
      await Promise.all(underWay);
      deadline.removeEventListener('abort', giveUp);
    },
    consume: async (batch, abort): Promise<Outcome> => {
      const bytes = batch.bytes.length;
      while (isFull(bytes) && !abort.aborted && !stopped) await waitForRoom(abort);
      if (stopped || abort.aborted) return retryable(stopped ? 'stopping' : 'aborted');
      heldBytes += bytes;
      const source = createSource(batch);
      const leave = () => leaveQueue(queues.get(batch.signal)!, source);
      abort.addEventListener('abort', leave, { once: true });
      enqueue(source);
      const outcome = await source.outcome;
      abort.removeEventListener('abort', leave);
      release(bytes);
      return outcome;
    },
  };
}

/** Takes an aborted source out if it still waits; what is under way goes on without it. */
function leaveQueue(queue: Queue, source: Source): void {
  const index = queue.sources.indexOf(source);
  if (index >= 0) {
    queue.sources.splice(index, 1);
    queue.items -= source.batch.itemCount;
  }
  if (queue.sources.length === 0) {
    queue.timer?.cancel();
    queue.timer = undefined;
  }
  source.abandon();
}

function nextTurn(turns: (() => void)[], abort: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const turn = () => {
      abort.removeEventListener('abort', turn);
      resolve();
    };
    turns.push(turn);
    abort.addEventListener('abort', turn, { once: true });
  });
}

/** The Collector's counters of what made a batch go. */
function countersOf({ id, counters }: ComponentContext) {
  const help = 'Batches sent because of';
  const labels = { processor: id };
  return {
    size: counters.counter('otelcol_processor_batch_batch_size_trigger_send_total',
      `${help} their size.`, labels),
    timeout: counters.counter('otelcol_processor_batch_timeout_trigger_send_total',
      `${help} the timeout.`, labels),
  };
}

