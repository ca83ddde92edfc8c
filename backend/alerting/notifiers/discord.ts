// Discord: a webhook, with one embed. Nobody is called by what alerts say: mentions are off.
//
// A webhook that is used too fast is told to wait by `retry_after` in seconds (Discord's developer
// documentation, "Rate Limits"); an embed takes 256 characters of title and 4096 of description.

import * as z from 'zod';
import { strictObject } from '../../../config/schema.ts';
import { retryable, type Outcome } from '../../../proto/contract/outcome.ts';
import type { Notification, NotifierFactory } from '../model.ts';
import { clean, cut } from './cut.ts';
import { escapeMarkdown, MARKDOWN, writeMessage } from './markup.ts';
import { messageOf } from './message.ts';
import { createPosting, createSecrets, jsonMessage, jsonOf, keepUrl, postingShape, type Answer }
  from './posting.ts';
import { checkOneOf, maskedUrl, plainUrl, readSecret, secretUrl } from './settings.ts';
import { dataOf, textOf, words } from './words.ts';

export const limits = {
  /** Characters; more are cut. */
  titleMax: 256,
  descriptionMax: 4096,
  contentMax: 2000,
  usernameMax: 80,
} as const;

const schema = () => strictObject({
  ...postingShape(),
  webhook_url: secretUrl('The webhook.').optional(),
  webhook_url_file: z.string().optional().describe('A file with it, read for each attempt.'),
  content: words('A message above the embed; none.').optional(),
  title: words('The headline.').optional(),
  message: words('The text; every alert with value, labels, traces, logs.').optional(),
  username: z.string().max(limits.usernameMax).describe('Who it is from.').default('Binnacle'),
  avatar_url: plainUrl('The picture of the sender.').optional(),
}).superRefine((config, ctx) => checkOneOf(config, ctx, ['webhook_url', 'webhook_url_file']));

type DiscordConfig = z.output<ReturnType<typeof schema>>;

export const discordNotifier: NotifierFactory<DiscordConfig> = {
  type: 'discord',
  schema,
  create: (config, context) => {
    const secrets = createSecrets();
    const { webhook_url: url, webhook_url_file: file } = config;
    return createPosting(config, context, {
      target: url === undefined ? 'an address in a file' : maskedUrl(url),
      secrets,
      judge: waitOf,
      compose: async (notification) => [jsonMessage(
        keepUrl(secrets, await readSecret(context, url, file)),
        bodyOf(notification, config), notification)],
    });
  },
};

const COLORS = { red: 0xc0392b, orange: 0xe67e22, green: 0x27ae60 };

function bodyOf(notification: Notification, config: DiscordConfig): Record<string, unknown> {
  const data = dataOf(notification, escapeMarkdown);
  const message = messageOf(notification);
  const description = textOf(config.message, data, () =>
    writeMessage({ ...message, link: '' }, MARKDOWN, { max: limits.descriptionMax }));
  const isMild = message.severity === 'warning' || message.severity === 'info';
  return {
    content: cut(textOf(config.content, data, () => ''), limits.contentMax),
    username: config.username,
    ...(config.avatar_url === undefined ? {} : { avatar_url: config.avatar_url }),
    allowed_mentions: { parse: [] },
    embeds: [{
      // The headline is no Markdown.
      title: cut(textOf(config.title, dataOf(notification, clean), () => message.title),
        limits.titleMax),
      ...(message.link === '' ? {} : { url: message.link }),
      description: cut(clean(description), limits.descriptionMax),
      color: message.status === 'resolved' ? COLORS.green : isMild ? COLORS.orange : COLORS.red,
      timestamp: new Date(notification.atMs).toISOString(),
    }],
  };
}

function waitOf({ status, text }: Answer): Outcome | null {
  if (status !== 429) return null;
  const seconds = jsonOf(text)?.['retry_after'];
  if (typeof seconds !== 'number' || !(seconds >= 0)) return null;
  return retryable('HTTP 429: too many messages', Math.ceil(seconds * 1000));
}
