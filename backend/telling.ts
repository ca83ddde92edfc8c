// Who is told of alerts, put together: what is known of them, what people say of them, and the
// channels, as the alerting file has them now.

import type { Component } from '../proto/contract/component.ts';
import type { Counters } from '../runtime/counters.ts';
import type { Log } from '../runtime/log.ts';
import type { World } from '../runtime/world.ts';
import { createAlerting, type ReloadableAlerting } from './alerting/alerting.ts';
import type { AlertingConfig } from './alerting/config.ts';
import { createCourier, type Channels } from './alerting/courier.ts';
import { createEscalations } from './alerting/life/escalations.ts';
import { createLife, type Life } from './alerting/life/life.ts';
import { lifeSettings } from './alerting/life/settings.ts';
import type { Channel, ChartPoint, Notification, NotifiedAlert } from './alerting/model.ts';
import type { Dashboard } from './alerting/notifiers/dashboard.ts';
import { NOTIFIERS } from './alerting/notifiers/notifiers.ts';
import { createTold, type Told } from './alerting/told.ts';
import type { AlertingFile } from './alerting_file.ts';
import type { Journal } from './journal/journal.ts';
import type { Lease } from './journal/lease.ts';

export interface TellingOptions {
  readonly file: AlertingFile;
  readonly journal: Journal;
  readonly lease: Pick<Lease, 'held'>;
  readonly dashboard: Dashboard;
  readonly chart: (alert: NotifiedAlert, abort: AbortSignal) => Promise<ChartPoint[]>;
  /** Where people reach this backend. */
  readonly externalUrl: string;
  readonly world: World;
  readonly log: Log;
  readonly counters: Counters;
}

export interface Telling {
  readonly alerting: ReloadableAlerting;
  readonly life: Life;
  readonly courier: Channels;
  readonly told: Told;
  /** In the order in which they start. */
  readonly components: readonly Component[];
}

/** Follows the file: what it says from now on counts from then on. */
export function createTelling(options: TellingOptions): Telling {
  const { file, journal, lease, dashboard, chart, externalUrl, log, counters } = options;
  const { clock, random, files } = options.world;
  const leads = () => lease.held();
  const courier = createCourier({
    receivers: file.config().receivers, factories: NOTIFIERS, journal, random, counters,
    context: { clock, log, files, chart, show: (notification) => dashboard.show(notification) },
  });
  const life = createLife({ journal, clock });
  const alerting = createAlerting({
    config: file.config(), journal, courier, leads, clock, random, log, counters, externalUrl,
    acknowledged: (groupKey, alerts, atMs) => life.acknowledged(groupKey, alerts, atMs),
    endedAtMs: (alert) => life.endedAtMs(alert),
  });
  const escalations = createEscalations({
    alerting, courier, life, journal, clock, log, leads, externalUrl,
    escalationOf: (groupKey) => lifeSettings(file.config().life).escalations
      .find(({ name }) => name === alerting.escalationOf(groupKey)) ?? null,
    rotations: () => lifeSettings(file.config().life).rotations,
    channelsOf: (receiver, status) => channelsOf(file.config(), receiver, status),
  });
  file.follow((config) => {
    courier.replace(config.receivers);
    alerting.reload(config);
  });
  const told = createTold(journal);
  const components = [life, told, alerting, escalations, file];
  return { alerting, life, courier, told, components };
}

/** Some channels are told of what fires only. */
export const channelsOf = (
  { receivers }: Pick<AlertingConfig, 'receivers'>,
  name: string,
  status: Notification['status'],
): Channel[] => (receivers.find((one) => one.name === name)?.channels ?? [])
  .filter(({ sendResolved }) => status === 'firing' || sendResolved)
  .map(({ type, index }) => ({ receiver: name, type, index }));
