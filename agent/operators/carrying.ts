// Operators that carry values from field to field: add, copy, move, remove, retain, flatten.

import * as z from 'zod';
import {
  duplicate, emptyMap, field, getField, isMap, removeField, setField, type Entry, type Field,
  type Value, type ValueMap,
} from './entry.ts';
import { parseTemplate, type Template } from './expression/expression.ts';
import { operatorKeys, stepOperator, type Step } from './step.ts';

type Written = null | string | number | boolean | Written[] | { [key: string]: Written };

const written: z.ZodType<Written> = z.lazy(() => z.union([
  z.null(), z.string(), z.number(), z.boolean(), z.array(written), z.record(z.string(), written),
]));

const NOT_THERE = 'the field is not there';
const NO_MAP = 'attributes and resource as a whole can only become a map';

/** A value as written, or text with EXPR(…) in it, which is asked of each entry. */
export const writtenValue = () => written.transform((value, ctx): Template =>
  (typeof value === 'string' ? parseTemplate(value, ctx) : null) ?? fixed(toValue(value)));

// A fresh value for each entry: later operators may change it in place.
const fixed = (value: Value): Template => () => ({ value: duplicate(value) });

export const add = stepOperator({
  keys: () => ({
    ...operatorKeys(),
    field: field().describe('Field to set.'),
    value: writtenValue().describe('Its value; EXPR(…) stands for what the expression says.'),
  }),
  create: ({ field: to, value }) => createAdd(to, value),
});

/** Sets a field to what the template says. */
export function createAdd(to: Field, template: Template): Step {
  return (entry) => {
    const answer = template(entry);
    if ('fault' in answer) return answer.fault;
    return setField(entry, to, answer.value) ? null : NO_MAP;
  };
}

const pair = () => ({
  ...operatorKeys(),
  from: field().describe('Field to take the value from.'),
  to: field().describe('Field to put it into.'),
});

export const copy = stepOperator({
  keys: pair,
  create: ({ from, to }) => (entry) => {
    const value = getField(entry, from);
    if (value === undefined) return NOT_THERE;
    return setField(entry, to, duplicate(value)) ? null : NO_MAP;
  },
});

export const move = stepOperator({
  keys: pair,
  create: ({ from, to }) => (entry) => {
    const value = removeField(entry, from);
    if (value === undefined) return NOT_THERE;
    return setField(entry, to, value) ? null : NO_MAP;
  },
});

export const remove = stepOperator({
  keys: () => ({ ...operatorKeys(), field: field().describe('Field to take away.') }),
  create: ({ field: from }) => (entry) =>
    (removeField(entry, from) === undefined ? NOT_THERE : null),
});

export const retain = stepOperator({
  keys: () => ({
    ...operatorKeys(),
    fields: z.array(field()).min(1).describe('Fields to keep. Where none of the body, of the '
      + 'attributes or of the resource is named, all of it is kept.'),
  }),
  create: ({ fields }) => {
    const roots = [...new Set(fields.map(({ root }) => root))];
    return (entry) => {
      const kept = fields.map((one) => [one, getField(entry, one)] as const);
      for (const root of roots) clear(entry, root);
      for (const [one, value] of kept) if (value !== undefined) setField(entry, one, value);
      return null;
    };
  },
});

function clear(entry: Entry, root: Field['root']): void {
  if (root === 'body') entry.body = null;
  else entry[root] = emptyMap();
}

export const flatten = stepOperator({
  keys: () => ({
    ...operatorKeys(),
    field: field().refine(({ keys }) => keys.length > 0, 'is a whole, which nothing is around')
      .describe('Field whose children take its place; one level.'),
  }),
  create: ({ field: from }) => {
    const parent = { root: from.root, keys: from.keys.slice(0, -1) };
    return (entry) => {
      const value = getField(entry, from);
      if (value === undefined) return NOT_THERE;
      if (!isMap(value)) return 'the field is no map';
      removeField(entry, from);
      const around = getField(entry, parent) as ValueMap;
      for (const key of Object.keys(value)) around[key] = value[key]!;
      return null;
    };
  },
});

function toValue(value: Written): Value {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(toValue);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toValue(inner)]));
}
