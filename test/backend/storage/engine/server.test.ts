/**
 * Proves that the engine process speaks ClickHouse's HTTP interface to plain requests, as curl
 * sends them: where the query is, headers, formats, every way to insert, compression, bad input.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Client as Http } from 'undici';
import { TestEngine, sql, until } from './test_engine.ts';

let store: TestEngine;

before(async () => {
  store = await TestEngine.open();
});

after(() => store.close());

test('http: ping, replicas_status, an empty request, an unknown path', async () => {
  assert.equal(await store.text('/ping'), 'Ok.\n');
  assert.equal(await store.text('/replicas_status'), 'Ok.\n');
  assert.equal(await store.text('/'), 'Ok.\n');
  assert.equal((await store.ask('/nosuch')).status, 404);
  assert.equal((await store.ask('/', '')).headers['x-clickhouse-exception-code'], '62');
});

test('http: the query may be in the URL, in the body, or cut in two', async () => {
  assert.equal(await store.text(sql('SELECT 1')), '1\n');
  assert.equal(await store.text('/', 'SELECT 1'), '1\n');
  assert.equal(await store.text(sql('SELECT'), '1, 2'), '1\t2\n');
  assert.equal(await store.text('/?default_format=CSV', "SELECT 'a'"), '"a"\n');
  assert.equal(await store.text(sql("SELECT 'a'", '&default_format=CSV')), '"a"\n');
  assert.equal(await store.text(sql('SELECT {p:UInt8} + 1', '&param_p=41')), '42\n');
  assert.equal(await store.text(sql("SELECT 'ä€😀'")), 'ä€😀\n');
  assert.match(await store.text(sql('SHOW DATABASES FORMAT JSONEachRow')), /\{"name":"system"\}/);
});

test('http: GET does not write', async () => {
  const answer = await store.ask(sql('CREATE TABLE nope (a UInt8) ENGINE = Memory'));
  assert.deepEqual([answer.status, answer.headers['x-clickhouse-exception-code']], [500, '164']);
});

test('http: headers of an answer', async () => {
  const { headers } = await store.ask('/?query_id=q7', 'SELECT 1 AS a FORMAT JSON', {
    authorization: 'Basic ZGVmYXVsdDo=',
    'x-clickhouse-user': 'default',
  });
  assert.equal(headers['x-clickhouse-query-id'], 'q7');
  assert.equal(headers['x-clickhouse-format'], 'JSON');
  assert.equal(headers['content-type'], 'application/json; charset=UTF-8');
  assert.equal(typeof headers['x-clickhouse-timezone'], 'string');
  const summary = JSON.parse(String(headers['x-clickhouse-summary'])) as Record<string, string>;
  assert.equal(summary['result_rows'], '1');
  assert.match(String(summary['elapsed_ns']), /^\d+$/);
  const made = (await store.ask(sql('SELECT 1'))).headers['x-clickhouse-query-id'];
  assert.match(String(made), /^[0-9a-f-]{36}$/);
});

test('http: binary formats come byte by byte', async () => {
  const query = "SELECT unhex('ff80fe000a0a3b')::String AS b FROM numbers(2) FORMAT ";
  const parquet = (await store.ask(sql(`${query}Parquet`))).body;
  assert.equal(parquet.subarray(0, 4).toString(), 'PAR1');
  assert.equal(parquet.subarray(-4).toString(), 'PAR1');
  const rows = (await store.ask(sql(`${query}RowBinary`))).body;
  assert.equal(rows.toString('hex'), '07ff80fe000a0a3b07ff80fe000a0a3b');
  const arrow = (await store.ask(sql(`${query}Arrow`))).body;
  assert.equal(arrow.subarray(0, 6).toString(), 'ARROW1');
});

test('http: WITH TOTALS and extremes are part of every format', async () => {
  const query =
    'SELECT number % 2 AS k, count() FROM numbers(10) GROUP BY k WITH TOTALS ORDER BY k';
  assert.equal(await store.text(sql(query)), '0\t5\n1\t5\n\n0\t10\n');
  const json = JSON.parse(await store.text(sql(`${query} FORMAT JSON`, '&extremes=1'))) as object;
  assert.deepEqual(Object.keys(json).slice(2, 5), ['totals', 'extremes', 'rows']);
});

test('http: any bytes go in and out of a table in every way to insert', async () => {
  const name = await store.table('a UInt32, b String');
  // Blank lines, semicolons and quotes: what ends inline data in the embedded engine.
  const long = randomBytes(70_000).toString('base64');
  const values = ['\n\n', ';\n;', "'", '\\', '\t', '\0', '', ' \n \n ', long];
  const json = values.map((b, a) => `${JSON.stringify({ a, b })}\n`).join('\n\n');
  const check = async (path: string, body: string | Buffer): Promise<void> => {
    await store.client.command({ query: `TRUNCATE TABLE ${name}` });
    await store.text(path, body);
    const got = await store.text(sql(`SELECT b FROM ${name} ORDER BY a FORMAT JSONCompactColumns`));
    assert.deepEqual((JSON.parse(got) as string[][])[0], values, path.slice(0, 100));
  };
  await check(sql(`INSERT INTO ${name} (a, b) FORMAT JSONEachRow`), json);
  await check('/', `INSERT INTO ${name} FORMAT JSONEachRow\n${json}`);
  await check('/', `INSERT INTO ${name} FORMAT JSONEachRow ${json}`);
  await check(sql(`INSERT INTO ${name}`), `FORMAT JSONEachRow\n${json}`);
  const csv = values.map((b, a) => `${a},"${b.replaceAll('"', '""')}"\r\n`).join('');
  await check(sql(`INSERT INTO ${name} SETTINGS async_insert=0 FORMAT CSV`), csv);
  const literal = values.map((b, a) => `(${a}, '${b.replace(/[\\']/g, '\\$&')}')`).join(',\n\n');
  await check('/', `INSERT INTO ${name} VALUES ${literal};`);
  await check(sql(`INSERT INTO ${name} (a, b) VALUES`), literal);
  const select = `INSERT INTO ${name} SELECT n, s FROM input('n UInt32, s String') FORMAT CSV`;
  await check(sql(select), csv);
  for (const format of ['Native', 'Parquet', 'RowBinary', 'Arrow', 'TabSeparated', 'Avro']) {
    const { body } = await store.ask(sql(`SELECT a, b FROM ${name} ORDER BY a FORMAT ${format}`));
    await check(sql(`INSERT INTO ${name} (a, b) FORMAT ${format}`), body);
    await check('/', Buffer.concat([Buffer.from(`INSERT INTO ${name} FORMAT ${format}\n`), body]));
  }
  assert.deepEqual(readdirSync(join(store.folder, 'spool')), []);
});

test('http: inserting nothing is no error', async () => {
  const name = await store.table('a UInt32');
  await store.text(sql(`INSERT INTO ${name} FORMAT JSONEachRow`), '');
  await store.text(sql(`INSERT INTO ${name} FORMAT Native`), '');
  assert.equal(await store.count(name), '0');
});

test('http: a bad body is refused with the row, and nothing of it is stored', async () => {
  const name = await store.table('a UInt32');
  const rows = '{"a":1}\n{"a":"x"}\n';
  const answer = await store.ask(sql(`INSERT INTO ${name} FORMAT JSONEachRow`), rows);
  assert.equal(answer.status, 400);
  assert.match(answer.body.toString(), /^Code: 27\. DB::Exception: .*\(at row 2\)/);
  assert.doesNotMatch(answer.body.toString(), /shm|spool|INFILE/);
  const cut = await store.ask(sql(`INSERT INTO ${name} FORMAT Native`), Buffer.from('0101', 'hex'));
  assert.notEqual(cut.status, 200);
  assert.equal(await store.count(name), '0');
});

test('http: a repeated deduplication token stores nothing twice', async () => {
  const settings = 'MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100';
  const name = await store.table('a UInt32', settings);
  const path = sql(`INSERT INTO ${name} FORMAT CSV`, '&insert_deduplication_token=t1');
  await store.text(path, '1\n2\n');
  await store.text(path, '1\n2\n');
  assert.equal(await store.count(name), '2');
});

test('http: gzip bodies and gzip answers', async () => {
  const name = await store.table('a UInt32, b String');
  const plain = Buffer.from('1,x\n'.repeat(50_000));
  const path = sql(`INSERT INTO ${name} FORMAT CSV`);
  const gzip = { 'content-encoding': 'gzip' };
  assert.equal((await store.ask(path, gzipSync(plain), gzip)).status, 200);
  assert.equal(await store.count(name), '50000');
  const broken = await store.ask(path, gzipSync(plain).subarray(0, 100), gzip);
  assert.deepEqual([broken.status, broken.headers['x-clickhouse-exception-code']], [400, '354']);
  const unknown = await store.ask(path, plain, { 'content-encoding': 'zstd' });
  assert.equal(unknown.status, 415);
  const accept = { 'accept-encoding': 'gzip, br' };
  const query = `SELECT a, b FROM ${name} FORMAT CSV`;
  const small = await store.ask(sql('SELECT 1', '&enable_http_compression=1'), null, accept);
  assert.equal(gunzipSync(small.body).toString(), '1\n');
  const many = sql('SELECT number FROM numbers(500000)', '&enable_http_compression=1');
  const large = await store.ask(many, null, accept);
  assert.equal(large.headers['content-encoding'], 'gzip');
  assert.equal(gunzipSync(large.body).length, 3_388_890);
  assert.equal((await store.ask(sql(query), null, accept)).headers['content-encoding'], undefined);
});

test('http: what is not there is said in words', async () => {
  const check = async (more: string, code: string): Promise<void> => {
    const answer = await store.ask(sql('SELECT 1', more));
    assert.equal(answer.headers['x-clickhouse-exception-code'], code, more);
  };
  await check('&compress=1', '48');
  await check('&decompress=1', '48');
  await check('&session_id=x', '48');
  await check('&database=nosuch', '81');
  await check('&default_format=Nope', '73');
  await check(`&query_id=${'x'.repeat(300)}`, '36');
});

test('http: a query uses the database of its request only', async () => {
  await store.client.command({ query: 'CREATE DATABASE `db one`' });
  assert.equal(await store.text(sql('SELECT currentDatabase()', '&database=db%20one')), 'db one\n');
  assert.equal(await store.text(sql('SELECT currentDatabase()')), 'default\n');
});

test('http: a query text over 16 MiB is refused, a large one is run', async () => {
  const fits = `SELECT length('${'x'.repeat(300_000)}')`;
  assert.equal(await store.text('/?max_query_size=1000000', fits), '300000\n');
  const answer = await store.ask('/', `SELECT length('${'x'.repeat(17 * 1024 * 1024)}')`);
  assert.equal(answer.status, 413);
});

test('http: parameters larger than a query may be are bound', async () => {
  const list = Array.from({ length: 30_000 }, (_, index) => `value number ${index}`);
  const params = { query_params: { list }, use_multipart_params: true };
  const query = "SELECT length({list:Array(String)}) AS n, getSetting('max_query_size') AS m";
  const result = await store.client.query({ query, ...params, format: 'JSONEachRow' });
  assert.deepEqual(await result.json(), [{ n: 30_000, m: 262_144 }]);
  const long = await store.ask('/', `SELECT length('${'x'.repeat(300_000)}')`);
  assert.equal(long.headers['x-clickhouse-exception-code'], '62');
});

test('http: web pages have no access', async () => {
  const check = async (headers: Record<string, string>, want: number): Promise<void> =>
    assert.equal((await store.ask('/', 'SELECT 1', headers)).status, want);
  await check({ origin: 'http://evil.example' }, 403);
  await check({ 'sec-fetch-site': 'cross-site' }, 403);
  await check({ 'sec-fetch-mode': 'cors' }, 200);
});

test('http: an insert of a chunked body with a long query in front of it', async () => {
  const name = await store.table('a UInt32');
  const columns = Array.from({ length: 7000 }, () => '/* long */').join(' ');
  const head = `INSERT INTO ${name} ${columns} (a) FORMAT CSV\n`;
  assert.ok(head.length > 65_536);
  await store.text('/', `${head}1\n2\n`);
  assert.equal(await store.count(name), '2');
});

