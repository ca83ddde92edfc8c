// Metrics over time through `/api/metrics`, on a real engine. Points are made by a seeded generator
// in all the ways that senders have (cumulative and delta, counters that begin anew, points that
// are missing, histograms of several bounds and scales), and each answer is held against a
// straightforward computation over the same points, or the observations that they were made of.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { request } from 'undici';
import { createSeededRandom } from '../../../runtime/random.ts';
import { problemIn, startApi, type ApiFixture } from '../api/api_fixture.ts';
import { startEngine, type EngineFixture } from '../storage/engine_fixture.ts';
import { startStorage, type StorageFixture } from '../storage/clickhouse/storage_fixture.ts';

const DATABASE = 'api_metrics';
const FROM_MS = Date.UTC(2026, 0, 2, 10);
const TO_MS = FROM_MS + 3_600_000;
const STEP_MS = 300_000;
const PERIOD = `from=${new Date(FROM_MS).toISOString()}&to=${new Date(TO_MS).toISOString()}`;
const random = createSeededRandom(42);

let engine: EngineFixture;
let store: StorageFixture;
let api: ApiFixture;

/** A point as a row of a table; times in milliseconds. */
type Point = Record<string, unknown> & { readonly atMs: number; readonly startMs: number };

const secondsOf = (ms: number): string => (ms / 1000).toFixed(3).padStart(14, '0');

async function insert(table: string, points: readonly Point[]): Promise<void> {
  const rows = points.map(({ atMs, startMs, ...row }) => JSON.stringify({
    ...row, TimeUnix: secondsOf(atMs), StartTimeUnix: secondsOf(startMs),
  }));
  const answer = await request(`${engine.url}/?database=${DATABASE}`, {
    method: 'POST', body: `INSERT INTO ${table} FORMAT JSONEachRow\n${rows.join('\n')}`,
  });
  assert.equal(answer.statusCode, 200, await answer.body.text());
}

const gauges: Point[] = [];
const counters: Point[] = [];
const latencies: { atMs: number; ms: number; service: string }[] = [];

before(async () => {
  engine = await startEngine();
  store = await startStorage(engine.url, { database: DATABASE });
  api = await startApi(store.storage);
  for (const host of ['web-1', 'web-2', 'db-1']) {
    for (let atMs = FROM_MS - 600_000; atMs < TO_MS + 60_000; atMs += 20_000) {
      gauges.push({ atMs, startMs: 0, MetricName: 'system.memory.usage', MetricUnit: 'By',
        ServiceName: 'host', ResourceAttributes: { 'host.name': host },
        Attributes: { state: 'used' }, Value: Math.round(random.float() * 1e9) });
    }
  }
  await insert('otel_metrics_gauge', gauges);
  for (const [service, temporality] of [['shop', 2], ['pay', 2], ['old', 1]] as const) {
    for (const route of ['/cart', '/pay']) counters.push(...counter(service, route, temporality));
  }
  await insert('otel_metrics_sum', counters);
  await insertHistograms();
  await insert('otel_metrics_summary', [60, 120, 180].map((second, index) => ({
    atMs: FROM_MS + second * 1000, startMs: FROM_MS, MetricName: 'gc.pause', ServiceName: 'shop',
    Count: 10 * (index + 1), Sum: 5 * (index + 1),
    'ValueAtQuantiles.Quantile': [0.5, 0.99], 'ValueAtQuantiles.Value': [0.25, 2 + index],
  })));
});

after(async () => {
  await api?.stop();
  await store?.stop();
  await engine?.stop();
});

/** Grows by up to 50 every 15 s; some points are missing; begins anew twice. */
function counter(service: string, route: string, temporality: 1 | 2): Point[] {
  const points: Point[] = [];
  let [value, startMs] = [1000, FROM_MS - 86_400_000];
  const began = [FROM_MS + 900_000 + Math.floor(random.float() * 60_000), FROM_MS + 2_400_000];
  for (let atMs = FROM_MS - 900_000; atMs < TO_MS; atMs += 15_000) {
    if (began.length > 0 && atMs > began[0]!) [value, startMs] = [0, began.shift()!];
    const added = Math.floor(random.float() * 50);
    value += added;
    if (random.float() < 0.1) continue;
    points.push({ atMs, startMs: temporality === 1 ? atMs - 15_000 : startMs,
      MetricName: 'http.server.requests', MetricUnit: '{request}', ServiceName: service,
      ResourceAttributes: { 'service.name': service, 'host.name': 'web-1' },
      Attributes: { 'http.route': route }, Value: temporality === 1 ? added : value,
      AggregationTemporality: temporality, IsMonotonic: true });
  }
  return points;
}

