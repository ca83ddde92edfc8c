-- Log records that people have deleted, by time and hash (backend/logs/row.ts), and who did it. The
-- records stay in otel_logs until their retention is over and are hidden until then. Rows here are
-- few and stay: they are what is known of the deletion.

CREATE TABLE IF NOT EXISTS binnacle_deleted_logs {ON_CLUSTER}
(
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    Hash String CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    DeletedAt DateTime64(3) DEFAULT now64(3) CODEC(ZSTD(1)),
    DeletedBy String COMMENT 'name of the token' CODEC(ZSTD(1)),
    Address String COMMENT 'where the request came from' CODEC(ZSTD(1)),
    Reason String CODEC(ZSTD(1))
)
ENGINE = {ENGINE MergeTree}
ORDER BY (Timestamp, Hash)
SETTINGS {TABLE_SETTINGS};
