// Operators that make several values of one: json_parser and regex_parser, with the blocks that
// both may hold (`timestamp`, `severity`, `body`), done after the parsing as in the Collector.

import * as z from 'zod';
import { pattern } from '../../config/pattern.ts';
import { count, strictObject } from '../../config/schema.ts';
import type { Clock } from '../../runtime/clock.ts';
import {
  ATTRIBUTES, BODY, emptyMap, field, getField, setField, type Entry, type Value, type ValueMap,
} from './entry.ts';
import { createSeverity, severityBlock } from './severity.ts';
import { operatorKeys, type Step } from './step.ts';
import { createTime, timeBlock } from './time.ts';

export const limits = {
  /**
   * Objects inside objects in JSON, each of which is three messages inside each other in OTLP.
   * Deeper text is not parsed: readers take no more than 100 messages, and the rest needs some.
   */
  depthMax: 24,
  /**
   * Characters of one value that an expression is tried on: JavaScript backtracks, so time may grow
   * faster than the text. A longer value is not parsed: it takes the way of `on_error`, whole.
   */
  scannedCharsMax: 64 * 1024,
} as const;

const parserKeys = () => ({
  ...operatorKeys(),
  parse_from: field().describe('Field that is parsed.').default(BODY),
  parse_to: field().describe('Field that takes what was parsed.').default(ATTRIBUTES),
  body: field().describe('Field whose value becomes the body afterwards.').optional(),
  timestamp: timeBlock().describe('Time parser that runs afterwards.').optional(),
  severity: severityBlock().describe('Severity parser that runs afterwards.').optional(),
});

export const jsonParser = () => strictObject({
  type: z.literal('json_parser'),
  ...parserKeys(),
  parse_ints: z.boolean().describe('Whole numbers become integers, not doubles.').default(false),
  max_depth: count({ min: 1, max: limits.depthMax })
    .describe('Objects and lists inside each other that are parsed.').default(limits.depthMax),
});

export const regexParser = () => strictObject({
  type: z.literal('regex_parser'),
  ...parserKeys(),
  regex: pattern().describe('Regular expression with named groups.')
    .refine((expression) => /\(\?<[^=!]/.test(expression.source), 'has no named group'),
});

type JsonConfig = z.output<ReturnType<typeof jsonParser>>;
type RegexConfig = z.output<ReturnType<typeof regexParser>>;

export function createJsonParser(config: JsonConfig, clock: Clock): Step {
  const { parse_ints, max_depth } = config;
  return parserStep(config, clock, (text) => {
    let value: Value;
    try {
      value = JSON.parse(text) as Value;
    } catch {
      return 'the text is not JSON';
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return 'the JSON is no object';
    }
    const map = value as ValueMap;
    if (!isShallow(map, max_depth)) return 'the JSON is nested too deep';
    return { map: parse_ints ? withIntegers(map) as ValueMap : map };
  });
}

export function createRegexParser(config: RegexConfig, clock: Clock): Step {
  const { regex } = config;
  return parserStep(config, clock, (text) => {
    if (text.length > limits.scannedCharsMax) return 'the text is too long to be scanned';
    const groups = regex.exec(text)?.groups;
    if (groups === undefined) return 'the expression does not match';
    const map = emptyMap();
    for (const name of Object.keys(groups)) map[name] = groups[name] ?? '';
    return { map };
  });
}

/** A map, or what went wrong. */
type Parsed = { readonly map: ValueMap } | string;

function parserStep(
  config: Pick<JsonConfig, 'parse_from' | 'parse_to' | 'body' | 'timestamp' | 'severity'>,
  clock: Clock,
  parse: (text: string) => Parsed,
): Step {
  const { parse_from, parse_to, body } = config;
  const after: Step[] = [];
  if (config.timestamp !== undefined) after.push(createTime(config.timestamp, clock));
  if (config.severity !== undefined) after.push(createSeverity(config.severity));
  return (entry) => {
    const source = getField(entry, parse_from);
    if (source === undefined) return 'the field to parse is not there';
    if (typeof source !== 'string') return 'the field to parse is no text';
    const parsed = parse(source);
    if (typeof parsed === 'string') return parsed;
    setField(entry, parse_to, parsed.map);
    if (body !== undefined) moveToBody(entry, getField(entry, body));
    // Each block is tried, also when the one before it failed.
    const faults = after.map((step) => step(entry)).filter((fault) => fault !== null);
    return faults[0] ?? null;
  };
}

function moveToBody(entry: Entry, value: Value | undefined): void {
  if (value !== undefined) entry.body = value;
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
