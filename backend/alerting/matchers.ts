// Which labels are meant: `alertname="X", host=~"web.*"`, as Alertmanager reads it, with braces or
// without.
//
// - `=`, `!=`, `=~`, `!~`; a label that is missing has the empty value.
// - A regular expression must fit the whole value. It takes time linear in the value's length
//   whatever it is (config/regex), since anybody who may silence writes one.
// - Names and values may stand in quotes; they must where they have a space or one of {}!=~,\"'`.
//   Where Alertmanager's older reading of a text fits, it counts: there a backslash before
//   anything but `\`, `n` and `"` is itself, so that `"\d+"` is a regular expression.

import { createAutomaton } from '../../config/regex/automaton.ts';
import { parseRegex, RegexError } from '../../config/regex/tree.ts';
import type { Labels } from '../labels/labels.ts';
import type { Matcher } from './model.ts';

export const limits = {
  /** Characters of a text of matchers; a longer one is refused. */
  charactersMax: 16_384,
  /** Matchers of one text; more are refused. */
  matchersMax: 100,
  /** Alternatives of an expression that is nothing but a choice of plain texts. */
  choicesMax: 1000,
} as const;

export type ParsedMatchers =
  | { readonly ok: true; readonly matchers: readonly Matcher[] }
  | { readonly ok: false; readonly why: string };

/** In the order of their names, then values, as Alertmanager has them. */
export function parseMatchers(text: string): ParsedMatchers {
  if (text.length > limits.charactersMax) {
    return failed(`has more than ${limits.charactersMax} characters`);
  }
  const older = parseOlder(text);
  const parsed = older.ok ? older : parseNewer(text);
  if (!parsed.ok) return parsed;
  if (parsed.matchers.length > limits.matchersMax) {
    return failed(`has more than ${limits.matchersMax} matchers`);
  }
  for (const matcher of parsed.matchers) {
    const why = matcherProblem(matcher);
    if (why !== null) return failed(why);
  }
  return { ok: true, matchers: sortedMatchers(parsed.matchers) };
}

/** What keeps a matcher from being used; null when it can be. */
export function matcherProblem(matcher: Matcher): string | null {
  if (matcher.name === '') return 'has a matcher without a name';
  if (!matcher.isRegex) return null;
  try {
    regexTest(matcher.value);
    return null;
  } catch (error) {
    if (!(error instanceof RegexError)) throw error;
    return `has a regular expression for ${matcher.name} that cannot be used: ${error.message}`;
  }
}

/** Tells whether all of them fit. Throws RegexError for what `matcherProblem` refuses. */
export function compileMatchers(matchers: readonly Matcher[]): (labels: Labels) => boolean {
  const tests = matchers.map(({ name, value, isRegex, isEqual }) => {
    const fits = isRegex ? regexTest(value) : (text: string) => text === value;
    return (labels: Labels) =>
      fits((Object.hasOwn(labels, name) ? labels[name] : '') ?? '') === isEqual;
  });
  return (labels) => tests.every((test) => test(labels));
}

/** `{a="1",b=~"2"}`, as Alertmanager writes it in the keys of groups. */
export const printMatchers = (matchers: readonly Matcher[]): string =>
  `{${matchers.map(printMatcher).join(',')}}`;

export function printMatcher({ name, value, isRegex, isEqual }: Matcher): string {
  const operator = isRegex ? (isEqual ? '=~' : '!~') : (isEqual ? '=' : '!=');
  if (RESERVED.test(name)) return `${JSON.stringify(name)}${operator}${JSON.stringify(value)}`;
  const escaped = value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
  return `${name}${operator}"${escaped}"`;
}

export function sortedMatchers(matchers: readonly Matcher[]): Matcher[] {
  const kind = ({ isRegex, isEqual }: Matcher) => (isRegex ? 2 : 0) + (isEqual ? 0 : 1);
  return [...matchers].sort((one, other) => compare(one.name, other.name)
    || compare(one.value, other.value) || kind(one) - kind(other));
}

/** True when the matcher fits a label that is not there. */
export const fitsEmpty = (matcher: Matcher): boolean => compileMatchers([matcher])({});

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);
const failed = (why: string): ParsedMatchers => ({ ok: false, why });

