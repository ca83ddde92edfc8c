// The keys of a rule file, and what values they take; what they mean together is found out later.
// docs/rules.md has the same keys with examples.

import * as z from 'zod';
import { count, duration, refusedKey, strictObject } from '../../../config/schema.ts';
import { AGGREGATES } from '../../metrics/question.ts';

export const limits = {
  /** Groups of a file, and rules of a group; more are refused. */
  groupsMax: 1000,
  rulesMax: 5000,
  /** Labels that a rule makes alerts for, each value of them one. */
  byMax: 10,
  /** Labels and annotations that a rule adds. */
  textsMax: 64,
  /** Characters of names. */
  nameCharactersMax: 200,
  /** Alerts by names that must be there. */
  expectedMax: 1000,
  /** Pairs of windows of an objective. */
  windowsMax: 10,
  levelsMax: 5,
  /** Groups are evaluated no more often than this, and at least once a day. */
  intervalMin: '1s',
  intervalMax: '1d',
  /** Records do not come later than this. */
  offsetMax: '1h',
} as const;

const name = () => z.string().min(1).max(limits.nameCharactersMax);
const by = () => z.array(name()).max(limits.byMax);
const share = () => z.union([z.number(), z.string()]);
const texts = () => z.record(name(), z.union([z.string(), z.number(), z.boolean()]));
const condition = () => z.union([z.string(), z.number()]);

/** The signal that something is measured of: one of the three keys. */
const signal = () => ({
  logs: z.string().optional(),
  spans: z.string().optional(),
  metric: name().optional(),
  where: z.string().optional(),
});

const change = () => strictObject({
  from: duration({ min: '1s' }),
  as: z.enum(['percent', 'difference', 'ratio']).default('percent'),
});

const forecast = () => strictObject({
  within: duration({ min: '1m' }),
  history: duration({ min: '1m' }).prefault('1d'),
  step: duration({ min: '1s' }).optional(),
  reaches: condition(),
});

const anomaly = () => strictObject({
  method: z.enum(['robust', 'seasonal', 'decomposition']).default('robust'),
  step: duration({ min: '1s' }).optional(),
  history: duration({ min: '1m' }).optional(),
  warm_up: duration().optional(),
  direction: z.enum(['above', 'below', 'both']).default('both'),
  sensitivity: z.number().positive().max(100).optional(),
  min_delta: z.number().min(0).default(0),
  min_change: share().default(0),
  points: z.string().optional(),
  time_zone: z.string().default('UTC'),
});

const absent = () => strictObject({
  ...signal(),
  by: by().default([]),
  seen_within: duration({ min: '1m' }).prefault('1d'),
  expected: z.array(z.record(name(), z.string())).max(limits.expectedMax).default([]),
});

const slo = () => strictObject({
  objective: share(),
  period: duration({ min: '1h' }).prefault('30d'),
  logs: z.string().optional(),
  spans: z.string().optional(),
  bad: z.string().optional(),
  slower_than: duration().optional(),
  by: by().default([]),
  min_events: count().default(100),
  windows: z.array(strictObject({
    severity: name(),
    long: duration({ min: '1m' }),
    short: duration({ min: '1s' }).optional(),
    factor: z.number().positive().optional(),
    budget: share().optional(),
  })).min(1).max(limits.windowsMax).optional(),
});

const level = () => z.union([condition(), strictObject({
  condition: condition(),
  for: duration().optional(),
})]);

export const ruleSchema = () => strictObject({
  alert: name().optional(),
  record: refusedKey('rules that store what they measure are not there; ask the question itself '
    + 'in alerts and dashboards'),
  expr: refusedKey('PromQL comes later; write metric: NAME with value, by and condition'),
  pattern: refusedKey('patterns of logs come later; write logs: with a search'),
  ...signal(),
  sql: z.string().optional(),
  absent: absent().optional(),
  slo: slo().optional(),
  composite: z.string().optional(),
  value: z.string().optional(),
  across: z.enum(AGGREGATES).optional(),
  over: duration().optional(),
  by: by().optional(),
  on: by().optional(),
  stale: z.enum(['false', 'true', 'keep']).or(z.boolean().transform((one) =>
    (one ? 'true' : 'false'))).optional(),
  change: change().optional(),
  anomaly: anomaly().optional(),
  forecast: forecast().optional(),
  condition: condition().optional(),
  severity: name().optional(),
  levels: z.record(name(), level()).optional(),
  for: duration().prefault('0s'),
  keep_firing_for: duration().prefault('0s'),
  no_data: z.enum(['ok', 'alerting', 'keep']).default('ok'),
  on_error: z.enum(['keep', 'ok', 'alerting']).default('keep'),
  labels: texts().default({}),
  annotations: texts().default({}),
  runbook: z.string().default(''),
  owner: z.string().default(''),
});

export const groupSchema = () => strictObject({
  name: name(),
  interval: duration({ min: limits.intervalMin, max: limits.intervalMax }).prefault('1m'),
  query_offset: duration({ max: limits.offsetMax }).prefault('0s'),
  limit: count().default(0),
  labels: texts().default({}),
  rules: z.array(z.unknown()).max(limits.rulesMax).default([]),
});

export const fileSchema = () => strictObject({
  groups: z.array(z.unknown()).max(limits.groupsMax),
});

export type RuleShape = z.output<ReturnType<typeof ruleSchema>>;
export type GroupShape = z.output<ReturnType<typeof groupSchema>>;
export type AnomalyShape = NonNullable<RuleShape['anomaly']>;
export type ForecastShape = NonNullable<RuleShape['forecast']>;
export type AbsentShape = NonNullable<RuleShape['absent']>;
export type SloShape = NonNullable<RuleShape['slo']>;
