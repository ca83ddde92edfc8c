// Pages of the newest rows of a table, from its end: what was on a page is on no later one, and
// nothing that was there is left out, while rows come in. Rows with the same time are told apart by
// a second column, the tie.
//
// Each page is two questions. The first finds, by times alone and along the table's order key, how
// far back the page reaches; the second reads the rows of that stretch. So the tie, and the columns
// that are shown, are computed for a page of rows only (docs/performance.md).

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
  const { fromNs, limit, place } = question;
  const edge = await edgeOf(ask, question);
  if (edge === null && place === null) return { rows: [], next: null };
  const firstNs = edge ?? BigInt(place!.ns);
  const found = await readRows<Row>(ask, question, firstNs > fromNs ? firstNs : fromNs);
  const given = place === null ? 0
    : Math.min(place.same, found.filter((row) => isSame(row, place)).length);
  const rows = found.slice(given, given + limit);
  const isMore = found.length - given > limit;
  return { rows, next: isMore ? placeBehind(rows, place) : null };
}

const isSame = (row: PageRow, { ns, tie }: Place): boolean => row.ns === ns && row.tie === tie;

/** The place behind the last of rows that began behind `before`; that when there are none. */
export function placeBehind(rows: readonly PageRow[], before: Place | null): Place | null {
  const last = rows.at(-1);
  if (last === undefined) return before;
  const place = { ns: last.ns, tie: last.tie, same: 0 };
  const given = before !== null && isSame(last, before) ? before.same : 0;
  return { ...place, same: given + rows.filter((row) => isSame(row, place)).length };
}

/** The time of the row that is `limit` rows below the place; null when there is none below it. */
async function edgeOf(ask: AskRows, question: PageQuestion): Promise<bigint | null> {
  const { fromNs, toNs, table, where, params, limit, place } = question;
  const [row] = await ask<{ edge: string; found: number }>(
    `SELECT toString(toUnixTimestamp64Nano(min(time))) AS edge, count() AS found FROM (
      SELECT Timestamp AS time FROM ${table} WHERE ${withinSql('<')} AND ${where}
      ORDER BY ${NEWEST_FIRST} LIMIT ${limit + 1})`,
    { ...params, fromNs, toNs: place === null ? toNs : BigInt(place.ns) },
  );
  return row === undefined || row.found === 0 ? null : BigInt(row.edge);
}

/** The time of a row in nanoseconds since 1970, as text. */
export const NS_SQL = 'toString(toUnixTimestamp64Nano(Timestamp))';

function readRows<Row extends object>(
  ask: AskRows,
  { table, columns, tie, where, params, limit, place, toNs }: PageQuestion,
  fromNs: bigint,
): Promise<Row[]> {
  const within = `FROM ${table} WHERE ${withinSql(place === null ? '<' : '<=')} AND ${where}`;
  const all = `${NS_SQL} AS ns, ${tie} AS tie, ${columns}`;
  const order = `ORDER BY ${NEWEST_FIRST}, ${tie} DESC`;
  if (place === null) {
    return ask(`SELECT ${all} ${within} ${order} LIMIT ${limit + 1}`,
      { ...params, fromNs, toNs });
  }
  const behind = `(Timestamp < ${instantSql('toNs')} OR ${tie} <= {placeTie:String})`;
  return ask(`SELECT ${all} ${within} AND ${behind} ${order} LIMIT ${limit + 1 + place.same}`,
    { ...params, fromNs, toNs: BigInt(place.ns), placeTie: place.tie });
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
