// A search for one signal, in terms of its columns: what `sql.ts` writes for ClickHouse and
// `match.ts` asks of a record in memory. Everything that a name, a unit or a wildcard means is
// decided here, once, so that the two cannot differ in it.

import { ANY, type Regex } from '../../config/regex/tree.ts';
import type { Signal } from '../../proto/otlp/model.ts';
import { fieldOf, LEVEL_WORDS, LEVELS, type Field, type Lookup } from './fields.ts';
import { SearchError, type SearchBound, type SearchNode, type SearchTerm, type SearchTest }
  from './node.ts';
import { parseRegex } from './regex.ts';

/** Where a text is taken from. `text` is that of the record, in lower case as of ASCII. */
export type Source =
  | { readonly type: 'text' }
  | { readonly type: 'column'; readonly column: string }
  | { readonly type: 'list'; readonly column: string }
  | { readonly type: 'attribute'; readonly lookups: readonly Lookup[] };

/** Where a number is taken from. */
export type NumberSource =
  | { readonly type: 'level' }
  | { readonly type: 'number'; readonly column: string }
  | { readonly type: 'attribute'; readonly lookups: readonly Lookup[] };

export interface NumberBound {
  readonly value: number;
  readonly inclusive: boolean;
}

export type Condition =
  | { readonly type: 'all' }
  | { readonly type: 'and' | 'or'; readonly parts: readonly Condition[] }
  | { readonly type: 'not'; readonly part: Condition }
  | { readonly type: 'equals'; readonly source: Source; readonly value: string }
  /** The tokens are among those of the text, and `part`, if any, is somewhere in it. */
  | { readonly type: 'words'; readonly tokens: readonly string[]; readonly part: string }
  | { readonly type: 'like'; readonly source: Source; readonly pattern: string }
  /** `tokens` are in every text that fits, for the index. */
  | { readonly type: 'regex'; readonly source: Source; readonly regex: Regex;
      readonly tokens: readonly string[]; readonly lowers: boolean }
  | { readonly type: 'within'; readonly source: NumberSource;
      readonly from: NumberBound | null; readonly to: NumberBound | null };

/** Throws SearchError for what a signal cannot be asked. */
export function planSearch(node: SearchNode, signal: Signal): Condition {
  switch (node.type) {
    case 'all': return node;
    case 'not': return { type: 'not', part: planSearch(node.part, signal) };
    case 'and':
    case 'or': return { ...node, parts: node.parts.map((part) => planSearch(part, signal)) };
    default: return planTerm(node, fieldOf(node.field, signal));
  }
}

function planTerm(term: SearchTerm, field: Field): Condition {
  const { test } = term;
  if (field.type === 'text') return planText(term);
  if (field.type === 'level') return planLevel(term);
  if (field.type === 'number') return planNumber(term, field);
  if (test.kind === 'range') {
    if (field.type !== 'attribute') {
      throw new SearchError(`${term.field} is text, which is not compared by size`, term.at,
        `write ${term.field}:value, or ${term.field}:val*`);
    }
    return { type: 'within', source: field, ...boundsOf(term, test, numberOf) };
  }
  return planValue(field, test, term);
}

function planValue(
  source: Field & Source,
  test: Exclude<SearchTest, { kind: 'range' }>,
  term: SearchTerm,
): Condition {
  switch (test.kind) {
    case 'exists': {
      const empty: Condition = { type: 'equals', source, value: '' };
      return source.type === 'list' ? { type: 'like', source, pattern: '?*' }
        : { type: 'not', part: empty };
    }
    case 'text': return { type: 'equals', source, value: valueOf(test.text, source, term) };
    case 'wildcard': return { type: 'like', source, pattern: idOf(test.pattern, source) };
    default: {
      const regex = parseRegex(test.source, test.ignoresCase, term.at);
      return { type: 'regex', source, regex, tokens: [], lowers: false };
    }
  }
}

/** Ids are lower case without dashes. */
const idOf = (text: string, field: Field): string =>
  (field.type === 'column' && field.isId === true ? text.toLowerCase().replaceAll('-', '') : text);

function valueOf(text: string, field: Field, term: SearchTerm): string {
  if (field.type !== 'column' || field.values === undefined) return idOf(text, field);
  const lower = text.toLowerCase();
  const value = field.values.find((one) => one.toLowerCase() === lower);
  if (value !== undefined) return value;
  const near = field.values.find((one) => one[0]!.toLowerCase() === lower[0]) ?? field.values[0]!;
  const suggestion = /^\d/.test(text) ? `the code is in http.status: http.status:${text}`
    : `did you mean ${term.field}:${near.toLowerCase()}?`;
  throw new SearchError(`${term.field} is one of ${field.values.join(', ')}`, term.at, suggestion);
}

