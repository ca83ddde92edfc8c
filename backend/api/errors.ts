// One shape for everything that goes wrong in the HTTP API, and the one place where ClickHouse's
// errors and fastify's become status codes:
//
//     { "error": { "code": "SYNTAX_ERROR", "message": "…", "hint": "…" } }

import type { FastifyError, FastifyInstance, FastifyReply } from 'fastify';
import type { Log } from '../../runtime/log.ts';
import { QueryError, type QueryErrorKind } from '../storage/contract.ts';

export interface ApiProblem {
  readonly status: number;
  /** Upper-case name that programs can compare; ClickHouse's own for what it answered. */
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

export const ERROR_SCHEMA = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message'],
      properties: {
        code: { type: 'string' },
        message: { type: 'string' },
        hint: { type: 'string' },
      },
    },
  },
} as const;

const STATUS_OF: Record<QueryErrorKind, number> = {
  statement: 400,
  limit: 422,
  forbidden: 403,
  unavailable: 503,
  cancelled: 499,
};

export function sendProblem(reply: FastifyReply, problem: ApiProblem): FastifyReply {
  const { status, ...error } = problem;
  return reply.code(status).type('application/json').send({ error });
}

export function problemOf(error: unknown): ApiProblem | null {
  if (error instanceof QueryError) {
    return { status: STATUS_OF[error.kind], code: error.name, message: error.message };
  }
  const { statusCode, code, message } = error as FastifyError;
  if (statusCode === undefined || statusCode >= 500) return null;
  return { status: statusCode, code: code ?? 'BAD_REQUEST', message };
}

/** Routes answer with `problemOf`; what is nobody's mistake but ours is logged, not shown. */
export function handleErrors(app: FastifyInstance, log: Log): void {
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error);
    if (problem !== null) return sendProblem(reply, problem);
    log.error('cannot answer request: internal error', {
      route: request.routeOptions.url ?? '',
      cause: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    const message = 'internal error; the log of the backend has the cause';
    return sendProblem(reply, { status: 500, code: 'INTERNAL', message });
  });
  app.setNotFoundHandler((request, reply) => sendProblem(reply, {
    status: 404,
    code: 'NOT_FOUND',
    message: `there is no ${request.method} ${request.url.split('?')[0]}`,
    hint: 'GET /docs lists what there is',
  }));
}
