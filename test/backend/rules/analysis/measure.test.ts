// Proves that what is read over a moving period is read once: the cache answers what reading all of
// it would, however the data grows, comes late and disappears; and what is asked for by anomalies,
// forecasts and SLOs. The reader is a function over made-up values that notes what it is asked.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSeriesCache } from '../../../../backend/rules/analysis/cache.ts';
import { measureAnomaly, measureForecast, measureSlo, periodBefore }
  from '../../../../backend/rules/analysis/measure.ts';
import { BURN_WINDOWS } from '../../../../backend/rules/analysis/slo.ts';
import { gridOf, stepsOf, type Period } from '../../../../backend/rules/analysis/steps.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../../../backend/rules/analysis/times.ts';
import type { AnomalyOptions, ReadSeries, Series, SignalQuery }
  from '../../../../backend/rules/model.ts';
import { seededRandom } from '../../../proto/generate.ts';

const START_MS = Date.UTC(2026, 0, 5);
const ABORT = new AbortController().signal;
const QUERY: SignalQuery = {
  signal: 'logs', metric: '', search: { type: 'all' }, aggregate: { type: 'count' },
  overMs: MINUTE_MS, groupBy: ['service'],
};
const WIDE = { bytesMax: 1e9 };

/** Answers `value` of each step; null leaves it out. */
function readerOf(
  groups: readonly string[],
  value: (group: string, atMs: number) => number | null,
) {
  const asked: Array<{ readonly query: SignalQuery; readonly period: Period }> = [];
  const read: ReadSeries = async (query, period) => {
    asked.push({ query, period });
    const { firstMs, count } = gridOf(period);
    return groups.flatMap((group): Series[] => {
      const points = Array.from({ length: count }, (_, index) => firstMs + index * period.stepMs)
        .map((atMs) => ({ atMs, value: value(group, atMs) }))
        .filter((point): point is { atMs: number; value: number } => point.value !== null);
      return points.length === 0 ? [] : [{ labels: { service: group }, points }];
    });
  };
  return { read, asked };
}

test('measure: a period that moves on is read once, but for what may come late', async () => {
  const random = seededRandom(3);
  const late = new Map<number, number>();
  let nowMs = START_MS;
  const { read, asked } = readerOf(['a', 'b', 'c'], (group, atMs) => {
    if (group === 'b' && atMs > START_MS + 30 * MINUTE_MS) return null;
    if (group === 'c' && atMs < START_MS + 20 * MINUTE_MS) return null;
    return atMs / MINUTE_MS % 100 + (late.get(atMs) ?? 0);
  });
  const cache = createSeriesCache(read, WIDE);
  for (let turn = 0; turn < 80; turn++) {
    nowMs += Math.floor(random() * 3) * MINUTE_MS;
    // Something comes up to nine minutes late.
    late.set(nowMs - Math.floor(random() * 9) * MINUTE_MS, random());
    const period = periodBefore(nowMs, HOUR_MS, MINUTE_MS);
    const found = await cache.read(QUERY, period, ABORT);
    const before = asked.length;
    // Nothing new: what came late to the newest steps is seen with the next of them.
    await cache.read(QUERY, period, ABORT);
    assert.equal(asked.length, before);
    if (turn % 2 === 0) continue;
    nowMs += MINUTE_MS;
    const next = periodBefore(nowMs, HOUR_MS, MINUTE_MS);
    const wanted = (await read(QUERY, next, ABORT)).map((one) => stepsOf(one, next));
    asked.pop();
    assert.deepEqual(new Set(await cache.read(QUERY, next, ABORT)), new Set(wanted));
    assert.ok(found.length > 0);
  }
  const steps = asked.slice(1).map(({ period: { fromMs, toMs, stepMs } }) =>
    (toMs - fromMs) / stepMs);
  assert.ok(Math.max(...steps) <= 13, `${Math.max(...steps)} steps were read at once`);
});

test('measure: what was asked longest ago is forgotten, and what fails is not kept', async () => {
  let fails = false;
  const { read, asked } = readerOf(['a'], () => 1);
  const cache = createSeriesCache(async (...args) => {
    if (fails) throw new Error('away');
    return read(...args);
  }, { bytesMax: 2500 });
  const ask = (metric: string) =>
    cache.read({ ...QUERY, metric }, periodBefore(START_MS, HOUR_MS, MINUTE_MS), ABORT);
  for (const metric of ['a', 'b', 'c', 'c', 'b']) await ask(metric);
  assert.equal(asked.length, 3);
  assert.ok(cache.bytes() <= 2500);
  await ask('a');
  assert.equal(asked.length, 4);
  fails = true;
  await assert.rejects(ask('d'), /away/);
  fails = false;
  assert.equal((await ask('d')).length, 1);
});

