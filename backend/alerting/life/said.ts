// What people have said of one alert, or of one group of alerts, and what follows from it. Nothing
// here writes; backend/alerting/life/life.ts does.
//
// - An acknowledgement counts for the alert that was meant, until it is over: one that fires anew
//   is news. Of a group it counts for the alerts that fired when it was said, so that what comes
//   later is told.
// - A snooze counts until its time, whatever becomes of the alert in between.
// - An alert that was resolved by hand stays so until it fires anew, with a later start.

import type { Alert } from '../model.ts';

export const limits = {
  /** Notes that are kept with a thing; older ones are in the history alone. */
  notesMax: 100,
  /** Alerts of a group that an acknowledgement is about; a larger group is refused. */
  alertsMax: 10_000,
} as const;

/** Data of the journal's kind `acknowledgement`; the key is a fingerprint or a group key. */
export interface Said {
  readonly acknowledged: Acknowledgement | null;
  readonly snoozed: Acknowledgement | null;
  readonly resolved: Resolution | null;
  /** The oldest first. */
  readonly notes: readonly Note[];
}

export interface Note {
  readonly by: string;
  readonly atMs: number;
  readonly text: string;
}

export interface Acknowledgement {
  readonly by: string;
  readonly comment: string;
  readonly atMs: number;
  /** It does not count any more from then on. */
  readonly untilMs: number;
  /** When the alerts that are meant had started at the latest. */
  readonly startedMs: number;
  /** Of a group: the alerts that are meant. Null: the one of the key. */
  readonly fingerprints: readonly string[] | null;
}

export interface Resolution {
  readonly by: string;
  readonly note: string;
  readonly atMs: number;
  /** When the alert that is meant had started. */
  readonly startedMs: number;
}

/** What tells an alert apart from an earlier one with the same labels. */
export type Meant = Pick<Alert, 'fingerprint' | 'startsAtMs'>;

export const SAID_NOTHING: Said = { acknowledged: null, snoozed: null, resolved: null, notes: [] };

/** The snooze or acknowledgement that counts for an alert at an instant; null for none. */
export function heldBy(said: Said, alert: Meant, atMs: number): Acknowledgement | null {
  const { acknowledged, snoozed } = said;
  if (snoozed !== null && concerns(snoozed, alert, atMs)) return snoozed;
  if (acknowledged === null || !concerns(acknowledged, alert, atMs)) return null;
  return alert.startsAtMs <= acknowledged.startedMs ? acknowledged : null;
}

const concerns = (
  { untilMs, fingerprints }: Acknowledgement,
  { fingerprint }: Meant,
  atMs: number,
): boolean => atMs < untilMs && (fingerprints === null || fingerprints.includes(fingerprint));

/** When somebody ended the alert; null when nobody did, or it has fired anew. */
export const endedBy = ({ resolved }: Said, alert: Meant): Resolution | null =>
  resolved !== null && alert.startsAtMs <= resolved.startedMs ? resolved : null;

/** Whether what was said can matter no more from an instant on, for an alert that is over. */
export const isSpent = ({ acknowledged, snoozed }: Said, atMs: number): boolean =>
  [acknowledged, snoozed].every((one) => one === null || one.untilMs <= atMs);
