// What a person writes behind `composite`: names of rules with `and`, `or`, `not` and brackets.
// A name with blanks stands in double quotes. `not` binds more than `and`, and that more than `or`.

import { closestWord } from '../../../config/errors.ts';
import { namesIn } from '../composite.ts';
import type { Composite, Rule, RuleGroup } from '../model.ts';

export const limits = {
  /** Characters. */
  charactersMax: 4096,
  /** Names in one expression. */
  namesMax: 10,
  /** Composites that are made of composites. */
  depthMax: 4,
  /** Brackets and negations inside each other. */
  bracketsMax: 16,
} as const;

export type ParsedComposite =
  | { readonly ok: true; readonly composite: Composite }
  | { readonly ok: false; readonly why: string; readonly hint: string; readonly at: number };

class CompositeError extends Error {
  readonly at: number;
  readonly hint: string;

  constructor(why: string, hint: string, at: number) {
    super(why);
    this.at = at;
    this.hint = hint;
  }
}

/** Never throws. */
export function parseComposite(text: string): ParsedComposite {
  try {
    if (text.length > limits.charactersMax) {
      throw new CompositeError(`has more than ${limits.charactersMax} characters`,
        'make several rules of it', 0);
    }
    const reader = new CompositeReader(tokensOf(text));
    const composite = reader.whole();
    const names = namesIn(composite);
    if (names.length > limits.namesMax) {
      throw new CompositeError(`has more than ${limits.namesMax} rules`,
        'make several composites of it', 0);
    }
    return { ok: true, composite };
  } catch (error) {
    if (!(error instanceof CompositeError)) throw error;
    return { ok: false, why: error.message, hint: error.hint, at: error.at };
  }
}

export interface CompositeFault {
  readonly rule: Rule;
  readonly why: string;
  readonly hint: string;
}

/** Names that are no rules, circles, and composites of composites that are too deep. */
export function compositeFaults(groups: readonly RuleGroup[]): CompositeFault[] {
  const rules = groups.flatMap((group) => group.rules);
  const byName = new Map<string, Rule[]>();
  for (const rule of rules) byName.set(rule.name, [...byName.get(rule.name) ?? [], rule]);
  return rules.flatMap((rule) => {
    const fault = faultOf(rule, byName, []);
    return fault === null ? [] : [{ rule, ...fault }];
  });
}

type Fault = Omit<CompositeFault, 'rule'>;

function faultOf(
  rule: Rule,
  byName: ReadonlyMap<string, readonly Rule[]>,
  above: readonly Rule[],
): Fault | null {
  if (rule.source.type !== 'composite') return null;
  if (above.includes(rule)) {
    return { why: `is made of itself: ${[...above, rule].map(({ name }) => name).join(' → ')}`,
      hint: 'take one of them out' };
  }
  if (above.length >= limits.depthMax) {
    return { why: `is more than ${limits.depthMax} composites deep`, hint: 'write it with fewer' };
  }
  for (const name of namesIn(rule.source.composite)) {
    const children = byName.get(name);
    if (children === undefined && above.length === 0) {
      const closest = closestWord(name, [...byName.keys()]);
      return { why: `there is no rule ${name}`,
        hint: closest === null ? 'write the name of a rule' : `did you mean ${closest}?` };
    }
    for (const child of children ?? []) {
      const fault = faultOf(child, byName, [...above, rule]);
      if (fault !== null) return fault;
    }
  }
  return null;
}

interface Token {
  readonly text: string;
  readonly isName: boolean;
  readonly at: number;
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = /\s+|[()]|"((?:[^"\\]|\\.)*)"|[^\s()"]+/y;
  for (let at = 0; at < text.length; at = pattern.lastIndex) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) throw new CompositeError('has a " without a second one', 'close it', at);
    const [found, quoted] = match;
    if (found.trim() === '') continue;
    const isWord = /^(?:and|or|not|[()])$/i.test(found);
    tokens.push({
      text: quoted?.replace(/\\(.)/g, '$1') ?? (isWord ? found.toLowerCase() : found),
      isName: !isWord, at,
    });
  }
  return tokens;
}

class CompositeReader {
  private readonly tokens: readonly Token[];
  private next = 0;
  private depth = 0;

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
  }

  whole(): Composite {
    const found = this.joined('or');
    const token = this.tokens[this.next];
    if (token === undefined) return found;
    throw new CompositeError(token.text === ')' ? 'has a ) without its ('
      : 'has two rules with nothing between', 'write and, or, or not between rules', token.at);
  }

  private joined(type: 'and' | 'or'): Composite {
    const part = () => (type === 'or' ? this.joined('and') : this.one());
    const parts = [part()];
    while (this.take(type)) parts.push(part());
    return parts.length === 1 ? parts[0]! : { type, parts };
  }

  private one(): Composite {
    const token = this.tokens[this.next];
    this.depth += 1;
    if (token === undefined || this.depth > limits.bracketsMax) {
      throw new CompositeError(token === undefined ? 'ends too early' : 'has too many brackets',
        "write it like 'HighLoad and not Maintenance'", this.tokens.at(-1)?.at ?? 0);
    }
    const found = this.inside(token);
    this.depth -= 1;
    return found;
  }

  private inside(token: Token): Composite {
    this.next += 1;
    if (token.isName) return { type: 'rule', name: token.text };
    if (token.text === 'not') return { type: 'not', part: this.one() };
    if (token.text !== '(') {
      throw new CompositeError(`has nothing in front of ${token.text}`,
        'write a rule there, or its name in quotes', token.at);
    }
    const found = this.joined('or');
    if (!this.take(')')) throw new CompositeError('has a ( without its )', 'close it', token.at);
    return found;
  }

  private take(text: string): boolean {
    const token = this.tokens[this.next];
    if (token === undefined || token.isName || token.text !== text) return false;
    this.next += 1;
    return true;
  }
}
