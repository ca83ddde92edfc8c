// Proves the exporter over real connections: what it answers to whom, TLS, the contract of
// exporters; that our own receiver reads from its page the points that went in; and that Debian's
// prometheus scrapes it and answers PromQL with the right values (skipped where it is not
// installed).

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { get as getHttps } from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import {
  createExporter, prometheusExporter,
} from '../../../../agent/exporters/prometheus/exporter.ts';
import { prometheusReceiver } from '../../../../agent/receivers/prometheus/receiver.ts';
import { Batch } from '../../../../proto/contract/batch.ts';
import type { ComponentContext, Exporter } from '../../../../proto/contract/component.ts';
import { ACCEPTED } from '../../../../proto/contract/outcome.ts';
import type {
  Attributes, Metric, MetricsRequest, ResourceMetrics,
} from '../../../../proto/otlp/model.ts';
import { checkConsumer } from '../../../contract/check_consumer.ts';
import {
  createSink, makeBatch, NEVER, temporaryFolder, testContext, text, until,
} from '../../../contract/fakes.ts';
import { withoutLeaks } from '../../../contract/leaks.ts';
import { freePort } from '../../../free_port.ts';

const NS = 1_000_000_000n;
const START = 1_700_000_000n * NS;
const TIME = 1_700_000_100n * NS;

const head = (more: Attributes = []) => ({
  attributes: [text('zone', 'a "b" \\ c\nd'), ...more], startTimeUnixNano: START,
  timeUnixNano: TIME, flags: 0,
});

const METRICS: readonly Metric[] = [
  { name: 'jobs_seconds_total', description: 'Time of "jobs".', unit: 's',
    metadata: [text('prometheus.type', 'counter')],
    data: { type: 'sum', aggregationTemporality: 2, isMonotonic: true, dataPoints: [{ ...head(),
      value: { type: 'double', value: 12.25 }, exemplars: [{ filteredAttributes: [text('u', 'v')],
        timeUnixNano: TIME, value: { type: 'double', value: 0.5 }, spanId: 'b7ad6b7169203331',
        traceId: '0af7651916cd43dd8448eb211c80319c' }] }] } },
  { name: 'heat_celsius', description: '', unit: 'Cel',
    metadata: [text('prometheus.type', 'gauge')],
    data: { type: 'gauge', dataPoints: [{ ...head(), startTimeUnixNano: 0n,
      value: { type: 'double', value: -3.5 }, exemplars: [] }, {
      ...head([text('zone2', 'x')]), startTimeUnixNano: 0n,
      value: { type: 'double', value: 1e21 }, exemplars: [] }] } },
  { name: 'lag_seconds', description: 'Lag.', unit: 's',
    metadata: [text('prometheus.type', 'histogram')],
    data: { type: 'histogram', aggregationTemporality: 2, dataPoints: [{ ...head(), count: 6n,
      sum: 7.5, bucketCounts: [1n, 2n, 3n], explicitBounds: [0.1, 5], exemplars: [],
      min: undefined, max: undefined }] } },
  { name: 'size_bytes', description: '', unit: 'By',
    metadata: [text('prometheus.type', 'summary')],
    data: { type: 'summary', dataPoints: [{ ...head(), count: 4n, sum: 8,
      quantileValues: [{ quantile: 0.5, value: 2 }, { quantile: 1, value: 3 }] }] } },
  { name: 'what', description: '', unit: '', metadata: [text('prometheus.type', 'unknown')],
    data: { type: 'gauge', dataPoints: [{ ...head(), startTimeUnixNano: 0n,
      value: { type: 'double', value: 5 }, exemplars: [] }] } },
  { name: 'build_info', description: '', unit: '', metadata: [text('prometheus.type', 'info')],
    data: { type: 'sum', aggregationTemporality: 2, isMonotonic: false, dataPoints: [{ ...head(),
      value: { type: 'double', value: 1 }, exemplars: [] }] } },
];

const REQUEST: MetricsRequest = { resourceMetrics: [{
  resource: { attributes: [text('service.name', 'shop'), text('service.instance.id', 'i:1'),
    text('host_name', 'h')], droppedAttributesCount: 0, entityRefs: [] },
  scopeMetrics: [{ scope: { name: 'lib', version: '2', attributes: [text('team', 't')],
    droppedAttributesCount: 0 }, metrics: METRICS, schemaUrl: '' }],
  schemaUrl: '',
}] };

const exporterOf = (config: Record<string, unknown>, context: ComponentContext): Exporter =>
  prometheusExporter.create(
    prometheusExporter.schema.parse({ endpoint: '127.0.0.1:0', ...config }), context, createSink());

