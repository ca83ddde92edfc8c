// Proves probabilistic_sampler: which spans and records pass in each mode, by cases that the
// Collector documents; that thresholds in tracestates and attributes make weighted counts come out
// right, also behind other samplers; and the contract.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  probabilisticSamplerProcessor,
} from '../../../agent/processors/probabilistic_sampler.ts';
import { probabilityOf } from '../../../agent/processors/sampling/threshold.ts';
import { parseTraceState } from '../../../agent/processors/sampling/trace_state.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import type { AnyValue, LogRecord, Span } from '../../../proto/otlp/model.ts';
import { createSeededRandom } from '../../../runtime/random.ts';
import { checkConsumer } from '../../contract/check_consumer.ts';
import { createSink, makeBatch, NEVER, testContext, text } from '../../contract/fakes.ts';

const { schema, create } = probabilisticSamplerProcessor;

for (const mode of ['hash_seed', 'proportional', 'equalizing']) {
  checkConsumer({
    name: `probabilistic_sampler: ${mode}`,
    signals: ['traces'],
    create: (next, context) => ({
      consumer: create(schema.parse({ mode, sampling_percentage: 100 }), context, next),
    }),
  });
}

checkConsumer({
  name: 'probabilistic_sampler: logs',
  signals: ['logs'],
  create: (next, context) => ({
    consumer: create(schema.parse({ sampling_percentage: 100, fail_closed: false }), context, next),
  }),
});

const SPAN = makeBatch('traces', 1).request.resourceSpans[0]!.scopeSpans[0]!.spans[0]!;
const RECORD = makeBatch('logs', 1).request.resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!;

const tracesOf = (spans: readonly Span[]) => Batch.fromRequest('traces', {
  resourceSpans: [{
    resource: undefined, schemaUrl: '',
    scopeSpans: [{ scope: undefined, spans, schemaUrl: '' }],
  }],
});
const logsOf = (logRecords: readonly LogRecord[]) => Batch.fromRequest('logs', {
  resourceLogs: [{
    resource: undefined, schemaUrl: '',
    scopeLogs: [{ scope: undefined, logRecords, schemaUrl: '' }],
  }],
});

type Config = Record<string, unknown>;

