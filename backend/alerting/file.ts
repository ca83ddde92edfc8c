// Reads an alerting file: Alertmanager's format, with keys of our own. See docs/routing.md.
//
// Everything that is wrong is told at once, each with file, line and column. What a file says of
// secrets is in the configuration that comes out, and in nothing else: neither in problems nor in
// what is shown.

import { stringify } from 'yaml';
import type * as z from 'zod';
import type { ConfigPath, ConfigProblem } from '../../config/errors.ts';
import { parseWith, problemAt } from '../../config/parse.ts';
import { parseDuration, strictObject } from '../../config/schema.ts';
import { isSecret } from '../../config/shape.ts';
import { parseSource, type Source } from '../../config/source.ts';
import type { Environment } from '../../config/substitution.ts';
import { createTree, type ConfigTree } from '../../config/tree.ts';
import {
  NO_LIMITS, ROUTE_DEFAULTS, type AlertingConfig, type InhibitRule, type RouteConfig,
  type RouteLimits,
} from './config.ts';
import { checkFile, type FileYaml } from './file/checks.ts';
import { receiverOf, receiversSchema, withGlobals, type Factories } from './file/receivers.ts';
import { fileShape, LIFE_KEYS, type LimitsYaml, type RouteYaml } from './file/schema.ts';
import { lifeSchemas } from './life/settings.ts';
import { sortedMatchers } from './matchers.ts';
import type { Matcher } from './model.ts';
import type { TimeInterval } from './times.ts';

export interface ReadOptions {
  /** Schemas of `escalations` and `rotations`, when they are others. */
  readonly life?: Readonly<Record<string, z.ZodType>>;
}

export interface AlertingFile {
  /** Null when there are problems. */
  readonly config: AlertingConfig | null;
  readonly problems: readonly ConfigProblem[];
  /** What is read and does not count. */
  readonly warnings: readonly ConfigProblem[];
}

/** What is in force when there is no file: everything is shown, and nobody is woken. */
export const DEFAULT_ALERTING: Source = {
  file: 'default alerting',
  text: 'route: {receiver: dashboard, group_by: [alertname]}\n'
    + 'receivers: [{name: dashboard, dashboard_configs: [{}]}]\n',
};

/** `env`: for `${env:NAME}`, and `ALERT_COOLDOWN`, the cooldown unless the file has one. */
export function readAlertingFile(
  source: Source,
  env: Environment,
  factories: Factories,
  options: ReadOptions = {},
): AlertingFile {
  const { root, problems } = parseSource(source, env);
  if (root === null && problems.length > 0) return { config: null, problems, warnings: [] };
  const filled = root === null ? null : withGlobals(root, factories);
  const tree = createTree(filled);
  const schema = fileSchema(factories, options);
  const parsed = parseWith(schema, tree);
  const found = parsed.ok ? checkFile(parsed.value, tree) : parsed.problems;
  if (!parsed.ok || found.length + problems.length > 0) {
    return { config: null, problems: [...problems, ...found], warnings: [] };
  }
  const cooldown = env['ALERT_COOLDOWN'];
  const defaults = limitsOf({ ...NO_LIMITS, cooldownMs: cooldownOf(cooldown) ?? 0 },
    parsed.value.limits);
  const shown = printed(createTree(root).value, schema);
  return {
    config: configOf(parsed.value, factories, defaults, shown), problems: [],
    warnings: warningsOf(parsed.value, tree, cooldown),
  };
}

function fileSchema(
  factories: Factories,
  { life = lifeSchemas() }: ReadOptions,
): z.ZodType<FileYaml> {
  const schema = strictObject({
    ...fileShape(),
    receivers: receiversSchema(factories).describe('Who is told, and how.'),
    ...life,
  });
  return schema as unknown as z.ZodType<FileYaml>;
}

