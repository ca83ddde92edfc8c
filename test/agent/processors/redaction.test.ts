// The redaction processor: each key of its configuration, as the Collector documents it; that what
// does not change is handed on untouched; the contract of processors.

import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { test } from 'node:test';
import { redactionProcessor } from '../../../agent/processors/redaction/processor.ts';
import {
  cleanJson, cleanMemcached, cleanRedis, cleanSql, cleanUrl,
} from '../../../agent/processors/redaction/statements.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import type { AnyValue, Attributes, LogRecord, Span } from '../../../proto/otlp/model.ts';
import { checkConsumer } from '../../contract/check_consumer.ts';
import { createSink, makeBatch, NEVER, testContext } from '../../contract/fakes.ts';

checkConsumer({
  name: 'redaction',
  create: (next, context) => ({
    consumer: redactionProcessor.create(
      redactionProcessor.schema.parse({ allow_all_keys: true, summary: 'info' }), context, next),
  }),
});

type Plain = string | number | bigint | boolean | Plain[] | { [key: string]: Plain };

function valueOf(value: Plain): AnyValue {
  if (typeof value === 'string') return { type: 'string', value };
  if (typeof value === 'boolean') return { type: 'bool', value };
  if (typeof value === 'bigint') return { type: 'int', value };
  if (typeof value === 'number') return { type: 'double', value };
  if (Array.isArray(value)) return { type: 'array', value: value.map(valueOf) };
  return { type: 'kvlist', value: listOf(value) };
}

const listOf = (values: Record<string, Plain>): Attributes =>
  Object.entries(values).map(([key, value]) => ({ key, value: valueOf(value) }));

function plainOf(value: AnyValue | undefined): unknown {
  if (value?.type === 'array') return value.value.map(plainOf);
  return value?.type === 'kvlist' ? objectOf(value.value) : value?.value;
}

const objectOf = (list: Attributes) =>
  Object.fromEntries(list.map(({ key, value }) => [key, plainOf(value)]));

async function consumed<B extends Batch>(settings: object, batch: B): Promise<B> {
  const sink = createSink();
  const config = redactionProcessor.schema.parse(settings);
  await redactionProcessor.create(config, testContext(), sink).consume(batch, NEVER);
  return sink.received[0] as B;
}

async function redacted(settings: object, values: Record<string, Plain>) {
  const { attributes } = await log(settings, { attributes: listOf(values) });
  return objectOf(attributes);
}

async function log(settings: object, changes: Partial<LogRecord>): Promise<LogRecord> {
  const { request } = makeBatch('logs', 1);
  const [group] = request.resourceLogs;
  const [scope] = group!.scopeLogs;
  const logRecords = [{ ...scope!.logRecords[0]!, ...changes }];
  const batch = Batch.fromRequest('logs',
    { resourceLogs: [{ ...group!, scopeLogs: [{ ...scope!, logRecords }] }] });
  const out = await consumed(settings, batch);
  return out.request.resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!;
}

async function span(settings: object, changes: Partial<Span>): Promise<Span> {
  const { request } = makeBatch('traces', 1);
  const [group] = request.resourceSpans;
  const [scope] = group!.scopeSpans;
  const spans = [{ ...scope!.spans[0]!, ...changes }];
  const batch = Batch.fromRequest('traces',
    { resourceSpans: [{ ...group!, scopeSpans: [{ ...scope!, spans }] }] });
  const out = await consumed(settings, batch);
  return out.request.resourceSpans[0]!.scopeSpans[0]!.spans[0]!;
}

test('redaction: allowed_keys fails closed', async () => {
  const values = { a: 'x', b: 'y' };
  assert.deepEqual(await redacted({}, values), {});
  assert.deepEqual(await redacted({ allowed_keys: ['a'] }, values), { a: 'x' });
  assert.deepEqual(await redacted({ allow_all_keys: true }, values), values);
  assert.deepEqual(await redacted({ ignored_keys: ['b'] }, values), { b: 'y' });
  assert.deepEqual(await redacted({ ignored_key_patterns: ['^b'] }, values), { b: 'y' });
});

