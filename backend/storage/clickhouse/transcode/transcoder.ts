// One walk over the protobuf bytes of export requests into Native columns, many requests into one
// set of tables. Nothing is decoded into objects on the way.
//
// A record that cannot be stored is left out and counted; its neighbours stay. Taking back half a
// row needs a mark behind every complete one, which costs a few percent. So a request is first
// walked without marks, and only when that fails it is taken back as a whole and walked again
// carefully.
//
// A small request can make large columns, since what a resource says once is written to each of its
// rows. So the walk ends where it has made much of them, and goes on in other tables from there.

import type { Batch } from '../../../../proto/contract/batch.ts';
import type { Signal } from '../../../../proto/otlp/model.ts';
import { DecodeError } from '../../../../proto/protobuf/error.ts';
import { fieldBits, Reader } from '../../../../proto/protobuf/reader.ts';
import { viewOf } from './columns.ts';
import type { Source } from './columns.ts';
import { LogRows } from './logs.ts';
import { MetricRows } from './metrics.ts';
import { UNNAMED } from './names.ts';
import type { RowNames } from './names.ts';
import { Origin } from './origin.ts';
import type { Attempts, Read, RecordRows } from './records.ts';
import { SpanRows } from './spans.ts';
import type { Table } from './table.ts';

export const limits = {
  /**
   * With so many bytes of repeated content the tables are full, and a single `append` ends. So
   * there is never more than twice as much, and where an append ends does not depend on what the
   * tables held before: a retry is cut at the same records as the first attempt.
   */
  repeatedBytesMax: 64 * 1024 * 1024,
} as const;

/** What a row takes at least, numbers and the ends of lists. */
const ROW_BYTES = 256;

const REQUEST_FIELDS = fieldBits(1);
const GROUP_FIELDS = fieldBits(1, 2, 3);
const CHILD = (2 << 3) | 2;

/** Which records of a request: from number `first` to before number `end`. */
export interface RecordRange {
  readonly first: number;
  readonly end: number;
}

const ALL: RecordRange = { first: 0, end: Infinity };

/** What became of them. */
export interface Appended {
  readonly stored: number;
  /** Why the first of those that are not stored is not; '' when there is none. */
  readonly reason: string;
  /** The number of the first record that found no room, null when all were looked at. */
  readonly next: number | null;
}

export class Transcoder implements Attempts {
  /** The tables that the signal's records go to; some may have no row. */
  readonly tables: readonly Table[];
  private readonly rows: RecordRows;
  private readonly origin: Origin;
  private readonly readGroup: Read;
  private readonly readRecord: Read;
  private readonly recordIsItem: boolean;
  private careful: boolean;
  private reason: string;
  private first: number;
  private end: number;
  /** The number of the next record. */
  private number: number;
  private next: number | null;
  private repeatedBytes: number;
  /** Of these, what the current `append` has added. */
  private addedBytes: number;

  constructor(signal: Signal) {
    this.rows = createRows(signal, this);
    this.tables = this.rows.tables;
    this.origin = new Origin();
    this.readGroup = (source, origin) => this.walkGroup(source, origin);
    this.readRecord = (source, origin) => this.rows.read(source, origin);
    this.recordIsItem = signal !== 'metrics';
    this.careful = false;
    this.reason = '';
    this.first = 0;
    this.end = 0;
    this.number = 0;
    this.next = null;
    this.repeatedBytes = 0;
    this.addedBytes = 0;
  }

  /** Appends records of a batch of this signal, which arrived at `arrivalMs`. */
  append(
    batch: Batch,
    arrivalMs: number,
    range: RecordRange = ALL,
    names: RowNames = UNNAMED,
  ): Appended {
    const before = this.rowCount();
    const bytesBefore = this.repeatedBytes;
    this.origin.batchName.write(names.timed);
    this.origin.untimedName.write(names.untimed);
    this.origin.untimed = false;
    this.first = range.first;
    this.end = range.end;
    this.reason = '';
    this.setArrival(arrivalMs);
    this.mark();
    if (!this.walk(batch.bytes, false)) {
      this.rollback();
      this.repeatedBytes = bytesBefore;
      this.walk(batch.bytes, true);
    }
    return { stored: this.rowCount() - before, reason: this.reason, next: this.next };
  }

  rowCount(): number {
    let count = 0;
    for (const table of this.tables) count += table.rows;
    return count;
  }

  byteCount(): number {
    let count = 0;
    for (const table of this.tables) count += table.byteCount();
    return count;
  }

