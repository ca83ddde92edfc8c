-- What rules and alerts remember: the newest version of each thing is what it is now, and every
-- version is in the history. A row is written in one insert with all that changed at the same
-- moment (backend/journal/journal.ts). Rows that count are written again before their time is over.

CREATE TABLE IF NOT EXISTS binnacle_alerting {ON_CLUSTER}
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
ENGINE = {ENGINE ReplacingMergeTree(Version)}
ORDER BY (Kind, Key)
TTL toDate(Time) + toIntervalDay(400)
SETTINGS {TABLE_SETTINGS};

CREATE TABLE IF NOT EXISTS binnacle_alert_history {ON_CLUSTER}
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
ENGINE = {ENGINE ReplacingMergeTree(Version)}
PARTITION BY toMonday(Time)
ORDER BY (Time, Kind, Key, Version)
TTL toDate(Time) + toIntervalDay(400)
SETTINGS {TABLE_SETTINGS};

CREATE MATERIALIZED VIEW IF NOT EXISTS binnacle_alert_history_mv {ON_CLUSTER}
TO binnacle_alert_history AS
SELECT Time, Kind, Key, Version, Writer, Deleted, Name, State, Severity, Labels, Value, Actor, Note,
    Data
FROM binnacle_alerting;

-- Which backend does the alerting: claims and signs of life (backend/journal/lease.ts).

CREATE TABLE IF NOT EXISTS binnacle_leases {ON_CLUSTER}
(
    Name LowCardinality(String),
    Epoch UInt64 COMMENT 'one more with each attempt to take over',
    Owner String COMMENT 'a backend since its last start',
    Sequence UInt64 COMMENT 'of the rows of the owner in the epoch',
    Step LowCardinality(String) COMMENT 'claim, beat, withdrawn or released',
    HeldMs UInt32,
    Time DateTime64(3) DEFAULT now64(3) COMMENT 'for people; no decision hangs on it'
)
ENGINE = {ENGINE MergeTree}
ORDER BY (Name, Epoch, Owner, Sequence)
TTL toDate(Time) + toIntervalDay(2)
SETTINGS {TABLE_SETTINGS};
