// Proves rate_limit: what passes in which second, for each key, and what becomes of the rest; on a
// clock that is moved by hand.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rateLimitProcessor } from '../../../agent/processors/rate_limit.ts';
import { probabilityOf } from '../../../agent/processors/sampling/threshold.ts';
import { parseTraceState } from '../../../agent/processors/sampling/trace_state.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import { retryable } from '../../../proto/contract/outcome.ts';
import type { LogRecord, Span } from '../../../proto/otlp/model.ts';
import { createSeededRandom } from '../../../runtime/random.ts';
import { createWorld } from '../../../runtime/world.ts';
import { checkConsumer } from '../../contract/check_consumer.ts';
import {
  createManualClock, createSink, makeBatch, NEVER, testContext, text,
} from '../../contract/fakes.ts';

const { schema, create } = rateLimitProcessor;
type Config = Record<string, unknown>;

for (const action of ['drop', 'sample', 'wait']) {
  checkConsumer({
    name: `rate_limit: ${action}`,
    create: (next, context) => ({
      consumer: create(schema.parse({
        records_per_second: 1_000_000, action, by_attributes: ['test.attribute'],
      }), context, next),
    }),
  });
}

function setUp(config: Config) {
  const clock = createManualClock();
  const sink = createSink();
  const context = testContext({
    world: { ...createWorld(), clock, random: createSeededRandom(4) },
  });
  const processor = create(schema.parse(config), context, sink);
  const passed = () => sink.deliveries.filter(({ outcome }) => outcome.status === 'accepted')
    .reduce((sum, { batch }) => sum + batch.itemCount, 0);
  return { clock, sink, processor, passed, counters: context.counters };
}

test('rate_limit: drops what is beyond the rate', async () => {
  for (const signal of ['logs', 'traces', 'metrics'] as const) {
    const { clock, processor, passed, counters } = setUp({ records_per_second: 10, burst: '2s' });
    await processor.consume(makeBatch(signal, 50), NEVER);
    assert.equal(passed(), 20, signal);
    assert.equal(counters.total('binnacle_processor_dropped_items_total',
      { reason: 'rate_limit', otel_signal: signal }), 30);
    await processor.consume(makeBatch(signal, 5), NEVER);
    assert.equal(passed(), 20);
    await clock.advance(1000);
    await processor.consume(makeBatch(signal, 50), NEVER);
    assert.equal(passed(), 30);
  }
});

test('rate_limit: counts bytes', async () => {
  const batch = makeBatch('logs', 10);
  const { clock, processor, passed } = setUp(
    { bytes_per_second: batch.bytes.length, burst: '1s' });
  await processor.consume(batch, NEVER);
  await processor.consume(batch, NEVER);
  assert.equal(passed(), 10);
  await clock.advance(500);
  await processor.consume(batch, NEVER);
  // The last one may take more than is there.
  assert.equal(passed(), 15 + 1);
});

test('rate_limit: each key has its rate, and keys are bounded', async () => {
  const { clock, processor, passed, counters } = setUp({
    records_per_second: 5, burst: '1s', by_resource_attributes: ['service.name'], max_keys: 2,
  });
  const of = (name: string) => makeBatch('logs', 10, { resource: { 'service.name': name } });
  await processor.consume(of('a'), NEVER);
  await processor.consume(of('b'), NEVER);
  assert.equal(passed(), 10);
  // These two share one.
  await processor.consume(of('c'), NEVER);
  await processor.consume(of('d'), NEVER);
  assert.equal(passed(), 15);
  const keys = () => counters.series()
    .find(({ name }) => name === 'binnacle_rate_limit_keys')!.value;
  assert.equal(keys(), 2);
  // Those that were idle make room.
  await clock.advance(5000);
  await processor.consume(of('c'), NEVER);
  assert.equal(keys(), 1);
});

