// The description of the whole HTTP API in OpenAPI, as `/docs` shows it: what the routes say about
// themselves, and what OTLP's routes would say, which are not ours to annotate.

import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import { SIGNALS, type Signal } from '../../proto/otlp/model.ts';

export function openApiOptions(version: string): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: '3.0.3',
      info: {
        title: 'Binnacle',
        version,
        description: 'Logs, spans and metrics in ClickHouse, answered in SQL. Errors are '
          + '`{"error": {"status", "code", "message", "hint"}}`; `code` is ClickHouse\'s name '
          + 'where the statement is at fault.',
      },
      components: { securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'A token, once one is configured.' },
        basic: { type: 'http', scheme: 'basic', description: 'The same as password.' },
      } },
      security: [{ bearer: [] }, { basic: [] }, {}],
      tags: [
        { name: 'query', description: 'SQL over everything that is stored.' },
        { name: 'metrics', description: 'Metrics: which there are, and their values over time.' },
        { name: 'traces', description: 'Traces, services, and what went wrong in them.' },
        { name: 'logs', description: 'Log records: in, found, counted, followed.' },
        { name: 'rules', description: 'Rules: which there are, made, changed, tried.' },
        { name: 'alerts', description: 'Alerts: raised, looked after, over; who is on call.' },
        { name: 'alertmanager', description: 'Alertmanager\'s API v2, for its tools.' },
        { name: 'prometheus', description: 'What Grafana asks of Prometheus about alerts.' },
        { name: 'otlp', description: 'OTLP/HTTP: answered OK only after ClickHouse committed.' },
        { name: 'health', description: 'State of this backend, for people and load balancers.' },
      ],
    },
    transform: ({ schema, url, route }) => {
      const signal = SIGNALS.find((one) => url === otlpPath(one));
      if (signal === undefined) return { schema, url };
      const methods = [route.method].flat();
      return { url, schema: methods.includes('POST') ? otlpDocs(signal) : { hide: true } };
    },
  };
}

const otlpPath = (signal: Signal): string => `/v1/${signal}`;

const DESCRIPTION = 'An OTLP 1.11 export request as protobuf or JSON, plain, gzip or deflate. '
  + 'Records that cannot be stored are refused alone and counted in `partialSuccess`.';

/** Bodies in both encodings of OTLP. */
const bodies = (message: string) => ({
  'application/x-protobuf': { schema: { type: 'string', format: 'binary', title: message } },
  'application/json': { schema: { type: 'object', title: message, additionalProperties: true } },
});

const MESSAGE: Readonly<Record<Signal, string>> = {
  traces: 'ExportTraceService',
  logs: 'ExportLogsService',
  metrics: 'ExportMetricsService',
};

function otlpDocs(signal: Signal) {
  const status = (description: string) => ({ description, content: bodies('google.rpc.Status') });
  return {
    operationId: `export_${signal}`,
    summary: `Take in ${signal}`,
    description: DESCRIPTION,
    tags: ['otlp'],
    body: { content: bodies(`${MESSAGE[signal]}Request`) },
    response: {
      200: { description: 'Stored.', content: bodies(`${MESSAGE[signal]}Response`) },
      400: status('It cannot be decoded, or no record of it can be stored; do not send it again.'),
      413: status('The body is too large.'),
      415: status('The content type or encoding is not known.'),
      503: status('Not now; send it again after the time in Retry-After.'),
    },
  };
}
