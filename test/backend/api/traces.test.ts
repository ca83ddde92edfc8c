// The routes of traces, services and exceptions on a real engine: their parameters, the form of
// their answers, pages, and what they refuse with which sentence. That what they say is right is
// tested in test/backend/traces.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { makeTraces } from '../traces/made.ts';
import { BASE_MS, startTraceStore, type MadeSpan, type TraceStore } from '../traces/store.ts';
import { problemIn, startApi, type ApiFixture } from './api_fixture.ts';

let store: TraceStore;
let api: ApiFixture;

const traceId = '5b8efff798038103d269b633813fc60c';
const base = { traceId, startNs: 9e9, durationNs: 3e6, status: 'Unset' as const };
const failure = { 'exception.type': 'Boom', 'exception.message': 'no', 'exception.stacktrace':
  'Boom: no\n    at f (/a.js:1:2)' };
const spans: MadeSpan[] = [...makeTraces(30, 120),
  { ...base, spanId: 'a1', parentSpanId: '', service: 'edge', name: 'GET /', kind: 'Server',
    durationNs: 9e6 },
  { ...base, spanId: 'a2', parentSpanId: 'a1', service: 'edge', name: 'call', kind: 'Client',
    attributes: { 'http.response.status_code': '503' } },
  { ...base, spanId: 'a3', parentSpanId: 'a2', service: 'pay service/1', name: 'POST /',
    kind: 'Server', status: 'Error',
    events: [{ atNs: 9.001e9, name: 'exception', attributes: failure }] },
];

before(async () => {
  store = await startTraceStore('api_traces');
  await store.insert(spans);
  api = await startApi(store.storage);
});

after(async () => {
  await api?.stop();
  await store?.stop();
});

const PERIOD = `from=${new Date(BASE_MS - 3_600_000).toISOString()}&to=${
  new Date(BASE_MS + 4 * 3_600_000).toISOString()}`;

interface Listed {
  readonly from: string;
  readonly items: ReadonlyArray<Record<string, unknown>>;
  readonly next: string | null;
}

async function get<T = Listed>(path: string): Promise<T> {
  const answer = await api.get(path);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.headers['cache-control'], 'no-store');
  return JSON.parse(answer.text) as T;
}

const found = async (parameters: Record<string, string>): Promise<unknown[]> =>
  (await get(`/api/traces?${PERIOD}&${new URLSearchParams(parameters)}`)).items
    .map((item) => item['traceId']);

test('traces: the search language, choices, and structures', async () => {
  assert.deepEqual(await found({ q: 'service:edge' }), [traceId]);
  assert.deepEqual(await found({ q: 'http.status:>=500' }), [traceId]);
  assert.deepEqual(await found({ service: 'pay service/1', status: 'Error', operation: 'POST /',
    min_duration: '2.5ms', max_duration: '3000us' }), [traceId]);
  assert.deepEqual(await found({ q: 'service:edge', min_duration: '10ms' }), []);
  assert.deepEqual(await found({ q: '{service:edge parent:""} >> {status:error}' }), [traceId]);
  assert.deepEqual(await found({ q: '{service:edge parent:""} > {status:error}' }), []);
  assert.deepEqual(await found({ q: '{service:edge} > {kind:client} > {"pay service/1" OR '
    + 'service:"pay service/1"}' }), [traceId]);
  assert.deepEqual(await found({ q: '{} && {service:edge}', service: 'pay service/1' }), [traceId]);
  const roots = await found({ limit: '200' });
  assert.equal(roots.length, spans.filter(({ parentSpanId }) => parentSpanId === '').length);
  assert.deepEqual(await found({ service: "x' OR 1=1 --" }), []);
});

