// The functions of expressions, by the names and meanings of expr-lang.

import { isMap, type Value, type ValueMap } from '../entry.ts';
import { compare, fail, numberOf, textOf } from './operations.ts';

export interface ExpressionFunction {
  /** How many values it takes. */
  readonly least: number;
  readonly most: number;
  readonly apply: (args: readonly Value[]) => Value;
}

export const limits = {
  /** Characters that `repeat` makes. */
  repeatedChars: 1024 * 1024,
  /** Values that `min`, `max` and others take. */
  argumentsMax: 100,
} as const;

const of = (
  least: number, most: number, apply: (...args: Value[]) => Value,
): ExpressionFunction => ({ least, most, apply: (args) => apply(...args) });

const onText = (name: string, apply: (text: string) => Value) =>
  of(1, 1, (value) => apply(textOf(value!, name)));

const onTexts = (name: string, apply: (text: string, other: string) => Value) =>
  of(2, 2, (text, other) => apply(textOf(text!, name), textOf(other!, name)));

const onNumber = (apply: (number: number) => number) =>
  of(1, 1, (value) => (typeof value === 'bigint' ? value : apply(numberOf(value!))));

export const FUNCTIONS: Record<string, ExpressionFunction> = {
  len: of(1, 1, (value) => BigInt(lengthOf(value!))),
  type: of(1, 1, (value) => typeOf(value!)),
  int: of(1, 1, (value) => toInteger(value!)),
  float: of(1, 1, (value) => toDouble(value!)),
  string: of(1, 1, (value) => toText(value!)),

  upper: onText('upper', (text) => text.toUpperCase()),
  lower: onText('lower', (text) => text.toLowerCase()),
  trim: of(1, 2, (text, marks) => trimmed('trim', text!, marks, true, true)),
  trimLeft: of(1, 2, (text, marks) => trimmed('trimLeft', text!, marks, true, false)),
  trimRight: of(1, 2, (text, marks) => trimmed('trimRight', text!, marks, false, true)),
  trimPrefix: onTexts('trimPrefix', (text, start) =>
    (text.startsWith(start) ? text.slice(start.length) : text)),
  trimSuffix: onTexts('trimSuffix', (text, end) =>
    (text.endsWith(end) && end !== '' ? text.slice(0, -end.length) : text)),
  hasPrefix: onTexts('hasPrefix', (text, start) => text.startsWith(start)),
  hasSuffix: onTexts('hasSuffix', (text, end) => text.endsWith(end)),
  indexOf: onTexts('indexOf', (text, part) => BigInt(text.indexOf(part))),
  lastIndexOf: onTexts('lastIndexOf', (text, part) => BigInt(text.lastIndexOf(part))),
  replace: of(3, 3, (text, from, to) =>
    textOf(text!, 'replace').replaceAll(textOf(from!, 'replace'), () => textOf(to!, 'replace'))),
  repeat: of(2, 2, (text, count) => repeated(textOf(text!, 'repeat'), numberOf(count!))),
  split: of(2, 3, (text, mark, most) => splitText(textOf(text!, 'split'), textOf(mark!, 'split'),
    most === undefined ? -1 : numberOf(most))),
  join: of(1, 2, (list, mark) => listOf(list!, 'join').map((one) => textOf(one, 'join'))
    .join(mark === undefined ? '' : textOf(mark, 'join'))),

  abs: of(1, 1, (value) => (compare(value!, 0) < 0
    ? typeof value === 'bigint' ? -value : -numberOf(value!) : value!)),
  ceil: onNumber(Math.ceil),
  floor: onNumber(Math.floor),
  round: onNumber((number) => Math.sign(number) * Math.round(Math.abs(number))),
  min: of(1, limits.argumentsMax, (...values) => extreme(values, 'min', -1)),
  max: of(1, limits.argumentsMax, (...values) => extreme(values, 'max', 1)),

  keys: of(1, 1, (map) => Object.keys(mapOf(map!, 'keys'))),
  values: of(1, 1, (map) => Object.values(mapOf(map!, 'values'))),
  first: of(1, 1, (list) => listOf(list!, 'first')[0] ?? null),
  last: of(1, 1, (list) => listOf(list!, 'last').at(-1) ?? null),
  get: of(2, 2, (target, key) => getFrom(target!, key!)),
  toJSON: of(1, 1, (value) => JSON.stringify(value, (_key, one: unknown) =>
    (typeof one === 'bigint' ? Number(one) : one))),
  fromJSON: onText('fromJSON', parseJson),
  toBase64: onText('toBase64', (text) => Buffer.from(text, 'utf8').toString('base64')),
  fromBase64: onText('fromBase64', (text) => Buffer.from(text, 'base64').toString('utf8')),
};

