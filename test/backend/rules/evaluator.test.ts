// Proves what the evaluator promises: instants, one write before each post, nothing without the
// lease, alerts over a change of the book and a restart. The clock is virtual, the journal in
// memory, and what is measured is what the test says.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MINUTE, benchOf, groupOf, leaseOf, level, ruleOf, samples, type Bench }
  from './rules_fixture.ts';

const SLOW = { levels: [level({ forMs: 15 * MINUTE })] as const };

const abort = new AbortController().signal;
const stored = async ({ journal }: Bench) => (await journal.load(['alert'], abort))
  .map(({ key, state }) => `${key.split('/').slice(0, -1).join('/')} ${state}`).sort();
const states = (evaluator: ReturnType<Bench['evaluator']>) => evaluator.status()
  .flatMap(({ rules }) => rules.flatMap(({ rule, alerts }) =>
    alerts.map(({ state, activeAtMs }) => `${rule.name} ${state} ${activeAtMs / MINUTE}`)));
const posted = ({ posts }: Bench) => posts.flatMap(({ atMs, alerts }) =>
  alerts.map(({ labels, endsAtMs }) =>
    `${atMs / MINUTE} ${labels['alertname']} until ${endsAtMs! / MINUTE}`));

const historyOf = ({ journal }: Bench) =>
  journal.history({ fromMs: -9, toMs: 1e12, limit: 999 }, abort);

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
  assert.equal((await historyOf(bench)).length, 1);
  await evaluator.stop(abort);
  assert.equal(bench.clock.pending(), 0);
});

test('evaluator: what a write refused is evaluated again, and nobody hears before', async () => {
  const bench = benchOf([groupOf([ruleOf('Up')])]);
  bench.measured['Up'] = samples([{}, 1]);
  const { write } = bench.journal;
  bench.journal.write = () => Promise.reject(new Error('away'));
  await bench.evaluator().start();
  await bench.clock.advance(12_000);
  assert.equal(bench.posts.length, 0);
  assert.deepEqual(bench.asked.map(({ atMs }) => atMs), [0, 0, 0]);
  bench.journal.write = write;
  await bench.clock.advance(MINUTE / 2);
  assert.deepEqual(bench.posts.map(({ alerts }) => alerts[0]!.startsAtMs), [0]);
  assert.equal(bench.counters.total('binnacle_rule_write_failures_total'), 3);
  assert.equal(bench.counters.total('binnacle_rule_group_iterations_missed_total'), 0);
});

test('evaluator: what a failed write may have stored is taken back', async () => {
  const bench = benchOf([groupOf([ruleOf('Up', SLOW)])]);
  bench.measured['Up'] = samples([{}, 1]);
  const { write } = bench.journal;
  bench.journal.write = async (...asked) => {
    await write(...asked);
    throw new Error('no answer');
  };
  await bench.evaluator().start();
  await bench.clock.advance(1);
  bench.journal.write = write;
  delete bench.measured['Up'];
  assert.deepEqual(await stored(bench), ['file/Up pending']);
  await bench.clock.advance(MINUTE);
  assert.deepEqual(await stored(bench), []);
});

test('evaluator: groups of one instant are asked together, and written together', async () => {
  const bench = benchOf([groupOf([ruleOf('A')]), groupOf([ruleOf('B')], { name: 'other' }),
    groupOf([ruleOf('C')], { name: 'late', queryOffsetMs: 30_000 })]);
  for (const name of ['A', 'B', 'C']) bench.measured[name] = samples([{}, 1]);
  let writes = 0;
  const { write } = bench.journal;
  bench.journal.write = (...asked) => {
    writes++;
    return write(...asked);
  };
  await bench.evaluator().start();
  await bench.clock.advance(1);
  assert.deepEqual(bench.asked, [{ atMs: 0, queryOffsetMs: 0, rules: ['A', 'B'] },
    { atMs: 0, queryOffsetMs: 30_000, rules: ['C'] }]);
  assert.equal(writes, 2);
});

