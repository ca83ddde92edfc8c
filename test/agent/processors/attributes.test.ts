// The attributes and resource processors: each action, the choice of records, settings that are
// refused, and that what does not change is handed on untouched. Both run the contract suite.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { attributeAction, createEdit } from '../../../agent/attribute_actions.ts';
import { attributesProcessor } from '../../../agent/processors/attributes.ts';
import { resourceProcessor } from '../../../agent/processors/resource.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import type { Consumer } from '../../../proto/contract/component.ts';
import type { AnyValue, Attributes, Resource } from '../../../proto/otlp/model.ts';
import { checkConsumer } from '../../contract/check_consumer.ts';
import { createSink, itemKeys, makeBatch, NEVER, testContext } from '../../contract/fakes.ts';

const string = (value: string): AnyValue => ({ type: 'string', value });
const int = (value: bigint): AnyValue => ({ type: 'int', value });

const listOf = (values: Record<string, AnyValue>): Attributes =>
  Object.entries(values).map(([key, value]) => ({ key, value }));

/** What the actions make of these attributes. */
function edited(actions: object[], values: Record<string, AnyValue>): Record<string, AnyValue> {
  const edit = createEdit(actions.map((action) => attributeAction.parse(action)));
  const result = edit(listOf(values));
  return Object.fromEntries(result.map(({ key, value }) => [key, value]));
}

test('attribute actions: insert, update, upsert', () => {
  const check = (action: string, values: Record<string, AnyValue>, want: unknown) =>
    assert.deepEqual(edited([{ key: 'a', action, value: 'new' }], values), want);
  check('insert', {}, { a: string('new') });
  check('insert', { a: int(1n) }, { a: int(1n) });
  check('update', {}, {});
  check('update', { a: int(1n) }, { a: string('new') });
  check('upsert', {}, { a: string('new') });
  check('upsert', { a: int(1n), b: int(2n) }, { a: string('new'), b: int(2n) });
});

test('attribute actions: values of every type', () => {
  const check = (value: unknown, want: AnyValue) =>
    assert.deepEqual(edited([{ key: 'a', action: 'insert', value }], {}), { a: want });
  check('text', string('text'));
  check(7, int(7n));
  check(7.5, { type: 'double', value: 7.5 });
  check(true, { type: 'bool', value: true });
  check(['x', 1], { type: 'array', value: [string('x'), int(1n)] });
  check({ k: 'v' }, { type: 'kvlist', value: [{ key: 'k', value: string('v') }] });
});

test('attribute actions: from_attribute takes what is there and does nothing otherwise', () => {
  const actions = [{ key: 'a', action: 'upsert', from_attribute: 'b' }];
  assert.deepEqual(edited(actions, { b: int(3n) }), { b: int(3n), a: int(3n) });
  assert.deepEqual(edited(actions, { a: int(1n) }), { a: int(1n) });
});

test('attribute actions: delete by key and by pattern', () => {
  const values = { 'http.url': string('x'), 'http.method': string('GET'), other: int(1n) };
  assert.deepEqual(Object.keys(edited([{ key: 'other', action: 'delete' }], values)),
    ['http.url', 'http.method']);
  assert.deepEqual(Object.keys(edited([{ action: 'delete', pattern: '^http\\.' }], values)),
    ['other']);
});

test('attribute actions: hash is SHA-256 of the bytes of the value, as the Collector does', () => {
  const hex = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
  const check = (value: AnyValue, want: string) =>
    assert.deepEqual(edited([{ key: 'a', action: 'hash' }], { a: value }), { a: string(want) });
  check(string('secret'), hex(Buffer.from('secret')));
  check(int(1n), hex(Buffer.from([1, 0, 0, 0, 0, 0, 0, 0])));
  check({ type: 'bool', value: true }, hex(Buffer.from([1])));
  check({ type: 'double', value: 1 }, hex(Buffer.from([0, 0, 0, 0, 0, 0, 0xf0, 0x3f])));
  check(string(''), '');
});

test('attribute actions: extract fills keys from named groups in Go syntax', () => {
  const actions = [{
    key: 'url',
    action: 'extract',
    pattern: '^/api/v1/document/(?P<documentId>.*)/update$',
  }];
  const url = string('/api/v1/document/12/update');
  assert.deepEqual(edited(actions, { url }), { url, documentId: string('12') });
  assert.deepEqual(edited(actions, { url: string('/') }), { url: string('/') });
  assert.deepEqual(edited(actions, { url: int(1n) }), { url: int(1n) });
});

test('attribute actions: convert keeps what it cannot convert', () => {
  const check = (type: string, value: AnyValue, want: AnyValue) => {
    const action = { key: 'a', action: 'convert', converted_type: type };
    assert.deepEqual(edited([action], { a: value }), { a: want });
  };
  check('int', string('-42'), int(-42n));
  check('int', string('9223372036854775808'), string('9223372036854775808'));
  check('int', string('x'), string('x'));
  check('int', { type: 'double', value: 3.9 }, int(3n));
  check('int', { type: 'bool', value: true }, int(1n));
  check('double', string('2.5'), { type: 'double', value: 2.5 });
  check('double', string(' '), string(' '));
  check('double', int(2n), { type: 'double', value: 2 });
  check('string', int(2n), string('2'));
  check('string', { type: 'bool', value: false }, string('false'));
  check('string', { type: 'array', value: [] }, { type: 'array', value: [] });
});

test('attribute actions: they run in order, each on what the one before left', () => {
  assert.deepEqual(edited([
    { key: 'a', action: 'insert', value: 'x' },
    { key: 'b', action: 'insert', from_attribute: 'a' },
    { key: 'a', action: 'delete' },
  ], {}), { b: string('x') });
});

test('attribute actions: wrong ones are told by key', () => {
  const check = (action: object, ...want: string[]) => {
    const { error } = attributeAction.safeParse(action);
    assert.deepEqual(error?.issues.map((issue) => issue.path.join('.')), want);
  };
  check({ key: 'a', action: 'insert' }, 'value');
  check({ key: 'a', action: 'insert', value: 1, from_attribute: 'b' }, 'value');
  check({ key: 'a', action: 'insert', from_context: 'metadata.x' }, 'from_context');
  check({ action: 'upsert', value: 1 }, 'key');
  check({ action: 'delete' }, 'key');
  check({ key: 'a', action: 'extract' }, 'pattern');
  check({ key: 'a', action: 'extract', pattern: '(x)' }, 'pattern');
  check({ key: 'a', action: 'extract', pattern: '(?P<a>x)(y)' }, 'pattern');
  check({ key: 'a', action: 'extract', pattern: '(' }, 'pattern');
  check({ key: 'a', action: 'convert' }, 'converted_type');
  check({ key: 'a', action: 'rename' }, 'action');
});

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
  await attributesWith({ actions: UPSERT, include }, sink).consume(batch, NEVER);
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
  await processor.consume(makeBatch('logs', 3), NEVER);
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
