// Statements that somebody has saved, for all who may write SQL: `/api/saved-queries`. They are
// changed and deleted by their owner, operators and admins. Nothing of them runs here.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { World } from '../../runtime/world.ts';
import { mayDo } from '../access/permissions.ts';
import type { Caller } from '../access/roles.ts';
import type { Desk } from '../query/desk.ts';
import type { Storage } from '../storage/contract.ts';
import { callerOf } from './caller.ts';
import { ApiError } from './errors.ts';
import { leavingOf } from './leaving.ts';
import { CURSOR_SCHEMA, LIMIT_SCHEMA, answers, decodeCursor, listSchema, pageOf, problems,
  readLimit } from './period.ts';
import { refuseForeignPages } from './query.ts';
import { limits as questionLimits } from './question.ts';

export const limits = {
  /** Saved queries; one more is refused until some are deleted. */
  savedMax: 10_000,
  /** Characters; more are refused. */
  nameCharactersMax: 200,
  descriptionCharactersMax: 4000,
  bodyBytesMax: 1024 * 1024,
} as const;

export interface SavedQueriesRouteOptions {
  readonly desk: Desk;
  readonly world: World;
  readonly store: Pick<Storage, 'append'>;
}

interface Written {
  readonly name: string;
  readonly sql: string;
  readonly description?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly format?: string;
}

interface Saved extends Required<Omit<Written, 'params'>> {
  readonly id: string;
  readonly version: number;
  readonly params: string;
  readonly owner: string;
  readonly createdMs: number;
  readonly updatedMs: number;
}

const TABLE = 'binnacle_saved_queries';

export function registerSavedQueries(app: FastifyInstance, options: SavedQueriesRouteOptions) {
  const { desk, world: { clock, random } } = options;
  app.addHook('onRequest', refuseForeignPages);
  app.get('/api/saved-queries', { schema: LIST_DOCS }, async (request, reply) =>
    send(reply, await listOf(desk, request, reply)));
  app.get('/api/saved-queries/:id', { schema: GET_DOCS }, async (request, reply) =>
    send(reply, shown(await find(desk, request, reply))));
  app.post('/api/saved-queries', BODY(CREATE_DOCS), async (request, reply) => {
    const caller = callerOf(request);
    const [found] = await desk.rows<{ count: number }>({
      sql: `SELECT count() AS count FROM ${TABLE} FINAL WHERE Deleted = 0`,
    }, caller, leavingOf(reply));
    if (found!.count >= limits.savedMax) {
      throw new ApiError('INVALID_REQUEST', `${limits.savedMax} queries are saved, which is the `
        + 'limit', 'delete some first');
    }
    const nowMs = clock.nowMs();
    const saved = savedOf(request.body as Written, { id: random.uuid(), version: nowMs,
      owner: caller.name, createdMs: nowMs, updatedMs: nowMs });
    await write(options, saved, false);
    return send(reply.code(201), shown(saved));
  });
  app.put('/api/saved-queries/:id', BODY(PUT_DOCS), async (request, reply) => {
    const { id, owner, createdMs, version } = await findToChange(desk, request, reply);
    const nowMs = clock.nowMs();
    const saved = savedOf(request.body as Written, { id, owner, createdMs, updatedMs: nowMs,
      version: Math.max(nowMs, version + 1) });
    await write(options, saved, false);
    return send(reply, shown(saved));
  });
  app.delete('/api/saved-queries/:id', { schema: DELETE_DOCS }, async (request, reply) => {
    const saved = await findToChange(desk, request, reply);
    await write(options, { ...saved, version: Math.max(clock.nowMs(), saved.version + 1) }, true);
    return send(reply, shown(saved));
  });
}

const send = (reply: FastifyReply, found: object): FastifyReply =>
  reply.header('cache-control', 'no-store').send(found);

type Place = readonly [updatedMs: number, id: string];

const isPlace = (place: unknown): place is Place => Array.isArray(place) && place.length === 2
  && Number.isSafeInteger(place[0]) && typeof place[1] === 'string';

async function listOf(desk: Desk, request: FastifyRequest, reply: FastifyReply) {
  const { limit: limitText, cursor } = request.query as { limit?: string; cursor?: string };
  const limit = readLimit(limitText);
  const before: Place | null = cursor === undefined ? null : decodeCursor(cursor, isPlace);
  const rows = await desk.rows<Saved>({
    sql: `${SELECT} WHERE Deleted = 0 ${before === null ? ''
      : 'AND (Updated, Id) < (fromUnixTimestamp64Milli({updatedMs:Int64}), {id:String})'}
      ORDER BY Updated DESC, Id DESC LIMIT {limit:UInt32}`,
    params: { limit: limit + 1, ...(before === null ? {} : { updatedMs: before[0],
      id: before[1] }) },
  }, callerOf(request), leavingOf(reply));
  const { items, next } = pageOf(rows, limit, ({ updatedMs, id }) => [updatedMs, id]);
  return { items: items.map(shown), next };
}

