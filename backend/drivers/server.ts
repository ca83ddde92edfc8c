// ClickHouse's HTTP interface for those who read: what Grafana, DBeaver, notebooks and drivers
// speak (`/`, `/ping`, `/replicas_status`). A token stands where the password does. Statements go
// through the same desk as those of the API: the same gate, turns, limits and records.
//
// Promises:
// - A result is passed on as it comes; one that breaks off ends with a cut connection.
// - Who goes away takes the query along.

import type { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream';
import { brotliCompressSync, constants, createBrotliCompress, createDeflate, createGzip,
  deflateSync, gzipSync } from 'node:zlib';
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Component } from '../../proto/contract/component.ts';
import { bodyEncoding, readBody } from '../../proto/http/compression.ts';
import { serve, type Serving } from '../../proto/http/serve.ts';
import { readServerPem, type ServerTlsOptions } from '../../proto/tls.ts';
import type { Log } from '../../runtime/log.ts';
import type { Endpoint } from '../../runtime/net.ts';
import type { World } from '../../runtime/world.ts';
import type { Caller } from '../access/roles.ts';
import type { Desk, OpenQuery } from '../query/desk.ts';
import { BlockEncoder, encodeBlock } from './blocks.ts';
import { DriverError, driverErrorOf } from './errors.ts';
import { helloBlock, isHello, type Identity } from './hello.ts';
import { credentialsOf, limits as requestLimits, parseDriverRequest, type Compression,
  type Credentials, type DriverRequest } from './request.ts';
import { Sessions } from './sessions.ts';
import { parseSet } from './set.ts';

export const limits = {
  /** Connections; further ones are closed at once. */
  connectionsMax: 1000,
  /** Headers with the URL: parameters travel in it. Over it, 431. */
  headerBytesMax: 1024 * 1024,
  /** Time for the headers of a request to arrive. */
  headersMs: 10_000,
  /** Time for a whole request to arrive. */
  receiveMs: 60_000,
  /** As ClickHouse's own; drivers learn it from the Keep-Alive header. */
  idleMs: 10_000,
  /** Slow senders are found so much too late at most. */
  checkMs: 2000,
} as const;

export interface DriverServerOptions {
  readonly endpoint: Endpoint;
  /** The configuration path that `endpoint` and `tls` belong to, for error messages. */
  readonly setting: string;
  readonly tls?: ServerTlsOptions | undefined;
  readonly world: World;
  readonly log: Log;
  readonly desk: Desk;
  /** The database that holds the tables. */
  readonly database: string;
  /** Who asks; null when the token is wrong, or is needed and missing. */
  readonly authenticate: (credentials: Credentials | null, address: string) => Caller | null;
}

export interface DriverServer extends Component {
  /** Where it listens; with the real port after `start`. */
  endpoint(): Endpoint;
}

export function createDriverServer(options: DriverServerOptions): DriverServer {
  const { endpoint, setting } = options;
  const { connectionsMax } = limits;
  let serving: Serving | undefined;
  return {
    endpoint: () => serving?.endpoint ?? endpoint,
    start: async () => {
      serving = await serve(await createApp(options), { endpoint, setting, connectionsMax });
    },
    stop: async (deadline) => serving?.stop(deadline),
  };
}

async function createApp(options: DriverServerOptions): Promise<FastifyInstance> {
  const http = {
    connectionsCheckingInterval: limits.checkMs,
    maxHeaderSize: limits.headerBytesMax,
  };
  const app = fastify({
    ...(await tlsOf(options, http)),
    logger: false,
    forceCloseConnections: 'idle',
    requestTimeout: limits.receiveMs,
    keepAliveTimeout: limits.idleMs,
    exposeHeadRoutes: false,
  }) as unknown as FastifyInstance;
  app.server.headersTimeout = limits.headersMs;
  // Bodies are read here, whatever they are called.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_, payload, done) => done(null, payload));
  const desk = new DriverDesk(options);
  app.route({
    method: ['GET', 'POST', 'HEAD'], url: '/',
    handler: (request, reply) => desk.answer(request, reply),
  });
  for (const url of ['/ping', '/replicas_status']) {
    app.route({ method: ['GET', 'HEAD'], url, handler: async (_, reply) => sayOk(reply) });
  }
  app.setNotFoundHandler((request, reply) => reply.code(404).type('text/plain; charset=UTF-8')
    .send(`There is no handle ${request.url.split('?')[0]!.slice(0, 200)}\n`));
  app.setErrorHandler((error, _, reply) => {
    options.log.error('cannot answer a driver: internal error', { cause: String(error) });
    return reply.code(500).type('text/plain; charset=UTF-8').send('internal error\n');
  });
  return app;
}

