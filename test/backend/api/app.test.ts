// The HTTP server as a whole: paths and methods, the first page, what is not HTTP, both loopback
// addresses, an orderly stop; and its documents: OpenAPI for every route, a page that needs nothing
// from elsewhere, and docs/api.md with the same codes as the program.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { STATUS_OF_CODE, STATUS_OF_KIND, problemOf } from '../../../backend/api/errors.ts';
import { limits as paramLimits } from '../../../backend/api/params.ts';
import { limits as questionLimits } from '../../../backend/api/question.ts';
import { QueryError } from '../../../backend/storage/contract.ts';
import { registerOtlpHttp } from '../../../proto/http/server.ts';
import { OperatorError } from '../../../runtime/errors.ts';
import { createSink, until } from '../../contract/fakes.ts';
import { fakeStorage, problemIn, startApi, type ApiFixture } from './api_fixture.ts';

const DOC = readFileSync(new URL('../../../docs/api.md', import.meta.url), 'utf8');

const storage = fakeStorage(() => Readable.from([Buffer.from('1\n')]));
let api: ApiFixture;

before(async () => {
  const sink = createSink();
  api = await startApi(storage, { others: [(app) => registerOtlpHttp(app, { consumer: sink })] });
});

after(() => api?.stop());

test('app: unknown paths are 404, known ones with another method 405', async () => {
  const check = async (method: 'GET' | 'PUT' | 'DELETE' | 'OPTIONS' | 'POST', path: string,
    status: number, code: string, allow?: string) => {
    const answer = await api.get(path, { method });
    assert.deepEqual([answer.status, problemIn(answer).code], [status, code], path);
    assert.equal(answer.headers['allow'], allow);
  };
  await check('GET', '/nowhere', 404, 'NOT_FOUND');
  await check('POST', '/api/nowhere?a=1', 404, 'NOT_FOUND');
  await check('GET', '/docs/nowhere', 404, 'NOT_FOUND');
  await check('PUT', '/api/query', 405, 'METHOD_NOT_ALLOWED', 'GET, HEAD, POST');
  await check('OPTIONS', '/api/query', 405, 'METHOD_NOT_ALLOWED', 'GET, HEAD, POST');
  await check('DELETE', '/health', 405, 'METHOD_NOT_ALLOWED', 'GET, HEAD');
  await check('POST', '/metrics', 405, 'METHOD_NOT_ALLOWED', 'GET, HEAD');
  const otlp = await api.get('/v1/logs');
  assert.deepEqual([otlp.status, JSON.parse(otlp.text)],
    [405, { code: 12, message: 'GET is not allowed here' }]);
});

test('app: the first page is HTML for a browser and JSON for a program', async () => {
  const page = await api.get('/', { headers: { accept: 'text/html,application/xhtml+xml' } });
  assert.match(page.headers['content-type']!, /^text\/html; charset=utf-8/);
  assert.match(page.text, /Binnacle 1\.2\.3/);
  for (const [, path] of page.text.matchAll(/href="([^"]+)"/g)) {
    assert.equal((await api.get(path!)).status, 200, path);
  }
  const json = await api.get('/', { headers: { accept: '*/*' } });
  assert.equal((JSON.parse(json.text) as { version: string }).version, '1.2.3');
  assert.equal((await api.get('/', { method: 'HEAD' })).status, 200);
});

test('app: what is not HTTP gets a sentence, and others are served on', async () => {
  assert.match(await raw('GARBAGE\r\n\r\n'), /^HTTP\/1\.1 400 .*"INVALID_REQUEST"/s);
  const long = `GET /?${'a'.repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`;
  assert.match(await raw(long), /^HTTP\/1\.1 431 .*"HEADERS_TOO_LARGE"/s);
  assert.equal((await api.get('/health/live')).status, 200);
});

function raw(text: string): Promise<string> {
  const { port } = new URL(api.url);
  return new Promise((resolve, reject) => {
    let got = '';
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(text));
    socket.setEncoding('utf8').on('data', (part: string) => {
      got += part;
    });
    socket.on('error', reject).on('close', () => resolve(got));
  });
}

test('app: localhost is both loopback addresses', async (t) => {
  const both = await startApi(storage, { endpoint: { host: 'localhost', port: 0 } });
  t.after(() => both.stop());
  const { port } = new URL(both.url);
  assert.equal((await both.get('/health/live')).status, 200);
  const reached = await Promise.all(['127.0.0.1', '::1'].map((host) => new Promise((resolve) => {
    const socket = connect(Number(port), host, () => socket.destroy());
    socket.on('close', (failed) => resolve(!failed)).on('error', () => {});
  })));
  const hasV6 = readFileOr('/proc/net/if_inet6').includes('lo');
  assert.deepEqual(reached, [true, hasV6]);
});

function readFileOr(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

test('app: a port in use is a sentence that names the setting', async () => {
  const { port } = new URL(api.url);
  const taken = startApi(storage, { endpoint: { host: '127.0.0.1', port: Number(port) } });
  await assert.rejects(taken, (error) => error instanceof OperatorError
    && /the port is in use/.test(error.message) && /http\.endpoint/.test(error.hint));
});

test('app: stop waits for what is under way until the deadline, then cuts', async () => {
  let give: (() => void) | undefined;
  const slow = fakeStorage(() => new Readable({
    read() {
      give = () => {
        this.push('1\n');
        this.push(null);
      };
    },
  }));
  const first = await startApi(slow);
  const asked = first.ask({ sql: 'SELECT 1' });
  await until(() => give !== undefined, 'the query is under way');
  const stopped = first.server.stop(AbortSignal.timeout(5000));
  give!();
  assert.equal((await asked).text, '1\n');
  await stopped;
  await first.stop();

  give = undefined;
  const second = await startApi(slow);
  const cut = assert.rejects(second.ask({ sql: 'SELECT 1' }));
  await until(() => give !== undefined, 'the query is under way');
  await second.server.stop(AbortSignal.timeout(50));
  await cut;
  await second.stop();
});

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly requestBody?: { readonly content: Record<string, unknown> };
  readonly responses: Record<string, { description: string; content: Record<string, unknown> }>;
}

