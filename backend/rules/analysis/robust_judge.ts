// The method `robust`: each step beside the median of the history before it, in robust standard
// deviations. It knows no season.
//
// What is anomalous does not become a part of the history that it is compared with, unless it has
// lasted for half of that: then it is how things are now.

import type { AnomalyOptions } from '../model.ts';
import { judgementOf, type Judge, type Judgement } from './judgement.ts';
import { createOrdered, logScaleOf, scalingOf, type Ordered } from './robust.ts';
import type { Steps } from './steps.ts';

export const limits = {
  /** Steps that there must be in the history; with fewer nothing is judged. */
  pointsMin: 20,
  /** Share of the history's steps that must be there and not 0, or else it is sparse. */
  filledShareMin: 0.3,
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
  const { to, from } = scalingOf(logScaleOf(ordered.quantile));
  const { centre, sigma } = isSparse ? { centre: to(ordered.quantile(0.5)), sigma: 0 }
    : ordered.spread(to);
  const band = options.sensitivity * sigma;
  return judgementOf(steps, index, {
    expected: from(centre), lower: from(centre - band), upper: from(centre + band),
    score: sigma === 0 ? NaN : (to(steps.values[index]!) - centre) / sigma,
  }, options);
}