const BOUNDS = [5, 10, 25, 50, 100, 250, 500, 1000, 2500];

/** Observations of one series; its points are cumulative, and begin anew once. */
async function insertHistograms(): Promise<void> {
  const explicit: Point[] = [];
  const exponential: Point[] = [];
  for (const service of ['shop', 'pay']) {
    let startMs = FROM_MS;
    let own: number[] = [];
    for (let atMs = FROM_MS + 30_000; atMs < TO_MS; atMs += 30_000) {
      if (atMs === FROM_MS + 1_800_000) [startMs, own] = [atMs - 30_000, []];
      for (let count = 0; count < 20; count += 1) {
        const ms = Math.exp(random.float() * 6 + random.float());
        own.push(ms);
        latencies.push({ atMs, ms, service });
      }
      const common = { atMs, startMs, ServiceName: service, MetricUnit: 'ms', Count: own.length,
        Sum: own.reduce((sum, ms) => sum + ms, 0), AggregationTemporality: 2 };
      explicit.push({ ...common, MetricName: 'http.server.duration', ExplicitBounds: BOUNDS,
        BucketCounts: countsOf(own) });
      // The scale gets coarser while a series lives, as that of SDKs does.
      const scale = atMs < FROM_MS + 1_200_000 ? 5 : 3;
      exponential.push({ ...common, MetricName: 'http.server.duration.exp', Scale: scale,
        ...exponentOf(own, scale) });
    }
  }
  await insert('otel_metrics_histogram', explicit);
  await insert('otel_metrics_exponential_histogram', exponential);
}

const countsOf = (values: readonly number[]): number[] =>
  [...BOUNDS, Infinity].map((bound, index) => values.filter((ms) =>
    ms <= bound && (index === 0 || ms > BOUNDS[index - 1]!)).length);

function exponentOf(values: readonly number[], scale: number): object {
  const indices = values.map((ms) => Math.ceil(Math.log2(ms) * 2 ** scale) - 1);
  const offset = Math.min(...indices);
  const counts = Array.from({ length: Math.max(...indices) - offset + 1 }, () => 0);
  for (const index of indices) counts[index - offset]! += 1;
  return { PositiveOffset: offset, PositiveBucketCounts: counts, ZeroCount: 0 };
}

interface Found {
  readonly function: string;
  readonly aggregate: string;
  readonly step: number | null;
  readonly series: readonly {
    readonly labels: Readonly<Record<string, string>>;
    readonly points: readonly (readonly [string, number])[];
  }[];
}

async function ask(query: string): Promise<Found> {
  const answer = await api.get(`/api/metrics/query?${PERIOD}&${query}`);
  assert.equal(answer.status, 200, answer.text);
  return JSON.parse(answer.text) as Found;
}

/** Points by step, of what `valueOf` makes of those of a step. */
function expected(
  points: readonly Point[],
  keyOf: (point: Point) => string,
  valueOf: (points: readonly Point[]) => number,
): Record<string, Record<string, number>> {
  const found: Record<string, Record<string, Point[]>> = {};
  for (const point of points) {
    if (point.atMs < FROM_MS || point.atMs >= TO_MS) continue;
    const at = new Date(Math.floor(point.atMs / STEP_MS) * STEP_MS).toISOString();
    ((found[keyOf(point)] ??= {})[at] ??= []).push(point);
  }
  return mapValues(found, (steps) => mapValues(steps, valueOf));
}

const mapValues = <A, B>(of: Record<string, A>, change: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(of).map(([key, value]) => [key, change(value)]));

const asTable = ({ series }: Found): Record<string, Record<string, number>> =>
  Object.fromEntries(series.map(({ labels, points }) =>
    [Object.values(labels).join('|'), Object.fromEntries(points)]));

function closeTo(found: Record<string, Record<string, number>>, right: typeof found): void {
  assert.deepEqual(Object.keys(found).sort(), Object.keys(right).sort());
  for (const [key, steps] of Object.entries(right)) {
    assert.deepEqual(Object.keys(found[key]!), Object.keys(steps).sort(), key);
    for (const [at, value] of Object.entries(steps)) {
      const has = found[key]![at]!;
      const isClose = Math.abs(has - value) <= 1e-9 * Math.max(1, Math.abs(value));
      assert.ok(isClose, `${key} ${at}: ${has} ${value}`);
    }
  }
}

const hostOf = ({ ResourceAttributes }: Point): string =>
  (ResourceAttributes as Record<string, string>)['host.name']!;
const valuesOf = (points: readonly Point[]): number[] => points.map(({ Value }) => Number(Value));

