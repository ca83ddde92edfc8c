// Points of a metric as SQL: each series alone within a step first, then those of a group together.
//
// What was added is told in two ways. Delta points say it themselves. Cumulative ones count from
// their start: what a point adds is what it is above the point before it in its series, or all of
// it when it counts from a newer start or is below (the counter began anew). The first point that
// is seen adds nothing unless its start is seen, too; so the points of `LOOKBACK_MS` before the
// period are read along. Source: OpenTelemetry metrics data model, "Resets and gaps".

import { labelSql } from './labels.ts';
import { TABLES, type MetricFunction, type MetricQuestion } from './question.ts';

/** A series that is silent for longer begins anew. */
export const LOOKBACK_MS = 10 * 60_000;

export interface Statement {
  readonly sql: string;
  readonly params: Readonly<Record<string, unknown>>;
}

interface Pieces {
  /** `… AS label0, … AS label1`, with a comma at the end. */
  readonly labels: string;
  /** `label0, label1`, with a comma at the end. */
  readonly names: string;
  /** `… AS step`, where points are grouped by it at once. */
  readonly step: string;
  /** The same where points are looked at one after the other first, and the grouping around it. */
  readonly inside: string;
  readonly around: string;
  readonly where: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** Levels: `last`, `avg`, `min`, `max`, `count` of the points of a step. */
export function levelSql(question: MetricQuestion, rowsMax: number): Statement {
  const { labels, names, step, where, params } = piecesOf(question, question.fromMs);
  return { params, sql: `SELECT ${names} step, ${question.aggregate}(value) AS value
    FROM (SELECT ${labels} ${SERIES} AS series, ${step},
        ${overTimeSql(question.function)} AS value
      FROM ${TABLES[question.type]} WHERE ${where}
      GROUP BY ${names} series, step)
    GROUP BY ${names} step ORDER BY ${names} step LIMIT ${rowsMax + 1}` };
}

/** What was added to a sum in a step, by group. */
export function increaseSql(question: MetricQuestion, rowsMax: number): Statement {
  const { labels, names, inside, around, where, params } = piecesOf(question,
    question.fromMs - LOOKBACK_MS);
  return { params, sql: `SELECT ${names} step, ${question.aggregate}(value) AS value
    FROM (SELECT ${names} series, ${around}, sum(${ADDED('value', 'valueBefore')}) AS value
      FROM (SELECT ${labels} ${SERIES} AS series, ${inside}, TimeUnix, StartTimeUnix,
          AggregationTemporality, Value AS value, ${BEFORE},
          lagInFrame(Value) OVER one AS valueBefore,
          Value < valueBefore AS isBelow
        FROM ${TABLES[question.type]} WHERE ${where} ${WINDOW})
      WHERE ${IN_PERIOD} AND ${IS_KNOWN}
      GROUP BY ${names} series, step)
    GROUP BY ${names} step ORDER BY ${names} step LIMIT ${rowsMax + 1}` };
}

/** Observations and their sum, of histograms and summaries. */
export function observationsSql(question: MetricQuestion, rowsMax: number): Statement {
  const { labels, names, inside, around, where, params } = piecesOf(question,
    question.fromMs - LOOKBACK_MS);
  const temporality = question.type === 'summary' ? '2 AS AggregationTemporality'
    : 'AggregationTemporality';
  return { params, sql: `SELECT ${names} ${around},
      sum(${ADDED('count', 'countBefore')}) AS count, sum(${ADDED('total', 'totalBefore')}) AS total
    FROM (SELECT ${labels} ${inside}, TimeUnix, StartTimeUnix, ${temporality},
        toFloat64(Count) AS count, Sum AS total, ${BEFORE},
        lagInFrame(toFloat64(Count)) OVER one AS countBefore,
        lagInFrame(Sum) OVER one AS totalBefore, count < countBefore AS isBelow
      FROM ${TABLES[question.type]} WHERE ${where} ${WINDOW})
    WHERE ${IN_PERIOD} AND ${IS_KNOWN}
    GROUP BY ${names} step ORDER BY ${names} step LIMIT ${rowsMax + 1}` };
}

/** Counts of the buckets of histograms, for each set of bounds. */
export function bucketsSql(question: MetricQuestion, rowsMax: number): Statement {
  const { labels, names, inside, around, where, params } = piecesOf(question,
    question.fromMs - LOOKBACK_MS);
  return { params, sql: `SELECT ${names} ${around}, bounds,
      sumForEach(arrayMap((n, at) -> greatest(0., n - if(isFresh, 0., buckets[at])),
        now, arrayEnumerate(now))) AS counts
    FROM (SELECT ${labels} ${inside}, TimeUnix, StartTimeUnix, AggregationTemporality,
        ExplicitBounds AS bounds, arrayMap(n -> toFloat64(n), BucketCounts) AS now, ${BEFORE},
        lagInFrame(arrayMap(n -> toFloat64(n), BucketCounts)) OVER one AS buckets,
        Count < lagInFrame(Count) OVER one
          OR bounds != lagInFrame(ExplicitBounds) OVER one AS isBelow,
        ${IS_FRESH} AS isFresh
      FROM ${TABLES[question.type]} WHERE ${where} ${WINDOW})
    WHERE ${IN_PERIOD} AND ${IS_KNOWN}
    GROUP BY ${names} step, bounds ORDER BY ${names} step LIMIT ${rowsMax + 1}` };
}

/**
 * Counts of the buckets of exponential histograms, all at the coarsest scale that was sent: a
 * bucket of a finer one lies within one of a coarser one. What a cumulative point adds is its
 * buckets less those of the point before it.
 */
export function exponentialSql(question: MetricQuestion, rowsMax: number): Statement {
  const { labels, names, inside, around, where, params } = piecesOf(question,
    question.fromMs - LOOKBACK_MS);
  const table = TABLES[question.type];
  const side = (name: string) => `sumMap(arrayConcat(${indices(name)}, ${indices(name, 'Before')}),
      arrayConcat(${name}Counts, arrayMap(n -> if(isFresh, 0, -n), ${name}CountsBefore)))
      AS ${name}`;
  const columns = (name: string, lower: string) => `${name}Offset AS ${lower}Offset,
      arrayMap(n -> toInt64(n), ${name}BucketCounts) AS ${lower}Counts,
      lagInFrame(${name}Offset) OVER one AS ${lower}OffsetBefore,
      lagInFrame(arrayMap(n -> toInt64(n), ${name}BucketCounts)) OVER one AS ${lower}CountsBefore`;
  return { params, sql: `WITH (SELECT min(Scale) FROM ${table} WHERE ${where}) AS coarsest
    SELECT ${names} ${around}, coarsest AS scale, ${side('positive')}, ${side('negative')},
      sum(toInt64(zero) - if(isFresh, 0, toInt64(zeroBefore))) AS zeros
    FROM (SELECT ${labels} ${inside}, TimeUnix, StartTimeUnix, AggregationTemporality, Scale,
        ${columns('Positive', 'positive')}, ${columns('Negative', 'negative')},
        lagInFrame(Scale) OVER one AS ScaleBefore,
        ZeroCount AS zero, lagInFrame(ZeroCount) OVER one AS zeroBefore, ${BEFORE},
        Count < lagInFrame(Count) OVER one AS isBelow, ${IS_FRESH} AS isFresh
      FROM ${table} WHERE ${where} ${WINDOW})
    WHERE ${IN_PERIOD} AND ${IS_KNOWN}
    GROUP BY ${names} step ORDER BY ${names} step LIMIT ${rowsMax + 1}` };
}

/** Indices of buckets at the coarsest scale. */
const indices = (name: string, when = ''): string =>
  `arrayMap(at -> toInt32(floor((${name}Offset${when} + at - 1) `
  + `/ exp2(Scale${when} - coarsest))), arrayEnumerate(${name}Counts${when}))`;

/** Quantiles that senders have computed themselves; of several series the highest. */
export function summarySql(question: MetricQuestion, rowsMax: number): Statement {
  const { labels, names, step, where, params } = piecesOf(question, question.fromMs);
  return { params, sql: `SELECT ${names} step, level, max(value) AS value
    FROM (SELECT ${labels} ${SERIES} AS series, ${step}, level,
        argMax(one, TimeUnix) AS value
      FROM ${TABLES[question.type]}
      ARRAY JOIN ValueAtQuantiles.Quantile AS level, ValueAtQuantiles.Value AS one
      WHERE ${where} GROUP BY ${names} series, step, level)
    GROUP BY ${names} step, level ORDER BY ${names} level, step LIMIT ${rowsMax + 1}` };
}

/** What tells one series from another. */
const SERIES = 'sipHash128(MetricName, ServiceName, ResourceAttributes, ScopeName, '
  + 'ScopeVersion, ScopeAttributes, Attributes)';

const WINDOW = `WINDOW one AS (PARTITION BY ${SERIES} ORDER BY TimeUnix
          ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)`;

/** Delta, or the counter began anew after the point before. */
const IS_FRESH = '(AggregationTemporality = 1 OR isFirst OR isBelow OR StartTimeUnix > timeBefore)';

const BEFORE = `count() OVER one = 1 AS isFirst, lagInFrame(TimeUnix) OVER one AS timeBefore`;

/** What a point adds. */
const ADDED = (now: string, before: string): string => `${now} - if(${IS_FRESH}, 0, ${before})`;

/** All but the first point of a counter that began before anybody looked. */
const IS_KNOWN = `(AggregationTemporality = 1 OR NOT isFirst
        OR StartTimeUnix >= fromUnixTimestamp64Milli({from:Int64}))`;

const IN_PERIOD = 'TimeUnix >= fromUnixTimestamp64Milli({from:Int64})';

function piecesOf(question: MetricQuestion, readFromMs: number): Pieces {
  const found = question.groupBy.map((name, index) => labelSql(name, `label${index}`)!);
  const { fromMs, toMs, metric, metrics, only } = question;
  return {
    labels: found.map(({ sql }, index) => `${sql} AS label${index}, `).join(''),
    names: found.map((_, index) => `label${index}, `).join(''),
    ...stepsOf(question),
    where: `MetricName ${metrics === undefined ? '= {metric:String}' : 'IN {metrics:Array(String)}'}
      AND TimeUnix >= fromUnixTimestamp64Milli({readFrom:Int64})
      AND TimeUnix < fromUnixTimestamp64Milli({to:Int64})
      AND bitAnd(Flags, 1) = 0 AND ${only.sql}`,
    params: {
      ...only.params, ...Object.assign({}, ...found.map(({ params }) => params)),
      ...(metrics === undefined ? { metric } : { metrics }),
      from: fromMs, readFrom: readFromMs, to: toMs,
    },
  };
}

function stepsOf({ stepMs, windowMs, fromMs, toMs }: MetricQuestion): Pick<Pieces, 'step'
  | 'inside' | 'around'> {
  const atMs = 'toUnixTimestamp64Milli(TimeUnix)';
  if (stepMs === null || windowMs === undefined) {
    const step = `${stepMs === null ? '0' : `intDiv(${atMs}, ${stepMs})`} AS step`;
    return { step, inside: step, around: 'step' };
  }
  // A point lies in every window that ends behind it and begins before it, or with it.
  const [first, last] = [Math.ceil((fromMs + windowMs) / stepMs), Math.floor(toMs / stepMs)];
  const steps = `range(toUInt64(greatest(intDiv(${atMs}, ${stepMs}) + 1, ${first})),
        toUInt64(least(intDiv(${atMs} + ${windowMs}, ${stepMs}), ${last}) + 1))`;
  return { step: `arrayJoin(${steps}) AS step`, inside: `${steps} AS steps`,
    around: 'arrayJoin(steps) AS step' };
}

/** The newest point of each group, in milliseconds since 1970. Of any table of metrics. */
export function lastPointSql(question: MetricQuestion, rowsMax: number): Statement {
  const { labels, names, step, where, params } = piecesOf(question, question.fromMs);
  return { params, sql: `SELECT ${labels} ${step},
      max(toUnixTimestamp64Milli(TimeUnix)) AS value
    FROM ${TABLES[question.type]} WHERE ${where}
    GROUP BY ${names} step ORDER BY ${names} step LIMIT ${rowsMax + 1}` };
}

const OVER_TIME: Readonly<Partial<Record<MetricFunction, string>>> = {
  last: 'argMax(Value, TimeUnix)', avg: 'avg(Value)', min: 'min(Value)', max: 'max(Value)',
  count: 'toFloat64(count())',
};

function overTimeSql(name: MetricFunction): string {
  const sql = OVER_TIME[name];
  if (sql === undefined) throw new TypeError(`${name} is not a function of levels`);
  return sql;
}
