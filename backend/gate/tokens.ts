// The words of a statement, as ClickHouse's lexer would cut them.
//
// The gate reads two texts with it: the canonical text that ClickHouse made of a statement, where
// it relies on what it finds, and the text as it was written, only to say where something stands.
// In a canonical text there are no comments, no heredocs, and strings are in single quotes, so
// whatever looks like one of the former there is refused (`unsafe`).

/** `param` is a whole `{name:Type}`; `odd` is what has no place in a canonical text. */
export type TokenKind = 'word' | 'quoted' | 'string' | 'number' | 'param' | 'symbol' | 'odd';

export interface Token {
  readonly kind: TokenKind;
  /** As it stands in the text. */
  readonly text: string;
  /** A name without its quotes; otherwise as `text`. */
  readonly name: string;
  readonly start: number;
  readonly end: number;
  /** Brackets open around it. */
  readonly depth: number;
}

const PATTERNS: readonly (readonly [TokenKind, RegExp])[] = [
  ['word', /[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*/y],
  ['number', /\d[\w]*(?:\.\d[\w]*)?(?:(?<=[eE])[+-]\d+)?/y],
  // What is not closed goes on to the end: no text makes these patterns go back.
  ['string', /'(?:[^'\\]|\\[^]|'')*(?:'|\\?$)/y],
  ['quoted', /`(?:[^`\\]|\\[^]|``)*(?:`|\\?$)|"(?:[^"\\]|\\[^]|"")*(?:"|\\?$)/y],
  ['param', /\{\s*[A-Za-z_]\w*\s*:[^{}]*\}/y],
  ['odd', /--[^\n]*|#[ !][^\n]*|\/\*[^]*?(?:\*\/|$)|\$(\w*)\$[^]*?(?:\$\1\$|$)/y],
  ['symbol', /[^]/y],
];

const SPACE = /\s+/y;

/** All tokens of a text, comments among them as `odd`. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let depth = 0;
  for (let start = 0; start < text.length;) {
    SPACE.lastIndex = start;
    if (SPACE.test(text)) {
      start = SPACE.lastIndex;
      continue;
    }
    const [kind, found] = tokenAt(text, start);
    if (found === ')' || found === ']') depth -= 1;
    const end = start + found.length;
    tokens.push({ kind, text: found, name: nameOf(kind, found), start, end, depth });
    if (found === '(' || found === '[') depth += 1;
    start = end;
  }
  return tokens;
}

function tokenAt(text: string, start: number): [TokenKind, string] {
  for (const [kind, pattern] of PATTERNS) {
    pattern.lastIndex = start;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) return [kind, found];
  }
  throw new Error('a symbol is any character');
}

function nameOf(kind: TokenKind, text: string): string {
  if (kind !== 'quoted') return text;
  const inner = text.slice(1, -1);
  return inner.replace(/\\([^])|``|""/g, (pair, escaped?: string) => escaped ?? pair[0]!);
}

/** Whether a token is this keyword; quoted names are none. */
export const isWord = (token: Token | undefined, word: string): boolean =>
  token?.kind === 'word' && token.text.toUpperCase() === word;

export const isSymbol = (token: Token | undefined, symbol: string): boolean =>
  token?.kind === 'symbol' && token.text === symbol;

export const isName = (token: Token | undefined): token is Token =>
  token?.kind === 'word' || token?.kind === 'quoted';

/** What a string literal says; null where its escapes are not plain ones. */
export function stringOf(literal: string): string | null {
  if (!/^'[^]*'$/.test(literal)) return null;
  const inner = literal.slice(1, -1);
  return /\\[^'\\]/.test(inner) ? null : inner.replace(/\\(['\\])/g, '$1');
}

/** A text as a string literal. */
export const quoted = (text: string): string =>
  `'${text.replace(/[\\']/g, '\\$&')}'`;

/** A name as it may stand in a statement whatever it is. */
export const quotedName = (name: string): string =>
  `\`${name.replace(/[\\`]/g, '\\$&')}\``;

/** Where a name stands in a text as written; undefined where it is not to be found as such. */
export function positionOf(text: string, name: string): number | undefined {
  const wanted = name.toLowerCase().split('.').at(-1);
  return tokenize(text).find((token) => isName(token) && token.name.toLowerCase() === wanted)
    ?.start;
}
