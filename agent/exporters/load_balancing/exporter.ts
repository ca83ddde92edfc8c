// Sends each trace, service or stream always to the same one of several backends, by OTLP/gRPC. One
// queue on disk stands in front of all; see sender.ts for how a batch is divided and what is sent
// again, ring.ts for which backend a key belongs to, backends.ts for where the list comes from.

import * as z from 'zod';
import {
  count, duration, fault, optionalSection, refusedKey, strictObject,
} from '../../../config/schema.ts';
import type {
  ComponentContext, Exporter, ExporterFactory,
} from '../../../proto/contract/component.ts';
import { SIGNALS } from '../../../proto/otlp/model.ts';
import { rateLimited } from '../../../runtime/log.ts';
import { formatEndpoint, lookupHost, parseEndpoint, type Endpoint } from '../../../runtime/net.ts';
import { createGrpcExporter, grpcKeys, grpcUses, openGrpc } from '../sending/grpc.ts';
import { createNamedBackends, createStaticBackends, type Backends } from './backends.ts';
import { ROUTING_KEYS } from './keys.ts';
import { createBalancingSender, type BalancingSender } from './sender.ts';

export const limits = {
  /** The same failure is said in the log once in this time. */
  logIntervalMs: 10_000,
} as const;

const DEFAULT_PORT = 4317;

const hostname = () => z.string().min(1).transform((text, ctx) => {
  const endpoint = parseEndpoint(text) ?? parseEndpoint(`${text}:${DEFAULT_PORT}`);
  const isPlace = endpoint !== null && endpoint.port > 0 && !text.startsWith(':');
  if (isPlace) return formatEndpoint(endpoint);
  fault(ctx, 'is not the address of a gRPC server', 'write host:port, such as backend-1:4317');
  return z.NEVER;
});

const createSchema = () => strictObject({
  routing_key: z.enum(ROUTING_KEYS)
    .describe('What goes together; absent: traceID, for metrics service.').optional(),
  routing_attributes: z.array(z.string().min(1))
    .describe('For routing_key: attributes. Names of attributes, span.name or span.kind.')
    .default([]),
  protocol: strictObject({
    otlp: strictObject(grpcKeys()).describe('The keys of the exporter otlp, without endpoint.'),
  }).describe('How to send.'),
  resolver: strictObject({
    static: optionalSection({
      hostnames: z.array(hostname()).min(1).describe('host:port of each backend; port 4317.'),
    }).describe('A list that does not change.'),
    dns: optionalSection({
      hostname: z.string().min(1).describe('All of its addresses are backends.'),
      port: z.union([count({ min: 1, max: 65_535 }),
        z.string().regex(/^\d{1,5}$/).transform(Number)])
        .describe('Port of all of them.').default(DEFAULT_PORT),
      interval: duration({ min: '100ms' }).describe('How often it is looked up.').prefault('5s'),
      timeout: duration({ min: '1ms' }).describe('Time for a lookup.').prefault('1s'),
      quarantine: refusedKey('what a backend does not take is sent to it again'),
    }).describe('The addresses of a name.'),
    k8s: refusedKey('use dns with the name of a headless service'),
    aws_cloud_map: refusedKey('use dns with the name of the service'),
  }).superRefine((resolver, ctx) => {
    const given = [resolver.static, resolver.dns].filter((one) => one !== undefined).length;
    if (given !== 1) fault(ctx, 'needs one of static and dns', 'write one of them');
  }).describe('Which backends there are.'),
  timeout: refusedKey('write it below protocol.otlp'),
  retry_on_failure: refusedKey('write it below protocol.otlp'),
  sending_queue: refusedKey('write it below protocol.otlp'),
}).superRefine(({ routing_key: key, routing_attributes: attributes }, ctx) => {
  if ((key === 'attributes') === (attributes.length > 0)) return;
  fault(ctx, 'belongs to routing_key: attributes', 'write both, or none', ['routing_attributes']);
});

export type LoadBalancingConfig = z.output<ReturnType<typeof createSchema>>;

export const loadBalancingExporter: ExporterFactory<LoadBalancingConfig> = {
  kind: 'exporter',
  type: 'load_balancing',
  aliases: ['loadbalancing'],
  signals: SIGNALS,
  get schema() {
    return createSchema();
  },
  uses: (config) => grpcUses(config.protocol.otlp, ['protocol', 'otlp']),
  create: (config, context) => createLoadBalancing(config, context, lookupHost),
};

/** `lookup` finds the addresses of a name. */
export function createLoadBalancing(
  config: LoadBalancingConfig,
  context: ComponentContext,
  lookup: (host: string) => Promise<readonly string[]>,
): Exporter {
  const { id, counters } = context;
  const { otlp } = config.protocol;
  const open = openGrpc(otlp, context, `exporters.${id}.protocol.otlp`);
  let sender: BalancingSender | undefined;
  const backends = createBackends(config, context, lookup, (list) => sender?.keep(list));
  const exporter = createGrpcExporter(otlp, context, async () => {
    sender = createBalancingSender({
      id, counters,
      keys: { routingKey: config.routing_key, attributes: config.routing_attributes },
      ring: () => backends.ring(),
      open: (backend) => open(parseEndpoint(backend) as Endpoint, !otlp.tls.insecure),
    });
    return sender;
  });
  return {
    ...exporter,
    start: async () => {
      await backends.start();
      await exporter.start().catch((error: unknown) => {
        backends.stop();
        throw error;
      });
    },
    stop: async (deadline) => {
      await exporter.stop(deadline);
      backends.stop();
    },
  };
}

function createBackends(
  { resolver }: LoadBalancingConfig,
  { id, counters, log, world }: ComponentContext,
  lookup: (host: string) => Promise<readonly string[]>,
  changed: (backends: readonly string[]) => void,
): Backends {
  const limited = rateLimited(log, world.clock, limits.logIntervalMs);
  const options = { id, counters, log: limited, clock: world.clock, changed };
  if (resolver.static !== undefined) {
    return createStaticBackends(resolver.static.hostnames, options);
  }
  const { hostname: host, port, interval, timeout } = resolver.dns!;
  const name = { hostname: host, port, intervalMs: interval, timeoutMs: timeout, lookup };
  return createNamedBackends(name, options);
}
