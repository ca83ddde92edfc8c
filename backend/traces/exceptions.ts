// Exceptions, grouped by what went wrong rather than by what it happened to: by type and by the
// frames of the stack trace without line numbers, addresses and ids; without a stack trace by the
// message, without these and without what is quoted. The fingerprint of a group is the beginning of
// the MD5 of that, so it is the same in every store and at all times.
//
// They come from spans (events named `exception`) and from log records (attributes `exception.*`,
// of level warn or higher, or whose event name is `exception`). The latest of a period are looked
// at, `limits.recordsMax` of each kind; `isComplete` says whether these were all.

import { isoOfNs, WITHIN, withinParams, type Period, type Question, type Rows } from './rows.ts';
import type { Selector } from './search.ts';

export const limits = {
  /** Spans, and log records, with exceptions that are looked at: the latest. */
  recordsMax: 200_000,
  /** Groups, and examples, of an answer. */
  itemsMax: 200,
  itemsDefault: 50,
  /** Of a stack trace, these characters and frames count; as many are shown. */
  stackCharactersMax: 20_000,
  framesMax: 50,
  /** Services of a group that are named. */
  servicesMax: 50,
  /** Different stack traces of one group whose examples are found. */
  stacksMax: 1000,
} as const;

export type ExceptionSort = 'count' | 'recent' | 'new';

export interface ExceptionGroup {
  /** 16 hexadecimal digits. */
  readonly fingerprint: string;
  readonly type: string;
  /** Of the latest. */
  readonly message: string;
  readonly stack: string;
  /** What the group has in common. */
  readonly pattern: string;
  /** How many there were, as far as sampling has noted what it left out. */
  readonly count: number;
  /** How many are stored in spans, and in log records; some may be in both. */
  readonly inSpans: number;
  readonly inLogs: number;
  /** Within the period. */
  readonly firstSeen: string;
  readonly lastSeen: string;
  readonly services: readonly string[];
  /** The latest with a trace. */
  readonly example: { readonly traceId: string; readonly spanId: string;
    readonly operation: string };
}

export interface ExceptionExample {
  readonly time: string;
  readonly source: 'span' | 'log';
  readonly service: string;
  readonly operation: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly message: string;
  readonly stack: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** What a list goes on behind: the key of its order, as text, and what tells equal ones apart. */
export interface ExceptionPlace {
  readonly key: string;
  readonly id: string;
}

export interface ExceptionRequest {
  readonly period: Period;
  readonly service: string | null;
  readonly type: string | null;
  /** Log records that may be seen; all unless given. */
  readonly logs?: Selector;
  readonly sort: ExceptionSort;
  readonly limit: number;
  readonly after: ExceptionPlace | null;
}

export interface ExceptionList {
  readonly items: readonly ExceptionGroup[];
  readonly next: ExceptionPlace | null;
  readonly isComplete: boolean;
}

/** Throws QueryError. */
export async function readExceptions(
  rows: Rows,
  request: ExceptionRequest,
): Promise<ExceptionList> {
  const { limit, after, sort } = request;
  const key = SORT_KEYS[sort];
  const behind = after === null ? 'true'
    : `${key} < {key:Float64} OR ${key} = {key:Float64} AND fingerprint > {id:String}`;
  const found = await rows<GroupRow>({
    sql: `SELECT * FROM (${groupsSql(request)}) WHERE ${behind}
      ORDER BY ${key} DESC, fingerprint LIMIT ${limit + 1}`,
    params: { ...paramsOf(request), ...after },
  });
  const shown = found.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map(groupOf),
    next: found.length > limit ? { key: keyOf(last!, sort), id: last!.fingerprint } : null,
    isComplete: found.every(isComplete),
  };
}

export interface ExceptionDetails {
  readonly group: ExceptionGroup;
  /** The latest first. */
  readonly items: readonly ExceptionExample[];
  readonly next: ExceptionPlace | null;
  readonly isComplete: boolean;
}

