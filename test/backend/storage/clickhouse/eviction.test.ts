// The tables keep within their share of the disk, on a real engine: the oldest days go first, over
// all tables of telemetry, while inserts go on; the present day goes last and only when it alone is
// too large; operators are warned before; the ledger does not take it for a loss.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createFactReader } from '../../../../backend/ledger/facts.ts';
import { fillOf } from '../../../../backend/storage/clickhouse/eviction.ts';
import type { StoreSpace } from '../../../../backend/storage/clickhouse/space.ts';
import { createRecordingLog, until } from '../../../contract/fakes.ts';
import { SOMEBODY, deskOf } from '../../query/desk_fixture.ts';
import { startEngine } from '../engine_fixture.ts';
import type { EngineFixture } from '../engine_fixture.ts';
import { NEVER, startStorage } from './storage_fixture.ts';
import type { StorageChanges, StorageFixture } from './storage_fixture.ts';

const DAY_MS = 86_400_000;
const EVERY_MS = 50;
const MIB = 1024 * 1024;
const dayOf = (age: number) => new Date(Date.now() - age * DAY_MS).toISOString().slice(0, 10);

let engine: EngineFixture;
before(async () => {
  engine = await startEngine();
});
after(() => engine.stop());

/** About one MiB that cannot be compressed, of the day so long ago. */
async function fill(fixture: StorageFixture, table: string, age: number): Promise<void> {
  const time = table.startsWith('otel_metrics') ? 'TimeUnix' : 'Timestamp';
  const text = { otel_logs: 'Body', otel_traces: 'StatusMessage' }[table] ?? 'ScopeName';
  const trace = table === 'otel_traces' ? ', TraceId' : '';
  await fixture.rows(`INSERT INTO ${table} (${time}, ${text}, BatchId${trace})
    SELECT now64(9) - toIntervalDay(${age}), randomString(1024), 'agent/epoch/${age + 1}'
    ${trace === '' ? '' : ', toString(rand())'} FROM numbers(1000)`);
}

async function daysOf(fixture: StorageFixture, table: string): Promise<string[]> {
  const rows = await fixture.rows<{ day: string }>(`SELECT DISTINCT partition AS day
    FROM system.parts WHERE database = currentDatabase() AND table = '${table}' AND active
    AND rows > 0 ORDER BY day`);
  return rows.map(({ day }) => day);
}

/** Fills a database, and opens it with a limit. */
async function limited(
  database: string,
  contents: readonly (readonly [string, number])[],
  space: StorageChanges['space'],
) {
  const filling = await startStorage(engine.url, { database });
  for (const [table, age] of contents) await fill(filling, table, age);
  await filling.stop();
  const log = createRecordingLog();
  const fixture = await startStorage(engine.url,
    { database, log, space: { everyMs: EVERY_MS, ...space! } });
  const said = (part: string) => log.lines.filter(({ message }) => message.includes(part));
  return { fixture, said };
}

test('eviction: the oldest days of all tables go until they fit, and no more', async () => {
  const contents = [9, 8, 7, 0].flatMap((age) =>
    ['otel_logs', 'otel_traces', 'otel_metrics_sum'].map((table) => [table, age] as const));
  const { fixture, said } = await limited('evict_days',
    [...contents, ['otel_traces', 30], ['otel_logs', 20]],
    { maxSize: { bytes: 7.5 * MIB }, minFree: null });
  const kept = [dayOf(7), dayOf(0)];
  const fits = () => fixture.storageSpace().bytes > 0 && fixture.storageSpace().ratio <= 1;
  await until(fits, 'days have gone', 30_000);
  assert.deepEqual(await daysOf(fixture, 'otel_metrics_sum'), kept);
  assert.deepEqual(await daysOf(fixture, 'otel_logs'), kept);
  assert.deepEqual(await daysOf(fixture, 'otel_traces'), kept);
  const { bytes, limitBytes, oldestDay, problem } = fixture.storageSpace();
  assert.ok(bytes <= limitBytes! && bytes > 5 * MIB, `${bytes}`);
  assert.deepEqual([oldestDay, problem], [dayOf(7), '']);
  const evicted = (what: string, table: string) =>
    fixture.counters.total(`binnacle_storage_evicted_${what}_total`, { table });
  assert.equal(evicted('partitions', 'otel_logs'), 3);
  assert.equal(evicted('rows', 'otel_logs'), 3000);
  assert.ok(evicted('bytes', 'otel_logs') > 2.5 * MIB);
  assert.equal(evicted('partitions', 'otel_traces'), 3);
  assert.equal(said('dropped the rows').length >= 8, true);
  assert.equal(said('near their limit').length, 1);
  // Weeks in which there are no spans any more are not looked up any more.
  const weeks = await daysOf(fixture, 'otel_traces_trace_id_ts');
  assert.ok(weeks.length >= 1 && weeks.every((week) => week > dayOf(21)), weeks.join());
  // What has gone for lack of space is no loss, what was deleted by hand is one.
  await fixture.rows(`ALTER TABLE otel_logs DROP PARTITION '${dayOf(7)}'`);
  const period = { fromMs: Date.now() - DAY_MS, toMs: Date.now() + DAY_MS };
  const facts = createFactReader({ desk: deskOf(fixture), caller: SOMEBODY, abort: NEVER });
  const keptMs = { logs: 60 * DAY_MS, traces: 60 * DAY_MS, metrics: 60 * DAY_MS };
  const removed = await facts.removed(period, keptMs, Date.now() + 120_000);
  assert.deepEqual(removed.map(({ table, day, records }) => [table, day, records]),
    [['otel_logs', dayOf(7), 1000]]);
  await fixture.stop();
});

