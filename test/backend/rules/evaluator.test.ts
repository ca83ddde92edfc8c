// Proves what the evaluator promises: instants, one write before each post, nothing without the
// lease, alerts over a change of the book and a restart. The clock is virtual, the journal in memory,
// and what is measured is what the test says.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from '../../../runtime/manual_clock.ts';
import { MINUTE, benchOf, groupOf, leaseOf, level, ruleOf, samples, type Bench }
  from './rules_fixture.ts';

const SLOW = { levels: [level({ forMs: 15 * MINUTE })] as const };

const abort = new AbortController().signal;
const stored = async ({ journal }: Bench) => (await journal.load(['alert'], abort))
  .map(({ key, state }) => `${key.split('/').slice(0, -1).join('/')} ${state}`);
const states = (evaluator: ReturnType<Bench['evaluator']>) => evaluator.status()
  .flatMap(({ rules }) => rules.flatMap(({ rule, alerts }) =>
    alerts.map(({ state, activeAtMs }) => `${rule.name} ${state} ${activeAtMs / MINUTE}`)));
const posted = ({ posts }: Bench) => posts.flatMap(({ atMs, alerts }) =>
  alerts.map(({ labels, endsAtMs }) =>
    `${atMs / MINUTE} ${labels['alertname']} until ${endsAtMs! / MINUTE}`));

test('evaluator: an alert is stored, then posted with evidence, and posted again', async () => {
  const bench = benchOf([groupOf([ruleOf('Up')])]);
  bench.measured['Up'] = samples([{ host: 'a' }, 1]);
  const evaluator = bench.evaluator();
  await evaluator.start();
  await bench.clock.advance(1);
  assert.deepEqual(await stored(bench), ['file/Up firing']);
  assert.deepEqual(bench.posts[0]!.alerts.map(({ labels, value, evidence }) =>
    ({ labels, value, evidence })), [{ labels: { host: 'a', alertname: 'Up' }, value: 1,
    evidence: { traces: ['trace of Up'], logs: [] } }]);
  await bench.clock.advance(3 * MINUTE);
  assert.deepEqual(posted(bench), ['0 Up until 4', '2 Up until 6']);
  assert.equal((await bench.journal.history({ fromMs: -9, toMs: 1e9, limit: 99 }, abort)).length, 1);
  await evaluator.stop(abort);
  assert.equal(bench.clock.pending(), 0);
});
