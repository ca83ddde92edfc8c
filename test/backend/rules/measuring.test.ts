// What rules measure, on a real engine: random records of which this file knows everything, asked
// about by many rules at once, by the same rules one by one, and counted by hand here. The three
// must agree, at one instant and over time, from records and from rollups.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { text } from 'node:stream/consumers';
import { request } from 'undici';
import { createMeasurer, type RuleMeasurer }
  from '../../../backend/rules/measuring/measurer.ts';
import type { Aggregate, Rule, RuleSource, Sample, SignalQuery }
  from '../../../backend/rules/model.ts';
import type { OwnStatement } from '../../../backend/rules/measuring/asking.ts';
import { createStoreGate } from '../../../backend/query/admission.ts';
import { createDesk, type Desk } from '../../../backend/query/desk.ts';
import { parseSearch } from '../../../backend/search/parse.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { SILENT_LOG } from '../../../runtime/log.ts';
import { createSeededRandom } from '../../../runtime/random.ts';
import { createWorld } from '../../../runtime/world.ts';
import { SOMEBODY, WIDE } from '../query/desk_fixture.ts';
import { startEngine, type EngineFixture } from '../storage/engine_fixture.ts';
import { NEVER, startStorage, type StorageFixture } from '../storage/clickhouse/storage_fixture.ts';

const DATABASE = 'measuring';
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const FROM_MS = Date.UTC(2026, 0, 2, 22);
const TO_MS = FROM_MS + 4 * HOUR_MS;
const random = createSeededRandom(5);
const below = (most: number): number => Math.floor(random.float() * most);
const SERVICES = ['shop', 'pay', 'search', 'mail', 'auth'];

interface Span {
  readonly ms: number;
  readonly service: string;
  readonly name: string;
  readonly kind: string;
  readonly isError: boolean;
  readonly ns: number;
  readonly route: string;
  readonly size: string;
}

interface Line {
  readonly ms: number;
  readonly service: string;
  readonly level: number;
  readonly user: string;
  readonly body: string;
}

const spans: Span[] = Array.from({ length: 4000 }, () => {
  const service = SERVICES[below(SERVICES.length)]!;
  return {
    ms: FROM_MS + below(TO_MS - FROM_MS), service, name: `op${below(4)}`,
    kind: below(3) === 0 ? 'Server' : 'Client', isError: below(20) === 0,
    ns: 1000 + Math.floor(Math.exp(10 + random.float() * 8)), route: `/r${below(12)}`,
    size: below(4) === 0 ? '' : String(below(1000)),
  };
});
const lines: Line[] = Array.from({ length: 3000 }, () => ({
  ms: FROM_MS + below(TO_MS - FROM_MS), service: SERVICES[below(SERVICES.length)]!,
  level: [5, 9, 13, 17, 21][below(5)]!, user: `u${below(40)}`,
  body: ['card refused', 'done', 'timeout of upstream'][below(3)]!,
}));

interface Gauge {
  readonly ms: number;
  readonly host: string;
  readonly metric: string;
  readonly value: number;
}
const gauges: Gauge[] = [];
for (const host of ['a', 'b', 'c']) {
  for (const metric of ['cpu', 'memory', 'disk']) {
    for (let ms = FROM_MS; ms < TO_MS; ms += 15_000) {
      gauges.push({ ms: ms + below(1000), host, metric, value: below(1000) / 10 });
    }
  }
}

let engine: EngineFixture;
let store: StorageFixture;
let desk: Desk;
let measurer: RuleMeasurer;
const asked: OwnStatement[] = [];

const seconds = (ms: number): string => (ms / 1000).toFixed(3);

async function insert(table: string, rows: readonly object[]): Promise<void> {
  const answer = await request(`${engine.url}/?database=${DATABASE}`, { method: 'POST',
    body: `INSERT INTO ${table} FORMAT JSONEachRow\n${rows.map((row) => JSON.stringify(row))
      .join('\n')}` });
  assert.equal(answer.statusCode, 200, await answer.body.text());
}

const counterValue = (ms: number): number => {
  const since = (ms - FROM_MS) / 1000;
  return since < 5000 ? since * 2 : (since - 5000) * 2;
};

