// Alertmanager's API v2 and Prometheus' pages about alerts over HTTP: bodies and answers are
// theirs, also for mistakes. The real programs are asked in alertmanager_programs.test.ts.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fingerprintOf } from '../../../backend/labels/labels.ts';
import { registerAlertmanager } from '../../../backend/api/alertmanager.ts';
import { registerPrometheus } from '../../../backend/api/prometheus.ts';
import { ruleAlert, startAlerts, statusOf, type AlertsFixture } from './alerts/alerting_fixture.ts';

const ACTIVE_MS = Date.parse('2026-01-05T08:00:00Z');
const status = () => statusOf([
  ruleAlert({ labels: { alertname: 'Soon', severity: 'page' }, annotations: { summary: 's' },
    activeAtMs: ACTIVE_MS, value: 7, state: 'pending' }),
  ruleAlert({ labels: { alertname: 'Soon', severity: 'page', host: 'b' }, annotations: {},
    activeAtMs: ACTIVE_MS, value: 0.25, state: 'firing' }),
  ruleAlert({ labels: { alertname: 'Soon', severity: 'page', host: 'c' }, annotations: {},
    activeAtMs: ACTIVE_MS, value: 1, state: 'inactive' }),
]);

let api: AlertsFixture;

before(async () => {
  api = await startAlerts({ status, register: (app, options) => {
    const { alerting, life, post, world: { clock } } = options;
    void app.register(async (scope: any) => registerAlertmanager(scope, {
      alerting, life, post, clock, version: '1.2.3', startedMs: ACTIVE_MS,
      receivers: () => ['ops', 'night'], configText: () => 'route: {receiver: ops}\n',
    }));
    void app.register(async (scope: any) =>
      registerPrometheus(scope, { status, clock, version: '1.2.3' }));
  } });
});

after(() => api?.stop());

const iso = (ms: number): string => new Date(ms).toISOString();
const post = (alerts: unknown) => api.send('POST', '/api/v2/alerts', alerts);
const hosts = async (query: string): Promise<string[]> =>
  (await api.send('GET', `/api/v2/alerts?${query}`)).json.map((one: any) => one.labels.host).sort();

test('alertmanager: status, receivers, and that it is ready', async () => {
  const { json } = await api.send('GET', '/api/v2/status');
  assert.deepEqual(json.cluster, { status: 'disabled', peers: [] });
  assert.deepEqual([json.versionInfo.version, json.config.original, json.uptime],
    ['1.2.3', 'route: {receiver: ops}\n', '2026-01-05T08:00:00.000Z']);
  assert.deepEqual((await api.send('GET', '/api/v2/receivers')).json,
    [{ name: 'ops' }, { name: 'night' }]);
  assert.equal((await api.send('GET', '/-/healthy')).text, 'OK');
  assert.equal((await api.send('GET', '/-/ready')).status, 200);
});

test('alertmanager: the valid alerts of a request are taken, the others named', async () => {
  const good = { labels: { alertname: 'V2', host: 'a', empty: '' }, startsAt: iso(ACTIVE_MS),
    endsAt: '0001-01-01T00:00:00Z', generatorURL: 'http://prometheus/graph' };
  const bad = [{ labels: {} }, { labels: { alertname: 'Back' }, startsAt: iso(Date.now()),
    endsAt: iso(Date.now() - 1000) }];
  const { status: code, json } = await post([good, ...bad]);
  assert.equal(code, 400);
  assert.equal(json, 'alert 1 {}: at least one label pair required; '
    + 'alert 2 {"alertname":"Back"}: start time must be before end time');
  const found = (await api.send('GET', '/api/v2/alerts?filter=alertname%3DV2')).json;
  assert.equal(found.length, 1);
  const { fingerprint, labels, startsAt, receivers, generatorURL, status: state } = found[0];
  assert.deepEqual({ fingerprint, labels, startsAt, receivers, generatorURL, state }, {
    fingerprint: fingerprintOf(labels), labels: { alertname: 'V2', host: 'a' },
    startsAt: iso(ACTIVE_MS), receivers: [{ name: 'ops' }], generatorURL: good.generatorURL,
    state: { state: 'active', silencedBy: [], inhibitedBy: [], mutedBy: [] },
  });
  assert.equal((await post([{ labels: { a: 1 } }])).status, 400);
  assert.equal((await post({})).status, 400);
});

test('alertmanager: alerts and groups are filtered', async () => {
  assert.equal((await post(['b', 'c', 'd'].map((host) =>
    ({ labels: { alertname: 'Many', host } })))).status, 200);
  const filter = `filter=${encodeURIComponent('alertname="Many"')}`;
  assert.deepEqual(await hosts(filter), ['b', 'c', 'd']);
  assert.deepEqual(await hosts(`${filter}&filter=${encodeURIComponent('host!~"b|c"')}`), ['d']);
  assert.deepEqual(await hosts(`${filter}&receiver=o.*&active=true&unknown=1`), ['b', 'c', 'd']);
  assert.deepEqual(await hosts(`${filter}&receiver=night`), []);
  assert.deepEqual(await hosts(`${filter}&active=false`), []);
  for (const wrong of ['active=maybe', 'receiver=(', 'filter=(']) {
    const { status: code, json } = await api.send('GET', `/api/v2/alerts?${wrong}`);
    assert.equal(code, 400);
    assert.equal(typeof json, 'string');
  }
  const groups = (await api.send('GET', `/api/v2/alerts/groups?${filter}`)).json;
  assert.deepEqual(groups.map(({ labels, receiver, alerts }: any) =>
    [labels, receiver, alerts.length]), [[{ alertname: 'Many' }, { name: 'ops' }, 3]]);
});

