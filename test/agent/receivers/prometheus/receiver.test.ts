// Proves the receiver against real HTTP servers: what a target is asked for and how, what becomes
// of targets that are slow, large, broken or gone, where targets come from, and the contract of
// receivers. Scrapes follow the real clock at intervals of milliseconds, except where a schedule is
// what is proven.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { prometheusReceiver } from '../../../../agent/receivers/prometheus/receiver.ts';
import type { Batch } from '../../../../proto/contract/batch.ts';
import type { ComponentContext, Consumer } from '../../../../proto/contract/component.ts';
import type { KeyValue, NumberDataPoint } from '../../../../proto/otlp/model.ts';
import { checkReceiver } from '../../../contract/check_receiver.ts';
import {
  createManualClock, createRecordingLog, createSink, NEVER, temporaryFolder, testContext, until,
} from '../../../contract/fakes.ts';
import { withoutLeaks } from '../../../contract/leaks.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const PAGE = '# TYPE hits_total counter\nhits_total{path="/"} 3\n# TYPE heat gauge\nheat 20.5\n';

const answering = (page: string, headers: Record<string, string> = {}): Handler =>
  (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4', ...headers });
    response.end(page);
  };

async function serving(handler: Handler): Promise<{ server: Server; address: string }> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, address: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

async function withServer(
  handler: Handler,
  body: (address: string) => Promise<void>,
): Promise<void> {
  const { server, address } = await serving(handler);
  try {
    await body(address);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

type Job = Record<string, unknown>;

const created = (jobs: Job[], next: Consumer, context: ComponentContext, more: Job = {}) =>
  prometheusReceiver.create(prometheusReceiver.schema.parse({
    config: { global: { scrape_interval: '100ms' }, scrape_configs: jobs }, ...more,
  }), context, next);

const staticJob = (targets: string[], more: Job = {}): Job =>
  ({ job_name: 'app', static_configs: [{ targets }], ...more });

/** Runs a receiver until `done` holds for what it handed on. */
async function scraped(
  jobs: Job[],
  done: (points: Told[]) => boolean | Promise<boolean>,
  log = createRecordingLog(),
): Promise<Ran> {
  let points: Told[] = [];
  let context: ComponentContext | undefined;
  await withoutLeaks(async (world) => {
    context = testContext({ world, log, id: 'prometheus' });
    const sink = createSink();
    const receiver = created(jobs, sink, context);
    await receiver.start();
    try {
      await until(() => done(sink.received.flatMap(pointsOf)), 'what is waited for');
    } finally {
      await receiver.stop(NEVER);
      points = sink.received.flatMap(pointsOf);
    }
  });
  return { points, context: context!, log };
}

interface Ran {
  readonly points: Told[];
  readonly context: ComponentContext;
  readonly log: ReturnType<typeof createRecordingLog>;
}

interface Told {
  readonly name: string;
  readonly value: number | undefined;
  readonly instance: string;
  readonly labels: Record<string, unknown>;
  readonly ended: boolean;
}

const plain = (attributes: readonly KeyValue[]) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.value]));

function pointsOf(batch: Batch): Told[] {
  if (!batch.is('metrics')) return [];
  return batch.request.resourceMetrics.flatMap(({ resource, scopeMetrics }) =>
    scopeMetrics.flatMap(({ metrics }) => metrics).flatMap(({ name, data }) =>
      (data!.dataPoints as NumberDataPoint[]).map((point): Told => ({
        name,
        value: point.value === undefined ? undefined : Number(point.value.value),
        instance: String(plain(resource!.attributes)['service.instance.id']),
        labels: plain(point.attributes),
        ended: point.flags === 1,
      }))));
}

const up = (value: number) => (points: Told[]) =>
  points.some((one) => one.name === 'up' && one.value === value);

