// What each channel was told of each group, what was decided for it, and what is held back: a fold
// over the journal's kind `notification`. This is what keeps a message from being sent twice.
//
//     decided (the whole message is in the journal) ─> courier ─> sent | fallback | dead
//
// - A message is written as decided before the courier sees it, with its id. Whoever finds it so
//   later, after a kill or as the next to lead, sends that one, and decides nothing else before.
// - What was `dead` counts as not told: the next look at the group decides anew.

import type { Draft, Entry } from '../journal/journal.ts';
import { ALERT_NAME } from '../labels/labels.ts';
import type { Told } from './dedup.ts';
import type { Channel, Notification } from './model.ts';

export const limits = {
  /** What is known of a group that is no more is kept for so long. */
  keptMs: 120 * 3_600_000,
  /** Times of messages that are remembered for each channel; of more the oldest are forgotten. */
  sendsMax: 10_000,
  hourMs: 3_600_000,
} as const;

/** Data of the journal's kind `notification`; its key is `recordKey`. */
export interface ChannelRecord {
  readonly groupKey: string;
  readonly channel: Channel;
  /** Null: nothing yet. */
  readonly told: ToldRecord | null;
  /** Decided, and not known to be sent. */
  readonly pending: Pending | null;
  readonly held: Held | null;
}

export interface ToldRecord extends Told {
  /** When it was last told of alerts that were new to it. */
  readonly freshAtMs: number;
}

export interface Pending {
  readonly notification: Notification;
  /** What the channel was told, once it is sent. */
  readonly told: ToldRecord;
  /** Of a digest: the same for each group that it is about. */
  readonly covers: readonly Covered[];
}

export interface Covered {
  readonly groupKey: string;
  readonly told: ToldRecord | null;
}

/** What a limit keeps from being told. */
export interface Held {
  readonly why: 'cooldown' | 'cap';
  readonly sinceMs: number;
  /** How often there was something new to tell. */
  readonly count: number;
  /** Fingerprints that fired when it was last held. */
  readonly firing: readonly string[];
}

/** `digest`: it was told in one. `over`: nothing more will come, and nothing had to be sent. */
export type RecordState = 'decided' | 'sent' | 'fallback' | 'dead' | 'held' | 'digest' | 'over';

export const channelId = ({ receiver, type, index }: Channel): string =>
  `${receiver} ${type}[${index}]`;

export const recordKey = (groupKey: string, channel: Channel): string =>
  `${groupKey} ${channelId(channel)}`;

export interface Ledger {
  fold(entries: readonly Entry[]): void;
  get(groupKey: string, channel: Channel): ChannelRecord | undefined;
  all(): Iterable<ChannelRecord>;
  /** Messages that a channel got in the hour before, the first first. */
  sends(channel: Channel, nowMs: number): readonly number[];
  /** What nothing was sent of for long; it may be forgotten unless its group is alive. */
  spent(nowMs: number): ChannelRecord[];
  /** What is to be written to forget it. */
  forget(record: ChannelRecord, nowMs: number): Draft;
  /** What was sent before this process began. */
  addSends(entries: readonly Entry[]): void;
  /** True once this process has written it: it is not from before a restart or a takeover. */
  isOwn(groupKey: string, channel: Channel): boolean;
  /** To be called before it writes. */
  own(groupKey: string, channel: Channel): void;
}

export function createLedger(): Ledger {
  const known = new Map<string, { record: ChannelRecord; version: bigint }>();
  const sends = new Map<string, number[]>();
  const own = new Set<string>();
  const addSend = ({ state, data, atMs }: Entry) => {
    if (state !== 'sent' && state !== 'fallback') return;
    const { channel } = data as ChannelRecord;
    const times = sends.get(channelId(channel)) ?? [];
    times.push(atMs);
    if (times.length > limits.sendsMax) times.shift();
    sends.set(channelId(channel), times);
  };
  return {
    fold: (entries) => {
      for (const entry of entries) {
        if ((known.get(entry.key)?.version ?? -1n) >= entry.version) continue;
        addSend(entry);
        if (entry.deleted) {
          known.delete(entry.key);
          own.delete(entry.key);
        } else {
          known.set(entry.key, { record: entry.data as ChannelRecord, version: entry.version });
        }
      }
    },
    get: (groupKey, channel) => known.get(recordKey(groupKey, channel))?.record,
    all: function* all() {
      for (const { record } of known.values()) yield record;
    },
    sends: (channel, nowMs) => {
      const times = (sends.get(channelId(channel)) ?? [])
        .filter((atMs) => atMs > nowMs - limits.hourMs).sort((one, other) => one - other);
      sends.set(channelId(channel), times);
      return times;
    },
    spent: (nowMs) => [...known.values()].map(({ record }) => record)
      .filter(({ told, held, pending }) => pending === null
        && (told?.atMs ?? held?.sinceMs ?? 0) + limits.keptMs <= nowMs),
    forget: (record, nowMs) => ({ ...draftOf(record, 'over', nowMs, null), deleted: true }),
    addSends: (entries) => {
      const current = new Set([...known.values()].map(({ version }) => version));
      // What is known now was counted when it was loaded.
      entries.filter(({ version }) => !current.has(version)).forEach(addSend);
    },
    isOwn: (groupKey, channel) => own.has(recordKey(groupKey, channel)),
    own: (groupKey, channel) => void own.add(recordKey(groupKey, channel)),
  };
}

/** The journal's entry; `notification` tells people what it is about. */
export function draftOf(
  record: ChannelRecord,
  state: RecordState,
  atMs: number,
  notification: Notification | null,
): Draft {
  const labels = notification?.groupLabels ?? {};
  return {
    kind: 'notification', key: recordKey(record.groupKey, record.channel), atMs, state, labels,
    name: labels[ALERT_NAME] ?? notification?.commonLabels[ALERT_NAME] ?? '',
    severity: notification?.commonLabels['severity'] ?? '',
    note: notification?.reason ?? '', data: record,
  };
}
