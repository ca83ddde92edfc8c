// Buffers that grow, in the layout of ClickHouse's Native format, so that a finished column is a
// slice of memory and nothing more:
//
//   fixed width   little endian numbers, one after the other             -> Words (4, 8 bytes),
//                                                                           Bytes (1 byte)
//   String        varint length, bytes; one after the other              -> Bytes
//   Array(T)      8 bytes a row: the total of elements so far; then T    -> Offsets, parts of T
//   Map(K, V)     8 bytes a row: the total of entries so far; then K, V  -> Offsets, keys, values
//   LowCardinality(String)                                               -> see dictionary.ts
//
// Invariants:
// - What was appended after `mark` disappears with `rollback`; `reset` empties and keeps memory.
// - `used` is a view, valid until the next append, rollback or reset.
// - Little endian machines only, as in proto/protobuf/reader.ts.

import type { Reader } from '../../../../proto/protobuf/reader.ts';
import { textBuffer } from '../../../../proto/protobuf/text.ts';
import type { TextBuffer } from '../../../../proto/protobuf/text.ts';

/** One piece of a column. */
export interface Part {
  mark(): void;
  rollback(): void;
  /** Empties it. Memory beyond `keptBytesMax` is given back. */
  reset(): void;
  /** Adds its bytes to what is sent, as views. */
  pieces(into: Uint8Array[]): void;
  byteCount(): number;
}

export const limits = {
  /** A part that grew beyond this is made small again by `reset`: a huge batch is forgotten. */
  keptBytesMax: 16 * 1024 * 1024,
  /** Longer strings are copied by one native call, shorter ones in words of 4 bytes. */
  wordCopyBytesMax: 200,
} as const;

const FIRST_BYTES = 4096;
/** Room behind what is asked for, so that copies in whole words may write past the end. */
const SLACK_BYTES = 16;

const HEX = Buffer.from('0123456789abcdef');
/** The two digits of a byte, the first one in the low half. */
const HEX_DIGITS = Uint16Array.from({ length: 256 }, (_, byte) =>
  HEX[byte >> 4]! | (HEX[byte & 15]! << 8));

/** The bytes being read: the reader that walks them, and a view for copying in words. */
export interface Source {
  readonly reader: Reader;
  readonly bytes: TextBuffer;
  readonly view: DataView;
}

/** Strings, or single bytes. */
export class Bytes implements Part {
  bytes: TextBuffer;
  view: DataView;
  length: number;
  private marked: number;

  constructor() {
    this.bytes = allocate(FIRST_BYTES);
    this.view = viewOf(this.bytes);
    this.length = 0;
    this.marked = 0;
  }

  mark(): void {
    this.marked = this.length;
  }

  rollback(): void {
    this.length = this.marked;
  }

  reset(): void {
    this.length = 0;
    this.marked = 0;
    if (this.bytes.length > limits.keptBytesMax) this.replace(allocate(FIRST_BYTES));
  }

