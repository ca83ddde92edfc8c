// The configuration of the mask processor.

import * as z from 'zod';
import { parseRegex, RegexError } from '../../../config/regex/tree.ts';
import { fault, optionalSection, secret, section, strictObject } from '../../../config/schema.ts';
import { LEVELS, STARS } from './rule.ts';
import { RULE_NAMES } from './rules.ts';

export const limits = {
  /** Rules of one's own; more are refused. */
  ownRulesMax: 50,
  /** Bytes of a key for pseudonyms; a shorter one could be guessed. */
  pseudonymKeyBytesMin: 16,
} as const;

const ruleName = () => z.enum(RULE_NAMES as [string, ...string[]],
  'is no rule; see docs/masking.md for their names');

const ownRule = () => strictObject({
  name: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be lower_snake_case')
    .describe('Names the rule in the counters.'),
  pattern: z.string().min(1).superRefine(checkPattern)
    .describe('A regular expression; one that cannot be linear in time is refused.').optional(),
  replacement: z.string().max(200).describe('Stands where something was found.').default(STARS),
  keys: z.array(z.string().min(1)).min(1)
    .describe('Names of attributes, with * for any characters: only in their values; without a '
      + 'pattern all of their values.').optional(),
}).superRefine(({ pattern, keys }, ctx) => {
  if (pattern === undefined && keys === undefined) {
    fault(ctx, 'has nothing to find', 'write a pattern, keys, or both');
  }
});

function checkPattern(source: string, ctx: z.core.$RefinementCtx<unknown>): void {
  try {
    parseRegex(source);
  } catch (error) {
    if (!(error instanceof RegexError)) throw error;
    fault(ctx, `cannot be used: ${error.message} (at character ${error.position + 1})`,
      error.suggestion);
  }
}

export const createSchema = () => section({
  level: z.enum(LEVELS).describe('How sensitive the data is: which rules are on.')
    .default('confidential'),
  enable: z.array(ruleName()).describe('Rules that are on besides those of the level.').default([]),
  disable: z.array(ruleName()).describe('Rules of the level that are off.').default([]),
  dry_run: z.boolean().describe('Only count what would be hidden.').default(false),
  ignored_keys: z.array(z.string().min(1))
    .describe('Names of attributes, with * for any characters, that are left as they are.')
    .default([]),
  rules: z.array(ownRule()).max(limits.ownRulesMax).describe('Rules of your own.').default([]),
  pseudonyms: optionalSection({
    key: secret().min(limits.pseudonymKeyBytesMin)
      .describe('The secret of HMAC-SHA-256, at least 16 characters.').optional(),
    key_file: z.string().min(1).describe('A file that holds it.').optional(),
    rules: z.array(z.string().min(1)).min(1).describe('Rules whose findings are replaced.')
      .default(['card', 'email', 'iban', 'phone', 'ssn', 'user_name']),
  }).describe('The same value gets the same pseudonym, so that records can be joined.'),
}).superRefine((config, ctx) => {
  const own = config.rules.map(({ name }) => name);
  const known = new Set([...RULE_NAMES, ...own]);
  for (const [index, name] of own.entries()) {
    const isTaken = RULE_NAMES.includes(name) || own.indexOf(name) !== index;
    const path = ['rules', index, 'name'];
    if (isTaken) fault(ctx, 'is the name of another rule', 'choose another', path);
  }
  const { pseudonyms } = config;
  if (pseudonyms === undefined) return;
  if ((pseudonyms.key === undefined) === (pseudonyms.key_file === undefined)) {
    fault(ctx, 'needs one key', 'write key or key_file', ['pseudonyms']);
  }
  for (const [index, name] of pseudonyms.rules.entries()) {
    if (!known.has(name)) fault(ctx, 'is no rule', '', ['pseudonyms', 'rules', index]);
  }
});

export type MaskConfig = z.output<ReturnType<typeof createSchema>>;
