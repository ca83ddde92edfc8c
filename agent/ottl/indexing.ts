// Keys behind a path or converter: reading what they lead to, and maps with a value put there.

import type { AnyValue } from '../../proto/otlp/model.ts';
import { fail } from './fault.ts';
import {
  EMPTY_ANY, findKey, fromAny, isList, isMap, listOf, mapOf, toAny, typeName, withKey, type Value,
} from './value.ts';
import type { OttlView } from './view.ts';

const limits = {
  /** A list that comes into being has fewer elements. */
  newElements: 1024,
};

export type Key = string | bigint;
export type KeyGetter = (view: OttlView) => Key;

/** What is there under a key: nil under one that a map does not have, and under any key of nil. */
export function indexValue(value: Value, key: Key): Value {
  if (value === null) return null;
  if (typeof key === 'string') {
    return isMap(value) ? fromAny(findKey(value.value, key))
      : fail(`${typeName(value)} has no keys of text`);
  }
  if (!isList(value)) return fail(`${typeName(value)} has no numbered elements`);
  const { length } = value.value;
  if (key < 0n || key >= BigInt(length)) return fail(`element ${key} of a list of ${length}`);
  return fromAny(value.value[Number(key)]);
}

/**
 * The value with another one under these keys, as a new one. Where there was nothing, a map or list
 * comes into being; a list that is there does not grow.
 */
export function setIndexed(before: Value, keys: readonly Key[], value: Value): Value {
  return fromAny(replaced(before === null ? undefined : toAny(before), keys, toAny(value)));
}

function replaced(
  before: AnyValue | undefined, keys: readonly Key[], value: AnyValue,
): AnyValue {
  if (keys.length === 0) return value;
  const [key, ...rest] = keys;
  const here = fromAny(before);
  if (typeof key === 'string') {
    if (here !== null && !isMap(here)) return fail(`${typeName(here)} has no keys of text`);
    const pairs = here === null ? [] : here.value;
    return mapOf(withKey(pairs, key, replaced(findKey(pairs, key), rest, value)));
  }
  const index = Number(key);
  if (here === null && index >= 0 && index < limits.newElements) {
    return listOf([...Array<AnyValue>(index).fill(EMPTY_ANY), replaced(undefined, rest, value)]);
  }
  if (!isList(here)) return fail(`${typeName(here)} has no numbered elements`);
  const { length } = here.value;
  if (index < 0 || index >= length) return fail(`element ${index} of a list of ${length}`);
  return listOf(here.value.with(index, replaced(here.value[index], rest, value)));
}
