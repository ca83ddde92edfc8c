// The rows of one table under construction, column by column, and the Native block they become:
//
//   block  = varint number of columns, varint number of rows, column…
//   column = string name, string type, 8 bytes for each dictionary in it (see dictionary.ts),
//            the column's parts in order (see columns.ts)
//
// The types are those of the tables: whatever ClickHouse has to convert costs more there than here.

import { Bytes, Offsets, Words } from './columns.ts';
import { Dictionary, DICTIONARY_VERSION } from './dictionary.ts';
import type { Part } from './columns.ts';

const LOW = 'LowCardinality(String)';

/** A map whose values are of many kinds. */
export interface MapColumn {
  readonly offsets: Offsets;
  readonly keys: Dictionary;
  readonly values: Bytes;
}

/** A map that many rows share. */
export interface SharedMapColumn {
  readonly offsets: Offsets;
  readonly keys: Dictionary;
  readonly values: Dictionary;
  /** Of the shared attributes that were appended last; see `sharedContent` of a dictionary. */
  keyPlaces: Int32Array;
  valuePlaces: Int32Array;
}

interface Column {
  readonly name: string;
  readonly type: string;
  readonly head: Uint8Array;
  readonly parts: readonly Part[];
}

export class Table {
  readonly name: string;
  /** The column of times in nanoseconds that the table is partitioned by. */
  readonly timeColumn: string;
  /** The number of complete rows. */
  rows: number;
  private readonly columns: Column[];
  private readonly parts: Set<Part>;
  private time: Words | null;
  private markedRows: number;

  constructor(name: string, timeColumn: string) {
    this.name = name;
    this.timeColumn = timeColumn;
    this.rows = 0;
    this.columns = [];
    this.parts = new Set();
    this.time = null;
    this.markedRows = 0;
  }

  // The columns, in the order in which they are declared.

  strings(name: string): Bytes {
    return this.add(name, 'String', new Bytes());
  }

  /** Numbers of 1 byte. */
  bytes(name: string, type: 'UInt8' | 'Bool'): Bytes {
    return this.add(name, type, new Bytes());
  }

  /** Numbers of 4 bytes (`one`) or 8 (`pair`, `double`). */
  words(name: string, type: string): Words {
    const column = this.add(name, type, new Words());
    if (name === this.timeColumn) this.time = column;
    return column;
  }

  /** Texts that repeat. */
  lowStrings(name: string): Dictionary {
    return this.add(name, LOW, new Dictionary());
  }

  map(name: string): MapColumn {
    const column = { offsets: new Offsets(), keys: new Dictionary(), values: new Bytes() };
    this.declare(name, `Map(${LOW}, String)`, Object.values(column));
    return column;
  }

  sharedMap(name: string): SharedMapColumn {
    const parts = { offsets: new Offsets(), keys: new Dictionary(), values: new Dictionary() };
    this.declare(name, `Map(${LOW}, ${LOW})`, Object.values(parts));
    return { ...parts, keyPlaces: new Int32Array(16), valuePlaces: new Int32Array(16) };
  }

  // Arrays. The columns of one Nested share their offsets.

  arrayOfStrings(name: string, offsets: Offsets): Bytes {
    const elements = new Bytes();
    this.declare(name, 'Array(String)', [offsets, elements]);
    return elements;
  }

  arrayOfLowStrings(name: string, offsets: Offsets): Dictionary {
    const elements = new Dictionary();
    this.declare(name, `Array(${LOW})`, [offsets, elements]);
    return elements;
  }

  arrayOfWords(name: string, type: string, offsets: Offsets): Words {
    const elements = new Words();
    this.declare(name, `Array(${type})`, [offsets, elements]);
    return elements;
  }

  arrayOfMaps(name: string, offsets: Offsets): MapColumn {
    const column = { offsets: new Offsets(), keys: new Dictionary(), values: new Bytes() };
    this.declare(name, `Array(Map(${LOW}, String))`, [offsets, ...Object.values(column)]);
    return column;
  }

  private add<P extends Part>(name: string, type: string, part: P): P {
    this.declare(name, type, [part]);
    return part;
  }

  private declare(name: string, type: string, parts: readonly Part[]): void {
    const head = new Bytes();
    head.text(name);
    head.text(type);
    for (const part of parts) if (part instanceof Dictionary) head.raw(DICTIONARY_VERSION);
    this.columns.push({ name, type, head: Uint8Array.from(head.used()), parts });
    for (const part of parts) this.parts.add(part);
  }

  columnNames(): string[] {
    return this.columns.map((column) => column.name);
  }

  /** Names and types of the columns as the block has them, for `input` of ClickHouse. */
  structure(): string {
    return this.columns.map(({ name, type }) => `\`${name}\` ${type}`).join(', ');
  }

  /** The first and the last time of its rows in nanoseconds. There must be a row. */
  timeRange(): { readonly first: bigint; readonly last: bigint } {
    const words = this.time!.words.subarray(0, this.time!.length);
    let [firstLow, firstHigh] = words as unknown as [number, number];
    let [lastLow, lastHigh] = [firstLow, firstHigh];
    for (let index = 0; index < words.length; index += 2) {
      const low = words[index]!;
      const high = words[index + 1]!;
      if (high < firstHigh || (high === firstHigh && low < firstLow)) {
        [firstLow, firstHigh] = [low, high];
      } else if (high > lastHigh || (high === lastHigh && low > lastLow)) {
        [lastLow, lastHigh] = [low, high];
      }
    }
    const joined = (low: number, high: number) => (BigInt(high) << 32n) | BigInt(low);
    return { first: joined(firstLow, firstHigh), last: joined(lastLow, lastHigh) };
  }

  /** How many rows from number `firstRow` on have a time before `timeNs`, to about 4 seconds. */
  countBefore(timeNs: bigint, firstRow: number): number {
    const words = this.time!.words.subarray(0, this.time!.length);
    const bound = Number(timeNs >> 32n);
    let count = 0;
    for (let index = firstRow * 2 + 1; index < words.length; index += 2) {
      if (words[index]! < bound) count += 1;
    }
    return count;
  }

  mark(): void {
    this.markedRows = this.rows;
    for (const part of this.parts) part.mark();
  }

  /** Drops everything since `mark`, half a row included. */
  rollback(): void {
    this.rows = this.markedRows;
    for (const part of this.parts) part.rollback();
  }

  reset(): void {
    this.rows = 0;
    this.markedRows = 0;
    for (const part of this.parts) part.reset();
  }

  byteCount(): number {
    let count = 0;
    for (const part of this.parts) count += part.byteCount();
    return count;
  }

  /** The block, as pieces to be sent one after the other. They are views: see columns.ts. */
  chunks(): Uint8Array[] {
    const shape = Buffer.concat([varint(this.columns.length), varint(this.rows)]);
    const chunks: Uint8Array[] = [shape];
    for (const { head, parts } of this.columns) {
      chunks.push(head);
      for (const part of parts) part.pieces(chunks);
    }
    return chunks.filter((chunk) => chunk.length > 0);
  }
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 128);
  }
  return Uint8Array.from([...bytes, rest]);
}
