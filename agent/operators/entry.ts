// A log record while operators work on it, and the fields by which they name its parts:
//
//   body   body.message   attributes   attributes.user.id   attributes["user.id"]   resource.host
//
// Invariants: an entry belongs to one run of the operators and is changed in place; no object that
// came from parsing has a prototype that assignment could reach (the prototype of `attributes` and
// `resource` is empty, and values are only read by own keys).

import * as z from 'zod';
import { fault } from '../../config/schema.ts';

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
  /** May be shared with other entries until operators get it. */
  resource: ValueMap;
  /** Empty for none. */
  scopeName: string;
  /** 16 and 8 bytes, or null. */
  traceId: Uint8Array | null;
  spanId: Uint8Array | null;
  traceFlags: number;
  /** Which of the entries that were given in it is made of: the first and the last of them. */
  first: number;
  last: number;
}

/** An entry without time, severity and trace. */
export function createEntry(body: Value, attributes: ValueMap, resource: ValueMap): Entry {
  return {
    timeNs: 0n, severityNumber: 0, severityText: '', body, attributes, resource,
    scopeName: '', traceId: null, spanId: null, traceFlags: 0, first: 0, last: 0,
  };
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

/** A copy that shares nothing that can be changed. */
export function duplicate(value: Value): Value {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(duplicate);
  return duplicateMap(value as ValueMap);
}

export function duplicateMap(map: ValueMap): ValueMap {
  const copy = emptyMap();
  for (const key of Object.keys(map)) copy[key] = duplicate(map[key]!);
  return copy;
}
