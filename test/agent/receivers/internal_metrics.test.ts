// The agent's counters as OTLP: counters become cumulative sums with one start for the process,
// gauges stay gauges, and the resource names the agent. Reports follow the clock of the test.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { internalMetricsReceiver } from '../../../agent/receivers/internal_metrics.ts';
import type { Batch } from '../../../proto/contract/batch.ts';
import { ACCEPTED } from '../../../proto/contract/outcome.ts';
import { checkReceiver } from '../../contract/check_receiver.ts';
import { settle } from '../../../runtime/manual_clock.ts';
import { createManualClock, NEVER, NOW, testContext } from '../../contract/fakes.ts';

/** The manual clock begins here. */
const startNs = BigInt(Date.UTC(2026, 0, 1)) * 1_000_000n;

const config = (interval: string) =>
  internalMetricsReceiver.schema.parse({ collection_interval: interval });

function reporting(answer: (batch: Batch) => Promise<unknown> = async () => {}) {
  const base = testContext();
  const clock = createManualClock();
  const context = { ...base, world: { ...base.world, clock } };
  const batches: Batch<'metrics'>[] = [];
  const create = () => internalMetricsReceiver.create(config('10s'), context, {
    consume: async (batch) => {
      batches.push(batch as Batch<'metrics'>);
      await answer(batch);
      return ACCEPTED;
    },
  });
  return { batches, clock, create, counters: context.counters, agentId: context.agentId };
}

/** What a batch says: name, kind, attributes and value of each point. */
const pointsOf = (batch: Batch<'metrics'>) =>
  batch.request.resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics)
    .flatMap(({ metrics }) => metrics)
    .flatMap(({ name, data }) => (data?.type !== 'sum' && data?.type !== 'gauge' ? []
      : data.dataPoints.map(({ attributes, value, startTimeUnixNano }) => ({
        name, type: data.type, startNs: startTimeUnixNano, value: value?.value,
        labels: attributes.map((one) =>
          `${one.key}=${one.value?.type === 'string' ? one.value.value : '?'}`).join(),
      }))));

test('internal_metrics: counters are cumulative sums, gauges gauges', async () => {
  const { batches, clock, counters, create, agentId } = reporting();
  counters.counter('a_total', 'A.', { exporter: 'otlp' }).add(3);
  counters.gauge('b', 'B.', () => 7);
  counters.gauges('c', 'C.', () => [[{ from: '1' }, 2], [{ from: '5' }, Number.NaN]]);
  const receiver = create();
  await receiver.start();
  await clock.advance(10_000);
  await settle();
  assert.equal(batches.length, 1);
  assert.deepEqual(pointsOf(batches[0]!), [
    { name: 'a', type: 'sum', startNs, value: 3, labels: 'exporter=otlp' },
    { name: 'b', type: 'gauge', startNs: 0n, value: 7, labels: '' },
    { name: 'c', type: 'gauge', startNs: 0n, value: 2, labels: 'from=1' },
  ]);
  const [{ resource } = { resource: undefined }] = batches[0]!.request.resourceMetrics;
  const named = Object.fromEntries(resource!.attributes.map(({ key, value }) =>
    [key, value?.type === 'string' ? value.value : '']));
  assert.equal(named['service.name'], 'binnacle-agent');
  assert.equal(named['service.instance.id'], agentId);
  assert.notEqual(named['host.name'], '');
  await receiver.stop(NEVER);
});

test('internal_metrics: a second receiver of the process has the same start', async () => {
  const { batches, clock, counters, create } = reporting();
  counters.counter('a_total', 'A.').add(1);
  await create().stop(NEVER);
  await clock.advance(60_000);
  const receiver = create();
  await receiver.start();
  await receiver.stop(NEVER);
  assert.equal(pointsOf(batches[0]!)[0]!.startNs, startNs);
});

test('internal_metrics: the last report is made when it stops, and not twice', async () => {
  const { batches, create } = reporting();
  const receiver = create();
  await receiver.start();
  await receiver.stop(NEVER);
  await receiver.stop(NOW);
  assert.equal(batches.length, 1);
});

test('internal_metrics: while one report is under way, ticks are skipped', async () => {
  let answer = () => {};
  const slow = () => new Promise<void>((resolve) => {
    answer = resolve;
  });
  const { batches, clock, create } = reporting(slow);
  const receiver = create();
  await receiver.start();
  await clock.advance(10_000);
  await clock.advance(30_000);
  assert.equal(batches.length, 1);
  answer();
  await settle();
  await clock.advance(10_000);
  assert.equal(batches.length, 2);
  const stopped = receiver.stop(NOW);
  answer();
  await stopped;
});

checkReceiver({
  name: 'internal_metrics',
  create: (next, context) => {
    let reports = 0;
    context.counters.gauges('report', 'A name of its own for each report.', function* read() {
      reports += 1;
      yield [{ number: String(reports) }, 1] as const;
    });
    return { receiver: internalMetricsReceiver.create(config('5ms'), context, next) };
  },
  keysOf: (batch) => pointsOf(batch as Batch<'metrics'>)
    .filter(({ name }) => name === 'report').map(({ labels }) => labels),
});
