// An exponential histogram that makes itself coarser as values spread, so that it never has more
// than `sizeMax` buckets of either sign (OpenTelemetry's data model, "Exponential scale"): bucket
// i holds what is above 2^(i / 2^scale) and not above 2^((i + 1) / 2^scale).

import type {
  ExponentialBuckets, ExponentialHistogramDataPoint,
} from '../../../proto/otlp/model.ts';

const SCALE_MAX = 20;
const SCALE_MIN = -10;

interface Buckets {
  readonly counts: Map<number, number>;
  first: number;
  last: number;
}

export interface ExponentialHistogram {
  /** `value` was seen `count` times. */
  add(value: number, count: number): void;
  toPoint(): Omit<ExponentialHistogramDataPoint,
    'attributes' | 'startTimeUnixNano' | 'timeUnixNano' | 'flags'>;
}

export function createExponentialHistogram(sizeMax: number): ExponentialHistogram {
  let scale = SCALE_MAX;
  let positive = noBuckets();
  let negative = noBuckets();
  let [count, zero, sum] = [0, 0, 0];
  let [min, max] = [Infinity, -Infinity];
  const shrink = (): void => {
    scale -= 1;
    positive = halved(positive);
    negative = halved(negative);
  };
  return {
    add: (value, times) => {
      count += times;
      sum += value * times;
      min = Math.min(min, value);
      max = Math.max(max, value);
      if (value === 0) {
        zero += times;
        return;
      }
      const size = Math.abs(value);
      // One value may need a much coarser scale: no bucket is made before it is known.
      while (scale > SCALE_MIN
        && spanOf(value > 0 ? positive : negative, indexOf(size, scale)) > sizeMax) shrink();
      const buckets = value > 0 ? positive : negative;
      addTo(buckets, indexOf(size, scale), times);
    },
    toPoint: () => ({
      count: BigInt(count), sum, scale, zeroCount: BigInt(zero), zeroThreshold: 0,
      positive: bucketsOf(positive), negative: bucketsOf(negative),
      min: count > 0 ? min : undefined, max: count > 0 ? max : undefined, exemplars: [],
    }),
  };
}

function indexOf(value: number, scale: number): number {
  const SMALLEST = 2 ** -1022; // Subnormal numbers count as the smallest normal one.
  return Math.ceil(Math.log2(Math.max(value, SMALLEST)) * 2 ** scale) - 1;
}

const noBuckets = (): Buckets => ({ counts: new Map(), first: Infinity, last: -Infinity });

function addTo(buckets: Buckets, index: number, times: number): void {
  buckets.counts.set(index, (buckets.counts.get(index) ?? 0) + times);
  buckets.first = Math.min(buckets.first, index);
  buckets.last = Math.max(buckets.last, index);
}

/** How many buckets there are from the first to the last, with one more at `index`. */
function spanOf({ first, last }: Buckets, index: number): number {
  return Math.max(last, index) - Math.min(first, index) + 1;
}

function halved(buckets: Buckets): Buckets {
  const half = noBuckets();
  for (const [index, count] of buckets.counts) addTo(half, Math.floor(index / 2), count);
  return half;
}

function bucketsOf({ counts, first, last }: Buckets): ExponentialBuckets | undefined {
  if (counts.size === 0) return undefined;
  const bucketCounts = Array.from({ length: last - first + 1 },
    (_, at) => BigInt(counts.get(first + at) ?? 0));
  return { offset: first, bucketCounts };
}
