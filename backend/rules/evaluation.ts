// One evaluation of groups that are due at the same instant. It asks, computes what becomes of each
// rule, and says what is to be written and posted; it changes nothing itself, so that whoever runs
// it can throw it away and try again.

import type { Clock } from '../../runtime/clock.ts';
import { within } from '../../runtime/deadline.ts';
import { errorMessage } from '../../runtime/errors.ts';
import type { Draft } from '../journal/journal.ts';
import { measureComposite, type Child } from './composite.ts';
import type { Measured, Measurer, Rule, RuleGroup } from './model.ts';
import { alertDraft, limits as restoreLimits, type Gone } from './restore.ts';
import { forOf, step, type RuleAlert, type RuleAlerts } from './state.ts';

export const limits = {
  /** After it what has not been measured has failed; less when the interval is shorter. */
  measureMs: 60_000,
  /** Alerts of one evaluation that get evidence; the others are told of without. */
  evidenceAlertsMax: 20,
  /** Of these, asked for at the same time. */
  evidenceAtOnce: 4,
  /** What has not been found until then is left out. */
  evidenceMs: 5000,
} as const;

export interface Due {
  readonly atMs: number;
  readonly queryOffsetMs: number;
  readonly groups: readonly RuleGroup[];
}

export interface EvaluationContext {
  readonly measurer: Measurer;
  readonly clock: Clock;
  readonly externalUrl: string;
  /** What the evaluation before left; empty for a rule that is new. */
  alertsOf(ruleId: string): RuleAlerts;
  /** Rules of the name as they were evaluated last, with their ids. */
  rulesNamed(name: string): readonly (Child & { readonly id: string })[];
}

export interface Evaluated {
  readonly rule: Rule;
  readonly group: RuleGroup;
  readonly alerts: RuleAlerts;
  /** Why it failed; '' when it did not. */
  readonly error: string;
}

/** What becomes of each rule, in the order of the groups. Never throws. */
export async function evaluate(
  due: Due,
  context: EvaluationContext,
  abort: AbortSignal,
): Promise<Evaluated[]> {
  const rules = due.groups.flatMap((group) => group.rules);
  const measured = await measureAll(rules.filter(({ source }) => source.type !== 'composite'), due,
    context, abort);
  const done = new Map<string, Evaluated>();
  for (const group of due.groups) {
    for (const rule of group.rules) {
      const found = rule.source.type === 'composite'
        ? measureComposite(rule.source, (name) => childrenOf(name, done, context, due.atMs),
          due.atMs)
        : measured.get(rule.id) ?? { ok: false, reason: 'it was not measured' };
      const { alerts, error } = step(context.alertsOf(rule.id), { rule, group, measured: found,
        atMs: due.atMs, externalUrl: context.externalUrl });
      done.set(rule.id, { rule, group, alerts, error });
    }
  }
  return withEvidence([...done.values()], due, context, abort);
}

async function measureAll(
  rules: readonly Rule[],
  { atMs, queryOffsetMs, groups }: Due,
  { measurer, clock }: EvaluationContext,
  abort: AbortSignal,
): Promise<ReadonlyMap<string, Measured>> {
  if (rules.length === 0) return new Map();
  const waitMs = Math.min(limits.measureMs, ...groups.map(({ intervalMs }) => intervalMs));
  try {
    return await within({ clock, waitMs, abort }, (until) =>
      measurer.measure(rules, { atMs, queryOffsetMs }, until));
  } catch (error) {
    const reason = errorMessage(error);
    return new Map(rules.map(({ id }) => [id, { ok: false, reason }]));
  }
}

/** Rules of this evaluation count as they are after it, the others as they were. */
const childrenOf = (
  name: string,
  done: ReadonlyMap<string, Evaluated>,
  { rulesNamed }: EvaluationContext,
  atMs: number,
): Child[] => rulesNamed(name).map((child) => {
  const now = done.get(child.id);
  const evaluatedAtMs = now?.error === '' ? atMs : child.evaluatedAtMs;
  return { intervalMs: child.intervalMs, evaluatedAtMs,
    alerts: now === undefined ? child.alerts : [...now.alerts.values()] };
});

async function withEvidence(
  evaluated: readonly Evaluated[],
  { atMs }: Due,
  context: EvaluationContext,
  abort: AbortSignal,
): Promise<Evaluated[]> {
  const { measurer, clock, alertsOf } = context;
  const begun = evaluated.flatMap(({ rule, alerts }) => [...alerts.values()]
    .filter(({ state, fingerprint }) => state === 'firing' && rule.source.type !== 'composite'
      && alertsOf(rule.id).get(fingerprint)?.state !== 'firing')
    .map((alert) => ({ rule, alert }))).slice(0, limits.evidenceAlertsMax);
  if (begun.length === 0) return [...evaluated];
  const found = new Map<string, RuleAlert>();
  const waiting = [...begun];
  await within({ clock, waitMs: limits.evidenceMs, abort }, (until) =>
    Promise.all(begun.slice(0, limits.evidenceAtOnce).map(async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        if (until.aborted) return;
        const { rule, alert } = next;
        const evidence = await measurer.evidence(rule, alert.labels, atMs, until).catch(() => null);
        if (evidence !== null) found.set(`${rule.id}/${alert.fingerprint}`, { ...alert, evidence });
      }
    }))).catch(() => {});
  return evaluated.map((one) => ({ ...one, alerts: new Map([...one.alerts]
    .map(([fingerprint, alert]) =>
      [fingerprint, found.get(`${one.rule.id}/${fingerprint}`) ?? alert])) }));
}

/** What must be written of a rule: alerts whose state changed, and those that are no more. */
export function changesOf(
  { rule, alerts, error }: Pick<Evaluated, 'rule' | 'alerts' | 'error'>,
  known: RuleAlerts,
  atMs: number,
): Draft[] {
  const changed = [...alerts.values()].filter((alert) =>
    hasChanged(known.get(alert.fingerprint), alert));
  const gone: Gone = { state: 'inactive', note: error };
  const lost = [...known.values()].filter(({ fingerprint }) => !alerts.has(fingerprint));
  return [...changed.map((alert) => alertDraft(rule, alert, { atMs })),
    ...lost.map((alert) => alertDraft(rule, alert, { atMs, gone }))];
}

/** A new value alone is no news: it would be written at each evaluation. */
function hasChanged(before: RuleAlert | undefined, now: RuleAlert): boolean {
  return before === undefined || before.state !== now.state
    || before.activeAtMs !== now.activeAtMs || before.firedAtMs !== now.firedAtMs
    || before.resolvedAtMs !== now.resolvedAtMs
    || before.keepFiringSinceMs !== now.keepFiringSinceMs;
}

/** Whether a pause that begins now would be held against an alert (restore.ts). */
export const needsMark = ({ rule, alerts }: Pick<Evaluated, 'rule' | 'alerts'>): boolean =>
  [...alerts.values()].some(({ state, severity }) =>
    state === 'pending' && forOf(rule, severity) >= restoreLimits.graceMs);
