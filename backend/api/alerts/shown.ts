// An alert as `/api/alerts` shows it: pending ones of rules, and those that alerting knows, with
// what people said of them.

import type { Alert, Alerting, ShownAlert } from '../../alerting/model.ts';
import type { Life } from '../../alerting/life/life.ts';
import { heldBy, type Note } from '../../alerting/life/said.ts';
import { ALERT_NAME, type Labels } from '../../labels/labels.ts';
import type { GroupStatus } from '../../rules/memory.ts';
import type { Condition } from '../../rules/model.ts';
import type { RuleAlert } from '../../rules/state.ts';

export const STATES = ['pending', 'firing', 'acknowledged', 'resolved'] as const;
export type State = (typeof STATES)[number];

export interface ShownOptions {
  readonly alerting: Alerting;
  readonly life: Life;
  /** The evaluator's: rules with their conditions, and alerts that are pending. */
  readonly status: () => readonly GroupStatus[];
  /** Whether somebody was told of an alert since it began. */
  readonly notified: (alert: Pick<Alert, 'fingerprint' | 'startsAtMs'>) => boolean;
}

/** Times are ISO 8601; null where there is none. */
export interface AlertItem {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly severity: string;
  readonly status: State;
  readonly condition: string;
  readonly threshold: number | null;
  readonly current_value: number | null;
  readonly triggered_at: string | null;
  readonly resolved_at: string | null;
  readonly notification_sent: boolean;
  readonly created_at: string;
  readonly updated_at: string;
  readonly origin: 'rule' | 'posted';
  readonly service: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly generator_url: string;
  readonly receivers: readonly string[];
  readonly silenced_by: readonly string[];
  readonly inhibited_by: readonly string[];
  readonly muted_by: readonly string[];
  readonly acknowledged_by: string;
  readonly acknowledged_until: string | null;
  readonly acknowledged_comment: string;
  readonly snoozed: boolean;
  readonly resolved_by: string;
  readonly flapping: boolean;
}

export interface Found {
  readonly item: AlertItem;
  /** Null for one that is pending. */
  readonly shown: ShownAlert | null;
  readonly startsAtMs: number;
}

/** All of them, those that began last first. */
export function alertsIn(options: ShownOptions, nowMs: number): Found[] {
  const status = options.status();
  const bounds = boundsIn(status);
  const groups = groupsByAlert(options.alerting);
  const known = options.alerting.alerts().map((shown): Found => ({
    item: itemOf(options, shown, { nowMs, bounds, groups }), shown,
    startsAtMs: shown.alert.startsAtMs,
  }));
  const firing = new Set(known.filter(({ item }) => item.status !== 'resolved')
    .map(({ item }) => item.id));
  const pending = status.flatMap(({ rules }) => rules).flatMap(({ alerts }) => alerts)
    .filter(({ state, fingerprint }) => state === 'pending' && !firing.has(fingerprint))
    .map((alert) => pendingItem(alert, bounds));
  return [...pending, ...known].sort((one, other) => other.startsAtMs - one.startsAtMs
    || (one.item.id < other.item.id ? -1 : 1));
}

export const serviceOf = (labels: Labels): string =>
  labels['service'] ?? labels['service.name'] ?? labels['service_name'] ?? '';

export const iso = (ms: number): string => new Date(ms).toISOString();

interface Known {
  readonly nowMs: number;
  readonly bounds: ReadonlyMap<string, Condition>;
  readonly groups: ReadonlyMap<string, readonly string[]>;
}

