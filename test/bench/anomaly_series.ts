// Series as monitoring meets them, made up from a seed, with what goes wrong put into them; and how
// alerts of a rule are held against what was put in. For the bench `anomaly` and the test of the
// methods.

import { DAY_MS, HOUR_MS, WEEK_MS } from '../../backend/rules/analysis/times.ts';
import type { Steps } from '../../backend/rules/analysis/steps.ts';
import type { Random } from '../proto/generate.ts';

/** What is usual at a time, and one value of it; `sigma` is the size of its noise there. */
interface Kind {
  readonly level: (atMs: number) => number;
  readonly sigma: (level: number) => number;
  readonly draw: (level: number, random: Random, memory: { noise: number }) => number;
}

const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

const withNoise = (sigma: number): Pick<Kind, 'sigma' | 'draw'> =>
  ({ sigma: () => sigma, draw: (level, random) => level + sigma * normal(random) });

/** Noise that remembers: each step holds on to four fifths of the one before. */
const sticky = (sigma: number): Pick<Kind, 'sigma' | 'draw'> => ({
  sigma: () => sigma,
  draw: (level, random, memory) => {
    memory.noise = 0.8 * memory.noise + 0.6 * normal(random);
    return level + sigma * memory.noise;
  },
});

const COUNTS: Pick<Kind, 'sigma' | 'draw'> = {
  sigma: (level) => Math.sqrt(level),
  draw: (level, random) => poisson(level, random),
};

function poisson(mean: number, random: Random): number {
  if (mean > 200) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(random)));
  const floor = Math.exp(-mean);
  let count = -1;
  for (let left = 1; left > floor; count++) left *= random();
  return Math.max(0, count);
}

const ofDay = (atMs: number) => Math.sin(2 * Math.PI * (atMs % DAY_MS) / DAY_MS);
/** Quiet at weekends; 1970-01-01 was a Thursday. */
const ofWeek = (atMs: number) => ([2, 3].includes(Math.floor(atMs / DAY_MS) % 7) ? 0.5 : 1);

export const KINDS = {
  'flat': { level: () => 100, ...withNoise(5) },
  'flat, sticky noise': { level: () => 100, ...sticky(5) },
  'daily': { level: (atMs) => 100 + 40 * ofDay(atMs), ...withNoise(5) },
  'daily, sticky noise': { level: (atMs) => 100 + 40 * ofDay(atMs), ...sticky(5) },
  'weekly': { level: (atMs) => (100 + 40 * ofDay(atMs)) * ofWeek(atMs), ...withNoise(4) },
  'growing': { level: (atMs) => 100 + 40 * ofDay(atMs) + 2 * (atMs - START_MS) / DAY_MS,
    ...withNoise(5) },
  'heavy tail': {
    level: () => 100, sigma: () => 53,
    draw: (level, random) => level * Math.exp(0.5 * normal(random)),
  },
  'counts': { level: () => 20, ...COUNTS },
  'counts, daily': { level: (atMs) => 60 + 40 * ofDay(atMs), ...COUNTS },
  'sparse': { level: () => 0.05, ...COUNTS },
  'constant': { level: () => 7, sigma: () => 1, draw: (level) => level },
} as const satisfies Readonly<Record<string, Kind>>;
export type KindName = keyof typeof KINDS;

export const START_MS = Date.UTC(2026, 0, 5);

export type FaultType = 'spike' | 'shift up' | 'shift down' | 'drop to zero' | 'gap';
export const FAULT_TYPES: readonly FaultType[] =
  ['spike', 'shift up', 'shift down', 'drop to zero', 'gap'];

