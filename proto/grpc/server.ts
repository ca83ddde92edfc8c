// An OTLP/gRPC server: the three Export methods, each of which turns the bytes of a request into a
// Batch, hands it to one consumer and answers what that says (OTLP 1.11, "OTLP/gRPC").
//
// Promises:
// - A request is answered OK only after the consumer has accepted it.
// - The bytes of a request are not decoded here, only walked once to count its items.
// - Sizes are bounded after decompression; what all requests hold together is bounded too. Nothing
//   that a client sends ends the process or its connection with others. A message that is still
//   arriving is not in that sum, since grpc-js keeps it to itself until it is whole; there are at
//   most `callsMax` of them.
// - `stop` takes no new calls, waits for those that are under way until the deadline, then cuts.

import { Server, ServerCredentials, type ServerOptions } from '@grpc/grpc-js';
import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js';
import type { Counters } from '../../runtime/counters.ts';
import type { Endpoint } from '../../runtime/net.ts';
import type { World } from '../../runtime/world.ts';
import { createAdmission, type Admission } from '../contract/admission.ts';
import { acceptanceOf, attemptOf, batchIdOf } from '../contract/arrival.ts';
import type { Arrival, ArrivalConsumer, Authorize } from '../contract/arrival.ts';
import { Batch } from '../contract/batch.ts';
import type { Component } from '../contract/component.ts';
import { rejected, type Outcome } from '../contract/outcome.ts';
import { listen, type Listener } from '../listen.ts';
import { SIGNALS, type Signal } from '../otlp/model.ts';
import { encodeResponse } from '../otlp/response.ts';
import { DecodeError } from '../protobuf/error.ts';
import { readServerPem, type ServerTlsOptions } from '../tls.ts';
import { headersOf, intake, type ArrivedCall, type BadReason } from './intake.ts';
import { METHODS } from './methods.ts';
import { statusOfOutcome } from './status.ts';

export const limits = {
  /** Default for `messageBytesMax`, as other collectors have it. Over it: RESOURCE_EXHAUSTED. */
  messageBytesMax: 4 * 1024 * 1024,
  /** Default for `inFlightBytesMax`. Over it: UNAVAILABLE with the time to come again. */
  inFlightBytesMax: 128 * 1024 * 1024,
  /** Calls of all connections together. Over it: UNAVAILABLE with the time to come again. */
  callsMax: 1024,
  /** Default for `maxConcurrentStreams`. Clients wait before they open more on a connection. */
  concurrentStreamsMax: 100,
  /** Connections. Further ones are closed at once. */
  connectionsMax: 1000,
  /** A request that takes longer to arrive is answered DEADLINE_EXCEEDED. */
  receiveMs: 30_000,
  /** A connection without calls is closed after this time; clients open a new one. */
  idleMs: 15 * 60_000,
} as const;

export interface OtlpGrpcServerOptions {
  readonly endpoint: Endpoint;
  /** The configuration path that `endpoint` and `tls` belong to, for error messages. */
  readonly setting: string;
  readonly world: World;
  readonly consumer: ArrivalConsumer;
  readonly counters?: Counters;
  readonly tls?: ServerTlsOptions;
  /** The largest request, after decompression, in bytes. */
  readonly messageBytesMax?: number;
  /** What all requests may hold together, in bytes; ignored when `admission` is given. */
  readonly inFlightBytesMax?: number;
  /** Shared with other servers that fill the same memory. */
  readonly admission?: Admission;
  /** Calls at the same time on one connection. */
  readonly concurrentStreamsMax?: number;
  /** Time that a request may take to arrive, in milliseconds. */
  readonly receiveMs?: number;
  readonly keepalive?: ServerKeepalive;
  readonly authorize?: Authorize;
}

/** All in milliseconds; what is left out is grpc-js's default, except the idle time. */
export interface ServerKeepalive {
  readonly timeMs?: number;
  readonly timeoutMs?: number;
  readonly connectionIdleMs?: number;
  readonly connectionAgeMs?: number;
  readonly connectionAgeGraceMs?: number;
}

export interface OtlpServer extends Component {
  /** Where it listens; with the real port after `start` when the options said 0. */
  endpoint(): Endpoint;
}

export function createOtlpGrpcServer(options: OtlpGrpcServerOptions): OtlpServer {
  const inFlightBytesMax = options.inFlightBytesMax ?? limits.inFlightBytesMax;
  const admission = options.admission
    ?? createAdmission({ bytesMax: inFlightBytesMax, requestsMax: limits.callsMax });
  let stopping = false;
  let listener: Listener | undefined;
  const underWay = new Set<Promise<void>>();
  const server = new Server(serverOptions(options, admission, () => stopping));
  for (const signal of SIGNALS) {
    server.register(METHODS[signal], handler(signal, options, underWay), asIs, unwrapped, 'unary');
  }
  return {
    endpoint: () => listener?.endpoint ?? options.endpoint,
    start: async () => {
      const injector = server.createConnectionInjector(await credentialsOf(options));
      listener = await listen(options.endpoint, {
        setting: `${options.setting}.endpoint`,
        connectionsMax: limits.connectionsMax,
        take: (socket) => injector.injectConnection(socket),
      });
    },
    stop: async (deadline) => {
      if (stopping) return;
      stopping = true;
      listener?.close();
      await shutDown(server, listener, deadline);
      // Calls whose clients have gone. Their consumers were told so, and answer soon.
      await untilAborted(Promise.all(underWay), deadline);
    },
  };
}

