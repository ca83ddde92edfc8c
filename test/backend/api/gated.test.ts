// `/api/query` behind the gate, on a real engine: what analysts ask works in the formats and with
// the parameters they ask for; what they may not ask is refused in the one shape of errors and
// without effect; what they wish for lowers limits and never raises them.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createStoreGate } from '../../../backend/query/admission.ts';
import { startEngine, type EngineFixture } from '../storage/engine_fixture.ts';
import { startStorage, type StorageFixture } from '../storage/clickhouse/storage_fixture.ts';
import { LIMITS, problemIn, startApi, type ApiFixture } from './api_fixture.ts';

let engine: EngineFixture;
let store: StorageFixture;
let api: ApiFixture;

before(async () => {
  engine = await startEngine();
  store = await startStorage(engine.url, { database: 'api_gated' });
  api = await startApi(store.storage, {
    gate: createStoreGate(store.storage, 'api_gated'),
    limits: { ...LIMITS, resultRowsMax: 1000, executionMsMax: 20_000 },
  });
  await store.rows(`INSERT INTO otel_logs (Timestamp, ServiceName, Body)
    SELECT toDateTime64('2026-01-02 10:00:00', 9, 'UTC') + number, 'shop', 'x' FROM numbers(5000)`);
});

after(async () => {
  await api?.stop();
  await store?.stop();
  await engine?.stop();
});

test('gated: statements, formats, parameters and settings come through', async () => {
  const check = async (question: object, wanted: string) => {
    const answer = await api.ask({ format: 'TSV', ...question });
    assert.deepEqual([answer.status, answer.text], [200, wanted], answer.text);
  };
  await check({ sql: 'SELECT count() FROM otel_logs' }, '5000\n');
  await check({ sql: 'SELECT count() FROM otel_logs WHERE ServiceName = {s:String}',
    params: { s: "it's" } }, '0\n');
  await check({ sql: 'SELECT 1 AS a, 2 AS b FORMAT CSVWithNames' }, '"a","b"\n1,2\n');
  await check({ sql: 'SELECT 1 AS a SETTINGS max_threads = 1 FORMAT JSONEachRow' }, '{"a":1}\n');
  await check({ sql: 'SELECT 1.5::Decimal(3, 2) AS a', format: 'JSONEachRow',
    settings: { output_format_json_quote_decimals: true } }, '{"a":"1.5"}\n');
  await check({ sql: 'SELECT count() FROM (SELECT 1 LIMIT 1) SETTINGS max_threads = 2',
    settings: { max_threads: 1 } }, '1\n');
  assert.equal((await api.ask({ sql: 'SELECT 1 FORMAT PrettyCompact' })).status, 200);
  assert.equal((await api.ask({ sql: 'SHOW TABLES', format: 'TSV' })).status, 200);
  const shown = await api.ask({ sql: 'DESCRIBE otel_logs', format: 'TSV' });
  assert.match(shown.text, /^Timestamp\t/);
});

test('gated: what may not be asked is refused, with a hint and without effect', async () => {
  const check = async (sql: string, status: number, code: string) => {
    const answer = await api.ask({ sql });
    const problem = problemIn(answer);
    assert.deepEqual([answer.status, problem.status, problem.code], [status, status, code], sql);
    assert.ok(problem.hint !== undefined && problem.hint.length > 5, sql);
  };
  const settings = await api.ask({ sql: 'SELECT 1', settings: { readonly: 0 } });
  assert.equal(problemIn(settings).code, 'SETTING_DENIED');
  await check("SELECT file('/etc/passwd')", 403, 'FUNCTION_DENIED');
  await check("SELECT * FROM url('http://127.0.0.1:1/', 'CSV')", 403, 'TABLE_FUNCTION_DENIED');
  await check('SELECT * FROM system.processes', 403, 'TABLE_DENIED');
  await check('SELECT * FROM binnacle_batches', 403, 'TABLE_DENIED');
  await check("SELECT 1 INTO OUTFILE '/tmp/x'", 403, 'OUTFILE');
  await check('TRUNCATE TABLE otel_logs', 403, 'NOT_READING');
  await check('SELECT 1 SETTINGS readonly = 0', 403, 'SETTING_DENIED');
  await check('SELECT 1; SELECT 2', 400, 'SYNTAX');
  await check('SELEC 1', 400, 'SYNTAX');
  await check('SELECT {missing:UInt8}', 400, 'PARAMETER');
  const forbidden = api.counters.total('binnacle_queries_total', { result: 'forbidden' });
  assert.equal(forbidden, 8);
  assert.equal((await api.ask({ sql: 'SELECT count() FROM otel_logs', format: 'TSV' })).text,
    '5000\n');
});

test('gated: what a statement wishes lowers limits, and raises none', async () => {
  const check = async (settings: string, rows: number, status: number) => {
    const sql = `SELECT number FROM numbers(${rows}) SETTINGS ${settings}`;
    const answer = await api.ask({ sql, format: 'TSV' });
    assert.equal(answer.status, status, `${sql}: ${answer.text.slice(0, 300)}`);
  };
  await check('max_result_rows = 10', 11, 422);
  await check('max_result_rows = 10', 10, 200);
  await check('max_result_rows = 1000000', 1001, 422);
  await check('max_result_rows = 0', 1001, 422);
  await check('max_memory_usage = 100000000000', 10, 200);
});
