// From the tree of a statement to functions that run for each record. All that can be known before
// is done here: paths become reads of one field, literals constants, patterns regular expressions,
// calls of pure converters with constants only are made once.

import { knownHint } from '../../config/errors.ts';
import type { Attributes } from '../../proto/otlp/model.ts';
import { calculate } from './arithmetic.ts';
import { allOf, anyOf, compareNumbers, type Test } from './combine.ts';
import { COMPARISONS } from './compare.ts';
import { findField } from './contexts.ts';
import { ENUMS } from './enums.ts';
import { fail, OttlFault } from './fault.ts';
import type {
  Binder, FunctionSpec, Getter, OttlEnvironment, Target,
} from './functions/function.ts';
import { REFUSED } from './functions/refused.ts';
import { indexValue, setIndexed, type KeyGetter } from './indexing.ts';
import type { Field } from './paths/field.ts';
import type { CallNode, Node, PathNode, StatementNode } from './syntax.ts';
import { findKey, fromAny, listOf, mapOf, toAny, typeName, withKey, type Value } from './value.ts';
import type { OttlContextName, OttlView } from './view.ts';

export interface CompileOptions {
  readonly context: OttlContextName;
  readonly functions: ReadonlyMap<string, FunctionSpec>;
  readonly environment: OttlEnvironment;
}

/** Answers whether the condition held and the editor ran. Throws OttlFault. */
export function compileStatementNode(statement: StatementNode, options: CompileOptions): Test {
  const compiler = new Compiler(options);
  const run = compiler.call(statement.editor, 'editor');
  if (statement.condition === undefined) {
    return (view) => {
      run(view);
      return true;
    };
  }
  const condition = compiler.condition(statement.condition);
  return (view) => {
    if (!condition(view)) return false;
    run(view);
    return true;
  };
}

/** Throws OttlFault. */
export function compileConditionNode(node: Node, options: CompileOptions): Test {
  return new Compiler(options).condition(node);
}

/** Throws OttlFault. */
export function compileValueNode(node: Node, options: CompileOptions): Getter {
  return new Compiler(options).value(node).get;
}

interface Expression {
  readonly get: Getter;
  /** The value when it is the same for all records. */
  readonly constant: Value | undefined;
}

const constantOf = (constant: Value): Expression => ({ get: () => constant, constant });

class Compiler implements Binder {
  readonly context: OttlContextName;
  readonly environment: OttlEnvironment;
  readonly #functions: ReadonlyMap<string, FunctionSpec>;

  constructor({ context, functions, environment }: CompileOptions) {
    this.context = context;
    this.environment = environment;
    this.#functions = functions;
  }

  converter(name: string): FunctionSpec | undefined {
    const spec = this.#functions.get(name);
    return spec?.kind === 'converter' ? spec : undefined;
  }

  condition(node: Node): Test {
    switch (node.kind) {
      case 'and':
        return allOf(node.parts.map((part) => this.condition(part)));
      case 'or':
        return anyOf(node.parts.map((part) => this.condition(part)));
      case 'not': {
        const inner = this.condition(node.inner);
        return (view) => !inner(view);
      }
      case 'bool':
        return () => node.value;
      case 'compare':
        return this.#comparison(node);
      case 'call': {
        const { get } = this.value(node);
        return (view) => {
          const value = get(view);
          if (typeof value === 'boolean') return value;
          return fail(`${node.name} gave ${typeName(value)}, not bool`);
        };
      }
      default:
        throw new OttlFault(node.at, 'this value is no condition', 'compare it');
    }
  }

