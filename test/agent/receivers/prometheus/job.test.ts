// Proves what a job takes from `global` and what is its own, what becomes of an address until it is
// a target, what DNS makes of names, and TLS towards a target.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:https';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { createPageClient } from '../../../../agent/receivers/prometheus/client.ts';
import { prometheusSchema } from '../../../../agent/receivers/prometheus/config.ts';
import {
  dnsLook, groupsOf, type DnsResolver,
} from '../../../../agent/receivers/prometheus/discovery.ts';
import { createJob, formatOf } from '../../../../agent/receivers/prometheus/job.ts';
import { createTarget, resourceOf } from '../../../../agent/receivers/prometheus/targets.ts';
import { createWorld } from '../../../../runtime/world.ts';
import { createRecordingLog, NEVER, temporaryFolder } from '../../../contract/fakes.ts';

type Keys = Record<string, unknown>;

function jobOf(job: Keys, global: Keys = {}, receiver: Keys = {}) {
  const parsed = prometheusSchema().parse({ ...receiver,
    config: { global, scrape_configs: [{ job_name: 'j', ...job }] } });
  return createJob(parsed.config.scrape_configs[0]!, parsed);
}

test('job: the timeout is never longer than the interval', () => {
  const times = (job: Keys, global: Keys = {}) => {
    const { target } = jobOf(job, global);
    return [target.intervalMs, target.timeoutMs];
  };
  assert.deepEqual(times({}), [60_000, 10_000]);
  assert.deepEqual(times({ scrape_interval: '5s' }), [5000, 5000]);
  assert.deepEqual(times({}, { scrape_interval: '30s', scrape_timeout: '20s' }), [30_000, 20_000]);
  assert.deepEqual(times({ scrape_timeout: '1s' }, { scrape_timeout: '20s' }), [60_000, 1000]);
});

test('job: limits of global hold where the job has none', () => {
  const global = { sample_limit: 5, label_limit: 6, label_name_length_limit: 7,
    label_value_length_limit: 8, body_size_limit: '1MB', target_limit: 9 };
  const { table, bytesMax, targetsMax } = jobOf({ sample_limit: 1 }, global);
  assert.equal(table.sampleLimit, 1);
  assert.deepEqual(table.limits, { labels: 6, nameBytes: 7, valueBytes: 8 });
  assert.deepEqual([bytesMax, targetsMax], [1024 * 1024, 9]);
  const none = jobOf({});
  assert.deepEqual([none.bytesMax, none.targetsMax], [64 * 1024 * 1024, 10_000]);
});

test('job: what is asked for, and with what', () => {
  assert.equal(jobOf({}).headers['accept'], 'application/openmetrics-text;version=1.0.0;q=0.6,'
    + 'application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1');
  assert.equal(jobOf({ scrape_protocols: ['PrometheusProto', 'PrometheusText0.0.4'] })
    .headers['accept'], 'text/plain;version=0.0.4;q=0.6,*/*;q=0.1');
  assert.equal(jobOf({ enable_compression: false }).headers['accept-encoding'], undefined);
});

test('job: settings of the receiver', () => {
  const { table, extra } = jobOf({}, { external_labels: { a: 'b' } }, {
    trim_metric_suffixes: true, use_start_time_metric: true, report_extra_scrape_metrics: true });
  assert.ok(extra && table.trimSuffixes);
  assert.deepEqual(table.externalLabels, { a: 'b' });
  assert.ok(table.startMetric!.test('my_process_start_time_seconds'));
  assert.equal(jobOf({}).table.startMetric, null);
  assert.equal(jobOf({ extra_scrape_metrics: true }).extra, true);
  assert.equal(jobOf({ metric_name_validation_scheme: 'legacy' }).table.legacyNames, true);
});

test('job: the format of a page', () => {
  assert.equal(formatOf('application/openmetrics-text; version=1.0.0', 'text'), 'openmetrics');
  assert.equal(formatOf('text/plain; version=0.0.4', 'openmetrics'), 'text');
  assert.equal(formatOf('', 'openmetrics'), 'openmetrics');
  assert.equal(formatOf('application/vnd.google.protobuf; encoding=delimited', 'text'), null);
  assert.equal(jobOf({ fallback_scrape_protocol: 'OpenMetricsText1.0.0' }).fallback, 'openmetrics');
});

test('target: labels with two underscores steer it and are not its own', () => {
  const found = { targets: [], labels: { __meta_x: 'm', __scheme__: 'https', __metrics_path__: 'p',
    __param_q: 'over', __scrape_interval__: '5s', __scrape_timeout__: '2s', team: 't' } };
  const target = createTarget('h:1', found, jobOf({ params: { q: ['a', 'b'] } }).target);
  assert.ok(target !== null && typeof target !== 'string');
  assert.equal(target.url.href, 'https://h:1/p?q=over&q=b');
  assert.deepEqual([target.intervalMs, target.timeoutMs], [5000, 2000]);
  assert.deepEqual(Object.fromEntries(target.labels), { team: 't', job: 'j', instance: 'h:1' });
  assert.ok(!target.key.includes('__meta_x'));
});

