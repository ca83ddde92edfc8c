// The protobuf reader on bytes written by hand: what each kind of field gives, that nothing is read
// past the end of the message it stands in, and that broken bytes raise DecodeError and only that.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import { fieldBits, limits, Reader } from '../../../proto/protobuf/reader.ts';
import { decodeText, textBuffer } from '../../../proto/protobuf/text.ts';
import { seededRandom } from '../generate.ts';

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const reader = (hex: string): Reader => new Reader(bytes(hex));
const refuses = (hex: string, read: (reader: Reader) => unknown, offset?: number) => {
  const isExpected = (error: unknown) =>
    error instanceof DecodeError && (offset === undefined || error.offset === offset);
  assert.throws(() => read(reader(hex)), isExpected, hex);
};

test('reader: tags', () => {
  const check = (hex: string, want: number) => assert.equal(reader(hex).tag(), want);
  check('08', 8);
  check('85 01', (16 << 3) | 5);
  check('fa ff ff ff 0f', 0xfffffffa);
  for (const hex of ['', '00', '02', '80 00', '0b', '0c', '0e', '0f', '80', 'fa ff ff ff 1f']) {
    refuses(hex, (one) => one.tag());
  }
});

test('reader: varints', () => {
  const check = (hex: string, want: number) => assert.equal(reader(hex).varint32(), want);
  check('00', 0);
  check('7f', 127);
  check('80 01', 128);
  check('ff ff ff ff 0f', 0xffffffff);
  check('80 80 00', 0);
  check('ff ff ff ff ff ff ff ff ff 01', 0xffffffff);
  assert.equal(reader('ff ff ff ff ff ff ff ff ff 01').int32(), -1);
  assert.equal(reader('ff ff ff ff ff ff ff ff ff 01').uint64(), 2n ** 64n - 1n);
  assert.equal(reader('80 80 80 80 80 80 80 80 80 01').int64(), -(2n ** 63n));
  assert.equal(reader('81 80 80 80 80 80 80 10').int64(), 2n ** 53n + 1n);
  assert.equal(reader('80 80 80 80 10').bool(), true);
  assert.equal(reader('00').bool(), false);
  assert.equal(reader('03').sint32(), -2);
  assert.equal(reader('ff ff ff ff 0f').sint32(), -(2 ** 31));
  refuses('80', (one) => one.varint32());
  refuses('ff ff ff ff ff ff ff ff ff 02', (one) => one.varint32());
  refuses('80 80 80 80 80 80 80 80 80 80 01', (one) => one.varint64());
});

test('reader: fixed numbers', () => {
  assert.equal(reader('ff ff ff ff').fixed32(), 0xffffffff);
  assert.equal(reader('ff ff ff ff ff ff ff ff').fixed64(), 2n ** 64n - 1n);
  assert.equal(reader('ff ff ff ff ff ff ff ff').sfixed64(), -1n);
  assert.equal(reader('00 00 00 00 00 00 f8 bf').double(), -1.5);
  const words = reader('01 00 00 80 02 00 00 00');
  words.words64();
  assert.deepEqual([words.low >>> 0, words.high], [0x80000001, 2]);
  refuses('00 00 00', (one) => one.fixed32());
  refuses('00 00 00 00 00 00 00', (one) => one.double());
});

test('reader: strings, bytes and ids', () => {
  assert.equal(reader('03 61 c3 a4').string(), 'aä');
  assert.equal(reader('02 ff 61').string(), '\ufffda');
  assert.equal(reader('02 ab cd').hex(), 'abcd');
  assert.equal(reader('00').hex(), '');
  const source = bytes('02 01 02');
  const blob = new Reader(source).blob();
  source[1] = 9;
  assert.deepEqual(blob, new Uint8Array([1, 2]), 'a copy');
  refuses('02 61', (one) => one.string(), 0);
  refuses('ff ff ff ff 0f', (one) => one.string());
  refuses('ff ff ff ff ff ff ff ff ff 01', (one) => one.range());
});

test('reader: the cache of strings never mixes up texts', () => {
  const check = (buffer: Buffer) =>
    assert.equal(decodeText(textBuffer(buffer), 0, buffer.length), buffer.toString());
  const random = seededRandom(5);
  for (let round = 0; round < 30_000; round++) {
    const letters = Array.from({ length: 1 + random() * 3 }, () => 120 + random() * 136);
    const latin = Buffer.from(letters);
    check(Buffer.from(latin.toString('latin1'))); // Valid UTF-8, longer than its text.
    check(latin); // Broken UTF-8, whose bytes are the characters of that text.
  }
});

test('reader: nothing inside a message reads past its end', () => {
  const inside = reader('02 08 80 01');
  const outer = inside.enter();
  assert.equal(inside.tag(), 8);
  assert.throws(() => inside.varint32(), DecodeError, 'the varint ends outside of the message');
  for (const hex of ['05 09 00 00 00 00 00 00 00 00', '03 0d 00 00 00 00', '03 0a 02 00 00']) {
    const cut = reader(hex);
    cut.enter();
    const tag = cut.tag();
    assert.throws(() => cut.skip(tag & 7), DecodeError, hex);
  }
  const early = reader('03 08 01 10 05');
  early.leave(early.enter());
  assert.equal(early.varint32(), 5, 'leave moves over what was not read');
  assert.equal(outer, 4);
  refuses('05 00', (one) => one.enter());
});

test('reader: messages nested deeper than the limit are refused', () => {
  const nested = (depth: number): Buffer => {
    let content = Buffer.alloc(0);
    for (let level = 0; level < depth; level++) {
      const length = content.length;
      const head = length < 128 ? [length] : [(length & 127) | 128, length >> 7];
      content = Buffer.concat([Buffer.from(head), content]);
    }
    return content;
  };
  const enterAll = (depth: number) => {
    const one = new Reader(nested(depth));
    while (one.more()) one.enter();
  };
  enterAll(limits.depthMax);
  assert.throws(() => enterAll(limits.depthMax + 1), DecodeError);
});

test('reader: unknown fields are skipped, known ones of a foreign type are refused', () => {
  const known = fieldBits(1, 2);
  const check = (hex: string) => {
    const one = reader(hex);
    while (one.more()) one.skipUnknown(one.tag(), known);
    assert.equal(one.position, one.end);
  };
  check('18 01  19 00 00 00 00 00 00 00 00  1a 01 ff  1d 00 00 00 00  88 06 01  98 02 01');
  refuses('08 01', (one) => one.skipUnknown(one.tag(), known));
  refuses('1a 02 00', (one) => one.skipUnknown(one.tag(), known));
  refuses('00', (one) => one.skip(3));
});

test('reader: reads a part of a larger buffer, and plain Uint8Arrays', () => {
  const part = new Uint8Array(bytes('ff 02 61 62 ff')).subarray(1, 4);
  assert.equal(new Reader(part).string(), 'ab');
  assert.equal(new Reader(bytes('ff 02 61 62 ff'), 1, 4).string(), 'ab');
  assert.throws(() => new Reader(bytes('ff 02 61 62 ff'), 1, 3).string(), DecodeError);
});
