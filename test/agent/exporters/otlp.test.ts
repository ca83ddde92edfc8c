// Proves that the OTLP exporters keep the contract of consumers towards a server that is ours, that
// they deliver to servers that are not, over TLS too, and that their configuration is the
// Collector's.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status as codes } from '@grpc/grpc-js';
import type { z } from 'zod';
import { otlpExporter } from '../../../agent/exporters/otlp.ts';
import { otlpHttpExporter } from '../../../agent/exporters/otlp_http.ts';
import { isSecret } from '../../../config/shape.ts';
import type { Component } from '../../../proto/contract/component.ts';
import { createOtlpGrpcServer } from '../../../proto/grpc/server.ts';
import { createOtlpHttpServer } from '../../../proto/http/listener.ts';
import type { Endpoint } from '../../../runtime/net.ts';
import { checkConsumer } from '../../contract/check_consumer.ts';
import { createRecordingLog, createSink, makeBatch, NEVER, NOW, testContext, until }
  from '../../contract/fakes.ts';
import { withoutLeaks } from '../../contract/leaks.ts';
import { scriptedServer } from '../../proto/grpc/peer.ts';

const QUICK = { initial_interval: '1ms', max_interval: '2ms' };
const LOCAL = { endpoint: { host: '127.0.0.1', port: 0 }, setting: 'test' };
/** The contract of a consumer that answers what the peer did; with a queue: test/agent/queue. */
const DIRECT = { sending_queue: { enabled: false } };
const nobody = createSink();

checkConsumer({
  name: 'otlp exporter',
  create: async (next, context) => {
    const server = createOtlpGrpcServer({ ...LOCAL, world: context.world, consumer: next });
    await server.start();
    const config = otlpExporter.schema.parse({
      endpoint: addressOf(server), tls: { insecure: true }, retry_on_failure: QUICK, ...DIRECT,
    });
    return {
      consumer: otlpExporter.create(config, context, nobody),
      close: () => server.stop(NOW),
    };
  },
});

for (const encoding of ['proto', 'json']) {
  checkConsumer({
    name: `otlp_http exporter, ${encoding}`,
    create: async (next, context) => {
      const server = createOtlpHttpServer({ ...LOCAL, world: context.world, consumer: next });
      await server.start();
      const config = otlpHttpExporter.schema.parse({
        endpoint: `http://${addressOf(server)}/`, encoding, retry_on_failure: QUICK, ...DIRECT,
      });
      return {
        consumer: otlpHttpExporter.create(config, context, nobody),
        close: () => server.stop(NOW),
      };
    },
  });
}

const addressOf = (server: Component & { endpoint(): Endpoint }) =>
  `127.0.0.1:${server.endpoint().port}`;

test('otlp exporter: waits for a server that comes later, and says why', () =>
  withoutLeaks(async (world) => {
    const probe = await scriptedServer(() => ({ bytes: new Uint8Array(0) }));
    const { port } = probe.endpoint;
    await probe.close();
    const log = createRecordingLog();
    const config = otlpExporter.schema.parse({
      endpoint: `http://127.0.0.1:${port}`, retry_on_failure: QUICK, ...DIRECT,
    });
    const exporter = otlpExporter.create(config, testContext({ world, log }), nobody);
    await exporter.start();
    const call = exporter.consume(makeBatch('logs', 2), NEVER);
    await until(() => log.lines.length > 0, 'a line in the log');
    assert.equal(log.lines[0]!.message,
      `cannot reach 127.0.0.1:${port}: connection refused; retrying`);
    const server = await scriptedServer(() => ({ bytes: new Uint8Array(0) }), { port });
    assert.equal((await call).status, 'accepted');
    assert.equal(server.calls.length, 1);
    await exporter.stop(NEVER);
    await server.close();
  }));

test('otlp exporter: a batch over the limit of the server arrives in parts', () =>
  withoutLeaks(async (world) => {
    const server = await scriptedServer((_call, bytes) =>
      (bytes.length > 2000 ? { code: codes.RESOURCE_EXHAUSTED } : { bytes: new Uint8Array(0) }));
    const config = otlpExporter.schema.parse({
      endpoint: `http://127.0.0.1:${server.endpoint.port}`, headers: { 'X-Tenant': 'blue' },
      ...DIRECT,
    });
    const exporter = otlpExporter.create(config, testContext({ world }), nobody);
    await exporter.start();
    const outcome = await exporter.consume(makeBatch('logs', 200), NEVER);
    assert.deepEqual(outcome, { status: 'accepted', rejected: 0 });
    assert.ok(server.calls.filter(({ bytes }) => bytes.length <= 2000).length > 2);
    assert.deepEqual(server.calls[0]!.metadata.get('x-tenant'), ['blue']);
    await exporter.stop(NEVER);
    await server.close();
  }));

test('otlp exporter: before its start it takes nothing', async () => {
  const config = otlpExporter.schema.parse({ endpoint: 'localhost:1' });
  const exporter = otlpExporter.create(config, testContext(), nobody);
  assert.equal((await exporter.consume(makeBatch('logs', 1), NEVER)).status, 'retryable');
});

