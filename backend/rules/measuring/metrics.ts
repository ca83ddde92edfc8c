// Asks about metrics, for many rules at a time: those of the same kind of metric, function, window
// and labels in one scan, whatever their names.
//
// What a function makes of points, of counters that begin anew and of buckets is metrics/sql.ts.

import type { Caller } from '../../access/roles.ts';
import { functionsOf, METRIC_TYPES, TABLES, type MetricQuestion, type MetricType }
  from '../../metrics/question.ts';
import { readLastPoints, readSeries, type MetricSeries, type SeriesReader }
  from '../../metrics/series.ts';
import type { SearchNode } from '../../search/node.ts';
import { compileSearch } from '../../search/sql.ts';
import type { Aggregate, SignalQuery } from '../model.ts';
import { NUMBERS_AS_JSON, UnmeasurableError, isTooMuch, type Ask } from './asking.ts';
import { limits as batchLimits, restId, type Window } from './batches.ts';
import { fieldId, textSql } from './fields.ts';
import { LAST } from './formula.ts';
import { normalsOf, type Key, type Normal } from './normal.ts';
import { limits as recordLimits, type Answer, type Value } from './records.ts';
import type { Windows } from './records_sql.ts';

export const limits = {
  /** What a name is a metric of is asked again after this time. */
  kindsMs: 10 * 60_000,
  /** Metrics that are known at a time; with more all are forgotten. */
  kindsMax: 10_000,
  /** Metrics of one statement; a batch with more is asked in pieces. */
  metricsMax: 500,
} as const;

export interface MetricsAsked<Asker> {
  readonly asker: Asker;
  readonly query: SignalQuery;
  readonly window: Window;
  /** The time of the newest point, in milliseconds, instead of a value. */
  readonly last?: boolean;
}

export interface MetricsReader {
  readonly ask: Ask;
  readonly abort: AbortSignal;
  readonly kinds: MetricKinds;
  readonly rowsMax?: number;
}

type Kinds = ReadonlyMap<string, readonly MetricType[]>;

/** What kinds of metrics names stand for, as was last seen. */
export class MetricKinds {
  private readonly known =
    new Map<string, { readonly types: MetricType[]; readonly atMs: number }>();

  /** Throws QueryError. */
  async find(
    { ask, abort }: Pick<MetricsReader, 'ask' | 'abort'>,
    names: readonly string[],
    { fromMs, toMs }: Window,
  ): Promise<Kinds> {
    const missing = [...new Set(names)].filter((name) => {
      const one = this.known.get(name);
      return one === undefined || Math.abs(toMs - one.atMs) > limits.kindsMs;
    });
    for (let at = 0; at < missing.length; at += limits.metricsMax) {
      const part = missing.slice(at, at + limits.metricsMax);
      const rows = await ask<{ name: string; type: MetricType }>({
        sql: KINDS_SQL, settings: NUMBERS_AS_JSON, params: { names: part, from: fromMs, to: toMs },
      }, abort);
      if (this.known.size + part.length > limits.kindsMax) this.known.clear();
      for (const name of part) {
        const types = rows.filter((row) => row.name === name).map(({ type }) => type);
        // A metric without points may have some in a moment.
        if (types.length > 0) this.known.set(name, { types, atMs: toMs });
      }
    }
    return new Map(names.map((name) => [name, this.known.get(name)?.types ?? []]));
  }
}

const KINDS_SQL = METRIC_TYPES.map((type) => `SELECT DISTINCT MetricName AS name, '${type}' AS type
  FROM ${TABLES[type]} WHERE MetricName IN {names:Array(String)}
    AND TimeUnix >= fromUnixTimestamp64Milli({from:Int64})
    AND TimeUnix < fromUnixTimestamp64Milli({to:Int64})`).join(' UNION ALL ');

interface Asked<Asker> {
  readonly asker: Asker;
  readonly metric: string;
  readonly type: MetricType;
  readonly normal: Normal;
  readonly window: Window;
  readonly over: (Aggregate & { type: 'metric' }) | null;
}

/** Answers each of them; never throws. */
export async function askMetrics<Asker>(
  reader: MetricsReader,
  questions: ReadonlyArray<MetricsAsked<Asker>>,
  windows: Windows | null = null,
): Promise<Map<Asker, Answer>> {
  const answers = new Map<Asker, Answer>();
  const asked = await asksOf(reader, questions, answers);
  const batches = [...groupsOf(asked).values()];
  const next = async (): Promise<void> => {
    for (let one = batches.shift(); one !== undefined; one = batches.shift()) {
      for (const [asker, answer] of await askBatch(reader, one, windows)) {
        answers.set(asker, answer);
      }
    }
  };
  await Promise.all(Array.from({ length: recordLimits.asksMax }, next));
  return answers;
}

