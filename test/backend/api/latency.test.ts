// `/api/metrics/latency` on a real engine: its parameters, what it refuses and with which sentence,
// and the form of its answer. That its numbers are right is tested in test/backend/latency.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Latency } from '../../../backend/latency/latency.ts';
import { startEngine, type EngineFixture } from '../storage/engine_fixture.ts';
import { startStorage, type StorageFixture } from '../storage/clickhouse/storage_fixture.ts';
import { problemIn, startApi, type ApiFixture } from './api_fixture.ts';

let engine: EngineFixture;
let store: StorageFixture;
let api: ApiFixture;

before(async () => {
  engine = await startEngine();
  store = await startStorage(engine.url, { database: 'api_latency' });
  api = await startApi(store.storage);
  await store.rows(`INSERT INTO otel_traces
    (Timestamp, ServiceName, SpanName, SpanKind, StatusCode, Duration, TraceId)
    SELECT toDateTime64('2026-01-02 10:00:00', 9, 'UTC') + number * 6, if(number % 4 = 0, 'b', 'a'),
      'GET /', if(number % 2 = 0, 'Server', 'Client'), if(number % 10 = 0, 'Error', 'Unset'),
      1000 + number, concat('t', toString(number)) FROM numbers(1200)`);
});

after(async () => {
  await api?.stop();
  await store?.stop();
  await engine?.stop();
});

const PERIOD = 'from=2026-01-02T10:00:00Z&to=2026-01-02T12:00:00Z';

async function ask(query: string): Promise<Latency> {
  const answer = await api.get(`/api/metrics/latency?${query}`);
  assert.equal(answer.status, 200, answer.text);
  return JSON.parse(answer.text) as Latency;
}

test('latency: one point says all, and where it is from', async () => {
  const found = await ask(PERIOD);
  const { quantiles } = found.series[0]!.points[0]!;
  assert.deepEqual(Object.keys(quantiles), ['0.5', '0.95', '0.99']);
  for (const [level, value] of Object.entries(quantiles)) {
    assert.ok(Math.abs(value / (1000 + 1199 * Number(level)) - 1) < 0.011, `${level} ${value}`);
  }
  assert.deepEqual(found, {
    from: '2026-01-02T10:00:00.000Z', to: '2026-01-02T12:00:00.000Z', step: null, exact: false,
    sources: [{ rollup: 'hour', from: '2026-01-02T10:00:00.000Z', to: '2026-01-02T12:00:00.000Z' }],
    series: [{ keys: {}, points: [{
      from: '2026-01-02T10:00:00.000Z', to: '2026-01-02T12:00:00.000Z', spans: 1200, count: 1200,
      errors: 120, rate: 1200 / 7200, mean: 1599.5, min: 1000, max: 2199, quantiles,
      exemplar: 't1199',
    }] }],
  });
});

test('latency: series, steps, choices, and exact quantiles', async () => {
  const { series, step, sources } = await ask(
    `${PERIOD}&step=1h&group_by=service,kind&status=Error&quantiles=.5`);
  assert.deepEqual([step, sources.map(({ rollup }) => rollup)], [3600, ['hour']]);
  assert.deepEqual(series.map(({ keys, points }) => [keys, points.map(({ spans }) => spans)]), [
    [{ service: 'a', kind: 'Server' }, [30, 30]], [{ service: 'b', kind: 'Server' }, [30, 30]]]);
  const seconds = await ask(`${PERIOD}&step=30s&service=b`);
  assert.equal(seconds.sources[0]!.rollup, 'raw');
  assert.equal(seconds.series[0]!.points.length, 240);
  const exact = await ask(`${PERIOD}&exact=true&quantiles=0,0.5,1&operation=GET%20/`);
  assert.deepEqual(exact.series[0]!.points[0]!.quantiles, { 0: 1000, 0.5: 1599, 1: 2199 });
  const cut = await ask('from=2026-01-02T10:00:30.5Z&to=2026-01-02T10:02:10Z&step=1m');
  assert.deepEqual(cut.sources.map(({ rollup }) => rollup), ['raw', 'minute', 'raw']);
  assert.deepEqual(cut.series[0]!.points.map(({ from, spans }) => [from.slice(14, -1), spans]),
    [['00:30.500', 4], ['01:00.000', 10], ['02:00.000', 2]]);
  assert.deepEqual((await ask(`${PERIOD}&service=nobody`)).series, []);
  assert.deepEqual((await ask(`${PERIOD}&service=${encodeURIComponent("x' OR 1=1")}`)).series, []);
});

test('latency: the last whole hour unless told otherwise', async () => {
  const { from, to, series } = await ask('');
  assert.equal(Date.parse(to) - Date.parse(from), 3_600_000);
  assert.equal(Date.parse(to) % 60_000, 0);
  assert.deepEqual(series, []);
});

test('latency: what cannot be is refused with a sentence', async () => {
  const check = async (query: string, message: RegExp) => {
    const problem = problemIn(await api.get(`/api/metrics/latency?${query}`));
    assert.deepEqual([problem.status, problem.code], [400, 'INVALID_REQUEST'], query);
    assert.match(problem.message, message);
  };
  await check('from=yesterday', /from must be a time like/);
  await check('to=2026-01-02T00:00:00.1234Z', /to the millisecond at most/);
  await check('from=2026-01-03&to=2026-01-03', /from must be before to/);
  await check('from=2020-01-01&to=2026-01-01', /longer than 400 days/);
  await check(`${PERIOD}&step=0s`, /step must be whole seconds/);
  await check(`${PERIOD}&step=fast`, /step must be whole seconds/);
  await check('from=2026-01-01&to=2026-03-01&step=1s', /more than 11000 steps/);
  await check('quantiles=2', /quantiles is a list/);
  await check('quantiles=0.5,,1', /quantiles is a list/);
  await check('quantiles=0.5,0.50', /quantiles is a list/);
  await check('group_by=host', /group_by is a list of some of service, operation, kind, status/);
  await check('group_by=kind,kind', /group_by is a list/);
  await check('group_by=toString', /group_by is a list/);
  await check('kind=server', /kind/);
  await check('exact=yes', /exact/);
  await check('since=2026-01-01', /since|additional/);
});

test('latency: pages of other origins have no access', async () => {
  const headers = { 'sec-fetch-site': 'cross-site' };
  assert.equal((await api.get('/api/metrics/latency', { headers })).status, 403);
});
