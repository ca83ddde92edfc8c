// ClickHouse's HTTP interface as drivers speak it, on a real engine and real sockets: the official
// JavaScript client, curl, and requests written down here byte by byte as clickhouse-go, the Java
// client (JDBC, DBeaver) and clickhouse-connect (Python) send them, whose answers are decoded by a
// reader of this file: `Native`, `RowBinaryWithNamesAndTypes`, blocks of LZ4, gzip, sessions.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { createClient } from '@clickhouse/client';
import { Agent, request } from 'undici';
import { decodeBlocks, encodeBlock } from '../../../backend/drivers/blocks.ts';
import { createDriverServer, type DriverServer } from '../../../backend/drivers/server.ts';
import { createStoreGate } from '../../../backend/query/admission.ts';
import { createDesk } from '../../../backend/query/desk.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { formatEndpoint } from '../../../runtime/net.ts';
import { createWorld } from '../../../runtime/world.ts';
import { createRecordingLog } from '../../contract/fakes.ts';
import { LIMITS } from '../api/api_fixture.ts';
import { startEngine, type EngineFixture } from '../storage/engine_fixture.ts';
import { startStorage, type StorageFixture } from '../storage/clickhouse/storage_fixture.ts';

const DATABASE = 'drivers';
const TOKEN = 'the-right-token';
const dispatcher = new Agent();
let engine: EngineFixture;
let store: StorageFixture;
let server: DriverServer;
let url: string;

before(async () => {
  engine = await startEngine();
  store = await startStorage(engine.url, { database: DATABASE });
  await store.rows(`INSERT INTO otel_logs
    (Timestamp, ServiceName, SeverityNumber, Body, LogAttributes)
    SELECT toDateTime64('2026-01-02 10:00:00', 9, 'UTC') + number,
      if(number % 2 = 0, 'shop', 'pay'), 9,
      concat('line ', toString(number)), map('n', toString(number)) FROM numbers(1000)`);
  const world = createWorld();
  const shared = { world, counters: createCounters(), log: createRecordingLog() };
  server = createDriverServer({
    ...shared,
    endpoint: { host: '127.0.0.1', port: 0 },
    setting: 'sql',
    database: DATABASE,
    desk: createDesk({ ...shared, storage: store.storage, limits: LIMITS,
      gate: createStoreGate(store.storage, DATABASE) }),
    authenticate: (credentials, address) => (credentials?.token === TOKEN
      ? { name: 'grafana', role: 'analyst', address } : null),
  });
  await server.start();
  url = `http://${formatEndpoint(server.endpoint())}`;
});

after(async () => {
  await dispatcher.destroy();
  await server?.stop(AbortSignal.timeout(5000));
  await store?.stop();
  await engine?.stop();
});

interface Asked {
  readonly query?: Record<string, string>;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
  readonly method?: 'GET' | 'POST' | 'HEAD';
}

async function ask({ query = {}, headers = {}, body, method = 'POST' }: Asked) {
  const found = await request(`${url}/?${new URLSearchParams(query)}`, {
    dispatcher, method,
    headers: { 'x-clickhouse-user': 'me', 'x-clickhouse-key': TOKEN, ...headers },
    ...(body === undefined ? {} : { body }),
  });
  const bytes = Buffer.from(await found.body.arrayBuffer());
  return { status: found.statusCode, headers: found.headers as Record<string, string>, bytes,
    text: bytes.toString() };
}

const basic = (user: string, token: string) =>
  `Basic ${Buffer.from(`${user}:${token}`).toString('base64')}`;

test('drivers: @clickhouse/client asks, binds, streams, is told of errors', async () => {
  const client = createClient({
    url, username: 'anybody', password: TOKEN, database: DATABASE,
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  });
  try {
    assert.equal((await client.ping()).success, true);
    const found = await client.query({
      query: 'SELECT count() AS n FROM otel_logs WHERE ServiceName = {service:String}',
      query_params: { service: 'shop' }, format: 'JSONEachRow',
    });
    assert.deepEqual(await found.json(), [{ n: 500 }]);
    const stream = (await client.query({ query: 'SELECT Body FROM otel_logs',
      format: 'JSONCompactEachRow' })).stream();
    let rows = 0;
    for await (const part of stream) rows += part.length;
    assert.equal(rows, 1000);
    await assert.rejects(client.query({ query: 'SELECT nothing FROM otel_logs' }),
      { type: 'UNKNOWN_IDENTIFIER', code: '47' });
  } finally {
    await client.close();
  }
});

test('drivers: the JavaScript client with gzip and a session', async () => {
  const client = createClient({
    url, username: 'anybody', password: TOKEN, database: DATABASE, session_id: 'mine',
    compression: { response: true },
  });
  try {
    await client.command({ query: 'SET output_format_json_quote_64bit_integers = 0' });
    const found = await client.query({ query: 'SELECT toUInt64(7) AS n', format: 'JSONEachRow' });
    assert.deepEqual(await found.json(), [{ n: 7 }]);
  } finally {
    await client.close();
  }
});

