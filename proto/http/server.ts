// The OTLP/HTTP endpoints as a part of any fastify server: POST of protobuf or JSON, plain or
// compressed, to one path for each signal (OTLP 1.11, "OTLP/HTTP").
//
// Promises:
// - A request is answered 200 only after the consumer has accepted it.
// - Whatever the request, the answer is in its encoding, and errors are a google.rpc.Status.
// - The body is not read before the sender may send, there is room, and it says a size that is
//   allowed. It is bounded again while it is unpacked.
// - The parsers and error handler of the rest of the server are not touched.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Counters } from '../../runtime/counters.ts';
import { createAdmission, OVERLOAD, type Admission, type Ticket } from '../contract/admission.ts';
import { attemptOf, batchIdOf } from '../contract/arrival.ts';
import type { ArrivalConsumer, Authorize, HeaderReader } from '../contract/arrival.ts';
import { Batch } from '../contract/batch.ts';
import { rejected, type Outcome } from '../contract/outcome.ts';
import { encodeRequest } from '../otlp/codec.ts';
import { requestFromJson } from '../otlp/json.ts';
import { SIGNALS, type Signal } from '../otlp/model.ts';
import { DecodeError } from '../protobuf/error.ts';
import { answerOf, CONTENT_TYPES, failure, later, type Answer, type BodyFormat } from './answer.ts';
import { bodyEncoding, readBody, type Body } from './compression.ts';
import { corsHeaders, preflightHeaders, type CorsOptions } from './cors.ts';

export const limits = {
  /** Default for `bodyBytesMax`, as OTLP recommends it. Over it: 413. */
  bodyBytesMax: 64 * 1024 * 1024,
  /** Default for `inFlightBytesMax`. Over it: 503 with the time to come again. */
  inFlightBytesMax: 256 * 1024 * 1024,
  /** Requests of all connections together. Over it: 503 with the time to come again. */
  requestsMax: 1024,
} as const;

export interface OtlpHttpOptions {
  readonly consumer: ArrivalConsumer;
  readonly counters?: Counters;
  /** Paths other than `/v1/traces`, `/v1/metrics` and `/v1/logs`. */
  readonly paths?: Readonly<Partial<Record<Signal, string>>>;
  /** The largest body, compressed or not, in bytes. */
  readonly bodyBytesMax?: number;
  /** What all requests may hold together, in bytes; ignored when `admission` is given. */
  readonly inFlightBytesMax?: number;
  /** Shared with other servers that fill the same memory. */
  readonly admission?: Admission;
  readonly authorize?: Authorize;
  readonly cors?: CorsOptions;
  /** True from the moment the server stops: requests are then told to come again. */
  readonly stopping?: () => boolean;
}

/** All that a request needs of its server. */
interface Intake extends OtlpHttpOptions {
  readonly admission: Admission;
  readonly bodyBytesMax: number;
}

/** Adds the endpoints to `app`, which must not listen yet. */
export function registerOtlpHttp(app: FastifyInstance, options: OtlpHttpOptions): void {
  const bytesMax = options.inFlightBytesMax ?? limits.inFlightBytesMax;
  const intake: Intake = {
    ...options,
    admission: options.admission ?? createAdmission({ bytesMax, requestsMax: limits.requestsMax }),
    bodyBytesMax: options.bodyBytesMax ?? limits.bodyBytesMax,
  };
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    // The handler reads the body by itself, when it knows that it may.
    scope.addContentTypeParser(Object.values(CONTENT_TYPES), (_request, _payload, done) =>
      done(null));
    scope.setErrorHandler((error, request, reply) => refuse(error, request, reply, intake));
    for (const signal of SIGNALS) addRoutes(scope, signal, intake);
  });
}

function addRoutes(scope: FastifyInstance, signal: Signal, intake: Intake): void {
  const url = intake.paths?.[signal] ?? `/v1/${signal}`;
  scope.post(url, (request, reply) => answerPost(signal, request, reply, intake));
  scope.route({
    url,
    method: ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    exposeHeadRoute: false,
    // Before the body is looked at, whose type would otherwise be complained about first.
    onRequest: async (request, reply) => answerOther(request, reply, intake),
    handler: async () => {},
  });
}

function answerOther(request: FastifyRequest, reply: FastifyReply, { cors }: Intake): FastifyReply {
  const { origin } = request.headers;
  if (request.method === 'OPTIONS' && cors !== undefined && origin !== undefined) {
    return reply.code(204).headers(preflightHeaders(cors, origin)).send();
  }
  const answer = failure(405, `${request.method} is not allowed here`, formatOf(request));
  return send(reply, { ...answer, headers: { ...answer.headers, allow: 'POST' } });
}

async function answerPost(
  signal: Signal,
  request: FastifyRequest,
  reply: FastifyReply,
  intake: Intake,
): Promise<FastifyReply> {
  const answer = await refusedEarly(request, intake)
    ?? await withTicket(intake, formatOf(request), (ticket) =>
      take(signal, request, reply, intake, ticket));
  if (intake.stopping?.() === true) reply.header('connection', 'close');
  return send(reply.headers(corsHeaders(intake.cors, request.headers.origin)), answer);
}

