// What /docs says of the routes of traces.

import { limits as readLimits } from '../traces/read.ts';
import { limits as searchLimits } from '../traces/search.ts';
import { answers, CURSOR_SCHEMA, listSchema, periodSchema, problems } from './period.ts';

const TEXT = { type: 'string' } as const;
const NUMBER = { type: 'number' } as const;
const BOOLEAN = { type: 'boolean' } as const;
const text = (description: string, more: object = {}) =>
  ({ ...TEXT, maxLength: 4096, description, ...more });
const object = (properties: object) => ({
  type: 'object', required: Object.keys(properties), properties, additionalProperties: true,
});
const list = (items: object) => ({ type: 'array', items });
const anything = { type: 'object', additionalProperties: true } as const;

const refusals = {
  400: problems('A value that cannot be right.'),
  422: problems('It takes too long or too much memory; ask for a shorter period.'),
  429: problems('Too many queries run and wait at the same time.'),
  503: problems('The store is away.'),
};

const DURATION = 'such as 250ms, 1.5s or 100us.';

const SUMMARY = object({
  traceId: TEXT, start: TEXT, durationNs: NUMBER,
  root: object({ service: TEXT, operation: TEXT, kind: TEXT, status: TEXT, durationNs: NUMBER }),
  isRootMissing: BOOLEAN, spanCount: NUMBER, errorCount: NUMBER,
  matchCount: { ...NUMBER, description: 'Spans of the period that match.' },
  services: { ...anything, description: 'Spans by service.' },
});

export const SEARCH_DOCS = {
  operationId: 'traces',
  summary: 'Search traces',
  description: 'Finds traces by one of their spans, and with `{…} > {…}` by several of them. '
    + 'Without anything that says which span is meant, it is the root.',
  tags: ['traces'],
  querystring: {
    type: 'object',
    additionalProperties: false,
    properties: {
      q: text('The search language, for one span; `{a} > {b}` a child, `{a} >> {b}` a descendant, '
        + '`{a} && {b}` both in a trace.'),
      service: text('The span is of this service.'),
      operation: text('The span has this name.'),
      status: text('The span has this status.', { enum: ['Unset', 'Ok', 'Error'] }),
      min_duration: text(`The span took at least, ${DURATION}`),
      max_duration: text(`The span took at most, ${DURATION}`),
      ...periodSchema('An hour'),
      sort: text('The latest first, unless given; or the longest.', {
        enum: ['recent', 'duration'] }),
      limit: text(`Traces of the answer, up to ${searchLimits.itemsMax}; ${
        searchLimits.itemsDefault} unless given.`),
      cursor: CURSOR_SCHEMA,
    },
  },
  response: { 200: answers('A page of traces.', listSchema(SUMMARY)), ...refusals },
};

const SPAN = object({
  spanId: TEXT, parentSpanId: TEXT, service: TEXT, name: TEXT, kind: TEXT, start: TEXT,
  offsetNs: NUMBER, durationNs: NUMBER,
  selfNs: { ...NUMBER, description: 'Without the time in which a child ran.' },
  criticalNs: { ...NUMBER, description: 'Its own time on the critical path.' },
  depth: NUMBER,
  parent: { ...NUMBER, nullable: true, description: 'Index in `spans`.' },
  childCount: NUMBER, status: TEXT, statusMessage: TEXT,
  flags: list({ ...TEXT, enum: ['orphan', 'cycle', 'shared_id', 'starts_before_parent',
    'ends_after_parent'] }),
  attributes: anything,
  resource: { ...NUMBER, description: 'Index in `resources`.' },
  scope: object({ name: TEXT, version: TEXT }), traceState: TEXT, weight: NUMBER,
  events: list(object({ time: TEXT, offsetNs: NUMBER, name: TEXT, attributes: anything })),
  links: list(object({ traceId: TEXT, spanId: TEXT, traceState: TEXT, attributes: anything })),
});

const TRACE = object({
  traceId: TEXT, start: TEXT, end: TEXT, durationNs: NUMBER, root: NUMBER, isRootMissing: BOOLEAN,
  services: list(object({ service: TEXT, spans: NUMBER, errors: NUMBER, selfNs: NUMBER,
    criticalNs: NUMBER })),
  spanCount: NUMBER, errorCount: NUMBER, depthMax: NUMBER, duplicateCount: NUMBER,
  orphanCount: NUMBER, outsideCount: NUMBER,
  criticalPath: list(object({ span: NUMBER, fromNs: NUMBER, toNs: NUMBER })),
  resources: list(anything), spans: list(SPAN),
  truncated: { ...BOOLEAN, description: 'The first spans by time are here, not all.' },
  storedSpans: NUMBER,
  logs: { ...object({ truncated: BOOLEAN, items: list(anything) }), nullable: true },
});

export const TRACE_DOCS = {
  operationId: 'trace',
  summary: 'A whole trace',
  description: 'Its spans in the order of a waterfall, the critical path, self times, and its log '
    + 'records. Durations and offsets are nanoseconds since the start of the trace.',
  tags: ['traces'],
  params: { type: 'object', required: ['id'], properties: { id: text('The trace id.') } },
  querystring: {
    type: 'object',
    additionalProperties: false,
    properties: {
      logs: text('false: without log records.', { enum: ['true', 'false'] }),
      limit: text(`Spans of the answer, up to ${readLimits.spansMax}; ${
        readLimits.spansDefault} unless given.`),
    },
  },
  response: { 200: answers('The trace.', TRACE), 404: problems('No span of it is stored.'),
    ...refusals },
};

const AMOUNTS = object({ count: NUMBER, errors: NUMBER, durationNs: NUMBER, selfNs: NUMBER,
  criticalNs: NUMBER });
const COMPARED = object({ traceId: TEXT, start: TEXT, durationNs: NUMBER, spanCount: NUMBER,
  errorCount: NUMBER, services: list(TEXT) });

export const COMPARE_DOCS = {
  operationId: 'compare_traces',
  summary: 'Two traces side by side',
  description: 'Spans are matched by service and operation of themselves and all their ancestors.',
  tags: ['traces'],
  querystring: {
    type: 'object',
    additionalProperties: false,
    required: ['a', 'b'],
    properties: { a: text('A trace id.'), b: text('Another.') },
  },
  response: {
    200: answers('The comparison.', object({
      a: COMPARED, b: COMPARED, durationDifferenceNs: NUMBER, spanDifference: NUMBER,
      onlyInA: NUMBER, onlyInB: NUMBER, inBoth: NUMBER, truncated: BOOLEAN,
      paths: list(object({ service: TEXT, operation: TEXT, depth: NUMBER,
        parent: { ...NUMBER, nullable: true }, a: { ...AMOUNTS, nullable: true },
        b: { ...AMOUNTS, nullable: true }, difference: AMOUNTS })),
    })),
    404: problems('One of them is not stored.'),
    ...refusals,
  },
};
