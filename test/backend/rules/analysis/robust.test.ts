// Proves the robust statistics by values calculated by hand, and that values kept in order as they
// come and go give what sorting them gives.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOrdered, mad, meanAd, median, quantile, robustZ, spreadOf }
  from '../../../../backend/rules/analysis/robust.ts';
import { seededRandom } from '../../../proto/generate.ts';

const near = (actual: number, wanted: number, within = 1e-9) =>
  assert.ok(Math.abs(actual - wanted) <= within, `${actual} is not ${wanted}`);

/** The ten values of Iglewicz and Hoaglin's example of a labelling that masks nothing. */
const VALUES = [2.1, 2.6, 2.4, 2.5, 2.3, 2.1, 2.3, 2.6, 8.2, 8.3];

test('robust: median, MAD and mean deviation by hand', () => {
  near(median([3, 1, 2]), 2);
  near(median([4, 1, 3, 2]), 2.5);
  assert.ok(Number.isNaN(median([])));
  near(quantile([1, 2, 3, 4, 5], 0.25), 2);
  near(quantile([1, 2, 3, 4], 0.25), 1.75);
  near(median(VALUES), 2.45);
  // Deviations .35 .15 .05 .05 .15 .35 .15 .15 5.75 5.85: the middle two are .15 and .15.
  near(mad(VALUES), 0.15);
  near(meanAd([1, 1, 1, 5]), 1);
});

test('robust: the score of Iglewicz and Hoaglin', () => {
  // 0.6745 (8.2 - 2.45) / 0.15 and 0.6745 (8.3 - 2.45) / 0.15; nothing else is above 3.5.
  near(robustZ(8.2, VALUES), 0.6745 * 5.75 / 0.15, 0.01);
  near(robustZ(8.3, VALUES), 0.6745 * 5.85 / 0.15, 0.01);
  assert.deepEqual(VALUES.filter((value) => Math.abs(robustZ(value, VALUES)) > 3.5), [8.2, 8.3]);
});

test('robust: without a MAD the mean deviation counts, and without that nothing does', () => {
  // The median is 1, half of the deviations are 0, their mean is 1.
  near(robustZ(5, [1, 1, 1, 5]), 4 / 1.2533);
  assert.deepEqual(spreadOf([7, 7, 7]), { centre: 7, sigma: 0 });
  assert.equal(robustZ(7, [7, 7, 7]), 0);
  assert.equal(robustZ(8, [7, 7, 7]), Infinity);
});

test('robust: values that come and go give the same as when they are sorted', () => {
  const random = seededRandom(7);
  const ordered = createOrdered();
  const held: number[] = [];
  for (let turn = 0; turn < 2000; turn++) {
    const value = random() < 0.3 ? Math.floor(random() * 4) : random() * 10;
    held.push(value);
    ordered.add(value);
    if (held.length > 300) ordered.remove(held.shift()!);
    if (turn % 37 !== 0) continue;
    const of = turn % 2 === 0 ? (x: number) => x : Math.log1p;
    const { centre, sigma } = ordered.spread(of);
    const wanted = spreadOf(held.map(of));
    near(sigma, wanted.sigma, 1e-9);
    near(centre, wanted.centre, 1e-9);
    near(ordered.quantile(0.9), quantile(held, 0.9));
  }
  assert.equal(ordered.size(), 300);
});