  #comparison({ operator, left, right }: Extract<Node, { kind: 'compare' }>): Test {
    const one = this.value(left);
    const other = this.value(right);
    const compare = COMPARISONS[operator];
    if (one.constant !== undefined && other.constant !== undefined) {
      const result = compare(one.constant, other.constant);
      return () => result;
    }
    const { get } = one;
    const { constant } = other;
    if (constant !== undefined) {
      const number = this.#smallNumber(left);
      if (number !== undefined && typeof constant === 'bigint') {
        return compareNumbers(operator, number, Number(constant));
      }
      if (typeof constant === 'string' || typeof constant === 'boolean' || constant === null) {
        if (operator === '==') return (view) => get(view) === constant;
        if (operator === '!=') return (view) => get(view) !== constant;
      }
    }
    const getOther = other.get;
    return (view) => compare(get(view), getOther(view));
  }

  #smallNumber(node: Node): ((view: OttlView) => number) | undefined {
    if (node.kind !== 'path' || node.segments.at(-1)!.keys.length > 0) return undefined;
    return findField(node, this.context).number;
  }

  value(node: Node): Expression {
    switch (node.kind) {
      case 'nil':
        return constantOf(null);
      case 'bool':
      case 'int':
      case 'float':
      case 'string':
      case 'bytes':
        return constantOf(node.value);
      case 'name':
        return constantOf(enumValue(node.name, node.at));
      case 'path': {
        const { target } = this.field(node)!;
        return { get: target.get, constant: undefined };
      }
      case 'list':
        return this.#list(node.items);
      case 'map':
        return this.#map(node.entries);
      case 'math':
        return this.#math(node);
      case 'call':
        return this.#converterCall(node);
      default:
        throw new OttlFault(node.at, 'a condition is no value');
    }
  }

  #list(items: readonly Node[]): Expression {
    const elements = items.map((item) => this.value(item));
    const get: Getter = (view) => listOf(elements.map((element) => toAny(element.get(view))));
    return folded(get, elements);
  }

  #map(entries: readonly { key: string; value: Node }[]): Expression {
    const pairs = entries.map(({ key, value }) => ({ key, element: this.value(value) }));
    const get: Getter = (view) => mapOf(pairs.map(({ key, element }) =>
      ({ key, value: toAny(element.get(view)) })));
    return folded(get, pairs.map(({ element }) => element));
  }

  #math({ operator, left, right }: Extract<Node, { kind: 'math' }>): Expression {
    const one = this.value(left);
    const other = this.value(right);
    return folded((view) => calculate(operator, one.get(view), other.get(view)), [one, other]);
  }

  #converterCall(node: CallNode): Expression {
    const run = this.call(node, 'converter');
    const keys = node.keys.map((key) => this.#key(key));
    const get: Getter = keys.length === 0 ? run : (view) =>
      keys.reduce<Value>((value, key) => indexValue(value, key(view)), run(view));
    return node.arguments.length > 0 && this.#isConstant(node)
      ? onceOnly(get) : { get, constant: undefined };
  }

  #isConstant(node: Node): boolean {
    switch (node.kind) {
      case 'path':
        return false;
      case 'call':
        return this.#functions.get(node.name)!.pure
          && [...node.arguments.map(({ value }) => value), ...node.keys]
            .every((inner) => this.#isConstant(inner));
      case 'list':
        return node.items.every((item) => this.#isConstant(item));
      case 'map':
        return node.entries.every(({ value }) => this.#isConstant(value));
      case 'math':
        return this.#isConstant(node.left) && this.#isConstant(node.right);
      default:
        return true;
    }
  }

  #key(node: Node): KeyGetter {
    const { get, constant } = this.value(node);
    if (typeof constant === 'string') return () => constant;
    if (typeof constant === 'bigint') return () => constant;
    return (view) => {
      const key = get(view);
      if (typeof key === 'string' || typeof key === 'bigint') return key;
      return fail(`${typeName(key)} is no key`);
    };
  }

  field(node: Node): { readonly target: Target; readonly field: Field } | undefined {
    if (node.kind !== 'path') return undefined;
    const field = findField(node, this.context);
    return { field, target: this.#target(node, field) };
  }

  #target(node: PathNode, field: Field): Target {
    const keyNodes = node.segments.at(-1)!.keys;
    const set = field.set ?? (() => fail('this path is read-only'));
    if (keyNodes.length === 0) return { get: field.get, set };
    if (field.entry !== undefined) return this.#entryTarget(node, field);
    requireIndexable(field, keyNodes[0]!);
    const keys = keyNodes.map((key) => this.#key(key));
    const [only] = keyNodes;
    if (keyNodes.length === 1 && field.pairs !== undefined && only!.kind === 'string') {
      return pairTarget(field.pairs, set, only!.value);
    }
    const { get } = field;
    return {
      get: (view) => {
        let value = get(view);
        for (const key of keys) value = indexValue(value, key(view));
        return value;
      },
      set: (view, value) => {
        if (value !== null) set(view, setIndexed(get(view), keys.map((key) => key(view)), value));
      },
    };
  }

  #entryTarget(node: PathNode, { entry }: Field): Target {
    const [key, more] = node.segments.at(-1)!.keys;
    if (key!.kind !== 'string' || more !== undefined) {
      throw new OttlFault(key!.at, 'this path takes one key in quotes');
    }
    const name = key!.value;
    return {
      get: (view) => entry!.get(view, name),
      set: (view, value) => entry!.set(view, name, value),
    };
  }

  call(node: CallNode, kind: FunctionSpec['kind']): Getter {
    const spec = this.#functions.get(node.name);
    if (spec === undefined || spec.kind !== kind) {
      throw unknownFunction(node, kind, [...this.#functions.values()]);
    }
    if (spec.contexts !== undefined && !spec.contexts.includes(this.context)) {
      throw new OttlFault(node.at, `${node.name} cannot be used in the ${this.context} context`,
        `it can in: ${spec.contexts.join(', ')}`);
    }
    return spec.build(this.#bind(node, spec), this);
  }

  #bind(node: CallNode, spec: FunctionSpec): Record<string, unknown> {
    const names = Object.keys(spec.parameters);
    const bound: Record<string, unknown> = {};
    let named = false;
    node.arguments.forEach((argument, index) => {
      const { name, value, at } = argument;
      if (name === undefined && named) {
        throw new OttlFault(at, 'an argument without a name stands behind one with a name');
      }
      named ||= name !== undefined;
      const key = name === undefined ? names[index]
        : names.find((one) => plain(one) === plain(name));
      if (key === undefined) throw superfluous(spec, name, at);
      if (key in bound) throw new OttlFault(at, `argument ${snake(key)} is given twice`);
      bound[key] = spec.parameters[key]!.bind(value, this);
    });
    const missing = names.find((name) => !(name in bound) && !spec.parameters[name]!.optional);
    if (missing === undefined) return bound;
    throw new OttlFault(node.end, `argument ${snake(missing)} of ${spec.name} is missing`,
      `it is ${signatureOf(spec)}`);
  }
}

/** `replace_match(target, pattern, replacement, [function])`. */
export function signatureOf({ name, parameters }: FunctionSpec): string {
  const shown = Object.entries(parameters).map(([key, { optional }]) =>
    (optional ? `[${snake(key)}]` : snake(key)));
  return `${name}(${shown.join(', ')})`;
}

const snake = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const plain = (name: string): string => name.replaceAll('_', '').toLowerCase();

function superfluous(spec: FunctionSpec, name: string | undefined, at: number): OttlFault {
  const hint = `it is ${signatureOf(spec)}`;
  if (name !== undefined) return new OttlFault(at, `${spec.name} has no argument ${name}`, hint);
  return new OttlFault(at, `too many arguments for ${spec.name}`, hint);
}

function unknownFunction(
  { name, at }: CallNode, kind: FunctionSpec['kind'], known: readonly FunctionSpec[],
): OttlFault {
  const refused = REFUSED.get(name);
  if (refused !== undefined) return new OttlFault(at, `${name} is not built`, refused);
  const names = known.filter((spec) => spec.kind === kind).map((spec) => spec.name);
  return new OttlFault(at, `unknown ${kind} "${name}"`, knownHint(name, names));
}

function enumValue(name: string, at: number): bigint {
  const value = ENUMS.get(name);
  if (value !== undefined) return value;
  throw new OttlFault(at, `unknown name "${name}"`, /[a-z]/.test(name)
    ? 'converters are called with parentheses, texts stand in quotes'
    : knownHint(name, [...ENUMS.keys()]));
}

function requireIndexable(field: Field, key: Node): void {
  if (/^(map|any|list)/.test(field.type)) return;
  throw new OttlFault(key.at, `this path is ${field.type} and has no keys`);
}

/** One key of a map, the most common path of all. */
function pairTarget(
  pairs: (view: OttlView) => Attributes, set: Target['set'], key: string,
): Target {
  return {
    get: (view) => fromAny(findKey(pairs(view), key)),
    set: (view, value) => {
      if (value === null) return;
      const before = pairs(view);
      const stored = toAny(value);
      const present = findKey(before, key);
      if (present !== undefined && present.type === stored.type
        && present.value === stored.value) return;
      set(view, mapOf(withKey(before, key, stored)));
    },
  };
}

/** A value of constants is a constant, when it can be made at all. */
function folded(get: Getter, parts: readonly Expression[]): Expression {
  return parts.every(({ constant }) => constant !== undefined)
    ? onceOnly(get) : { get, constant: undefined };
}

/** Constants need no record. What fails, fails again for each record. */
function onceOnly(get: Getter): Expression {
  try {
    return constantOf(get(undefined as unknown as OttlView));
  } catch {
    return { get, constant: undefined };
  }
}
