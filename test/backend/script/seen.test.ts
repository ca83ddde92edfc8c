// Whether alerts and messages are those that a script expects, and what is said when not. Pure
// functions, by example.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Notification } from '../../../backend/alerting/model.ts';
import { judgeAlerts, judgeMessages } from '../../../backend/script/judge.ts';
import type { Expectation, Script } from '../../../backend/script/model.ts';
import { parseScript } from '../../../backend/script/parse.ts';
import {
  alertText, pair, timeText, type SeenAlert, type SeenMessage,
} from '../../../backend/script/seen.ts';

const MINUTE = 60_000;

const alert = (name: string, changes: Partial<SeenAlert> = {}): SeenAlert => ({
  labels: { alertname: name }, annotations: {}, state: 'firing', value: 1, sinceMs: 0, flags: [],
  ...changes,
});

function scriptOf(text: string): Script {
  const parsed = parseScript({ file: 'a.txt', text });
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return parsed.script;
}

function judged(text: string, seen: readonly SeenAlert[]) {
  const step = scriptOf(text).steps[0]!;
  const failure = judgeAlerts(step, step.what as Expectation & { type: 'alerts' }, seen);
  return failure === null ? null : [failure.why, failure.expected, failure.got];
}

test('scripts: as many as possible are paired', () => {
  const fits = (one: number, other: number) => one === 0 || other === 1;
  assert.deepEqual(pair([0, 1], [1, 2], fits), { ones: [], others: [] });
  assert.deepEqual(pair([1, 1], [1, 2], fits), { ones: [1], others: [2] });
});

test('scripts: exactly the alerts that are named', () => {
  const a = alert('X', { labels: { alertname: 'X', host: 'a' }, value: 0.1 + 0.2 });
  const b = alert('X', { labels: { alertname: 'X', host: 'b' }, state: 'pending' });
  const gone = alert('Old', { state: 'resolved' });
  assert.equal(judged('at 1m expect alerts\n X{host="a"} firing value=0.3\n X pending', [b, a]),
    null);
  assert.equal(judged('at 1m expect alerts X{host=~"a|c"} since=0', [a, gone]), null);
  assert.equal(judged('at 1m expect alerts of Y Y', [alert('Y'), a]), null);
  assert.equal(judged('at 1m expect no alerts', [gone]), null);
  assert.deepEqual(judged('at 1m expect alerts X{host="a"}', [a, b]), ['there are more alerts',
    ['no alert but these'], ['X{host="b"} pending value=1 since=0m']]);
  assert.deepEqual(judged('at 1m expect alerts X{host="b"} firing', [b]), ['the alerts are others',
    ['X{host="b"} firing'], ['X{host="b"} pending value=1 since=0m']]);
  assert.deepEqual(judged('at 1m expect alerts X{host="b"}', []), ['alerts are missing',
    ['X{host="b"}'], ['no alerts']]);
  assert.notEqual(judged('at 1m expect alerts X{team=""}',
    [alert('X', { labels: { alertname: 'X', team: 't' } })]), null);
  assert.notEqual(judged('at 1m expect alerts X active', [{ ...a, flags: ['silenced'] }]), null);
  assert.notEqual(judged('at 1m expect alerts X summary="a"',
    [{ ...a, annotations: { summary: 'b' } }]), null);
});

function message(atMs: number, changes: Partial<Notification> = {}): SeenMessage {
  return {
    atMs, channel: { receiver: 'ops', type: 'webhook', index: 1 }, alerts: [alert('X')],
    notification: {
      id: '1', receiver: 'ops', groupKey: '{}', status: 'firing', reason: 'first notification',
      atMs: 0, groupLabels: { alertname: 'X' }, commonLabels: {}, commonAnnotations: {},
      externalUrl: '', alerts: [], truncatedAlerts: 0, digest: '', ...changes,
    },
  };
}

test('scripts: a message must come at its instant, and none besides', () => {
  const check = (text: string, messages: readonly SeenMessage[], ...want: string[]) =>
    assert.deepEqual(judgeMessages(scriptOf(text), messages).map(({ why }) => why), want, text);
  const expected = 'at 1m expect notify ops/webhook[1] firing reason="first notification" '
    + 'group={alertname="X"} alerts=X';
  check(expected, [message(MINUTE)]);
  check(expected, [], 'this message did not come so');
  check(expected, [message(MINUTE + 1)], 'this message did not come so');
  check(expected, [message(MINUTE), message(2 * MINUTE)], 'nobody expects this message');
  check(expected, [message(MINUTE, { status: 'resolved' })], 'this message did not come so');
  check('at 1m expect notify ops count=2', [message(MINUTE)], 'this message did not come so');
  check('at 1m expect notify ops/slack', [message(MINUTE)], 'this message did not come so',
    'nobody expects this message');
  check('ignore notifications', [message(MINUTE)]);
});

test('scripts: what is told is what a script would say', () => {
  assert.equal(timeText(90_061_500), '1d1h1m1s500ms');
  assert.equal(alertText(alert('X', { labels: { alertname: 'X', 'a b': '"' }, sinceMs: 90_000,
    annotations: { summary: 's' }, flags: ['silenced'], value: 1 / 3 })),
  'X{"a b"="\\""} firing silenced value=0.333333333 since=1m30s summary="s"');
});
