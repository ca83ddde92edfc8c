// Any bytes in the queue's folder give a value or a counted quarantine: no start throws, nothing
// goes on for ever, and what is intact is found. Cursor, header, segments and whole folders, plain
// and sealed; also bytes that carry a right CRC and are wrong in what they say.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { crc32c } from '../../../agent/queue/crc32c.ts';
import { decodeCursor, encodeCursor } from '../../../agent/queue/cursor.ts';
import {
  decodeHeader, decodeRecord, encodeHeader, HEADER_COPY_BYTES, recordBytes, segmentName,
} from '../../../agent/queue/format.ts';
import { scanSegment } from '../../../agent/queue/segment.ts';
import {
  drain, faultyDisk, filledDisk, FIRST, FOLDER, HEADER, openOn, piecesOf, putAll, segmentOf,
  takeSoon,
} from './open.ts';

const ALL = { first: 1, before: Infinity, done: 0 };
const KEYS = [Buffer.alloc(32, 5)];
const BUDGET = { interruptAfterTimeLimit: 1500, includeErrorInReport: true } as const;

/** Changes of a few bytes or stretches, at places given as shares of the length. */
const changes = fc.array(fc.record({
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }),
}), { minLength: 1, maxLength: 4 });
type Changes = typeof changes extends fc.Arbitrary<infer C> ? C : never;

/** Answers which offsets were touched. */
function apply(bytes: Buffer, made: Changes): number[] {
  return made.flatMap(({ at, bytes: written }) => {
    const from = Math.floor(at * bytes.length);
    const part = written.subarray(0, bytes.length - from);
    bytes.set(part, from);
    return [...part.keys()].map((index) => from + index);
  });
}

test('fuzz: a cursor of any bytes is two sequences or a reason', () => {
  const check = (bytes: Uint8Array) => {
    const result = decodeCursor(bytes);
    assert.ok('why' in result ? result.why !== '' : result.done >= 0 && result.handed >= 0);
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 2000 }), check), BUDGET);
  fc.assert(fc.property(fc.maxSafeNat(), changes, fc.nat(80), (done, made, length) => {
    const bytes = Buffer.from(encodeCursor({ done, handed: done }));
    apply(bytes, made);
    check(bytes.subarray(0, length));
  }), { ...BUDGET, numRuns: 2000 });
  fc.assert(fc.property(fc.json(), (text) => {
    const check = crc32c(Buffer.from(text, 'latin1')).toString(16).padStart(8, '0');
    decodeCursor(Buffer.from(`${text}\n${check}\n`, 'latin1'));
  }), BUDGET);
  const far = { done: 2 ** 50, handed: 2 ** 50 + 1 };
  assert.deepEqual(decodeCursor(Buffer.from(encodeCursor(far))), far);
  assert.deepEqual(decodeCursor(Buffer.alloc(5000)), { why: 'it is too long' });
});

test('fuzz: a header of any bytes, also with a right CRC, is read or refused', async () => {
  const bytes = fc.uint8Array({ minLength: HEADER_COPY_BYTES, maxLength: HEADER_COPY_BYTES });
  await fc.assert(fc.asyncProperty(bytes, fc.nat(HEADER_COPY_BYTES), async (random, keep) => {
    const copy = Buffer.from(random);
    encodeHeader(HEADER).copy(copy, 0, 0, keep);
    copy.writeUInt32LE(crc32c(copy, 0, 80), 80);
    decodeHeader(copy);
    const { bytes: segment } = segmentOf(3);
    copy.copy(segment);
    copy.copy(segment, 4096);
    assert.equal((await scanSegment(piecesOf(segment), ALL)).records, 3);
  }), { ...BUDGET, numRuns: 1000 });
});

test('fuzz: a segment of any bytes is scanned to its end, and intact records are found',
  async () => {
    const { bytes: intact, starts } = segmentOf(30);
    await fc.assert(fc.asyncProperty(changes, async (made) => {
      const bytes = Buffer.from(intact);
      const touched = apply(bytes, made);
      const scan = await scanSegment(piecesOf(bytes), ALL);
      const whole = starts.filter((start) => !touched.some((at) =>
        at >= start && at < start + recordBytes(100))).length;
      assert.ok(scan.records >= whole, `${scan.records} of ${whole}`);
      assert.ok(scan.end <= bytes.length && scan.last <= 30);
    }), { ...BUDGET, numRuns: 5000 });
  });

