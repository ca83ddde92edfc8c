// Proves that a backtest says what the state machine would have done with a stored past: when it
// fired, for how long, how often, and what it refuses. What was measured is made up; anomalies,
// forecasts and SLOs are compared with measuring each instant by itself.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backtest, type BacktestSource } from '../../../backend/rules/backtest.ts';
import { createSeriesCache } from '../../../backend/rules/analysis/cache.ts';
import { measureAnomaly, measureForecast, measureSlo }
  from '../../../backend/rules/analysis/measure.ts';
import { gridOf } from '../../../backend/rules/analysis/steps.ts';
import { readRule } from '../../../backend/rules/file/single.ts';
import type { ReadSeries, Sample } from '../../../backend/rules/model.ts';
import { holds } from '../../../backend/rules/conditions.ts';
import { createClock } from '../../../runtime/clock.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const START_MS = Date.UTC(2026, 0, 5);
const ABORT = new AbortController().signal;

function ruleOf(text: string) {
  const read = readRule(text, { retentionMs: 60 * DAY_MS });
  assert.ok(read.ok, JSON.stringify(read));
  return { group: read.group, rule: read.group.rules[0]! };
}

const readNothing: ReadSeries = async () => [];

/** Samples by how many minutes after the start they are. */
const sourceOf = (measured: (minute: number) => readonly Sample[]): BacktestSource => ({
  clock: createClock(), readSeries: readNothing,
  measureRange: async (_, { fromMs, toMs, stepMs }) => {
    const found = new Map<number, readonly Sample[]>();
    for (let atMs = fromMs + stepMs; atMs <= toMs; atMs += stepMs) {
      found.set(atMs, measured((atMs - START_MS) / MINUTE_MS));
    }
    return found;
  },
});

const SIMPLE = "alert: X\nlogs: 'level:error'\nby: [service]\ncondition: '> 5'\nfor: 2m";

test('backtest: when it fired, for how long, and what was measured', async () => {
  const source = sourceOf((minute) => [
    { labels: { service: 'a' }, value: minute >= 10 && minute < 20 ? minute : 1 },
    { labels: { service: 'b' }, value: minute === 15 ? 9 : 1 },
  ]);
  const outcome = await backtest(ruleOf(SIMPLE), { fromMs: START_MS, toMs: START_MS + HOUR_MS },
    source, ABORT);
  assert.ok(outcome.ok);
  assert.deepEqual(outcome.backtest, {
    evaluations: 60, empty: 0, failures: 0, error: '', pendings: 1, flaps: 0,
    firings: [{ labels: { service: 'a', alertname: 'X' }, activeAtMs: START_MS + 10 * MINUTE_MS,
      fromMs: START_MS + 12 * MINUTE_MS, toMs: START_MS + 20 * MINUTE_MS, min: 12, max: 19 }],
    shareFiring: 8 / 60,
  });
});

test('backtest: what comes back soon flaps, and what is not over has no end', async () => {
  const source = sourceOf((minute) => (minute > 2600 ? []
    : [{ labels: {}, value: minute % 30 >= 20 || minute > 2500 ? 9 : 1 }]));
  const outcome = await backtest(ruleOf(SIMPLE),
    { fromMs: START_MS, toMs: START_MS + 2550 * MINUTE_MS }, source, ABORT);
  assert.ok(outcome.ok);
  const { firings, flaps } = outcome.backtest;
  assert.equal(firings.length, 84);
  assert.equal(flaps, 83);
  assert.equal(firings.at(-1)!.toMs, null);
  const silent = await backtest(ruleOf(SIMPLE), { fromMs: START_MS + 2700 * MINUTE_MS,
    toMs: START_MS + 2800 * MINUTE_MS }, source, ABORT);
  assert.equal(silent.ok && silent.backtest.empty, 100);
});

test('backtest: what cannot be tried is refused', async () => {
  const refusal = async (text: string, days: number) => {
    const outcome = await backtest(ruleOf(text),
      { fromMs: START_MS, toMs: START_MS + days * DAY_MS }, sourceOf(() => []), ABORT);
    return outcome.ok ? '' : outcome.why;
  };
  assert.match(await refusal(SIMPLE, 400), /576000 evaluations/);
  assert.equal(await refusal(SIMPLE, 14), '');
  assert.match(await refusal(`alert: X\nsql: '${SQL}'\ncondition: '> 5'`, 14),
    /20160 evaluations, and 2000 are the most/);
});

const SQL = 'SELECT 1 AS value FROM otel_logs WHERE Timestamp >= {from:DateTime64(9)} '
  + 'AND Timestamp < {to:DateTime64(9)}';

/** Counts that rise by day, with ten wild minutes, and now and then something bad. */
const readSeries: ReadSeries = async (query, period) => {
  const { firstMs, count } = gridOf(period);
  const isBad = JSON.stringify(query.search).includes('duration');
  const valueAt = (atMs: number) => {
    const minute = (atMs - START_MS) / MINUTE_MS;
    const wild = minute >= 4000 && minute < 4020;
    const value = 100 + minute * 0.01 + minute * 7 % 5 + (wild ? 300 : 0);
    return (isBad ? (wild ? 200 : 0) : value) * query.overMs / MINUTE_MS;
  };
  const points = Array.from({ length: count }, (_, index) => firstMs + index * period.stepMs)
    .filter((atMs) => atMs > START_MS).map((atMs) => ({ atMs, value: valueAt(atMs) }));
  return [{ labels: { service: 'a' }, points }];
};

test('backtest: anomalies, forecasts and SLOs are those of each instant', async () => {
  const check = async (text: string) => {
    const one = ruleOf(text);
    const { source, levels } = one.rule;
    const period = { fromMs: START_MS + 66 * HOUR_MS, toMs: START_MS + 67.5 * HOUR_MS };
    const outcome = await backtest(one, period,
      { clock: createClock(), readSeries, measureRange: async () => new Map() }, ABORT);
    assert.ok(outcome.ok);
    const cache = createSeriesCache(readSeries, { bytesMax: 1e9 });
    const wanted = new Map<string, number>();
    for (let atMs = period.fromMs + MINUTE_MS; atMs <= period.toMs; atMs += MINUTE_MS) {
      const samples = source.type === 'anomaly'
        ? await measureAnomaly(source.query, source.anomaly, { atMs }, cache, ABORT)
        : source.type === 'forecast'
          ? await measureForecast(source.query, source.forecast, { atMs }, cache, ABORT)
          : source.type === 'slo' ? await measureSlo(source.slo, { atMs }, cache, ABORT) : [];
      for (const { value, severity = '' } of samples) {
        const level = levels.find((other) => other.severity === severity)!;
        if (holds(level.condition, value)) wanted.set(severity, (wanted.get(severity) ?? 0) + 1);
      }
    }
    const found = new Map<string, number>();
    for (const { labels, fromMs, toMs } of outcome.backtest.firings) {
      const severity = labels['severity'] ?? '';
      const minutes = ((toMs ?? period.toMs + MINUTE_MS) - fromMs) / MINUTE_MS;
      found.set(severity, (found.get(severity) ?? 0) + minutes);
    }
    assert.ok(found.size > 0, `${text}: nothing fired`);
    assert.deepEqual(found, wanted, text);
  };
  await check("alert: A\nlogs: ''\nby: [service]\nanomaly: {method: robust}");
  await check("alert: F\nlogs: ''\nby: [service]\nforecast: {within: 2h, reaches: '>= 145', "
    + 'history: 6h, step: 5m}');
  await check('alert: S\nslo: {objective: 99.9%, spans: service:a, slower_than: 300ms, '
    + 'by: [service]}');
});
