// regex_parser: the named groups of an expression.

import { pattern } from '../../../config/pattern.ts';
import { ignoredKey } from '../../../config/schema.ts';
import { emptyMap } from '../entry.ts';
import { limits, parserKeys, parserStep } from '../parser.ts';
import { stepOperator } from '../step.ts';

export const regexParser = stepOperator({
  keys: () => ({
    ...parserKeys(),
    regex: pattern().describe('Regular expression with named groups.')
      .refine((expression) => /\(\?<[^=!]/.test(expression.source), 'has no named group'),
    cache: ignoredKey('what was parsed is not kept'),
  }),
  create: (config, making) => {
    const { regex } = config;
    return parserStep(config, making, (text) => {
      if (text.length > limits.scannedCharsMax) return 'the text is too long to be scanned';
      const groups = regex.exec(text)?.groups;
      if (groups === undefined) return 'the expression does not match';
      const map = emptyMap();
      for (const name of Object.keys(groups)) map[name] = groups[name] ?? '';
      return { value: map };
    });
  },
});
