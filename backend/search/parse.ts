// The text of a search to its tree. See docs/search.md for the language:
//
//   search  = or                       or   = and { "OR" and }
//   and     = unary { ["AND"] unary }  unary = ("NOT" | "-") unary | "(" or ")" | term
//   term    = [field ":"] value | field (">" | ">=" | "<" | "<=") scalar
//   value   = scalar | "*" | "/" regex "/" ["i"] | ("[" | "{") bound "TO" bound ("]" | "}")
//           | (">" | ">=" | "<" | "<=") scalar | "(" values ")"          the last two with a field
//   scalar  = word | '"' phrase '"'
//
// Reads each character at most twice, whatever the text is, and throws nothing but SearchError.

import { isKnownField } from './fields.ts';
import { limits, SearchError, type SearchBound, type SearchNode, type SearchTest }
  from './node.ts';
import { parseRegex } from './regex.ts';

/** An empty text finds everything. Throws SearchError. */
export function parseSearch(text: string): SearchNode {
  if (text.length > limits.charactersMax) {
    throw new SearchError(`a search has at most ${limits.charactersMax} characters`,
      limits.charactersMax, 'leave something out');
  }
  const parser = new Parser(text);
  parser.skipBlanks();
  if (parser.atEnd()) return { type: 'all' };
  const node = parser.or('');
  if (!parser.atEnd()) {
    throw parser.error('there is a ) without its (', 'leave it out, or write it in quotes: ")"');
  }
  return node;
}

const BLANK = /\s/;
const KEYWORDS: readonly string[] = ['AND', 'OR', 'NOT', 'TO'];
const OPERATOR = /^(?:>=|<=|>|<)/;
const FIELD = /^[\p{L}_@$][\p{L}\p{N}_.@$/-]*$/u;
const ESCAPABLE = /[\s\p{P}\p{S}]/u;

/** With `=` behind: other names are looked for as the text `user=42`, which programs write. */
const COMPARED_BY_MISTAKE = ['level', 'severity', 'service', 'trace', 'trace_id', 'duration'];

/** A word as it stands there: its text, and which characters have a `\` in front. */
interface Word {
  readonly at: number;
  readonly raw: string;
}

class Parser {
  private readonly text: string;
  private at = 0;
  private depth = 0;
  private terms = 0;

  constructor(text: string) {
    this.text = text;
  }

  atEnd = (): boolean => this.at >= this.text.length;

  skipBlanks(): void {
    while (!this.atEnd() && BLANK.test(this.text[this.at]!)) this.at += 1;
  }

  error(message: string, suggestion = '', at = this.at): SearchError {
    return new SearchError(message, at, suggestion);
  }

  /** `field` is that of the set around; '' outside of sets. */
  or(field: string): SearchNode {
    const parts = [this.and(field)];
    while (this.takeKeyword('OR')) parts.push(this.and(field));
    return joined('or', parts);
  }

  private and(field: string): SearchNode {
    const parts = [this.unary(field)];
    for (;;) {
      const isSaid = this.takeKeyword('AND');
      if (!isSaid && (this.atEnd() || this.text[this.at] === ')' || this.isKeyword('OR'))) break;
      if (!isSaid && field !== '') {
        throw this.error(`what is between the values of ${field} is missing`, 'write OR or AND');
      }
      parts.push(this.unary(field));
    }
    return joined('and', parts);
  }

  private unary(field: string): SearchNode {
    const at = this.at;
    const isMinus = this.text[at] === '-';
    if (isMinus || this.isKeyword('NOT')) {
      this.at += isMinus ? 1 : 'NOT'.length;
      if (!isMinus) this.skipBlanks();
      if (isMinus && (this.atEnd() || BLANK.test(this.text[this.at]!))) {
        throw this.error('there is nothing behind -', 'write "-" in quotes to look for it', at);
      }
      const part = this.deeper(() => this.unary(field));
      return { type: 'not', part };
    }
    if (this.text[at] !== '(') return this.term(field);
    this.at += 1;
    this.skipBlanks();
    if (this.text[this.at] === ')') {
      throw this.error('there is nothing between ( and )', 'write "()" in quotes to look for it');
    }
    const node = this.deeper(() => this.or(field));
    this.close(at);
    return node;
  }

  private close(openAt: number): void {
    if (this.text[this.at] !== ')') {
      throw this.error('a ( has no )', 'close it, or write it in quotes: "("', openAt);
    }
    this.at += 1;
    this.skipBlanks();
  }

  private deeper<T>(read: () => T): T {
    this.depth += 1;
    if (this.depth > limits.depthMax) {
      throw this.error(`brackets and negations are inside each other more than ${limits.depthMax}`
        + ' times', 'write it with fewer');
    }
    const found = read();
    this.depth -= 1;
    return found;
  }

