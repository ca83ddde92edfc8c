// What becomes of the alerts of one rule when it is evaluated. Pure: the earlier alerts, what was
// measured and the instant go in, the next alerts come out. Prometheus' semantics
// (rules/alerting.go), of which each line is a script in test/golden/alerts/:
//
//            satisfies a level           for at least `for`
//     (none) ────────────────> pending ────────────────────> firing
//        ^                       │  ^    `for` was raised      │
//        │  no longer            │  └──────────────────────────┤  no longer, and that
//        ├───────────────────────┘                             v  for `keep_firing_for`
//        └──── 15 minutes later ──────────────────────────  inactive ──> pending, when it is back
//
// - An alert is its labels: those of the sample, of the rule, `alertname`, and `severity`. Each
//   level of a rule makes alerts of its own.
// - A rule that fails, or makes the same labels twice, changes nothing. One that makes more alerts
//   than its limit loses all of them.
// - `no_data` and `on_error` are ours (D-055): `ok` is as if nothing satisfied the rule, `keep`
//   changes nothing, `alerting` keeps what there is and adds an alert without labels of a sample.

import type { Evidence, PostedAlert } from '../alerting/model.ts';
import { ALERT_NAME, fingerprintOf, type Labels } from '../labels/labels.ts';
import type { Template } from '../template/template.ts';
import { holds } from './conditions.ts';
import type { Level, Measured, Rule, RuleGroup, Sample } from './model.ts';

export const limits = {
  /** Alerts that a rule may have whatever its group's limit; with more it fails like at that. */
  alertsMax: 10_000,
  /** An alert that is over is kept, and posted, for so long: whoever missed it hears of it. */
  resolvedMs: 15 * 60_000,
  /** An alert is posted again after it, so that nobody takes it for over. */
  resendMs: 60_000,
  /** Of the longer of interval and `resendMs`: after so many without a post an alert is over. */
  validFactor: 4,
} as const;

/** One alert of a rule, as plain data. */
export interface RuleAlert {
  readonly fingerprint: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  /** Of the level that it belongs to; '' for a rule without severities. */
  readonly severity: string;
  readonly state: 'pending' | 'firing' | 'inactive';
  /** NaN for an alert about the lack of a value. */
  readonly value: number;
  /** Since when it satisfies its level; after a pause, as if it had begun later. */
  readonly activeAtMs: number;
  readonly firedAtMs: number | null;
  readonly resolvedAtMs: number | null;
  /** Since when it fires only because of `keep_firing_for`. */
  readonly keepFiringSinceMs: number | null;
  readonly lastSentAtMs: number | null;
  readonly evidence: Evidence;
}

/** By fingerprint. */
export type RuleAlerts = ReadonlyMap<string, RuleAlert>;

export interface StepRequest {
  readonly rule: Rule;
  readonly group: Pick<RuleGroup, 'limit'>;
  readonly measured: Measured;
  readonly atMs: number;
  /** Where people find Binnacle, without `/` at its end; '' for nowhere. */
  readonly externalUrl: string;
}

export interface Step {
  readonly alerts: RuleAlerts;
  /** Why the rule failed; '' when it did not. */
  readonly error: string;
}

export const NO_EVIDENCE: Evidence = { traces: [], logs: [] };

/** One evaluation of a rule. `known` is what the evaluation before left, and is not changed. */
export function step(known: RuleAlerts, request: StepRequest): Step {
  const { rule, measured } = request;
  const error = measured.ok ? '' : measured.reason;
  const nothing = !measured.ok || measured.samples.length === 0;
  const policy = !measured.ok ? rule.onError : nothing ? rule.noData : 'ok';
  if (policy === 'keep') return { alerts: known, error };
  const results = policy === 'alerting' ? [missing(request)]
    : measured.ok ? resultsOf(request, measured.samples) : [];
  if (results.length > limits.alertsMax) return overflow(limits.alertsMax, results.length);
  const found = new Map(results.map((result) => [result.fingerprint, result]));
  if (found.size < results.length) return { alerts: known, error: DUPLICATE };
  return advance(known, found, { ...request, keepsOthers: policy === 'alerting', error });
}

