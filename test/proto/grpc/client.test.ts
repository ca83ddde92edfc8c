// Proves what the OTLP/gRPC client makes of every answer and of every way in which a connection can
// fail, against servers that are not ours and against sockets that misbehave.

import { Metadata, status as codes } from '@grpc/grpc-js';
import assert from 'node:assert/strict';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import type { Sender, SendOutcome } from '../../../proto/contract/arrival.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import { createOtlpGrpcClient, type OtlpGrpcClientOptions } from '../../../proto/grpc/client.ts';
import { encodeResponse } from '../../../proto/otlp/response.ts';
import { encodeStatus } from '../../../proto/otlp/status.ts';
import type { Endpoint } from '../../../runtime/net.ts';
import { makeBatch, NEVER, NOW, until } from '../../contract/fakes.ts';
import { withoutLeaks } from '../../contract/leaks.ts';
import { within } from '../../contract/scenarios.ts';
import { scriptedServer, type Scripted, type TestServer } from './peer.ts';

type Options = Partial<OtlpGrpcClientOptions>;

const withClient = (
  endpoint: Endpoint,
  options: Options,
  body: (sender: Sender) => Promise<void>,
) => withoutLeaks(async ({ clock }) => {
    const sender = createOtlpGrpcClient({
      endpoint, clock, tls: null, compression: 'none', timeoutMs: 5000, ...options,
    });
    try {
      await body(sender);
    } finally {
      await sender.close();
    }
  });

/** Runs `body` with a server that answers by `script` and a client of it. */
const withServer = async (
  script: (call: number) => Scripted,
  options: Options,
  body: (sender: Sender, server: TestServer) => Promise<void>,
) => {
  const server = await scriptedServer(script);
  try {
    await withClient(server.endpoint, options, (sender) => body(sender, server));
  } finally {
    await server.close();
  }
};

const batch = makeBatch('logs', 3);
const send = (sender: Sender) => sender.send(batch, 0, NEVER);

function details(retryAfterMs: number | undefined): Metadata {
  const metadata = new Metadata();
  const status = retryAfterMs === undefined ? { code: 8, message: 'x' }
    : { code: 8, message: 'x', retryAfterMs };
  metadata.set('grpc-status-details-bin', Buffer.from(encodeStatus(status)));
  return metadata;
}

const retry = ['CANCELLED', 'DEADLINE_EXCEEDED', 'ABORTED', 'OUT_OF_RANGE', 'UNAVAILABLE',
  'DATA_LOSS'] as const;
const never = ['UNKNOWN', 'INVALID_ARGUMENT', 'NOT_FOUND', 'ALREADY_EXISTS', 'PERMISSION_DENIED',
  'UNAUTHENTICATED', 'FAILED_PRECONDITION', 'UNIMPLEMENTED', 'INTERNAL'] as const;

for (const name of retry) {
  test(`G7: ${name} is retryable, with the time that the server asks for`, () =>
    withServer((call) => ({
      code: codes[name], details: 'why', metadata: details(call === 0 ? undefined : 2500),
    }), {}, async (sender) => {
      const plain = await send(sender);
      assert.deepEqual(plain, { status: 'retryable', reason: `${name}: why` });
      const timed = await send(sender);
      assert.deepEqual(timed, { status: 'retryable', reason: `${name}: why`, retryAfterMs: 2500 });
    }));
}

for (const name of never) {
  test(`G7: ${name} is rejected, whatever its details`, () =>
    withServer(() => ({ code: codes[name], details: 'why', metadata: details(1000) }), {},
      async (sender) => {
        assert.deepEqual(await send(sender), { status: 'rejected', reason: `${name}: why` });
      }));
}

test('G7: RESOURCE_EXHAUSTED is retryable with RetryInfo, too large without', () =>
  withServer((call) => ({
    code: codes.RESOURCE_EXHAUSTED,
    details: 'why',
    ...(call === 0 ? {} : { metadata: details(call === 1 ? 700 : undefined) }),
  }), {}, async (sender) => {
    const reason = 'RESOURCE_EXHAUSTED: why';
    const tooLarge = { status: 'rejected', reason, tooLarge: true };
    assert.deepEqual(await send(sender), tooLarge);
    assert.deepEqual(await send(sender), { status: 'retryable', reason, retryAfterMs: 700 });
    assert.deepEqual(await send(sender), tooLarge);
  }));

