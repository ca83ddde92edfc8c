// Proves that settings of the OTLP exporters do what they say: whose certificate is taken, where
// each signal goes, how many connections there are, when an idle one is checked, and how much of
// its disk a queue may take. The servers are those of Node.js, or ours with TLS.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { otlpExporter } from '../../../agent/exporters/otlp.ts';
import { otlpHttpExporter } from '../../../agent/exporters/otlp_http.ts';
import type { Consumer } from '../../../proto/contract/component.ts';
import { createOtlpGrpcServer } from '../../../proto/grpc/server.ts';
import { createOtlpHttpServer } from '../../../proto/http/listener.ts';
import { createWorld } from '../../../runtime/world.ts';
import {
  createSink, makeBatch, NEVER, NOW, temporaryFolder, testContext, until,
} from '../../contract/fakes.ts';
import { createAuthority } from '../../proto/certificate.ts';

const DIRECT = { sending_queue: { enabled: false }, retry_on_failure: { enabled: false } };
const NEXT = undefined as unknown as Consumer;
const FACTORIES = { otlp: otlpExporter, otlp_http: otlpHttpExporter };

/** A started exporter that is stopped with the test. */
async function started(
  t: TestContext, type: keyof typeof FACTORIES, settings: object, context = testContext(),
) {
  const factory = FACTORIES[type];
  const exporter = factory.create(factory.schema.parse(settings) as never, context, NEXT);
  await exporter.start();
  t.after(() => exporter.stop(NOW));
  return exporter;
}

async function listening(t: TestContext, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

test('otlp exporters: whose certificate is taken', async (t) => {
  const authority = createAuthority('a test authority');
  const folder = temporaryFolder();
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const issued = authority.issue('server', ['other.example']);
  const caFile = write('ca.crt', authority.cert);
  const tls = { certFile: write('cert', issued.cert), keyFile: write('key', issued.key) };
  const own = authority.issue('client');
  const pair = { cert_file: write('own.crt', own.cert), key_file: write('own.key', own.key) };
  const check = async (
    type: keyof typeof FACTORIES, client: object, want: string, clientCaFile?: string,
  ) => {
    const options = { endpoint: { host: '127.0.0.1', port: 0 }, setting: 'test',
      tls: { ...tls, clientCaFile },
      world: createWorld(), consumer: createSink() };
    const server = type === 'otlp' ? createOtlpGrpcServer(options) : createOtlpHttpServer(options);
    await server.start();
    t.after(() => server.stop(NOW));
    const endpoint = `https://127.0.0.1:${server.endpoint().port}`;
    const exporter = await started(t, type, { endpoint, tls: client, timeout: '3s', ...DIRECT });
    const { status } = await exporter.consume(makeBatch('logs', 1), NEVER);
    assert.equal(status, want, `${type} ${JSON.stringify(client)}`);
  };
  for (const type of ['otlp', 'otlp_http'] as const) {
    await check(type, { ca_file: caFile }, 'retryable');
    await check(type, { ca_file: caFile, server_name_override: 'other.example' }, 'accepted');
    await check(type, { ca_file: caFile, server_name_override: 'third.example' }, 'retryable');
    await check(type, { server_name_override: 'other.example' }, 'retryable');
    await check(type, { insecure_skip_verify: true }, 'accepted');
    await check(type, { insecure_skip_verify: true }, 'retryable', caFile);
    await check(type, { insecure_skip_verify: true, ...pair }, 'accepted', caFile);
  }
});

test('otlp_http exporter: each signal may have an address of its own', async (t) => {
  const asked: string[] = [];
  const port = await listening(t, createHttpServer((request, answer) => {
    asked.push(request.url!);
    request.on('end', () => answer.end()).resume();
  }));
  const url = `http://127.0.0.1:${port}`;
  const post = async (settings: object) => {
    const exporter = await started(t, 'otlp_http', { endpoint: `${url}/all/`, ...settings,
      ...DIRECT });
    for (const signal of ['traces', 'metrics', 'logs'] as const) {
      assert.equal((await exporter.consume(makeBatch(signal, 1), NEVER)).status, 'accepted');
    }
    return asked.splice(0);
  };
  assert.deepEqual(await post({}), ['/all/v1/traces', '/all/v1/metrics', '/all/v1/logs']);
  assert.deepEqual(await post({
    traces_endpoint: `${url}/t`, metrics_endpoint: `${url}/m/`, logs_endpoint: `${url}/l?x=1`,
  }), ['/t', '/m/', '/l?x=1']);
});

test('otlp_http exporter: max_conns_per_host bounds connections', async (t) => {
  const check = async (settings: object, isRight: (connections: number) => boolean) => {
    let connections = 0;
    const server = createHttpServer((request, answer) => {
      request.on('end', () => setImmediate(() => answer.end())).resume();
    }).on('connection', () => (connections += 1));
    const port = await listening(t, server);
    const exporter = await started(t, 'otlp_http',
      { endpoint: `http://127.0.0.1:${port}`, ...settings, ...DIRECT });
    const outcomes = await Promise.all(Array.from({ length: 6 }, (_, first) =>
      exporter.consume(makeBatch('logs', 1, { first }), NEVER)));
    assert.ok(outcomes.every(({ status }) => status === 'accepted'));
    assert.ok(isRight(connections), `${connections} connections`);
  };
  await check({ max_conns_per_host: 1 }, (connections) => connections === 1);
  await check({}, (connections) => connections > 1);
});

test('otlp exporter: an idle connection is checked only with permit_without_stream', async (t) => {
  const pings = { with: 0, without: 0 };
  const connect = async (name: keyof typeof pings, permitted: boolean) => {
    const server = createHttp2Server().on('session', (session) =>
      session.on('ping', () => (pings[name] += 1)).on('error', () => {}));
    server.on('stream', (stream) => {
      stream.on('end', () => {
        stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(Buffer.alloc(5));
      }).resume();
    });
    const port = await listening(t, server);
    const exporter = await started(t, 'otlp', {
      endpoint: `http://127.0.0.1:${port}`, ...DIRECT,
      keepalive: { time: '1s', permit_without_stream: permitted },
    });
    assert.equal((await exporter.consume(makeBatch('logs', 1), NEVER)).status, 'accepted');
  };
  await connect('without', false);
  await connect('with', true);
  await until(() => pings.with > 0, 'a check');
  assert.equal(pings.without, 0);
});

test('otlp exporter: a queue takes its share of the disk and no more', async (t) => {
  const check = async (share: string, taken: number) => {
    const world = createWorld();
    const files = { ...world.files,
      space: async (path: string) => ({ ...await world.files.space(path), totalBytes: 1e8 }) };
    const context = testContext({ world: { ...world, files }, folder: temporaryFolder() });
    const exporter = await started(t, 'otlp', { endpoint: 'localhost:1',
      sending_queue: { disk_share: share } }, context);
    const resource = { a: 'x'.repeat(1e6) };
    let accepted = 0;
    for (; accepted < 12; accepted += 1) {
      const { status } = await exporter.consume(makeBatch('logs', 1, { resource }), NEVER);
      if (status !== 'accepted') break;
    }
    assert.equal(accepted, taken, share);
  };
  await check('3%', 2);
  await check('8%', 7);
});
