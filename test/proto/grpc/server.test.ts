// Proves that the OTLP/gRPC server does what OTLP asks of one, and what it promises besides: bounds
// on memory and time, authorization before reading, a sentence for a port in use.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { status as codes } from '@grpc/grpc-js';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { createAdmission } from '../../../proto/contract/admission.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import { ACCEPTED, retryable } from '../../../proto/contract/outcome.ts';
import { createOtlpGrpcClient } from '../../../proto/grpc/client.ts';
import { createOtlpGrpcServer, type OtlpGrpcServerOptions } from '../../../proto/grpc/server.ts';
import { createClock } from '../../../runtime/clock.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { OperatorError } from '../../../runtime/errors.ts';
import { createGate, createSink, makeBatch, NEVER, NOW, until } from '../../contract/fakes.ts';
import { withoutLeaks } from '../../contract/leaks.ts';
import { checkGrpcServer, MESSAGE_BYTES_MAX } from './conformance.ts';
import { frame, openClient, rawCall, type TestClient } from './peer.ts';

checkGrpcServer({
  name: 'gRPC server',
  create: (next, world, counters) => createOtlpGrpcServer({
    endpoint: { host: '127.0.0.1', port: 0 },
    setting: 'test',
    world,
    counters,
    consumer: next,
    messageBytesMax: MESSAGE_BYTES_MAX,
  }),
});

type Options = Partial<OtlpGrpcServerOptions>;

/** Runs `body` with a server and a client. */
const withServer = (
  options: Options,
  body: (client: TestClient, server: ReturnType<typeof createOtlpGrpcServer>) => Promise<void>,
) => withoutLeaks(async (world) => {
  const server = createOtlpGrpcServer({
    endpoint: { host: '127.0.0.1', port: 0 },
    setting: 'receivers.otlp.protocols.grpc',
    world,
    consumer: createSink(),
    ...options,
  });
  await server.start();
  const client = openClient(server.endpoint());
  try {
    await body(client, server);
  } finally {
    client.close();
    await server.stop(NOW);
  }
});

test('G6: more than may be in flight is UNAVAILABLE with RetryInfo, others go on', async () => {
  const sink = createSink();
  const gate = createGate();
  sink.answer(gate.answer);
  await withServer({ consumer: sink, inFlightBytesMax: 1000 }, async (client) => {
    // Alone, a request is taken whatever its size.
    const first = client.call(makeBatch('logs', 50).bytes);
    await until(() => sink.received.length === 1, 'the first call');
    const second = await client.call(makeBatch('logs', 1).bytes);
    assert.equal(second.code, codes.UNAVAILABLE);
    assert.ok((second.status?.retryAfterMs ?? 0) > 0);
    gate.open(ACCEPTED);
    assert.equal((await first).code, codes.OK);
    assert.equal((await client.call(makeBatch('logs', 1).bytes)).code, codes.OK);
  });
});

test('grpc: bytes are given back also when clients go away or are refused', async () => {
  const sink = createSink();
  const consumer = { consume: sink.consume };
  await withServer({ consumer, inFlightBytesMax: 20_000 }, async (client) => {
    const { bytes } = makeBatch('logs', 100);
    for (let round = 0; round < 20; round++) {
      sink.answer(retryable('no'));
      await client.call(bytes);
      sink.answer((_batch, _call, abort) => new Promise((resolve) =>
        abort.addEventListener('abort', () => resolve(retryable('gone')))));
      await client.call(bytes, { deadlineMs: 5 });
      await until(() => sink.waiting() === 0, 'the consumer');
    }
    sink.answer(ACCEPTED);
    assert.equal((await client.call(bytes)).code, codes.OK);
  });
});

test('grpc: what a request came in is free after a young collection', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void;
  setFlagsFromString('--no-expose-gc');
  const consumer = { consume: async () => ACCEPTED };
  await withServer({ consumer }, async (_client, server) => {
    const { bytes } = makeBatch('logs', 4000);
    const client = createOtlpGrpcClient({
      endpoint: server.endpoint(), clock: createClock(), tls: null, compression: 'none',
      timeoutMs: 10_000,
    });
    const held = async (calls: number): Promise<number> => {
      for (let call = 0; call < calls; call++) {
        const { status } = await client.send(Batch.fromBytes('logs', bytes), 0, NEVER);
        assert.equal(status, 'accepted');
        collect({ type: 'minor' });
      }
      for (let turn = 0; turn < 3; turn++) collect({ type: 'minor' });
      return process.memoryUsage().arrayBuffers;
    };
    collect();
    const before = await held(5);
    const more = await held(30) - before;
    await client.close();
    // Kept by the calls it would be twice the requests.
    assert.ok(more < 15 * bytes.length, `${more} bytes for 30 requests of ${bytes.length}`);
  });
});

