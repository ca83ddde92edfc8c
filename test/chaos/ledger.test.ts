// The comparison of chaos runs finds what is missing, double or strange, and nothing else; the same
// seed makes the same plan and the same requests.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../proto/generate.ts';
import { createLedger, type Comparison, type Found } from './ledger.ts';
import { KINDS, planFaults } from './plan.ts';
import { makeRequest, TABLES } from './records.ts';

const TABLE = 'otel_logs';
const request = (number: number) => makeRequest(seededRandom(number), {
  signal: 'logs', sender: 1, number, count: 10, nowNs: 1_767_225_600_000_000_000n,
});

/** Two requests of ten, the first acknowledged. */
function compare(...found: Found[]): Comparison {
  const ledger = createLedger();
  const [first, second] = [request(0), request(1)];
  ledger.sent(first);
  ledger.acknowledged(first);
  ledger.sent(second);
  return ledger.compare(TABLE, found);
}

const [ACKNOWLEDGED, SENT] = [request(0).id, request(1).id];

test('chaos ledger: what is acknowledged is there once, what is not may be', () => {
  const check = (found: Found[], want: Partial<Comparison>) => {
    const { sent, acknowledged, missing, duplicates, strange, wrong } = compare(...found);
    assert.deepEqual({ sent, acknowledged }, { sent: 20, acknowledged: 10 });
    const none = { missing: 0, duplicates: 0, strange: 0 };
    assert.deepEqual({ missing, duplicates, strange }, { ...none, ...want });
    assert.equal(wrong.length > 0, missing + duplicates + strange > 0);
  };
  const whole = { request: ACKNOWLEDGED, rows: 10, ids: 10 };
  check([whole], {});
  check([whole, { request: SENT, rows: 10, ids: 10 }], {});
  check([whole, { request: SENT, rows: 3, ids: 3 }], {});
  check([], { missing: 10 });
  check([{ request: ACKNOWLEDGED, rows: 9, ids: 9 }], { missing: 1 });
  check([{ request: ACKNOWLEDGED, rows: 10, ids: 9 }], { missing: 1, duplicates: 1 });
  check([{ request: ACKNOWLEDGED, rows: 20, ids: 10 }], { duplicates: 10 });
  check([whole, { request: SENT, rows: 11, ids: 10 }], { duplicates: 1 });
  check([whole, { request: 'ffffffffff', rows: 2, ids: 2 }], { strange: 2 });
});

test('chaos records: all tables get records, each with an id of its own', () => {
  const counts = new Map<string, number>();
  for (const signal of ['logs', 'traces', 'metrics'] as const) {
    const made = makeRequest(seededRandom(1), { signal, sender: 1, number: 0, count: 25,
      nowNs: 1_767_225_600_000_000_000n });
    for (const [table, records] of made.records) counts.set(table, records);
    const sum = [...made.records.values()].reduce((total, one) => total + one, 0);
    assert.equal(made.batch.itemCount, sum);
  }
  assert.deepEqual([...counts.keys()].sort(), TABLES.map(({ name }) => name).sort());
});

test('chaos plan: a seed is a plan, and each round has every kind', () => {
  const plan = (seed: number, possible = () => true) =>
    planFaults(seededRandom(seed), 120_000, possible);
  assert.deepEqual(plan(1), plan(1));
  assert.notDeepEqual(plan(1), plan(2));
  const round = KINDS.reduce((sum, kind) => sum + ('times' in kind ? kind.times : 1), 0);
  const first = plan(3).slice(0, round).map(({ name }) => name);
  assert.deepEqual([...new Set(first)].sort(), KINDS.map(({ name }) => name).sort());
  const times = plan(4).map(({ atMs }) => atMs);
  assert.deepEqual(times, [...times].sort((a, b) => a - b));
  const rest = planFaults(seededRandom(5), 120_000, (name) => name !== 'fill disk');
  assert.ok(rest.every(({ name }) => name !== 'fill disk'));
});
