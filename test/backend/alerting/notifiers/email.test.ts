// Proves that mails are what mail programs can read, whatever alerts say, and that the client does
// what it should with servers that are slow, broken, refuse, or want TLS and a login: the suite for
// notifiers against a local mail server, with certificates made anew.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inflateSync } from 'node:zlib';
import { chartPng, limits as chartLimits } from '../../../../backend/alerting/notifiers/chart.ts';
import { parseAddresses } from '../../../../backend/alerting/notifiers/email_config.ts';
import { emailNotifier } from '../../../../backend/alerting/notifiers/email.ts';
import { authenticate } from '../../../../backend/alerting/notifiers/smtp_auth.ts';
import { header, quotedPrintable } from '../../../../backend/alerting/notifiers/mail.ts';
import { alertOf, checkNotifier, HOSTILE, notificationOf, notifierContext }
  from '../../../contract/check_notifier.ts';
import { NEVER } from '../../../contract/fakes.ts';
import { startSmtpPeer, type SmtpPeer, type SmtpPeerOptions } from '../../../contract/smtp_peer.ts';
import { createAuthority } from '../../../proto/certificate.ts';

const authority = createAuthority('a test authority');
const certificate = authority.issue('mail', ['mail.test']);
const TLS = { ca: authority.cert, server_name: 'mail.test' };
const BASIC = { to: 'Ops <ops@example.com>', from: 'binnacle@example.com', require_tls: false };

checkNotifier({
  factory: emailNotifier,
  start: () => startSmtpPeer({ certificate, extensions: ['AUTH PLAIN', 'SIZE 0'],
    users: { me: 'verysecretpassword' } }),
  config: (url) => ({ ...BASIC, require_tls: true, smarthost: url, tls_config: TLS,
    auth_username: 'me', auth_password: 'verysecretpassword' }),
  secrets: ['verysecretpassword', Buffer.from('\0me\0verysecretpassword').toString('base64')],
  isPaced: false,
  read: (requests, { id }) => {
    assert.equal(requests.length, 1);
    const { headers, parts } = parseMail(requests[0]!.body);
    assert.deepEqual(Object.keys(headers), ['from', 'to', 'subject', 'date', 'message-id',
      'auto-submitted', 'in-reply-to', 'references', 'x-binnacle-status', 'mime-version',
      'content-type']);
    assert.ok(headers['message-id']!.includes(id));
    assert.equal(headers['in-reply-to'], headers['references']);
    const [text, html] = [parts['text/plain']!, parts['text/html']!];
    checkHtml(html.toString());
    return `${text.toString()}${html.toString()}`;
  },
});

/** Only what the page is made of, every tag closed, nothing that runs or loads. */
function checkHtml(html: string): void {
  const open: string[] = [];
  for (const [, close, name] of html.matchAll(/<(\/?)([a-zA-Z!]+)(?:"[^"]*"|[^">])*>/g)) {
    assert.ok(TAGS.includes(name!), name);
    if (/^(?:!DOCTYPE|meta|br|img)$/.test(name!)) continue;
    if (close === '') open.push(name!);
    else assert.equal(open.pop(), name);
  }
  assert.deepEqual(open, []);
  assert.doesNotMatch(html, /(?:href|src)="(?!https?:|cid:)/);
}

const TAGS = ['!DOCTYPE', 'html', 'head', 'meta', 'title', 'body', 'table', 'tr', 'td', 'div',
  'span', 'strong', 'pre', 'a', 'br', 'img'];

interface ReadMail {
  readonly headers: Record<string, string>;
  readonly parts: Record<string, Buffer>;
}

/** A mail as programs read it; throws for what is no mail. */
function parseMail(raw: string): ReadMail {
  for (const line of raw.split('\r\n')) {
    assert.ok(line.length <= 998 && /^[\x09\x20-\x7e]*$/.test(line), line);
  }
  const parts: Record<string, Buffer> = {};
  const headers = readPart(raw, parts);
  return { headers, parts };
}

