// Entries as they stand in OTLP: attributes, values, and the fields of a LogRecord:
//
//   time 1  severity_number 2  severity_text 3  body 5  attributes 6 …  flags 8  trace_id 9
//   span_id 10  observed_time 11

import { limits } from '../../proto/protobuf/reader.ts';
import { EncodeError, type Writer } from '../../proto/protobuf/writer.ts';
import type { Entry, Value, ValueMap } from './entry.ts';

/** ResourceLogs and ScopeLogs, which are put around the records later. */
export const OUTER_DEPTH = 2;

/** False when operators have nested values deeper than any reader takes; nothing is written. */
export function encodeEntry(writer: Writer, entry: Entry, observedNs: bigint): boolean {
  const start = writer.position;
  try {
    writeEntry(writer, entry, observedNs);
    return true;
  } catch (error) {
    if (!(error instanceof EncodeError)) throw error;
    writer.position = start;
    writer.depth = OUTER_DEPTH;
    return false;
  }
}

function writeEntry(writer: Writer, entry: Entry, observedNs: bigint): void {
  const { traceId, spanId, traceFlags } = entry;
  const mark = writer.open((2 << 3) | 2, 2);
  writer.fixed64Field((1 << 3) | 1, entry.timeNs);
  writer.int32Field((2 << 3) | 0, entry.severityNumber);
  writer.stringField((3 << 3) | 2, entry.severityText);
  encodeValue(writer, (5 << 3) | 2, entry.body);
  encodeMap(writer, (6 << 3) | 2, entry.attributes);
  writer.fixed32Field((8 << 3) | 5, traceFlags);
  if (traceId !== null) {
    writer.varint32((9 << 3) | 2);
    writer.blob(traceId);
  }
  if (spanId !== null) {
    writer.varint32((10 << 3) | 2);
    writer.blob(spanId);
  }
  writer.fixed64Field((11 << 3) | 1, observedNs);
  writer.close(mark);
}

/** Writes a repeated KeyValue field of OTLP, whose tag is `tag`. */
export function encodeMap(writer: Writer, tag: number, map: ValueMap): void {
  for (const key of Object.keys(map)) {
    const value = map[key]!;
    if (encodeShortPair(writer, tag, key, value)) continue;
    const mark = writer.open(tag, 1);
    writer.stringField((1 << 3) | 2, key);
    encodeValue(writer, (2 << 3) | 2, value);
    writer.close(mark);
  }
}

/** What a KeyValue of a short key and value holds besides their bytes: two tags, two lengths. */
const PAIR_BYTES = 4;

/**
 * Writes a pair whose lengths are known before and take one byte each, which is most of them: a
 * key and a text of ASCII, or a number. Otherwise nothing, and answers false.
 */
function encodeShortPair(writer: Writer, tag: number, key: string, value: Value): boolean {
  const isText = typeof value === 'string';
  if (!isText && typeof value !== 'number') return false;
  const valueBytes = isText ? 2 + value.length : 9;
  const pairBytes = PAIR_BYTES + key.length + valueBytes;
  if (pairBytes > 127 || key === '' || writer.depth + 2 > limits.depthMax) return false;
  writer.reserve(2 + pairBytes);
  const { bytes, position } = writer;
  bytes[position] = tag;
  bytes[position + 1] = pairBytes;
  bytes[position + 2] = (1 << 3) | 2;
  bytes[position + 3] = key.length;
  if (!putAscii(bytes, position + 4, key)) return false;
  const at = position + 4 + key.length;
  bytes[at] = (2 << 3) | 2;
  bytes[at + 1] = valueBytes;
  if (!isText) {
    bytes[at + 2] = (4 << 3) | 1;
    writer.position = at + 3;
    writer.double(value);
    return true;
  }
  bytes[at + 2] = (1 << 3) | 2;
  bytes[at + 3] = value.length;
  if (!putAscii(bytes, at + 4, value)) return false;
  writer.position = at + 4 + value.length;
  return true;
}

/** False when the text is not all ASCII. */
function putAscii(bytes: Uint8Array, start: number, text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code > 0x7f) return false;
    bytes[start + at] = code;
  }
  return true;
}

/** Writes an AnyValue field of OTLP. Nesting is bounded by whoever parsed the value. */
export function encodeValue(writer: Writer, tag: number, value: Value): void {
  const mark = writer.open(tag, typeof value === 'string' && value.length > 125 ? 2 : 1);
  switch (typeof value) {
    case 'string':
      writer.varint32((1 << 3) | 2);
      writer.string(value);
      break;
    case 'boolean':
      writer.varint32((2 << 3) | 0);
      writer.varint32(value ? 1 : 0);
      break;
    case 'bigint':
      writer.varint32((3 << 3) | 0);
      writer.varint64(value);
      break;
    case 'number':
      writer.varint32((4 << 3) | 1);
      writer.double(value);
      break;
    default:
      if (value !== null) encodeCompound(writer, value);
  }
  writer.close(mark);
}

function encodeCompound(writer: Writer, value: Uint8Array | readonly Value[] | ValueMap): void {
  if (value instanceof Uint8Array) {
    writer.varint32((7 << 3) | 2);
    writer.blob(value);
    return;
  }
  const isList = Array.isArray(value);
  const mark = writer.open(((isList ? 5 : 6) << 3) | 2, 1);
  if (isList) for (const inner of value) encodeValue(writer, (1 << 3) | 2, inner as Value);
  else encodeMap(writer, (1 << 3) | 2, value as ValueMap);
  writer.close(mark);
}
