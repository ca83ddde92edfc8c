// The decoded form of OTLP requests: plain, deeply read-only objects with the field names of the
// OTLP JSON encoding (opentelemetry-proto 1.11). One model for both encodings.
//
// Invariants:
// - Values are never changed in place. Whoever wants another value builds a new object around the
//   unchanged parts, so a request can be shared by several pipelines without a copy.
// - A field that is absent on the wire holds the protobuf default (0, '', [], false), except where
//   the type says `undefined`: there absence has a meaning of its own (`optional` and messages).
// - Ids are lower-case hex text of any length ('' = absent). 64-bit integers are bigint.
// - Times are nanoseconds since the Unix epoch (0n = unknown).

/** The three kinds of telemetry; also the keys of `service.pipelines` in the configuration. */
export type Signal = 'traces' | 'metrics' | 'logs';
export const SIGNALS: readonly Signal[] = ['traces', 'metrics', 'logs'];

/** `AnyValue` of common.proto. `empty` is a value with no member of the oneof set. */
export type AnyValue =
  | { readonly type: 'empty'; readonly value: null }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'int'; readonly value: bigint }
  | { readonly type: 'double'; readonly value: number }
  | { readonly type: 'array'; readonly value: readonly AnyValue[] }
  | { readonly type: 'kvlist'; readonly value: readonly KeyValue[] }
  | { readonly type: 'bytes'; readonly value: Uint8Array };

export interface KeyValue {
  readonly key: string;
  readonly value: AnyValue;
}

export type Attributes = readonly KeyValue[];

export interface EntityRef {
  readonly schemaUrl: string;
  readonly type: string;
  readonly idKeys: readonly string[];
  readonly descriptionKeys: readonly string[];
}

export interface Resource {
  readonly attributes: Attributes;
  readonly droppedAttributesCount: number;
  readonly entityRefs: readonly EntityRef[];
}

export interface Scope {
  readonly name: string;
  readonly version: string;
  readonly attributes: Attributes;
  readonly droppedAttributesCount: number;
}

// Traces

export interface TracesRequest {
  readonly resourceSpans: readonly ResourceSpans[];
}

export interface ResourceSpans {
  readonly resource: Resource | undefined;
  readonly scopeSpans: readonly ScopeSpans[];
  readonly schemaUrl: string;
}

export interface ScopeSpans {
  readonly scope: Scope | undefined;
  readonly spans: readonly Span[];
  readonly schemaUrl: string;
}

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceState: string;
  readonly parentSpanId: string;
  /** W3C trace flags in the low 8 bits, bits 8 and 9 say whether the parent is remote. */
  readonly flags: number;
  readonly name: string;
  /** 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
  readonly startTimeUnixNano: bigint;
  readonly endTimeUnixNano: bigint;
  readonly attributes: Attributes;
  readonly droppedAttributesCount: number;
  readonly events: readonly SpanEvent[];
  readonly droppedEventsCount: number;
  readonly links: readonly SpanLink[];
  readonly droppedLinksCount: number;
  readonly status: SpanStatus | undefined;
}

export interface SpanEvent {
  readonly timeUnixNano: bigint;
  readonly name: string;
  readonly attributes: Attributes;
  readonly droppedAttributesCount: number;
}

export interface SpanLink {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceState: string;
  readonly attributes: Attributes;
  readonly droppedAttributesCount: number;
  readonly flags: number;
}

export interface SpanStatus {
  readonly message: string;
  /** 0 unset, 1 ok, 2 error. */
  readonly code: number;
}

// Logs

export interface LogsRequest {
  readonly resourceLogs: readonly ResourceLogs[];
}

export interface ResourceLogs {
  readonly resource: Resource | undefined;
  readonly scopeLogs: readonly ScopeLogs[];
  readonly schemaUrl: string;
}

export interface ScopeLogs {
  readonly scope: Scope | undefined;
  readonly logRecords: readonly LogRecord[];
  readonly schemaUrl: string;
}

