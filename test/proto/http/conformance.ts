// The HTTP half of OTLP 1.11 as tests: every MUST and SHOULD of a server that can be seen from
// outside, over real sockets, with a client that is not ours. Whoever serves OTLP/HTTP runs it.
// The ids (H1, …) are those of the checklist in docs/otlp.md.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import { Agent } from 'undici';
import type { Component, Consumer } from '../../../proto/contract/component.ts';
import { ACCEPTED, rejected, retryable } from '../../../proto/contract/outcome.ts';
import { requestToJson } from '../../../proto/otlp/json.ts';
import { SIGNALS, type Signal } from '../../../proto/otlp/model.ts';
import { decodeStatus } from '../../../proto/otlp/status.ts';
import { createCounters, type Counters } from '../../../runtime/counters.ts';
import type { Endpoint } from '../../../runtime/net.ts';
import type { World } from '../../../runtime/world.ts';
import { settle } from '../../../runtime/manual_clock.ts';
import {
  createGate, createSink, itemKeys, makeBatch, NEVER, until, type Sink,
} from '../../contract/fakes.ts';
import { withoutLeaks } from '../../contract/leaks.ts';
import { within } from '../../contract/scenarios.ts';

export interface HttpSubject {
  readonly name: string;
  /** Must take bodies of up to `BODY_BYTES_MAX`, and listen on a free port of 127.0.0.1. */
  create(next: Consumer, world: World, counters: Counters): Component & { endpoint(): Endpoint };
}

export const BODY_BYTES_MAX = 1024 * 1024;