test('drivers: curl, as the documentation of ClickHouse shows it', async (t) => {
  const curl = (...args: string[]) => promisify(execFile)('curl', ['-sS', ...args])
    .then(({ stdout }) => stdout);
  const has = await curl('--version').catch(() => null);
  if (has === null) return t.skip('curl is not installed');
  assert.equal(await curl(`${url}/ping`), 'Ok.\n');
  assert.equal(await curl(url), 'Ok.\n');
  assert.equal(await curl('-u', `me:${TOKEN}`, url, '--data-binary', 'SELECT 1'), '1\n');
  assert.equal(await curl(`${url}/?user=me&password=${TOKEN}&query=SELECT%202`), '2\n');
  assert.equal(await curl('-H', `X-ClickHouse-Key: ${TOKEN}`, '-H', 'X-ClickHouse-User: me', url,
    '-d', 'SELECT 3 FORMAT JSONCompactEachRow'), '[3]\n');
  assert.match(await curl('-u', 'me:wrong', url, '-d', 'SELECT 1'), /AUTHENTICATION_FAILED/);
});

/** A reader of the binary formats, for the types that the tests ask for. */
class Bytes {
  readonly bytes: Buffer;
  at: number;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.at = 0;
  }

  get isDone(): boolean {
    return this.at >= this.bytes.length;
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.bytes[this.at++]!;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  }

  text(): string {
    const length = this.varint();
    this.at += length;
    return this.bytes.toString('utf8', this.at - length, this.at);
  }

  value(type: string): unknown {
    if (type === 'String') return this.text();
    if (type === 'UInt8') return this.bytes[this.at++];
    this.at += type === 'UInt32' ? 4 : 8;
    if (type === 'UInt32') return this.bytes.readUInt32LE(this.at - 4);
    if (type === 'UInt64') return this.bytes.readBigUInt64LE(this.at - 8);
    throw new Error(`a type that this reader does not know: ${type}`);
  }

  /** `Native` of a revision: names and columns of all blocks. */
  native(revision: number): Record<string, unknown[]> {
    const found: Record<string, unknown[]> = {};
    while (!this.isDone) {
      if (revision > 0) {
        assert.deepEqual([...this.bytes.subarray(this.at, this.at + 8)],
          [1, 0, 2, 255, 255, 255, 255, 0]);
        this.at += 8;
      }
      const columns = this.varint();
      const rows = this.varint();
      for (let column = 0; column < columns; column += 1) {
        const name = this.text();
        const type = this.text();
        if (revision >= 54_454) assert.equal(this.bytes[this.at++], 0);
        const values = Array.from({ length: rows }, () => this.value(type));
        found[name] = [...found[name] ?? [], ...values];
      }
    }
    return found;
  }

  rowBinaryWithNamesAndTypes(): unknown[][] {
    const columns = this.varint();
    const names = Array.from({ length: columns }, () => this.text());
    const types = Array.from({ length: columns }, () => this.text());
    const rows: unknown[][] = [names];
    while (!this.isDone) rows.push(types.map((type) => this.value(type)));
    return rows;
  }
}

test('drivers: as clickhouse-go over HTTP: hello by its revision, then Native in blocks of LZ4',
  async () => {
    const revision = 54_460;
    const query = { database: DATABASE, default_format: 'Native', compress: '1',
      client_protocol_version: String(revision) };
    const headers = { 'x-clickhouse-user': '', 'x-clickhouse-key': '',
      authorization: basic('default', TOKEN) };
    const hello = await ask({ query, headers,
      body: 'SELECT displayName(), version(), revision(), timezone()' });
    assert.equal(hello.status, 200, hello.text);
    const said = new Bytes(decodeBlocks(hello.bytes)).native(revision);
    assert.deepEqual(said['displayName()'], ['Binnacle']);
    assert.match(String(said['version()']), /^\d+\.\d+\.\d+/);
    assert.match(String(said['timezone()']), /^[A-Z]/);
    const spoken = Number(said['revision()']);
    const found = await ask({ query: { ...query, param_service: 'pay', max_block_size: '100' },
      headers, body: `SELECT ServiceName::String AS service, toUInt64(SeverityNumber) AS level
        FROM otel_logs WHERE ServiceName = {service:String}` });
    assert.equal(found.status, 200, found.text);
    const { service, level } = new Bytes(decodeBlocks(found.bytes)).native(spoken);
    assert.deepEqual([service!.length, new Set(service), new Set(level)],
      [500, new Set(['pay']), new Set([9n])]);
    const failed = await ask({ query, headers, body: 'SELECT x FROM otel_logs' });
    assert.equal(failed.status, 404);
    assert.match(decodeBlocks(failed.bytes).toString(), /^Code: 47\. DB::Exception: .*UNKNOWN_ID/s);
  });

