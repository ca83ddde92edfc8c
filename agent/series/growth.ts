// How a cumulative series grows: from its points, what was added between each two.
//
// Promises: what is answered adds up to what the series counted, also over restarts of its sender,
// except what nobody could see: before the first point, between the last point and a restart, and
// what a point from before a restart says that comes after one from behind it.
// A point that is not newer than the one before adds nothing, since the next one holds it. What was
// answered and then not delivered is given back with `owe`, and comes with the next growth.

import { addAmounts, subtractAmounts, type Amount } from './amounts.ts';

/** A stretch of a series and what was added in it. */
export interface Growth {
  readonly startNs: bigint;
  readonly amount: Amount;
}

export interface Observation extends Growth {
  readonly timeNs: bigint;
}

/** Changed in place by the functions below. */
export interface GrowingSeries {
  latest: Observation;
  /** Growth that was answered and not delivered. */
  owed: Growth | null;
  /** Of the change that made it what it is; no two changes have the same. */
  mark: number;
  /** When it had its last point, on the monotonic clock. */
  seenMs: number;
}

/** `old`: not newer than the latest point. */
export type Step = { readonly growth: Growth } | 'old';

/** Takes a point in and answers what it adds, together with what is owed. */
export function grow(series: GrowingSeries, next: Observation): Step {
  const { latest } = series;
  if (next.timeNs <= latest.timeNs) return 'old';
  const growth = withOwed(growthTo(latest, next), series.owed);
  series.latest = next;
  series.owed = null;
  return { growth };
}

/** Gives back a growth; together with what is owed already. */
export function owe(series: GrowingSeries, growth: Growth): void {
  series.owed = withOwed(growth, series.owed);
}

function growthTo(latest: Observation, next: Observation): Growth {
  // A start behind the last point is that of another process, which began to count anew.
  if (next.startNs > latest.timeNs) return { startNs: next.startNs, amount: next.amount };
  const added = subtractAmounts(next.amount, latest.amount);
  // Less than before: it began anew some time after the last point.
  return { startNs: latest.timeNs, amount: added ?? next.amount };
}

/** Unlike kinds, or other bounds, cannot be added: then what is newer stands alone. */
function withOwed(growth: Growth, owed: Growth | null): Growth {
  if (owed === null) return growth;
  const amount = addAmounts(growth.amount, owed.amount);
  if (amount === null) return growth;
  return { startNs: owed.startNs < growth.startNs ? owed.startNs : growth.startNs, amount };
}
