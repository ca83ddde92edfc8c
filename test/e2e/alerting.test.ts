// Alerting of real backend processes: each channel gets each message once, also when the backend is
// killed between deciding and sending; of two backends over one store one alerts, and the other
// takes over without telling anybody twice.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { request } from 'undici';
import { createClock } from '../../runtime/clock.ts';
import { startPeer, type Received } from '../contract/check_notifier.ts';
import { startSmtpPeer } from '../contract/smtp_peer.ts';
import { startEngine } from '../backend/storage/engine_fixture.ts';
import { createProcesses, type Process, type Processes } from './processes.ts';

const clock = createClock();
const WAIT_MS = 60_000;
const LEASE = '5s';

/** Every kind of channel, each at a path of its own. */
const channels = (web: string, mail: string) => ({
  webhook_configs: [{ url: `${web}/webhook` }],
  slack_configs: [{ api_url: `${web}/slack`, channel: '#ops', send_resolved: true }],
  telegram_configs: [{ api_url: `${web}/telegram`, bot_token: '1:t', chat_id: 1 }],
  discord_configs: [{ webhook_url: `${web}/discord` }],
  msteamsv2_configs: [{ webhook_url: `${web}/teams` }],
  pagerduty_configs: [{ url: `${web}/pagerduty`, routing_key: 'key' }],
  opsgenie_configs: [{ api_url: `${web}/opsgenie/`, api_key: 'key' }],
  sms_configs: [{ api_url: `${web}/sms`, account_sid: 'AC1', auth_token: 't', from: '+491',
    to: '+491701234567' }],
  alertmanager_configs: [{ urls: [`${web}/alertmanager`] }],
  email_configs: [{ to: 'ops@example.com', from: 'binnacle@example.com', smarthost: mail,
    require_tls: false }],
});

const PLACES = ['webhook', 'slack', 'telegram', 'discord', 'teams', 'pagerduty', 'opsgenie', 'sms',
  'alertmanager', 'mail'] as const;

/** Everybody who can be told, at first out of order. */
async function startReceivers() {
  let isOpen = false;
  const tried = new Set<string>();
  /** What was taken, by place, as far as it names an alert. */
  const taken: { place: string; text: string }[] = [];
  const answer = (request: Received) => {
    const place = request.method === 'MAIL' ? 'mail' : request.path.split('/')[1]!;
    tried.add(place);
    if (!isOpen) return [503] as const;
    taken.push({ place, text: request.body });
    return [200] as const;
  };
  const web = await startPeer();
  const mail = await startSmtpPeer();
  for (const peer of [web, mail]) peer.reply(answer);
  return {
    config: channels(web.url, mail.url), tried,
    open: () => {
      isOpen = true;
    },
    /** Messages about an alert, by place. */
    about: (name: string) => Object.fromEntries(PLACES.map((place) => [place,
      taken.filter((one) => one.place === place && one.text.includes(name)).length])),
    close: async () => {
      await web.close();
      await mail.close();
    },
  };
}

const EACH_ONCE = Object.fromEntries(PLACES.map((place) => [place, 1]));

interface Ground {
  readonly processes: Processes;
  readonly receivers: Awaited<ReturnType<typeof startReceivers>>;
  /** A backend of the folder; the alerting file lies in it. */
  start(more?: object): Promise<Process>;
}

async function onGround(run: (ground: Ground) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'binnacle-alerting-'));
  const receivers = await startReceivers();
  const processes = createProcesses({ folder });
  writeFileSync(join(folder, 'alerting.yaml'), JSON.stringify({
    route: { receiver: 'ops', group_by: ['alertname'], group_wait: '1s', group_interval: '2s' },
    receivers: [{ name: 'ops', ...receivers.config }],
  }));
  const start = (more: object = {}) => processes.run('backend', {
    otlp: { grpc: { endpoint: '127.0.0.1:0' } },
    http: { endpoint: '127.0.0.1:0' },
    sql: { enabled: false },
    alerting: { config_file: 'alerting.yaml', lease: LEASE },
    log: { level: 'error' },
    ...more,
  });
  try {
    await run({ processes, receivers, start });
  } finally {
    await processes.endAll('SIGTERM');
    await receivers.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function call(backend: Process, method: 'GET' | 'POST', path: string, body?: object) {
  const answer = await request(`${backend.addresses['SQL and API']}${path}`, {
    method, ...(body === undefined ? {} : {
      headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
    }),
  });
  const text = await answer.body.text();
  assert.ok(answer.statusCode < 300, `${method} ${path}: ${answer.statusCode} ${text}`);
  return JSON.parse(text) as { items: { name: string; status: string; state: string }[] };
}

const raise = (backend: Process, name: string) =>
  call(backend, 'POST', '/api/alerts', { labels: { alertname: name }, annotations: {} });

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const lastMs = clock.monotonicMs() + WAIT_MS;
  while (!await holds()) {
    assert.ok(clock.monotonicMs() < lastMs, `not within ${WAIT_MS} ms: ${what}`);
    await clock.sleep(50);
  }
}

/** What was sent is known as sent: a kill before that would have it sent again. */
const isWritten = async (backend: Process) =>
  (await call(backend, 'GET', '/api/alerts/history?kind=notification&limit=100'))
    .items.filter(({ state }) => state === 'sent').length === PLACES.length;

const isEachOnce = (counts: Record<string, number>) =>
  Object.values(counts).every((count) => count >= 1);

test('e2e: alerting: killed between deciding and sending, each channel is told once', () =>
  onGround(async ({ receivers, start }) => {
    const first = await start();
    await raise(first, 'CardsRefused');
    await until('everybody was tried', () => receivers.tried.size === PLACES.length);
    await first.end('SIGKILL');
    receivers.open();
    const second = await start();
    await until('everybody was told', () => isEachOnce(receivers.about('CardsRefused')));
    const { items } = await call(second, 'GET', '/api/alerts');
    assert.deepEqual(items.map(({ name, status }) => [name, status]),
      [['CardsRefused', 'firing']]);
    await second.end('SIGTERM');
    const third = await start();
    // What is sent later ends the wait for what must not be sent.
    await raise(third, 'CartsLost');
    await until('everybody was told of another one', () =>
      isEachOnce(receivers.about('CartsLost')));
    assert.deepEqual(receivers.about('CardsRefused'), EACH_ONCE);
    assert.deepEqual(receivers.about('CartsLost'), EACH_ONCE);
  }));

test('e2e: alerting: a second backend takes over, and tells nobody twice', () =>
  onGround(async ({ receivers, start }) => {
    const engine = await startEngine();
    try {
      receivers.open();
      const store = { clickhouse: { url: engine.url, database: 'alerting' } };
      const [one, other] = [await start(store), await start(store)];
      await raise(other, 'CardsRefused');
      await until('everybody was told', () => isEachOnce(receivers.about('CardsRefused')));
      await until('everything is written', () => isWritten(one));
      await one.end('SIGKILL');
      await until('the other one shows it', async () =>
        (await call(other, 'GET', '/api/alerts')).items[0]?.name === 'CardsRefused');
      await raise(other, 'CartsLost');
      await until('the other one tells', () => isEachOnce(receivers.about('CartsLost')));
      assert.deepEqual(receivers.about('CardsRefused'), EACH_ONCE);
      assert.deepEqual(receivers.about('CartsLost'), EACH_ONCE);
      await other.end('SIGTERM');
    } finally {
      await engine.stop();
    }
  }));
