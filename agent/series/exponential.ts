// Exponential histograms that are added to, and taken from, each other (metrics.proto,
// ExponentialHistogramDataPoint). Bucket `i` of scale `s` holds values in (base^i, base^(i+1)] with
// base = 2^(2^-s), so one scale less joins the buckets 2i and 2i+1 to bucket i: nothing else can be
// said of where a value was, and nothing is lost about how many there were.
//
// Promises: two of unlike scales meet at the smaller one; two of unlike zero thresholds at the
// larger one, or above, where it would cut a bucket; never more than `limits.bucketsMax` buckets a
// side, at the price of scale.

import type { ExponentialBuckets, ExponentialHistogramDataPoint } from '../../proto/otlp/model.ts';

export interface ExponentialAmount extends Pick<ExponentialHistogramDataPoint,
  'count' | 'sum' | 'scale' | 'zeroCount' | 'zeroThreshold' | 'positive' | 'negative' | 'min'
  | 'max'> {
  readonly kind: 'exponential';
}

const limits = {
  /** Beyond it the scale falls until they are fewer; SDKs keep as many. */
  bucketsMax: 160,
} as const;

/** Null only when their zero thresholds cannot be made one. */
export function addExponential(
  one: ExponentialAmount,
  other: ExponentialAmount,
): ExponentialAmount | null {
  const pair = withSameZero(one, other);
  if (pair === null) return null;
  const [a, b] = pair;
  const least = Math.min(a.scale, b.scale);
  const scale = least - Math.max(
    excess([[a.positive, a.scale - least], [b.positive, b.scale - least]]),
    excess([[a.negative, a.scale - least], [b.negative, b.scale - least]]),
  );
  return {
    kind: 'exponential',
    count: a.count + b.count,
    sum: both(a.sum, b.sum, (x, y) => x + y),
    scale,
    zeroCount: a.zeroCount + b.zeroCount,
    zeroThreshold: a.zeroThreshold,
    positive: addBuckets(downscale(a.positive, a.scale - scale),
      downscale(b.positive, b.scale - scale)),
    negative: addBuckets(downscale(a.negative, a.scale - scale),
      downscale(b.negative, b.scale - scale)),
    min: both(a.min, b.min, Math.min),
    max: both(a.max, b.max, Math.max),
  };
}

/** Null when `later` cannot have grown out of `earlier`. Its scale is that of `later`. */
export function subtractExponential(
  later: ExponentialAmount,
  earlier: ExponentialAmount,
): ExponentialAmount | null {
  if (later.count < earlier.count || later.scale > earlier.scale) return null;
  const before = raiseZero(earlier, later.zeroThreshold);
  if (before.zeroThreshold !== later.zeroThreshold) return null;
  const by = earlier.scale - later.scale;
  const positive = subtractBuckets(later.positive, downscale(before.positive, by));
  const negative = subtractBuckets(later.negative, downscale(before.negative, by));
  if (positive === null || negative === null) return null;
  if (later.zeroCount < before.zeroCount) return null;
  return {
    kind: 'exponential',
    count: later.count - earlier.count,
    sum: both(later.sum, earlier.sum, (x, y) => x - y),
    scale: later.scale,
    zeroCount: later.zeroCount - before.zeroCount,
    zeroThreshold: later.zeroThreshold,
    positive,
    negative,
    min: undefined,
    max: undefined,
  };
}

/** Both with the same zero threshold; null if that is not to be had in some steps. */
function withSameZero(
  one: ExponentialAmount,
  other: ExponentialAmount,
): readonly [ExponentialAmount, ExponentialAmount] | null {
  let a = one;
  let b = other;
  for (let step = 0; step <= 2 * limits.bucketsMax; step++) {
    if (a.zeroThreshold === b.zeroThreshold) return [a, b];
    if (a.zeroThreshold < b.zeroThreshold) a = raiseZero(a, b.zeroThreshold);
    else b = raiseZero(b, a.zeroThreshold);
  }
  return null;
}

/**
 * With what lies below `threshold` counted as zero. The threshold becomes the upper end of the
 * last bucket that it cuts.
 */
