// An OTLP/HTTP server of its own, for a process that has no other HTTP server: what server.ts adds
// to a fastify instance, plus a port, TLS, time limits and an orderly end.
//
// Promises:
// - A client that sends slowly is given up after `receiveMs` with 503, which it may retry.
// - `stop` takes no new requests, waits for those that are under way until the deadline, then cuts.

import type { FastifyInstance } from 'fastify';
import type { Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import type { ServerOptions as TlsServerOptions } from 'node:https';
import { errorCode } from '../../runtime/errors.ts';
import type { Endpoint } from '../../runtime/net.ts';
import type { World } from '../../runtime/world.ts';
import type { Component } from '../contract/component.ts';
import { readServerPem, type ServerTlsOptions } from '../tls.ts';
import { failure, later, type Answer } from './answer.ts';
import { serve, type Serving } from './serve.ts';
import { registerOtlpHttp, type OtlpHttpOptions } from './server.ts';

export const limits = {
  /** Connections. Further ones are closed at once. */
  connectionsMax: 1000,
  /** Time for the headers of a request to arrive; default of `headersMs`. */
  headersMs: 10_000,
  /** Time for a whole request to arrive; default of `receiveMs`. */
  receiveMs: 30_000,
  /** A connection without requests is closed after this time; default of `idleMs`. */
  idleMs: 60_000,
  /** Slow clients are found so much too late at most. */
  checkMs: 2000,
} as const;

export interface OtlpHttpServerOptions extends Omit<OtlpHttpOptions, 'stopping'> {
  readonly endpoint: Endpoint;
  /** The configuration path that `endpoint` and `tls` belong to, for error messages. */
  readonly setting: string;
  readonly world: World;
  readonly tls?: ServerTlsOptions;
  /** Times in milliseconds, see `limits`. */
  readonly headersMs?: number;
  readonly receiveMs?: number;
  readonly idleMs?: number;
  /** False: each connection is closed behind its first answer. True when left out. */
  readonly keepsAlive?: boolean;
}

export interface OtlpHttpServer extends Component {
  /** Where it listens; with the real port after `start` when the options said 0. */
  endpoint(): Endpoint;
}

export function createOtlpHttpServer(options: OtlpHttpServerOptions): OtlpHttpServer {
  const { endpoint, setting } = options;
  const { connectionsMax } = limits;
  let stopping = false;
  let serving: Serving | undefined;
  return {
    endpoint: () => serving?.endpoint ?? endpoint,
    start: async () => {
      const app = await createApp(options, await tlsOf(options), () => stopping);
      serving = await serve(app, { endpoint, setting, connectionsMax });
    },
    stop: async (deadline) => {
      if (stopping) return;
      stopping = true;
      await serving?.stop(deadline);
    },
  };
}

async function tlsOf(options: OtlpHttpServerOptions): Promise<TlsServerOptions | null> {
  if (options.tls === undefined) return null;
  const { world, tls, setting } = options;
  const { cert, key, clientCa } = await readServerPem(world.files, tls, `${setting}.tls`);
  if (clientCa === null) return { cert, key };
  return { cert, key, ca: clientCa, requestCert: true, rejectUnauthorized: true };
}

async function createApp(
  options: OtlpHttpServerOptions,
  https: TlsServerOptions | null,
  stopping: () => boolean,
): Promise<FastifyInstance> {
  // An agent without OTLP/HTTP does without it, which is 2 MB of its heap.
  const { fastify } = await import('fastify');
  const receiveMs = options.receiveMs ?? limits.receiveMs;
  const headersMs = Math.min(options.headersMs ?? limits.headersMs, receiveMs);
  // Node looks for slow clients at this interval only.
  const http = { connectionsCheckingInterval: Math.min(headersMs / 2, limits.checkMs) };
  const app = fastify({
    ...(https === null ? { http } : { https: { ...https, ...http } }),
    logger: false,
    keepAliveTimeout: options.idleMs ?? limits.idleMs,
    requestTimeout: receiveMs,
    // Requests that come during a stop are answered in the words of OTLP.
    return503OnClosing: false,
    clientErrorHandler: (error, socket) => answerBroken(error, socket, receiveMs),
  }) as unknown as FastifyInstance;
  const server = app.server as HttpServer;
  server.headersTimeout = headersMs;
  if (options.keepsAlive === false) {
    app.addHook('onSend', async (_request, reply) => void reply.header('connection', 'close'));
  }
  app.setNotFoundHandler((request, reply) => {
    const { code, headers, body } = failure(404, `${request.url} is not known here`, 'json');
    return reply.code(code).headers(headers).send(body);
  });
  registerOtlpHttp(app, { ...options, stopping });
  return app;
}

/**
 * Answers what is not HTTP, or did not arrive in time. Node would answer 408 to the second, which
 * OTLP clients must not retry.
 */
function answerBroken(error: Error, socket: Socket, receiveMs: number): void {
  if (!socket.writable) return void socket.destroy();
  socket.end(rawAnswer(brokenAnswer(errorCode(error), receiveMs)));
}

function brokenAnswer(code: string, receiveMs: number): Answer {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return later(`the request did not arrive within ${receiveMs} ms`, undefined, 'json');
  }
  if (code === 'HPE_HEADER_OVERFLOW') return failure(431, 'the headers are too large', 'json');
  return failure(400, 'this is not an HTTP request', 'json');
}

function rawAnswer({ code, headers, body }: Answer): string {
  const lines = Object.entries({
    ...headers, 'content-length': String(body.length), connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `HTTP/1.1 ${code} ${REASONS[code]}\r\n${lines}\r\n${Buffer.from(body).toString()}`;
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request', 431: 'Request Header Fields Too Large', 503: 'Service Unavailable',
};
