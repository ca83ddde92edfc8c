// Changes to a list of attributes, as the Collector's attributes and resource processors write
// them: insert, update, upsert, delete, hash, extract, convert. They run in the order in which they
// are written, each on what the one before left.
//
// Attributes are never changed in place: the result is the same list when nothing changed, and a
// new one otherwise. The order of keys is kept; new keys come last.

import { createHash } from 'node:crypto';
import * as z from 'zod';
import { pattern } from '../../../config/pattern.ts';
import { fault, strictObject } from '../../../config/schema.ts';
import type { AnyValue, Attributes, KeyValue } from '../../../proto/otlp/model.ts';

/** A value as YAML gives it. Numbers without a fraction become integers. */
type Plain = string | number | boolean | readonly Plain[] | { readonly [key: string]: Plain };

const plain: z.ZodType<Plain> = z.lazy(() =>
  z.union([z.string(), z.number(), z.boolean(), z.array(plain), z.record(z.string(), plain)]));

export const attributeAction = () => strictObject({
  key: z.string().min(1).describe('The attribute to change.').optional(),
  action: z.enum(['insert', 'update', 'upsert', 'delete', 'hash', 'extract', 'convert'])
    .describe('insert only if absent, update only if present, upsert in both cases, …'),
  value: plain.describe('The value to set.').optional(),
  from_attribute: z.string().min(1)
    .describe('The attribute whose value is taken; nothing happens if it is absent.').optional(),
  from_context: z.unknown().describe('Not available here.').optional(),
  pattern: pattern().describe('extract: named groups become attributes. delete, hash: keys.')
    .optional(),
  converted_type: z.enum(['string', 'int', 'double']).describe('The type that convert makes.')
    .optional(),
}).superRefine((action, ctx) => {
  const report = (why: string, hint: string, key: string) => fault(ctx, why, hint, [key]);
  if (action.from_context !== undefined) {
    report('is not supported: the connection of a client is not known to the pipeline',
      'use value or from_attribute', 'from_context');
  }
  CHECKS[action.action]?.(action, report);
});

export type AttributeAction = z.output<ReturnType<typeof attributeAction>>;

type Check = (
  action: {
    key?: string | undefined;
    value?: unknown;
    from_attribute?: string | undefined;
    from_context?: unknown;
    pattern?: RegExp | undefined;
    converted_type?: string | undefined;
  },
  report: (why: string, hint: string, key: string) => void,
) => void;

const checkKey: Check = ({ key }, report) => {
  if (key === undefined) report('is required', 'name the attribute', 'key');
};

const checkSet: Check = (action, report) => {
  checkKey(action, report);
  const sources = [action.value, action.from_attribute, action.from_context];
  const given = sources.filter((source) => source !== undefined).length;
  if (given !== 1) report('needs one source', 'write value or from_attribute', 'value');
  if (action.pattern !== undefined) report('is only for extract, delete and hash', '', 'pattern');
};

const checkPattern: Check = ({ key, pattern }, report) => {
  if (key === undefined && pattern === undefined) report('key or pattern is required', '', 'key');
};

const CHECKS: Readonly<Record<AttributeActionName, Check>> = {
  insert: checkSet,
  update: checkSet,
  upsert: checkSet,
  delete: checkPattern,
  hash: checkPattern,
  extract: (action, report) => {
    checkKey(action, report);
    if (action.pattern === undefined) return report('is required', 'write (?P<name>…)', 'pattern');
    const groups = groupCount(action.pattern);
    if (groups.all === 0 || groups.all !== groups.named) {
      report('must have named groups only', 'write (?P<name>…), or (?:…) for what has no name',
        'pattern');
    }
  },
  convert: (action, report) => {
    checkKey(action, report);
    if (action.converted_type === undefined) {
      report('is required', 'write string, int or double', 'converted_type');
    }
  },
};

type AttributeActionName =
  'insert' | 'update' | 'upsert' | 'delete' | 'hash' | 'extract' | 'convert';

function groupCount(pattern: RegExp): { all: number; named: number } {
  // An alternative that is always empty makes any pattern match, which shows its groups.
  const match = new RegExp(`${pattern.source}|`, pattern.flags).exec('');
  return { all: (match?.length ?? 1) - 1, named: Object.keys(match?.groups ?? {}).length };
}

/** Attributes in, the same or a new list out. */
export type AttributeEdit = (attributes: Attributes) => Attributes;

/** All actions as one edit. */
export function createEdit(actions: readonly AttributeAction[]): AttributeEdit {
  const edits = actions.map(editOf);
  return (attributes) => edits.reduce((current, edit) => edit(current), attributes);
}

function editOf(action: AttributeAction): AttributeEdit {
  const { key = '', pattern } = action;
  const matches = (name: string) => name === action.key || pattern?.test(name) === true;
  switch (action.action) {
    case 'insert':
    case 'update':
    case 'upsert':
      return setter(action);
    case 'delete':
      return (attributes) => attributes.some((one) => matches(one.key))
        ? attributes.filter((one) => !matches(one.key))
        : attributes;
    case 'hash':
      return (attributes) => mapList(attributes, (one) =>
        matches(one.key) ? { key: one.key, value: hash(one.value) } : one);
    case 'extract':
      return (attributes) => extract(attributes, key, pattern!);
    case 'convert':
      return (attributes) => mapList(attributes, (one) =>
        one.key === key ? convert(one, action.converted_type!) : one);
  }
}

