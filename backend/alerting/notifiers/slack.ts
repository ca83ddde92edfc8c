// Slack: an incoming webhook, or `chat.postMessage` with the token of an app. One attachment, whose
// colour says how it stands; texts in mrkdwn.
//
// Slack answers a webhook with `ok`, and its API with 200 and `"ok": false` when it did not work
// (docs.slack.dev, "Sending messages using incoming webhooks" and "Web API").

import * as z from 'zod';
import { fault, refusedKey, secret, strictObject } from '../../../config/schema.ts';
import { rejected, retryable, type Outcome } from '../../../proto/contract/outcome.ts';
import type { Notification, NotifierFactory } from '../model.ts';
import type { TemplateData } from '../../template/template.ts';
import { cut, oneLine } from './cut.ts';
import { escapeMrkdwn, MRKDWN, writeMessage } from './markup.ts';
import { messageOf } from './message.ts';
import { createPosting, createSecrets, jsonMessage, jsonOf, keepUrl, postingShape, type Answer }
  from './posting.ts';
import { checkOneOf, maskedUrl, plainUrl, readSecret, secretUrl } from './settings.ts';
import { dataOf, optionalWords, textOf, words } from './words.ts';

export const limits = {
  /** Characters of a title and of a field; more are cut. */
  titleMax: 1024,
  /** Of our text; behind so much Slack hides the rest. */
  textMax: 3000,
  /** Of texts of one's own: what Slack takes. */
  ownTextMax: 40_000,
  answerMax: 200,
} as const;

const field = () => strictObject({
  title: words('Its title.'),
  value: words('What it says.'),
  short: z.boolean().describe('Two short ones stand side by side.').optional(),
});

const action = () => strictObject({
  type: z.literal('button').describe('A button.'),
  text: words('What stands on it.'),
  url: words('Where it leads.'),
  style: z.enum(['', 'default', 'primary', 'danger']).describe('Its colour.').default(''),
  name: refusedKey('buttons without an address need an app that answers'),
  value: refusedKey('buttons without an address need an app that answers'),
  confirm: refusedKey('buttons lead to an address; there is nothing to confirm'),
});

const TEXTS = {
  channel: 'Another channel than that of the webhook, or where an app writes.',
  username: 'Who it is from; Binnacle.',
  color: 'good, warning, danger, or #rrggbb; by status and severity.',
  title: 'The headline.',
  title_link: 'Where the headline leads; the page of Binnacle.',
  pretext: 'Above the attachment.',
  text: 'The text; every alert with value, labels, traces and log lines.',
  message_text: 'A message above everything.',
  footer: 'Below the attachment.',
  fallback: 'For programs that show no attachments; the headline.',
  callback_id: 'For apps.',
  icon_emoji: 'The picture of the sender.',
  icon_url: 'The same, as an address.',
  image_url: 'A picture below the text.',
  thumb_url: 'A picture beside the text.',
} as const;

type TextKey = keyof typeof TEXTS;

const schema = () => strictObject({
  ...postingShape(false),
  api_url: secretUrl('The webhook.').optional(),
  api_url_file: z.string().optional().describe('A file with it, read for each attempt.'),
  app_token: secret().optional().describe('The token of an app, instead of a webhook.'),
  app_token_file: z.string().optional().describe('A file with it, read for each attempt.'),
  app_url: plainUrl('Where apps write.').default('https://slack.com/api/chat.postMessage'),
  ...optionalWords(TEXTS),
  fields: z.array(field()).max(100).describe('Fields below the text.').default([]),
  short_fields: z.boolean().describe('Whether fields are short that do not say it.')
    .default(false),
  link_names: z.boolean().describe('Whether @names in texts call people.').default(false),
  mrkdwn_in: z.array(z.string()).describe('Which texts hold markup.')
    .default(['fallback', 'pretext', 'text']),
  actions: z.array(action()).max(5).describe('Buttons.').default([]),
  update_message: refusedKey('each message is a new one; people who look away would miss a change'),
}).superRefine((config, ctx) => {
  checkOneOf(config, ctx, ['api_url', 'api_url_file', 'app_token', 'app_token_file']);
  const isApp = config.app_token !== undefined || config.app_token_file !== undefined;
  if (isApp && config.channel === undefined) {
    fault(ctx, 'is required with app_token', 'write the channel, such as "#ops"', ['channel']);
  }
});

type SlackConfig = z.output<ReturnType<typeof schema>>;

