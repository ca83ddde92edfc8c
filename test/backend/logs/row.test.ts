// A record in memory and its stored row are the same: texts of every kind of value, and the hash
// that its id is made of, for random requests through the real transcoder and engine. And that ids
// hold what they are made of.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { entryOf, entryOfRow, ENTRY_SQL, type StoredRow } from '../../../backend/logs/entry.ts';
import { decodeLogId, encodeLogId, HASH_SQL, hashOf, limits, rowOf }
  from '../../../backend/logs/row.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import { encodeRequest } from '../../../proto/otlp/codec.ts';
import { generateRequest, seededRandom } from '../../proto/generate.ts';
import { startEngine, type EngineFixture } from '../storage/engine_fixture.ts';
import { NEVER, startStorage, type StorageFixture }
  from '../storage/clickhouse/storage_fixture.ts';

let engine: EngineFixture;
let store: StorageFixture;

before(async () => {
  engine = await startEngine();
  store = await startStorage(engine.url, { database: 'log_rows' });
});

after(async () => {
  await store?.stop();
  await engine?.stop();
});

const DAY_NS = 86_400_000_000_000n;

test('row: a record in memory is what is stored of it', async () => {
  const random = seededRandom(31);
  const want: string[] = [];
  for (let round = 0; round < 40; round += 1) {
    const made = generateRequest('logs', random);
    const request = { resourceLogs: made.resourceLogs.map((group) => ({ ...group,
      scopeLogs: group.scopeLogs.map((scope) => ({ ...scope,
        logRecords: scope.logRecords.map((record) => ({ ...record,
          timeUnixNano: 20_000n * DAY_NS + BigInt(Math.floor(random() * 1e15)) })) })) })) };
    for (const { resource, scopeLogs } of request.resourceLogs) {
      for (const { scope, logRecords } of scopeLogs) {
        for (const record of logRecords) {
          const row = rowOf(resource, scope, record);
          want.push(JSON.stringify(entryOfRow(row, hashOf(row))));
        }
      }
    }
    const batch = Batch.fromBytes('logs', encodeRequest('logs', request), `a/1/${round}`);
    const outcome = await store.storage.writer.consume(batch, NEVER);
    assert.deepEqual(outcome, { status: 'accepted', rejected: 0 });
  }
  const rows = await store.rows<StoredRow>(`SELECT
    toString(toUnixTimestamp64Nano(Timestamp)) AS ns, ${HASH_SQL} AS tie, ${ENTRY_SQL}
    FROM otel_logs`);
  const found = rows.map((row) => JSON.stringify(entryOf(row)));
  assert.deepEqual(found.sort(), want.sort());
  assert.ok(want.length > 100);
});

test('row: an id holds time, hash and service, and nothing else is one', () => {
  const check = (service: string | null, kept = service) => {
    const place = { timeNs: 1_767_323_045_678_901_234n, hash: '00ff00ff00ff00ff', service };
    assert.deepEqual(decodeLogId(encodeLogId(place)), { ...place, service: kept });
    assert.ok(encodeLogId(place).length <= limits.idCharactersMax);
  };
  for (const service of ['', 'shop', 'größe / ☃', null]) check(service);
  check('x'.repeat(limits.serviceBytesMax));
  check('x'.repeat(limits.serviceBytesMax + 1), null);
  for (const text of ['', 'stats', 'a'.repeat(22), '!', 'AQ', 'a'.repeat(400)]) {
    assert.equal(decodeLogId(text), null, text);
  }
});
