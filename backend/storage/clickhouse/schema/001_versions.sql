-- Which of these files have been applied to this database. Read by every backend at its start.
-- Two backends that start at once may write the same row twice; merges make one of them.

CREATE TABLE IF NOT EXISTS binnacle_schema_versions {ON_CLUSTER}
(
    version UInt32 COMMENT 'number of the file',
    name String COMMENT 'name of the file',
    checksum String COMMENT 'SHA-256 of the file, before placeholders were filled in',
    applied_at DateTime64(3) DEFAULT now64(3)
)
ENGINE = {ENGINE ReplacingMergeTree(applied_at)}
ORDER BY version
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
