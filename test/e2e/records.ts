// Batches of every signal and of all five kinds of metrics whose records can be told apart in the
// tables, half of them before and half after a midnight.

import { Batch } from '../../proto/contract/batch.ts';
import { encodeRequest } from '../../proto/otlp/codec.ts';
import type { LogsRequest, Metric, MetricsRequest, Signal } from '../../proto/otlp/model.ts';
import { generateServiceSpans } from '../bench/data.ts';

/** Of each table of the signal. */
export const RECORDS = 20;

export interface TableOfRecords {
  readonly signal: Signal;
  readonly table: string;
  /** What tells the records of one batch apart. */
  readonly key: string;
}

export const TABLES: readonly TableOfRecords[] = [
  { signal: 'traces', table: 'otel_traces', key: 'SpanId' },
  { signal: 'logs', table: 'otel_logs', key: 'Body' },
  ...['gauge', 'sum', 'histogram', 'exponential_histogram', 'summary'].map((kind) =>
    ({ signal: 'metrics', table: `otel_metrics_${kind}`, key: 'Flags' }) as const),
];

/** `midnightMs`: records are at most half a minute away from it. */
export function recordsOf(
  signal: Signal,
  id: string,
  { random, midnightMs }: { readonly random: () => number; readonly midnightMs: number },
): Batch {
  const times = Array.from({ length: RECORDS }, (_, index) =>
    BigInt(midnightMs + (index - RECORDS / 2) * 1000 + 500) * 1_000_000n);
  switch (signal) {
    case 'traces': return spansOf(id, random, midnightMs);
    case 'logs': return Batch.fromBytes('logs', encodeRequest('logs', logsOf(times)), id);
    case 'metrics':
      return Batch.fromBytes('metrics', encodeRequest('metrics', metricsOf(times)), id);
  }
}

function spansOf(id: string, random: () => number, midnightMs: number): Batch {
  const groups = [-30_000, 1000].map((ms) =>
    generateServiceSpans(random, RECORDS / 2, midnightMs + ms).resourceSpans);
  return Batch.fromBytes('traces', encodeRequest('traces', { resourceSpans: groups.flat() }), id);
}

const around = { resource: undefined, schemaUrl: '' };

function logsOf(times: readonly bigint[]): LogsRequest {
  const logRecords = times.map((timeUnixNano, index) => ({
    timeUnixNano, observedTimeUnixNano: 0n, severityNumber: 9, severityText: 'INFO',
    body: { type: 'string', value: `line ${index}` } as const, attributes: [],
    droppedAttributesCount: 0, flags: 0, traceId: '', spanId: '', eventName: '',
  }));
  const scopeLogs = [{ scope: undefined, schemaUrl: '', logRecords }];
  return { resourceLogs: [{ ...around, scopeLogs }] };
}

function metricsOf(times: readonly bigint[]): MetricsRequest {
  const points = times.map((timeUnixNano, index) =>
    ({ attributes: [], startTimeUnixNano: timeUnixNano, timeUnixNano, flags: index }));
  const numbers = points.map((point) =>
    ({ ...point, value: { type: 'double', value: 1 } as const, exemplars: [] }));
  const spread = { count: 1n, sum: 1, min: 1, max: 1, exemplars: [] };
  const buckets = { bucketCounts: [1n], explicitBounds: [] };
  const exponents = {
    scale: 0, zeroCount: 1n, positive: undefined, negative: undefined, zeroThreshold: 0,
  };
  const aggregationTemporality = 2;
  const data: readonly NonNullable<Metric['data']>[] = [
    { type: 'gauge', dataPoints: numbers },
    { type: 'sum', dataPoints: numbers, aggregationTemporality, isMonotonic: true },
    { type: 'histogram', aggregationTemporality,
      dataPoints: points.map((point) => ({ ...point, ...spread, ...buckets })) },
    { type: 'exponentialHistogram', aggregationTemporality,
      dataPoints: points.map((point) => ({ ...point, ...spread, ...exponents })) },
    { type: 'summary',
      dataPoints: points.map((point) => ({ ...point, count: 1n, sum: 1, quantileValues: [] })) },
  ];
  const metrics = data.map((one): Metric =>
    ({ name: one.type, description: '', unit: '', metadata: [], data: one }));
  const scopeMetrics = [{ scope: undefined, schemaUrl: '', metrics }];
  return { resourceMetrics: [{ ...around, scopeMetrics }] };
}
