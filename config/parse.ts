// A tree and a schema become a typed value, or the list of all that is wrong with it: zod's issues
// in our words, each at the line and column of the key or value it is about.

import type { z } from 'zod';
import { closestWord, formatPath, knownHint } from './errors.ts';
import type { ConfigPath, ConfigProblem, Position } from './errors.ts';
import { knownKeys } from './shape.ts';
import type { ConfigTree } from './tree.ts';

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

/** Parses the part of `tree` at `path`; an absent part is parsed as undefined. */
export function parseWith<T>(
  schema: z.ZodType<T>,
  tree: ConfigTree,
  path: ConfigPath = [],
): Parsed<T> {
  const value = valueAt(tree.value, path);
  let result = schema.safeParse(value, { reportInput: true });
  const texts = result.success ? [] : wantedTexts(result.error.issues, tree, path);
  if (texts.length > 0) {
    const mended = texts.reduce((whole, text) => replaceAt(whole, text.path, text.text), value);
    result = schema.safeParse(mended, { reportInput: true });
  }
  if (result.success) return { ok: true, value: result.data };
  const context = { schema, tree, base: path };
  return { ok: false, problems: result.error.issues.flatMap((one) => problemsOf(one, context)) };
}

/** A problem at a path of the tree, for checks that no schema can make. */
export function problemAt(
  tree: ConfigTree,
  path: ConfigPath,
  sentence: { readonly why: string; readonly hint?: string; readonly part?: 'key' | 'value' },
): ConfigProblem {
  const { why, hint = '', part = 'value' } = sentence;
  return { ...(tree.where(path, part) ?? NOWHERE), path: formatPath(path), why, hint };
}

/** The plain value at `path`, or undefined. */
export function valueAt(value: unknown, path: ConfigPath): unknown {
  return path.reduce<unknown>((inner, part) =>
    isContainer(inner) && Object.hasOwn(inner, part) ? inner[part] : undefined, value);
}

const NOWHERE: Position = { file: '', line: 0, column: 0 };

type Issue = z.core.$ZodIssue;

interface Context {
  readonly schema: z.ZodType;
  readonly tree: ConfigTree;
  /** The path of the value that the schema parses. */
  readonly base: ConfigPath;
}

/**
 * Values from the environment that YAML made a number, but where the schema wants text: they are
 * given back their characters. A password of digits needs no quotes.
 */
function wantedTexts(issues: readonly Issue[], tree: ConfigTree, base: ConfigPath) {
  return issues.flatMap((issue) => {
    const wantsText = issue.code === 'invalid_type'
      ? issue.expected === 'string'
      : issue.code === 'invalid_value' || issue.code === 'invalid_union';
    const path = issue.path as (string | number)[];
    const text = wantsText ? tree.textAt([...base, ...path]) : null;
    return text === null ? [] : [{ path, text }];
  });
}

function replaceAt(value: unknown, path: ConfigPath, text: string): unknown {
  const [part, ...rest] = path;
  if (part === undefined) return text;
  if (Array.isArray(value)) {
    return value.map((item, index) => (index === part ? replaceAt(item, rest, text) : item));
  }
  const inner = value as Record<string, unknown>;
  return { ...inner, [part]: replaceAt(inner[part], rest, text) };
}

function problemsOf(issue: Issue, context: Context): ConfigProblem[] {
  const path = [...context.base, ...issue.path] as (string | number)[];
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(context.schema, issue.path as ConfigPath);
    return issue.keys.map((key) => problemAt(context.tree, [...path, key],
      { why: 'unknown key', hint: knownHint(key, known), part: 'key' }));
  }
  if (issue.code === 'invalid_union') {
    const inner = likeliest(issue);
    if (inner !== null) {
      return inner.flatMap((one) => problemsOf({ ...one, path: [...issue.path, ...one.path] },
        context));
    }
  }
  const part = issue.code === 'invalid_key' ? 'key' : 'value';
  return [problemAt(context.tree, path, { ...sentenceOf(issue), part })];
}

