// The method `robust`: each step beside the median of the history before it, in robust standard
// deviations. It knows no season. reliability.md 7.4.
//
// What is anomalous does not become a part of the history that it is compared with, unless it has
// lasted for half of that: then it is how things are now.

import type { AnomalyOptions } from '../model.ts';
import { judgementOf, type Judge, type Judgement } from './judgement.ts';
import { createOrdered, type Ordered } from './robust.ts';
import type { Steps } from './steps.ts';

export const limits = {
  /** Steps that there must be in the history; with fewer nothing is judged. */
  pointsMin: 20,
  /** Share of the history's steps that must be there and not 0, or else it is sparse. */
  filledShareMin: 0.3,
  /** Skewness of the 5, 50 and 95 % quantiles from which on logarithms are compared. */
  skewnessMin: 0.3,
} as const;

interface Past {
  readonly ordered: Ordered;
  zeros: number;
}

export const robustJudge: Judge = (steps, options, { fromIndex, toIndex }) => {
  const past: Past = { ordered: createOrdered(), zeros: 0 };
  const historySteps = Math.round(options.historyMs / steps.stepMs);
  const startIndex = Math.max(0, fromIndex - 2 * historySteps);
  const isIncluded = new Uint8Array(toIndex + 1);
  const include = (index: number) => {
    isIncluded[index] = 1;
    put(past, steps.values[index]!);
  };
  const judged: Judgement[] = [];
  let firstIndex = -1;
  let frozen: number[] = [];
  for (let index = startIndex; index <= toIndex; index++) {
    const left = index - historySteps - 1;
    if (left >= 0 && isIncluded[left] === 1) take(past, steps.values[left]!);
    if (Number.isNaN(steps.values[index]!)) continue;
    if (firstIndex < 0) firstIndex = index;
    const seenSteps = Math.min(historySteps, index - firstIndex);
    const isWarm = (index - firstIndex) * steps.stepMs >= options.warmUpMs;
    const one = isWarm ? judge(steps, index, { past, options, seenSteps }) : null;
    if (one !== null && index >= fromIndex) judged.push(one);
    if (one === null || Math.abs(one.score) <= options.sensitivity) {
      frozen = [];
      include(index);
      continue;
    }
    frozen.push(index);
    if (frozen.length <= historySteps / 2) continue;
    frozen.forEach(include);
    frozen = [];
  }
  return judged;
};

function put(past: Past, value: number): void {
  past.ordered.add(value);
  if (value === 0) past.zeros++;
}

function take(past: Past, value: number): void {
  past.ordered.remove(value);
  if (value === 0) past.zeros--;
}

interface Judging {
  readonly past: Past;
  readonly options: AnomalyOptions;
  /** Steps of the history since the first value. */
  readonly seenSteps: number;
}

function judge(
  steps: Steps,
  index: number,
  { past: { ordered, zeros }, options, seenSteps }: Judging,
): Judgement | null {
  const count = ordered.size();
  if (count < limits.pointsMin) return null;
  const isSparse = count - zeros < limits.filledShareMin * seenSteps;
  const scale = logScaleOf(ordered);
  const to = (value: number) => (scale === 0 ? value : Math.log1p(value / scale));
  const from = (value: number) => (scale === 0 ? value : Math.expm1(value) * scale);
  const { centre, sigma } = ordered.spread(to);
  const band = options.sensitivity * sigma;
  return judgementOf(steps, index, {
    expected: from(centre), lower: from(centre - band), upper: from(centre + band),
    score: isSparse || sigma === 0 ? NaN : (to(steps.values[index]!) - centre) / sigma,
  }, options);
}

/**
 * Of values with a heavy tail to the right, none below 0, what they are divided by before log1p; 0
 * where the values themselves are compared.
 */
export function logScaleOf(ordered: Pick<Ordered, 'at' | 'quantile'>): number {
  if (ordered.at(0) < 0) return 0;
  const [low, middle, high] = [0.05, 0.5, 0.95].map((level) => ordered.quantile(level)) as
    [number, number, number];
  if (high - low <= 0 || low <= 0) return 0;
  return (high + low - 2 * middle) / (high - low) > limits.skewnessMin ? low : 0;
}
