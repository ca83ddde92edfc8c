// Rollups, spans and an independent computation agree: on one million random spans whose durations
// this file makes and keeps, in parts of which some are older than the rollups; before and after
// merges, materialization and deletions; and for batches that were committed in part and come
// again.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { readLatency, type Latency, type LatencyRequest }
  from '../../../backend/latency/latency.ts';
import { planSegments } from '../../../backend/latency/plan.ts';
import { latencySql } from '../../../backend/latency/sql.ts';
import { Connection } from '../../../backend/storage/clickhouse/client.ts';
import { readSchemaFiles, renderStatements } from '../../../backend/storage/clickhouse/schema.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import { encodeRequest } from '../../../proto/otlp/codec.ts';
import { createFiles } from '../../../runtime/files.ts';
import { generateServiceSpans } from '../../bench/data.ts';
import { checkRollups } from '../../chaos/rollups.ts';
import { seededRandom } from '../../proto/generate.ts';
import { SOMEBODY, deskOf } from '../query/desk_fixture.ts';
import { startEngine, type EngineFixture } from '../storage/engine_fixture.ts';
import { NEVER, startStorage, storageOptions, type StorageFixture }
  from '../storage/clickhouse/storage_fixture.ts';

const SPANS = 1_000_000;
const BLOCK = 100_000;
const FIRST_MS = Date.UTC(2026, 0, 4, 20);
const PERIOD_MS = 36 * 3_600_000;
const SERVICES = 4;
const OPERATIONS = 6;
/** 20 bytes a span: time in ns, operation of service, status, duration. */
const SPAN_BYTES = 20;

let engine: EngineFixture;
let store: StorageFixture;
const random = seededRandom(17);
const times = new Float64Array(SPANS);
const series = new Uint8Array(SPANS);
const failed = new Uint8Array(SPANS);
const durations = new Float64Array(SPANS);

before(async () => {
  engine = await startEngine();
  store = await startStorage(engine.url, { database: 'latency' });
  for (let index = 0; index < SPANS; index++) {
    times[index] = FIRST_MS + Math.floor(random() * PERIOD_MS);
    series[index] = Math.floor(random() * SERVICES * OPERATIONS);
    failed[index] = random() < 0.05 ? 1 : 0;
    const normal = random() + random() + random() + random() - 2;
    durations[index] = Math.floor(Math.exp(12 + (series[index]! % 7) / 2 + 1.5 * normal));
  }
});

after(async () => {
  await store?.stop();
  await engine?.stop();
});

async function insertBlock(block: number): Promise<void> {
  const bytes = Buffer.allocUnsafe(BLOCK * SPAN_BYTES);
  for (let row = 0; row < BLOCK; row++) {
    const index = block * BLOCK + row;
    const offset = row * SPAN_BYTES;
    bytes.writeBigInt64LE(BigInt(times[index]!) * 1_000_000n, offset);
    bytes.writeUInt16LE(series[index]!, offset + 8);
    bytes.writeUInt16LE(failed[index]!, offset + 10);
    bytes.writeBigUInt64LE(BigInt(durations[index]!), offset + 12);
  }
  const connection = new Connection(storageOptions(engine.url, { database: 'latency' }));
  const { stream } = await connection.exec({
    query: `INSERT INTO otel_traces
        (Timestamp, ServiceName, SpanName, SpanKind, StatusCode, Duration, TraceId, SpanId, BatchId)
      SELECT fromUnixTimestamp64Nano(time), concat('s', toString(series % ${SERVICES})),
        concat('o', toString(intDiv(series, ${SERVICES}))), 'Server',
        if(failed = 1, 'Error', 'Unset'), duration, concat('t', toString(duration)),
        toString(rowNumberInAllBlocks()), 'test/1/${block}'
      FROM input('time Int64, series UInt16, failed UInt16, duration UInt64') FORMAT RowBinary`,
    values: Readable.from([bytes]),
    clickhouse_settings: { async_insert: 0, wait_end_of_query: 1 },
  });
  for await (const chunk of stream) void chunk;
  await connection.close();
}

const ask = async (changes: Partial<LatencyRequest>): Promise<Latency> => {
  const request = { fromMs: FIRST_MS, toMs: FIRST_MS + PERIOD_MS, stepMs: null, groupBy: [],
    only: {}, quantiles: [0, 0.5, 0.95, 0.99, 1], exact: false, ...changes };
  const reader = { desk: deskOf(store), caller: SOMEBODY, rowsMax: 100_000 };
  const latency = await readLatency(reader, request, NEVER);
  assert.ok(latency !== null);
  return latency;
};

