// Real programs: Debian's amtool lists, silences and expires on our API; a real Prometheus, whose
// rule always fires, sends its alert to us; a real Alertmanager shows an alert of ours. A test is
// skipped where its program is not installed.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { registerAlertmanager } from '../../../backend/api/alertmanager.ts';
import { readAlertingFile } from '../../../backend/alerting/file.ts';
import { createRoutes, routesFor } from '../../../backend/alerting/route.ts';
import { NOTIFIERS } from '../../../backend/alerting/notifiers/notifiers.ts';
import { alertmanagerNotifier } from '../../../backend/alerting/notifiers/alertmanager.ts';
import type { Notification, NotifierContext } from '../../../backend/alerting/model.ts';
import { fingerprintOf, type Labels } from '../../../backend/labels/labels.ts';
import { createClock } from '../../../runtime/clock.ts';
import { until } from '../../contract/fakes.ts';
import { freePort } from '../../free_port.ts';
import { startAlerts, type AlertsFixture } from './alerts/alerting_fixture.ts';

const missing = (program: string): string | false =>
  (spawnSync(program, ['--version']).error === undefined ? false : `${program} is not installed`);

let api: AlertsFixture;
let url = '';
const folder = mkdtempSync(join(tmpdir(), 'binnacle-programs-'));

before(async () => {
  api = await startAlerts({ register: (app, { alerting, life, post, world: { clock } }) => {
    void app.register(async (scope: any) => registerAlertmanager(scope, {
      alerting, life, post, clock, version: '1.2.3', startedMs: clock.nowMs(),
      receivers: () => ['ops'], configText: () => 'route: {receiver: ops}\n',
    }));
  } });
  url = api.url;
});

after(async () => {
  await api?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** What it prints; it must end well. */
async function amtool(...args: string[]): Promise<string> {
  const child = spawn('amtool', [`--alertmanager.url=${url}`, ...args],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, HOME: folder } });
  const printed = { out: '', err: '' };
  child.stdout.on('data', (data) => {
    printed.out += String(data);
  });
  child.stderr.on('data', (data) => {
    printed.err += String(data);
  });
  const [code] = await once(child, 'close') as [number];
  assert.equal(code, 0, `amtool ${args.join(' ')}: ${printed.err}`);
  return printed.out;
}

