// Keeps a rate by chance, so that the weight of what is kept is right.
//
// The chance is set before something is looked at, by what came before it. While tokens are left,
// everything is kept (chance 1); else the chance is the rate that is allowed, divided by the rate
// that comes. In the second in which a burst of x times the rate begins, up to 1 + ln x times the
// rate pass.

import type { Clock } from '../../../runtime/clock.ts';

export interface Rate {
  /** How likely something of this cost may be kept now. */
  chance(cost: number): number;
  /** Something of this cost came, and was kept or not. */
  settle(cost: number, isKept: boolean): void;
}

const WINDOW_MS = 1000;

export function createRate(perSecond: number, burst: number, clock: Clock): Rate {
  let tokens = burst;
  let filledMs = clock.monotonicMs();
  let windowMs = filledMs;
  /** What came in the window before this one, by the second. */
  let before = 0;
  let current = 0;
  const look = () => {
    const now = clock.monotonicMs();
    tokens = Math.min(burst, tokens + (perSecond * (now - filledMs)) / 1000);
    filledMs = now;
    const elapsed = now - windowMs;
    if (elapsed < WINDOW_MS) return;
    before = (current * 1000) / elapsed;
    current = 0;
    windowMs = now;
  };
  return {
    chance: (cost) => {
      look();
      if (tokens >= cost) return 1;
      return Math.min(1, perSecond / Math.max(before, current + cost));
    },
    settle: (cost, isKept) => {
      current += cost;
      if (isKept) tokens = Math.max(-burst, tokens - cost);
    },
  };
}