test('prometheus: a page becomes metrics, with what is told of each scrape', async () => {
  let asked: IncomingMessage['headers'] = {};
  let url = '';
  await withServer((request, response) => {
    asked = request.headers;
    url = request.url!;
    answering(PAGE)(request, response);
  }, async (address) => {
    const job = staticJob([address], { metrics_path: '/m', params: { a: ['1', '2'] } });
    const { points, context } = await scraped([job], up(1));
    const of = (name: string) => points.findLast((one) => one.name === name)!;
    assert.equal(of('hits_total').value, 3);
    assert.deepEqual(of('hits_total').labels, { path: '/' });
    assert.equal(of('heat').instance, address);
    assert.equal(of('scrape_samples_scraped').value, 2);
    assert.equal(of('scrape_samples_post_metric_relabeling').value, 2);
    assert.ok(of('scrape_series_added').value! <= 2);
    assert.ok(of('scrape_duration_seconds').value! > 0);
    assert.equal(url, '/m?a=1&a=2');
    assert.match(asked.accept!, /^application\/openmetrics-text;version=1.0.0;q=0.6,.*text\/plain/);
    assert.equal(asked['accept-encoding'], 'gzip');
    assert.equal(asked['x-prometheus-scrape-timeout-seconds'], '0.1');
    assert.ok(context.counters.total('binnacle_prometheus_samples_total') >= 2);
  });
});

test('prometheus: OpenMetrics and gzip are understood', async () => {
  const page = gzipSync('# TYPE a counter\na_total 1\n# EOF\n');
  await withServer((_request, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip',
      'content-type': 'application/openmetrics-text; version=1.0.0; charset=utf-8' });
    response.end(page);
  }, async (address) => {
    const { points } = await scraped([staticJob([address])], up(1));
    assert.equal(points.find(({ name }) => name === 'a_total')!.value, 1);
  });
});

test('prometheus: who asks is said as the configuration has it', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'token');
  writeFileSync(file, 'of a file\n');
  const seen = new Map<string, string | undefined>();
  await withServer((request, response) => {
    seen.set(request.url!, `${request.headers.authorization} ${request.headers['x-a'] ?? ''}`);
    answering(PAGE)(request, response);
  }, async (address) => {
    const jobs = [
      { basic_auth: { username: 'u', password: 'p' } },
      { authorization: { credentials: 'c' } },
      { authorization: { type: 'Token', credentials_file: file } },
      { bearer_token: 'b' },
      { http_headers: { 'X-A': { values: ['1'], secrets: ['2'] } } },
    ].map((more, index) => ({ ...staticJob([address], more), job_name: `j${index}`,
      metrics_path: `/${index}` }));
    await scraped(jobs, () => seen.size === 5);
    assert.deepEqual(Object.fromEntries(seen), {
      '/0': `Basic ${Buffer.from('u:p').toString('base64')} `, '/1': 'Bearer c ',
      '/2': 'Token of a file ', '/3': 'Bearer b ', '/4': 'undefined 1, 2',
    });
  });
});

test('prometheus: a dead, a slow and a broken target are down, and block nobody', async () => {
  const hang: Handler = () => {};
  await withServer(hang, (slow) => withServer(answering('not a page\n'), (broken) =>
    withServer(answering(PAGE), async (good) => {
      const dead = '127.0.0.1:1';
      const targets = [dead, slow, broken, good];
      const { points, log, context } = await scraped([staticJob(targets)], (told) =>
        targets.every((target) => told.some(({ name, instance, value }) =>
          name === 'up' && instance === target && value === (target === good ? 1 : 0))));
      const ups = (target: string) => new Set(points.filter(({ name, instance }) =>
        name === 'up' && instance === target).map(({ value }) => value));
      for (const bad of [dead, slow, broken]) assert.deepEqual([...ups(bad)], [0], bad);
      assert.ok(ups(good).has(1));
      const said = log.lines.map(({ message }) => message).join('\n');
      assert.match(said, /cannot scrape http:\/\/127\.0\.0\.1:1\/metrics: connection refused/);
      assert.match(said, /no answer within 100 ms/);
      assert.match(said, /line 1: a number is missing or not one/);
      assert.ok(context.counters.total('binnacle_prometheus_failed_scrapes_total') >= 3);
    })));
});

test('prometheus: what a target may not be', async () => {
  const bomb = gzipSync(Buffer.alloc(300_000, 'a 1\n'));
  const handlers: Record<string, [Handler, RegExp, Job]> = {
    status: [(_request, response) => void response.writeHead(500).end(), /HTTP 500/, {}],
    large: [answering('a 1\n'.repeat(500)), /more than 1024 bytes/, { body_size_limit: '1KB' }],
    bomb: [answering(bomb as unknown as string, { 'content-encoding': 'gzip' }),
      /more than 65536 bytes/, { body_size_limit: '64KB' }],
    packed: [answering('x', { 'content-encoding': 'gzip' }), /cannot be unpacked/, {}],
    utf8: [answering(Buffer.from([0x61, 0xff]) as unknown as string), /not UTF-8/, {}],
    protobuf: [answering('x', { 'content-type': 'application/vnd.google.protobuf' }),
      /not in a text format/, {}],
    samples: [answering('a 1\nb 1\n'), /more than 1 samples/, { sample_limit: 1 }],
    moved: [(_request, response) => void response.writeHead(302, { location: '/x' }).end(),
      /HTTP 302/, { follow_redirects: false }],
    circle: [(_request, response) => void response.writeHead(302, { location: '/x' }).end(),
      /in a circle/, {}],
  };
  for (const [what, [handler, why, more]] of Object.entries(handlers)) {
    await withServer(handler, async (address) => {
      const job = staticJob([address], { scrape_interval: '200ms', ...more });
      const { log } = await scraped([job], up(0));
      assert.match(log.lines[0]!.message, why, what);
    });
  }
});

