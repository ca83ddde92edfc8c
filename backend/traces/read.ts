// Reads one trace. The table of trace ids says in which seconds its spans began, so that only these
// are read; log records are looked for a little around them.

import { encodeLogId, hashOf, type LogRow } from '../logs/row.ts';
import { boundedSql, isoOfNs, nsOfIso, type Period, type Rows } from './rows.ts';
import type { Selector } from './search.ts';
import { assembleTrace, type Attributes, type SpanRow, type Trace } from './trace.ts';

export const limits = {
  /** Spans of an answer unless the caller says otherwise, and at most: the first by time. */
  spansDefault: 10_000,
  spansMax: 20_000,
  /** What the spans of an answer take in the store's memory; the first by time are answered. */
  spanBytesMax: 32 * 1024 * 1024,
  /** Log records of an answer, the first by time, and what they take; `truncated` says so. */
  logsMax: 1000,
  logBytesMax: 8 * 1024 * 1024,
  /** How far from its spans log records of a trace are looked for. */
  logSlackSeconds: 900,
} as const;

export interface TraceLog {
  /** As `GET /api/logs/{id}` takes it. */
  readonly id: string;
  readonly time: string;
  /** Since the start of the trace; negative before it. */
  readonly offsetNs: number;
  readonly service: string;
  readonly severityText: string;
  readonly severityNumber: number;
  readonly body: string;
  readonly eventName: string;
  readonly spanId: string;
  readonly attributes: Attributes;
}

export interface WholeTrace extends Trace {
  /** There are more spans, which are left out: the first by time are here. */
  readonly truncated: boolean;
  /** Rows of the trace that are stored. */
  readonly storedSpans: number;
  /** Null when they were not asked for. */
  readonly logs: { readonly truncated: boolean; readonly items: readonly TraceLog[] } | null;
}

/** Log records that are not to be seen. */
export type HiddenLogs = (period: Period) => Promise<Selector>;

export interface TraceRequest {
  /** As `readTraceId` gives it. */
  readonly traceId: string;
  readonly spansMax: number;
  readonly isWithLogs: boolean;
  /** None unless given. */
  readonly hiddenLogs?: HiddenLogs;
}

/** A trace id as it is stored; null for what cannot be one. Leading zeros may be left out. */
export function readTraceId(text: string): string | null {
  if (!/^[0-9a-f]{1,32}$/i.test(text)) return null;
  return text.toLowerCase().padStart(32, '0');
}

/** Null when no span of the trace is stored. Throws QueryError. */
export async function readTrace(rows: Rows, request: TraceRequest): Promise<WholeTrace | null> {
  const { traceId, spansMax, isWithLogs, hiddenLogs = noneHidden } = request;
  const [range] = await rows<Range>({ sql: RANGE_SQL, params: { trace: traceId } });
  if (range === undefined || range.parts === 0) return null;
  const params = { trace: traceId, first: range.first, last: range.last };
  const found = await rows<Fetched<SpanRow>>({ sql: spansSql(spansMax + 1), params });
  const logs = isWithLogs ? await readLogs(rows, params, hiddenLogs) : null;
  const trace = assembleTrace(traceId, found.slice(0, spansMax));
  if (trace === null) return null;
  const fetched = found[0]!.fetched;
  const truncated = fetched > Math.min(found.length, spansMax);
  const [counted] = fetched <= spansMax ? [{ count: fetched }]
    : await rows<{ count: number }>({ sql: COUNT_SQL, params });
  return { ...trace, truncated, storedSpans: counted!.count,
    logs: logs === null ? null : logsOf(logs, trace) };
}

const noneHidden: HiddenLogs = async () => ({ sql: 'true', params: {} });

type Fetched<Row> = Row & { readonly fetched: number };

interface Range {
  readonly parts: number;
  /** Seconds since 1970. */
  readonly first: number;
  readonly last: number;
}

const RANGE_SQL = `SELECT count() AS parts, toUnixTimestamp(min(Start)) AS first,
    toUnixTimestamp(max(End)) AS last
  FROM otel_traces_trace_id_ts WHERE TraceId = {trace:String}`;

const IN_TRACE = `TraceId = {trace:String} AND Timestamp >= toDateTime64({first:Int64}, 9)
  AND Timestamp < toDateTime64({last:Int64} + 1, 9)`;

const COUNT_SQL = `SELECT count() AS count FROM otel_traces WHERE ${IN_TRACE}`;

