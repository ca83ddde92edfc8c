// docs/tables.md is held to the program: it has every column of every table with its type, its
// queries run through `/api/query` and find what was stored, and what it says of values is so.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Batch } from '../../../proto/contract/batch.ts';
import { requestFromJson } from '../../../proto/otlp/json.ts';
import type { Signal } from '../../../proto/otlp/model.ts';
import { createClock } from '../../../runtime/clock.ts';
import { startEngine, type EngineFixture } from '../storage/engine_fixture.ts';
import { NEVER, startStorage, type StorageFixture } from '../storage/clickhouse/storage_fixture.ts';
import { startApi, type ApiFixture } from './api_fixture.ts';

const DOC = readFileSync(new URL('../../../docs/tables.md', import.meta.url), 'utf8');
const TRACE = '5b8efff798038103d269b633813fc60c';
const DATABASE = 'tables_doc';

let engine: EngineFixture;
let store: StorageFixture;
let api: ApiFixture;

before(async () => {
  engine = await startEngine();
  store = await startStorage(engine.url, { database: DATABASE });
  api = await startApi(store.storage);
  await fill('logs', logs());
  await fill('traces', traces());
  await fill('metrics', metrics());
  await store.storage.append({ table: 'binnacle_alerting', abort: NEVER, rows: [{ Kind: 'alert',
    Key: 'r/1', Version: '1', Name: 'Late', State: 'firing', Value: 2, Data: '{}',
    Time: new Date(createClock().nowMs()).toISOString() }] });
});

after(async () => {
  await api?.stop();
  await store?.stop();
  await engine?.stop();
});

async function fill(signal: Signal, request: object): Promise<void> {
  const json = Buffer.from(JSON.stringify(request));
  const batch = Batch.fromRequest(signal, requestFromJson(signal, json));
  assert.deepEqual(await store.storage.writer.consume(batch, NEVER), { status: 'accepted',
    rejected: 0 });
}

const { nowMs } = createClock();
/** Some seconds ago, in OTLP's words. */
const ago = (seconds: number): string => `${BigInt(nowMs() - seconds * 1000)}000000`;
const text = (key: string, value: string) => ({ key, value: { stringValue: value } });
const resource = (service: string) =>
  ({ attributes: [text('service.name', service), text('host.name', 'here')] });

const logs = () => ({ resourceLogs: [{ resource: resource('shop'), scopeLogs: [{ logRecords: [{
  timeUnixNano: ago(60), severityNumber: 17, severityText: 'ERROR', traceId: TRACE,
  spanId: 'eee19b7ec3c1b174', body: { stringValue: 'Timeout of the store' },
  attributes: [
    text('http.route', '/cart'),
    { key: 'list', value: { arrayValue: { values: [{ intValue: '1' }, { boolValue: true }] } } },
    { key: 'bytes', value: { bytesValue: 'AQID' } },
    { key: 'number', value: { doubleValue: 1.5 } },
  ],
}] }] }] });

const span = (name: string, id: string, parent: string, more: object = {}) => ({
  traceId: TRACE, spanId: id, parentSpanId: parent, name, kind: 2,
  startTimeUnixNano: ago(60), endTimeUnixNano: ago(59.75), ...more,
});

const traces = () => ({ resourceSpans: [
  { resource: resource('shop'), scopeSpans: [{ spans: [
    span('GET /cart', 'eee19b7ec3c1b174', '', { status: { code: 2, message: 'no' }, events: [{
      name: 'exception', timeUnixNano: ago(60), attributes: [text('exception.type', 'Late')],
    }] }),
  ] }] },
  { resource: resource('store'), scopeSpans: [{ spans: [
    span('SELECT', 'eee19b7ec3c1b175', 'eee19b7ec3c1b174'),
  ] }] },
] });

const sum = (name: string, attribute: string, values: ReadonlyArray<[number, number]>) => ({
  name, sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints: values.map(
    ([seconds, asDouble]) => ({ timeUnixNano: ago(seconds), startTimeUnixNano: ago(1000), asDouble,
      attributes: [text('state', attribute)] })) },
});

const metrics = () => ({ resourceMetrics: [{ resource: resource('host'), scopeMetrics: [{ metrics: [
  sum('system.memory.usage', 'used', [[120, 1024], [60, 2048]]),
  sum('system.cpu.time', 'user', [[180, 100], [120, 130], [60, 10], [0, 40]]),
  { name: 'http.server.request.duration', histogram: { aggregationTemporality: 1, dataPoints: [
    { timeUnixNano: ago(60), count: '100', sum: 20, bucketCounts: ['90', '8', '2'],
      explicitBounds: [0.1, 0.5], attributes: [text('http.route', '/cart')] },
  ] } },
  { name: 'exp', exponentialHistogram: { aggregationTemporality: 1, dataPoints: [
    { timeUnixNano: ago(60), count: '4', sum: 10, max: 4, scale: 0, zeroCount: '0',
      positive: { offset: 0, bucketCounts: ['1', '3'] } },
  ] } },
  { name: 'sum', summary: { dataPoints: [
    { timeUnixNano: ago(60), count: '4', sum: 10,
      quantileValues: [{ quantile: 0.5, value: 2 }, { quantile: 0.99, value: 4 }] },
  ] } },
] }] }] });

