// Each way in which the OpenTelemetry Collector's persistent queue is known to lose data, or to
// send it twice, played through on ours; the name of a test has the issue. What Vector, Fluent Bit
// and file systems do: known_losses_vector.test.ts. Files that are read: receivers/file_log.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchProcessor } from '../../../agent/processors/batch/processor.ts';
import { decodeCursor } from '../../../agent/queue/cursor.ts';
import { HEADER_BYTES, segmentName } from '../../../agent/queue/format.ts';
import { ACCEPTED, rejected, retryable } from '../../../proto/contract/outcome.ts';
import { createWorld } from '../../../runtime/world.ts';
import { settle } from '../../../runtime/manual_clock.ts';
import {
  createManualClock, itemKeys, NEVER, temporaryFolder, testContext, until,
} from '../../contract/fakes.ts';
import { withoutLeaks } from '../../contract/leaks.ts';
import {
  batchOf, drain, faultyDisk, filledDisk, FIRST, flip, FOLDER, large, namesOf, openOn, putAll,
  segmentsOf, SIZE, SMALL, takeSoon,
} from './open.ts';
import { AWAY, RETRY, setUp } from './peer.ts';

const MISSING = 'binnacle_queue_missing_batches_total';

test('collector #15677: a stop while the peer is away keeps what is queued', () =>
  withoutLeaks(async (world) => {
    // The Collector always loses it without retry_on_failure, and else what is not in a pause.
    for (const retry of [RETRY, null]) {
      const folder = temporaryFolder();
      const first = setUp(testContext({ world, folder }), AWAY, retry);
      await first.exporter.start();
      for (const name of namesOf(9)) await first.exporter.consume(batchOf(name), NEVER);
      await until(() => first.sent.length >= 4, 'attempts');
      await first.exporter.stop(NEVER);
      const second = setUp(testContext({ world, folder }), () => ACCEPTED);
      await second.exporter.start();
      await until(() => second.delivered.length === 9, 'all to be delivered');
      assert.deepEqual(second.delivered.toSorted(), namesOf(9));
      await second.exporter.stop(NEVER);
    }
  }));

test('collector, shutdown: an attempt that a stop cuts off is not a reason to delete', () =>
  withoutLeaks(async (world) => {
    const folder = temporaryFolder();
    const first = setUp(testContext({ world, folder }), (_sent, abort) => new Promise((resolve) =>
      abort.addEventListener('abort', () => resolve(retryable('aborted')))));
    await first.exporter.start();
    for (const name of namesOf(6)) await first.exporter.consume(batchOf(name), NEVER);
    await until(() => first.sent.length === 4, 'attempts');
    const deadline = new AbortController();
    setImmediate(() => deadline.abort());
    await first.exporter.stop(deadline.signal);
    const second = setUp(testContext({ world, folder }), () => ACCEPTED);
    await second.exporter.start();
    await until(() => second.delivered.length === 6, 'all to be delivered');
    await second.exporter.stop(NEVER);
  }));

