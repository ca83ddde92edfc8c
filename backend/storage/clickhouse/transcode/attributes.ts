// Attributes (repeated KeyValue of common.proto) into map columns.
//
// Attributes keep the sender's order, and a key that occurs twice is kept twice: nothing is lost,
// and `map['key']` answers the first.

import { fieldBits } from '../../../../proto/protobuf/reader.ts';
import type { Reader } from '../../../../proto/protobuf/reader.ts';
import type { Bytes, Source } from './columns.ts';
import type { Dictionary } from './dictionary.ts';
import { appendValue } from './value.ts';

const KEY_VALUE_FIELDS = fieldBits(1, 2);

/** Where key and value of the attribute being read stand. Nothing here is entered twice. */
const found = { key: 0, keyEnd: 0, value: 0, valueEnd: 0 };

/** Reads a KeyValue with its length and appends it as an entry; the row is ended elsewhere. */
export function appendAttribute(keys: Dictionary, values: Bytes, source: Source): void {
  findParts(source.reader);
  keys.append(source.view, found.key, found.keyEnd);
  appendValue(values, source, found.value, found.valueEnd);
}

/** The same for an entry that is kept as two strings. */
export function appendPlainAttribute(keys: Bytes, values: Bytes, source: Source): void {
  findParts(source.reader);
  keys.string(source, found.key, found.keyEnd);
  appendValue(values, source, found.value, found.valueEnd);
}

function findParts(reader: Reader): void {
  if (findShortParts(reader)) return;
  const outer = reader.enter();
  let key = 0;
  let keyEnd = 0;
  let value = 0;
  let valueEnd = 0;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | 2)) {
      key = reader.range();
      keyEnd = reader.position;
    } else if (tag === ((2 << 3) | 2)) {
      value = reader.range();
      valueEnd = reader.position;
    } else reader.skipUnknown(tag, KEY_VALUE_FIELDS);
  }
  reader.leave(outer);
  found.key = key;
  found.keyEnd = keyEnd;
  found.value = value;
  found.valueEnd = valueEnd;
}

/** What nearly all attributes are: a key, then a value, each of less than 128 bytes. */
function findShortParts(reader: Reader): boolean {
  const { bytes, position, end } = reader;
  const size = bytes[position]!;
  const last = position + 1 + size;
  if (position >= end || size >= 0x80 || size < 4 || last > end) return false;
  const key = position + 3;
  const keyEnd = key + bytes[key - 1]!;
  const value = keyEnd + 2;
  if (bytes[position + 1] !== ((1 << 3) | 2) || value > last) return false;
  if (bytes[keyEnd] !== ((2 << 3) | 2) || value + bytes[keyEnd + 1]! !== last) return false;
  found.key = key;
  found.keyEnd = keyEnd;
  found.value = value;
  found.valueEnd = last;
  reader.position = last;
  return true;
}
