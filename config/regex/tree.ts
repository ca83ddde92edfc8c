// Regular expressions that take time linear in the length of a text, whatever text: read into a
// tree that others walk. automaton.ts says whether a text has one, scanner.ts which of many a text
// has, finder.ts where it has one.
//
//   .  [a-z] [^a-z]  \d \w \s \D \W \S  \t \n \r \f \v \x41 \x{1F600}  \. (any sign as itself)
//   ab  a|b  (ab) (?:ab)  a* a+ a? a{2} a{2,} a{2,5}, also with ? behind
//   ^ $ \A \z  \b \B  (?i) first
//
// `.` takes line breaks, `^` and `$` are the ends of the text, and classes are those of ASCII. What
// is not above is refused with a sentence: references to groups and lookaround cannot be linear.

export const limits = {
  /** Characters of a regular expression; more are refused. */
  charactersMax: 500,
  /** Steps of a regular expression, after its repetitions are written out; more are refused. */
  stepsMax: 2000,
  /** Groups inside each other; more are refused. */
  depthMax: 32,
} as const;

/** What is wrong with a regular expression, for its author. */
export class RegexError extends Error {
  /** From 0, in characters of the expression as JavaScript counts them. */
  readonly position: number;
  /** What to write instead; '' when there is nothing to say. */
  readonly suggestion: string;

  constructor(message: string, position: number, suggestion = '') {
    super(message);
    this.name = 'RegexError';
    this.position = position;
    this.suggestion = suggestion;
  }
}

export type Regex = Marked & (
  /** One character in one of these ranges of code points, ends included, in order. */
  | { readonly type: 'set'; readonly ranges: readonly Range[] }
  | { readonly type: 'list' | 'choice'; readonly parts: readonly Regex[] }
  | { readonly type: 'repeat'; readonly part: Regex; readonly min: number;
      /** Null: no limit. */
      readonly max: number | null;
      /** As little as possible is wanted; only who cuts out groups tells it apart. */
      readonly isLazy?: true }
  | { readonly type: 'start' | 'end' | 'edge' | 'inside' });

interface Marked {
  /** The number of the group that it is, from 1 on: (…) and not (?:…). */
  readonly group?: number;
}

export type Range = readonly [first: number, last: number];

