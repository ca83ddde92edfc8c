// Listens on TCP for a server that is handed its connections. `localhost` means both loopback
// addresses, since clients differ in which one they try; a machine without one of them is served on
// the other. The number of open connections is bounded.

import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { errorCode } from '../runtime/errors.ts';
import { listenError, type Endpoint } from '../runtime/net.ts';

export interface ListenOptions {
  /** The configuration path of the endpoint, for the sentence that says why it cannot be used. */
  readonly setting: string;
  /** Further connections are closed as soon as they come. */
  readonly connectionsMax: number;
  readonly take: (socket: Socket) => void;
}

export interface Listener {
  /** With the port that the system gave when 0 was asked for. */
  readonly endpoint: Endpoint;
  /** Takes no more connections; those that are open stay. */
  close(): void;
  /** Also drops those that are open. */
  destroy(): void;
}

/** The addresses that a host name in an endpoint stands for. */
export function addressesOf(host: string): readonly string[] {
  return host === 'localhost' ? ['127.0.0.1', '::1'] : [host];
}

/** Throws OperatorError when the endpoint cannot be used. */
export async function listen(endpoint: Endpoint, options: ListenOptions): Promise<Listener> {
  const [first, ...others] = addressesOf(endpoint.host);
  const open = createListener(endpoint.host, options);
  const missing = await open.add({ host: first!, port: endpoint.port });
  if (missing !== null && (others.length === 0 || !isMissing(missing))) {
    throw listenError(missing, { host: first!, port: endpoint.port }, options.setting);
  }
  await addOthers(open, others, endpoint.port, options.setting);
  if (open.endpoint.port === 0) throw listenError(missing, endpoint, options.setting);
  return open;
}

/**
 * Listens on the addresses that `endpoint` stands for besides the first, which somebody else
 * listens on already, at `port`.
 */
export async function listenBeside(
  endpoint: Endpoint,
  port: number,
  options: ListenOptions,
): Promise<Listener> {
  const open = createListener(endpoint.host, options);
  open.endpoint.port = port;
  await addOthers(open, addressesOf(endpoint.host).slice(1), endpoint.port, options.setting);
  return open;
}

interface OpenListener extends Listener {
  readonly endpoint: { host: string; port: number };
  /** The error, if there is one. */
  add(address: Endpoint): Promise<unknown>;
}

function createListener(host: string, options: ListenOptions): OpenListener {
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  const endpoint = { host, port: 0 };
  const close = () => servers.forEach((server) => server.close());
  return {
    endpoint,
    close,
    destroy: () => {
      close();
      sockets.forEach((socket) => socket.destroy());
    },
    add: async (address) => {
      const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) =>
        keep(socket, sockets, options.take));
      server.maxConnections = options.connectionsMax;
      const error = await bind(server, address);
      if (error !== null) return error;
      servers.push(server);
      endpoint.port = (server.address() as AddressInfo).port;
      return null;
    },
  };
}

/** The other loopback address may be missing, or its port be taken if any port would do. */
async function addOthers(
  open: OpenListener,
  addresses: readonly string[],
  portAsked: number,
  setting: string,
): Promise<void> {
  for (const host of addresses) {
    const address = { host, port: open.endpoint.port === 0 ? portAsked : open.endpoint.port };
    const error = await open.add(address);
    if (error === null || portAsked === 0 || isMissing(error)) continue;
    open.close();
    throw listenError(error, address, setting);
  }
}

const isMissing = (error: unknown): boolean =>
  ['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(errorCode(error));

function keep(socket: Socket, sockets: Set<Socket>, take: (socket: Socket) => void): void {
  sockets.add(socket);
  socket.on('close', () => sockets.delete(socket));
  take(socket);
}

function bind(server: Server, { host, port }: Endpoint): Promise<unknown> {
  return new Promise((resolve) => {
    server.once('error', resolve);
    server.listen({ host, port }, () => {
      server.removeListener('error', resolve);
      resolve(null);
    });
  });
}
