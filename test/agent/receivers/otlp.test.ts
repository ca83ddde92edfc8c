// Proves that the OTLP receiver keeps the contract of receivers and what OTLP asks of a server,
// over both protocols, and that its configuration is the Collector's.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { otlpReceiver } from '../../../agent/receivers/otlp.ts';
import type { Sender } from '../../../proto/contract/arrival.ts';
import type { Component, Consumer, Receiver } from '../../../proto/contract/component.ts';
import { createOtlpGrpcClient } from '../../../proto/grpc/client.ts';
import { createOtlpHttpClient } from '../../../proto/http/client.ts';
import { createCounters, type Counters } from '../../../runtime/counters.ts';
import { OperatorError } from '../../../runtime/errors.ts';
import { parseEndpoint, type Endpoint } from '../../../runtime/net.ts';
import type { World } from '../../../runtime/world.ts';
import { checkReceiver } from '../../contract/check_receiver.ts';
import {
  batchOfKeys, createRecordingLog, createSink, makeBatch, NEVER, NOW, temporaryFolder, testContext,
} from '../../contract/fakes.ts';
import { withoutLeaks } from '../../contract/leaks.ts';
import { createAuthority } from '../../proto/certificate.ts';
import { checkGrpcServer } from '../../proto/grpc/conformance.ts';
import { openClient } from '../../proto/grpc/peer.ts';
import { checkHttpServer } from '../../proto/http/conformance.ts';

type Protocol = 'grpc' | 'http';

const NAMES = { grpc: 'OTLP gRPC', http: 'OTLP HTTP' };

function addressOf(receiver: Receiver, protocol: Protocol): Endpoint {
  return parseEndpoint(receiver.addresses!()[NAMES[protocol]]!)!;
}

const parse = (protocols: unknown) => otlpReceiver.schema.parse({ protocols });

/** A receiver of one protocol on a free port. */
function create(
  protocol: Protocol,
  settings: object,
  next: Consumer,
  world: World,
  counters: Counters,
): Component & { endpoint(): Endpoint } {
  const config = parse({ [protocol]: { endpoint: '127.0.0.1:0', ...settings } });
  const receiver = otlpReceiver.create(config, testContext({ world, counters, id: 'otlp' }), next);
  return { ...receiver, endpoint: () => addressOf(receiver, protocol) };
}

checkGrpcServer({
  name: 'otlp receiver',
  create: (next, world, counters) =>
    create('grpc', { max_recv_msg_size_mib: 1 }, next, world, counters),
});

checkHttpServer({
  name: 'otlp receiver',
  create: (next, world, counters) =>
    create('http', { max_request_body_size: '1MiB' }, next, world, counters),
});

for (const protocol of ['grpc', 'http'] as const) {
  checkReceiver({
    name: `otlp receiver, ${protocol}`,
    create: (next, context) => {
      const config = parse({ [protocol]: { endpoint: '127.0.0.1:0' } });
      const receiver = otlpReceiver.create(config, context, next);
      let sender: Sender | undefined;
      const open = () => clientOf(protocol, addressOf(receiver, protocol), context.world);
      return {
        receiver,
        offer: async (keys, abort) => {
          sender ??= open();
          const batch = batchOfKeys('logs', keys);
          for (let attempt = 0; !abort.aborted; attempt++) {
            const outcome = await sender.send(batch, attempt, abort);
            if (outcome.status === 'rejected') return keys;
            if (outcome.status === 'accepted') return [];
            await context.world.clock.sleep(1, abort);
          }
          return [];
        },
        close: async () => sender?.close(),
      };
    },
  });
}

function clientOf(protocol: Protocol, endpoint: Endpoint, { clock }: World): Sender {
  const options = { clock, compression: 'gzip', timeoutMs: 10_000 } as const;
  if (protocol === 'grpc') return createOtlpGrpcClient({ ...options, endpoint, tls: null });
  const url = `http://127.0.0.1:${endpoint.port}/v1`;
  const urls = { traces: `${url}/traces`, metrics: `${url}/metrics`, logs: `${url}/logs` };
  return createOtlpHttpClient({ ...options, urls, encoding: 'json' });
}

test('otlp receiver: both protocols at once, and nothing stays under way', async () => {
  await withoutLeaks(async (world) => {
    const counters = createCounters();
    const sink = createSink();
    const local = { endpoint: '127.0.0.1:0' };
    const context = testContext({ world, counters, id: 'otlp' });
    const receiver = otlpReceiver.create(parse({ grpc: local, http: local }), context, sink);
    assert.deepEqual(receiver.addresses!(), {});
    await receiver.start();
    const grpc = clientOf('grpc', addressOf(receiver, 'grpc'), world);
    const http = clientOf('http', addressOf(receiver, 'http'), world);
    await grpc.send(makeBatch('traces', 3), 0, NEVER);
    sink.answer({ status: 'accepted', rejected: 2, reason: 'old' });
    await http.send(makeBatch('logs', 5), 0, NEVER);
    assert.deepEqual(sink.deliveries.map(({ batch }) => batch.itemCount), [3, 5]);
    assert.equal(counters.total('binnacle_otlp_in_flight_bytes', { receiver: 'otlp' }), 0);
    assert.equal(counters.total('binnacle_otlp_in_flight_requests', { receiver: 'otlp' }), 0);
    await Promise.all([grpc.close(), http.close()]);
    await receiver.stop(NEVER);
  });
});

