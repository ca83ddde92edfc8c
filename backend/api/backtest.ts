// `POST /api/rules/backtest`: what a rule would have done over a period that is stored. Nothing of
// it is kept. See docs/api.md.

import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Clock } from '../../runtime/clock.ts';
import { rehearse, type Grouping, type Rehearsal } from '../alerting/rehearsal.ts';
import { backtest, limits as backtestLimits, type Backtest, type BacktestPeriod,
  type BacktestSource, type Firing } from '../rules/backtest.ts';
import type { WatchedRuleBook } from '../rules/book.ts';
import { readRules } from '../rules/file/rules.ts';
import { readRule } from '../rules/file/single.ts';
import type { Measurer, Rule, RuleGroup } from '../rules/model.ts';
import { ApiError } from './errors.ts';
import { leavingOf } from './leaving.ts';
import { answers, DAY_MS, invalid, problems, readDuration, readPeriod } from './period.ts';
import { refuseForeignPages } from './query.ts';

export const limits = {
  /** At the same time; one more is refused. */
  atOnceMax: 2,
  /** One that takes longer is given up. */
  runMs: 120_000,
  /** A longer period is refused. */
  periodMsMax: 92 * DAY_MS,
  bodyBytesMax: 256 * 1024,
  /** Characters of an id, a name or a time; more are refused. */
  nameCharactersMax: 200,
} as const;

/** When `last`, `from` and `to` are not given. */
const LAST_MS = 14 * DAY_MS;

export interface BacktestRouteOptions extends Omit<BacktestSource, 'clock'> {
  readonly book: Pick<WatchedRuleBook, 'rule'>;
  readonly check: Measurer['check'];
  readonly clock: Clock;
  /** How long records are kept. */
  readonly retentionMs: number;
  /** Of the topmost route, as it is now. */
  readonly grouping: () => Grouping;
}

interface Asked {
  readonly rule?: string;
  readonly name?: string;
  readonly id?: string;
  readonly from?: string;
  readonly to?: string;
  readonly last?: string;
}

interface Chosen {
  readonly rule: Rule;
  readonly group: RuleGroup;
}

export function registerBacktest(app: FastifyInstance, options: BacktestRouteOptions): void {
  let running = 0;
  app.addHook('onRequest', refuseForeignPages);
  app.post('/api/rules/backtest', { schema: DOCS, bodyLimit: limits.bodyBytesMax },
    async (request: FastifyRequest, reply) => {
      const asked = request.body as Asked;
      const chosen = ruleOf(asked, options);
      const period = periodOf(asked, options.clock.nowMs());
      if (running >= limits.atOnceMax) {
        throw new ApiError('TOO_MANY_SIMULTANEOUS_QUERIES',
          `${limits.atOnceMax} backtests run already`, 'ask again in a moment');
      }
      running++;
      try {
        const found = await run(chosen, period, options, leavingOf(reply));
        return await reply.header('cache-control', 'no-store').send(found);
      } finally {
        running--;
      }
    });
}

function ruleOf(asked: Asked, { book, retentionMs }: BacktestRouteOptions): Chosen {
  if ((asked.id === undefined) === (asked.rule === undefined)) {
    throw new ApiError('INVALID_REQUEST', 'say which rule: rule or id',
      'rule is its text, id that of a rule of GET /api/rules');
  }
  if (asked.id !== undefined) {
    const known = book.rule(asked.id);
    if (known !== null) return known;
    throw new ApiError('NOT_FOUND', 'there is no rule with this id', 'GET /api/rules lists them');
  }
  const found = readText(asked.rule!, retentionMs);
  const rules = found.flatMap((group) => group.rules.map((rule) => ({ rule, group })));
  const named = asked.name === undefined ? rules
    : rules.filter(({ rule }) => rule.name === asked.name);
  if (named.length === 1) return named[0]!;
  const names = rules.slice(0, 10).map(({ rule }) => rule.name).join(', ');
  throw new ApiError('INVALID_REQUEST', `${named.length} rules are meant, not one`,
    `name one of them with name: ${names}`);
}

