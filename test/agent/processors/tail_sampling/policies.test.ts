// Proves the policies of tail_sampling, each by traces that it samples and does not, those that ask
// others, and the order in which answers count; and that what is kept says how many it stands for:
// weighted counts of many random traces come out right, whatever policies kept them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRate } from '../../../../agent/processors/sampling/rate.ts';
import {
  tailSamplingProcessor,
} from '../../../../agent/processors/tail_sampling/processor.ts';
import { formatThreshold, thresholdOf } from '../../../../agent/processors/sampling/threshold.ts';
import type { AnyValue, KeyValue, Span } from '../../../../proto/otlp/model.ts';
import { createSeededRandom } from '../../../../runtime/random.ts';
import { settle } from '../../../../runtime/manual_clock.ts';
import { createManualClock, NEVER, text } from '../../../contract/fakes.ts';
import {
  ALWAYS_SAMPLE, idOf, randomId, send, spanOf, startSampler, tracesOf, weightOf, type Config,
  type SpanSpec,
} from './sampler.ts';

type Policy = Config;

const policy = (type: string, settings?: object): Policy =>
  ({ name: type, type, ...(settings === undefined ? {} : { [type]: settings }) });

/** Which of these traces are kept, by their place. */
async function keptOf(policies: readonly Policy[], traces: readonly (readonly SpanSpec[])[],
  config: Config = {}, resource: readonly KeyValue[] = []): Promise<number[]> {
  const sampler = await startSampler({ decision_wait: '1s', policies, ...config });
  const spans = traces.flatMap((specs, index) => specs.map((spec) => spanOf(idOf(index), spec)));
  await sampler.processor.consume(tracesOf(spans, resource), NEVER);
  await settle();
  await sampler.clock.advance(1000);
  await sampler.processor.stop(NEVER);
  return sampler.keptIds().map((id) => Number.parseInt(id, 16));
}

const attribute = (key: string, value: AnyValue): SpanSpec => ({ attributes: [{ key, value }] });
const int = (value: number): AnyValue => ({ type: 'int', value: BigInt(value) });

test('tail_sampling: policies that look at the content', async () => {
  const check = async (one: Policy, traces: readonly (readonly SpanSpec[])[], want: number[]) =>
    assert.deepEqual(await keptOf([one], traces), want, JSON.stringify(one));
  await check(policy('always_sample'), [[{}], [{}]], [0, 1]);
  await check(policy('latency', { threshold_ms: 100 }),
    [[{ lastedMs: 100 }], [{ lastedMs: 101 }], [{}, { lastedMs: 500 }]], [1, 2]);
  await check(policy('latency', { threshold_ms: 100, upper_threshold_ms: 200 }),
    [[{ lastedMs: 100 }], [{ lastedMs: 200 }], [{ lastedMs: 201 }]], [1]);
  await check(policy('numeric_attribute', { key: 'n', min_value: 50, max_value: 100 }),
    [[attribute('n', int(49))], [attribute('n', int(50)), {}], [attribute('n', int(101))],
      [attribute('n', { type: 'double', value: 99.5 })], [attribute('m', int(60))]], [1, 3]);
  await check(policy('numeric_attribute', { key: 'n', min_value: 1 }),
    [[attribute('n', int(0))], [attribute('n', int(9999))]], [1]);
  await check(policy('status_code', { status_codes: ['ERROR', 'UNSET'] }),
    [[{ code: 1 }], [{ code: 2 }], [{}], [{ code: 1 }, { code: 2 }]], [1, 2, 3]);
  await check(policy('string_attribute', { key: 's', values: ['a', 'b'] }),
    [[{ attributes: [text('s', 'a')] }], [{ attributes: [text('s', 'ab')] }], [{}]], [0]);
  await check(policy('string_attribute',
    { key: 's', values: ['^ab+$', 'x'], enabled_regex_matching: true, cache_max_size: 1 }),
    [[{ attributes: [text('s', 'abb')] }], [{ attributes: [text('s', 'ac')] }],
      [{ attributes: [text('s', 'axe')] }], [{ attributes: [text('s', 'abb')] }]], [0, 2, 3]);
  await check(policy('trace_state', { key: 'k', values: ['v', 'w'] }),
    [[{ traceState: 'a=b,k=v' }], [{ traceState: 'k=x' }], [{ traceState: 'k=w' }]], [0, 2]);
  await check(policy('trace_flags'), [[{ flags: 0x100 }], [{ flags: 0x101 }]], [1]);
  await check(policy('span_count', { min_spans: 2, max_spans: 3 }),
    [[{}], [{}, {}], [{}, {}, {}], [{}, {}, {}, {}]], [1, 2]);
  await check(policy('span_count', { min_spans: 2 }), [[{}], [{}, {}, {}]], [1]);
  await check(policy('boolean_attribute', { key: 'b', value: true }),
    [[attribute('b', { type: 'bool', value: true })],
      [attribute('b', { type: 'bool', value: false })]], [0]);
});

