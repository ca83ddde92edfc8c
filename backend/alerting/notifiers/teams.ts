// Microsoft Teams: a workflow that takes adaptive cards (`msteamsv2_configs`), and the connectors
// that came before (`msteams_configs`), of which Microsoft runs fewer and fewer.
//
// Teams takes messages of 28 KB. A connector answers 200 also when Teams refused the message, and
// then names the status of that in its text (learn.microsoft.com, "Create Incoming Webhooks").

import * as z from 'zod';
import { strictObject } from '../../../config/schema.ts';
import { rejected, retryable, type Outcome } from '../../../proto/contract/outcome.ts';
import type { Notification, NotifierContext, NotifierFactory } from '../model.ts';
import { cut, oneLine } from './cut.ts';
import { CARD, escapeCard, writeMessage } from './markup.ts';
import { messageOf, type Message } from './message.ts';
import { createPosting, createSecrets, jsonMessage, keepUrl, postingShape, type Answer }
  from './posting.ts';
import { checkOneOf, maskedUrl, readSecret, secretUrl } from './settings.ts';
import { dataOf, textOf, words } from './words.ts';

export const limits = {
  /** Bytes of JSON of the text; with everything around it stays below Teams' 28 KB. */
  textBytesMax: 24_000,
  /** Characters. */
  titleMax: 300,
  answerMax: 200,
} as const;

const shape = () => ({
  ...postingShape(),
  webhook_url: secretUrl('The address of the workflow or connector.').optional(),
  webhook_url_file: z.string().optional().describe('A file with it, read for each attempt.'),
  title: words('The headline.').optional(),
  text: words('The text; every alert with value, labels, traces, logs.').optional(),
});

const schema2 = () => strictObject(shape()).superRefine((config, ctx) =>
  checkOneOf(config, ctx, ['webhook_url', 'webhook_url_file']));

const schema1 = () => strictObject({
  ...shape(),
  summary: words('What is shown where there is little room; the headline.').optional(),
}).superRefine((config, ctx) => checkOneOf(config, ctx, ['webhook_url', 'webhook_url_file']));

type Config2 = z.output<ReturnType<typeof schema2>>;
type Config1 = z.output<ReturnType<typeof schema1>>;

export const teamsNotifier: NotifierFactory<Config2> = {
  type: 'msteamsv2',
  schema: schema2,
  create: (config, context) => createTeams(config, context, (notification) =>
    cardOf(textsOf(notification, config))),
};

export const teamsConnectorNotifier: NotifierFactory<Config1> = {
  type: 'msteams',
  schema: schema1,
  create: (config, context) => createTeams(config, context, (notification) => {
    const { title, text, message } = textsOf(notification, config);
    const summary = textOf(config.summary, dataOf(notification, escapeCard), () => title);
    return {
      '@context': 'http://schema.org/extensions', '@type': 'MessageCard', title, text,
      summary: cut(summary, limits.titleMax), themeColor: THEMES[colorOf(message)],
    };
  }),
};

function createTeams(
  config: Config2,
  context: NotifierContext,
  bodyOf: (notification: Notification) => object,
) {
  const secrets = createSecrets();
  const { webhook_url: url, webhook_url_file: file } = config;
  return createPosting(config, context, {
    target: url === undefined ? 'an address in a file' : maskedUrl(url),
    secrets,
    judge,
    compose: async (notification) => [jsonMessage(
      keepUrl(secrets, await readSecret(context, url, file)), bodyOf(notification), notification)],
  });
}

interface Texts {
  readonly title: string;
  readonly text: string;
  readonly message: Message;
}

function textsOf(notification: Notification, config: Config2): Texts {
  const data = dataOf(notification, escapeCard);
  const message = messageOf(notification);
  const title = textOf(config.title, data, () => escapeCard(message.title));
  const text = textOf(config.text, data, () => writeMessage({ ...message, link: '' }, CARD,
    { max: limits.textBytesMax, size: jsonBytes }));
  return { message, title: oneLine(title, limits.titleMax), text: fitted(text) };
}

const jsonBytes = (text: string): number => Buffer.byteLength(JSON.stringify(text));

/** A text of one's own that is too long is cut to half, again and again. */
function fitted(text: string): string {
  let kept = text;
  while (jsonBytes(kept) > limits.textBytesMax) kept = cut(kept, Math.floor(kept.length / 2));
  return kept;
}

const colorOf = ({ status, severity }: Message): keyof typeof THEMES =>
  (status === 'resolved' ? 'Good' : severity === 'warning' || severity === 'info' ? 'Warning'
    : 'Attention');

const THEMES = { Good: '27ae60', Warning: 'e67e22', Attention: 'c0392b' } as const;

function cardOf({ title, text, message }: Texts): Record<string, unknown> {
  const heading = { type: 'TextBlock', text: title, weight: 'Bolder', size: 'Medium', wrap: true,
    style: 'heading', color: colorOf(message) };
  const open = { type: 'Action.OpenUrl', title: 'Open Binnacle', url: message.link };
  const content = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json', type: 'AdaptiveCard',
    version: '1.2', body: [heading, { type: 'TextBlock', text, wrap: true }],
    ...(message.link === '' ? {} : { actions: [open] }), msteams: { width: 'full' },
  };
  return { type: 'message', attachments: [
    { contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content },
  ] };
}

function judge({ status, text }: Answer): Outcome | null {
  if (status !== 200 || !text.includes('Webhook message delivery failed')) return null;
  const reason = oneLine(text, limits.answerMax);
  const inner = Number(/HTTP error (\d{3})/.exec(text)?.[1] ?? 0);
  return inner === 429 || inner >= 500 ? retryable(reason) : rejected(reason);
}
