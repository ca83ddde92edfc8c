// How this folder asks the store: by functions that it is handed. It never knows what is behind.

/** A statement of our own; `{name:Type}` in it are values of `params`. */
export interface OwnStatement {
  readonly sql: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly settings?: Readonly<Record<string, string | number>>;
  /** With more rows it fails. */
  readonly rowsMax?: number;
}

/** Integers of 64 bits come as numbers. Throws QueryError. */
export type Ask = <Row extends object>(asked: OwnStatement, abort: AbortSignal) => Promise<Row[]>;

/** A statement of somebody else's, through the gate; values are ClickHouse's own texts. */
export interface ForeignStatement {
  readonly sql: string;
  readonly params: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, string>>;
}

/** Rows as ClickHouse's JSONEachRow has them. Throws GateError and QueryError. */
export type AskForeign = (asked: ForeignStatement, abort: AbortSignal) => Promise<object[]>;

/** Why a rule cannot be measured, for its author. */
export class UnmeasurableError extends Error {
  /** What to write instead; '' when there is nothing to say. */
  readonly hint: string;

  constructor(message: string, hint = '') {
    super(message);
    this.hint = hint;
  }
}

/** What NaN and infinity are in rows of our own: null. */
export const NUMBERS_AS_JSON = {
  output_format_json_quote_64bit_integers: 0,
  output_format_json_quote_denormals: 0,
} as const;

/**
 * Whether a statement failed for what it asks, or for how much (QueryError). What took too long
 * would take long again.
 */
export function isTooMuch(error: unknown): boolean {
  const { kind, name } = (error ?? {}) as { kind?: unknown; name?: unknown };
  return (kind === 'statement' || kind === 'limit') && name !== 'TIMEOUT_EXCEEDED';
}
