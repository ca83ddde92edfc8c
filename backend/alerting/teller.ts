// Looks at a group, and tells its channels what there is to tell.

import type { Clock } from '../../runtime/clock.ts';
import type { Counters } from '../../runtime/counters.ts';
import type { Random } from '../../runtime/random.ts';
import type { Deliveries } from './delivery.ts';
import type { Group, Looked } from './dispatcher.ts';
import { draftOf, type ChannelRecord, type Held } from './ledger.ts';
import type { Channel, GroupEvent, Notification } from './model.ts';
import { notificationOf, type Snapshot } from './notification.ts';
import { fingerprintsOf, judge, type Verdict } from './stages.ts';
import type { State } from './state.ts';

export const limits = {
  /** Until the next look when the journal took nothing. */
  retryMs: 5_000,
  /**
   * After a start or a takeover not every alert is known at once. As long as a channel was told of
   * alerts that nobody has posted since, it is not told for so long that all of them are over.
   */
  settleMs: 5 * 60_000,
} as const;

export interface TellerOptions {
  readonly state: State;
  readonly deliveries: Deliveries;
  readonly clock: Clock;
  readonly random: Random;
  readonly counters: Counters;
  readonly externalUrl: string;
  /** Whether this backend is the one that notifies now, and since when. */
  readonly leads: () => boolean;
  readonly leadingSinceMs: () => number;
  readonly heard: (event: GroupEvent) => void;
  /** A channel has had its messages of this hour. */
  readonly capped: (channel: Channel) => void;
}

type TargetChannel = ReturnType<State['channels']>[number];
type Told = { readonly done: boolean; readonly retry: boolean };

const DONE: Told = { done: true, retry: false };
const LATER: Told = { done: false, retry: false };

export class Teller {
  readonly #options: TellerOptions;

  constructor(options: TellerOptions) {
    this.#options = options;
  }

  async look(group: Group): Promise<Looked> {
    const { state, clock, leads } = this.#options;
    const atMs = clock.nowMs();
    const snapshots = state.snapshots(group, atMs);
    const over = snapshots.filter(({ resolved }) => resolved).map(({ alert }) => alert);
    const settledMs = this.#settledMs(group);
    const unsettled = settledMs > atMs;
    const passing = this.passing(group, snapshots, atMs);
    const againMs = unsettled ? settledMs : null;
    if (passing.length === 0) return { done: !unsettled, over, againMs, waits: false };
    const look: OneLook = { group, passing, atMs, unsettled, heard: false };
    const channels = state.channels(group.route.config.receiver);
    if (!leads()) {
      const waits = channels.some((channel) => this.#wants(look, channel));
      return { done: !waits && !unsettled, over, againMs, waits };
    }
    const told = await Promise.all(channels.map((channel) => this.#tell(look, channel)));
    const retryMs = told.some(({ retry }) => retry) ? atMs + limits.retryMs : null;
    return { over, waits: false, done: !unsettled && told.every(({ done }) => done),
      againMs: retryMs ?? againMs };
  }

  /** Sends what was decided and not known to be sent; false: it is on its way, or will be. */
  async resume(record: ChannelRecord): Promise<boolean> {
    const { deliveries, heard } = this.#options;
    const { pending, groupKey, channel } = record;
    if (pending === null || deliveries.isUnderWay(groupKey, channel)) return false;
    const sent = await deliveries.resume(record);
    if (sent === 'sent' && pending.notification.reason !== 'digest') {
      heard(eventOf(pending.notification));
    }
    return sent !== 'aborted';
  }

  /** A group has no alerts any more. Who was told of it may hear of it anew. */
  async over({ key, labels, route }: Group): Promise<void> {
    const { state, deliveries, clock, leads, heard } = this.#options;
    if (!leads()) return;
    const { receiver } = route.config;
    const records = state.channels(receiver).map((channel) => state.ledger.get(key, channel))
      .filter((record) => record !== undefined);
    const untold = records.filter(({ told, pending, held }) => pending === null
      && ((told?.firing.length ?? 0) > 0 || held?.why === 'cooldown'));
    if (untold.length === 0) return;
    const atMs = clock.nowMs();
    await deliveries.writeAtLast(untold.map((record) => draftOf({
      ...record, told: record.told && { ...record.told, firing: [], resolved: [] },
      held: record.held?.why === 'cap' ? record.held : null,
    }, 'over', atMs, null)));
    if (!untold.some(({ told }) => (told?.firing.length ?? 0) > 0)) return;
    heard({ type: 'resolved', groupKey: key, receiver,
      notification: this.#notification({ groupKey: key, receiver, groupLabels: labels, atMs,
        reason: 'all alerts resolved', digest: '' }, []) });
  }

  /** What nothing mutes. */
  passing(group: Group, snapshots: readonly Snapshot[], atMs: number): Snapshot[] {
    const { state } = this.#options;
    const uninhibited = snapshots.filter(({ alert }) =>
      state.inhibitedBy(alert, atMs).length === 0);
    this.#count('inhibition', snapshots.length - uninhibited.length);
    group.mutedBy = state.mutedBy(group.route, atMs);
    if (group.mutedBy.length > 0) {
      this.#count('time_interval', uninhibited.length);
      return [];
    }
    const passing = uninhibited.filter(({ alert }) =>
      state.silences.mutedBy(alert.labels, atMs).length === 0);
    this.#count('silence', uninhibited.length - passing.length);
    return passing;
  }

  #count(reason: string, count: number): void {
    if (count <= 0 || !this.#options.leads()) return;
    this.#options.counters.counter('binnacle_alerting_suppressed_total',
      'Times that an alert was not told of, by reason.', { reason }).add(count);
  }

