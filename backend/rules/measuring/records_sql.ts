// Statements about logs and spans: sums over the records of a window, or of many windows, by the
// fields of a batch.
//
// Two ways to the same numbers:
// - From the records: each condition is that of an aggregate (`countIf(…)`).
// - From rollups (schema/007), where they know every field that is asked about and the period is
//   long: rows by the rollup's own columns first, in a shape that ClickHouse answers from the
//   projection; then the conditions over these. Ragged ends come from the records, in that shape.
//
// Windows over time are made of slices, the longest that lie whole in every window: sums of a slice
// are computed once, and a window adds up those of its slices.
//
// A span counts as many times as its sender's sampling says (SampleWeight, schema/007): rates and
// shares are those of the spans that were made. Quantiles are those of DDSketch, as in the rollups:
// within 1 % of the value; where an answer shows that spans have weights, it is asked for once more
// with these, from the records.

import type { Signal } from '../../../proto/otlp/model.ts';
import { planSegments, type Segment } from '../../latency/plan.ts';
import { compileSearch, LEVEL_SQL } from '../../search/sql.ts';
import type { SearchNode } from '../../search/node.ts';
import { NUMBERS_AS_JSON, type OwnStatement } from './asking.ts';
import type { Batch, Column, Window } from './batches.ts';
import { LOG_LEVEL, numberSql, rolledUpColumns, textSql } from './fields.ts';

export const limits = {
  /** A shorter window is read from the records. */
  rollupMsMin: 15 * 60_000,
  /** The same for the times of the newest records, which rollups know by the minute only. */
  rollupLastMsMin: 6 * 3_600_000,
  /** Searches of which a statement leaves out records that fit none; of more it reads all. */
  narrowingMax: 20,
} as const;

/** Windows of `overMs` that end at multiples of `stepMs`, the first and the last end inside. */
export interface Windows {
  readonly stepMs: number;
  readonly overMs: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

export interface RecordsOptions {
  /** Many windows instead of that of the batch; null for that alone. */
  readonly windows: Windows | null;
  readonly rowsMax: number;
  /** Quantiles with the weights of spans. */
  readonly isWeighted?: boolean;
}

export type RecordsBatch = Pick<Batch<unknown>, 'signal' | 'window' | 'keys' | 'only'
  | 'conditions' | 'columns'>;

/**
 * Rows with `k0`, `k1`, … of the keys, `a0`, `a1`, … of the columns; of many windows also `at`, the
 * number of the step with which it ends; of spans with quantiles also `weightMax`, the greatest
 * weight. Throws SearchError, UnmeasurableError.
 */
export function recordsSql(batch: RecordsBatch, options: RecordsOptions): OwnStatement {
  const writer = new Writer(batch, options);
  const { rowsMax } = options;
  const { sql, settings } = writer.statement(rowsMax);
  return { sql, params: writer.params, settings: { ...NUMBERS_AS_JSON, ...settings }, rowsMax };
}

const TABLES: Readonly<Record<Signal, string>> = {
  logs: 'otel_logs', traces: 'otel_traces', metrics: '',
};

const LEVEL_ERROR = 17;
const SKETCH = '0.01';
const MINUTE_MS = 60_000;
const NS_IN_MS = '000000';

/** As latency/latency.ts: rollups are found without the indexes of the records. */
const ROLLUP_SETTINGS = { optimize_use_projections: 1, use_skip_indexes: 0 };

class Writer {
  readonly params: Record<string, unknown> = {};
  private readonly batch: RecordsBatch;
  private readonly windows: Windows | null;
  private readonly keys: readonly string[];
  private readonly conditions: readonly string[];
  private readonly sliceMs: number;
  private readonly isWeighted: boolean;
  /** Nobody knows yet whether there are weights that count. */
  private readonly tellsWeight: boolean;

  constructor(batch: RecordsBatch, { windows, isWeighted = false }: RecordsOptions) {
    this.batch = batch;
    this.windows = windows;
    this.isWeighted = isWeighted;
    this.tellsWeight = batch.signal === 'traces' && !isWeighted
      && batch.columns.some(({ kind }) => kind === 'quantile');
    this.keys = batch.keys.map(({ name }, index) =>
      this.take(textSql(name, batch.signal, `k${index}`)));
    this.conditions = batch.conditions.map((node, index) => (node.type === 'all' ? ''
      : this.take(compileSearch(node, batch.signal, `c${index}_`))));
    this.sliceMs = windows === null ? 0 : greatestDivisor(windows.stepMs, windows.overMs);
  }

