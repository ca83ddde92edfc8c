// Proves what the queue promises on a disk that fails: durable before it is answered, in order,
// individually acknowledged, bounded. The disk is in memory and forgets what was not synced. What
// others lose: known_losses.test.ts and known_losses_vector.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits as progressLimits } from '../../../agent/queue/progress.ts';
import { segmentName } from '../../../agent/queue/format.ts';
import { settle } from '../../../runtime/manual_clock.ts';
import { makeBatch, NEVER, NOW } from '../../contract/fakes.ts';
import {
  AGENT, batchOf, drain, faultyDisk, FOLDER, large, namesOf, openOn, putAll, segmentsOf, SIZE,
  SMALL, takeSoon,
} from './open.ts';

test('queue: hands out what was put, in order, with ids that say who sealed it', async () => {
  const disk = faultyDisk();
  const { queue } = await openOn(disk);
  const names = namesOf(50);
  assert.deepEqual(await putAll(queue, names), names);
  assert.equal(queue.batches(), 50);
  const { keys, ids, attempts } = await drain(queue);
  assert.deepEqual(keys, names);
  assert.match(ids[0]!, new RegExp(`^${AGENT}/[0-9a-f-]{36}/1$`));
  assert.match(ids[49]!, /\/50$/);
  assert.deepEqual([...new Set(attempts)], [0]);
  await queue.stop();
});

test('queue: all signals come back as they were', async () => {
  const { queue } = await openOn(faultyDisk());
  for (const signal of ['traces', 'metrics', 'logs'] as const) {
    const batch = makeBatch(signal, 3);
    await queue.put(batch, NEVER);
    const taken = (await takeSoon(queue))!;
    assert.deepEqual([taken.batch.signal, taken.batch.itemCount], [signal, 3]);
    assert.ok(Buffer.from(batch.bytes).equals(taken.batch.bytes));
  }
  await queue.stop();
});

test('queue: puts that arrive during a sync share the next one', async () => {
  const disk = faultyDisk();
  const { queue } = await openOn(disk);
  await putAll(queue, ['first']);
  const before = disk.operations();
  await putAll(queue, namesOf(500));
  assert.ok(disk.operations() - before < 10, `${disk.operations() - before} operations`);
  await queue.stop();
});

test('queue: what is not acknowledged comes again after a restart, as attempt 1, same id',
  async () => {
    const disk = faultyDisk();
    const first = await openOn(disk);
    await putAll(first.queue, namesOf(6));
    const taken = [];
    for (let index = 0; index < 4; index++) taken.push((await takeSoon(first.queue))!);
    taken[0]!.done();
    taken[2]!.done(); // Out of order: the cursor may only pass r0.
    await first.queue.stop();
    disk.crash();
    const second = await openOn(disk);
    await second.queue.put(batchOf('new'), NEVER);
    const again = await drain(second.queue);
    assert.deepEqual(again.keys, ['r1', 'r2', 'r3', 'r4', 'r5', 'new']);
    assert.deepEqual(again.attempts, [1, 1, 1, 1, 1, 0]);
    assert.equal(again.ids[0], taken[1]!.batch.id);
    assert.notEqual(again.ids[5]!.split('/')[1], again.ids[4]!.split('/')[1], 'a new epoch');
    assert.ok(again.ids[5]!.endsWith('/7'), again.ids[5]);
    await second.queue.stop();
  });

test('queue: what was never handed out is a first attempt, also after a crash', async () => {
  const disk = faultyDisk();
  const first = await openOn(disk);
  const handed = progressLimits.handedAhead + 1;
  await Promise.all(namesOf(handed + 5).map((name) => first.queue.put(batchOf(name), NEVER)));
  assert.equal((await takeSoon(first.queue))!.attempt, 0);
  disk.crash();
  const second = await openOn(disk);
  const { attempts } = await drain(second.queue);
  assert.deepEqual([...new Set(attempts.slice(0, handed))], [1], 'all that may have been sent');
  assert.deepEqual(attempts.slice(handed), [0, 0, 0, 0, 0]);
  await second.queue.stop();
});

test('queue: nothing is handed out before it is durable that it may be', async () => {
  const disk = faultyDisk();
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const replace = async (path: string, content: string | Uint8Array) => {
    if (path.endsWith('cursor')) await gate;
    await disk.files.replace(path, content);
  };
  const { queue } = await openOn({ files: { ...disk.files, replace } });
  await queue.put(batchOf('a'), NEVER);
  let handed = false;
  const taking = queue.take(NEVER).then((taken) => {
    handed = true;
    return taken;
  });
  await settle();
  assert.equal(handed, false);
  release();
  assert.equal((await taking)!.sequence, 1);
  await queue.stop();
});

