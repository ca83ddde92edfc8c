// The values that expressions have while they run. What JavaScript has stands for itself, so that
// reading and comparing costs nothing; maps and lists are those of the OTLP model, shared and never
// changed in place.
//
//   nil null · bool boolean · int bigint · double number · string string · bytes Uint8Array
//   map and list: AnyValue of type kvlist and array · time, duration, ids: the classes below
//   what has no form of its own in OTTL (events, links, data points, …): Opaque

import type { AnyValue, Attributes, KeyValue } from '../../proto/otlp/model.ts';
import { fail } from './fault.ts';

export type MapValue = Extract<AnyValue, { type: 'kvlist' }>;
export type ListValue = Extract<AnyValue, { type: 'array' }>;

export type Value =
  | null | boolean | bigint | number | string | Uint8Array | MapValue | ListValue
  | Time | Duration | Id | Opaque;

/** An instant, with the offset from UTC that its calendar is read with. */
export class Time {
  readonly ns: bigint;
  readonly offsetSeconds: number;
  /** The name of the zone, when it is known: `UTC`, `CET`. */
  readonly zone: string;

  constructor(ns: bigint, offsetSeconds: number = 0, zone: string = 'UTC') {
    this.ns = ns;
    this.offsetSeconds = offsetSeconds;
    this.zone = zone;
  }
}

export class Duration {
  readonly ns: bigint;

  constructor(ns: bigint) {
    this.ns = ns;
  }
}

/** A trace or span id: lower-case hex, of full length also when it is absent in the model. */
export class Id {
  readonly hex: string;

  constructor(hex: string, bytes: 8 | 16) {
    this.hex = hex.length === 0 ? '0'.repeat(2 * bytes) : hex;
  }

  /** As the model has it: '' for an id of zeros. */
  get stored(): string {
    return /^0*$/.test(this.hex) ? '' : this.hex;
  }
}

/** A part of the model that can be copied from one path to another of its kind. */
export class Opaque {
  readonly kind: string;
  readonly content: unknown;

  constructor(kind: string, content: unknown) {
    this.kind = kind;
    this.content = content;
  }
}

export const EMPTY_ANY: AnyValue = { type: 'empty', value: null };

export const mapOf = (pairs: Attributes): MapValue => ({ type: 'kvlist', value: pairs });
export const listOf = (items: readonly AnyValue[]): ListValue => ({ type: 'array', value: items });
export const stringAny = (value: string): AnyValue => ({ type: 'string', value });

/** The value of an attribute, a body, an element. */
export function fromAny(any: AnyValue | undefined): Value {
  if (any === undefined) return null;
  return any.type === 'kvlist' || any.type === 'array' ? any : any.value;
}

/** What is stored in the model for a value. Throws OttlFailure for what the model cannot hold. */
export function toAny(value: Value): AnyValue {
  switch (typeof value) {
    case 'string':
      return { type: 'string', value };
    case 'bigint':
      return { type: 'int', value };
    case 'number':
      return { type: 'double', value };
    case 'boolean':
      return { type: 'bool', value };
    default:
  }
  if (value === null) return EMPTY_ANY;
  if (value instanceof Uint8Array) return { type: 'bytes', value };
  if (value instanceof Id) return { type: 'bytes', value: Buffer.from(value.hex, 'hex') };
  if (isMap(value) || isList(value)) return value;
  return fail(`${typeName(value)} cannot be stored in a map or list: convert it first`);
}

export const isMap = (value: Value): value is MapValue =>
  typeof value === 'object' && value !== null && (value as MapValue).type === 'kvlist';
export const isList = (value: Value): value is ListValue =>
  typeof value === 'object' && value !== null && (value as ListValue).type === 'array';

/** What a value is, for messages: `string`, `map`, `time`. */
export function typeName(value: Value): string {
  if (value === null) return 'nil';
  if (typeof value === 'bigint') return 'int';
  if (typeof value === 'number') return 'double';
  if (typeof value !== 'object') return value === true || value === false ? 'bool' : 'string';
  if (value instanceof Uint8Array) return 'bytes';
  if (value instanceof Time) return 'time';
  if (value instanceof Duration) return 'duration';
  if (value instanceof Id) return 'id';
  if (value instanceof Opaque) return value.kind;
  return value.type === 'kvlist' ? 'map' : 'list';
}

