// Values over time in the notation of Prometheus' test files, and numbers of records.

import { ScriptFault, type Line, type Word } from './line.ts';
import { limits, type SeriesValue } from './model.ts';

const NUMBER = String.raw`[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|Inf|NaN)`;
const GROWING = new RegExp(`^(${NUMBER})([+-](?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][+-]?\\d+)?)x(\\d+)$`);
const REPEATED = new RegExp(`^(${NUMBER}|error|stale)x(\\d+)$`);
const MISSING = /^_(?:x(\d+))?$/;

/**
 * All words that are left: `1+2x3` is 1 3 5 7; `1x3` is 1 1 1 1; `_` is none and `_x3` three
 * times none; `stale`; `error` where `errors`.
 */
export function valuesIn(line: Line, { errors }: { errors: boolean }): SeriesValue[] {
  const values: SeriesValue[] = [];
  line.peek() ?? line.next('a value');
  for (let word = line.peek(); word !== undefined; word = line.peek()) {
    line.next('a value');
    const more = valuesOf(word);
    if (more.includes('error') && !errors) {
      throw new ScriptFault(word.place, '"error" cannot stand here',
        'only what a rule measures can fail; see `measure`');
    }
    values.push(...bounded(more, word));
    bounded(values, word);
  }
  return values;
}

function valuesOf(word: Word): SeriesValue[] {
  const { text } = word;
  const growing = GROWING.exec(text);
  if (growing !== null) {
    const [, first, step, times] = growing;
    return many(Number(times) + 1, word, (index) => numberOf(first!) + index * Number(step));
  }
  const repeated = REPEATED.exec(text);
  if (repeated !== null) {
    const [, value, times] = repeated;
    return many(Number(times) + 1, word, () => wordOf(value!));
  }
  const missing = MISSING.exec(text);
  if (missing !== null) return many(Number(missing[1] ?? 1), word, () => null);
  if (text === 'stale' || text === 'error' || new RegExp(`^${NUMBER}$`).test(text)) {
    return [wordOf(text)];
  }
  throw new ScriptFault(word.place, `"${text}" is no value`,
    'write 1, 1+2x3, 1x3, _, _x3, stale; labels have no blank before {');
}

/** `5x10`: five in each of ten steps; `5`: in one; `_x3`: none in three. */
export function countsIn(word: Word): number[] | null {
  const match = /^(\d+|_)(?:x(\d+))?$/.exec(word.text);
  if (match === null) return null;
  const count = match[1] === '_' ? 0 : Number(match[1]);
  const steps = Number(match[2] ?? 1);
  if (count * steps > limits.valuesMax) throw tooMany(word);
  return many(steps, word, () => count);
}

function many<T>(count: number, word: Word, make: (index: number) => T): T[] {
  if (count > limits.valuesMax) throw tooMany(word);
  return Array.from({ length: count }, (_, index) => make(index));
}

function bounded<T>(values: T[], word: Word): T[] {
  if (values.length > limits.valuesMax) throw tooMany(word);
  return values;
}

const tooMany = ({ place }: Word) =>
  new ScriptFault(place, `these are more than ${limits.valuesMax}`, 'make the step longer');

const wordOf = (text: string): SeriesValue =>
  (text === 'stale' || text === 'error' ? text : numberOf(text));

const numberOf = (text: string): number =>
  (text.endsWith('Inf') ? (text.startsWith('-') ? -Infinity : Infinity) : Number(text));
