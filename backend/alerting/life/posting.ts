// Takes in alerts that apps, Prometheus or other Alertmanagers post, and writes them into the
// journal (kind `posted`), from where alerting knows them.
//
// Promises:
// - What was accepted is stored when the promise resolves; nothing is accepted and not stored.
// - Prometheus sends each alert again every minute with an end that has moved on a little. That
//   alone is not written each time: once an end moves, half as much again is written, so that the
//   next moves are within it. An alert whose sender goes away silently ends later by
//   `limits.stretchMsMax` at most; one that is said to be over is over at once.

import type { Clock } from '../../../runtime/clock.ts';
import type { Draft, Journal } from '../../journal/journal.ts';
import { fingerprintOf, type Labels } from '../../labels/labels.ts';
import { postedDraft } from '../alerts.ts';
import type { Alert, PostedAlert } from '../model.ts';

export const limits = {
  /** Posted alerts that fire at the same time; further ones are refused. */
  firingMax: 50_000,
  /** Labels of an alert, and annotations; an alert with more is refused. */
  labelsMax: 100,
  nameCharactersMax: 200,
  labelCharactersMax: 4096,
  annotationCharactersMax: 64 * 1024,
  /** Over what an alert says itself, the end may be so much later. */
  stretchMsMax: 5 * 60_000,
  /** An alert without an end that is posted again so soon is not written again. */
  againMs: 20_000,
  writeMs: 30_000,
} as const;

export interface PostingOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  /** What is known now, with what is over. */
  readonly alerts: () => ReadonlyArray<{ readonly alert: Alert }>;
  /** When somebody ended an alert by hand; null when nobody did. */
  readonly endedAtMs: (alert: Alert) => number | null;
}

export interface Posted {
  /** Of the accepted ones, in their order. */
  readonly fingerprints: readonly string[];
  readonly refused: ReadonlyArray<{ readonly index: number; readonly why: string }>;
}

/** Takes the valid ones and names the others. Throws QueryError when the store does not take it. */
export type Post = (alerts: readonly PostedAlert[], actor: string) => Promise<Posted>;

export function createPost({ journal, clock, alerts, endedAtMs }: PostingOptions): Post {
  return async (posted, actor) => {
    const nowMs = clock.nowMs();
    const known = new Map(alerts().map(({ alert }) => [alert.fingerprint, alert]));
    const refused: { index: number; why: string }[] = [];
    const fingerprints: string[] = [];
    const drafts = new Map<string, Draft>();
    let firing = [...known.values()]
      .filter(({ origin, endsAtMs }) => origin === 'posted' && endsAtMs > nowMs).length;
    for (const [index, written] of posted.entries()) {
      const alert = cleaned(written);
      const fingerprint = fingerprintOf(alert.labels);
      const before = known.get(fingerprint);
      const isNew = before === undefined && !drafts.has(fingerprint);
      const why = faultOf(alert)
        ?? (isNew && firing >= limits.firingMax ? `${limits.firingMax} alerts fire already` : null);
      if (why !== null) {
        refused.push({ index, why });
        continue;
      }
      if (isNew) firing += 1;
      fingerprints.push(fingerprint);
      const isEnded = before !== undefined && endedAtMs(before) !== null;
      const kept = isEnded && isThatOf(alert, before, nowMs) ? null
        : toWrite(alert, before, nowMs);
      if (kept !== null) {
        drafts.set(fingerprint, { ...postedDraft(kept, before, nowMs), actor });
      }
    }
    if (drafts.size > 0) {
      await journal.write([...drafts.values()], AbortSignal.timeout(limits.writeMs));
    }
    return { fingerprints, refused };
  };
}

/** Labels without a value are none. */
const cleaned = (alert: PostedAlert): PostedAlert =>
  ({ ...alert, labels: filled(alert.labels), annotations: filled(alert.annotations) });

const filled = (labels: Labels): Labels =>
  Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ''));

/** Why an alert cannot be taken, in Alertmanager's sense; null when it can. */
function faultOf({ labels, annotations, startsAtMs, endsAtMs }: PostedAlert): string | null {
  if (Object.keys(labels).length === 0) return 'at least one label pair required';
  if (startsAtMs !== null && endsAtMs !== null && endsAtMs < startsAtMs) {
    return 'start time must be before end time';
  }
  return pairFault(labels, 'label', limits.labelCharactersMax)
    ?? pairFault(annotations, 'annotation', limits.annotationCharactersMax);
}

function pairFault(pairs: Labels, noun: string, charactersMax: number): string | null {
  const entries = Object.entries(pairs);
  if (entries.length > limits.labelsMax) return `more than ${limits.labelsMax} ${noun}s`;
  for (const [name, value] of entries) {
    if (name === '' || name.length > limits.nameCharactersMax) {
      return `invalid ${noun} name ${JSON.stringify(name.slice(0, limits.nameCharactersMax))}`;
    }
    if (value.length > charactersMax) {
      return `${noun} ${name} has more than ${charactersMax} characters`;
    }
  }
  return null;
}

/** What was ended by hand stays so while its sender goes on about it, with the same start. */
const isThatOf = ({ startsAtMs, endsAtMs }: PostedAlert, known: Alert, nowMs: number): boolean =>
  startsAtMs !== null && startsAtMs <= known.startsAtMs && (endsAtMs === null || endsAtMs > nowMs);

/** As it is to be stored; null when what is stored says as much. */
function toWrite(alert: PostedAlert, known: Alert | undefined, nowMs: number): PostedAlert | null {
  if (known === undefined || known.endsAtMs <= nowMs || !saysTheSame(alert, known)) return alert;
  if (alert.endsAtMs === null) {
    return known.timeout && nowMs - known.updatedAtMs < limits.againMs ? null : alert;
  }
  // A time that was said is better than one that was guessed.
  if (known.timeout || alert.endsAtMs <= nowMs) return alert;
  // Of two ends that are to come the later one counts, as with Alertmanager.
  if (alert.endsAtMs <= known.endsAtMs) return null;
  const stretchMs = Math.min((alert.endsAtMs - nowMs) / 2, limits.stretchMsMax);
  return { ...alert, endsAtMs: Math.floor(alert.endsAtMs + stretchMs) };
}

const saysTheSame = (alert: PostedAlert, known: Alert): boolean =>
  (alert.startsAtMs === null || alert.startsAtMs >= known.startsAtMs)
  && alert.generatorUrl === known.generatorUrl && alert.value === known.value
  && isSame(alert.annotations, known.annotations);

function isSame(one: Labels, other: Labels): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length
    && names.every((name) => one[name] === other[name]);
}
