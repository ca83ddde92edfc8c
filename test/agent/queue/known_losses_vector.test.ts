// Each way in which Vector's disk_v2 buffer, Fluent Bit's file buffer, or a file system below them
// is known to lose data or to get stuck, played through on our queue; the name of a test has the
// issue. The Collector's: known_losses.test.ts.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Cursor, decodeCursor } from '../../../agent/queue/cursor.ts';
import { segmentName } from '../../../agent/queue/format.ts';
import { ACCEPTED, rejected } from '../../../proto/contract/outcome.ts';
import { createWorld } from '../../../runtime/world.ts';
import { settle } from '../../../runtime/manual_clock.ts';
import {
  createManualClock, createRecordingLog, makeBatch, NEVER, testContext, until,
} from '../../contract/fakes.ts';
import { withoutLeaks } from '../../contract/leaks.ts';
import {
  batchOf, drain, faultyDisk, filledDisk, FIRST, flip, FOLDER, large, namesOf, openOn, putAll,
  segmentsOf, SMALL, takeSoon,
} from './open.ts';
import { AWAY, RETRY, setUp } from './peer.ts';

const MISSING = 'binnacle_queue_missing_batches_total';

test('vector #17644, #19155: a segment that is gone or empty is named and passed', async () => {
  for (const change of [() => Buffer.alloc(0), () => Buffer.alloc(10_000), null]) {
    const disk = faultyDisk();
    for (const name of ['a', 'b', 'c']) {
      const { queue } = await openOn(disk);
      await putAll(queue, [name]);
      await queue.stop();
    }
    const middle = `${FOLDER}/${segmentName(2)}`;
    if (change === null) await disk.files.remove(middle);
    else disk.damage(middle, change);
    const { queue, counters, log } = await openOn(disk);
    assert.deepEqual((await drain(queue)).keys, ['a', 'c']);
    assert.equal(counters.total(MISSING), 1);
    const lost = log.lines.filter(({ message }) => message.includes('lost'));
    assert.deepEqual(lost.map(({ fields }) => fields), [{ records: 1, from: 2, to: 2 }]);
    assert.deepEqual(await putAll(queue, ['d']), ['d']);
    assert.deepEqual((await drain(queue)).keys, ['d']);
    await queue.stop();
  }
});

test('vector #19759, #18130: one bad record does not stop the start, nor what is behind it',
  async () => {
    const { disk, starts } = await filledDisk(8);
    disk.damage(FIRST, flip(starts[2]! + 50));
    disk.damage(FIRST, flip(starts[3]! + 2));
    const { queue, log, counters } = await openOn(disk);
    assert.deepEqual((await drain(queue)).keys, ['r0', 'r1', 'r4', 'r5', 'r6', 'r7']);
    assert.equal(counters.total(MISSING), 2);
    const lost = log.lines.find(({ message }) => message.includes('lost'))!;
    assert.deepEqual(lost.fields, { records: 2, from: 3, to: 4 });
    const kept = `${FOLDER}/quarantine/${segmentName(1)}.${starts[2]}-${starts[4]}`;
    assert.equal(disk.content(kept)!.length, starts[4]! - starts[2]!);
    await queue.stop();
  });

test('vector #18336: a last record that was torn is cut, and new ones are read behind it',
  async () => {
    for (const cut of [1, 20, 100]) {
      const { disk } = await filledDisk(5);
      disk.damage(FIRST, (bytes) => Buffer.concat([bytes, bytes.subarray(-200, -cut)]));
      const { queue, counters } = await openOn(disk);
      assert.deepEqual(await putAll(queue, ['new']), ['new']);
      assert.deepEqual((await drain(queue)).keys, [...namesOf(5), 'new']);
      assert.equal(counters.total(MISSING), 0, 'nobody was told of it');
      assert.ok(disk.paths().some((path) => path.includes('/quarantine/')));
      await queue.stop();
    }
  });

