// Proves that every path reads and writes the field that the Collector documents for it
// (pkg/ottl/contexts/*/README.md of opentelemetry-collector-contrib), with a prefix and in the
// older form without one, and that a value of another type is refused.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FIELDS } from '../../../agent/ottl/contexts.ts';
import { OTTL_CONTEXTS, type OttlContextName } from '../../../agent/ottl/view.ts';
import type {
  DataPoint, ExponentialHistogramDataPoint, NumberDataPoint, SummaryDataPoint,
} from '../../../proto/otlp/model.ts';
import {
  after, any, fails, HISTOGRAM, LOG, METRIC, pairs, valueOf, viewOfAll, type Plain,
} from './records.ts';

/** The path reads as `before`; after it is set to `value` it reads as `want`. */
function check(
  context: OttlContextName, path: string, before: Plain, value?: string, want?: Plain,
): void {
  for (const text of [path, path.replace(`${context}.`, '')]) {
    assert.deepEqual(valueOf(text, context), before, text);
    if (value === undefined) continue;
    const view = after(`set(${text}, ${value})`, context);
    assert.deepEqual(valueOf(text, context, view), want, text);
  }
}

test('ottl paths: resource and scope', () => {
  check('resource', 'resource.attributes["service.name"]', 'shop', '"x"', 'x');
  check('resource', 'resource.attributes', { 'service.name': 'shop', 'host.name': 'h1' },
    '{"a": 1}', { a: 1n });
  check('resource', 'resource.dropped_attributes_count', 4n, '7', 7n);
  check('resource', 'resource.schema_url', 'https://r', '"u"', 'u');
  check('scope', 'scope.name', 'lib', '"x"', 'x');
  check('scope', 'scope.version', '1.2', '"2"', '2');
  check('scope', 'scope.attributes["s"]', 'v', '1.5', 1.5);
  check('scope', 'scope.dropped_attributes_count', 5n, '0', 0n);
  check('scope', 'scope.schema_url', 'https://s', '"u"', 'u');
  assert.equal(valueOf('instrumentation_scope.name', 'log'), 'lib');
  assert.equal(valueOf('resource.attributes["host.name"]', 'span'), 'h1');
});

test('ottl paths: a resource or scope that is absent comes into being when written to', () => {
  const without = viewOfAll({ resource: undefined });
  assert.equal(valueOf('resource.attributes["a"]', 'log', without), null);
  const view = after('set(resource.attributes["a"], "b")', 'log', without);
  assert.deepEqual(view.resource,
    { attributes: pairs({ a: 'b' }), droppedAttributesCount: 0, entityRefs: [] });
  const scoped = after('set(scope.name, "n")', 'log', viewOfAll({ scope: undefined }));
  assert.equal(scoped.scope!.name, 'n');
});

test('ottl paths: log', () => {
  check('log', 'log.time_unix_nano', 1_700_000_000_123_456_789n, '5', 5n);
  check('log', 'log.observed_time_unix_nano', 1_700_000_001_000_000_000n, '5', 5n);
  check('log', 'log.time', '2023-11-14T22:13:20.123Z', 'Unix(1)', '1970-01-01T00:00:01.000Z');
  check('log', 'log.observed_time', '2023-11-14T22:13:21.000Z', 'Unix(1)',
    '1970-01-01T00:00:01.000Z');
  check('log', 'log.severity_number', 9n, 'SEVERITY_NUMBER_FATAL4', 24n);
  check('log', 'log.severity_text', 'INFO', '"x"', 'x');
  check('log', 'log.body', 'request failed', '{"a": [1]}', { a: [1n] });
  check('log', 'log.body.string', 'request failed', '"x"', 'x');
  check('log', 'log.attributes["nested"]["inner"]["deep"]', 'x', '5', 5n);
  check('log', 'log.attributes["new"]["map"]', null, '"v"', 'v');
  check('log', 'log.attributes["tags"][0]', 'a', '"z"', 'z');
  check('log', 'log.dropped_attributes_count', 1n, '2', 2n);
  check('log', 'log.flags', 1n, '0', 0n);
  check('log', 'log.trace_id', 'id 0102030405060708090a0b0c0d0e0f10',
    'TraceID("a389023abaa839283293ed323892389d")', 'id a389023abaa839283293ed323892389d');
  check('log', 'log.trace_id.string', '0102030405060708090a0b0c0d0e0f10',
    '"A389023abaa839283293ed323892389d"', 'a389023abaa839283293ed323892389d');
  check('log', 'log.span_id', 'id 0102030405060708', 'SpanID(0x1111111111111111)',
    'id 1111111111111111');
  check('log', 'log.span_id.string', '0102030405060708', '"1111111111111111"', '1111111111111111');
  check('log', 'log.event_name', 'event', '"e"', 'e');
  check('log', 'log.cache["a"]', null, '"kept"', 'kept');
});

test('ottl paths: an id of zeros is absent in the model', () => {
  const view = after('set(log.span_id, SpanID(0x0000000000000000))');
  assert.equal(view.log!.spanId, '');
  assert.equal(valueOf('span_id.string', 'log', view), '0000000000000000');
});

