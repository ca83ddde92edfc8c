// How a fastify server of ours begins to listen and ends, so that all of them say the same when a
// port is taken, listen on both addresses of `localhost`, and stop in the same order.

import type { FastifyInstance } from 'fastify';
import { errorCode } from '../../runtime/errors.ts';
import { listenError, type Endpoint } from '../../runtime/net.ts';
import { addressesOf, listenBeside, type Listener } from '../listen.ts';

export interface ServeOptions {
  readonly endpoint: Endpoint;
  /** The configuration path that `endpoint` belongs to, for error messages. */
  readonly setting: string;
  /** Further connections are closed at once. */
  readonly connectionsMax: number;
}

export interface Serving {
  /** With the port that the system gave when 0 was asked for. */
  readonly endpoint: Endpoint;
  /** Takes nothing more, and waits for what is under way until the deadline. */
  stop(deadline: AbortSignal): Promise<void>;
}

/** Throws OperatorError when the endpoint cannot be used; `app` is closed then. */
export async function serve(app: FastifyInstance, options: ServeOptions): Promise<Serving> {
  const { endpoint, setting, connectionsMax } = options;
  const { server } = app;
  server.maxConnections = connectionsMax;
  const port = await listenFirst(app, endpoint, setting);
  const beside = await listenBeside(endpoint, port, {
    setting: `${setting}.endpoint`,
    connectionsMax,
    take: (socket) => void server.emit('connection', socket),
  }).catch(async (error: unknown) => {
    await app.close();
    throw error;
  });
  return {
    endpoint: { host: endpoint.host, port },
    stop: (deadline) => stopServing(app, beside, deadline),
  };
}

async function listenFirst(
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

async function stopServing(
  app: FastifyInstance,
  beside: Listener,
  deadline: AbortSignal,
): Promise<void> {
  beside.close();
  const cut = () => app.server.closeAllConnections();
  // Idle connections go at once.
  const closed = app.close();
  if (deadline.aborted) cut();
  else deadline.addEventListener('abort', cut, { once: true });
  await closed;
  deadline.removeEventListener('abort', cut);
  beside.destroy();
}
