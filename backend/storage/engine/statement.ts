/**
 * Finds, in a query text, the few places that the HTTP interface has to change before the embedded
 * engine runs it. It knows ClickHouse's tokens, not its grammar.
 *
 * - An INSERT that carries data is cut in front of `SETTINGS`, `FORMAT` or `VALUES`, so that
 *   `FROM INFILE '…'` can be put there. The engine must never see data inside of the text: it
 *   ends inline data at the first empty line, and may drop the rest silently.
 * - `INSERT … SELECT … FROM input('…') FORMAT X` is cut around `input(…)`, to name a table there.
 * - A SELECT is cut where `INTO OUTFILE '…'` belongs, so that results go through a file: no
 *   result is ever held in memory, totals survive, and an error is known before the first byte.
 * - Several statements, and `INTO OUTFILE`/`FROM INFILE` written by the caller, are refused, as a
 *   server refuses them over HTTP. This keeps mistakes out, it is no security border: the border
 *   is the SQL gate of the query room.
 *
 * Texts are latin1 strings here, one character per byte, so that positions are byte offsets.
 */
import { EngineError } from './errors.ts';

/** What a text is, and its pieces around the places to fill. */
export type Statement =
  /** Data begins at `dataStart`; run `before FROM INFILE … after`. */
  | { kind: 'insert'; before: string; after: string; format: string; dataStart: number }
  /** As above; run `before table after` with the data in a table of that structure. */
  | {
      kind: 'input';
      before: string;
      after: string;
      structure: string;
      format: string;
      dataStart: number;
    }
  /** Run `before INTO OUTFILE … after`; `after` begins with FORMAT unless `format` is null. */
  | { kind: 'select'; before: string; after: string; format: string | null }
  /** Run as it is. */
  | { kind: 'other'; text: string; format: string | null }
  /** `query_id` in a KILL QUERY stands at these offsets. */
  | { kind: 'kill'; text: string; idOffsets: number[] };

/**
 * Reads a whole text.
 *
 * @throws EngineError 62, 358 or 48 for what a server refuses over HTTP.
 */
export function parseStatement(text: string): Statement {
  const insert = findInsert(text, true);
  if (insert !== null) {
    return insert;
  }
  const tokens = tokenize(text);
  if (tokens.every((token) => token.text === ';')) {
    throw new EngineError(62, 'SYNTAX_ERROR', 'Syntax error: Empty query.');
  }
  refuse(tokens);
  const words = tokens.filter((token) => token.depth === 0 && token.word !== '');
  const first = tokens.find((token) => token.text !== '(')?.word ?? '';
  const last = tokens.findLast((token) => token.text !== ';');
  const format = findFormat(tokens);
  if (first === 'KILL') {
    return { kind: 'kill', text, idOffsets: idsOf(tokens) };
  }
  const reads = first === 'SELECT' || first === 'WITH' || first === 'FROM';
  if (!reads || last === undefined || words.some((token) => token.word === 'INSERT')) {
    return { kind: 'other', text, format: format?.name ?? null };
  }
  const cut = format?.start ?? last.end;
  const end = last.end;
  return {
    kind: 'select',
    before: text.slice(0, cut),
    after: text.slice(cut, end),
    format: format?.name ?? null,
  };
}

/**
 * Finds the head of an INSERT that carries data, in a text that may be only the beginning.
 *
 * @param whole false when more bytes may follow: a head is then found only with a byte of data.
 * @returns null when there is none (yet).
 */
export function findInsert(text: string, whole: boolean): Statement | null {
  const scan = new Scanner(text);
  if (scan.next()?.word !== 'INSERT') {
    return null;
  }
  let before = skipTarget(scan);
  let cut = -1;
  let input: Input | null = null;
  let selects = false;
  for (let index = 0; index < limits.headTokens; index += 1) {
    const token = scan.next();
    if (token === null || token.text === ';') {
      return null;
    }
    if (token.word === 'INPUT' && selects) {
      input = readInput(scan, token);
    }
    // A word after a dot is a name: db.values, t.format.
    const keyword = token.depth === 0 && before !== '.' ? token.word : '';
    before = token.text;
    if (keyword === 'SELECT' || keyword === 'WITH') {
      selects = true;
    } else if (keyword === 'INFILE' && !selects) {
      throw new EngineError(48, 'NOT_IMPLEMENTED', 'FROM INFILE is not allowed over HTTP.');
    } else if (keyword === 'SETTINGS' && cut < 0) {
      cut = token.start;
    } else if (keyword === 'VALUES' && !selects) {
      return whole || token.end < text.length ? insertValues(text, cut, token) : null;
    } else if (keyword === 'FORMAT') {
      const name = scan.next();
      const open = name === null || (!whole && dataAfter(text, name.end) === text.length);
      if (open || name.word === '' || (selects && input === null)) {
        return null;
      }
      return insertFormat(text, { cut, input, format: token, name });
    }
  }
  throw new EngineError(229, 'QUERY_IS_TOO_LARGE', 'The head of the INSERT has too many tokens.');
}

/** Bounds. */
const limits = {
  /** Tokens of the head of an INSERT (names, columns, settings); a longer one is refused. */
  headTokens: 100_000,
} as const;

interface Token {
  start: number;
  end: number;
  /** Brackets open around the token. */
  depth: number;
  text: string;
  /** The upper-case word, or '' for anything that is not an unquoted word. */
  word: string;
}

interface Input {
  start: number;
  end: number;
  structure: string;
}