test('otlp receiver: when one port is taken the other is given back', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as AddressInfo;
  await withoutLeaks(async (world) => {
    const config = parse({
      grpc: { endpoint: '127.0.0.1:0' }, http: { endpoint: `127.0.0.1:${port}` },
    });
    const context = testContext({ world, id: 'otlp/x' });
    const receiver = otlpReceiver.create(config, context, createSink());
    await assert.rejects(receiver.start(), (error) => {
      assert.ok(error instanceof OperatorError);
      assert.match(error.hint, /set receivers\.otlp\/x\.protocols\.http\.endpoint to another port/);
      return true;
    });
    await receiver.stop(NOW);
  });
  taken.close();
});

test('otlp receiver: paths and sizes are those of the configuration', async () => {
  await withoutLeaks(async (world) => {
    const sink = createSink();
    const server = create('http', { logs_url_path: '/my/logs', max_request_body_size: 10 }, sink,
      world, createCounters());
    await server.start();
    const post = async (path: string, body: string) => {
      const reply = await fetch(`http://127.0.0.1:${server.endpoint().port}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', connection: 'close' },
        body,
      });
      await reply.arrayBuffer();
      return reply.status;
    };
    assert.equal(await post('/my/logs', '{}'), 200);
    assert.equal(await post('/v1/logs', '{}'), 404);
    assert.equal(await post('/v1/traces', '{}'), 200);
    assert.equal(await post('/v1/traces', '{"x": "12345"}'), 413);
    await server.stop(NEVER);
  });
});

test('otlp receiver: a protocol is on when it is named', async () => {
  const both = parse({ grpc: null, http: null }).protocols;
  assert.deepEqual(both.grpc?.endpoint, { host: 'localhost', port: 4317 });
  assert.deepEqual(both.http?.endpoint, { host: 'localhost', port: 4318 });
  assert.equal(both.grpc.max_recv_msg_size_mib, 4);
  assert.equal(both.http.max_request_body_size, 20 * 1024 * 1024);
  assert.equal(parse({ grpc: {} }).protocols.http, undefined);
  await withoutLeaks(async (world) => {
    const server = create('grpc', {}, createSink(), world, createCounters());
    await server.start();
    const client = openClient(server.endpoint());
    assert.equal((await client.call(new Uint8Array(0))).code, 0);
    client.close();
    await server.stop(NEVER);
  });
});

test('otlp receiver: one that anybody can reach says so, once', async () => {
  const folder = temporaryFolder();
  const { cert, key } = createAuthority('here');
  writeFileSync(join(folder, 'cert.pem'), cert);
  writeFileSync(join(folder, 'key.pem'), key);
  const tls = { cert_file: join(folder, 'cert.pem'), key_file: join(folder, 'key.pem') };
  const mutual = { ...tls, client_ca_file: tls.cert_file };
  const warnings = async (protocols: unknown) => {
    const log = createRecordingLog();
    await withoutLeaks(async (world) => {
      const context = { ...testContext({ world, id: 'otlp/apps' }), log };
      const receiver = otlpReceiver.create(parse(protocols), context, createSink());
      await receiver.start();
      await receiver.stop(NEVER);
    });
    return log.lines.filter(({ level }) => level === 'warn').map(({ message }) => message);
  };
  const open = '0.0.0.0:0';
  const near = '127.0.0.1:0';
  assert.deepEqual(await warnings({ grpc: { endpoint: near }, http: { endpoint: near } }), []);
  assert.deepEqual(await warnings({ grpc: { endpoint: open, tls: mutual } }), []);
  const [both, ...rest] = await warnings({ grpc: { endpoint: open }, http: { endpoint: ':0' } });
  assert.match(both!, /0\.0\.0\.0:0 and 0\.0\.0\.0:0 can send .*read .*receivers\.otlp\/apps/);
  assert.deepEqual(rest, []);
  const [secret] = await warnings({ http: { endpoint: open, tls } });
  assert.match(secret!, /can send data as anybody; bind/);
});

test('otlp receiver: what is wrong or not built is refused by name', () => {
  const check = (protocols: unknown, path: string, sentence: RegExp) => {
    const result = otlpReceiver.schema.safeParse({ protocols });
    assert.equal(result.success, false, path);
    const issue = result.error!.issues.find((one) => one.path.join('.') === path);
    const hint = (issue as { params?: { hint?: string } } | undefined)?.params?.hint ?? '';
    assert.match(`${issue?.message} ${hint}`, sentence, JSON.stringify(result.error!.issues));
  };
  check({}, 'protocols', /names no protocol/);
  check({ grpc: { auth: { authenticator: 'x', request_params: ['y'] } } },
    'protocols.grpc.auth.request_params', /not supported/);
  check({ http: { include_metadata: true } }, 'protocols.http.include_metadata', /not supported/);
  check({ http: { response_headers: { a: 'b' } } }, 'protocols.http.response_headers', /supported/);
  check({ http: { logs_url_path: 'v1/logs' } }, 'protocols.http.logs_url_path', /must be a path/);
  check({ grpc: { transport: 'unix' } }, 'protocols.grpc.transport', /only tcp/);
  check({ grpc: { max_recv_msg_size_mib: 0 } }, 'protocols.grpc.max_recv_msg_size_mib', /./);
  check({ grpc: { endpoint: 'nowhere' } }, 'protocols.grpc.endpoint', /not an endpoint/);
  const accepted = {
    grpc: {
      read_buffer_size: 524288, include_metadata: false,
      keepalive: { enforcement_policy: { min_time: '10s' }, server_parameters: { time: '30s' } },
    },
    http: { compression_algorithms: ['', 'gzip'], cors: { allowed_origins: ['*'], max_age: 7200 } },
  };
  assert.equal(parse(accepted).protocols.grpc?.keepalive.server_parameters.time, 30_000);
});
