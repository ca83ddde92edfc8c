// A search asked of one record in memory, as a live tail does for each that is accepted. Answers
// what the compiled condition (sql.ts) would answer in ClickHouse for the stored row.

import { createAutomaton } from '../../config/regex/automaton.ts';
import type { Signal } from '../../proto/otlp/model.ts';
import { levelNumber, type AttributeMap, type Lookup } from './fields.ts';
import type { SearchNode } from './node.ts';
import { lowerAscii, NUMBER, planSearch, wildcardRegex, type Condition, type NumberBound,
  type NumberSource, type Source } from './plan.ts';

/** A record as its row will be: texts as the columns hold them. */
export interface SearchRecord {
  /** What words are looked for in; see TEXTS of sql.ts. */
  readonly text: string;
  /** Of a column that holds text or a number; '' for one that it has not. */
  column(name: string): string | number;
  /** Of a column that holds a list. */
  list(name: string): readonly string[];
  /** '' when there is none; the first, when there are two. */
  attribute(map: AttributeMap, key: string): string;
}

type Test = (record: SearchRecord) => boolean;

/** Throws SearchError for what the signal cannot be asked. The test itself never throws. */
export function createMatcher(node: SearchNode, signal: Signal): Test {
  return testOf(planSearch(node, signal), signal);
}

function testOf(condition: Condition, signal: Signal): Test {
  switch (condition.type) {
    case 'all': return () => true;
    case 'not': {
      const part = testOf(condition.part, signal);
      return (record) => !part(record);
    }
    case 'and': {
      const parts = condition.parts.map((part) => testOf(part, signal));
      return (record) => parts.every((part) => part(record));
    }
    case 'or': {
      const parts = condition.parts.map((part) => testOf(part, signal));
      return (record) => parts.some((part) => part(record));
    }
    case 'equals': return onSource(condition.source, (text) => text === condition.value);
    case 'like':
      return onSource(condition.source, createAutomaton(wildcardRegex(condition.pattern)));
    case 'words': return wordsTest(condition.tokens, condition.part);
    case 'regex': {
      const finds = createAutomaton(condition.regex);
      const { lowers } = condition;
      return onSource(condition.source, (text) => finds(lowers ? lowerAscii(text) : text));
    }
    default: return withinTest(condition, signal);
  }
}

function onSource(source: Source, test: (text: string) => boolean): Test {
  switch (source.type) {
    case 'text': return (record) => test(record.text);
    case 'column': return (record) => test(String(record.column(source.column)));
    case 'list': return (record) => record.list(source.column).some(test);
    default: return (record) => test(attributeOf(record, source.lookups));
  }
}

function attributeOf(record: SearchRecord, lookups: readonly Lookup[]): string {
  for (const { map, key } of lookups) {
    const found = record.attribute(map, key);
    if (found !== '') return found;
  }
  return '';
}

function wordsTest(tokens: readonly string[], part: string): Test {
  return (record) => {
    const text = lowerAscii(record.text);
    return (part === '' || text.includes(part)) && tokens.every((token) => hasToken(text, token));
  };
}

/** As ClickHouse's: with a sign of ASCII, or an end of the text, on both sides. */
function hasToken(text: string, token: string): boolean {
  for (let at = text.indexOf(token); at !== -1; at = text.indexOf(token, at + 1)) {
    if (isSign(text.charCodeAt(at - 1)) && isSign(text.charCodeAt(at + token.length))) return true;
  }
  return false;
}

/** NaN is outside of the text. */
const isSign = (code: number): boolean => Number.isNaN(code) || (code < 0x80
  && !(code >= 0x30 && code <= 0x39) && !(code >= 0x61 && code <= 0x7a)
  && !(code >= 0x41 && code <= 0x5a));

function withinTest({ source, from, to }: Condition & { type: 'within' }, signal: Signal): Test {
  const numberOf = numberReader(source, signal);
  const isAbove = (value: number, { value: least, inclusive }: NumberBound) =>
    (inclusive ? value >= least : value > least);
  const isBelow = (value: number, { value: most, inclusive }: NumberBound) =>
    (inclusive ? value <= most : value < most);
  return (record) => {
    const value = numberOf(record);
    return !Number.isNaN(value) && (from === null || isAbove(value, from))
      && (to === null || isBelow(value, to));
  };
}

function numberReader(source: NumberSource, signal: Signal): (record: SearchRecord) => number {
  if (source.type === 'number') return (record) => Number(record.column(source.column));
  if (source.type === 'attribute') {
    return (record) => numberIn(attributeOf(record, source.lookups));
  }
  if (signal === 'traces') return (record) => (record.column('StatusCode') === 'Error' ? 17 : 9);
  if (signal === 'metrics') return () => 0;
  return (record) =>
    levelNumber(Number(record.column('SeverityNumber')), String(record.column('SeverityText')));
}

const INFINITE = /^([-+]?)inf(?:inity)?$/i;

function numberIn(text: string): number {
  if (NUMBER.test(text)) return Number(text);
  const sign = INFINITE.exec(text)?.[1];
  if (sign === undefined) return Number.NaN;
  return sign === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
