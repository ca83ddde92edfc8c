// The processor cumulative_to_delta against a plain computation: random counters that restart,
// report twice, late, or not at all, in batches that are sent again when the sink cannot take them,
// some overtaking others. What the sink accepted adds up to what each counter counted. Also: each
// key, each reason to drop, the bound, and the way back to cumulative.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cumulativeToDeltaProcessor } from '../../../agent/processors/cumulative_to_delta.ts';
import { deltaToCumulativeProcessor } from '../../../agent/processors/delta_to_cumulative.ts';
import type { Batch } from '../../../proto/contract/batch.ts';
import type { ComponentContext, Consumer } from '../../../proto/contract/component.ts';
import { ACCEPTED, retryable } from '../../../proto/contract/outcome.ts';
import type { HistogramDataPoint, MetricData } from '../../../proto/otlp/model.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { createSeededRandom, type Random } from '../../../runtime/random.ts';
import { checkConsumer } from '../../contract/check_consumer.ts';
import { settle } from '../../../runtime/manual_clock.ts';
import {
  createManualClock, createSink, NEVER, testContext, type Sink,
} from '../../contract/fakes.ts';
import {
  at, CUMULATIVE, DELTA, exponential, flatPoints, gauge, histogram, metricOf, metricsBatch,
  numberOf, sum,
} from '../series/made.ts';

const build = (settings: object, next: Consumer, context: ComponentContext = testContext()) =>
  cumulativeToDeltaProcessor.create(
    cumulativeToDeltaProcessor.schema.parse(settings), context, next);

checkConsumer({
  name: 'cumulative_to_delta',
  signals: ['metrics'],
  create: (next, context) => ({ consumer: build({ max_staleness: '1m' }, next, context) }),
});

/** All that the sink accepted, by series. */
function acceptedTotals(sink: Sink): Map<string, number> {
  const batches = sink.deliveries.filter(({ outcome }) => outcome.status === 'accepted');
  const totals = new Map<string, number>();
  for (const { series, point } of flatPoints(batches.map(({ batch }) => batch))) {
    totals.set(series, (totals.get(series) ?? 0) + numberOf(point));
  }
  return totals;
}

/** A counter of a process that may restart. */
function createSource(random: Random, name: string) {
  let value = 0;
  let reported = 0;
  let start = at(0);
  return {
    name,
    reported: () => reported,
    point: (second: number, mayRestart: boolean): MetricData => {
      if (mayRestart && second > 0 && random.float() < 0.1) {
        value = 0;
        start = at(second - 0.5);
      }
      const growth = Math.floor(random.float() * 100);
      value += growth;
      reported += growth;
      return sum(BigInt(value), { start, time: at(second), temporality: CUMULATIVE,
        attributes: { host: name } });
    },
  };
}

test('cumulative_to_delta: the deltas of random counters add up to what they counted', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = createSeededRandom(seed);
    const sink = createSink((_batch, call) =>
      (random.float() < 0.3 ? retryable(`call ${call}`) : ACCEPTED));
    const processor = build({ initial_value: 'keep' }, sink);
    const sources = ['a', 'b', 'c', 'd'].map((name) => createSource(random, name));
    const sent: Batch[] = [];
    const waiting: Batch[] = [];
    for (let second = 0; second < 60; second++) {
      const reporting = sources.filter(() => random.float() < 0.8);
      if (reporting.length > 0) {
        // What was counted before a restart, and comes after it, nobody can know of.
        const mayRestart = waiting.length === 0;
        const batch = metricsBatch(reporting.map((one) =>
          metricOf('calls', one.point(second, mayRestart))));
        sent.push(batch);
        waiting.push(batch);
      }
      // Repeats of what was accepted, and tries of what was not, in any order.
      if (sent.length > 0 && random.float() < 0.2) {
        waiting.push(sent[Math.floor(random.float() * sent.length)]!);
      }
      waiting.sort(() => random.float() - 0.5);
      const outcomes = await Promise.all(waiting.map((batch) => processor.consume(batch, NEVER)));
      const again = waiting.filter((_, index) => outcomes[index]!.status === 'retryable');
      waiting.splice(0, waiting.length, ...again);
    }
    // A last point of each brings what is owed.
    sink.answer(ACCEPTED);
    for (const batch of waiting) await processor.consume(batch, NEVER);
    const last = metricsBatch(sources.map((one) => metricOf('calls', one.point(100, false))));
    await processor.consume(last, NEVER);
    const totals = acceptedTotals(sink);
    for (const { name, reported } of sources) {
      assert.equal(totals.get(`shop calls{host=${name}}`), reported(), `seed ${seed} ${name}`);
    }
  }
});

async function converted(settings: object, points: readonly MetricData[], context = testContext()) {
  const sink = createSink();
  const processor = build(settings, sink, context);
  for (const point of points) {
    await processor.consume(metricsBatch([metricOf('m', point)]), NEVER);
  }
  return flatPoints(sink.received);
}

