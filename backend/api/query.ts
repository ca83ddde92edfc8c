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

import { once } from 'node:events';
import type { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Counters } from '../../runtime/counters.ts';
import { errorMessage } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { World } from '../../runtime/world.ts';
import { QueryError, type QueryAnswer, type Storage } from '../storage/contract.ts';
import { ApiError, ERROR_SCHEMA } from './errors.ts';
import { fileNameOf, mediaTypeOf } from './formats.ts';
import { BODY_SCHEMA, GET_URL_SCHEMA, POST_URL_SCHEMA, TEXT_SCHEMA, limits as questionLimits,
  questionOf, type Question } from './question.ts';
import { Turns, type Turn } from './turns.ts';

export interface QueryLimits {
  readonly executionMsMax: number;
  readonly resultRowsMax: number;
  readonly memoryBytesMax: number;
  /** Queries at the same time. */
  readonly concurrentMax: number;
  /** More at once wait, so many and so long; then they are turned away with 429. 0 unless given. */
  readonly waitingMax?: number;
  readonly waitMs?: number;
  /** Threads of one query; what the store chooses unless given. */
  readonly threadsMax?: number;
  /** What all queries together may use; each gets a share of it. No limit unless given. */
  readonly memoryPoolBytes?: number | null;
  /** A caller who takes nothing for so long is cut off; by default 10 s more than a query has. */
  readonly stallMs?: number;
}

export interface QueryRouteOptions {
  readonly storage: Storage;
  readonly limits: QueryLimits;
  readonly world: World;
  readonly counters: Counters;
  readonly log: Log;
}

/** Adds the routes to `app`, which should be a scope of its own: it learns to parse text/plain. */
export function registerQuery(app: FastifyInstance, options: QueryRouteOptions): void {
  const desk = new Desk(options);
  app.addHook('onRequest', refuseForeignPages);
  app.addContentTypeParser('text/plain', { parseAs: 'string' }, (request, body, done) => {
    const charset = /charset\s*=\s*"?([^";\s]+)/i.exec(request.headers['content-type'] ?? '')?.[1];
    if (charset === undefined || /^(?:utf-?8|us-ascii)$/i.test(charset)) return done(null, body);
    done(new ApiError('UNSUPPORTED_MEDIA_TYPE', 'text is taken as UTF-8 only'));
  });
  const answer = (request: FastifyRequest, reply: FastifyReply) =>
    desk.answer(questionOf(request), request, reply);
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

const problems = (description: string) => ({
  description,
  content: { 'application/json': { schema: ERROR_SCHEMA } },
});