function readPart(raw: string, parts: Record<string, Buffer>): Record<string, string> {
  const split = raw.indexOf('\r\n\r\n');
  const headers: Record<string, string> = {};
  for (const line of raw.slice(0, split).replace(/\r\n[ \t]/g, ' ').split('\r\n')) {
    const [, name, value] = /^([!-9;-~]+): (.*)$/.exec(line)!;
    assert.ok(!(name!.toLowerCase() in headers), `${name} is there twice`);
    headers[name!.toLowerCase()] = decodeWords(value!);
  }
  const body = raw.slice(split + 4);
  const type = headers['content-type']!;
  const boundary = /boundary="([^"]+)"/.exec(type)?.[1];
  if (boundary === undefined) {
    const name = type.split(';')[0]!;
    parts[name === 'image/png' ? headers['content-id']! : name] =
      headers['content-transfer-encoding'] === 'base64' ? Buffer.from(body, 'base64')
        : Buffer.from(body.replace(/=\r\n/g, '').replace(/=([0-9A-F]{2})/g, (_, hex: string) =>
          String.fromCharCode(parseInt(hex, 16))), 'latin1');
    return headers;
  }
  const inside = body.split(`--${boundary}`);
  assert.equal(inside.at(-1)!.trim(), '--');
  for (const one of inside.slice(1, -1)) readPart(one.slice(2), parts);
  return headers;
}

const decodeWords = (text: string): string => text.replace(/\?= +=\?/g, '?==?')
  .replace(/=\?utf-8\?B\?([^?]*)\?=/g, (_, words: string) =>
    Buffer.from(words, 'base64').toString());

async function withPeer(
  options: SmtpPeerOptions,
  config: Record<string, unknown>,
  body: (peer: SmtpPeer, send: (n?: ReturnType<typeof notificationOf>) =>
    Promise<{ status: string; reason?: string; rejected?: number }>) => Promise<void>,
): Promise<void> {
  const peer = await startSmtpPeer(options);
  try {
    const parsed = emailNotifier.schema().parse({ ...BASIC, smarthost: peer.url, ...config });
    const notifier = emailNotifier.create(parsed, notifierContext());
    await body(peer, (notification = notificationOf()) => notifier.send(notification, NEVER));
  } finally {
    await peer.close();
  }
}

test('email: names, chart, thread and texts of one\'s own', () => withPeer({}, {
  to: '"Ops, Räume" <ops@example.com>, ann@example.com', headers: { Subject: 'Grüße {{ .Status }}',
    'X-Team': '{{ .CommonLabels.team }}' },
}, async (peer, send) => {
  await send(notificationOf([alertOf({ alertname: 'X', team: HOSTILE })]));
  const { headers, parts } = parseMail(peer.received[0]!.body);
  assert.deepEqual(peer.mails[0]!.to, ['ops@example.com', 'ann@example.com']);
  assert.equal(headers['to'], 'Ops, Räume <ops@example.com>, ann@example.com');
  assert.equal(headers['subject'], 'Grüße firing');
  assert.match(headers['x-team']!, /^<script>.*Bcc: a@b.test \. .*$/);
  assert.equal('bcc' in headers, false);
  assert.match(parts['text/html']!.toString(), /src="cid:chart1"/);
  assert.deepEqual([...parts['<chart1>']!.subarray(0, 4)], [0x89, 0x50, 0x4e, 0x47]);
  await send(notificationOf([alertOf({ alertname: 'X' })], { id: 'another' }));
  const more = parseMail(peer.received[1]!.body).headers;
  assert.equal(more['references'], headers['references']);
  assert.notEqual(more['message-id'], headers['message-id']);
}));

test('email: a page of one\'s own is escaped; lines with dots stay', () => withPeer({}, {
  html: '<p>{{ .CommonLabels.alertname }}</p>', text: '.\n..\n.QUIT\n{{ .Status }}',
}, async (peer, send) => {
  await send(notificationOf([alertOf({ alertname: '<b>&"' })]));
  const { parts } = parseMail(peer.received[0]!.body);
  assert.equal(parts['text/html']!.toString().trim(), '<p>&lt;b&gt;&amp;&quot;</p>');
  assert.equal(parts['text/plain']!.toString().trim(), '.\r\n..\r\n.QUIT\r\nfiring');
}));