const failed = (error: unknown): Answer => ({ ok: false, error });

async function asksOf<Asker>(
  reader: MetricsReader,
  questions: ReadonlyArray<MetricsAsked<Asker>>,
  answers: Map<Asker, Answer>,
): Promise<Asked<Asker>[]> {
  const sound = questions.filter(({ asker, query }) => {
    try {
      checkMetric(query);
      return true;
    } catch (error) {
      answers.set(asker, failed(error));
      return false;
    }
  });
  // Another condition is another statement here, so every equality is taken out.
  const normals = normalsOf(sound.map(({ query }) => ({ query, formula: LAST })), 1);
  const kinds = await kindsOf(reader, sound);
  const found: Asked<Asker>[] = [];
  for (const [index, { asker, query, window, last = false }] of sound.entries()) {
    try {
      if (!(kinds instanceof Map)) throw kinds;
      const over = last ? null : query.aggregate as Aggregate & { type: 'metric' };
      const type = typeOf(query.metric, (kinds as Kinds).get(query.metric)!, over);
      if (type === null) answers.set(asker, { ok: true, values: [] });
      else {
        found.push({ asker, metric: query.metric, type, window, over, normal: normals[index]! });
      }
    } catch (error) {
      answers.set(asker, failed(error));
    }
  }
  return found;
}

/** What the names stand for, or why that is not known. */
async function kindsOf(
  reader: MetricsReader,
  questions: ReadonlyArray<MetricsAsked<unknown>>,
): Promise<unknown> {
  const window = {
    fromMs: Math.min(...questions.map((one) => one.window.fromMs)),
    toMs: Math.max(...questions.map((one) => one.window.toMs)),
  };
  try {
    return await reader.kinds.find(reader, questions.map(({ query }) => query.metric), window);
  } catch (error) {
    return error;
  }
}

/** Of several types the one that the function is for; null when there is no such metric now. */
function typeOf(
  metric: string,
  types: readonly MetricType[],
  over: (Aggregate & { type: 'metric' }) | null,
): MetricType | null {
  const [first] = types;
  if (first === undefined || over === null) return first ?? null;
  const fitting = types.find((type) => functionsOf(type).includes(over.function));
  if (fitting !== undefined) return fitting;
  throw new UnmeasurableError(`${metric} is a ${first}, which has no ${over.function}`,
    `take one of ${functionsOf(first).join(', ')}`);
}

/** Throws SearchError and UnmeasurableError. */
export function checkMetric(query: SignalQuery): void {
  if (query.metric === '') throw new UnmeasurableError('it names no metric');
  if (query.aggregate.type !== 'metric') {
    throw new UnmeasurableError(`a metric is not asked for its ${query.aggregate.type}`,
      'take last, avg, min, max, count, rate, increase, average or a quantile');
  }
  for (const [index, name] of query.groupBy.entries()) textSql(name, 'metrics', `k${index}`);
  compileSearch(query.search, 'metrics');
}

const METRIC_KEY = fieldId('metric', 'metrics');

/** What is asked in one statement. */
function groupsOf<Asker>(asked: readonly Asked<Asker>[]): Map<string, Asked<Asker>[]> {
  const groups = new Map<string, Asked<Asker>[]>();
  for (const one of asked) {
    const { type, over, window, normal: { keys, equals, rest } } = one;
    // The scales of exponential histograms are made one for a whole statement.
    const alone = type === 'exponential_histogram' ? one.metric : '';
    const name = JSON.stringify([type, over?.function, over?.across, window.fromMs, window.toMs,
      keys.map(({ id }) => (equals.has(id) ? `${id}=` : id)), restId(rest), alone]);
    const group = groups.get(name);
    const metrics = new Set(group?.map(({ metric }) => metric));
    if (group === undefined || metrics.size >= limits.metricsMax) {
      if (group !== undefined) groups.set(`${name} ${groups.size}`, group);
      groups.set(name, [one]);
    } else group.push(one);
  }
  return groups;
}

async function askBatch<Asker>(
  reader: MetricsReader,
  batch: readonly Asked<Asker>[],
  windows: Windows | null,
): Promise<Map<Asker, Answer>> {
  try {
    const series = await readBatch(reader, batch, windows);
    const found = pick(batch, series, windows);
    return found;
  } catch (error) {
    if (!isTooMuch(error) || batch.length === 1) {
      return new Map(batch.map(({ asker }) => [asker, failed(error)]));
    }
    const found = new Map<Asker, Answer>();
    const middle = batch.length >> 1;
    for (const half of [batch.slice(0, middle), batch.slice(middle)]) {
      for (const [asker, answer] of await askBatch(reader, half, windows)) found.set(asker, answer);
    }
    return found;
  }
}

