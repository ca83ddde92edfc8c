// `GET /api/exceptions` and `/api/exceptions/{fingerprint}`: what went wrong, grouped by type and
// stack trace. See docs/api.md.

import type { FastifyInstance } from 'fastify';
import type { World } from '../../runtime/world.ts';
import { limits as exceptionLimits, readException, readExceptions, type ExceptionPlace,
  type ExceptionSort } from '../traces/exceptions.ts';
import { askingFor, type AskingOptions } from './asking.ts';
import { ApiError } from './errors.ts';
import { answers, CURSOR_SCHEMA, DAY_MS, decodeCursor, encodeCursor, listSchema, periodSchema,
  problems, readLimit, readPeriod, type Period } from './period.ts';
import { refuseForeignPages } from './query.ts';

export const limits = {
  /** Characters of a service or type to choose by. */
  valueCharactersMax: 1000,
} as const;

export interface ExceptionsRouteOptions extends AskingOptions {
  readonly world: World;
}

type Asked = Readonly<Partial<Record<
  'from' | 'to' | 'service' | 'type' | 'sort' | 'limit' | 'cursor', string>>>;

export function registerExceptions(app: FastifyInstance, options: ExceptionsRouteOptions): void {
  const { clock } = options.world;
  const { itemsMax, itemsDefault } = exceptionLimits;
  const requestOf = (asked: Asked) => ({
    ...placeOf(asked, clock.nowMs()),
    service: asked.service ?? null,
    type: asked.type ?? null,
    limit: readLimit(asked.limit, itemsMax, itemsDefault),
  });
  const pageOf = (found: { readonly next: ExceptionPlace | null }, period: Period) => ({
    from: new Date(period.fromMs).toISOString(),
    to: new Date(period.toMs).toISOString(),
    ...found,
    next: found.next === null ? null : encodeCursor({ ...period, ...found.next }),
  });
  app.addHook('onRequest', refuseForeignPages);
  app.get('/api/exceptions', { schema: LIST_DOCS }, async (request, reply) => {
    const asked = request.query as Asked;
    const { rows, hiddenLogs } = askingFor(options, request, reply, 0);
    const wanted = { ...requestOf(asked), sort: (asked.sort ?? 'count') as ExceptionSort };
    const logs = await hiddenLogs(wanted.period);
    const found = await readExceptions(rows, { ...wanted, logs });
    return reply.header('cache-control', 'no-store').send(pageOf(found, wanted.period));
  });
  app.get('/api/exceptions/:fingerprint', { schema: ONE_DOCS }, async (request, reply) => {
    const { fingerprint } = request.params as { fingerprint: string };
    const { rows, hiddenLogs } = askingFor(options, request, reply, 0);
    const wanted = requestOf(request.query as Asked);
    const logs = await hiddenLogs(wanted.period);
    const found = await readException(rows, fingerprint.toLowerCase(), { ...wanted, logs });
    if (found === null) {
      throw new ApiError('NOT_FOUND', `there is no exception '${fingerprint}' in this period`);
    }
    return reply.header('cache-control', 'no-store').send(pageOf(found, wanted.period));
  });
}

/** Pages of a list are of one period, whatever the time is. */
function placeOf(asked: Asked, nowMs: number): { period: Period; after: ExceptionPlace | null } {
  if (asked.cursor === undefined) {
    return { period: readPeriod(asked, { nowMs, defaultMs: DAY_MS }), after: null };
  }
  const place = decodeCursor(asked.cursor, (one): one is Period & ExceptionPlace => {
    const { fromMs, toMs, key, id } = (one ?? {}) as Period & ExceptionPlace;
    return Number.isSafeInteger(fromMs) && Number.isSafeInteger(toMs) && typeof id === 'string'
      && typeof key === 'string' && /^\d{1,19}(\.\d{1,9})?$/.test(key);
  });
  const { fromMs, toMs, key, id } = place;
  return { period: { fromMs, toMs }, after: { key, id } };
}

const TEXT = { type: 'string' } as const;
const NUMBER = { type: 'number' } as const;
const CHOICE = { ...TEXT, maxLength: limits.valueCharactersMax } as const;
const PARAMETERS = {
  ...periodSchema('24 hours'),
  service: { ...CHOICE, description: 'Only of this service.' },
  type: { ...CHOICE, description: 'Only of this type, such as TypeError.' },
  limit: { ...TEXT, maxLength: 10, description: `Items of the answer, up to ${
    exceptionLimits.itemsMax}; ${exceptionLimits.itemsDefault} unless given.` },
  cursor: CURSOR_SCHEMA,
};
const refusals = {
  400: problems('A value that cannot be right.'),
  422: problems('It takes too long or too much memory; ask for a shorter period.'),
  429: problems('Too many queries run and wait at the same time.'),
  503: problems('The store is away.'),
};

const GROUP = {
  type: 'object',
  required: ['fingerprint', 'type', 'message', 'stack', 'pattern', 'count', 'inSpans', 'inLogs',
    'firstSeen', 'lastSeen', 'services', 'example'],
  properties: {
    fingerprint: TEXT, type: TEXT, message: TEXT, stack: TEXT,
    pattern: { ...TEXT, description: 'What the group has in common.' },
    count: NUMBER, inSpans: NUMBER, inLogs: NUMBER, firstSeen: TEXT, lastSeen: TEXT,
    services: { type: 'array', items: TEXT },
    example: { type: 'object', properties: { traceId: TEXT, spanId: TEXT, operation: TEXT } },
  },
} as const;

const LIST_DOCS = {
  operationId: 'exceptions',
  summary: 'Exceptions, grouped by type and stack trace',
  description: 'From events of spans and from log records. Lines, addresses, ids and messages make '
    + 'no group of their own; `fingerprint` is the same at all times.',
  tags: ['traces'],
  querystring: { type: 'object', additionalProperties: false, properties: {
    ...PARAMETERS,
    sort: { ...TEXT, enum: ['count', 'recent', 'new'], description: 'The most frequent first, '
      + 'unless given; those seen last; those first seen last.' },
  } },
  response: { 200: answers('A page of groups.', listSchema(GROUP)), ...refusals },
};

const ONE_DOCS = {
  operationId: 'exception',
  summary: 'One group of exceptions, and when and where they happened',
  tags: ['traces'],
  params: { type: 'object', required: ['fingerprint'], properties: {
    fingerprint: { ...TEXT, pattern: '^[0-9a-fA-F]{16}$' } } },
  querystring: { type: 'object', additionalProperties: false, properties: PARAMETERS },
  response: {
    200: answers('The group, and a page of examples.', {
      ...listSchema({ type: 'object', additionalProperties: true }), required: ['group', 'items',
        'next', 'isComplete'] }),
    404: problems('The period has no such exception.'),
    ...refusals,
  },
};
