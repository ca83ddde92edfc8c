// A span or log record that is kept with some chance, with the threshold that says so, multiplied
// with that of earlier samplers. All spans of a trace look at one random place, that of its id or
// its tracestate; what has no such place gets a random one, and says it.

import type { Attributes, LogRecord, Span } from '../../../proto/otlp/model.ts';
import type { Random } from '../../../runtime/random.ts';
import { setAttribute } from '../edit/actions.ts';
import {
  ALWAYS, formatThreshold, parseRandomness, parseThreshold, passes, probabilityOf, randomnessAbove,
  thresholdOf, traceRandomness, type Threshold,
} from './threshold.ts';
import { formatTraceState, NO_STATE, parseTraceState, type SamplingState } from './trace_state.ts';

const DIGITS = 6;
const THRESHOLD = 'sampling.threshold';
const RANDOMNESS = 'sampling.randomness';

/** Null when it is left out. */
export function sampledSpan(span: Span, chance: number, random: Random): Span | null {
  if (chance >= 1) return span;
  const before = parseTraceState(span.traceState) ?? NO_STATE;
  const state = sampled(before, span.traceId, chance, random);
  return state === null ? null
    : { ...span, traceState: formatTraceState(span.traceState, state) };
}

/** Null when it is left out. */
export function sampledRecord(
  record: LogRecord, chance: number, random: Random,
): LogRecord | null {
  if (chance >= 1) return record;
  const { attributes } = record;
  const before = {
    threshold: parseThreshold(textIn(attributes, THRESHOLD)),
    randomness: parseRandomness(textIn(attributes, RANDOMNESS)),
  };
  const state = sampled(before, record.traceId, chance, random);
  if (state === null) return null;
  const weighed = setAttribute(attributes, THRESHOLD,
    { type: 'string', value: formatThreshold(state.threshold!) });
  return {
    ...record,
    attributes: state.randomness === null ? weighed
      : setAttribute(weighed, RANDOMNESS, { type: 'string', value: state.randomness }),
  };
}

function textIn(attributes: Attributes, key: string): string {
  const value = attributes.find((one) => one.key === key)?.value;
  return value?.type === 'string' ? value.value : '';
}

function sampled(
  before: SamplingState, traceId: string, chance: number, random: Random,
): SamplingState | null {
  const first: Threshold = before.threshold ?? ALWAYS;
  const threshold = thresholdOf(probabilityOf(first) * chance, DIGITS);
  const given = before.randomness ?? traceRandomness(traceId);
  // A place that contradicts what was said before is none.
  if (given !== null && passes(given, first)) {
    return passes(given, threshold) ? { threshold, randomness: before.randomness } : null;
  }
  if (random.float() >= chance) return null;
  return { threshold, randomness: randomnessAbove(threshold, random.float()) };
}
