// Many small requests do not become many parts: requests are gathered, and where parts come faster
// than they are merged, they are gathered for longer. Real engine; times are not judged.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Batch } from '../../../../proto/contract/batch.ts';
import { seededRandom } from '../../../proto/generate.ts';
import { generateServiceSpans } from '../../../bench/data.ts';
import { until } from '../../../contract/fakes.ts';
import { startEngine } from '../engine_fixture.ts';
import type { EngineFixture } from '../engine_fixture.ts';
import { NEVER, startStorage } from './storage_fixture.ts';

const SECONDS = 8;
const REQUESTS_PER_SECOND = 200;
const EVERY_MS = 1000 / REQUESTS_PER_SECOND;

let engine: EngineFixture;
before(async () => {
  engine = await startEngine();
});
after(() => engine.stop());

test('parts: 200 requests a second of one span each stay far from a limit', async (t) => {
  const flush = { intervalMs: 100, rows: 100_000, bytes: 64 << 20, waitingBytesMax: 256 << 20 };
  const fixture = await startStorage(engine.url,
    { database: 'parts_small', flush, space: { maxSize: null, minFree: null, everyMs: 100 } });
  const most = new Map<string, number>();
  const look = () => {
    for (const { name, labels, value } of fixture.counters.series()) {
      if (name !== 'binnacle_storage_table_partition_parts_max') continue;
      most.set(labels['table']!, Math.max(most.get(labels['table']!) ?? 0, value));
    }
  };
  const sent: Promise<unknown>[] = [];
  const startMs = performance.now();
  for (let index = 0; index < SECONDS * REQUESTS_PER_SECOND; index++) {
    const dueMs = startMs + index * EVERY_MS - performance.now();
    if (dueMs > 0) await new Promise((resolve) => setTimeout(resolve, dueMs));
    const request = generateServiceSpans(seededRandom(index), 1, Date.now() - 60_000);
    const { bytes } = Batch.fromRequest('traces', request);
    const batch = Batch.fromBytes('traces', bytes, `agent/epoch/${index + 1}`);
    sent.push(fixture.storage.writer.consume(batch, NEVER));
    if (index % 20 === 0) look();
  }
  for (const outcome of await Promise.all(sent)) {
    assert.deepEqual(outcome, { status: 'accepted', rejected: 0 });
  }
  look();
  const inserts = fixture.counters.total('binnacle_storage_inserts_total');
  t.diagnostic(`${sent.length} requests, ${inserts} inserts, most parts of a day: ${
    [...most].map(([table, parts]) => `${table} ${parts}`).join(', ')}`);
  assert.ok(inserts <= (performance.now() - startMs) / flush.intervalMs + 2, `${inserts} inserts`);
  for (const [table, parts] of most) assert.ok(parts < 300, `${table} has ${parts} parts`);
  await fixture.stop();
});

test('parts: where merges do not keep up, inserts gather for longer', async () => {
  const fixture = await startStorage(engine.url,
    { database: 'parts_pace', space: { maxSize: null, minFree: null, everyMs: 50 } });
  const pace = () => fixture.counters.series()
    .find(({ name }) => name === 'binnacle_storage_pace')!.value;
  await until(() => fixture.storageSpace().bytes > 0, 'it has looked');
  assert.equal(pace(), 1);
  await fixture.rows('SYSTEM STOP MERGES otel_logs');
  for (let part = 0; part < 150; part++) {
    await fixture.rows('INSERT INTO otel_logs (Timestamp) SELECT now64(9)');
  }
  await until(() => pace() >= 1.5, 'it slows down');
  await fixture.rows('SYSTEM START MERGES otel_logs');
  await fixture.rows('OPTIMIZE TABLE otel_logs FINAL');
  await until(() => pace() === 1, 'it is as fast as before');
  await fixture.stop();
});
