// Pages of the newest rows of a table, from its end: what was on a page is on no later one, and
// nothing that was there is left out, while rows come in. Rows with the same time are told apart by
// a second column, the tie.
//
// A page is asked for along the table's order key, which knows no tie, so that the tie and the
// columns that are shown are computed for a page of rows only. Only of its last time may rows be
// missing: those of that one time are asked for once more, by their ties (docs/performance.md).

import type { Period } from './where.ts';

/** Runs a statement of ours; the desk's limits hold. */
export type AskRows = <Row extends object>(
  sql: string,
  params: Readonly<Record<string, unknown>>,
) => Promise<Row[]>;

/** Behind which row the next page begins. */
export interface Place {
  readonly ns: string;
  readonly tie: string;
  /** Rows with this time and tie that were given already: they are equal. */
  readonly same: number;
}

export interface PageQuestion extends Period {
  readonly table: string;
  /** Columns besides those of PageRow. */
  readonly columns: string;
  /** An expression of the tie, a text. */
  readonly tie: string;
  /** A condition, and its parameters. */
  readonly where: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly limit: number;
  /** Null: from the end of the period. */
  readonly place: Place | null;
}

export interface PageRow {
  /** Nanoseconds since 1970, as text. */
  readonly ns: string;
  readonly tie: string;
}

export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly next: Place | null;
}

const NEWEST_FIRST = 'toStartOfFiveMinutes(Timestamp) DESC, Timestamp DESC';

export async function readPage<Row extends PageRow>(
  ask: AskRows,
  question: PageQuestion,
): Promise<Page<Row>> {
  const { limit, place } = question;
  const found = place === null ? [] : await readPlace<Row>(ask, question, place);
  if (found.length <= limit) found.push(...await readEarlier<Row>(ask, question, found.length));
  const rows = found.slice(0, limit);
  return { rows, next: found.length > limit ? placeBehind(rows, place) : null };
}

/** The rows of the place's time that were not given yet. */
async function readPlace<Row extends PageRow>(
  ask: AskRows,
  question: PageQuestion,
  place: Place,
): Promise<Row[]> {
  const found = await readTime<Row>(ask, question, place.ns,
    { behind: place.tie, limit: question.limit + 1 + place.same });
  return found.slice(Math.min(place.same, found.filter((row) => isSame(row, place)).length));
}

/** What comes before the place's time, as far as it has room on the page and one row beyond. */
async function readEarlier<Row extends PageRow>(
  ask: AskRows,
  question: PageQuestion,
  taken: number,
): Promise<Row[]> {
  const { fromNs, toNs, table, where, params, place } = question;
  const limit = question.limit + 1 - taken;
  const found = await ask<Row>(
    `SELECT ${shown(question)} FROM ${table} WHERE ${withinSql('<')} AND ${where}
      ORDER BY ${NEWEST_FIRST} LIMIT ${limit}`,
    { ...params, fromNs, toNs: place === null ? toNs : BigInt(place.ns) },
  );
  const last = found.at(-1);
  if (last === undefined || found.length < limit) return found.sort(newestFirst);
  const whole = found.filter(({ ns }) => ns !== last.ns).sort(newestFirst);
  const ofLast = await readTime<Row>(ask, question, last.ns,
    { behind: null, limit: limit - whole.length });
  // Rows that came meanwhile may be of that time, too; nothing is left out for them.
  return [...whole, ...ofLast];
}

/** Rows of one time, by their ties; those up to `behind`. */
function readTime<Row extends PageRow>(
  ask: AskRows,
  question: PageQuestion,
  ns: string,
  { behind, limit }: { behind: string | null; limit: number },
): Promise<Row[]> {
  const { table, tie, where, params } = question;
  return ask<Row>(
    `SELECT ${shown(question)} FROM ${table} WHERE ${withinSql('<=')} AND ${where}
      ${behind === null ? '' : `AND ${tie} <= {behindTie:String}`}
      ORDER BY ${tie} DESC LIMIT ${limit}`,
    { ...params, fromNs: BigInt(ns), toNs: BigInt(ns),
      ...(behind === null ? {} : { behindTie: behind }) },
  );
}

/** The time of a row in nanoseconds since 1970, as text. */
export const NS_SQL = 'toString(toUnixTimestamp64Nano(Timestamp))';

const shown = ({ tie, columns }: PageQuestion): string =>
  `${NS_SQL} AS ns, ${tie} AS tie, ${columns}`;

const newestFirst = (a: PageRow, b: PageRow): number => {
  if (a.ns !== b.ns) return BigInt(a.ns) > BigInt(b.ns) ? -1 : 1;
  return a.tie > b.tie ? -1 : Number(a.tie < b.tie);
};

const isSame = (row: PageRow, { ns, tie }: Place): boolean => row.ns === ns && row.tie === tie;

/** The place behind the last of rows that began behind `before`; that when there are none. */
export function placeBehind(rows: readonly PageRow[], before: Place | null): Place | null {
  const last = rows.at(-1);
  if (last === undefined) return before;
  const place = { ns: last.ns, tie: last.tie, same: 0 };
  const given = before !== null && isSame(last, before) ? before.same : 0;
  return { ...place, same: given + rows.filter((row) => isSame(row, place)).length };
}

const instantSql = (name: string): string => `fromUnixTimestamp64Nano({${name}:Int64})`;

/** The parameters `fromNs` and `toNs`, for the order key and for the rows. */
export function withinSql(upper: '<' | '<='): string {
  const from = instantSql('fromNs');
  const to = instantSql('toNs');
  return `toStartOfFiveMinutes(Timestamp) >= toStartOfFiveMinutes(${from})
    AND toStartOfFiveMinutes(Timestamp) <= toStartOfFiveMinutes(${to})
    AND Timestamp >= ${from} AND Timestamp ${upper} ${to}`;
}

export function isPlace(value: unknown): value is Place {
  const { ns, tie, same } = (value ?? {}) as Readonly<Record<string, unknown>>;
  return typeof ns === 'string' && /^\d{1,19}$/.test(ns) && typeof tie === 'string'
    && Number.isInteger(same) && (same as number) >= 0 && (same as number) <= SAME_MAX;
}

/** Equal rows in front of a place; a cursor with more is not one of ours. */
const SAME_MAX = 1_000_000;
