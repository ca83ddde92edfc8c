// Proves log_dedup: which records become one, what is sent of them and when, and that nothing that
// was accepted is lost: in a crash at any operation of the disk, with a pipeline that is full, at
// the limit of memory. On a disk in memory and a clock that is moved by hand.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logDedupProcessor } from '../../../agent/processors/log_dedup/processor.ts';
import { parseField, valueAt, without } from '../../../agent/processors/log_dedup/fields.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import { rejected, retryable } from '../../../proto/contract/outcome.ts';
import type { AnyValue, KeyValue, LogRecord } from '../../../proto/otlp/model.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { createSeededRandom } from '../../../runtime/random.ts';
import { createWorld } from '../../../runtime/world.ts';
import { checkConsumer } from '../../contract/check_consumer.ts';
import { settle } from '../../../runtime/manual_clock.ts';
import {
  createManualClock, createSink, inOrder, makeBatch, NEVER, testContext, text,
} from '../../contract/fakes.ts';
import { createFaultyFiles, type FaultyFiles } from '../../contract/faulty_files.ts';

const { schema, create } = logDedupProcessor;
type Config = Record<string, unknown>;

// It accepts what is in its journal: what becomes of it later is proved below.
checkConsumer({
  name: 'log_dedup',
  signals: ['logs'],
  terminal: true,
  create: (next, context) => ({ consumer: create(schema.parse({}), context, next) }),
});

// What it has nothing to do with is handed on, and the verdict travels.
checkConsumer({
  name: 'log_dedup: no condition holds',
  signals: ['logs'],
  create: (next, context) => ({
    consumer: create(schema.parse({ conditions: ['log.body == "none"'] }), context, next),
  }),
});

let seeds = 0;

async function startDedup(config: Config, disk = createFaultyFiles(1)) {
  const clock = createManualClock();
  const counters = createCounters();
  const sink = createSink();
  const context = testContext({
    world: { ...createWorld(), clock, files: disk.files, random: createSeededRandom(++seeds) },
    counters, folder: '/processor/log_dedup/logs',
  });
  const processor = create(schema.parse({ interval: '10s', ...config }), context, sink);
  await processor.start();
  const records = () => sink.deliveries.filter(({ outcome }) => outcome.status === 'accepted')
    .flatMap(({ batch }) => (batch as Batch<'logs'>).request.resourceLogs
      .flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords)));
  /** By body, how many records each stands for. */
  const counts = (): Record<string, number> => {
    const found: Record<string, number> = {};
    for (const { body, attributes } of records()) {
      const name = String(body?.value);
      const count = attributes.find(({ key }) => key === 'log_count')?.value.value ?? 1;
      found[name] = (found[name] ?? 0) + Number(count);
    }
    return found;
  };
  return { processor, clock, sink, counters, disk, records, counts };
}

type Dedup = Awaited<ReturnType<typeof startDedup>>;

const RECORD = makeBatch('logs', 1).request.resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!;

function logsOf(records: readonly Partial<LogRecord>[], resource: readonly KeyValue[] = []) {
  const logRecords = records.map((one) => ({ ...RECORD, attributes: [], ...one }));
  return Batch.fromBytes('logs', Batch.fromRequest('logs', { resourceLogs: [{
    resource: { attributes: resource, droppedAttributesCount: 0, entityRefs: [] }, schemaUrl: '',
    scopeLogs: [{ scope: undefined, logRecords, schemaUrl: '' }],
  }] }).bytes);
}

const say = (body: string): Partial<LogRecord> => ({ body: { type: 'string', value: body } });

async function send({ processor }: Dedup, ...bodies: readonly string[]): Promise<string> {
  const { status } = await processor.consume(logsOf(bodies.map(say)), NEVER);
  await settle();
  return status;
}

test('log_dedup: one record for those that say the same, with their number', async () => {
  const dedup = await startDedup({ timezone: 'America/New_York' });
  assert.equal(await send(dedup, 'a', 'b', 'a'), 'accepted');
  await dedup.clock.advance(4000);
  await send(dedup, 'a');
  assert.equal(dedup.sink.received.length, 0);
  await dedup.clock.advance(6000);
  assert.deepEqual(dedup.counts(), { a: 3, b: 1 });
  const [first] = dedup.records();
  const said = first!.attributes.map(({ key, value }) => [key, value.value]);
  assert.deepEqual(Object.fromEntries(said),
    {
      log_count: 3n,
      first_observed_timestamp: '2025-12-31T19:00:00-05:00',
      last_observed_timestamp: '2025-12-31T19:00:04-05:00',
    });
  const startNs = BigInt(Date.UTC(2026, 0, 1)) * 1_000_000n;
  assert.equal(first!.timeUnixNano, startNs + 10_000_000_000n);
  assert.equal(first!.observedTimeUnixNano, startNs);
  // Then it begins anew.
  await send(dedup, 'a');
  await dedup.clock.advance(10_000);
  assert.deepEqual(dedup.counts(), { a: 4, b: 1 });
  await dedup.processor.stop(NEVER);
});