export interface Reply {
  readonly code: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

interface Scene {
  readonly sink: Sink;
  readonly server: Component & { endpoint(): Endpoint };
  readonly counters: Counters;
  readonly endpoint: Endpoint;
  post(body: Uint8Array | string, headers?: Record<string, string>, path?: string): Promise<Reply>;
  request(method: string, headers?: Record<string, string>, path?: string): Promise<Reply>;
}

export const PROTOBUF = { 'content-type': 'application/x-protobuf' };
export const JSON_TYPE = { 'content-type': 'application/json' };

type Check = (name: string, body: (scene: Scene) => Promise<void>) => void;

export function checkHttpServer(subject: HttpSubject): void {
  const check: Check = (name, body) =>
    test(`${subject.name}: ${name}`, { timeout: 30_000 }, () => withScene(subject, body));
  encodings(check);
  failures(check);
  sizes(check);
  jsonRules(check);
  endings(check);
}

const path = (signal: Signal) => `/v1/${signal}`;

/** The message of the google.rpc.Status in the body, whose encoding must be that of the headers. */
function statusOf(reply: Reply, sent: Readonly<Record<string, string>>) {
  const type = String(reply.headers['content-type']);
  if (sent['content-type'] === PROTOBUF['content-type']) {
    assert.equal(type, PROTOBUF['content-type']);
    return decodeStatus(reply.body)!;
  }
  assert.match(type, /^application\/json/);
  return JSON.parse(reply.body.toString()) as { code: number; message: string; details?: unknown };
}

function encodings(check: Check): void {
  check('H1, H3: protobuf and JSON on the same port, answered in kind', async (scene) => {
    for (const signal of SIGNALS) {
      const batch = makeBatch(signal, 3);
      const binary = await scene.post(batch.bytes, PROTOBUF, path(signal));
      assert.deepEqual([binary.code, binary.body.length], [200, 0]);
      assert.equal(binary.headers['content-type'], 'application/x-protobuf');
      const text = await scene.post(requestToJson(signal, batch.request), JSON_TYPE, path(signal));
      assert.deepEqual([text.code, text.body.toString()], [200, '{}']);
      assert.match(String(text.headers['content-type']), /^application\/json/);
      const [first, second] = scene.sink.received.slice(-2);
      assert.ok(Buffer.from(first!.bytes).equals(batch.bytes));
      assert.ok(Buffer.from(second!.bytes).equals(batch.bytes));
    }
  });
  check('H1: parameters of the content type do not matter', async ({ post }) => {
    const headers = { 'content-type': 'application/json; charset=utf-8' };
    assert.equal((await post('{}', headers)).code, 200);
  });
  check('H2: gzip and deflate are understood, answers are plain', async ({ post, sink }) => {
    const { bytes } = makeBatch('logs', 50);
    for (const [encoding, body] of [['gzip', gzipSync(bytes)], ['deflate', deflateSync(bytes)]]) {
      const headers = { ...PROTOBUF, 'content-encoding': encoding as string };
      const reply = await post(body!, headers);
      assert.deepEqual([reply.code, reply.headers['content-encoding']], [200, undefined]);
      assert.ok(Buffer.from(bytes).equals(sink.received.at(-1)!.bytes));
    }
    const json = gzipSync(requestToJson('logs', makeBatch('logs', 2).request));
    const reply = await post(json, { ...JSON_TYPE, 'content-encoding': 'gzip' });
    assert.equal(reply.code, 200);
  });
  check('H3: an empty request is 200 without partialSuccess', async ({ post }) => {
    const binary = await post(new Uint8Array(0), PROTOBUF);
    assert.deepEqual([binary.code, binary.body.length], [200, 0]);
    assert.equal((await post('{}', JSON_TYPE)).body.toString(), '{}');
  });
  check('H3: partial success is 200 and says how many and why', async ({ post, sink }) => {
    sink.answer({ status: 'accepted', rejected: 3, reason: 'too old' });
    const keys = {
      traces: 'rejectedSpans', metrics: 'rejectedDataPoints', logs: 'rejectedLogRecords',
    };
    for (const signal of SIGNALS) {
      const { bytes, request } = makeBatch(signal, 5);
      const binary = await post(bytes, PROTOBUF, path(signal));
      const want = [0x0a, 11, 0x08, 3, 0x12, 7, ...Buffer.from('too old')];
      assert.deepEqual([binary.code, [...binary.body]], [200, want]);
      const text = await post(requestToJson(signal, request), JSON_TYPE, path(signal));
      assert.deepEqual(JSON.parse(text.body.toString()), {
        partialSuccess: { [keys[signal]]: '3', errorMessage: 'too old' },
      });
    }
  });
}

function failures(check: Check): void {
  const garbage: [string, Uint8Array | string, Record<string, string>][] = [
    ['text as protobuf', 'garbage', PROTOBUF],
    ['truncated protobuf', makeBatch('logs', 3).bytes.subarray(0, 40), PROTOBUF],
    ['protobuf broken inside', Uint8Array.of(0x0a, 6, 0x12, 4, 0x12, 2, 0xff, 0xff), PROTOBUF],
    ['no JSON', 'garbage', JSON_TYPE],
    ['truncated JSON', '{"resourceLogs":[{', JSON_TYPE],
    ['an empty body as JSON', '', JSON_TYPE],
    ['truncated gzip', gzipSync('x'.repeat(99)).subarray(0, 20),
      { ...PROTOBUF, 'content-encoding': 'gzip' }],
    ['garbage as gzip', 'garbage', { ...JSON_TYPE, 'content-encoding': 'gzip' }],
  ];
  for (const [kind, body, headers] of garbage) {
    check(`H4, H6: ${kind} is 400 with a Status in kind, and counted`, async (scene) => {
      // As a processor does that looks inside.
      scene.sink.answer((batch) => (itemKeys(batch).length >= 0 ? ACCEPTED : rejected('')));
      const reply = await scene.post(body, headers);
      assert.equal(reply.code, 400);
      const status = statusOf(reply, headers);
      assert.equal(status.code, 3);
      assert.match(status.message, /cannot (be )?deco/);
      const bad = 'binnacle_otlp_bad_requests_total';
      assert.equal(scene.counters.total(bad, { transport: 'http' }), 1);
      assert.equal((await scene.post('{}', JSON_TYPE)).code, 200);
    });
  }
  check('H4, H6: what the pipeline rejects is 400', async ({ post, sink }) => {
    sink.answer(rejected('no: ü \ud800'));
    for (const headers of [PROTOBUF, JSON_TYPE]) {
      const reply = await post(headers === PROTOBUF ? '' : '{}', headers);
      assert.equal(reply.code, 400);
      assert.match(statusOf(reply, headers).message, /^no: ü /);
    }
  });
  check('H5, H8: retryable is 503, with Retry-After if there is a time', async (scene) => {
    scene.sink.answer(retryable('full', 1200));
    const timed = await scene.post('', PROTOBUF);
    assert.deepEqual([timed.code, timed.headers['retry-after']], [503, '2']);
    assert.equal(statusOf(timed, PROTOBUF).message, 'full');
    scene.sink.answer(retryable('full', 10));
    const short = await scene.post('', PROTOBUF);
    assert.deepEqual([short.code, short.headers['retry-after']], [503, undefined]);
    assert.equal(decodeStatus(short.body)?.retryAfterMs, 10);
    scene.sink.answer(retryable('full'));
    const plain = await scene.post('{}', JSON_TYPE);
    assert.deepEqual([plain.code, plain.headers['retry-after']], [503, undefined]);
    assert.equal(statusOf(plain, JSON_TYPE).message, 'full');
  });
  check('H9: a connection serves one request after the other', async ({ post, sink }) => {
    for (let index = 0; index < 5; index++) await post('', PROTOBUF);
    assert.equal(sink.received.length, 5);
    assert.equal((await post('', PROTOBUF)).headers['connection'], 'keep-alive');
  });
  check('H10: other methods are 405 and say which is right', async ({ request }) => {
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const reply = await request(method, PROTOBUF);
      assert.deepEqual([reply.code, reply.headers['allow']], [405, 'POST'], method);
      if (method !== 'HEAD') assert.ok(statusOf(reply, PROTOBUF).message.includes(method));
    }
  });
  check('H10: other types and encodings are 415', async ({ post }) => {
    for (const type of ['text/plain', 'application/grpc', 'multipart/form-data', 'x']) {
      const reply = await post('{}', { 'content-type': type });
      assert.equal(reply.code, 415, type);
      assert.match(statusOf(reply, {}).message, /application\/x-protobuf/);
    }
    assert.equal((await post('{}', {})).code, 415);
    const reply = await post('', { ...PROTOBUF, 'content-encoding': 'br' });
    assert.deepEqual([reply.code, reply.headers['accept-encoding']], [415, 'gzip, deflate']);
    assert.match(statusOf(reply, PROTOBUF).message, /gzip/);
  });
  check('an Origin header breaks nothing', async ({ post }) => {
    const reply = await post('{}', { ...JSON_TYPE, origin: 'https://shop.example' });
    assert.equal(reply.code, 200);
    assert.equal(reply.headers['access-control-allow-origin'], undefined);
  });
}

