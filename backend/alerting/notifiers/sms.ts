// SMS over an HTTP interface like Twilio's: a form with From, To and Body for the account.
//
// One entry is one telephone, so that a message that reached one of two is not sent to it again.
// 201 is accepted, 429 and 5xx may be sent again, other codes never (twilio.com/docs, "Messages
// resource"); a body takes 1600 characters.

import * as z from 'zod';
import { count, fault, secret, strictObject } from '../../../config/schema.ts';
import type { Notification, NotifierFactory } from '../model.ts';
import { clean } from './cut.ts';
import { messageOf } from './message.ts';
import { createPosting, createSecrets, postingShape } from './posting.ts';
import { checkOneOf, plainUrl, readSecret } from './settings.ts';
import { dataOf, textOf, words } from './words.ts';

export const limits = {
  /** Characters of a body. */
  bodyMax: 1600,
  segmentsMax: 10,
} as const;

const PHONE = /^\+[1-9]\d{5,14}$/;

const schema = () => strictObject({
  ...postingShape(),
  api_url: plainUrl('Where messages are taken; the path of the account is added.')
    .default('https://api.twilio.com'),
  account_sid: z.string().regex(/^\w{1,64}$/, 'is not the SID of an account')
    .describe('The account.'),
  auth_token: secret().optional().describe('Its token.'),
  auth_token_file: z.string().optional().describe('A file with it, read for each attempt.'),
  from: z.string().min(1).max(20).optional().describe('The number or name that sends.'),
  messaging_service_sid: z.string().regex(/^\w{1,64}$/).optional()
    .describe('Or the service that chooses one.'),
  to: z.string().regex(PHONE, 'is not a number').describe('The number, such as +491701234567.'),
  text: words('The message; headline, summary, value and page of the first alerts.').optional(),
  max_segments: count({ min: 1, max: limits.segmentsMax })
    .describe('Messages of 160 characters (70 with other than common letters) that it may take.')
    .default(2),
}).superRefine((config, ctx) => {
  checkOneOf(config, ctx, ['auth_token', 'auth_token_file']);
  checkOneOf(config, ctx, ['from', 'messaging_service_sid']);
  if (config.account_sid === '') fault(ctx, 'must not be empty', '', ['account_sid']);
});

type SmsConfig = z.output<ReturnType<typeof schema>>;

export const smsNotifier: NotifierFactory<SmsConfig> = {
  type: 'sms',
  schema,
  create: (config, context) => {
    const secrets = createSecrets();
    const { account_sid: account } = config;
    const url = `${config.api_url.replace(/\/$/, '')}/2010-04-01/Accounts/${account}/Messages.json`;
    return createPosting(config, context, {
      // Who looks at channels need not know whose telephone it is.
      target: `${config.to.slice(0, 3)}…${config.to.slice(-2)}`,
      secrets,
      compose: async (notification) => {
        const token = secrets.keep(
          await readSecret(context, config.auth_token, config.auth_token_file));
        const pair = secrets.keep(Buffer.from(`${account}:${token}`).toString('base64'));
        const sender: [string, string] = config.from === undefined
          ? ['MessagingServiceSid', config.messaging_service_sid!] : ['From', config.from];
        const body = new URLSearchParams([['To', config.to], sender,
          ['Body', smsText(notification, config)]]).toString();
        return [{ url, body, headers: {
          'content-type': 'application/x-www-form-urlencoded', authorization: `Basic ${pair}`,
          'idempotency-key': notification.id,
        } }];
      },
    });
  },
};

function smsText(notification: Notification, { text, max_segments }: SmsConfig): string {
  const data = dataOf(notification, clean);
  const written = clean(textOf(text, data, () => ownText(notification))).trim();
  return fitted(written === '' ? ownText(notification) : written, max_segments);
}

function ownText(notification: Notification): string {
  const { title, parts, digest, link } = messageOf(notification);
  const details = parts.slice(0, 3).map(({ summary, value }) =>
    [summary, value === '' ? '' : `(${value})`].filter((word) => word !== '').join(' '));
  return [title, digest, ...details, link].filter((line) => line !== '').join('\n');
}

/** The default alphabet of GSM 03.38 and its extension, whose characters count twice. */
const GSM = new Set('@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡'
  + 'ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà');
const GSM_TWICE = new Set('^{}\\[~]|€');

/** At most so many segments; a message of several spends some of each on joining them. */
export function fitted(text: string, segments: number): string {
  const characters = [...text];
  if (characters.length <= limits.bodyMax && segmentsOf(text) <= segments) return text;
  const shortened = (count: number) => `${characters.slice(0, count).join('')}...`;
  let [fits, tooMany] = [0, Math.min(characters.length, limits.bodyMax - 2)];
  while (tooMany - fits > 1) {
    const middle = Math.floor((fits + tooMany) / 2);
    if (segmentsOf(shortened(middle)) <= segments) fits = middle;
    else tooMany = middle;
  }
  return shortened(fits);
}

export function segmentsOf(text: string): number {
  const characters = [...text];
  const isGsm = characters.every((one) => GSM.has(one) || GSM_TWICE.has(one));
  const units = isGsm ? characters.length + characters.filter((one) => GSM_TWICE.has(one)).length
    : text.length;
  const [alone, joined] = isGsm ? [160, 153] : [70, 67];
  return units <= alone ? 1 : Math.ceil(units / joined);
}