test('metrics: a gauge by host, each way of looking at the points of a step', async () => {
  const ways: Record<string, (points: readonly Point[]) => number> = {
    last: (points) => valuesOf(points).at(-1)!,
    avg: (points) => valuesOf(points).reduce((sum, one) => sum + one, 0) / points.length,
    min: (points) => Math.min(...valuesOf(points)),
    max: (points) => Math.max(...valuesOf(points)),
    count: (points) => points.length,
  };
  for (const [name, way] of Object.entries(ways)) {
    const found = await ask(`metric=system.memory.usage&function=${name}&group_by=host&step=5m`);
    closeTo(asTable(found), expected(gauges, hostOf, way));
  }
});

test('metrics: series of a group become one, and a search chooses among them', async () => {
  const found = await ask('metric=system.memory.usage&q=host:web-*&aggregate=sum&step=5m');
  assert.deepEqual([found.function, found.aggregate, found.step], ['last', 'sum', 300]);
  const byHost = expected(gauges.filter((point) => hostOf(point).startsWith('web')), hostOf,
    (points) => valuesOf(points).at(-1)!);
  const sums = mapValues(byHost['web-1']!, (value) => value);
  for (const [at, value] of Object.entries(byHost['web-2']!)) sums[at]! += value;
  closeTo(asTable(found), { '': sums });
});

/** What each point adds, by the rules of the data model, one point after another. */
function additions(): Point[] {
  const last = new Map<string, Point>();
  return counters.flatMap((point) => {
    const key = `${point.ServiceName} ${JSON.stringify(point.Attributes)}`;
    const before = last.get(key);
    last.set(key, point);
    if (point.AggregationTemporality === 1) return [point];
    // Only what lies in the ten minutes before the period is read along.
    if (before === undefined || before.atMs < FROM_MS - 600_000) {
      return point.startMs >= FROM_MS ? [point] : [];
    }
    const anew = point.startMs > before.atMs || Number(point.Value) < Number(before.Value);
    return [{ ...point, Value: Number(point.Value) - (anew ? 0 : Number(before.Value)) }];
  });
}

const total = (points: readonly Point[]): number =>
  valuesOf(points).reduce((sum, one) => sum + one, 0);

test('metrics: what counters added, cumulative and delta, over resets', async () => {
  const found = await ask('metric=http.server.requests&function=increase'
    + '&group_by=service,http.route&step=5m');
  const key = ({ ServiceName, Attributes }: Point) =>
    `${ServiceName}|${(Attributes as Record<string, string>)['http.route']}`;
  closeTo(asTable(found), expected(additions(), key, total));
});

test('metrics: a rate is per second of the step, summed over the series', async () => {
  const found = await ask('metric=http.server.requests&step=5m');
  assert.equal(found.function, 'rate');
  closeTo(asTable(found), expected(additions(), () => '', (points) => total(points) / 300));
  const one = await ask('metric=http.server.requests&step=0');
  const all = expected(additions(), () => '', total)[''];
  const sum = Object.values(all!).reduce((a, b) => a + b, 0);
  assert.equal(one.step, null);
  assert.ok(Math.abs(one.series[0]!.points[0]![1] - sum / 3600) < 1e-9);
});

/** The bucket of `BOUNDS` that the true quantile lies in. */
function bucketOf(values: readonly number[], level: number): readonly [number, number] {
  const sorted = [...values].sort((a, b) => a - b);
  const exact = sorted[Math.max(0, Math.ceil(level * sorted.length) - 1)]!;
  const index = BOUNDS.findIndex((bound) => exact <= bound);
  return [BOUNDS[index - 1] ?? 0, BOUNDS[index] ?? BOUNDS.at(-1)!];
}

test('metrics: quantiles of histograms lie in the bucket of the true one', async () => {
  const found = await ask('metric=http.server.duration&group_by=service&step=5m');
  assert.equal(found.series.length, 6);
  for (const { labels, points } of found.series) {
    assert.equal(points.length, 12);
    for (const [at, value] of points) {
      const own = latencies.filter(({ atMs, service }) => service === labels['service']
        && Math.floor(atMs / STEP_MS) * STEP_MS === Date.parse(at)).map(({ ms }) => ms);
      const [low, high] = bucketOf(own, Number(labels['quantile']));
      assert.ok(value >= low && value <= high, `${labels['quantile']} ${at} ${value}`);
    }
  }
});

