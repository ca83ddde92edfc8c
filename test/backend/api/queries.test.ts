// Queries as things of their own, on a real engine with two analysts and an admin: listed while
// they run and after, ended by their id, noted with who asked and how it ended; nobody sees or ends
// those of others; and a query as a stream of events.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Role } from '../../../backend/access/roles.ts';
import { hashOf } from '../../../backend/access/token.ts';
import { createStoreGate } from '../../../backend/query/admission.ts';
import { until } from '../../contract/fakes.ts';
import { startEngine, type EngineFixture } from '../storage/engine_fixture.ts';
import { startStorage, type StorageFixture } from '../storage/clickhouse/storage_fixture.ts';
import { LIMITS, problemIn, startApi, type ApiFixture, type Asking } from './api_fixture.ts';

const DATABASE = 'api_queries';
const token = (name: string, role: Role) =>
  ({ name, role, hash: hashOf(`bnc_${name}`).toString('hex'), expiresMs: null });
const ENDLESS = 'SELECT sum(sipHash64(number)) FROM numbers(1000000000000)';

let engine: EngineFixture;
let store: StorageFixture;
let api: ApiFixture;

before(async () => {
  engine = await startEngine();
  store = await startStorage(engine.url, { database: DATABASE });
  api = await startApi(store.storage, {
    gate: createStoreGate(store.storage, DATABASE),
    limits: { ...LIMITS, executionMsMax: 30_000 },
    tokens: [token('ann', 'analyst'), token('bob', 'analyst'), token('root', 'admin')],
  });
});

after(async () => {
  await api?.stop();
  await store?.stop();
  await engine?.stop();
});

const as = (name: string, asking: Asking = {}): Asking =>
  ({ ...asking, headers: { authorization: `Bearer bnc_${name}`, ...asking.headers } });
const ask = (name: string, sql: string, asking: Asking = {}) =>
  api.get(`/api/query?format=TSV&sql=${encodeURIComponent(sql)}`, as(name, asking));

interface Item {
  readonly id: string;
  readonly state: string;
  readonly name: string;
  readonly sql: string;
  readonly ending: string | null;
  readonly error: string | null;
  readonly readRows: number;
  readonly resultRows: number;
}

async function list(name: string, query = ''): Promise<{ items: Item[]; next: string | null }> {
  const answer = await api.get(`/api/queries?${query}`, as(name));
  assert.equal(answer.status, 200, answer.text);
  return JSON.parse(answer.text) as { items: Item[]; next: string | null };
}

const running = async (name: string): Promise<Item | undefined> =>
  (await list(name)).items.find(({ state }) => state === 'running');

test('queries: one that runs is listed, and ended by its id', async () => {
  const asked = ask('ann', ENDLESS);
  await until(async () => (await running('ann')) !== undefined, 'it is listed');
  const { id } = (await running('ann'))!;
  assert.equal(await running('bob'), undefined);
  assert.equal((await running('root'))?.id, id);
  await until(async () => (await running('root'))!.readRows > 0, 'its progress is seen');

  const path = `/api/query/${id}`;
  assert.equal((await api.get(path, as('bob'))).status, 404);
  assert.equal((await api.get(path, as('bob', { method: 'DELETE' }))).status, 404);
  assert.equal((JSON.parse((await api.get(path, as('ann'))).text) as Item).state, 'running');
  assert.equal((await api.get(path, as('ann', { method: 'DELETE' }))).status, 200);
  const answer = await asked;
  assert.deepEqual([answer.status, problemIn(answer).code], [499, 'QUERY_WAS_CANCELLED']);
  const processes = () => store.rows(`SELECT 1 FROM system.processes
    WHERE position(query, 'sipHash' || '64') > 0`);
  await until(async () => (await processes()).length === 0, 'it has ended in the engine');
  const ended = JSON.parse((await api.get(path, as('ann'))).text) as Item;
  assert.deepEqual([ended.state, ended.ending], ['ended', 'cancelled']);
  assert.equal((await api.get(path, as('ann', { method: 'DELETE' }))).status, 200);
});

test('queries: an admin ends those of others', async () => {
  const asked = ask('bob', ENDLESS);
  await until(async () => (await running('root')) !== undefined, 'it is listed');
  const { id } = (await running('root'))!;
  const gone = await api.get(`/api/query/${id}`, as('root', { method: 'DELETE' }));
  assert.equal(gone.status, 200);
  assert.equal((await asked).status, 499);
});

