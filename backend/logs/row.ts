// A log record as its row in `otel_logs`, and its name for ever: an id that says where the row lies
// (time and service are the table's order key) and which of the rows there it is (a hash of what
// the record says). Nothing is stored for it, and nothing that merges, retries and restarts do to a
// row changes it. Records that are equal in every respect have one id.
//
//   id      base64url of  version 1 | nanoseconds since 1970, 8 bytes | hash, 8 bytes | service
//   hash    the first 8 bytes of SHA-256 over the fields below, each as `<bytes>:<text>`
//   fields  TraceId SpanId TraceFlags SeverityText SeverityNumber ServiceName Body ScopeName
//           ScopeVersion EventName, number of resource attributes, their keys, their values, the
//           record's keys, its values
//
// A service whose name is too long for a URL is left out; the row is then looked for by time alone.

import { createHash } from 'node:crypto';
import type { LogRecord, Resource, Scope } from '../../proto/otlp/model.ts';
import { textOf, textsOf } from './texts.ts';

export const limits = {
  /** Bytes of a service's name in an id; a longer name is not in it. */
  serviceBytesMax: 200,
  /** Characters of an id; a longer one is none. */
  idCharactersMax: 300,
} as const;

export type Entries = ReadonlyArray<readonly [key: string, text: string]>;

export interface LogRow {
  readonly timeNs: bigint;
  readonly TraceId: string;
  readonly SpanId: string;
  readonly TraceFlags: number;
  readonly SeverityText: string;
  readonly SeverityNumber: number;
  readonly ServiceName: string;
  readonly Body: string;
  readonly ScopeName: string;
  readonly ScopeVersion: string;
  readonly EventName: string;
  readonly resource: Entries;
  readonly attributes: Entries;
}

/** The row that the storage makes of a record that has a time of its own, or was observed. */
export function rowOf(
  resource: Resource | undefined,
  scope: Scope | undefined,
  record: LogRecord,
): LogRow {
  const from = textsOf(resource?.attributes ?? []);
  return {
    timeNs: record.timeUnixNano === 0n ? record.observedTimeUnixNano : record.timeUnixNano,
    TraceId: idText(record.traceId, 32),
    SpanId: idText(record.spanId, 16),
    TraceFlags: record.flags & 0xff,
    SeverityText: record.severityText,
    SeverityNumber: record.severityNumber & 0xff,
    ServiceName: from.find(([key]) => key === 'service.name')?.[1] ?? '',
    Body: textOf(record.body),
    ScopeName: scope?.name ?? '',
    ScopeVersion: scope?.version ?? '',
    EventName: record.eventName,
    resource: from,
    attributes: textsOf(record.attributes),
  };
}

/** Invalid ids count as absent. */
const idText = (id: string, digits: number): string =>
  (id.length === digits && /[^0]/.test(id) ? id : '');

/** 16 hexadecimal digits. */
export function hashOf(row: LogRow): string {
  const hash = createHash('sha256');
  const { resource, attributes } = row;
  const keys = (entries: Entries) => entries.map(([key]) => key);
  const texts = (entries: Entries) => entries.map(([, text]) => text);
  for (const field of [row.TraceId, row.SpanId, String(row.TraceFlags), row.SeverityText,
    String(row.SeverityNumber), row.ServiceName, row.Body, row.ScopeName, row.ScopeVersion,
    row.EventName, String(resource.length), ...keys(resource), ...texts(resource),
    ...keys(attributes), ...texts(attributes)]) {
    hash.update(`${Buffer.byteLength(field)}:${field}`);
  }
  return hash.digest('hex').slice(0, HASH_DIGITS);
}

const HASH_DIGITS = 16;

/** The same in ClickHouse. Reads most columns: for rows that are few already. */
export const HASH_SQL = `lower(hex(substring(SHA256(arrayStringConcat(arrayMap(
  one -> concat(toString(length(one)), ':', one), arrayConcat(
  [TraceId, SpanId, toString(TraceFlags), toString(SeverityText), toString(SeverityNumber),
  toString(ServiceName), Body, toString(ScopeName), toString(ScopeVersion), EventName,
  toString(length(mapKeys(ResourceAttributes)))],
  CAST(mapKeys(ResourceAttributes), 'Array(String)'),
  CAST(mapValues(ResourceAttributes), 'Array(String)'),
  CAST(mapKeys(LogAttributes), 'Array(String)'), mapValues(LogAttributes))))), 1, 8)))`;

/** Where a row is. */
export interface LogPlace {
  readonly timeNs: bigint;
  readonly hash: string;
  /** Null when the id does not say it. */
  readonly service: string | null;
}

const VERSION = 1;
const HEAD_BYTES = 17;

export function encodeLogId({ timeNs, hash, service }: LogPlace): string {
  const name = Buffer.from(service ?? '');
  const head = Buffer.alloc(HEAD_BYTES);
  head[0] = VERSION;
  head.writeBigUInt64BE(timeNs, 1);
  head.write(hash, 9, 'hex');
  const isKnown = service !== null && name.length <= limits.serviceBytesMax;
  // A service without a name differs from one that is not told by a byte behind it.
  return Buffer.concat([head, isKnown ? name : Buffer.of(0xff)]).toString('base64url');
}

/** Null for a text that is no id. */
export function decodeLogId(id: string): LogPlace | null {
  if (id.length > limits.idCharactersMax || !/^[\w-]+$/.test(id)) return null;
  const bytes = Buffer.from(id, 'base64url');
  if (bytes.length < HEAD_BYTES || bytes[0] !== VERSION) return null;
  const name = bytes.subarray(HEAD_BYTES);
  return {
    timeNs: bytes.readBigUInt64BE(1),
    hash: bytes.toString('hex', 9, HEAD_BYTES),
    service: name.length === 1 && name[0] === 0xff ? null : name.toString(),
  };
}
