// A tiny HTTP server that answers GET with a text: for the health check and the agent's own
// metrics, which need no framework. It binds to the given endpoint only and has bounds on what a
// client can keep open.

import { createServer, type ServerResponse } from 'node:http';
import { listen } from '../proto/listen.ts';
import type { Endpoint } from '../runtime/net.ts';

export interface TextAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

export interface TextServer {
  /** Where it listens; the port is the real one when 0 was asked for. */
  readonly endpoint: Endpoint;
  /** Closes the port and, at once, all connections: answers are written whole or not at all. */
  stop(): Promise<void>;
}

export interface TextServerOptions {
  readonly endpoint: Endpoint;
  /** The configuration path of the endpoint, for the error when it cannot be bound. */
  readonly setting: string;
  /** Null means: no such path. What takes longer is a promise, which is waited for. */
  answer(path: string, query: URLSearchParams): TextAnswer | null | Promise<TextAnswer | null>;
  /** Answers that do not end by themselves; null: `answer` is asked. */
  stream?(path: string, query: URLSearchParams): TextStream | null;
  /** Names by which it may be called (the Host header); absent: any. */
  readonly hosts?: (name: string) => boolean;
}

/** An answer that goes on until the client leaves, which `gone` tells. */
export interface TextStream {
  readonly contentType: string;
  /** `write` is false when the client does not keep up: what follows should be left out. */
  run(write: (text: string) => boolean, gone: AbortSignal): void;
}

const limits = {
  /** Connections beyond it are closed at once. */
  connectionsMax: 64,
  /** A connection on which nothing happens for that long is closed. */
  idleMs: 10_000,
  /** Longer request heads are answered with 431. */
  headBytesMax: 8192,
};

/** Throws OperatorError when the endpoint cannot be bound. */
export async function startTextServer(options: TextServerOptions): Promise<TextServer> {
  const server = createServer(
    { maxHeaderSize: limits.headBytesMax },
    (request, response) => {
      request.resume();
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        response.setHeader('allow', 'GET, HEAD');
        return write(response, { ...NOT_FOUND, status: 405, body: 'method not allowed\n' });
      }
      const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
      if (options.hosts?.(hostOf(request.headers.host ?? '')) === false) {
        return write(response, { ...NOT_FOUND, status: 421, body: 'not the name of this agent\n' });
      }
      const stream = options.stream?.(path, new URLSearchParams(query)) ?? null;
      if (stream !== null) return begin(response, stream);
      void answer(response, options.answer(path, new URLSearchParams(query)));
    },
  );
  server.timeout = limits.idleMs;
  const listener = await listen(options.endpoint, {
    setting: options.setting,
    connectionsMax: limits.connectionsMax,
    take: (socket) => void server.emit('connection', socket),
  });
  return {
    endpoint: listener.endpoint,
    stop: async () => listener.destroy(),
  };
}

const NOT_FOUND: TextAnswer = { status: 404, contentType: 'text/plain', body: 'not found\n' };

/** `[::1]:80` → `::1`. */
const hostOf = (text: string): string => text.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');

async function answer(
  response: ServerResponse,
  given: TextAnswer | null | Promise<TextAnswer | null>,
): Promise<void> {
  if (!(given instanceof Promise)) return write(response, given ?? NOT_FOUND);
  response.socket?.setTimeout(0);
  write(response, await given ?? NOT_FOUND);
  response.socket?.setTimeout(limits.idleMs);
}

function begin(response: ServerResponse, stream: TextStream): void {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  response.socket?.setTimeout(0);
  response.writeHead(200, { 'content-type': stream.contentType, 'cache-control': 'no-store' });
  response.flushHeaders();
  stream.run((text) => !gone.signal.aborted && response.write(text), gone.signal);
}

function write(response: ServerResponse, { status, contentType, body }: TextAnswer): void {
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}