test('queries: who asked what is noted, with its ending', async () => {
  await ask('bob', "SELECT 'bob was here' FROM numbers(7)");
  await ask('bob', "SELECT file('/etc/passwd')");
  await ask('bob', 'SELECT nothing');
  const { items } = await list('bob');
  const seen = items.slice(0, 3).map(({ name, sql, ending, error, resultRows }) =>
    [name, sql, ending, error, resultRows]);
  assert.deepEqual(seen, [
    ['bob', 'SELECT nothing', 'statement', 'UNKNOWN_IDENTIFIER', 0],
    ['bob', "SELECT file('/etc/passwd')", 'forbidden', 'FUNCTION_DENIED', 0],
    ['bob', "SELECT 'bob was here' FROM numbers(7)", 'ok', null, 7],
  ]);
  assert.ok(items.every(({ name }) => name === 'bob'));
  const rows = await store.rows<{ Name: string; Role: string; Address: string }>(
    `SELECT Name, Role, Address FROM binnacle_queries WHERE Statement LIKE '%bob was here%'
      AND Origin = 'sql'`);
  assert.deepEqual(rows, [{ Name: 'bob', Role: 'analyst', Address: '127.0.0.1' }]);
  const api2 = await list('root', 'origin=api&limit=1');
  assert.match(api2.items[0]!.sql, /binnacle_queries/);
});

test('queries: a list in pages, and one by its id after it was forgotten', async () => {
  for (let number = 0; number < 5; number++) await ask('ann', `SELECT ${number}`);
  await until(async () => (await running('root')) === undefined, 'nothing runs');
  const seen: string[] = [];
  let cursor = '';
  for (let page = 0; page < 20; page++) {
    const { items, next } = await list('ann', `limit=2${cursor}`);
    seen.push(...items.map(({ sql }) => sql));
    if (next === null) break;
    cursor = `&cursor=${next}`;
  }
  assert.deepEqual(seen, [4, 3, 2, 1, 0].map((number) => `SELECT ${number}`).concat(ENDLESS));
  const bad = await api.get('/api/queries?cursor=abc', as('ann'));
  assert.deepEqual([bad.status, problemIn(bad).code], [400, 'INVALID_REQUEST']);
  await store.storage.append({ table: 'binnacle_queries', abort: AbortSignal.timeout(5000), rows: [
    { Started: new Date(Date.now() - 86_400_000).toISOString(), QueryId: 'of-old',
      Name: 'ann', Statement: 'SELECT 9' },
  ] });
  const old = await api.get('/api/query/of-old', as('ann'));
  assert.equal((JSON.parse(old.text) as Item).sql, 'SELECT 9');
  assert.equal((await api.get('/api/query/of-old', as('bob'))).status, 404);
  assert.equal((await api.get('/api/query/none', as('root'))).status, 404);
});

async function eventsOf(sql: string): Promise<[name: string, data: unknown][]> {
  const answer = await ask('ann', sql, { headers: { accept: 'text/event-stream' } });
  assert.match(answer.headers['content-type']!, /^text\/event-stream/);
  return answer.text.trimEnd().split('\n\n').map((block) => {
    const [, name, data] = /^event: (\w+)\ndata: (.*)$/.exec(block)!;
    return [name!, JSON.parse(data!)];
  });
}

test('queries: as events', async () => {
  const some = await eventsOf("SELECT number AS n, 'a\\nb' AS t FROM numbers(3)");
  const shown = some.filter(([name]) => name !== 'progress');
  assert.deepEqual(shown.slice(0, 2), [
    ['columns', [{ name: 'n', type: 'UInt64' }, { name: 't', type: 'String' }]],
    ['rows', [[0, 'a\nb'], [1, 'a\nb'], [2, 'a\nb']]],
  ].map(([name, data]) => [name, data]));
  const [name, data] = shown[2]!;
  assert.deepEqual([name, (data as { rows: number }).rows, shown.length], ['end', 3, 3]);

  const slow = await eventsOf(`SELECT count() FROM numbers(200000000)
    WHERE sipHash64(number) = 1`);
  const progress = slow.filter(([one]) => one === 'progress')
    .map(([, one]) => (one as { rows: number }).rows);
  assert.ok(progress.length >= 2, JSON.stringify(slow));
  assert.ok(progress.at(-1)! > 0, JSON.stringify(slow));
});

test('queries: errors are events, too', async () => {
  const check = async (sql: string, code: string) => {
    const [name, data] = (await eventsOf(sql)).at(-1)!;
    const { error } = data as { error: { code: string; status: number; hint: string } };
    assert.deepEqual([name, error.code], ['error', code]);
    assert.ok(error.status >= 400 && error.hint !== '');
  };
  await check('SELECT nothing', 'UNKNOWN_IDENTIFIER');
  await check("SELECT file('x')", 'FUNCTION_DENIED');
  await check('SELECT 1 FORMAT CSV', 'INVALID_REQUEST');
});