const DOCS = {
  summary: 'Run one read-only SQL statement',
  description: 'Answers in the asked ClickHouse format, streamed. A result that breaks off ends '
    + 'with a cut connection. Values for `{name:Type}` come in `params`, or as `?param_name=`.',
  tags: ['query'],
  response: {
    200: {
      description: 'The result, in the asked format.',
      headers: {
        'x-binnacle-query-id': { type: 'string', description: 'ClickHouse\'s id of the query.' },
        'x-binnacle-query-summary': {
          type: 'string',
          description: 'JSON: readRows, readBytes, resultRows, elapsedMs.',
        },
      },
      content: {
        'application/json': { schema: { type: 'object' } },
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

/** Pretty formats are for people: every row, no row numbers, no colours in a pipe. */
const PRETTY = /^Pretty/;
const PRETTY_SETTINGS = {
  output_format_pretty_row_numbers: 0,
  output_format_pretty_color: '0',
  output_format_pretty_max_rows: 100_000,
  output_format_pretty_single_large_number_tip_threshold: 0,
};

function settingsOf(limits: QueryLimits): Record<string, string | number> {
  return {
    readonly: 1,
    max_execution_time: Math.ceil(limits.executionMsMax / 1000),
    max_result_rows: limits.resultRowsMax,
    result_overflow_mode: 'throw',
    // What is read ahead for an ORDER BY along the table's order would be thrown away by a LIMIT.
    read_in_order_use_buffering: 0,
    ...(limits.threadsMax === undefined ? {} : { max_threads: limits.threadsMax }),
  };
}

const STALL_EXTRA_MS = 10_000;

type Ending = 'ok' | 'broken' | 'abandoned' | 'refused' | QueryError['kind'];

interface Progress {
  failure: Ending | null;
  turn: Turn | null;
}

const queryGone = () => new QueryError(394, 'QUERY_WAS_CANCELLED', 'cancelled', 'cancelled');

/** Where queries are handed in: it knows how many are under way, and counts how they end. */
class Desk {
  private readonly options: QueryRouteOptions;
  private readonly settings: Readonly<Record<string, string | number>>;
  private readonly turns: Turns;

  constructor(options: QueryRouteOptions) {
    const { counters, limits, world } = options;
    this.options = options;
    this.settings = settingsOf(limits);
    this.turns = new Turns({
      clock: world.clock,
      runningMax: limits.concurrentMax,
      waitingMax: limits.waitingMax ?? 0,
      waitMs: limits.waitMs ?? 0,
      memoryBytesMax: limits.memoryBytesMax,
      memoryPoolBytes: limits.memoryPoolBytes ?? null,
    });
    counters.gauge('binnacle_queries_running', 'Queries that are under way.',
      () => this.turns.running());
    counters.gauge('binnacle_queries_waiting', 'Queries that wait for one of these to end.',
      () => this.turns.waiting());
  }

  async answer(question: Question, request: FastifyRequest, reply: FastifyReply) {
    const { limits, world } = this.options;
    const abort = new AbortController();
    const queryId = world.random.uuid();
    const progress: Progress = { failure: null, turn: null };
    const startMs = world.clock.monotonicMs();
    reply.raw.once('close', () => {
      abort.abort();
      progress.turn?.end();
      const finished = reply.raw.writableFinished;
      this.count(progress.failure ?? (finished ? 'ok' : 'abandoned'));
      this.countTime(startMs);
    });
    reply.header('x-binnacle-query-id', queryId);
    try {
      progress.turn = await this.turn(request, abort.signal);
      const found = await this.ask(question, queryId, progress.turn, abort.signal);
      await firstByte(found.body, abort.signal);
      found.body.once('error', (error) => {
        if (abort.signal.aborted) return;
        progress.failure = 'broken';
        this.logBroken(queryId, error);
      });
      const stallMs = limits.stallMs ?? limits.executionMsMax + STALL_EXTRA_MS;
      return send(found, request, reply, stallMs);
    } catch (error) {
      const failure = error instanceof QueryError ? error.kind
        : error instanceof ApiError ? 'refused' : 'broken';
      progress.failure = abort.signal.aborted ? 'abandoned' : failure;
      throw error;
    }
  }

  private async turn(request: FastifyRequest, abort: AbortSignal): Promise<Turn> {
    const { concurrentMax, waitMs = 0 } = this.options.limits;
    const turn = await this.turns.take(request.ip, abort);
    if (typeof turn === 'object') {
      if (abort.aborted) turn.end();
      return turn;
    }
    if (turn === 'gone') throw queryGone();
    const running = `${concurrentMax} queries are running, which is the limit`;
    throw new ApiError('TOO_MANY_SIMULTANEOUS_QUERIES', turn === 'late'
      ? `${running}, and none of them has ended in ${waitMs} ms`
      : `${running}, and ${this.turns.waiting()} wait`);
  }

  private ask(
    { sql, format, params }: Question,
    queryId: string,
    { memoryBytes }: Turn,
    abort: AbortSignal,
  ) {
    const pretty = PRETTY.test(format) ? PRETTY_SETTINGS : {};
    // The parameters are in ClickHouse's words already; the client would escape them once more.
    const own = { ...this.settings, max_memory_usage: memoryBytes };
    const settings = { ...own, ...pretty, ...params };
    return this.options.storage.query({ sql, format, settings, queryId, abort });
  }

  private count(result: Ending): void {
    this.options.counters
      .counter('binnacle_queries_total', 'Queries, by how they ended.', { result }).add(1);
  }

  private countTime(startMs: number): void {
    const { counters, world } = this.options;
    counters.counter('binnacle_query_seconds_total', 'Time of queries until their result was sent.')
      .add((world.clock.monotonicMs() - startMs) / 1000);
  }

  private logBroken(queryId: string, error: unknown): void {
    const cause = errorMessage(error);
    this.options.log.warn(`cannot finish the result of query ${queryId}: ${cause}`);
  }
}

/** What breaks before the first byte can still be told with a status of its own. */
async function firstByte(body: Readable, abort: AbortSignal): Promise<void> {
  try {
    if (body.destroyed) throw body.errored ?? new Error('it ended early');
    const told = new AbortController();
    const signal = AbortSignal.any([abort, told.signal]);
    // An empty result ends without ever being readable.
    await Promise.race(['readable', 'end'].map((event) => once(body, event, { signal })))
      .finally(() => told.abort());
  } catch (error) {
    const message = `the store broke off: ${errorMessage(error)}`;
    throw new QueryError(0, 'STORE_UNAVAILABLE', message, 'unavailable');
  }
}

function send(
  { body, contentType, format, summary }: QueryAnswer,
  request: FastifyRequest,
  reply: FastifyReply,
  stallMs: number,
): FastifyReply {
  const fileName = fileNameOf(format, contentType);
  reply.type(mediaTypeOf(format, contentType));
  reply.header('x-binnacle-query-summary', JSON.stringify(summary));
  reply.header('cache-control', 'no-store');
  if (fileName !== null) {
    reply.header('content-disposition', `attachment; filename="${fileName}"`);
  }
  if (request.method === 'HEAD') {
    body.destroy();
    return reply.send();
  }
  // Node closes the connection when nothing moves for so long, and forgets it after the answer.
  reply.raw.setTimeout(stallMs);
  return reply.send(body);
}