test('prometheus: a redirect is followed, without telling another host who asks', async () => {
  let told: string | undefined = 'nothing';
  await withServer((request, response) => {
    told = request.headers.authorization;
    answering(PAGE)(request, response);
  }, (other) => withServer((_request, response) => {
    response.writeHead(302, { location: `http://${other}/metrics` }).end();
  }, async (address) => {
    await scraped([staticJob([address], { bearer_token: 'secret' })], up(1));
    assert.equal(told, undefined);
  }));
});

test('prometheus: relabelling chooses targets and series', async () => {
  await withServer(answering(PAGE), async (address) => {
    const { points } = await scraped([staticJob([address, 'other:1'], {
      relabel_configs: [
        { source_labels: ['__address__'], regex: 'other.*', action: 'drop' },
        { source_labels: ['__address__'], regex: '(.*):.*', target_label: 'host' },
        { target_label: 'instance', replacement: 'me' },
      ],
      metric_relabel_configs: [{ source_labels: ['__name__'], regex: 'heat', action: 'drop' }],
    })], up(1));
    assert.deepEqual([...new Set(points.map(({ instance }) => instance))], ['me']);
    assert.ok(points.every(({ labels }) => labels['host'] === '127.0.0.1'));
    assert.ok(!points.some(({ name }) => name === 'heat'));
  });
});

test('prometheus: targets come from files, and go with them', async () => {
  const folder = join(temporaryFolder(), 'sd');
  mkdirSync(folder);
  await withServer(answering(PAGE), async (address) => {
    writeFileSync(join(folder, 'a.json'), JSON.stringify([{ targets: [address],
      labels: { from: 'json' } }]));
    writeFileSync(join(folder, 'b.yml'), 'not: a list');
    const of = (points: Told[], from: string) =>
      points.filter(({ labels }) => labels['from'] === from);
    let step = 0;
    const files = [`${folder}/*.json`, `${folder}/*.yml`];
    const { log } = await scraped([{ job_name: 'sd',
      file_sd_configs: [{ files, refresh_interval: '5ms' }],
    }], (points) => {
      if (step === 0 && of(points, 'json').length > 0) {
        writeFileSync(join(folder, 'b.yml'),
          `- targets: ["${address}"]\n  labels: { from: yaml }\n`);
        step = 1;
      } else if (step === 1 && of(points, 'yaml').some(({ name }) => name === 'up')) {
        writeFileSync(join(folder, 'a.json'), '[]');
        step = 2;
      }
      return of(points, 'json').some(({ name, ended }) => name === 'up' && ended);
    });
    assert.match(log.lines[0]!.message, /cannot read targets from .*b\.yml: it is not a list/);
  });
});

test('prometheus: targets come from a URL', async () => {
  await withServer(answering(PAGE), (address) => withServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify([{ targets: [address], labels: { from: 'http', __meta_x: 'y' } }]));
  }, async (list) => {
    const { points } = await scraped([{ job_name: 'sd',
      http_sd_configs: [{ url: `http://${list}/targets`, refresh_interval: '20ms' }],
      relabel_configs: [{ source_labels: ['__meta_url', '__meta_x'], target_label: 'meta' }],
    }], up(1));
    const meta = `http://${list}/targets;y`;
    assert.deepEqual(points[0]!.labels, { path: '/', from: 'http', meta });
  }));
});

