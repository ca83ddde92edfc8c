// The list of operators of a receiver: how it is written and what it becomes. Operators run in the
// order of the list; `output`, `if` and the types that are not built are refused by name.
//
// A failure is counted and logged (rate-limited, without the text); `on_error` decides whether the
// entry goes on to the next operator as it is (`send`) or is dropped, counted too.

import * as z from 'zod';
import { knownHint } from '../../config/errors.ts';
import { fault, strictObject } from '../../config/schema.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Entry } from './entry.ts';
import {
  add, copy, createAdd, createCopy, createMove, createRemove, move, remove,
} from './fields.ts';
import { createJsonParser, createRegexParser, jsonParser, regexParser } from './parsers.ts';
import { checkMapping, createSeverity, severityKeys } from './severity.ts';
import { operatorKeys, type Step } from './step.ts';
import { checkTime, createTime, timeKeys } from './time.ts';

const timeParser = () => strictObject({
  type: z.literal('time_parser'),
  ...operatorKeys(),
  ...timeKeys(),
}).superRefine((config, ctx) => {
  checkTime(config, ctx);
});

const severityParser = () => strictObject({
  type: z.literal('severity_parser'),
  ...operatorKeys(),
  ...severityKeys(),
}).superRefine((config, ctx) => {
  checkMapping(config, ctx);
});

const SCHEMAS = {
  json_parser: jsonParser,
  regex_parser: regexParser,
  time_parser: timeParser,
  severity_parser: severityParser,
  add,
  copy,
  move,
  remove,
} as const;

type Type = keyof typeof SCHEMAS;
export type OperatorConfig = { [T in Type]: z.output<ReturnType<(typeof SCHEMAS)[T]>> }[Type];

/** More operators than this are refused: each runs for every record. */
const OPERATORS_MAX = 100;

export const operatorList = (): z.ZodType<OperatorConfig[]> => z.array(
  z.unknown().transform(parseOperator).describe('One operator: `type` and its keys.'),
).max(OPERATORS_MAX) as unknown as z.ZodType<OperatorConfig[]>;

function parseOperator(value: unknown, ctx: z.core.$RefinementCtx<unknown>): OperatorConfig {
  const known = Object.keys(SCHEMAS);
  const keys = typeof value === 'object' && value !== null && !Array.isArray(value)
    ? value as Record<string, unknown>
    : {};
  const type = keys['type'];
  if (typeof type !== 'string') {
    fault(ctx, 'is not an operator', `write its type, one of ${known.join(', ')}`);
    return z.NEVER;
  }
  if (!Object.hasOwn(SCHEMAS, type)) {
    fault(ctx, 'unknown operator', knownHint(type, known), ['type']);
    return z.NEVER;
  }
  for (const [key, hint] of Object.entries(REFUSED_KEYS)) {
    if (!Object.hasOwn(keys, key)) continue;
    fault(ctx, 'is not supported', hint, [key]);
    return z.NEVER;
  }
  const parsed = SCHEMAS[type as Type]().safeParse(value);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues) forward(issue, ctx, type as Type);
  return z.NEVER;
}

const REFUSED_KEYS = {
  if: 'leave it out; on_error: send_quiet lets records pass that an operator does not fit',
  output: 'operators run in the order of the list; leave it out',
};

function forward(
  issue: z.core.$ZodIssue,
  ctx: z.core.$RefinementCtx<unknown>,
  type: Type,
): void {
  const path = issue.path as (string | number)[];
  if (issue.code === 'unrecognized_keys' && path.length === 0) {
    const known = Object.keys(KEYS[type]);
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

const block = ['id', 'on_error', 'type'];
const parser = [...block, 'parse_from', 'parse_to', 'body', 'timestamp', 'severity'];
const named = (...keys: string[]): Record<string, true> =>
  Object.fromEntries(keys.map((key) => [key, true]));
const KEYS: Record<Type, Record<string, unknown>> = {
  json_parser: named(...parser, 'parse_ints', 'max_depth'),
  regex_parser: named(...parser, 'regex'),
  time_parser: named(...block, ...Object.keys(timeKeys())),
  severity_parser: named(...block, ...Object.keys(severityKeys())),
  add: named(...block, 'field', 'value'),
  copy: named(...block, 'from', 'to'),
  move: named(...block, 'from', 'to'),
  remove: named(...block, 'field'),
};

/** Told of each failure; `quiet` when nobody wants to read of it. */
export type FailureReport = (operator: string, fault: string, quiet: boolean) => void;

/** Runs all operators on an entry; false when it is to be dropped. */
export type Pipeline = (entry: Entry) => boolean;

export function createPipeline(
  operators: readonly OperatorConfig[],
  clock: Clock,
  report: FailureReport,
): Pipeline {
  const steps = operators.map((config) => ({
    name: config.id ?? config.type,
    step: createStep(config, clock),
    drops: config.on_error.startsWith('drop'),
    quiet: config.on_error.endsWith('_quiet'),
  }));
  return (entry) => {
    for (const { name, step, drops, quiet } of steps) {
      const failure = step(entry);
      if (failure === null) continue;
      report(name, failure, quiet);
      if (drops) return false;
    }
    return true;
  };
}

function createStep(config: OperatorConfig, clock: Clock): Step {
  switch (config.type) {
    case 'json_parser': return createJsonParser(config, clock);
    case 'regex_parser': return createRegexParser(config, clock);
    case 'time_parser': return createTime(config, clock);
    case 'severity_parser': return createSeverity(config);
    case 'add': return createAdd(config);
    case 'copy': return createCopy(config);
    case 'move': return createMove(config);
    case 'remove': return createRemove(config);
  }
}
