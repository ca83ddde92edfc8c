// Messages over UDP: a packet is a message, without the line ends and NULs behind it, unless
// `multiline` divides it. A sender of UDP cannot be told to wait, so what comes when there is no
// room is dropped and counted.

import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import type { AddressInfo } from 'node:net';
import { isIP } from 'node:net';
import { addressesOf } from '../../../proto/listen.ts';
import { listenError, type Endpoint } from '../../../runtime/net.ts';
import { createFramer, type Framing } from './frames.ts';
import type { Inlet, Peer } from './inlet.ts';
import type { Input } from './tcp.ts';

export const limits = {
  /** Bytes of packets that the system keeps while the agent is busy; it may keep less. */
  systemBytes: 8 * 1024 * 1024,
} as const;

export interface UdpOptions {
  readonly endpoint: Endpoint;
  readonly setting: string;
  readonly framing: Framing;
}

export async function startUdp(
  { endpoint, setting, framing }: UdpOptions, inlet: Inlet,
): Promise<Input> {
  const host = addressesOf(endpoint.host)[0]!;
  const socket = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4');
  await bind(socket, { host, port: endpoint.port }).catch((error: unknown) => {
    throw listenError(error, { host, port: endpoint.port }, setting);
  });
  growBuffer(socket);
  const { address: hostIp, port: hostPort } = socket.address() as AddressInfo;
  const divides = framing.multiline !== undefined;
  socket.on('message', (packet: Buffer, { address, port }: RemoteInfo) => {
    if (inlet.full()) return inlet.dropped('full');
    const peer: Peer = {
      transport: 'IP.UDP', peerIp: address, peerPort: port, hostIp, hostPort,
    };
    const message = withoutEnd(packet);
    if (message.length === 0) return;
    if (!divides) return inlet.add(message, peer);
    const framer = createFramer(framing);
    for (const one of framer.push(message)) inlet.add(one, peer);
    for (const one of framer.flush()) inlet.add(one, peer);
  });
  // What a sender provokes (an answer of ICMP) is no failure of this socket.
  socket.on('error', () => inlet.dropped('broken'));
  return {
    endpoint: { host, port: hostPort },
    stop: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

function bind(socket: Socket, { host, port }: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address: host, port }, () => {
      socket.removeListener('error', reject);
      resolve();
    });
  });
}

/** As much as the system allows. */
function growBuffer(socket: Socket): void {
  try {
    socket.setRecvBufferSize(limits.systemBytes);
  } catch {
    // It stays as it is.
  }
}

/** As the Collector: control characters at the end are none of the message. */
function withoutEnd(packet: Buffer): Buffer {
  let end = packet.length;
  while (end > 0 && packet[end - 1]! < 32) end--;
  return packet.subarray(0, end);
}
