// The paths of a metric and of its data points. A path that the kind of metric or point does not
// have reads as nil; writing to it fails.

import type {
  ExponentialBuckets, ExponentialHistogramDataPoint, HistogramDataPoint, MetricData,
  NumberDataPoint, NumberValue, SummaryDataPoint,
} from '../../../proto/otlp/model.ts';
import { fail } from '../fault.ts';
import { listOf, toAny } from '../value.ts';
import { draftOf, type OttlView } from '../view.ts';
import {
  doubleField, expectDouble, expectInt, expectNumbers, intField, mapField, nanoField, numbersField,
  opaqueField, smallField, textField, timeField, wrongType, type Field, type Fields,
} from './field.ts';

const TYPES: readonly MetricData['type'][] = [
  'gauge', 'sum', 'histogram', 'exponentialHistogram', 'summary',
];

const typeNumber = (view: OttlView): number => {
  const data = view.metric!.data;
  return data === undefined ? 0 : TYPES.indexOf(data.type) + 1;
};

/** Writing does nothing, as in the Collector: editors of their own change the type. */
const type: Field = {
  type: 'int',
  get: (view) => BigInt(typeNumber(view)),
  number: typeNumber,
  set: () => {},
};

/** A key of a metric's data that not all kinds have. */
function dataField(key: string, type: string, check: (value: unknown) => unknown): Field {
  const read = (view: OttlView): unknown => (view.metric!.data as never)?.[key];
  return {
    type,
    get: (view) => {
      const value = read(view);
      return value === undefined ? null
        : typeof value === 'number' ? BigInt(value) : value as boolean;
    },
    set: (view, value) => {
      if (value === null) return;
      if (read(view) === undefined) fail(`this kind of metric has no ${key}`);
      const metric = draftOf(view, 'metric');
      metric.data = { ...metric.data, [key]: check(value) } as MetricData;
    },
  };
}

export const METRIC_FIELDS: Fields = {
  name: textField('metric', 'name', (view) => view.metric!.name),
  description: textField('metric', 'description', (view) => view.metric!.description),
  unit: textField('metric', 'unit', (view) => view.metric!.unit),
  type,
  aggregation_temporality: dataField('aggregationTemporality', 'int',
    (value) => Number(expectInt(value as bigint))),
  is_monotonic: dataField('isMonotonic', 'bool',
    (value) => (typeof value === 'boolean' ? value : wrongType('bool', value as null))),
  data_points: {
    ...opaqueField('metric', 'data', 'data points', (view) => view.metric!.data?.dataPoints),
    set: undefined,
  },
  metadata: mapField('metric', 'metadata', (view) => view.metric!.metadata),
};

const number = (view: OttlView) => view.dataPoint as NumberDataPoint;
const histogram = (view: OttlView) => view.dataPoint as HistogramDataPoint;
const exponential = (view: OttlView) => view.dataPoint as ExponentialHistogramDataPoint;

/** One of the two kinds of value; nil when the point has the other. */
function valueField(kind: 'int' | 'double'): Field {
  return {
    type: kind,
    get: (view) => {
      const value: NumberValue | undefined = number(view).value;
      return value?.type === kind ? value.value : null;
    },
    set: (view, value) => {
      if (value === null) return;
      if (!('value' in view.dataPoint!)) fail('this kind of data point has no value');
      const stored = { type: kind, value: kind === 'int' ? expectInt(value) : expectDouble(value) };
      (draftOf(view, 'dataPoint') as { value?: unknown }).value = stored;
    },
  };
}

type Side = 'positive' | 'negative';

function bucketsOf(view: OttlView, side: Side): ExponentialBuckets {
  if (!('zeroCount' in view.dataPoint!)) fail(`this kind of data point has no ${side} buckets`);
  return exponential(view)[side] ?? { offset: 0, bucketCounts: [] };
}

function setBuckets(view: OttlView, side: Side, change: Partial<ExponentialBuckets>): void {
  const buckets = { ...bucketsOf(view, side), ...change };
  (draftOf(view, 'dataPoint') as Partial<Record<Side, unknown>>)[side] = buckets;
}

const sideFields = (side: Side): Fields => ({
  [side]: opaqueField('dataPoint', side, 'buckets', (view) => exponential(view)[side]),
  [`${side}.offset`]: {
    type: 'int',
    get: (view) => {
      const buckets = exponential(view)[side];
      return buckets === undefined ? null : BigInt(buckets.offset);
    },
    set: (view, value) => {
      if (value !== null) setBuckets(view, side, { offset: Number(expectInt(value)) });
    },
  },
  [`${side}.bucket_counts`]: {
    type: 'list of ints',
    get: (view) => {
      const counts = exponential(view)[side]?.bucketCounts;
      return counts === undefined ? null : listOf(counts.map((count) => toAny(count)));
    },
    set: (view, value) => {
      if (value === null) return;
      setBuckets(view, side, { bucketCounts: expectNumbers(value, 'int') as bigint[] });
    },
  },
});

/** A summary must have a sum, histograms may. */
const sum: Field = doubleField('dataPoint', 'sum',
  (view) => (view.dataPoint as HistogramDataPoint | SummaryDataPoint).sum, true);

const scale: Field = {
  type: 'int',
  get: (view) => {
    const found = exponential(view).scale as number | undefined;
    return found === undefined ? null : BigInt(found);
  },
  set: (view, value) => {
    if (value === null) return;
    if (!('scale' in view.dataPoint!)) fail('this kind of data point has no scale');
    (draftOf(view, 'dataPoint') as { scale?: number }).scale = Number(expectInt(value));
  },
};

export const DATA_POINT_FIELDS: Fields = {
  attributes: mapField('dataPoint', 'attributes', (view) => view.dataPoint!.attributes),
  start_time_unix_nano: nanoField('dataPoint', 'startTimeUnixNano',
    (view) => view.dataPoint!.startTimeUnixNano),
  time_unix_nano: nanoField('dataPoint', 'timeUnixNano', (view) => view.dataPoint!.timeUnixNano),
  start_time: timeField('dataPoint', 'startTimeUnixNano',
    (view) => view.dataPoint!.startTimeUnixNano),
  time: timeField('dataPoint', 'timeUnixNano', (view) => view.dataPoint!.timeUnixNano),
  value_double: valueField('double'),
  value_int: valueField('int'),
  flags: smallField('dataPoint', 'flags', (view) => view.dataPoint!.flags),
  exemplars: opaqueField('dataPoint', 'exemplars', 'exemplars', (view) => number(view).exemplars),
  count: intField('dataPoint', 'count', (view) => histogram(view).count),
  sum,
  min: doubleField('dataPoint', 'min', (view) => histogram(view).min, true),
  max: doubleField('dataPoint', 'max', (view) => histogram(view).max, true),
  bucket_counts: numbersField('dataPoint', 'bucketCounts', 'int',
    (view) => histogram(view).bucketCounts),
  explicit_bounds: numbersField('dataPoint', 'explicitBounds', 'double',
    (view) => histogram(view).explicitBounds),
  scale,
  zero_count: intField('dataPoint', 'zeroCount', (view) => exponential(view).zeroCount),
  zero_threshold: doubleField('dataPoint', 'zeroThreshold',
    (view) => exponential(view).zeroThreshold),
  ...sideFields('positive'),
  ...sideFields('negative'),
  quantile_values: opaqueField('dataPoint', 'quantileValues', 'quantile values',
    (view) => (view.dataPoint as SummaryDataPoint).quantileValues),
};

