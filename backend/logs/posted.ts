// What apps send to `POST /api/logs`, as log records of OpenTelemetry, so that it is stored and
// found like all others. Two shapes are taken, one record, an array, or a line each:
//
//   { timestamp, level, service, message, context?, trace_id?, span_id?, user_id?, request_id?,
//     correlation_id?, tags?, … }                         the first four are required
//   { event_type, details, timestamp?, service?, level? }  the first two are required
//
// Context, and what has another name, become attributes: objects inside by names with dots, arrays
// as JSON. An event's details are its body and its attributes. Each record gets a uid, so that two
// which say the same are two.

import { TAGS_KEY, UID_KEY, USER_KEY } from './entry.ts';
import { LEVEL_WORDS } from '../search/fields.ts';
import type { AnyValue, KeyValue, LogRecord, LogsRequest, Resource }
  from '../../proto/otlp/model.ts';

export const limits = {
  /** Records of a request; more are refused. */
  recordsMax: 10_000,
  /** Objects and arrays inside each other; what is deeper is refused. */
  depthMax: 16,
  /** Attributes of a record; more are refused. */
  attributesMax: 1000,
} as const;

/** What is wrong with what was sent. */
export class PostedError extends Error {}

export interface PostedOptions {
  readonly nowNs: () => bigint;
  /** Reads a time as the API does; throws for one that is none. */
  readonly instantOf: (text: string) => bigint;
  readonly uid: () => string;
}

export interface Posted {
  readonly request: LogsRequest;
  /** In the order in which they came. */
  readonly records: ReadonlyArray<{ readonly resource: Resource; readonly record: LogRecord }>;
}

/** Throws PostedError, which names the record by its place from 0. */
export function readPosted(body: unknown, options: PostedOptions): Posted {
  const all = Array.isArray(body) ? body as unknown[] : [body];
  if (all.length === 0) throw new PostedError('there is no record');
  if (all.length > limits.recordsMax) {
    throw new PostedError(`at most ${limits.recordsMax} records are taken at once`);
  }
  const byService = new Map<string, { resource: Resource; logRecords: LogRecord[] }>();
  const records = all.map((one, index) => {
    const found = readOne(one, Array.isArray(body) ? `record ${index}` : 'the record', options);
    const group = byService.get(found.service)
      ?? { resource: resourceOf(found.service), logRecords: [] };
    byService.set(found.service, group);
    group.logRecords.push(found.record);
    return { resource: group.resource, record: found.record };
  });
  const resourceLogs = [...byService.values()].map(({ resource, logRecords }) => ({
    resource, schemaUrl: '', scopeLogs: [{ scope: undefined, schemaUrl: '', logRecords }],
  }));
  return { request: { resourceLogs }, records };
}

const resourceOf = (service: string): Resource => ({
  attributes: service === '' ? [] : [{ key: 'service.name', value: text(service) }],
  droppedAttributesCount: 0, entityRefs: [],
});

const text = (value: string): AnyValue => ({ type: 'string', value });

interface One {
  readonly service: string;
  readonly record: LogRecord;
}

function readOne(value: unknown, name: string, options: PostedOptions): One {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new PostedError(`${name} is no object`);
  }
  const posted = value as Readonly<Record<string, unknown>>;
  const isEvent = posted['event_type'] !== undefined && posted['message'] === undefined;
  const required = isEvent ? ['event_type', 'details']
    : ['timestamp', 'level', 'service', 'message'];
  const missing = required.filter((key) => posted[key] === undefined || posted[key] === null);
  if (missing.length > 0) {
    throw new PostedError(`${name} has no ${missing.join(', ')}; it needs timestamp, level, `
      + 'service and message, or event_type and details');
  }
  const reader = new Reader(posted, name);
  const said = reader.string('level');
  const level = isEvent && said === '' ? EVENT_LEVEL : said;
  const attributes = isEvent ? reader.attributes(posted['details'], 'details')
    : reader.attributes(posted['context'], 'context');
  attributes.push(...reader.others(), { key: UID_KEY, value: text(options.uid()) });
  if (attributes.length > limits.attributesMax) {
    throw new PostedError(`${name} has more than ${limits.attributesMax} attributes`);
  }
  const record: LogRecord = {
    timeUnixNano: timeOf(posted['timestamp'], name, options),
    observedTimeUnixNano: options.nowNs(),
    severityNumber: LEVEL_WORDS[level.toLowerCase()] ?? 0,
    severityText: level,
    body: isEvent ? anyOf(posted['details'], `${name}: details`, 0)
      : text(reader.string('message')),
    attributes,
    droppedAttributesCount: 0,
    flags: 0,
    traceId: hexOf(posted['trace_id'], 32),
    spanId: hexOf(posted['span_id'], 16),
    eventName: reader.string('event_type'),
  };
  return { service: reader.string('service'), record };
}

