// Says in one pass over UTF-8 bytes which of many regular expressions occur in them, each wherever
// it may begin. All are followed together as one deterministic automaton, which is built as far as
// texts need it: a byte costs one look into a table, whatever the expressions are.
//
// - A state is the set of steps that are reached, and of what kind the character before was; a
//   table holds the next state for each class of bytes (bytes that no expression tells apart).
// - Bytes of a character behind its first (0x80–0xBF) are passed over, and all characters beyond
//   ASCII are of one class, so that an expression counts characters. What is found of those may be
//   too much, never too little: whoever must know exactly looks again.
// - Time is at most the length of the text times the steps of all expressions; memory is bounded
//   by `limits`.

import {
  append, holds, isIn, isWord, NOTHING, type Step,
} from './automaton.ts';
import type { Regex } from './tree.ts';

export const limits = {
  /** States that are kept. When there are more, all are forgotten and built anew as needed. */
  statesMax: 4000,
} as const;

export interface Wanted {
  readonly regex: Regex;
  /** What `scan` answers of it: any bits of a 32-bit integer. */
  readonly bits: number;
}

export interface Scanner {
  /** The bits of all that occur from `start` to `end`. May be asked by one caller at a time. */
  scan(bytes: Uint8Array, start: number, end: number): number;
}

export function createScanner(wanted: readonly Wanted[]): Scanner {
  return new LazyScanner(wanted);
}

/** The first character beyond ASCII stands for all of them. */
const BEYOND_ASCII = 0x80;
const UNKNOWN = -1;
const STATES_HINT = 128;

interface State {
  /** Steps behind those that were taken. */
  readonly reached: readonly number[];
  /** A character like the one before, or NOTHING. */
  readonly before: number;
}

/** What was reached by one character from the beginning, and found before it. */
interface Begun {
  readonly reached: readonly number[];
  readonly bits: number;
}

/** Characters that stand for all of their kind, where only that matters. */
const WORD = 0x61;
const OTHER = 0x20;

class LazyScanner implements Scanner {
  private readonly steps: readonly Step[];
  private readonly firsts: number[] = [];
  /** Bits by the number of the step `found`. */
  private readonly bitsOf = new Map<number, number>();
  private readonly classes: Uint8Array;
  /** A character of each class; NOTHING for that of bytes which are passed over. */
  private readonly members: readonly number[];
  private readonly begins = new Map<number, Begun>();
  /** In which round a step was reached last, so that it is followed once. */
  private readonly rounds: Float64Array;
  private round = 0;
  private readonly states: State[] = [];
  private readonly numbers = new Map<string, number>();
  /** By state and class: the row of the next state, doubled, plus 1 when bits were found. */
  private table: Int32Array;
  private found: Int32Array;
  /** By state: what is found when the text ends there, or UNKNOWN. */
  private readonly ends: number[] = [];

  constructor(wanted: readonly Wanted[]) {
    const steps: Step[] = [];
    for (const { regex, bits } of wanted) {
      this.firsts.push(steps.length);
      append(regex, steps);
      this.bitsOf.set(steps.length, bits);
      steps.push({ type: 'found' });
    }
    this.steps = steps.map(narrowed);
    this.rounds = new Float64Array(steps.length);
    const { classes, members } = classesOf(this.steps);
    this.classes = classes;
    this.members = members;
    this.table = new Int32Array(STATES_HINT * members.length).fill(UNKNOWN);
    this.found = new Int32Array(this.table.length);
    this.stateOf([], NOTHING);
  }

  scan(bytes: Uint8Array, start: number, end: number): number {
    const { classes } = this;
    let { table } = this;
    let row = 0;
    let bits = 0;
    for (let at = start; at < end; at += 1) {
      const cell = row + classes[bytes[at]!]!;
      let next = table[cell]!;
      if (next < 0) {
        next = this.follow(row, cell);
        ({ table } = this);
        // All were forgotten, and the cell with them: `follow` keeps what it found.
        if ((next & 1) === 1) bits |= this.foundLast;
      } else if ((next & 1) === 1) bits |= this.found[cell]!;
      row = next >> 1;
    }
    return bits | this.endOf(row);
  }

  private foundLast = 0;