function planText({ test, field, at }: SearchTerm): Condition {
  switch (test.kind) {
    case 'exists': return { type: 'not',
      part: { type: 'equals', source: { type: 'text' }, value: '' } };
    case 'range': throw new SearchError(`${field} is text, which is not compared by size`, at,
      'write the words that it has');
    case 'text': return planWords(test.text);
    case 'wildcard': return planWildWord(test.pattern);
    default: return { type: 'regex', source: { type: 'text' }, tokens: [], lowers: false,
      regex: parseRegex(test.source, test.ignoresCase, at) };
  }
}

/** As ClickHouse's lower(): of ASCII alone, so that both sides do the same. */
export const lowerAscii = (text: string): string =>
  (/[A-Z]/.test(text) ? text.replace(/[A-Z]+/g, (one) => one.toLowerCase()) : text);

/** As ClickHouse's hasToken() parts texts. */
const TOKEN = /[0-9A-Za-z\u0080-\u{10FFFF}]+/gu;

function planWords(text: string): Condition {
  const part = lowerAscii(text);
  if (part === '') return { type: 'equals', source: { type: 'text' }, value: '' };
  const tokens = [...new Set(part.match(TOKEN) ?? [])];
  return { type: 'words', tokens, part: tokens[0] === part ? '' : part };
}

const EDGE: Regex = { type: 'set', ranges: [[0, 0x2f], [0x3a, 0x60], [0x7b, 0x7f]] };
const BEGINNING: Regex = { type: 'choice', parts: [{ type: 'start' }, EDGE] };
const ENDING: Regex = { type: 'choice', parts: [{ type: 'end' }, EDGE] };
const NO_BLANK: Regex = { type: 'set',
  ranges: [[0, 8], [0x0e, 0x1f], [0x21, 0x10ffff]] };

export type Piece = string | { readonly wild: '*' | '?' };

export function wildcardPieces(pattern: string): Piece[] {
  const found: Piece[] = [];
  let literal = '';
  const points = [...pattern];
  for (let at = 0; at < points.length; at += 1) {
    const one = points[at]!;
    if (one === '*' || one === '?') {
      if (literal !== '') found.push(literal);
      literal = '';
      found.push({ wild: one });
    } else {
      if (one === '\\') at += 1;
      literal += points[at] ?? '';
    }
  }
  if (literal !== '') found.push(literal);
  return found;
}

/** A word with `*` and `?` for anything but blanks, from one end of a word to another. */
function planWildWord(pattern: string): Condition {
  const pieces = wildcardPieces(lowerAscii(pattern));
  const parts = pieces.map((piece): Regex => {
    if (typeof piece === 'string') return literal(piece);
    return piece.wild === '?' ? NO_BLANK : { type: 'repeat', part: NO_BLANK, min: 0, max: null };
  });
  const isOpen = (piece: Piece) => typeof piece !== 'string' && piece.wild === '*';
  const first = isOpen(pieces[0]!) ? [] : [BEGINNING];
  const last = isOpen(pieces.at(-1)!) ? [] : [ENDING];
  const kept = parts.filter((_, index) => !(isOpen(pieces[index]!)
    && (index === 0 || index === parts.length - 1)));
  return {
    type: 'regex', source: { type: 'text' }, lowers: true,
    regex: { type: 'list', parts: [...first, ...kept, ...last] },
    tokens: wholeTokens(pieces),
  };
}

const literal = (text: string): Regex => ({
  type: 'list',
  parts: [...text].map((one) => ({ type: 'set', ranges: [[one.codePointAt(0)!,
    one.codePointAt(0)!]] })),
});

/** Tokens with a sign or an end of the pattern on both sides. */
function wholeTokens(pieces: readonly Piece[]): string[] {
  const found = pieces.flatMap((piece, index) => {
    if (typeof piece !== 'string') return [];
    return [...piece.matchAll(TOKEN)].filter(({ 0: token, index: at }) =>
      (at > 0 || index === 0)
      && (at + token.length < piece.length || index === pieces.length - 1)).map(([token]) => token);
  });
  return [...new Set(found)];
}

/** The whole of a text as a pattern says. */
export function wildcardRegex(pattern: string): Regex {
  const parts = wildcardPieces(pattern).map((piece): Regex => {
    if (typeof piece === 'string') return literal(piece);
    return piece.wild === '?' ? ANY : { type: 'repeat', part: ANY, min: 0, max: null };
  });
  return { type: 'list', parts: [{ type: 'start' }, ...parts, { type: 'end' }] };
}

const LEVEL_SPAN = 3;

