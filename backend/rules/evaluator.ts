// Evaluates the rules of the book while this backend holds the lease: each group at the instants of
// its grid, groups of the same instant together.
//
// Promises:
// - What an evaluation changes is written to the journal in one write, and posted to alerting only
//   after it: nobody is told of an alert that a restart forgets. When the write fails the
//   evaluation is done again from where it began, soon or at its next instant.
// - A group is never evaluated twice at the same time or for the same instant. Instants that passed
//   while it was not its turn are counted and left out.
// - Rules that stay the same (by id) keep their alerts when the book changes; alerts of rules that
//   are no more are over.
// - Without the lease nothing is evaluated or written; the alerts of the journal are posted, so
//   that alerting, which notifies nobody then, shows what the leader shows.

import type { Component } from '../../proto/contract/component.ts';
import type { Clock, Timer } from '../../runtime/clock.ts';
import type { Counters } from '../../runtime/counters.ts';
import { within } from '../../runtime/deadline.ts';
import { errorMessage } from '../../runtime/errors.ts';
import { rateLimited, type Log } from '../../runtime/log.ts';
import type { PostedAlert } from '../alerting/model.ts';
import type { Draft, Journal } from '../journal/journal.ts';
import type { Lease } from '../journal/lease.ts';
import { changesOf, evaluate, needsMark, type Due, type Evaluated, type EvaluationContext }
  from './evaluation.ts';
import { createMemory, type GroupMemory, type GroupStatus, type Memory } from './memory.ts';
import type { Measurer, RuleBook, RuleGroup } from './model.ts';
import { limits as restoreLimits, markDraft } from './restore.ts';
import { gridOf, missedBetween, slotAt, type Grid } from './schedule.ts';
import { send } from './state.ts';

export const limits = {
  /** Evaluations at the same time; groups that are due wait for one of these. */
  evaluationsMax: 4,
  /** Time until a failed write, or a failed look into the journal, is tried again. */
  retryMs: 5000,
  /** A write that takes longer has failed. */
  writeMs: 30_000,
  /** The clock is looked at so often at least, as it may be set or stand still. */
  lookMs: 30_000,
} as const;

export interface EvaluatorOptions {
  readonly book: RuleBook;
  readonly measurer: Measurer;
  readonly journal: Journal;
  /** Alerting's. Called with at least one alert. */
  readonly post: (alerts: readonly PostedAlert[]) => void;
  readonly lease: Pick<Lease, 'held' | 'follow'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: Counters;
  /** Where people find Binnacle, without `/` at its end; '' for nowhere. */
  readonly externalUrl: string;
  /** Instants of a group; spread by its name unless given. */
  readonly gridOf?: (group: RuleGroup) => Grid;
}

/** The first instant of a group that counts is the next one after `start`, not that of it. */
export interface Evaluator extends Component {
  /** The groups of the book, with what is known of their rules and alerts. */
  status(): GroupStatus[];
  /** Resolves when nothing is under way; what waits for time is not. */
  idle(): Promise<void>;
}

export function createEvaluator(options: EvaluatorOptions): Evaluator {
  return new LeasedEvaluator(options);
}

class LeasedEvaluator implements Evaluator {
  private readonly options: EvaluatorOptions;
  private readonly log: Log;
  private readonly memory: Memory;
  private readonly context: EvaluationContext;
  private readonly under = new Set<Promise<void>>();
  private readonly endings: (() => void)[] = [];
  /** Of the time in which this one leads; null while another does. */
  private leading: AbortController | null = null;
  private reading = new AbortController();
  private isLoaded = false;
  private evaluations = 0;
  private timer: Timer | null = null;
  private started = false;

  constructor(options: EvaluatorOptions) {
    const { clock, measurer, externalUrl, counters } = options;
    this.options = options;
    this.log = rateLimited(options.log, clock, LOG_MS);
    this.memory = createMemory({ ...options, gridOf: options.gridOf ?? gridOf });
    this.context = { measurer, clock, externalUrl, alertsOf: this.memory.alertsOf,
      rulesNamed: this.memory.rulesNamed };
    counters.gauges('binnacle_rule_alerts', 'Alerts of rules, by their state.',
      this.memory.countAlerts);
    counters.gauge('binnacle_rules_leading', 'Whether this backend evaluates the rules.',
      () => (this.leading === null ? 0 : 1));
  }

