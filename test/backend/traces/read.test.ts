// Whole traces out of a real engine: every value of a span, spans and log records that are too
// many, repeated deliveries, OpenTelemetry's own example, and two traces side by side; against what
// was written and what the test adds up by itself.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { compareTraces, type Amounts } from '../../../backend/traces/compare.ts';
import { readTrace, readTraceId, type WholeTrace } from '../../../backend/traces/read.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import { requestFromJson } from '../../../proto/otlp/json.ts';
import { NEVER } from '../storage/clickhouse/storage_fixture.ts';
import { byTrace, makeTraces } from './made.ts';
import { startTraceStore, traceIdOf, type MadeSpan, type TraceStore } from './store.ts';

let store: TraceStore;
const spans = makeTraces(21, 80);
const EXAMPLE = new URL('../../../../shared/data/otlp-examples/trace.json', import.meta.url);

before(async () => {
  store = await startTraceStore('traces_read');
  await store.insert(spans);
});

after(() => store?.stop());

async function read(traceId: string, spansMax = 10_000): Promise<WholeTrace> {
  const trace = await readTrace(store.ask, { traceId, spansMax, isWithLogs: true });
  assert.ok(trace !== null, traceId);
  return trace;
}

test('trace id: upper case and leading zeros', () => {
  assert.equal(readTraceId('5B8EFFF798038103D269B633813FC60C'), '5b8efff798038103d269b633813fc60c');
  assert.equal(readTraceId('d269b633813fc60c'), '0000000000000000d269b633813fc60c');
  for (const text of ['', 'x', 'a'.repeat(33), "a' OR 1=1"]) assert.equal(readTraceId(text), null);
});

test('trace: every span as it was written, in its place', async () => {
  for (const [traceId, own] of byTrace(spans)) {
    const trace = await read(traceId);
    const first = Math.min(...own.map(({ startNs }) => startNs));
    assert.equal(trace.spanCount, own.length);
    assert.equal(trace.storedSpans, own.length);
    assert.equal(trace.truncated, false);
    assert.equal(trace.durationNs,
      Math.max(...own.map(({ startNs, durationNs }) => startNs + durationNs)) - first);
    assert.equal(trace.isRootMissing, !own.some(({ parentSpanId }) => parentSpanId === ''));
    for (const span of trace.spans) {
      const made = own.find(({ spanId }) => spanId === span.spanId)!;
      const parent = own.find(({ spanId }) => spanId === made.parentSpanId);
      assert.deepEqual(
        [span.service, span.name, span.kind, span.status, span.offsetNs, span.durationNs,
          span.attributes, trace.resources[span.resource], span.weight],
        [made.service, made.name, made.kind, made.status, made.startNs - first, made.durationNs,
          made.attributes, { 'service.name': made.service, ...made.resource },
          made.traceState === undefined ? 1 : 2]);
      assert.equal(span.parent === null ? undefined : trace.spans[span.parent]!.spanId,
        parent?.spanId);
      assert.equal(span.flags.includes('orphan'), parent === undefined && made.parentSpanId !== '');
      assert.equal(span.flags.includes('starts_before_parent'),
        parent !== undefined && made.startNs < parent.startNs);
    }
    const critical = trace.criticalPath.reduce((sum, { fromNs, toNs }) => sum + toNs - fromNs, 0);
    assert.equal(critical, trace.spans[trace.root]!.durationNs);
    assert.equal(critical, trace.spans.reduce((sum, { criticalNs }) => sum + criticalNs, 0));
    assert.equal(critical, trace.services.reduce((sum, { criticalNs }) => sum + criticalNs, 0));
  }
});

const one: MadeSpan = { traceId: 'e'.repeat(32), spanId: '1'.repeat(16), parentSpanId: '',
  service: 'shop', name: 'GET /', kind: 'Server', startNs: 1_000_000_007, durationNs: 5_000_000,
  status: 'Ok' };