function itemOf(options: ShownOptions, shown: ShownAlert, known: Known): AlertItem {
  const { nowMs, bounds } = known;
  const { alert } = shown;
  const said = options.life.said(alert.fingerprint);
  const endedMs = options.life.endedAtMs(alert);
  const resolvedMs = endedMs ?? (alert.endsAtMs <= nowMs ? alert.endsAtMs : null);
  const held = ['', ...known.groups.get(alert.fingerprint) ?? []]
    .map((key) => heldBy(options.life.said(key === '' ? alert.fingerprint : key), alert, nowMs))
    .find((one) => one !== null) ?? null;
  const by = held?.by ?? shown.acknowledgedBy;
  const status = resolvedMs !== null ? 'resolved' : by === '' ? 'firing' : 'acknowledged';
  return {
    ...described(alert, bounds), status,
    triggered_at: iso(alert.startsAtMs),
    resolved_at: resolvedMs === null ? null : iso(resolvedMs),
    notification_sent: options.notified(alert),
    created_at: iso(alert.startsAtMs), updated_at: iso(alert.updatedAtMs), origin: alert.origin,
    generator_url: alert.generatorUrl, receivers: shown.receivers,
    silenced_by: shown.silencedBy, inhibited_by: shown.inhibitedBy, muted_by: shown.mutedBy,
    acknowledged_by: by,
    acknowledged_until: held === null ? null : iso(held.untilMs),
    acknowledged_comment: held?.comment ?? '',
    snoozed: held !== null && isSnooze(options.life, alert.fingerprint, known, held.atMs),
    resolved_by: endedMs === null ? '' : said.resolved!.by,
    flapping: shown.flapping,
  };
}

const isSnooze = (life: Life, fingerprint: string, { groups }: Known, atMs: number): boolean =>
  [fingerprint, ...groups.get(fingerprint) ?? []]
    .some((key) => life.said(key).snoozed?.atMs === atMs);

function pendingItem(alert: RuleAlert, bounds: ReadonlyMap<string, Condition>): Found {
  const { activeAtMs } = alert;
  const item: AlertItem = {
    ...described(alert, bounds), status: 'pending',
    triggered_at: null, resolved_at: null, notification_sent: false,
    created_at: iso(activeAtMs), updated_at: iso(activeAtMs), origin: 'rule',
    generator_url: '', receivers: [], silenced_by: [], inhibited_by: [], muted_by: [],
    acknowledged_by: '', acknowledged_until: null, acknowledged_comment: '', snoozed: false,
    resolved_by: '', flapping: false,
  };
  return { item, shown: null, startsAtMs: activeAtMs };
}

function described(
  { fingerprint, labels, annotations, value }: Pick<Alert, 'fingerprint' | 'labels'
    | 'annotations' | 'value'>,
  bounds: ReadonlyMap<string, Condition>,
) {
  const name = labels[ALERT_NAME] ?? '';
  const severity = labels['severity'] ?? '';
  const bound = bounds.get(`${name}\n${severity}`) ?? bounds.get(`${name}\n`);
  const threshold = Number.parseFloat(annotations['threshold'] ?? '');
  return {
    id: fingerprint, name, severity, service: serviceOf(labels), labels, annotations,
    description: annotations['description'] ?? annotations['summary'] ?? '',
    condition: annotations['condition'] ?? (bound === undefined ? '' : printCondition(bound)),
    threshold: Number.isFinite(threshold) ? threshold : bound?.value ?? null,
    current_value: value !== undefined && Number.isFinite(value) ? value : null,
  };
}

export const printCondition = ({ operator, value, to }: Condition): string =>
  (operator === 'within' || operator === 'outside' ? `${operator} ${value}..${to}`
    : `${operator} ${value}`);

/** Conditions of rules, by name and severity. */
function boundsIn(status: readonly GroupStatus[]): ReadonlyMap<string, Condition> {
  return new Map(status.flatMap(({ group }) => group.rules)
    .flatMap(({ name, levels }) => levels.map(({ severity, condition }) =>
      [`${name}\n${severity}`, condition] as const)));
}

function groupsByAlert(alerting: Alerting): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const { groupKey, alerts } of alerting.groups()) {
    for (const { alert: { fingerprint } } of alerts) {
      const keys = found.get(fingerprint);
      if (keys === undefined) found.set(fingerprint, [groupKey]);
      else keys.push(groupKey);
    }
  }
  return found;
}

export const notesOf = (notes: readonly Note[]) =>
  notes.map(({ by, atMs, text }) => ({ by, at: iso(atMs), text }));
