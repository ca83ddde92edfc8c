/**
 * Proves that the engine process speaks ClickHouse's HTTP interface: with the official client, and
 * with plain requests as curl sends them. One real engine for the file.
 */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { ClickHouseError, ClickHouseLogLevel, createClient } from '@clickhouse/client';
import type { ClickHouseClient } from '@clickhouse/client';
import { Client as Http } from 'undici';
import { createEngine, type Engine } from '../../../../backend/storage/engine/supervisor.ts';

let folder: string;
let engine: Engine;
let client: ClickHouseClient;
let http: Http;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'binnacle-server-'));
  engine = createEngine({ path: folder, memoryBytes: 1024 * 1024 * 1024 });
  const { url } = await engine.start();
  client = createClient({ url, log: { level: ClickHouseLogLevel.OFF } });
  http = new Http(url, { bodyTimeout: 60_000 });
});

after(async () => {
  await client.close();
  await http.close();
  await engine.stop(AbortSignal.timeout(10_000));
  await rm(folder, { recursive: true, force: true });
});

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

/** One request as curl makes it. */
async function ask(
  path: string,
  body: string | Buffer | null = null,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const method = body === null ? 'GET' : 'POST';
  const answer = await http.request({ path, method, body, headers });
  const bytes = Buffer.from(await answer.body.arrayBuffer());
  return { status: answer.statusCode, headers: answer.headers, body: bytes };
}

const text = async (path: string, body: string | Buffer | null = null): Promise<string> => {
  const answer = await ask(path, body);
  assert.equal(answer.status, 200, answer.body.toString());
  return answer.body.toString();
};

const sql = (query: string, more = ''): string => `/?query=${encodeURIComponent(query)}${more}`;

/** A table of its own for a test. */
async function table(columns: string, engineSql = 'MergeTree ORDER BY tuple()'): Promise<string> {
  const name = `t_${randomUUID().replaceAll('-', '')}`;
  await client.command({ query: `CREATE TABLE ${name} (${columns}) ENGINE = ${engineSql}` });
  return name;
}

const count = async (name: string): Promise<string> =>
  (await text(sql(`SELECT count() FROM ${name}`))).trim();

test('client: ping, and ping by a query', async () => {
  assert.deepEqual(await client.ping(), { success: true });
  assert.deepEqual(await client.ping({ select: true }), { success: true });
});

test('client: JSON, JSONEachRow, CSV and the query id', async () => {
  const query = 'SELECT number AS n, toString(number) AS s FROM numbers(3)';
  const whole = await client.query({ query, format: 'JSON', query_id: 'my-id' });
  assert.equal(whole.query_id, 'my-id');
  assert.equal(whole.response_headers['x-clickhouse-query-id'], 'my-id');
  const json = await whole.json<{ n: string }>();
  assert.equal(json.rows, 3);
  assert.equal(json.statistics?.rows_read, 3);
  const rows = await (await client.query({ query, format: 'JSONEachRow' })).json();
  assert.deepEqual(rows[2], { n: 2, s: '2' });
  const csv = await (await client.query({ query, format: 'CSV' })).text();
  assert.equal(csv, '0,"0"\n1,"1"\n2,"2"\n');
});

test('client: a large result is streamed row by row', async () => {
  const query = "SELECT number AS n, repeat('x', 100) AS s FROM numbers(100000)";
  const result = await client.query({ query, format: 'JSONEachRow' });
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
  const result = await client.query({ query, query_params: values, format: 'JSONEachRow' });
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
  const result = await client.query({ query, ...params, format: 'JSONEachRow' });
  const [row] = await result.json<{ list: string[] }>();
  assert.deepEqual(row?.list, list);
});

test('client: a setting of one query does not reach the next', async () => {
  const query = 'SELECT number FROM numbers(5)';
  const strict = { max_result_rows: '2', result_overflow_mode: 'throw', readonly: '1' } as const;
  await assert.rejects(
    client.query({ query, clickhouse_settings: strict }),
    (error) => error instanceof ClickHouseError && error.code === '396',
  );
  await Promise.all(
    Array.from({ length: 40 }, async (_, index) => {
      const clickhouse_settings = index % 2 === 0 ? { max_block_size: `${1000 + index}` } : {};
      const asked = "SELECT getSetting('max_block_size') AS v, getSetting('readonly') AS r";
      const result = await client.query({ query: asked, format: 'JSONEachRow', clickhouse_settings });
      const [row] = await result.json<{ v: number; r: number }>();
      assert.equal(Number(row?.v), index % 2 === 0 ? 1000 + index : 65_409);
      assert.equal(Number(row?.r), 0);
    }),
  );
  assert.equal((await (await client.query({ query, format: 'CSV' })).text()).length, 10);
});

