// E-mail: a text and a page with a small chart of each of the first alerts, over SMTP.
//
// The mails of a group are one thread: each names a mail that never was as the one it answers. The
// Message-ID is made of the notification's id, so that a repeated attempt is the same mail.

import { createHash } from 'node:crypto';
import type * as z from 'zod';
import { retryable } from '../../../proto/contract/outcome.ts';
import type { Notification, Notifier, NotifierContext, NotifierFactory } from '../model.ts';
import { chartPng } from './chart.ts';
import { clean, cut } from './cut.ts';
import { emailShape, isImplicit, type EmailConfig } from './email_config.ts';
import { emailPage, type ShownChart } from './email_page.ts';
import { createGuard } from './guard.ts';
import { tlsOptions } from './http.ts';
import { encodeMail, type Picture } from './mail.ts';
import { escapeHtml, PLAIN, writeMessage } from './markup.ts';
import { messageOf, numberText, timeText } from './message.ts';
import { createSecrets, groupHash, masked, unlessUnreadable, type Secrets } from './posting.ts';
import { readSecret } from './settings.ts';
import { sendMail } from './smtp.ts';
import type { Login } from './smtp_auth.ts';
import { dataOf, textOf } from './words.ts';

export const limits = {
  /** Characters of the text part. */
  textMax: 200_000,
  /** Of texts of one's own. */
  ownTextMax: 500_000,
  /** Alerts with a chart; the others have none. */
  chartsMax: 3,
  /** A chart that is not there by then is left out. */
  chartMs: 5000,
} as const;

export const emailNotifier: NotifierFactory<EmailConfig> = {
  type: 'email',
  schema: emailShape as () => z.ZodType<EmailConfig>,
  create: (config, context): Notifier => {
    const secrets = createSecrets();
    const send = async (notification: Notification, abort: AbortSignal) => {
      const login = await loginOf(config, context, secrets);
      const content = await contentOf(notification, config, context, abort);
      if (abort.aborted) return retryable('the attempt was given up');
      return sendMail({ from: config.from.mailbox, to: config.to.map((one) => one.mailbox),
        content }, {
        server: config.smarthost, guard: createGuard(config.allow_private), hello: config.hello,
        security: isImplicit(config) ? 'implicit' : config.require_tls ? 'starttls' : 'none',
        tls: await tlsOptions(config.tls_config, context), login, timeoutMs: config.timeout,
        clock: context.clock,
      }, abort);
    };
    return {
      sendResolved: config.send_resolved,
      target: config.to.map(({ mailbox }) => mailbox).join(', '),
      send: async (notification, abort) => {
        const outcome = await unlessUnreadable(send(notification, abort));
        if (outcome.status === 'accepted' && outcome.rejected > 0) {
          context.log.warn(`cannot send mail ${notification.id} to all: `
            + secrets.mask(outcome.reason ?? ''));
        }
        return masked(outcome, secrets);
      },
    };
  },
};

async function loginOf(
  config: EmailConfig,
  context: NotifierContext,
  secrets: Secrets,
): Promise<Login | null> {
  const { auth_username: username, auth_identity: identity } = config;
  if (username === '') return null;
  const keep = (text: string) => {
    secrets.keep(Buffer.from(text).toString('base64'));
    secrets.keep(Buffer.from(`${identity}\0${username}\0${text}`).toString('base64'));
    return secrets.keep(text);
  };
  return {
    username, identity,
    password: keep(await readSecret(context, config.auth_password, config.auth_password_file)),
    secret: keep(await readSecret(context, config.auth_secret, config.auth_secret_file)),
  };
}

async function contentOf(
  notification: Notification,
  config: EmailConfig,
  context: NotifierContext,
  abort: AbortSignal,
): Promise<Buffer> {
  const message = messageOf(notification);
  const data = dataOf(notification, clean);
  const text = textOf(config.text, data, () => `${message.title}\n\n`
    + `${writeMessage(message, PLAIN, { max: limits.textMax })}\n`);
  const drawn = config.html === undefined && config.chart
    ? await draw(notification, context, abort) : [];
  const html = textOf(config.html, dataOf(notification, escapeHtml), () =>
    emailPage(message, new Map(drawn.map(({ index, chart }) => [index, chart]))));
  const hash = createHash('sha256').update(`${notification.id}${text}${html}`).digest('hex');
  return encodeMail({
    headers: headersOf(notification, config, message.title, context.clock.nowMs()),
    text: cut(clean(text), limits.ownTextMax), html: cut(clean(html), limits.ownTextMax),
    pictures: drawn.map(({ picture }) => picture), boundary: `binnacle${hash.slice(0, 40)}`,
  });
}

function headersOf(
  notification: Notification,
  config: EmailConfig,
  title: string,
  nowMs: number,
): [string, string][] {
  const domain = config.from.mailbox.split('@').at(-1)!;
  const data = dataOf(notification, clean);
  const day = config.threading.thread_by_date === 'daily'
    ? new Date(notification.atMs).toISOString().slice(0, 10) : '';
  const thread = `<group-${groupHash(notification).slice(0, 32)}${day}@${domain}>`;
  const id = notification.id.replace(/[^\w.-]/g, '').slice(0, 100);
  const headers = new Map<string, string>([
    ['From', config.from.written],
    ['To', config.to.map(({ written }) => written).join(', ')],
    ['Subject', title],
    ['Date', dateText(nowMs)],
    ['Message-ID', `<${id}.${groupHash(notification).slice(0, 8)}@${domain}>`],
    ['Auto-Submitted', 'auto-generated'],
    ...(config.threading.enabled ? [['In-Reply-To', thread], ['References', thread]] as
      [string, string][] : []),
    ['X-Binnacle-Status', notification.status],
  ]);
  for (const [name, template] of Object.entries(config.headers)) {
    const known = [...headers.keys()].find((one) => one.toLowerCase() === name.toLowerCase());
    headers.set(known ?? name, textOf(template, data, () => title));
  }
  return [...headers];
}

/** RFC 5322, section 3.3. */
const dateText = (ms: number): string => new Date(ms).toUTCString().replace('GMT', '+0000');

interface Drawn {
  /** Of the part. */
  readonly index: number;
  readonly chart: ShownChart;
  readonly picture: Picture;
}

/** Parts are in the order of `messageOf`: what fires comes first. */
async function draw(
  { alerts }: Notification,
  context: NotifierContext,
  abort: AbortSignal,
): Promise<Drawn[]> {
  const firing = alerts.filter(({ status }) => status === 'firing').slice(0, limits.chartsMax);
  const cancel = new AbortController();
  const timer = context.clock.after(limits.chartMs, () => cancel.abort());
  const give = () => cancel.abort();
  abort.addEventListener('abort', give, { once: true });
  const gone = new Promise<never[]>((resolve) =>
    cancel.signal.addEventListener('abort', () => resolve([]), { once: true }));
  try {
    return (await Promise.all(firing.map(async (alert, index): Promise<Drawn[]> => {
      const asked = context.chart(alert, cancel.signal).catch(() => []);
      const points = await Promise.race([asked, gone]);
      const png = chartPng(points);
      if (png === null) return [];
      const values = points.map(([, value]) => value).filter(Number.isFinite);
      const times = points.map(([atMs]) => atMs);
      const chart = { id: `chart${index + 1}`, low: numberText(Math.min(...values)),
        high: numberText(Math.max(...values)), from: timeText(Math.min(...times)),
        to: timeText(Math.max(...times)) };
      return [{ index, chart, picture: { id: chart.id, png } }];
    }))).flat();
  } finally {
    timer.cancel();
    abort.removeEventListener('abort', give);
  }
}
