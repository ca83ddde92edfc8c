// Sends what a component has gathered, at intervals and once more when it stops.
//
// Promises: one report is under way at a time; ticks meanwhile are left out. Every report is
// settled once, with its last verdict. While running, what `next` cannot take now is settled at
// once: the component keeps it for the next interval. When stopping there is no next interval, so
// it is sent again until `deadline`.

import type { Batch } from '../../proto/contract/batch.ts';
import type { Consumer } from '../../proto/contract/component.ts';
import { retryable, unlessAborted, type Outcome } from '../../proto/contract/outcome.ts';
import type { Clock, Timer } from '../../runtime/clock.ts';

export interface Report {
  readonly batch: Batch<'metrics'>;
  settle(outcome: Outcome): void;
}

export interface ReporterOptions {
  readonly clock: Clock;
  readonly next: Consumer;
  /** 0: only when `flush` is called, and at the end. */
  readonly intervalMs: number;
  /** What has been gathered, to be sent in this order; `isLast`: nobody will ask again. */
  collect(isLast: boolean): readonly Report[];
}

export interface Reporter {
  start(): void;
  stop(deadline: AbortSignal): Promise<void>;
  /** Reports now, or waits for the report that is under way. */
  flush(): Promise<void>;
}

const limits = {
  /** Wait before what could not be delivered is sent again, when stopping. */
  retryMs: 200,
} as const;

export function createReporter({ clock, next, intervalMs, collect }: ReporterOptions): Reporter {
  const stopping = new AbortController();
  let timer: Timer | null = null;
  let started = false;
  let stopped: Promise<void> | null = null;
  let running: Promise<void> | null = null;
  const send = ({ batch }: Report): Promise<Outcome> =>
    unlessAborted(next.consume(batch, stopping.signal), stopping.signal, 'stopping');
  const report = async (): Promise<void> => {
    for (const one of collect(false)) one.settle(await send(one));
  };
  const flush = (): Promise<void> => {
    running ??= report().finally(() => {
      running = null;
    });
    return running;
  };
  const reportLast = async (): Promise<void> => {
    let left = collect(true);
    while (left.length > 0) {
      const again: Report[] = [];
      for (const one of left) {
        const outcome = stopping.signal.aborted ? retryable('stopping') : await send(one);
        if (outcome.status === 'retryable' && !stopping.signal.aborted) again.push(one);
        else one.settle(outcome);
      }
      left = again;
      if (left.length > 0) await clock.sleep(limits.retryMs, stopping.signal);
    }
  };
  const stop = async (): Promise<void> => {
    timer?.cancel();
    await running;
    await reportLast();
  };
  return {
    start: () => {
      started = true;
      if (intervalMs > 0) timer ??= clock.every(intervalMs, () => void flush());
    },
    stop: async (deadline) => {
      if (!started) return;
      const giveUp = () => stopping.abort();
      deadline.addEventListener('abort', giveUp, { once: true });
      if (deadline.aborted) giveUp();
      stopped ??= stop();
      await stopped;
      deadline.removeEventListener('abort', giveUp);
    },
    flush,
  };
}