/** Passes over `[INTO] [TABLE | FUNCTION] name`, whatever the name; returns the name. */
function skipTarget(scan: Scanner): string {
  let token = scan.next();
  if (token?.word === 'INTO') {
    token = scan.next();
  }
  if (token?.word === 'TABLE' || token?.word === 'FUNCTION') {
    token = scan.next();
  }
  return token?.text ?? '';
}

function insertValues(text: string, cut: number, token: Token): Statement {
  const at = cut < 0 ? token.start : cut;
  return {
    kind: 'insert',
    before: text.slice(0, at),
    after: `${text.slice(at, token.start)}FORMAT Values`,
    format: 'Values',
    dataStart: token.end,
  };
}

function insertFormat(
  text: string,
  head: { cut: number; input: Input | null; format: Token; name: Token },
): Statement {
  const { cut, input, format, name } = head;
  const dataStart = dataAfter(text, name.end);
  if (input !== null) {
    return {
      kind: 'input',
      before: text.slice(0, input.start),
      after: text.slice(input.end, format.start),
      structure: input.structure,
      format: name.text,
      dataStart,
    };
  }
  const at = cut < 0 ? format.start : cut;
  return {
    kind: 'insert',
    before: text.slice(0, at),
    after: text.slice(at, name.end),
    format: name.text,
    dataStart,
  };
}

/** ClickHouse's rule: blanks after the format name, a `;`, and one line end are not data. */
function dataAfter(text: string, from: number): number {
  const match = /^[ \t\f]*;?[ \t\f]*\r?\n?/.exec(text.slice(from, from + 256));
  return from + (match?.[0].length ?? 0);
}

/** Reads `input('structure')`; null when it is something else of that name. */
function readInput(scan: Scanner, token: Token): Input | null {
  const open = scan.next();
  const structure = scan.next();
  const close = scan.next();
  const whole = open?.text === '(' && structure?.text.startsWith("'") === true;
  if (!whole || close?.text !== ')') {
    return null;
  }
  return { start: token.start, end: close.end, structure: structure.text };
}

/** The last `FORMAT name` of a statement that ends it, save for a SETTINGS clause. */
function findFormat(tokens: readonly Token[]): { start: number; name: string } | null {
  for (let index = tokens.length - 2; index >= 0; index -= 1) {
    const token = tokens[index];
    const name = tokens[index + 1];
    const next = tokens[index + 2];
    const ends = next === undefined || next.text === ';' || next.word === 'SETTINGS';
    if (token?.word === 'FORMAT' && token.depth === 0 && name !== undefined && name.word !== '') {
      return ends ? { start: token.start, name: name.text } : null;
    }
  }
  return null;
}

function refuse(tokens: readonly Token[]): void {
  for (const [index, token] of tokens.entries()) {
    const next = tokens[index + 1];
    if (token.text === ';' && next !== undefined && next.text !== ';') {
      const message =
        `Syntax error (Multi-statements are not allowed): failed at position ${token.start + 1} ` +
        '(end of query).';
      throw new EngineError(62, 'SYNTAX_ERROR', message);
    }
    if (token.word === 'INTO' && next?.word === 'OUTFILE') {
      throw new EngineError(358, 'INTO_OUTFILE_NOT_ALLOWED', 'INTO OUTFILE is not allowed.');
    }
  }
}

function idsOf(tokens: readonly Token[]): number[] {
  return tokens.filter((token) => token.word === 'QUERY_ID').map((token) => token.start);
}

function tokenize(text: string): Token[] {
  const scan = new Scanner(text);
  const tokens: Token[] = [];
  for (let token = scan.next(); token !== null; token = scan.next()) {
    tokens.push(token);
  }
  return tokens;
}

const SKIP = /(?:\s+|--[^\n]*|#[ !][^\n]*|\/\*[\s\S]*?\*\/)+/y;
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /[0-9][A-Za-z0-9_.]*/y;
const HEREDOC = /\$([A-Za-z0-9_]*)\$[\s\S]*?\$\1\$/y;

class Scanner {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** The next token, null at the end. A quote that never ends is one token up to the end. */
  next(): Token | null {
    this.#at = this.#match(SKIP) ?? this.#at;
    const start = this.#at;
    const first = this.#text[start];
    if (first === undefined) {
      return null;
    }
    const wordEnd = this.#match(WORD);
    const end = wordEnd ?? this.#match(NUMBER) ?? this.#quoted(first) ?? this.#match(HEREDOC);
    if (first === ')' || first === ']' || first === '}') {
      this.#depth -= 1;
    }
    const depth = this.#depth;
    if (first === '(' || first === '[' || first === '{') {
      this.#depth += 1;
    }
    this.#at = end ?? start + 1;
    const text = this.#text.slice(start, this.#at);
    return { start, end: this.#at, depth, text, word: wordEnd === null ? '' : text.toUpperCase() };
  }

  #match(pattern: RegExp): number | null {
    pattern.lastIndex = this.#at;
    return pattern.test(this.#text) ? pattern.lastIndex : null;
  }

  /** A loop, as a regular expression for this backtracks without bound. */
  #quoted(quote: string): number | null {
    if (quote !== "'" && quote !== '"' && quote !== '`') {
      return null;
    }
    for (let at = this.#at + 1; at < this.#text.length; at += 1) {
      const char = this.#text[at];
      if (char === '\\' || (char === quote && this.#text[at + 1] === quote)) {
        at += 1;
      } else if (char === quote) {
        return at + 1;
      }
    }
    return this.#text.length;
  }
}