interface Column {
  readonly table: string;
  readonly name: string;
  readonly type: string;
}

const METRIC_TABLES = ['gauge', 'sum', 'histogram', 'exponential_histogram', 'summary'];

/** The rows of the document's tables of columns, under their headings. */
function documented(): string[] {
  const sections = DOC.split(/^## /m).slice(1);
  return sections.flatMap((section) => {
    const tables = section.split('\n')[0]!.split(', ').filter((name) => /^\w+_\w+$/.test(name));
    return section.split(/\n(?=\| column)/).slice(1).flatMap((part) => {
      const perKind = part.startsWith('| column | type | in |');
      return [...part.matchAll(/^\| `([\w.]+)` \| ([^|]+) \| (?:([^|]+) \|)?/gm)].flatMap(
        ([, name, type, kinds]) => tables
          .filter((table) => !perKind || kinds!.trim().split(', ').some((kind) =>
            table === `otel_metrics_${kind}`))
          .filter((table) => !name!.startsWith('Exemplars.') || table !== 'otel_metrics_summary')
          .map((table) => `${table} ${name} ${type!.trim()}`));
    });
  });
}

test('tables.md: every column of every table, with its type', async () => {
  const columns = await store.rows<Column>(`SELECT table, name, type FROM system.columns
    WHERE database = '${DATABASE}' AND table NOT LIKE '%_mv'`);
  assert.ok(new Set(columns.map(({ table }) => table)).size >= METRIC_TABLES.length + 4);
  assert.deepEqual(documented().sort(),
    columns.map(({ table, name, type }) => `${table} ${name} ${type}`).sort());
});

test('tables.md: every projection, and its query is answered from one', async () => {
  const names = await store.rows<{ name: string }>(
    `SELECT name FROM system.projections WHERE database = '${DATABASE}' ORDER BY name`);
  const rollups = DOC.split(/^## /m).find((section) => section.startsWith('Rollups'))!;
  assert.deepEqual([...rollups.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name!).sort(),
    names.map(({ name }) => name));
  // A merge would make it.
  await store.rows(`ALTER TABLE otel_traces MATERIALIZE PROJECTION latency_by_minute
    SETTINGS mutations_sync = 1`);
  const plan = await run(`EXPLAIN projections = 1 ${find('p50_p90_p999_ns')}`);
  assert.match(JSON.stringify(plan), /latency_by_minute/);
});

const QUERIES = [...DOC.matchAll(/^```sql\n(.*?)^```$/gms)].map(([, sql]) => sql!);

async function run(sql: string): Promise<Record<string, unknown>[]> {
  const all = { service: 'shop', trace: TRACE };
  const params = Object.fromEntries(Object.entries(all).filter(([name]) =>
    sql.includes(`{${name}:`)));
  const answer = await api.ask({ sql, params, format: 'JSONEachRow' });
  assert.equal(answer.status, 200, `${sql}\n${answer.text}`);
  return answer.text.split('\n').filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

const find = (part: string): string => {
  const found = QUERIES.filter((sql) => sql.includes(part));
  assert.equal(found.length, 1, part);
  return found[0]!;
};

test('tables.md: its queries run and find something', async () => {
  assert.ok(QUERIES.length >= 12);
  for (const sql of QUERIES) assert.ok((await run(sql)).length > 0, sql);
});

test('tables.md: its queries find what was stored', async () => {
  const [operation] = await run(find('p50_p95_p99_ms'));
  assert.deepEqual([operation!['spans'], operation!['error_ratio']], [1, 1]);
  const [p50] = operation!['p50_p95_p99_ms'] as number[];
  assert.ok(p50! > 240 && p50! < 260, String(p50));
  assert.deepEqual((await run(find('AS caller'))),
    [{ caller: 'shop', called: 'store', calls: 1 }]);
  assert.deepEqual((await run(find('exception.type'))).map(({ type, times }) => [type, times]),
    [['Late', 1]]);
  assert.equal((await run(find('max(End)'))).length, 2);
  assert.deepEqual(await run(find('AS memory')),
    [{ host: 'here', state: 'used', memory: '2.00 KiB' }]);
  // 30 s, then a new beginning that is left out, then 30 s.
  const busy = (await run(find('AS cpus'))).reduce((all, { cpus }) => all + Number(cpus), 0);
  assert.ok(Math.abs(busy - 1) < 0.01, String(busy));
  const [p95] = await run(find('p95_at_most'));
  assert.deepEqual([p95!['requests'], p95!['p95_at_most']], [100, 0.5]);
  assert.deepEqual(await run(find('AS mean')), [{ MetricName: 'exp', mean: 2.5, most: 4 }]);
  assert.deepEqual((await run(find('AS latest'))).map(({ latest }) => latest), [2, 4]);
});

test('tables.md: its queries keep clear of the border that ClickHouse 26.7 gets wrong', () => {
  for (const sql of QUERIES) assert.doesNotMatch(sql, /(?:Timestamp|TimeUnix) [<>] (?!'|now64)/);
});

test('tables.md: attribute values are text as it says', async () => {
  const [row] = await run('SELECT LogAttributes AS a FROM otel_logs');
  assert.deepEqual(row!['a'], { 'http.route': '/cart', 'list': '[1,true]', 'bytes': 'AQID',
    'number': '1.5' });
});
