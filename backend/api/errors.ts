// One shape for everything that goes wrong in the HTTP API, and the one place where ClickHouse's
// errors and fastify's become status codes (docs/api.md has the same table):
//
//     { "error": { "status": 400, "code": "SYNTAX_ERROR", "message": "…", "hint": "…" } }
//
// OTLP's endpoints answer in OTLP's own words instead, see proto/http.

import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Log } from '../../runtime/log.ts';
import { GateError, isDenial } from '../gate/errors.ts';
import { SearchError } from '../search/node.ts';
import { QueryError, type QueryErrorKind } from '../storage/contract.ts';

/** Our own codes. All others are ClickHouse's names, whose status `STATUS_OF_KIND` tells. */
export const STATUS_OF_CODE = {
  INVALID_REQUEST: 400,
  INVALID_JSON: 400,
  INVALID_SEARCH: 400,
  INVALID_RULE: 400,
  UNAUTHENTICATED: 401,
  CROSS_ORIGIN: 403,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  READ_ONLY_RULE: 409,
  BODY_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  TOO_MANY_SIMULTANEOUS_QUERIES: 429,
  HEADERS_TOO_LARGE: 431,
  INTERNAL: 500,
  STORE_UNAVAILABLE: 503,
  REQUEST_TIMEOUT: 503,
} as const;

export type ProblemCode = keyof typeof STATUS_OF_CODE;

export const STATUS_OF_KIND: Readonly<Record<QueryErrorKind, number>> = {
  statement: 400,
  forbidden: 403,
  limit: 422,
  cancelled: 499,
  unavailable: 503,
};

/** What to do about it, for codes of ours and of ClickHouse. */
const HINTS: Readonly<Record<string, string>> = {
  INVALID_REQUEST: 'GET /docs shows what a request looks like',
  INVALID_JSON: 'send {"sql": "SELECT 1", "params": {}, "format": "JSON"}',
  UNSUPPORTED_MEDIA_TYPE: 'send content-type application/json, or the SQL as text/plain',
  INVALID_RULE: 'docs/rules.md has the keys of a rule',
  READ_ONLY_RULE: 'change it in its file; it is read again when it has changed',
  NOT_FOUND: 'GET /docs lists what there is',
  BODY_TOO_LARGE: 'send less at once',
  TOO_MANY_SIMULTANEOUS_QUERIES: 'ask again in a moment, or raise query.max_concurrent',
  STORE_UNAVAILABLE: 'ask again in a moment; GET /health says how the store is',
  REQUEST_TIMEOUT: 'send it again, faster',
  UNAUTHENTICATED: 'send authorization: Bearer <token>, or the token as password of basic '
    + 'authentication; `binnacle token create` makes one',
  FORBIDDEN: 'ask with a token of another role; docs/access.md says what each may do',
  METHOD_NOT_ALLOWED: 'the header allow lists the methods',
  HEADERS_TOO_LARGE: 'send the statement and its parameters in the body of a POST',
  INTERNAL: 'report it with the lines of the log',
  CROSS_ORIGIN: 'ask from a program, or from a page of this server',
  READONLY: 'statements may only read, and may not change settings',
  UNKNOWN_QUERY_PARAMETER: 'give each {name:Type} a value: "params": {"name": …}, or ?param_name=',
  TOO_MANY_ROWS_OR_BYTES: 'add a LIMIT, or raise query.max_result_rows',
  TIMEOUT_EXCEEDED: 'ask for a shorter time range, or raise query.max_execution_time',
  MEMORY_LIMIT_EXCEEDED: 'ask for a shorter time range, or when fewer queries run, or raise '
    + 'query.max_memory and engine.memory_limit',
};

/** For codes that have none of their own. */
const HINT_OF_KIND: Readonly<Record<QueryErrorKind, string>> = {
  statement: 'correct the statement; GET /api/schema lists tables and columns',
  forbidden: 'statements may only read the published tables; GET /api/schema lists them',
  limit: 'ask for less: a shorter time range, fewer columns, a LIMIT',
  cancelled: 'ask again',
  unavailable: 'ask again in a moment; GET /health says how the store is',
};

/** Seconds after which a request that may work then should be sent again. */
const RETRY_AFTER_SECONDS = '1';

export interface ApiProblem {
  readonly status: number;
  /** Upper-case name that programs can compare; ClickHouse's own for what it answered. */
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  /** Where in a search or statement the mistake is, in characters from 0. */
  readonly position?: number;
  /** Of a text of several lines, such as a rule: where the first mistake is, from 1. */
  readonly line?: number;
  readonly column?: number;
  /** All mistakes, when there may be several. */
  readonly problems?: readonly ProblemPlace[];
}

/** A mistake in a text of several lines. */
export interface ProblemPlace {
  readonly line: number;
  readonly column: number;
  /** Keys that lead to it: `slo.objective`. */
  readonly path: string;
  readonly message: string;
  readonly hint: string;
}

/** Thrown by routes for what the caller, or nobody, can help. */
export class ApiError extends Error {
  readonly code: ProblemCode;
  /** What to do about it; what is usual for the code unless given. */
  readonly hint: string;
  /** Where in a text the mistakes are, the first one first. */
  readonly places: readonly ProblemPlace[];

