// What data points say, apart from when and of what: numbers, histograms and exponential histograms
// that can be added to and taken from each other. Nothing is changed in place.
//
// Adding gives null where two cannot be one: histograms with other bounds, unlike kinds. Taking
// gives null where `later` cannot have grown out of `earlier`: then the series began anew.

import type {
  DataPoint, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint,
  NumberValue,
} from '../../proto/otlp/model.ts';
import {
  addExponential, both, subtractExponential, type ExponentialAmount,
} from './exponential.ts';

export interface NumberAmount {
  readonly kind: 'number';
  readonly value: NumberValue;
}

export interface HistogramAmount extends Pick<HistogramDataPoint,
  'count' | 'sum' | 'bucketCounts' | 'explicitBounds' | 'min' | 'max'> {
  readonly kind: 'histogram';
}

export type Amount = NumberAmount | HistogramAmount | ExponentialAmount;

/** Kinds of metrics whose points can be added. */
export type AddedType = 'sum' | 'histogram' | 'exponentialHistogram';

/** Bit 0 of a point's flags: there is no value. */
const NO_RECORDED_VALUE = 1;

/** Null when the point has no value: it says so, or it is NaN, which is Prometheus' stale mark. */
export function amountOf(type: AddedType, point: DataPoint): Amount | null {
  if ((point.flags & NO_RECORDED_VALUE) !== 0) return null;
  switch (type) {
    case 'sum': {
      const { value } = point as NumberDataPoint;
      const isMissing = value === undefined
        || (value.type === 'double' && Number.isNaN(value.value));
      return isMissing ? null : { kind: 'number', value };
    }
    case 'histogram': {
      const { count, sum, bucketCounts, explicitBounds, min, max } = point as HistogramDataPoint;
      return { kind: 'histogram', count, sum, bucketCounts, explicitBounds, min, max };
    }
    case 'exponentialHistogram': {
      const one = point as ExponentialHistogramDataPoint;
      const { count, sum, scale, zeroCount, zeroThreshold, positive, negative, min, max } = one;
      return { kind: 'exponential', count, sum, scale, zeroCount, zeroThreshold, positive, negative,
        min, max };
    }
  }
}

/** The point with another amount of its kind, begun at another time. */
export function withAmount(
  point: DataPoint,
  amount: Amount,
  startTimeUnixNano: bigint,
): DataPoint {
  // Field by field: this runs for every point, and a spread of unlike objects is slow.
  const { attributes, timeUnixNano, flags } = point;
  const { exemplars } = point as NumberDataPoint;
  if (amount.kind === 'number') {
    const { value } = amount;
    const made: NumberDataPoint =
      { attributes, startTimeUnixNano, timeUnixNano, flags, value, exemplars };
    return made;
  }
  const { count, sum, min, max } = amount;
  if (amount.kind === 'histogram') {
    const { bucketCounts, explicitBounds } = amount;
    const made: HistogramDataPoint = { attributes, startTimeUnixNano, timeUnixNano, flags, count,
      sum, bucketCounts, explicitBounds, exemplars, min, max };
    return made;
  }
  const { scale, zeroCount, zeroThreshold, positive, negative } = amount;
  const made: ExponentialHistogramDataPoint = { attributes, startTimeUnixNano, timeUnixNano, flags,
    count, sum, scale, zeroCount, positive, negative, exemplars, min, max, zeroThreshold };
  return made;
}

/** The kind of points of a metric that can be added; null for gauges and summaries. */
export function addedType({ data }: Metric): AddedType | null {
  switch (data?.type) {
    case 'sum':
    case 'histogram':
    case 'exponentialHistogram':
      return data.type;
    default:
      return null;
  }
}

export function addAmounts(one: Amount, other: Amount): Amount | null {
  if (one.kind === 'number' && other.kind === 'number') {
    return { kind: 'number', value: addNumbers(one.value, other.value) };
  }
  if (one.kind === 'histogram' && other.kind === 'histogram') return addHistograms(one, other);
  if (one.kind === 'exponential' && other.kind === 'exponential') return addExponential(one, other);
  return null;
}

/** What was added between the two; its min and max are unknown. */
export function subtractAmounts(later: Amount, earlier: Amount): Amount | null {
  if (later.kind === 'number' && earlier.kind === 'number') {
    const value = subtractNumbers(later.value, earlier.value);
    return value.value < 0 ? null : { kind: 'number', value };
  }
  if (later.kind === 'histogram' && earlier.kind === 'histogram') {
    return subtractHistograms(later, earlier);
  }
  if (later.kind === 'exponential' && earlier.kind === 'exponential') {
    return subtractExponential(later, earlier);
  }
  return null;
}

const INT_MAX = 2n ** 63n - 1n;
const INT_MIN = -(2n ** 63n);

/** An integer as long as both are, and the result fits. */
export function addNumbers(one: NumberValue, other: NumberValue): NumberValue {
  if (one.type === 'int' && other.type === 'int') return integer(one.value + other.value);
  return { type: 'double', value: Number(one.value) + Number(other.value) };
}

function subtractNumbers(one: NumberValue, other: NumberValue): NumberValue {
  if (one.type === 'int' && other.type === 'int') return integer(one.value - other.value);
  return { type: 'double', value: Number(one.value) - Number(other.value) };
}

function integer(value: bigint): NumberValue {
  if (value > INT_MAX || value < INT_MIN) return { type: 'double', value: Number(value) };
  return { type: 'int', value };
}

function addHistograms(one: HistogramAmount, other: HistogramAmount): HistogramAmount | null {
  if (!sameBounds(one, other)) return null;
  return {
    kind: 'histogram',
    count: one.count + other.count,
    sum: both(one.sum, other.sum, (a, b) => a + b),
    bucketCounts: one.bucketCounts.map((count, index) => count + other.bucketCounts[index]!),
    explicitBounds: one.explicitBounds,
    min: both(one.min, other.min, Math.min),
    max: both(one.max, other.max, Math.max),
  };
}

function subtractHistograms(
  later: HistogramAmount,
  earlier: HistogramAmount,
): HistogramAmount | null {
  if (later.count < earlier.count || !sameBounds(later, earlier)) return null;
  const bucketCounts = later.bucketCounts.map((count, index) =>
    count - earlier.bucketCounts[index]!);
  if (bucketCounts.some((count) => count < 0n)) return null;
  return {
    kind: 'histogram',
    count: later.count - earlier.count,
    sum: both(later.sum, earlier.sum, (a, b) => a - b),
    bucketCounts,
    explicitBounds: later.explicitBounds,
    min: undefined,
    max: undefined,
  };
}

function sameBounds(one: HistogramAmount, other: HistogramAmount): boolean {
  if (one.bucketCounts.length !== other.bucketCounts.length) return false;
  if (one.explicitBounds === other.explicitBounds) return true;
  return one.explicitBounds.length === other.explicitBounds.length
    && one.explicitBounds.every((bound, index) => bound === other.explicitBounds[index]);
}