function raiseZero(amount: ExponentialAmount, threshold: number): ExponentialAmount {
  let { positive, negative, zeroCount, zeroThreshold } = amount;
  if (threshold <= zeroThreshold) return amount;
  zeroThreshold = threshold;
  const cut = (buckets: ExponentialBuckets | undefined) => {
    let from = 0;
    const { offset = 0, bucketCounts = [] } = buckets ?? {};
    while (from < bucketCounts.length && lowerBound(offset + from, amount.scale) < zeroThreshold) {
      const count = bucketCounts[from]!;
      if (count > 0n) {
        zeroCount += count;
        zeroThreshold = Math.max(zeroThreshold, lowerBound(offset + from + 1, amount.scale));
      }
      from += 1;
    }
    return from === 0 ? buckets
      : { offset: offset + from, bucketCounts: bucketCounts.slice(from) };
  };
  positive = cut(positive);
  const before = zeroThreshold;
  negative = cut(negative);
  // A bucket on the negative side may have raised it into one of the positive side.
  if (zeroThreshold > before) positive = cut(positive);
  return { ...amount, positive, negative, zeroCount, zeroThreshold };
}

/** Where the values of a bucket begin. */
export function lowerBound(index: number, scale: number): number {
  return 2 ** (index * 2 ** -scale);
}

/** How many scales less are needed for at most `bucketsMax` buckets from first to last. */
function excess(sides: readonly (readonly [ExponentialBuckets | undefined, number])[]): number {
  let first = Infinity;
  let last = -Infinity;
  for (const [buckets, by] of sides) {
    const trimmed = trim(buckets);
    if (trimmed === undefined) continue;
    const end = trimmed.offset + trimmed.bucketCounts.length - 1;
    first = Math.min(first, shiftRight(trimmed.offset, by));
    last = Math.max(last, shiftRight(end, by));
  }
  let by = 0;
  while (shiftRight(last, by) - shiftRight(first, by) + 1 > limits.bucketsMax) by += 1;
  return first === Infinity ? 0 : by;
}

/** `>>` for numbers of more than 32 bits. */
const shiftRight = (index: number, by: number): number => Math.floor(index / 2 ** by);

/** The same values with `by` scales less. */
export function downscale(
  buckets: ExponentialBuckets | undefined,
  by: number,
): ExponentialBuckets | undefined {
  const trimmed = trim(buckets);
  if (trimmed === undefined || by === 0) return trimmed;
  const offset = shiftRight(trimmed.offset, by);
  const last = shiftRight(trimmed.offset + trimmed.bucketCounts.length - 1, by);
  const bucketCounts = new Array<bigint>(last - offset + 1).fill(0n);
  trimmed.bucketCounts.forEach((count, index) => {
    const at = shiftRight(trimmed.offset + index, by) - offset;
    bucketCounts[at] = bucketCounts[at]! + count;
  });
  return { offset, bucketCounts };
}

/** Without empty buckets at both ends; undefined when all are. */
function trim(buckets: ExponentialBuckets | undefined): ExponentialBuckets | undefined {
  if (buckets === undefined) return undefined;
  const { offset, bucketCounts } = buckets;
  let from = 0;
  let to = bucketCounts.length;
  while (from < to && bucketCounts[from] === 0n) from += 1;
  while (to > from && bucketCounts[to - 1] === 0n) to -= 1;
  if (from === to) return undefined;
  if (from === 0 && to === bucketCounts.length) return buckets;
  return { offset: offset + from, bucketCounts: bucketCounts.slice(from, to) };
}

function addBuckets(
  one: ExponentialBuckets | undefined,
  other: ExponentialBuckets | undefined,
): ExponentialBuckets | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  const offset = Math.min(one.offset, other.offset);
  const end = Math.max(endOf(one), endOf(other));
  return { offset, bucketCounts: Array.from({ length: end - offset }, (_, index) =>
    countAt(one, offset + index) + countAt(other, offset + index)) };
}

/** Null when a bucket would hold less than nothing. */
function subtractBuckets(
  later: ExponentialBuckets | undefined,
  earlier: ExponentialBuckets | undefined,
): ExponentialBuckets | undefined | null {
  const before = trim(earlier);
  if (before === undefined) return later;
  const after = trim(later);
  if (after === undefined || before.offset < after.offset) return null;
  if (endOf(before) > endOf(after)) return null;
  const bucketCounts = after.bucketCounts.map((count, index) =>
    count - countAt(before, after.offset + index));
  return bucketCounts.some((count) => count < 0n) ? null : trim({ ...after, bucketCounts });
}

const endOf = ({ offset, bucketCounts }: ExponentialBuckets): number =>
  offset + bucketCounts.length;

const countAt = ({ offset, bucketCounts }: ExponentialBuckets, index: number): bigint =>
  bucketCounts[index - offset] ?? 0n;

/** Undefined unless both are known. */
export function both(
  one: number | undefined,
  other: number | undefined,
  join: (one: number, other: number) => number,
): number | undefined {
  return one === undefined || other === undefined ? undefined : join(one, other);
}
