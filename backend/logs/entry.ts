// Log records as the API answers them, in the words of those who ask about logs: level, service,
// message, context; and of events: event_type and details.

import { levelName, levelNumber } from '../search/fields.ts';
import { encodeLogId, type Entries, type LogRow } from './row.ts';

export interface LogEntry {
  readonly id: string;
  /** ISO 8601 to the nanosecond, UTC. */
  readonly timestamp: string;
  /** `trace` to `fatal`, or `unknown`. */
  readonly level: string;
  readonly severity_number: number;
  readonly severity_text: string;
  readonly service: string;
  readonly message: string;
  readonly event_type: string | null;
  /** Of events: their body when that is an object, else their attributes. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** Attributes of the record. */
  readonly context: Readonly<Record<string, string>>;
  /** Attributes of what sent it. */
  readonly resource: Readonly<Record<string, string>>;
  readonly scope: string | null;
  readonly trace_id: string | null;
  readonly span_id: string | null;
  readonly user_id: string | null;
  readonly request_id: string | null;
  readonly correlation_id: string | null;
  readonly tags: readonly unknown[];
}

/** What `ENTRY_SQL` asks for, with the time and the hash (page.ts). */
export interface StoredRow {
  readonly ns: string;
  /** Its hash. */
  readonly tie: string;
  readonly TraceId: string;
  readonly SpanId: string;
  readonly SeverityText: string;
  readonly SeverityNumber: number;
  readonly ServiceName: string;
  readonly Body: string;
  readonly ScopeName: string;
  readonly EventName: string;
  readonly resource: readonly [string[], string[]];
  readonly attributes: readonly [string[], string[]];
}

/** Columns of `otel_logs` for `entryOf`, besides the time and the hash. */
export const ENTRY_SQL = `TraceId, SpanId, SeverityText, SeverityNumber, ServiceName,
  Body, ScopeName, EventName,
  (mapKeys(ResourceAttributes), mapValues(ResourceAttributes)) AS resource,
  (mapKeys(LogAttributes), mapValues(LogAttributes)) AS attributes`;

export function entryOf(row: StoredRow): LogEntry {
  const pairs = ([keys, values]: readonly [string[], string[]]): Entries =>
    keys.map((key, index) => [key, values[index]!] as const);
  return entry(row, BigInt(row.ns), row.tie, pairs(row.resource), pairs(row.attributes));
}

/** Of a record in memory; `hash` is empty when its id cannot be told yet. */
export function entryOfRow(row: LogRow, hash: string): LogEntry {
  return entry(row, row.timeNs, hash, row.resource, row.attributes);
}

/** Attributes of records that came by `POST /api/logs`. */
export const USER_KEY = 'user.id';
const REQUEST_KEY = 'request_id';
const CORRELATION_KEY = 'correlation_id';
export const TAGS_KEY = 'tags';
/** OpenTelemetry's name for what tells equal records apart. */
export const UID_KEY = 'log.record.uid';

function entry(
  row: Omit<StoredRow, 'ns' | 'tie' | 'resource' | 'attributes'>,
  timeNs: bigint,
  hash: string,
  resource: Entries,
  attributes: Entries,
): LogEntry {
  const service = row.ServiceName;
  const context = recordOf(attributes);
  const first = (...keys: string[]) => keys.map((key) => context[key] ?? '').find(Boolean) ?? null;
  const isEvent = row.EventName !== '';
  return {
    id: hash === '' ? '' : encodeLogId({ timeNs, hash, service }),
    timestamp: isoOf(timeNs),
    level: levelName(levelNumber(row.SeverityNumber, row.SeverityText)),
    severity_number: row.SeverityNumber,
    severity_text: row.SeverityText,
    service,
    message: row.Body,
    event_type: isEvent ? row.EventName : null,
    ...(isEvent ? { details: objectIn(row.Body) ?? context } : {}),
    context,
    resource: recordOf(resource),
    scope: row.ScopeName === '' ? null : row.ScopeName,
    trace_id: row.TraceId === '' ? null : row.TraceId,
    span_id: row.SpanId === '' ? null : row.SpanId,
    user_id: first(USER_KEY, 'user_id', 'enduser.id'),
    request_id: first(REQUEST_KEY, 'request.id', 'http.request.id'),
    correlation_id: first(CORRELATION_KEY, 'correlation.id'),
    tags: listIn(context[TAGS_KEY] ?? ''),
  };
}

/** The first of a key that occurs twice; a null prototype takes any key. */
function recordOf(entries: Entries): Record<string, string> {
  const found = Object.create(null) as Record<string, string>;
  for (const [key, text] of entries) found[key] ??= text;
  return found;
}

const SECOND_NS = 1_000_000_000n;

/** ISO 8601 to the nanosecond. */
export function isoOf(timeNs: bigint): string {
  const seconds = new Date(Number(timeNs / SECOND_NS) * 1000).toISOString().slice(0, -5);
  return `${seconds}.${String(timeNs % SECOND_NS).padStart(9, '0')}Z`;
}

function objectIn(text: string): Record<string, unknown> | null {
  if (!text.startsWith('{')) return null;
  const found = jsonIn(text);
  return typeof found === 'object' && found !== null ? found as Record<string, unknown> : null;
}

function listIn(text: string): readonly unknown[] {
  const found = text.startsWith('[') ? jsonIn(text) : null;
  if (Array.isArray(found)) return found;
  return text === '' ? [] : [text];
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