test('vector PR #25570: a segment is removed only when a cursor behind it is durable', async () => {
  const disk = faultyDisk();
  let durable = 0;
  const removed: string[] = [];
  const early: string[] = [];
  const files = {
    ...disk.files,
    replace: async (path: string, content: string | Uint8Array) => {
      await disk.files.replace(path, content);
      if (path === `${FOLDER}/cursor`) durable = savedIn(content).done;
    },
    remove: async (path: string) => {
      if (path.endsWith('.seg')) {
        removed.push(path);
        const next = segmentsOf(disk.paths()).find((other) => other > path);
        const last = next === undefined ? 30 : Number.parseInt(next.slice(-20, -4), 16) - 1;
        // A segment that is not there is about to be written under this name.
        if (disk.content(path) !== null && durable < last) early.push(`${path}: ${durable}`);
      }
      await disk.files.remove(path);
    },
  };
  const { queue } = await openOn({ files }, SMALL);
  for (const name of namesOf(30)) await queue.put(large(name), NEVER);
  for (let index = 0; index < 30; index++) {
    (await takeSoon(queue))!.done();
    if (index % 4 === 0) await queue.put(large('more'), NEVER);
  }
  await queue.stop();
  assert.ok(removed.length > 8, String(removed.length));
  assert.deepEqual(early, []);
});

test('vector #25795: a batch that can never fit is refused alone', async () => {
  const { queue } = await openOn(faultyDisk());
  const huge = { ...batchOf('x'), bytes: { length: 200 * 1024 * 1024 } };
  assert.equal((await queue.put(huge as never, NEVER)).status, 'rejected');
  assert.deepEqual(await putAll(queue, ['fine']), ['fine']);
  await queue.stop();
});

test('vector known_errors, stale cursor: what it does not know of is sent again, with its id',
  async () => {
    const { disk } = await filledDisk(6);
    const take = async (count: number) => {
      const { queue } = await openOn(disk);
      const ids: string[] = [];
      for (let index = 0; index < count; index++) {
        const taken = (await takeSoon(queue))!;
        ids.push(taken.batch.id!);
        taken.done();
      }
      await queue.stop();
      return ids;
    };
    await take(2);
    const stale = disk.content(`${FOLDER}/cursor`)!;
    const ids = await take(3);
    disk.damage(`${FOLDER}/cursor`, () => Buffer.from(stale));
    const { queue } = await openOn(disk);
    const again = await drain(queue);
    assert.deepEqual(again.keys, ['r2', 'r3', 'r4', 'r5']);
    assert.deepEqual(again.ids.slice(0, 3), ids);
    assert.deepEqual(again.attempts, [1, 1, 1, 1]);
    await queue.stop();
  });

test('vector end-to-end acknowledgement: the answer waits for the sync, not for the buffer',
  async () => {
    const disk = faultyDisk();
    let release = () => {};
    const synced = new Promise<void>((resolve) => {
      release = resolve;
    });
    const open = async (path: string, mode: 'read' | 'write') => {
      const file = (await disk.files.open(path, mode))!;
      return {
        ...file,
        sync: async () => {
          await synced;
          await file.sync();
        },
      };
    };
    const { queue } = await openOn({ files: { ...disk.files, open } });
    let answered = false;
    const put = queue.put(batchOf('a'), NEVER).then(() => {
      answered = true;
    });
    await settle();
    assert.ok(disk.content(FIRST)!.length > 0, 'it is written');
    assert.equal(answered, false);
    release();
    await put;
    await queue.stop();
  });

test('fluent bit Retry_Limit: there is no number of retries after which data is discarded',
  async () => {
    const clock = createManualClock();
    const world = { ...createWorld(), clock, files: faultyDisk().files };
    const context = testContext({ world, folder: '/exporter' });
    const { exporter, delivered, sent } = setUp(context, (one) =>
      (sent.length > 2000 ? ACCEPTED : AWAY(one, NEVER)), RETRY);
    await exporter.start();
    const put = exporter.consume(batchOf('a'), NEVER);
    await clock.advance(0);
    assert.equal((await put).status, 'accepted');
    for (let turn = 0; delivered.length === 0 && turn < 100; turn++) await clock.advance(1000);
    assert.deepEqual([delivered, sent.at(-1)!.attempt], [['a'], 2000]);
    const stopped = exporter.stop(NEVER);
    await clock.advance(1000);
    await stopped;
  });

