// Regular expressions of searches (see config/regex/tree.ts for what they may hold): their mistakes
// as those of the search, and how ClickHouse reads them. Both it and the live tail take the same
// tree, so that they agree, and both take time that is linear in the length of a record.

import {
  isSurrogate, LAST, parseRegex as parseTree, RegexError, type Range, type Regex,
} from '../../config/regex/tree.ts';
import { SearchError } from './node.ts';

/** `position` is where the expression begins in the search. Throws SearchError. */
export function parseRegex(source: string, ignoresCase: boolean, position: number): Regex {
  try {
    return parseTree(source, ignoresCase);
  } catch (error) {
    if (!(error instanceof RegexError)) throw error;
    throw new SearchError(`in the regular expression: ${error.message}`,
      position + error.position, error.suggestion);
  }
}

/** The expression as RE2 reads it; its flags are those of ClickHouse's `match`. */
export function printRegex(regex: Regex): string {
  switch (regex.type) {
    case 'set': return printSet(regex.ranges);
    case 'list': return regex.parts.map((part) =>
      (part.type === 'choice' ? group(printRegex(part)) : printRegex(part))).join('');
    case 'choice': return regex.parts.map(printRegex).join('|');
    case 'repeat': {
      const inside = printRegex(regex.part);
      return `${regex.part.type === 'set' ? inside : group(inside)}${printCount(regex)}`;
    }
    case 'start': return '^';
    case 'end': return '$';
    case 'edge': return '\\b';
    default: return '\\B';
  }
}

const group = (inside: string): string => `(?:${inside})`;

function printCount({ min, max }: { min: number; max: number | null }): string {
  if (max === null) return min === 0 ? '*' : min === 1 ? '+' : `{${min},}`;
  if (min === 0 && max === 1) return '?';
  return min === max ? `{${min}}` : `{${min},${max}}`;
}

function printSet(ranges: readonly Range[]): string {
  const [[first, last]] = ranges as [Range];
  if (ranges.length === 0) return '[^\\x{0}-\\x{10FFFF}]';
  if (ranges.length === 1 && first === 0 && last === LAST) return '(?s:.)';
  if (ranges.length === 1 && first === last) return printPoint(first);
  return `[${ranges.map(([low, high]) =>
    (low === high ? printPoint(low) : `${printPoint(low)}-${printPoint(high)}`)).join('')}]`;
}

function printPoint(code: number): string {
  const one = String.fromCodePoint(code);
  if (/[A-Za-z0-9 ]/.test(one)) return one;
  if (code > 0x20 && code < 0x7f) return `\\${one}`;
  return code > 0xa0 && !isSurrogate(code) ? one : `\\x{${code.toString(16).toUpperCase()}}`;
}
