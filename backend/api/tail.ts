// `GET /api/tail`: what is accepted from now on and fits a search, as server-sent events:
//
//   event: ready     data: {"signal": "logs"}       once, when it listens
//   event: log       data: a record as GET /api/logs has it; `span` for spans
//   event: dropped   data: {"count": 17}            so many were too many, before what follows
//   : heartbeat                                      when nothing came for a while
//
// A listener who reads slowly is sent less, and told so; the intake never waits for him.

import type { ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { World } from '../../runtime/world.ts';
import { searchOf } from '../logs/where.ts';
import type { TailHub } from '../tail/hub.ts';
import { TAILED, type Tailed } from '../tail/records.ts';
import { ApiError } from './errors.ts';
import { FILTER_SCHEMAS, type AskedLogs } from './logs_asked.ts';
import { problems } from './period.ts';
import { refuseForeignPages } from './query.ts';

export const limits = {
  /** Bytes that wait in the connection of a listener before less is taken for him. */
  waitingBytesMax: 256 * 1024,
  /** Something is sent at least so often, so that proxies keep the connection. */
  heartbeatMs: 15_000,
} as const;

export interface TailRouteOptions {
  readonly tail: TailHub;
  readonly world: World;
}

const EVENT: Readonly<Record<Tailed, string>> = { logs: 'log', traces: 'span' };

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  // Proxies such as nginx would hold events back.
  'x-accel-buffering': 'no',
};

export function registerTail(app: FastifyInstance, { tail, world }: TailRouteOptions): void {
  app.addHook('onRequest', refuseForeignPages);
  app.addHook('preClose', async () => tail.close());
  app.get('/api/tail', { exposeHeadRoute: false, schema: DOCS }, async (request, reply) => {
    const asked = request.query as AskedLogs & { signal?: Tailed };
    const signal = asked.signal ?? 'logs';
    const { raw } = reply;
    const stream = { flush: () => {} };
    const listener = tail.listen({
      signal, search: searchOf(asked),
      ready: () => stream.flush(),
      ended: () => raw.end(),
    });
    if (listener === null) {
      throw new ApiError('TOO_MANY_SIMULTANEOUS_QUERIES', 'too many live tails are open');
    }
    reply.hijack();
    raw.writeHead(200, HEADERS);
    send(raw, 'ready', { signal });
    stream.flush = () => {
      // Whoever takes slowly is asked again when he has taken what is on its way.
      if (raw.writableLength > limits.waitingBytesMax || raw.destroyed) return;
      const { entries, dropped } = listener.take();
      if (dropped > 0) send(raw, 'dropped', { count: dropped });
      for (const entry of entries) send(raw, EVENT[signal], entry);
    };
    raw.on('drain', () => stream.flush());
    const heartbeat = world.clock.every(limits.heartbeatMs, () => raw.write(': heartbeat\n\n'));
    raw.once('close', () => {
      heartbeat.cancel();
      listener.close();
    });
  });
}

function send(raw: ServerResponse, event: string, data: object): void {
  raw.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

const DOCS = {
  operationId: 'tail', summary: 'What is accepted from now on, as it comes', tags: ['logs'],
  description: 'Server-sent events: ready, log or span, and dropped with a count of what was left '
    + 'out for a slow listener.',
  querystring: { type: 'object', additionalProperties: false, properties: {
    ...FILTER_SCHEMAS,
    signal: { type: 'string', enum: [...TAILED], description: 'logs unless given.' },
  } },
  response: {
    200: { description: 'The events.', content: {
      'text/event-stream': { schema: { type: 'string' } } } },
    400: problems('A value that cannot be right; INVALID_SEARCH has a position.'),
    429: problems('Too many live tails are open.'),
  },
};
