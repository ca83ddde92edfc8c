// Proves that each setting of the OTLP receiver's servers does what it says: what clients on bare
// sockets, HTTP/2 sessions and HTTP see. The servers follow the clock of the system, so times here
// are the shortest that the configuration allows.

import assert from 'node:assert/strict';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { otlpReceiver } from '../../../agent/receivers/otlp.ts';
import { ACCEPTED } from '../../../proto/contract/outcome.ts';
import { METHODS } from '../../../proto/grpc/methods.ts';
import { SIGNALS } from '../../../proto/otlp/model.ts';
import { parseEndpoint } from '../../../runtime/net.ts';
import {
  createGate, createSink, makeBatch, NOW, testContext, until,
} from '../../contract/fakes.ts';
import { openClient } from '../../proto/grpc/peer.ts';

/** A setting without effect would keep its test waiting. */
const BOTH = { concurrency: true, timeout: 30_000 };
const NAMES = { grpc: 'OTLP gRPC', http: 'OTLP HTTP' };

/** A started receiver of one protocol that is stopped with the test; its sink and its port. */
async function started(t: TestContext, protocol: 'grpc' | 'http', settings: object) {
  const sink = createSink();
  const config = otlpReceiver.schema.parse(
    { protocols: { [protocol]: { endpoint: '127.0.0.1:0', ...settings } } });
  const receiver = otlpReceiver.create(config, testContext({ id: 'otlp' }), sink);
  await receiver.start();
  t.after(() => receiver.stop(NOW));
  const { port } = parseEndpoint(receiver.addresses!()[NAMES[protocol]]!)!;
  return { sink, port };
}

async function grpc(t: TestContext, serverParameters: object, settings: object = {}) {
  const server = await started(t, 'grpc',
    { keepalive: { server_parameters: serverParameters }, ...settings });
  return { ...server, endpoint: { host: '127.0.0.1', port: server.port } };
}

function session(t: TestContext, port: number): ClientHttp2Session {
  const opened = connectHttp2(`http://127.0.0.1:${port}`);
  opened.on('error', () => {});
  t.after(() => opened.destroy());
  return opened;
}

/** Begins a call and says what status it ended with; NaN when it was cut. */
function call(on: ClientHttp2Session): Promise<number> {
  return new Promise((resolve) => {
    const stream = on.request({
      ':method': 'POST', ':path': METHODS.logs, 'content-type': 'application/grpc', te: 'trailers',
    });
    let status = NaN;
    stream.on('trailers', (trailers) => (status = Number(trailers['grpc-status'])));
    stream.on('error', () => {}).on('close', () => resolve(status)).resume();
    const { bytes } = makeBatch('logs', 1);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(bytes.length, 1);
    stream.end(Buffer.concat([head, bytes]));
  });
}

const closed = (of: ClientHttp2Session | Socket) =>
  new Promise<void>((resolve) => (of as Socket).on('close', () => resolve()));

test('otlp settings: gRPC', BOTH, async (t) => {
  await Promise.all([
    t.test('max_concurrent_streams is told to clients', async (t) => {
      const { port } = await grpc(t, {}, { max_concurrent_streams: 7 });
      const opened = session(t, port);
      await new Promise((resolve) => opened.on('remoteSettings', resolve));
      assert.equal(opened.remoteSettings.maxConcurrentStreams, 7);
    }),
    t.test('max_connection_idle closes a connection without calls', async (t) => {
      const { port } = await grpc(t, { max_connection_idle: '1s' });
      const opened = session(t, port);
      assert.equal(await call(opened), 0);
      await closed(opened);
    }),
    t.test('max_connection_age lets calls end, max_connection_age_grace cuts them', async (t) => {
      const patient = await grpc(t, { max_connection_age: '1s' });
      const strict = await grpc(t,
        { max_connection_age: '1s', max_connection_age_grace: '1s' });
      const gate = createGate();
      const begin = async ({ port, sink }: typeof patient) => {
        sink.answer(gate.answer);
        const opened = session(t, port);
        const told = new Promise<void>((resolve) => opened.on('goaway', () => resolve()));
        const answered = call(opened);
        await told;
        return answered;
      };
      const waiting = begin(patient);
      assert.equal(Number.isNaN(await begin(strict)), true);
      gate.open(ACCEPTED);
      assert.equal(await waiting, 0);
    }),
    t.test('time and timeout: who does not answer a check is cut', async (t) => {
      const { port } = await grpc(t, { time: '1s', timeout: '1ms' });
      const mute = connect(port, '127.0.0.1');
      mute.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
      mute.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
      const alive = session(t, (await grpc(t, { time: '1s', timeout: '5s' })).port);
      await Promise.all([
        closed(mute.on('error', () => {}).resume()),
        new Promise((resolve) => alive.on('ping', resolve)),
      ]);
      assert.equal(alive.closed, false);
    }),
    t.test('without such settings a connection stays', async (t) => {
      const { endpoint } = await grpc(t, {});
      const client = openClient(endpoint);
      assert.equal((await client.call(makeBatch('logs', 1).bytes)).code, 0);
      client.close();
    }),
  ]);
});