function planLevel(term: SearchTerm): Condition {
  const { test } = term;
  const source = { type: 'level' } as const;
  const between = (from: number, to: number): Condition => ({ type: 'within', source,
    from: { value: from, inclusive: true }, to: { value: to, inclusive: true } });
  if (test.kind === 'exists') return between(1, 24);
  if (test.kind === 'text') {
    if (test.text.toLowerCase() === 'unknown') return between(0, 0);
    const level = levelOf(test.text, term);
    return LEVELS.some(([, number]) => number === level.number) && !level.isNumber
      ? between(level.number, level.number + LEVEL_SPAN) : between(level.number, level.number);
  }
  if (test.kind !== 'range') {
    throw new SearchError('a level has no wildcards and no regular expressions', term.at,
      `write ${term.field}:(error OR fatal), or ${term.field}>=error`);
  }
  return { type: 'within', source, ...levelBounds(test, term) };
}

/** `>error` begins behind the last error, `<=error` ends with it; unknown is below nothing. */
function levelBounds(test: SearchTest & { kind: 'range' }, term: SearchTerm) {
  const edge = (bound: SearchBound, isUpper: boolean): NumberBound => {
    const { number, isNumber } = levelOf(bound.value, term);
    const span = !isNumber && isUpper === bound.inclusive ? LEVEL_SPAN : 0;
    return { value: number + span, inclusive: bound.inclusive };
  };
  return {
    from: test.from === null ? { value: 1, inclusive: true } : edge(test.from, false),
    to: test.to === null ? null : edge(test.to, true),
  };
}

function levelOf(text: string, { at, field }: SearchTerm): { number: number; isNumber: boolean } {
  const lower = text.toLowerCase();
  if (Object.hasOwn(LEVEL_WORDS, lower)) return { number: LEVEL_WORDS[lower]!, isNumber: false };
  if (/^(?:\d|1\d|2[0-4])$/.test(text)) return { number: Number(text), isNumber: true };
  const names = LEVELS.map(([name]) => name);
  const near = names.find((name) => name[0] === lower[0]) ?? 'error';
  throw new SearchError(`there is no level '${text.slice(0, 40)}'`, at,
    `did you mean ${field}:${near}? Levels are ${names.join(', ')}, unknown, and 1 to 24; `
    + 'severity_text has what the sender wrote');
}

function planNumber(term: SearchTerm, field: Field & { type: 'number' }): Condition {
  const { test } = term;
  const source = { type: 'number', column: field.column } as const;
  const read = field.isDuration ? durationOf : numberOf;
  if (test.kind === 'exists') return { type: 'all' };
  if (test.kind === 'text') {
    const bound = { value: read(test.text, term), inclusive: true };
    return { type: 'within', source, from: bound, to: bound };
  }
  if (test.kind !== 'range') {
    throw new SearchError(`${term.field} is a number`, term.at, `write ${term.field}:>250`);
  }
  return { type: 'within', source, ...boundsOf(term, test, read) };
}

function boundsOf(
  term: SearchTerm,
  { from, to }: SearchTest & { kind: 'range' },
  read: (text: string, term: SearchTerm) => number,
): { from: NumberBound | null; to: NumberBound | null } {
  const bound = (one: SearchBound | null) =>
    one && { value: read(one.value, term), inclusive: one.inclusive };
  return { from: bound(from), to: bound(to) };
}

/** What ClickHouse reads as a number out of the text of an attribute. */
export const NUMBER = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/;

function numberOf(text: string, { at, field }: SearchTerm): number {
  const value = NUMBER.test(text) ? Number(text) : Number.NaN;
  if (Number.isFinite(value)) return value;
  const [, digits] = DURATION.exec(text) ?? [];
  throw new SearchError(`'${text.slice(0, 40)}' is no number`, at, digits === undefined
    ? `compare ${field} with a number: ${field}:>=500`
    : `an attribute has no unit; write ${field}:>${digits} in the unit that it is stored in`);
}

const DURATION = /^(\d{1,15}(?:\.\d{1,9})?)(ns|us|\u00b5s|\u03bcs|ms|s|m|h|d)$/;
const UNITS_NS: Readonly<Record<string, number>> = {
  ns: 1, us: 1e3, µs: 1e3, μs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9, d: 86_400e9,
};

function durationOf(text: string, { at, field }: SearchTerm): number {
  const [, digits, unit] = DURATION.exec(text) ?? [];
  if (unit !== undefined) return Math.round(Number(digits) * UNITS_NS[unit]!);
  throw new SearchError(`'${text.slice(0, 40)}' is no duration`, at,
    `write a unit: ${field}:>250ms; there are ns, us, ms, s, m, h, d`);
}

