// What people do with alerts: acknowledge, snooze, resolve by hand, write notes. State is a fold
// over the journal's kind `acknowledgement`, so all backends know the same, also after a restart.
//
// Promises:
// - What was said counts, and is stored for good, when the promise of it resolves.
// - Each thing that was said is in the history with who said it.
// - What one backend is told about one thing is written one after another: nothing is lost between.

import type { Component } from '../../../proto/contract/component.ts';
import type { Clock, Timer } from '../../../runtime/clock.ts';
import type { Draft, Entry, Journal } from '../../journal/journal.ts';
import { ALERT_NAME, type Labels } from '../../labels/labels.ts';
import type { Alert } from '../model.ts';
import { SAID_NOTHING, endedBy, heldBy, isSpent, limits as saidLimits, type Acknowledgement,
  type Meant, type Said } from './said.ts';

export const limits = {
  /** An acknowledgement counts for so long unless somebody says otherwise. */
  acknowledgedMs: 24 * 3_600_000,
  /** And so long at most, as snoozes do; longer is cut. */
  heldMsMax: 30 * 86_400_000,
  /** What was said of a thing is forgotten when nobody said more of it for so long. */
  keptMs: 31 * 86_400_000,
  /** How often that is looked for. */
  sweepMs: 3_600_000,
  /** Things that were spoken of and are kept; more are refused. */
  thingsMax: 100_000,
  /** What the store does not take in this time is not said. */
  writeMs: 30_000,
} as const;

/** What people speak of. */
export type Target =
  | { readonly alert: Alert }
  | { readonly groupKey: string; readonly labels: Labels; readonly alerts: readonly Alert[] };

export interface Saying {
  /** Who says it. */
  readonly by: string;
  /** Why; '' for nothing. */
  readonly comment: string;
}

export interface LifeOptions {
  readonly journal: Journal;
  readonly clock: Clock;
}

export interface Life extends Component {
  /** Until then, or for the usual time. Throws QueryError, as all that writes. */
  acknowledge(target: Target, saying: Saying & { readonly untilMs?: number }): Promise<void>;
  /** Ends acknowledgement and snooze. */
  unacknowledge(target: Target, saying: Saying): Promise<void>;
  snooze(target: Target, saying: Saying & { readonly untilMs: number }): Promise<void>;
  /** The alert, or each of the group, is over until it fires anew. */
  resolve(target: Target, saying: Saying): Promise<void>;
  note(target: Target, saying: Saying): Promise<void>;
  /** By fingerprint or group key. */
  said(key: string): Said;
  /**
   * Which of the alerts of a group are acknowledged or snoozed, and by whom: by fingerprint. With
   * '' for the group only what was said of each alert counts.
   */
  acknowledged(
    groupKey: string,
    alerts: readonly Meant[],
    atMs: number,
  ): ReadonlyMap<string, string>;
  /** When somebody ended the alert by hand; null when it was not, or has fired anew since. */
  endedAtMs(alert: Meant): number | null;
  /** Calls `heard` with fingerprints and group keys of which something was said. */
  follow(heard: (keys: readonly string[]) => void): () => void;
}

export function createLife(options: LifeOptions): Life {
  return new Book(options);
}

class Book implements Life {
  readonly #options: LifeOptions;
  readonly #said = new Map<string, Known>();
  readonly #heard = new Set<(keys: readonly string[]) => void>();
  #unfollow = () => {};
  #sweeping: Timer | null = null;
  /** What is written now, so that the next thing is based on it. */
  #writing: Promise<void> = Promise.resolve();

  constructor(options: LifeOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { journal, clock } = this.#options;
    this.#unfollow = journal.follow(['acknowledgement'], (entries) => this.#fold(entries));
    const abort = AbortSignal.timeout(limits.writeMs);
    this.#fold(await journal.load(['acknowledgement'], abort));
    this.#sweeping = clock.every(limits.sweepMs, () => this.#sweep());
  }

  async stop(): Promise<void> {
    this.#unfollow();
    this.#sweeping?.cancel();
    await this.#writing;
  }

