// The alerts that are known: what is posted again and again becomes one alert with one span of
// time, as Alertmanager merges them (Alertmanager 0.34).
//
// - The same labels are the same alert. The earliest start counts, and the newest of the rest.
// - An end that somebody said beats one that comes of nobody saying anything; of two ends that
//   are both over the later one counts.
// - What does not overlap with what is known takes its place: it fires anew.
// - An alert that was posted without an end is over `resolve_timeout` after its last post.

import { ALERT_NAME, fingerprintOf, type Labels } from '../labels/labels.ts';
import type { Draft, Entry } from '../journal/journal.ts';
import { isResolved, type Alert, type PostedAlert } from './model.ts';

export const limits = {
  /** Alerts that are known at once; new ones beyond it are not taken, and counted. */
  alertsMax: 100_000,
  /** An alert that is over is shown for so long, as Prometheus does. */
  resolvedKeptMs: 15 * 60_000,
} as const;

export interface AlertBook {
  /** The alert as it is now; null when there is no room for it. */
  put(alert: Alert, nowMs: number): Alert | null;
  get(fingerprint: string): Alert | undefined;
  all(): Iterable<Alert>;
  remove(fingerprint: string): void;
  size(): number;
}

export function createAlertBook(): AlertBook {
  const alerts = new Map<string, Alert>();
  return {
    put: (alert, nowMs) => {
      const known = alerts.get(alert.fingerprint);
      if (known === undefined && alerts.size >= limits.alertsMax) return null;
      const merged = known !== undefined && overlaps(known, alert)
        ? mergeAlerts(known, alert, nowMs) : alert;
      alerts.set(alert.fingerprint, merged);
      return merged;
    },
    get: (fingerprint) => alerts.get(fingerprint),
    all: () => alerts.values(),
    remove: (fingerprint) => void alerts.delete(fingerprint),
    size: () => alerts.size,
  };
}

/** What becomes of something posted at an instant. */
export function alertOf(
  posted: PostedAlert,
  origin: Alert['origin'],
  at: { readonly atMs: number; readonly resolveTimeoutMs: number },
): Alert {
  const { startsAtMs, endsAtMs } = posted;
  return {
    ...posted, origin,
    fingerprint: fingerprintOf(posted.labels),
    startsAtMs: startsAtMs ?? (endsAtMs === null ? at.atMs : Math.min(at.atMs, endsAtMs)),
    endsAtMs: endsAtMs ?? at.atMs + at.resolveTimeoutMs,
    timeout: endsAtMs === null,
    updatedAtMs: at.atMs,
  };
}

/** Of two posts of the same alert that overlap in time. */
export function mergeAlerts(one: Alert, other: Alert, nowMs: number): Alert {
  const [older, newer] = other.updatedAtMs < one.updatedAtMs ? [other, one] : [one, other];
  const startsAtMs = Math.min(older.startsAtMs, newer.startsAtMs);
  const later = older.endsAtMs > newer.endsAtMs;
  const keepsEnd = later && (isResolved(newer, nowMs) ? isResolved(older, nowMs) : !older.timeout);
  return { ...newer, startsAtMs, endsAtMs: keepsEnd ? older.endsAtMs : newer.endsAtMs };
}

/**
 * The journal's entry for an alert that an app or Prometheus handed in at `atMs`. `known`, as it is
 * known already, gives it the earliest start, which so outlives a restart.
 */
export function postedDraft(posted: PostedAlert, known: Alert | undefined, atMs: number): Draft {
  const alert = alertOf(posted, 'posted', { atMs, resolveTimeoutMs: 0 });
  const startsAtMs = known !== undefined && isBetween(alert.startsAtMs, known)
    ? known.startsAtMs : alert.startsAtMs;
  const data: PostedAlert = { ...posted, startsAtMs };
  const { labels } = posted;
  return {
    kind: 'posted', key: alert.fingerprint, atMs, labels, data,
    name: labels[ALERT_NAME] ?? '', severity: labels['severity'] ?? '',
    state: posted.endsAtMs !== null && posted.endsAtMs <= atMs ? 'resolved' : 'firing',
    ...(posted.value === undefined ? {} : { value: posted.value }),
  };
}

/** The other way round; null when the entry is of something else. */
export function alertOfEntry(entry: Entry, resolveTimeoutMs: number): Alert | null {
  const posted = entry.data as Partial<PostedAlert> | null;
  if (entry.deleted || typeof posted !== 'object' || posted === null) return null;
  const { labels, annotations = {}, startsAtMs = null, endsAtMs = null } = posted;
  if (labels === undefined) return null;
  const { generatorUrl = '', ...rest } = posted;
  return alertOf({ ...rest, labels, annotations, startsAtMs, endsAtMs, generatorUrl }, 'posted',
    { atMs: entry.atMs, resolveTimeoutMs });
}

/** As Alertmanager sorts alerts: by job, then instance, then all labels. */
export function compareAlerts(
  { labels: one }: { readonly labels: Labels },
  { labels: other }: { readonly labels: Labels },
): number {
  for (const name of ['job', 'instance']) {
    const [a, b] = [one[name] ?? '', other[name] ?? ''];
    if (a === b) continue;
    if (a === '') return 1;
    return b === '' || a < b ? -1 : 1;
  }
  const [a, b] = [textOf(one), textOf(other)];
  return a < b ? -1 : a > b ? 1 : 0;
}

const textOf = (labels: Labels): string => JSON.stringify(Object.entries(labels).sort());

const isBetween = (ms: number, { startsAtMs, endsAtMs }: Alert): boolean =>
  ms > startsAtMs && ms < endsAtMs;

const overlaps = (known: Alert, alert: Alert): boolean =>
  isBetween(alert.endsAtMs, known) || isBetween(alert.startsAtMs, known);