test('ottl paths: bodies of maps and lists by key', () => {
  const view = viewOfAll({ log: { ...LOG, body: any({ a: { b: [1n, 2n] } }) } });
  assert.equal(valueOf('log.body["a"]["b"][1]', 'log', view), 2n);
  after('set(log.body["a"]["c"], true)', 'log', view);
  assert.deepEqual(valueOf('log.body', 'log', view), { a: { b: [1n, 2n], c: true } });
  const empty = after('set(log.body["k"][1], "v")', 'log',
    viewOfAll({ log: { ...LOG, body: undefined } }));
  assert.deepEqual(valueOf('log.body', 'log', empty), { k: [null, 'v'] });
});

test('ottl paths: span', () => {
  check('span', 'span.trace_id.string', '0102030405060708090a0b0c0d0e0f10');
  check('span', 'span.span_id', 'id 0102030405060708');
  check('span', 'span.parent_span_id', 'id 0000000000000000', 'SpanID("1111111111111111")',
    'id 1111111111111111');
  check('span', 'span.parent_span_id.string', '0000000000000000');
  check('span', 'span.trace_state', 'a=1,b=2', '"c=3"', 'c=3');
  check('span', 'span.trace_state["b"]', '2', '"9"', '9');
  check('span', 'span.name', 'GET /users/17', '"n"', 'n');
  check('span', 'span.kind', 2n, 'SPAN_KIND_CLIENT', 3n);
  check('span', 'span.kind.string', 'Server', '"Client"', 'Client');
  check('span', 'span.kind.deprecated_string', 'SPAN_KIND_SERVER', '"SPAN_KIND_CLIENT"',
    'SPAN_KIND_CLIENT');
  check('span', 'span.start_time_unix_nano', 1_700_000_000_000_000_000n, '1', 1n);
  check('span', 'span.end_time_unix_nano', 1_700_000_002_500_000_000n, '1', 1n);
  check('span', 'span.start_time', '2023-11-14T22:13:20.000Z', 'Unix(1)',
    '1970-01-01T00:00:01.000Z');
  check('span', 'span.end_time', '2023-11-14T22:13:22.500Z');
  check('span', 'span.attributes["http.method"]', 'GET', '"PUT"', 'PUT');
  check('span', 'span.dropped_attributes_count', 0n, '1', 1n);
  check('span', 'span.dropped_events_count', 2n, '1', 1n);
  check('span', 'span.dropped_links_count', 3n, '1', 1n);
  check('span', 'span.status.code', 2n, 'STATUS_CODE_OK', 1n);
  check('span', 'span.status.message', 'no', '"yes"', 'yes');
  check('span', 'span.flags', 257n, '1', 1n);
  check('span', 'IsRootSpan()', true);
  assert.equal(valueOf('Len(span.events)', 'span'), 1n);
  assert.equal(valueOf('Len(span.links)', 'span'), 0n);
  const view = after('set(span.events, span.events)', 'span');
  assert.equal(view.span!.events.length, 1);
  after('set(span.trace_state["b"], "9")', 'span', view);
  assert.equal(view.span!.traceState, 'b=9,a=1');
});

test('ottl paths: spanevent', () => {
  check('spanevent', 'spanevent.name', 'exception', '"n"', 'n');
  check('spanevent', 'spanevent.time_unix_nano', 1_700_000_001_000_000_000n, '1', 1n);
  check('spanevent', 'spanevent.time', '2023-11-14T22:13:21.000Z');
  check('spanevent', 'spanevent.attributes["exception.type"]', 'E', '"F"', 'F');
  check('spanevent', 'spanevent.dropped_attributes_count', 0n, '1', 1n);
  check('spanevent', 'spanevent.event_index', 0n);
  assert.equal(valueOf('span.name', 'spanevent'), 'GET /users/17');
});

test('ottl paths: metric', () => {
  check('metric', 'metric.name', 'system.cpu.time', '"n"', 'n');
  check('metric', 'metric.description', 'd', '"n"', 'n');
  check('metric', 'metric.unit', 's', '"ms"', 'ms');
  check('metric', 'metric.type', 2n, 'METRIC_DATA_TYPE_GAUGE', 2n);
  check('metric', 'metric.aggregation_temporality', 2n, 'AGGREGATION_TEMPORALITY_DELTA', 1n);
  check('metric', 'metric.is_monotonic', true, 'false', false);
  check('metric', 'metric.metadata["a"]', null, '"b"', 'b');
  assert.equal(valueOf('Len(metric.data_points)', 'metric'), 1n);
  const gauge = viewOfAll({ metric: { ...METRIC, data: { type: 'gauge', dataPoints: [] } } });
  assert.equal(valueOf('metric.is_monotonic', 'metric', gauge), null);
  fails(() => after('set(metric.is_monotonic, true)', 'metric', gauge), /no isMonotonic/);
});

