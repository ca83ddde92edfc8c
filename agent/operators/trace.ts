// Trace context: from fields of an entry to the trace id, span id and flags of its record.

import { strictObject } from '../../config/schema.ts';
import { field, getField, type Entry, type Field } from './entry.ts';
import { operatorKeys, stepOperator, type Step } from './step.ts';

const part = (name: string, what: string) => strictObject({
  parse_from: field().describe(`Field that holds ${what}.`)
    .default({ root: 'body', keys: [name] }),
}).prefault({}).describe(`Where ${what} stands, in hexadecimal.`);

/** The keys, for `trace` blocks and for trace_parser. */
export const traceKeys = () => ({
  trace_id: part('trace_id', 'the trace id'),
  span_id: part('span_id', 'the span id'),
  trace_flags: part('trace_flags', 'the trace flags'),
});

export const traceParser = stepOperator({
  keys: () => ({ ...operatorKeys(), ...traceKeys() }),
  create: (config) => createTrace(config),
});

interface Part {
  readonly parse_from: Field;
}

/** What is not there is left out; what is no such id is a failure. */
export function createTrace(
  { trace_id: trace, span_id: span, trace_flags: flags }:
    { trace_id: Part; span_id: Part; trace_flags: Part },
): Step {
  return (entry) => {
    const traceId = readHex(entry, trace, 16);
    const spanId = readHex(entry, span, 8);
    const traceFlags = readHex(entry, flags, 1);
    if (traceId !== null && traceId !== BROKEN) entry.traceId = traceId;
    if (spanId !== null && spanId !== BROKEN) entry.spanId = spanId;
    if (traceFlags !== null && traceFlags !== BROKEN) entry.traceFlags = traceFlags[0]!;
    if (traceId === BROKEN) return 'the trace id is not of 32 hexadecimal digits';
    if (spanId === BROKEN) return 'the span id is not of 16 hexadecimal digits';
    return traceFlags === BROKEN ? 'the trace flags are not of 2 hexadecimal digits' : null;
  };
}

const BROKEN = new Uint8Array(0);

/** Null when it is not there. */
function readHex(entry: Entry, { parse_from: from }: Part, bytes: number): Uint8Array | null {
  const value = getField(entry, from);
  if (value === undefined || value === null || value === '') return null;
  const fits = typeof value === 'string' && value.length === bytes * 2
    && /^[\da-fA-F]+$/.test(value);
  return fits ? Buffer.from(value, 'hex') : BROKEN;
}
