// The graph: who is built how often, where batches go, whose verdict counts, in which order parts
// start and stop, what is left when one cannot start, and what is counted. Components are fakes
// that write down what happens to them.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fanOut } from '../../../agent/graph/wiring.ts';
import {
  ACCEPTED, rejected, retryable, type Outcome,
} from '../../../proto/contract/outcome.ts';
import { OperatorError } from '../../../runtime/errors.ts';
import { settle } from '../../../runtime/manual_clock.ts';
import { createSink, makeBatch, NEVER, NOW } from '../../contract/fakes.ts';
import { createBench, feed } from './bench.ts';

const TWO = {
  traces: 'in > a b > out',
  logs: 'in files > a > out debug',
  'logs/second': 'in > > debug',
};

test('graph: receivers and exporters once for each id, processors once for each pipeline', () => {
  const { built } = createBench(TWO, ['health']);
  const names = built.map(({ kind, context }) => `${kind} ${context.id}`).sort();
  assert.deepEqual(names, [
    'exporter debug', 'exporter out', 'extension health', 'processor a', 'processor a',
    'processor b', 'receiver files', 'receiver in',
  ]);
});

test('graph: starts from the end, stops from the beginning', async () => {
  const { graph, events } = createBench(TWO, ['health']);
  assert.equal(graph.ready(), false);
  await graph.start();
  assert.equal(graph.ready(), true);
  assert.deepEqual(events.splice(0), ['start health', 'start out', 'start debug', 'start b',
    'start a', 'start a', 'start in', 'start files']);
  await graph.stop(NEVER);
  assert.equal(graph.ready(), false);
  const order = (id: string) => events.lastIndexOf(`stop ${id}`);
  assert.ok(Math.max(order('in'), order('files')) < order('a'));
  assert.ok(order('a') < order('out'));
  assert.ok(events.indexOf('stop a') < events.indexOf('stop b'));
  assert.equal(events.at(-1), 'stop health');
});

test('graph: a receiver learns what each of the exporters behind it holds', () => {
  const { built } = createBench({
    logs: 'one two > a > out more', 'logs/second': 'two three > > out',
    'logs/third': 'four > > debug',
  });
  const states = (id: string) => built.find(({ context }) => context.id === id)!
    .context.durable!().map((origins) => origins.map(({ state }) => state));
  assert.deepEqual(states('one'), [['one in out'], ['one in more']]);
  // Nobody knows which of the ways its batches took.
  assert.deepEqual(states('two'), []);
  assert.deepEqual(states('three'), [['three in out']]);
  assert.deepEqual(states('four'), [[]]);
});

test('graph: stop before start and twice', async () => {
  const { graph, events } = createBench(TWO);
  await graph.stop(NEVER);
  assert.deepEqual(events, []);
  await graph.stop(NOW);
});

test('graph: a batch goes to all pipelines of its signal that name the receiver', async () => {
  const bench = createBench(TWO);
  const seen: string[] = [];
  for (const id of ['out', 'debug']) {
    bench.answers.set(id, (batch) => {
      seen.push(`${id} ${batch.signal}`);
      return ACCEPTED;
    });
  }
  await feed(bench, 'in').consume(makeBatch('traces', 1), NEVER);
  assert.deepEqual(seen.splice(0), ['out traces']);
  await feed(bench, 'in').consume(makeBatch('logs', 1), NEVER);
  assert.deepEqual(seen.splice(0).sort(), ['debug logs', 'debug logs', 'out logs']);
  await feed(bench, 'files').consume(makeBatch('logs', 1), NEVER);
  assert.deepEqual(seen.splice(0).sort(), ['debug logs', 'out logs']);
});

test('graph: a signal without a pipeline is refused for good', async () => {
  const outcome = await feed(createBench(TWO), 'in').consume(makeBatch('metrics', 1), NEVER);
  assert.deepEqual(outcome, rejected('no pipeline of metrics has the receiver in'));
});

test('graph: the worst verdict of a fan-out counts', async () => {
  const partial: Outcome = { status: 'accepted', rejected: 1, reason: 'one' };
  const check = async (outcomes: Outcome[], want: Outcome) => {
    const sinks = outcomes.map((outcome) => createSink(outcome));
    assert.deepEqual(await fanOut(sinks).consume(makeBatch('logs', 2), NEVER), want);
    for (const sink of sinks) assert.equal(sink.received.length, 1);
  };
  await check([ACCEPTED, ACCEPTED], ACCEPTED);
  await check([ACCEPTED, partial], partial);
  await check([rejected('bad'), partial], rejected('bad'));
  await check([rejected('bad'), retryable('full', 5), retryable('busy', 9)], retryable('full', 9));
});

