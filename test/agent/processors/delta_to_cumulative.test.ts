// The processor delta_to_cumulative against running sums: random streams in batches that are sent
// again when the sink cannot take them; points that are late, repeated or of another sender; gaps,
// bounds, staleness.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deltaToCumulativeProcessor } from '../../../agent/processors/delta_to_cumulative.ts';
import type { Consumer } from '../../../proto/contract/component.ts';
import { ACCEPTED, retryable } from '../../../proto/contract/outcome.ts';
import type { HistogramDataPoint, MetricData } from '../../../proto/otlp/model.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { createSeededRandom } from '../../../runtime/random.ts';
import { checkConsumer } from '../../contract/check_consumer.ts';
import { createManualClock, createSink, NEVER, testContext } from '../../contract/fakes.ts';
import {
  at, CUMULATIVE, DELTA, exponential, flatPoints, gauge, histogram, metricOf, metricsBatch,
  numberOf, sum,
} from '../series/made.ts';

const build = (settings: object, next: Consumer, context = testContext()) =>
  deltaToCumulativeProcessor.create(
    deltaToCumulativeProcessor.schema.parse(settings), context, next);

checkConsumer({
  name: 'delta_to_cumulative',
  signals: ['metrics'],
  create: (next, context) => ({ consumer: build({}, next, context) }),
});

const delta = (value: number, from: number, to: number): MetricData =>
  sum(value, { start: at(from), time: at(to), temporality: DELTA });

async function converted(points: readonly MetricData[], settings = {}, context = testContext()) {
  const sink = createSink();
  const processor = build(settings, sink, context);
  for (const point of points) {
    await processor.consume(metricsBatch([metricOf('m', point)]), NEVER);
  }
  return flatPoints(sink.received).map(({ point }) => point);
}

test('delta_to_cumulative: running sums of random streams, however often sent', async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = createSeededRandom(seed);
    const sink = createSink(() => (random.float() < 0.4 ? retryable('not now') : ACCEPTED));
    const processor = build({}, sink);
    const totals = new Map<string, number>();
    const seen = new Map<string, number>();
    for (let second = 1; second <= 60; second++) {
      const hosts = ['a', 'b', 'c'].filter(() => random.float() < 0.7);
      const batch = metricsBatch(hosts.map((host) => {
        const value = Math.floor(random.float() * 100);
        totals.set(host, (totals.get(host) ?? 0) + value);
        return metricOf('m', sum(value, { start: at(second - 1), time: at(second),
          temporality: DELTA, attributes: { host } }));
      }));
      for (;;) {
        if ((await processor.consume(batch, NEVER)).status === 'accepted') break;
      }
      // A repeat of what was accepted changes nothing.
      if (random.float() < 0.3) await processor.consume(batch, NEVER);
      for (const host of hosts) seen.set(`shop m{host=${host}}`, totals.get(host)!);
      const latest = new Map(flatPoints(sink.deliveries
        .filter(({ outcome }) => outcome.status === 'accepted').map((one) => one.batch))
        .map(({ series, point }) => [series, numberOf(point)]));
      assert.deepEqual(latest, seen, `seed ${seed} second ${second}`);
    }
  }
});

test('delta_to_cumulative: starts, gaps, late and repeated points, another sender', async () => {
  const counters = createCounters();
  const points = await converted([
    delta(5, 1, 2), delta(3, 2, 3), delta(9, 2, 3), delta(9, 1, 2.5), delta(2, 7, 8),
    delta(9, 0, 9), delta(4, 7.5, 9), sum(NaN, { time: at(10), temporality: DELTA }),
  ], {}, testContext({ counters }));
  assert.deepEqual(points.map((point) =>
    [numberOf(point), point.startTimeUnixNano, point.timeUnixNano]), [
    [5, at(1), at(2)], [8, at(1), at(3)], [10, at(1), at(8)], [14, at(1), at(9)],
  ]);
  const dropped = (reason: string) =>
    counters.total('binnacle_processor_dropped_items_total', { reason });
  assert.deepEqual(['out_of_order', 'older_start', 'no_value'].map(dropped), [2, 1, 1]);
});