function sizes(check: Check): void {
  check('H7: a body at the limit is taken, one byte more is 413', async (scene) => {
    const json = (bytes: number) => `{"x":"${'y'.repeat(bytes - 8)}"}`;
    assert.equal((await scene.post(json(BODY_BYTES_MAX), JSON_TYPE)).code, 200);
    const over = await scene.post(json(BODY_BYTES_MAX + 1), JSON_TYPE);
    assert.equal(over.code, 413);
    assert.equal(statusOf(over, JSON_TYPE).code, 8);
    assert.equal(tooLarge(scene), 1);
  });
  check('H7: the limit holds without Content-Length', async (scene) => {
    const reply = await rawPost(scene.endpoint, [
      'POST /v1/logs HTTP/1.1', 'host: x', 'content-type: application/x-protobuf',
      'transfer-encoding: chunked', '', '',
    ].join('\r\n'), `${(2 * BODY_BYTES_MAX).toString(16)}\r\n${'x'.repeat(2 * BODY_BYTES_MAX)}`);
    assert.match(reply, /^HTTP\/1\.1 413 /);
    assert.equal(tooLarge(scene), 1);
  });
  check('H7: the limit holds after decompression', async (scene) => {
    for (const [encoding, pack] of [['gzip', gzipSync], ['deflate', deflateSync]] as const) {
      const bomb = pack(Buffer.alloc(64 * BODY_BYTES_MAX));
      assert.ok(bomb.length < BODY_BYTES_MAX);
      const reply = await scene.post(bomb, { ...PROTOBUF, 'content-encoding': encoding });
      assert.equal(reply.code, 413);
      assert.ok(statusOf(reply, PROTOBUF).message.includes(String(BODY_BYTES_MAX)));
    }
    assert.equal(tooLarge(scene), 2);
    assert.equal((await scene.post('', PROTOBUF)).code, 200);
  });
  check('H7: a long reason does not make a long response', async ({ post, sink }) => {
    sink.answer({ status: 'accepted', rejected: 1, reason: 'x'.repeat(5_000_000) });
    assert.ok((await post('', PROTOBUF)).body.length < 20_000);
    sink.answer(rejected('x'.repeat(5_000_000)));
    assert.ok((await post('', PROTOBUF)).body.length < 20_000);
  });
}

