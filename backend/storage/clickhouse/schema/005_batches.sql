-- Which batches were committed, for the conservation ledger: a row for each name of rows (BatchId,
-- see names.ts beside the transcoder), table and day. The rows of one name in one table and day are
-- committed together or not at all, so what is here twice says the same twice.
-- A batch of which the backend refused records, or has nothing to store, has a row of the writer's
-- own besides: with its signal in the place of the table, and the number of refused records.

CREATE TABLE IF NOT EXISTS binnacle_batches {ON_CLUSTER}
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
ENGINE = {ENGINE ReplacingMergeTree}
PARTITION BY toMonday(Committed)
ORDER BY (BatchId, TableName, Day)
SETTINGS {TABLE_SETTINGS};

CREATE MATERIALIZED VIEW IF NOT EXISTS binnacle_batches_logs_mv {ON_CLUSTER}
TO binnacle_batches
AS SELECT
    BatchId,
    'otel_logs' AS TableName,
    toDate(Timestamp) AS Day,
    count() AS Rows
FROM otel_logs
WHERE BatchId != ''
GROUP BY BatchId, Day;

CREATE MATERIALIZED VIEW IF NOT EXISTS binnacle_batches_traces_mv {ON_CLUSTER}
TO binnacle_batches
AS SELECT
    BatchId,
    'otel_traces' AS TableName,
    toDate(Timestamp) AS Day,
    count() AS Rows
FROM otel_traces
WHERE BatchId != ''
GROUP BY BatchId, Day;

CREATE MATERIALIZED VIEW IF NOT EXISTS binnacle_batches_metrics_gauge_mv {ON_CLUSTER}
TO binnacle_batches
AS SELECT
    BatchId,
    'otel_metrics_gauge' AS TableName,
    toDate(TimeUnix) AS Day,
    count() AS Rows
FROM otel_metrics_gauge
WHERE BatchId != ''
GROUP BY BatchId, Day;

CREATE MATERIALIZED VIEW IF NOT EXISTS binnacle_batches_metrics_sum_mv {ON_CLUSTER}
TO binnacle_batches
AS SELECT
    BatchId,
    'otel_metrics_sum' AS TableName,
    toDate(TimeUnix) AS Day,
    count() AS Rows
FROM otel_metrics_sum
WHERE BatchId != ''
GROUP BY BatchId, Day;

CREATE MATERIALIZED VIEW IF NOT EXISTS binnacle_batches_metrics_histogram_mv {ON_CLUSTER}
TO binnacle_batches
AS SELECT
    BatchId,
    'otel_metrics_histogram' AS TableName,
    toDate(TimeUnix) AS Day,
    count() AS Rows
FROM otel_metrics_histogram
WHERE BatchId != ''
GROUP BY BatchId, Day;

CREATE MATERIALIZED VIEW IF NOT EXISTS binnacle_batches_metrics_exponential_histogram_mv {ON_CLUSTER}
TO binnacle_batches
AS SELECT
    BatchId,
    'otel_metrics_exponential_histogram' AS TableName,
    toDate(TimeUnix) AS Day,
    count() AS Rows
FROM otel_metrics_exponential_histogram
WHERE BatchId != ''
GROUP BY BatchId, Day;

CREATE MATERIALIZED VIEW IF NOT EXISTS binnacle_batches_metrics_summary_mv {ON_CLUSTER}
TO binnacle_batches
AS SELECT
    BatchId,
    'otel_metrics_summary' AS TableName,
    toDate(TimeUnix) AS Day,
    count() AS Rows
FROM otel_metrics_summary
WHERE BatchId != ''
GROUP BY BatchId, Day;
