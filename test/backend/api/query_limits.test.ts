// What bounds a query, on a real engine: a large result is passed on and not held, a caller who
// goes away or stops reading takes the query along, limits of time, rows, memory and number hold,
// and half a result never looks like a whole one.

import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { startEngine, type EngineFixture } from '../storage/engine_fixture.ts';
import { startStorage, type StorageFixture } from '../storage/clickhouse/storage_fixture.ts';
import { until } from '../../contract/fakes.ts';
import { LIMITS, fakeStorage, problemIn, startApi, type ApiFixture } from './api_fixture.ts';

const MIB = 1024 * 1024;
/** Runs for hours unless somebody ends it; `mark` makes it known in the engine. */
const endless = (mark: string): string =>
  `SELECT sum(sipHash64(number)) AS ${mark} FROM numbers(1000000000000)`;

let engine: EngineFixture;
let store: StorageFixture;
const open: ApiFixture[] = [];

before(async () => {
  engine = await startEngine();
  store = await startStorage(engine.url, { database: 'api_limits' });
});

after(async () => {
  for (const api of open) await api.stop();
  await store?.stop();
  await engine?.stop();
});

async function start(...args: Parameters<typeof startApi>): Promise<ApiFixture> {
  const api = await startApi(...args);
  open.push(api);
  return api;
}

const limited = (limits: Partial<typeof LIMITS> & { stallMs?: number }) =>
  start(store.storage, { limits: { ...LIMITS, ...limits } });

/** Whether a statement that contains `text` is in the engine. */
async function isRunning(text: string): Promise<boolean> {
  const rows = await store.rows(`SELECT 1 FROM system.processes
    WHERE position(query, '${text}') > 0 AND position(query, 'system.proc' || 'esses') = 0`);
  return rows.length > 0;
}

test('query limits: two million rows are passed on without being held', async () => {
  const api = await limited({});
  const sql = 'SELECT number, randomPrintableASCII(100) AS text FROM numbers(2000000)';
  // The first result makes room for buffers that stay.
  for await (const _ of await api.stream({ sql, format: 'JSONEachRow' }));
  const idle = process.memoryUsage.rss();
  let bytes = 0;
  let peak = 0;
  let tail = Buffer.alloc(0);
  for await (const chunk of await api.stream({ sql, format: 'JSONEachRow' })) {
    bytes += (chunk as Buffer).length;
    peak = Math.max(peak, process.memoryUsage.rss());
    tail = Buffer.concat([tail, chunk as Buffer]).subarray(-400);
  }
  assert.ok(bytes > 200 * MIB, `${bytes} bytes`);
  assert.match(tail.toString(), /\{"number":1999999,"text":".*"\}\n$/);
  assert.ok(peak - idle < 64 * MIB, `grew by ${((peak - idle) / MIB).toFixed()} MiB`);
});

test('query limits: the end of a table is read no further than a LIMIT needs', async () => {
  const api = await limited({});
  await store.rows(`CREATE TABLE last (at UInt32, text String) ENGINE = MergeTree
    ORDER BY (intDiv(at, 1000), text, at)`);
  for (const part of [0, 1, 2]) {
    await store.rows(`INSERT INTO last SELECT number + ${part} * 1000000, '' FROM numbers(1000000)
      SETTINGS max_block_size = 1000000, max_insert_threads = 1`);
  }
  const sql = `SELECT at FROM last WHERE at % 1000 = 7
    ORDER BY intDiv(at, 1000) DESC, at DESC LIMIT 10`;
  const chunks: Buffer[] = [];
  for await (const chunk of await api.stream({ sql, format: 'JSON' })) chunks.push(chunk as Buffer);
  const { rows, statistics } = JSON.parse(Buffer.concat(chunks).toString()) as
    { rows: number; statistics: { rows_read: number } };
  assert.equal(rows, 10);
  assert.ok(statistics.rows_read < 600_000, `${statistics.rows_read} rows read`);
});

test('query limits: a caller who goes away ends the query in the engine', async () => {
  const api = await limited({});
  const abort = new AbortController();
  const asked = api.ask({ sql: endless('gone') }, { signal: abort.signal });
  await until(() => isRunning('AS gone'), 'the query runs');
  abort.abort();
  await assert.rejects(asked, { name: 'AbortError' });
  await until(async () => !(await isRunning('AS gone')), 'the query has ended');
  await until(() => api.counters.total('binnacle_queries_total', { result: 'abandoned' }) === 1,
    'it is counted');
  assert.equal(api.counters.total('binnacle_queries_running'), 0);
});

test('query limits: a caller who leaves in the middle of a result frees its place', async () => {
  const api = await limited({ concurrentMax: 1 });
  const body = await api.stream({ sql: 'SELECT * FROM numbers(3000000)', format: 'TSV' });
  await new Promise((resolve) => body.once('data', resolve));
  body.on('error', () => {}).destroy();
  await until(() => api.counters.total('binnacle_queries_running') === 0, 'the place is free');
  assert.equal((await api.ask({ sql: 'SELECT 1', format: 'TSV' })).text, '1\n');
});