test('email: TLS from the beginning, after STARTTLS, and with a stranger', async () => {
  const check = async (options: SmtpPeerOptions, config: object, want: string, secure = true) =>
    withPeer(options, { ...config }, async (peer, send) => {
      const outcome = await send();
      assert.equal(outcome.status, want, JSON.stringify(outcome));
      assert.deepEqual(peer.mails.map((mail) => mail.secure), want === 'accepted' ? [secure] : []);
    });
  await check({ certificate, isImplicit: true },
    { force_implicit_tls: true, tls_config: TLS }, 'accepted');
  await check({ certificate }, { require_tls: true, tls_config: TLS }, 'accepted');
  await check({ certificate }, { require_tls: true,
    tls_config: { insecure_skip_verify: true } }, 'accepted');
  await check({ certificate }, { require_tls: true }, 'retryable');
  await check({ certificate }, { require_tls: true,
    tls_config: { ...TLS, server_name: 'other.test' } }, 'retryable');
  await check({}, { require_tls: true }, 'rejected');
  await check({}, {}, 'accepted', false);
});

test('email: what a server slips in before TLS does not count', () => withPeer({ certificate,
  answers: { STARTTLS: '220 go on\r\n250 injected' } }, { require_tls: true, tls_config: TLS },
async (peer, send) => {
  assert.equal((await send()).status, 'rejected');
  assert.deepEqual(peer.mails, []);
}));

test('email: logins', async () => {
  const check = async (mechanisms: string, config: object, want: string, users = { me: 'right' }) =>
    withPeer({ extensions: [`AUTH ${mechanisms}`], users }, { auth_username: 'me', ...config },
      async (_, send) => {
        const outcome = await send();
        assert.equal(outcome.status, want, `${mechanisms}: ${JSON.stringify(outcome)}`);
        assert.ok(!JSON.stringify(outcome).includes('right'));
      });
  for (const mechanism of ['PLAIN', 'LOGIN', 'CRAM-MD5', 'XOAUTH2 LOGIN PLAIN']) {
    await check(mechanism, { auth_password: 'right' }, 'accepted');
    await check(mechanism, { auth_password: 'wrong' }, 'rejected');
  }
  await check('CRAM-MD5', { auth_secret: 'right' }, 'accepted');
  await check('XOAUTH2', { auth_password: 'right' }, 'rejected');
  await check('PLAIN', { auth_password_file: '/does/not/exist' }, 'retryable');
});

test('email: a password is not told to whoever listens', async () => {
  const check = async (mechanisms: string[], isSafe: boolean, want: string[] | null) => {
    const told: string[] = [];
    const login = authenticate({ username: 'me', identity: '', password: 'right', secret: '' },
      mechanisms, isSafe, async (line) => {
        told.push(line);
        return { code: line.startsWith('AUTH CRAM') ? 334 : 235, text: 'eA==' };
      });
    await (want === null ? assert.rejects(login, /not sent without/) : login);
    assert.deepEqual(told.map((line) => line.split(' ').slice(0, 2).join(' ')).slice(0, 1),
      want ?? []);
  };
  await check(['PLAIN', 'LOGIN'], false, null);
  await check(['PLAIN', 'CRAM-MD5'], false, ['AUTH CRAM-MD5']);
  await check(['PLAIN', 'CRAM-MD5'], true, ['AUTH PLAIN']);
});

test('email: servers that refuse, break and babble', async () => {
  const check = async (answers: Record<string, string>, want: string, config = {}) =>
    withPeer({ answers }, { timeout: '300ms', ...config }, async (_, send) => {
      const outcome = await send();
      assert.equal(outcome.status, want, `${JSON.stringify(answers)} ${JSON.stringify(outcome)}`);
      assert.ok((outcome.reason ?? '').length < 500);
    });
  await check({ greeting: '554 go away' }, 'rejected');
  await check({ greeting: '421 too busy' }, 'retryable');
  await check({ greeting: 'HTTP/1.1 400 Bad Request' }, 'retryable');
  await check({ EHLO: '502 what?' }, 'accepted');
  await check({ MAIL: '451 later' }, 'retryable');
  await check({ MAIL: '550 never' }, 'rejected');
  await check({ RCPT: '450 greylisted' }, 'retryable');
  await check({ DATA: '554 no' }, 'rejected');
  await check({ DATA: 'hang up' }, 'retryable');
  await check({ MAIL: 'silence' }, 'retryable');
  await check({ MAIL: `250-${'x'.repeat(100_000)}` }, 'retryable');
  await check({ QUIT: 'hang up' }, 'accepted');
  await check({ 'RCPT TO:<b@example.com>': '550 unknown' }, 'accepted',
    { to: 'a@example.com, b@example.com' });
  await check({ 'RCPT TO:<b@example.com>': '450 later' }, 'retryable',
    { to: 'a@example.com, b@example.com' });
});

