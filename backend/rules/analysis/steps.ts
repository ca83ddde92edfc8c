// A series as an array: a value for each step, NaN where there is none. All mathematics of this
// folder works on it.

import assert from 'node:assert/strict';
import type { Labels } from '../../labels/labels.ts';
import type { Aggregate, Series } from '../model.ts';

export interface Steps {
  readonly labels: Labels;
  readonly stepMs: number;
  /** End of the first step; the one at `index` ends at `firstMs + index * stepMs`. */
  readonly firstMs: number;
  readonly values: Float64Array;
}

export interface Period {
  /** Not inside. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly stepMs: number;
}

/** The ends of the steps that end behind `fromMs` and not after `toMs`. */
export function gridOf({ fromMs, toMs, stepMs }: Period): { firstMs: number; count: number } {
  assert.ok(stepMs > 0);
  const firstMs = (Math.floor(fromMs / stepMs) + 1) * stepMs;
  return { firstMs, count: Math.max(0, Math.floor(toMs / stepMs) - firstMs / stepMs + 1) };
}

/** Points outside of the period are left out. */
export function stepsOf(series: Series, period: Period): Steps {
  const { firstMs, count } = gridOf(period);
  const values = new Float64Array(count).fill(NaN);
  for (const { atMs, value } of series.points) {
    const index = Math.round((atMs - firstMs) / period.stepMs);
    if (index >= 0 && index < count) values[index] = value;
  }
  return { labels: series.labels, stepMs: period.stepMs, firstMs, values };
}

export const endOf = ({ firstMs, stepMs }: Steps, index: number): number =>
  firstMs + index * stepMs;

/** Index of the last step that ends at the instant or before; below 0 when there is none. */
export const indexAt = ({ firstMs, stepMs, values }: Steps, atMs: number): number =>
  Math.min(values.length - 1, Math.floor((atMs - firstMs) / stepMs));

/** What a step without records counts as: none is a number for counts, and unknown for others. */
export const missingIsZero = ({ type }: Aggregate): boolean =>
  type === 'count' || type === 'rate' || type === 'sum' || type === 'distinct';

/** With 0 for what is missing behind the first value that is there. */
export function withZeros(steps: Steps): Steps {
  const first = steps.values.findIndex((value) => !Number.isNaN(value));
  if (first < 0) return steps;
  const values = steps.values.map((value, index) =>
    (index > first && Number.isNaN(value) ? 0 : value));
  return { ...steps, values };
}
