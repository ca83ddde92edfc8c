// What a full queue drops is counted, also what is being sent at that moment and may never arrive;
// it is not taken for damage. A cursor that cannot be saved fails nobody who waits for it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NEVER } from '../../contract/fakes.ts';
import { batchOf, drain, faultyDisk, namesOf, openOn, putAll, SIZE, takeSoon } from './open.ts';

const DROPPING = { size: { ...SIZE, batchesMax: 4 }, whenFull: 'drop_oldest' as const };
const DROPPED = 'binnacle_queue_dropped_items_total';

test('queue: a segment that is dropped is not taken for damage', async () => {
  const disk = faultyDisk();
  const { queue, log } = await openOn(disk, DROPPING);
  await putAll(queue, namesOf(4));
  await takeSoon(queue);
  assert.equal((await queue.put(batchOf('new'), NEVER)).status, 'accepted');
  assert.deepEqual((await drain(queue)).keys, ['new']);
  await queue.stop();
  assert.deepEqual(disk.paths().filter((path) => path.includes('quarantine')), []);
  assert.deepEqual(log.lines.filter(({ message }) => message.includes('damaged')), []);
});

test('queue: what is being sent when it is dropped counts as dropped', async () => {
  const disk = faultyDisk();
  const { queue, counters } = await openOn(disk, DROPPING);
  await putAll(queue, namesOf(4));
  const taken = await takeSoon(queue);
  await takeSoon(queue).then((delivered) => delivered!.done());
  for (const name of ['new', 'newer']) await queue.put(batchOf(name), NEVER);
  // All but the one that was delivered and the one that there was room for.
  assert.equal(counters.total(DROPPED, { reason: 'overflow' }), 4);
  taken!.done();
  assert.equal(queue.batches(), 1);
  assert.equal(queue.items(), 1);
  await queue.stop();
});

test('queue: a cursor that cannot be saved fails none of those who wait for room', async () => {
  const disk = faultyDisk();
  const size = { ...SIZE, batchesMax: 2 };
  const { queue } = await openOn(disk, { size });
  await putAll(queue, namesOf(2));
  await takeSoon(queue).then((taken) => taken!.done());
  await putAll(queue, ['third']);
  disk.failSyncs(true);
  const puts = namesOf(3, 'late').map((name) => queue.put(batchOf(name), NEVER));
  const outcomes = await Promise.all(puts);
  assert.deepEqual(outcomes.map(({ status }) => status), Array(3).fill('retryable'));
  disk.failSyncs(false);
  await queue.stop();
});
