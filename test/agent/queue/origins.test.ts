// Proves that a queue knows where its records are from, over restarts, crashes and the removal of
// their segments, and that it says nothing wrong when what it kept is gone, damaged or too much.
// That nothing is read twice: test/agent/receivers/file_log/crash.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits, MARKS } from '../../../agent/queue/origins.ts';
import type { Origin } from '../../../proto/contract/batch.ts';
import { itemKeys, NEVER } from '../../contract/fakes.ts';
import {
  batchOf, drain, faultyDisk, flip, FOLDER, large, openOn, segmentsOf, SMALL, takeSoon,
} from './open.ts';

const MARKS_PATH = `${FOLDER}/${MARKS}`;
const SECRET = 'what stands before the position';

const origin = (from: number, to: number, more: Partial<Origin> = {}): Origin =>
  ({ receiver: 'files', run: 'one', content: 1, from, to, state: `${SECRET} ${to}`, ...more });

const rangesOf = (origins: readonly Origin[]) =>
  origins.map(({ content, from, to, state }) => [content, from, to, state]);

test('origins: those of what is durable are known, also by the next process', async () => {
  const disk = faultyDisk();
  const { queue } = await openOn(disk);
  await queue.put(batchOf('a').from([origin(0, 10)]), NEVER);
  await queue.put(batchOf('c').from([origin(20, 30), origin(0, 5, { content: 2 })]), NEVER);
  const expected = [[1, 0, 10, `${SECRET} 10`], [1, 20, 30, `${SECRET} 30`],
    [2, 0, 5, `${SECRET} 5`]];
  assert.deepEqual(rangesOf(queue.origins('files')), expected);
  assert.deepEqual(queue.origins('others'), []);
  disk.crash();
  const again = await openOn(disk);
  assert.deepEqual(rangesOf(again.queue.origins('files')), expected);
  await again.queue.put(batchOf('b').from([origin(10, 20)]), NEVER);
  assert.deepEqual(rangesOf(again.queue.origins('files')),
    [[2, 0, 5, `${SECRET} 5`], [1, 0, 30, `${SECRET} 30`]]);
  assert.deepEqual((await drain(again.queue)).keys, ['a', 'c', 'b']);
  await again.queue.put(batchOf('d').from([origin(0, 1, { run: 'two' })]), NEVER);
  assert.deepEqual(rangesOf(again.queue.origins('files')), [[1, 0, 1, `${SECRET} 1`]]);
  await again.queue.stop();
});

for (const keys of [[], [Buffer.alloc(32, 1)]]) {
  const options = { ...SMALL, keys };
  test(`origins: known when segments are gone, ${keys.length} keys`, async () => {
    const disk = faultyDisk();
    const { queue } = await openOn(disk, options);
    for (let number = 0; number < 12; number++) {
      await queue.put(large(`r${number}`).from([origin(number, number + 1)]), NEVER);
      (await takeSoon(queue))!.done();
    }
    await queue.stop();
    assert.ok(segmentsOf(disk.paths()).length <= 1);
    // Nothing was delivered of it, and the segments are gone at the start.
    for (let start = 0; start < 3; start++) {
      disk.crash();
      const again = await openOn(disk, options);
      assert.deepEqual(rangesOf(again.queue.origins('files')), [[1, 0, 12, `${SECRET} 12`]]);
      await again.queue.stop();
    }
    assert.equal(disk.content(MARKS_PATH)!.includes(SECRET), keys.length === 0);
  });

  test(`origins: damaged, they are forgotten and nothing else, ${keys.length} keys`, async () => {
    for (const at of [0, 90, 4200, 4230]) {
      const disk = faultyDisk();
      const { queue } = await openOn(disk, options);
      await queue.put(large('a').from([origin(0, 10)]), NEVER);
      (await takeSoon(queue))!.done();
      await queue.stop();
      await (await openOn(disk, options)).queue.stop();
      disk.damage(MARKS_PATH, flip(at));
      const again = await openOn(disk, options);
      const isHarmless = at === 90;
      assert.equal(again.queue.origins('files').length, isHarmless ? 1 : 0, `at ${at}`);
      await again.queue.put(batchOf('b').from([origin(10, 20)]), NEVER);
      assert.deepEqual((await drain(again.queue)).keys, ['b']);
      await again.queue.stop();
    }
  });
}

test('origins: a batch of too many is put without', async () => {
  const disk = faultyDisk();
  const { queue } = await openOn(disk);
  const many = Array.from({ length: limits.recordBytesMax / 50 }, (_, content) =>
    origin(0, 10, { content }));
  await queue.put(batchOf('a').from(many), NEVER);
  assert.deepEqual(queue.origins('files'), []);
  await queue.put(batchOf('b').from(many.slice(0, 100)), NEVER);
  assert.equal(queue.origins('files').length, 100);
  const taken = await takeSoon(queue);
  assert.deepEqual(itemKeys(taken!.batch), ['a']);
  await queue.stop();
});

test('origins: what could not be synced at the start is not said to be here', async () => {
  const disk = faultyDisk();
  const { queue } = await openOn(disk);
  await queue.put(batchOf('a').from([origin(0, 10)]), NEVER);
  await queue.stop();
  disk.failSyncs(true);
  const again = await openOn(disk);
  assert.deepEqual(again.queue.origins('files'), []);
  disk.failSyncs(false);
  assert.deepEqual((await drain(again.queue)).keys, ['a']);
  await again.queue.stop();
});
