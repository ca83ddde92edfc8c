// `/`: what this server is and where to go on, as a small page for a browser and as JSON for a
// program. The page needs nothing from elsewhere.

import type { FastifyInstance } from 'fastify';

const OTLP_PATHS = ['/v1/traces', '/v1/logs', '/v1/metrics'];
const EXAMPLE = '/api/query?format=PrettyCompact&sql='
  + encodeURIComponent('SELECT ServiceName, count() FROM otel_logs GROUP BY 1 ORDER BY 2 DESC');

export function registerIndex(app: FastifyInstance, version: string): void {
  const schema = {
    operationId: 'index',
    summary: 'What this server is, and where to go on',
    description: 'A page when `Accept` asks for HTML, JSON otherwise.',
    tags: ['health'],
    response: { 200: {
      description: 'Name, version and paths.',
      content: {
        'application/json': { schema: { type: 'object', additionalProperties: true } },
        'text/html': { schema: { type: 'string' } },
      },
    } },
  };
  app.get('/', { schema }, (request, reply) => {
    void reply.header('vary', 'accept');
    if (!(request.headers.accept ?? '').includes('text/html')) return overview(version);
    return reply.type('text/html; charset=utf-8')
      .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
      .send(page(version));
  });
}

const overview = (version: string) => ({
  name: 'binnacle',
  version,
  query: 'POST /api/query {"sql": "SELECT count() FROM otel_logs"}',
  documentation: '/docs',
  health: '/health',
  metrics: '/metrics',
  otlp: OTLP_PATHS.map((path) => `POST ${path}`),
});

const page = (version: string): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Binnacle</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif }
  body { max-width: 44rem; margin: 3rem auto; padding: 0 1rem }
  code { font: 14px/1.5 ui-monospace, monospace }
  pre { padding: .75rem 1rem; border: 1px solid #8884; border-radius: 6px; overflow-x: auto }
  dt { font-weight: 600; margin-top: .75rem }
  dd { margin: 0 }
</style>
<h1>Binnacle ${version}</h1>
<p>Logs, spans and metrics in ClickHouse, answered in SQL.</p>
<dl>
  <dt><a href="/docs">/docs</a></dt><dd>The API, to read and to try.</dd>
  <dt><a href="/health">/health</a></dt><dd>State of this backend and of all it depends on.</dd>
  <dt><a href="/metrics">/metrics</a></dt><dd>Its own counters, for Prometheus.</dd>
  <dt><a href="${EXAMPLE}">/api/query</a></dt><dd>SQL; this link counts log records by service.</dd>
  <dt>${OTLP_PATHS.join(', ')}</dt><dd>OTLP over HTTP.</dd>
</dl>
<pre><code>npx binnacle query "SELECT count() FROM otel_logs"</code></pre>
</html>
`;
