// Arithmetic on points: sums, histograms and exponential histograms are added and taken apart, and
// compared with what plain lists of observations say.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addAmounts, amountOf, subtractAmounts, type Amount,
} from '../../../agent/series/amounts.ts';
import { lowerBound, type ExponentialAmount } from '../../../agent/series/exponential.ts';
import { createSeededRandom } from '../../../runtime/random.ts';
import { at, DELTA, exponential, histogram, sum } from './made.ts';

const time = at(1);
const number = (value: bigint | number): Amount =>
  amountOf('sum', sum(value, { time, temporality: DELTA }).dataPoints[0]!)!;
const buckets = (counts: number[], total: number): Amount =>
  amountOf('histogram', histogram(counts, total, { time, temporality: DELTA }).dataPoints[0]!)!;

test('amounts: numbers stay integers while they can', () => {
  const check = (one: bigint | number, other: bigint | number, want: unknown) =>
    assert.deepEqual(addAmounts(number(one), number(other)), want);
  check(1n, 2n, number(3n));
  check(1n, 0.5, number(1.5));
  check(2n ** 63n - 1n, 1n, number(Number(2n ** 63n)));
  assert.deepEqual(subtractAmounts(number(5n), number(3n)), number(2n));
  assert.equal(subtractAmounts(number(3n), number(5n)), null);
});

test('amounts: a point without a value has none', () => {
  const flagged = { time, temporality: DELTA, flags: 1 };
  assert.equal(amountOf('sum', sum(1n, flagged).dataPoints[0]!), null);
  assert.equal(amountOf('sum', sum(NaN, { time, temporality: DELTA }).dataPoints[0]!), null);
  assert.equal(amountOf('histogram', histogram([1], 1, flagged).dataPoints[0]!), null);
});

test('amounts: histograms by bucket; other bounds cannot be one', () => {
  const both = addAmounts(buckets([1, 2, 3], 5), buckets([0, 1, 0], 2));
  assert.deepEqual(both, buckets([1, 3, 3], 7));
  assert.deepEqual(subtractAmounts(both!, buckets([0, 1, 0], 2)), buckets([1, 2, 3], 5));
  assert.equal(addAmounts(buckets([1, 2], 5), buckets([0, 1, 0], 2)), null);
  assert.equal(subtractAmounts(buckets([1, 2, 9], 5), buckets([2, 0, 0], 2)), null, 'fewer');
  assert.equal(addAmounts(buckets([1], 5), number(1n)), null);
});

/** An exponential histogram of values, made the slow way. */
function exponentialOf(
  values: readonly number[], scale: number, zeroThreshold = 0,
): ExponentialAmount {
  const side = (list: readonly number[]) => {
    const indexes = list.map((value) => Math.ceil(Math.log2(value) * 2 ** scale) - 1);
    if (indexes.length === 0) return undefined;
    const offset = Math.min(...indexes);
    const bucketCounts = new Array<bigint>(Math.max(...indexes) - offset + 1).fill(0n);
    for (const index of indexes) bucketCounts[index - offset]! += 1n;
    return { offset, bucketCounts };
  };
  const zeros = values.filter((value) => Math.abs(value) <= zeroThreshold);
  return {
    kind: 'exponential', count: BigInt(values.length),
    sum: values.reduce((one, other) => one + other, 0), scale, zeroThreshold,
    zeroCount: BigInt(zeros.length),
    positive: side(values.filter((value) => value > zeroThreshold)),
    negative: side(values.filter((value) => value < -zeroThreshold).map((value) => -value)),
    min: Math.min(...values), max: Math.max(...values),
  };
}

test('amounts: exponential histograms of any scale add up to that of all values', () => {
  const random = createSeededRandom(3);
  for (let round = 0; round < 200; round++) {
    const values = (most: number) => Array.from({ length: 1 + Math.floor(random.float() * most) },
      () => Math.round(2 ** (random.float() * 12 - 4) * 1024) / 1024
        * (random.float() < 0.3 ? -1 : 1) * (random.float() < 0.1 ? 0 : 1));
    const [one, other] = [values(20), values(20)];
    const a = exponentialOf(one, Math.floor(random.float() * 6) - 1);
    const b = exponentialOf(other, Math.floor(random.float() * 6) - 1);
    const both = addAmounts(a, b) as ExponentialAmount;
    const want = exponentialOf([...one, ...other], both.scale);
    assert.ok(both.scale <= Math.min(a.scale, b.scale));
    assert.deepEqual({ ...both, sum: 0 }, { ...want, sum: 0 });
    assert.ok(Math.abs(both.sum! - want.sum!) < 1e-6);
    const left = subtractAmounts(both, b) as ExponentialAmount;
    const rest = exponentialOf(one, both.scale);
    assert.deepEqual([left.count, left.zeroCount, left.positive, left.negative],
      [rest.count, rest.zeroCount, rest.positive, rest.negative]);
  }
});

test('amounts: exponential histograms keep to 160 buckets, however far apart they are', () => {
  const point = (offset: number) => amountOf('exponentialHistogram',
    exponential(20, offset, [1], 1, { time, temporality: DELTA }).dataPoints[0]!)!;
  const both = addAmounts(point(-2_000_000_000), point(2_000_000_000)) as ExponentialAmount;
  assert.ok(both.positive!.bucketCounts.length <= 160);
  assert.ok(both.positive!.bucketCounts.length > 80, String(both.positive!.bucketCounts.length));
  assert.equal(both.positive!.bucketCounts.reduce((a, b) => a + b), 2n);
  assert.equal(both.count, 2n);
});

test('amounts: zero thresholds meet where no bucket is cut', () => {
  const values = [0.01, 0.2, 0.3, 1.5, 3];
  const a = exponentialOf(values, 1);
  const b = { ...exponentialOf([0.05, 8], 1, 0.25) };
  const both = addAmounts(a, b) as ExponentialAmount;
  assert.ok(both.zeroThreshold >= 0.25);
  const inside = [...values, 0.05, 8].filter((value) => value <= both.zeroThreshold);
  assert.equal(both.zeroCount, BigInt(inside.length));
  assert.ok(lowerBound(both.positive!.offset, both.scale) >= both.zeroThreshold);
  assert.equal(both.count, 7n);
  assert.equal(both.zeroCount + both.positive!.bucketCounts.reduce((x, y) => x + y), 7n);
});

test('amounts: what did not grow out of it is a new beginning', () => {
  const grown = exponentialOf([1, 2, 3, 4], 2);
  assert.equal(subtractAmounts(exponentialOf([1, 2], 2), grown), null, 'fewer');
  assert.equal(subtractAmounts(exponentialOf([9, 9, 9, 9, 9], 2), grown), null, 'elsewhere');
  assert.equal(subtractAmounts(exponentialOf([1, 2, 3, 4, 5], 3), grown), null, 'finer');
});
