// Proves what an exporter with a queue does with the answers of its peer: delivers in the
// background, waits for a peer that is away, keeps what was refused, stops without losing, and
// tells a peer which batches it may have seen before.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createQueuedExporter } from '../../../agent/queue/exporter.ts';
import type { SendOutcome } from '../../../proto/contract/arrival.ts';
import type { Batch } from '../../../proto/contract/batch.ts';
import type { ComponentContext } from '../../../proto/contract/component.ts';
import { ACCEPTED, rejected, retryable } from '../../../proto/contract/outcome.ts';
import {
  createRecordingLog, itemKeys, makeBatch, NEVER, NOW, temporaryFolder, testContext, until,
} from '../../contract/fakes.ts';
import { withoutLeaks } from '../../contract/leaks.ts';
import { batchOf, namesOf, SIZE } from './open.ts';

const RETRY = {
  initialIntervalMs: 5, maxIntervalMs: 10, multiplier: 1, randomizationFactor: 0, maxElapsedMs: 0,
};

interface Sent {
  readonly batch: Batch;
  readonly attempt: number;
}

type Answer = (sent: Sent, abort: AbortSignal) => SendOutcome | Promise<SendOutcome>;

function setUp(context: ComponentContext, answer: Answer, retry: typeof RETRY | null = RETRY) {
  const sent: Sent[] = [];
  const delivered: string[] = [];
  const exporter = createQueuedExporter(async () => ({
    send: async (batch, attempt, abort) => {
      sent.push({ batch, attempt });
      const outcome = await answer({ batch, attempt }, abort);
      if (outcome.status === 'accepted') delivered.push(...itemKeys(batch));
      return outcome;
    },
    close: async () => {},
  }), {
    context,
    delivery: { ...context, retry, concurrency: 4 },
    queue: { size: SIZE, whenFull: 'refuse' },
  });
  return { exporter, sent, delivered };
}

const AWAY: Answer = () => retryable('nobody is there');

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

test('queued exporter, collector #15677: a stop while the peer is away keeps all', () =>
  withoutLeaks(async (world) => {
    for (const retry of [RETRY, null]) {
      const folder = temporaryFolder();
      const first = setUp(testContext({ world, folder }), AWAY, retry);
      await first.exporter.start();
      for (const name of namesOf(9)) await first.exporter.consume(batchOf(name), NEVER);
      await until(() => first.sent.length >= 4, 'attempts');
      await first.exporter.stop(NEVER);
      const second = setUp(testContext({ world, folder }), () => ACCEPTED);
      await second.exporter.start();
      await until(() => second.delivered.length === 9, 'all to be delivered');
      assert.ok(second.sent.every(({ attempt }) => attempt >= 1), 'they may have been sent before');
      const id = first.sent[0]!.batch.id;
      assert.ok(second.sent.some(({ batch }) => batch.id === id), 'the id is kept');
      await second.exporter.consume(batchOf('new'), NEVER);
      await until(() => second.delivered.length === 10, 'the new one');
      assert.equal(second.sent.at(-1)!.attempt, 0);
      await second.exporter.stop(NEVER);
    }
  }));

test('queued exporter, collector #6771: with retries off a batch that failed is kept', () =>
  withoutLeaks(async (world) => {
    const { exporter, sent } = setUp(testContext({ world }), AWAY, null);
    await exporter.start();
    await exporter.consume(batchOf('a'), NEVER);
    await until(() => sent.length === 1, 'an attempt');
    await exporter.stop(NEVER);
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

test('queued exporter, fluent bit Retry_Limit: what is refused for good is kept and counted', () =>
  withoutLeaks(async (world) => {
    const log = createRecordingLog();
    const context = testContext({ world, log });
    const { exporter, delivered } = setUp(context, ({ batch }) =>
      (batch.signal === 'traces' ? rejected('no such tenant') : ACCEPTED));
    await exporter.start();
    const bad = makeBatch('traces', 3);
    await exporter.consume(bad, NEVER);
    await exporter.consume(batchOf('good'), NEVER);
    await until(() => context.counters.total('otelcol_exporter_queue_size') === 0, 'empty');
    await exporter.stop(NEVER);
    assert.deepEqual(delivered, ['good']);
    const folder = join(context.folder, 'rejected');
    assert.deepEqual(readdirSync(folder), ['1.traces.otlp']);
    assert.ok(readFileSync(join(folder, '1.traces.otlp')).equals(bad.bytes));
    assert.equal(context.counters.total('binnacle_exporter_refused_items_total'), 3);
    assert.ok(log.lines.some(({ message }) =>
      message === 'a refused batch was kept as rejected/1.traces.otlp: no such tenant'));
  }));

test('queued exporter: a folder that cannot be used is one sentence', async () => {
  const folder = join(temporaryFolder(), 'file');
  writeFileSync(folder, '');
  const { exporter } = setUp(testContext({ folder }), () => ACCEPTED);
  await assert.rejects(exporter.start(),
    { name: 'OperatorError', message: /cannot open the queue/ });
  await exporter.stop(NEVER);
});
