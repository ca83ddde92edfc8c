// `/api/query` on a real engine: how a question may be asked, every format byte for byte as
// ClickHouse gives it, parameters of every type, read-only, and errors with ClickHouse's names.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { request } from 'undici';
import { startEngine, type EngineFixture } from '../storage/engine_fixture.ts';
import { startStorage, type StorageFixture } from '../storage/clickhouse/storage_fixture.ts';
import { problemIn, startApi, type ApiFixture } from './api_fixture.ts';

let engine: EngineFixture;
let store: StorageFixture;
let api: ApiFixture;

before(async () => {
  engine = await startEngine();
  store = await startStorage(engine.url, { database: 'api_query' });
  api = await startApi(store.storage);
});

after(async () => {
  await api?.stop();
  await store?.stop();
  await engine?.stop();
});

const text = { 'content-type': 'text/plain' };

test('query: JSON, text and URL ask the same', async () => {
  const wanted = '"a","b"\n7,"x y"\n';
  const sql = 'SELECT {n:UInt8} AS a, {t:String} AS b';
  const json = await api.ask({ sql, params: { n: 7, t: 'x y' }, format: 'CSVWithNames' });
  assert.equal(json.text, wanted);
  const url = 'format=CSVWithNames&param_n=7&param_t=x%20y';
  const body = await api.get(`/api/query?${url}`, { method: 'POST', headers: text, body: sql });
  assert.equal(body.text, wanted);
  const got = await api.get(`/api/query?${url}&sql=${encodeURIComponent(sql)}`);
  assert.equal(got.text, wanted);
  assert.deepEqual([json.status, body.status, got.status], [200, 200, 200]);
});

test('query: the body wins over the URL, the statement over both, JSON is default', async () => {
  const sql = 'SELECT {n:UInt8} AS n';
  const asked = await api.get('/api/query?format=CSV&param_n=1', {
    method: 'POST',
    headers: { 'content-type': 'Application/JSON; charset=utf-8' },
    body: JSON.stringify({ sql, params: { n: 2 }, format: 'TSV' }),
  });
  assert.equal(asked.text, '2\n');
  assert.equal((await api.ask({ sql: 'SELECT 3 FORMAT CSV', format: 'Parquet' })).text, '3\n');
  const plain = await api.ask({ sql: 'SELECT 4 AS four' });
  assert.deepEqual((JSON.parse(plain.text) as { data: unknown }).data, [{ four: 4 }]);
  assert.equal(plain.headers['content-type'], 'application/json; charset=UTF-8');
});

test('query: every format that ClickHouse writes comes through byte for byte', async () => {
  const { text: list } = await api.ask({
    sql: 'SELECT name FROM system.formats WHERE is_output ORDER BY name', format: 'TSV',
  });
  const formats = list.trim().split('\n');
  assert.ok(formats.length > 60, list);
  const sql = "SELECT number AS n, concat('ü😀', toString(number)) AS s, [number, 1] AS a, "
    + "toDateTime64(number, 3, 'UTC') AS t FROM numbers(3)";
  const told: string[] = [];
  for (const format of formats) {
    const [ours, direct] = [await api.ask({ sql, format }), await askEngine(sql, format)];
    if (direct.status === 200 && ours.status === 200) {
      assert.deepEqual(withoutTimes(ours.body), withoutTimes(direct.body), format);
      told.push(format);
    } else {
      // Formats that need a schema, a template or one column of one type say so.
      assert.notEqual(direct.status, 200, `${format}: ${ours.text.slice(0, 200)}`);
      assert.equal(ours.status, 400, `${format}: ${ours.text}`);
    }
  }
  for (const format of ['JSON', 'JSONEachRow', 'CSV', 'TSV', 'XML', 'Parquet', 'Arrow',
    'ArrowStream', 'Native', 'RowBinary', 'Avro', 'ORC', 'MsgPack', 'Markdown', 'Vertical']) {
    assert.ok(told.includes(format), `${format} was answered`);
  }
});

async function askEngine(sql: string, format: string): Promise<{ status: number; body: Buffer }> {
  const pretty = format.startsWith('Pretty') ? '&output_format_pretty_row_numbers=0'
    + '&output_format_pretty_color=0' : '';
  const answer = await request(`${engine.url}/?default_format=${format}${pretty}`, {
    method: 'POST', body: sql,
  });
  return { status: answer.statusCode, body: Buffer.from(await answer.body.arrayBuffer()) };
}