test('query limits: a caller who stops reading is cut off', async () => {
  const api = await limited({ concurrentMax: 1, stallMs: 300 });
  const socket = await stalledReader(api.url,
    'SELECT number, randomPrintableASCII(100) FROM numbers(1000000)');
  await until(() => api.counters.total('binnacle_queries_running') === 1, 'it is under way');
  assert.equal((await api.ask({ sql: 'SELECT 1' })).status, 429);
  await until(() => api.counters.total('binnacle_queries_running') === 0, 'it was cut off');
  assert.equal((await api.ask({ sql: 'SELECT 1', format: 'TSV' })).text, '1\n');
  assert.equal(api.counters.total('binnacle_queries_total', { result: 'abandoned' }), 1);
  socket.destroy();
});

async function stalledReader(url: string, sql: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await new Promise((resolve) => socket.once('connect', resolve));
  socket.on('error', () => {}).pause();
  socket.write(`GET /api/query?format=TSV&sql=${encodeURIComponent(sql)} HTTP/1.1\r\n`
    + 'host: localhost\r\n\r\n');
  return socket;
}

test('query limits: time, rows and memory are 422 with ClickHouse\'s name', async () => {
  const check = async (api: ApiFixture, sql: string, code: string) => {
    const problem = problemIn(await api.ask({ sql }));
    assert.deepEqual([problem.status, problem.code], [422, code], problem.message);
    assert.match(problem.hint!, /query\.max_/);
  };
  const tight = await limited({ resultRowsMax: 1000, memoryBytesMax: 64 * MIB });
  await check(tight, 'SELECT * FROM numbers(1001)', 'TOO_MANY_ROWS_OR_BYTES');
  assert.equal((await tight.ask({ sql: 'SELECT * FROM numbers(1000)' })).status, 200);
  await check(tight, 'SELECT groupArray(toString(number)) FROM numbers(30000000)',
    'MEMORY_LIMIT_EXCEEDED');
  await check(await limited({ executionMsMax: 1000 }), endless('late'), 'TIMEOUT_EXCEEDED');
  assert.equal(tight.counters.total('binnacle_queries_total', { result: 'limit' }), 2);
});

test('query limits: more at the same time than allowed are turned away with 429', async () => {
  const api = await limited({ concurrentMax: 2 });
  const abort = new AbortController();
  const held = [1, 2].map((number) =>
    api.ask({ sql: endless(`held_${number}`) }, { signal: abort.signal }));
  await until(async () => await isRunning('held_1') && await isRunning('held_2'), 'both run');
  const refused = await api.ask({ sql: 'SELECT 1' });
  const problem = problemIn(refused);
  assert.deepEqual([problem.status, problem.code], [429, 'TOO_MANY_SIMULTANEOUS_QUERIES']);
  assert.equal(refused.headers['retry-after'], '1');
  abort.abort();
  await Promise.allSettled(held);
  await until(async () => !(await isRunning('held_')), 'both have ended');
  assert.equal((await api.ask({ sql: 'SELECT 1', format: 'TSV' })).text, '1\n');
});

test('query limits: a result that breaks off ends with a cut connection', async () => {
  const api = await start(fakeStorage(() => Readable.from((async function* () {
    yield Buffer.from('1\n'.repeat(10_000));
    throw new Error('the store is gone');
  })())));
  const ending = await new Promise<{ error: string; complete: boolean }>((resolve, reject) => {
    httpRequest(`${api.url}/api/query?sql=SELECT`, (answer) => {
      answer.resume().on('error', (error) =>
        resolve({ error: error.message, complete: answer.complete }));
      answer.on('end', () => reject(new Error('it looks whole')));
    }).end();
  });
  assert.deepEqual(ending, { error: 'aborted', complete: false });
  await until(() => api.counters.total('binnacle_queries_total', { result: 'broken' }) === 1,
    'it is counted');
  assert.match(api.log.lines.map(({ message }) => message).join('\n'),
    /^cannot finish the result of query [0-9a-f-]{36}: the store is gone$/);
});

test('query limits: a result that breaks before its first byte is 503', async () => {
  const broken = () => new Readable({
    read() {
      this.destroy(new Error('the store is gone'));
    },
  });
  const api = await start(fakeStorage(broken));
  const answer = await api.ask({ sql: 'SELECT 1' });
  const problem = problemIn(answer);
  assert.deepEqual([problem.status, problem.code], [503, 'STORE_UNAVAILABLE']);
  assert.equal(answer.headers['retry-after'], '1');
  assert.equal(api.counters.total('binnacle_queries_total', { result: 'unavailable' }), 1);
});

test('query limits: a bug of ours is 500 and logged, without its text in the answer', async () => {
  const storage = fakeStorage(() => Readable.from([]));
  const api = await start({ ...storage, query: async () => {
    throw new TypeError('secret detail');
  } });
  const answer = await api.ask({ sql: 'SELECT 1' });
  assert.deepEqual([answer.status, problemIn(answer).code], [500, 'INTERNAL']);
  assert.ok(!answer.text.includes('secret detail'));
  assert.match(String(api.log.lines[0]!.fields['cause']), /TypeError: secret detail/);
});
