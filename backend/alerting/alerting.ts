// What is known of alerts, and what is done about them. See docs/routing.md.
//
// Promises:
// - A group is told of at least once to each of its channels, and no decision is sent twice but
//   when a process dies between the channel's answer and the journal's; the id is the same then.
// - State is a fold over the journal and what rules post. After a restart or a takeover nothing is
//   told again that was told, and nothing waits longer than it would have.
// - Only one backend at a time sends (`leads`); the others know the same.

import type { Counters } from '../../runtime/counters.ts';
import type { Clock, Timer } from '../../runtime/clock.ts';
import { rateLimited, type Log } from '../../runtime/log.ts';
import type { Random } from '../../runtime/random.ts';
import type { Draft, Entry, Journal } from '../journal/journal.ts';
import { alertOf, alertOfEntry } from './alerts.ts';
import type { AlertingConfig } from './config.ts';
import { Deliveries } from './delivery.ts';
import { createDigests, type Digests } from './digests.ts';
import { Dispatcher, type Group } from './dispatcher.ts';
import { limits as ledgerLimits } from './ledger.ts';
import type { Alert, Alerting, Courier, GroupEvent, PostedAlert, Silence } from './model.ts';
import { countState, shownAlerts, shownGroups } from './shown.ts';
import { State } from './state.ts';
import { Teller } from './teller.ts';

export const limits = {
  /** How often it is looked whether this backend leads, while that may matter. */
  leadMs: 1000,
  /** How often it is looked for what can be forgotten. */
  collectMs: 60_000,
  /** The journal is given so long to say what was before. */
  loadMs: 60_000,
  /** Messages of the last hour that are read at the start. */
  sendsMax: 10_000,
} as const;

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
  /** The escalation that a route of the group names; '' for none, and for a group that is over. */
  escalationOf(groupKey: string): string;
}

export function createAlerting(options: AlertingOptions): ReloadableAlerting {
  return new Engine(options);
}

class Engine implements ReloadableAlerting {
  readonly #options: AlertingOptions;
  readonly #log: Log;
  readonly #state: State;
  readonly #deliveries: Deliveries;
  readonly #dispatcher: Dispatcher;
  readonly #teller: Teller;
  readonly #digests: Digests;
  readonly #listeners = new Set<(event: GroupEvent) => void>();
  /** Versions of the posted alerts that are known, by key. */
  readonly #posted = new Map<string, bigint>();
  #unfollow = () => {};
  #watch: Timer | null = null;
  #leading = false;
  #leadingSinceMs = Infinity;
  #collectedMs = 0;
  #running = false;

