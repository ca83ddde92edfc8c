// Where texts stand in the messages of OTLP: by field number, what a field is. Fields that are not
// here are passed over: times, numbers, ids, names of metrics and of scopes, urls of schemas.

import type { Signal } from '../../../proto/otlp/model.ts';

export type Field =
  /** A string. */
  | 'text'
  /** A KeyValue: what its key says holds for its value. */
  | 'pair'
  /** An AnyValue. */
  | 'value'
  /** The body of a log record, an AnyValue. */
  | 'body'
  /** A message. */
  | Shape;

export interface Shape {
  readonly fields: ReadonlyArray<Field | undefined>;
  /** Its records are of one source. */
  readonly isSource?: boolean;
}

/** No field of OTLP has a number above this. */
const FIELD_MAX = 15;

function shape(fields: Readonly<Record<number, Field>>, isSource = false): Shape {
  const list = Array.from({ length: FIELD_MAX + 1 }, (_, number) => fields[number]);
  return { fields: list, isSource };
}

/** A group of a request, a scope group in it, and the records in that. */
function request(record: Shape): Shape {
  const scopes = shape({ 1: shape({ 3: 'pair' }), 2: record }, true);
  return shape({ 1: shape({ 1: shape({ 1: 'pair' }), 2: scopes }) });
}

const event = shape({ 2: 'text', 3: 'pair' });
const link = shape({ 4: 'pair' });
const status = shape({ 2: 'text' });
const exemplar = shape({ 7: 'pair' });
const points = (fields: Readonly<Record<number, Field>>): Shape => shape({ 1: shape(fields) });
const numbers = points({ 5: exemplar, 7: 'pair' });

export const SHAPES: Readonly<Record<Signal, Shape>> = {
  logs: request(shape({ 5: 'body', 6: 'pair', 12: 'text' })),
  traces: request(shape({ 5: 'text', 9: 'pair', 11: event, 13: link, 15: status })),
  metrics: request(shape({
    2: 'text', 12: 'pair', 5: numbers, 7: numbers,
    9: points({ 8: exemplar, 9: 'pair' }), 10: points({ 1: 'pair', 11: exemplar }),
    11: points({ 7: 'pair' }),
  })),
};