const BASE: DataPoint = {
  attributes: pairs({ cpu: '0' }), startTimeUnixNano: 1n, timeUnixNano: 2n, flags: 0,
};
const EXPONENTIAL: ExponentialHistogramDataPoint = {
  ...BASE, count: 3n, sum: undefined, scale: 2, zeroCount: 1n, zeroThreshold: 0.5, exemplars: [],
  positive: { offset: 1, bucketCounts: [1n] }, negative: undefined, min: 1, max: 2,
};
const SUMMARY: SummaryDataPoint = {
  ...BASE, count: 3n, sum: 4.5, quantileValues: [{ quantile: 0.5, value: 1 }],
};

function checkPoint(
  point: DataPoint, path: string, before: Plain, value?: string, want?: Plain,
): void {
  assert.deepEqual(valueOf(path, 'datapoint', viewOfAll({ dataPoint: point })), before, path);
  if (value === undefined) return;
  const view = after(`set(${path}, ${value})`, 'datapoint', viewOfAll({ dataPoint: point }));
  assert.deepEqual(valueOf(path, 'datapoint', view), want, path);
}

test('ottl paths: datapoint', () => {
  check('datapoint', 'datapoint.attributes["cpu"]', '0', '"1"', '1');
  check('datapoint', 'datapoint.start_time_unix_nano', 1n, '5', 5n);
  check('datapoint', 'datapoint.time_unix_nano', 2n, '5', 5n);
  check('datapoint', 'datapoint.time', '1970-01-01T00:00:00.000Z', 'Unix(1)',
    '1970-01-01T00:00:01.000Z');
  check('datapoint', 'datapoint.flags', 0n, 'FLAG_NO_RECORDED_VALUE', 1n);
  check('datapoint', 'datapoint.value_int', 7n, '8', 8n);
  check('datapoint', 'datapoint.value_double', null, '8.5', 8.5);
  assert.equal(valueOf('metric.name', 'datapoint'), 'system.cpu.time');
  const view = after('set(datapoint.value_double, Double(datapoint.value_int))', 'datapoint');
  assert.deepEqual((view.dataPoint as NumberDataPoint).value, { type: 'double', value: 7 });
});

test('ottl paths: points of histograms and summaries', () => {
  checkPoint(HISTOGRAM, 'count', 3n, '5', 5n);
  checkPoint(HISTOGRAM, 'datapoint.sum', 1.5, '2.5', 2.5);
  checkPoint(HISTOGRAM, 'min', null, '0.5', 0.5);
  checkPoint(HISTOGRAM, 'max', 9, '8.0', 8);
  checkPoint(HISTOGRAM, 'bucket_counts', [1n, 2n], '[3, 4]', [3n, 4n]);
  checkPoint(HISTOGRAM, 'explicit_bounds', [10], '[1.5]', [1.5]);
  checkPoint(HISTOGRAM, 'explicit_bounds[0]', 10);
  checkPoint(HISTOGRAM, 'value_int', null);
  checkPoint(EXPONENTIAL, 'sum', null, '2.5', 2.5);
  checkPoint(EXPONENTIAL, 'scale', 2n, '3', 3n);
  checkPoint(EXPONENTIAL, 'zero_count', 1n, '3', 3n);
  checkPoint(EXPONENTIAL, 'zero_threshold', 0.5, '0.1', 0.1);
  checkPoint(EXPONENTIAL, 'positive.offset', 1n, '3', 3n);
  checkPoint(EXPONENTIAL, 'positive.bucket_counts', [1n], '[5]', [5n]);
  checkPoint(EXPONENTIAL, 'negative.offset', null, '3', 3n);
  checkPoint(SUMMARY, 'sum', 4.5, '2.5', 2.5);
  checkPoint(SUMMARY, 'count', 3n);
  assert.equal(valueOf('Len(quantile_values)', 'datapoint', viewOfAll({ dataPoint: SUMMARY })), 1n);
  fails(() => after('set(count, 1)', 'datapoint'), /no count/);
  fails(() => after('set(value_int, 1)', 'datapoint', viewOfAll({ dataPoint: SUMMARY })),
    /no value/);
});

test('ottl paths: a value of another type is refused, nil does nothing', () => {
  const check = (context: OttlContextName, path: string, value: string) =>
    fails(() => after(`set(${path}, ${value})`, context), /expected/);
  check('log', 'severity_text', '1');
  check('log', 'severity_number', '"x"');
  check('log', 'time', '5');
  check('log', 'time_unix_nano', 'Now()');
  check('log', 'trace_id', '"0102030405060708090a0b0c0d0e0f10"');
  check('log', 'attributes', '"x"');
  check('span', 'status', '1');
  check('span', 'events', '[1]');
  check('metric', 'is_monotonic', '1');
  check('datapoint', 'value_double', '1');
  fails(() => after('set(attributes["t"], Now())'), /cannot be stored/);
  for (const context of OTTL_CONTEXTS) {
    for (const [path, field] of Object.entries(FIELDS[context])) {
      const view = viewOfAll();
      field.set?.(view, null);
      assert.deepEqual(view, viewOfAll(), `${context} ${path}`);
    }
  }
});
