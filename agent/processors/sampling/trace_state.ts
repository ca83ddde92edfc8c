// The part of a W3C tracestate that is OpenTelemetry's: `ot=th:c;rv:9b8233f7e3a151`, with `th` the
// threshold an item was sampled with and `rv` its randomness where that is not in the trace id
// (specification, "TraceState Handling"). Of log records the same stands in attributes.

import {
  formatThreshold, parseRandomness, parseThreshold, type Randomness, type Threshold,
} from './threshold.ts';

export interface SamplingState {
  readonly threshold: Threshold | null;
  readonly randomness: Randomness | null;
}

export const NO_STATE: SamplingState = { threshold: null, randomness: null };

/** Null when what stands there is no threshold or no randomness. */
export function parseTraceState(text: string): SamplingState | null {
  if (text === '') return NO_STATE;
  const value = MEMBER.exec(text)?.[1];
  if (value === undefined) return NO_STATE;
  let threshold: Threshold | null = null;
  let randomness: Randomness | null = null;
  for (const field of value.trim().split(';')) {
    if (field.startsWith('th:')) {
      threshold = parseThreshold(field.slice(3));
      if (threshold === null) return null;
    } else if (field.startsWith('rv:')) {
      randomness = parseRandomness(field.slice(3));
      if (randomness === null) return null;
    }
  }
  return { threshold, randomness };
}

const MEMBER = /(?:^|,)[ \t]*ot=([^,]*)/;

/**
 * The tracestate with another threshold and randomness; null leaves one out. What else is in it
 * stays; the member that changed comes first (W3C Trace Context 3.3.1.3).
 */
export function formatTraceState(text: string, { threshold, randomness }: SamplingState): string {
  const fields: string[] = [];
  if (threshold !== null) fields.push(`th:${formatThreshold(threshold)}`);
  if (randomness !== null) fields.push(`rv:${randomness}`);
  if (text === '') return fields.length === 0 ? '' : `ot=${fields.join(';')}`;
  const members = text.split(',').map((member) => member.trim()).filter((member) => member !== '');
  const own = members.find((member) => member.startsWith('ot='));
  for (const field of own?.slice(3).split(';') ?? []) {
    if (field !== '' && !/^(?:th|rv):/.test(field)) fields.push(field);
  }
  const others = members.filter((member) => !member.startsWith('ot='));
  return [...(fields.length === 0 ? [] : [`ot=${fields.join(';')}`]), ...others].join(',');
}
