// `GET /api/ledger?from=&to=`: the conservation ledger of a period, by default of the last 24
// hours. See docs/api.md for what it proves.

import type { FastifyInstance } from 'fastify';
import type { Signal } from '../../proto/otlp/model.ts';
import type { World } from '../../runtime/world.ts';
import type { Period } from '../ledger/facts.ts';
import { readLedger } from '../ledger/ledger.ts';
import type { Storage } from '../storage/contract.ts';
import { ApiError, ERROR_SCHEMA } from './errors.ts';
import { refuseForeignPages } from './query.ts';

export const limits = {
  /** Ledgers that are read at the same time; more are answered 429. */
  concurrentMax: 2,
  /** A longer period is refused. */
  periodMsMax: 400 * 86_400_000,
} as const;

export interface LedgerRouteOptions {
  readonly storage: Storage;
  readonly world: World;
  /** How long records are kept, in milliseconds. */
  readonly keptMs: Readonly<Record<Signal, number>>;
}

const PERIOD_MS = 86_400_000;

export function registerLedger(app: FastifyInstance, options: LedgerRouteOptions): void {
  const { storage, keptMs, world: { clock } } = options;
  let running = 0;
  app.addHook('onRequest', refuseForeignPages);
  app.get('/api/ledger', { schema: DOCS }, async (request, reply) => {
    const period = periodOf(request.query as Asked, clock.nowMs());
    if (running >= limits.concurrentMax) {
      throw new ApiError('TOO_MANY_SIMULTANEOUS_QUERIES', `${running} ledgers are being read`);
    }
    const left = new AbortController();
    reply.raw.once('close', () => left.abort());
    running += 1;
    try {
      const ledger = await readLedger({ storage, clock, keptMs }, period, left.signal);
      return await reply.header('cache-control', 'no-store').send(ledger);
    } finally {
      running -= 1;
    }
  });
}

interface Asked {
  readonly from?: string;
  readonly to?: string;
}

function periodOf({ from, to }: Asked, nowMs: number): Period {
  const toMs = to === undefined ? nowMs : instantOf('to', to);
  const fromMs = from === undefined ? toMs - PERIOD_MS : instantOf('from', from);
  if (fromMs >= toMs) throw new ApiError('INVALID_REQUEST', 'from must be before to');
  if (toMs - fromMs > limits.periodMsMax) {
    throw new ApiError('INVALID_REQUEST', 'the period is longer than 400 days');
  }
  return { fromMs, toMs };
}

const ISO = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/;

function instantOf(name: string, text: string): number {
  const ms = ISO.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms) || ms < 0) {
    throw new ApiError('INVALID_REQUEST', `${name} must be a time like 2026-01-02T03:04:05Z`);
  }
  return ms;
}

const time = (description: string) => ({ type: 'string', maxLength: 40, description });
const problems = (description: string) => ({
  description, content: { 'application/json': { schema: ERROR_SCHEMA } },
});

const DOCS = {
  operationId: 'ledger',
  summary: 'What agents took and what became of it; which batches are missing',
  description: 'For each agent, signal and hour: received, stored, queued, dropped, refused, lost. '
    + 'Times are ISO 8601 with Z or an offset, or a date.',
  tags: ['query'],
  querystring: {
    type: 'object',
    additionalProperties: false,
    properties: { from: time('24 hours before `to` unless given.'), to: time('Now unless given.') },
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
    429: problems('Too many ledgers are being read.'),
    503: problems('The store is away.'),
  },
};
