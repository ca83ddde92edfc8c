// Spans (trace.proto) into the columns of `otel_traces`.
//
// Refused: a trace id or span id that is all zeros or not of 16 and 8 bytes (OTLP calls it
// invalid), a parent span id of another length than 8, a time after 2105. Invalid ids of links are
// stored as ''. A span that ends before it starts has the duration 0.

import { fieldBits } from '../../../../proto/protobuf/reader.ts';
import { appendAttribute } from './attributes.ts';
import type { Bytes, Source, Words } from './columns.ts';
import { Choices } from './dictionary.ts';
import type { Dictionary } from './dictionary.ts';
import { appendId, appendTime, isZero, refuse } from './fields.ts';
import { SPAN_ID_BYTES, TRACE_ID_BYTES } from './fields.ts';
import type { Origin } from './origin.ts';
import type { RecordRows } from './records.ts';
import { EventRows, LinkRows } from './span_parts.ts';
import { Table } from './table.ts';
import type { MapColumn, SharedMapColumn } from './table.ts';

const SPAN_FIELDS = fieldBits(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
const STATUS_FIELDS = fieldBits(2, 3);

/** The texts of enum values by number; a number beyond the list is stored as ''. */
export const SPAN_KINDS: readonly string[] = [
  'Unspecified', 'Internal', 'Server', 'Client', 'Producer', 'Consumer',
];
export const STATUS_CODES: readonly string[] = ['Unset', 'Ok', 'Error'];

export class SpanRows implements RecordRows {
  readonly tables: readonly Table[];
  private readonly table: Table;
  private readonly timestamp: Words;
  private readonly traceId: Bytes;
  private readonly spanId: Bytes;
  private readonly parentSpanId: Bytes;
  private readonly traceState: Bytes;
  private readonly spanName: Dictionary;
  private readonly spanKind: Choices;
  private readonly serviceName: Dictionary;
  private readonly resourceAttributes: SharedMapColumn;
  private readonly scopeName: Dictionary;
  private readonly scopeVersion: Dictionary;
  private readonly attributes: MapColumn;
  private readonly duration: Words;
  private readonly statusCode: Choices;
  private readonly statusMessage: Bytes;
  private readonly events: EventRows;
  private readonly links: LinkRows;
  private readonly batchId: Dictionary;
  private readonly status: { code: number; start: number; end: number };

  constructor() {
    const table = new Table('otel_traces', 'Timestamp');
    this.table = table;
    this.tables = [table];
    this.timestamp = table.words('Timestamp', 'DateTime64(9)');
    this.traceId = table.strings('TraceId');
    this.spanId = table.strings('SpanId');
    this.parentSpanId = table.strings('ParentSpanId');
    this.traceState = table.strings('TraceState');
    this.spanName = table.lowStrings('SpanName');
    this.spanKind = new Choices(table.lowStrings('SpanKind'), SPAN_KINDS);
    this.serviceName = table.lowStrings('ServiceName');
    this.resourceAttributes = table.sharedMap('ResourceAttributes');
    this.scopeName = table.lowStrings('ScopeName');
    this.scopeVersion = table.lowStrings('ScopeVersion');
    this.attributes = table.map('SpanAttributes');
    this.duration = table.words('Duration', 'UInt64');
    this.statusCode = new Choices(table.lowStrings('StatusCode'), STATUS_CODES);
    this.statusMessage = table.strings('StatusMessage');
    this.events = new EventRows(table);
    this.links = new LinkRows(table);
    this.batchId = table.lowStrings('BatchId');
    this.status = { code: 0, start: 0, end: 0 };
  }

  read(source: Source, origin: Origin): void {
    const { reader } = source;
    const { status } = this;
    const outer = reader.enter();
    let traceId = 0, traceIdEnd = 0, spanId = 0, spanIdEnd = 0, parentId = 0, parentIdEnd = 0;
    let state = 0, stateEnd = 0, name = 0, nameEnd = 0, kind = 0;
    let startLow = 0, startHigh = 0, endLow = 0, endHigh = 0;
    let attributes = 0, events = 0, links = 0;
    status.code = status.start = status.end = 0;
    while (reader.more()) {
      const tag = reader.tag();
      switch (tag) {
        case (1 << 3) | 2: traceId = reader.range(); traceIdEnd = reader.position; break;
        case (2 << 3) | 2: spanId = reader.range(); spanIdEnd = reader.position; break;
        case (3 << 3) | 2: state = reader.range(); stateEnd = reader.position; break;
        case (4 << 3) | 2: parentId = reader.range(); parentIdEnd = reader.position; break;
        case (5 << 3) | 2: name = reader.range(); nameEnd = reader.position; break;
        case (6 << 3) | 0: kind = reader.int32(); break;
        case (7 << 3) | 1: reader.words64(); startLow = reader.low; startHigh = reader.high; break;
        case (8 << 3) | 1: reader.words64(); endLow = reader.low; endHigh = reader.high; break;
        case (9 << 3) | 2:
          appendAttribute(this.attributes.keys, this.attributes.values, source);
          attributes++;
          break;
        case (10 << 3) | 0: reader.varint32(); break;
        case (11 << 3) | 2: this.events.read(source); events++; break;
        case (12 << 3) | 0: reader.varint32(); break;
        case (13 << 3) | 2: this.links.read(source); links++; break;
        case (14 << 3) | 0: reader.varint32(); break;
        case (15 << 3) | 2: readStatus(source, status); break;
        case (16 << 3) | 5: reader.take(4); break;
        default: reader.skipUnknown(tag, SPAN_FIELDS);
      }
    }
    reader.leave(outer);
    appendTime(this.timestamp, startLow, startHigh, 'span');
    appendSpanId(this.traceId, source, traceId, traceIdEnd, TRACE_ID_BYTES, 'trace id');
    appendSpanId(this.spanId, source, spanId, spanIdEnd, SPAN_ID_BYTES, 'span id');
    appendParentId(this.parentSpanId, source, parentId, parentIdEnd);
    this.traceState.string(source, state, stateEnd);
    this.spanName.append(source.view, name, nameEnd);
    this.spanKind.append(kind);
    this.attributes.offsets.endRow(attributes);
    appendDuration(this.duration, startLow, startHigh, endLow, endHigh);
    this.statusCode.append(status.code);
    this.statusMessage.string(source, status.start, status.end);
    this.events.offsets.endRow(events);
    this.links.offsets.endRow(links);
    this.appendOrigin(origin);
    this.table.rows++;
  }

  private appendOrigin(origin: Origin): void {
    origin.serviceName.appendTo(this.serviceName);
    origin.resourceAttributes.appendTo(this.resourceAttributes);
    origin.scopeName.appendTo(this.scopeName);
    origin.scopeVersion.appendTo(this.scopeVersion);
    origin.batchName.appendTo(this.batchId);
  }
}

function readStatus(source: Source, status: { code: number; start: number; end: number }): void {
  const { reader } = source;
  const outer = reader.enter();
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === ((2 << 3) | 2)) {
      status.start = reader.range();
      status.end = reader.position;
    } else if (tag === ((3 << 3) | 0)) status.code = reader.int32();
    else reader.skipUnknown(tag, STATUS_FIELDS);
  }
  reader.leave(outer);
}

function appendSpanId(
  column: Bytes,
  source: Source,
  start: number,
  end: number,
  size: number,
  name: string,
): void {
  if (end - start !== size) refuse('span', `its ${name} has ${end - start} bytes, not ${size}`);
  if (isZero(source, start, end)) refuse('span', `its ${name} is all zeros`);
  column.hex(source, start, end);
}

function appendParentId(column: Bytes, source: Source, start: number, end: number): void {
  const size = end - start;
  if (size !== 0 && size !== SPAN_ID_BYTES) {
    refuse('span', `its parent span id has ${size} bytes, not ${SPAN_ID_BYTES}`);
  }
  appendId(column, source, start, end, SPAN_ID_BYTES);
}

/** End minus start, both unsigned numbers of two words. */
function appendDuration(
  column: Words,
  startLow: number,
  startHigh: number,
  endLow: number,
  endHigh: number,
): void {
  const high = (endHigh >>> 0) - (startHigh >>> 0);
  const low = (endLow >>> 0) - (startLow >>> 0);
  const borrow = low < 0 ? 1 : 0;
  if (high - borrow < 0) column.pair(0, 0);
  else column.pair(low, high - borrow);
}
