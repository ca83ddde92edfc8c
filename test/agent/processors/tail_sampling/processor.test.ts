// Proves tail_sampling: when traces are decided and what becomes of their spans, late ones, those
// of a process that died, and more than fit into memory. On a disk in memory that forgets what was
// not synced, and a clock that is moved by hand. Policies: policies.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  tailSamplingProcessor,
} from '../../../../agent/processors/tail_sampling/processor.ts';
import { rejected, retryable } from '../../../../proto/contract/outcome.ts';
import { checkConsumer } from '../../../contract/check_consumer.ts';
import { settle } from '../../../../runtime/manual_clock.ts';
import { inOrder, NEVER, NOW, text } from '../../../contract/fakes.ts';
import { createFaultyFiles, type FaultyFiles } from '../../../contract/faulty_files.ts';
import {
  ALWAYS_SAMPLE, idOf, send, spanOf, spansIn, startSampler, tracesOf, type Sampler,
} from './sampler.ts';

const { schema, create } = tailSamplingProcessor;
const ERRORS = { name: 'errors', type: 'status_code', status_code: { status_codes: ['ERROR'] } };
const DROPPED = 'binnacle_processor_dropped_items_total';
const LATE = 'otelcol_processor_tail_sampling_early_releases_from_cache_decision_total';

// It accepts what is in its journal: what becomes of it later is proved below.
checkConsumer({
  name: 'tail_sampling',
  signals: ['traces'],
  terminal: true,
  create: (next, context) => ({
    consumer: create(schema.parse({ policies: [ALWAYS_SAMPLE] }), context, next),
  }),
});

test('tail_sampling: a trace is decided as a whole, some time after its first span', async () => {
  const sampler = await startSampler({ decision_wait: '10s', policies: [ERRORS] });
  assert.equal(await send(sampler, spanOf(idOf(1)), spanOf(idOf(2))), 'accepted');
  await sampler.clock.advance(5000);
  await send(sampler, spanOf(idOf(1), { code: 2 }), spanOf(idOf(3)));
  assert.equal(sampler.sink.received.length, 0);
  await sampler.clock.advance(5000);
  assert.deepEqual(sampler.keptIds(), [idOf(1)]);
  assert.equal(sampler.kept().length, 2);
  assert.equal(sampler.counters.total(DROPPED, { reason: 'sampling' }), 1);
  await sampler.clock.advance(5000);
  assert.equal(sampler.counters.total(DROPPED, { reason: 'sampling' }), 2);
  await sampler.processor.stop(NEVER);
});

test('tail_sampling: spans keep their resource and scope', async () => {
  const sampler = await startSampler({ decision_wait: '1s' });
  const attributes = [text('service.name', 'shop')];
  const batch = tracesOf([spanOf(idOf(1)), spanOf(idOf(2))], attributes);
  await sampler.processor.consume(batch, NEVER);
  await settle();
  await sampler.clock.advance(1000);
  const [group] = (sampler.sink.received[0] as typeof batch).request.resourceSpans;
  assert.deepEqual(group!.resource!.attributes, attributes);
  assert.deepEqual(spansIn(sampler.sink.received[0] as typeof batch), spansIn(batch));
  await sampler.processor.stop(NEVER);
});

test('tail_sampling: a root span can bring the decision forward', async () => {
  const sampler = await startSampler({
    decision_wait: '30s', decision_wait_after_root_received: '2s',
  });
  await send(sampler, spanOf(idOf(1)), spanOf(idOf(2)));
  await sampler.clock.advance(3000);
  await send(sampler, spanOf(idOf(2), { parentSpanId: '' }));
  await sampler.clock.advance(2000);
  assert.deepEqual(sampler.keptIds(), [idOf(2)]);
  await sampler.clock.advance(25_000);
  assert.deepEqual(sampler.keptIds(), [idOf(1), idOf(2)]);
  await sampler.processor.stop(NEVER);
});

test('tail_sampling: late spans follow the decision', async () => {
  const sampler = await startSampler({ decision_wait: '1s', policies: [ERRORS] });
  await send(sampler, spanOf(idOf(1), { code: 2 }), spanOf(idOf(2)));
  await sampler.clock.advance(2000);
  assert.equal(sampler.kept().length, 1);
  await send(sampler, spanOf(idOf(1)), spanOf(idOf(2), { code: 2 }));
  await settle();
  assert.deepEqual(sampler.kept().map(({ traceId }) => traceId), [idOf(1), idOf(1)]);
  assert.equal(sampler.counters.total(LATE, { sampled: 'true' }), 1);
  assert.equal(sampler.counters.total(LATE, { sampled: 'false' }), 1);
  assert.equal(sampler.counters.total(DROPPED), 2);
  await sampler.processor.stop(NEVER);
});

