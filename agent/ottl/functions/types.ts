// Converters between types, and what asks for the type of a value.

import { equal } from '../compare.ts';
import { fail } from '../fault.ts';
import {
  Duration, Id, isList, isMap, Opaque, textOf, Time, typeName, type Value,
} from '../value.ts';
import { converter, type FunctionSpec } from './function.ts';
import { anyValue, pattern, searchable, textLike, values } from './parameters.ts';

/** A converter of one value. */
function ofValue(name: string, convert: (value: Value) => Value): FunctionSpec {
  return converter(name, { value: anyValue() }, ({ value }) => (view) => convert(value(view)));
}

const TRUE = ['1', 't', 'T', 'true', 'TRUE', 'True'];
const FALSE = ['0', 'f', 'F', 'false', 'FALSE', 'False'];

function toBool(value: Value): Value {
  switch (typeof value) {
    case 'boolean':
      return value;
    case 'number':
    case 'bigint':
      return Number(value) !== 0;
    case 'string':
      return TRUE.includes(value) ? true : FALSE.includes(value) ? false : null;
    default:
      return null;
  }
}

const INT64_END = 2 ** 63;

/** Nil for what is no int of 64 bits. */
export function toInt(value: Value): bigint | null {
  switch (typeof value) {
    case 'bigint':
      return value;
    case 'boolean':
      return value ? 1n : 0n;
    case 'number':
      return Math.abs(value) < INT64_END ? BigInt(Math.trunc(value)) : null;
    case 'string':
      return parseDecimal(value);
    default:
      return null;
  }
}

function parseDecimal(text: string): bigint | null {
  if (!/^[+-]?\d{1,19}$/.test(text)) return null;
  const number = BigInt(text.replace('+', ''));
  return BigInt.asIntN(64, number) === number ? number : null;
}

/** Nil for what is no number. */
export function toDouble(value: Value): number | null {
  switch (typeof value) {
    case 'number':
      return value;
    case 'bigint':
      return Number(value);
    case 'boolean':
      return value ? 1 : 0;
    case 'string':
      return parseDouble(value);
    default:
      return null;
  }
}

/** As Go's ParseFloat, of what people write. */
function parseDouble(text: string): number | null {
  if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) return Number(text);
  const special = /^([+-]?)(?:(inf(?:inity)?)|nan)$/i.exec(text);
  if (special === null) return null;
  return special[2] === undefined ? NaN : special[1] === '-' ? -Infinity : Infinity;
}

function logarithm(value: Value): number {
  const number = toDouble(value);
  if (number === null) return fail(`Log cannot be taken of ${typeName(value)}`);
  return number > 0 ? Math.log(number) : fail('Log cannot be taken of what is not above zero');
}

function toHex(value: Value): Value {
  switch (typeof value) {
    case 'string':
      return Buffer.from(value).toString('hex');
    case 'bigint':
      return BigInt.asUintN(64, value).toString(16);
    case 'number': {
      const bytes = Buffer.alloc(8);
      bytes.writeDoubleBE(value);
      return bytes.toString('hex');
    }
    case 'boolean':
      return value ? '01' : '00';
    default:
  }
  if (value === null) return null;
  if (value instanceof Uint8Array || value instanceof Id) return textOf(value);
  return fail(`Hex cannot be made of ${typeName(value)}`);
}

function isEmpty(value: Value): boolean {
  if (value === null || value === '' || value === false || value === 0 || value === 0n) return true;
  if (typeof value !== 'object') return false;
  if (value instanceof Uint8Array) return value.length === 0;
  if (value instanceof Id) return value.stored === '';
  if (value instanceof Duration) return value.ns === 0n;
  if (value instanceof Time) return false;
  if (value instanceof Opaque) return Array.isArray(value.content) && value.content.length === 0;
  return value.value.length === 0;
}

function lengthOf(value: Value): bigint {
  if (typeof value === 'string') return BigInt(Buffer.byteLength(value));
  if (value instanceof Uint8Array) return BigInt(value.length);
  if (isMap(value) || isList(value)) return BigInt(value.value.length);
  if (value instanceof Opaque && Array.isArray(value.content)) return BigInt(value.content.length);
  return fail(`Len cannot be taken of ${typeName(value)}`);
}

const isMatch = converter('IsMatch', { target: textLike('base64'), pattern: pattern() },
  ({ target, pattern: matches }) => (view) => {
    const found = target(view);
    return found !== null && matches(view).test(searchable(found));
  });

const coalesce = converter('Coalesce', { values: values() }, ({ values: asked }) => (view) =>
  asked(view).find((value) => value !== null) ?? null);

const isRootSpan = converter('IsRootSpan', {}, () => (view) =>
  /^0*$/.test(view.span!.parentSpanId), { contexts: ['span'], pure: false });

/** Where a value stands in a list; -1 for nowhere. */
export const indexOfValue = (list: readonly Value[], wanted: Value): number =>
  list.findIndex((item) => equal(item, wanted));

export const TYPE_FUNCTIONS: readonly FunctionSpec[] = [
  ofValue('Bool', toBool), ofValue('Int', toInt), ofValue('Double', toDouble),
  ofValue('String', (value) => textOf(value)), ofValue('Hex', toHex), ofValue('Log', logarithm),
  ofValue('Len', lengthOf), ofValue('IsEmpty', isEmpty),
  ofValue('IsBool', (value) => typeof value === 'boolean'),
  ofValue('IsDouble', (value) => typeof value === 'number'),
  ofValue('IsInt', (value) => typeof value === 'bigint'),
  ofValue('IsString', (value) => typeof value === 'string'),
  ofValue('IsMap', isMap),
  ofValue('IsList', (value) => isList(value)
    || (value instanceof Opaque && Array.isArray(value.content))),
  isMatch, coalesce, isRootSpan,
];
