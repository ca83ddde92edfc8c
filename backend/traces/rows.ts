// How this room asks the store: a function that is handed in, so that whoever calls decides under
// whose limits a statement runs.

export interface Question {
  readonly sql: string;
  /** Values for `{name:Type}` in the statement. */
  readonly params?: Readonly<Record<string, unknown>>;
  /** ClickHouse settings for this statement alone. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

/**
 * The rows of one statement, 64-bit integers as numbers unless the statement makes text of them.
 * Throws QueryError.
 */
export type Rows = <Row extends object>(question: Question) => Promise<Row[]>;

/** Milliseconds since 1970; `toMs` is not inside. */
export interface Period {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Rows of a period, as a condition that the order key of the tables can use. */
export const WITHIN = `Timestamp >= fromUnixTimestamp64Nano({from_ns:Int64})
    AND Timestamp < fromUnixTimestamp64Nano({to_ns:Int64})`;

/** What `WITHIN` asks for. */
export const withinParams = ({ fromMs, toMs }: Period): Record<string, string> =>
  ({ from_ns: `${fromMs}000000`, to_ns: `${toMs}000000` });

/** Both ends further out by `byMs`. */
export const widened = ({ fromMs, toMs }: Period, byMs: number): Period =>
  ({ fromMs: Math.max(0, fromMs - byMs), toMs: toMs + byMs });

/** Nanoseconds since 1970 as ISO 8601 with nine digits. */
export function isoOfNs(ns: bigint): string {
  const ms = ns / 1_000_000n;
  const digits = String(ns % 1_000_000_000n).padStart(9, '0');
  return `${new Date(Number(ms)).toISOString().slice(0, 19)}.${digits}Z`;
}

/** The opposite of `isoOfNs`. */
export const nsOfIso = (iso: string): bigint =>
  BigInt(Date.parse(`${iso.slice(0, 19)}Z`)) * 1_000_000n + BigInt(iso.slice(20, 29));

/**
 * `sql` with its first rows only, in `order`, as far as their column `size` adds up to at most
 * `bytesMax`, and the first row always. Each has in `fetched` how many there would be.
 */
export const boundedSql = (sql: string, order: string, bytesMax: number): string =>
  `SELECT * EXCEPT (size, size_until) FROM (
    SELECT *, count() OVER () AS fetched,
      sum(size) OVER (ORDER BY ${order} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
        AS size_until
    FROM (${sql}))
  WHERE size_until <= ${bytesMax} OR size_until = size ORDER BY ${order}`;
