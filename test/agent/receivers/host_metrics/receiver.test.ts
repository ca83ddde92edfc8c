// Proves when collections happen, that they never overlap, what becomes of batches that are not
// taken, and that a scraper which fails or hangs keeps no other back. Time is moved by hand, so
// most tests use scrapers that read at once, without waiting for the thread pool. The host is a
// made-up tree of files below `root_path`, or scrapers that the test holds in its hand.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import {
  createCollection, limits as collectionLimits,
} from '../../../../agent/receivers/host_metrics/collection.ts';
import { hostMetricsReceiver } from '../../../../agent/receivers/host_metrics/receiver.ts';
import {
  encodeReadings, int, NO_ATTRIBUTES, type MetricDefinition, type Reading, type Scrape,
} from '../../../../agent/receivers/readings/readings.ts';
import type { Scraper } from '../../../../agent/receivers/host_metrics/scraper.ts';
import { Batch } from '../../../../proto/contract/batch.ts';
import { ACCEPTED, rejected, retryable } from '../../../../proto/contract/outcome.ts';
import { createCounters } from '../../../../runtime/counters.ts';
import type { Files } from '../../../../runtime/files.ts';
import { createWorld } from '../../../../runtime/world.ts';
import { checkReceiver } from '../../../contract/check_receiver.ts';
import { settle } from '../../../../runtime/manual_clock.ts';
import {
  createManualClock, createRecordingLog, createSink, inOrder, NEVER, temporaryFolder, testContext,
  until,
} from '../../../contract/fakes.ts';
import { denied, pointsOf, statLine } from './readings.ts';

const linuxOnly = { skip: process.platform === 'linux' ? false : 'the files are those of Linux' };

