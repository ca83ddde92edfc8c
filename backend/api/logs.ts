// `/api/logs`: log records in, a page of them, one by its id, its neighbours, and its deletion.
// See docs/api.md, Logs.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Batch } from '../../proto/contract/batch.ts';
import type { Outcome } from '../../proto/contract/outcome.ts';
import type { Log } from '../../runtime/log.ts';
import { entryOf, entryOfRow, type StoredRow } from '../logs/entry.ts';
import { newestFirst, readAround, readLog, readLogs } from '../logs/logs.ts';
import { PostedError, readPosted, type PostedOptions } from '../logs/posted.ts';
import { decodeLogId, hashOf, limits as rowLimits, rowOf, type LogPlace } from '../logs/row.ts';
import { searchOf } from '../logs/where.ts';
import { callerOf } from './caller.ts';
import { ApiError } from './errors.ts';
import { leavingOf } from './leaving.ts';
import { cursorOf, FILTER_SCHEMAS, lengthSchema, pageOf, readerOf, type AskedLogs,
  type ReadingOptions } from './logs_asked.ts';
import { answers, CURSOR_SCHEMA, invalid, LIMIT_SCHEMA, listSchema, problems, readInstantNs,
  readLimit } from './period.ts';
import { refuseForeignPages } from './query.ts';

export const limits = {
  /** A longer body is answered 413. */
  bodyBytesMax: 16 * 1024 * 1024,
  /** Lines on one side of a record; more are refused. */
  aroundMax: 500,
  /** Lines on one side of a record unless told otherwise. */
  aroundDefault: 10,
  /** Characters of a reason for a deletion; a longer one is refused. */
  reasonCharactersMax: 1000,
} as const;

export interface LogsRouteOptions extends ReadingOptions {
  readonly log: Log;
  /** Where records are handed in: answers after the commit. */
  readonly consume: (batch: Batch, abort: AbortSignal) => Promise<Outcome>;
}

export function registerLogs(app: FastifyInstance, options: LogsRouteOptions): void {
  app.addHook('onRequest', refuseForeignPages);
  app.addContentTypeParser(['application/x-ndjson', 'application/jsonl', 'application/ndjson'],
    { parseAs: 'string' }, (_, body, done) => {
      try {
        done(null, linesOf(body as string));
      } catch (error) {
        done(error as Error);
      }
    });
  app.post('/api/logs', { bodyLimit: limits.bodyBytesMax, schema: POST_DOCS },
    (request, reply) => take(options, request, reply));
  app.get('/api/logs', { schema: LIST_DOCS }, (request, reply) => list(options, request, reply));
  app.get('/api/logs/:id', { schema: ONE_DOCS }, async (request, reply) => {
    const row = await rowIn(options, request, reply);
    return reply.header('cache-control', 'no-store').send(entryOf(row));
  });
  app.get('/api/logs/:id/context', { schema: AROUND_DOCS }, async (request, reply) => {
    const asked = request.query as Readonly<Partial<Record<'before' | 'after', string>>>;
    const row = await rowIn(options, request, reply);
    const counts = { before: sideOf('before', asked.before), after: sideOf('after', asked.after) };
    const found = await readAround(readerOf(options, request, reply), row, counts);
    return reply.header('cache-control', 'no-store').send(found);
  });
  app.delete('/api/logs/:id', { schema: DELETE_DOCS }, (request, reply) =>
    remove(options, request, reply));
}

function linesOf(body: string): unknown[] {
  return body.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return [];
    try {
      return [JSON.parse(line) as unknown];
    } catch {
      throw new ApiError('INVALID_JSON', `line ${index + 1} is not JSON`);
    }
  });
}

async function take(options: LogsRouteOptions, request: FastifyRequest, reply: FastifyReply) {
  const { clock, random } = options.world;
  const posted = postedIn(request.body, {
    nowNs: () => clock.nowNs(),
    instantOf: (text) => readInstantNs('timestamp', text, clock.nowMs()),
    uid: () => random.uuid(),
  });
  const batch = Batch.fromRequest('logs', posted.request);
  const outcome = await options.consume(batch, leavingOf(reply));
  if (outcome.status === 'retryable') throw new ApiError('STORE_UNAVAILABLE', outcome.reason);
  if (outcome.status === 'rejected') throw invalid(outcome.reason);
  if (outcome.rejected > 0) throw invalid(outcome.reason ?? `${outcome.rejected} were refused`);
  const entries = posted.records.map(({ resource, record }) => {
    const row = rowOf(resource, undefined, record);
    return entryOfRow(row, hashOf(row));
  });
  const isList = Array.isArray(request.body);
  const message = isList ? `${entries.length} events logged successfully.`
    : 'Event logged successfully.';
  return reply.code(201).send({
    status: 'success', message, ids: entries.map(({ id }) => id),
    ...(isList ? {} : { id: entries[0]!.id, log: entries[0] }),
  });
}

function postedIn(body: unknown, options: PostedOptions) {
  try {
    return readPosted(body, options);
  } catch (error) {
    if (error instanceof PostedError) throw invalid(error.message);
    throw error;
  }
}

async function list(options: LogsRouteOptions, request: FastifyRequest, reply: FastifyReply) {
  const asked = request.query as AskedLogs;
  const search = searchOf(asked);
  const page = pageOf(asked, options.world.clock.nowMs());
  const limit = readLimit(asked.limit);
  const { rows, next } = await readLogs(readerOf(options, request, reply),
    { ...page, search, limit });
  const items = [...rows].sort(newestFirst).map(entryOf);
  const names = ['event_type', 'start_time', 'end_time'] as const;
  const data = names.some((name) => asked[name] !== undefined) ? { data: items } : {};
  return reply.header('cache-control', 'no-store')
    .send({ status: 'success', items, next: cursorOf(page, next), ...data });
}