test('email: recipients that are refused are counted', () => withPeer(
  { answers: { 'RCPT TO:<b@example.com>': '550 unknown' } },
  { to: 'a@example.com, b@example.com' }, async (peer, send) => {
    const outcome = await send();
    assert.deepEqual([outcome.status, outcome.rejected], ['accepted', 1]);
    assert.deepEqual(peer.mails[0]!.to, ['a@example.com']);
  }));

test('email: what cannot be is refused when it is read', () => {
  const check = (config: object, ok: boolean) => assert.equal(emailNotifier.schema()
    .safeParse({ ...BASIC, smarthost: 'mail.test:587', ...config }).success, ok,
  JSON.stringify(config));
  check({}, true);
  check({ smarthost: 'mail.test' }, false);
  check({ to: '' }, false);
  check({ to: '{{ .CommonLabels.owner }}' }, false);
  check({ to: 'a@example.com\r\nRCPT TO:<b@example.com>' }, false);
  check({ from: 'a@example.com, b@example.com' }, false);
  check({ headers: { 'Content-Type': 'x' } }, false);
  check({ headers: { 'X-A': 'x', 'x-a': 'y' } }, false);
  check({ headers: { 'X A': 'x' } }, false);
  check({ hello: 'a\r\nMAIL' }, false);
  check({ auth_password: 'a', auth_password_file: '/b' }, false);
});

test('email: addresses', () => {
  const check = (text: string, want: string[] | null) =>
    assert.deepEqual(parseAddresses(text)?.map(({ mailbox }) => mailbox) ?? null, want, text);
  check('a@b.test', ['a@b.test']);
  check(' A <a@b.test> , "C, D" <c@d.test>', ['a@b.test', 'c@d.test']);
  check('a@b.test>', null);
  check('a b@c.test', null);
  check('a', null);
  check('a@b.test,', ['a@b.test']);
});

test('mail: lines and words are as long as they may be', () => {
  for (const text of ['é'.repeat(500), 'x'.repeat(5000), 'a b '.repeat(500), '=?utf-8?B?eA==?=',
    '\u{1f600}'.repeat(100), HOSTILE]) {
    const lines = header('Subject', text).split('\r\n');
    assert.equal(lines.pop(), '');
    for (const [index, line] of lines.entries()) {
      assert.ok(line.length <= 998 && /^[\x20-\x7e]+$/.test(line));
      assert.ok(index === 0 || line.startsWith(' '));
    }
    for (const line of quotedPrintable(text).split('\r\n')) assert.ok(line.length <= 76);
  }
  assert.equal(quotedPrintable('a=b \né\r\n'), 'a=3Db=20\r\n=C3=A9\r\n');
});

test('chart: a PNG with a row for each line, or nothing', () => {
  const check = (points: [number, number][]) => {
    const png = chartPng(points)!;
    const at = png.indexOf('IDAT');
    const size = png.readUInt32BE(at - 4);
    const rows = inflateSync(png.subarray(at + 4, at + 4 + size));
    assert.equal(rows.length, (chartLimits.width + 1) * chartLimits.height);
    assert.ok(rows.every((byte) => byte < 4) && rows.includes(3));
  };
  check([[0, 1], [1000, 2], [2000, -5]]);
  check([[0, 7], [0, 7]]);
  check([[0, -1e300], [1, 1e300]]);
  check(Array.from({ length: 5000 }, (_, index) => [index, index % 7] as [number, number]));
  assert.equal(chartPng([]), null);
  assert.equal(chartPng([[0, 1], [1, NaN]]), null);
});
