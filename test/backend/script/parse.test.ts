// Scripts of alerts become what docs/alert_scripts.md says; what is wrong is told with its line and
// column, all at once. Pure functions, by example.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseScript } from '../../../backend/script/parse.ts';
import type { Script } from '../../../backend/script/model.ts';

function read(...lines: string[]): Script {
  const result = parseScript({ file: 'a.txt', text: lines.join('\n') });
  assert.ok(result.ok, JSON.stringify(result));
  return result.script;
}

function refused(lines: readonly string[], ...wanted: string[]): void {
  const result = parseScript({ file: 'a.txt', text: lines.join('\n') });
  const got = result.ok ? [] : result.problems
    .map((one) => `${one.line}:${one.column} ${one.why}${one.hint === '' ? '' : `; ${one.hint}`}`);
  assert.deepEqual(got, wanted);
}

const M = 60_000;

test('scripts: series are written as in the tests of Prometheus', () => {
  const check = (values: string, want: unknown[]) =>
    assert.deepEqual(read('load 1m', `  cpu{host="a"} ${values}`).metrics[0]!.values, want, values);
  check('1 2.5 -3', [1, 2.5, -3]);
  check('1+2x3', [1, 3, 5, 7]);
  check('-2+4x3', [-2, 2, 6, 10]);
  check('1-2x4', [1, -1, -3, -5, -7]);
  check('1x4', [1, 1, 1, 1, 1]);
  check('1 _x3 stale', [1, null, null, null, 'stale']);
  check('Inf -Inf', [Infinity, -Infinity]);
  check('NaN', [NaN]);
});

test('scripts: numbers of records are per step, and not one more', () => {
  const { records } = read(
    'logs 1m from 10m service=checkout level=error 0x3 5x10 _x2 7 body="card # refused" # end',
    'spans 30s name="GET /" duration=300ms status=error 2');
  assert.deepEqual(records[0]!.counts, [0, 0, 0, ...Array(10).fill(5), 0, 0, 7]);
  assert.deepEqual(records[0]!.fields,
    { service: 'checkout', level: 'error', body: 'card # refused' });
  assert.equal(records[0]!.fromMs, 10 * M);
  assert.deepEqual([records[1]!.signal, records[1]!.stepMs, records[1]!.counts],
    ['traces', 30_000, [2]]);
});

test('scripts: YAML keeps its lines and columns', () => {
  const { rules, alerting } = read('# first', 'rules', '    groups:', '# between',
    '      - name: a', '', 'rules other.yaml', 'alerting', '  route: {}');
  const [one, two] = rules;
  assert.equal(one?.type === 'text' && one.text, '\n\n    groups:\n# between\n      - name: a\n');
  assert.deepEqual(two, { type: 'file', file: 'other.yaml', place: { line: 7, column: 7 } });
  assert.equal(alerting?.type === 'text' && alerting.text.split('\n')[8], '  route: {}');
});

test('scripts: steps are in order of time, and repeated', () => {
  const { steps, endMs, startMs } = read('at 2m restart', 'start at 30s',
    'at 1m every 30s until 2m post {alertname="X"} summary="a b" ends=+5m starts=10s', 'end at 1h');
  assert.deepEqual(steps.map(({ atMs, what }) => [atMs / M, what.type]),
    [[1, 'post'], [1.5, 'post'], [2, 'restart'], [2, 'post']]);
  assert.deepEqual(steps[1]!.what, { type: 'post', labels: { alertname: 'X' },
    annotations: { summary: 'a b' }, startsMs: 10_000, endsMs: 6.5 * M, url: '', value: null });
  assert.deepEqual([startMs, endMs], [30_000, 60 * M]);
});

