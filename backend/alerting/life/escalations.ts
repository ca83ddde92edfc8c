// Wakes the next one when nobody says that he looks after it: a chain of steps for each group that
// was notified, on a route that names an escalation.
//
//     notified ── after ──> step 1 ── after ──> step 2 … each repeated as it says, until the group
//                                               is over
//
// - A step comes `after` so long without acknowledgement since the first notification, or since
//   the step before was first notified.
// - While each alert of the group is acknowledged, snoozed, silenced, inhibited or mute, nothing
//   happens. When that ends and the group still fires, the wait for the next step begins anew.
// - What is told are the alerts that fire and that nobody looks after.
//
// Promises:
// - How far a chain has come is in the journal (kind `escalation`), written before anything is
//   sent: after a restart, or on the backend that takes over, it goes on from there. A message that
//   was decided and perhaps not sent is sent again with the same id.
// - Only the backend that leads sends.

import type { Component } from '../../../proto/contract/component.ts';
import type { Clock, Timer } from '../../../runtime/clock.ts';
import { errorMessage } from '../../../runtime/errors.ts';
import type { Log } from '../../../runtime/log.ts';
import type { Draft, Entry, Journal } from '../../journal/journal.ts';
import { ALERT_NAME, fingerprintOf, type Labels } from '../../labels/labels.ts';
import type { Alert, Alerting, Channel, Courier, GroupEvent, Notification, ShownGroup }
  from '../model.ts';
import type { Life } from './life.ts';
import { turnAt, type Rotation } from './rotation.ts';

export const limits = {
  /** Messages of a chain; after that it is silent until the group is over. */
  messagesMax: 1000,
  /** How often a chain that waits for something without a time is looked at. */
  lookMs: 15_000,
  /** A group that has fired so long without a chain gets one: a notification was not heard of. */
  missedMs: 15 * 60_000,
  /** A chain whose group nobody knows any more so long after the start is ended. */
  goneMs: 15 * 60_000,
  writeMs: 30_000,
} as const;

export interface Escalation {
  readonly name: string;
  readonly steps: readonly Step[];
}

export interface Step {
  readonly afterMs: number;
  /** '' when `rotation` says who. */
  readonly receiver: string;
  readonly rotation: string;
  /** 0: not repeated. */
  readonly repeatMs: number;
}

export interface EscalationsOptions {
  readonly alerting: Pick<Alerting, 'follow' | 'groups'>;
  readonly courier: Pick<Courier, 'deliver'>;
  readonly life: Pick<Life, 'acknowledged' | 'endedAtMs' | 'follow'>;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether this backend is the one that sends. */
  readonly leads: () => boolean;
  /** The escalation of a group's route; null for none. */
  readonly escalationOf: (groupKey: string) => Escalation | null;
  readonly rotations: () => readonly Rotation[];
  /** None for a receiver that there is not. */
  readonly channelsOf: (receiver: string, status: Notification['status']) => readonly Channel[];
  /** Where people reach this backend. */
  readonly externalUrl: string;
}

/** Data of the journal's kind `escalation`; the key is the group's. */
export interface Progress {
  readonly groupKey: string;
  readonly escalation: string;
  readonly startedMs: number;
  /** Index of the step that was notified last; -1 for none. */
  readonly step: number;
  /** Since when the wait for the next step counts. */
  readonly sinceMs: number;
  /** When somebody was notified last. */
  readonly sentMs: number;
  readonly messages: number;
  /** Everything is looked after, or may not be told of now. */
  readonly held: boolean;
  /** What was decided and may not be there yet. */
  readonly sending: Notification | null;
  /** Receivers that were told, and what the last of them was. */
  readonly told: readonly string[];
  readonly last: Notification | null;
  /** The group is over: what those who were told are still to be told. */
  readonly closing: readonly Notification[];
}

export function createEscalations(options: EscalationsOptions): Component {
  return new Escalations(options);
}

class Escalations implements Component {
  readonly #options: EscalationsOptions;
  readonly #known = new Map<string, { readonly progress: Progress; readonly version: bigint }>();
  /** Groups about which something is written or sent now. */
  readonly #busy = new Map<string, Promise<void>>();
  /** What failed is not tried again before. */
  readonly #notBeforeMs = new Map<string, number>();
  readonly #stopping = new AbortController();
  #unfollow: (() => void)[] = [];
  #timer: Timer | null = null;
  #startedMs = 0;

