// Policies that leave out traces by chance: a fixed share, or as large a share as a rate allows.

import type { Clock } from '../../../runtime/clock.ts';
import { createRate, type Rate } from '../sampling/rate.ts';
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
