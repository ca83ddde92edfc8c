// Proves that OTLP/HTTP does what OTLP asks of it, as a server of its own and as a part of another
// fastify, and what it promises besides: bounds on memory and time, authorization before reading,
// pages in browsers, a sentence for a port in use.

import { fastify } from 'fastify';
import assert from 'node:assert/strict';
import { createServer, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { ACCEPTED } from '../../../proto/contract/outcome.ts';
import { createOtlpHttpServer, type OtlpHttpServerOptions } from '../../../proto/http/listener.ts';
import { registerOtlpHttp } from '../../../proto/http/server.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { OperatorError } from '../../../runtime/errors.ts';
import { createGate, createSink, makeBatch, NEVER, NOW, until } from '../../contract/fakes.ts';
import { withoutLeaks } from '../../contract/leaks.ts';
import { BODY_BYTES_MAX, checkHttpServer, JSON_TYPE, PROTOBUF, rawPost } from './conformance.ts';

checkHttpServer({
  name: 'HTTP server',
  create: (next, world, counters) => createOtlpHttpServer({
    endpoint: { host: '127.0.0.1', port: 0 },
    setting: 'test',
    world,
    counters,
    consumer: next,
    bodyBytesMax: BODY_BYTES_MAX,
  }),
});

/** Runs `body` with a server; `url` is that of logs. */
const withServer = (
  options: Partial<OtlpHttpServerOptions>,
  body: (url: string, server: ReturnType<typeof createOtlpHttpServer>) => Promise<void>,
) => withoutLeaks(async (world) => {
  const server = createOtlpHttpServer({
    endpoint: { host: '127.0.0.1', port: 0 },
    setting: 'receivers.otlp.protocols.http',
    world,
    consumer: createSink(),
    ...options,
  });
  await server.start();
  try {
    await body(`http://127.0.0.1:${server.endpoint().port}/v1/logs`, server);
  } finally {
    await server.stop(NOW);
  }
});

/** The runtime's own fetch, told not to keep the connection. */
const post = (url: string, body: Uint8Array | string, headers: Record<string, string>) =>
  fetch(url, { method: 'POST', body, headers: { ...headers, connection: 'close' } });

test('http: more than may be in flight is 503 with Retry-After, others go on', async () => {
  const sink = createSink();
  const gate = createGate();
  sink.answer(gate.answer);
  await withServer({ consumer: sink, inFlightBytesMax: 1000 }, async (url) => {
    const first = post(url, makeBatch('logs', 50).bytes, PROTOBUF);
    await until(() => sink.received.length === 1, 'the first request');
    const second = await post(url, makeBatch('logs', 1).bytes, PROTOBUF);
    assert.deepEqual([second.status, second.headers.get('retry-after')], [503, '1']);
    await second.arrayBuffer();
    gate.open(ACCEPTED);
    assert.equal((await first).status, 200);
    assert.equal((await post(url, makeBatch('logs', 1).bytes, PROTOBUF)).status, 200);
  });
});

test('http: a request that does not arrive in time is 503', async () => {
  const counters = createCounters();
  await withServer({ counters, receiveMs: 200 }, async (_url, server) => {
    const head = 'POST /v1/logs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n'
      + 'content-length: 100\r\n\r\n';
    const reply = await rawPost(server.endpoint(), head, '{');
    assert.match(reply, /^HTTP\/1\.1 503 /);
    assert.match(reply, /\{"code":14,"message":"the request did not arrive within 200 ms"/);
    assert.match(await rawPost(server.endpoint(), 'POST /v1/lo', ''), /^HTTP\/1\.1 503 /);
  });
});

test('http: who may not send is told before the request is read', async () => {
  const sink = createSink();
  const authorize: OtlpHttpServerOptions['authorize'] = async (header) => {
    if (header('authorization') === undefined) return { status: 'unauthenticated', reason: 'who?' };
    return header('authorization') === 'good' ? null : { status: 'forbidden', reason: 'not you' };
  };
  await withServer({ consumer: sink, authorize }, async (url) => {
    const check = async (headers: Record<string, string>, want: number) => {
      const reply = await post(url, 'this is never decoded', { ...PROTOBUF, ...headers });
      assert.equal(reply.status, want);
      await reply.arrayBuffer();
    };
    await check({}, 401);
    await check({ authorization: 'bad' }, 403);
    assert.equal(sink.received.length, 0);
    await check({ authorization: 'good' }, 400);
  });
});

test('http: pages of allowed origins may send', async () => {
  const cors = {
    allowedOrigins: ['https://*.shop.example'], allowedHeaders: ['x-tenant'], maxAgeSeconds: 60,
  };
  await withServer({ cors }, async (url) => {
    const preflight = (origin: string) => fetch(url, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', connection: 'close' },
    });
    const allowed = await preflight('https://www.shop.example');
    assert.equal(allowed.status, 204);
    assert.equal(allowed.headers.get('access-control-allow-origin'), 'https://www.shop.example');
    assert.equal(allowed.headers.get('access-control-allow-methods'), 'POST');
    assert.equal(allowed.headers.get('access-control-allow-headers'),
      'content-type, content-encoding, x-tenant');
    assert.equal(allowed.headers.get('access-control-max-age'), '60');
    const other = await preflight('https://shop.example.evil.test');
    assert.equal(other.headers.get('access-control-allow-origin'), null);
    const sent = await post(url, '{}', { ...JSON_TYPE, origin: 'https://www.shop.example' });
    assert.equal(sent.headers.get('access-control-allow-origin'), 'https://www.shop.example');
    assert.equal(sent.headers.get('vary'), 'Origin');
    await sent.arrayBuffer();
  });
});

test('http: a port in use is one sentence with a hint', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as AddressInfo;
  for (const host of ['127.0.0.1', 'localhost']) {
    await withoutLeaks(async (world) => {
      const server = createOtlpHttpServer({
        endpoint: { host, port }, setting: 'receivers.otlp.protocols.http', world,
        consumer: createSink(),
      });
      await assert.rejects(server.start(), (error) => {
        assert.ok(error instanceof OperatorError);
        assert.equal(error.message, `cannot listen on 127.0.0.1:${port}: the port is in use`);
        assert.match(error.hint, /receivers\.otlp\.protocols\.http\.endpoint/);
        return true;
      });
      await server.stop(NEVER);
    });
  }
  taken.close();
});

