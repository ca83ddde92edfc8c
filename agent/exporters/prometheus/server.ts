// Shows the page over HTTP or HTTPS at /metrics, packed by gzip for who understands it. There are
// bounds on what clients can keep open, and on pages that are made at the same time.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { listen, type Listener } from '../../../proto/listen.ts';
import type { PageFormat } from '../../../proto/prometheus/text.ts';
import { readServerPem, type ServerTlsOptions } from '../../../proto/tls.ts';
import type { Endpoint } from '../../../runtime/net.ts';
import type { World } from '../../../runtime/world.ts';
import { CONTENT_TYPES } from './page.ts';

export const limits = {
  /** Connections beyond it are closed at once. */
  connections: 64,
  /** Pages that are made and packed at the same time; who comes then is told 503. */
  pages: 8,
  /** A connection on which nothing happens for that long is closed. */
  idleMs: 60_000,
  /** Longer request heads are answered with 431. */
  headBytes: 16_384,
  /** Shorter pages are not packed. */
  packedBytesMin: 1024,
} as const;

export interface PageServerOptions {
  readonly endpoint: Endpoint;
  /** The configuration path of the component. */
  readonly setting: string;
  readonly tls: ServerTlsOptions | undefined;
  readonly world: World;
  readonly openMetrics: boolean;
  readonly page: (format: PageFormat) => string;
}

export interface PageServer {
  /** With the real port. */
  readonly endpoint: Endpoint;
  stop(): void;
}

const pack = promisify(gzip);

/** Throws OperatorError when the endpoint or the certificate cannot be used. */
export async function startPageServer(options: PageServerOptions): Promise<PageServer> {
  const { endpoint, setting, tls, world } = options;
  let pages = 0;
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    request.resume();
    if (pages >= limits.pages) return refuse(response, 503, 'too much at a time');
    pages += 1;
    void answerWith(options, request, response).finally(() => {
      pages -= 1;
    });
  };
  const http = { maxHeaderSize: limits.headBytes, keepAliveTimeout: limits.idleMs };
  const server = tls === undefined ? createServer(http, answer)
    : createTlsServer({ ...http, ...await tlsOf(tls, world, setting) }, answer);
  server.timeout = limits.idleMs;
  const listener: Listener = await listen(endpoint, {
    setting: `${setting}.endpoint`,
    connectionsMax: limits.connections,
    take: (socket) => void server.emit('connection', socket),
  });
  return { endpoint: listener.endpoint, stop: () => listener.destroy() };
}

async function tlsOf(tls: ServerTlsOptions, { files }: World, setting: string) {
  const { cert, key, clientCa } = await readServerPem(files, tls, `${setting}.tls`);
  if (clientCa === null) return { cert, key };
  return { cert, key, ca: clientCa, requestCert: true, rejectUnauthorized: true };
}

async function answerWith(
  { openMetrics, page }: PageServerOptions,
  { method, url = '/', headers }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (method !== 'GET' && method !== 'HEAD') return refuse(response, 405, 'method not allowed');
  if (url.split('?')[0] !== '/metrics') return refuse(response, 404, 'the page is /metrics');
  const wants = /\bapplication\/openmetrics-text\b/.test(headers.accept ?? '');
  const format = openMetrics && wants ? 'openmetrics' : 'text';
  const plain = Buffer.from(page(format));
  const packs = plain.length >= limits.packedBytesMin
    && /\bgzip\b/.test(String(headers['accept-encoding'] ?? ''));
  const body = packs ? await pack(plain) : plain;
  response.writeHead(200, {
    'content-type': CONTENT_TYPES[format],
    'content-length': body.length,
    ...(packs ? { 'content-encoding': 'gzip' } : {}),
    vary: 'accept, accept-encoding',
  });
  response.end(method === 'HEAD' ? undefined : body);
}

function refuse(response: ServerResponse, code: number, why: string): void {
  const body = `${why}\n`;
  response.writeHead(code, { 'content-type': 'text/plain', 'content-length': body.length });
  response.end(body);
}