test('redaction: resources, scopes, events and data points are looked at, too', async () => {
  const resource = { 'service.name': 'shop' };
  for (const signal of ['logs', 'traces', 'metrics'] as const) {
    const out = await consumed({}, makeBatch(signal, 2, { resource }));
    assert.doesNotMatch(Buffer.from(out.bytes).toString('latin1'), /shop|test\.attribute/);
    assert.equal(out.itemCount, 2);
  }
  const { events } = await span({ allowed_keys: ['a'] }, { events: [{
    name: 'e', timeUnixNano: 1n, droppedAttributesCount: 0, attributes: listOf({ a: 'x', b: 'y' }),
  }] });
  assert.deepEqual(objectOf(events[0]!.attributes), { a: 'x' });
});

test('redaction: what does not change is handed on as it came', async () => {
  const batch = makeBatch('logs', 3);
  assert.equal(await consumed({ allow_all_keys: true, blocked_values: ['secret'] }, batch), batch);
});

test('redaction: blocked and allowed values', async () => {
  const settings = {
    allow_all_keys: true, blocked_values: ['4[0-9]{12}(?:[0-9]{3})?', 'mycompany'],
    allowed_values: ['^ok .+@mycompany.com$'], blocked_key_patterns: ['.*token.*'],
  };
  assert.deepEqual(
    await redacted(settings, { notes: 'card 4111111111111111!', from: 'ok a@mycompany.com',
      to: 'a@mycompany.com', 'auth.token': 'abc', n: 4111111111111111n }),
    { notes: 'card ****!', from: 'ok a@mycompany.com', to: 'a@****.com', 'auth.token': '****',
      n: 4111111111111111n });
});

test('redaction: redact_all_types looks at what is no text', async () => {
  const settings = { allow_all_keys: true, redact_all_types: true, blocked_values: ['4\\d{15}'] };
  const values = { n: 4111111111111111n, list: ['4111111111111111', 7n], b: true };
  assert.deepEqual(await redacted(settings, values), { n: '****', list: '["****",7]', b: true });
});

test('redaction: hash functions', async () => {
  const check = async (name: string, want: string, key?: string) => assert.deepEqual(
    await redacted({ allow_all_keys: true, blocked_values: ['se\\w+'], hash_function: name,
      ...key === undefined ? {} : { hmac_key: key } }, { a: 'my secret' }), { a: `my ${want}` });
  const hash = (name: string) => createHash(name).update('secret').digest('hex');
  await check('', '****');
  await check('md5', hash('md5'));
  await check('sha1', hash('sha1'));
  await check('sha3', hash('sha3-256'));
  const key = 'k'.repeat(64);
  const hmac = (name: string) => createHmac(name, key).update('secret').digest('hex');
  await check('hmac-sha256', hmac('sha256'), key);
  await check('hmac-sha512', hmac('sha512'), key);
  const short = { hash_function: 'hmac-sha512', hmac_key: 'k'.repeat(63) };
  assert.ok(!redactionProcessor.schema.safeParse(short).success);
});

test('redaction: the summary', async () => {
  const settings = {
    allowed_keys: ['a', 'b', 'c', 'd'], ignored_keys: ['i'], blocked_values: ['bad'],
    allowed_values: ['fine'],
  };
  const values = { a: 'bad', b: 'fine bad', c: 'bad', x: 'gone', i: 'bad' };
  const rest = { a: '****', b: 'fine bad', c: '****', i: 'bad' };
  assert.deepEqual(await redacted(settings, values), rest);
  const counts = { 'redaction.redacted.count': 1n, 'redaction.masked.count': 2n,
    'redaction.allowed.count': 1n, 'redaction.ignored.count': 1n };
  const counted = await redacted({ ...settings, summary: 'info' }, values);
  assert.deepEqual(counted, { ...rest, ...counts });
  const twice = await redacted({ ...settings, summary: 'debug' },
    { ...values, 'redaction.masked.keys': 'd', 'redaction.masked.count': 1n });
  assert.deepEqual(twice, { ...rest, ...counts, 'redaction.redacted.keys': 'x',
    'redaction.masked.keys': 'a,c,d', 'redaction.masked.count': 3n,
    'redaction.allowed.keys': 'b' });
});