/** A started exporter that shows REQUEST, and the URL of its page. */
async function withExporter(
  config: Record<string, unknown>,
  body: (url: string, exporter: Exporter) => Promise<void>,
): Promise<void> {
  await withoutLeaks(async (world) => {
    const exporter = exporterOf(config, testContext({ world }));
    await exporter.start();
    try {
      assert.deepEqual(
        await exporter.consume(Batch.fromRequest('metrics', REQUEST), NEVER), ACCEPTED);
      await body(exporter.addresses!()['Prometheus']!, exporter);
    } finally {
      await exporter.stop(NEVER);
    }
  });
}

const OPEN = 'application/openmetrics-text;version=1.0.0';

const page = (url: string, headers: Record<string, string> = {}, method = 'GET') =>
  fetch(url, { method, headers: { connection: 'close', ...headers } });

test('prometheus exporter: who asks for what gets what', async () => {
  await withExporter({ enable_open_metrics: true }, async (url) => {
    const plain = await page(url);
    assert.equal(plain.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
    assert.match(await plain.text(), /^heat_celsius\{/m);
    const open = await page(url, { accept: OPEN });
    assert.match(open.headers.get('content-type')!, /^application\/openmetrics-text; version=1/);
    assert.match(await open.text(), /# EOF\n$/);
    for (const [path, method, status] of [['/x', 'GET', 404], ['/metrics?a=b', 'GET', 200],
      ['/metrics', 'POST', 405], ['/metrics', 'HEAD', 200]] as const) {
      const answer = await page(new URL(path, url).href, {}, method);
      assert.equal(answer.status, status, `${method} ${path}`);
      await answer.text();
    }
  });
  await withExporter({}, async (url) => {
    const open = await page(url, { accept: OPEN });
    assert.match(open.headers.get('content-type')!, /^text\/plain/);
    await open.text();
  });
});

test('prometheus exporter: a page of some size is packed', async () => {
  await withExporter({}, async (url) => {
    const { request } = await import('undici');
    const headers = { 'accept-encoding': 'gzip', connection: 'close' };
    const answer = await request(url, { headers });
    assert.equal(answer.headers['content-encoding'], 'gzip');
    const body = gunzipSync(Buffer.from(await answer.body.arrayBuffer()));
    assert.match(body.toString(), /# TYPE lag_seconds histogram/);
  });
});

test('prometheus exporter: TLS', async () => {
  const folder = temporaryFolder();
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt',
    'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', cert, '-subj', '/CN=x',
    '-days', '2']);
  if (made.status !== 0) return;
  await withExporter({ tls: { cert_file: cert, key_file: key } }, async (url) => {
    const status = await new Promise((resolve, reject) => {
      getHttps(url, { rejectUnauthorized: false, agent: false }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode));
      }).on('error', reject);
    });
    assert.equal(status, 200);
  });
});

test('prometheus exporter: points that are not kept are counted, and said', async () => {
  const context = testContext({ id: 'prometheus' });
  const config = prometheusExporter.schema.parse({ endpoint: '127.0.0.1:0' });
  const exporter = createExporter(config, context, 3);
  const outcome = await exporter.consume(makeBatch('metrics', 5), NEVER);
  assert.deepEqual(outcome, { status: 'accepted', rejected: 2,
    reason: 'cannot show all points: too many series' });
  const dropped = 'binnacle_prometheus_exporter_dropped_points_total';
  assert.equal(context.counters.total(dropped, { reason: 'too many series' }), 2);
  assert.match(context.counters.exposition(), /exporter_series\{exporter="prometheus"\} 3/);
});

/** What our receiver makes of the page, when it keeps the labels of the page. */
async function readBack(url: string, more: Record<string, unknown>): Promise<ResourceMetrics[]> {
  const { host } = new URL(url);
  const config = prometheusReceiver.schema.parse({ config: { scrape_configs: [{
    job_name: 'back', scrape_interval: '100ms', honor_labels: true,
    static_configs: [{ targets: [host] }], ...more,
  }] } });
  const sink = createSink();
  const receiver = prometheusReceiver.create(config, testContext(), sink);
  await receiver.start();
  await until(() => sink.received.length > 0, 'a scrape');
  await receiver.stop(NEVER);
  const { resourceMetrics } = (sink.received[0] as Batch<'metrics'>).request;
  return resourceMetrics.filter(({ resource }) =>
    resource!.attributes.some(({ value }) => value.value === 'shop'));
}

const byName = (metrics: readonly Metric[]): Metric[] =>
  [...metrics].sort((one, two) => (one.name < two.name ? -1 : 1));

