// Channels over HTTP: which there are, a test of one, dead letters sent again and deleted, who may,
// and that no secret of the configuration is in any answer or in the log.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import type { Role } from '../../../backend/access/roles.ts';
import { hashOf } from '../../../backend/access/token.ts';
import { createCourier, type Channels } from '../../../backend/alerting/courier.ts';
import { NOTIFIERS } from '../../../backend/alerting/notifiers/notifiers.ts';
import { registerChannels } from '../../../backend/api/channels.ts';
import { createMemoryJournal } from '../../../backend/journal/memory.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { createLog } from '../../../runtime/log.ts';
import { createWorld } from '../../../runtime/world.ts';
import { notificationOf, notifierContext, startPeer, type Peer }
  from '../../contract/check_notifier.ts';
import { NEVER } from '../../contract/fakes.ts';
import { fakeStorage, problemIn, startApi, type ApiFixture } from './api_fixture.ts';

const SECRETS = ['verysecrettoken', 'verysecretpassword', 'verysecretkey'];

const token = (name: string, role: Role) =>
  ({ name, role, hash: hashOf(`bnc_${name}`).toString('hex'), expiresMs: null });

let peer: Peer;
let api: ApiFixture;
let courier: Channels;
let lines = '';

before(async () => {
  const world = createWorld();
  peer = await startPeer([400, {}, 'no verysecrettoken here']);
  const entry = (type: string, config: object) => ({ type, index: 0,
    config: NOTIFIERS.find((one) => one.type === type)!.schema().parse(config) });
  const log = createLog({ level: 'debug', format: 'json', write: (line) => {
    lines += line;
  } });
  courier = createCourier({
    receivers: [{ name: 'ops', fallback: '', channels: [
      entry('slack', { api_url: `${peer.url}/services/verysecrettoken` }),
      entry('webhook', { url: `${peer.url}/?key=verysecretkey`,
        http_config: { basic_auth: { username: 'a', password: 'verysecretpassword' } } }),
    ] }],
    factories: NOTIFIERS, journal: createMemoryJournal(world.clock), random: world.random,
    counters: createCounters(), context: notifierContext({ log }),
  });
  api = await startApi(fakeStorage(() => Readable.from([])), {
    tokens: [token('vera', 'viewer'), token('op', 'operator')],
    others: [(app) => void app.register(async (scope) =>
      registerChannels(scope, { channels: courier, log }))],
  });
});

after(async () => {
  await api?.stop();
  await peer?.close();
});

async function ask(name: string, method: 'GET' | 'POST' | 'DELETE', path: string) {
  const answer = await api.get(`/api/channels${path}`,
    { method, headers: { authorization: `Bearer bnc_${name}` } });
  for (const secret of SECRETS) assert.ok(!answer.text.includes(secret), answer.text);
  return { answer, status: answer.status, found: JSON.parse(answer.text) as any };
}

test('channels: listed with what became of the last message, and tested', async () => {
  const before = await ask('vera', 'GET', '');
  assert.deepEqual(before.found.items.map(({ id, last }: any) => [id, last]),
    [['ops.slack.0', null], ['ops.webhook.0', null]]);
  assert.deepEqual((await ask('op', 'POST', '/ops.slack.0/test')).found,
    { status: 'rejected', reason: 'HTTP 400: no … here' });
  peer.reply([200]);
  assert.deepEqual((await ask('op', 'POST', '/ops.slack.0/test')).found,
    { status: 'accepted', reason: '' });
  assert.match(peer.received.at(-1)!.body, /\[TEST\].*This is a test of the channel/);
  const { found } = await ask('vera', 'GET', '?limit=1');
  const [slack] = found.items;
  assert.deepEqual([slack.delivered, slack.failed_attempts, slack.last.status], [1, 1, 'accepted']);
  assert.equal(slack.target, `${peer.url}/…`);
  const rest = await ask('vera', 'GET', `?cursor=${encodeURIComponent(found.next)}`);
  assert.deepEqual([rest.found.items.length, rest.found.next], [1, null]);
  assert.match(lines,
    /"caller":"op","status":"accepted","message":"channel ops.slack.0 was tested"/);
});

test('channels: dead letters are shown, sent again and deleted', async () => {
  peer.reply([404, {}, 'gone verysecretkey']);
  const to = { receiver: 'ops', type: 'webhook', index: 0 };
  assert.equal(await courier.deliver(to, notificationOf(), NEVER), 'dead');
  assert.equal(await courier.deliver(to, notificationOf(undefined, { id: 'two' }), NEVER), 'dead');
  const { items } = (await ask('vera', 'GET', '/dead-letters')).found;
  assert.equal(items.length, 2);
  assert.deepEqual([items[0].channel, items[0].reason, items[0].alerts, items[0].title],
    ['ops.webhook.0', 'HTTP 404: gone …', 1, '[FIRING:1] CheckoutErrors']);
  assert.equal((await ask('op', 'POST', `/dead-letters/${items[0].id}/resend`)).found.status,
    'rejected');
  peer.reply([200]);
  assert.equal((await ask('op', 'POST', `/dead-letters/${items[0].id}/resend`)).found.status,
    'accepted');
  assert.equal((await ask('op', 'DELETE', `/dead-letters/${items[1].id}`)).status, 200);
  assert.deepEqual((await ask('vera', 'GET', '/dead-letters')).found, { items: [], next: null });
});

test('channels: who looks may not try, and what is not there is not found', async () => {
  for (const [method, path] of [['POST', '/ops.slack.0/test'], ['POST', '/dead-letters/x/resend'],
    ['DELETE', '/dead-letters/x']] as const) {
    assert.equal((await ask('vera', method, path)).status, 403);
    const missing = await ask('op', method, path.replace('ops.slack.0', 'no.such.0'));
    assert.deepEqual([missing.status, problemIn(missing.answer).code], [404, 'NOT_FOUND']);
  }
  for (const secret of SECRETS) assert.ok(!lines.includes(secret));
});