test('tail_sampling: conditions of OTTL', async () => {
  type Traces = readonly (readonly SpanSpec[])[];
  const check = async (settings: object, traces: Traces, want: number[]) =>
    assert.deepEqual(await keptOf([policy('ottl_condition', settings)], traces), want);
  await check({ span: ['attributes["s"] == "a"', 'name == "checkout"'] },
    [[{ attributes: [text('s', 'a')] }], [{}, { name: 'checkout' }], [{}]], [0, 1]);
  const event = { timeUnixNano: 0n, name: 'exception', attributes: [], droppedAttributesCount: 0 };
  await check({ spanevent: ['name == "exception"'] }, [[{ events: [event] }], [{}]], [0]);
  // It fails for a span whose attribute is no number; what others say still counts.
  const failing = { error_mode: 'propagate', span: ['Int(attributes["s"]) > 1'] };
  await check(failing, [[{ attributes: [text('s', 'no')] }], [{ attributes: [text('s', '2')] }]],
    [1]);
});

test('tail_sampling: attributes of the resource count, too', async () => {
  const byResource = policy('string_attribute', { key: 'service.name', values: ['shop'] });
  assert.deepEqual(await keptOf([byResource], [[{}]], {}, [text('service.name', 'shop')]), [0]);
  assert.deepEqual(await keptOf([byResource], [[{}]], {}, [text('service.name', 'other')]), []);
});

test('tail_sampling: policies that ask others', async () => {
  const isA = { name: 'a', ...policy('string_attribute', { key: 's', values: ['a'] }) };
  const failed = policy('status_code', { status_codes: ['ERROR'] });
  const a: SpanSpec = { attributes: [text('s', 'a')] };
  const traces = [[a], [{ code: 2 }], [a, { code: 2 }], [{}]];
  const check = async (policies: readonly Policy[], want: number[]) =>
    assert.deepEqual(await keptOf(policies, traces), want, JSON.stringify(policies));
  const and = { name: 'and', type: 'and', and: { and_sub_policy: [isA, failed] } };
  const not = { name: 'not', type: 'not', not: { not_sub_policy: isA } };
  const drop = { name: 'drop', type: 'drop', drop: { drop_sub_policy: [isA] } };
  await check([and], [2]);
  await check([not], [1, 3]);
  await check([ALWAYS_SAMPLE, drop], [1, 3]);
  await check([{ name: 'nested', type: 'and', and: { and_sub_policy: [failed, not] } }], [1]);
  await check([drop, failed], [1]);
});

test('tail_sampling: inverted matches veto', async () => {
  const notA = policy('string_attribute', { key: 's', values: ['a'], invert_match: true });
  const failed = policy('status_code', { status_codes: ['ERROR'] });
  const a: SpanSpec = { attributes: [text('s', 'a')] };
  const traces = [[a], [{ code: 2 }], [a, { code: 2 }], [{}]];
  assert.deepEqual(await keptOf([notA], traces), [1, 3]);
  assert.deepEqual(await keptOf([notA, ALWAYS_SAMPLE], traces), [1, 3]);
  // One that would sample is overruled by one that does not, unless another samples.
  assert.deepEqual(await keptOf([notA, failed], traces), [1]);
});

