// The method `decomposition`: a series is a trend (the rolling median of the day before), a season
// (of the day; of the week once there are three) and a remainder. A step is judged by Tukey's fence
// around the remainders: so many interquartile ranges beyond the quartiles. reliability.md 7.4.
//
// Trend and season come from what was there before the model was made, which is once in
// `limits.modelMs`; medians keep what is anomalous there from counting. A shift that stays becomes
// the trend after half a day.

import type { AnomalyOptions } from '../model.ts';
import { judgementOf, type Judge, type Judgement } from './judgement.ts';
import { createLocalTime, type LocalTime } from './local_time.ts';
import { createOrdered, median, quantile } from './robust.ts';
import { endOf, type Steps } from './steps.ts';
import { DAY_MS, HOUR_MS, WEEK_MS } from './times.ts';

export const limits = {
  /** How old a model becomes. */
  modelMs: 6 * HOUR_MS,
  /** Values that a model is made of; with fewer nothing is judged. */
  pointsMin: 100,
  /** Values of the last day for its trend, as a share of its steps. */
  trendShareMin: 0.25,
  /** Share of the values that must not be 0, or else the series is sparse. */
  filledShareMin: 0.3,
  /** Days for a season of the day, weeks for one of the week. */
  daysMin: 2,
  weeksMin: 3,
  /** How often season and trend are taken out of each other. */
  rounds: 2,
} as const;

interface Model {
  /** By the slot of the day or the week; all 0 without enough history. */
  readonly season: (index: number) => number;
  readonly low: number;
  readonly middle: number;
  readonly high: number;
  readonly isSparse: boolean;
}

export const decompositionJudge: Judge = (steps, options, { fromIndex, toIndex }) => {
  const local = createLocalTime(options.timeZone);
  const first = steps.values.findIndex((value) => !Number.isNaN(value));
  const judged: Judgement[] = [];
  const modelSteps = Math.max(1, Math.round(limits.modelMs / steps.stepMs));
  const offset = Math.round(steps.firstMs / steps.stepMs) % modelSteps;
  // Made at the same instants whichever step is asked for.
  const madeAt = (index: number) => index - ((index + offset) % modelSteps);
  for (let from = fromIndex; from <= toIndex;) {
    const to = Math.min(toIndex, madeAt(from) + modelSteps - 1);
    const model = modelOf(steps, options, local, madeAt(from));
    if (model !== null) {
      const warmIndex = first + Math.ceil(options.warmUpMs / steps.stepMs);
      judged.push(...judgeRange(steps, options, model, { from: Math.max(from, warmIndex), to }));
    }
    from = to + 1;
  }
  return judged;
};

function judgeRange(
  steps: Steps,
  options: AnomalyOptions,
  { season, low, middle, high, isSparse }: Model,
  { from, to }: { readonly from: number; readonly to: number },
): Judgement[] {
  const width = high - low;
  const trend = trendOf(steps, season, from, to);
  const judged: Judgement[] = [];
  for (let index = from; index <= to; index++) {
    const value = steps.values[index]!;
    const base = trend[index - from]! + season(index);
    if (Number.isNaN(value) || Number.isNaN(base)) continue;
    const remainder = value - base;
    const beyond = remainder > high ? remainder - high : Math.min(0, remainder - low);
    judged.push(judgementOf(steps, index, {
      expected: base + middle,
      lower: base + low - options.sensitivity * width,
      upper: base + high + options.sensitivity * width,
      score: isSparse || width <= Math.abs(base) * 1e-9 ? NaN : beyond / width,
    }, options));
  }
  return judged;
}

/** Of the history before a step; null when that is too short. */
function modelOf(
  steps: Steps,
  options: AnomalyOptions,
  local: LocalTime,
  madeAt: number,
): Model | null {
  const from = Math.max(0, madeAt - Math.round(options.historyMs / steps.stepMs));
  const past = steps.values.subarray(from, Math.max(from, madeAt));
  const present = past.filter((value) => !Number.isNaN(value));
  if (present.length < limits.pointsMin) return null;
  const slot = slotsOf(steps, local, past.length * steps.stepMs);
  let season = (_: number) => 0;
  for (let round = 0; round < limits.rounds && slot !== null; round++) {
    const trend = trendOf(steps, season, from, madeAt - 1);
    season = seasonOf(slot, from, past.map((value, index) => value - trend[index]!));
  }
  const trend = trendOf(steps, season, from, madeAt - 1);
  const remainders = past.map((value, index) => value - trend[index]! - season(from + index))
    .filter((value) => !Number.isNaN(value));
  if (remainders.length < limits.pointsMin) return null;
  const [low, middle, high] = [0.25, 0.5, 0.75].map((level) => quantile(remainders, level)) as
    [number, number, number];
  const filled = present.filter((value) => value !== 0).length;
  return { season, low, middle, high, isSparse: filled < limits.filledShareMin * past.length };
}

/** The median of the day before each step, without the season; NaN where too little is there. */
function trendOf(
  { values, stepMs }: Steps,
  season: (index: number) => number,
  from: number,
  to: number,
): Float64Array {
  const daySteps = Math.round(DAY_MS / stepMs);
  const ordered = createOrdered();
  const trend = new Float64Array(Math.max(0, to - from + 1)).fill(NaN);
  const without = (index: number) => values[index]! - season(index);
  for (let index = Math.max(0, from - daySteps); index <= to; index++) {
    const isEnough = ordered.size() >= limits.trendShareMin * daySteps;
    if (index >= from && isEnough) trend[index - from] = ordered.quantile(0.5);
    const left = index - daySteps;
    if (left >= Math.max(0, from - daySteps) && !Number.isNaN(values[left]!)) {
      ordered.remove(without(left));
    }
    if (!Number.isNaN(values[index]!)) ordered.add(without(index));
  }
  return trend;
}

interface Slots {
  readonly count: number;
  readonly of: (index: number) => number;
}

/** Slots as long as a step, of the local day or week; null for a history that is too short. */
function slotsOf(steps: Steps, local: LocalTime, historyMs: number): Slots | null {
  if (historyMs < limits.daysMin * DAY_MS || steps.stepMs > DAY_MS / 2) return null;
  const isWeekly = historyMs >= limits.weeksMin * WEEK_MS;
  const count = Math.ceil((isWeekly ? WEEK_MS : DAY_MS) / steps.stepMs);
  const at = (index: number) => endOf(steps, index) - steps.stepMs / 2;
  return {
    count,
    of: (index) => Math.floor(
      (isWeekly ? local.ofWeekMs(at(index)) : local.ofDayMs(at(index))) / steps.stepMs),
  };
}

/** The median of each slot and its neighbours; together around 0. */
function seasonOf(slots: Slots, from: number, values: Float64Array): (index: number) => number {
  const bySlot = Array.from({ length: slots.count }, (): number[] => []);
  values.forEach((value, index) => {
    if (!Number.isNaN(value)) bySlot[slots.of(from + index)]!.push(value);
  });
  const medians = bySlot.map((_, slot) => median([-1, 0, 1].flatMap((shift) =>
    bySlot[(slot + shift + slots.count) % slots.count]!)));
  const level = median(medians.filter((value) => !Number.isNaN(value)));
  return (index) => {
    const value = medians[slots.of(index)]!;
    return Number.isNaN(value) ? 0 : value - level;
  };
}
