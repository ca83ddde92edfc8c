// Analysts and senders share an engine, for real: what is sent is committed while every place for
// queries is taken, and while queries fail for lack of memory; a query that needs too much fails
// alone; one that finds no place waits, and is told so when that takes too long.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Batch } from '../../../proto/contract/batch.ts';
import { until } from '../../contract/fakes.ts';
import { seededRandom } from '../../proto/generate.ts';
import { generateServiceSpans } from '../../bench/data.ts';
import { limits as sessionLimits } from '../../../backend/storage/engine/sessions.ts';
import { NEVER, startStorage, type StorageFixture }
  from '../storage/clickhouse/storage_fixture.ts';
import { startEngine, type EngineFixture } from '../storage/engine_fixture.ts';
import { LIMITS, problemIn, startApi, type ApiFixture } from './api_fixture.ts';

const MIB = 1024 * 1024;
const ENDLESS = 'SELECT sum(sipHash64(number)) FROM numbers(1000000000000)';
/** Needs about 16 bytes for each number, and cannot do with less. */
const hungry = (mib: number) => `SELECT length(groupArray(number)) FROM numbers(${mib * MIB / 8})`;

let engine: EngineFixture;
let store: StorageFixture;
const open: ApiFixture[] = [];

before(async () => {
  engine = await startEngine();
  store = await startStorage(engine.url, { database: 'api_isolation' });
});

after(async () => {
  for (const api of open) await api.stop();
  await store?.stop();
  await engine?.stop();
});

async function start(limits: object): Promise<ApiFixture> {
  const api = await startApi(store.storage, { limits: { ...LIMITS, ...limits } });
  open.push(api);
  return api;
}

async function send(count: number): Promise<void> {
  const request = generateServiceSpans(seededRandom(count), count, Date.now());
  const outcome = await store.storage.writer.consume(Batch.fromRequest('traces', request), NEVER);
  assert.deepEqual(outcome, { status: 'accepted', rejected: 0 });
}

test('isolation: inserts have places in the engine that queries cannot take', async () => {
  const api = await start({ concurrentMax: 40, threadsMax: 1 });
  const over = new AbortController();
  const asked = Array.from({ length: 20 }, () =>
    api.ask({ sql: ENDLESS }, { signal: over.signal }).catch(() => null));
  await until(() => api.counters.total('binnacle_queries_running') === 20, 'all are under way');
  assert.ok(sessionLimits.readersMax < 20 && sessionLimits.runningMax < 20);
  for (let request = 1; request <= 10; request++) await send(request);
  assert.equal((await store.storage.ping()).up, true);
  over.abort();
  await Promise.all(asked);
  const [row] = await store.rows<{ n: string }>('SELECT count() AS n FROM otel_traces');
  assert.equal(Number(row!.n), 55);
});

test('isolation: queries together stay within their memory, and fail alone', async () => {
  const api = await start({ concurrentMax: 4, threadsMax: 1, memoryPoolBytes: 256 * MIB });
  const alone = await api.ask({ sql: hungry(32), format: 'TSV' });
  assert.equal(alone.status, 200, alone.text);
  const asked = Array.from({ length: 4 }, () => api.ask({ sql: hungry(400), format: 'TSV' }));
  const sent = Array.from({ length: 10 }, (_, index) => send(index + 1));
  for (const answer of await Promise.all(asked)) {
    const { status, code, message, hint } = problemIn(answer);
    assert.deepEqual([status, code], [422, 'MEMORY_LIMIT_EXCEEDED']);
    assert.match(message, /[Qq]uery memory limit exceeded|memory limit exceeded/);
    assert.doesNotMatch(message, /\(total\)/);
    assert.match(hint!, /when fewer queries run/);
  }
  await Promise.all(sent);
});

test('isolation: a query waits for its turn, and is told when that takes too long', async () => {
  const api = await start({ concurrentMax: 1, waitingMax: 1, waitMs: 400 });
  const over = new AbortController();
  const endless = api.ask({ sql: ENDLESS }, { signal: over.signal }).catch(() => null);
  await until(() => api.counters.total('binnacle_queries_running') === 1, 'one runs');
  const waits = api.ask({ sql: 'SELECT 1', format: 'TSV' });
  await until(() => api.counters.total('binnacle_queries_waiting') === 1, 'one waits');
  const full = problemIn(await api.ask({ sql: 'SELECT 1' }));
  assert.deepEqual([full.status, full.code], [429, 'TOO_MANY_SIMULTANEOUS_QUERIES']);
  assert.match(full.message, /1 queries are running, which is the limit, and 1 wait/);
  const late = problemIn(await waits);
  assert.equal(late.status, 429);
  assert.match(late.message, /none of them has ended in 400 ms/);
  const next = api.ask({ sql: 'SELECT 2', format: 'TSV' });
  await until(() => api.counters.total('binnacle_queries_waiting') === 1, 'another waits');
  over.abort();
  await endless;
  assert.equal((await next).text, '2\n');
  await until(() => api.counters.total('binnacle_queries_total', { result: 'refused' }) === 2,
    'two were turned away');
});