test('tail_sampling: composite divides its rate among its policies', async () => {
  const composite = policy('composite', {
    max_total_spans_per_second: 10,
    policy_order: ['errors', 'rest'],
    composite_sub_policy: [
      { name: 'rest', type: 'always_sample' },
      { name: 'errors', type: 'status_code', status_code: { status_codes: ['ERROR'] } },
    ],
    rate_allocation: [{ policy: 'errors', percent: 80 }, { policy: 'rest', percent: 20 }],
  });
  const few = [...Array(8).fill([{ code: 2 }]), ...Array(2).fill([{}])];
  assert.equal((await keptOf([composite], few)).length, 10);
  const many = [...Array(100).fill([{ code: 2 }]), ...Array(400).fill([{}])];
  const kept = await keptOf([composite], many);
  assert.ok(kept.filter((index) => index < 100).length >= 8);
  // A burst: the rate, and what is due to the second in which it begins.
  assert.ok(kept.length < 10 * (1 + Math.log(500)), String(kept.length));
});

test('tail_sampling: the probabilistic policy decides as the Collector does', async () => {
  const random = createSeededRandom(11);
  const ids = Array.from({ length: 3000 }, () => randomId(random));
  const check = async (settings: Config, salt: string) => {
    const sampler = await startSampler({
      decision_wait: '1s', policies: [policy('probabilistic', settings)],
    });
    await send(sampler, ...ids.map((id) => spanOf(id)));
    await sampler.clock.advance(1000);
    await sampler.processor.stop(NEVER);
    const most = (2n ** 64n - 1n) / 4n;
    assert.deepEqual(sampler.keptIds(), ids.filter((id) => fnv64(salt, id) <= most).sort());
  };
  await check({ sampling_percentage: 25 }, 'default-hash-seed');
  await check({ sampling_percentage: 25, hash_salt: 'mine' }, 'mine');
});

/** FNV-1a of 64 bits, with whole numbers. */
function fnv64(salt: string, id: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.concat([Buffer.from(salt), Buffer.from(id, 'hex')])) {
    hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  }
  return hash;
}

/** Sends traces of one span each and returns those that are kept. */
async function sampleMany(
  policies: readonly Policy[], spans: readonly Span[], config: Config = {},
): Promise<Span[]> {
  const sampler = await startSampler({ decision_wait: '1s', policies, ...config });
  for (let at = 0; at < spans.length; at += 2000) {
    await send(sampler, ...spans.slice(at, at + 2000));
    await sampler.clock.advance(500);
  }
  await sampler.clock.advance(2000);
  await sampler.processor.stop(NEVER);
  return sampler.kept();
}

const sumOf = (spans: readonly Span[]) => spans.reduce((sum, span) => sum + weightOf(span), 0);

function near(sum: number, total: number, probability: number, what: string): void {
  const bound = 5 * Math.sqrt((total * (1 - probability)) / probability);
  assert.ok(Math.abs(sum - total) <= bound, `${what}: ${sum} of ${total}, bound ${bound}`);
}

