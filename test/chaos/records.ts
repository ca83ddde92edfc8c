// OTLP requests whose every record has an id of its own, which is found again in one column of one
// table:
//
//   ssnnnnnnnniiiiii   16 hex digits: sender, number of the request, index of the record
//
// The first ten are the id of the request; all records of a request for one table have the indexes
// from 0 on. Some requests lie across the last midnight, some have records without a time; spans of
// one trace come in several requests of several senders.

import { Batch } from '../../proto/contract/batch.ts';
import type {
  AnyValue, KeyValue, LogRecord, Metric, MetricData, Resource, Signal, Span,
} from '../../proto/otlp/model.ts';
import type { Random } from '../proto/generate.ts';

export interface Table {
  readonly name: string;
  readonly signal: Signal;
  /** SQL for the id of a record. */
  readonly id: string;
}

export const SERVICE = 'chaos';
export const REQUEST_DIGITS = 10;
const INDEX_DIGITS = 6;

const METRIC_TABLES = ['gauge', 'sum', 'histogram', 'exponential_histogram', 'summary'] as const;

/** Where the records are stored. */
export const TABLES: readonly Table[] = [
  { name: 'otel_logs', signal: 'logs', id: 'substring(Body, 1, 16)' },
  { name: 'otel_traces', signal: 'traces', id: 'SpanId' },
  ...METRIC_TABLES.map((kind) => ({
    name: `otel_metrics_${kind}`, signal: 'metrics' as const, id: 'Attributes[\'id\']',
  })),
];

export interface Request {
  /** Ten hex digits. */
  readonly id: string;
  readonly batch: Batch;
  /** How many records of it are for which table. */
  readonly records: ReadonlyMap<string, number>;
}

export interface RequestOptions {
  readonly signal: Signal;
  readonly sender: number;
  readonly number: number;
  readonly count: number;
  readonly nowNs: bigint;
}

const DAY_NS = 86_400_000_000_000n;
/** Of the requests, those across midnight and those with records without a time. */
const MIDNIGHT = 0.2;
const UNTIMED = 0.2;
const REQUESTS_PER_TRACE = 4;
const SPANS_PER_TRACE = 8;

export function makeRequest(random: Random, options: RequestOptions): Request {
  const { signal, sender, number, count, nowNs } = options;
  const id = hex(sender, 2) + hex(number, 8);
  const keys = Array.from({ length: count }, (_, index) => id + hex(index, INDEX_DIGITS));
  const time = timesOf(random, nowNs);
  const resource = { attributes: [text('service.name', SERVICE)], droppedAttributesCount: 0,
    entityRefs: [] };
  if (signal === 'logs') {
    const logRecords = keys.map((key, index) => logRecord(key, time(index)));
    return { id, batch: logsBatch(resource, logRecords), records: new Map([['otel_logs', count]]) };
  }
  if (signal === 'traces') {
    const traceId = (index: number) => hex(1 + Math.floor(number / REQUESTS_PER_TRACE), 16)
      + hex(index % SPANS_PER_TRACE, 16);
    // A span without a time would be one of 1970, and expired.
    const spans = keys.map((key, index) => span(key, traceId(index), time(index) || nowNs));
    return { id, batch: tracesBatch(resource, spans),
      records: new Map([['otel_traces', count]]) };
  }
  const each = Math.max(1, Math.floor(count / METRIC_TABLES.length));
  const metrics = METRIC_TABLES.map((kind) => ({
    name: `chaos.${kind}`, description: '', unit: '1', metadata: [],
    data: dataOf(kind, keys.slice(0, each), (index) => time(index) || nowNs),
  }));
  return { id, batch: metricsBatch(resource, metrics),
    records: new Map(METRIC_TABLES.map((kind) => [`otel_metrics_${kind}`, each])) };
}

