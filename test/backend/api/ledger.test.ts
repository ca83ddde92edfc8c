// `/api/ledger` on a real engine without agents, its parameters, and the page that is printed from
// a ledger. What a ledger finds is tested in test/backend/ledger.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isLossless, statusPage } from '../../../backend/client/status_page.ts';
import type { Ledger } from '../../../backend/ledger/ledger.ts';
import { startEngine, type EngineFixture } from '../storage/engine_fixture.ts';
import { startStorage, type StorageFixture } from '../storage/clickhouse/storage_fixture.ts';
import { problemIn, startApi, type ApiFixture } from './api_fixture.ts';

let engine: EngineFixture;
let store: StorageFixture;
let api: ApiFixture;

before(async () => {
  engine = await startEngine();
  store = await startStorage(engine.url, { database: 'api_ledger' });
  api = await startApi(store.storage);
});

after(async () => {
  await api?.stop();
  await store?.stop();
  await engine?.stop();
});

test('ledger: an empty store has lost nothing', async () => {
  const answer = await api.get('/api/ledger?from=2026-01-02T00:00:00Z&to=2026-01-03');
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(JSON.parse(answer.text), {
    from: '2026-01-02T00:00:00.000Z', to: '2026-01-03T00:00:00.000Z',
    statement: '0 of 0 records lost', records: 0, lost: { records: 0, batchesOfUnknownSize: 0 },
    gaps: [], agents: [], hours: [],
  });
  assert.equal(answer.headers['cache-control'], 'no-store');
  const { from, to } = JSON.parse((await api.get('/api/ledger')).text) as Ledger;
  assert.equal(Date.parse(to) - Date.parse(from), 86_400_000);
});

test('ledger: a period that cannot be is refused with a sentence', async () => {
  const check = async (query: string, message: RegExp) => {
    const problem = problemIn(await api.get(`/api/ledger?${query}`));
    assert.deepEqual([problem.status, problem.code], [400, 'INVALID_REQUEST'], query);
    assert.match(problem.message, message);
  };
  await check('from=yesterday', /from must be a time like/);
  await check('to=2026-01-02T', /to must be a time like/);
  await check('to=2026-13-45', /to must be a time like/);
  await check('from=2026-01-03&to=2026-01-03', /from must be before to/);
  await check('from=2020-01-01&to=2026-01-01', /longer than 400 days/);
  await check('since=2026-01-01', /since|additional/);
});

test('ledger: pages of other origins have no access', async () => {
  const headers = { 'sec-fetch-site': 'cross-site' };
  assert.equal((await api.get('/api/ledger', { headers })).status, 403);
});

test('status: the page says what is lost, and where', () => {
  const books = { received: 1_200_000, enqueued: 1_200_000, stored: 1_000_000, refused: 5 };
  const gap = { agent: 'a1', host: 'web1', exporter: 'otlp', epoch: 'e1', batches: 2 };
  const ledger: Ledger = {
    from: '2026-01-02T00:00:00.000Z', to: '2026-01-03T00:00:00.000Z',
    statement: '2 batches of unknown size and 10 of 1,200,000 records lost', records: 1_200_000,
    lost: { records: 10, batchesOfUnknownSize: 2 },
    gaps: [{ ...gap, from: 3, to: 4, records: null, kind: 'never arrived' },
      { ...gap, from: 9, to: 9, batches: 1, records: 10, kind: 'removed' }],
    agents: [{ agent: 'a1', host: 'web1', lastReport: null, ...books, queued: 7,
      dropped: { overflow: 30 }, lost: 10, difference: -2, queues: [],
      signals: [{ signal: 'logs', ...books }] }],
    hours: [],
  };
  assert.equal(isLossless(ledger), false);
  assert.equal(statusPage({ url: 'http://here', ledger, health: { status: 'healthy',
    version: '1.2.3', checks: { clickhouse: { status: 'healthy', details: { version: '26' } } },
  } }), [
    'binnacle 1.2.3 at http://here: healthy; clickhouse 26 healthy',
    '2 batches of unknown size and 10 of 1,200,000 records lost'
      + ' (2026-01-02T00:00:00.000Z to 2026-01-03T00:00:00.000Z)',
    '',
    'AGENT                HOST  LAST REPORT   RECEIVED     STORED  QUEUED  DROPPED  REFUSED'
      + '  LOST',
    'a1                   web1  never        1,200,000  1,000,000       7       30        5'
      + '    10',
    '  logs                                  1,200,000  1,000,000                         5',
    '  dropped: overflow                                                        30',
    '',
    'Received, queued and dropped are as of the last report; the store may know more.',
    '',
    'Gaps:',
    '  never arrived: batches 3 to 4 (2) of agent a1 web1, exporter otlp, epoch e1: an unknown'
      + ' number of records',
    '  removed: batch 9 of agent a1 web1, exporter otlp, epoch e1: 10 records',
    '',
  ].join('\n'));
});
