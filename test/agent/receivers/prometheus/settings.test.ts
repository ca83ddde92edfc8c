// Proves that settings of the Prometheus receiver reach the metrics: each is written as a person
// writes it, a page is scraped from a server, and what comes out is looked at.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { prometheusReceiver } from '../../../../agent/receivers/prometheus/receiver.ts';
import type { Batch } from '../../../../proto/contract/batch.ts';
import type { NumberDataPoint } from '../../../../proto/otlp/model.ts';
import { createSink, NEVER, testContext, until } from '../../../contract/fakes.ts';

interface Settings {
  readonly global?: object;
  readonly job?: object;
  readonly receiver?: object;
}

/** The points of the first scrape of a page, by name. */
async function scrape(page: string, { global = {}, job = {}, receiver: own = {} }: Settings) {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(page);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const targets = [`127.0.0.1:${(server.address() as AddressInfo).port}`];
  const sink = createSink();
  const receiver = prometheusReceiver.create(prometheusReceiver.schema.parse({
    config: {
      // The timeout is the interval; a busy machine needs some time for a first connection.
      global: { scrape_interval: '400ms', ...global },
      scrape_configs: [{ job_name: 'app', static_configs: [{ targets }], ...job }],
    }, ...own,
  }), testContext({ id: 'prometheus' }), sink);
  await receiver.start();
  await until(() => sink.received.length > 0, 'a scrape');
  await receiver.stop(NEVER);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  return pointsOf(sink.received[0] as Batch<'metrics'>);
}

const pointsOf = (batch: Batch<'metrics'>) => new Map(batch.request.resourceMetrics
  .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
  .map(({ name, data }) => [name, data!.dataPoints[0] as NumberDataPoint]));

const PAGE = '# TYPE hits_total counter\nhits_total{path="/shop"} 3\n';
const valueOf = (point: NumberDataPoint | undefined) => Number(point?.value?.value);

test('prometheus settings: external_labels stand on each series', async () => {
  const points = await scrape(PAGE, { global: { external_labels: { region: 'eu' } } });
  assert.deepEqual(points.get('hits_total')!.attributes.map(({ key, value }) =>
    [key, value.value]).sort(), [['path', '/shop'], ['region', 'eu']]);
});

test('prometheus settings: more is told of a scrape, by the job, by all, or by the receiver',
  async () => {
    const told = async (settings: Settings) =>
      (await scrape(PAGE, { ...settings, job: { sample_limit: 9, ...settings.job } }))
        .get('scrape_sample_limit');
    assert.equal(await told({}), undefined);
    assert.equal(valueOf(await told({ job: { extra_scrape_metrics: true } })), 9);
    assert.equal(valueOf(await told({ global: { extra_scrape_metrics: true } })), 9);
    assert.equal(valueOf(await told({ receiver: { report_extra_scrape_metrics: true } })), 9);
    const both = { global: { extra_scrape_metrics: true }, job: { extra_scrape_metrics: false } };
    assert.equal(await told(both), undefined);
  });

test('prometheus settings: a page beyond a limit is down', async () => {
  const isUp = async (limits: object) => {
    const ofJob = valueOf((await scrape(PAGE, { job: limits })).get('up'));
    assert.equal(ofJob, valueOf((await scrape(PAGE, { global: limits })).get('up')));
    return ofJob;
  };
  for (const [name, enough, less] of [
    ['sample_limit', 1, 0.5], ['label_limit', 10, 1], ['label_name_length_limit', 30, 3],
    ['label_value_length_limit', 30, 4], ['body_size_limit', '1KB', '20B'],
  ] as const) {
    assert.equal(await isUp({ [name]: enough }), 1, name);
    if (less !== 0.5) assert.equal(await isUp({ [name]: less }), 0, name);
  }
});

test('prometheus settings: suffixes of names go when that is asked for', async () => {
  const named = async (trim: boolean) =>
    [...(await scrape(PAGE, { receiver: { trim_metric_suffixes: trim } })).keys()][0];
  assert.equal(await named(false), 'hits_total');
  assert.equal(await named(true), 'hits');
});

test('prometheus settings: sums begin when a metric of the page says', async () => {
  const page = `${PAGE}process_start_time_seconds 1000\nmy_begin 2000\n`;
  const begin = async (receiver: object) =>
    (await scrape(page, { receiver })).get('hits_total')!.startTimeUnixNano / 1_000_000_000n;
  assert.equal(await begin({ use_start_time_metric: true }), 1000n);
  assert.equal(await begin({ use_start_time_metric: true, start_time_metric_regex: '^my_b' }),
    2000n);
  assert.notEqual(await begin({ start_time_metric_regex: '^my_b' }), 2000n);
});
