// Regular expressions in templates: those of config/regex, which an operator writes, on text that
// anybody writes. What is found is what Perl and Go find first, with its groups; all ways through
// the expression are followed side by side, in the order in which they would be tried.

import { append, createAutomaton, holds, isIn, NOTHING, type Step }
  from '../../config/regex/automaton.ts';
import { parseRegex, RegexError, type Regex } from '../../config/regex/tree.ts';

export const limits = {
  /** Steps of one call; with more, the call fails and stays visible in what is rendered. */
  stepsMax: 1_000_000,
  /** Expressions that are kept ready; then all are forgotten. */
  keptMax: 200,
} as const;

/** Whether the text has it anywhere. Throws RegexError. */
export function matches(source: string, text: string): boolean {
  return kept(FINDERS, source, (regex) => createAutomaton(regex))(text);
}

/**
 * All that is found, one after the other, replaced. `$1` and `${1}` are what groups have, `$0` is
 * all of it, `$$` a dollar. Throws RegexError.
 */
export function replaceAll(source: string, by: string, text: string): string {
  const steps = kept(PROGRAMS, source, compile);
  const search = new Search(steps, text);
  let result = '';
  let from = 0;
  let copied = 0;
  let lastEnd = -1;
  while (from <= text.length) {
    const slots = search.find(from);
    if (slots === null) break;
    const [start, end] = [slots[0]!, slots[1]!];
    // Nothing is not found right behind what was found.
    if (start !== end || start !== lastEnd) {
      result += text.slice(copied, start) + filled(by, text, slots);
      copied = end;
      lastEnd = end;
    }
    from = end > start ? end : end + ((text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1);
  }
  return result + text.slice(copied);
}

function filled(by: string, text: string, slots: readonly number[]): string {
  return by.replace(/\$(?:\$|(\w+)|\{(\w+)\})/g, (found, bare?: string, braced?: string) => {
    if (found === '$$') return '$';
    const name = bare ?? braced!;
    if (!/^\d{1,4}$/.test(name)) return '';
    const [start, end] = [slots[Number(name) * 2], slots[Number(name) * 2 + 1]];
    return start === undefined || end === undefined ? '' : text.slice(start, end);
  });
}

const FINDERS = new Map<string, (text: string) => boolean>();
const PROGRAMS = new Map<string, readonly Instruction[]>();

function kept<T>(known: Map<string, T>, source: string, make: (regex: Regex) => T): T {
  const found = known.get(source);
  if (found !== undefined) return found;
  const made = make(parseRegex(source));
  if (known.size >= limits.keptMax) known.clear();
  known.set(source, made);
  return made;
}

/** Those of an automaton, whose forks are in the order in which they are tried; and marks. */
type Instruction = Step | { readonly type: 'save'; readonly slot: number };

function compile(regex: Regex): Instruction[] {
  const steps: Instruction[] = [];
  emit({ type: 'list', parts: [regex], group: 0 }, steps);
  steps.push({ type: 'found' });
  return steps;
}

function emit(regex: Regex, steps: Instruction[]): void {
  const { group } = regex;
  if (group !== undefined) steps.push({ type: 'save', slot: group * 2 });
  switch (regex.type) {
    case 'list': for (const part of regex.parts) emit(part, steps); break;
    case 'choice': emitChoice(regex.parts, steps); break;
    case 'repeat': emitRepeat(regex, steps); break;
    default: append({ ...regex }, steps as Step[]);
  }
  if (group !== undefined) steps.push({ type: 'save', slot: group * 2 + 1 });
}

function emitChoice(parts: readonly Regex[], steps: Instruction[]): void {
  const targets: number[] = [];
  steps.push({ type: 'fork', targets });
  const ends: number[][] = [];
  for (const part of parts) {
    targets.push(steps.length);
    emit(part, steps);
    const end: number[] = [];
    steps.push({ type: 'fork', targets: end });
    ends.push(end);
  }
  for (const end of ends) end.push(steps.length);
}

function emitRepeat(
  { part, min, max, isLazy }: Regex & { type: 'repeat' },
  steps: Instruction[],
): void {
  for (let count = 0; count < min; count += 1) emit(part, steps);
  const skips: number[][] = [];
  const open = (): number => {
    const targets = [steps.length + 1];
    steps.push({ type: 'fork', targets });
    skips.push(targets);
    return steps.length - 1;
  };
  const begins = max === null ? open() : 0;
  if (max === null) {
    emit(part, steps);
    steps.push({ type: 'fork', targets: [begins] });
  }
  for (let count = min; count < (max ?? min); count += 1) {
    open();
    emit(part, steps);
  }
  for (const targets of skips) {
    if (isLazy === true) targets.unshift(steps.length);
    else targets.push(steps.length);
  }
}

/** Where a way stands, and where it has met groups. */
interface Way {
  readonly step: number;
  readonly slots: readonly number[];
}

class Search {
  private readonly steps: readonly Instruction[];
  private readonly text: string;
  private done = 0;
  private readonly rounds: Float64Array;
  private round = 0;

  constructor(steps: readonly Instruction[], text: string) {
    this.steps = steps;
    this.text = text;
    this.rounds = new Float64Array(steps.length);
  }

  /** Beginnings and ends of groups; null when nothing is found from `from` on. */
  find(from: number): readonly number[] | null {
    let ways: Way[] = [];
    let found: readonly number[] | null = null;
    for (let at = from; ; ) {
      const code = this.text.codePointAt(at) ?? NOTHING;
      const next: Way[] = [];
      this.round += 1;
      const reached: Way[] = [];
      for (const way of ways) this.reach(way.step, way.slots, at, reached);
      if (found === null) this.reach(0, [], at, reached);
      const end = at + (code > 0xffff ? 2 : 1);
      for (const { step, slots } of reached) {
        const instruction = this.steps[step]!;
        if (instruction.type === 'found') {
          found = slots;
          break; // The ways behind it would have been tried later.
        }
        if (instruction.type === 'take' && code !== NOTHING && isIn(code, instruction.ranges)) {
          next.push({ step: step + 1, slots });
        }
      }
      if (code === NOTHING || (next.length === 0 && found !== null)) return found;
      ways = next;
      at = end;
    }
  }

  /** Follows what takes no character; each step is reached once, by the first way that comes. */
  private reach(first: number, firstSlots: readonly number[], at: number, ways: Way[]): void {
    const pending: Way[] = [{ step: first, slots: firstSlots }];
    for (let way = pending.pop(); way !== undefined; way = pending.pop()) {
      const { step, slots } = way;
      if (this.rounds[step] === this.round) continue;
      this.rounds[step] = this.round;
      this.done += 1;
      if (this.done > limits.stepsMax) throw new RegexError('it takes too long', 0);
      const instruction = this.steps[step]!;
      switch (instruction.type) {
        case 'take':
        case 'found': ways.push(way); break;
        case 'save': {
          const changed = [...slots];
          changed[instruction.slot] = at;
          pending.push({ step: step + 1, slots: changed });
          break;
        }
        case 'fork':
          for (const target of instruction.targets.toReversed()) {
            pending.push({ step: target, slots });
          }
          break;
        default:
          if (this.holdsAt(instruction.type, at)) pending.push({ step: step + 1, slots });
      }
    }
  }

  private holdsAt(type: 'start' | 'end' | 'edge' | 'inside', at: number): boolean {
    const code = this.text.codePointAt(at) ?? NOTHING;
    const before = at === 0 ? NOTHING : this.text.charCodeAt(at - 1);
    return holds(type, before, code);
  }
}
