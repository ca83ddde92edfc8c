// Reads protobuf wire format without allocating: a position that moves through bytes, and an end
// that it never passes. It knows nothing of OTLP.
//
//   field  = tag value
//   tag    = varint (field number * 8 + wire type)
//   value  = wire type 0: varint of up to 10 bytes   1: 8 bytes, little endian
//                      2: varint length, then bytes   5: 4 bytes, little endian
//
// How a message is read:
//
//   const outer = reader.enter();              // reads the length, narrows `end` to the message
//   while (reader.more()) {
//     const tag = reader.tag();
//     switch (tag) {
//       case (1 << 3) | 2: name = reader.string(); break;
//       default: reader.skipUnknown(tag, KNOWN); // KNOWN has bit n set for field number n
//     }
//   }
//   reader.leave(outer);                       // moves behind the message, gives `end` back
//
// Invariants:
// - position <= end <= bytes.length. Whatever would pass `end` raises DecodeError instead, so a
//   broken length inside a message never reads its neighbour.
// - Broken input raises DecodeError and nothing else: truncation, varints of more than 10 bytes or
//   64 bits, field number 0, wire types 3, 4 (groups), 6 and 7, lengths past the end, messages in
//   messages deeper than `limits.depthMax`. After an error the reader is of no more use.
// - Unknown fields are skipped. A known field number with a foreign wire type is an error.
// - The bytes are not copied and must not change while the reader is in use.
// - Numbers that need no BigInt never make one: see `take`, `range`, `words64`, `low`, `high`.

import { DecodeError } from './error.ts';
import { decodeText, textBuffer } from './text.ts';
import type { TextBuffer } from './text.ts';

export const limits = {
  /** Protobuf's own default. A message nested deeper is refused with DecodeError. */
  depthMax: 100,
} as const;

export const VARINT = 0;
export const FIXED64 = 1;
export const LENGTH = 2;
export const FIXED32 = 5;

/** Bit n is set when wire type n is one that may occur. */
const WIRE_TYPES = (1 << VARINT) | (1 << FIXED64) | (1 << LENGTH) | (1 << FIXED32);

// Two views of the same 8 bytes turn two words into a BigInt or a double without allocation. All
// platforms of Node 20 that this program is built for are little endian, as the wire is.
const words = new Uint32Array(2);
const asBigUint = new BigUint64Array(words.buffer);
const asBigInt = new BigInt64Array(words.buffer);
const asDouble = new Float64Array(words.buffer);

export class Reader {
  readonly bytes: TextBuffer;
  /** Where the next read begins. A caller may move it to any place at or before `end`. */
  position: number;
  /** The end of the message being read. */
  end: number;
  /** How many messages have been entered and not left. */
  depth: number;
  /** After `words64` or `varint64`: the low and high 32 bits, signed (`>>> 0` for unsigned). */
  low: number;
  high: number;

  constructor(bytes: Uint8Array, start: number = 0, end: number = bytes.length) {
    this.bytes = textBuffer(bytes);
    this.position = start;
    this.end = end;
    this.depth = 0;
    this.low = 0;
    this.high = 0;
  }

  /** Whether the message being read has another field. */
  more(): boolean {
    return this.position < this.end;
  }

  /** The next field's number * 8 + wire type, with a number of at least 1 and a legal type. */
  tag(): number {
    const at = this.position;
    let tag = at < this.end ? this.bytes[at]! : 0x80;
    if (tag < 0x80) this.position = at + 1;
    else tag = longVarint32(this, 'field number is too large');
    if (tag < 8) fail(at, 'field number is 0');
    if (((WIRE_TYPES >> (tag & 7)) & 1) === 0) fail(at, `wire type ${tag & 7} is not allowed`);
    return tag;
  }

  /** The low 32 bits of a varint, unsigned: uint32, and int32 or enum by `| 0`. */
  varint32(): number {
    const at = this.position;
    const byte = at < this.end ? this.bytes[at]! : 0x80;
    if (byte < 0x80) {
      this.position = at + 1;
      return byte;
    }
    longVarint(this);
    return this.low >>> 0;
  }

  /** int32 or enum: a number from -2^31 to 2^31 - 1. */
  int32(): number {
    return this.varint32() | 0;
  }

  /** sint32 (zigzag). */
  sint32(): number {
    const value = this.varint32();
    return (value >>> 1) ^ -(value & 1);
  }

  bool(): boolean {
    this.varint64();
    return (this.low | this.high) !== 0;
  }

  /** Reads a varint into `low` and `high`. */
  varint64(): void {
    const at = this.position;
    const byte = at < this.end ? this.bytes[at]! : 0x80;
    if (byte >= 0x80) {
      longVarint(this);
      return;
    }
    this.position = at + 1;
    this.low = byte;
    this.high = 0;
  }

  uint64(): bigint {
    this.varint64();
    return toBigUint(this.low, this.high);
  }

  int64(): bigint {
    this.varint64();
    return toBigInt(this.low, this.high);
  }