test('redaction: bodies of log records', async () => {
  const settings = { allowed_keys: ['user', 'card', 'token', 'list'], blocked_values: ['4\\d{15}'],
    blocked_key_patterns: ['token'], summary: 'debug' };
  const plain = await log(settings, { attributes: [], body: valueOf('pay 4111111111111111') });
  assert.equal(plain.body!.value, 'pay ****');
  assert.deepEqual(objectOf(plain.attributes),
    { 'redaction.body.masked.keys': 'body', 'redaction.body.masked.count': 1n });
  const map = await log(settings, { attributes: [], body: valueOf({
    user: { card: '4111111111111111', other: 'x' }, token: 'abc', list: ['4111111111111111', 'y'],
  }) });
  assert.deepEqual(plainOf(map.body),
    { user: { card: '****' }, token: '****', list: ['****', 'y'] });
  assert.deepEqual(objectOf(map.attributes), {
    'redaction.body.redacted.keys': 'user.other', 'redaction.body.redacted.count': 1n,
    'redaction.body.masked.keys': 'list.[0],token,user.card', 'redaction.body.masked.count': 3n,
  });
});

test('redaction: a value too long for patterns is masked whole', async () => {
  const settings = { allow_all_keys: true, blocked_values: ['bad'] };
  assert.deepEqual(await redacted(settings, { a: 'x'.repeat(70_000) }), { a: '****' });
});

test('redaction: url_sanitizer', async () => {
  const check = (url: string, want: string) => assert.equal(cleanUrl(url), want);
  check('/api/users/123e4567-e89b-12d3-a456-426614174000', '/api/users/*');
  check('/api/users/12345', '/api/users/*');
  check('/api/users/123/posts/456', '/api/users/*/posts/*');
  check('/api/users', '/api/users');
  check('/api/users?id=123&name=john', '/api/users');
  check('', '');
  check('https://a.example:8080/v2/orders/a1b2c3#top', 'https://a.example:8080/v2/orders/*');
  check('GET /a/17', 'GET /a/*');
  const settings = { allow_all_keys: true,
    url_sanitizer: { enabled: true, attributes: ['http.url'] } };
  assert.deepEqual(await redacted(settings, { 'http.url': '/a/1', other: '/a/1' }),
    { 'http.url': '/a/*', other: '/a/1' });
  assert.equal((await span(settings, { name: 'GET /a/17', kind: 2 })).name, 'GET /a/*');
  assert.equal((await span(settings, { name: 'GET /a/17', kind: 1 })).name, 'GET /a/17');
  assert.equal((await log(settings, { body: valueOf('no url 17') })).body!.value, 'no url 17');
});

test('redaction: db_sanitizer', async () => {
  const check = (got: string, want: string) => assert.equal(got, want);
  check(cleanSql('SELECT * FROM users WHERE id = 123'), 'SELECT * FROM users WHERE id = ?');
  check(cleanSql("SELECT a1 FROM t2 WHERE x = 'it''s' AND \"q'1\" IN (1.5e3, -2, null)"),
    'SELECT a1 FROM t2 WHERE x = ? AND "q\'1" IN (?, ?, ?)');
  check(cleanSql('SELECT $a$ secret $a$, `b1`'), 'SELECT ?, `b1`');
  check(cleanRedis('SET user:123 john'), 'SET user:123 ?');
  check(cleanRedis('AUTH secret'), 'AUTH ?');
  check(cleanMemcached('set mykey 0 60 5\r\nsecret\r\n'), 'set mykey 0 60 5');
  check(cleanJson('{"find":"users","n":[1,{"a":null}]}'), '{"find":"?","n":["?",{"a":"?"}]}');
  check(cleanJson('{broken'), '?');
  const settings = { allow_all_keys: true, db_sanitizer: {
    sql: { enabled: true, attributes: ['db.statement'] },
    redis: { enabled: true, attributes: ['db.statement'] },
  } };
  const statement = 'SELECT 1';
  const values = { 'db.statement': statement, 'db.system': 'mysql' };
  assert.deepEqual(await redacted(settings, values), { ...values, 'db.statement': 'SELECT ?' });
  assert.deepEqual(await redacted(settings, { 'db.statement': statement }),
    { 'db.statement': statement });
  const redis = { 'db.statement': 'SET user:1 x', 'db.system.name': 'Redis' };
  assert.deepEqual(await redacted(settings, redis),
    { 'db.statement': 'SET user:1 ?', 'db.system.name': 'Redis' });
  const named = await span(settings, { name: statement, kind: 3,
    attributes: listOf({ 'db.system': 'postgresql' }) });
  assert.equal(named.name, 'SELECT ?');
  assert.equal((await log(settings, { body: valueOf("select 'x'") })).body!.value, 'select ?');
  assert.equal((await log(settings, { body: valueOf('took 17 ms') })).body!.value, 'took 17 ms');
});