test('client: an unknown setting is UNKNOWN_SETTING', async () => {
  const answer = await ask(sql('SELECT 1', '&nosuch=1'));
  assert.equal(answer.status, 404);
  assert.equal(answer.headers['x-clickhouse-exception-code'], '115');
});

test('client: insert JSONEachRow from an array and from a stream, with its summary', async () => {
  const name = await table('a UInt32, b String');
  const first = await client.insert({
    table: name,
    values: [{ a: 1, b: 'line\n\nbreak; x' }],
    format: 'JSONEachRow',
  });
  assert.equal(first.executed, true);
  assert.equal(first.summary?.written_rows, '1');
  const rows = Array.from({ length: 5000 }, (_, index) => ({ a: index, b: `b${index}` }));
  const second = await client.insert({
    table: name,
    values: Readable.from(rows, { objectMode: true }),
    format: 'JSONEachRow',
    columns: ['a', 'b'],
  });
  assert.equal(second.summary?.written_rows, '5000');
  assert.ok(Number(second.summary?.elapsed_ns) > 0);
  assert.equal(await count(name), '5001');
});

test('client: exec carries Native bytes, with gzip both ways', async () => {
  const name = await table('a UInt64, b String, m Map(LowCardinality(String), String)');
  const query =
    "SELECT number AS a, unhex('fff00a0a00')::String AS b, " +
    "map('k', 'v')::Map(LowCardinality(String), String) AS m FROM numbers(1000)";
  const native = (await ask(sql(`${query} FORMAT Native`))).body;
  const compression = { request: true, response: true };
  const zipped = createClient({ url: engine.url, compression });
  for (const user of [client, zipped]) {
    const values = Readable.from([native.subarray(0, 10), native.subarray(10)]);
    const insert = `INSERT INTO ${name} (a, b, m) SETTINGS async_insert = 0 FORMAT Native`;
    const { stream, summary } = await user.exec({ query: insert, values });
    stream.resume();
    assert.equal(summary?.written_rows, '1000');
  }
  await zipped.command({ query: `OPTIMIZE TABLE ${name} FINAL` });
  assert.equal(await count(name), '2000');
  const back = (await ask(sql(`SELECT a, b, m FROM ${name} LIMIT 1000 FORMAT Native`))).body;
  assert.equal(back.includes(Buffer.from('fff00a0a00', 'hex')), true);
  const result = await zipped.query({ query: `SELECT hex(b) AS h FROM ${name} LIMIT 1` });
  assert.equal(result.response_headers['content-encoding'], 'gzip');
  assert.deepEqual((await result.json<{ h: string }>()).data, [{ h: 'FFF00A0A00' }]);
  await zipped.close();
});

