// The list of operators of a receiver as it is written: each is `type` and the keys of that type;
// ids are the types unless given, and `output` names them.

import * as z from 'zod';
import { knownHint } from '../../config/errors.ts';
import { fault, strictObject } from '../../config/schema.ts';
import { DEFINITIONS } from './definitions.ts';
import type { Condition } from './expression/expression.ts';

/** One operator, parsed; the rest of its keys is known to its type alone. */
export interface OperatorConfig {
  readonly type: string;
  readonly id?: string | undefined;
  readonly on_error: string;
  readonly output?: readonly string[] | undefined;
  readonly if?: Condition | undefined;
}

export const limits = {
  /** More operators than this are refused: each runs for every record. */
  operators: 100,
} as const;

export const operatorList = (): z.ZodType<OperatorConfig[]> => z.array(
  z.unknown().transform(parseOperator).describe('One operator: `type` and its keys.'),
).max(limits.operators).superRefine((list, ctx) => {
  checkOutputs(list, ctx);
}) as unknown as z.ZodType<OperatorConfig[]>;

/** The ids of operators: as given, or the type, with a number when there are several. */
export function idsOf(operators: readonly OperatorConfig[]): string[] {
  const used = new Set(operators.flatMap(({ id }) => id ?? []));
  return operators.map(({ id, type }) => {
    if (id !== undefined) return id;
    let own = type;
    for (let number = 1; used.has(own); number++) own = `${type}${number}`;
    used.add(own);
    return own;
  });
}

function parseOperator(value: unknown, ctx: z.core.$RefinementCtx<unknown>): OperatorConfig {
  const known = Object.keys(DEFINITIONS);
  const keys = typeof value === 'object' && value !== null && !Array.isArray(value)
    ? value as Record<string, unknown>
    : {};
  const type = keys['type'];
  if (typeof type !== 'string') {
    fault(ctx, 'is not an operator', `write its type, one of ${known.join(', ')}`);
    return z.NEVER;
  }
  if (!Object.hasOwn(DEFINITIONS, type)) {
    fault(ctx, 'unknown operator', REFUSED[type] ?? knownHint(type, known), ['type']);
    return z.NEVER;
  }
  const definition = DEFINITIONS[type]!;
  const shape = definition.keys();
  const schema = strictObject({ type: z.literal(type), ...shape });
  const parsed = schema.superRefine((config, refining) => definition.check?.(config, refining))
    .safeParse(value);
  if (parsed.success) return parsed.data as unknown as OperatorConfig;
  for (const issue of parsed.error.issues) forward(issue, ctx, ['type', ...Object.keys(shape)]);
  return z.NEVER;
}

/** Operators of the Collector that are something else here. */
const REFUSED: Record<string, string> = {
  file_input: 'use the receiver file_log',
  tcp_input: 'use the receiver syslog',
  udp_input: 'use the receiver syslog',
  syslog_input: 'use the receiver syslog',
  journald_input: 'use the receiver journald',
  stdin: 'use the receiver stdin',
  stdout: 'use the exporter debug',
  file_output: 'use an exporter',
  restructure: 'use add, move, remove and retain',
  metadata: 'use add',
  strip_ansi_escape_codes: 'use regex_replace with regex_name: ansi_control_sequences',
  key_value: 'use key_value_parser',
};

function forward(
  issue: z.core.$ZodIssue, ctx: z.core.$RefinementCtx<unknown>, known: readonly string[],
): void {
  const path = issue.path as (string | number)[];
  if (issue.code === 'unrecognized_keys' && path.length === 0) {
    for (const key of issue.keys) fault(ctx, 'unknown key', knownHint(key, known), [key]);
    return;
  }
  const hint = issue.code === 'custom' ? (issue.params?.['hint'] as string | undefined) : undefined;
  if (issue.code === 'unrecognized_keys') {
    fault(ctx, `unknown key: ${issue.keys.join(', ')}`, '', path);
    return;
  }
  const why = issue.code === 'invalid_type' ? 'is missing or of another type' : issue.message;
  fault(ctx, why, hint ?? '', path);
}

/** Ids are there once, outputs are there, and no entry can go round for ever. */
function checkOutputs(
  operators: readonly OperatorConfig[], ctx: z.core.$RefinementCtx<unknown>,
): void {
  // One that is wrong by itself is undefined here, and named already.
  if (operators.some((one) => one === undefined)) return;
  const ids = idsOf(operators);
  ids.forEach((id, index) => {
    if (ids.indexOf(id) === index) return;
    fault(ctx, 'is the id of two operators', 'give one of them another id', [index, 'id']);
  });
  operators.forEach((operator, index) => {
    for (const [path, id] of outputsOf(operator)) {
      if (ids.includes(id)) continue;
      fault(ctx, 'names no operator of the list', knownHint(id, ids, 'defined'), [index, ...path]);
    }
  });
  const loop = findLoop(operators, ids);
  if (loop !== -1) fault(ctx, 'leads back to itself', 'name one that comes later', [loop]);
}

/** The ids that an operator names, each with where it does. */
function outputsOf(operator: OperatorConfig): [(string | number)[], string][] {
  const { output = [], routes = [], default: rest = [] } = operator as OperatorConfig & {
    routes?: readonly { output: readonly string[] }[];
    default?: readonly string[];
  };
  return [
    ...output.map((id): [string[], string] => [['output'], id]),
    ...routes.flatMap(({ output: ids }, index) =>
      ids.map((id): [(string | number)[], string] => [['routes', index, 'output'], id])),
    ...rest.map((id): [string[], string] => [['default'], id]),
  ];
}

/** The index of an operator that an entry could come back to, or -1. */
function findLoop(operators: readonly OperatorConfig[], ids: readonly string[]): number {
  const state = new Map<number, 'open' | 'done'>();
  const visit = (index: number): boolean => {
    if (index >= operators.length || index === -1) return false;
    const known = state.get(index);
    if (known !== undefined) return known === 'open';
    state.set(index, 'open');
    const operator = operators[index]!;
    const named = outputsOf(operator).map(([, id]) => ids.indexOf(id));
    const goesOn = operator.output === undefined && operator.type !== 'router';
    const loops = [...named, ...(goesOn ? [index + 1] : [])].some(visit);
    state.set(index, 'done');
    return loops;
  };
  return operators.findIndex((_, index) => visit(index));
}