const RESERVED = /[\s{}!=~,\\"'`]/;
/** Nothing but texts and what separates them. */
const PLAIN_CHOICE = /^[^\\^$.*+?()[\]{}]*$/;

function regexTest(source: string): (text: string) => boolean {
  if (PLAIN_CHOICE.test(source)) {
    const choices = source.split('|');
    if (choices.length <= limits.choicesMax) {
      const known = new Set(choices);
      return (text) => known.has(text);
    }
  }
  const front = /^\(\?([is]+)\)/.exec(source);
  const body = source.slice(front?.[0].length ?? 0);
  // Alone first: `a)|(b` must not close the group around it.
  parseRegex(body, front?.[1]?.includes('i') ?? false);
  return createAutomaton(parseRegex(`^(?:${body})$`, front?.[1]?.includes('i') ?? false));
}

const OLDER = /^\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|=|!=|!~)\s*(.*?)\s*$/s;

function parseOlder(text: string): ParsedMatchers {
  const parts = splitOlder(text.trim().replace(/^\{/, '').replace(/\}$/, ''));
  const matchers: Matcher[] = [];
  for (const part of parts) {
    const match = OLDER.exec(part);
    const value = match === null ? null : unescapeOlder(match[3]!);
    if (match === null || value === null) return failed(`is not a matcher: ${quoted(part)}`);
    matchers.push(matcherOf(match[1]!, match[2]!, value));
  }
  return { ok: true, matchers };
}

/** At commas outside of quotes; nothing may follow the last one. */
function splitOlder(text: string): string[] {
  const parts: string[] = [];
  let part = '';
  let inQuotes = false;
  let escaped = false;
  for (const char of text) {
    if (char === ',' && !inQuotes) {
      parts.push(part);
      part = '';
      continue;
    }
    if (char === '"' && !escaped) inQuotes = !inQuotes;
    escaped = char === '\\' && !escaped;
    part += char;
  }
  if (part.trim() !== '') parts.push(part);
  return parts;
}

/** The value without its quotes; null where a quote stands that is not escaped. */
function unescapeOlder(raw: string): string | null {
  const inQuotes = raw.startsWith('"');
  if (inQuotes && (raw.length < 2 || !/(?:^|[^\\])(?:\\\\)*"$/.test(raw.slice(1)))) return null;
  const body = inQuotes ? raw.slice(1, -1) : raw;
  if (body.replace(/\\[^]/g, '').includes('"')) return null;
  return body.replace(/\\([n"\\])/g, (_, char: string) => (char === 'n' ? '\n' : char));
}

function parseNewer(text: string): ParsedMatchers {
  const reader = { text, at: 0 };
  const opened = take(reader, /\s*\{/y) !== null;
  const matchers: Matcher[] = [];
  while (take(reader, /\s*(?=\}|$)/y) === null) {
    if (matchers.length > limits.matchersMax) break;
    const name = takeText(reader);
    if (name === null) return failed(`needs the name of a label at ${place(reader)}`);
    const operator = take(reader, /\s*(=~|=|!=|!~)\s*/y);
    if (operator === null) return failed(`needs =, !=, =~ or !~ at ${place(reader)}`);
    const value = takeText(reader);
    if (value === null) return failed(`needs a value at ${place(reader)}, such as "x"`);
    matchers.push(matcherOf(name, operator.trim(), value));
    if (take(reader, /\s*,/y) === null && take(reader, /\s*(?=\}|$)/y) === null) {
      return failed(`needs a comma at ${place(reader)}`);
    }
  }
  const closed = take(reader, /\s*\}/y) !== null;
  if (opened !== closed) return failed(opened ? 'has no } at its end' : 'has no { in front');
  if (take(reader, /\s*$/y) === null) return failed(`goes on at ${place(reader)}`);
  return { ok: true, matchers };
}

interface Reader {
  readonly text: string;
  at: number;
}

function take(reader: Reader, pattern: RegExp): string | null {
  pattern.lastIndex = reader.at;
  const match = pattern.exec(reader.text);
  if (match === null) return null;
  reader.at = pattern.lastIndex;
  return match[0];
}

function takeText(reader: Reader): string | null {
  take(reader, /\s*/y);
  const plain = take(reader, /[^\s{}!=~,\\"'`]+/y);
  if (plain !== null) return plain;
  const inQuotes = take(reader, /"(?:[^"\\]|\\[^])*"/y);
  return inQuotes === null ? null : unquote(inQuotes);
}

/** Of Go's escapes those that JSON has; null for others. */
function unquote(text: string): string | null {
  try {
    return JSON.parse(text.replaceAll('\n', '\\n')) as string;
  } catch {
    return null;
  }
}

const matcherOf = (name: string, operator: string, value: string): Matcher => ({
  name, value, isRegex: operator.includes('~'), isEqual: !operator.startsWith('!'),
});

const place = ({ at }: Reader): string => `character ${at + 1}`;
const quoted = (text: string): string => JSON.stringify(text.trim().slice(0, 60));
