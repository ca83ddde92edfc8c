// Parts get their rollups from merges, and from the backend where merges cannot: a part without
// rollups between parts with them keeps all of them from being merged, until it has them. Real
// engine; the parts are made one by one while merges stand still.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Connection } from '../../../../backend/storage/clickhouse/client.ts';
import { completeRollups } from '../../../../backend/storage/clickhouse/rollups.ts';
import { until } from '../../../contract/fakes.ts';
import { startEngine, type EngineFixture } from '../engine_fixture.ts';
import { NEVER, startStorage, storageOptions, type StorageFixture } from './storage_fixture.ts';

let engine: EngineFixture;
let store: StorageFixture;
let connection: Connection;

before(async () => {
  engine = await startEngine();
  store = await startStorage(engine.url, { database: 'rollups' });
  connection = new Connection(storageOptions(engine.url, { database: 'rollups' }));
});

after(async () => {
  await connection?.close();
  await store?.stop();
  await engine?.stop();
});

const TABLES = {
  otel_traces: 'Timestamp, ServiceName, SpanName, Duration, BatchId',
  otel_logs: 'Timestamp, ServiceName, Body, TraceFlags, BatchId',
} as const;

type Name = keyof typeof TABLES;

/** A part of one day, with rollups or without. */
async function insertPart(table: Name, day: number, rollups: boolean): Promise<void> {
  await store.rows(`ALTER TABLE ${table} MODIFY SETTING materialize_projections_on_insert =
    ${rollups ? 1 : 0}`);
  await store.rows(`INSERT INTO ${table} (${TABLES[table]})
    SELECT toDateTime64('2026-01-0${day} 10:00:00', 9) + number, 'shop', 'x', 1, 'a/1/1'
    FROM numbers(100) SETTINGS async_insert = 0`);
}

const parts = async (table: Name) => (await store.rows<{ rollups: number }>(
  `SELECT length(projections) AS rollups FROM system.parts
   WHERE active AND database = 'rollups' AND table = '${table}' ORDER BY partition, name`))
  .map(({ rollups }) => Number(rollups));

const merge = (table: Name) =>
  store.rows(`OPTIMIZE TABLE ${table} FINAL SETTINGS optimize_throw_if_noop = 1`);

test('rollups: an insert makes none, the first merge makes them', async () => {
  for (const table of Object.keys(TABLES) as Name[]) {
    const count = table === 'otel_traces' ? 3 : 1;
    await store.rows(`SYSTEM STOP MERGES ${table}`);
    await insertPart(table, 4, false);
    await insertPart(table, 4, false);
    assert.deepEqual(await parts(table), [0, 0]);
    await store.rows(`SYSTEM START MERGES ${table}`);
    await merge(table);
    assert.deepEqual(await parts(table), [count]);
    await store.rows(`TRUNCATE TABLE ${table}`);
  }
});

test('rollups: a part without them that merges leave aside gets them, and is merged', async () => {
  for (const table of Object.keys(TABLES) as Name[]) {
    const count = table === 'otel_traces' ? 3 : 1;
    await store.rows(`SYSTEM STOP MERGES ${table}`);
    for (const rollups of [true, false, true]) await insertPart(table, 4, rollups);
    await insertPart(table, 5, true);
    await store.rows(`SYSTEM START MERGES ${table}`);
    assert.deepEqual(await parts(table), [count, 0, count, count]);
    await assert.rejects(merge(table), /different projection sets/);
    assert.equal(await completeRollups(connection, NEVER), 0, 'they are young');
    assert.equal(await completeRollups(connection, NEVER, 0), 1, 'one day of one table');
    await until(async () => (await parts(table)).every((one) => one === count),
      'rollups of all parts');
    await merge(table);
    assert.deepEqual(await parts(table), [count, count]);
    assert.equal(await completeRollups(connection, NEVER, 0), 0);
    const [row] = await store.rows<{ rows: string }>(`SELECT count() AS rows FROM ${table}`);
    assert.equal(Number(row!.rows), 400);
  }
});