const EMPTY = Buffer.alloc(0);
const asIs = (bytes: Buffer): Buffer => bytes;
/** grpc-js types what handlers get by this function; `intake` puts the ArrivedCall in its place. */
const unwrapped = asIs as unknown as (bytes: Buffer) => ArrivedCall;

function serverOptions(
  options: OtlpGrpcServerOptions,
  admission: Admission,
  stopping: () => boolean,
): ServerOptions {
  const { keepalive = {} } = options;
  const interceptor = intake({
    clock: options.world.clock,
    admission,
    receiveMs: options.receiveMs ?? limits.receiveMs,
    authorize: options.authorize,
    stopping,
    countBad: (reason) => countBad(options.counters, reason),
  });
  const wanted: ServerOptions = {
    interceptors: [interceptor],
    'grpc.max_receive_message_length': options.messageBytesMax ?? limits.messageBytesMax,
    'grpc.max_concurrent_streams': options.concurrentStreamsMax ?? limits.concurrentStreamsMax,
    'grpc.max_connection_idle_ms': keepalive.connectionIdleMs ?? limits.idleMs,
    'grpc.max_connection_age_ms': keepalive.connectionAgeMs,
    'grpc.max_connection_age_grace_ms': keepalive.connectionAgeGraceMs,
    'grpc.keepalive_time_ms': keepalive.timeMs,
    'grpc.keepalive_timeout_ms': keepalive.timeoutMs,
    'grpc.enable_channelz': 0,
  };
  // grpc-js takes a key that is there and undefined for a value.
  return Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined));
}

async function credentialsOf(options: OtlpGrpcServerOptions): Promise<ServerCredentials> {
  if (options.tls === undefined) return ServerCredentials.createInsecure();
  const { world, tls, setting } = options;
  const { cert, key, clientCa } = await readServerPem(world.files, tls, `${setting}.tls`);
  const pair = { cert_chain: cert, private_key: key };
  return ServerCredentials.createSsl(clientCa, [pair], clientCa !== null);
}

function handler(signal: Signal, options: OtlpGrpcServerOptions, underWay: Set<Promise<void>>) {
  return (
    call: ServerUnaryCall<ArrivedCall, Buffer>,
    answer: sendUnaryData<Buffer>,
  ): void => {
    const arrived = call.request;
    arrived.taken = true;
    // An error that comes out of here is a bug of the consumer and ends the process.
    const done = consume(signal, call, options).then((outcome) => {
      arrived.answered = true;
      arrived.ticket.leave();
      underWay.delete(done);
      if (outcome.status !== 'accepted') return answer(statusOfOutcome(outcome));
      answer(null, Buffer.from(encodeResponse(signal, acceptanceOf(outcome))));
    });
    underWay.add(done);
  };
}

async function consume(
  signal: Signal,
  { request, metadata }: ServerUnaryCall<ArrivedCall, Buffer>,
  { consumer, counters }: OtlpGrpcServerOptions,
): Promise<Outcome> {
  const header = headersOf(metadata);
  const arrival: Arrival = { transport: 'grpc', attempt: attemptOf(header), header };
  try {
    const { bytes } = request;
    request.bytes = EMPTY;
    const batch = Batch.fromBytes(signal, bytes, batchIdOf(header));
    return await consumer.consume(batch, request.abort.signal, arrival);
  } catch (error) {
    // Counting the items finds most broken messages, the first to look inside finds the others.
    if (!(error instanceof DecodeError)) throw error;
    countBad(counters, 'decode');
    return rejected(error.message);
  }
}

function countBad(counters: Counters | undefined, reason: BadReason): void {
  const help = 'OTLP requests that could not be used, by what was wrong with them.';
  counters?.counter('binnacle_otlp_bad_requests_total', help, { transport: 'grpc', reason }).add(1);
}

async function untilAborted(work: Promise<unknown>, abort: AbortSignal): Promise<void> {
  if (abort.aborted) return;
  let stop = () => {};
  const aborted = new Promise<void>((resolve) => {
    stop = resolve;
    abort.addEventListener('abort', stop, { once: true });
  });
  await Promise.race([work, aborted]);
  abort.removeEventListener('abort', stop);
}

async function shutDown(
  server: Server,
  listener: Listener | undefined,
  deadline: AbortSignal,
): Promise<void> {
  // Without its channelz grpc-js forgets its connections, so these are cut here.
  const cut = () => listener?.destroy();
  if (deadline.aborted) cut();
  else deadline.addEventListener('abort', cut, { once: true });
  await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  deadline.removeEventListener('abort', cut);
  cut();
  server.forceShutdown();
}
