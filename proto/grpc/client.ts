// An OTLP/gRPC client: one attempt to deliver one batch to one server (OTLP 1.11, "OTLP/gRPC").
// Whether and when there is another attempt is for the caller to decide.
//
// Promises:
// - The outcome follows the table in status.ts. A failure of the connection is `retryable`.
// - A request larger than `requestBytesMax` is never sent; a response larger than
//   `responseBytesMax` is not read, and its batch never sent again.
// - After an outage the connection is tried again at least every `reconnectMsMax`.

import { ChannelCredentials, Client, compressionAlgorithms, Metadata } from '@grpc/grpc-js';
import { credentials, status as codes } from '@grpc/grpc-js';
import type { ChannelOptions, ClientUnaryCall, ServiceError } from '@grpc/grpc-js';
import type { Clock } from '../../runtime/clock.ts';
import { systemCause } from '../../runtime/errors.ts';
import { formatEndpoint, isLoopback, type Endpoint } from '../../runtime/net.ts';
import { ATTEMPT_HEADER, BATCH_HEADER } from '../contract/arrival.ts';
import type { Sender, SendOutcome } from '../contract/arrival.ts';
import type { Batch } from '../contract/batch.ts';
import { ACCEPTED, rejected, retryable } from '../contract/outcome.ts';
import type { Signal } from '../otlp/model.ts';
import { decodeResponse } from '../otlp/response.ts';
import { DecodeError } from '../protobuf/error.ts';
import { EncodeError } from '../protobuf/writer.ts';
import type { ClientTls } from '../tls.ts';
import { METHODS } from './methods.ts';
import { outcomeOfStatus } from './status.ts';

export const limits = {
  /** Default for `requestBytesMax`, as OTLP recommends it. Over it: rejected as too large. */
  requestBytesMax: 64 * 1024 * 1024,
  /** Over it: rejected, since the server has taken the batch but not said what became of it. */
  responseBytesMax: 4 * 1024 * 1024,
  /** Longest wait before a lost connection is tried again, in milliseconds. */
  reconnectMsMax: 5000,
} as const;

export interface OtlpGrpcClientOptions {
  readonly endpoint: Endpoint;
  readonly clock: Clock;
  /** Null: without TLS. */
  readonly tls: ClientTls | null;
  readonly compression: 'gzip' | 'none';
  /** Sent with each request; names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The same, for those that change; asked before each attempt. */
  readonly credentials?: () => Readonly<Record<string, string>>;
  /** Time for one attempt, in milliseconds. */
  readonly timeoutMs: number;
  readonly requestBytesMax?: number;
  readonly responseBytesMax?: number;
  /** All in milliseconds. */
  readonly keepalive?: {
    readonly timeMs?: number;
    readonly timeoutMs?: number;
    readonly permitWithoutStream?: boolean;
  };
}

export function createOtlpGrpcClient(options: OtlpGrpcClientOptions): Sender {
  const address = formatEndpoint(options.endpoint);
  const client = new Client(address, channelCredentials(options.tls), channelOptions(options));
  const requestBytesMax = options.requestBytesMax ?? limits.requestBytesMax;
  const underWay = new Set<ClientUnaryCall>();
  let closed = false;
  return {
    send: async (batch, attempt, abort) => {
      if (closed || abort.aborted) return retryable('the attempt was given up');
      const bytes = bytesOf(batch);
      if (!Buffer.isBuffer(bytes)) return bytes;
      if (bytes.length > requestBytesMax) return requestTooLarge(bytes.length, requestBytesMax);
      const metadata = metadataOf(options, batch, attempt);
      return call(client, { signal: batch.signal, bytes, metadata }, options, underWay, abort);
    },
    close: async () => {
      closed = true;
      underWay.forEach((one) => one.cancel());
      client.close();
    },
  };
}

function bytesOf(batch: Batch): Buffer | SendOutcome {
  try {
    const { bytes } = batch;
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } catch (error) {
    // Some processor made a request that protobuf cannot hold.
    if (error instanceof EncodeError) return rejected(error.message);
    throw error;
  }
}

const requestTooLarge = (bytes: number, bytesMax: number): SendOutcome => ({
  status: 'rejected',
  reason: `a request of ${bytes} bytes is larger than ${bytesMax}`,
  tooLarge: true,
});

/** The longest number of a `grpc-timeout` (gRPC over HTTP/2, "Timeout"). */
const TIMEOUT_MS_MAX = 99_999_999;

