// A TCP proxy between agent and backend that fails as networks do.
//
//   pass        bytes go through
//   cut         all connections are reset, and new ones at once
//   half-open   connections stay, new ones are taken, and nothing moves in either direction
//   slow        each piece of data waits before it goes on
//   lose        what the backend answers to a request kills the connection instead of passing it:
//               the request was forwarded, and what it did is done
//
// Answers are told from other traffic of HTTP/2 by their HEADERS frames: a window update or a ping
// that comes before is passed, so that the backend has the time to commit.

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { createClock } from '../../runtime/clock.ts';

export type Mode = 'pass' | 'cut' | 'half-open' | 'slow' | 'lose';

export interface Proxy {
  /** `127.0.0.1:…`, where the agent finds what it takes for the backend. */
  readonly endpoint: string;
  /** Port of the backend. */
  target: number;
  /** Answers that were lost. */
  readonly lost: number;
  set(mode: Mode): void;
  /** Resets all connections once. */
  reset(): void;
  close(): Promise<void>;
}

/** The longest wait of a piece of data in a slow network. */
const SLOW_MS_MAX = 400;

export async function startProxy(random: () => number): Promise<Proxy> {
  const network = new Network(random);
  const server = createServer((client) => network.accept(client));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  network.endpoint = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  network.stop = async () => {
    network.set('cut');
    server.close();
    await once(server, 'close');
  };
  return network;
}

class Network implements Proxy {
  endpoint = '';
  target = 0;
  lost = 0;
  stop: () => Promise<void> = async () => {};
  readonly #random: () => number;
  readonly #clock = createClock();
  readonly #sockets = new Set<Socket>();
  #mode: Mode = 'pass';
  #waiting: (() => void)[] = [];

  constructor(random: () => number) {
    this.#random = random;
  }

  set(mode: Mode): void {
    this.#mode = mode;
    if (mode === 'cut') this.reset();
    for (const go of this.#waiting.splice(0)) go();
  }

  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  close(): Promise<void> {
    return this.stop();
  }

  accept(client: Socket): void {
    this.#keep(client);
    if (this.#mode === 'cut') client.resetAndDestroy();
    else void this.#join(client);
  }

  async #join(client: Socket): Promise<void> {
    await this.#moving();
    if (client.destroyed) return;
    const server = connect(this.target, '127.0.0.1');
    this.#keep(server);
    const part = () => {
      client.destroy();
      server.destroy();
    };
    client.once('close', part);
    server.once('close', part);
    void this.#pump(client, server, () => false);
    void this.#pump(server, client, this.#losing());
  }

  /** Copies until one of them ends. `loses` looks at each piece and may end it all. */
  async #pump(from: Socket, to: Socket, loses: (bytes: Buffer) => boolean): Promise<void> {
    try {
      for await (const bytes of from as AsyncIterable<Buffer>) {
        await this.#moving();
        if (this.#mode === 'slow') await this.#clock.sleep(this.#random() * SLOW_MS_MAX);
        await this.#moving();
        if (loses(bytes)) {
          to.resetAndDestroy();
          return;
        }
        if (!to.destroyed && !to.write(bytes)) await Promise.race([drained(to), closed(to)]);
      }
    } catch {
      // Either side was reset; the other one hears of it by its close.
    }
    to.destroy();
  }

  /** Follows the frames that the backend sends on one connection. */
  #losing(): (bytes: Buffer) => boolean {
    const hasAnswer = createFrameWatch();
    return (bytes) => {
      const answer = hasAnswer(bytes);
      if (!answer || this.#mode !== 'lose') return false;
      this.lost += 1;
      return true;
    };
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.once('close', () => this.#sockets.delete(socket));
  }

  async #moving(): Promise<void> {
    while (this.#mode === 'half-open') {
      await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    }
  }
}

const drained = (socket: Socket) => new Promise((resolve) => socket.once('drain', resolve));
const closed = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve));

const FRAME_HEADER_BYTES = 9;
const HEADERS = 1;

/**
 * Tells whether a HEADERS frame begins in the bytes that follow those of the calls before
 * (RFC 9113, 4.1: length in 24 bits, type in 8, flags in 8, stream in 32).
 */
export function createFrameWatch(): (bytes: Buffer) => boolean {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  let filled = 0;
  let payloadBytes = 0;
  return (bytes) => {
    let found = false;
    for (let at = 0; at < bytes.length;) {
      if (payloadBytes > 0) {
        const size = Math.min(payloadBytes, bytes.length - at);
        payloadBytes -= size;
        at += size;
        continue;
      }
      header[filled++] = bytes[at++]!;
      if (filled < FRAME_HEADER_BYTES) continue;
      filled = 0;
      payloadBytes = header.readUIntBE(0, 3);
      found ||= header[3] === HEADERS;
    }
    return found;
  };
}
