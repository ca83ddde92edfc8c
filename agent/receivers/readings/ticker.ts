// A receiver that reads every so often: what it does comes first after a delay, then once in each
// interval, and never overlaps: while one takes longer, ticks are skipped.

import type { Component } from '../../../proto/contract/component.ts';
import type { Clock, Timer } from '../../../runtime/clock.ts';
import { settledBy, type Outbox } from './outbox.ts';

export interface TickerOptions {
  readonly clock: Clock;
  readonly initialDelayMs: number;
  readonly intervalMs: number;
  /** Never rejects. */
  readonly run: () => Promise<void>;
  readonly skipped: () => void;
  /** Where `run` puts what it has read; stopped after the last run. */
  readonly outbox: Outbox;
}

export function createTicker(options: TickerOptions): Component {
  const { clock, run, skipped, outbox } = options;
  let timer: Timer | undefined;
  let running: Promise<void> | undefined;
  const tick = (): void => {
    if (running !== undefined) return skipped();
    running = run().finally(() => {
      running = undefined;
    });
  };
  return {
    start: async () => {
      timer = clock.after(options.initialDelayMs, () => {
        timer = clock.every(options.intervalMs, tick);
        tick();
      });
    },
    stop: async (deadline) => {
      timer?.cancel();
      timer = undefined;
      await settledBy(deadline, running);
      await outbox.stop(deadline);
    },
  };
}