  /** Fills a cell of the table, and answers it. */
  private follow(row: number, cell: number): number {
    const width = this.members.length;
    const member = this.members[cell - row]!;
    if (member === NOTHING) {
      this.table[cell] = row << 1;
      return row << 1;
    }
    const state = this.states[row / width]!;
    const begun = this.begun(state.before, member);
    const { taken, bits } = this.close(state.reached, state.before, member);
    const reached = new Set([...begun.reached, ...this.take(taken, member)]);
    const isFull = this.states.length >= limits.statesMax;
    if (isFull) this.forget();
    const found = bits | begun.bits;
    const number = this.stateOf([...reached], isWord(member) ? WORD : OTHER);
    const next = (number * width) << 1 | (found === 0 ? 0 : 1);
    this.foundLast = found;
    if (isFull) return next;
    this.table[cell] = next;
    this.found[cell] = found;
    return next;
  }

  private endOf(row: number): number {
    const number = row / this.members.length;
    const known = this.ends[number]!;
    if (known !== UNKNOWN) return known;
    const { reached, before } = this.states[number]!;
    const bits = this.close(reached, before, NOTHING).bits | this.begun(before, NOTHING).bits;
    this.ends[number] = bits;
    return bits;
  }

  /** Where expressions come to that begin before this character: the same for all states. */
  private begun(before: number, member: number): Begun {
    const name = before * 1000 + member;
    const known = this.begins.get(name);
    if (known !== undefined) return known;
    const { taken, bits } = this.close(this.firsts, before, member);
    const begun = { reached: member === NOTHING ? [] : this.take(taken, member), bits };
    this.begins.set(name, begun);
    return begun;
  }

  private take(taken: readonly number[], member: number): number[] {
    return taken
      .filter((step) => isIn(member, (this.steps[step] as Step & { type: 'take' }).ranges))
      .map((step) => step + 1);
  }

  /** The steps that take a character, of those reached from these without one. */
  private close(from: readonly number[], before: number, after: number) {
    this.round += 1;
    const { round, rounds } = this;
    const pending = [...from];
    const taken: number[] = [];
    let bits = 0;
    for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
      if (rounds[at] === round) continue;
      rounds[at] = round;
      const step = this.steps[at]!;
      if (step.type === 'take') taken.push(at);
      else if (step.type === 'fork') pending.push(...step.targets);
      else if (step.type === 'found') bits |= this.bitsOf.get(at)!;
      else if (holds(step.type, before, after)) pending.push(at + 1);
    }
    return { taken, bits };
  }

  private stateOf(reached: readonly number[], before: number): number {
    const sorted = [...reached].sort((one, other) => one - other);
    const name = `${before}:${sorted.join()}`;
    const known = this.numbers.get(name);
    if (known !== undefined) return known;
    const number = this.states.push({ reached: sorted, before }) - 1;
    this.numbers.set(name, number);
    this.ends.push(UNKNOWN);
    const cells = (number + 1) * this.members.length;
    if (cells > this.table.length) this.grow(cells);
    return number;
  }

  private grow(cells: number): void {
    const table = new Int32Array(cells * 2).fill(UNKNOWN);
    table.set(this.table);
    const found = new Int32Array(cells * 2);
    found.set(this.found);
    this.table = table;
    this.found = found;
  }

  private forget(): void {
    this.states.length = 0;
    this.ends.length = 0;
    this.numbers.clear();
    this.table.fill(UNKNOWN);
    this.stateOf([], NOTHING);
  }
}

/** The step, with all characters beyond ASCII as one. */
function narrowed(step: Step): Step {
  if (step.type !== 'take') return step;
  const ranges = step.ranges.filter(([first]) => first < BEYOND_ASCII)
    .map(([first, last]) => [first, Math.min(last, BEYOND_ASCII - 1)] as const);
  const goesBeyond = (step.ranges.at(-1)?.[1] ?? 0) >= BEYOND_ASCII;
  return { type: 'take', ranges: goesBeyond ? [...ranges, [BEYOND_ASCII, BEYOND_ASCII]] : ranges };
}

/** Bytes that every step treats alike are of one class. */
function classesOf(steps: readonly Step[]): { classes: Uint8Array; members: number[] } {
  const takes = steps.filter((step) => step.type === 'take');
  const numbers = new Map<string, number>();
  const members: number[] = [];
  const classes = new Uint8Array(256);
  const numberOf = (name: string, member: number): number => {
    const known = numbers.get(name);
    if (known !== undefined) return known;
    numbers.set(name, members.length);
    return members.push(member) - 1;
  };
  for (let byte = 0; byte < BEYOND_ASCII; byte += 1) {
    const name = takes.map(({ ranges }) => (isIn(byte, ranges) ? '1' : '0')).join('');
    classes[byte] = numberOf(`${isWord(byte)}${name}`, byte);
  }
  classes.fill(numberOf('inside', NOTHING), 0x80, 0xc0);
  classes.fill(numberOf('beyond', BEYOND_ASCII), 0xc0, 256);
  return { classes, members };
}
