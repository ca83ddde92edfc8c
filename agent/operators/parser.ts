// What all operators have in common that make several values of one: where from and where to, and
// the blocks done after the parsing, as in the Collector: `timestamp`, `severity`, `trace`,
// `scope_name`, and ours, `body`.

import { strictObject } from '../../config/schema.ts';
import {
  ATTRIBUTES, BODY, field, getField, setField, type Entry, type Field, type Value,
} from './entry.ts';
import { createScopeName, scopeNameKeys } from './scope_name.ts';
import { createSeverity, severityBlock } from './severity.ts';
import { operatorKeys, type Making, type Step } from './step.ts';
import { createTime, timeBlock } from './time.ts';
import { createTrace, traceKeys } from './trace.ts';

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

/** The blocks, for parsers that have no choice of fields. */
export const blockKeys = () => ({
  timestamp: timeBlock().describe('Time parser that runs afterwards.').optional(),
  severity: severityBlock().describe('Severity parser that runs afterwards.').optional(),
  trace: strictObject(traceKeys()).describe('Trace parser that runs afterwards.').optional(),
  scope_name: strictObject(scopeNameKeys()).describe('Scope name parser that runs afterwards.')
    .optional(),
});

export const parserKeys = () => ({
  ...operatorKeys(),
  parse_from: field().describe('Field that is parsed.').default(BODY),
  parse_to: field().describe('Field that takes what was parsed.').default(ATTRIBUTES),
  body: field().describe('Field whose value becomes the body afterwards.').optional(),
  ...blockKeys(),
});

export interface ParserConfig extends Blocks {
  readonly parse_from: Field;
  readonly parse_to: Field;
  readonly body?: Field | undefined;
}

interface Blocks {
  readonly timestamp?: Parameters<typeof createTime>[0] | undefined;
  readonly severity?: Parameters<typeof createSeverity>[0] | undefined;
  readonly trace?: Parameters<typeof createTrace>[0] | undefined;
  readonly scope_name?: Parameters<typeof createScopeName>[0] | undefined;
}

/** A value, or what went wrong. */
export type Parsed = { readonly value: Value } | string;

/** `parse` may look at the entry and set what else it knows of it. */
export function parserStep(
  config: ParserConfig, making: Making, parse: (text: string, entry: Entry) => Parsed,
): Step {
  const { parse_from, parse_to, body } = config;
  const after = createBlocks(config, making);
  return (entry) => {
    const source = getField(entry, parse_from);
    if (source === undefined) return 'the field to parse is not there';
    if (typeof source !== 'string') return 'the field to parse is no text';
    const parsed = parse(source, entry);
    if (typeof parsed === 'string') return parsed;
    if (!setField(entry, parse_to, parsed.value)) return 'parse_to can only become a map';
    if (body !== undefined) moveToBody(entry, getField(entry, body));
    return after === null ? null : after(entry);
  };
}

/** Null when there are none. Each block is tried, also when the one before it failed. */
export function createBlocks(config: Blocks, { clock }: Making): Step | null {
  const steps: Step[] = [];
  if (config.timestamp !== undefined) steps.push(createTime(config.timestamp, clock));
  if (config.severity !== undefined) steps.push(createSeverity(config.severity));
  if (config.trace !== undefined) steps.push(createTrace(config.trace));
  if (config.scope_name !== undefined) steps.push(createScopeName(config.scope_name));
  if (steps.length === 0) return null;
  return (entry) => {
    let first: string | null = null;
    for (const step of steps) first = step(entry) ?? first;
    return first;
  };
}

function moveToBody(entry: Entry, value: Value | undefined): void {
  if (value !== undefined) entry.body = value;
}
