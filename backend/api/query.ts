// `/api/query`: SQL in, any of ClickHouse's formats out, streamed. Read-only.
//
// POST takes JSON `{ sql, params, format }`, or the statement as text/plain with `?format=` and
// `?param_<name>=`; GET takes `?sql=`. A statement's own FORMAT clause wins.
//
// Promises:
// - A result is passed on as it comes and never held; the caller's pace is the store's pace.
// - A caller who goes away, or stops reading, takes the query along.
// - A result that breaks off after the headers were sent ends with a cut connection, so that no
//   client takes half for whole.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { World } from '../../runtime/world.ts';
import type { Desk, OpenQuery } from '../query/desk.ts';
import { callerOf } from './caller.ts';
import { ApiError } from './errors.ts';
import { sendEvents, wantsEvents } from './events.ts';
import { fileNameOf, mediaTypeOf } from './formats.ts';
import { leavingOf } from './leaving.ts';
import { problems } from './period.ts';
import { BODY_SCHEMA, GET_URL_SCHEMA, POST_URL_SCHEMA, TEXT_SCHEMA, limits as questionLimits,
  questionOf } from './question.ts';

export interface QueryRouteOptions {
  readonly desk: Desk;
  readonly world: World;
}

/** Adds the routes to `app`, which should be a scope of its own: it learns to parse text/plain. */
export function registerQuery(app: FastifyInstance, options: QueryRouteOptions): void {
  app.addHook('onRequest', refuseForeignPages);
  app.addContentTypeParser('text/plain', { parseAs: 'string' }, (request, body, done) => {
    const charset = /charset\s*=\s*"?([^";\s]+)/i.exec(request.headers['content-type'] ?? '')?.[1];
    if (charset === undefined || /^(?:utf-?8|us-ascii)$/i.test(charset)) return done(null, body);
    done(new ApiError('UNSUPPORTED_MEDIA_TYPE', 'text is taken as UTF-8 only'));
  });
  const answer = async (request: FastifyRequest, reply: FastifyReply) => {
    const question = { ...questionOf(request), queryId: options.world.random.uuid() };
    reply.header('x-binnacle-query-id', question.queryId);
    const caller = callerOf(request);
    if (wantsEvents(request.headers.accept) && request.method !== 'HEAD') {
      const { desk, world: { clock } } = options;
      return sendEvents({ desk, clock, question, caller, abort: leavingOf(reply) }, reply);
    }
    return send(await options.desk.open(question, caller, leavingOf(reply)), request, reply);
  };
  app.post('/api/query', {
    bodyLimit: questionLimits.bodyBytesMax,
    schema: { ...DOCS, operationId: 'query', querystring: POST_URL_SCHEMA, body: { content: {
      'application/json': { schema: BODY_SCHEMA },
      'text/plain': { schema: TEXT_SCHEMA },
    } } },
  }, answer);
  const schema = { ...DOCS, operationId: 'queryByUrl', querystring: GET_URL_SCHEMA };
  app.get('/api/query', { exposeHeadRoute: false, schema }, answer);
  app.head('/api/query', { schema: { hide: true, querystring: GET_URL_SCHEMA } }, answer);
}

const DOCS = {
  summary: 'Run one read-only SQL statement',
  description: 'Answers in the asked ClickHouse format, streamed. A result that breaks off ends '
    + 'with a cut connection. Values for `{name:Type}` come in `params`, or as `?param_name=`. '
    + 'With `accept: text/event-stream` progress, columns, rows and the end come as events.',
  tags: ['query'],
  response: {
    200: {
      description: 'The result, in the asked format.',
      headers: {
        'x-binnacle-query-id': { type: 'string', description: 'ClickHouse\'s id of the query.' },
        'x-binnacle-query-summary': {
          type: 'string',
          description: 'JSON: readRows, readBytes, resultRows, resultBytes, elapsedMs.',
        },
      },
      content: {
        'application/json': { schema: { type: 'object' } },
        'text/event-stream': { schema: { type: 'string' } },
        'text/csv': { schema: { type: 'string' } },
        'text/tab-separated-values': { schema: { type: 'string' } },
        'application/octet-stream': { schema: { type: 'string', format: 'binary' } },
      },
    },
    400: problems('The request or the statement is wrong; `code` is ClickHouse\'s name for it.'),
    403: problems('The statement does more than read (READONLY), or a foreign web page asks.'),
    413: problems('The body is too large.'),
    415: problems('The body is neither JSON nor plain text in UTF-8.'),
    422: problems('A limit of time, rows or memory was reached.'),
    429: problems('Too many queries run and wait at the same time.'),
    503: problems('The store is away; the same query may work in a moment.'),
  },
};

/** A page of another origin may not make a person's browser ask in the background. */
export async function refuseForeignPages({ headers }: FastifyRequest): Promise<void> {
  const site = headers['sec-fetch-site'];
  const own = site === undefined ? originIsOwn(headers.origin, headers.host)
    : site === 'same-origin' || site === 'none';
  if (!own) throw new ApiError('CROSS_ORIGIN', 'web pages of other origins have no access');
}

const originIsOwn = (origin: string | undefined, host: string | undefined): boolean =>
  origin === undefined || /^https?:\/\/(.*)$/.exec(origin)?.[1] === host;

function send(
  { body, contentType, enough, format, stallMs, summary }: OpenQuery,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const fileName = fileNameOf(format, contentType);
  reply.type(mediaTypeOf(format, contentType));
  reply.header('x-binnacle-query-summary', JSON.stringify(summary));
  reply.header('cache-control', 'no-store');
  if (fileName !== null) {
    reply.header('content-disposition', `attachment; filename="${fileName}"`);
  }
  if (request.method === 'HEAD') {
    enough();
    return reply.send();
  }
  // Node closes the connection when nothing moves for so long, and forgets it after the answer.
  reply.raw.setTimeout(stallMs);
  return reply.send(body);
}
