// How long to wait before the next try: exponential backoff with jitter, and never less than the
// peer asked for (OTLP 1.11, "Failures" and "OTLP/gRPC Throttling").

import type { Random } from './random.ts';

export interface RetryOptions {
  readonly initialIntervalMs: number;
  readonly maxIntervalMs: number;
  /** Growth per try, at least 1. */
  readonly multiplier: number;
  /** 0–1: the wait is spread by ± this share of itself. */
  readonly randomizationFactor: number;
}

/**
 * The wait before try number `attempt` + 1, in milliseconds. `attempt` is 0 after the first
 * failure. `peerMs` is what the peer asked for, 0 if nothing.
 */
export function retryDelayMs(
  options: RetryOptions,
  attempt: number,
  peerMs: number,
  random: Random,
): number {
  const grown = options.initialIntervalMs * options.multiplier ** Math.min(attempt, 1000);
  const interval = Math.min(grown, options.maxIntervalMs);
  const spread = 1 + options.randomizationFactor * (2 * random.float() - 1);
  return Math.max(peerMs, interval * spread);
}
