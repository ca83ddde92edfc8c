// The backend's one HTTP server: the API, its documentation, health, and OTLP over HTTP.

import type { Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { fastify, type FastifyInstance } from 'fastify';
import type { Component } from '../../proto/contract/component.ts';
import { serve, type Serving } from '../../proto/http/serve.ts';
import { readServerPem, type ServerTlsOptions } from '../../proto/tls.ts';
import type { Counters } from '../../runtime/counters.ts';
import { errorCode } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { formatEndpoint, type Endpoint } from '../../runtime/net.ts';
import type { Access } from '../access/access.ts';
import { guardRoutes } from './caller.ts';
import { handleErrors, known } from './errors.ts';
import { registerExceptions } from './exceptions.ts';
import { registerHealth, type HealthRouteOptions } from './health.ts';
import { registerIndex } from './index_page.ts';
import { registerLandscape } from './landscape.ts';
import { registerLatency, type LatencyRouteOptions } from './latency.ts';
import { registerLedger, type LedgerRouteOptions } from './ledger.ts';
import { registerLogCounts } from './log_counts.ts';
import { registerLogs, type LogsRouteOptions } from './logs.ts';
import { registerMetrics } from './metrics.ts';
import { openApiOptions } from './openapi.ts';
import { registerQueries, type QueriesRouteOptions } from './queries.ts';
import { registerQuery, type QueryRouteOptions } from './query.ts';
import { registerSavedQueries, type SavedQueriesRouteOptions } from './saved_queries.ts';
import { registerSchema } from './schema.ts';
import { registerSearch } from './search.ts';
import { registerTail, type TailRouteOptions } from './tail.ts';
import { registerTraces } from './traces.ts';

export const limits = {
  /** Connections. Further ones are closed at once. */
  connectionsMax: 1000,
  /** Time for the headers of a request to arrive; over it, 503. */
  headersMs: 10_000,
  /** Time for a whole request to arrive; over it, 503. */
  receiveMs: 60_000,
  /** A connection without requests is closed after this time. */
  idleMs: 65_000,
  /** Slow senders are found so much too late at most. */
  checkMs: 2000,
} as const;

export interface ApiOptions extends HealthRouteOptions, QueryRouteOptions, QueriesRouteOptions,
  LedgerRouteOptions, LatencyRouteOptions, LogsRouteOptions, TailRouteOptions,
  SavedQueriesRouteOptions {
  readonly version: string;
  readonly log: Log;
  readonly access: Access;
  readonly endpoint: Endpoint;
  /** The configuration path that `endpoint` and `tls` belong to, for error messages. */
  readonly setting: string;
  readonly tls?: ServerTlsOptions | undefined;
  /** Bodies larger than this are answered with 413. */
  readonly bodyBytesMax: number;
  /** Routes of other rooms: OTLP over HTTP, rules and alerts. */
  readonly others: ReadonlyArray<(app: FastifyInstance) => void | Promise<void>>;
}

export interface ApiServer extends Component {
  /** Where people reach it, with the real port after `start`. */
  url(): string;
}

export function createApiServer(options: ApiOptions): ApiServer {
  const { endpoint, setting, tls } = options;
  const { connectionsMax } = limits;
  let serving: Serving | undefined;
  return {
    url: () => `${tls === undefined ? 'http' : 'https'}://`
      + formatEndpoint(serving?.endpoint ?? endpoint),
    start: async () => {
      serving = await serve(await createApp(options), { endpoint, setting, connectionsMax });
    },
    stop: async (deadline) => serving?.stop(deadline),
  };
}

async function createApp(options: ApiOptions): Promise<FastifyInstance> {
  const app = fastify({
    ...(await serverOptions(options)),
    bodyLimit: options.bodyBytesMax,
    forceCloseConnections: 'idle',
    requestTimeout: limits.receiveMs,
    keepAliveTimeout: limits.idleMs,
    // OTLP's routes say in their own words that the server stops.
    return503OnClosing: false,
    clientErrorHandler: answerBroken,
    // What is asked for is taken literally: nothing is converted, and nothing is left out silently.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, strict: false } },
  }) as unknown as FastifyInstance;
  const server = app.server as HttpServer;
  server.headersTimeout = limits.headersMs;
  // Schemas of answers are documentation.
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  handleErrors(app, options.log);
  watchAnswers(app, options.counters);
  refuseUnknownParameters(app);
  guardRoutes(app, options.access);
  await app.register(swagger, openApiOptions(options.version));
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: DOCS_POLICY,
    theme: { title: 'Binnacle API' },
    uiConfig: {
      layout: 'BaseLayout',
      deepLinking: true,
      validatorUrl: null,
      tryItOutEnabled: true,
      displayRequestDuration: true,
    },
  });
  for (const register of options.others) await register(app);
  await app.register(async (scope) => {
    registerHealth(scope, options);
    registerIndex(scope, options.version);
  });
  await app.register(async (scope) => registerQuery(scope, options));
  await app.register(async (scope) => registerQueries(scope, options));
  await app.register(async (scope) => registerSavedQueries(scope, options));
  await app.register(async (scope) => registerSchema(scope, options));
  await app.register(async (scope) => registerLedger(scope, options));
  await app.register(async (scope) => registerLatency(scope, options));
  await app.register(async (scope) => registerMetrics(scope, options));
  await app.register(async (scope) => registerTraces(scope, options));
  await app.register(async (scope) => registerLandscape(scope, options));
  await app.register(async (scope) => registerExceptions(scope, options));
  await app.register(async (scope) => registerLogs(scope, options));
  await app.register(async (scope) => registerLogCounts(scope, options));
  await app.register(async (scope) => registerSearch(scope, options));
  await app.register(async (scope) => registerTail(scope, options));
  return app;
}