test('prometheus: a list that cannot be had keeps the targets before', async () => {
  let lists = 0;
  await withServer(answering(PAGE), (address) => withServer((_request, response) => {
    lists += 1;
    if (lists > 1) return void response.writeHead(503).end();
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify([{ targets: [address] }]));
  }, async (list) => {
    let since = 0;
    const { log } = await scraped([{ job_name: 'sd',
      http_sd_configs: [{ url: `http://${list}/`, refresh_interval: '5ms' }],
    }], (points) => {
      if (lists > 3 && since === 0) since = points.length;
      return since > 0 && points.length > since + 10 && !points.some(({ ended }) => ended);
    });
    assert.match(log.lines[0]!.message, /cannot find targets: HTTP 503/);
  }));
});

test('prometheus: targets are spread over the interval', async () => {
  const clock = createManualClock();
  const base = testContext();
  const context = { ...base, world: { ...base.world, clock } };
  const at = new Map<string, number[]>();
  await withServer((request, response) => {
    const times = at.get(request.url!) ?? [];
    at.set(request.url!, [...times, clock.monotonicMs()]);
    answering(PAGE)(request, response);
  }, async (address) => {
    const job = (path: string) => ({ job_name: path, scrape_interval: '60s',
      metrics_path: path, static_configs: [{ targets: [address] }] });
    const sink = createSink();
    const receiver = created([...Array(8).keys()].map((n) => job(`/${n}`)), sink, context);
    await receiver.start();
    for (let second = 0; second < 120; second += 1) {
      await clock.advance(1000);
      await until(() => [...at.values()].flat().length === sink.received.length, 'answers');
    }
    const times = [...at.values()];
    assert.equal(times.length, 8);
    for (const [first, second] of times) assert.equal(Math.round(second! - first!), 60_000);
    assert.ok(new Set(times.map(([first]) => Math.floor(first! / 5000))).size >= 4, String(times));
    await receiver.stop(NEVER);
    assert.equal(clock.pending(), 0);
  });
});

test('prometheus: a scrape that takes longer than the interval is not overtaken', async () => {
  const clock = createManualClock();
  const base = testContext();
  const context = { ...base, world: { ...base.world, clock } };
  const waiting: ServerResponse[] = [];
  await withServer((_request, response) => void waiting.push(response), async (address) => {
    const job = staticJob([address], { scrape_interval: '10s', scrape_timeout: '10s' });
    const receiver = created([job], createSink(), context);
    await receiver.start();
    // The timeout of a scrape and the next tick fall together: the tick finds it still running.
    for (let tick = 0; tick < 4; tick += 1) await clock.advance(10_000);
    await until(() => waiting.length > 0, 'a request');
    assert.ok(context.counters.total('binnacle_prometheus_skipped_scrapes_total') > 0);
    await receiver.stop(NEVER);
  });
});

test('prometheus: targets beyond the limit, or without an address, are counted', async () => {
  await withServer(answering(PAGE), async (address) => {
    const { context, points } = await scraped([staticJob([address, 'b:1', 'c/d:1'],
      { target_limit: 1 })], up(1));
    assert.equal(context.counters.total('binnacle_prometheus_unusable_targets_total'), 2);
    assert.deepEqual([...new Set(points.map(({ instance }) => instance))], [address]);
  });
});

test('prometheus: what is not built is refused by name', () => {
  const refused = (config: unknown, why: RegExp) =>
    assert.throws(() => prometheusReceiver.schema.parse(config), why);
  const job = (more: Job) => ({ config: { scrape_configs: [staticJob(['a:1'], more)] } });
  const list = [{ role: 'pod' }];
  refused(job({ kubernetes_sd_configs: list }), /kubernetes_sd_configs/);
  refused(job({ consul_sd_configs: list }), /consul_sd_configs/);
  refused(job({ oauth2: { client_id: 'x' } }), /oauth2/);
  refused(job({ scrape_interval: '1s', scrape_timeout: '2s' }), /longer than scrape_interval/);
  refused(job({ basic_auth: {}, bearer_token: 'x' }), /more than one way to say who asks/);
  refused(job({ nonsense: 1 }), /nonsense/);
  refused({ ...job({}), target_allocator: { endpoint: 'x' } }, /target_allocator/);
  refused({ config: { scrape_configs: [staticJob([]), staticJob([])] } }, /name of another job/);
  refused({ config: { rule_files: ['x'], scrape_configs: [staticJob([])] } }, /rule_files/);
});

checkReceiver({
  name: 'prometheus',
  create: async (next, context) => {
    const { server, address } = await serving(answering(PAGE));
    return {
      receiver: created([staticJob([address], { scrape_interval: '5ms', scrape_timeout: '5ms' })],
        next, context),
      close: async () => {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  },
});
