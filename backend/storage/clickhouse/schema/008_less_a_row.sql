-- Less to write for each row, measured beside the exporter's own tables (test/bench/tables.ts).
--
-- What a resource or a scope says is the same in many rows: as LowCardinality, values included, it
-- takes about a tenth of the bytes, and ClickHouse keeps the dictionaries that the transcoder
-- sends. The types read as before in SQL. What is stored already is changed in the background.
--
-- Skip indexes that hash every attribute of every row are left for the values that are rare: those
-- of the record itself. A filter on resource attributes reads their column, which is small now; keys
-- of attributes are the same in most granules.
--
-- A part below 64 MiB is one file instead of one for each column: most inserts make such a part, and
-- merges make wide ones of them.

ALTER TABLE otel_traces {ON_CLUSTER}
DROP INDEX IF EXISTS idx_res_attr_value,
DROP INDEX IF EXISTS idx_span_attr_key
SETTINGS alter_sync = 0;

ALTER TABLE otel_traces {ON_CLUSTER}
MODIFY COLUMN IF EXISTS ResourceAttributes Map(LowCardinality(String), LowCardinality(String))
    CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeName LowCardinality(String) CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeVersion LowCardinality(String) CODEC(ZSTD(1))
SETTINGS alter_sync = 0;

ALTER TABLE otel_traces {ON_CLUSTER}
MODIFY SETTING min_bytes_for_wide_part = 67108864;

ALTER TABLE otel_logs {ON_CLUSTER}
DROP INDEX IF EXISTS idx_res_attr_value,
DROP INDEX IF EXISTS idx_log_attr_key
SETTINGS alter_sync = 0;

ALTER TABLE otel_logs {ON_CLUSTER}
MODIFY COLUMN IF EXISTS ResourceAttributes Map(LowCardinality(String), LowCardinality(String))
    CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeName LowCardinality(String) CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeAttributes Map(LowCardinality(String), LowCardinality(String))
    CODEC(ZSTD(1))
SETTINGS alter_sync = 0;

ALTER TABLE otel_logs {ON_CLUSTER}
MODIFY SETTING min_bytes_for_wide_part = 67108864;

ALTER TABLE otel_metrics_gauge {ON_CLUSTER}
DROP INDEX IF EXISTS idx_res_attr_value
SETTINGS alter_sync = 0;

ALTER TABLE otel_metrics_gauge {ON_CLUSTER}
MODIFY COLUMN IF EXISTS ResourceAttributes Map(LowCardinality(String), LowCardinality(String))
    CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ResourceSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeName LowCardinality(String) CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeVersion LowCardinality(String) CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeAttributes Map(LowCardinality(String), LowCardinality(String))
    CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeSchemaUrl LowCardinality(String) CODEC(ZSTD(1))
SETTINGS alter_sync = 0;

ALTER TABLE otel_metrics_gauge {ON_CLUSTER}
MODIFY SETTING min_bytes_for_wide_part = 67108864;

ALTER TABLE otel_metrics_sum {ON_CLUSTER}
DROP INDEX IF EXISTS idx_res_attr_value
SETTINGS alter_sync = 0;

ALTER TABLE otel_metrics_sum {ON_CLUSTER}
MODIFY COLUMN IF EXISTS ResourceAttributes Map(LowCardinality(String), LowCardinality(String))
    CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ResourceSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeName LowCardinality(String) CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeVersion LowCardinality(String) CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeAttributes Map(LowCardinality(String), LowCardinality(String))
    CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeSchemaUrl LowCardinality(String) CODEC(ZSTD(1))
SETTINGS alter_sync = 0;

ALTER TABLE otel_metrics_sum {ON_CLUSTER}
MODIFY SETTING min_bytes_for_wide_part = 67108864;

ALTER TABLE otel_metrics_histogram {ON_CLUSTER}
DROP INDEX IF EXISTS idx_res_attr_value
SETTINGS alter_sync = 0;

ALTER TABLE otel_metrics_histogram {ON_CLUSTER}
MODIFY COLUMN IF EXISTS ResourceAttributes Map(LowCardinality(String), LowCardinality(String))
    CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ResourceSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeName LowCardinality(String) CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeVersion LowCardinality(String) CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeAttributes Map(LowCardinality(String), LowCardinality(String))
    CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeSchemaUrl LowCardinality(String) CODEC(ZSTD(1))
SETTINGS alter_sync = 0;

ALTER TABLE otel_metrics_histogram {ON_CLUSTER}
MODIFY SETTING min_bytes_for_wide_part = 67108864;

ALTER TABLE otel_metrics_exponential_histogram {ON_CLUSTER}
DROP INDEX IF EXISTS idx_res_attr_value
SETTINGS alter_sync = 0;

ALTER TABLE otel_metrics_exponential_histogram {ON_CLUSTER}
MODIFY COLUMN IF EXISTS ResourceAttributes Map(LowCardinality(String), LowCardinality(String))
    CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ResourceSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeName LowCardinality(String) CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeVersion LowCardinality(String) CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeAttributes Map(LowCardinality(String), LowCardinality(String))
    CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeSchemaUrl LowCardinality(String) CODEC(ZSTD(1))
SETTINGS alter_sync = 0;

ALTER TABLE otel_metrics_exponential_histogram {ON_CLUSTER}
MODIFY SETTING min_bytes_for_wide_part = 67108864;

ALTER TABLE otel_metrics_summary {ON_CLUSTER}
DROP INDEX IF EXISTS idx_res_attr_value
SETTINGS alter_sync = 0;

ALTER TABLE otel_metrics_summary {ON_CLUSTER}
MODIFY COLUMN IF EXISTS ResourceAttributes Map(LowCardinality(String), LowCardinality(String))
    CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ResourceSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeName LowCardinality(String) CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeVersion LowCardinality(String) CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeAttributes Map(LowCardinality(String), LowCardinality(String))
    CODEC(ZSTD(1)),
MODIFY COLUMN IF EXISTS ScopeSchemaUrl LowCardinality(String) CODEC(ZSTD(1))
SETTINGS alter_sync = 0;

ALTER TABLE otel_metrics_summary {ON_CLUSTER}
MODIFY SETTING min_bytes_for_wide_part = 67108864;
