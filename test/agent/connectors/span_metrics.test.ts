// The connector span_metrics against plain counts over lists of spans: dimensions, both kinds of
// histograms, both temporalities, sampling weights, events, examples, bounds and expiry.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spanMetricsConnector } from '../../../agent/connectors/span_metrics/connector.ts';
import type { Batch } from '../../../proto/contract/batch.ts';
import type { Consumer } from '../../../proto/contract/component.ts';
import { ACCEPTED, rejected, retryable } from '../../../proto/contract/outcome.ts';
import type {
  Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint,
} from '../../../proto/otlp/model.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { createSeededRandom } from '../../../runtime/random.ts';
import { checkConnector } from '../../contract/check_connector.ts';
import {
  createManualClock, createSink, makeBatch, NEVER, testContext,
} from '../../contract/fakes.ts';
import { flatPoints, labelText, numberOf, type FlatPoint } from '../series/made.ts';
import { CLIENT, ERROR, SERVER, spanBatch, type MadeSpan } from './spans.ts';

const build = (settings: object, next: Consumer, context = testContext()) =>
  spanMetricsConnector.create(spanMetricsConnector.schema.parse(settings), context, next);

const DELTA = { aggregation_temporality: 'AGGREGATION_TEMPORALITY_DELTA' };
const calls = (points: readonly FlatPoint[]) =>
  points.filter(({ metric }) => metric.name.endsWith('calls'));

checkConnector({
  name: 'span_metrics, delta',
  create: (next, context) =>
    build({ ...DELTA, metrics_flush_interval: '5ms' }, next, context),
  batch: (first, items) => makeBatch('traces', items, { first }),
  counted: (batches) =>
    calls(flatPoints(batches)).reduce((sum, { point }) => sum + numberOf(point), 0),
});

checkConnector({
  name: 'span_metrics, cumulative',
  create: (next, context) => build({ metrics_flush_interval: '5ms' }, next, context),
  batch: (first, items) => makeBatch('traces', items, { first }),
  counted: (batches) => {
    const last = new Map(calls(flatPoints(batches)).map(({ series, point }) =>
      [series, numberOf(point)]));
    return [...last.values()].reduce((sum, one) => sum + one, 0);
  },
});

interface Gathered {
  readonly points: readonly FlatPoint[];
  readonly batches: readonly Batch[];
}

async function gather(
  settings: object, spans: readonly MadeSpan[], resource = {},
): Promise<Gathered> {
  const sink = createSink();
  const connector = build(settings, sink);
  await connector.start();
  assert.deepEqual(await connector.consume(spanBatch(spans, resource), NEVER), ACCEPTED);
  await connector.stop(NEVER);
  return { points: flatPoints(sink.received), batches: sink.received };
}

const named = ({ points }: Gathered, name: string) =>
  points.filter(({ metric }) => metric.name === `traces.span.metrics.${name}`);
const valuesOf = (gathered: Gathered, name: string) => Object.fromEntries(
  named(gathered, name).map(({ point }) => [labelText(point.attributes), numberOf(point)]));

test('span_metrics: calls and durations by service, name, kind and status', async () => {
  const gathered = await gather({}, [
    { took: 1 }, { took: 3 }, { took: 30, status: ERROR },
    { service: 'cart', kind: CLIENT, took: 20_000 }, { service: '', name: 'job', took: -5 },
  ]);
  const own = 'service.name=shop,span.kind=SPAN_KIND_SERVER,span.name=GET /,'
    + 'status.code=STATUS_CODE';
  assert.deepEqual(valuesOf(gathered, 'calls'), {
    [`{${own}_UNSET}`]: 2, [`{${own}_ERROR}`]: 1,
    [`{${own.replace('=shop', '=cart').replace('SERVER', 'CLIENT')}_UNSET}`]: 1,
    [`{${own.replace('=shop', '=unknown_service').replace('GET /', 'job')}_UNSET}`]: 1,
  });
  const durations = named(gathered, 'duration');
  assert.deepEqual(durations.map(({ metric }) => metric.unit), ['ms', 'ms', 'ms', 'ms']);
  const [first, , far, negative] = durations.map(({ point }) => point as HistogramDataPoint);
  assert.equal(first!.explicitBounds.length, 16);
  const { count, sum, min, max, bucketCounts } = first!;
  assert.deepEqual([count, sum, min, max, bucketCounts.slice(0, 2)], [2n, 4, 1, 3, [1n, 1n]]);
  assert.deepEqual([far!.bucketCounts.at(-1), far!.sum], [1n, 20_000]);
  assert.deepEqual([negative!.bucketCounts[0], negative!.sum], [1n, 0]);
  assert.ok(first!.startTimeUnixNano > 0n && first!.startTimeUnixNano < first!.timeUnixNano);
});

