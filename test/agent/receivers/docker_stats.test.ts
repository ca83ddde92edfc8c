// Proves that statistics of containers become the Collector's metrics, that containers are chosen,
// named and labelled as configured, and that an engine which is away or a container that ends costs
// nothing but its own numbers. The engine is a stand-in (docker_engine/stand_in.ts); its statistics
// follow the API's reference for both versions of control groups.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import {
  BLOCK_IO_FIELDS, containerMetrics, MEMORY_FIELDS, NETWORK_FIELDS,
} from '../../../agent/receivers/docker_stats/metrics.ts';
import { dockerStatsReceiver } from '../../../agent/receivers/docker_stats/receiver.ts';
import { statsSamples } from '../../../agent/receivers/docker_stats/samples.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { checkReceiver } from '../../contract/check_receiver.ts';
import {
  createRecordingLog, createSink, NEVER, testContext, until,
} from '../../contract/fakes.ts';
import { createStandIn, type StandIn } from '../docker_engine/stand_in.ts';
import { pointsOf, valuesOf } from './host_metrics/readings.ts';

const V2 = {
  cpu_stats: {
    cpu_usage: { total_usage: 3000, usage_in_usermode: 2000, usage_in_kernelmode: 1000 },
    system_cpu_usage: 20_000, online_cpus: 4,
    throttling_data: { periods: 1, throttled_periods: 2, throttled_time: 3 },
  },
  precpu_stats: { cpu_usage: { total_usage: 1000 }, system_cpu_usage: 10_000 },
  memory_stats: {
    usage: 1000, limit: 4000, stats: { anon: 500, file: 400, inactive_file: 200, pgfault: 7 },
  },
  blkio_stats: {
    io_service_bytes_recursive: [{ major: 8, minor: 0, op: 'Read', value: 9 }],
    io_serviced_recursive: null,
  },
  networks: { eth0: { rx_bytes: 1, tx_bytes: 2, rx_dropped: 3, tx_dropped: 4 } },
  pids_stats: { current: 5, limit: 18446744073709551615 },
};

test('docker_stats: control groups of version 2', () => {
  const { samples, moment } = statsSamples(V2, null);
  assert.deepEqual(moment, { total: 3000, system: 20_000 });
  assert.deepEqual(valuesOf(samples), {
    'container.cpu.usage.total': 3000,
    'container.cpu.usage.usermode': 2000,
    'container.cpu.usage.kernelmode': 1000,
    'container.cpu.usage.system': 20_000,
    'container.cpu.logical.count': 4,
    'container.cpu.throttling_data.periods': 1,
    'container.cpu.throttling_data.throttled_periods': 2,
    'container.cpu.throttling_data.throttled_time': 3,
    'container.cpu.utilization': 80,
    'container.memory.usage.total': 800,
    'container.memory.usage.limit': 4000,
    'container.memory.percent': 20,
    'container.memory.anon': 500,
    'container.memory.file': 400,
    'container.memory.inactive_file': 200,
    'container.memory.pgfault': 7,
    'container.blockio.io_service_bytes_recursive device_major=8 device_minor=0 operation=read': 9,
    'container.network.io.usage.rx_bytes interface=eth0': 1,
    'container.network.io.usage.tx_bytes interface=eth0': 2,
    'container.network.io.usage.rx_dropped interface=eth0': 3,
    'container.network.io.usage.tx_dropped interface=eth0': 4,
    'container.pids.count': 5,
  });
});

test('docker_stats: control groups of version 1, and what came before', () => {
  const stats = {
    cpu_stats: { cpu_usage: { total_usage: 500, percpu_usage: [1, 2] }, system_cpu_usage: 2000 },
    memory_stats: { usage: 1000, max_usage: 1500, failcnt: 3, limit: 2000,
      stats: { total_inactive_file: 100, inactive_file: 999, total_cache: 300, rss: 5 } },
  };
  const values = valuesOf(statsSamples(stats, { total: 0, system: 1000 }).samples);
  assert.equal(values['container.cpu.utilization'], 100);
  assert.equal(values['container.cpu.usage.percpu core=cpu1'], 2);
  assert.equal(values['container.cpu.logical.count'], 2);
  assert.equal(values['container.memory.usage.total'], 900);
  assert.equal(values['container.memory.usage.max'], 1500);
  assert.equal(values['container.memory.fails'], 3);
  assert.equal(values['container.memory.total_cache'], 300);
});

