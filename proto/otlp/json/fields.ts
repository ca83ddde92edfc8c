// How OTLP messages are described for their JSON form: one table per message, with an entry for
// each field of the model, serves both directions.
//
// Rules of OTLP 1.11 ("JSON Protobuf Encoding") that hold for all messages are kept here:
// - Keys are lowerCamelCase. Unknown keys are ignored, at any depth. Of equal keys the last wins.
// - `null` is the same as an absent field.
// - A field that holds its default is not written, except members of a oneof and optional fields.

import type { JsonReader } from '../../json/reader.ts';

/** How a value is read from JSON and what it is in JSON.stringify's terms. */
export interface Kind<T> {
  /** Reads one value; the reader raises DecodeError when it is none of this kind. */
  read(reader: JsonReader): T;
  json(value: T): unknown;
}

export interface Field<T> {
  /** What the field holds when it is absent. */
  readonly initial: T;
  /** The JSON keys that set this field, when they are not the name of the field in the model. */
  readonly members?: Readonly<Record<string, Kind<T>>>;
  readonly kind: Kind<T>;
  /** Adds to `out` what has to be written. */
  write(out: Record<string, unknown>, key: string, value: T): void;
}

export type MessageFields<T> = { readonly [K in keyof T]-?: Field<T[K]> };

/** A field that is left out when it holds `initial`. */
export function field<T>(kind: Kind<T>, initial: T): Field<T> {
  return {
    initial,
    kind,
    write(out, key, value) {
      if (!Object.is(value, initial)) out[key] = kind.json(value);
    },
  };
}

/** A field that is always written. */
export function required<T>(kind: Kind<T>, initial: T): Field<T> {
  return {
    initial,
    kind,
    write(out, key, value) {
      out[key] = kind.json(value);
    },
  };
}

/** A field whose absence has a meaning of its own. */
export function optional<T>(kind: Kind<T>): Field<T | undefined> {
  return field<T | undefined>(kind as Kind<T | undefined>, undefined);
}

export function list<T>(kind: Kind<T>): Field<readonly T[]> {
  const listKind = arrayOf(kind);
  return {
    initial: [],
    kind: listKind,
    write(out, key, values) {
      if (values.length > 0) out[key] = listKind.json(values);
    },
  };
}

export function arrayOf<T>(kind: Kind<T>): Kind<readonly T[]> {
  return {
    read(reader) {
      const values: T[] = [];
      reader.array();
      while (reader.item()) values.push(kind.read(reader));
      return values;
    },
    json: (values) => values.map((value) => kind.json(value)),
  };
}

/**
 * A field of the model that in JSON is the one of several keys that is there. Of several that are
 * there, the last wins. `members` has the value's `type` by key.
 */
export function oneof<T extends { readonly type: string }>(
  members: Readonly<Record<string, Kind<T>>>,
  keyOf: (value: T) => string,
): Field<T | undefined> {
  const kinds = members as Readonly<Record<string, Kind<T | undefined>>>;
  return {
    initial: undefined,
    members: kinds,
    kind: Object.values(kinds)[0]!,
    write(out, _key, value) {
      if (value === undefined) return;
      const key = keyOf(value);
      out[key] = members[key]!.json(value);
    },
  };
}

interface Setter {
  readonly name: string;
  readonly kind: Kind<unknown>;
  readonly initial: unknown;
  readonly isMember: boolean;
}

export function message<T extends object>(fields: MessageFields<T>): Kind<T> {
  const entries = Object.entries(fields) as Array<[string, Field<unknown>]>;
  const setters = new Map(entries.flatMap(([name, { kind, initial, members }]) =>
    members === undefined
      ? [[name, { name, kind, initial, isMember: false }] as [string, Setter]]
      : Object.entries(members).map(([key, member]) =>
          [key, { name, kind: member, initial, isMember: true }] as [string, Setter])));
  const initial = Object.fromEntries(entries.map(([name, one]) => [name, one.initial]));
  return {
    read: (reader) => readMessage(reader, setters, initial) as T,
    json(value) {
      const out: Record<string, unknown> = {};
      for (const [name, one] of entries) {
        one.write(out, name, (value as Record<string, unknown>)[name]);
      }
      return out;
    },
  };
}

function readMessage(
  reader: JsonReader,
  setters: ReadonlyMap<string, Setter>,
  initial: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const value = { ...initial };
  reader.object();
  for (let key = reader.key(); key !== undefined; key = reader.key()) {
    const setter = setters.get(key);
    if (setter === undefined) reader.skip();
    else if (!reader.null()) value[setter.name] = setter.kind.read(reader);
    else if (!setter.isMember) value[setter.name] = setter.initial;
  }
  return value;
}
