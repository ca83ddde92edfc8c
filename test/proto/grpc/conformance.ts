// The gRPC half of OTLP 1.11 as tests: every MUST and SHOULD of a server that can be seen from
// outside, over real sockets, with a client that is not ours. Whoever serves OTLP/gRPC runs it.
// The ids (G1, …) are those of the checklist in docs/otlp.md.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import { status as codes } from '@grpc/grpc-js';
import type { Component, Consumer } from '../../../proto/contract/component.ts';
import { ACCEPTED, rejected, retryable } from '../../../proto/contract/outcome.ts';
import { SIGNALS } from '../../../proto/otlp/model.ts';
import { createCounters, type Counters } from '../../../runtime/counters.ts';
import type { Endpoint } from '../../../runtime/net.ts';
import type { World } from '../../../runtime/world.ts';
import { settle } from '../../../runtime/manual_clock.ts';
import {
  createGate, createSink, itemKeys, makeBatch, NEVER, until, type Sink,
} from '../../contract/fakes.ts';
import { withoutLeaks } from '../../contract/leaks.ts';
import { within } from '../../contract/scenarios.ts';
import { frame, openClient, rawCall, type TestClient } from './peer.ts';

export interface GrpcSubject {
  readonly name: string;
  /** Must take messages of up to `MESSAGE_BYTES_MAX`, and listen on a free port of 127.0.0.1. */
  create(next: Consumer, world: World, counters: Counters): Component & { endpoint(): Endpoint };
}

export const MESSAGE_BYTES_MAX = 1024 * 1024;

interface Scene {
  readonly sink: Sink;
  readonly server: Component & { endpoint(): Endpoint };
  readonly client: TestClient;
  readonly counters: Counters;
  readonly endpoint: Endpoint;
}

/** Messages that are no export requests, each found at another place. */
const GARBAGE: readonly (readonly [string, Uint8Array])[] = [
  ['text', Buffer.from('garbage')],
  ['truncated', makeBatch('logs', 3).bytes.subarray(0, 40)],
  ['a length past the end', Uint8Array.of(0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f)],
  ['a group', Uint8Array.of(0x0b)],
  ['field number 0', Uint8Array.of(0x02, 0x00)],
  ['broken inside a record', Uint8Array.of(0x0a, 6, 0x12, 4, 0x12, 2, 0xff, 0xff)],
];

export function checkGrpcServer(subject: GrpcSubject): void {
  const check = (name: string, body: (scene: Scene) => Promise<void>) =>
    test(`${subject.name}: ${name}`, { timeout: 30_000 }, () => withScene(subject, body));
  answers(check);
  sizes(check);
  manyAtOnce(check);
  endings(check);
}

type Check = (name: string, body: (scene: Scene) => Promise<void>) => void;

