// `/api/alerts` over HTTP, with alerting that is made up: alerts come in all four shapes and are
// shown, filtered and paged; people acknowledge, snooze, resolve and write notes; all of it is in
// the history with its actor; apps may end what apps have raised and nothing else.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Agent, request } from 'undici';
import { hashOf } from '../../../../backend/access/token.ts';
import { eventsIn, type TailEvent } from '../../../../backend/client/tail_lines.ts';
import { fingerprintOf } from '../../../../backend/labels/labels.ts';
import type { Notification } from '../../../../backend/alerting/model.ts';
import { ruleAlert, startAlerts, statusOf, type AlertsFixture } from './alerting_fixture.ts';

let api: AlertsFixture;
let tell: (notification: Notification) => void = () => {};
const pending = { labels: { alertname: 'Soon', severity: 'warning' }, annotations: {},
  activeAtMs: Date.parse('2026-01-05T08:00:00Z'), value: 7 };
const status = () => statusOf([ruleAlert({ ...pending, state: 'pending' })]);

before(async () => {
  api = await startAlerts({ status, dashboard: (heard) => {
    tell = heard;
    return () => {};
  } });
});

after(() => api?.stop());

const raise = async (body: object): Promise<string> => {
  const { status, json, text } = await api.send('POST', '/api/alerts', body);
  assert.equal(status, 201, text);
  assert.deepEqual([json.status, json.message], ['success', 'Alert sent successfully.']);
  return json.id as string;
};

const one = async (id: string) => (await api.send('GET', `/api/alerts/${id}`)).json;

test('alerts: the four shapes', async () => {
  const a = await one(await raise({ alert_type: 'critical', message: 'disk is full' }));
  assert.deepEqual(a.labels,
    { alertname: 'critical', severity: 'critical', message: 'disk is full' });
  assert.deepEqual([a.name, a.description, a.severity, a.status],
    ['critical', 'disk is full', 'critical', 'firing']);
  const c = await one(await raise({ title: 'High CPU Usage', message: 'CPU usage is above 90%',
    severity: 'HIGH', tags: { metric: 'cpu_percent', threshold: '90%' } }));
  assert.deepEqual(c.labels, { alertname: 'High CPU Usage', severity: 'high',
    metric: 'cpu_percent', threshold: '90%' });
  assert.equal(c.description, 'CPU usage is above 90%');
  const d = await one(await raise({ name: 'error_rate_alert', description: 'too many errors',
    severity: 'warning', condition: 'error_rate', threshold: 5, current_value: 7.5 }));
  assert.deepEqual([d.name, d.condition, d.threshold, d.current_value, d.origin],
    ['error_rate_alert', 'error_rate', 5, 7.5, 'posted']);
  assert.deepEqual([d.resolved_at, d.notification_sent, d.triggered_at], [null, false,
    d.created_at]);
  const labels = { alertname: 'X', host: 'a' };
  assert.equal(await raise({ labels, annotations: { summary: 's' } }), fingerprintOf(labels));
});

test('alerts: what is none is refused, in words', async () => {
  for (const [body, words] of [
    [{}, /alert_type and message, or title, or name, or labels/],
    [{ labels: {} }, /at least one label pair/],
    [{ labels: { a: '1' }, startsAt: '2026-01-02', endsAt: '2026-01-01' }, /start time must be/],
    [{ name: 'x', nonsense: 1 }, /nonsense/],
  ] as const) {
    const { status, json } = await api.send('POST', '/api/alerts', body);
    assert.equal(status, 400);
    assert.match(json.error.message, words);
  }
});

test('alerts: an app ends what it has raised, and it is over', async () => {
  const id = await raise({ title: 'Queue', message: 'long', service: 'mail' });
  assert.equal(await raise({ title: 'Queue', message: 'fine', service: 'mail',
    status: 'resolved' }), id);
  const item = await one(id);
  assert.equal(item.status, 'resolved');
  assert.notEqual(item.resolved_at, null);
});