/** Of events that do not say it. */
const EVENT_LEVEL = 'INFO';

function timeOf(value: unknown, name: string, { nowNs, instantOf }: PostedOptions): bigint {
  if (value === undefined || value === null) return nowNs();
  try {
    return instantOf(typeof value === 'number' ? epochText(value) : String(value));
  } catch {
    throw new PostedError(`${name}: timestamp is no time; write ISO 8601, or seconds or `
      + 'milliseconds since 1970');
  }
}

/** Seconds may have a fraction, as in Python's time.time(). */
function epochText(value: number): string {
  return Number.isInteger(value) ? String(value) : new Date(value * 1000).toISOString();
}

/** A UUID is a trace id with dashes. What is none is kept as an attribute. */
function hexOf(value: unknown, digits: number): string {
  const hex = typeof value === 'string' ? value.replaceAll('-', '').toLowerCase() : '';
  return hex.length === digits && /^[0-9a-f]+$/.test(hex) ? hex : '';
}

const OWN_KEYS = new Set(['timestamp', 'level', 'service', 'message', 'context', 'event_type',
  'details', 'id', 'created_at', 'trace_id', 'span_id', 'user_id', 'tags']);

class Reader {
  private readonly posted: Readonly<Record<string, unknown>>;
  private readonly name: string;

  constructor(posted: Readonly<Record<string, unknown>>, name: string) {
    this.posted = posted;
    this.name = name;
  }

  string(key: string): string {
    const value = this.posted[key];
    if (value === undefined || value === null) return '';
    if (typeof value === 'string') return value;
    if (key === 'message') return JSON.stringify(value);
    throw new PostedError(`${this.name}: ${key} must be text`);
  }

  attributes(value: unknown, key: string): KeyValue[] {
    const found: KeyValue[] = [];
    if (value === undefined || value === null) return found;
    if (typeof value === 'object' && !Array.isArray(value)) this.flatten(value, '', found, 0);
    else found.push({ key, value: anyOf(value, this.name, 0) });
    return found;
  }

  /** What is not a field of the record is an attribute; so is an id that OpenTelemetry has not. */
  others(): KeyValue[] {
    const { posted } = this;
    const found: KeyValue[] = [];
    for (const [key, value] of Object.entries(posted)) {
      if (OWN_KEYS.has(key) || value === null) continue;
      this.flatten({ [key]: value }, '', found, 0);
    }
    const add = (key: string, value: unknown) => {
      if (value === undefined || value === null || value === '') return;
      found.push({ key, value: anyOf(value, this.name, 0) });
    };
    add(USER_KEY, posted['user_id']);
    if (Array.isArray(posted['tags']) && posted['tags'].length > 0) add(TAGS_KEY, posted['tags']);
    if (hexOf(posted['trace_id'], 32) === '') add('trace_id', posted['trace_id']);
    if (hexOf(posted['span_id'], 16) === '') add('span_id', posted['span_id']);
    return found;
  }

  private flatten(value: object, prefix: string, found: KeyValue[], depth: number): void {
    if (depth > limits.depthMax) throw tooDeep(this.name);
    for (const [key, inside] of Object.entries(value) as [string, unknown][]) {
      if (typeof inside === 'object' && inside !== null && !Array.isArray(inside)) {
        this.flatten(inside, `${prefix}${key}.`, found, depth + 1);
      } else if (inside !== null) {
        found.push({ key: `${prefix}${key}`, value: anyOf(inside, this.name, depth) });
      }
    }
  }
}

const tooDeep = (name: string) =>
  new PostedError(`${name} has more than ${limits.depthMax} objects inside each other`);

/** A value of JSON. */
function anyOf(value: unknown, name: string, depth: number): AnyValue {
  if (depth > limits.depthMax) throw tooDeep(name);
  if (typeof value === 'string') return text(value);
  if (typeof value === 'boolean') return { type: 'bool', value };
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) && !Object.is(value, -0)
      ? { type: 'int', value: BigInt(value) } : { type: 'double', value };
  }
  if (Array.isArray(value)) {
    return { type: 'array', value: value.map((one: unknown) => anyOf(one, name, depth + 1)) };
  }
  if (typeof value !== 'object' || value === null) return { type: 'empty', value: null };
  return { type: 'kvlist', value: Object.entries(value).map(([key, one]: [string, unknown]) =>
    ({ key, value: anyOf(one, name, depth + 1) })) };
}

