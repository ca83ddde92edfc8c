// Metrics of the five kinds (metrics.proto), to and from protobuf. Data points are in points.ts.
//
// Metric.data is a oneof: when several members are on the wire, the last one wins, and two
// occurrences of the same member are joined (in place, since nobody has seen the first one yet).

import { fieldBits } from '../protobuf/reader.ts';
import type { Reader } from '../protobuf/reader.ts';
import type { Writer } from '../protobuf/writer.ts';
import type { Envelope } from './envelope.ts';
import type { KeyValue, Metric, MetricData, MetricsRequest } from './model.ts';
import type { DataPoint, ResourceMetrics, ScopeMetrics } from './model.ts';
import { decodeExponentialPoint, decodeHistogramPoint, decodeNumberPoint } from './points.ts';
import { decodeSummaryPoint, encodeExponentialPoint, encodeHistogramPoint } from './points.ts';
import { encodeNumberPoint, encodeSummaryPoint } from './points.ts';
import { decodeKeyValue, encodeAttributes, NO_ATTRIBUTES } from './value.ts';

export const METRICS: Envelope<MetricsRequest, ResourceMetrics, ScopeMetrics, Metric> = {
  request: (resourceMetrics) => ({ resourceMetrics }),
  groups: (request) => request.resourceMetrics,
  group: (resource, scopeMetrics, schemaUrl) => ({ resource, scopeMetrics, schemaUrl }),
  scopes: (group) => group.scopeMetrics,
  scope: (scope, metrics, schemaUrl) => ({ scope, metrics, schemaUrl }),
  records: (scope) => scope.metrics,
  decodeRecord: decodeMetric,
  encodeRecord: encodeMetric,
  countRecord: (metric) => (metric.data === undefined ? 0 : metric.data.dataPoints.length),
};

const METRIC_FIELDS = fieldBits(1, 2, 3, 5, 7, 9, 10, 11, 12);
const GAUGE_FIELDS = fieldBits(1);
const SUM_FIELDS = fieldBits(1, 2, 3);
const HISTOGRAM_FIELDS = fieldBits(1, 2);

export function decodeMetric(reader: Reader): Metric {
  const outer = reader.enter();
  let name = '';
  let description = '';
  let unit = '';
  let metadata: KeyValue[] | undefined;
  let data: MetricData | undefined;
  while (reader.more()) {
    const tag = reader.tag();
    switch (tag) {
      case (1 << 3) | 2: name = reader.string(); break;
      case (2 << 3) | 2: description = reader.string(); break;
      case (3 << 3) | 2: unit = reader.string(); break;
      case (5 << 3) | 2: data = decodeGauge(reader, data); break;
      case (7 << 3) | 2: data = decodeSum(reader, data); break;
      case (9 << 3) | 2: data = decodeHistogram(reader, data); break;
      case (10 << 3) | 2: data = decodeExponentialHistogram(reader, data); break;
      case (11 << 3) | 2: data = decodeSummary(reader, data); break;
      case (12 << 3) | 2: (metadata ??= []).push(decodeKeyValue(reader)); break;
      default: reader.skipUnknown(tag, METRIC_FIELDS);
    }
  }
  reader.leave(outer);
  return { name, description, unit, metadata: metadata ?? NO_ATTRIBUTES, data };
}

function decodeGauge(reader: Reader, before: MetricData | undefined): MetricData {
  const same = before?.type === 'gauge' ? before : undefined;
  const { dataPoints } = decodeData(reader, same, decodeNumberPoint, GAUGE_FIELDS);
  return { type: 'gauge', dataPoints };
}

function decodeSum(reader: Reader, before: MetricData | undefined): MetricData {
  const same = before?.type === 'sum' ? before : undefined;
  return { type: 'sum', ...decodeData(reader, same, decodeNumberPoint, SUM_FIELDS) };
}

function decodeHistogram(reader: Reader, before: MetricData | undefined): MetricData {
  const same = before?.type === 'histogram' ? before : undefined;
  const data = decodeData(reader, same, decodeHistogramPoint, HISTOGRAM_FIELDS);
  const { dataPoints, aggregationTemporality } = data;
  return { type: 'histogram', dataPoints, aggregationTemporality };
}