before(async () => {
  engine = await startEngine();
  store = await startStorage(engine.url, { database: DATABASE });
  desk = createDesk({ storage: store.storage, gate: createStoreGate(store.storage, DATABASE),
    limits: WIDE, world: createWorld(), counters: createCounters(), log: SILENT_LOG });
  measurer = newMeasurer();
  await insert('otel_traces', spans.map((one, index) => ({ Timestamp: seconds(one.ms),
    TraceId: index.toString(16).padStart(32, 'a'), ServiceName: one.service, SpanName: one.name,
    SpanKind: one.kind, StatusCode: one.isError ? 'Error' : 'Unset', Duration: one.ns,
    SpanAttributes: { 'http.route': one.route, ...one.size === '' ? {} : { size: one.size } } })));
  await insert('otel_logs', lines.map((one, index) => ({ Timestamp: seconds(one.ms),
    ServiceName: one.service, SeverityNumber: one.level, Body: one.body,
    TraceId: index % 10 === 0 ? index.toString(16).padStart(32, 'b') : '',
    LogAttributes: { user: one.user } })));
  // Merged parts have rollups.
  for (const one of ['traces', 'logs']) await store.rows(`OPTIMIZE TABLE otel_${one} FINAL`);
  await insert('otel_metrics_gauge', gauges.map(({ ms, host, metric, value }) => ({
    TimeUnix: seconds(ms), MetricName: metric, ServiceName: 'host', Value: value,
    ResourceAttributes: { 'host.name': host } })));
  await insert('otel_metrics_sum', ['in', 'out'].flatMap((metric, index) =>
    Array.from({ length: 4 * 60 * 4 }, (_, at) => ({ TimeUnix: seconds(FROM_MS + at * 15_000),
      StartTimeUnix: seconds(at * 15 < 5000 ? FROM_MS - HOUR_MS : FROM_MS + 5_000_000),
      MetricName: metric, ServiceName: 'net', AggregationTemporality: 2, IsMonotonic: true,
      Value: counterValue(FROM_MS + at * 15_000) * (index + 1) }))));
});

after(async () => {
  await store?.stop();
  await engine?.stop();
});

function newMeasurer(): RuleMeasurer {
  const gate = createStoreGate(store.storage, DATABASE);
  return createMeasurer({
    ask: (statement, abort) => {
      asked.push(statement);
      return desk.rows(statement, SOMEBODY, abort);
    },
    askForeign: async ({ sql, params, settings }, abort) => {
      const named = Object.entries(params).map(([name, value]) => [`param_${name}`, value]);
      const { body } = await desk.open({ sql, format: 'JSONEachRow', settings,
        params: Object.fromEntries(named) as Record<string, string> }, SOMEBODY, abort);
      return (await text(body)).split('\n').filter((line) => line !== '')
        .map((line) => JSON.parse(line) as object);
    },
    checkSql: (sql, names, abort) => gate.check(sql, names, abort),
    counters: createCounters(), log: SILENT_LOG,
  });
}

let ids = 0;

function ruleOf(source: RuleSource): Rule {
  ids += 1;
  return { id: `r${ids}`, name: `Rule${ids}`, source,
    levels: [{ severity: '', condition: { operator: '>', value: 0, to: 0 }, forMs: 0 }],
    keepFiringForMs: 0, noData: 'ok', onError: 'keep', labels: {}, annotations: {}, runbook: '',
    owner: '', text: '', position: { file: 'test', line: 1 } };
}

const query = (
  signal: SignalQuery['signal'],
  search: string,
  aggregate: Aggregate,
  groupBy: readonly string[] = [],
  overMs = 5 * MINUTE_MS,
): SignalQuery => ({ signal, metric: '', search: parseSearch(search), aggregate, groupBy, overMs });

/** A question, and how its records are found and told apart here. */
interface Case<T> {
  readonly query: SignalQuery;
  readonly fits: (one: T) => boolean;
  readonly group: (one: T) => string;
  readonly value: (all: readonly T[], seconds: number) => number | null;
}

const count = (all: readonly unknown[]): number | null => all.length;
const mean = (numbers: readonly number[]): number | null => (numbers.length === 0 ? null
  : numbers.reduce((sum, one) => sum + one, 0) / numbers.length);
const quantile = (level: number) => (all: readonly Span[]): number | null => {
  const sorted = all.map(({ ns }) => ns).toSorted((a, b) => a - b);
  return all.length === 0 ? null : sorted[Math.floor(level * (all.length - 1))]! / 1e9;
};

