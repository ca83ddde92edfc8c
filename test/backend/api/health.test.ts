// `/health`, `/health/ready`, `/health/live` and `/metrics` over a real engine that is stopped and
// started again, and of the exposition that it is Prometheus text, read by a parser of its own.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createHealthBoard } from '../../../backend/health/health.ts';
import { countProcess } from '../../../backend/health/process.ts';
import { createEngine, type Engine } from '../../../backend/storage/engine/supervisor.ts';
import { createClickHouseStorage } from '../../../backend/storage/clickhouse/storage.ts';
import { createClock } from '../../../runtime/clock.ts';
import { storageOptions } from '../storage/clickhouse/storage_fixture.ts';
import { until } from '../../contract/fakes.ts';
import { problemIn, startApi, type ApiFixture } from './api_fixture.ts';

const folder = mkdtempSync(join(tmpdir(), 'binnacle-health-'));
const engine: Engine = createEngine({ path: folder });
const storage = createClickHouseStorage({ ...storageOptions('', {}), url: () => engine.url });
let api: ApiFixture;
let asked = 0;

before(async () => {
  await engine.start();
  await storage.start();
  api = await startApi(storage, { health: createHealthBoard({
    clock: createClock(),
    version: '1.2.3',
    checks: { clickhouse: async () => {
      asked += 1;
      const health = await storage.ping();
      return health.up ? { status: 'healthy', details: { version: health.version } }
        : { status: 'unhealthy', reason: health.reason };
    } },
  }) });
});

after(async () => {
  await api?.stop();
  await storage.stop(AbortSignal.timeout(5000));
  await engine.stop(AbortSignal.timeout(10_000));
  rmSync(folder, { recursive: true, force: true });
});

interface Report {
  readonly status: string;
  readonly version: string;
  readonly checks: { readonly clickhouse: { readonly status: string; readonly reason?: string } };
}

const healthOf = async (path = '/health') => {
  const answer = await api.get(path);
  return { code: answer.status, report: JSON.parse(answer.text) as Report };
};

test('health: all is well', async () => {
  const { code, report } = await healthOf();
  assert.equal(code, 200);
  assert.deepEqual([report.status, report.version], ['healthy', '1.2.3']);
  assert.equal(report.checks.clickhouse.status, 'healthy');
  assert.deepEqual(await healthOf('/health/ready'), { code: 200, report: { status: 'healthy' } });
  assert.equal((await api.get('/health', { method: 'HEAD' })).status, 200);
});

test('health: an engine that is away is 503 with the reason, and 200 when it is back', async () => {
  await engine.stop(AbortSignal.timeout(10_000));
  const { code, report } = await healthOf();
  assert.deepEqual([code, report.status], [503, 'unhealthy']);
  assert.match(report.checks.clickhouse.reason!, /connection refused/);
  assert.deepEqual(await healthOf('/health/ready'), { code: 503, report: { status: 'unhealthy' } });
  assert.equal((await healthOf('/health/live')).code, 200);
  const problem = problemIn(await api.ask({ sql: 'SELECT 1' }));
  assert.deepEqual([problem.status, problem.code], [503, 'STORE_UNAVAILABLE']);
  await engine.start();
  await until(async () => (await healthOf()).code === 200, 'it is healthy again');
  assert.equal((await api.ask({ sql: 'SELECT 1', format: 'TSV' })).text, '1\n');
});

test('health: however many ask, the engine is asked once', async () => {
  asked = 0;
  const answers = await Promise.all(Array.from({ length: 50 }, () => api.get('/health/ready')));
  assert.ok(answers.every(({ status }) => status === 200));
  assert.ok(asked < 25, `asked ${asked} times`);
});

test('metrics: Prometheus text with process, queries and requests', async () => {
  countProcess(api.counters, createClock(), '1.2.3');
  await api.ask({ sql: 'SELECT 1' });
  await api.get('/nowhere?a="\\');
  const answer = await api.get('/metrics');
  assert.equal(answer.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  const series = parseExposition(answer.text);
  const value = (name: string) => {
    assert.ok(series.has(name), `${name} in\n${[...series.keys()].join('\n')}`);
    return series.get(name)!;
  };
  assert.equal(value('binnacle_backend_info{version="1.2.3"}'), 1);
  assert.ok(value('binnacle_process_resident_memory_bytes') > 1e7);
  assert.ok(value('binnacle_process_heap_bytes') > 1e6);
  assert.ok(value('binnacle_process_external_bytes') > 0);
  assert.ok(value('binnacle_process_cpu_seconds_total') > 0);
  assert.ok(value('binnacle_process_uptime_seconds') >= 0);
  assert.equal(value('binnacle_queries_running'), 0);
  assert.ok(value('binnacle_queries_total{result="ok"}') >= 1);
  assert.ok(value('binnacle_query_seconds_total') > 0);
  assert.equal(value('binnacle_http_requests_total{method="GET",route="",status="404"}'), 1);
});

/** Series and values; fails on whatever is not the text format 0.0.4. */
function parseExposition(text: string): Map<string, number> {
  const series = new Map<string, number>();
  const types = new Map<string, string>();
  assert.ok(text.endsWith('\n'));
  for (const line of text.trimEnd().split('\n')) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.+)$/.exec(line);
    if (comment !== null) {
      if (comment[1] !== 'TYPE') continue;
      assert.match(comment[3]!, /^(?:counter|gauge)$/);
      assert.ok(!types.has(comment[2]!), `one TYPE for ${comment[2]}`);
      types.set(comment[2]!, comment[3]!);
      continue;
    }
    const sample = /^([a-zA-Z_:][\w:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)*\})? (\S+)$/
      .exec(line);
    assert.ok(sample !== null, `a sample: ${line}`);
    const [, name, labels = '', value] = sample;
    assert.ok(types.has(name!), `a TYPE before ${name}`);
    assert.ok(!series.has(name! + labels), `once: ${name}${labels}`);
    assert.ok(!Number.isNaN(Number(value)), line);
    series.set(name! + labels, Number(value));
  }
  return series;
}
