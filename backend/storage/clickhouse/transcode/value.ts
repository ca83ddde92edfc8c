// AnyValue of common.proto as the text that the columns hold, straight from the wire:
//
//   string   as it is                      bytes    base64 (RFC 4648 section 4, padded)
//   bool     true, false                   array    JSON
//   int      decimal                       kvlist   JSON, in the sender's order
//   double   shortest form that reads      empty    '' (null inside JSON)
//            back the same; NaN, Infinity
//
// Inside JSON, bytes are base64 strings and NaN and the infinities are strings, as in OTLP's JSON
// encoding. Strings are copied byte for byte, invalid UTF-8 included. When a sender sets more than
// one member of the oneof, the last one counts.

import { fieldBits, toBigInt } from '../../../../proto/protobuf/reader.ts';
import type { Reader } from '../../../../proto/protobuf/reader.ts';
import { Bytes } from './columns.ts';
import type { Source } from './columns.ts';

const VALUE_FIELDS = fieldBits(1, 2, 3, 4, 5, 6, 7);
const KEY_VALUE_FIELDS = fieldBits(1, 2);
const LIST_FIELDS = fieldBits(1);

/** Holds the text of one value that is not a string. Nothing here is entered twice at a time. */
const scratch = new Bytes();

/**
 * Reads an AnyValue whose content is from `start` to `end` and appends its text as one string.
 * The reader is left where it was.
 */
export function appendValue(column: Bytes, source: Source, start: number, end: number): void {
  const { reader, bytes } = source;
  // What nearly all values are: one string of less than 128 bytes.
  const size = end - start - 2;
  if (size < 0x80 && bytes[start + 1] === size && bytes[start] === ((1 << 3) | 2)) {
    column.string(source, start + 2, end);
    return;
  }
  // Most others: one integer of up to 21 bits, which is 3 bytes.
  const integer = size >= 0 && size < 3 ? smallVarint(bytes, start + 1, end) : -1;
  if (integer >= 0 && bytes[start] === ((3 << 3) | 0)) {
    column.decimal(integer);
    return;
  }
  const before = reader.position;
  const member = findMember(reader, start, end);
  if (member === 0) {
    column.byte(0);
  } else if (member >>> 3 === 1) {
    const from = reader.range();
    column.string(source, from, reader.position);
  } else {
    scratch.reset();
    appendMember(scratch, source, member, false);
    column.whole(scratch.used());
  }
  reader.position = before;
}

/** The varint that is all there is from `start` to `end`, at most 3 bytes; -1 for any other. */
function smallVarint(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let at = start, shift = 0; at < end; at++, shift += 7) {
    const byte = bytes[at]!;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return at === end - 1 ? value : -1;
  }
  return -1;
}

/**
 * Finds the last member that is set; answers its tag, or 0. The reader stands at its value then,
 * with `end` as it was: whatever the member is, its length was checked.
 */
function findMember(reader: Reader, start: number, end: number): number {
  const outer = reader.end;
  reader.position = start;
  reader.end = end;
  let member = 0;
  let at = end;
  while (reader.more()) {
    const tag = reader.tag();
    if (isMember(tag)) {
      member = tag;
      at = reader.position;
      reader.skip(tag & 7);
    } else reader.skipUnknown(tag, VALUE_FIELDS);
  }
  reader.position = at;
  reader.end = outer;
  return member;
}

function isMember(tag: number): boolean {
  switch (tag) {
    case (1 << 3) | 2:
    case (2 << 3) | 0:
    case (3 << 3) | 0:
    case (4 << 3) | 1:
    case (5 << 3) | 2:
    case (6 << 3) | 2:
    case (7 << 3) | 2:
      return true;
    default:
      return false;
  }
}

