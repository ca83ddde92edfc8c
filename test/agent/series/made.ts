// Metrics for tests: requests of single points, and the points that came out, flat and with the
// name of their series.

import { Batch } from '../../../proto/contract/batch.ts';
import type { Attributes, DataPoint, Metric, MetricData } from '../../../proto/otlp/model.ts';
import { text } from '../../contract/fakes.ts';

export const DELTA = 1;
export const CUMULATIVE = 2;

/** Nanoseconds of a whole second, long after the epoch. */
export const at = (second: number): bigint => 1_767_225_600_000_000_000n
  + BigInt(Math.round(second * 1e9));

export const labels = (values: Record<string, string>): Attributes =>
  Object.entries(values).map(([key, value]) => text(key, value));

export interface PointOptions {
  readonly start?: bigint;
  readonly time: bigint;
  readonly attributes?: Record<string, string>;
  readonly flags?: number;
}

const base = ({ start = 0n, time, attributes = {}, flags = 0 }: PointOptions): DataPoint => ({
  attributes: labels(attributes), startTimeUnixNano: start, timeUnixNano: time, flags,
});

type DataOf<K extends MetricData['type']> = Extract<MetricData, { type: K }>;

/** A sum of integers, or of doubles. */
export function sum(
  value: bigint | number, options: PointOptions & { temporality: number; isMonotonic?: boolean },
): DataOf<'sum'> {
  const number = typeof value === 'bigint' ? { type: 'int', value } as const
    : { type: 'double', value } as const;
  return { type: 'sum', aggregationTemporality: options.temporality,
    isMonotonic: options.isMonotonic ?? true,
    dataPoints: [{ ...base(options), value: number, exemplars: [] }] };
}

export function gauge(value: number, options: PointOptions): DataOf<'gauge'> {
  return { type: 'gauge',
    dataPoints: [{ ...base(options), value: { type: 'double', value }, exemplars: [] }] };
}

/** A histogram with the bounds 1, 2, 4, … */
export function histogram(
  counts: readonly number[], total: number, options: PointOptions & { temporality: number },
): DataOf<'histogram'> {
  return { type: 'histogram', aggregationTemporality: options.temporality, dataPoints: [{
    ...base(options),
    count: BigInt(counts.reduce((one, other) => one + other, 0)),
    sum: total,
    bucketCounts: counts.map(BigInt),
    explicitBounds: counts.slice(1).map((_, index) => 2 ** index),
    exemplars: [], min: undefined, max: undefined,
  }] };
}

export function exponential(
  scale: number, offset: number, counts: readonly number[], total: number,
  options: PointOptions & { temporality: number; zeroCount?: number },
): DataOf<'exponentialHistogram'> {
  const zero = options.zeroCount ?? 0;
  return { type: 'exponentialHistogram', aggregationTemporality: options.temporality,
    dataPoints: [{
      ...base(options),
      count: BigInt(counts.reduce((one, other) => one + other, zero)),
      sum: total, scale, zeroCount: BigInt(zero), zeroThreshold: 0,
      positive: { offset, bucketCounts: counts.map(BigInt) }, negative: undefined,
      exemplars: [], min: undefined, max: undefined,
    }] };
}

export const metricOf = (name: string, data: MetricData): Metric =>
  ({ name, description: '', unit: '', metadata: [], data });

/** One resource and scope with these metrics. */
export function metricsBatch(
  metrics: readonly Metric[], resource: Record<string, string> = { 'service.name': 'shop' },
): Batch<'metrics'> {
  return Batch.fromRequest('metrics', { resourceMetrics: [{
    resource: { attributes: labels(resource), droppedAttributesCount: 0, entityRefs: [] },
    scopeMetrics: [{ scope: undefined, metrics, schemaUrl: '' }],
    schemaUrl: '',
  }] });
}

export interface FlatPoint {
  /** `service metric{key=value,…}` */
  readonly series: string;
  readonly metric: Metric;
  readonly point: DataPoint;
}

export function flatPoints(batches: readonly Batch[]): FlatPoint[] {
  return batches.flatMap((batch) => (batch as Batch<'metrics'>).request.resourceMetrics
    .flatMap(({ resource, scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) =>
      metrics.flatMap((metric) => (metric.data?.dataPoints ?? []).map((point) => {
        const service = resource?.attributes.find(({ key }) => key === 'service.name')?.value;
        return { series: `${service?.value ?? ''} ${metric.name}${labelText(point.attributes)}`,
          metric, point };
      })))));
}

export function labelText(attributes: Attributes): string {
  const pairs = attributes.map(({ key, value }) => `${key}=${String(value.value)}`).sort();
  return `{${pairs.join(',')}}`;
}

/** The number of a point of a sum or gauge. */
export const numberOf = (point: DataPoint): number =>
  Number((point as { value?: { value: bigint | number } }).value?.value);
