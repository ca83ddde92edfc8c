// The connector count: everything it can count, with conditions and attributes, as deltas of each
// batch, with the verdict of those who get the counts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countConnector } from '../../../agent/connectors/count/connector.ts';
import type { Batch } from '../../../proto/contract/batch.ts';
import type { Consumer } from '../../../proto/contract/component.ts';
import { ACCEPTED, rejected, retryable } from '../../../proto/contract/outcome.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { checkConnector } from '../../contract/check_connector.ts';
import { createSink, makeBatch, NEVER, testContext } from '../../contract/fakes.ts';
import { at, flatPoints, gauge, metricOf, metricsBatch, numberOf, sum } from '../series/made.ts';
import { ERROR, spanBatch } from './spans.ts';

const build = (settings: object, next: Consumer, context = testContext()) =>
  countConnector.create(countConnector.schema.parse(settings), context, next);

for (const [signal, name] of [
  ['traces', 'trace.span.count'], ['metrics', 'metric.datapoint.count'],
  ['logs', 'log.record.count'],
] as const) {
  checkConnector({
    name: `count, ${signal}`,
    create: (next, context) => build({}, next, context),
    batch: (first, items) => makeBatch(signal, items, { first }),
    counted: (batches) => flatPoints(batches).filter(({ metric }) => metric.name === name)
      .reduce((total, { point }) => total + numberOf(point), 0),
  });
}

async function counts(settings: object, ...batches: Batch[]): Promise<Record<string, number>> {
  const sink = createSink();
  const connector = build(settings, sink);
  for (const batch of batches) {
    assert.deepEqual(await connector.consume(batch, NEVER), ACCEPTED);
  }
  const totals: Record<string, number> = {};
  for (const { series, point } of flatPoints(sink.received)) {
    totals[series] = (totals[series] ?? 0) + numberOf(point);
  }
  return totals;
}

const spans = spanBatch([
  { name: 'a', status: ERROR, attributes: { env: 'prod' }, events: [{ kind: 'x' }, {}] },
  { name: 'b', attributes: { env: 'test' } }, { name: 'c' },
]);
const metrics = metricsBatch([
  metricOf('load', { ...gauge(1, { time: at(1) }), dataPoints: ['a', 'b', 'a'].flatMap((host) =>
    gauge(1, { time: at(1), attributes: { host } }).dataPoints) }),
  metricOf('calls', sum(1, { time: at(1), temporality: 1 })),
]);

test('count: by default everything, under the names of the Collector', async () => {
  assert.deepEqual(await counts({}, spans),
    { 'shop trace.span.count{}': 3, 'shop trace.span.event.count{}': 2 });
  assert.deepEqual(await counts({}, metrics),
    { 'shop metric.count{}': 2, 'shop metric.datapoint.count{}': 4 });
  assert.deepEqual(await counts({}, makeBatch('logs', 3)), { 'test log.record.count{}': 3 });
  assert.deepEqual(await counts({ logs: {} }, makeBatch('logs', 3)), {});
});

test('count: conditions, one of which must hold', async () => {
  const own = (conditions: string[]) => counts({
    spans: { failed: { description: 'Failed.', conditions } }, spanevents: {},
  }, spans);
  assert.deepEqual(await own(['status.code == STATUS_CODE_ERROR']), { 'shop failed{}': 1 });
  assert.deepEqual(await own(['attributes["env"] == "none"']), {});
  const three = spanBatch([{ name: 'a' }, { name: 'b' }, { name: 'c' }]);
  const some = { some: { conditions: ['name == "a"', 'span.name == "c"'] } };
  assert.deepEqual(await counts({ spans: some }, three), { 'shop some{}': 2 });
  const points = { datapoints: { own: { conditions: ['metric.name == "load"'] } }, metrics: {} };
  assert.deepEqual(await counts(points, metrics), { 'shop own{}': 3 });
});

test('count: attributes of the record, its scope or resource, or their default', async () => {
  const own = (attributes: object[]) =>
    counts({ datapoints: { own: { attributes } }, metrics: {} }, metrics);
  assert.deepEqual(await own([{ key: 'host' }]),
    { 'shop own{host=a}': 2, 'shop own{host=b}': 1 });
  assert.deepEqual(await own([{ key: 'host', default_value: 'none' }]),
    { 'shop own{host=a}': 2, 'shop own{host=b}': 1, 'shop own{host=none}': 1 });
  assert.deepEqual(await own([{ key: 'service.name' }, { key: 'n', default_value: 5 }]),
    { 'shop own{n=5,service.name=shop}': 4 });
  assert.deepEqual(await counts({ spans: {}, spanevents: { own: { attributes: [
    { key: 'kind', default_value: false }] } } }, spans),
  { 'shop own{kind=x}': 1, 'shop own{kind=false}': 1 });
});

test('count: deltas of a monotonic sum, one after the other', async () => {
  const sink = createSink();
  const connector = build({ logs: { lines: { description: 'Lines.' } } }, sink);
  for (const items of [3, 2]) await connector.consume(makeBatch('logs', items), NEVER);
  const [first, second] = flatPoints(sink.received);
  assert.equal(first!.metric.description, 'Lines.');
  assert.deepEqual([numberOf(first!.point), numberOf(second!.point)], [3, 2]);
  assert.equal(second!.point.startTimeUnixNano, first!.point.timeUnixNano);
  assert.ok(first!.point.startTimeUnixNano < first!.point.timeUnixNano);
});

test('count: the verdict on the counts is that on the batch', async () => {
  for (const outcome of [retryable('not now'), rejected('never')]) {
    assert.deepEqual(
      await build({}, createSink(outcome)).consume(makeBatch('logs', 1), NEVER), outcome);
  }
  const some = createSink({ status: 'accepted', rejected: 1, reason: 'one' });
  assert.deepEqual(await build({}, some).consume(makeBatch('logs', 1), NEVER), ACCEPTED);
});

test('count: a condition that fails on a record does not hold, and is counted', async () => {
  const counters = createCounters();
  const sink = createSink();
  const connector = build({ logs: { own: { conditions: ['Int(body) < Len(5)', 'true'] } } }, sink,
    testContext({ counters }));
  await connector.consume(makeBatch('logs', 2), NEVER);
  assert.equal(flatPoints(sink.received).length, 1);
  assert.equal(counters.total('binnacle_ottl_failures_total'), 2);
});

test('count: wrong settings are refused', () => {
  for (const settings of [
    { spans: { a: { conditions: ['name =='] } } },
    { metrics: { a: { attributes: [{ key: 'a' }] } } },
    { logs: { a: { attributes: [{ key: '' }] } } }, { profiles: { a: {} } }, { span: {} },
    { spans: { a: { conditions: ['body == ""'] } } },
  ]) {
    const { success } = countConnector.schema.safeParse(settings);
    assert.equal(success, false, JSON.stringify(settings));
  }
});