/** Events and links are lists of lists: less to write, and to read, for each. */
const spansSql = (rowsMax: number): string => boundedSql(`
  SELECT toString(toUnixTimestamp64Nano(Timestamp)) AS start, SpanId AS spanId,
    ParentSpanId AS parentSpanId, TraceState AS traceState, SpanName AS name, SpanKind AS kind,
    ServiceName AS service, ResourceAttributes AS resource, ScopeName AS scopeName,
    ScopeVersion AS scopeVersion, SpanAttributes AS attributes, Duration AS duration,
    StatusCode AS status, StatusMessage AS statusMessage,
    arrayMap((at, event, more) -> tuple(toString(toUnixTimestamp64Nano(at)), event, more),
      Events.Timestamp, Events.Name, Events.Attributes) AS events,
    arrayMap((trace, span, state, more) -> tuple(trace, span, state, more),
      Links.TraceId, Links.SpanId, Links.TraceState, Links.Attributes) AS links,
    SampleWeight AS weight, byteSize(resource, attributes, events, links, statusMessage) AS size
  FROM otel_traces WHERE ${IN_TRACE} ORDER BY Timestamp, SpanId LIMIT ${rowsMax}`,
'toInt64(start), spanId', limits.spanBytesMax);

/** What a record's id is made of (backend/logs/row.ts); keys and values side by side. */
interface StoredLog extends Omit<LogRow, 'timeNs' | 'TraceId' | 'resource' | 'attributes'> {
  /** Nanoseconds since 1970, as text. */
  readonly at: string;
  readonly resource: readonly [keys: readonly string[], values: readonly string[]];
  readonly attributes: readonly [keys: readonly string[], values: readonly string[]];
}

const logsSql = (hidden: string): string => boundedSql(`
  SELECT toString(toUnixTimestamp64Nano(Timestamp)) AS at, ServiceName, SeverityText,
    SeverityNumber, Body, EventName, SpanId, TraceFlags, ScopeName, ScopeVersion,
    tuple(mapKeys(ResourceAttributes), mapValues(ResourceAttributes)) AS resource,
    tuple(mapKeys(LogAttributes), mapValues(LogAttributes)) AS attributes,
    byteSize(Body, resource, attributes) AS size
  FROM otel_logs WHERE TraceId = {trace:String}
    AND Timestamp >= toDateTime64({first:Int64} - ${limits.logSlackSeconds}, 9)
    AND Timestamp < toDateTime64({last:Int64} + ${limits.logSlackSeconds}, 9) AND ${hidden}
  ORDER BY Timestamp, SpanId LIMIT ${limits.logsMax + 1}`,
'toInt64(at), SpanId', limits.logBytesMax);

async function readLogs(
  rows: Rows,
  params: { readonly trace: string } & Omit<Range, 'parts'>,
  hiddenLogs: HiddenLogs,
): Promise<Array<Fetched<StoredLog>>> {
  const hidden = await hiddenLogs({
    fromMs: Math.max(0, params.first - limits.logSlackSeconds) * 1000,
    toMs: (params.last + limits.logSlackSeconds) * 1000,
  });
  return rows({ sql: logsSql(hidden.sql), params: { ...params, ...hidden.params } });
}

function logsOf(found: ReadonlyArray<Fetched<StoredLog>>, trace: Trace): WholeTrace['logs'] {
  const kept = found.slice(0, limits.logsMax);
  const baseNs = nsOfIso(trace.start);
  return {
    truncated: kept.length < (found[0]?.fetched ?? 0),
    items: kept.map((row) => logOf(row, trace.traceId, baseNs)),
  };
}

function logOf(row: StoredLog, TraceId: string, baseNs: bigint): TraceLog {
  const timeNs = BigInt(row.at);
  const entries = ([keys, values]: StoredLog['resource']) =>
    keys.map((key, index) => [key, values[index]!] as const);
  const attributes = entries(row.attributes);
  const hash = hashOf({ ...row, timeNs, TraceId, resource: entries(row.resource), attributes });
  return {
    id: encodeLogId({ timeNs, hash, service: row.ServiceName }),
    time: isoOfNs(timeNs),
    offsetNs: Number(timeNs - baseNs),
    service: row.ServiceName,
    severityText: row.SeverityText,
    severityNumber: row.SeverityNumber,
    body: row.Body,
    eventName: row.EventName,
    spanId: row.SpanId,
    attributes: Object.fromEntries(attributes),
  };
}
