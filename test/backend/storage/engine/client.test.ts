/**
 * Proves that the official ClickHouse client works on the engine unchanged: formats, streams,
 * parameters, settings, inserts, compression, errors, cancelling. One real engine for the file.
 */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { ClickHouseError, createClient } from '@clickhouse/client';
import { TestEngine, sql, until } from './test_engine.ts';

let store: TestEngine;

before(async () => {
  store = await TestEngine.open();
});

after(() => store.close());

test('client: ping, and ping by a query', async () => {
  assert.deepEqual(await store.client.ping(), { success: true });
  assert.deepEqual(await store.client.ping({ select: true }), { success: true });
});

test('client: JSON, JSONEachRow, CSV and the query id', async () => {
  const query = 'SELECT number AS n, toString(number) AS s FROM numbers(3)';
  const whole = await store.client.query({ query, format: 'JSON', query_id: 'my-id' });
  assert.equal(whole.query_id, 'my-id');
  assert.equal(whole.response_headers['x-clickhouse-query-id'], 'my-id');
  const json = await whole.json<{ n: string }>();
  assert.equal(json.rows, 3);
  assert.equal(json.statistics?.rows_read, 3);
  const rows = await (await store.client.query({ query, format: 'JSONEachRow' })).json();
  assert.deepEqual(rows[2], { n: 2, s: '2' });
  const csv = await (await store.client.query({ query, format: 'CSV' })).text();
  assert.equal(csv, '0,"0"\n1,"1"\n2,"2"\n');
});

test('client: a large result is streamed row by row', async () => {
  const query = "SELECT number AS n, repeat('x', 100) AS s FROM numbers(100000)";
  const result = await store.client.query({ query, format: 'JSONEachRow' });
  let rows = 0;
  for await (const part of result.stream<{ n: number }>()) {
    rows += part.length;
  }
  assert.equal(rows, 100_000);
});

test('client: parameters of all shapes are bound by the engine', async () => {
  const values = {
    s: "it's a \\ tab\t line\n ; -- {x} € 'q'",
    a: ["a'b", 'c\\d', 'e\tf'],
    m: { 'k\'"': 1 },
    n: null,
    d: new Date(Date.UTC(2026, 0, 2, 3, 4, 5)),
    i: 9007199254740993n,
    col: 's',
  };
  const query =
    'SELECT {s:String} AS s, {a:Array(String)} AS a, {m:Map(String, UInt8)} AS m, ' +
    "{n:Nullable(String)} AS n, {d:DateTime('UTC')} AS d, toString({i:UInt64}) AS i, " +
    '{col:Identifier} AS c';
  const result = await store.client.query({ query, query_params: values, format: 'JSONEachRow' });
  const [row] = await result.json<Record<string, unknown>>();
  assert.deepEqual(row, {
    ...{ s: values.s, a: values.a, m: values.m, n: null },
    ...{ d: '2026-01-02 03:04:05', i: '9007199254740993', c: values.s },
  });
});

test('client: parameters sent as a form are bound as well', async () => {
  const list = Array.from({ length: 3000 }, (_, index) => `value ${index} 'q' \\ \r\n €`);
  const query = 'SELECT {list:Array(String)} AS list';
  const params = { query_params: { list }, use_multipart_params: true };
  const result = await store.client.query({ query, ...params, format: 'JSONEachRow' });
  const [row] = await result.json<{ list: string[] }>();
  assert.deepEqual(row?.list, list);
});

test('client: a setting of one query does not reach the next', async () => {
  const query = 'SELECT number FROM numbers(5)';
  const strict = { max_result_rows: '2', result_overflow_mode: 'throw', readonly: '1' } as const;
  await assert.rejects(
    store.client.query({ query, clickhouse_settings: strict }),
    (error) => error instanceof ClickHouseError && error.code === '396',
  );
  await Promise.all(
    Array.from({ length: 40 }, async (_, index) => {
      const clickhouse_settings = index % 2 === 0 ? { max_block_size: `${1000 + index}` } : {};
      const asked = "SELECT getSetting('max_block_size') AS v, getSetting('readonly') AS r";
      const options = { query: asked, format: 'JSONEachRow', clickhouse_settings } as const;
      const [row] = await (await store.client.query(options)).json<{ v: number; r: number }>();
      assert.equal(Number(row?.v), index % 2 === 0 ? 1000 + index : 65_409);
      assert.equal(Number(row?.r), 0);
    }),
  );
  assert.equal((await (await store.client.query({ query, format: 'CSV' })).text()).length, 10);
});

test('client: an unknown setting is UNKNOWN_SETTING', async () => {
  const answer = await store.ask(sql('SELECT 1', '&nosuch=1'));
  assert.equal(answer.status, 404);
  assert.equal(answer.headers['x-clickhouse-exception-code'], '115');
});

