// Proves what the OTLP/HTTP client makes of every answer and of every way in which a connection can
// fail, against servers that are not ours and against sockets that misbehave.

import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { Sender } from '../../../proto/contract/arrival.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import { createOtlpHttpClient, type OtlpHttpClientOptions } from '../../../proto/http/client.ts';
import { parseRetryAfter } from '../../../proto/http/retry_after.ts';
import { requestFromJson } from '../../../proto/otlp/json.ts';
import { encodeResponse, responseToJson } from '../../../proto/otlp/response.ts';
import { encodeStatus } from '../../../proto/otlp/status.ts';
import { makeBatch, NEVER, NOW, until } from '../../contract/fakes.ts';
import { withoutLeaks } from '../../contract/leaks.ts';
import { within } from '../../contract/scenarios.ts';

type Options = Partial<OtlpHttpClientOptions>;

interface Request {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  closed: boolean;
}

type Script = (response: ServerResponse, call: number) => void;

/** Runs `body` with a server that answers by `script`, and a client of it. */
const withServer = (
  script: Script,
  options: Options,
  body: (sender: Sender, requests: readonly Request[]) => Promise<void>,
) => withoutLeaks(async ({ clock }) => {
  const requests: Request[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const seen = {
        path: request.url!, headers: request.headers, body: Buffer.concat(chunks), closed: false,
      };
      response.on('close', () => {
        seen.closed = true;
      });
      script(response, requests.push(seen) - 1);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sender = createOtlpHttpClient({
    urls: urlsOf((server.address() as AddressInfo).port),
    clock, encoding: 'proto', compression: 'none', timeoutMs: 5000, ...options,
  });
  try {
    await body(sender, requests);
  } finally {
    await sender.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

const urlsOf = (port: number) => ({
  traces: `http://127.0.0.1:${port}/v1/traces`,
  metrics: `http://127.0.0.1:${port}/v1/metrics`,
  logs: `http://127.0.0.1:${port}/other?x=1`,
});

const batch = makeBatch('logs', 3);
const send = (sender: Sender) => sender.send(batch, 0, NEVER);
type Headers = Record<string, string>;
const answer = (code: number, headers: Headers = {}, body: Uint8Array | string = '') =>
  (response: ServerResponse) => void response.writeHead(code, headers).end(body);

const status = Buffer.from(encodeStatus({ code: 3, message: 'why' }));
const PROTOBUF = { 'content-type': 'application/x-protobuf' };

for (const code of [429, 502, 503, 504]) {
  test(`H5: ${code} is retryable`, () =>
    withServer(answer(code, PROTOBUF, status), {}, async (sender) => {
      assert.deepEqual(await send(sender), { status: 'retryable', reason: `HTTP ${code}: why` });
    }));
}

for (const code of [301, 302, 400, 401, 403, 404, 405, 408, 409, 415, 500, 501, 505]) {
  test(`H5: ${code} is rejected, also with Retry-After`, () =>
    withServer(answer(code, { 'retry-after': '1', location: '/' }, 'a page'), {},
      async (sender, requests) => {
        assert.deepEqual(await send(sender), { status: 'rejected', reason: `HTTP ${code}` });
        assert.equal(requests.length, 1);
      }));
}

test('H7: 413 is too large', () =>
  withServer(answer(413, { 'content-type': 'application/json' }, '{"message":"why"}'), {},
    async (sender) => {
      const want = { status: 'rejected', reason: 'HTTP 413: why', tooLarge: true };
      assert.deepEqual(await send(sender), want);
    }));

test('H8: Retry-After in seconds, as a date, or from RetryInfo', () => {
  const info = Buffer.from(encodeStatus({ code: 14, message: 'x', retryAfterMs: 700 }));
  const scripts = [
    answer(503, { 'retry-after': '7' }),
    answer(429, { 'retry-after': new Date(Date.now() + 60_000).toUTCString() }),
    answer(503, PROTOBUF, info),
  ];
  return withServer((response, call) => scripts[call]!(response), {}, async (sender) => {
    const waits = [];
    for (let call = 0; call < 3; call++) {
      const outcome = await send(sender);
      assert.equal(outcome.status, 'retryable');
      if (outcome.status === 'retryable') waits.push(outcome.retryAfterMs!);
    }
    assert.deepEqual([waits[0], waits[2]], [7000, 700]);
    assert.ok(waits[1]! > 50_000 && waits[1]! <= 60_000, String(waits[1]));
  });
});

test('H8: Retry-After: what is no time is no time', () => {
  const now = Date.parse('Wed, 21 Oct 2026 07:28:00 GMT');
  const check = (header: string | undefined, want: number | undefined) =>
    assert.equal(parseRetryAfter(header, now), want, header);
  check('0', 0);
  check('120', 120_000);
  check(' 5 ', 5000);
  check('Wed, 21 Oct 2026 07:28:30 GMT', 30_000);
  check('Wednesday, 21-Oct-26 07:28:30 GMT', 30_000);
  check('Wed Oct 21 07:28:30 2026 GMT', 30_000);
  check('Wed, 21 Oct 2015 07:28:00 GMT', 0);
  check('99999999999', 3_600_000);
  check(undefined, undefined);
  check('', undefined);
  check('-5', undefined);
  check('1.5', undefined);
  check('soon', undefined);
});

test('H3: partial success is accepted with what was refused, in both encodings', () => {
  const said = { rejected: 2, reason: 'old' };
  const scripts = [
    answer(200, PROTOBUF, encodeResponse('logs', said)),
    answer(200, { 'content-type': 'application/json' }, responseToJson('logs', said)),
    answer(200, PROTOBUF),
    answer(200, { 'content-type': 'text/plain' }, 'fine'),
    answer(204),
  ];
  return withServer((response, call) => scripts[call]!(response), {}, async (sender) => {
    const wants = [said, said, { rejected: 0 }, { rejected: 0 }, { rejected: 0 }];
    for (const want of wants) {
      assert.deepEqual(await send(sender), { status: 'accepted', ...want });
    }
  });
});

test('http client: bytes, headers, name and attempt arrive as asked for', async () => {
  const named = Batch.fromBytes('traces', makeBatch('traces', 20).bytes, 'a/1/2');
  for (const encoding of ['proto', 'json'] as const) {
    for (const compression of ['gzip', 'none'] as const) {
      const options = { encoding, compression, headers: { 'x-tenant': 'blue' } };
      await withServer(answer(200), options, async (sender, requests) => {
        await sender.send(named, 4, NEVER);
        await send(sender);
        const [first, second] = requests;
        assert.equal(first!.path, '/v1/traces');
        assert.equal(second!.path, '/other?x=1');
        assert.equal(first!.headers['x-binnacle-batch'], 'a/1/2');
        assert.equal(first!.headers['x-binnacle-attempt'], '4');
        assert.equal(first!.headers['x-tenant'], 'blue');
        assert.equal(second!.headers['x-binnacle-batch'], undefined);
        const gzip = compression === 'gzip';
        assert.equal(first!.headers['content-encoding'], gzip ? 'gzip' : undefined);
        const body = gzip ? gunzipSync(first!.body) : first!.body;
        if (encoding === 'proto') assert.ok(body.equals(named.bytes));
        else assert.deepEqual(requestFromJson('traces', body), named.request);
      });
    }
  }
});

test('G10, G11: sizes of requests and responses are bounded', () =>
  withServer(answer(200, PROTOBUF, Buffer.alloc(5_000_000)),
    { requestBytesMax: batch.bytes.length }, async (sender, requests) => {
      const large = await sender.send(makeBatch('logs', 4), 0, NEVER);
      assert.deepEqual([large.status, large.tooLarge, requests.length], ['rejected', true, 0]);
      const outcome = await send(sender);
      assert.deepEqual(outcome, { status: 'rejected', reason: 'the response is too large' });
    }));

test('http client: broken bytes cannot be sent as JSON', () =>
  withServer(answer(200), { encoding: 'json' }, async (sender, requests) => {
    const broken = Batch.fromBytes('logs', Uint8Array.of(0x0a, 6, 0x12, 4, 0x12, 2, 0xff, 0xff));
    assert.equal((await sender.send(broken, 0, NEVER)).status, 'rejected');
    assert.equal(requests.length, 0);
  }));

test('http client: no answer in time is retryable, and the server sees the end', () =>
  withServer(() => {}, { timeoutMs: 60 }, async (sender, requests) => {
    assert.deepEqual(await send(sender), {
      status: 'retryable', reason: 'no answer within 60 ms',
    });
    await until(() => requests[0]!.closed, 'the end');
  }));

test('http client: abort and close are retryable at once', () =>
  withServer(() => {}, {}, async (sender, requests) => {
    const abort = new AbortController();
    const aborted = sender.send(batch, 0, abort.signal);
    await until(() => requests.length === 1, 'the request');
    abort.abort();
    assert.equal((await within(2000, aborted, 'the aborted call')).status, 'retryable');
    assert.equal((await sender.send(batch, 0, NOW)).status, 'retryable');
    const open = send(sender);
    await until(() => requests.length === 2, 'the second request');
    await sender.close();
    assert.equal((await within(2000, open, 'the open call')).status, 'retryable');
    assert.equal((await send(sender)).status, 'retryable');
  }));

test('http client: abort while the body is packed', () =>
  withServer(() => {}, { compression: 'gzip' }, async (sender) => {
    const abort = new AbortController();
    const sent = sender.send(batch, 0, abort.signal);
    abort.abort();
    assert.equal((await within(2000, sent, 'the aborted call')).status, 'retryable');
  }));

const misbehaviours: [string, (socket: Socket) => void][] = [
  ['closes at once', (socket) => socket.destroy()],
  ['closes when it gets data', (socket) => socket.on('data', () => socket.destroy())],
  ['resets when it gets data', (socket) => socket.on('data', () => socket.resetAndDestroy())],
  ['closes in its answer', (socket) => socket.on('data', () =>
    socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc'))],
  ['speaks another protocol', (socket) => socket.end('220 ready\r\n')],
  ['never answers', (socket) => socket.on('data', () => {})],
];
for (const [kind, behave] of misbehaviours) {
  test(`H9: a peer that ${kind} is retryable`, () => withoutLeaks(async ({ clock }) => {
    const sockets = new Set<Socket>();
    const server = createTcpServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      behave(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const sender = createOtlpHttpClient({
      urls: urlsOf(port), clock, encoding: 'proto', compression: 'gzip', timeoutMs: 300,
    });
    const outcome = await within(5000, send(sender), 'the call');
    assert.equal(outcome.status, 'retryable', JSON.stringify(outcome));
    await sender.close();
    sockets.forEach((socket) => socket.destroy());
    await new Promise((resolve) => server.close(resolve));
    const gone = createOtlpHttpClient({
      urls: urlsOf(port), clock, encoding: 'proto', compression: 'gzip', timeoutMs: 300,
    });
    assert.deepEqual(await send(gone), {
      status: 'retryable', reason: `cannot reach 127.0.0.1:${port}: connection refused`,
    });
    await gone.close();
  }));
}
