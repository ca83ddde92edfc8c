// The backend's one HTTP server: the API, its documentation, health, and OTLP over HTTP.

import type { AddressInfo } from 'node:net';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { fastify, type FastifyInstance } from 'fastify';
import type { Component } from '../../proto/contract/component.ts';
import { readServerPem, type ServerTlsOptions } from '../../proto/tls.ts';
import type { Files } from '../../runtime/files.ts';
import type { Log } from '../../runtime/log.ts';
import { formatEndpoint, listenError, type Endpoint } from '../../runtime/net.ts';
import { handleErrors } from './errors.ts';
import { registerHealth, type HealthRouteOptions } from './health.ts';
import { registerQuery, type QueryRouteOptions } from './query.ts';

export interface ApiOptions extends HealthRouteOptions, QueryRouteOptions {
  readonly log: Log;
  readonly version: string;
  readonly endpoint: Endpoint;
  /** The configuration path that `endpoint` and `tls` belong to, for error messages. */
  readonly setting: string;
  readonly tls?: ServerTlsOptions | undefined;
  /** Reads the certificates. */
  readonly files: Files;
  /** Bodies larger than this are answered with 413. */
  readonly bodyBytesMax: number;
  /** Routes of other rooms: OTLP over HTTP. */
  readonly others: ReadonlyArray<(app: FastifyInstance) => void>;
}

export interface ApiServer extends Component {
  /** Where people reach it, with the real port after `start`. */
  url(): string;
}

/** Against senders that never finish; an idle connection is kept for the next request. */
const TIMES = { requestTimeout: 60_000, keepAliveTimeout: 65_000 };

export function createApiServer(options: ApiOptions): ApiServer {
  const { endpoint, setting, tls } = options;
  let app: FastifyInstance | undefined;
  let bound: Endpoint = endpoint;
  return {
    url: () => `${tls === undefined ? 'http' : 'https'}://${formatEndpoint(bound)}`,
    start: async () => {
      app = await createApp(options);
      await app.listen({ host: endpoint.host, port: endpoint.port }).catch((error: unknown) => {
        throw listenError(error, endpoint, `${setting}.endpoint`);
      });
      const { port } = app.server.address() as AddressInfo;
      bound = { host: endpoint.host, port };
    },
    stop: async (deadline) => {
      const { server } = app ?? {};
      if (app === undefined || server === undefined) return;
      const cut = () => server.closeAllConnections();
      deadline.addEventListener('abort', cut, { once: true });
      if (deadline.aborted) cut();
      await app.close();
      deadline.removeEventListener('abort', cut);
    },
  };
}

async function createApp(options: ApiOptions): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: options.bodyBytesMax,
    forceCloseConnections: 'idle',
    ...TIMES,
    ...(await httpsOptions(options)),
  }) as unknown as FastifyInstance;
  handleErrors(app, options.log);
  await app.register(swagger, { openapi: { info: {
    title: 'Binnacle',
    version: options.version,
    description: 'Logs, spans and metrics in ClickHouse, answered in SQL.',
  } } });
  await app.register(swaggerUi, { routePrefix: '/docs' });
  for (const register of options.others) register(app);
  await app.register(async (scope) => {
    registerHealth(scope, options);
    registerQuery(scope, options);
    registerIndex(scope, options.version);
  });
  return app;
}

async function httpsOptions({ tls, files, setting }: ApiOptions): Promise<object> {
  if (tls === undefined) return {};
  const { cert, key, clientCa } = await readServerPem(files, tls, `${setting}.tls`);
  const mutual = clientCa === null ? {} : { ca: clientCa, requestCert: true };
  return { https: { cert, key, ...mutual, rejectUnauthorized: clientCa !== null } };
}

/** What a person sees who opens the address in a browser. */
function registerIndex(app: FastifyInstance, version: string): void {
  app.get('/', { schema: { hide: true } }, () => ({
    name: 'binnacle',
    version,
    query: 'POST /api/query {"sql": "SELECT count() FROM otel_logs"}',
    documentation: '/docs',
    health: '/health',
    metrics: '/metrics',
    otlp: ['POST /v1/traces', 'POST /v1/logs', 'POST /v1/metrics'],
  }));
}