test('docker_stats: answers of any shape leave nothing behind', () => {
  for (const stats of [null, [], 'x', { cpu_stats: [], networks: null, blkio_stats: 3 }, {}]) {
    const found = valuesOf(statsSamples(stats, null).samples);
    assert.deepEqual(found, {}, JSON.stringify(stats));
  }
});

const running = async (engine: StandIn, config: object, count = 1) => {
  const sink = createSink();
  const log = createRecordingLog();
  const counters = createCounters();
  const receiver = dockerStatsReceiver.create(dockerStatsReceiver.schema.parse({
    endpoint: engine.endpoint, collection_interval: '20ms', initial_delay: '0s', ...config,
  }), testContext({ log, counters, id: 'docker_stats' }), sink);
  await receiver.start();
  await until(() => sink.received.length >= count, 'collections');
  await receiver.stop(NEVER);
  return { sink, log, counters };
};

test('docker_stats: resources, labels, chosen images and metrics', async () => {
  const engine = createStandIn();
  await engine.listen();
  engine.add({ id: 'a', name: 'shop', image: 'team/shop:1', stats: V2, restarts: 2,
    labels: { team: 'x' }, env: ['STAGE=prod', 'EMPTY=', 'A=b=c'] });
  engine.add({ id: 'b', image: 'k8s/pause:3', stats: V2 });
  engine.add({ id: 'c', state: 'exited', stats: V2 });
  const { sink } = await running(engine, {
    excluded_images: ['*/pause*'],
    container_labels_to_metric_labels: { team: 'team_name', none: 'never' },
    env_vars_to_metric_labels: { STAGE: 'stage', EMPTY: 'never', A: 'a' },
    metrics: {
      'container.restarts': { enabled: true }, 'container.uptime': { enabled: true },
      'container.status': { enabled: true }, 'container.cpu.limit': { enabled: true },
      'container.memory.file': { enabled: false },
    },
    resource_attributes: {
      'container.command_line': { enabled: true }, 'container.hostname': { enabled: false },
    },
  });
  await engine.close();
  const points = pointsOf(sink.received[0]!);
  const { resource, point, metric } = points.get('container.cpu.usage.total')!;
  assert.deepEqual(Object.fromEntries(resource.map(({ key, value }) => [key, value.value])), {
    'container.runtime': 'docker', 'container.id': 'a', 'container.image.name': 'team/shop:1',
    'container.name': 'shop', 'container.command_line': 'app --serve all',
    team_name: 'x', stage: 'prod', a: 'b=c',
  });
  assert.equal(point.startTimeUnixNano, BigInt(Date.UTC(2026, 0, 2)) * 1_000_000n + 500_000_000n);
  assert.equal(metric.data!.type, 'sum');
  assert.equal(points.get('container.restarts')!.value, 2);
  assert.equal(points.get('container.cpu.limit')!.value, 1.5);
  assert.equal(points.get('container.status status=running')!.value, 1);
  assert.equal(points.get('container.status status=exited')!.value, 0);
  assert.ok(points.get('container.uptime')!.value > 0);
  assert.equal(points.has('container.memory.file'), false);
  assert.ok(sink.received.every((batch) => batch.is('metrics')
    && batch.request.resourceMetrics.length === 1));
});

/** Statistics with every field that a metric is made of, each with a number of its own. */
function everyField() {
  let next = 100;
  const own = (fields: readonly string[]) =>
    Object.fromEntries(fields.map((field) => [field, next++]));
  const blocks = BLOCK_IO_FIELDS.map((field) =>
    [field, [{ major: 8, minor: 0, op: 'Read', value: next++ }]] as const);
  return {
    cpu_stats: {
      cpu_usage: { ...own(['total_usage', 'usage_in_usermode', 'usage_in_kernelmode']),
        percpu_usage: [next++] },
      ...own(['system_cpu_usage', 'online_cpus']),
      throttling_data: own(['periods', 'throttled_periods', 'throttled_time']),
    },
    precpu_stats: { cpu_usage: { total_usage: 1 }, system_cpu_usage: 1 },
    memory_stats: { ...own(['usage', 'max_usage', 'limit', 'failcnt']),
      stats: own(MEMORY_FIELDS) },
    blkio_stats: Object.fromEntries(blocks),
    networks: { eth0: own(NETWORK_FIELDS) },
    pids_stats: own(['current', 'limit']),
  };
}

