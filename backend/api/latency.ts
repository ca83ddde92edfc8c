// `GET /api/metrics/latency`: counts, errors and quantiles of spans over time. See docs/api.md.

import type { FastifyInstance } from 'fastify';
import type { World } from '../../runtime/world.ts';
import { readLatency, type LatencyRequest } from '../latency/latency.ts';
import { KEYS, type Key } from '../latency/sql.ts';
import type { Desk } from '../query/desk.ts';
import { callerOf } from './caller.ts';
import { leavingOf } from './leaving.ts';
import { HOUR_MS, invalid, MINUTE_MS, periodSchema, problems, readDuration, readPeriod,
  STEP_SCHEMA, timeSchema } from './period.ts';
import { readQuantiles } from './quantiles.ts';
import { refuseForeignPages } from './query.ts';

export const limits = {
  /** Steps of a period; more are refused. */
  stepsMax: 11_000,
  /** Points of an answer; more are refused. */
  pointsMax: 50_000,
  /** Characters of a value to choose by; a longer one is refused. */
  valueCharactersMax: 1000,
} as const;

export interface LatencyRouteOptions {
  readonly desk: Desk;
  readonly world: World;
}

export function registerLatency(app: FastifyInstance, options: LatencyRouteOptions): void {
  const { desk, world: { clock } } = options;
  app.addHook('onRequest', refuseForeignPages);
  app.get('/api/metrics/latency', { schema: DOCS }, async (request, reply) => {
    const asked = requestOf(request.query as Asked, clock.nowMs());
    const reader = { desk, caller: callerOf(request), rowsMax: limits.pointsMax };
    const latency = await readLatency(reader, asked, leavingOf(reply));
    if (latency === null) {
      throw invalid(`the answer has more than ${limits.pointsMax} points; ask for a longer step, `
        + 'a shorter period or fewer groups');
    }
    return reply.header('cache-control', 'no-store').send(latency);
  });
}

type Asked = Readonly<Partial<Record<
  Key | 'quantiles' | 'from' | 'to' | 'step' | 'group_by' | 'exact', string>>>;

/** Reads what the schema has let through. */
function requestOf(asked: Asked, nowMs: number): LatencyRequest {
  // The present minute is not over: with the last whole one the answer comes from rollups.
  const defaultToMs = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS;
  const { fromMs, toMs } = readPeriod(asked, { nowMs, defaultMs: HOUR_MS, defaultToMs });
  const stepMs = asked.step === undefined ? null : readDuration('step', asked.step);
  if (stepMs !== null && (toMs - fromMs) / stepMs > limits.stepsMax) {
    throw invalid(`the period has more than ${limits.stepsMax} steps; ask for a longer step`);
  }
  const names = Object.keys(KEYS) as Key[];
  return {
    fromMs, toMs, stepMs,
    groupBy: asked.group_by === undefined ? [] : keysOf(asked.group_by),
    only: Object.fromEntries(names.filter((name) => asked[name] !== undefined)
      .map((name) => [name, asked[name]!])),
    quantiles: readQuantiles(asked.quantiles),
    exact: asked.exact === 'true',
  };
}

function keysOf(value: string): Key[] {
  const names = value.split(',');
  for (const [index, name] of names.entries()) {
    if (!Object.hasOwn(KEYS, name) || names.indexOf(name) !== index) {
      throw invalid(`group_by is a list of some of ${Object.keys(KEYS).join(', ')}`);
    }
  }
  return names as Key[];
}

const text = (description: string, more: object = {}) =>
  ({ type: 'string', maxLength: limits.valueCharactersMax, description, ...more });
const DOCS = {
  operationId: 'latency',
  summary: 'Counts, errors and quantiles of spans over time',
  description: 'From rollups by minute, hour and day where they answer exactly what is asked, else '
    + 'from the spans; `sources` says which. Quantiles from rollups are within 1 %. Durations are '
    + 'nanoseconds.',
  tags: ['query'],
  querystring: {
    type: 'object',
    additionalProperties: false,
    properties: {
      service: text('Only spans of this service.'),
      operation: text('Only spans with this name.'),
      kind: text('Only spans of this kind.', {
        enum: ['Unspecified', 'Internal', 'Server', 'Client', 'Producer', 'Consumer'],
      }),
      status: text('Only spans with this status.', { enum: ['Unset', 'Ok', 'Error'] }),
      quantiles: text('Levels from 0 to 1; 0.5,0.95,0.99 unless given.'),
      ...periodSchema('An hour'),
      to: timeSchema('Not inside. The beginning of the present minute unless given.'),
      step: { ...STEP_SCHEMA, description: `${STEP_SCHEMA.description} One point unless given.` },
      group_by: text('A series for each value of these: service,operation,kind,status.'),
      exact: text('true: quantiles of the durations themselves, from the spans.', {
        enum: ['true', 'false'],
      }),
    },
  },
  response: {
    200: {
      description: 'The series.',
      content: { 'application/json': { schema: {
        type: 'object',
        required: ['from', 'to', 'step', 'exact', 'sources', 'series'],
        additionalProperties: true,
      } } },
    },
    400: problems('A value that cannot be right, or too many points.'),
    422: problems('It takes too long or too much memory; ask for less.'),
    429: problems('Too many queries run and wait at the same time.'),
    503: problems('The store is away.'),
  },
};