  statement(rowsMax: number): Pick<OwnStatement, 'sql' | 'settings'> {
    const rolled = this.rolledUp();
    if (rolled !== null) {
      return { sql: this.fromRollups(rolled, rowsMax), settings: ROLLUP_SETTINGS };
    }
    const { windows } = this;
    if (windows === null) {
      return { settings: {}, sql: `SELECT ${this.list(this.names(), this.partials(''))}
        FROM ${this.table()} WHERE ${this.within(this.batch.window)}${this.narrowing()}
        ${groupBy(this.keyNames())} LIMIT ${rowsMax + 1}` };
    }
    const slices = `SELECT ${this.list([`${this.sliceSql()} AS slice`], this.names(),
      this.partials('State'))}
      FROM ${this.table()} WHERE ${this.within(this.batch.window)}${this.narrowing()}
      ${groupBy(['slice', ...this.keyNames()])}`;
    const merged = [...this.batch.columns.map((column, index) =>
      mergeSql(column, index, this.isWeighted)), ...this.weight('max(weightMax)')];
    return { settings: {}, sql: `SELECT ${this.list(['at'], this.keyNames(), merged)}
      FROM (${slices}) ${this.windowJoin(windows)}
      ${groupBy(['at', ...this.keyNames()])} LIMIT ${rowsMax + 1}` };
  }

  private take({ sql, params }: { sql: string; params: Readonly<Record<string, unknown>> }) {
    Object.assign(this.params, params);
    return sql;
  }

  private weight = (sql: string): string[] =>
    (this.tellsWeight ? [`${sql} AS weightMax`] : []);
  private table = (): string => TABLES[this.batch.signal];
  private keyNames = (): string[] => this.keys.map((_, index) => `k${index}`);
  private names = (): string[] => this.keys.map((sql, index) => `${sql} AS k${index}`);
  private list = (...parts: (readonly string[])[]): string => parts.flat().join(', ');
  private sliceSql = (): string =>
    `intDiv(toUnixTimestamp64Milli(Timestamp), ${this.sliceMs})`;

  /** The columns over records. */
  private partials(state: '' | 'State'): string[] {
    const { batch: { columns, signal } } = this;
    const { isWeighted } = this;
    return [...columns.map((column, index) => {
      const condition = this.conditions[column.condition]!;
      const sql = partialSql(column, { signal, condition, state, isWeighted,
        number: () => this.take(numberSql(column.field, signal, `f${index}`)),
        text: () => this.take(textSql(column.field, signal, `f${index}`)) });
      return `${sql} AS a${index}`;
    }), ...this.weight('max(SampleWeight)')];
  }

  /** Every window that a slice lies in. */
  private windowJoin({ stepMs, overMs, firstMs, lastMs }: Windows): string {
    const { sliceMs } = this;
    const first = `intDiv((slice + 1) * ${sliceMs} + ${stepMs - 1}, ${stepMs})`;
    const last = `intDiv(slice * ${sliceMs} + ${overMs}, ${stepMs})`;
    return `ARRAY JOIN range(toUInt64(greatest(${first}, ${firstMs / stepMs})),
      toUInt64(least(${last}, ${lastMs / stepMs}) + 1)) AS at`;
  }

  /** The five minutes are the front of the order key. */
  private within({ fromMs, toMs }: Window): string {
    return `toStartOfFiveMinutes(Timestamp) >= toStartOfFiveMinutes(${dateTime(fromMs)})
      AND toStartOfFiveMinutes(Timestamp) <= ${dateTime(toMs)}
      AND Timestamp >= fromUnixTimestamp64Nano(${fromMs}${NS_IN_MS})
      AND Timestamp < fromUnixTimestamp64Nano(${toMs}${NS_IN_MS})`;
  }

  /** Keys that must have one of a few values. */
  private chosen(): string {
    return this.batch.keys.map(({ id }, index) => {
      const values = this.batch.only.get(id);
      if (values === undefined) return '';
      this.params[`only${index}`] = values;
      const column = /^toString\((\w+)\)$/.exec(this.keys[index]!)?.[1];
      return ` AND ${column ?? this.keys[index]} IN {only${index}:Array(String)}`;
    }).join('');
  }

  /** Records that fit at least one of the searches. */
  private narrowing(): string {
    const distinct = this.conditions;
    if (distinct.includes('') || distinct.length > limits.narrowingMax) return this.chosen();
    return `${this.chosen()} AND (${distinct.join(' OR ')})`;
  }

