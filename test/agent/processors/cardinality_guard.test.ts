// The processor cardinality_guard: an attribute that explodes is held off and the others are not;
// whatever the mode, the numbers add up to those that came in (plain sums say how much), and
// cumulative totals never fall; what is counted and told; bounds.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  cardinalityGuardProcessor,
} from '../../../agent/processors/cardinality_guard/processor.ts';
import { createSketch } from '../../../agent/processors/cardinality_guard/sketch.ts';
import { createTrackers } from '../../../agent/processors/cardinality_guard/trackers.ts';
import type { Batch } from '../../../proto/contract/batch.ts';
import type { Consumer } from '../../../proto/contract/component.ts';
import { ACCEPTED, retryable } from '../../../proto/contract/outcome.ts';
import type {
  DataPoint, HistogramDataPoint, Metric, MetricData,
} from '../../../proto/otlp/model.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { createSeededRandom } from '../../../runtime/random.ts';
import { checkConsumer } from '../../contract/check_consumer.ts';
import {
  createManualClock, createRecordingLog, createSink, NEVER, testContext, type Sink,
} from '../../contract/fakes.ts';
import {
  at, CUMULATIVE, DELTA, flatPoints, gauge, histogram, labelText, metricOf, metricsBatch, numberOf,
  sum,
} from '../series/made.ts';

const LIMIT = { max_cardinality_delta_per_epoch: 3 };

const build = (settings: object, next: Consumer, context = testContext()) =>
  cardinalityGuardProcessor.create(
    cardinalityGuardProcessor.schema.parse(settings), context, next);

checkConsumer({
  name: 'cardinality_guard',
  signals: ['metrics'],
  create: (next, context) => ({ consumer: build({}, next, context) }),
});

/** One metric with all these points. */
function joined(name: string, points: readonly MetricData[]): Metric {
  const [first] = points;
  const data: object = { ...first, dataPoints: points.flatMap((one) =>
    one.dataPoints as readonly DataPoint[]) };
  return metricOf(name, data as MetricData);
}

const delta = (user: string, value: number, second = 1, more: Record<string, string> = {}) =>
  sum(BigInt(value), { start: at(second - 1), time: at(second), temporality: DELTA,
    attributes: { user, region: 'eu', ...more } });

const values = (batches: readonly Batch[]) => Object.fromEntries(flatPoints(batches)
  .map(({ point }) => [labelText(point.attributes), numberOf(point)]));

async function guarded(settings: object, metrics: readonly Metric[], context = testContext()) {
  const sink = createSink();
  await build(settings, sink, context).consume(metricsBatch(metrics), NEVER);
  return sink.received;
}

const users = ['a', 'b', 'c', 'd', 'e'];

test('cardinality_guard: what is too many is held off, by the mode', async () => {
  const metric = joined('calls', users.map((user, index) => delta(user, index + 1)));
  const passing = { '{region=eu,user=a}': 1, '{region=eu,user=b}': 2, '{region=eu,user=c}': 3 };
  const check = async (mode: string | undefined, want: object) => {
    const settings = mode === undefined ? LIMIT : { ...LIMIT, enforcement_mode: mode };
    assert.deepEqual(values(await guarded(settings, [metric])), { ...passing, ...want });
  };
  await check(undefined, { '{otel.metric.overflow=true,region=eu}': 9 });
  await check('overflow_attribute', { '{otel.metric.overflow=true,region=eu}': 9 });
  await check('strip_and_reaggregate', { '{region=eu}': 9 });
  await check('tag_only', { '{otel.metric.overflow=true,region=eu,user=d}': 4,
    '{otel.metric.overflow=true,region=eu,user=e}': 5 });
});

test('cardinality_guard: what is within its bounds passes untouched', async () => {
  const batch = metricsBatch([joined('calls', users.map((user) => delta(user, 1)))]);
  const passes = async (settings: object) => {
    const sink = createSink();
    await build(settings, sink).consume(batch, NEVER);
    return sink.received[0] === batch;
  };
  assert.equal(await passes(LIMIT), false);
  assert.equal(await passes({ max_cardinality_delta_per_epoch: 5 }), true);
  assert.equal(await passes({ ...LIMIT, never_drop_labels: ['user'] }), true);
  assert.equal(await passes({ ...LIMIT, metric_overrides: { calls: 5 } }), true);
  assert.equal(await passes({ ...LIMIT, metric_overrides: { others: 5 } }), false);
});

