// Proves how receivers hand batches on: what is retryable is sent again until it gets a verdict,
// what is refused is counted, and who wants to hold more than is allowed waits. Time stands still
// until the test moves it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDelivery, limits } from '../../../../agent/receivers/sending/delivery.ts';
import { ACCEPTED, rejected, retryable, type Outcome } from '../../../../proto/contract/outcome.ts';
import { createCounters } from '../../../../runtime/counters.ts';
import { createWorld } from '../../../../runtime/world.ts';
import { settle } from '../../../../runtime/manual_clock.ts';
import { createManualClock, makeBatch, testContext } from '../../../contract/fakes.ts';

const RETRY = {
  initialIntervalMs: 1000, maxIntervalMs: 4000, multiplier: 2, randomizationFactor: 0,
  maxElapsedMs: 0,
};

function create(answers: Outcome[]) {
  const clock = createManualClock();
  const counters = createCounters();
  const stopping = new AbortController();
  const context = testContext({ world: { ...createWorld(), clock }, counters });
  let calls = 0;
  const next = { consume: async () => answers[calls++] ?? ACCEPTED };
  const delivery = createDelivery(next, context, RETRY, {
    stopping: stopping.signal, deadline: new AbortController().signal,
  });
  return { delivery, clock, counters, stopping, calls: () => calls };
}

test('delivery: retryable is sent again after a wait that grows, until it is taken', async () => {
  const { delivery, clock, counters, calls } = create([retryable('full'), retryable('full')]);
  const verdict = delivery.deliver(makeBatch('logs', 3), 10);
  await settle();
  assert.equal(calls(), 1);
  await clock.advance(1000);
  assert.equal(calls(), 2);
  await clock.advance(1999);
  assert.equal(calls(), 2);
  await clock.advance(1);
  assert.equal(await verdict, true);
  assert.equal(counters.total('binnacle_receiver_retries_total'), 2);
});

test('delivery: what is refused for good is counted', async () => {
  const { delivery, counters } = create([rejected('never')]);
  assert.equal(await delivery.deliver(makeBatch('logs', 3), 10), true);
  assert.equal(counters.total('binnacle_receiver_refused_records_total'), 3);
});

test('delivery: a batch without verdict at the stop has none', async () => {
  const { delivery, stopping } = create([retryable('full')]);
  const verdict = delivery.deliver(makeBatch('logs', 1), 10);
  await settle();
  stopping.abort();
  assert.equal(await verdict, false);
  assert.equal(await delivery.admit(1), false);
});

test('delivery: what is under way is bounded; who comes later waits in line', async () => {
  const { delivery } = create([]);
  assert.equal(await delivery.admit(limits.bytesMax + 1), true);
  const order: string[] = [];
  void delivery.admit(5).then(() => order.push('first'));
  void delivery.admit(1).then(() => order.push('second'));
  await settle();
  assert.deepEqual(order, []);
  await delivery.deliver(null, limits.bytesMax + 1);
  await settle();
  assert.deepEqual(order, ['first', 'second']);
});