test('alerts: lists are filtered and paged', async () => {
  for (const host of ['a', 'b', 'c']) {
    await raise({ labels: { alertname: 'Paged', host, service: 'shop', severity: 'info' } });
  }
  const hosts = async (query: string) => (await api.send('GET', `/api/alerts?${query}`)).json;
  const q = encodeURIComponent('alertname="Paged",host!="b"');
  const found = (await hosts(`q=${q}&service=shop&severity=INFO`)).items;
  assert.deepEqual(found.map((item: any) => item.labels.host).sort(), ['a', 'c']);
  const first = await hosts('service=shop&limit=2');
  const second = await hosts(`service=shop&limit=2&cursor=${first.next}`);
  assert.deepEqual([first.items.length, second.items.length, second.next], [2, 1, null]);
  assert.equal(new Set([...first.items, ...second.items].map(({ id }: any) => id)).size, 3);
  const soon = (await hosts('state=pending')).items;
  assert.deepEqual(soon.map((item: any) => [item.name, item.status, item.current_value]),
    [['Soon', 'pending', 7]]);
  const wrong = await api.send('GET', '/api/alerts?q=(');
  assert.deepEqual([wrong.status, wrong.json.error.code], [400, 'INVALID_SEARCH']);
  assert.equal((await api.send('GET', '/api/alerts?state=odd')).status, 400);
});

test('alerts: the life of one, and its history', async () => {
  const id = await raise({ name: 'Lived', severity: 'critical', description: 'x' });
  const act = async (action: string, body: object) => {
    const { status, json, text } = await api.send('POST', `/api/alerts/${id}/${action}`, body);
    assert.equal(status, 200, text);
    return json;
  };
  const acked = await act('acknowledge', { by: 'ann', comment: 'on it', for: '2h' });
  assert.deepEqual([acked.status, acked.acknowledged_by, acked.acknowledged_comment],
    ['acknowledged', 'ann', 'on it']);
  assert.ok(Date.parse(acked.acknowledged_until) > Date.now() + 7_000_000);
  assert.equal((await act('unacknowledge', {})).status, 'firing');
  const snoozed = await act('snooze', { by: 'ann', for: '30m', group: true });
  assert.deepEqual([snoozed.status, snoozed.snoozed], ['acknowledged', true]);
  const noted = await act('notes', { by: 'bob', text: 'ordered a disk' });
  assert.deepEqual(noted.notes.map(({ by, text }: any) => [by, text]), [['bob', 'ordered a disk']]);
  const over = await act('resolve', { by: 'bob', note: 'replaced' });
  assert.deepEqual([over.status, over.resolved_by, over.resolution], ['resolved', 'bob',
    'replaced']);
  const { items } = (await api.send('GET', `/api/alerts/${id}/history`)).json;
  assert.deepEqual(items.map(({ kind, state, actor, note }: any) => [kind, state, actor, note]), [
    ['acknowledgement', 'resolved', 'bob', 'replaced'],
    ['acknowledgement', 'note', 'bob', 'ordered a disk'],
    ['acknowledgement', 'snoozed', 'ann', ''],
    ['acknowledgement', 'unacknowledged', 'anonymous', ''],
    ['acknowledgement', 'acknowledged', 'ann', 'on it'],
    ['posted', 'firing', 'anonymous', ''],
  ]);
  const page = (await api.send('GET', `/api/alerts/${id}/history?limit=4`)).json;
  const rest = (await api.send('GET',
    `/api/alerts/${id}/history?limit=4&cursor=${page.next}`)).json;
  assert.deepEqual([...page.items, ...rest.items], items);
});

test('alerts: what cannot be done is refused', async () => {
  const id = await raise({ name: 'Refused' });
  const soon = fingerprintOf(pending.labels);
  for (const [path, body, status] of [
    [`${id}/snooze`, {}, 400], [`${id}/acknowledge`, { until: '2020-01-01' }, 400],
    [`${id}/acknowledge`, { for: '2 hours' }, 400], [`${id}/notes`, {}, 400],
    [`${soon}/acknowledge`, {}, 400], ['0000000000000000/acknowledge', {}, 404],
  ] as const) {
    const answer = await api.send('POST', `/api/alerts/${path}`, body);
    assert.equal(answer.status, status, `${path}: ${answer.text}`);
  }
});