function decodeExponentialHistogram(reader: Reader, before: MetricData | undefined): MetricData {
  const same = before?.type === 'exponentialHistogram' ? before : undefined;
  const data = decodeData(reader, same, decodeExponentialPoint, HISTOGRAM_FIELDS);
  const { dataPoints, aggregationTemporality } = data;
  return { type: 'exponentialHistogram', dataPoints, aggregationTemporality };
}

function decodeSummary(reader: Reader, before: MetricData | undefined): MetricData {
  const same = before?.type === 'summary' ? before : undefined;
  const { dataPoints } = decodeData(reader, same, decodeSummaryPoint, GAUGE_FIELDS);
  return { type: 'summary', dataPoints };
}

interface Data<P extends DataPoint> {
  readonly dataPoints: readonly P[];
  readonly aggregationTemporality: number;
  readonly isMonotonic: boolean;
}

/**
 * All kinds of data in one: 1: data points, 2: aggregation_temporality, 3: is_monotonic. `fields`
 * says which of them this kind has. `before` is an earlier occurrence of the same kind.
 */
function decodeData<P extends DataPoint>(
  reader: Reader,
  before: Partial<Data<P>> | undefined,
  decodePoint: (reader: Reader) => P,
  fields: number,
): Data<P> {
  const outer = reader.enter();
  const dataPoints = (before?.dataPoints ?? []) as P[];
  let aggregationTemporality = before?.aggregationTemporality ?? 0;
  let isMonotonic = before?.isMonotonic ?? false;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | 2)) dataPoints.push(decodePoint(reader));
    else if (tag === ((2 << 3) | 0) && fields !== GAUGE_FIELDS) {
      aggregationTemporality = reader.int32();
    } else if (tag === ((3 << 3) | 0) && fields === SUM_FIELDS) isMonotonic = reader.bool();
    else reader.skipUnknown(tag, fields);
  }
  reader.leave(outer);
  return { dataPoints, aggregationTemporality, isMonotonic };
}

/** Writes a metric as field 2 of ScopeMetrics. */
export function encodeMetric(writer: Writer, metric: Metric): void {
  const mark = writer.open((2 << 3) | 2, 2);
  writer.stringField((1 << 3) | 2, metric.name);
  writer.stringField((2 << 3) | 2, metric.description);
  writer.stringField((3 << 3) | 2, metric.unit);
  if (metric.data !== undefined) encodeData(writer, metric.data);
  encodeAttributes(writer, (12 << 3) | 2, metric.metadata);
  writer.close(mark);
}

function encodeData(writer: Writer, data: MetricData): void {
  const mark = writer.open((DATA_FIELD[data.type] << 3) | 2, 2);
  switch (data.type) {
    case 'gauge':
      for (const point of data.dataPoints) encodeNumberPoint(writer, point);
      break;
    case 'sum':
      for (const point of data.dataPoints) encodeNumberPoint(writer, point);
      writer.int32Field((2 << 3) | 0, data.aggregationTemporality);
      writer.boolField((3 << 3) | 0, data.isMonotonic);
      break;
    case 'histogram':
      for (const point of data.dataPoints) encodeHistogramPoint(writer, point);
      writer.int32Field((2 << 3) | 0, data.aggregationTemporality);
      break;
    case 'exponentialHistogram':
      for (const point of data.dataPoints) encodeExponentialPoint(writer, point);
      writer.int32Field((2 << 3) | 0, data.aggregationTemporality);
      break;
    case 'summary':
      for (const point of data.dataPoints) encodeSummaryPoint(writer, point);
      break;
  }
  writer.close(mark);
}

/** Field numbers of the oneof `Metric.data`. */
const DATA_FIELD: Readonly<Record<MetricData['type'], number>> = {
  gauge: 5,
  sum: 7,
  histogram: 9,
  exponentialHistogram: 10,
  summary: 11,
};
