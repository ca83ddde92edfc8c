// What the evaluator knows: the groups of the book, the alerts of each rule by the rule's id, and
// how each went last. Alerts of rules that left the book stay here until they have been ended.

import type { Clock } from '../../runtime/clock.ts';
import type { Labels } from '../../runtime/counters.ts';
import type { PostedAlert } from '../alerting/model.ts';
import type { Draft, Entry } from '../journal/journal.ts';
import type { Child } from './composite.ts';
import type { Evaluated } from './evaluation.ts';
import type { Rule, RuleBook, RuleGroup } from './model.ts';
import { afterPause, alertDraft, alertOf, lastMark } from './restore.ts';
import { slotAt, type Grid } from './schedule.ts';
import { posting, resolve, type RuleAlert, type RuleAlerts } from './state.ts';

export const limits = {
  /**
   * After a start, alerts of rules that the book does not have are ended only after it: the book
   * may not have been read entirely.
   */
  unknownMs: 5 * 60_000,
} as const;

export interface GroupMemory {
  group: RuleGroup;
  readonly grid: Grid;
  /** The last instant that was evaluated, or need not be. */
  slotMs: number;
  /** The last instant for which it was tried. */
  triedMs: number;
  /** Not before it, by the wall clock. */
  retryAtMs: number;
  isRunning: boolean;
  /** Null before the first. */
  evaluatedAtMs: number | null;
  durationMs: number;
}

export interface RuleStatus {
  readonly rule: Rule;
  readonly health: 'unknown' | 'ok' | 'err';
  /** '' unless its last evaluation failed. */
  readonly lastError: string;
  /** The instant of its last evaluation; null before the first. */
  readonly evaluatedAtMs: number | null;
  /** Its share of the time of those that were asked together. */
  readonly durationMs: number;
  /** All of them, also those that are over and not yet forgotten (`inactive`). */
  readonly alerts: readonly RuleAlert[];
}

export interface GroupStatus {
  readonly group: RuleGroup;
  /** The instant of its last evaluation; null before the first. */
  readonly evaluatedAtMs: number | null;
  readonly durationMs: number;
  readonly rules: readonly RuleStatus[];
}

interface RuleMemory extends Omit<RuleStatus, 'rule' | 'alerts'> {
  /** When it last did not fail; since when it is known, before the first time. */
  readonly succeededAtMs: number;
}

/** Alerts of rules that are no more, on their way out. */
export interface Retired {
  readonly alerts: ReadonlyMap<string, RuleAlerts>;
  readonly drafts: readonly Draft[];
  readonly posted: readonly PostedAlert[];
}

export interface Memory {
  /** Takes the groups as they are now; new ones begin with their next instant. */
  readBook(): void;
  groups(): readonly GroupMemory[];
  /** Replaces all alerts by those of the journal. */
  load(entries: readonly Entry[]): void;
  /** Takes changes that another backend made. */
  hear(entries: readonly Entry[]): void;
  /** Goes on after the pause before `nowMs` (restore.ts). */
  wake(nowMs: number): void;
  alertsOf(ruleId: string): RuleAlerts;
  setAlerts(ruleId: string, alerts: RuleAlerts): void;
  rulesNamed(name: string): readonly (Child & { readonly id: string })[];
  settle(evaluated: Evaluated, how: { readonly atMs: number; readonly durationMs: number }): void;
  /** Drafts whose write failed, so that the journal may or may not have them. */
  doubt(drafts: readonly Draft[]): void;
  trust(drafts: readonly Draft[]): void;
  /** What the journal must be told again of a rule, beside `drafts`. */
  doubtful(evaluated: Evaluated, drafts: readonly Draft[], atMs: number): Draft[];
  markedMs(): number;
  mark(atMs: number): void;
  hasRetired(nowMs: number): boolean;
  takeRetired(atMs: number): Retired;
  giveBack(retired: Retired): void;
  countAlerts(): Iterable<readonly [Labels, number]>;
  status(): GroupStatus[];
}

export interface MemoryOptions {
  readonly book: RuleBook;
  readonly clock: Clock;
  readonly gridOf: (group: RuleGroup) => Grid;
}

export function createMemory(options: MemoryOptions): Memory {
  return new BookMemory(options);
}

const NO_ALERTS: RuleAlerts = new Map();
const newRule = (succeededAtMs: number): RuleMemory => ({ health: 'unknown', lastError: '',
  evaluatedAtMs: null, durationMs: 0, succeededAtMs });

