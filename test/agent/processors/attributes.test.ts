// The attributes and resource processors: the choice of records, settings that are refused, and
// that what does not change is handed on untouched. Both run the contract suite. Each action is
// proven in edit/actions.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attributesProcessor } from '../../../agent/processors/attributes.ts';
import { resourceProcessor } from '../../../agent/processors/resource.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import type { Consumer } from '../../../proto/contract/component.ts';
import type { AnyValue, Attributes, Resource } from '../../../proto/otlp/model.ts';
import { checkConsumer } from '../../contract/check_consumer.ts';
import { createSink, itemKeys, makeBatch, NEVER, testContext } from '../../contract/fakes.ts';

const string = (value: string): AnyValue => ({ type: 'string', value });

const listOf = (values: Record<string, AnyValue>): Attributes =>
  Object.entries(values).map(([key, value]) => ({ key, value }));

const UPSERT = [{ key: 'added', action: 'upsert', value: 'yes' }];

const attributesWith = (settings: object, next: Consumer) =>
  attributesProcessor.create(attributesProcessor.schema.parse(settings), testContext(), next);

checkConsumer({
  name: 'attributes',
  create: (next) => ({ consumer: attributesWith({ actions: UPSERT }, next) }),
});

checkConsumer({
  name: 'resource',
  create: (next, context) => ({
    consumer: resourceProcessor.create(
      resourceProcessor.schema.parse({ attributes: UPSERT }), context, next),
  }),
});

/** The keys of the items that got the attribute `added`. */
async function changedItems(settings: object, batch: Batch): Promise<string[]> {
  const sink = createSink();
  await attributesWith({ actions: UPSERT, ...settings }, sink).consume(batch, NEVER);
  const [received] = sink.received;
  const has = (attributes: Attributes) => attributes.some(({ key }) => key === 'added');
  const keys = itemKeys(received!);
  const flags = received!.is('metrics')
    ? received.request.resourceMetrics.flatMap((one) => one.scopeMetrics.flatMap((scope) =>
      scope.metrics.map(({ data }) => data!.dataPoints.every((point) => has(point.attributes)))))
    : received!.is('traces')
      ? received.request.resourceSpans.flatMap((one) => one.scopeSpans.flatMap((scope) =>
        scope.spans.map((span) => has(span.attributes))))
      : (received as Batch<'logs'>).request.resourceLogs.flatMap((one) =>
        one.scopeLogs.flatMap((scope) => scope.logRecords.map((log) => has(log.attributes))));
  return keys.filter((_, index) => flags[index]);
}

test('attributes: spans, log records and data points are changed', async () => {
  for (const signal of ['traces', 'logs', 'metrics'] as const) {
    assert.deepEqual(await changedItems({}, makeBatch(signal, 2)), ['item-0', 'item-1'], signal);
  }
});

test('attributes: include and exclude choose the records', async () => {
  const check = async (signal: 'traces' | 'logs' | 'metrics', match: object, want: string[]) => {
    const settings = { match_type: 'strict', ...match };
    const included = await changedItems({ include: settings }, makeBatch(signal, 3));
    assert.deepEqual(included, want, JSON.stringify(match));
    const others = itemKeys(makeBatch(signal, 3)).filter((key) => !want.includes(key));
    const kept = await changedItems({ exclude: settings }, makeBatch(signal, 3));
    assert.deepEqual(kept, others, JSON.stringify(match));
  };
  const all = ['item-0', 'item-1', 'item-2'];
  await check('traces', { span_names: ['item-1'] }, ['item-1']);
  await check('traces', { match_type: 'regexp', span_names: ['[02]$'] }, ['item-0', 'item-2']);
  await check('traces', { span_kinds: ['SPAN_KIND_SERVER'] }, all);
  await check('traces', { span_kinds: ['SPAN_KIND_CLIENT'] }, []);
  await check('logs', { log_bodies: ['item-2', 'item-0'] }, ['item-0', 'item-2']);
  await check('logs', { match_type: 'regexp', log_bodies: ['(?i)ITEM-1'] }, ['item-1']);
  await check('logs', { log_severity_texts: ['INFO'] }, all);
  await check('logs', { log_severity_number: { min: 9 } }, all);
  await check('logs', { log_severity_number: { min: 10 } }, []);
  await check('metrics', { metric_names: ['item-0'] }, ['item-0']);
  await check('logs', { services: ['test'] }, all);
  await check('logs', { services: ['other'] }, []);
  await check('logs', { resources: [{ key: 'service.name', value: 'test' }] }, all);
  await check('logs', { attributes: [{ key: 'test.attribute' }] }, all);
  await check('logs', { attributes: [{ key: 'test.attribute', value: 'value' }] }, all);
  await check('logs', { attributes: [{ key: 'test.attribute' }, { key: 'missing' }] }, []);
  await check('logs', { services: ['test'], log_bodies: ['item-1'] }, ['item-1']);
  await check('logs', { span_names: ['item-1'] }, []);
  await check('logs', { libraries: [{ name: '' }] }, all);
  await check('logs', { libraries: [{ name: 'lib', version: '1' }] }, []);
});