/** Of a union's alternatives, the one that the person most likely meant: it fits at the top. */
function likeliest(issue: z.core.$ZodIssueInvalidUnion): readonly Issue[] | null {
  const fitting = (issue.errors as Issue[][]).filter((issues) =>
    issues.length > 0 && issues.every((one) => one.path.length > 0 || one.code !== 'invalid_type'
      && one.code !== 'invalid_value'));
  return fitting.sort((a, b) => a.length - b.length)[0] ?? null;
}

interface Sentence {
  readonly why: string;
  readonly hint: string;
}

function sentenceOf(issue: Issue): Sentence {
  // A message that the schema's author wrote is better than any of ours.
  const own = !/^(Invalid|Too |Unrecognized)/.test(issue.message);
  if (issue.code === 'custom' || own) {
    const hint: unknown = issue.code === 'custom' ? issue.params?.['hint'] : '';
    return { why: issue.message, hint: typeof hint === 'string' ? hint : '' };
  }
  if (issue.input === undefined) return { why: 'is required', hint: '' };
  if (issue.input === null) {
    return { why: 'has no value', hint: 'write one, or remove the key' };
  }
  switch (issue.code) {
    case 'invalid_type':
      return wrongType(issue);
    case 'invalid_value':
      return wrongValue(issue.values, issue.input);
    case 'invalid_union':
      return wrongUnion(issue);
    case 'too_small':
    case 'too_big':
      return outOfRange(issue);
    case 'invalid_key':
      return { why: issue.issues[0]?.message ?? 'is not a key that may stand here', hint: '' };
    default:
      return { why: issue.message.charAt(0).toLowerCase() + issue.message.slice(1), hint: '' };
  }
}

function wrongType({ expected, input }: z.core.$ZodIssueInvalidType): Sentence {
  const why = `must be ${NOUNS[expected] ?? expected}`;
  if (expected === 'string' && !isContainer(input)) return { why, hint: 'put it in quotes' };
  if (expected === 'array') return { why, hint: 'write each entry behind a "- "' };
  if (expected === 'number' && typeof input === 'string') return { why, hint: 'without quotes' };
  return { why, hint: '' };
}

function wrongValue(values: readonly unknown[], input: unknown): Sentence {
  const names = values.map(String);
  const why = names.length === 1 ? `must be ${names[0]}` : `must be one of ${names.join(', ')}`;
  const closest = typeof input === 'string' ? closestWord(input, names) : null;
  return { why, hint: closest === null ? '' : `did you mean "${closest}"?` };
}

function wrongUnion(issue: z.core.$ZodIssueInvalidUnion): Sentence {
  const issues = (issue.errors as Issue[][]).flat();
  const types = issues.flatMap((one) => (one.code === 'invalid_type' ? [one.expected] : []));
  const values = issues.flatMap((one) => (one.code === 'invalid_value' ? one.values : []));
  const nouns = [...new Set(types.map((type) => NOUNS[type] ?? type)), ...values.map(String)];
  return { why: nouns.length === 0 ? 'is not valid' : `must be ${nouns.join(' or ')}`, hint: '' };
}

function outOfRange(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): Sentence {
  const small = issue.code === 'too_small';
  const bound = small ? issue.minimum : issue.maximum;
  const most = small ? 'at least' : 'at most';
  const hint = '';
  if (issue.origin === 'string') {
    if (small && bound === 1) return { why: 'must not be empty', hint };
    return { why: `must have ${most} ${bound} characters`, hint };
  }
  if (issue.origin === 'array') {
    if (small && bound === 1) return { why: 'must not be empty', hint };
    return { why: `must have ${most} ${bound} entries`, hint };
  }
  const edge = issue.inclusive === false ? (small ? 'more than' : 'less than') : most;
  return { why: `must be ${edge} ${bound}`, hint };
}

const NOUNS: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a group of keys',
  record: 'a group of keys',
};

function isContainer(value: unknown): value is Record<string | number, unknown> {
  return typeof value === 'object' && value !== null;
}
