// Proves that the transform processor runs its statements where they belong, in their order, with
// conditions and error modes of groups; that only what changes is made anew; and that mistakes are
// told at their place. Editors of its own are proven in editors.test.ts. Runs the contract suite.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { transformProcessor } from '../../../../agent/processors/transform/processor.ts';
import { Batch } from '../../../../proto/contract/batch.ts';
import type { LogsRequest, MetricsRequest, TracesRequest } from '../../../../proto/otlp/model.ts';
import { createCounters } from '../../../../runtime/counters.ts';
import { checkConsumer } from '../../../contract/check_consumer.ts';
import { createSink, NEVER, testContext } from '../../../contract/fakes.ts';
import { any, LOG, METRIC, pairs, SPAN, unpaired } from '../../ottl/records.ts';

const parse = (settings: object) => transformProcessor.schema.parse(settings);

checkConsumer({
  name: 'transform',
  create: (next, context) => ({
    consumer: transformProcessor.create(parse({
      log_statements: ['set(log.attributes["a"], 1)', 'set(resource.attributes["b"], log.body)'],
      trace_statements: ['set(span.attributes["a"], span.name)'],
      metric_statements: [{ context: 'datapoint', statements: ['set(attributes["a"], 1)'] }],
    }), context, next),
  }),
});

const resource = { attributes: pairs({ name: 'shop' }), droppedAttributesCount: 0, entityRefs: [] };
const scope = { name: 'lib', version: '1', attributes: [], droppedAttributesCount: 0 };

const logs = () => Batch.fromRequest('logs', {
  resourceLogs: [{
    resource, schemaUrl: 'u',
    scopeLogs: [{
      scope, schemaUrl: '',
      logRecords: [
        { ...LOG, body: any('{"level":"warn","n":{"x":1}}'), attributes: pairs({ a: 'x' }) },
        { ...LOG, body: any('plain'), attributes: [] },
      ],
    }],
  }],
} satisfies LogsRequest);

const traces = () => Batch.fromRequest('traces', {
  resourceSpans: [{
    resource, schemaUrl: '',
    scopeSpans: [{ scope, schemaUrl: '', spans: [SPAN, { ...SPAN, name: 'b', events: [] }] }],
  }],
} satisfies TracesRequest);

const metrics = () => Batch.fromRequest('metrics', {
  resourceMetrics: [{
    resource, schemaUrl: '', scopeMetrics: [{ scope, schemaUrl: '', metrics: [METRIC] }],
  }],
} satisfies MetricsRequest);

async function run(settings: object, batch: Batch) {
  const sink = createSink();
  const counters = createCounters();
  const processor = transformProcessor.create(parse(settings), testContext({ counters }), sink);
  const outcome = await processor.consume(batch, NEVER);
  return { outcome, got: sink.received[0] as Batch, counters };
}

async function logsAfter(settings: object) {
  const { got } = await run(settings, logs());
  const [group] = (got as Batch<'logs'>).request.resourceLogs;
  const records = group!.scopeLogs[0]!.logRecords;
  return { group: group!, records, attributes: records.map((one) => unpaired(one.attributes)) };
}

// The example "Parsing JSON logs" of the README of the Collector's transformprocessor.
test('transform: JSON of bodies by way of the cache, which is each record\'s own', async () => {
  const { attributes } = await logsAfter({
    log_statements: [{
      statements: [
        'merge_maps(log.cache, ParseJSON(log.body), "upsert") where IsMatch(log.body, "^\\\\{")',
        'set(log.attributes["level"], log.cache["level"])',
        'set(log.attributes["n.x"], log.cache["n"]["x"])',
      ],
    }],
  });
  assert.deepEqual(attributes, [{ a: 'x', level: 'warn', 'n.x': 1 }, {}]);
});

