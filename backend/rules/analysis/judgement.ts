// What a method thinks of one step, and the guards that decide whether anybody is to hear of it.

import type { AnomalyOptions } from '../model.ts';
import { endOf, type Steps } from './steps.ts';

/** What is thought of one step. */
export interface Judgement {
  readonly atMs: number;
  readonly actual: number;
  readonly expected: number;
  /** Outside of these the score is above the sensitivity. */
  readonly lower: number;
  readonly upper: number;
  /** Without guards; the sign says whether it is too high or too low. */
  readonly score: number;
}

/**
 * Judges steps of a series from `fromIndex` to `toIndex`, both inside; what cannot be judged, since
 * it is missing or has too little behind it, is left out.
 */
export type Judge = (
  steps: Steps,
  options: AnomalyOptions,
  range: { readonly fromIndex: number; readonly toIndex: number },
) => Judgement[];

/** 0 for what goes the other way, or differs too little. */
export function guarded(
  { actual, expected, score }: Judgement,
  { direction, minDelta, minChange }: AnomalyOptions,
): number {
  if (direction === (score < 0 ? 'above' : 'below')) return 0;
  const delta = Math.abs(actual - expected);
  return delta < minDelta || delta < minChange * Math.abs(expected) ? 0 : score;
}

/**
 * The judgement by an expected value and what is usual around it. Where nothing is usual, since the
 * past was constant or nearly empty, only `minDelta` decides.
 */
export function judgementOf(
  steps: Steps,
  index: number,
  usual: { readonly expected: number; readonly lower: number; readonly upper: number;
    readonly score: number },
  { sensitivity, minDelta, minChange }: AnomalyOptions,
): Judgement {
  const actual = steps.values[index]!;
  const least = Math.max(minDelta, minChange * Math.abs(usual.expected));
  return {
    ...usual, atMs: endOf(steps, index), actual,
    lower: Math.min(usual.lower, usual.expected - least),
    upper: Math.max(usual.upper, usual.expected + least),
    score: Number.isNaN(usual.score)
      ? scoreByDelta(actual - usual.expected, minDelta, sensitivity) : usual.score,
  };
}

/** Twice the sensitivity is twice the least difference; without one nothing counts. */
const scoreByDelta = (delta: number, minDelta: number, sensitivity: number): number =>
  (minDelta > 0 && Math.abs(delta) > minDelta ? delta / minDelta * sensitivity : 0);