test('metrics: quantiles of exponential histograms are within their base of the true one',
  async () => {
    const base = 2 ** (2 ** -3);
    const found = await ask('metric=http.server.duration.exp&group_by=service&step=5m');
    assert.equal(found.series.length, 6);
    for (const { labels, points } of found.series) {
      for (const [at, value] of points) {
        const own = latencies.filter(({ atMs, service }) => service === labels['service']
          && Math.floor(atMs / STEP_MS) * STEP_MS === Date.parse(at)).map(({ ms }) => ms)
          .sort((a, b) => a - b);
        const exact = own[Math.max(0, Math.ceil(Number(labels['quantile']) * own.length) - 1)]!;
        assert.ok(value >= exact / base && value <= exact * base, `${at} ${value} ${exact}`);
      }
    }
  });

test('metrics: mean and number of observations of histograms', async () => {
  for (const metric of ['http.server.duration', 'http.server.duration.exp']) {
    const mean = await ask(`metric=${metric}&function=average&step=0&q=service:shop`);
    const own = latencies.filter(({ service }) => service === 'shop').map(({ ms }) => ms);
    const right = own.reduce((sum, ms) => sum + ms, 0) / own.length;
    assert.ok(Math.abs(mean.series[0]!.points[0]![1] / right - 1) < 1e-9);
    const count = await ask(`metric=${metric}&function=increase&step=0`);
    assert.equal(count.series[0]!.points[0]![1], latencies.length);
  }
});

test('metrics: a summary tells the quantiles that its sender computed', async () => {
  const found = await ask('metric=gc.pause&function=quantile&step=0');
  assert.deepEqual(found.series.map(({ labels, points }) => [labels['quantile'], points[0]![1]]),
    [['0.5', 0.25], ['0.99', 4]]);
  const mean = await ask('metric=gc.pause&function=average&step=0');
  assert.equal(mean.series[0]!.points[0]![1], 0.5);
});

test('metrics: the list goes on page by page, and says what each is', async () => {
  const page = async (more: string) => {
    const answer = await api.get(`/api/metrics?${PERIOD}&${more}`);
    assert.equal(answer.status, 200, answer.text);
    return JSON.parse(answer.text) as { items: Record<string, unknown>[]; next: string | null };
  };
  const { items } = await page('');
  assert.deepEqual(items.map(({ name, type, unit, monotonic, temporality }) =>
    [name, type, unit, monotonic, temporality]), [
    ['gc.pause', 'summary', '', false, ''],
    ['http.server.duration', 'histogram', 'ms', false, 'cumulative'],
    ['http.server.duration.exp', 'exponential_histogram', 'ms', false, 'cumulative'],
    ['http.server.requests', 'sum', '{request}', true, items[3]!['temporality']],
    ['system.memory.usage', 'gauge', 'By', false, ''],
  ]);
  assert.deepEqual(items[3]!['services'], ['old', 'pay', 'shop']);
  assert.equal(items[4]!['series'], 3);
  const names: unknown[] = [];
  for (let next: string | null = ''; next !== null;) {
    const part: Awaited<ReturnType<typeof page>> =
      await page(`limit=2${next === '' ? '' : `&cursor=${next}`}`);
    assert.ok(part.items.length <= 2);
    names.push(...part.items.map(({ name }) => name));
    next = part.next;
  }
  assert.deepEqual(names, items.map(({ name }) => name));
  assert.deepEqual((await page('containing=MEMORY')).items.map(({ name }) => name),
    ['system.memory.usage']);
});

test('metrics: labels have names that group_by and q take', async () => {
  const answer = await api.get(`/api/metrics/labels?${PERIOD}&metric=http.server.requests`);
  const { items } = JSON.parse(answer.text) as { items: { name: string; values: number }[] };
  assert.deepEqual(items.map(({ name, values }) => [name, values]), [
    ['http.route', 2], ['resource.host.name', 1], ['resource.service.name', 3], ['service', 3],
  ]);
  for (const { name, values } of items) {
    const { series } = await ask(`metric=http.server.requests&group_by=${name}&step=0`);
    assert.equal(series.length, values, name);
  }
});

test('metrics: what cannot be answered is refused with a reason', async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['metric=nothing', /no metric called nothing/],
    ['metric=system.memory.usage&type=sum', /no metric called .* of type sum/],
    ['metric=system.memory.usage&function=rate', /function of a gauge is one of last, avg/],
    ['metric=system.memory.usage&group_by=body', /group_by is a list of labels/],
    ['metric=system.memory.usage&step=1x', /step must be/],
    ['metric=system.memory.usage&quantiles=2', /quantiles is a list/],
    ['metric=system.memory.usage&q=((', /^q: /],
    ['metric=system.memory.usage&aggregate=median', /aggregate/],
    ['', /metric/],
  ];
  for (const [query, pattern] of cases) {
    const problem = problemIn(await api.get(`/api/metrics/query?${PERIOD}&${query}`));
    assert.equal(problem.status, 400, query);
    assert.match(problem.message, pattern, query);
  }
});
