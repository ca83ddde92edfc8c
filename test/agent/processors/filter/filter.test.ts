// Proves that the filter drops what its conditions hold for, at each level and in each way in which
// they can be written, as the README of the Collector's filterprocessor says; that what is dropped
// is counted; that failures are handled by error_mode; and that mistakes are told at their place.
// Runs the contract suite.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { filterProcessor } from '../../../../agent/processors/filter/processor.ts';
import { Batch } from '../../../../proto/contract/batch.ts';
import { ACCEPTED } from '../../../../proto/contract/outcome.ts';
import type {
  LogsRequest, MetricsRequest, NumberDataPoint, TracesRequest,
} from '../../../../proto/otlp/model.ts';
import { createCounters } from '../../../../runtime/counters.ts';
import { checkConsumer } from '../../../contract/check_consumer.ts';
import { createSink, NEVER, testContext } from '../../../contract/fakes.ts';
import { any, LOG, METRIC, pairs, SPAN, type Plain } from '../../ottl/records.ts';

const parse = (settings: object) => filterProcessor.schema.parse(settings);

checkConsumer({
  name: 'filter',
  create: (next, context) => ({
    consumer: filterProcessor.create(parse({
      error_mode: 'ignore',
      logs: { log_record: ['body == "none"', 'ParseJSON(body)["a"] == 1'] },
      traces: { span: ['name == "none"'], spanevent: ['name == "none"'] },
      metrics: { datapoint: ['metric.name == "none"'] },
    }), context, next),
  }),
});

const resource = (name: string) =>
  ({ attributes: pairs({ 'service.name': name }), droppedAttributesCount: 0, entityRefs: [] });

const scope = { name: 'lib', version: '1', attributes: [], droppedAttributesCount: 0 };

const LOGS: LogsRequest = {
  resourceLogs: ['shop', 'cart'].map((name) => ({
    resource: resource(name), schemaUrl: '',
    scopeLogs: [{
      scope, schemaUrl: '',
      logRecords: [
        { ...LOG, body: any(`${name} login password=x`), severityNumber: 9, severityText: 'INFO' },
        { ...LOG, body: any(`${name} slow`), severityNumber: 13, severityText: 'WARN2' },
        { ...LOG, body: any(`${name} trace`), severityNumber: 0, attributes: pairs({ a: 'b1' }) },
      ],
    }],
  })),
};

const TRACES: TracesRequest = {
  resourceSpans: [{
    resource: resource('shop'), schemaUrl: '',
    scopeSpans: [{
      scope, schemaUrl: '',
      spans: [
        { ...SPAN, name: 'health', kind: 2 },
        { ...SPAN, name: 'buy', parentSpanId: '1111111111111111', kind: 3 },
      ],
    }],
  }],
};

const point = (cpu: string, value: bigint): NumberDataPoint => ({
  attributes: pairs({ cpu }), startTimeUnixNano: 1n, timeUnixNano: 2n, flags: 0,
  value: { type: 'int', value }, exemplars: [],
});

const METRICS: MetricsRequest = {
  resourceMetrics: [{
    resource: resource('shop'), schemaUrl: '',
    scopeMetrics: [{
      scope, schemaUrl: '',
      metrics: [
        { ...METRIC, name: 'up', data: { type: 'gauge', dataPoints: [point('0', 1n)] } },
        {
          ...METRIC, name: 'cpu',
          data: {
            type: 'sum', aggregationTemporality: 2, isMonotonic: true,
            dataPoints: [point('0', 5n), point('1', 6n)],
          },
        },
      ],
    }],
  }],
};

async function run(settings: object, batch: Batch) {
  const sink = createSink();
  const counters = createCounters();
  const processor = filterProcessor.create(parse(settings), testContext({ counters }), sink);
  const outcome = await processor.consume(batch, NEVER);
  const dropped = counters.total('binnacle_processor_dropped_items_total', { reason: 'filter' });
  return { outcome, got: sink.received[0], dropped, counters };
}

/** What is left: bodies, names of spans (with how many events), names of metrics with points. */
function leftOf(batch: Batch | undefined): Plain {
  if (batch === undefined) return 'nothing';
  if (batch.is('logs')) {
    return batch.request.resourceLogs.flatMap((one) => one.scopeLogs.flatMap(({ logRecords }) =>
      logRecords.map(({ body }) => body!.value as string)));
  }
  if (batch.is('traces')) {
    return batch.request.resourceSpans.flatMap((one) => one.scopeSpans.flatMap(({ spans }) =>
      spans.map(({ name, events }) => `${name} ${events.length}`)));
  }
  return (batch as Batch<'metrics'>).request.resourceMetrics.flatMap((one) =>
    one.scopeMetrics.flatMap(({ metrics }) => metrics.map(({ name, data }) =>
      `${name} ${data!.dataPoints.map(({ attributes }) => attributes[0]!.value.value).join('')}`)));
}

