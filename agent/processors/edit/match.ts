// Which records a processor is about: `include` and `exclude` as the Collector's attributes
// processor writes them. All properties that are given must match; of a list of names one must, of
// `attributes`, `resources` and `libraries` all. A property that a record does not have (the name
// of a span, asked of a log) does not match.

import * as z from 'zod';
import { NO_PATTERN, parsePattern } from '../../../config/pattern.ts';
import { fault, optionalSection, strictObject } from '../../../config/schema.ts';
import type {
  AnyValue, Attributes, LogRecord, Metric, Resource, Scope, Signal, Span,
} from '../../../proto/otlp/model.ts';
import { sameValue, valueOf } from './actions.ts';

const scalar = () => z.union([z.string(), z.number(), z.boolean()]);
const names = (what: string) => z.array(z.string()).min(1).describe(`${what}, any of these.`)
  .optional();
const pairs = (what: string) => z.array(strictObject({
  key: z.string().min(1).describe('The attribute.'),
  value: scalar().describe('Its value; any value when absent.').optional(),
})).min(1).describe(`${what}, all of these.`).optional();

const KINDS = [
  'SPAN_KIND_UNSPECIFIED', 'SPAN_KIND_INTERNAL', 'SPAN_KIND_SERVER', 'SPAN_KIND_CLIENT',
  'SPAN_KIND_PRODUCER', 'SPAN_KIND_CONSUMER',
] as const;

const shape = () => ({
  match_type: z.enum(['strict', 'regexp']).describe('How names and values are compared.'),
  services: names('service.name of the resource'),
  span_names: names('Names of spans'),
  span_kinds: z.array(z.enum(KINDS)).min(1).describe('Kinds of spans, any of these.').optional(),
  metric_names: names('Names of metrics'),
  log_bodies: names('Texts of log records'),
  log_severity_texts: names('Severity texts of log records'),
  log_severity_number: optionalSection({
    min: z.int().min(1).max(24).describe('The least severity number, 1 (TRACE) to 24 (FATAL4).'),
    match_undefined: z.boolean().describe('Whether records without one match.').default(false),
  }).describe('Severity of log records.'),
  attributes: pairs('Attributes of the record'),
  resources: pairs('Attributes of the resource'),
  libraries: z.array(strictObject({
    name: z.string().describe('The name of the instrumentation scope.'),
    version: z.string().describe('Its version; any when absent.').optional(),
  })).min(1).describe('Instrumentation scopes, any of these.').optional(),
});

/** The value of `include` or `exclude`; undefined when the key is absent. */
export const recordMatch = () => optionalSection(shape()).superRefine((match, ctx) => {
  if (match === undefined) return;
  const { match_type: type, ...properties } = match;
  if (Object.values(properties).every((property) => property === undefined)) {
    fault(ctx, 'has nothing to match', 'write services, span_names, attributes or another list');
  }
  if (type !== 'regexp') return;
  for (const key of TEXT_LISTS) {
    for (const [index, text] of (match[key] ?? []).entries()) {
      if (parsePattern(text) === null) fault(ctx, NO_PATTERN.why, NO_PATTERN.hint, [key, index]);
    }
  }
  for (const key of ['attributes', 'resources'] as const) {
    for (const [index, { value }] of (match[key] ?? []).entries()) {
      if (value === undefined || parsePattern(String(value)) !== null) continue;
      fault(ctx, NO_PATTERN.why, NO_PATTERN.hint, [key, index, 'value']);
    }
  }
});

const TEXT_LISTS = [
  'services', 'span_names', 'metric_names', 'log_bodies', 'log_severity_texts',
] as const;

export type RecordMatch = NonNullable<z.output<ReturnType<typeof recordMatch>>>;

/** A record with what surrounds it. `attributes` are those of a data point for metrics. */
export interface RecordView {
  readonly signal: Signal;
  readonly resource: Resource | undefined;
  readonly scope: Scope | undefined;
  readonly record: unknown;
  readonly attributes: Attributes;
}

export type Matcher = (view: RecordView) => boolean;

