// Whether there is news for a receiver: what fires and what is over now, held against what it was
// told last. The table is Alertmanager's (Alertmanager 0.34).

import type { NotificationReason } from './model.ts';

/** What a channel was told last of a group. */
export interface Told {
  /** Fingerprints that were told as firing, and as resolved. */
  readonly firing: readonly string[];
  readonly resolved: readonly string[];
  /** The instant at which that was decided. */
  readonly atMs: number;
}

export interface Now {
  readonly firing: readonly string[];
  readonly resolved: readonly string[];
  readonly atMs: number;
  readonly repeatIntervalMs: number;
  /** Whether the channel wants to know what is over. */
  readonly sendResolved: boolean;
}

/** Why the channel is to be told now; null when it is not. */
export function newsOf(told: Told | null, now: Now): NotificationReason | null {
  if (told === null) return now.firing.length > 0 ? 'first notification' : null;
  if (!isSubset(now.firing, told.firing)) {
    return told.firing.length === 0 ? 'first notification' : 'new alerts added';
  }
  // Also for a channel that is not told of the end, so that it is remembered.
  if (now.firing.length === 0) return told.firing.length > 0 ? 'all alerts resolved' : null;
  if (now.sendResolved && !isSubset(now.resolved, told.resolved)) return 'some alerts resolved';
  return told.atMs < now.atMs - now.repeatIntervalMs ? 'repeat interval elapsed' : null;
}

function isSubset(part: readonly string[], whole: readonly string[]): boolean {
  const known = new Set(whole);
  return part.every((one) => known.has(one));
}
