// The connector service_graph: pairs of spans in any order and in different batches, databases,
// messages, sides that send no spans, dimensions, bounds, weights, and random traffic against a
// plain count of who called whom.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serviceGraphConnector } from '../../../agent/connectors/service_graph/connector.ts';
import type { Consumer } from '../../../proto/contract/component.ts';
import { ACCEPTED } from '../../../proto/contract/outcome.ts';
import type { HistogramDataPoint } from '../../../proto/otlp/model.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { createSeededRandom } from '../../../runtime/random.ts';
import { checkConnector } from '../../contract/check_connector.ts';
import { settle } from '../../../runtime/manual_clock.ts';
import {
  createManualClock, createSink, NEVER, testContext, type Sink,
} from '../../contract/fakes.ts';
import { flatPoints, labelText, numberOf } from '../series/made.ts';
import {
  CLIENT, CONSUMER, ERROR, PRODUCER, SERVER, spanBatch, type MadeSpan,
} from './spans.ts';

const build = (settings: object, next: Consumer, context = testContext()) =>
  serviceGraphConnector.create(serviceGraphConnector.schema.parse(settings), context, next);

const pair = (id: string, more: Partial<MadeSpan> = {}): MadeSpan[] => [
  { service: 'shop', kind: CLIENT, trace: id, id, took: 5, ...more },
  { service: 'cart', kind: SERVER, trace: id, id: `${id}1`, parent: id, took: 3, ...more },
];

/** Requests by labels, as the last accepted report says. */
function totals(sink: Sink, name = 'request_total'): Record<string, number> {
  const points = flatPoints(sink.deliveries.filter(({ outcome }) =>
    outcome.status === 'accepted').map(({ batch }) => batch));
  return Object.fromEntries(points.filter(({ metric }) => metric.name.endsWith(name))
    .map(({ point }) => [labelText(point.attributes), numberOf(point)]));
}

checkConnector({
  name: 'service_graph',
  create: (next, context) => build({ metrics_flush_interval: '5ms' }, next, context),
  batch: (first, items) => spanBatch(Array.from({ length: items / 2 }, (_, index) =>
    pair(String(first + index))).flat()),
  counted: (batches) => {
    const last = new Map(flatPoints(batches).filter(({ metric }) =>
      metric.name.endsWith('request_total')).map(({ series, point }) => [series, numberOf(point)]));
    return 2 * [...last.values()].reduce((sum, one) => sum + one, 0);
  },
});

function withClock(settings: object = {}) {
  const clock = createManualClock();
  const counters = createCounters();
  const sink = createSink();
  const connector = build(settings, sink,
    testContext({ counters, world: { ...testContext().world, clock } }));
  const send = async (...spans: MadeSpan[]) =>
    assert.deepEqual(await connector.consume(spanBatch(spans), NEVER), ACCEPTED);
  return { clock, counters, sink, connector, send };
}

const label = (client: string, server: string, type = '', failed = false, more = '') =>
  `{client=${client},connection_type=${type},failed=${failed},server=${server}${more}}`;

test('service_graph: both sides, in any order, in one batch or two', async () => {
  const { connector, send, sink } = withClock();
  await connector.start();
  await send(...pair('1'));
  await send(...pair('2').reverse());
  const [client, server] = pair('3', { status: ERROR });
  await send(client!);
  await send({ kind: 1, trace: '9', id: '9' }, server!);
  await connector.stop(NEVER);
  assert.deepEqual(totals(sink),
    { [label('shop', 'cart')]: 2, [label('shop', 'cart', '', true)]: 1 });
  assert.deepEqual(totals(sink, 'failed_total'), { [label('shop', 'cart', '', true)]: 1 });
  const histograms = flatPoints(sink.received).filter(({ metric }) => metric.unit === 's');
  const of = (name: string) => histograms.find(({ metric }) =>
    metric.name === `traces_service_graph_request_${name}_seconds`)!.point as HistogramDataPoint;
  assert.deepEqual([of('server').count, of('server').sum, of('server').bucketCounts[1]],
    [2n, 0.006, 2n]);
  assert.deepEqual([of('client').count, of('client').sum, of('client').bucketCounts[2]],
    [2n, 0.01, 2n]);
});

test('service_graph: databases, messages, and sides that send no spans', async () => {
  const { clock, connector, counters, send, sink } =
    withClock({ virtual_node_extra_label: true });
  await connector.start();
  await send(
    { service: 'shop', kind: CLIENT, trace: '1', id: '1', attributes: { 'db.name': 'orders' } },
    { service: 'shop', kind: CLIENT, trace: '2', id: '2', attributes: { 'db.namespace': 'old' } },
    { service: 'shop', kind: PRODUCER, trace: '3', id: '3' },
    { service: 'mail', kind: CONSUMER, trace: '3', id: '4', parent: '3' },
    { service: 'shop', kind: CLIENT, trace: '5', id: '5', attributes: { 'peer.service': 'bank' } },
    { service: 'shop', kind: CLIENT, trace: '6', id: '6' },
    { service: 'shop', kind: SERVER, trace: '7', id: '7' },
    { service: 'shop', kind: SERVER, trace: '8', id: '8', parent: '77' },
    { service: '', kind: SERVER, trace: '9', id: '9' },
  );
  await clock.advance(4000);
  assert.equal(counters.total('otelcol_connector_servicegraph_expired_edges_total'), 4);
  await connector.stop(NEVER);
  const node = (side: string) => `,virtual_node=${side}`;
  assert.deepEqual(totals(sink), {
    [label('shop', 'orders', 'database', false, node(''))]: 1,
    [label('shop', 'old', 'database', false, node(''))]: 1,
    [label('shop', 'mail', 'messaging_system', false, node(''))]: 1,
    [label('shop', 'bank', 'virtual_node', false, node('server'))]: 1,
    [label('shop', 'unknown', 'virtual_node', false, node('server'))]: 1,
    [label('user', 'shop', 'virtual_node', false, node('client'))]: 1,
  });
});

