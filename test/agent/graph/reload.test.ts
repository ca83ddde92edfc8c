// A graph that changes while it runs: which parts stay and which are made anew, in which order,
// who waits meanwhile, that what a stopped part holds is handed on, and what becomes of it when a
// new part cannot start. Components are fakes that write down what happens to them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BrokenGraph } from '../../../agent/graph/graph.ts';
import { isNothing } from '../../../agent/graph/change.ts';
import { ACCEPTED, retryable } from '../../../proto/contract/outcome.ts';
import { OperatorError } from '../../../runtime/errors.ts';
import { settle } from '../../../runtime/manual_clock.ts';
import { createGate, makeBatch, NEVER } from '../../contract/fakes.ts';
import { configOf, createBench, feed } from './bench.ts';

type Bench = ReturnType<typeof createBench>;

async function started(pipelines: Record<string, string>, extensions: string[] = []) {
  const bench = createBench(pipelines, extensions);
  await bench.graph.start();
  bench.events.length = 0;
  return bench;
}

const reload = ({ graph, factories }: Bench, ...config: Parameters<typeof configOf>) =>
  graph.reload(configOf(...config), factories);

test('reload: the same configuration touches nothing', async () => {
  const bench = await started({ logs: 'in > a > out', traces: 'in > a > out' }, ['health']);
  const change = await reload(bench, { logs: 'in > a > out', traces: 'in > a > out' }, ['health']);
  assert.ok(isNothing(change));
  assert.deepEqual(bench.events, []);
  await bench.graph.stop(NEVER);
});

test('reload: only what differs is restarted, front to back and back to front', async () => {
  const pipelines = { logs: 'in > a b > out', metrics: 'host > c > out debug' };
  const bench = await started(pipelines);
  const change = await reload(bench, pipelines, [], { b: { more: 1 }, debug: { more: 1 } });
  assert.deepEqual(change.changed.slice().sort(), ['exporter debug', 'processor b logs']);
  assert.deepEqual(bench.events, ['stop b', 'stop debug', 'start debug', 'start b']);
  await bench.graph.stop(NEVER);
});

test('reload: parts come and go, the others are joined anew', async () => {
  const bench = await started({ logs: 'in > a > out' });
  const seen: string[] = [];
  for (const id of ['out', 'other', 'late']) {
    bench.answers.set(id, () => {
      seen.push(id);
      return ACCEPTED;
    });
  }
  const send = async () => {
    assert.deepEqual(await feed(bench, 'in').consume(makeBatch('logs', 1), NEVER), ACCEPTED);
    return seen.splice(0).sort();
  };
  assert.deepEqual(await send(), ['out']);
  const change = await reload(bench,
    { logs: 'in > a b > out join', 'logs/2': 'join > > other', 'logs/3': 'files in > > late' });
  assert.deepEqual(change.added.slice().sort(), ['connector join', 'exporter late',
    'exporter other', 'processor b logs', 'receiver files']);
  assert.ok(!bench.events.some((event) => event.startsWith('stop')));
  assert.deepEqual(await send(), ['late', 'other', 'out']);
  bench.events.length = 0;
  await reload(bench, { 'logs/3': 'in > > late' });
  assert.deepEqual(bench.events.sort(),
    ['stop a', 'stop b', 'stop files', 'stop join', 'stop other', 'stop out']);
  assert.deepEqual(await send(), ['late']);
  await bench.graph.stop(NEVER);
});

test('reload: an extension restarts those that use it', async () => {
  const bench = createBench({ logs: 'in > a > out' }, ['store', 'health']);
  const exporter = bench.factories.find(({ kind }) => kind === 'exporter')!;
  Object.assign(exporter, { uses: () => [{ path: ['storage'], id: 'store', type: 'extension' }] });
  await bench.graph.start();
  bench.events.length = 0;
  await reload(bench, { logs: 'in > a > out' }, ['store', 'health'], { store: { more: 1 } });
  assert.deepEqual(bench.events, ['stop out', 'stop store', 'start store', 'start out']);
  await bench.graph.stop(NEVER);
});

test('reload: a connector is made anew when it begins other pipelines', async () => {
  const bench = await started({ logs: 'in > > join', 'logs/2': 'join > > out' });
  await reload(bench, {
    logs: 'in > > join', 'logs/2': 'join > > out', 'logs/3': 'join > > out',
  });
  assert.deepEqual(bench.events, ['stop join', 'start join']);
  const { context } = bench.built.at(-1)!;
  assert.deepEqual([...context.pipelines!.keys()], ['logs/2', 'logs/3']);
  await bench.graph.stop(NEVER);
});

