// The value of one series as Prometheus shows it, made from an OTLP point, and what two deltas make
// together.
//
// An exponential histogram becomes one with bounds at powers of two, which are the same whatever
// its scale, so that the text formats can show it: each bucket counts what is above half of its
// bound, or for negative numbers above twice of it.

import type {
  Exemplar, ExponentialBuckets, ExponentialHistogramDataPoint, HistogramDataPoint, MetricData,
  NumberDataPoint, NumberValue, SummaryDataPoint,
} from '../../../proto/otlp/model.ts';

export type SeriesValue = NumberSeries | HistogramSeries | SummarySeries;

export interface NumberSeries {
  readonly kind: 'number';
  readonly value: number;
  readonly exemplars: readonly Exemplar[];
}

export interface HistogramSeries {
  readonly kind: 'histogram';
  /** In order. */
  readonly bounds: readonly number[];
  /** Of each bucket alone, one more than there are bounds. */
  readonly counts: readonly number[];
  readonly count: number;
  readonly sum: number;
  /** Its bounds are powers of two, some of which another point of the series may lack. */
  readonly exponential: boolean;
  readonly exemplars: readonly Exemplar[];
}

export interface SummarySeries {
  readonly kind: 'summary';
  readonly quantiles: readonly { readonly quantile: number; readonly value: number }[];
  readonly count: number;
  readonly sum: number;
}

type Point = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint
  | SummaryDataPoint;

/** Null when the point holds nothing that could be shown. */
export function valueOf(type: MetricData['type'], point: Point): SeriesValue | null {
  switch (type) {
    case 'gauge':
    case 'sum': {
      const { value, exemplars } = point as NumberDataPoint;
      return value === undefined ? null : { kind: 'number', value: numberOf(value), exemplars };
    }
    case 'histogram': return histogramOf(point as HistogramDataPoint);
    case 'exponentialHistogram': return exponentialOf(point as ExponentialHistogramDataPoint);
    case 'summary': {
      const { quantileValues, count, sum } = point as SummaryDataPoint;
      return { kind: 'summary', quantiles: quantileValues, count: Number(count), sum };
    }
  }
}

/** The value after `more` has been added; null when the two do not fit together. */
export function added(before: SeriesValue, more: SeriesValue): SeriesValue | null {
  if (before.kind === 'number' && more.kind === 'number') {
    return { ...more, value: before.value + more.value };
  }
  if (before.kind !== 'histogram' || more.kind !== 'histogram') return null;
  const [one, two] = before.exponential && more.exponential
    ? aligned(before, more) : [before, more];
  if (one.bounds.length !== two.bounds.length) return null;
  if (one.bounds.some((bound, index) => bound !== two.bounds[index])) return null;
  return {
    ...two,
    counts: two.counts.map((count, index) => count + one.counts[index]!),
    count: one.count + two.count,
    sum: one.sum + two.sum,
  };
}

/** How many series Prometheus makes of it. */
export function seriesIn(value: SeriesValue): number {
  switch (value.kind) {
    case 'number': return 1;
    case 'histogram': return value.counts.length + 2;
    case 'summary': return value.quantiles.length + 2;
  }
}

export const numberOf = ({ value }: NumberValue): number => Number(value);

function histogramOf(point: HistogramDataPoint): HistogramSeries | null {
  const { explicitBounds: bounds, bucketCounts, count, sum, exemplars } = point;
  const counts = bucketCounts.length === 0 ? [Number(count)] : bucketCounts.map(Number);
  const fits = bucketCounts.length === 0 ? bounds.length === 0
    : counts.length === bounds.length + 1;
  if (!fits) return null;
  return {
    kind: 'histogram', bounds, counts, count: Number(count), sum: sum ?? NaN, exponential: false,
    exemplars,
  };
}

function exponentialOf(point: ExponentialHistogramDataPoint): HistogramSeries {
  const { positive, negative, scale, zeroCount, zeroThreshold, count, sum, exemplars } = point;
  const buckets = new Map<number, number>();
  const add = (bound: number, more: number) =>
    void buckets.set(bound, (buckets.get(bound) ?? 0) + more);
  eachPower(positive, scale, (_low, high, more) => add(2 ** high, more));
  eachPower(negative, scale, (low, _high, more) => add(-(2 ** low), more));
  if (Number(zeroCount) > 0) add(Math.max(0, zeroThreshold), Number(zeroCount));
  const bounds = [...buckets.keys()].filter(Number.isFinite).sort((one, two) => one - two);
  const counts = [...bounds.map((bound) => buckets.get(bound)!), buckets.get(Infinity) ?? 0];
  return {
    kind: 'histogram', bounds, counts, count: Number(count), sum: sum ?? NaN, exponential: true,
    exemplars,
  };
}

/** `each` gets how many are above 2^low and not above 2^high. */
function eachPower(
  buckets: ExponentialBuckets | undefined,
  scale: number,
  each: (low: number, high: number, count: number) => void,
): void {
  const { offset = 0, bucketCounts = [] } = buckets ?? {};
  for (const [index, count] of bucketCounts.entries()) {
    if (count === 0n) continue;
    const at = offset + index;
    const low = scale >= 0 ? Math.floor(at / 2 ** scale) : at * 2 ** -scale;
    const high = scale >= 0 ? low + 1 : (at + 1) * 2 ** -scale;
    each(low, high, Number(count));
  }
}

/** Both with all bounds of either. */
function aligned(one: HistogramSeries, two: HistogramSeries): [HistogramSeries, HistogramSeries] {
  const bounds = [...new Set([...one.bounds, ...two.bounds])].sort((a, b) => a - b);
  const spread = (of: HistogramSeries): HistogramSeries => {
    const known = new Map(of.bounds.map((bound, index) => [bound, of.counts[index]!]));
    const counts = [...bounds.map((bound) => known.get(bound) ?? 0), of.counts.at(-1)!];
    return { ...of, bounds, counts };
  };
  return [spread(one), spread(two)];
}