/** One group and its examples; null when the period has none. Throws QueryError. */
export async function readException(
  rows: Rows,
  fingerprint: string,
  request: Omit<ExceptionRequest, 'sort'>,
): Promise<ExceptionDetails | null> {
  const { limit } = request;
  const [group] = await rows<GroupRow>({
    sql: `SELECT * FROM (${groupsSql(request)}) WHERE fingerprint = {fingerprint:String}`,
    params: { ...paramsOf(request), fingerprint },
  });
  if (group === undefined) return null;
  const found = await rows<ExampleRow>(examplesQuestion(request, group.stacks));
  const shown = found.slice(0, limit);
  const last = shown.at(-1);
  return {
    group: groupOf(group),
    items: shown.map(({ at, id: _, ...row }) => ({ time: isoOfNs(BigInt(at)), ...row })),
    next: found.length > limit ? { key: last!.at, id: last!.id } : null,
    isComplete: isComplete(group),
  };
}

const SORT_KEYS: Readonly<Record<ExceptionSort, string>> = {
  count: 'count', recent: 'lastMs', new: 'firstMs',
};

interface GroupRow {
  readonly fingerprint: string;
  readonly type: string;
  readonly message: string;
  readonly stack: string;
  readonly pattern: string;
  readonly count: number;
  readonly inSpans: number;
  readonly inLogs: number;
  readonly first: string;
  readonly last: string;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly services: readonly string[];
  readonly example: readonly [traceId: string, spanId: string, operation: string];
  /** Hashes of type and stack trace, as text. */
  readonly stacks: readonly string[];
  readonly spansLookedAt: number;
  readonly logsLookedAt: number;
}

const keyOf = (row: GroupRow, sort: ExceptionSort): string =>
  String(sort === 'count' ? row.count : sort === 'recent' ? row.lastMs : row.firstMs);

const isComplete = ({ spansLookedAt, logsLookedAt }: GroupRow): boolean =>
  spansLookedAt < limits.recordsMax && logsLookedAt < limits.recordsMax;

const groupOf = (row: GroupRow): ExceptionGroup => ({
  fingerprint: row.fingerprint,
  type: row.type,
  message: row.message,
  stack: row.stack,
  pattern: row.pattern,
  count: row.count,
  inSpans: row.inSpans,
  inLogs: row.inLogs,
  firstSeen: isoOfNs(BigInt(row.first)),
  lastSeen: isoOfNs(BigInt(row.last)),
  services: [...row.services].sort(),
  example: { traceId: row.example[0], spanId: row.example[1], operation: row.example[2] },
});

type Chosen = Pick<ExceptionRequest, 'period' | 'service' | 'type' | 'logs'>;

function paramsOf({ period, service, type, logs }: Chosen): Record<string, unknown> {
  return { ...withinParams(period), ...logs?.params, ...(service === null ? {} : { service }),
    ...(type === null ? {} : { type }) };
}

/** All exceptions that are looked at, one row each. */
function occurrencesSql({ service, type, logs }: Chosen): string {
  const own = service === null ? '' : 'AND ServiceName = {service:String}';
  const ofType = type === null ? '' : 'AND type = {type:String}';
  const latest = `ORDER BY toStartOfFiveMinutes(Timestamp) DESC, Timestamp DESC
    LIMIT ${limits.recordsMax}`;
  const parts = `attributes['exception.type'] AS type, attributes['exception.message'] AS message,
    substringUTF8(attributes['exception.stacktrace'], 1, ${limits.stackCharactersMax}) AS stack,
    cityHash64(type, stack, if(stack = '', message, '')) AS stackHash`;
  return `SELECT 'span' AS source, service, operation, traceId, spanId, at, attributes, weight,
      ${parts}
    FROM (SELECT ServiceName AS service, SpanName AS operation, TraceId AS traceId,
        SpanId AS spanId, SampleWeight AS weight, Events.Timestamp AS times, Events.Name AS names,
        Events.Attributes AS maps
      FROM otel_traces WHERE ${WITHIN} ${own} AND has(Events.Name, 'exception') ${latest})
    ARRAY JOIN times AS at, names AS name, maps AS attributes
    WHERE name = 'exception' ${ofType}
    UNION ALL
    SELECT 'log' AS source, service, operation, traceId, spanId, at, attributes, weight, ${parts}
    FROM (SELECT ServiceName AS service, toLowCardinality('') AS operation, TraceId AS traceId,
        SpanId AS spanId, 1. AS weight, Timestamp AS at, LogAttributes AS attributes
      FROM otel_logs
      WHERE ${WITHIN} ${own} AND (SeverityNumber >= 13 OR EventName = 'exception')
        AND (LogAttributes['exception.type'] != '' OR LogAttributes['exception.message'] != '')
        AND ${logs?.sql ?? 'true'}
      ${latest})
    WHERE true ${ofType}`;
}

