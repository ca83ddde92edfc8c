// The method `decomposition`: a series is a trend (the rolling median of the day before), a season
// (of the day; of the week once there are three) and a remainder. A step is judged by Tukey's fence
// around the remainders: so many interquartile ranges beyond the quartiles.
//
// Trend and season come from what was there before the model was made, which is once in
// `limits.modelMs`; medians keep what is anomalous there from counting. A shift that stays becomes
// the trend after half a day.

import type { AnomalyOptions } from '../model.ts';
import { judgementOf, type Judge, type Judgement } from './judgement.ts';
import { createLocalTime } from './local_time.ts';
import { createOrdered, logScaleOf, median, quantile, quantileOfSorted, scalingOf, type Scaling }
  from './robust.ts';
import { endOf, type Steps } from './steps.ts';
import { DAY_MS, WEEK_MS } from './times.ts';

export const limits = {
  /** How old a model becomes. */
  modelMs: DAY_MS,
  /** Values that a model is made of; with fewer nothing is judged. */
  pointsMin: 100,
  /** Values of the last day for its trend, as a share of its steps; of the last week likewise. */
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
  readonly scaling: Scaling;
  readonly season: Season;
  /** Quartiles of the remainders. */
  readonly low: number;
  readonly middle: number;
  readonly high: number;
  readonly isSparse: boolean;
}

/** Of each slot of the day or week how much more it has than others. */
interface Season {
  readonly slots: Slots;
  readonly medians: Float64Array;
}

interface Slots {
  readonly count: number;
  /** The slot of each step. */
  readonly of: Int32Array;
}

export const decompositionJudge: Judge = (steps, options, { fromIndex, toIndex }) => {
  const first = steps.values.findIndex((value) => !Number.isNaN(value));
  const warmIndex = first + Math.ceil(options.warmUpMs / steps.stepMs);
  const slots = slotsOf(steps, options.timeZone);
  const modelSteps = Math.max(1, Math.round(limits.modelMs / steps.stepMs));
  const offset = Math.round(steps.firstMs / steps.stepMs) % modelSteps;
  const judged: Judgement[] = [];
  for (let from = fromIndex; from <= toIndex;) {
    // Made at the same instants whichever step is asked for.
    const madeAt = from - ((from + offset) % modelSteps);
    const to = Math.min(toIndex, madeAt + modelSteps - 1);
    const model = to < warmIndex ? null : modelOf(steps, options, slots, madeAt);
    if (model !== null) {
      judged.push(...judgeRange(steps, options, model, { from: Math.max(from, warmIndex), to }));
    }
    from = to + 1;
  }
  return judged;
};

function judgeRange(
  steps: Steps,
  options: AnomalyOptions,
  { scaling: { to: scaled, from: unscaled }, season, low, middle, high, isSparse }: Model,
  { from, to }: { readonly from: number; readonly to: number },
): Judgement[] {
  const width = high - low;
  const values = steps.values.map(scaled);
  const trend = trendOf({ ...steps, values }, season, { from, to }, DAY_MS);
  const judged: Judgement[] = [];
  for (let index = from; index <= to; index++) {
    const base = trend[index - from]! + season.medians[season.slots.of[index]!]!;
    const remainder = values[index]! - base;
    if (Number.isNaN(remainder)) continue;
    const beyond = remainder > high ? remainder - high : Math.min(0, remainder - low);
    judged.push(judgementOf(steps, index, {
      expected: unscaled(base + middle),
      lower: unscaled(base + low - options.sensitivity * width),
      upper: unscaled(base + high + options.sensitivity * width),
      score: isSparse || width <= Math.abs(base) * 1e-9 ? NaN : beyond / width,
    }, options));
  }
  return judged;
}

/** Of the history before a step; null when that is too short. */
function modelOf(
  steps: Steps,
  options: AnomalyOptions,
  slots: SlotsOfBoth,
  madeAt: number,
): Model | null {
  const from = Math.max(0, madeAt - Math.round(options.historyMs / steps.stepMs));
  const past = steps.values.subarray(from, Math.max(from, madeAt));
  const present = past.filter((value) => !Number.isNaN(value));
  if (present.length < limits.pointsMin) return null;
  const isSparse = present.filter((value) => value !== 0).length
    < limits.filledShareMin * past.length;
  const slot = slotsFor(slots, past.length * steps.stepMs);
  const range = { from, to: madeAt - 1 };
  const found = fit(steps, slot, range);
  if (found.remainders.length < limits.pointsMin) return null;
  // A heavy tail is one of the remainders; a season may look like one in the values.
  const isSkewed = present.every((value) => value >= 0)
    && logScaleOf((level) => 1e9 + quantileOfSorted(found.remainders, level)) > 0;
  const low = isSkewed ? quantile(present, 0.05) : 0;
  const scaling = scalingOf(low > 0 ? low : 0);
  const { season, remainders } = low > 0
    ? fit({ ...steps, values: steps.values.map(scaling.to) }, slot, range) : found;
  const at = (level: number) => quantileOfSorted(remainders, level);
  return { scaling, season, low: at(0.25), middle: at(0.5), high: at(0.75), isSparse };
}

