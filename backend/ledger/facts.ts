// What the store says for the ledger: what agents have reported of themselves (the receiver
// `internal_metrics`), which batches were committed (`binnacle_batches`), and whether their rows
// are still there. Nothing is judged here; see gaps.ts and balance.ts.

import type { Signal } from '../../proto/otlp/model.ts';
import type { Caller } from '../access/roles.ts';
import type { Desk } from '../query/desk.ts';

export const limits = {
  /** Stretches of sequences, and names of batches, that one question answers at most. */
  rowsMax: 10_000,
} as const;

/** Milliseconds since 1970; `fromMs` is inside, `toMs` is not. */
export interface Period {
  readonly fromMs: number;
  readonly toMs: number;
}

/** A counter of an agent within an hour, in one process of the agent. */
export interface CounterReading {
  readonly agent: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** When the process of the agent began to count. */
  readonly startMs: number;
  /** Seconds since 1970 at which the hour begins; 0 for what was before the period. */
  readonly hour: number;
  /** The highest value in it. */
  readonly value: number;
}

/** The newest value of a gauge of an agent. */
export interface GaugeReading {
  readonly agent: string;
  readonly host: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  readonly firstMs: number;
  readonly lastMs: number;
  /** False for what was reported before the period only. */
  readonly within: boolean;
}

/** Sequences without a gap, both ends included. */
export interface Stretch {
  readonly agent: string;
  readonly epoch: string;
  readonly from: number;
  readonly to: number;
}

export interface StoredRows {
  readonly agent: string;
  readonly signal: Signal;
  readonly hour: number;
  readonly rows: number;
  readonly refused: number;
}

/** Rows of a batch that were committed and are not there any more. */
export interface RemovedRows {
  readonly agent: string;
  readonly epoch: string;
  readonly sequence: number;
  readonly table: string;
  readonly day: string;
  readonly records: number;
}

export const SIGNAL_OF_TABLE: Readonly<Record<string, Signal>> = {
  otel_logs: 'logs',
  otel_traces: 'traces',
  otel_metrics_gauge: 'metrics',
  otel_metrics_sum: 'metrics',
  otel_metrics_histogram: 'metrics',
  otel_metrics_exponential_histogram: 'metrics',
  otel_metrics_summary: 'metrics',
};

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** What was said so long before the period still tells where it began. */
export const BEFORE_MS = DAY_MS;
/** A view may be ahead of the rows of an insert that is under way. */
const SETTLED_MS = 60_000;

const COUNTERS = ['otelcol_receiver_accepted_', 'otelcol_receiver_refused_',
  'binnacle_exporter_enqueued_', 'otelcol_exporter_sent_', 'binnacle_queue_dropped_items'];
const GAUGES = ['otelcol_exporter_queue_size', 'binnacle_queue_items',
  'binnacle_queue_first_sequence', 'binnacle_queue_sealed_sequence',
  'binnacle_queue_done_sequence', 'binnacle_queue_given_up_items'];

const AGENT = "ResourceAttributes['service.instance.id']";

export interface FactReader {
  counters(period: Period): Promise<CounterReading[]>;
  gauges(period: Period): Promise<GaugeReading[]>;
  /** What was committed in the period, or not long before it. */
  stretches(period: Period): Promise<Stretch[]>;
  /** What was committed at any time of an agent's sequences `from` to `to`. */
  stretchesIn(agent: string, range: { from: number; to: number }): Promise<Stretch[]>;
  /** Which of these batches have rows, whatever the books say. */
  sequencesWithRows(gap: Stretch): Promise<number[]>;
  stored(period: Period): Promise<StoredRows[]>;
  /** Rows of the period that are gone before their time; nothing expires before `keptMs`. */
  removed(period: Period, keptMs: Readonly<Record<Signal, number>>, nowMs: number):
    Promise<RemovedRows[]>;
}

export interface FactReaderOptions {
  readonly desk: Pick<Desk, 'rows'>;
  readonly caller: Caller;
  readonly abort: AbortSignal;
}

/** Asks one question at a time: a ledger takes one place of those that queries have. */
export function createFactReader({ desk, caller, abort }: FactReaderOptions): FactReader {
  const ask = <T extends object>(sql: string, params: Readonly<Record<string, unknown>>) =>
    desk.rows<T>({ sql, params }, caller, abort);
  const times = ({ fromMs, toMs }: Period) =>
    ({ from: fromMs / 1000, to: toMs / 1000, before: (fromMs - BEFORE_MS) / 1000 });
  return {
    counters: (period) => ask(COUNTER_SQL, { ...times(period), names: COUNTERS }),
    gauges: (period) => ask(GAUGE_SQL, { ...times(period), names: GAUGES }),
    stretches: (period) => ask(stretchSql('Committed >= toDateTime({before:Float64})'),
      times(period)),
    stretchesIn: (agent, range) => ask(stretchSql(`startsWith(BatchId, {prefix:String})
      AND Sequence BETWEEN {from:UInt64} AND {to:UInt64}`), { prefix: `${agent}/`, ...range }),
    sequencesWithRows: async ({ agent, epoch, from, to }) => {
      const last = Math.min(to, from + limits.rowsMax / NAME_ENDS.length - 1);
      const ids = [];
      for (let sequence = from; sequence <= last; sequence++) {
        ids.push(...NAME_ENDS.map((end) => `${agent}/${epoch}/${sequence}${end}`));
      }
      const parts = Object.keys(SIGNAL_OF_TABLE).map((table) =>
        `SELECT DISTINCT BatchId FROM ${table} WHERE BatchId IN {ids:Array(String)}`);
      const found = await ask<{ BatchId: string }>(parts.join(' UNION ALL '), { ids });
      return found.map(({ BatchId }) => Number.parseInt(BatchId.split('/')[2] ?? '', 10));
    },
    stored: async (period) => {
      const found = await ask<Omit<StoredRows, 'signal'> & { tableName: string }>(
        STORED_SQL, times(period));
      return found.map(({ tableName, ...rest }) =>
        ({ ...rest, signal: SIGNAL_OF_TABLE[tableName] ?? tableName as Signal }));
    },
    removed: async (period, keptMs, nowMs) => {
      const found: RemovedRows[] = [];
      for (const [table, signal] of Object.entries(SIGNAL_OF_TABLE)) {
        // Days are dropped as a whole, in the store's time zone.
        const oldest = new Date(nowMs - keptMs[signal] + 2 * DAY_MS).toISOString().slice(0, 10);
        const settled = Math.min(period.toMs, nowMs - SETTLED_MS) / 1000;
        const params = { ...times(period), table, oldest, settled };
        found.push(...await ask<RemovedRows>(removedSql(table), params));
      }
      return found;
    },
  };
}