test('target: what cannot be one', () => {
  const options = jobOf({}).target;
  const why = (address: string, labels: Record<string, string> = {}) =>
    createTarget(address, { targets: [], labels }, options);
  assert.match(String(why('')), /no __address__/);
  assert.match(String(why('h/p')), /not host:port/);
  assert.match(String(why('h:99999')), /do not make a URL/);
  assert.match(String(why('h:1', { __scheme__: 'ftp' })), /do not make a URL/);
  assert.match(String(why('h:1', { __scrape_interval__: 'x' })), /not a duration/);
  assert.match(String(why('h:1', { __scrape_interval__: '1s' })), /longer than its interval/);
});

test('target: a resource says no host that means nothing elsewhere', () => {
  const host = (instance: string) => Object.fromEntries(resourceOf('j', instance, 'http')
    .map(({ key, value }) => [key, value.value]));
  assert.equal(host('10.0.0.1:90')['server.address'], '10.0.0.1');
  assert.equal(host('[2001:db8::1]:90')['server.address'], '2001:db8::1');
  assert.equal(host('[2001:db8::1]:90')['server.port'], '90');
  for (const nothing of ['localhost:1', '127.0.0.1:1', '0.0.0.0:1', '[::1]:1', '[::]:1']) {
    assert.equal(host(nothing)['server.address'], undefined, nothing);
  }
  assert.equal(host('name')['server.port'], undefined);
});

test('discovery: lists have groups of targets', () => {
  const list = [{ targets: ['a:1'], labels: { b: 2 } }, { targets: [] }];
  assert.deepEqual(groupsOf(list, { m: 'x' }), [
    { targets: ['a:1'], labels: { b: '2', m: 'x' } }, { targets: [], labels: { m: 'x' } }]);
  for (const bad of [null, {}, 'x', [{}], [{ targets: 'a' }], [{ targets: [1] }], [null],
    [{ targets: [], labels: [] }]]) assert.throws(() => groupsOf(bad, {}), Error, String(bad));
});

test('discovery: DNS names become addresses, and what cannot be looked up stays', async () => {
  let fails = false;
  const resolver: DnsResolver = {
    cancel: () => {},
    resolveSrv: async () => {
      if (fails) throw new Error('queryA ESERVFAIL x');
      return [{ name: 'a.example.', port: 90, priority: 1, weight: 1 }];
    },
    resolve4: (async () => ['10.0.0.1']) as unknown as DnsResolver['resolve4'],
    resolve6: (async () => ['::2']) as unknown as DnsResolver['resolve6'],
    resolveMx: async () => [{ exchange: 'mx.example', priority: 1 }],
    resolveNs: async () => ['ns.example.'],
  };
  const log = createRecordingLog();
  const look = (type: 'SRV' | 'A' | 'AAAA' | 'MX' | 'NS') =>
    dnsLook({ names: ['x'], type, port: 7, refresh_interval: 1 }, { log, setting: 's' },
      () => resolver);
  const labels = { __meta_dns_name: 'x' };
  for (const [type, address] of [['SRV', 'a.example:90'], ['A', '10.0.0.1:7'], ['AAAA', '[::2]:7'],
    ['MX', 'mx.example:7'], ['NS', 'ns.example:7']] as const) {
    assert.deepEqual(await look(type)(NEVER), [{ targets: [address], labels }]);
  }
  const srv = look('SRV');
  const before = await srv(NEVER);
  fails = true;
  assert.deepEqual(await srv(NEVER), before);
  assert.match(log.lines[0]!.message, /cannot look up x/);
});

test('client: TLS with an authority of one\'s own', async () => {
  const folder = temporaryFolder();
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt',
    'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', cert, '-subj', '/CN=metrics',
    '-addext', 'subjectAltName=DNS:metrics', '-days', '2']);
  if (made.status !== 0) return;
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) },
    (_request, response) => response.end('a 1\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`);
  const got = async (tls: Keys) => {
    const { config } = jobOf({ tls_config: tls });
    const client = createPageClient(config, createWorld(), 's');
    await client.start();
    const answer = await client.get({ url, headers: {}, timeoutMs: 5000, bytesMax: 100 }, NEVER);
    await client.close();
    return answer.ok;
  };
  assert.deepEqual(await Promise.all([
    got({}), got({ insecure_skip_verify: true }), got({ ca_file: cert, server_name: 'metrics' }),
    got({ ca: readFileSync(cert, 'utf8'), server_name: 'metrics' }),
    got({ ca_file: cert, server_name: 'other' }),
  ]), [false, true, true, true, false]);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