function lengthOf(value: Value): number {
  if (typeof value === 'string') return [...value].length;
  if (Array.isArray(value)) return value.length;
  return isMap(value) ? Object.keys(value).length : fail('len is asked of what has no length');
}

function typeOf(value: Value): string {
  if (value === null) return 'nil';
  if (Array.isArray(value)) return 'array';
  if (value instanceof Uint8Array) return 'bytes';
  const names: Record<string, string> = {
    bigint: 'int', number: 'float', boolean: 'bool', object: 'map',
  };
  return names[typeof value] ?? typeof value;
}

function toInteger(value: Value): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return BigInt(Math.trunc(value));
  if (typeof value === 'string' && /^[+-]?\d{1,19}$/.test(value)) {
    return BigInt(value.replace('+', ''));
  }
  return fail('int is asked of what is no number');
}

function toDouble(value: Value): number {
  if (typeof value !== 'string') return numberOf(value);
  const number = value.trim() === '' ? NaN : Number(value);
  return Number.isNaN(number) ? fail('float is asked of what is no number') : number;
}

function toText(value: Value): string {
  if (typeof value === 'string') return value;
  if (value === null) return 'nil';
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  if (typeof value !== 'object') return String(value);
  return FUNCTIONS['toJSON']!.apply([value]) as string;
}

function trimmed(
  name: string, value: Value, marks: Value | undefined, atStart: boolean, atEnd: boolean,
): string {
  const characters = [...textOf(value, name)];
  const cut = marks === undefined ? null : new Set(textOf(marks, name));
  const goes = (one: string) => (cut === null ? /\s/.test(one) : cut.has(one));
  let start = 0;
  let end = characters.length;
  while (atStart && start < end && goes(characters[start]!)) start++;
  while (atEnd && end > start && goes(characters[end - 1]!)) end--;
  return characters.slice(start, end).join('');
}

function repeated(text: string, count: number): string {
  const wrong = !Number.isInteger(count) || count < 0 || text.length * count > limits.repeatedChars;
  return wrong ? fail('repeat makes no such text') : text.repeat(count);
}

function splitText(text: string, mark: string, most: number): string[] {
  const parts = text.split(mark);
  if (most < 0 || parts.length <= most) return parts;
  return most === 0 ? [] : [...parts.slice(0, most - 1), parts.slice(most - 1).join(mark)];
}

function extreme(values: readonly Value[], name: string, sign: number): Value {
  const all = values.flatMap((value) => (Array.isArray(value) ? value as Value[] : [value]));
  if (all.length === 0) return fail(`${name} is asked of an empty list`);
  numberOf(all[0]!);
  return all.reduce((most, value) => (compare(value, most) * sign > 0 ? value : most));
}

function listOf(value: Value, name: string): readonly Value[] {
  return Array.isArray(value) ? value : fail(`${name} is asked of what is no list`);
}

function mapOf(value: Value, name: string): ValueMap {
  return isMap(value) ? value : fail(`${name} is asked of what is no map`);
}

function getFrom(target: Value, key: Value): Value {
  if (isMap(target)) return typeof key === 'string' && Object.hasOwn(target, key)
    ? target[key]! : null;
  if (!Array.isArray(target)) return null;
  const index = Number(key);
  return (target as readonly Value[]).at(Number.isInteger(index) ? index : target.length) ?? null;
}

function parseJson(text: string): Value {
  try {
    return JSON.parse(text) as Value;
  } catch {
    return fail('fromJSON is asked of what is no JSON');
  }
}
