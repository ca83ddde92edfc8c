// Proves that a body is read whole or not at all, and never beyond its bounds, however it is cut
// into pieces and whatever it unpacks to.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import { bodyEncoding, readBody, type BodyEncoding } from '../../../proto/http/compression.ts';

const text = Buffer.from('the quick brown fox '.repeat(5000));

/** A source that gives `bytes` in pieces of `size`. */
function inPieces(bytes: Uint8Array, size: number): Readable {
  const count = Math.ceil(bytes.length / size);
  return Readable.from(Array.from({ length: count }, (_, index) =>
    Buffer.from(bytes.subarray(index * size, (index + 1) * size))), { objectMode: false });
}

const read = (source: Readable, encoding: BodyEncoding, bytesMax = 1e6, roomFor = Infinity) => {
  let taken = 0;
  const take = (bytes: number) => (taken + bytes > roomFor ? false : (taken += bytes) >= 0);
  return readBody(source, encoding, { bytesMax, take });
};

test('compression: a body is whole, however it is cut', async () => {
  const packed = { identity: text, gzip: gzipSync(text), deflate: deflateSync(text) } as const;
  for (const [encoding, bytes] of Object.entries(packed)) {
    for (const size of [1, 7, 1000, 1_000_000]) {
      if (size === 1 && bytes.length > 10_000) continue;
      const body = await read(inPieces(bytes, size), encoding as BodyEncoding);
      assert.equal(body.status, 'read');
      if (body.status === 'read') assert.ok(body.bytes.equals(text));
    }
  }
});

test('compression: what is broken is broken', async () => {
  const gzip = gzipSync(text);
  const flipped = Buffer.from(gzip);
  flipped[flipped.length - 6]! ^= 1;
  const check = async (bytes: Uint8Array, encoding: BodyEncoding) =>
    assert.deepEqual(await read(inPieces(bytes, 100), encoding), { status: 'broken' });
  await check(gzip.subarray(0, gzip.length - 1), 'gzip');
  await check(gzip.subarray(0, 12), 'gzip');
  await check(flipped, 'gzip');
  await check(text, 'gzip');
  await check(gzip, 'deflate');
  await check(new Uint8Array(0), 'gzip');
});

test('compression: the bound holds for what comes out and for what goes in', async () => {
  const size = text.length;
  const check = async (bytes: Uint8Array, encoding: BodyEncoding, bytesMax: number, want: string) =>
    assert.equal((await read(inPieces(bytes, 1000), encoding, bytesMax)).status, want);
  await check(text, 'identity', size, 'read');
  await check(text, 'identity', size - 1, 'too_large');
  await check(gzipSync(text), 'gzip', size, 'read');
  await check(gzipSync(text), 'gzip', size - 1, 'too_large');
  // Members that unpack to nothing.
  await check(Buffer.concat(Array.from({ length: 1000 }, () => gzipSync(''))), 'gzip', 9999,
    'too_large');
});

test('compression: a bomb is left at the bound', async () => {
  let taken = 0;
  const bomb = gzipSync(Buffer.alloc(50_000_000));
  const body = await readBody(inPieces(bomb, 1000), 'gzip', {
    bytesMax: 100_000,
    take: (bytes) => (taken += bytes) >= 0,
  });
  assert.equal(body.status, 'too_large');
  assert.ok(taken <= 100_000, String(taken));
});

test('compression: reading ends when there is no room', async () => {
  assert.equal((await read(inPieces(text, 1000), 'identity', 1e6, 5000)).status, 'no_room');
  assert.equal((await read(inPieces(gzipSync(text), 10), 'gzip', 1e6, 5000)).status, 'no_room');
});

test('compression: a source that breaks off is cut, and the rest of one is read away', async () => {
  for (const encoding of ['identity', 'gzip'] as const) {
    const source = new Readable({ read() {} });
    const body = read(source, encoding);
    source.push(gzipSync(text).subarray(0, 20));
    source.destroy(new Error('gone'));
    assert.deepEqual(await body, { status: 'cut' });
  }
  const long = inPieces(text, 1000);
  const ended = new Promise((resolve) => long.on('end', resolve));
  await read(long, 'identity', 10);
  await ended;
});

test('compression: names of encodings', () => {
  const check = (header: string | undefined, want: BodyEncoding | null) =>
    assert.equal(bodyEncoding(header), want, header);
  check(undefined, 'identity');
  check('', 'identity');
  check('identity', 'identity');
  check(' GZIP ', 'gzip');
  check('x-gzip', 'gzip');
  check('deflate', 'deflate');
  check('zlib', 'deflate');
  check('br', null);
  check('gzip, gzip', null);
});
