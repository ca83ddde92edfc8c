// Grok: regular expressions with names for parts of them. `%{SYNTAX}` stands for a pattern of that
// name, `%{SYNTAX:id}` keeps what it matches under an id, `%{SYNTAX:id:int}` as an int (long,
// double, float, boolean). Named groups of the expression itself are kept, too. The patterns are
// those of grok_patterns.ts, and whatever the statement defines as NAME=PATTERN.

import { knownHint } from '../../../config/errors.ts';
import { parsePattern } from '../../../config/pattern.ts';
import type { AnyValue, KeyValue } from '../../../proto/otlp/model.ts';
import { fail, OttlFault } from '../fault.ts';
import { stringAny, toAny } from '../value.ts';
import { GROK_PATTERNS } from './grok_patterns.ts';
import { toDouble, toInt } from './types.ts';

const limits = {
  /** Patterns in patterns; deeper is a circle. */
  depth: 32,
  /** Longer expressions are refused. */
  expressionChars: 64 * 1024,
  /** Longer texts are not looked through: the expression may go back and forth. */
  textChars: 64 * 1024,
};

export interface GrokOptions {
  /** Where the pattern stands in the statement. */
  readonly at: number;
  /** Keeps only what has an id; else what is named by its pattern at the top, too. */
  readonly namedOnly: boolean;
  /** `NAME=PATTERN` */
  readonly definitions: readonly string[];
}

export type Grok = (text: string) => readonly KeyValue[];

interface Capture {
  readonly id: string;
  readonly convert: (text: string) => AnyValue;
}

/** Throws OttlFault. */
export function compileGrok(written: string, options: GrokOptions): Grok {
  const patterns = new Map([...GROK_PATTERNS, ...options.definitions.map((definition) =>
    parseDefinition(definition, options.at))]);
  const captures: Capture[] = [];
  const source = expand(written, { patterns, captures, options, depth: 0 });
  if (captures.length === 0 && options.namedOnly) {
    throw new OttlFault(options.at, 'this pattern keeps nothing', 'write %{SYNTAX:name}');
  }
  const expression = parsePattern(source);
  if (expression === null) {
    throw new OttlFault(options.at, 'this is no grok pattern that can be used here');
  }
  return (text) => extract(expression, captures, text);
}

function parseDefinition(definition: string, at: number): readonly [string, string] {
  const match = /^(\w+)=([\s\S]+)$/.exec(definition);
  if (match === null) throw new OttlFault(at, 'a pattern is defined as NAME=PATTERN');
  return [match[1]!, match[2]!];
}

interface Expansion {
  readonly patterns: ReadonlyMap<string, string>;
  readonly captures: Capture[];
  readonly options: GrokOptions;
  readonly depth: number;
}

const PIECE = /%\{(\w+)(?::([^:}]*))?(?::(\w+))?\}|\(\?P?<([A-Za-z][\w.]*)>/g;

/** Each group gets a name of our own: ids may have dots, and occur twice. */
function expand(written: string, expansion: Expansion): string {
  const { patterns, captures, options, depth } = expansion;
  if (depth > limits.depth) throw new OttlFault(options.at, 'a pattern contains itself');
  const result = written.replace(PIECE, (_found, syntax?: string, id?: string, type?: string,
    group?: string) => {
    if (group !== undefined) return `(?<g${captures.push({ id: group, convert: stringAny }) - 1}>`;
    const inner = patterns.get(syntax!);
    if (inner === undefined) {
      throw new OttlFault(options.at, `unknown grok pattern "${syntax}"`,
        knownHint(syntax!, [...patterns.keys()]));
    }
    const kept = id !== undefined && id !== '' ? id
      : depth === 0 && !options.namedOnly ? syntax! : undefined;
    if (kept === undefined) return `(?:${expand(inner, { ...expansion, depth: depth + 1 })})`;
    const name = captures.push({ id: kept, convert: conversion(type, options.at) }) - 1;
    return `(?<g${name}>${expand(inner, { ...expansion, depth: depth + 1 })})`;
  });
  if (result.length <= limits.expressionChars) return result;
  throw new OttlFault(options.at, `the expression is longer than ${limits.expressionChars}`);
}

function conversion(type: string | undefined, at: number): Capture['convert'] {
  switch (type) {
    case undefined:
    case 'string':
      return stringAny;
    case 'int':
    case 'long':
      return (text) => toAny(toInt(text) ?? fail('what grok found is no int'));
    case 'double':
    case 'float':
      return (text) => toAny(toDouble(text) ?? fail('what grok found is no number'));
    case 'boolean':
    case 'bool':
      return (text) => toAny(/^(true|t|1)$/i.test(text));
    default:
      throw new OttlFault(at, `unknown type "${type}" in a grok pattern`,
        'known: int, long, double, float, boolean');
  }
}

function extract(
  expression: RegExp, captures: readonly Capture[], text: string,
): readonly KeyValue[] {
  if (text.length > limits.textChars) {
    return fail(`a text of more than ${limits.textChars} characters`);
  }
  const groups = expression.exec(text)?.groups;
  if (groups === undefined) return [];
  const pairs = new Map<string, AnyValue>();
  captures.forEach(({ id, convert }, index) => {
    const found = groups[`g${index}`];
    if (found !== undefined && found !== '') pairs.set(id, convert(found));
  });
  return [...pairs].map(([key, value]) => ({ key, value }));
}
