// The words of a statement. Each token knows where it begins; white space only separates.

import { OttlFault } from './fault.ts';

export type TokenType =
  | 'string' | 'int' | 'float' | 'bytes' | 'lower' | 'upper' | 'operator' | 'punctuation' | 'end';

export interface Token {
  readonly type: TokenType;
  /** As written; for a string what it means, for bytes the digits. */
  readonly text: string;
  readonly at: number;
}

const limits = {
  /** A longer statement is refused. */
  textChars: 64 * 1024,
};

const TOKEN = new RegExp([
  /(?<space>\s+)/,
  /(?<string>"(?:\\[\s\S]|[^"\\])*")/,
  /0x(?<bytes>[0-9A-Fa-f]*)/,
  /(?<float>(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)/,
  /(?<int>\d+)/,
  /(?<upper>[A-Z][A-Za-z0-9_]*)/,
  /(?<lower>[a-z_][A-Za-z0-9_]*)/,
  /(?<operator>==|!=|<=|>=|=>|[<>=+*/-])/,
  /(?<punctuation>[()[\]{},.:])/,
].map(({ source }) => source).join('|'), 'y');

/** The tokens of a text, the last of type `end`. Throws OttlFault. */
export function tokenize(text: string): Token[] {
  if (text.length > limits.textChars) {
    throw new OttlFault(0, `is longer than ${limits.textChars} characters`);
  }
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    TOKEN.lastIndex = at;
    const groups = TOKEN.exec(text)?.groups;
    if (groups === undefined) throw unreadable(text, at);
    const end = TOKEN.lastIndex;
    if (groups['space'] === undefined) tokens.push(tokenOf(groups, text.slice(at, end), at));
    at = end;
  }
  tokens.push({ type: 'end', text: '', at: text.length });
  return tokens;
}

function tokenOf(groups: Record<string, string>, written: string, at: number): Token {
  const [type] = Object.entries(groups).find(([, found]) => found !== undefined)!;
  if (type === 'string') return { type, text: unquote(written, at), at };
  if (type === 'bytes') {
    const digits = groups['bytes']!;
    if (digits.length % 2 === 0) return { type, text: digits, at };
    throw new OttlFault(at, 'bytes need two digits each', 'write 0x0a for one byte');
  }
  return { type: type as TokenType, text: written, at };
}

function unreadable(text: string, at: number): OttlFault {
  if (text[at] === '"') {
    return new OttlFault(at, 'this text has no end',
      'close it with ", write \\" for a quote in it');
  }
  if (text[at] === "'" || text[at] === '`') {
    return new OttlFault(at, 'texts stand in double quotes', 'write "…"');
  }
  if (text[at] === '&' || text[at] === '|') {
    return new OttlFault(at, 'unknown sign', 'conditions are joined by and, or');
  }
  if (text[at] === '!') return new OttlFault(at, 'unknown sign', 'write not, or != to compare');
  return new OttlFault(at, 'unknown sign');
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n', t: '\t', r: '\r', a: '\x07', b: '\b', f: '\f', v: '\v', '\\': '\\', '"': '"', "'": "'",
};

const ESCAPE = /\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([0-7]{3})|([\s\S]))/g;

/** As Go reads a quoted text; what Go would refuse, such as `\d`, is kept as it is written. */
function unquote(written: string, at: number): string {
  return written.slice(1, -1).replace(ESCAPE, (found, x, u, long, octal, letter: string) => {
    const code = x !== undefined ? parseInt(x, 16)
      : u !== undefined ? parseInt(u, 16)
        : long !== undefined ? parseInt(long, 16)
          : octal !== undefined ? parseInt(octal, 8) : undefined;
    if (code === undefined) return ESCAPES[letter] ?? found;
    if (code > 0x10ffff) throw new OttlFault(at, 'an escape in this text is no character');
    return String.fromCodePoint(code);
  });
}
