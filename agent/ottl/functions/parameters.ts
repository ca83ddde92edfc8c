// The kinds of parameters. Those named `literal…` are known when the statement is compiled; the
// others are asked for each record, and fail when the value is of another type.

import { parsePattern } from '../../../config/pattern.ts';
import type { AnyValue, Attributes } from '../../../proto/otlp/model.ts';
import { fail, OttlFault } from '../fault.ts';
import type { Node } from '../syntax.ts';
import {
  Duration, fromAny, isList, isMap, textOf as textOfValue, Time, toAny, typeName, type Value,
} from '../value.ts';
import type { OttlView } from '../view.ts';
import type { Binder, Getter, Parameter, Target } from './function.ts';

type Asked<T> = (view: OttlView) => T;

export function optional<T>(parameter: Parameter<T>): Parameter<T | undefined> {
  return { ...parameter, optional: true };
}

function asked<T>(type: string, convert: (value: Value) => T): Parameter<Asked<T>> {
  return {
    type,
    optional: false,
    bind: (node, binder) => {
      const { get, constant } = binder.value(node);
      // A constant of the right type is converted once.
      if (constant !== undefined) {
        try {
          const converted = convert(constant);
          return () => converted;
        } catch {
          return (view) => convert(get(view));
        }
      }
      return (view) => convert(get(view));
    },
  };
}

const expected = (type: string, value: Value): never =>
  fail(`expected ${type}, got ${typeName(value)}`);

/** Any value, nil too. */
export const anyValue = (): Parameter<Getter> => ({
  type: 'value',
  optional: false,
  bind: (node, binder) => binder.value(node).get,
});

export const text = () => asked('string', (value) =>
  (typeof value === 'string' ? value : expected('string', value)));

/** Anything with a text form; null for nil. */
export const textLike = (bytes: 'hex' | 'base64' = 'hex') =>
  asked('value', (value) => textOfValue(value, bytes));

export const int = () => asked('int', (value) =>
  (typeof value === 'bigint' ? value : expected('int', value)));

export const bool = () => asked('bool', (value) =>
  (typeof value === 'boolean' ? value : expected('bool', value)));

export const time = () => asked('time', (value) =>
  (value instanceof Time ? value : expected('time', value)));

export const duration = () => asked('duration', (value) =>
  (value instanceof Duration ? value : expected('duration', value)));

export const map = () => asked<Attributes>('map', (value) =>
  (isMap(value) ? value.value : expected('map', value)));

export const list = () => asked<readonly AnyValue[]>('list', (value) =>
  (isList(value) ? value.value : expected('list', value)));

/** The elements of a list that is written out, each asked for; or those of a list value. */
export const values = (): Parameter<Asked<readonly Value[]>> => ({
  type: 'list',
  optional: false,
  bind: (node, binder) => {
    if (node.kind === 'list') {
      const getters = node.items.map((item) => binder.value(item).get);
      return (view) => getters.map((get) => get(view));
    }
    const { get } = binder.value(node);
    return (view) => {
      const found = get(view);
      return isList(found) ? found.value.map(fromAny) : expected('list', found);
    };
  },
});

/** A path that can be written to. */
export const target = (): Parameter<Target> => ({
  type: 'path',
  optional: false,
  bind: (node, binder) => {
    const found = binder.field(node);
    if (found === undefined) {
      throw new OttlFault(node.at, 'a path should stand here, to be changed');
    }
    if (found.field.set === undefined) throw new OttlFault(node.at, 'this path is read-only');
    return found.target;
  },
});

export interface MapTarget {
  /** Fails when it is no map. */
  get(view: OttlView): Attributes;
  /** Nothing happens when the pairs are those that were there. */
  set(view: OttlView, pairs: Attributes): void;
}

/** A path to a map that can be written to. */
export const mapTarget = (): Parameter<MapTarget> => ({
  type: 'map path',
  optional: false,
  bind: (node, binder) => {
    const { get, set } = target().bind(node, binder);
    const fieldType = binder.field(node)!.field.type;
    const hasKeys = node.kind === 'path' && node.segments.at(-1)!.keys.length > 0;
    if (!hasKeys && fieldType !== 'map' && fieldType !== 'any') {
      throw new OttlFault(node.at, `a path to a map should stand here, not to ${fieldType}`);
    }
    return {
      get: (view) => {
        const value = get(view);
        return isMap(value) ? value.value : expected('map', value);
      },
      set: (view, pairs) => set(view, { type: 'kvlist', value: pairs }),
    };
  },
});