test('fluent bit keep.rejected: what is refused for good is kept and counted, without asking', () =>
  withoutLeaks(async (world) => {
    const log = createRecordingLog();
    const context = testContext({ world, log });
    const { exporter, delivered } = setUp(context, ({ batch }) =>
      (batch.signal === 'traces' ? rejected('no such tenant') : ACCEPTED));
    await exporter.start();
    const bad = makeBatch('traces', 3);
    await exporter.consume(bad, NEVER);
    await exporter.consume(batchOf('good'), NEVER);
    await until(() => context.counters.total('otelcol_exporter_queue_size') === 0, 'empty');
    await exporter.stop(NEVER);
    assert.deepEqual(delivered, ['good']);
    const folder = join(context.folder, 'rejected');
    assert.deepEqual(readdirSync(folder), ['1.traces.otlp']);
    assert.ok(readFileSync(join(folder, '1.traces.otlp')).equals(bad.bytes));
    assert.equal(context.counters.total('binnacle_exporter_refused_items_total'), 3);
    assert.ok(log.lines.some(({ message }) =>
      message === 'a refused batch was kept as rejected/1.traces.otlp: no such tenant'));
  }));

test('fluent bit, bad layout: a file that is none of ours is kept in quarantine, not discarded',
  async () => {
    const disk = faultyDisk();
    const first = await openOn(disk);
    await putAll(first.queue, ['a']);
    await first.queue.stop();
    const junk = Buffer.from('this was a chunk of something else'.repeat(20));
    const path = `${FOLDER}/${segmentName(2)}`;
    const file = (await disk.files.open(path, 'write'))!;
    await file.write(junk, 0);
    await file.close();
    const { queue } = await openOn(disk);
    assert.deepEqual((await drain(queue)).keys, ['a']);
    const kept = disk.paths().filter((one) => one.includes('/quarantine/'));
    assert.ok(kept.some((one) => disk.content(one)!.equals(junk)), String(kept));
    await queue.stop();
  });

test('fluent bit total_limit_size: the oldest is dropped only when asked for, and counted exactly',
  async () => {
    const keeping = await openOn(faultyDisk(), SMALL);
    const statuses: string[] = [];
    for (const name of namesOf(60)) statuses.push((await keeping.queue.put(large(name), NEVER))
      .status);
    const taken = statuses.filter((status) => status === 'accepted').length;
    assert.ok(taken < 60);
    const { keys } = await drain(keeping.queue);
    assert.deepEqual(keys.filter((key) => key.startsWith('r')), namesOf(taken));
    assert.equal(keeping.counters.total('binnacle_queue_dropped_items_total'), 0);
    await keeping.queue.stop();

    const disk = faultyDisk();
    const { queue, counters, log } = await openOn(disk, { ...SMALL, whenFull: 'drop_oldest' });
    for (const name of namesOf(60)) {
      assert.equal((await queue.put(large(name), NEVER)).status, 'accepted');
    }
    const dropped = counters.total('binnacle_queue_dropped_items_total', { reason: 'overflow' });
    const rest = (await drain(queue)).keys.filter((key) => key.startsWith('r'));
    assert.equal(rest.length + dropped / 2, 60);
    assert.deepEqual(rest, namesOf(60).slice(-rest.length));
    assert.ok(log.lines.some(({ message }) => message.includes('oldest records were dropped')));
    assert.deepEqual([queue.batches(), queue.items()], [0, 0]);
    await queue.stop();
    disk.crash();
    const again = await openOn(disk, SMALL);
    assert.equal(again.counters.total(MISSING), 0, 'what was dropped is not missed');
    await again.queue.stop();
  });

test('fluent bit storage.checksum: no byte that changed on disk is delivered', async () => {
  const { starts } = await filledDisk(3);
  for (let at = starts[1]!; at < starts[2]!; at += 7) {
    const { disk } = await filledDisk(3);
    disk.damage(FIRST, flip(at));
    const { queue, counters } = await openOn(disk);
    assert.deepEqual((await drain(queue)).keys, ['r0', 'r2'], String(at));
    assert.equal(counters.total(MISSING), 1);
    await queue.stop();
  }
});

test('fluent bit max_chunks_up: a backlog larger than memory may hold is sent, in order',
  async () => {
    const { queue } = await openOn(faultyDisk());
    const names = namesOf(40);
    for (const name of names) await queue.put(batchOf(name, 'y'.repeat(1_000_000)), NEVER);
    const { keys } = await drain(queue);
    assert.deepEqual(keys.filter((key) => key.startsWith('r')), names);
    await queue.stop();
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
  assert.equal(second.counters.total(MISSING), 0);
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

function savedIn(content: string | Uint8Array): Cursor {
  const cursor = decodeCursor(Buffer.from(content));
  assert.ok(!('why' in cursor));
  return cursor;
}
