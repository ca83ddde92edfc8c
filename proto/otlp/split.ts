// One export request as several smaller ones, without decoding records: their bytes are copied, and
// what stands around them (resource, scope, schema urls, name and kind of a metric) is repeated in
// each part.
//
//   request { rest, group… }   group { rest, scope group… }   scope group { rest, record… }
//   of metrics further:        metric { rest, data }          data { rest, data point… }
//
// Promises:
// - Every record is in exactly one part, in the order it had; so are groups and metrics that have
//   no records. What decodes equal before decodes equal after, but for where groups are cut.
// - No part has more than `itemsMax` items or `bytesMax` bytes, except a part of a single record
//   that alone is too large: a record cannot be cut, and who sends it will be told so.

import assert from 'node:assert/strict';
import { fieldBits, LENGTH, Reader } from '../protobuf/reader.ts';
import { Writer } from '../protobuf/writer.ts';
import { countDataPoints, countItems, DATA_FIELDS } from './count.ts';
import type { Signal } from './model.ts';

export interface SplitOptions {
  /** Spans, log records or data points in a part; at least 1. */
  readonly itemsMax?: number;
  /** Bytes of a part; at least 1. */
  readonly bytesMax?: number;
}

/**
 * The parts, at least one; `bytes` itself when it is small enough. Throws DecodeError when the
 * bytes are broken as far down as they must be read for finding the records.
 */
export function splitRequest(
  signal: Signal,
  bytes: Uint8Array,
  { itemsMax = Infinity, bytesMax = Infinity }: SplitOptions,
): Uint8Array[] {
  assert(itemsMax >= 1);
  assert(bytesMax >= 1);
  if (bytes.length <= bytesMax && countItems(signal, bytes) <= itemsMax) return [bytes];
  return new Splitter(signal, bytes, itemsMax, bytesMax).split();
}

/** Which fields are the children, from the request down to the records. */
const RECORD_PATH = [fieldBits(1), fieldBits(2), fieldBits(2)];
const DATA_POINT_PATH = [...RECORD_PATH, DATA_FIELDS, fieldBits(1)];

/** At this depth of DATA_POINT_PATH the children are members of a oneof. */
const METRIC_DEPTH = 3;

/** Room for the length of a level: a part of 16 KiB to 2 MiB needs no moving. */
const LENGTH_BYTES_HINT = 3;
/** The most by which a level can become larger than when it was opened: a length of 5 bytes. */
const LENGTH_GROWTH = 5 - LENGTH_BYTES_HINT;

/** A message that the walk is inside of. */
interface Level {
  readonly tag: number;
  /** Start and end of each run of fields that are not children. */
  readonly rest: readonly number[];
  readonly restBytes: number;
  readonly children: number;
}

class Splitter {
  private readonly bytes: Uint8Array;
  private readonly itemsMax: number;
  private readonly bytesMax: number;
  private readonly reader: Reader;
  private readonly path: readonly number[];
  private readonly parts: Uint8Array[] = [];
  /** From the request down to where the walk is. */
  private readonly levels: Level[] = [];
  /** The part being written, its items, and for each level that is open in it what closes it. */
  private writer = new Writer();
  private items = 0;
  private readonly marks: number[] = [];
  /** A run of records that belong to this part and are copied together. */
  private runStart = 0;
  private runEnd = 0;

  constructor(signal: Signal, bytes: Uint8Array, itemsMax: number, bytesMax: number) {
    this.bytes = bytes;
    this.itemsMax = itemsMax;
    this.bytesMax = bytesMax;
    this.reader = new Reader(bytes);
    this.path = signal === 'metrics' ? DATA_POINT_PATH : RECORD_PATH;
  }

  split(): Uint8Array[] {
    const request = this.scan(0, 0);
    if (request.children === 0) return [this.bytes];
    this.levels.push(request);
    this.walk();
    this.cut();
    return this.parts;
  }

