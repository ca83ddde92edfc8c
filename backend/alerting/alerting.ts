// What is known of alerts, and what is done about them.

import type { Counters } from '../../runtime/counters.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Random } from '../../runtime/random.ts';
import type { Journal } from '../journal/journal.ts';
import type { AlertingConfig } from './config.ts';
import type { Alert, Alerting, Courier } from './model.ts';

export interface AlertingOptions {
  readonly config: AlertingConfig;
  readonly journal: Journal;
  readonly courier: Courier;
  /** Whether this backend is the one that notifies now. */
  readonly leads: () => boolean;
  /** Which alerts of a group are acknowledged or snoozed, and by whom: by fingerprint. */
  readonly acknowledged: Acknowledged;
  /** When somebody ended the alert by hand; null when nobody did since it began. */
  readonly endedAtMs?: (alert: Pick<Alert, 'fingerprint' | 'startsAtMs'>) => number | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly counters: Counters;
  /** Where people see the alerts; '' for nowhere. */
  readonly externalUrl: string;
}

export type Acknowledged = (
  groupKey: string,
  alerts: ReadonlyArray<Pick<Alert, 'fingerprint' | 'startsAtMs'>>,
  atMs: number,
) => ReadonlyMap<string, string>;

export interface ReloadableAlerting extends Alerting {
  /** From now on everything goes by another configuration; nothing is told twice for it. */
  reload(config: AlertingConfig): void;
}

export function createAlerting(options: AlertingOptions): ReloadableAlerting {
  throw new Error(`not yet ${options.externalUrl}`);
}
