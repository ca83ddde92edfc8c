// The JSON form of the scalar types, as OTLP 1.11 ("JSON Protobuf Encoding") and protobuf's own
// mapping to JSON say:
//
//   ids             hexadecimal, any case in, lower case out; other bytes: base64, either alphabet
//   64-bit integers numbers or decimal strings in, without loss; strings out
//   32-bit integers numbers or decimal strings in; numbers out
//   enums           integers only, never their names
//   doubles         numbers or strings in; "NaN", "Infinity", "-Infinity" as strings out
//
// A number such as 1e3 or 5.0 is an integer; one that its type cannot hold is refused.

import type { JsonReader } from '../../json/reader.ts';
import type { Kind } from './fields.ts';

const INT32_MIN = -(2 ** 31);
const INT32_MAX = 2 ** 31 - 1;
const UINT32_MAX = 2 ** 32 - 1;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

export const STRING: Kind<string> = {
  read: (reader) => reader.string(),
  json: (value) => value,
};

export const BOOL: Kind<boolean> = {
  read: (reader) => reader.boolean(),
  json: (value) => value,
};

export const ID: Kind<string> = {
  read(reader) {
    const text = reader.string();
    if (!HEX.test(text)) reader.fail('expected hexadecimal bytes');
    return text.toLowerCase();
  },
  json: (value) => value,
};
const HEX = /^(?:[0-9a-fA-F]{2})*$/;

export const BYTES: Kind<Uint8Array> = {
  read(reader) {
    const text = reader.string();
    if (!BASE64.test(text)) reader.fail('expected base64');
    return Uint8Array.from(Buffer.from(text, 'base64'));
  },
  json: (value) => Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64'),
};
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

export const UINT32: Kind<number> = int32Kind(0, UINT32_MAX);
export const INT32: Kind<number> = int32Kind(INT32_MIN, INT32_MAX);
export const UINT64: Kind<bigint> = int64Kind(0n, UINT64_MAX);
export const INT64: Kind<bigint> = int64Kind(INT64_MIN, INT64_MAX);

export const ENUM: Kind<number> = {
  read(reader) {
    if (reader.isString()) reader.fail('expected the number of an enum value');
    return INT32.read(reader);
  },
  json: (value) => value,
};

export const DOUBLE: Kind<number> = {
  read(reader) {
    const text = reader.isString() ? reader.string() : reader.number();
    const special = SPECIAL_DOUBLES.get(text);
    if (special !== undefined) return special;
    const value = DECIMAL.test(text) ? Number(text) : NaN;
    if (!Number.isFinite(value)) reader.fail('expected a number that a double can hold');
    return value;
  },
  // JSON.stringify would write null for those that are not finite, and lose the sign of -0.
  json: (value) => {
    if (Object.is(value, -0)) return '-0';
    return Number.isFinite(value) ? value : String(value);
  },
};
const DECIMAL = /^-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;
const SPECIAL_DOUBLES: ReadonlyMap<string, number> = new Map([
  ['NaN', NaN], ['Infinity', Infinity], ['-Infinity', -Infinity],
]);

function int32Kind(min: number, max: number): Kind<number> {
  return {
    read(reader) {
      const value = Number(readInteger(reader));
      if (value < min || value > max) reader.fail(`expected an integer from ${min} to ${max}`);
      return value;
    },
    json: (value) => value,
  };
}

function int64Kind(min: bigint, max: bigint): Kind<bigint> {
  return {
    read(reader) {
      const value = readInteger(reader);
      if (value < min || value > max) reader.fail(`expected an integer from ${min} to ${max}`);
      return value;
    },
    json: (value) => String(value),
  };
}

/** More digits than any integer of 64 bits has: refused before a BigInt is made of them. */
const INTEGER_CHARS_MAX = 40;
const INTEGER = /^-?[0-9]+$/;
const DECIMAL_PARTS = /^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/;

function readInteger(reader: JsonReader): bigint {
  const text = reader.isString() ? reader.string() : reader.number();
  if (text.length > INTEGER_CHARS_MAX) reader.fail('expected an integer of at most 64 bits');
  if (INTEGER.test(text)) return BigInt(text);
  return exactInteger(text) ?? reader.fail('expected an integer');
}

/** The value of a decimal such as 5.0 or 1.5e3, or null when it is not whole or far too large. */
function exactInteger(text: string): bigint | null {
  const parts = DECIMAL_PARTS.exec(text);
  if (parts === null) return null;
  const [, sign, whole, fraction = '', exponent = '0'] = parts;
  const digits = `${whole}${fraction}`;
  const shift = Number(exponent) - fraction.length;
  if (/^0+$/.test(digits)) return 0n;
  if (shift > INTEGER_CHARS_MAX || shift < -digits.length) return null;
  const kept = shift < 0 ? digits.slice(0, shift) : digits + '0'.repeat(shift);
  const cut = shift < 0 ? digits.slice(shift) : '';
  return /^0*$/.test(cut) ? BigInt(`${sign}${kept === '' ? '0' : kept}`) : null;
}
