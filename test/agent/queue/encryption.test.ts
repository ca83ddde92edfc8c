// Proves the encryption of the queue: nothing of what is put can be read on the disk, no change or
// move of its bytes goes unseen, keys can be changed while batches wait, and a key that is missing
// loses nothing. A crash leaves a torn tail, which is not taken for tampering.

import assert from 'node:assert/strict';
import { createCipheriv, hkdfSync } from 'node:crypto';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import { createKeyRing } from '../../../agent/queue/cipher.ts';
import {
  decodeHeader, decodeRecord, HEADER_BYTES, RECORD_HEAD_BYTES, segmentName,
} from '../../../agent/queue/format.ts';
import { rejected } from '../../../proto/contract/outcome.ts';
import { createWorld } from '../../../runtime/world.ts';
import { NEVER, testContext, until } from '../../contract/fakes.ts';
import type { FaultyFiles } from '../../contract/faulty_files.ts';
import {
  batchOf, drain, faultyDisk, filledDisk, FIRST, flip, FOLDER, large, namesOf, openOn, putAll,
  segmentsOf, SMALL, takeSoon,
} from './open.ts';
import { setUp } from './peer.ts';

const [OLD, NEW] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)] as const;
const MISSING = 'binnacle_queue_missing_batches_total';

const everything = (disk: FaultyFiles): Buffer =>
  Buffer.concat(disk.paths().map((path) => disk.content(path)!));

/** Drains what is there: the keys that came, and how many are missing. */
async function read(disk: FaultyFiles, keys: readonly Uint8Array[] = [OLD]) {
  const { queue, counters } = await openOn(disk, { keys });
  const { keys: found } = await drain(queue);
  await queue.stop();
  return { found, missing: counters.total(MISSING) };
}

test('encryption: what is put cannot be found on the disk, and comes back after a restart',
  async () => {
    const names = namesOf(30, 'a-marker-in-plain-');
    for (const keys of [[], [OLD]]) {
      const disk = faultyDisk();
      const first = await openOn(disk, { keys });
      await putAll(first.queue, names);
      await first.queue.stop();
      assert.equal(everything(disk).includes('a-marker-in-plain'), keys.length === 0);
      disk.crash();
      assert.deepEqual(await read(disk, keys), { found: names, missing: 0 });
    }
  });

test('encryption: the bytes are AES-256-GCM with the key, nonce and AAD of the drawing',
  async () => {
    const { disk, starts } = await filledDisk(3, 1, { keys: [OLD] });
    const bytes = disk.content(FIRST)!;
    const { seal } = decodeHeader(bytes)!;
    assert.equal(seal!.keyId, createKeyRing([OLD]).current!.id);
    const key = Buffer.from(hkdfSync('sha256', OLD, seal!.salt, 'binnacle queue segment', 32));
    const nonce = Buffer.alloc(12);
    nonce[11] = 2; // The third record of its segment.
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    const at = starts[2]!;
    cipher.setAAD(Buffer.concat([bytes.subarray(0, 80), bytes.subarray(at + 4, at + 8),
      bytes.subarray(at + 12, at + 36)]));
    const text = Buffer.concat([cipher.update(batchOf('r2').bytes), cipher.final()]);
    const want = Buffer.concat([text, cipher.getAuthTag()]);
    assert.ok(bytes.subarray(at + RECORD_HEAD_BYTES, decodeRecord(bytes, at)!.end).equals(want));
  });

test('encryption: each segment has a salt of its own, also when one is begun again', async () => {
  const disk = faultyDisk();
  const salts = new Set<string>();
  const seen = () => {
    for (const path of segmentsOf(disk.paths())) {
      const header = decodeHeader(disk.content(path)!);
      if (header !== null) salts.add(Buffer.from(header.seal!.salt).toString('hex'));
    }
  };
  const { queue } = await openOn(disk, { ...SMALL, keys: [OLD] });
  disk.failAt(disk.operations() + 4, 'EIO');
  const put = queue.put(large('a'), NEVER);
  for (let turn = 0; turn < 30; turn++) {
    await Promise.resolve();
    seen();
  }
  await put;
  for (const name of namesOf(12)) await queue.put(large(name), NEVER);
  seen();
  assert.ok(salts.size >= segmentsOf(disk.paths()).length + 1, `${salts.size} salts`);
  await queue.stop();
});

