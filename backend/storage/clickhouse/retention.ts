// How long data is kept: what the configuration says becomes the TTL of the tables, at each start.
//
// - Time counts from a row's own time, not from its arrival.
// - Days as data: services with a time of their own are cases of the table's TTL expression, so
//   that there is no column for it, and a change holds for what is stored already.
// - A day whose last row has expired is dropped as a whole, which costs nothing. Where services
//   have times of their own, the rows that expire before the others of their day are taken out by
//   merges: a day is rewritten once for each such time, which is what frees their space. Tables
//   without such rules never rewrite anything (`ttl_only_drop_parts`).
// - A change touches the parts' descriptions only (`materialize_ttl_recalculate_only`), in the
//   background: nobody waits for it.

import type { ClickHouseClient } from '@clickhouse/client';
import type { Signal } from '../../../proto/otlp/model.ts';
import type { Log } from '../../../runtime/log.ts';
import type { SchemaTarget } from './schema.ts';

/** How long data is kept, in milliseconds, by its own time. */
export interface Retention {
  readonly logsMs: number;
  readonly tracesMs: number;
  readonly metricsMs: number;
  /** Services whose data is kept for another time; the first rule that names one counts. */
  readonly services?: readonly ServiceRetention[];
}

/** What is absent is kept as long as that of all others. */
export interface ServiceRetention {
  readonly services: readonly string[];
  readonly logsMs?: number | undefined;
  readonly tracesMs?: number | undefined;
  readonly metricsMs?: number | undefined;
}

/** A table of telemetry, partitioned by `toDate(time)`. */
export interface SignalTable {
  readonly name: string;
  readonly signal: Signal;
  /** The column that says how old a row is. */
  readonly time: string;
}

const METRIC_KINDS = ['gauge', 'sum', 'histogram', 'exponential_histogram', 'summary'];

export const SIGNAL_TABLES: readonly SignalTable[] = [
  { name: 'otel_logs', signal: 'logs', time: 'Timestamp' },
  { name: 'otel_traces', signal: 'traces', time: 'Timestamp' },
  ...METRIC_KINDS.map((kind): SignalTable =>
    ({ name: `otel_metrics_${kind}`, signal: 'metrics', time: 'TimeUnix' })),
];

const KEY = { logs: 'logsMs', traces: 'tracesMs', metrics: 'metricsMs' } as const;

interface Kept {
  readonly services: readonly string[];
  readonly ms: number;
}

function rulesOf({ services = [], ...all }: Retention, signal: Signal): Kept[] {
  const key = KEY[signal];
  return services.flatMap((rule) => {
    const ms = rule[key];
    return ms === undefined || ms === all[key] ? [] : [{ services: rule.services, ms }];
  });
}

/** The longest time that anything of a signal is kept. */
export function longestMs(retention: Retention, signal: Signal): number {
  const { [KEY[signal]]: all } = retention;
  return Math.max(all, ...rulesOf(retention, signal).map(({ ms }) => ms));
}

/** The time before which nothing of a signal expires. */
export function shortestMs(retention: Retention, signal: Signal): number {
  const { [KEY[signal]]: all } = retention;
  return Math.min(all, ...rulesOf(retention, signal).map(({ ms }) => ms));
}

interface Expiry {
  readonly table: string;
  readonly ttl: string;
  /** Whether rows of one day expire at different times. */
  readonly mixed: boolean;
}

function expiries(retention: Retention): Expiry[] {
  const ofSignals = SIGNAL_TABLES.map(({ name, signal, time }): Expiry => {
    const rules = rulesOf(retention, signal);
    const ttl = expiry(time, retention[KEY[signal]], rules);
    return { table: name, ttl, mixed: rules.length > 0 };
  });
  const longest = (...signals: Signal[]) =>
    Math.max(...signals.map((signal) => longestMs(retention, signal)));
  const others: [string, string][] = [
    ['otel_traces_trace_id_ts', expiry('End', longest('traces'))],
    ['binnacle_batches', expiry('Committed', longest('logs', 'traces', 'metrics'))],
    ['binnacle_evictions', expiry('At', longest('logs', 'traces', 'metrics'))],
  ];
  return [...ofSignals, ...others.map(([table, ttl]) => ({ table, ttl, mixed: false }))];
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/**
 * Days are counted from the date, which cannot overflow; parts of a day need the 32-bit time.
 */
function expiry(column: string, keptMs: number, rules: readonly Kept[] = []): string {
  const whole = [keptMs, ...rules.map(({ ms }) => ms)].every((ms) => ms % DAY_MS === 0);
  const unitMs = whole ? DAY_MS : HOUR_MS;
  const count = (ms: number) => Math.ceil(ms / unitMs);
  const cases = rules.map(({ services, ms }) =>
    `ServiceName IN (${services.map(quoted).join(', ')}), ${count(ms)}`);
  const kept = cases.length === 0 ? count(keptMs)
    : `multiIf(${cases.join(', ')}, ${count(keptMs)})`;
  return whole ? `toDate(${column}) + toIntervalDay(${kept})`
    : `toDateTime(${column}) + toIntervalHour(${kept})`;
}

const quoted = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`;

export interface RetentionOptions {
  readonly client: ClickHouseClient;
  readonly target: SchemaTarget;
  readonly retention: Retention;
  readonly log: Log;
}

/** Changes those tables that keep their rows for another time than they should. */
export async function applyRetention(options: RetentionOptions): Promise<void> {
  const { client, target, retention, log } = options;
  const tables = await readRows<{ name: string; engine_full: string }>(client, {
    query: 'SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()',
  });
  const onCluster = target.cluster === null ? '' : ` ON CLUSTER '${target.cluster}'`;
  const alter = (table: string, change: string) => client.command({
    query: `ALTER TABLE ${table}${onCluster} ${change}`,
    // Descriptions of parts follow in the background.
    clickhouse_settings: { alter_sync: '0' },
  });
  for (const { table, ttl, mixed } of expiries(retention)) {
    const found = tables.find(({ name }) => name === table);
    if (found === undefined) continue;
    if (!found.engine_full.includes(` TTL ${await spelt(client, ttl)} `)) {
      await alter(table, `MODIFY TTL ${ttl}`);
      log.info(`${table} now keeps rows until ${ttl}`);
    }
    const whole = mixed ? 'ttl_only_drop_parts = 0' : 'ttl_only_drop_parts = 1';
    if (!found.engine_full.includes(whole)) await alter(table, `MODIFY SETTING ${whole}`);
  }
}

/** As ClickHouse writes it, so that it can be found again in a table's definition. */
async function spelt(client: ClickHouseClient, ttl: string): Promise<string> {
  const [row] = await readRows<{ text: string }>(client, {
    query: 'SELECT formatQuerySingleLine({statement:String}) AS text',
    query_params: { statement: `ALTER TABLE t MODIFY TTL ${ttl}` },
  });
  return row!.text.replace(/^.*?MODIFY TTL /, '').replace(/\)$/, (end) =>
    (row!.text.startsWith('ALTER TABLE t (') ? '' : end));
}

async function readRows<T>(
  client: ClickHouseClient,
  question: { query: string; query_params?: Record<string, unknown> },
): Promise<T[]> {
  const answer = await client.query({ ...question, format: 'JSONEachRow' });
  return answer.json<T>();
}
