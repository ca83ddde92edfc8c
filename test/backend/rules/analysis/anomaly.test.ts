// Proves what the methods find and what they leave alone, on series made up from a seed
// (test/bench/anomaly_series.ts; the bench `anomaly` prints the same at length), and each guard by
// itself.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ANOMALY_DEFAULTS, anomalyOverTime, anomalySamples, pastOf }
  from '../../../../backend/rules/analysis/anomaly.ts';
import { createLocalTime } from '../../../../backend/rules/analysis/local_time.ts';
import type { Steps } from '../../../../backend/rules/analysis/steps.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS, WEEK_MS }
  from '../../../../backend/rules/analysis/times.ts';
import type { AnomalyOptions } from '../../../../backend/rules/model.ts';
import { FAULT_TYPES, judgeDetector, makeFaults, makeSeries, START_MS, type Detector,
  type KindName } from '../../../bench/anomaly_series.ts';
import { seededRandom } from '../../../proto/generate.ts';

const STEP_MS = 15 * MINUTE_MS;

const optionsOf = (method: AnomalyOptions['method'], more: Partial<AnomalyOptions> = {}) => ({
  method, direction: 'both', minDelta: 0, minChange: 0, timeZone: 'UTC',
  ...ANOMALY_DEFAULTS[method], stepMs: STEP_MS, ...more,
}) satisfies AnomalyOptions;

/** Of steps so long, a spike of half an hour has two. */
const POINTS = { points: { of: 3, atLeast: 2 } };

const detectorOf = (options: AnomalyOptions): Detector => (steps) => {
  const at = anomalyOverTime(steps, options);
  return (atMs) => Math.abs(at(atMs)?.value ?? 0) > options.sensitivity;
};

/** Two weeks, or with a season five, of which the last is looked at. */
function tried(method: AnomalyOptions['method'], kind: KindName, hasFaults: boolean) {
  const weeks = method === 'robust' ? 2 : 5;
  const fromMs = START_MS + (weeks - 1) * WEEK_MS;
  const random = seededRandom(11);
  const faults = hasFaults ? makeFaults(fromMs, START_MS + weeks * WEEK_MS, random) : [];
  const steps = makeSeries({ kind, stepMs: STEP_MS, weeks, random, faults, sigmas: 7 });
  return judgeDetector(steps, faults, { detector: detectorOf(optionsOf(method, POINTS)), fromMs });
}

test('anomaly: spikes, shifts and drops are found, gaps are none, and noise is left alone', () => {
  const check = (method: AnomalyOptions['method'], kinds: readonly KindName[]) => {
    for (const kind of kinds) {
      const { found, there, falseAlarms } = tried(method, kind, true);
      const what = `${method}, ${kind}: ${JSON.stringify(found)} of ${JSON.stringify(there)}`;
      assert.ok(found.gap === 0 && falseAlarms <= 1, `${what}, ${falseAlarms} false alarms`);
      const shifts = ['spike', 'shift up', 'shift down'] as const;
      for (const type of shifts) assert.ok(found[type] >= there[type] - 1, what);
      assert.equal(FAULT_TYPES.every((type) => there[type] > 0), true);
    }
  };
  check('robust', ['flat', 'counts']);
  check('seasonal', ['weekly']);
  check('decomposition', ['weekly', 'growing']);
});

test('anomaly: fewer than one false alarm in a week of each kind of clean series', () => {
  const check = (method: AnomalyOptions['method'], kinds: readonly KindName[]) => {
    for (const kind of kinds) {
      const { falseAlarms } = tried(method, kind, false);
      assert.ok(falseAlarms < 1, `${method}, ${kind}: ${falseAlarms} in a week`);
    }
  };
  check('robust', ['daily', 'heavy tail', 'sparse', 'constant', 'flat']);
  check('seasonal', ['heavy tail']);
  check('decomposition', ['heavy tail']);
});

/** A day of 100 and 101 in turns, then what is given. */
const flatThen = (...last: readonly number[]): Steps => ({
  labels: { a: '1' }, stepMs: MINUTE_MS, firstMs: START_MS,
  values: Float64Array.from([...Array.from({ length: 1440 }, (_, index) => 100 + index % 2),
    ...last]),
});
const robust = (more: Partial<AnomalyOptions> = {}) =>
  optionsOf('robust', { stepMs: MINUTE_MS, ...more });
