// A script that does not hold fails, at the right line, and says what came instead; what is wrong
// with the rules in it is told at their place. On the virtual clock, without a store.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reportJson, reportText } from '../../../backend/script/report.ts';
import { runScript, type ScriptResult } from '../../../backend/script/run.ts';
import { createScriptStore } from '../../../backend/script/store.ts';
import { createWorld } from '../../../runtime/world.ts';

const RULES = [
  'rules',
  '    groups:',
  '      - name: shop',
  '        rules:',
  "          - {alert: High, metric: any, condition: '> 5', for: 1m}",
];
const ALERTING = [
  'alerting',
  '    route: {receiver: ops, group_by: [alertname], group_wait: 30s}',
  "    receivers: [{name: ops, webhook_configs: [{url: 'http://ops.test/'}]}]",
];
const MEASURED = ['measure 1m', '    High{host="a"} 9x10 1'];

async function run(lines: readonly string[], files: Record<string, string> = {}) {
  const texts: Record<string, string> = { 'x/a.txt': lines.join('\n'), ...files };
  return runScript('x/a.txt', {
    files: { readText: async (path) => texts[path] ?? null },
    store: createScriptStore(createWorld()), env: {},
  });
}

const failuresOf = ({ failures, problems }: ScriptResult) =>
  [...problems.map(({ line, column, why }) => `${line}:${column} ${why}`),
    ...failures.map(({ place, why }) => `${place.line} ${why}`)];

test('scripts: what is not as expected fails at its line', async () => {
  const result = await run([...RULES, ...ALERTING, ...MEASURED,
    'at 0m expect alerts High pending value=9 since=0m', // 11
    'at 1m expect alerts High pending', // 12
    'at 1m expect no alerts', // 13
    'at 2m expect alerts High{host="b"}', // 14
    'at 2m expect notify ops firing', // 15
    'at 2m expect group ops {alertname="Other"}', // 16
    'at 2m expect rule High error "no"', // 17
    'at 2m expect evaluations missed 1', // 18
    'at 2m expect dead letters 1', // 19
    'at 2m expire s1', // 20
    'at 20m expect no alerts', // 21
  ]);
  assert.deepEqual(failuresOf(result), [
    '12 the alerts are others', '13 there are more alerts', '14 the alerts are others',
    '15 this message did not come so', '16 there is no such group', '17 the rule is otherwise',
    '18 missed evaluations differ', '19 dead letters differ',
    '20 it cannot be done: there is no silence s1', '21 nobody expects this message']);
  assert.deepEqual(result.failures[0]!.got, ['High{host="a"} firing value=9 since=0m']);
  assert.equal(result.failures[3]!.got[0], 'at 1m30s expect notify ops/webhook[0] firing '
    + 'reason="first notification" group={alertname="High"}');
});

test('scripts: a script that holds says so, and what happened', async () => {
  const result = await run([...RULES, ...ALERTING, ...MEASURED,
    'at 1m30s expect notify ops firing alerts=High', 'end at 2m']);
  assert.deepEqual(failuresOf(result), []);
  assert.equal(reportText(result, { verbose: false }), 'ok      x/a.txt\n');
  assert.match(reportText(result, { verbose: true }), / 1m {2}High\{host="a"\} firing value=9\n/);
  const json = JSON.parse(reportJson([result])) as { ok: boolean; scripts: { ok: boolean }[] };
  assert.deepEqual([json.ok, json.scripts[0]!.ok], [true, true]);
});

test('scripts: a failure is told with what was expected and what came', async () => {
  const result = await run([...RULES, ...MEASURED, 'at 1m expect alerts High{host="a"} pending']);
  assert.equal(reportText(result, { verbose: false }), [
    'failed  x/a.txt',
    '  x/a.txt:8: at 1m expect alerts High{host="a"} pending: the alerts are others',
    '    expected  High{host="a"} pending',
    '    got       High{host="a"} firing value=9 since=0m', ''].join('\n'));
});

test('scripts: what is wrong with rules and receivers is told at its place', async () => {
  const check = async (lines: readonly string[], files: Record<string, string>, want: RegExp) =>
    assert.match(reportText(await run(lines, files), { verbose: false }), want);
  await check(['', 'rules', '  groups:', '    - name: a', '      rules: [{alert: X, logz: a}]'], {},
    /^ {2}x\/a\.txt:5:26: groups\[0\]\.rules\[0\]\.logz: unknown key/m);
  await check(['rules b.yaml'], {}, /^ {2}x\/a\.txt:1:7: there is no file x\/b\.yaml; it is/m);
  await check(['rules b.yaml'], { 'x/b.yaml': 'groups: 5' }, /^ {2}x\/b\.yaml:1:9: groups: must/m);
  await check(['alerting', '  route: {receiver: a}', '  receivers: [{name: b}]'], {},
    /^ {2}x\/a\.txt:2:\d+: route\.receiver: /m);
  await check(['at'], {}, /^ {2}x\/a\.txt:1:3: a time is missing/m);
  const absent = await runScript('no.txt', { files: { readText: async () => null },
    store: createScriptStore(createWorld()), env: {} });
  assert.deepEqual(failuresOf(absent), ['1:1 there is no such file']);
});

test('scripts: evaluations that are late are left out, never made up for', async () => {
  const missed = (step: string, ...expected: string[]) =>
    run([...RULES, ...MEASURED, step, ...expected, 'at 5m expect alerts High firing']);
  assert.deepEqual(failuresOf(await missed('at 1m30s pause for 150s',
    'at 5m expect evaluations missed 2 of shop')), []);
  assert.deepEqual(failuresOf(await run([...RULES, ...MEASURED, 'at 30s evaluations take 150s',
    'at 2m1s expect rule High error', 'at 2m1s evaluations take 20s',
    'at 3m30s expect rule High ok', 'at 6m expect evaluations missed 0'])), []);
});

test('scripts: offset real spreads the instants of groups', async () => {
  const text = [...RULES, 'measure 1s', '    High 9x1000', 'at 59s expect alerts High pending'];
  assert.deepEqual(failuresOf(await run(['offset real', ...text])), []);
});
