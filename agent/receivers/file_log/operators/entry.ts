// A log record while operators work on it, and the fields by which they name its parts:
//
//   body   body.message   attributes   attributes.user.id   attributes["user.id"]   resource.host
//
// Invariants: an entry belongs to one run of the operators and is changed in place; no object that
// came from parsing has a prototype that assignment could reach (the prototype of `attributes` and
// `resource` is empty, and values are only read by own keys).

import * as z from 'zod';
import { fault } from '../../../../config/schema.ts';
import { limits } from '../../../../proto/protobuf/reader.ts';
import type { Writer } from '../../../../proto/protobuf/writer.ts';

export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Value[]
  | ValueMap;
export interface ValueMap {
  [key: string]: Value;
}

export interface Entry {
  /** 0n until a time was parsed. */
  timeNs: bigint;
  severityNumber: number;
  severityText: string;
  body: Value;
  attributes: ValueMap;
  resource: ValueMap;
}

export interface Field {
  readonly root: 'body' | 'attributes' | 'resource';
  readonly keys: readonly string[];
}

export const BODY: Field = { root: 'body', keys: [] };
export const ATTRIBUTES: Field = { root: 'attributes', keys: [] };

export function field(): z.ZodType<Field, string> {
  const schema = z.string().transform((text, ctx) => {
    const parsed = parseField(text);
    if (parsed !== null) return parsed;
    fault(ctx, 'is not a field',
      'write body, attributes.name, attributes["a.name"] or resource.name');
    return z.NEVER;
  });
  return schema;
}

export function parseField(text: string): Field | null {
  const match = /^(body|attributes|resource)(.*)$/s.exec(text);
  if (match === null) return null;
  const part = /\.([^.[\]"']+)|\["([^"]+)"\]|\['([^']+)'\]/gy;
  const rest = match[2]!;
  const keys: string[] = [];
  let position = 0;
  for (let found = part.exec(rest); found !== null; found = part.exec(rest)) {
    keys.push((found[1] ?? found[2] ?? found[3])!);
    position = part.lastIndex;
  }
  return position === rest.length ? { root: match[1] as Field['root'], keys } : null;
}

/** Undefined when there is nothing of that name. */
export function getField(entry: Entry, { root, keys }: Field): Value | undefined {
  let value: Value = entry[root];
  for (const key of keys) {
    if (!isMap(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key]!;
  }
  return value;
}

/**
 * Puts a value into a field. A map is merged into what is there, as in the Collector; what stands
 * in the way on the path is replaced. False when attributes or resource as a whole would have to
 * become a value that is no map.
 */
export function setField(entry: Entry, { root, keys }: Field, value: Value): boolean {
  if (!isMap(value) && keys.length === 0) {
    if (root === 'body') entry.body = value;
    return root === 'body';
  }
  if (!isMap(entry[root])) entry.body = emptyMap();
  let map = entry[root] as ValueMap;
  for (const key of isMap(value) ? keys : keys.slice(0, -1)) {
    const next = Object.hasOwn(map, key) ? map[key] : undefined;
    map = isMap(next) ? next : (map[key] = emptyMap());
  }
  if (isMap(value)) for (const key of Object.keys(value)) map[key] = value[key]!;
  else map[keys.at(-1)!] = value;
  return true;
}

/** Takes a field away and answers what it held, or undefined. */
export function removeField(entry: Entry, { root, keys }: Field): Value | undefined {
  const value = getField(entry, { root, keys });
  if (value === undefined) return undefined;
  if (keys.length === 0) {
    if (root === 'body') entry.body = null;
    else entry[root] = emptyMap();
    return value;
  }
  delete (getField(entry, { root, keys: keys.slice(0, -1) }) as ValueMap)[keys.at(-1)!];
  return value;
}

export function isMap(value: Value | undefined): value is ValueMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    && !(value instanceof Uint8Array);
}

export function emptyMap(): ValueMap {
  return new (EmptyMap as unknown as new () => ValueMap)();
}

// Objects made by `Object.create(null)` are slow tables from their beginning; these are not.
const EmptyMap = function EmptyMap() {};
EmptyMap.prototype = Object.create(null);

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