test('docker_stats: each metric comes when it is switched on, and only then', async () => {
  const engine = createStandIn();
  await engine.listen();
  const stats = everyField();
  engine.add({ id: 'a', stats });
  const names = containerMetrics.map(({ name }) => name);
  const switched = async (enabled: boolean) => {
    const metrics = Object.fromEntries(names.map((name) => [name, { enabled }]));
    // One that is always there, so that there is something to wait for.
    const { sink } = await running(engine, {
      metrics: { ...metrics, 'container.restarts': { enabled: true } },
    });
    return pointsOf(sink.received[0]!);
  };
  const on = await switched(true);
  assert.deepEqual([...new Set([...on.values()].map(({ metric }) => metric.name))].sort(),
    [...names].sort());
  for (const field of MEMORY_FIELDS) {
    assert.equal(on.get(`container.memory.${field}`)!.value, stats.memory_stats.stats[field]);
  }
  const suffix = 'device_major=8 device_minor=0 operation=read';
  for (const field of BLOCK_IO_FIELDS) {
    assert.equal(on.get(`container.blockio.${field} ${suffix}`)!.value,
      stats.blkio_stats[field]![0]!.value);
  }
  for (const field of NETWORK_FIELDS) {
    assert.equal(on.get(`container.network.io.usage.${field} interface=eth0`)!.value,
      stats.networks.eth0[field]);
  }
  assert.deepEqual([...(await switched(false)).keys()], ['container.restarts']);
  await engine.close();
});

test('docker_stats: an engine that is away is said, and found when it comes', async () => {
  const engine = createStandIn();
  const late = running(engine, {});
  engine.add({ id: 'a', stats: V2 });
  await new Promise((resolve) => setTimeout(resolve, 60));
  await engine.listen();
  const { log, counters } = await late;
  await engine.close();
  assert.match(log.lines[0]!.message,
    /docker_stats: cannot read containers: there is no Docker engine/);
  assert.ok(counters.total('binnacle_docker_stats_errors_total') > 0);
});

test('docker_stats: the version of the API is asked for; no answer in time is told', async () => {
  const engine = createStandIn();
  await engine.listen();
  engine.add({ id: 'a', stats: V2 });
  await running(engine, { api_version: '1.30' });
  assert.ok(engine.asked.every((path) => path.startsWith('/v1.30/')), engine.asked[0]);
  await engine.close();
  const mute = createServer(() => {});
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  const log = createRecordingLog();
  const { port } = mute.address() as AddressInfo;
  const receiver = dockerStatsReceiver.create(dockerStatsReceiver.schema.parse({
    endpoint: `http://127.0.0.1:${port}`, timeout: '30ms', initial_delay: '0s',
  }), testContext({ log }), createSink());
  await receiver.start();
  await until(() => log.lines.some(({ message }) => /not answered for 30 ms/.test(message)),
    'the reason');
  await receiver.stop(NEVER);
  mute.closeAllConnections();
  mute.close();
});

test('docker_stats: names, kinds and defaults are the Collector\'s', () => {
  assert.equal(new Set(containerMetrics.map(({ name }) => name)).size, containerMetrics.length);
  const on = containerMetrics.filter(({ enabled }) => enabled).map(({ name }) => name).sort();
  assert.deepEqual(on, [
    'container.blockio.io_service_bytes_recursive',
    'container.cpu.usage.kernelmode', 'container.cpu.usage.total', 'container.cpu.usage.usermode',
    'container.cpu.utilization',
    'container.memory.file', 'container.memory.percent', 'container.memory.total_cache',
    'container.memory.usage.limit', 'container.memory.usage.total',
    'container.network.io.usage.rx_bytes', 'container.network.io.usage.rx_dropped',
    'container.network.io.usage.tx_bytes', 'container.network.io.usage.tx_dropped',
  ]);
  assert.equal(containerMetrics.length, 72);
});

checkReceiver({
  name: 'docker_stats',
  create: async (next, context) => {
    const engine = createStandIn();
    engine.add({ id: 'a', stats: V2 });
    await engine.listen();
    return {
      receiver: dockerStatsReceiver.create(dockerStatsReceiver.schema.parse({
        endpoint: engine.endpoint, collection_interval: '10ms', initial_delay: '0s',
      }), context, next),
      close: engine.close,
    };
  },
});
