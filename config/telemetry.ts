// `service.telemetry`: what an agent tells about itself, in the Collector's keys.

import * as z from 'zod';
import { parseEndpoint, type Endpoint } from '../runtime/net.ts';
import { fault, ignoredKey, refusedKey, section, strictObject } from './schema.ts';

const logs = () => section({
  level: lowerCase(z.enum(['debug', 'info', 'warn', 'error']))
    .describe('Least important lines that are written.').prefault('info'),
  format: lowerCase(z.enum(['auto', 'json', 'text']))
    .describe('auto writes text to a terminal and JSON elsewhere.').prefault('auto'),
  encoding: z.enum(['json', 'console'])
    .describe('The Collector\'s word for the format: console is text.').optional(),
  development: ignoredKey('lines are the same'),
  disable_caller: ignoredKey('lines name no callers'),
  disable_stacktrace: ignoredKey('lines have no stack traces'),
  sampling: ignoredKey('lines that repeat are limited anyway'),
  output_paths: refusedKey('the log is written to standard error: redirect that'),
  error_output_paths: refusedKey('the log is written to standard error: redirect that'),
  initial_fields: refusedKey('let whoever gathers the log add fields'),
  processors: refusedKey('read the log with journald or file_log to ship it'),
}).transform(({ level, format, encoding }) => ({
  level, format: encoding === undefined ? format : encoding === 'json' ? 'json' : 'text',
} as const));

/** Where Prometheus pulls: the one reader that there is. */
const reader = () => strictObject({
  pull: strictObject({
    exporter: strictObject({
      prometheus: strictObject({
        host: z.string().min(1).describe('Where to listen.').default('localhost'),
        port: z.int().min(0).max(65535).describe('The port.').default(8888),
        without_scope_info: ignoredKey('there are no labels of scopes'),
        without_type_suffix: ignoredKey('names are those of the Collector, with _total'),
        without_units: ignoredKey('names are those of the Collector'),
        with_resource_constant_labels: ignoredKey('there are no labels of the resource'),
      }),
    }),
  }).describe('Prometheus reads them.').optional(),
  periodic: refusedKey('add the receiver internal_metrics to a pipeline'),
});

const metrics = () => section({
  level: lowerCase(z.enum(['none', 'basic', 'normal', 'detailed']))
    .describe('none: they are not served. All others are the same.').prefault('normal'),
  address: z.string().transform(parseAddress)
    .describe('Where the metrics of the agent itself are served; empty for nowhere.')
    .prefault('localhost:8888'),
  readers: z.array(reader()).max(1, 'may have one reader, for Prometheus')
    .describe('The same in newer words of the Collector; wins over address.').optional(),
  views: refusedKey('let Prometheus drop what it does not need'),
}).transform(({ level, address, readers }) => {
  if (readers === undefined) return { level, address };
  const endpoint = readers[0]?.pull?.exporter.prometheus;
  return { level, address: endpoint === undefined ? null
    : { host: endpoint.host, port: endpoint.port } };
});

export const telemetry = () => section({
  logs: logs().describe('The log of this process, on standard error.'),
  metrics: metrics().describe('The metrics of the agent itself, for Prometheus.'),
  resource: refusedKey('let Prometheus add labels to the metrics of the agent'),
  traces: refusedKey('the agent makes no spans about itself'),
});

export type TelemetryConfig = z.output<ReturnType<typeof telemetry>>;

/** The Collector takes `INFO` as well as `info`. */
function lowerCase<T extends z.ZodType<string>>(schema: T) {
  return z.preprocess((value) => (typeof value === 'string' ? value.toLowerCase() : value), schema);
}

function parseAddress(text: string, ctx: z.core.$RefinementCtx<unknown>): Endpoint | null {
  if (text === '') return null;
  const endpoint = parseEndpoint(text);
  if (endpoint !== null) return endpoint;
  fault(ctx, 'is not an endpoint', 'write host:port, such as localhost:8888, or nothing');
  return z.NEVER;
}
