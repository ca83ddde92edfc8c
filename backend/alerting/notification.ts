// What is sent: a notification, of alerts as they are at one instant.

import { sorted, type Labels } from '../labels/labels.ts';
import type { Alert, Notification, NotificationReason, NotifiedAlert } from './model.ts';

export const limits = {
  /** Alerts of one notification; the rest is counted in `truncatedAlerts`. */
  alertsMax: 1000,
} as const;

/** An alert at an instant: what it is does not change while it is told. */
export interface Snapshot {
  readonly alert: Alert;
  readonly resolved: boolean;
  readonly endsAtMs: number;
}

export interface NotificationOptions {
  readonly id: string;
  readonly receiver: string;
  readonly groupKey: string;
  readonly reason: NotificationReason;
  readonly atMs: number;
  readonly groupLabels: Labels;
  readonly externalUrl: string;
  readonly digest: string;
}

/** It fires when one of the alerts does. */
export function notificationOf(
  alerts: readonly Snapshot[],
  options: NotificationOptions,
): Notification {
  return {
    ...options,
    status: alerts.some(({ resolved }) => !resolved) ? 'firing' : 'resolved',
    commonLabels: common(alerts.map(({ alert }) => alert.labels)),
    commonAnnotations: common(alerts.map(({ alert }) => alert.annotations)),
    alerts: alerts.slice(0, limits.alertsMax).map(notifiedOf),
    truncatedAlerts: Math.max(0, alerts.length - limits.alertsMax),
  };
}

function notifiedOf({ alert, resolved, endsAtMs }: Snapshot): NotifiedAlert {
  const { fingerprint, labels, annotations, startsAtMs, generatorUrl, value, evidence } = alert;
  return {
    status: resolved ? 'resolved' : 'firing', fingerprint, labels, annotations, startsAtMs,
    endsAtMs: resolved ? endsAtMs : null, generatorUrl,
    value: value ?? null, evidence: evidence ?? { traces: [], logs: [] },
  };
}

/** What all of them have, with the same value. */
function common(all: readonly Labels[]): Labels {
  const [first = {}, ...others] = all;
  return Object.fromEntries(sorted(first).filter(([name, value]) =>
    others.every((labels) => Object.hasOwn(labels, name) && labels[name] === value)));
}
