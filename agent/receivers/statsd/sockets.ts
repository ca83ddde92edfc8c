// Where lines come in: datagrams of one or more lines, or TCP connections with a line after the
// other. What is longer than `limits.lineBytes` is passed over and counted.

import { createSocket, type Socket as Datagrams } from 'node:dgram';
import type { Socket } from 'node:net';
import { addressesOf, listen } from '../../../proto/listen.ts';
import { errorCode } from '../../../runtime/errors.ts';
import { listenError, type Endpoint } from '../../../runtime/net.ts';
import type { StatsdConfig } from './config.ts';

export const limits = {
  /** Connections beyond it are closed at once. */
  connections: 1000,
  /** A longer line of a connection is passed over. Datagrams have their own end. */
  lineBytes: 64 * 1024,
  /** Bytes of datagrams that the system keeps for us; the system may allow less. */
  receiveBytes: 4 * 1024 * 1024,
} as const;

export type OnLine = (line: string) => void;

export interface Lines {
  readonly endpoint: Endpoint;
  /** Takes no more lines. */
  stop(): Promise<void>;
}

export interface LinesOptions {
  readonly setting: string;
  readonly line: OnLine;
  readonly tooLong: () => void;
}

/** Throws OperatorError when the endpoint cannot be used. */
export function openLines(
  { endpoint, transport }: StatsdConfig,
  options: LinesOptions,
): Promise<Lines> {
  const host = transport.endsWith('6') && endpoint.host === 'localhost' ? '::1'
    : transport.endsWith('4') && endpoint.host === 'localhost' ? '127.0.0.1' : endpoint.host;
  const where = { host, port: endpoint.port };
  return transport.startsWith('tcp') ? openTcp(where, options)
    : openUdp(where, transport, options);
}

async function openUdp(
  { host, port }: Endpoint,
  transport: string,
  options: LinesOptions,
): Promise<Lines> {
  const sockets: Datagrams[] = [];
  let bound = port;
  for (const address of addressesOf(host)) {
    const socket = createSocket({ type: familyOf(address, transport) });
    const error = await bind(socket, { host: address, port: bound });
    if (error === null) {
      bound = socket.address().port;
      sockets.push(socket);
      listenTo(socket, options.line);
      continue;
    }
    socket.close();
    const absent = ['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(errorCode(error));
    // A machine without one of the two addresses of localhost is served on the other.
    if (sockets.length > 0 && (absent || port === 0)) continue;
    await Promise.all(sockets.map(closed));
    throw listenError(error, { host: address, port }, options.setting);
  }
  return { endpoint: { host, port: bound }, stop: async () => {
    await Promise.all(sockets.map(closed));
  } };
}

const familyOf = (address: string, transport: string): 'udp4' | 'udp6' =>
  (transport === 'udp6' || (transport === 'udp' && address.includes(':')) ? 'udp6' : 'udp4');

function bind(socket: Datagrams, { host, port }: Endpoint): Promise<unknown> {
  return new Promise((resolve) => {
    socket.once('error', resolve);
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.removeListener('error', resolve);
      resolve(null);
    });
  });
}

function listenTo(socket: Datagrams, line: OnLine): void {
  // An error of one datagram is none of the socket.
  socket.on('error', () => {});
  try {
    socket.setRecvBufferSize(limits.receiveBytes);
  } catch {
    // The system's own size must do.
  }
  socket.on('message', (message) => {
    const text = message.toString();
    if (!text.includes('\n')) return line(text.trimEnd());
    for (const one of text.split('\n')) if (one.trimEnd() !== '') line(one.trimEnd());
  });
}

const closed = (socket: Datagrams): Promise<void> =>
  new Promise((resolve) => socket.close(() => resolve()));

async function openTcp(endpoint: Endpoint, options: LinesOptions): Promise<Lines> {
  const listener = await listen(endpoint, {
    setting: options.setting,
    connectionsMax: limits.connections,
    take: (socket) => takeConnection(socket, options),
  });
  return { endpoint: listener.endpoint, stop: async () => listener.destroy() };
}

function takeConnection(socket: Socket, { line, tooLong }: LinesOptions): void {
  let rest = '';
  let skipping = false;
  const take = (text: string): void => {
    const one = text.trimEnd();
    if (skipping) skipping = false;
    else if (one !== '') line(one);
  };
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const one of lines) take(one);
    if (rest.length <= limits.lineBytes) return;
    if (!skipping) tooLong();
    skipping = true;
    rest = '';
  });
  socket.on('end', () => {
    take(rest);
    socket.end();
  });
  socket.on('error', () => socket.destroy());
}
