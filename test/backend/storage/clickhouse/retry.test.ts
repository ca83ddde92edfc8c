// A batch with an id is stored once, however often it comes: whole, half committed, in other
// company, by another backend, days later, twice at the same moment. On a real engine, from which
// days, tables and pieces are taken away as if they had never been committed.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Connection } from '../../../../backend/storage/clickhouse/client.ts';
import { Fence } from '../../../../backend/storage/clickhouse/fence.ts';
import { insertTable } from '../../../../backend/storage/clickhouse/insert.ts';
import { rowNames } from '../../../../backend/storage/clickhouse/transcode/names.ts';
import { limits, Transcoder } from '../../../../backend/storage/clickhouse/transcode/transcoder.ts';
import { Batch } from '../../../../proto/contract/batch.ts';
import { ACCEPTED } from '../../../../proto/contract/outcome.ts';
import type { Outcome } from '../../../../proto/contract/outcome.ts';
import { encodeRequest } from '../../../../proto/otlp/codec.ts';
import { SIGNALS } from '../../../../proto/otlp/model.ts';
import type { RequestOf, Signal } from '../../../../proto/otlp/model.ts';
import { createWorld } from '../../../../runtime/world.ts';
import { generateServiceSpans } from '../../../bench/data.ts';
import { generateRequest, seededRandom } from '../../../proto/generate.ts';
import { startEngine } from '../engine_fixture.ts';
import type { EngineFixture } from '../engine_fixture.ts';
import { contents, TABLES, worldAt } from './stored_contents.ts';
import { countRows, NEVER, startStorage, storageOptions } from './storage_fixture.ts';
import type { StorageFixture } from './storage_fixture.ts';

const DAY_MS = 86_400_000;
/** Two minutes before midnight, UTC. */
const EVENING_MS = 20_000 * DAY_MS - 120_000;

let engine: EngineFixture;
before(async () => {
  engine = await startEngine();
});
after(() => engine.stop());

async function withStorage(
  database: string,
  run: (fixture: StorageFixture) => Promise<void>,
  nowMs?: () => number,
): Promise<void> {
  const fixture = await startStorage(engine.url, { database, world: worldAt(nowMs) });
  try {
    await run(fixture);
  } finally {
    await fixture.stop();
  }
}

function batchOf<S extends Signal>(signal: S, request: RequestOf<S>, id: string): Batch {
  return Batch.fromBytes(signal, encodeRequest(signal, request), id);
}

const random = seededRandom(3);
const spans = (id: string, count = 20): Batch =>
  batchOf('traces', generateServiceSpans(random, count, EVENING_MS), id);

const duplicates = ({ counters }: StorageFixture, signal: Signal): number =>
  counters.total('binnacle_ingest_duplicates_total', { signal });

const storedCount = (batch: Batch, outcome: Outcome): number =>
  outcome.status === 'accepted' ? batch.itemCount - outcome.rejected : 0;

for (const signal of SIGNALS) {
  test(`retry: ${signal} that are stored are not stored again`, async () => {
    await withStorage(`whole_${signal}`, async (fixture) => {
      const batches = Array.from({ length: 12 }, (_, number) =>
        batchOf(signal, generateRequest(signal, random, { groups: 6 }), `agent/1/${number}`));
      const send = (attempt: number) => Promise.all(batches.map((batch) =>
        fixture.storage.writer.consume(batch, NEVER, attempt)));
      const first = await send(0);
      const before = await contents(fixture.storage);
      for (const attempt of [1, 2]) assert.deepEqual(await send(attempt), first);
      assert.equal(await contents(fixture.storage), before);
      const stored = batches.reduce((sum, batch, n) => sum + storedCount(batch, first[n]!), 0);
      assert.ok(stored > 20, `${stored} stored`);
      assert.equal(duplicates(fixture, signal), 2 * stored);
      for (const table of TABLES[signal]) assert.ok(await countRows(fixture.storage, table) > 0);
    });
  });

  test(`retry: the days and tables that miss ${signal} get them, the others nothing`, async () => {
    await withStorage(`half_${signal}`, async (fixture) => {
      const { writer } = fixture.storage;
      const batches = Array.from({ length: 4 }, (_, number) =>
        batchOf(signal, generateRequest(signal, random, { groups: 6 }), `agent/1/${number}`));
      const outcomes: Outcome[] = [];
      for (const batch of batches) outcomes.push(await writer.consume(batch, NEVER, 0));
      const before = await contents(fixture.storage);
      for (let round = 0; round < 4; round++) {
        await forget(fixture, TABLES[signal], round);
        assert.notEqual(await contents(fixture.storage), before);
        const again = batches.map((batch) => writer.consume(batch, NEVER, round + 1));
        assert.deepEqual(await Promise.all(again), outcomes);
        assert.equal(await contents(fixture.storage), before);
      }
    }, () => EVENING_MS);
  });
}

