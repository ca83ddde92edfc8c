/**
 * The part of ClickHouse's HTTP interface that clients of one engine need.
 *
 * `/` (query by GET or POST), `/ping`, `/replicas_status`. There is one user and no password:
 * credentials of any kind are accepted and mean nothing, so this server belongs on loopback.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sendError, sendResult, type Identity } from './answer.ts';
import { readWork } from './body.ts';
import { EngineError } from './errors.ts';
import { execute, type Engine } from './execute.ts';
import { parseRequest } from './request.ts';

/** Bounds. */
const limits = {
  /** Connections at once; Node closes further ones. */
  connectionsMax: 1024,
  /** Bytes of headers and URL: parameters travel in the URL. Over it, 431. */
  headerBytesMax: 1024 * 1024,
  /** For the headers of a request; over it, 408. */
  headersMs: 10_000,
  /** For a whole request with its body: long-running streaming inserts are legal. */
  requestMs: 3_600_000,
  /** ClickHouse's own default; clients learn it from the Keep-Alive header. */
  keepAliveMs: 10_000,
} as const;

/** Starts to listen. Port 0 takes a free one. */
export async function listen(
  engine: Engine,
  identity: Identity,
  address: { host: string; port: number },
): Promise<{ server: Server; port: number }> {
  const options = {
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.keepAliveMs,
  };
  const server = createServer(options, (request, response) => {
    void serve(engine, identity, request, response);
  });
  server.maxConnections = limits.connectionsMax;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address.port, address.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return { server, port: (server.address() as AddressInfo).port };
}

async function serve(
  engine: Engine,
  identity: Identity,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = urlOf(request);
  response.on('error', () => undefined);
  if (url.pathname === '/ping' || url.pathname === '/replicas_status') {
    sendOk(response);
  } else if (isBrowser(request)) {
    sendText(response, 403, 'Web pages have no access.\n');
  } else if (url.pathname !== '/') {
    sendText(response, 404, `There is no handle ${url.pathname.slice(0, 200)}\n`);
  } else if (request.method !== 'GET' && request.method !== 'POST' && request.method !== 'HEAD') {
    sendText(response, 405, 'Use GET or POST.\n');
  } else if (request.method !== 'POST' && !url.searchParams.has('query')) {
    sendOk(response);
  } else {
    await serveQuery(engine, identity, { request, response, url });
  }
}

async function serveQuery(
  engine: Engine,
  identity: Identity,
  exchange: { request: IncomingMessage; response: ServerResponse; url: URL },
): Promise<void> {
  const { request, response, url } = exchange;
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  let queryId = '';
  try {
    const parsed = parseRequest(request, url);
    queryId = parsed.queryId;
    const work = await readWork(request, parsed, engine.spool);
    const executed = await execute(engine, parsed, work, gone.signal);
    await sendResult(response, identity, parsed, executed);
  } catch (error) {
    if (error instanceof EngineError) {
      sendError(response, identity, queryId, error);
    } else if (request.errored !== null || response.destroyed) {
      // The caller is gone in the middle of its body: nobody is left to answer.
      response.destroy();
    } else {
      const message = error instanceof Error ? error.message : String(error);
      sendError(response, identity, queryId, new EngineError(1001, 'STD_EXCEPTION', message));
    }
  }
}

/**
 * Any web page can send requests to loopback, and there is no password that would stop it. A
 * browser cannot leave these headers out; other clients do not send them.
 */
function isBrowser(request: IncomingMessage): boolean {
  const site = request.headers['sec-fetch-site'];
  return request.headers.origin !== undefined || (site !== undefined && site !== 'none');
}

/** The path and parameters of a request; `/invalid` when they are none. */
function urlOf(request: IncomingMessage): URL {
  try {
    return new URL(request.url ?? '/', 'http://engine');
  } catch {
    return new URL('http://engine/invalid');
  }
}

function sendOk(response: ServerResponse): void {
  response.writeHead(200, { 'Content-Type': 'text/html; charset=UTF-8' });
  response.end('Ok.\n');
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=UTF-8' });
  response.end(text);
}
