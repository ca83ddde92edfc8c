// Takes OTLP from applications and other agents over gRPC and HTTP, with the keys and defaults of
// the Collector's receiver. A protocol is on when it is named. Keys for what is not built are
// refused by name.
//
// A request is answered OK only after the pipeline has accepted it; what the pipeline cannot take
// now is answered so that the sender comes again. Both protocols share one bound on memory.

import * as z from 'zod';
import {
  byteSize, count, duration, endpoint, fault, ignoredKey, optionalSection, refusedKey, section,
} from '../../config/schema.ts';
import { serverTls, type ServerTlsConfig } from '../../config/tls.ts';
import { createAdmission, type Admission } from '../../proto/contract/admission.ts';
import type { ArrivalConsumer } from '../../proto/contract/arrival.ts';
import type {
  ComponentContext, Consumer, Receiver, ReceiverFactory,
} from '../../proto/contract/component.ts';
import { createOtlpGrpcServer, type OtlpServer } from '../../proto/grpc/server.ts';
import { createOtlpHttpServer } from '../../proto/http/listener.ts';
import { SIGNALS } from '../../proto/otlp/model.ts';
import type { ServerTlsOptions } from '../../proto/tls.ts';
import { formatEndpoint, isLoopback } from '../../runtime/net.ts';
import { auth, authorizeOf, usedAuth } from '../authentication.ts';

const limits = {
  /** What all requests of a receiver may hold together. Over it: clients are told to come again. */
  inFlightBytesMax: 128 * 1024 * 1024,
  /** Requests under way at the same time. Over it: clients are told to come again. */
  requestsMax: 1024,
} as const;

const MIB = 1024 * 1024;

const shared = () => ({
  tls: serverTls(),
  transport: z.literal('tcp', 'is not supported: only tcp is').describe('Only tcp.').default('tcp'),
  include_metadata: refusedKey('the pipeline does not see the headers of requests'),
  auth: auth(),
  middlewares: refusedKey('there are none'),
});

const grpc = () => ({
  endpoint: endpoint().describe('Where to listen.').prefault('localhost:4317'),
  ...shared(),
  max_recv_msg_size_mib: count({ min: 1, max: 1024 })
    .describe('The largest request after decompression, in MiB.').default(4),
  max_concurrent_streams: count({ min: 1, max: 100_000 })
    .describe('Requests at the same time on one connection.').default(100),
  keepalive: section({
    server_parameters: section({
      max_connection_idle: duration({ min: '1s' })
        .describe('A connection without requests is closed after this time.').prefault('15m'),
      max_connection_age: duration({ min: '1s' })
        .describe('Connections are closed after this time, requests still end.').optional(),
      max_connection_age_grace: duration({ min: '1s' })
        .describe('Time for those requests.').optional(),
      time: duration({ min: '1s' }).describe('A silent client is checked after this time.')
        .prefault('2h'),
      timeout: duration({ min: '1ms' }).describe('Time for the answer to a check.')
        .prefault('20s'),
    }),
    enforcement_policy: ignoredKey('clients may check the connection as often as they like'),
  }),
  read_buffer_size: ignoredKey('buffers have a fixed size'),
  write_buffer_size: ignoredKey('buffers have a fixed size'),
});