test('log_dedup: what records say, and where, makes them differ', async () => {
  const dedup = await startDedup({ log_count_attribute: 'n' });
  const check = async (
    one: Partial<LogRecord>, other: Partial<LogRecord>, records: number, resource?: KeyValue[],
  ) => {
    const before = dedup.records().length;
    await dedup.processor.consume(logsOf([one]), NEVER);
    await dedup.processor.consume(logsOf([other], resource), NEVER);
    await settle();
    await dedup.clock.advance(10_000);
    assert.equal(dedup.records().length - before, records, JSON.stringify(other.body));
  };
  await check(say('a'), { ...say('a'), timeUnixNano: 5n, traceId: 'ff'.repeat(16) }, 1);
  await check(say('a'), { ...say('a'), severityText: 'WARN' }, 2);
  await check(say('a'), { ...say('a'), attributes: [text('k', 'v')] }, 2);
  await check(say('a'), say('a'), 2, [text('service.name', 'other')]);
  await check({ attributes: [text('a', '1'), text('b', '2')] },
    { attributes: [text('b', '2'), text('a', '1')] }, 1);
  await check({ body: { type: 'int', value: 1n } }, { body: { type: 'string', value: '1' } }, 2);
  await dedup.processor.stop(NEVER);
});

const map = (pairs: Record<string, AnyValue>): AnyValue =>
  ({ type: 'kvlist', value: Object.entries(pairs).map(([key, value]) => ({ key, value })) });
const string = (value: string): AnyValue => ({ type: 'string', value });

test('log_dedup: fields that do not count, and those that alone do', async () => {
  const bodyOf = (time: string) => ({ body: map({ time: string(time), text: string('x') }) });
  const excluding = await startDedup({ exclude_fields: ['body.time', 'attributes.host\\.name'] });
  await excluding.processor.consume(logsOf([
    { ...bodyOf('1'), attributes: [text('host.name', 'a')] },
    { ...bodyOf('2'), attributes: [text('host.name', 'b')] },
  ]), NEVER);
  await settle();
  await excluding.clock.advance(10_000);
  assert.equal(excluding.records().length, 1);
  assert.deepEqual(excluding.records()[0]!.body, map({ text: string('x') }));
  await excluding.processor.stop(NEVER);

  const including = await startDedup({ include_fields: ['attributes.id'] });
  await including.processor.consume(logsOf([
    { ...say('a'), attributes: [text('id', '1')] }, { ...say('b'), attributes: [text('id', '1')] },
    { ...say('c'), attributes: [text('id', '2')] }, say('d'), say('e'),
  ]), NEVER);
  await settle();
  await including.clock.advance(10_000);
  assert.deepEqual(including.counts(), { a: 2, c: 1, d: 1, e: 1 });
  await including.processor.stop(NEVER);
});

test('log_dedup: fields are read as they are written', () => {
  const record = { ...RECORD, body: map({ 'a.b': map({ c: string('x') }) }),
    attributes: [text('k.l', 'v')] };
  const at = (field: string) => valueAt(record, parseField(field)!)?.value;
  assert.equal(at('body.a\\.b.c'), 'x');
  assert.equal(at('body.a.b'), undefined);
  assert.equal(at('attributes.k\\.l'), 'v');
  assert.deepEqual(without(record, [parseField('body.a\\.b.c')!]).body, map({ 'a.b': map({}) }));
  assert.equal(without(record, [parseField('body.no')!]), record);
  for (const broken of ['', 'resource.a', 'attributes', 'body.', 'body..a']) {
    assert.equal(parseField(broken), null, broken);
  }
});

test('log_dedup: only what a condition asks for is gathered', async () => {
  const dedup = await startDedup({ conditions: ['log.body == "a"', 'log.severity_number > 16'] });
  await send(dedup, 'a', 'b', 'a', 'c');
  assert.deepEqual(dedup.counts(), { b: 1, c: 1 });
  await dedup.clock.advance(10_000);
  assert.deepEqual(dedup.counts(), { a: 2, b: 1, c: 1 });
  await dedup.processor.stop(NEVER);
});

