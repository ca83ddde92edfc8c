// Which containers are looked at, by rules as the Collector's docker_stats writes them:
//
//     nginx           the whole name           !nginx        all but that
//     /^ngi.x$/       a regular expression     !/^ngi.x$/
//     ngi*            a glob: * ? [ ] { }      !ngi*

import picomatch from 'picomatch';
import * as z from 'zod';
import { NO_PATTERN, parsePattern } from '../../config/pattern.ts';
import { fault } from '../../config/schema.ts';

export type Matches = (text: string) => boolean;

/** A list of rules; a text is matched when one of them fits. */
export const ruleList = () => z.array(z.string().min(1).superRefine((rule, ctx) => {
  if (parseRule(rule) === null) fault(ctx, NO_PATTERN.why, NO_PATTERN.hint);
}));

export function createMatcher(rules: readonly string[]): Matches {
  const parsed = rules.map((rule) => parseRule(rule)!);
  return (text) => parsed.some((fits) => fits(text));
}

/** Null for a regular expression that cannot be read. */
function parseRule(rule: string): Matches | null {
  const negated = rule.startsWith('!');
  const body = negated ? rule.slice(1) : rule;
  const fits = parsePlain(body);
  if (fits === null || !negated) return fits;
  return (text) => !fits(text);
}

function parsePlain(body: string): Matches | null {
  if (body.length > 1 && body.startsWith('/') && body.endsWith('/')) {
    const expression = parsePattern(body.slice(1, -1));
    return expression === null ? null : (text) => expression.test(text);
  }
  if (!/[*?{}[\]]/.test(body)) return (text) => text === body;
  // A glob goes over slashes: names of images have some.
  const glob = picomatch(body.replaceAll('/', '\u0001'),
    { dot: true, nonegate: true, noextglob: true });
  return (text) => glob(text.replaceAll('/', '\u0001'));
}
