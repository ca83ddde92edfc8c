// The kinds of fields that paths lead to. Each is built from how it is read, written out for the
// one place it is in so that reading is as fast as the code it would replace, and from the name of
// the record and key, for writing.
//
// Writing nil does nothing. Writing a value of another type fails.

import type { AnyValue, Attributes } from '../../../proto/otlp/model.ts';
import { fail } from '../fault.ts';
import {
  fromAny, Id, isList, isMap, listOf, mapOf, Opaque, Time, toAny, typeName, type Value,
} from '../value.ts';
import { draftOf, type OttlView, type ViewRecords } from '../view.ts';

export interface Field {
  /** As documented: `string`, `int`, `map`, … */
  readonly type: string;
  readonly get: (view: OttlView) => Value;
  /** Undefined for a field that can only be read. */
  readonly set: ((view: OttlView, value: Value) => void) | undefined;
  /** For a map: its pairs without a wrapper. */
  readonly pairs?: (view: OttlView) => Attributes;
  /** For an int that is stored as a number. */
  readonly number?: (view: OttlView) => number;
  /** For a text with entries: reads and writes one. */
  readonly entry?: {
    get(view: OttlView, key: string): Value;
    set(view: OttlView, key: string, value: Value): void;
  };
}

export type Fields = Readonly<Record<string, Field>>;

type RecordName = keyof ViewRecords;
type KeyOf<R extends RecordName> = keyof NonNullable<ViewRecords[R]> & string;

/** Writes `value` to a key of a record; the caller has checked its type. */
function write<R extends RecordName>(view: OttlView, record: R, key: KeyOf<R>, value: unknown) {
  (draftOf(view, record) as Record<string, unknown>)[key] = value;
}

export function textField<R extends RecordName>(
  record: R, key: KeyOf<R>, get: (view: OttlView) => string,
): Field {
  return {
    type: 'string',
    get,
    set: (view, value) => {
      if (value !== null) write(view, record, key, expectText(value));
    },
  };
}

export const expectText = (value: Value): string =>
  typeof value === 'string' ? value : wrongType('string', value);
export const expectInt = (value: Value): bigint =>
  typeof value === 'bigint' ? value : wrongType('int', value);
export const expectDouble = (value: Value): number =>
  typeof value === 'number' ? value : wrongType('double', value);

export function wrongType(wanted: string, value: Value): never {
  return fail(`expected ${wanted}, got ${typeName(value)}`);
}

export function boolField<R extends RecordName>(
  record: R, key: KeyOf<R>, get: (view: OttlView) => boolean,
): Field {
  return {
    type: 'bool',
    get,
    set: (view, value) => {
      if (value === null) return;
      write(view, record, key, typeof value === 'boolean' ? value : wrongType('bool', value));
    },
  };
}

/** An int that the model has as a number of 32 bits. */
export function smallField<R extends RecordName>(
  record: R, key: KeyOf<R>, number: (view: OttlView) => number,
): Field {
  return {
    type: 'int',
    get: (view) => BigInt(number(view)),
    number,
    set: (view, value) => {
      if (value !== null) write(view, record, key, Number(BigInt.asIntN(32, expectInt(value))));
    },
  };
}

/** An int that the model has as a bigint. */
export function intField<R extends RecordName>(
  record: R, key: string & keyof any, get: (view: OttlView) => bigint | undefined,
): Field {
  return {
    type: 'int',
    get: (view) => get(view) ?? null,
    set: (view, value) => {
      if (value === null) return;
      requirePresent(get(view), key);
      write(view, record, key as KeyOf<R>, BigInt.asUintN(64, expectInt(value)));
    },
  };
}

/** A double; `optional` ones may be absent in the model although the record has the field. */
export function doubleField<R extends RecordName>(
  record: R, key: string, get: (view: OttlView) => number | undefined, optional = false,
): Field {
  return {
    type: 'double',
    get: (view) => get(view) ?? null,
    set: (view, value) => {
      if (value === null) return;
      const has = optional ? key in (view as ViewRecords)[record]! : get(view) !== undefined;
      requirePresent(has ? true : undefined, key);
      write(view, record, key as KeyOf<R>, expectDouble(value));
    },
  };
}

