// Expressions become functions once; what they are asked afterwards is one entry each.
//
// Names: body (also $), attributes, resource, severity_text, severity_number; env("NAME") and the
// functions of functions.ts. Values are those of entries: nil, booleans, whole numbers, doubles,
// text, lists, maps. What a key or a name does not find is nil.
//
// As in expr-lang: what does not fit together (text < number, a key of nil) is an error of this
// entry, not a silent false. `matches` wants its pattern in quotes: it is compiled once, and tried
// on no more than `limits.scannedChars` characters.

import { NO_PATTERN, parsePattern } from '../../../config/pattern.ts';
import { knownHint } from '../../../config/errors.ts';
import { emptyMap, isMap, type Entry, type Value, type ValueMap } from '../entry.ts';
import { FUNCTIONS } from './functions.ts';
import {
  add, compare, divide, fail, isIn, isSame, multiply, negate, power, remainder, subtract, textOf,
  type Operation,
} from './operations.ts';
import { parseExpression, PREDICATES, type Node } from './syntax.ts';
import { ExpressionError } from './tokens.ts';

export const limits = {
  /** Characters of a text that a pattern is tried on; a longer one is an error of its entry. */
  scannedChars: 64 * 1024,
  /** Numbers in a range such as 1..9. */
  rangeItems: 10_000,
} as const;

/** What an expression is asked about. */
export interface Scope {
  readonly entry: Entry;
  readonly element: Value;
}

/** Throws ExpressionFault (operations.ts) for entries that it cannot be said of. */
export type Evaluate = (scope: Scope) => Value;

export type Environment = Readonly<Record<string, string | undefined>>;

/** Throws ExpressionError with the character where it is wrong. */
export function compileExpression(text: string, env: Environment): Evaluate {
  return compile(parseExpression(text), env);
}

const NAMES: Record<string, Evaluate> = {
  body: ({ entry }) => entry.body,
  $: ({ entry }) => entry.body,
  attributes: ({ entry }) => entry.attributes,
  resource: ({ entry }) => entry.resource,
  severity_text: ({ entry }) => entry.severityText,
  severity_number: ({ entry }) => BigInt(entry.severityNumber),
};

function compile(node: Node, env: Environment): Evaluate {
  const inner = (one: Node): Evaluate => compile(one, env);
  switch (node.kind) {
    case 'literal': {
      const { value } = node;
      return () => value;
    }
    case 'name': return compileName(node.name, node.at);
    case 'element': return ({ element }) => element;
    case 'list': {
      const items = node.items.map(inner);
      return (scope) => items.map((item) => item(scope));
    }
    case 'map': return compileMap(node.pairs.map(([key, value]) => [key, inner(value)]));
    case 'member': return compileMember(inner(node.target), node.key, inner, node.optional);
    case 'slice': return compileSlice(inner(node.target), node.from && inner(node.from),
      node.to && inner(node.to));
    case 'call': return compileCall(node, env);
    case 'unary': return compileUnary(node.operator, inner(node.operand));
    case 'binary': return compileBinary(node, inner);
    case 'choice': {
      const [test, yes, no] = [inner(node.test), inner(node.yes), inner(node.no)];
      return (scope) => (truth(test(scope)) ? yes(scope) : no(scope));
    }
  }
}

function compileName(name: string, at: number): Evaluate {
  if (Object.hasOwn(NAMES, name)) return NAMES[name]!;
  if (name === 'timestamp') {
    throw new ExpressionError('timestamp cannot be used here; a field that holds the time can', at);
  }
  throw new ExpressionError(`the name is not known; ${knownHint(name,
    Object.keys(NAMES).filter((one) => one !== '$'))}`, at);
}

function compileMap(pairs: readonly (readonly [string, Evaluate])[]): Evaluate {
  return (scope) => {
    const map = emptyMap();
    for (const [key, value] of pairs) map[key] = value(scope);
    return map;
  };
}

function compileMember(
  target: Evaluate, keyNode: Node, inner: (node: Node) => Evaluate, optional: boolean,
): Evaluate {
  if (keyNode.kind === 'literal' && typeof keyNode.value === 'string') {
    const key = keyNode.value;
    return (scope) => {
      const value = target(scope);
      if (isMap(value)) return ownValue(value, key);
      if (value === null && optional) return null;
      return fail(value === null ? 'a key of nil is asked for' : 'only a map has keys');
    };
  }
  const keyOf = inner(keyNode);
  return (scope) => {
    const value = target(scope);
    if (value === null && optional) return null;
    return memberOf(value, keyOf(scope));
  };
}

function memberOf(value: Value, key: Value): Value {
  if (isMap(value)) return typeof key === 'string' ? ownValue(value, key)
    : fail('the key of a map is no text');
  if (!Array.isArray(value) && typeof value !== 'string') {
    return fail(value === null ? 'an element of nil is asked for' : 'only lists have elements');
  }
  const list = value as readonly Value[] | string;
  const index = integer(key);
  return list[index < 0 ? list.length + index : index] ?? fail('the list has no such element');
}

const ownValue = (map: ValueMap, key: string): Value =>
  Object.hasOwn(map, key) ? map[key]! : null;

