// What happened in a period, beside the period of the same length before it: how many log records
// and errors there were, which services changed, which messages are the most frequent errors, how
// long requests took, and how full memory and disks were.

import type { SearchNode } from '../search/node.ts';
import { readCounts, type Counts, type ServiceCounts } from './counts.ts';
import type { LogsReader } from './logs.ts';
import { withinSql } from './page.ts';
import { whereOf, type Period } from './where.ts';

export const limits = {
  /** Services and messages that are listed. */
  listedMax: 20,
  /** Error records whose messages are compared, the newest. */
  messageRowsMax: 50_000,
} as const;

/** A number beside the one of the period before; null: there is none. */
export interface Compared {
  readonly value: number | null;
  readonly previous: number | null;
  /** `value` minus `previous`, as a part of `previous`. */
  readonly change: number | null;
}

export interface Analytics {
  readonly volume: Compared;
  readonly error_rate: Compared;
  /** Durations of server spans in milliseconds. */
  readonly response_time: Readonly<Record<'p50' | 'p95' | 'p99', Compared>>;
  /** The highest utilization of a host's memory, and of a file system, from 0 to 1. */
  readonly memory_usage: Compared;
  readonly disk_usage: Compared;
  readonly services: ReadonlyArray<ServiceCounts & { readonly previous_count: number;
    readonly previous_error_rate: number }>;
  /** Messages with numbers as #, the most frequent first. */
  readonly top_errors: ReadonlyArray<{ readonly message: string; readonly service: string;
    readonly count: number; readonly example: string }>;
}

/** The period must be in whole minutes. Throws SearchError and QueryError. */
export async function readAnalytics(
  reader: LogsReader,
  period: Period,
  search: SearchNode,
): Promise<Analytics> {
  const lengthNs = period.toNs - period.fromNs;
  const fromNs = period.fromNs > lengthNs ? period.fromNs - lengthNs : 0n;
  const before = { fromNs, toNs: period.fromNs > 0n ? period.fromNs : 1n };
  const now = await readCounts(reader, { ...period, search });
  const then = await readCounts(reader, { ...before, search });
  const times = [await readTimes(reader, period), await readTimes(reader, before)] as const;
  const uses = [await readUse(reader, period), await readUse(reader, before)] as const;
  const level = (name: 'p50' | 'p95' | 'p99') => compared(times[0][name], times[1][name]);
  return {
    volume: compared(now.total, then.total),
    error_rate: compared(rateOf(now), rateOf(then)),
    response_time: { p50: level('p50'), p95: level('p95'), p99: level('p99') },
    memory_usage: compared(uses[0].memory, uses[1].memory),
    disk_usage: compared(uses[0].disk, uses[1].disk),
    services: now.services.slice(0, limits.listedMax).map((one) => {
      const old = then.services.find(({ service }) => service === one.service);
      return { ...one, previous_count: old?.count ?? 0,
        previous_error_rate: old?.error_rate ?? 0 };
    }),
    top_errors: await readTopErrors(reader, period, search),
  };
}

const rateOf = ({ total, error_rate: rate }: Counts): number | null => (total === 0 ? null : rate);

function compared(value: number | null, previous: number | null): Compared {
  const change = value === null || previous === null || previous === 0 ? null
    : (value - previous) / previous;
  return { value, previous, change };
}

interface Times {
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

/** From the rollup of spans by minute. */
async function readTimes({ ask }: LogsReader, { fromNs, toNs }: Period): Promise<Times> {
  const [row] = await ask<{ spans: number; times: [number, number, number] }>(
    `SELECT count() AS spans, quantilesDD(0.01, 0.5, 0.95, 0.99)(Duration) AS times
    FROM otel_traces WHERE SpanKind = 'Server'
    AND toStartOfMinute(Timestamp) >= toDateTime({from:Int64})
    AND toStartOfMinute(Timestamp) < toDateTime({to:Int64})`,
    { from: fromNs / 1_000_000_000n, to: toNs / 1_000_000_000n });
  if (row === undefined || row.spans === 0) return { p50: null, p95: null, p99: null };
  const [p50, p95, p99] = row.times.map((ns) => ns / 1e6) as [number, number, number];
  return { p50, p95, p99 };
}

/** Used of all, as of the last report of each host and file system in the period. */
async function readUse({ ask }: LogsReader, { fromNs, toNs }: Period) {
  const rows = await ask<{ name: string; most: number }>(`SELECT name, max(used / whole) AS most
    FROM (SELECT name, sumIf(bytes, state = 'used') AS used, sum(bytes) AS whole
      FROM (SELECT MetricName AS name, ResourceAttributes['host.name'] AS host,
          ${stateSql("'system.memory.state', 'system.filesystem.state', 'state'")} AS state,
          ${stateSql("'system.filesystem.mountpoint', 'mountpoint'")} AS place,
          argMax(Value, TimeUnix) AS bytes
        FROM otel_metrics_sum
        WHERE MetricName IN ('system.memory.usage', 'system.filesystem.usage')
        AND TimeUnix >= fromUnixTimestamp64Nano({fromNs:Int64})
        AND TimeUnix < fromUnixTimestamp64Nano({toNs:Int64})
        GROUP BY name, host, state, place)
      GROUP BY name, host, place HAVING whole > 0)
    GROUP BY name`, { fromNs, toNs });
  const most = (name: string) =>
    rows.find((row) => row.name === `system.${name}.usage`)?.most ?? null;
  return { memory: most('memory'), disk: most('filesystem') };
}

/** The first of these attributes, whose names have changed over time. */
const stateSql = (keys: string): string =>
  `arrayFirst(one -> one != '', arrayMap(key -> Attributes[key], [${keys}]))`;

async function readTopErrors(reader: LogsReader, period: Period, search: SearchNode) {
  const errors: SearchNode = { type: 'term', field: 'level', at: 0,
    test: { kind: 'range', from: { value: 'error', inclusive: true }, to: null } };
  const parts = search.type === 'all' ? errors : { type: 'and', parts: [search, errors] } as const;
  const { sql, params } = whereOf(parts, await reader.deleted.within(reader.ask, period));
  const rows = await reader.ask<{ pattern: string; service: string; records: number;
    example: string }>(`SELECT
      replaceRegexpAll(substringUTF8(Body, 1, 300), '0x[0-9a-fA-F]+|[0-9]+', '#') AS pattern,
      ServiceName AS service, count() AS records, any(substringUTF8(Body, 1, 1000)) AS example
    FROM (SELECT Body, ServiceName FROM otel_logs WHERE ${withinSql('<')} AND ${sql}
      ORDER BY toStartOfFiveMinutes(Timestamp) DESC, Timestamp DESC
      LIMIT ${limits.messageRowsMax})
    GROUP BY pattern, service ORDER BY records DESC, pattern LIMIT ${limits.listedMax}`,
  { ...params, ...period });
  return rows.map(({ pattern, service, records, example }) =>
    ({ message: pattern, service, count: records, example }));
}
