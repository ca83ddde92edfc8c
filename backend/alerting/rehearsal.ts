// How many notifications alerts would have made, by the waits and intervals of one route: for rules
// that are tried on what is stored. Silences, limits and inhibition are left out; the channel wants
// to know what is over. Pure.

import { fingerprintOf, printLabels, sorted, type Labels } from '../labels/labels.ts';
import type { RouteConfig } from './config.ts';
import { newsOf, type Told } from './dedup.ts';
import type { NotificationReason } from './model.ts';

export const limits = {
  /** Looks at groups; with more the count ends early, and says so. */
  looksMax: 1_000_000,
} as const;

export interface RehearsedAlert {
  readonly labels: Labels;
  readonly fromMs: number;
  /** Infinity for one that is not over. */
  readonly toMs: number;
}

export type Grouping = Pick<RouteConfig, 'groupBy' | 'groupWaitMs' | 'groupIntervalMs'
  | 'repeatIntervalMs'>;

export interface Rehearsal {
  readonly groups: number;
  readonly notifications: number;
  readonly reasons: Readonly<Partial<Record<NotificationReason, number>>>;
  /** There were more looks than `limits.looksMax`. */
  readonly truncated: boolean;
}

export function rehearse(
  alerts: readonly RehearsedAlert[],
  grouping: Grouping,
  untilMs: number,
): Rehearsal {
  const groups = new Map<string, RehearsedAlert[]>();
  for (const alert of alerts) {
    const key = keyOf(alert.labels, grouping.groupBy);
    groups.set(key, [...groups.get(key) ?? [], alert]);
  }
  const reasons: Partial<Record<NotificationReason, number>> = {};
  let looks = 0;
  for (const group of groups.values()) {
    for (const reason of newsFor(group, grouping, untilMs)) {
      if (reason !== null) reasons[reason] = (reasons[reason] ?? 0) + 1;
      if (++looks >= limits.looksMax) break;
    }
  }
  const notifications = Object.values(reasons).reduce((sum, count) => sum + count, 0);
  return { groups: groups.size, notifications, reasons, truncated: looks >= limits.looksMax };
}

const keyOf = (labels: Labels, groupBy: Grouping['groupBy']): string =>
  printLabels(Object.fromEntries(sorted(labels).filter(([name]) =>
    groupBy === 'all' || groupBy.includes(name))));

/** What each look at a group gives, from its first alert to the end. */
function* newsFor(
  alerts: readonly RehearsedAlert[],
  { groupWaitMs, groupIntervalMs, repeatIntervalMs }: Grouping,
  untilMs: number,
): Iterable<NotificationReason | null> {
  const waiting = alerts.map((alert) => ({ ...alert, fingerprint: fingerprintOf(alert.labels) }))
    .sort((one, other) => one.fromMs - other.fromMs);
  let told: Told | null = null;
  let present: typeof waiting = [];
  let atMs = -Infinity;
  while (present.length > 0 || waiting.length > 0) {
    // A group that is empty begins anew with its next alert.
    atMs = present.length > 0 ? atMs + groupIntervalMs : waiting[0]!.fromMs + groupWaitMs;
    if (atMs > untilMs) return;
    while (waiting.length > 0 && waiting[0]!.fromMs <= atMs) present.push(waiting.shift()!);
    const firing = namesOf(present.filter(({ toMs }) => toMs > atMs));
    // What fires again has not ended.
    const resolved = namesOf(present).filter((name) => !firing.includes(name));
    const reason = newsOf(told, { firing, resolved, atMs, repeatIntervalMs, sendResolved: true });
    if (reason !== null) told = { firing, resolved, atMs };
    yield reason;
    present = present.filter(({ toMs }) => toMs > atMs);
  }
}

const namesOf = (alerts: ReadonlyArray<{ readonly fingerprint: string }>): string[] =>
  [...new Set(alerts.map(({ fingerprint }) => fingerprint))];