/** How the names of a batch's first rows may end: whole, or cut in two by the sender. */
const NAME_ENDS = ['', ' untimed', '.0', '.0 untimed', '.1', '.1 untimed'];

const IN_REPORTS = `ServiceName = 'binnacle-agent' AND ${AGENT} != ''
  AND arrayExists(name -> startsWith(MetricName, name), {names:Array(String)})
  AND TimeUnix >= fromUnixTimestamp64Milli(toInt64({before:Float64} * 1000))
  AND TimeUnix < fromUnixTimestamp64Milli(toInt64({to:Float64} * 1000))`;

const WITHIN = 'TimeUnix >= fromUnixTimestamp64Milli(toInt64({from:Float64} * 1000))';

const COUNTER_SQL = `
  SELECT ${AGENT} AS agent, MetricName AS name, Attributes AS labels,
    toUnixTimestamp64Milli(StartTimeUnix) AS startMs,
    if(${WITHIN}, toUnixTimestamp(toStartOfHour(TimeUnix)), 0) AS hour, max(Value) AS value
  FROM otel_metrics_sum WHERE ${IN_REPORTS}
  GROUP BY agent, name, labels, startMs, hour ORDER BY hour`;

const GAUGE_SQL = `
  SELECT ${AGENT} AS agent, argMax(ResourceAttributes['host.name'], TimeUnix) AS host,
    MetricName AS name, Attributes AS labels, argMax(Value, TimeUnix) AS value,
    toUnixTimestamp64Milli(min(TimeUnix)) AS firstMs,
    toUnixTimestamp64Milli(max(TimeUnix)) AS lastMs, ${WITHIN} AS within
  FROM otel_metrics_gauge WHERE ${IN_REPORTS}
  GROUP BY agent, name, labels, within`;

const stretchSql = (condition: string) => `
  SELECT agent, epoch, min(sequence) AS "from", max(sequence) AS "to" FROM (
    SELECT agent, epoch, sequence,
      toInt64(sequence) - row_number() OVER (PARTITION BY agent, epoch ORDER BY sequence) AS stretch
    FROM (
      SELECT DISTINCT Agent AS agent, Epoch AS epoch, Sequence AS sequence
      FROM binnacle_batches WHERE ${condition} AND Sequence > 0
    )
  ) GROUP BY agent, epoch, stretch ORDER BY agent, epoch, "from" LIMIT ${limits.rowsMax}`;

/** A row that is here twice says the same twice; the earlier time is that of the commit. */
const BOOKS = `
  SELECT BatchId, TableName, Day, any(Rows) AS rows, any(Refused) AS refused,
    min(Committed) AS committed
  FROM binnacle_batches WHERE Committed >= toDateTime({before:Float64})
  GROUP BY BatchId, TableName, Day
  HAVING committed >= toDateTime({from:Float64})`;

const STORED_SQL = `
  SELECT splitByChar('/', BatchId)[1] AS agent, TableName AS tableName,
    toUnixTimestamp(toStartOfHour(committed)) AS hour, sum(rows) AS rows, sum(refused) AS refused
  FROM (${BOOKS}) WHERE committed < toDateTime({to:Float64})
  GROUP BY agent, tableName, hour ORDER BY agent, tableName, hour`;

/** What was dropped for lack of space is no loss: up to `gone` nothing of that day is missed. */
function removedSql(table: string): string {
  const time = table.startsWith('otel_metrics') ? 'TimeUnix' : 'Timestamp';
  return `
    WITH dropped AS (
      SELECT Day, max(At) AS gone FROM binnacle_evictions
      WHERE TableName = {table:String} GROUP BY Day
    ), books AS (
      SELECT BatchId, Day, rows FROM (${BOOKS}) AS noted LEFT JOIN dropped USING (Day)
      WHERE TableName = {table:String} AND Day >= toDate({oldest:String})
        AND committed < toDateTime({settled:Float64}) AND committed > gone
    )
    SELECT splitByChar('/', BatchId)[1] AS agent, splitByChar('/', BatchId)[2] AS epoch,
      toUInt64OrZero(extract(splitByChar('/', BatchId)[3], '^[0-9]+')) AS sequence,
      {table:String} AS "table", toString(Day) AS day, toInt64(rows) - toInt64(there) AS records
    FROM books LEFT JOIN (
      SELECT toString(BatchId) AS BatchId, toDate(${time}) AS Day, count() AS there FROM ${table}
      WHERE toDate(${time}) IN (SELECT Day FROM books) AND BatchId != ''
      GROUP BY BatchId, Day
    ) AS present USING (BatchId, Day)
    WHERE records > 0 AND sequence > 0 ORDER BY agent, epoch, sequence LIMIT ${limits.rowsMax}`;
}