  private isKeyword(keyword: string): boolean {
    if (!this.text.startsWith(keyword, this.at)) return false;
    const next = this.text[this.at + keyword.length];
    return next === undefined || BLANK.test(next) || next === '(' || next === ')';
  }

  private takeKeyword(keyword: 'AND' | 'OR'): boolean {
    if (!this.isKeyword(keyword)) return false;
    this.at += keyword.length;
    this.skipBlanks();
    return true;
  }

  private term(outer: string): SearchNode {
    const at = this.at;
    this.terms += 1;
    if (this.terms > limits.termsMax) {
      throw this.error(`a search has at most ${limits.termsMax} terms`, 'leave some out');
    }
    this.checkOperand();
    const field = outer === '' ? this.takeField() : outer;
    if (field !== '' && outer === '' && this.text[this.at] === '(') {
      this.at += 1;
      this.skipBlanks();
      const openAt = this.at - 1;
      const node = this.deeper(() => this.or(field));
      this.close(openAt);
      return node;
    }
    const test = this.test(field);
    this.skipBlanks();
    if (field === '' && test.kind === 'exists') return { type: 'all' };
    return { type: 'term', field, test, at };
  }

  private checkOperand(): void {
    const keyword = KEYWORDS.slice(0, 2).find((one) => this.isKeyword(one));
    if (keyword !== undefined) {
      throw this.error(`there is nothing in front of ${keyword}`,
        `write "${keyword}" in quotes to look for the word`);
    }
    if (this.atEnd()) throw this.error('something is missing at the end', 'write what to look for');
    if (this.text[this.at] === ')') {
      throw this.error('there is nothing in front of )', 'leave it out, or write it in quotes');
    }
  }

  /** Moves behind `field:` or `field` in front of an operator; '' when there is no field here. */
  private takeField(): string {
    if (this.text[this.at] === '"' || this.text[this.at] === '/') return '';
    const { at, raw } = this.peekWord();
    const colon = unescapedIndex(raw, ':');
    const name = colon <= 0 ? '' : unescaped(raw.slice(0, colon));
    if (colon > 0 && (FIELD.test(raw.slice(0, colon)) || raw.slice(0, colon).includes('\\'))) {
      const next = raw.slice(colon + 1);
      // A URL, a name of C++, a path of Windows.
      if (/^(?:\/\/|:)/.test(next) || (colon === 1 && /^\\\w/.test(next))) return '';
      this.at = at + colon + 1;
      if (this.atEnd() || BLANK.test(this.text[this.at]!) || this.text[this.at] === ')') {
        throw this.error(`there is no value behind ${name}:`,
          `write ${name}:value, or "${name}:" in quotes to look for it`, at);
      }
      return name;
    }
    return this.takeComparedField(at, raw);
  }

  /** `level>=error`: for names that are known or have a dot, so that `a->b` is a word. */
  private takeComparedField(at: number, raw: string): string {
    const end = raw.search(/[<>=!]/);
    const name = raw.slice(0, Math.max(end, 0));
    if (!isKnownField(name) && !/^[\p{L}_@][\p{L}\p{N}_@]*(?:\.[\p{L}\p{N}_@]+)+$/u.test(name)) {
      return '';
    }
    if (OPERATOR.test(raw.slice(end))) {
      this.at = at + end;
      return name;
    }
    if (!COMPARED_BY_MISTAKE.includes(name.toLowerCase())) return '';
    const value = raw.slice(end).replace(/^[!=~]+/, '');
    throw this.error(`${name} is compared with : and not with =`, raw[end] === '!'
      ? `write -${name}:${value}` : `write ${name}:${value}, or put it in quotes`, at);
  }

  private test(field: string): SearchTest {
    const first = this.text[this.at];
    if (first === '/') {
      const regex = this.regex();
      if (regex !== null) return regex;
    }
    if (field !== '') {
      if (first === '[' || first === '{') return this.range();
      const operator = OPERATOR.exec(this.text.slice(this.at, this.at + 2))?.[0];
      if (operator !== undefined) return this.comparison(operator);
    }
    if (first === '"') {
      const at = this.at;
      const text = this.phrase();
      if (text === '' && field === '') {
        throw this.error('there is nothing between the quotes', 'leave them out', at);
      }
      return { kind: 'text', text };
    }
    return wordTest(this.takeWord());
  }

  private comparison(operator: string): SearchTest {
    this.at += operator.length;
    this.skipBlanks();
    const bound = { value: this.scalar(operator), inclusive: operator.endsWith('=') };
    return operator.startsWith('>') ? { kind: 'range', from: bound, to: null }
      : { kind: 'range', from: null, to: bound };
  }

  private scalar(behind: string): string {
    if (this.atEnd() || this.text[this.at] === ')') {
      throw this.error(`there is no value behind ${behind}`, `write ${behind}1`);
    }
    return this.text[this.at] === '"' ? this.phrase() : unescaped(this.takeWord().raw);
  }

