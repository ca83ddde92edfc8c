// The batch processor: when it sends, whose verdict is whose, what it does with refused and cut
// batches, and that it holds a bounded number of bytes. Time is moved by hand.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { divide } from '../../../agent/processors/batch/source.ts';
import {
  batchProcessor, createBatcher, type BatchConfig,
} from '../../../agent/processors/batch/processor.ts';
import type { Outcome } from '../../../proto/contract/outcome.ts';
import { ACCEPTED, rejected, retryable } from '../../../proto/contract/outcome.ts';
import { createRandom } from '../../../runtime/random.ts';
import { createFiles } from '../../../runtime/files.ts';
import { checkConsumer } from '../../contract/check_consumer.ts';
import { settle } from '../../../runtime/manual_clock.ts';
import {
  createGate, createManualClock, createSink, itemKeys, makeBatch, NEVER, NOW, testContext,
  type Answer,
} from '../../contract/fakes.ts';

const PIECE_RETRY = {
  initialIntervalMs: 2,
  maxIntervalMs: 500,
  multiplier: 2,
  randomizationFactor: 0.5,
};

const configOf = (written: object): BatchConfig => batchProcessor.schema.parse(written);

function build(written: object, answer: Answer = ACCEPTED, heldBytesMax = 1 << 20) {
  const clock = createManualClock();
  const sink = createSink(answer);
  const world = { clock, files: createFiles(), random: createRandom() };
  const context = testContext({ id: 'batch', world });
  const options = { heldBytesMax, pieceRetry: PIECE_RETRY };
  const processor = createBatcher(configOf(written), context, sink, options);
  return { clock, sink, processor, context };
}

for (const [name, written] of [
  ['default', { timeout: '3ms' }],
  ['at once', { timeout: '0s' }],
  ['cut', { timeout: '3ms', send_batch_size: 3, send_batch_max_size: 3 }],
] as const) {
  checkConsumer({
    name: `batch (${name})`,
    create: (next, context) => ({
      consumer: createBatcher(configOf(written), context, next, {
        heldBytesMax: 4000,
        pieceRetry: { ...PIECE_RETRY, maxIntervalMs: 4 },
      }),
    }),
  });
}

test('batch: requests are merged when the timeout of the first is over', async () => {
  const { clock, sink, processor } = build({});
  const calls = [0, 10, 20].map((first) =>
    processor.consume(makeBatch('logs', 2, { first }), NEVER));
  await clock.advance(199);
  assert.equal(sink.received.length, 0);
  await clock.advance(1);
  assert.equal(sink.received.length, 1);
  assert.deepEqual(itemKeys(sink.received[0]!),
    ['item-0', 'item-1', 'item-10', 'item-11', 'item-20', 'item-21']);
  assert.deepEqual(await Promise.all(calls), [ACCEPTED, ACCEPTED, ACCEPTED]);
});

test('batch: what is sent says where its records are from, what was cut does not', async () => {
  const origin = (from: number) =>
    ({ receiver: 'files', run: 'one', content: 1, from, to: from + 1, state: '' });
  const { clock, sink, processor } = build({ send_batch_size: 3, send_batch_max_size: 3 },
    (batch) => itemKeys(batch).includes('item-10') ? rejected('no') : ACCEPTED);
  for (const [first, count] of [[0, 1], [10, 1], [20, 1], [30, 5]] as const) {
    void processor.consume(makeBatch('logs', count, { first }).from([origin(first)]), NEVER);
  }
  await clock.advance(200);
  assert.deepEqual(sink.received.map((batch) =>
    [batch.itemCount, ...batch.origins.map(({ from }) => from)]),
  [[3, 0, 10, 20], [3], [2], [1, 0], [2, 10, 20], [1, 10], [1, 20]]);
});

test('batch: a full batch goes at once, and the next one has its own timeout', async () => {
  const { clock, sink, processor, context } = build({ send_batch_size: 4 });
  const first = processor.consume(makeBatch('traces', 4), NEVER);
  await first;
  assert.equal(sink.received.length, 1);
  const second = processor.consume(makeBatch('traces', 3), NEVER);
  await clock.advance(200);
  assert.deepEqual(await second, ACCEPTED);
  const { counters } = context;
  assert.equal(counters.total('otelcol_processor_batch_batch_size_trigger_send_total'), 1);
  assert.equal(counters.total('otelcol_processor_batch_timeout_trigger_send_total'), 1);
});

