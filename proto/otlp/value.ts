// AnyValue and KeyValue of common.proto, to and from protobuf.
//
// A message field that occurs twice is merged, as protobuf says: the later scalar wins, lists are
// joined, and of a oneof the member that came last wins. Joining goes on with the list of the
// earlier occurrence, which nobody else has seen: a copy each time would take quadratic time.

import { fieldBits } from '../protobuf/reader.ts';
import type { Reader } from '../protobuf/reader.ts';
import type { Writer } from '../protobuf/writer.ts';
import type { AnyValue, Attributes, KeyValue } from './model.ts';

/** A value with no member of the oneof set. */
export const EMPTY_VALUE: AnyValue = { type: 'empty', value: null };
export const NO_ATTRIBUTES: Attributes = [];

const TRUE: AnyValue = { type: 'bool', value: true };
const FALSE: AnyValue = { type: 'bool', value: false };
const VALUE_FIELDS = fieldBits(1, 2, 3, 4, 5, 6, 7);
const KEY_VALUE_FIELDS = fieldBits(1, 2);
const LIST_FIELDS = fieldBits(1);

export function decodeKeyValue(reader: Reader): KeyValue {
  const outer = reader.enter();
  let key = '';
  let value = EMPTY_VALUE;
  while (reader.more()) {
    const tag = reader.tag();
    switch (tag) {
      case (1 << 3) | 2:
        key = reader.string();
        break;
      case (2 << 3) | 2:
        value = decodeValue(reader, value);
        break;
      default:
        reader.skipUnknown(tag, KEY_VALUE_FIELDS);
    }
  }
  reader.leave(outer);
  return { key, value };
}

/** `before` is what an earlier occurrence of the same field held. */
export function decodeValue(reader: Reader, before: AnyValue = EMPTY_VALUE): AnyValue {
  const outer = reader.enter();
  let value = before;
  while (reader.more()) {
    const tag = reader.tag();
    switch (tag) {
      case (1 << 3) | 2:
        value = { type: 'string', value: reader.string() };
        break;
      case (2 << 3) | 0:
        value = reader.bool() ? TRUE : FALSE;
        break;
      case (3 << 3) | 0:
        value = { type: 'int', value: reader.int64() };
        break;
      case (4 << 3) | 1:
        value = { type: 'double', value: reader.double() };
        break;
      case (5 << 3) | 2:
        value = { type: 'array', value: decodeArray(reader, value) };
        break;
      case (6 << 3) | 2:
        value = { type: 'kvlist', value: decodeKeyValueList(reader, value) };
        break;
      case (7 << 3) | 2:
        value = { type: 'bytes', value: reader.blob() };
        break;
      default:
        reader.skipUnknown(tag, VALUE_FIELDS);
    }
  }
  reader.leave(outer);
  return value;
}

function decodeArray(reader: Reader, before: AnyValue): readonly AnyValue[] {
  const values = before.type === 'array' ? (before.value as AnyValue[]) : [];
  const outer = reader.enter();
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | 2)) values.push(decodeValue(reader));
    else reader.skipUnknown(tag, LIST_FIELDS);
  }
  reader.leave(outer);
  return values;
}

function decodeKeyValueList(reader: Reader, before: AnyValue): readonly KeyValue[] {
  const values = before.type === 'kvlist' ? (before.value as KeyValue[]) : [];
  const outer = reader.enter();
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | 2)) values.push(decodeKeyValue(reader));
    else reader.skipUnknown(tag, LIST_FIELDS);
  }
  reader.leave(outer);
  return values;
}

/**
 * Writes a repeated KeyValue field, whose tag is `tag`. An absent value and an empty one are the
 * same, so an empty one is left out: nothing is deeper than it was when it was read.
 */
export function encodeAttributes(writer: Writer, tag: number, attributes: Attributes): void {
  for (const { key, value } of attributes) {
    const mark = writer.open(tag, 1);
    writer.stringField((1 << 3) | 2, key);
    if (value.type !== 'empty') encodeValue(writer, (2 << 3) | 2, value);
    writer.close(mark);
  }
}

/** Writes an AnyValue field, also for a value that is empty: its presence has a meaning. */
export function encodeValue(writer: Writer, tag: number, value: AnyValue): void {
  const mark = writer.open(tag, 1);
  switch (value.type) {
    case 'string':
      writer.varint32((1 << 3) | 2);
      writer.string(value.value);
      break;
    case 'bool':
      writer.varint32((2 << 3) | 0);
      writer.varint32(value.value ? 1 : 0);
      break;
    case 'int':
      writer.varint32((3 << 3) | 0);
      writer.varint64(value.value);
      break;
    case 'double':
      writer.varint32((4 << 3) | 1);
      writer.double(value.value);
      break;
    case 'array':
      encodeArray(writer, value.value);
      break;
    case 'kvlist':
      encodeKeyValueList(writer, value.value);
      break;
    case 'bytes':
      writer.varint32((7 << 3) | 2);
      writer.blob(value.value);
      break;
    case 'empty':
      break;
  }
  writer.close(mark);
}

function encodeArray(writer: Writer, values: readonly AnyValue[]): void {
  const mark = writer.open((5 << 3) | 2, 1);
  for (const value of values) encodeValue(writer, (1 << 3) | 2, value);
  writer.close(mark);
}

function encodeKeyValueList(writer: Writer, values: readonly KeyValue[]): void {
  const mark = writer.open((6 << 3) | 2, 1);
  encodeAttributes(writer, (1 << 3) | 2, values);
  writer.close(mark);
}
