// Policies that leave out traces by chance: a fixed share, or as large a share as a rate allows.
//
// A rate is kept by a chance that is set before a trace is looked at, by what came before it: so
// the weight of what is kept is right, whatever the rate does. While tokens are left, everything is
// kept (chance 1); else the chance is the rate that is allowed, divided by the rate that comes. In
// the second in which a burst of x times the rate begins, up to 1 + ln x times the rate pass.

import type { Clock } from '../../../runtime/clock.ts';
import type { PolicyConfig } from './config.ts';
import {
  byChance, DEFAULT_SALT, isSampling, type Policy, type TraceView,
} from './policy.ts';

type ConfigOf<K extends keyof PolicyConfig> = NonNullable<PolicyConfig[K]>;

export function createProbabilistic(config: ConfigOf<'probabilistic'>): Policy {
  const chance = config.sampling_percentage / 100;
  const salt = config.hash_salt === '' ? DEFAULT_SALT : config.hash_salt;
  return { needsSpans: false, vote: (trace) => byChance(trace, chance, salt) };
}

export function createRateLimiting(config: ConfigOf<'rate_limiting'>, clock: Clock): Policy {
  const { spans_per_second: rate, burst_capacity: burst } = config;
  return ofRate(createRate(rate, burst ?? 2 * rate, clock), ({ summary }) => summary.spans);
}

export function createBytesLimiting(config: ConfigOf<'bytes_limiting'>, clock: Clock): Policy {
  const { bytes_per_second: rate, burst_capacity: burst } = config;
  return ofRate(createRate(rate, burst ?? 2 * rate, clock), ({ summary }) => summary.bytes);
}

function ofRate(rate: Rate, costOf: (trace: TraceView) => number): Policy {
  return {
    needsSpans: false,
    vote: (trace) => byChance(trace, rate.chance(costOf(trace)), DEFAULT_SALT),
    settle: (trace, vote) => rate.settle(costOf(trace), isSampling(vote)),
  };
}

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