export function createMatcher(match: RecordMatch): Matcher {
  const isText = match.match_type === 'regexp' ? patternTest : exactTest;
  const tests = [
    optional(match.services, (list) => textTest(isText(list), serviceOf)),
    optional(match.span_names, (list) => textTest(isText(list), spanName)),
    optional(match.metric_names, (list) => textTest(isText(list), metricName)),
    optional(match.log_bodies, (list) => textTest(isText(list), logBody)),
    optional(match.log_severity_texts, (list) => textTest(isText(list), severityText)),
    optional(match.span_kinds, (kinds) => ({ signal, record }: RecordView) =>
      signal === 'traces' && kinds.includes(KINDS[(record as Span).kind]!)),
    optional(match.log_severity_number, (severity) => ({ signal, record }: RecordView) => {
      if (signal !== 'logs') return false;
      const number = (record as LogRecord).severityNumber;
      return number === 0 ? severity.match_undefined : number >= severity.min;
    }),
    ...(match.attributes ?? []).map((pair) => {
      const test = pairTest(pair, match.match_type);
      return (view: RecordView) => test(view.attributes);
    }),
    ...(match.resources ?? []).map((pair) => {
      const test = pairTest(pair, match.match_type);
      return (view: RecordView) => test(view.resource?.attributes ?? []);
    }),
    optional(match.libraries, (libraries) => libraryTest(libraries, isText)),
  ].filter((test) => test !== undefined);
  return (view) => tests.every((test) => test(view));
}

function optional<T>(value: T | undefined, build: (value: T) => Matcher): Matcher | undefined {
  return value === undefined ? undefined : build(value);
}

type TextTest = (text: string) => boolean;

function exactTest(list: readonly string[]): TextTest {
  const set = new Set(list);
  return (text) => set.has(text);
}

function patternTest(list: readonly string[]): TextTest {
  const patterns = list.map((text) => parsePattern(text)!);
  return (text) => patterns.some((pattern) => pattern.test(text));
}

function textTest(test: TextTest, textOf: (view: RecordView) => string | undefined): Matcher {
  return (view) => {
    const text = textOf(view);
    return text !== undefined && test(text);
  };
}

const serviceOf = ({ resource }: RecordView): string | undefined =>
  textOf(resource?.attributes.find(({ key }) => key === 'service.name')?.value);
const spanName = ({ signal, record }: RecordView): string | undefined =>
  signal === 'traces' ? (record as Span).name : undefined;
const metricName = ({ signal, record }: RecordView): string | undefined =>
  signal === 'metrics' ? (record as Metric).name : undefined;
const logBody = ({ signal, record }: RecordView): string | undefined =>
  signal === 'logs' ? textOf((record as LogRecord).body) : undefined;
const severityText = ({ signal, record }: RecordView): string | undefined =>
  signal === 'logs' ? (record as LogRecord).severityText : undefined;

/** The text of a scalar; undefined for what is nested or absent. */
function textOf(value: AnyValue | undefined): string | undefined {
  switch (value?.type) {
    case 'string':
    case 'bool':
    case 'int':
    case 'double':
      return String(value.value);
    default:
      return undefined;
  }
}

interface Pair {
  readonly key: string;
  readonly value?: string | number | boolean | undefined;
}

function pairTest(
  { key, value }: Pair,
  type: RecordMatch['match_type'],
): (attributes: Attributes) => boolean {
  const test = value === undefined ? () => true : valueTest(value, type);
  return (attributes) => {
    const found = attributes.find((one) => one.key === key)?.value;
    return found !== undefined && test(found);
  };
}

function valueTest(
  wanted: string | number | boolean,
  type: RecordMatch['match_type'],
): (value: AnyValue) => boolean {
  if (type === 'strict') {
    const same = valueOf(wanted);
    return (value) => sameValue(value, same);
  }
  const test = patternTest([String(wanted)]);
  return (value) => {
    const text = textOf(value);
    return text !== undefined && test(text);
  };
}

function libraryTest(
  libraries: readonly { name: string; version?: string | undefined }[],
  isText: (list: readonly string[]) => TextTest,
): Matcher {
  const tests = libraries.map(({ name, version }) => ({
    name: isText([name]),
    version: version === undefined ? () => true : isText([version]),
  }));
  return ({ scope }) => tests.some((test) =>
    test.name(scope?.name ?? '') && test.version(scope?.version ?? ''));
}