function spanCases(overMs: number): Case<Span>[] {
  const traces = (search: string, aggregate: Aggregate, by: readonly string[] = []) =>
    query('traces', search, aggregate, by, overMs);
  const all = () => '';
  return [
    ...SERVICES.map((service): Case<Span> => ({
      query: traces(`service:${service} status:error`, { type: 'count' }),
      fits: (one) => one.service === service && one.isError, group: all, value: count })),
    ...SERVICES.map((service): Case<Span> => ({
      query: traces(`service:${service}`, { type: 'quantile', field: 'duration', level: 0.95 }),
      fits: (one) => one.service === service, group: all, value: quantile(0.95) })),
    { query: traces('kind:server', { type: 'error_rate' }, ['service']),
      fits: ({ kind }) => kind === 'Server', group: ({ service }) => service,
      value: (found) => (found.length === 0 ? null
        : found.filter(({ isError }) => isError).length / found.length) },
    { query: traces('service:pay', { type: 'rate' }, ['operation']),
      fits: ({ service }) => service === 'pay', group: ({ name }) => name,
      value: (found, length) => found.length / length },
    { query: traces('', { type: 'quantile', field: 'duration', level: 0.5 }, ['service']),
      fits: () => true, group: ({ service }) => service, value: quantile(0.5) },
    { query: traces('', { type: 'max', field: 'duration' }), fits: () => true, group: all,
      value: (found) => (found.length === 0 ? null
        : Math.max(...found.map(({ ns }) => ns / 1e9))) },
    { query: traces('status:error', { type: 'sum', field: 'duration' }, ['service']),
      fits: ({ isError }) => isError, group: ({ service }) => service,
      value: (found) => found.reduce((sum, { ns }) => sum + ns / 1e9, 0) },
    { query: traces('http.route:"/r3" service:shop', { type: 'count' }),
      fits: ({ route, service }) => route === '/r3' && service === 'shop', group: all,
      value: count },
    { query: traces('', { type: 'avg', field: 'size' }, ['service']),
      fits: ({ size }) => size !== '', group: ({ service }) => service,
      value: (found) => mean(found.map(({ size }) => Number(size))) },
    { query: traces('', { type: 'min', field: 'size' }, ['http.route']),
      fits: ({ size }) => size !== '', group: ({ route }) => route,
      value: (found) => Math.min(...found.map(({ size }) => Number(size))) },
    { query: traces('', { type: 'distinct', field: 'http.route' }), fits: () => true, group: all,
      value: (found) => new Set(found.map(({ route }) => route)).size },
    ...Array.from({ length: 6 }, (_, index): Case<Span> => ({
      query: traces(`http.route:"/r${index}" duration>1ms`, { type: 'count' }),
      fits: ({ route, ns }) => route === `/r${index}` && ns > 1e6, group: all, value: count })),
  ];
}

function lineCases(overMs: number): Case<Line>[] {
  const logs = (search: string, aggregate: Aggregate, by: readonly string[] = []) =>
    query('logs', search, aggregate, by, overMs);
  return [
    ...SERVICES.map((service): Case<Line> => ({
      query: logs(`service:${service} level>=error`, { type: 'count' }),
      fits: (one) => one.service === service && one.level >= 17, group: () => '', value: count })),
    { query: logs('refused', { type: 'count' }, ['service']),
      fits: ({ body }) => body.includes('refused'), group: ({ service }) => service, value: count },
    { query: logs('', { type: 'error_rate' }, ['service']), fits: () => true,
      group: ({ service }) => service, value: (found) => (found.length === 0 ? null
        : found.filter(({ level }) => level >= 17).length / found.length) },
    { query: logs('level:warn OR level:error', { type: 'count' }, ['level']),
      fits: ({ level }) => level === 13 || level === 17,
      group: ({ level }) => (level === 13 ? 'warn' : 'error'), value: count },
    { query: logs('', { type: 'distinct', field: 'user' }, ['service']), fits: () => true,
      group: ({ service }) => service,
      value: (found) => new Set(found.map(({ user }) => user)).size },
    { query: logs('service:nobody', { type: 'count' }), fits: () => false, group: () => '',
      value: count },
    { query: logs('service:shop service:pay', { type: 'count' }), fits: () => false,
      group: () => '', value: count },
    { query: logs('service:shop', { type: 'count' }, ['service']),
      fits: ({ service }) => service === 'shop', group: ({ service }) => service, value: count },
  ];
}