test('graph: a retry passes over those that have given their final verdict', async () => {
  const first = createSink(ACCEPTED);
  const second = createSink((_batch, call) => (call < 2 ? retryable('busy') : ACCEPTED));
  const third = createSink(rejected('bad'));
  const both = fanOut([first, fanOut([second, third])]);
  const batch = makeBatch('logs', 2);
  for (const want of [retryable('busy'), retryable('busy'), rejected('bad')]) {
    assert.deepEqual(await both.consume(batch, NEVER), want);
  }
  const calls = () => [first, second, third].map(({ received }) => received.length);
  assert.deepEqual(calls(), [1, 3, 1]);
  // With the last verdict all is forgotten: who sends it once more means it.
  assert.deepEqual(await both.consume(batch, NEVER), rejected('bad'));
  assert.deepEqual(calls(), [2, 4, 2]);
  // Another object with the same content is another batch.
  await both.consume(makeBatch('logs', 2), NEVER);
  assert.deepEqual(calls(), [3, 5, 3]);
});

test('graph: when one cannot start, those that did are stopped, no other starts', async () => {
  const bench = createBench(TWO, ['health']);
  bench.broken.set('a', new OperatorError('cannot start a', 'mend it'));
  await assert.rejects(bench.graph.start(), { message: 'cannot start a' });
  assert.equal(bench.graph.ready(), false);
  const started = bench.events.filter((event) => event.startsWith('start'));
  assert.deepEqual(started, ['start health', 'start out', 'start debug', 'start b', 'start a']);
  const stopped = bench.events.filter((event) => event.startsWith('stop'));
  assert.deepEqual(stopped.sort(), ['stop a', 'stop b', 'stop debug', 'stop health', 'stop out']);
});

test('graph: a component that hangs does not keep the others from stopping', async () => {
  const bench = createBench({ logs: 'in > a > out' });
  await bench.graph.start();
  bench.hanging.add('a');
  const deadline = new AbortController();
  const stopped = bench.graph.stop(deadline.signal);
  await settle();
  assert.ok(!bench.events.includes('stop out'), 'it is waited for until the deadline');
  deadline.abort();
  await bench.world.clock.advance(1000);
  await stopped;
  assert.ok(bench.events.includes('stop out'));
  assert.deepEqual(bench.log.lines.map(({ message }) => message),
    ['cannot stop processor a: it did not end in time']);
  assert.equal(bench.world.clock.pending(), 0);
});

test('graph: each component has a folder of its own, under the canonical type', async () => {
  const bench = createBench({ 'logs/x': 'receiver/nginx > processor > out' });
  await bench.graph.start();
  const folders = bench.built.map(({ context }) => context.folder.slice(bench.folder.length + 1));
  assert.deepEqual(folders.sort(),
    ['exporter/exporter', 'processor/processor/logs/x', 'receiver/receiver-nginx']);
});

test('graph: a folder that cannot be made is told to the operator', async () => {
  const bench = createBench({ logs: 'in > > out' });
  writeFileSync(join(bench.folder, 'exporter'), 'in the way');
  await assert.rejects(bench.graph.start(), (error: OperatorError) => {
    assert.match(error.message, /^cannot create the folder of the exporter out: /);
    assert.match(error.hint, /data_dir/);
    return error instanceof OperatorError;
  });
});

test('graph: addresses of all components', () => {
  assert.deepEqual(createBench(TWO).graph.addresses(), { in: 'here', files: 'here' });
});

