// Records as a person can read them: plain objects with what matters first.

import type { Batch } from '../../../proto/contract/batch.ts';
import type {
  AnyValue, Attributes, DataPoint, LogRecord, Metric, Resource, Span,
} from '../../../proto/otlp/model.ts';

/** One span, log record or data point; keys without a value are left out. */
export type Shown = Readonly<Record<string, unknown>>;

/** Throws DecodeError for broken bytes. */
export function* shownRecords(batch: Batch): Generator<Shown> {
  if (batch.is('logs')) {
    for (const { resource, scopeLogs } of batch.request.resourceLogs) {
      for (const { logRecords } of scopeLogs) {
        for (const one of logRecords) yield { ...logOf(one), resource: resourceOf(resource) };
      }
    }
  } else if (batch.is('traces')) {
    for (const { resource, scopeSpans } of batch.request.resourceSpans) {
      for (const { spans } of scopeSpans) {
        for (const one of spans) yield { ...spanOf(one), resource: resourceOf(resource) };
      }
    }
  } else if (batch.is('metrics')) {
    for (const { resource, scopeMetrics } of batch.request.resourceMetrics) {
      for (const { metrics } of scopeMetrics) {
        for (const one of metrics) yield* pointsOf(one, resource);
      }
    }
  }
}

const timeOf = (ns: bigint): string | undefined =>
  (ns === 0n ? undefined : new Date(Number(ns / 1_000_000n)).toISOString());

const logOf = (one: LogRecord): Shown => ({
  signal: 'logs', time: timeOf(one.timeUnixNano === 0n ? one.observedTimeUnixNano
    : one.timeUnixNano),
  severity: one.severityText === '' ? one.severityNumber || undefined : one.severityText,
  body: one.body === undefined ? undefined : plain(one.body),
  attributes: plainAttributes(one.attributes),
  traceId: one.traceId === '' ? undefined : one.traceId,
});

const STATUS = ['unset', 'ok', 'error'];

const spanOf = (one: Span): Shown => ({
  signal: 'traces', time: timeOf(one.startTimeUnixNano), name: one.name,
  durationMs: Number(one.endTimeUnixNano - one.startTimeUnixNano) / 1e6,
  status: STATUS[one.status?.code ?? 0], traceId: one.traceId, spanId: one.spanId,
  attributes: plainAttributes(one.attributes),
});

function* pointsOf(metric: Metric, resource: Resource | undefined): Generator<Shown> {
  const points: readonly DataPoint[] = metric.data?.dataPoints ?? [];
  for (const point of points) {
    yield {
      signal: 'metrics', time: timeOf(point.timeUnixNano), name: metric.name,
      unit: metric.unit === '' ? undefined : metric.unit, value: valueOf(point),
      attributes: plainAttributes(point.attributes), resource: resourceOf(resource),
    };
  }
}

/** A number, or count and sum of what is gathered. */
function valueOf(point: DataPoint): unknown {
  if ('value' in point) {
    const { value } = point as { value: unknown };
    return typeof value === 'object' && value !== null && 'value' in value
      ? numberOf(value.value) : numberOf(value);
  }
  const { count, sum } = point as { count?: unknown; sum?: unknown };
  return { count: numberOf(count), sum };
}

const numberOf = (value: unknown) => (typeof value === 'bigint' ? Number(value) : value);

const resourceOf = (resource: Resource | undefined) => plainAttributes(resource?.attributes ?? []);

function plainAttributes(attributes: Attributes): Shown | undefined {
  if (attributes.length === 0) return undefined;
  return Object.fromEntries(attributes.map(({ key, value }) => [key, plain(value)]));
}

function plain(value: AnyValue): unknown {
  switch (value.type) {
    case 'array':
      return value.value.map(plain);
    case 'kvlist':
      return Object.fromEntries(value.value.map((one) => [one.key, plain(one.value)]));
    case 'bytes':
      return Buffer.from(value.value).toString('base64');
    case 'int':
      return Number(value.value);
    default:
      return value.value;
  }
}
