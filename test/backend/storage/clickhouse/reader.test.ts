// Queries answer in ClickHouse's formats as bytes, failures carry ClickHouse's code and text and
// say whose matter they are, and an asker who goes away takes the query along. On a real engine.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { createClickHouseStorage } from '../../../../backend/storage/clickhouse/storage.ts';
import { QueryError } from '../../../../backend/storage/contract.ts';
import type { QueryErrorKind, QueryRequest } from '../../../../backend/storage/contract.ts';
import { startEngine } from '../engine_fixture.ts';
import type { EngineFixture } from '../engine_fixture.ts';
import { NEVER, queryText, startStorage, storageOptions } from './storage_fixture.ts';
import type { StorageFixture } from './storage_fixture.ts';

let engine: EngineFixture;
let fixture: StorageFixture;
before(async () => {
  engine = await startEngine();
  fixture = await startStorage(engine.url, { database: 'reader' });
});
after(async () => {
  await fixture.stop();
  await engine.stop();
});

const ask = (sql: string, more: Partial<QueryRequest> = {}) =>
  fixture.storage.query({ sql, format: 'JSON', abort: NEVER, ...more });

async function textOf(sql: string, more: Partial<QueryRequest> = {}): Promise<string> {
  const { body } = await ask(sql, more);
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

async function failureOf(promise: Promise<unknown>): Promise<QueryError> {
  const error = await promise.then(() => null, (reason: unknown) => reason);
  assert.ok(error instanceof QueryError, String(error));
  return error;
}

test('reader: the asked format, or that of the statement', async () => {
  const answer = await ask('SELECT 1 AS one', { format: 'CSVWithNames', queryId: 'reader-1' });
  assert.match(answer.contentType, /^text\/csv/);
  assert.equal(answer.format, 'CSVWithNames');
  assert.equal(answer.queryId, 'reader-1');
  answer.body.resume();
  assert.equal(await textOf('SELECT 1 AS one', { format: 'CSVWithNames' }), '"one"\n1\n');
  assert.equal(await textOf('SELECT 1 AS one FORMAT TSV'), '1\n');
  assert.equal(await textOf('SELECT 2;', { format: 'TSV' }), '2\n');
});

test('reader: parameters and settings reach this statement and no other', async () => {
  const params = { text: "it's", list: [1, 2], number: 5 };
  const sql = 'SELECT {text:String}, {list:Array(UInt8)}, {number:UInt64}';
  assert.equal(await textOf(sql, { params, format: 'TSV' }), "it\\'s\t[1,2]\t5\n");
  const settings = { max_result_rows: 3, result_overflow_mode: 'throw' };
  const limited = await failureOf(textOf('SELECT number FROM numbers(10)', { settings }));
  assert.equal(limited.kind, 'limit');
  assert.equal((await textOf('SELECT number FROM numbers(10)', { format: 'TSV' })).length, 20);
});

test('reader: failures carry code and name, and whose matter they are', async () => {
  const check = async (sql: string, code: number, name: string, kind: QueryErrorKind) => {
    const error = await failureOf(textOf(sql, { settings: { readonly: 1 } }));
    assert.deepEqual([error.code, error.name, error.kind], [code, name, kind]);
    assert.ok(error.message.length > 10);
  };
  await check('SELEC 1', 62, 'SYNTAX_ERROR', 'statement');
  await check('SELECT nothing', 47, 'UNKNOWN_IDENTIFIER', 'statement');
  await check('SELECT * FROM nowhere', 60, 'UNKNOWN_TABLE', 'statement');
  await check('DROP TABLE otel_logs', 164, 'READONLY', 'forbidden');
  const slow = textOf('SELECT sum(sipHash64(number)) FROM numbers(1e12)', {
    settings: { max_execution_time: 1 },
  });
  const { code, kind } = await failureOf(slow);
  assert.deepEqual([code, kind], [159, 'limit']);
});

test('reader: an asker who goes away ends the query in the store', async () => {
  const abort = new AbortController();
  const running = async () => (await fixture.rows(`SELECT 1 FROM system.processes
    WHERE query LIKE '%sleepEachRow%' AND query NOT LIKE '%processes%'`)).length > 0;
  const sql = 'SELECT sleepEachRow(0.5) FROM numbers(600) SETTINGS max_block_size = 1';
  const failure = failureOf(ask(sql, { abort: abort.signal, format: 'TSV' }));
  while (!(await running())) await new Promise((resolve) => setTimeout(resolve, 20));
  abort.abort();
  assert.equal((await failure).kind, 'cancelled');
  while (await running()) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal((await failureOf(ask('SELECT 1', { abort: abort.signal }))).kind, 'cancelled');
});

test('reader: a large result comes as it is made, and may be left half read', async () => {
  const { body } = await ask('SELECT number FROM numbers(20000000)', { format: 'TSV' });
  let bytes = 0;
  for await (const chunk of body) {
    bytes += (chunk as Buffer).length;
    if (bytes > 1_000_000) break;
  }
  body.destroy();
  assert.equal(await queryText(fixture.storage, 'SELECT 1', 'TSV'), '1\n');
});

test('reader: a store that is away is unavailable, and start waits for it', async () => {
  const server = createServer((_, response) => response.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const storage = createClickHouseStorage(storageOptions(url, {}));
  const health = await storage.ping();
  assert.deepEqual(health, { up: false, reason: 'the connection was cut' });
  const error = await failureOf(storage.query({ sql: 'SELECT 1', format: 'TSV', abort: NEVER }));
  assert.deepEqual([error.code, error.kind], [0, 'unavailable']);
  const started = storage.start();
  await storage.stop(AbortSignal.timeout(1000));
  await started;
  await new Promise((resolve) => server.close(resolve));
});

test('reader: a sign of life has version and latency', async () => {
  const health = await fixture.storage.ping();
  assert.ok(health.up);
  assert.match(health.version, /^\d+\.\d+/);
  assert.ok(health.latencyMs > 0);
});

test('reader: texts of others are asked by the user for them', async () => {
  const users: unknown[] = [];
  const server = createServer((request, response) => {
    const login = request.headers.authorization?.split(' ')[1] ?? '';
    users.push(Buffer.from(login, 'base64').toString());
    response.end('1\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const options = storageOptions(url, { username: 'writer', password: 'w' });
  const asked = { sql: 'SELECT 1', format: 'JSON', abort: NEVER };
  for (const reader of [undefined, { username: 'reader', password: 'r' }]) {
    const storage = createClickHouseStorage({ ...options, reader });
    for (const foreign of [false, true]) {
      const { body } = await storage.query({ ...asked, foreign });
      body.resume();
    }
    await storage.stop(AbortSignal.timeout(1000));
  }
  server.close();
  assert.deepEqual(users, ['writer:w', 'writer:w', 'writer:w', 'reader:r']);
});