test('G3: partial success is accepted with what was refused', () =>
  withServer((call) => ({
    bytes: [
      new Uint8Array(0),
      encodeResponse('logs', { rejected: 2, reason: 'old' }),
      encodeResponse('logs', { rejected: 0, reason: 'slow down' }),
      Buffer.from('no response at all'),
    ][call]!,
  }), {}, async (sender) => {
    assert.deepEqual(await send(sender), { status: 'accepted', rejected: 0 });
    assert.deepEqual(await send(sender), { status: 'accepted', rejected: 2, reason: 'old' });
    assert.deepEqual(await send(sender), { status: 'accepted', rejected: 0, reason: 'slow down' });
    // OK is OK.
    assert.deepEqual(await send(sender), { status: 'accepted', rejected: 0 });
  }));

test('G10: a request over the limit is not sent', () =>
  withServer(() => ({ bytes: new Uint8Array(0) }), { requestBytesMax: batch.bytes.length },
    async (sender, server) => {
      assert.equal((await send(sender)).status, 'accepted');
      const outcome = await sender.send(makeBatch('logs', 4), 0, NEVER);
      assert.deepEqual([outcome.status, outcome.tooLarge], ['rejected', true]);
      assert.equal(server.calls.length, 1);
    }));

test('G11: a response over the limit is not read, and its batch not sent again in parts', () =>
  withServer(() => ({ bytes: Buffer.alloc(5_000_000) }), {}, async (sender) => {
    const outcome = await send(sender);
    assert.equal(outcome.status, 'rejected');
    assert.equal(outcome.tooLarge, undefined);
    assert.match(outcome.reason!, /response is too large/);
  }));

test('grpc client: bytes, headers, name and attempt arrive', () =>
  withServer(() => ({ bytes: new Uint8Array(0) }), { headers: { 'x-tenant': 'blue' } },
    async (sender, { calls }) => {
      for (const signal of ['traces', 'metrics', 'logs'] as const) {
        const { bytes } = makeBatch(signal, 3);
        await sender.send(Batch.fromBytes(signal, bytes, 'a/1/2'), 4, NEVER);
        const call = calls.at(-1)!;
        assert.equal(call.signal, signal);
        assert.ok(Buffer.from(bytes).equals(call.bytes));
        const { metadata } = call;
        assert.deepEqual(metadata.get('x-binnacle-batch'), ['a/1/2']);
        assert.deepEqual(metadata.get('x-binnacle-attempt'), ['4']);
        assert.deepEqual(metadata.get('x-tenant'), ['blue']);
        // A server that is cut off from us knows when nobody waits any more.
        assert.ok(Math.abs(call.endMs - Date.now() - 5000) < 2000, `${call.endMs}`);
      }
      await send(sender);
      assert.deepEqual(calls.at(-1)!.metadata.get('x-binnacle-batch'), []);
    }));

test('G12: gzip is on the wire when asked for, and only then', () =>
  withServer(() => ({ bytes: new Uint8Array(0) }), {}, async (_sender, server) => {
    const big = makeBatch('logs', 500);
    for (const compression of ['gzip', 'none'] as const) {
      const wire = await wireTap(server.endpoint);
      await withClient(wire.endpoint, { compression }, async (sender) => {
        assert.equal((await sender.send(big, 0, NEVER)).status, 'accepted');
        await sender.close();
        await wire.close();
      });
      const sent = Buffer.concat(wire.chunks);
      assert.equal(sent.includes(Buffer.of(0x1f, 0x8b, 0x08)), compression === 'gzip');
      assert.equal(sent.includes('item-499'), compression === 'none');
      assert.ok(Buffer.from(big.bytes).equals(server.calls.at(-1)!.bytes));
    }
  }));

