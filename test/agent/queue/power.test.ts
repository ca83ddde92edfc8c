// A process that is killed leaves writes in memory that no sync has brought to the disk. The next
// one counts on what it found: it must be there also when the machine then loses its power.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from '../../../runtime/manual_clock.ts';
import { NEVER } from '../../contract/fakes.ts';
import { batchOf, drain, faultyDisk, openOn } from './open.ts';

test('queue: what a start found is there after a loss of power', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const disk = faultyDisk(seed);
    const first = await openOn(disk);
    await first.queue.put(batchOf('synced'), NEVER);
    // The next write comes back, its sync does not.
    disk.crashAt(disk.operations() + 1);
    void first.queue.put(batchOf('written'), NEVER);
    await settle();
    disk.kill();
    const second = await openOn(disk);
    assert.equal(second.queue.batches(), 2);
    assert.equal((await second.queue.put(batchOf('later'), NEVER)).status, 'accepted');
    disk.crash();
    const third = await openOn(disk);
    assert.equal(third.counters.total('binnacle_queue_missing_batches_total'), 0);
    assert.deepEqual((await drain(third.queue)).keys, ['synced', 'written', 'later']);
    await third.queue.stop();
  }
});