function placeIn(request: FastifyRequest): LogPlace {
  const { id } = request.params as { id: string };
  const place = decodeLogId(id);
  if (place === null) throw new ApiError('NOT_FOUND', 'this is not the id of a log record');
  return place;
}

async function rowIn(
  options: LogsRouteOptions,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<StoredRow> {
  const row = await readLog(readerOf(options, request, reply), placeIn(request));
  if (row === null) throw new ApiError('NOT_FOUND', 'there is no such log record, or not any more');
  return row;
}

async function remove(options: LogsRouteOptions, request: FastifyRequest, reply: FastifyReply) {
  const { reason = '' } = request.query as { reason?: string };
  const row = await rowIn(options, request, reply);
  const { name: by, address } = callerOf(request);
  const { ask } = readerOf(options, request, reply);
  const { tie: hash, ServiceName: service } = row;
  const isAdded = await options.deleted.add(ask, {
    timeNs: BigInt(row.ns), hash, service, by, address, reason,
  });
  if (!isAdded) throw invalid('too many log records are deleted already; shorten the retention');
  const { id } = request.params as { id: string };
  options.log.info('a log record was deleted', { action: 'log.delete', id, by, address, reason });
  return reply.send({ status: 'success', message: 'Log deleted.', id });
}

function sideOf(name: string, text: string | undefined): number {
  if (text === undefined) return limits.aroundDefault;
  const count = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (!(count <= limits.aroundMax)) throw invalid(`${name} must be from 0 to ${limits.aroundMax}`);
  return count;
}

const ENTRY_SCHEMA = {
  type: 'object',
  required: ['id', 'timestamp', 'level', 'service', 'message', 'context'],
  additionalProperties: true,
  properties: {
    id: { type: 'string' },
    timestamp: { type: 'string', description: 'ISO 8601 to the nanosecond.' },
    level: { type: 'string' },
    service: { type: 'string' },
    message: { type: 'string' },
    event_type: { type: 'string', nullable: true },
    context: { type: 'object', additionalProperties: { type: 'string' } },
  },
};

const TAGS = ['logs'];
const COMMON = {
  400: problems('A value that cannot be right; INVALID_SEARCH has a position.'),
  429: problems('Too many queries run and wait at the same time.'),
  503: problems('The store is away.'),
};
const TOO_MUCH = { 422: problems('It takes too long; ask for a shorter period.') };
const GONE = { 404: problems('There is no such record, or it was deleted.') };
const ID = { type: 'object', required: ['id'], properties: {
  id: { type: 'string', maxLength: rowLimits.idCharactersMax } } };

/** What is wrong with a record is said by its place, not by a schema. */
const POSTED_SCHEMA = { description: 'A record, or an array of them.', example: {
  timestamp: '2026-01-02T03:04:05Z', level: 'ERROR', service: 'shop', message: 'payment failed',
  context: { order: 17 } } };

const POST_DOCS = {
  operationId: 'postLogs', summary: 'Store log records', tags: TAGS,
  description: 'One record, an array, or application/x-ndjson. A record has timestamp, level, '
    + 'service and message, or event_type and details. Answered after the commit.',
  body: { content: {
    'application/json': { schema: POSTED_SCHEMA },
    'application/x-ndjson': { schema: {} }, 'application/jsonl': { schema: {} },
    'application/ndjson': { schema: {} },
  } },
  response: {
    201: answers('Stored.', { type: 'object', required: ['status', 'message', 'ids'],
      additionalProperties: true, properties: {
        status: { type: 'string' }, message: { type: 'string' }, id: { type: 'string' },
        ids: { type: 'array', items: { type: 'string' } }, log: ENTRY_SCHEMA } }),
    413: problems('The body is too large.'), ...COMMON,
  },
};

const LIST_DOCS = {
  operationId: 'listLogs', summary: 'Log records, the newest first', tags: TAGS,
  querystring: { type: 'object', additionalProperties: false, properties: {
    ...FILTER_SCHEMAS, ...lengthSchema('7 days'), limit: LIMIT_SCHEMA, cursor: CURSOR_SCHEMA } },
  response: { 200: answers('A page.', listSchema(ENTRY_SCHEMA)), ...COMMON, ...TOO_MUCH },
};

const ONE_DOCS = {
  operationId: 'getLog', summary: 'One log record', tags: TAGS, params: ID,
  response: { 200: answers('The record.', ENTRY_SCHEMA), ...GONE, ...COMMON },
};

const lines = (side: string) => ({ type: 'string', maxLength: 10,
  description: `Lines ${side} it: ${limits.aroundDefault}, at most ${limits.aroundMax}.` });

const AROUND_DOCS = {
  operationId: 'logContext', summary: 'Lines around a log record, of the same stream', tags: TAGS,
  params: ID,
  querystring: { type: 'object', additionalProperties: false, properties: {
    before: lines('before'), after: lines('after') } },
  response: { 200: answers('In order of time.', { type: 'object',
    required: ['before', 'log', 'after', 'stream'], additionalProperties: true }),
  ...GONE, ...COMMON },
};

const DELETE_DOCS = {
  operationId: 'deleteLog', summary: 'Hide a log record until its retention is over', tags: TAGS,
  params: ID,
  querystring: { type: 'object', additionalProperties: false, properties: {
    reason: { type: 'string', maxLength: limits.reasonCharactersMax, description: 'Why.' } } },
  response: { 200: answers('Hidden.', { type: 'object', additionalProperties: true }),
    ...GONE, ...COMMON },
};
