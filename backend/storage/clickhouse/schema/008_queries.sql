-- Who asked what, and how it ended: a row for each query, written by the backend in batches. One
-- that is written twice says the same twice.

CREATE TABLE IF NOT EXISTS binnacle_queries {ON_CLUSTER}
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
ENGINE = {ENGINE ReplacingMergeTree}
PARTITION BY toMonday(Started)
ORDER BY (Started, QueryId)
TTL toDate(Started) + toIntervalDay(90)
SETTINGS {TABLE_SETTINGS};

-- Statements that somebody has saved; the row with the highest version counts.

CREATE TABLE IF NOT EXISTS binnacle_saved_queries {ON_CLUSTER}
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
ENGINE = {ENGINE ReplacingMergeTree(Version)}
ORDER BY Id
SETTINGS {TABLE_SETTINGS};
