// Proves the receiver: what each form of a line means, what becomes of each type, the bounds, and,
// over real sockets, that what programs send arrives. Intervals follow the clock of the test,
// except in the contract of receivers.

import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { createAggregate } from '../../../../agent/receivers/statsd/aggregate.ts';
import { createExponentialHistogram } from '../../../../agent/receivers/statsd/exponential.ts';
import { statsdSchema } from '../../../../agent/receivers/statsd/config.ts';
import { parseLine, type StatsdLine } from '../../../../agent/receivers/statsd/line.ts';
import { statsdReceiver } from '../../../../agent/receivers/statsd/receiver.ts';
import type { Batch } from '../../../../proto/contract/batch.ts';
import type { ComponentContext, Receiver } from '../../../../proto/contract/component.ts';
import type { DataPoint, Metric } from '../../../../proto/otlp/model.ts';
import { parseEndpoint } from '../../../../runtime/net.ts';
import { createSeededRandom } from '../../../../runtime/random.ts';
import { checkReceiver } from '../../../contract/check_receiver.ts';
import {
  createManualClock, createRecordingLog, createSink, NEVER, testContext, until,
} from '../../../contract/fakes.ts';
import { withoutLeaks } from '../../../contract/leaks.ts';

const PLAIN = { simpleTags: false, metricType: false };

test('statsd line: name, values, type, rate, tags, container, time', () => {
  const check = (line: string, want: Partial<StatsdLine>) => assert.deepEqual(
    parseLine(line, { simpleTags: true, metricType: false }), {
      name: 'a', type: 'counter', values: [1], relative: false, each: 1, tags: [], timeNs: 0n,
      ...want,
    }, line);
  check('a:1|c', {});
  check('a:1|c|', {});
  check('a:-1.5e3|g', { type: 'gauge', values: [-1500], relative: true });
  check('a:+1|g', { type: 'gauge', relative: true });
  check('a:1:2:3|ms|@0.1', { type: 'timing', values: [1, 2, 3], each: 10 });
  check('a:1|h|@2', { type: 'histogram' });
  const tags = [['a', 'x:y'], ['b', '2'], ['c', '']] as const;
  check('a:1|d|#b:2,a:x:y,c', { type: 'distribution', tags });
  check('a:1|c|#|c:ci-1|e:it|card:low', { tags: [['container.id', 'ci-1']] });
  check('a:1|c|T1656581400', { timeNs: 1656581400000000000n });
  check('a.b-c/d e:1|c', { name: 'a.b-c/d e' });
  assert.deepEqual((parseLine('a:1|ms', { ...PLAIN, metricType: true }) as StatsdLine).tags,
    [['metric_type', 'timing']]);
});

test('statsd line: what cannot be used, and why', () => {
  const bad = (line: string, want: string) => assert.equal(parseLine(line, PLAIN), want, line);
  for (const line of ['', 'a', 'a:1', ':1|c', 'a|c', 'a:1|x', 'a:1|C', 'a:1|c|x', 'a:1|h|T1',
    'a:1|c|Tx', 'a:1|c|#:x']) bad(line, 'malformed');
  for (const line of ['a:|c', 'a:x|c', 'a:1,5|c', 'a:NaN|g', 'a:inf|g', 'a:1e999|g', 'a:0x1|c',
    'a:1:|c', 'a:1|c|@', 'a:1|c|@0', 'a:1|c|@-1', 'a:1|c|@1e-20']) bad(line, 'not a number');
  for (const line of ['a:x|s', '_e{1,1}:a|b', '_sc|a|0']) bad(line, 'unsupported type');
  for (const line of ['a:1|c|#b', 'a:1|c|#b:']) bad(line, 'simple tag');
});

test('statsd line: no text makes it throw', () => {
  const part = fc.oneof(
    fc.constantFrom('a', ':', '1', '|', 'c', 'g', 'ms', '@', '#', 'T', ',', '-'),
    fc.string({ unit: 'binary', maxLength: 4 }));
  fc.assert(fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
    parseLine(parts.join(''), PLAIN);
  }), { numRuns: 10_000 });
});

interface Told {
  readonly name: string;
  readonly data: Metric['data'];
  readonly point: DataPoint & Record<string, unknown>;
}

function aggregating(config: Record<string, unknown> = {}) {
  const clock = createManualClock();
  const aggregate = createAggregate(statsdSchema().parse(config),
    { clock, random: createSeededRandom(1) });
  const add = (...lines: string[]) => lines.map((line) => {
    const parsed = parseLine(line, PLAIN);
    assert.ok(typeof parsed !== 'string', `${line}: ${String(parsed)}`);
    return aggregate.add(parsed);
  });
  const flush = (): Told[] => aggregate.flush().flatMap(told);
  return { aggregate, clock, add, flush };
}

