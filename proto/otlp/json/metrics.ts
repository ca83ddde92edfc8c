// The JSON form of metrics.

import type { Exemplar, ExponentialBuckets, ExponentialHistogramDataPoint } from '../model.ts';
import type { HistogramDataPoint, Metric, MetricData, MetricsRequest } from '../model.ts';
import type { NumberDataPoint, NumberValue, QuantileValue, ResourceMetrics } from '../model.ts';
import type { ScopeMetrics, SummaryDataPoint } from '../model.ts';
import { field, list, message, oneof, optional } from './fields.ts';
import type { Kind } from './fields.ts';
import { BOOL, DOUBLE, ENUM, ID, INT32, INT64, STRING, UINT32, UINT64 } from './scalars.ts';
import { KEY_VALUE, RESOURCE, SCOPE } from './value.ts';

const NUMBER_VALUE = oneof<NumberValue>(
  { asDouble: numberMember('double', DOUBLE), asInt: numberMember('int', INT64) },
  ({ type }) => (type === 'int' ? 'asInt' : 'asDouble'),
);

function numberMember<T>(type: NumberValue['type'], kind: Kind<T>): Kind<NumberValue> {
  return {
    read: (reader) => ({ type, value: kind.read(reader) }) as NumberValue,
    json: ({ value }) => kind.json(value as T),
  };
}

const EXEMPLAR = message<Exemplar>({
  filteredAttributes: list(KEY_VALUE),
  timeUnixNano: field(UINT64, 0n),
  value: NUMBER_VALUE,
  spanId: field(ID, ''),
  traceId: field(ID, ''),
});

const POINT_FIELDS = {
  attributes: list(KEY_VALUE),
  startTimeUnixNano: field(UINT64, 0n),
  timeUnixNano: field(UINT64, 0n),
  flags: field(UINT32, 0),
};

const NUMBER_POINT = message<NumberDataPoint>({
  ...POINT_FIELDS,
  value: NUMBER_VALUE,
  exemplars: list(EXEMPLAR),
});

const HISTOGRAM_POINT = message<HistogramDataPoint>({
  ...POINT_FIELDS,
  count: field(UINT64, 0n),
  sum: optional(DOUBLE),
  bucketCounts: list(UINT64),
  explicitBounds: list(DOUBLE),
  exemplars: list(EXEMPLAR),
  min: optional(DOUBLE),
  max: optional(DOUBLE),
});

const BUCKETS = message<ExponentialBuckets>({
  offset: field(INT32, 0),
  bucketCounts: list(UINT64),
});

const EXPONENTIAL_POINT = message<ExponentialHistogramDataPoint>({
  ...POINT_FIELDS,
  count: field(UINT64, 0n),
  sum: optional(DOUBLE),
  scale: field(INT32, 0),
  zeroCount: field(UINT64, 0n),
  positive: optional(BUCKETS),
  negative: optional(BUCKETS),
  exemplars: list(EXEMPLAR),
  min: optional(DOUBLE),
  max: optional(DOUBLE),
  zeroThreshold: field(DOUBLE, 0),
});

const QUANTILE_VALUE = message<QuantileValue>({
  quantile: field(DOUBLE, 0),
  value: field(DOUBLE, 0),
});

const SUMMARY_POINT = message<SummaryDataPoint>({
  ...POINT_FIELDS,
  count: field(UINT64, 0n),
  sum: field(DOUBLE, 0),
  quantileValues: list(QUANTILE_VALUE),
});

type DataOf<K extends MetricData['type']> = Omit<Extract<MetricData, { type: K }>, 'type'>;

const TEMPORALITY = { aggregationTemporality: field(ENUM, 0) };
const GAUGE = message<DataOf<'gauge'>>({ dataPoints: list(NUMBER_POINT) });
const SUM = message<DataOf<'sum'>>({
  dataPoints: list(NUMBER_POINT),
  ...TEMPORALITY,
  isMonotonic: field(BOOL, false),
});
const HISTOGRAM = message<DataOf<'histogram'>>({
  dataPoints: list(HISTOGRAM_POINT),
  ...TEMPORALITY,
});
const EXPONENTIAL_HISTOGRAM = message<DataOf<'exponentialHistogram'>>({
  dataPoints: list(EXPONENTIAL_POINT),
  ...TEMPORALITY,
});
const SUMMARY = message<DataOf<'summary'>>({ dataPoints: list(SUMMARY_POINT) });

const DATA = oneof<MetricData>(
  {
    gauge: dataMember('gauge', GAUGE),
    sum: dataMember('sum', SUM),
    histogram: dataMember('histogram', HISTOGRAM),
    exponentialHistogram: dataMember('exponentialHistogram', EXPONENTIAL_HISTOGRAM),
    summary: dataMember('summary', SUMMARY),
  },
  ({ type }) => type,
);

function dataMember<K extends MetricData['type']>(
  type: K,
  kind: Kind<DataOf<K>>,
): Kind<MetricData> {
  return {
    read: (reader) => ({ type, ...kind.read(reader) }) as unknown as MetricData,
    json: (data) => kind.json(data as unknown as DataOf<K>),
  };
}

const METRIC = message<Metric>({
  name: field(STRING, ''),
  description: field(STRING, ''),
  unit: field(STRING, ''),
  metadata: list(KEY_VALUE),
  data: DATA,
});

const SCOPE_METRICS = message<ScopeMetrics>({
  scope: optional(SCOPE),
  metrics: list(METRIC),
  schemaUrl: field(STRING, ''),
});

const RESOURCE_METRICS = message<ResourceMetrics>({
  resource: optional(RESOURCE),
  scopeMetrics: list(SCOPE_METRICS),
  schemaUrl: field(STRING, ''),
});

export const METRICS_JSON: Kind<MetricsRequest> = message<MetricsRequest>({
  resourceMetrics: list(RESOURCE_METRICS),
});