/** The time of each record of a request, by its index; 0: none. */
function timesOf(random: Random, nowNs: bigint): (index: number) => bigint {
  const kind = random();
  if (kind < MIDNIGHT) {
    const midnightNs = (nowNs / DAY_NS) * DAY_NS;
    return (index) => midnightNs + BigInt(index % 2 === 0 ? -1 - index : index) * 1_000_000_000n;
  }
  const untimed = kind < MIDNIGHT + UNTIMED;
  return (index) => (untimed && index % 2 === 0 ? 0n : nowNs + BigInt(index) * 1000n);
}

const part = { schemaUrl: '' };

const logsBatch = (resource: Resource, logRecords: readonly LogRecord[]): Batch =>
  Batch.fromRequest('logs', { resourceLogs: [{ ...part, resource,
    scopeLogs: [{ ...part, scope: undefined, logRecords }] }] });

const tracesBatch = (resource: Resource, spans: readonly Span[]): Batch =>
  Batch.fromRequest('traces', { resourceSpans: [{ ...part, resource,
    scopeSpans: [{ ...part, scope: undefined, spans }] }] });

const metricsBatch = (resource: Resource, metrics: readonly Metric[]): Batch =>
  Batch.fromRequest('metrics', { resourceMetrics: [{ ...part, resource,
    scopeMetrics: [{ ...part, scope: undefined, metrics }] }] });

const logRecord = (key: string, timeUnixNano: bigint): LogRecord => ({
  timeUnixNano,
  observedTimeUnixNano: 0n,
  severityNumber: 9,
  severityText: 'INFO',
  body: { type: 'string', value: `${key} is one record of very many` },
  attributes: [],
  droppedAttributesCount: 0,
  flags: 0,
  traceId: '',
  spanId: '',
  eventName: '',
});

const span = (key: string, traceId: string, startTimeUnixNano: bigint): Span => ({
  traceId,
  spanId: key,
  traceState: '',
  parentSpanId: '',
  flags: 0,
  name: 'GET /',
  kind: 2,
  startTimeUnixNano,
  endTimeUnixNano: startTimeUnixNano + 1_000_000n,
  attributes: [],
  droppedAttributesCount: 0,
  events: [],
  droppedEventsCount: 0,
  links: [],
  droppedLinksCount: 0,
  status: undefined,
});

function dataOf(
  kind: (typeof METRIC_TABLES)[number],
  keys: readonly string[],
  time: (index: number) => bigint,
): MetricData {
  const points = keys.map((key, index) => ({
    attributes: [text('id', key)], startTimeUnixNano: 0n, timeUnixNano: time(index), flags: 0,
  }));
  const none = { exemplars: [], min: undefined, max: undefined };
  const value = { value: { type: 'double', value: 1 }, exemplars: [] } as const;
  const total = { count: 3n, sum: 6 };
  switch (kind) {
    case 'gauge':
      return { type: 'gauge', dataPoints: points.map((point) => ({ ...point, ...value })) };
    case 'sum':
      return { type: 'sum', aggregationTemporality: 1, isMonotonic: true,
        dataPoints: points.map((point) => ({ ...point, ...value })) };
    case 'histogram':
      return { type: 'histogram', aggregationTemporality: 1, dataPoints: points.map((point) => ({
        ...point, ...none, ...total, bucketCounts: [1n, 2n], explicitBounds: [1] })) };
    case 'exponential_histogram':
      return { type: 'exponentialHistogram', aggregationTemporality: 1,
        dataPoints: points.map((point) => ({ ...point, ...none, ...total, scale: 0, zeroCount: 0n,
          positive: { offset: 0, bucketCounts: [3n] }, negative: undefined, zeroThreshold: 0 })) };
    case 'summary':
      return { type: 'summary', dataPoints: points.map((point) => ({ ...point, ...total,
        quantileValues: [{ quantile: 0.5, value: 2 }] })) };
  }
}

function text(key: string, value: string): KeyValue {
  const string: AnyValue = { type: 'string', value };
  return { key, value: string };
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
