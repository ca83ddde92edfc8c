// Clients and servers of gRPC for tests, on grpc-js and on bare HTTP/2, with nothing of ours in
// between but the names of the methods: what they see is what any peer sees.

import {
  Client, credentials, Metadata, Server, ServerCredentials, status as codes,
} from '@grpc/grpc-js';
import type { ChannelCredentials, ClientUnaryCall, ServiceError } from '@grpc/grpc-js';
import { connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import { METHODS } from '../../../proto/grpc/methods.ts';
import type { Signal } from '../../../proto/otlp/model.ts';
import { decodeStatus, type RpcStatus } from '../../../proto/otlp/status.ts';
import { formatEndpoint, type Endpoint } from '../../../runtime/net.ts';

export interface Reply {
  readonly code: number;
  readonly details: string;
  /** The message, when the code is OK. */
  readonly bytes: Buffer;
  /** google.rpc.Status from the metadata, when there is one. */
  readonly status: RpcStatus | null;
}

export interface CallOptions {
  readonly signal?: Signal;
  readonly headers?: Readonly<Record<string, string>>;
  readonly deadlineMs?: number;
  /** Is handed the call, to cancel it. */
  readonly onCall?: (call: ClientUnaryCall) => void;
}

export interface TestClient {
  call(bytes: Uint8Array, options?: CallOptions): Promise<Reply>;
  close(): void;
}

const asIs = (bytes: Buffer): Buffer => bytes;

export function openClient(
  endpoint: Endpoint,
  options: { compression?: 'gzip' | 'deflate'; credentials?: ChannelCredentials } = {},
): TestClient {
  const algorithm = { gzip: 2, deflate: 1, none: 0 }[options.compression ?? 'none'];
  const client = new Client(formatEndpoint(endpoint),
    options.credentials ?? credentials.createInsecure(), {
      'grpc.default_compression_algorithm': algorithm,
      'grpc.use_local_subchannel_pool': 1,
    });
  return {
    call: (bytes, { signal = 'logs', headers = {}, deadlineMs, onCall } = {}) =>
      new Promise((resolve) => {
        const metadata = new Metadata();
        for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
        const limits = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
        const done = (error: ServiceError | null, reply?: Buffer) => resolve(replyOf(error, reply));
        onCall?.(client.makeUnaryRequest(METHODS[signal], asIs, asIs, Buffer.from(bytes), metadata,
          limits, done));
        if (onCall === undefined) {
          client.makeUnaryRequest(METHODS[signal], asIs, asIs, Buffer.from(bytes), metadata,
            limits, done);
        }
      }),
    close: () => client.close(),
  };
}

function replyOf(error: ServiceError | null, reply: Buffer | undefined): Reply {
  if (error === null) return { code: 0, details: '', bytes: reply!, status: null };
  const details = error.metadata.get('grpc-status-details-bin')[0];
  const status = Buffer.isBuffer(details) ? decodeStatus(details) : null;
  return { code: error.code, details: error.details, bytes: Buffer.alloc(0), status };
}

/** A gRPC frame: flag, length, message. */
export function frame(message: Uint8Array, compressed = false): Buffer {
  const head = Buffer.alloc(5);
  head[0] = compressed ? 1 : 0;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** POSTs bytes that need not be a frame on a connection of its own; answers the gRPC status. */
export function rawCall(
  endpoint: Endpoint,
  body: Uint8Array,
  headers: OutgoingHttpHeaders = {},
  end = true,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const session = connect(`http://${formatEndpoint(endpoint)}`);
    session.on('error', reject);
    const stream = session.request({
      ':method': 'POST', ':path': METHODS.logs, 'content-type': 'application/grpc', te: 'trailers',
      ...headers,
    }, { endStream: false });
    const answered = (headers: IncomingHttpHeaders) => {
      if (headers['grpc-status'] === undefined) return;
      session.destroy();
      resolve(Number(headers['grpc-status']));
    };
    stream.on('response', answered);
    stream.on('trailers', answered);
    stream.on('error', reject);
    stream.resume();
    if (end) stream.end(body);
    else stream.write(body);
  });
}

/** What a scripted server answers to a call. */
export type Scripted =
  | { readonly bytes: Uint8Array }
  | { readonly code: number; readonly details?: string; readonly metadata?: Metadata }
  /** Never answers. */
  | 'hang';

export interface ScriptedCall {
  readonly signal: Signal;
  readonly bytes: Buffer;
  readonly metadata: Metadata;
  /** When the server ends it by itself; Infinity when the client set no time. */
  readonly endMs: number;
  cancelled: boolean;
}

export interface TestServer {
  readonly endpoint: Endpoint;
  /** The calls so far, in order. */
  readonly calls: ScriptedCall[];
  close(): Promise<void>;
}

/** A server that answers its n-th call (from 0) as `script` says. */
export async function scriptedServer(
  script: (call: number, bytes: Buffer) => Scripted | Promise<Scripted>,
  options: { port?: number; credentials?: ServerCredentials } = {},
): Promise<TestServer> {
  const server = new Server({
    'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1,
  });
  const calls: TestServer['calls'] = [];
  for (const signal of ['traces', 'metrics', 'logs'] as const) {
    server.register(METHODS[signal], async (call: any, answer: any) => {
      const { metadata, request: bytes } = call;
      const endMs = Number(call.getDeadline());
      const seen: ScriptedCall = { signal, bytes, metadata, endMs, cancelled: false };
      const index = calls.push(seen) - 1;
      call.on('cancelled', () => {
        seen.cancelled = true;
      });
      const scripted = await script(index, call.request);
      if (scripted === 'hang') return;
      if ('bytes' in scripted) return answer(null, Buffer.from(scripted.bytes));
      answer({ details: codes[scripted.code], ...scripted });
    }, asIs, asIs, 'unary');
  }
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${options.port ?? 0}`,
      options.credentials ?? ServerCredentials.createInsecure(),
      (error, bound) => (error === null ? resolve(bound) : reject(error))));
  return {
    endpoint: { host: '127.0.0.1', port },
    calls,
    close: async () => server.forceShutdown(),
  };
}
