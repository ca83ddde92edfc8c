// What tools ask Prometheus about rules and alerts: `/api/v1/rules` and `/api/v1/alerts`, so that
// Grafana lists ours when Binnacle is added as a data source of the type Prometheus. There is no
// PromQL behind it: of queries only sums of numbers are answered, which is what such tools try a
// connection with; any other is an error that says so. See docs/alerts.md.

import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Clock } from '../../runtime/clock.ts';
import { compileMatchers, parseMatchers } from '../alerting/matchers.ts';
import type { Labels } from '../labels/labels.ts';
import type { GroupStatus, RuleStatus } from '../rules/memory.ts';
import type { RuleAlert } from '../rules/state.ts';
import { printCondition } from './alerts/shown.ts';
import { problemOf } from './errors.ts';
import { refuseForeignPages } from './query.ts';

export interface PrometheusRouteOptions {
  readonly status: () => readonly GroupStatus[];
  readonly clock: Clock;
  readonly version: string;
}

/** Adds the routes to `app`, which must be a scope of its own: errors are answered otherwise. */
export function registerPrometheus(app: FastifyInstance, options: PrometheusRouteOptions): void {
  app.addHook('onRequest', refuseForeignPages);
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' },
    (_, body, done) => done(null, Object.fromEntries(new URLSearchParams(body as string))));
  app.setErrorHandler((error, _, reply) => {
    const problem = error instanceof PromError ? { status: 400, message: error.message }
      : problemOf(error);
    if (problem === null) throw error;
    return reply.code(problem.status).send(
      { status: 'error', errorType: 'bad_data', error: problem.message });
  });
  app.get('/api/v1/rules', { schema: RULES_DOCS }, (request) =>
    success(rulesOf(options, request)));
  app.get('/api/v1/alerts', { schema: docs('prometheusAlerts', 'Alerts of rules') }, () =>
    success({ alerts: options.status().flatMap(({ rules }) => rules)
      .flatMap(({ alerts }) => alerts.flatMap(alertOf)) }));
  app.get('/api/v1/status/buildinfo', { schema: docs('prometheusBuild', 'Version') }, () =>
    success({ version: options.version, revision: '', branch: '', buildUser: '', buildDate: '',
      goVersion: '' }));
  const answer = (request: FastifyRequest) =>
    success(evaluate({ ...request.query as Asked, ...request.body as Asked }, options.clock));
  app.get('/api/v1/query', { schema: QUERY_DOCS }, answer);
  app.post('/api/v1/query', { schema: { ...QUERY_DOCS, operationId: 'prometheusPostQuery' } },
    answer);
}

/** What is wrong with a request, for its sender. */
class PromError extends Error {}

const success = (data: object) => ({ status: 'success', data });

type Asked = Readonly<Record<string, string | readonly string[] | undefined>>;

const listOf = (asked: Asked, name: string): readonly string[] =>
  [asked[`${name}[]`] ?? [], asked[name] ?? []].flat() as string[];

function rulesOf(options: PrometheusRouteOptions, request: FastifyRequest) {
  const asked = request.query as Asked;
  const type = asked['type'] ?? '';
  if (!['', 'alert', 'record'].includes(type as string)) {
    throw new PromError('type must be alert or record');
  }
  const [names, groups, files] = ['rule_name', 'rule_group', 'file']
    .map((name) => listOf(asked, name)) as [string[], string[], string[]];
  const isAsked = (list: readonly string[], value: string) =>
    list.length === 0 || list.includes(value);
  const withAlerts = asked['exclude_alerts'] !== 'true';
  const fits = matchTest(listOf(asked, 'match'));
  // There are no recording rules.
  const shown = type === 'record' ? [] : options.status();
  return { groups: shown
    .filter(({ group }) => isAsked(groups, group.name) && isAsked(files, group.file))
    .map(({ group, evaluatedAtMs, durationMs, rules }) => ({
      name: group.name, file: group.file, interval: group.intervalMs / 1000, limit: group.limit,
      evaluationTime: durationMs / 1000, lastEvaluation: isoOf(evaluatedAtMs),
      rules: rules.filter(({ rule }) => isAsked(names, rule.name)
        && fits(textsOf(rule.labels))).map((one) => ruleOf(one, withAlerts)),
    }))
    .filter(({ rules }) => rules.length > 0) };
}

function matchTest(texts: readonly string[]): (labels: Labels) => boolean {
  const tests = texts.map((text) => {
    const parsed = parseMatchers(text);
    if (!parsed.ok) throw new PromError(`match[] ${parsed.why}`);
    return compileMatchers(parsed.matchers);
  });
  return (labels) => tests.length === 0 || tests.some((test) => test(labels));
}

