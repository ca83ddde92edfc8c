// The desk on a real engine: rows of our own statements as objects, their bounds, and that all
// questions share one number of places, whichever way they come in.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { text } from 'node:stream/consumers';
import { createDesk, type Desk } from '../../../backend/query/desk.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { createWorld } from '../../../runtime/world.ts';
import { createRecordingLog, until } from '../../contract/fakes.ts';
import { startEngine, type EngineFixture } from '../storage/engine_fixture.ts';
import { NEVER, startStorage, type StorageFixture } from '../storage/clickhouse/storage_fixture.ts';
import { SOMEBODY, WIDE } from './desk_fixture.ts';

let engine: EngineFixture;
let store: StorageFixture;

before(async () => {
  engine = await startEngine();
  store = await startStorage(engine.url, { database: 'desk' });
});

after(async () => {
  await store?.stop();
  await engine?.stop();
});

function deskWith(changes: Partial<typeof WIDE>) {
  const counters = createCounters();
  const desk: Desk = createDesk({ storage: store.storage, gate: null,
    limits: { ...WIDE, ...changes }, world: createWorld(), counters, log: createRecordingLog() });
  const ended = (result: string) => counters.total('binnacle_queries_total', { result });
  return { desk, counters, ended };
}

const ENDLESS = 'SELECT sum(sipHash64(number)) FROM numbers(1000000000000)';
const asked = (sql: string) => ({ sql, format: 'TSV', params: {} });

test('desk: rows are objects, parameters are bound, 64-bit integers are numbers', async () => {
  const { desk, ended } = deskWith({});
  const rows = await desk.rows<{ n: number; t: string }>({
    sql: 'SELECT toUInt64(number) AS n, {t:String} AS t FROM numbers({most:UInt8})',
    params: { t: "it's\n", most: 2 },
  }, SOMEBODY, NEVER);
  assert.deepEqual(rows, [{ n: 0, t: "it's\n" }, { n: 1, t: "it's\n" }]);
  assert.deepEqual(await desk.rows({ sql: 'SELECT 1 WHERE 0' }, SOMEBODY, NEVER), []);
  assert.equal(ended('ok'), 2);
});

test('desk: rows have bounds, and only read', async () => {
  const { desk, ended } = deskWith({ resultRowsMax: 10 });
  const check = (sql: string, name: string, more: object = {}) =>
    assert.rejects(desk.rows({ sql, ...more }, SOMEBODY, NEVER), { name });
  await check('SELECT * FROM numbers(11)', 'TOO_MANY_ROWS_OR_BYTES');
  await check('SELECT * FROM numbers(6)', 'TOO_MANY_ROWS_OR_BYTES', { rowsMax: 5 });
  assert.equal((await desk.rows({ sql: 'SELECT * FROM numbers(20)', rowsMax: 20 }, SOMEBODY,
    NEVER)).length, 20);
  await check("SELECT repeat('x', 1000000) FROM numbers(200)", 'TOO_MANY_ROWS_OR_BYTES',
    { rowsMax: 1000 });
  await check('TRUNCATE TABLE otel_logs', 'READONLY');
  await check('SELECT nothing', 'UNKNOWN_IDENTIFIER');
  await until(() => ended('limit') === 2, 'they are counted');
  assert.deepEqual([ended('forbidden'), ended('statement')], [1, 1]);
});

test('desk: one number of places for all', async () => {
  const { desk, counters, ended } = deskWith({ concurrentMax: 1 });
  const abort = new AbortController();
  const held = desk.rows({ sql: ENDLESS }, SOMEBODY, abort.signal);
  held.catch(() => {});
  await assert.rejects(desk.open(asked('SELECT 1'), SOMEBODY, NEVER),
    { name: 'TOO_MANY_SIMULTANEOUS_QUERIES' });
  abort.abort();
  await assert.rejects(held, { name: 'QUERY_WAS_CANCELLED' });
  const open = await desk.open(asked('SELECT 1'), SOMEBODY, NEVER);
  await assert.rejects(desk.rows({ sql: 'SELECT 1' }, SOMEBODY, NEVER),
    { name: 'TOO_MANY_SIMULTANEOUS_QUERIES' });
  assert.equal(await text(open.body), '1\n');
  assert.equal((await desk.rows({ sql: 'SELECT 1' }, SOMEBODY, NEVER)).length, 1);
  assert.deepEqual([ended('ok'), ended('abandoned'), ended('refused')], [2, 1, 2]);
  assert.equal(counters.total('binnacle_queries_running'), 0);
});

test('desk: enough is enough', async () => {
  const { desk, counters, ended } = deskWith({ concurrentMax: 1 });
  const open = await desk.open(asked('SELECT * FROM numbers(9000000)'), SOMEBODY, NEVER);
  open.enough();
  assert.equal(counters.total('binnacle_queries_running'), 0);
  assert.deepEqual([ended('ok'), open.body.destroyed], [1, true]);
});