test('grpc: every way in which a call can fail gives its place back', async () => {
  const admission = createAdmission({ bytesMax: 5000, requestsMax: 1000 });
  const sink = createSink();
  await withServer({ consumer: sink, admission }, async (client, server) => {
    const endpoint = server.endpoint();
    const message = frame(makeBatch('logs', 1).bytes);
    await rawCall(endpoint, new Uint8Array(0));
    await rawCall(endpoint, message.subarray(0, 9));
    await rawCall(endpoint, Buffer.concat([message, message]));
    await rawCall(endpoint, frame(Buffer.from('no gzip'), true), { 'grpc-encoding': 'gzip' });
    await rawCall(endpoint, frame(Buffer.alloc(5_000_000)));
    await client.call(Buffer.from('garbage'));
    const gate = createGate();
    sink.answer(gate.answer);
    const open = client.call(makeBatch('logs', 1).bytes);
    await until(() => sink.received.length === 1, 'the open call');
    assert.equal((await client.call(makeBatch('logs', 100).bytes)).code, codes.UNAVAILABLE);
    gate.open(ACCEPTED);
    await open;
    const left = () => [admission.requests(), admission.bytes()].join();
    await until(() => left() === '0,0', 'all places are given back');
  });
});

test('grpc: a request that does not arrive in time is DEADLINE_EXCEEDED and counted', async () => {
  const counters = createCounters();
  await withServer({ counters, receiveMs: 100 }, async (_client, server) => {
    const half = frame(makeBatch('logs', 10).bytes).subarray(0, 50);
    assert.equal(await rawCall(server.endpoint(), half, {}, false), codes.DEADLINE_EXCEEDED);
    assert.equal(counters.total('binnacle_otlp_bad_requests_total', { reason: 'slow' }), 1);
  });
});

test('grpc: who may not send is told before the request is read', async () => {
  const sink = createSink();
  const authorize: OtlpGrpcServerOptions['authorize'] = async (header) => {
    if (header('authorization') === undefined) return { status: 'unauthenticated', reason: 'who?' };
    return header('authorization') === 'good' ? null : { status: 'forbidden', reason: 'not you' };
  };
  await withServer({ consumer: sink, authorize }, async (client) => {
    const { bytes } = makeBatch('logs', 1);
    const check = async (authorization: string | null, want: number) => {
      const headers: Record<string, string> = authorization === null ? {} : { authorization };
      assert.equal((await client.call(bytes, { headers })).code, want);
    };
    await check(null, codes.UNAUTHENTICATED);
    await check('bad', codes.PERMISSION_DENIED);
    assert.equal(sink.received.length, 0);
    await check('good', codes.OK);
    assert.equal(sink.received.length, 1);
  });
});

test('grpc: the attempt and other headers are told to the consumer', async () => {
  const seen: unknown[] = [];
  const consumer: OtlpGrpcServerOptions['consumer'] = {
    consume: async (_batch, _abort, arrival) => {
      seen.push([arrival.transport, arrival.attempt, arrival.header('x-tenant')]);
      return ACCEPTED;
    },
  };
  await withServer({ consumer }, async (client) => {
    const { bytes } = makeBatch('logs', 1);
    await client.call(bytes, { headers: { 'x-binnacle-attempt': '2', 'x-tenant': 'blue' } });
    await client.call(bytes, { headers: { 'x-binnacle-attempt': '-1' } });
  });
  assert.deepEqual(seen, [['grpc', 2, 'blue'], ['grpc', 0, undefined]]);
});

test('grpc: a port in use is one sentence with a hint', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as AddressInfo;
  for (const host of ['127.0.0.1', 'localhost']) {
    await withoutLeaks(async (world) => {
      const server = createOtlpGrpcServer({
        endpoint: { host, port }, setting: 'receivers.otlp.protocols.grpc', world,
        consumer: createSink(),
      });
      await assert.rejects(server.start(), (error) => {
        assert.ok(error instanceof OperatorError);
        assert.equal(error.message, `cannot listen on 127.0.0.1:${port}: the port is in use`);
        assert.match(error.hint, /receivers\.otlp\.protocols\.grpc\.endpoint/);
        return true;
      });
      await server.stop(NEVER);
    });
  }
  taken.close();
});

test('grpc: localhost is served on both loopback addresses', async () => {
  await withServer({ endpoint: { host: 'localhost', port: 0 } }, async (_client, server) => {
    const { port } = server.endpoint();
    for (const host of ['127.0.0.1', '::1']) {
      if (host === '::1' && !(await hasIpv6())) continue;
      const client = openClient({ host, port });
      assert.equal((await client.call(new Uint8Array(0))).code, codes.OK, host);
      client.close();
    }
  });
});

function hasIpv6(): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.on('error', () => resolve(false));
    probe.listen(0, '::1', () => probe.close(() => resolve(true)));
  });
}