test('evaluator: instants that were missed are counted, and not made up for', async () => {
  const bench = benchOf([groupOf([ruleOf('Up')], { intervalMs: 10_000 })]);
  bench.measured['Up'] = samples([{}, 1]);
  const { write } = bench.journal;
  bench.journal.write = async (...asked) => {
    await bench.clock.sleep(25_000);
    return write(...asked);
  };
  await bench.evaluator().start();
  await bench.clock.advance(35_000);
  assert.deepEqual(bench.asked.map(({ atMs }) => atMs / 1000), [0, 20, 30]);
  assert.equal(bench.counters.total('binnacle_rule_group_iterations_missed_total'), 1);
});

test('evaluator: who never answers costs one evaluation', async () => {
  const bench = benchOf([groupOf([ruleOf('Hangs')])]);
  const evaluator = bench.evaluator({ measurer: {
    measure: () => new Promise(() => {}),
    evidence: async () => ({ traces: [], logs: [] }),
    check: async () => null,
  } });
  await evaluator.start();
  await bench.clock.advance(5.5 * MINUTE);
  assert.equal(evaluator.status()[0]!.rules[0]!.lastError, 'no answer in 60000 ms');
  assert.equal(bench.counters.total('binnacle_rule_evaluations_total'), 5);
  await evaluator.stop(abort);
});

test('evaluator: a rule that fails is told of, and what fired goes on to', async () => {
  const bench = benchOf([groupOf([ruleOf('Up')])]);
  bench.measured['Up'] = samples([{}, 1]);
  const evaluator = bench.evaluator();
  await evaluator.start();
  await bench.clock.advance(1);
  bench.measured['Up'] = { ok: false, reason: 'no such column' };
  await bench.clock.advance(9 * MINUTE);
  const [{ health, lastError, evaluatedAtMs }] = evaluator.status()[0]!.rules as [any];
  assert.deepEqual({ health, lastError, evaluatedAtMs },
    { health: 'err', lastError: 'no such column', evaluatedAtMs: 9 * MINUTE });
  assert.equal(posted(bench).at(-1), '8 Up until 12');
  assert.equal(bench.counters.total('binnacle_rule_evaluation_failures_total'), 9);
});

test('evaluator: rules that stay keep their alerts, those that go end them', async () => {
  const bench = benchOf([groupOf([ruleOf('Stays'), ruleOf('Goes')])]);
  bench.measured = { Stays: samples([{}, 1]), Goes: samples([{}, 1]) };
  const evaluator = bench.evaluator();
  await evaluator.start();
  await bench.clock.advance(MINUTE / 2 + 1);
  bench.groups = [groupOf([ruleOf('Stays', { keepFiringForMs: MINUTE })])];
  bench.changeBook();
  await bench.clock.advance(0);
  assert.deepEqual(states(evaluator), ['Stays firing 0']);
  assert.deepEqual(await stored(bench), ['file/Stays firing']);
  assert.equal(posted(bench).at(-1), '0.5 Goes until 0.5');
  const [last] = await historyOf(bench);
  assert.deepEqual([last!.name, last!.state, last!.note],
    ['Goes', 'resolved', 'the rule is no more']);
});

test('evaluator: alerts of rules that a start does not find end a while after it', async () => {
  const bench = benchOf([groupOf([ruleOf('Up'), ruleOf('Gone')])]);
  bench.measured = { Up: samples([{}, 1]), Gone: samples([{}, 1]) };
  const first = bench.evaluator();
  await first.start();
  await bench.clock.advance(1);
  await first.stop(abort);
  bench.groups = [groupOf([ruleOf('Up')])];
  await bench.evaluator().start();
  await bench.clock.advance(4 * MINUTE);
  assert.deepEqual(await stored(bench), ['file/Gone firing', 'file/Up firing']);
  await bench.clock.advance(2 * MINUTE);
  assert.deepEqual(await stored(bench), ['file/Up firing']);
});