/** Takes every second day of every second table away, another half in each round. */
async function forget(
  fixture: StorageFixture,
  tables: readonly string[],
  round: number,
): Promise<void> {
  for (const [index, table] of tables.entries()) {
    if (tables.length > 1 && (index + round) % 2 === 0) continue;
    const days = await fixture.rows<{ day: string }>(`SELECT DISTINCT _partition_id AS day
      FROM ${table} ORDER BY day`);
    const gone = days.filter((_, number) => (number + (round >> 1)) % 2 === 0);
    for (const { day } of gone) {
      await fixture.rows(`ALTER TABLE ${table} DROP PARTITION ID '${day}'`);
    }
  }
  await fixture.rows('TRUNCATE TABLE binnacle_batches');
  if (tables.includes('otel_traces')) await fixture.rows('TRUNCATE TABLE otel_traces_trace_id_ts');
}

test('retry: a batch over midnight is completed by the day that is missing', async () => {
  await withStorage('midnight', async (fixture) => {
    const { writer } = fixture.storage;
    const request = generateServiceSpans(random, 300, EVENING_MS);
    const [group] = request.resourceSpans;
    const late = generateServiceSpans(random, 200, EVENING_MS + 180_000).resourceSpans;
    const batch = batchOf('traces', { resourceSpans: [group!, ...late] }, 'a/1/1');
    await writer.consume(batch, NEVER, 0);
    const before = await contents(fixture.storage);
    const days = await fixture.rows<{ day: string }>(
      'SELECT DISTINCT _partition_id AS day FROM otel_traces');
    assert.equal(days.length, 2);
    for (const { day } of days) {
      await fixture.rows(`ALTER TABLE otel_traces DROP PARTITION ID '${day}'`);
      assert.deepEqual(await writer.consume(batch, NEVER, 1), ACCEPTED);
      assert.equal(await contents(fixture.storage), before);
    }
    assert.equal(duplicates(fixture, 'traces'), 500);
  });
});

test('retry: what was not stored is stored, in any company and by any backend', async () => {
  await withStorage('company', async (one) => {
    const two = await startStorage(engine.url, { database: 'company' });
    const batches = Array.from({ length: 30 }, (_, number) =>
      spans(`agent/1/${number}.${number % 2}`));
    const send = (fixture: StorageFixture, chosen: readonly Batch[], attempt: number) =>
      Promise.all(chosen.map(async (batch) =>
        assert.deepEqual(await fixture.storage.writer.consume(batch, NEVER, attempt), ACCEPTED)));
    await send(one, batches.filter((_, number) => number % 3 === 0), 0);
    await Promise.all([
      send(one, batches.filter((_, number) => number % 2 === 0), 1),
      send(two, batches.filter((_, number) => number % 2 === 1), 1),
    ]);
    await send(two, [...batches].reverse(), 2);
    await send(one, [batches[7]!], 3);
    const rows = await one.rows(`SELECT BatchId, count() AS c, uniqExact(SpanId) AS u
      FROM otel_traces GROUP BY BatchId HAVING c = 20 AND u = 20`);
    assert.equal(rows.length, 30);
    assert.equal(await countRows(one.storage, 'otel_traces'), 600);
    await two.stop();
  });
});

test('retry: attempts at the same moment share one result', async () => {
  await withStorage('moment', async (fixture) => {
    const { writer } = fixture.storage;
    const batch = spans('a/1/1');
    const gone = new AbortController();
    const first = writer.consume(batch, gone.signal, 0);
    const others = [1, 2, 3].map((attempt) => writer.consume(batch, NEVER, attempt));
    gone.abort();
    assert.equal((await first).status, 'retryable');
    assert.deepEqual(await Promise.all(others), [ACCEPTED, ACCEPTED, ACCEPTED]);
    assert.equal(await countRows(fixture.storage, 'otel_traces'), 20);
    assert.equal(fixture.counters.total('binnacle_storage_lookups_total'), 0);
  });
});

