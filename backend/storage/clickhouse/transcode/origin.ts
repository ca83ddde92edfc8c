// Where a record comes from: its resource and its scope. Each is read once and kept in Native form.
// Its texts are looked up in the dictionary of a column once, and their places copied to every
// record under it.
//
// A resource or a scope that occurs twice in its group is merged, as protobuf says.

import { fieldBits } from '../../../../proto/protobuf/reader.ts';
import { appendPlainAttribute } from './attributes.ts';
import { Bytes } from './columns.ts';
import type { Source } from './columns.ts';
import type { Dictionary } from './dictionary.ts';
import type { SharedMapColumn } from './table.ts';

const RESOURCE_FIELDS = fieldBits(1);
const SCOPE_FIELDS = fieldBits(1, 2, 3, 4);
const SERVICE_NAME = Buffer.from('service.name');

/** Tells contents apart: whatever is read anew has a number of its own. */
let contents = 0;

/** One string that many rows share. */
export class SharedString {
  private readonly text: Bytes;
  private content: number;
  private present: boolean;

  constructor() {
    this.text = new Bytes();
    this.content = 0;
    this.present = false;
    this.clear();
  }

  clear(): void {
    this.begin();
    this.text.byte(0);
    this.present = false;
  }

  isSet(): boolean {
    return this.present;
  }

  /** Reads a string with its length. */
  read(source: Source): void {
    const start = source.reader.range();
    this.begin();
    this.text.string(source, start, source.reader.position);
  }

  /** Takes over a text. */
  write(text: string): void {
    this.begin();
    this.text.text(text);
  }

  /** Takes over a string that is in Native form already. */
  take(native: Uint8Array): void {
    this.begin();
    this.text.raw(native);
  }

  appendTo(column: Dictionary): void {
    if (column.sharedContent !== this.content) {
      const { bytes, length, view } = this.text;
      column.sharedPlace = column.placeOf(view, contentOf(bytes, 0), length);
      column.sharedContent = this.content;
    }
    column.appendPlace(column.sharedPlace);
  }

  byteCount(): number {
    return this.text.length;
  }

  private begin(): void {
    this.text.reset();
    this.content = ++contents;
    this.present = true;
  }
}

/** Attributes that many rows share. */
export class SharedAttributes {
  private readonly keys: Bytes;
  private readonly values: Bytes;
  private content: number;
  private count: number;

  constructor() {
    this.keys = new Bytes();
    this.values = new Bytes();
    this.content = ++contents;
    this.count = 0;
  }

  clear(): void {
    this.keys.reset();
    this.values.reset();
    this.content = ++contents;
    this.count = 0;
  }

  /** Reads a KeyValue with its length. Gives the service's name to `service` when it is that. */
  read(source: Source, service: SharedString | null): void {
    const keyAt = this.keys.length;
    const valueAt = this.values.length;
    appendPlainAttribute(this.keys, this.values, source);
    this.count++;
    this.content = ++contents;
    if (service === null || service.isSet()) return;
    // One byte of length stands in front of the key.
    const key = this.keys.used().subarray(keyAt + 1);
    if (SERVICE_NAME.equals(key)) service.take(this.values.used().subarray(valueAt));
  }

  appendTo(column: SharedMapColumn): void {
    column.keyPlaces = this.placesIn(column.keys, this.keys, column.keyPlaces);
    column.valuePlaces = this.placesIn(column.values, this.values, column.valuePlaces);
    column.keys.appendPlaces(column.keyPlaces, this.count);
    column.values.appendPlaces(column.valuePlaces, this.count);
    column.offsets.endRow(this.count);
  }

  byteCount(): number {
    return this.keys.length + this.values.length;
  }

  /** The places of `texts`, in `known` when that has them already or has room for them. */
  private placesIn(column: Dictionary, texts: Bytes, known: Int32Array): Int32Array {
    if (column.sharedContent === this.content) return known;
    const places = known.length >= this.count ? known : new Int32Array(this.count * 2);
    const { bytes, view } = texts;
    for (let index = 0, at = 0; index < this.count; index++) {
      const start = contentOf(bytes, at);
      at = start + sizeAt(bytes, at);
      places[index] = column.placeOf(view, start, at);
    }
    column.sharedContent = this.content;
    return places;
  }
}

