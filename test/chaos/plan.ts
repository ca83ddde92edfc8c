// Which fault comes when: made from a seed alone, so that a run can be described by it. What the
// processes do meanwhile is theirs; the same seed meets another instant each time.
//
// Promise: in each round every kind of fault comes as often as `KINDS` says.

import type { Random } from '../proto/generate.ts';

/** What a fault is done to. Faults of one target never overlap; those of two often do. */
export type Target = 'agent' | 'backend' | 'engine' | 'network' | 'disk';

export interface Kind {
  readonly name: string;
  readonly target: Target;
  /** Shortest and longest duration. */
  readonly ms: readonly [number, number];
  /** How often it comes in each round; 1 unless told. */
  readonly times?: number;
}

export const KINDS = [
  { name: 'kill agent', target: 'agent', ms: [0, 1500], times: 3 },
  { name: 'pause agent', target: 'agent', ms: [500, 7000] },
  { name: 'restart agent', target: 'agent', ms: [0, 1000] },
  { name: 'kill backend', target: 'backend', ms: [0, 1500], times: 2 },
  { name: 'pause backend', target: 'backend', ms: [500, 7000] },
  { name: 'restart backend', target: 'backend', ms: [0, 1000] },
  { name: 'kill engine', target: 'engine', ms: [0, 0], times: 2 },
  { name: 'pause engine', target: 'engine', ms: [500, 7000] },
  { name: 'cut network', target: 'network', ms: [200, 5000] },
  { name: 'half-open network', target: 'network', ms: [1000, 7000] },
  { name: 'slow network', target: 'network', ms: [1000, 5000] },
  { name: 'reset connections', target: 'network', ms: [0, 0] },
  { name: 'lose answers', target: 'network', ms: [500, 4000] },
  { name: 'fill disk', target: 'disk', ms: [1000, 6000] },
] as const satisfies readonly Kind[];

export type FaultName = (typeof KINDS)[number]['name'];

export interface Fault {
  readonly name: FaultName;
  readonly target: Target;
  /** After the start of the run. */
  readonly atMs: number;
  /** How long it is held, or how long a process stays away. */
  readonly durationMs: number;
}

/** Calm at the beginning, so that there is something to lose. */
const FIRST_MS = 3000;
/** Mean time between the beginnings of two faults; a third of them comes with another at once. */
const GAP_MS = 5000;
const TOGETHER = 1 / 3;

/** The faults of a run, by time. `possible` says what this machine can do. */
export function planFaults(
  random: Random, totalMs: number, possible: (name: FaultName) => boolean,
): Fault[] {
  const kinds: readonly (Kind & { name: FaultName })[] = KINDS;
  const round = kinds.filter(({ name }) => possible(name))
    .flatMap((kind) => Array.from({ length: kind.times ?? 1 }, () => kind));
  const faults: Fault[] = [];
  let bag: typeof round = [];
  let atMs = FIRST_MS;
  while (atMs < totalMs) {
    if (bag.length === 0) bag = shuffled(random, round);
    const { name, target, ms: [least, most] } = bag.shift()!;
    // Squared, so that short ones are more common.
    const durationMs = Math.round(least + random() ** 2 * (most - least));
    faults.push({ name, target, atMs: Math.round(atMs), durationMs });
    if (random() >= TOGETHER) atMs += random() * 2 * GAP_MS;
    else atMs += random() * 300;
  }
  return faults;
}

function shuffled<T>(random: Random, list: readonly T[]): T[] {
  return list.map((value) => ({ value, order: random() }))
    .sort((a, b) => a.order - b.order).map(({ value }) => value);
}
