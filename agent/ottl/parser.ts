// From text to the tree of syntax.ts, by recursive descent. Precedence, from weak to strong: or,
// and, not, comparison, + and -, * and /. Parentheses may hold a condition or a value; which it was
// is known by what they hold.

import { OttlFault } from './fault.ts';
import { tokenize, type Token, type TokenType } from './lexer.ts';
import type {
  Argument, CallNode, Comparison, MathOperator, Node, PathSegment, StatementNode,
} from './syntax.ts';

const limits = {
  /** Deeper nesting is refused: it is read, and run, by recursion. */
  depth: 64,
  /** How far an argument is looked through for the arrow of a lambda, to name it. */
  lambdaTokens: 8,
};

/** Throws OttlFault. */
export function parseStatement(text: string): StatementNode {
  const parser = new Parser(tokenize(text));
  const editor = parser.editor();
  const condition = parser.takeWord('where') ? parser.condition() : undefined;
  parser.end(condition === undefined ? 'a statement is editor(…), then maybe where and a condition'
    : 'a condition ends here: join more of it by and, or');
  return { editor, condition };
}

/** Throws OttlFault. */
export function parseCondition(text: string): Node {
  const parser = new Parser(tokenize(text));
  const condition = parser.condition();
  parser.end('a condition ends here: join more of it by and, or');
  return condition;
}

/** Throws OttlFault. */
export function parseValue(text: string): Node {
  const parser = new Parser(tokenize(text));
  const value = parser.value();
  parser.end('a value ends here');
  return value;
}

const BOOLEAN_KINDS: readonly Node['kind'][] = ['compare', 'and', 'or', 'not'];
const COMPARISONS: readonly string[] = ['==', '!=', '<', '<=', '>', '>='];

