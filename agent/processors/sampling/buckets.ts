// Buckets of tokens, one for each key, as many as are allowed. A bucket that is full is as a new
// one: it is forgotten when there is no room for another. When there is none to be forgotten, new
// keys share one bucket.

import type { Clock } from '../../../runtime/clock.ts';
import { createRate, type Rate } from './rate.ts';

/** Between two looks for buckets that can be forgotten. */
const SWEEP_MS = 1000;

export interface BucketsOptions {
  readonly perSecond: number;
  /** Tokens that a bucket holds. */
  readonly burst: number;
  readonly keysMax: number;
  readonly clock: Clock;
}

export interface Bucket {
  /** 0 when there are tokens; else how long until there are. */
  waitMs(): number;
  /** Takes tokens, also more than there are; a negative number gives them back. */
  take(cost: number): void;
  /** For whoever decides by chance in place of the tokens. */
  readonly rate: Rate;
}

export interface Buckets {
  of(key: string): Bucket;
  /** Keys with a bucket of their own. */
  size(): number;
}

interface Kept extends Bucket {
  isFull(): boolean;
}

export function createBuckets(options: BucketsOptions): Buckets {
  const { keysMax, clock } = options;
  const buckets = new Map<string, Kept>();
  let shared: Kept | null = null;
  let sweptMs = -Infinity;
  const sweep = () => {
    const now = clock.monotonicMs();
    if (now - sweptMs < SWEEP_MS) return;
    sweptMs = now;
    for (const [key, bucket] of buckets) if (bucket.isFull()) buckets.delete(key);
  };
  return {
    of: (key) => {
      const known = buckets.get(key);
      if (known !== undefined) return known;
      if (buckets.size >= keysMax) sweep();
      if (buckets.size >= keysMax) return shared ??= createBucket(options);
      const bucket = createBucket(options);
      buckets.set(key, bucket);
      return bucket;
    },
    size: () => buckets.size,
  };
}

function createBucket({ perSecond, burst, clock }: BucketsOptions): Kept {
  let tokens = burst;
  let filledMs = clock.monotonicMs();
  const rate = createRate(perSecond, burst, clock);
  let isIdle = true;
  const fill = () => {
    const now = clock.monotonicMs();
    tokens = Math.min(burst, tokens + (perSecond * (now - filledMs)) / 1000);
    filledMs = now;
  };
  return {
    waitMs: () => {
      fill();
      return tokens > 0 ? 0 : Math.max(1, (-tokens * 1000) / perSecond);
    },
    take: (cost) => {
      fill();
      tokens = Math.min(burst, tokens - cost);
    },
    rate: {
      chance: rate.chance,
      settle: (cost, isKept) => {
        isIdle = false;
        rate.settle(cost, isKept);
      },
    },
    isFull: () => {
      fill();
      // A rate that nothing came to since the last look says as much as a new one.
      const wasIdle = isIdle;
      isIdle = true;
      return tokens >= burst && wasIdle;
    },
  };
}
