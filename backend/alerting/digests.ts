// What a channel did not get because it had its messages of the hour is told in one message, as
// soon as the hour allows one again. The groups in it count as told of.

import type { Clock, Timer } from '../../runtime/clock.ts';
import type { Random } from '../../runtime/random.ts';
import type { Deliveries } from './delivery.ts';
import type { Group } from './dispatcher.ts';
import {
  channelId, limits as ledgerLimits, type ChannelRecord, type Covered,
} from './ledger.ts';
import type { Channel } from './model.ts';
import { notificationOf, type Snapshot } from './notification.ts';
import { fingerprintsOf } from './stages.ts';
import type { State } from './state.ts';
import { recordOf } from './teller.ts';

export const limits = {
  /** Groups that the text of a digest names; of more only the number is told. */
  namedMax: 10,
  /** Until the next attempt when a digest could not be sent. */
  retryMs: 60_000,
} as const;

export interface DigestsOptions {
  readonly state: State;
  readonly deliveries: Deliveries;
  readonly clock: Clock;
  readonly random: Random;
  readonly externalUrl: string;
  readonly leads: () => boolean;
  readonly groups: () => Iterable<Group>;
  readonly passing: (group: Group, atMs: number) => Snapshot[];
}

export interface Digests {
  /** The channel is owed one. */
  owe(channel: Channel): void;
  /** Those that were owed when this process began, or another one led. */
  oweAgain(): void;
  stop(): void;
}

export function createDigests(options: DigestsOptions): Digests {
  const { state, clock } = options;
  const timers = new Map<string, Timer>();
  const wait = (channel: Channel, untilMs: number): void => {
    const id = channelId(channel);
    timers.get(id)?.cancel();
    timers.set(id, clock.after(Math.max(0, untilMs - clock.nowMs()), () => {
      timers.delete(id);
      void tell(options, channel).then((againMs) => {
        if (againMs !== null) wait(channel, againMs);
      });
    }));
  };
  const owe = (channel: Channel): void => {
    if (!timers.has(channelId(channel))) wait(channel, allowedAtMs(state, channel, clock.nowMs()));
  };
  return {
    owe,
    oweAgain: () => {
      for (const { channel, held } of state.ledger.all()) if (held?.why === 'cap') owe(channel);
    },
    stop: () => timers.forEach((timer) => timer.cancel()),
  };
}

/** When the hour has room for a message. */
function allowedAtMs(state: State, channel: Channel, nowMs: number): number {
  const cap = state.capOf(channel.receiver);
  const sends = state.ledger.sends(channel, nowMs);
  if (cap === 0 || sends.length < cap) return nowMs;
  return sends[sends.length - cap]! + ledgerLimits.hourMs;
}

/** When to try again; null when there is nothing more to tell. */
async function tell(options: DigestsOptions, channel: Channel): Promise<number | null> {
  const { state, deliveries, clock, leads } = options;
  const atMs = clock.nowMs();
  if (!leads()) return null;
  const allowedMs = allowedAtMs(state, channel, atMs);
  if (allowedMs > atMs) return allowedMs;
  const held = [...state.ledger.all()].filter((record) => record.held?.why === 'cap'
    && record.pending === null && channelId(record.channel) === channelId(channel));
  if (held.length === 0 || !state.hasChannel(channel)) return null;
  const groupKey = `digest:${channel.receiver}`;
  const record = recordOf(state, groupKey, channel);
  if (record.pending !== null) return atMs + limits.retryMs;
  const { alerts, covers, text } = contentOf(options, channel, held, atMs);
  const notification = notificationOf(alerts, {
    id: options.random.uuid(), receiver: channel.receiver, groupKey, reason: 'digest', atMs,
    groupLabels: {}, externalUrl: options.externalUrl, digest: text,
  });
  const told = { firing: [], resolved: [], atMs, freshAtMs: atMs };
  const sent = await deliveries.send(record, { notification, told, covers });
  return sent === 'sent' || sent === 'aborted' ? null : atMs + limits.retryMs;
}

function contentOf(
  options: DigestsOptions,
  channel: Channel,
  held: readonly ChannelRecord[],
  atMs: number,
): { alerts: Snapshot[]; covers: Covered[]; text: string } {
  const groups = new Map([...options.groups()]
    .filter(({ route }) => route.config.receiver === channel.receiver)
    .map((group) => [group.key, group]));
  const alerts = new Map<string, Snapshot>();
  const lines: string[] = [];
  const covers = held.map(({ groupKey, told }): Covered => {
    const group = groups.get(groupKey);
    const passing = group === undefined ? [] : options.passing(group, atMs);
    const firing = fingerprintsOf(passing, false);
    lines.push(`${groupKey}: ${firing.length === 0 ? 'over' : `${firing.length} firing`}`);
    // The end of a group that was told of is told by itself; nothing holds that back.
    if (firing.length === 0) return { groupKey, told };
    for (const snapshot of passing) {
      const { alert: { fingerprint }, resolved } = snapshot;
      const isNews = !resolved || (told?.firing.includes(fingerprint) ?? false);
      if (isNews) alerts.set(fingerprint, snapshot);
    }
    return { groupKey, told: { firing, resolved: fingerprintsOf(passing, true), atMs,
      freshAtMs: atMs } };
  });
  return { alerts: [...alerts.values()], covers, text: textOf(held, lines) };
}

function textOf(held: readonly ChannelRecord[], lines: readonly string[]): string {
  const count = held.reduce((sum, record) => sum + (record.held?.count ?? 0), 0);
  const sinceMs = Math.min(...held.map((record) => record.held?.sinceMs ?? Infinity));
  const since = new Date(sinceMs).toISOString().slice(0, 19);
  const more = lines.length - limits.namedMax;
  return [
    `${count} held back since ${since}Z, in ${held.length} groups:`,
    ...lines.slice(0, limits.namedMax), ...(more > 0 ? [`and ${more} more`] : []),
  ].join('\n');
}
