// Proves that webhooks get Alertmanager's version 4 or JSON of one's own, signed where a secret is
// given, and that every address is judged before it is reached, also after a redirect.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { createGuard } from '../../../../backend/alerting/notifiers/guard.ts';
import { webhookNotifier } from '../../../../backend/alerting/notifiers/webhook.ts';
import { alertOf, checkNotifier, HOSTILE, notificationOf, notifierContext, startPeer, type Peer }
  from '../../../contract/check_notifier.ts';
import { NEVER } from '../../../contract/fakes.ts';

checkNotifier({
  factory: webhookNotifier,
  config: (url) => ({
    url: `${url}/hooks/verysecrethook?token=othersecret`,
    signature: { secret: 'signingsecret' },
    http_config: { basic_auth: { username: 'me', password: 'basicsecret' } },
  }),
  secrets: ['verysecrethook', 'othersecret', 'signingsecret', 'basicsecret'],
  read: ([request, more], { alerts, id }) => {
    assert.equal(more, undefined);
    assert.equal(request!.headers['idempotency-key'], id);
    const body = JSON.parse(request!.body) as { alerts: unknown[]; version: string };
    assert.equal(body.version, '4');
    assert.equal(body.alerts.length, alerts.length);
    return request!.body;
  },
});

async function withPeer(
  config: (url: string) => Record<string, unknown>,
  body: (peer: Peer, send: (n?: ReturnType<typeof notificationOf>) => Promise<{ status: string }>)
    => Promise<void>,
) {
  const peer = await startPeer();
  try {
    const parsed = webhookNotifier.schema().parse(config(peer.url));
    const notifier = webhookNotifier.create(parsed, notifierContext());
    await body(peer, (notification = notificationOf()) => notifier.send(notification, NEVER));
  } finally {
    await peer.close();
  }
}

test('webhook: version 4, key for key', () => withPeer((url) => ({ url, max_alerts: 1 }),
  async (peer, send) => {
    const labels = { alertname: 'X', service: 'a' };
    const other = alertOf({ alertname: 'X', service: 'b' });
    await send(notificationOf([alertOf(labels, { annotations: { summary: 's' } }), other],
      { receiver: 'team.ops', truncatedAlerts: 2 }));
    const [{ body, headers }] = peer.received as [Peer['received'][number]];
    assert.equal(headers['content-type'], 'application/json');
    assert.deepEqual(JSON.parse(body), {
      receiver: 'team\\.ops', status: 'firing',
      alerts: [{ status: 'firing', labels, annotations: { summary: 's' },
        startsAt: '2026-11-21T21:46:00.000Z', endsAt: '0001-01-01T00:00:00Z',
        generatorURL: 'https://binnacle.test/rules/1?a=1&b=2', fingerprint: '00000000000000aa' }],
      notification_reason: 'first notification', groupLabels: { alertname: 'X' },
      commonLabels: { alertname: 'X' }, commonAnnotations: {}, routeLabels: {},
      externalURL: 'https://binnacle.test/', version: '4', groupKey: '{}:{alertname="X"}',
      truncatedAlerts: 3,
    });
  }));

test('webhook: the signature is of time and body', () => withPeer(
  (url) => ({ url, signature: { secret: 'k' } }), async (peer, send) => {
    await send();
    const [{ body, headers }] = peer.received as [Peer['received'][number]];
    const [, seconds, digest] = /^t=(\d+),v1=([0-9a-f]{64})$/
      .exec(String(headers['x-binnacle-signature']))!;
    assert.ok(Math.abs(Number(seconds) - Date.now() / 1000) < 300);
    assert.equal(digest, createHmac('sha256', 'k').update(`${seconds}.${body}`).digest('hex'));
  }));

