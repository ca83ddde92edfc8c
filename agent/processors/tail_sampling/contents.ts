// Policies that look at what is in a trace: its attributes, its tracestate, its shape.

import { parsePattern } from '../../../config/pattern.ts';
import type { AnyValue, Attributes } from '../../../proto/otlp/model.ts';
import type { PolicyConfig } from './config.ts';
import { certain, SURE, type Policy, type TraceView, type Vote } from './policy.ts';

type ConfigOf<K extends keyof PolicyConfig> = NonNullable<PolicyConfig[K]>;

const ofSummary = (test: (trace: TraceView) => boolean): Policy =>
  ({ needsSpans: false, vote: (trace) => certain(test(trace)) });

export const createAlways = (): Policy => ofSummary(() => true);

export function createLatency(config: ConfigOf<'latency'>): Policy {
  const { threshold_ms: least, upper_threshold_ms: most } = config;
  return ofSummary(({ summary: { startMs, endMs } }) => {
    const lastedMs = Math.trunc(endMs - startMs);
    return lastedMs > least && (most === 0 || lastedMs <= most);
  });
}

const CODES = { UNSET: 0, OK: 1, ERROR: 2 };

export function createStatusCode({ status_codes: codes }: ConfigOf<'status_code'>): Policy {
  const wanted = codes.reduce((bits, code) => bits | (1 << CODES[code]), 0);
  return ofSummary(({ summary }) => (summary.statuses & wanted) !== 0);
}

export function createSpanCount(config: ConfigOf<'span_count'>): Policy {
  const { min_spans: least, max_spans: most } = config;
  return ofSummary(({ summary: { spans } }) => spans >= least && (most === 0 || spans <= most));
}

export const createTraceFlags = (): Policy => ofSummary(({ summary }) => summary.hasSampledFlag);

export function createNumericAttribute(config: ConfigOf<'numeric_attribute'>): Policy {
  const { min_value: least = -Infinity, max_value: most = Infinity } = config;
  return ofAttribute(config, (value) => {
    if (value.type !== 'int' && value.type !== 'double') return false;
    const number = Number(value.value);
    return number >= least && number <= most;
  });
}

export function createBooleanAttribute(config: ConfigOf<'boolean_attribute'>): Policy {
  return ofAttribute(config, (value) => value.type === 'bool' && value.value === config.value);
}

export function createStringAttribute(config: ConfigOf<'string_attribute'>): Policy {
  const matches = config.enabled_regex_matching ? patternTest(config) : exactTest(config);
  return ofAttribute(config, (value) =>
    value.type === 'string' && value.value !== '' && matches(value.value));
}

function exactTest({ values }: ConfigOf<'string_attribute'>): (text: string) => boolean {
  const wanted = new Set(values);
  return (text) => wanted.has(text);
}

/** The Collector's size of a cache that none was set for. */
const CACHE_SIZE = 128;
/** A longer text is matched each time. */
const CACHED_CHARS_MAX = 1024;

function patternTest(config: ConfigOf<'string_attribute'>): (text: string) => boolean {
  const patterns = config.values.map((value) => parsePattern(value)!);
  const sizeMax = config.cache_max_size === 0 ? CACHE_SIZE : config.cache_max_size;
  const known = new Map<string, boolean>();
  return (text) => {
    const before = known.get(text);
    if (before !== undefined) return before;
    const result = patterns.some((one) => one.test(text));
    if (text.length > CACHED_CHARS_MAX) return result;
    if (known.size >= sizeMax) known.delete(known.keys().next().value!);
    known.set(text, result);
    return result;
  };
}

/** Asks the resources and the spans of a trace for an attribute. */
function ofAttribute(
  { key, invert_match: inverted }: { readonly key: string; readonly invert_match: boolean },
  test: (value: AnyValue) => boolean,
): Policy {
  const has = (attributes: Attributes): boolean => {
    for (const one of attributes) if (one.key === key) return test(one.value);
    return false;
  };
  return {
    needsSpans: true,
    vote: ({ spans }) => {
      const found = spans.some(({ span, resource }) =>
        has(span.attributes) || (resource !== undefined && has(resource.attributes)));
      return inverted ? invertedVote(found) : certain(found);
    },
  };
}

const invertedVote = (found: boolean): Vote => (found
  ? { kind: 'inverted_not_sampled', chance: 0, source: '' }
  : { kind: 'inverted_sampled', ...SURE });

export function createTraceState({ key, values }: ConfigOf<'trace_state'>): Policy {
  const wanted = new Set(values.map((value) => `${key}=${value}`));
  return {
    needsSpans: true,
    vote: ({ spans }) => certain(spans.some(({ span: { traceState } }) => traceState !== ''
      && traceState.split(',').some((member) => wanted.has(member.trim())))),
  };
}