/** Appends the text of a member that is not a string, or JSON of any member. */
function appendMember(target: Bytes, source: Source, member: number, json: boolean): void {
  const { reader } = source;
  switch (member >>> 3) {
    case 1: return appendJsonString(target, source);
    case 2: return target.ascii(reader.bool() ? 'true' : 'false');
    case 3: return appendInteger(target, reader);
    case 4: return appendDouble(target, reader.double(), json);
    case 5: return appendArray(target, source);
    case 6: return appendObject(target, source);
    default: return appendBase64(target, source, json);
  }
}

function appendInteger(target: Bytes, reader: Reader): void {
  reader.varint64();
  const { low, high } = reader;
  target.ascii(high === low >> 31 ? String(low) : toBigInt(low, high).toString());
}

/** JavaScript's own text is the shortest that reads back the same, but it drops the sign of -0. */
export function doubleText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

function appendDouble(target: Bytes, value: number, json: boolean): void {
  const text = doubleText(value);
  target.ascii(json && !Number.isFinite(value) ? `"${text}"` : text);
}

function appendBase64(target: Bytes, source: Source, json: boolean): void {
  const start = source.reader.range();
  const text = source.bytes.toString('base64', start, source.reader.position);
  target.ascii(json ? `"${text}"` : text);
}

function appendArray(target: Bytes, source: Source): void {
  const { reader } = source;
  const outer = reader.enter();
  let separator = '[';
  while (reader.more()) {
    const tag = reader.tag();
    if (tag !== ((1 << 3) | 2)) {
      reader.skipUnknown(tag, LIST_FIELDS);
      continue;
    }
    target.ascii(separator);
    separator = ',';
    appendJsonValue(target, source);
  }
  target.ascii(separator === '[' ? '[]' : ']');
  reader.leave(outer);
}

function appendObject(target: Bytes, source: Source): void {
  const { reader } = source;
  const outer = reader.enter();
  let separator = '{';
  while (reader.more()) {
    const tag = reader.tag();
    if (tag !== ((1 << 3) | 2)) {
      reader.skipUnknown(tag, LIST_FIELDS);
      continue;
    }
    target.ascii(separator);
    separator = ',';
    appendJsonEntry(target, source);
  }
  target.ascii(separator === '{' ? '{}' : '}');
  reader.leave(outer);
}

function appendJsonEntry(target: Bytes, source: Source): void {
  const { reader } = source;
  const outer = reader.enter();
  let key = -1;
  let value = -1;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | 2)) key = skipped(reader);
    else if (tag === ((2 << 3) | 2)) value = skipped(reader);
    else reader.skipUnknown(tag, KEY_VALUE_FIELDS);
  }
  if (key < 0) target.ascii('""');
  else {
    reader.position = key;
    appendJsonString(target, source);
  }
  target.ascii(':');
  if (value < 0) target.ascii('null');
  else {
    reader.position = value;
    appendJsonValue(target, source);
  }
  reader.leave(outer);
}

/** Moves over a field and answers where its length stands. */
function skipped(reader: Reader): number {
  const at = reader.position;
  reader.range();
  return at;
}

/** Reads an AnyValue with its length. */
function appendJsonValue(target: Bytes, source: Source): void {
  const { reader } = source;
  const outer = reader.enter();
  const { end } = reader;
  const member = findMember(reader, reader.position, end);
  if (member === 0) target.ascii('null');
  else appendMember(target, source, member, true);
  reader.position = end;
  reader.leave(outer);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ESCAPES: Readonly<Record<number, string>> = {
  [QUOTE]: '\\"',
  [BACKSLASH]: '\\\\',
  0x08: '\\b',
  0x09: '\\t',
  0x0a: '\\n',
  0x0c: '\\f',
  0x0d: '\\r',
};

/** Escapes what RFC 8259 section 7 demands and nothing else, as JSON.stringify does. */
function appendJsonString(target: Bytes, source: Source): void {
  const { reader, bytes } = source;
  const start = reader.range();
  const end = reader.position;
  target.ascii('"');
  target.reserve(end - start);
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH) target.byte(byte);
    else target.ascii(ESCAPES[byte] ?? `\\u${byte.toString(16).padStart(4, '0')}`);
  }
  target.ascii('"');
}
