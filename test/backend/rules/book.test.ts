// The book of rules over a folder in memory, a clock that is moved by hand and a journal in memory:
// files that change, rest, break and go; the store that refuses a rule; rules over the API, and
// those of another backend.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeProblem } from '../../../config/errors.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { SILENT_LOG } from '../../../runtime/log.ts';
import { createManualClock } from '../../../runtime/manual_clock.ts';
import { createMemoryJournal } from '../../../backend/journal/memory.ts';
import { createRuleBook, limits, type RuleBookOptions } from '../../../backend/rules/book.ts';
import { limits as fileLimits } from '../../../backend/rules/rule_files.ts';
import type { RuleFault } from '../../../backend/rules/model.ts';

const DAY_MS = 86_400_000;

/** Files by path, with `/` alone between names. */
function folder(initial: Record<string, string>) {
  const texts = new Map(Object.entries(initial));
  const kind = (path: string) => (texts.has(path) ? 'file' as const
    : [...texts.keys()].some((one) => one.startsWith(`${path}/`)) ? 'folder' as const : null);
  const files: RuleBookOptions['files'] = {
    readText: async (path) => texts.get(path) ?? null,
    stat: async () => null,
    list: async (path) => {
      if (kind(path) !== 'folder') return null;
      const names = [...texts.keys()].filter((one) => one.startsWith(`${path}/`))
        .map((one) => one.slice(path.length + 1).split('/')[0]!);
      return [...new Set(names)].map((name) => ({ name, kind: kind(`${path}/${name}`)! }));
    },
  };
  return { texts, files };
}

const group = (name: string, ...rules: string[]) =>
  `groups:\n- name: ${name}\n  rules:\n${rules.map((one) => `  - ${one}\n`).join('')}`;
const errors = (alert: string, over = 5) =>
  `{alert: ${alert}, logs: level:error, condition: '> ${over}'}`;

async function book(initial: Record<string, string>, more: Partial<RuleBookOptions> = {}) {
  const { texts, files } = folder(initial);
  const clock = createManualClock(Date.UTC(2026, 0, 1));
  const counters = createCounters();
  let ids = 0;
  const made = createRuleBook({
    files, clock, counters, log: SILENT_LOG, random: { uuid: () => `id-${ids += 1}` },
    patterns: ['rules/*.yaml'], thresholdsFile: '', journal: createMemoryJournal(clock),
    retentionMs: 30 * DAY_MS, check: async () => null, ...more,
  });
  await made.start();
  let changes = 0;
  made.follow(() => void (changes += 1));
  const names = () => made.rules().map(({ rule }) => rule.name);
  const problems = () => made.problems().map(describeProblem);
  const rest = () => clock.advance(3 * limits.lookMs);
  return { book: made, texts, clock, counters, names, problems, rest, changes: () => changes };
}

const stop = (one: { stop(deadline: AbortSignal): Promise<void> }) =>
  one.stop(AbortSignal.timeout(1000));

test('rule book: files are read, and read again when they change', async () => {
  const one = await book({ 'rules/a.yaml': group('a', errors('A')), 'rules/b.txt': 'no' });
  assert.deepEqual(one.names(), ['A']);
  one.texts.set('rules/a.yaml', group('a', errors('A', 7), errors('B')));
  one.texts.set('rules/c.yaml', group('c', errors('C')));
  await one.rest();
  assert.deepEqual(one.names(), ['A', 'B', 'C']);
  assert.equal(one.changes(), 1);
  one.texts.delete('rules/c.yaml');
  await one.rest();
  assert.deepEqual(one.names(), ['A', 'B']);
  await one.rest();
  assert.equal(one.changes(), 2, 'nothing has changed');
  await stop(one.book);
  assert.equal(one.clock.pending(), 0);
});

test('rule book: a file counts when it has rested', async () => {
  const one = await book({ 'rules/a.yaml': group('a', errors('A')) });
  one.texts.set('rules/a.yaml', 'groups: []');
  await one.clock.advance(limits.lookMs);
  assert.deepEqual(one.names(), ['A']);
  one.texts.set('rules/a.yaml', group('a', errors('A2')));
  await one.clock.advance(limits.lookMs);
  assert.deepEqual(one.names(), ['A']);
  await one.clock.advance(limits.lookMs);
  assert.deepEqual(one.names(), ['A2']);
  await stop(one.book);
});

