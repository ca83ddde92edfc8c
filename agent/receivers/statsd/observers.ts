// What becomes of the values of one timer, histogram or distribution until they are sent: points of
// a gauge, one summary, or one histogram. All are deltas: they begin anew with each batch.

import type {
  Attributes, HistogramDataPoint, Metric, NumberDataPoint, QuantileValue,
} from '../../../proto/otlp/model.ts';
import type { Random } from '../../../runtime/random.ts';
import type { Mapping } from './config.ts';
import { createExponentialHistogram } from './exponential.ts';

export const limits = {
  /** Values of one summary; of more a fair choice is kept, while count and sum stay right. */
  summaryValues: 10_000,
} as const;

export interface Span {
  readonly startNs: bigint;
  readonly timeNs: bigint;
}

export interface Observer {
  /** Each value was seen `each` times. */
  add(value: number, each: number, nowNs: bigint): void;
  /** How many values are in memory. */
  kept(): number;
  toData(attributes: Attributes, span: Span): Metric['data'];
}

const DELTA = 1;

/** Null: the values are wanted by nobody. */
export function createObserver(
  mapping: Mapping | undefined,
  name: string,
  random: Random,
): Observer | null {
  switch (mapping?.observer_type ?? 'gauge') {
    case 'gauge': return gaugeObserver();
    case 'summary': return summaryObserver(mapping!.summary.percentiles, random);
    case 'histogram': {
      const { explicit_buckets: explicit, max_size: sizeMax } = mapping!.histogram;
      const own = explicit.find(({ matcher_pattern: names }) => names.test(name));
      return own === undefined ? exponentialObserver(sizeMax) : explicitObserver(own.buckets);
    }
    default: return null;
  }
}

function gaugeObserver(): Observer {
  const values: [number, bigint][] = [];
  return {
    add: (value, _each, nowNs) => void values.push([value, nowNs]),
    kept: () => values.length,
    toData: (attributes) => ({
      type: 'gauge',
      dataPoints: values.map(([value, timeUnixNano]): NumberDataPoint => ({
        attributes, startTimeUnixNano: 0n, timeUnixNano, flags: 0, exemplars: [],
        value: { type: 'double', value },
      })),
    }),
  };
}

function summaryObserver(percentiles: readonly number[], random: Random): Observer {
  const values: [number, number][] = [];
  let [seen, count, sum] = [0, 0, 0];
  return {
    add: (value, each) => {
      seen += 1;
      count += each;
      sum += value * each;
      if (values.length < limits.summaryValues) {
        values.push([value, each]);
        return;
      }
      const at = Math.floor(random.float() * seen);
      if (at < values.length) values[at] = [value, each];
    },
    kept: () => values.length,
    toData: (attributes, { startNs, timeNs }) => ({
      type: 'summary',
      dataPoints: [{
        attributes, startTimeUnixNano: startNs, timeUnixNano: timeNs, flags: 0,
        count: BigInt(Math.round(count)), sum, quantileValues: quantiles(values, percentiles),
      }],
    }),
  };
}

/** Of each percentile the smallest value that so many are not above. */
function quantiles(
  values: readonly (readonly [number, number])[],
  percentiles: readonly number[],
): QuantileValue[] {
  const sorted = [...values].sort(([one], [two]) => one - two);
  const total = sorted.reduce((all, [, weight]) => all + weight, 0);
  return percentiles.map((percentile) => {
    let below = 0;
    const found = sorted.find(([, weight]) => {
      below += weight;
      return below >= (total * percentile) / 100;
    });
    return { quantile: percentile / 100, value: (found ?? sorted.at(-1) ?? [NaN])[0] };
  });
}

function exponentialObserver(sizeMax: number): Observer {
  const histogram = createExponentialHistogram(sizeMax);
  return {
    add: (value, each) => histogram.add(value, Math.round(each)),
    kept: () => 1,
    toData: (attributes, { startNs, timeNs }) => ({
      type: 'exponentialHistogram',
      aggregationTemporality: DELTA,
      dataPoints: [{
        attributes, startTimeUnixNano: startNs, timeUnixNano: timeNs, flags: 0,
        ...histogram.toPoint(),
      }],
    }),
  };
}

function explicitObserver(bounds: readonly number[]): Observer {
  const counts = Array.from({ length: bounds.length + 1 }, () => 0);
  let [count, sum, min, max] = [0, 0, Infinity, -Infinity];
  return {
    add: (value, each) => {
      const times = Math.round(each);
      const found = bounds.findIndex((bound) => value <= bound);
      counts[found === -1 ? bounds.length : found]! += times;
      count += times;
      sum += value * times;
      min = Math.min(min, value);
      max = Math.max(max, value);
    },
    kept: () => 1,
    toData: (attributes, { startNs, timeNs }) => ({
      type: 'histogram',
      aggregationTemporality: DELTA,
      dataPoints: [{
        attributes, startTimeUnixNano: startNs, timeUnixNano: timeNs, flags: 0,
        count: BigInt(count), sum, min, max, bucketCounts: counts.map(BigInt),
        explicitBounds: bounds, exemplars: [],
      } satisfies HistogramDataPoint],
    }),
  };
}