const logs = () => Batch.fromRequest('logs', LOGS);
const traces = () => Batch.fromRequest('traces', TRACES);
const metrics = () => Batch.fromRequest('metrics', METRICS);

async function check(settings: object, batch: Batch, want: Plain, wantDropped: number) {
  const { got, dropped, outcome } = await run(settings, batch);
  assert.deepEqual(leftOf(got), want, JSON.stringify(settings));
  assert.equal(dropped, wantDropped, JSON.stringify(settings));
  assert.deepEqual(outcome, ACCEPTED);
}

const REST = ['shop slow', 'shop trace', 'cart slow', 'cart trace'];

test('filter: log records by conditions, of each form', async () => {
  await check({ logs: { log_record: ['IsMatch(body, ".*password.*")'] } }, logs(), REST, 2);
  await check({ log_conditions: ['IsMatch(log.body, ".*password.*")'] }, logs(), REST, 2);
  await check({
    log_conditions: [{ context: 'log', conditions: ['IsMatch(body, ".*password.*")'] }],
  }, logs(), REST, 2);
  await check({ logs: { log_record: ['severity_number < SEVERITY_NUMBER_WARN'] } }, logs(),
    ['shop slow', 'cart slow'], 4);
  await check({ logs: { resource: ['attributes["service.name"] == "cart"'] } }, logs(),
    ['shop login password=x', 'shop slow', 'shop trace'], 3);
  await check({
    log_conditions: [
      'resource.attributes["service.name"] == "cart"', 'log.body == "shop slow"',
    ],
  }, logs(), ['shop login password=x', 'shop trace'], 4);
  await check({ log_conditions: ['scope.name == "lib"'] }, logs(), 'nothing', 6);
  await check({ log_conditions: ['true'] }, logs(), 'nothing', 6);
});

test('filter: spans and their events', async () => {
  await check({ traces: { span: ['name == "health"'] } }, traces(), ['buy 1'], 1);
  await check({ trace_conditions: ['IsRootSpan()'] }, traces(), ['buy 1'], 1);
  // A span that lost all of its events is left; events are no items.
  await check({ traces: { spanevent: ['IsMatch(name, ".*exc.*")'] } }, traces(),
    ['health 0', 'buy 0'], 0);
  await check({ trace_conditions: ['spanevent.name == "exception" and span.name == "buy"'] },
    traces(), ['health 1', 'buy 0'], 0);
  await check({ traces: { resource: ['attributes["service.name"] == "shop"'] } }, traces(),
    'nothing', 2);
});

test('filter: metrics and data points', async () => {
  await check({ metrics: { metric: ['type == METRIC_DATA_TYPE_GAUGE'] } }, metrics(),
    ['cpu 01'], 1);
  await check({ metrics: { datapoint: ['attributes["cpu"] == "0"'] } }, metrics(), ['cpu 1'], 2);
  await check({ metric_conditions: ['metric.name == "up"', 'datapoint.value_int == 6'] },
    metrics(), ['cpu 0'], 2);
  await check({ metrics: { metric: ['HasAttrKeyOnDatapoint("cpu") and name == "up"'] } },
    metrics(), ['cpu 01'], 1);
  await check({ metrics: { metric: ['HasAttrOnDatapoint("cpu", "1")'] } }, metrics(), ['up 0'], 2);
  await check({ metric_conditions: ['HasAttrKeyOnDatapoint("none")'] }, metrics(),
    ['up 0', 'cpu 01'], 0);
});

