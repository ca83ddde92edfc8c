// One walk over the protobuf bytes of export requests into Native columns, many requests into one
// set of tables. Nothing is decoded into objects on the way.
//
// A record that cannot be stored is left out and counted; its neighbours stay. Taking back half a
// row needs a mark behind every complete one, which costs a few percent. So a request is first
// walked without marks, and only when that fails it is taken back as a whole and walked again
// carefully.

import { DecodeError } from '../../../../proto/protobuf/error.ts';
import { fieldBits, Reader } from '../../../../proto/protobuf/reader.ts';
import type { Batch } from '../../../../proto/contract/batch.ts';
import type { Signal } from '../../../../proto/otlp/model.ts';
import { viewOf } from './columns.ts';
import type { Source } from './columns.ts';
import { LogRows } from './logs.ts';
import { MetricRows } from './metrics.ts';
import { Origin } from './origin.ts';
import type { Attempts, RecordRows } from './records.ts';
import { SpanRows } from './spans.ts';
import type { Table } from './table.ts';

const REQUEST_FIELDS = fieldBits(1);
const GROUP_FIELDS = fieldBits(1, 2, 3);
const CHILD = (2 << 3) | 2;

/** What became of the records of one request. */
export interface Appended {
  readonly stored: number;
  readonly rejected: number;
  /** Why the first of the rejected ones was; '' when there is none. */
  readonly reason: string;
}

export class Transcoder implements Attempts {
  /** The tables that the signal's records go to; some may have no row. */
  readonly tables: readonly Table[];
  private readonly rows: RecordRows;
  private readonly origin: Origin;
  private readonly readGroup: (source: Source, origin: Origin) => void;
  private readonly readRecord: (source: Source, origin: Origin) => void;
  private careful: boolean;
  private reason: string;

  constructor(signal: Signal) {
    this.rows = createRows(signal, this);
    this.tables = this.rows.tables;
    this.origin = new Origin();
    this.readGroup = (source, origin) => this.walkGroup(source, origin);
    this.readRecord = (source, origin) => this.rows.read(source, origin);
    this.careful = false;
    this.reason = '';
  }

  /** Appends the records of a batch of this signal, which arrived at `arrivalMs`. */
  append(batch: Batch, arrivalMs: number): Appended {
    const before = this.rowCount();
    this.setArrival(arrivalMs);
    this.reason = '';
    this.mark();
    try {
      this.walk(batch.bytes, false);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.rollback();
      this.walk(batch.bytes, true);
    }
    const stored = this.rowCount() - before;
    return { stored, rejected: batch.itemCount - stored, reason: this.reason };
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

  reset(): void {
    for (const table of this.tables) table.reset();
  }

  run(
    read: (source: Source, origin: Origin) => void,
    source: Source,
    origin: Origin,
  ): void {
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
      if (!(error instanceof DecodeError)) throw error;
      this.rollback();
      if (this.reason === '') this.reason = error.message;
      reader.position = position;
      reader.end = end;
      reader.depth = depth;
      reader.range();
    }
  }

  private walk(bytes: Uint8Array, careful: boolean): void {
    const reader = new Reader(bytes);
    const source: Source = { reader, bytes: reader.bytes, view: viewOf(reader.bytes) };
    this.careful = careful;
    while (reader.more()) {
      const tag = reader.tag();
      if (tag === ((1 << 3) | 2)) this.run(this.readGroup, source, this.origin);
      else reader.skipUnknown(tag, REQUEST_FIELDS);
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
    reader.position = start;
    while (reader.more()) {
      const tag = reader.tag();
      if (tag === CHILD) this.run(this.readRecord, source, origin);
      else reader.skip(tag & 7);
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