test('http: a caller that leaves in the middle of its body stores nothing', async () => {
  const name = await store.table('a UInt32');
  const abort = new AbortController();
  async function* body(): AsyncIterable<string> {
    yield '1\n';
    await new Promise((resolve) => setTimeout(resolve, 50));
    abort.abort();
    await new Promise((resolve) => setTimeout(resolve, 50));
    yield '2\n';
  }
  const path = sql(`INSERT INTO ${name} FORMAT CSV`);
  const options = { method: 'POST' as const, body: Readable.from(body()), signal: abort.signal };
  await assert.rejects(fetchBody(path, options));
  assert.equal(await store.count(name), '0');
  await until(async () => readdirSync(join(store.folder, 'spool')).length === 0);
});

async function fetchBody(path: string, options: object): Promise<void> {
  const own = new Http(store.engine.url);
  try {
    const answer = await own.request({ path, method: 'POST', ...options });
    await answer.body.dump();
  } finally {
    await own.destroy();
  }
}

test('http: more queries than places wait for their turn, ping does not', async () => {
  const many = Array.from({ length: 60 }, async (_, index) => {
    const result = await store.client.query({
      query: 'SELECT sleep(0.05), {i:UInt32} AS i',
      query_params: { i: index },
      format: 'JSONEachRow',
    });
    const [row] = await result.json<{ i: number }>();
    assert.equal(row?.i, index);
  });
  assert.equal(await store.text('/ping'), 'Ok.\n');
  await Promise.all(many);
});

test('http: a query over the memory limit fails alone', async () => {
  const answer = await store.ask(
    sql('SELECT groupArray(number) FROM numbers(500000000)', '&max_threads=1'),
  );
  assert.equal(answer.headers['x-clickhouse-exception-code'], '241', answer.body.toString());
  assert.equal(await store.text(sql('SELECT 1')), '1\n');
  assert.equal(store.engine.restarts, 0);
});
