// Proves what is shown for which metrics: names, types, labels, both formats, deltas that are added
// up, what ends and what expires, the bound on series. Pages are compared as text.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prometheusSchema } from '../../../../agent/exporters/prometheus/config.ts';
import { writePage } from '../../../../agent/exporters/prometheus/page.ts';
import { createStore } from '../../../../agent/exporters/prometheus/store.ts';
import type {
  Attributes, Exemplar, KeyValue, Metric, MetricData, MetricsRequest,
} from '../../../../proto/otlp/model.ts';
import type { PageFormat } from '../../../../proto/prometheus/text.ts';
import { createManualClock, text } from '../../../contract/fakes.ts';

const NS = 1_000_000_000n;

interface PointMore {
  readonly at?: number;
  readonly start?: number;
  readonly flags?: number;
  readonly exemplars?: readonly Exemplar[];
}

const attributesOf = (labels: Record<string, string>): Attributes =>
  Object.entries(labels).map(([key, value]) => text(key, value));

const head = (labels: Record<string, string>, { at = 10, start = 0, flags = 0,
  exemplars = [] }: PointMore) => ({
  attributes: attributesOf(labels), startTimeUnixNano: BigInt(start) * NS,
  timeUnixNano: BigInt(at) * NS, flags, exemplars,
});

const number = (value: number, labels: Record<string, string> = {}, more: PointMore = {}) =>
  ({ ...head(labels, more), value: { type: 'double', value } as const });

const histogram = (bounds: number[], counts: number[], more: PointMore = {}) => ({
  ...head({}, more), count: BigInt(counts.reduce((one, two) => one + two, 0)), sum: 7.5,
  bucketCounts: counts.map(BigInt), explicitBounds: bounds, min: undefined, max: undefined,
});

interface MetricMore {
  readonly unit?: string;
  readonly description?: string;
  readonly metadata?: readonly KeyValue[];
}

const metric = (name: string, data: MetricData, more: MetricMore = {}): Metric =>
  ({ name, description: '', unit: '', metadata: [], ...more, data });

const gauge = (name: string, value: number, more: MetricMore = {}): Metric =>
  metric(name, { type: 'gauge', dataPoints: [number(value)] }, more);

const sum = (dataPoints: ReturnType<typeof number>[], aggregationTemporality = 2,
  isMonotonic = true): MetricData =>
  ({ type: 'sum', dataPoints, aggregationTemporality, isMonotonic });

const request = (metrics: Metric[], resource: Record<string, string> = {},
  scope: Record<string, string> = {}): MetricsRequest => ({
  resourceMetrics: [{
    resource: { attributes: attributesOf(resource), droppedAttributesCount: 0, entityRefs: [] },
    scopeMetrics: [{
      scope: { name: scope['name'] ?? '', version: scope['version'] ?? '',
        attributes: [], droppedAttributesCount: 0 },
      metrics, schemaUrl: '',
    }],
    schemaUrl: '',
  }],
});

function shown(config: Record<string, unknown> = {}, seriesMax = 1000) {
  const clock = createManualClock();
  const parsed = prometheusSchema().parse({ endpoint: 'localhost:0', ...config });
  const store = createStore({ config: parsed, clock, seriesMax });
  return {
    clock, store,
    add: (...metrics: Metric[]) => Object.fromEntries(store.add(request(metrics))),
    request: (one: MetricsRequest) => store.add(one),
    page: (format: PageFormat = 'text') =>
      writePage(store.families(), { format, timestamps: parsed.send_timestamps }).split('\n')
        .filter((line) => line !== ''),
  };
}

test('prometheus page: types, units, help', () => {
  const { add, page } = shown();
  add(
    gauge('system.memory', 5, { unit: 'By', description: 'How\nmuch \\ "of it".' }),
    metric('http.requests', sum([number(3, { 'http.method': 'GET"\n' })]), { unit: '{request}' }),
    metric('threads', sum([number(4)], 2, false)),
    metric('odd', { type: 'gauge', dataPoints: [number(Infinity)] },
      { metadata: [text('prometheus.type', 'unknown')] }),
  );
  assert.deepEqual(page(), [
    '# TYPE http_requests_total counter', 'http_requests_total{http_method="GET\\"\\n"} 3',
    '# TYPE odd untyped', 'odd +Inf',
    '# TYPE system_memory_bytes gauge', '# HELP system_memory_bytes How\\nmuch \\\\ "of it".',
    'system_memory_bytes 5',
    '# TYPE threads gauge', 'threads 4',
  ]);
  assert.deepEqual(page('openmetrics'), [
    '# TYPE http_requests counter', 'http_requests_total{http_method="GET\\"\\n"} 3',
    '# TYPE odd unknown', 'odd +Inf',
    '# TYPE system_memory_bytes gauge', '# UNIT system_memory_bytes bytes',
    '# HELP system_memory_bytes How\\nmuch \\\\ \\"of it\\".', 'system_memory_bytes 5',
    '# TYPE threads gauge', 'threads 4', '# EOF',
  ]);
});

