// Forwards alerts to a real Alertmanager (POST /api/v2/alerts). Each alert keeps its labels and so
// is the same alert there; traces, log lines and the value come as annotations.
//
// An Alertmanager ends an alert that nobody repeats: with a notification only every few hours, each
// says how long it holds (`valid_for`), which must be longer than `repeat_interval`. Members of a
// cluster do not hand alerts on to each other, so each of `urls` must take them.

import * as z from 'zod';
import { duration, strictObject } from '../../../config/schema.ts';
import { sorted, type Labels } from '../../labels/labels.ts';
import type { Notification, NotifiedAlert, NotifierFactory } from '../model.ts';
import { timeText, numberText } from './message.ts';
import { createPosting, createSecrets, jsonMessage, keepUrl, postingShape } from './posting.ts';
import { maskedUrl, secretUrl } from './settings.ts';

export const limits = {
  urlsMax: 20,
} as const;

const schema = () => strictObject({
  ...postingShape(),
  urls: z.array(secretUrl('Where one is, such as http://alertmanager:9093.')).min(1)
    .max(limits.urlsMax).describe('Every member of the cluster.'),
  valid_for: duration({ min: '1m' }).prefault('24h')
    .describe('How long an alert holds there that is not told again.'),
  label_names: z.enum(['legacy', 'utf8']).default('legacy')
    .describe('legacy: characters that older ones refuse become "_"; utf8: names as they are.'),
});

type AlertmanagerConfig = z.output<ReturnType<typeof schema>>;

export const alertmanagerNotifier: NotifierFactory<AlertmanagerConfig> = {
  type: 'alertmanager',
  schema,
  create: (config, context) => {
    const secrets = createSecrets();
    return createPosting(config, context, {
      target: config.urls.map(maskedUrl).join(', '),
      secrets,
      isEach: true,
      compose: async (notification) => {
        const body = notification.alerts.map((alert) => posted(alert, notification, config));
        return config.urls.map((url) => jsonMessage(
          `${keepUrl(secrets, url).replace(/\/$/, '')}/api/v2/alerts`, body, notification));
      },
    });
  },
};

function posted(alert: NotifiedAlert, { atMs }: Notification, config: AlertmanagerConfig) {
  const { labels, annotations, startsAtMs, endsAtMs, generatorUrl, value, evidence } = alert;
  const { traces, logs } = evidence;
  return {
    labels: named(labels, config),
    annotations: named({
      ...annotations,
      ...(value === null ? {} : { binnacle_value: numberText(value) }),
      ...(traces.length === 0 ? {} : { binnacle_traces: traces.join(', ') }),
      ...(logs.length === 0 ? {} : { binnacle_logs: logs.map((line) =>
        `${timeText(line.atMs)} ${line.body}`).join('\n') }),
    }, config),
    startsAt: new Date(startsAtMs).toISOString(),
    endsAt: new Date(endsAtMs ?? atMs + config.valid_for).toISOString(),
    ...(URL.canParse(generatorUrl) ? { generatorURL: generatorUrl } : {}),
  };
}

/** A name that is there already wins over one that only becomes it. */
function named(labels: Labels, { label_names }: AlertmanagerConfig): Labels {
  const wellFormed = (text: string) => Buffer.from(text).toString();
  const all = sorted(labels).map(([name, value]) => [wellFormed(name), wellFormed(value)] as const);
  if (label_names === 'utf8') return Object.fromEntries(all);
  const renamed = all.map(([name, value]) =>
    [name.replace(/^(?=\d)|[^a-zA-Z0-9_]/g, '_'), value] as const);
  const plain = all.filter(([name]) => /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name));
  return Object.fromEntries([...renamed, ...plain]);
}