test('alerts: no page of the history loses what was written together', async () => {
  const atMs = Date.now() - 3_600_000 * 24 * 30;
  const draft = (key: string) => ({ kind: 'silence' as const, key, atMs, state: 'set', data: {} });
  const keys = Array.from({ length: 2500 }, (_, index) => `together-${index}`);
  await api.journal.write(keys.map(draft), AbortSignal.timeout(1000));
  await api.journal.write([draft('later')], AbortSignal.timeout(1000));
  const found: string[] = [];
  const period = `from=${atMs}&to=${atMs + 1}&kind=silence&limit=700`;
  for (let cursor: string | null = ''; cursor !== null;) {
    const { json } = await api.send('GET', `/api/alerts/history?${period}${
      cursor === '' ? '' : `&cursor=${cursor}`}`);
    found.push(...json.items.map(({ key }: any) => key));
    cursor = json.next;
  }
  assert.equal(found.length, 2501);
  assert.equal(found[0], 'later');
  assert.equal(new Set(found).size, 2501);
});

test('alerts: figures, and the history of all', async () => {
  const { json } = await api.send('GET', '/api/alerts/stats?from=-1h');
  assert.ok(json.raised >= 7 && json.resolved >= 2, JSON.stringify(json));
  assert.equal(json.acknowledged, 1);
  assert.ok(json.now.by_state.firing >= 5 && json.now.by_state.pending === 1);
  assert.ok(json.mean_seconds_to_acknowledge < 10 && json.complete);
  const said = (await api.send('GET', '/api/alerts/history?kind=acknowledgement&limit=1')).json;
  assert.equal(said.items.length, 1);
  assert.equal(typeof said.next, 'string');
});

test('alerts: the stream tells what is, what changes, and what dashboards are told', async () => {
  const dispatcher = new Agent();
  const q = encodeURIComponent('alertname="Streamed"');
  const { body } = await request(`${api.url}/api/alerts/stream?q=${q}&state=all`,
    { dispatcher, bodyTimeout: 0 });
  const events = eventsIn(body);
  const next = async () => (await events.next()).value as TailEvent;
  assert.deepEqual(await next(), { event: 'ready', data: '{"alerts":0}' });
  const id = await raise({ name: 'Streamed' });
  const came = await next();
  assert.deepEqual([came.event, JSON.parse(came.data).status], ['alert', 'firing']);
  await api.send('POST', `/api/alerts/${id}/acknowledge`, { by: 'ann' });
  const acked = await next();
  assert.deepEqual([acked.event, JSON.parse(acked.data).acknowledged_by], ['alert', 'ann']);
  tell({ id: 'n1' } as Notification);
  assert.deepEqual(await next(), { event: 'notification', data: '{"id":"n1"}' });
  await dispatcher.destroy();
});

test('alerts: roles', async () => {
  const tokens = (['writer', 'viewer', 'operator'] as const).map((role) =>
    ({ name: `${role} one`, role, hash: hashOf(role).toString('hex'), expiresMs: null }));
  const own = await startAlerts({ tokens });
  const status = async (role: string, path: string, body: object) =>
    (await own.send('POST', `/api/alerts${path}`, body, role)).status;
  try {
    assert.equal(await status('viewer', '', { name: 'A' }), 403);
    assert.equal(await status('operator', '', { name: 'A' }), 201);
    const { json } = await own.send('POST', '/api/alerts', { name: 'B' }, 'writer');
    assert.equal(await status('writer', `/${json.id}/acknowledge`, {}), 403);
    assert.equal(await status('operator', `/${json.id}/acknowledge`, { by: 'x' }), 200);
    assert.equal(own.life.said(json.id).acknowledged?.by, 'operator one');
    own.alerting.post([{ labels: { alertname: 'R' }, annotations: {}, startsAtMs: null,
      endsAtMs: null, generatorUrl: '' }]);
    // What a rule found is ended by people alone.
    assert.equal(await status('writer', `/${fingerprintOf({ alertname: 'R' })}/resolve`, {}), 403);
    assert.equal(await status('writer', `/${json.id}/resolve`, {}), 200);
  } finally {
    await own.stop();
  }
});