test('trace: events, links, log records, and what was delivered twice', async () => {
  await store.insert([one]);
  await store.rows(`INSERT INTO otel_traces (Timestamp, TraceId, SpanId, ParentSpanId, ServiceName,
      SpanName, SpanKind, Duration, StatusCode, StatusMessage, ScopeName, ScopeVersion,
      \`Events.Timestamp\`, \`Events.Name\`, \`Events.Attributes\`, \`Links.TraceId\`,
      \`Links.SpanId\`, \`Links.TraceState\`, \`Links.Attributes\`)
    SELECT '2026-01-02 10:00:01.001', '${one.traceId}', '2222222222222222', '${one.spanId}', 'shop',
      'work', 'Internal', 1000, 'Error', 'no', 'lib', '1.2',
      ['2026-01-02 10:00:01.0010005'], ['seen'], [map('a', 'b')], ['${'f'.repeat(32)}'],
      ['3333333333333333'], ['x=y'], [map('why', 'retry')]
    FROM numbers(2)`);
  await store.rows(`INSERT INTO otel_logs (Timestamp, TraceId, SpanId, ServiceName, SeverityText,
      SeverityNumber, Body, LogAttributes)
    SELECT toDateTime64('2026-01-02 10:00:00.5', 9) + number, '${one.traceId}', '${one.spanId}',
      'shop', 'INFO', 9, concat('line ', toString(number)), map('n', toString(number))
    FROM numbers(3)
    UNION ALL SELECT '2026-01-02 12:00:00', '${one.traceId}', '', 'shop', '', 0, 'late', map()`);
  const trace = await read(one.traceId);
  assert.deepEqual([trace.spanCount, trace.duplicateCount, trace.storedSpans], [2, 1, 3]);
  assert.equal(trace.start, '2026-01-02T10:00:01.000000007Z');
  const [root, child] = trace.spans;
  assert.deepEqual(root!.scope, { name: '', version: '' });
  assert.deepEqual(child!.events, [{ time: '2026-01-02T10:00:01.001000500Z', offsetNs: 1_000_493,
    name: 'seen', attributes: { a: 'b' } }]);
  assert.deepEqual(child!.links, [{ traceId: 'f'.repeat(32), spanId: '3333333333333333',
    traceState: 'x=y', attributes: { why: 'retry' } }]);
  assert.deepEqual([child!.statusMessage, child!.scope], ['no', { name: 'lib', version: '1.2' }]);
  assert.deepEqual(trace.logs!.items.map(({ body, offsetNs, attributes }) =>
    [body, offsetNs, attributes]), [['line 0', -500_000_007, { n: '0' }],
    ['line 1', 499_999_993, { n: '1' }], ['line 2', 1_499_999_993, { n: '2' }]]);
  assert.equal(trace.logs!.truncated, false);
  const hidden = await readTrace(store.ask, { traceId: one.traceId, spansMax: 10, isWithLogs: true,
    hiddenLogs: async () => ({ sql: 'Body != {body:String}', params: { body: 'line 1' } }) });
  assert.deepEqual(hidden!.logs!.items.map(({ body }) => body), ['line 0', 'line 2']);
  const without = await readTrace(store.ask,
    { traceId: one.traceId, spansMax: 10, isWithLogs: false });
  assert.equal(without!.logs, null);
  assert.equal(await readTrace(store.ask,
    { traceId: 'd'.repeat(32), spansMax: 10, isWithLogs: true }), null);
});

