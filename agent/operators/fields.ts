// Operators that carry values from field to field: add, copy, move, remove.

import * as z from 'zod';
import { fault, strictObject } from '../../config/schema.ts';
import {
  duplicate, field, getField, removeField, setField, type Value,
} from './entry.ts';
import { operatorKeys, type Step } from './step.ts';

type Written = string | number | boolean | Written[] | { [key: string]: Written };

const written: z.ZodType<Written> = z.lazy(() => z.union([
  z.string(), z.number(), z.boolean(), z.array(written), z.record(z.string(), written),
]));

export const add = () => strictObject({
  type: z.literal('add'),
  ...operatorKeys(),
  field: field().describe('Field to set.'),
  value: written.describe('Its value.'),
}).superRefine(({ value }, ctx) => {
  if (typeof value === 'string' && /^EXPR\(/.test(value)) {
    fault(ctx, 'expressions are not supported', 'write the value itself', ['value']);
  }
});

const pair = () => ({
  from: field().describe('Field to take the value from.'),
  to: field().describe('Field to put it into.'),
});

export const copy = () => strictObject({ type: z.literal('copy'), ...operatorKeys(), ...pair() });

export const move = () => strictObject({ type: z.literal('move'), ...operatorKeys(), ...pair() });

export const remove = () => strictObject({
  type: z.literal('remove'),
  ...operatorKeys(),
  field: field().describe('Field to take away.'),
});

const NOT_THERE = 'the field is not there';
const NO_MAP = 'attributes and resource as a whole can only become a map';

export function createAdd(config: z.output<ReturnType<typeof add>>): Step {
  // A fresh value for each entry: later operators may change it in place.
  return (entry) => setField(entry, config.field, toValue(config.value)) ? null : NO_MAP;
}

export function createCopy({ from, to }: z.output<ReturnType<typeof copy>>): Step {
  return (entry) => {
    const value = getField(entry, from);
    if (value === undefined) return NOT_THERE;
    return setField(entry, to, duplicate(value)) ? null : NO_MAP;
  };
}

export function createMove({ from, to }: z.output<ReturnType<typeof move>>): Step {
  return (entry) => {
    const value = removeField(entry, from);
    if (value === undefined) return NOT_THERE;
    return setField(entry, to, value) ? null : NO_MAP;
  };
}

export function createRemove(config: z.output<ReturnType<typeof remove>>): Step {
  return (entry) => removeField(entry, config.field) === undefined ? NOT_THERE : null;
}

function toValue(value: Written): Value {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(toValue);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toValue(inner)]));
}
