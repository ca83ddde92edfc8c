// The schema comes to a database once, whoever and however many ask for it, and a store that this
// program does not understand is refused before anything is changed. The statements of both forms,
// for one server and for a cluster, are kept as golden text (UPDATE_GOLDEN=1 writes it anew).

import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ClickHouseClient } from '@clickhouse/client';
import { Connection } from '../../../../backend/storage/clickhouse/client.ts';
import { migrate } from '../../../../backend/storage/clickhouse/migrate.ts';
import { readSchemaFiles } from '../../../../backend/storage/clickhouse/schema.ts';
import { renderStatements } from '../../../../backend/storage/clickhouse/schema.ts';
import { createClickHouseStorage } from '../../../../backend/storage/clickhouse/storage.ts';
import { createFiles } from '../../../../runtime/files.ts';
import { SILENT_LOG } from '../../../../runtime/log.ts';
import { startEngine } from '../engine_fixture.ts';
import type { EngineFixture } from '../engine_fixture.ts';
import { startStorage, storageOptions } from './storage_fixture.ts';

const DAY_MS = 86_400_000;
const TABLES = [
  'binnacle_alert_history', 'binnacle_alert_history_mv', 'binnacle_alerting',
  'binnacle_batches', 'binnacle_batches_logs_mv',
  'binnacle_batches_metrics_exponential_histogram_mv',
  'binnacle_batches_metrics_gauge_mv', 'binnacle_batches_metrics_histogram_mv',
  'binnacle_batches_metrics_sum_mv', 'binnacle_batches_metrics_summary_mv',
  'binnacle_batches_traces_mv', 'binnacle_deleted_logs', 'binnacle_evictions', 'binnacle_leases',
  'binnacle_queries', 'binnacle_saved_queries',
  'binnacle_schema_versions', 'otel_logs',
  'otel_metrics_exponential_histogram',
  'otel_metrics_gauge', 'otel_metrics_histogram', 'otel_metrics_sum', 'otel_metrics_summary',
  'otel_traces', 'otel_traces_trace_id_ts', 'otel_traces_trace_id_ts_mv',
];

let engine: EngineFixture;
before(async () => {
  engine = await startEngine();
});
after(() => engine.stop());

for (const cluster of [null, 'main'] as const) {
  const name = cluster === null ? 'schema_server' : 'schema_cluster';
  test(`migrate: the statements are those of golden/sql/${name}.sql`, async () => {
    const files = await readSchemaFiles(createFiles());
    const text = files.map((file) =>
      `-- ${file.name}\n\n${renderStatements(file.text, { cluster }).join(';\n\n')};\n`).join('\n');
    const path = fileURLToPath(new URL(`../../../golden/sql/${name}.sql`, import.meta.url));
    if (process.env['UPDATE_GOLDEN'] === '1') await writeFile(path, text);
    assert.equal(text, await readFile(path, 'utf8'));
  });
}

test('migrate: a database is made once, by two at the same time and again later', async () => {
  const both = await Promise.all([1, 2].map(() => startStorage(engine.url, { database: 'twice' })));
  const again = await startStorage(engine.url, { database: 'twice' });
  const tables = await again.rows<{ name: string }>(
    'SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY name');
  assert.deepEqual(tables.map(({ name }) => name), TABLES);
  const versions = await again.rows(
    'SELECT version, name FROM binnacle_schema_versions FINAL ORDER BY version');
  assert.deepEqual(versions, [
    { version: 1, name: '001_versions.sql' },
    { version: 2, name: '002_logs.sql' },
    { version: 3, name: '003_traces.sql' },
    { version: 4, name: '004_metrics.sql' },
    { version: 5, name: '005_batches.sql' },
    { version: 6, name: '006_evictions.sql' },
    { version: 7, name: '007_rollups.sql' },
    { version: 8, name: '008_queries.sql' },
    { version: 9, name: '009_deleted_logs.sql' },
    { version: 10, name: '010_alerting.sql' },
  ]);
  await Promise.all([...both, again].map((fixture) => fixture.stop()));
});

test('migrate: a store of a newer program is refused, and so is a changed file', async () => {
  const fixture = await startStorage(engine.url, { database: 'newer' });
  const change = async (values: string) => {
    await fixture.rows(`INSERT INTO binnacle_schema_versions (version, name, checksum)
      SETTINGS async_insert = 0 VALUES ${values}`);
  };
  const start = () =>
    createClickHouseStorage(storageOptions(engine.url, { database: 'newer' })).start();
  await change("(999, '999_future.sql', 'x')");
  await assert.rejects(start(), {
    name: 'OperatorError',
    message: 'the store has schema version 999, this program knows 10',
    hint: 'upgrade binnacle, or let it use another database',
  });
  await fixture.rows('TRUNCATE TABLE binnacle_schema_versions');
  await change("(2, '002_logs.sql', 'another')");
  await assert.rejects(start(), {
    name: 'OperatorError',
    message: 'schema file 002_logs.sql differs from 002_logs.sql that was applied to the store',
  });
  await fixture.stop();
});

