// Every route that the API's own description names is called on a real backend process, which holds
// a trace, a log record and metrics that were sent to it as OTLP: each answers as it says it does,
// lists have `items` and `next`, and a parameter that there is not is refused in the one form that
// errors have. A route that is described and not called here fails the test.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { request } from 'undici';
import { startStack, type Stack } from './stack.ts';

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly in: string; readonly name: string }[];
  readonly responses: Readonly<Record<string, unknown>>;
}

interface Call {
  /** Of the URL, with its query. */
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const OTHER = '1bf7651916cd43dd8448eb211c80319c';
const NOW_MS = Date.now();
const ns = (ms: number): string => `${Math.round(ms)}000000`;
const attribute = (key: string, stringValue: string) => ({ key, value: { stringValue } });
const RESOURCE = {
  attributes: [attribute('service.name', 'shop'), attribute('host.name', 'web-1')],
};

let stack: Stack;
let paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;

before(async () => {
  stack = await startStack({ agent: () => ({
    receivers: { otlp: { protocols: { http: { endpoint: '127.0.0.1:0' } } } },
    service: { telemetry: { metrics: { level: 'none' } },
      pipelines: { logs: { receivers: ['otlp'], exporters: ['otlp'] } } },
  }) });
  for (const [signal, body] of Object.entries({ traces: TRACES, logs: LOGS, metrics: METRICS })) {
    const answer = await send('post', { path: `/v1/${signal}`, body });
    assert.equal(answer.status, 200, answer.text);
  }
  paths = (JSON.parse((await send('get', { path: '/docs/json' })).text) as { paths: typeof paths })
    .paths;
});

after(async () => stack?.stop());

const span = (traceId: string, spanId: string, more: object) => ({
  traceId, spanId, name: 'GET /cart', kind: 2, startTimeUnixNano: ns(NOW_MS - 2000),
  endTimeUnixNano: ns(NOW_MS - 1000), ...more,
});

const TRACES = { resourceSpans: [{ resource: RESOURCE, scopeSpans: [{ spans: [
  span(TRACE, '00f067aa0ba902b7', { status: { code: 2 }, events: [{
    name: 'exception', timeUnixNano: ns(NOW_MS - 1500),
    attributes: [attribute('exception.type', 'Oops'), attribute('exception.message', 'no'),
      attribute('exception.stacktrace', 'at a (b.js:1)')],
  }] }),
  span(OTHER, '10f067aa0ba902b7', {}),
] }] }] };

const LOGS = { resourceLogs: [{ resource: RESOURCE, scopeLogs: [{ logRecords: [{
  timeUnixNano: ns(NOW_MS - 1500), severityNumber: 17, severityText: 'ERROR', traceId: TRACE,
  spanId: '00f067aa0ba902b7', body: { stringValue: 'connection refused' },
}] }] }] };

const METRICS = { resourceMetrics: [{ resource: RESOURCE, scopeMetrics: [{ metrics: [
  { name: 'shop.load', gauge: { dataPoints: [{ timeUnixNano: ns(NOW_MS - 1500), asDouble: 3 }] } },
] }] }] };

async function send(method: string, { path, body, headers }: Call): Promise<Reply> {
  const isText = typeof body === 'string';
  const answer = await request(`${stack.url}${path}`, {
    method: method.toUpperCase() as 'GET',
    headers: { ...(body === undefined ? {} : { 'content-type': isText ? 'text/plain'
      : 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
  });
  return { status: answer.statusCode, type: String(answer.headers['content-type']),
    text: await answer.body.text() };
}

async function itemsOf(path: string): Promise<Record<string, unknown>[]> {
  const { status, text } = await send('get', { path });
  assert.equal(status, 200, text);
  return (JSON.parse(text) as { items: Record<string, unknown>[] }).items;
}

/** Of routes about alerts, among which one has been raised and silenced. */
async function alertCalls(): Promise<Readonly<Record<string, Call>>> {
  const alert = { name: 'Called', severity: 'info' };
  const raised = await send('post', { path: '/api/alerts', body: alert });
  const id = (JSON.parse(raised.text) as { id?: string }).id ?? '';
  const silence = {
    matchers: [{ name: 'alertname', value: 'Called', isRegex: false }], createdBy: 'test',
    comment: 'called', startsAt: new Date(NOW_MS).toISOString(),
    endsAt: new Date(NOW_MS + 3_600_000).toISOString(),
  };
  const set = await send('post', { path: '/api/v2/silences', body: silence });
  const silenceId = (JSON.parse(set.text) as { silenceID?: string }).silenceID ?? '';
  const of = (action: string, body: object) => ({ path: `/api/alerts/${id}/${action}`, body });
  return {
    'get /api/alerts': { path: '/api/alerts?state=all' },
    'get /api/alerts/history': { path: '/api/alerts/history?from=-1h' },
    'get /api/alerts/stats': { path: '/api/alerts/stats?from=-1h' },
    'get /api/alerts/stream': { path: '/api/alerts/stream?state=all' },
    'get /api/alerts/{id}': { path: `/api/alerts/${id}` },
    'get /api/alerts/{id}/history': { path: `/api/alerts/${id}/history?from=-1h` },
    'get /api/on-call': { path: '/api/on-call' },
    'get /api/v1/alerts': { path: '/api/v1/alerts' },
    'get /api/v1/query': { path: '/api/v1/query?query=1%2B1' },
    'get /api/v1/rules': { path: '/api/v1/rules?type=alert' },
    'get /api/v1/status/buildinfo': { path: '/api/v1/status/buildinfo' },
    'get /api/v2/alerts': { path: '/api/v2/alerts?active=true' },
    'get /api/v2/alerts/groups': { path: '/api/v2/alerts/groups' },
    'get /api/v2/receivers': { path: '/api/v2/receivers' },
    'get /api/v2/silence/{id}': { path: `/api/v2/silence/${silenceId}` },
    'get /api/v2/silences': { path: '/api/v2/silences' },
    'get /api/v2/status': { path: '/api/v2/status' },
    'post /api/alerts': { path: '/api/alerts', body: alert },
    'post /api/alerts/{id}/acknowledge': of('acknowledge', { for: '1h', comment: 'seen' }),
    'post /api/alerts/{id}/notes': of('notes', { text: 'a note' }),
    'post /api/alerts/{id}/snooze': of('snooze', { for: '1h' }),
    'post /api/alerts/{id}/unacknowledge': of('unacknowledge', {}),
    'post /api/alerts/{id}/resolve': of('resolve', { note: 'done' }),
    'post /api/v1/query': { path: '/api/v1/query?query=1%2B1', body: {} },
    'post /api/v2/alerts': { path: '/api/v2/alerts', body: [{ labels: { alertname: 'V2' } }] },
    'post /api/v2/silences': { path: '/api/v2/silences', body: silence },
    'delete /api/v2/silence/{id}': { path: `/api/v2/silence/${silenceId}` },
  };
}

/** One good call of each route. */
async function calls(): Promise<Readonly<Record<string, Call>>> {
  const [log] = await itemsOf('/api/logs?from=-1h');
  const [exception] = await itemsOf('/api/exceptions?from=-1h');
  const saved = await send('post', { path: '/api/saved-queries',
    body: { name: 'mine', sql: 'SELECT 1' } });
  const savedId = (JSON.parse(saved.text) as { id?: string }).id ?? '';
  const rule = 'alert: Any\nlogs: level:error\ncondition: "> 5"';
  const made = await send('post', { path: '/api/rules', body: rule });
  const ruleId = (JSON.parse(made.text) as { id?: string }).id ?? '';
  await send('post', { path: '/api/query', body: { sql: 'SELECT 1' } });
  const [query] = await itemsOf('/api/queries');
  const logId = encodeURIComponent(String(log!['id']));
  return {
    ...await alertCalls(),
    'get /': { path: '/' },
    'get /api/analytics': { path: '/api/analytics?from=-1h' },
    'get /api/channels': { path: '/api/channels' },
    'get /api/channels/dead-letters': { path: '/api/channels/dead-letters' },
    'get /api/exceptions': { path: '/api/exceptions?from=-1h' },
    'get /api/exceptions/{fingerprint}': {
      path: `/api/exceptions/${String(exception!['fingerprint'])}?from=-1h` },
    'get /api/ledger': { path: '/api/ledger' },
    'get /api/logs': { path: '/api/logs?from=-1h&q=level:error' },
    'get /api/logs/facets': { path: '/api/logs/facets?from=-1h' },
    'get /api/logs/histogram': { path: '/api/logs/histogram?from=-1h' },
    'get /api/logs/stats': { path: '/api/logs/stats?from=-1h' },
    'get /api/logs/{id}': { path: `/api/logs/${logId}` },
    'get /api/logs/{id}/context': { path: `/api/logs/${logId}/context` },
    'get /api/metrics': { path: '/api/metrics?from=-1h' },
    'get /api/metrics/labels': { path: '/api/metrics/labels?metric=shop.load' },
    'get /api/metrics/latency': { path: '/api/metrics/latency?service=shop' },
    'get /api/metrics/query': { path: '/api/metrics/query?metric=shop.load' },
    'get /api/queries': { path: '/api/queries' },
    'get /api/query': { path: '/api/query?sql=SELECT%201' },
    'get /api/query/{id}': { path: `/api/query/${String(query!['id'])}` },
    'get /api/rules': { path: '/api/rules' },
    'get /api/rules/{id}': { path: `/api/rules/${ruleId}` },
    'get /api/saved-queries': { path: '/api/saved-queries' },
    'get /api/saved-queries/{id}': { path: `/api/saved-queries/${savedId}` },
    'get /api/schema': { path: '/api/schema' },
    'get /api/search': { path: '/api/search?q=refused&from=-1h' },
    'get /api/service-map': { path: '/api/service-map?from=-1h' },
    'get /api/services': { path: '/api/services?from=-1h' },
    'get /api/services/{name}': { path: '/api/services/shop?from=-1h' },
    'get /api/tail': { path: '/api/tail?q=level:error' },
    'get /api/traces': { path: '/api/traces?from=-1h&q=service:shop' },
    'get /api/traces/compare': { path: `/api/traces/compare?a=${TRACE}&b=${OTHER}` },
    'get /api/traces/{id}': { path: `/api/traces/${TRACE}` },
    'get /health': { path: '/health' },
    'get /health/live': { path: '/health/live' },
    'get /health/ready': { path: '/health/ready' },
    'get /metrics': { path: '/metrics' },
    'post /api/channels/{id}/test': { path: '/api/channels/dashboard.dashboard.0/test' },
    'post /api/channels/dead-letters/{id}/resend': { path: '/api/channels/dead-letters/x/resend' },
    'post /api/logs': { path: '/api/logs',
      body: { timestamp: new Date(NOW_MS).toISOString(), level: 'INFO', service: 'shop',
        message: 'posted' } },
    'post /api/query': { path: '/api/query', body: { sql: 'SELECT 1', format: 'JSON' } },
    'post /api/rules': { path: '/api/rules', body: rule },
    'post /api/rules/check': { path: '/api/rules/check', body: rule },
    'post /api/rules/backtest': { path: '/api/rules/backtest', body: { rule, last: '1h' } },
    'post /api/saved-queries': { path: '/api/saved-queries',
      body: { name: 'another', sql: 'SELECT 2' } },
    'post /v1/logs': { path: '/v1/logs', body: LOGS },
    'post /v1/metrics': { path: '/v1/metrics', body: METRICS },
    'post /v1/traces': { path: '/v1/traces', body: TRACES },
    'put /api/rules/{id}': { path: `/api/rules/${ruleId}`, body: rule },
    'put /api/saved-queries/{id}': { path: `/api/saved-queries/${savedId}`,
      body: { name: 'mine', sql: 'SELECT 3' } },
    'delete /api/channels/dead-letters/{id}': { path: '/api/channels/dead-letters/x' },
    'delete /api/query/{id}': { path: `/api/query/${String(query!['id'])}` },
    'delete /api/logs/{id}': { path: `/api/logs/${logId}` },
    'delete /api/rules/{id}': { path: `/api/rules/${ruleId}` },
    'delete /api/saved-queries/{id}': { path: `/api/saved-queries/${savedId}` },
  };
}

/** Streams without an end, tested by themselves; a query that has ended, and no dead letters. */
const APART: readonly string[] = ['get /api/tail', 'get /api/alerts/stream'];
const ENDED: readonly string[] = ['delete /api/query/{id}',
  'post /api/channels/dead-letters/{id}/resend', 'delete /api/channels/dead-letters/{id}'];

test('every route: answers as its description says', { timeout: 120_000 }, async () => {
  const known = await calls();
  const described = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) =>
      ({ name: `${method} ${path}`, method, operation })));
  const missed = described.map(({ name }) => name).filter((name) => known[name] === undefined);
  assert.deepEqual(missed, [], 'each route is called');
  // What deletes comes last, in the order of the table.
  const order = Object.keys(known);
  described.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  for (const { name, method, operation } of described) {
    if (APART.includes(name)) continue;
    const { status, text } = await send(method, known[name]!);
    if (ENDED.includes(name)) assert.ok(status < 500, `${name}: ${status} ${text}`);
    else assert.ok(status >= 200 && status < 300, `${name}: ${status} ${text}`);
    assert.ok(String(status) in operation.responses, `${name}: ${status} is not described`);
  }
});

test('every route: lists have items and say where they go on', { timeout: 120_000 }, async () => {
  const known = await calls();
  for (const name of ['/api/alerts', '/api/alerts/history', '/api/exceptions', '/api/logs',
    '/api/metrics', '/api/metrics/labels', '/api/on-call', '/api/queries', '/api/rules',
    '/api/saved-queries', '/api/services', '/api/traces']) {
    assert.ok(paths[name] !== undefined, name);
    const { text } = await send('get', known[`get ${name}`]!);
    const { items, next } = JSON.parse(text) as { items: unknown; next: unknown };
    assert.ok(Array.isArray(items), name);
    assert.ok(next === null || typeof next === 'string', name);
  }
});

test('every route: a mistake is told in one form', { timeout: 120_000 }, async () => {
  const known = await calls();
  for (const [path, operations] of Object.entries(paths)) {
    if (!path.startsWith('/api/') || operations['get'] === undefined) continue;
    // Alertmanager and Prometheus let pass what they do not know, and so does what speaks as them.
    if (/^\/api\/v[12]\//.test(path)) continue;
    const good = known[`get ${path}`]!.path;
    const { status, type, text } =
      await send('get', { path: `${good}${good.includes('?') ? '&' : '?'}nonsense=1` });
    assert.equal(status, 400, `${path}: ${text}`);
    assert.match(type, /^application\/json/);
    const { error } = JSON.parse(text) as { error: Record<string, unknown> };
    assert.deepEqual(Object.keys(error).sort().slice(0, 4), ['code', 'hint', 'message', 'status'],
      `${path}: ${text}`);
    assert.equal(error['status'], 400);
    assert.match(String(error['message']), /nonsense/);
  }
});