test('prometheus page: histograms and summaries', () => {
  const { add, page } = shown({ send_timestamps: true });
  add(
    metric('h', { type: 'histogram', aggregationTemporality: 2,
      dataPoints: [histogram([1, 2.5], [1, 0, 3], { start: 5 })] }),
    metric('s', { type: 'summary', dataPoints: [{ ...head({ a: 'b' }, {}), count: 4n, sum: 8,
      quantileValues: [{ quantile: 0.5, value: 2 }] }] }),
  );
  assert.deepEqual(page(), [
    '# TYPE h histogram', 'h_bucket{le="1"} 1 10000', 'h_bucket{le="2.5"} 1 10000',
    'h_bucket{le="+Inf"} 4 10000', 'h_sum 7.5 10000', 'h_count 4 10000',
    '# TYPE s summary', 's{a="b",quantile="0.5"} 2 10000', 's_sum{a="b"} 8 10000',
    's_count{a="b"} 4 10000',
  ]);
  assert.ok(page('openmetrics').includes('h_bucket{le="1.0"} 1 10.0'));
  assert.ok(page('openmetrics').includes('h_created 5.0'));
});

test('prometheus page: exponential histograms have bounds at powers of two', () => {
  const { add, page } = shown();
  const exponential = (scale: number, offset: number, counts: number[], negative: number[] = []) =>
    metric('e', { type: 'exponentialHistogram', aggregationTemporality: 1, dataPoints: [{
      ...head({}, { at: 10 + scale }), count: 9n, sum: 1, scale, zeroCount: 2n, zeroThreshold: 0,
      positive: { offset, bucketCounts: counts.map(BigInt) },
      negative: { offset: 0, bucketCounts: negative.map(BigInt) },
      min: undefined, max: undefined,
    }] });
  add(exponential(0, -1, [1, 2, 1], [3]));
  assert.deepEqual(page().slice(1), ['e_bucket{le="-1"} 3', 'e_bucket{le="0"} 5',
    'e_bucket{le="1"} 6', 'e_bucket{le="2"} 8', 'e_bucket{le="4"} 9', 'e_bucket{le="+Inf"} 9',
    'e_sum 1', 'e_count 9']);
  // Two buckets of scale 1 are one of scale 0: above 1 and up to 2; above 8 and up to 16.
  add(exponential(1, 0, [1, 1, 0, 0, 0, 0, 5]));
  assert.deepEqual(page().slice(1, -2), ['e_bucket{le="-1"} 3', 'e_bucket{le="0"} 7',
    'e_bucket{le="1"} 8', 'e_bucket{le="2"} 12', 'e_bucket{le="4"} 13', 'e_bucket{le="16"} 18',
    'e_bucket{le="+Inf"} 18']);
});

test('prometheus page: exemplars are of OpenMetrics only', () => {
  const exemplar: Exemplar = { filteredAttributes: [text('user.id', 'u'),
    text('long', 'x'.repeat(120))], timeUnixNano: 1_500_000_000n,
  value: { type: 'double', value: 2 }, spanId: '', traceId: 'ab' };
  const { add, page } = shown();
  add(metric('c', sum([number(1, {}, { exemplars: [exemplar] })])),
    metric('h', { type: 'histogram', aggregationTemporality: 2,
      dataPoints: [histogram([1, 2.5], [1, 1, 1], { exemplars: [exemplar] })] }));
  const told = '# {trace_id="ab",user_id="u"} 2 1.5';
  assert.ok(page('openmetrics').includes(`c_total 1 ${told}`));
  assert.deepEqual(page('openmetrics').filter((line) => line.includes(told)).length, 2);
  assert.ok(page('openmetrics').includes(`h_bucket{le="2.5"} 2 ${told}`));
  assert.ok(!page().join().includes('trace_id'));
});

