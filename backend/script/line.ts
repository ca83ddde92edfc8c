// One line of a script as words: parted by blanks, but not within quotes and braces. What is read
// knows its place, and the first thing that is wrong ends the reading with a ScriptFault.

import type { Matcher } from '../alerting/model.ts';
import type { Labels } from '../labels/labels.ts';
import type { ChannelName, Piece, Place } from './model.ts';

/** What is wrong in a line; caught where the statement is read, and told with the others. */
export class ScriptFault extends Error {
  readonly place: Place;
  readonly hint: string;

  constructor(place: Place, why: string, hint: string) {
    super(why);
    this.place = place;
    this.hint = hint;
  }
}

export interface Word {
  readonly text: string;
  readonly place: Place;
}

/** The words that are left, from the left. */
export interface Line {
  readonly text: string;
  readonly place: Place;
  /** Undefined at the end of the line. */
  peek(): Word | undefined;
  /** The next word; `what` says what is missing without one. */
  next(what: string): Word;
  /** Takes the next word when it is this one. */
  take(text: string): boolean;
  /** The line from this word on. */
  from(word: Word): string;
  /** Throws when words are left. */
  end(): void;
  fail(why: string, hint?: string, word?: Word): never;
}

/** Without the comment at its end. */
export function createLine(text: string, line: number): Line {
  const words = wordsOf(text, line);
  const place = words[0]?.place ?? { line, column: 1 };
  const after = { line, column: text.trimEnd().length + 1 };
  let at = 0;
  const fail = (why: string, hint = '', word: Word | undefined = words[at]): never => {
    throw new ScriptFault(word?.place ?? after, why, hint);
  };
  return {
    text: text.trim(),
    place,
    peek: () => words[at],
    next: (what) => {
      const word = words[at];
      if (word === undefined) throw new ScriptFault(after, `${what} is missing`, '');
      at++;
      return word;
    },
    take: (wanted) => {
      if (words[at]?.text !== wanted) return false;
      at++;
      return true;
    },
    from: (word) => text.slice(word.place.column - 1).trim(),
    end: () => {
      if (words[at] !== undefined) fail(`"${words[at]!.text}" cannot be understood here`);
    },
    fail,
  };
}

/** What is indented below the statement, read as the verb wants it. */
export interface Below {
  lines(): readonly Line[];
  piece(): Piece;
  noBody(): void;
}

function wordsOf(text: string, line: number): Word[] {
  const words: Word[] = [];
  let at = 0;
  while (at < text.length) {
    if (/\s/.test(text[at]!)) {
      at++;
      continue;
    }
    if (text[at] === '#') break;
    const end = wordEnd(text, at, line);
    words.push({ text: text.slice(at, end), place: { line, column: at + 1 } });
    at = end;
  }
  return words;
}

function wordEnd(text: string, start: number, line: number): number {
  let depth = 0;
  let at = start;
  for (; at < text.length; at++) {
    const one = text[at]!;
    if (one === '"') {
      const close = quoteEnd(text, at);
      if (close === -1) {
        throw new ScriptFault({ line, column: at + 1 }, 'this quote is not closed', '');
      }
      at = close;
    } else if (one === '{') depth++;
    else if (one === '}') depth--;
    else if (depth <= 0 && /\s/.test(one)) break;
  }
  if (depth > 0) {
    throw new ScriptFault({ line, column: start + 1 }, 'a } is missing',
      'braces begin and end in one line');
  }
  return at;
}

/** Index of the quote that closes the one at `open`, or -1. */
function quoteEnd(text: string, open: number): number {
  for (let at = open + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '"') return at;
  }
  return -1;
}

/** `a=b` or `a="b c"`; null when it is not of that shape. */
export function settingIn(word: Word): { name: string; value: Word } | null {
  const match = /^([A-Za-z_][\w.]*)=(.*)$/s.exec(word.text);
  if (match === null) return null;
  const { line, column } = word.place;
  const place = { line, column: column + match[1]!.length + 1 };
  return { name: match[1]!, value: { text: textIn({ text: match[2]!, place }), place } };
}

