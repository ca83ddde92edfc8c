// The statements behind `GET /api/metrics/latency`.
//
// Each segment of the plan is a question whose shape ClickHouse answers from the projection of its
// rollup (schema/007_rollups.sql): the bucket, the keys and the aggregates are written exactly as
// there, and conditions are on keys only. Parts that do not have the projection yet are computed
// from their rows by the same question. What the segments answer is merged.
//
// A span stands for `SampleWeight` spans of its sender. Sums are weighted by multiplication.
// ClickHouse multiplies a sketch by constants only, so the weight of a sketch is taken apart into
// powers of two. That is dear, and most stores have no weights: it is only asked for when a first
// answer has shown some.

import { DAY_MS, HOUR_MS, MINUTE_MS, type Rollup, type Segment } from './plan.ts';

const DATE_TIME_MAX = 2 ** 32 - 1;

export const limits = {
  /** Of weights, for quantiles: they count in sixteenths, and up to 2^20 (2^24 sixteenths). */
  weightScale: 16,
  weightBits: 24,
} as const;

/** What spans may be grouped and chosen by, and the columns. */
export const KEYS = {
  service: 'ServiceName',
  operation: 'SpanName',
  kind: 'SpanKind',
  status: 'StatusCode',
} as const;

export type Key = keyof typeof KEYS;

export interface LatencyQuestion {
  readonly segments: readonly Segment[];
  /** Null: one point for the whole period. */
  readonly stepMs: number | null;
  readonly groupBy: readonly Key[];
  /** Keys that must have the value of the statement's parameter `<key>`. */
  readonly chosen: readonly Key[];
  /** Only spans of requests that a service takes in. */
  readonly isOfRequests?: boolean | undefined;
  /** Levels from 0 to 1. */
  readonly quantiles: readonly number[];
  /** Quantiles of the durations themselves; the only segment is raw then. */
  readonly exact: boolean;
  readonly weighted: boolean;
  /** Points that are answered at most, and one more. */
  readonly rowsMax: number;
}

/** A row a point, by keys and step: the sums, `quantiles` by level, `weightMin`, `weightMax`. */
export function latencySql(question: LatencyQuestion): string {
  const { groupBy, rowsMax, exact, weighted } = question;
  const by = ['step', ...groupBy].join(', ');
  const union = question.segments.map((segment) => segmentSql(segment, question))
    .join('\n  UNION ALL\n');
  const order = `ORDER BY ${[...groupBy, 'step'].join(', ')} LIMIT ${rowsMax + 1}`;
  if (exact) {
    return `SELECT ${by}, ${SUMS}, ${exactQuantiles(question)} AS quantiles\nFROM (${union})
      GROUP BY ${by}\n${order}`;
  }
  if (question.segments.length === 1 && !weighted) {
    return `SELECT ${by}, ${ALONE} FROM (${union})\n${order}`;
  }
  const merged = `quantilesDDMerge(${levels(question)})(sketch)`;
  const plain = `SELECT ${by}, ${SUMS}, ${merged} AS quantiles\nFROM (${union})\nGROUP BY ${by}`;
  if (!weighted) return `${plain}\n${order}`;
  return `SELECT * EXCEPT (quantiles, weighted), weighted AS quantiles FROM (${plain}) AS points
    INNER JOIN (SELECT ${by}, ${merged} AS weighted
      FROM (${multipliedSql(question, by, union)}) GROUP BY ${by}) AS sketches
    USING (${by})\n${order}`;
}

const SUMS = `sum(c) AS spans, sum(c * w) AS weight, sum(e) AS errorSpans,
  sum(e * w) AS errorWeight, sum(s * w) AS total, min(least) AS minimum, max(most) AS maximum,
  argMax(trace, most) AS exemplar, min(w) AS weightMin, max(w) AS weightMax`;

/** Of one segment: a row for each weight, which is one row where there are no weights. */
const ALONE = `c AS spans, c * w AS weight, e AS errorSpans, e * w AS errorWeight, s * w AS total,
  least AS minimum, most AS maximum, trace AS exemplar, w AS weightMin, w AS weightMax,
  finalizeAggregation(sketch) AS quantiles`;

/** 0.01 is the relative accuracy of the sketch, as the projections have it. */
const levels = ({ quantiles }: LatencyQuestion): string => ['0.01', ...quantiles].join(', ');