test('span_metrics: kinds and statuses that nobody knows are one series', async () => {
  const gathered = await gather({}, [{ kind: 0 }, { kind: 9 }, { kind: 77, status: 9 }]);
  assert.deepEqual(Object.values(valuesOf(gathered, 'calls')), [3]);
});

test('span_metrics: dimensions of the span, else of the resource, else the default', async () => {
  const gathered = await gather({
    dimensions: [{ name: 'http.method', default: 'GET' }, { name: 'region' }, { name: 'none' }],
    calls_dimensions: [{ name: 'user' }],
    histogram: { dimensions: [{ name: 'size', default: 'small' }] },
    exclude_dimensions: ['span.kind', 'status.code', 'service.name'],
    include_instrumentation_scope: ['express'],
  }, [
    { attributes: { 'http.method': 'POST', user: 'ann' } }, { scope: 'express' }, { scope: 'pg' },
  ], { region: 'eu' });
  const scope = 'span.instrumentation.scope.name=express,span.instrumentation.scope.version=1';
  assert.deepEqual(valuesOf(gathered, 'calls'), {
    '{http.method=POST,region=eu,span.name=GET /,user=ann}': 1,
    [`{http.method=GET,region=eu,${scope},span.name=GET /}`]: 1,
    '{http.method=GET,region=eu,span.name=GET /}': 1,
  });
  assert.deepEqual(Object.keys(valuesOf(gathered, 'duration')), [
    '{http.method=POST,region=eu,size=small,span.name=GET /}',
    `{http.method=GET,region=eu,size=small,${scope},span.name=GET /}`,
    '{http.method=GET,region=eu,size=small,span.name=GET /}',
  ]);
});

test('span_metrics: units, buckets, exponential, none at all, names', async () => {
  const spans = [{ took: 0.2 }, { took: 150 }];
  const explicit = await gather({ namespace: '', histogram: { unit: 's',
    explicit: { buckets: ['100us', '100ms'] } } }, spans);
  const [, seconds] = explicit.points;
  assert.deepEqual([seconds!.metric.name, seconds!.metric.unit], ['duration', 's']);
  const { bucketCounts, explicitBounds, sum } = seconds!.point as HistogramDataPoint;
  assert.deepEqual([bucketCounts, explicitBounds], [[0n, 1n, 1n], [0.0001, 0.1]]);
  assert.ok(Math.abs(sum! - 0.1502) < 1e-9);
  const exponential = await gather({ histogram: { exponential: { max_size: 10 } } }, spans);
  const [point] = named(exponential, 'duration').map((one) =>
    one.point as ExponentialHistogramDataPoint);
  assert.equal(point!.positive!.bucketCounts.reduce((one, other) => one + other), 2n);
  assert.ok(point!.positive!.bucketCounts.length <= 10);
  const none = await gather({ histogram: { disable: true } }, spans);
  assert.deepEqual(none.points.map(({ metric }) => metric.name), ['traces.span.metrics.calls']);
});

test('span_metrics: a sampled span counts for those it stands for', async () => {
  const spans = [{ traceState: 'ot=th:c', took: 8 }, { took: 8 }];
  const own = (settings: object) => gather(settings, spans);
  const weighted = await own({});
  assert.deepEqual(Object.values(valuesOf(weighted, 'calls')), [5]);
  const { count, sum } = named(weighted, 'duration')[0]!.point as HistogramDataPoint;
  assert.deepEqual([count, sum], [5n, 40]);
  assert.deepEqual(Object.values(valuesOf(await own({ sampling_weights: false }), 'calls')), [2]);
});

