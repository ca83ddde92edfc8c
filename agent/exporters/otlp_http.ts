// Sends batches to an OTLP/HTTP server, with the keys and defaults of the Collector's exporter; see
// sending/settings.ts for what differs. Delivery, retries and what becomes of batches that are too
// large are in sending/delivery.ts.

import * as z from 'zod';
import {
  count, duration, fault, ignoredKey, refusedKey, section,
} from '../../config/schema.ts';
import type {
  ComponentContext, Exporter, ExporterFactory,
} from '../../proto/contract/component.ts';
import { SIGNALS, type Signal } from '../../proto/otlp/model.ts';
import { auth, credentialsOf, usedAuth } from '../authentication.ts';
import { createQueuedExporter } from '../queue/exporter.ts';
import { createSendingExporter } from './sending/delivery.ts';
import {
  clientTls, headers, queueOptions, queueStorage, readClientTls, retryOnFailure, retryOptions,
  sendingQueue,
} from './sending/settings.ts';

const address = (describe: string) => z.string().refine(isHttpUrl, {
  error: 'is not a URL of HTTP',
  params: { hint: 'write it like http://localhost:4318' },
}).describe(describe).optional();

const createSchema = () => section({
  endpoint: address('Where to send; /v1/traces, /v1/metrics or /v1/logs is appended.'),
  traces_endpoint: address('Where to send traces instead; nothing is appended.'),
  metrics_endpoint: address('Where to send metrics instead; nothing is appended.'),
  logs_endpoint: address('Where to send logs instead; nothing is appended.'),
  tls: clientTls().describe('For https endpoints.'),
  encoding: z.enum(['proto', 'json']).describe('Protobuf or JSON.').default('proto'),
  compression: z.enum(['gzip', 'none', ''], 'must be gzip or none')
    .describe('gzip or none.').default('gzip'),
  headers: headers(),
  timeout: duration({ min: '1ms' }).describe('Time for one attempt.').prefault('30s'),
  max_conns_per_host: count({ max: 10_000 }).describe('Connections; 0 means as many as needed.')
    .default(0),
  retry_on_failure: retryOnFailure(),
  sending_queue: sendingQueue(),
  max_idle_conns: ignoredKey('idle connections are closed after a few seconds'),
  max_idle_conns_per_host: ignoredKey('idle connections are closed after a few seconds'),
  idle_conn_timeout: ignoredKey('idle connections are closed after a few seconds'),
  write_buffer_size: ignoredKey('buffers have a fixed size'),
  read_buffer_size: ignoredKey('buffers have a fixed size'),
  force_attempt_http2: ignoredKey('HTTP/1.1 is spoken'),
  compression_params: refusedKey('the level of zlib is used'),
  proxy_url: refusedKey('send to the proxy through its own address'),
  auth: auth(),
  profiles_endpoint: refusedKey('profiles are not taken yet'),
}).superRefine((config, ctx) => {
  const each = SIGNALS.every((signal) => config[`${signal}_endpoint`] !== undefined);
  if (config.endpoint === undefined && !each) {
    fault(ctx, 'is required', 'write it like http://localhost:4318', ['endpoint']);
  }
});

export type OtlpHttpExporterConfig = z.output<ReturnType<typeof createSchema>>;

export const otlpHttpExporter: ExporterFactory<OtlpHttpExporterConfig> = {
  kind: 'exporter',
  type: 'otlp_http',
  aliases: ['otlphttp'],
  signals: SIGNALS,
  get schema() {
    return createSchema();
  },
  uses: (config) => [...queueStorage(config), ...usedAuth(config.auth, [])],
  create: createOtlpHttpExporter,
};

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}

function createOtlpHttpExporter(
  config: OtlpHttpExporterConfig,
  context: ComponentContext,
): Exporter {
  const { id, world, log, counters } = context;
  const credentials = credentialsOf(config.auth, context, `exporters.${id}.auth`);
  const open = async () => {
    // Loaded by those who use it: it is the heaviest part of an agent.
    const { createOtlpHttpClient } = await import('../../proto/http/client.ts');
    return createOtlpHttpClient({
      urls: {
        traces: urlOf(config, 'traces'),
        metrics: urlOf(config, 'metrics'),
        logs: urlOf(config, 'logs'),
      },
      clock: world.clock,
      tls: await readClientTls(config.tls, world.files, `exporters.${id}.tls`),
      encoding: config.encoding,
      compression: config.compression === 'gzip' ? 'gzip' : 'none',
      headers: config.headers,
      ...credentials,
      timeoutMs: config.timeout,
      ...(config.max_conns_per_host === 0 ? {} : { connectionsMax: config.max_conns_per_host }),
    });
  };
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

function urlOf(config: OtlpHttpExporterConfig, signal: Signal): string {
  const own = config[`${signal}_endpoint`];
  return own ?? `${config.endpoint!.replace(/\/+$/, '')}/v1/${signal}`;
}