test('cardinality_guard: an epoch later what was seen is known, some more may come', async () => {
  const clock = createManualClock();
  const sink = createSink();
  const guard = build({ ...LIMIT, epoch_duration_seconds: 60 }, sink,
    testContext({ world: { ...testContext().world, clock } }));
  await guard.start();
  const send = async (...names: string[]) => {
    await guard.consume(metricsBatch([joined('m', names.map((user) => delta(user, 1)))]), NEVER);
    return flatPoints(sink.received.slice(-1)).map(({ point }) =>
      point.attributes.find(({ key }) => key === 'user')?.value.value ?? '…');
  };
  assert.deepEqual(await send('a', 'b', 'c', 'd'), ['a', 'b', 'c', '…']);
  assert.deepEqual(await send('d', 'a'), ['a', '…']);
  await clock.advance(60_000);
  assert.deepEqual(await send('a', 'b', 'd', 'e', 'f', 'g'), ['a', 'b', 'd', 'e', 'f', '…']);
  await clock.advance(60_000);
  await clock.advance(60_000);
  assert.deepEqual(await send('a', 'b', 'd', 'e'), ['a', 'b', 'd', '…'], 'all forgotten');
  await guard.stop(NEVER);
  assert.equal(clock.pending(), 0);
});

test('cardinality_guard: of gauges the newest is kept; others may be marked', async () => {
  const level = (user: string, value: number, second: number) =>
    gauge(value, { time: at(second), attributes: { user } });
  const gauges = await guarded({ max_cardinality_delta_per_epoch: 1 },
    [joined('g', [level('a', 1, 1), level('b', 2, 3), level('c', 3, 2)])]);
  assert.deepEqual(values(gauges), { '{user=a}': 1, '{otel.metric.overflow=true}': 2 });
  const falling = (user: string) => sum(1, { time: at(1), temporality: CUMULATIVE,
    isMonotonic: false, attributes: { user } });
  const kept = await guarded({ max_cardinality_delta_per_epoch: 1 },
    [joined('level', [falling('a'), falling('b')])]);
  assert.deepEqual(values(kept), { '{user=a}': 1, '{otel.metric.overflow=true,user=b}': 1 });
  const counts = (user: string, list: number[]) => histogram(list, 1,
    { start: at(0), time: at(1), temporality: DELTA, attributes: { user } });
  const histograms = flatPoints(await guarded({ max_cardinality_delta_per_epoch: 1 },
    [joined('h', [counts('a', [1, 0]), counts('b', [1, 2]), counts('c', [0, 3]),
      counts('d', [1, 1, 1])])]));
  assert.deepEqual(histograms.map(({ point }) => [labelText(point.attributes),
    (point as HistogramDataPoint).bucketCounts.map(Number)]), [
    ['{user=a}', [1, 0]], ['{otel.metric.overflow=true,user=d}', [1, 1, 1]],
    ['{otel.metric.overflow=true}', [1, 5]],
  ]);
});

test('cardinality_guard: a point that is what others have become is one with them', async () => {
  const attributes = { 'otel.metric.overflow': 'x' };
  const own = sum(7n, { start: at(0), time: at(1), temporality: DELTA,
    attributes: { region: 'eu' } });
  const stripped = await guarded({ ...LIMIT, enforcement_mode: 'strip_and_reaggregate' },
    [joined('m', [own, ...users.map((user) => delta(user, 1))])]);
  assert.equal(values(stripped)['{region=eu}'], 9);
  assert.equal(flatPoints(stripped).length, 4);
  const marked = sum(7n, { start: at(0), time: at(1), temporality: DELTA, attributes });
  assert.equal(flatPoints(await guarded({ max_cardinality_delta_per_epoch: 1 },
    [joined('m', [marked])])).length, 1);
});

/** Sums of what a sink accepted, by the last value of each series or by all. */
function total(sink: Sink, isDelta: boolean): number {
  const points = flatPoints(sink.deliveries.filter(({ outcome }) =>
    outcome.status === 'accepted').map(({ batch }) => batch));
  if (isDelta) return points.reduce((all, { point }) => all + numberOf(point), 0);
  const last = new Map(points.map(({ series, point }) => [series, numberOf(point)]));
  return [...last.values()].reduce((all, one) => all + one, 0);
}