test('span_metrics: sampled traffic gives the rates of all of it', async () => {
  const random = createSeededRandom(4);
  const all: MadeSpan[] = Array.from({ length: 30_000 }, () => ({
    name: random.float() < 0.3 ? 'a' : 'b', took: 2 ** (random.float() * 10),
    ...(random.float() < 0.1 ? { status: ERROR } : {}),
  }));
  // Three of ten are kept: a share of 0.7 is left out, which is 0xb333… of 2^56.
  const kept = all.filter(() => random.float() < 0.3)
    .map((span) => ({ ...span, traceState: 'ot=th:b3333333333333' }));
  const whole = valuesOf(await gather({}, all), 'calls');
  const sampled = valuesOf(await gather({}, kept), 'calls');
  for (const [series, count] of Object.entries(whole)) {
    assert.ok(Math.abs(sampled[series]! / count - 1) < 0.12, `${series}: ${sampled[series]}`);
  }
});

test('span_metrics: events and examples', async () => {
  const gathered = await gather({
    events: { enabled: true, dimensions: [{ name: 'exception.type' }] },
    exemplars: { enabled: true, max_per_data_point: 2 },
    exclude_dimensions: ['service.name', 'span.kind', 'status.code'],
  }, [
    { trace: 'a', took: 1, events: [{ 'exception.type': 'A' }, { 'exception.type': 'B' }] },
    { trace: 'b', took: 2, events: [{ 'exception.type': 'A' }] }, { trace: 'c', took: 3 },
  ]);
  assert.deepEqual(valuesOf(gathered, 'events'), {
    '{exception.type=A,span.name=GET /}': 2, '{exception.type=B,span.name=GET /}': 1,
  });
  const { exemplars } = named(gathered, 'duration')[0]!.point as HistogramDataPoint;
  assert.deepEqual(exemplars.map((one: Exemplar) => [one.traceId.at(-1), one.value?.value]),
    [['b', 2], ['c', 3]]);
});

test('span_metrics: resources, all of them, some attributes of them, or none', async () => {
  const sent = async (settings: object) => {
    const sink = createSink();
    const connector = build(settings, sink);
    await connector.start();
    for (const pid of ['1', '2']) await connector.consume(spanBatch([{}], { pid }), NEVER);
    await connector.stop(NEVER);
    return (sink.received[0] as Batch<'metrics'>).request.resourceMetrics.map((one) =>
      [labelText(one.resource?.attributes ?? []),
        numberOf(one.scopeMetrics[0]!.metrics[0]!.data!.dataPoints[0]!)]);
  };
  assert.deepEqual(await sent({}),
    [['{pid=1,service.name=shop}', 1], ['{pid=2,service.name=shop}', 1]]);
  assert.deepEqual(await sent({ resource_metrics_key_attributes: ['service.name'] }),
    [['{pid=1,service.name=shop}', 2]]);
  assert.deepEqual(await sent({ add_resource_attributes: false }), [['{}', 2]]);
});

function withClock(settings: object) {
  const clock = createManualClock();
  const counters = createCounters();
  const sink = createSink();
  const connector = build(settings, sink,
    testContext({ counters, world: { ...testContext().world, clock } }));
  const send = (...spans: MadeSpan[]) => connector.consume(spanBatch(spans), NEVER);
  const reported = () => calls(flatPoints(sink.received.slice(-1))).map(({ point }) =>
    [point.attributes.find(({ key }) => key === 'span.name')?.value.value ?? 'overflow',
      numberOf(point)]);
  return { clock, counters, sink, connector, send, reported };
}

