// The paths of a log record.

import { fromAny, textOf, toAny } from '../value.ts';
import { draftOf } from '../view.ts';
import {
  expectText, idFields, mapField, nanoField, smallField, textField, timeField, type Field,
  type Fields,
} from './field.ts';

const body: Field = {
  type: 'any',
  get: (view) => fromAny(view.log!.body),
  set: (view, value) => {
    if (value !== null) draftOf(view, 'log').body = toAny(value);
  },
};

const bodyText: Field = {
  type: 'string',
  get: (view) => textOf(fromAny(view.log!.body)) ?? '',
  set: (view, value) => {
    if (value !== null) draftOf(view, 'log').body = toAny(expectText(value));
  },
};

const [traceId, traceIdText] = idFields('log', 'traceId', 16, (view) => view.log!.traceId);
const [spanId, spanIdText] = idFields('log', 'spanId', 8, (view) => view.log!.spanId);

export const LOG_FIELDS: Fields = {
  time_unix_nano: nanoField('log', 'timeUnixNano', (view) => view.log!.timeUnixNano),
  observed_time_unix_nano: nanoField('log', 'observedTimeUnixNano',
    (view) => view.log!.observedTimeUnixNano),
  time: timeField('log', 'timeUnixNano', (view) => view.log!.timeUnixNano),
  observed_time: timeField('log', 'observedTimeUnixNano',
    (view) => view.log!.observedTimeUnixNano),
  severity_number: smallField('log', 'severityNumber', (view) => view.log!.severityNumber),
  severity_text: textField('log', 'severityText', (view) => view.log!.severityText),
  body,
  'body.string': bodyText,
  attributes: mapField('log', 'attributes', (view) => view.log!.attributes),
  dropped_attributes_count: smallField('log', 'droppedAttributesCount',
    (view) => view.log!.droppedAttributesCount),
  flags: smallField('log', 'flags', (view) => view.log!.flags),
  trace_id: traceId,
  'trace_id.string': traceIdText,
  span_id: spanId,
  'span_id.string': spanIdText,
  event_name: textField('log', 'eventName', (view) => view.log!.eventName),
};