async function tlsOf({ tls, world, setting }: DriverServerOptions, http: object): Promise<object> {
  if (tls === undefined) return { http };
  const { cert, key, clientCa } = await readServerPem(world.files, tls, `${setting}.tls`);
  const mutual = clientCa === null ? {} : { ca: clientCa, requestCert: true };
  return { https: { ...http, cert, key, ...mutual, rejectUnauthorized: clientCa !== null } };
}

const sayOk = (reply: FastifyReply) => reply.type('text/html; charset=UTF-8').send('Ok.\n');

/** One request after another: who asks, what is asked, and the answer in the asked form. */
class DriverDesk {
  private readonly options: DriverServerOptions;
  private readonly sessions: Sessions;
  private identity: Identity | null;

  constructor(options: DriverServerOptions) {
    this.options = options;
    this.sessions = new Sessions(options.world.clock);
    this.identity = null;
  }

  async answer(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    const url = new URL(request.url, 'http://driver').searchParams;
    if (request.method !== 'POST' && !url.has('query')) return sayOk(reply);
    let compression: Compression = 'none';
    try {
      refuseWebPages(request);
      const caller = this.callerOf(request, url);
      const body = await bodyOf(request);
      const asked = parseDriverRequest({ url, headers: request.headers, body });
      ({ compression } = asked);
      return await this.run(asked, caller, request, reply, gone.signal);
    } catch (error) {
      return this.fail(reply, driverErrorOf(error), compression);
    }
  }

  private callerOf(request: FastifyRequest, url: URLSearchParams): Caller {
    const credentials = credentialsOf(url, request.headers);
    const caller = this.options.authenticate(credentials, request.ip);
    if (caller !== null) return caller;
    throw new DriverError(516, 'AUTHENTICATION_FAILED',
      `${credentials?.user || 'default'}: Authentication failed: the password must be a token of `
      + 'Binnacle. `binnacle token create` makes one.');
  }

  private async run(
    asked: DriverRequest,
    caller: Caller,
    request: FastifyRequest,
    reply: FastifyReply,
    abort: AbortSignal,
  ): Promise<FastifyReply> {
    const { database, sql, sessionId, compression } = asked;
    if (database !== '' && database !== this.options.database) {
      throw new DriverError(81, 'UNKNOWN_DATABASE', `Database ${database.slice(0, 100)} does not `
        + `exist; the tables are in ${this.options.database}.`);
    }
    this.identity ??= await this.readIdentity(caller, abort);
    const session = sessionId === '' ? null
      : this.sessions.enter(caller.name, sessionId, asked.sessionTimeout);
    const changed = parseSet(sql);
    if (changed !== null) {
      if (sessionId !== '') this.sessions.set(caller.name, sessionId, changed);
      return this.head(reply, asked).send('');
    }
    if (isHello(sql) && asked.format === 'Native') {
      const hello = helloBlock(this.identity, asked.revision);
      return this.head(reply, asked).header('x-clickhouse-format', 'Native')
        .send(packed(hello, compression));
    }
    const found = await this.options.desk.open({
      sql, format: asked.format, params: asked.params,
      settings: { ...Object.fromEntries(session ?? []), ...asked.settings },
      ...(asked.queryId === '' ? {} : { queryId: asked.queryId }),
    }, caller, abort);
    return this.send(found, asked, request, reply);
  }

