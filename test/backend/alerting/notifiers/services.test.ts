// Proves that each service gets messages that it can read, within what it takes: the suite for
// notifiers runs against a local server, and `read` checks what the service would check.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { alertmanagerNotifier } from '../../../../backend/alerting/notifiers/alertmanager.ts';
import { createDashboard, dashboardNotifier }
  from '../../../../backend/alerting/notifiers/dashboard.ts';
import { discordNotifier } from '../../../../backend/alerting/notifiers/discord.ts';
import { NOTIFIERS } from '../../../../backend/alerting/notifiers/notifiers.ts';
import { opsgenieNotifier } from '../../../../backend/alerting/notifiers/opsgenie.ts';
import { pagerdutyNotifier } from '../../../../backend/alerting/notifiers/pagerduty.ts';
import { slackNotifier } from '../../../../backend/alerting/notifiers/slack.ts';
import { fitted, segmentsOf, smsNotifier } from '../../../../backend/alerting/notifiers/sms.ts';
import { teamsConnectorNotifier, teamsNotifier }
  from '../../../../backend/alerting/notifiers/teams.ts';
import { telegramNotifier } from '../../../../backend/alerting/notifiers/telegram.ts';
import type { Notification, NotifierFactory } from '../../../../backend/alerting/model.ts';
import { alertOf, checkNotifier, HOSTILE, notificationOf, notifierContext, startPeer,
  type Received, type Reply } from '../../../contract/check_notifier.ts';
import { NEVER } from '../../../contract/fakes.ts';

const characters = (text: string): number => [...text].length;

/** The one request, as JSON; no character in it is one that nobody can read. */
function jsonOf([request, more]: readonly Received[], { id }: Notification): any {
  assert.equal(more, undefined);
  assert.equal(request!.headers['idempotency-key'], id);
  assert.match(request!.headers['content-type'] ?? '', /^application\/json/);
  assert.doesNotMatch(request!.body, /\\u00(?:0[0-8bcef]|1[0-9a-f])|\\ud[89ab]/);
  return JSON.parse(request!.body);
}

checkNotifier({
  factory: slackNotifier,
  config: (url) => ({ api_url: `${url}/services/T0/B0/verysecrettoken`, channel: '#ops' }),
  secrets: ['verysecrettoken'],
  read: (requests, notification) => {
    const { attachments: [{ title, text = '', color }], channel } = jsonOf(requests, notification);
    assert.equal(channel, '#ops');
    assert.ok(characters(title) <= 1024);
    assert.ok(characters(text) <= 3000);
    assert.doesNotMatch(title + text, /<(?!https?:\/\/[^<>|]*\|[A-Z][a-z]+>)/);
    assert.equal(color, notification.status === 'resolved' ? 'good' : 'danger');
    return title + text;
  },
});

checkNotifier({
  factory: telegramNotifier,
  config: (url) => ({ api_url: url, bot_token: '123456:verysecrettoken', chat_id: -1001234567890 }),
  secrets: ['verysecrettoken'],
  read: (requests, notification) => {
    assert.equal(requests[0]!.path, '/bot123456:verysecrettoken/sendMessage');
    const { text, parse_mode, chat_id } = jsonOf(requests, notification);
    assert.deepEqual([parse_mode, chat_id], ['HTML', -1001234567890]);
    assert.ok(text.length > 0 && text.length <= 4096);
    checkTags(text);
    return text;
  },
});

