// json_parser and json_array_parser: texts of JSON.

import * as z from 'zod';
import { count, fault } from '../../../config/schema.ts';
import { ATTRIBUTES, emptyMap, field, type Value, type ValueMap } from '../entry.ts';
import { limits, parserKeys, parserStep, type Parsed } from '../parser.ts';
import { stepOperator } from '../step.ts';

export const jsonParser = stepOperator({
  keys: () => ({
    ...parserKeys(),
    parse_ints: z.boolean().describe('Whole numbers become integers, not doubles.').default(false),
    max_depth: count({ min: 1, max: limits.depthMax })
      .describe('Objects and lists inside each other that are parsed.').default(limits.depthMax),
  }),
  create: (config, making) => {
    const { parse_ints, max_depth } = config;
    return parserStep(config, making, (text) => {
      const value = parseJson(text);
      if (value === undefined) return 'the text is not JSON';
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        return 'the JSON is no object';
      }
      if (!isShallow(value, max_depth)) return 'the JSON is nested too deep';
      return { value: parse_ints ? withIntegers(value) : value };
    });
  },
});

export const jsonArrayParser = stepOperator({
  keys: () => ({
    ...parserKeys(),
    parse_to: field().describe('Field that takes what was parsed; with header a map.')
      .default(ATTRIBUTES),
    header: z.string().min(1).optional()
      .describe('Names with commas between them: the values become a map with these keys.'),
  }),
  check: ({ header, parse_to: { root, keys } }, ctx) => {
    if (header !== undefined || root === 'body' || keys.length > 0) return;
    fault(ctx, 'needs header to become attributes or resource as a whole',
      'name a field in it, such as attributes.parsed, or set header', ['parse_to']);
  },
  create: (config, making) => {
    const names = config.header?.split(',') ?? null;
    return parserStep(config, making, (text) => {
      const list = parseJson(text);
      if (!Array.isArray(list)) return 'the text is no JSON array';
      // As the Collector: what is inside of the list stays text.
      const values = list.map((one: Value) =>
        (typeof one === 'object' && one !== null ? JSON.stringify(one) : one));
      return names === null ? { value: values } : named(names, values);
    });
  },
});

/** A map of these names; not when there is another number of values. */
export function named(names: readonly string[], values: readonly Value[]): Parsed {
  if (names.length !== values.length) return 'there is another number of values than of names';
  const map = emptyMap();
  names.forEach((name, index) => (map[name] = values[index]!));
  return { value: map };
}

/** Undefined when it is none. */
function parseJson(text: string): Value | undefined {
  try {
    return JSON.parse(text) as Value;
  } catch {
    return undefined;
  }
}

function isShallow(value: Value, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (depth === 0) return false;
  for (const key in value) {
    const inner = (value as ValueMap)[key]!;
    if (typeof inner === 'object' && !isShallow(inner, depth - 1)) return false;
  }
  return true;
}

/** Whole numbers beyond 2^53 stay doubles: their last digits are gone already. */
function withIntegers(value: Value): Value {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(withIntegers);
  const map = emptyMap();
  for (const [key, inner] of Object.entries(value)) map[key] = withIntegers(inner);
  return map;
}