/** J1 to J8 are proven where JSON is read; here is what only a whole server can lose. */
function jsonRules(check: Check): void {
  check('J1, J3, J4, J5: ids, unknown keys and large numbers arrive whole', async (scene) => {
    const reply = await scene.post(JSON.stringify({
      unknown: [{ __proto__: 1 }],
      resourceSpans: [{
        scopeSpans: [{
          spans: [{
            traceId: '5B8EFFF798038103D269B633813FC60C', spanId: 'EEE19B7EC3C1B174', name: 'x',
            kind: 2, startTimeUnixNano: '18446744073709551615', resource_spans: 1,
            attributes: [{ key: 'big', value: { intValue: '9223372036854775807' } }],
          }],
        }],
      }],
    }), JSON_TYPE, '/v1/traces');
    assert.equal(reply.code, 200);
    const [batch] = scene.sink.received;
    assert.ok(batch?.is('traces'));
    const span = batch.request.resourceSpans[0]!.scopeSpans[0]!.spans[0]!;
    assert.equal(span.traceId, '5b8efff798038103d269b633813fc60c');
    assert.deepEqual([span.kind, span.startTimeUnixNano], [2, 18446744073709551615n]);
    assert.deepEqual(span.attributes[0]!.value, { type: 'int', value: 9223372036854775807n });
  });
  check('J8: deep nesting and forged keys harm nobody', async ({ post, sink }) => {
    const deep = `${'{"arrayValue":{"values":['.repeat(5000)}{}${']}}'.repeat(5000)}`;
    const log = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":${deep}}]}]}]}`;
    assert.equal((await post(log, JSON_TYPE)).code, 400);
    const forged = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}';
    assert.equal((await post(forged, JSON_TYPE)).code, 200);
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
    assert.equal(sink.received.at(-1)?.itemCount, 0);
  });
}