test('http: localhost is served on both loopback addresses', async () => {
  await withServer({ endpoint: { host: 'localhost', port: 0 } }, async (_url, server) => {
    const { port } = server.endpoint();
    for (const host of ['127.0.0.1', '[::1]']) {
      const reply = await post(`http://${host}:${port}/v1/logs`, '{}', JSON_TYPE)
        .catch((error: Error) => error);
      if (reply instanceof Error) assert.equal(host, '[::1]', 'only IPv6 may be missing');
      else assert.equal(reply.status, 200);
    }
  });
});

test('http: the rest of a fastify server is not touched', async () => {
  await withoutLeaks(async () => {
    const app = fastify();
    const sink = createSink();
    app.post('/api', async (request) => ({ got: request.body }));
    registerOtlpHttp(app, { consumer: sink, paths: { logs: '/otlp/logs' } });
    const call = (url: string, type: string, payload: string) =>
      app.inject({ method: 'POST', url, headers: { 'content-type': type }, payload });
    assert.deepEqual((await call('/api', 'application/json', '{"a":1}')).json(), { got: { a: 1 } });
    assert.equal((await call('/api', 'application/x-protobuf', '')).statusCode, 415);
    assert.equal((await call('/api', 'application/json', '{')).json().error, 'Bad Request');
    assert.equal((await call('/otlp/logs', 'application/json', '{}')).statusCode, 200);
    assert.equal((await call('/v1/traces', 'application/x-protobuf', '')).statusCode, 200);
    assert.equal((await call('/v1/logs', 'application/json', '{}')).statusCode, 404);
    assert.deepEqual(sink.received.map((batch) => batch.signal), ['logs', 'traces']);
    await app.close();
  });
});
