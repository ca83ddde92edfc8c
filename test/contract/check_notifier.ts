// The suite that every notifier runs, against a real local server that answers by script.
//
// The law: one call of `send` brings one message, whole, or says why not; 2xx is accepted, 429 and
// 5xx and silence are retryable, other refusals are final; it ends with its abort; no secret is in
// any verdict; whatever alerts hold (control characters, markup, a megabyte, nobody, a hundred)
// the message stays one that the service can read.
//
//     checkNotifier({
//       factory: slackNotifier,
//       config: (url) => ({ api_url: `${url}/services/T0/B0/verysecrettoken` }),
//       secrets: ['verysecrettoken'],
//       read: (request) => …the text of the message, after checking what the service would check,
//     });

import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { ChartPoint, Notification, NotifiedAlert, NotifierContext, NotifierFactory }
  from '../../backend/alerting/model.ts';
import type { Outcome } from '../../proto/contract/outcome.ts';
import { SILENT_LOG } from '../../runtime/log.ts';
import { createWorld } from '../../runtime/world.ts';
import { NEVER } from './fakes.ts';
import { withoutLeaks } from './leaks.ts';

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Status, headers and body; or nothing, ever. */
export type Reply = 'silence' | 'hang up' | readonly [status: number,
  headers?: Record<string, string>, body?: string];

export interface Peer {
  /** `http://127.0.0.1:…`. */
  readonly url: string;
  readonly received: readonly Received[];
  reply(next: Reply | ((request: Received) => Reply)): void;
  close(): Promise<void>;
}

/** A server on this machine that remembers what it gets. */
export async function startPeer(first: Reply = [200]): Promise<Peer> {
  const received: Received[] = [];
  let next: Reply | ((request: Received) => Reply) = first;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => {});
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const got = { method, path: url, headers, body: Buffer.concat(chunks).toString() };
      received.push(got);
      answer(response, typeof next === 'function' ? next(got) : next);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    reply: (reply) => {
      next = reply;
    },
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
}

function answer(response: ServerResponse, reply: Reply): void {
  if (reply === 'silence') return;
  if (reply === 'hang up') return void response.destroy();
  const [status, headers = {}, body = ''] = reply;
  response.writeHead(status, headers).end(body);
}

export function notifierContext(more: Partial<NotifierContext> = {}): NotifierContext {
  const { clock, files } = createWorld();
  return {
    clock, files, log: SILENT_LOG, show: () => {},
    chart: async () => POINTS, ...more,
  };
}

const START_MS = Date.UTC(2026, 10, 21, 21, 46);
const POINTS: ChartPoint[] = Array.from({ length: 60 }, (_, index) =>
  [START_MS - (60 - index) * 60_000, Math.sin(index / 5) * 10]);

export const alertOf = (labels: Record<string, string>, more: Partial<NotifiedAlert> = {},
): NotifiedAlert => ({
  status: 'firing', fingerprint: '00000000000000aa', labels,
  annotations: { summary: 'Cards are refused', runbook_url: 'https://wiki.test/cards' },
  startsAtMs: START_MS, endsAtMs: null, generatorUrl: 'https://binnacle.test/rules/1?a=1&b=2',
  value: 7.25,
  evidence: { traces: ['0af7651916cd43dd8448eb211c80319c'],
    logs: [{ atMs: START_MS, body: 'card refused' }] },
  ...more,
});

export function notificationOf(
  alerts: readonly NotifiedAlert[] = [alertOf({ alertname: 'CheckoutErrors', service: 'shop',
    severity: 'critical' })],
  more: Partial<Notification> = {},
): Notification {
  const first = alerts[0]?.labels ?? {};
  const common = Object.fromEntries(Object.entries(first).filter(([name, value]) =>
    alerts.every(({ labels }) => labels[name] === value)));
  return {
    id: '7b1f2f9e-8a51-4c8e-9f0f-3a2b1c0d9e8f', receiver: 'ops', groupKey: '{}:{alertname="X"}',
    status: alerts.every(({ status }) => status === 'resolved') ? 'resolved' : 'firing',
    reason: 'first notification', atMs: START_MS + 60_000,
    groupLabels: 'alertname' in common ? { alertname: common['alertname']! } : {},
    commonLabels: common, commonAnnotations: {}, externalUrl: 'https://binnacle.test/', alerts,
    truncatedAlerts: 0, digest: '', ...more,
  };
}

const resolvedAlert = (): NotifiedAlert => alertOf({ alertname: 'CheckoutErrors' },
  { status: 'resolved', endsAtMs: START_MS + 30_000 });

/** What people and attackers have put into labels. */
export const HOSTILE = '<script>alert(1)</script>&"\'`*_~|[x](javascript:y)<!channel>@everyone\r\n'
  + 'Bcc: a@b.test\r\n.\r\n\u0000\u001b[31m\u202e \ud800 \u{1f600} {{ .Status }}';