const told = (batch: Batch): Told[] => {
  void batch.bytes; // Whatever is built can be sent.
  return (batch as Batch<'metrics'>).request.resourceMetrics
    .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
    .flatMap(({ name, data }) => (data!.dataPoints as readonly DataPoint[])
      .map((point) => ({ name, data, point: point as Told['point'] })));
};

const values = (all: readonly Told[]) =>
  all.map(({ name, point }) => [name, (point['value'] as { value: unknown }).value]);

test('statsd: counters are deltas, scaled by their rate, and rounded at the end', async () => {
  const { add, flush, clock } = aggregating();
  add('a:1|c', 'a:2|c|@0.1', 'a:0.3|c', 'a:0.3|c', 'a:1:1|c', 'a:5|c|#t:1');
  await clock.advance(60_000);
  const [first, tagged] = flush();
  assert.deepEqual(values([first!, tagged!]), [['a', 24n], ['a', 5n]]);
  const { data, point } = first!;
  assert.ok(data?.type === 'sum' && !data.isMonotonic && data.aggregationTemporality === 1);
  assert.equal(Number(point.timeUnixNano - point.startTimeUnixNano) / 1e9, 60);
  assert.deepEqual(flush(), []);
  add('a:1|c');
  await clock.advance(60_000);
  const [next] = flush();
  assert.ok(next!.point.startTimeUnixNano >= point.timeUnixNano);
  const monotonic = aggregating({ is_monotonic_counter: true, counter_type: 'float' });
  monotonic.add('a:0.5|c');
  const [counter] = monotonic.flush();
  assert.ok(counter!.data?.type === 'sum' && counter!.data.isMonotonic);
  assert.deepEqual(values([counter!]), [['a', 0.5]]);
});

test('statsd: stochastic counters are right on average', () => {
  const { add, flush } = aggregating({ counter_type: 'stochastic_int' });
  let sum = 0;
  for (let round = 0; round < 2000; round += 1) {
    add('a:0.25|c');
    sum += Number(values(flush())[0]![1]);
  }
  assert.ok(sum > 400 && sum < 600, String(sum));
});

test('statsd: gauges are set and changed, also after a batch', () => {
  const { add, flush, aggregate } = aggregating();
  add('g:10|g', 'g:+5|g', 'g:-2|g', 'h:1|g', 'h:2|g');
  assert.deepEqual(values(flush()), [['g', 13], ['h', 2]]);
  assert.deepEqual(flush(), []);
  add('g:-3|g');
  assert.deepEqual(values(flush()), [['g', 10]]);
  for (let idle = 0; idle < 60; idle += 1) flush();
  assert.equal(aggregate.series(), 0);
  add('g:+1|g');
  assert.deepEqual(values(flush()), [['g', 1]]);
});

test('statsd: timers, histograms and distributions are gauges unless said', () => {
  const { add, flush } = aggregating();
  add('t:5|ms|@0.5', 't:7|ms', 'h:1|h', 'd:2|d');
  assert.deepEqual(values(flush()), [['t', 5], ['t', 7], ['h', 1], ['d', 2]]);
  const disabled = aggregating({ timer_histogram_mapping: [
    { statsd_type: 'timer', observer_type: 'disabled' }] });
  disabled.add('t:5|ms', 'h:1|h');
  assert.deepEqual(values(disabled.flush()), [['h', 1]]);
});

test('statsd: summaries weigh values by their rate', () => {
  const { add, flush } = aggregating({ timer_histogram_mapping: [
    { statsd_type: 'timing', observer_type: 'summary', summary: { percentiles: [0, 50, 95, 100] } },
  ] });
  add('t:10|ms', 't:20|ms|@0.1', 't:30|ms');
  const [{ data, point } = { data: undefined, point: undefined }] = flush();
  assert.equal(data!.type, 'summary');
  assert.equal(point!['count'], 12n);
  assert.equal(point!['sum'], 240);
  assert.deepEqual(point!['quantileValues'], [{ quantile: 0, value: 10 },
    { quantile: 0.5, value: 20 }, { quantile: 0.95, value: 30 }, { quantile: 1, value: 30 }]);
});

test('statsd: a summary of very many values keeps a fair choice', () => {
  const { add, flush } = aggregating({ timer_histogram_mapping: [
    { statsd_type: 'timing', observer_type: 'summary', summary: { percentiles: [50] } }] });
  for (let value = 0; value < 40_000; value += 1) add(`t:${value}|ms`);
  const [{ point } = { point: undefined }] = flush();
  assert.equal(point!['count'], 40_000n);
  const [{ value } = { value: 0 }] = point!['quantileValues'] as { value: number }[];
  assert.ok(value > 18_000 && value < 22_000, String(value));
});