/** Times that differ from run to run, in the formats that tell them. */
const withoutTimes = (body: Buffer): string => body.toString('latin1')
  .replace(/("?<?elapsed(?:_ns)?"?>?:?\s*"?)[\d.e-]+/g, '$1')
  .replace(/("(?:rows|bytes)_read":\s*)"?\d+"?|(?<=<(?:rows|bytes)_read>)\d+/g, '$1');

test('query: media types and file names', async () => {
  const check = async (format: string, type: string, file?: string) => {
    const { headers } = await api.ask({ sql: 'SELECT 1 AS one', format });
    assert.equal(headers['content-type'], type);
    assert.equal(headers['content-disposition'],
      file === undefined ? undefined : `attachment; filename="${file}"`);
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['cache-control'], 'no-store');
  };
  await check('CSV', 'text/csv; charset=UTF-8; header=absent');
  await check('CSVWithNames', 'text/csv; charset=UTF-8; header=present');
  await check('TabSeparated', 'text/tab-separated-values; charset=UTF-8');
  await check('PrettyCompact', 'text/plain; charset=UTF-8');
  await check('Parquet', 'application/vnd.apache.parquet', 'result.parquet');
  await check('Arrow', 'application/vnd.apache.arrow.file', 'result.arrow');
  await check('Native', 'application/octet-stream', 'result.native');
  await check('RowBinary', 'application/octet-stream', 'result.rowbinary');
});

test('query: parameters of every type arrive as they were sent', async () => {
  const check = async (type: string, value: unknown, wanted: unknown = value) => {
    const answer = await api.ask({
      sql: `SELECT {v:${type}} AS v`, params: { v: value }, format: 'JSONEachRow',
    });
    assert.equal(answer.status, 200, `${type}: ${answer.text}`);
    assert.deepEqual((JSON.parse(answer.text) as { v: unknown }).v, wanted, type);
  };
  await check('String', "it's \"q\" \\ back\n\t\r é 😀 \u0001\0 \\N {x:UInt8} end");
  await check('String', '');
  await check('Nullable(String)', null);
  await check('UInt8', 7);
  await check('Int64', -(2 ** 53) + 1);
  await check('Float64', -1.5e300);
  await check('Decimal(20, 5)', '123.45678', 123.45678);
  await check('Bool', true);
  await check('UInt8', false, 0);
  await check('Array(String)', ["a'b", 'c\\d', 'e\nf', '"', '\t', '']);
  await check('Array(UInt8)', []);
  await check('Array(Nullable(Int32))', [1, null, -1]);
  await check('Array(Array(String))', [['a'], []]);
  await check('Map(String, String)', { a: "x'y\\", b: '' });
  await check('Tuple(String, UInt8)', ['a', 1]);
  await check('Array(Tuple(String, Array(UInt8)))', [['a', [1, 2]]]);
  await check('JSON', { a: { b: "it's" } });
  await check("DateTime('UTC')", '2026-01-02 03:04:05');
  await check("DateTime('UTC')", '2026-01-02T05:04:05+02:00', '2026-01-02 03:04:05');
  await check("DateTime64(9, 'UTC')", '2026-01-02T03:04:05.123456789Z',
    '2026-01-02 03:04:05.123456789');
  await check("DateTime64(3, 'UTC')", 1767323045.123, '2026-01-02 03:04:05.123');
  await check("Array(DateTime64(3, 'UTC'))", ['2026-01-02T03:04:05.5Z'],
    ['2026-01-02 03:04:05.500']);
  await check("DateTime('UTC')", '1970-01-01T00:00:09Z', '1970-01-01 00:00:09');
  await check('Date', '2026-01-02');
  await check('UUID', '61f0c404-5cb3-11e7-907b-a6006ad3dba0');
  await check('IPv6', '2001:db8::1');
  const table = await api.ask({
    sql: 'SELECT count() FROM {t:Identifier}', params: { t: 'otel_logs' }, format: 'TSV',
  });
  assert.equal(table.text, '0\n');
  const big = await api.ask({ sql: 'SELECT {v:UInt64}', params: { v: '18446744073709551615' },
    format: 'TSV' });
  assert.equal(big.text, '18446744073709551615\n');
});

test('query: text parameters of the URL are literals, long ones arrive', async () => {
  const list = encodeURIComponent("['a\\'b','c']");
  const answer = await api.get(`/api/query?format=JSONEachRow&param_l=${list}`, {
    method: 'POST', headers: text, body: 'SELECT {l:Array(String)} AS l',
  });
  assert.deepEqual(JSON.parse(answer.text), { l: ["a'b", 'c'] });
  const long = await api.ask({
    sql: 'SELECT length({v:String})', params: { v: 'ü'.repeat(150_000) }, format: 'TSV',
  });
  assert.equal(long.text, '300000\n');
  const lost = problemIn(await api.ask({ sql: 'SELECT {v:UInt64}', params: { v: 2 ** 60 } }));
  assert.deepEqual([lost.status, lost.code], [400, 'INVALID_REQUEST']);
});

test('query: failures carry ClickHouse\'s name, a fitting status and the query\'s id', async () => {
  const check = async (sql: string, status: number, code: string) => {
    const answer = await api.ask({ sql });
    const problem = problemIn(answer);
    assert.deepEqual([problem.status, problem.code], [status, code], sql);
    assert.match(answer.headers['content-type']!, /^application\/json; charset=utf-8$/);
    assert.match(answer.headers['x-binnacle-query-id']!, /^[0-9a-f-]{36}$/);
    assert.ok(problem.message.length > 10 && !problem.message.includes('DB::Exception'));
  };
  await check('SELEC 1', 400, 'SYNTAX_ERROR');
  await check('   ', 400, 'SYNTAX_ERROR');
  await check('SELECT nothing', 400, 'UNKNOWN_IDENTIFIER');
  await check('SELECT * FROM nowhere', 400, 'UNKNOWN_TABLE');
  await check('SELECT {missing:UInt8}', 400, 'UNKNOWN_QUERY_PARAMETER');
  await check('SELECT 1 FORMAT Nonsense', 400, 'UNKNOWN_FORMAT');
  await check('SELECT 1; SELECT 2', 400, 'SYNTAX_ERROR');
  await check("SELECT throwIf(number = 2, 'no') FROM numbers(5)", 400,
    'FUNCTION_THROW_IF_VALUE_IS_NON_ZERO');
});

test('query: nothing is written, and no setting changed', async () => {
  const check = async (sql: string) => {
    const problem = problemIn(await api.ask({ sql }));
    assert.deepEqual([problem.status, problem.code], [403, 'READONLY'], sql);
    assert.ok(problem.hint !== undefined);
  };
  await check("INSERT INTO otel_logs (Body) VALUES ('x')");
  await check('INSERT INTO otel_logs (Body) SELECT 1');
  await check('DROP TABLE otel_logs');
  await check('TRUNCATE TABLE otel_logs');
  await check('ALTER TABLE otel_logs DELETE WHERE 1');
  await check('CREATE TABLE mine (a Int8) ENGINE = Memory');
  await check('SET max_threads = 1');
  await check('SELECT 1 SETTINGS max_result_rows = 0');
  await check('SELECT 1 SETTINGS readonly = 0');
  await check('OPTIMIZE TABLE otel_logs');
  const byUrl = await api.get(`/api/query?sql=${encodeURIComponent('DROP TABLE otel_logs')}`);
  assert.equal(byUrl.status, 403);
  const count = await api.ask({ sql: 'SELECT count() FROM otel_logs', format: 'TSV' });
  assert.equal(count.text, '0\n');
});

test('query: an empty result is an answer', async () => {
  for (const sql of ['SELECT 1 WHERE 0', 'USE default', 'SELECT * FROM otel_logs']) {
    const answer = await api.ask({ sql, format: 'TSV' });
    assert.deepEqual([answer.status, answer.text], [200, ''], sql);
  }
  const answer = await api.ask({ sql: 'SELECT 1 WHERE 0', format: 'JSON' });
  assert.equal((JSON.parse(answer.text) as { rows: number }).rows, 0);
});

test('query: SHOW, DESCRIBE, EXPLAIN and EXISTS answer in the asked format', async () => {
  for (const sql of ['SHOW TABLES', 'DESCRIBE otel_logs', 'EXPLAIN SELECT 1', 'EXISTS otel_logs']) {
    const answer = await api.ask({ sql, format: 'JSONEachRow' });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(typeof JSON.parse(answer.text.split('\n')[0]!), 'object', sql);
  }
});

test('query: the answer names the query and says what it did', async () => {
  const answer = await api.ask({ sql: 'SELECT number FROM numbers(5)', format: 'TSV' });
  assert.match(answer.headers['x-binnacle-query-id']!, /^[0-9a-f-]{36}$/);
  const summary = JSON.parse(answer.headers['x-binnacle-query-summary']!) as
    Record<string, number>;
  assert.deepEqual(Object.keys(summary), ['readRows', 'readBytes', 'resultRows', 'resultBytes',
    'elapsedMs']);
  assert.equal(summary.resultRows, 5);
});

test('query: HEAD has the headers of GET and no body', async () => {
  const sql = encodeURIComponent('SELECT number FROM numbers(1000000)');
  const answer = await api.get(`/api/query?format=CSV&sql=${sql}`, { method: 'HEAD' });
  assert.deepEqual([answer.status, answer.text], [200, '']);
  assert.match(answer.headers['content-type']!, /^text\/csv/);
  assert.equal((await api.get('/api/query', { method: 'HEAD' })).status, 400);
});

test('query: a request that is not a question is refused, and says why', async () => {
  const check = async (
    asking: Parameters<ApiFixture['get']>[1],
    status: number,
    code: string,
    why: RegExp,
    path = '/api/query',
  ) => {
    const answer = await api.get(path, { method: 'POST', ...asking });
    const problem = problemIn(answer);
    assert.deepEqual([problem.status, problem.code], [status, code], answer.text);
    assert.match(problem.message, why);
  };
  const json = (body: string) => ({ headers: { 'content-type': 'application/json' }, body });
  const BAD = 'INVALID_REQUEST';
  await check(json('{"sql": '), 400, 'INVALID_JSON', /JSON/);
  await check(json(''), 400, 'INVALID_JSON', /empty/);
  await check(json('[]'), 400, BAD, /object/);
  await check(json('null'), 400, BAD, /object/);
  await check(json('{}'), 400, BAD, /'sql'/);
  await check(json('{"sql": 5}'), 400, BAD, /sql must be string/);
  await check(json('{"sql": ""}'), 400, BAD, /sql/);
  await check(json('{"sql": "SELECT 1", "fromat": "CSV"}'), 400, BAD, /'fromat'/);
  await check(json('{"sql": "SELECT 1", "format": "C S V"}'), 400, BAD, /format/);
  await check(json('{"sql": "SELECT 1", "params": [1]}'), 400, BAD, /params/);
  await check(json(JSON.stringify({ sql: `SELECT 1${' '.repeat(300_000)}` })), 400, BAD, /262144/);
  await check(json(JSON.stringify({ sql: 'SELECT 1', params: { a: ' '.repeat(5 << 20) } })), 413,
    'BODY_TOO_LARGE', /large/);
  await check({}, 400, BAD, /no statement/);
  await check({ headers: text, body: 'SELECT 1' }, 400, BAD, /'x'/, '/api/query?x=1');
  await check({ headers: text, body: 'SELECT 1' }, 400, BAD, /format/,
    '/api/query?format=A&format=B');
  await check({ headers: { 'content-type': 'application/xml' }, body: '<a/>' }, 415,
    'UNSUPPORTED_MEDIA_TYPE', /./);
  await check({ headers: { 'content-type': 'text/plain; charset=latin1' }, body: 'SELECT 1' }, 415,
    'UNSUPPORTED_MEDIA_TYPE', /UTF-8/);
  await check({ method: 'GET' }, 400, BAD, /'sql'/);
});

test('query: pages of other origins are turned away, own pages and programs are not', async () => {
  const { host } = new URL(api.url);
  const check = async (headers: Record<string, string>, status: number) =>
    assert.equal((await api.get('/api/query?sql=SELECT%201', { headers })).status, status,
      JSON.stringify(headers));
  await check({ origin: 'http://evil.example' }, 403);
  await check({ origin: 'null' }, 403);
  await check({ 'sec-fetch-site': 'cross-site' }, 403);
  await check({ 'sec-fetch-site': 'same-site', origin: `http://${host}` }, 403);
  await check({ 'sec-fetch-site': 'same-origin', origin: `http://${host}` }, 200);
  await check({ 'sec-fetch-site': 'none' }, 200);
  await check({ origin: `http://${host}` }, 200);
});
