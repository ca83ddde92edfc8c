// The grammar of expressions (expr-lang, as the Collector uses it), into a tree. From what binds
// least to what binds most:
//
//   a ? b : c   a | f(b)   or ||   and &&   == != < <= > >= in matches contains startsWith endsWith
//   ..   + -   * / %   ** ^   ??          before: not ! - +      behind: .name ?.name [x] [a:b] (…)
//
// `not` stands also before in, matches, contains, startsWith, endsWith. Inside of the braces of
// `any(list, {# > 1})` the sign # is the element, and .name a key of it.

import { ExpressionError, readTokens, type Token } from './tokens.ts';

export type Node = { readonly at: number } & (
  | { readonly kind: 'literal'; readonly value: string | number | bigint | boolean | null }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'element' }
  | { readonly kind: 'list'; readonly items: readonly Node[] }
  | { readonly kind: 'map'; readonly pairs: readonly (readonly [string, Node])[] }
  | {
    readonly kind: 'member'; readonly target: Node; readonly key: Node; readonly optional: boolean;
  }
  | {
    readonly kind: 'slice'; readonly target: Node; readonly from: Node | null;
    readonly to: Node | null;
  }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Node[] }
  | { readonly kind: 'unary'; readonly operator: string; readonly operand: Node }
  | {
    readonly kind: 'binary'; readonly operator: string; readonly left: Node; readonly right: Node;
  }
  | { readonly kind: 'choice'; readonly test: Node; readonly yes: Node; readonly no: Node });

export const limits = {
  /** A longer expression is refused. */
  chars: 8192,
  /** Parts inside of each other; deeper expressions are refused. */
  depth: 64,
} as const;

/** Throws ExpressionError. */
export function parseExpression(text: string): Node {
  if (text.length > limits.chars) {
    throw new ExpressionError(`it is longer than ${limits.chars} characters`, limits.chars);
  }
  const parser = new Parser(readTokens(text));
  const node = parser.expression(0);
  parser.end();
  return node;
}

const BINARY: Record<string, number> = {
  '|': 0, or: 10, '||': 10, and: 15, '&&': 15,
  '==': 20, '!=': 20, '<': 20, '<=': 20, '>': 20, '>=': 20, in: 20, matches: 20, contains: 20,
  startsWith: 20, endsWith: 20, '..': 25, '+': 30, '-': 30, '*': 60, '/': 60, '%': 60,
  '**': 100, '^': 100, '??': 500,
};
const NEGATED = new Set(['in', 'matches', 'contains', 'startsWith', 'endsWith']);
const UNARY: Record<string, number> = { not: 50, '!': 50, '-': 90, '+': 90 };
const LITERALS: Record<string, boolean | null> = { true: true, false: false, nil: null };
/** The binding of `||`, which `a ? b : c` binds less than. */
const CHOICE = 0;

