-- Less to do for an insert, and indexes that pay for themselves (test/bench/tables.ts, queries.ts).
--
-- Rollups are made when parts are merged, not for each insert; a question computes what the newest
-- parts lack from their rows. Inserts leave out indexes of the same tables for the same reason, see
-- insert.ts. Merges combine parts with rollups or parts without, never both; a part that is left
-- between others gets its rollups from the backend, see rollups.ts.
--
-- What an insert writes is one file instead of one for each column; what merges write is not, since
-- ClickHouse merges one column after the other then, in half the time and 5 % smaller.
--
-- A time range is looked up in the order key by its five minutes only if the question says so; by
-- these indexes it need not. Words of log bodies are looked up granule by granule.

ALTER TABLE otel_traces {ON_CLUSTER}
MODIFY SETTING materialize_projections_on_insert = 0, materialize_projections_on_merge = 1,
    min_bytes_for_wide_part = 10485760, min_level_for_wide_part = 1;

ALTER TABLE otel_traces {ON_CLUSTER}
MODIFY COLUMN IF EXISTS SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(3))
SETTINGS alter_sync = 0;

ALTER TABLE otel_traces {ON_CLUSTER}
ADD INDEX IF NOT EXISTS idx_time Timestamp TYPE minmax GRANULARITY 1;

-- The table is sorted by it.

ALTER TABLE otel_traces_trace_id_ts {ON_CLUSTER}
DROP INDEX IF EXISTS idx_trace_id
SETTINGS alter_sync = 0;

ALTER TABLE otel_traces_trace_id_ts {ON_CLUSTER}
MODIFY SETTING min_bytes_for_wide_part = 10485760, min_level_for_wide_part = 1;

ALTER TABLE otel_logs {ON_CLUSTER}
MODIFY SETTING materialize_projections_on_insert = 0, materialize_projections_on_merge = 1,
    min_bytes_for_wide_part = 10485760, min_level_for_wide_part = 1;

ALTER TABLE otel_logs {ON_CLUSTER}
MODIFY COLUMN IF EXISTS TraceFlags UInt8 CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS SeverityNumber UInt8 CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS LogAttributes Map(LowCardinality(String), String) CODEC(ZSTD(3))
SETTINGS alter_sync = 0;

ALTER TABLE otel_logs {ON_CLUSTER}
ADD INDEX IF NOT EXISTS idx_time Timestamp TYPE minmax GRANULARITY 1,
ADD INDEX IF NOT EXISTS idx_body_words lower(Body) TYPE tokenbf_v1(40960, 6, 0) GRANULARITY 1;

ALTER TABLE otel_logs {ON_CLUSTER}
DROP INDEX IF EXISTS idx_lower_body
SETTINGS alter_sync = 0;

ALTER TABLE otel_metrics_gauge {ON_CLUSTER}
MODIFY SETTING min_bytes_for_wide_part = 10485760, min_level_for_wide_part = 1;

ALTER TABLE otel_metrics_sum {ON_CLUSTER}
MODIFY SETTING min_bytes_for_wide_part = 10485760, min_level_for_wide_part = 1;

ALTER TABLE otel_metrics_histogram {ON_CLUSTER}
MODIFY SETTING min_bytes_for_wide_part = 10485760, min_level_for_wide_part = 1;

ALTER TABLE otel_metrics_exponential_histogram {ON_CLUSTER}
MODIFY SETTING min_bytes_for_wide_part = 10485760, min_level_for_wide_part = 1;

ALTER TABLE otel_metrics_summary {ON_CLUSTER}
MODIFY SETTING min_bytes_for_wide_part = 10485760, min_level_for_wide_part = 1;

-- For what is stored already; it goes on in the background.

ALTER TABLE otel_traces {ON_CLUSTER} MATERIALIZE INDEX IF EXISTS idx_time;

ALTER TABLE otel_logs {ON_CLUSTER} MATERIALIZE INDEX IF EXISTS idx_time;

ALTER TABLE otel_logs {ON_CLUSTER} MATERIALIZE INDEX IF EXISTS idx_body_words;
