// When groups are evaluated: at instants on a grid that depends on nothing but the group, so that
// they are the same after a restart and in every backend. What was missed is counted and left out,
// never made up for.

import { fingerprintOf } from '../labels/labels.ts';
import type { RuleGroup } from './model.ts';

export const limits = {
  /**
   * Places in an interval at which groups begin. More spread the work better; fewer let more rules
   * read the same records together (D-056).
   */
  placesMax: 4,
} as const;

export interface Grid {
  readonly intervalMs: number;
  /** Of the instants behind the multiples of the interval. */
  readonly offsetMs: number;
}

/** By the hash of file and name; groups of the same interval share few offsets. */
export function gridOf({ file, name, intervalMs }: Pick<RuleGroup, 'file' | 'name' | 'intervalMs'>):
  Grid {
  const place = Number(BigInt(`0x${fingerprintOf({ file, name })}`) % BigInt(limits.placesMax));
  return { intervalMs, offsetMs: Math.floor((place * intervalMs) / limits.placesMax) };
}

/** The last instant at or before `atMs`. */
export const slotAt = ({ intervalMs, offsetMs }: Grid, atMs: number): number =>
  Math.floor((atMs - offsetMs) / intervalMs) * intervalMs + offsetMs;

/** Instants between two of the grid, without both. */
export const missedBetween = ({ intervalMs }: Grid, firstMs: number, lastMs: number): number =>
  Math.max(0, Math.round((lastMs - firstMs) / intervalMs) - 1);