function answers(check: Check): void {
  check('G1: an empty request is OK without partial_success', async ({ client }) => {
    for (const signal of SIGNALS) {
      const reply = await client.call(new Uint8Array(0), { signal });
      assert.deepEqual([reply.code, reply.bytes.length], [codes.OK, 0]);
    }
  });
  check('G2: full success has no partial_success, and the bytes are unchanged', async (scene) => {
    for (const signal of SIGNALS) {
      const { bytes } = makeBatch(signal, 5);
      const reply = await scene.client.call(bytes, { signal });
      assert.deepEqual([reply.code, reply.bytes.length], [codes.OK, 0]);
      const received = scene.sink.received.at(-1)!;
      assert.deepEqual([received.signal, received.itemCount], [signal, 5]);
      assert.ok(Buffer.from(bytes).equals(received.bytes));
    }
  });
  check('G3: partial success says how many and why', async ({ client, sink }) => {
    sink.answer({ status: 'accepted', rejected: 3, reason: 'too old' });
    for (const signal of SIGNALS) {
      const reply = await client.call(makeBatch(signal, 5).bytes, { signal });
      // partial_success (1) { rejected (1): 3, error_message (2): 'too old' }, by hand.
      const want = [0x0a, 11, 0x08, 3, 0x12, 7, ...Buffer.from('too old')];
      assert.deepEqual([reply.code, [...reply.bytes]], [codes.OK, want]);
    }
  });
  check('G3: a warning has rejected 0 and a message', async ({ client, sink }) => {
    sink.answer({ status: 'accepted', rejected: 0, reason: 'slow down' });
    const { code, bytes } = await client.call(makeBatch('logs', 1).bytes);
    assert.equal(code, codes.OK);
    assert.deepEqual([...bytes], [0x0a, 11, 0x12, 9, ...Buffer.from('slow down')]);
  });
  for (const [kind, bytes] of GARBAGE) {
    check(`G5: ${kind} is INVALID_ARGUMENT with BadRequest, and counted`, async (scene) => {
      // As a processor does that looks inside.
      scene.sink.answer((batch) => (itemKeys(batch).length >= 0 ? ACCEPTED : rejected('')));
      const reply = await scene.client.call(bytes);
      assert.equal(reply.code, codes.INVALID_ARGUMENT);
      assert.match(reply.details, /^cannot decode protobuf/);
      assert.equal(reply.status?.violations?.length, 1);
      assert.equal(reply.status.code, codes.INVALID_ARGUMENT);
      assert.equal(badRequests(scene, 'decode'), 1);
      assert.equal((await scene.client.call(makeBatch('logs', 1).bytes)).code, codes.OK);
    });
  }
  check('G5: what the pipeline rejects is INVALID_ARGUMENT', async ({ client, sink }) => {
    // Line ends, other scripts and half a surrogate pair must survive the way through a header.
    sink.answer(rejected('no: ü\n\ud800 100%'));
    const { code, details, status } = await client.call(makeBatch('logs', 1).bytes);
    assert.deepEqual([code, details], [codes.INVALID_ARGUMENT, 'no: ü\n\ufffd 100%']);
    assert.equal(status?.message, details);
  });
  check('G6: retryable is UNAVAILABLE, with RetryInfo if there is a time', async (scene) => {
    scene.sink.answer(retryable('full', 1500));
    const timed = await scene.client.call(makeBatch('logs', 1).bytes);
    assert.deepEqual([timed.code, timed.status?.retryAfterMs], [codes.UNAVAILABLE, 1500]);
    scene.sink.answer(retryable('full'));
    const plain = await scene.client.call(makeBatch('logs', 1).bytes);
    assert.deepEqual([plain.code, plain.status?.retryAfterMs], [codes.UNAVAILABLE, undefined]);
  });
  check('an unknown method is UNIMPLEMENTED', async ({ endpoint, client }) => {
    const code = await rawCall(endpoint, frame(new Uint8Array(0)), { ':path': '/a.B/C' });
    assert.equal(code, codes.UNIMPLEMENTED);
    assert.equal((await client.call(new Uint8Array(0))).code, codes.OK);
  });
}

