// Writes protobuf wire format front to back into a buffer that grows. It knows nothing of OTLP.
//
// A message inside a message has its length in front of it, which is not known before its end:
//
//   const mark = writer.open(tag, 2);  // tag, and room for a length of 2 bytes
//   …fields of the message…
//   writer.close(mark);                // writes the length; moves the content if 2 was wrong
//
// Invariants:
// - Output is canonical: shortest varints, whatever the guess was.
// - `…Field` methods write a tag and a value, and nothing for protobuf's default (0, '', false).
//   The others write always; `optional` fields and members of a oneof need them.
// - A tag is field number * 8 + wire type, as the reader gives it.
// - Integers outside of their type's range are cut to its bits.
// - Messages deeper than `limits.depthMax` raise EncodeError, since no reader would take them.

import { limits } from './reader.ts';
import { textBuffer } from './text.ts';
import type { TextBuffer } from './text.ts';

/** The value cannot be written in a form that a reader accepts. */
export class EncodeError extends Error {
  constructor(cause: string) {
    super(`cannot encode protobuf: ${cause}`);
    this.name = 'EncodeError';
  }
}

/** Strings up to this many characters are written by a loop, longer ones by one native call. */
const LOOP_CHARS_MAX = 24;

const words = new Uint32Array(2);
const asBigUint = new BigUint64Array(words.buffer);
const asDouble = new Float64Array(words.buffer);

export class Writer {
  bytes: TextBuffer;
  /** The number of bytes written. */
  position: number;
  /** How many messages are open. */
  depth: number;
  /** Bytes of room that each open message has for its length, by depth. */
  private readonly rooms: Uint8Array;

  constructor(bytesHint: number = 1024) {
    this.bytes = allocate(Math.max(Math.ceil(bytesHint), 64));
    this.position = 0;
    this.depth = 0;
    this.rooms = new Uint8Array(limits.depthMax + 1);
  }

  /** All that was written. The writer must not be used afterwards. */
  finish(): Uint8Array {
    const { bytes, position } = this;
    if (position === bytes.length) return bytes;
    // A batch may wait long, so it must not hold on to much more memory than it needs.
    const roomy = bytes.length - position > position >> 2;
    return roomy ? Buffer.from(bytes.subarray(0, position)) : bytes.subarray(0, position);
  }

  /** Makes sure that `size` more bytes can be stored at `position` without a further check. */
  reserve(size: number): void {
    const needed = this.position + size;
    if (needed <= this.bytes.length) return;
    const grown = allocate(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, this.position);
    this.bytes = grown;
  }

  /** Opens a message field. `lengthBytes` (1 to 5) guesses how long its length will be. */
  open(tag: number, lengthBytes: number): number {
    if (++this.depth > limits.depthMax) throw new EncodeError('messages are nested too deep');
    this.varint32(tag);
    this.reserve(lengthBytes);
    this.rooms[this.depth] = lengthBytes;
    this.position += lengthBytes;
    return this.position;
  }

  /** Closes the message opened last, whose `open` answered `mark`. */
  close(mark: number): void {
    // From here on nothing may grow: growing keeps only what lies before `position`.
    this.reserve(5);
    const room = this.rooms[this.depth--]!;
    const length = this.position - mark;
    const needed = varintSize(length);
    if (needed !== room) moveBytes(this.bytes, mark, this.position, needed - room);
    const end = this.position + needed - room;
    this.position = mark - room;
    this.varint32(length);
    this.position = end;
  }

