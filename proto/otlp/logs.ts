// Log records (logs.proto), to and from protobuf.

import { fieldBits } from '../protobuf/reader.ts';
import type { Reader } from '../protobuf/reader.ts';
import type { Writer } from '../protobuf/writer.ts';
import type { Envelope } from './envelope.ts';
import type { AnyValue, KeyValue, LogRecord, LogsRequest } from './model.ts';
import type { ResourceLogs, ScopeLogs } from './model.ts';
import { decodeKeyValue, decodeValue, encodeAttributes, encodeValue } from './value.ts';
import { NO_ATTRIBUTES } from './value.ts';

export const LOGS: Envelope<LogsRequest, ResourceLogs, ScopeLogs, LogRecord> = {
  request: (resourceLogs) => ({ resourceLogs }),
  groups: (request) => request.resourceLogs,
  group: (resource, scopeLogs, schemaUrl) => ({ resource, scopeLogs, schemaUrl }),
  scopes: (group) => group.scopeLogs,
  scope: (scope, logRecords, schemaUrl) => ({ scope, logRecords, schemaUrl }),
  records: (scope) => scope.logRecords,
  decodeRecord: decodeLogRecord,
  encodeRecord: encodeLogRecord,
  countRecord: () => 1,
};

const RECORD_FIELDS = fieldBits(1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12);

export function decodeLogRecord(reader: Reader): LogRecord {
  const outer = reader.enter();
  let timeUnixNano = 0n;
  let observedTimeUnixNano = 0n;
  let severityNumber = 0;
  let severityText = '';
  let body: AnyValue | undefined;
  let attributes: KeyValue[] | undefined;
  let droppedAttributesCount = 0;
  let flags = 0;
  let traceId = '';
  let spanId = '';
  let eventName = '';
  while (reader.more()) {
    const tag = reader.tag();
    switch (tag) {
      case (1 << 3) | 1: timeUnixNano = reader.fixed64(); break;
      case (2 << 3) | 0: severityNumber = reader.int32(); break;
      case (3 << 3) | 2: severityText = reader.string(); break;
      case (5 << 3) | 2: body = decodeValue(reader, body); break;
      case (6 << 3) | 2: (attributes ??= []).push(decodeKeyValue(reader)); break;
      case (7 << 3) | 0: droppedAttributesCount = reader.varint32(); break;
      case (8 << 3) | 5: flags = reader.fixed32(); break;
      case (9 << 3) | 2: traceId = reader.hex(); break;
      case (10 << 3) | 2: spanId = reader.hex(); break;
      case (11 << 3) | 1: observedTimeUnixNano = reader.fixed64(); break;
      case (12 << 3) | 2: eventName = reader.string(); break;
      default: reader.skipUnknown(tag, RECORD_FIELDS);
    }
  }
  reader.leave(outer);
  return {
    timeUnixNano,
    observedTimeUnixNano,
    severityNumber,
    severityText,
    body,
    attributes: attributes ?? NO_ATTRIBUTES,
    droppedAttributesCount,
    flags,
    traceId,
    spanId,
    eventName,
  };
}

/** Writes a log record as field 2 of ScopeLogs. */
export function encodeLogRecord(writer: Writer, record: LogRecord): void {
  const mark = writer.open((2 << 3) | 2, 2);
  writer.fixed64Field((1 << 3) | 1, record.timeUnixNano);
  writer.int32Field((2 << 3) | 0, record.severityNumber);
  writer.stringField((3 << 3) | 2, record.severityText);
  if (record.body !== undefined) encodeValue(writer, (5 << 3) | 2, record.body);
  encodeAttributes(writer, (6 << 3) | 2, record.attributes);
  writer.uint32Field((7 << 3) | 0, record.droppedAttributesCount);
  writer.fixed32Field((8 << 3) | 5, record.flags);
  writer.hexField((9 << 3) | 2, record.traceId);
  writer.hexField((10 << 3) | 2, record.spanId);
  writer.fixed64Field((11 << 3) | 1, record.observedTimeUnixNano);
  writer.stringField((12 << 3) | 2, record.eventName);
  writer.close(mark);
}
