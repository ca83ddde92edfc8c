-- Rollups: what spans and log records add up to, by minute, hour and day. They are projections, so
-- they live in the parts of the raw rows: committed, merged, repeated and expired with them. They
-- cannot disagree with the rows, and a query that asks the table for the same sums is answered from
-- them; parts that are older than this file are computed from their rows until they have them.

-- How many spans of the sender a row stands for: W3C tracestate's `ot=th:`, the share of spans that
-- OpenTelemetry's consistent sampling has left out, as hexadecimal digits behind the point.

ALTER TABLE otel_traces {ON_CLUSTER}
ADD COLUMN IF NOT EXISTS SampleWeight Float64 ALIAS if(empty(TraceState), 1,
    72057594037927936 / (72057594037927936 - reinterpretAsUInt64(reverse(unhex(rightPad(
    extract(TraceState, '(?:^|,)\\s*ot=(?:[^,]*;)?th:([0-9a-f]{1,14})'), 14, '0'))))));

ALTER TABLE otel_traces {ON_CLUSTER}
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

-- Hours and days of UTC, whatever the time zone of the server is.

ALTER TABLE otel_traces {ON_CLUSTER}
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

ALTER TABLE otel_traces {ON_CLUSTER}
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

ALTER TABLE otel_logs {ON_CLUSTER}
ADD PROJECTION IF NOT EXISTS records_by_minute
(
    SELECT toStartOfMinute(Timestamp), ServiceName, SeverityText, SeverityNumber, count()
    GROUP BY toStartOfMinute(Timestamp), ServiceName, SeverityText, SeverityNumber
);

-- A deletion of single rows computes the rollups of its parts anew instead of being refused.

ALTER TABLE otel_traces {ON_CLUSTER}
MODIFY SETTING lightweight_mutation_projection_mode = 'rebuild';

ALTER TABLE otel_logs {ON_CLUSTER}
MODIFY SETTING lightweight_mutation_projection_mode = 'rebuild';

-- For what is stored already; it goes on in the background.

ALTER TABLE otel_traces {ON_CLUSTER} MATERIALIZE PROJECTION latency_by_minute;

ALTER TABLE otel_traces {ON_CLUSTER} MATERIALIZE PROJECTION latency_by_hour;

ALTER TABLE otel_traces {ON_CLUSTER} MATERIALIZE PROJECTION latency_by_day;

ALTER TABLE otel_logs {ON_CLUSTER} MATERIALIZE PROJECTION records_by_minute;