test('trace: of too many spans, bytes or log records, the first', async () => {
  const traceId = traceIdOf(77);
  await store.rows(`INSERT INTO otel_traces (Timestamp, TraceId, SpanId, ParentSpanId, Duration)
    SELECT addMilliseconds(toDateTime64('2026-01-03 10:00:00', 9), number), '${traceId}',
      leftPad(toString(number + 1), 16, '0'), if(number = 0, '', '0000000000000001'), 1000
    FROM numbers(3000)`);
  const trace = await read(traceId, 1000);
  assert.deepEqual([trace.truncated, trace.storedSpans, trace.spanCount], [true, 3000, 1000]);
  assert.equal(trace.spans.at(-1)!.spanId, '1'.padStart(16, '0').replace(/.{4}$/, '1000'));
  const large = traceIdOf(78);
  await store.rows(`INSERT INTO otel_traces (Timestamp, TraceId, SpanId, SpanAttributes)
    SELECT toDateTime64('2026-01-03 10:00:00', 9) + number, '${large}',
      leftPad(toString(number + 1), 16, '0'), map('text', repeat('x', 1000000)) FROM numbers(50)`);
  await store.rows(`INSERT INTO otel_logs (Timestamp, TraceId, Body)
    SELECT addMilliseconds(toDateTime64('2026-01-03 10:00:00', 9), number), '${large}',
      toString(number)
    FROM numbers(1500)`);
  const cut = await read(large);
  assert.deepEqual([cut.truncated, cut.storedSpans], [true, 50]);
  assert.ok(cut.spanCount >= 30 && cut.spanCount <= 33, String(cut.spanCount));
  assert.deepEqual([cut.logs!.truncated, cut.logs!.items.length, cut.logs!.items[999]!.body],
    [true, 1000, '999']);
});

test('trace: OpenTelemetry\'s example, whose parent is elsewhere', async (t) => {
  if (!existsSync(EXAMPLE)) return t.skip(`${EXAMPLE.pathname} is not there`);
  const batch = Batch.fromRequest('traces', requestFromJson('traces', readFileSync(EXAMPLE)));
  const outcome = await store.storage.writer.consume(batch, NEVER);
  assert.equal(outcome.status, 'accepted');
  const trace = await read('5b8efff798038103d269b633813fc60c');
  const [span] = trace.spans;
  assert.deepEqual([span!.name, span!.service, span!.flags, span!.durationNs, span!.start],
    ["I'm a server span", 'my.service', ['orphan'], 1e9, '2018-12-13T14:51:00.000000000Z']);
  assert.deepEqual([trace.isRootMissing, trace.orphanCount, span!.selfNs, span!.criticalNs],
    [true, 1, 1e9, 1e9]);
});

test('compare: by path, with what is in one of both only', async () => {
  const [[a], [b]] = [...byTrace(spans)].filter(([, own]) => own.length > 6) as
    [[string, MadeSpan[]], [string, MadeSpan[]]];
  const first = await read(a);
  const second = await read(b);
  const found = compareTraces(first, second);
  assert.deepEqual([found.a.traceId, found.b.durationNs], [a, second.durationNs]);
  const pathOf = (own: readonly MadeSpan[], span: MadeSpan): string => {
    const parent = own.find(({ spanId }) => spanId === span.parentSpanId);
    return `${parent === undefined ? '' : pathOf(own, parent)}>${span.service} ${span.name}`;
  };
  const amountsOf = (id: string): Map<string, number[]> => {
    const own = byTrace(spans).get(id)!;
    const sums = new Map<string, number[]>();
    for (const span of own) {
      const path = pathOf(own, span);
      const [count = 0, errors = 0, ns = 0] = sums.get(path) ?? [];
      sums.set(path, [count + 1, errors + Number(span.status === 'Error'), ns + span.durationNs]);
    }
    return sums;
  };
  const textOf = (index: number): string => {
    const { parent, service, operation } = found.paths[index]!;
    return `${parent === null ? '' : textOf(parent)}>${service} ${operation}`;
  };
  const shown = (side: 'a' | 'b') => new Map(found.paths.flatMap((path, index) => {
    const amounts: Amounts | null = path[side];
    return amounts === null ? []
      : [[textOf(index), [amounts.count, amounts.errors, amounts.durationNs]] as const];
  }));
  assert.deepEqual(shown('a'), amountsOf(a));
  assert.deepEqual(shown('b'), amountsOf(b));
  assert.equal(found.onlyInA + found.onlyInB + found.inBoth, found.paths.length);
  const same = compareTraces(first, first);
  assert.deepEqual([same.onlyInA, same.onlyInB, same.durationDifferenceNs], [0, 0, 0]);
  assert.ok(same.paths.every(({ difference }) =>
    Object.values(difference).every((value) => value === 0)));
});
