// Math expressions: ints with ints, doubles with doubles, times and durations by + and -. Anything
// else fails, as in the Collector ("Math Expressions" of OTTL). Ints wrap at 64 bits and divide
// towards zero, as in Go.

import { fail } from './fault.ts';
import type { MathOperator } from './syntax.ts';
import { Duration, Time, typeName, type Value } from './value.ts';

export function calculate(operator: MathOperator, left: Value, right: Value): Value {
  if (typeof left === 'bigint' && typeof right === 'bigint') return ofInts(operator, left, right);
  if (typeof left === 'number' && typeof right === 'number') {
    return ofDoubles(operator, left, right);
  }
  if (operator === '+' || operator === '-') {
    const result = ofTimes(operator, left, right);
    if (result !== null) return result;
  }
  return fail(`${typeName(left)} ${operator} ${typeName(right)} is not defined`
    + (typeof left === 'bigint' || typeof right === 'bigint' ? ': use Int() or Double()' : ''));
}

function ofInts(operator: MathOperator, left: bigint, right: bigint): bigint {
  switch (operator) {
    case '+':
      return BigInt.asIntN(64, left + right);
    case '-':
      return BigInt.asIntN(64, left - right);
    case '*':
      return BigInt.asIntN(64, left * right);
    case '/':
      return right === 0n ? fail('division by zero') : BigInt.asIntN(64, left / right);
  }
}

function ofDoubles(operator: MathOperator, left: number, right: number): number {
  switch (operator) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '/':
      return right === 0 ? fail('division by zero') : left / right;
  }
}

function ofTimes(operator: '+' | '-', left: Value, right: Value): Value {
  const sign = operator === '+' ? 1n : -1n;
  if (left instanceof Time) {
    if (right instanceof Duration) {
      return new Time(left.ns + sign * right.ns, left.offsetSeconds, left.zone);
    }
    return right instanceof Time && operator === '-' ? new Duration(left.ns - right.ns) : null;
  }
  if (!(left instanceof Duration)) return null;
  if (right instanceof Duration) return new Duration(left.ns + sign * right.ns);
  return right instanceof Time && operator === '+'
    ? new Time(left.ns + right.ns, right.offsetSeconds, right.zone) : null;
}
