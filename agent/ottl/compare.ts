// Comparisons, by the table of the Collector's documentation ("Comparison Rules" of OTTL): numbers
// of both kinds compare as doubles, false is less than true, times and durations with their own
// kind, maps, lists and ids for equality only. Values of kinds that do not compare are unequal, and
// neither is less.

import type { AnyValue, Attributes } from '../../proto/otlp/model.ts';
import type { Comparison } from './syntax.ts';
import { Duration, Id, isList, isMap, Opaque, Time, type Value } from './value.ts';

export type Test = (left: Value, right: Value) => boolean;

export const COMPARISONS: Readonly<Record<Comparison, Test>> = {
  '==': equal,
  '!=': (left, right) => !equal(left, right),
  '<': (left, right) => order(left, right) < 0,
  '>': (left, right) => order(left, right) > 0,
  '<=': (left, right) => order(left, right) <= 0 || onlyEqual(left, right),
  '>=': (left, right) => order(left, right) >= 0 || onlyEqual(left, right),
};

export function equal(left: Value, right: Value): boolean {
  if (left === right) return true;
  switch (typeof left) {
    case 'number':
    case 'bigint':
      return (typeof right === 'number' || typeof right === 'bigint')
        && Number(left) === Number(right) && !(typeof left === typeof right);
    case 'string':
    case 'boolean':
      return false;
    default:
  }
  if (left === null || typeof right !== 'object' || right === null) return false;
  return equalObjects(left, right);
}

type ObjectValue = Exclude<Value, null | boolean | bigint | number | string>;

function equalObjects(left: ObjectValue, right: ObjectValue): boolean {
  if (left instanceof Uint8Array) {
    if (right instanceof Id) return hexOf(left) === right.hex;
    return right instanceof Uint8Array && sameBytes(left, right);
  }
  if (left instanceof Id) {
    if (right instanceof Uint8Array) return hexOf(right) === left.hex;
    return right instanceof Id && left.hex === right.hex;
  }
  if (left instanceof Time) return right instanceof Time && left.ns === right.ns;
  if (left instanceof Duration) return right instanceof Duration && left.ns === right.ns;
  if (left instanceof Opaque) return right instanceof Opaque && left.content === right.content;
  if (isMap(left)) return isMap(right) && sameMaps(left.value, right.value);
  return isList(right) && sameLists(left.value, right.value);
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const sameBytes = (left: Uint8Array, right: Uint8Array): boolean =>
  left.length === right.length && Buffer.compare(left, right) === 0;

/** Equality of stored values: of the same type, all the way down. */
export function sameAny(left: AnyValue, right: AnyValue): boolean {
  if (left === right) return true;
  if (left.type !== right.type) return false;
  switch (left.type) {
    case 'kvlist':
      return sameMaps(left.value, right.value as Attributes);
    case 'array':
      return sameLists(left.value, right.value as readonly AnyValue[]);
    case 'bytes':
      return sameBytes(left.value, right.value as Uint8Array);
    default:
      return left.value === right.value;
  }
}

/** The order of keys does not matter. */
export function sameMaps(left: Attributes, right: Attributes): boolean {
  if (left === right) return true;
  if (left.length !== right.length) return false;
  return left.every(({ key, value }) => {
    const other = right.find((pair) => pair.key === key);
    return other !== undefined && sameAny(value, other.value);
  });
}

function sameLists(left: readonly AnyValue[], right: readonly AnyValue[]): boolean {
  return left.length === right.length
    && left.every((one, index) => sameAny(one, right[index]!));
}

/** Negative, 0 or positive; NaN for what has no order. */
export function order(left: Value, right: Value): number {
  switch (typeof left) {
    case 'number':
    case 'bigint':
      return typeof right === 'number' || typeof right === 'bigint'
        ? left < right ? -1 : left > right ? 1 : left == right ? 0 : NaN : NaN;
    case 'string':
      return typeof right === 'string' ? compareTexts(left, right) : NaN;
    case 'boolean':
      return typeof right === 'boolean' ? Number(left) - Number(right) : NaN;
    default:
  }
  if (left instanceof Time && right instanceof Time) return compareNs(left.ns, right.ns);
  if (left instanceof Duration && right instanceof Duration) return compareNs(left.ns, right.ns);
  if (left instanceof Uint8Array && right instanceof Uint8Array) {
    return Buffer.compare(left, right);
  }
  return NaN;
}

/** Maps, lists and nil have no order, but are equal to themselves. */
function onlyEqual(left: Value, right: Value): boolean {
  if (left === null) return false;
  return typeof left === 'object' && Number.isNaN(order(left, right)) && equal(left, right);
}

const compareNs = (left: bigint, right: bigint): number => (left < right ? -1 : +(left > right));

/** By bytes of UTF-8, as Go compares; that of UTF-16 differs only behind surrogates. */
export function compareTexts(left: string, right: string): number {
  if (left === right) return 0;
  if (SURROGATE.test(left) || SURROGATE.test(right)) {
    return Buffer.compare(Buffer.from(left), Buffer.from(right));
  }
  return left < right ? -1 : 1;
}

const SURROGATE = /[\ud800-\udfff]/;