/** What a socket receives until it is closed. */
function exchange(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    let got = '';
    socket.on('data', (chunk: Buffer) => (got += chunk.toString()));
    socket.on('error', () => {}).on('close', () => resolve(got));
  });
}

const HEAD = 'POST /v1/logs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
const WHOLE = `${HEAD}content-length: 2\r\n\r\n{}`;

test('otlp settings: HTTP', BOTH, async (t) => {
  await Promise.all([
    t.test('each signal has the path that it is given', async (t) => {
      const { port, sink } = await started(t, 'http', {
        traces_url_path: '/t', metrics_url_path: '/m/x', logs_url_path: '/l',
      });
      const paths = { traces: '/t', metrics: '/m/x', logs: '/l' };
      for (const signal of SIGNALS) {
        const post = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`, {
          method: 'POST', body: makeBatch(signal, 1).bytes,
          headers: { 'content-type': 'application/x-protobuf', connection: 'close' },
        })).status;
        assert.equal(await post(paths[signal]), 200);
        assert.equal(await post(`/v1/${signal}`), 404);
      }
      assert.deepEqual(sink.received.map(({ signal }) => signal), SIGNALS);
    }),
    t.test('cors: pages, their headers, and how long that holds', async (t) => {
      const { port } = await started(t, 'http', { cors: {
        allowed_origins: ['https://shop.example'], allowed_headers: ['x-team'], max_age: 60,
      } });
      const preflight = async (origin: string) => (await fetch(`http://127.0.0.1:${port}/v1/logs`, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST', connection: 'close' },
      })).headers;
      const headers = await preflight('https://shop.example');
      assert.equal(headers.get('access-control-allow-origin'), 'https://shop.example');
      assert.match(headers.get('access-control-allow-headers')!, /\bx-team\b/);
      assert.equal(headers.get('access-control-max-age'), '60');
      const other = await preflight('https://other.example');
      assert.equal(other.get('access-control-allow-origin'), null);
    }),
    t.test('read_header_timeout ends a request whose headers do not come', async (t) => {
      const { port } = await started(t, 'http', { read_header_timeout: '100ms' });
      const before = performance.now();
      assert.match(await exchange(port, HEAD), /^HTTP\/1\.1 503 /);
      assert.ok(performance.now() - before < 8000, 'before the default, and before read_timeout');
    }),
    t.test('read_timeout ends one whose body does not come', async (t) => {
      const { port } = await started(t, 'http', { read_timeout: '100ms' });
      assert.match(await exchange(port, `${HEAD}content-length: 9\r\n\r\n{`),
        /^HTTP\/1\.1 503 [^]*within 100 ms/);
    }),
    t.test('idle_timeout closes a connection behind its last answer', async (t) => {
      const { port } = await started(t, 'http', { idle_timeout: '100ms' });
      const got = await exchange(port, WHOLE);
      assert.match(got, /^HTTP\/1\.1 200 [^]*connection: keep-alive/i);
    }),
    t.test('keep_alives_enabled: false closes it at once', async (t) => {
      const { port } = await started(t, 'http', { keep_alives_enabled: false });
      const before = performance.now();
      assert.match(await exchange(port, WHOLE), /^HTTP\/1\.1 200 [^]*connection: close/i);
      assert.ok(performance.now() - before < 30_000, 'before idle_timeout');
    }),
    t.test('keep_alives_enabled: more than one request comes on a connection', async (t) => {
      const { port, sink } = await started(t, 'http', {});
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      t.after(() => agent.destroy());
      const post = () => new Promise<boolean>((resolve, reject) => {
        const asked = request({ agent, port, host: '127.0.0.1', method: 'POST', path: '/v1/logs',
          headers: { 'content-type': 'application/json' } }, (reply) => {
          reply.on('end', () => resolve(asked.reusedSocket)).resume();
        });
        asked.on('error', reject).end('{}');
      });
      assert.deepEqual([await post(), await post()], [false, true]);
      await until(() => sink.received.length === 2, 'both');
    }),
  ]);
});