test('log_dedup: what is refused for now is handed on again; for good, it is counted', async () => {
  const dedup = await startDedup({});
  dedup.sink.answer(inOrder(retryable('full'), retryable('full'), rejected('never')));
  await send(dedup, 'a', 'a', 'b');
  await dedup.clock.advance(30_000);
  assert.equal(dedup.counters.total('binnacle_processor_lost_items_total'), 2);
  dedup.sink.answer({ status: 'accepted', rejected: 0 });
  await send(dedup, 'c');
  await dedup.clock.advance(10_000);
  assert.deepEqual(dedup.counts(), { c: 1 });
  await dedup.processor.stop(NEVER);
});

test('log_dedup: at the limit of memory what was gathered goes early', async () => {
  const dedup = await startDedup({ memory_limit: '64KiB' });
  for (let round = 0; round < 10; round++) {
    await send(dedup, ...Array.from({ length: 20 }, (_, index) => `${round} ${index}`));
  }
  assert.ok(dedup.records().length >= 50, String(dedup.records().length));
  await dedup.processor.stop(NEVER);
  assert.equal(dedup.records().length, 200);
});

test('log_dedup: a crash keeps what was accepted, and repeats nothing that was handed on',
  async () => {
    const disk = createFaultyFiles(3);
    const before = await startDedup({}, disk);
    await send(before, 'a', 'a');
    await before.clock.advance(10_000);
    await send(before, 'b', 'b', 'b');
    disk.crash();
    const after = await startDedup({}, disk);
    await send(after, 'b');
    await after.clock.advance(10_000);
    assert.deepEqual(before.counts(), { a: 2 });
    assert.deepEqual(after.counts(), { b: 4 });
    await after.processor.stop(NEVER);
  });

test('log_dedup: a crash at any operation loses no accepted record', async () => {
  const live = async (disk: FaultyFiles, accepted: Record<string, number>, begun: Dedup[]) => {
    const dedup = await startDedup({ interval: '1s' }, disk);
    begun.push(dedup);
    for (let round = 0; round < 5; round++) {
      const outcome = await dedup.processor.consume(logsOf([say('x'), say(`${round}`)]), NEVER);
      if (outcome.status === 'accepted') {
        for (const name of ['x', `${round}`]) accepted[name] = (accepted[name] ?? 0) + 1;
      }
      await dedup.clock.advance(600);
    }
  };
  const counting = createFaultyFiles(1);
  const first: Dedup[] = [];
  await live(counting, {}, first);
  await first[0]!.processor.stop(NEVER);
  for (let number = 0; number < counting.operations(); number++) {
    const disk = createFaultyFiles(number);
    disk.crashAt(number);
    const accepted: Record<string, number> = {};
    const begun: Dedup[] = [];
    let isOver = false;
    const work = live(disk, accepted, begun).then(() => {
      isOver = true;
    });
    while (!disk.crashed() && !isOver) await new Promise((resolve) => setImmediate(resolve));
    await settle();
    if (isOver) await work;
    disk.crash();
    const after = await startDedup({ interval: '1s' }, disk);
    await after.clock.advance(1000);
    const earlier = begun[0]?.counts() ?? {};
    const later = after.counts();
    for (const [name, count] of Object.entries(accepted)) {
      const arrived = (earlier[name] ?? 0) + (later[name] ?? 0);
      assert.ok(arrived >= count, `operation ${number}: ${name} ${arrived} of ${count}`);
    }
    await after.processor.stop(NEVER);
  }
});

test('log_dedup: a stop hands on what was gathered', async () => {
  const dedup = await startDedup({});
  await send(dedup, 'a', 'a');
  await dedup.processor.stop(NEVER);
  assert.deepEqual(dedup.counts(), { a: 2 });
});

test('log_dedup: refuses what cannot work', () => {
  const check = (config: Config, pattern: RegExp) =>
    assert.throws(() => schema.parse(config), pattern);
  check({ include_fields: ['body'], exclude_fields: ['attributes.a'] }, /contradicts/);
  check({ exclude_fields: ['body'] }, /whole body/);
  check({ include_fields: ['resource.a'] }, /no field/);
  check({ timezone: 'Nowhere' }, /time zone/);
  check({ conditions: ['log.body =='] }, /conditions/);
  check({ metadata_keys: ['a'] }, /metadata_keys/);
});
