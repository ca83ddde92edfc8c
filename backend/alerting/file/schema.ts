// The keys of an alerting file: Alertmanager's, with the same defaults, and ours. Receivers are in
// receivers.ts, since what may stand in them depends on the notifiers that there are.

import * as z from 'zod';
import {
  count, duration, fault, ignoredKey, optionalSection, secret, section, strictObject,
} from '../../../config/schema.ts';
import { parseMatchers, sortedMatchers, matcherProblem } from '../matchers.ts';
import type { Matcher } from '../model.ts';
import { timeIntervals } from './times.ts';

export const limits = {
  /** Routes of one level, receivers, rules of inhibition; more are refused. */
  entriesMax: 10_000,
} as const;

/** Everything but the receivers. */
export const fileShape = () => ({
  global: section(globalShape()).describe('What counts for all receivers, unless they differ.'),
  route: routeSchema().describe('Which alerts go to whom; the topmost takes all.').optional(),
  inhibit_rules: z.array(inhibitRule()).max(limits.entriesMax)
    .describe('Alerts that hide others while they fire.').default([]),
  time_intervals: timeIntervals().describe('Named times for routes.'),
  mute_time_intervals: timeIntervals().describe('The older name of `time_intervals`.'),
  templates: z.array(z.string()).describe('Not used; texts are written with the receivers.')
    .default([]),
  limits: limitsSchema().describe('What keeps receivers from being told too often.'),
  tracing: ignoredKey('the backend tells of itself under /metrics'),
  event_recorder: ignoredKey('the journal records what happens'),
});

/** Keys whose meaning is in backend/alerting/life/. */
export const LIFE_KEYS = ['escalations', 'rotations'] as const;

export interface RouteYaml {
  receiver?: string | undefined;
  group_by?: string[] | undefined;
  matchers: readonly Matcher[];
  match: Record<string, string>;
  match_re: Record<string, string>;
  continue: boolean;
  group_wait?: number | undefined;
  group_interval?: number | undefined;
  repeat_interval?: number | undefined;
  mute_time_intervals: string[];
  active_time_intervals: string[];
  limits?: LimitsYaml | undefined;
  escalation?: string | undefined;
  routes: RouteYaml[];
}

export interface LimitsYaml {
  cooldown?: number | undefined;
  max_per_hour?: number | undefined;
  flapping?: { changes: number; within: number } | undefined;
}

export const routeSchema = (): z.ZodType<RouteYaml> => strictObject({
  receiver: z.string().min(1).describe('Who is told; absent: as above.').optional(),
  group_by: z.array(z.string().min(1)).superRefine(checkGroupBy)
    .describe("Labels that tell groups apart; ['...'] for all; absent: as above.").optional(),
  matchers: matchersList().describe('What alerts must have, such as `severity="critical"`.'),
  match: olderMatchers(false).describe('The older way of `matchers`, for equal values.'),
  match_re: olderMatchers(true).describe('The older way of `matchers`, for expressions.'),
  continue: z.boolean().describe('Whether the routes behind it are tried, too.').default(false),
  group_wait: span().describe('How long a new group waits for more; absent: as above, or 30s.')
    .optional(),
  group_interval: span('1ms').describe('Between two looks at a group; absent: as above, or 5m.')
    .optional(),
  repeat_interval: span('1ms').describe('Until the same is told again; absent: as above, or 4h.')
    .optional(),
  mute_time_intervals: z.array(z.string().min(1)).describe('When nobody is told.').default([]),
  active_time_intervals: z.array(z.string().min(1))
    .describe('When somebody is told; absent: always.').default([]),
  limits: optionalLimits().describe('What differs from the limits above.'),
  escalation: z.string().min(1).describe('Whom to tell next when nobody acknowledges.').optional(),
  labels: ignoredKey('templates have the labels of the group'),
  routes: z.array(z.lazy(routeSchema)).max(limits.entriesMax)
    .describe('Tried in order; the first that fits takes the alert.').default([]),
});

/** Go's durations, with Prometheus' weeks and years. */
export function span(min: string = '0s', max?: string): z.ZodType<number> {
  const inner = duration(max === undefined ? { min } : { min, max });
  return z.preprocess((value) => (typeof value === 'string'
    ? value.replace(/(\d+)(y|w)/g, (_, number: string, unit: string) =>
      `${Number(number) * (unit === 'y' ? 365 : 7)}d`)
    : value), inner) as z.ZodType<number>;
}