export interface Fault {
  readonly type: FaultType;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Making {
  readonly kind: KindName;
  readonly stepMs: number;
  readonly weeks: number;
  readonly random: Random;
  readonly faults: readonly Fault[];
  /** Size of spikes and shifts, in deviations of the noise. */
  readonly sigmas: number;
}

/** A series from START_MS on. */
export function makeSeries({ kind, stepMs, weeks, random, faults, sigmas }: Making): Steps {
  const { level, sigma, draw }: Kind = KINDS[kind];
  const memory = { noise: 0 };
  const values = Float64Array.from({ length: weeks * WEEK_MS / stepMs }, (_, index) => {
    const atMs = START_MS + (index + 1) * stepMs;
    const usual = level(atMs);
    const value = draw(usual, random, memory);
    const fault = faults.find(({ fromMs, toMs }) => atMs > fromMs && atMs <= toMs);
    switch (fault?.type) {
      case undefined: return value;
      case 'gap': return NaN;
      case 'drop to zero': return 0;
      case 'shift down': return value - sigmas * sigma(usual);
      default: return value + sigmas * sigma(usual);
    }
  });
  return { labels: { kind }, stepMs, firstMs: START_MS + stepMs, values };
}

const LENGTHS: Readonly<Record<FaultType, number>> = {
  'spike': HOUR_MS / 2, 'shift up': 4 * HOUR_MS, 'shift down': 4 * HOUR_MS,
  'drop to zero': HOUR_MS / 2, 'gap': 2 * HOUR_MS,
};

/** One fault a day from `fromMs` on, at any time of the day, all types in turns. */
export function makeFaults(fromMs: number, toMs: number, random: Random): Fault[] {
  const faults: Fault[] = [];
  for (let dayMs = fromMs; dayMs + DAY_MS <= toMs; dayMs += DAY_MS) {
    const type = FAULT_TYPES[faults.length % FAULT_TYPES.length]!;
    const startMs = dayMs + random() * (DAY_MS - LENGTHS[type]);
    faults.push({ type, fromMs: startMs, toMs: startMs + LENGTHS[type] });
  }
  return faults;
}

/** Whether a rule holds at each step. */
export type Detector = (steps: Steps) => (atMs: number) => boolean;

export interface Verdict {
  readonly found: Readonly<Record<FaultType, number>>;
  readonly there: Readonly<Record<FaultType, number>>;
  /** Alerts that began where nothing was wrong. */
  readonly falseAlarms: number;
}

/** An alert may begin until this long after a fault and still be about it. */
const ECHO_MS = HOUR_MS;

export function judgeDetector(
  steps: Steps,
  faults: readonly Fault[],
  { detector, fromMs }: { readonly detector: Detector; readonly fromMs: number },
): Verdict {
  const zero = () => Object.fromEntries(FAULT_TYPES.map((type) => [type, 0])) as
    Record<FaultType, number>;
  const verdict = { found: zero(), there: zero(), falseAlarms: 0 };
  const holds = detector(steps);
  const seen = new Set<Fault>();
  let held = false;
  for (let index = 0; index < steps.values.length; index++) {
    const atMs = steps.firstMs + index * steps.stepMs;
    if (atMs <= fromMs) continue;
    const holdsNow = holds(atMs);
    const fault = faults.find((one) => atMs > one.fromMs && atMs <= one.toMs + ECHO_MS);
    if (holdsNow && fault !== undefined) seen.add(fault);
    if (holdsNow && !held && fault === undefined) verdict.falseAlarms++;
    held = holdsNow;
  }
  for (const fault of faults) {
    verdict.there[fault.type]++;
    if (seen.has(fault)) verdict.found[fault.type]++;
  }
  return verdict;
}

/** What most people begin with: further than three deviations from the mean of the day before. */
export const threeSigma: Detector = (steps) => {
  const day = Math.round(DAY_MS / steps.stepMs);
  const flags = new Uint8Array(steps.values.length);
  let [sum, squares, count] = [0, 0, 0];
  steps.values.forEach((value, index) => {
    const mean = sum / count;
    const deviation = Math.sqrt(Math.max(0, squares / count - mean * mean));
    if (count >= day / 2 && Math.abs(value - mean) > 3 * deviation) flags[index] = 1;
    const add = (one: number, sign: 1 | -1) => {
      if (Number.isNaN(one)) return;
      sum += sign * one;
      squares += sign * one * one;
      count += sign;
    };
    add(value, 1);
    if (index >= day) add(steps.values[index - day]!, -1);
  });
  return (atMs) => flags[Math.round((atMs - steps.firstMs) / steps.stepMs)] === 1;
};
