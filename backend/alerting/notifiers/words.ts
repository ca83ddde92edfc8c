// Texts of a receiver with places to fill in, and what they are filled in with: Alertmanager's data
// (`.Status`, `.Alerts.Firing`, `.CommonLabels`, …) and ours (`.Value`, `.Traces`, `.Logs` of an
// alert, `.Digest`, `.GroupKey`, `.TruncatedAlerts`).
//
// What comes from alerts is escaped for the channel before it is filled in, so that a label can
// neither become markup nor call a whole room.

import * as z from 'zod';
import { fault } from '../../../config/schema.ts';
import type { Labels } from '../../labels/labels.ts';
import { parseTemplate } from '../../template/parse.ts';
import type { Template, TemplateData } from '../../template/template.ts';
import type { Notification, NotifiedAlert } from '../model.ts';
import { clean } from './cut.ts';

/** How Go writes that there is no time. */
export const ZERO_TIME = '0001-01-01T00:00:00Z';

/** A call of one of Alertmanager's own texts and nothing else: ours takes its place. */
const DEFAULT_CALL = /^\s*\{\{-?\s*template\s+"[a-z0-9_]+\.default\.[a-zA-Z]+"\s*\.\s*-?\}\}\s*$/;

/** A text with places; undefined where the text of Binnacle is wanted. */
export const words = (description: string) => z.string()
  .transform((text, ctx): Template | undefined => {
    if (DEFAULT_CALL.test(text)) return undefined;
    const parsed = parseTemplate(text, []);
    if (parsed.ok) return parsed.template;
    fault(ctx, `is not a template: ${parsed.why}`, parsed.hint);
    return z.NEVER;
  }).describe(`${description} A template.`);

/** Keys of a section that may each be such a text, by what they are for. */
export const optionalWords = <Key extends string>(texts: Readonly<Record<Key, string>>) =>
  Object.fromEntries(Object.entries<string>(texts).map(([key, description]) =>
    [key, words(description).optional()])) as unknown as
      Record<Key, z.ZodOptional<z.ZodType<Template | undefined>>>;

export type Escape = (text: string) => string;

const asIs: Escape = (text) => text;

/**
 * What templates are filled in with. Unless it is left as it is (for JSON, which can say anything),
 * it is cleaned of control characters, too.
 */
export function dataOf(notification: Notification, escapeOf: Escape = asIs): TemplateData {
  const escape: Escape = escapeOf === asIs ? asIs : (text) => escapeOf(clean(text));
  const { receiver, status, alerts, groupLabels, commonLabels, commonAnnotations } = notification;
  return {
    variables: {},
    dot: {
      Receiver: escape(receiver),
      Status: status,
      Alerts: alerts.map((alert) => alertData(alert, escape)),
      NotificationReason: notification.reason,
      GroupLabels: escaped(groupLabels, escape),
      CommonLabels: escaped(commonLabels, escape),
      CommonAnnotations: escaped(commonAnnotations, escape),
      RouteLabels: {},
      ExternalURL: escape(notification.externalUrl),
      GroupKey: escape(notification.groupKey),
      TruncatedAlerts: notification.truncatedAlerts,
      Digest: escape(notification.digest),
    },
  };
}

function alertData(alert: NotifiedAlert, escape: Escape): Record<string, unknown> {
  const { status, labels, annotations, startsAtMs, endsAtMs, generatorUrl, evidence } = alert;
  return {
    Status: status,
    Labels: escaped(labels, escape),
    Annotations: escaped(annotations, escape),
    StartsAt: new Date(startsAtMs),
    EndsAt: new Date(endsAtMs ?? ZERO_TIME),
    GeneratorURL: escape(generatorUrl),
    Fingerprint: alert.fingerprint,
    Value: alert.value ?? '',
    Traces: evidence.traces.map(escape),
    Logs: evidence.logs.map(({ body }) => escape(body)),
  };
}

const escaped = (labels: Labels, escape: Escape): Labels => Object.fromEntries(
  Object.entries(labels).map(([name, value]) => [escape(name), escape(value)]));

/** The text of a template, or Binnacle's own where there is none. */
export const textOf = (template: Template | undefined, data: TemplateData, own: () => string) =>
  (template === undefined ? own() : template.render(data));