interface Expected {
  readonly count: number;
  readonly errors: number;
  readonly mean: number;
  readonly sorted: Float64Array;
}

/** What was found for a request, until spans are taken away. */
const known = new Map<string, Map<string, Expected>>();

/** What the spans themselves say, by series and beginning of the step. */
function expected(changes: Partial<LatencyRequest>): Map<string, Expected> {
  const name = JSON.stringify(changes);
  let found = known.get(name);
  if (found === undefined) known.set(name, found = computed(changes));
  return found;
}

function computed(changes: Partial<LatencyRequest>): Map<string, Expected> {
  const { fromMs = FIRST_MS, toMs = FIRST_MS + PERIOD_MS, stepMs = null, groupBy = [], only = {} }
    = changes;
  // Of each pair of operation of service and status: its series, or none when it is not asked for.
  const named = Array.from({ length: 2 * SERVICES * OPERATIONS }, (_, code) => {
    const names: Record<string, string> = {
      service: `s${(code >> 1) % SERVICES}`, operation: `o${Math.floor((code >> 1) / SERVICES)}`,
      status: code % 2 === 1 ? 'Error' : 'Unset',
    };
    const isChosen = Object.entries(only).every(([key, value]) => names[key] === value);
    return isChosen ? groupBy.map((key) => names[key]).join(' ') : null;
  });
  const labels = [...new Set(named)].filter((label) => label !== null);
  const places = named.map((label) => (label === null ? -1 : labels.indexOf(label)));
  const groups = new Map<number, { errors: number; values: number[] }>();
  for (let index = 0; index < SPANS; index++) {
    const time = times[index]!;
    const place = places[2 * series[index]! + failed[index]!]!;
    if (time < fromMs || time >= toMs || place === -1) continue;
    const step = stepMs === null ? 0 : Math.floor(time / stepMs);
    const key = step * labels.length + place;
    let group = groups.get(key);
    if (group === undefined) groups.set(key, group = { errors: 0, values: [] });
    group.errors += failed[index]!;
    group.values.push(durations[index]!);
  }
  return new Map([...groups].map(([key, { errors, values }]) => {
    const stepFromMs = Math.floor(key / labels.length) * (stepMs ?? 0);
    const from = new Date(Math.max(fromMs, stepFromMs)).toISOString();
    const label = labels[key % labels.length]!;
    const sorted = Float64Array.from(values).sort();
    const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
    const count = sorted.length;
    return [label === '' ? from : `${label} ${from}`, { errors, count, mean, sorted }];
  }));
}

async function check(changes: Partial<LatencyRequest>, rollups?: readonly string[]) {
  const latency = await ask(changes);
  const wanted = expected(changes);
  if (rollups !== undefined) assert.deepEqual(latency.sources.map(({ rollup }) => rollup), rollups);
  let points = 0;
  for (const { keys, points: own } of latency.series) {
    for (const point of own) {
      const name = [...Object.values(keys), point.from].join(' ');
      const one = wanted.get(name);
      assert.ok(one !== undefined, name);
      points += 1;
      assert.deepEqual([point.spans, point.count, point.errors],
        [one.count, one.count, one.errors], name);
      assert.deepEqual([point.min, point.max], [one.sorted[0], one.sorted.at(-1)], name);
      assert.equal(point.exemplar, `t${point.max}`);
      assert.ok(Math.abs(point.mean / one.mean - 1) < 1e-9, name);
      for (const [level, value] of Object.entries(point.quantiles)) {
        const right = one.sorted[Math.floor(Number(level) * (one.count - 1))]!;
        const error = Math.abs(value / right - 1);
        assert.ok(error < 0.010_001, `${name} ${level}: ${value}, not ${right}`);
      }
    }
  }
  assert.equal(points, wanted.size);
  assert.ok(points > 0);
}

/** Every way in which a rollup can answer, and their combination at ragged ends. */
async function checkAll(): Promise<void> {
  await check({}, ['hour', 'day', 'hour']);
  await check({ groupBy: ['service', 'operation'] });
  await check({ fromMs: FIRST_MS + 3_723_456, toMs: FIRST_MS + PERIOD_MS - 4_000_001,
    groupBy: ['service'] }, ['raw', 'minute', 'hour', 'day', 'hour', 'minute', 'raw']);
  await check({ stepMs: 3_600_000, groupBy: ['operation', 'status'] }, ['hour']);
  await check({ stepMs: 600_000, only: { service: 's1' } }, ['minute']);
  await check({ stepMs: 86_400_000, only: { status: 'Error', operation: 'o2' } },
    ['hour', 'day', 'hour']);
  const fromMs = FIRST_MS + 30_000;
  await check({ stepMs: 30_000, fromMs, toMs: fromMs + 3_600_000 }, ['raw']);
}

