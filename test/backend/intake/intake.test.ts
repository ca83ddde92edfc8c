// The intake passes the writer's verdict on and its counters add up: every record received is
// counted once, as stored, rejected or deferred. It knows batches that came before.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../../backend/intake/attempts.ts';
import { createIntake } from '../../../backend/intake/intake.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import { ACCEPTED, rejected, retryable, type Outcome } from '../../../proto/contract/outcome.ts';
import type { Signal } from '../../../proto/otlp/model.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { NEVER, makeBatch } from '../../contract/fakes.ts';

const RECORDS = 'binnacle_ingest_records_total';

test('intake: records are counted by what became of them', async () => {
  const check = async (outcome: Outcome, wanted: Record<string, number>) => {
    const counters = createCounters();
    const intake = createIntake({ counters, writer: { consume: async () => outcome } });
    await intake.start();
    assert.deepEqual(await intake.consume(makeBatch('logs', 10), NEVER), outcome);
    for (const verdict of ['stored', 'rejected', 'deferred']) {
      assert.equal(counters.total(RECORDS, { signal: 'logs', verdict }), wanted[verdict] ?? 0);
    }
  };
  await check(ACCEPTED, { stored: 10 });
  await check({ status: 'accepted', rejected: 3 }, { stored: 7, rejected: 3 });
  await check(rejected('no'), { rejected: 10 });
  await check(retryable('later'), { deferred: 10 });
});

test('intake: before start and after stop the writer is left alone', async () => {
  let calls = 0;
  const writer = {
    consume: async () => {
      calls += 1;
      return ACCEPTED;
    },
  };
  const intake = createIntake({ counters: createCounters(), writer });
  const check = async () =>
    assert.equal((await intake.consume(makeBatch('traces', 1), NEVER)).status, 'retryable');
  await check();
  await intake.start();
  await intake.stop(NEVER);
  await check();
  assert.equal(calls, 0);
});

test('intake: a batch that came before is no first attempt, whatever its sender says', async () => {
  const attempts: number[] = [];
  const writer = {
    consume: async (_batch: Batch, _abort: AbortSignal, attempt = 0) => {
      attempts.push(attempt);
      return ACCEPTED;
    },
  };
  const intake = createIntake({ counters: createCounters(), writer });
  await intake.start();
  const send = (id: string | undefined, signal: Signal, attempt: number) =>
    intake.consume(Batch.fromBytes(signal, makeBatch(signal, 1).bytes, id), NEVER, { attempt });
  await send('a/1/1', 'logs', 0);
  await send('a/1/1', 'logs', 0);
  await send('a/1/1', 'traces', 0);
  await send('a/1/2', 'logs', 2);
  await send('a/1/2', 'logs', 0);
  await send(undefined, 'logs', 0);
  await send(undefined, 'logs', 0);
  assert.deepEqual(attempts, [0, 1, 0, 2, 1, 0, 0]);
  for (let number = 0; number < limits.rememberedMax; number++) {
    await send(`b/1/${number}`, 'logs', 0);
  }
  await send('a/1/1', 'logs', 0);
  assert.equal(attempts.at(-1), 0);
});
