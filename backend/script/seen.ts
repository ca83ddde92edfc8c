// What a script sees of rules and alerting, and whether it is what was expected. Pure functions.

import type { Labels } from '../labels/labels.ts';
import { sorted } from '../labels/labels.ts';
import type { Channel, Matcher, Notification } from '../alerting/model.ts';
import type { AlertFlag, ChannelName, ExpectedAlert, NotifyExpectation } from './model.ts';

/** An alert at an instant. Times are milliseconds since the script's 0m. */
export interface SeenAlert {
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly state: 'pending' | 'firing' | 'resolved';
  readonly value: number | null;
  readonly sinceMs: number | null;
  readonly flags: readonly AlertFlag[];
}

/** A message that reached its receiver. */
export interface SeenMessage {
  readonly atMs: number;
  readonly channel: Channel;
  readonly notification: Notification;
  readonly alerts: readonly SeenAlert[];
}

/** What of the one is left without the other, when as many as possible are paired. */
export function pair<A, B>(
  ones: readonly A[],
  others: readonly B[],
  fits: (one: A, other: B) => boolean,
): { readonly ones: A[]; readonly others: B[] } {
  const owner = new Map<number, number>();
  const tryPair = (one: number, tried: Set<number>): boolean => others.some((other, index) => {
    if (tried.has(index) || !fits(ones[one]!, other)) return false;
    tried.add(index);
    const before = owner.get(index);
    if (before !== undefined && !tryPair(before, tried)) return false;
    owner.set(index, one);
    return true;
  });
  ones.forEach((_, index) => tryPair(index, new Set()));
  const paired = new Set(owner.values());
  return {
    ones: ones.filter((_, index) => !paired.has(index)),
    others: others.filter((_, index) => !owner.has(index)),
  };
}

export function alertFits(expected: ExpectedAlert, seen: SeenAlert): boolean {
  const { matchers, state, flags, value, sinceMs, annotations } = expected;
  return matchers.every((matcher) => matches(matcher, seen.labels))
    && (state === null || state === seen.state)
    && flags.every((flag) => hasFlag(flag, seen))
    && (value === null || sameNumber(value, seen.value))
    && (sinceMs === null || sinceMs === seen.sinceMs)
    && Object.entries(annotations).every(([name, text]) =>
      (seen.annotations[name] ?? '') === text);
}

const hasFlag = (flag: AlertFlag, { flags }: SeenAlert): boolean =>
  (flag === 'active' ? flags.every((one) => one === 'flapping') : flags.includes(flag));

/** To nine digits: sums of decimals are not exact. */
const sameNumber = (one: number, other: number | null): boolean => other !== null
  && (Object.is(one, other) || Math.abs(one - other) <= 1e-9 * Math.max(1, Math.abs(one)));

export function matches({ name, value, isRegex, isEqual }: Matcher, labels: Labels): boolean {
  const own = labels[name] ?? '';
  const same = isRegex ? new RegExp(`^(?:${value})$`, 's').test(own) : own === value;
  return same === isEqual;
}

/** Apart from the instant. */
export function messageFits(expected: NotifyExpectation, message: SeenMessage): boolean {
  const { channel, status, reason, group, alerts, count, truncated, digest } = expected;
  const { notification } = message;
  return channelFits(channel, message.channel)
    && (status === null || status === notification.status)
    && (reason === null || reason === notification.reason)
    && group.every((matcher) => matches(matcher, notification.groupLabels))
    && (count === null || count === notification.alerts.length)
    && (truncated === null || truncated === notification.truncatedAlerts)
    && notification.digest.includes(digest)
    && (alerts === null || pairsUp(alerts, message.alerts));
}

function pairsUp(expected: readonly ExpectedAlert[], seen: readonly SeenAlert[]): boolean {
  if (expected.length !== seen.length) return false;
  return pair(expected, seen, alertFits).ones.length === 0;
}

/** `slack` is written for `slack_configs`. */
export const channelFits = (name: ChannelName, { receiver, type, index }: Channel): boolean =>
  name.receiver === receiver && (name.index === null || name.index === index)
  && (name.type === '' || name.type === type || `${name.type}_configs` === type);

/** `90000` → `1m30s`. */
export function timeText(ms: number): string {
  if (ms < 0) return `-${timeText(-ms)}`;
  const parts: string[] = [];
  let rest = ms;
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    if (count > 0) parts.push(`${count}${unit}`);
    rest -= count * size;
  }
  return parts.length === 0 ? '0m' : parts.join('');
}

const UNITS = [['d', 86_400_000], ['h', 3_600_000], ['m', 60_000], ['s', 1000], ['ms', 1]] as const;

/** As a script would write it. */
export function alertText(alert: SeenAlert): string {
  const { labels, annotations, state, value, sinceMs, flags } = alert;
  const { alertname = '', ...others } = labels;
  const parts = [
    `${alertname}${labelsText(others)}`, state, ...flags,
    ...(value === null ? [] : [`value=${Number(value.toPrecision(9))}`]),
    ...(sinceMs === null ? [] : [`since=${timeText(sinceMs)}`]),
    ...sorted(annotations).map(([name, text]) => `${name}=${JSON.stringify(text)}`),
  ];
  return parts.join(' ');
}

const labelsText = (labels: Labels): string => {
  const texts = sorted(labels).map(([name, value]) =>
    `${/^[A-Za-z_][\w.:/-]*$/.test(name) ? name : JSON.stringify(name)}=${JSON.stringify(value)}`);
  return texts.length === 0 ? '' : `{${texts.join(', ')}}`;
};

/** One line, and one for each alert. */
export function messageText({ atMs, channel, notification, alerts }: SeenMessage): string[] {
  const { receiver, type, index } = channel;
  const { status, reason, groupLabels, digest, truncatedAlerts } = notification;
  const head = [
    `at ${timeText(atMs)} expect notify ${receiver}/${type.replace(/_configs$/, '')}[${index}]`,
    status, `reason=${JSON.stringify(reason)}`, `group=${labelsText(groupLabels) || '{}'}`,
    ...(truncatedAlerts === 0 ? [] : [`truncated=${truncatedAlerts}`]),
    ...(digest === '' ? [] : [`digest=${JSON.stringify(digest)}`]),
  ];
  return [head.join(' '), ...alerts.map((alert) => `  ${alertText(alert)}`)];
}