export const HARD: Readonly<Record<string, () => Notification>> = {
  'no alerts': () => notificationOf([]),
  'a hundred alerts': () => notificationOf(Array.from({ length: 100 }, (_, index) =>
    alertOf({ alertname: 'CheckoutErrors', instance: `web-${index}` }))),
  'hostile labels': () => notificationOf([alertOf({ alertname: HOSTILE, service: HOSTILE },
    { annotations: { summary: HOSTILE, description: HOSTILE, runbook_url: 'javascript:alert(1)' },
      generatorUrl: 'javascript:alert(1)',
      evidence: { traces: [HOSTILE], logs: [{ atMs: START_MS, body: HOSTILE }] } })],
  { groupKey: HOSTILE, groupLabels: { alertname: HOSTILE } }),
  'a megabyte': () => notificationOf([alertOf({ alertname: 'x'.repeat(1_000_000) },
    { annotations: { summary: '<&>'.repeat(300_000),
      description: '\u{1f600}'.repeat(100_000) } })]),
  resolved: () => notificationOf([resolvedAlert()]),
  'no value, no evidence': () => notificationOf([alertOf({ alertname: 'X' },
    { value: null, annotations: {}, generatorUrl: '', evidence: { traces: [], logs: [] } })]),
};

export interface NotifierCheck<C> {
  readonly factory: NotifierFactory<C>;
  /** What a person would write for a service at this address. */
  config(url: string): Record<string, unknown>;
  readonly secrets: readonly string[];
  /** The server; one that speaks HTTP unless given. */
  start?(): Promise<Peer>;
  /** False where the service cannot say how long to wait. */
  readonly isPaced?: boolean;
  /** What the service answers when all is well; 200 unless given. */
  readonly good?: Reply;
  /** The text of a message that the service could read; throws for one that it could not. */
  read(requests: readonly Received[], notification: Notification): string;
  /** Whether a message says what fires; a payload of one's own need not. */
  readonly says?: readonly string[];
}

/** One test for each scenario. */
export function checkNotifier<C>(check: NotifierCheck<C>): void {
  const { factory: { type }, secrets, good = [200] } = check;
  const run = (title: string, body: (peer: Peer, send: Send) => Promise<void>, more = {}) =>
    test(`notifier ${type}: ${title}`, async () => {
      const peer = await (check.start ?? startPeer)();
      peer.reply(good);
      try {
        const config = check.factory.schema().parse({ ...check.config(peer.url), ...more });
        const notifier = check.factory.create(config, notifierContext());
        for (const secret of secrets) assert.ok(!notifier.target.includes(secret), 'target');
        await body(peer, async (notification, abort = NEVER) => {
          const outcome = await notifier.send(notification, abort);
          const text = JSON.stringify(outcome);
          for (const secret of secrets) assert.ok(!text.includes(secret), `a secret: ${text}`);
          return outcome;
        });
      } finally {
        await peer.close();
      }
    });

  run('one call is one message, and says what fires', async (peer, send) => {
    const notification = notificationOf();
    assert.deepEqual(await send(notification), { status: 'accepted', rejected: 0 });
    const text = check.read(peer.received, notification);
    for (const word of check.says ?? ['CheckoutErrors', 'Cards are refused']) {
      assert.ok(text.includes(word), `${word} is not in: ${text}`);
    }
  });
  run('the verdicts', async (peer, send) => {
    for (const [reply, want] of VERDICTS) {
      peer.reply(reply);
      const outcome = await send(notificationOf());
      assert.equal(outcome.status, want, `${JSON.stringify(reply)}: ${JSON.stringify(outcome)}`);
    }
  });
  if (check.isPaced !== false) run('how long to wait is respected', async (peer, send) => {
    peer.reply([429, { 'retry-after': '7' }]);
    const outcome = await send(notificationOf());
    assert.equal(outcome.status === 'retryable' ? outcome.retryAfterMs : null, 7000);
  });
  run('an answer that repeats the request gives no secret away', async (peer, send) => {
    peer.reply(({ path, headers, body }) =>
      [400, {}, `${path} ${JSON.stringify(headers)} ${body}`.slice(0, 30_000)]);
    assert.equal((await send(notificationOf())).status, 'rejected');
  });
  run('it ends with its abort', async (peer, send) => {
    peer.reply('silence');
    const abort = new AbortController();
    const sending = send(notificationOf(), abort.signal);
    while (peer.received.length === 0) await new Promise(setImmediate);
    abort.abort();
    assert.equal((await sending).status, 'retryable');
    const late = new AbortController();
    late.abort();
    assert.equal((await send(notificationOf(), late.signal)).status, 'retryable');
    assert.equal(peer.received.length, 1);
  });
  run('nothing stays behind', (peer, send) => withoutLeaks(async () => {
    for (const reply of [good, [500], 'hang up'] as const) {
      peer.reply(reply);
      await send(notificationOf());
    }
  }));
  run('nobody listens', async (peer, send) => {
    await peer.close();
    assert.equal((await send(notificationOf())).status, 'retryable');
  });
  for (const [name, make] of Object.entries(HARD)) {
    run(name, async (peer, send) => {
      const notification = make();
      assert.equal((await send(notification)).status, 'accepted');
      check.read(peer.received, notification);
    });
  }
}

type Send = (notification: Notification, abort?: AbortSignal) => Promise<Outcome>;

const VERDICTS: readonly (readonly [Reply, Outcome['status']])[] = [
  [[400, {}, 'bad'], 'rejected'],
  [[401], 'rejected'],
  [[404], 'rejected'],
  [[413], 'rejected'],
  [[429], 'retryable'],
  [[500, {}, '<html>oops</html>'], 'retryable'],
  [[502], 'retryable'],
  [[503], 'retryable'],
  ['hang up', 'retryable'],
];