test('tail_sampling: decisions are remembered up to the size of their cache', async () => {
  const check = async (sizes: object, sampled: boolean, want: number) => {
    const sampler = await startSampler({
      decision_wait: '1s', decision_cache: sizes, policies: [ERRORS],
    });
    const spans = Array.from({ length: 20 }, (_, number) =>
      spanOf(idOf(number + 1), sampled ? { code: 2 } : {}));
    for (const span of spans) await send(sampler, span);
    await sampler.clock.advance(2000);
    for (const { traceId } of spans) await send(sampler, spanOf(traceId));
    const remembered = sampler.counters.total(LATE, { sampled: String(sampled) });
    // What is asked for stays, and others go: at least half of the size, at most all of it.
    assert.ok(remembered >= want / 2 && remembered <= want, `${remembered} of ${want}`);
    await sampler.processor.stop(NEVER);
  };
  await check({ sampled_cache_size: 4 }, true, 4);
  await check({ sampled_cache_size: 4 }, false, 20);
  await check({ non_sampled_cache_size: 4 }, false, 4);
  await check({ non_sampled_cache_size: 4 }, true, 20);
});

test('tail_sampling: what is refused for now is handed on again; for good, it is counted',
  async () => {
    const sampler = await startSampler({ decision_wait: '1s' });
    sampler.sink.answer(inOrder(retryable('full'), retryable('full'), rejected('never')));
    await send(sampler, spanOf(idOf(1)), spanOf(idOf(1)));
    await sampler.clock.advance(30_000);
    assert.equal(sampler.sink.received.length, 3);
    assert.equal(sampler.counters.total('binnacle_processor_lost_items_total',
      { reason: 'refused' }), 2);
    await sampler.processor.stop(NEVER);
  });

test('tail_sampling: what waits survives a crash, and is decided after it', async () => {
  const disk = createFaultyFiles(5);
  const before = await startSampler({ decision_wait: '10s', policies: [ERRORS] }, { disk });
  assert.equal(await send(before, spanOf(idOf(1), { code: 2 }), spanOf(idOf(2))), 'accepted');
  assert.equal(await send(before, spanOf(idOf(1)), spanOf(idOf(3), { code: 2 })), 'accepted');
  disk.crash();
  const after = await startSampler({ decision_wait: '10s', policies: [ERRORS] }, { disk });
  await send(after, spanOf(idOf(2), { code: 2 }));
  await after.clock.advance(10_000);
  assert.deepEqual(after.keptIds(), [idOf(1), idOf(2), idOf(3)]);
  assert.equal(after.kept().length, 5);
  await after.processor.stop(NEVER);
  const empty = await startSampler({ decision_wait: '1s' }, { disk });
  await empty.clock.advance(2000);
  assert.deepEqual(empty.keptIds(), []);
  await empty.processor.stop(NEVER);
});

test('tail_sampling: what was handed on before a crash is not handed on again', async () => {
  const disk = createFaultyFiles(6);
  const config = { decision_wait: '10s' };
  const before = await startSampler(config, { disk });
  await send(before, spanOf(idOf(1)));
  await before.clock.advance(6000);
  // The same batch has spans of a trace that is decided and of one that waits on.
  await send(before, spanOf(idOf(1)), spanOf(idOf(2)));
  await before.clock.advance(4000);
  assert.deepEqual(before.keptIds(), [idOf(1)]);
  await send(before, spanOf(idOf(1)));
  assert.equal(before.kept().length, 3);
  disk.crash();
  const after = await startSampler(config, { disk });
  await after.clock.advance(1000);
  assert.deepEqual(after.keptIds(), []);
  // The decision is still known.
  await send(after, spanOf(idOf(1)));
  assert.deepEqual(after.keptIds(), [idOf(1)]);
  await after.clock.advance(10_000);
  assert.deepEqual(after.keptIds(), [idOf(1), idOf(2)]);
  assert.equal(after.kept().length, 2);
  await after.processor.stop(NEVER);
});

interface Life {
  sampler: Sampler | null;
  /** Names of spans that were accepted. */
  readonly accepted: string[];
}

async function live(life: Life, disk: FaultyFiles): Promise<void> {
  const sampler = await startSampler({ decision_wait: '2s' }, { disk });
  life.sampler = sampler;
  for (let number = 1; number <= 6; number++) {
    const spans = [spanOf(idOf(number)), spanOf(idOf(100 + (number % 3)))];
    const outcome = await sampler.processor.consume(tracesOf(spans), NEVER);
    if (outcome.status === 'accepted') life.accepted.push(...spans.map(({ name }) => name));
    await sampler.clock.advance(700);
  }
}