/** By the values of the labels; a question without groups has one. */
function byHand<T extends { readonly ms: number }>(
  { query: { groupBy, overMs }, fits, group, value }: Case<T>,
  records: readonly T[],
  toMs: number,
): Map<string, number> {
  const groups = new Map<string, T[]>(groupBy.length === 0 ? [['', []]] : []);
  for (const one of records) {
    if (one.ms < toMs - overMs || one.ms >= toMs || !fits(one)) continue;
    groups.set(group(one), [...groups.get(group(one)) ?? [], one]);
  }
  return new Map([...groups].flatMap(([name, all]) => {
    const found = value(all, overMs / 1000);
    return found === null ? [] : [[name, found] as const];
  }));
}

const byLabels = (samples: readonly Sample[]): Map<string, number> =>
  new Map(samples.map(({ labels, value }) => [Object.values(labels).join(), value]));

/** Quantiles are within 1 %. */
function assertSame(found: Map<string, number>, wanted: Map<string, number>, what: string): void {
  assert.deepEqual([...found.keys()].sort(), [...wanted.keys()].sort(), what);
  for (const [name, value] of wanted) {
    const isClose = Math.abs(found.get(name)! - value) <= Math.abs(value) * 0.0101;
    assert.ok(isClose, `${what}: ${name} is ${found.get(name)}, not ${value}`);
  }
}

async function measureAll(queries: readonly SignalQuery[], atMs: number): Promise<Sample[][]> {
  const rules = queries.map((one) => ruleOf({ type: 'signal', query: one }));
  const found = await measurer.measure(rules, { atMs, queryOffsetMs: 0 }, NEVER);
  return rules.map(({ id }) => {
    const measured = found.get(id)!;
    assert.ok(measured.ok, JSON.stringify(measured));
    return [...measured.samples];
  });
}

const WINDOWS = [
  ['five minutes', 5 * MINUTE_MS, FROM_MS + HOUR_MS + 17_300],
  ['an hour and a half, from rollups', 90 * MINUTE_MS, FROM_MS + 3 * HOUR_MS + 17_300],
  ['whole minutes', 30 * MINUTE_MS, FROM_MS + 2 * HOUR_MS],
] as const;
/** Those that the store answers statements from. */
async function rollupsOf(statements: readonly OwnStatement[]): Promise<string[]> {
  const found = new Set<string>();
  for (const one of [...statements]) {
    if (!one.sql.includes('toStartOfMinute')) continue;
    const plan = await desk.rows<{ explain: string }>({ ...one, rowsMax: 1000,
      sql: `EXPLAIN ${one.sql}` }, SOMEBODY, NEVER);
    const names = plan.flatMap(({ explain }) => explain.match(/(?:latency|records)_by_\w+/g) ?? []);
    for (const name of names) found.add(name);
  }
  return [...found].sort();
}

for (const [turn, [name, overMs, atMs]] of WINDOWS.entries()) {
  test(`measuring: rules at once, one by one and by hand agree, ${name}`, async () => {
    const [ofSpans, ofLines] = [spanCases(overMs), lineCases(overMs)];
    const queries = [...ofSpans, ...ofLines].map((one) => one.query);
    const wanted = [...ofSpans.map((one) => byHand(one, spans, atMs)),
      ...ofLines.map((one) => byHand(one, lines, atMs))];
    asked.length = 0;
    const together = await measureAll(queries, atMs);
    assert.ok(asked.length <= 16, `${asked.length} statements for ${queries.length} rules`);
    const rollups = await rollupsOf(asked);
    for (const one of ['latency_by_minute', 'records_by_minute']) {
      assert.equal(rollups.includes(one), turn > 0, `${rollups}`);
    }
    for (const [index, one] of queries.entries()) {
      const what = JSON.stringify(one);
      assertSame(byLabels(together[index]!), wanted[index]!, what);
      // Each is asked alone in one of the windows.
      if (index % WINDOWS.length !== turn) continue;
      const [alone] = await measureAll([one], atMs);
      assertSame(byLabels(alone!), wanted[index]!, `alone: ${what}`);
    }
  });
}

