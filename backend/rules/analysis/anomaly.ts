// What is not as it was: scores of a series beside its own past, by one of three methods, with the
// guards that keep people asleep. Pure: a series, options and an instant in, samples out.
// docs/anomalies.md says which method is for what.
//
// The value of a sample is the score that at least N of the last M steps have reached, signed. What
// a guard excludes scores 0, so the rule holds where the value is outside of the sensitivity.

import type { AnomalyOptions, Sample } from '../model.ts';
import { decompositionJudge } from './decomposition.ts';
import { guarded, type Judge, type Judgement } from './judgement.ts';
import { robustJudge } from './robust_judge.ts';
import { seasonalJudge } from './seasonal.ts';
import { indexAt, type Steps } from './steps.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from './times.ts';

const JUDGES: Readonly<Record<AnomalyOptions['method'], Judge>> = {
  robust: robustJudge, seasonal: seasonalJudge, decomposition: decompositionJudge,
};

/** What a method works well with, for rules that do not say. */
export const ANOMALY_DEFAULTS = {
  robust: { stepMs: MINUTE_MS, historyMs: DAY_MS, warmUpMs: 12 * HOUR_MS, sensitivity: 3.5,
    points: { of: 5, atLeast: 3 } },
  seasonal: { stepMs: 5 * MINUTE_MS, historyMs: 35 * DAY_MS, warmUpMs: 21 * DAY_MS,
    sensitivity: 4, points: { of: 3, atLeast: 2 } },
  decomposition: { stepMs: 5 * MINUTE_MS, historyMs: 28 * DAY_MS, warmUpMs: 3 * DAY_MS,
    sensitivity: 3, points: { of: 3, atLeast: 2 } },
} as const satisfies Record<AnomalyOptions['method'], Partial<AnomalyOptions>>;

/** How long a past must be read so that the last steps can be judged. */
export const pastOf = ({ method, historyMs, stepMs, points }: AnomalyOptions): number =>
  // The past of a robust score is judged itself, so that it holds nothing that was anomalous.
  (method === 'robust' ? 2 : 1) * historyMs + points.of * stepMs;

/** One sample for each series that has a step among the last M that can be judged. */
export function anomalySamples(
  series: readonly Steps[],
  options: AnomalyOptions,
  atMs: number,
): Sample[] {
  return series.flatMap((steps) => {
    const toIndex = indexAt(steps, atMs);
    const fromIndex = Math.max(0, toIndex - options.points.of + 1);
    if (toIndex < 0) return [];
    const judged = JUDGES[options.method](steps, options, { fromIndex, toIndex });
    const sample = sampleOf(judged, options);
    return sample === null ? [] : [{ labels: steps.labels, ...sample }];
  });
}

/** The samples of a series at each of its steps, in one pass; null where there is none. */
export function anomalyOverTime(
  steps: Steps,
  options: AnomalyOptions,
): (atMs: number) => Sample | null {
  const toIndex = steps.values.length - 1;
  const judged = JUDGES[options.method](steps, options, { fromIndex: 0, toIndex });
  const byIndex = new Map(judged.map((one) => [indexAt(steps, one.atMs), one]));
  return (atMs) => {
    const last = indexAt(steps, atMs);
    const newest = [];
    for (let index = last - options.points.of + 1; index <= last; index++) {
      const one = byIndex.get(index);
      if (one !== undefined) newest.push(one);
    }
    const sample = sampleOf(newest, options);
    return sample === null ? null : { labels: steps.labels, ...sample };
  };
}

function sampleOf(judged: readonly Judgement[], options: AnomalyOptions) {
  const newest = judged.at(-1);
  if (newest === undefined) return null;
  const scores = judged.map((one) => guarded(one, options)).sort((a, b) => b - a);
  const { atLeast } = options.points;
  const high = Math.max(0, scores[atLeast - 1] ?? 0);
  const low = Math.min(0, scores[scores.length - atLeast] ?? 0);
  const { expected, lower, upper, actual, score } = newest;
  return {
    value: high >= -low ? high : low,
    extra: { expected, lower, upper, actual, score },
  };
}