test('tail_sampling: weights are right for errors that are kept and a share of the rest',
  async () => {
    const random = createSeededRandom(12);
    const total = 30_000;
    const spans = Array.from({ length: total }, (_, index) =>
      spanOf(randomId(random), { code: index % 10 === 0 ? 2 : 1, lastedMs: 1 + index % 1000 }));
    const kept = await sampleMany([policy('status_code', { status_codes: ['ERROR'] }),
      policy('latency', { threshold_ms: 989 }),
      policy('probabilistic', { sampling_percentage: 10 })], spans);
    const errors = kept.filter(({ status }) => status?.code === 2);
    assert.equal(errors.length, total / 10);
    assert.ok(errors.every((span) => weightOf(span) === 1));
    near(sumOf(kept), total, 0.1, 'all');
    // The 99th percentile by weight is that of all spans.
    const lasted = (span: Span) => Number(span.endTimeUnixNano - span.startTimeUnixNano) / 1e6;
    const ordered = [...kept].sort((a, b) => lasted(a) - lasted(b));
    const all = sumOf(kept);
    let below = 0;
    const p99 = ordered.find((span) => (below += weightOf(span)) >= 0.99 * all)!;
    assert.ok(Math.abs(lasted(p99) - 990) < 15, String(lasted(p99)));
  });

test('tail_sampling: weights are right for several policies of chance', async () => {
  const random = createSeededRandom(13);
  const total = 20_000;
  const spans = Array.from({ length: total }, (_, index) =>
    spanOf(randomId(random), { attributes: [text('s', index % 2 === 0 ? 'a' : 'b')] }));
  const check = async (policies: readonly Policy[], probability: number) => {
    const kept = await sampleMany(policies, spans);
    near(sumOf(kept), total, probability, JSON.stringify(policies));
    const ofA = kept.filter(({ attributes }) => attributes[0]!.value.value === 'a');
    near(sumOf(ofA), total / 2, probability, 'of one half');
  };
  const share = (name: string, percent: number, salt = '') => ({
    ...policy('probabilistic', { sampling_percentage: percent, hash_salt: salt }), name,
  });
  const isA = { name: 'a', ...policy('string_attribute', { key: 's', values: ['a'] }) };
  await check([share('one', 5), share('two', 20)], 0.2);
  await check([share('one', 10, 'x'), share('two', 20, 'y')], 0.28);
  await check([share('one', 5),
    { name: 'and', type: 'and', and: { and_sub_policy: [isA, share('more', 30)] } }], 0.05);
  await check([{ name: 'not', type: 'not', not: { not_sub_policy: share('one', 80) } }], 0.2);
});

test('tail_sampling: the first match ends the look, and weights stay right', async () => {
  const random = createSeededRandom(14);
  const total = 20_000;
  const spans = Array.from({ length: total }, (_, index) =>
    spanOf(randomId(random), { code: index % 4 === 0 ? 2 : 1 }));
  const kept = await sampleMany([policy('probabilistic', { sampling_percentage: 10 }),
    policy('status_code', { status_codes: ['ERROR'] })], spans, { sample_on_first_match: true });
  near(sumOf(kept), total, 0.1, 'first match');
  assert.ok(kept.filter(({ status }) => status?.code === 2).every((span) => weightOf(span) === 1));
});

test('tail_sampling: weights of earlier samplers multiply', async () => {
  const random = createSeededRandom(15);
  const total = 40_000;
  const half = thresholdOf(0.5);
  const quarter = thresholdOf(0.25);
  // Each trace has a span that was sampled to a half, and where it passed, one to a quarter.
  const spans = Array.from({ length: total }, () => randomId(random)).flatMap((id) => {
    const place = id.slice(18);
    return [half, quarter].filter((one) => place >= one).map((one) =>
      spanOf(id, { traceState: `ot=th:${formatThreshold(one)}`, name: one }));
  });
  const kept = await sampleMany([policy('probabilistic', { sampling_percentage: 30 })], spans);
  near(sumOf(kept.filter(({ name }) => name === half)), total, 0.15, 'a half');
  near(sumOf(kept.filter(({ name }) => name === quarter)), total, 0.15, 'a quarter');
  for (const { traceId, traceState } of kept) {
    const threshold = /th:([0-9a-f]+)/.exec(traceState)![1]!;
    assert.ok(traceId.slice(18) >= threshold.padEnd(14, '0'), traceState);
  }
});

