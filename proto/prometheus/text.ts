// The text formats in which programs show their metrics to Prometheus, read line by line: text
// 0.0.4 (Prometheus "Exposition formats") and OpenMetrics 1.0, both with quoted UTF-8 names.
//
//   # HELP name what it means          # TYPE name counter          # UNIT name seconds   (OM)
//   name{label="value",…} value [timestamp] [# {label="value",…} value [timestamp]]
//   {"quoted name","quoted.label"="value"} value
//   # EOF                                                                                  (OM)
//
// Timestamps are whole milliseconds in 0.0.4 and seconds in OpenMetrics, where exactly one blank
// stands between the parts, lines are never empty, and the page ends with `# EOF`.
//
// Promises:
// - One pass from the first to the last character; time and memory grow with the page alone.
// - What is not of the format throws PageError, with the number of the line, and nothing else.
// - The labels of a sample are not looked into until `labels()` is asked, so that a reader who has
//   seen the same `series` before need not parse it again.

import { parseNumber, scanLabels, seriesEnd, PageError } from './series.ts';

export type PageFormat = 'text' | 'openmetrics';

/** What a line is; `end` comes once, behind the last. */
export type PageEntry = 'type' | 'help' | 'unit' | 'sample' | 'end';

export interface PageExemplar {
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
  /** Milliseconds since the Unix epoch, null when it has none. */
  readonly timestampMs: number | null;
}

const LF = 10;
const SPACE = 32;
const TAB = 9;
const HASH = 35;

/** The words behind TYPE. */
const TYPES: Readonly<Record<PageFormat, ReadonlySet<string>>> = {
  text: new Set(['counter', 'gauge', 'histogram', 'summary', 'untyped', 'unknown']),
  openmetrics: new Set(['counter', 'gauge', 'histogram', 'gaugehistogram', 'summary', 'info',
    'stateset', 'unknown']),
};

/** Reads one page. The fields tell of the line that `next` stands at. */
export class PageReader {
  /** Of a comment: the name of the family. */
  name = '';
  /** Of a comment: the type, the unit, or the text of the help without its escapes. */
  text = '';
  /** Of a sample: the name and the labels as they are written. */
  series = '';
  value = 0;
  /** Of a sample, milliseconds since the Unix epoch; null when it has none. */
  timestampMs: number | null = null;
  exemplar: PageExemplar | null = null;
  /** From 1. */
  line = 0;
  readonly #page: string;
  readonly #format: PageFormat;
  #position = 0;
  #ended = false;

  constructor(page: string, format: PageFormat) {
    this.#page = page;
    this.#format = format;
  }

  /** Moves on to the next line that means something. */
  next(): PageEntry {
    const page = this.#page;
    while (this.#position < page.length) {
      const start = this.#position;
      const found = page.indexOf('\n', start);
      const end = found === -1 ? page.length : found;
      this.#position = end + 1;
      this.line += 1;
      if (this.#ended) this.#fail('nothing may follow # EOF');
      const entry = this.#format === 'text' ? this.#textLine(start, end)
        : this.#strictLine(start, end);
      if (entry !== null) return entry;
    }
    if (this.#format === 'openmetrics' && !this.#ended) this.#fail('# EOF is missing at the end');
    return 'end';
  }

  /** The labels of the sample that the reader stands at, with its name as `__name__`. */
  labels(): Map<string, string> {
    try {
      return scanLabels(this.series);
    } catch (error) {
      if (error instanceof PageError) this.#fail(error.why);
      throw error;
    }
  }

  #textLine(start: number, end: number): PageEntry | null {
    const page = this.#page;
    const first = skipBlanks(page, start, end);
    if (first === end) return null;
    if (page.charCodeAt(first) === HASH) return this.#textComment(page.slice(first, end));
    this.#seriesAt(first, end);
    let at = skipBlanks(page, first + this.series.length, end);
    let stop = tokenEnd(page, at, end);
    this.value = this.#number(at, stop);
    this.timestampMs = null;
    at = skipBlanks(page, stop, end);
    if (at === end) return 'sample';
    stop = tokenEnd(page, at, end);
    this.timestampMs = this.#milliseconds(at, stop);
    if (skipBlanks(page, stop, end) !== end) this.#fail('something follows the timestamp');
    return 'sample';
  }

  #textComment(comment: string): PageEntry | null {
    const head = /^#[ \t]+(HELP|TYPE)[ \t]+/.exec(comment);
    if (head === null) return null;
    return this.#comment(head[1]!, comment.slice(head[0].length).trimEnd());
  }