test('tail_sampling: a crash at any operation loses no accepted span', async () => {
  const counting = createFaultyFiles(1);
  const first: Life = { sampler: null, accepted: [] };
  await live(first, counting);
  await first.sampler!.processor.stop(NEVER);
  const operations = counting.operations();
  assert.ok(operations > 20, String(operations));
  for (let number = 0; number < operations; number += 1) {
    const disk = createFaultyFiles(number);
    disk.crashAt(number);
    const life: Life = { sampler: null, accepted: [] };
    let isOver = false;
    const work = live(life, disk).then(() => {
      isOver = true;
    });
    const crash = (async () => {
      while (!disk.crashed() && !isOver) await new Promise((resolve) => setImmediate(resolve));
      await settle();
    })();
    await Promise.race([work, crash]);
    const delivered = new Set(life.sampler?.kept().map(({ name }) => name));
    disk.crash();
    const after = await startSampler({ decision_wait: '2s' }, { disk });
    await after.clock.advance(3000);
    for (const { name } of after.kept()) delivered.add(name);
    assert.deepEqual(life.accepted.filter((name) => !delivered.has(name)), [],
      `operation ${number}`);
    await after.processor.stop(NEVER);
  }
});

test('tail_sampling: more than fits into memory is read back from the disk', async () => {
  const sampler = await startSampler({ decision_wait: '2s', memory_limit: '1MiB' });
  const filler = [text('filler', 'x'.repeat(2000))];
  for (let round = 0; round < 30; round++) {
    const spans = Array.from({ length: 100 }, (_, index) =>
      spanOf(idOf(index), { attributes: filler }));
    assert.equal(await send(sampler, ...spans), 'accepted');
  }
  const memory = () => sampler.counters.series()
    .find(({ name }) => name === 'binnacle_tail_sampling_memory_bytes')!.value;
  assert.ok(memory() <= 1024 * 1024, String(memory()));
  await sampler.clock.advance(3000);
  await settle();
  assert.equal(sampler.kept().length, 3000);
  assert.ok(sampler.sink.received.length > 1);
  assert.equal(memory(), 0);
  await sampler.processor.stop(NEVER);
});

test('tail_sampling: too many traces: the oldest are decided early, or senders wait', async () => {
  const sampler = await startSampler({ decision_wait: '10s', num_traces: 2 });
  await send(sampler, spanOf(idOf(1)), spanOf(idOf(2)));
  await send(sampler, spanOf(idOf(3)));
  await settle();
  assert.deepEqual(sampler.keptIds(), [idOf(1)]);
  const early = 'binnacle_tail_sampling_early_decisions_total';
  assert.equal(sampler.counters.total(early, { reason: 'traces' }), 1);
  await sampler.processor.stop(NEVER);

  const blocking = await startSampler(
    { decision_wait: '10s', num_traces: 2, block_on_overflow: true });
  await send(blocking, spanOf(idOf(1)), spanOf(idOf(2)));
  const abort = new AbortController();
  const given = blocking.processor.consume(tracesOf([spanOf(idOf(3))]), abort.signal);
  abort.abort();
  assert.equal((await given).status, 'retryable');
  const waiting = blocking.processor.consume(tracesOf([spanOf(idOf(3))]), NEVER);
  await blocking.clock.advance(10_000);
  assert.equal((await waiting).status, 'accepted');
  assert.deepEqual(blocking.keptIds(), [idOf(1), idOf(2)]);
  await blocking.processor.stop(NEVER);
});

test('tail_sampling: the table is bounded by memory_limit, too', async () => {
  const sampler = await startSampler({ memory_limit: '1MiB', num_traces: 1_000_000 });
  for (let round = 0; round < 40; round++) {
    await send(sampler, ...Array.from({ length: 100 }, (_, index) =>
      spanOf(idOf(round * 100 + index))));
  }
  const early = 'binnacle_tail_sampling_early_decisions_total';
  assert.ok(sampler.counters.total(early, { reason: 'memory' }) > 0);
  // What comes after must wait until they are handed on.
  sampler.sink.answer(retryable('full'));
  let refused = 0;
  for (let round = 0; round < 40; round++) {
    const status = await send(sampler, ...Array.from({ length: 100 }, (_, index) =>
      spanOf(idOf(10_000 + round * 100 + index))));
    if (status === 'retryable') refused += 1;
  }
  assert.ok(refused > 0);
  await sampler.processor.stop(NOW);
});

test('tail_sampling: a trace that grows too large is dropped', async () => {
  const sampler = await startSampler({ decision_wait: '1s', maximum_trace_size_bytes: 500 });
  const large = { attributes: [text('filler', 'x'.repeat(400))] };
  await send(sampler, spanOf(idOf(1)), spanOf(idOf(2), large));
  await send(sampler, spanOf(idOf(2), large), spanOf(idOf(1)));
  await sampler.clock.advance(1000);
  assert.deepEqual(sampler.keptIds(), [idOf(1)]);
  assert.equal(sampler.counters.total(DROPPED, { reason: 'too_large' }), 2);
  await sampler.processor.stop(NEVER);
});