test('statsd: histograms with bounds for some names', () => {
  const { add, flush } = aggregating({ timer_histogram_mapping: [{
    statsd_type: 'histogram', observer_type: 'histogram',
    histogram: { explicit_buckets: [{ matcher_pattern: '^req', buckets: [1, 10] }], max_size: 4 },
  }] });
  add('req.size:1|h', 'req.size:5|h|@0.5', 'req.size:11|h', 'other:3|h');
  const [req, other] = flush();
  assert.deepEqual({ ...req!.point, attributes: 0, startTimeUnixNano: 0, timeUnixNano: 0 }, {
    attributes: 0, startTimeUnixNano: 0, timeUnixNano: 0, flags: 0, exemplars: [],
    count: 4n, sum: 22, min: 1, max: 11, bucketCounts: [1n, 2n, 1n], explicitBounds: [1, 10],
  });
  assert.equal(other!.data!.type, 'exponentialHistogram');
  assert.equal(other!.point['count'], 1n);
});

test('statsd: an exponential histogram holds each value in its bucket', () => {
  const size = fc.integer({ min: 2, max: 160 });
  const value = fc.oneof(fc.double({ min: -1e12, max: 1e12, noNaN: true }),
    fc.constantFrom(0, 1, 2, 4, 0.5, -1, 1e-300, 1e300));
  fc.assert(fc.property(size, fc.array(value, { minLength: 1, maxLength: 60 }), (most, list) => {
    const histogram = createExponentialHistogram(most);
    for (const one of list) histogram.add(one, 1);
    const point = histogram.toPoint();
    assert.equal(point.count, BigInt(list.length));
    const width = 2 ** -point.scale;
    for (const [sign, buckets] of [[1, point.positive], [-1, point.negative]] as const) {
      const sizes = list.filter((one) => one * sign > 0).map(Math.abs);
      const counts = buckets?.bucketCounts ?? [];
      assert.ok(counts.length <= most || point.scale === -10, `${counts.length} of ${most}`);
      assert.equal(counts.reduce((one, two) => one + two, 0n), BigInt(sizes.length));
      for (const one of sizes.filter((each) => each > 1e-200)) {
        const near = 1e-9 * Math.max(1, Math.abs(Math.log2(one)));
        const holds = counts.some((count, at) => count > 0n
          && Math.log2(one) > width * (buckets!.offset + at) - near
          && Math.log2(one) <= width * (buckets!.offset + at + 1) + near);
        assert.ok(holds, `${one} in ${JSON.stringify(buckets, (_, each) => String(each))}`);
      }
    }
    const zeros = list.filter((one) => one === 0).length;
    assert.equal(point.zeroCount, BigInt(zeros));
  }), { numRuns: 300 });
});

test('statsd: series and values are bounded', () => {
  const { aggregate, add } = aggregating();
  for (let series = 0; series < 100_000; series += 1) add(`a${series}:1|c`);
  assert.deepEqual(add('more:1:2|c', 'a5:1|c'), [2, 0]);
  const batches = aggregate.flush();
  assert.equal(batches.reduce((sum, { itemCount }) => sum + itemCount, 0), 100_000);
  assert.ok(batches.every(({ itemCount }) => itemCount <= 8000));
  assert.deepEqual(add('more:1:2|c'), [0]);
});

const receiverOf = (config: Record<string, unknown>, sink: ReturnType<typeof createSink>,
  context: ComponentContext): Receiver =>
  statsdReceiver.create(statsdSchema().parse({ endpoint: '127.0.0.1:0', ...config }), context,
    sink);

const addressOf = (receiver: Receiver) => parseEndpoint(receiver.addresses!()['StatsD']!)!;

function sendUdp(receiver: Receiver, text: string): Promise<void> {
  const { host, port } = addressOf(receiver);
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  return new Promise((resolve, reject) => {
    socket.send(text, port, host, (error) => {
      socket.close();
      if (error === null) resolve();
      else reject(error);
    });
  });
}

function sendTcp(receiver: Receiver, ...texts: string[]): Promise<void> {
  const { host, port } = addressOf(receiver);
  return new Promise((resolve, reject) => {
    const socket = connect(port, host, () => {
      for (const one of texts) socket.write(one);
      socket.end();
    });
    socket.on('close', () => resolve()).on('error', reject).resume();
  });
}