  private range(): SearchTest {
    const openAt = this.at;
    const opening = this.text[this.at]!;
    this.at += 1;
    this.skipBlanks();
    const from = this.bound(opening === '[', openAt);
    this.skipBlanks();
    if (!this.isKeyword('TO')) throw this.rangeError(openAt);
    this.at += 'TO'.length;
    this.skipBlanks();
    const to = this.bound(false, openAt);
    this.skipBlanks();
    const closing = this.text[this.at];
    if (closing !== ']' && closing !== '}') throw this.rangeError(openAt);
    this.at += 1;
    if (from === null && to === null) return { kind: 'exists' };
    return { kind: 'range', from, to: to && { ...to, inclusive: closing === ']' } };
  }

  private rangeError(at: number): SearchError {
    return this.error('this is no range', 'write [1 TO 5], {1 TO 5} without the ends, [1 TO *],'
      + ' or put it in quotes', at);
  }

  private bound(inclusive: boolean, openAt: number): SearchBound | null {
    if (this.text[this.at] === '"') return { value: this.phrase(), inclusive };
    const { at, raw } = this.peekWord(']}');
    if (raw === '') throw this.rangeError(openAt);
    this.at = at + raw.length;
    return raw === '*' ? null : { value: unescaped(raw), inclusive };
  }

  /** Null when the slash begins a word, such as a path. */
  private regex(): SearchTest | null {
    const at = this.at;
    let end = at + 1;
    while (end < this.text.length && this.text[end] !== '/') {
      end += this.text[end] === '\\' ? 2 : 1;
    }
    if (end >= this.text.length || end === at + 1) return null;
    const ignoresCase = this.text[end + 1] === 'i';
    const next = this.text[end + (ignoresCase ? 2 : 1)];
    if (next !== undefined && !BLANK.test(next) && next !== ')') return null;
    const source = this.text.slice(at + 1, end);
    parseRegex(source, ignoresCase, at + 1);
    this.at = end + (ignoresCase ? 2 : 1);
    return { kind: 'regex', source, ignoresCase };
  }

  private phrase(): string {
    const at = this.at;
    let text = '';
    for (this.at += 1; !this.atEnd(); this.at += 1) {
      const one = this.text[this.at]!;
      if (one === '"') {
        this.at += 1;
        return text;
      }
      const next = this.text[this.at + 1];
      if (one === '\\' && (next === '"' || next === '\\')) this.at += 1;
      text += this.text[this.at]!;
    }
    throw this.error('a " has no second one', 'close it, or write \\" to look for it', at);
  }

  private takeWord(): Word {
    const word = this.peekWord();
    this.at = word.at + word.raw.length;
    return word;
  }

  /** Up to a blank, a bracket, a quote, or one of `stops`; what has a `\` in front is no end. */
  private peekWord(stops = ''): Word {
    let end = this.at;
    while (end < this.text.length) {
      const one = this.text[end]!;
      if (BLANK.test(one) || '()"'.includes(one) || stops.includes(one)) break;
      end += one === '\\' && end + 1 < this.text.length ? 2 : 1;
    }
    return { at: this.at, raw: this.text.slice(this.at, end) };
  }
}

function joined(type: 'and' | 'or', parts: readonly SearchNode[]): SearchNode {
  if (parts.length === 1) return parts[0]!;
  return { type, parts: parts.flatMap((part) => (part.type === type ? part.parts : [part])) };
}

function unescapedIndex(raw: string, wanted: string): number {
  for (let at = 0; at < raw.length; at += raw[at] === '\\' ? 2 : 1) {
    if (raw[at] === wanted) return at;
  }
  return -1;
}

/** Letters and digits keep their `\`: it is that of a path, such as C:\temp. */
const unescaped = (raw: string): string =>
  raw.replace(/\\(.)/gsu, (both, one: string) => (ESCAPABLE.test(one) ? one : both));

function wordTest({ raw }: Word): SearchTest {
  if (/^\*+$/.test(raw)) return { kind: 'exists' };
  let pattern = '';
  let isWild = false;
  const points = [...raw];
  for (let at = 0; at < points.length; at += 1) {
    const one = points[at]!;
    if (one === '*' || one === '?') {
      isWild = true;
      if (one === '?' || points[at - 1] !== '*' || !isMany(pattern)) pattern += one;
      continue;
    }
    const next = points[at + 1];
    if (one === '\\' && next !== undefined && ESCAPABLE.test(next)) at += 1;
    pattern += escapedLiteral(points[at]!);
  }
  return isWild ? { kind: 'wildcard', pattern } : { kind: 'text', text: unescaped(raw) };
}

/** Whether the last of a pattern is a `*` that stands for any characters. */
const isMany = (pattern: string): boolean => pattern.endsWith('*') && !pattern.endsWith('\\*');

const escapedLiteral = (one: string): string => ('*?\\'.includes(one) ? `\\${one}` : one);
