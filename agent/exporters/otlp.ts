// Sends batches to an OTLP/gRPC server, with the keys and defaults of the Collector's exporter; see
// sending/settings.ts for what differs. Delivery, retries and what becomes of batches that are too
// large are in sending/delivery.ts.

import * as z from 'zod';
import {
  duration, fault, ignoredKey, optionalSection, refusedKey, strictObject,
} from '../../config/schema.ts';
import type {
  ComponentContext, Exporter, ExporterFactory,
} from '../../proto/contract/component.ts';
import { createOtlpGrpcClient } from '../../proto/grpc/client.ts';
import { SIGNALS } from '../../proto/otlp/model.ts';
import type { Endpoint } from '../../runtime/net.ts';
import { parseEndpoint } from '../../runtime/net.ts';
import { auth, credentialsOf, usedAuth } from '../authentication.ts';
import { createQueuedExporter } from '../queue/exporter.ts';
import { createSendingExporter } from './sending/delivery.ts';
import {
  clientTls, headers, queueOptions, queueStorage, readClientTls, retryOnFailure, retryOptions,
  sendingQueue,
} from './sending/settings.ts';

const createSchema = () => strictObject({
  endpoint: z.string().transform((text, ctx) => {
    const target = parseTarget(text);
    if (target !== null) return target;
    fault(ctx, 'is not the address of a gRPC server', 'write host:port, such as localhost:4317');
    return z.NEVER;
  }).describe('Where to send: host:port; http:// before it means plain text, https:// TLS.'),
  tls: clientTls().describe('TLS is spoken unless insecure is true.'),
  compression: z.enum(['gzip', 'none', ''], 'must be gzip or none')
    .describe('gzip or none.').default('gzip'),
  headers: headers(),
  timeout: duration({ min: '1ms' }).describe('Time for one attempt.').prefault('5s'),
  keepalive: optionalSection({
    time: duration({ min: '1s' }).describe('A silent connection is checked after this time.')
      .prefault('10s'),
    timeout: duration({ min: '1ms' }).describe('Time for the answer to a check.').prefault('20s'),
    permit_without_stream: z.boolean().describe('Checks also while nothing is sent.')
      .default(false),
  }).describe('Checks of the connection; absent means none.'),
  retry_on_failure: retryOnFailure(),
  sending_queue: sendingQueue(),
  balancer_name: ignoredKey('one connection to one address is used'),
  wait_for_ready: ignoredKey('what cannot be sent now is sent later'),
  write_buffer_size: ignoredKey('buffers have a fixed size'),
  read_buffer_size: ignoredKey('buffers have a fixed size'),
  auth: auth(),
  authority: refusedKey('use tls.server_name_override'),
});

export type OtlpExporterConfig = z.output<ReturnType<typeof createSchema>>;

export const otlpExporter: ExporterFactory<OtlpExporterConfig> = {
  kind: 'exporter',
  type: 'otlp',
  aliases: ['otlp_grpc'],
  signals: SIGNALS,
  get schema() {
    return createSchema();
  },
  uses: (config) => [...queueStorage(config), ...usedAuth(config.auth, [])],
  create: createOtlpExporter,
};

interface Target extends Endpoint {
  /** Null: as the `tls` section says. */
  readonly secure: boolean | null;
}

function parseTarget(text: string): Target | null {
  const match = /^(?:(https?):\/\/)?([^/]+)\/?$/.exec(text.trim());
  if (match === null) return null;
  const endpoint = parseEndpoint(match[2]!);
  // `:4317` listens on all interfaces, but is no place to send to; nor is port 0.
  if (endpoint === null || endpoint.port === 0 || match[2]!.startsWith(':')) return null;
  return { ...endpoint, secure: match[1] === undefined ? null : match[1] === 'https' };
}

function createOtlpExporter(config: OtlpExporterConfig, context: ComponentContext): Exporter {
  const { id, world, log, counters } = context;
  const { endpoint, tls } = config;
  const secure = endpoint.secure ?? !tls.insecure;
  const credentials = credentialsOf(config.auth, context, `exporters.${id}.auth`);
  const open = async () => createOtlpGrpcClient({
    endpoint,
    clock: world.clock,
    tls: secure ? await readClientTls(config.tls, world.files, `exporters.${id}.tls`) : null,
    compression: config.compression === 'gzip' ? 'gzip' : 'none',
    headers: config.headers,
    ...credentials,
    timeoutMs: config.timeout,
    ...(config.keepalive === undefined ? {} : { keepalive: keepaliveOf(config.keepalive) }),
  });
  const delivery = {
    id, world, log, counters,
    retry: retryOptions(config.retry_on_failure),
    concurrency: config.sending_queue.num_consumers,
  };
  const queue = queueOptions(config.sending_queue);
  if (queue === null) return createSendingExporter(open, delivery);
  const { storage: storageId } = config.sending_queue;
  const storage = storageId === undefined ? null : context.storage?.(storageId) ?? null;
  return createQueuedExporter(open, { context, delivery, queue, storage });
}

function keepaliveOf(config: NonNullable<OtlpExporterConfig['keepalive']>) {
  return {
    timeMs: config.time,
    timeoutMs: config.timeout,
    permitWithoutStream: config.permit_without_stream,
  };
}
