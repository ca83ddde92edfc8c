// Work that is given so much time. Whoever waits goes on when it is over, also when the work does
// not heed its signal.

import type { Clock } from './clock.ts';

export interface Deadline {
  readonly clock: Clock;
  readonly waitMs: number;
  /** Ends it before. */
  readonly abort: AbortSignal;
}

/**
 * What `work` gives. Rejects with the reason of `until` when that fires first: after `waitMs`, or
 * with `abort`. The work should end then; what it still does is nobody's any more.
 */
export async function within<T>(
  { clock, waitMs, abort }: Deadline,
  work: (until: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const timer = clock.after(waitMs, () => late.abort(new Error(`no answer in ${waitMs} ms`)));
  const until = AbortSignal.any([abort, late.signal]);
  const cut = new Promise<never>((_, reject) => {
    const giveUp = () => reject(until.reason as Error);
    if (until.aborted) giveUp();
    else until.addEventListener('abort', giveUp, { once: true });
  });
  return Promise.race([work(until), cut]).finally(() => timer.cancel());
}