test('tail_sampling: a stop decides, drops or keeps what waits', async () => {
  const check = async (config: object, kept: number, dropped: number, later: number) => {
    const disk = createFaultyFiles(8);
    const sampler = await startSampler({ decision_wait: '10s', ...config }, { disk });
    await send(sampler, spanOf(idOf(1)));
    await sampler.processor.stop(NEVER);
    const says = sampler.log.lines.some(({ message }) => message.includes('next start'));
    assert.equal(says, later > 0);
    assert.equal(sampler.kept().length, kept);
    assert.equal(sampler.counters.total(DROPPED, { reason: 'shutdown' }), dropped);
    const next = await startSampler({ decision_wait: '1s' }, { disk });
    await next.clock.advance(1000);
    assert.equal(next.kept().length, later);
    await next.processor.stop(NEVER);
  };
  await check({}, 1, 0, 0);
  await check({ drop_pending_traces_on_shutdown: true }, 0, 1, 0);
  await check({ keep_pending_traces_on_shutdown: true }, 0, 0, 1);
});

test('tail_sampling: a stop whose deadline is over leaves the rest on disk', async () => {
  const disk = createFaultyFiles(9);
  const sampler = await startSampler({ decision_wait: '10s' }, { disk });
  sampler.sink.answer(retryable('full'));
  await send(sampler, spanOf(idOf(1)));
  await sampler.processor.stop(NOW);
  const next = await startSampler({ decision_wait: '1s' }, { disk });
  await next.clock.advance(1000);
  assert.deepEqual(next.keptIds(), [idOf(1)]);
  await next.processor.stop(NEVER);
});

test('tail_sampling: span-ingest decides as soon as a part is enough', async () => {
  const sampler = await startSampler({
    decision_wait: '10s', sampling_strategy: 'span-ingest', policies: [ERRORS],
  });
  await send(sampler, spanOf(idOf(1)), spanOf(idOf(2)));
  assert.equal(sampler.kept().length, 0);
  await send(sampler, spanOf(idOf(1), { code: 2 }));
  assert.deepEqual(sampler.keptIds(), [idOf(1)]);
  assert.equal(sampler.kept().length, 2);
  await sampler.clock.advance(10_000);
  assert.deepEqual(sampler.keptIds(), [idOf(1)]);
  assert.equal(sampler.counters.total(DROPPED, { reason: 'sampling' }), 1);
  await sampler.processor.stop(NEVER);
});

test('tail_sampling: a batch that the disk has damaged is counted, and no other lost', async () => {
  const disk = createFaultyFiles(10);
  const config = { decision_wait: '2s', memory_limit: '1MiB' };
  const sampler = await startSampler(config, { disk });
  const filler = { attributes: [text('filler', 'x'.repeat(600_000))] };
  for (const number of [1, 2, 3]) await send(sampler, spanOf(idOf(number), filler));
  const segment = disk.paths().find((path) => path.endsWith('.seg'))!;
  disk.damage(segment, (bytes) => {
    bytes[bytes.length - 1000]! ^= 1;
    return bytes;
  });
  await sampler.clock.advance(2000);
  assert.deepEqual(sampler.keptIds(), [idOf(1), idOf(2)]);
  assert.equal(sampler.counters.total('binnacle_processor_lost_items_total',
    { reason: 'damaged' }), 1);
  await sampler.processor.stop(NEVER);
});

test('tail_sampling: what waits lies where storage says, sealed with its key', async () => {
  const disk = createFaultyFiles(11);
  const key = Buffer.alloc(32, 7);
  const storage = () => ({ directory: '/elsewhere', keys: () => [key] });
  const config = { decision_wait: '2s', storage: 'file_storage' };
  const sampler = await startSampler(config, { disk, storage });
  await send(sampler, spanOf(idOf(1), { name: 'nobody reads this' }));
  const segments = disk.paths().filter((path) => path.endsWith('.seg'));
  assert.ok(segments.length > 0);
  for (const path of segments) {
    assert.match(path, /^\/elsewhere\/processor\/tail_sampling\/traces\/journal\//);
    assert.ok(!disk.content(path)!.includes('nobody reads this'));
  }
  disk.crash();
  const after = await startSampler(config, { disk, storage });
  await after.clock.advance(2000);
  assert.deepEqual(after.kept().map(({ name }) => name), ['nobody reads this']);
  await after.processor.stop(NEVER);
});