test('alertmanager: silences are set, listed, changed and ended', async () => {
  const matchers = [{ name: 'alertname', value: 'Quiet', isRegex: false }];
  const silence = { matchers, startsAt: iso(Date.now() - 1000), createdBy: 'ann', comment: 'work',
    endsAt: iso(Date.now() + 60_000) };
  await post([{ labels: { alertname: 'Quiet', host: 'q' } }]);
  const { json: { silenceID } } = await api.send('POST', '/api/v2/silences', silence);
  const { json: one } = await api.send('GET', `/api/v2/silence/${silenceID}`);
  assert.deepEqual([one.id, one.status.state, one.createdBy, one.matchers],
    [silenceID, 'active', 'ann', [{ ...matchers[0], isEqual: true }]]);
  const quiet = `filter=${encodeURIComponent('alertname="Quiet"')}`;
  assert.deepEqual(await hosts(`${quiet}&silenced=false`), []);
  assert.deepEqual(await hosts(`${quiet}&active=false`), ['q']);
  const listed = async (query: string) =>
    (await api.send('GET', `/api/v2/silences?${query}`)).json.map(({ id }: any) => id);
  assert.deepEqual(await listed(quiet), [silenceID]);
  assert.deepEqual(await listed('filter=alertname%3DOther'), []);
  const changed = { ...silence, id: silenceID, endsAt: iso(Date.now() + 120_000) };
  assert.equal((await api.send('POST', '/api/v2/silences', changed)).json.silenceID, silenceID);
  assert.equal((await api.send('DELETE', `/api/v2/silence/${silenceID}`)).status, 200);
  assert.deepEqual(await listed('active=true&expired=false'), []);
  assert.deepEqual(await listed('active=false'), [silenceID]);
  assert.equal((await api.send('DELETE', '/api/v2/silence/none')).status, 404);
  assert.equal((await api.send('GET', '/api/v2/silence/none')).status, 404);
  for (const [more, words] of [
    [{ endsAt: iso(1) }, /before end time/], [{ matchers: [] }, /fewer/],
    [{ startsAt: iso(1), endsAt: iso(2) }, /in the past/], [{ id: 'none' }, /not found/],
  ] as const) {
    const { status: code, json } = await api.send('POST', '/api/v2/silences',
      { ...silence, ...more });
    assert.ok(code === 400 || code === 404);
    assert.match(json, words);
  }
});

test('prometheus: rules and alerts as Grafana reads them', async () => {
  const { json: { status: word, data } } = await api.send('GET', '/api/v1/rules');
  assert.equal(word, 'success');
  const [group] = data.groups;
  assert.deepEqual([group.name, group.file, group.interval, group.lastEvaluation],
    ['shop', 'shop.yaml', 60, iso(ACTIVE_MS)]);
  const [{ alerts, ...rule }] = group.rules;
  assert.deepEqual([rule.state, rule.name, rule.duration, rule.type, rule.health, rule.labels],
    ['firing', 'Soon', 60, 'alerting', 'ok', { team: 'shop', severity: 'page' }]);
  assert.deepEqual(alerts.map(({ state, value, activeAt }: any) => [state, value, activeAt]),
    [['pending', '7e+00', iso(ACTIVE_MS)], ['firing', '2.5e-01', iso(ACTIVE_MS)]]);
  assert.deepEqual((await api.send('GET', '/api/v1/alerts')).json.data.alerts, alerts);
  const groups = async (query: string) =>
    (await api.send('GET', `/api/v1/rules?${query}`)).json.data.groups;
  assert.equal((await groups('type=alert&rule_name[]=Soon&rule_group[]=shop')).length, 1);
  assert.deepEqual(await groups('rule_name[]=Other'), []);
  assert.deepEqual(await groups('type=record'), []);
  assert.deepEqual((await groups('exclude_alerts=true'))[0].rules[0].alerts, []);
  assert.equal((await groups(`match[]=${encodeURIComponent('{team="shop"}')}`)).length, 1);
  const wrong = await api.send('GET', '/api/v1/rules?type=odd');
  assert.deepEqual([wrong.status, wrong.json.status, wrong.json.errorType],
    [400, 'error', 'bad_data']);
});

test('prometheus: what tries the connection is answered, and PromQL is refused', async () => {
  const form = await api.get('/api/v1/query', { method: 'POST', body: 'query=1%2B1&time=1767600000',
    headers: { 'content-type': 'application/x-www-form-urlencoded' } });
  assert.deepEqual(JSON.parse(form.text),
    { status: 'success', data: { resultType: 'scalar', result: [1_767_600_000, '2'] } });
  assert.equal((await api.send('GET', '/api/v1/query?query=vector(1)')).status, 400);
  const { json } = await api.send('GET', '/api/v1/query?query=up');
  assert.match(json.error, /PromQL is not evaluated here/);
  assert.equal((await api.send('GET', '/api/v1/status/buildinfo')).json.data.version, '1.2.3');
});
