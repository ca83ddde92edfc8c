// Proves the state machine against a second, simple one (prometheus_model.ts): random scripts of
// results, errors, equal labels, changed `for`, `keep_firing_for` and limits, gaps and restarts.
// After each evaluation all alerts and all that is posted must be the same.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Sample } from '../../../backend/rules/model.ts';
import { afterPause, alertDraft, alertOf } from '../../../backend/rules/restore.ts';
import { send, step, type RuleAlerts } from '../../../backend/rules/state.ts';
import { createSeededRandom, type Random } from '../../../runtime/random.ts';
import { PrometheusModel, type Result } from './prometheus_model.ts';
import { MINUTE, level, ruleOf } from './rules_fixture.ts';

const SCRIPTS = 2000;
const STEPS = 30;
/** An instant that is not zero, which stands for "never" in the model. */
const START_MS = 1_000_000 * MINUTE;

const FORS = [0, 30_000, MINUTE, 5 * MINUTE, 10 * MINUTE, 12 * MINUTE, 25 * MINUTE];
const KEEPS = [0, 0, 90_000, 5 * MINUTE, 20 * MINUTE];
const LIMITS = [0, 0, 0, 1, 2];

const pick = <T>(random: Random, from: readonly T[]): T =>
  from[Math.floor(random.float() * from.length)]!;

/** Two machines that get the same, and what each says of its alerts. */
class Pair {
  readonly model = new PrometheusModel();
  alerts: RuleAlerts = new Map();
  atMs = START_MS;
  /** What was done, to be read when they differ. */
  readonly script: string[] = [];
  readonly random: Random;

  constructor(random: Random) {
    this.random = random;
    this.configure();
    this.model.interval = pick(random, [15_000, MINUTE, 2 * MINUTE]);
  }

  configure(): void {
    const { random, model } = this;
    model.for = pick(random, FORS);
    model.keepFiringFor = pick(random, KEEPS);
    model.limit = pick(random, LIMITS);
    const { for: forMs, keepFiringFor, limit } = model;
    this.script.push(`for ${forMs} keep_firing_for ${keepFiringFor} limit ${limit}`);
  }

  rule() {
    return ruleOf('Up', { levels: [level({ forMs: this.model.for })],
      keepFiringForMs: this.model.keepFiringFor });
  }

  evaluate(result: Result): void {
    const { model, atMs } = this;
    this.script.push(`${atMs - START_MS}: ${result}`);
    const group = { limit: model.limit, intervalMs: model.interval };
    const samples = result === 'error' ? [] : result.map((name): Sample =>
      ({ labels: { name }, value: 1 }));
    const common = { rule: this.rule(), group, atMs, externalUrl: '' };
    const measured = result === 'error' ? { ok: false as const, reason: 'away' }
      : { ok: true as const, samples };
    const sent = send(step(this.alerts, { ...common, measured }).alerts, common);
    this.alerts = sent.alerts;
    const own = sent.posted.map(({ labels, endsAtMs }) => `${labels['name']} ${endsAtMs}`);
    this.same(own, model.evaluate(atMs, result));
    this.compare();
  }

  restart(downMs: number): void {
    const downAtMs = this.atMs;
    this.atMs += downMs;
    this.script.push(`restart after ${downMs}`);
    const rule = this.rule();
    const kept = [...this.alerts.values()].flatMap((alert) => {
      const draft = alertDraft(rule, alert, { atMs: downAtMs });
      const stored = alertOf({ data: JSON.parse(JSON.stringify(draft.data)) as unknown })!;
      return afterPause(stored.alert, rule, { downAtMs, nowMs: this.atMs }) ?? [];
    });
    this.alerts = new Map(kept.map((alert) => [alert.fingerprint, alert]));
    this.model.restart(downAtMs, this.atMs);
    this.compare();
  }

  compare(): void {
    const own = [...this.alerts.values()].map((alert) => [alert.labels['name'], alert.state,
      alert.activeAtMs, alert.firedAtMs ?? 0, alert.resolvedAtMs ?? 0,
      alert.keepFiringSinceMs ?? 0].join(' '));
    const model = this.model.alerts.map((alert) => [alert.name, alert.state, alert.activeAt,
      alert.firedAt, alert.resolvedAt, alert.keepFiringSince].join(' '));
    this.same(own, model);
  }

  same(own: string[], model: string[]): void {
    if (own.sort().join() === model.sort().join()) return;
    assert.deepEqual(own, model, this.script.join('\n'));
  }
}

/** Series come and go slowly, so that alerts have time to become something. */
function run(random: Random): Pair {
  const pair = new Pair(random);
  let there: string[] = [];
  const restlessness = pick(random, [0.05, 0.2, 0.5]);
  for (let count = 0; count < STEPS; count++) {
    pair.atMs += pair.model.interval * (random.float() < 0.05 ? pick(random, [2, 7, 20]) : 1);
    if (random.float() < 0.03) pair.configure();
    if (random.float() < 0.03) pair.restart(pick(random, [1, 5, 20, 60, 61, 200]) * MINUTE);
    for (const name of ['a', 'b', 'c']) {
      if (random.float() >= restlessness) continue;
      there = there.includes(name) ? there.filter((other) => other !== name) : [...there, name];
    }
    const chance = random.float();
    pair.evaluate(chance < 0.04 ? 'error' : chance < 0.07 ? [...there, 'a', 'a'] : there);
  }
  return pair;
}

test(`rules: ${SCRIPTS} random scripts end as those of a simple model of Prometheus`, () => {
  const seen = new Map<string, number>();
  for (let seed = 1; seed <= SCRIPTS; seed++) {
    const { model } = run(createSeededRandom(seed));
    for (const { state } of model.alerts) seen.set(state, (seen.get(state) ?? 0) + 1);
  }
  // Scripts in which nothing happens would prove nothing.
  for (const state of ['pending', 'firing', 'inactive']) assert.ok(seen.get(state)! > SCRIPTS / 10);
});