function configOf(
  file: FileYaml,
  factories: Factories,
  defaults: RouteLimits,
  shown: string,
): AlertingConfig {
  const top = { receiver: '', groupBy: [], ...ROUTE_DEFAULTS, limits: defaults, escalation: '' };
  const times: [string, readonly TimeInterval[]][] =
    [...file.time_intervals, ...file.mute_time_intervals]
      .map(({ name, time_intervals: intervals }) => [name, intervals]);
  return {
    resolveTimeoutMs: file.global.resolve_timeout,
    route: routeOf(file.route!, top),
    receivers: file.receivers.map((receiver) => receiverOf(receiver, factories)),
    inhibitRules: file.inhibit_rules.map((rule): InhibitRule => ({
      name: rule.name,
      source: allMatchers(rule.source_matchers, rule.source_match, rule.source_match_re),
      target: allMatchers(rule.target_matchers, rule.target_match, rule.target_match_re),
      equal: rule.equal,
    })),
    timeIntervals: new Map(times),
    life: Object.fromEntries(LIFE_KEYS.flatMap((key) =>
      (file[key] === undefined ? [] : [[key, file[key]]]))),
    shown,
  };
}

type Inherited = Pick<RouteConfig, 'receiver' | 'groupBy' | 'groupWaitMs' | 'groupIntervalMs'
  | 'repeatIntervalMs' | 'limits' | 'escalation'>;

function routeOf(written: RouteYaml, above: Inherited): RouteConfig {
  const groupBy = written.group_by ?? above.groupBy;
  const own: Inherited = {
    receiver: written.receiver ?? above.receiver,
    groupBy: groupBy.includes('...') ? 'all' : groupBy,
    groupWaitMs: written.group_wait ?? above.groupWaitMs,
    groupIntervalMs: written.group_interval ?? above.groupIntervalMs,
    repeatIntervalMs: written.repeat_interval ?? above.repeatIntervalMs,
    limits: limitsOf(above.limits, written.limits),
    escalation: written.escalation ?? above.escalation,
  };
  return {
    ...own,
    matchers: allMatchers(written.matchers, written.match, written.match_re),
    continues: written.continue,
    muteTimeIntervals: written.mute_time_intervals,
    activeTimeIntervals: written.active_time_intervals,
    routes: written.routes.map((inner) => routeOf(inner, own)),
  };
}

function limitsOf(above: RouteLimits, written: LimitsYaml | undefined): RouteLimits {
  const flapping = written?.flapping;
  return {
    cooldownMs: written?.cooldown ?? above.cooldownMs,
    perHourMax: written?.max_per_hour ?? above.perHourMax,
    flapping: flapping === undefined ? above.flapping
      : { changes: flapping.changes, withinMs: flapping.within },
  };
}

function allMatchers(
  matchers: readonly Matcher[],
  equal: Readonly<Record<string, string>>,
  regex: Readonly<Record<string, string>>,
): Matcher[] {
  const older = [equal, regex].flatMap((pairs, index) => Object.entries(pairs).map(
    ([name, value]): Matcher => ({ name, value, isRegex: index === 1, isEqual: true })));
  return sortedMatchers([...older, ...matchers]);
}

/** `5m`, or seconds as a plain number; null when there is none, or it is neither. */
function cooldownOf(text: string | undefined): number | null {
  if (text === undefined || text.trim() === '') return null;
  return /^\d+$/.test(text.trim()) ? Number(text) * 1000 : parseDuration(text.trim());
}

function warningsOf(
  file: FileYaml,
  tree: ConfigTree,
  cooldown: string | undefined,
): ConfigProblem[] {
  const found: ConfigProblem[] = [];
  if (file.templates.length > 0) {
    found.push(problemAt(tree, ['templates'], { why: 'files of templates are not read',
      hint: 'write texts with the receivers; it is ignored' }));
  }
  if (cooldown !== undefined && cooldown.trim() !== '' && cooldownOf(cooldown) === null) {
    found.push({ file: 'ALERT_COOLDOWN', line: 0, column: 0, path: '', why: 'is not a duration',
      hint: 'write it like 5m, or 300 for seconds; it is ignored' });
  }
  return found;
}

/** What stands in place of a secret; Alertmanager's word for it. */
const HIDDEN = '<secret>';

function printed(value: unknown, schema: z.ZodType): string {
  const hide = (inner: unknown, path: ConfigPath): unknown => {
    if (inner === null || inner === undefined || inner === '') return inner;
    if (isSecret(schema, path)) return HIDDEN;
    if (Array.isArray(inner)) return inner.map((item, index) => hide(item, [...path, index]));
    if (typeof inner !== 'object') return inner;
    return Object.fromEntries(Object.entries(inner).map(([key, item]) =>
      [key, hide(item, [...path, key])]));
  };
  return stringify(hide(value ?? {}, []), { lineWidth: 100, aliasDuplicateObjects: false });
}