test('batch: signals are not mixed', async () => {
  const { clock, sink, processor } = build({});
  const calls = (['logs', 'traces', 'metrics'] as const).map((signal) =>
    processor.consume(makeBatch(signal, 1), NEVER));
  await clock.advance(200);
  await Promise.all(calls);
  assert.deepEqual(sink.received.map(({ signal }) => signal), ['logs', 'traces', 'metrics']);
});

test('batch: one refused request does not take its neighbours with it', async () => {
  const poisoned = (keys: string[]) => keys.includes('item-30');
  const { clock, sink, processor } = build({}, (batch) =>
    poisoned(itemKeys(batch)) ? rejected('poison') : ACCEPTED);
  const firsts = [0, 10, 20, 30, 40, 50, 60, 70];
  const calls = firsts.map((first) => processor.consume(makeBatch('logs', 1, { first }), NEVER));
  await clock.advance(200);
  const outcomes = await Promise.all(calls);
  assert.deepEqual(outcomes.map(({ status }) => status),
    firsts.map((first) => (first === 30 ? 'rejected' : 'accepted')));
  assert.deepEqual(sink.keys('accepted').sort(),
    firsts.filter((first) => first !== 30).map((first) => `item-${first}`).sort());
  // Halves, not one by one: 8, 4+4, 2+2, 1+1.
  assert.equal(sink.received.length, 7);
});

test('batch: retryable is everybody\'s verdict, with the wait that was asked for', async () => {
  const { clock, processor } = build({}, retryable('full', 700));
  const calls = [1, 2].map(() => processor.consume(makeBatch('logs', 1), NEVER));
  await clock.advance(200);
  assert.deepEqual(await Promise.all(calls), [retryable('full', 700), retryable('full', 700)]);
});

test('batch: partial success is the sender\'s own, or divided and said so', async () => {
  const { clock, sink, processor } = build({});
  const partial: Outcome = { status: 'accepted', rejected: 2, reason: 'too old' };
  sink.answer(partial);
  const alone = processor.consume(makeBatch('logs', 5), NEVER);
  await clock.advance(200);
  assert.deepEqual(await alone, partial);
  sink.answer({ status: 'accepted', rejected: 3, reason: 'too old' });
  const calls = [6, 2, 1].map((count) => processor.consume(makeBatch('logs', count), NEVER));
  await clock.advance(200);
  const outcomes = await Promise.all(calls);
  assert.deepEqual(outcomes.map((one) => one.status === 'accepted' && one.rejected), [2, 0, 1]);
  assert.match(outcomes[0]!.reason!, /a share of 3 records of 3 requests .*too old/);
  assert.equal(outcomes[1]!.reason, undefined);
});

test('batch: divide keeps the sum and never exceeds a part', () => {
  const check = (refused: number, sizes: number[], want: number[]) =>
    assert.deepEqual(divide(refused, sizes), want);
  check(0, [3, 4], [0, 0]);
  check(7, [3, 4], [3, 4]);
  check(1, [1, 1, 1], [0, 0, 1]);
  check(5, [10, 0, 10], [2, 0, 3]);
  check(0, [0], [0]);
});

test('batch: a request above the maximum is cut and answered as one', async () => {
  const { clock, sink, processor } = build({ send_batch_size: 4, send_batch_max_size: 4 });
  const call = processor.consume(makeBatch('traces', 10), NEVER);
  await clock.advance(200);
  assert.deepEqual(await call, ACCEPTED);
  assert.deepEqual(sink.received.map(({ itemCount }) => itemCount), [4, 4, 2]);
  assert.deepEqual(sink.keys('accepted').length, 10);
});

