// What the signs of expressions do with values. Whole numbers stay whole; with a double beside them
// they become doubles; `/` always gives a double.

import { isMap, type Value, type ValueMap } from '../entry.ts';

/** An expression cannot be said of this entry. The message holds nothing of the entry. */
export class ExpressionFault extends Error {
  constructor(why: string) {
    super(why);
    this.name = 'ExpressionFault';
  }
}

export function fail(why: string): never {
  throw new ExpressionFault(why);
}

export type Operation = (left: Value, right: Value) => Value;

const isNumber = (value: Value): value is number | bigint =>
  typeof value === 'number' || typeof value === 'bigint';

/** Digits of a power of whole numbers are not more than those of 64 bits. */
const WHOLE_MAX = 2n ** 63n;

export function isSame(left: Value, right: Value): boolean {
  if (left === right) return true;
  // As expr-lang: 1 is 1.0.
  // eslint-disable-next-line eqeqeq
  if (isNumber(left) && isNumber(right)) return left == right;
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length
      && left.every((one, index) => isSame(one as Value, right[index] as Value));
  }
  return isMap(left) && isMap(right) && sameMaps(left, right);
}

function sameMaps(left: ValueMap, right: ValueMap): boolean {
  const keys = Object.keys(left);
  return keys.length === Object.keys(right).length && keys.every((key) =>
    Object.hasOwn(right, key) && isSame(left[key]!, right[key]!));
}

export function compare(left: Value, right: Value): number {
  const both = isNumber(left) && isNumber(right);
  if (!both && (typeof left !== 'string' || typeof right !== 'string')) {
    return fail('only two numbers or two texts have an order');
  }
  if (left! < right!) return -1;
  return left! > right! ? 1 : 0;
}

export function isIn(left: Value, right: Value): boolean {
  if (Array.isArray(right)) return right.some((one) => isSame(left, one as Value));
  if (isMap(right)) return typeof left === 'string' && Object.hasOwn(right, left);
  return right === null ? false : fail('behind in a list or a map is expected');
}

export function textOf(value: Value, name: string): string {
  if (typeof value === 'string') return value;
  return fail(`${name} is asked of what is no text`);
}

export function add(left: Value, right: Value): Value {
  if (typeof left === 'string' && typeof right === 'string') return left + right;
  return arithmetic(left, right, (a, b) => a + b, (a, b) => a + b);
}

export const subtract: Operation = (left, right) =>
  arithmetic(left, right, (a, b) => a - b, (a, b) => a - b);

export const multiply: Operation = (left, right) =>
  arithmetic(left, right, (a, b) => a * b, (a, b) => a * b);

export const divide: Operation = (left, right) => numberOf(left) / numberOf(right);

export const power: Operation = (left, right) => numberOf(left) ** numberOf(right);

export const remainder: Operation = (left, right) =>
  arithmetic(left, right, (a, b) => (b === 0n ? fail('a division by zero') : a % b),
    (a, b) => a % b);

export function negate(value: Value): Value {
  return isNumber(value) ? -value : fail('a sign stands before what is no number');
}

export function numberOf(value: Value): number {
  return isNumber(value) ? Number(value) : fail('it is calculated with what is no number');
}

function arithmetic(
  left: Value, right: Value,
  whole: (a: bigint, b: bigint) => bigint, double: (a: number, b: number) => number,
): Value {
  if (typeof left === 'bigint' && typeof right === 'bigint') {
    const result = whole(left, right);
    if (result < WHOLE_MAX && result >= -WHOLE_MAX) return result;
    return fail('a whole number is beyond 64 bits');
  }
  return double(numberOf(left), numberOf(right));
}