test('transform: groups have conditions, of which one must hold', async () => {
  const { attributes } = await logsAfter({
    log_statements: [{
      conditions: ['IsMatch(log.body, "pla.n")', 'log.body == "other"'],
      statements: ['set(log.attributes["found"], true)'],
    }, {
      context: 'log',
      conditions: ['attributes["found"] != nil'],
      statements: ['set(attributes["again"], true)'],
    }],
  });
  assert.deepEqual(attributes, [{ a: 'x' }, { found: true, again: true }]);
});

test('transform: resource and scope change for all of their records', async () => {
  const { group, records } = await logsAfter({
    log_statements: [
      'set(resource.attributes["body"], log.body)',
      'set(log.attributes["from"], resource.attributes["body"])',
      'set(scope.name, "other")',
      'set(resource.schema_url, "v")',
    ],
  });
  assert.deepEqual(unpaired(group.resource!.attributes), { name: 'shop', body: 'plain' });
  assert.equal(group.schemaUrl, 'v');
  assert.equal(group.scopeLogs[0]!.scope!.name, 'other');
  assert.deepEqual(records.map(({ attributes }) => unpaired(attributes)), [
    { a: 'x', from: '{"level":"warn","n":{"x":1}}' }, { from: 'plain' },
  ]);
  assert.deepEqual(unpaired(resource.attributes), { name: 'shop' });
});

test('transform: statements about resources alone run once for each', async () => {
  const { group, records } = await logsAfter({
    log_statements: ['append(resource.attributes["runs"], 1)'],
  });
  assert.deepEqual(unpaired(group.resource!.attributes), { name: 'shop', runs: [1n] });
  assert.equal(records[1]!.body!.value, 'plain');
});

test('transform: spans, their events, metrics and data points', async () => {
  const spans = (await run({
    trace_statements: [
      { statements: ['set(span.name, "root") where IsRootSpan() and span.name != "b"'] },
      { statements: ['set(spanevent.name, Concat([span.name, spanevent.name], "/"))'] },
      { context: 'scope', statements: ['set(name, "s")'] },
    ],
  }, traces())).got as Batch<'traces'>;
  const [group] = spans.request.resourceSpans[0]!.scopeSpans;
  assert.deepEqual(group!.spans.map(({ name, events }) => [name, events.map((one) => one.name)]),
    [['root', ['root/exception']], ['b', []]]);
  assert.equal(group!.scope!.name, 's');
  const points = (await run({
    metric_statements: [
      { statements: ['set(metric.description, "Sum") where metric.type == METRIC_DATA_TYPE_SUM'] },
      {
        context: 'datapoint',
        statements: ['set(attributes["unit"], metric.unit)', 'set(metric.name, "renamed")'],
      },
    ],
  }, metrics())).got as Batch<'metrics'>;
  const [metric] = points.request.resourceMetrics[0]!.scopeMetrics[0]!.metrics;
  assert.deepEqual([metric!.name, metric!.description], ['renamed', 'Sum']);
  assert.deepEqual(unpaired(metric!.data!.dataPoints[0]!.attributes), { cpu: '0', unit: 's' });
});

test('transform: what does not change is the same, down to the records', async () => {
  const batch = logs();
  assert.equal((await run({ log_statements: ['delete_key(log.attributes, "z")'] }, batch)).got,
    batch);
  assert.equal((await run({ trace_statements: ['set(span.name, "x")'] }, batch)).got, batch);
  const { got } = await run({
    log_statements: ['set(log.attributes["a"], "y") where log.body == "plain"'],
  }, batch);
  const [before, after] = [batch, got as Batch<'logs'>].map(({ request }) =>
    request.resourceLogs[0]!.scopeLogs[0]!.logRecords);
  assert.equal(after![0], before![0]);
  assert.notEqual(after![1], before![1]);
  assert.deepEqual(unpaired(before![1]!.attributes), {});
});