  constructor(options: EscalationsOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { alerting, journal, life, clock } = this.#options;
    this.#startedMs = clock.nowMs();
    this.#unfollow = [
      journal.follow(['escalation'], (entries) => {
        this.#fold(entries);
        this.#wake();
      }),
      alerting.follow((event) => this.#hear(event)),
      life.follow(() => this.#wake()),
    ];
    this.#fold(await journal.load(['escalation'], this.#abort()));
    this.#wake();
  }

  async stop(deadline: AbortSignal): Promise<void> {
    for (const end of this.#unfollow) end();
    this.#timer?.cancel();
    if (deadline.aborted) this.#stopping.abort();
    deadline.addEventListener('abort', () => this.#stopping.abort(), { once: true });
    await Promise.all(this.#busy.values());
    this.#stopping.abort();
  }

  #abort(): AbortSignal {
    return AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(limits.writeMs)]);
  }

  #fold(entries: readonly Entry[]): void {
    for (const { key, version, deleted, data } of entries) {
      if ((this.#known.get(key)?.version ?? -1n) > version) continue;
      if (deleted) this.#known.delete(key);
      else this.#known.set(key, { progress: data as Progress, version });
    }
  }

  #hear({ type, groupKey, notification }: GroupEvent): void {
    if (!this.#options.leads()) return;
    if (type === 'resolved') return this.#run(groupKey, () => this.#close(groupKey, notification));
    if (notification.status === 'firing') this.#begin(groupKey, notification.atMs);
  }

  #begin(groupKey: string, atMs: number): void {
    const escalation = this.#options.escalationOf(groupKey);
    if (escalation === null || this.#known.has(groupKey)) return;
    this.#run(groupKey, () => this.#write('started', {
      groupKey, escalation: escalation.name, startedMs: atMs, step: -1, sinceMs: atMs, sentMs: atMs,
      messages: 0, held: false, sending: null, told: [], last: null,
      closing: [],
    }));
  }

  /** One thing at a time about a group. What fails is tried again at the next look. */
  #run(groupKey: string, act: () => Promise<void>): void {
    const before = this.#busy.get(groupKey) ?? Promise.resolve();
    const done = before.then(() => {
      this.#notBeforeMs.delete(groupKey);
      return act();
    }).catch((error: unknown) => {
      if (this.#stopping.signal.aborted) return;
      this.#putOff(groupKey);
      this.#options.log.warn('cannot escalate: it is tried again',
        { group: groupKey, cause: errorMessage(error) });
    }).finally(() => {
      if (this.#busy.get(groupKey) === done) this.#busy.delete(groupKey);
      this.#wake();
    });
    this.#busy.set(groupKey, done);
  }

  #putOff(groupKey: string): void {
    this.#notBeforeMs.set(groupKey, this.#options.clock.nowMs() + limits.lookMs);
  }

  /** Looks as soon as what happens now is over. */
  #wake(): void {
    if (this.#stopping.signal.aborted) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(0, () => this.#look());
  }

  #look(): void {
    const { clock, leads } = this.#options;
    const nowMs = clock.nowMs();
    let nextMs = nowMs + limits.lookMs;
    if (leads()) {
      const groups = new Map(this.#options.alerting.groups().map((group) =>
        [group.groupKey, group]));
      for (const { progress } of this.#known.values()) {
        if (this.#busy.has(progress.groupKey)) continue;
        const dueMs = Math.max(this.#notBeforeMs.get(progress.groupKey) ?? 0,
          this.#dueMs(progress, groups.get(progress.groupKey), nowMs));
        if (dueMs > nowMs) nextMs = Math.min(nextMs, dueMs);
        else this.#run(progress.groupKey, () => this.#step(progress.groupKey));
      }
      for (const group of groups.values()) this.#beginMissed(group, nowMs);
    }
    this.#timer?.cancel();
    if (this.#known.size > 0 || !leads() || this.#stopping.signal.aborted) {
      this.#timer = clock.after(nextMs - nowMs, () => this.#look());
    } else {
      this.#timer = clock.after(limits.missedMs, () => this.#look());
    }
  }

  #beginMissed(group: ShownGroup, nowMs: number): void {
    if (this.#known.has(group.groupKey) || this.#busy.has(group.groupKey)) return;
    const since = this.#open(group, nowMs).map(({ startsAtMs }) => startsAtMs);
    if (since.length > 0 && Math.min(...since) + limits.missedMs <= nowMs) {
      this.#begin(group.groupKey, nowMs);
    }
  }

  /** When something is to be done about a chain; now, or later. */
  #dueMs(progress: Progress, group: ShownGroup | undefined, nowMs: number): number {
    if (progress.sending !== null || progress.closing.length > 0) return nowMs;
    if (group === undefined) return Math.max(this.#startedMs, progress.sentMs) + limits.goneMs;
    const open = this.#open(group, nowMs).length > 0;
    if (open === progress.held) return nowMs;
    return open ? nextOf(progress, this.#options.escalationOf(progress.groupKey)).atMs : Infinity;
  }

  async #step(groupKey: string): Promise<void> {
    const { alerting, clock, escalationOf } = this.#options;
    const progress = this.#known.get(groupKey)?.progress;
    if (progress === undefined) return;
    if (progress.closing.length > 0) return this.#sendClosing(progress);
    if (progress.sending !== null) return this.#send(progress, progress.sending);
    const nowMs = clock.nowMs();
    const group = alerting.groups().find((one) => one.groupKey === groupKey);
    const escalation = escalationOf(groupKey);
    if (group === undefined || escalation === null) return this.#end(groupKey, 'gone');
    const alerts = this.#open(group, nowMs);
    if (alerts.length === 0) {
      return progress.held ? undefined : this.#write('held', { ...progress, held: true });
    }
    if (progress.held) {
      return this.#write('waiting', { ...progress, held: false, sinceMs: nowMs, sentMs: nowMs });
    }
    const next = nextOf(progress, escalation);
    if (next.atMs > nowMs) return;
    const step = escalation.steps[next.step]!;
    const sending = this.#message(step, group, alerts, progress, nowMs);
    const decided: Progress = {
      ...progress, step: next.step, messages: progress.messages + 1, sentMs: nowMs,
      sinceMs: next.step === progress.step ? progress.sinceMs : nowMs,
      sending, last: sending, told: [...new Set([...progress.told, sending.receiver])],
    };
    await this.#write('decided', decided);
    await this.#send(decided, sending);
  }

  async #send(progress: Progress, notification: Notification): Promise<void> {
    const { courier, channelsOf, log } = this.#options;
    const channels = channelsOf(notification.receiver, notification.status);
    if (channels.length === 0) {
      log.warn('cannot escalate: the receiver has no channels',
        { group: progress.groupKey, receiver: notification.receiver });
    }
    const ends = await Promise.all(channels.map((channel) =>
      courier.deliver(channel, notification, this.#stopping.signal)));
    if (ends.includes('aborted')) return this.#putOff(progress.groupKey);
    // It may have been resolved meanwhile; that counts more than that it was sent.
    const known = this.#known.get(progress.groupKey)?.progress;
    if (known === undefined || known.closing.length > 0) return;
    const isThere = ends.some((end) => end !== 'dead');
    await this.#write(isThere ? 'sent' : 'undelivered', { ...progress, sending: null });
  }

  /**
   * The group is over: who was told of it by the chain is told so, too, and then it ends. What is
   * over is what they were told of last, as the group has no alerts any more.
   */
  async #close(groupKey: string, over: Notification): Promise<void> {
    const progress = this.#known.get(groupKey)?.progress;
    if (progress === undefined) return;
    const { told, last, startedMs } = progress;
    const closing = last === null ? [] : told.filter((receiver) => receiver !== over.receiver)
      .map((receiver): Notification => ({
        ...last, receiver, status: 'resolved', reason: 'all alerts resolved', atMs: over.atMs,
        id: fingerprintOf({ groupKey, started: String(startedMs), over: receiver }),
        alerts: last.alerts.map((alert) =>
          ({ ...alert, status: 'resolved', endsAtMs: over.atMs })),
      }));
    if (closing.length === 0) return this.#end(groupKey, 'resolved');
    const closed = { ...progress, sending: null, closing };
    await this.#write('closing', closed);
    await this.#sendClosing(closed);
  }

  async #sendClosing({ groupKey, closing }: Progress): Promise<void> {
    const { courier, channelsOf } = this.#options;
    const ends = await Promise.all(closing.flatMap((notification) =>
      channelsOf(notification.receiver, 'resolved').map((channel) =>
        courier.deliver(channel, notification, this.#stopping.signal))));
    if (ends.includes('aborted')) this.#putOff(groupKey);
    else await this.#end(groupKey, 'resolved');
  }

  #write(state: string, progress: Progress): Promise<void> {
    return this.#options.journal.write([this.#draft(state, progress)], this.#abort());
  }

  async #end(groupKey: string, state: string): Promise<void> {
    const progress = this.#known.get(groupKey)?.progress;
    if (progress === undefined) return;
    const draft = { ...this.#draft(state, { ...progress, sending: null }), deleted: true };
    await this.#options.journal.write([draft], this.#abort());
  }

  #draft(state: string, progress: Progress): Draft {
    const { clock, alerting } = this.#options;
    const { groupKey, escalation, step, sending } = progress;
    const labels = alerting.groups().find((one) => one.groupKey === groupKey)?.labels ?? {};
    return { kind: 'escalation', key: groupKey, atMs: clock.nowMs(), state, labels,
      name: labels[ALERT_NAME] ?? '', severity: labels['severity'] ?? '',
      note: step < 0 ? escalation : `${escalation}, step ${step + 1}`
        + (sending === null ? '' : `: ${sending.receiver}`),
      data: progress };
  }

  /** Alerts that fire, may be told of, and that nobody looks after. */
  #open({ groupKey, alerts }: ShownGroup, nowMs: number): Alert[] {
    const { life } = this.#options;
    const firing = alerts.filter(({ alert, state }) => state !== 'suppressed'
      && alert.endsAtMs > nowMs && life.endedAtMs(alert) === null).map(({ alert }) => alert);
    const held = life.acknowledged(groupKey, firing, nowMs);
    return firing.filter(({ fingerprint }) => !held.has(fingerprint));
  }

  #message(
    step: Step,
    group: ShownGroup,
    alerts: readonly Alert[],
    { startedMs, messages }: Progress,
    atMs: number,
  ): Notification {
    const { rotations, externalUrl } = this.#options;
    const { groupKey } = group;
    const rotation = rotations().find(({ name }) => name === step.rotation);
    const receiver = rotation === undefined ? step.receiver
      : turnAt(rotation, atMs).person.receiver;
    return {
      id: fingerprintOf({ groupKey, started: String(startedMs), message: String(messages) }),
      receiver, groupKey, status: 'firing', reason: 'escalation', atMs, groupLabels: group.labels,
      commonLabels: common(alerts.map(({ labels }) => labels)),
      commonAnnotations: common(alerts.map(({ annotations }) => annotations)),
      externalUrl, truncatedAlerts: 0, digest: '',
      alerts: alerts.map(({ fingerprint, labels, annotations, startsAtMs, generatorUrl, value,
        evidence }) => ({ status: 'firing', fingerprint, labels, annotations, startsAtMs,
        endsAtMs: null, generatorUrl, value: value ?? null,
        evidence: evidence ?? { traces: [], logs: [] } })),
    };
  }
}

/** The step that comes next and when: the one behind, or the same once more. */
function nextOf(
  { step, sinceMs, sentMs, messages }: Progress,
  escalation: Escalation | null,
): { readonly step: number; readonly atMs: number } {
  const never = { step, atMs: Infinity };
  if (escalation === null) return { step, atMs: 0 };
  if (messages >= limits.messagesMax) return never;
  const following = escalation.steps[step + 1];
  const next = following === undefined ? never
    : { step: step + 1, atMs: sinceMs + following.afterMs };
  const repeatMs = escalation.steps[step]?.repeatMs ?? 0;
  const again = repeatMs === 0 ? never : { step, atMs: sentMs + repeatMs };
  return again.atMs < next.atMs ? again : next;
}

function common(all: readonly Labels[]): Labels {
  return Object.fromEntries(Object.entries(all[0] ?? {})
    .filter(([name, value]) => all.every((labels) => labels[name] === value)));
}