interface Fit {
  readonly season: Season;
  /** In order. */
  readonly remainders: Float64Array;
}

interface Range {
  readonly from: number;
  readonly to: number;
}

function fit(steps: Steps, slots: Slots, range: Range): Fit {
  let season: Season = { slots, medians: new Float64Array(slots.count) };
  for (let round = 0; round < limits.rounds && slots.count > 1; round++) {
    // Before the season is known, only as long a median is without it.
    const windowMs = round === 0 ? slots.count * steps.stepMs : DAY_MS;
    season = seasonOf(steps, slots, range, trendOf(steps, season, range, windowMs));
  }
  const trend = trendOf(steps, season, range, DAY_MS);
  const remainders = steps.values.slice(range.from, range.to + 1);
  for (const index of remainders.keys()) {
    remainders[index] = remainders[index]! - trend[index]!
      - season.medians[slots.of[range.from + index]!]!;
  }
  return { season, remainders: remainders.filter((value) => !Number.isNaN(value)).sort() };
}

/** The median of the time before each step, without the season; NaN where too little is there. */
function trendOf(
  { values, stepMs }: Steps,
  { slots: { of }, medians }: Season,
  { from, to }: Range,
  windowMs: number,
): Float64Array {
  const windowSteps = Math.round(windowMs / stepMs);
  const first = Math.max(0, from - windowSteps);
  const ordered = createOrdered();
  const trend = new Float64Array(Math.max(0, to - from + 1)).fill(NaN);
  for (let index = first; index <= to; index++) {
    const isEnough = ordered.size() >= limits.trendShareMin * windowSteps;
    if (index >= from && isEnough) trend[index - from] = ordered.quantile(0.5);
    const left = index - windowSteps;
    if (left >= first && !Number.isNaN(values[left]!)) {
      ordered.remove(values[left]! - medians[of[left]!]!);
    }
    if (!Number.isNaN(values[index]!)) ordered.add(values[index]! - medians[of[index]!]!);
  }
  return trend;
}

interface SlotsOfBoth {
  readonly none: Slots;
  readonly day: Slots;
  readonly week: Slots;
}

/** Slots as long as a step, of the local day and week. */
function slotsOf(steps: Steps, timeZone: string): SlotsOfBoth {
  const local = createLocalTime(timeZone);
  const of = (lengthMs: number, place: (atMs: number) => number): Slots => ({
    count: Math.max(1, Math.ceil(lengthMs / steps.stepMs)),
    of: Int32Array.from(steps.values, (_, index) =>
      Math.floor(place(endOf(steps, index) - steps.stepMs / 2) / steps.stepMs)),
  });
  const [day, week] = [of(DAY_MS, local.ofDayMs), of(WEEK_MS, local.ofWeekMs)];
  return { none: of(0, () => 0), day, week };
}

const slotsFor = ({ none, day, week }: SlotsOfBoth, historyMs: number): Slots =>
  (historyMs >= limits.weeksMin * WEEK_MS ? week
    : historyMs >= limits.daysMin * DAY_MS ? day : none);

/** The median of each slot and its neighbours; together around 0. */
function seasonOf(
  { values }: Steps,
  slots: Slots,
  { from, to }: Range,
  trend: Float64Array,
): Season {
  const bySlot = Array.from({ length: slots.count }, (): number[] => []);
  for (let index = from; index <= to; index++) {
    const value = values[index]! - trend[index - from]!;
    if (!Number.isNaN(value)) bySlot[slots.of[index]!]!.push(value);
  }
  const medians = Float64Array.from(bySlot, (own, slot) => median([
    ...bySlot.at(slot - 1)!, ...own, ...bySlot[(slot + 1) % slots.count]!]));
  const level = median(medians.filter((value) => !Number.isNaN(value)));
  return { slots, medians: medians.map((value) => (Number.isNaN(value) ? 0 : value - level)) };
}