test('traces: pages of each order bring each trace once', async () => {
  for (const sort of ['recent', 'duration']) {
    const ids: unknown[] = [];
    let cursor = '';
    do {
      const page: Listed = await get(`/api/traces?${PERIOD}&sort=${sort}&limit=13${cursor}`);
      ids.push(...page.items.map((item) => item['traceId']));
      cursor = page.next === null ? '' : `&cursor=${page.next}`;
    } while (cursor !== '');
    assert.equal(new Set(ids).size, ids.length);
    assert.equal(ids.length, spans.filter(({ parentSpanId }) => parentSpanId === '').length);
  }
});

test('trace: waterfall, logs or none, and fewer spans', async () => {
  const trace = await get<{ spans: Array<{ depth: number; service: string }>; logs: unknown;
    truncated: boolean; criticalPath: unknown[] }>(`/api/traces/${traceId.toUpperCase()}`);
  assert.deepEqual(trace.spans.map(({ depth, service }) => [depth, service]),
    [[0, 'edge'], [1, 'edge'], [2, 'pay service/1']]);
  assert.deepEqual(trace.logs, { truncated: false, items: [] });
  assert.deepEqual(trace.criticalPath,
    [{ span: 2, fromNs: 0, toNs: 3e6 }, { span: 0, fromNs: 3e6, toNs: 9e6 }]);
  const short = await get<typeof trace>(`/api/traces/${traceId}?logs=false&limit=1`);
  assert.deepEqual([short.logs, short.truncated, short.spans.length], [null, true, 1]);
  const compared = await get<{ onlyInA: number; inBoth: number }>(
    `/api/traces/compare?a=${traceId}&b=${traceId}`);
  assert.deepEqual([compared.onlyInA, compared.inBoth], [0, 3]);
});

test('services: a list in pages, one by its name, and the map', async () => {
  const all = await get(`/api/services?${PERIOD}`);
  const names: unknown[] = [];
  let cursor = '';
  do {
    const page: Listed = await get(`/api/services?${PERIOD}&limit=2${cursor}`);
    names.push(...page.items.map((item) => item['service']));
    cursor = page.next === null ? '' : `&cursor=${page.next}`;
  } while (cursor !== '');
  assert.deepEqual(names, all.items.map((item) => item['service']));
  assert.deepEqual([...names].sort(), [...new Set(spans.map(({ service }) => service))].sort());
  const one = await get<{ summary: { count: number; errors: number }; step: number;
    callers: Array<{ source: string }>; series: unknown[] }>(
    `/api/services/${encodeURIComponent('pay service/1')}?${PERIOD}`);
  assert.deepEqual([one.summary.count, one.summary.errors, one.step, one.series.length],
    [1, 1, 300, 1]);
  assert.deepEqual(one.callers.map(({ source }) => source), ['service:edge']);
  const map = await get<{ nodes: Array<{ id: string }>; sampling: { isSampled: boolean } }>(
    `/api/service-map?${PERIOD}`);
  assert.ok(map.nodes.some(({ id }) => id === 'database:postgresql/shop'));
  assert.equal(map.sampling.isSampled, false);
});

test('trace, exceptions: log records that were deleted are not shown', async () => {
  const row = (text: string) => JSON.stringify({ Timestamp: '2026-01-02 10:00:09.5',
    TraceId: traceId, ServiceName: 'edge', SeverityNumber: 17, Body: text, TraceFlags: 1,
    ResourceAttributes: { 'service.name': 'edge', 'host.name': 'ü' }, ScopeName: 'lib',
    LogAttributes: { 'exception.type': 'Logged', 'exception.message': text } });
  await store.rows(`INSERT INTO otel_logs FORMAT JSONEachRow ${row('keep')}\n${row('delete')}`);
  interface Shown { readonly logs: { items: Array<{ id: string; body: string }> } }
  const { logs } = await get<Shown>(`/api/traces/${traceId}`);
  const gone = logs.items.find(({ body }) => body === 'delete')!;
  assert.equal((await api.get(`/api/logs/${gone.id}`)).status, 200);
  assert.equal((await api.get(`/api/logs/${gone.id}`, { method: 'DELETE' })).status, 200);
  const after = await get<Shown>(`/api/traces/${traceId}`);
  assert.deepEqual(after.logs.items.map(({ body }) => body), ['keep']);
  const { items } = await get(`/api/exceptions?${PERIOD}&type=Logged`);
  assert.deepEqual(items.map((item) => item['message']), ['keep']);
});

