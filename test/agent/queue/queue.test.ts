// Proves what the queue promises on a disk that fails: durable before it is answered, in order,
// individually acknowledged, bounded, and nothing lost that other collectors lose. The disk is in
// memory and forgets what was not synced; each case of a peer is named with its issue.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { QueueOptions } from '../../../agent/queue/queue.ts';
import { segmentName } from '../../../agent/queue/format.ts';
import { makeBatch, NEVER, NOW, settle } from '../../contract/fakes.ts';
import {
  AGENT, batchOf, drain, faultyDisk, FOLDER, namesOf, openOn, putAll, SIZE, takeSoon,
} from './open.ts';

const SMALL: Partial<QueueOptions> = { size: { ...SIZE, bytesMax: 600_000 } };
const large = (name: string) => batchOf(name, 'x'.repeat(20_000));
const segmentsOf = (paths: readonly string[]) => paths.filter((path) => path.endsWith('.seg'));

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

test('queue: told to, it drops its oldest segment when full, and counts it', async () => {
  const disk = faultyDisk();
  const { queue, counters, log } = await openOn(disk, { ...SMALL, whenFull: 'drop_oldest' });
  const names = namesOf(60);
  const inFlight = [];
  for (const name of names) {
    assert.equal((await queue.put(large(name), NEVER)).status, 'accepted');
    if (name === 'r1') inFlight.push(await takeSoon(queue), await takeSoon(queue));
  }
  const dropped = counters.total('binnacle_queue_dropped_items_total', { reason: 'overflow' });
  for (const taken of inFlight) taken!.done();
  const { keys } = await drain(queue);
  const arrived = keys.filter((key) => key.startsWith('r'));
  assert.equal(arrived.length + inFlight.length + dropped / 2, names.length);
  assert.deepEqual(arrived, names.slice(names.length - arrived.length));
  assert.ok(log.lines.some(({ message }) => message.includes('oldest records were dropped')));
  assert.deepEqual([queue.batches(), queue.items()], [0, 0]);
  await queue.stop();
  disk.crash();
  const again = await openOn(disk, SMALL);
  assert.equal(again.counters.total('binnacle_queue_missing_batches_total'), 0);
  await again.queue.stop();
});

test('queue: an aborted put is answered at once; after a stop nothing is taken', async () => {
  const { queue } = await openOn(faultyDisk());
  assert.equal((await queue.put(batchOf('a'), NOW)).status, 'retryable');
  await queue.stop();
  await queue.stop();
  assert.equal((await queue.put(batchOf('b'), NEVER)).status, 'retryable');
  assert.equal(await queue.take(NEVER), null);
});

