// What views and projections have made of raw rows, compared with these rows. Every materialized
// view's target and every projection has an entry in `ROLLUPS`: one without is reported as wrong,
// so that none is forgotten.

import type { Rows } from './check.ts';

interface Rollup {
  /** The table that a view, or several, fill; `table.projection`. */
  readonly name: string;
  /** SQL for what differs, each row with a text `what`. */
  readonly differences: string;
}

export interface RollupFindings {
  readonly name: string;
  /** What differs, in words. */
  readonly wrong: readonly string[];
}

/** Tables of which a row of `binnacle_batches` counts the rows, and how their days are told. */
const COUNTED = [
  ['otel_logs', 'Timestamp'],
  ['otel_traces', 'Timestamp'],
  ['otel_metrics_gauge', 'TimeUnix'],
  ['otel_metrics_sum', 'TimeUnix'],
  ['otel_metrics_histogram', 'TimeUnix'],
  ['otel_metrics_exponential_histogram', 'TimeUnix'],
  ['otel_metrics_summary', 'TimeUnix'],
] as const;

const SPAN_KEYS = 'ServiceName, SpanName, SpanKind, StatusCode';

/** Projections, the table behind each, its keys, and the column of their sum. */
const PROJECTIONS = [
  ['otel_traces.latency_by_minute', `toStartOfMinute(Timestamp), ${SPAN_KEYS}`, 'Duration'],
  ['otel_traces.latency_by_hour', `toStartOfHour(Timestamp, 'UTC'), ${SPAN_KEYS}`, 'Duration'],
  ['otel_traces.latency_by_day', `toStartOfDay(Timestamp, 'UTC'), ${SPAN_KEYS}`, 'Duration'],
  ['otel_logs.records_by_minute', 'toStartOfMinute(Timestamp), ServiceName, SeverityText', null],
] as const;

/** The first question is one that the projection answers, the second one that it cannot answer. */
function projectionRollup([name, keys, column]: (typeof PROJECTIONS)[number]): Rollup {
  const [table] = name.split('.');
  const sum = column === null ? '0' : `sum(${column})`;
  return {
    name,
    differences: `SELECT concat(toString(key), ': ', toString(found), ' rows that last ',
        toString(lasting), ', in the projection ', toString(rolled), ' and ', toString(total))
        AS what
      FROM (SELECT (${keys}) AS key, countIf(SpanId != '-') AS found, ${sum} AS lasting
        FROM ${table} GROUP BY ${keys}) AS raw
      FULL JOIN (SELECT (${keys}) AS key, count() AS rolled, ${sum} AS total
        FROM ${table} GROUP BY ${keys}) AS rollup USING key
      WHERE found != rolled OR lasting != total`,
  };
}

const ROLLUPS: readonly Rollup[] = [
  {
    name: 'otel_traces_trace_id_ts',
    differences: `SELECT concat('trace ', TraceId, ': ', toString(first), ' to ', toString(last),
        ' in the spans, ', toString(Start), ' to ', toString(End), ' in the view') AS what
      FROM (SELECT TraceId, min(toDateTime(Timestamp)) AS first, max(toDateTime(Timestamp)) AS last
        FROM otel_traces GROUP BY TraceId) AS raw
      FULL JOIN (SELECT TraceId, min(Start) AS Start, max(End) AS End
        FROM otel_traces_trace_id_ts GROUP BY TraceId) AS view USING TraceId
      WHERE first != Start OR last != End`,
  },
  {
    name: 'binnacle_batches',
    differences: `SELECT concat('batch ', BatchId, ' in ', Name, ' on ', toString(Day), ': ',
        toString(found), ' rows, ', toString(least), ' to ', toString(most), ' in the view') AS what
      FROM (${COUNTED.map(([table, time]) => `SELECT BatchId, '${table}' AS Name,
        toDate(${time}) AS Day, count() AS found FROM ${table}
        WHERE BatchId != '' GROUP BY BatchId, Day`).join(' UNION ALL ')}) AS raw
      FULL JOIN (SELECT BatchId, toString(TableName) AS Name, Day, min(Rows) AS least,
        max(Rows) AS most FROM binnacle_batches WHERE Rows > 0
        GROUP BY BatchId, Name, Day) AS view USING (BatchId, Name, Day)
      WHERE found != least OR found != most`,
  },
  {
    name: 'binnacle_alert_history',
    differences: `SELECT concat(Kind, ' ', Key, ' is not in the history as it is now') AS what
      FROM (SELECT Kind, Key, max(Version) AS Version FROM binnacle_alerting GROUP BY Kind, Key)
      WHERE (Kind, Key, Version) NOT IN (SELECT Kind, Key, Version FROM binnacle_alert_history)`,
  },
  ...PROJECTIONS.map(projectionRollup),
];

const TARGETS = `SELECT DISTINCT target FROM (
    SELECT extract(create_table_query, ' TO (?:[A-Za-z0-9_]+[.])?([A-Za-z0-9_]+)') AS target
    FROM system.tables WHERE database = currentDatabase() AND engine = 'MaterializedView'
    UNION ALL SELECT concat(table, '.', name) FROM system.projections
    WHERE database = currentDatabase())
  ORDER BY target`;

export async function checkRollups(rows: Rows): Promise<RollupFindings[]> {
  const found: RollupFindings[] = [];
  for (const { target: name } of await rows<{ target: string }>(TARGETS)) {
    const rollup = ROLLUPS.find((one) => one.name === name);
    const wrong = rollup === undefined ? [{ what: 'there is no check of it in test/chaos' }]
      : await rows<{ what: string }>(rollup.differences);
    found.push({ name, wrong: wrong.map(({ what }) => what) });
  }
  return found;
}
