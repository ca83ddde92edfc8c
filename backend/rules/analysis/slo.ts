// How fast an error budget burns, in several windows: the SRE workbook's chapter 5, table 5-8.
// Pure.
//
//     burn rate = share of bad events / (1 - objective);  1 uses up the budget in just the period
//
// A row of the table holds when its long and its short window both burn faster than its factor; an
// alert of a severity holds when one of its rows does. No events are not the same as no errors:
// of a window without events nothing is said.

import type { Labels } from '../../labels/labels.ts';
import type { BurnWindow, Sample, SloOptions } from '../model.ts';
import { endOf, type Steps } from './steps.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from './times.ts';

/** The table of the workbook, for a period of 30 days. */
export const BURN_WINDOWS: readonly BurnWindow[] = [
  { severity: 'page', longMs: HOUR_MS, shortMs: 5 * MINUTE_MS, factor: 14.4 },
  { severity: 'page', longMs: 6 * HOUR_MS, shortMs: 30 * MINUTE_MS, factor: 6 },
  { severity: 'ticket', longMs: 3 * DAY_MS, shortMs: 6 * HOUR_MS, factor: 1 },
];

/** The factor that uses up a share of the budget within a window. */
export const factorOf = (share: number, periodMs: number, longMs: number): number =>
  share * periodMs / longMs;

/** Events of a group, by minute and by hour. */
export interface SloEvents {
  readonly labels: Labels;
  readonly minutes: Events;
  readonly hours: Events;
}

export interface Events {
  readonly total: Steps;
  /** Of the same steps. */
  readonly bad: Steps;
}

/** Hours older than this are counted as such, the rest by minutes, which come late less. */
const MINUTES_MS = 2 * HOUR_MS;

/** What must be read by minutes, and what by hours, up to the instant. */
export const pastsOf = ({ windows, periodMs }: SloOptions): { minutes: number; hours: number } => ({
  minutes: Math.max(MINUTES_MS + HOUR_MS, ...windows.map(({ longMs }) => longMs)),
  hours: periodMs,
});

/**
 * A sample for each group and severity, unless no row of it has enough events. `value` is the burn
 * rate of the long window of the first row that holds, and 0 where none does. `extra`: `long` and
 * `short` (burn rates), `long_window` and `short_window` (seconds), `factor` (of that row, or else
 * of the one that is nearest), `events` (in the long window), `budget_left` (share of the period's
 * budget, below 0 when it is overdrawn), `exhausted_in` (seconds, at the rate of the long window).
 */
export function sloSamples(
  groups: readonly SloEvents[],
  slo: SloOptions,
  atMs: number,
): Sample[] {
  const severities = [...new Set(slo.windows.map(({ severity }) => severity))];
  return groups.flatMap((group) => {
    const left = budgetLeft(group, slo, atMs);
    return severities.flatMap((severity) => {
      const rows = slo.windows.filter((row) => row.severity === severity)
        .map((row) => burnOf(group.minutes, row, slo, atMs))
        .filter(({ events }) => events >= Math.max(1, slo.eventsMin));
      if (rows.length === 0) return [];
      const holding = rows.find(({ nearness }) => nearness > 1 + 1e-9);
      const row = holding ?? rows.reduce((a, b) => (b.nearness > a.nearness ? b : a));
      const value = holding === undefined ? 0 : holding.long;
      return [{ labels: group.labels, severity, value, extra: extraOf(row, left, slo) }];
    });
  });
}

interface Burn {
  readonly row: BurnWindow;
  readonly long: number;
  /** NaN when nothing happened in it. */
  readonly short: number;
  readonly events: number;
  /** Of the slower window to the factor: the row holds above 1. */
  readonly nearness: number;
}

function burnOf(events: Events, row: BurnWindow, slo: SloOptions, atMs: number): Burn {
  const rateOf = (lengthMs: number) => {
    const total = sumOf(events.total, atMs - lengthMs, atMs);
    const bad = sumOf(events.bad, atMs - lengthMs, atMs);
    return { total, rate: burnRate(bad, total, slo.objective) };
  };
  const long = rateOf(row.longMs);
  const short = rateOf(row.shortMs);
  const nearness = Math.min(long.rate, short.total === 0 ? 0 : short.rate) / row.factor;
  return { row, long: long.rate, short: short.rate, events: long.total, nearness };
}

/** NaN without events. */
export const burnRate = (bad: number, total: number, objective: number): number =>
  bad / total / budgetOf(objective);

/** 1 - 0.999 is 0.001, and not a little more. */
const budgetOf = (objective: number): number => Number((1 - objective).toPrecision(12));

/** 1 when nothing was bad, 0 when as much was bad as may be. NaN without events. */
export function budgetLeft({ minutes, hours }: SloEvents, slo: SloOptions, atMs: number): number {
  const turnMs = Math.floor((atMs - MINUTES_MS) / HOUR_MS) * HOUR_MS;
  const sum = (key: 'total' | 'bad') =>
    sumOf(hours[key], atMs - slo.periodMs, turnMs) + sumOf(minutes[key], turnMs, atMs);
  return 1 - burnRate(sum('bad'), sum('total'), slo.objective);
}

function extraOf({ row, long, short, events }: Burn, left: number, { periodMs }: SloOptions) {
  return {
    long, short: Number.isNaN(short) ? 0 : short, factor: row.factor, events, budget_left: left,
    long_window: row.longMs / 1000, short_window: row.shortMs / 1000,
    exhausted_in: left <= 0 ? 0 : long === 0 ? Infinity : left * periodMs / long / 1000,
  };
}

/** Of the steps that end behind `fromMs` and not after `toMs`; what is missing counts as 0. */
function sumOf(steps: Steps, fromMs: number, toMs: number): number {
  const { values, firstMs, stepMs } = steps;
  const start = Math.max(0, Math.floor((fromMs - firstMs) / stepMs) + 1);
  let sum = 0;
  for (let index = start; index < values.length && endOf(steps, index) <= toMs; index++) {
    const value = values[index]!;
    if (!Number.isNaN(value)) sum += value;
  }
  return sum;
}