test('measuring: spans count as often as their sampling says', async () => {
  const ms = FROM_MS - 10 * HOUR_MS;
  const rows = Array.from({ length: 300 }, (_, index) => ({ Timestamp: seconds(ms + index * 10_000),
    ServiceName: 'sampled', SpanName: 'op', SpanKind: 'Server', Duration: (index + 1) * 1e6,
    // Every third span was kept for its error; of the others three of four were left out.
    ...index % 3 === 0 ? { StatusCode: 'Error', TraceState: '' }
      : { StatusCode: 'Ok', TraceState: 'ot=th:c' } }));
  await insert('otel_traces', rows);
  const traces = (aggregate: Aggregate, overMs: number) =>
    query('traces', 'service:sampled', aggregate, [], overMs);
  for (const overMs of [HOUR_MS, 10 * MINUTE_MS]) {
    const atMs = ms + 3_000_000;
    const inside = rows.filter(({ Timestamp }) => Number(Timestamp) * 1000 >= atMs - overMs);
    const weightOf = ({ TraceState }: { TraceState: string }) => (TraceState === '' ? 1 : 4);
    const total = inside.reduce((sum, one) => sum + weightOf(one), 0);
    const errors = inside.filter(({ StatusCode }) => StatusCode === 'Error').length;
    const time = inside.reduce((sum, one) => sum + weightOf(one) * one.Duration / 1e9, 0);
    const found = await measureAll([traces({ type: 'count' }, overMs),
      traces({ type: 'error_rate' }, overMs), traces({ type: 'avg', field: 'duration' }, overMs),
      traces({ type: 'quantile', field: 'duration', level: 0.5 }, overMs)], atMs);
    const [all, share, mean, middle] = found.map(([sample]) => sample!.value);
    assert.equal(all, total);
    assert.ok(Math.abs(share! - errors / total) < 1e-9);
    assert.ok(Math.abs(mean! - time / total) < 1e-9);
    let below = 0;
    const median = inside.find((one) => (below += weightOf(one)) >= total / 2)!.Duration / 1e9;
    assert.ok(Math.abs(middle! / median - 1) < 0.02, `${middle} beside ${median}`);
  }
});

test('measuring: a change is held against the same window earlier', async () => {
  const [now, then] = [FROM_MS + 3 * HOUR_MS, FROM_MS + HOUR_MS];
  const one = spanCases(30 * MINUTE_MS)[10]!;
  const rule = ruleOf({ type: 'change', query: one.query, backMs: now - then, as: 'difference' });
  const found = (await measurer.measure([rule], { atMs: now, queryOffsetMs: 0 }, NEVER))
    .get(rule.id);
  assert.ok(found?.ok, JSON.stringify(found));
  const before = byHand(one, spans, then);
  const wanted = [...byHand(one, spans, now)].filter(([name]) => before.has(name))
    .map(([name, value]) => [name, value - before.get(name)!] as const);
  assert.equal(found.samples.length, wanted.length);
  for (const [name, value] of wanted) {
    const sample = found.samples.find(({ labels }) => labels['service'] === name)!;
    // Two rates, each of which may be rounded.
    assert.ok(Math.abs(sample.value - value) < 0.01, `${name}: ${sample.value}, not ${value}`);
  }
});

test('measuring: of a batch that takes too much only those fail that do', async () => {
  let asks = 0;
  const own = createMeasurer({
    ask: async (statement, abort) => {
      asks += 1;
      if (!JSON.stringify(statement.params).includes('poison')) {
        return desk.rows(statement, SOMEBODY, abort);
      }
      throw Object.assign(new Error('too much memory'), { kind: 'limit' });
    },
    askForeign: async () => [], checkSql: async () => {},
    counters: createCounters(), log: SILENT_LOG,
  });
  const rules = ['done', 'refused', 'poison', 'timeout'].map((word) =>
    ruleOf({ type: 'signal', query: query('logs', word, { type: 'count' }) }));
  const found = await own.measure(rules, { atMs: FROM_MS + HOUR_MS, queryOffsetMs: 0 }, NEVER);
  assert.deepEqual(rules.map(({ id }) => found.get(id)!.ok), [true, true, false, true]);
  assert.deepEqual(found.get(rules[2]!.id), { ok: false, reason: 'too much memory' });
  assert.ok(asks <= 7);
});