const urlPath = (fallback: string) => z.string()
  .regex(/^\/[^?#*:]*$/, 'must be a path like /v1/logs')
  .describe('The path of requests of this signal.').default(fallback);

const http = () => ({
  endpoint: endpoint().describe('Where to listen.').prefault('localhost:4318'),
  ...shared(),
  traces_url_path: urlPath('/v1/traces'),
  metrics_url_path: urlPath('/v1/metrics'),
  logs_url_path: urlPath('/v1/logs'),
  max_request_body_size: byteSize({ min: '1', max: '1GiB' })
    .describe('The largest body, before and after decompression.').prefault('20MiB'),
  cors: optionalSection({
    allowed_origins: z.array(z.string().min(1))
      .describe('Pages that may send, such as https://shop.example; * stands for anything.')
      .default([]),
    allowed_headers: z.array(z.string().min(1)).describe('Headers they may send besides.')
      .default([]),
    exposed_headers: ignoredKey('answers carry nothing that a page must read'),
    max_age: count().describe('Seconds for which a browser may remember the permission.')
      .default(0),
  }).describe('Requests from pages in browsers; absent means none.'),
  read_header_timeout: duration({ min: '100ms' }).describe('Time for the headers to arrive.')
    .prefault('10s'),
  read_timeout: duration({ min: '100ms' }).describe('Time for a whole request to arrive.')
    .prefault('30s'),
  idle_timeout: duration({ min: '100ms' })
    .describe('A connection without requests is closed after this time.').prefault('1m'),
  write_timeout: ignoredKey('answers are short'),
  compression_algorithms: ignoredKey('gzip and deflate are understood'),
  keep_alives_enabled: z.boolean()
    .describe('Whether a connection may bring more than one request.').default(true),
  response_headers: refusedKey('answers carry no other headers'),
  profiles_url_path: refusedKey('profiles are not taken yet'),
});

const createSchema = () => section({
  protocols: section({
    grpc: optionalSection(grpc()).describe('OTLP/gRPC; on when it is named.'),
    http: optionalSection(http()).describe('OTLP/HTTP; on when it is named.'),
  }).superRefine((protocols, ctx) => {
    if (protocols.grpc !== undefined || protocols.http !== undefined) return;
    fault(ctx, 'names no protocol', 'write grpc: or http:, or both');
  }),
});

export type OtlpReceiverConfig = z.output<ReturnType<typeof createSchema>>;
type GrpcConfig = NonNullable<OtlpReceiverConfig['protocols']['grpc']>;
type HttpConfig = NonNullable<OtlpReceiverConfig['protocols']['http']>;

export const otlpReceiver: ReceiverFactory<OtlpReceiverConfig> = {
  kind: 'receiver',
  type: 'otlp',
  signals: SIGNALS,
  get schema() {
    return createSchema();
  },
  uses: ({ protocols }) => (['grpc', 'http'] as const).flatMap((name) =>
    usedAuth(protocols[name]?.auth, ['protocols', name])),
  create: createOtlpReceiver,
};

function createOtlpReceiver(
  { protocols }: OtlpReceiverConfig,
  context: ComponentContext,
  next: Consumer,
): Receiver {
  const admission = createAdmission({
    bytesMax: limits.inFlightBytesMax,
    requestsMax: limits.requestsMax,
  });
  countInFlight(context, admission);
  const servers: [string, OtlpServer][] = [];
  if (protocols.grpc !== undefined) {
    servers.push(['OTLP gRPC', grpcServer(protocols.grpc, context, next, admission)]);
  }
  if (protocols.http !== undefined) {
    servers.push(['OTLP HTTP', httpServer(protocols.http, context, next, admission)]);
  }
  let listening: typeof servers = [];
  return {
    start: async () => {
      for (const [, server] of servers) await server.start();
      listening = servers;
      context.log.info('OTLP receiver listens', Object.fromEntries(addresses(listening)));
      warnIfOpen(protocols, context);
    },
    stop: async (deadline) => {
      await Promise.all(servers.map(([, server]) => server.stop(deadline)));
    },
    addresses: () => Object.fromEntries(addresses(listening)),
  };
}

/** The Collector's files commonly say 0.0.0.0, so it works; but it should be meant. */
function warnIfOpen({ grpc, http }: OtlpReceiverConfig['protocols'], context: ComponentContext) {
  const open = [grpc, http].filter((one) => one !== undefined)
    .filter(({ endpoint, tls, auth }) => !isLoopback(endpoint.host)
      && tls?.client_ca_file === undefined && auth === undefined);
  if (open.length === 0) return;
  const where = open.map(({ endpoint }) => formatEndpoint(endpoint)).join(' and ');
  const plain = open.some(({ tls }) => tls === undefined)
    ? ', and who is on the way can read and change it' : '';
  context.log.warn(`whoever reaches ${where} can send data as anybody${plain}; bind to localhost, `
    + `or set auth or tls.client_ca_file in receivers.${context.id}.protocols`);
}

const addresses = (servers: readonly [string, OtlpServer][]) =>
  servers.map(([name, server]) => [name, formatEndpoint(server.endpoint())] as const);

function grpcServer(
  config: GrpcConfig,
  context: ComponentContext,
  consumer: ArrivalConsumer,
  admission: Admission,
): OtlpServer {
  const { id, world, counters } = context;
  const { server_parameters: keepalive } = config.keepalive;
  const setting = `receivers.${id}.protocols.grpc`;
  return createOtlpGrpcServer({
    endpoint: config.endpoint,
    setting, world, consumer, counters, admission,
    ...authorizeOf(config.auth, context, `${setting}.auth`),
    ...tlsOf(config.tls),
    messageBytesMax: config.max_recv_msg_size_mib * MIB,
    concurrentStreamsMax: config.max_concurrent_streams,
    keepalive: {
      timeMs: keepalive.time,
      timeoutMs: keepalive.timeout,
      connectionIdleMs: keepalive.max_connection_idle,
      connectionAgeMs: keepalive.max_connection_age,
      connectionAgeGraceMs: keepalive.max_connection_age_grace,
    },
  });
}

function httpServer(
  config: HttpConfig,
  context: ComponentContext,
  consumer: ArrivalConsumer,
  admission: Admission,
): OtlpServer {
  const { id, world, counters } = context;
  const { cors } = config;
  const setting = `receivers.${id}.protocols.http`;
  return createOtlpHttpServer({
    endpoint: config.endpoint,
    setting, world, consumer, counters, admission,
    ...authorizeOf(config.auth, context, `${setting}.auth`),
    ...tlsOf(config.tls),
    paths: {
      traces: config.traces_url_path,
      metrics: config.metrics_url_path,
      logs: config.logs_url_path,
    },
    bodyBytesMax: config.max_request_body_size,
    headersMs: config.read_header_timeout,
    receiveMs: config.read_timeout,
    idleMs: config.idle_timeout,
    keepsAlive: config.keep_alives_enabled,
    ...(cors === undefined ? {} : {
      cors: {
        allowedOrigins: cors.allowed_origins,
        allowedHeaders: cors.allowed_headers,
        maxAgeSeconds: cors.max_age,
      },
    }),
  });
}

function tlsOf(tls: ServerTlsConfig | undefined): { tls?: ServerTlsOptions } {
  if (tls === undefined) return {};
  const { cert_file: certFile, key_file: keyFile, client_ca_file: clientCaFile } = tls;
  return { tls: { certFile, keyFile, clientCaFile } };
}

function countInFlight({ id, counters }: ComponentContext, admission: Admission): void {
  const labels = { receiver: id };
  counters.gauge('binnacle_otlp_in_flight_bytes', 'Bytes of OTLP requests without an answer yet.',
    admission.bytes, labels);
  counters.gauge('binnacle_otlp_in_flight_requests', 'OTLP requests without an answer yet.',
    admission.requests, labels);
}
