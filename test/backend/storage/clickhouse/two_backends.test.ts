// A batch whose sender stops waiting for one backend and turns to another is stored once: the first
// backend drops what it has only gathered, and the second waits for what the first is inserting.
// Two writers on one real engine.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Batch } from '../../../../proto/contract/batch.ts';
import { ACCEPTED } from '../../../../proto/contract/outcome.ts';
import { encodeRequest } from '../../../../proto/otlp/codec.ts';
import type { RequestOf, Signal } from '../../../../proto/otlp/model.ts';
import { createClock } from '../../../../runtime/clock.ts';
import { generateServiceSpans } from '../../../bench/data.ts';
import { generateRequest, seededRandom } from '../../../proto/generate.ts';
import { startEngine } from '../engine_fixture.ts';
import type { EngineFixture } from '../engine_fixture.ts';
import { contents, worldAt } from './stored_contents.ts';
import { countRows, NEVER, startStorage } from './storage_fixture.ts';
import type { StorageFixture } from './storage_fixture.ts';

/** Half a minute before midnight, UTC. */
const EVENING_MS = 20_000 * 86_400_000 - 30_000;
const FLUSH = { intervalMs: 20, rows: 100_000, bytes: 64 << 20, waitingBytesMax: 256 << 20 };
const clock = createClock();
const random = seededRandom(Number(process.env['SEED'] ?? 1));

let engine: EngineFixture;
before(async () => {
  engine = await startEngine();
});
after(() => engine.stop());

/** Two backends on one database; the first keeps what it gathers for `intervalMs`. */
async function withBackends(
  database: string,
  intervalMs: number,
  run: (one: StorageFixture, two: StorageFixture) => Promise<void>,
): Promise<void> {
  const world = worldAt(() => EVENING_MS);
  const start = (ms: number) =>
    startStorage(engine.url, { database, world, flush: { ...FLUSH, intervalMs: ms } });
  const one = await start(intervalMs);
  const two = await start(20);
  try {
    await run(one, two);
  } finally {
    await Promise.all([one.stop(), two.stop()]);
  }
}

const batchOf = <S extends Signal>(signal: S, request: RequestOf<S>, id?: string): Batch =>
  Batch.fromBytes(signal, encodeRequest(signal, request), id);

const spans = (id?: string, count = 20): Batch =>
  batchOf('traces', generateServiceSpans(random, count, EVENING_MS), id);

const LONG_MS = 600_000;

test('two backends: what one has gathered is dropped when its sender changes', async () => {
  await withBackends('gathered', LONG_MS, async (one, two) => {
    const batch = spans('a/1/1');
    const gone = new AbortController();
    const company = [one.storage.writer.consume(spans('b/1/1'), NEVER)];
    const first = one.storage.writer.consume(batch, gone.signal, 0);
    company.push(one.storage.writer.consume(spans('b/1/2'), NEVER));
    gone.abort();
    assert.equal((await first).status, 'retryable');
    assert.deepEqual(await two.storage.writer.consume(batch, NEVER, 1), ACCEPTED);
    // Back at the first, where the batch still lies.
    const again = one.storage.writer.consume(batch, NEVER, 2);
    const stopped = one.storage.stop(AbortSignal.timeout(10_000));
    assert.deepEqual(await Promise.all([...company, again]), [ACCEPTED, ACCEPTED, ACCEPTED]);
    await stopped;
    assert.equal(await countRows(two.storage, 'otel_traces'), 60);
  });
});

test('two backends: a batch without an id is stored though its sender has gone', async () => {
  await withBackends('nameless', LONG_MS, async (one, two) => {
    const gone = new AbortController();
    const first = one.storage.writer.consume(spans(), gone.signal);
    gone.abort();
    assert.equal((await first).status, 'retryable');
    await one.storage.stop(AbortSignal.timeout(10_000));
    assert.equal(await countRows(two.storage, 'otel_traces'), 20);
  });
});

test('two backends: what one is inserting is waited for by the other', async () => {
  await withBackends('inserting', 1, async (one, two) => {
    await one.rows('CREATE TABLE slow (n UInt8) ENGINE = MergeTree ORDER BY n');
    await one.rows(`CREATE MATERIALIZED VIEW a_slow_mv TO slow AS
      SELECT sleepEachRow(0.05) AS n FROM otel_traces`);
    const batch = spans('a/1/1');
    const gone = new AbortController();
    const first = one.storage.writer.consume(batch, gone.signal, 0);
    let answer: unknown = null;
    void first.then((outcome) => {
      answer = outcome;
    });
    while ((await insertsRunning(two)) === 0) {
      assert.equal(answer, null, 'the insert has begun');
      await clock.sleep(5);
    }
    gone.abort();
    assert.equal((await first).status, 'retryable');
    assert.deepEqual(await two.storage.writer.consume(batch, NEVER, 1), ACCEPTED);
    assert.equal(await countRows(two.storage, 'otel_traces'), 20);
  });
});

async function insertsRunning(fixture: StorageFixture): Promise<number> {
  const rows = await fixture.rows(`SELECT query FROM system.processes
    WHERE startsWith(query, 'INSERT INTO otel_traces')`);
  return rows.length;
}

test('two backends: senders that lose patience and change the backend store all once', async () => {
  const once = await startStorage(engine.url, {
    database: 'once', world: worldAt(() => EVENING_MS),
  });
  await withBackends('changing', 600, async (one, two) => {
    const tally = { retries: 0 };
    const senders = Array.from({ length: 6 }, (_, sender) => send([one, two], sender, tally));
    const sent = await Promise.all(senders);
    assert.ok(tally.retries > 5, `${tally.retries} retries`);
    for (const batch of sent.flat()) await once.storage.writer.consume(batch, NEVER);
    assert.equal(await contents(one.storage), await contents(once.storage));
  });
  await once.stop();
});

/** Sends each batch until it is accepted, every time to the other backend. */
async function send(
  backends: readonly StorageFixture[],
  sender: number,
  tally: { retries: number },
): Promise<Batch[]> {
  const sent: Batch[] = [];
  for (let sequence = 0; sequence < 6; sequence++) {
    const id = `agent-${sender}/1/${sequence}`;
    const request = generateRequest('metrics', random, { groups: 3, attributes: 2, depth: 1 });
    const batch = sequence % 2 === 0 ? spans(id) : batchOf('metrics', request, id);
    sent.push(batch);
    for (let attempt = 0; ; attempt++) {
      const { writer } = backends[(sender + attempt) % 2]!.storage;
      const patience = random() < 0.6 ? AbortSignal.timeout(Math.ceil(random() * 80)) : NEVER;
      const outcome = await writer.consume(batch, patience, attempt);
      if (outcome.status === 'accepted') break;
      assert.equal(outcome.status, 'retryable');
      tally.retries++;
      await clock.sleep(250);
    }
  }
  return sent;
}