test('statsd: lines come by UDP and TCP, and the last of them with the stop', async () => {
  await withoutLeaks(async (world) => {
    const log = createRecordingLog();
    const context = testContext({ world, log, id: 'statsd' });
    const taken = (count: number) => until(() =>
      context.counters.total('binnacle_statsd_values_total') === count, 'values');
    const sink = createSink();
    const udp = receiverOf({}, sink, context);
    await udp.start();
    await sendUdp(udp, 'a:1|c\nb:2|g\r\n\nc:x|s\nd:1|c|#t');
    await sendUdp(udp, 'a:1|c');
    await taken(3);
    await udp.stop(NEVER);
    assert.deepEqual(values(sink.received.flatMap(told)), [['a', 2n], ['b', 2]]);
    const tcp = receiverOf({ transport: 'tcp', enable_ip_only_aggregation: true }, sink,
      context);
    await tcp.start();
    await sendTcp(tcp, 'a:1|', 'c\nlong', 'x'.repeat(200_000), '\nb:3|g');
    await sendTcp(tcp, 'a:1|c\n');
    await taken(6);
    await tcp.stop(NEVER);
    assert.deepEqual(values(sink.received.slice(1).flatMap(told)), [['a', 2n], ['b', 3]]);
    const refused = (reason: string) =>
      context.counters.total('binnacle_statsd_refused_lines_total', { reason });
    assert.deepEqual([refused('unsupported type'), refused('simple tag'), refused('too long')],
      [1, 1, 1]);
    assert.match(log.lines.map(({ message }) => message).join('\n'), /set enable_simple_tags/);
  });
});

test('statsd: the type of a metric is told when asked for', async () => {
  const check = async (settings: Record<string, unknown>, want: readonly string[]) => {
    const sink = createSink();
    const context = testContext();
    const receiver = receiverOf({ transport: 'tcp', ...settings }, sink, context);
    await receiver.start();
    await sendTcp(receiver, 'a:1|c\nb:2|g\n');
    await until(() => context.counters.total('binnacle_statsd_values_total') === 2, 'values');
    await receiver.stop(NEVER);
    const types = sink.received.flatMap(told).flatMap(({ point }) => point.attributes
      .filter(({ key }) => key === 'metric_type').map(({ value }) => value.value));
    assert.deepEqual(types, want);
  };
  await check({}, []);
  await check({ enable_metric_type: true }, ['counter', 'gauge']);
});

test('statsd: localhost is both loopback addresses', async () => {
  const sink = createSink();
  const context = testContext();
  const receiver = receiverOf({ endpoint: 'localhost:0' }, sink, context);
  await receiver.start();
  const { port } = addressOf(receiver);
  const send = (type: 'udp4' | 'udp6', host: string) => new Promise<boolean>((resolve) => {
    const socket = createSocket(type);
    socket.on('error', () => resolve(false));
    socket.send(`${type}:1|c`, port, host, (error) => {
      socket.close();
      resolve(error === null);
    });
  });
  const sent = [await send('udp4', '127.0.0.1'), await send('udp6', '::1')].filter(Boolean).length;
  await until(() => context.counters.total('binnacle_statsd_values_total') >= 1, 'values');
  await receiver.stop(NEVER);
  assert.ok(sent >= 1);
});

test('statsd: a taken port is said with a hint', async () => {
  const receiver = receiverOf({}, createSink(), testContext());
  await receiver.start();
  const { port } = addressOf(receiver);
  const second = receiverOf({ endpoint: `127.0.0.1:${port}` }, createSink(), testContext());
  await assert.rejects(second.start(), /cannot listen on 127\.0\.0\.1:\d+: the port is in use/);
  await receiver.stop(NEVER);
});

test('statsd: what is not built is refused by name', () => {
  const refused = (config: unknown, why: RegExp) =>
    assert.throws(() => statsdSchema().parse(config), why);
  refused({ transport: 'unixgram' }, /is not supported/);
  refused({ timer_histogram_mapping: [{ statsd_type: 'gauge', observer_type: 'gauge' }] },
    /Invalid option/);
  refused({ timer_histogram_mapping: [{ statsd_type: 'timer', observer_type: 'gauge' },
    { statsd_type: 'timing', observer_type: 'gauge' }] }, /is there twice/);
  refused({ nonsense: 1 }, /nonsense/);
});

checkReceiver({
  name: 'statsd',
  create: (next, context) => {
    const config = statsdSchema().parse(
      { endpoint: '127.0.0.1:0', aggregation_interval: '5ms', transport: 'tcp' });
    const receiver = statsdReceiver.create(config, context, next);
    return {
      receiver,
      offer: async (keys) => {
        await sendTcp(receiver, keys.map((key) => `${key}:1|c\n`).join(''));
        return [];
      },
    };
  },
});