  acknowledge(target: Target, saying: Saying & { readonly untilMs?: number }): Promise<void> {
    return this.#say(target, 'acknowledged', saying, (said, nowMs) =>
      ({ ...said, acknowledged: acknowledgementOf(target, saying, nowMs), snoozed: null }));
  }

  unacknowledge(target: Target, saying: Saying): Promise<void> {
    return this.#say(target, 'unacknowledged', saying,
      (said) => ({ ...said, acknowledged: null, snoozed: null }));
  }

  snooze(target: Target, saying: Saying & { readonly untilMs: number }): Promise<void> {
    return this.#say(target, 'snoozed', saying, (said, nowMs) =>
      ({ ...said, snoozed: acknowledgementOf(target, saying, nowMs) }));
  }

  async resolve(target: Target, saying: Saying): Promise<void> {
    const { by, comment: note } = saying;
    const alerts = 'alert' in target ? [target.alert] : target.alerts;
    await this.#sayAll(alerts.map((alert) => ({ target: { alert }, state: 'resolved', saying,
      change: (said, atMs) => ({ ...said, acknowledged: null, snoozed: null,
        resolved: { by, note, atMs, startedMs: startedMs([alert], atMs) } }),
    })));
  }

  note(target: Target, saying: Saying): Promise<void> {
    const { by, comment: text } = saying;
    return this.#say(target, 'note', saying, (said, atMs) =>
      ({ ...said, notes: [...said.notes, { by, atMs, text }].slice(-saidLimits.notesMax) }));
  }

  said(key: string): Said {
    return this.#said.get(key)?.said ?? SAID_NOTHING;
  }

  acknowledged(
    groupKey: string,
    alerts: readonly Meant[],
    atMs: number,
  ): ReadonlyMap<string, string> {
    const ofGroup = this.said(groupKey);
    return new Map(alerts.flatMap((alert) => {
      const held = heldBy(this.said(alert.fingerprint), alert, atMs)
        ?? heldBy(ofGroup, alert, atMs);
      return held === null ? [] : [[alert.fingerprint, held.by]];
    }));
  }

  endedAtMs(alert: Meant): number | null {
    return endedBy(this.said(alert.fingerprint), alert)?.atMs ?? null;
  }

  follow(heard: (keys: readonly string[]) => void): () => void {
    this.#heard.add(heard);
    return () => void this.#heard.delete(heard);
  }

  #fold(entries: readonly Entry[]): void {
    for (const { key, atMs, version, deleted, data } of entries) {
      // What is loaded may be older than what was heard meanwhile.
      if ((this.#said.get(key)?.version ?? -1n) > version) continue;
      if (deleted) this.#said.delete(key);
      else this.#said.set(key, { said: data as Said, atMs, version });
    }
    const keys = entries.map(({ key }) => key);
    for (const heard of this.#heard) heard(keys);
  }

  #say(target: Target, state: string, saying: Saying, change: Change): Promise<void> {
    return this.#sayAll([{ target, state, saying, change }]);
  }

  #sayAll(sayings: readonly Word[]): Promise<void> {
    const saying = this.#writing.then(() => {
      const nowMs = this.#options.clock.nowMs();
      return this.#write(sayings.map(({ target, state, saying: { by, comment }, change }) => {
        const key = keyOf(target);
        return { ...aboutOf(target), kind: 'acknowledgement', key, atMs: nowMs, state, actor: by,
          note: comment, data: change(this.said(key), nowMs) };
      }));
    });
    this.#writing = saying.catch(() => {});
    return saying;
  }

  #write(drafts: readonly Draft[]): Promise<void> {
    const added = drafts.filter(({ key }) => !this.#said.has(key)).length;
    if (added > 0 && this.#said.size + added > limits.thingsMax) {
      throw new LifeError(`something was said of ${limits.thingsMax} alerts, which is the limit`);
    }
    return this.#options.journal.write(drafts, AbortSignal.timeout(limits.writeMs));
  }

  /** Forgets what can matter no more. It stays in the history. */
  #sweep(): void {
    const nowMs = this.#options.clock.nowMs();
    const drafts = [...this.#said]
      .filter(([, { said, atMs }]) => atMs + limits.keptMs <= nowMs && isSpent(said, nowMs))
      .map(([key]): Draft => ({ kind: 'acknowledgement', key, atMs: nowMs, deleted: true,
        state: 'forgotten', data: SAID_NOTHING }));
    if (drafts.length === 0) return;
    // What cannot be written now is tried again an hour later.
    this.#writing = this.#writing.then(() => this.#write(drafts)).catch(() => {});
  }
}

/** Something that cannot be said, for the person who tried. */
export class LifeError extends Error {}

interface Known {
  readonly said: Said;
  readonly atMs: number;
  readonly version: bigint;
}

type Change = (said: Said, nowMs: number) => Said;

interface Word {
  readonly target: Target;
  /** As the history shows it. */
  readonly state: string;
  readonly saying: Saying;
  readonly change: Change;
}

const keyOf = (target: Target): string =>
  ('alert' in target ? target.alert.fingerprint : target.groupKey);

/** What people find it by in the history. */
function aboutOf(target: Target): Pick<Draft, 'name' | 'severity' | 'labels'> {
  const labels = 'alert' in target ? target.alert.labels : target.labels;
  return { name: labels[ALERT_NAME] ?? '', severity: labels['severity'] ?? '', labels };
}

function acknowledgementOf(
  target: Target,
  { by, comment, untilMs }: Saying & { readonly untilMs?: number },
  atMs: number,
): Acknowledgement {
  const alerts = 'alert' in target ? [target.alert] : target.alerts;
  if (alerts.length > saidLimits.alertsMax) {
    throw new LifeError(`the group has more than ${saidLimits.alertsMax} alerts`);
  }
  return {
    by, comment, atMs,
    untilMs: Math.min(untilMs ?? atMs + limits.acknowledgedMs, atMs + limits.heldMsMax),
    startedMs: startedMs(alerts, atMs),
    fingerprints: 'alert' in target ? null : alerts.map(({ fingerprint }) => fingerprint),
  };
}

/** Clocks differ: an alert may begin a little later than now, and is meant nevertheless. */
const startedMs = (alerts: readonly Alert[], atMs: number): number =>
  alerts.reduce((latest, { startsAtMs }) => Math.max(latest, startsAtMs), atMs);
