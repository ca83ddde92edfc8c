// When a series that goes on as it does will reach a limit: the line of Theil and Sen, which is the
// median of the slopes between its points, through what came after the last big step. Pure.
//
// What is said is the later of two answers: by the whole line, and by its second half. So a disk
// that was filled in the morning and rests since is not full tomorrow. Nothing is said of a line
// that is no more than noise, nor right after a step, such as somebody cleaning up.

import { holds } from '../conditions.ts';
import type { Condition, ForecastOptions, Sample } from '../model.ts';
import { mad, MAD_TO_SIGMA, median, spreadOf } from './robust.ts';
import { endOf, indexAt, type Steps } from './steps.ts';
import { DAY_MS, HOUR_MS } from './times.ts';

export const limits = {
  /** Points that a line is drawn through; with fewer nothing is said. */
  pointsMin: 10,
  /** Part of the history that they must span. */
  spanShareMin: 0.25,
  /** Points that slopes are taken between; more are thinned out by medians of neighbours. */
  pointsMax: 100,
  /** A step between neighbours is big beyond so many of their usual differences … */
  stepSigmas: 10,
  /** … and this share of the whole range. */
  stepShareMin: 0.1,
  /** What a line must gain over its span, in deviations of the points from it. */
  gainSigmas: 3,
  /** Times so far ahead have no date: ten years. */
  farMs: 3650 * DAY_MS,
} as const;

/**
 * `value` is the seconds until the limit is reached, 0 when it is, Infinity when it never will be.
 * A series that is too short or no longer there has no sample. `extra`: `now`, `limit`,
 * `per_hour` (slope), `reaches_at` (a time; '' for never).
 */
export function forecastSamples(
  series: readonly Steps[],
  options: ForecastOptions,
  atMs: number,
): Sample[] {
  return series.flatMap((steps) => {
    const sample = forecastAt(steps, options, atMs);
    return sample === null ? [] : [sample];
  });
}

export function forecastAt(steps: Steps, options: ForecastOptions, atMs: number): Sample | null {
  const points = pointsOf(steps, options, atMs);
  const last = points.at(-1);
  const freshMs = Math.max(limits.pointsMin * steps.stepMs, HOUR_MS);
  if (last === undefined || points.length < limits.pointsMin || atMs - last[0] > freshMs) {
    return null;
  }
  const found = holds(options.reaches, last[1])
    ? { seconds: 0, limit: options.reaches.value, perMs: 0 }
    : reach(points, options);
  const reachesMs = atMs + found.seconds * 1000;
  return {
    labels: steps.labels, value: found.seconds,
    extra: {
      now: last[1], limit: found.limit, per_hour: found.perMs * HOUR_MS,
      reaches_at: found.seconds * 1000 < limits.farMs ? new Date(reachesMs).toISOString() : '',
    },
  };
}

type Point = readonly [atMs: number, value: number];

function pointsOf(steps: Steps, { historyMs }: ForecastOptions, atMs: number): Point[] {
  const last = indexAt(steps, atMs);
  const first = Math.max(0, last - Math.round(historyMs / steps.stepMs) + 1);
  const points: Point[] = [];
  for (let index = first; index <= last; index++) {
    const value = steps.values[index]!;
    if (Number.isFinite(value)) points.push([endOf(steps, index), value]);
  }
  return points;
}

interface Reach {
  readonly seconds: number;
  readonly limit: number;
  readonly perMs: number;
}

function reach(all: readonly Point[], { historyMs, reaches }: ForecastOptions): Reach {
  const points = thinned(afterLastStep(all));
  const spanMs = points.at(-1)![0] - points[0]![0];
  const whole = lineOf(points);
  const limit = limitOf(reaches, points.at(-1)![1], whole?.perMs ?? 0);
  const never: Reach = { seconds: Infinity, limit, perMs: whole?.perMs ?? 0 };
  if (whole === null || spanMs < limits.spanShareMin * historyMs) return never;
  const half = lineOf(points.slice(points.length >> 1));
  if (half === null) return never;
  const [atMs, now] = all.at(-1)!;
  const towards = Math.sign(limit - now) || (reaches.operator.startsWith('<') ? -1 : 1);
  const seconds = [whole, half].map((line) => secondsTo(line, limit, { atMs, towards }));
  return { ...never, seconds: Math.max(...seconds) };
}

interface Ahead {
  readonly atMs: number;
  /** 1 when the limit is above, -1 when it is below. */
  readonly towards: number;
}

/** What comes after the last big difference between neighbours. */
export function afterLastStep(points: readonly Point[]): readonly Point[] {
  const differences = points.slice(1).map(([, value], index) => value - points[index]![1]);
  const { centre, sigma } = spreadOf(differences);
  const values = points.map(([, value]) => value);
  const range = Math.max(...values) - Math.min(...values);
  const big = Math.max(limits.stepSigmas * sigma, limits.stepShareMin * range);
  const last = differences.findLastIndex((difference) => Math.abs(difference - centre) > big);
  return points.slice(last + 1);
}

/** At most `pointsMax`: each the median of neighbours. */
function thinned(points: readonly Point[]): readonly Point[] {
  const size = Math.ceil(points.length / limits.pointsMax);
  if (size <= 1) return points;
  const parts = Array.from({ length: Math.ceil(points.length / size) }, (_, index) =>
    points.slice(index * size, (index + 1) * size));
  return parts.map((part): Point => [median(part.map(([atMs]) => atMs)),
    median(part.map(([, value]) => value))]);
}

export interface Line {
  readonly perMs: number;
  /** The line's value at an instant. */
  readonly at: (atMs: number) => number;
}

/** Theil and Sen's line; null when there are too few points, or it gains no more than noise. */
export function lineOf(points: readonly Point[]): Line | null {
  if (points.length < limits.pointsMin / 2) return null;
  const slopes: number[] = [];
  for (const [index, [atMs, value]] of points.entries()) {
    for (const [otherMs, other] of points.slice(index + 1)) {
      slopes.push((other - value) / (otherMs - atMs));
    }
  }
  const perMs = median(slopes);
  const originMs = points[0]![0];
  const intercept = median(points.map(([atMs, value]) => value - perMs * (atMs - originMs)));
  const at = (atMs: number) => intercept + perMs * (atMs - originMs);
  const noise = MAD_TO_SIGMA * mad(points.map(([atMs, value]) => value - at(atMs)), 0);
  const gain = Math.abs(perMs) * (points.at(-1)![0] - originMs);
  return gain > limits.gainSigmas * noise ? { perMs, at } : null;
}

/** Which bound of the condition lies ahead. */
function limitOf({ operator, value, to }: Condition, now: number, perMs: number): number {
  if (operator === 'within') return now > to ? to : value;
  return operator === 'outside' && perMs > 0 ? to : value;
}

function secondsTo({ perMs, at }: Line, limit: number, now: Ahead): number {
  if (Math.sign(perMs) !== now.towards) return Infinity;
  // By its noise the line may be past the limit when the last point is not.
  return Math.max(0, (limit - at(now.atMs)) / perMs / 1000);
}