function endings(check: Check): void {
  check('100 requests are under way at the same time', async ({ post, sink }) => {
    const gate = createGate();
    sink.answer(gate.answer);
    const calls = Array.from({ length: 100 }, (_, index) =>
      post(makeBatch('logs', 2, { first: index * 10 }).bytes, PROTOBUF));
    await until(() => sink.received.length === 100, 'all requests are there');
    gate.open(ACCEPTED);
    assert.ok((await Promise.all(calls)).every(({ code }) => code === 200));
    assert.equal(new Set(sink.keys('accepted')).size, 200);
  });
  check('the name of a batch arrives, also with JSON', async ({ post, sink }) => {
    const id = { 'x-binnacle-batch': 'a2f0e6c4-0000-4000-8000-000000000001/7/42' };
    await post(makeBatch('logs', 1).bytes, { ...PROTOBUF, ...id });
    await post(requestToJson('logs', makeBatch('logs', 1).request), { ...JSON_TYPE, ...id });
    for (const batch of sink.received) assert.equal(batch.id, id['x-binnacle-batch']);
    assert.equal(sink.received.length, 2);
  });
  check('a client that goes away aborts the consumer', async ({ endpoint, sink }) => {
    const aborted = abortsSeen(sink);
    const socket = connect(endpoint.port, endpoint.host);
    socket.write('POST /v1/logs HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n'
      + 'content-type: application/x-protobuf\r\n\r\n');
    await until(() => sink.received.length === 1, 'the request');
    socket.destroy();
    await until(() => aborted() === 1, 'the abort');
  });
  check('a client that goes away while it sends harms nobody', async (scene) => {
    const socket = connect(scene.endpoint.port, scene.endpoint.host);
    socket.write('POST /v1/logs HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n'
      + 'content-type: application/x-protobuf\r\n\r\nabc', () => socket.destroy());
    const cut = () => scene.counters.total('binnacle_otlp_bad_requests_total', { reason: 'cut' });
    await until(() => cut() === 1, 'the count');
    assert.equal((await scene.post('', PROTOBUF)).code, 200);
    assert.equal(scene.sink.received.length, 1);
  });
  check('what is no HTTP is told so', async ({ endpoint, post }) => {
    assert.match(await rawPost(endpoint, '\x16\x03\x01garbage\r\n\r\n', ''), /^HTTP\/1\.1 400 /);
    assert.equal((await post('', PROTOBUF)).code, 200);
  });
  check('G14: stop waits for pending answers', async ({ post, sink, server }) => {
    const gate = createGate();
    sink.answer(gate.answer);
    const call = post('', PROTOBUF);
    await until(() => sink.received.length === 1, 'the call');
    let stopped = false;
    const stop = server.stop(NEVER).then(() => {
      stopped = true;
    });
    await settle();
    assert.equal(stopped, false);
    gate.open(ACCEPTED);
    assert.equal((await call).code, 200);
    await within(5000, stop, 'stop');
    await assert.rejects(post('', PROTOBUF));
  });
  check('G14: stop cuts what is pending at its deadline', async ({ post, sink, server }) => {
    const aborted = abortsSeen(sink);
    const call = post('', PROTOBUF).then(() => 'answered', () => 'cut');
    await until(() => sink.received.length === 1, 'the call');
    await within(5000, server.stop(AbortSignal.timeout(50)), 'stop');
    assert.equal(await call, 'cut');
    await until(() => aborted() === 1, 'the abort');
  });
}

/** Makes the sink wait for its abort; counts how often that came. */
function abortsSeen(sink: Sink): () => number {
  let count = 0;
  sink.answer((_batch, _call, abort) => new Promise((resolve) => {
    abort.addEventListener('abort', () => {
      count += 1;
      resolve(retryable('aborted'));
    });
  }));
  return () => count;
}

const tooLarge = ({ counters }: Scene): number =>
  counters.total('binnacle_otlp_bad_requests_total', { transport: 'http', reason: 'too_large' });

/** Sends bytes as they are and answers the first bytes that come back. */
export function rawPost({ host, port }: Endpoint, head: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host);
    socket.on('error', reject);
    socket.once('data', (data) => {
      socket.destroy();
      resolve(data.toString());
    });
    socket.write(head);
    if (body !== '') socket.write(body);
  });
}

async function withScene(subject: HttpSubject, body: (scene: Scene) => Promise<void>) {
  await withoutLeaks(async (world) => {
    const sink = createSink();
    const counters = createCounters();
    const server = subject.create(sink, world, counters);
    await server.start();
    const endpoint = server.endpoint();
    const agent = new Agent();
    const send = async (
      method: string,
      url: string,
      headers: Record<string, string>,
      content?: Uint8Array | string,
    ): Promise<Reply> => {
      const { statusCode, headers: answered, body: stream } = await agent.request({
        origin: `http://${endpoint.host}:${endpoint.port}`,
        path: url,
        method: method as 'POST',
        headers,
        ...(content === undefined ? {} : { body: Buffer.from(content) }),
      });
      return {
        code: statusCode, headers: answered, body: Buffer.from(await stream.arrayBuffer()),
      };
    };
    try {
      await body({
        sink, server, counters, endpoint,
        post: (content, headers = {}, url = '/v1/logs') => send('POST', url, headers, content),
        request: (method, headers = {}, url = '/v1/logs') => send(method, url, headers),
      });
    } finally {
      await agent.destroy();
      await server.stop(AbortSignal.timeout(1000));
    }
  });
}
