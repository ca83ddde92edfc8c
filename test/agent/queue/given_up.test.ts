// What left a queue undelivered: ranges that touch become one, each reason has its counter, and the
// gauges stay bounded however much is given up.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGivenUp, limits } from '../../../agent/queue/given_up.ts';
import { createCounters } from '../../../runtime/counters.ts';

const NAME = 'binnacle_queue_given_up_items';

function opened() {
  const counters = createCounters();
  const givenUp = createGivenUp(counters, 'otlp');
  const ranges = () => counters.series().filter(({ name }) => name === NAME)
    .map(({ labels, value }) => `${labels['reason']} ${labels['from']}-${labels['to']} ${value}`);
  return { counters, givenUp, ranges };
}

test('given up: ranges that touch and have one reason are one', () => {
  const { counters, givenUp, ranges } = opened();
  givenUp.add(1, 4, 'overflow', 10);
  givenUp.add(5, 5, 'overflow', 2);
  givenUp.add(6, 6, 'refused', 3);
  givenUp.add(9, 9, 'refused', 4);
  givenUp.add(10, 12, 'missing', 0);
  assert.deepEqual(ranges(),
    ['overflow 1-5 12', 'refused 6-6 3', 'refused 9-9 4', 'missing 10-12 0']);
  assert.equal(counters.total('binnacle_queue_dropped_items_total', { reason: 'overflow' }), 12);
  assert.equal(counters.total('binnacle_queue_missing_batches_total'), 3);
});

test('given up: the oldest range is forgotten when there are too many', () => {
  const { givenUp, ranges } = opened();
  for (let number = 1; number <= limits.rangesMax + 5; number++) {
    givenUp.add(2 * number, 2 * number, 'refused', 1);
  }
  assert.equal(ranges().length, limits.rangesMax);
  assert.equal(ranges()[0], 'refused 12-12 1');
});