test('attributes: log records without a severity match when that is asked for', async () => {
  const { request } = makeBatch('logs', 1);
  const [group] = request.resourceLogs;
  const [scope] = group!.scopeLogs;
  const logRecords = scope!.logRecords.map((record) => ({ ...record, severityNumber: 0 }));
  const batch = Batch.fromRequest('logs',
    { resourceLogs: [{ ...group!, scopeLogs: [{ ...scope!, logRecords }] }] });
  const check = async (settings: object, want: string[]) => {
    const include = { match_type: 'strict', log_severity_number: { min: 9, ...settings } };
    assert.deepEqual(await changedItems({ include }, batch), want);
  };
  await check({}, []);
  await check({ match_undefined: true }, ['item-0']);
});

test('attributes: settings of the choice that cannot be meant are told', () => {
  const check = (include: object, want: string) => {
    const { error } = attributesProcessor.schema.safeParse({ actions: UPSERT, include });
    assert.deepEqual(error?.issues.map((issue) => issue.path.join('.')), [want]);
  };
  check({ match_type: 'strict' }, 'include');
  check({ services: ['a'] }, 'include.match_type');
  check({ match_type: 'regexp', services: ['ok', '('] }, 'include.services.1');
  check({ match_type: 'regexp', attributes: [{ key: 'a', value: '(' }] },
    'include.attributes.0.value');
});

const ORIGIN = { receiver: 'files', run: 'one', content: 1, from: 0, to: 1, state: '' };

test('attributes: a batch in which nothing changes is the same batch', async () => {
  const sink = createSink();
  const actions = [{ key: 'missing', action: 'update', value: 1 }];
  const batch = makeBatch('logs', 2);
  await attributesWith({ actions }, sink).consume(batch, NEVER);
  assert.equal(sink.received[0], batch);
});

test('attributes: unchanged parts are shared, the original is untouched', async () => {
  const sink = createSink();
  const batch = makeBatch('traces', 2);
  const before = batch.request.resourceSpans[0]!;
  const include = { match_type: 'strict', span_names: ['item-0'] };
  await attributesWith({ actions: UPSERT, include }, sink).consume(batch.from([ORIGIN]), NEVER);
  assert.deepEqual(sink.received[0]!.origins, [ORIGIN]);
  const after = (sink.received[0] as Batch<'traces'>).request.resourceSpans[0]!;
  assert.equal(after.resource, before.resource);
  assert.equal(after.scopeSpans[0]!.spans[1], before.scopeSpans[0]!.spans[1]);
  assert.notEqual(after.scopeSpans[0]!.spans[0], before.scopeSpans[0]!.spans[0]);
  assert.equal(before.scopeSpans[0]!.spans[0]!.attributes.length, 1);
});

const resourceOf = (batch: Batch): Resource =>
  (batch as Batch<'logs'>).request.resourceLogs[0]!.resource!;

test('resource: attributes are spliced in, and records stay as they are', async () => {
  const sink = createSink();
  const processor = resourceProcessor.create(resourceProcessor.schema.parse({
    attributes: [
      { key: 'deployment.environment', action: 'insert', value: 'prod' },
      { key: 'service.name', action: 'update', value: 'renamed' },
    ],
  }), testContext(), sink);
  await processor.consume(makeBatch('logs', 3).from([ORIGIN]), NEVER);
  assert.deepEqual(sink.received[0]!.origins, [ORIGIN]);
  assert.deepEqual(resourceOf(sink.received[0]!).attributes, listOf({
    'service.name': string('renamed'),
    'deployment.environment': string('prod'),
  }));
  assert.deepEqual(itemKeys(sink.received[0]!), ['item-0', 'item-1', 'item-2']);
});

test('resource: nothing to change is the same batch', async () => {
  const sink = createSink();
  const attributes = [{ key: 'service.name', action: 'insert', value: 'x' }];
  const processor = resourceProcessor.create(
    resourceProcessor.schema.parse({ attributes }), testContext(), sink);
  const batch = makeBatch('metrics', 1);
  await processor.consume(batch, NEVER);
  assert.equal(sink.received[0], batch);
});

test('resource: records without a resource get one', async () => {
  const sink = createSink();
  const request = { resourceLogs: [{ resource: undefined, scopeLogs: [], schemaUrl: '' }] };
  const processor = resourceProcessor.create(
    resourceProcessor.schema.parse({ attributes: UPSERT }), testContext(), sink);
  await processor.consume(Batch.fromRequest('logs', request), NEVER);
  assert.deepEqual(resourceOf(sink.received[0]!).attributes, listOf({ added: string('yes') }));
});
