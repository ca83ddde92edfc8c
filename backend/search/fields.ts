// The fields of searches: what each name means for each signal, in columns of the tables and keys
// of attributes. A name that is not here is that of an attribute: the record's own, or else its
// resource's. docs/search.md lists the names; a test compares.

import type { Signal } from '../../proto/otlp/model.ts';

/** Which of a record's maps an attribute is looked for in. */
export type AttributeMap = 'record' | 'resource' | 'scope';

export interface Lookup {
  readonly map: AttributeMap;
  readonly key: string;
}

export type Field =
  /** A column that holds text; an id may be written in upper case and with dashes. */
  | { readonly type: 'column'; readonly column: string; readonly isId?: boolean;
      /** All values there are, when they are known; any case will do. */
      readonly values?: readonly string[] }
  /** Words in the text of the record. */
  | { readonly type: 'text' }
  /** The level from 1 to 24, 0 when it is unknown. */
  | { readonly type: 'level' }
  /** A number; a duration is in nanoseconds, and is compared with values that have a unit. */
  | { readonly type: 'number'; readonly column: string; readonly isDuration: boolean }
  /** A column with a list of texts, of which one must fit. */
  | { readonly type: 'list'; readonly column: string }
  /** The first of these that is not ''. */
  | { readonly type: 'attribute'; readonly lookups: readonly Lookup[] };

const column = (name: string): Field => ({ type: 'column', column: name });
const id = (name: string): Field => ({ type: 'column', column: name, isId: true });
const choice = (name: string, values: readonly string[]): Field =>
  ({ type: 'column', column: name, values });

const SHARED = {
  service: column('ServiceName'), scope: column('ScopeName'), logger: column('ScopeName'),
} as const satisfies Record<string, Field>;

const IDS = {
  trace: id('TraceId'), trace_id: id('TraceId'), span: id('SpanId'), span_id: id('SpanId'),
} as const satisfies Record<string, Field>;

const KINDS = ['Internal', 'Server', 'Client', 'Producer', 'Consumer', 'Unspecified'];

const OF_SIGNAL: Readonly<Record<Signal, Readonly<Record<string, Field>>>> = {
  logs: {
    ...SHARED, ...IDS,
    body: { type: 'text' }, message: { type: 'text' }, msg: { type: 'text' },
    level: { type: 'level' }, severity: { type: 'level' },
    severity_text: column('SeverityText'),
    event: column('EventName'), event_type: column('EventName'),
  },
  traces: {
    ...SHARED, ...IDS,
    name: column('SpanName'), operation: column('SpanName'),
    kind: choice('SpanKind', KINDS), status: choice('StatusCode', ['Unset', 'Ok', 'Error']),
    status_message: column('StatusMessage'),
    parent: id('ParentSpanId'), parent_id: id('ParentSpanId'),
    duration: { type: 'number', column: 'Duration', isDuration: true },
    event: { type: 'list', column: 'Events.Name' },
    level: { type: 'level' }, severity: { type: 'level' },
    body: { type: 'text' }, message: { type: 'text' }, msg: { type: 'text' },
  },
  metrics: {
    ...SHARED,
    name: column('MetricName'), metric: column('MetricName'),
    unit: column('MetricUnit'), description: column('MetricDescription'),
    body: { type: 'text' }, message: { type: 'text' }, msg: { type: 'text' },
  },
};

const record = (...keys: string[]): Lookup[] => keys.map((key) => ({ map: 'record', key }));
const resource = (...keys: string[]): Lookup[] => keys.map((key) => ({ map: 'resource', key }));

/** Short names of attributes, of all signals: conventions have changed their minds. */
const ALIASES: Readonly<Record<string, readonly Lookup[]>> = {
  host: [...resource('host.name'), ...record('host.name', 'host')],
  env: [...resource('deployment.environment.name', 'deployment.environment'), ...record('env')],
  version: [...resource('service.version'), ...record('version')],
  namespace: [...resource('k8s.namespace.name', 'service.namespace')],
  pod: resource('k8s.pod.name'),
  container: resource('container.name', 'k8s.container.name'),
  file: record('log.file.path', 'log.file.name'),
  user: record('user.id', 'user.name', 'enduser.id', 'user_id', 'user'),
  'user.id': record('user.id', 'enduser.id', 'user_id'),
  'http.status': record('http.response.status_code', 'http.status_code', 'http.status'),
  'http.method': record('http.request.method', 'http.method'),
  'http.path': record('url.path', 'http.target', 'http.path'),
};

/** Every short name, for completion and for finding comparisons without a colon. */
export const KNOWN_FIELDS: readonly string[] = [...new Set([
  ...Object.values(OF_SIGNAL).flatMap((fields) => Object.keys(fields)), ...Object.keys(ALIASES),
])].sort();

export function isKnownField(name: string): boolean {
  return KNOWN_FIELDS.includes(name.toLowerCase());
}

const PREFIXES: ReadonlyArray<readonly [prefix: string, map: AttributeMap]> = [
  ['attr.', 'record'], ['resource.', 'resource'], ['scope.', 'scope'],
];

/** What a name means; names that are not known are those of attributes. */
export function fieldOf(name: string, signal: Signal): Field {
  const lower = name.toLowerCase();
  const fields = OF_SIGNAL[signal];
  if (name === '') return { type: 'text' };
  if (Object.hasOwn(fields, lower)) return fields[lower]!;
  const prefix = PREFIXES.find(([start]) => lower.startsWith(start) && name.length > start.length);
  if (prefix !== undefined) {
    return { type: 'attribute', lookups: [{ map: prefix[1], key: name.slice(prefix[0].length) }] };
  }
  const lookups = Object.hasOwn(ALIASES, lower) ? ALIASES[lower]!
    : [...record(name), ...resource(name)];
  return { type: 'attribute', lookups };
}

/** The columns with a signal's attributes. */
export const MAP_COLUMNS: Readonly<Record<Signal, Readonly<Record<AttributeMap, string>>>> = {
  logs: { record: 'LogAttributes', resource: 'ResourceAttributes', scope: 'ScopeAttributes' },
  traces: { record: 'SpanAttributes', resource: 'ResourceAttributes', scope: '' },
  metrics: { record: 'Attributes', resource: 'ResourceAttributes', scope: 'ScopeAttributes' },
};

/** Names of levels, by the lowest number of each. */
export const LEVELS: ReadonlyArray<readonly [name: string, number: number]> = [
  ['trace', 1], ['debug', 5], ['info', 9], ['warn', 13], ['error', 17], ['fatal', 21],
];

/** Other texts that mean a level, in lower case. */
export const LEVEL_WORDS: Readonly<Record<string, number>> = {
  ...Object.fromEntries(LEVELS),
  information: 9, notice: 10, warning: 13, err: 17, severe: 17, critical: 21, crit: 21, alert: 22,
  emerg: 24, emergency: 24, panic: 21,
};

const UNKNOWN = 'unknown';

/** `error` for 17 to 20, and so on; `unknown` for 0 and for numbers that mean nothing. */
export function levelName(number: number): string {
  if (number < 1 || number > 24) return UNKNOWN;
  return LEVELS[(number - 1) >> 2]![0];
}

/** The number of a record: its own, or else what its text says. */
export function levelNumber(number: number, text: string): number {
  if (number >= 1 && number <= 24) return number;
  const lower = text.toLowerCase();
  return Object.hasOwn(LEVEL_WORDS, lower) ? LEVEL_WORDS[lower]! : 0;
}
