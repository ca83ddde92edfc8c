// The tables that the ClickHouse exporter of the OpenTelemetry Collector makes on ClickHouse 26.2
// and newer, as a yardstick. Facts (columns, codecs, indexes, keys) from its templates in
// exporter/clickhouseexporter/internal/sqltemplates of opentelemetry-collector-contrib, 2026. The
// exporter's columns for Kubernetes are kept: it makes them too.

const MAP = 'Map(LowCardinality(String), String) CODEC(ZSTD(1))';
const LOW = 'LowCardinality(String) CODEC(ZSTD(1))';
const STRING = 'String CODEC(ZSTD(1))';
const EXTRA = ['k8s.cluster.name', 'k8s.container.name', 'k8s.deployment.name',
  'k8s.namespace.name', 'k8s.node.name', 'k8s.pod.name', 'k8s.pod.uid',
  'deployment.environment.name'];

const items = (map: string) =>
  `arrayMap(kv -> concat(kv.1, '=', kv.2), CAST(${map}, 'Array(Tuple(String, String))'))`;
const itemColumn = (name: string) =>
  `${name}AttributeItems Array(String) ALIAS ${items(`${name}Attributes`)}`;
const ofArray = (name: string, expression: string) =>
  `INDEX ${name} ${expression} TYPE text(tokenizer = 'array')`;

const LOG_COLUMNS = [
  'Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1))', `TraceId ${STRING}`, `SpanId ${STRING}`,
  'TraceFlags UInt8', `SeverityText ${LOW}`, 'SeverityNumber UInt8', `ServiceName ${LOW}`,
  `Body ${STRING}`, `ResourceSchemaUrl ${LOW}`, `ResourceAttributes ${MAP}`,
  `ScopeSchemaUrl ${LOW}`, `ScopeName ${STRING}`, `ScopeVersion ${LOW}`, `ScopeAttributes ${MAP}`,
  `LogAttributes ${MAP}`, `EventName ${STRING}`,
];

const TRACE_COLUMNS = [
  'Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1))', `TraceId ${STRING}`, `SpanId ${STRING}`,
  `ParentSpanId ${STRING}`, `TraceState ${STRING}`, `SpanName ${LOW}`, `SpanKind ${LOW}`,
  `ServiceName ${LOW}`, `ResourceAttributes ${MAP}`, `ScopeName ${STRING}`,
  `ScopeVersion ${STRING}`, `SpanAttributes ${MAP}`, 'Duration UInt64 CODEC(T64, ZSTD(1))',
  `StatusCode ${LOW}`, `StatusMessage ${STRING}`,
  `Events Nested (Timestamp DateTime64(9), Name LowCardinality(String),
    Attributes Map(LowCardinality(String), String)) CODEC(ZSTD(1))`,
  `Links Nested (TraceId String, SpanId String, TraceState String,
    Attributes Map(LowCardinality(String), String)) CODEC(ZSTD(1))`,
];

/** The statements that make them in `database`. */
export function exporterTables(database: string): string[] {
  return [
    `CREATE DATABASE IF NOT EXISTS ${database}`,
    `CREATE TABLE ${database}.otel_logs (
      ${[
        ...LOG_COLUMNS,
        ...EXTRA.map((key) => `\`__otel_materialized_${key}\` LowCardinality(String)
          MATERIALIZED ResourceAttributes['${key}'] CODEC(ZSTD(1))`),
        ...['Resource', 'Scope', 'Log'].map(itemColumn),
        ofArray('idx_trace_id', 'TraceId'),
        ...['Resource', 'Scope', 'Log'].flatMap((name) => [
          ofArray(`idx_${name}_key`, `mapKeys(${name}Attributes)`),
          ofArray(`idx_${name}_items`, `${name}AttributeItems`),
        ]),
        "INDEX idx_lower_body lower(Body) TYPE text(tokenizer = 'splitByNonAlpha')",
      ].join(', ')}
    ) ENGINE = MergeTree PARTITION BY toDate(Timestamp)
    ORDER BY (toStartOfFiveMinutes(Timestamp), ServiceName, Timestamp)
    SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1`,
    `CREATE TABLE ${database}.otel_traces (
      ${[
        ...TRACE_COLUMNS,
        ...['Resource', 'Span'].map(itemColumn),
        ofArray('idx_trace_id', 'TraceId'),
        ...['Resource', 'Span'].flatMap((name) => [
          ofArray(`idx_${name}_key`, `mapKeys(${name}Attributes)`),
          ofArray(`idx_${name}_items`, `${name}AttributeItems`),
        ]),
        'INDEX idx_duration Duration TYPE minmax GRANULARITY 1',
        'INDEX idx_lower_span_name lower(SpanName) TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 8',
      ].join(', ')}
    ) ENGINE = MergeTree PARTITION BY toDate(Timestamp)
    PRIMARY KEY (ServiceName, SpanName, toDateTime(Timestamp))
    ORDER BY (ServiceName, SpanName, toDateTime(Timestamp), Timestamp)
    SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1`,
    `CREATE TABLE ${database}.otel_traces_trace_id_ts (
      TraceId String CODEC(ZSTD(1)),
      Start SimpleAggregateFunction(min, DateTime) CODEC(ZSTD(1)),
      End SimpleAggregateFunction(max, DateTime) CODEC(ZSTD(1))
    ) ENGINE = AggregatingMergeTree PARTITION BY toStartOfWeek(Start) ORDER BY TraceId
    SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1`,
    `CREATE MATERIALIZED VIEW ${database}.otel_traces_trace_id_ts_mv
    TO ${database}.otel_traces_trace_id_ts AS
    SELECT TraceId, min(Timestamp) AS Start, max(Timestamp) AS End
    FROM ${database}.otel_traces WHERE TraceId != '' GROUP BY TraceId`,
  ];
}

/** Names and types of the columns that the exporter sends. */
export const EXPORTER_COLUMNS: Readonly<Record<string, readonly string[]>> = {
  otel_logs: LOG_COLUMNS.map(withoutCodec),
  otel_traces: TRACE_COLUMNS.map(withoutCodec),
};

function withoutCodec(column: string): string {
  return column.replace(/ CODEC\(.*\)$/, '');
}
