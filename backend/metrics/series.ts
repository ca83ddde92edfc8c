// A metric over time: the statement that a question needs, and its rows as series of points.

import type { Caller } from '../access/roles.ts';
import type { Desk } from '../query/desk.ts';
import { explicitQuantile, exponentialQuantile } from './quantiles.ts';
import { asksForIncrease, type MetricQuestion } from './question.ts';
import { bucketsSql, exponentialSql, increaseSql, lastPointSql, levelSql, observationsSql,
  summarySql, type Statement } from './sql.ts';

export interface MetricPoint {
  /** Begin of the step, of the period for one point, or the end of a window; ms since 1970. */
  readonly atMs: number;
  /** Null where there is nothing to tell, such as a mean of no observations. */
  readonly value: number | null;
}

export interface MetricSeries {
  /** Values of the labels of `groupBy`; `quantile` besides where quantiles were asked for. */
  readonly labels: Readonly<Record<string, string>>;
  readonly points: readonly MetricPoint[];
}

export interface SeriesReader {
  readonly desk: Pick<Desk, 'rows'>;
  readonly caller: Caller;
  readonly abort: AbortSignal;
  /** More rows than this are null. */
  readonly rowsMax: number;
}

/** Null when there are more points than the reader takes. Throws QueryError. */
export async function readSeries(
  reader: SeriesReader,
  question: MetricQuestion,
): Promise<MetricSeries[] | null> {
  if (!asksForIncrease(question.function)) {
    return plainSeries(reader, question, levelSql(question, reader.rowsMax), (row) => row.value);
  }
  if (question.function === 'quantile') return quantileSeries(reader, question);
  if (question.type === 'sum') {
    const statement = increaseSql(question, reader.rowsMax);
    return plainSeries(reader, question, statement, (row) => overTime(question, row, row.value));
  }
  const statement = observationsSql(question, reader.rowsMax);
  return plainSeries(reader, question, statement, (row) => (question.function === 'average'
    ? ratio(row.total, row.count) : overTime(question, row, row.count)));
}

/** When the newest point of each group was. Null and errors as `readSeries`. */
export const readLastPoints = (
  reader: SeriesReader,
  question: MetricQuestion,
): Promise<MetricSeries[] | null> =>
  plainSeries(reader, question, lastPointSql(question, reader.rowsMax), ({ value }) => value);

const ratio = (value: number, by: number): number | null => (by > 0 ? value / by : null);

interface Row {
  readonly step: number;
  readonly value: number;
  readonly count: number;
  readonly total: number;
  /** `label0`, `label1`, … */
  readonly [label: `label${number}`]: string;
}

const FORMAT = {
  output_format_json_quote_64bit_integers: 0,
  output_format_json_quote_denormals: 0,
};

async function rowsOf<R extends Row>(
  { desk, caller, abort, rowsMax }: SeriesReader,
  { sql, params }: Statement,
): Promise<R[] | null> {
  const settings = { ...FORMAT, max_result_rows: rowsMax + 1 };
  const rows = await desk.rows<R>({ sql, params, settings }, caller, abort);
  return rows.length > rowsMax ? null : rows;
}

async function plainSeries(
  reader: SeriesReader,
  question: MetricQuestion,
  statement: Statement,
  valueOf: (row: Row) => number | null,
): Promise<MetricSeries[] | null> {
  const rows = await rowsOf<Row>(reader, statement);
  if (rows === null) return null;
  return groupsOf(rows, question).map(({ labels, rows: own }) => ({
    labels,
    points: own.map((row) => ({ atMs: beginMs(question, row), value: valueOf(row) })),
  }));
}

interface Group<R> {
  readonly labels: Readonly<Record<string, string>>;
  readonly rows: R[];
}

/** Rows come in the order of their labels. */
function groupsOf<R extends Row>(rows: readonly R[], { groupBy }: MetricQuestion): Group<R>[] {
  const found: Group<R>[] = [];
  let current = '';
  for (const row of rows) {
    const values = groupBy.map((_, index) => row[`label${index}`]);
    const name = JSON.stringify(values);
    if (found.length === 0 || name !== current) {
      const labels = Object.fromEntries(groupBy.map((key, index) => [key, values[index]!]));
      found.push({ labels, rows: [] });
      current = name;
    }
    found.at(-1)!.rows.push(row);
  }
  return found;
}

const beginMs = ({ stepMs, fromMs }: MetricQuestion, { step }: Row): number =>
  (stepMs === null ? fromMs : step * stepMs);

/** `value` for each second of the part of the step that lies in the period; itself otherwise. */
function overTime(question: MetricQuestion, row: Row, value: number): number {
  if (question.function !== 'rate') return value;
  const { fromMs, toMs, stepMs, windowMs } = question;
  if (windowMs !== undefined) return value / (windowMs / 1000);
  const begin = beginMs(question, row);
  const end = stepMs === null ? toMs : begin + stepMs;
  return value / ((Math.min(toMs, end) - Math.max(fromMs, begin)) / 1000);
}

interface BucketRow extends Row {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
}

interface ExponentialRow extends Row {
  readonly scale: number;
  readonly positive: readonly [readonly number[], readonly number[]];
  readonly negative: readonly [readonly number[], readonly number[]];
  readonly zeros: number;
}

interface SummaryRow extends Row {
  readonly level: number;
}

async function quantileSeries(
  reader: SeriesReader,
  question: MetricQuestion,
): Promise<MetricSeries[] | null> {
  if (question.type === 'summary') return summarySeries(reader, question);
  const { rowsMax } = reader;
  if (question.type === 'histogram') {
    const rows = await rowsOf<BucketRow>(reader, bucketsSql(question, rowsMax));
    return rows === null ? null : byLevel(rows, question, explicitQuantile);
  }
  const rows = await rowsOf<ExponentialRow>(reader, exponentialSql(question, rowsMax));
  return rows === null ? null : byLevel(rows, question, ([row], level) => exponentialQuantile({
    scale: row!.scale, zeros: row!.zeros,
    positive: pairsOf(row!.positive), negative: pairsOf(row!.negative),
  }, level));
}

const pairsOf = ([indices, counts]: ExponentialRow['positive']): [number, number][] =>
  indices.map((index, at) => [index, counts[at]!]);

function byLevel<R extends Row>(
  rows: readonly R[],
  question: MetricQuestion,
  valueOf: (rows: readonly R[], level: number) => number | null,
): MetricSeries[] {
  return groupsOf(rows, question).flatMap(({ labels, rows: own }) => {
    const steps = [...new Set(own.map(({ step }) => step))]
      .map((step) => own.filter((row) => row.step === step));
    return question.quantiles.map((level) => ({
      labels: { ...labels, quantile: String(level) },
      points: steps.map((all) =>
        ({ atMs: beginMs(question, all[0]!), value: valueOf(all, level) })),
    }));
  });
}

async function summarySeries(
  reader: SeriesReader,
  question: MetricQuestion,
): Promise<MetricSeries[] | null> {
  const rows = await rowsOf<SummaryRow>(reader, summarySql(question, reader.rowsMax));
  return rows === null ? null : groupsOf(rows, question).flatMap(({ labels, rows: own }) => {
    const levels = [...new Set(own.map(({ level }) => level))];
    return levels.map((level) => ({
      labels: { ...labels, quantile: String(level) },
      points: own.filter((row) => row.level === level)
        .map((row) => ({ atMs: beginMs(question, row), value: row.value })),
    }));
  });
}