test('client: insert JSONEachRow from an array and from a stream, with its summary', async () => {
  const name = await store.table('a UInt32, b String');
  const first = await store.client.insert({
    table: name,
    values: [{ a: 1, b: 'line\n\nbreak; x' }],
    format: 'JSONEachRow',
  });
  assert.equal(first.executed, true);
  assert.equal(first.summary?.written_rows, '1');
  const rows = Array.from({ length: 5000 }, (_, index) => ({ a: index, b: `b${index}` }));
  const second = await store.client.insert({
    table: name,
    values: Readable.from(rows, { objectMode: true }),
    format: 'JSONEachRow',
    columns: ['a', 'b'],
  });
  assert.equal(second.summary?.written_rows, '5000');
  assert.ok(Number(second.summary?.elapsed_ns) > 0);
  assert.equal(await store.count(name), '5001');
});

test('client: exec carries Native bytes, with gzip both ways', async () => {
  const name = await store.table('a UInt64, b String, m Map(LowCardinality(String), String)');
  const query =
    "SELECT number AS a, unhex('fff00a0a00')::String AS b, " +
    "map('k', 'v')::Map(LowCardinality(String), String) AS m FROM numbers(1000)";
  const native = (await store.ask(sql(`${query} FORMAT Native`))).body;
  const compression = { request: true, response: true };
  const zipped = createClient({ url: store.engine.url, compression });
  for (const user of [store.client, zipped]) {
    const values = Readable.from([native.subarray(0, 10), native.subarray(10)]);
    const insert = `INSERT INTO ${name} (a, b, m) SETTINGS async_insert = 0 FORMAT Native`;
    const { stream, summary } = await user.exec({ query: insert, values });
    stream.resume();
    assert.equal(summary?.written_rows, '1000');
  }
  await zipped.command({ query: `OPTIMIZE TABLE ${name} FINAL` });
  assert.equal(await store.count(name), '2000');
  const back = (await store.ask(sql(`SELECT a, b, m FROM ${name} LIMIT 1000 FORMAT Native`))).body;
  assert.equal(back.includes(Buffer.from('fff00a0a00', 'hex')), true);
  const result = await zipped.query({ query: `SELECT hex(b) AS h FROM ${name} LIMIT 1` });
  assert.equal(result.response_headers['content-encoding'], 'gzip');
  assert.deepEqual((await result.json<{ h: string }>()).data, [{ h: 'FFF00A0A00' }]);
  await zipped.close();
});

test('client: errors have code, type and message; the next query is clean', async () => {
  const check = async (query: string, code: string, type: string | null): Promise<void> =>
    assert.rejects(store.client.query({ query, format: 'TabSeparated' }), (error) => {
      assert.ok(error instanceof ClickHouseError);
      // The client takes the first word in parentheses, which some texts have before the name.
      assert.deepEqual([error.code, type ?? error.type], [code, error.type]);
      return true;
    });
  await check('SELECT * FROM nosuch', '60', 'UNKNOWN_TABLE');
  await check('SELEC 1', '62', null);
  await check('SELECT 1; SELECT 2', '62', 'SYNTAX_ERROR');
  await check("SELECT 1, 'open", '62', null);
  await check('1 + 1', '62', null);
  await check('SELECT nosuch()', '46', 'UNKNOWN_FUNCTION');
  const late = 'SELECT throwIf(number = 150000) FROM numbers(200000)';
  await check(late, '395', 'FUNCTION_THROW_IF_VALUE_IS_NON_ZERO');
  await check("SELECT 1 INTO OUTFILE '/tmp/x'", '358', 'INTO_OUTFILE_NOT_ALLOWED');
  assert.equal(await store.text(sql('SELECT 7')), '7\n');
});

test('client: aborting a query kills it in the engine', async () => {
  const abort = new AbortController();
  const query = 'SELECT count(sipHash64(number)) FROM numbers(1000000000000)';
  const running = store.client.query({ query, query_id: 'victim', abort_signal: abort.signal });
  await until(async () => (await store.processes('victim')) === 1);
  abort.abort();
  await assert.rejects(running);
  await until(async () => (await store.processes('victim')) === 0);
});

test('client: KILL QUERY takes the query id of the request', async () => {
  const query = 'SELECT count(sipHash64(number)) FROM numbers(1000000000000)';
  const running = store.client.query({ query, query_id: 'victim-2' });
  const ended = assert.rejects(
    running,
    (error) => error instanceof ClickHouseError && error.code === '394',
  );
  await until(async () => (await store.processes('victim-2')) === 1);
  const again = await store.ask(sql('SELECT 1', '&query_id=victim-2'));
  assert.equal(again.headers['x-clickhouse-exception-code'], '216');
  await store.client.command({ query: "KILL QUERY WHERE query_id = 'victim-2' ASYNC" });
  await ended;
});
