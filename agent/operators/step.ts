// What all operators have in common: the keys, and the function that one becomes.

import * as z from 'zod';
import type { Entry } from './entry.ts';

/**
 * Changes an entry in place; answers null, or what went wrong without any of the text: it is
 * logged. What was done before something went wrong stays done.
 */
export type Step = (entry: Entry) => string | null;

export const operatorKeys = () => ({
  id: z.string().describe('Name of the operator in messages.').optional(),
  on_error: z.enum(['send', 'drop', 'send_quiet', 'drop_quiet'])
    .describe('When it fails: send the record on as it is, or drop it; quiet says nothing.')
    .default('send'),
});
