-- Log records. Names, types and values as the OpenTelemetry ClickHouse exporter writes them.
-- TimestampTime is what the exporter's table had before 2026 and the Grafana data source asks for.
-- BatchId is Binnacle's own: which batch brought a row, see names.ts beside the transcoder.
--
-- What holds for tables of spans and metrics, too, measured beside the exporter's own tables
-- (test/bench/tables.ts, queries.ts):
--
-- What a resource or a scope says is the same in many rows: as LowCardinality, values included, it
-- takes about a tenth of the bytes, and ClickHouse keeps the dictionaries that the transcoder
-- sends. The types read in SQL as the exporter's do.
--
-- Rollups (007) and skip indexes of spans and logs are made when parts are merged, not for each
-- insert (insert.ts); a question computes what the newest parts lack from their rows. Merges combine
-- parts with rollups or parts without, never both; a part that is left between others gets its
-- rollups from the backend, see rollups.ts. Keys of attributes are the same in most granules: they
-- have no index.
--
-- What an insert writes is one file instead of one for each column; what merges write is not, since
-- ClickHouse merges one column after the other then, in half the time and 5 % smaller.
--
-- A time range is looked up in the order key by its five minutes only if the question says so; by
-- idx_time it need not. Words of bodies are looked up granule by granule.

CREATE TABLE IF NOT EXISTS otel_logs {ON_CLUSTER}
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
ENGINE = {ENGINE MergeTree}
PARTITION BY toDate(Timestamp)
ORDER BY (toStartOfFiveMinutes(Timestamp), ServiceName, Timestamp)
SETTINGS {TABLE_SETTINGS}, min_bytes_for_wide_part = 10485760, min_level_for_wide_part = 1,
    materialize_projections_on_insert = 0, materialize_projections_on_merge = 1;