/** The length of a string in Native form, which begins at `at`. */
function sizeAt(bytes: Uint8Array, at: number): number {
  let size = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]!;
    size |= (byte & 0x7f) << shift;
    if (byte < 0x80) return size;
  }
}

/** Where its bytes begin. */
function contentOf(bytes: Uint8Array, at: number): number {
  let start = at;
  while (bytes[start]! >= 0x80) start++;
  return start + 1;
}

export class Origin {
  /** What rows of the request are named by: see names.ts. */
  readonly batchName: SharedString;
  /** The same for rows that have no time of their own. */
  readonly untimedName: SharedString;
  /** Whether a record without a time was met. */
  untimed: boolean;
  readonly serviceName: SharedString;
  readonly resourceAttributes: SharedAttributes;
  readonly resourceSchemaUrl: SharedString;
  readonly scopeName: SharedString;
  readonly scopeVersion: SharedString;
  readonly scopeAttributes: SharedAttributes;
  readonly scopeSchemaUrl: SharedString;
  scopeDroppedAttributes: number;
  /** Bytes that resource and scope give to each of their records. */
  sharedBytes: number;
  /** Bytes that the metric being read gives to each of its points. */
  metricBytes: number;
  /** When the request arrived, in nanoseconds, as two words. */
  arrivalLow: number;
  arrivalHigh: number;

  constructor() {
    this.batchName = new SharedString();
    this.untimedName = new SharedString();
    this.untimed = false;
    this.serviceName = new SharedString();
    this.resourceAttributes = new SharedAttributes();
    this.resourceSchemaUrl = new SharedString();
    this.scopeName = new SharedString();
    this.scopeVersion = new SharedString();
    this.scopeAttributes = new SharedAttributes();
    this.scopeSchemaUrl = new SharedString();
    this.scopeDroppedAttributes = 0;
    this.sharedBytes = 0;
    this.metricBytes = 0;
    this.arrivalLow = 0;
    this.arrivalHigh = 0;
  }

  /** To be called when resource and scope have been read. */
  countShared(): void {
    this.sharedBytes = this.resourceAttributes.byteCount() + this.scopeAttributes.byteCount()
      + this.serviceName.byteCount() + this.resourceSchemaUrl.byteCount()
      + this.scopeName.byteCount() + this.scopeVersion.byteCount()
      + this.scopeSchemaUrl.byteCount() + this.batchName.byteCount();
  }

  clearResource(): void {
    this.serviceName.clear();
    this.resourceAttributes.clear();
    this.resourceSchemaUrl.clear();
  }

  /** Reads a Resource with its length. */
  readResource(source: Source): void {
    const { reader } = source;
    const outer = reader.enter();
    while (reader.more()) {
      const tag = reader.tag();
      if (tag === ((1 << 3) | 2)) this.resourceAttributes.read(source, this.serviceName);
      else reader.skipUnknown(tag, RESOURCE_FIELDS);
    }
    reader.leave(outer);
  }

  clearScope(): void {
    this.scopeName.clear();
    this.scopeVersion.clear();
    this.scopeAttributes.clear();
    this.scopeSchemaUrl.clear();
    this.scopeDroppedAttributes = 0;
  }

  /** Reads an InstrumentationScope with its length. */
  readScope(source: Source): void {
    const { reader } = source;
    const outer = reader.enter();
    while (reader.more()) {
      const tag = reader.tag();
      switch (tag) {
        case (1 << 3) | 2: this.scopeName.read(source); break;
        case (2 << 3) | 2: this.scopeVersion.read(source); break;
        case (3 << 3) | 2: this.scopeAttributes.read(source, null); break;
        case (4 << 3) | 0: this.scopeDroppedAttributes = reader.varint32(); break;
        default: reader.skipUnknown(tag, SCOPE_FIELDS);
      }
    }
    reader.leave(outer);
  }
}
