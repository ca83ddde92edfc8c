// The method `seasonal`: each step beside the same hour of the week, and the hours before and after
// it, of the weeks before. What grows or falls from hour to hour is taken out first, so that a
// steep morning is no wide band.
//
// The present week is not a part of what it is compared with, so nothing anomalous is, until it has
// been so for weeks.

import type { AnomalyOptions } from '../model.ts';
import { judgementOf, type Judge, type Judgement } from './judgement.ts';
import { createLocalTime, type LocalTime } from './local_time.ts';
import { logScaleOf, median, quantileOfSorted, scalingOf, sortedOf, spreadOf }
  from './robust.ts';
import { endOf, type Steps } from './steps.ts';
import { DAY_MS, HOUR_MS, WEEK_MS } from './times.ts';

export const limits = {
  /** Weeks with values at the hour; with fewer nothing is judged. */
  weeksMin: 3,
  /** Values in the three hours of these weeks; with fewer nothing is judged. */
  pointsMin: 9,
  /** Share of them that must not be 0, or else the hour is sparse. */
  filledShareMin: 0.3,
} as const;

const HOURS = 168;

/** The steps of each hour of the week, in order, and of each step its time of the week. */
interface Hours {
  readonly indexes: readonly number[][];
  readonly ofWeekMs: Float64Array;
}

export const seasonalJudge: Judge = (steps, options, { fromIndex, toIndex }) => {
  const hours = hoursOf(steps, createLocalTime(options.timeZone), toIndex);
  const first = steps.values.findIndex((value) => !Number.isNaN(value));
  const judged: Judgement[] = [];
  for (let index = fromIndex; index <= toIndex; index++) {
    if (Number.isNaN(steps.values[index]!)) continue;
    if ((index - first) * steps.stepMs < options.warmUpMs) continue;
    const one = judge(steps, index, hours, options);
    if (one !== null) judged.push(one);
  }
  return judged;
};

function hoursOf(steps: Steps, local: LocalTime, toIndex: number): Hours {
  const indexes = Array.from({ length: HOURS }, (): number[] => []);
  const ofWeekMs = new Float64Array(toIndex + 1);
  for (let index = 0; index <= toIndex; index++) {
    ofWeekMs[index] = local.ofWeekMs(endOf(steps, index) - steps.stepMs / 2);
    if (Number.isNaN(steps.values[index]!)) continue;
    indexes[Math.floor(ofWeekMs[index]! / HOUR_MS)]!.push(index);
  }
  return { indexes, ofWeekMs };
}

function judge(
  steps: Steps,
  index: number,
  hours: Hours,
  options: AnomalyOptions,
): Judgement | null {
  const sides = [-1, 0, 1].map((shift) => earlier(steps, index, hours, { shift, options }));
  const all = sides.flat();
  const weeks = new Set(all.map((other) => weekBetween(steps, other, index)));
  if (weeks.size < limits.weeksMin || all.length < limits.pointsMin) return null;
  const valueOf = (other: number) => steps.values[other]!;
  const sorted = sortedOf(all.map(valueOf));
  const { to, from } = scalingOf(logScaleOf((level) => quantileOfSorted(sorted, level)));
  const medianOf = (indexes: readonly number[]) => median(indexes.map(valueOf).map(to));
  const slope = (medianOf(sides[2]!) - medianOf(sides[0]!)) / 2;
  const values = all.map((other) => to(valueOf(other))
    - (Number.isNaN(slope) ? 0 : slope * hoursBetween(hours, other, index)));
  const filled = all.filter((other) => valueOf(other) !== 0).length;
  const { centre, sigma } = spreadOf(values);
  const band = options.sensitivity * sigma;
  const isUnusual = filled < limits.filledShareMin * all.length || sigma === 0;
  return judgementOf(steps, index, {
    expected: from(centre), lower: from(centre - band), upper: from(centre + band),
    score: isUnusual ? NaN : (to(valueOf(index)) - centre) / sigma,
  }, options);
}

/** Steps of an hour of the week, of weeks before that of the step, within the history. */
function earlier(
  steps: Steps,
  index: number,
  { indexes, ofWeekMs }: Hours,
  { shift, options }: { readonly shift: number; readonly options: AnomalyOptions },
): number[] {
  const hour = Math.floor(ofWeekMs[index]! / HOUR_MS);
  const nearest = index - (WEEK_MS - DAY_MS) / steps.stepMs;
  const farthest = index - (options.historyMs + 2 * HOUR_MS) / steps.stepMs;
  return indexes[(hour + shift + HOURS) % HOURS]!.filter((other) =>
    other <= nearest && other >= farthest);
}

const weekBetween = ({ stepMs }: Steps, from: number, to: number): number =>
  Math.round((to - from) * stepMs / WEEK_MS);

/** From -2 to 2, also over the end of the week. */
function hoursBetween({ ofWeekMs }: Hours, other: number, index: number): number {
  const apart = ofWeekMs[other]! - ofWeekMs[index]!;
  return (apart - Math.round(apart / WEEK_MS) * WEEK_MS) / HOUR_MS;
}
