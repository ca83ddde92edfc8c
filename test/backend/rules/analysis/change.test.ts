// Proves what counts as a change, above all from nothing and to nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changeOf, changeSamples } from '../../../../backend/rules/analysis/change.ts';

test('change: difference, ratio and percent', () => {
  const check = (now: number, before: number, wanted: readonly [number, number, number]) =>
    assert.deepEqual([changeOf(now, before, 'difference'), changeOf(now, before, 'ratio'),
      changeOf(now, before, 'percent')], wanted);
  check(15, 10, [5, 1.5, 50]);
  check(5, 10, [-5, 0.5, -50]);
  check(10, 10, [0, 1, 0]);
  check(0, 10, [-10, 0, -100]);
  check(0, 0, [0, 1, 0]);
  check(3, 0, [3, Infinity, Infinity]);
  check(-3, 0, [-3, -Infinity, -Infinity]);
  check(-5, -10, [5, 0.5, 50]);
});

test('change: a group that is new or gone counts from 0 where nothing is a number', () => {
  const now = [{ labels: { a: '1' }, value: 4 }, { labels: { a: '2' }, value: 6 }];
  const before = [{ labels: { a: '3' }, value: 8 }, { labels: { a: '2' }, value: 3 }];
  const counted = changeSamples(now, before, { as: 'difference', missingIsZero: true });
  assert.deepEqual(counted.map(({ labels, value }) => [labels['a'], value]),
    [['1', 4], ['2', 3], ['3', -8]]);
  assert.deepEqual(counted[1]!.extra, { now: 6, before: 3 });
  const known = changeSamples(now, before, { as: 'difference', missingIsZero: false });
  assert.deepEqual(known.map(({ labels, value }) => [labels['a'], value]), [['2', 3]]);
});
