-- What was dropped to keep the tables within their share of the disk, for the conservation ledger:
-- rows of that day of the table that were committed up to At are not missed. A row is written
-- before the drop and again after it, with the same Began.

CREATE TABLE IF NOT EXISTS binnacle_evictions {ON_CLUSTER}
(
    TableName LowCardinality(String),
    Day Date COMMENT 'as the table is partitioned',
    Began DateTime64(3),
    At DateTime DEFAULT now() COMMENT 'when the rows were gone, as far as is known',
    Rows UInt64,
    Bytes UInt64 COMMENT 'on disk'
)
ENGINE = {ENGINE ReplacingMergeTree(At)}
ORDER BY (TableName, Day, Began)
SETTINGS {TABLE_SETTINGS};
