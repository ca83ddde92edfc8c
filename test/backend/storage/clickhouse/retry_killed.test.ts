// The engine is killed and stopped at random moments while senders send and give up waiting at
// random, and send every batch again until it is accepted. In the end the store holds what another
// one holds that got every batch once: each row of each table, and what the view says.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createEngine } from '../../../../backend/storage/engine/supervisor.ts';
import type { Engine } from '../../../../backend/storage/engine/supervisor.ts';
import { Batch } from '../../../../proto/contract/batch.ts';
import { encodeRequest } from '../../../../proto/otlp/codec.ts';
import type { RequestOf, Signal } from '../../../../proto/otlp/model.ts';
import { createClock } from '../../../../runtime/clock.ts';
import { generateServiceSpans } from '../../../bench/data.ts';
import { generateRequest, seededRandom } from '../../../proto/generate.ts';
import { contents, worldAt } from './stored_contents.ts';
import { countRows, NEVER, startStorage } from './storage_fixture.ts';
import type { StorageFixture } from './storage_fixture.ts';

const KILLS = 6;
const SENDERS = 6;
/** Half a minute before midnight, UTC. */
const EVENING_MS = 20_000 * 86_400_000 - 30_000;
const FLUSH = { intervalMs: 5, rows: 2000, bytes: 64 << 20, waitingBytesMax: 256 << 20 };
const skip = process.env['CLICKHOUSE_URL'] !== undefined && 'it is not our server to kill';
const clock = createClock();
const END_MS = clock.monotonicMs() + 100_000;

test('retry: every batch is stored once, however often the engine dies', { skip }, async () => {
  const path = await mkdtemp(join(tmpdir(), 'binnacle-once-'));
  const engine = createEngine({ path });
  const { url } = await engine.start();
  const start = (database: string) =>
    startStorage(url, { database, flush: FLUSH, world: worldAt(() => EVENING_MS) });
  try {
    const [killed, whole] = [await start('killed'), await start('whole')];
    await storeUnderFire(killed, whole, engine);
    await Promise.all([killed.stop(), whole.stop()]);
  } finally {
    await engine.stop(AbortSignal.timeout(10_000));
    await rm(path, { recursive: true, force: true });
  }
});

async function storeUnderFire(
  killed: StorageFixture,
  whole: StorageFixture,
  engine: Engine,
): Promise<void> {
  const random = seededRandom(Number(process.env['SEED'] ?? 1));
  const tally = { retries: 0, kills: 0, accepted: 0 };
  const sent: Batch[] = [];
  const sending = Promise.all(Array.from({ length: SENDERS }, (_, sender) =>
    send(killed, `agent-${sender}/1`, { random, sent, tally })));
  while (tally.kills < KILLS) {
    const { accepted } = tally;
    while (tally.accepted < accepted + SENDERS) {
      assert.ok(clock.monotonicMs() < END_MS, 'senders get on');
      await clock.sleep(5);
    }
    await clock.sleep(random() * 300);
    while (engine.pid === null) await clock.sleep(20);
    process.kill(engine.pid, tally.kills % 3 === 2 ? 'SIGTERM' : 'SIGKILL');
    tally.kills++;
  }
  await sending;
  for (const batch of sent) await sendUntilAccepted(whole, batch, () => NEVER);
  assert.ok(sent.length >= KILLS * SENDERS, `${sent.length} batches`);
  assert.ok(tally.retries > 20, `${tally.retries} retries`);
  const duplicates = killed.counters.total('binnacle_ingest_duplicates_total');
  assert.ok(duplicates > 0, 'no retry met rows of an earlier attempt');
  for (const table of ['otel_logs', 'otel_traces', 'otel_metrics_gauge']) {
    assert.equal(await countRows(killed.storage, table), await countRows(whole.storage, table));
  }
  assert.equal(await contents(killed.storage), await contents(whole.storage));
}

interface Course {
  readonly random: () => number;
  readonly sent: Batch[];
  readonly tally: { retries: number; accepted: number; readonly kills: number };
}

/** Sends batches of all signals until the last kill is over. */
async function send(
  fixture: StorageFixture,
  name: string,
  { random, sent, tally }: Course,
): Promise<void> {
  for (let sequence = 0; tally.kills < KILLS || sequence < 5; sequence++) {
    const batch = makeBatch(random, `${name}/${sequence}`, sequence % 3);
    sent.push(batch);
    const patience = () => (random() < 0.3 ? AbortSignal.timeout(Math.ceil(random() * 60)) : NEVER);
    tally.retries += await sendUntilAccepted(fixture, batch, patience);
    tally.accepted++;
  }
}

/** Answers how often it had to send again. */
async function sendUntilAccepted(
  { storage }: StorageFixture,
  batch: Batch,
  patience: () => AbortSignal,
): Promise<number> {
  for (let attempt = 0; ; attempt++) {
    assert.ok(clock.monotonicMs() < END_MS, `${batch.id} is not accepted in time`);
    const outcome = await storage.writer.consume(batch, patience(), attempt);
    if (outcome.status === 'accepted') return attempt;
    assert.equal(outcome.status, 'retryable');
    await clock.sleep(20);
  }
}

function makeBatch(random: () => number, id: string, kind: number): Batch {
  const encoded = <S extends Signal>(signal: S, request: RequestOf<S>) =>
    Batch.fromBytes(signal, encodeRequest(signal, request), id);
  if (kind === 0) return encoded('traces', generateServiceSpans(random, 40, EVENING_MS));
  const signal = kind === 1 ? 'metrics' : 'logs';
  return encoded(signal, generateRequest(signal, random, { groups: 5, attributes: 2, depth: 1 }));
}