function sizes(check: Check): void {
  check('G9: a request at the limit is taken, one byte more is not', async (scene) => {
    const atLimit = paddedRequest(MESSAGE_BYTES_MAX);
    assert.equal((await scene.client.call(atLimit)).code, codes.OK);
    const over = await scene.client.call(paddedRequest(MESSAGE_BYTES_MAX + 1));
    assert.deepEqual([over.code, over.status?.retryAfterMs], [codes.RESOURCE_EXHAUSTED, undefined]);
    assert.equal(badRequests(scene, 'too_large'), 1);
    assert.equal(scene.sink.received.length, 1);
  });
  check('G9: the limit holds after decompression', async (scene) => {
    const bomb = gzipSync(Buffer.alloc(64 * MESSAGE_BYTES_MAX));
    assert.ok(bomb.length < MESSAGE_BYTES_MAX);
    const code = await rawCall(scene.endpoint, frame(bomb, true), { 'grpc-encoding': 'gzip' });
    assert.equal(code, codes.RESOURCE_EXHAUSTED);
    assert.equal(badRequests(scene, 'too_large'), 1);
    assert.equal((await scene.client.call(new Uint8Array(0))).code, codes.OK);
  });
  check('G11: a long reason does not make a long response', async ({ client, sink }) => {
    sink.answer({ status: 'accepted', rejected: 1, reason: 'x'.repeat(5_000_000) });
    const partial = await client.call(makeBatch('logs', 1).bytes);
    assert.equal(partial.code, codes.OK);
    assert.ok(partial.bytes.length < 20_000);
    sink.answer(rejected('x'.repeat(5_000_000)));
    const refused = await client.call(makeBatch('logs', 1).bytes);
    assert.equal(refused.code, codes.INVALID_ARGUMENT);
    assert.ok(refused.details.length <= 1000);
  });
  check('G12: none, gzip and deflate are understood', async ({ endpoint, sink }) => {
    const { bytes } = makeBatch('logs', 50);
    for (const compression of ['gzip', 'deflate'] as const) {
      const client = openClient(endpoint, { compression });
      assert.equal((await client.call(bytes)).code, codes.OK);
      assert.ok(Buffer.from(bytes).equals(sink.received.at(-1)!.bytes));
      client.close();
    }
    const headers = { 'grpc-encoding': 'gzip' };
    assert.equal(await rawCall(endpoint, frame(bytes), headers), codes.OK);
  });
  const whole = gzipSync(makeBatch('logs', 50).bytes);
  const broken: [string, string, Uint8Array, number][] = [
    ['truncated gzip', 'gzip', whole.subarray(0, whole.length - 12), codes.INVALID_ARGUMENT],
    ['garbage as gzip', 'gzip', Buffer.from('no gzip at all'), codes.INVALID_ARGUMENT],
    ['truncated deflate', 'deflate', deflateSync('x'.repeat(99)).subarray(0, 5),
      codes.INVALID_ARGUMENT],
    ['an unknown encoding', 'zstd', whole, codes.UNIMPLEMENTED],
  ];
  for (const [kind, encoding, bytes, want] of broken) {
    check(`G12: ${kind} is ${codes[want]}, and counted`, async (scene) => {
      const headers = { 'grpc-encoding': encoding };
      assert.equal(await rawCall(scene.endpoint, frame(bytes, true), headers), want);
      const bad = 'binnacle_otlp_bad_requests_total';
      assert.equal(scene.counters.total(bad, { transport: 'grpc' }), 1);
      assert.equal((await scene.client.call(new Uint8Array(0))).code, codes.OK);
    });
  }
  check('frames that are none harm nobody', async ({ endpoint, client }) => {
    const message = frame(makeBatch('logs', 1).bytes);
    assert.notEqual(await rawCall(endpoint, message.subarray(0, 9)), codes.OK);
    assert.notEqual(await rawCall(endpoint, new Uint8Array(0)), codes.OK);
    assert.notEqual(await rawCall(endpoint, Buffer.concat([message, message])), codes.OK);
    const headers = { 'grpc-timeout': 'soon' };
    assert.equal(await rawCall(endpoint, message, headers), codes.INVALID_ARGUMENT);
    assert.equal((await client.call(new Uint8Array(0))).code, codes.OK);
  });
}

