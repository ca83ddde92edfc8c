// Tells a route that its caller has gone, so that what was asked for him can be given up.

import type { FastifyReply } from 'fastify';

/** Fires when the connection has closed, or the answer has been sent. */
export function leavingOf(reply: FastifyReply): AbortSignal {
  const left = new AbortController();
  if (reply.raw.destroyed) left.abort();
  else reply.raw.once('close', () => left.abort());
  return left.signal;
}