test('span_metrics: cumulative reports grow, and give up series that expire', async () => {
  const { clock, counters, sink, connector, send, reported } =
    withClock({ metrics_flush_interval: '10s', metrics_expiration: '35s' });
  await connector.start();
  await send({ name: 'a' }, { name: 'b' });
  await clock.advance(10_000);
  assert.deepEqual(reported(), [['a', 1], ['b', 1]]);
  await send({ name: 'a' });
  sink.answer(retryable('not now'));
  await clock.advance(10_000);
  sink.answer(ACCEPTED);
  await clock.advance(10_000);
  assert.deepEqual(reported(), [['a', 2], ['b', 1]]);
  await clock.advance(10_000);
  assert.deepEqual(reported(), [['a', 2]]);
  assert.equal(counters.total('binnacle_series_tracked'), 2);
  const times = calls(flatPoints(sink.received))
    .map(({ point }) => point.startTimeUnixNano);
  assert.equal(new Set(times).size, 2, 'one start each');
  await connector.stop(NEVER);
  assert.equal(clock.pending(), 0);
});

test('span_metrics: deltas follow each other without a gap, also after a failure', async () => {
  const { clock, counters, sink, connector, send, reported } =
    withClock({ ...DELTA, metrics_flush_interval: '10s' });
  await connector.start();
  await send({ name: 'a' });
  await clock.advance(10_000);
  await clock.advance(10_000);
  assert.equal(sink.received.length, 1, 'nothing came, nothing is sent');
  await send({ name: 'a' }, { name: 'a' });
  sink.answer(retryable('not now'));
  await clock.advance(10_000);
  await send({ name: 'a' });
  sink.answer(ACCEPTED);
  await clock.advance(10_000);
  assert.deepEqual(reported(), [['a', 3]]);
  const points = calls(flatPoints(sink.deliveries.filter(({ outcome }) =>
    outcome.status === 'accepted').map(({ batch }) => batch))).map(({ point }) => point);
  assert.equal(points[1]!.startTimeUnixNano, points[0]!.timeUnixNano);
  sink.answer(rejected('never'));
  await send({ name: 'a' });
  await connector.stop(NEVER);
  assert.equal(counters.total('binnacle_connector_lost_points_total', { reason: 'rejected' }), 2);
});

test('span_metrics: beyond the bound one series holds the rest', async () => {
  const { clock, connector, send, reported } = withClock({ aggregation_cardinality_limit: 2 });
  await connector.start();
  await send(...['a', 'b', 'c', 'd', 'a'].map((name) => ({ name })));
  await clock.advance(60_000);
  assert.deepEqual(reported(), [['a', 2], ['b', 1], ['overflow', 2]]);
  await connector.stop(NEVER);
});

test('span_metrics: the resources seen last are kept', async () => {
  const { clock, counters, connector, send } = withClock({ resource_metrics_cache_size: 2 });
  await connector.start();
  for (const service of ['a', 'b', 'c', 'd', 'e', 'f']) {
    await send({ service, kind: SERVER });
    await clock.advance(1);
  }
  // Four of their own, and one that holds the others.
  assert.equal(counters.total('binnacle_series_tracked'), 2 * 5 + 2);
  await clock.advance(60_000);
  assert.equal(counters.total('binnacle_series_tracked'), 4 + 2);
  await connector.stop(NEVER);
});

test('span_metrics: wrong settings are refused', () => {
  for (const settings of [
    { histogram: { explicit: {}, exponential: {} } }, { histogram: { unit: 'us' } },
    { histogram: { explicit: { buckets: ['2s', '1s'] } } }, { dimensions: [{ name: 'span.name' }] },
    { dimensions: [{ name: 'a' }, { name: 'a' }] }, { events: { enabled: true } },
    { dimensions: [{ name: 'a' }], calls_dimensions: [{ name: 'a' }] },
    { aggregation_temporality: 'SUM' }, { metrics_flush_interval: '0' },
    { delta_temporality: { metric_timestamp_cache_size: 1 } },
  ]) {
    const { success } = spanMetricsConnector.schema.safeParse(settings);
    assert.equal(success, false, JSON.stringify(settings));
  }
  const parsed = spanMetricsConnector.schema.parse({ dimensions_cache_size: 1000,
    aggregation_temporality: 'delta' });
  assert.equal(parsed.aggregation_temporality, 'DELTA');
});
