// `GET /api/services`, `/api/services/{name}` and `/api/service-map`: what services do, and who
// calls whom. See docs/api.md.

import type { FastifyInstance } from 'fastify';
import type { World } from '../../runtime/world.ts';
import { readServiceMap } from '../traces/map.ts';
import { byCount, limits as serviceLimits, readService, readServices, type ServiceSummary }
  from '../traces/landscape.ts';
import { askingFor, type AskingOptions } from './asking.ts';
import { ApiError } from './errors.ts';
import { answers, CURSOR_SCHEMA, decodeCursor, fittingStepMs, HOUR_MS, invalid, LIMIT_SCHEMA,
  listSchema, MINUTE_MS, pageOf, periodSchema, problems, readDuration, readLimit, readPeriod,
  STEP_SCHEMA, type Period } from './period.ts';
import { refuseForeignPages } from './query.ts';

export const limits = {
  /** Services and operations by kind, or steps, that are read; with more, 400. */
  pointsMax: 50_000,
  /** Characters of a service's name. */
  nameCharactersMax: 1000,
} as const;

export interface LandscapeRouteOptions extends AskingOptions {
  readonly world: World;
}

type Asked = Readonly<Partial<Record<'from' | 'to' | 'step' | 'limit' | 'cursor', string>>>;

export function registerLandscape(app: FastifyInstance, options: LandscapeRouteOptions): void {
  const { clock } = options.world;
  const periodOf = (asked: Asked): Period =>
    readPeriod(asked, { nowMs: clock.nowMs(), defaultMs: HOUR_MS });
  app.addHook('onRequest', refuseForeignPages);
  app.get('/api/services', { schema: LIST_DOCS }, async (request, reply) => {
    const asked = request.query as Asked;
    const { period, after } = placeOf(asked, periodOf);
    const limit = readLimit(asked.limit);
    const { latency } = askingFor(options, request, reply, limits.pointsMax);
    const all = await readServices(latency, period) ?? tooMany();
    const behind = after === null ? all : all.filter((one) => byCount(one, after) > 0);
    const page = pageOf(behind, limit, ({ count, service }: ServiceSummary) =>
      ({ ...period, count, service }));
    return reply.header('cache-control', 'no-store').send({ ...isoPeriod(period), ...page });
  });
  app.get('/api/services/:name', { schema: SERVICE_DOCS }, async (request, reply) => {
    const { name } = request.params as { name: string };
    const asked = request.query as Asked;
    const period = periodOf(asked);
    const stepMs = stepOf(asked, period);
    const { rows, latency } = askingFor(options, request, reply, limits.pointsMax);
    const found = await readService(rows, latency, { service: name, period, stepMs });
    if (found === 'too many') return tooMany();
    if (found === null) {
      throw new ApiError('NOT_FOUND',
        `the service '${name.slice(0, 100)}' has no spans from ${isoPeriod(period).from} on`);
    }
    return reply.header('cache-control', 'no-store').send(found);
  });
  app.get('/api/service-map', { schema: MAP_DOCS }, async (request, reply) => {
    const { rows } = askingFor(options, request, reply, limits.pointsMax);
    const map = await readServiceMap(rows, periodOf(request.query as Asked));
    return reply.header('cache-control', 'no-store').send(map);
  });
}

function tooMany(): never {
  throw invalid(`there are more than ${limits.pointsMax} services, operations or steps; ask for a `
    + 'shorter period or a longer step');
}

const isoPeriod = ({ fromMs, toMs }: Period): { from: string; to: string } =>
  ({ from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() });

const SHORT_MS = 5 * MINUTE_MS;

function stepOf({ step }: Asked, period: Period): number {
  if (step === undefined) {
    const fittingMs = fittingStepMs(period, serviceLimits.stepsMax);
    // Rollups by the hour answer it, which are few beside those by the minute.
    return fittingMs > SHORT_MS && fittingMs < HOUR_MS ? HOUR_MS : fittingMs;
  }
  const stepMs = readDuration('step', step);
  if ((period.toMs - period.fromMs) / stepMs > limits.pointsMax) tooMany();
  return stepMs;
}

type Place = Period & Pick<ServiceSummary, 'count' | 'service'>;

/** Pages of a list are of one period, whatever the time is. */
function placeOf(
  asked: Asked,
  periodOf: (asked: Asked) => Period,
): { period: Period; after: Place | null } {
  if (asked.cursor === undefined) return { period: periodOf(asked), after: null };
  const after = decodeCursor(asked.cursor, (place): place is Place => {
    const { fromMs, toMs, count, service } = (place ?? {}) as Place;
    return [fromMs, toMs, count].every((one) => Number.isFinite(one))
      && typeof service === 'string';
  });
  return { period: { fromMs: after.fromMs, toMs: after.toMs }, after };
}