test('reload: who hands on meanwhile waits and is then served by the new part', async () => {
  const bench = await started({ logs: 'in > a > out' });
  const gate = createGate();
  bench.answers.set('out', gate.answer);
  const under = feed(bench, 'in').consume(makeBatch('logs', 1), NEVER);
  const changing = reload(bench, { logs: 'in > a > out' }, [], { out: { more: 1 } });
  await settle();
  const aborted = new AbortController();
  const waiting = feed(bench, 'in').consume(makeBatch('logs', 2), NEVER);
  const hasty = feed(bench, 'in').consume(makeBatch('logs', 3), aborted.signal);
  await settle();
  // They have gone through the processor, which stays, and wait behind it.
  assert.equal(bench.counters.total('otelcol_processor_outgoing_items_total'), 6);
  aborted.abort();
  assert.deepEqual(await hasty, retryable('the pipelines are being changed'));
  gate.open(ACCEPTED);
  await bench.world.clock.advance(100);
  await changing;
  assert.deepEqual(await Promise.all([under, waiting]), [ACCEPTED, ACCEPTED]);
  assert.equal(bench.counters.total('otelcol_exporter_sent_log_records_total'), 3);
  await bench.graph.stop(NEVER);
});

test('reload: when a new part cannot start all is as before', async () => {
  const pipelines = { logs: 'in > a > out', metrics: 'host > > debug' };
  const bench = await started(pipelines, ['health']);
  bench.broken.set('late', new OperatorError('cannot start late', 'mend it'));
  await assert.rejects(reload(bench, { ...pipelines, 'logs/2': 'late in > > more' }, ['health'],
    { out: { more: 1 } }), { message: 'cannot start late' });
  assert.deepEqual(bench.events.filter((event) => !/ (late|more)$/.test(event)),
    ['stop out', 'start out', 'stop out', 'start out']);
  assert.ok(bench.events.includes('stop more'));
  assert.ok(bench.graph.ready());
  assert.deepEqual(await feed(bench, 'in').consume(makeBatch('logs', 1), NEVER), ACCEPTED);
  assert.equal(bench.counters.total('otelcol_exporter_sent_log_records_total', { exporter: 'out' }),
    1);
  // The next one finds what is there.
  bench.broken.clear();
  const change = await reload(bench, { ...pipelines, 'logs/2': 'late in > > more' }, ['health']);
  assert.deepEqual(change.added.slice().sort(), ['exporter more', 'receiver late']);
  await bench.graph.stop(NEVER);
});

test('reload: a component that cannot be built disturbs nobody', async () => {
  const bench = await started({ logs: 'in > a > out' });
  const processor = bench.factories.find(({ kind }) => kind === 'processor')!;
  const factories = bench.factories.map((one) => (one === processor ? { ...one, create: () => {
    throw new OperatorError('cannot be built', '');
  } } : one));
  await assert.rejects(bench.graph.reload(configOf({ logs: 'in > a > out' }), factories),
    { message: 'cannot be built' });
  assert.deepEqual(bench.events, []);
  await bench.graph.stop(NEVER);
});

test('reload: when nothing can be undone it says so', async () => {
  const bench = await started({ logs: 'in > a > out' });
  bench.broken.set('out', new OperatorError('cannot start out', ''));
  await assert.rejects(reload(bench, { logs: 'in > a > out' }, [], { out: { more: 1 } }),
    (error: Error) => error instanceof BrokenGraph && /cannot start out; and what ran/.test(
      error.message));
  await bench.graph.stop(NEVER);
});

test('reload: a stop meanwhile hurries it', async () => {
  const bench = await started({ logs: 'in > a > out' });
  bench.hanging.add('out');
  const changing = reload(bench, { logs: 'in > a > out' }, [], { out: { more: 1 } });
  await settle();
  bench.hanging.clear();
  const stopped = bench.graph.stop(NEVER);
  await settle();
  await bench.world.clock.advance(1000);
  await Promise.all([changing, stopped]);
  assert.equal(bench.graph.ready(), false);
  assert.equal(bench.world.clock.pending(), 0);
});
