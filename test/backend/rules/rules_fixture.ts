// Rules without files, and somebody who measures what a test says.

import { createMemoryJournal } from '../../../backend/journal/memory.ts';
import { ALWAYS_HELD, type Lease } from '../../../backend/journal/lease.ts';
import type { Journal } from '../../../backend/journal/journal.ts';
import type { PostedAlert } from '../../../backend/alerting/model.ts';
import { createEvaluator } from '../../../backend/rules/evaluator.ts';
import type { Level, Measured, Measurer, Rule, RuleBook, RuleGroup }
  from '../../../backend/rules/model.ts';
import type { Template } from '../../../backend/template/template.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { SILENT_LOG } from '../../../runtime/log.ts';
import { createManualClock, type ManualClock } from '../../../runtime/manual_clock.ts';

export const MINUTE = 60_000;

export const level = (over: Partial<Level> = {}): Level =>
  ({ severity: '', condition: { operator: '>', value: 0, to: 0 }, forMs: 0, ...over });

export const ruleOf = (name: string, over: Partial<Rule> = {}): Rule => ({
  id: `file/${name}`, name, source: { type: 'sql', sql: 'SELECT 1', overMs: MINUTE },
  levels: [level()], keepFiringForMs: 0, noData: 'ok', onError: 'keep', labels: {},
  annotations: {}, runbook: '', owner: '', text: '', position: { file: 'rules.yaml', line: 1 },
  ...over,
});

export const groupOf = (rules: readonly Rule[], over: Partial<RuleGroup> = {}): RuleGroup =>
  ({ file: 'rules.yaml', name: 'group', intervalMs: MINUTE, queryOffsetMs: 0, limit: 0, rules,
    ...over });

/** A template of which `$name` is a label, `$value` the value and `$$name` one of the extras. */
export const templateOf = (text: string): Template => ({
  text,
  render: ({ variables }) => text.replace(/\$(\$?)(\w+)/g, (_, more: string, name: string) =>
    String(name === 'value' ? variables['value']
      : (variables[more === '' ? 'labels' : 'extra'] as Record<string, unknown>)[name])),
});

export const samples = (...values: [labels: Record<string, string>, value: number][]): Measured =>
  ({ ok: true, samples: values.map(([labels, value]) => ({ labels, value })) });

export interface Bench {
  readonly clock: ManualClock;
  readonly journal: Journal;
  readonly posts: { atMs: number; alerts: readonly PostedAlert[] }[];
  readonly asked: { atMs: number; queryOffsetMs: number; rules: string[] }[];
  readonly counters: ReturnType<typeof createCounters>;
  /** By name of the rule; what is not here is measured as nothing. */
  measured: Record<string, Measured>;
  groups: RuleGroup[];
  /** Tells the evaluator that `groups` is another. */
  changeBook(): void;
  evaluator(over?: Partial<Parameters<typeof createEvaluator>[0]>):
    ReturnType<typeof createEvaluator>;
}

/** Groups are evaluated at multiples of their interval; the clock begins just before one. */
export function benchOf(groups: RuleGroup[], startMs = -1): Bench {
  const clock = createManualClock(startMs);
  const followers = new Set<() => void>();
  const book: RuleBook = {
    groups: () => bench.groups,
    follow: (changed) => {
      followers.add(changed);
      return () => void followers.delete(changed);
    },
  };
  const measurer: Measurer = {
    measure: async (rules, at) => {
      bench.asked.push({ ...at, rules: rules.map(({ name }) => name) });
      return new Map(rules.map(({ id, name }) =>
        [id, bench.measured[name] ?? { ok: true, samples: [] }]));
    },
    evidence: async (_, labels) => ({ traces: [`trace of ${labels['alertname']}`], logs: [] }),
    check: async () => null,
  };
  const bench: Bench = {
    clock, journal: createMemoryJournal(clock), posts: [], asked: [], measured: {}, groups,
    counters: createCounters(),
    changeBook: () => followers.forEach((changed) => changed()),
    evaluator: (over = {}) => createEvaluator({
      book, measurer, journal: bench.journal, lease: ALWAYS_HELD, clock, log: SILENT_LOG,
      counters: bench.counters, externalUrl: '',
      post: (alerts) => void bench.posts.push({ atMs: clock.nowMs(), alerts }),
      gridOf: ({ intervalMs }) => ({ intervalMs, offsetMs: 0 }), ...over }),
  };
  return bench;
}

/** A lease that is given and taken by hand. */
export function leaseOf(isHeld: boolean): Pick<Lease, 'held' | 'follow'> & {
  set(held: boolean): void;
} {
  let held = isHeld;
  const followers = new Set<() => void>();
  return {
    held: () => held,
    follow: (changed) => {
      followers.add(changed);
      return () => void followers.delete(changed);
    },
    set: (next) => {
      held = next;
      followers.forEach((changed) => changed());
    },
  };
}