test('filter: include and exclude of the older form', async () => {
  await check({ metrics: { include: { match_type: 'regexp', metric_names: ['^c.*'] } } },
    metrics(), ['cpu 01'], 1);
  await check({
    metrics: {
      exclude: {
        match_type: 'strict', metric_names: ['up'],
        resource_attributes: [{ key: 'service.name', value: 'shop' }],
      },
    },
  }, metrics(), ['cpu 01'], 1);
  await check({ logs: { include: { severity_number: { min: 'warn', match_undefined: true } } } },
    logs(), REST, 2);
  await check({ logs: { include: { match_type: 'regexp', severity_texts: ['WARN[2-4]?'] } } },
    logs(), ['shop slow', 'cart slow'], 4);
  await check({ logs: { exclude: { bodies: ['shop slow'] } } }, logs(),
    ['shop login password=x', 'shop trace', 'cart login password=x', 'cart slow', 'cart trace'], 1);
  await check({
    logs: {
      include: {
        match_type: 'strict', resource_attributes: [{ key: 'service.name', value: 'cart' }],
      },
      exclude: { match_type: 'regexp', record_attributes: [{ key: 'a', value: 'b.' }] },
    },
  }, logs(), ['cart login password=x', 'cart slow'], 4);
  await check({ spans: { include: { match_type: 'strict', span_names: ['buy'] } } }, traces(),
    ['buy 1'], 1);
  for (const match of [
    { span_kinds: ['SPAN_KIND_CLIENT'] },
    { span_names: ['buy'], resources: [{ key: 'service.name', value: 'shop' }] },
  ]) {
    await check({ spans: { include: { match_type: 'strict', ...match } } }, traces(), ['buy 1'], 1);
    await check({ spans: { exclude: { match_type: 'strict', ...match } } }, traces(),
      ['health 1'], 1);
  }
  for (const match of [
    { resources: [{ key: 'service.name', value: 'cart' }] }, { log_bodies: ['buy'] },
    { log_severity_texts: ['INFO'] }, { log_severity_number: { min: 1 } },
    { libraries: [{ name: 'no such' }] },
  ]) {
    await check({ spans: { include: { match_type: 'strict', ...match } } }, traces(), 'nothing', 2);
  }
  await check({ spans: { exclude: { match_type: 'regexp', services: ['sh.p'] } } }, traces(),
    'nothing', 2);
});

test('filter: nothing dropped is the batch as it came, nothing asked is not decoded', async () => {
  const batch = logs();
  assert.equal((await run({ logs: { log_record: ['body == "x"'] } }, batch)).got, batch);
  assert.equal((await run({ traces: { span: ['true'] } }, batch)).got, batch);
  assert.equal((await run({}, batch)).got, batch);
});

test('filter: a condition that fails refuses the batch, or counts as not holding', async () => {
  const conditions = ['ParseJSON(body)["a"] == 1', 'body == "shop slow"'];
  const refused = await run({ logs: { log_record: conditions } }, logs());
  assert.deepEqual(refused.outcome,
    { status: 'rejected', reason: 'cannot filter the batch: the text is no JSON object or array' });
  assert.equal(refused.dropped, 0);
  for (const mode of ['ignore', 'silent']) {
    const { got, dropped, counters } = await run(
      { error_mode: mode, logs: { log_record: conditions } }, logs());
    assert.equal((leftOf(got) as Plain[]).length, 5);
    assert.equal(dropped, 1);
    assert.equal(counters.total('binnacle_ottl_failures_total'), 6);
  }
  const own = await run({
    log_conditions: [{ error_mode: 'silent', conditions: ['ParseJSON(log.body)["a"] == 1'] }],
  }, logs());
  assert.equal(own.outcome.status, 'accepted');
});

test('filter: what the next one refuses for now is not counted as dropped', async () => {
  const sink = createSink({ status: 'retryable', reason: 'full' });
  const counters = createCounters();
  const settings = parse({ logs: { log_record: ['body == "shop slow"'] } });
  const processor = filterProcessor.create(settings, testContext({ counters }), sink);
  assert.equal((await processor.consume(logs(), NEVER)).status, 'retryable');
  assert.equal(counters.total('binnacle_processor_dropped_items_total'), 0);
});

test('filter: mistakes are told at their place, with a hint', () => {
  const check = (settings: object, path: string, message: RegExp) => {
    const { error } = filterProcessor.schema.safeParse(settings);
    const issue = error?.issues.find((one) => one.path.join('.') === path);
    assert.ok(issue !== undefined, `${path} of ${JSON.stringify(error?.issues)}`);
    assert.match(`${issue.message}; ${(issue as { params?: { hint: string } }).params?.hint}`,
      message);
  };
  check({ logs: { log_record: ['true', 'bodi == 1'] } }, 'logs.log_record.1',
    /did you mean "body"/);
  check({ traces: { span: ['IsRootSpan'] } }, 'traces.span.0', /IsRootSpan/);
  check({ metrics: { datapoint: ['HasAttrKeyOnDatapoint("a")'] } }, 'metrics.datapoint.0',
    /cannot be used in the datapoint context/);
  check({ metrics: { include: { match_type: 'expr', expressions: ['x'] } } },
    'metrics.include.match_type', /metric_conditions/);
  check({ metrics: { include: { match_type: 'regexp', metric_names: ['('] } } },
    'metrics.include.metric_names.0', /regular expression/);
  check({ logs: { include: { severity_number: { min: 'LOUD' } } } },
    'logs.include.severity_number.min', /TRACE to FATAL4/);
  check({ profile_conditions: ['true'] }, 'profile_conditions', /profiles/);
  check({
    spans: { include: { match_type: 'strict', span_names: ['a'] } }, traces: { span: ['true'] },
  }, 'spans', /one of the two forms/);
});
