// The words with which schemas of components have statements and conditions in them. What is wrong
// is told at the path of the text, with the column in it and a hint.

import * as z from 'zod';
import { fault } from '../../config/schema.ts';
import type { Signal } from '../../proto/otlp/model.ts';
import type { FunctionSpec } from './functions/function.ts';
import { conditionProblem, ERROR_MODES } from './ottl.ts';
import type { OttlContextName } from './view.ts';

interface Where {
  /** The context of the conditions; from the paths of each, by `signal`, when it is not given. */
  readonly context?: OttlContextName;
  readonly signal?: Signal;
  readonly functions?: readonly FunctionSpec[];
}

/** A list of conditions. */
export function ottlConditions(where: Where): z.ZodType<string[], string[]> {
  return z.array(ottlCondition(where));
}

/** One condition. */
export function ottlCondition(where: Where): z.ZodType<string, string> {
  return z.string().superRefine((text, ctx) => {
    const problem = conditionProblem(text, where);
    if (problem !== null) fault(ctx, problem.why, problem.hint);
  });
}

/** What a failure on a record means. */
export const errorMode = () => z.enum(ERROR_MODES).describe('When a condition or statement fails '
  + 'on a record: ignore logs it and goes on, silent goes on, propagate refuses the batch.');
