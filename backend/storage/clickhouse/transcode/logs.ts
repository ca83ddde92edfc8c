// Log records (logs.proto) into the columns of `otel_logs`.
//
// The time is the record's own, or else the time when it was observed, or else the time of its
// arrival here. Invalid ids count as absent, as logs.proto says. Refused: a time after 2105. The
// severity number and the trace flags are kept in 8 bits.

import { fieldBits } from '../../../../proto/protobuf/reader.ts';
import { appendAttribute } from './attributes.ts';
import type { Bytes, Source, Words } from './columns.ts';
import type { Dictionary } from './dictionary.ts';
import { appendId, appendTime, SPAN_ID_BYTES, TRACE_ID_BYTES } from './fields.ts';
import type { Origin } from './origin.ts';
import type { RecordRows } from './records.ts';
import { Table } from './table.ts';
import type { MapColumn, SharedMapColumn } from './table.ts';
import { appendValue } from './value.ts';

const LOG_FIELDS = fieldBits(1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12);

export class LogRows implements RecordRows {
  readonly tables: readonly Table[];
  private readonly table: Table;
  private readonly timestamp: Words;
  private readonly traceId: Bytes;
  private readonly spanId: Bytes;
  private readonly traceFlags: Bytes;
  private readonly severityText: Dictionary;
  private readonly severityNumber: Bytes;
  private readonly serviceName: Dictionary;
  private readonly body: Bytes;
  private readonly resourceSchemaUrl: Dictionary;
  private readonly resourceAttributes: SharedMapColumn;
  private readonly scopeSchemaUrl: Dictionary;
  private readonly scopeName: Dictionary;
  private readonly scopeVersion: Dictionary;
  private readonly scopeAttributes: SharedMapColumn;
  private readonly attributes: MapColumn;
  private readonly eventName: Bytes;
  private readonly batchId: Dictionary;

  constructor() {
    const table = new Table('otel_logs', 'Timestamp');
    this.table = table;
    this.tables = [table];
    this.timestamp = table.words('Timestamp', 'DateTime64(9)');
    this.traceId = table.strings('TraceId');
    this.spanId = table.strings('SpanId');
    this.traceFlags = table.bytes('TraceFlags', 'UInt8');
    this.severityText = table.lowStrings('SeverityText');
    this.severityNumber = table.bytes('SeverityNumber', 'UInt8');
    this.serviceName = table.lowStrings('ServiceName');
    this.body = table.strings('Body');
    this.resourceSchemaUrl = table.lowStrings('ResourceSchemaUrl');
    this.resourceAttributes = table.sharedMap('ResourceAttributes');
    this.scopeSchemaUrl = table.lowStrings('ScopeSchemaUrl');
    this.scopeName = table.lowStrings('ScopeName');
    this.scopeVersion = table.lowStrings('ScopeVersion');
    this.scopeAttributes = table.sharedMap('ScopeAttributes');
    this.attributes = table.map('LogAttributes');
    this.eventName = table.strings('EventName');
    this.batchId = table.lowStrings('BatchId');
  }

  read(source: Source, origin: Origin): void {
    const { reader } = source;
    const outer = reader.enter();
    let low = 0, high = 0, observedLow = 0, observedHigh = 0, severity = 0, flags = 0;
    let severityText = 0, severityTextEnd = 0, body = 0, bodyEnd = 0, attributes = 0;
    let traceId = 0, traceIdEnd = 0, spanId = 0, spanIdEnd = 0, event = 0, eventEnd = 0;
    let name = origin.batchName;
    while (reader.more()) {
      const tag = reader.tag();
      switch (tag) {
        case (1 << 3) | 1: reader.words64(); low = reader.low; high = reader.high; break;
        case (2 << 3) | 0: severity = reader.int32(); break;
        case (3 << 3) | 2: severityText = reader.range(); severityTextEnd = reader.position; break;
        case (5 << 3) | 2: body = reader.range(); bodyEnd = reader.position; break;
        case (6 << 3) | 2:
          appendAttribute(this.attributes.keys, this.attributes.values, source);
          attributes++;
          break;
        case (7 << 3) | 0: reader.varint32(); break;
        case (8 << 3) | 5: flags = reader.fixed32(); break;
        case (9 << 3) | 2: traceId = reader.range(); traceIdEnd = reader.position; break;
        case (10 << 3) | 2: spanId = reader.range(); spanIdEnd = reader.position; break;
        case (11 << 3) | 1:
          reader.words64();
          observedLow = reader.low;
          observedHigh = reader.high;
          break;
        case (12 << 3) | 2: event = reader.range(); eventEnd = reader.position; break;
        default: reader.skipUnknown(tag, LOG_FIELDS);
      }
    }
    reader.leave(outer);
    if ((low | high) !== 0) appendTime(this.timestamp, low, high, 'log record');
    else if ((observedLow | observedHigh) !== 0) {
      appendTime(this.timestamp, observedLow, observedHigh, 'log record');
    } else {
      this.timestamp.pair(origin.arrivalLow, origin.arrivalHigh);
      name = origin.untimedName;
      origin.untimed = true;
    }
    name.appendTo(this.batchId);
    appendId(this.traceId, source, traceId, traceIdEnd, TRACE_ID_BYTES);
    appendId(this.spanId, source, spanId, spanIdEnd, SPAN_ID_BYTES);
    this.traceFlags.byte(flags & 0xff);
    this.severityText.append(source.view, severityText, severityTextEnd);
    this.severityNumber.byte(severity & 0xff);
    appendValue(this.body, source, body, bodyEnd);
    this.attributes.offsets.endRow(attributes);
    this.eventName.string(source, event, eventEnd);
    this.appendOrigin(origin);
    this.table.rows++;
  }

  private appendOrigin(origin: Origin): void {
    origin.serviceName.appendTo(this.serviceName);
    origin.resourceSchemaUrl.appendTo(this.resourceSchemaUrl);
    origin.resourceAttributes.appendTo(this.resourceAttributes);
    origin.scopeSchemaUrl.appendTo(this.scopeSchemaUrl);
    origin.scopeName.appendTo(this.scopeName);
    origin.scopeVersion.appendTo(this.scopeVersion);
    origin.scopeAttributes.appendTo(this.scopeAttributes);
  }
}