test('retry: a first attempt and a batch without an id are not looked up', async () => {
  await withStorage('first', async (fixture) => {
    const nameless = Batch.fromBytes('traces', spans('').bytes);
    for (const attempt of [0, 1, 2]) {
      assert.deepEqual(await fixture.storage.writer.consume(nameless, NEVER, attempt), ACCEPTED);
    }
    assert.deepEqual(await fixture.storage.writer.consume(spans('a'), NEVER, 0), ACCEPTED);
    assert.equal(await countRows(fixture.storage, 'otel_traces'), 80);
    assert.equal(fixture.counters.total('binnacle_storage_lookups_total'), 0);
  });
});

test('retry: logs without a time are found a week later', async () => {
  let nowMs = EVENING_MS;
  const world = worldAt(() => nowMs);
  const fixture = await startStorage(engine.url, { database: 'untimed', world });
  const request = generateRequest('logs', random, { groups: 8 });
  const [timed, untimed] = [1_760_000_000_000_000_000n, 0n].map((timeUnixNano) =>
    request.resourceLogs.map((group) => ({ ...group, scopeLogs: group.scopeLogs.map((scope) => ({
      ...scope, logRecords: scope.logRecords.map((record) =>
        ({ ...record, timeUnixNano, observedTimeUnixNano: 0n })),
    })) })));
  const batches = [
    batchOf('logs', { resourceLogs: [...timed!, ...untimed!] }, 'both'),
    batchOf('logs', { resourceLogs: untimed! }, 'none'),
  ];
  for (const batch of batches) await fixture.storage.writer.consume(batch, NEVER, 0);
  const before = await contents(fixture.storage);
  for (const batch of batches) {
    nowMs += 7 * DAY_MS;
    assert.deepEqual(await fixture.storage.writer.consume(batch, NEVER, 1), ACCEPTED);
  }
  assert.equal(await contents(fixture.storage), before);
  // And a day with times of their own that is missing beside them.
  await fixture.rows("ALTER TABLE otel_logs DROP PARTITION ID '20251009'");
  assert.deepEqual(await fixture.storage.writer.consume(batches[0]!, NEVER, 2), ACCEPTED);
  assert.equal(await contents(fixture.storage), before);
  await fixture.stop();
});

test('retry: eight days later nothing is stored twice, and nothing is kept too long', async () => {
  let nowMs = Date.now() - 8 * DAY_MS;
  const world = worldAt(() => nowMs);
  const options = { database: 'outage', world };
  const first = await startStorage(engine.url, options);
  const batches = SIGNALS.map((signal) => {
    const generated = generateRequest(signal, random, { groups: 4 });
    return signal !== 'traces' ? batchOf(signal, generated, `a/1/${signal}`)
      : batchOf('traces', generateServiceSpans(random, 50, nowMs), 'a/1/traces');
  });
  const outcomes: Outcome[] = [];
  for (const batch of batches) outcomes.push(await first.storage.writer.consume(batch, NEVER, 0));
  const before = await contents(first.storage);
  await first.stop();
  nowMs += 8 * DAY_MS;
  const second = await startStorage(engine.url, options);
  const send = (attempt: number) => Promise.all(batches.map((batch) =>
    second.storage.writer.consume(batch, NEVER, attempt)));
  assert.deepEqual(await send(1), outcomes);
  assert.equal(await contents(second.storage), before);
  await second.stop();
  // Its day expires meanwhile: it is taken once more, so that it leaves the queue, and expires.
  const week = 7 * DAY_MS;
  const retention = { logsMs: week, tracesMs: week, metricsMs: week };
  const third = await startStorage(engine.url, { ...options, retention });
  await expire(third);
  assert.equal(await countRows(third.storage, 'otel_traces'), 0);
  const { writer } = third.storage;
  assert.deepEqual(await writer.consume(batches[SIGNALS.indexOf('traces')]!, NEVER, 2), ACCEPTED);
  await expire(third);
  assert.equal(await countRows(third.storage, 'otel_traces'), 0);
  await third.stop();
});

/** What the store does by itself within some hours. */
async function expire({ rows }: StorageFixture): Promise<void> {
  await rows('ALTER TABLE otel_traces MATERIALIZE TTL SETTINGS mutations_sync = 1');
  await rows('OPTIMIZE TABLE otel_traces FINAL');
}

