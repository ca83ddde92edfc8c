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
  /** Null means: no such path. */
  answer(path: string): TextAnswer | null;
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
      write(response, options.answer(pathOf(request.url ?? '/')) ?? NOT_FOUND);
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

const pathOf = (url: string): string => url.split('?')[0]!;

function write(response: ServerResponse, { status, contentType, body }: TextAnswer): void {
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}