interface OpenApi {
  readonly openapi: string;
  readonly info: { readonly version: string };
  readonly tags: ReadonlyArray<{ readonly name: string }>;
  readonly paths: Record<string, Record<string, Operation>>;
}

test('docs: OpenAPI tells every route, with its answers, and nothing else', async () => {
  const { openapi, info, tags, paths } = JSON.parse((await api.get('/docs/json')).text) as OpenApi;
  assert.deepEqual([openapi, info.version], ['3.0.3', '1.2.3']);
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`));
  assert.deepEqual(routes.sort(), [
    'delete /api/logs/{id}',
    'delete /api/query/{id}',
    'delete /api/saved-queries/{id}',
    'get /',
    'get /api/analytics',
    'get /api/exceptions',
    'get /api/exceptions/{fingerprint}',
    'get /api/ledger',
    'get /api/logs',
    'get /api/logs/facets',
    'get /api/logs/histogram',
    'get /api/logs/stats',
    'get /api/logs/{id}',
    'get /api/logs/{id}/context',
    'get /api/metrics',
    'get /api/metrics/labels',
    'get /api/metrics/latency',
    'get /api/metrics/query',
    'get /api/queries',
    'get /api/query',
    'get /api/query/{id}',
    'get /api/saved-queries',
    'get /api/saved-queries/{id}',
    'get /api/schema',
    'get /api/search',
    'get /api/service-map',
    'get /api/services',
    'get /api/services/{name}',
    'get /api/tail',
    'get /api/traces',
    'get /api/traces/compare',
    'get /api/traces/{id}',
    'get /health',
    'get /health/live',
    'get /health/ready',
    'get /metrics',
    'post /api/logs',
    'post /api/query',
    'post /api/saved-queries',
    'post /v1/logs',
    'post /v1/metrics',
    'post /v1/traces',
    'put /api/saved-queries/{id}',
  ]);
  const operations = Object.values(paths).flatMap((methods) => Object.values(methods));
  assert.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length);
  const known = new Set(tags.map(({ name }) => name));
  for (const operation of operations) {
    assert.ok(operation.summary.length > 10);
    assert.ok(operation.tags.every((tag) => known.has(tag)));
    for (const [status, { description, content }] of Object.entries(operation.responses)) {
      assert.notEqual(description, 'Default Response', `${operation.operationId} ${status}`);
      assert.ok(Object.keys(content).length > 0);
    }
  }
  const bodies = (path: string) => Object.keys(paths[path]!['post']!.requestBody!.content);
  assert.deepEqual(bodies('/api/query'), ['application/json', 'text/plain']);
  assert.deepEqual(bodies('/v1/logs'), ['application/x-protobuf', 'application/json']);
});

test('docs: the page takes everything from this server', async () => {
  const page = await api.get('/docs');
  assert.match(page.headers['content-security-policy']!, /^default-src 'self'/);
  assert.doesNotMatch(page.headers['content-security-policy']!, /https?:/);
  const links = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link!);
  assert.ok(links.length >= 5, page.text);
  for (const link of links) {
    assert.doesNotMatch(link, /^(?:https?:)?\/\//);
    assert.equal((await api.get(new URL(link, `${api.url}/docs`).pathname)).status, 200, link);
  }
});

test('docs: docs/api.md has every code and kind with its status, and no other', () => {
  const rows = (pattern: RegExp) => Object.fromEntries([...DOC.matchAll(pattern)]
    .map(([, status, name]) => [name!, Number(status)]));
  assert.deepEqual(rows(/^\| (\d{3}) \| `([A-Z_]+)` \|/gm), { ...STATUS_OF_CODE });
  assert.deepEqual(rows(/^\| (\d{3}) \| ([a-z]+) \|/gm), { ...STATUS_OF_KIND });
  for (const limit of [paramLimits.encodedCharactersMax, questionLimits.sqlCharactersMax]) {
    assert.ok(DOC.includes(String(limit)), String(limit));
  }
  assert.equal(questionLimits.bodyBytesMax, 4 * 1024 * 1024);
});

test('docs: docs/api.md has every route', async () => {
  const { paths } = JSON.parse((await api.get('/docs/json')).text) as OpenApi;
  for (const [path, methods] of Object.entries(paths)) {
    for (const method of Object.keys(methods)) {
      assert.ok(DOC.includes(`\`${method.toUpperCase()} ${path}\``), `${method} ${path}`);
    }
  }
});

test('errors: the store\'s kinds, and its own word for too many queries', () => {
  const check = (error: unknown, status: number, code: string) => {
    const problem = problemOf(error);
    assert.deepEqual([problem?.status, problem?.code], [status, code]);
  };
  check(new QueryError(60, 'UNKNOWN_TABLE', 'm', 'statement'), 400, 'UNKNOWN_TABLE');
  check(new QueryError(394, 'QUERY_WAS_CANCELLED', 'm', 'cancelled'), 499, 'QUERY_WAS_CANCELLED');
  check(new QueryError(202, 'TOO_MANY_SIMULTANEOUS_QUERIES', 'm', 'unavailable'), 429,
    'TOO_MANY_SIMULTANEOUS_QUERIES');
  assert.equal(problemOf(new Error('a bug')), null);
});