const END_MS = START_MS + 10 * DAY_MS;
const scoreOf = (steps: Steps, options: AnomalyOptions, atMs = END_MS) =>
  anomalySamples([steps], options, atMs)[0]?.value ?? null;

test('anomaly: the score is that of the median and the MAD, by hand', () => {
  // The median of the day is 100.5, the MAD 0.5: 0.6745 (110 - 100.5) / 0.5 = 12.8.
  const options = robust({ points: { of: 1, atLeast: 1 } });
  const [sample] = anomalySamples([flatThen(110)], options, END_MS);
  assert.ok(Math.abs(sample!.value - 0.6745 * 9.5 / 0.5) < 0.01);
  const { expected, lower, upper, actual } = sample!.extra as Record<string, number>;
  assert.deepEqual([expected, actual, sample!.labels], [100.5, 110, { a: '1' }]);
  assert.ok(Math.abs(upper! - (100.5 + 3.5 * 1.4826 / 2)) < 1e-9);
  assert.ok(Math.abs(lower! - (100.5 - 3.5 * 1.4826 / 2)) < 1e-9);
});

test('anomaly: so many of the last steps must be, all on one side', () => {
  const check = (last: readonly number[], holds: boolean) => assert.equal(
    Math.abs(scoreOf(flatThen(...last), robust({ points: { of: 5, atLeast: 3 } }))!) > 3.5, holds);
  check([110, 110], false);
  check([110, 110, 110], true);
  check([110, 100, 110, 101, 110], true);
  check([110, 110, 110, 100, 100], true);
  check([110, 110, 110, 100, 100, 100], false);
  check([110, 90, 110, 90, 100], false);
  // What is missing is not anomalous.
  check([110, NaN, 110, NaN, NaN], false);
});

test('anomaly: the direction, and the least difference that counts', () => {
  const points = { of: 1, atLeast: 1 };
  const check = (last: number, more: Partial<AnomalyOptions>, holds: boolean) => assert.equal(
    Math.abs(scoreOf(flatThen(last), robust({ points, ...more }))!) > 3.5, holds);
  check(110, { direction: 'above' }, true);
  check(110, { direction: 'below' }, false);
  check(90, { direction: 'below' }, true);
  check(90, { direction: 'above' }, false);
  check(110, { minDelta: 9.5 }, true);
  check(110, { minDelta: 9.6 }, false);
  check(110, { minChange: 0.09 }, true);
  check(110, { minChange: 0.1 }, false);
});

test('anomaly: nothing is said before the warm-up is over, nor of a series that has ended', () => {
  const short = (minutes: number): Steps => {
    const steps = flatThen(...Array.from({ length: 5 }, () => 110));
    return { ...steps, values: steps.values.subarray(1440 - minutes) };
  };
  assert.equal(scoreOf(short(700), robust()), null);
  assert.notEqual(scoreOf(short(720), robust()), null);
  assert.equal(scoreOf(flatThen(NaN, NaN, NaN, NaN, NaN), robust()), null);
  assert.deepEqual(anomalySamples([flatThen(100)], robust(), START_MS - DAY_MS), []);
});

test('anomaly: of a constant or nearly empty series only the least difference decides', () => {
  const points = { of: 1, atLeast: 1 };
  const constant = (last: number): Steps => ({ ...flatThen(last),
    values: flatThen(last).values.map((_, index) => (index === 1440 ? last : 7)) });
  const sparse = (last: number): Steps => ({ ...flatThen(last),
    values: flatThen(last).values.map((_, index) =>
      (index === 1440 ? last : index % 20 === 0 ? 1 : 0)) });
  assert.equal(scoreOf(constant(9), robust({ points })), 0);
  assert.equal(scoreOf(constant(9), robust({ points, minDelta: 2 })), 0);
  assert.equal(scoreOf(constant(9.5), robust({ points, minDelta: 2 })), 3.5 * 2.5 / 2);
  assert.equal(scoreOf(constant(7), robust({ points, minDelta: 2 })), 0);
  assert.equal(scoreOf(sparse(5), robust({ points })), 0);
  assert.equal(scoreOf(sparse(50), robust({ points, minDelta: 10 })), 3.5 * 5);
});

