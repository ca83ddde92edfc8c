// What must be known to read rules, and how long things are in words.

import type { RuleGroup } from '../model.ts';

export interface ReadRulesOptions {
  /** How long records are kept; rules that look back further are refused. */
  readonly retentionMs: number;
  /** Rules of other files, which composites may name. */
  readonly others?: readonly RuleGroup[];
  /** Whether composites are left to `compositeFaults`, when all rules are known. */
  readonly compositesLater?: boolean;
  /** What the groups say where they come from; the name of the file unless given. */
  readonly origin?: string;
}

const UNITS: ReadonlyArray<readonly [unit: string, ms: number]> =
  [['d', 86_400_000], ['h', 3_600_000], ['m', 60_000], ['s', 1000], ['ms', 1]];

/** `90m`: in the largest unit in which it is a whole number. */
export function durationText(ms: number): string {
  const [unit, size] = UNITS.find(([, one]) => ms >= one && ms % one === 0) ?? ['ms', 1];
  return `${ms / size}${unit}`;
}
