// Proves the formats, and that damage is read over, kept in quarantine and named with its
// sequences, also when it comes while the queue runs. Any bytes whatsoever: fuzz.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32c } from '../../../agent/queue/crc32c.ts';
import {
  decodeHeader, decodeRecord, encodeHeader, HEADER_BYTES, HEADER_COPIES_AT, HEADER_COPY_BYTES,
  openRecord, parseSegmentName, segmentName,
} from '../../../agent/queue/format.ts';
import { settle } from '../../../runtime/manual_clock.ts';
import {
  drain, EPOCH, faultyDisk, filledDisk, FIRST, flip, HEADER, namesOf, openOn, putAll, segmentOf,
} from './open.ts';

test('crc32c: the vectors of RFC 3720', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
  assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
  assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
  assert.equal(crc32c(Buffer.from(Array.from({ length: 32 }, (_, index) => index))), 0x46dd794e);
  const text = Buffer.from('..123456789..');
  assert.equal(crc32c(text, 2, 11), 0xe3069283);
  assert.equal(crc32c(text, 5, 11, crc32c(text, 2, 5)), 0xe3069283, 'in two parts');
});

test('format: header, record and file name come back as they were', () => {
  for (const seal of [null, { keyId: '0123456789abcdef', salt: Buffer.alloc(16, 7) }]) {
    const header = { ...HEADER, first: 2 ** 40, seal };
    const bytes = encodeHeader(header);
    assert.equal(bytes.length, HEADER_BYTES);
    for (const at of HEADER_COPIES_AT) {
      assert.deepEqual(decodeHeader(bytes.subarray(at)), header);
      for (let offset = 0; offset < HEADER_COPY_BYTES; offset++) {
        assert.equal(decodeHeader(flip(at + offset)(Buffer.from(bytes)).subarray(at)), null);
      }
    }
  }
  const { bytes, starts } = segmentOf(2);
  const record = decodeRecord(bytes, starts[1]!)!;
  assert.deepEqual(
    [record.sequence, record.signal, record.itemCount, record.enqueuedMs, record.end],
    [2, 'logs', 2, 5, bytes.length]);
  assert.deepEqual(openRecord(bytes, record, null), Buffer.alloc(100, 2));
  for (let at = starts[1]!; at < bytes.length; at++) {
    assert.equal(decodeRecord(flip(at)(Buffer.from(bytes)), starts[1]!), null, String(at));
  }
  assert.equal(parseSegmentName(segmentName(255)), 255);
  for (const name of ['x.seg', '00000000000000ff', `${'f'.repeat(16)}.seg`, '0.seg']) {
    assert.equal(parseSegmentName(name), null);
  }
});

test('queue: records with a CRC-32C, as they were written before, are read; damage in them is seen',
  async () => {
    const { disk, starts } = await filledDisk(6);
    disk.damage(FIRST, (bytes) => {
      for (const start of starts) {
        const { end } = decodeRecord(bytes, start)!;
        bytes.write('R', start + 3, 'latin1');
        assert.equal(decodeRecord(bytes, start), null, 'the CRC-32 is none of its own');
        bytes.writeUInt32LE(crc32c(bytes, start + 12, end), start + 8);
        assert.equal(decodeRecord(bytes, start)?.end, end);
      }
      return flip(starts[2]! + 50)(bytes);
    });
    const { queue, counters } = await openOn(disk);
    assert.deepEqual((await drain(queue)).keys, namesOf(6).filter((name) => name !== 'r2'));
    assert.equal(counters.total('binnacle_queue_missing_batches_total'), 1);
    await queue.stop();
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

test('queue: a damaged header is taken from its copy, so that ids stay the same', async () => {
  const idsAfter = async (change: (bytes: Buffer) => Buffer) => {
    const { disk } = await filledDisk(3);
    const before = decodeHeader(disk.content(FIRST)!)!.epoch;
    disk.damage(FIRST, change);
    const { queue } = await openOn(disk);
    const { ids, attempts } = await drain(queue);
    await queue.stop();
    assert.deepEqual([ids.length, attempts], [3, [1, 1, 1]]);
    return ids.every((id) => id.split('/')[1] === before);
  };
  for (const at of HEADER_COPIES_AT) {
    assert.ok(await idsAfter((bytes) => bytes.fill(0, at, at + HEADER_COPY_BYTES)));
  }
  // Without either the epoch is not known: the batches are kept, under another one.
  assert.equal(await idsAfter((bytes) => bytes.fill(0, 0, HEADER_BYTES)), false);
});

test('queue: ids stay the same when the agent has a new id, since the segment knows the old one',
  async () => {
    const { disk } = await filledDisk(2);
    const { queue } = await openOn(disk, { agentId: EPOCH });
    const { ids } = await drain(queue);
    assert.ok(ids.every((id) => id.startsWith(HEADER.agentId)), ids[0]);
    await putAll(queue, ['new']);
    assert.ok((await drain(queue)).ids[0]!.startsWith(EPOCH));
    await queue.stop();
    await settle();
  });