function setter({ key = '', action, value, from_attribute: source }: AttributeAction) {
  const fixed = value === undefined ? undefined : valueOf(value);
  const inserts = action !== 'update';
  const updates = action !== 'insert';
  return (attributes: Attributes): Attributes => {
    const present = attributes.some((one) => one.key === key);
    if (present ? !updates : !inserts) return attributes;
    const next = fixed ?? attributes.find((one) => one.key === source)?.value;
    return next === undefined ? attributes : setAttribute(attributes, key, next);
  };
}

/** Puts `value` in the place of the key's value, or at the end when the key is new. */
export function setAttribute(attributes: Attributes, key: string, value: AnyValue): Attributes {
  const present = attributes.some((one) => one.key === key);
  if (!present) return [...attributes, { key, value }];
  return mapList(attributes, (one) =>
    one.key === key && !sameValue(one.value, value) ? { key, value } : one);
}

/** `map` over a list, with the same list as the result when every element stayed itself. */
export function mapList<T>(list: readonly T[], map: (element: T) => T): readonly T[] {
  let changed: T[] | undefined;
  for (let index = 0; index < list.length; index++) {
    const before = list[index]!;
    const after = map(before);
    if (after === before) continue;
    changed ??= list.slice();
    changed[index] = after;
  }
  return changed ?? list;
}

/** A value as YAML gives it, in OTLP's types. */
export function valueOf(value: Plain): AnyValue {
  if (typeof value === 'string') return { type: 'string', value };
  if (typeof value === 'boolean') return { type: 'bool', value };
  if (typeof value === 'number') {
    return Number.isSafeInteger(value)
      ? { type: 'int', value: BigInt(value) }
      : { type: 'double', value };
  }
  if (Array.isArray(value)) return { type: 'array', value: value.map(valueOf) };
  const pairs = Object.entries(value).map(([key, inner]) => ({ key, value: valueOf(inner) }));
  return { type: 'kvlist', value: pairs };
}

/** True for equal scalars; anything nested counts as different. */
export function sameValue(one: AnyValue, other: AnyValue): boolean {
  return one.type === other.type && one.value === other.value;
}

/** SHA-256 in hexadecimal of the value's bytes, as the Collector does; '' of what has none. */
function hash(value: AnyValue): AnyValue {
  const bytes = bytesOf(value);
  const text = bytes.length === 0 ? '' : createHash('sha256').update(bytes).digest('hex');
  return { type: 'string', value: text };
}

function bytesOf(value: AnyValue): Buffer {
  const bytes = Buffer.alloc(8);
  switch (value.type) {
    case 'string':
      return Buffer.from(value.value);
    case 'bool':
      return Buffer.from([value.value ? 1 : 0]);
    case 'int':
      bytes.writeBigInt64LE(BigInt.asIntN(64, value.value));
      return bytes;
    case 'double':
      bytes.writeDoubleLE(value.value);
      return bytes;
    default:
      return Buffer.alloc(0);
  }
}

function extract(attributes: Attributes, key: string, pattern: RegExp): Attributes {
  const source = attributes.find((one) => one.key === key)?.value;
  if (source?.type !== 'string') return attributes;
  const groups = pattern.exec(source.value)?.groups;
  if (groups === undefined) return attributes;
  return Object.entries(groups).reduce((current, [name, value]) =>
    setAttribute(current, name, { type: 'string', value: value ?? '' }), attributes);
}

/** What cannot be converted stays as it is. */
function convert(pair: KeyValue, type: 'string' | 'int' | 'double'): KeyValue {
  if (pair.value.type === type) return pair;
  const value = CONVERTERS[type](pair.value);
  return value === null ? pair : { key: pair.key, value };
}

const INT_PATTERN = /^[+-]?\d{1,19}$/;

const CONVERTERS: Record<'string' | 'int' | 'double', (value: AnyValue) => AnyValue | null> = {
  string: (value) => (value.type === 'bool' || value.type === 'int' || value.type === 'double'
    ? { type: 'string', value: String(value.value) }
    : null),
  int: (value) => {
    if (value.type === 'bool') return { type: 'int', value: value.value ? 1n : 0n };
    if (value.type === 'double' && Number.isFinite(value.value)) {
      return { type: 'int', value: BigInt.asIntN(64, BigInt(Math.trunc(value.value))) };
    }
    if (value.type !== 'string' || !INT_PATTERN.test(value.value)) return null;
    const number = BigInt(value.value.replace('+', ''));
    return BigInt.asIntN(64, number) === number ? { type: 'int', value: number } : null;
  },
  double: (value) => {
    if (value.type === 'bool') return { type: 'double', value: value.value ? 1 : 0 };
    if (value.type === 'int') return { type: 'double', value: Number(value.value) };
    if (value.type !== 'string' || value.value.trim() === '') return null;
    const number = Number(value.value);
    return Number.isNaN(number) ? null : { type: 'double', value: number };
  },
};