  constructor(options: AlertingOptions) {
    this.#options = options;
    const { config, clock, random, journal, courier, log, counters, externalUrl } = options;
    this.#log = rateLimited(log, clock, limits.collectMs);
    const state = this.#state = new State({ config, acknowledged: options.acknowledged,
      endedAtMs: options.endedAtMs ?? (() => null) });
    const deliveries = this.#deliveries = new Deliveries({ journal, courier, clock, log, counters,
      ledger: state.ledger, knows: (channel) => state.hasChannel(channel) });
    const shared = { state, deliveries, clock, random, externalUrl, leads: () => this.#leads() };
    this.#teller = new Teller({ ...shared, counters,
      leadingSinceMs: () => this.#leadingSinceMs, heard: (event) => this.#tell(event),
      capped: (channel) => this.#digests.owe(channel) });
    this.#dispatcher = new Dispatcher(state.routes, { clock,
      look: (group) => this.#look(group), resumesAtMs: (group) => this.#resumesAtMs(group),
      leadingSinceMs: () => this.#leadingSinceMs, over: (group) => void this.#teller.over(group),
      isOver: (alert, nowMs) => state.isOver(alert, nowMs),
      refused: (alert) => this.#refuse(alert, 'groups') });
    this.#digests = createDigests({ ...shared, groups: () => this.#dispatcher.groups(),
      passing: (group, atMs) =>
        this.#teller.passing(group, state.snapshots(group, atMs), atMs) });
    countState(counters, state, this.#dispatcher, clock);
  }

  async start(): Promise<void> {
    const { journal, clock } = this.#options;
    const late = new AbortController();
    const timer = clock.after(limits.loadMs, () => late.abort());
    this.#running = true;
    this.#leadingSinceMs = clock.nowMs();
    this.#unfollow = journal.follow(['silence', 'notification', 'posted'],
      (entries) => this.#fold(entries));
    try {
      this.#fold(await journal.load(['silence', 'notification'], late.signal));
      this.#state.ledger.addSends(await this.#lastSends(late.signal));
      this.#fold(await journal.load(['posted'], late.signal));
    } finally {
      timer.cancel();
    }
    if (!this.#leads()) this.#watchLead();
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.#running = false;
    this.#unfollow();
    this.#watch?.cancel();
    this.#dispatcher.stop();
    this.#digests.stop();
    await this.#deliveries.stop(deadline);
  }

  reload(config: AlertingConfig): void {
    this.#state.reload(config);
    this.#dispatcher.reload(this.#state.routes, this.#state.book.all());
  }

  post(alerts: readonly PostedAlert[]): void {
    const at = this.#at(this.#options.clock.nowMs());
    for (const alert of alerts) this.#put(alertOf(alert, 'rule', at));
  }

  alerts() {
    return shownAlerts(this.#state, this.#dispatcher, this.#options.clock.nowMs());
  }

  groups() {
    return shownGroups(this.#state, this.#dispatcher, this.#options.clock.nowMs());
  }

  escalationOf(groupKey: string): string {
    const names = [...this.#dispatcher.groups()].filter(({ key }) => key === groupKey)
      .map(({ route }) => route.config.escalation);
    return names.find((name) => name !== '') ?? '';
  }

  silences(): readonly Silence[] {
    return this.#state.silences.all();
  }

  async setSilence(silence: Omit<Silence, 'updatedAtMs'>, actor: string): Promise<string> {
    const { clock, random } = this.#options;
    const { id, drafts } = this.#state.silences.set(silence,
      { actor, nowMs: clock.nowMs(), newId: random.uuid() });
    await this.#write(drafts);
    return id;
  }

  async expireSilence(id: string, actor: string): Promise<boolean> {
    const drafts = this.#state.silences.expire(id, { actor, nowMs: this.#options.clock.nowMs() });
    if (drafts === null) return false;
    if (drafts.length > 0) await this.#write(drafts);
    return true;
  }

  follow(heard: (event: GroupEvent) => void): () => void {
    this.#listeners.add(heard);
    return () => void this.#listeners.delete(heard);
  }

  #at(atMs: number) {
    return { atMs, resolveTimeoutMs: this.#state.config.resolveTimeoutMs };
  }

  #fold(entries: readonly Entry[]): void {
    const of = (kind: Entry['kind']) => entries.filter((entry) => entry.kind === kind);
    this.#state.silences.fold(of('silence'));
    this.#state.ledger.fold(of('notification'));
    for (const entry of of('posted')) {
      if ((this.#posted.get(entry.key) ?? -1n) >= entry.version) continue;
      if (entry.deleted) this.#posted.delete(entry.key);
      else this.#posted.set(entry.key, entry.version);
      const alert = alertOfEntry(entry, this.#state.config.resolveTimeoutMs);
      if (alert !== null) this.#put(alert);
    }
  }

  #put(alert: Alert): void {
    const merged = this.#state.put(alert, this.#options.clock.nowMs());
    if (merged === null) this.#refuse(alert, 'alerts');
    else this.#dispatcher.put(merged);
  }

  #refuse({ fingerprint }: Alert, what: 'alerts' | 'groups'): void {
    this.#options.counters.counter('binnacle_alerting_refused_alerts_total',
      'Alerts for which there was no room, by what there were too many of.', { what }).add(1);
    this.#log.error(`cannot take alert ${fingerprint}: there are too many ${what}`);
  }

  #look(group: Group) {
    this.#collect();
    this.#watchLead();
    return this.#teller.look(group);
  }

  /** The rhythm of a group that was told of by an earlier process, or by another backend. */
  #resumesAtMs({ key, route }: Group): number | null {
    const { ledger } = this.#state;
    const records = this.#state.channels(route.config.receiver).flatMap((channel) => {
      const record = ledger.get(key, channel);
      return record === undefined || ledger.isOwn(key, channel) ? [] : [record];
    });
    const told = records.filter((record) => record.pending !== null
      || (record.told?.firing.length ?? 0) > 0);
    if (told.length === 0) return null;
    const lastMs = Math.max(...told.map((record) => record.told?.atMs ?? 0));
    return Math.max(this.#options.clock.nowMs(), lastMs + route.config.groupIntervalMs);
  }

  #leads(): boolean {
    const leads = this.#running && this.#options.leads();
    if (leads === this.#leading) return leads;
    this.#leading = leads;
    if (leads) this.#lead();
    else this.#deliveries.abandon();
    return leads;
  }

  #lead(): void {
    this.#leadingSinceMs = this.#options.clock.nowMs();
    for (const record of [...this.#state.ledger.all()]) {
      if (record.pending !== null) void this.#teller.resume(record);
    }
    this.#dispatcher.lookAtOverdue();
    this.#digests.oweAgain();
  }

  /** As long as somebody else leads, or a message is on its way. */
  #watchLead(): void {
    if (!this.#running || this.#watch !== null) return;
    this.#watch = this.#options.clock.after(limits.leadMs, () => {
      this.#watch = null;
      const leads = this.#leads();
      if (!leads) this.#dispatcher.lookAtOverdue();
      if (!leads || this.#deliveries.underWay() > 0) this.#watchLead();
    });
  }

  #tell(event: GroupEvent): void {
    for (const heard of this.#listeners) heard(event);
  }

  async #lastSends(abort: AbortSignal): Promise<Entry[]> {
    const toMs = this.#options.clock.nowMs() + 1;
    return this.#options.journal.history({ kinds: ['notification'], toMs,
      fromMs: toMs - ledgerLimits.hourMs, limit: limits.sendsMax }, abort);
  }

  /** Forgets what is over, and was told. */
  #collect(): void {
    const nowMs = this.#options.clock.nowMs();
    if (nowMs < this.#collectedMs + limits.collectMs) return;
    this.#collectedMs = nowMs;
    this.#state.sweep(nowMs);
    const drafts: Draft[] = [];
    for (const alert of this.#state.forgotten(nowMs)) {
      this.#state.remove(alert);
      const { fingerprint: key, labels } = alert;
      if (this.#posted.delete(key)) {
        drafts.push({ kind: 'posted', key, atMs: nowMs, deleted: true, labels, data: null });
      }
    }
    if (!this.#leads()) return;
    drafts.push(...this.#state.silences.collect(nowMs), ...this.#spentRecords(nowMs));
    if (drafts.length > 0) void this.#deliveries.write(drafts);
  }

  #spentRecords(nowMs: number): Draft[] {
    const alive = new Set([...this.#dispatcher.groups()].map(({ key }) => key));
    return this.#state.ledger.spent(nowMs).filter(({ groupKey }) => !alive.has(groupKey))
      .map((record) => this.#state.ledger.forget(record, nowMs));
  }

  async #write(drafts: readonly Draft[]): Promise<void> {
    const late = new AbortController();
    const timer = this.#options.clock.after(limits.loadMs, () => late.abort());
    try {
      await this.#options.journal.write(drafts, late.signal);
    } finally {
      timer.cancel();
    }
  }
}
