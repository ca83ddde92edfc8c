// The keys of the transform processor: for each signal a list of statements, or of groups of them.

import * as z from 'zod';
import { fault, refusedKey, section, strictObject } from '../../../config/schema.ts';
import type { Signal } from '../../../proto/otlp/model.ts';
import { CONTEXTS_OF, MisfitFault } from '../../ottl/inference.ts';
import {
  conditionProblem, contextOfGroup, problemFrom, statementProblem, type OttlProblem,
} from '../../ottl/ottl.ts';
import { errorMode } from '../../ottl/schema.ts';
import type { OttlContextName } from '../../ottl/view.ts';
import { OWN_EDITORS } from './editors.ts';

export interface StatementGroup {
  readonly context?: OttlContextName | undefined;
  readonly error_mode?: 'ignore' | 'silent' | 'propagate' | undefined;
  readonly conditions: readonly string[];
  readonly statements: readonly string[];
}

/** What is wrong with one text of a group. */
interface Place {
  readonly list: 'conditions' | 'statements';
  readonly index: number;
}

const group = (signal: Signal) => strictObject({
  context: z.enum(CONTEXTS_OF[signal]).describe('Where the statements run; found from their '
    + 'paths when absent.').optional(),
  error_mode: errorMode().optional(),
  conditions: z.array(z.string())
    .describe('The statements run where any of these OTTL conditions holds, or there is none.')
    .default([]),
  statements: z.array(z.string()).describe('OTTL statements, in their order.'),
}).superRefine((written, ctx) => {
  checkGroup(signal, written, ({ why, hint }, { list, index }) =>
    fault(ctx, why, hint, [list, index]));
});

function checkGroup(
  signal: Signal, written: StatementGroup, report: (problem: OttlProblem, place: Place) => void,
): void {
  const context = contextFor(signal, written, report);
  if (context === undefined) return;
  const options = { context, functions: OWN_EDITORS };
  const check = (list: Place['list'], problemOf: typeof statementProblem) => {
    written[list].forEach((text, index) => {
      const problem = problemOf(text, options);
      if (problem !== null) report(problem, { list, index });
    });
  };
  check('conditions', conditionProblem);
  check('statements', statementProblem);
}

/** Each text is looked at by itself first: its own mistakes are told rather than those of all. */
function contextFor(
  signal: Signal, { context, conditions, statements }: StatementGroup,
  report: (problem: OttlProblem, place: Place) => void,
): OttlContextName | undefined {
  if (context !== undefined) return context;
  let broken = false;
  const check = (
    list: Place['list'], texts: readonly string[], problemOf: typeof statementProblem,
  ) => texts.forEach((text, index) => {
    const problem = problemOf(text, { signal, functions: OWN_EDITORS });
    if (problem === null) return;
    broken = true;
    report(problem, { list, index });
  });
  check('conditions', conditions, conditionProblem);
  check('statements', statements, statementProblem);
  if (broken) return undefined;
  try {
    return contextOfGroup(statements, conditions, signal, OWN_EDITORS);
  } catch (error) {
    if (!(error instanceof MisfitFault)) throw error;
    const inCondition = error.index < conditions.length;
    const list = inCondition ? 'conditions' : 'statements';
    const index = inCondition ? error.index : error.index - conditions.length;
    report(problemFrom((inCondition ? conditions : statements)[index]!, error), { list, index });
    return undefined;
  }
}

/** Statements that are not in groups are one group. */
const statements = (signal: Signal) => z.array(z.union([z.string(), group(signal)]))
  .superRefine((list, ctx) => {
    const texts = list.filter((one) => typeof one === 'string');
    if (texts.length === 0) return;
    if (texts.length < list.length) {
      fault(ctx, 'has statements and groups of statements', 'put all statements in groups');
      return;
    }
    checkGroup(signal, { statements: texts, conditions: [] }, ({ why, hint }, { index }) =>
      fault(ctx, why, hint, [index]));
  })
  .describe(`OTTL statements for ${signal}, or groups of them with a context of their own.`)
  .default([]);

const createSchema = () => section({
  error_mode: errorMode().default('ignore'),
  trace_statements: statements('traces'),
  metric_statements: statements('metrics'),
  log_statements: statements('logs'),
  profile_statements: refusedKey('profiles are not a signal here'),
  flatten_data: refusedKey('a resource is shared by its records: set attributes of the record'),
});

export const transformSchema = createSchema;
export type TransformConfig = z.output<ReturnType<typeof createSchema>>;

/** The groups of a signal, in their order. */
export function groupsOf(signal: Signal, config: TransformConfig): readonly StatementGroup[] {
  const lists = {
    traces: config.trace_statements, metrics: config.metric_statements,
    logs: config.log_statements,
  };
  const list: readonly (string | StatementGroup)[] = lists[signal];
  const texts = list.filter((one) => typeof one === 'string');
  return texts.length > 0 ? [{ statements: texts, conditions: [] }]
    : list.filter((one) => typeof one !== 'string');
}
