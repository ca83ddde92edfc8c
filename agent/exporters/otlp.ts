// Sends batches to an OTLP/gRPC server, with the keys and defaults of the Collector's exporter; see
// sending/settings.ts for what differs. Delivery, retries and what becomes of batches that are too
// large are in sending/delivery.ts.

import * as z from 'zod';
import { fault, strictObject } from '../../config/schema.ts';
import type {
  ComponentContext, Exporter, ExporterFactory,
} from '../../proto/contract/component.ts';
import { SIGNALS } from '../../proto/otlp/model.ts';
import type { Endpoint } from '../../runtime/net.ts';
import { parseEndpoint } from '../../runtime/net.ts';
import { createGrpcExporter, grpcKeys, grpcUses, openGrpc } from './sending/grpc.ts';

const createSchema = () => strictObject({
  endpoint: z.string().transform((text, ctx) => {
    const target = parseTarget(text);
    if (target !== null) return target;
    fault(ctx, 'is not the address of a gRPC server', 'write host:port, such as localhost:4317');
    return z.NEVER;
  }).describe('Where to send: host:port; http:// before it means plain text, https:// TLS.'),
  ...grpcKeys(),
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
  uses: (config) => grpcUses(config, []),
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
  const { endpoint } = config;
  const secure = endpoint.secure ?? !config.tls.insecure;
  const setting = `exporters.${context.id}`;
  const open = openGrpc(config, context, setting);
  return createGrpcExporter(config, context, () => open(endpoint, secure));
}
