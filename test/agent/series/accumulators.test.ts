// What observations add up to, against lists of them: weights that are whole and that are not, what
// was taken and given back, buckets; and the weight of a sampled span.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createExponentialHistogram, createHistogram, createSum, type AccumulatedAmount,
  type Accumulator,
} from '../../../agent/series/accumulators.ts';
import type { HistogramAmount } from '../../../agent/series/amounts.ts';
import { lowerBound, type ExponentialAmount } from '../../../agent/series/exponential.ts';
import { weightOf } from '../../../agent/series/weight.ts';
import { createSeededRandom } from '../../../runtime/random.ts';

test('weight: what the tracestate says of the share that is left out', () => {
  const check = (state: string, want: number) =>
    assert.ok(Math.abs(weightOf(state) - want) < 1e-9 * want, `${state}: ${weightOf(state)}`);
  check('', 1);
  check('ot=th:0', 1);
  check('ot=th:8', 2);
  check('ot=th:c', 4);
  check('ot=rv:123456789abcde;th:c', 4);
  check('vendor=1, ot=th:e666666666666', 10);
  check('ot=th:fffffffffffffff', 2 ** 56);
  check('xot=th:8', 1);
  check('ot=p:8', 1);
  check('a=ot=th:8', 1);
});

const sumOf = (amount: AccumulatedAmount): number =>
  (amount.kind === 'number' ? Number(amount.value.value) : Number(amount.count));

test('accumulators: what is taken adds up to all, whatever the weights', () => {
  const random = createSeededRandom(2);
  const makers: (() => Accumulator<AccumulatedAmount>)[] = [
    createSum, () => createHistogram([1, 10, 100]), () => createExponentialHistogram(20),
  ];
  for (const create of makers) {
    for (const weight of [1, 4, 10 / 3, 1.25]) {
      const taking = create();
      const whole = create();
      let taken = 0;
      let recorded = 0;
      for (let step = 0; step < 2000; step++) {
        const value = random.float() < 0.05 ? 0 : 2 ** (random.float() * 20 - 6);
        taking.record(value, weight);
        whole.record(value, weight);
        recorded += weight;
        if (random.float() > 0.1) continue;
        const amount = taking.take();
        if (random.float() < 0.4) taking.giveBack(amount);
        else taken += sumOf(amount);
      }
      taken += sumOf(taking.take());
      // Half a one per bucket is what rounding may hold.
      const slack = Number.isInteger(weight) ? 0 : 22;
      assert.ok(Math.abs(taken - recorded) <= slack, `${weight}: ${taken} of ${recorded}`);
      assert.ok(Math.abs(sumOf(whole.total()) - recorded) <= slack);
    }
  }
});

test('accumulators: rare spans of a broken weight are counted right over time', () => {
  const sum = createSum();
  let taken = 0;
  for (let step = 0; step < 300; step++) {
    sum.record(1, 10 / 3);
    taken += sumOf(sum.take());
  }
  assert.equal(taken, 1000);
});

test('accumulators: a histogram has what its observations say', () => {
  const histogram = createHistogram([1, 2, 4]);
  for (const value of [0, 1, 1.5, 2, 3, 9]) histogram.record(value, 2);
  const amount = histogram.take() as HistogramAmount;
  assert.deepEqual(amount, { kind: 'histogram', count: 12n, sum: 33,
    bucketCounts: [4n, 4n, 2n, 2n], explicitBounds: [1, 2, 4], min: 0, max: 9 });
  histogram.record(3, 1);
  histogram.giveBack(amount);
  const both = histogram.total() as HistogramAmount;
  assert.deepEqual([both.count, both.sum, both.min, both.max, both.bucketCounts],
    [13n, 36, 0, 9, [4n, 4n, 3n, 2n]]);
  histogram.take();
  assert.deepEqual(histogram.take(), { kind: 'histogram', count: 0n, sum: 0,
    bucketCounts: [0n, 0n, 0n, 0n], explicitBounds: [1, 2, 4], min: undefined, max: undefined });
});

test('accumulators: exponential buckets hold the values that they say, within their number', () => {
  const random = createSeededRandom(8);
  for (let round = 0; round < 60; round++) {
    const most = 2 + Math.floor(random.float() * 100);
    const histogram = createExponentialHistogram(most);
    const spread = random.float() * 40;
    const values = Array.from({ length: 1 + Math.floor(random.float() * 200) },
      () => 2 ** ((random.float() - 0.5) * spread));
    values.push(1, 2, 4, 0);
    for (const [index, value] of values.entries()) {
      histogram.record(value, 1);
      if (index % 50 === 49) histogram.giveBack(histogram.take());
    }
    const { positive, scale, zeroCount, count } = histogram.total() as ExponentialAmount;
    assert.ok(positive!.bucketCounts.length <= most);
    assert.equal(zeroCount, 1n);
    assert.equal(count, BigInt(values.length));
    positive!.bucketCounts.forEach((inside, index) => {
      const at = positive!.offset + index;
      const [from, to] = [lowerBound(at, scale), lowerBound(at + 1, scale)];
      // The ends are powers that are rounded: leave what lies next to them to the neighbour.
      const [low, high] = [from * (1 + 1e-12), to * (1 + 1e-12)];
      const want = values.filter((value) => value > low && value <= high).length;
      assert.ok(Math.abs(Number(inside) - want) <= 0, `scale ${scale} bucket ${at}`);
    });
  }
});