class Parser {
  private readonly tokens: readonly Token[];
  private position = 0;
  private depth = 0;
  /** How many braces are open in which `#` is the element. */
  private elements = 0;

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
  }

  expression(least: number): Node {
    if (++this.depth > limits.depth) this.fail('it is nested too deep');
    let left = this.operand();
    for (;;) {
      const negated = this.isWord('not') && NEGATED.has(this.tokens[this.position + 1]!.text);
      const token = negated ? this.tokens[this.position + 1]! : this.token;
      const binding = token.kind === 'text' ? undefined : BINARY[token.text];
      if (binding === undefined || binding < least) break;
      this.position += negated ? 2 : 1;
      left = this.binary(left, token, binding);
      if (negated) left = { kind: 'unary', operator: 'not', operand: left, at: token.at };
    }
    if (least === CHOICE && this.takes('?')) left = this.choice(left);
    this.depth--;
    return left;
  }

  end(): void {
    if (this.token.kind !== 'end') this.fail('this is not expected here');
  }

  private get token(): Token {
    return this.tokens[this.position]!;
  }

  private isWord(word: string): boolean {
    return this.token.kind !== 'text' && this.token.text === word && this.token.kind !== 'end';
  }

  private takes(sign: string): boolean {
    if (!this.isWord(sign)) return false;
    this.position++;
    return true;
  }

  private expect(sign: string): void {
    if (!this.takes(sign)) this.fail(`${sign} is missing here`);
  }

  private fail(why: string, at = this.token.at): never {
    throw new ExpressionError(why, at);
  }

  private binary(left: Node, { text: operator, at }: Token, binding: number): Node {
    if (operator === '|') return this.pipe(left);
    const rightBinding = operator === '**' || operator === '^' ? binding : binding + 1;
    return { kind: 'binary', operator, left, right: this.expression(rightBinding), at };
  }

  /** `a | f(b)` is f(a, b). */
  private pipe(first: Node): Node {
    const { at } = this.token;
    const call = this.operand();
    if (call.kind !== 'call') this.fail('behind | a function is expected', at);
    return { ...call, args: [first, ...call.args] };
  }

  private choice(test: Node): Node {
    const { at } = test;
    if (this.takes(':')) return { kind: 'choice', test, yes: test, no: this.expression(0), at };
    const yes = this.expression(0);
    this.expect(':');
    return { kind: 'choice', test, yes, no: this.expression(0), at };
  }

  private operand(): Node {
    const { kind, text, at } = this.token;
    const unary = kind === 'text' ? undefined : UNARY[text];
    if (unary !== undefined) {
      this.position++;
      return { kind: 'unary', operator: text, operand: this.expression(unary), at };
    }
    return this.behind(this.primary());
  }

  private primary(): Node {
    const { kind, text, at } = this.token;
    if (kind === 'end') this.fail('it ends too early');
    this.position++;
    if (kind === 'text') return { kind: 'literal', value: text, at };
    if (kind === 'number') return { kind: 'literal', value: toNumber(text, at), at };
    if (kind === 'name') return this.named(text, at);
    switch (text) {
      case '(': {
        const inner = this.expression(0);
        this.expect(')');
        return inner;
      }
      case '[': return { kind: 'list', items: this.items(']'), at };
      case '{': return this.map(at);
      case '#': return this.element(at);
      case '.':
        this.position--;
        return this.element(at);
      default: return this.fail('this is not expected here', at);
    }
  }

  private element(at: number): Node {
    if (this.elements === 0) this.fail('an element stands only in braces: any(a, {# > 1})', at);
    return { kind: 'element', at };
  }

  private named(name: string, at: number): Node {
    if (Object.hasOwn(LITERALS, name)) return { kind: 'literal', value: LITERALS[name]!, at };
    if (!this.takes('(')) return { kind: 'name', name, at };
    return { kind: 'call', name, args: this.args(name), at };
  }

  /** Arguments up to the bracket; what follows the first one may stand in braces. */
  private args(name: string): Node[] {
    const args: Node[] = [];
    while (!this.takes(')')) {
      if (args.length > 0) this.expect(',');
      args.push(PREDICATES.has(name) && args.length === 1 ? this.predicate()
        : this.expression(0));
    }
    return args;
  }

  private predicate(): Node {
    this.elements++;
    const braced = this.takes('{');
    const node = this.expression(0);
    if (braced) this.expect('}');
    this.elements--;
    return node;
  }

  private items(end: string): Node[] {
    const items: Node[] = [];
    while (!this.takes(end)) {
      if (items.length > 0) this.expect(',');
      if (this.takes(end)) break;
      items.push(this.expression(0));
    }
    return items;
  }

  private map(at: number): Node {
    const pairs: [string, Node][] = [];
    while (!this.takes('}')) {
      if (pairs.length > 0) this.expect(',');
      if (this.takes('}')) break;
      const { kind, text } = this.token;
      if (kind === 'sign' || kind === 'end') this.fail('a key is expected');
      this.position++;
      this.expect(':');
      pairs.push([text, this.expression(0)]);
    }
    return { kind: 'map', pairs, at };
  }

  private behind(first: Node): Node {
    let node = first;
    for (;;) {
      const { at } = this.token;
      if (this.isWord('.') || this.isWord('?.')) {
        const optional = this.token.text === '?.';
        this.position++;
        if (optional && this.takes('[')) node = this.index(node, true, at);
        else node = { kind: 'member', target: node, key: this.key(), optional, at };
      } else if (this.takes('[')) {
        node = this.index(node, false, at);
      } else {
        return node;
      }
    }
  }

  private key(): Node {
    const { kind, text, at } = this.token;
    if (kind !== 'name') this.fail('a name is expected behind the dot');
    this.position++;
    return { kind: 'literal', value: text, at };
  }

  private index(target: Node, optional: boolean, at: number): Node {
    const from = this.isWord(':') ? null : this.expression(0);
    if (!this.takes(':')) {
      this.expect(']');
      return { kind: 'member', target, key: from!, optional, at };
    }
    const to = this.isWord(']') ? null : this.expression(0);
    this.expect(']');
    return { kind: 'slice', target, from, to, at };
  }
}

/** Functions whose second argument is asked for each element. */
export const PREDICATES: ReadonlySet<string> = new Set([
  'any', 'all', 'none', 'one', 'filter', 'map', 'count',
]);

function toNumber(text: string, at: number): number | bigint {
  const plain = text.replaceAll('_', '');
  if (/^0[xX]/.test(plain) || /^\d+$/.test(plain)) return BigInt(plain);
  const value = Number(plain);
  if (!Number.isFinite(value)) throw new ExpressionError('the number is too large', at);
  return value;
}
