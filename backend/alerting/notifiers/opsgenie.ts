// Opsgenie, Alert API: a group is one alert there, known by the hash of its key as alias; it is
// created while something fires, and closed when nothing does.
//
// 202 is accepted, 429 and 5xx may be sent again; a message takes 130 characters, a description
// 15,000 (docs.opsgenie.com, "Alert API").

import * as z from 'zod';
import { fault, secret, strictObject } from '../../../config/schema.ts';
import type { Notification, NotifierFactory } from '../model.ts';
import { clean, cut, oneLine } from './cut.ts';
import type { HttpMessage } from './http.ts';
import { PLAIN, writeMessage } from './markup.ts';
import { messageOf } from './message.ts';
import { createPosting, createSecrets, groupHash, jsonMessage, postingShape } from './posting.ts';
import { checkOneOf, maskedUrl, plainUrl, readSecret } from './settings.ts';
import { dataOf, textOf, words } from './words.ts';

export const limits = {
  /** Characters; more are cut. */
  messageMax: 130,
  descriptionMax: 15_000,
  noteMax: 25_000,
  sourceMax: 100,
  entityMax: 512,
  wordMax: 50,
  /** Of each; more are left out. */
  tagsMax: 20,
  actionsMax: 10,
  respondersMax: 50,
  /** Characters of all details together; details that do not fit are left out. */
  detailsMax: 8000,
} as const;

const TYPES = /^(?:teams?|user|escalation|schedule)$/;

const responder = () => strictObject({
  id: words('Its id.').optional(),
  name: words('Its name.').optional(),
  username: words('Its e-mail address.').optional(),
  type: words('team, teams (names with commas), user, escalation or schedule.'),
}).superRefine((one, ctx) => {
  if (one.id === undefined && one.name === undefined && one.username === undefined) {
    fault(ctx, 'needs id, name or username');
  }
  const type = one.type?.text ?? '';
  if (!type.includes('{{') && !TYPES.test(type.toLowerCase())) {
    fault(ctx, 'must be team, teams, user, escalation or schedule', '', ['type']);
  }
});

const schema = () => strictObject({
  ...postingShape(),
  api_key: secret().optional().describe('The key of an integration.'),
  api_key_file: z.string().optional().describe('A file with it, read for each attempt.'),
  api_url: plainUrl('Where alerts are taken; api.eu.opsgenie.com in Europe.')
    .default('https://api.opsgenie.com/'),
  message: words('The headline.').optional(),
  description: words('The text; every alert with value, labels, traces, logs.').optional(),
  source: words('Who it is from; the page of Binnacle.').optional(),
  details: z.record(z.string(), words('A detail.')).default({})
    .describe('More details, beside the common labels. Templates.'),
  entity: words('What it is about.').optional(),
  responders: z.array(responder()).max(limits.respondersMax).describe('Who is told.').default([]),
  actions: words('Actions, with commas between them.').optional(),
  tags: words('Tags, with commas between them.').optional(),
  note: words('A note.').optional(),
  priority: words('P1 to P5.').optional(),
  update_alerts: z.boolean().default(false)
    .describe('Write message and description of an open alert anew with each notification.'),
}).superRefine((config, ctx) => checkOneOf(config, ctx, ['api_key', 'api_key_file']));

type OpsgenieConfig = z.output<ReturnType<typeof schema>>;

export const opsgenieNotifier: NotifierFactory<OpsgenieConfig> = {
  type: 'opsgenie',
  schema,
  create: (config, context) => {
    const secrets = createSecrets();
    return createPosting(config, context, {
      target: maskedUrl(config.api_url),
      secrets,
      compose: async (notification) => {
        const key = secrets.keep(await readSecret(context, config.api_key, config.api_key_file));
        return requestsOf(notification, config).map((message) =>
          ({ ...message, headers: { ...message.headers, authorization: `GenieKey ${key}` } }));
      },
    });
  },
};

function requestsOf(notification: Notification, config: OpsgenieConfig): HttpMessage[] {
  const alias = groupHash(notification);
  const at = (path: string) => `${config.api_url.replace(/\/$/, '')}/v2/alerts${path}`;
  const body = alertOf(notification, config);
  if (notification.status === 'resolved') {
    return [jsonMessage(at(`/${alias}/close?identifierType=alias`), { source: body.source },
      notification)];
  }
  const create = jsonMessage(at(''), { alias, ...body }, notification);
  if (!config.update_alerts) return [create];
  const update = (key: 'message' | 'description'): HttpMessage => ({
    ...jsonMessage(at(`/${alias}/${key}?identifierType=alias`), { [key]: body[key] },
      notification), method: 'PUT',
  });
  return [create, update('message'), update('description')];
}

function alertOf(notification: Notification, config: OpsgenieConfig) {
  const data = dataOf(notification, clean);
  const message = messageOf(notification);
  const description = textOf(config.description, data, () =>
    writeMessage(message, PLAIN, { max: limits.descriptionMax }));
  const optional = {
    entity: oneLine(config.entity?.render(data) ?? '', limits.entityMax),
    note: cut(clean(config.note?.render(data) ?? ''), limits.noteMax),
    priority: oneLine(config.priority?.render(data) ?? '', limits.wordMax),
  };
  return {
    message: oneLine(textOf(config.message, data, () => message.title), limits.messageMax),
    description: cut(clean(description), limits.descriptionMax),
    details: detailsOf(notification, config),
    source: oneLine(textOf(config.source, data, () => message.link), limits.sourceMax)
      || 'Binnacle',
    responders: respondersOf(notification, config),
    tags: listOf(config.tags?.render(data), limits.tagsMax),
    actions: listOf(config.actions?.render(data), limits.actionsMax),
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== '')),
  };
}

const listOf = (text: string | undefined, countMax: number): string[] => (text ?? '').split(',')
  .map((one) => oneLine(one, limits.wordMax)).filter((one) => one !== '').slice(0, countMax);

function detailsOf(notification: Notification, { details }: OpsgenieConfig) {
  const data = dataOf(notification, clean);
  const own = Object.entries(details).map(([name, text]) => [name, text?.render(data) ?? '']);
  let left = limits.detailsMax;
  const labels = Object.entries(notification.commonLabels)
    .map(([name, value]) => [clean(name), clean(value)]);
  const all = new Map([...labels, ...own] as [string, string][]);
  return Object.fromEntries([...all].filter(([name, value]) => {
    left -= name.length + value.length;
    return left >= 0;
  }));
}

function respondersOf(notification: Notification, { responders }: OpsgenieConfig) {
  const data = dataOf(notification, clean);
  return responders.flatMap(({ id, name, username, type }) => {
    const one = { id: id?.render(data) ?? '', name: name?.render(data) ?? '',
      username: username?.render(data) ?? '' };
    const kind = (type?.render(data) ?? '').toLowerCase();
    if (kind === 'teams') {
      return listOf(one.name, limits.respondersMax).map((team) => ({ name: team, type: 'team' }));
    }
    const given = Object.entries(one).filter(([, value]) => value !== '');
    return given.length === 0 ? [] : [{ ...Object.fromEntries(given), type: kind }];
  }).slice(0, limits.respondersMax);
}