test('measuring: a series has each window as it is measured alone', async () => {
  const period = { fromMs: FROM_MS + HOUR_MS, toMs: FROM_MS + 2 * HOUR_MS, stepMs: 5 * MINUTE_MS };
  const instants = Array.from({ length: 12 }, (_, index) => period.fromMs + (index + 1) * 300_000);
  const check = async <T extends { ms: number }>(cases: readonly Case<T>[], all: readonly T[]) => {
    for (const one of cases) {
      const series = await measurer.readSeries(one.query, period, NEVER);
      for (const atMs of instants) {
        const found = new Map(series.flatMap(({ labels, points }) => points
          .filter((point) => point.atMs === atMs)
          .map(({ value }) => [Object.values(labels).join(), value] as const)));
        const wanted = byHand(one, all, atMs);
        if (one.query.groupBy.length === 0 && !found.has('')) {
          assert.ok(!wanted.get(''), 'nothing is missing');
          continue;
        }
        assertSame(found, wanted, `${JSON.stringify(one.query)} at ${atMs}`);
      }
    }
  };
  await check([5, 11, 12, 13, 15].map((at) => spanCases(5 * MINUTE_MS)[at]!), spans);
  await check([5, 10, 13, 17].map((at) => spanCases(15 * MINUTE_MS)[at]!), spans);
  await check([0, 5, 7].map((at) => lineCases(7 * MINUTE_MS)[at]!), lines);
});

test('measuring: gauges of several names in one statement', async () => {
  const atMs = FROM_MS + HOUR_MS + 300;
  const of = (metric: string, name: 'avg' | 'max' | 'last', across: 'max' | 'avg', search = '',
    groupBy: string[] = []): SignalQuery => ({ signal: 'metrics', metric, overMs: 5 * MINUTE_MS,
    search: parseSearch(search), groupBy,
    aggregate: { type: 'metric', level: 0, function: name, across } });
  const queries = [of('cpu', 'avg', 'max', '', ['host.name']), of('memory', 'avg', 'max', '',
    ['host.name']), of('disk', 'avg', 'max', '', ['host.name']),
  ...['a', 'b', 'c'].map((host) => of('cpu', 'max', 'max', `host.name:${host}`)),
  of('none', 'avg', 'max')];
  asked.length = 0;
  const found = await measureAll(queries, atMs);
  assert.equal(asked.filter(({ sql }) => !sql.includes('DISTINCT')).length, 2);
  const pointsOf = (metric: string, host: string) => gauges.filter((one) => one.metric === metric
    && one.host === host && one.ms >= atMs - 5 * MINUTE_MS && one.ms < atMs)
    .map(({ value }) => value);
  for (const [index, metric] of ['cpu', 'memory', 'disk'].entries()) {
    const wanted = new Map(['a', 'b', 'c'].map((host) => [host, mean(pointsOf(metric, host))!]));
    assertSame(byLabels(found[index]!), wanted, metric);
  }
  for (const [index, host] of ['a', 'b', 'c'].entries()) {
    assert.deepEqual(found[3 + index], [{ labels: {}, value: Math.max(...pointsOf('cpu', host)) }]);
  }
  assert.deepEqual(found[6], []);
});

test('measuring: counters over resets, at once and over time', async () => {
  const of = (metric: string): SignalQuery => ({ signal: 'metrics', metric, groupBy: [],
    search: parseSearch(''), overMs: 10 * MINUTE_MS,
    aggregate: { type: 'metric', level: 0, function: 'rate', across: 'sum' } });
  const [into, out] = await measureAll([of('in'), of('out')], FROM_MS + 2 * HOUR_MS);
  assert.deepEqual(into, [{ labels: {}, value: 2 }]);
  assert.deepEqual(out, [{ labels: {}, value: 4 }]);
  const [series] = await measurer.readSeries(of('in'), { fromMs: FROM_MS + HOUR_MS,
    toMs: FROM_MS + 2 * HOUR_MS, stepMs: 5 * MINUTE_MS }, NEVER);
  assert.equal(series!.points.length, 12);
  assert.deepEqual(series!.points.map(({ value }) => Math.round(value)), Array(12).fill(2));
  assert.equal(series!.points[0]!.atMs, FROM_MS + HOUR_MS + 5 * MINUTE_MS);
});

