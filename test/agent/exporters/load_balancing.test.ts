// The load balancing exporter towards real servers: what goes together stays together, the share of
// a backend that is away is sent again and nothing twice, backends come and go by name; keys of
// every kind; how even and how steady the ring is; the contract of exporters.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import {
  createLoadBalancing, loadBalancingExporter,
} from '../../../agent/exporters/load_balancing/exporter.ts';
import { divide, type KeyOptions } from '../../../agent/exporters/load_balancing/keys.ts';
import { createRing } from '../../../agent/exporters/load_balancing/ring.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import type { Consumer } from '../../../proto/contract/component.ts';
import { ACCEPTED, rejected, retryable } from '../../../proto/contract/outcome.ts';
import { createOtlpGrpcServer } from '../../../proto/grpc/server.ts';
import type { Signal } from '../../../proto/otlp/model.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { createWorld, type World } from '../../../runtime/world.ts';
import { checkConsumer } from '../../contract/check_consumer.ts';
import {
  createManualClock, createSink, inOrder, itemKeys, makeBatch, NEVER, NOW, testContext, text, until,
} from '../../contract/fakes.ts';

const QUICK = { initial_interval: '1ms', max_interval: '2ms' };
const OTLP = {
  tls: { insecure: true }, retry_on_failure: QUICK, sending_queue: { enabled: false },
};

async function startServer(world: World, consumer: Consumer, host = '127.0.0.1', port = 0) {
  const server = createOtlpGrpcServer({
    endpoint: { host, port }, setting: 'test', world, consumer,
  });
  await server.start();
  const endpoint = server.endpoint();
  return { address: `${endpoint.host}:${endpoint.port}`, port: endpoint.port,
    stop: () => server.stop(NOW) };
}

checkConsumer({
  name: 'load_balancing',
  create: async (next, context) => {
    const { world } = context;
    const servers = [await startServer(world, next), await startServer(world, next)];
    const config = loadBalancingExporter.schema.parse({
      protocol: { otlp: OTLP },
      resolver: { static: { hostnames: servers.map(({ address }) => address) } },
    });
    return {
      consumer: loadBalancingExporter.create(config, context, next),
      close: async () => void await Promise.all(servers.map((server) => server.stop())),
    };
  },
});

/** Three servers with a sink each, and an exporter for them that stops with the test. */
async function balanced(t: TestContext, settings: Record<string, unknown> = {}) {
  const world = createWorld();
  const sinks = [0, 1, 2].map(() => createSink());
  const servers = await Promise.all(sinks.map((sink) => startServer(world, sink)));
  const hostnames = servers.map(({ address }) => address);
  const counters = createCounters();
  const exporter = loadBalancingExporter.create(loadBalancingExporter.schema.parse({
    protocol: { otlp: OTLP }, resolver: { static: { hostnames } }, ...settings,
  }), testContext({ world, counters }), createSink());
  await exporter.start();
  t.after(async () => {
    await exporter.stop(NOW);
    await Promise.all(servers.map((server) => server.stop()));
  });
  return { exporter, sinks, counters, hostnames };
}

const hex = (number: number) => number.toString(16).padStart(32, '0');

/** Two spans of each of these traces. */
function tracesBatch(first: number, count: number): Batch<'traces'> {
  const { request } = makeBatch('traces', count * 2, { first });
  const [group] = request.resourceSpans;
  const [scope] = group!.scopeSpans;
  const spans = scope!.spans.map((span, index) =>
    ({ ...span, traceId: hex(first + (index % count) + 1) }));
  const built = Batch.fromRequest('traces',
    { resourceSpans: [{ ...group!, scopeSpans: [{ ...scope!, spans }] }] });
  return Batch.fromBytes('traces', built.bytes, `agent/1/${first}`);
}

const tracesOf = (batches: readonly Batch[]): Set<string> => new Set(batches.flatMap((batch) =>
  (batch as Batch<'traces'>).request.resourceSpans.flatMap(({ scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) => spans.map(({ traceId }) => traceId)))));

test('load_balancing: a trace goes to one backend, and each backend has its share', async (t) => {
  const { exporter, sinks } = await balanced(t);
  for (const first of [0, 30, 0, 60]) {
    const outcome = await exporter.consume(tracesBatch(first, 30), NEVER);
    assert.deepEqual(outcome, { status: 'accepted', rejected: 0 });
  }
  const traces = sinks.map(({ received }) => tracesOf(received));
  assert.equal(traces.reduce((sum, { size }) => sum + size, 0), 90);
  for (const { size } of traces) assert.ok(size > 10, `${size} of 90`);
  const items = sinks.flatMap(({ received }) => received.flatMap(itemKeys));
  assert.equal(items.length, 4 * 60);
});