test('otlp exporter: a file of TLS that is not there is one sentence', async () => {
  for (const factory of [otlpExporter, otlpHttpExporter]) {
    const endpoint = factory === otlpExporter ? 'localhost:1' : 'https://localhost:1';
    const config = factory.schema.parse({ endpoint, tls: { ca_file: '/no/such/file' } });
    const context = testContext({ id: 'otlp/x' });
    const exporter = factory.create(config as never, context, nobody);
    await assert.rejects(exporter.start(), {
      name: 'OperatorError',
      message: 'cannot read /no/such/file: it does not exist',
      hint: 'set exporters.otlp/x.tls.ca_file to a PEM file that this user may read',
    });
  }
});

test('otlp exporter: endpoints', () => {
  const check = (text: string, want: [string, number, boolean | null] | null) => {
    const result = otlpExporter.schema.safeParse({ endpoint: text });
    const found = result.success ? result.data.endpoint : null;
    assert.deepEqual(found && [found.host, found.port, found.secure], want, text);
  };
  check('localhost:4317', ['localhost', 4317, null]);
  check('http://localhost:4317', ['localhost', 4317, false]);
  check('https://collector.example:443/', ['collector.example', 443, true]);
  check('[::1]:4317', ['::1', 4317, null]);
  check('localhost', null);
  check(':4317', null);
  check('localhost:0', null);
  check('http://localhost:4317/v1/traces', null);
  check('unix:///run/x', null);
  check('', null);
});

test('otlp exporters: defaults are the Collector\'s, but for what is said', () => {
  const grpc = otlpExporter.schema.parse({ endpoint: 'localhost:1' });
  assert.deepEqual(
    [grpc.compression, grpc.timeout, grpc.tls.insecure, grpc.sending_queue.num_consumers],
    ['gzip', 5000, false, 10]);
  assert.deepEqual(grpc.retry_on_failure, {
    enabled: true, initial_interval: 5000, max_interval: 30_000, multiplier: 1.5,
    randomization_factor: 0.5, max_elapsed_time: 0,
  });
  const http = otlpHttpExporter.schema.parse({ endpoint: 'http://localhost:1' });
  assert.deepEqual([http.compression, http.timeout, http.encoding], ['gzip', 30_000, 'proto']);
});

test('otlp exporters: what is wrong or not built is refused by name', () => {
  const check = (schema: z.ZodType, config: object, path: string, sentence: RegExp) => {
    const result = schema.safeParse(config);
    assert.equal(result.success, false, path);
    const issue = result.error!.issues.find((one) => one.path.join('.') === path);
    const hint = (issue as { params?: { hint?: string } } | undefined)?.params?.hint ?? '';
    assert.match(`${issue?.message} ${hint}`, sentence, JSON.stringify(result.error!.issues));
  };
  const grpc = (config: object, path: string, sentence: RegExp) =>
    check(otlpExporter.schema, { endpoint: 'localhost:1', ...config }, path, sentence);
  const http = (config: object, path: string, sentence: RegExp) =>
    check(otlpHttpExporter.schema, config, path, sentence);
  grpc({ compression: 'zstd' }, 'compression', /gzip or none/);
  grpc({ sending_queue: { queue_size: 1000 } }, 'sending_queue.queue_size', /sizer to requests/);
  grpc({ sending_queue: { drop_oldest: true } }, 'sending_queue.drop_oldest', /block_on_overflow/);
  grpc({ sending_queue: { wait_for_result: true } }, 'sending_queue.wait_for_result', /enabled/);
  grpc({ sending_queue: { batch: {} } }, 'sending_queue.batch', /batch processor/);
  grpc({ auth: {} }, 'auth.authenticator', /expected string/);
  grpc({ tls: { cert_file: 'x' } }, 'tls', /belong together/);
  grpc({ tls: { ca_pem: 'x' } }, 'tls.ca_pem', /ca_file/);
  grpc({ headers: { 'a b': 'c' } }, 'headers.a b', /./);
  grpc({ headers: { a: 'c\n' } }, 'headers.a', /printable/);
  grpc({ keepalive: { time: '1ms' } }, 'keepalive.time', /at least/);
  http({}, 'endpoint', /required/);
  http({ endpoint: 'localhost:4318' }, 'endpoint', /URL/);
  http({ endpoint: 'http://x', proxy_url: 'http://y' }, 'proxy_url', /not supported/);
  const each = {
    traces_endpoint: 'http://a', metrics_endpoint: 'http://b', logs_endpoint: 'http://c',
  };
  assert.equal(otlpHttpExporter.schema.safeParse(each).success, true);
  const accepted = {
    endpoint: 'x:1', balancer_name: 'round_robin', sending_queue: {
      queue_size: 5, sizer: 'requests', storage: 'file_storage', block_on_overflow: false,
    },
  };
  assert.equal(otlpExporter.schema.safeParse(accepted).success, true);
  assert.equal(isSecret(otlpExporter.schema, ['headers', 'authorization']), true);
});
