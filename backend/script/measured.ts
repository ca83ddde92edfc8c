// What rules measure in a script: what `measure` says for those it names, and the store for all
// others. It knows when the store is still being asked, since virtual time must wait for that.

import { settle } from '../../runtime/manual_clock.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Evidence } from '../alerting/model.ts';
import type { Measured, Measurer, Rule, Sample } from '../rules/model.ts';
import type { MeasuredLoad, Script } from './model.ts';

export interface ScriptMeasurer extends Measurer {
  /** Whom to ask about rules that `measure` does not name; nobody: they find nothing. */
  ask(store: Measurer): void;
  /** How long each question takes from now on, in virtual time. */
  take(takesMs: number): void;
  /** Resolves when nothing is under way that does not wait for virtual time. */
  quiet(): Promise<void>;
}

export interface ScriptMeasurerOptions {
  readonly script: Script;
  readonly epochMs: number;
  readonly clock: () => Clock;
}

const NO_EVIDENCE: Evidence = { traces: [], logs: [] };

export function createScriptMeasurer(options: ScriptMeasurerOptions): ScriptMeasurer {
  const { script: { measured }, epochMs, clock } = options;
  const named = new Set(measured.map(({ rule }) => rule));
  let takesMs = 0;
  let store: Measurer | null = null;
  const asked = new Set<Promise<unknown>>();
  const track = <T>(question: Promise<T>): Promise<T> => {
    asked.add(question);
    const forget = () => void asked.delete(question);
    question.then(forget, forget);
    return question;
  };
  return {
    ask: (measurer) => {
      store = measurer;
    },
    take: (ms) => {
      takesMs = ms;
    },
    quiet: async () => {
      await settle();
      while (asked.size > 0) {
        await Promise.allSettled([...asked]);
        await settle();
      }
    },
    measure: async (rules, at, abort) => {
      if (takesMs > 0) await clock().sleep(takesMs, abort);
      if (abort.aborted) return failing(rules, 'it took too long');
      const others = rules.filter(({ name }) => !named.has(name));
      const found = store === null || others.length === 0 ? new Map<string, Measured>()
        : await track(store.measure(others, at, abort));
      const atMs = at.atMs - at.queryOffsetMs - epochMs;
      return new Map(rules.map((rule) => [rule.id, named.has(rule.name)
        ? measuredAt(rule, measured, atMs) : found.get(rule.id) ?? NOTHING]));
    },
    evidence: (rule, labels, atMs, abort) => (store === null || named.has(rule.name)
      ? Promise.resolve(NO_EVIDENCE) : track(store.evidence(rule, labels, atMs, abort))),
    check: async () => null,
  };
}

const NOTHING: Measured = { ok: true, samples: [] };

const failing = (rules: readonly Rule[], reason: string) =>
  new Map(rules.map(({ id }): [string, Measured] => [id, { ok: false, reason }]));

function measuredAt({ name }: Rule, all: readonly MeasuredLoad[], atMs: number): Measured {
  const samples: Sample[] = [];
  for (const { rule, labels, severity, values, fromMs, stepMs } of all) {
    if (rule !== name) continue;
    const value = values[Math.floor((atMs - fromMs) / stepMs)];
    if (value === 'error') return { ok: false, reason: 'the script says so' };
    if (typeof value !== 'number') continue;
    samples.push({ labels, value, ...(severity === '' ? {} : { severity }) });
  }
  return { ok: true, samples };
}