const cumulative = (value: number, second: number, start = at(0)): MetricData =>
  sum(value, { start, time: at(second), temporality: CUMULATIVE });

test('cumulative_to_delta: starts, restarts, gaps and points without a value', async () => {
  const points = await converted({ initial_value: 'keep' }, [
    cumulative(5, 1), cumulative(8, 2), cumulative(8, 2), cumulative(7, 1.5),
    cumulative(20, 9), cumulative(3, 10), cumulative(4, 11, at(10.5)), cumulative(NaN, 12),
    sum(0, { time: at(12), temporality: CUMULATIVE, flags: 1 }), cumulative(6, 13, at(10.5)),
  ]);
  assert.deepEqual(points.map(({ point }) =>
    [numberOf(point), point.startTimeUnixNano, point.timeUnixNano]), [
    [5, at(0), at(1)], [3, at(1), at(2)], [12, at(2), at(9)], [3, at(9), at(10)],
    [4, at(10.5), at(11)], [2, at(11), at(13)],
  ]);
  for (const { metric } of points) {
    assert.equal((metric.data as { aggregationTemporality: number }).aggregationTemporality, DELTA);
  }
});

test('cumulative_to_delta: initial_value', async () => {
  const clock = createManualClock(Number(at(0) / 1_000_000n));
  const world = { ...testContext().world, clock };
  const check = async (initial: string | undefined, start: bigint, want: number[]) => {
    const settings = initial === undefined ? {} : { initial_value: initial };
    const points = await converted(settings, [cumulative(5, 2, start), cumulative(8, 3, start)],
      testContext({ world }));
    assert.deepEqual(points.map(({ point }) => numberOf(point)), want, `${initial} ${start}`);
  };
  await check(undefined, at(1), [5, 3]);
  await check('auto', at(-1), [3]);
  await check('auto', 0n, [3]);
  await check('auto', at(2), [3]);
  await check('keep', at(-1), [5, 3]);
  await check('drop', at(1), [3]);
});

test('cumulative_to_delta: histograms of both kinds', async () => {
  const options = (second: number) =>
    ({ start: at(0), time: at(second), temporality: CUMULATIVE });
  const first = histogram([1, 2, 3], 10, options(1));
  const withExtremes = { ...first, dataPoints: [{ ...first.dataPoints[0]!, min: 1, max: 4 }] };
  const points = await converted({ initial_value: 'keep' }, [
    withExtremes, histogram([1, 4, 3], 14, options(2)), histogram([0, 1, 0], 2, options(3)),
    histogram([1, 1], 2, options(4)),
  ]);
  const seen = points.map(({ point }) => point as HistogramDataPoint);
  assert.deepEqual(seen.map((one) => [one.count, one.sum, one.bucketCounts, one.min, one.max]), [
    [6n, 10, [1n, 2n, 3n], undefined, undefined],
    [2n, 4, [0n, 2n, 0n], undefined, undefined],
    [1n, 2, [0n, 1n, 0n], undefined, undefined],
    [2n, 2, [1n, 1n], undefined, undefined],
  ]);
  const exponentials = await converted({ initial_value: 'keep' }, [
    exponential(2, 4, [1, 2], 9, options(1)), exponential(1, 2, [4, 1], 15, options(2)),
  ]);
  assert.deepEqual(exponentials.map(({ point }) => {
    const { scale, positive, count, sum: total } = point as never as {
      scale: number; positive: unknown; count: bigint; sum: number;
    };
    return [scale, positive, count, total];
  }), [
    [2, { offset: 4, bucketCounts: [1n, 2n] }, 3n, 9],
    [1, { offset: 2, bucketCounts: [1n, 1n] }, 2n, 6],
  ]);
});

test('cumulative_to_delta: everything else passes untouched', async () => {
  const time = at(1);
  const others = [
    gauge(1, { time }), sum(1, { time, temporality: DELTA }),
    sum(1, { time, temporality: CUMULATIVE, isMonotonic: false }),
    histogram([1], 1, { time, temporality: DELTA }),
  ];
  const sink = createSink();
  const batch = metricsBatch(others.map((data, index) => metricOf(`m${index}`, data)));
  await build({}, sink).consume(batch, NEVER);
  assert.equal(sink.received[0], batch);
});