export const LAST = 0x10ffff;
export const ANY: Regex = { type: 'set', ranges: [[0, LAST]] };
const DIGIT: readonly Range[] = [[0x30, 0x39]];
const WORD: readonly Range[] = [[0x30, 0x39], [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];
const SPACE: readonly Range[] = [[0x09, 0x0a], [0x0c, 0x0d], [0x20, 0x20]];
const CLASSES: Readonly<Record<string, readonly Range[]>> = {
  d: DIGIT, w: WORD, s: SPACE, D: inverted(DIGIT), W: inverted(WORD), S: inverted(SPACE),
};
const CONTROLS: Readonly<Record<string, number>> = {
  t: 0x09, n: 0x0a, v: 0x0b, f: 0x0c, r: 0x0d, a: 0x07,
};

/** Throws RegexError. */
export function parseRegex(source: string, ignoresCase = false): Regex {
  if (source.length > limits.charactersMax) {
    throw new RegexError(`it has more than ${limits.charactersMax} characters`, 0);
  }
  const reader = new RegexReader(source, ignoresCase);
  const regex = reader.choice(0);
  reader.expectEnd();
  if (stepsOf(regex) > limits.stepsMax) {
    throw new RegexError('it repeats too much', 0, 'write smaller numbers in {}');
  }
  return regex;
}

function inverted(ranges: readonly Range[]): Range[] {
  const found: Range[] = [];
  let next = 0;
  for (const [first, last] of ranges) {
    if (first > next) found.push([next, first - 1]);
    next = Math.max(next, last + 1);
  }
  if (next <= LAST) found.push([next, LAST]);
  return found;
}

function ordered(ranges: readonly Range[]): Range[] {
  const found: [number, number][] = [];
  for (const [first, last] of [...ranges].sort((one, other) => one[0] - other[0])) {
    const before = found.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else found.push([first, last]);
  }
  return found;
}

export function stepsOf(regex: Regex): number {
  switch (regex.type) {
    case 'list':
    case 'choice': return regex.parts.reduce((sum, part) => sum + stepsOf(part) + 1, 1);
    case 'repeat': {
      const { min, max, part } = regex;
      return 1 + (stepsOf(part) + 1) * Math.max(1, max ?? min + 1);
    }
    default: return 1;
  }
}

class RegexReader {
  private readonly points: readonly string[];
  private ignoresCase: boolean;
  private at = 0;
  private groups = 0;

  constructor(source: string, ignoresCase: boolean) {
    this.points = [...source];
    this.ignoresCase = ignoresCase;
    if (source.startsWith('(?i)')) {
      this.ignoresCase = true;
      this.at = 4;
    }
  }

  expectEnd(): void {
    if (this.at < this.points.length) throw this.error('a ) has no (', 'write \\)');
  }

  choice(depth: number): Regex {
    if (depth > limits.depthMax) throw this.error('the groups are too deep');
    const parts = [this.list(depth)];
    while (this.take('|')) parts.push(this.list(depth));
    return parts.length === 1 ? parts[0]! : { type: 'choice', parts };
  }

  private list(depth: number): Regex {
    const parts: Regex[] = [];
    while (this.at < this.points.length && this.points[this.at] !== '|'
      && this.points[this.at] !== ')') {
      parts.push(this.repeated(this.atom(depth)));
    }
    return parts.length === 1 ? parts[0]! : { type: 'list', parts };
  }

  private repeated(part: Regex): Regex {
    const found = this.repetition();
    if (found === null) return part;
    if (part.type !== 'set' && part.type !== 'list' && part.type !== 'choice') {
      throw this.error('there is nothing to repeat', 'write the sign with a \\ in front');
    }
    const isLazy = this.take('?');
    if (this.repetition() !== null) {
      throw this.error('a repetition is repeated', 'write a group: (?:a+)*');
    }
    return { type: 'repeat', part, ...found, ...(isLazy ? { isLazy } : {}) };
  }

  private repetition(): { min: number; max: number | null } | null {
    if (this.take('*')) return { min: 0, max: null };
    if (this.take('+')) return { min: 1, max: null };
    if (this.take('?')) return { min: 0, max: 1 };
    const text = this.points.slice(this.at, this.at + 12).join('');
    const match = /^\{(\d{1,4})(?:(,)(\d{1,4})?)?\}/.exec(text);
    if (match === null) return null;
    const [all, least, comma, most] = match;
    const min = Number(least);
    const max = comma === undefined ? min : most === undefined ? null : Number(most);
    if (min > REPEAT_MAX || (max !== null && (max < min || max > REPEAT_MAX))) {
      throw this.error(`${all} is no repetition`, `write numbers up to ${REPEAT_MAX}, in order`);
    }
    this.at += all.length;
    return { min, max };
  }

  private atom(depth: number): Regex {
    const one = this.points[this.at]!;
    this.at += 1;
    switch (one) {
      case '.': return ANY;
      case '^': return { type: 'start' };
      case '$': return { type: 'end' };
      case '[': return { type: 'set', ranges: this.set() };
      case '(': return this.group(depth);
      case '*': case '+': case '?':
        throw this.error('there is nothing to repeat', `write \\${one}`, -1);
      case '\\': return this.escape();
      default: return { type: 'set', ranges: this.folded([[point(one), point(one)]]) };
    }
  }

  private group(depth: number): Regex {
    const isPlain = this.take('?');
    if (isPlain && !this.take(':')) {
      throw this.error('of groups with (?, only (?: is known, and (?i) at the beginning',
        'leave lookaround, names and flags out');
    }
    this.groups += isPlain ? 0 : 1;
    const group = this.groups;
    const inside = this.choice(depth + 1);
    if (!this.take(')')) throw this.error('a ( has no )', 'close it, or write \\(');
    // A list of one is not repeated as what it holds would be.
    const found: Regex = inside.type === 'set' || inside.type === 'choice' || inside.type === 'list'
      ? inside : { type: 'list', parts: [inside] };
    if (isPlain) return found;
    return found.group === undefined ? { ...found, group }
      : { type: 'list', parts: [found], group };
  }

  private escape(): Regex {
    const one = this.points[this.at];
    if (one === 'b' || one === 'B' || one === 'A' || one === 'z') {
      this.at += 1;
      return { type: ({ b: 'edge', B: 'inside', A: 'start', z: 'end' } as const)[one] };
    }
    return { type: 'set', ranges: this.folded(this.escaped()) };
  }

  /** Behind a `\`: a class or one character. */
  private escaped(): readonly Range[] {
    const one = this.points[this.at];
    if (one === undefined) throw this.error('there is nothing behind \\', 'write \\\\');
    this.at += 1;
    const found = CLASSES[one];
    if (found !== undefined) return found;
    const code = CONTROLS[one] ?? (one === 'x' ? this.hexadecimal() : undefined);
    if (code !== undefined) return [[code, code]];
    if (/[\p{L}\p{N}]/u.test(one)) {
      throw this.error(`\\${one} is not known here`, /\d/.test(one)
        ? 'references to groups cannot be linear' : 'write [a-z], \\d, \\w, \\s or \\b', -1);
    }
    return [[point(one), point(one)]];
  }

  private hexadecimal(): number {
    const text = this.points.slice(this.at, this.at + 8).join('');
    const match = /^(?:\{([0-9a-fA-F]{1,6})\}|([0-9a-fA-F]{2}))/.exec(text);
    const code = Number.parseInt(match?.[1] ?? match?.[2] ?? '', 16);
    if (!(code <= LAST) || isSurrogate(code)) {
      throw this.error('\\x has no character', 'write \\x41 or \\x{1F600}');
    }
    this.at += match![0].length;
    return code;
  }

  /** Behind a `[`. */
  private set(): readonly Range[] {
    const openAt = this.at;
    const isInverted = this.take('^');
    const ranges: Range[] = [];
    for (let isFirst = true; isFirst || this.points[this.at] !== ']'; isFirst = false) {
      if (this.at >= this.points.length) {
        this.at = openAt;
        throw this.error('a [ has no ]', 'close it, or write \\[', -1);
      }
      ranges.push(...this.setRange());
    }
    this.at += 1;
    const all = ordered(this.folded(ranges));
    return isInverted ? inverted(all) : all;
  }

  private setRange(): readonly Range[] {
    const low = this.setItem();
    const next = this.points[this.at + 1];
    if (this.points[this.at] !== '-' || next === undefined || next === ']') return low;
    this.at += 1;
    const high = this.setItem();
    const [first, last] = [low[0]![0], high[0]![0]];
    const isSingle = [low, high].every((one) => one.length === 1 && one[0]![0] === one[0]![1]);
    if (!isSingle || last < first) {
      throw this.error('a range in [] is in no order', 'write it from low to high: a-z');
    }
    return [[first, last]];
  }

  private setItem(): readonly Range[] {
    const one = this.points[this.at]!;
    this.at += 1;
    if (one === '\\') return this.escaped();
    if (one === '[' && this.points[this.at] === ':') {
      throw this.error('classes like [:alpha:] are not known here', 'write a-z', -1);
    }
    return [[point(one), point(one)]];
  }

  /** With the other case of each letter, when case does not matter. */
  private folded(ranges: readonly Range[]): readonly Range[] {
    if (!this.ignoresCase) return ranges;
    return ordered([...ranges, ...ranges.flatMap(([first, last]) =>
      (last - first > FOLDED_MAX ? [] : otherCases(first, last)))]);
  }

  private take(wanted: string): boolean {
    if (this.points[this.at] !== wanted) return false;
    this.at += 1;
    return true;
  }

  private error(message: string, suggestion = '', offset = 0): RegexError {
    const before = this.points.slice(0, this.at + offset).join('').length;
    return new RegexError(message, before, suggestion);
  }
}

/** The most that RE2 takes. */
const REPEAT_MAX = 1000;

/** Longer ranges hold both cases of what they are about. */
const FOLDED_MAX = 1000;

function otherCases(first: number, last: number): Range[] {
  const found: Range[] = [];
  for (let code = first; code <= last; code += 1) {
    if (isSurrogate(code)) continue;
    const one = String.fromCodePoint(code);
    for (const other of [one.toLowerCase(), one.toUpperCase()]) {
      if (other !== one && [...other].length === 1) found.push([point(other), point(other)]);
    }
  }
  return found;
}

export const isSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdfff;

function point(one: string): number {
  const code = one.codePointAt(0)!;
  // Half of a pair is in no text that is UTF-8.
  return isSurrogate(code) ? 0xfffd : code;
}