  async start(): Promise<void> {
    const { book, lease, journal } = this.options;
    this.started = true;
    this.memory.readBook();
    this.endings.push(
      book.follow(() => {
        this.memory.readBook();
        this.look();
      }),
      journal.follow(['alert'], (entries) => {
        if (this.leading !== null) return;
        this.memory.hear(entries);
        this.mirror();
      }),
      lease.follow(() => this.leadOrNot()),
    );
    this.leadOrNot();
    if (this.leading === null) this.begin(this.reading);
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.started = false;
    for (const end of this.endings.splice(0)) end();
    this.timer?.cancel();
    this.reading.abort();
    this.leading?.abort();
    this.leading = null;
    const gone = new Promise<void>((resolve) => {
      if (deadline.aborted) resolve();
      deadline.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([this.idle(), gone]);
  }

  status(): GroupStatus[] {
    return this.memory.status();
  }

  async idle(): Promise<void> {
    while (this.under.size > 0) await Promise.all(this.under);
  }

  private leadOrNot(): void {
    const leads = this.started && this.options.lease.held();
    if (leads === (this.leading !== null)) return;
    this.reading.abort();
    this.leading?.abort();
    this.timer?.cancel();
    this.leading = leads ? new AbortController() : null;
    this.isLoaded = false;
    if (this.leading !== null) this.begin(this.leading);
    else this.mirror();
  }

  /** What another one, or an earlier start, has left; a leader goes on from there. */
  private begin(reading: AbortController): void {
    this.reading = reading;
    const abort = reading.signal;
    this.track(this.load(abort).then((isLoaded) => {
      if (abort.aborted) return;
      if (!isLoaded) {
        this.options.clock.after(limits.retryMs, () => {
          if (!abort.aborted) this.begin(reading);
        });
      } else if (this.leading === reading) {
        this.memory.wake(this.options.clock.nowMs());
        this.isLoaded = true;
        this.postKnown();
        this.look();
      } else this.mirror();
    }));
  }

  /** What the leader knows is shown here, too; only a leader notifies. */
  private mirror(): void {
    this.timer?.cancel();
    if (this.leading !== null || !this.started) return;
    this.postKnown();
    this.timer = this.options.clock.after(limits.lookMs, () => this.mirror());
  }

  private async load(abort: AbortSignal): Promise<boolean> {
    try {
      const entries = await this.options.journal.load(['alert', 'evaluation'], abort);
      if (!abort.aborted) this.memory.load(entries);
      return true;
    } catch (error) {
      if (abort.aborted) return false;
      this.log.warn(`cannot read the alerts of rules: ${errorMessage(error)}`,
        { hint: 'rules are evaluated as soon as the store answers' });
      return false;
    }
  }

  /** Alerting need not wait for the next evaluation to know what was firing. */
  private postKnown(): void {
    const atMs = this.options.clock.nowMs();
    const posted = this.memory.groups().flatMap(({ group }) => group.rules.flatMap((rule) => {
      const sent = send(this.memory.alertsOf(rule.id), { ...this.options, rule, group, atMs });
      this.memory.setAlerts(rule.id, sent.alerts);
      return sent.posted;
    }));
    if (posted.length > 0) this.options.post(posted);
  }

  /** Begins what is due, and waits for what comes next. */
  private look(): void {
    this.timer?.cancel();
    const { leading } = this;
    if (leading === null || !this.isLoaded) return;
    const nowMs = this.options.clock.nowMs();
    if (this.memory.hasRetired(nowMs)) this.retire(leading.signal, nowMs);
    for (const due of this.dueAt(nowMs)) {
      if (this.evaluations >= limits.evaluationsMax) break;
      this.run(due, leading.signal);
    }
    const next = Math.min(...this.memory.groups().filter(({ isRunning }) => !isRunning)
      .map((group) => Math.max(nextOf(group), group.retryAtMs)));
    // What is due and has no turn is looked for when an evaluation ends.
    const waitMs = next <= nowMs ? limits.lookMs : Math.min(next - nowMs, limits.lookMs);
    this.timer = this.options.clock.after(waitMs, () => this.look());
  }

  /** Groups of the same instant and offset of their questions are one evaluation. */
  private dueAt(nowMs: number): Iterable<Due & { readonly members: GroupMemory[] }> {
    const batches = new Map<string, Due & { groups: RuleGroup[]; members: GroupMemory[] }>();
    for (const member of this.memory.groups()) {
      const atMs = slotAt(member.grid, nowMs);
      // Somebody has set the clock back.
      if (atMs < member.slotMs - member.grid.intervalMs) member.slotMs = atMs;
      if (member.isRunning || atMs <= member.slotMs || member.retryAtMs > nowMs) continue;
      const { queryOffsetMs } = member.group;
      const key = `${atMs} ${queryOffsetMs}`;
      const batch = batches.get(key) ?? { atMs, queryOffsetMs, groups: [], members: [] };
      batch.groups.push(member.group);
      batch.members.push(member);
      batches.set(key, batch);
    }
    return batches.values();
  }

  private run(due: Due & { readonly members: GroupMemory[] }, abort: AbortSignal): void {
    const { clock } = this.options;
    const beganMs = clock.monotonicMs();
    for (const member of due.members) {
      member.isRunning = true;
      this.countMissed(member, due.atMs);
    }
    this.evaluations++;
    this.track(this.attempt(due, abort).then((isDone) => {
      this.evaluations--;
      const durationMs = clock.monotonicMs() - beganMs;
      for (const member of due.members) {
        member.isRunning = false;
        if (isDone) {
          Object.assign(member, { slotMs: due.atMs, evaluatedAtMs: due.atMs, durationMs });
        } else member.retryAtMs = clock.nowMs() + limits.retryMs;
      }
      this.look();
    }));
  }

  private countMissed({ group, grid, ...member }: GroupMemory, atMs: number): void {
    const missed = missedBetween(grid, Math.max(member.slotMs, member.triedMs), atMs);
    if (missed === 0) return;
    this.options.counters.counter('binnacle_rule_group_iterations_missed_total',
      'Instants at which a group was not evaluated, as it was late.', labelOf(group)).add(missed);
  }

  /** False when it must be done again. */
  private async attempt(due: Due & { readonly members: GroupMemory[] }, abort: AbortSignal):
    Promise<boolean> {
    const { clock, lease } = this.options;
    for (const member of due.members) member.triedMs = due.atMs;
    const beganMs = clock.monotonicMs();
    const evaluated = await evaluate(due, this.context, abort);
    const durationMs = clock.monotonicMs() - beganMs;
    if (abort.aborted || !lease.held()) return false;
    if (!await this.write(evaluated, due.atMs, abort) || abort.aborted) return false;
    for (const one of evaluated) {
      this.memory.settle(one, { atMs: due.atMs, durationMs: durationMs / evaluated.length });
      this.count(one, durationMs / evaluated.length);
    }
    if (lease.held()) this.postDue(evaluated, due.atMs);
    return true;
  }

  private async write(evaluated: readonly Evaluated[], atMs: number, abort: AbortSignal):
    Promise<boolean> {
    const drafts = evaluated.flatMap((one) =>
      changesOf(one, this.memory.alertsOf(one.rule.id), atMs));
    const doubtful = evaluated.flatMap((one) => this.memory.doubtful(one, drafts, atMs));
    const isMarked = evaluated.some(needsMark)
      && atMs - this.memory.markedMs() >= restoreLimits.markMs;
    const all = [...drafts, ...doubtful, ...(isMarked ? [markDraft(atMs)] : [])];
    if (!await this.store(all, abort)) return false;
    if (isMarked) this.memory.mark(atMs);
    return true;
  }

  private async store(drafts: readonly Draft[], abort: AbortSignal): Promise<boolean> {
    if (drafts.length === 0) return true;
    try {
      const { clock, journal } = this.options;
      await within({ clock, waitMs: limits.writeMs, abort }, (until) =>
        journal.write(drafts, until));
      this.memory.trust(drafts);
      return true;
    } catch (error) {
      // Some of it may be stored: it is written again with the next change, whatever it is then.
      this.memory.doubt(drafts);
      if (abort.aborted) return false;
      this.options.counters.counter('binnacle_rule_write_failures_total',
        'Evaluations whose changes could not be written, and are done again.').add(1);
      this.log.error(`cannot write what became of alerts: ${errorMessage(error)}`,
        { hint: 'nobody is told of these alerts before they are stored' });
      return false;
    }
  }

  private postDue(evaluated: readonly Evaluated[], atMs: number): void {
    const posted = evaluated.flatMap(({ rule, group }) => {
      const sent = send(this.memory.alertsOf(rule.id), { ...this.options, rule, group, atMs });
      this.memory.setAlerts(rule.id, sent.alerts);
      return sent.posted;
    });
    if (posted.length > 0) this.options.post(posted);
  }

  /** Ends the alerts of rules that are no more. */
  private retire(abort: AbortSignal, atMs: number): void {
    const retired = this.memory.takeRetired(atMs);
    this.track(this.store(retired.drafts, abort).then((isDone) => {
      if (abort.aborted) return;
      if (!isDone) return this.memory.giveBack(retired);
      if (retired.posted.length > 0) this.options.post(retired.posted);
    }));
  }

  private count({ group, error }: Evaluated, durationMs: number): void {
    const { counters } = this.options;
    const labels = labelOf(group);
    counters.counter('binnacle_rule_evaluations_total', 'Evaluations of rules.', labels).add(1);
    counters.counter('binnacle_rule_evaluation_failures_total',
      'Evaluations of rules that failed.', labels).add(error === '' ? 0 : 1);
    counters.counter('binnacle_rule_evaluation_seconds_total',
      'Time of evaluations; rules that were asked together share theirs.', labels)
      .add(durationMs / 1000);
  }

  private track(work: Promise<unknown>): void {
    const entry = work.then(() => void this.under.delete(entry));
    this.under.add(entry);
  }
}

const LOG_MS = 60_000;

const nextOf = ({ grid, slotMs }: GroupMemory): number => slotMs + grid.intervalMs;

const labelOf = ({ file, name }: RuleGroup) => ({ group: `${file};${name}` });
