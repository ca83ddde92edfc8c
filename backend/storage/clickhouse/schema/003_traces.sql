-- Spans. Names, types and values as the OpenTelemetry ClickHouse exporter writes them; the order
-- key begins with a time bucket, so that a question about the last minutes reads the end only.
-- BatchId is Binnacle's own: which batch brought a row, see names.ts beside the transcoder. Types,
-- codecs, indexes and settings: see 002.
--
-- A day becomes one part when nothing was added to it for six hours: what a rollup of a day costs to
-- read is its series in each part.

CREATE TABLE IF NOT EXISTS otel_traces {ON_CLUSTER}
(
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ParentSpanId String CODEC(ZSTD(1)),
    TraceState String CODEC(ZSTD(1)),
    SpanName LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), LowCardinality(String)) CODEC(ZSTD(1)),
    ScopeName LowCardinality(String) CODEC(ZSTD(1)),
    ScopeVersion LowCardinality(String) CODEC(ZSTD(1)),
    SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(3)),
    Duration UInt64 COMMENT 'nanoseconds' CODEC(T64, ZSTD(1)),
    StatusCode LowCardinality(String) CODEC(ZSTD(1)),
    StatusMessage String CODEC(ZSTD(1)),
    Events Nested
    (
        Timestamp DateTime64(9),
        Name LowCardinality(String),
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    Links Nested
    (
        TraceId String,
        SpanId String,
        TraceState String,
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    BatchId LowCardinality(String) CODEC(ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_time Timestamp TYPE minmax GRANULARITY 1,
    INDEX idx_duration Duration TYPE minmax GRANULARITY 1,
    INDEX idx_batch_id BatchId TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = {ENGINE MergeTree}
PARTITION BY toDate(Timestamp)
ORDER BY (toStartOfFiveMinutes(Timestamp), ServiceName, SpanName, Timestamp)
SETTINGS {TABLE_SETTINGS}, min_bytes_for_wide_part = 10485760, min_level_for_wide_part = 1,
    materialize_projections_on_insert = 0, materialize_projections_on_merge = 1,
    min_age_to_force_merge_seconds = 21600, min_age_to_force_merge_on_partition_only = 1;

-- In which seconds a trace lies: a reader of one trace asks here first and then reads that range.

CREATE TABLE IF NOT EXISTS otel_traces_trace_id_ts {ON_CLUSTER}
(
    TraceId String CODEC(ZSTD(1)),
    Start SimpleAggregateFunction(min, DateTime) CODEC(Delta(4), ZSTD(1)),
    End SimpleAggregateFunction(max, DateTime) CODEC(Delta(4), ZSTD(1))
)
ENGINE = {ENGINE AggregatingMergeTree}
PARTITION BY toStartOfWeek(Start)
ORDER BY TraceId
SETTINGS {TABLE_SETTINGS}, min_bytes_for_wide_part = 10485760, min_level_for_wide_part = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_trace_id_ts_mv {ON_CLUSTER}
TO otel_traces_trace_id_ts
AS SELECT
    TraceId,
    min(toDateTime(Timestamp)) AS Start,
    max(toDateTime(Timestamp)) AS End
FROM otel_traces
WHERE TraceId != ''
GROUP BY TraceId;
