// Spans with their events, links and status (trace.proto), to and from protobuf.

import { fieldBits } from '../protobuf/reader.ts';
import type { Reader } from '../protobuf/reader.ts';
import type { Writer } from '../protobuf/writer.ts';
import type { Envelope } from './envelope.ts';
import type { KeyValue, ResourceSpans, ScopeSpans, Span } from './model.ts';
import type { SpanEvent, SpanLink, SpanStatus, TracesRequest } from './model.ts';
import { decodeKeyValue, encodeAttributes, NO_ATTRIBUTES } from './value.ts';

export const TRACES: Envelope<TracesRequest, ResourceSpans, ScopeSpans, Span> = {
  request: (resourceSpans) => ({ resourceSpans }),
  groups: (request) => request.resourceSpans,
  group: (resource, scopeSpans, schemaUrl) => ({ resource, scopeSpans, schemaUrl }),
  scopes: (group) => group.scopeSpans,
  scope: (scope, spans, schemaUrl) => ({ scope, spans, schemaUrl }),
  records: (scope) => scope.spans,
  decodeRecord: decodeSpan,
  encodeRecord: encodeSpan,
  countRecord: () => 1,
};

const SPAN_FIELDS = fieldBits(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
const EVENT_FIELDS = fieldBits(1, 2, 3, 4);
const LINK_FIELDS = fieldBits(1, 2, 3, 4, 5, 6);
const STATUS_FIELDS = fieldBits(2, 3);
const NO_EVENTS: readonly SpanEvent[] = [];
const NO_LINKS: readonly SpanLink[] = [];

export function decodeSpan(reader: Reader): Span {
  const outer = reader.enter();
  let traceId = '';
  let spanId = '';
  let traceState = '';
  let parentSpanId = '';
  let flags = 0;
  let name = '';
  let kind = 0;
  let startTimeUnixNano = 0n;
  let endTimeUnixNano = 0n;
  let attributes: KeyValue[] | undefined;
  let droppedAttributesCount = 0;
  let events: SpanEvent[] | undefined;
  let droppedEventsCount = 0;
  let links: SpanLink[] | undefined;
  let droppedLinksCount = 0;
  let status: SpanStatus | undefined;
  while (reader.more()) {
    const tag = reader.tag();
    switch (tag) {
      case (1 << 3) | 2: traceId = reader.hex(); break;
      case (2 << 3) | 2: spanId = reader.hex(); break;
      case (3 << 3) | 2: traceState = reader.string(); break;
      case (4 << 3) | 2: parentSpanId = reader.hex(); break;
      case (5 << 3) | 2: name = reader.string(); break;
      case (6 << 3) | 0: kind = reader.int32(); break;
      case (7 << 3) | 1: startTimeUnixNano = reader.fixed64(); break;
      case (8 << 3) | 1: endTimeUnixNano = reader.fixed64(); break;
      case (9 << 3) | 2: (attributes ??= []).push(decodeKeyValue(reader)); break;
      case (10 << 3) | 0: droppedAttributesCount = reader.varint32(); break;
      case (11 << 3) | 2: (events ??= []).push(decodeEvent(reader)); break;
      case (12 << 3) | 0: droppedEventsCount = reader.varint32(); break;
      case (13 << 3) | 2: (links ??= []).push(decodeLink(reader)); break;
      case (14 << 3) | 0: droppedLinksCount = reader.varint32(); break;
      case (15 << 3) | 2: status = decodeStatus(reader, status); break;
      case (16 << 3) | 5: flags = reader.fixed32(); break;
      default: reader.skipUnknown(tag, SPAN_FIELDS);
    }
  }
  reader.leave(outer);
  return {
    traceId,
    spanId,
    traceState,
    parentSpanId,
    flags,
    name,
    kind,
    startTimeUnixNano,
    endTimeUnixNano,
    attributes: attributes ?? NO_ATTRIBUTES,
    droppedAttributesCount,
    events: events ?? NO_EVENTS,
    droppedEventsCount,
    links: links ?? NO_LINKS,
    droppedLinksCount,
    status,
  };
}

function decodeEvent(reader: Reader): SpanEvent {
  const outer = reader.enter();
  let timeUnixNano = 0n;
  let name = '';
  let attributes: KeyValue[] | undefined;
  let droppedAttributesCount = 0;
  while (reader.more()) {
    const tag = reader.tag();
    switch (tag) {
      case (1 << 3) | 1: timeUnixNano = reader.fixed64(); break;
      case (2 << 3) | 2: name = reader.string(); break;
      case (3 << 3) | 2: (attributes ??= []).push(decodeKeyValue(reader)); break;
      case (4 << 3) | 0: droppedAttributesCount = reader.varint32(); break;
      default: reader.skipUnknown(tag, EVENT_FIELDS);
    }
  }
  reader.leave(outer);
  return {
    timeUnixNano,
    name,
    attributes: attributes ?? NO_ATTRIBUTES,
    droppedAttributesCount,
  };
}

function decodeLink(reader: Reader): SpanLink {
  const outer = reader.enter();
  let traceId = '';
  let spanId = '';
  let traceState = '';
  let attributes: KeyValue[] | undefined;
  let droppedAttributesCount = 0;
  let flags = 0;
  while (reader.more()) {
    const tag = reader.tag();
    switch (tag) {
      case (1 << 3) | 2: traceId = reader.hex(); break;
      case (2 << 3) | 2: spanId = reader.hex(); break;
      case (3 << 3) | 2: traceState = reader.string(); break;
      case (4 << 3) | 2: (attributes ??= []).push(decodeKeyValue(reader)); break;
      case (5 << 3) | 0: droppedAttributesCount = reader.varint32(); break;
      case (6 << 3) | 5: flags = reader.fixed32(); break;
      default: reader.skipUnknown(tag, LINK_FIELDS);
    }
  }
  reader.leave(outer);
  return {
    traceId,
    spanId,
    traceState,
    attributes: attributes ?? NO_ATTRIBUTES,
    droppedAttributesCount,
    flags,
  };
}

function decodeStatus(reader: Reader, before: SpanStatus | undefined): SpanStatus {
  const outer = reader.enter();
  let message = before === undefined ? '' : before.message;
  let code = before === undefined ? 0 : before.code;
  while (reader.more()) {
    const tag = reader.tag();
    switch (tag) {
      case (2 << 3) | 2: message = reader.string(); break;
      case (3 << 3) | 0: code = reader.int32(); break;
      default: reader.skipUnknown(tag, STATUS_FIELDS);
    }
  }
  reader.leave(outer);
  return { message, code };
}

/** Writes a span as field 2 of ScopeSpans. */
export function encodeSpan(writer: Writer, span: Span): void {
  const mark = writer.open((2 << 3) | 2, 2);
  writer.hexField((1 << 3) | 2, span.traceId);
  writer.hexField((2 << 3) | 2, span.spanId);
  writer.stringField((3 << 3) | 2, span.traceState);
  writer.hexField((4 << 3) | 2, span.parentSpanId);
  writer.stringField((5 << 3) | 2, span.name);
  writer.int32Field((6 << 3) | 0, span.kind);
  writer.fixed64Field((7 << 3) | 1, span.startTimeUnixNano);
  writer.fixed64Field((8 << 3) | 1, span.endTimeUnixNano);
  encodeAttributes(writer, (9 << 3) | 2, span.attributes);
  writer.uint32Field((10 << 3) | 0, span.droppedAttributesCount);
  for (const event of span.events) encodeEvent(writer, event);
  writer.uint32Field((12 << 3) | 0, span.droppedEventsCount);
  for (const link of span.links) encodeLink(writer, link);
  writer.uint32Field((14 << 3) | 0, span.droppedLinksCount);
  if (span.status !== undefined) encodeStatus(writer, span.status);
  writer.fixed32Field((16 << 3) | 5, span.flags);
  writer.close(mark);
}

function encodeEvent(writer: Writer, event: SpanEvent): void {
  const mark = writer.open((11 << 3) | 2, 1);
  writer.fixed64Field((1 << 3) | 1, event.timeUnixNano);
  writer.stringField((2 << 3) | 2, event.name);
  encodeAttributes(writer, (3 << 3) | 2, event.attributes);
  writer.uint32Field((4 << 3) | 0, event.droppedAttributesCount);
  writer.close(mark);
}

function encodeLink(writer: Writer, link: SpanLink): void {
  const mark = writer.open((13 << 3) | 2, 1);
  writer.hexField((1 << 3) | 2, link.traceId);
  writer.hexField((2 << 3) | 2, link.spanId);
  writer.stringField((3 << 3) | 2, link.traceState);
  encodeAttributes(writer, (4 << 3) | 2, link.attributes);
  writer.uint32Field((5 << 3) | 0, link.droppedAttributesCount);
  writer.fixed32Field((6 << 3) | 5, link.flags);
  writer.close(mark);
}

function encodeStatus(writer: Writer, status: SpanStatus): void {
  const mark = writer.open((15 << 3) | 2, 1);
  writer.stringField((2 << 3) | 2, status.message);
  writer.int32Field((3 << 3) | 0, status.code);
  writer.close(mark);
}