export interface LogRecord {
  readonly timeUnixNano: bigint;
  readonly observedTimeUnixNano: bigint;
  /** 0 unspecified, 1–4 trace, 5–8 debug, 9–12 info, 13–16 warn, 17–20 error, 21–24 fatal. */
  readonly severityNumber: number;
  readonly severityText: string;
  readonly body: AnyValue | undefined;
  readonly attributes: Attributes;
  readonly droppedAttributesCount: number;
  readonly flags: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly eventName: string;
}

// Metrics

export interface MetricsRequest {
  readonly resourceMetrics: readonly ResourceMetrics[];
}

export interface ResourceMetrics {
  readonly resource: Resource | undefined;
  readonly scopeMetrics: readonly ScopeMetrics[];
  readonly schemaUrl: string;
}

export interface ScopeMetrics {
  readonly scope: Scope | undefined;
  readonly metrics: readonly Metric[];
  readonly schemaUrl: string;
}

export interface Metric {
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  readonly metadata: Attributes;
  /** `undefined`: a metric without data, which the wire format allows. It has no data points. */
  readonly data: MetricData | undefined;
}

export type MetricData =
  | { readonly type: 'gauge'; readonly dataPoints: readonly NumberDataPoint[] }
  | {
      readonly type: 'sum';
      readonly dataPoints: readonly NumberDataPoint[];
      readonly aggregationTemporality: Temporality;
      readonly isMonotonic: boolean;
    }
  | {
      readonly type: 'histogram';
      readonly dataPoints: readonly HistogramDataPoint[];
      readonly aggregationTemporality: Temporality;
    }
  | {
      readonly type: 'exponentialHistogram';
      readonly dataPoints: readonly ExponentialHistogramDataPoint[];
      readonly aggregationTemporality: Temporality;
    }
  | { readonly type: 'summary'; readonly dataPoints: readonly SummaryDataPoint[] };

/** 0 unspecified, 1 delta, 2 cumulative; other numbers are kept as they came. */
export type Temporality = number;

/** What all kinds of data points have. `flags` bit 0: no recorded value. */
export interface DataPoint {
  readonly attributes: Attributes;
  readonly startTimeUnixNano: bigint;
  readonly timeUnixNano: bigint;
  readonly flags: number;
}

/** `undefined` when the oneof is not set. */
export type NumberValue =
  | { readonly type: 'double'; readonly value: number }
  | { readonly type: 'int'; readonly value: bigint };

export interface NumberDataPoint extends DataPoint {
  readonly value: NumberValue | undefined;
  readonly exemplars: readonly Exemplar[];
}

export interface HistogramDataPoint extends DataPoint {
  readonly count: bigint;
  readonly sum: number | undefined;
  readonly bucketCounts: readonly bigint[];
  readonly explicitBounds: readonly number[];
  readonly exemplars: readonly Exemplar[];
  readonly min: number | undefined;
  readonly max: number | undefined;
}

export interface ExponentialBuckets {
  readonly offset: number;
  readonly bucketCounts: readonly bigint[];
}

export interface ExponentialHistogramDataPoint extends DataPoint {
  readonly count: bigint;
  readonly sum: number | undefined;
  readonly scale: number;
  readonly zeroCount: bigint;
  readonly positive: ExponentialBuckets | undefined;
  readonly negative: ExponentialBuckets | undefined;
  readonly exemplars: readonly Exemplar[];
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly zeroThreshold: number;
}

export interface QuantileValue {
  readonly quantile: number;
  readonly value: number;
}

export interface SummaryDataPoint extends DataPoint {
  readonly count: bigint;
  readonly sum: number;
  readonly quantileValues: readonly QuantileValue[];
}

export interface Exemplar {
  readonly filteredAttributes: Attributes;
  readonly timeUnixNano: bigint;
  readonly value: NumberValue | undefined;
  readonly spanId: string;
  readonly traceId: string;
}

/** The request type of each signal. */
export interface Requests {
  readonly traces: TracesRequest;
  readonly metrics: MetricsRequest;
  readonly logs: LogsRequest;
}
export type RequestOf<S extends Signal> = Requests[S];
/** What stands in the scope groups of each. */
export interface Records {
  readonly traces: Span;
  readonly metrics: Metric;
  readonly logs: LogRecord;
}
export type RecordOf<S extends Signal> = Records[S];
export type ExportRequest = TracesRequest | MetricsRequest | LogsRequest;