test('cardinality_guard: deltas of random users add up, in each mode, over retries', async () => {
  for (const mode of ['tag_only', 'overflow_attribute', 'strip_and_reaggregate']) {
    const random = createSeededRandom(21);
    const sink = createSink(() => (random.float() < 0.3 ? retryable('not now') : ACCEPTED));
    const guard = build({ ...LIMIT, enforcement_mode: mode }, sink);
    let sent = 0;
    for (let second = 1; second < 60; second++) {
      const points = Array.from({ length: 20 }, () => {
        const value = Math.floor(random.float() * 10);
        sent += value;
        return delta(`u${Math.floor(random.float() * 500)}`, value, second);
      });
      const batch = metricsBatch([joined('m', points)]);
      while ((await guard.consume(batch, NEVER)).status !== 'accepted');
    }
    assert.equal(total(sink, true), sent, mode);
    const series = new Set(flatPoints(sink.received).map((one) => one.series)).size;
    if (mode !== 'tag_only') assert.ok(series <= 4, `${mode}: ${series} series`);
  }
});

test('cardinality_guard: cumulative series of random users become totals that add up', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const random = createSeededRandom(seed);
    const clock = createManualClock(Number(at(0) / 1_000_000n));
    const sink = createSink(() => (random.float() < 0.3 ? retryable('not now') : ACCEPTED));
    const guard = build({ ...LIMIT, enforcement_mode: seed % 2 === 0 ? 'overflow_attribute'
      : 'strip_and_reaggregate' }, sink,
    testContext({ world: { ...testContext().world, clock } }));
    const counted = new Map<string, number>();
    let latest = new Map<string, number>();
    for (let second = 1; second < 40; second++) {
      // New users come, old ones count on; now and then some are not in a batch.
      for (let step = 0; step < 10; step++) {
        const user = `u${Math.floor(random.float() * second * 5)}`;
        counted.set(user, (counted.get(user) ?? 0) + 1 + Math.floor(random.float() * 9));
      }
      const isWhole = second === 39;
      const points = [...counted].filter(() => isWhole || random.float() < 0.8)
        .map(([user, value]) => sum(BigInt(value), { start: at(0.5), time: at(second),
          temporality: CUMULATIVE, attributes: { user } }));
      if (points.length === 0) continue;
      const batch = metricsBatch([joined('m', points)]);
      while ((await guard.consume(batch, NEVER)).status !== 'accepted');
      const now = new Map(flatPoints([sink.deliveries.at(-1)!.batch]).map(({ series, point }) =>
        [series, numberOf(point)]));
      for (const [series, value] of now) {
        assert.ok(value >= (latest.get(series) ?? 0), `${series} fell to ${value}`);
      }
      latest = new Map([...latest, ...now]);
    }
    const want = [...counted.values()].reduce((all, one) => all + one, 0);
    assert.equal(total(sink, false), want, `seed ${seed}`);
    assert.equal(latest.size, 4);
  }
});

test('cardinality_guard: what a process counted before the guard began is not growth', async () => {
  const clock = createManualClock(Number(at(100) / 1_000_000n));
  const sink = createSink();
  const guard = build({ max_cardinality_delta_per_epoch: 1 }, sink,
    testContext({ world: { ...testContext().world, clock } }));
  const send = (second: number, ...list: [string, number][]) => guard.consume(metricsBatch([
    joined('m', list.map(([user, value]) => sum(value, { start: at(0), time: at(second),
      temporality: CUMULATIVE, attributes: { user } })))]), NEVER);
  await send(101, ['a', 50], ['b', 70], ['c', 30]);
  await send(102, ['a', 51], ['b', 75], ['c', 31], ['d', 2]);
  const seen = flatPoints(sink.received).filter(({ series }) => series.includes('overflow'))
    .map(({ point }) => [numberOf(point), point.startTimeUnixNano]);
  assert.deepEqual(seen.map(([value]) => value), [0, 8], 'd is new: it was not there before');
  assert.ok((seen[0]![1] as bigint) >= at(100));
});

