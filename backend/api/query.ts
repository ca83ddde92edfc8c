// `/api/query`: SQL in, any of ClickHouse's formats out, streamed. Read-only.
//
// POST takes JSON `{ sql, params, format }`, or the statement as text/plain with `?format=` and
// `?param_<name>=`; GET takes `?sql=`. A statement's own FORMAT clause wins. When the result breaks
// off after the headers were sent, the connection is cut, so that no client takes half for whole.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Storage } from '../storage/contract.ts';
import { ERROR_SCHEMA, sendProblem } from './errors.ts';

export interface QueryLimits {
  readonly executionMsMax: number;
  readonly resultRowsMax: number;
  readonly memoryBytesMax: number;
  /** More at once are turned away with 429. */
  readonly concurrentMax: number;
}

export interface QueryRouteOptions {
  readonly storage: Storage;
  readonly limits: QueryLimits;
}

interface Question {
  readonly sql: string;
  readonly format: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** Longest statement; ClickHouse's own default for `max_query_size` is the same. */
const SQL_CHARACTERS_MAX = 256 * 1024;
const FORMAT_DEFAULT = 'JSON';

const BODY_SCHEMA = {
  type: 'object',
  required: ['sql'],
  additionalProperties: false,
  properties: {
    sql: { type: 'string', minLength: 1, maxLength: SQL_CHARACTERS_MAX },
    format: { type: 'string', pattern: '^[A-Za-z0-9]+$' },
    params: { type: 'object', description: 'values for {name:Type} in the statement' },
  },
} as const;

const ANSWER_DOCS = {
  summary: 'Run one read-only SQL statement',
  description: 'Answers in the asked ClickHouse format (JSON by default), streamed.',
  tags: ['query'],
  produces: ['application/json', 'text/csv', 'text/tab-separated-values'],
};

export function registerQuery(app: FastifyInstance, { storage, limits }: QueryRouteOptions): void {
  const settings = settingsOf(limits);
  let running = 0;
  const answer = async (request: FastifyRequest, reply: FastifyReply, question: Question) => {
    if (running >= limits.concurrentMax) return tooMany(reply, limits.concurrentMax);
    running += 1;
    const abort = new AbortController();
    const finish = () => {
      running -= 1;
      abort.abort();
    };
    reply.raw.once('close', finish);
    const { body, contentType, queryId, summary } = await storage.query({
      ...question,
      settings: { ...settings, ...(PRETTY.test(question.format) ? PRETTY_SETTINGS : {}) },
      abort: abort.signal,
    });
    reply.header('x-binnacle-query-id', queryId);
    reply.header('x-binnacle-query-summary', JSON.stringify(summary));
    body.once('error', () => request.raw.socket.destroy());
    return reply.type(contentType).send(body);
  };
  app.addContentTypeParser('text/plain', { parseAs: 'string' }, (_request, body, done) => {
    done(null, body);
  });
  const docs = { ...ANSWER_DOCS, response: { 400: ERROR_SCHEMA, 503: ERROR_SCHEMA } };
  app.post('/api/query', {
    schema: { ...docs, consumes: ['application/json', 'text/plain'] },
    preValidation: async (request) => {
      const asked = request.query as Record<string, string>;
      if (typeof request.body === 'string') request.body = { sql: request.body, ...fromUrl(asked) };
    },
  }, (request, reply) => {
    const question = checked(request);
    return question === null ? badQuestion(reply) : answer(request, reply, question);
  });
  app.get('/api/query', { schema: docs }, (request, reply) => {
    const asked = request.query as Record<string, string>;
    const question = asQuestion(request, { sql: asked.sql ?? '', ...fromUrl(asked) });
    return question === null ? badQuestion(reply) : answer(request, reply, question);
  });
}

const checked = (request: FastifyRequest): Question | null => asQuestion(request, request.body);

function asQuestion(request: FastifyRequest, body: unknown): Question | null {
  const validate = request.compileValidationSchema(BODY_SCHEMA);
  if (!validate(body)) return null;
  const { sql, format, params } = body as Partial<Question>;
  return { sql: sql!, format: format ?? FORMAT_DEFAULT, params: params ?? {} };
}

/** `?format=` and `?param_<name>=`, as ClickHouse's own HTTP interface has them. */
function fromUrl(asked: Record<string, string>): { format?: string; params: object } {
  const params = Object.fromEntries(Object.entries(asked)
    .filter(([key]) => key.startsWith('param_'))
    .map(([key, value]) => [key.slice('param_'.length), value]));
  return asked.format === undefined ? { params } : { format: asked.format, params };
}

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
    max_memory_usage: limits.memoryBytesMax,
  };
}

function badQuestion(reply: FastifyReply): FastifyReply {
  return sendProblem(reply, {
    status: 400,
    code: 'BAD_REQUEST',
    message: 'the request names no statement, or more than sql, params and format',
    hint: 'send {"sql": "SELECT 1", "params": {}, "format": "JSON"}, or the SQL as text/plain',
  });
}

function tooMany(reply: FastifyReply, concurrentMax: number): FastifyReply {
  void reply.header('retry-after', '1');
  return sendProblem(reply, {
    status: 429,
    code: 'TOO_MANY_SIMULTANEOUS_QUERIES',
    message: `${concurrentMax} queries are running, which is the limit`,
    hint: 'ask again in a moment, or raise query.max_concurrent',
  });
}
