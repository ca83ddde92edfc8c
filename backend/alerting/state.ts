// What alerting knows at an instant, and what follows from it for an alert: who hides it, who
// silenced it, whether it flaps, when it is over.

import { createAlertBook, limits as bookLimits, type AlertBook } from './alerts.ts';
import type { Acknowledged } from './alerting.ts';
import type { AlertingConfig, ChannelConfig, ReceiverConfig } from './config.ts';
import type { Group } from './dispatcher.ts';
import { createChanges, type Changes } from './flapping.ts';
import { createInhibitor, type Inhibitor } from './inhibit.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { isResolved, type Alert, type Channel } from './model.ts';
import type { Snapshot } from './notification.ts';
import { compareAlerts } from './alerts.ts';
import { allRoutes, createRoutes, type Route } from './route.ts';
import { createSilenceBook, type SilenceBook } from './silences.ts';
import { intervalsAt } from './times.ts';

export interface StateOptions {
  readonly config: AlertingConfig;
  readonly acknowledged: Acknowledged;
  readonly endedAtMs: (alert: Alert) => number | null;
}

export class State {
  readonly book: AlertBook = createAlertBook();
  readonly silences: SilenceBook = createSilenceBook();
  readonly ledger: Ledger = createLedger();
  readonly #changes: Changes = createChanges();
  readonly #options: Omit<StateOptions, 'config'>;
  #config: AlertingConfig;
  #inhibitor: Inhibitor;
  #routes: Route;

  constructor({ config, ...options }: StateOptions) {
    this.#options = options;
    this.#config = config;
    this.#inhibitor = createInhibitor(config.inhibitRules);
    this.#routes = createRoutes(config.route);
  }

  get config(): AlertingConfig {
    return this.#config;
  }

  get routes(): Route {
    return this.#routes;
  }

  reload(config: AlertingConfig): void {
    this.#config = config;
    this.#routes = createRoutes(config.route);
    this.#inhibitor = createInhibitor(config.inhibitRules);
    for (const alert of this.book.all()) this.#inhibitor.update(alert);
  }

  /** The alert as it is now; null when there is no room for it. */
  put(alert: Alert, nowMs: number): Alert | null {
    const before = this.book.get(alert.fingerprint);
    if (before !== undefined) {
      const fired = !this.isOver(before, nowMs);
      this.#changes.observe(alert.fingerprint, fired, Math.min(nowMs, before.endsAtMs));
    }
    const merged = this.book.put(alert, nowMs);
    if (merged === null) return null;
    this.#changes.observe(alert.fingerprint, !this.isOver(merged, nowMs), nowMs);
    this.#inhibitor.update(merged);
    return merged;
  }

  remove(alert: Alert): void {
    this.book.remove(alert.fingerprint);
    this.#inhibitor.remove(alert);
  }

  /** Forgets what nothing asks for any more. */
  sweep(nowMs: number): void {
    this.#changes.sweep(nowMs);
  }

  /** What ended so long ago that it is not shown any more. */
  forgotten(nowMs: number): Alert[] {
    return [...this.book.all()].filter((alert) =>
      this.endsAtMs(alert) + bookLimits.resolvedKeptMs <= nowMs);
  }

  /** By itself, or by hand. */
  endsAtMs(alert: Alert): number {
    return Math.min(alert.endsAtMs, this.#options.endedAtMs(alert) ?? Infinity);
  }

  isOver(alert: Alert, nowMs: number): boolean {
    return isResolved({ endsAtMs: this.endsAtMs(alert) }, nowMs);
  }

  flaps(alert: Alert, route: Route, nowMs: number): boolean {
    return this.#changes.flaps(alert.fingerprint, route.config.limits.flapping, nowMs);
  }

  /** The alerts of a group at an instant. One that flaps is not over. */
  snapshots({ alerts, route }: Group, nowMs: number): Snapshot[] {
    return [...alerts.values()].sort(compareAlerts).map((alert) => ({
      alert,
      endsAtMs: this.endsAtMs(alert),
      resolved: this.isOver(alert, nowMs) && !this.flaps(alert, route, nowMs),
    }));
  }

  inhibitedBy(alert: Alert, nowMs: number): string[] {
    return this.#inhibitor.inhibitedBy(alert, (other) => !this.isOver(other, nowMs));
  }

  /** Names of the time intervals that mute a route: those that hold, or all that do not. */
  mutedBy({ config }: Route, nowMs: number): string[] {
    const { timeIntervals } = this.#config;
    const { activeTimeIntervals: active, muteTimeIntervals: mute } = config;
    if (active.length > 0 && intervalsAt(active, timeIntervals, nowMs).length === 0) {
      return [...active];
    }
    return intervalsAt(mute, timeIntervals, nowMs);
  }

  /** Who acknowledged or snoozed which alerts of a group, by fingerprint. */
  acknowledged(groupKey: string, alerts: readonly Alert[], nowMs: number) {
    return this.#options.acknowledged(groupKey, alerts, nowMs);
  }

  receiver(name: string): ReceiverConfig | undefined {
    return this.#config.receivers.find((receiver) => receiver.name === name);
  }

  channels(receiver: string): Array<Channel & Pick<ChannelConfig, 'sendResolved'>> {
    return (this.receiver(receiver)?.channels ?? []).map(({ type, index, sendResolved }) =>
      ({ receiver, type, index, sendResolved }));
  }

  hasChannel({ receiver, type, index }: Channel): boolean {
    return this.channels(receiver).some((one) => one.type === type && one.index === index);
  }

  /** The least cap of the routes to a receiver; 0: none. */
  capOf(receiver: string): number {
    const caps = [...allRoutes(this.#routes)].filter(({ config }) => config.receiver === receiver)
      .map(({ config }) => config.limits.perHourMax).filter((max) => max > 0);
    return caps.length === 0 ? 0 : Math.min(...caps);
  }
}
