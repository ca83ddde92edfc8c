// Who may ask: tokens, and limits of roles and tokens. See docs/access.md.

import * as z from 'zod';
import { byteSize, count, duration, fault, section, strictObject } from './schema.ts';

/** What is absent is as `query` says, or for a token as its role has it. */
const queryLimits = () => section({
  max_execution_time: duration({ min: '1s' }).describe('Longest run of one query.').optional(),
  max_rows_to_read: count().describe('Most rows that one query may read; 0: any.').optional(),
  max_bytes_to_read: byteSize().describe('Most bytes that one query may read; 0: any.').optional(),
  max_result_rows: count({ min: 1 }).describe('Most rows that one query may return.').optional(),
  max_result_bytes: byteSize().describe('Most bytes that one query may return; 0: any.')
    .optional(),
  max_memory: byteSize({ min: '16MiB' }).describe('Most memory that one query may use.')
    .optional(),
  max_concurrent: count({ min: 1, max: 1000 })
    .describe('Queries of one caller that run at the same time.').optional(),
  max_waiting: count({ max: 10_000 }).describe('Queries of one caller that wait.').optional(),
});

export type AccessLimitsConfig = z.output<ReturnType<typeof queryLimits>>;

const ROLES = ['writer', 'viewer', 'analyst', 'operator', 'admin'] as const;

const token = () => strictObject({
  name: z.string().regex(/^[A-Za-z0-9][\w.@-]{0,99}$/, 'must be letters, digits, _ . @ and -')
    .refine((name) => name !== 'anonymous', 'may not be anonymous')
    .describe('Whose it is, for the audit log.'),
  role: z.enum(ROLES).describe('What it may do.'),
  hash: z.string().regex(/^[0-9a-f]{64}$/, 'is not a SHA-256 in hex')
    .describe('SHA-256 of the token; `binnacle token create` prints it.'),
  expires: z.string().superRefine(checkTime).describe('Until when it counts; absent: for ever.')
    .optional(),
  limits: queryLimits().describe('Limits of its queries.'),
});

export const access = () => section({
  tokens: z.array(token()).max(1000).superRefine(checkTokens)
    .describe('Who may ask. With one of them, nobody may ask without one.').default([]),
  roles: section({
    viewer: queryLimits().describe('Limits of viewers.'),
    analyst: queryLimits().describe('Limits of analysts.'),
    operator: queryLimits().describe('Limits of operators.'),
    admin: queryLimits().describe('Limits of admins.'),
  }).describe('Limits of queries by role.'),
});

export type AccessConfig = z.output<ReturnType<typeof access>>;

/** What is wrong with a token that is to be written into a configuration; null when nothing is. */
export function tokenProblem(written: object): string | null {
  const issue = token().safeParse(written).error?.issues[0];
  return issue === undefined ? null : `${issue.path.join('.')}: ${issue.message}`;
}

const TIME = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d))?$/;

function checkTime(text: string, ctx: z.core.$RefinementCtx<unknown>): void {
  if (TIME.test(text) && !Number.isNaN(Date.parse(text))) return;
  fault(ctx, 'is not a time', 'write it like 2027-01-31 or 2027-01-31T12:00:00Z');
}

function checkTokens(
  tokens: readonly { readonly name: string; readonly hash: string }[],
  ctx: z.core.$RefinementCtx<unknown>,
): void {
  for (const [index, { name, hash }] of tokens.entries()) {
    const earlier = tokens.slice(0, index);
    if (earlier.some((one) => one.name === name)) {
      fault(ctx, 'is the name of another token', 'give each token a name of its own',
        [index, 'name']);
    }
    if (earlier.some((one) => one.hash === hash)) {
      fault(ctx, 'is the hash of another token', 'binnacle token create makes a new one',
        [index, 'hash']);
    }
  }
}
