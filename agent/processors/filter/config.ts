// The keys of the filter processor: conditions by level, flat lists whose levels are found from
// their paths, and the older `include` and `exclude`.

import * as z from 'zod';
import { NO_PATTERN, parsePattern } from '../../../config/pattern.ts';
import {
  fault, ignoredKey, optionalSection, refusedKey, section, strictObject,
} from '../../../config/schema.ts';
import type { Signal } from '../../../proto/otlp/model.ts';
import { OttlFault } from '../../ottl/fault.ts';
import { CONTEXTS_OF } from '../../ottl/inference.ts';
import { contextOfGroup, problemFrom } from '../../ottl/ottl.ts';
import { errorMode, ottlCondition, ottlConditions } from '../../ottl/schema.ts';
import type { OttlContextName } from '../../ottl/view.ts';
import { recordMatch } from '../edit/match.ts';
import { METRIC_CONVERTERS } from './converters.ts';

const level = (context: OttlContextName, what: string) =>
  ottlConditions({ context, functions: METRIC_CONVERTERS })
    .describe(`OTTL conditions: ${what} for which one holds are dropped.`).default([]);

const pairs = (what: string) => z.array(strictObject({
  key: z.string().min(1).describe('The attribute.'),
  value: z.union([z.string(), z.number(), z.boolean()])
    .describe('Its value; any value when absent.').optional(),
})).min(1).describe(`${what}, all of these.`).optional();

const texts = (what: string) => z.array(z.string()).min(1)
  .describe(`${what}, any of these.`).optional();

const SEVERITIES = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];

/** 1 to 24 of `INFO`, `info2`, `9`. */
function parseSeverity(written: string | number): number | null {
  const match = /^(?:([a-z]+)([2-4]?)|(\d{1,2}))$/i.exec(String(written));
  if (match === null) return null;
  if (match[3] !== undefined) {
    const number = Number(match[3]);
    return number >= 1 && number <= 24 ? number : null;
  }
  const index = SEVERITIES.indexOf(match[1]!.toUpperCase());
  return index === -1 ? null : index * 4 + Number(match[2] === '' ? 1 : match[2]);
}

const severity = () => z.union([z.string(), z.number()]).transform((written, ctx) => {
  const number = parseSeverity(written);
  if (number !== null) return number;
  fault(ctx, 'is no severity', 'write TRACE to FATAL4, or 1 to 24');
  return z.NEVER;
}).describe('The least severity: TRACE to FATAL4, or 1 to 24.');

const matchType = () => z.enum(['strict', 'regexp']).describe('How texts are compared.')
  .default('strict');

const logMatch = () => checkedPatterns(optionalSection({
  match_type: matchType(),
  resource_attributes: pairs('Attributes of the resource'),
  record_attributes: pairs('Attributes of the record'),
  severity_texts: texts('Severity texts'),
  severity_number: optionalSection({
    min: severity(),
    match_undefined: z.boolean().describe('Whether records without one match.').default(false),
  }).describe('Severity of log records.'),
  bodies: texts('Texts of log records'),
}));

const metricMatch = () => checkedPatterns(optionalSection({
  match_type: z.enum(['strict', 'regexp', 'expr']).describe('How names are compared.')
    .default('strict'),
  metric_names: texts('Names of metrics'),
  resource_attributes: pairs('Attributes of the resource'),
  expressions: refusedKey('use metrics.datapoint, or metric_conditions, with OTTL'),
  regexp: ignoredKey('regular expressions are compiled once, nothing is kept of their results'),
}).superRefine((match, ctx) => {
  if (match?.match_type !== 'expr') return;
  fault(ctx, 'is not supported', 'use metrics.datapoint, or metric_conditions, with OTTL',
    ['match_type']);
}));

type Matching = Readonly<Record<string, unknown>> | undefined;

/** With match_type regexp all texts are patterns. */
function checkedPatterns<T extends z.ZodType<Matching>>(schema: T): T {
  return schema.superRefine((match, ctx) => {
    if (match?.['match_type'] !== 'regexp') return;
    for (const [key, list] of Object.entries(match)) {
      if (!Array.isArray(list)) continue;
      for (const [index, item] of list.entries()) {
        const text = typeof item === 'string' ? item : String(item.value ?? '');
        if (parsePattern(text) !== null) continue;
        fault(ctx, NO_PATTERN.why, NO_PATTERN.hint,
          typeof item === 'string' ? [key, index] : [key, index, 'value']);
      }
    }
  });
}

