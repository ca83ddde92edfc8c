// The backend's one HTTP server: the API, its documentation, health, and OTLP over HTTP.

import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { fastify, type FastifyInstance } from 'fastify';
import type { Log } from '../../runtime/log.ts';
import { handleErrors } from './errors.ts';
import { registerHealth, type HealthRouteOptions } from './health.ts';
import { registerQuery, type QueryRouteOptions } from './query.ts';

export interface ApiOptions extends HealthRouteOptions, QueryRouteOptions {
  readonly log: Log;
  readonly version: string;
  /** Bodies larger than this are answered with 413. */
  readonly bodyBytesMax: number;
  /** Routes of other rooms, registered in a scope of their own: OTLP over HTTP. */
  readonly others: ReadonlyArray<(app: FastifyInstance) => void | Promise<void>>;
}

/** Time a client has to send its headers and its whole request, against slow senders. */
const CONNECTION_LIMITS = { requestTimeout: 60_000, connectionTimeout: 0, keepAliveTimeout: 65_000 };

/** Builds the server without listening. The caller listens and closes. */
export async function createApi(options: ApiOptions): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: options.bodyBytesMax,
    forceCloseConnections: 'idle',
    ...CONNECTION_LIMITS,
  });
  handleErrors(app, options.log);
  await app.register(swagger, {
    openapi: {
      info: {
        title: 'Binnacle',
        version: options.version,
        description: 'Logs, spans and metrics in ClickHouse, answered in SQL.',
      },
    },
  });
  await app.register(swaggerUi, { routePrefix: '/docs' });
  for (const register of options.others) await app.register(async (scope) => register(scope));
  await app.register(async (scope) => {
    registerHealth(scope, options);
    registerQuery(scope, options);
    registerIndex(scope, options.version);
  });
  return app;
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