async function usedProjections(): Promise<string[]> {
  const period = { fromMs: FIRST_MS + 60_000, toMs: FIRST_MS + PERIOD_MS - 60_000 };
  const sql = latencySql({ segments: planSegments(period, null), stepMs: null,
    groupBy: ['service'], chosen: [], quantiles: [0.5], exact: false, weighted: false,
    rowsMax: 10 });
  const lines = await store.rows<{ explain: string }>(`EXPLAIN projections = 1 ${sql}`);
  return lines.map(({ explain }) => /ReadFromMergeTree \(([\w.]+)\)/.exec(explain)?.[1])
    .filter((name) => name !== undefined);
}

const NAMES = ['latency_by_minute', 'latency_by_hour', 'latency_by_day'];

test('latency: rollups agree with a million spans in parts with and without them', async () => {
  for (const name of NAMES) {
    await store.rows(`ALTER TABLE otel_traces DROP PROJECTION ${name} SETTINGS mutations_sync = 1`);
  }
  await store.rows('SYSTEM STOP MERGES otel_traces');
  for (let block = 0; block < 3; block++) await insertBlock(block);
  const file = (await readSchemaFiles(createFiles())).find(({ name }) => /rollups/.test(name))!;
  const statements = renderStatements(file.text, { cluster: null });
  for (const sql of statements.filter((one) => !one.includes('MATERIALIZE'))) await store.rows(sql);
  const onInsert = (value: number) => store.rows(
    `ALTER TABLE otel_traces MODIFY SETTING materialize_projections_on_insert = ${value}`);
  await onInsert(1);
  for (let block = 3; block < SPANS / BLOCK; block++) await insertBlock(block);
  await onInsert(0);
  const parts = await store.rows(`SELECT p.name FROM system.parts AS p WHERE database = 'latency'
    AND table = 'otel_traces' AND active AND name NOT IN (SELECT parent_name
      FROM system.projection_parts WHERE active AND database = 'latency')`);
  assert.ok(parts.length >= 3, `${parts.length} parts without rollups`);
  assert.ok(new Set(await usedProjections()).size > 3);
  await checkAll();
  await store.rows('SYSTEM START MERGES otel_traces');
  await store.rows('OPTIMIZE TABLE otel_traces FINAL');
  await check({ groupBy: ['service', 'operation'] });
  for (const sql of statements.filter((one) => one.includes('MATERIALIZE'))) {
    await store.rows(`${sql} SETTINGS mutations_sync = 1`);
  }
  assert.deepEqual(new Set(await usedProjections()), new Set(NAMES));
  await checkAll();
});

test('latency: exact quantiles are those of the spans', async () => {
  const latency = await ask({ exact: true, groupBy: ['service'], quantiles: [0.5, 0.999] });
  assert.deepEqual(latency.sources.map(({ rollup }) => rollup), ['raw']);
  const wanted = expected({ groupBy: ['service'] });
  for (const { keys, points: [point] } of latency.series) {
    const { sorted } = wanted.get(`${keys.service} ${point!.from}`)!;
    for (const [level, value] of Object.entries(point!.quantiles)) {
      assert.equal(value, sorted[Math.floor(Number(level) * (sorted.length - 1))], level);
    }
  }
});

const noDifferences = async () => {
  const found = await checkRollups(store.rows);
  assert.ok(NAMES.every((name) => found.some((one) => one.name === `otel_traces.${name}`)));
  assert.deepEqual(found.filter(({ wrong }) => wrong.length > 0), []);
};

test('latency: rollups follow deletions, and the removal of a day', async () => {
  const gone = (condition: string) => {
    known.clear();
    for (let index = 0; index < SPANS; index++) {
      const name = `s${series[index]! % SERVICES}`;
      const drop = condition === 'day' ? times[index]! < Date.UTC(2026, 0, 5) : name === condition;
      if (drop) times[index] = 0;
    }
  };
  await store.rows("DELETE FROM otel_traces WHERE ServiceName = 's3'");
  gone('s3');
  await check({ groupBy: ['service', 'operation'] });
  await store.rows("ALTER TABLE otel_traces DELETE WHERE ServiceName = 's2' "
    + 'SETTINGS mutations_sync = 1');
  gone('s2');
  await check({ groupBy: ['service', 'operation'] });
  await store.rows("ALTER TABLE otel_traces DROP PARTITION '2026-01-04'");
  gone('day');
  await check({ groupBy: ['service', 'operation'] });
  const used = await usedProjections();
  assert.ok(NAMES.every((name) => used.includes(name)), used.join());
  // Its rows have been deleted by hand; the books of batches say so, rightly.
  await store.rows('TRUNCATE TABLE binnacle_batches');
  await store.rows('TRUNCATE TABLE otel_traces');
  await store.rows('TRUNCATE TABLE otel_traces_trace_id_ts');
});