/** Questions of our own have no caller: who asks is known to the function that is handed in. */
const NOBODY: Caller = { name: '', role: 'admin', address: '' };

async function readBatch(
  { ask, abort, rowsMax = recordLimits.groupsMax }: MetricsReader,
  batch: readonly Asked<unknown>[],
  windows: Windows | null,
): Promise<MetricSeries[]> {
  const [{ type, over, window, normal: { rest } }] = batch as [Asked<unknown>];
  const reader: SeriesReader = { abort, rowsMax, caller: NOBODY,
    desk: { rows: (statement, _, left) => ask(statement, left) } };
  const question: MetricQuestion = {
    metric: '', metrics: [...new Set(batch.map(({ metric }) => metric))].sort(),
    type, ...window, stepMs: windows?.stepMs ?? null,
    ...(windows === null ? {} : { windowMs: windows.overMs }),
    function: over?.function ?? 'last', aggregate: over?.across ?? 'max',
    groupBy: keysOf(batch).map(({ name }) => name),
    quantiles: [...new Set(batch.map((one) => one.over?.level ?? 0))],
    only: onlyOf(batch, rest),
  };
  const read = over === null ? readLastPoints : readSeries;
  const series = await read(reader, question);
  if (series !== null) return series;
  const error = new UnmeasurableError('it has too many groups', FEWER);
  throw batch.length === 1 ? error : Object.assign(error, { kind: 'limit' });
}

const FEWER = 'group by fields with fewer values, or look at less time';

/** The metric first. */
function keysOf([first]: readonly Asked<unknown>[]): Key[] {
  return [{ id: METRIC_KEY, name: 'metric' },
    ...first!.normal.keys.filter(({ id }) => id !== METRIC_KEY)];
}

/** The rest of the search, and values that keys must have. */
function onlyOf(batch: readonly Asked<unknown>[], rest: SearchNode): MetricQuestion['only'] {
  const { sql, params } = compileSearch(rest, 'metrics', 'c');
  const pieces = [sql];
  const all: Record<string, unknown> = { ...params };
  for (const [index, { id, name }] of batch[0]!.normal.keys.entries()) {
    const values = new Set(batch.map(({ normal: { equals } }) => equals.get(id)));
    if (values.has(undefined) || values.size > batchLimits.valuesMax) continue;
    const key = textSql(name, 'metrics', `o${index}`);
    const column = /^toString\((\w+)\)$/.exec(key.sql)?.[1];
    Object.assign(all, key.params, { [`only${index}`]: [...values] });
    pieces.push(`${column ?? key.sql} IN {only${index}:Array(String)}`);
  }
  return { sql: `(${pieces.join(' AND ')})`, params: all };
}

/** Each asker's own series. */
function pick<Asker>(
  batch: readonly Asked<Asker>[],
  series: readonly MetricSeries[],
  windows: Windows | null,
): Map<Asker, Answer> {
  const keys = keysOf(batch);
  const places = keys.filter(({ id }) => id === METRIC_KEY || batch[0]!.normal.equals.has(id));
  const index = new Map<string, MetricSeries[]>();
  for (const one of series) {
    const level = one.labels['quantile'] ?? '';
    const name = JSON.stringify([...places.map((key) => one.labels[key.name]), level]);
    const own = index.get(name);
    if (own === undefined) index.set(name, [one]);
    else own.push(one);
  }
  return new Map(batch.map((asked) => {
    const { asker, metric, normal: { equals }, over } = asked;
    const level = over?.function === 'quantile' ? String(over.level) : '';
    const wanted = places.map(({ id }) => (id === METRIC_KEY ? metric : equals.get(id)));
    const values = (index.get(JSON.stringify([...wanted, level])) ?? [])
      .flatMap((one) => valuesOf(asked, keys, one, windows));
    if (windows !== null || values.length <= recordLimits.samplesMax) {
      return [asker, { ok: true, values }];
    }
    return [asker, failed(new UnmeasurableError(
      `it has ${values.length} groups, more than ${recordLimits.samplesMax}`,
      FEWER))];
  }));
}

function valuesOf(
  { normal }: Asked<unknown>,
  keys: readonly Key[],
  { labels, points }: MetricSeries,
  windows: Windows | null,
): Value[] {
  const named = normal.labels.map(({ name, id }) =>
    [name, labels[keys.find((key) => key.id === id)!.name]!] as const);
  const own = Object.fromEntries(named.filter(([, value]) => value !== ''));
  return points.flatMap(({ atMs, value }): Value[] => (value === null ? []
    : [{ labels: own, value, at: windows === null ? 0 : atMs / windows.stepMs }]));
}
