// The slow road: rows of the tables from decoded requests, as JSONEachRow lines. It is written
// from the documented values alone and shares no code with the transcoder, whose columns a test
// compares with it.

import type { AnyValue, Attributes, DataPoint, Exemplar } from '../../../../proto/otlp/model.ts';
import type { ExponentialBuckets, LogsRequest, Metric } from '../../../../proto/otlp/model.ts';
import type { MetricsRequest, NumberValue } from '../../../../proto/otlp/model.ts';
import type { RequestOf, Resource } from '../../../../proto/otlp/model.ts';
import type { Scope, Signal, Span, TracesRequest } from '../../../../proto/otlp/model.ts';

/** A row of a table; null for a record that cannot be stored. */
export type TableRow = { readonly table: string; readonly line: string } | null;

/** The rows of all records, in order. `arrivalNs` stands in for a time that a log does not have. */
export function toRows<S extends Signal>(
  signal: S,
  request: RequestOf<S>,
  arrivalNs: bigint,
): TableRow[] {
  if (signal === 'traces') return spanRows(request as TracesRequest);
  if (signal === 'logs') return logRows(request as LogsRequest, arrivalNs);
  return metricRows(request as MetricsRequest);
}

/** JSON texts, by column. */
type Columns = Record<string, string>;

const TIME_END = 999_999_999n << 32n;
const KINDS = ['Unspecified', 'Internal', 'Server', 'Client', 'Producer', 'Consumer'];
const CODES = ['Unset', 'Ok', 'Error'];

function spanRows({ resourceSpans }: TracesRequest): TableRow[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ scope, spans }) => spans.map((span) => {
      if (!isStorable(span)) return null;
      const end = span.endTimeUnixNano;
      const start = span.startTimeUnixNano;
      return row('otel_traces', {
        Timestamp: time(start),
        TraceId: quote(span.traceId),
        SpanId: quote(span.spanId),
        ParentSpanId: id(span.parentSpanId, 8),
        TraceState: quote(span.traceState),
        SpanName: quote(span.name),
        SpanKind: quote(KINDS[span.kind] ?? ''),
        ...resourceColumns(resource),
        ScopeName: quote(scope?.name ?? ''),
        ScopeVersion: quote(scope?.version ?? ''),
        SpanAttributes: map(span.attributes),
        Duration: quote(String(end < start ? 0n : end - start)),
        StatusCode: quote(CODES[span.status?.code ?? 0] ?? ''),
        StatusMessage: quote(span.status?.message ?? ''),
        'Events.Timestamp': list(span.events, (event) => time(event.timeUnixNano)),
        'Events.Name': list(span.events, (event) => quote(event.name)),
        'Events.Attributes': list(span.events, (event) => map(event.attributes)),
        'Links.TraceId': list(span.links, (link) => id(link.traceId, 16)),
        'Links.SpanId': list(span.links, (link) => id(link.spanId, 8)),
        'Links.TraceState': list(span.links, (link) => quote(link.traceState)),
        'Links.Attributes': list(span.links, (link) => map(link.attributes)),
      });
    })));
}

function isStorable(span: Span): boolean {
  return span.traceId.length === 32 && !/^0*$/.test(span.traceId)
    && span.spanId.length === 16 && !/^0*$/.test(span.spanId)
    && (span.parentSpanId === '' || span.parentSpanId.length === 16)
    && span.startTimeUnixNano < TIME_END
    && span.events.every((event) => event.timeUnixNano < TIME_END);
}

