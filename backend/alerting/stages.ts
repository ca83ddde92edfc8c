// What stands between a group and its channels, one look at a time. Everything is asked of what is
// known at an instant; nothing is changed here.
//
//     inhibition -> active times -> mute times -> silences      of the alerts
//     -> is there news? -> acknowledgement -> limits            of the channel
//
// What a limit or an acknowledgement holds back is not told, and not forgotten: the next look at
// the group finds the same news. Never held back are the end of all alerts, and, by limits, a
// critical alert that the channel has not heard of.

import type { RouteLimits } from './config.ts';
import { newsOf } from './dedup.ts';
import { SEVERITY } from './inhibit.ts';
import type { ChannelRecord, Held } from './ledger.ts';
import type { NotificationReason } from './model.ts';
import type { Snapshot } from './notification.ts';

export type Verdict =
  /** There is nothing to tell. */
  | { readonly type: 'none' }
  /** There is something, but not now. */
  | { readonly type: 'held'; readonly why: Held['why'] | 'acknowledged' }
  | { readonly type: 'send'; readonly reason: NotificationReason };

export interface Question {
  /** Alerts that nothing mutes. */
  readonly passing: readonly Snapshot[];
  readonly record: ChannelRecord | undefined;
  readonly atMs: number;
  readonly repeatIntervalMs: number;
  readonly sendResolved: boolean;
  readonly limits: RouteLimits;
  /** Fingerprints of the acknowledged and snoozed. */
  readonly acknowledged: ReadonlyMap<string, string>;
  /** How many messages the channel had in the last hour. */
  readonly sends: number;
}

export function judge(question: Question): Verdict {
  const { passing, record, atMs, repeatIntervalMs, sendResolved } = question;
  if (passing.length === 0) return { type: 'none' };
  const told = record?.told ?? null;
  const firing = fingerprintsOf(passing, false);
  const resolved = fingerprintsOf(passing, true);
  const reason = newsOf(told, { firing, resolved, atMs, repeatIntervalMs, sendResolved });
  if (reason === null) return { type: 'none' };
  if (reason === 'all alerts resolved') return { type: 'send', reason };
  const fresh = passing.filter(({ alert, resolved: over }) =>
    !over && !(told?.firing.includes(alert.fingerprint) ?? false));
  const why = acknowledgedHolds(fresh, firing, question) ? 'acknowledged'
    : limitHolds(fresh, question);
  return why === null ? { type: 'send', reason } : { type: 'held', why };
}

export const fingerprintsOf = (alerts: readonly Snapshot[], over: boolean): string[] =>
  alerts.filter(({ resolved }) => resolved === over).map(({ alert }) => alert.fingerprint);

/** What is new must be told unless it was acknowledged by itself; all else while any is not. */
function acknowledgedHolds(
  fresh: readonly Snapshot[],
  firing: readonly string[],
  { acknowledged }: Question,
): boolean {
  const asked = fresh.length > 0 ? fresh.map(({ alert }) => alert.fingerprint) : firing;
  return asked.every((fingerprint) => acknowledged.has(fingerprint));
}

function limitHolds(
  fresh: readonly Snapshot[],
  { record, atMs, limits: { cooldownMs, perHourMax }, sends }: Question,
): Held['why'] | null {
  if (fresh.some(({ alert }) => alert.labels[SEVERITY] === 'critical')) return null;
  if (perHourMax > 0 && sends >= perHourMax) return 'cap';
  const lastMs = record?.told?.freshAtMs ?? -Infinity;
  return fresh.length > 0 && atMs < lastMs + cooldownMs ? 'cooldown' : null;
}