function compileSlice(
  target: Evaluate, from: Evaluate | null, to: Evaluate | null,
): Evaluate {
  return (scope) => {
    const value = target(scope);
    if (typeof value !== 'string' && !Array.isArray(value)) return fail('it is no text, no list');
    const first = from === null ? 0 : integer(from(scope));
    const end = to === null ? value.length : integer(to(scope));
    return value.slice(first, end) as Value;
  };
}

function compileCall(node: Node & { kind: 'call' }, env: Environment): Evaluate {
  const { name, args, at } = node;
  const inner = args.map((one) => compile(one, env));
  if (name === 'env') {
    const [key] = args;
    if (args.length !== 1 || key?.kind !== 'literal' || typeof key.value !== 'string') {
      throw new ExpressionError('env takes one name in quotes', at);
    }
    const value = env[key.value] ?? '';
    return () => value;
  }
  if (PREDICATES.has(name)) return compilePredicate(name, inner, at);
  if (!Object.hasOwn(FUNCTIONS, name)) {
    const known = [...Object.keys(FUNCTIONS), ...PREDICATES, 'env'];
    throw new ExpressionError(`the function is not known; ${knownHint(name, known)}`, at);
  }
  const { least, most, apply } = FUNCTIONS[name]!;
  if (args.length < least || args.length > most) {
    const wanted = least === most ? `${least}` : `${least} to ${most}`;
    throw new ExpressionError(`${name} takes ${wanted} values`, at);
  }
  return (scope) => apply(inner.map((one) => one(scope)));
}

function compilePredicate(name: string, args: readonly Evaluate[], at: number): Evaluate {
  const [list, asked] = args;
  if (list === undefined || (asked === undefined && name !== 'count') || args.length > 2) {
    throw new ExpressionError(`${name} takes a list and {a condition}`, at);
  }
  const holds = asked === undefined ? (scope: Scope) => truth(scope.element)
    : (scope: Scope) => truth(asked(scope));
  return (scope) => {
    const items = list(scope);
    if (!Array.isArray(items)) return fail(`${name} is asked of what is no list`);
    const scopes = (items as readonly Value[]).map((element) => ({ ...scope, element }));
    switch (name) {
      case 'any': return scopes.some(holds);
      case 'all': return scopes.every(holds);
      case 'none': return !scopes.some(holds);
      case 'one': return scopes.filter(holds).length === 1;
      case 'count': return BigInt(scopes.filter(holds).length);
      case 'filter': return scopes.filter(holds).map(({ element }) => element);
      default: return scopes.map(asked!);
    }
  };
}

function compileUnary(operator: string, operand: Evaluate): Evaluate {
  if (operator === '-') return (scope) => negate(operand(scope));
  if (operator === '+') return (scope) => negate(negate(operand(scope)));
  return (scope) => !truth(operand(scope));
}

const OPERATIONS: Record<string, Operation> = {
  '==': isSame, '!=': (left, right) => !isSame(left, right),
  '<': (left, right) => compare(left, right) < 0,
  '<=': (left, right) => compare(left, right) <= 0,
  '>': (left, right) => compare(left, right) > 0,
  '>=': (left, right) => compare(left, right) >= 0,
  in: isIn,
  contains: (left, right) => textOf(left, 'contains').includes(textOf(right, 'contains')),
  startsWith: (left, right) => textOf(left, 'startsWith').startsWith(textOf(right, 'startsWith')),
  endsWith: (left, right) => textOf(left, 'endsWith').endsWith(textOf(right, 'endsWith')),
  '+': add, '-': subtract, '*': multiply, '/': divide, '%': remainder, '**': power, '^': power,
  '..': range,
};

function compileBinary(
  node: Node & { kind: 'binary' }, inner: (node: Node) => Evaluate,
): Evaluate {
  const { operator, at } = node;
  const left = inner(node.left);
  if (operator === 'matches') return compileMatch(left, node.right, at);
  const right = inner(node.right);
  switch (operator) {
    case 'or':
    case '||': return (scope) => truth(left(scope)) || truth(right(scope));
    case 'and':
    case '&&': return (scope) => truth(left(scope)) && truth(right(scope));
    case '??': return (scope) => left(scope) ?? right(scope);
    default: {
      const apply = OPERATIONS[operator]!;
      return (scope) => apply(left(scope), right(scope));
    }
  }
}

function compileMatch(left: Evaluate, right: Node, at: number): Evaluate {
  if (right.kind !== 'literal' || typeof right.value !== 'string') {
    throw new ExpressionError('behind matches a pattern in quotes is expected', at);
  }
  const pattern = parsePattern(right.value);
  if (pattern === null) {
    throw new ExpressionError(`the pattern ${NO_PATTERN.why}; ${NO_PATTERN.hint}`, right.at);
  }
  return (scope) => {
    const text = textOf(left(scope), 'matches');
    if (text.length > limits.scannedChars) return fail('the text is too long to be scanned');
    return pattern.test(text);
  };
}

function truth(value: Value): boolean {
  return typeof value === 'boolean' ? value : fail('a condition is neither true nor false');
}

function integer(value: Value): number {
  const number = Number(value);
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value))) {
    return number;
  }
  return fail('the place in a list is no whole number');
}

function range(left: Value, right: Value): Value {
  const [first, last] = [integer(left), integer(right)];
  const count = Math.max(0, last - first + 1);
  if (count > limits.rangeItems) return fail('the range is too long');
  return Array.from({ length: count }, (_, index) => BigInt(first + index));
}