  constructor(code: ProblemCode, message: string, hint: string = HINTS[code]!,
    places: readonly ProblemPlace[] = []) {
    super(message);
    this.code = code;
    this.hint = hint;
    this.places = places;
  }
}

export const ERROR_SCHEMA = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['status', 'code', 'message', 'hint'],
      properties: {
        status: { type: 'integer', description: 'The HTTP status.' },
        code: { type: 'string', description: 'A name that programs can compare.' },
        message: { type: 'string' },
        hint: { type: 'string', description: 'What to do about it.' },
        position: {
          type: 'integer',
          description: 'Where in a search or statement the mistake is, in characters from 0.',
        },
        line: { type: 'integer', description: 'Of a rule: where the first mistake is, from 1.' },
        column: { type: 'integer' },
        problems: {
          type: 'array',
          description: 'Of a rule: all mistakes.',
          items: { type: 'object', additionalProperties: true },
        },
      },
    },
  },
} as const;

/** The answer for an error; null for one that is nobody's mistake but ours. */
export function problemOf(error: unknown): ApiProblem | null {
  if (error instanceof QueryError) {
    const status = STATUS_OF_CODE[error.name as ProblemCode] ?? STATUS_OF_KIND[error.kind];
    const hint = HINTS[error.name] ?? HINT_OF_KIND[error.kind];
    return { status, code: error.name, message: error.message, hint };
  }
  if (error instanceof GateError) {
    const { code, message, hint, position } = error;
    const place = position === undefined ? {} : { position };
    return { status: isDenial(code) ? 403 : 400, code, message, hint, ...place };
  }
  if (error instanceof ApiError) {
    const { code, message, hint, places: [first] } = error;
    const place = first === undefined ? {}
      : { line: first.line, column: first.column, problems: error.places };
    return { ...known(code, message, hint), ...place };
  }
  if (error instanceof SearchError) return searchProblem(error);
  const { statusCode, code, message } = error as FastifyError;
  if (statusCode === undefined || statusCode >= 500) return null;
  const text = validationText(error as FastifyError) ?? message;
  return known(OF_FASTIFY[code] ?? 'INVALID_REQUEST', text);
}

function searchProblem({ message, position, suggestion }: SearchError): ApiProblem {
  const status = STATUS_OF_CODE.INVALID_SEARCH;
  const hint = suggestion === '' ? 'docs/search.md has the language' : suggestion;
  return { status, code: 'INVALID_SEARCH', message, hint, position };
}

const OF_FASTIFY: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_CTP_INVALID_JSON_BODY: 'INVALID_JSON',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'INVALID_JSON',
  FST_ERR_CTP_BODY_TOO_LARGE: 'BODY_TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
};

export const known = (
  code: ProblemCode,
  message: string,
  hint: string = HINTS[code]!,
): ApiProblem => ({ status: STATUS_OF_CODE[code], code, message, hint });

/** The validator does not name what should not be there. */
function validationText({ validation, validationContext }: FastifyError): string | null {
  const first = validation?.[0];
  if (first === undefined) return null;
  const where = validationContext === 'body' ? 'the body' : 'the URL';
  const path = first.instancePath.slice(1).replaceAll('/', '.');
  const { additionalProperty: extra, allowedValues: values } =
    first.params as { additionalProperty?: string; allowedValues?: readonly unknown[] };
  if (extra !== undefined) return `${where} may not have '${extra.slice(0, 100)}'`;
  if (values !== undefined) return `${where}: ${path} must be one of ${values.join(', ')}`;
  return `${where}${path === '' ? '' : `: ${path}`} ${first.message}`;
}

export function sendProblem(reply: FastifyReply, error: ApiProblem): FastifyReply {
  const { status } = error;
  if (status === 429 || status === 503) void reply.header('retry-after', RETRY_AFTER_SECONDS);
  return reply.code(status).type('application/json; charset=utf-8').send({ error });
}

/** Routes throw; what is nobody's mistake but ours is logged, not shown. */
export function handleErrors(app: FastifyInstance, log: Log): void {
  app.setErrorHandler((error, request, reply) => {
    const found = problemOf(error);
    if (found !== null) return sendProblem(reply, found);
    log.error('cannot answer request: internal error', {
      route: request.routeOptions.url ?? '',
      cause: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    const message = 'internal error; the log of the backend has the cause';
    return sendProblem(reply, known('INTERNAL', message));
  });
  app.setNotFoundHandler((request, reply) => answerUnknown(app, request, reply));
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

function answerUnknown(
  app: FastifyInstance,
  { url }: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const path = url.split('?')[0]!;
  const allowed = METHODS.filter((one) => app.hasRoute({ method: one, url: path }));
  if (allowed.length === 0) {
    return sendProblem(reply, known('NOT_FOUND', `there is no ${path}`));
  }
  void reply.header('allow', allowed.join(', '));
  return sendProblem(reply, known('METHOD_NOT_ALLOWED', `${path} takes ${allowed.join(', ')}`));
}
