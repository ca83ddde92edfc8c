// Operators that make another text, or another form, of one field: unquote, regex_replace,
// assign_keys.

import * as z from 'zod';
import { pattern } from '../../config/pattern.ts';
import { fault } from '../../config/schema.ts';
import {
  emptyMap, field, getField, setField, type Entry, type Field, type Value,
} from './entry.ts';
import { limits } from './parser.ts';
import { operatorKeys, stepOperator } from './step.ts';

const NOT_THERE = 'the field is not there';
const NO_TEXT = 'the field is no text';

export const unquote = stepOperator({
  keys: () => ({
    ...operatorKeys(),
    field: field().describe('Field whose quotes are taken off: "…", `…`, or one character in \'.'),
  }),
  create: ({ field: at }) => changeText(at, (text) => unquoted(text)),
});

/** As Go reads a literal; null for a text that is none. */
export function unquoted(text: string): string | null {
  const inner = text.slice(1, -1);
  if (text.length < 2 || text[0] !== text.at(-1)) return null;
  if (text[0] === '`') return inner.includes('`') ? null : inner.replaceAll('\r', '');
  if (text[0] === '"') return unescaped(inner, '"');
  if (text[0] !== "'") return null;
  const one = unescaped(inner, "'");
  return one !== null && [...one].length === 1 ? one : null;
}

function unescaped(text: string, quote: string): string | null {
  const pieces: Buffer[] = [];
  for (const [found, escape] of text.matchAll(/\\(.[^\\]{0,8})?|[^\\]+/gsu)) {
    if (escape === undefined) {
      if (found === '\\' || found.includes(quote) || found.includes('\n')) return null;
      pieces.push(Buffer.from(found, 'utf8'));
      continue;
    }
    const match = ESCAPE.exec(escape);
    if (match === null || escape.slice(match[0].length).includes(quote)) return null;
    pieces.push(escapedBytes(match), Buffer.from(escape.slice(match[0].length), 'utf8'));
  }
  return Buffer.concat(pieces).toString('utf8');
}

const ESCAPE = /^(?:([0-7]{3})|x([\da-f]{2})|u([\da-f]{4})|U([\da-f]{8})|([abfnrtv\\"']))/i;

const LETTERS: Record<string, string> = {
  a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v',
};

/** Octal digits and \x are bytes of UTF-8, the others are characters. */
function escapedBytes([, octal, hex, short, long, letter]: RegExpExecArray): Buffer {
  if (octal !== undefined) return Buffer.of(Number.parseInt(octal, 8) & 0xff);
  if (hex !== undefined) return Buffer.of(Number.parseInt(hex, 16));
  const digits = short ?? long;
  if (digits === undefined) return Buffer.from(LETTERS[letter!] ?? letter!, 'utf8');
  const point = Number.parseInt(digits, 16);
  return Buffer.from(point <= 0x10ffff ? String.fromCodePoint(point) : '\ufffd', 'utf8');
}

/** Patterns that have a name. */
const NAMED: Record<string, string> = {
  ansi_control_sequences: '\\x1b\\[[0-9;?:<=>]*[ -\\/]*[@-~]',
};

export const regexReplace = stepOperator({
  keys: () => ({
    ...operatorKeys(),
    field: field().describe('Field in whose text all matches are replaced.'),
    regex: pattern('g').describe('Regular expression.').optional(),
    regex_name: z.enum(['ansi_control_sequences'])
      .describe('Instead of regex: a pattern that is known by name.').optional(),
    replace_with: z.string().describe('What stands there instead; ${1} and ${name} are groups.')
      .default(''),
  }),
  check: ({ regex, regex_name: name }, ctx) => {
    if ((regex === undefined) === (name === undefined)) {
      fault(ctx, 'needs regex or regex_name, one of them', '');
    }
  },
  create: ({ field: at, regex, regex_name: name, replace_with: by }) => {
    const expression = regex ?? new RegExp(NAMED[name!]!, 'g');
    const replacement = toReplacement(by);
    return changeText(at, (text) =>
      (text.length > limits.scannedCharsMax ? null : text.replace(expression, replacement)));
  },
});

/** Go's `$1`, `${1}`, `${name}`, `$$`; a group that is not there is empty. */
function toReplacement(by: string): (found: string, ...rest: unknown[]) => string {
  const parts = [...by.matchAll(/\$(?:\$|(\w+)|\{(\w+)\})|[^$]+|\$/g)].map((match) =>
    (match[1] ?? match[2]) === undefined
      ? { text: match[0] === '$$' ? '$' : match[0], group: null }
      : { text: '', group: (match[1] ?? match[2])! });
  return (found, ...rest) => {
    const named = typeof rest.at(-1) === 'object' ? rest.at(-1) as Record<string, string> : {};
    const groups = rest.slice(0, rest.findIndex((one) => typeof one === 'number'));
    return parts.map(({ text, group }) => {
      if (group === null) return text;
      if (group === '0') return found;
      return String((/^\d+$/.test(group) ? groups[Number(group) - 1] : named[group]) ?? '');
    }).join('');
  };
}

export const assignKeys = stepOperator({
  keys: () => ({
    ...operatorKeys(),
    field: field().describe('Field that holds a list.'),
    keys: z.array(z.string().min(1)).min(1).describe('Keys of its values, in their order.'),
  }),
  create: ({ field: at, keys }) => (entry) => {
    const list = getField(entry, at);
    if (list === undefined) return NOT_THERE;
    if (!Array.isArray(list)) return 'the field is no list';
    if (list.length !== keys.length) return 'the list has another number of values than keys';
    const map = emptyMap();
    keys.forEach((key, index) => (map[key] = list[index] as Value));
    return replaceField(entry, at, map);
  },
});

/** Puts a map in the place of what is there, where setting would merge. */
function replaceField(entry: Entry, at: Field, value: Value): string | null {
  if (at.keys.length > 0) setField(entry, at, null);
  else if (at.root === 'body') entry.body = null;
  return setField(entry, at, value) ? null : 'the field cannot be set';
}

function changeText(at: Field, change: (text: string) => string | null) {
  return (entry: Entry): string | null => {
    const value = getField(entry, at);
    if (value === undefined) return NOT_THERE;
    if (typeof value !== 'string') return NO_TEXT;
    const changed = change(value);
    if (changed === null) return 'the text cannot be changed so';
    setField(entry, at, changed);
    return null;
  };
}