test('rule book: a wrong file keeps its old rules, others are read', async () => {
  const one = await book({ 'rules/a.yaml': group('a', errors('A')) });
  one.texts.set('rules/a.yaml', group('a', '{alert: A, logs: "(", condition: "> 5"}'));
  one.texts.set('rules/b.yaml', group('b', errors('B')));
  await one.rest();
  assert.deepEqual(one.names(), ['A', 'B']);
  assert.match(one.problems().join('\n'), /^rules\/a\.yaml:4:24: groups\[0\]\.rules\[0\]\.logs: /);
  assert.equal(one.counters.total('binnacle_rule_files_read_total', { result: 'refused' }), 1);
  assert.equal(one.counters.total('binnacle_rule_problems'), 1);
  one.texts.set('rules/a.yaml', group('a', errors('A3')));
  await one.rest();
  assert.deepEqual(one.names(), ['A3', 'B']);
  assert.deepEqual(one.problems(), []);
  await stop(one.book);
});

test('rule book: a rule that the store refuses is a problem, and asked again', async () => {
  let fault: RuleFault | null = { why: 'there is no table x', hint: 'write otel_logs' };
  let asked = 0;
  const check = async () => {
    asked += 1;
    return fault;
  };
  const one = await book({ 'rules/a.yaml': group('a', errors('A')) }, { check });
  assert.deepEqual(one.names(), []);
  assert.deepEqual(one.problems(), ['rules/a.yaml:4:1: A: there is no table x; write otel_logs']);
  fault = null;
  await one.clock.advance(fileLimits.checkAgainMs + 3 * limits.lookMs);
  assert.deepEqual(one.names(), ['A']);
  assert.equal(asked, 2);
  one.texts.set('rules/a.yaml', group('a', errors('A', 9), errors('B')));
  await one.rest();
  assert.equal(asked, 2, 'the same question was checked before');
  await stop(one.book);
});

test('rule book: composites name rules of other files', async () => {
  const one = await book({
    'rules/a.yaml': group('a', '{alert: Both, composite: A and B}', errors('A')),
    'rules/b.yaml': group('b', errors('B')),
  });
  assert.deepEqual(one.names(), ['Both', 'A', 'B']);
  one.texts.set('rules/a.yaml', group('a', '{alert: Both, composite: A and C}', errors('A')));
  await one.rest();
  assert.match(one.problems().join('\n'), /a\.yaml:4:30: .*there is no rule C/);
  assert.deepEqual(one.names(), ['Both', 'A', 'B'], 'the old rules go on');
  await stop(one.book);
});

test('rule book: thresholds are rules of their own group', async () => {
  const one = await book({ 'conf/thresholds.json': '{"cpu_usage": 80}' },
    { thresholdsFile: 'conf/thresholds.json' });
  const [rule] = one.book.rules();
  assert.deepEqual([rule!.rule.name, rule!.group.name, rule!.origin],
    ['cpu_usage', 'thresholds', 'thresholds']);
  one.texts.set('conf/thresholds.json', '{"cpu_usage": 0.8}');
  await one.rest();
  assert.deepEqual(one.names(), ['cpu_usage']);
  assert.match(one.problems()[0]!, /^conf\/thresholds\.json:1:15: cpu_usage: may be/);
  await stop(one.book);
});

test('rule book: a file that is named and not there is a problem', async () => {
  const one = await book({}, { patterns: ['rules/a.yaml', 'none/*.yaml'] });
  assert.deepEqual(one.problems(),
    ['rules/a.yaml: is not there; write it, or take its name out']);
  await stop(one.book);
});