test('eviction: goes on while inserts do, and loses none of them', async () => {
  const contents = [5, 4, 3, 2, 1].map((age) => ['otel_logs', age] as const);
  const { fixture } = await limited('evict_busy', contents,
    { maxSize: { bytes: 4 * MIB }, minFree: null });
  let inserts = 0;
  const evicted = () => fixture.counters.total('binnacle_storage_evicted_partitions_total');
  for (; inserts < 20 || evicted() < 2; inserts++) {
    assert.ok(inserts < 500, 'nothing was evicted');
    await fixture.rows('INSERT INTO otel_logs (Timestamp, Body) SELECT now64(9), randomString(1024)'
      + ' FROM numbers(20)');
  }
  const [row] = await fixture.rows<{ n: string }>(
    "SELECT count() AS n FROM otel_logs WHERE Timestamp >= today() AND BatchId = ''");
  assert.equal(Number(row!.n), inserts * 20);
  await fixture.stop();
});

test('eviction: the present day goes last, and only its oldest parts', async () => {
  const { fixture, said } = await limited('evict_today',
    [['otel_logs', 1], ['otel_logs', 0]], { maxSize: { bytes: 2.5 * MIB }, minFree: null });
  await fixture.rows('SYSTEM STOP MERGES otel_logs');
  await fixture.rows(
    "INSERT INTO otel_logs (Timestamp, Body) SELECT now64(9), 'new' FROM numbers(5)");
  for (let part = 0; part < 2; part++) await fill(fixture, 'otel_logs', 0);
  await until(() => said('present day alone').length === 1, 'it is said');
  await until(() => fixture.storageSpace().ratio <= 1, 'it fits');
  const rows = await fixture.rows<{ n: string; new: string }>(`SELECT count() AS n,
    countIf(Body = 'new') AS new FROM otel_logs`);
  assert.deepEqual(rows.map(({ n, new: fresh }) => [Number(n), Number(fresh)]), [[2005, 5]]);
  await fixture.stop();
});

test('eviction: a disk that others fill never costs the present day', async () => {
  const { fixture, said } = await limited('evict_free',
    [['otel_logs', 2], ['otel_logs', 0]], { maxSize: null, minFree: { share: 1 } });
  await until(() => fixture.storageSpace().problem !== '', 'it is told');
  assert.deepEqual(await daysOf(fixture, 'otel_logs'), [dayOf(0)]);
  assert.match(fixture.storageSpace().problem, /only the present day is left/);
  assert.equal(said('cannot make room').length, 1);
  await fixture.stop();
});

test('eviction: the limit is the nearer of the two, and what leaves counts as free', () => {
  const space: StoreSpace = {
    partitions: [], today: '', merges: new Map(),
    bytes: 100, leavingBytes: 30, disk: { totalBytes: 1000, freeBytes: 70 },
  };
  const limit = (maxSize: object | null, minFree: object | null) =>
    fillOf(space, { maxSize, minFree } as Parameters<typeof fillOf>[1]).limitBytes;
  assert.equal(limit({ bytes: 500 }, null), 500);
  assert.equal(limit({ share: 0.8 }, null), 800);
  assert.equal(limit({ share: 0.8 }, { bytes: 50 }), 150);
  assert.equal(limit(null, { share: 0.5 }), 0);
  assert.equal(limit(null, null), null);
});

test('eviction: parts, rows, bytes, merges and days are among the counters', async () => {
  const { fixture } = await limited('evict_told', [['otel_logs', 3], ['otel_logs', 0]],
    { maxSize: null, minFree: null });
  await until(() => fixture.storageSpace().bytes > 0, 'it has looked');
  const value = (name: string) => fixture.counters.series().find((one) => one.name === name
    && (one.labels['table'] ?? 'otel_logs') === 'otel_logs')?.value;
  assert.equal(value('binnacle_storage_table_rows'), 2000);
  assert.equal(value('binnacle_storage_table_parts'), 2);
  assert.equal(value('binnacle_storage_table_partition_parts_max'), 1);
  assert.equal(value('binnacle_storage_table_oldest_seconds'), Date.parse(dayOf(3)) / 1000);
  assert.ok(value('binnacle_storage_table_bytes')! > 2 * MIB);
  assert.equal(value('binnacle_storage_size_limit_ratio'), 0);
  assert.equal(value('binnacle_storage_pace'), 1);
  assert.ok(value('binnacle_storage_disk_free_bytes')! > 0);
  await fixture.stop();
});
