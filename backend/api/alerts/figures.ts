// Figures of a period, out of the entries of the history: how many alerts were raised and resolved,
// how fast somebody said that he looks after them, and how many notifications that took.

import type { Said } from '../../alerting/life/said.ts';
import type { PostedAlert } from '../../alerting/model.ts';
import type { Entry } from '../../journal/journal.ts';
import { HOUR_MS, type Period } from '../period.ts';

export interface Figures {
  readonly raised: number;
  readonly resolved: number;
  /** Of those that were raised; null when none was. */
  readonly resolution_rate: number | null;
  readonly acknowledged: number;
  readonly notifications: number;
  readonly notifications_per_hour: number;
  readonly escalations: number;
  readonly dead_letters: number;
  /** Null when there was none. */
  readonly mean_seconds_to_acknowledge: number | null;
  readonly mean_seconds_to_resolve: number | null;
}

interface Life {
  raisedMs: number;
  resolvedMs: number | null;
  acknowledgedMs: number | null;
}

/** `entries`: the oldest first. */
export function figuresOf(entries: readonly Entry[], { fromMs, toMs }: Period): Figures {
  const lives = livesIn(entries, toMs);
  const of = (kind: Entry['kind']) => entries.filter((entry) => entry.kind === kind).length;
  const resolved = lives.filter(({ resolvedMs }) => resolvedMs !== null);
  const acknowledged = lives.filter(({ acknowledgedMs }) => acknowledgedMs !== null);
  const notifications = entries.filter(({ kind, state }) => kind === 'notification'
    && (state === 'sent' || state === 'fallback')).length;
  return {
    raised: lives.length, resolved: resolved.length,
    resolution_rate: lives.length === 0 ? null : resolved.length / lives.length,
    acknowledged: acknowledged.length, notifications,
    notifications_per_hour: notifications / ((toMs - fromMs) / HOUR_MS),
    escalations: entries.filter(({ kind, state }) => kind === 'escalation' && state === 'sent')
      .length,
    dead_letters: of('dead_letter'),
    mean_seconds_to_acknowledge: meanSeconds(acknowledged.map((life) =>
      life.acknowledgedMs! - life.raisedMs)),
    mean_seconds_to_resolve: meanSeconds(resolved.map((life) => life.resolvedMs! - life.raisedMs)),
  };
}

/** From the first word that an alert fires to the one that it does not. */
function livesIn(entries: readonly Entry[], toMs: number): Life[] {
  const lives: Life[] = [];
  const open = new Map<string, Life>();
  const end = (key: string, atMs: number) => {
    const life = open.get(key);
    if (life !== undefined) life.resolvedMs = atMs;
    open.delete(key);
  };
  const ends = new Map<string, number>();
  for (const entry of entries) {
    const { kind, key, atMs, state } = entry;
    if (kind === 'posted' || kind === 'alert') {
      const alert = fingerprintIn(key);
      // A posted alert may have ended by itself before it was posted again.
      if ((ends.get(alert) ?? Infinity) <= atMs) end(alert, ends.get(alert)!);
      if (kind === 'posted') ends.set(alert, (entry.data as PostedAlert).endsAtMs ?? Infinity);
      if (state !== 'firing' || entry.deleted) {
        end(alert, atMs);
      } else if (!open.has(alert)) {
        const life = { raisedMs: atMs, resolvedMs: null, acknowledgedMs: null };
        open.set(alert, life);
        lives.push(life);
      }
    } else if (kind === 'acknowledgement') {
      for (const alert of meantBy(entry)) {
        const life = open.get(alert);
        if (state === 'acknowledged' && life !== undefined) life.acknowledgedMs ??= atMs;
        if (state === 'resolved') end(alert, atMs);
      }
    }
  }
  for (const [key, endsAtMs] of ends) if (endsAtMs < toMs) end(key, endsAtMs);
  return lives;
}

/** Keys of rules' alerts end with the fingerprint. */
const fingerprintIn = (key: string): string => key.slice(-16);

const meantBy = ({ key, data }: Entry): readonly string[] =>
  (data as Said).acknowledged?.fingerprints ?? [key];

function meanSeconds(times: readonly number[]): number | null {
  return times.length === 0 ? null
    : times.reduce((sum, ms) => sum + ms, 0) / times.length / 1000;
}