  /** Moves over `size` bytes and answers where they begin. They are all inside the message. */
  take(size: number): number {
    const start = this.position;
    if (size > this.end - start) fail(start, 'message ends inside a field');
    this.position = start + size;
    return start;
  }

  fixed32(): number {
    return wordAt(this.bytes, this.take(4)) >>> 0;
  }

  /** Reads a fixed64, sfixed64 or double into `low` and `high`. */
  words64(): void {
    const start = this.take(8);
    this.low = wordAt(this.bytes, start);
    this.high = wordAt(this.bytes, start + 4);
  }

  fixed64(): bigint {
    this.words64();
    return toBigUint(this.low, this.high);
  }

  sfixed64(): bigint {
    this.words64();
    return toBigInt(this.low, this.high);
  }

  double(): number {
    this.words64();
    words[0] = this.low;
    words[1] = this.high;
    return asDouble[0]!;
  }

  /** The length in front of a string, bytes, message or packed list, all of which is inside. */
  length(): number {
    const at = this.position;
    let length = at < this.end ? this.bytes[at]! : 0x80;
    if (length < 0x80) this.position = at + 1;
    else length = longVarint32(this, 'length is past the end');
    if (length > this.end - this.position) fail(at, 'length is past the end');
    return length;
  }

  /**
   * Moves over a string, bytes, message or packed list without looking inside, and answers where
   * its content begins; the content ends at `position`.
   */
  range(): number {
    const length = this.length();
    const start = this.position;
    this.position = start + length;
    return start;
  }

  /** A string. Invalid UTF-8 becomes U+FFFD. */
  string(): string {
    const start = this.range();
    return decodeText(this.bytes, start, this.position);
  }

  /** A copy of bytes. */
  blob(): Uint8Array {
    const start = this.range();
    return new Uint8Array(this.bytes.subarray(start, this.position));
  }

  /** Bytes as lower-case hexadecimal text, as the model keeps ids. */
  hex(): string {
    const start = this.range();
    return start === this.position ? '' : this.bytes.hexSlice(start, this.position);
  }

  /** Enters a message, or a packed list; answers what `leave` needs. */
  enter(): number {
    const length = this.length();
    if (++this.depth > limits.depthMax) fail(this.position, 'messages are nested too deep');
    const outer = this.end;
    this.end = this.position + length;
    return outer;
  }

  /** Leaves what `enter` entered, moving over whatever of it was not read. */
  leave(outer: number): void {
    this.position = this.end;
    this.end = outer;
    this.depth--;
  }

  /**
   * Moves over a field that the caller does not take. `known` has bit n set for every field number
   * n below 32 that the caller does take: coming here with one means that its wire type is wrong.
   */
  skipUnknown(tag: number, known: number): void {
    const field = tag >>> 3;
    if (field < 32 && ((known >>> field) & 1) === 1) {
      fail(this.position, `field ${field} has wire type ${tag & 7}`);
    }
    this.skip(tag & 7);
  }

  /** Moves over the value of a field, by the wire type in the low 3 bits of its tag. */
  skip(wireType: number): void {
    if (wireType === LENGTH) this.range();
    else if (wireType === VARINT) this.varint64();
    else if (wireType === FIXED64) this.take(8);
    else if (wireType === FIXED32) this.take(4);
    else fail(this.position, `wire type ${wireType} is not allowed`);
  }
}

/** Bits n for all given field numbers: the `known` of `skipUnknown`. */
export function fieldBits(...fields: readonly number[]): number {
  return fields.reduce((bits, field) => bits | (1 << field), 0);
}

/** The unsigned 64-bit integer of two 32-bit words. */
export function toBigUint(low: number, high: number): bigint {
  words[0] = low;
  words[1] = high;
  return asBigUint[0]!;
}

/** The signed 64-bit integer of two 32-bit words. */
export function toBigInt(low: number, high: number): bigint {
  words[0] = low;
  words[1] = high;
  return asBigInt[0]!;
}

function wordAt(bytes: TextBuffer, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

/** A varint that must fit 32 bits unsigned. */
function longVarint32(reader: Reader, tooLarge: string): number {
  const at = reader.position;
  longVarint(reader);
  if (reader.high !== 0) fail(at, tooLarge);
  return reader.low >>> 0;
}

/** A varint of any length into `low` and `high`: 7 bits a byte, the lowest first. */
function longVarint(reader: Reader): void {
  const { bytes, end, position: start } = reader;
  let at = start;
  let low = 0;
  let high = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    if (at >= end) fail(start, 'message ends inside a field');
    const byte = bytes[at++]!;
    const bits = byte & 0x7f;
    if (shift < 28) low |= bits << shift;
    else if (shift === 28) {
      low |= bits << 28;
      high = bits >>> 4;
    } else high |= bits << (shift - 32);
    if (byte >= 0x80) continue;
    if (shift === 63 && bits > 1) fail(start, 'number is larger than 64 bits');
    reader.position = at;
    reader.low = low;
    reader.high = high;
    return;
  }
  fail(start, 'number is longer than 10 bytes');
}

function fail(offset: number, cause: string): never {
  throw new DecodeError('protobuf', cause, { offset });
}
