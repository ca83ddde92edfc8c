// The configuration of the routing connector, with the keys and defaults of the Collector's.

import * as z from 'zod';
import { fault, section, strictObject } from '../../../config/schema.ts';
import type { ChosenPipeline } from '../../../proto/contract/component.ts';
import { conditionProblem } from '../../ottl/ottl.ts';
import { errorMode } from '../../ottl/schema.ts';

export const ROUTE_CONTEXTS = ['resource', 'span', 'metric', 'datapoint', 'log'] as const;
export type RouteContext = (typeof ROUTE_CONTEXTS)[number];

const pipelines = (describe: string) => z.array(z.string().min(1)).describe(describe);

const route = () => strictObject({
  context: z.enum([...ROUTE_CONTEXTS, 'request'])
    .describe('What the condition is asked of: resource, span, metric, datapoint or log.')
    .default('resource'),
  condition: z.string().min(1).describe('Which of them; OTTL, or write statement.').optional(),
  statement: z.string().min(1).describe('The same as: route() where condition.').optional(),
  pipelines: pipelines('Where they go.').min(1),
  action: z.enum(['move', 'copy'])
    .describe('copy: the routes below, or default_pipelines, get them as well.').default('move'),
}).superRefine((one, ctx) => {
  if (one.context === 'request') {
    return fault(ctx, 'request is not supported: headers do not stay with the data',
      'put what decides into an attribute, and ask that', ['context']);
  }
  if ((one.condition === undefined) === (one.statement === undefined)) {
    return fault(ctx, 'needs one of condition and statement',
      'write condition: attributes["x"] == 1');
  }
  const key = one.condition === undefined ? 'statement' : 'condition';
  const condition = conditionOf(one);
  if (condition === null) {
    return fault(ctx, 'must be route() where and a condition',
      'what changes records belongs into a transform processor', ['statement']);
  }
  const problem = conditionProblem(condition, { context: one.context });
  if (problem !== null) fault(ctx, problem.why, problem.hint, [key]);
});

export const createSchema = () => section({
  default_pipelines: pipelines('Where that goes which no route moves; none: it is dropped.')
    .default([]),
  error_mode: errorMode().default('propagate'),
  match_once: z.boolean()
    .describe('False: each route is asked, whatever the routes above it took.').default(true),
  table: z.array(route()).min(1).describe('Routes, asked in this order.'),
});

export type RoutingConfig = z.output<ReturnType<typeof createSchema>>;
export type RouteConfig = RoutingConfig['table'][number];

/** The condition of a route, whichever way it was written; null for other statements. */
export function conditionOf(
  { condition, statement = '' }: Pick<RouteConfig, 'condition' | 'statement'>,
): string | null {
  if (condition !== undefined) return condition;
  const match = /^\s*route\(\s*\)(?:\s+where\s+([^]+))?\s*$/.exec(statement);
  return match === null ? null : match[1] ?? 'true';
}

export const chosenPipelines = (config: RoutingConfig): ChosenPipeline[] => [
  ...config.default_pipelines.map((id, index) => ({ path: ['default_pipelines', index], id })),
  ...config.table.flatMap((one, at) => one.pipelines.map((id, index) =>
    ({ path: ['table', at, 'pipelines', index], id }))),
];