test('latency: rollups follow batches that are committed in part and come again', async () => {
  const { writer } = store.storage;
  const midnight = Date.UTC(2026, 0, 6);
  const batches = Array.from({ length: 8 }, (_, number) => Batch.fromBytes('traces',
    encodeRequest('traces', generateServiceSpans(random, 2000, midnight - 30_000)),
    `agent/1/${number}`));
  const send = (attempt: number) => Promise.all(batches.map((batch) =>
    writer.consume(batch, NEVER, attempt)));
  await send(0);
  await noDifferences();
  for (const [attempt, day] of [[1, '2026-01-05'], [2, '2026-01-06']] as const) {
    await store.rows(`ALTER TABLE otel_traces DROP PARTITION '${day}'`);
    await send(attempt);
    await noDifferences();
  }
  await send(3);
  await noDifferences();
  const { series: [one] } = await ask({ fromMs: midnight - 60_000, toMs: midnight + 60_000 });
  assert.equal(one!.points[0]!.spans, 16_000);
});

test('latency: spans count as many as their sampling says', async () => {
  await store.rows('TRUNCATE TABLE otel_traces');
  const states = ['', 'ot=th:8', 'a=b, ot=rv:1;th:c', 'ot=th:0', 'other=ot=th:8', 'ot=th:zz'];
  const weights = [1, 2, 4, 1, 1, 1];
  await store.rows(`INSERT INTO otel_traces (Timestamp, ServiceName, TraceState, Duration)
    SELECT toDateTime64('2026-01-05 10:00:00', 9, 'UTC') + number % 7200,
      'sampled', [${states.map((state) => `'${state}'`).join(', ')}][number % 6 + 1],
      if(number % 6 IN (1, 2), 9000000, 1000000) + number FROM numbers(12000)`);
  const wanted = weights.reduce((sum, weight) => sum + weight, 0) * 2000;
  for (const exact of [false, true]) {
    for (const stepMs of [null, 3_600_000]) {
      const { series: [one] } = await ask({ exact, stepMs, quantiles: [0.25, 0.75] });
      const points = one!.points;
      assert.equal(points.reduce((sum, { count }) => sum + count, 0), wanted);
      assert.equal(points.reduce((sum, { spans }) => sum + spans, 0), 12_000);
      for (const { quantiles } of points) {
        // Six of ten stand for slow ones, though two of six are.
        assert.ok(Math.abs(quantiles['0.25']! / 1_006_000 - 1) < 0.02, String(quantiles['0.25']));
        assert.ok(Math.abs(quantiles['0.75']! / 9_006_000 - 1) < 0.02, String(quantiles['0.75']));
      }
    }
  }
  const { series: [half] } = await ask({ quantiles: [0.5] });
  assert.ok(half!.points[0]!.quantiles['0.5']! > 8_000_000);
});

test('latency: rollups follow rows of a service that expire before their day', async () => {
  const own = await startStorage(engine.url, { database: 'latency_expiry' });
  const insert = () => own.rows(`INSERT INTO otel_traces
      (Timestamp, ServiceName, SpanName, Duration, SpanId)
    SELECT now64(9) - number % 100 - 10, if(number % 3 = 0, 'gone', 'kept'), 'o', number,
      toString(number) FROM numbers(30000)`);
  await insert();
  await own.rows('ALTER TABLE otel_traces MODIFY SETTING ttl_only_drop_parts = 0');
  await own.rows(`ALTER TABLE otel_traces MODIFY TTL toDateTime(Timestamp)
    + toIntervalSecond(if(ServiceName = 'gone', 1, 30000000)) SETTINGS mutations_sync = 1`);
  await insert();
  await own.rows('ALTER TABLE otel_traces MATERIALIZE TTL SETTINGS mutations_sync = 1');
  await own.rows('OPTIMIZE TABLE otel_traces FINAL');
  const services = await own.rows(`SELECT ServiceName, count() AS spans FROM otel_traces
    GROUP BY ServiceName`);
  assert.deepEqual(services, [{ ServiceName: 'kept', spans: 40_000 }]);
  const found = (await checkRollups(own.rows)).filter(({ name }) => name.includes('.'));
  assert.deepEqual(found.flatMap(({ wrong }) => wrong), []);
  assert.ok(found.length >= NAMES.length);
  await own.stop();
});
