// A tenant's filter holds whatever the statement is that passes the gate: another tenant's rows are
// neither shown nor counted. The tenant here is the service.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { GateError } from '../../../backend/gate/errors.ts';
import { equals, filterSettings } from '../../../backend/gate/filters.ts';
import type { Gate } from '../../../backend/gate/gate.ts';
import { NEVER, queryText } from '../storage/clickhouse/storage_fixture.ts';
import { TABLES, startGate, type GateFixture } from './gate_fixture.ts';

const DATABASE = 'gate_filters';
let fixture: GateFixture;
let gate: Gate;
let settings: { readonly additional_table_filters: string };

before(async () => {
  fixture = await startGate(DATABASE);
  gate = fixture.gateWith({ shared: true });
  const filters = Object.fromEntries([...TABLES].map((table) =>
    [table, table === 'otel_traces_trace_id_ts' ? '0' : equals('ServiceName', "it's me")]));
  settings = filterSettings(filters, { database: DATABASE, tables: TABLES });
  const rows = `SELECT now64(9) - number, ['it\\'s me', 'other'][number % 2 + 1], 'Ok' || number % 2
    FROM numbers(100)`;
  const run = (sql: string) => queryText(fixture.storage, sql, 'TabSeparated');
  await run(`INSERT INTO otel_logs (Timestamp, ServiceName, Body) ${rows}`);
  await run(`INSERT INTO otel_traces (Timestamp, ServiceName, SpanName) ${rows}`);
});

after(() => fixture?.stop());

async function read(sql: string): Promise<string> {
  const checked = await gate.check(sql, [], NEVER);
  return fixture.read(checked.sql, { settings: { ...settings, ...checked.settings } });
}

test('filters: every way to read a table sees the rows of the tenant only', async () => {
  const queries: readonly (readonly [string, string])[] = [
    ['SELECT count() FROM otel_logs', '50'],
    [`SELECT count() FROM ${DATABASE}.otel_logs`, '50'],
    ['SELECT count() FROM otel_logs AS l', '50'],
    ['SELECT count() FROM otel_logs PREWHERE 1', '50'],
    ["SELECT count() FROM otel_logs WHERE ServiceName = 'other'", '0'],
    ['SELECT count() FROM otel_logs WHERE 1 OR ServiceName != \'\'', '50'],
    ['SELECT uniq(ServiceName) FROM otel_logs', '1'],
    ['SELECT max(ServiceName) FROM otel_logs', "it's me"],
    ['SELECT DISTINCT ServiceName FROM otel_logs', "it's me"],
    ['SELECT count() FROM (SELECT * FROM otel_logs)', '50'],
    ['WITH x AS (SELECT * FROM otel_logs) SELECT count() FROM x', '50'],
    ['SELECT (SELECT count() FROM otel_logs)', '50'],
    ["SELECT 'other' IN (SELECT ServiceName FROM otel_logs)", '0'],
    ['SELECT count() FROM otel_logs AS a CROSS JOIN otel_logs AS b', '2500'],
    ['SELECT uniqExact(b.ServiceName) FROM otel_logs AS a CROSS JOIN otel_logs AS b', '1'],
    ['SELECT count() FROM numbers(1) AS n RIGHT JOIN otel_logs AS b ON n.number = b.TraceFlags',
      '50'],
    ['SELECT count() FROM view(SELECT * FROM otel_logs)', '50'],
    ['SELECT sum(c) FROM (SELECT count() AS c FROM otel_logs UNION ALL SELECT count() FROM '
      + 'otel_traces)', '100'],
    ['SELECT sum(c) FROM (SELECT toStartOfMinute(Timestamp) AS t, count() AS c FROM otel_logs '
      + 'GROUP BY t)', '50'],
    ['SELECT ServiceName, count() FROM otel_traces GROUP BY ServiceName', "it's me\t50"],
    ['SELECT count() FROM otel_logs ARRAY JOIN [1, 2] AS x', '100'],
    ['SELECT uniqExact(ServiceName) FROM otel_logs LIMIT 1 BY 1', '1'],
    ['SELECT count() OVER () FROM otel_logs LIMIT 1', '50'],
    ["SELECT countIf(ServiceName = 'other') FROM otel_logs", '0'],
    ['SELECT count() FROM otel_traces_trace_id_ts', '0'],
    ["SELECT any(total_rows) IS NULL FROM system.tables WHERE name = 'otel_logs'", '1'],
    ['SELECT any(data_compressed_bytes) IS NULL FROM system.columns', '1'],
    ['SELECT count() FROM system.parts', '0'],
    ['SELECT any(table_rows) IS NULL FROM information_schema.tables', '1'],
  ];
  for (const [sql, wanted] of queries) assert.equal((await read(sql)).trimEnd(), wanted, sql);
});

test('filters: what counts everybody\'s rows, or would undo the filter, is refused', async () => {
  for (const sql of [
    'EXPLAIN ESTIMATE SELECT count() FROM otel_logs',
    'EXPLAIN indexes = 1 SELECT count() FROM otel_logs',
    `SELECT * FROM merge('${DATABASE}', '^otel_logs$')`,
    `SELECT * FROM mergeTreeIndex('${DATABASE}', 'otel_logs')`,
    "SELECT * FROM otel_logs SETTINGS additional_table_filters = ''",
    "SELECT getSetting('additional_table_filters')",
  ]) {
    await assert.rejects(gate.check(sql, [], NEVER), GateError, sql);
  }
  const seen = await read("SELECT count() FROM system.settings WHERE name LIKE 'additional_%'"
    + " AND value LIKE '%Service%'");
  assert.equal(seen, '0\n');
});

test('filters: a table without a condition is a mistake', () => {
  assert.throws(() => filterSettings({ otel_logs: '1' },
    { database: DATABASE, tables: TABLES }), /otel_traces/);
});
