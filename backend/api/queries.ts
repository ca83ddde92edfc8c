// Queries that run and have run: `GET /api/queries`, and one of them by its id, which may also be
// ended. Admins see those of everybody, others their own; what is not one's own is not there.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { World } from '../../runtime/world.ts';
import type { Caller } from '../access/roles.ts';
import { AUDIT_TABLE, type Audit } from '../query/audit.ts';
import type { Desk } from '../query/desk.ts';
import type { QueryRecord } from '../query/record.ts';
import { callerOf } from './caller.ts';
import { ApiError } from './errors.ts';
import { leavingOf } from './leaving.ts';
import { CURSOR_SCHEMA, LIMIT_SCHEMA, answers, decodeCursor, listSchema, pageOf, problems,
  readLimit } from './period.ts';
import { refuseForeignPages } from './query.ts';

export interface QueriesRouteOptions {
  readonly desk: Desk;
  readonly world: World;
  /** Has what has just ended written, so that it can be listed. */
  readonly audit?: Pick<Audit, 'flush'> | undefined;
}

export function registerQueries(app: FastifyInstance, options: QueriesRouteOptions): void {
  app.addHook('onRequest', refuseForeignPages);
  app.get('/api/queries', { schema: LIST_DOCS }, async (request, reply) =>
    send(reply, await listOf(options, request, reply)));
  app.get('/api/query/:id', { schema: GET_DOCS }, async (request, reply) =>
    send(reply, shown(await find(options, request, reply))));
  app.delete('/api/query/:id', { schema: CANCEL_DOCS }, async (request, reply) => {
    const { id } = request.params as { id: string };
    const { records } = options.desk;
    const record = records.find(id);
    if (record === null || !maySee(callerOf(request), record.caller.name)) throw notThere();
    if (!records.cancel(id)) {
      throw new ApiError('NOT_FOUND', 'the query has ended', 'GET /api/queries lists what runs');
    }
    return send(reply, shown(records.find(id) ?? record));
  });
}

const send = (reply: FastifyReply, found: object): FastifyReply =>
  reply.header('cache-control', 'no-store').send(found);

const maySee = ({ name, role }: Caller, owner: string): boolean =>
  role === 'admin' || name === owner;

const notThere = () =>
  new ApiError('NOT_FOUND', 'there is no query with this id', 'GET /api/queries lists them');