const DUPLICATE = 'two results have the same labels after the labels of the rule were applied';

const overflow = (limit: number, count: number): Step =>
  ({ alerts: new Map(), error: `exceeded limit of ${limit} with ${count} alerts` });

function advance(
  known: RuleAlerts,
  found: RuleAlerts,
  { rule, group, atMs, keepsOthers, error }:
    StepRequest & { readonly keepsOthers: boolean; readonly error: string },
): Step {
  const alerts = new Map<string, RuleAlert>();
  let active = 0;
  for (const fingerprint of new Set([...known.keys(), ...found.keys()])) {
    const before = known.get(fingerprint);
    const now = found.get(fingerprint);
    const isKept = keepsOthers && now === undefined && before!.state !== 'inactive';
    const next = now !== undefined ? present(before, now)
      : isKept ? before! : absent(before!, rule, atMs);
    if (next === null) continue;
    const settled = isKept || next.state === 'inactive' ? next : held(next, rule, atMs);
    if (settled.state !== 'inactive') active++;
    alerts.set(fingerprint, settled);
  }
  const limit = Math.min(group.limit > 0 ? group.limit : Infinity, limits.alertsMax);
  return active > limit ? overflow(limit, active) : { alerts, error };
}

/** It satisfies its level: a new one, or the one that there was. */
function present(before: RuleAlert | undefined, now: RuleAlert): RuleAlert {
  if (before === undefined || before.state === 'inactive') return now;
  const { value, annotations } = now;
  return { ...before, value, annotations, keepFiringSinceMs: null };
}

/** It does not satisfy its level any more; null when it is forgotten. */
function absent(alert: RuleAlert, { keepFiringForMs }: Rule, atMs: number): RuleAlert | null {
  if (alert.state === 'pending') return null;
  if (alert.state === 'inactive') {
    return atMs - (alert.resolvedAtMs ?? atMs) > limits.resolvedMs ? null : alert;
  }
  const keepFiringSinceMs = alert.keepFiringSinceMs ?? atMs;
  if (keepFiringForMs > 0 && atMs - keepFiringSinceMs < keepFiringForMs) {
    return { ...alert, keepFiringSinceMs };
  }
  return resolve(alert, atMs);
}

/** As it is when it fires no more. */
export const resolve = (alert: RuleAlert, atMs: number): RuleAlert =>
  ({ ...alert, state: 'inactive', resolvedAtMs: atMs });

/** Whether it has been active for long enough, or no longer is since `for` was raised. */
function held(alert: RuleAlert, rule: Rule, atMs: number): RuleAlert {
  const isLong = atMs - alert.activeAtMs >= forOf(rule, alert.severity);
  if (alert.state === 'pending' && isLong) return { ...alert, state: 'firing', firedAtMs: atMs };
  if (alert.state === 'firing' && !isLong) {
    return { ...alert, state: 'pending', firedAtMs: null, lastSentAtMs: null,
      keepFiringSinceMs: null };
  }
  return alert;
}

/** Zero for a level that the rule no longer has: what fires of it goes as its time is over. */
export const forOf = ({ levels }: Rule, severity: string): number =>
  levels.find((level) => level.severity === severity)?.forMs ?? 0;

const resultsOf = (request: StepRequest, samples: readonly Sample[]): RuleAlert[] =>
  request.rule.levels.flatMap((level) => samples
    .filter((sample) => (sample.severity ?? level.severity) === level.severity
      && holds(level.condition, sample.value))
    .map((sample) => resultOf(request, level, sample)));