test('scripts: what people and receivers do', () => {
  const { steps } = read(
    'at 5m silence {alertname="X", a!~"b.*"} for 1h as s1 by alice comment="till then"',
    'at 5m expire s1', 'at 5m acknowledge {a="b"} by alice for 2h', 'at 5m resolve group {} by bob',
    'at 6m receiver ops/webhook[1] answers timeout', 'at 6m down for 20m');
  const [silence, , acknowledge, resolve, answer, down] = steps.map(({ what }) => what);
  assert.deepEqual(silence, { type: 'silence', name: 's1', fromMs: 5 * M, untilMs: 65 * M,
    by: 'alice', comment: 'till then', matchers: [
      { name: 'alertname', value: 'X', isRegex: false, isEqual: true },
      { name: 'a', value: 'b.*', isRegex: true, isEqual: false }] });
  assert.equal(acknowledge!.type === 'life' && acknowledge.forMs, 120 * M);
  assert.equal(resolve!.type === 'life' && resolve.target, 'group');
  assert.deepEqual(answer, { type: 'answer', answer: 'timeout',
    channel: { receiver: 'ops', type: 'webhook', index: 1 } });
  assert.deepEqual(down, { type: 'down', forMs: 20 * M });
});

test('scripts: what is expected', () => {
  const { steps } = read('at 6m expect alerts of Disk {"host.name"="web1"} firing silenced value=7',
    'at 6m expect alerts', '  X{a="b"} pending since=3m summary="s"', '  # comment', '  Y firing',
    'at 7m expect no alerts',
    'at 7m expect notify ops firing reason="first notification" alerts=X{a="b"} count=1',
    'at 7m expect evaluations missed 2 of shop', 'at 7m expect rule X error "dupl"');
  const [one, two, none, notify, missed, rule] = steps.map(({ what }) => what);
  assert.ok(one!.type === 'alerts' && two!.type === 'alerts' && notify!.type === 'notify');
  assert.equal(one.of, 'Disk');
  assert.deepEqual([one.alerts[0]!.flags, one.alerts[0]!.value], [['silenced'], 7]);
  assert.equal(one.alerts[0]!.matchers[0]!.name, 'host.name');
  assert.equal(two.alerts.length, 2);
  assert.deepEqual(two.alerts[0]!.annotations, { summary: 's' });
  assert.deepEqual(none, { type: 'alerts', of: '', alerts: [] });
  assert.deepEqual(notify.alerts![0]!.matchers.map(({ name, value }) => `${name}=${value}`),
    ['alertname=X', 'a=b']);
  assert.deepEqual(missed, { type: 'missed', count: 2, group: 'shop' });
  assert.deepEqual(rule, { type: 'rule', name: 'X', failed: true, reason: 'dupl' });
});

test('scripts: everything that is wrong is told, where it is', () => {
  refused(['  cpu 1', 'lod 1m', 'at 5x restart', 'at 5m expct alerts', 'load 1m',
    '  cpu{host="a} 1', 'measure 1m', '  X 1y', 'logs 1m level=bad 5', 'logs 1m service=a'],
  '1:1 an indented line belongs to a statement above; there is none; begin in the first column',
  '2:1 there is no statement "lod"; did you mean "load"? Known: alerting, at, end, env, ignore, '
    + 'load, logs, measure, offset, rules, spans, start',
  '3:4 "5x" is no time; write it like 90s, 5m, 1h30m, 2d',
  '4:7 "expct" cannot be done; did you mean "expect"? Known: acknowledge, down, evaluations, '
    + 'expect, expire, note, pause, post, receiver, reload, resolve, restart, silence, snooze, '
    + 'unacknowledge',
  '6:12 this quote is not closed',
  '8:5 "1y" is no value; write 1, 1+2x3, 1x3, _, _x3, stale; labels have no blank before {',
  '9:15 "bad" is no level; known: trace, debug, info, warn, error, fatal',
  '10:18 how many is missing; 5x10 is five in each of ten steps');
});

test('scripts: series that would fill the memory are refused', () => {
  refused(['load 1m', '  cpu 1x99999999'], '2:7 these are more than 100000; make the step longer');
  refused(['at 0m every 1ms until 1d restart'],
    '1:26 these are more than 10000 steps; repeat it less often');
});
