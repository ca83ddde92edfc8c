// Regular expressions as the Collector's users write them (RE2, as Go has it), read as those of
// JavaScript. All configurations use this one reading.
//
// Translated: `(?P<name>…)`, flags in front `(?i)`, `(?s)`, `(?m)`, `\A`, `\z`, `\a`, `\x{…}`,
// POSIX classes such as `[[:alpha:]]`, and `.`, `^`, `$`, for which only LF is a line end: not CR,
// which may stand in the middle of a line. What JavaScript cannot say, or would read as something
// else, is refused when the configuration is read: flags in the middle, `\Q…\E`, `\C`, and classes
// whose names it does not know. JavaScript backtracks where RE2 does not, so whoever scans text
// that others write limits its length.

import * as z from 'zod';
import { fault } from './schema.ts';

/** A regular expression in RE2's syntax; `flags` are added to those it names itself. */
export function pattern(flags: string = ''): z.ZodType<RegExp, string> {
  const schema = z.string().transform((text, ctx) => {
    const expression = parsePattern(text, flags);
    if (expression !== null) return expression;
    fault(ctx, NO_PATTERN.why, NO_PATTERN.hint);
    return z.NEVER;
  });
  return schema.meta({ type: 'string', format: 'regex', title: 'regular expression' });
}

/** What is said of a text that `parsePattern` cannot read. */
export const NO_PATTERN = {
  why: 'is not a regular expression that can be used here',
  hint: 'check its brackets; flags such as (?i) may only stand in front',
} as const;

/** Null when it cannot be said in JavaScript. */
export function parsePattern(text: string, flags: string = ''): RegExp | null {
  const front = /^\(\?([ims]+)\)/.exec(text);
  const body = text.slice(front?.[0].length ?? 0);
  const all = [...new Set(flags + (front?.[1] ?? ''))].join('');
  const source = translate(body, all);
  const strict = compile(source, `${all}u`);
  if (strict !== null || needsStrict(body) || UNKNOWN_CLASS.test(source)) return strict;
  // Without the flag JavaScript forgives escapes that Go allows, such as `\-`.
  return compile(source, all);
}

function compile(source: string, flags: string): RegExp | null {
  try {
    return new RegExp(source, flags);
  } catch {
    return null;
  }
}

/** Escapes that JavaScript without the flag `u` would take for plain letters. */
function needsStrict(text: string): boolean {
  return !/^(?:[^\\]|\\[^QECZpPx]|\\x[0-9A-Fa-f]{2})*$/.test(text);
}

const UNKNOWN_CLASS = /\[:\^?\w+:\]/;

const POSIX_CLASSES: Record<string, string> = {
  alnum: '0-9A-Za-z', alpha: 'A-Za-z', ascii: '\\x00-\\x7F', blank: '\\t ',
  cntrl: '\\x00-\\x1F\\x7F',
  digit: '0-9', graph: '!-~', lower: 'a-z', print: ' -~', punct: '!-\\/:-@\\[-`{-~',
  space: '\\t\\n\\v\\f\\r ', upper: 'A-Z', word: '0-9A-Za-z_', xdigit: '0-9A-Fa-f',
};

/** Escapes, classes and groups are stepped over as wholes; what is left is one character. */
const TOKENS = /\\x\{\w+\}|\\[\s\S]|\[\^?\]?(?:\[:\w+:\]|\\[\s\S]|[^\]\\])*\]|\(\?P<|[.^$]/g;

/** What means the same in both is left alone; JavaScript takes more characters for line ends. */
function translate(text: string, flags: string): string {
  return text.replace(TOKENS, (found) => {
    if (found.startsWith('[')) return translateClass(found);
    switch (found) {
      case '(?P<': return '(?<';
      case '\\A': return '(?<![\\s\\S])';
      case '\\z': return '(?![\\s\\S])';
      case '.': return flags.includes('s') ? '.' : '[^\\n]';
      case '^': return flags.includes('m') ? '(?<![^\\n])' : '^';
      case '$': return flags.includes('m') ? '(?![^\\n])' : '$';
      default: return translateEscape(found);
    }
  });
}

function translateClass(text: string): string {
  // In Go a bracket that comes first is a member.
  const opened = text.replace(/^\[(\^?)\]/, '[$1\\]');
  return opened
    .replace(/\[:(\w+):\]/g, (found, name: string) => POSIX_CLASSES[name] ?? found)
    .replace(/\\x\{\w+\}|\\[\s\S]/g, translateEscape);
}

function translateEscape(text: string): string {
  return text === '\\a' ? '\\x07' : text.replace(/^\\x\{/, '\\u{');
}