test('prometheus page: resources, scopes and constant labels', () => {
  const told = request([gauge('g', 1)], { 'service.name': 'shop', 'service.namespace': 'eu',
    'service.instance.id': 'i', 'host.name': 'h' }, { name: 'lib', version: '2' });
  const lines = (config: Record<string, unknown>) => {
    const { request: add, page } = shown(config);
    add(told);
    return page();
  };
  assert.deepEqual(lines({ const_labels: { 'my label': 'x' } }), [
    '# TYPE g gauge',
    'g{instance="i",job="eu/shop",my_label="x",otel_scope_name="lib",otel_scope_version="2"} 1',
    '# TYPE target_info gauge', '# HELP target_info Target metadata',
    'target_info{host_name="h",instance="i",job="eu/shop",my_label="x"} 1',
  ]);
  const bare = { without_scope_info: true };
  assert.equal(lines({ ...bare, resource_to_telemetry_conversion: { enabled: true,
    exclude_service_attributes: true } })[1], 'g{host_name="h",instance="i",job="eu/shop"} 1');
  assert.match(lines({ ...bare, resource_to_telemetry_conversion: { enabled: true } })[1]!,
    /service_instance_id="i",service_name="shop"/);
  assert.equal(lines({ ...bare, resource_constant_labels: { included: ['h*.name'] } })[1],
    'g{host_name="h",instance="i",job="eu/shop"} 1');
  const some = { included: ['*'], excluded: ['s*'] };
  assert.equal(lines({ ...bare, resource_constant_labels: some })[1],
    'g{host_name="h",instance="i",job="eu/shop"} 1');
});

test('prometheus page: names as they are asked for', () => {
  const name = (config: Record<string, unknown>) => {
    const { add, page } = shown(config);
    add(metric('a.b', sum([number(1)]), { unit: 's' }));
    return page()[1];
  };
  assert.equal(name({ namespace: 'n' }), 'n_a_b_seconds_total 1');
  assert.equal(name({ add_metric_suffixes: false }), 'a_b 1');
  assert.equal(name({ add_metric_suffixes: false,
    translation_strategy: 'UnderscoreEscapingWithSuffixes' }), 'a_b_seconds_total 1');
  assert.throws(() => name({ translation_strategy: 'NoTranslation' }), /is not supported/);
});

test('prometheus page: labels that become the same are joined', () => {
  const { add, page } = shown();
  add(metric('g', { type: 'gauge', dataPoints: [number(1, { 'a.b': '2', a_b: '1', c: '' })] }));
  assert.equal(page()[1], 'g{a_b="2;1"} 1');
});

test('prometheus page: deltas are added up, also those that may fall', () => {
  const { add, page } = shown();
  const deltas = (value: number, at: number) => add(
    metric('c', sum([number(value, {}, { at, start: at - 1 })], 1)),
    metric('u', sum([number(-value, {}, { at })], 1, false)),
    metric('h', { type: 'histogram', aggregationTemporality: 1,
      dataPoints: [histogram([1], [value, 1], { at })] }));
  deltas(2, 10);
  deltas(3, 20);
  deltas(3, 20); // Sent twice: it counts once.
  assert.deepEqual(page().filter((line) => !line.startsWith('#')), ['c_total 5',
    'h_bucket{le="1"} 5', 'h_bucket{le="+Inf"} 7', 'h_sum 15', 'h_count 7', 'u -5']);
  assert.ok(page('openmetrics').includes('c_created 9.0'));
  add(metric('h', { type: 'histogram', aggregationTemporality: 1,
    dataPoints: [histogram([2], [1, 1], { at: 30 })] }));
  assert.ok(page().includes('h_bucket{le="2"} 1'));
});

test('prometheus page: the newest value is shown, and none that has ended or expired', async () => {
  const { add, page, clock, store } = shown({ metric_expiration: '5m' });
  const at = (value: number, more: PointMore) =>
    add(metric('g', { type: 'gauge', dataPoints: [number(value, {}, more)] }));
  at(1, { at: 20 });
  at(2, { at: 10 });
  assert.equal(page()[1], 'g 1');
  at(0, { at: 30, flags: 1 });
  assert.deepEqual(page(), []);
  at(3, { at: 40 });
  await clock.advance(299_000);
  assert.equal(page()[1], 'g 3');
  await clock.advance(2000);
  assert.deepEqual(page(), []);
  assert.equal(store.size(), 0);
});

test('prometheus page: what cannot be shown is counted', () => {
  const { add, page, store } = shown({}, 6);
  assert.deepEqual(add(metric('a', sum([number(1)], 0))), { 'not usable': 1 });
  assert.deepEqual(add(gauge('x', 1), metric('x', { type: 'summary', dataPoints: [{
    ...head({}, {}), count: 1n, sum: 1, quantileValues: [] }] })), { 'other type': 1 });
  assert.deepEqual(add(metric('h', { type: 'histogram', aggregationTemporality: 2,
    dataPoints: [histogram([1], [1, 1])] })), {});
  assert.equal(store.size(), 5);
  assert.deepEqual(add(gauge('y', 1), gauge('z', 1)), { 'too many series': 1 });
  add(gauge('y', 2));
  assert.ok(page().includes('y 2'));
  add(metric('h', { type: 'histogram', aggregationTemporality: 2,
    dataPoints: [histogram([], [2], { flags: 1 })] }));
  assert.equal(store.size(), 2);
});