test('service_graph: databases are known by the attributes that are named', async () => {
  const { connector, send, sink } = withClock({
    database_name_attributes: ['store', 'db.name'], virtual_node_peer_attributes: [],
  });
  await connector.start();
  await send(
    { service: 'shop', kind: CLIENT, trace: '1', id: '1',
      attributes: { 'db.name': 'orders', store: 'blue' } },
    { service: 'shop', kind: CLIENT, trace: '2', id: '2', attributes: { 'db.name': 'orders' } },
    { service: 'shop', kind: CLIENT, trace: '3', id: '3', attributes: { 'db.namespace': 'old' } },
  );
  await connector.stop(NEVER);
  assert.deepEqual(totals(sink), {
    [label('shop', 'blue', 'database')]: 1, [label('shop', 'orders', 'database')]: 1,
  });
});

test('service_graph: without peers to look for there are no virtual nodes', async () => {
  const { connector, send, sink } = withClock({ virtual_node_peer_attributes: [] });
  await connector.start();
  await send({ kind: SERVER, trace: '7', id: '7' }, { kind: CLIENT, trace: '6', id: '6' });
  await connector.stop(NEVER);
  assert.equal(sink.received.length, 0);
});

test('service_graph: dimensions of both sides, exponential, offset, weights', async () => {
  const { clock, connector, send, sink } = withClock({ dimensions: ['region'],
    exponential_histogram_max_size: 8, metrics_timestamp_offset: '10s' });
  await connector.start();
  const [client, server] = pair('1', { traceState: 'ot=th:c' });
  await send({ ...client!, attributes: { region: 'eu' } },
    { ...server!, attributes: { region: 'us' } });
  await connector.stop(NEVER);
  assert.deepEqual(Object.values(totals(sink)), [4]);
  const [name] = Object.keys(totals(sink));
  assert.match(name!, /client_region=eu.*server_region=us/);
  const { metric, point } = flatPoints(sink.received).at(-1)!;
  assert.equal(metric.data!.type, 'exponentialHistogram');
  assert.ok(Number(point.timeUnixNano / 1_000_000n) <= clock.nowMs() - 9999);
  const plain = withClock({ sampling_weights: false });
  await plain.connector.start();
  await plain.send(...pair('1', { traceState: 'ot=th:c' }));
  await plain.connector.stop(NEVER);
  assert.deepEqual(Object.values(totals(plain.sink)), [1]);
});

test('service_graph: so many wait and no more, and nobody too long', async () => {
  const { clock, connector, counters, send } =
    withClock({ store: { max_items: 2, ttl: '1s' }, store_expiration_loop: '10s' });
  await connector.start();
  const waits = (id: string) => ({ service: 'shop', kind: CLIENT, trace: id, id });
  await send(waits('1'), waits('2'), waits('3'));
  const dropped = () => counters.total('otelcol_connector_servicegraph_dropped_spans_total');
  assert.equal(dropped(), 1);
  await clock.advance(1500);
  await send(waits('4'));
  assert.equal(dropped(), 1, 'the old ones made room');
  assert.equal(counters.total('otelcol_connector_servicegraph_expired_edges_total'), 2);
  await connector.stop(NEVER);
  assert.equal(clock.pending(), 0);
});

test('service_graph: a report after each batch, and series that go', async () => {
  const { clock, connector, counters, send, sink } = withClock({ metrics_flush_interval: '0' });
  await connector.start();
  await send(...pair('1'));
  await settle();
  assert.deepEqual(totals(sink), { [label('shop', 'cart')]: 1 });
  await clock.advance(16 * 60_000);
  await send({ ...pair('2')[0]!, attributes: { 'db.name': 'orders' } });
  await settle();
  assert.equal(counters.total('binnacle_series_tracked'), 3);
  await connector.stop(NEVER);
});

test('service_graph: random traffic gives who called whom, how often', async () => {
  const random = createSeededRandom(6);
  const { connector, send, sink } = withClock({ store: { max_items: 10_000 } });
  await connector.start();
  const services = ['a', 'b', 'c', 'd'];
  const want = new Map<string, number>();
  const spans: MadeSpan[] = [];
  for (let index = 0; index < 2000; index++) {
    const [client, server] = [0, 1].map(() => services[Math.floor(random.float() * 4)]!);
    const failed = random.float() < 0.1;
    const name = label(client!, server!, '', failed);
    want.set(name, (want.get(name) ?? 0) + 1);
    const [one, other] = pair(String(index));
    spans.push({ ...one!, service: client!, ...(failed ? { status: ERROR } : {}) },
      { ...other!, service: server! });
  }
  spans.sort(() => random.float() - 0.5);
  for (let from = 0; from < spans.length; from += 100) await send(...spans.slice(from, from + 100));
  await connector.stop(NEVER);
  assert.deepEqual(totals(sink), Object.fromEntries(want));
});

test('service_graph: wrong settings are refused', () => {
  for (const settings of [
    { latency_histogram_buckets: ['2s', '1s'] }, { store: { max_items: 0 } },
    { database_name_attribute: 'db.name' }, { store: { ttl: '0' } }, { dimensions: [''] },
  ]) {
    const { success } = serviceGraphConnector.schema.safeParse(settings);
    assert.equal(success, false, JSON.stringify(settings));
  }
  serviceGraphConnector.schema.parse({ cache_loop: '1m', metrics_exporter: 'x' });
});
