// Alerts that change their state again and again. One that does so too often flaps: until it has
// been quiet it counts as firing for its receivers, so that they are told of it once, and of its
// end when it really is over.

import type { RouteLimits } from './config.ts';

export const limits = {
  /** Changes that are remembered of an alert; of more the oldest are forgotten. */
  changesMax: 1000,
  /** An alert that did not change for so long is forgotten; nothing asks for more. */
  keptMs: 24 * 3_600_000,
} as const;

export interface Changes {
  /** What an alert is at an instant; instants of one alert must come in order. */
  observe(fingerprint: string, fires: boolean, atMs: number): void;
  flaps(fingerprint: string, flapping: RouteLimits['flapping'], atMs: number): boolean;
  sweep(nowMs: number): void;
}

export function createChanges(): Changes {
  const known = new Map<string, { fires: boolean; times: number[]; seenMs: number }>();
  return {
    observe: (fingerprint, fires, atMs) => {
      const alert = known.get(fingerprint);
      if (alert === undefined) {
        known.set(fingerprint, { fires, times: [], seenMs: atMs });
        return;
      }
      alert.seenMs = atMs;
      if (alert.fires !== fires) {
        alert.fires = fires;
        alert.times.push(atMs);
        if (alert.times.length > limits.changesMax) alert.times.shift();
      }
    },
    flaps: (fingerprint, flapping, atMs) => {
      if (flapping === null) return false;
      const times = known.get(fingerprint)?.times ?? [];
      return times.filter((time) => time > atMs - flapping.withinMs).length >= flapping.changes;
    },
    sweep: (nowMs) => {
      for (const [fingerprint, { seenMs }] of known) {
        if (seenMs + limits.keptMs <= nowMs) known.delete(fingerprint);
      }
    },
  };
}