class Parser {
  readonly #tokens: readonly Token[];
  #position = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  editor(): CallNode {
    const name = this.#next();
    if (name.type === 'end') throw new OttlFault(name.at, 'is empty', 'write editor(…)');
    if (name.type === 'upper') {
      throw new OttlFault(name.at, 'a statement begins with an editor, this is a converter',
        'write set(path, converter(…)), or another editor');
    }
    if (name.type !== 'lower' || this.#peek().text !== '(') {
      throw new OttlFault(name.at, 'a statement begins with an editor',
        'write editor(…), such as set(path, value)');
    }
    return this.#call(name);
  }

  condition(): Node {
    const node = this.#or();
    if (BOOLEAN_KINDS.includes(node.kind) || node.kind === 'bool') return node;
    if (node.kind === 'call') return node;
    throw new OttlFault(node.at, 'this value is no condition',
      'compare it, as in … == "x" or … != nil');
  }

  /** A value: what is not a condition. */
  value(): Node {
    const node = this.#or();
    if (!BOOLEAN_KINDS.includes(node.kind)) return node;
    throw new OttlFault(node.at, 'a condition is no value', 'conditions stand behind where');
  }

  end(hint: string): void {
    const token = this.#peek();
    if (token.type !== 'end') throw new OttlFault(token.at, 'unexpected here', hint);
  }

  takeWord(word: string): boolean {
    const token = this.#peek();
    if (token.type !== 'lower' || token.text !== word) return false;
    this.#position++;
    return true;
  }

  #or(): Node {
    return this.#joined('or', () => this.#joined('and', () => this.#not()));
  }

  #joined(word: 'and' | 'or', inner: () => Node): Node {
    const parts = [inner()];
    while (this.takeWord(word)) parts.push(inner());
    if (parts.length === 1) return parts[0]!;
    for (const part of parts) requireCondition(part);
    return { kind: word, parts, at: parts[0]!.at };
  }

  #not(): Node {
    const { at } = this.#peek();
    if (!this.takeWord('not')) return this.#comparison();
    const inner = this.#nested(() => this.#not());
    requireCondition(inner);
    return { kind: 'not', inner, at };
  }

  #comparison(): Node {
    const left = this.#sum();
    const token = this.#peek();
    if (token.type !== 'operator') return left;
    if (token.text === '=') {
      throw new OttlFault(token.at, 'unexpected here', 'write == to compare');
    }
    if (!COMPARISONS.includes(token.text)) return left;
    this.#position++;
    const right = this.#sum();
    requireValue(left);
    requireValue(right);
    return { kind: 'compare', operator: token.text as Comparison, left, right, at: left.at };
  }

  #sum(): Node {
    return this.#math(['+', '-'], () => this.#math(['*', '/'], () => this.#operand()));
  }

  #math(operators: readonly string[], inner: () => Node): Node {
    let left = inner();
    for (;;) {
      const token = this.#peek();
      if (token.type !== 'operator' || !operators.includes(token.text)) return left;
      this.#position++;
      const right = inner();
      requireValue(left);
      requireValue(right);
      left = { kind: 'math', operator: token.text as MathOperator, left, right, at: left.at };
    }
  }

  #operand(): Node {
    const token = this.#next();
    switch (token.type) {
      case 'string':
        return { kind: 'string', value: token.text, at: token.at };
      case 'bytes':
        return { kind: 'bytes', value: Buffer.from(token.text, 'hex'), at: token.at };
      case 'int':
      case 'float':
        return numberOf(token, '');
      case 'lower':
        return this.#word(token);
      case 'upper':
        return this.#peek().text === '(' && this.#peek().type === 'punctuation'
          ? this.#call(token) : { kind: 'name', name: token.text, at: token.at };
      case 'operator':
        return this.#signed(token);
      case 'punctuation':
        return this.#bracket(token);
      case 'end':
        throw new OttlFault(token.at, 'ends where a value should stand');
    }
  }

  #signed(sign: Token): Node {
    const number = this.#peek();
    const signs = sign.text === '-' || sign.text === '+';
    if (!signs || (number.type !== 'int' && number.type !== 'float')) {
      throw new OttlFault(sign.at, 'a value should stand here');
    }
    this.#position++;
    return numberOf(number, sign.text);
  }

  #word(token: Token): Node {
    const { text, at } = token;
    if (text === 'true' || text === 'false') return { kind: 'bool', value: text === 'true', at };
    if (text === 'nil') return { kind: 'nil', at };
    if (text === 'and' || text === 'or' || text === 'not' || text === 'where') {
      throw new OttlFault(at, 'a value should stand here');
    }
    const after = this.#peek();
    if (after.type === 'punctuation' && after.text === '(') {
      throw new OttlFault(at, 'an editor is no value',
        'converters, which give values, begin with a capital letter');
    }
    return this.#path(token);
  }

  #path(first: Token): Node {
    const segments: PathSegment[] = [];
    let token = first;
    for (;;) {
      segments.push({ name: token.text, keys: this.#keys(), at: token.at });
      if (!this.#take('.')) return { kind: 'path', segments, at: first.at };
      token = this.#next();
      if (token.type !== 'lower') {
        throw new OttlFault(token.at, 'a name in lower case should stand here',
          'what has other signs in it is a key: attributes["service.name"]');
      }
    }
  }

  #keys(): Node[] {
    const keys: Node[] = [];
    while (this.#take('[')) {
      const key = this.#nested(() => this.value());
      if (!KEY_KINDS.includes(key.kind)) {
        throw new OttlFault(key.at, 'this is no key', 'write ["key"] or [0]');
      }
      keys.push(key);
      this.#expect(']', 'close the key');
    }
    return keys;
  }

  #call(name: Token): CallNode {
    this.#expect('(', '');
    const found: Argument[] = [];
    if (this.#take(')')) return this.#finishCall(name, found);
    for (;;) {
      found.push(this.#nested(() => this.#argument()));
      if (this.#take(')')) return this.#finishCall(name, found);
      this.#expect(',', 'separate arguments by a comma, or close them with )');
    }
  }

  #finishCall(name: Token, found: readonly Argument[]): CallNode {
    const end = this.#tokens[this.#position - 1]!.at;
    const keys = name.type === 'upper' ? this.#keys() : [];
    return { kind: 'call', name: name.text, arguments: found, keys, at: name.at, end };
  }

  #argument(): Argument {
    const token = this.#peek();
    const after = this.#tokens[this.#position + 1];
    const named = token.type === 'lower' && after?.type === 'operator' && after.text === '=';
    if (!named) return { name: undefined, value: this.#argumentValue(), at: token.at };
    this.#position += 2;
    return { name: token.text, value: this.#argumentValue(), at: token.at };
  }

  #argumentValue(): Node {
    const arrow = this.#tokens.slice(this.#position, this.#position + limits.lambdaTokens)
      .findIndex(({ text, type }) => type === 'operator' && text === '=>');
    if (this.#peek().text === '(' && arrow > 0) {
      throw new OttlFault(this.#peek().at, 'lambda expressions are not supported',
        'they are behind a feature gate in the Collector, too');
    }
    return this.value();
  }

  #bracket(token: Token): Node {
    return this.#nested(() => {
      switch (token.text) {
        case '(': {
          const inner = this.#or();
          this.#expect(')', 'close the parenthesis');
          return inner;
        }
        case '[':
          return { kind: 'list', items: this.#items(']', () => this.value()), at: token.at };
        case '{':
          return { kind: 'map', entries: this.#items('}', () => this.#entry()), at: token.at };
        default:
          throw new OttlFault(token.at, 'a value should stand here');
      }
    });
  }

  #items<T>(close: string, item: () => T): T[] {
    const items: T[] = [];
    if (this.#take(close)) return items;
    for (;;) {
      items.push(item());
      if (this.#take(close)) return items;
      this.#expect(',', `separate by a comma, or close with ${close}`);
    }
  }

  #entry(): { key: string; value: Node } {
    const key = this.#next();
    if (key.type !== 'string') {
      throw new OttlFault(key.at, 'a key in quotes should stand here', 'write {"key": value}');
    }
    this.#expect(':', 'write {"key": value}');
    return { key: key.text, value: this.value() };
  }

  #nested<T>(inner: () => T): T {
    if (++this.#depth > limits.depth) {
      throw new OttlFault(this.#peek().at, `is nested more than ${limits.depth} deep`);
    }
    const result = inner();
    this.#depth--;
    return result;
  }

  #peek(): Token {
    return this.#tokens[this.#position]!;
  }

  #next(): Token {
    const token = this.#peek();
    if (token.type !== 'end') this.#position++;
    return token;
  }

  #take(text: string, type: TokenType = 'punctuation'): boolean {
    const token = this.#peek();
    if (token.type !== type || token.text !== text) return false;
    this.#position++;
    return true;
  }

  #expect(text: string, hint: string): void {
    if (this.#take(text)) return;
    const { at, type } = this.#peek();
    throw new OttlFault(at, `${type === 'end' ? 'ends where' : 'here'} ${text} should stand`, hint);
  }
}

const KEY_KINDS: readonly Node['kind'][] = ['string', 'int', 'path', 'call', 'math'];

function requireCondition(node: Node): void {
  if (BOOLEAN_KINDS.includes(node.kind) || node.kind === 'bool' || node.kind === 'call') return;
  throw new OttlFault(node.at, 'this value is no condition', 'compare it, as in … == "x"');
}

function requireValue(node: Node): void {
  if (!BOOLEAN_KINDS.includes(node.kind)) return;
  throw new OttlFault(node.at, 'a condition cannot be compared or reckoned with');
}

function numberOf(token: Token, sign: string): Node {
  if (token.type === 'float') {
    return { kind: 'float', value: Number(sign + token.text), at: token.at };
  }
  const value = BigInt(token.text) * (sign === '-' ? -1n : 1n);
  if (BigInt.asIntN(64, value) === value) return { kind: 'int', value, at: token.at };
  throw new OttlFault(token.at, 'this number does not fit in 64 bits');
}