class BookMemory implements Memory {
  private readonly options: MemoryOptions;
  private members = new Map<string, GroupMemory>();
  private rules = new Map<string, { readonly rule: Rule; readonly intervalMs: number }>();
  private byName = new Map<string, Rule[]>();
  private readonly known = new Map<string, RuleMemory>();
  private readonly alerts = new Map<string, RuleAlerts>();
  /** By id of the rule, then by key. */
  private readonly doubts = new Map<string, Map<string, Draft>>();
  /** Rules that were in the book and are no more. */
  private readonly left = new Set<string>();
  private wokeMs = -Infinity;
  private markMs = 0;

  constructor(options: MemoryOptions) {
    this.options = options;
  }

  readBook(): void {
    const { book, clock, gridOf } = this.options;
    const nowMs = clock.nowMs();
    const members = new Map<string, GroupMemory>();
    for (const id of this.left) if (!this.alerts.has(id)) this.left.delete(id);
    for (const id of this.rules.keys()) this.left.add(id);
    this.rules = new Map();
    this.byName = new Map();
    for (const group of book.groups()) {
      const grid = gridOf(group);
      const key = JSON.stringify([group.file, group.name]);
      const before = this.members.get(key);
      if (before?.grid.intervalMs === grid.intervalMs && before.grid.offsetMs === grid.offsetMs) {
        before.group = group;
        members.set(key, before);
      } else {
        members.set(key, { group, grid, slotMs: slotAt(grid, nowMs), triedMs: -Infinity,
          retryAtMs: 0, isRunning: false, evaluatedAtMs: null, durationMs: 0 });
      }
      for (const rule of group.rules) this.addRule(rule, group, nowMs);
    }
    this.members = members;
    for (const id of this.known.keys()) if (!this.rules.has(id)) this.known.delete(id);
  }

  private addRule(rule: Rule, { intervalMs }: RuleGroup, nowMs: number): void {
    this.rules.set(rule.id, { rule, intervalMs });
    this.left.delete(rule.id);
    if (!this.known.has(rule.id)) this.known.set(rule.id, newRule(nowMs));
    this.byName.set(rule.name, [...(this.byName.get(rule.name) ?? []), rule]);
  }

  groups(): readonly GroupMemory[] {
    return [...this.members.values()];
  }

  load(entries: readonly Entry[]): void {
    this.alerts.clear();
    this.doubts.clear();
    this.hear(entries);
    this.markMs = lastMark(entries);
  }

