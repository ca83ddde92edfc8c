// A webhook as Alertmanager has it: the group as JSON of version 4, or a JSON of one's own, POSTed
// to an address; signed when a secret is given.

import * as z from 'zod';
import { count, optionalSection, secret, strictObject } from '../../../config/schema.ts';
import type { Notification, NotifiedAlert, NotifierFactory } from '../model.ts';
import { payload, renderPayload } from './payload.ts';
import { createPosting, createSecrets, keepUrl, postingShape } from './posting.ts';
import { checkOneOf, maskedUrl, readSecret, secretUrl } from './settings.ts';
import { SIGNATURE_HEADER, signatureOf } from './signature.ts';
import { dataOf, ZERO_TIME } from './words.ts';

const schema = () => strictObject({
  ...postingShape(),
  url: secretUrl('Where it is POSTed.').optional(),
  url_file: z.string().optional().describe('A file with the address, read for each attempt.'),
  max_alerts: count().describe('Alerts in a message; more are left out and counted. 0: any.')
    .default(0),
  payload: payload().optional(),
  signature: optionalSection({
    secret: secret().optional().describe('The secret of HMAC-SHA256.'),
    secret_file: z.string().optional().describe('A file with it, read for each attempt.'),
  }).describe('Sign messages: X-Binnacle-Signature over time and body.'),
}).superRefine((config, ctx) => {
  checkOneOf(config, ctx, ['url', 'url_file']);
  if (config.signature !== undefined) checkOneOf(config.signature, ctx, ['secret', 'secret_file']);
});

export const webhookNotifier: NotifierFactory<z.output<ReturnType<typeof schema>>> = {
  type: 'webhook',
  schema,
  create: (config, context) => {
    const secrets = createSecrets();
    const { signature, payload: own } = config;
    return createPosting(config, context, {
      target: config.url === undefined ? 'an address in a file' : maskedUrl(config.url),
      secrets,
      compose: async (notification) => {
        const url = keepUrl(secrets, await readSecret(context, config.url, config.url_file));
        const kept = truncated(notification, config.max_alerts);
        const body = JSON.stringify(own === undefined ? webhookBody(kept)
          : renderPayload(own, dataOf(kept)));
        const key = signature === undefined ? '' : secrets.keep(
          await readSecret(context, signature.secret, signature.secret_file));
        const signed: Record<string, string> = key === '' ? {}
          : { [SIGNATURE_HEADER]: signatureOf(key, body, context.clock.nowMs()) };
        const headers = { 'content-type': 'application/json', 'idempotency-key': notification.id };
        return [{ url, headers: { ...headers, ...signed }, body }];
      },
    });
  },
};

/** Only the first so many alerts; 0: all. */
export function truncated(notification: Notification, alertsMax: number): Notification {
  const { alerts, truncatedAlerts } = notification;
  if (alertsMax === 0 || alerts.length <= alertsMax) return notification;
  return { ...notification, alerts: alerts.slice(0, alertsMax),
    truncatedAlerts: truncatedAlerts + alerts.length - alertsMax };
}

/** Alertmanager's version 4. The receiver's name is quoted for regular expressions, as there. */
export function webhookBody(notification: Notification): Record<string, unknown> {
  return {
    receiver: notification.receiver.replace(/[\\.+*?()|[\]{}^$]/g, '\\$&'),
    status: notification.status,
    alerts: notification.alerts.map(alertBody),
    notification_reason: notification.reason,
    groupLabels: notification.groupLabels,
    commonLabels: notification.commonLabels,
    commonAnnotations: notification.commonAnnotations,
    routeLabels: {},
    externalURL: notification.externalUrl,
    version: '4',
    groupKey: notification.groupKey,
    truncatedAlerts: notification.truncatedAlerts,
  };
}

const alertBody = (alert: NotifiedAlert) => ({
  status: alert.status,
  labels: alert.labels,
  annotations: alert.annotations,
  startsAt: new Date(alert.startsAtMs).toISOString(),
  endsAt: alert.endsAtMs === null ? ZERO_TIME : new Date(alert.endsAtMs).toISOString(),
  generatorURL: alert.generatorUrl,
  fingerprint: alert.fingerprint,
});
