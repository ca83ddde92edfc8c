// Proves the receiver against a program that others wrote: Debian's prometheus-node-exporter is
// scraped, and every sample of its page that an independent reader finds is in the OTLP that comes
// out; then what it says of this machine is compared with what our own host_metrics reads of it in
// the same second. Skipped where it is not installed.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { hostMetricsReceiver } from '../../../../agent/receivers/host_metrics/receiver.ts';
import { prometheusReceiver } from '../../../../agent/receivers/prometheus/receiver.ts';
import type { Batch } from '../../../../proto/contract/batch.ts';
import type { DataPoint, NumberDataPoint } from '../../../../proto/otlp/model.ts';
import { freePort } from '../../../free_port.ts';
import { createSink, NEVER, testContext, until } from '../../../contract/fakes.ts';

const PROGRAM = 'prometheus-node-exporter';
const installed = spawnSync(PROGRAM, ['--version']).status === 0;
const skip = installed ? false : `${PROGRAM} is not installed`;

async function withExporter(body: (address: string) => Promise<void>): Promise<void> {
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(PROGRAM, [`--web.listen-address=${address}`], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  try {
    await until(async () => (await fetch(`http://${address}/`).catch(() => null))?.ok === true,
      `${PROGRAM} answers`, 20_000);
    await body(address);
  } finally {
    child.kill();
    await ended;
  }
}

/** By name and attributes in order of the alphabet: `name{a="b"}`. */
type Values = Map<string, number>;

async function collected(
  start: (sink: ReturnType<typeof createSink>) => { stop(deadline: AbortSignal): Promise<void> },
  enough: number,
): Promise<Batch<'metrics'>> {
  const sink = createSink();
  const receiver = start(sink);
  try {
    await until(() => sink.received.length >= enough, 'a batch', 20_000);
  } finally {
    await receiver.stop(NEVER);
  }
  return sink.received[enough - 1] as Batch<'metrics'>;
}

function scrapeOnce(address: string): Promise<Batch<'metrics'>> {
  const config = prometheusReceiver.schema.parse({ config: { scrape_configs: [{
    job_name: 'node', scrape_interval: '500ms', static_configs: [{ targets: [address] }],
  }] } });
  return collected((sink) => {
    const receiver = prometheusReceiver.create(config, testContext(), sink);
    void receiver.start();
    return receiver;
  }, 1);
}

function valuesOf(batch: Batch<'metrics'>): Values {
  const values: Values = new Map();
  for (const { scopeMetrics } of batch.request.resourceMetrics) {
    for (const { name, data } of scopeMetrics.flatMap(({ metrics }) => metrics)) {
      for (const point of data!.dataPoints as readonly DataPoint[]) {
        for (const [end, value] of numbersOf(point)) values.set(keyOf(name + end, point), value);
      }
    }
  }
  return values;
}

function numbersOf(point: DataPoint & Partial<NumberDataPoint>): [string, number][] {
  if ('count' in point) {
    const { count, sum: total } = point as unknown as { count: bigint; sum: number };
    return [['_count', Number(count)], ['_sum', total]];
  }
  return [['', Number(point.value?.value)]];
}

const keyOf = (name: string, { attributes }: DataPoint): string => labelled(name,
  attributes.map(({ key, value }) => [key, String(value.value)] as const));

function labelled(name: string, labels: readonly (readonly [string, string])[]): string {
  const pairs = [...labels].sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return `${name}{${pairs.join(',')}}`;
}

/** An independent reading of the page: enough for what this program writes. */
function valuesOnPage(page: string): Values {
  const values: Values = new Map();
  for (const line of page.split('\n')) {
    const match = /^([a-z_:0-9]+)(?:\{(.*)\})? (\S+)$/i.exec(line);
    if (match === null || line.startsWith('#')) continue;
    const labels = [...(match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)]
      .map(([, name, value]) => [name!, JSON.parse(`"${value!}"`) as string] as const)
      .filter(([, value]) => value !== '');
    const number = match[3] === '+Inf' ? Infinity : Number(match[3]);
    values.set(labelled(match[1]!, labels), number);
  }
  return values;
}

/** Passes on what `address` shows, and keeps it, so that it can be read a second time. */
async function withCopy(
  address: string,
  body: (copyAddress: string, page: () => string) => Promise<void>,
): Promise<void> {
  let page = '';
  const server = createServer((_request, response) => {
    void fetch(`http://${address}/metrics`).then(async (answer) => {
      page = await answer.text();
      response.writeHead(200, { 'content-type': answer.headers.get('content-type')! }).end(page);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await body(`127.0.0.1:${(server.address() as AddressInfo).port}`, () => page);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

test('prometheus: all that node_exporter shows arrives', { skip }, async () => {
  await withExporter((address) => withCopy(address, async (copy, page) => {
    const scraped = valuesOf(await scrapeOnce(copy));
    const shown = valuesOnPage(page());
    assert.equal(scraped.get('up{}'), 1);
    assert.equal(scraped.get('scrape_samples_scraped{}'), shown.size);
    let compared = 0;
    for (const [series, value] of shown) {
      // Quantiles and buckets are parts of a point, compared by their sum and count.
      if (/quantile=|_bucket/.test(series)) continue;
      assert.equal(scraped.get(series), value, series);
      compared += 1;
    }
    assert.ok(compared > 200, `${compared} series`);
  }));
});

interface Pair {
  readonly ours: (values: Values) => number;
  readonly theirs: (values: Values) => number;
  /** How far apart they may be: of the value, and as a number. */
  readonly ratio: number;
  readonly amount: number;
}

const sum = (values: Values, pattern: RegExp): number =>
  [...values].filter(([key]) => pattern.test(key)).reduce((total, [, value]) => total + value, 0);

const MIB = 1024 * 1024;

function pairs(values: Values): Map<string, Pair> {
  const found = new Map<string, Pair>();
  for (const [mode, state] of [['user', 'user'], ['system', 'system'], ['idle', 'idle'],
    ['iowait', 'wait']] as const) {
    found.set(`cpu ${mode}`, { ratio: 0.02, amount: 10,
      ours: (all) => sum(all, new RegExp(`^system\\.cpu\\.time\\{.*state="${state}"`)),
      theirs: (all) => sum(all, new RegExp(`^node_cpu_seconds_total\\{.*mode="${mode}"`)) });
  }
  for (const minutes of [1, 5, 15]) {
    found.set(`load ${minutes}`, { ratio: 0.1, amount: 1.5,
      ours: (all) => all.get(`system.cpu.load_average.${minutes}m{}`)!,
      theirs: (all) => all.get(`node_load${minutes}{}`)! });
  }
  found.set('memory', { ratio: 0, amount: 0,
    ours: (all) => sum(all, /^system\.memory\.limit\{/),
    theirs: (all) => all.get('node_memory_MemTotal_bytes{}')! });
  found.set('memory free', { ratio: 0.1, amount: 512 * MIB,
    ours: (all) => sum(all, /^system\.memory\.usage\{state="free"/),
    theirs: (all) => all.get('node_memory_MemFree_bytes{}')! });
  for (const series of values.keys()) {
    const device = /^node_network_receive_bytes_total\{device="([^"]+)"/.exec(series)?.[1];
    if (device === undefined) continue;
    for (const [direction, word] of [['receive', 'receive'], ['transmit', 'transmit']] as const) {
      found.set(`network ${device} ${direction}`, { ratio: 0.1, amount: 16 * MIB,
        ours: (all) => all.get(
          `system.network.io{device="${device}",direction="${direction}"}`)!,
        theirs: (all) => all.get(`node_network_${word}_bytes_total{device="${device}"}`)! });
    }
  }
  const mount = 'mountpoint="/"';
  found.set('file system /', { ratio: 0.02, amount: 256 * MIB,
    ours: (all) => sum(all, new RegExp(`^system\\.filesystem\\.usage\\{.*${mount},state="free"`)),
    theirs: (all) => sum(all, new RegExp(`^node_filesystem_avail_bytes\\{.*${mount}`)) });
  return found;
}

test('prometheus: node_exporter and host_metrics agree', { skip }, async () => {
  await withExporter(async (address) => {
    const config = hostMetricsReceiver.schema.parse({
      collection_interval: '1s', initial_delay: '0s',
      scrapers: { cpu: null, load: null, network: null, filesystem: null,
        memory: { metrics: { 'system.memory.limit': { enabled: true } } } },
    });
    const [theirs, ours] = await Promise.all([scrapeOnce(address), collected((sink) => {
      const receiver = hostMetricsReceiver.create(config, testContext(), sink);
      void receiver.start();
      return receiver;
    }, 1)].map(async (batch) => valuesOf(await batch)));
    const compared: string[] = [];
    for (const [what, { ours: own, theirs: other, ratio, amount }] of pairs(theirs!)) {
      const [one, two] = [own(ours!), other(theirs!)];
      if (what === 'file system /' && two === 0) continue;
      const apart = Math.abs(one - two);
      assert.ok(apart <= Math.max(amount, ratio * two), `${what}: ${one}, and ${two}`);
      compared.push(what);
    }
    assert.ok(compared.length >= 10, compared.join(', '));
  });
});
