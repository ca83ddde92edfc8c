// Asks about logs and spans, for many rules at a time, and hands each its own numbers.
//
// A batch that fails for what it asks, or for how much, is asked again in halves, so that one rule
// does not take others with it.

import { errorMessage } from '../../../runtime/errors.ts';
import type { Sample, SignalQuery } from '../model.ts';
import { UnmeasurableError, isTooMuch, type Ask } from './asking.ts';
import { batchesOf, type Asked, type Batch, type Member, type Window } from './batches.ts';
import { numberSql } from './fields.ts';
import type { Formula } from './formula.ts';
import { normalsOf, type Normal } from './normal.ts';
import { recordsSql, type Windows } from './records_sql.ts';

export const limits = {
  /** Groups of a batch; with more it is asked in halves. */
  groupsMax: 50_000,
  /** Values of one rule at one instant; with more it fails. */
  samplesMax: 10_000,
  /** Statements of one measurement that are under way at the same time. */
  asksMax: 2,
} as const;

export interface RecordsQuestion<Asker> {
  readonly asker: Asker;
  readonly query: SignalQuery;
  /** Instead of that of the query's aggregate. */
  readonly formula?: Formula;
  readonly window: Window;
}

/** A value of a group; `at` is the number of the step with which its window ends, of many. */
export interface Value extends Sample {
  readonly at: number;
}

export type Answer = { readonly ok: true; readonly values: readonly Value[] }
  | { readonly ok: false; readonly error: unknown };

export interface RecordsReader {
  readonly ask: Ask;
  readonly abort: AbortSignal;
  /** Rows of an answer; `limits.groupsMax` unless given. */
  readonly rowsMax?: number;
}

/** Answers each of them; never throws. */
export async function askRecords<Asker>(
  reader: RecordsReader,
  questions: ReadonlyArray<RecordsQuestion<Asker>>,
  windows: Windows | null = null,
): Promise<Map<Asker, Answer>> {
  const answers = new Map<Asker, Answer>();
  const asked = normalized(questions, answers);
  const batches = batchesOf(asked);
  const next = async (): Promise<void> => {
    for (let one = batches.shift(); one !== undefined; one = batches.shift()) {
      for (const [asker, answer] of await askBatch(reader, one, windows)) {
        answers.set(asker, answer);
      }
    }
  };
  await Promise.all(Array.from({ length: limits.asksMax }, next));
  return answers;
}

const failed = (error: unknown): Answer => ({ ok: false, error });

export function reasonOf(error: unknown): string {
  const message = errorMessage(error);
  const hint = error instanceof UnmeasurableError ? error.hint : '';
  return hint === '' ? message : `${message}; ${hint}`;
}

/** What cannot be asked has its answer. */
function normalized<Asker>(
  questions: ReadonlyArray<RecordsQuestion<Asker>>,
  answers: Map<Asker, Answer>,
): Asked<Asker>[] {
  const sound = questions.filter((question) => {
    try {
      checkQuestion(question);
      return true;
    } catch (error) {
      answers.set(question.asker, failed(error));
      return false;
    }
  });
  return normalsOf(sound).map((normal, index) =>
    ({ normal, asker: sound[index]!.asker, window: sound[index]!.window }));
}

/** Questions in which nothing is wrong. */
const SOUND = new WeakSet<SignalQuery>();

/** Throws SearchError and UnmeasurableError. */
export function checkQuestion(question: Pick<RecordsQuestion<unknown>, 'query' | 'formula'>): void {
  if (SOUND.has(question.query)) return;
  const [normal] = normalsOf([question]) as [Normal];
  const window = { fromMs: 0, toMs: 1 };
  const [batch] = batchesOf([{ asker: null, normal, window }]) as [Batch<null>];
  recordsSql(batch, { windows: null, rowsMax: 1 });
  SOUND.add(question.query);
}

async function askBatch<Asker>(
  reader: RecordsReader,
  batch: Batch<Asker>,
  windows: Windows | null,
): Promise<Map<Asker, Answer>> {
  const { ask, abort, rowsMax = limits.groupsMax } = reader;
  try {
    const rows = await ask<Row>(recordsSql(batch, { windows, rowsMax }), abort);
    const isWeighted = rows.some(({ weightMax = 1 }) => weightMax > 1);
    return pick(batch, !isWeighted ? rows
      : await ask<Row>(recordsSql(batch, { windows, rowsMax, isWeighted }), abort), windows);
  } catch (error) {
    if (!isTooMuch(error) || batch.members.length === 1) {
      return new Map(batch.members.map(({ asker }) => [asker, failed(told(error))]));
    }
    const middle = batch.members.length >> 1;
    const found = new Map<Asker, Answer>();
    for (const half of [batch.members.slice(0, middle), batch.members.slice(middle)]) {
      const asked = half.map(({ asker, normal }) => ({ asker, normal, window: batch.window }));
      for (const piece of batchesOf(asked)) {
        for (const [asker, answer] of await askBatch(reader, piece, windows)) {
          found.set(asker, answer);
        }
      }
    }
    return found;
  }
}