  /** Looks over the fields of a message, and goes back to its beginning. */
  private scan(tag: number, depth: number): Level {
    const { reader } = this;
    const begin = reader.position;
    const rest: number[] = [];
    let restBytes = 0;
    let children = 0;
    while (reader.more()) {
      const start = reader.position;
      const field = reader.tag();
      if (this.isChild(field, depth)) {
        reader.range();
        children++;
        continue;
      }
      reader.skipUnknown(field, this.path[depth]!);
      restBytes += reader.position - start;
      if (rest.at(-1) === start) rest[rest.length - 1] = reader.position;
      else rest.push(start, reader.position);
    }
    reader.position = begin;
    return { tag, rest, restBytes, children };
  }

  private isChild(tag: number, depth: number): boolean {
    const field = tag >>> 3;
    return (tag & 7) === LENGTH && field < 32 && ((this.path[depth]! >>> field) & 1) === 1;
  }

  /** Emits all records of the message whose level is the last one. */
  private walk(): void {
    const { reader, levels, path } = this;
    const depth = levels.length - 1;
    while (reader.more()) {
      const start = reader.position;
      const tag = reader.tag();
      if (!this.isChild(tag, depth)) reader.skip(tag & 7);
      else if (depth === path.length - 1) {
        reader.range();
        this.emit(start, 1);
      } else this.walkChild(start, tag);
    }
  }

  private walkChild(start: number, tag: number): void {
    const { reader, levels, marks } = this;
    const lengthStart = reader.position;
    const outer = reader.enter();
    const level = this.scan(tag, levels.length);
    // Of a oneof that is there several times, it is not known what belongs together.
    const entangled = levels.length === METRIC_DEPTH && level.children > 1;
    if (level.children === 0 || entangled) {
      reader.leave(outer);
      const counting = new Reader(this.bytes, lengthStart, reader.position);
      this.emit(start, entangled ? countDataPoints(counting) : 0);
      return;
    }
    levels.push(level);
    this.walk();
    levels.pop();
    this.copyRun();
    if (marks.length === levels.length) this.writer.close(marks.pop()!);
    reader.leave(outer);
  }

  /** Puts the field from `start` to where the reader is into this part or a new one. */
  private emit(start: number, items: number): void {
    const end = this.reader.position;
    if (this.items + items > this.itemsMax || this.sizeWith(end - start) > this.bytesMax) {
      if (this.writer.position > 0 || this.runEnd > this.runStart) this.cut();
    }
    this.open();
    if (start !== this.runEnd) {
      this.copyRun();
      this.runStart = start;
    }
    this.runEnd = end;
    this.items += items;
  }

  private copyRun(): void {
    this.writer.raw(this.bytes, this.runStart, this.runEnd);
    this.runStart = this.runEnd;
  }

  /** The most bytes that this part can come to with another `size` in it. */
  private sizeWith(size: number): number {
    const { levels, marks, writer } = this;
    const run = this.runEnd - this.runStart;
    let total = writer.position + run + size + levels.length * LENGTH_GROWTH;
    const opened = writer.position === 0 ? 0 : marks.length + 1;
    for (let depth = opened; depth < levels.length; depth++) {
      total += levels[depth]!.restBytes + 1 + LENGTH_BYTES_HINT;
    }
    return total;
  }

  /** Opens in this part the levels that are not open yet, with all that is not records. */
  private open(): void {
    const { levels, marks, writer } = this;
    if (writer.position === 0) this.copyRest(levels[0]!);
    for (let depth = marks.length + 1; depth < levels.length; depth++) {
      this.copyRun();
      marks.push(writer.open(levels[depth]!.tag, LENGTH_BYTES_HINT));
      this.copyRest(levels[depth]!);
    }
  }

  private copyRest({ rest }: Level): void {
    for (let at = 0; at < rest.length; at += 2) {
      this.writer.raw(this.bytes, rest[at]!, rest[at + 1]!);
    }
  }

  /** Ends this part. The levels of the walk stay as they are. */
  private cut(): void {
    const { marks, writer } = this;
    this.copyRun();
    while (marks.length > 0) writer.close(marks.pop()!);
    this.parts.push(writer.finish());
    this.writer = new Writer();
    this.items = 0;
  }
}