function literal<T>(type: string, convert: (value: Value) => T | undefined): Parameter<T> {
  return {
    type,
    optional: false,
    bind: (node, binder) => {
      const { constant } = binder.value(node);
      const converted = constant === undefined ? undefined : convert(constant);
      if (converted !== undefined) return converted;
      throw new OttlFault(node.at, constant === undefined
        ? `a ${type} that is written out should stand here`
        : `a ${type} should stand here, not ${typeName(constant)}`);
    },
  };
}

export const literalText = () => literal('string', (value) =>
  (typeof value === 'string' ? value : undefined));
export const literalInt = () => literal('int', (value) =>
  (typeof value === 'bigint' ? value : undefined));
export const literalBool = () => literal('bool', (value) =>
  (typeof value === 'boolean' ? value : undefined));
/** A number that is not negative. */
export const literalCount = () => literal('int from 0 on', (value) =>
  (typeof value === 'bigint' && value >= 0n ? Number(value) : undefined));
export const literalDouble = () => literal('double', (value) =>
  (typeof value === 'number' ? value : typeof value === 'bigint' ? Number(value) : undefined));
export const literalTexts = () => literal('list of strings', (value) => {
  if (!isList(value)) return undefined;
  const texts = value.value.map((item) => item.value);
  return texts.every((one) => typeof one === 'string') ? texts as string[] : undefined;
});

/** One of some words that are known. */
export const literalWord = <W extends string>(words: readonly W[]): Parameter<W> => ({
  type: words.map((word) => `"${word}"`).join(' or '),
  optional: false,
  bind: (node, binder) => {
    const word = literalText().bind(node, binder) as W;
    if (words.includes(word)) return word;
    throw new OttlFault(node.at, 'this word is not known here', `known: ${words.join(', ')}`);
  },
});

/** A regular expression; most are written out and are compiled once. */
export const pattern = (flags: string = ''): Parameter<Asked<RegExp>> => ({
  type: 'regular expression',
  optional: false,
  bind: (node, binder) => {
    const { get, constant } = binder.value(node);
    if (constant === undefined) return patternsOf(get, flags);
    const source = literalText().bind(node, binder);
    const compiled = compilePattern(source, flags);
    if (compiled !== null) return () => compiled;
    throw new OttlFault(node.at, 'this is not a regular expression that can be used here',
      'check its brackets; in a statement \\ is written \\\\; flags such as (?i) stand in front');
  },
});

const limits = {
  /** Patterns that come from records; when there are more, all are forgotten. */
  patterns: 128,
  /** A longer text fails: regular expressions may go back and forth in it (D-017). */
  searchedChars: 256 * 1024,
};

/** A text that may be searched for a pattern. */
export function searchable(input: string): string {
  return input.length <= limits.searchedChars ? input
    : fail(`a text of more than ${limits.searchedChars} characters is not searched`);
}

/** Patterns that are made of values of records are remembered for a while. */
function patternsOf(get: Getter, flags: string): Asked<RegExp> {
  const known = new Map<string, RegExp>();
  return (view) => {
    const source = get(view);
    if (typeof source !== 'string') return expected('string', source);
    const found = known.get(source);
    if (found !== undefined) return found;
    const compiled = compilePattern(source, flags);
    if (compiled === null) return fail('a pattern is not a regular expression');
    if (known.size >= limits.patterns) known.clear();
    known.set(source, compiled);
    return compiled;
  };
}

function compilePattern(source: string, flags: string): RegExp | null {
  const compiled = parsePattern(source);
  return compiled === null || flags === '' ? compiled
    : new RegExp(compiled.source, compiled.flags + flags);
}

export type TextFunction = (text: string) => string;

/** The name of a converter that makes one text of another, such as SHA256. */
export const textFunction = (): Parameter<TextFunction> => ({
  type: 'converter',
  optional: false,
  bind: (node, binder) => {
    const name = nameOf(node);
    if (name === undefined) {
      throw new OttlFault(node.at, 'the name of a converter should stand here', 'such as SHA256');
    }
    const spec = binder.converter(name);
    if (spec === undefined) throw new OttlFault(node.at, `unknown converter "${name}"`);
    const { ofText } = spec;
    if (ofText === undefined) {
      throw new OttlFault(node.at, `${name} does not make a string of one string`);
    }
    return (input) => {
      const made = ofText(input);
      return typeof made === 'string' ? made : expected('string', made);
    };
  },
});

function nameOf(node: Node): string | undefined {
  return node.kind === 'name' ? node.name : undefined;
}

/** A list of values, of stored form. */
export const storedList = (found: readonly Value[]): AnyValue[] => found.map(toAny);

export type { Binder };