test('collector #15324, contrib #48635: after days of outage the first hours are there too',
  async () => {
    const clock = createManualClock();
    const world = { ...createWorld(), clock, files: faultyDisk().files };
    let away = true;
    const context = testContext({ world, folder: '/exporter' });
    const { exporter, delivered, sent } = setUp(context, () => (away ? AWAY(sent[0]!, NEVER)
      : ACCEPTED), { ...RETRY, initialIntervalMs: 5000, maxIntervalMs: 600_000, multiplier: 1.5 });
    await exporter.start();
    const hours = namesOf(3 * 24 + 16, 'hour');
    for (const hour of hours) {
      const outcome = exporter.consume(batchOf(hour), NEVER);
      await clock.advance(3_600_000);
      assert.equal((await outcome).status, 'accepted');
    }
    assert.ok(sent.length > 500, `${sent.length} attempts`);
    away = false;
    for (let turn = 0; delivered.length < hours.length && turn < 100; turn++) {
      await clock.advance(600_000);
    }
    assert.deepEqual(delivered.toSorted(), hours.toSorted());
    assert.ok(delivered.indexOf('hour0') < 4, 'the oldest first');
    const stopped = exporter.stop(NEVER);
    await clock.advance(1000);
    await stopped;
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

test('contrib #20266, #36840, #35899, #49735: damage anywhere neither stops the start nor drops '
  + 'what is intact', async () => {
  const changes: Record<string, (bytes: Buffer) => Buffer> = {
    'a damaged header': flip(3),
    'zeros for a header': (bytes) => bytes.fill(0, 0, HEADER_BYTES),
    'a block of zeros in the middle': (bytes) => bytes.fill(0, bytes.length - 900,
      bytes.length - 300),
    'bytes of another file in front': (bytes) => Buffer.concat([Buffer.alloc(512, 'x'), bytes]),
    'half of it gone': (bytes) => bytes.subarray(0, HEADER_BYTES + (bytes.length >> 4)),
  };
  for (const [label, change] of Object.entries(changes)) {
    const { disk } = await filledDisk(20);
    disk.damage(FIRST, change);
    const { queue, counters } = await openOn(disk);
    const { keys } = await drain(queue);
    const missing = counters.total(MISSING);
    assert.deepEqual(keys, namesOf(20).filter((key) => keys.includes(key)), `${label}: in order`);
    if (label !== 'half of it gone') assert.equal(keys.length + missing, 20, label);
    if (/header|front/.test(label)) assert.equal(keys.length, 20, label);
    assert.deepEqual(await putAll(queue, ['later']), ['later'], label);
    await queue.stop();
  }
});

test('collector #7198, #7396: a full disk can be drained, and then takes again', async () => {
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
  assert.equal((await queue.put(large('again'), NEVER)).status, 'retryable', 'one asks for room');
  await until(async () => (await queue.put(large('again'), NEVER)).status === 'accepted', 'room');
  await queue.stop();
  disk.crash();
  const again = await openOn(disk);
  assert.deepEqual((await drain(again.queue)).keys.filter((key) => !/^x/.test(key)), ['again'],
    'the cursor was saved although the disk was full');
  await again.queue.stop();
});

test('collector #8115: what was sent is deleted, also on a full disk', async () => {
  for (const capacity of [Infinity, 500_000]) {
    const disk = faultyDisk();
    const { queue } = await openOn(disk, SMALL);
    disk.capacity(capacity);
    for (const name of namesOf(40)) await queue.put(large(name), NEVER);
    await drain(queue);
    await queue.stop();
    disk.capacity(Infinity);
    await (await openOn(disk, SMALL)).queue.stop();
    assert.deepEqual(segmentsOf(disk.paths()), []);
  }
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

test('collector #6692: a restart sends nothing again that was delivered; a crash says so', () =>
  withoutLeaks(async (world) => {
    const folder = temporaryFolder();
    const first = setUp(testContext({ world, folder }), ({ batch }) =>
      (Number(itemKeys(batch)[0]!.slice(1)) < 5 ? ACCEPTED : retryable('not this one')));
    await first.exporter.start();
    for (const name of namesOf(8)) await first.exporter.consume(batchOf(name), NEVER);
    await until(() => first.delivered.length === 5, 'five to be delivered');
    await first.exporter.stop(NEVER);
    const second = setUp(testContext({ world, folder }), () => ACCEPTED);
    await second.exporter.start();
    await second.exporter.consume(batchOf('new'), NEVER);
    await until(() => second.delivered.length === 4, 'the rest');
    assert.deepEqual(second.delivered.toSorted(), ['new', 'r5', 'r6', 'r7']);
    const idOf = ({ sent }: typeof first, key: string) =>
      sent.find(({ batch }) => itemKeys(batch)[0] === key)!.batch.id;
    assert.equal(idOf(second, 'r7'), idOf(first, 'r7'), 'the peer can know it by its id');
    assert.deepEqual(second.sent.map(({ batch, attempt }) => [itemKeys(batch)[0], attempt > 0])
      .sort(), [['new', false], ['r5', true], ['r6', true], ['r7', true]]);
    await second.exporter.stop(NEVER);
  }));

test('collector #6771: what failed last before a stop is sent after it', () =>
  withoutLeaks(async (world) => {
    const folder = temporaryFolder();
    const first = setUp(testContext({ world, folder }), AWAY, null);
    await first.exporter.start();
    await first.exporter.consume(batchOf('a'), NEVER);
    await until(() => first.sent.length === 1, 'an attempt');
    await first.exporter.stop(NEVER);
    const second = setUp(testContext({ world, folder }), () => ACCEPTED, null);
    await second.exporter.start();
    await until(() => second.delivered.length === 1, 'the delivery');
    await second.exporter.stop(NEVER);
  }));

test('collector #12711, contrib #37843: a batch processor answers when the queue has synced',
  async () => {
    const disk = faultyDisk();
    const clock = createManualClock();
    const { queue } = await openOn(disk);
    const config = batchProcessor.schema.parse({ timeout: '1s' });
    const context = testContext({ world: { ...createWorld(), clock } });
    const batcher = batchProcessor.create(config, context, {
      consume: (batch, abort) => queue.put(batch, abort),
    });
    await batcher.start();
    const answered: string[] = [];
    const consume = (name: string) => void batcher.consume(batchOf(name), NEVER)
      .then(({ status }) => answered.push(`${name} ${status}`));
    consume('a');
    consume('b');
    await clock.advance(2000);
    assert.deepEqual(answered, ['a accepted', 'b accepted']);
    consume('held in memory');
    await clock.advance(500);
    assert.equal(answered.length, 2, 'nobody is told what only memory has');
    disk.crash();
    const again = await openOn(disk);
    assert.deepEqual((await drain(again.queue)).keys, ['a', 'b']);
    await again.queue.stop();
  });

test('collector, restart: a crash while restarting loses and reorders nothing', async () => {
  const disk = faultyDisk(7);
  const first = await openOn(disk);
  await putAll(first.queue, namesOf(9));
  (await takeSoon(first.queue))!.done();
  for (let crash = 0; crash < 12; crash++) {
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

test('collector, unreadable metadata: a damaged cursor sends again, it orphans nothing',
  async () => {
    const { disk } = await filledDisk(4);
    const second = await openOn(disk);
    (await second.queue.take(NEVER))!.done();
    await second.queue.stop();
    assert.deepEqual(decodeCursor(disk.content(`${FOLDER}/cursor`)!), { done: 1, handed: 1001 });
    disk.damage(`${FOLDER}/cursor`, flip(4));
    const { queue, log } = await openOn(disk);
    const { keys, attempts } = await drain(queue);
    assert.deepEqual([keys, attempts], [namesOf(4), [1, 1, 1, 1]]);
    assert.match(log.lines[0]!.message, /cannot read the cursor/);
    assert.ok(disk.paths().includes(`${FOLDER}/quarantine/cursor`));
    await queue.stop();
  });

test('collector, unmarshal: a record that cannot be decoded is kept and counted, not dropped',
  async () => {
    const disk = faultyDisk();
    const first = await openOn(disk);
    const broken = { ...batchOf('x'), signal: 'logs', itemCount: 1, bytes: Buffer.alloc(50, 0xff) };
    const outcomes = [first.queue.put(batchOf('a'), NEVER),
      first.queue.put(broken as never, NEVER), first.queue.put(batchOf('b'), NEVER)];
    assert.ok((await Promise.all(outcomes)).every(({ status }) => status === 'accepted'));
    await first.queue.stop();
    const { queue, counters } = await openOn(disk);
    assert.deepEqual((await drain(queue)).keys, ['a', 'b']);
    assert.equal(counters.total(MISSING), 1);
    const kept = disk.paths().filter((path) => path.includes(`quarantine/${segmentName(1)}`));
    assert.equal(kept.length, 1);
    assert.ok(disk.content(kept[0]!)!.includes(Buffer.alloc(50, 0xff)));
    await queue.stop();
  });

test('collector, partial delivery: halves that were delivered are known by their ids', () =>
  withoutLeaks(async (world) => {
    const folder = temporaryFolder();
    const tooLarge = { ...rejected('too large'), tooLarge: true } as const;
    const first = setUp(testContext({ world, folder }), ({ batch }) => {
      if (batch.itemCount > 1) return tooLarge;
      return itemKeys(batch)[0] === 'a' ? ACCEPTED : retryable('gone');
    });
    await first.exporter.start();
    await first.exporter.consume(batchOf('a', 'b'), NEVER);
    await until(() => first.sent.length >= 3, 'the second half');
    await first.exporter.stop(NEVER);
    const second = setUp(testContext({ world, folder }), ({ batch }) =>
      (batch.itemCount > 1 ? tooLarge : ACCEPTED));
    await second.exporter.start();
    await until(() => second.delivered.length === 2, 'both');
    await second.exporter.stop(NEVER);
    const again = second.sent.filter(({ batch }) => batch.itemCount === 1);
    assert.deepEqual(again.map(({ batch }) => batch.id),
      [first.sent[1]!.batch.id, first.sent[2]!.batch.id]);
    assert.ok(again.every(({ attempt }) => attempt > 0), 'the peer looks whether it has them');
  }));
