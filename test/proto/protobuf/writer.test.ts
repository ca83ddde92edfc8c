// The protobuf writer: what it writes the reader gives back, at every size where the length of a
// length changes and with every wrong guess at it, and it is canonical.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits, Reader } from '../../../proto/protobuf/reader.ts';
import { EncodeError, varintSize, Writer } from '../../../proto/protobuf/writer.ts';

const written = (write: (writer: Writer) => void, hint?: number): string => {
  const writer = new Writer(hint);
  write(writer);
  return Buffer.from(writer.finish()).toString('hex');
};
const SIZES = [0, 1, 23, 24, 25, 42, 43, 126, 127, 128, 129, 5461, 16_383, 16_384, 2_097_152];

test('writer: messages of any length, whatever the guess was', () => {
  for (const size of SIZES) {
    for (const guess of [1, 2, 3, 4, 5]) {
      const writer = new Writer(1);
      const outer = writer.open(10, guess);
      const inner = writer.open(18, guess);
      writer.raw(Buffer.alloc(size, 7), 0, size);
      writer.close(inner);
      writer.close(outer);
      const bytes = writer.finish();
      const reader = new Reader(bytes);
      assert.equal(reader.tag(), 10);
      reader.enter();
      assert.equal(reader.tag(), 18);
      assert.deepEqual(reader.blob(), new Uint8Array(size).fill(7));
      const innerBytes = 1 + varintSize(size) + size;
      assert.equal(bytes.length, 1 + varintSize(innerBytes) + innerBytes, 'shortest lengths');
    }
  }
});

test('writer: an open message at the very end of the buffer keeps its content', () => {
  for (let filled = 50; filled <= 64; filled++) {
    const writer = new Writer(64);
    writer.raw(Buffer.alloc(filled, 1), 0, filled);
    const mark = writer.open(10, 1);
    writer.varint32(5);
    writer.close(mark);
    const bytes = Buffer.from(writer.finish());
    assert.equal(bytes.subarray(filled).toString('hex'), '0a0105');
    assert.ok(bytes.subarray(0, filled).every((byte) => byte === 1));
  }
});

test('writer: text of any length and script', () => {
  for (const size of SIZES.filter((one) => one < 100_000)) {
    for (const letter of ['a', 'ä', '☃', '😀', 'a☃']) {
      const text = letter.repeat(size);
      const bytes = Buffer.from(written((writer) => writer.string(text), 1), 'hex');
      const reader = new Reader(bytes);
      assert.equal(reader.string(), text);
      assert.equal(reader.more(), false);
      const size8 = Buffer.byteLength(text);
      assert.equal(bytes.length, varintSize(size8) + size8);
    }
  }
  assert.equal(written((writer) => writer.string('\ud800')), '03efbfbd');
});

test('writer: numbers come back', () => {
  const check = <T>(value: T, write: (writer: Writer) => void, read: (reader: Reader) => T) =>
    assert.deepEqual(read(new Reader(Buffer.from(written(write), 'hex'))), value);
  for (const value of [0, 1, 127, 128, 2 ** 31 - 1]) {
    check(value, (writer) => writer.varint32(value), (reader) => reader.varint32());
    check(value, (writer) => writer.fixed32(value), (reader) => reader.fixed32());
    check(0 - value, (writer) => writer.sint32(0 - value), (reader) => reader.sint32());
    check(0 - value, (writer) => writer.int32(0 - value), (reader) => reader.int32());
  }
  for (const value of [0n, 1n, 127n, 128n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 63n - 1n]) {
    check(value, (writer) => writer.varint64(value), (reader) => reader.uint64());
    check(-value, (writer) => writer.varint64(-value), (reader) => reader.int64());
    check(value, (writer) => writer.fixed64(value), (reader) => reader.fixed64());
    check(-value, (writer) => writer.fixed64(-value), (reader) => reader.sfixed64());
  }
  for (const value of [0, -0, 1.5, NaN, Infinity, 5e-324]) {
    check(value, (writer) => writer.double(value), (reader) => reader.double());
  }
  assert.equal(written((writer) => writer.int32(-1)), 'ffffffffffffffffff01');
});

test('writer: fields leave out their default and nothing else', () => {
  const check = (want: string, write: (writer: Writer) => void) =>
    assert.equal(written(write), want);
  check('', (writer) => {
    writer.stringField(10, '');
    writer.hexField(10, '');
    writer.uint32Field(8, 0);
    writer.int32Field(8, 0);
    writer.sint32Field(8, 0);
    writer.int64Field(8, 0n);
    writer.boolField(8, false);
    writer.fixed32Field(13, 0);
    writer.fixed64Field(9, 0n);
    writer.doubleField(9, 0);
    writer.optionalDouble(9, undefined);
  });
  check('090000000000000080', (writer) => writer.doubleField(9, -0));
  check('090000000000000000', (writer) => writer.optionalDouble(9, 0));
  check('0a0161 0a02abcd 0801 0803 0802 0801'.replaceAll(' ', ''), (writer) => {
    writer.stringField(10, 'a');
    writer.hexField(10, 'ABcd');
    writer.uint32Field(8, 1);
    writer.sint32Field(8, -2);
    writer.int64Field(8, 2n);
    writer.boolField(8, true);
  });
});

test('writer: what no reader would accept is refused', () => {
  const writer = new Writer();
  for (let depth = 0; depth < limits.depthMax; depth++) writer.open(10, 1);
  assert.throws(() => writer.open(10, 1), EncodeError);
  for (const id of ['xy', 'abc', 'ab cd', 'zz'.repeat(16)]) {
    assert.throws(() => new Writer().hexField(10, id), EncodeError, id);
  }
});

test('writer: what is finished holds on to little more memory than it needs', () => {
  const writer = new Writer(1_000_000);
  writer.varint32(1);
  assert.ok(writer.finish().buffer.byteLength < 10_000);
});
