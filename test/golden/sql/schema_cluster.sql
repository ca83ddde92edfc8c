-- 001_versions.sql

CREATE TABLE IF NOT EXISTS binnacle_schema_versions ON CLUSTER 'main'
(
    version UInt32 COMMENT 'number of the file',
    name String COMMENT 'name of the file',
    checksum String COMMENT 'SHA-256 of the file, before placeholders were filled in',
    applied_at DateTime64(3) DEFAULT now64(3)
)
ENGINE = ReplicatedReplacingMergeTree(applied_at)
ORDER BY version
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- 002_logs.sql

CREATE TABLE IF NOT EXISTS otel_logs ON CLUSTER 'main'
(
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TimestampTime DateTime ALIAS toDateTime(Timestamp),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    TraceFlags UInt8 CODEC(ZSTD(1)),
    SeverityText LowCardinality(String) CODEC(ZSTD(1)),
    SeverityNumber UInt8 CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    Body String CODEC(ZSTD(1)),
    ResourceSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), LowCardinality(String)) CODEC(ZSTD(1)),
    ScopeSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ScopeName LowCardinality(String) CODEC(ZSTD(1)),
    ScopeVersion LowCardinality(String) CODEC(ZSTD(1)),
    ScopeAttributes Map(LowCardinality(String), LowCardinality(String)) CODEC(ZSTD(1)),
    LogAttributes Map(LowCardinality(String), String) CODEC(ZSTD(3)),
    EventName String CODEC(ZSTD(1)),
    BatchId LowCardinality(String) CODEC(ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_log_attr_value mapValues(LogAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_body_words lower(Body) TYPE tokenbf_v1(40960, 6, 0) GRANULARITY 1,
    INDEX idx_time Timestamp TYPE minmax GRANULARITY 1,
    INDEX idx_batch_id BatchId TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplicatedMergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (toStartOfFiveMinutes(Timestamp), ServiceName, Timestamp)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 10485760, min_level_for_wide_part = 1,
    materialize_projections_on_insert = 0, materialize_projections_on_merge = 1;

-- 003_traces.sql

CREATE TABLE IF NOT EXISTS otel_traces ON CLUSTER 'main'
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
ENGINE = ReplicatedMergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (toStartOfFiveMinutes(Timestamp), ServiceName, SpanName, Timestamp)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 10485760, min_level_for_wide_part = 1,
    materialize_projections_on_insert = 0, materialize_projections_on_merge = 1,
    min_age_to_force_merge_seconds = 21600, min_age_to_force_merge_on_partition_only = 1;

CREATE TABLE IF NOT EXISTS otel_traces_trace_id_ts ON CLUSTER 'main'
(
    TraceId String CODEC(ZSTD(1)),
    Start SimpleAggregateFunction(min, DateTime) CODEC(Delta(4), ZSTD(1)),
    End SimpleAggregateFunction(max, DateTime) CODEC(Delta(4), ZSTD(1))
)
ENGINE = ReplicatedAggregatingMergeTree
PARTITION BY toStartOfWeek(Start)
ORDER BY TraceId
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 10485760, min_level_for_wide_part = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_trace_id_ts_mv ON CLUSTER 'main'
TO otel_traces_trace_id_ts
AS SELECT
    TraceId,
    min(toDateTime(Timestamp)) AS Start,
    max(toDateTime(Timestamp)) AS End
FROM otel_traces
WHERE TraceId != ''
GROUP BY TraceId;

-- 004_metrics.sql

CREATE TABLE IF NOT EXISTS otel_metrics_gauge ON CLUSTER 'main'
(
    ResourceAttributes Map(LowCardinality(String), LowCardinality(String)) CODEC(ZSTD(1)),
    ResourceSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ScopeName LowCardinality(String) CODEC(ZSTD(1)),
    ScopeVersion LowCardinality(String) CODEC(ZSTD(1)),
    ScopeAttributes Map(LowCardinality(String), LowCardinality(String)) CODEC(ZSTD(1)),
    ScopeDroppedAttrCount UInt32 CODEC(ZSTD(1)),
    ScopeSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    MetricName LowCardinality(String) CODEC(ZSTD(1)),
    MetricDescription LowCardinality(String) CODEC(ZSTD(1)),
    MetricUnit LowCardinality(String) CODEC(ZSTD(1)),
    Attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    StartTimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    Value Float64 CODEC(ZSTD(1)),
    Flags UInt32 CODEC(ZSTD(1)),
    Exemplars Nested
    (
        FilteredAttributes Map(LowCardinality(String), String),
        TimeUnix DateTime64(9),
        Value Float64,
        SpanId String,
        TraceId String
    ) CODEC(ZSTD(1)),
    BatchId LowCardinality(String) CODEC(ZSTD(1)),
    INDEX idx_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_time_minmax TimeUnix TYPE minmax GRANULARITY 1,
    INDEX idx_batch_id BatchId TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplicatedMergeTree
PARTITION BY toDate(TimeUnix)
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 10485760, min_level_for_wide_part = 1;

CREATE TABLE IF NOT EXISTS otel_metrics_sum ON CLUSTER 'main'
(
    ResourceAttributes Map(LowCardinality(String), LowCardinality(String)) CODEC(ZSTD(1)),
    ResourceSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ScopeName LowCardinality(String) CODEC(ZSTD(1)),
    ScopeVersion LowCardinality(String) CODEC(ZSTD(1)),
    ScopeAttributes Map(LowCardinality(String), LowCardinality(String)) CODEC(ZSTD(1)),
    ScopeDroppedAttrCount UInt32 CODEC(ZSTD(1)),
    ScopeSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    MetricName LowCardinality(String) CODEC(ZSTD(1)),
    MetricDescription LowCardinality(String) CODEC(ZSTD(1)),
    MetricUnit LowCardinality(String) CODEC(ZSTD(1)),
    Attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    StartTimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    Value Float64 CODEC(ZSTD(1)),
    Flags UInt32 CODEC(ZSTD(1)),
    Exemplars Nested
    (
        FilteredAttributes Map(LowCardinality(String), String),
        TimeUnix DateTime64(9),
        Value Float64,
        SpanId String,
        TraceId String
    ) CODEC(ZSTD(1)),
    AggregationTemporality Int32 CODEC(ZSTD(1)),
    IsMonotonic Bool CODEC(Delta(1), ZSTD(1)),
    BatchId LowCardinality(String) CODEC(ZSTD(1)),
    INDEX idx_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_time_minmax TimeUnix TYPE minmax GRANULARITY 1,
    INDEX idx_batch_id BatchId TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplicatedMergeTree
PARTITION BY toDate(TimeUnix)
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 10485760, min_level_for_wide_part = 1;

CREATE TABLE IF NOT EXISTS otel_metrics_histogram ON CLUSTER 'main'
(
    ResourceAttributes Map(LowCardinality(String), LowCardinality(String)) CODEC(ZSTD(1)),
    ResourceSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ScopeName LowCardinality(String) CODEC(ZSTD(1)),
    ScopeVersion LowCardinality(String) CODEC(ZSTD(1)),
    ScopeAttributes Map(LowCardinality(String), LowCardinality(String)) CODEC(ZSTD(1)),
    ScopeDroppedAttrCount UInt32 CODEC(ZSTD(1)),
    ScopeSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    MetricName LowCardinality(String) CODEC(ZSTD(1)),
    MetricDescription LowCardinality(String) CODEC(ZSTD(1)),
    MetricUnit LowCardinality(String) CODEC(ZSTD(1)),
    Attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    StartTimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    Count UInt64 CODEC(Delta(8), ZSTD(1)),
    Sum Float64 CODEC(ZSTD(1)),
    BucketCounts Array(UInt64) CODEC(ZSTD(1)),
    ExplicitBounds Array(Float64) CODEC(ZSTD(1)),
    Exemplars Nested
    (
        FilteredAttributes Map(LowCardinality(String), String),
        TimeUnix DateTime64(9),
        Value Float64,
        SpanId String,
        TraceId String
    ) CODEC(ZSTD(1)),
    Flags UInt32 CODEC(ZSTD(1)),
    Min Float64 CODEC(ZSTD(1)),
    Max Float64 CODEC(ZSTD(1)),
    AggregationTemporality Int32 CODEC(ZSTD(1)),
    BatchId LowCardinality(String) CODEC(ZSTD(1)),
    INDEX idx_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_time_minmax TimeUnix TYPE minmax GRANULARITY 1,
    INDEX idx_batch_id BatchId TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplicatedMergeTree
PARTITION BY toDate(TimeUnix)
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 10485760, min_level_for_wide_part = 1;

CREATE TABLE IF NOT EXISTS otel_metrics_exponential_histogram ON CLUSTER 'main'
(
    ResourceAttributes Map(LowCardinality(String), LowCardinality(String)) CODEC(ZSTD(1)),
    ResourceSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ScopeName LowCardinality(String) CODEC(ZSTD(1)),
    ScopeVersion LowCardinality(String) CODEC(ZSTD(1)),
    ScopeAttributes Map(LowCardinality(String), LowCardinality(String)) CODEC(ZSTD(1)),
    ScopeDroppedAttrCount UInt32 CODEC(ZSTD(1)),
    ScopeSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    MetricName LowCardinality(String) CODEC(ZSTD(1)),
    MetricDescription LowCardinality(String) CODEC(ZSTD(1)),
    MetricUnit LowCardinality(String) CODEC(ZSTD(1)),
    Attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    StartTimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    Count UInt64 CODEC(Delta(8), ZSTD(1)),
    Sum Float64 CODEC(ZSTD(1)),
    Scale Int32 CODEC(ZSTD(1)),
    ZeroCount UInt64 CODEC(ZSTD(1)),
    PositiveOffset Int32 CODEC(ZSTD(1)),
    PositiveBucketCounts Array(UInt64) CODEC(ZSTD(1)),
    NegativeOffset Int32 CODEC(ZSTD(1)),
    NegativeBucketCounts Array(UInt64) CODEC(ZSTD(1)),
    Exemplars Nested
    (
        FilteredAttributes Map(LowCardinality(String), String),
        TimeUnix DateTime64(9),
        Value Float64,
        SpanId String,
        TraceId String
    ) CODEC(ZSTD(1)),
    Flags UInt32 CODEC(ZSTD(1)),
    Min Float64 CODEC(ZSTD(1)),
    Max Float64 CODEC(ZSTD(1)),
    AggregationTemporality Int32 CODEC(ZSTD(1)),
    BatchId LowCardinality(String) CODEC(ZSTD(1)),
    INDEX idx_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_time_minmax TimeUnix TYPE minmax GRANULARITY 1,
    INDEX idx_batch_id BatchId TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplicatedMergeTree
PARTITION BY toDate(TimeUnix)
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 10485760, min_level_for_wide_part = 1;

CREATE TABLE IF NOT EXISTS otel_metrics_summary ON CLUSTER 'main'
(
    ResourceAttributes Map(LowCardinality(String), LowCardinality(String)) CODEC(ZSTD(1)),
    ResourceSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ScopeName LowCardinality(String) CODEC(ZSTD(1)),
    ScopeVersion LowCardinality(String) CODEC(ZSTD(1)),
    ScopeAttributes Map(LowCardinality(String), LowCardinality(String)) CODEC(ZSTD(1)),
    ScopeDroppedAttrCount UInt32 CODEC(ZSTD(1)),
    ScopeSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    MetricName LowCardinality(String) CODEC(ZSTD(1)),
    MetricDescription LowCardinality(String) CODEC(ZSTD(1)),
    MetricUnit LowCardinality(String) CODEC(ZSTD(1)),
    Attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    StartTimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TimeUnix DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    Count UInt64 CODEC(Delta(8), ZSTD(1)),
    Sum Float64 CODEC(ZSTD(1)),
    ValueAtQuantiles Nested
    (
        Quantile Float64,
        Value Float64
    ) CODEC(ZSTD(1)),
    Flags UInt32 CODEC(ZSTD(1)),
    BatchId LowCardinality(String) CODEC(ZSTD(1)),
    INDEX idx_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_time_minmax TimeUnix TYPE minmax GRANULARITY 1,
    INDEX idx_batch_id BatchId TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplicatedMergeTree
PARTITION BY toDate(TimeUnix)
ORDER BY (ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 10485760, min_level_for_wide_part = 1;

-- 005_batches.sql

CREATE TABLE IF NOT EXISTS binnacle_batches ON CLUSTER 'main'
(
    BatchId String CODEC(ZSTD(1)),
    TableName LowCardinality(String) COMMENT 'for refused records the signal',
    Day Date COMMENT 'of the rows, as their table is partitioned' CODEC(ZSTD(1)),
    Rows UInt64 CODEC(ZSTD(1)),
    Refused UInt64 CODEC(ZSTD(1)),
    Committed DateTime DEFAULT now() CODEC(ZSTD(1)),
    Agent String ALIAS splitByChar('/', BatchId)[1],
    Epoch String ALIAS splitByChar('/', BatchId)[2],
    Sequence UInt64 ALIAS toUInt64OrZero(extract(splitByChar('/', BatchId)[3], '^[0-9]+'))
)
ENGINE = ReplicatedReplacingMergeTree
PARTITION BY toMonday(Committed)
ORDER BY (BatchId, TableName, Day)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS binnacle_batches_logs_mv ON CLUSTER 'main'
TO binnacle_batches
AS SELECT
    BatchId,
    'otel_logs' AS TableName,
    toDate(Timestamp) AS Day,
    count() AS Rows
FROM otel_logs
WHERE BatchId != ''
GROUP BY BatchId, Day;

CREATE MATERIALIZED VIEW IF NOT EXISTS binnacle_batches_traces_mv ON CLUSTER 'main'
TO binnacle_batches
AS SELECT
    BatchId,
    'otel_traces' AS TableName,
    toDate(Timestamp) AS Day,
    count() AS Rows
FROM otel_traces
WHERE BatchId != ''
GROUP BY BatchId, Day;

CREATE MATERIALIZED VIEW IF NOT EXISTS binnacle_batches_metrics_gauge_mv ON CLUSTER 'main'
TO binnacle_batches
AS SELECT
    BatchId,
    'otel_metrics_gauge' AS TableName,
    toDate(TimeUnix) AS Day,
    count() AS Rows
FROM otel_metrics_gauge
WHERE BatchId != ''
GROUP BY BatchId, Day;

CREATE MATERIALIZED VIEW IF NOT EXISTS binnacle_batches_metrics_sum_mv ON CLUSTER 'main'
TO binnacle_batches
AS SELECT
    BatchId,
    'otel_metrics_sum' AS TableName,
    toDate(TimeUnix) AS Day,
    count() AS Rows
FROM otel_metrics_sum
WHERE BatchId != ''
GROUP BY BatchId, Day;

CREATE MATERIALIZED VIEW IF NOT EXISTS binnacle_batches_metrics_histogram_mv ON CLUSTER 'main'
TO binnacle_batches
AS SELECT
    BatchId,
    'otel_metrics_histogram' AS TableName,
    toDate(TimeUnix) AS Day,
    count() AS Rows
FROM otel_metrics_histogram
WHERE BatchId != ''
GROUP BY BatchId, Day;

CREATE MATERIALIZED VIEW IF NOT EXISTS binnacle_batches_metrics_exponential_histogram_mv ON CLUSTER 'main'
TO binnacle_batches
AS SELECT
    BatchId,
    'otel_metrics_exponential_histogram' AS TableName,
    toDate(TimeUnix) AS Day,
    count() AS Rows
FROM otel_metrics_exponential_histogram
WHERE BatchId != ''
GROUP BY BatchId, Day;

CREATE MATERIALIZED VIEW IF NOT EXISTS binnacle_batches_metrics_summary_mv ON CLUSTER 'main'
TO binnacle_batches
AS SELECT
    BatchId,
    'otel_metrics_summary' AS TableName,
    toDate(TimeUnix) AS Day,
    count() AS Rows
FROM otel_metrics_summary
WHERE BatchId != ''
GROUP BY BatchId, Day;

-- 006_evictions.sql

CREATE TABLE IF NOT EXISTS binnacle_evictions ON CLUSTER 'main'
(
    TableName LowCardinality(String),
    Day Date COMMENT 'as the table is partitioned',
    Began DateTime64(3),
    At DateTime DEFAULT now() COMMENT 'when the rows were gone, as far as is known',
    Rows UInt64,
    Bytes UInt64 COMMENT 'on disk'
)
ENGINE = ReplicatedReplacingMergeTree(At)
ORDER BY (TableName, Day, Began)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

-- 007_rollups.sql

ALTER TABLE otel_traces ON CLUSTER 'main'
ADD COLUMN IF NOT EXISTS SampleWeight Float64 ALIAS if(empty(TraceState), 1,
    72057594037927936 / (72057594037927936 - reinterpretAsUInt64(reverse(unhex(rightPad(
    extract(TraceState, '(?:^|,)\\s*ot=(?:[^,]*;)?th:([0-9a-f]{1,14})'), 14, '0'))))));

ALTER TABLE otel_traces ON CLUSTER 'main'
ADD PROJECTION IF NOT EXISTS latency_by_minute
(
    SELECT
        toStartOfMinute(Timestamp), ServiceName, SpanName, SpanKind, StatusCode, SampleWeight,
        count(), countIf(StatusCode = 'Error'),
        sum(Duration), min(Duration), max(Duration), argMax(TraceId, Duration),
        quantilesDDState(0.01, 0.5, 0.95, 0.99)(Duration)
    GROUP BY
        toStartOfMinute(Timestamp), ServiceName, SpanName, SpanKind, StatusCode, SampleWeight
);

ALTER TABLE otel_traces ON CLUSTER 'main'
ADD PROJECTION IF NOT EXISTS latency_by_hour
(
    SELECT
        toStartOfHour(Timestamp, 'UTC'), ServiceName, SpanName, SpanKind, StatusCode, SampleWeight,
        count(), countIf(StatusCode = 'Error'),
        sum(Duration), min(Duration), max(Duration), argMax(TraceId, Duration),
        quantilesDDState(0.01, 0.5, 0.95, 0.99)(Duration)
    GROUP BY
        toStartOfHour(Timestamp, 'UTC'), ServiceName, SpanName, SpanKind, StatusCode, SampleWeight
);

ALTER TABLE otel_traces ON CLUSTER 'main'
ADD PROJECTION IF NOT EXISTS latency_by_day
(
    SELECT
        toStartOfDay(Timestamp, 'UTC'), ServiceName, SpanName, SpanKind, StatusCode, SampleWeight,
        count(), countIf(StatusCode = 'Error'),
        sum(Duration), min(Duration), max(Duration), argMax(TraceId, Duration),
        quantilesDDState(0.01, 0.5, 0.95, 0.99)(Duration)
    GROUP BY
        toStartOfDay(Timestamp, 'UTC'), ServiceName, SpanName, SpanKind, StatusCode, SampleWeight
);

ALTER TABLE otel_logs ON CLUSTER 'main'
ADD PROJECTION IF NOT EXISTS records_by_minute
(
    SELECT toStartOfMinute(Timestamp), ServiceName, SeverityText, SeverityNumber, count()
    GROUP BY toStartOfMinute(Timestamp), ServiceName, SeverityText, SeverityNumber
);

ALTER TABLE otel_traces ON CLUSTER 'main'
MODIFY SETTING lightweight_mutation_projection_mode = 'rebuild';

ALTER TABLE otel_logs ON CLUSTER 'main'
MODIFY SETTING lightweight_mutation_projection_mode = 'rebuild';

ALTER TABLE otel_traces ON CLUSTER 'main' MATERIALIZE PROJECTION latency_by_minute;

ALTER TABLE otel_traces ON CLUSTER 'main' MATERIALIZE PROJECTION latency_by_hour;

ALTER TABLE otel_traces ON CLUSTER 'main' MATERIALIZE PROJECTION latency_by_day;

ALTER TABLE otel_logs ON CLUSTER 'main' MATERIALIZE PROJECTION records_by_minute;

-- 008_queries.sql

CREATE TABLE IF NOT EXISTS binnacle_queries ON CLUSTER 'main'
(
    Started DateTime64(3) CODEC(Delta(8), ZSTD(1)),
    QueryId String CODEC(ZSTD(1)),
    Name LowCardinality(String) COMMENT 'of the token, or anonymous',
    Role LowCardinality(String),
    Address String CODEC(ZSTD(1)),
    Origin LowCardinality(String) COMMENT 'sql: a statement of the caller, api: one of Binnacle',
    Statement String COMMENT 'cut at 16 KiB' CODEC(ZSTD(3)),
    Format LowCardinality(String),
    DurationMs UInt64 CODEC(ZSTD(1)),
    ReadRows UInt64 COMMENT 'as far as it was seen' CODEC(ZSTD(1)),
    ReadBytes UInt64 COMMENT 'as far as it was seen' CODEC(ZSTD(1)),
    ResultRows UInt64 CODEC(ZSTD(1)),
    ResultBytes UInt64 CODEC(ZSTD(1)),
    Ending LowCardinality(String) COMMENT 'ok, or as in binnacle_queries_total',
    Error LowCardinality(String) COMMENT 'code of the error'
)
ENGINE = ReplicatedReplacingMergeTree
PARTITION BY toMonday(Started)
ORDER BY (Started, QueryId)
TTL toDate(Started) + toIntervalDay(90)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS binnacle_saved_queries ON CLUSTER 'main'
(
    Id String,
    Version UInt64,
    Deleted UInt8,
    Name String,
    Description String,
    Statement String CODEC(ZSTD(3)),
    Params String COMMENT 'values for the parameters, JSON' CODEC(ZSTD(1)),
    Format LowCardinality(String),
    Owner LowCardinality(String) COMMENT 'name of the token',
    Created DateTime64(3),
    Updated DateTime64(3)
)
ENGINE = ReplicatedReplacingMergeTree(Version)
ORDER BY Id
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

-- 009_deleted_logs.sql

CREATE TABLE IF NOT EXISTS binnacle_deleted_logs ON CLUSTER 'main'
(
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    Hash String CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    DeletedAt DateTime64(3) DEFAULT now64(3) CODEC(ZSTD(1)),
    DeletedBy String COMMENT 'name of the token' CODEC(ZSTD(1)),
    Address String COMMENT 'where the request came from' CODEC(ZSTD(1)),
    Reason String CODEC(ZSTD(1))
)
ENGINE = ReplicatedMergeTree
ORDER BY (Timestamp, Hash)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

-- 010_alerting.sql

CREATE TABLE IF NOT EXISTS binnacle_alerting ON CLUSTER 'main'
(
    Kind LowCardinality(String) COMMENT 'alert, rule, silence, …: backend/journal/journal.ts',
    Key String COMMENT 'which one of its kind',
    Version UInt64 COMMENT 'nanoseconds since 1970 at which it was written',
    Time DateTime64(3) COMMENT 'when it became so; of alerts of rules the instant of the evaluation',
    Writer String COMMENT 'backend that wrote it',
    Deleted UInt8,
    Name LowCardinality(String) COMMENT 'of the alert or rule',
    State LowCardinality(String) COMMENT 'pending, firing, resolved, acknowledged, …',
    Severity LowCardinality(String),
    Labels Map(LowCardinality(String), String),
    Value Nullable(Float64) COMMENT 'what was measured',
    Actor String COMMENT 'name of the token of who did it; empty for Binnacle itself',
    Note String CODEC(ZSTD(1)),
    Data String COMMENT 'all of it, JSON' CODEC(ZSTD(3)),
    Stored DateTime64(3) DEFAULT now64(3) COMMENT 'by the clock of the store'
)
ENGINE = ReplicatedReplacingMergeTree(Version)
ORDER BY (Kind, Key)
TTL toDate(Time) + toIntervalDay(400)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS binnacle_alert_history ON CLUSTER 'main'
(
    Time DateTime64(3) CODEC(Delta(8), ZSTD(1)),
    Kind LowCardinality(String),
    Key String CODEC(ZSTD(1)),
    Version UInt64 CODEC(ZSTD(1)),
    Writer String CODEC(ZSTD(1)),
    Deleted UInt8,
    Name LowCardinality(String),
    State LowCardinality(String),
    Severity LowCardinality(String),
    Labels Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Value Nullable(Float64) CODEC(ZSTD(1)),
    Actor String CODEC(ZSTD(1)),
    Note String CODEC(ZSTD(1)),
    Data String CODEC(ZSTD(3))
)
ENGINE = ReplicatedReplacingMergeTree(Version)
PARTITION BY toMonday(Time)
ORDER BY (Time, Kind, Key, Version)
TTL toDate(Time) + toIntervalDay(400)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS binnacle_alert_history_mv ON CLUSTER 'main'
TO binnacle_alert_history AS
SELECT Time, Kind, Key, Version, Writer, Deleted, Name, State, Severity, Labels, Value, Actor, Note,
    Data
FROM binnacle_alerting;

CREATE TABLE IF NOT EXISTS binnacle_leases ON CLUSTER 'main'
(
    Name LowCardinality(String),
    Epoch UInt64 COMMENT 'one more with each attempt to take over',
    Owner String COMMENT 'a backend since its last start',
    Sequence UInt64 COMMENT 'of the rows of the owner in the epoch',
    Step LowCardinality(String) COMMENT 'claim, beat, withdrawn or released',
    HeldMs UInt32,
    Time DateTime64(3) DEFAULT now64(3) COMMENT 'for people; no decision hangs on it'
)
ENGINE = ReplicatedMergeTree
ORDER BY (Name, Epoch, Owner, Sequence)
TTL toDate(Time) + toIntervalDay(2)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;
