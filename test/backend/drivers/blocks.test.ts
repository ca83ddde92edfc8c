// ClickHouse's compressed blocks: checksums and LZ4 are held against blocks that ClickHouse itself
// has written (columns of a table lie on disk in the same form), in all lengths that the hash tells
// apart; what we write is read back; damage of any byte is found.

import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import fc from 'fast-check';
import { request } from 'undici';
import { BlockEncoder, BlockError, decodeBlocks, encodeBlock, limits }
  from '../../../backend/drivers/blocks.ts';
import { boundOf, compressLz4, decompressLz4 } from '../../../backend/drivers/lz4.ts';
import { createEngine } from '../../../backend/storage/engine/supervisor.ts';

const HEAD_BYTES = 25;
const PHRASE = 'the quick brown fox, ';

/** Columns of a table as they lie on disk, by the length of their one value. */
async function columnsOf(lengths: readonly number[], codec: string): Promise<Map<number, Buffer>> {
  const folder = await mkdtemp(join(tmpdir(), 'binnacle-blocks-'));
  const engine = createEngine({ path: folder });
  try {
    const { url } = await engine.start();
    const run = async (sql: string) => {
      const answer = await request(`${url}/?allow_suspicious_fixed_string_types=1`,
        { method: 'POST', body: sql });
      assert.equal(answer.statusCode, 200, await answer.body.text());
    };
    const columns = lengths.map((length) =>
      `c${length} FixedString(${length}) CODEC(${codec})`).join(', ');
    await run(`CREATE TABLE t (${columns}) ENGINE = MergeTree ORDER BY tuple()
      SETTINGS min_bytes_for_wide_part = 0`);
    await run(`INSERT INTO t SELECT ${lengths.map((length) =>
      `toFixedString(substring(repeat('${PHRASE}', ${length}), 1, ${length}), ${length})`)
      .join(', ')}`);
    const found = new Map<number, Buffer>();
    for (const name of await readdir(folder, { recursive: true })) {
      const length = /\/c(\d+)\.bin$/.exec(name)?.[1];
      if (length !== undefined) found.set(Number(length), await readFile(join(folder, name)));
    }
    return found;
  } finally {
    await engine.stop(AbortSignal.timeout(10_000));
    await rm(folder, { recursive: true, force: true });
  }
}

test('blocks: what ClickHouse wrote is read, of every length that the checksum tells apart',
  async () => {
    const lengths = [1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 63, 64, 100, 127, 128, 129, 160, 191,
      192, 255, 256, 257, 300, 1000, 4096, 10_000];
    for (const codec of ['LZ4', 'NONE']) {
      const columns = await columnsOf(lengths, codec);
      assert.deepEqual([...columns.keys()].sort((a, b) => a - b), lengths);
      for (const [length, bytes] of columns) {
        const text = PHRASE.repeat(length).slice(0, length);
        assert.equal(decodeBlocks(bytes).toString(), text, `${codec} ${length}`);
      }
    }
  });

test('blocks: what is written is read back', () => {
  const texts = fc.oneof(
    fc.uint8Array({ maxLength: 5000 }).map((bytes) => Buffer.from(bytes)),
    fc.array(fc.constantFrom('GET /', 'status', ' 200 ', 'x', '\0\0\0\0\0\0\0\0'),
      { maxLength: 2000 }).map((words) => Buffer.from(words.join(''))),
  );
  fc.assert(fc.property(texts, (raw) => {
    assert.deepEqual(decodeBlocks(encodeBlock(raw)), raw);
  }), { numRuns: 300 });
});

test('blocks: repeated bytes shrink, and never more room is taken than promised', () => {
  const raw = Buffer.from('{"service":"checkout","status":200}\n'.repeat(20_000));
  assert.ok(encodeBlock(raw).length < raw.length / 50);
  const out = Buffer.alloc(boundOf(300));
  for (let size = 0; size <= 300; size += 1) {
    const noise = Buffer.from(Array.from({ length: size }, (_, index) => (index * 167) % 251));
    assert.deepEqual(decompressLz4(out.subarray(0, compressLz4(noise, out, 0)), size), noise);
  }
});

test('blocks: a changed byte anywhere, and a cut anywhere, is found', () => {
  const block = encodeBlock(Buffer.from('select 1 '.repeat(30)));
  for (let at = 0; at < block.length; at += 1) {
    const changed = Buffer.from(block);
    changed[at]! ^= 0x10;
    assert.throws(() => decodeBlocks(changed), BlockError, `byte ${at}`);
    if (at > 0) assert.throws(() => decodeBlocks(block.subarray(0, at)), BlockError, `cut ${at}`);
  }
});

test('blocks: LZ4 that is no LZ4 is null or bytes, never more', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(500), (bytes, size) => {
    const found = decompressLz4(Buffer.from(bytes), size);
    assert.ok(found === null || found.length === size);
  }), { numRuns: 2000 });
});

test('blocks: more than asked for is refused before it is unpacked', () => {
  const block = encodeBlock(Buffer.alloc(1000));
  assert.throws(() => decodeBlocks(Buffer.concat([block, block]), 1999), /hold too much/);
  assert.equal(decodeBlocks(Buffer.concat([block, block]), 2000).length, 2000);
  assert.ok(block.length < HEAD_BYTES + 40);
});

test('blocks: a stream becomes blocks of at most a mebibyte', async () => {
  const chunks = [Buffer.alloc(700_000, 'a'), Buffer.alloc(900_000, 'b'), Buffer.alloc(10, 'c')];
  const found = await buffer(Readable.from(chunks).pipe(new BlockEncoder()));
  const raw = decodeBlocks(found);
  assert.deepEqual(raw, Buffer.concat(chunks));
  assert.equal(found.readUInt32LE(16 + 5), limits.rawBytesMax);
});
