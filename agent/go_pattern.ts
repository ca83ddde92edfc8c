// Regular expressions as Collector configurations hold them: in Go's syntax. Two habits of it are
// translated, since JavaScript reads the rest: `(?P<name>…)` and flags at the beginning, `(?i)…`.

import { z } from 'zod';
import { fault } from '../config/schema.ts';

/** A schema for a pattern in Go's or JavaScript's syntax. */
export function goPattern(): z.ZodType<RegExp, string> {
  const schema = z.string().transform((text, ctx) => {
    const pattern = parseGoPattern(text);
    if (pattern !== null) return pattern;
    fault(ctx, 'is not a regular expression', 'check its brackets and backslashes');
    return z.NEVER;
  });
  return schema.meta({ type: 'string', format: 'regex' });
}

/** Null when JavaScript cannot read it either. */
export function parseGoPattern(text: string): RegExp | null {
  const [, flags = '', body = ''] = /^(?:\(\?([ims]+)\))?([^]*)$/.exec(text)!;
  const source = body.replaceAll('(?P<', '(?<');
  // Without `u` JavaScript forgives escapes that Go allows, such as `\-`.
  for (const mode of ['u', '']) {
    try {
      return new RegExp(source, flags + mode);
    } catch {
      // Tried again without `u`, or told as null.
    }
  }
  return null;
}