/** The value of a key, or undefined. The last one wins where a key occurs twice. */
export function findKey(pairs: Attributes, key: string): AnyValue | undefined {
  for (let index = 0; index < pairs.length; index++) {
    if (pairs[index]!.key === key) return pairs[index]!.value;
  }
  return undefined;
}

/** The list with the key's value replaced, or the pair added at the end; always a new list. */
export function withKey(pairs: Attributes, key: string, value: AnyValue): Attributes {
  const copy: KeyValue[] = pairs.slice();
  const index = copy.findIndex((pair) => pair.key === key);
  if (index === -1) copy.push({ key, value });
  else copy[index] = { key, value };
  return copy;
}

/** The text of a value, as converters make it; maps and lists as JSON. Null for nil. */
export function textOf(value: Value, bytes: 'hex' | 'base64' = 'hex'): string | null {
  switch (typeof value) {
    case 'string':
      return value;
    case 'bigint':
    case 'boolean':
      return String(value);
    case 'number':
      return doubleText(value);
    default:
  }
  if (value === null) return null;
  if (value instanceof Uint8Array) return Buffer.from(value).toString(bytes);
  if (value instanceof Id) return value.hex;
  if (value instanceof Time) return timeText(value);
  if (value instanceof Duration) return durationText(value.ns);
  if (value instanceof Opaque) return fail(`${value.kind} has no text form`);
  return jsonOf(value);
}

/** As Go's JSON has it: keys in order, 64-bit integers in full, bytes in base64. */
export function jsonOf(any: AnyValue): string {
  switch (any.type) {
    case 'string':
      return JSON.stringify(any.value);
    case 'int':
    case 'bool':
      return String(any.value);
    case 'double':
      return Number.isFinite(any.value) ? doubleText(any.value) : JSON.stringify(`${any.value}`);
    case 'bytes':
      return JSON.stringify(Buffer.from(any.value).toString('base64'));
    case 'array':
      return `[${any.value.map(jsonOf).join(',')}]`;
    case 'kvlist': {
      const sorted = [...any.value].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
      return `{${sorted.map(({ key, value }) =>
        `${JSON.stringify(key)}:${jsonOf(value)}`).join(',')}}`;
    }
    default:
      return 'null';
  }
}

function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  return String(value);
}

function timeText({ ns, offsetSeconds, zone }: Time): string {
  const local = new Date(Number(ns / 1_000_000n) + offsetSeconds * 1000).toISOString();
  const fraction = (ns % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '');
  const offset = Math.abs(offsetSeconds);
  const two = (number: number) => String(number).padStart(2, '0');
  return `${local.slice(0, 10)} ${local.slice(11, 19)}${fraction === '' ? '' : `.${fraction}`} `
    + `${offsetSeconds < 0 ? '-' : '+'}${two(Math.floor(offset / 3600))}`
    + `${two(Math.floor(offset / 60) % 60)} ${zone}`;
}

/** As Go writes a duration: `1h2m3.5s`, `250ms`. */
export function durationText(ns: bigint): string {
  if (ns === 0n) return '0s';
  const sign = ns < 0n ? '-' : '';
  const abs = ns < 0n ? -ns : ns;
  if (abs < 1000n) return `${sign}${abs}ns`;
  if (abs < 1_000_000n) return `${sign}${Number(abs) / 1e3}\u00b5s`;
  if (abs < 1_000_000_000n) return `${sign}${Number(abs) / 1e6}ms`;
  const seconds = abs / 1_000_000_000n;
  const rest = Number(abs % 60_000_000_000n) / 1e9;
  const minutes = seconds / 60n;
  if (minutes === 0n) return `${sign}${rest}s`;
  const hours = minutes / 60n;
  return hours === 0n ? `${sign}${minutes}m${rest}s` : `${sign}${hours}h${minutes % 60n}m${rest}s`;
}