test('batch: pieces that are retryable beside an accepted one are sent again here', async () => {
  let refusals = 2;
  const twice = { send_batch_size: 2, send_batch_max_size: 2 };
  const { clock, sink, processor } = build(twice, (batch) =>
    itemKeys(batch).includes('item-2') && refusals-- > 0 ? retryable('busy', 300) : ACCEPTED);
  const call = processor.consume(makeBatch('logs', 5), NEVER);
  await clock.advance(1000);
  assert.deepEqual(await call, ACCEPTED);
  assert.deepEqual(sink.keys('accepted').sort(), itemKeys(makeBatch('logs', 5)));
  assert.equal(clock.pending(), 0);
});

test('batch: refused pieces count as refused records', async () => {
  const { clock, processor } = build({ send_batch_size: 2, send_batch_max_size: 2 }, (batch) =>
    itemKeys(batch).includes('item-2') ? rejected('bad') : ACCEPTED);
  const call = processor.consume(makeBatch('logs', 5), NEVER);
  await clock.advance(200);
  assert.deepEqual(await call, { status: 'accepted', rejected: 2, reason: 'bad' });
});

test('batch: a caller that aborts takes its request along', async () => {
  const { clock, sink, processor } = build({});
  const abort = new AbortController();
  const leaving = processor.consume(makeBatch('logs', 1, { first: 1 }), abort.signal);
  const staying = processor.consume(makeBatch('logs', 1, { first: 2 }), NEVER);
  await settle();
  abort.abort();
  assert.equal((await leaving).status, 'retryable');
  await clock.advance(200);
  assert.deepEqual(await staying, ACCEPTED);
  assert.deepEqual(sink.keys('accepted'), ['item-2']);
});

test('batch: when all callers have aborted, so is what is under way', async () => {
  const { clock, sink, processor } = build({});
  let fired = false;
  sink.answer((_batch, _call, signal) => new Promise((resolve) => {
    signal.addEventListener('abort', () => {
      fired = true;
      resolve(retryable('aborted'));
    });
  }));
  const aborts = [new AbortController(), new AbortController()];
  const calls = aborts.map(({ signal }) => processor.consume(makeBatch('logs', 1), signal));
  await clock.advance(200);
  aborts[0]!.abort();
  await settle();
  assert.equal(fired, false);
  aborts[1]!.abort();
  await Promise.all(calls);
  assert.equal(fired, true);
});

test('batch: held bytes are bounded and callers wait for room', async () => {
  const size = makeBatch('logs', 10).bytes.length;
  const gate = createGate();
  const { clock, sink, processor } = build({}, gate.answer, 2 * size);
  const calls = Array.from({ length: 5 }, () => processor.consume(makeBatch('logs', 10), NEVER));
  await clock.advance(1000);
  // Two fit; the third makes them go before the timeout and waits.
  assert.equal(sink.received.reduce((sum, one) => sum + one.itemCount, 0), 20);
  gate.open(ACCEPTED);
  await clock.advance(1000);
  assert.deepEqual(await Promise.all(calls), Array.from({ length: 5 }, () => ACCEPTED));
  assert.equal(sink.keys('accepted').length, 50);
});

test('batch: a batch larger than the bound gets through alone', async () => {
  const { clock, processor } = build({}, ACCEPTED, 10);
  const call = processor.consume(makeBatch('logs', 10), NEVER);
  await clock.advance(200);
  assert.deepEqual(await call, ACCEPTED);
});

test('batch: stop sends what waits, and gives up at its deadline', async () => {
  const { sink, processor } = build({});
  const call = processor.consume(makeBatch('logs', 1), NEVER);
  await settle();
  await processor.stop(NEVER);
  assert.deepEqual(await call, ACCEPTED);
  const blocked = build({}, createGate().answer);
  const lost = blocked.processor.consume(makeBatch('logs', 1), NEVER);
  await settle();
  await blocked.processor.stop(NOW);
  assert.equal((await lost).status, 'retryable');
  assert.equal(sink.received.length, 1);
});

test('batch: wrong settings are told', () => {
  const paths = (written: object) => batchProcessor.schema.safeParse(written).error?.issues
    .map((issue) => issue.path.join('.'));
  assert.deepEqual(paths({ send_batch_size: 10, send_batch_max_size: 5 }), ['send_batch_max_size']);
  assert.deepEqual(paths({ metadata_keys: ['tenant'] }), ['metadata_keys']);
  assert.equal(paths({}), undefined);
});
