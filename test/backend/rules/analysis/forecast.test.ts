// Proves when a limit is foretold: of straight lines by hand, and that noise, a fresh clean-up and
// a rise that has ended foretell nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forecastAt } from '../../../../backend/rules/analysis/forecast.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../../../backend/rules/analysis/times.ts';
import type { ForecastOptions } from '../../../../backend/rules/model.ts';
import { seededRandom } from '../../../proto/generate.ts';

const AT_MS = Date.UTC(2026, 0, 31);
const STEP_MS = 5 * MINUTE_MS;
const OPTIONS: ForecastOptions = {
  withinMs: 2 * DAY_MS, historyMs: DAY_MS, stepMs: STEP_MS,
  reaches: { operator: '>=', value: 95, to: 95 },
};

/** A day of values by how many hours ago they are. */
const of = (value: (hoursAgo: number) => number, options = OPTIONS) => {
  const count = DAY_MS / STEP_MS;
  const values = Float64Array.from({ length: count }, (_, index) =>
    value((count - 1 - index) * STEP_MS / HOUR_MS));
  const steps = { labels: {}, stepMs: STEP_MS, firstMs: AT_MS - DAY_MS + STEP_MS, values };
  return forecastAt(steps, options, AT_MS);
};
const hours = (sample: { readonly value: number } | null) => Math.round(sample!.value / 36) / 100;
const noise = (seed: number) => {
  const random = seededRandom(seed);
  return () => random() + random() + random() + random() - 2;
};

test('forecast: a straight line reaches the limit when it should', () => {
  const sample = of((ago) => 85 - ago * 0.5)!;
  assert.equal(hours(sample), 20);
  assert.deepEqual(sample.extra, { now: 85, limit: 95, per_hour: sample.extra!['per_hour']!,
    reaches_at: new Date(AT_MS + 20 * HOUR_MS).toISOString() });
  assert.ok(Math.abs(Number(sample.extra!['per_hour']) - 0.5) < 1e-9);
  assert.equal(of(() => 95)!.value, 0);
  assert.equal(of(() => 80)!.value, Infinity);
  assert.equal(of((ago) => 80 + ago * 0.5)!.value, Infinity);
  const down: ForecastOptions = { ...OPTIONS, reaches: { operator: '<', value: 10, to: 10 } };
  assert.equal(hours(of((ago) => 20 + ago, down)), 10);
  assert.equal(of((ago) => 20 - ago * 0.1, down)!.value, Infinity);
});

test('forecast: noise reaches nothing, a line under noise nearly the same as without', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const flat = noise(seed);
    assert.equal(of(() => 90 + flat())!.value, Infinity);
    const rising = noise(seed + 100);
    const found = hours(of((ago) => 85 - ago * 0.5 + rising()));
    assert.ok(found > 15 && found < 30, `${found} hours`);
  }
});

test('forecast: wild values do not bend the line', () => {
  let turn = 0;
  const found = hours(of((ago) => (++turn % 10 === 0 ? 5 : 85 - ago * 0.5)));
  assert.ok(Math.abs(found - 20) < 1, `${found} hours`);
});

test('forecast: after somebody has cleaned up only what comes after counts', () => {
  const before = (ago: number) => 90 + (24 - ago) * 0.1;
  // Two hours are too short to say anything of.
  assert.equal(of((ago) => (ago > 2 ? before(ago) : 40 - ago))!.value, Infinity);
  // Twelve are enough: it rises by 1 an hour from 40 to 52.
  const found = hours(of((ago) => (ago > 12 ? before(ago) : 52 - ago)));
  assert.ok(Math.abs(found - 43) < 0.5, `${found} hours`);
});

test('forecast: a rise that has ended, and one step, foretell nothing', () => {
  assert.equal(of((ago) => (ago > 12 ? 80 - (ago - 12) : 80))!.value, Infinity);
  assert.equal(of((ago) => (ago > 8 ? 50 : 70))!.value, Infinity);
});

test('forecast: what is too short or has ended has no sample', () => {
  assert.equal(of((ago) => (ago < 0.5 ? 50 + ago : NaN)), null);
  assert.equal(of((ago) => (ago > 3 ? 50 + ago : NaN)), null);
});