test('load_balancing: what has the same routing_attributes goes to one backend', async (t) => {
  const { exporter, sinks } = await balanced(t,
    { routing_key: 'attributes', routing_attributes: ['team'] });
  const teams = Array.from({ length: 30 }, (_, number) => `team-${number}`);
  for (const round of [0, 1]) {
    const groups = teams.flatMap((team, first) => makeBatch('logs', 1,
      { first, resource: { team, round: String(round) } }).request.resourceLogs);
    const batch = Batch.fromRequest('logs', { resourceLogs: groups });
    assert.equal((await exporter.consume(batch, NEVER)).status, 'accepted');
  }
  const shares = sinks.map((sink) => sink.keys('accepted'));
  assert.equal(shares.flat().length, 2 * teams.length);
  for (const share of shares) {
    assert.ok(share.length > 0);
    assert.equal(new Set(share).size, share.length / 2, 'both of a team, or none');
  }
});

test('load_balancing: parts have ids of their own, the same for the same content', async (t) => {
  const { exporter, sinks } = await balanced(t);
  await exporter.consume(tracesBatch(0, 30), NEVER);
  await exporter.consume(tracesBatch(0, 30), NEVER);
  const ids = sinks.map(({ received }) => received.map(({ id }) => id));
  for (const [one, other] of ids) {
    assert.match(one!, /^agent\/1\/0\.[0-9a-f]{16}$/);
    assert.equal(one, other);
  }
  assert.equal(new Set(ids.flat()).size, 3);
});

test('load_balancing: only the share of a backend that is away is sent again', async (t) => {
  const { exporter, sinks, counters } = await balanced(t);
  sinks[1]!.answer(inOrder(retryable('away'), retryable('away'), ACCEPTED));
  const outcome = await exporter.consume(tracesBatch(0, 30), NEVER);
  assert.equal(outcome.status, 'accepted');
  assert.deepEqual(sinks.map(({ received }) => received.length), [1, 3, 1]);
  const accepted = sinks.flatMap((sink) => sink.keys('accepted'));
  assert.equal(new Set(accepted).size, 60);
  assert.equal(accepted.length, 60);
  const failed = counters.total('otelcol_loadbalancer_backend_outcome_total', { success: 'false' });
  assert.equal(failed, 2);
  assert.equal(counters.total('otelcol_loadbalancer_num_resolutions_total'), 1);
});

test('load_balancing: what one backend refuses is reported, the rest is accepted', async (t) => {
  const { exporter, sinks } = await balanced(t);
  sinks[0]!.answer(rejected('not here'));
  const outcome = await exporter.consume(tracesBatch(0, 30), NEVER);
  const refused = sinks[0]!.received[0]!.itemCount;
  assert.equal(outcome.status === 'accepted' && outcome.rejected, refused);
  for (const sink of sinks) sink.answer(rejected('nowhere'));
  assert.equal((await exporter.consume(tracesBatch(0, 30), NEVER)).status, 'rejected');
});

test('load_balancing: with a queue, what was accepted arrives after an outage', async (t) => {
  const { exporter, sinks } = await balanced(t,
    { protocol: { otlp: { ...OTLP, sending_queue: { enabled: true } } } });
  for (const sink of sinks) sink.answer(retryable('away'));
  assert.equal((await exporter.consume(tracesBatch(0, 30), NEVER)).status, 'accepted');
  for (const sink of sinks) sink.answer({ status: 'accepted', rejected: 0 });
  const arrived = () => sinks.flatMap((sink) => sink.keys('accepted'));
  await until(() => arrived().length === 60, 'all spans arrive');
  assert.equal(new Set(arrived()).size, 60);
});

test('load_balancing: backends of a name come and go', async (t) => {
  const clock = createManualClock();
  const world = { ...createWorld(), clock };
  const real = createWorld();
  const sinks = [createSink(), createSink()];
  const one = await startServer(real, sinks[0]!, '127.0.0.1');
  const other = await startServer(real, sinks[1]!, '127.0.0.2', one.port);
  let addresses: () => string[] = () => [];
  const config = loadBalancingExporter.schema.parse({
    protocol: { otlp: { ...OTLP, retry_on_failure: { enabled: false } } },
    resolver: { dns: { hostname: 'backends', port: one.port } },
  });
  const counters = createCounters();
  const exporter = createLoadBalancing(config, testContext({ world, counters }), async (host) => {
    assert.equal(host, 'backends');
    return addresses();
  });
  await exporter.start();
  t.after(async () => {
    await exporter.stop(NOW);
    await Promise.all([one.stop(), other.stop()]);
  });
  const backends = () => counters.series()
    .find(({ name }) => name === 'otelcol_loadbalancer_num_backends')!.value;
  const send = async (first: number) =>
    (await exporter.consume(tracesBatch(first, 30), NEVER)).status;
  assert.equal(await send(0), 'retryable');
  addresses = () => ['127.0.0.1'];
  await clock.advance(5000);
  assert.equal(await send(0), 'accepted');
  assert.deepEqual(sinks.map(({ received }) => received.length), [1, 0]);
  addresses = () => ['127.0.0.2', '127.0.0.1'];
  await clock.advance(5000);
  assert.equal(backends(), 2);
  assert.equal(await send(0), 'accepted');
  assert.deepEqual(sinks.map(({ received }) => received.length), [2, 1]);
  // A name that cannot be looked up for a while takes no backend away.
  addresses = () => {
    throw new Error('the server of names is away');
  };
  await clock.advance(5000);
  assert.equal(backends(), 2);
  assert.equal(await send(0), 'accepted');
  addresses = () => ['127.0.0.2'];
  await clock.advance(5000);
  assert.equal(await send(30), 'accepted');
  assert.equal(sinks[1]!.received.at(-1)!.itemCount, 60);
});