function logRows({ resourceLogs }: LogsRequest, arrivalNs: bigint): TableRow[] {
  return resourceLogs.flatMap((group) => group.scopeLogs.flatMap((scopeGroup) =>
    scopeGroup.logRecords.map((record) => {
      const at = record.timeUnixNano || record.observedTimeUnixNano || arrivalNs;
      if (at >= TIME_END) return null;
      const { scope } = scopeGroup;
      return row('otel_logs', {
        Timestamp: time(at),
        TraceId: id(record.traceId, 16),
        SpanId: id(record.spanId, 8),
        TraceFlags: String(record.flags & 0xff),
        SeverityText: quote(record.severityText),
        SeverityNumber: String(record.severityNumber & 0xff),
        Body: quote(record.body === undefined ? '' : text(record.body)),
        ...resourceColumns(group.resource),
        ResourceSchemaUrl: quote(group.schemaUrl),
        ScopeSchemaUrl: quote(scopeGroup.schemaUrl),
        ScopeName: quote(scope?.name ?? ''),
        ScopeVersion: quote(scope?.version ?? ''),
        ScopeAttributes: map(scope?.attributes ?? []),
        LogAttributes: map(record.attributes),
        EventName: quote(record.eventName),
      });
    })));
}

function metricRows({ resourceMetrics }: MetricsRequest): TableRow[] {
  return resourceMetrics.flatMap((group) => group.scopeMetrics.flatMap((scopeGroup) =>
    scopeGroup.metrics.flatMap((metric) => pointRows(metric, {
      ...resourceColumns(group.resource),
      ResourceSchemaUrl: quote(group.schemaUrl),
      ...scopeColumns(scopeGroup.scope),
      ScopeSchemaUrl: quote(scopeGroup.schemaUrl),
      MetricName: quote(metric.name),
      MetricDescription: quote(metric.description),
      MetricUnit: quote(metric.unit),
    }))));
}

/** A summary's point has no exemplars. */
type Point = DataPoint & { readonly exemplars?: readonly Exemplar[] };

function pointRows({ data }: Metric, shared: Columns): TableRow[] {
  const point = (table: string, one: Point, own: Columns): TableRow => {
    const { flags, exemplars = [], ...values } = one;
    const times = [values.timeUnixNano, values.startTimeUnixNano];
    for (const { timeUnixNano } of exemplars) times.push(timeUnixNano);
    if (times.some((at) => at >= TIME_END)) return null;
    return row(table, {
      ...shared,
      Attributes: map(values.attributes),
      StartTimeUnix: time(values.startTimeUnixNano),
      TimeUnix: time(values.timeUnixNano),
      Flags: String(flags),
      ...own,
    });
  };
  switch (data?.type) {
    case undefined: return [];
    case 'gauge':
      return data.dataPoints.map((one) => point('otel_metrics_gauge', one, {
        Value: number(one.value),
        ...exemplarColumns(one.exemplars),
      }));
    case 'sum':
      return data.dataPoints.map((one) => point('otel_metrics_sum', one, {
        Value: number(one.value),
        ...exemplarColumns(one.exemplars),
        AggregationTemporality: String(data.aggregationTemporality),
        IsMonotonic: String(data.isMonotonic),
      }));
    case 'histogram':
      return data.dataPoints.map((one) => point('otel_metrics_histogram', one, {
        ...spreadColumns(one, data.aggregationTemporality),
        BucketCounts: list(one.bucketCounts, (count) => quote(String(count))),
        ExplicitBounds: list(one.explicitBounds, double),
      }));
    case 'exponentialHistogram':
      return data.dataPoints.map((one) => point('otel_metrics_exponential_histogram', one, {
        ...spreadColumns(one, data.aggregationTemporality),
        Scale: String(one.scale),
        ZeroCount: quote(String(one.zeroCount)),
        ...bucketColumns('Positive', one.positive),
        ...bucketColumns('Negative', one.negative),
      }));
    case 'summary':
      return data.dataPoints.map((one) => point('otel_metrics_summary', one, {
        Count: quote(String(one.count)),
        Sum: double(one.sum),
        'ValueAtQuantiles.Quantile': list(one.quantileValues, ({ quantile }) => double(quantile)),
        'ValueAtQuantiles.Value': list(one.quantileValues, ({ value }) => double(value)),
      }));
  }
}

interface Spread {
  readonly count: bigint;
  readonly sum: number | undefined;
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly exemplars: readonly Exemplar[];
}