test('rate_limit: tells senders to come again', async () => {
  const { clock, processor, passed, counters } = setUp(
    { records_per_second: 10, burst: '1s', action: 'wait' });
  const consume = (count: number) => processor.consume(makeBatch('logs', count), NEVER);
  // More than the bucket holds: it passes, and those behind it wait longer.
  assert.equal((await consume(30)).status, 'accepted');
  const outcome = await consume(1);
  assert.deepEqual(outcome, retryable('the rate limit is reached', 2000));
  await clock.advance(2001);
  assert.equal((await consume(1)).status, 'accepted');
  assert.equal(passed(), 31);
  assert.equal(counters.total('binnacle_rate_limit_deferred_items_total'), 1);
});

test('rate_limit: what is refused behind it has taken nothing', async () => {
  for (const action of ['drop', 'wait']) {
    const { processor, sink, passed } = setUp({ records_per_second: 10, burst: '1s', action });
    sink.answer(retryable('full'));
    for (let time = 0; time < 5; time++) await processor.consume(makeBatch('logs', 10), NEVER);
    sink.answer({ status: 'accepted', rejected: 0 });
    await processor.consume(makeBatch('logs', 10), NEVER);
    assert.equal(passed(), 10, action);
  }
});

const SPAN = makeBatch('traces', 1).request.resourceSpans[0]!.scopeSpans[0]!.spans[0]!;
const RECORD = makeBatch('logs', 1).request.resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!;

test('rate_limit: samples with weight', async () => {
  const random = createSeededRandom(5);
  const { clock, processor, sink } = setUp({ records_per_second: 100, action: 'sample' });
  const seconds = 30;
  for (let second = 0; second < seconds; second++) {
    const spans = Array.from({ length: 1000 }, (): Span =>
      ({ ...SPAN, traceId: Buffer.from(random.bytes(16)).toString('hex') }));
    await processor.consume(Batch.fromRequest('traces', { resourceSpans: [{
      resource: undefined, schemaUrl: '', scopeSpans: [{ scope: undefined, spans, schemaUrl: '' }],
    }] }), NEVER);
    await clock.advance(1000);
  }
  const kept = sink.received.flatMap((batch) => (batch as Batch<'traces'>).request.resourceSpans
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)));
  assert.ok(kept.length > 100 * seconds * 0.8 && kept.length < 100 * seconds * 1.4,
    String(kept.length));
  const sum = kept.reduce((all, { traceState, traceId }) => {
    const { threshold } = parseTraceState(traceState)!;
    assert.ok(threshold === null || traceId.slice(18) >= threshold);
    return all + (threshold === null ? 1 : 1 / probabilityOf(threshold));
  }, 0);
  const total = seconds * 1000;
  assert.ok(Math.abs(sum - total) < 5 * Math.sqrt(total * 10), `${sum} of ${total}`);
});

test('rate_limit: a log record says its weight in attributes', async () => {
  const { processor, sink } = setUp(
    { records_per_second: 10, burst: '1s', action: 'sample' });
  const logRecords = Array.from({ length: 400 }, (): LogRecord =>
    ({ ...RECORD, attributes: [text('a', 'b')] }));
  await processor.consume(Batch.fromRequest('logs', { resourceLogs: [{
    resource: undefined, schemaUrl: '',
    scopeLogs: [{ scope: undefined, logRecords, schemaUrl: '' }],
  }] }), NEVER);
  const [group] = (sink.received[0] as Batch<'logs'>).request.resourceLogs;
  const kept = group!.scopeLogs[0]!.logRecords;
  // The first ten pass as they are; of the others chance decides, less and less often.
  assert.ok(kept.length > 20 && kept.length < 80, String(kept.length));
  assert.deepEqual(kept[0]!.attributes.map(({ key }) => key), ['a']);
  assert.deepEqual(kept.at(-1)!.attributes.map(({ key }) => key),
    ['a', 'sampling.threshold', 'sampling.randomness']);
});

test('rate_limit: refuses what cannot work', () => {
  const check = (config: Config, pattern: RegExp) =>
    assert.throws(() => schema.parse(config), pattern);
  check({}, /needs one rate/);
  check({ records_per_second: 1, bytes_per_second: 1 }, /needs one rate/);
  check({ records_per_second: 0 }, /records_per_second/);
  check({ records_per_second: 1, action: 'queue' }, /action/);
});
