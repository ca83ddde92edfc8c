// Where a record comes from: its resource and its scope. Each is read once and kept in Native form,
// and then copied to the columns of every record under it.
//
// A resource or a scope that occurs twice in its group is merged, as protobuf says.

import { fieldBits } from '../../../../proto/protobuf/reader.ts';
import { appendAttribute } from './attributes.ts';
import { Bytes } from './columns.ts';
import type { Source } from './columns.ts';
import type { MapColumn } from './table.ts';

const RESOURCE_FIELDS = fieldBits(1);
const SCOPE_FIELDS = fieldBits(1, 2, 3, 4);
const SERVICE_NAME = Buffer.from('service.name');

/** One string that many rows share. */
export class SharedString {
  private readonly text: Bytes;
  private view: Uint8Array;
  private present: boolean;

  constructor() {
    this.text = new Bytes();
    this.view = this.text.used();
    this.present = false;
    this.clear();
  }

  clear(): void {
    this.text.reset();
    this.text.byte(0);
    this.view = this.text.used();
    this.present = false;
  }

  isSet(): boolean {
    return this.present;
  }

  /** Reads a string with its length. */
  read(source: Source): void {
    const start = source.reader.range();
    this.text.reset();
    this.text.string(source, start, source.reader.position);
    this.view = this.text.used();
    this.present = true;
  }

  /** Takes over a text. */
  write(text: string): void {
    this.text.reset();
    this.text.text(text);
    this.view = this.text.used();
    this.present = true;
  }

  /** Takes over a string that is in Native form already. */
  take(native: Uint8Array): void {
    this.text.reset();
    this.text.raw(native);
    this.view = this.text.used();
    this.present = true;
  }

  appendTo(column: Bytes): void {
    column.raw(this.view);
  }

  byteCount(): number {
    return this.view.length;
  }
}

/** Attributes that many rows share. */
export class SharedAttributes {
  private readonly keys: Bytes;
  private readonly values: Bytes;
  private keysView: Uint8Array;
  private valuesView: Uint8Array;
  private count: number;

  constructor() {
    this.keys = new Bytes();
    this.values = new Bytes();
    this.keysView = this.keys.used();
    this.valuesView = this.values.used();
    this.count = 0;
  }

  clear(): void {
    this.keys.reset();
    this.values.reset();
    this.keysView = this.keys.used();
    this.valuesView = this.values.used();
    this.count = 0;
  }

  /** Reads a KeyValue with its length. Gives the service's name to `service` when it is that. */
  read(source: Source, service: SharedString | null): void {
    const keyAt = this.keys.length;
    const valueAt = this.values.length;
    appendAttribute(this.keys, this.values, source);
    this.count++;
    this.keysView = this.keys.used();
    this.valuesView = this.values.used();
    if (service === null || service.isSet()) return;
    // One byte of length stands in front of the key.
    const key = this.keysView.subarray(keyAt + 1);
    if (SERVICE_NAME.equals(key)) service.take(this.valuesView.subarray(valueAt));
  }

  appendTo(column: MapColumn): void {
    column.keys.raw(this.keysView);
    column.values.raw(this.valuesView);
    column.offsets.endRow(this.count);
  }

  byteCount(): number {
    return this.keysView.length + this.valuesView.length;
  }
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
