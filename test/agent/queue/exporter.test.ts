// Proves what an exporter with a queue does with the answers of its peer: delivers in the
// background, and stops without losing. What others lose in its place: known_losses.test.ts.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ACCEPTED, retryable } from '../../../proto/contract/outcome.ts';
import { NEVER, NOW, temporaryFolder, testContext, until } from '../../contract/fakes.ts';
import { withoutLeaks } from '../../contract/leaks.ts';
import { batchOf, namesOf } from './open.ts';
import { setUp } from './peer.ts';

test('queued exporter: answers before the peer does, and delivers all', () =>
  withoutLeaks(async (world) => {
    const context = testContext({ world });
    let open = false;
    const { exporter, delivered } = setUp(context, () => (open ? ACCEPTED : retryable('later')));
    await exporter.start();
    for (const name of namesOf(30)) {
      assert.equal((await exporter.consume(batchOf(name), NEVER)).status, 'accepted');
    }
    assert.deepEqual(delivered, []);
    open = true;
    await until(() => delivered.length === 30, 'all to be delivered');
    assert.deepEqual(delivered.toSorted(), namesOf(30).sort());
    await until(() => context.counters.total('otelcol_exporter_queue_size') === 0, 'empty');
    assert.equal(context.counters.total('otelcol_exporter_sent_log_records_total'), 30);
    await exporter.stop(NEVER);
    await exporter.stop(NOW);
    assert.equal((await exporter.consume(batchOf('x'), NEVER)).status, 'retryable');
  }));

test('queued exporter: a stop waits for a peer that answers, and leaves a hanging one', () =>
  withoutLeaks(async (world) => {
    const slow = setUp(testContext({ world }), async () => {
      await world.clock.sleep(5);
      return ACCEPTED;
    });
    await slow.exporter.start();
    await Promise.all(namesOf(20).map((name) => slow.exporter.consume(batchOf(name), NEVER)));
    await slow.exporter.stop(NEVER);
    assert.equal(slow.delivered.length, 20);
    const hanging = setUp(testContext({ world }), (_sent, abort) => new Promise((resolve) =>
      abort.addEventListener('abort', () => resolve(retryable('aborted')))));
    await hanging.exporter.start();
    await hanging.exporter.consume(batchOf('a'), NEVER);
    const deadline = new AbortController();
    setTimeout(() => deadline.abort(), 30);
    await hanging.exporter.stop(deadline.signal);
  }));

test('queued exporter: a folder that cannot be used is one sentence', async () => {
  const folder = join(temporaryFolder(), 'file');
  writeFileSync(folder, '');
  const { exporter } = setUp(testContext({ folder }), () => ACCEPTED);
  await assert.rejects(exporter.start(),
    { name: 'OperatorError', message: /cannot open the queue/ });
  await exporter.stop(NEVER);
});
