// The processor interval: the last point of each series per interval, against a plain map; what
// passes at once; reports that cannot be delivered; the bound; the end.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGatherer, intervalProcessor } from '../../../agent/processors/interval.ts';
import type { ComponentContext, Consumer } from '../../../proto/contract/component.ts';
import { ACCEPTED, rejected, retryable } from '../../../proto/contract/outcome.ts';
import type { MetricData } from '../../../proto/otlp/model.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { createSeededRandom } from '../../../runtime/random.ts';
import { checkConsumer } from '../../contract/check_consumer.ts';
import { settle } from '../../../runtime/manual_clock.ts';
import {
  createGate, createManualClock, createSink, NEVER, NOW, testContext,
} from '../../contract/fakes.ts';
import {
  at, CUMULATIVE, DELTA, exponential, flatPoints, gauge, histogram, metricOf, metricsBatch,
  numberOf, sum,
} from '../series/made.ts';

const build = (settings: object, next: Consumer, context: ComponentContext, seriesMax = 1000) =>
  createGatherer(intervalProcessor.schema.parse(settings), context, next, { seriesMax });

checkConsumer({
  name: 'interval, gauges passing',
  signals: ['metrics'],
  create: (next, context) => ({
    consumer: intervalProcessor.create(
      intervalProcessor.schema.parse({ pass_through: { gauge: true } }), context, next),
  }),
});

function withClock() {
  const clock = createManualClock();
  const counters = createCounters();
  return { clock, counters, context: testContext({ counters,
    world: { ...testContext().world, clock } }) };
}

const summary = (second: number): MetricData => ({ type: 'summary', dataPoints: [{
  attributes: [], startTimeUnixNano: 0n, timeUnixNano: at(second), flags: 0, count: 1n, sum: 1,
  quantileValues: [],
}] });

test('interval: what passes at once and what is gathered', async () => {
  const { clock, context } = withClock();
  const names = async (settings: object) => {
    const sink = createSink();
    const processor = build({ interval: '10s', ...settings }, sink, context);
    await processor.start();
    const time = at(1);
    await processor.consume(metricsBatch([
      metricOf('gauge', gauge(1, { time })), metricOf('summary', summary(1)),
      metricOf('delta', sum(1, { time, temporality: DELTA })),
      metricOf('level', sum(1, { time, temporality: CUMULATIVE, isMonotonic: false })),
      metricOf('sum', sum(1, { time, temporality: CUMULATIVE })),
      metricOf('histogram', histogram([1], 1, { time, temporality: CUMULATIVE })),
      metricOf('exponential', exponential(0, 0, [1], 1, { time, temporality: CUMULATIVE })),
    ]), NEVER);
    await clock.advance(10_000);
    await clock.advance(10_000);
    await processor.stop(NEVER);
    return sink.received.map((batch) => flatPoints([batch]).map(({ metric }) => metric.name));
  };
  const gathered = ['gauge', 'summary', 'sum', 'histogram', 'exponential'];
  assert.deepEqual(await names({}), [['delta', 'level'], gathered]);
  assert.deepEqual(await names({ pass_through: { gauge: true } }),
    [['gauge', 'delta', 'level'], gathered.slice(1)]);
  assert.deepEqual(await names({ pass_through: { gauge: true, summary: true } }),
    [['gauge', 'summary', 'delta', 'level'], gathered.slice(2)]);
});

test('interval: random points, the newest of each series wins', async () => {
  const random = createSeededRandom(9);
  const { clock, context } = withClock();
  const sink = createSink(() => (random.float() < 0.3 ? retryable('not now') : ACCEPTED));
  const processor = build({ interval: '60s' }, sink, context);
  await processor.start();
  const newest = new Map<string, number>();
  for (let second = 0; second < 600; second += 5) {
    for (const host of ['a', 'b', 'c', 'd']) {
      if (random.float() < 0.4) continue;
      // Now and then a late one.
      const time = random.float() < 0.2 ? Math.max(0, second - 7) : second;
      await processor.consume(metricsBatch([metricOf('m', sum(time, { start: at(-1),
        time: at(time), temporality: CUMULATIVE, attributes: { host } }))]), NEVER);
      const key = `shop m{host=${host}}`;
      newest.set(key, Math.max(newest.get(key) ?? 0, time));
    }
    await clock.advance(5000);
  }
  sink.answer(ACCEPTED);
  await processor.stop(NEVER);
  const accepted = flatPoints(sink.deliveries.filter(({ outcome }) =>
    outcome.status === 'accepted').map(({ batch }) => batch));
  const latest = new Map<string, number>();
  for (const { series, point } of accepted) {
    latest.set(series, Math.max(latest.get(series) ?? 0, numberOf(point)));
  }
  assert.deepEqual(latest, newest);
  assert.ok(accepted.length <= 4 * 11, `${accepted.length} points`);
});