test('anomaly: what is anomalous is not usual until it has lasted half the history', () => {
  const after = (minutes: number) => scoreOf(
    flatThen(...Array.from({ length: minutes }, (_, index) => 110 + index % 2)), robust())!;
  const atOnce = after(5);
  assert.ok(Math.abs(after(701) - atOnce) < 0.1, `${after(701)}, at first ${atOnce}`);
  assert.ok(Math.abs(after(730)) < 3.5);
});

test('anomaly: a score now is the score that a whole period gives for the instant', () => {
  const random = seededRandom(5);
  for (const method of ['robust', 'seasonal', 'decomposition'] as const) {
    const options = optionsOf(method, { stepMs: 30 * MINUTE_MS, points: { of: 2, atLeast: 1 } });
    const steps = makeSeries({ kind: 'daily', stepMs: options.stepMs, weeks: 6, random, faults: [],
      sigmas: 0 });
    const atMs = START_MS + 6 * WEEK_MS - 7 * HOUR_MS;
    const whole = anomalyOverTime(steps, options)(atMs)!;
    const firstIndex = Math.max(0, Math.round((atMs - pastOf(options) - START_MS)
      / options.stepMs));
    const part: Steps = { ...steps, firstMs: steps.firstMs + firstIndex * options.stepMs,
      values: steps.values.subarray(firstIndex) };
    const [now] = anomalySamples([part], options, atMs);
    assert.ok(Math.abs(now!.value - whole.value) < 0.05 * Math.max(1, Math.abs(whole.value)),
      `${method}: ${now!.value}, ${whole.value}`);
  }
});

test('anomaly: hours of the week are those of people, also when the clocks are changed', () => {
  const berlin = createLocalTime('Europe/Berlin');
  const check = (iso: string, day: number, hour: number) => assert.equal(
    berlin.ofWeekMs(Date.parse(iso)), day * DAY_MS + hour * HOUR_MS, iso);
  // Summer time began on Sunday 2026-03-29 at 1:00 UTC and ends on 2026-10-25 at 1:00 UTC.
  check('2026-03-23T08:00:00Z', 0, 9);
  check('2026-03-30T07:00:00Z', 0, 9);
  check('2026-03-29T00:30:00Z', 6, 1.5);
  check('2026-03-29T01:00:00Z', 6, 3);
  check('2026-10-25T00:30:00Z', 6, 2.5);
  check('2026-10-25T01:30:00Z', 6, 2.5);
  check('2026-10-26T08:00:00Z', 0, 9);
  assert.equal(createLocalTime('Asia/Kathmandu').ofDayMs(Date.parse('2026-01-01T00:00:00Z')),
    5.75 * HOUR_MS);
  assert.throws(() => createLocalTime('Atlantis/Capital'), RangeError);
});

test('anomaly: a morning rush is usual in its time zone when clocks are changed', () => {
  // Work begins at nine in Berlin; the clocks were changed on 2026-03-29.
  const berlin = createLocalTime('Europe/Berlin');
  const stepMs = 15 * MINUTE_MS;
  const firstMs = Date.UTC(2026, 1, 23);
  const random = seededRandom(2);
  const values = Float64Array.from({ length: 5 * WEEK_MS / stepMs + 60 }, (_, index) => {
    const hour = berlin.ofDayMs(firstMs + (index - 0.5) * stepMs) / HOUR_MS;
    return (hour >= 9 && hour < 17 ? 500 : 50) + random() * 10;
  });
  const steps: Steps = { labels: {}, stepMs, firstMs, values };
  const highest = (timeZone: string) => {
    const at = anomalyOverTime(steps, optionsOf('seasonal', { stepMs, timeZone,
      points: { of: 2, atLeast: 2 } }));
    const scores = Array.from({ length: 60 }, (_, index) =>
      Math.abs(at(Date.UTC(2026, 2, 30) + index * stepMs)?.value ?? 0));
    return Math.max(...scores);
  };
  assert.ok(highest('Europe/Berlin') < 4, `${highest('Europe/Berlin')}`);
});