/** One rule, or a whole file. */
function readText(text: string, retentionMs: number): readonly RuleGroup[] {
  const options = { retentionMs, compositesLater: true };
  const isFile = /^\s*(?:"groups"|groups)\s*:|^\s*\{\s*"groups"/m.test(text);
  const file = isFile ? readRules({ file: 'rule', text }, options) : null;
  const one = isFile ? null : readRule(text, options);
  const wrong = file !== null ? file.problems : one!.ok ? [] : one!.problems;
  const [first] = wrong;
  if (first !== undefined) {
    const message = first.path === '' ? first.why : `${first.path}: ${first.why}`;
    throw new ApiError('INVALID_RULE', message, first.hint === '' ? undefined : first.hint,
      wrong.map(({ why, line, column, path, hint }) =>
        ({ line, column, path, message: why, hint })));
  }
  return file !== null ? file.groups : one!.ok ? [one!.group] : [];
}

function periodOf({ from, to, last }: Asked, nowMs: number): BacktestPeriod {
  if (last !== undefined && from !== undefined) throw invalid('say last or from, not both');
  const defaultMs = last === undefined ? LAST_MS : readDuration('last', last);
  return readPeriod({ from, to }, { nowMs, defaultMs, periodMsMax: limits.periodMsMax });
}

async function run(
  chosen: Chosen,
  period: BacktestPeriod,
  options: BacktestRouteOptions,
  leaving: AbortSignal,
) {
  const { clock, check, grouping } = options;
  const late = new AbortController();
  const timer = clock.after(limits.runMs, () => late.abort());
  const abort = AbortSignal.any([leaving, late.signal]);
  try {
    const fault = await check(chosen.rule, abort);
    if (fault !== null) throw new ApiError('INVALID_RULE', fault.why, fault.hint || undefined);
    const outcome = await backtest(chosen, period, options, abort);
    if (!outcome.ok) throw new ApiError('INVALID_REQUEST', outcome.why, outcome.hint);
    const { firings } = outcome.backtest;
    const told = rehearse(firings.map(({ labels, fromMs, toMs }) =>
      ({ labels, fromMs, toMs: toMs ?? Infinity })), grouping(), period.toMs);
    return shown(chosen, period, outcome.backtest, { told, grouping: grouping() });
  } catch (error) {
    if (!late.signal.aborted) throw error;
    throw new ApiError('INVALID_REQUEST',
      `the backtest takes longer than ${limits.runMs / 1000} seconds`,
      'ask for a shorter period, or try the rule with a longer interval');
  } finally {
    timer.cancel();
  }
}

function shown(
  { rule, group }: Chosen,
  { fromMs, toMs }: BacktestPeriod,
  found: Backtest,
  { told, grouping }: { readonly told: Rehearsal; readonly grouping: Grouping },
) {
  const { firings } = found;
  return {
    rule: { id: rule.id, name: rule.name, group: group.name },
    from: iso(fromMs), to: iso(toMs), interval_seconds: group.intervalMs / 1000,
    evaluations: found.evaluations, empty: found.empty, failures: found.failures,
    error: found.error,
    fired: firings.length, pending_only: found.pendings, flaps: found.flaps,
    share_firing: found.shareFiring,
    seconds_firing: firings.reduce((sum, one) => sum + lastedMs(one, toMs), 0) / 1000,
    notifications: {
      count: told.notifications, groups: told.groups, reasons: told.reasons,
      truncated: told.truncated,
      group_by: grouping.groupBy === 'all' ? ['...'] : grouping.groupBy,
      group_wait_seconds: grouping.groupWaitMs / 1000,
      group_interval_seconds: grouping.groupIntervalMs / 1000,
      repeat_interval_seconds: grouping.repeatIntervalMs / 1000,
    },
    alerts: firings.slice(0, backtestLimits.alertsMax).map((one) => ({
      labels: one.labels, active: iso(one.activeAtMs), from: iso(one.fromMs),
      to: one.toMs === null ? null : iso(one.toMs), seconds: lastedMs(one, toMs) / 1000,
      // Infinite values, such as times until never, are none in JSON.
      min: finite(one.min), max: finite(one.max),
    })),
    truncated: firings.length > backtestLimits.alertsMax,
  };
}

const iso = (ms: number): string => new Date(ms).toISOString();
const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
const lastedMs = ({ fromMs, toMs }: Firing, endMs: number): number => (toMs ?? endMs) - fromMs;

const text = (description: string, maxLength: number = limits.nameCharactersMax) =>
  ({ type: 'string', maxLength, description });

const DOCS = {
  operationId: 'backtestRule',
  summary: 'What a rule would have done over a period that is stored',
  description: 'Evaluates the rule at each multiple of its interval with what is stored, and says '
    + 'when it would have fired, and how many notifications the topmost route would have made of '
    + 'it. Nothing is kept, and nobody is told.',
  tags: ['rules'],
  body: {
    type: 'object',
    additionalProperties: false,
    properties: {
      rule: text('A rule, or a rule file, as YAML or JSON.', limits.bodyBytesMax),
      name: text('Which rule of the file.'),
      id: text('A rule that counts, instead of a text.'),
      last: text('How far back, such as 14d, which is the default.'),
      from: text('Instead of last: ISO 8601, a number since 1970, or now-3d.'),
      to: text('Now unless given.'),
    },
  },
  response: {
    200: answers('When it would have fired.', {
      type: 'object', required: ['evaluations', 'fired', 'alerts', 'notifications'],
      additionalProperties: true,
    }),
    400: problems('The rule or the period cannot be, or it takes too long.'),
    404: problems('There is no rule with this id.'),
    429: problems('As many backtests run as may.'),
  },
};