test('grpc client: no answer in time is retryable, and the server is told', () =>
  withServer(() => 'hang', { timeoutMs: 60 }, async (sender, { calls }) => {
    const outcome = await send(sender);
    assert.deepEqual(outcome, { status: 'retryable', reason: 'no answer within 60 ms' });
    await until(() => calls[0]!.cancelled, 'the cancel');
  }));

test('grpc client: abort and close are retryable at once', () =>
  withServer(() => 'hang', {}, async (sender, { calls }) => {
    const abort = new AbortController();
    const aborted = sender.send(batch, 0, abort.signal);
    await until(() => calls.length === 1, 'the call');
    abort.abort();
    assert.equal((await within(2000, aborted, 'the aborted call')).status, 'retryable');
    assert.equal((await sender.send(batch, 0, NOW)).status, 'retryable');
    const open = send(sender);
    await until(() => calls.length === 2, 'the second call');
    await sender.close();
    assert.equal((await within(2000, open, 'the open call')).status, 'retryable');
    assert.equal((await send(sender)).status, 'retryable');
  }));

test('grpc client: a peer that is not there is retryable, in words', async () => {
  const { port } = await closedPort();
  await withClient({ host: '127.0.0.1', port }, {}, async (sender) => {
    assert.deepEqual(await send(sender), {
      status: 'retryable', reason: `cannot reach 127.0.0.1:${port}: connection refused`,
    });
  });
});

const misbehaviours: [string, (socket: Socket) => void][] = [
  ['closes at once', (socket) => socket.destroy()],
  ['closes when it gets data', (socket) => socket.on('data', () => socket.destroy())],
  ['resets when it gets data', (socket) => socket.on('data', () => socket.resetAndDestroy())],
  ['speaks another protocol', (socket) => socket.end('220 ready\r\n')],
  ['breaks the protocol within a call', (socket) => {
    const settings = Buffer.of(0, 0, 0, 4, 0, 0, 0, 0, 0);
    // A frame of 16 MiB, which nobody has allowed.
    const oversized = Buffer.of(0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1);
    let calls = 0;
    socket.write(settings);
    socket.on('data', () => void (calls++ === 1 && socket.write(oversized)));
  }],
  ['never answers', (socket) => socket.on('data', () => {})],
];
for (const [kind, behave] of misbehaviours) {
  test(`H9, G7: a peer that ${kind} is retryable`, async () => {
    const server = await misbehaving(behave);
    await withClient(server.endpoint, { timeoutMs: 300 }, async (sender) => {
      const outcome: SendOutcome = await within(5000, send(sender), 'the call');
      assert.equal(outcome.status, 'retryable', JSON.stringify(outcome));
      await sender.close();
      await server.close();
    });
  });
}

test('grpc client: a peer that comes back is found again', async () => {
  const { port } = await closedPort();
  await withClient({ host: '127.0.0.1', port }, {}, async (sender) => {
    assert.equal((await send(sender)).status, 'retryable');
    const server = await scriptedServer(() => ({ bytes: new Uint8Array(0) }), { port });
    try {
      await until(async () => (await send(sender)).status === 'accepted', 'an answer');
    } finally {
      await server.close();
    }
  });
});

async function misbehaving(behave: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    behave(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    close: () => new Promise<void>((resolve) => {
      sockets.forEach((socket) => socket.destroy());
      server.close(() => resolve());
    }),
  };
}

/** A port that was free a moment ago. */
async function closedPort(): Promise<Endpoint> {
  const server = await misbehaving(() => {});
  await server.close();
  return server.endpoint;
}

/** Hands connections on to a server and keeps what clients send. */
async function wireTap(target: Endpoint) {
  const chunks: Buffer[] = [];
  const tap = await misbehaving((socket) => {
    const onward = connect(target.port, target.host);
    onward.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => void chunks.push(chunk));
    socket.pipe(onward).pipe(socket);
    socket.on('close', () => onward.destroy());
  });
  return { ...tap, chunks };
}