const AGGREGATES = `count() AS c, countIf(StatusCode = 'Error') AS e, sum(Duration) AS s,
  min(Duration) AS least, max(Duration) AS most, argMax(TraceId, Duration) AS trace`;

const OF_REQUESTS = "SpanKind IN ('Server', 'Consumer')";

const BUCKETS: Readonly<Record<Exclude<Rollup, 'raw'>, { expression: string; ms: number }>> = {
  minute: { expression: 'toStartOfMinute(Timestamp)', ms: MINUTE_MS },
  hour: { expression: "toStartOfHour(Timestamp, 'UTC')", ms: HOUR_MS },
  day: { expression: "toStartOfDay(Timestamp, 'UTC')", ms: DAY_MS },
};

function segmentSql(segment: Segment, question: LatencyQuestion): string {
  const { stepMs, groupBy, chosen, isOfRequests = false, exact } = question;
  const columns = groupBy.map((key) => `${KEYS[key]} AS ${key}`);
  const sketch = exact ? 'groupArray(Duration) AS durations'
    : `quantilesDDState(${levels(question)})(Duration) AS sketch`;
  const conditions = chosen.map((key) => ` AND ${KEYS[key]} = {${key}:String}`).join('')
    + (isOfRequests ? ` AND ${OF_REQUESTS}` : '');
  return `SELECT ${[`${stepOf(segment, stepMs)} AS step`, ...columns].join(', ')},
    SampleWeight AS w, ${AGGREGATES}, ${sketch}
    FROM otel_traces WHERE ${within(segment)}${conditions}
    GROUP BY ${['step', ...groupBy, 'w'].join(', ')}`;
}

function stepOf({ rollup }: Segment, stepMs: number | null): string {
  if (stepMs === null) return '0';
  if (rollup === 'raw') return `intDiv(toUnixTimestamp64Milli(Timestamp), ${stepMs})`;
  return `intDiv(toUnixTimestamp(${BUCKETS[rollup].expression}), ${stepMs / 1000})`;
}

function within({ rollup, fromMs, toMs }: Segment): string {
  if (rollup === 'raw') {
    // The five minutes are the front of the order key.
    return `toStartOfFiveMinutes(Timestamp) >= toStartOfFiveMinutes(${dateTime(fromMs)})
      AND toStartOfFiveMinutes(Timestamp) <= ${dateTime(toMs)}
      AND Timestamp >= fromUnixTimestamp64Nano(${fromMs}000000)
      AND Timestamp < fromUnixTimestamp64Nano(${toMs}000000)`;
  }
  const { expression, ms } = BUCKETS[rollup];
  return `${expression} BETWEEN toDateTime(${fromMs / 1000}) AND toDateTime(${(toMs - ms) / 1000})`;
}

/** The whole second, within what a DateTime can say. */
function dateTime(ms: number): string {
  return `toDateTime(${Math.min(Math.max(Math.floor(ms / 1000), 0), DATE_TIME_MAX)})`;
}

/**
 * The duration of rank `floor(q * (n - 1))`, which is the one that the sketch is near to. With
 * weights, a duration counts as many sixteenths as its weight has.
 */
function exactQuantiles({ quantiles, weighted }: LatencyQuestion): string {
  const list = quantiles.join(', ');
  if (!weighted) {
    return `arrayMap(level -> arraySort(groupArrayArray(durations))[
      toUInt64(floor(level * (spans - 1))) + 1], [${list}])`;
  }
  return `quantilesExactWeightedArray(${list})(durations,
    arrayWithConstant(length(durations), ${SIXTEENTHS}))`;
}

const SIXTEENTHS = `toUInt64(least(greatest(round(w * ${limits.weightScale}), 1),
  ${2 ** limits.weightBits - 1}))`;

/** Each sketch as often as its weight says, in pieces. */
function multipliedSql(question: LatencyQuestion, by: string, union: string): string {
  const powers = Array.from({ length: limits.weightBits }, (_, bit) =>
    `bit = ${bit}, sketch * ${2 ** bit}`);
  return `SELECT ${by}, multiIf(${powers.slice(0, -1).join(', ')},
      sketch * ${2 ** (limits.weightBits - 1)}) AS sketch
    FROM (SELECT ${by}, bit, quantilesDDMergeState(${levels(question)})(part) AS sketch
      FROM (SELECT ${by}, w, sketch AS part FROM (${union}))
      ARRAY JOIN bitPositionsToArray(${SIXTEENTHS}) AS bit GROUP BY ${by}, bit)`;
}