const NUMBER = { type: 'number' } as const;
const TEXT = { type: 'string' } as const;
const RED = {
  count: { ...NUMBER, description: 'Spans that were made; sampling counts.' },
  errors: NUMBER,
  errorRate: { ...NUMBER, description: 'From 0 to 1.' },
  rate: { ...NUMBER, description: 'For each second.' },
  mean: { ...NUMBER, description: 'Nanoseconds, as all durations here.' },
  p50: NUMBER, p95: NUMBER, p99: NUMBER, max: NUMBER,
  exemplar: { ...TEXT, description: 'Trace of the slowest span.' },
} as const;
const SUMMARY = {
  type: 'object',
  required: ['service', 'basis', 'spans', ...Object.keys(RED)],
  properties: {
    service: TEXT,
    basis: { ...TEXT, enum: ['requests', 'spans'], description: 'What is counted.' },
    spans: { ...NUMBER, description: 'All spans that are stored.' },
    ...RED,
  },
} as const;
const SAMPLING = {
  type: 'object',
  required: ['isSampled', 'spans', 'spansLookedAt', 'share', 'windows'],
  properties: {
    isSampled: { type: 'boolean' }, spans: NUMBER, spansLookedAt: NUMBER, share: NUMBER,
    windows: { ...NUMBER, nullable: true },
  },
} as const;
const EDGES = { type: 'array', items: {
  type: 'object',
  required: ['source', 'target', 'calls', 'errors', 'errorRate', 'rate', 'p50', 'p95'],
  properties: { source: TEXT, target: TEXT, calls: NUMBER, errors: NUMBER, errorRate: NUMBER,
    rate: NUMBER, p50: NUMBER, p95: NUMBER },
} } as const;

const PERIOD = periodSchema('An hour');
const query = (properties: object) =>
  ({ type: 'object', additionalProperties: false, properties: { ...PERIOD, ...properties } });
const refusals = {
  400: problems('A value that cannot be right, or too many points.'),
  422: problems('It takes too long or too much memory; ask for a shorter period.'),
  429: problems('Too many queries run and wait at the same time.'),
  503: problems('The store is away.'),
};

const LIST_DOCS = {
  operationId: 'services',
  summary: 'Services with rate, errors and durations',
  description: 'By the requests they take in (spans of kind Server and Consumer), the busiest '
    + 'first; services without any are counted by all their spans. From rollups.',
  tags: ['traces'],
  querystring: query({ limit: LIMIT_SCHEMA, cursor: CURSOR_SCHEMA }),
  response: { 200: answers('A page of services.', listSchema(SUMMARY)), ...refusals },
};

const SERVICE_DOCS = {
  operationId: 'service',
  summary: 'What one service does, of what it is made, and who calls whom around it',
  tags: ['traces'],
  params: { type: 'object', required: ['name'], properties: {
    name: { ...TEXT, maxLength: limits.nameCharactersMax } } },
  querystring: query({ step: STEP_SCHEMA }),
  response: {
    200: answers('The service.', {
      type: 'object',
      required: ['from', 'to', 'summary', 'step', 'series', 'operations', 'callers', 'dependencies',
        'sampling', 'latestErrors', 'instances'],
      properties: { summary: SUMMARY, callers: EDGES, dependencies: EDGES, sampling: SAMPLING },
      additionalProperties: true,
    }),
    404: problems('The service has no spans in the period.'),
    ...refusals,
  },
};

const MAP_DOCS = {
  operationId: 'service_map',
  summary: 'Which service calls which, and the databases, queues and strangers they call',
  description: 'From spans and their parents of another service. Of many spans a sample of whole '
    + 'traces is joined and scaled up; `sampling` says how much.',
  tags: ['traces'],
  querystring: query({}),
  response: {
    200: answers('The map.', {
      type: 'object',
      required: ['from', 'to', 'nodes', 'edges', 'truncated', 'sampling'],
      properties: {
        nodes: { type: 'array', items: {
          type: 'object',
          required: ['id', 'type', 'name', 'isInstrumented'],
          properties: { id: TEXT, name: TEXT, isInstrumented: { type: 'boolean' },
            type: { ...TEXT, enum: ['service', 'database', 'queue', 'external'] } },
        } },
        edges: EDGES, truncated: { type: 'boolean' }, sampling: SAMPLING,
      },
      additionalProperties: true,
    }),
    ...refusals,
  },
};