test('client: errors have code, type and message; the next query is clean', async () => {
  const check = async (query: string, code: string, type: string | null): Promise<void> =>
    assert.rejects(client.query({ query, format: 'TabSeparated' }), (error) => {
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
  assert.equal(await text(sql('SELECT 7')), '7\n');
});

test('client: aborting a query kills it in the engine', async () => {
  const abort = new AbortController();
  const query = 'SELECT count(sipHash64(number)) FROM numbers(1000000000000)';
  const running = client.query({ query, query_id: 'victim', abort_signal: abort.signal });
  await until(async () => (await processes('victim')) === 1);
  abort.abort();
  await assert.rejects(running);
  await until(async () => (await processes('victim')) === 0);
});

test('client: KILL QUERY takes the query id of the request', async () => {
  const query = 'SELECT count(sipHash64(number)) FROM numbers(1000000000000)';
  const running = client.query({ query, query_id: 'victim-2' });
  const ended = assert.rejects(
    running,
    (error) => error instanceof ClickHouseError && error.code === '394',
  );
  await until(async () => (await processes('victim-2')) === 1);
  const again = await ask(sql('SELECT 1', '&query_id=victim-2'));
  assert.equal(again.headers['x-clickhouse-exception-code'], '216');
  await client.command({ query: "KILL QUERY WHERE query_id = 'victim-2' ASYNC" });
  await ended;
});

/** Running queries that carry an id. */
async function processes(id: string): Promise<number> {
  const where = `Settings['log_comment'] = '${id}'`;
  return Number(await text(sql(`SELECT count() FROM system.processes WHERE ${where}`)));
}

async function until(done: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (await done()) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.fail('waited too long');
}

test('http: ping, replicas_status, an empty request, an unknown path', async () => {
  assert.equal(await text('/ping'), 'Ok.\n');
  assert.equal(await text('/replicas_status'), 'Ok.\n');
  assert.equal(await text('/'), 'Ok.\n');
  assert.equal((await ask('/nosuch')).status, 404);
  assert.equal((await ask('/', '')).headers['x-clickhouse-exception-code'], '62');
});

test('http: the query may be in the URL, in the body, or cut in two', async () => {
  assert.equal(await text(sql('SELECT 1')), '1\n');
  assert.equal(await text('/', 'SELECT 1'), '1\n');
  assert.equal(await text(sql('SELECT'), '1, 2'), '1\t2\n');
  assert.equal(await text('/?default_format=CSV', "SELECT 'a'"), '"a"\n');
  assert.equal(await text(sql("SELECT 'a'", '&default_format=CSV')), '"a"\n');
  assert.equal(await text(sql('SELECT {p:UInt8} + 1', '&param_p=41')), '42\n');
  assert.equal(await text(sql("SELECT 'ä€😀'")), 'ä€😀\n');
  assert.match(await text(sql('SHOW DATABASES FORMAT JSONEachRow')), /\{"name":"system"\}/);
});

test('http: GET does not write', async () => {
  const answer = await ask(sql('CREATE TABLE nope (a UInt8) ENGINE = Memory'));
  assert.deepEqual([answer.status, answer.headers['x-clickhouse-exception-code']], [500, '164']);
});

test('http: headers of an answer', async () => {
  const { headers } = await ask('/?query_id=q7', 'SELECT 1 AS a FORMAT JSON', {
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
  const made = (await ask(sql('SELECT 1'))).headers['x-clickhouse-query-id'];
  assert.match(String(made), /^[0-9a-f-]{36}$/);
});

test('http: binary formats come byte by byte', async () => {
  const query = "SELECT unhex('ff80fe000a0a3b')::String AS b FROM numbers(2) FORMAT ";
  const parquet = (await ask(sql(`${query}Parquet`))).body;
  assert.equal(parquet.subarray(0, 4).toString(), 'PAR1');
  assert.equal(parquet.subarray(-4).toString(), 'PAR1');
  const rows = (await ask(sql(`${query}RowBinary`))).body;
  assert.equal(rows.toString('hex'), '07ff80fe000a0a3b07ff80fe000a0a3b');
  const arrow = (await ask(sql(`${query}Arrow`))).body;
  assert.equal(arrow.subarray(0, 6).toString(), 'ARROW1');
});

test('http: WITH TOTALS and extremes are part of every format', async () => {
  const query = 'SELECT number % 2 AS k, count() FROM numbers(10) GROUP BY k WITH TOTALS ORDER BY k';
  assert.equal(await text(sql(query)), '0\t5\n1\t5\n\n0\t10\n');
  const json = JSON.parse(await text(sql(`${query} FORMAT JSON`, '&extremes=1'))) as object;
  assert.deepEqual(Object.keys(json).slice(2, 5), ['totals', 'extremes', 'rows']);
});

test('http: any bytes go in and out of a table in every way to insert', async () => {
  const name = await table('a UInt32, b String');
  // Blank lines, semicolons and quotes: what ends inline data in the embedded engine.
  const long = randomBytes(70_000).toString('base64');
  const values = ['\n\n', ';\n;', "'", '\\', '\t', '\0', '', ' \n \n ', long];
  const json = values.map((b, a) => `${JSON.stringify({ a, b })}\n`).join('\n\n');
  const check = async (path: string, body: string | Buffer): Promise<void> => {
    await client.command({ query: `TRUNCATE TABLE ${name}` });
    await text(path, body);
    const got = await text(sql(`SELECT b FROM ${name} ORDER BY a FORMAT JSONCompactColumns`));
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
    const { body } = await ask(sql(`SELECT a, b FROM ${name} ORDER BY a FORMAT ${format}`));
    await check(sql(`INSERT INTO ${name} (a, b) FORMAT ${format}`), body);
    await check('/', Buffer.concat([Buffer.from(`INSERT INTO ${name} FORMAT ${format}\n`), body]));
  }
  assert.deepEqual(readdirSync(join(folder, 'spool')), []);
});

test('http: inserting nothing is no error', async () => {
  const name = await table('a UInt32');
  await text(sql(`INSERT INTO ${name} FORMAT JSONEachRow`), '');
  await text(sql(`INSERT INTO ${name} FORMAT Native`), '');
  assert.equal(await count(name), '0');
});

test('http: a bad body is refused with the row, and nothing of it is stored', async () => {
  const name = await table('a UInt32');
  const answer = await ask(sql(`INSERT INTO ${name} FORMAT JSONEachRow`), '{"a":1}\n{"a":"x"}\n');
  assert.equal(answer.status, 400);
  assert.match(answer.body.toString(), /^Code: 27\. DB::Exception: .*\(at row 2\)/);
  assert.doesNotMatch(answer.body.toString(), /shm|spool|INFILE/);
  const cut = await ask(sql(`INSERT INTO ${name} FORMAT Native`), Buffer.from('0101', 'hex'));
  assert.notEqual(cut.status, 200);
  assert.equal(await count(name), '0');
});

test('http: a repeated deduplication token stores nothing twice', async () => {
  const settings = 'MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100';
  const name = await table('a UInt32', settings);
  const path = sql(`INSERT INTO ${name} FORMAT CSV`, '&insert_deduplication_token=t1');
  await text(path, '1\n2\n');
  await text(path, '1\n2\n');
  assert.equal(await count(name), '2');
});

test('http: gzip bodies and gzip answers', async () => {
  const name = await table('a UInt32, b String');
  const plain = Buffer.from('1,x\n'.repeat(50_000));
  const path = sql(`INSERT INTO ${name} FORMAT CSV`);
  const gzip = { 'content-encoding': 'gzip' };
  assert.equal((await ask(path, gzipSync(plain), gzip)).status, 200);
  assert.equal(await count(name), '50000');
  const broken = await ask(path, gzipSync(plain).subarray(0, 100), gzip);
  assert.deepEqual([broken.status, broken.headers['x-clickhouse-exception-code']], [400, '354']);
  const unknown = await ask(path, plain, { 'content-encoding': 'zstd' });
  assert.equal(unknown.status, 415);
  const accept = { 'accept-encoding': 'gzip, br' };
  const query = `SELECT a, b FROM ${name} FORMAT CSV`;
  const small = await ask(sql('SELECT 1', '&enable_http_compression=1'), null, accept);
  assert.equal(gunzipSync(small.body).toString(), '1\n');
  const many = sql('SELECT number FROM numbers(500000)', '&enable_http_compression=1');
  const large = await ask(many, null, accept);
  assert.equal(large.headers['content-encoding'], 'gzip');
  assert.equal(gunzipSync(large.body).length, 3_388_890);
  assert.equal((await ask(sql(query), null, accept)).headers['content-encoding'], undefined);
});

test('http: what is not there is said in words', async () => {
  const check = async (more: string, code: string): Promise<void> => {
    const answer = await ask(sql('SELECT 1', more));
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
  await client.command({ query: 'CREATE DATABASE `db one`' });
  assert.equal(await text(sql('SELECT currentDatabase()', '&database=db%20one')), 'db one\n');
  assert.equal(await text(sql('SELECT currentDatabase()')), 'default\n');
});

test('http: a query text over 16 MiB is refused, a large one is run', async () => {
  const fits = `SELECT length('${'x'.repeat(300_000)}')`;
  assert.equal(await text('/?max_query_size=1000000', fits), '300000\n');
  const answer = await ask('/', `SELECT length('${'x'.repeat(17 * 1024 * 1024)}')`);
  assert.equal(answer.status, 413);
});

test('http: an insert of a chunked body with a long query in front of it', async () => {
  const name = await table('a UInt32');
  const columns = Array.from({ length: 7000 }, () => '/* long */').join(' ');
  const head = `INSERT INTO ${name} ${columns} (a) FORMAT CSV\n`;
  assert.ok(head.length > 65_536);
  await text('/', `${head}1\n2\n`);
  assert.equal(await count(name), '2');
});

test('http: a caller that leaves in the middle of its body stores nothing', async () => {
  const name = await table('a UInt32');
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
  assert.equal(await count(name), '0');
  await until(async () => readdirSync(join(folder, 'spool')).length === 0);
});

async function fetchBody(path: string, options: object): Promise<void> {
  const own = new Http(engine.url);
  try {
    const answer = await own.request({ path, method: 'POST', ...options });
    await answer.body.dump();
  } finally {
    await own.destroy();
  }
}

test('http: more queries than places wait for their turn, ping does not', async () => {
  const many = Array.from({ length: 60 }, async (_, index) => {
    const result = await client.query({
      query: 'SELECT sleep(0.05), {i:UInt32} AS i',
      query_params: { i: index },
      format: 'JSONEachRow',
    });
    const [row] = await result.json<{ i: number }>();
    assert.equal(row?.i, index);
  });
  assert.equal(await text('/ping'), 'Ok.\n');
  await Promise.all(many);
});

test('http: a query over the memory limit fails alone', async () => {
  const answer = await ask(
    sql('SELECT groupArray(number) FROM numbers(500000000)', '&max_threads=1'),
  );
  assert.equal(answer.headers['x-clickhouse-exception-code'], '241', answer.body.toString());
  assert.equal(await text(sql('SELECT 1')), '1\n');
  assert.equal(engine.restarts, 0);
});