/** Too many rows are too many groups. */
function told(error: unknown): unknown {
  if ((error as Error | null)?.name !== 'TOO_MANY_ROWS_OR_BYTES') return error;
  return new UnmeasurableError('it has too many groups', FEWER);
}

const FEWER = 'group by fields with fewer values, or look at less time';

type Row = { readonly at?: number; readonly weightMax?: number }
  & { readonly [key: `k${number}`]: string }
  & { readonly [column: `a${number}`]: Cell };
type Cell = number | null | ReadonlyArray<number | null>;

/** Each member's own rows: those with the values that it wants. */
function pick<Asker>(
  batch: Batch<Asker>,
  rows: readonly Row[],
  windows: Windows | null,
): Map<Asker, Answer> {
  const indexes = new Map<string, ReadonlyMap<string, Row[]>>();
  const divisors = divisorsOf(batch);
  return new Map(batch.members.map((member) => {
    const { equals } = member.normal;
    const places = batch.keys.flatMap(({ id }, index) => (equals.has(id) ? [index] : []));
    const name = places.join();
    const index = indexes.get(name) ?? indexOf(rows, places);
    indexes.set(name, index);
    const wanted = JSON.stringify(places.map((place) => equals.get(batch.keys[place]!.id)));
    const overMs = windows?.overMs ?? batch.window.toMs - batch.window.fromMs;
    return [member.asker,
      answerOf({ batch, member, divisors, seconds: overMs / 1000 }, index.get(wanted) ?? [],
        windows === null)];
  }));
}

function indexOf(rows: readonly Row[], places: readonly number[]): Map<string, Row[]> {
  const found = new Map<string, Row[]>();
  for (const row of rows) {
    const name = JSON.stringify(places.map((place) => row[`k${place}`]));
    const own = found.get(name);
    if (own === undefined) found.set(name, [row]);
    else own.push(row);
  }
  return found;
}

const divisorsOf = ({ columns, signal }: Batch<unknown>): number[] =>
  columns.map(({ kind, field }) => (['sum', 'min', 'max', 'quantile'].includes(kind)
    ? numberSql(field, signal, 'f').divisor : 1));

interface Reading<Asker> {
  readonly batch: Batch<Asker>;
  readonly member: Member<Asker>;
  readonly divisors: readonly number[];
  readonly seconds: number;
}

function answerOf<Asker>(
  reading: Reading<Asker>,
  rows: readonly Row[],
  isOne: boolean,
): Answer {
  const { member: { normal: { labels, formula } } } = reading;
  const isAlone = labels.length === 0;
  if (isAlone && isOne && rows.length === 0) {
    return { ok: true, values: formula.ofNothing === null ? []
      : [{ labels: {}, value: formula.ofNothing, at: 0 }] };
  }
  const values = rows.flatMap((row): Value[] => {
    const value = valueOf(reading, row) ?? (isAlone ? formula.ofNothing : null);
    return value === null ? [] : [{ labels: labelsOf(reading, row), value, at: row.at ?? 0 }];
  });
  if (!isOne || values.length <= limits.samplesMax) return { ok: true, values };
  return failed(new UnmeasurableError(
    `it has ${values.length} groups, more than ${limits.samplesMax}`, FEWER));
}

function valueOf<Asker>(
  { member: { places, normal: { formula } }, divisors, seconds }: Reading<Asker>,
  row: Row,
): number | null {
  const cells = places.map(({ column, level }) => {
    const cell: Cell | undefined = row[`a${column}`];
    const value = typeof cell === 'object' && cell !== null ? cell[level] : cell;
    return value === undefined || value === null ? null : value / divisors[column]!;
  });
  return formula.valueOf(cells, seconds);
}

function labelsOf<Asker>({ batch, member: { normal: { labels } } }: Reading<Asker>, row: Row) {
  const found: Record<string, string> = {};
  for (const { name, id } of labels) {
    const value = row[`k${batch.keys.findIndex((key) => key.id === id)}`]!;
    if (value !== '') found[name] = value;
  }
  return found;
}