test('cardinality_guard: what is counted and told', async () => {
  const clock = createManualClock();
  const counters = createCounters();
  const log = createRecordingLog();
  const sink = createSink();
  const guard = build({ ...LIMIT, top_offenders_count: 1, drop_log_max_per_epoch: 1,
    estimated_cost_per_metric_month: 0.5, epoch_duration_seconds: 60 }, sink,
  testContext({ counters, log, world: { ...testContext().world, clock } }));
  await guard.start();
  const points = Array.from({ length: 53 }, (_, index) =>
    delta(`u${index}`, 1, 1, { path: `/${index % 10}` }));
  await guard.consume(metricsBatch([joined('m', points)]), NEVER);
  assert.equal(counters.total('otelcol_processor_cardinality_trackers_active'), 3);
  assert.equal(counters.total('otelcol_processor_cardinality_labels_stripped_total'),
    50 + 53 - 18);
  const offenders = () => counters.series().filter(({ name }) =>
    name === 'otelcol_processor_cardinality_top_offenders');
  assert.equal(offenders().length, 1);
  const { labels, value } = offenders()[0]!;
  assert.deepEqual(labels, { processor: 'test', metric_name: 'm', label_key: 'user' });
  assert.ok(Math.abs(value - 53) < 8, String(value));
  const saved = counters.total('otelcol_processor_cardinality_savings_estimated_total');
  assert.ok(Math.abs(saved - 0.5 * 57) < 5, String(saved));
  await clock.advance(60_000);
  assert.equal(offenders().length, 1, 'those of the epoch before are told');
  assert.ok(counters.total('otelcol_processor_cardinality_savings_estimated_total') >= saved - 1);
  assert.deepEqual(log.lines.map(({ message, fields }) => [message.slice(0, 12), fields]), [
    ['an attribute', { metric: 'm', attribute: 'user' }], ['more attribu', { attributes: 1 }],
  ]);
  await clock.advance(60_000);
  assert.equal(offenders().length, 0);
  await guard.stop(NEVER);
});

test('cardinality_guard: so many attributes are watched and no more', () => {
  const trackers = createTrackers({ trackersMax: 2, newMax: () => 1, overflow: () => {} });
  for (const attribute of ['a', 'b', 'c']) {
    for (const value of ['1', '2']) {
      const passes = trackers.metric('m').passes(attribute, value);
      assert.equal(passes, attribute === 'c' || value === '1');
    }
  }
  assert.deepEqual([trackers.size(), trackers.rejected()], [2, 2]);
  trackers.rotate();
  trackers.rotate();
  assert.equal(trackers.size(), 0);
  assert.equal(trackers.metric('m').passes('c', 'x'.repeat(100_000)), true);
  assert.equal(trackers.metric('m').passes('c', `${'x'.repeat(99_999)}y`), false);
});

test('cardinality_guard: max_tracker_count is how many attributes are watched', async () => {
  const check = async (settings: object, watched: number, passing: number) => {
    const context = testContext({ counters: createCounters() });
    const metrics = ['m', 'n'].map((name) =>
      joined(name, users.map((user) => delta(user, 1))));
    const batches = await guarded({ max_cardinality_delta_per_epoch: 1, ...settings }, metrics,
      context);
    assert.equal(context.counters.total('otelcol_processor_cardinality_trackers_active'), watched);
    assert.equal(flatPoints(batches).filter(({ point }) =>
      labelText(point.attributes).includes('user=')).length, passing);
  };
  // Each metric has two attributes, and of a watched one only the first value passes.
  await check({}, 4, 2);
  await check({ max_tracker_count: 2 }, 2, 1 + users.length);
});

test('cardinality_guard: the sketch is right to a tenth, whatever the number', () => {
  for (const many of [1, 10, 100, 1000, 20_000, 300_000]) {
    const sketch = createSketch();
    for (let index = 0; index < many; index++) {
      sketch.add(`user-${index}`);
      if (index % 3 === 0) sketch.add(`user-${index}`);
    }
    assert.ok(Math.abs(sketch.count() / many - 1) < 0.15, `${many}: ${sketch.count()}`);
  }
});

test('cardinality_guard: wrong settings are refused', () => {
  for (const settings of [
    { max_cardinality_delta_per_epoch: 0 }, { epoch_duration_seconds: 9 }, { tag_only: true },
    { enforcement_mode: 'drop' }, { top_offenders_count: 501 }, { metric_overrides: { a: 0 } },
    { estimated_cost_per_metric_month: -1 },
  ]) {
    const { success } = cardinalityGuardProcessor.schema.safeParse(settings);
    assert.equal(success, false, JSON.stringify(settings));
  }
});
