// PagerDuty, Events API v2: a group of alerts is one incident, known by the hash of its key; it is
// triggered while something fires, and resolved when nothing does.
//
// 202 is accepted, 429 and 5xx may be sent again, 400 never; an event takes 512 KB and its summary
// 1024 characters (developer.pagerduty.com, "Send an alert event").

import * as z from 'zod';
import { refusedKey, secret, strictObject } from '../../../config/schema.ts';
import type { Notification, NotifierFactory } from '../model.ts';
import { clean, cut, oneLine } from './cut.ts';
import { PLAIN, writeMessage } from './markup.ts';
import { messageOf, urlOf } from './message.ts';
import { payload, renderPayload } from './payload.ts';
import { createPosting, createSecrets, groupHash, jsonMessage, postingShape } from './posting.ts';
import { checkOneOf, maskedUrl, plainUrl, readSecret } from './settings.ts';
import { dataOf, optionalWords, textOf, words } from './words.ts';

export const limits = {
  /** Bytes of an event; a larger one is sent without its details. */
  eventBytesMax: 512_000,
  /** Characters; more are cut. */
  summaryMax: 1024,
  fieldMax: 255,
  /** Of the alerts in words. */
  alertsMax: 30_000,
} as const;

const V1 = 'Events API v1 is not spoken; make an integration of Events API v2 in PagerDuty and '
  + 'write its routing_key';

const TEXTS = {
  client: 'Who it is from; Binnacle.',
  client_url: 'Where that is; the page of Binnacle.',
  description: 'The summary of the incident; the headline.',
  source: 'What is affected; the client.',
  severity: 'critical, error, warning or info; by the label severity, else error.',
  class: 'The kind of event.',
  component: 'The part that is affected.',
  group: 'What it belongs to.',
} as const;

type TextKey = keyof typeof TEXTS;

const schema = () => strictObject({
  ...postingShape(),
  routing_key: secret().optional().describe('The key of the integration.'),
  routing_key_file: z.string().optional().describe('A file with it, read for each attempt.'),
  service_key: refusedKey(V1),
  service_key_file: refusedKey(V1),
  url: plainUrl('Where events are taken.').default('https://events.pagerduty.com/v2/enqueue'),
  ...optionalWords(TEXTS),
  details: z.record(z.string(), payload()).default({})
    .describe('More details, beside firing, resolved, num_firing and num_resolved. Templates.'),
  images: z.array(strictObject({
    src: words('The picture.'), alt: words('What it shows.').optional(),
    href: words('Where it leads.').optional(),
  })).max(10).describe('Pictures.').default([]),
  links: z.array(strictObject({
    href: words('Where it leads.'), text: words('What stands on it.').optional(),
  })).max(10).describe('Links.').default([]),
}).superRefine((config, ctx) => checkOneOf(config, ctx, ['routing_key', 'routing_key_file']));

type PagerDutyConfig = z.output<ReturnType<typeof schema>>;

export const pagerdutyNotifier: NotifierFactory<PagerDutyConfig> = {
  type: 'pagerduty',
  schema,
  create: (config, context) => {
    const secrets = createSecrets();
    return createPosting(config, context, {
      target: maskedUrl(config.url),
      secrets,
      compose: async (notification) => {
        const key = secrets.keep(
          await readSecret(context, config.routing_key, config.routing_key_file));
        const event = { routing_key: key, ...eventOf(notification, config) };
        const message = jsonMessage(config.url, event, notification);
        if (Buffer.byteLength(message.body) <= limits.eventBytesMax) return [message];
        const error = 'The details were left out: with them the event is larger than 512 KB.';
        return [jsonMessage(config.url, { ...event,
          payload: { ...event.payload, custom_details: { error } } }, notification)];
      },
    });
  },
};

function eventOf(notification: Notification, config: PagerDutyConfig) {
  const data = dataOf(notification, clean);
  const own = (key: TextKey, text: string, max: number = limits.fieldMax): string =>
    oneLine(textOf(config[key], data, () => text), max);
  const message = messageOf(notification);
  const client = own('client', 'Binnacle');
  const optional = (['class', 'component', 'group'] as const)
    .map((key) => [key, own(key, '')] as const).filter(([, value]) => value !== '');
  const clientUrl = urlOf(own('client_url', message.link, limits.summaryMax));
  return {
    event_action: notification.status === 'resolved' ? 'resolve' : 'trigger',
    dedup_key: groupHash(notification),
    payload: {
      summary: own('description', message.title, limits.summaryMax),
      source: own('source', '') || client || 'Binnacle',
      severity: severityOf(own('severity', message.severity)),
      timestamp: new Date(notification.atMs).toISOString(),
      ...Object.fromEntries(optional),
      custom_details: detailsOf(notification, config),
    },
    client,
    ...(clientUrl === '' ? {} : { client_url: clientUrl }),
    images: config.images.map(({ src, alt, href }) => ({
      src: src?.render(data) ?? '', alt: alt?.render(data) ?? '', href: href?.render(data) ?? '',
    })).filter(({ src }) => src !== ''),
    links: config.links.map(({ href, text }) => ({
      href: href?.render(data) ?? '', text: text?.render(data) ?? '',
    })).filter(({ href }) => href !== ''),
  };
}

function detailsOf(notification: Notification, { details }: PagerDutyConfig) {
  const { alerts } = notification;
  const inWords = (status: 'firing' | 'resolved') => {
    const some = alerts.filter((alert) => alert.status === status);
    if (some.length === 0) return '';
    const message = messageOf({ ...notification, alerts: some, truncatedAlerts: 0 });
    return cut(writeMessage(message, PLAIN, { max: limits.alertsMax }), limits.alertsMax);
  };
  const count = (status: string) => alerts.filter((alert) => alert.status === status).length;
  return {
    firing: inWords('firing'), resolved: inWords('resolved'), num_firing: String(count('firing')),
    num_resolved: String(count('resolved')),
    ...Object.fromEntries(Object.entries(details).map(([name, value]) =>
      [name, renderPayload(value, dataOf(notification, clean))])),
  };
}

/** PagerDuty knows four. */
function severityOf(text: string): string {
  const word = text.toLowerCase();
  if (/^(?:critical|error|warning|info)$/.test(word)) return word;
  if (/^(?:page|fatal|emergency|alert|crit|p1)$/.test(word)) return 'critical';
  if (/^(?:warn|ticket|minor|p3)$/.test(word)) return 'warning';
  return /^(?:information|notice|debug|none)$/.test(word) ? 'info' : 'error';
}
