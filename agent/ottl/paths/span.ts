// The paths of a span and of an event of a span.

import type { SpanStatus } from '../../../proto/otlp/model.ts';
import { fail } from '../fault.ts';
import { Opaque } from '../value.ts';
import { draftOf, type OttlView } from '../view.ts';
import {
  expectInt, expectText, idFields, mapField, nanoField, opaqueField, readOnly, smallField,
  textField, timeField, wrongType, type Field, type Fields,
} from './field.ts';

const NO_STATUS: SpanStatus = { code: 0, message: '' };
const KINDS = ['Unspecified', 'Internal', 'Server', 'Client', 'Producer', 'Consumer'];

const statusOf = (view: OttlView): SpanStatus => view.span!.status ?? NO_STATUS;

const status: Field = {
  type: 'status',
  get: (view) => new Opaque('status', statusOf(view)),
  set: (view, value) => {
    if (value === null) return;
    const same = value instanceof Opaque && value.kind === 'status';
    draftOf(view, 'span').status = same ? value.content as SpanStatus : wrongType('status', value);
  },
};

const statusCode: Field = {
  type: 'int',
  get: (view) => BigInt(statusOf(view).code),
  number: (view) => statusOf(view).code,
  set: (view, value) => {
    if (value === null) return;
    const code = Number(expectInt(value));
    draftOf(view, 'span').status = { ...statusOf(view), code };
  },
};

const statusMessage: Field = {
  type: 'string',
  get: (view) => statusOf(view).message,
  set: (view, value) => {
    if (value === null) return;
    draftOf(view, 'span').status = { ...statusOf(view), message: expectText(value) };
  },
};

/** The kind by its name, spelt in one of two ways. */
const kindName = (names: readonly string[]): Field => ({
  type: 'string',
  get: (view) => names[view.span!.kind] ?? '',
  set: (view, value) => {
    if (value === null) return;
    const kind = names.indexOf(expectText(value));
    draftOf(view, 'span').kind = kind === -1 ? fail('this is no kind of span') : kind;
  },
});

/** `a=1,b=2`, as W3C Trace Context has it. */
const traceState: Field = {
  ...textField('span', 'traceState', (view) => view.span!.traceState),
  entry: {
    get: (view, key) => entriesOf(view).find(([name]) => name === key)?.[1] ?? '',
    set: (view, key, value) => {
      if (value === null) return;
      // What was changed last comes first.
      const others = entriesOf(view).filter(([name]) => name !== key);
      const entries = [[key, expectText(value)], ...others];
      draftOf(view, 'span').traceState = entries.map((entry) => entry.join('=')).join(',');
    },
  },
};

function entriesOf(view: OttlView): [string, string][] {
  return view.span!.traceState.split(',').map((entry) => entry.trim())
    .filter((entry) => entry.includes('='))
    .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]);
}

const [traceId, traceIdText] = idFields('span', 'traceId', 16, (view) => view.span!.traceId);
const [spanId, spanIdText] = idFields('span', 'spanId', 8, (view) => view.span!.spanId);
const [parentId, parentIdText] = idFields('span', 'parentSpanId', 8,
  (view) => view.span!.parentSpanId);

export const SPAN_FIELDS: Fields = {
  trace_id: traceId,
  'trace_id.string': traceIdText,
  span_id: spanId,
  'span_id.string': spanIdText,
  parent_span_id: parentId,
  'parent_span_id.string': parentIdText,
  trace_state: traceState,
  name: textField('span', 'name', (view) => view.span!.name),
  kind: smallField('span', 'kind', (view) => view.span!.kind),
  'kind.string': kindName(KINDS),
  'kind.deprecated_string': kindName(KINDS.map((kind) => `SPAN_KIND_${kind.toUpperCase()}`)),
  start_time_unix_nano: nanoField('span', 'startTimeUnixNano',
    (view) => view.span!.startTimeUnixNano),
  end_time_unix_nano: nanoField('span', 'endTimeUnixNano', (view) => view.span!.endTimeUnixNano),
  start_time: timeField('span', 'startTimeUnixNano', (view) => view.span!.startTimeUnixNano),
  end_time: timeField('span', 'endTimeUnixNano', (view) => view.span!.endTimeUnixNano),
  attributes: mapField('span', 'attributes', (view) => view.span!.attributes),
  dropped_attributes_count: smallField('span', 'droppedAttributesCount',
    (view) => view.span!.droppedAttributesCount),
  events: opaqueField('span', 'events', 'events', (view) => view.span!.events),
  dropped_events_count: smallField('span', 'droppedEventsCount',
    (view) => view.span!.droppedEventsCount),
  links: opaqueField('span', 'links', 'links', (view) => view.span!.links),
  dropped_links_count: smallField('span', 'droppedLinksCount',
    (view) => view.span!.droppedLinksCount),
  status,
  'status.code': statusCode,
  'status.message': statusMessage,
  flags: smallField('span', 'flags', (view) => view.span!.flags),
};

export const SPAN_EVENT_FIELDS: Fields = {
  name: textField('spanEvent', 'name', (view) => view.spanEvent!.name),
  time_unix_nano: nanoField('spanEvent', 'timeUnixNano', (view) => view.spanEvent!.timeUnixNano),
  time: timeField('spanEvent', 'timeUnixNano', (view) => view.spanEvent!.timeUnixNano),
  attributes: mapField('spanEvent', 'attributes', (view) => view.spanEvent!.attributes),
  dropped_attributes_count: smallField('spanEvent', 'droppedAttributesCount',
    (view) => view.spanEvent!.droppedAttributesCount),
  event_index: readOnly('int', (view) => BigInt(view.spanEventIndex)),
};
