// `/health` (everything, with the checks of all dependencies), `/health/ready` (may a load balancer
// send work here?), `/health/live` (does the process answer at all?) and `/metrics`.
//
// However many ask at the same time, the dependencies are asked once.

import type { FastifyInstance } from 'fastify';
import type { Counters } from '../../runtime/counters.ts';
import type { HealthBoard, HealthReport } from '../health/health.ts';

export interface HealthRouteOptions {
  readonly health: HealthBoard;
  readonly counters: Counters;
}

export function registerHealth(app: FastifyInstance, options: HealthRouteOptions): void {
  const { health, counters } = options;
  const report = shared(() => health.report());
  app.get('/health', { schema: REPORT_DOCS }, async (_, reply) => {
    const found = await report();
    return reply.code(statusOf(found)).header('cache-control', 'no-store').send(found);
  });
  app.get('/health/ready', { schema: READY_DOCS }, async (_, reply) => {
    const found = await report();
    const { status } = found;
    return reply.code(statusOf(found)).header('cache-control', 'no-store').send({ status });
  });
  app.get('/health/live', { schema: LIVE_DOCS }, () => ({ status: 'healthy' }));
  app.get('/metrics', { schema: METRICS_DOCS }, (_, reply) =>
    reply.type('text/plain; version=0.0.4; charset=utf-8').send(counters.exposition()));
}

const statusOf = ({ status }: HealthReport): 200 | 503 => (status === 'unhealthy' ? 503 : 200);

function shared(ask: () => Promise<HealthReport>): () => Promise<HealthReport> {
  let asking: Promise<HealthReport> | null = null;
  return () => {
    asking ??= ask().finally(() => {
      asking = null;
    });
    return asking;
  };
}

const STATUS = { type: 'string', enum: ['healthy', 'degraded', 'unhealthy'] } as const;
const STATUS_ONLY = { type: 'object', required: ['status'], properties: { status: STATUS } };

const CHECK = {
  type: 'object',
  required: ['status'],
  properties: {
    status: STATUS,
    reason: { type: 'string', description: 'What is wrong; absent when healthy.' },
    details: { type: 'object', additionalProperties: true },
  },
};

const REPORT = {
  type: 'object',
  required: ['status', 'version', 'uptime_seconds', 'timestamp', 'checks'],
  properties: {
    status: STATUS,
    version: { type: 'string' },
    uptime_seconds: { type: 'number' },
    timestamp: { type: 'string', format: 'date-time' },
    checks: { type: 'object', additionalProperties: CHECK },
  },
};

const answers = (schema: object) => ({
  200: { description: 'It works.', content: { 'application/json': { schema } } },
  503: {
    description: 'It cannot do its work; the reason is in the checks of /health.',
    content: { 'application/json': { schema } },
  },
});

const REPORT_DOCS = {
  operationId: 'health',
  summary: 'State of the backend and of all it depends on',
  tags: ['health'],
  response: answers(REPORT),
};

const READY_DOCS = {
  operationId: 'ready',
  summary: '200 when it can store and answer',
  tags: ['health'],
  response: answers(STATUS_ONLY),
};

const LIVE_DOCS = {
  operationId: 'live',
  summary: '200 while the process answers',
  tags: ['health'],
  response: { 200: {
    description: 'It lives.',
    content: { 'application/json': { schema: STATUS_ONLY } },
  } },
};

const METRICS_DOCS = {
  operationId: 'metrics',
  summary: 'Own counters as Prometheus text',
  tags: ['health'],
  response: { 200: {
    description: 'Prometheus text format 0.0.4.',
    content: { 'text/plain': { schema: { type: 'string' } } },
  } },
};