test('encryption: a bit that is flipped anywhere is quarantined and counted, nothing else is lost',
  async () => {
    const { starts, disk: sample } = await filledDisk(3, 1, { keys: [OLD] });
    const end = decodeRecord(sample.content(FIRST)!, starts[1]!)!.end;
    const offsets = [starts[1]!, starts[1]! + 5, starts[1]! + 13, starts[1]! + 21, starts[1]! + 25,
      starts[1]! + 30, starts[1]! + RECORD_HEAD_BYTES, end - 20, end - 16, end - 1];
    for (const at of offsets) {
      // As a disk does it, and as somebody does who can make a CRC.
      for (const mend of [false, true]) {
        const { disk } = await filledDisk(3, 1, { keys: [OLD] });
        disk.damage(FIRST, (bytes) => {
          flip(at)(bytes);
          const crc = crc32(bytes.subarray(starts[1]! + 12, end));
          if (mend) bytes.writeUInt32LE(crc, starts[1]! + 8);
          return bytes;
        });
        const label = `${at - starts[1]!} ${mend}`;
        assert.deepEqual(await read(disk), { found: ['r0', 'r2'], missing: 1 }, label);
        assert.ok(disk.paths().some((path) => path.includes('/quarantine/')), label);
      }
    }
  });

test('encryption: one header that is damaged is taken from the other, both lose the segment only',
  async () => {
    for (let at = 0; at < 84; at += 5) {
      const { disk } = await filledDisk(3, 1, { keys: [OLD] });
      disk.damage(FIRST, flip(at));
      assert.deepEqual(await read(disk), { found: namesOf(3), missing: 0 }, String(at));
    }
    const { disk } = await filledDisk(3, 1, { keys: [OLD] });
    disk.damage(FIRST, (bytes) => bytes.fill(0, 0, HEADER_BYTES));
    assert.deepEqual(await read(disk), { found: [], missing: 3 });
    assert.ok(disk.paths().some((path) => path.includes('/quarantine/')));
  });

test('encryption: a record that is moved, within a segment or from another one, is not taken',
  async () => {
    const disk = faultyDisk();
    const first = await openOn(disk, { keys: [OLD] });
    await putAll(first.queue, namesOf(3));
    await first.queue.stop();
    const second = await openOn(disk, { keys: [OLD] });
    await putAll(second.queue, namesOf(3, 's'));
    await second.queue.stop();
    const other = disk.content(`${FOLDER}/${segmentName(4)}`)!;
    const length = decodeRecord(other, HEADER_BYTES)!.end - HEADER_BYTES;
    const place = (bytes: Buffer, record: Buffer) => {
      // Over the second, under its sequence, with a CRC that is right.
      const copy = Buffer.from(record);
      copy.writeBigUInt64LE(2n, 12);
      copy.writeUInt32LE(crc32(copy.subarray(12)), 8);
      copy.copy(bytes, HEADER_BYTES + length);
      return bytes;
    };
    const own = disk.content(FIRST)!;
    for (const source of [own, other]) {
      const record = source.subarray(HEADER_BYTES, HEADER_BYTES + length);
      const copy = await filledCopy(disk);
      copy.damage(FIRST, (bytes) => place(bytes, record));
      assert.deepEqual(await read(copy),
        { found: ['r0', 'r2', 's0', 's1', 's2'], missing: 1 });
    }
    // A whole segment under the name of another, and a plain record in a sealed segment.
    const swapped = await filledCopy(disk);
    swapped.damage(FIRST, () => Buffer.from(other));
    assert.ok((await read(swapped)).found.every((name) => name.startsWith('s')));
    const plain = await filledDisk(3);
    const mixed = await filledCopy(disk);
    mixed.damage(FIRST, (bytes) => Buffer.concat([bytes.subarray(0, HEADER_BYTES),
      plain.disk.content(FIRST)!.subarray(HEADER_BYTES)]));
    assert.deepEqual((await read(mixed)).found, ['s0', 's1', 's2']);
  });

async function filledCopy(source: FaultyFiles): Promise<FaultyFiles> {
  const copy = faultyDisk();
  for (const path of source.paths()) await copy.files.replace(path, source.content(path)!);
  return copy;
}

