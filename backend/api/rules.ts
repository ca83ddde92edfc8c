// `/api/rules`: the rules that count, and those that people make over the API. Rules of files are
// shown with the others, and changed in their files. A rule is written as in a file, in YAML or
// JSON, with `group` and the group's keys beside its own (docs/rules.md).

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ConfigProblem } from '../../config/errors.ts';
import type { BookRule, RuleWritten, WatchedRuleBook } from '../rules/book.ts';
import { durationText } from '../rules/file/options.ts';
import type { Template } from '../template/template.ts';
import { callerOf } from './caller.ts';
import { ApiError, type ProblemPlace } from './errors.ts';
import { answers, CURSOR_SCHEMA, decodeCursor, encodeCursor, LIMIT_SCHEMA, listSchema, problems,
  readLimit } from './period.ts';
import { refuseForeignPages } from './query.ts';

export const limits = {
  /** Bytes of a rule, and of a file that is to be checked; more are refused. */
  bodyBytesMax: 1024 * 1024,
} as const;

export interface RulesRouteOptions {
  readonly book: Pick<WatchedRuleBook, 'problems' | 'rules' | 'rule' | 'check' | 'create' | 'change'
    | 'remove'>;
}

/** Adds the routes to `app`, which should be a scope of its own: bodies stay text in it. */
export function registerRules(app: FastifyInstance, { book }: RulesRouteOptions): void {
  app.addHook('onRequest', refuseForeignPages);
  // Where a mistake is can only be said of the text that somebody wrote.
  app.removeContentTypeParser(['application/json', 'text/plain']);
  app.addContentTypeParser(TYPES, { parseAs: 'string' }, (_, body, done) => done(null, body));
  app.get('/api/rules', { schema: LIST_DOCS }, async (request, reply) =>
    send(reply, listOf(book, request)));
  app.get('/api/rules/:id', { schema: GET_DOCS }, async (request, reply) =>
    send(reply, shown(found(book, request))));
  app.post('/api/rules', body(CREATE_DOCS), async (request, reply) => {
    const made = await book.create(textOf(request), callerOf(request).name);
    return send(reply.code(201), shown(written(made)));
  });
  app.post('/api/rules/check', body(CHECK_DOCS), async (request, reply) => {
    const { id } = request.query as { id?: string };
    const wrong = await book.check(textOf(request), id);
    return send(reply, { ok: wrong.length === 0, problems: wrong.map(placeOf) });
  });
  app.put('/api/rules/:id', body(CHANGE_DOCS), async (request, reply) => {
    const { id } = request.params as { id: string };
    const changed = await book.change(id, textOf(request), callerOf(request).name);
    return send(reply, shown(written(changed)));
  });
  app.delete('/api/rules/:id', { schema: DELETE_DOCS }, async (request, reply) => {
    const { id } = request.params as { id: string };
    const before = book.rule(id);
    const cause = await book.remove(id, callerOf(request).name);
    if (cause !== 'removed') throw refusal(cause);
    return send(reply, before === null ? { id } : shown(before));
  });
}

const TYPES = ['application/json', 'application/yaml', 'application/x-yaml', 'text/yaml',
  'text/plain'];

const send = (reply: FastifyReply, answer: object): FastifyReply =>
  reply.header('cache-control', 'no-store').send(answer);

function textOf({ body }: FastifyRequest): string {
  if (typeof body === 'string' && body.trim() !== '') return body;
  throw new ApiError('INVALID_RULE', 'the body has no rule');
}

const isPlace = (place: unknown): place is number => Number.isSafeInteger(place);

function listOf(book: RulesRouteOptions['book'], request: FastifyRequest) {
  const { limit: limitText, cursor } = request.query as { limit?: string; cursor?: string };
  const limit = readLimit(limitText);
  const from = cursor === undefined ? 0 : decodeCursor(cursor, isPlace);
  const all = book.rules();
  const to = from + limit;
  return {
    items: all.slice(from, to).map(shown), next: to < all.length ? encodeCursor(to) : null,
    problems: book.problems().map((problem) => ({ file: problem.file, ...placeOf(problem) })),
  };
}

function found(book: RulesRouteOptions['book'], request: FastifyRequest): BookRule {
  const { id } = request.params as { id: string };
  const rule = book.rule(id);
  if (rule === null) throw refusal('missing');
  return rule;
}

function written(outcome: RuleWritten): BookRule {
  if (outcome.ok) return outcome.rule;
  const [first] = outcome.problems;
  if (outcome.cause !== 'invalid' || first === undefined) throw refusal(outcome.cause);
  const message = first.path === '' ? first.why : `${first.path}: ${first.why}`;
  const hint = first.hint === '' ? undefined : first.hint;
  throw new ApiError('INVALID_RULE', message, hint, outcome.problems.map(placeOf));
}