test('rule book: rules over the API live in the journal', async () => {
  const one = await book({ 'rules/a.yaml': group('a', errors('A')) });
  const made = await one.book.create('{alert: X, logs: a, condition: "> 5", group: g, '
    + 'interval: 30s}', 'alice');
  assert.ok(made.ok);
  assert.deepEqual([made.rule.rule.id, made.rule.group.name, made.rule.group.intervalMs,
    made.rule.written!.actor], ['id-1', 'g', 30_000, 'alice']);
  assert.equal(one.changes(), 1);
  const changed = await one.book.change('id-1', 'alert: Y\nlogs: b\ncondition: "> 6"', 'bob');
  assert.ok(changed.ok);
  assert.deepEqual([changed.rule.rule.id, changed.rule.rule.name, changed.rule.group.name],
    ['id-1', 'Y', 'api']);
  assert.deepEqual(one.names(), ['A', 'Y']);
  assert.equal(await one.book.remove('id-1', 'bob'), 'removed');
  assert.equal(await one.book.remove('id-1', 'bob'), 'missing');
  assert.deepEqual(one.names(), ['A']);
  const ofFile = one.book.rules()[0]!.rule.id;
  assert.equal(await one.book.remove(ofFile, 'bob'), 'read_only');
  const kept = await one.book.change(ofFile, 'alert: Z', 'bob');
  assert.ok(!kept.ok && kept.cause === 'read_only');
  await stop(one.book);
});

test('rule book: a wrong rule over the API is refused with its place', async () => {
  const one = await book({}, { check: async () => ({ why: 'the gate refuses it', hint: 'no' }) });
  const refused = async (text: string, want: RegExp) => {
    const made = await one.book.create(text, 'alice');
    assert.ok(!made.ok && made.cause === 'invalid');
    assert.match(made.problems.map(describeProblem).join('\n'), want);
  };
  await refused('alert: X\nlogs: a (\ncondition: "> 5"', /^rule:2:10: logs: something is missing/);
  await refused('alert: X\nlogs: a\nconditio: "> 5"', /^rule:3:1: conditio: unknown key/);
  await refused('- 1', /is no rule/);
  await refused('alert: X\ncomposite: Y', /^rule:2:12: composite: there is no rule Y/);
  await refused('alert: X\nlogs: a\ncondition: "> 5"', /the gate refuses it/);
  await stop(one.book);
});

test('rule book: a group has one interval', async () => {
  const one = await book({});
  assert.ok((await one.book.create(`${errors('A').slice(0, -1)}, interval: 30s}`, 'a')).ok);
  const other = await one.book.create(`${errors('B').slice(0, -1)}, interval: 1m}`, 'a');
  assert.ok(!other.ok);
  assert.match(describeProblem(other.problems[0]!), /interval of 30s/);
  assert.deepEqual(await one.book.check(`${errors('B').slice(0, -1)}, interval: 30s}`), []);
  await stop(one.book);
});

test('rule book: rules of another backend arrive', async () => {
  const clock = createManualClock(0);
  const journal = createMemoryJournal(clock);
  await journal.write([{ kind: 'rule', key: 'before', atMs: 0, data: { text: errors('Old') } }],
    AbortSignal.timeout(1000));
  const one = await book({}, { journal });
  assert.deepEqual(one.names(), ['Old']);
  await journal.write([{ kind: 'rule', key: 'other', atMs: 0, data: { text: errors('New') } },
    { kind: 'rule', key: 'wrong', atMs: 0, data: { text: '{alert: W}' } }],
  AbortSignal.timeout(1000));
  assert.deepEqual(one.names(), ['Old', 'New']);
  assert.match(one.problems()[0]!, /^api\/wrong:1:1: .*does not say what it measures/);
  await journal.write([{ kind: 'rule', key: 'before', atMs: 0, data: { text: '' },
    deleted: true }], AbortSignal.timeout(1000));
  assert.deepEqual(one.names(), ['New']);
  await stop(one.book);
});

test('rule book: a journal that cannot be read is read later', async () => {
  const clock = createManualClock(0);
  const whole = createMemoryJournal(clock);
  await whole.write([{ kind: 'rule', key: 'x', atMs: 0, data: { text: errors('X') } }],
    AbortSignal.timeout(1000));
  let failures = 1;
  const journal: RuleBookOptions['journal'] = { ...whole, load: async (kinds, abort) => {
    failures -= 1;
    if (failures >= 0) throw new Error('the store is away');
    return whole.load(kinds, abort);
  } };
  const one = await book({ 'rules/a.yaml': group('a', errors('A')) }, { journal });
  assert.deepEqual(one.names(), ['A']);
  await one.clock.advance(limits.retryMs);
  assert.deepEqual(one.names(), ['A', 'X']);
  await stop(one.book);
});