  /** When all that was told as firing should be known again. */
  #settledMs({ key, route, alerts }: Group): number {
    const { state, leadingSinceMs } = this.#options;
    const unknown = state.channels(route.config.receiver).some((channel) =>
      !state.ledger.isOwn(key, channel)
      && (state.ledger.get(key, channel)?.told?.firing ?? []).some((one) => !alerts.has(one)));
    return unknown ? leadingSinceMs() + limits.settleMs : 0;
  }

  #judge({ group, passing, atMs }: OneLook, channel: TargetChannel): Verdict {
    const { state } = this.#options;
    const { config } = group.route;
    return judge({
      passing, atMs, record: state.ledger.get(group.key, channel),
      repeatIntervalMs: config.repeatIntervalMs, sendResolved: channel.sendResolved,
      limits: config.limits, sends: state.ledger.sends(channel, atMs).length,
      acknowledged: state.acknowledged(group.key, passing.filter(({ resolved }) => !resolved)
        .map(({ alert }) => alert), atMs),
    });
  }

  #wants(look: OneLook, channel: TargetChannel): boolean {
    const pending = this.#options.state.ledger.get(look.group.key, channel)?.pending ?? null;
    return pending !== null || this.#judge(look, channel).type !== 'none';
  }

  async #tell(look: OneLook, channel: TargetChannel): Promise<Told> {
    const { state } = this.#options;
    const { group: { key }, unsettled } = look;
    const before = state.ledger.get(key, channel);
    if (before !== undefined && before.pending !== null) {
      const resumed = await this.resume(before);
      if (!resumed) return LATER;
    }
    const verdict = this.#judge(look, channel);
    if (verdict.type === 'none') return DONE;
    if (verdict.type === 'held') return this.#hold(look, channel, verdict.why);
    if (unsettled && verdict.reason === 'all alerts resolved') return LATER;
    return this.#send(look, channel, verdict.reason);
  }

  async #hold(
    { group: { key }, passing, atMs }: OneLook,
    channel: TargetChannel,
    why: Held['why'] | 'acknowledged',
  ): Promise<Told> {
    const { state, deliveries, capped } = this.#options;
    this.#count(why, 1);
    if (why === 'acknowledged') return LATER;
    const record = recordOf(state, key, channel);
    const firing = fingerprintsOf(passing, false);
    const { held } = record;
    const known = held !== null && held.why === why && same(held.firing, firing);
    if (!known) {
      const now: Held = { why, firing, sinceMs: held?.sinceMs ?? atMs,
        count: (held?.count ?? 0) + 1 };
      state.ledger.own(key, channel);
      await deliveries.write([draftOf({ ...record, held: now }, 'held', atMs, null)]);
    }
    if (why === 'cap') capped(channel);
    return LATER;
  }

  async #send(
    look: OneLook,
    channel: TargetChannel,
    reason: Notification['reason'],
  ): Promise<Told> {
    const { state, deliveries, clock } = this.#options;
    const { group, passing, atMs } = look;
    const record = recordOf(state, group.key, channel);
    const firing = fingerprintsOf(passing, false);
    const fresh = firing.some((one) => !(record.told?.firing.includes(one) ?? false));
    const told = { firing, resolved: fingerprintsOf(passing, true), atMs,
      freshAtMs: fresh ? atMs : (record.told?.freshAtMs ?? 0) };
    const alerts = channel.sendResolved ? passing : passing.filter(({ resolved }) => !resolved);
    const notification = this.#notification({
      groupKey: group.key, receiver: channel.receiver, groupLabels: group.labels, atMs, reason,
      digest: heldText(record.held),
    }, alerts);
    if (alerts.length === 0) {
      // The channel is not told of the end; that it is over is remembered.
      state.ledger.own(group.key, channel);
      const draft = draftOf({ ...record, told, held: null }, 'over', clock.nowMs(), notification);
      const written = await deliveries.write([draft]);
      if (written) this.#hear(look, notification);
      return { done: written, retry: !written };
    }
    const sent = await deliveries.send(record, { notification, told, covers: [] });
    if (sent === 'sent') this.#hear(look, notification);
    return { done: sent === 'sent', retry: sent === 'unwritten' };
  }

  /** Once for each look, whatever number of channels there is. */
  #hear(look: OneLook, notification: Notification): void {
    if (look.heard) return;
    look.heard = true;
    this.#options.heard(eventOf(notification));
  }

  #notification(
    about: Omit<Parameters<typeof notificationOf>[1], 'id' | 'externalUrl'>,
    alerts: readonly Snapshot[],
  ): Notification {
    const { random, externalUrl } = this.#options;
    return notificationOf(alerts, { ...about, id: random.uuid(), externalUrl });
  }
}

interface OneLook {
  readonly group: Group;
  readonly passing: readonly Snapshot[];
  readonly atMs: number;
  readonly unsettled: boolean;
  heard: boolean;
}

export function recordOf(state: State, groupKey: string, channel: Channel): ChannelRecord {
  const { receiver, type, index } = channel;
  return state.ledger.get(groupKey, channel)
    ?? { groupKey, channel: { receiver, type, index }, told: null, pending: null, held: null };
}

function eventOf(notification: Notification): GroupEvent {
  const { groupKey, receiver, reason } = notification;
  const type = reason === 'all alerts resolved' ? 'resolved' : 'notified';
  return { type, groupKey, receiver, notification };
}

const same = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((item) => other.includes(item));

function heldText(held: Held | null): string {
  if (held === null) return '';
  const times = held.count === 1 ? 'once' : `${held.count} times`;
  const since = new Date(held.sinceMs).toISOString().slice(0, 19);
  return `held back ${times} since ${since}Z (${held.why})`;
}