test('prometheus exporter: our receiver reads the same points from its page', async () => {
  await withExporter({ enable_open_metrics: true, send_timestamps: true }, async (url) => {
    const [back, ...others] = await readBack(url, {});
    assert.equal(others.length, 0);
    assert.deepEqual(back!.resource!.attributes.map(({ key, value }) => [key, value.value]), [
      ['service.name', 'shop'], ['service.instance.id', 'i:1'], ['server.address', 'i'],
      ['server.port', '1'], ['url.scheme', 'http'], ['host_name', 'h']]);
    const [{ scope, metrics } = { scope: undefined, metrics: [] }] = back!.scopeMetrics;
    assert.deepEqual([scope!.name, scope!.version], ['lib', '2']);
    assert.deepEqual(scope!.attributes, [text('team', 't')]);
    const want = byName(METRICS).map((metric) => (metric.name !== 'build_info' ? metric
      : withStart(metric, TIME)));
    assert.deepEqual(byName(metrics), want);
  });
});

/** OpenMetrics has no start times for info: it then begins when it is first seen. */
function withStart(metric: Metric, startTimeUnixNano: bigint): Metric {
  const { data } = metric;
  if (data?.type !== 'sum') return metric;
  const dataPoints = data.dataPoints.map((point) => ({ ...point, startTimeUnixNano }));
  return { ...metric, data: { ...data, dataPoints } };
}

test('prometheus exporter: the text format says the same, but for starts and units', async () => {
  await withExporter({ send_timestamps: true }, async (url) => {
    const [back] = await readBack(url, { scrape_protocols: ['PrometheusText0.0.4'] });
    const metrics = back!.scopeMetrics[0]!.metrics;
    const told = (all: readonly Metric[]) => byName(all).map(({ name, description, data }) =>
      JSON.parse(JSON.stringify([name, description, data!.dataPoints], (key, value) =>
        (key === 'exemplars' || key === 'startTimeUnixNano' ? undefined
          : typeof value === 'bigint' ? String(value) : value))) as unknown);
    assert.deepEqual(told(metrics), told(METRICS));
  });
});

const installed = spawnSync('prometheus', ['--version']).status === 0;
const skip = installed ? false : 'prometheus is not installed';

test('prometheus exporter: Prometheus scrapes it and answers PromQL', { skip }, async () => {
  await withExporter({ enable_open_metrics: true }, async (url) => {
    const folder = temporaryFolder();
    const file = join(folder, 'prometheus.yml');
    writeFileSync(file, 'scrape_configs:\n  - job_name: ours\n    honor_labels: true\n'
      + '    scrape_interval: 1s\n'
      + `    static_configs: [{ targets: ["${new URL(url).host}"] }]\n`);
    const address = `127.0.0.1:${await freePort()}`;
    const child = spawn('prometheus', [`--config.file=${file}`, `--web.listen-address=${address}`,
      `--storage.tsdb.path=${join(folder, 'data')}`], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const ask = async (query: string): Promise<string[]> => {
      const asked = `http://${address}/api/v1/query?query=${encodeURIComponent(query)}`;
      const answer = await page(asked).catch(() => null);
      if (answer?.ok !== true) return [];
      const told = await answer.json() as { data: { result: { value: [number, string] }[] } };
      return told.data.result.map(({ value }) => value[1]);
    };
    try {
      await until(async () => (await ask('up{job="ours"} == 1')).length > 0, 'up', 30_000);
      for (const [query, want] of [
        ['jobs_seconds_total{job="shop",instance="i:1"}', '12.25'],
        ['heat_celsius{zone2=""}', '-3.5'],
        ['lag_seconds_bucket{le="5.0"}', '3'],
        ['lag_seconds_sum / lag_seconds_count', '1.25'],
        ['size_bytes{quantile="0.5"}', '2'],
        ['heat_celsius{zone2="x"} * on (job, instance) group_left (host_name) '
          + 'target_info{host_name="h"}', '1e+21'],
        ['build_info{otel_scope_name="lib"}', '1'],
      ] as const) assert.deepEqual(await ask(query), [want], query);
      const types = await page(`http://${address}/api/v1/metadata`);
      const { data } = await types.json() as
        { data: Record<string, { type: string; unit: string; help: string }[]> };
      assert.deepEqual(data['jobs_seconds'] ?? data['jobs_seconds_total'],
        [{ type: 'counter', unit: 'seconds', help: 'Time of "jobs".' }]);
      assert.equal(data['lag_seconds']![0]!.type, 'histogram');
    } finally {
      child.kill();
      await ended;
    }
  });
});

test('prometheus exporter: promtool finds nothing wrong with its page', { skip }, async () => {
  await withExporter({}, async (url) => {
    const input = await (await page(url)).text();
    const { status, stderr, stdout } = spawnSync('promtool', ['check', 'metrics'], { input });
    // What it says of missing help is about METRICS, not about the page.
    const said = `${stdout}${stderr}`.split('\n').filter((line) => !/no help text/.test(line));
    assert.deepEqual(said.filter((line) => line !== ''), [], `status ${status}`);
  });
});

checkConsumer({
  name: 'prometheus',
  signals: ['metrics'],
  terminal: true,
  create: (_next, context) => ({ consumer: exporterOf({}, context) }),
});