function manyAtOnce(check: Check): void {
  check('G13: 100 requests are under way at the same time', async ({ client, sink }) => {
    const gate = createGate();
    sink.answer(gate.answer);
    const calls = Array.from({ length: 100 }, (_, index) =>
      client.call(makeBatch('logs', 2, { first: index * 10 }).bytes));
    await until(() => sink.received.length === 100, 'all requests are there');
    gate.open(ACCEPTED);
    const replies = await Promise.all(calls);
    assert.ok(replies.every(({ code }) => code === codes.OK));
    assert.equal(new Set(sink.keys('accepted')).size, 200);
  });
  check('the name and the attempt of a batch arrive', async ({ client, sink }) => {
    const id = 'a2f0e6c4-0000-4000-8000-000000000001/7/42';
    const headers = { 'x-binnacle-batch': id, 'x-binnacle-attempt': '3' };
    await client.call(makeBatch('traces', 1).bytes, { signal: 'traces', headers });
    assert.equal(sink.received[0]?.id, id);
    await client.call(makeBatch('logs', 1).bytes, { headers: { 'x-binnacle-batch': 'x y' } });
    assert.equal(sink.received[1]?.id, undefined);
  });
}

function endings(check: Check): void {
  check('a client that cancels aborts the consumer', async ({ client, sink }) => {
    const aborted = abortsSeen(sink);
    const reply = client.call(makeBatch('logs', 1).bytes, {
      onCall: (call) => void until(() => sink.received.length === 1, 'the call').then(() =>
        call.cancel()),
    });
    assert.equal((await reply).code, codes.CANCELLED);
    await until(() => aborted() === 1, 'the abort');
  });
  check('a deadline that passes aborts the consumer', async ({ client, sink }) => {
    const aborted = abortsSeen(sink);
    const reply = await client.call(makeBatch('logs', 1).bytes, { deadlineMs: 100 });
    assert.equal(reply.code, codes.DEADLINE_EXCEEDED);
    await until(() => aborted() === 1, 'the abort');
  });
  check('G14: stop waits for pending answers', async ({ client, sink, server }) => {
    const gate = createGate();
    sink.answer(gate.answer);
    const call = client.call(makeBatch('logs', 1).bytes);
    await until(() => sink.received.length === 1, 'the call');
    let stopped = false;
    const stop = server.stop(NEVER).then(() => {
      stopped = true;
    });
    await settle();
    assert.equal(stopped, false);
    gate.open(ACCEPTED);
    assert.equal((await call).code, codes.OK);
    await within(5000, stop, 'stop');
    const late = await client.call(makeBatch('logs', 1).bytes);
    assert.equal(late.code, codes.UNAVAILABLE);
  });
  check('G14: stop cuts what is pending at its deadline', async ({ client, sink, server }) => {
    const aborted = abortsSeen(sink);
    const call = client.call(makeBatch('logs', 1).bytes);
    await until(() => sink.received.length === 1, 'the call');
    await within(5000, server.stop(AbortSignal.timeout(50)), 'stop');
    assert.notEqual((await call).code, codes.OK);
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

/** A request of exactly so many bytes: one resource with a schema URL that is long enough. */
function paddedRequest(bytes: number): Buffer {
  // Two tags with lengths of 4 bytes each hold anything from 2 MiB down by padded varints.
  const text = bytes - 10;
  const length = (value: number) => [
    (value & 0x7f) | 0x80, ((value >> 7) & 0x7f) | 0x80, ((value >> 14) & 0x7f) | 0x80, value >> 21,
  ];
  const head = [0x0a, ...length(text + 5), 0x1a, ...length(text)];
  return Buffer.concat([Buffer.from(head), Buffer.alloc(text, 'x')]);
}

const badRequests = ({ counters }: Scene, reason: string): number =>
  counters.total('binnacle_otlp_bad_requests_total', { transport: 'grpc', reason });

async function withScene(subject: GrpcSubject, body: (scene: Scene) => Promise<void>) {
  await withoutLeaks(async (world) => {
    const sink = createSink();
    const counters = createCounters();
    const server = subject.create(sink, world, counters);
    await server.start();
    const endpoint = server.endpoint();
    const client = openClient(endpoint);
    try {
      await body({ sink, server, client, counters, endpoint });
    } finally {
      client.close();
      await server.stop(AbortSignal.timeout(1000));
    }
  });
}
