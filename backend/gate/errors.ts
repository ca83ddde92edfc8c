// What the gate says when it lets a statement not through.

/** One word for programs; `docs/sql.md` lists them, and a test compares. */
export const GATE_CODES = [
  /** The text has no statement in it. */
  'EMPTY',
  /** The text is longer, or deeper, than is taken. */
  'TOO_LARGE',
  /** It is not ClickHouse's SQL, or more than one statement. */
  'SYNTAX',
  /** It does more than read, or reads what is not for analysts. */
  'NOT_READING',
  /** A result goes to a file of the server. */
  'OUTFILE',
  /** A function that is refused, and one that does not exist. */
  'FUNCTION_DENIED',
  'FUNCTION_UNKNOWN',
  /** A source of rows that is no table. */
  'TABLE_FUNCTION_DENIED',
  /** A table that is not published, or does not exist. */
  'TABLE_DENIED',
  'FORMAT_DENIED',
  'SETTING_DENIED',
  /** A `{name:Type}` without a value, or of a type that is not a value's. */
  'PARAMETER',
  /** A type that only the engine makes. */
  'TYPE_DENIED',
  /** A name with characters that names need not have. */
  'NAME_DENIED',
  /** A part of SQL that has no place here. */
  'CONSTRUCT_DENIED',
] as const;

export type GateCode = (typeof GATE_CODES)[number];

/** A statement that may not run, why, and what to do instead. */
export class GateError extends Error {
  readonly code: GateCode;
  readonly hint: string;
  /** Index of a character of the text as it was given; absent when not known. */
  readonly position?: number;
  /** The name that it is about, as long as nobody has looked where that stands. */
  readonly #subject: string | undefined;

  /** @param where the position, or the name to look for. */
  constructor(code: GateCode, message: string, hint: string, where?: number | string) {
    super(message);
    this.name = 'GateError';
    this.code = code;
    this.hint = hint;
    if (typeof where === 'number') this.position = where;
    else this.#subject = where;
  }

  /** The same with the position of its name, which `find` looks for. */
  placed(find: (name: string) => number | undefined): GateError {
    if (this.#subject === undefined) return this;
    return new GateError(this.code, this.message, this.hint, find(this.#subject));
  }
}

const MISTAKES: ReadonlySet<GateCode> =
  new Set(['EMPTY', 'TOO_LARGE', 'SYNTAX', 'FUNCTION_UNKNOWN', 'PARAMETER']);

/** Whether it is refused for what it wants, and not because it is written wrongly. */
export const isDenial = (code: GateCode): boolean => !MISTAKES.has(code);