/** A root with these files in it; removed when the process ends. */
function hostTree(files: Record<string, string>): string {
  const root = temporaryFolder();
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

const TREE = {
  '/proc/stat': 'cpu0 100 0 0 900 0 0 0 0\nbtime 1700000000\nprocesses 9\n',
  '/proc/uptime': '123.45 1.00\n',
  '/proc/loadavg': '1.00 2.00 3.00 1/2 3\n',
  '/proc/meminfo': 'MemTotal: 1000 kB\nMemFree: 500 kB\nMemAvailable: 600 kB\n',
};

function running(
  config: Record<string, unknown>,
  root = hostTree(TREE),
  files: Partial<Files> = {},
) {
  const clock = createManualClock();
  const log = createRecordingLog();
  const counters = createCounters();
  const sink = createSink();
  const real = createWorld();
  const world = { ...real, clock, files: { ...real.files, ...files } };
  const context = testContext({ world, log, counters });
  const receiver = hostMetricsReceiver.create(hostMetricsReceiver.schema.parse({
    collection_interval: '10s', root_path: root, ...config,
  }), context, sink);
  const warnings = () => log.lines.filter(({ level }) => level === 'warn');
  return { clock, log, counters, sink, receiver, root, warnings };
}

test('host_metrics: first after the delay, then every interval', linuxOnly, async () => {
  const { clock, sink, receiver } = running({ scrapers: { system: null, load: null } });
  await receiver.start();
  await clock.advance(999);
  assert.equal(sink.received.length, 0);
  await clock.advance(1);
  assert.equal(sink.received.length, 1);
  await clock.advance(9_999);
  assert.equal(sink.received.length, 1);
  await clock.advance(20_001);
  assert.equal(sink.received.length, 4);
  await receiver.stop(NEVER);
  await clock.advance(60_000);
  assert.equal(sink.received.length, 4);
  assert.equal(clock.pending(), 0);
});

test('host_metrics: the shape of a batch', linuxOnly, async () => {
  const { clock, sink, receiver } = running({ scrapers: { system: null, cpu: null } });
  await receiver.start();
  await clock.advance(1000);
  await receiver.stop(NEVER);
  const [batch] = sink.received;
  assert.ok(batch!.is('metrics'));
  assert.equal(batch.request.resourceMetrics.length, 1, 'one resource for the host');
  const points = pointsOf(batch);
  assert.equal(points.size, 9);
  const uptime = points.get('system.uptime')!;
  assert.equal(uptime.value, 123.45);
  assert.equal(uptime.scope, 'binnacle/agent/host_metrics/system');
  assert.deepEqual(uptime.resource, NO_ATTRIBUTES);
  assert.equal(uptime.point.startTimeUnixNano, 0n, 'a gauge has no beginning');
  const idle = points.get('system.cpu.time cpu=cpu0 state=idle')!;
  assert.equal(idle.value, 9);
  assert.equal(idle.scope, 'binnacle/agent/host_metrics/cpu');
  assert.equal(idle.point.startTimeUnixNano, 1700000000000000000n);
  assert.equal(idle.point.timeUnixNano / 1_000_000_000n, BigInt(Date.UTC(2026, 0, 1)) / 1000n + 1n);
  assert.equal(idle.metric.unit, 's');
  assert.deepEqual({ ...idle.metric.data, dataPoints: [] },
    { type: 'sum', dataPoints: [], aggregationTemporality: 2, isMonotonic: true });
});

test('host_metrics: a scraper that fails is told once and stops nobody', linuxOnly, async () => {
  const { clock, sink, receiver, warnings, counters } =
    running({ scrapers: { disk: null, memory: null, paging: null } });
  await receiver.start();
  await clock.advance(1000);
  await clock.advance(20_000);
  assert.ok(pointsOf(sink.received[0]!).has('system.memory.usage state=used'));
  assert.deepEqual(warnings().map(({ message }) => message).sort(), [
    'test: nothing can be read by the scraper disk',
    'test: nothing can be read by the scraper paging',
  ]);
  assert.match(String(warnings()[0]!.fields['cause']), /cannot read .*it does not exist$/);
  const errors = 'binnacle_host_metrics_scraper_errors_total';
  assert.equal(counters.total(errors, { scraper: 'disk' }), 3);
  await receiver.stop(NEVER);
});

test('host_metrics: what it may not read is told once, as information', linuxOnly, async () => {
  const root = hostTree({ ...TREE, '/proc/7/stat': statLine(7, 'a', {}), '/proc/7/io': '' });
  const { clock, sink, receiver, log, counters } = running({ scrapers: { process: null } }, root,
    { readLink: async () => { throw denied(); } });
  await receiver.start();
  for (const count of [1, 2]) {
    await clock.advance(count === 1 ? 1000 : 10_000);
    await until(() => sink.received.length === count, 'a batch');
  }
  await receiver.stop(NEVER);
  const lines = log.lines.filter(({ level }) => level !== 'debug');
  assert.deepEqual(lines.map(({ level, fields }) => [level, fields]), [['info', {}]]);
  assert.match(lines[0]!.message, /^test: some facts of other users' processes /);
  assert.equal(counters.total('binnacle_host_metrics_scraper_errors_total'), 0);
});

test('host_metrics: a host without anything to read sends nothing', linuxOnly, async () => {
  const empty = hostTree({ '/etc/x': '' });
  const { clock, sink, receiver } = running({ scrapers: { cpu: null } }, empty);
  await receiver.start();
  await clock.advance(30_000);
  assert.equal(sink.received.length, 0);
  await receiver.stop(NEVER);
});

test('host_metrics: below root_path the network is that of the host', linuxOnly, async () => {
  const row = (bytes: number) => `h\nh\neth0: ${bytes}${' 0'.repeat(15)}\n`;
  const own = { ...TREE, '/proc/net/dev': row(1) };
  const check = async (root: string, want: number) => {
    const { clock, sink, receiver } = running({ scrapers: { network: null } }, root);
    await receiver.start();
    await clock.advance(1000);
    await until(() => sink.received.length > 0, 'a batch');
    await receiver.stop(NEVER);
    const points = pointsOf(sink.received[0]!);
    assert.equal(points.get('system.network.io device=eth0 direction=receive')?.value, want);
  };
  await check(hostTree(own), 1);
  await check(hostTree({ ...own, '/proc/1/net/dev': row(2) }), 2);
});

test('host_metrics: processes are resources of their own', linuxOnly, async () => {
  const stat = `7 (init) S 1${' 0'.repeat(17)} 100 8192 2${' 0'.repeat(20)}\n`;
  const root = hostTree({ ...TREE, '/proc/7/stat': stat, '/proc/7/cmdline': '/sbin/init\0' });
  const { clock, sink, receiver } =
    running({ scrapers: { process: null, processes: null, system: null } }, root);
  await receiver.start();
  await clock.advance(1000);
  await until(() => sink.received.length > 0, 'a batch');
  await receiver.stop(NEVER);
  const points = pointsOf(sink.received[0]!);
  const memory = points.get('7 process.memory.virtual')!;
  assert.equal(memory.value, 8192);
  assert.equal(memory.point.startTimeUnixNano, 1700000001000000000n);
  assert.equal(points.get('system.processes.count status=sleeping')?.value, 1);
  const request = (sink.received[0] as Batch<'metrics'>).request;
  assert.equal(request.resourceMetrics.length, 2);
  assert.equal(request.resourceMetrics[0]!.scopeMetrics.length, 2);
});

test('host_metrics: what is not taken comes again with its own time, in order', async () => {
  const { clock, sink, receiver } = running({ scrapers: { system: null } });
  sink.answer(inOrder(retryable('not now'), retryable('not now'), ACCEPTED));
  await receiver.start();
  await clock.advance(1000);
  await clock.advance(40_000);
  const taken = sink.deliveries.filter(({ outcome }) => outcome.status === 'accepted');
  const seconds = taken.map(({ batch }) =>
    Number(pointsOf(batch).get('system.uptime')!.point.timeUnixNano / 1_000_000_000n) % 1000);
  const first = Date.UTC(2026, 0, 1) / 1000 % 1000 + 1;
  assert.deepEqual(seconds, [first, first + 10, first + 20, first + 30, first + 40]);
  await receiver.stop(NEVER);
});

test('host_metrics: losses are counted by their reason', async () => {
  const { clock, sink, receiver, counters, warnings } = running({ scrapers: { load: null } });
  sink.answer(inOrder(rejected('never'), { status: 'accepted', rejected: 1, reason: 'odd' },
    retryable('not now')));
  await receiver.start();
  await clock.advance(25_000);
  await receiver.stop(NEVER);
  assert.equal(counters.total('binnacle_host_metrics_points_total'), 9);
  const dropped = 'binnacle_host_metrics_dropped_points_total';
  assert.equal(counters.total(dropped, { reason: 'rejected' }), 4);
  assert.equal(counters.total(dropped, { reason: 'stopped' }), 3);
  assert.equal(warnings().length, 2);
});

const DEFINITION: MetricDefinition = {
  name: 'a', unit: '1', description: 'A.', kind: 'level', value: 'int', enabled: true,
};

const reading = (value: number, resource: Reading['resource'] = NO_ATTRIBUTES): Reading =>
  ({ resource, startNs: 1n, timeNs: 2n, samples: [{ metric: 'a', value, attributes: [] }] });

function collecting(scrapers: Scraper[]) {
  const clock = createManualClock();
  const troubles: string[] = [];
  const collect = createCollection({
    set: { scrapers, renew: () => {} },
    metrics: new Map(scrapers.map(({ name }) => [name, [DEFINITION]])),
    clock,
    timeoutMs: 1000,
    trouble: (name, why) => troubles.push(`${name}: ${why}`),
    hidden: (why) => troubles.push(`hidden: ${why}`),
  });
  return { clock, collect, troubles };
}

test('host_metrics collection: one that hangs is left behind and not started again', async () => {
  let calls = 0;
  let answer: (scrape: Scrape) => void = () => {};
  const slow: Scraper = {
    name: 'slow',
    scrape: () => {
      calls += 1;
      return new Promise((resolve) => {
        answer = resolve;
      });
    },
  };
  const quick: Scraper = {
    name: 'quick',
    scrape: async () => ({ readings: [reading(1)], problems: ['half'], hidden: 'a bit' }),
  };
  const { clock, collect, troubles } = collecting([slow, quick]);
  const first = collect();
  await clock.advance(1000);
  assert.equal((await first)[0]!.itemCount, 1);
  assert.deepEqual(troubles, ['quick: half', 'hidden: a bit',
    'slow: it has not answered for 1000 ms']);
  await collect();
  assert.equal(calls, 1);
  assert.ok(troubles.includes('slow: it has not answered since an earlier collection'));
  answer({ readings: [], problems: [] });
  await settle();
  const third = collect();
  assert.equal(calls, 2);
  answer({ readings: [reading(2)], problems: [] });
  assert.equal((await third)[0]!.itemCount, 2);
  assert.equal(clock.pending(), 0);
});

test('host_metrics collection: very many resources become several batches', async () => {
  const count = collectionLimits.resourcesPerBatch + 1;
  const readings = Array.from({ length: count }, (_, pid) => reading(1, [int('process.pid', pid)]));
  const { collect } = collecting([{ name: 'x', scrape: async () => ({ readings, problems: [] }) }]);
  assert.deepEqual((await collect()).map(({ itemCount }) => itemCount), [count - 1, 1]);
});

test('host_metrics samples: only enabled metrics and real numbers are sent', () => {
  const samples = [NaN, Infinity, 2.6].map((value) => ({ metric: 'a', value, attributes: [] }));
  const other = { metric: 'b', value: 1, attributes: [] };
  const encoded = (...readings: Reading[]) =>
    encodeReadings([{ name: 'x', readings, definitions: [DEFINITION] }], 10);
  const [batch] = encoded({ ...reading(0), samples: [...samples, other] });
  const { metrics } = batch!.request.resourceMetrics[0]!.scopeMetrics[0]!;
  assert.equal(metrics.length, 1);
  const { data } = metrics[0]!;
  assert.ok(data?.type === 'sum' && !data.isMonotonic);
  assert.deepEqual(data.dataPoints.map(({ value }) => value), [{ type: 'int', value: 3n }]);
  assert.deepEqual(encoded(reading(NaN)), []);
});

test('host_metrics: ticks are skipped while a collection runs', linuxOnly, async () => {
  const clock = createManualClock();
  const real = createWorld();
  let open: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  // The list of processes does not come before the gate opens.
  const files = {
    ...real.files,
    list: async (folder: string) => {
      await gate;
      return real.files.list(folder);
    },
  };
  const counters = createCounters();
  const sink = createSink();
  const receiver = hostMetricsReceiver.create(hostMetricsReceiver.schema.parse({
    collection_interval: '10s', timeout: '1h', root_path: hostTree(TREE),
    scrapers: { processes: null },
  }), testContext({ world: { ...real, clock, files }, counters }), sink);
  await receiver.start();
  await clock.advance(35_000);
  assert.equal(sink.received.length, 0);
  assert.equal(counters.total('binnacle_host_metrics_skipped_collections_total'), 3);
  open();
  await receiver.stop(NEVER);
  assert.equal(sink.received.length, 1, 'stop waits for the collection that runs');
});

const checkRoot = hostTree(TREE);

checkReceiver({
  name: 'host_metrics',
  create: (next, context) => ({
    receiver: hostMetricsReceiver.create(hostMetricsReceiver.schema.parse({
      collection_interval: '5ms', initial_delay: '0s', root_path: checkRoot,
      scrapers: { cpu: null, system: null, memory: null },
    }), context, next),
  }),
});
