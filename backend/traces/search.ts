// Finds traces by what some of their spans are, and answers a summary of each, page by page.
//
// A trace is found when one of its spans that begins in the period matches the first selector, and,
// with a structure, when its spans hang together as that says. It is listed by the latest, or the
// longest, of its spans that match the first selector: by `key`, then by trace id, both descending.
// A page begins behind the place of the last one, so that what is stored meanwhile neither moves
// what follows nor brings it twice; a trace that gets a later match has moved to the front.
//
// A round reads candidates, summarizes them, drops those whose place is on an earlier page, and
// looks at the structure of the rest. After `limits.roundsMax` rounds a page ends short, with a
// cursor to go on.

import type { Period, Question, Rows } from './rows.ts';
import { isoOfNs, WITHIN, withinParams } from './rows.ts';
import { hasStructure, type Chain, type StructureSpan } from './structure.ts';

export const limits = {
  /** Traces of a page. */
  itemsMax: 200,
  itemsDefault: 20,
  /** Candidates of a round, and rounds of a page; see above. */
  candidatesMax: 400,
  roundsMax: 5,
  /** Trace ids of another selector of a structure; with more, the store refuses the question. */
  setRowsMax: 5_000_000,
  /** How far from the period other spans of its traces may be. */
  traceMsMax: 3_600_000,
  /** Spans that are read at a time to look at structures; longer traces are looked at so far. */
  structureSpansMax: 200_000,
  /** Five-minute buckets that are read one by one; over more, all between are read. */
  bucketsMax: 1000,
} as const;

/** A condition on rows of `otel_traces`. */
export interface Selector {
  readonly sql: string;
  readonly params: Readonly<Record<string, unknown>>;
}

export type Sort = 'recent' | 'duration';

/** Where a trace stands in the list. */
export interface Place {
  /** Nanoseconds since 1970 or of duration, as text. */
  readonly key: string;
  readonly traceId: string;
}

export interface TraceSearch {
  readonly period: Period;
  /** At least one. */
  readonly selectors: readonly Selector[];
  /** What must be true of the selectors' spans; empty: only the first must match. */
  readonly chains: readonly Chain[];
  readonly sort: Sort;
  readonly limit: number;
  readonly after: Place | null;
}

export interface TraceSummary {
  readonly traceId: string;
  readonly start: string;
  readonly durationNs: number;
  /** The span that the trace begins with: the one without parent, or the first. */
  readonly root: {
    readonly service: string;
    readonly operation: string;
    readonly kind: string;
    readonly status: string;
    readonly durationNs: number;
  };
  readonly isRootMissing: boolean;
  readonly spanCount: number;
  readonly errorCount: number;
  /** Spans of the period that match the first selector. */
  readonly matchCount: number;
  /** Spans by service. */
  readonly services: Readonly<Record<string, number>>;
}

export interface FoundTraces {
  readonly items: readonly TraceSummary[];
  /** Null when nothing follows. */
  readonly next: Place | null;
}

/** Throws QueryError. */
export async function searchTraces(rows: Rows, search: TraceSearch): Promise<FoundTraces> {
  const { limit } = search;
  const found: Array<{ place: Place; summary: TraceSummary }> = [];
  const seen = new Set<string>();
  let after = search.after;
  for (let round = 0; round < limits.roundsMax; round++) {
    const count = Math.min(limits.candidatesMax, candidatesFor(search, limit + 1 - found.length));
    const candidates = await rows<Place>(candidatesQuestion(search, after, count));
    after = candidates.at(-1) ?? after;
    const fresh = candidates.filter(({ traceId }) => !seen.has(traceId) && seen.add(traceId));
    found.push(...await look(rows, search, fresh));
    if (found.length > limit) {
      return { items: found.slice(0, limit).map(({ summary }) => summary),
        next: found[limit - 1]!.place };
    }
    const items = found.map(({ summary }) => summary);
    if (candidates.length < count) return { items, next: null };
    if (found.length === limit || round === limits.roundsMax - 1) return { items, next: after };
  }
  return { items: [], next: null };
}

/** Of a structure, most candidates may be wrong. */
const candidatesFor = ({ chains }: TraceSearch, missing: number): number =>
  (chains.length === 0 ? missing + 10 : 4 * missing + 20);

