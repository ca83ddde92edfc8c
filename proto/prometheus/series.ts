// The name and the labels of one sample as both text formats write them, and numbers.
//
//   name   name{a="1",b="2"}   {"quoted name","quoted.label"="2"}
//
// A name without quotes is one of Prometheus 2: letters, digits, `_` (and `:` for metrics), not a
// digit first. In quotes it may be any text that is not empty. In quoted texts `\\`, `\"` and `\n`
// stand for what they look like; a backslash before anything else stands for itself.

/** What is wrong with a page; never holds anything that stands on it. */
export class PageError extends Error {
  readonly why: string;
  /** From 1; 0 when it is about a part whose place is not known. */
  readonly line: number;

  constructor(why: string, line: number) {
    super(line === 0 ? why : `line ${line}: ${why}`);
    this.name = 'PageError';
    this.why = why;
    this.line = line;
  }
}

const BLANKS = new Set([' ', '\t']);
const QUOTE = 34;
const BACKSLASH = 92;
const BRACE = 123;
const BRACE_END = 125;

/** Where the series that begins at `start` ends, before `end`; -1 when its brace is not closed. */
export function seriesEnd(text: string, start: number, end: number): number {
  let at = start;
  for (; at < end; at += 1) {
    const code = text.charCodeAt(at);
    if (code === BRACE || code === 32 || code === 9) break;
  }
  let brace = at;
  while (brace < end && BLANKS.has(text[brace]!)) brace += 1;
  if (brace === end || text.charCodeAt(brace) !== BRACE) return at;
  let quoted = false;
  for (at = brace + 1; at < end; at += 1) {
    const code = text.charCodeAt(at);
    if (quoted) {
      if (code === BACKSLASH) at += 1;
      else if (code === QUOTE) quoted = false;
    } else if (code === QUOTE) {
      quoted = true;
    } else if (code === BRACE_END) {
      return at + 1;
    }
  }
  return -1;
}

/**
 * The labels of a series, with its name as `__name__` (unless `named` is false: an exemplar has
 * none). Throws PageError.
 */
export function scanLabels(series: string, named = true): Map<string, string> {
  const labels = new Map<string, string>();
  const brace = series.startsWith('{') ? 0 : nameEnd(series);
  if (brace > 0) labels.set('__name__', series.slice(0, brace));
  const open = skip(series, brace);
  if (open < series.length) scanBraces(series, open, labels);
  if (named && !labels.has('__name__')) throw new PageError('a sample without a name', 0);
  if (!named && labels.has('__name__')) throw new PageError('an exemplar with a name', 0);
  return labels;
}

/** A float as Go writes and reads it, without hexadecimal and underscores; null for no number. */
export function parseNumber(text: string): number | null {
  if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) return Number(text);
  return WORDS.get(text.toLowerCase()) ?? null;
}

const WORDS = new Map([
  ['nan', NaN], ['+nan', NaN], ['-nan', NaN],
  ['inf', Infinity], ['+inf', Infinity], ['-inf', -Infinity],
  ['infinity', Infinity], ['+infinity', Infinity], ['-infinity', -Infinity],
]);

function nameEnd(series: string): number {
  const name = /^[a-zA-Z_:][a-zA-Z0-9_:]*/.exec(series)?.[0] ?? '';
  const next = series[name.length];
  if (name === '' || (next !== undefined && next !== '{' && !BLANKS.has(next))) {
    throw new PageError('a name with characters that it may not have', 0);
  }
  return name.length;
}

/** `{"name",label="value",}`, up to the last character of `series`. */
function scanBraces(series: string, open: number, labels: Map<string, string>): void {
  let at = skip(series, open + 1);
  while (series.charCodeAt(at) !== BRACE_END) {
    const quoted = series.charCodeAt(at) === QUOTE;
    const stop = quoted ? quoteEnd(series, at) : labelEnd(series, at);
    const name = quoted ? unquote(series, at, stop) : series.slice(at, stop);
    if (name === '') throw new PageError('a label without a name', 0);
    at = skip(series, stop);
    if (series[at] === '=') {
      const value = skip(series, at + 1);
      if (series.charCodeAt(value) !== QUOTE) throw new PageError('a value without quotes', 0);
      const valueStop = quoteEnd(series, value);
      add(labels, name, unquote(series, value, valueStop));
      at = skip(series, valueStop);
    } else if (quoted) {
      add(labels, '__name__', name);
    } else {
      throw new PageError('a label without a value', 0);
    }
    if (series[at] === ',') at = skip(series, at + 1);
    else if (series.charCodeAt(at) !== BRACE_END) throw new PageError('a comma is missing', 0);
  }
}

function add(labels: Map<string, string>, name: string, value: string): void {
  if (labels.has(name)) throw new PageError('a label that is there twice', 0);
  labels.set(name, value);
}

function skip(text: string, start: number): number {
  let at = start;
  while (BLANKS.has(text[at] ?? '')) at += 1;
  return at;
}

function labelEnd(series: string, start: number): number {
  LABEL.lastIndex = start;
  if (!LABEL.test(series)) throw new PageError('a label with characters it may not have', 0);
  return LABEL.lastIndex;
}

const LABEL = /[a-zA-Z_][a-zA-Z0-9_]*/y;

/** The position behind the closing quote. */
function quoteEnd(series: string, start: number): number {
  for (let at = start + 1; at < series.length; at += 1) {
    const code = series.charCodeAt(at);
    if (code === BACKSLASH) at += 1;
    else if (code === QUOTE) return at + 1;
  }
  throw new PageError('a quote is not closed', 0);
}

/** The text between the quotes at `start` and before `stop`. */
function unquote(series: string, start: number, stop: number): string {
  const text = series.slice(start + 1, stop - 1);
  if (!text.includes('\\')) return text;
  return text.replace(/\\([\s\S])/g, (found, next: string) =>
    (next === 'n' ? '\n' : next === '\\' || next === '"' ? next : found));
}
