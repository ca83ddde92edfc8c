// Proves burn rates by the numbers of the SRE workbook, table 5-8 with an objective of 99.9 %, and
// which windows an alert holds by. Events are made up minute by minute.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BURN_WINDOWS, budgetLeft, burnRate, factorOf, pastsOf, sloSamples, type SloEvents }
  from '../../../../backend/rules/analysis/slo.ts';
import type { Steps } from '../../../../backend/rules/analysis/steps.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../../../backend/rules/analysis/times.ts';
import type { SloOptions } from '../../../../backend/rules/model.ts';

const AT_MS = Date.UTC(2026, 0, 31);
const SLO: SloOptions = {
  objective: 0.999, periodMs: 30 * DAY_MS, signal: 'traces', total: { type: 'all' },
  bad: { slowerThanMs: 300 }, groupBy: [], windows: BURN_WINDOWS, eventsMin: 1,
};

/** Events of each minute by how many minutes ago it ended: `[total, bad]`. */
function eventsOf(of: (minutesAgo: number) => readonly [total: number, bad: number]): SloEvents {
  const stepsOf = (pastMs: number, stepMs: number, which: 0 | 1): Steps => {
    const values = Float64Array.from({ length: pastMs / stepMs }, (_, index) => {
      const ago = (pastMs - (index + 1) * stepMs) / MINUTE_MS;
      let sum = 0;
      for (let minute = 0; minute < stepMs / MINUTE_MS; minute++) sum += of(ago + minute)[which];
      return sum;
    });
    return { labels: {}, stepMs, firstMs: AT_MS - pastMs + stepMs, values };
  };
  const { minutes, hours } = pastsOf(SLO);
  const both = (pastMs: number, stepMs: number) =>
    ({ total: stepsOf(pastMs, stepMs, 0), bad: stepsOf(pastMs, stepMs, 1) });
  return { labels: { service: 'a' }, minutes: both(minutes, MINUTE_MS),
    hours: both(hours, HOUR_MS) };
}

const near = (actual: unknown, wanted: number, within = 1e-6) =>
  assert.ok(Math.abs(Number(actual) - wanted) <= within, `${String(actual)} is not ${wanted}`);

test('slo: the factors of the table', () => {
  near(factorOf(0.02, 30 * DAY_MS, HOUR_MS), 14.4);
  near(factorOf(0.05, 30 * DAY_MS, 6 * HOUR_MS), 6);
  near(factorOf(0.1, 30 * DAY_MS, 3 * DAY_MS), 1);
});

test('slo: the error rates of the table, 1.44 %, 0.6 % and 0.1 % at 99.9 %', () => {
  near(burnRate(144, 10_000, 0.999), 14.4);
  near(burnRate(60, 10_000, 0.999), 6);
  near(burnRate(10, 10_000, 0.999), 1);
  const states = (share: number, minutes: number) => sloSamples([eventsOf((ago) =>
    [1e6, ago < minutes ? Math.round(1e6 * share) : 0])], SLO, AT_MS)
    .map(({ severity, value }) => [severity, value > 0]);
  const [page, ticket] = ['page', 'ticket'];
  // An hour of just 1.44 %: not above it. The three days before were good.
  assert.deepEqual(states(0.0144, 60), [[page, false], [ticket, false]]);
  assert.deepEqual(states(0.014401, 60), [[page, true], [ticket, false]]);
  assert.deepEqual(states(0.006, 360), [[page, false], [ticket, false]]);
  assert.deepEqual(states(0.006001, 360), [[page, true], [ticket, false]]);
  assert.deepEqual(states(0.001, 3 * 1440), [[page, false], [ticket, false]]);
  assert.deepEqual(states(0.001001, 3 * 1440), [[page, false], [ticket, true]]);
});

test('slo: both windows must burn', () => {
  const page = (of: (ago: number) => number) => sloSamples([eventsOf((ago) => [1000, of(ago)])],
    { ...SLO, windows: BURN_WINDOWS.slice(0, 1) }, AT_MS)[0]!;
  // All of it was bad 6 minutes ago and is good since.
  assert.equal(page((ago) => (ago >= 6 && ago < 60 ? 1000 : 0)).value, 0);
  // It has been bad for a moment only.
  assert.equal(page((ago) => (ago < 5 ? 20 : 0)).value, 0);
  const { value, extra } = page((ago) => (ago < 30 ? 50 : 0));
  near(value, 25);
  near(extra!['long'], 25);
  near(extra!['short'], 50);
  near(extra!['factor'], 14.4);
  near(extra!['events'], 60_000);
  // 30 minutes of 5 % of a constant load are 1500 of 43200 events that may be bad.
  near(extra!['budget_left'], 1 - 1500 / 43_200);
  near(extra!['exhausted_in'], (1 - 1500 / 43_200) * 30 * 86_400 / 25, 1);
});

test('slo: the budget of the period', () => {
  near(budgetLeft(eventsOf(() => [1000, 1]), SLO, AT_MS), 0);
  near(budgetLeft(eventsOf(() => [1000, 0]), SLO, AT_MS), 1);
  near(budgetLeft(eventsOf((ago) => [1000, ago < 1440 ? 15 : 0]), SLO, AT_MS), 0.5);
  near(budgetLeft(eventsOf(() => [1000, 2]), SLO, AT_MS), -1);
});

test('slo: no events are not the same as no errors', () => {
  assert.deepEqual(sloSamples([eventsOf(() => [0, 0])], SLO, AT_MS), []);
  const good = sloSamples([eventsOf(() => [10, 0])], SLO, AT_MS);
  assert.deepEqual(good.map(({ value }) => value), [0, 0]);
  near(good[0]!.extra!['budget_left'], 1);
  // Nothing has happened in the short window, all was bad before.
  const quiet = sloSamples([eventsOf((ago) => (ago < 6 * 60 ? [0, 0] : [10, 10]))], SLO, AT_MS);
  assert.deepEqual(quiet.map(({ severity, value }) => [severity, value]), [['ticket', 0]]);
});

test('slo: with few events in the long window nothing is said', () => {
  const rare = [eventsOf((ago) => [ago % 60 === 0 ? 1 : 0, ago % 60 === 0 ? 1 : 0])];
  const severities = (eventsMin: number) =>
    sloSamples(rare, { ...SLO, eventsMin }, AT_MS).map(({ severity }) => severity);
  assert.deepEqual(severities(1), ['page', 'ticket']);
  assert.deepEqual(severities(7), ['ticket']);
  assert.deepEqual(severities(73), []);
});