test('transform: a batch that was handed on is not changed by the next one', async () => {
  const sink = createSink();
  const processor = transformProcessor.create(
    parse({ log_statements: ['set(log.severity_text, log.body)', 'set(log.flags, 7)'] }),
    testContext(), sink);
  await processor.consume(logs(), NEVER);
  const texts = () => (sink.received[0] as Batch<'logs'>).request.resourceLogs[0]!.scopeLogs[0]!
    .logRecords.map(({ severityText }) => severityText);
  const before = texts();
  await processor.consume(sink.received[0]!, NEVER);
  await processor.consume(logs(), NEVER);
  assert.deepEqual(texts(), before);
});

test('transform: error modes, of all and of a group', async () => {
  const failing = 'set(log.attributes["n"], ParseJSON(log.body)["n"])';
  const after = 'set(log.attributes["went"], "on")';
  const ignored = await run({ log_statements: [failing, after] }, logs());
  assert.equal(ignored.outcome.status, 'accepted');
  assert.equal(ignored.counters.total('binnacle_ottl_failures_total'), 1);
  assert.deepEqual(unpaired((ignored.got as Batch<'logs'>).request.resourceLogs[0]!.scopeLogs[0]!
    .logRecords[1]!.attributes), { went: 'on' });
  const refused = await run({ error_mode: 'propagate', log_statements: [failing] }, logs());
  assert.deepEqual(refused.outcome, {
    status: 'rejected',
    reason: 'cannot transform the batch: the text is no JSON object or array',
  });
  const group = await run({
    error_mode: 'propagate', log_statements: [{ error_mode: 'silent', statements: [failing] }],
  }, logs());
  assert.equal(group.outcome.status, 'accepted');
});

test('transform: a metric that is copied without end stops at a limit', async () => {
  const { outcome, got, counters } = await run({ metric_statements: ['copy_metric()'] }, metrics());
  assert.equal(outcome.status, 'accepted');
  assert.equal(got.itemCount, 10_001);
  assert.ok(counters.total('binnacle_ottl_failures_total') > 0);
});

test('transform: mistakes are told at their place, with a hint', () => {
  const check = (settings: object, path: string, message: RegExp) => {
    const { error } = transformProcessor.schema.safeParse(settings);
    const issues = (error?.issues ?? []).flatMap((issue) => (issue.code === 'invalid_union'
      ? issue.errors.flat().map((one) => ({ ...one, path: [...issue.path, ...one.path] }))
      : [issue]));
    const issue = issues.find((one) => one.path.join('.') === path);
    assert.ok(issue !== undefined, `${path} of ${JSON.stringify(issues)}`);
    assert.match(`${issue.message}; ${(issue as { params?: { hint: string } }).params?.hint}`,
      message);
  };
  check({ log_statements: ['set(log.body, 1)', 'sett(log.body, 1)'] }, 'log_statements.1',
    /unknown editor "sett"; did you mean "set"/);
  check({ log_statements: ['set(span.name, "x")'] }, 'log_statements.0', /resource, scope, log/);
  check({ log_statements: ['set(body, 1)'] }, 'log_statements.0', /write log.body/);
  check({
    metric_statements: [
      'convert_sum_to_gauge() where metric.name == "a"', 'limit(datapoint.attributes, 1, [])',
    ],
  }, 'metric_statements.1', /"datapoint" does not fit.*group of statements of its own/);
  check({ log_statements: [{ conditions: ['log.bodi == 1'], statements: [] }] },
    'log_statements.0.conditions.0', /did you mean "body"/);
  check({ log_statements: [{ context: 'log', statements: ['set(bodi, 1)'] }] },
    'log_statements.0.statements.0', /unknown path "bodi"/);
  check({ log_statements: ['set(log.body, 1)', { statements: [] }] }, 'log_statements',
    /in groups/);
  check({ profile_statements: ['x'] }, 'profile_statements', /profiles/);
  check({ flatten_data: true }, 'flatten_data', /shared by its records/);
  check({ trace_statements: ['set_semconv_span_name("1.2.0")'] }, 'trace_statements.0',
    /1.37.0 to 1.43.0/);
});