test('webhook: JSON of one\'s own stays JSON whatever alerts hold', () => withPeer((url) => ({
  url, payload: { 'on {{ .Status }}': ['{{ .CommonLabels.alertname }}', 5, null, true],
    alerts: '{{ .Alerts | toJson }}', count: '{{ len .Alerts | toJson }}' },
}), async (peer, send) => {
  await send(notificationOf([alertOf({ alertname: HOSTILE })]));
  const body = JSON.parse(peer.received[0]!.body) as Record<string, unknown>;
  assert.deepEqual(body['on firing'], [HOSTILE, 5, null, true]);
  assert.equal((body['alerts'] as { Labels: object }[]).length, 1);
  assert.equal(body['count'], 1);
}));

test('webhook: redirects keep the message or are not followed', async () => {
  const other = await startPeer();
  try {
    await withPeer((url) => ({ url, http_config: { authorization: { credentials: 'secret1' } } }),
      async (peer, send) => {
        peer.reply(() => [307, { location: `${other.url}/there` }]);
        assert.equal((await send()).status, 'accepted');
        assert.equal(other.received.length, 1);
        assert.equal(other.received[0]!.body, peer.received[0]!.body);
        assert.equal(other.received[0]!.headers.authorization, undefined);
        assert.equal(peer.received[0]!.headers.authorization, 'Bearer secret1');
        for (const [status, location] of [[302, other.url], [307, 'http://169.254.169.254/latest'],
          [308, 'http://[::ffff:169.254.169.254]/'], [307, 'file:///etc/passwd'],
          [307, '/again']] as const) {
          peer.reply([status, { location }]);
          assert.equal((await send()).status, 'rejected', `${status} ${location}`);
        }
        assert.equal(other.received.length, 1);
      });
  } finally {
    await other.close();
  }
});

test('webhook: allow_private: false keeps it off this machine, by any name', async () => {
  for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '0.0.0.0']) {
    await withPeer((url) => ({ url: url.replace('127.0.0.1', host),
      http_config: { allow_private: false } }), async (peer, send) => {
      assert.equal((await send()).status, 'rejected', host);
      assert.equal(peer.received.length, 0);
    });
  }
});

test('guard: which addresses may be reached', () => {
  const check = (address: string, open: boolean, inside: boolean) => {
    assert.equal(createGuard(false).judge(address) === null, open, address);
    assert.equal(createGuard(true).judge(address) === null, inside, address);
  };
  for (const open of ['1.1.1.1', '2606:4700::1111', '::ffff:8.8.8.8', '64:ff9b::808:808']) {
    check(open, true, true);
  }
  for (const inside of ['127.0.0.1', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1',
    '100.64.0.1', '0.0.0.0', '::', '::1', 'fc00::1', 'fd12::1', '::ffff:10.0.0.1',
    '::ffff:7f00:1', '::10.0.0.1', '64:ff9b::10.0.0.1', '2002:a00:1::1', '198.18.0.1']) {
    check(inside, false, true);
  }
  for (const never of ['169.254.169.254', '169.254.0.1', 'fe80::1', 'fe80::1%lo', '168.63.129.16',
    '::ffff:169.254.169.254', '::ffff:a9fe:a9fe', '64:ff9b::a9fe:a9fe', '2002:a9fe:a9fe::',
    'fd00:ec2::254', '100.100.100.200', '224.0.0.1', '255.255.255.255', 'ff02::1', 'nonsense']) {
    check(never, false, false);
  }
});

test('webhook: what cannot be is refused when it is read', () => {
  const check = (config: Record<string, unknown>, ok: boolean) =>
    assert.equal(webhookNotifier.schema().safeParse(config).success, ok, JSON.stringify(config));
  check({ url: 'http://a.test/' }, true);
  check({}, false);
  check({ url: 'http://a.test/', url_file: '/x' }, false);
  check({ url: 'ftp://a.test/' }, false);
  check({ url: 'http://a.test/{{ .Receiver }}' }, false);
  check({ url: 'http://a.test/', http_config: { proxy_url: 'http://p.test' } }, false);
  check({ url: 'http://a.test/', http_config: { http_headers: { Host: { values: ['x'] } } } },
    false);
  check({ url: 'http://a.test/', payload: { a: '{{ nosuch }}' } }, false);
  check({ url: 'http://a.test/', signature: {} }, false);
  check({ url: 'http://a.test/', timeout: '10m' }, false);
});
