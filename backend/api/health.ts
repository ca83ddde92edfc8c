// `/health` (everything, with the checks of all dependencies), `/health/ready` (may a load balancer
// send work here?), `/health/live` (does the process answer at all?) and `/metrics`.

import type { FastifyInstance } from 'fastify';
import type { Counters } from '../../runtime/counters.ts';
import type { HealthBoard } from '../health/health.ts';

export interface HealthRouteOptions {
  readonly health: HealthBoard;
  readonly counters: Counters;
}

export function registerHealth(app: FastifyInstance, options: HealthRouteOptions): void {
  const { health, counters } = options;
  const schema = (summary: string) => ({ schema: { summary, tags: ['health'] } });
  app.get('/health', schema('State of the backend and of all it depends on'), async (_, reply) => {
    const report = await health.report();
    return reply.code(report.status === 'unhealthy' ? 503 : 200).send(report);
  });
  app.get('/health/ready', schema('200 when it can store and answer'), async (_, reply) => {
    const { status } = await health.report();
    return reply.code(status === 'unhealthy' ? 503 : 200).send({ status });
  });
  app.get('/health/live', schema('200 while the process answers'), () => ({ status: 'healthy' }));
  app.get('/metrics', schema('Own counters as Prometheus text'), (_, reply) =>
    reply.type('text/plain; version=0.0.4; charset=utf-8').send(counters.exposition()));
}
