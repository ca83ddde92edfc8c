// What observations add up to, each counted with a weight: sums, histograms with fixed bounds, and
// exponential histograms.
//
// OTLP counts in whole numbers, and a weight need not be one: what is answered is rounded, and what
// rounding took or gave is kept for the next time, so that over time the counts are right to half a
// one per bucket.
//
// `total` answers all since the beginning. `take` answers what came since it was last asked, and
// `giveBack` makes it part of the next answer, when the one before could not be delivered.

import type { HistogramAmount, NumberAmount } from './amounts.ts';
import type { ExponentialAmount } from './exponential.ts';

export interface Accumulator<A> {
  record(value: number, weight: number): void;
  total(): A;
  take(): A;
  giveBack(amount: A): void;
}

export type AccumulatedAmount = NumberAmount | HistogramAmount | ExponentialAmount;

/** Adds up weights; values are not looked at. */
export function createSum(): Accumulator<NumberAmount> {
  let sum = 0;
  const total = (): NumberAmount => ({ kind: 'number', value: { type: 'int', value: whole(sum) } });
  return {
    record: (_value, weight) => {
      sum += weight;
    },
    total,
    take: () => {
      const taken = total();
      sum -= Number(taken.value.value);
      return taken;
    },
    giveBack: ({ value }) => {
      sum += Number(value.value);
    },
  };
}

/** What histograms have beside their buckets. */
interface Extent {
  sum: number;
  min: number;
  max: number;
}

const noExtent = (): Extent => ({ sum: 0, min: Infinity, max: -Infinity });

/** `bounds` are sorted; a value at a bound belongs below it, as OTLP says. */
export function createHistogram(bounds: readonly number[]): Accumulator<HistogramAmount> {
  const counts = new Float64Array(bounds.length + 1);
  let extent = noExtent();
  const total = (): HistogramAmount => {
    const bucketCounts = Array.from(counts, whole);
    const count = bucketCounts.reduce((one, other) => one + other, 0n);
    return { kind: 'histogram', count, bucketCounts, explicitBounds: bounds,
      ...fieldsOf(extent, count) };
  };
  return {
    record: (value, weight) => {
      counts[bucketOf(bounds, value)]! += weight;
      extend(extent, value, weight);
    },
    total,
    take: () => {
      const taken = total();
      taken.bucketCounts.forEach((count, index) => {
        counts[index]! -= Number(count);
      });
      if (taken.count > 0n) extent = noExtent();
      return taken;
    },
    giveBack: (amount) => {
      amount.bucketCounts.forEach((count, index) => {
        counts[index]! += Number(count);
      });
      restore(extent, amount);
    },
  };
}

/** The finest scale to begin with; it falls as values lie further apart. */
const SCALE_MAX = 20;

/** Of values that are not negative; anything below is counted as zero. */
export function createExponentialHistogram(bucketsMax: number): Accumulator<ExponentialAmount> {
  let scale = SCALE_MAX;
  let buckets = new Map<number, number>();
  let zeros = 0;
  let extent = noExtent();
  let first = Infinity;
  let last = -Infinity;
  const fit = () => {
    let by = 0;
    while (Math.floor(last / 2 ** by) - Math.floor(first / 2 ** by) >= bucketsMax) by += 1;
    if (by === 0) return;
    const joined = new Map<number, number>();
    for (const [index, weight] of buckets) {
      const at = Math.floor(index / 2 ** by);
      joined.set(at, (joined.get(at) ?? 0) + weight);
    }
    buckets = joined;
    scale -= by;
    first = Math.floor(first / 2 ** by);
    last = Math.floor(last / 2 ** by);
  };
  const add = (index: number, weight: number) => {
    buckets.set(index, (buckets.get(index) ?? 0) + weight);
    if (index >= first && index <= last) return;
    first = Math.min(first, index);
    last = Math.max(last, index);
    fit();
  };
  const total = (): ExponentialAmount => {
    const zeroCount = whole(zeros);
    const bucketCounts = buckets.size === 0 ? [] : Array.from({ length: last - first + 1 },
      (_, index) => whole(buckets.get(first + index) ?? 0));
    const count = bucketCounts.reduce((one, other) => one + other, zeroCount);
    return { kind: 'exponential', count, scale, zeroCount, zeroThreshold: 0,
      positive: buckets.size === 0 ? undefined : { offset: first, bucketCounts },
      negative: undefined, ...fieldsOf(extent, count) };
  };
  return {
    record: (value, weight) => {
      extend(extent, value, weight);
      if (value <= 0) zeros += weight;
      else add(indexOf(value, scale), weight);
    },
    total,
    take: () => {
      const taken = total();
      zeros -= Number(taken.zeroCount);
      taken.positive?.bucketCounts.forEach((count, index) => {
        const rest = (buckets.get(first + index) ?? 0) - Number(count);
        if (rest === 0) buckets.delete(first + index);
        else buckets.set(first + index, rest);
      });
      // An empty one begins anew, as fine as can be.
      if (buckets.size === 0) [scale, first, last] = [SCALE_MAX, Infinity, -Infinity];
      if (taken.count > 0n) extent = noExtent();
      return taken;
    },
    giveBack: (amount) => {
      zeros += Number(amount.zeroCount);
      restore(extent, amount);
      // The coarser of the two scales is that of both.
      while (buckets.size > 0 && scale > amount.scale) {
        const halves = [...buckets];
        buckets = new Map();
        [scale, first, last] = [scale - 1, Infinity, -Infinity];
        for (const [index, weight] of halves) add(Math.floor(index / 2), weight);
      }
      if (buckets.size === 0) scale = amount.scale;
      amount.positive?.bucketCounts.forEach((count, index) => {
        const at = amount.positive!.offset + index;
        if (count > 0n) add(Math.floor(at / 2 ** (amount.scale - scale)), Number(count));
      });
    },
  };
}

const whole = (weight: number): bigint => BigInt(Math.max(0, Math.round(weight)));

function bucketOf(bounds: readonly number[], value: number): number {
  let from = 0;
  let to = bounds.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (value <= bounds[middle]!) to = middle;
    else from = middle + 1;
  }
  return from;
}

/** The bucket (2^(i·2^-scale), 2^((i+1)·2^-scale)] that holds the value. */
function indexOf(value: number, scale: number): number {
  return Math.ceil(Math.log2(value) * 2 ** scale) - 1;
}

function extend(extent: Extent, value: number, weight: number): void {
  extent.sum += value * weight;
  if (value < extent.min) extent.min = value;
  if (value > extent.max) extent.max = value;
}

function fieldsOf({ sum, min, max }: Extent, count: bigint) {
  return count === 0n ? { sum: 0, min: undefined, max: undefined } : { sum, min, max };
}

function restore(extent: Extent, amount: Pick<HistogramAmount, 'sum' | 'min' | 'max'>): void {
  extent.sum += amount.sum ?? 0;
  extent.min = Math.min(extent.min, amount.min ?? Infinity);
  extent.max = Math.max(extent.max, amount.max ?? -Infinity);
}
