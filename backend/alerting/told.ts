// Of which alerts somebody was told: a fold over the journal's kind `notification`.

import type { Component } from '../../proto/contract/component.ts';
import type { Entry, Journal } from '../journal/journal.ts';
import type { ChannelRecord } from './ledger.ts';
import type { Alert } from './model.ts';

export const limits = {
  /** Alerts that are remembered; beyond it the one told longest ago is forgotten. */
  alertsMax: 100_000,
  loadMs: 60_000,
} as const;

export interface Told extends Component {
  /** Whether somebody was told of the alert since it began. */
  notified(alert: Pick<Alert, 'fingerprint' | 'startsAtMs'>): boolean;
}

export function createTold(journal: Pick<Journal, 'load' | 'follow'>): Told {
  const lastMs = new Map<string, number>();
  let leave = () => {};
  const hear = (entries: readonly Entry[]) => {
    for (const { data, deleted } of entries) {
      const told = deleted ? null : (data as ChannelRecord).told;
      for (const fingerprint of [...told?.firing ?? [], ...told?.resolved ?? []]) {
        const atMs = Math.max(told!.atMs, lastMs.get(fingerprint) ?? 0);
        lastMs.delete(fingerprint);
        lastMs.set(fingerprint, atMs);
        if (lastMs.size > limits.alertsMax) lastMs.delete(lastMs.keys().next().value!);
      }
    }
  };
  return {
    notified: ({ fingerprint, startsAtMs }) => (lastMs.get(fingerprint) ?? -1) >= startsAtMs,
    start: async () => {
      leave = journal.follow(['notification'], hear);
      hear(await journal.load(['notification'], AbortSignal.timeout(limits.loadMs)));
    },
    stop: async () => leave(),
  };
}
