// `GET /api/ledger?from=&to=`: the conservation ledger of a period, by default of the last 24
// hours. See docs/api.md for what it proves.

import type { FastifyInstance } from 'fastify';
import type { Signal } from '../../proto/otlp/model.ts';
import type { World } from '../../runtime/world.ts';
import { readLedger } from '../ledger/ledger.ts';
import type { Desk } from '../query/desk.ts';
import { callerOf } from './caller.ts';
import { leavingOf } from './leaving.ts';
import { DAY_MS, periodSchema, problems, readPeriod, type AskedPeriod } from './period.ts';
import { refuseForeignPages } from './query.ts';

export interface LedgerRouteOptions {
  readonly desk: Desk;
  readonly world: World;
  /** How long records are kept, in milliseconds. */
  readonly keptMs: Readonly<Record<Signal, number>>;
}

export function registerLedger(app: FastifyInstance, options: LedgerRouteOptions): void {
  const { desk, keptMs, world: { clock } } = options;
  app.addHook('onRequest', refuseForeignPages);
  app.get('/api/ledger', { schema: DOCS }, async (request, reply) => {
    const period = readPeriod(request.query as AskedPeriod, {
      nowMs: clock.nowMs(), defaultMs: DAY_MS,
    });
    const reader = { desk, clock, keptMs, caller: callerOf(request) };
    const ledger = await readLedger(reader, period, leavingOf(reply));
    return reply.header('cache-control', 'no-store').send(ledger);
  });
}

const DOCS = {
  operationId: 'ledger',
  summary: 'What agents took and what became of it; which batches are missing',
  description: 'For each agent, signal and hour: received, stored, queued, dropped, refused, lost.',
  tags: ['query'],
  querystring: {
    type: 'object',
    additionalProperties: false,
    properties: periodSchema('24 hours'),
  },
  response: {
    200: {
      description: 'The ledger.',
      content: { 'application/json': { schema: {
        type: 'object',
        required: ['from', 'to', 'statement', 'lost', 'records', 'gaps', 'agents', 'hours'],
        additionalProperties: true,
      } } },
    },
    400: problems('A time that cannot be read.'),
    422: problems('It takes too long; ask for a shorter period.'),
    429: problems('Too many queries run and wait at the same time.'),
    503: problems('The store is away.'),
  },
};
