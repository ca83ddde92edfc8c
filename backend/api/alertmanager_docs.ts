// What the routes of Alertmanager's API v2 say of themselves, and what bodies they take.

const TAGS = ['alertmanager'];

const text = (description: string) => ({ type: 'string', description });
const FLAG = text('true or false; true unless given.');
const FILTER = {
  description: 'Matchers, such as alertname="X"; each must fit.',
  anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }],
};

/** What is not known is let pass, as Alertmanager does. */
const query = (properties: object) =>
  ({ type: 'object', additionalProperties: true, properties });

const answer = (description: string, schema: object) =>
  ({ description, content: { 'application/json': { schema } } });
const LIST = { type: 'array', items: { type: 'object', additionalProperties: true } };
const OBJECT = { type: 'object', additionalProperties: true };
const WRONG = { 400: answer('What is wrong, as text.', { type: 'string' }) };
const NOT_THERE = { 404: answer('There is none with this id.', { type: 'string' }) };

const ALERT_FILTERS = {
  active: FLAG, silenced: FLAG, inhibited: FLAG, unprocessed: FLAG, filter: FILTER,
  receiver: text('A regular expression of receivers.'),
};

const PAIRS = { type: 'object', additionalProperties: { type: 'string' } };

const ALERTS_BODY = { type: 'array', items: {
  type: 'object', required: ['labels'], additionalProperties: true, properties: {
    labels: PAIRS, annotations: PAIRS, startsAt: { type: 'string' }, endsAt: { type: 'string' },
    generatorURL: { type: 'string' },
  },
} };

const SILENCE_BODY = {
  type: 'object', required: ['matchers', 'startsAt', 'endsAt', 'createdBy', 'comment'],
  additionalProperties: true, properties: {
    id: { type: 'string', nullable: true },
    matchers: { type: 'array', minItems: 1, items: {
      type: 'object', required: ['name', 'value'], additionalProperties: true, properties: {
        name: { type: 'string' }, value: { type: 'string' }, isRegex: { type: 'boolean' },
        isEqual: { type: 'boolean' },
      },
    } },
    startsAt: { type: 'string' }, endsAt: { type: 'string' }, createdBy: { type: 'string' },
    comment: { type: 'string' },
  },
};

const BY_ID = { type: 'object', required: ['id'], properties: {
  id: { type: 'string', maxLength: 100 } } };

const docs = (operationId: string, summary: string, more: object) =>
  ({ operationId, summary, tags: TAGS, querystring: query({}), ...more });

export const DOCS = {
  status: docs('alertmanagerStatus', 'Version, configuration, since when',
    { response: { 200: answer('It.', OBJECT) } }),
  receivers: docs('alertmanagerReceivers', 'Names of the receivers',
    { response: { 200: answer('They.', LIST) } }),
  alerts: docs('alertmanagerAlerts', 'Alerts that fire',
    { querystring: query(ALERT_FILTERS), response: { 200: answer('They.', LIST), ...WRONG } }),
  postAlerts: docs('alertmanagerPostAlerts', 'Alerts of Prometheus and others',
    { body: ALERTS_BODY, response: { 200: { description: 'They are stored.' },
      400: answer('What is wrong with which; the others are stored.', { type: 'string' }) } }),
  groups: docs('alertmanagerGroups', 'Alerts that fire, by group', {
    querystring: query({ ...ALERT_FILTERS, muted: FLAG }),
    response: { 200: answer('They.', LIST), ...WRONG } }),
  silences: docs('alertmanagerSilences', 'Silences', {
    querystring: query({ filter: FILTER, active: FLAG, pending: FLAG, expired: FLAG }),
    response: { 200: answer('They.', LIST), ...WRONG } }),
  postSilence: docs('alertmanagerPostSilence', 'Set a silence, or change one', {
    body: SILENCE_BODY,
    response: { 200: answer('Its id, as silenceID.', OBJECT), ...WRONG, ...NOT_THERE } }),
  silence: docs('alertmanagerSilence', 'One silence',
    { params: BY_ID, response: { 200: answer('It.', OBJECT), ...NOT_THERE } }),
  deleteSilence: docs('alertmanagerDeleteSilence', 'End a silence',
    { params: BY_ID, response: { 200: { description: 'It is over.' }, ...NOT_THERE } }),
};