test('tail_sampling: a rate is kept, and weights are right', async () => {
  const random = createSeededRandom(16);
  for (const limiting of [policy('rate_limiting', { spans_per_second: 200 }),
    policy('bytes_limiting', { bytes_per_second: 200 * 87 })]) {
    const sampler = await startSampler({ decision_wait: '1s', policies: [limiting] });
    const seconds = 20;
    for (let second = 0; second < seconds; second++) {
      await send(sampler, ...Array.from({ length: 1000 }, () => spanOf(randomId(random))));
      await sampler.clock.advance(1000);
    }
    await sampler.clock.advance(3000);
    await sampler.processor.stop(NEVER);
    const kept = sampler.kept();
    assert.ok(kept.length > 200 * seconds * 0.8 && kept.length < 200 * seconds * 1.35,
      `${kept.length} in ${seconds} s`);
    near(sumOf(kept), seconds * 1000, 0.15, limiting['name'] as string);
  }
});

test('tail_sampling: a rate in its limits keeps everything', async () => {
  const clock = createManualClock();
  const rate = createRate(10, 20, clock);
  for (let index = 0; index < 20; index++) {
    assert.equal(rate.chance(1), 1);
    rate.settle(1, true);
  }
  assert.ok(rate.chance(1) < 1);
  await clock.advance(1000);
  assert.equal(rate.chance(10), 1);
});

test('tail_sampling: answers of policies are counted', async () => {
  const sampler = await startSampler({
    decision_wait: '1s', policies: [policy('status_code', { status_codes: ['ERROR'] })],
  });
  await send(sampler, spanOf(idOf(1), { code: 2 }), spanOf(idOf(2)), spanOf(idOf(3)));
  await sampler.clock.advance(1000);
  const total = (name: string, labels: Record<string, string>) =>
    sampler.counters.total(`otelcol_processor_tail_sampling_${name}_total`, labels);
  assert.equal(total('count_traces_sampled', { policy: 'status_code', decision: 'sampled' }), 1);
  assert.equal(total('count_traces_sampled', { decision: 'not_sampled' }), 2);
  assert.equal(total('global_count_traces_sampled', { sampled: 'true' }), 1);
  assert.equal(total('new_trace_id_received', {}), 3);
  await sampler.processor.stop(NEVER);
});

test('tail_sampling: refuses what cannot work', () => {
  const check = (config: Config, pattern: RegExp) =>
    assert.throws(() => tailSamplingProcessor.schema.parse(config), pattern);
  check({}, /policies/);
  check({ policies: [] }, /policies/);
  check({ policies: [{ name: 'a', type: 'latency' }] }, /is required/);
  check({ policies: [ALWAYS_SAMPLE, ALWAYS_SAMPLE] }, /name of another/);
  check({ policies: [{ ...ALWAYS_SAMPLE, latency: { threshold_ms: 1 } }] }, /is not read/);
  check({ policies: [{ name: 'a', type: 'nothing' }] }, /type/);
  check({ policies: [policy('numeric_attribute', { key: 'a' })] }, /no range/);
  check({ policies: [policy('string_attribute',
    { key: 'a', values: ['('], enabled_regex_matching: true })] }, /regular expression/);
  check({ policies: [policy('and', { and_sub_policy: [{ name: 'a', type: 'drop' }] })] }, /type/);
  check({ policies: [policy('and', { and_sub_policy: [] })] }, /list of policies/);
  check({ policies: [policy('composite', { max_total_spans_per_second: 1, policy_order: ['b'],
    composite_sub_policy: [ALWAYS_SAMPLE] })] }, /no policy/);
  check({ policies: [policy('ottl_condition', {})] }, /no condition/);
  check({ policies: [policy('ottl_condition', { span: ['name =='] })] }, /span/);
  check({ sampling_strategy: 'span-ingest',
    policies: [policy('rate_limiting', { spans_per_second: 1 })] }, /span-ingest/);
  check({ policies: [ALWAYS_SAMPLE], drop_pending_traces_on_shutdown: true,
    keep_pending_traces_on_shutdown: true }, /contradicts/);
});