test('measuring: a rule in SQL has its window, a value and labels', async () => {
  const sql = `SELECT ServiceName AS service, SeverityNumber AS level, count() AS value
    FROM otel_logs WHERE Timestamp >= {from:DateTime64(9)} AND Timestamp < {to:DateTime64(9)}
    GROUP BY 1, 2`;
  const rule = ruleOf({ type: 'sql', sql, overMs: HOUR_MS });
  const atMs = FROM_MS + 2 * HOUR_MS;
  const measured = (await measurer.measure([rule], { atMs: atMs + 250, queryOffsetMs: 250 }, NEVER))
    .get(rule.id)!;
  assert.ok(measured.ok, JSON.stringify(measured));
  const wanted = new Map<string, number>();
  for (const { ms, service, level } of lines) {
    if (ms < atMs - HOUR_MS || ms >= atMs) continue;
    wanted.set(`${service},${level}`, (wanted.get(`${service},${level}`) ?? 0) + 1);
  }
  assertSame(new Map(measured.samples.map(({ labels, value }) =>
    [`${labels['service']},${labels['level']}`, value])), wanted, 'sql');
  assert.equal(await measurer.check(rule, NEVER), null);
});

test('measuring: what cannot be measured is told of its rule alone', async () => {
  const sound = ruleOf({ type: 'signal', query: query('logs', '', { type: 'count' }) });
  const wrong: [RuleSource, RegExp][] = [
    [{ type: 'signal', query: query('logs', 'level:loud', { type: 'count' }) }, /level 'loud'/],
    [{ type: 'signal', query: query('logs', '', { type: 'sum', field: 'body' }) }, /no number/],
    [{ type: 'signal', query: query('traces', '', { type: 'count' }, ['duration']) }, /group by/],
    [{ type: 'sql', sql: 'SELECT 1 AS number', overMs: 1 }, /no column 'value'/],
    [{ type: 'sql', sql: "SELECT 'a' AS value", overMs: 1 }, /no number/],
    [{ type: 'sql', sql: 'SELECT CAST(NULL, \'Nullable(Int8)\') AS value', overMs: 1 }, /NULL/],
    [{ type: 'sql', sql: 'SELECT * FROM system.users', overMs: 1 }, /users/],
    [{ type: 'sql', sql: 'SELECT nothing AS value FROM otel_logs;', overMs: 1 }, /nothing/],
    [{ type: 'signal', query: { ...query('metrics', '', { type: 'metric', function: 'rate',
      across: 'sum', level: 0 }), metric: 'cpu' } }, /gauge, which has no rate/],
  ];
  const rules = wrong.map(([source]) => ruleOf(source));
  const found = await measurer.measure([...rules, sound],
    { atMs: FROM_MS + HOUR_MS, queryOffsetMs: 0 }, NEVER);
  for (const [index, { id }] of rules.entries()) {
    const measured = found.get(id)!;
    assert.ok(!measured.ok && wrong[index]![1].test(measured.reason), JSON.stringify(measured));
  }
  assert.equal(found.get(sound.id)!.ok, true);
  for (const [index, rule] of rules.entries()) {
    const fault = await measurer.check(rule, NEVER);
    if (/NULL|gauge/.test(wrong[index]![1].source)) continue;
    assert.match(fault!.why, wrong[index]![1]);
  }
});

