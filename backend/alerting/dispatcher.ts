// Alerts in groups, and when each group is looked at: `group_wait` after it began, then every
// `group_interval` (Alertmanager 0.34). What a look leads to is in stages.ts, how it is sent in
// delivery.ts.
//
// - A group that was told of before this process led goes on in its rhythm: it is looked at when
//   it would have been, or at once when that is past. An alert that began before waits no longer
//   than it would have.
// - An alert that is over stays in its group until every channel knows; a group without alerts is
//   no more.
// - Only the one who leads sends. The others look, too, and keep a group as due until the journal
//   shows that there is nothing more to tell, so that a successor finds what the leader left.

import type { Clock, Timer } from '../../runtime/clock.ts';
import type { Labels } from '../labels/labels.ts';
import type { Alert } from './model.ts';
import { groupKey, groupLabels, routesFor, type Route } from './route.ts';

export const limits = {
  /** Groups at once; an alert that would make another one is counted, and not told. */
  groupsMax: 20_000,
  /** An alert that is over and cannot be told for so long leaves its group. */
  untoldMs: 24 * 3_600_000,
} as const;

export interface Group {
  readonly id: string;
  readonly key: string;
  readonly route: Route;
  readonly labels: Labels;
  readonly alerts: Map<string, Alert>;
  /** When it is looked at next. */
  dueMs: number;
  timer: Timer | null;
  /** It is being looked at. */
  busy: boolean;
  /** It fell due meanwhile, or while somebody else led. */
  overdue: boolean;
  /** Names of the intervals that mute it, as of the last look. */
  mutedBy: readonly string[];
}

/** What a look at a group has come to. */
export interface Looked {
  /** Whether every channel knows all that it should: what is over may go. */
  readonly done: boolean;
  /** The alerts that were over at that instant. */
  readonly over: readonly Alert[];
  /** Look again then, unless it is due before; null: in its rhythm. */
  readonly againMs: number | null;
  /** There is something to tell, which is for another backend to do. */
  readonly waits: boolean;
}

export interface DispatcherOptions {
  readonly clock: Clock;
  readonly look: (group: Group) => Promise<Looked>;
  /** When a group that was told of before goes on; null when it was not. */
  readonly resumesAtMs: (group: Group) => number | null;
  /** What began before this instant may have waited elsewhere. */
  readonly leadingSinceMs: () => number;
  /** By itself, or by hand. */
  readonly isOver: (alert: Alert, nowMs: number) => boolean;
  /** It has no alerts any more. */
  readonly over: (group: Group) => void;
  readonly refused: (alert: Alert) => void;
}

export class Dispatcher {
  readonly #options: DispatcherOptions;
  #top: Route;
  #groups = new Map<string, Group>();
  #stopped = false;

  constructor(top: Route, options: DispatcherOptions) {
    this.#top = top;
    this.#options = options;
  }

  groups(): Iterable<Group> {
    return this.#groups.values();
  }

  routesFor(labels: Labels): Route[] {
    return routesFor(this.#top, labels);
  }

  /** An alert as it is now, new or not. */
  put(alert: Alert): void {
    for (const route of this.routesFor(alert.labels)) this.#put(alert, route, false);
  }

  /** Everything by another tree. Groups that are the same in both keep their rhythm. */
  reload(top: Route, alerts: Iterable<Alert>): void {
    const before = this.#groups;
    this.#groups = new Map();
    this.#top = top;
    for (const alert of alerts) this.put(alert);
    for (const group of before.values()) {
      group.timer?.cancel();
      for (const alert of group.alerts.values()) {
        for (const route of this.routesFor(alert.labels)) this.#put(alert, route, true);
      }
    }
    for (const [id, group] of this.#groups) {
      const known = before.get(id);
      if (known !== undefined) this.#schedule(group, known.dueMs);
    }
  }

  /** Looks at what fell due while somebody else led. */
  lookAtOverdue(): void {
    for (const group of this.#groups.values()) {
      if (group.overdue && !group.busy) void this.#look(group);
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const group of this.#groups.values()) group.timer?.cancel();
  }

  #put(alert: Alert, route: Route, wasHeardOf: boolean): void {
    const labels = groupLabels(route, alert.labels);
    const id = `${route.id} ${JSON.stringify(Object.entries(labels))}`;
    const known = this.#groups.get(id);
    if (known !== undefined) return void known.alerts.set(alert.fingerprint, alert);
    if (this.#groups.size >= limits.groupsMax) return this.#options.refused(alert);
    const group: Group = { id, route, labels, key: groupKey(route, labels),
      alerts: new Map([[alert.fingerprint, alert]]), dueMs: Infinity, timer: null, busy: false,
      overdue: false, mutedBy: [] };
    const nowMs = this.#options.clock.nowMs();
    const resumesAtMs = this.#options.resumesAtMs(group);
    // Nobody has heard of it, and nobody will.
    if (resumesAtMs === null && this.#options.isOver(alert, nowMs) && !wasHeardOf) return;
    this.#groups.set(id, group);
    this.#schedule(group, resumesAtMs ?? this.#firstMs(alert, route, nowMs));
  }

  #firstMs({ startsAtMs }: Alert, { config: { groupWaitMs } }: Route, nowMs: number): number {
    const since = startsAtMs + groupWaitMs;
    if (since < nowMs) return nowMs;
    return startsAtMs < this.#options.leadingSinceMs() ? since : nowMs + groupWaitMs;
  }

  #schedule(group: Group, dueMs: number): void {
    if (this.#stopped) return;
    const nowMs = this.#options.clock.nowMs();
    group.timer?.cancel();
    group.dueMs = Math.max(dueMs, nowMs);
    group.timer = this.#options.clock.after(group.dueMs - nowMs, () => this.#due(group));
  }

  #due(group: Group): void {
    const nowMs = this.#options.clock.nowMs();
    // A clock may fire early, and a timer cannot be as long as any time.
    if (nowMs < group.dueMs) return this.#schedule(group, group.dueMs);
    this.#schedule(group, group.dueMs + group.route.config.groupIntervalMs);
    if (group.busy) group.overdue = true;
    else void this.#look(group);
  }

  async #look(group: Group): Promise<void> {
    group.busy = true;
    group.overdue = false;
    const looked = await this.#options.look(group);
    group.busy = false;
    if (this.#groups.get(group.id) !== group || this.#stopped) return;
    this.#leave(group, looked);
    if (group.alerts.size === 0) {
      group.timer?.cancel();
      this.#groups.delete(group.id);
      return this.#options.over(group);
    }
    if (looked.againMs !== null && looked.againMs < group.dueMs) {
      this.#schedule(group, looked.againMs);
    }
    if (looked.waits) group.overdue = true;
    else if (group.overdue) void this.#look(group);
  }

  /** What is over and known to be goes, unless it has fired anew meanwhile. */
  #leave(group: Group, { done, over }: Looked): void {
    const nowMs = this.#options.clock.nowMs();
    for (const alert of over) {
      const old = alert.endsAtMs + limits.untoldMs <= nowMs;
      if ((done || old) && group.alerts.get(alert.fingerprint) === alert) {
        group.alerts.delete(alert.fingerprint);
      }
    }
  }
}