/** The page of /docs takes everything from this server, so it works without a network. */
const DOCS_POLICY = "default-src 'self'; base-uri 'self'; frame-ancestors 'self'; "
  + "img-src 'self' data:; object-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'";

async function serverOptions({ tls, world, setting }: ApiOptions): Promise<object> {
  // Node looks for slow senders at this interval only.
  const http = { connectionsCheckingInterval: limits.checkMs };
  if (tls === undefined) return { http };
  const { cert, key, clientCa } = await readServerPem(world.files, tls, `${setting}.tls`);
  const mutual = clientCa === null ? {} : { ca: clientCa, requestCert: true };
  return { https: { ...http, cert, key, ...mutual, rejectUnauthorized: clientCa !== null } };
}

/** A route that says nothing about parameters has none: one that is given is a mistake. */
function refuseUnknownParameters(app: FastifyInstance): void {
  app.addHook('onRoute', (route) => {
    if (!route.url.startsWith('/api/') || route.schema?.querystring !== undefined) return;
    const querystring = { type: 'object', additionalProperties: false, properties: {} };
    route.schema = { ...route.schema, querystring };
  });
}

/** Counts answers, and keeps browsers from guessing what is inside of them. */
function watchAnswers(app: FastifyInstance, counters: Counters): void {
  app.addHook('onRequest', async (_, reply) => {
    void reply.header('x-content-type-options', 'nosniff');
  });
  app.addHook('onResponse', async ({ method, routeOptions }, { statusCode }) => {
    const labels = { method, route: routeOptions.url ?? '', status: String(statusCode) };
    counters.counter('binnacle_http_requests_total', 'HTTP requests, by how they were answered.',
      labels).add(1);
  });
}

/** Answers what is not HTTP or did not arrive in time. OTLP's senders try again after 503 only. */
function answerBroken(error: Error, socket: Socket): void {
  if (!socket.writable) return void socket.destroy();
  const problem = brokenProblem(errorCode(error));
  const { status } = problem;
  const body = JSON.stringify({ error: problem });
  const head = [
    `HTTP/1.1 ${status} ${REASONS[status]}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

function brokenProblem(code: string) {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return known('REQUEST_TIMEOUT', `the request did not arrive within ${limits.receiveMs} ms`);
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    return known('HEADERS_TOO_LARGE', 'the URL or the headers are too large');
  }
  return known('INVALID_REQUEST', 'this is not an HTTP request');
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request', 431: 'Request Header Fields Too Large', 503: 'Service Unavailable',
};
