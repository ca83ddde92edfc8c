// A notification in words: what people read, before any channel has its own way of writing it.
//
// Everything in it is clean (no control characters) and bounded; nothing is escaped yet.

import { ALERT_NAME, sorted, type Labels } from '../../labels/labels.ts';
import type { Notification, NotifiedAlert } from '../model.ts';
import { clean, cut, oneLine } from './cut.ts';

export const limits = {
  /** Characters; what is longer is cut. */
  titleMax: 250,
  nameMax: 120,
  summaryMax: 500,
  descriptionMax: 1500,
  labelMax: 200,
  urlMax: 1000,
  logMax: 300,
  /** Of one alert; more are left out. */
  labelsMax: 20,
  tracesMax: 3,
  logsMax: 3,
  /** Alerts in words; of more only the number is told. */
  alertsMax: 100,
} as const;

export interface Message {
  /** `[FIRING:2] CheckoutErrors (service=shop)`. */
  readonly title: string;
  readonly status: 'firing' | 'resolved';
  /** Of all alerts; '' when they differ or have none. */
  readonly severity: string;
  /** `service=shop`, of all alerts where there are several. */
  readonly common: readonly string[];
  readonly parts: readonly Part[];
  /** Alerts that are not among the parts. */
  readonly more: number;
  /** What was held back, or why it comes this way; '' for nothing. */
  readonly digest: string;
  /** The page of Binnacle; '' for none. */
  readonly link: string;
}

/** One alert. */
export interface Part {
  readonly status: 'firing' | 'resolved';
  readonly name: string;
  readonly severity: string;
  /** `since 2026-11-21 21:46:00 UTC`, or `resolved after 12m`. */
  readonly when: string;
  readonly summary: string;
  readonly description: string;
  /** '' when there is none. */
  readonly value: string;
  readonly labels: readonly string[];
  readonly runbook: string;
  readonly link: string;
  readonly traces: readonly string[];
  readonly logs: readonly string[];
}

export function messageOf(notification: Notification): Message {
  const { status, alerts, commonLabels, truncatedAlerts, externalUrl } = notification;
  const hidden = alerts.length > 1 ? commonLabels : {};
  // What fires comes first: the rest may be cut.
  const ordered = [...alerts].sort((one, other) => one.status < other.status ? -1
    : one.status > other.status ? 1 : 0);
  return {
    title: titleOf(notification),
    status,
    severity: oneLine(commonLabels['severity'] ?? '', limits.nameMax),
    common: alerts.length > 1 ? labelTexts(commonLabels, {}) : [],
    parts: ordered.slice(0, limits.alertsMax).map((alert) => partOf(alert, hidden)),
    more: truncatedAlerts + Math.max(0, alerts.length - limits.alertsMax),
    digest: oneLine(notification.digest, limits.summaryMax),
    link: urlOf(externalUrl),
  };
}

/** As Alertmanager writes subjects, with names where it has only values. */
export function titleOf(notification: Notification): string {
  const { status, alerts, groupLabels, commonLabels, reason } = notification;
  const firing = alerts.filter((alert) => alert.status === 'firing').length;
  const state = status === 'firing' ? `FIRING:${firing}` : 'RESOLVED';
  const prefix = MARKED_REASONS[reason] ?? '';
  const name = commonLabels[ALERT_NAME] ?? groupLabels[ALERT_NAME] ?? '';
  const rest = sorted(groupLabels).filter(([key]) => key !== ALERT_NAME)
    .map(([key, value]) => `${key}=${value}`).join(', ');
  const words = [name === '' ? namesOf(alerts) : name, rest === '' ? '' : `(${rest})`];
  const text = words.filter((word) => word !== '').join(' ');
  return oneLine(`${prefix}[${state}] ${text === '' ? 'Alerts' : text}`, limits.titleMax);
}

const MARKED_REASONS: Readonly<Record<string, string>> = {
  escalation: '[ESCALATED] ', digest: '[DIGEST] ', test: '[TEST] ',
};

function namesOf(alerts: readonly NotifiedAlert[]): string {
  const names = [...new Set(alerts.map(({ labels }) => labels[ALERT_NAME] ?? ''))];
  const NAMES_MAX = 3;
  const shown = names.slice(0, NAMES_MAX).filter((name) => name !== '').join(', ');
  return names.length > NAMES_MAX ? `${shown}, …` : shown;
}

function partOf(alert: NotifiedAlert, hidden: Labels): Part {
  const { labels, annotations, value, evidence, generatorUrl, status } = alert;
  const summary = annotations['summary'] ?? annotations['title'] ?? annotations['message'] ?? '';
  const description = annotations['description'] ?? '';
  return {
    status,
    name: oneLine(labels[ALERT_NAME] ?? 'Alert', limits.nameMax),
    severity: oneLine(labels['severity'] ?? '', limits.nameMax),
    when: whenOf(alert),
    summary: oneLine(summary, limits.summaryMax),
    description: description === summary ? '' : cut(clean(description).trim(),
      limits.descriptionMax),
    value: value === null ? '' : numberText(value),
    labels: labelTexts(labels, hidden),
    runbook: urlOf(annotations['runbook_url'] ?? annotations['runbook'] ?? ''),
    link: urlOf(generatorUrl),
    traces: evidence.traces.slice(0, limits.tracesMax).map((id) => oneLine(id, 64)),
    logs: evidence.logs.slice(0, limits.logsMax).map(({ atMs, body }) =>
      `${timeText(atMs).slice(11, 19)} ${oneLine(body, limits.logMax)}`),
  };
}

function labelTexts(labels: Labels, hidden: Labels): string[] {
  const shown = sorted(labels)
    .filter(([name, value]) => name !== ALERT_NAME && hidden[name] !== value);
  const texts = shown.slice(0, limits.labelsMax)
    .map(([name, value]) => oneLine(`${name}=${value}`, limits.labelMax));
  return shown.length > limits.labelsMax ? [...texts, '…'] : texts;
}

function whenOf({ startsAtMs, endsAtMs, status }: NotifiedAlert): string {
  if (status === 'firing' || endsAtMs === null) return `since ${timeText(startsAtMs)}`;
  return `resolved after ${durationText(endsAtMs - startsAtMs)}`;
}

/** `2026-11-21 21:46:00 UTC`; what is no time is left out. */
export function timeText(ms: number): string {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return '?';
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** `45s`, `12m`, `3h 20m`, `2d 4h`. */
export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours}h` : `${hours}h ${minutes % 60}m`;
  const days = `${Math.floor(hours / 24)}d`;
  return hours % 24 === 0 ? days : `${days} ${hours % 24}h`;
}

/** Six digits are enough for people. */
export const numberText = (value: number): string =>
  (Number.isFinite(value) ? String(Number(value.toPrecision(6))) : String(value));

/** Only what a browser opens without running it; '' for all else. */
export function urlOf(text: string): string {
  if (text.length > limits.urlMax || !/^https?:\/\//i.test(text) || !URL.canParse(text)) return '';
  return new URL(text).href;
}