test('queue: more than memory may hold is read from the disk, in order', async () => {
  const disk = faultyDisk();
  const { queue } = await openOn(disk);
  const names = namesOf(40);
  for (const name of names) await queue.put(batchOf(name, 'y'.repeat(1_000_000)), NEVER);
  const { keys } = await drain(queue);
  assert.deepEqual(keys.filter((key) => key.startsWith('r')), names);
  await queue.stop();
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

test('fsyncgate: a failed sync is never tried again on the same file', async () => {
  const disk = faultyDisk();
  const first = await openOn(disk);
  await putAll(first.queue, ['a']);
  // Write, then sync: the group goes to a new segment, and only there it counts.
  disk.failAt(disk.operations() + 1, 'EIO');
  assert.deepEqual(await putAll(first.queue, ['b', 'c']), ['b', 'c']);
  assert.equal(segmentsOf(disk.paths()).length, 2);
  disk.crash();
  const second = await openOn(disk);
  assert.deepEqual((await drain(second.queue)).keys, ['a', 'b', 'c']);
  assert.equal(second.counters.total('binnacle_queue_missing_batches_total'), 0);
  await second.queue.stop();
});

test('fsyncgate: a disk that no longer syncs is retryable to the source until it does',
  async () => {
    const disk = faultyDisk();
    const { queue } = await openOn(disk);
    await putAll(queue, ['a']);
    disk.failSyncs(true);
    assert.deepEqual(await putAll(queue, ['b']), []);
    assert.deepEqual(await putAll(queue, ['c']), []);
    disk.failSyncs(false);
    assert.deepEqual(await putAll(queue, ['d']), ['d']);
    disk.crash();
    const second = await openOn(disk);
    assert.deepEqual((await drain(second.queue)).keys, ['a', 'd']);
    await second.queue.stop();
  });

test('collector #7198, #8115: a full disk neither loses nor blocks; it drains and takes again',
  async () => {
    const disk = faultyDisk();
    const { queue } = await openOn(disk, { size: { ...SIZE, bytesMax: 1_000_000 } });
    disk.capacity(500_000);
    const accepted: string[] = [];
    for (const name of namesOf(40)) {
      if ((await queue.put(large(name), NEVER)).status === 'accepted') accepted.push(name);
    }
    assert.ok(accepted.length > 5 && accepted.length < 30, String(accepted.length));
    const { keys } = await drain(queue);
    assert.deepEqual(keys.filter((key) => key.startsWith('r')), accepted);
    await queue.stop();
    const again = await openOn(disk);
    assert.equal(again.queue.batches(), 0, 'the cursor was saved although the disk was full');
    assert.equal((await again.queue.put(large('after'), NEVER)).status, 'accepted');
    await again.queue.stop();
  });

test('collector #15677: a stop while the destination is down keeps everything', async () => {
  const disk = faultyDisk();
  const first = await openOn(disk);
  await putAll(first.queue, namesOf(5));
  await takeSoon(first.queue);
  await first.queue.stop();
  const second = await openOn(disk);
  assert.deepEqual((await drain(second.queue)).keys, namesOf(5));
  await second.queue.stop();
});

test('collector: a crash while restarting loses and reorders nothing', async () => {
  const disk = faultyDisk(7);
  const first = await openOn(disk);
  await putAll(first.queue, namesOf(9));
  (await takeSoon(first.queue))!.done();
  for (let crash = 0; crash < 5; crash++) {
    disk.crash();
    disk.crashAt(disk.operations() + crash);
    await Promise.race([openOn(disk), settle()]);
  }
  disk.crash();
  const last = await openOn(disk);
  const { keys } = await drain(last.queue);
  assert.deepEqual(keys.slice(-8), namesOf(9).slice(1));
  await last.queue.stop();
});

test('collector #9451: a queue that is larger than its new bound starts and drains', async () => {
  const disk = faultyDisk();
  const first = await openOn(disk);
  await putAll(first.queue, namesOf(100));
  await first.queue.stop();
  const second = await openOn(disk, { size: { ...SIZE, bytesMax: 1000, batchesMax: 3 } });
  assert.equal((await second.queue.put(batchOf('x'), NEVER)).status, 'retryable');
  assert.equal((await drain(second.queue)).keys.length, 100);
  assert.equal((await second.queue.put(batchOf('x'), NEVER)).status, 'accepted');
  await second.queue.stop();
});

test('contrib #50102: after a power cut everything that was acknowledged is there', async () => {
  for (let seed = 0; seed < 50; seed++) {
    const disk = faultyDisk(seed);
    const first = await openOn(disk);
    const accepted = await putAll(first.queue, namesOf(20));
    void first.queue.put(batchOf('not acknowledged'), NEVER);
    await Promise.resolve();
    disk.crash();
    const second = await openOn(disk);
    const { keys } = await drain(second.queue);
    assert.deepEqual(keys.slice(0, 20), accepted);
    await second.queue.stop();
  }
});

test('vector #25795: a batch that can never fit is refused alone', async () => {
  const { queue } = await openOn(faultyDisk());
  const huge = { ...batchOf('x'), bytes: { length: 200 * 1024 * 1024 } };
  assert.equal((await queue.put(huge as never, NEVER)).status, 'rejected');
  assert.deepEqual(await putAll(queue, ['fine']), ['fine']);
  await queue.stop();
});