async function sampleSpans(config: Config, spans: readonly Span[]): Promise<Span[]> {
  const sink = createSink();
  const processor = create(schema.parse(config), testContext(), sink);
  assert.equal((await processor.consume(tracesOf(spans), NEVER)).status, 'accepted');
  return sink.received.flatMap((batch) => (batch as Batch<'traces'>).request.resourceSpans
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
}

async function sampleRecords(config: Config, records: readonly LogRecord[]): Promise<LogRecord[]> {
  const sink = createSink();
  const processor = create(schema.parse(config), testContext(), sink);
  assert.equal((await processor.consume(logsOf(records), NEVER)).status, 'accepted');
  return sink.received.flatMap((batch) => (batch as Batch<'logs'>).request.resourceLogs
    .flatMap(({ scopeLogs }) => scopeLogs.flatMap((scope) => scope.logRecords)));
}

/** The tracestate of the span that comes out; null when none does. */
async function stateOf(config: Config, span: Partial<Span>): Promise<string | null> {
  const [kept] = await sampleSpans(config, [{ ...SPAN, ...span }]);
  return kept?.traceState ?? null;
}

const HALF = 'fefefefefefefefefe80000000000000';

test('probabilistic_sampler: proportional multiplies thresholds', async () => {
  const check = async (percent: number, traceState: string, want: string | null) =>
    assert.equal(await stateOf({ mode: 'proportional', sampling_percentage: percent },
      { traceId: HALF, traceState }), want, `${percent} ${traceState}`);
  await check(100, '', 'ot=th:0');
  await check(50, '', 'ot=th:8');
  await check(49, '', null);
  await check(0, '', null);
  await check(150, '', 'ot=th:0');
  await check(1, 'ot=rv:FD70A3D70A3D71', 'ot=th:fd70a;rv:fd70a3d70a3d71');
  await check(50, 'ot=th:8;rv:c0000000000000', 'ot=th:c;rv:c0000000000000');
  await check(50, 'ot=th:8;rv:b0000000000000', null);
  await check(100, 'ot=th:8', 'ot=th:8');
  await check(50, 'vendor=x,ot=other:1', 'ot=th:8;other:1,vendor=x');
});

test('probabilistic_sampler: equalizing leaves what was sampled more before', async () => {
  const check = async (percent: number, traceState: string, want: string | null) =>
    assert.equal(await stateOf({ mode: 'equalizing', sampling_percentage: percent },
      { traceId: 'a'.repeat(18) + 'f'.repeat(14), traceState }), want, `${percent} ${traceState}`);
  await check(50, '', 'ot=th:8');
  await check(50, 'ot=th:c', 'ot=th:c');
  await check(25, 'ot=th:8', 'ot=th:c');
});

test('probabilistic_sampler: what cannot be judged is dropped, or passes', async () => {
  const check = async (span: Partial<Span>, open: string | null, mode = 'proportional') => {
    const config = { mode, sampling_percentage: 50 };
    assert.equal(await stateOf(config, span), null);
    assert.equal(await stateOf({ ...config, fail_closed: false }, span), open);
  };
  await check({ traceId: '' }, '');
  await check({ traceId: '', traceState: 'a=b' }, 'a=b', 'hash_seed');
  await check({ traceId: HALF, traceState: 'ot=th:zz' }, 'ot=th:zz');
  // The threshold cannot be true: the trace would not be here.
  await check({ traceId: HALF, traceState: 'ot=th:f;x:1' }, 'ot=x:1');
  await check({ traceId: HALF, traceState: 'ot=th:8' }, 'ot=th:8', 'hash_seed');
  await check({ traceId: HALF, traceState: 'ot=rv:80000000000000' }, 'ot=rv:80000000000000',
    'hash_seed');
});

test('probabilistic_sampler: sampling.priority of a span decides', async () => {
  const check = async (value: AnyValue, percent: number, isKept: boolean) => {
    for (const mode of ['hash_seed', 'proportional', 'equalizing']) {
      const state = await stateOf({ mode, sampling_percentage: percent },
        { traceId: HALF, attributes: [{ key: 'sampling.priority', value }] });
      assert.equal(state !== null, isKept, `${mode} ${value.type}`);
    }
  };
  await check({ type: 'int', value: 2n }, 0, true);
  await check({ type: 'double', value: 1 }, 0, true);
  await check({ type: 'string', value: '0.5' }, 0, true);
  await check({ type: 'int', value: 0n }, 100, false);
  await check({ type: 'string', value: '0.0' }, 100, false);
  await check({ type: 'int', value: -1n }, 100, true);
  await check({ type: 'string', value: 'NaN' }, 100, true);
  await check({ type: 'string', value: '' }, 0, false);
});

test('probabilistic_sampler: hash_seed decides by the bucket of the hash', async () => {
  // 16 zeros with another last byte; the hashes were computed with the reference of FNV-1a.
  const random = createSeededRandom(3);
  const ids = Array.from({ length: 2000 }, () => Buffer.from(random.bytes(16)).toString('hex'));
  const kept = await sampleSpans({ sampling_percentage: 10, hash_seed: 22 },
    ids.map((traceId) => ({ ...SPAN, traceId })));
  const want = ids.filter((id) => fnv(Buffer.concat([Buffer.from([22, 0, 0, 0]),
    Buffer.from(id, 'hex')])) % 0x4000 < Math.trunc(10 * 163.84));
  assert.deepEqual(kept.map(({ traceId }) => traceId), want);
  for (const { traceState } of kept) {
    const { threshold, randomness } = parseTraceState(traceState)!;
    assert.ok(randomness! >= threshold!, traceState);
  }
});

/** FNV-1a of 32 bits, with whole numbers. */
function fnv(bytes: Uint8Array): number {
  let hash = 0x811c9dc5n;
  for (const byte of bytes) hash = ((hash ^ BigInt(byte)) * 0x01000193n) & 0xffffffffn;
  return Number(hash);
}

const weightOf = ({ traceState }: Span): number =>
  1 / probabilityOf(parseTraceState(traceState)!.threshold ?? '0'.repeat(14));

test('probabilistic_sampler: weighted counts are right, also behind other samplers', async () => {
  const random = createSeededRandom(7);
  const total = 40_000;
  const spans = Array.from({ length: total }, (): Span =>
    ({ ...SPAN, traceId: Buffer.from(random.bytes(16)).toString('hex') }));
  const check = async (chain: readonly Config[], probability: number) => {
    let kept = spans;
    for (const config of chain) kept = await sampleSpans(config, kept);
    const sum = kept.reduce((all, span) => all + weightOf(span), 0);
    // Five standard deviations of a sum of weights 1 / p.
    const bound = 5 * Math.sqrt(total * (1 - probability) / probability);
    assert.ok(Math.abs(sum - total) <= bound, `${JSON.stringify(chain)}: ${sum} of ${total}`);
    const bound2 = 5 * Math.sqrt(total * probability * (1 - probability));
    assert.ok(Math.abs(kept.length - total * probability) <= bound2, `${kept.length}`);
  };
  await check([{ sampling_percentage: 10 }], 0.1);
  await check([{ mode: 'proportional', sampling_percentage: 10 }], 0.1);
  await check([{ mode: 'equalizing', sampling_percentage: 2.5 }], 0.025);
  await check([{ mode: 'proportional', sampling_percentage: 50 },
    { mode: 'proportional', sampling_percentage: 20 }], 0.1);
  await check([{ mode: 'proportional', sampling_percentage: 50 },
    { mode: 'equalizing', sampling_percentage: 20 }], 0.2);
  await check([{ sampling_percentage: 40 }, { mode: 'proportional', sampling_percentage: 25 }],
    0.1);
});

test('probabilistic_sampler: logs have threshold and randomness in attributes', async () => {
  const attributesOf = async (config: Config, record: Partial<LogRecord>) => {
    const [kept] = await sampleRecords({ mode: 'proportional', ...config },
      [{ ...RECORD, attributes: [], ...record }]);
    return kept === undefined ? null
      : Object.fromEntries(kept.attributes.map(({ key, value }) => [key, value.value]));
  };
  assert.deepEqual(await attributesOf({ sampling_percentage: 50 }, { traceId: HALF }),
    { 'sampling.threshold': '8' });
  assert.equal(await attributesOf({ sampling_percentage: 49 }, { traceId: HALF }), null);
  assert.equal(await attributesOf({ sampling_percentage: 50 }, {}), null);
  assert.deepEqual(await attributesOf({ sampling_percentage: 50, fail_closed: false }, {}), {});
  const record = { attributes: [text('sampling.threshold', '8'),
    text('sampling.randomness', 'e05a99c8df8d32')] };
  assert.deepEqual(await attributesOf({ sampling_percentage: 50 }, record),
    { 'sampling.threshold': 'c', 'sampling.randomness': 'e05a99c8df8d32' });
  const host = { attributes: [text('host', 'a')] };
  const bySource = { sampling_percentage: 99.9, mode: 'hash_seed', attribute_source: 'record',
    from_attribute: 'host' };
  const kept = await attributesOf(bySource, { ...host, traceId: HALF });
  assert.match(String(kept!['sampling.randomness']), /^[0-9a-f]{14}$/);
  assert.deepEqual(await attributesOf(bySource, host), kept);
});

test('probabilistic_sampler: the priority of a log record raises its share', async () => {
  const keep = async (percent: number, priority: AnyValue) => (await sampleRecords(
    { mode: 'proportional', sampling_percentage: percent, sampling_priority: 'priority' },
    [{ ...RECORD, traceId: HALF, attributes: [{ key: 'priority', value: priority }] }])).length;
  assert.equal(await keep(1, { type: 'int', value: 100n }), 1);
  assert.equal(await keep(1, { type: 'double', value: 50 }), 1);
  assert.equal(await keep(1, { type: 'int', value: 49n }), 0);
  assert.equal(await keep(100, { type: 'int', value: 0n }), 0);
  assert.equal(await keep(100, { type: 'int', value: 1n }), 1);
});

test('probabilistic_sampler: what is left out is counted', async () => {
  const context = testContext();
  const sink = createSink();
  const processor = create(schema.parse({ mode: 'proportional', sampling_percentage: 49 }),
    context, sink);
  await processor.consume(tracesOf([{ ...SPAN, traceId: HALF },
    { ...SPAN, traceId: 'f'.repeat(32) }]), NEVER);
  const { counters } = context;
  assert.equal(counters.total('binnacle_processor_dropped_items_total', { reason: 'sampling' }), 1);
  const name = 'otelcol_processor_probabilistic_sampler_count_traces_sampled_total';
  assert.equal(counters.total(name, { sampled: 'false', policy: 'trace_id_w3c' }), 1);
  assert.equal(counters.total(name, { sampled: 'true' }), 1);
});

test('probabilistic_sampler: refuses what cannot work', () => {
  const check = (config: Config, pattern: RegExp) =>
    assert.throws(() => schema.parse(config), pattern);
  check({}, /sampling_percentage/);
  check({ sampling_percentage: -1 }, /sampling_percentage/);
  check({ sampling_percentage: 1, sampling_precision: 0 }, /sampling_precision/);
  check({ sampling_percentage: 1, attribute_source: 'record' }, /from_attribute/);
});