test('graph: counts under the names of the Collector', async () => {
  const bench = createBench({ traces: 'in > a > out' });
  const outcomes: Outcome[] = [ACCEPTED, { status: 'accepted', rejected: 2 }, rejected('bad'),
    retryable('busy')];
  bench.answers.set('out', (_batch, call) => outcomes[call]!);
  for (let call = 0; call < outcomes.length; call++) {
    await feed(bench, 'in').consume(makeBatch('traces', 5), NEVER);
  }
  const check = (name: string, labels: Record<string, string>, want: number) =>
    assert.equal(bench.counters.total(`otelcol_${name}_total`, labels), want, name);
  check('receiver_accepted_spans', { receiver: 'in' }, 8);
  check('receiver_refused_spans', { receiver: 'in' }, 12);
  check('exporter_sent_spans', { exporter: 'out' }, 8);
  check('exporter_send_failed_spans', { exporter: 'out' }, 12);
  check('processor_incoming_items', { processor: 'a', otel_signal: 'traces' }, 20);
  check('processor_outgoing_items', { processor: 'a', otel_signal: 'traces' }, 20);
});

const JOINED = {
  'logs/last': 'split > z > out',
  'logs/second': 'join > y > split',
  logs: 'in > x > join debug',
  'logs/files': 'files > > join',
  traces: 'in > > split',
  'traces/last': 'split > > debug',
};

test('graph: connectors start after what is behind them and stop before it', async () => {
  const { graph, events } = createBench(JOINED);
  await graph.start();
  assert.deepEqual(events.splice(0), ['start out', 'start debug', 'start z', 'start split',
    'start y', 'start join', 'start x', 'start files', 'start in']
    .sort((a, b) => Number(a === 'start files') - Number(b === 'start files')));
  await graph.stop(NEVER);
  assert.deepEqual(events.map((event) => event.slice(5)).filter((id) => id !== 'files'),
    ['in', 'x', 'join', 'y', 'split', 'z', 'out', 'debug']);
});

test('graph: a connector is one for each id and hands on by signal', async () => {
  const bench = createBench(JOINED);
  const seen: string[] = [];
  for (const id of ['out', 'debug']) {
    bench.answers.set(id, (batch) => {
      seen.push(`${id} ${batch.signal}`);
      return ACCEPTED;
    });
  }
  assert.deepEqual(bench.built.filter(({ kind }) => kind === 'connector')
    .map(({ context }) => context.id).sort(), ['join', 'split']);
  await feed(bench, 'in').consume(makeBatch('logs', 2), NEVER);
  assert.deepEqual(seen.splice(0).sort(), ['debug logs', 'out logs']);
  await feed(bench, 'files').consume(makeBatch('logs', 3), NEVER);
  assert.deepEqual(seen.splice(0), ['out logs']);
  await feed(bench, 'in').consume(makeBatch('traces', 1), NEVER);
  assert.deepEqual(seen.splice(0), ['debug traces']);
  const split = bench.built.find(({ context }) => context.id === 'split')!;
  assert.deepEqual(await split.next.consume(makeBatch('metrics', 1), NEVER), ACCEPTED);
  const check = (name: string, connector: string, signal: string, want: number) => assert.equal(
    bench.counters.total(`otelcol_connector_${name}_items_total`,
      { connector, otel_signal: signal }), want, `${name} ${connector} ${signal}`);
  check('consumed', 'join', 'logs', 5);
  check('produced', 'join', 'logs', 5);
  check('consumed', 'split', 'logs', 5);
  check('consumed', 'split', 'traces', 1);
  check('produced', 'split', 'metrics', 1);
});

test('graph: a connector may choose among the pipelines that it begins', async () => {
  const bench = createBench(JOINED);
  const { pipelines } = bench.built.find(({ context }) => context.id === 'split')!.context;
  assert.deepEqual([...pipelines!].map(([id, { signal }]) => [id, signal]),
    [['logs/last', 'logs'], ['traces/last', 'traces']]);
  bench.answers.set('out', rejected('no'));
  assert.deepEqual(await pipelines!.get('logs/last')!.consume(makeBatch('logs', 4), NEVER),
    rejected('no'));
  assert.equal(bench.counters.total('otelcol_connector_produced_items_total',
    { connector: 'split' }), 4);
});

test('graph: the verdict travels through connectors', async () => {
  const bench = createBench(JOINED);
  bench.answers.set('out', retryable('busy'));
  assert.deepEqual(await feed(bench, 'files').consume(makeBatch('logs', 1), NEVER),
    retryable('busy'));
});

test('graph: a receiver in front of a connector is told of nothing that is durable', () => {
  const { built } = createBench(JOINED);
  for (const id of ['in', 'files']) {
    const { context } = built.find((one) => one.context.id === id)!;
    assert.deepEqual(context.durable!(), [], id);
  }
});