test('cumulative_to_delta: include and exclude', async () => {
  const names = async (settings: object) => {
    const sink = createSink();
    const options = { start: at(0), time: at(1), temporality: CUMULATIVE };
    await build({ initial_value: 'keep', ...settings }, sink).consume(metricsBatch([
      metricOf('http.calls', sum(1, options)), metricOf('rpc.calls', sum(1, options)),
      metricOf('http.time', histogram([1], 1, options)),
      metricOf('http.size', exponential(0, 0, [1], 1, options)),
    ]), NEVER);
    return flatPoints(sink.received).filter(({ metric }) =>
      (metric.data as { aggregationTemporality: number }).aggregationTemporality === DELTA)
      .map(({ metric }) => metric.name);
  };
  const all = ['http.calls', 'rpc.calls', 'http.time', 'http.size'];
  assert.deepEqual(await names({}), all);
  const strict = { match_type: 'strict', metrics: ['rpc.calls'] };
  assert.deepEqual(await names({ include: strict }), ['rpc.calls']);
  assert.deepEqual(await names({ exclude: strict }), all.filter((name) => name !== 'rpc.calls'));
  const http = { match_type: 'regexp', metrics: ['^http'], regexp: { cacheenabled: true } };
  assert.deepEqual(await names({ include: http, exclude: { metric_types: ['Histogram'] } }),
    ['http.calls', 'http.size']);
  assert.deepEqual(await names({ include: { metric_types: ['exponentialhistogram', 'sum'] } }),
    ['http.calls', 'rpc.calls', 'http.size']);
});

test('cumulative_to_delta: wrong settings are refused', () => {
  for (const settings of [
    { include: {} }, { include: { metrics: ['a'] } }, { include: { metric_types: ['gauge'] } },
    { include: { metrics: ['('], match_type: 'regexp' } }, { initial_value: 'none' },
    { max_streams: 0 }, { unknown: 1 },
  ]) {
    const { success } = cumulativeToDeltaProcessor.schema.safeParse(settings);
    assert.equal(success, false, JSON.stringify(settings));
  }
});

test('cumulative_to_delta: the bound, staleness, and what is counted', async () => {
  const clock = createManualClock();
  const counters = createCounters();
  const context = testContext({ counters, world: { ...testContext().world, clock } });
  const sink = createSink();
  const processor = build(
    { initial_value: 'keep', max_streams: 2, max_staleness: '10s' }, sink, context);
  await processor.start();
  const send = (second: number, names: string[]) => processor.consume(metricsBatch(
    names.map((host) => metricOf('m', sum(1, { start: at(0), time: at(second),
      temporality: CUMULATIVE, attributes: { host } })))), NEVER);
  await send(1, ['a', 'b', 'c']);
  await send(1, ['a']);
  const dropped = (reason: string) =>
    counters.total('binnacle_processor_dropped_items_total', { reason });
  assert.deepEqual([dropped('max_streams'), dropped('out_of_order')], [1, 1]);
  assert.equal(counters.total('binnacle_series_tracked'), 2);
  assert.equal(counters.total('binnacle_series_untracked_points_total'), 1);
  await clock.advance(6000);
  await send(7, ['a']);
  await clock.advance(9500);
  assert.equal(counters.total('binnacle_series_tracked'), 1);
  await send(13, ['c']);
  assert.equal(flatPoints(sink.received).length, 4);
  await processor.stop(NEVER);
  assert.equal(clock.pending(), 0);
});

test('cumulative_to_delta: a batch that overtakes one that is given back', async () => {
  const answers: ((outcome: typeof ACCEPTED) => void)[] = [];
  const sink = createSink(() => new Promise((resolve) => answers.push(resolve)));
  const processor = build({ initial_value: 'keep' }, sink);
  const send = (value: number, second: number) =>
    processor.consume(metricsBatch([metricOf('m', cumulative(value, second))]), NEVER);
  const first = send(5, 1);
  const second = send(9, 2);
  answers[0]!(retryable('later'));
  await first;
  // The second is given back, too: both are tried again, the newer one first.
  answers[1]!(retryable('later'));
  await second;
  const tries = [send(9, 2), send(5, 1)];
  await settle();
  answers.slice(2).forEach((answer) => answer(ACCEPTED));
  await Promise.all(tries);
  assert.equal(acceptedTotals(sink).get('shop m{}'), 9);
});

test('cumulative_to_delta: and back gives the counters as they were', async () => {
  const random = createSeededRandom(17);
  const sink = createSink();
  const back = deltaToCumulativeProcessor.create(
    deltaToCumulativeProcessor.schema.parse({}), testContext(), sink);
  const processor = build({ initial_value: 'keep' }, back);
  const sent: Batch[] = [];
  const counts = [0, 0, 0, 0];
  let value = 0;
  for (let second = 1; second <= 50; second++) {
    value += Math.floor(random.float() * 1000);
    counts.forEach((count, index) => {
      counts[index] = count + Math.floor(random.float() * 5);
    });
    const options = { start: at(0), time: at(second), temporality: CUMULATIVE };
    sent.push(metricsBatch([
      metricOf('int', sum(BigInt(value), options)), metricOf('double', sum(value / 8, options)),
      metricOf('histogram', histogram(counts, value, options)),
      metricOf('exponential', exponential(3, -2, counts.map((one) => one + 1), value, options)),
    ]));
    await processor.consume(sent.at(-1)!, NEVER);
  }
  assert.deepEqual(flatPoints(sink.received), flatPoints(sent));
});