test('queue: segments go once a cursor behind them is durable', async () => {
  const disk = faultyDisk();
  const { queue } = await openOn(disk, SMALL);
  for (const name of namesOf(20)) assert.equal((await queue.put(large(name), NEVER)).status,
    'accepted');
  assert.ok(segmentsOf(disk.paths()).length > 3);
  await drain(queue);
  await queue.stop();
  assert.equal(segmentsOf(disk.paths()).length, 0);
  const again = await openOn(disk, SMALL);
  assert.equal(again.queue.batches(), 0);
  await again.queue.put(batchOf('next'), NEVER);
  assert.ok(disk.paths().includes(`${FOLDER}/${segmentName(21)}`));
  await again.queue.stop();
});

test('queue: full, it refuses for now and takes again when there is room', async () => {
  const disk = faultyDisk();
  const { queue } = await openOn(disk, SMALL);
  let count = 0;
  while ((await queue.put(large(`r${count}`), NEVER)).status === 'accepted') count += 1;
  assert.ok(count > 20 && queue.bytes() <= 600_000, `${count} ${queue.bytes()}`);
  const outcome = await queue.put(large('more'), NEVER);
  assert.deepEqual(outcome, {
    status: 'retryable', reason: 'the queue is full', retryAfterMs: 1000,
  });
  for (let index = 0; index < 10; index++) (await takeSoon(queue))!.done();
  assert.equal((await queue.put(large('more'), NEVER)).status, 'accepted');
  const rest = await drain(queue);
  assert.equal(rest.keys.filter((key) => /^r|^more/.test(key)).length, count - 10 + 1);
  await queue.stop();
});

test('queue: bounds in items and batches count what is not acknowledged', async () => {
  for (const size of [{ ...SIZE, itemsMax: 4 }, { ...SIZE, batchesMax: 2 }]) {
    const { queue } = await openOn(faultyDisk(), { size });
    await queue.put(batchOf('a', 'b'), NEVER);
    await queue.put(batchOf('c', 'd'), NEVER);
    assert.equal((await queue.put(batchOf('e'), NEVER)).status, 'retryable');
    const taken = (await takeSoon(queue))!;
    assert.equal((await queue.put(batchOf('e'), NEVER)).status, 'retryable');
    taken.done();
    assert.equal((await queue.put(batchOf('e'), NEVER)).status, 'accepted');
    await queue.stop();
  }
});

test('queue: a bound smaller than one batch does not refuse it for ever', async () => {
  const { queue } = await openOn(faultyDisk(), { size: { ...SIZE, itemsMax: 1, bytesMax: 10 } });
  assert.equal((await queue.put(batchOf('a', 'b'), NEVER)).status, 'accepted');
  await queue.stop();
});

test('queue: an aborted put is answered at once; after a stop nothing is taken', async () => {
  const { queue } = await openOn(faultyDisk());
  assert.equal((await queue.put(batchOf('a'), NOW)).status, 'retryable');
  await queue.stop();
  await queue.stop();
  assert.equal((await queue.put(batchOf('b'), NEVER)).status, 'retryable');
  assert.equal(await queue.take(NEVER), null);
});

test('queue: takes and puts that overlap keep the order', async () => {
  const { queue } = await openOn(faultyDisk(), SMALL);
  const names = namesOf(300);
  const keys: string[] = [];
  const taking = (async () => {
    while (keys.length < names.length) {
      const taken = (await takeSoon(queue))!;
      keys.push(String(taken.sequence));
      if (keys.length % 7 === 0) await settle();
      taken.done();
    }
  })();
  for (const name of names) {
    while ((await queue.put(large(name), NEVER)).status !== 'accepted') await settle();
  }
  await taking;
  assert.deepEqual(keys, names.map((_, index) => String(index + 1)));
  await queue.stop();
});

test('queue: room that is made while a group is written takes nothing of it', async () => {
  const disk = faultyDisk();
  const slow = {
    ...disk.files,
    open: async (path: string, mode: 'read' | 'write') => {
      const file = await disk.files.open(path, mode);
      return file === null || !path.endsWith('.seg') ? file : {
        ...file,
        sync: async () => {
          for (let turn = 0; turn < 20; turn++) await settle();
          await file.sync();
        },
      };
    },
  };
  const size = { ...SIZE, bytesMax: 100_000 };
  const { queue } = await openOn({ files: slow }, { size, whenFull: 'drop_oldest' });
  await queue.put(large('first'), NEVER);
  const second = queue.put(large('second'), NEVER);
  await settle();
  // Too large while the others are there, and theirs is the oldest segment.
  const third = queue.put(batchOf('third', 'x'.repeat(65_000)), NEVER);
  const accepted = [(await second).status, (await third).status]
    .filter((status) => status === 'accepted').length;
  await queue.stop();
  disk.crash();
  const again = await openOn(disk);
  assert.ok(again.queue.batches() >= accepted, `${again.queue.batches()} of ${accepted}`);
  await again.queue.stop();
});