async function find(
  { desk, audit }: QueriesRouteOptions,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<QueryRecord> {
  const { id } = request.params as { id: string };
  const caller = callerOf(request);
  const known = desk.records.find(id);
  if (known !== null && maySee(caller, known.caller.name)) return known;
  await audit?.flush();
  const [row] = await desk.rows<AuditRow>({
    sql: `${SELECT} WHERE QueryId = {id:String} ORDER BY Started DESC LIMIT 1`, params: { id },
  }, caller, leavingOf(reply));
  if (row === undefined || !maySee(caller, row.name)) throw notThere();
  return recordOf(row);
}

interface Asked {
  readonly origin?: 'sql' | 'api' | 'all';
  readonly limit?: string;
  readonly cursor?: string;
}

type Place = readonly [startedMs: number, id: string];

const isPlace = (place: unknown): place is Place => Array.isArray(place) && place.length === 2
  && Number.isSafeInteger(place[0]) && typeof place[1] === 'string';

/** What runs comes first, on the first page, beyond its limit. */
async function listOf(
  { desk, audit, world }: QueriesRouteOptions,
  request: FastifyRequest,
  reply: FastifyReply,
) {
  const { origin = 'sql', limit: limitText, cursor } = request.query as Asked;
  const caller = callerOf(request);
  const limit = readLimit(limitText);
  const before: Place = cursor === undefined ? [world.clock.nowMs() + DAY_MS, '']
    : decodeCursor(cursor, isPlace);
  const live = cursor !== undefined ? [] : desk.records.live().map((one) => one.record())
    .filter((one) => maySee(caller, one.caller.name) && (origin === 'all' || one.origin === origin))
    .reverse();
  await audit?.flush();
  const rows = await desk.rows<AuditRow>({
    sql: `${SELECT} WHERE (Started, QueryId)
        < (fromUnixTimestamp64Milli({startedMs:Int64}), {id:String})
      ${caller.role === 'admin' ? '' : 'AND Name = {name:String}'}
      ${origin === 'all' ? '' : 'AND Origin = {origin:String}'}
      ORDER BY Started DESC, QueryId DESC LIMIT 1 BY Started, QueryId LIMIT {limit:UInt32}`,
    params: { startedMs: before[0], id: before[1], name: caller.name, origin, limit: limit + 1 },
  }, caller, leavingOf(reply));
  const { items, next } = pageOf(rows, limit, ({ startedMs, id }) => [startedMs, id]);
  return { items: [...live, ...items.map(recordOf)].map(shown), next };
}

const DAY_MS = 86_400_000;

const SELECT = `SELECT QueryId AS id, Name AS name, Role AS role, Address AS address,
    Origin AS origin, Statement AS statement, Format AS format,
    toUnixTimestamp64Milli(Started) AS startedMs, DurationMs AS durationMs, ReadRows AS readRows,
    ReadBytes AS readBytes, ResultRows AS resultRows, ResultBytes AS resultBytes,
    Ending AS ending, Error AS error
  FROM ${AUDIT_TABLE}`;

interface AuditRow extends Omit<QueryRecord, 'caller' | 'state' | 'totalRows'> {
  readonly name: string;
  readonly role: Caller['role'];
  readonly address: string;
}

const recordOf = ({ name, role, address, ...row }: AuditRow): QueryRecord =>
  ({ ...row, caller: { name, role, address }, state: 'ended', totalRows: 0 });

function shown({ caller, startedMs, statement, ...record }: QueryRecord) {
  const { id, state, origin, format, durationMs, ending, error, ...counts } = record;
  return {
    id, state, name: caller.name, role: caller.role, address: caller.address, origin,
    sql: statement, format, started: new Date(startedMs).toISOString(), durationMs, ...counts,
    ending, error: error === '' ? null : error,
  };
}

const count = (description: string) => ({ type: 'integer', description });

const RECORD = {
  type: 'object',
  required: ['id', 'state', 'name', 'sql', 'started', 'durationMs'],
  additionalProperties: true,
  properties: {
    id: { type: 'string' },
    state: { type: 'string', enum: ['waiting', 'running', 'ended'] },
    name: { type: 'string', description: 'Of the token, or anonymous.' },
    origin: { type: 'string', description: 'sql: a statement of the caller, api: one of ours.' },
    sql: { type: 'string', description: 'Cut at 16 KiB.' },
    started: { type: 'string', format: 'date-time' },
    durationMs: count('Until now, or until it ended.'),
    readRows: count('As far as it was seen.'),
    totalRows: count('What is to be read, as far as it is known; else 0.'),
    resultRows: count('As far as it was seen.'),
    ending: { type: 'string', nullable: true, description: 'ok, cancelled, limit, …' },
    error: { type: 'string', nullable: true, description: 'Code of the error.' },
  },
};

const BY_ID = {
  type: 'object', required: ['id'], properties: { id: { type: 'string', maxLength: 256 } },
};

const LIST_DOCS = {
  operationId: 'queries',
  summary: 'Queries that run and have run, the newest first',
  description: 'Those of everybody for admins, else one\'s own. What runs is on the first page. '
    + 'They are kept for 90 days.',
  tags: ['query'],
  querystring: {
    type: 'object',
    additionalProperties: false,
    properties: {
      origin: { type: 'string', enum: ['sql', 'api', 'all'], description: 'sql: statements of '
        + 'callers, which is the default; api: those behind other routes.' },
      limit: LIMIT_SCHEMA,
      cursor: CURSOR_SCHEMA,
    },
  },
  response: { 200: answers('The queries.', listSchema(RECORD)) },
};

const GET_DOCS = {
  operationId: 'queryById',
  summary: 'How far a query is, or how it ended',
  tags: ['query'],
  params: BY_ID,
  response: { 200: answers('The query.', RECORD), 404: problems('There is none with this id.') },
};

const CANCEL_DOCS = {
  operationId: 'cancelQuery',
  summary: 'End a query',
  tags: ['query'],
  params: BY_ID,
  response: {
    200: answers('It ends now.', RECORD),
    404: problems('There is none with this id, or it has ended.'),
  },
};
