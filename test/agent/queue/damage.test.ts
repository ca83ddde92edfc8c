// Proves that no bytes keep the queue from starting or make it lie: damage is read over, kept in
// quarantine and named with its sequences; the reader and the cursor are fuzzed with a budget.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32c } from '../../../agent/queue/crc32c.ts';
import { decodeCursor, encodeCursor } from '../../../agent/queue/cursor.ts';
import {
  decodeHeader, decodeRecord, encodeHeader, encodeRecord, HEADER_BYTES, parseSegmentName,
  payloadOf, recordBytes, segmentName,
} from '../../../agent/queue/format.ts';
import { scanSegment } from '../../../agent/queue/segment.ts';
import { createSeededRandom } from '../../../runtime/random.ts';
import { NEVER } from '../../contract/fakes.ts';
import {
  drain, faultyDisk, filledDisk, FIRST, flip, namesOf, openOn, putAll,
} from './open.ts';

const EPOCH = '01234567-89ab-4def-8123-456789abcdef';
const ALL = { first: 1, before: Infinity, done: 0 };

/** A segment of records 1 to `count`, and where each begins. */
function segmentOf(count: number): { bytes: Buffer; starts: number[] } {
  const bytes = Buffer.alloc(HEADER_BYTES + count * recordBytes(100));
  encodeHeader({ epoch: EPOCH, first: 1 }).copy(bytes);
  const starts: number[] = [];
  let at = HEADER_BYTES;
  for (let sequence = 1; sequence <= count; sequence++) {
    starts.push(at);
    const head = { sequence, signal: 'logs' as const, itemCount: 2, enqueuedMs: 5 };
    at = encodeRecord(bytes, at, head, Buffer.alloc(100, sequence));
  }
  return { bytes, starts };
}

test('crc32c: the vectors of RFC 3720', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
  assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
  assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
  assert.equal(crc32c(Buffer.from(Array.from({ length: 32 }, (_, index) => index))), 0x46dd794e);
  const text = Buffer.from('..123456789..');
  assert.equal(crc32c(text, 2, 11), 0xe3069283);
});

test('format: header, record and file name come back as they were', () => {
  const header = encodeHeader({ epoch: EPOCH, first: 2 ** 40 });
  assert.deepEqual(decodeHeader(header), { epoch: EPOCH, first: 2 ** 40 });
  for (let at = 0; at < HEADER_BYTES; at++) {
    assert.equal(decodeHeader(flip(at)(Buffer.from(header))), null);
  }
  const { bytes, starts } = segmentOf(2);
  const record = decodeRecord(bytes, starts[1]!)!;
  assert.deepEqual(
    [record.sequence, record.signal, record.itemCount, record.enqueuedMs, record.end],
    [2, 'logs', 2, 5, bytes.length]);
  assert.deepEqual(payloadOf(bytes, record), Buffer.alloc(100, 2));
  for (let at = starts[1]!; at < bytes.length; at++) {
    assert.equal(decodeRecord(flip(at)(Buffer.from(bytes)), starts[1]!), null, String(at));
  }
  assert.equal(parseSegmentName(segmentName(255)), 255);
  for (const name of ['x.seg', '00000000000000ff', `${'f'.repeat(16)}.seg`, '0.seg']) {
    assert.equal(parseSegmentName(name), null);
  }
});

test('queue: damage that was reported is not counted again at the next start', async () => {
  const { disk, starts } = await filledDisk(6);
  disk.damage(FIRST, flip(starts[1]! + 50));
  await (await openOn(disk)).queue.stop();
  const { queue, counters } = await openOn(disk);
  assert.equal(counters.total('binnacle_queue_missing_batches_total'), 0);
  assert.equal((await drain(queue)).keys.length, 5);
  await queue.stop();
});