test('delta_to_cumulative: histograms; with other bounds a series begins anew', async () => {
  const options = (second: number) =>
    ({ start: at(second - 1), time: at(second), temporality: DELTA });
  const withExtremes = (data: MetricData, min: number, max: number) =>
    ({ ...data, dataPoints: [{ ...data.dataPoints[0]!, min, max }] }) as MetricData;
  const points = await converted([
    withExtremes(histogram([1, 0, 2], 9, options(1)), 1, 7),
    withExtremes(histogram([0, 4, 0], 6, options(2)), 2, 2),
    histogram([1, 1], 2, options(3)),
  ]) as HistogramDataPoint[];
  assert.deepEqual(points.map((one) =>
    [one.count, one.sum, one.bucketCounts, one.min, one.max, one.startTimeUnixNano]), [
    [3n, 9, [1n, 0n, 2n], 1, 7, at(0)], [7n, 15, [1n, 4n, 2n], 1, 7, at(0)],
    [2n, 2, [1n, 1n], undefined, undefined, at(2)],
  ]);
  const [, both] = await converted([
    exponential(3, 8, [1, 1], 5, options(1)), exponential(2, 2, [1, 0, 1], 4, options(2)),
  ]) as never as { scale: number; positive: unknown }[];
  assert.deepEqual([both!.scale, both!.positive],
    [2, { offset: 2, bucketCounts: [1n, 0n, 3n] }]);
});

test('delta_to_cumulative: all sums of deltas are turned, everything else passes', async () => {
  const time = at(1);
  const sink = createSink();
  const passing = metricsBatch([metricOf('g', gauge(1, { time })),
    metricOf('s', sum(1, { time, temporality: CUMULATIVE }))]);
  const processor = build({}, sink);
  await processor.consume(passing, NEVER);
  assert.equal(sink.received[0], passing);
  await processor.consume(metricsBatch([metricOf('level',
    sum(-3, { start: at(0), time, temporality: DELTA, isMonotonic: false }))]), NEVER);
  const [point] = flatPoints([sink.received[1]!]);
  assert.deepEqual([numberOf(point!.point), point!.metric.data], [-3, {
    type: 'sum', aggregationTemporality: CUMULATIVE, isMonotonic: false,
    dataPoints: [point!.point],
  }]);
});

test('delta_to_cumulative: the bound and staleness', async () => {
  const clock = createManualClock();
  const counters = createCounters();
  const sink = createSink();
  const processor = build({ max_streams: 1, max_stale: '10s' }, sink,
    testContext({ counters, world: { ...testContext().world, clock } }));
  await processor.start();
  const send = (host: string, second: number) => processor.consume(metricsBatch([metricOf('m',
    sum(1, { start: at(second - 1), time: at(second), temporality: DELTA,
      attributes: { host } }))]), NEVER);
  await send('a', 1);
  await send('b', 1);
  assert.equal(counters.total('binnacle_series_untracked_points_total'), 1);
  await clock.advance(16_000);
  assert.equal(counters.total('binnacle_series_tracked'), 0);
  await send('a', 16);
  assert.deepEqual(flatPoints(sink.received).map(({ point }) =>
    [numberOf(point), point.startTimeUnixNano]), [[1, at(0)], [1, at(15)]]);
  await processor.stop(NEVER);
  assert.equal(clock.pending(), 0);
});

test('delta_to_cumulative: wrong settings are refused', () => {
  for (const settings of [{ max_streams: 0 }, { max_stale: '0' }, { include: {} }]) {
    const { success } = deltaToCumulativeProcessor.schema.safeParse(settings);
    assert.equal(success, false, JSON.stringify(settings));
  }
});