  /** A varint of 32 bits unsigned; also a tag. */
  varint32(value: number): void {
    this.reserve(5);
    const { bytes } = this;
    let rest = value >>> 0;
    while (rest > 0x7f) {
      bytes[this.position++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[this.position++] = rest;
  }

  /** int32 or enum: negative numbers take 10 bytes. */
  int32(value: number): void {
    if (value >= 0) this.varint32(value);
    else this.varintWords(value | 0, -1);
  }

  sint32(value: number): void {
    this.varint32((value << 1) ^ (value >> 31));
  }

  /** int64 or uint64. */
  varint64(value: bigint): void {
    asBigUint[0] = value;
    this.varintWords(words[0]!, words[1]!);
  }

  private varintWords(lowWord: number, highWord: number): void {
    this.reserve(10);
    const { bytes } = this;
    let low = lowWord >>> 0;
    let high = highWord >>> 0;
    while (high !== 0 || low > 0x7f) {
      bytes[this.position++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    bytes[this.position++] = low;
  }

  fixed32(value: number): void {
    this.reserve(4);
    this.word(value);
  }

  /** fixed64 or sfixed64. */
  fixed64(value: bigint): void {
    asBigUint[0] = value;
    this.reserve(8);
    this.word(words[0]!);
    this.word(words[1]!);
  }

  double(value: number): void {
    asDouble[0] = value;
    this.reserve(8);
    this.word(words[0]!);
    this.word(words[1]!);
  }

  private word(value: number): void {
    const { bytes, position } = this;
    bytes[position] = value;
    bytes[position + 1] = value >>> 8;
    bytes[position + 2] = value >>> 16;
    bytes[position + 3] = value >>> 24;
    this.position = position + 4;
  }

  /** A length and UTF-8 text. A lone surrogate becomes U+FFFD. */
  string(text: string): void {
    const { length } = text;
    this.reserve(length * 3 + 5);
    if (length <= LOOP_CHARS_MAX && this.asciiString(text)) return;
    const room = varintSize(length);
    const start = this.position + room;
    const size = this.bytes.utf8Write(text, start);
    const needed = varintSize(size);
    if (needed !== room) moveBytes(this.bytes, start, start + size, needed - room);
    this.varint32(size);
    this.position += size;
  }

  /** Writes text of at most 127 characters if all are ASCII, or else nothing. */
  private asciiString(text: string): boolean {
    const { bytes, position } = this;
    const { length } = text;
    for (let at = 0; at < length; at++) {
      const code = text.charCodeAt(at);
      if (code > 0x7f) return false;
      bytes[position + 1 + at] = code;
    }
    bytes[position] = length;
    this.position = position + 1 + length;
    return true;
  }

  /** A length and bytes. */
  blob(content: Uint8Array): void {
    this.varint32(content.length);
    this.raw(content, 0, content.length);
  }

  /** Bytes from `start` to `end` of `source` as they are: whole fields that were encoded before. */
  raw(source: Uint8Array, start: number, end: number): void {
    this.reserve(end - start);
    textBuffer(source).copy(this.bytes, this.position, start, end);
    this.position += end - start;
  }

  stringField(tag: number, text: string): void {
    if (text === '') return;
    this.varint32(tag);
    this.string(text);
  }

  /** Bytes that the model keeps as hexadecimal text. EncodeError when it is not. */
  hexField(tag: number, text: string): void {
    if (text === '') return;
    const size = text.length >> 1;
    this.varint32(tag);
    this.varint32(size);
    this.reserve(size);
    const written = this.bytes.hexWrite(text, this.position);
    if (written !== size || (text.length & 1) === 1) {
      throw new EncodeError(`'${text.slice(0, 40)}' is not hexadecimal`);
    }
    this.position += size;
  }

  uint32Field(tag: number, value: number): void {
    if (value === 0) return;
    this.varint32(tag);
    this.varint32(value);
  }

  int32Field(tag: number, value: number): void {
    if (value === 0) return;
    this.varint32(tag);
    this.int32(value);
  }

  sint32Field(tag: number, value: number): void {
    if (value === 0) return;
    this.varint32(tag);
    this.sint32(value);
  }

  int64Field(tag: number, value: bigint): void {
    if (value === 0n) return;
    this.varint32(tag);
    this.varint64(value);
  }

  boolField(tag: number, value: boolean): void {
    if (!value) return;
    this.varint32(tag);
    this.varint32(1);
  }

  fixed32Field(tag: number, value: number): void {
    if (value === 0) return;
    this.varint32(tag);
    this.fixed32(value);
  }

  fixed64Field(tag: number, value: bigint): void {
    if (value === 0n) return;
    this.varint32(tag);
    this.fixed64(value);
  }

  /** Only positive zero is the default: -0 is written. */
  doubleField(tag: number, value: number): void {
    if (Object.is(value, 0)) return;
    this.varint32(tag);
    this.double(value);
  }

  /** A double that is written whenever it is defined. */
  optionalDouble(tag: number, value: number | undefined): void {
    if (value === undefined) return;
    this.varint32(tag);
    this.double(value);
  }
}

/** The number of bytes that a varint of 32 bits unsigned takes. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  return value < 0x10000000 ? 4 : 5;
}

// Not from Node's pool of small buffers: a batch that lives long would keep the whole pool alive.
function allocate(size: number): TextBuffer {
  return textBuffer(Buffer.allocUnsafeSlow(size));
}

function moveBytes(bytes: TextBuffer, start: number, end: number, by: number): void {
  bytes.copyWithin(start + by, start, end);
}