test('load_balancing: keys', () => {
  const check = (signal: Signal, options: Partial<KeyOptions>, batch: Batch, want: string[]) => {
    const keys = new Set<string>();
    const all = { routingKey: undefined, attributes: [], ...options };
    divide(batch, all, (key) => {
      keys.add(key);
      return key;
    });
    assert.deepEqual([...keys], want, `${signal} ${options.routingKey}`);
  };
  const trace = '5b8efff798038103d269b633813fc60c';
  const time = '1767225600000000000';
  check('traces', {}, makeBatch('traces', 2), [trace]);
  check('logs', {}, makeBatch('logs', 2), [`${time}/${time}`]);
  check('metrics', {}, makeBatch('metrics', 2), ['test']);
  check('traces', { routingKey: 'service' }, makeBatch('traces', 2), ['test']);
  check('metrics', { routingKey: 'metric' }, makeBatch('metrics', 2), ['item-0', 'item-1']);
  check('logs', { routingKey: 'resource' }, makeBatch('logs', 1), ['service.name\x01test']);
  check('traces', { routingKey: 'attributes', attributes: ['service.name', 'span.name', 'none'] },
    makeBatch('traces', 2), ['test\0item-0\0', 'test\0item-1\0']);
  check('metrics', { routingKey: 'attributes', attributes: ['test.attribute'] },
    makeBatch('metrics', 2), ['value']);
});

test('load_balancing: streams of one metric are divided, and nothing is lost', () => {
  const { request } = makeBatch('metrics', 1);
  const [group] = request.resourceMetrics;
  const [scope] = group!.scopeMetrics;
  const [metric] = scope!.metrics;
  const data = metric!.data!;
  assert.equal(data.type, 'gauge');
  const dataPoints = ['a', 'b', 'c', 'a'].map((host) =>
    ({ ...(data.type === 'gauge' ? data.dataPoints[0]! : assert.fail()),
      attributes: [text('host', host)] }));
  const batch = Batch.fromRequest('metrics', { resourceMetrics: [{ ...group!, scopeMetrics: [
    { ...scope!, metrics: [{ ...metric!, data: { type: 'gauge', dataPoints } }] }] }] });
  const options = { routingKey: 'streamID', attributes: [] } as const;
  const parts = divide(batch, options, (key) => key.slice(-1));
  assert.deepEqual([...parts].map(([backend, { itemCount }]) => [backend, itemCount]),
    [['a', 2], ['b', 1], ['c', 1]]);
});

test('load_balancing: the ring is even, and moves little', () => {
  const names = Array.from({ length: 10 }, (_, index) => `10.0.0.${index}:4317`);
  const ring = createRing(names);
  const fewer = createRing(names.slice(1));
  const shares = new Map<string, number>();
  let moved = 0;
  for (let index = 0; index < 20_000; index += 1) {
    const backend = ring.backendOf(hex(index));
    shares.set(backend, (shares.get(backend) ?? 0) + 1);
    if (backend !== names[0] && fewer.backendOf(hex(index)) !== backend) moved += 1;
  }
  assert.equal(moved, 0);
  for (const [name, share] of shares) assert.ok(share > 1300 && share < 2700, `${name}: ${share}`);
});

test('load_balancing: settings that are refused', () => {
  const otlp = { tls: { insecure: true } };
  const check = (settings: object, why: RegExp) => {
    const result = loadBalancingExporter.schema.safeParse({ protocol: { otlp }, ...settings });
    const { issues = [] } = result.error ?? {};
    assert.match(issues.map(({ message, path }) => `${path.join('.')} ${message}`).join(), why);
  };
  const resolver = { static: { hostnames: ['a:1'] } };
  check({ resolver: {} }, /needs one of static and dns/);
  check({ resolver: { ...resolver, k8s: { service: 'x' } } }, /k8s is not supported/);
  check({ resolver: { aws_cloud_map: {} } }, /aws_cloud_map is not supported/);
  check({ resolver: { static: { hostnames: [':4317'] } } }, /not the address/);
  check({ resolver, routing_key: 'attributes' }, /belongs to routing_key/);
  check({ resolver, protocol: { otlp: { ...otlp, endpoint: 'a:1' } } }, /protocol\.otlp /);
  const parsed = loadBalancingExporter.schema.parse({ protocol: { otlp }, resolver:
    { static: { hostnames: ['backend', 'b:1'] } } });
  assert.deepEqual(parsed.resolver.static!.hostnames, ['backend:4317', 'b:1']);
});