  hear(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const stored = entry.kind === 'alert' ? alertOf(entry) : null;
      if (stored === null) continue;
      const { ruleId, alert } = stored;
      const alerts = new Map(this.alertsOf(ruleId));
      if (entry.deleted) alerts.delete(alert.fingerprint);
      else alerts.set(alert.fingerprint, alert);
      this.setAlerts(ruleId, alerts);
    }
  }

  wake(nowMs: number): void {
    this.wokeMs = nowMs;
    for (const [id, known] of this.known) this.known.set(id, { ...known, succeededAtMs: nowMs });
    for (const member of this.members.values()) {
      member.slotMs = slotAt(member.grid, nowMs);
      member.triedMs = -Infinity;
    }
    for (const [id, alerts] of this.alerts) {
      const rule = this.rules.get(id)?.rule;
      if (rule === undefined) continue;
      const left = [...alerts.values()].flatMap((alert) => {
        // What was pending was looked at when it became so, whatever the last mark is.
        const downAtMs = Math.max(this.markMs, alert.activeAtMs);
        const next = afterPause(alert, rule, { downAtMs, nowMs });
        if (next !== null) return [[alert.fingerprint, next] as const];
        this.doubt([forget(rule, alert, nowMs)]);
        return [];
      });
      this.setAlerts(id, new Map(left));
    }
  }

  alertsOf = (ruleId: string): RuleAlerts => this.alerts.get(ruleId) ?? NO_ALERTS;

  setAlerts(ruleId: string, alerts: RuleAlerts): void {
    if (alerts.size === 0) this.alerts.delete(ruleId);
    else this.alerts.set(ruleId, alerts);
  }

  rulesNamed = (name: string): (Child & { id: string })[] =>
    (this.byName.get(name) ?? []).map(({ id }) => ({
      id, intervalMs: this.rules.get(id)!.intervalMs, alerts: [...this.alertsOf(id).values()],
      evaluatedAtMs: this.known.get(id)?.succeededAtMs ?? null,
    }));

  settle(
    { rule, alerts, error }: Evaluated,
    { atMs, durationMs }: { readonly atMs: number; readonly durationMs: number },
  ): void {
    this.setAlerts(rule.id, alerts);
    if (!this.rules.has(rule.id)) return;
    const before = this.known.get(rule.id) ?? newRule(atMs);
    this.known.set(rule.id, { health: error === '' ? 'ok' : 'err', lastError: error,
      evaluatedAtMs: atMs, durationMs, succeededAtMs: error === '' ? atMs : before.succeededAtMs });
  }

  doubt(drafts: readonly Draft[]): void {
    for (const draft of drafts.filter(({ kind }) => kind === 'alert')) {
      const id = ruleOf(draft);
      const own = this.doubts.get(id) ?? new Map<string, Draft>();
      this.doubts.set(id, own.set(draft.key, draft));
    }
  }

  trust(drafts: readonly Draft[]): void {
    for (const draft of drafts) {
      const own = this.doubts.get(ruleOf(draft));
      if (own?.delete(draft.key) === true && own.size === 0) this.doubts.delete(ruleOf(draft));
    }
  }

  doubtful({ rule, alerts }: Evaluated, drafts: readonly Draft[], atMs: number): Draft[] {
    const own = this.doubts.get(rule.id);
    if (own === undefined) return [];
    const written = new Set(drafts.map(({ key }) => key));
    return [...own.values()].filter(({ key }) => !written.has(key)).map((draft) => {
      const now = alerts.get(draft.key.slice(rule.id.length + 1));
      if (now !== undefined) return alertDraft(rule, now, { atMs });
      return { ...draft, atMs, deleted: true, state: 'inactive' };
    });
  }

  markedMs(): number {
    return this.markMs;
  }

  mark(atMs: number): void {
    this.markMs = atMs;
  }

  hasRetired(nowMs: number): boolean {
    return [...this.alerts.keys()].some((id) => this.isRetired(id, nowMs));
  }

  private isRetired(id: string, nowMs: number): boolean {
    if (this.rules.has(id)) return false;
    return this.left.has(id) || nowMs - this.wokeMs >= limits.unknownMs;
  }

  takeRetired(atMs: number): Retired {
    const alerts = new Map([...this.alerts].filter(([id]) => this.isRetired(id, atMs)));
    const drafts: Draft[] = [];
    const posted: PostedAlert[] = [];
    for (const [id, own] of alerts) {
      this.alerts.delete(id);
      for (const alert of own.values()) {
        const isNews = alert.state === 'firing';
        const ended = alert.state === 'firing' ? resolve(alert, atMs) : alert;
        drafts.push(alertDraft({ id, name: alert.labels['alertname'] ?? '' }, ended, { atMs,
          gone: { state: isNews ? 'resolved' : 'inactive', note: 'the rule is no more' } }));
        if (ended.state === 'inactive') posted.push(posting(ended, atMs, ''));
      }
    }
    return { alerts, drafts, posted };
  }

  giveBack({ alerts }: Retired): void {
    for (const [id, own] of alerts) this.setAlerts(id, new Map([...own, ...this.alertsOf(id)]));
  }

  countAlerts = (): Iterable<readonly [Labels, number]> => {
    const counts = { pending: 0, firing: 0 };
    for (const alerts of this.alerts.values()) {
      for (const { state } of alerts.values()) if (state !== 'inactive') counts[state]++;
    }
    return Object.entries(counts).map(([state, count]) => [{ state }, count] as const);
  };

  status(): GroupStatus[] {
    return [...this.members.values()].map(({ group, evaluatedAtMs, durationMs }) => ({
      group, evaluatedAtMs, durationMs,
      rules: group.rules.map((rule) => {
        const { succeededAtMs: _, ...known } = this.known.get(rule.id)!;
        return { rule, ...known, alerts: [...this.alertsOf(rule.id).values()] };
      }),
    }));
  }
}

/** Of a draft of an alert: what stands before its fingerprint. */
const ruleOf = ({ key }: Draft): string => key.slice(0, key.lastIndexOf('/'));

const forget = (rule: Rule, alert: RuleAlert, atMs: number): Draft =>
  alertDraft(rule, alert, { atMs,
    gone: { state: 'inactive', note: 'it was pending before a pause' } });
