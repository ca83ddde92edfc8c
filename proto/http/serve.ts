// How a fastify server of ours begins to listen and ends: used by the agent's OTLP listener and by
// the backend's API, so that both say the same when a port is taken and stop in the same order.

import type { FastifyInstance } from 'fastify';
import { errorCode } from '../../runtime/errors.ts';
import { listenError, type Endpoint } from '../../runtime/net.ts';
import { addressesOf } from '../listen.ts';

/**
 * Listens on the first address of `endpoint` and answers the port. `setting` is the configuration
 * path that `endpoint` belongs to. Throws OperatorError when the system refuses; `app` is closed
 * then.
 */
export async function listenFirst(
  app: FastifyInstance,
  { host, port }: Endpoint,
  setting: string,
): Promise<number> {
  const endpoint = { host: addressesOf(host)[0]!, port };
  try {
    await app.listen(endpoint);
  } catch (error) {
    await app.close();
    // Anything else than a refusal of the system is a bug.
    if (errorCode(error) === '' || errorCode(error).startsWith('FST_')) throw error;
    throw listenError(error, endpoint, `${setting}.endpoint`);
  }
  return (app.server.address() as { port: number }).port;
}

/** Waits for the requests that are under way until the deadline; idle connections go at once. */
export async function shutDown(app: FastifyInstance, deadline: AbortSignal): Promise<void> {
  const cut = () => app.server.closeAllConnections();
  const closed = app.close();
  if (deadline.aborted) cut();
  else deadline.addEventListener('abort', cut, { once: true });
  await closed;
  deadline.removeEventListener('abort', cut);
}
