// A Docker engine for tests: an HTTP server on a unix socket that speaks the part of the documented
// API which the agent uses, with containers that the test makes, writes to and stops. There is no
// Docker where the tests run, so what it answers was written after the API's reference, not
// recorded from an engine: lists, details, statistics, events, and logs as frames or, with a
// terminal, raw; messages are cut at 16 KiB, and `since` leaves out what is before, as the engine
// does.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { temporaryFolder } from '../../contract/fakes.ts';

export interface StandInContainer {
  readonly id: string;
  readonly name?: string;
  readonly image?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly env?: readonly string[];
  readonly tty?: boolean;
  state?: string;
  restarts?: number;
  stats?: unknown;
  /** GET /logs fails with this status. */
  unreadable?: number;
}

interface Message {
  readonly stream: 1 | 2;
  readonly ns: bigint;
  readonly text: string;
}

interface Kept extends StandInContainer {
  readonly messages: Message[];
  readonly followers: Set<ServerResponse>;
}

export interface StandIn {
  readonly socket: string;
  readonly endpoint: string;
  /** Paths that were asked for, with their query. */
  readonly asked: string[];
  add(container: StandInContainer): void;
  /** Writes lines; `ns` is the time of all of them, the next nanosecond each unless given. */
  write(id: string, stream: 'stdout' | 'stderr', lines: readonly string[], ns?: bigint): void;
  /** Writes one message without a line end. */
  writePart(id: string, stream: 'stdout' | 'stderr', text: string): void;
  end(id: string): void;
  remove(id: string): void;
  /** Cuts all answers that are under way. */
  cut(): void;
  listen(): Promise<void>;
  close(): Promise<void>;
}

const MESSAGE_BYTES = 16 * 1024;

export function createStandIn(): StandIn {
  const socket = join(temporaryFolder(), 'docker.sock');
  const containers = new Map<string, Kept>();
  const listeners = new Set<ServerResponse>();
  const asked: string[] = [];
  let clockNs = BigInt(Date.UTC(2026, 0, 2)) * 1_000_000n;
  const tell = (event: string, id: string): void => {
    const line = JSON.stringify({ Type: 'container', Action: event, Actor: { ID: id } });
    for (const listener of listeners) listener.write(`${line}\n`);
  };
  const put = (id: string, message: Message): void => {
    const container = containers.get(id)!;
    container.messages.push(message);
    for (const follower of container.followers) follower.write(encode(container, message));
  };
  const server = createServer((request, answer) => {
    asked.push(request.url ?? '');
    respond(request, answer, { containers, listeners });
  });
  return {
    socket,
    endpoint: `unix://${socket}`,
    asked,
    add: (container) => {
      containers.set(container.id, { ...container, messages: [], followers: new Set() });
      tell('start', container.id);
    },
    write: (id, stream, lines, ns) => {
      for (const line of lines) {
        const timeNs = ns ?? (clockNs += 1n);
        const text = `${line}\n`;
        for (let at = 0; at < text.length; at += MESSAGE_BYTES) {
          const piece = text.slice(at, at + MESSAGE_BYTES);
          put(id, { stream: stream === 'stdout' ? 1 : 2, ns: timeNs, text: piece });
        }
      }
    },
    writePart: (id, stream, text) =>
      put(id, { stream: stream === 'stdout' ? 1 : 2, ns: (clockNs += 1n), text }),
    end: (id) => {
      const container = containers.get(id)!;
      container.state = 'exited';
      for (const follower of container.followers) follower.end();
      tell('die', id);
    },
    remove: (id) => {
      for (const follower of containers.get(id)!.followers) follower.end();
      containers.delete(id);
      tell('destroy', id);
    },
    cut: () => server.closeAllConnections(),
    listen: async () => {
      server.listen(socket);
      await once(server, 'listening');
    },
    close: async () => {
      server.closeAllConnections();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
}

function encode({ tty }: Kept, { stream, ns, text }: Message): Buffer {
  const ms = new Date(Number(ns / 1_000_000n)).toISOString().slice(0, 23);
  const time = `${ms}${String(ns % 1_000_000n).padStart(6, '0')}Z `;
  const content = Buffer.from(time + (tty === true ? text.replace(/\n$/, '\r\n') : text));
  if (tty === true) return content;
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(content.length, 4);
  return Buffer.concat([header, content]);
}

interface State {
  readonly containers: Map<string, Kept>;
  readonly listeners: Set<ServerResponse>;
}

function respond(
  request: IncomingMessage, answer: ServerResponse, { containers, listeners }: State,
): void {
  const url = new URL(request.url ?? '/', 'http://docker');
  const path = url.pathname.replace(/^\/v\d+\.\d+/, '');
  const json = (body: unknown, status = 200): void => {
    answer.writeHead(status, { 'content-type': 'application/json' });
    answer.end(JSON.stringify(body));
  };
  if (path === '/containers/json') {
    const all = url.searchParams.get('all') === '1';
    return json([...containers.values()].filter((one) => all || stateOf(one) !== 'exited')
      .map(summary));
  }
  if (path === '/events') {
    answer.writeHead(200).flushHeaders();
    listeners.add(answer);
    answer.on('close', () => listeners.delete(answer));
    return;
  }
  const [, id = '', what = ''] = /^\/containers\/([^/]+)\/(\w+)$/.exec(path) ?? [];
  const container = containers.get(id);
  if (container === undefined) return json({ message: `No such container: ${id}` }, 404);
  if (what === 'json') return json(details(container));
  if (what === 'stats') return json(container.stats ?? {});
  if (what === 'logs') return sendLogs(container, url.searchParams, answer);
  json({ message: 'page not found' }, 404);
}

const stateOf = ({ state }: Kept): string => state ?? 'running';

const summary = (one: Kept): unknown => ({
  Id: one.id, Names: [`/${one.name ?? one.id}`], Image: one.image ?? 'app:1', ImageID: 'sha256:1',
  Labels: one.labels ?? {}, State: stateOf(one), Status: 'Up 5 minutes', Created: 1767312000,
});

const details = (one: Kept): unknown => ({
  Id: one.id, Name: `/${one.name ?? one.id}`, Image: 'sha256:1', RestartCount: one.restarts ?? 0,
  Path: 'app', Args: ['--serve', 'all'],
  State: { Status: stateOf(one), StartedAt: '2026-01-02T00:00:00.5Z' },
  Config: {
    Hostname: one.id.slice(0, 12), Image: one.image ?? 'app:1', Tty: one.tty ?? false,
    Labels: one.labels ?? {}, Env: one.env ?? [],
  },
  HostConfig: { NanoCpus: 1_500_000_000, CpuShares: 512 },
});

function sendLogs(container: Kept, query: URLSearchParams, answer: ServerResponse): void {
  if (container.unreadable !== undefined) {
    answer.writeHead(container.unreadable);
    answer.end('{"message":"configured logging driver does not support reading"}');
    return;
  }
  const [seconds = '0', fraction = '0'] = (query.get('since') ?? '0').split('.');
  const since = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'));
  const streams = [query.get('stdout') === '1' ? 1 : 0, query.get('stderr') === '1' ? 2 : 0];
  answer.writeHead(200).flushHeaders();
  for (const message of container.messages) {
    if (message.ns < since || !streams.includes(message.stream)) continue;
    answer.write(encode(container, message));
  }
  if (stateOf(container) === 'exited' || query.get('follow') !== '1') return void answer.end();
  container.followers.add(answer);
  answer.on('close', () => container.followers.delete(answer));
}