/**
 * Lines of stack traces that are frames, as Node.js, Java, .NET, Python, Ruby, Go, PHP and Rust
 * write them; the others are messages and lines of source.
 */
const FRAME = String.raw`^\s+at |^\s*File "|^\s+from |^\S*\.rb:\d+|\.go:\d+|^#\d+ |^\s+\d+: `;

/** Ids, addresses and numbers, the longest forms first. */
const CHANGING = [
  String.raw`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`,
  '0x[0-9a-fA-F]+', '[0-9a-fA-F]{16,}', String.raw`\d+`,
].join('|');

const QUOTED = String.raw`"[^"]*"|'[^']*'`;

const TRIMMED = String.raw`replaceRegexpAll(line, '^\\s+|\\s+$', '')`;

const literal = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`;

/** A row a group. Stack traces that are the same are taken apart once. */
function groupsSql(chosen: Chosen): string {
  const plain = (text: string): string => `replaceRegexpAll(${text}, ${literal(CHANGING)}, '#')`;
  const unquoted = `replaceRegexpAll(oneMessage, ${literal(QUOTED)}, '"#"')`;
  const byStack = `SELECT stackHash, type, any(stack) AS oneStack,
      argMax(message, at) AS oneMessage, sum(weight) AS oneWeight,
      countIf(source = 'span') AS ofSpans, countIf(source = 'log') AS ofLogs,
      min(toUnixTimestamp64Nano(at)) AS firstNs, max(toUnixTimestamp64Nano(at)) AS lastNs,
      groupUniqArray(${limits.servicesMax})(toString(service)) AS oneServices,
      argMax(tuple(traceId, spanId, toString(operation)), tuple(traceId != '', at)) AS oneExample
    FROM (${occurrencesSql(chosen)}) GROUP BY stackHash, type`;
  const framed = `SELECT *, arraySlice(arrayFilter(line -> match(line, ${literal(FRAME)}),
      splitByChar('\n', oneStack)), 1, ${limits.framesMax}) AS frames,
      if(empty(frames), ${plain(`if(oneStack = '', ${unquoted},
        oneStack)`)},
      arrayStringConcat(arrayMap(line -> ${plain(TRIMMED)}, frames), '\n')) AS pattern
    FROM (${byStack})`;
  return `
    SELECT lower(hex(substring(MD5(concat(type, '\n', pattern)), 1, 8))) AS fingerprint, type,
      pattern, argMax(oneMessage, lastNs) AS message, argMax(oneStack, lastNs) AS stack,
      round(sum(oneWeight), 3) AS count, sum(ofSpans) AS inSpans, sum(ofLogs) AS inLogs,
      toString(min(firstNs)) AS first, toString(max(lastNs)) AS last,
      intDiv(min(firstNs), 1000000) AS firstMs, intDiv(max(lastNs), 1000000) AS lastMs,
      groupUniqArrayArray(${limits.servicesMax})(oneServices) AS services,
      argMax(oneExample, tuple(oneExample.1 != '', lastNs)) AS example,
      groupArray(${limits.stacksMax})(toString(stackHash)) AS stacks,
      sum(sum(ofSpans)) OVER () AS spansLookedAt, sum(sum(ofLogs)) OVER () AS logsLookedAt
    FROM (${framed}) GROUP BY type, pattern`;
}

interface ExampleRow extends Omit<ExceptionExample, 'time'> {
  readonly at: string;
  readonly id: string;
}

function examplesQuestion(
  request: Omit<ExceptionRequest, 'sort'>,
  stacks: readonly string[],
): Question {
  const { after, limit } = request;
  const behind = after === null ? ''
    : 'AND (ns < {key:Int64} OR ns = {key:Int64} AND id > {id:String})';
  return {
    sql: `SELECT toString(ns) AS at, source, service, operation, traceId,
        spanId, message, stack, attributes, id
      FROM (SELECT *, toUnixTimestamp64Nano(at) AS ns, concat(source, traceId, spanId,
          toString(cityHash64(toString(attributes)))) AS id
        FROM (${occurrencesSql(request)})
        WHERE stackHash IN {stacks:Array(UInt64)} ${behind}
        ORDER BY ns DESC, id LIMIT ${limit + 1})
      ORDER BY ns DESC, id`,
    params: { ...paramsOf(request), ...after, stacks: stacks.map(BigInt) },
  };
}