export const slackNotifier: NotifierFactory<SlackConfig> = {
  type: 'slack',
  schema,
  create: (config, context) => {
    const secrets = createSecrets();
    const isApp = config.app_token !== undefined || config.app_token_file !== undefined;
    const place = config.channel === undefined ? '' : ` ${config.channel.text}`;
    const address = isApp ? config.app_url : config.api_url;
    return createPosting(config, context, {
      target: `${address === undefined ? 'an address in a file' : maskedUrl(address)}${place}`,
      secrets,
      judge: (answer) => judge(answer),
      compose: async (notification) => {
        const body = bodyOf(notification, config);
        if (isApp) {
          const token = secrets.keep(
            await readSecret(context, config.app_token, config.app_token_file));
          const message = jsonMessage(config.app_url, body, notification);
          return [{ ...message, headers: { ...message.headers, authorization: `Bearer ${token}`,
            'content-type': 'application/json; charset=utf-8' } }];
        }
        const url = await readSecret(context, config.api_url, config.api_url_file);
        return [jsonMessage(keepUrl(secrets, url), body, notification)];
      },
    });
  },
};

function bodyOf(notification: Notification, config: SlackConfig): Record<string, unknown> {
  const data = dataOf(notification, escapeMrkdwn);
  const own = (key: TextKey, max: number = limits.titleMax, text = ''): string =>
    cut(textOf(config[key], data, () => text), max);
  const message = messageOf(notification);
  const title = own('title', limits.titleMax, escapeMrkdwn(message.title));
  return dropEmpty({
    channel: own('channel'),
    username: own('username', limits.titleMax, 'Binnacle'),
    icon_emoji: own('icon_emoji'),
    icon_url: own('icon_url'),
    link_names: config.link_names,
    text: own('message_text', limits.ownTextMax),
    attachments: [dropEmpty({
      color: own('color', limits.titleMax, colorOf(message.status, message.severity)),
      title,
      title_link: own('title_link', limits.titleMax, message.link),
      pretext: own('pretext', limits.ownTextMax),
      text: own('text', limits.ownTextMax, config.text === undefined
        ? writeMessage({ ...message, link: '' }, MRKDWN, { max: limits.textMax }) : ''),
      fallback: own('fallback', limits.titleMax, title),
      callback_id: own('callback_id'),
      footer: own('footer'),
      image_url: own('image_url'),
      thumb_url: own('thumb_url'),
      mrkdwn_in: config.mrkdwn_in,
      ts: Math.floor(notification.atMs / 1000),
      fields: config.fields.map((one) => fieldOf(one, config, data)),
      actions: config.actions.map(({ type, text, url, style }) => dropEmpty({
        type, style, text: oneLine(text?.render(data) ?? '', limits.titleMax),
        url: url?.render(data) ?? '',
      })),
    })],
  });
}

const fieldOf = (
  { title, value, short }: SlackConfig['fields'][number],
  { short_fields: isShort }: SlackConfig,
  data: TemplateData,
) => ({
  title: cut(title?.render(data) ?? '', limits.titleMax),
  value: cut(value?.render(data) ?? '', limits.textMax),
  short: short ?? isShort,
});

const colorOf = (status: 'firing' | 'resolved', severity: string): string =>
  (status === 'resolved' ? 'good' : severity === 'warning' || severity === 'info' ? 'warning'
    : 'danger');

const dropEmpty = (all: Record<string, unknown>): Record<string, unknown> => Object.fromEntries(
  Object.entries(all).filter(([, value]) =>
    value !== '' && !(Array.isArray(value) && value.length === 0)));

/** Errors of the Web API that pass. */
const PASSING: ReadonlySet<string> = new Set(['ratelimited', 'rate_limited', 'internal_error',
  'fatal_error', 'service_unavailable', 'request_timeout', 'team_added_to_org']);

function judge({ status, text, header }: Answer): Outcome | null {
  if (status !== 200) return null;
  const said = oneLine(text, limits.answerMax);
  if (!(header('content-type') ?? '').startsWith('application/json')) {
    return said === '' || said === 'ok' ? null : rejected(`Slack says: ${said}`);
  }
  const answer = jsonOf(text);
  if (answer === null || answer['ok'] !== false) return null;
  const error = oneLine(String(answer['error']), limits.answerMax);
  return PASSING.has(error) ? retryable(`Slack says: ${error}`) : rejected(`Slack says: ${error}`);
}
