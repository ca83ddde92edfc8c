// Tells whether a text has what a regular expression describes, in time that is at most the length
// of the text times that of the expression: all ways through the expression are followed side by
// side, none is tried twice.

import type { Regex } from './tree.ts';

/** Where an automaton goes on: behind it is the step that follows, or for a fork its targets. */
export type Step =
  | { readonly type: 'take'; readonly ranges: ReadonlyArray<readonly [number, number]> }
  | { readonly type: 'fork'; readonly targets: number[] }
  | { readonly type: 'start' | 'end' | 'edge' | 'inside' }
  | { readonly type: 'found' };

/** Whether a text has it anywhere. May be asked again and again, by one caller at a time. */
export function createAutomaton(regex: Regex): (text: string) => boolean {
  const steps: Step[] = [];
  append(regex, steps);
  steps.push({ type: 'found' });
  const run = new Run(steps);
  return (text) => run.finds(text);
}

/** Adds the steps of a regular expression; behind them belongs what is to be done at its end. */
export function append(regex: Regex, steps: Step[]): void {
  switch (regex.type) {
    case 'set': steps.push({ type: 'take', ranges: regex.ranges }); break;
    case 'list': for (const part of regex.parts) append(part, steps); break;
    case 'choice': appendChoice(regex.parts, steps); break;
    case 'repeat': appendRepeat(regex, steps); break;
    default: steps.push({ type: regex.type });
  }
}

function appendChoice(parts: readonly Regex[], steps: Step[]): void {
  const fork: Step = { type: 'fork', targets: [] };
  steps.push(fork);
  const ends: number[][] = [];
  for (const part of parts) {
    fork.targets.push(steps.length);
    append(part, steps);
    const end: number[] = [];
    steps.push({ type: 'fork', targets: end });
    ends.push(end);
  }
  for (const end of ends) end.push(steps.length);
}

function appendRepeat({ part, min, max }: Regex & { type: 'repeat' }, steps: Step[]): void {
  for (let count = 0; count < min; count += 1) append(part, steps);
  if (max === null) {
    const targets: number[] = [steps.length + 1];
    const at = steps.length;
    steps.push({ type: 'fork', targets });
    append(part, steps);
    steps.push({ type: 'fork', targets: [at] });
    targets.push(steps.length);
    return;
  }
  const skips: number[][] = [];
  for (let count = min; count < max; count += 1) {
    const targets = [steps.length + 1];
    steps.push({ type: 'fork', targets });
    skips.push(targets);
    append(part, steps);
  }
  for (const targets of skips) targets.push(steps.length);
}

/** Stands for the character before the first and behind the last. */
export const NOTHING = -1;

class Run {
  private readonly steps: readonly Step[];
  /** In which round a step was reached last, so that it is followed once. */
  private readonly rounds: Float64Array;
  private round = 0;
  private pending: number[] = [];
  private found = false;

  constructor(steps: readonly Step[]) {
    this.steps = steps;
    this.rounds = new Float64Array(steps.length);
  }

  finds(text: string): boolean {
    let active: number[] = [];
    let next: number[] = [];
    let before = NOTHING;
    this.found = false;
    this.begin();
    for (let at = 0; ; ) {
      const code = at < text.length ? text.codePointAt(at)! : NOTHING;
      // It may begin at each character.
      this.reach(0, before, code, active);
      if (this.found) return true;
      if (code === NOTHING) return false;
      at += code > 0xffff ? 2 : 1;
      const after = at < text.length ? text.codePointAt(at)! : NOTHING;
      this.begin();
      for (const step of active) {
        if (isIn(code, (this.steps[step] as Step & { type: 'take' }).ranges)) {
          this.reach(step + 1, code, after, next);
        }
      }
      if (this.found) return true;
      [active, next] = [next, active];
      next.length = 0;
      before = code;
    }
  }

  private begin(): void {
    this.round += 1;
  }

  /** Adds all steps that take a character and are reached from `first` without one. */
  private reach(first: number, before: number, after: number, target: number[]): void {
    const { pending, rounds, steps } = this;
    pending.push(first);
    for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
      if (rounds[at] === this.round) continue;
      rounds[at] = this.round;
      const step = steps[at]!;
      if (step.type === 'take') target.push(at);
      else if (step.type === 'fork') pending.push(...step.targets);
      else if (step.type === 'found') this.found = true;
      else if (holds(step.type, before, after)) pending.push(at + 1);
    }
  }
}

/** Whether a step without a character may be taken between these two; NOTHING at the ends. */
export function holds(
  type: 'start' | 'end' | 'edge' | 'inside',
  before: number,
  after: number,
): boolean {
  if (type === 'start') return before === NOTHING;
  if (type === 'end') return after === NOTHING;
  return (isWord(before) !== isWord(after)) === (type === 'edge');
}

export const isWord = (code: number): boolean => (code >= 0x30 && code <= 0x39)
  || (code >= 0x41 && code <= 0x5a) || code === 0x5f || (code >= 0x61 && code <= 0x7a);

/** `ranges` are in order. */
export function isIn(code: number, ranges: ReadonlyArray<readonly [number, number]>): boolean {
  for (const [first, last] of ranges) {
    if (code < first) return false;
    if (code <= last) return true;
  }
  return false;
}