const KEYS: Readonly<Record<Sort, { column: string; key: string; order: string }>> = {
  recent: {
    column: 'toUnixTimestamp64Nano(Timestamp)',
    key: 'Timestamp',
    order: 'toStartOfFiveMinutes(Timestamp) DESC, Timestamp DESC',
  },
  duration: { column: 'Duration', key: 'Duration', order: 'Duration DESC' },
};

function candidatesQuestion(
  { period, selectors, sort }: TraceSearch,
  after: Place | null,
  count: number,
): Question {
  const [first, ...others] = selectors;
  const { column, key, order } = KEYS[sort];
  const value = sort === 'recent' ? 'fromUnixTimestamp64Nano({key:Int64})' : '{key:UInt64}';
  const behind = after === null ? '' : `AND ${key} <= ${value}
    AND (${key} < ${value} OR TraceId < {behind:String})`;
  const choosing = others.filter(({ sql }) => sql !== ANY);
  const sets = choosing.map(({ sql }) => `AND TraceId IN (SELECT TraceId FROM otel_traces
    WHERE Timestamp >= fromUnixTimestamp64Nano({from_ns:Int64} - ${limits.traceMsMax}000000)
      AND Timestamp < fromUnixTimestamp64Nano({to_ns:Int64} + ${limits.traceMsMax}000000)
      AND (${sql}))`);
  // Along the order of the table it is read from its end, only until there are enough.
  const once = sort === 'recent' ? 'LIMIT 1 BY TraceId' : '';
  return {
    sql: `SELECT TraceId AS traceId, toString(${column}) AS key FROM otel_traces
      WHERE ${WITHIN} AND (${first!.sql}) ${behind} ${sets.join(' ')}
      ORDER BY ${order}, TraceId DESC ${once} LIMIT ${count}`,
    params: { ...withinParams(period), ...paramsOf(selectors),
      ...(after === null ? {} : { key: after.key, behind: after.traceId }) },
    settings: { max_rows_in_set: limits.setRowsMax, set_overflow_mode: 'throw' },
  };
}

/** What `compileSearch` makes of an empty search. */
const ANY = '1';

const paramsOf = (selectors: readonly Selector[]): Record<string, unknown> =>
  Object.assign({}, ...selectors.map(({ params }) => params)) as Record<string, unknown>;

/** Those of `candidates` that belong here, in their order. */
async function look(
  rows: Rows,
  search: TraceSearch,
  candidates: readonly Place[],
): Promise<Array<{ place: Place; summary: TraceSummary }>> {
  if (candidates.length === 0) return [];
  const where = await whereabouts(rows, candidates);
  const summaries = await rows<SummaryRow>(summaryQuestion(search, candidates, where));
  const byId = new Map(summaries.map((row) => [row.traceId, row]));
  const fitting = candidates.flatMap((place) => {
    const row = byId.get(place.traceId);
    return row === undefined || BigInt(row.key) > BigInt(place.key) ? []
      : [{ place, summary: summaryOf(row) }];
  });
  if (search.chains.length === 0) return fitting;
  const right = new Set<string>();
  for (const group of groupsOf(fitting.map(({ summary }) => summary))) {
    const spans = await rows<StructureSpan & { readonly traceId: string }>(
      structureQuestion(search, group, where));
    const traces = new Map<string, StructureSpan[]>();
    for (const span of spans) {
      const trace = traces.get(span.traceId);
      if (trace === undefined) traces.set(span.traceId, [span]);
      else trace.push(span);
    }
    for (const [id, trace] of traces) if (hasStructure(trace, search)) right.add(id);
  }
  return fitting.filter(({ place }) => right.has(place.traceId));
}