test('exceptions: groups, and examples of one', async () => {
  const { items, next } = await get(`/api/exceptions?${PERIOD}&sort=new&type=Boom`);
  assert.deepEqual([items.length, next, items[0]!['pattern']], [1, null, 'at f (/a.js:#:#)']);
  const one = await get<Listed & { group: { count: number } }>(
    `/api/exceptions/${String(items[0]!['fingerprint'])}?${PERIOD}`);
  assert.deepEqual([one.group.count, one.items[0]!['traceId'], one.next], [1, traceId, null]);
});

test('traces: what cannot be is refused with a sentence', async () => {
  const check = async (path: string, status: number, message: RegExp) => {
    const problem = problemIn(await api.get(path));
    const code = path.includes('?q=') ? 'INVALID_SEARCH'
      : status === 404 ? 'NOT_FOUND' : 'INVALID_REQUEST';
    assert.deepEqual([problem.status, problem.code], [status, code], path);
    assert.match(problem.message, message);
  };
  await check('/api/traces/xyz', 400, /32 hexadecimal digits, which 'xyz' has not/);
  await check(`/api/traces/${'0'.repeat(31)}1`, 404, /no trace 0{31}1/);
  await check(`/api/traces/${traceId}?limit=20001`, 400, /limit must be from 1 to 20000/);
  await check(`/api/traces/compare?a=${traceId}`, 400, /'b'/);
  await check(`/api/traces/compare?a=${traceId}&b=${'1'.repeat(32)}`, 404, /no trace 1/);
  await check('/api/traces?q=status:purple', 400, /status is one of/);
  const structures: ReadonlyArray<readonly [text: string, position: number]> =
    [['{status:error} > {status:purple}', 18], ['{a} + {b}', 4], ['{a', 0]];
  for (const [text, position] of structures) {
    const answer = await api.get(`/api/traces?q=${encodeURIComponent(text)}`);
    const { error } = JSON.parse(answer.text) as { error: { code: string; position: number } };
    assert.deepEqual([error.code, error.position], ['INVALID_SEARCH', position], text);
  }
  await check('/api/traces?min_duration=5', 400, /min_duration must be a duration such as 250ms/);
  await check('/api/traces?limit=201', 400, /limit must be from 1 to 200/);
  await check('/api/traces?status=error', 400, /status/);
  await check('/api/traces?sort=best', 400, /^the URL: sort must be one of recent, duration$/);
  await check('/api/traces?since=1', 400, /since/);
  for (const path of ['/api/traces', '/api/services', '/api/exceptions']) {
    await check(`${path}?cursor=xyz`, 400, /cursor must be the `next` of an earlier answer/);
    await check(`${path}?from=now&to=now-1h`, 400, /from must be before to/);
  }
  await check(`/api/services/nobody?${PERIOD}`, 404, /'nobody' has no spans from/);
  await check(`/api/services/edge?${PERIOD}&step=1x`, 400, /step must be/);
  await check(`/api/services/edge?from=2025-12-01&to=2026-01-30&step=1s`, 400, /longer step/);
  await check('/api/exceptions/xyz', 400, /fingerprint/);
  await check(`/api/exceptions/0000000000000000?${PERIOD}`, 404, /no exception/);
  const headers = { 'sec-fetch-site': 'cross-site' };
  for (const path of ['/api/traces', '/api/services', '/api/exceptions', '/api/service-map']) {
    assert.equal((await api.get(path, { headers })).status, 403);
  }
});
