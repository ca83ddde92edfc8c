// Finds where a regular expression matches, in one pass over the text and in time that is at most
// the length of the text times that of the expression, whatever text and expression are.
//
// What is found is the union of all matches: stretches that overlap are one. So a repetition takes
// as much as it can, also one with ? behind, and `\d{4}` finds all of eight digits as one stretch.
// This is what makes it linear: ways that are at the same step have the same future, so only the
// one that began first is followed.

import { append, holds, isIn, NOTHING, type Step } from './automaton.ts';
import type { Regex } from './tree.ts';

export interface Stretch {
  /** In characters as JavaScript counts them; `end` is behind the last, `end > start`. */
  readonly start: number;
  readonly end: number;
}

/** Answers stretches in order. May be asked again and again, by one caller at a time. */
export function createFinder(regex: Regex): (text: string) => readonly Stretch[] {
  const steps: Step[] = [];
  append(regex, steps);
  steps.push({ type: 'found' });
  const search = new Search(steps);
  return (text) => search.run(text);
}

interface Ways {
  /** Steps that take a character, those that began first in front. */
  readonly steps: number[];
  readonly starts: number[];
}

class Search {
  private readonly steps: readonly Step[];
  /** In which round a step was reached last: the first to come began first. */
  private readonly rounds: Float64Array;
  private round = 0;
  private readonly pending: number[] = [];
  private foundStart = NOTHING;

  constructor(steps: readonly Step[]) {
    this.steps = steps;
    this.rounds = new Float64Array(steps.length);
  }

  run(text: string): Stretch[] {
    const found: Stretch[] = [];
    let ways: Ways = { steps: [], starts: [] };
    let next: Ways = { steps: [], starts: [] };
    let code = text.length === 0 ? NOTHING : text.codePointAt(0)!;
    this.begin();
    this.reach(0, 0, NOTHING, code, ways);
    for (let at = 0; code !== NOTHING;) {
      at += code > 0xffff ? 2 : 1;
      const after = at < text.length ? text.codePointAt(at)! : NOTHING;
      this.begin();
      for (let index = 0; index < ways.steps.length; index += 1) {
        const step = ways.steps[index]!;
        if (isIn(code, (this.steps[step] as Step & { type: 'take' }).ranges)) {
          this.reach(step + 1, ways.starts[index]!, code, after, next);
        }
      }
      if (this.foundStart !== NOTHING) add(found, this.foundStart, at);
      this.reach(0, at, code, after, next);
      [ways, next] = [next, ways];
      next.steps.length = 0;
      next.starts.length = 0;
      code = after;
    }
    return found;
  }

  private begin(): void {
    this.round += 1;
    this.foundStart = NOTHING;
  }

  private reach(first: number, start: number, before: number, after: number, ways: Ways): void {
    const { pending, rounds, steps } = this;
    pending.push(first);
    for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
      if (rounds[at] === this.round) continue;
      rounds[at] = this.round;
      const step = steps[at]!;
      if (step.type === 'take') {
        ways.steps.push(at);
        ways.starts.push(start);
      } else if (step.type === 'fork') pending.push(...step.targets);
      else if (step.type === 'found') this.foundStart = start;
      else if (holds(step.type, before, after)) pending.push(at + 1);
    }
  }
}

/** What the stretch overlaps becomes part of it; ends come in order. */
function add(found: Stretch[], start: number, end: number): void {
  let first = start;
  for (let last = found.at(-1); last !== undefined && last.end > first; last = found.at(-1)) {
    first = Math.min(first, last.start);
    found.pop();
  }
  found.push({ start: first, end });
}