  /** The columns of the rollup that are needed; null when it cannot answer. */
  private rolledUp(): string[] | null {
    const { batch: { signal, columns, keys, conditions, window } } = this;
    const isTimed = columns.some(({ kind }) => kind === 'last');
    const leastMs = isTimed ? limits.rollupLastMsMin : limits.rollupMsMin;
    if (this.isWeighted || (isTimed && this.windows !== null)) return null;
    if (window.toMs - window.fromMs < leastMs || this.sliceMs % MINUTE_MS !== 0) return null;
    const found = new Set<string>();
    const fields = [...keys.map(({ name }) => name), ...conditions.flatMap(fieldsIn)];
    for (const field of fields) {
      const known = rolledUpColumns(field, signal);
      if (known === null) return null;
      for (const column of known) found.add(column);
    }
    for (const { kind, field } of columns) {
      if (field !== '' && (signal === 'logs' || kind === 'distinct' || !isDuration(field))) {
        return null;
      }
      if (kind === 'errors' && signal === 'logs') LOG_LEVEL.forEach((one) => found.add(one));
    }
    return [...found].sort();
  }

  private fromRollups(columns: readonly string[], rowsMax: number): string {
    const { batch: { window, signal }, windows } = this;
    const isTimed = this.batch.columns.some(({ kind }) => kind === 'last');
    const stepMs = signal === 'logs' || isTimed ? MINUTE_MS
      : windows === null ? null : this.sliceMs;
    const union = planSegments(window, stepMs).map((segment) =>
      this.segment(segment, columns, isTimed)).join('\nUNION ALL\n');
    const at = windows === null ? [] : ['at'];
    const merged = [...this.batch.columns.map((column, index) =>
      `${rolledSql(column, this.conditions[column.condition]!, signal)} AS a${index}`),
    ...this.weight('max(w)')];
    return `SELECT ${this.list(at, this.names(), merged)}
      FROM (${union}) ${windows === null ? '' : this.windowJoin(windows)}
      ${groupBy([...at, ...this.keyNames()])} LIMIT ${rowsMax + 1}`;
  }

  private segment({ rollup, fromMs, toMs }: Segment, columns: readonly string[], isTimed: boolean) {
    const bucket = BUCKETS[rollup];
    const slice = this.windows === null ? [] : [`${bucket === undefined ? this.sliceSql()
      : `intDiv(toUnixTimestamp(${bucket.sql}), ${this.sliceMs / 1000})`} AS slice`];
    const until = !isTimed ? [] : [`${bucket === undefined
      ? '(intDiv(toUnixTimestamp64Milli(Timestamp), 1000) + 1) * 1000'
      : `toInt64(toUnixTimestamp(${bucket.sql}) + ${bucket.ms / 1000}) * 1000`} AS until`];
    const within = bucket === undefined ? this.within({ fromMs, toMs })
      : `${bucket.sql} BETWEEN ${dateTime(fromMs)} AND ${dateTime(toMs - bucket.ms)}`;
    const isSpans = this.batch.signal === 'traces';
    const sums = isSpans ? ['SampleWeight AS w', ...this.spanSums()] : ['count() AS c'];
    return `SELECT ${this.list(columns, slice, until, sums)} FROM ${this.table()}
      WHERE ${within}${this.chosen()}
      ${groupBy([...columns, ...slice.map(() => 'slice'), ...until.map(() => 'until'),
    ...isSpans ? ['w'] : []])}`;
  }

