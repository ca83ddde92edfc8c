// The search for bad rows after a refused insert stores nothing twice, also when that insert had
// committed some of its days, or all of them and a view behind the table threw. On a real engine,
// whose tables are given views and indexes that throw for one name of a span.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { limits } from '../../../../backend/storage/clickhouse/commit.ts';
import { Batch } from '../../../../proto/contract/batch.ts';
import { ACCEPTED } from '../../../../proto/contract/outcome.ts';
import { encodeRequest } from '../../../../proto/otlp/codec.ts';
import { generateServiceSpans } from '../../../bench/data.ts';
import { seededRandom } from '../../../proto/generate.ts';
import { startEngine } from '../engine_fixture.ts';
import type { EngineFixture } from '../engine_fixture.ts';
import { NEVER, startStorage } from './storage_fixture.ts';
import type { StorageFixture } from './storage_fixture.ts';

const DAY_MS = 86_400_000;
const START_MS = 20_000 * DAY_MS;
const SPANS = 3;
const BAD = 13;
const random = seededRandom(5);

let engine: EngineFixture;
before(async () => {
  engine = await startEngine();
});
after(() => engine.stop());

async function withStorage(
  database: string,
  run: (fixture: StorageFixture) => Promise<void>,
): Promise<void> {
  const fixture = await startStorage(engine.url, { database });
  try {
    await run(fixture);
  } finally {
    await fixture.stop();
  }
}

/** Spans of some days; the last day's are called `name`. */
function spans(id: string | undefined, days: number, name: string): Batch {
  const resourceSpans = Array.from({ length: days }, (_, day) => {
    const [group] = generateServiceSpans(random, SPANS, START_MS + day * DAY_MS).resourceSpans;
    const [scope] = group!.scopeSpans;
    const called = day === days - 1 ? name : 'good';
    const renamed = scope!.spans.map((span) => ({ ...span, name: called }));
    return { ...group!, scopeSpans: [{ ...scope!, spans: renamed }] };
  });
  return Batch.fromBytes('traces', encodeRequest('traces', { resourceSpans }), id);
}

const batches = (days: number, count = 40): Batch[] => Array.from({ length: count }, (_, index) =>
  spans(`agent/1/${index}`, days, index === BAD ? 'bad' : 'good'));

const send = ({ storage }: StorageFixture, all: readonly Batch[], attempt: number) =>
  Promise.all(all.map((batch) => storage.writer.consume(batch, NEVER, attempt)));

/** Rows by batch, as a text; nothing may be there twice. */
async function stored(fixture: StorageFixture): Promise<Map<string, number>> {
  const rows = await fixture.rows<{ id: string; rows: string; ids: string }>(
    `SELECT BatchId AS id, toString(count()) AS rows, toString(uniqExact(SpanId)) AS ids
    FROM otel_traces GROUP BY id`);
  for (const { id, rows: count, ids } of rows) assert.equal(count, ids, `${id} is doubled`);
  return new Map(rows.map(({ id, rows: count }) => [id, Number(count)]));
}

async function checkTraceTimes(fixture: StorageFixture): Promise<void> {
  const wrong = await fixture.rows(`SELECT TraceId FROM otel_traces GROUP BY TraceId
    HAVING (TraceId, toDateTime(min(Timestamp)), toDateTime(max(Timestamp))) NOT IN (
      SELECT TraceId, min(Start), max(End) FROM otel_traces_trace_id_ts GROUP BY TraceId)`);
  assert.deepEqual(wrong, []);
}

test('search: when a view throws, what was committed before it is not stored again', async () => {
  await withStorage('view', async (fixture) => {
    await fixture.rows('CREATE TABLE strict (n UInt8) ENGINE = MergeTree ORDER BY n');
    await fixture.rows(`CREATE MATERIALIZED VIEW a_strict_mv TO strict AS
      SELECT throwIf(SpanName = 'bad') AS n FROM otel_traces`);
    const all = batches(2);
    for (const attempt of [0, 1, 2]) {
      for (const outcome of await send(fixture, all, attempt)) assert.deepEqual(outcome, ACCEPTED);
      const rows = await stored(fixture);
      assert.equal(rows.size, all.length);
      for (const count of rows.values()) assert.equal(count, 2 * SPANS);
      await checkTraceTimes(fixture);
    }
    assert.ok(fixture.counters.total('binnacle_storage_insert_failures_total') > 0);
  });
});

test('search: days that were committed before the bad one are not stored again', async () => {
  await withStorage('days', async (fixture) => {
    await fixture.rows(`ALTER TABLE otel_traces
      ADD INDEX strict intDiv(1, SpanName != 'bad') TYPE minmax`);
    const all = batches(3);
    for (const attempt of [0, 1]) {
      const outcomes = await send(fixture, all, attempt);
      const rows = await stored(fixture);
      outcomes.forEach((outcome, index) => {
        if (index !== BAD) assert.deepEqual(outcome, ACCEPTED);
        assert.equal(outcome.status, 'accepted', outcome.reason);
        const refused = outcome.status === 'accepted' ? outcome.rejected : 0;
        assert.equal(rows.get(`agent/1/${index}`), 3 * SPANS - refused);
        // How many days ClickHouse commits before one that throws is its own matter.
        if (index === BAD) assert.ok(refused === SPANS || refused === 2 * SPANS, `${refused}`);
      });
      await checkTraceTimes(fixture);
    }
  });
});

test('search: requests with more names than an insert can tell are searched in parts', async () => {
  await withStorage('names', async (fixture) => {
    await fixture.rows("ALTER TABLE otel_traces ADD CONSTRAINT c CHECK SpanName != 'bad'");
    const long = 'n'.repeat(limits.namesBytesMax / 20);
    const all = Array.from({ length: 40 }, (_, index) =>
      spans(`${long}/1/${index}`, 1, index === BAD ? 'bad' : 'good'));
    const outcomes = await send(fixture, all, 0);
    outcomes.forEach((outcome, index) => {
      assert.equal(outcome.status === 'accepted' && outcome.rejected, index === BAD ? SPANS : 0);
    });
    assert.equal((await stored(fixture)).size, 39);
  });
});

test('search: a request without an id is stored at least once beside them', async () => {
  await withStorage('nameless', async (fixture) => {
    await fixture.rows('CREATE TABLE strict (n UInt8) ENGINE = MergeTree ORDER BY n');
    await fixture.rows(`CREATE MATERIALIZED VIEW a_strict_mv TO strict AS
      SELECT throwIf(SpanName = 'bad') AS n FROM otel_traces`);
    const nameless = Array.from({ length: 3 }, () => spans(undefined, 1, 'good'));
    const [first] = await send(fixture, [...nameless, ...batches(1)], 0);
    assert.deepEqual(first, ACCEPTED);
    const rows = await fixture.rows<{ named: number; count: string; ids: string }>(
      `SELECT BatchId != '' AS named, toString(count()) AS count,
      toString(uniqExact(SpanId)) AS ids FROM otel_traces GROUP BY named ORDER BY named`);
    assert.equal(rows[0]!.ids, String(3 * SPANS));
    assert.deepEqual(rows[1], { named: 1, count: '120', ids: '120' });
  });
});
