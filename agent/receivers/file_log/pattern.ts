// Regular expressions as the Collector's users write them (RE2, as Go has it), read as those of
// JavaScript.
//
// Translated: `(?P<name>…)`, flags in front `(?i)`, `(?s)`, `(?m)`, `\A`, `\z`, POSIX classes such
// as `[[:alpha:]]`, and `.`, `^`, `$`, for which only LF is a line end: not CR, which may stand in
// the middle of a line. What JavaScript cannot say (flags in the middle, `\Q…\E`) is refused when
// the configuration is read. JavaScript backtracks where RE2 does not, so whoever scans with one
// of these limits the text: `limits.scannedCharsMax`.

import { z } from 'zod';
import { fault } from '../../../config/schema.ts';

export const limits = {
  /**
   * Characters of one value that a parser's expression is tried on. A longer value is not parsed:
   * it takes the way of `on_error`, whole.
   */
  scannedCharsMax: 64 * 1024,
} as const;

/** A regular expression in RE2's syntax; `flags` are added to those it names itself. */
export function goPattern(flags: string = ''): z.ZodType<RegExp, string> {
  const schema = z.string().transform((text, ctx) => {
    const expression = parseGoPattern(text, flags);
    if (expression !== null) return expression;
    fault(ctx, 'is not a regular expression that can be used here',
      'check its brackets; flags such as (?i) may only stand in front');
    return z.NEVER;
  });
  return schema.meta({ type: 'string', format: 'regex' });
}

/** Null when it cannot be said in JavaScript. */
export function parseGoPattern(text: string, flags: string = ''): RegExp | null {
  const front = /^\(\?([ims]+)\)/.exec(text);
  const all = [...new Set(flags + (front?.[1] ?? ''))].join('');
  const source = translate(text.slice(front?.[0].length ?? 0), all);
  for (const unicode of ['u', '']) {
    try {
      return new RegExp(source, all + unicode);
    } catch {
      // Without the flag JavaScript forgives escapes that Go allows, such as `\-`.
    }
  }
  return null;
}

/**
 * The same expression for text in which each character is one byte of UTF-8 (`latin1`), so that a
 * position in the text is a position in the file.
 */
export function forBytes(expression: RegExp): RegExp {
  const source = expression.source.replace(/[^\x00-\x7f]/gu, (character) =>
    Buffer.from(character, 'utf8').toString('latin1'));
  return new RegExp(source, expression.flags.replace('u', ''));
}

const POSIX_CLASSES: Record<string, string> = {
  alnum: '0-9A-Za-z', alpha: 'A-Za-z', ascii: '\\x00-\\x7F', blank: '\\t ',
  cntrl: '\\x00-\\x1F\\x7F',
  digit: '0-9', graph: '!-~', lower: 'a-z', print: ' -~', punct: '!-\\/:-@\\[-`{-~',
  space: '\\t\\n\\v\\f\\r ', upper: 'A-Z', word: '0-9A-Za-z_', xdigit: '0-9A-Fa-f',
};

/** Escapes, classes and groups are stepped over as wholes; what is left is one character. */
const TOKENS = /\\[\s\S]|\[\^?\]?(?:\[:\w+:\]|\\[\s\S]|[^\]\\])*\]|\(\?P<|[.^$]/g;

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
      default: return found;
    }
  });
}

function translateClass(text: string): string {
  // In Go a bracket that comes first is a member.
  const opened = text.replace(/^\[(\^?)\]/, '[$1\\]');
  return opened.replace(/\[:(\w+):\]/g, (found, name: string) => POSIX_CLASSES[name] ?? found);
}