function spreadColumns({ count, sum, min, max, exemplars }: Spread, temporality: number): Columns {
  return {
    Count: quote(String(count)),
    Sum: double(sum ?? 0),
    Min: double(min ?? 0),
    Max: double(max ?? 0),
    AggregationTemporality: String(temporality),
    ...exemplarColumns(exemplars),
  };
}

function bucketColumns(side: string, buckets: ExponentialBuckets | undefined): Columns {
  return {
    [`${side}Offset`]: String(buckets?.offset ?? 0),
    [`${side}BucketCounts`]: list(buckets?.bucketCounts ?? [], (count) => quote(String(count))),
  };
}

function exemplarColumns(exemplars: readonly Exemplar[]): Columns {
  return {
    'Exemplars.FilteredAttributes': list(exemplars, (one) => map(one.filteredAttributes)),
    'Exemplars.TimeUnix': list(exemplars, (one) => time(one.timeUnixNano)),
    'Exemplars.Value': list(exemplars, (one) => number(one.value)),
    'Exemplars.SpanId': list(exemplars, (one) => id(one.spanId, 8)),
    'Exemplars.TraceId': list(exemplars, (one) => id(one.traceId, 16)),
  };
}

function resourceColumns(resource: Resource | undefined): Columns {
  const attributes = resource?.attributes ?? [];
  const service = attributes.find(({ key }) => key === 'service.name');
  return {
    ServiceName: quote(service === undefined ? '' : text(service.value)),
    ResourceAttributes: map(attributes),
  };
}

function scopeColumns(scope: Scope | undefined): Columns {
  return {
    ScopeName: quote(scope?.name ?? ''),
    ScopeVersion: quote(scope?.version ?? ''),
    ScopeAttributes: map(scope?.attributes ?? []),
    ScopeDroppedAttrCount: String(scope?.droppedAttributesCount ?? 0),
  };
}

// JSON texts of single values.

const quote = (value: string): string => JSON.stringify(value);

function time(ns: bigint): string {
  const seconds = new Date(Number(ns / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return quote(`${seconds.replace('T', ' ')}.${String(ns % 1_000_000_000n).padStart(9, '0')}`);
}

const id = (hex: string, bytes: number): string =>
  quote(hex.length === bytes * 2 && !/^0*$/.test(hex) ? hex : '');

const list = <T>(values: readonly T[], write: (value: T) => string): string =>
  `[${values.map(write).join(',')}]`;

const map = (attributes: Attributes): string =>
  `{${attributes.map(({ key, value }) => `${quote(key)}:${quote(text(value))}`).join(',')}}`;

function double(value: number): string {
  if (Number.isNaN(value)) return '"nan"';
  if (!Number.isFinite(value)) return value > 0 ? '"inf"' : '"-inf"';
  return Object.is(value, -0) ? '"-0"' : String(value);
}

const number = (value: NumberValue | undefined): string => double(Number(value?.value ?? 0));

/** The text of an attribute value or a body. */
function text(value: AnyValue): string {
  switch (value.type) {
    case 'empty': return '';
    case 'string': return value.value;
    case 'double': return Object.is(value.value, -0) ? '-0' : String(value.value);
    case 'bytes': return Buffer.from(value.value).toString('base64');
    default: return json(value);
  }
}

function json(value: AnyValue): string {
  switch (value.type) {
    case 'empty': return 'null';
    case 'bool':
    case 'int': return String(value.value);
    case 'double': return Number.isFinite(value.value) ? text(value) : quote(text(value));
    case 'array': return list(value.value, json);
    case 'kvlist':
      return `{${value.value.map((one) => `${quote(one.key)}:${json(one.value)}`).join(',')}}`;
    default: return quote(text(value));
  }
}

function row(table: string, columns: Columns): TableRow {
  const cells = Object.entries(columns).map(([name, value]) => `${quote(name)}:${value}`);
  return { table, line: `{${cells.join(',')}}` };
}
