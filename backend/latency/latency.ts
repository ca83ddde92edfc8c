// Latency of spans over time: counts, errors, quantiles of durations, and a trace to look at, from
// the rollups that the period and the step allow. See docs/api.md.

import type { Caller } from '../access/roles.ts';
import type { Desk } from '../query/desk.ts';
import { planSegments, type Rollup, type Segment, type Span } from './plan.ts';
import { latencySql, type Key, type LatencyQuestion } from './sql.ts';

export interface LatencyRequest extends Span {
  /** Null: one point for the whole period. */
  readonly stepMs: number | null;
  readonly groupBy: readonly Key[];
  /** Only spans with these values. */
  readonly only: Readonly<Partial<Record<Key, string>>>;
  /** Only spans of requests that a service takes in: of kind Server and Consumer. */
  readonly isOfRequests?: boolean | undefined;
  readonly quantiles: readonly number[];
  readonly exact: boolean;
}

export interface LatencyPoint {
  /** ISO 8601: where the point begins and ends; `to` is not inside. */
  readonly from: string;
  readonly to: string;
  /** Spans that are stored. */
  readonly spans: number;
  /** Spans that were made, as far as sampling has noted what it left out. */
  readonly count: number;
  /** Of `count`, those with status Error. */
  readonly errors: number;
  /** `count` for each second. */
  readonly rate: number;
  /** Nanoseconds. */
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  /** Nanoseconds by level: `{"0.5": …}`. */
  readonly quantiles: Readonly<Record<string, number>>;
  /** Trace of the slowest span. */
  readonly exemplar: string;
}

export interface LatencySeries {
  readonly keys: Readonly<Partial<Record<Key, string>>>;
  readonly points: readonly LatencyPoint[];
}

export interface Latency {
  readonly from: string;
  readonly to: string;
  /** Seconds; null for one point. */
  readonly step: number | null;
  readonly exact: boolean;
  /** What was asked for which part of the period. */
  readonly sources: ReadonlyArray<{
    readonly rollup: Rollup;
    readonly from: string;
    readonly to: string;
  }>;
  readonly series: readonly LatencySeries[];
}

export interface ReadLatencyOptions {
  readonly desk: Pick<Desk, 'rows'>;
  readonly caller: Caller;
  readonly rowsMax: number;
}

/** Null when there are more than `rowsMax` points. Throws QueryError. */
export async function readLatency(
  options: ReadLatencyOptions,
  request: LatencyRequest,
  abort: AbortSignal,
): Promise<Latency | null> {
  const { fromMs, toMs, stepMs, groupBy, only, isOfRequests, quantiles, exact } = request;
  const segments: readonly Segment[] = exact ? [{ rollup: 'raw', fromMs, toMs }]
    : planSegments(request, stepMs);
  const chosen = (Object.keys(only) as Key[]).filter((key) => only[key] !== undefined);
  const { rowsMax } = options;
  const question = { segments, stepMs, groupBy, chosen, isOfRequests, quantiles, exact, rowsMax };
  const first = await ask(options, { ...question, weighted: false }, only, abort);
  if (first.length > rowsMax) return null;
  const isWeighted = first.some(({ weightMin, weightMax }) => weightMin !== 1 || weightMax !== 1);
  const rows = isWeighted
    ? await ask(options, { ...question, weighted: true }, only, abort) : first;
  return {
    from: iso(fromMs), to: iso(toMs), step: stepMs === null ? null : stepMs / 1000, exact,
    sources: segments.map(({ rollup, ...part }) =>
      ({ rollup, from: iso(part.fromMs), to: iso(part.toMs) })),
    series: seriesOf(rows, request),
  };
}

type PointRow = Readonly<Partial<Record<Key, string>>> & {
  readonly step: number;
  readonly spans: number;
  readonly weight: number;
  readonly errorWeight: number;
  readonly total: number;
  readonly minimum: number;
  readonly maximum: number;
  readonly exemplar: string;
  readonly weightMin: number;
  readonly weightMax: number;
  readonly quantiles: readonly number[];
};

/** A row more than there may be is what tells that there are too many. */
function ask(
  { desk, caller, rowsMax }: ReadLatencyOptions,
  question: LatencyQuestion,
  params: LatencyRequest['only'],
  abort: AbortSignal,
): Promise<PointRow[]> {
  return desk.rows<PointRow>({
    sql: latencySql(question), params, rowsMax: rowsMax + 1,
    settings: ROLLUP_SETTINGS,
  }, caller, abort);
}

/**
 * Counting a day of 20 million spans took 27 ms instead of 7 when its buckets were looked up in the
 * indexes of the raw rows, too. The order key finds the few raw spans that are needed.
 */
const ROLLUP_SETTINGS = { optimize_use_projections: 1, use_skip_indexes: 0 };

/** Rows come by series. */
function seriesOf(rows: readonly PointRow[], request: LatencyRequest): LatencySeries[] {
  const found: { keys: LatencySeries['keys']; points: LatencyPoint[] }[] = [];
  let current = '';
  for (const row of rows) {
    const values = request.groupBy.map((key) => row[key]!);
    const name = JSON.stringify(values);
    if (found.length === 0 || name !== current) {
      const keys = Object.fromEntries(request.groupBy.map((key, index) => [key, values[index]!]));
      found.push({ keys, points: [] });
      current = name;
    }
    found.at(-1)!.points.push(pointOf(row, request));
  }
  return found;
}

function pointOf(row: PointRow, { fromMs, toMs, stepMs, quantiles }: LatencyRequest): LatencyPoint {
  const stepFromMs = stepMs === null ? fromMs : Math.max(fromMs, row.step * stepMs);
  const stepToMs = stepMs === null ? toMs : Math.min(toMs, (row.step + 1) * stepMs);
  return {
    from: iso(stepFromMs),
    to: iso(stepToMs),
    spans: row.spans,
    count: row.weight,
    errors: row.errorWeight,
    rate: row.weight / ((stepToMs - stepFromMs) / 1000),
    mean: row.total / row.weight,
    min: row.minimum,
    max: row.maximum,
    quantiles: Object.fromEntries(quantiles.map((level, index) =>
      [String(level), row.quantiles[index]!])),
    exemplar: row.exemplar,
  };
}

const iso = (ms: number): string => new Date(ms).toISOString();