function refusal(cause: 'invalid' | 'missing' | 'read_only' | 'full'): ApiError {
  switch (cause) {
    case 'missing': return new ApiError('NOT_FOUND', 'there is no rule with this id',
      'GET /api/rules lists them');
    case 'read_only': return new ApiError('READ_ONLY_RULE', 'the rule belongs to a file');
    case 'full': return new ApiError('INVALID_REQUEST', 'there are as many rules as there may be',
      'delete some first, or write them in files');
    case 'invalid': return new ApiError('INVALID_RULE', 'the rule cannot be');
  }
}

const placeOf = ({ line, column, path, why, hint }: ConfigProblem): ProblemPlace =>
  ({ line, column, path, message: why, hint });

function shown({ rule, group, origin, written: made }: BookRule) {
  const texts = (templates: Readonly<Record<string, Template>>) =>
    Object.fromEntries(Object.entries(templates).map(([name, { text }]) => [name, text]));
  return {
    id: rule.id, name: rule.name, group: group.name, interval: durationText(group.intervalMs),
    query_offset: durationText(group.queryOffsetMs), limit: group.limit,
    origin, file: origin === 'api' ? null : rule.position.file,
    line: origin === 'api' ? null : rule.position.line, editable: origin === 'api',
    type: rule.source.type,
    severities: rule.levels.map(({ severity }) => severity).filter((one) => one !== ''),
    labels: texts(rule.labels), annotations: texts(rule.annotations),
    runbook: rule.runbook, owner: rule.owner, text: made?.text ?? rule.text,
    changed_by: made?.actor ?? null,
    changed: made === null ? null : new Date(made.atMs).toISOString(),
  };
}

const BY_ID = {
  type: 'object', required: ['id'], properties: { id: { type: 'string', maxLength: 100 } },
};

const RULE = {
  type: 'object', required: ['id', 'name', 'group', 'origin', 'type', 'text'],
  additionalProperties: true,
};

const WRITTEN = 'A rule as in a rule file, YAML or JSON, with `group`, `interval`, `query_offset` '
  + 'and `limit` of its group beside its own keys.';
const NOT_THERE = problems('There is none with this id.');
const OF_FILE = problems('It belongs to a file, and is changed there.');
const WRONG = problems('The rule cannot be: `line`, `column` and `problems` say where and why.');
const TAGS = ['rules'];

const LIST_DOCS = {
  operationId: 'rules', summary: 'Rules that count, and what is wrong with rule files', tags: TAGS,
  querystring: {
    type: 'object', additionalProperties: false,
    properties: { limit: LIMIT_SCHEMA, cursor: CURSOR_SCHEMA },
  },
  response: { 200: answers('The rules.', listSchema(RULE)) },
};

const GET_DOCS = {
  operationId: 'rule', summary: 'One rule', tags: TAGS, params: BY_ID,
  response: { 200: answers('It.', RULE), 404: NOT_THERE },
};

const CREATE_DOCS = {
  operationId: 'createRule', summary: 'Make a rule', description: WRITTEN, tags: TAGS,
  response: { 201: answers('It counts from now on.', RULE), 400: WRONG },
};

const CHECK_DOCS = {
  operationId: 'checkRule', summary: 'What is wrong with a rule or a rule file',
  description: `${WRITTEN} Or a whole file, with \`groups\`. Nothing is stored.`, tags: TAGS,
  querystring: {
    type: 'object', additionalProperties: false,
    properties: { id: { type: 'string', maxLength: 100,
      description: 'The rule that it is to replace.' } },
  },
  response: { 200: answers('`ok`, and all mistakes in `problems`.', {
    type: 'object', required: ['ok', 'problems'], additionalProperties: true }) },
};

const CHANGE_DOCS = {
  operationId: 'changeRule', summary: 'Change a rule', description: WRITTEN, tags: TAGS,
  params: BY_ID,
  response: { 200: answers('It counts from now on.', RULE), 400: WRONG, 404: NOT_THERE,
    409: OF_FILE },
};

const DELETE_DOCS = {
  operationId: 'deleteRule', summary: 'Delete a rule; its alerts are over', tags: TAGS,
  params: BY_ID,
  response: { 200: answers('It is gone; this is what it was.', RULE), 404: NOT_THERE,
    409: OF_FILE },
};

const ANY_TEXT = { schema: { type: 'string', description: WRITTEN } };

/** Of a body in any of the types; the schema is documentation. */
const body = (schema: object) => ({
  bodyLimit: limits.bodyBytesMax,
  schema: { ...schema, body: { content: Object.fromEntries(TYPES.map((type) =>
    [type, ANY_TEXT])) } },
});