test('measuring: silence counts from the last sign of life', async () => {
  const absent = (search: string, groupBy: string[], expected: Record<string, string>[] = []) =>
    ruleOf({ type: 'absence', seenWithinMs: 2 * HOUR_MS, expected,
      query: query('logs', search, { type: 'count' }, groupBy) });
  const rules = [absent('level:fatal', ['service', 'user'], [{ service: 'none', user: 'x' }]),
    absent('service:nobody', []), absent('', ['service'])];
  const check = async (atMs: number, toleranceS: number) => {
    const found = await measurer.measure(rules, { atMs, queryOffsetMs: 0 }, NEVER);
    const last = new Map<string, number>();
    for (const { ms, level, service, user } of lines) {
      if (level !== 21 || ms >= atMs || ms < atMs - 2 * HOUR_MS) continue;
      last.set(`${service},${user}`, Math.max(ms, last.get(`${service},${user}`) ?? 0));
    }
    last.set('none,x', Math.max(atMs - 2 * HOUR_MS, Math.min(...lines.map(({ ms }) => ms))));
    const [first, second, third] = rules.map(({ id }) => found.get(id));
    assert.ok(first?.ok && second?.ok && third?.ok, JSON.stringify([...found]));
    const quiet = byLabels(first.samples);
    assert.deepEqual([...quiet.keys()].sort(), [...last.keys()].sort());
    for (const [name, ms] of last) {
      assert.ok(Math.abs(quiet.get(name)! - (atMs - ms) / 1000) <= toleranceS, name);
    }
    assert.deepEqual(second.samples.map(({ labels }) => labels), [{}]);
    assert.equal(third.samples.length, SERVICES.length);
  };
  await check(FROM_MS + HOUR_MS, 0.001);
  asked.length = 0;
  await check(FROM_MS + HOUR_MS + 4 * MINUTE_MS, 0.001);
  assert.ok(asked.length <= 3);
  await check(FROM_MS + 3 * HOUR_MS, 0.001);
  // A record that comes late, of before the last measurement.
  await insert('otel_logs', [{ Timestamp: seconds(FROM_MS + 3 * HOUR_MS - MINUTE_MS),
    ServiceName: 'late', SeverityNumber: 9, Body: 'late' }]);
  const found = (await measurer.measure(rules, { atMs: FROM_MS + 3 * HOUR_MS + 30_000,
    queryOffsetMs: 0 }, NEVER)).get(rules[2]!.id);
  assert.ok(found?.ok);
  assert.equal(found.samples.find(({ labels }) => labels['service'] === 'late')?.value, 90);
});

test('measuring: a period of instants is what each instant measures', async () => {
  const period = { fromMs: FROM_MS + HOUR_MS, toMs: FROM_MS + HOUR_MS + 10 * MINUTE_MS,
    stepMs: MINUTE_MS };
  const sources: RuleSource[] = [
    { type: 'signal', query: query('logs', 'level>=error', { type: 'count' }, ['service']) },
    { type: 'signal', query: query('logs', 'service:nobody', { type: 'count' }) },
    { type: 'change', query: query('traces', '', { type: 'count' }), backMs: HOUR_MS / 2,
      as: 'difference' },
    { type: 'absence', query: query('logs', 'level:fatal', { type: 'count' }, ['service']),
      seenWithinMs: HOUR_MS / 2, expected: [{ service: 'none' }] },
    { type: 'sql', sql: 'SELECT toFloat64({to:DateTime64(9)}) AS value', overMs: HOUR_MS },
  ];
  for (const source of sources) {
    const rule = ruleOf(source);
    const range = await measurer.measureRange(rule, period, NEVER);
    assert.equal(range.size, 10);
    for (const [atMs, samples] of range) {
      const alone = (await measurer.measure([rule], { atMs, queryOffsetMs: 0 }, NEVER))
        .get(rule.id);
      assert.ok(alone?.ok);
      assertSame(byLabels(samples), byLabels(alone.samples), source.type);
    }
  }
});

test('measuring: evidence is of the alert and its window', async () => {
  const atMs = FROM_MS + 2 * HOUR_MS;
  const logs = ruleOf({ type: 'signal',
    query: query('logs', 'refused', { type: 'count' }, ['service'], HOUR_MS) });
  const found = await measurer.evidence(logs, { service: 'pay', alertname: 'X' }, atMs, NEVER);
  const newest = lines.filter(({ ms, service, body }) => ms >= atMs - HOUR_MS && ms < atMs
    && service === 'pay' && body.includes('refused')).sort((a, b) => b.ms - a.ms).slice(0, 5);
  assert.deepEqual(found.logs, newest.map(({ ms, body }) => ({ atMs: ms, body })));
  const traces = ruleOf({ type: 'signal', query: query('traces', '', { type: 'quantile',
    field: 'duration', level: 0.99 }, ['service'], HOUR_MS) });
  const slow = await measurer.evidence(traces, { service: 'shop' }, atMs, NEVER);
  const wanted = spans.map((one, index) => ({ ...one, index }))
    .filter(({ ms, service }) => ms >= atMs - HOUR_MS && ms < atMs && service === 'shop')
    .sort((a, b) => Number(b.isError) - Number(a.isError) || b.ns - a.ns).slice(0, 3)
    .map(({ index }) => index.toString(16).padStart(32, 'a'));
  assert.deepEqual(slow.traces, wanted);
  const aborted = AbortSignal.abort();
  assert.deepEqual(await measurer.evidence(logs, {}, atMs, aborted), { traces: [], logs: [] });
});
