// What the shop says it reported, in the words of the tables it should be found in.

import type { AttributeValue, HrTime } from '@opentelemetry/api';
import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import type { DataPoint, ExponentialHistogram, Histogram, MetricData }
  from '@opentelemetry/sdk-metrics';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';

export interface LedgerSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: string;
  readonly startNs: string;
  readonly durationNs: string;
  readonly status: string;
  readonly statusMessage: string;
  readonly attributes: Record<string, string>;
  readonly events: ReadonlyArray<{ name: string; attributes: Record<string, string> }>;
  readonly links: ReadonlyArray<{
    traceId: string;
    spanId: string;
    attributes: Record<string, string>;
  }>;
}

export interface LedgerLog {
  readonly timeNs: string;
  readonly body: string;
  readonly severityNumber: number;
  readonly severityText: string;
  readonly traceId: string;
  readonly spanId: string;
}

export interface LedgerPoint {
  readonly metric: string;
  readonly kind: 'gauge' | 'sum' | 'histogram' | 'exponential_histogram';
  readonly timeNs: string;
  readonly attributes: Record<string, string>;
  /** The number of a gauge or sum; the sum of all values of a histogram. */
  readonly value: number;
  /** The number of values of a histogram, 0 for the others. */
  readonly count: number;
}

export interface Ledger {
  readonly spans: LedgerSpan[];
  readonly logs: LedgerLog[];
  readonly points: LedgerPoint[];
}

export const emptyLedger = (): Ledger => ({ spans: [], logs: [], points: [] });

export const hrNs = ([seconds, nanos]: HrTime): string =>
  String(BigInt(seconds) * 1_000_000_000n + BigInt(nanos));

export function spanOf(span: ReadableSpan): LedgerSpan {
  const { traceId, spanId } = span.spanContext();
  return {
    traceId,
    spanId,
    parentSpanId: span.parentSpanContext?.spanId ?? '',
    name: span.name,
    kind: titleCase(SpanKind[span.kind]!),
    startNs: hrNs(span.startTime),
    durationNs: String(BigInt(hrNs(span.endTime)) - BigInt(hrNs(span.startTime))),
    status: titleCase(SpanStatusCode[span.status.code]!),
    statusMessage: span.status.message ?? '',
    attributes: texts(span.attributes),
    events: span.events.map(({ name, attributes }) => ({ name, attributes: texts(attributes) })),
    links: span.links.map((link) => ({
      traceId: link.context.traceId,
      spanId: link.context.spanId,
      attributes: texts(link.attributes),
    })),
  };
}

/** The SDK's `DataPointType`, by its numbers. */
const KINDS = ['histogram', 'exponential_histogram', 'gauge', 'sum'] as const;

export function pointOf(metric: MetricData, point: DataPoint<unknown>): LedgerPoint {
  const number = typeof point.value === 'number' ? point.value : undefined;
  const histogram = point.value as Histogram | ExponentialHistogram;
  return {
    metric: metric.descriptor.name,
    kind: KINDS[metric.dataPointType],
    timeNs: hrNs(point.endTime),
    attributes: texts(point.attributes),
    value: number ?? histogram.sum ?? 0,
    count: number === undefined ? histogram.count : 0,
  };
}

const titleCase = (text: string): string => text[0] + text.slice(1).toLowerCase();

/** Attribute values as the tables hold them: text as it is, all else as JSON. */
function texts(attributes: Readonly<Record<string, unknown>> | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(attributes ?? {})
    .map(([key, value]) => [key, textOf(value as AttributeValue)]));
}

const textOf = (value: AttributeValue): string =>
  typeof value === 'string' ? value : JSON.stringify(value);
