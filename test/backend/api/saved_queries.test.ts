// Saved queries and the schema, on a real engine: save, list in pages, change, delete, whose they
// are; tables, columns and attributes for completion.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Role } from '../../../backend/access/roles.ts';
import { hashOf } from '../../../backend/access/token.ts';
import { startEngine, type EngineFixture } from '../storage/engine_fixture.ts';
import { startStorage, type StorageFixture } from '../storage/clickhouse/storage_fixture.ts';
import { problemIn, startApi, type ApiFixture } from './api_fixture.ts';

const token = (name: string, role: Role) =>
  ({ name, role, hash: hashOf(`bnc_${name}`).toString('hex'), expiresMs: null });

let engine: EngineFixture;
let store: StorageFixture;
let api: ApiFixture;

before(async () => {
  engine = await startEngine();
  store = await startStorage(engine.url, { database: 'api_saved' });
  api = await startApi(store.storage, { tokens: [
    token('ann', 'analyst'), token('bob', 'analyst'), token('op', 'operator'),
  ] });
});

after(async () => {
  await api?.stop();
  await store?.stop();
  await engine?.stop();
});

async function ask(name: string, method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string,
  body?: object) {
  const answer = await api.get(`/api/saved-queries${path}`, {
    method,
    headers: { authorization: `Bearer bnc_${name}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const found = answer.text === '' ? {} : JSON.parse(answer.text) as Record<string, unknown>;
  return { status: answer.status, found, answer };
}

test('saved queries: saved, seen by others, changed and deleted by whose it is', async () => {
  const sql = "SELECT {n:UInt8} AS n, 'ü'";
  const made = await ask('ann', 'POST', '', { name: 'One', sql, params: { n: 1 } });
  assert.equal(made.status, 201, made.answer.text);
  const { id, created, updated, ...rest } = made.found;
  assert.deepEqual(rest, { name: 'One', sql, description: '', params: { n: 1 }, format: null,
    owner: 'ann' });
  assert.equal(created, updated);
  assert.deepEqual((await ask('bob', 'GET', `/${id}`)).found, made.found);

  const change = { name: 'Two', sql: 'SELECT 2', format: 'CSV', description: 'why' };
  const refused = await ask('bob', 'PUT', `/${id}`, change);
  assert.deepEqual([refused.status, problemIn(refused.answer).code], [403, 'FORBIDDEN']);
  assert.equal((await ask('bob', 'DELETE', `/${id}`)).status, 403);
  assert.equal((await ask('ann', 'PUT', `/${id}`, change)).status, 200);
  const changed = (await ask('bob', 'GET', `/${id}`)).found;
  assert.deepEqual([changed['name'], changed['format'], changed['owner'], changed['created']],
    ['Two', 'CSV', 'ann', created]);
  assert.equal((await ask('op', 'DELETE', `/${id}`)).status, 200);
  assert.equal((await ask('ann', 'GET', `/${id}`)).status, 404);
  assert.equal((await ask('ann', 'PUT', `/${id}`, change)).status, 404);
  assert.deepEqual((await ask('ann', 'GET', '')).found, { items: [], next: null });
});

test('saved queries: a list in pages; what cannot be right is refused', async () => {
  for (let number = 0; number < 5; number++) {
    await ask('ann', 'POST', '', { name: `q${number}`, sql: 'SELECT 1' });
  }
  const names: string[] = [];
  let cursor = '';
  do {
    const { found } = await ask('bob', 'GET', `?limit=2${cursor}`);
    const { items, next } = found as { items: { name: string }[]; next: string | null };
    names.push(...items.map(({ name }) => name));
    cursor = next === null ? '' : `&cursor=${next}`;
  } while (cursor !== '');
  assert.deepEqual(names.sort(), ['q0', 'q1', 'q2', 'q3', 'q4']);
  for (const body of [{ name: 'x' }, { name: '', sql: 'SELECT 1' }, { name: 'x', sql: 1 },
    { name: 'x', sql: 'SELECT 1', owner: 'bob' }]) {
    assert.equal((await ask('ann', 'POST', '', body)).status, 400, JSON.stringify(body));
  }
});

test('schema: tables, columns, keys of attributes and their values', async () => {
  await store.rows(`INSERT INTO otel_logs
    (Timestamp, ServiceName, Body, LogAttributes, ResourceAttributes)
    SELECT now64(9), 'shop', 'x', map('code', if(number % 3 = 0, '500', '200'),
      'long', repeat('x', 300)), map('host.name', 'h1') FROM numbers(30)`);
  const answer = await api.get('/api/schema', { headers: { authorization: 'Bearer bnc_ann' } });
  assert.equal(answer.status, 200, answer.text);
  const { tables } = JSON.parse(answer.text) as { tables: { name: string;
    columns: { name: string; type: string }[];
    attributes: { column: string; key: string; rows: number; values: string[] }[] }[] };
  const names = tables.map(({ name }) => name);
  assert.ok(names.includes('otel_traces') && names.includes('otel_metrics_sum'), names.join());
  assert.deepEqual(names.filter((name) => name.startsWith('binnacle_')),
    ['binnacle_alert_history']);
  const logs = tables.find(({ name }) => name === 'otel_logs')!;
  assert.match(logs.columns.find(({ name }) => name === 'Timestamp')!.type, /^DateTime64/);
  const keys = logs.attributes.map(({ column, key, rows, values }) => [column, key, rows, values]);
  assert.deepEqual(keys.filter(([column]) => column !== 'ScopeAttributes'), [
    ['LogAttributes', 'code', 30, ['200', '500']],
    ['LogAttributes', 'long', 30, []],
    ['ResourceAttributes', 'host.name', 30, ['h1']],
  ]);
});