test('fuzz: a record with a right CRC and any head is read, or read over', async () => {
  const head = fc.uint8Array({ minLength: 24, maxLength: 24 });
  await fc.assert(fc.asyncProperty(head, fc.nat(23), fc.nat(29), async (random, from, which) => {
    const { bytes, starts } = segmentOf(30);
    const start = starts[which]!;
    bytes.set(random.subarray(from), start + 12 + from);
    const record = bytes.subarray(start + 12, start + recordBytes(100));
    bytes.writeUInt32LE(crc32(record), start + 8);
    decodeRecord(bytes, start);
    const scan = await scanSegment(piecesOf(bytes), ALL);
    const lost = scan.missing.reduce((sum, { from: first, to }) => sum + to - first + 1, 0);
    assert.ok(scan.records >= which, 'those before it');
    assert.ok(lost < 1000, `a number that cannot be: ${lost}`);
  }), { ...BUDGET, numRuns: 2000 });
});

test('fuzz: bytes made to be slow are given up, not searched for ever', async () => {
  // Every 36 bytes the magic, each claiming all that follows, with a plausible head.
  const bytes = Buffer.alloc(4 * 1024 * 1024);
  for (let at = 0; at + 36 < bytes.length; at += 36) {
    Buffer.from([0xf5, 0x42, 0x51, 0x53]).copy(bytes, at);
    bytes.writeUInt32LE(bytes.length - at - 12, at + 4);
    bytes.writeBigUInt64LE(9n, at + 12);
    bytes.writeUInt32LE(3, at + 20);
  }
  const startedMs = performance.now();
  assert.equal((await scanSegment(piecesOf(bytes), ALL)).records, 0);
  assert.ok(performance.now() - startedMs < 2000);
});

for (const keys of [[], KEYS]) {
  const kind = keys.length === 0 ? 'plain' : 'sealed';
  test(`fuzz: a ${kind} folder of any bytes opens, drains and takes again`, async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.option(changes), { maxLength: 6 }),
      fc.array(fc.integer({ min: 3, max: 10 })), fc.nat(1e6), async (made, shares, seed) => {
        const { disk } = await filledDisk(4, seed, { keys });
        const again = await openOn(disk, { keys });
        await putAll(again.queue, ['more']);
        (await takeSoon(again.queue))!.done();
        await again.queue.stop();
        for (const [index, path] of disk.paths().entries()) {
          disk.damage(path, (bytes) => {
            apply(bytes, made[index] ?? []);
            return bytes.subarray(0, Math.ceil(bytes.length * (shares[index] ?? 10) / 10));
          });
        }
        const { queue, counters } = await openOn(disk, { keys });
        const { keys: found } = await drain(queue);
        assert.ok(found.length <= 5);
        const missing = counters.total('binnacle_queue_missing_batches_total');
        const kept = disk.paths().some((path) => path.includes('/quarantine/'));
        // Of the five one was delivered, and the end of the newest segment may be gone unseen.
        assert.ok(found.length + missing >= 3 || kept, `${found.length} and ${missing}`);
        assert.deepEqual(await putAll(queue, ['x']), ['x']);
        assert.deepEqual((await drain(queue)).keys, ['x']);
        await queue.stop();
      }), { ...BUDGET, numRuns: 150 });
  });
}

test('fuzz: files of any name and content in the folder keep nothing from starting', async () => {
  const name = fc.oneof(fc.constantFrom('cursor', 'reserve', segmentName(1), segmentName(2 ** 52),
    segmentName(77), '.cursor.new', 'x.seg'), fc.string({ minLength: 1, maxLength: 20 })
    .filter((text) => !text.includes('/') && text !== '.' && text !== '..'));
  const files = fc.array(fc.tuple(name, fc.uint8Array({ maxLength: 6000 })), { maxLength: 6 });
  await fc.assert(fc.asyncProperty(files, async (written) => {
    const disk = faultyDisk();
    for (const [path, content] of written) await disk.files.replace(`${FOLDER}/${path}`, content);
    const { queue } = await openOn(disk);
    assert.deepEqual(await putAll(queue, ['x']), ['x']);
    assert.deepEqual((await drain(queue)).keys, ['x']);
    await queue.stop();
    assert.ok(disk.content(FIRST) === null || disk.content(FIRST)!.length >= 0);
  }), { ...BUDGET, numRuns: 200 });
});