const group = (signal: Signal) => strictObject({
  context: z.enum(CONTEXTS_OF[signal]).describe('Where the conditions run; found from their '
    + 'paths when absent.').optional(),
  error_mode: errorMode().optional(),
  conditions: z.array(z.string()).describe('OTTL conditions: what one holds for is dropped.'),
}).superRefine(({ context, conditions }, ctx) => {
  checkGroup(signal, context, conditions, (problem, index) =>
    fault(ctx, problem.why, problem.hint, ['conditions', index]));
});

type Report = (problem: { why: string; hint: string }, index: number) => void;

function checkGroup(
  signal: Signal, context: OttlContextName | undefined, conditions: readonly string[],
  report: Report,
): void {
  conditions.forEach((text, index) => {
    try {
      const found = context ?? contextOfGroup([], [text], signal, METRIC_CONVERTERS);
      const checked = ottlCondition({ context: found, functions: METRIC_CONVERTERS })
        .safeParse(text);
      for (const issue of checked.error?.issues ?? []) {
        const hint = String((issue as { params?: { hint?: string } }).params?.hint ?? '');
        report({ why: issue.message, hint }, index);
      }
    } catch (error) {
      if (!(error instanceof OttlFault)) throw error;
      report(problemFrom(text, error), index);
    }
  });
}

const flat = (signal: Signal) => z.array(z.union([
  ottlCondition({ signal, functions: METRIC_CONVERTERS }), group(signal),
])).describe(`OTTL conditions for ${signal}, their levels found from their paths, or groups of `
  + 'them: what one holds for is dropped.').default([]);

const createSchema = () => section({
  error_mode: errorMode().default('propagate'),
  trace_conditions: flat('traces'),
  metric_conditions: flat('metrics'),
  log_conditions: flat('logs'),
  profile_conditions: refusedKey('profiles are not a signal here'),
  traces: section({
    resource: level('resource', 'resources'),
    span: level('span', 'spans'),
    spanevent: level('spanevent', 'events of spans'),
  }).describe('Conditions by level.'),
  metrics: section({
    resource: level('resource', 'resources'),
    metric: level('metric', 'metrics'),
    datapoint: level('datapoint', 'data points'),
    include: metricMatch().describe('Only metrics that match pass. Older form.'),
    exclude: metricMatch().describe('Metrics that match are dropped. Older form.'),
    regexp: ignoredKey('regular expressions are compiled once, nothing is kept of their results'),
  }).describe('Conditions by level.'),
  logs: section({
    resource: level('resource', 'resources'),
    log_record: level('log', 'log records'),
    include: logMatch().describe('Only log records that match pass. Older form.'),
    exclude: logMatch().describe('Log records that match are dropped. Older form.'),
  }).describe('Conditions by level.'),
  spans: section({
    include: recordMatch().describe('Only spans that match pass.'),
    exclude: recordMatch().describe('Spans that match are dropped.'),
  }).describe('The older form for spans.'),
  profiles: refusedKey('profiles are not a signal here'),
}).superRefine((config, ctx) => {
  const { traces, metrics, logs, spans } = config;
  const both = (older: object, levels: readonly unknown[][]) =>
    Object.values(older).some((match) => match !== undefined)
      && levels.some((list) => list.length > 0);
  const report = (key: string) => fault(ctx, 'has conditions and include or exclude',
    'use one of the two forms', [key]);
  if (both(spans, [traces.resource, traces.span, traces.spanevent])) report('spans');
  const { include, exclude } = metrics;
  if (both({ include, exclude }, [metrics.resource, metrics.metric, metrics.datapoint])) {
    report('metrics');
  }
  if (both({ a: logs.include, b: logs.exclude }, [logs.resource, logs.log_record])) report('logs');
});

export const filterSchema = createSchema;
export type FilterConfig = z.output<ReturnType<typeof createSchema>>;
export type LogMatch = FilterConfig['logs']['include'];
export type MetricMatch = FilterConfig['metrics']['include'];
export type ConditionGroup = Exclude<FilterConfig['trace_conditions'][number], string>;