test('retry: of a batch that is cut into pieces, the piece that is missing is stored', async () => {
  await withStorage('pieces', async (fixture) => {
    const large = { key: 'large', value: { type: 'string', value: 'x'.repeat(50_000) } } as const;
    const [group] = generateServiceSpans(random, 3000, EVENING_MS).resourceSpans;
    const resource = { ...group!.resource!, attributes: [large] };
    const batch = batchOf('traces', { resourceSpans: [{ ...group!, resource }] }, 'a/1/1');
    const small = spans('b');
    // In company the first piece begins in columns that hold something already.
    const both = [small, batch].map((one) => fixture.storage.writer.consume(one, NEVER, 0));
    assert.deepEqual(await Promise.all(both), [ACCEPTED, ACCEPTED]);
    const names = `SELECT BatchId, count() AS rows, uniqExact(SpanId) AS ids FROM otel_traces
      GROUP BY BatchId ORDER BY BatchId`;
    const before = await fixture.rows(names);
    const pieces = Math.ceil(3000 * 50_000 / limits.repeatedBytesMax);
    assert.equal(before.length, pieces + 1);
    await fixture.rows(`ALTER TABLE otel_traces DELETE WHERE BatchId = 'a/1/1 1'
      SETTINGS mutations_sync = 1`);
    assert.deepEqual(await fixture.storage.writer.consume(batch, NEVER, 1), ACCEPTED);
    assert.deepEqual(await fixture.rows(names), before);
  });
});

test('retry: rows that the store refuses are refused again', async () => {
  await withStorage('refused', async (fixture) => {
    await fixture.rows("ALTER TABLE otel_metrics_sum ADD CONSTRAINT c CHECK MetricName != 'bad'");
    const time = BigInt(EVENING_MS) * 1_000_000n;
    const point = {
      attributes: [], startTimeUnixNano: time, timeUnixNano: time, flags: 0,
      value: { type: 'int', value: 3n }, exemplars: [],
    } as const;
    const shared = { name: 'bad', description: '', unit: '', metadata: [] };
    const metrics = [
      { ...shared, data: { type: 'gauge', dataPoints: [point] } },
      { ...shared, data: {
        type: 'sum', dataPoints: [point, point], aggregationTemporality: 2, isMonotonic: true,
      } },
    ] as const;
    const batch = batchOf('metrics', { resourceMetrics: [
      { resource: undefined, scopeMetrics: [{ scope: undefined, metrics, schemaUrl: '' }],
        schemaUrl: '' }] }, 'a');
    const first = await fixture.storage.writer.consume(batch, NEVER, 0);
    assert.equal(first.status === 'accepted' && first.rejected, 2);
    const again = await fixture.storage.writer.consume(batch, NEVER, 1);
    assert.equal(again.status === 'accepted' && again.rejected, 2);
    assert.equal(await countRows(fixture.storage, 'otel_metrics_gauge'), 1);
  });
});

test('retry: the rows of a table and a day are one part, however many', async () => {
  await withStorage('block', async (fixture) => {
    const connection = new Connection(storageOptions(engine.url, { database: 'block' }));
    await fixture.rows('SYSTEM STOP MERGES');
    const transcoder = new Transcoder('traces');
    while (transcoder.rowCount() < 200_000) {
      const day = transcoder.rowCount() % 3;
      const request = generateServiceSpans(random, 5000, EVENING_MS - day * DAY_MS);
      transcoder.append(batchOf('traces', request, 'a'), 0, undefined, rowNames('a', 0));
    }
    await insertTable(connection, transcoder.tables[0]!, 'block', NEVER);
    const parts = await fixture.rows(`SELECT partition, count() AS parts FROM system.parts
      WHERE database = 'block' AND table = 'otel_traces' AND active GROUP BY partition
      HAVING parts > 1`);
    assert.deepEqual(parts, []);
    await fixture.rows('SYSTEM START MERGES');
    await connection.close();
  });
});

test('retry: a lookup waits for an insert whose answer did not come', async () => {
  const connection = new Connection(storageOptions(engine.url, {}));
  const { clock, random: numbers } = createWorld();
  const fence = new Fence(connection, clock, numbers);
  let running: Promise<unknown> = Promise.resolve();
  let ended = false;
  await assert.rejects(fence.run(async (queryId) => {
    running = connection.readLines('SELECT sleep(2)', { query_id: queryId }).then(() => {
      ended = true;
    });
    while (await clock.sleep(20).then(() => fenceSees(connection)) === 0);
    throw new Error('connection reset');
  }), /connection reset/);
  assert.equal(ended, false);
  await fence.passed(NEVER);
  assert.equal(ended, true);
  await running;
  await connection.close();
});

async function fenceSees(connection: Connection): Promise<number> {
  const [count] = await connection.readLines(
    "SELECT count() FROM system.processes WHERE query ILIKE 'select sleep(2)%'", {});
  return Number(count);
}