/** A condition that only the buckets meet in which spans of these traces begin. */
async function whereabouts(rows: Rows, traces: readonly Place[]): Promise<string> {
  const ranges = await rows<{ first: number; last: number }>({
    sql: `SELECT toUnixTimestamp(min(Start)) AS first, toUnixTimestamp(max(End)) AS last
      FROM otel_traces_trace_id_ts WHERE TraceId IN {traces:Array(String)} GROUP BY TraceId`,
    params: { traces: traces.map(({ traceId }) => traceId) },
  });
  const first = Math.min(...ranges.map((range) => range.first));
  const last = Math.max(...ranges.map((range) => range.last));
  const buckets = new Set<number>();
  for (const range of ranges) {
    const firstBucket = Math.floor(range.first / BUCKET_SECONDS);
    const lastBucket = Math.floor(range.last / BUCKET_SECONDS);
    for (let at = firstBucket; at <= lastBucket && buckets.size <= limits.bucketsMax; at++) {
      buckets.add(at);
    }
  }
  const between = `Timestamp >= toDateTime64(${first}, 9)
    AND Timestamp < toDateTime64(${last + 1}, 9)`;
  if (ranges.length === 0) return 'false';
  if (buckets.size > limits.bucketsMax) return between;
  const list = [...buckets].map((at) => `toDateTime(${at * BUCKET_SECONDS})`);
  return `${between} AND toStartOfFiveMinutes(Timestamp) IN (${list.join(', ')})`;
}

const BUCKET_SECONDS = 300;

interface SummaryRow {
  readonly traceId: string;
  readonly key: string;
  readonly start: string;
  readonly end: string;
  readonly rootService: string;
  readonly rootOperation: string;
  readonly rootKind: string;
  readonly rootStatus: string;
  readonly rootDuration: number;
  readonly isRootMissing: boolean;
  readonly spans: number;
  readonly errors: number;
  readonly matches: number;
  readonly services: Readonly<Record<string, number>>;
}

function summaryQuestion(
  { period, selectors, sort }: TraceSearch,
  traces: readonly Place[],
  where: string,
): Question {
  const first = selectors[0]!;
  const { column } = KEYS[sort];
  const isMatch = `(${first.sql}) AND ${WITHIN}`;
  return {
    sql: `SELECT TraceId AS traceId, toString(maxIf(${column}, ${isMatch})) AS key,
        toString(min(toUnixTimestamp64Nano(Timestamp))) AS start,
        toString(max(toUnixTimestamp64Nano(Timestamp) + toInt64(Duration))) AS end,
        argMin(tuple(toString(ServiceName), toString(SpanName), toString(SpanKind),
          toString(StatusCode), Duration), tuple(ParentSpanId != '', Timestamp)) AS root,
        root.1 AS rootService, root.2 AS rootOperation, root.3 AS rootKind, root.4 AS rootStatus,
        root.5 AS rootDuration, min(ParentSpanId != '') = 1 AS isRootMissing,
        count() AS spans, countIf(StatusCode = 'Error') AS errors, countIf(${isMatch}) AS matches,
        sumMap(map(toString(ServiceName), 1)) AS services
      FROM otel_traces WHERE TraceId IN {traces:Array(String)} AND ${where} GROUP BY TraceId`,
    params: { ...withinParams(period), ...first.params,
      traces: traces.map(({ traceId }) => traceId) },
  };
}

const summaryOf = (row: SummaryRow): TraceSummary => ({
  traceId: row.traceId,
  start: isoOfNs(BigInt(row.start)),
  durationNs: Number(BigInt(row.end) - BigInt(row.start)),
  root: { service: row.rootService, operation: row.rootOperation, kind: row.rootKind,
    status: row.rootStatus, durationNs: row.rootDuration },
  isRootMissing: Boolean(row.isRootMissing),
  spanCount: row.spans,
  errorCount: row.errors,
  matchCount: row.matches,
  services: row.services,
});

/** So many traces together that their spans can be held. */
function groupsOf(summaries: readonly TraceSummary[]): string[][] {
  const groups: string[][] = [];
  let spans = Infinity;
  for (const { traceId, spanCount } of summaries) {
    if (spans + spanCount > limits.structureSpansMax) {
      groups.push([]);
      spans = 0;
    }
    groups.at(-1)!.push(traceId);
    spans += spanCount;
  }
  return groups;
}

function structureQuestion(
  { selectors }: TraceSearch,
  traces: readonly string[],
  where: string,
): Question {
  const bits = selectors.map(({ sql }, index) => `if(${sql}, ${1 << index}, 0)`);
  return {
    sql: `SELECT TraceId AS traceId, SpanId AS spanId, ParentSpanId AS parentSpanId,
        ${bits.join(' + ')} AS matches
      FROM otel_traces WHERE TraceId IN {traces:Array(String)} AND ${where}
      ORDER BY Timestamp LIMIT ${limits.structureSpansMax}`,
    params: { ...paramsOf(selectors), traces },
  };
}