async function find(desk: Desk, request: FastifyRequest, reply: FastifyReply): Promise<Saved> {
  const { id } = request.params as { id: string };
  const [row] = await desk.rows<Saved>({
    sql: `${SELECT} WHERE Deleted = 0 AND Id = {id:String} LIMIT 1`, params: { id },
  }, callerOf(request), leavingOf(reply));
  if (row !== undefined) return row;
  throw new ApiError('NOT_FOUND', 'there is no saved query with this id',
    'GET /api/saved-queries lists them');
}

async function findToChange(desk: Desk, request: FastifyRequest, reply: FastifyReply) {
  const saved = await find(desk, request, reply);
  const caller: Caller = callerOf(request);
  if (saved.owner === caller.name || mayDo(caller.role, 'operate')) return saved;
  throw new ApiError('FORBIDDEN', `the query belongs to ${saved.owner}`,
    'save one of your own, or ask an operator');
}

const savedOf = (
  { name, sql, description = '', params = {}, format = '' }: Written,
  own: Pick<Saved, 'id' | 'version' | 'owner' | 'createdMs' | 'updatedMs'>,
): Saved => ({ ...own, name, sql, description, format, params: JSON.stringify(params) });

/** Whoever saves waits for it: an answer means that it is stored. */
function write({ store }: SavedQueriesRouteOptions, saved: Saved, isDeleted: boolean) {
  const iso = (ms: number) => new Date(ms).toISOString();
  const row = {
    Id: saved.id, Version: saved.version, Deleted: isDeleted ? 1 : 0, Name: saved.name,
    Description: saved.description, Statement: saved.sql, Params: saved.params,
    Format: saved.format, Owner: saved.owner, Created: iso(saved.createdMs),
    Updated: iso(saved.updatedMs),
  };
  return store.append({ table: TABLE, rows: [row], abort: AbortSignal.timeout(WRITE_MS) });
}

const WRITE_MS = 30_000;

const SELECT = `SELECT Id AS id, Version AS version, Name AS name, Description AS description,
    Statement AS sql, Params AS params, Format AS format, Owner AS owner,
    toUnixTimestamp64Milli(Created) AS createdMs, toUnixTimestamp64Milli(Updated) AS updatedMs
  FROM ${TABLE} FINAL`;

function shown({ createdMs, updatedMs, params, format, version: _, ...saved }: Saved) {
  return {
    ...saved, params: JSON.parse(params) as object, format: format === '' ? null : format,
    created: new Date(createdMs).toISOString(), updated: new Date(updatedMs).toISOString(),
  };
}

const text = (maxLength: number, description: string, more: object = {}) =>
  ({ type: 'string', maxLength, description, ...more });

const WRITTEN = {
  type: 'object',
  required: ['name', 'sql'],
  additionalProperties: false,
  properties: {
    name: text(limits.nameCharactersMax, 'For people.', { minLength: 1 }),
    sql: text(questionLimits.sqlCharactersMax, 'The statement.', { minLength: 1 }),
    description: text(limits.descriptionCharactersMax, 'What it is for.'),
    params: { type: 'object', additionalProperties: true, description: 'Usual values.' },
    format: text(100, 'A ClickHouse format.', { pattern: '^[A-Za-z0-9]*$' }),
  },
};

const SAVED = {
  type: 'object',
  required: ['id', 'name', 'sql', 'owner', 'created', 'updated'],
  additionalProperties: true,
};

const BY_ID = {
  type: 'object', required: ['id'], properties: { id: { type: 'string', maxLength: 100 } },
};

const NOT_THERE = problems('There is none with this id.');
const NOT_OWN = problems('It belongs to somebody else.');

const LIST_DOCS = {
  operationId: 'savedQueries',
  summary: 'Statements that were saved, those changed last first',
  tags: ['query'],
  querystring: {
    type: 'object',
    additionalProperties: false,
    properties: { limit: LIMIT_SCHEMA, cursor: CURSOR_SCHEMA },
  },
  response: { 200: answers('The saved queries.', listSchema(SAVED)) },
};

const GET_DOCS = {
  operationId: 'savedQuery', summary: 'One saved query', tags: ['query'], params: BY_ID,
  response: { 200: answers('It.', SAVED), 404: NOT_THERE },
};

const CREATE_DOCS = {
  operationId: 'saveQuery', summary: 'Save a statement', tags: ['query'], body: WRITTEN,
  response: { 201: answers('It is saved.', SAVED), 400: problems('A value cannot be right.') },
};

const PUT_DOCS = {
  operationId: 'changeSavedQuery', summary: 'Change a saved query', tags: ['query'], params: BY_ID,
  body: WRITTEN,
  response: { 200: answers('It is saved.', SAVED), 403: NOT_OWN, 404: NOT_THERE },
};

const DELETE_DOCS = {
  operationId: 'deleteSavedQuery', summary: 'Delete a saved query', tags: ['query'], params: BY_ID,
  response: { 200: answers('It is gone; this is what it was.', SAVED), 403: NOT_OWN,
    404: NOT_THERE },
};

const BODY = (schema: object) => ({ schema, bodyLimit: limits.bodyBytesMax });
