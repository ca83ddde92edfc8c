// Events and links of spans (trace.proto) into the Nested columns of `otel_traces`.

import { fieldBits } from '../../../../proto/protobuf/reader.ts';
import { appendAttribute } from './attributes.ts';
import { Offsets } from './columns.ts';
import type { Bytes, Source, Words } from './columns.ts';
import type { Dictionary } from './dictionary.ts';
import { appendId, appendTime, SPAN_ID_BYTES, TRACE_ID_BYTES } from './fields.ts';
import type { MapColumn, Table } from './table.ts';

const EVENT_FIELDS = fieldBits(1, 2, 3, 4);
const LINK_FIELDS = fieldBits(1, 2, 3, 4, 5, 6);

export class EventRows {
  /** The span that has the events ends the row. */
  readonly offsets: Offsets;
  private readonly timestamp: Words;
  private readonly name: Dictionary;
  private readonly attributes: MapColumn;

  constructor(table: Table) {
    this.offsets = new Offsets();
    this.timestamp = table.arrayOfWords('Events.Timestamp', 'DateTime64(9)', this.offsets);
    this.name = table.arrayOfLowStrings('Events.Name', this.offsets);
    this.attributes = table.arrayOfMaps('Events.Attributes', this.offsets);
  }

  /** Reads an Event with its length. */
  read(source: Source): void {
    const { reader } = source;
    const outer = reader.enter();
    let low = 0, high = 0, name = 0, nameEnd = 0, attributes = 0;
    while (reader.more()) {
      const tag = reader.tag();
      switch (tag) {
        case (1 << 3) | 1: reader.words64(); low = reader.low; high = reader.high; break;
        case (2 << 3) | 2: name = reader.range(); nameEnd = reader.position; break;
        case (3 << 3) | 2:
          appendAttribute(this.attributes.keys, this.attributes.values, source);
          attributes++;
          break;
        case (4 << 3) | 0: reader.varint32(); break;
        default: reader.skipUnknown(tag, EVENT_FIELDS);
      }
    }
    reader.leave(outer);
    appendTime(this.timestamp, low, high, 'span event');
    this.name.append(source.view, name, nameEnd);
    this.attributes.offsets.endRow(attributes);
  }
}

export class LinkRows {
  readonly offsets: Offsets;
  private readonly traceId: Bytes;
  private readonly spanId: Bytes;
  private readonly traceState: Bytes;
  private readonly attributes: MapColumn;

  constructor(table: Table) {
    this.offsets = new Offsets();
    this.traceId = table.arrayOfStrings('Links.TraceId', this.offsets);
    this.spanId = table.arrayOfStrings('Links.SpanId', this.offsets);
    this.traceState = table.arrayOfStrings('Links.TraceState', this.offsets);
    this.attributes = table.arrayOfMaps('Links.Attributes', this.offsets);
  }

  /** Reads a Link with its length. */
  read(source: Source): void {
    const { reader } = source;
    const outer = reader.enter();
    let traceId = 0, traceIdEnd = 0, spanId = 0, spanIdEnd = 0;
    let state = 0, stateEnd = 0, attributes = 0;
    while (reader.more()) {
      const tag = reader.tag();
      switch (tag) {
        case (1 << 3) | 2: traceId = reader.range(); traceIdEnd = reader.position; break;
        case (2 << 3) | 2: spanId = reader.range(); spanIdEnd = reader.position; break;
        case (3 << 3) | 2: state = reader.range(); stateEnd = reader.position; break;
        case (4 << 3) | 2:
          appendAttribute(this.attributes.keys, this.attributes.values, source);
          attributes++;
          break;
        case (5 << 3) | 0: reader.varint32(); break;
        case (6 << 3) | 5: reader.take(4); break;
        default: reader.skipUnknown(tag, LINK_FIELDS);
      }
    }
    reader.leave(outer);
    appendId(this.traceId, source, traceId, traceIdEnd, TRACE_ID_BYTES);
    appendId(this.spanId, source, spanId, spanIdEnd, SPAN_ID_BYTES);
    this.traceState.string(source, state, stateEnd);
    this.attributes.offsets.endRow(attributes);
  }
}