test('drivers: as the Java client: who am I, rows in RowBinaryWithNamesAndTypes in blocks of LZ4',
  async () => {
    const query = { compress: '1', database: DATABASE, session_timezone: 'Europe/Berlin' };
    const headers = { 'x-clickhouse-format': 'RowBinaryWithNamesAndTypes',
      'user-agent': 'jdbc-v2/0.9.4 clickhouse-java-v2/0.9.4' };
    const who = await ask({ query, headers,
      body: 'SELECT currentUser() AS user, timezone() AS timezone, version() AS version LIMIT 1' });
    assert.equal(who.status, 200, who.text);
    const [names, row] = new Bytes(decodeBlocks(who.bytes)).rowBinaryWithNamesAndTypes();
    assert.deepEqual(names, ['user', 'timezone', 'version']);
    assert.equal(row![1], 'Europe/Berlin');
    const found = await ask({ query, headers,
      body: `SELECT Body, toUInt64(LogAttributes['n']) FROM otel_logs
        ORDER BY Timestamp LIMIT 2` });
    assert.deepEqual(new Bytes(decodeBlocks(found.bytes)).rowBinaryWithNamesAndTypes().slice(1),
      [['line 0', 0n], ['line 1', 1n]]);
    assert.equal(found.headers['x-clickhouse-format'], 'RowBinaryWithNamesAndTypes');
    assert.equal(JSON.parse(found.headers['x-clickhouse-summary']!).result_rows, '2');
  });

test('drivers: as clickhouse-connect: session settings, gzip, a compressed statement', async () => {
  const query = { session_id: 'python-1', enable_http_compression: '1', database: DATABASE };
  const headers = { 'accept-encoding': 'gzip, deflate' };
  const set = await ask({ query, headers, body: 'SET session_timezone = \'Asia/Tokyo\'' });
  assert.equal(set.status, 200);
  const zone = async (session: string) => {
    const found = await ask({ query: { ...query, session_id: session },
      headers: { ...headers, 'content-encoding': 'gzip' },
      body: gzipSync('SELECT toString(toDateTime(0))') });
    assert.equal(found.headers['content-encoding'], 'gzip');
    return gunzipSync(found.bytes).toString().trim();
  };
  assert.equal(await zone('python-1'), '1970-01-01 09:00:00');
  assert.notEqual(await zone('python-2'), '1970-01-01 09:00:00');
});

test('drivers: a statement may come in blocks, and in URL and body together', async () => {
  const body = encodeBlock(Buffer.from('SELECT 5'));
  const blocks = await ask({ query: { decompress: '1' }, body });
  assert.equal(blocks.text, '5\n');
  const both = await ask({ query: { query: 'SELECT 6 +' }, body: '7' });
  assert.equal(both.text, '13\n');
  const broken = await ask({ query: { decompress: '1' }, body: 'SELECT 5' });
  assert.match(broken.text, /^Code: 271\. .*CANNOT_DECOMPRESS/);
});

test('drivers: what is refused says why, in the form that drivers read', async () => {
  const cases: readonly (readonly [Asked, number, number, RegExp])[] = [
    [{ headers: { 'x-clickhouse-key': 'wrong' }, body: 'SELECT 1' }, 403, 516, /token/],
    [{ query: { database: 'other' }, body: 'SELECT 1' }, 404, 81, /UNKNOWN_DATABASE/],
    [{ query: { query_id: 'a b' }, body: 'SELECT 1' }, 400, 36, /query_id/],
    [{ query: { session_id: 's', session_timeout: '99999' }, body: 'SELECT 1' }, 500, 491, /3600/],
    [{ headers: { origin: 'http://evil.example' }, body: 'SELECT 1' }, 403, 497, /Web pages/],
    [{ headers: { 'content-type': 'multipart/form-data; boundary=x' }, body: '--x--' }, 501, 48,
      /Tables in the request/],
    [{ body: 'INSERT INTO otel_logs (Body) VALUES (\'x\')' }, 0, 0, /./],
    [{ body: 'SET nonsense' }, 400, 62, /SET is followed/],
  ];
  for (const [asked, status, code, pattern] of cases) {
    const found = await ask(asked);
    const what = JSON.stringify(asked);
    assert.match(found.text, pattern, what);
    assert.match(found.text, /^Code: \d+\. DB::Exception: .+ \([A-Z_]+\) \(version [\d.]+\)\n$/s,
      what);
    assert.notEqual(found.status, 200, what);
    if (status > 0) assert.equal(found.status, status, what);
    if (code > 0) assert.equal(found.headers['x-clickhouse-exception-code'], String(code), what);
  }
  const [counted] = await store.rows<{ n: string }>('SELECT count() AS n FROM otel_logs');
  assert.equal(Number(counted!.n), 1000);
});