/** What is between quotes, or the word itself. */
export function textIn({ text, place }: Word): string {
  if (!text.startsWith('"')) return text;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'string') return value;
  } catch {
    // Told below.
  }
  throw new ScriptFault(place, 'this is no text in quotes', 'within quotes write \\" and \\\\');
}

const DURATION = /^(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+$/;
const UNITS: Readonly<Record<string, number>> = {
  ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000,
};

/** `1h30m` in milliseconds; `0` needs no unit. */
export function durationIn({ text, place }: Word): number {
  if (text === '0') return 0;
  if (!DURATION.test(text)) {
    throw new ScriptFault(place, `"${text}" is no time`, 'write it like 90s, 5m, 1h30m, 2d');
  }
  return [...text.matchAll(/([\d.]+)(ms|[smhdw])/g)]
    .reduce((sum, [, number, unit]) => sum + Number(number) * UNITS[unit!]!, 0);
}

export function wholeNumberIn({ text, place }: Word): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new ScriptFault(place, `"${text}" is no whole number`, '');
}

export function numberIn({ text, place }: Word): number {
  const named = { NaN, Inf: Infinity, '+Inf': Infinity, '-Inf': -Infinity }[text];
  const value = named ?? (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text)
    ? Number(text) : null);
  if (value === null) throw new ScriptFault(place, `"${text}" is no number`, '');
  return value;
}

/** `Name{a="b", c=~"d.*"}`, `{…}` or `Name`, where allowed. */
export interface Selector {
  /** '' without one. */
  readonly name: string;
  readonly matchers: readonly Matcher[];
}

const NAME = /^[^\s{}"=,]*/;
const MATCHER = new RegExp([
  /^\s*(?:"((?:[^"\\]|\\.)*)"|([A-Za-z_][\w.:/-]*))/.source,
  /\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^\s,}"]+)\s*(,|(?=\}))/.source,
].join(''));

export function selectorIn({ text, place }: Word): Selector {
  const name = NAME.exec(text)![0];
  let rest = text.slice(name.length);
  if (rest === '') return { name, matchers: [] };
  const fault = () => new ScriptFault({ line: place.line, column: place.column
    + text.length - rest.length }, 'this is no list of labels',
  'write it like {service="shop", zone=~"a|b"}');
  if (!rest.startsWith('{')) throw fault();
  rest = rest.slice(1);
  const matchers: Matcher[] = [];
  while (!/^\s*\}/.test(rest)) {
    const match = MATCHER.exec(rest);
    if (match === null) throw fault();
    const [whole, quoted, bare, operator, value] = match;
    matchers.push({
      name: bare ?? (JSON.parse(`"${quoted!}"`) as string),
      value: textIn({ text: value!, place }),
      isRegex: operator!.endsWith('~'), isEqual: operator!.startsWith('='),
    });
    rest = rest.slice(whole.length);
  }
  rest = rest.replace(/^\s*\}/, '');
  if (rest !== '') throw fault();
  return { name, matchers };
}

/** The same, where only `=` makes sense. */
export function labelsIn(word: Word): { name: string; labels: Labels } {
  const { name, matchers } = selectorIn(word);
  const odd = matchers.find(({ isRegex, isEqual }) => isRegex || !isEqual);
  if (odd !== undefined) {
    throw new ScriptFault(word.place, `the label ${odd.name} must be given with =`, '');
  }
  return { name, labels: Object.fromEntries(matchers.map((one) => [one.name, one.value])) };
}

/** `ops`, `ops/slack`, `ops/webhook[1]`. */
export function channelIn(word: Word): ChannelName {
  const match = /^([^/]+)(?:\/(\w+)(?:\[(\d+)\])?)?$/.exec(textIn(word));
  const [, receiver = textIn(word), type = '', index] = match ?? [];
  return { receiver, type, index: index === undefined ? null : Number(index) };
}