function metadataOf(
  { headers = {}, credentials, timeoutMs }: OtlpGrpcClientOptions,
  batch: Batch,
  attempt: number,
): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  for (const [name, value] of Object.entries(credentials?.() ?? {})) metadata.set(name, value);
  if (batch.id !== undefined) metadata.set(BATCH_HEADER, batch.id);
  metadata.set(ATTEMPT_HEADER, String(attempt));
  // A server that cannot be told of the end of the attempt ends it by itself, and drops the batch.
  metadata.set('grpc-timeout', `${Math.min(Math.ceil(timeoutMs), TIMEOUT_MS_MAX)}m`);
  return metadata;
}

interface Request {
  readonly signal: Signal;
  readonly bytes: Buffer;
  readonly metadata: Metadata;
}

const asIs = (bytes: Buffer): Buffer => bytes;

function call(
  client: Client,
  { signal, bytes, metadata }: Request,
  options: OtlpGrpcClientOptions,
  underWay: Set<ClientUnaryCall>,
  abort: AbortSignal,
): Promise<SendOutcome> {
  return new Promise((resolve) => {
    let answered = false;
    let late = false;
    const done = (error: ServiceError | null, response?: Buffer) => {
      timer.cancel();
      abort.removeEventListener('abort', cancel);
      underWay.delete(sent);
      if (late) resolve(retryable(`no answer within ${options.timeoutMs} ms`));
      else if (error === null) resolve(outcomeOfResponse(signal, response!));
      else resolve(outcomeOfError(error, answered, options.endpoint));
    };
    const method = METHODS[signal];
    const sent = client.makeUnaryRequest(method, asIs, asIs, bytes, metadata, {}, done);
    sent.on('metadata', () => {
      answered = true;
    });
    const cancel = () => sent.cancel();
    const timer = options.clock.after(options.timeoutMs, () => {
      late = true;
      cancel();
    });
    underWay.add(sent);
    abort.addEventListener('abort', cancel, { once: true });
  });
}

function outcomeOfResponse(signal: Signal, bytes: Buffer): SendOutcome {
  try {
    return { status: 'accepted', ...decodeResponse(signal, bytes) };
  } catch (error) {
    // The status was OK, which is what counts.
    if (error instanceof DecodeError) return ACCEPTED;
    throw error;
  }
}

function outcomeOfError(error: ServiceError, answered: boolean, endpoint: Endpoint): SendOutcome {
  const { code, details, metadata } = error;
  // grpc-js says so of requests and of responses; only before a response there are headers.
  if (code === codes.RESOURCE_EXHAUSTED && answered && details.startsWith('Received message')) {
    return rejected(`the response is too large: ${details}`);
  }
  const outcome = outcomeOfStatus({ code, details, metadata });
  const local = code === codes.UNAVAILABLE && metadata.get('content-type').length === 0;
  return local ? { ...outcome, reason: unreachable(endpoint, details) } : outcome;
}

/** For a person: `cannot reach localhost:14317: connection refused`. */
function unreachable(endpoint: Endpoint, details: string): string {
  const code = /\bE[A-Z]{4,}\b/.exec(details)?.[0];
  const cause = code === undefined ? details : systemCause({ code });
  return `cannot reach ${formatEndpoint(endpoint)}: ${cause}`;
}

function channelCredentials(tls: ClientTls | null): ChannelCredentials {
  if (tls === null) return credentials.createInsecure();
  const skip = tls.insecureSkipVerify === true;
  return credentials.createSsl(tls.ca, tls.key, tls.cert, skip ? {
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  } : {});
}

function channelOptions(options: OtlpGrpcClientOptions): ChannelOptions {
  const { keepalive = {}, tls, endpoint } = options;
  const wanted: ChannelOptions = {
    'grpc.max_receive_message_length': options.responseBytesMax ?? limits.responseBytesMax,
    'grpc.default_compression_algorithm':
      options.compression === 'gzip' ? compressionAlgorithms.gzip : compressionAlgorithms.identity,
    'grpc.keepalive_time_ms': keepalive.timeMs,
    'grpc.keepalive_timeout_ms': keepalive.timeoutMs,
    'grpc.keepalive_permit_without_calls': keepalive.permitWithoutStream === true ? 1 : undefined,
    'grpc.ssl_target_name_override': tls?.serverNameOverride,
    'grpc.initial_reconnect_backoff_ms': Math.min(1000, limits.reconnectMsMax),
    'grpc.max_reconnect_backoff_ms': limits.reconnectMsMax,
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_channelz': 0,
    // What is on this machine is never behind a proxy, whatever the environment says.
    'grpc.enable_http_proxy': isLoopback(endpoint.host) ? 0 : undefined,
  };
  return Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined));
}