  /** Those that the projections have, as they are written there. */
  private spanSums(): string[] {
    const kinds = new Set(this.batch.columns.map(({ kind }) => kind));
    const has = (...wanted: Column['kind'][]) => wanted.some((kind) => kinds.has(kind));
    return ['count() AS c', ...has('errors') ? ["countIf(StatusCode = 'Error') AS e"] : [],
      ...has('sum') ? ['sum(Duration) AS s'] : [], ...has('min') ? ['min(Duration) AS least'] : [],
      ...has('max') ? ['max(Duration) AS most'] : [], ...has('quantile')
        ? [`quantilesDDState(${SKETCH}, 0.5, 0.95, 0.99)(Duration) AS sketch`] : []];
  }
}

const BUCKETS: Readonly<Record<string, { readonly sql: string; readonly ms: number }>> = {
  minute: { sql: 'toStartOfMinute(Timestamp)', ms: MINUTE_MS },
  hour: { sql: "toStartOfHour(Timestamp, 'UTC')", ms: 60 * MINUTE_MS },
  day: { sql: "toStartOfDay(Timestamp, 'UTC')", ms: 1440 * MINUTE_MS },
};

const isDuration = (field: string): boolean => field.toLowerCase() === 'duration';

const groupBy = (names: readonly string[]): string =>
  (names.length === 0 ? '' : `GROUP BY ${names.join(', ')}`);

function fieldsIn(node: SearchNode): string[] {
  switch (node.type) {
    case 'all': return [];
    case 'not': return fieldsIn(node.part);
    case 'term': return [node.field];
    default: return node.parts.flatMap(fieldsIn);
  }
}

const DATE_TIME_MAX = 2 ** 32 - 1;

/** The whole second, within what a DateTime can say. */
const dateTime = (ms: number): string =>
  `toDateTime(${Math.min(Math.max(Math.floor(ms / 1000), 0), DATE_TIME_MAX)})`;

export function greatestDivisor(one: number, other: number): number {
  return other === 0 ? one : greatestDivisor(other, one % other);
}

interface Partial {
  readonly signal: Signal;
  /** '' for all records. */
  readonly condition: string;
  readonly state: '' | 'State';
  readonly isWeighted: boolean;
  readonly number: () => string;
  readonly text: () => string;
}

/** A sum over records; `State` where slices are added up later and a number would not do. */
function partialSql({ kind, levels }: Column, part: Partial): string {
  const { signal, condition, state, isWeighted } = part;
  const isSpans = signal === 'traces';
  const counted = (also = '') => (isSpans ? over('sum', WEIGHT, also) : over('count', '', also));
  const over = (name: string, value: string, also = '') => {
    const all = [also, condition].filter((one) => one !== '').join(' AND ');
    const list = [value, all].filter((one) => one !== '').join(', ');
    return `${all === '' ? name : withIf(name)}(${list})`;
  };
  switch (kind) {
    case 'count': return counted();
    case 'errors': return counted(errorSql(signal));
    case 'number': return counted(`isNotNull(${part.number()})`);
    case 'sum': return over('sumOrNull', isSpans ? `${part.number()} * ${WEIGHT}` : part.number());
    case 'min': case 'max': return over(`${kind}OrNull`, part.number());
    case 'last': return over('maxOrNull', 'toUnixTimestamp64Milli(Timestamp)');
    case 'distinct': {
      const text = part.text();
      return over(`uniq${state}`, text, `${text} != ''`);
    }
    default: return isWeighted
      ? over(`${WEIGHTED}${state}(${levels.join(', ')})`, `${part.number()}, ${SIXTEENTHS}`)
      : over(`quantilesDD${state}(${SKETCH}, ${levels.join(', ')})`, part.number());
  }
}

const WEIGHT = 'SampleWeight';
const WEIGHTED = 'quantilesTDigestWeighted';
/** Whole numbers, as in latency/sql.ts. */
const SIXTEENTHS = `toUInt64(least(greatest(round(${WEIGHT} * 16), 1), 16777215))`;

/** The combinator stands in front of the parameters. */
const withIf = (name: string): string => {
  const at = name.indexOf('(');
  return at < 0 ? `${name}If` : `${name.slice(0, at)}If${name.slice(at)}`;
};

const errorSql = (signal: Signal): string =>
  (signal === 'logs' ? `${LEVEL_SQL.logs} >= ${LEVEL_ERROR}` : "StatusCode = 'Error'");

/** Slices into a window. */
function mergeSql({ kind, levels }: Column, index: number, isWeighted: boolean): string {
  const name = `a${index}`;
  switch (kind) {
    case 'min': case 'max': return `${kind}(${name}) AS ${name}`;
    case 'last': return `max(${name}) AS ${name}`;
    case 'distinct': return `uniqMerge(${name}) AS ${name}`;
    case 'quantile': {
      const list = levels.join(', ');
      return `${isWeighted ? `${WEIGHTED}Merge(${list})` : `quantilesDDMerge(${SKETCH}, ${list})`}`
        + `(${name}) AS ${name}`;
    }
    default: return `sum(${name}) AS ${name}`;
  }
}

/** A sum over rows of rollups. */
function rolledSql({ kind, levels }: Column, condition: string, signal: Signal): string {
  const over = (name: string, value: string, also = '') => {
    const all = [also, condition].filter((one) => one !== '').join(' AND ');
    return all === '' ? `${name}(${value})` : `${withIf(name)}(${value}, ${all})`;
  };
  switch (kind) {
    case 'count': case 'number': return over('sum', signal === 'logs' ? 'c' : 'c * w');
    case 'errors': return signal === 'logs' ? over('sum', 'c', errorSql(signal))
      : over('sum', 'e * w');
    case 'sum': return over('sumOrNull', 's * w');
    case 'min': return over('minOrNull', 'least');
    case 'max': return over('maxOrNull', 'most');
    case 'last': return over('maxOrNull', 'until');
    default: return over(`quantilesDDMerge(${SKETCH}, ${levels.join(', ')})`, 'sketch');
  }
}
