// What the exporters that speak OTLP/gRPC have in common: their keys, how a connection is opened,
// and the queue in front of it.

import * as z from 'zod';
import {
  duration, ignoredKey, optionalSection, refusedKey, strictObject,
} from '../../../config/schema.ts';
import type { Sender } from '../../../proto/contract/arrival.ts';
import type {
  ComponentContext, Exporter, UsedExtension,
} from '../../../proto/contract/component.ts';
import { createOtlpGrpcClient } from '../../../proto/grpc/client.ts';
import type { Endpoint } from '../../../runtime/net.ts';
import { auth, credentialsOf, usedAuth } from '../../authentication.ts';
import { createQueuedExporter } from '../../queue/exporter.ts';
import { createSendingExporter } from './delivery.ts';
import {
  clientTls, headers, queueOptions, queueStorage, readClientTls, retryOnFailure, retryOptions,
  sendingQueue,
} from './settings.ts';

/** All keys but the endpoint. */
export const grpcKeys = () => ({
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

const grpcSection = () => strictObject(grpcKeys());
export type GrpcConfig = z.output<ReturnType<typeof grpcSection>>;

/** The extensions that are named; `path` is where the keys stand in the configuration. */
export const grpcUses = (config: GrpcConfig, path: readonly string[]): UsedExtension[] => [
  ...queueStorage(config).map((used) => ({ ...used, path: [...path, ...used.path] })),
  ...usedAuth(config.auth, path),
];

/** Opens connections to one server or to many. `setting` is where the keys stand. */
export function openGrpc(
  config: GrpcConfig,
  context: ComponentContext,
  setting: string,
): (endpoint: Endpoint, secure: boolean) => Promise<Sender> {
  const { clock, files } = context.world;
  const credentials = credentialsOf(config.auth, context, `${setting}.auth`);
  return async (endpoint, secure) => createOtlpGrpcClient({
    endpoint,
    clock,
    tls: secure ? await readClientTls(config.tls, files, `${setting}.tls`) : null,
    compression: config.compression === 'gzip' ? 'gzip' : 'none',
    headers: config.headers,
    ...credentials,
    timeoutMs: config.timeout,
    ...(config.keepalive === undefined ? {} : { keepalive: keepaliveOf(config.keepalive) }),
  });
}

/** An exporter with the queue and the retries of the configuration. */
export function createGrpcExporter(
  config: GrpcConfig,
  context: ComponentContext,
  open: () => Promise<Sender>,
): Exporter {
  const { id, world, log, counters } = context;
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

function keepaliveOf(config: NonNullable<GrpcConfig['keepalive']>) {
  return {
    timeMs: config.time,
    timeoutMs: config.timeout,
    permitWithoutStream: config.permit_without_stream,
  };
}