test('interval: a report that cannot be delivered gives way to newer points', async () => {
  const { clock, context } = withClock();
  const sink = createSink(retryable('not now'));
  const processor = build({ interval: '10s' }, sink, context);
  await processor.start();
  const send = (host: string, second: number) => processor.consume(metricsBatch([
    metricOf('m', gauge(second, { time: at(second), attributes: { host } }))]), NEVER);
  await send('a', 1);
  await send('b', 1);
  await clock.advance(10_000);
  await send('a', 12);
  sink.answer(ACCEPTED);
  await clock.advance(10_000);
  const points = flatPoints([sink.received.at(-1)!]).map(({ series, point }) =>
    [series, numberOf(point)]).sort();
  assert.deepEqual(points, [['shop m{host=a}', 12], ['shop m{host=b}', 1]]);
  await clock.advance(10_000);
  assert.equal(sink.received.length, 2, 'nothing came, nothing is sent');
  await processor.stop(NEVER);
});

test('interval: the end sends what is left, again and again until the deadline', async () => {
  const { clock, counters, context } = withClock();
  const sink = createSink(retryable('not now'));
  const processor = build({}, sink, context);
  await processor.start();
  const send = (second: number) => processor.consume(metricsBatch([
    metricOf('m', gauge(second, { time: at(second) }))]), NEVER);
  await send(1);
  const stopped = processor.stop(NEVER);
  await clock.advance(500);
  sink.answer(ACCEPTED);
  await clock.advance(500);
  await stopped;
  assert.deepEqual(sink.deliveries.map(({ outcome }) => outcome.status),
    ['retryable', 'retryable', 'retryable', 'accepted']);
  assert.equal((await send(2)).status, 'retryable', 'nobody would send it');
  const dropped = () =>
    counters.total('binnacle_processor_dropped_items_total', { reason: 'undelivered' });
  assert.equal(dropped(), 0);
  const late = build({}, createSink(rejected('never')), context);
  await late.start();
  await late.consume(metricsBatch([metricOf('m', gauge(1, { time: at(1) }))]), NEVER);
  await late.stop(NEVER);
  assert.equal(dropped(), 1);
  const hurried = build({}, createSink(retryable('not now')), context);
  await hurried.start();
  await hurried.consume(metricsBatch([metricOf('m', gauge(1, { time: at(1) }))]), NEVER);
  await hurried.stop(NOW);
  assert.equal(dropped(), 2);
  assert.equal(clock.pending(), 0);
});

test('interval: one report at a time, and beyond the bound points pass', async () => {
  const { clock, counters, context } = withClock();
  const gate = createGate();
  const sink = createSink();
  const processor = build({ interval: '1s' }, sink, context, 2);
  await processor.start();
  const host = (name: string) => metricOf('m', gauge(1, { time: at(1), attributes: { name } }));
  await processor.consume(metricsBatch(['a', 'b', 'c'].map(host)), NEVER);
  assert.deepEqual(flatPoints(sink.received).map(({ series }) => series), ['shop m{name=c}']);
  assert.equal(counters.total('binnacle_series_untracked_points_total'), 1);
  assert.equal(counters.total('binnacle_series_tracked'), 2);
  sink.answer(gate.answer);
  await clock.advance(3000);
  assert.equal(sink.received.length, 2);
  gate.open(ACCEPTED);
  await settle();
  assert.equal(counters.total('binnacle_series_tracked'), 0);
  await processor.stop(NEVER);
});

test('interval: a batch that is put off gathers nothing', async () => {
  const { context } = withClock();
  const sink = createSink(retryable('not now'));
  const processor = build({ interval: '60s' }, sink, context);
  await processor.start();
  const batch = metricsBatch([metricOf('d', sum(1, { time: at(1), temporality: DELTA })),
    metricOf('g', gauge(1, { time: at(1) }))]);
  assert.equal((await processor.consume(batch, NEVER)).status, 'retryable');
  sink.answer(ACCEPTED);
  await processor.stop(NEVER);
  assert.deepEqual(flatPoints(sink.received).map(({ metric }) => metric.name), ['d']);
});

test('interval: requests of many points are cut', async () => {
  const { context } = withClock();
  const sink = createSink();
  const processor = build({}, sink, context, 10_000);
  await processor.start();
  const time = at(1);
  await processor.consume(metricsBatch(Array.from({ length: 10_000 }, (_, index) =>
    metricOf('m', gauge(1, { time, attributes: { index: String(index) } })))), NEVER);
  await processor.stop(NEVER);
  assert.deepEqual(sink.received.map(({ itemCount }) => itemCount), [8192, 1808]);
  assert.equal(new Set(flatPoints(sink.received).map(({ series }) => series)).size, 10_000);
});
