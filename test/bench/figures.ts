// What all benches share: how a figure is said, and how it is measured so that it can be trusted on
// a machine that has other work too.
//
// A bench is a file of this folder whose top comment holds its command, `npm run bench -- NAME`,
// with NAME the file's name. run.ts starts each in a process of its own. It prints what it likes;
// each figure is one line of this form, said by `report`:
//
//   name: value unit (yardstick: value unit) ratio, goal at most|at least N [unit|times]: …
//
// The parts in brackets and after it are there only for a figure with a yardstick or a goal. With
// `--json FILE` the figures are collected in FILE, an array of `Figure` with `ratio`, `goalShare`
// and `reached`; `options` knows that option, so that a bench does nothing for it.

import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

export interface Goal {
  readonly bound: 'at most' | 'at least';
  readonly number: number;
  /** What is held to it: the figure itself, or the figure divided by its yardstick. */
  readonly of: 'value' | 'ratio';
}

export interface Figure {
  /** Of the design's table of goals, such as `B3`. */
  readonly id?: string;
  /** Unique among all benches, without a colon. */
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The same unit as the value, measured in the same run on the same data. */
  readonly yardstick?: { readonly name: string; readonly value: number };
  readonly goal?: Goal;
  /** The figure round by round, in the order of measuring; the value is their median. */
  readonly rounds?: readonly number[];
}

/** A figure as it stands in the JSON file. */
export interface Reported extends Figure {
  readonly ratio?: number;
  /** How far it is: 1 is just reached, and what is more than 1 is missed. */
  readonly goalShare?: number;
  readonly reached?: boolean;
}

export const atMost = (number: number): Goal => ({ bound: 'at most', number, of: 'value' });
export const atLeast = (number: number): Goal => ({ bound: 'at least', number, of: 'value' });
export const ratioAtMost = (number: number): Goal => ({ bound: 'at most', number, of: 'ratio' });
export const ratioAtLeast = (number: number): Goal => ({ bound: 'at least', number, of: 'ratio' });

const reported: Reported[] = [];
let jsonPath: string | undefined;

/** Prints the figure, and its rounds above it; with `--json FILE` writes all figures until now. */
export function report(figure: Figure): void {
  const full = withRatios(figure);
  if (full.rounds !== undefined && full.rounds.length > 1) {
    console.log(`  rounds: ${full.rounds.map(formatNumber).join(' ')} ${full.unit}`);
  }
  console.log(lineOf(full));
  reported.push(full);
  if (jsonPath !== undefined) writeFileSync(jsonPath, `${JSON.stringify(reported, null, 2)}\n`);
}

/**
 * The numbers of the command line, each with its default: `options({ rounds: 5 })` takes
 * `--rounds N`. Call it first: it also takes `--json FILE`.
 */
export function options<T extends Record<string, number>>(defaults: T): Record<keyof T, number> {
  const { values } = parseArgs({
    options: Object.fromEntries(
      [...Object.keys(defaults), 'json'].map((name) => [name, { type: 'string' }]),
    ),
  });
  jsonPath = values.json as string | undefined;
  return Object.fromEntries(Object.entries(defaults).map(([name, ordinary]) => {
    const number = Number(values[name] ?? ordinary);
    if (!Number.isFinite(number)) throw new Error(`--${name} ${values[name]} is no number`);
    return [name, number];
  })) as Record<keyof T, number>;
}

/**
 * Runs all variants in each round, in turns (A B, B A, …), so that what else the machine does hits
 * all alike; answers what each returned, round by round.
 */
export async function inTurns<Name extends string, Result>(
  rounds: number,
  variants: Readonly<Record<Name, () => Promise<Result> | Result>>,
): Promise<Record<Name, Result[]>> {
  const names = Object.keys(variants) as Name[];
  const results = Object.fromEntries(names.map((name) => [name, []])) as unknown as
    Record<Name, Result[]>;
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      results[name].push(await variants[name]());
    }
  }
  return results;
}

/** Of an even count the greater of the two in the middle. */
export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}

/** User and system time of this process, in microseconds. */
export function ownCpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** One tick of the kernel's count of processor time; 100 a second on every Linux of today. */
const TICK_US = 10_000;

/** User and system time of another process, in microseconds; by /proc, so on Linux only. */
export function cpuUsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

/** Resident memory of a process in MiB, now and at most until now; by /proc, so on Linux only. */
export function memoryMibOf(pid: number): { readonly now: number; readonly most: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kib = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(status)![1]);
  return { now: kib('VmRSS') / 1024, most: kib('VmHWM') / 1024 };
}

function withRatios(figure: Figure): Reported {
  const { value, yardstick, goal } = figure;
  const ratio = yardstick && value / yardstick.value;
  if (goal === undefined) return { ...figure, ratio };
  const held = goal.of === 'value' ? value : ratio;
  if (held === undefined) throw new Error(`${figure.name} has a goal for a ratio and no yardstick`);
  const [above, below] = goal.bound === 'at most' ? [held, goal.number] : [goal.number, held];
  return {
    ...figure, ratio, goalShare: above === below ? 1 : above / below, reached: above <= below,
  };
}

/** The figure as one line. */
export function lineOf(figure: Reported): string {
  const { name, value, unit, yardstick, ratio } = figure;
  const id = figure.id === undefined ? '' : `${figure.id} `;
  const beside = yardstick === undefined ? ''
    : ` (${yardstick.name}: ${formatNumber(yardstick.value)} ${unit}) ${ratio!.toFixed(2)}`;
  const goal = figure.goal === undefined ? '' : `, goal ${goalOf(figure)}: ${distanceOf(figure)}`;
  return `${id}${name}: ${formatNumber(value)} ${unit}${beside}${goal}`;
}

/** `at most 1.5 µs`, or for a goal of the ratio `at most 1.5 times`. */
export function goalOf({ goal, unit }: Reported): string {
  if (goal === undefined) return '';
  return `${goal.bound} ${formatNumber(goal.number)} ${goal.of === 'ratio' ? 'times' : unit}`;
}

export function distanceOf({ goalShare, reached }: Reported): string {
  if (goalShare === undefined) return '';
  if (reached) return 'reached';
  return Number.isFinite(goalShare) ? `missed, ${goalShare.toFixed(2)} times off` : 'missed';
}

/** Three digits that count, thousands apart: 0.00123, 1.23, 123, 12,345. */
export function formatNumber(number: number): string {
  if (Number.isInteger(number) && Math.abs(number) < 1e15) return number.toLocaleString('en');
  if (Math.abs(number) >= 100) return Math.round(number).toLocaleString('en');
  return String(Number(number.toPrecision(3)));
}
