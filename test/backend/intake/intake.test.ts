// The intake passes the writer's verdict on and its counters add up: every record received is
// counted once, as stored, rejected or deferred.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createIntake } from '../../../backend/intake/intake.ts';
import { ACCEPTED, rejected, retryable, type Outcome } from '../../../proto/contract/outcome.ts';
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
