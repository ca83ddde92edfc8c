// The bodies that `POST /api/alerts` takes, and the alert that each of them is:
//
//     {"alert_type", "message"}                                              alertname = alert_type
//     {"title", "message", "severity", "tags"}                               alertname = title
//     {"name", "description", "severity", "condition", "threshold", "current_value"}
//     {"labels", "annotations"}                                              as Alertmanager's
//
// Each may have `service`, `labels`, `annotations`, `startsAt`, `endsAt`, `generatorURL`, and
// `status: resolved`, which ends the alert with the same labels.
//
// What tells alerts apart are labels: name, severity, service, tags. Descriptions and values are
// not among them, so that the same trouble with another number is the same alert. Where a message
// is all there is, it is what tells them apart.

import { ALERT_NAME, type Labels } from '../../labels/labels.ts';
import type { PostedAlert } from '../../alerting/model.ts';
import { invalid, readInstantNs } from '../period.ts';

export const limits = {
  /** Characters of a message that become a label; the whole is in the annotations. */
  messageLabelCharactersMax: 200,
} as const;

export interface WrittenAlert {
  readonly alert_type?: string;
  readonly title?: string;
  readonly name?: string;
  readonly message?: string;
  readonly description?: string;
  readonly severity?: string;
  readonly condition?: string;
  readonly threshold?: number;
  readonly current_value?: number;
  readonly tags?: Readonly<Record<string, string | number | boolean>> | readonly string[];
  readonly service?: string;
  readonly labels?: Labels;
  readonly annotations?: Labels;
  readonly startsAt?: string;
  readonly endsAt?: string;
  readonly generatorURL?: string;
  readonly status?: 'firing' | 'resolved';
}

/** Throws ApiError for what is no alert. */
export function postedOf(written: WrittenAlert, nowMs: number): PostedAlert {
  const { labels = {}, annotations = {}, service = '', severity = '' } = written;
  const shape = shapeOf(written);
  const endsAtMs = instantOf('endsAt', written.endsAt, nowMs);
  const isOver = written.status === 'resolved' && (endsAtMs === null || endsAtMs > nowMs);
  const value = written.current_value;
  return {
    labels: { ...tagsOf(written.tags), ...labels, ...shape.labels,
      ...(service === '' ? {} : { service }),
      ...(severity === '' ? {} : { severity: severity.toLowerCase() }) },
    annotations: { ...annotations, ...shape.annotations },
    startsAtMs: instantOf('startsAt', written.startsAt, nowMs),
    endsAtMs: isOver ? nowMs : endsAtMs,
    generatorUrl: written.generatorURL ?? '',
    ...(value === undefined ? {} : { value }),
  };
}

interface Shape {
  readonly labels: Labels;
  readonly annotations: Labels;
}

function shapeOf(written: WrittenAlert): Shape {
  const { alert_type: type, title, name, message = '', description = '', labels } = written;
  if (type !== undefined) {
    return {
      labels: { [ALERT_NAME]: type, severity: severityOf(type),
        message: message.slice(0, limits.messageLabelCharactersMax) },
      annotations: { summary: message },
    };
  }
  if (title !== undefined) {
    return { labels: { [ALERT_NAME]: title }, annotations: { summary: message } };
  }
  if (name !== undefined) {
    const { condition = '', threshold } = written;
    return { labels: { [ALERT_NAME]: name }, annotations: {
      description: description === '' ? message : description, condition,
      threshold: threshold === undefined ? '' : String(threshold),
    } };
  }
  if (labels === undefined) {
    throw invalid('an alert has alert_type and message, or title, or name, or labels');
  }
  return { labels: {}, annotations: {} };
}

const SEVERITIES: readonly string[] = ['emergency', 'fatal', 'critical', 'high', 'major', 'error',
  'warning', 'warn', 'medium', 'minor', 'low', 'notice', 'info', 'debug'];

/** A category that is a severity, as `critical` or `warning`. */
const severityOf = (type: string): string =>
  (SEVERITIES.includes(type.toLowerCase()) ? type.toLowerCase() : '');

function tagsOf(tags: WrittenAlert['tags'] = {}): Labels {
  if (Array.isArray(tags)) {
    return tags.length === 0 ? {} : { tags: [...tags].sort().join(',') };
  }
  return Object.fromEntries(Object.entries(tags).map(([name, value]) => [name, String(value)]));
}

const instantOf = (name: string, text: string | undefined, nowMs: number): number | null =>
  (text === undefined ? null : Number(readInstantNs(name, text, nowMs) / 1_000_000n));

const text = (maxLength: number, description: string) =>
  ({ type: 'string', maxLength, description });
const pairs = (description: string) => ({ type: 'object', description,
  additionalProperties: { type: 'string' } });

export const WRITTEN_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  properties: {
    alert_type: { ...text(200, 'The category, such as critical.'), minLength: 1 },
    title: { ...text(200, 'What it is called.'), minLength: 1 },
    name: { ...text(200, 'What it is called.'), minLength: 1 },
    message: text(60_000, 'What is the matter.'),
    description: text(60_000, 'What is the matter.'),
    severity: text(100, 'Such as critical, warning, info.'),
    condition: text(1000, 'What did not hold, for people.'),
    threshold: { type: 'number', description: 'The limit that was passed.' },
    current_value: { type: 'number', description: 'What was measured.' },
    tags: { description: 'Labels, or a list of words.', anyOf: [
      { type: 'object', additionalProperties: { type: ['string', 'number', 'boolean'] } },
      { type: 'array', items: { type: 'string' } },
    ] },
    service: text(200, 'Becomes the label `service`.'),
    labels: pairs('What tells it apart.'),
    annotations: pairs('What people read.'),
    startsAt: text(64, 'ISO 8601; now unless given.'),
    endsAt: text(64, 'When it is over; without one it ends when it is not posted again.'),
    generatorURL: text(4096, 'Where people see more of it.'),
    status: { type: 'string', enum: ['firing', 'resolved'],
      description: 'resolved ends the alert with the same labels.' },
  },
} as const;
