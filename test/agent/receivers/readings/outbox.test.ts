// What waits for the next part: the oldest goes when there is no room, bytes count, and a room may
// be shared. And that what reads every so often never overlaps.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOutbox, limits } from '../../../../agent/receivers/readings/outbox.ts';
import { createTicker } from '../../../../agent/receivers/readings/ticker.ts';
import type { Batch } from '../../../../proto/contract/batch.ts';
import { ACCEPTED } from '../../../../proto/contract/outcome.ts';
import { createWorld } from '../../../../runtime/world.ts';
import {
  createGate, createManualClock, createSink, makeBatch, NEVER, NOW,
} from '../../../contract/fakes.ts';

test('outbox: the oldest are dropped, the one under way is not', async () => {
  const sink = createSink(createGate().answer);
  const lost: string[] = [];
  const outbox = createOutbox({
    next: sink, world: createWorld(), retryMsMax: 1000,
    dropped: (points, reason) => lost.push(`${points} ${reason}`),
  });
  for (let index = 0; index < limits.batches + 3; index++) outbox.add(makeBatch('metrics', 2));
  assert.deepEqual(lost, Array.from({ length: 3 }, () => '2 too many'));
  assert.equal(sink.received.length, 1);
  await outbox.stop(NOW);
  assert.equal(lost.length, 3 + limits.batches);
});

test('outbox: bytes have a limit too', async () => {
  const big = (): Batch<'metrics'> => makeBatch('metrics', 1,
    { resource: { text: 'x'.repeat(limits.bytes / 4) } });
  const lost: string[] = [];
  const outbox = createOutbox({
    next: createSink(createGate().answer), world: createWorld(), retryMsMax: 1000,
    dropped: (_, reason) => lost.push(reason),
  });
  for (let index = 0; index < 6; index++) outbox.add(big());
  assert.deepEqual(lost, ['too many', 'too many']);
  await outbox.stop(NOW);
});

test('outbox: a room is shared, and given back', async () => {
  const room = { bytesMax: 3000, bytes: 0 };
  const lost: string[] = [];
  const gate = createGate();
  const [one, two] = ['one', 'two'].map((name) => createOutbox({
    next: createSink(gate.answer), world: createWorld(), retryMsMax: 1000, room,
    dropped: () => lost.push(name),
  }));
  const batch = () => makeBatch('metrics', 1, { resource: { text: 'x'.repeat(900) } });
  for (let index = 0; index < 3; index++) one!.add(batch());
  for (let index = 0; index < 4; index++) two!.add(batch());
  assert.deepEqual(lost, ['two', 'two']);
  gate.open(ACCEPTED);
  await Promise.all([one!.stop(NEVER), two!.stop(NEVER)]);
  assert.equal(room.bytes, 0);
});

test('ticker: first after the delay, then every interval, and never two at a time', async () => {
  const clock = createManualClock();
  const runs: (() => void)[] = [];
  let skipped = 0;
  const ticker = createTicker({
    clock, initialDelayMs: 1000, intervalMs: 10_000,
    run: () => new Promise((resolve) => runs.push(resolve)),
    skipped: () => {
      skipped += 1;
    },
    outbox: createOutbox({ next: createSink(), world: createWorld(), retryMsMax: 1000,
      dropped: () => {} }),
  });
  await ticker.start();
  await clock.advance(999);
  assert.equal(runs.length, 0);
  await clock.advance(1);
  assert.equal(runs.length, 1);
  await clock.advance(20_000);
  assert.deepEqual([runs.length, skipped], [1, 2]);
  runs[0]!();
  await clock.advance(10_000);
  assert.deepEqual([runs.length, skipped], [2, 2]);
  runs[1]!();
  await ticker.stop(NEVER);
  await clock.advance(50_000);
  assert.equal(runs.length, 2);
});