test('measure: questions for the same series wait for each other', async () => {
  const { read, asked } = readerOf(['a'], () => 1);
  const cache = createSeriesCache(read, WIDE);
  const period = periodBefore(START_MS, HOUR_MS, MINUTE_MS);
  await Promise.all([1, 2, 3].map(() => cache.read(QUERY, period, ABORT)));
  assert.equal(asked.length, 1);
});

test('measure: an anomaly of counts, where no records are a number', async () => {
  const options: AnomalyOptions = {
    method: 'robust', stepMs: MINUTE_MS, historyMs: 6 * HOUR_MS, warmUpMs: 2 * HOUR_MS,
    direction: 'both', sensitivity: 4, minDelta: 0, minChange: 0, points: { of: 3, atLeast: 2 },
    timeZone: 'UTC',
  };
  const gone = START_MS + 10 * HOUR_MS;
  const { read } = readerOf(['a'], (_, atMs) =>
    (atMs > gone ? null : 100 + (atMs / MINUTE_MS * 7 % 11)));
  const cache = createSeriesCache(read, WIDE);
  const at = async (minutes: number) => (await measureAnomaly(QUERY, options,
    { atMs: gone + minutes * MINUTE_MS + 17_000 }, cache, ABORT))[0]!;
  assert.equal((await at(0)).value > -4, true);
  assert.equal((await at(1)).value > -4, true);
  const found = await at(2);
  assert.ok(found.value < -4);
  assert.equal(found.extra!['actual'], 0);
  assert.ok(Number(found.extra!['expected']) > 100);
});

test('measure: a forecast of a metric', async () => {
  const { read } = readerOf(['a'], (_, atMs) => (atMs - START_MS) / HOUR_MS);
  const cache = createSeriesCache(read, WIDE);
  const forecast = { withinMs: DAY_MS, historyMs: DAY_MS, stepMs: 5 * MINUTE_MS,
    reaches: { operator: '>', value: 30, to: 30 } } as const;
  const [found] = await measureForecast({ ...QUERY, aggregate: { type: 'avg', field: 'x' } },
    forecast, { atMs: START_MS + DAY_MS }, cache, ABORT);
  assert.equal(found!.value, 6 * 3600);
});

test('measure: an SLO reads minutes and hours, and then what is new', async () => {
  const { read, asked } = readerOf(['a'], (_, atMs) => (atMs > START_MS ? 1000 : null));
  const cache = createSeriesCache(async (query, period, abort) => {
    const series = await read(query, period, abort);
    // A fiftieth of all is bad; hours have sixty times as much.
    const share = (query.search.type === 'all' ? 1 : 0.02) * query.overMs / MINUTE_MS;
    return series.map(({ labels, points }) => ({ labels,
      points: points.map(({ atMs, value }) => ({ atMs, value: value * share })) }));
  }, WIDE);
  const slo = {
    objective: 0.999, periodMs: 30 * DAY_MS, signal: 'traces', total: { type: 'all' },
    bad: { slowerThanMs: 300 }, groupBy: ['service'], windows: BURN_WINDOWS, eventsMin: 10,
  } as const;
  const measure = (atMs: number) => measureSlo(slo, { atMs }, cache, ABORT);
  const found = await measure(START_MS + 10 * DAY_MS + 1234);
  assert.deepEqual(found.map(({ labels, severity, value }) =>
    [labels, severity, Math.round(value)]),
  [[{ service: 'a' }, 'page', 20], [{ service: 'a' }, 'ticket', 20]]);
  assert.ok(Math.abs(Number(found[0]!.extra!['budget_left']) + 19) < 1e-6);
  assert.deepEqual(new Set(asked.map(({ query, period }) =>
    `${query.search.type} ${period.stepMs / MINUTE_MS}`)),
  new Set(['all 1', 'term 1', 'all 60', 'term 60']));
  assert.ok(asked.every(({ period: { fromMs, toMs, stepMs } }) =>
    (toMs - fromMs) / stepMs <= 1440));
  asked.length = 0;
  await measure(START_MS + 10 * DAY_MS + MINUTE_MS + 1234);
  assert.deepEqual(asked.map(({ period: { fromMs, toMs } }) => (toMs - fromMs) / MINUTE_MS),
    [11, 11]);
  assert.deepEqual(await measure(START_MS - DAY_MS), []);
});