  used(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  pieces(into: Uint8Array[]): void {
    into.push(this.used());
  }

  byteCount(): number {
    return this.length;
  }

  reserve(size: number): void {
    const needed = this.length + size + SLACK_BYTES;
    if (needed <= this.bytes.length) return;
    const grown = allocate(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, this.length);
    this.replace(grown);
  }

  private replace(bytes: TextBuffer): void {
    this.bytes = bytes;
    this.view = viewOf(bytes);
  }

  /** One byte: a UInt8 or Bool value, or the length 0 of an empty string. */
  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  /** A string: the bytes of the source from `start` to `end`. */
  string(source: Source, start: number, end: number): void {
    const size = end - start;
    this.reserve(size + 5);
    this.varint(size);
    this.copy(source, start, size);
  }

  /** A string as `size` bytes of lower-case hexadecimal text made of half as many bytes. */
  hex(source: Source, start: number, end: number): void {
    this.reserve((end - start) * 2 + 5);
    this.varint((end - start) * 2);
    const from = source.bytes;
    const to = this.view;
    let at = this.length;
    for (let index = start; index < end; index++) {
      to.setUint16(at, HEX_DIGITS[from[index]!]!, true);
      at += 2;
    }
    this.length = at;
  }

  /** A string of the decimal digits of a number from 0 to 2^31 - 1. */
  decimal(value: number): void {
    let digits = 1;
    for (let power = 10; power <= value; power *= 10) digits++;
    this.reserve(digits + 1);
    this.varint(digits);
    let rest = value;
    for (let at = this.length + digits - 1; at >= this.length; at--) {
      const next = (rest / 10) | 0;
      this.bytes[at] = 0x30 + rest - next * 10;
      rest = next;
    }
    this.length += digits;
  }

  /** A string of text. */
  text(text: string): void {
    const size = Buffer.byteLength(text);
    this.reserve(size + 5);
    this.varint(size);
    this.length += this.bytes.utf8Write(text, this.length);
  }

  /** A string of these bytes. */
  whole(content: Uint8Array): void {
    this.reserve(content.length + 5);
    this.varint(content.length);
    this.raw(content);
  }

  /** Bytes as they are: strings that are already in Native form, or a piece of a string. */
  raw(content: Uint8Array): void {
    this.reserve(content.length);
    this.bytes.set(content, this.length);
    this.length += content.length;
  }

  /** ASCII text without a length in front: a piece of a string. */
  ascii(text: string): void {
    this.reserve(text.length);
    for (let index = 0; index < text.length; index++) {
      this.bytes[this.length++] = text.charCodeAt(index);
    }
  }

  /** A number without a check of the room. */
  private varint(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.bytes[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.bytes[this.length++] = rest;
  }

  private copy(source: Source, start: number, size: number): void {
    const at = this.length;
    this.length = at + size;
    if (size > limits.wordCopyBytesMax) {
      source.bytes.copy(this.bytes, at, start, start + size);
    } else if (start + size + 3 <= source.bytes.length) {
      const from = source.view;
      const to = this.view;
      for (let index = 0; index < size; index += 4) {
        to.setInt32(at + index, from.getInt32(start + index, true), true);
      }
    } else {
      for (let index = 0; index < size; index++) {
        this.bytes[at + index] = source.bytes[start + index]!;
      }
    }
  }
}

const FIRST_WORDS = FIRST_BYTES / 4;

/** Numbers of 4 or 8 bytes. */
export class Words implements Part {
  words: Uint32Array;
  length: number;
  private marked: number;

  constructor() {
    this.words = new Uint32Array(FIRST_WORDS);
    this.length = 0;
    this.marked = 0;
  }

  mark(): void {
    this.marked = this.length;
  }

  rollback(): void {
    this.length = this.marked;
  }

  reset(): void {
    this.length = 0;
    this.marked = 0;
    if (this.words.byteLength > limits.keptBytesMax) this.words = new Uint32Array(FIRST_WORDS);
  }

  used(): Uint8Array {
    return new Uint8Array(this.words.buffer, 0, this.length * 4);
  }

  pieces(into: Uint8Array[]): void {
    into.push(this.used());
  }

  byteCount(): number {
    return this.length * 4;
  }

  /** A number of 4 bytes, signed or not. */
  one(value: number): void {
    if (this.length + 1 > this.words.length) this.grow();
    this.words[this.length++] = value;
  }

  /** A number of 8 bytes: integer, DateTime64 or double. */
  pair(low: number, high: number): void {
    if (this.length + 2 > this.words.length) this.grow();
    this.words[this.length] = low;
    this.words[this.length + 1] = high;
    this.length += 2;
  }

  double(value: number): void {
    asDouble[0] = value;
    this.pair(doubleWords[0]!, doubleWords[1]!);
  }

  private grow(): void {
    const grown = new Uint32Array(this.words.length * 2);
    grown.set(this.words);
    this.words = grown;
  }
}

const asDouble = new Float64Array(1);
const doubleWords = new Uint32Array(asDouble.buffer);

/** How many elements the rows have, as running totals. They fit 32 bits: memory ends earlier. */
export class Offsets implements Part {
  total: number;
  private readonly rows: Words;
  private marked: number;

  constructor() {
    this.total = 0;
    this.rows = new Words();
    this.marked = 0;
  }

  mark(): void {
    this.marked = this.total;
    this.rows.mark();
  }

  rollback(): void {
    this.total = this.marked;
    this.rows.rollback();
  }

  reset(): void {
    this.total = 0;
    this.marked = 0;
    this.rows.reset();
  }

  pieces(into: Uint8Array[]): void {
    this.rows.pieces(into);
  }

  byteCount(): number {
    return this.rows.byteCount();
  }

  /** Ends a row, which has `count` elements more than were added by `total` already. */
  endRow(count: number): void {
    this.total += count;
    this.rows.pair(this.total, 0);
  }
}

function allocate(size: number): TextBuffer {
  return textBuffer(Buffer.allocUnsafeSlow(size));
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
