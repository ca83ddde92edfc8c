// How many rows a file of an export holds, counted in the bytes themselves as they are written, so
// that a file is compared with the store and not with what we believe to have written.
//
//     csv       line feeds outside of "…", without the header line
//     ndjson    line feeds: JSON has none inside
//     parquet   the footer, in Thrift's compact protocol, says num_rows:
//               … | FileMetaData | length (4 bytes, little-endian) | PAR1

export interface RowCounter {
  add(chunk: Uint8Array): void;
  /** Null: this is no whole file of its format. */
  rows(): number | null;
}

export type FileFormat = 'parquet' | 'csv' | 'ndjson';

export function createRowCounter(format: FileFormat): RowCounter {
  return format === 'parquet' ? new FooterRows() : new LineRows(format === 'csv');
}

const LINE_FEED = 10;
const QUOTE = 34;

class LineRows implements RowCounter {
  private readonly isCsv: boolean;
  private lines = 0;
  private quoted = false;
  private last = LINE_FEED;

  constructor(isCsv: boolean) {
    this.isCsv = isCsv;
  }

  add(chunk: Uint8Array): void {
    for (const byte of chunk) {
      // A doubled quote within quotes turns it twice.
      if (byte === QUOTE && this.isCsv) this.quoted = !this.quoted;
      else if (byte === LINE_FEED && !this.quoted) this.lines += 1;
    }
    this.last = chunk.at(-1) ?? this.last;
  }

  rows(): number | null {
    if (this.quoted || this.last !== LINE_FEED) return null;
    return this.isCsv ? Math.max(0, this.lines - 1) : this.lines;
  }
}

/** Longest footer that is kept; a longer one cannot be read. */
const FOOTER_BYTES_MAX = 16 * 1024 * 1024;

class FooterRows implements RowCounter {
  private kept: Buffer[] = [];
  private keptBytes = 0;

  add(chunk: Uint8Array): void {
    this.kept.push(Buffer.from(chunk));
    this.keptBytes += chunk.length;
    while (this.keptBytes - this.kept[0]!.length > FOOTER_BYTES_MAX) {
      this.keptBytes -= this.kept.shift()!.length;
    }
  }

  rows(): number | null {
    const tail = Buffer.concat(this.kept);
    const END = 8;
    if (tail.length < END || tail.toString('latin1', tail.length - 4) !== 'PAR1') return null;
    const length = tail.readUInt32LE(tail.length - END);
    if (length + END > tail.length) return null;
    try {
      return rowsIn(tail.subarray(tail.length - END - length, tail.length - END));
    } catch (error) {
      if (error instanceof RangeError) return null;
      throw error;
    }
  }
}

/** Field of FileMetaData in parquet.thrift. */
const NUM_ROWS = 3;

const STOP = 0;
const TRUE = 1;
const FALSE = 2;
const BYTE = 3;
const INT_MAX = 6;
const DOUBLE = 7;
const BINARY = 8;
const LIST = 9;
const SET = 10;
const STRUCT = 12;

function rowsIn(bytes: Buffer): number | null {
  const reader = new CompactReader(bytes);
  let id = 0;
  for (;;) {
    const head = reader.byte();
    const type = head & 15;
    if (type === STOP) return null;
    id = head >> 4 === 0 ? reader.integer() : id + (head >> 4);
    if (id === NUM_ROWS && type <= INT_MAX) return reader.integer();
    reader.skip(type, 0);
  }
}

/** Nesting that a footer never has; RangeError beyond it, and behind the end. */
const DEPTH_MAX = 32;

class CompactReader {
  private readonly bytes: Buffer;
  private at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  byte(): number {
    return this.bytes.readUInt8(this.at++);
  }

  unsigned(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  /** Zigzag: 0, -1, 1, -2, … */
  integer(): number {
    const value = this.unsigned();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  skip(type: number, depth: number): void {
    if (depth > DEPTH_MAX) throw new RangeError('too deep');
    if (type === TRUE || type === FALSE) return;
    if (type === BYTE) this.at += 1;
    else if (type <= INT_MAX) this.unsigned();
    else if (type === DOUBLE) this.at += 8;
    else if (type === BINARY) this.skipBinary();
    else if (type === LIST || type === SET) this.skipList(depth);
    else if (type === STRUCT) this.skipStruct(depth);
    else throw new RangeError(`type ${type}`);
  }

  private skipBinary(): void {
    const length = this.unsigned();
    this.at += length;
  }

  private skipList(depth: number): void {
    const head = this.byte();
    const count = head >> 4 === 15 ? this.unsigned() : head >> 4;
    const type = head & 15;
    for (let index = 0; index < count; index++) {
      // A truth value is a byte of its own in a list.
      if (type === TRUE || type === FALSE) this.byte();
      else this.skip(type, depth + 1);
    }
  }

  private skipStruct(depth: number): void {
    for (;;) {
      const head = this.byte();
      if ((head & 15) === STOP) return;
      if (head >> 4 === 0) this.integer();
      this.skip(head & 15, depth + 1);
    }
  }
}
