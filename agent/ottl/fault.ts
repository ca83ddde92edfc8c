// What can be wrong with a statement: when it is read (OttlFault, with its place in the text) and
// when it runs on a record (OttlFailure).
//
// A fault never repeats what stands in quotes, nor numbers: the configuration may hold a secret in
// the wrong place (D-011). The excerpt keeps the shape of the statement, so that the caret fits.

/** A statement that cannot be used. `at` is an offset in its text. */
export class OttlFault extends Error {
  readonly at: number;
  readonly why: string;
  readonly hint: string;

  constructor(at: number, why: string, hint: string = '') {
    super(why);
    this.name = 'OttlFault';
    this.at = at;
    this.why = why;
    this.hint = hint;
  }
}

/**
 * A statement that does not work on one record. Not an Error: it may happen for every record, and
 * taking a stack each time would cost more than the statement.
 */
export class OttlFailure {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

export function fail(message: string): never {
  throw new OttlFailure(message);
}

/** Line and column, from 1, of an offset in a text. */
export function placeOf(text: string, at: number): { line: number; column: number } {
  const before = text.slice(0, at).split('\n');
  return { line: before.length, column: before.at(-1)!.length + 1 };
}

/** The sentence of a fault: `line 1, column 5: unknown function "sett"`. */
export function describeFault(text: string, fault: OttlFault): string {
  const { line, column } = placeOf(text, fault.at);
  const where = text.includes('\n') ? `line ${line}, column ${column}` : `column ${column}`;
  return `${where}: ${fault.why}`;
}

/** Columns of the statement that an excerpt shows around the caret. */
const EXCERPT_CHARS_MAX = 76;

/** The line of the fault, and below it a caret; two lines, each indented. */
export function excerptOf(text: string, at: number): string {
  const { line, column } = placeOf(text, at);
  const shown = maskLiterals(text).split('\n')[line - 1]!;
  const start = Math.max(0, Math.min(column - 1 - EXCERPT_CHARS_MAX / 2,
    shown.length - EXCERPT_CHARS_MAX));
  const excerpt = shown.slice(start, start + EXCERPT_CHARS_MAX);
  return `    ${excerpt}\n    ${' '.repeat(column - 1 - start)}^`;
}

/** The statement without what is in quotes and without its digits, each replaced by a sign. */
export function maskLiterals(text: string): string {
  return text
    .replace(/"(?:\\[\s\S]|[^"\\])*"?/g, (quoted) => {
      const closed = quoted.length > 1 && quoted.endsWith('"');
      const inner = quoted.slice(1, closed ? -1 : undefined).replace(/[^\n]/g, '*');
      return `"${inner}${closed ? '"' : ''}`;
    })
    .replace(/(?<![A-Za-z_0-9])(?:0x)?[0-9A-Fa-f]*[0-9][0-9A-Fa-f]*/g, (digits) =>
      '#'.repeat(digits.length));
}
