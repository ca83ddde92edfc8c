// The JSON form of traces.

import type { ResourceSpans, ScopeSpans, Span, SpanEvent } from '../model.ts';
import type { SpanLink, SpanStatus, TracesRequest } from '../model.ts';
import { field, list, message, optional } from './fields.ts';
import type { Kind } from './fields.ts';
import { ENUM, ID, STRING, UINT32, UINT64 } from './scalars.ts';
import { KEY_VALUE, RESOURCE, SCOPE } from './value.ts';

const EVENT = message<SpanEvent>({
  timeUnixNano: field(UINT64, 0n),
  name: field(STRING, ''),
  attributes: list(KEY_VALUE),
  droppedAttributesCount: field(UINT32, 0),
});

const LINK = message<SpanLink>({
  traceId: field(ID, ''),
  spanId: field(ID, ''),
  traceState: field(STRING, ''),
  attributes: list(KEY_VALUE),
  droppedAttributesCount: field(UINT32, 0),
  flags: field(UINT32, 0),
});

const STATUS = message<SpanStatus>({
  message: field(STRING, ''),
  code: field(ENUM, 0),
});

const SPAN = message<Span>({
  traceId: field(ID, ''),
  spanId: field(ID, ''),
  traceState: field(STRING, ''),
  parentSpanId: field(ID, ''),
  flags: field(UINT32, 0),
  name: field(STRING, ''),
  kind: field(ENUM, 0),
  startTimeUnixNano: field(UINT64, 0n),
  endTimeUnixNano: field(UINT64, 0n),
  attributes: list(KEY_VALUE),
  droppedAttributesCount: field(UINT32, 0),
  events: list(EVENT),
  droppedEventsCount: field(UINT32, 0),
  links: list(LINK),
  droppedLinksCount: field(UINT32, 0),
  status: optional(STATUS),
});

const SCOPE_SPANS = message<ScopeSpans>({
  scope: optional(SCOPE),
  spans: list(SPAN),
  schemaUrl: field(STRING, ''),
});

const RESOURCE_SPANS = message<ResourceSpans>({
  resource: optional(RESOURCE),
  scopeSpans: list(SCOPE_SPANS),
  schemaUrl: field(STRING, ''),
});

export const TRACES_JSON: Kind<TracesRequest> = message<TracesRequest>({
  resourceSpans: list(RESOURCE_SPANS),
});