/** Looks twenty times a second. */
const seen = (condition: () => Promise<boolean>, what: string): Promise<void> =>
  until(async () => {
    await pause(50);
    return condition();
  }, what, 20_000);

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs a server for as long as `body` takes. */
async function running(program: string, args: string[], body: () => Promise<void>): Promise<void> {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: folder });
  let said = '';
  child.stderr.on('data', (data) => {
    said = (said + String(data)).slice(-4000);
  });
  const ended = once(child, 'exit');
  try {
    await body();
  } catch (error) {
    throw new Error(`${program} said: ${said}`, { cause: error });
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

test('amtool: adds, lists, silences and expires', { skip: missing('amtool') }, async () => {
  await amtool('alert', 'add', 'alertname=DiskFull', 'host=web-1', 'severity=critical',
    '--annotation=summary=the disk is full');
  assert.match(await amtool('alert', 'query'), /DiskFull.*the disk is full.*active/s);
  assert.match(await amtool('alert', 'query', '-o', 'extended', 'host=~web.*'), /DiskFull/);
  assert.doesNotMatch(await amtool('alert', 'query', 'alertname=Other'), /DiskFull/);
  const id = (await amtool('silence', 'add', '--author=ann', '--comment=known', '--duration=1h',
    'alertname=DiskFull', 'host=~web-.')).trim();
  assert.match(id, /^[0-9a-f-]{36}$/);
  assert.match(await amtool('silence', 'query', 'alertname=DiskFull'),
    new RegExp(`${id}.*alertname="DiskFull" host=~"web-\\.".*ann.*known`, 's'));
  assert.doesNotMatch(await amtool('alert', 'query'), /DiskFull/);
  assert.match(await amtool('alert', 'query', '--silenced'), /DiskFull/);
  const updated = (await amtool('silence', 'update', '--duration=2h', id)).trim();
  assert.match(updated, new RegExp(id));
  await amtool('silence', 'expire', id);
  assert.doesNotMatch(await amtool('silence', 'query'), new RegExp(id));
  assert.match(await amtool('silence', 'query', '--expired', '--within=1h'), new RegExp(id));
  assert.match(await amtool('alert', 'query'), /DiskFull/);
  assert.match(await amtool('config', 'show'), /receiver: ops/);
});

test('amtool: a file of ours without extras is one of Alertmanager', {
  skip: missing('amtool'),
}, async () => {
  const text = `global: {resolve_timeout: 5m}
route:
  receiver: ops
  group_by: [alertname, service]
  group_wait: 30s
  routes:
    - {matchers: ['severity="critical"', 'team=~"shop|pay"'], receiver: night, continue: true}
    - {matchers: [severity="info"], receiver: ops, mute_time_intervals: [weekend]}
receivers:
  - {name: ops, webhook_configs: [{url: 'http://ops.test/', send_resolved: false}]}
  - {name: night, slack_configs: [{api_url: 'http://slack.test/x', channel: '#night'}]}
inhibit_rules:
  - {source_matchers: [severity="critical"], target_matchers: [severity="warning"], equal: [host]}
time_intervals:
  - {name: weekend, time_intervals: [{weekdays: [saturday, sunday], location: Europe/Berlin}]}
`;
  const { config, problems } = readAlertingFile({ file: 'a.yaml', text }, {}, NOTIFIERS);
  assert.deepEqual(problems, []);
  writeFileSync(join(folder, 'a.yaml'), text);
  assert.match(await amtool('check-config', join(folder, 'a.yaml')), /SUCCESS/);
  // The same alerts go the same way.
  const routes = createRoutes(config!.route);
  const alerts: Labels[] = [{ severity: 'critical', team: 'pay' }, { severity: 'info' }, {}];
  for (const labels of alerts) {
    const file = `--config.file=${join(folder, 'a.yaml')}`;
    const names = await amtool('config', 'routes', 'test', file,
      ...Object.entries(labels).map(([name, value]) => `${name}=${value}`));
    assert.equal(names.trim(),
      routesFor(routes, labels).map((route) => route.config.receiver).join(','));
  }
});

test('prometheus: its alerts arrive, and end', { skip: missing('prometheus') }, async () => {
  const rules = (expr: string) => `groups: [{name: g, interval: 200ms, rules: [{alert: Always,
    expr: '${expr}', labels: {severity: info}, annotations: {summary: always}}]}]\n`;
  writeFileSync(join(folder, 'rules.yml'), rules('vector(1)'));
  writeFileSync(join(folder, 'prometheus.yml'), `global: {evaluation_interval: 200ms}
rule_files: [rules.yml]
alerting: {alertmanagers: [{static_configs: [{targets: ['${new URL(url).host}']}]}]}
`);
  const listen = `127.0.0.1:${await freePort()}`;
  const found = async () => (await api.send('GET', `/api/alerts?state=all&q=${
    encodeURIComponent('alertname="Always"')}`)).json.items;
  await running('prometheus', [`--config.file=${join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`, `--web.listen-address=${listen}`,
    '--web.enable-lifecycle', '--rules.alert.resend-delay=200ms'], async () => {
    await seen(async () => (await found()).length === 1, 'the alert of Prometheus');
    const [item] = await found();
    assert.deepEqual([item.name, item.severity, item.description, item.status, item.origin],
      ['Always', 'info', 'always', 'firing', 'posted']);
    assert.match(item.generator_url, /\/graph\?g0\.expr=vector/);
    // It is sent five times a second, and written once in a while.
    await pause(1000);
    const { items } = (await api.send('GET', `/api/alerts/${item.id}/history`)).json;
    assert.ok(items.length <= 3, `${items.length} rows`);
    writeFileSync(join(folder, 'rules.yml'), rules('vector(1) > 2'));
    assert.equal((await fetch(`http://${listen}/-/reload`, { method: 'POST' })).status, 200);
    await seen(async () => (await found())[0].status === 'resolved', 'its end');
  });
});

test('alertmanager: an alert of ours is shown, and its end', {
  skip: missing('prometheus-alertmanager'),
}, async () => {
  writeFileSync(join(folder, 'am.yml'), 'route: {receiver: none}\nreceivers: [{name: none}]\n');
  const address = `127.0.0.1:${await freePort()}`;
  const labels = { alertname: 'Ours', 'host.name': 'web-1' };
  const nowMs = Date.now();
  const notification = (endsAtMs: number | null): Notification => ({
    id: 'n1', receiver: 'r', groupKey: '{}', status: endsAtMs === null ? 'firing' : 'resolved',
    reason: 'first notification', atMs: nowMs, groupLabels: {}, commonLabels: labels,
    commonAnnotations: {}, externalUrl: '', truncatedAlerts: 0, digest: '', alerts: [{
      status: endsAtMs === null ? 'firing' : 'resolved', fingerprint: fingerprintOf(labels), labels,
      annotations: { summary: 's' }, startsAtMs: nowMs - 60_000, endsAtMs, generatorUrl: '',
      value: 7, evidence: { traces: ['0af7651916cd43dd8448eb211c80319c'], logs: [] },
    }],
  });
  const config = alertmanagerNotifier.schema().parse({ urls: [`http://${address}`] });
  const notifier = alertmanagerNotifier.create(config, contextOf());
  const shown = async () =>
    await (await fetch(`http://${address}/api/v2/alerts`)).json() as any[];
  const send = (endsAtMs: number | null) =>
    notifier.send(notification(endsAtMs), AbortSignal.timeout(5000));
  await running('prometheus-alertmanager', [`--config.file=${join(folder, 'am.yml')}`,
    `--storage.path=${join(folder, 'am')}`, `--web.listen-address=${address}`,
    '--cluster.listen-address='], async () => {
    await seen(async () =>
      (await fetch(`http://${address}/-/ready`).catch(() => null))?.ok === true, 'Alertmanager');
    assert.equal((await send(null)).status, 'accepted');
    await seen(async () => (await shown()).length === 1, 'the alert');
    const [{ labels: there, annotations }] = await shown();
    assert.deepEqual(there, { alertname: 'Ours', host_name: 'web-1' });
    assert.deepEqual([annotations.summary, annotations.binnacle_value], ['s', '7']);
    assert.equal((await send(nowMs)).status, 'accepted');
    await seen(async () => (await shown()).length === 0, 'its end');
  });
});

function contextOf(): NotifierContext {
  return { clock: createClock() } as NotifierContext;
}