test('redaction: each database has its own statements, when it is named', async () => {
  const statements = {
    valkey: ['valkey', 'SET user:1 secret', 'SET user:1 ?'],
    memcached: ['memcached', 'set user:1 0 60 6\r\nsecret\r\n', 'set user:1 0 60 6'],
    mongo: ['mongodb', '{"find":"secret"}', '{"find":"?"}'],
    opensearch: ['opensearch', '{"match":{"name":"secret"}}', '{"match":{"name":"?"}}'],
    es: ['elasticsearch', '{"match":["secret",7]}', '{"match":["?","?"]}'],
  } as const;
  for (const [name, [system, statement, clean]] of Object.entries(statements)) {
    const database = { enabled: true, attributes: ['db.query.text'] };
    const settings = { allow_all_keys: true, db_sanitizer: { [name]: database } };
    const check = async (of: string, want: string) => {
      const values = { 'db.query.text': statement, 'db.system.name': of, other: statement };
      assert.deepEqual(await redacted(settings, values), { ...values, 'db.query.text': want });
    };
    await check(system, clean);
    await check('another', statement);
    assert.equal((await log(settings, { body: valueOf(statement) })).body!.value, clean, name);
    const named = await span(settings, { name: statement, kind: 3,
      attributes: listOf({ 'db.system.name': system }) });
    assert.equal(named.name, clean, name);
    const off = { allow_all_keys: true, db_sanitizer: { [name]: { ...database, enabled: false } } };
    assert.equal((await log(off, { body: valueOf(statement) })).body!.value, statement, name);
  }
});

test('redaction: without a name of the database, only when that is allowed', async () => {
  const redis = { enabled: true, attributes: ['db.statement'] };
  const check = async (allowed: boolean, want: string) => {
    const settings = { allow_all_keys: true,
      db_sanitizer: { redis, allow_fallback_without_system: allowed } };
    assert.deepEqual(await redacted(settings, { 'db.statement': 'SET user:1 x' }),
      { 'db.statement': want });
  };
  await check(true, 'SET user:1 ?');
  await check(false, 'SET user:1 x');
});

test('redaction: names of spans are left alone when that is asked for', async () => {
  const attributes = listOf({ 'db.system': 'mysql', 'http.method': 'GET' });
  const check = async (settings: object, name: string, want: string) => {
    const all = { allow_all_keys: true, ...settings };
    assert.equal((await span(all, { name, kind: 3, attributes })).name, want);
  };
  const sql = { enabled: true };
  await check({ url_sanitizer: { enabled: true } }, 'GET /a/17', 'GET /a/*');
  await check({ url_sanitizer: { enabled: true, sanitize_span_name: false } },
    'GET /a/17', 'GET /a/17');
  await check({ db_sanitizer: { sql } }, 'SELECT 17', 'SELECT ?');
  await check({ db_sanitizer: { sql, sanitize_span_name: false } }, 'SELECT 17', 'SELECT 17');
});
