// The memory limiter: when it refuses, when it collects garbage, and which settings it wants. The
// memory of the process is a number that the test sets; time is moved by hand.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createMemoryLimiter, memoryLimiterProcessor,
} from '../../../agent/processors/memory_limiter.ts';
import { ACCEPTED, retryable } from '../../../proto/contract/outcome.ts';
import { createWorld } from '../../../runtime/world.ts';
import { checkConsumer } from '../../contract/check_consumer.ts';
import {
  createManualClock, createRecordingLog, createSink, makeBatch, NEVER, testContext,
} from '../../contract/fakes.ts';

const MIB = 1024 * 1024;
const SETTINGS = { check_interval: '1s', limit_mib: 100 };

function build(settings: object, collectable = 0) {
  const clock = createManualClock();
  const sink = createSink();
  const log = createRecordingLog();
  const process = { usedMib: 10, totalMib: 1000, collections: 0 };
  const context = testContext({ id: 'memory_limiter', log, world: { ...createWorld(), clock } });
  const memory = {
    usedBytes: () => process.usedMib * MIB,
    totalBytes: () => process.totalMib * MIB,
    collect: () => {
      process.collections += 1;
      process.usedMib -= collectable;
      return true;
    },
  };
  const config = memoryLimiterProcessor.schema.parse({ ...SETTINGS, ...settings });
  const limiter = createMemoryLimiter(config, context, sink, memory);
  const consume = () => limiter.consume(makeBatch('logs', 3), NEVER);
  return { clock, sink, log, process, limiter, consume, counters: context.counters };
}

checkConsumer({
  name: 'memory_limiter',
  create: (next, context) => ({
    consumer: memoryLimiterProcessor.create(
      memoryLimiterProcessor.schema.parse({ check_interval: '5ms', limit_mib: 100_000 }),
      context, next),
  }),
});

test('memory_limiter: refuses above the soft limit and takes again below it', async () => {
  const { clock, log, process, limiter, consume, counters } = build({});
  await limiter.start();
  assert.deepEqual(await consume(), ACCEPTED);
  process.usedMib = 80;
  await clock.advance(1000);
  assert.deepEqual(await consume(), ACCEPTED, 'the soft limit itself is not above it');
  process.usedMib = 81;
  assert.deepEqual(await consume(), ACCEPTED, 'nobody has looked yet');
  await clock.advance(1000);
  assert.deepEqual(await consume(), retryable('memory is above the soft limit', 1000));
  assert.equal(counters.total('otelcol_processor_refused_log_records_total'), 3);
  process.usedMib = 79;
  await clock.advance(1000);
  assert.deepEqual(await consume(), ACCEPTED);
  assert.deepEqual(log.lines.map(({ level }) => level), ['warn', 'info']);
  await limiter.stop(NEVER);
  assert.equal(clock.pending(), 0);
});

test('memory_limiter: a start above the limit refuses at once', async () => {
  const { process, limiter, consume } = build({});
  process.usedMib = 99;
  await limiter.start();
  assert.equal((await consume()).status, 'retryable');
  await limiter.stop(NEVER);
});

test('memory_limiter: limits from a percentage and a spike limit', async () => {
  const check = async (settings: object, softMib: number) => {
    const { clock, process, limiter, consume } = build({ limit_mib: 0, ...settings });
    await limiter.start();
    for (const [usedMib, want] of [[softMib, 'accepted'], [softMib + 1, 'retryable']] as const) {
      process.usedMib = usedMib;
      await clock.advance(1000);
      assert.equal((await consume()).status, want, `${JSON.stringify(settings)} ${usedMib}`);
    }
    await limiter.stop(NEVER);
  };
  await check({ limit_percentage: 50 }, 400);
  await check({ limit_percentage: 50, spike_limit_percentage: 20 }, 300);
  await check({ limit_mib: 100, spike_limit_mib: 30 }, 70);
});

test('memory_limiter: garbage is collected at most once per interval, more often above the hard '
  + 'limit', async () => {
  const { clock, process, limiter } = build({});
  await limiter.start();
  process.usedMib = 90;
  await clock.advance(10_000);
  assert.equal(process.collections, 1, 'soft: at once, then after 10 s');
  process.usedMib = 101;
  await clock.advance(3000);
  assert.equal(process.collections, 4, 'hard: at every look');
  await limiter.stop(NEVER);
});

test('memory_limiter: the time between two collections is that of the configuration', async () => {
  const { clock, process, limiter } = build({
    min_gc_interval_when_soft_limited: '3s', min_gc_interval_when_hard_limited: '2s',
  });
  await limiter.start();
  process.usedMib = 90;
  await clock.advance(9000);
  assert.equal(process.collections, 3, 'soft: after 1, 4 and 7 s');
  process.usedMib = 101;
  await clock.advance(4000);
  assert.equal(process.collections, 5, 'hard: after 10 and 12 s');
  await limiter.stop(NEVER);
});

test('memory_limiter: what a collection frees is not refused', async () => {
  const { clock, log, process, limiter, consume } = build({}, 50);
  await limiter.start();
  process.usedMib = 110;
  await clock.advance(1000);
  assert.deepEqual(await consume(), ACCEPTED);
  assert.deepEqual(log.lines, []);
  await limiter.stop(NEVER);
});

test('memory_limiter: wrong settings are told', () => {
  const check = (settings: object, ...want: string[]) => {
    const { error } = memoryLimiterProcessor.schema.safeParse(settings);
    assert.deepEqual(error?.issues.map((issue) => issue.path.join('.')).sort(), want);
  };
  check({}, '', 'check_interval');
  check({ check_interval: '1s' }, '');
  check({ check_interval: '1s', limit_mib: 10, spike_limit_mib: 10 }, 'spike_limit_mib');
  check({ check_interval: '1s', limit_percentage: 50, spike_limit_percentage: 60 },
    'spike_limit_percentage');
  check({ check_interval: '1s', limit_percentage: 150 }, 'limit_percentage');
});
