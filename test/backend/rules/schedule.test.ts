// Proves on which instants groups are evaluated, what composites make of the states of others, and
// what is left of an alert after a pause.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { measureComposite, type Child } from '../../../backend/rules/composite.ts';
import type { Composite } from '../../../backend/rules/model.ts';
import { afterPause } from '../../../backend/rules/restore.ts';
import { gridOf, missedBetween, slotAt } from '../../../backend/rules/schedule.ts';
import { step } from '../../../backend/rules/state.ts';
import { MINUTE, level, ruleOf, samples } from './rules_fixture.ts';

test('schedule: an offset by file and name, in few places, always the same', () => {
  const offsets = new Set<number>();
  for (let count = 0; count < 200; count++) {
    const group = { file: 'a.yaml', name: `group ${count}`, intervalMs: MINUTE };
    assert.deepEqual(gridOf(group), gridOf({ ...group }));
    offsets.add(gridOf(group).offsetMs);
  }
  assert.deepEqual([...offsets].sort((one, other) => one - other), [0, 15_000, 30_000, 45_000]);
});

test('schedule: the last instant of a grid, and how many lie between two', () => {
  const grid = { intervalMs: MINUTE, offsetMs: 15_000 };
  assert.equal(slotAt(grid, 10 * MINUTE), 9 * MINUTE + 15_000);
  assert.equal(slotAt(grid, 10 * MINUTE + 15_000), 10 * MINUTE + 15_000);
  const check = (first: number, last: number, want: number) =>
    assert.equal(missedBetween(grid, first, last), want);
  check(MINUTE, 2 * MINUTE, 0);
  check(MINUTE, 5 * MINUTE, 3);
  check(2 * MINUTE, 2 * MINUTE, 0);
});

const rule = (name: string): Composite => ({ type: 'rule', name });
const child = (services: string[], over: Partial<Child> = {}): Child => ({ intervalMs: MINUTE,
  evaluatedAtMs: 0, alerts: services.map((service) => ({ labels: { service }, state: 'firing' })),
  ...over });

function composed(
  composite: Composite,
  children: Record<string, Child[]>,
  { on = ['service'], stale = 'keep' as 'keep' | 'true' | 'false', atMs = MINUTE } = {},
) {
  const measured = measureComposite({ type: 'composite', composite, on, stale },
    (name) => children[name] ?? [], atMs);
  return measured.ok ? measured.samples.filter(({ value }) => value === 1)
    .map(({ labels }) => labels['service'] ?? '') : measured.reason;
}

test('composite: and, or, not, for each group of labels', () => {
  const children = { A: [child(['x', 'y'])], B: [child(['y', 'z'])] };
  const both = { type: 'and' as const, parts: [rule('A'), rule('B')] };
  assert.deepEqual(composed(both, children), ['y']);
  assert.deepEqual(composed({ ...both, type: 'or' }, children), ['x', 'y', 'z']);
  const without = { type: 'and' as const,
    parts: [rule('A'), { type: 'not' as const, part: rule('B') }] };
  assert.deepEqual(composed(without, children), ['x']);
  assert.deepEqual(composed(both, children, { on: [] }), ['']);
  assert.equal(composed(rule('C'), children), 'there is no rule C');
});

test('composite: only what fires counts, and what is stale as it is told', () => {
  const pending = child([], { alerts: [{ labels: { service: 'x' }, state: 'pending' }] });
  assert.deepEqual(composed(rule('A'), { A: [pending] }), []);
  const children = { A: [child(['x'])] };
  const late = { atMs: 3 * MINUTE + 1 };
  assert.deepEqual(composed(rule('A'), children, { stale: 'false', atMs: 3 * MINUTE }), ['x']);
  assert.deepEqual(composed(rule('A'), children, { ...late, stale: 'false' }), []);
  assert.deepEqual(composed(rule('A'), children, { ...late, stale: 'keep' }), ['x']);
  const silent = { A: [child([], { evaluatedAtMs: null })] };
  assert.deepEqual(composed(rule('A'), silent, { on: [], stale: 'true' }), ['']);
});

test('restore: what was pending goes on as if the pause had not been, within limits', () => {
  const check = (forMinutes: number, down: number, now: number, want: number | null) => {
    const slow = ruleOf('Slow', { levels: [level({ forMs: forMinutes * MINUTE })] });
    const { alerts } = step(new Map(), { rule: slow, group: { limit: 0 }, atMs: 0,
      externalUrl: '', measured: samples([{}, 1]) });
    const next = afterPause([...alerts.values()][0]!, slow,
      { downAtMs: down * MINUTE, nowMs: now * MINUTE });
    assert.equal(next === null ? null : next.activeAtMs / MINUTE, want);
  };
  // The time of the pause does not count; 10 minutes are left at least; an hour is too long.
  check(30, 5, 25, 20);
  check(30, 25, 45, 25);
  check(30, 5, 66, null);
  check(30, 5, 65, 60);
  check(9, 5, 6, null);
});
