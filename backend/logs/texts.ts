// Decoded values as the texts that the columns hold: the same as the transcoder writes straight
// from the wire (storage/clickhouse/transcode/value.ts). A test compares both.

import type { AnyValue, Attributes } from '../../proto/otlp/model.ts';

export function textOf(value: AnyValue | undefined): string {
  if (value === undefined) return '';
  switch (value.type) {
    case 'empty': return '';
    case 'string': return value.value;
    case 'bytes': return base64(value.value);
    case 'double': return doubleText(value.value);
    default: return jsonOf(value);
  }
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

const doubleText = (value: number): string => (Object.is(value, -0) ? '-0' : String(value));

function jsonOf(value: AnyValue): string {
  switch (value.type) {
    case 'empty': return 'null';
    case 'string': return JSON.stringify(value.value);
    case 'bool': return String(value.value);
    case 'int': return value.value.toString();
    case 'double': return Number.isFinite(value.value) ? doubleText(value.value)
      : `"${value.value}"`;
    case 'bytes': return `"${base64(value.value)}"`;
    case 'array': return `[${value.value.map(jsonOf).join(',')}]`;
    default: return `{${value.value.map(({ key, value: inside }) =>
      `${JSON.stringify(key)}:${jsonOf(inside)}`).join(',')}}`;
  }
}

/** Of attributes: the keys and texts, in the sender's order; the first of a key is what counts. */
export function textsOf(attributes: Attributes): [key: string, text: string][] {
  return attributes.map(({ key, value }) => [key, textOf(value)]);
}