  #strictLine(start: number, end: number): PageEntry | null {
    const page = this.#page;
    if (start === end) this.#fail('an empty line');
    if (page.charCodeAt(start) === HASH) return this.#strictComment(page.slice(start, end));
    this.#seriesAt(start, end);
    let at = this.#oneBlank(start + this.series.length, end);
    let stop = tokenEnd(page, at, end);
    this.value = this.#number(at, stop);
    this.timestampMs = null;
    this.exemplar = null;
    if (stop === end) return 'sample';
    at = this.#oneBlank(stop, end);
    if (page.charCodeAt(at) !== HASH) {
      stop = tokenEnd(page, at, end);
      this.timestampMs = this.#number(at, stop) * 1000;
      if (stop === end) return 'sample';
      at = this.#oneBlank(stop, end);
    }
    if (page.charCodeAt(at) !== HASH) this.#fail('something follows the timestamp');
    this.#exemplarAt(this.#oneBlank(at + 1, end), end);
    return 'sample';
  }

  #strictComment(comment: string): PageEntry | null {
    if (comment === '# EOF') {
      this.#ended = true;
      return null;
    }
    const head = /^# (HELP|TYPE|UNIT) /.exec(comment);
    if (head === null) this.#fail('a comment that is not HELP, TYPE, UNIT or EOF');
    return this.#comment(head[1]!, comment.slice(head[0].length));
  }

  /** `rest` is what stands behind the word: a name, a blank, and what is said of it. */
  #comment(word: string, rest: string): PageEntry {
    const quoted = rest.startsWith('"');
    const stop = quoted ? closingQuote(rest) + 1 : tokenEnd(rest, 0, rest.length);
    if (stop === 0) this.#fail(`${word} has no name`);
    this.name = rest.slice(0, stop);
    if (quoted) this.name = scanLabels(`{${this.name}}`).get('__name__')!;
    else if (!/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(this.name)) this.#fail(`${word} has no name`);
    const said = rest.slice(stop);
    this.text = this.#format === 'text' ? said.trimStart() : said.slice(1);
    if (word === 'HELP') {
      this.text = unescapeHelp(this.text, this.#format);
      return 'help';
    }
    if (word === 'TYPE') {
      if (!TYPES[this.#format].has(this.text)) this.#fail('TYPE is not one of this format');
      if (this.text === 'untyped') this.text = 'unknown';
      return 'type';
    }
    const right = this.text === '' || this.name.endsWith(`_${this.text}`);
    if (!right) this.#fail('UNIT is not the end of the name');
    return 'unit';
  }

  #seriesAt(start: number, end: number): void {
    const stop = seriesEnd(this.#page, start, end);
    if (stop === -1) this.#fail('a { or " is not closed');
    this.series = this.#page.slice(start, stop);
  }

  #exemplarAt(start: number, end: number): void {
    const page = this.#page;
    const stop = page.charCodeAt(start) === 123 ? seriesEnd(page, start, end) : -1;
    if (stop === -1) this.#fail('an exemplar without labels in braces');
    let labels: Map<string, string>;
    try {
      labels = scanLabels(page.slice(start, stop), false);
    } catch (error) {
      if (error instanceof PageError) this.#fail(error.why);
      throw error;
    }
    const at = this.#oneBlank(stop, end);
    const valueEnd = tokenEnd(page, at, end);
    const value = this.#number(at, valueEnd);
    let timestampMs: number | null = null;
    if (valueEnd !== end) {
      const time = this.#oneBlank(valueEnd, end);
      const timeEnd = tokenEnd(page, time, end);
      timestampMs = this.#number(time, timeEnd) * 1000;
      if (timeEnd !== end) this.#fail('something follows the exemplar');
    }
    this.exemplar = { labels, value, timestampMs };
  }

  /** The position behind a blank that must be there, before something else. */
  #oneBlank(at: number, end: number): number {
    if (at + 1 >= end || this.#page.charCodeAt(at) !== SPACE) this.#fail('one blank is missing');
    const next = this.#page.charCodeAt(at + 1);
    if (next === SPACE || next === TAB) this.#fail('more than one blank');
    return at + 1;
  }

  #number(start: number, end: number): number {
    const value = parseNumber(this.#page.slice(start, end));
    if (value === null) this.#fail('a number is missing or not one');
    return value;
  }

  #milliseconds(start: number, end: number): number {
    const text = this.#page.slice(start, end);
    if (!/^-?\d{1,16}$/.test(text)) this.#fail('the timestamp is not a whole number');
    return Number(text);
  }

  #fail(why: string): never {
    throw new PageError(why, this.line);
  }
}

function skipBlanks(text: string, start: number, end: number): number {
  let at = start;
  while (at < end && (text.charCodeAt(at) === SPACE || text.charCodeAt(at) === TAB)) at += 1;
  return at;
}

function tokenEnd(text: string, start: number, end: number): number {
  let at = start;
  for (; at < end; at += 1) {
    const code = text.charCodeAt(at);
    if (code === SPACE || code === TAB || code === LF) break;
  }
  return at;
}

/** Of the quote that `text` begins with; -1 when it is not closed. */
function closingQuote(text: string): number {
  for (let at = 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at;
  }
  return -1;
}

function unescapeHelp(text: string, format: PageFormat): string {
  if (!text.includes('\\')) return text;
  return text.replace(/\\([\s\S])/g, (found, next: string) => {
    if (next === 'n') return '\n';
    if (next === '\\') return '\\';
    return next === '"' && format === 'openmetrics' ? '"' : found;
  });
}
