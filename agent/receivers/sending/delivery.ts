// For receivers that cannot tell their source to come again: hands batches on and sees to it that
// each gets a final verdict. What is `retryable` is sent again after a wait that grows, the same
// batch, until it is taken (or for `maxElapsedMs`). What is refused for good is counted and passed
// over.
//
// All sources of a receiver together hold at most `limits.bytesMax` of what has no verdict yet; who
// wants to hand on more waits, first come first served, so that reading stops when the next part is
// slow.

import type { Batch } from '../../../proto/contract/batch.ts';
import type { ComponentContext, Consumer } from '../../../proto/contract/component.ts';
import { rateLimited } from '../../../runtime/log.ts';
import { retryDelayMs, type RetryOptions } from '../../../runtime/retry.ts';

export const limits = {
  /** One batch alone may be larger. */
  bytesMax: 32 * 1024 * 1024,
} as const;

const LOG_INTERVAL_MS = 10_000;

export interface DeliveryOptions extends RetryOptions {
  /** After so long without being taken a batch is given up; 0: never. */
  readonly maxElapsedMs: number;
}

/** Fires `stopping` when nothing new is begun, `deadline` when nothing is waited for any more. */
export interface StopSignals {
  readonly stopping: AbortSignal;
  readonly deadline: AbortSignal;
}

export interface Delivery {
  /** Resolves when there is room for so many bytes, true; or false when it is over. */
  admit(bytes: number): Promise<boolean>;
  /**
   * Sends a batch that was admitted; null is one without records. Resolves with true when it got
   * its final verdict, with false when it did not before the stop.
   */
  deliver(batch: Batch | null, bytes: number): Promise<boolean>;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
}

export function createDelivery(
  next: Consumer,
  context: ComponentContext,
  options: DeliveryOptions,
  signals: StopSignals,
): Delivery {
  const room = createRoom(signals.stopping);
  const send = createSend(next, context, options, signals);
  const underWay = new Set<Promise<boolean>>();
  return {
    admit: room.take,
    deliver: (batch, bytes) => {
      const verdict = batch === null ? Promise.resolve(true) : send(batch);
      const sent = verdict.finally(() => {
        underWay.delete(sent);
        room.give(bytes);
      });
      underWay.add(sent);
      return sent;
    },
    idle: async () => {
      while (underWay.size > 0) await Promise.allSettled(underWay);
    },
  };
}

function createSend(
  next: Consumer,
  context: ComponentContext,
  options: DeliveryOptions,
  { stopping, deadline }: StopSignals,
): (batch: Batch) => Promise<boolean> {
  const { world: { clock, random } } = context;
  const log = rateLimited(context.log, clock, LOG_INTERVAL_MS);
  const count = outcomeCounters(context);
  return async (batch) => {
    const startMs = clock.monotonicMs();
    for (let attempt = 0; ; attempt++) {
      const outcome = await next.consume(batch, deadline);
      if (outcome.status === 'accepted') {
        count.refused.add(outcome.rejected);
        return true;
      }
      const tooLong = options.maxElapsedMs > 0
        && clock.monotonicMs() - startMs > options.maxElapsedMs;
      if (outcome.status === 'rejected' || tooLong) {
        count.refused.add(batch.itemCount);
        log.warn(`cannot deliver log records: ${outcome.reason}`, { records: batch.itemCount });
        return true;
      }
      if (stopping.aborted) return false;
      count.retried.add(1);
      log.debug(`log records wait: ${outcome.reason}`);
      const waitMs = retryDelayMs(options, attempt, outcome.retryAfterMs ?? 0, random);
      await clock.sleep(waitMs, stopping);
      if (stopping.aborted) return false;
    }
  };
}

function outcomeCounters({ counters, id }: ComponentContext) {
  const labels = { receiver: id };
  return {
    refused: counters.counter('binnacle_receiver_refused_records_total',
      'Records passed over because they were refused for good, or given up.', labels),
    retried: counters.counter('binnacle_receiver_retries_total',
      'Batches sent again because the next part could not take them.', labels),
  };
}

interface Room {
  take(bytes: number): Promise<boolean>;
  give(bytes: number): void;
}

function createRoom(stopping: AbortSignal): Room {
  let used = 0;
  const waiting: { bytes: number; enter: (admitted: boolean) => void }[] = [];
  const fits = (bytes: number) => used === 0 || used + bytes <= limits.bytesMax;
  const admitWaiting = () => {
    while (waiting.length > 0 && fits(waiting[0]!.bytes)) {
      const first = waiting.shift()!;
      used += first.bytes;
      first.enter(true);
    }
  };
  stopping.addEventListener('abort', () => {
    for (const { enter } of waiting.splice(0)) enter(false);
  });
  return {
    take: (bytes) => {
      if (stopping.aborted) return Promise.resolve(false);
      if (waiting.length === 0 && fits(bytes)) {
        used += bytes;
        return Promise.resolve(true);
      }
      return new Promise((enter) => waiting.push({ bytes, enter }));
    },
    give: (bytes) => {
      used -= bytes;
      admitWaiting();
    },
  };
}
