// Telegram: one message by a bot. Our text is HTML of Telegram's kind; a text of one's own is in
// the `parse_mode` that is configured, and what comes from alerts is escaped for it.
//
// A bot that sends too fast is told to wait by `parameters.retry_after` (Telegram's
// Bot API, "ResponseParameters").

import * as z from 'zod';
import { secret, strictObject } from '../../../config/schema.ts';
import { retryable, type Outcome } from '../../../proto/contract/outcome.ts';
import type { Notification, NotifierFactory } from '../model.ts';
import { clean } from './cut.ts';
import { escapeHtml, TELEGRAM_HTML, writeMessage } from './markup.ts';
import { messageOf } from './message.ts';
import { createPosting, createSecrets, jsonMessage, jsonOf, postingShape, type Answer }
  from './posting.ts';
import { checkOneOf, plainUrl, readSecret } from './settings.ts';
import { dataOf, words, type Escape } from './words.ts';

export const limits = {
  /** Of a message, in units of UTF-16, with its markup; a longer one of one's own is not sent. */
  textMax: 4096,
} as const;

const MODES = ['HTML', 'MarkdownV2', 'Markdown', ''] as const;

const chatId = () => z.union([z.int(), z.string().regex(/^(?:@\w+|-?\d+)$/)])
  .describe('The chat, by number, or @name of a channel.');

const schema = () => strictObject({
  ...postingShape(),
  api_url: plainUrl('Where bots write.').default('https://api.telegram.org'),
  bot_token: secret().optional().describe('The token of the bot.'),
  bot_token_file: z.string().optional().describe('A file with it, read for each attempt.'),
  chat_id: chatId().optional(),
  chat_id_file: z.string().optional().describe('A file with the chat, read for each attempt.'),
  message_thread_id: z.int().optional().describe('The topic, in a group that has topics.'),
  message: words('The message, in parse_mode; every alert with value, labels, traces, logs.')
    .optional(),
  disable_notifications: z.boolean().describe('Without a sound.').default(false),
  parse_mode: z.enum(MODES).describe('What markup `message` is in; "" for none.').default('HTML'),
}).superRefine((config, ctx) => {
  checkOneOf(config, ctx, ['bot_token', 'bot_token_file']);
  checkOneOf(config, ctx, ['chat_id', 'chat_id_file']);
});

type TelegramConfig = z.output<ReturnType<typeof schema>>;

export const telegramNotifier: NotifierFactory<TelegramConfig> = {
  type: 'telegram',
  schema,
  create: (config, context) => {
    const secrets = createSecrets();
    return createPosting(config, context, {
      target: `chat ${config.chat_id ?? 'in a file'}`,
      secrets,
      judge: waitOf,
      compose: async (notification) => {
        const token = secrets.keep(
          await readSecret(context, config.bot_token, config.bot_token_file));
        const chat = await readSecret(context, config.chat_id?.toString(), config.chat_id_file);
        const url = `${config.api_url.replace(/\/$/, '')}/bot${encodeURIComponent(token)
          .replaceAll('%3A', ':')}/sendMessage`;
        return [jsonMessage(url, {
          chat_id: /^-?\d+$/.test(chat) ? Number(chat) : chat,
          ...textOfMessage(notification, config),
          disable_notification: config.disable_notifications,
          link_preview_options: { is_disabled: true },
          ...(config.message_thread_id === undefined ? {}
            : { message_thread_id: config.message_thread_id }),
        }, notification)];
      },
    });
  },
};

function textOfMessage(notification: Notification, { message: own, parse_mode }: TelegramConfig) {
  if (own !== undefined) {
    const text = clean(own.render(dataOf(notification, ESCAPES[parse_mode]))).trim();
    // Cut in the middle, markup would be refused as a whole.
    if (text !== '' && text.length <= limits.textMax) {
      return { text, ...(parse_mode === '' ? {} : { parse_mode }) };
    }
  }
  const message = messageOf(notification);
  const title = TELEGRAM_HTML.bold(message.title);
  const size = (text: string) => text.length;
  const max = limits.textMax - title.length - 2;
  const body = writeMessage(message, TELEGRAM_HTML, { max, size });
  return { text: body === '' ? title : `${title}\n\n${body}`, parse_mode: 'HTML' };
}

const ESCAPES: Readonly<Record<(typeof MODES)[number], Escape>> = {
  HTML: escapeHtml,
  MarkdownV2: (text) => text.replace(/[\\_*[\]()~`>#+\-=|{}.!]/g, '\\$&'),
  Markdown: (text) => text.replace(/[_*`[]/g, '\\$&'),
  '': (text) => text,
};

/** Telegram says how long to wait in the body. */
function waitOf({ status, text }: Answer): Outcome | null {
  if (status !== 429) return null;
  const parameters = jsonOf(text)?.['parameters'] as { retry_after?: unknown } | undefined;
  const seconds = parameters?.retry_after;
  if (typeof seconds !== 'number' || !(seconds >= 0)) return null;
  return retryable('HTTP 429: too many messages', seconds * 1000);
}