  private send(
    found: OpenQuery,
    asked: DriverRequest,
    request: FastifyRequest,
    reply: FastifyReply,
  ): FastifyReply {
    this.head(reply, { ...asked, queryId: found.queryId })
      .type(found.contentType)
      .header('x-clickhouse-format', found.format)
      .header('x-clickhouse-summary', JSON.stringify({
        read_rows: String(found.summary.readRows),
        read_bytes: String(found.summary.readBytes),
        result_rows: String(found.summary.resultRows),
        elapsed_ns: String(Math.round(found.summary.elapsedMs * 1e6)),
      }));
    if (request.method === 'HEAD') {
      found.enough();
      return reply.send();
    }
    reply.raw.setTimeout(found.stallMs);
    const packer = packerOf(asked.compression);
    return reply.send(packer === null ? found.body : joined(found.body, packer));
  }

  private head(reply: FastifyReply, { queryId, compression }: DriverRequest): FastifyReply {
    if (queryId !== '') void reply.header('x-clickhouse-query-id', queryId);
    if (isOfHttp(compression)) void reply.header('content-encoding', compression);
    return reply.type('text/plain; charset=UTF-8')
      .header('x-clickhouse-server-display-name', 'Binnacle')
      .header('x-clickhouse-timezone', this.identity?.timezone ?? 'UTC');
  }

  private fail(reply: FastifyReply, error: DriverError, compression: Compression): FastifyReply {
    if (isOfHttp(compression)) void reply.header('content-encoding', compression);
    // Drivers that asked for blocks read errors as blocks, too.
    return reply.code(error.status).type('text/plain; charset=UTF-8')
      .header('x-clickhouse-exception-code', error.code)
      .header('x-clickhouse-server-display-name', 'Binnacle')
      .send(packed(Buffer.from(error.body(this.identity?.version ?? '0.0.0.0')), compression));
  }

  private async readIdentity(caller: Caller, abort: AbortSignal): Promise<Identity> {
    const sql = 'SELECT version() AS version, timezone() AS timezone';
    const [found] = await this.options.desk.rows<Identity>({ sql }, caller, abort);
    return found!;
  }
}

/** A page cannot leave these headers out; drivers do not send them. */
function refuseWebPages({ headers }: FastifyRequest): void {
  const site = headers['sec-fetch-site'];
  if (headers.origin === undefined && (site === undefined || site === 'none')) return;
  throw new DriverError(497, 'ACCESS_DENIED', 'Web pages have no access here; they have the API.');
}

async function bodyOf({ body, headers }: FastifyRequest): Promise<Buffer> {
  if (body === undefined || body === null) return Buffer.alloc(0);
  const encoding = bodyEncoding(headers['content-encoding']);
  if (encoding === null) {
    throw new DriverError(36, 'BAD_ARGUMENTS', 'A body is taken plain, as gzip or as deflate.');
  }
  if (/^multipart\//i.test(headers['content-type'] ?? '')) {
    throw new DriverError(48, 'NOT_IMPLEMENTED',
      'Tables in the request are not taken; write the values into the statement.');
  }
  const bytesMax = requestLimits.textBytesMax;
  const read = await readBody(body as Readable, encoding, { bytesMax, take: () => true });
  if (read.status === 'read') return read.bytes;
  if (read.status === 'too_large') {
    throw new DriverError(229, 'QUERY_IS_TOO_LARGE', `A body has at most ${bytesMax} bytes here.`);
  }
  throw new DriverError(271, 'CANNOT_DECOMPRESS', 'The body is not what its encoding says.');
}

const isOfHttp = (compression: Compression): compression is 'gzip' | 'deflate' | 'br' =>
  compression !== 'none' && compression !== 'blocks';

/** Fast rather than small: it is for the wire. */
const LEVEL = { level: 1 };
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };

function packed(bytes: Buffer, compression: Compression): Buffer {
  if (compression === 'gzip') return gzipSync(bytes, LEVEL);
  if (compression === 'deflate') return deflateSync(bytes, LEVEL);
  if (compression === 'br') return brotliCompressSync(bytes, BROTLI);
  return compression === 'blocks' ? encodeBlock(bytes) : bytes;
}

function packerOf(compression: Compression): Transform | null {
  if (compression === 'gzip') return createGzip(LEVEL);
  if (compression === 'deflate') return createDeflate(LEVEL);
  if (compression === 'br') return createBrotliCompress(BROTLI);
  return compression === 'blocks' ? new BlockEncoder() : null;
}

/** An error on either side destroys both; the one who reads sees it. */
function joined(body: Readable, packer: Transform): Readable {
  return pipeline(body, packer, () => undefined);
}