const limitsShape = () => ({
  cooldown: span().describe('Least time between two messages about new alerts of a group.')
    .optional(),
  max_per_hour: count({ max: 10_000 }).describe('Messages of a channel in an hour; 0: any.')
    .optional(),
  flapping: optionalSection({
    changes: count({ min: 2, max: 1000 }).describe('So many changes …'),
    within: span('1s', '24h').describe('… in this time make an alert flap; it is told of less.'),
  }),
});

const limitsSchema = (): z.ZodType<LimitsYaml> => section(limitsShape());
const optionalLimits = (): z.ZodType<LimitsYaml | undefined> => optionalSection(limitsShape());

const inhibitRule = () => strictObject({
  name: z.string().describe('For people.').default(''),
  source_matchers: matchersList().describe('Alerts that hide others.'),
  source_match: olderMatchers(false).describe('The older way of `source_matchers`.'),
  source_match_re: olderMatchers(true).describe('The older way of `source_matchers`.'),
  target_matchers: matchersList().describe('Alerts that are hidden.'),
  target_match: olderMatchers(false).describe('The older way of `target_matchers`.'),
  target_match_re: olderMatchers(true).describe('The older way of `target_matchers`.'),
  equal: z.array(z.string().min(1)).describe('Labels that must be the same in both.').default([]),
});

/** A list of texts; each may hold several matchers. */
function matchersList(): z.ZodType<readonly Matcher[]> {
  const schema = z.array(z.string()).default([]).transform((texts, ctx) =>
    sortedMatchers(texts.flatMap((text, index) => {
      const parsed = parseMatchers(text);
      if (parsed.ok) return parsed.matchers;
      fault(ctx, parsed.why, 'write it like severity="critical" or host=~"web.*"', [index]);
      return [];
    })));
  return schema as unknown as z.ZodType<readonly Matcher[]>;
}

function olderMatchers(isRegex: boolean) {
  return z.record(z.string().min(1), z.string()).superRefine((pairs, ctx) => {
    for (const [name, value] of Object.entries(pairs)) {
      const why = matcherProblem({ name, value, isRegex, isEqual: true });
      if (why !== null) fault(ctx, why, '', [name]);
    }
  }).default({});
}

function checkGroupBy(names: readonly string[], ctx: z.core.$RefinementCtx<unknown>): void {
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) < index) fault(ctx, 'stands here twice', '', [index]);
    if (name === '...' && names.length > 1) {
      fault(ctx, "'...' stands for all labels", 'write it alone, or only labels', [index]);
    }
  }
}

/** Keys of `global` that are handed to receivers; their values are checked there. */
const globalShape = () => ({
  resolve_timeout: span().describe('When an alert without an end is over.').prefault('5m'),
  ...Object.fromEntries(GLOBAL_TEXTS.map((key) =>
    [key, z.unknown().describe('For receivers that do not say it themselves.').optional()])),
  ...Object.fromEntries(GLOBAL_SECRETS.map((key) =>
    [key, z.unknown().meta(SECRET).describe('For receivers that do not say it.').optional()])),
  ...Object.fromEntries(GLOBAL_OTHERS.map((key) =>
    [key, ignoredKey('there is no such channel here')])),
});

const SECRET = secret().meta() ?? {};

const GLOBAL_TEXTS = [
  'smtp_from', 'smtp_hello', 'smtp_smarthost', 'smtp_auth_username', 'smtp_auth_password_file',
  'smtp_auth_identity', 'smtp_auth_secret_file', 'smtp_require_tls', 'smtp_tls_config',
  'smtp_force_implicit_tls', 'slack_api_url_file', 'slack_app_token_file', 'slack_app_url',
  'pagerduty_url', 'opsgenie_api_url', 'opsgenie_api_key_file', 'telegram_api_url',
  'telegram_bot_token_file',
] as const;

/** Not shown; `http_config` may hold credentials. */
const GLOBAL_SECRETS = ['http_config', 'smtp_auth_password', 'smtp_auth_secret',
  'slack_api_url', 'slack_app_token', 'opsgenie_api_key', 'telegram_bot_token'] as const;

/** Of channels that are not built. */
const GLOBAL_OTHERS = ['jira_api_url', 'victorops_api_key', 'victorops_api_key_file',
  'victorops_api_url', 'webex_api_url', 'wechat_api_url', 'wechat_api_secret',
  'wechat_api_secret_file', 'wechat_api_corp_id', 'rocketchat_api_url', 'rocketchat_token',
  'rocketchat_token_file', 'rocketchat_token_id', 'rocketchat_token_id_file',
  'mattermost_webhook_url', 'mattermost_webhook_url_file'] as const;