  /** Whether rows of the last `append` have the time of its arrival. */
  hasUntimed(): boolean {
    return this.origin.untimed;
  }

  isFull(): boolean {
    return this.repeatedBytes >= limits.repeatedBytesMax;
  }

  reset(): void {
    this.repeatedBytes = 0;
    for (const table of this.tables) table.reset();
  }

  readItem(read: Read, source: Source, origin: Origin): void {
    const number = this.number++;
    if (number < this.first || number >= this.end || this.next !== null) {
      source.reader.range();
      return;
    }
    if (this.addedBytes >= limits.repeatedBytesMax) {
      this.next = number;
      source.reader.range();
      return;
    }
    const bytes = ROW_BYTES + origin.sharedBytes + origin.metricBytes;
    this.repeatedBytes += bytes;
    this.addedBytes += bytes;
    this.run(read, source, origin);
  }

  /** Reads a message with its length; when it is broken, takes it back and moves behind it. */
  private run(read: Read, source: Source, origin: Origin): void {
    if (!this.careful) {
      read(source, origin);
      return;
    }
    const { reader } = source;
    const { position, end, depth } = reader;
    try {
      read(source, origin);
      this.mark();
    } catch (error) {
      this.refuse(error);
      this.rollback();
      reader.position = position;
      reader.end = end;
      reader.depth = depth;
      reader.range();
    }
  }

  private refuse(error: unknown): void {
    if (!(error instanceof DecodeError)) throw error;
    if (this.reason === '') this.reason = error.message;
  }

  /** Answers whether all went well. Broken parts are passed over only when `careful`. */
  private walk(bytes: Uint8Array, careful: boolean): boolean {
    const reader = new Reader(bytes);
    const source: Source = { reader, bytes: reader.bytes, view: viewOf(reader.bytes) };
    this.careful = careful;
    this.addedBytes = 0;
    this.number = 0;
    this.next = null;
    try {
      while (reader.more()) {
        const tag = reader.tag();
        if (tag === ((1 << 3) | 2)) this.run(this.readGroup, source, this.origin);
        else reader.skipUnknown(tag, REQUEST_FIELDS);
      }
      return true;
    } catch (error) {
      this.refuse(error);
      return false;
    }
  }

  /** A resource group. Its own fields may stand behind its records, so they are read first. */
  private walkGroup(source: Source, origin: Origin): void {
    const { reader } = source;
    const outer = reader.enter();
    const start = reader.position;
    origin.clearResource();
    while (reader.more()) {
      const tag = reader.tag();
      if (tag === CHILD) reader.range();
      else if (tag === ((1 << 3) | 2)) origin.readResource(source);
      else if (tag === ((3 << 3) | 2)) origin.resourceSchemaUrl.read(source);
      else reader.skipUnknown(tag, GROUP_FIELDS);
    }
    reader.position = start;
    while (reader.more()) {
      const tag = reader.tag();
      if (tag === CHILD) this.walkScopeGroup(source, origin);
      else reader.skip(tag & 7);
    }
    reader.leave(outer);
  }

  private walkScopeGroup(source: Source, origin: Origin): void {
    const { reader } = source;
    const outer = reader.enter();
    const start = reader.position;
    origin.clearScope();
    while (reader.more()) {
      const tag = reader.tag();
      if (tag === CHILD) reader.range();
      else if (tag === ((1 << 3) | 2)) origin.readScope(source);
      else if (tag === ((3 << 3) | 2)) origin.scopeSchemaUrl.read(source);
      else reader.skipUnknown(tag, GROUP_FIELDS);
    }
    origin.countShared();
    reader.position = start;
    while (reader.more()) {
      const tag = reader.tag();
      if (tag !== CHILD) reader.skip(tag & 7);
      else if (this.recordIsItem) this.readItem(this.readRecord, source, origin);
      else this.run(this.readRecord, source, origin);
    }
    reader.leave(outer);
  }

  private setArrival(arrivalMs: number): void {
    const ns = BigInt(Math.trunc(arrivalMs)) * 1_000_000n;
    this.origin.arrivalLow = Number(ns & 0xffff_ffffn);
    this.origin.arrivalHigh = Number(ns >> 32n);
  }

  private mark(): void {
    for (const table of this.tables) table.mark();
  }

  private rollback(): void {
    for (const table of this.tables) table.rollback();
  }
}

function createRows(signal: Signal, attempts: Attempts): RecordRows {
  switch (signal) {
    case 'traces': return new SpanRows();
    case 'logs': return new LogRows();
    case 'metrics': return new MetricRows(attempts);
  }
}
