// key_value_parser: pairs such as `level=info msg="a b"` (logfmt). All values are text; quotes
// around a key or a value (" or ') are taken off, and what is inside of them divides nothing.

import * as z from 'zod';
import { fault } from '../../../config/schema.ts';
import { emptyMap } from '../entry.ts';
import { parserKeys, parserStep, type Parsed } from '../parser.ts';
import { stepOperator } from '../step.ts';

export const keyValueParser = stepOperator({
  keys: () => ({
    ...parserKeys(),
    delimiter: z.string().min(1).describe('Stands between key and value.').default('='),
    pair_delimiter: z.string().describe('Stands between pairs; empty: white space.').default(''),
  }),
  check: ({ delimiter, pair_delimiter: between }, ctx) => {
    if (delimiter === between) {
      fault(ctx, 'is the same as delimiter', 'choose another one', ['pair_delimiter']);
    }
  },
  create: (config, making) => {
    const { delimiter, pair_delimiter: between } = config;
    return parserStep(config, making, (text) => parsePairs(text, delimiter, between));
  },
});

function parsePairs(text: string, delimiter: string, between: string): Parsed {
  const map = emptyMap();
  let found = false;
  for (const pair of pairsOf(text, between)) {
    const at = pair.indexOf(delimiter);
    if (at === -1) return 'there is a part without delimiter between key and value';
    map[bare(pair.slice(0, at))] = bare(pair.slice(at + delimiter.length));
    found = true;
  }
  return found ? { value: map } : 'there are no pairs';
}

const bare = (text: string): string => {
  const trimmed = text.trim();
  const quote = trimmed[0];
  const quoted = trimmed.length > 1 && (quote === '"' || quote === "'") && trimmed.at(-1) === quote;
  return quoted ? trimmed.slice(1, -1) : trimmed;
};

/** The parts between delimiters that stand outside of quotes; empty ones are left out. */
function* pairsOf(text: string, between: string): Generator<string> {
  let start = 0;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (quote !== '') {
      // A backslash keeps the quote that follows from ending the text.
      if (character === '\\') at++;
      else if (character === quote) quote = '';
      continue;
    }
    if (character === '"' || character === "'") quote = character;
    const ends = between === '' ? isSpace(character) : text.startsWith(between, at);
    if (!ends) continue;
    if (text.slice(start, at).trim() !== '') yield text.slice(start, at);
    at += between === '' ? 0 : between.length - 1;
    start = at + 1;
  }
  if (text.slice(start).trim() !== '') yield text.slice(start);
}

const isSpace = (character: string): boolean =>
  character === ' ' || character === '\t' || character === '\n' || character === '\r';
