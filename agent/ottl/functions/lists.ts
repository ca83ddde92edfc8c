// Converters of maps and lists.

import type { AnyValue, Attributes, KeyValue } from '../../../proto/otlp/model.ts';
import { compareTexts } from '../compare.ts';
import { fail } from '../fault.ts';
import {
  findKey, fromAny, isList, jsonOf, listOf, mapOf, stringAny, textOf, typeName, type Value,
} from '../value.ts';
import { converter, type FunctionSpec } from './function.ts';
import {
  anyValue, list, literalBool, literalText, literalTexts, literalWord, map, optional,
} from './parameters.ts';
import { indexOfValue } from './types.ts';

const keys = converter('Keys', { target: map() }, ({ target }) => (view) =>
  listOf(target(view).map(({ key }) => stringAny(key))));

const valuesOf = converter('Values', { target: map() }, ({ target }) => (view) =>
  listOf(target(view).map(({ value }) => value)));

const containsValue = converter('ContainsValue', { target: list(), item: anyValue() },
  ({ target, item }) => (view) => indexOfValue(target(view).map(fromAny), item(view)) !== -1);

const index = converter('Index', { target: anyValue(), value: anyValue() },
  ({ target, value }) => (view) => BigInt(indexIn(target(view), value(view))));

function indexIn(target: Value, wanted: Value): number {
  if (isList(target)) return indexOfValue(target.value.map(fromAny), wanted);
  if (typeof target !== 'string') return fail(`expected string or list, got ${typeName(target)}`);
  if (typeof wanted !== 'string') return fail(`expected string, got ${typeName(wanted)}`);
  const at = target.indexOf(wanted);
  return at <= 0 ? at : Buffer.byteLength(target.slice(0, at));
}

const sort = converter('Sort', {
  target: list(), order: optional(literalWord(['asc', 'desc'])),
}, ({ target, order = 'asc' }) => (view) => listOf(sorted(target(view), order === 'asc' ? 1 : -1)));

const SORTED_TYPES: readonly AnyValue['type'][] = ['int', 'double', 'string', 'bool'];

function sorted(items: readonly AnyValue[], direction: 1 | -1): AnyValue[] {
  const other = items.find(({ type }) => !SORTED_TYPES.includes(type));
  if (other !== undefined) return fail(`${typeName(fromAny(other))} cannot be sorted`);
  const numbers = items.every(({ type }) => type === 'int' || type === 'double');
  const compare = numbers
    ? (a: AnyValue, b: AnyValue) => compareNumbers(a.value as number, b.value as number)
    : (a: AnyValue, b: AnyValue) => compareTexts(textOf(fromAny(a))!, textOf(fromAny(b))!);
  return items.toSorted((a, b) => compare(a, b) * direction);
}

const compareNumbers = (a: number, b: number): number => (a < b ? -1 : Number(a > b));

const sliceToMap = converter('SliceToMap', {
  target: list(), keyPath: optional(literalTexts()), valuePath: optional(literalTexts()),
}, ({ target, keyPath, valuePath }) => (view) => {
  const pairs = new Map<string, AnyValue>();
  target(view).forEach((item, place) => {
    const key = keyPath === undefined ? String(place) : keyAt(item, keyPath);
    pairs.set(key, valuePath === undefined ? item : valueAt(item, valuePath));
  });
  return mapOf([...pairs].map(([key, value]): KeyValue => ({ key, value })));
});

function keyAt(item: AnyValue, path: readonly string[]): string {
  const found = valueAt(item, path);
  return found.type === 'string' ? found.value : fail('a key of SliceToMap is not a string');
}

function valueAt(item: AnyValue, path: readonly string[]): AnyValue {
  return path.reduce<AnyValue>((inner, key) => {
    const found = inner.type === 'kvlist' ? findKey(inner.value, key) : undefined;
    return found ?? fail('an element does not have this path');
  }, item);
}

const toKeyValueString = converter('ToKeyValueString', {
  target: map(), delimiter: optional(literalText()), pairDelimiter: optional(literalText()),
  sortOutput: optional(literalBool()),
}, ({ target, delimiter = '=', pairDelimiter = ' ', sortOutput = false }) => {
  const quoted = (written: string) => (written.includes(delimiter)
    || written.includes(pairDelimiter) || written.includes('"')
    ? `"${written.replaceAll('"', '\\"')}"` : written);
  return (view) => ordered(target(view), sortOutput).map(({ key, value }) => {
    const nested = value.type === 'kvlist' || value.type === 'array';
    const written = nested ? jsonOf(value) : textOf(fromAny(value), 'base64') ?? '';
    const shown = nested && !written.includes(delimiter) && !written.includes(pairDelimiter)
      ? written.replaceAll('"', '\\"') : quoted(written);
    return `${quoted(key)}${delimiter}${shown}`;
  }).join(pairDelimiter);
});

const ordered = (pairs: Attributes, sortOutput: boolean): Attributes => (sortOutput
  ? pairs.toSorted((a, b) => compareTexts(a.key, b.key)) : pairs);

export const LIST_FUNCTIONS: readonly FunctionSpec[] = [
  containsValue, index, keys, sliceToMap, sort, toKeyValueString, valuesOf,
];