test('queue: damage that comes while it runs is found when it is read', async () => {
  const disk = faultyDisk();
  const first = await openOn(disk);
  await putAll(first.queue, namesOf(9));
  await first.queue.stop();
  const { queue, counters } = await openOn(disk);
  disk.damage(FIRST, flip(HEADER_BYTES + 60));
  assert.deepEqual((await drain(queue)).keys, namesOf(9).slice(1));
  assert.equal(counters.total('binnacle_queue_missing_batches_total'), 1);
  await queue.stop();
});

test('cursor: any bytes give a sequence or a reason', () => {
  const random = createSeededRandom(5);
  assert.equal(decodeCursor(Buffer.from(encodeCursor(2 ** 50))), 2 ** 50);
  for (let round = 0; round < 20_000; round++) {
    const bytes = Buffer.from(encodeCursor(Math.floor(random.float() * 1e9)));
    mutate(bytes, random.float);
    const result = decodeCursor(bytes.subarray(0, Math.ceil(random.float() * bytes.length)));
    assert.ok(typeof result === 'number' ? result >= 0 : result.why !== '');
  }
  assert.deepEqual(decodeCursor(Buffer.alloc(5000)), { why: 'it is too long' });
});

test('segment: any bytes are scanned to their end, and intact records are found', () => {
  const random = createSeededRandom(6);
  const startedMs = performance.now();
  const { bytes: intact, starts } = segmentOf(30);
  for (let round = 0; performance.now() - startedMs < 3000 && round < 20_000; round++) {
    const bytes = Buffer.from(intact);
    const touched = mutate(bytes, random.float);
    const scan = scanSegment(bytes, ALL);
    const whole = starts.filter((start) => !touched.some((at) =>
      at >= start && at < start + recordBytes(100))).length;
    assert.ok(scan.records >= whole, `${scan.records} of ${whole}`);
    assert.ok(scan.end <= bytes.length && scan.last <= 30);
  }
});

test('segment: bytes made to be slow are given up, not searched for ever', () => {
  // Every four bytes the magic, each claiming all that follows, with a plausible head.
  const bytes = Buffer.alloc(4 * 1024 * 1024);
  for (let at = 0; at + 36 < bytes.length; at += 36) {
    Buffer.from([0xf5, 0x42, 0x51, 0x52]).copy(bytes, at);
    bytes.writeUInt32LE(bytes.length - at - 12, at + 4);
    bytes.writeBigUInt64LE(9n, at + 12);
    bytes.writeUInt32LE(3, at + 20);
  }
  const startedMs = performance.now();
  assert.equal(scanSegment(bytes, ALL).records, 0);
  assert.ok(performance.now() - startedMs < 2000);
});

test('queue: a folder of any bytes opens, drains and takes again', async () => {
  const random = createSeededRandom(8);
  for (let round = 0; round < 200; round++) {
    const { disk } = await filledDisk(4);
    const again = await openOn(disk);
    await putAll(again.queue, ['more']);
    (await again.queue.take(NEVER))!.done();
    await again.queue.stop();
    for (const path of disk.paths()) {
      if (random.float() < 0.6) {
        disk.damage(path, (bytes) => {
          mutate(bytes, random.float);
          return bytes.subarray(0, Math.ceil((0.5 + random.float()) * bytes.length));
        });
      }
    }
    const { queue } = await openOn(disk);
    const { keys } = await drain(queue);
    assert.ok(keys.length <= 5);
    assert.deepEqual(await putAll(queue, ['x']), ['x']);
    assert.deepEqual((await drain(queue)).keys, ['x'], `round ${round}`);
    await queue.stop();
  }
});

/** Changes a few bytes, or a stretch; answers which. */
function mutate(bytes: Buffer, chance: () => number): number[] {
  const touched: number[] = [];
  const count = 1 + Math.floor(chance() * 4);
  const stretch = chance() < 0.3 ? 40 : 1;
  for (let change = 0; change < count; change++) {
    const from = Math.floor(chance() * bytes.length);
    for (let at = from; at < Math.min(bytes.length, from + stretch); at++) {
      bytes[at] = Math.floor(chance() * 256);
      touched.push(at);
    }
  }
  return touched;
}