const textsOf = (templates: RuleStatus['rule']['labels']): Record<string, string> =>
  Object.fromEntries(Object.entries(templates).map(([name, { text }]) => [name, text]));

const STATES = ['firing', 'pending'] as const;

function ruleOf({ rule, alerts, health, lastError, ...more }: RuleStatus, withAlerts: boolean) {
  const { name, levels, keepFiringForMs, labels, annotations } = rule;
  const state = STATES.find((one) => alerts.some((alert) => alert.state === one)) ?? 'inactive';
  return {
    state, name, query: rule.text,
    // Of several levels the one that is reached first.
    duration: Math.min(...levels.map(({ forMs }) => forMs)) / 1000,
    keepFiringFor: keepFiringForMs / 1000,
    labels: { ...textsOf(labels), ...(levels.length === 1 && levels[0].severity !== ''
      ? { severity: levels[0].severity } : {}) },
    annotations: { ...textsOf(annotations), condition: levels.map(({ severity, condition }) =>
      `${severity === '' ? '' : `${severity} `}${printCondition(condition)}`).join(', ') },
    alerts: withAlerts ? alerts.flatMap(alertOf) : [],
    health: health === 'err' ? 'err' : health, ...(lastError === '' ? {} : { lastError }),
    evaluationTime: more.durationMs / 1000, lastEvaluation: isoOf(more.evaluatedAtMs),
    type: 'alerting',
  };
}

function alertOf({ labels, annotations, state, activeAtMs, value, ...more }: RuleAlert) {
  if (state === 'inactive') return [];
  const { keepFiringSinceMs } = more;
  return [{
    labels, annotations, state, activeAt: isoOf(activeAtMs),
    ...(keepFiringSinceMs === null ? {} : { keepFiringSince: isoOf(keepFiringSinceMs) }),
    value: numberText(value),
  }];
}

/** As Go writes it with the verb %e and as few digits as needed: `7e+00`. */
function numberText(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
  return value.toExponential().replace(/e([-+])(\d)$/, 'e$10$2');
}

/** Go's zero time stands for never. */
const isoOf = (ms: number | null): string =>
  (ms === null ? '0001-01-01T00:00:00Z' : new Date(ms).toISOString());

const NUMBER = String.raw`\s*([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)\s*`;
const SUM = new RegExp(`^${NUMBER}(?:([-+*/])${NUMBER})?$`, 'i');

function evaluate(asked: Asked, clock: Clock) {
  const query = String(asked['query'] ?? '');
  const [, first, operator, second] = SUM.exec(query) ?? [];
  if (first === undefined) {
    throw new PromError('PromQL is not evaluated here: ask with POST /api/query or '
      + 'GET /api/metrics/query');
  }
  const time = asked['time'] === undefined ? clock.nowMs() / 1000
    : instantOf(String(asked['time']));
  const value = second === undefined ? Number(first)
    : calculate(Number(first), operator!, Number(second));
  return { resultType: 'scalar', result: [time, goNumber(value)] };
}

function instantOf(text: string): number {
  const seconds = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : Date.parse(text) / 1000;
  if (Number.isFinite(seconds)) return seconds;
  throw new PromError('time must be seconds since 1970 or RFC 3339');
}

function calculate(first: number, operator: string, second: number): number {
  if (operator === '+') return first + second;
  if (operator === '-') return first - second;
  return operator === '*' ? first * second : first / second;
}

const goNumber = (value: number): string => (Number.isFinite(value) ? String(value)
  : numberText(value));

const docs = (operationId: string, summary: string, properties: object = {}) => ({
  operationId, summary, tags: ['prometheus'],
  querystring: { type: 'object', additionalProperties: true, properties },
  response: {
    200: { description: 'As Prometheus answers.', content: { 'application/json': {
      schema: { type: 'object', additionalProperties: true } } } },
    400: { description: 'What is wrong, as Prometheus says it.', content: { 'application/json': {
      schema: { type: 'object', additionalProperties: true } } } },
  },
});

const NAMES = { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] };

const RULES_DOCS = docs('prometheusRules', 'Rules with their alerts', {
  type: { type: 'string' }, 'rule_name[]': NAMES, 'rule_group[]': NAMES, 'file[]': NAMES,
  'match[]': NAMES, exclude_alerts: { type: 'string' },
});

const QUERY_DOCS = docs('prometheusQuery', 'A sum of two numbers, to try the connection', {
  query: { type: 'string', maxLength: 4096 }, time: { type: 'string', maxLength: 64 },
});
