// What lies behind an alert: a few traces, and the newest log lines, of the rule's search in its
// window with the alert's labels as conditions. Of spans those that failed come first, then the
// slowest; log lines are those of their traces. Of metrics the traces of exemplars.

import type { Signal } from '../../../proto/otlp/model.ts';
import type { Evidence } from '../../alerting/model.ts';
import type { Labels } from '../../labels/labels.ts';
import { METRIC_TYPES, TABLES } from '../../metrics/question.ts';
import type { SearchNode } from '../../search/node.ts';
import { compileSearch } from '../../search/sql.ts';
import type { RuleSource, SignalQuery } from '../model.ts';
import { NUMBERS_AS_JSON, type Ask } from './asking.ts';
import { textSql } from './fields.ts';

export const limits = {
  tracesMax: 3,
  logsMax: 5,
  /** Characters of a log line; the rest is left out. */
  bodyCharactersMax: 500,
  /** Seconds that a statement may take; then there is less evidence. */
  secondsMax: 5,
  /** A longer window is looked at from here to its end. */
  windowMsMax: 6 * 3_600_000,
} as const;

export const NO_EVIDENCE: Evidence = { traces: [], logs: [] };

interface Asked {
  readonly signal: Signal;
  readonly where: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** Throws what asking throws. */
export async function readEvidence(
  ask: Ask,
  source: RuleSource,
  labels: Labels,
  toMs: number,
  abort: AbortSignal,
): Promise<Evidence> {
  const query = queryOf(source);
  if (query === null) return NO_EVIDENCE;
  const asked = askedOf(query, labels, toMs);
  if (query.signal === 'logs') return ofLogs(ask, asked, abort);
  if (query.signal === 'traces') return ofSpans(ask, asked, abort);
  return { traces: await exemplars(ask, asked, abort), logs: [] };
}

/** What is bad, of an SLO; null for what has no search. */
function queryOf(source: RuleSource): SignalQuery | null {
  switch (source.type) {
    case 'signal': case 'change': case 'anomaly': case 'forecast': case 'absence':
      return source.query;
    case 'slo': {
      const { signal, total, bad, groupBy, windows } = source.slo;
      const search: SearchNode = 'search' in bad ? bad.search : { type: 'term', field: 'duration',
        at: 0, test: { kind: 'range', to: null,
          from: { value: `${bad.slowerThanMs}ms`, inclusive: false } } };
      const overMs = Math.min(...windows.map(({ longMs }) => longMs));
      return { signal, metric: '', groupBy, overMs, aggregate: { type: 'count' },
        search: { type: 'and', parts: [total, search] } };
    }
    default: return null;
  }
}

function askedOf({ signal, search, metric, groupBy, overMs }: SignalQuery, labels: Labels,
  toMs: number): Asked {
  const { sql, params } = compileSearch(search, signal, 's');
  const all: Record<string, unknown> = { ...params,
    from: toMs - Math.min(overMs, limits.windowMsMax), to: toMs };
  const conditions = groupBy.map((name, index) => {
    const key = textSql(name, signal, `g${index}`);
    Object.assign(all, key.params, { [`v${index}`]: labels[name] ?? '' });
    return `${key.sql} = {v${index}:String}`;
  });
  if (signal === 'metrics') {
    all['metric'] = metric;
    conditions.push('MetricName = {metric:String}');
  }
  const time = signal === 'metrics' ? 'TimeUnix' : 'Timestamp';
  return { signal, params: all, where: [within(time, signal), sql, ...conditions].join(' AND ') };
}

const within = (time: string, signal: Signal): string => {
  const [from, to] = ['from', 'to'].map((name) => `fromUnixTimestamp64Milli({${name}:Int64})`);
  const exact = `${time} >= ${from} AND ${time} < ${to}`;
  return signal === 'metrics' ? exact : `toStartOfFiveMinutes(${time}) >= `
    + `toStartOfFiveMinutes(${from}) AND toStartOfFiveMinutes(${time}) <= ${to} AND ${exact}`;
};

const SETTINGS = { ...NUMBERS_AS_JSON, max_execution_time: limits.secondsMax, max_threads: 1 };

interface Line {
  readonly ms: number;
  readonly body: string;
  readonly trace: string;
}

/** Records that somebody has deleted are shown nowhere, nor any of the same nanosecond. */
const NOT_DELETED = `Timestamp NOT IN (SELECT Timestamp FROM binnacle_deleted_logs
  WHERE Timestamp >= fromUnixTimestamp64Milli({from:Int64}))`;

async function newestLines(
  ask: Ask,
  { where, params }: Pick<Asked, 'where' | 'params'>,
  abort: AbortSignal,
): Promise<Line[]> {
  return ask<Line>({ params, settings: SETTINGS, sql: `SELECT
      toUnixTimestamp64Milli(Timestamp) AS ms, TraceId AS trace,
      substringUTF8(Body, 1, ${limits.bodyCharactersMax}) AS body
    FROM otel_logs WHERE ${where} AND ${NOT_DELETED}
    ORDER BY toStartOfFiveMinutes(Timestamp) DESC, Timestamp DESC
    LIMIT ${limits.logsMax}` }, abort);
}

async function ofLogs(ask: Ask, asked: Asked, abort: AbortSignal): Promise<Evidence> {
  const lines = await newestLines(ask, asked, abort);
  const near = distinct(lines.map(({ trace }) => trace));
  if (near.length > 0 || lines.length === 0) return { traces: near, logs: lines.map(shown) };
  const rows = await ask<{ trace: string }>({ params: asked.params, settings: SETTINGS,
    sql: `SELECT DISTINCT TraceId AS trace FROM otel_logs WHERE ${asked.where} AND TraceId != ''
      LIMIT ${limits.tracesMax}` }, abort);
  return { traces: rows.map(({ trace }) => trace), logs: lines.map(shown) };
}

const shown = ({ ms, body }: Line) => ({ atMs: ms, body });

const distinct = (traces: readonly string[]): string[] =>
  [...new Set(traces.filter((trace) => trace !== ''))].slice(0, limits.tracesMax);

async function ofSpans(ask: Ask, asked: Asked, abort: AbortSignal): Promise<Evidence> {
  const rows = await ask<{ trace: string }>({ params: asked.params, settings: SETTINGS,
    sql: `SELECT TraceId AS trace FROM otel_traces WHERE ${asked.where} AND TraceId != ''
      ORDER BY StatusCode = 'Error' DESC, Duration DESC LIMIT 1 BY TraceId
      LIMIT ${limits.tracesMax}` }, abort);
  const traces = rows.map(({ trace }) => trace);
  if (traces.length === 0) return NO_EVIDENCE;
  const { from, to } = asked.params;
  const where = `${within('Timestamp', 'logs')} AND TraceId IN {traces:Array(String)}`;
  const lines = await newestLines(ask, { where, params: { from, to, traces } }, abort);
  return { traces, logs: lines.map(shown) };
}

async function exemplars(ask: Ask, asked: Asked, abort: AbortSignal): Promise<string[]> {
  // Summaries have none.
  const tables = METRIC_TYPES.filter((type) => type !== 'summary').map((type) => TABLES[type]);
  const rows = await ask<{ trace: string }>({ params: asked.params, settings: SETTINGS,
    sql: `SELECT DISTINCT trace FROM (${tables.map((table) =>
      `SELECT arrayJoin(Exemplars.TraceId) AS trace FROM ${table} WHERE ${asked.where}`)
      .join(' UNION ALL ')}) WHERE trace != '' LIMIT ${limits.tracesMax}` }, abort);
  return rows.map(({ trace }) => trace);
}