function requirePresent(present: unknown, key: string): void {
  if (present === undefined) fail(`this kind of record has no ${key}`);
}

/** A time: `unixNano` as an int, else as a time. */
export function nanoField<R extends RecordName>(
  record: R, key: KeyOf<R>, get: (view: OttlView) => bigint,
): Field {
  return {
    type: 'int',
    get,
    set: (view, value) => {
      if (value !== null) write(view, record, key, BigInt.asUintN(64, expectInt(value)));
    },
  };
}

export function timeField<R extends RecordName>(
  record: R, key: KeyOf<R>, get: (view: OttlView) => bigint,
): Field {
  return {
    type: 'time',
    get: (view) => new Time(get(view)),
    set: (view, value) => {
      if (value === null) return;
      const { ns } = value instanceof Time ? value : wrongType('time', value);
      write(view, record, key, BigInt.asUintN(64, ns));
    },
  };
}

export function idFields<R extends RecordName>(
  record: R, key: KeyOf<R>, bytes: 8 | 16, get: (view: OttlView) => string,
): readonly [Field, Field] {
  const id: Field = {
    type: 'id',
    get: (view) => new Id(get(view), bytes),
    set: (view, value) => {
      if (value === null) return;
      const found = value instanceof Id ? value : wrongType('id', value);
      if (found.hex.length !== bytes * 2) fail(`expected an id of ${bytes} bytes`);
      write(view, record, key, found.stored);
    },
  };
  const text: Field = {
    type: 'string',
    get: (view) => new Id(get(view), bytes).hex,
    set: (view, value) => {
      if (value === null) return;
      write(view, record, key, parseId(expectText(value), bytes).stored);
    },
  };
  return [id, text];
}

export function parseId(text: string, bytes: number): Id {
  if (text.length !== bytes * 2 || !/^[0-9A-Fa-f]*$/.test(text)) {
    return fail(`an id of ${bytes} bytes is written with ${bytes * 2} hexadecimal digits`);
  }
  return new Id(text.toLowerCase(), bytes as 8 | 16);
}

export function mapField<R extends RecordName>(
  record: R, key: KeyOf<R>, pairs: (view: OttlView) => Attributes,
): Field {
  return {
    type: 'map',
    get: (view) => mapOf(pairs(view)),
    pairs,
    set: (view, value) => {
      if (value === null) return;
      write(view, record, key, isMap(value) ? value.value : wrongType('map', value));
    },
  };
}

/** A part that can be copied as a whole, and no more. */
export function opaqueField<R extends RecordName>(
  record: R, key: string, kind: string, get: (view: OttlView) => unknown,
): Field {
  return {
    type: kind,
    get: (view) => {
      const content = get(view);
      return content === undefined ? null : new Opaque(kind, content);
    },
    set: (view, value) => {
      if (value === null) return;
      const same = value instanceof Opaque && value.kind === kind;
      write(view, record, key as KeyOf<R>, same ? value.content : wrongType(kind, value));
    },
  };
}

/** A list of ints or doubles, seen as a list of values. */
export function numbersField<R extends RecordName>(
  record: R, key: string, type: 'int' | 'double',
  get: (view: OttlView) => readonly (bigint | number)[] | undefined,
): Field {
  return {
    type: `list of ${type}s`,
    get: (view) => {
      const numbers = get(view);
      return numbers === undefined ? null : listOf(numbers.map((number) => toAny(number)));
    },
    set: (view, value) => {
      if (value === null) return;
      requirePresent(get(view), key);
      write(view, record, key as KeyOf<R>, expectNumbers(value, type));
    },
  };
}

export function expectNumbers(value: Value, type: 'int' | 'double'): (bigint | number)[] {
  if (!isList(value)) return wrongType(`list of ${type}s`, value);
  return value.value.map((item: AnyValue) => (item.type === type
    ? item.value as bigint | number : wrongType(`list of ${type}s`, fromAny(item))));
}

/** What can only be read. */
export const readOnly = (type: string, get: (view: OttlView) => Value): Field =>
  ({ type, get, set: undefined });