/** Telegram refuses a message with other tags, or with one that is not closed. */
function checkTags(html: string): void {
  const open: string[] = [];
  for (const [, close, name] of html.matchAll(/<(\/?)([^>\s]*)[^>]*>/g)) {
    assert.ok(['a', 'b', 'pre'].includes(name!), `<${name}>`);
    if (close === '') open.push(name!);
    else assert.equal(open.pop(), name);
  }
  assert.deepEqual(open, []);
  assert.doesNotMatch(html.replace(/&(?:amp|lt|gt|quot|#39);/g, ''), /&/);
}

checkNotifier({
  factory: discordNotifier,
  config: (url) => ({ webhook_url: `${url}/api/webhooks/1/verysecrettoken` }),
  secrets: ['verysecrettoken'],
  good: [204],
  says: ['CheckoutErrors', 'Cards are refused'],
  read: (requests, notification) => {
    const { embeds: [embed], allowed_mentions: mentions, content } = jsonOf(requests, notification);
    assert.deepEqual(mentions, { parse: [] });
    assert.ok(characters(embed.title) <= 256 && characters(embed.description) <= 4096);
    assert.ok(characters(embed.title) + characters(embed.description) <= 6000);
    assert.equal(content, '');
    return embed.title + embed.description;
  },
});

for (const factory of [teamsNotifier, teamsConnectorNotifier]) {
  checkNotifier<any>({
    factory,
    config: (url) => ({ webhook_url: `${url}/workflows/verysecrettoken?sig=othersecret` }),
    secrets: ['verysecrettoken', 'othersecret'],
    good: [202],
    read: (requests, notification) => {
      const body = jsonOf(requests, notification);
      assert.ok(Buffer.byteLength(requests[0]!.body) < 28 * 1024);
      if (factory.type === 'msteams') {
        assert.equal(body['@type'], 'MessageCard');
        return body.title + body.text;
      }
      const [{ contentType, content }] = body.attachments;
      assert.equal(contentType, 'application/vnd.microsoft.card.adaptive');
      assert.doesNotMatch(JSON.stringify(content.actions ?? []), /javascript/);
      return content.body.map(({ text }: { text: string }) => text).join('\n');
    },
  });
}

checkNotifier({
  factory: pagerdutyNotifier,
  config: (url) => ({ url: `${url}/v2/enqueue`, routing_key: 'verysecretroutingkey',
    details: { team: '{{ .CommonLabels.team }}' } }),
  secrets: ['verysecretroutingkey'],
  good: [202, {}, '{"status":"success"}'],
  read: (requests, notification) => {
    const { routing_key: key, dedup_key, event_action, payload } = jsonOf(requests, notification);
    assert.equal(key, 'verysecretroutingkey');
    assert.equal(dedup_key, createHash('sha256').update(notification.groupKey).digest('hex'));
    assert.equal(event_action, notification.status === 'resolved' ? 'resolve' : 'trigger');
    assert.match(payload.severity, /^(critical|error)$/);
    assert.ok(characters(payload.summary) <= 1024 && payload.source !== '');
    assert.ok(Buffer.byteLength(requests[0]!.body) <= 512_000);
    assert.ok('team' in payload.custom_details);
    return payload.summary + payload.custom_details.firing;
  },
});

checkNotifier({
  factory: opsgenieNotifier,
  config: (url) => ({ api_url: `${url}/`, api_key: 'verysecretapikey', tags: 'a, b,',
    responders: [{ type: 'teams', name: 'x,y' }], priority: 'P1' }),
  secrets: ['verysecretapikey'],
  good: [202],
  read: (requests, notification) => {
    const alias = createHash('sha256').update(notification.groupKey).digest('hex');
    const body = jsonOf(requests, notification);
    assert.equal(requests[0]!.headers.authorization, 'GenieKey verysecretapikey');
    if (notification.status === 'resolved') {
      assert.equal(requests[0]!.path, `/v2/alerts/${alias}/close?identifierType=alias`);
      return requests[0]!.body;
    }
    assert.deepEqual([body.alias, body.tags, body.priority], [alias, ['a', 'b'], 'P1']);
    assert.deepEqual(body.responders, [{ name: 'x', type: 'team' }, { name: 'y', type: 'team' }]);
    assert.ok(characters(body.message) <= 130 && characters(body.description) <= 15_000);
    return body.message + body.description;
  },
});

checkNotifier({
  factory: smsNotifier,
  config: (url) => ({ api_url: url, account_sid: 'AC123', auth_token: 'verysecrettoken',
    from: '+15005550006', to: '+491701234567' }),
  secrets: ['verysecrettoken', '1701234567'],
  good: [201],
  read: ([request, more]) => {
    assert.equal(more, undefined);
    assert.equal(request!.path, '/2010-04-01/Accounts/AC123/Messages.json');
    const form = new URLSearchParams(request!.body);
    assert.deepEqual([form.get('From'), form.get('To')], ['+15005550006', '+491701234567']);
    const text = form.get('Body')!;
    assert.ok(text !== '' && segmentsOf(text) <= 2, text);
    return text;
  },
});

checkNotifier({
  factory: alertmanagerNotifier,
  config: (url) => ({ urls: [`${url}/am/`], http_config: { bearer_token: 'verysecrettoken' } }),
  secrets: ['verysecrettoken'],
  read: (requests, notification) => {
    assert.equal(requests[0]!.path, '/am/api/v2/alerts');
    const alerts = JSON.parse(requests[0]!.body) as any[];
    assert.equal(alerts.length, notification.alerts.length);
    for (const { labels, endsAt } of alerts) {
      for (const name of Object.keys(labels)) assert.match(name, /^[a-zA-Z_]\w*$/);
      assert.ok((Date.parse(endsAt) > notification.atMs) === (notification.status === 'firing'));
    }
    return requests[0]!.body;
  },
});

/** Sends one notification and gives what came and what was said. */
async function sendOne(
  factory: NotifierFactory<any>,
  config: (url: string) => Record<string, unknown>,
  notification: Notification = notificationOf(),
  reply: Reply = [200],
) {
  const peer = await startPeer(reply);
  try {
    const notifier = factory.create(factory.schema().parse(config(peer.url)), notifierContext());
    const outcome = await notifier.send(notification, NEVER);
    return { outcome, received: peer.received };
  } finally {
    await peer.close();
  }
}

const bodyOf = ({ received }: { received: readonly Received[] }) => JSON.parse(received[0]!.body);

test('slack: texts of one\'s own are filled in, and what alerts say is no markup', async () => {
  const body = bodyOf(await sendOne(slackNotifier, (url) => ({
    api_url: url, text: '<!here> {{ .CommonLabels.alertname }}', color: '#123456',
    title: '{{ template "slack.default.title" . }}', username: '',
    fields: [{ title: 'Group', value: '{{ .GroupLabels.alertname }}', short: true }],
    actions: [{ type: 'button', text: 'Open', url: '{{ .ExternalURL }}' }],
  }), notificationOf([alertOf({ alertname: '<!channel> & <b>' })])));
  const [attachment] = body.attachments;
  assert.equal(attachment.text, '<!here> &lt;!channel&gt; &amp; &lt;b&gt;');
  assert.equal(attachment.title, '[FIRING:1] &lt;!channel&gt; &amp; &lt;b&gt;');
  assert.equal(attachment.color, '#123456');
  assert.deepEqual(attachment.fields,
    [{ title: 'Group', value: '&lt;!channel&gt; &amp; &lt;b&gt;', short: true }]);
  assert.deepEqual(attachment.actions,
    [{ type: 'button', text: 'Open', url: 'https://binnacle.test/' }]);
  assert.equal('username' in body, false);
});

test('slack: an app writes with its token, and what the API says counts', async () => {
  const json = { 'content-type': 'application/json' };
  const config = (url: string) => ({ app_url: url, app_token: 'xoxb-verysecret', channel: '#a' });
  const check = async (reply: Reply, want: string) => {
    const { outcome, received } = await sendOne(slackNotifier, config, notificationOf(), reply);
    assert.equal(outcome.status, want, JSON.stringify(reply));
    assert.equal(received[0]!.headers.authorization, 'Bearer xoxb-verysecret');
  };
  await check([200, json, '{"ok":true}'], 'accepted');
  await check([200, json, '{"ok":false,"error":"channel_not_found"}'], 'rejected');
  await check([200, json, '{"ok":false,"error":"ratelimited"}'], 'retryable');
  await check([200, {}, 'no_service'], 'rejected');
});

test('telegram: texts of one\'s own are escaped for their markup, or ours is sent', async () => {
  const send = async (message: string, parse_mode: string) => bodyOf(await sendOne(
    telegramNotifier, (url) => ({ api_url: url, bot_token: 'token', chat_id: '@ops', message,
      parse_mode }), notificationOf([alertOf({ alertname: 'a_b <i>.' })])));
  assert.equal((await send('<b>{{ .CommonLabels.alertname }}</b>', 'HTML')).text,
    '<b>a_b &lt;i&gt;.</b>');
  assert.equal((await send('*{{ .CommonLabels.alertname }}*', 'MarkdownV2')).text,
    '*a\\_b <i\\>\\.*');
  const plain = await send('{{ .CommonLabels.alertname }}', '');
  assert.deepEqual([plain.text, 'parse_mode' in plain], ['a_b <i>.', false]);
  const long = await send(`<b>${'x'.repeat(5000)}</b>`, 'HTML');
  assert.match(long.text, /^<b>\[FIRING:1\]/);
});

test('telegram, discord: how long to wait stands in the body', async () => {
  const bot = await sendOne(telegramNotifier,
    (url) => ({ api_url: url, bot_token: 't', chat_id: 1 }), notificationOf(),
    [429, {}, '{"ok":false,"parameters":{"retry_after":12}}']);
  assert.deepEqual(bot.outcome.status === 'retryable' && bot.outcome.retryAfterMs, 12_000);
  const hook = await sendOne(discordNotifier, (url) => ({ webhook_url: url }),
    notificationOf(), [429, { 'retry-after': '1' }, '{"retry_after":0.25}']);
  assert.deepEqual(hook.outcome.status === 'retryable' && hook.outcome.retryAfterMs, 250);
});

test('teams: a connector that answers 200 may still have failed', async () => {
  const check = async (body: string, want: string) => assert.equal((await sendOne(
    teamsConnectorNotifier, (url) => ({ webhook_url: url }), notificationOf(),
    [200, {}, body])).outcome.status, want);
  const failed = 'Webhook message delivery failed with error: Microsoft Teams endpoint returned '
    + 'HTTP error';
  await check('1', 'accepted');
  await check(`${failed} 429 with ContextId x`, 'retryable');
  await check(`${failed} 413 with ContextId x`, 'rejected');
});

test('pagerduty: too many details are left out, the event is not', async () => {
  const { received, outcome } = await sendOne(pagerdutyNotifier, (url) => ({ url, routing_key: 'k',
    details: { all: '{{ .Alerts | toJson }}', more: 'x'.repeat(60_000) } }),
  notificationOf(Array.from({ length: 100 }, (_, index) => alertOf({ alertname: 'X',
    instance: `${index}`, big: 'y'.repeat(9000) }))));
  assert.equal(outcome.status, 'accepted');
  assert.ok(Buffer.byteLength(received[0]!.body) <= 512_000);
});

test('opsgenie: an open alert is written anew where that is wanted', async () => {
  const { received } = await sendOne(opsgenieNotifier, (url) => ({ api_url: url, api_key: 'kkkk',
    update_alerts: true }), notificationOf(), [202]);
  const requests = received.map(({ method, path }) =>
    [method, path.replace(/[0-9a-f]{64}/, '#')]);
  assert.deepEqual(requests, [
    ['POST', '/v2/alerts'], ['PUT', '/v2/alerts/#/message?identifierType=alias'],
    ['PUT', '/v2/alerts/#/description?identifierType=alias']]);
});

test('sms: segments are counted in the alphabet that the text needs', () => {
  const check = (text: string, want: number) => assert.equal(segmentsOf(text), want);
  check('a'.repeat(160), 1);
  check('a'.repeat(161), 2);
  check('€'.repeat(80), 1);
  check('€'.repeat(81), 2);
  check('ж'.repeat(70), 1);
  check('ж'.repeat(71), 2);
  check('\u{1f600}'.repeat(36), 2);
  for (const text of ['a'.repeat(5000), 'ж'.repeat(5000), '€'.repeat(5000), HOSTILE.repeat(50)]) {
    for (const segments of [1, 2, 10]) {
      assert.ok(segmentsOf(fitted(text, segments)) <= segments);
      assert.ok(fitted(text, segments).endsWith('...'));
    }
  }
});

test('alertmanager: every member must take them; names become what older ones take', async () => {
  const other = await startPeer([503]);
  try {
    const { outcome, received } = await sendOne(alertmanagerNotifier,
      (url) => ({ urls: [other.url, url] }),
      notificationOf([alertOf({ alertname: 'X', 'host.name': 'web', host_name: 'kept',
        '1a': 'b' })]));
    assert.equal(outcome.status, 'retryable');
    const [alert] = JSON.parse(received[0]!.body) as any[];
    assert.deepEqual(alert.labels, { alertname: 'X', host_name: 'kept', _1a: 'b' });
    assert.equal(alert.annotations.binnacle_traces, '0af7651916cd43dd8448eb211c80319c');
    assert.equal(alert.endsAt, '2026-11-22T21:47:00.000Z');
    assert.equal(other.received.length, 1);
  } finally {
    await other.close();
  }
});

test('dashboard: whoever follows sees it', async () => {
  const dashboard = createDashboard();
  const seen: Notification[] = [];
  const end = dashboard.follow((notification) => void seen.push(notification));
  const notifier = dashboardNotifier.create(dashboardNotifier.schema().parse({}) as any,
    notifierContext({ show: dashboard.show }));
  assert.equal((await notifier.send(notificationOf(), NEVER)).status, 'accepted');
  end();
  await notifier.send(notificationOf(), NEVER);
  assert.equal(seen.length, 1);
});

test('notifiers: each kind is there once', () => {
  assert.equal(new Set(NOTIFIERS.map(({ type }) => type)).size, NOTIFIERS.length);
});