test('encryption: a new key writes new segments, the old one still reads its own', async () => {
  const { disk } = await filledDisk(3, 1, { keys: [OLD] });
  const { queue } = await openOn(disk, { keys: [NEW, OLD] });
  await putAll(queue, namesOf(2, 's'));
  await queue.stop();
  const ids = segmentsOf(disk.paths()).map((path) =>
    decodeHeader(disk.content(path)!)!.seal!.keyId);
  assert.deepEqual(ids, [OLD, NEW].map((key) => createKeyRing([key]).current!.id));
  assert.deepEqual(await read(disk, [NEW, OLD]),
    { found: [...namesOf(3), 's0', 's1'], missing: 0 });
});

test('encryption: it can be turned on and off while batches wait, the keys at hand', async () => {
  const { disk } = await filledDisk(2);
  const on = await openOn(disk, { keys: [OLD] });
  await putAll(on.queue, ['sealed']);
  await on.queue.stop();
  assert.deepEqual(await read(disk, [OLD]), { found: ['r0', 'r1', 'sealed'], missing: 0 });
});

test('encryption: a key that is missing or wrong refuses the start and touches nothing',
  async () => {
    const { disk } = await filledDisk(3, 1, { keys: [OLD] });
    const before = disk.content(FIRST)!;
    const id = createKeyRing([OLD]).current!.id;
    for (const keys of [[], [NEW]]) {
      await assert.rejects(openOn(disk, { keys }), {
        name: 'OperatorError', message: new RegExp(`encrypted with key ${id}, which is not`),
      });
      assert.ok(disk.content(FIRST)!.equals(before));
      assert.ok(!disk.paths().some((path) => path.includes('/quarantine/')));
    }
    assert.deepEqual(await read(disk), { found: namesOf(3), missing: 0 });
    // What was delivered needs no key.
    const open = await openOn(disk, { keys: [] });
    assert.equal(open.queue.batches(), 0);
    await open.queue.stop();
  });

test('encryption: a torn tail is cut, and is not said to be tampered with', async () => {
  for (const cut of [1, 10, 60]) {
    const { disk } = await filledDisk(4, 1, { keys: [OLD] });
    disk.damage(FIRST, (bytes) => bytes.subarray(0, -cut));
    const { queue, counters, log } = await openOn(disk, { keys: [OLD] });
    assert.deepEqual((await drain(queue)).keys, namesOf(3));
    assert.equal(counters.total(MISSING), 0);
    assert.ok(!log.lines.some(({ message }) => message.includes('changed')));
    await queue.stop();
  }
});

test('encryption: power cuts lose nothing that was acknowledged', async () => {
  for (let seed = 0; seed < 20; seed++) {
    const disk = faultyDisk(seed);
    const first = await openOn(disk, { ...SMALL, keys: [OLD] });
    const accepted: string[] = [];
    for (const name of namesOf(8)) {
      if ((await first.queue.put(large(name), NEVER)).status === 'accepted') accepted.push(name);
    }
    (await takeSoon(first.queue))!.done();
    void first.queue.put(large('unanswered'), NEVER);
    await Promise.resolve();
    disk.crash();
    const { found, missing } = await read(disk);
    const rest = accepted.slice(1).filter((name) => !found.includes(name));
    assert.deepEqual([rest, missing], [[], 0], `seed ${seed}`);
  }
});

test('encryption: what the peer refuses for good is kept sealed, too', async () => {
  const disk = faultyDisk();
  const world = { ...createWorld(), files: disk.files };
  const context = testContext({ world, folder: '/exporter' });
  const { exporter } = setUp(context, () => rejected('no'), undefined, [OLD]);
  await exporter.start();
  await exporter.consume(batchOf('a-marker-in-plain'), NEVER);
  const counters = context.counters;
  await until(() => counters.total('otelcol_exporter_queue_size') === 0, 'the refusal');
  await exporter.stop(NEVER);
  const kept = '/storage/exporter/exporter/rejected/1.logs.sealed';
  assert.ok(disk.paths().includes(kept), String(disk.paths()));
  assert.ok(!everything(disk).includes('a-marker-in-plain'));
});
