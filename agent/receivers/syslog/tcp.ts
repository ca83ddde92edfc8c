// Messages over TCP and TLS. A connection is read only while there is room for what it brings: when
// the next part is slow, nothing more is read, and the sender waits.
//
// Bytes that do not follow the framing close their connection, counted. What a connection leaves
// unfinished when it ends is a message.

import type { Socket } from 'node:net';
import { createServer } from 'node:tls';
import { listen, type Listener } from '../../../proto/listen.ts';
import { readServerPem } from '../../../proto/tls.ts';
import type { ServerTlsConfig } from '../../../config/tls.ts';
import type { Clock, Timer } from '../../../runtime/clock.ts';
import type { Endpoint } from '../../../runtime/net.ts';
import type { World } from '../../../runtime/world.ts';
import { createFramer, type Framing } from './frames.ts';
import type { Inlet, Peer } from './inlet.ts';

export const limits = {
  /** Connections, unless the configuration says less. Further ones are closed at once. */
  connectionsMax: 4096,
  /** Bytes of unfinished messages of all connections; who goes beyond is cut off. */
  unfinishedBytesMax: 64 * 1024 * 1024,
  /** A message of several lines ends when nothing has come for so long. */
  flushMs: 500,
  /** Time for the handshake of TLS. */
  handshakeMs: 10_000,
} as const;

export interface TcpOptions {
  readonly endpoint: Endpoint;
  readonly setting: string;
  readonly framing: Framing;
  readonly connectionsMax: number;
  /** 0: never. */
  readonly idleMs: number;
  readonly tls: ServerTlsConfig | undefined;
}

export interface Input {
  readonly endpoint: Endpoint;
  /** Takes nothing more; resolves when what was read is handed on. */
  stop(): Promise<void>;
}

export async function startTcp(
  options: TcpOptions, inlet: Inlet, world: World,
): Promise<Input> {
  const connections = new Set<Connection>();
  const shared = { bytes: 0 };
  const take = (socket: Socket): void => {
    const connection = connect(options, inlet, { socket, shared, clock: world.clock });
    connections.add(connection);
    void connection.closed.then(() => connections.delete(connection));
  };
  const secure = await createSecure(options, world, inlet, take);
  const listener: Listener = await listen(options.endpoint, {
    setting: options.setting,
    connectionsMax: options.connectionsMax === 0 ? limits.connectionsMax : options.connectionsMax,
    take: secure ?? take,
  });
  return {
    endpoint: listener.endpoint,
    stop: async () => {
      listener.close();
      const all = [...connections];
      for (const { end } of all) end();
      await Promise.all(all.map(({ closed }) => closed));
      listener.destroy();
    },
  };
}

/** Takes connections that are encrypted, and hands on what is in them; null without TLS. */
async function createSecure(
  { tls, setting }: TcpOptions, world: World, inlet: Inlet, take: (socket: Socket) => void,
): Promise<((socket: Socket) => void) | null> {
  if (tls === undefined) return null;
  const { cert_file: certFile, key_file: keyFile, client_ca_file: clientCaFile } = tls;
  const path = setting.replace(/listen_address$/, 'tls');
  const { cert, key, clientCa } = await readServerPem(
    world.files, { certFile, keyFile, clientCaFile }, path);
  const verified = { requestCert: true, rejectUnauthorized: true };
  const server = createServer({
    cert, key, handshakeTimeout: limits.handshakeMs,
    ...(clientCa === null ? {} : { ca: clientCa, ...verified }),
  }, take);
  server.on('tlsClientError', (_error, socket) => {
    inlet.dropped('handshake');
    socket.destroy();
  });
  return (socket) => void server.emit('connection', socket);
}

interface Connection {
  readonly closed: Promise<void>;
  /** Ends it; what was read is handed on. */
  end(): void;
}

interface Place {
  readonly socket: Socket;
  /** What all connections hold unfinished. */
  readonly shared: { bytes: number };
  readonly clock: Clock;
}

function connect(options: TcpOptions, inlet: Inlet, place: Place): Connection {
  const { socket, shared, clock } = place;
  const framer = createFramer(options.framing);
  const peer = peerOf(socket);
  let own = 0;
  let idle: Timer | undefined;
  let flush: Timer | undefined;
  const note = (): void => {
    shared.bytes += framer.waiting() - own;
    own = framer.waiting();
  };
  const hand = (messages: readonly Buffer[]): void => {
    for (const message of messages) inlet.add(message, peer);
  };
  const touch = (): void => {
    idle?.cancel();
    flush?.cancel();
    if (options.idleMs > 0) idle = clock.after(options.idleMs, () => socket.destroy());
    if (options.framing.multiline === undefined || own === 0) return;
    flush = clock.after(limits.flushMs, () => {
      hand(framer.flush());
      note();
    });
  };
  const cut = (reason: 'broken' | 'unfinished'): void => {
    inlet.dropped(reason);
    socket.destroy();
  };
  socket.on('data', (chunk: Buffer) => {
    hand(framer.push(chunk));
    note();
    if (framer.isBroken()) return cut('broken');
    touch();
    if (shared.bytes > limits.unfinishedBytesMax) return cut('unfinished');
    if (!inlet.full()) return;
    socket.pause();
    void inlet.room().then((more) => (more ? socket.resume() : socket.destroy()));
  });
  socket.on('end', () => socket.end());
  socket.on('error', () => socket.destroy());
  touch();
  const closed = new Promise<void>((resolve) => socket.on('close', () => {
    idle?.cancel();
    flush?.cancel();
    hand(framer.flush());
    note();
    resolve();
  }));
  return { closed, end: () => void socket.destroy() };
}

function peerOf(socket: Socket): Peer {
  return {
    transport: 'IP.TCP',
    peerIp: socket.remoteAddress ?? '', peerPort: socket.remotePort ?? 0,
    hostIp: socket.localAddress ?? '', hostPort: socket.localPort ?? 0,
  };
}