test('evaluator: what was firing is posted at once after a restart', async () => {
  const bench = benchOf([groupOf([ruleOf('Up')])]);
  bench.measured['Up'] = samples([{}, 1]);
  const first = bench.evaluator();
  await first.start();
  await bench.clock.advance(1);
  await first.stop(abort);
  await bench.clock.advance(90 * MINUTE + 5000);
  bench.posts.length = 0;
  const second = bench.evaluator();
  await second.start();
  await bench.clock.advance(0);
  assert.deepEqual(bench.posts.map(({ alerts }) => alerts[0]!.startsAtMs), [0]);
  delete bench.measured['Up'];
  await bench.clock.advance(MINUTE);
  assert.deepEqual(states(second), ['Up inactive 0']);
  assert.equal(bench.posts.at(-1)!.alerts[0]!.endsAtMs, 91 * MINUTE);
});

test('evaluator: after a pause as much of `for` is left as before', async () => {
  const bench = benchOf([groupOf([ruleOf('Up', { levels: [level({ forMs: 30 * MINUTE })] })])]);
  bench.measured['Up'] = samples([{}, 1]);
  const first = bench.evaluator();
  await first.start();
  await bench.clock.advance(5 * MINUTE + 1);
  await first.stop(abort);
  await bench.clock.advance(20 * MINUTE);
  const second = bench.evaluator();
  await second.start();
  await bench.clock.advance(0);
  assert.deepEqual(states(second), ['Up pending 20']);
  await bench.clock.advance(MINUTE);
  assert.deepEqual(states(second), ['Up pending 20']);
});

test('evaluator: without the lease nothing is asked, and alerts are those of others', async () => {
  const bench = benchOf([groupOf([ruleOf('Up')])]);
  bench.measured['Up'] = samples([{}, 1]);
  const [one, other] = [leaseOf(true), leaseOf(false)];
  const leader = bench.evaluator({ lease: one });
  const shown: string[] = [];
  const follower = bench.evaluator({ lease: other, post: (alerts) => void shown.push(
    ...alerts.map(({ labels }) => `${bench.clock.nowMs() / MINUTE} ${labels['alertname']}`)) });
  await leader.start();
  await follower.start();
  await bench.clock.advance(1);
  assert.equal(bench.asked.length, 1);
  assert.deepEqual(states(follower), ['Up firing 0']);
  one.set(false);
  other.set(true);
  await bench.clock.advance(3 * MINUTE);
  assert.equal(bench.asked.length, 4);
  assert.deepEqual(states(leader), states(follower));
  // Who leads has it notified; who does not has it shown, and keeps it alive.
  assert.equal(shown[0], '0 Up');
  assert.equal(posted(bench)[0]!.split(' ')[0], '0');
  assert.ok(shown.length >= 2 && posted(bench).length >= 2, 'each is posted again');
  assert.equal((await historyOf(bench)).length, 1);
});

test('evaluator: who loses the lease while it measures writes nothing', async () => {
  const bench = benchOf([groupOf([ruleOf('Up')])]);
  const lease = leaseOf(true);
  await bench.evaluator({ lease, measurer: {
    measure: async ([rule]) => {
      lease.set(false);
      return new Map([[rule!.id, samples([{}, 1])]]);
    },
    evidence: async () => ({ traces: [], logs: [] }),
    check: async () => null,
  } }).start();
  await bench.clock.advance(MINUTE);
  assert.deepEqual([await stored(bench), bench.posts], [[], []]);
});

test('evaluator: a composite sees the rules before it as they have just become', async () => {
  const composite = { type: 'and' as const, parts: [
    { type: 'rule' as const, name: 'Errors' },
    { type: 'not' as const, part: { type: 'rule' as const, name: 'Pause' } }] };
  const both = ruleOf('Both',
    { source: { type: 'composite', composite, on: ['service'], stale: 'keep' } });
  const bench = benchOf([groupOf([ruleOf('Errors'), ruleOf('Pause'), both])]);
  bench.measured['Errors'] = samples([{ service: 'a' }, 1], [{ service: 'b' }, 1]);
  bench.measured['Pause'] = samples([{ service: 'b' }, 1]);
  await bench.evaluator().start();
  await bench.clock.advance(1);
  assert.deepEqual(bench.posts[0]!.alerts.filter(({ labels }) => labels['alertname'] === 'Both')
    .map(({ labels }) => labels['service']), ['a']);
  assert.deepEqual(bench.asked[0]!.rules, ['Errors', 'Pause']);
});