/** What can be said from the headers alone; null when the body is to be read. */
async function refusedEarly(request: FastifyRequest, intake: Intake): Promise<Answer | null> {
  const { headers } = request;
  const format = formatOf(request);
  if (intake.stopping?.() === true) return later('this server is shutting down', undefined, format);
  const refusal = await intake.authorize?.(headerReader(request)) ?? null;
  if (refusal !== null) {
    return failure(refusal.status === 'forbidden' ? 403 : 401, refusal.reason, format);
  }
  if (headers['content-type'] === undefined) return wrongType(intake, request);
  if (bodyEncoding(headers['content-encoding']) === null) {
    countBad(intake, 'encoding');
    const answer = failure(415, `Content-Encoding is none of gzip, deflate, identity`, format);
    return { ...answer, headers: { ...answer.headers, 'accept-encoding': 'gzip, deflate' } };
  }
  const tooLong = Number(headers['content-length'] ?? 0) > intake.bodyBytesMax;
  return tooLong ? bodyFailure('too_large', format, intake) : null;
}

async function withTicket(
  { admission }: Intake,
  format: BodyFormat,
  use: (ticket: Ticket) => Promise<Answer>,
): Promise<Answer> {
  const ticket = admission.enter();
  if (ticket === null) return later(OVERLOAD.reason, OVERLOAD.retryAfterMs, format);
  try {
    return await use(ticket);
  } finally {
    ticket.leave();
  }
}

async function take(
  signal: Signal,
  request: FastifyRequest,
  reply: FastifyReply,
  intake: Intake,
  ticket: Ticket,
): Promise<Answer> {
  const format = formatOf(request);
  // The signal of fastify fires also when a request has been read to its end.
  const abort = new AbortController();
  reply.raw.on('close', () => (reply.raw.writableFinished ? undefined : abort.abort()));
  const encoding = bodyEncoding(request.headers['content-encoding'])!;
  const bounds = { bytesMax: intake.bodyBytesMax, take: ticket.grow };
  const body = await readBody(request.raw, encoding, bounds);
  if (body.status !== 'read') return bodyFailure(body.status, format, intake);
  const header = headerReader(request);
  const outcome = await decoded(intake, async () => {
    const batch = batchOf(signal, format, body.bytes, batchIdOf(header));
    const arrival = { transport: 'http', attempt: attemptOf(header), header } as const;
    return intake.consumer.consume(batch, abort.signal, arrival);
  });
  return answerOf(signal, format, outcome);
}

/**
 * Counting the items finds most broken messages, the first to look inside finds the others. Any
 * other error is a bug of the consumer and ends the process.
 */
async function decoded(intake: Intake, consume: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await consume();
  } catch (error) {
    if (!(error instanceof DecodeError)) return crash(error);
    countBad(intake, 'decode');
    return rejected(error.message);
  }
}

function batchOf(signal: Signal, format: BodyFormat, bytes: Buffer, id: string | undefined): Batch {
  if (format === 'protobuf') return Batch.fromBytes(signal, bytes, id);
  const request = requestFromJson(signal, bytes);
  if (id === undefined) return Batch.fromRequest(signal, request);
  return Batch.fromBytes(signal, encodeRequest(signal, request), id);
}

function bodyFailure(
  status: Exclude<Body['status'], 'read'>,
  format: BodyFormat,
  intake: Intake,
): Answer {
  if (status === 'no_room') return later(OVERLOAD.reason, OVERLOAD.retryAfterMs, format);
  countBad(intake, status === 'broken' ? 'compression' : status);
  if (status === 'too_large') {
    return failure(413, `the body has more than ${intake.bodyBytesMax} bytes`, format);
  }
  if (status === 'broken') return failure(400, 'the body cannot be decompressed', format);
  // Nobody is there to read it.
  return later('the request was cut off', undefined, format);
}

/** Errors that fastify finds before the handler runs. */
function refuse(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  intake: Intake,
): FastifyReply {
  const { statusCode, message } = error as { statusCode?: number; message: string };
  if (statusCode === undefined || statusCode >= 500) return crash(error);
  if (statusCode === 415) return send(reply, wrongType(intake, request));
  countBad(intake, 'request');
  return send(reply, failure(statusCode, message, formatOf(request)));
}

function wrongType(intake: Intake, request: FastifyRequest): Answer {
  countBad(intake, 'encoding');
  const known = Object.values(CONTENT_TYPES).join(' or ');
  return failure(415, `Content-Type must be ${known}`, formatOf(request));
}

/** A bug must not be answered as if the request were to blame; it ends the process. */
function crash(error: unknown): never {
  process.nextTick(() => {
    throw error;
  });
  throw error;
}

function send(reply: FastifyReply, { code, headers, body }: Answer): FastifyReply {
  return reply.code(code).headers(headers).send(body);
}

/** The encoding of the request, and so of its answer; JSON for types that are neither. */
function formatOf(request: FastifyRequest): BodyFormat {
  const type = request.headers['content-type'] ?? '';
  return type.trim().toLowerCase().startsWith(CONTENT_TYPES.protobuf) ? 'protobuf' : 'json';
}

function headerReader({ headers }: FastifyRequest): HeaderReader {
  return (name) => {
    const value = headers[name];
    return Array.isArray(value) ? value[0] : value;
  };
}

function countBad({ counters }: Intake, reason: string): void {
  const help = 'OTLP requests that could not be used, by what was wrong with them.';
  counters?.counter('binnacle_otlp_bad_requests_total', help, { transport: 'http', reason }).add(1);
}
