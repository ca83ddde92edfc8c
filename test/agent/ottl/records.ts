// What tests of OTTL share: views of one record of each kind, values in plain JavaScript, and the
// running of a single statement, condition or value.

import assert from 'node:assert/strict';
import {
  compileCondition, compileStatement, compileValue,
} from '../../../agent/ottl/ottl.ts';
import { OttlFailure } from '../../../agent/ottl/fault.ts';
import {
  Duration, fromAny, Id, isList, isMap, Time, type Value,
} from '../../../agent/ottl/value.ts';
import { OttlView, type OttlContextName } from '../../../agent/ottl/view.ts';
import type {
  AnyValue, Attributes, HistogramDataPoint, LogRecord, Metric, NumberDataPoint, Span,
} from '../../../proto/otlp/model.ts';

/** A moment that the clock of tests stands at: 2026-01-02T03:04:05.000000006Z. */
export const NOW_NS = BigInt(Date.UTC(2026, 0, 2, 3, 4, 5)) * 1_000_000n + 6n;

export const WORLD = {
  clock: { nowNs: () => NOW_NS, nowMs: () => Number(NOW_NS / 1_000_000n) },
  random: {
    bytes: (count: number) => new Uint8Array(count).fill(0xab),
    uuid: () => '11111111-2222-4333-8444-555555555555',
  },
};

/** Numbers are doubles, bigints ints. */
export type Plain =
  | null | string | number | bigint | boolean | Uint8Array | readonly Plain[]
  | { readonly [key: string]: Plain };

export function any(plain: Plain): AnyValue {
  if (plain === null) return { type: 'empty', value: null };
  if (typeof plain === 'string') return { type: 'string', value: plain };
  if (typeof plain === 'number') return { type: 'double', value: plain };
  if (typeof plain === 'bigint') return { type: 'int', value: plain };
  if (typeof plain === 'boolean') return { type: 'bool', value: plain };
  if (plain instanceof Uint8Array) return { type: 'bytes', value: plain };
  if (Array.isArray(plain)) return { type: 'array', value: plain.map(any) };
  return { type: 'kvlist', value: pairs(plain as Record<string, Plain>) };
}

export const pairs = (plain: Record<string, Plain>): Attributes =>
  Object.entries(plain).map(([key, value]) => ({ key, value: any(value) }));

export const unpaired = (attributes: Attributes): Plain =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, plainOf(fromAny(value))]));

/** Times as ISO texts, durations as `…ns`, ids as hex. */
export function plainOf(value: Value): Plain {
  if (value instanceof Time) return new Date(Number(value.ns / 1_000_000n)).toISOString();
  if (value instanceof Duration) return `${value.ns}ns`;
  if (value instanceof Id) return `id ${value.hex}`;
  if (isMap(value)) return unpaired(value.value);
  if (isList(value)) return value.value.map((item) => plainOf(fromAny(item)));
  return value as Plain;
}

export const LOG: LogRecord = {
  timeUnixNano: 1_700_000_000_123_456_789n,
  observedTimeUnixNano: 1_700_000_001_000_000_000n,
  severityNumber: 9,
  severityText: 'INFO',
  body: any('request failed'),
  attributes: pairs({
    'http.path': '/health', 'http.status_code': 200n, ratio: 0.5, ok: true,
    tags: ['a', 'b'], nested: { inner: { deep: 'x' } },
  }),
  droppedAttributesCount: 1,
  flags: 1,
  traceId: '0102030405060708090a0b0c0d0e0f10',
  spanId: '0102030405060708',
  eventName: 'event',
};

export const SPAN: Span = {
  traceId: '0102030405060708090a0b0c0d0e0f10',
  spanId: '0102030405060708',
  traceState: 'a=1,b=2',
  parentSpanId: '',
  flags: 257,
  name: 'GET /users/17',
  kind: 2,
  startTimeUnixNano: 1_700_000_000_000_000_000n,
  endTimeUnixNano: 1_700_000_002_500_000_000n,
  attributes: pairs({ 'http.method': 'GET', 'http.target': '/user/7/list/9' }),
  droppedAttributesCount: 0,
  events: [{
    timeUnixNano: 1_700_000_001_000_000_000n, name: 'exception',
    attributes: pairs({ 'exception.type': 'E' }), droppedAttributesCount: 0,
  }],
  droppedEventsCount: 2,
  links: [],
  droppedLinksCount: 3,
  status: { code: 2, message: 'no' },
};

const POINT: NumberDataPoint = {
  attributes: pairs({ cpu: '0' }), startTimeUnixNano: 1n, timeUnixNano: 2n, flags: 0,
  value: { type: 'int', value: 7n }, exemplars: [],
};

export const METRIC: Metric = {
  name: 'system.cpu.time', description: 'd', unit: 's', metadata: [],
  data: { type: 'sum', dataPoints: [POINT], aggregationTemporality: 2, isMonotonic: true },
};

export const HISTOGRAM: HistogramDataPoint = {
  attributes: pairs({ cpu: '0' }), startTimeUnixNano: 1n, timeUnixNano: 2n, flags: 0,
  count: 3n, sum: 1.5, bucketCounts: [1n, 2n], explicitBounds: [10], exemplars: [],
  min: undefined, max: 9,
};

/** A view of one record of each kind, in one resource and scope. */
export function viewOfAll(change: Partial<OttlView> = {}): OttlView {
  const view = new OttlView();
  view.resource = {
    attributes: pairs({ 'service.name': 'shop', 'host.name': 'h1' }),
    droppedAttributesCount: 4, entityRefs: [],
  };
  view.resourceSchemaUrl = 'https://r';
  view.scope = {
    name: 'lib', version: '1.2', attributes: pairs({ s: 'v' }), droppedAttributesCount: 5,
  };
  view.scopeSchemaUrl = 'https://s';
  view.log = LOG;
  view.span = SPAN;
  view.spanEvent = SPAN.events[0];
  view.metric = METRIC;
  view.dataPoint = POINT;
  return Object.assign(view, change);
}

export const settings = (context: OttlContextName) => ({ context, world: WORLD });

export function valueOf(text: string, context: OttlContextName = 'log', view = viewOfAll()): Plain {
  return plainOf(compileValue(text, settings(context))(view));
}

export function holds(text: string, context: OttlContextName = 'log', view = viewOfAll()): boolean {
  return compileCondition(text, settings(context))(view);
}

/** The view after the statement. */
export function after(text: string, context: OttlContextName = 'log', view = viewOfAll()) {
  compileStatement(text, settings(context))(view);
  return view;
}

export function fails(run: () => unknown, pattern: RegExp): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof OttlFailure, String(error));
    assert.match(error.message, pattern);
    return true;
  });
}
