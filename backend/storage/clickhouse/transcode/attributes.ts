// Attributes (repeated KeyValue of common.proto) into map columns.
//
// Attributes keep the sender's order, and a key that occurs twice is kept twice: nothing is lost,
// and `map['key']` answers the first.

import { fieldBits } from '../../../../proto/protobuf/reader.ts';
import type { Bytes, Source } from './columns.ts';
import { appendValue } from './value.ts';

const KEY_VALUE_FIELDS = fieldBits(1, 2);

/** Reads a KeyValue with its length and appends it as an entry; the row is ended elsewhere. */
export function appendAttribute(keys: Bytes, values: Bytes, source: Source): void {
  const { reader } = source;
  const outer = reader.enter();
  let keyStart = 0;
  let keyEnd = 0;
  let valueStart = 0;
  let valueEnd = 0;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | 2)) {
      keyStart = reader.range();
      keyEnd = reader.position;
    } else if (tag === ((2 << 3) | 2)) {
      valueStart = reader.range();
      valueEnd = reader.position;
    } else reader.skipUnknown(tag, KEY_VALUE_FIELDS);
  }
  keys.string(source, keyStart, keyEnd);
  appendValue(values, source, valueStart, valueEnd);
  reader.leave(outer);
}