function resultOf(request: StepRequest, level: Level, sample: Sample): RuleAlert {
  const { rule, atMs, externalUrl } = request;
  const extra = { threshold: level.condition.value, ...sample.extra };
  const { labels: own, value } = sample;
  const rendered = (templates: Readonly<Record<string, Template>>, known: Labels): Labels => {
    const more = { externalURL: externalUrl, externalLabels: {} };
    const data = {
      dot: { Labels: known, Value: value, Extra: extra, ExternalURL: externalUrl,
        ExternalLabels: {} },
      variables: { labels: known, value, extra, ...more },
    };
    return Object.fromEntries(Object.entries(templates)
      .map(([name, template]) => [name, template.render(data)]));
  };
  const labels = withValues({
    ...own, __name__: '', ...rendered(rule.labels, own), [ALERT_NAME]: rule.name,
    ...(level.severity === '' ? {} : { severity: level.severity }),
  });
  const annotations = withValues({
    owner: rule.owner, runbook_url: rule.runbook, link: linkOf(rule, externalUrl),
    // Prometheus knows only what was measured here; ours know the alert's other labels besides.
    ...rendered(rule.annotations, { ...labels, ...own }),
  });
  return {
    fingerprint: fingerprintOf(labels), labels, annotations, severity: level.severity,
    state: 'pending', value, activeAtMs: atMs, firedAtMs: null, resolvedAtMs: null,
    keepFiringSinceMs: null, lastSentAtMs: null, evidence: NO_EVIDENCE,
  };
}

/** The alert that there is nothing, or that nothing is known: of the most severe level. */
function missing(request: StepRequest): RuleAlert {
  const { rule, measured } = request;
  const problem = measured.ok ? 'nothing was measured' : `cannot measure: ${measured.reason}`;
  const level = rule.levels.at(-1)!;
  const result = resultOf(request, level, { labels: {}, value: NaN, extra: { problem } });
  return { ...result, annotations: { ...result.annotations, problem } };
}

/** Where people see more of the rule; '' when there is no such place. */
const linkOf = ({ id }: Rule, externalUrl: string): string =>
  externalUrl === '' ? '' : `${externalUrl}/api/rules/${encodeURIComponent(id)}`;

const withValues = (labels: Labels): Labels =>
  Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ''));

/** Whether alerting must hear of it: when it is over, and again and again while it counts. */
function isDue({ state, resolvedAtMs, lastSentAtMs }: RuleAlert, atMs: number): boolean {
  if (state === 'pending') return false;
  if (lastSentAtMs === null) return true;
  return (resolvedAtMs !== null && resolvedAtMs > lastSentAtMs)
    || lastSentAtMs + limits.resendMs < atMs;
}

/** What is to be posted of a rule's alerts now, and the alerts as they are then. */
export function send(
  alerts: RuleAlerts,
  { rule, group, atMs, externalUrl }: Omit<StepRequest, 'measured' | 'group'>
    & { readonly group: Pick<RuleGroup, 'intervalMs'> },
): { readonly alerts: RuleAlerts; readonly posted: readonly PostedAlert[] } {
  const due = [...alerts.values()].filter((alert) => isDue(alert, atMs));
  if (due.length === 0) return { alerts, posted: [] };
  const validUntilMs = atMs + limits.validFactor * Math.max(group.intervalMs, limits.resendMs);
  const posted = due.map((alert) => posting(alert, validUntilMs, linkOf(rule, externalUrl)));
  const sent = due.map((alert) => [alert.fingerprint, { ...alert, lastSentAtMs: atMs }] as const);
  return { alerts: new Map([...alerts, ...sent]), posted };
}

/** As alerting takes it. One that fires is over at `validUntilMs` unless it is posted again. */
export const posting = (
  alert: RuleAlert,
  validUntilMs: number,
  generatorUrl: string,
): PostedAlert => ({
  labels: alert.labels, annotations: alert.annotations, startsAtMs: alert.firedAtMs,
  endsAtMs: alert.resolvedAtMs ?? validUntilMs, generatorUrl, value: alert.value,
  evidence: alert.evidence,
});
