// What `/api/alerts` says of itself in the description of the API.

import { answers, CURSOR_SCHEMA, LIMIT_SCHEMA, listSchema, problems } from '../period.ts';
import { WRITTEN_SCHEMA } from './shapes.ts';

export const ITEM = {
  type: 'object',
  required: ['id', 'name', 'severity', 'status', 'labels', 'annotations', 'created_at',
    'updated_at'],
  additionalProperties: true,
};

export const BY_ID = { type: 'object', required: ['id'], properties: {
  id: { type: 'string', maxLength: 100, description: 'The fingerprint of its labels.' },
} };

const TAGS = ['alerts'];
const REFUSED = problems('A value cannot be right.');
const NOT_THERE = problems('There is no alert with this id.');

const text = (maxLength: number, description: string) =>
  ({ type: 'string', maxLength, description });

export const ALERT_FILTERS = {
  state: text(100, 'pending, firing, acknowledged, resolved, several with commas, or all. What is '
    + 'not resolved unless given.'),
  severity: text(100, 'Only those of this severity.'),
  service: text(200, 'Only those with this label service, service.name or service_name.'),
  q: text(4096, 'Matchers of labels, such as severity="critical",host=~"web.*".'),
};

export const LIST_DOCS = {
  operationId: 'alerts', summary: 'Alerts as they are now, those that began last first',
  tags: TAGS,
  querystring: { type: 'object', additionalProperties: false,
    properties: { ...ALERT_FILTERS, limit: LIMIT_SCHEMA, cursor: CURSOR_SCHEMA } },
  response: { 200: answers('The alerts.', listSchema(ITEM)), 400: REFUSED },
};

export const ONE_DOCS = {
  operationId: 'alert', summary: 'One alert, with notes, groups and evidence', tags: TAGS,
  params: BY_ID, response: { 200: answers('It.', ITEM), 404: NOT_THERE },
};

const DONE = {
  type: 'object', required: ['status', 'message', 'id'], additionalProperties: true,
};

export const POST_DOCS = {
  operationId: 'raiseAlert', summary: 'Raise an alert, or end it with status: resolved', tags: TAGS,
  body: WRITTEN_SCHEMA,
  response: { 201: answers('It is stored.', DONE), 400: REFUSED },
};

const SAYING = {
  by: text(200, 'Who says so, while nobody needs a token.'),
  comment: text(10_000, 'Why.'),
  group: { type: 'boolean', description: 'All alerts that fire in the groups of this one.' },
};

const TIMES = {
  until: text(64, 'ISO 8601.'),
  for: text(64, 'Such as 30m, 2h, 1d.'),
};

const action = (operationId: string, summary: string, properties: object, required: string[]) => ({
  operationId, summary, tags: TAGS, params: BY_ID,
  body: { type: ['object', 'null'], additionalProperties: false, properties, required },
  response: { 200: answers('It as it is now.', ITEM), 400: REFUSED, 404: NOT_THERE },
});

export const ACKNOWLEDGE_DOCS = action('acknowledgeAlert',
  'Somebody looks after it: no repetition and no escalation until it is over, or for a time',
  { ...SAYING, ...TIMES }, []);
export const UNACKNOWLEDGE_DOCS = action('unacknowledgeAlert',
  'End its acknowledgement and its snooze', SAYING, []);
export const SNOOZE_DOCS = action('snoozeAlert', 'Say nothing of it until then',
  { ...SAYING, ...TIMES }, []);
export const RESOLVE_DOCS = action('resolveAlert', 'It is over until it fires anew',
  { ...SAYING, note: text(10_000, 'What was done; the same as comment.'),
    resolution: text(10_000, 'The same as comment.') }, []);
export const NOTE_DOCS = action('noteOnAlert', 'Write a note on it',
  { by: SAYING.by, text: { ...text(10_000, 'The note.'), minLength: 1 } }, ['text']);