test('migrate: a server that is too old is refused', async () => {
  const answer = { json: () => Promise.resolve([{ version: '25.8.1.1', known: '0' }]) };
  const client = { query: () => Promise.resolve(answer) } as unknown as ClickHouseClient;
  const options = { client, files: createFiles(), target: { cluster: null }, log: SILENT_LOG,
    retention: { logsMs: 1, tracesMs: 1, metricsMs: 1 } };
  await assert.rejects(migrate(options), { name: 'OperatorError', message:
    'the store runs ClickHouse 25.8.1.1, which does not know the settings of the tables' });
});

test('migrate: how long rows are kept follows the configuration', async () => {
  const check = async (keptMs: number, wanted: RegExp) => {
    const retention = { logsMs: keptMs, tracesMs: keptMs, metricsMs: keptMs };
    const fixture = await startStorage(engine.url, { database: 'kept', retention });
    const tables = await fixture.rows<{ name: string; engine_full: string }>(
      `SELECT name, engine_full FROM system.tables
       WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND name LIKE 'otel%'`);
    assert.equal(tables.length, 8);
    for (const { name, engine_full: text } of tables) assert.match(text, wanted, name);
    await fixture.stop();
  };
  await check(30 * DAY_MS, / TTL toDate\((Timestamp|End|TimeUnix)\) \+ toIntervalDay\(30\) /);
  await check(36 * 3_600_000, / TTL toDateTime\(\w+\) \+ toIntervalHour\(36\) /);
});

test('migrate: every table makes commits durable and recognises what it has', async () => {
  const fixture = await startStorage(engine.url, { database: 'durable' });
  const tables = await fixture.rows<{ name: string; engine_full: string }>(
    `SELECT name, engine_full FROM system.tables
     WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND name LIKE 'otel%'`);
  for (const { name, engine_full: text } of tables) {
    assert.match(text, /non_replicated_deduplication_window = [1-9]/, name);
    assert.match(text, /fsync_after_insert = 1, fsync_part_directory = 1/, name);
    assert.match(text, /ttl_only_drop_parts = 1/, name);
  }
  await fixture.stop();
});

test('migrate: a store of schema 5 keeps its rows, and takes new ones beside them', async () => {
  const database = 'older';
  const older = new Connection(storageOptions(engine.url, { database: 'default' }));
  await older.client().command({ query: `CREATE DATABASE ${database}` });
  await older.close();
  const connection = new Connection(storageOptions(engine.url, { database }));
  const command = (query: string) => connection.client().command({ query });
  for (const file of (await readSchemaFiles(createFiles())).slice(0, 5)) {
    for (const query of renderStatements(file.text, { cluster: null })) await command(query);
    await command(`INSERT INTO binnacle_schema_versions (version, name, checksum)
      SELECT ${file.version}, '${file.name}', '${file.checksum}'`);
  }
  const insert = (trace: string) => command(`INSERT INTO otel_traces
    (Timestamp, TraceId, ServiceName, ResourceAttributes, ScopeName, SpanAttributes, BatchId)
    SELECT '2026-01-01 00:00:00', '${trace}', 'shop', map('service.name', 'shop', 'x', '${trace}'),
      'scope', map('k', 'v'), 'a/1/${trace}'`);
  await insert('before');
  const fixture = await startStorage(engine.url, { database });
  await insert('after');
  const rows = await fixture.rows(`SELECT TraceId, ResourceAttributes, ScopeName, SpanAttributes
    FROM otel_traces WHERE ResourceAttributes['service.name'] = 'shop' ORDER BY TraceId DESC`);
  assert.deepEqual(rows, ['before', 'after'].map((trace) => ({
    TraceId: trace, ResourceAttributes: { 'service.name': 'shop', x: trace }, ScopeName: 'scope',
    SpanAttributes: { k: 'v' },
  })));
  const found = await fixture.rows(`SELECT TraceId FROM otel_traces
    WHERE BatchId = 'a/1/before' AND has(mapValues(ResourceAttributes), 'before')`);
  assert.deepEqual(found, [{ TraceId: 'before' }]);
  await fixture.stop();
  await connection.close();
});
