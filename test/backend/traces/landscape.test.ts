// Services, and who calls whom, on a real engine: against sums over the spans that were made. A map
// of a sample is held to the map of everything.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readServiceMap, type MapEdge } from '../../../backend/traces/map.ts';
import { chooseSample, limits as sampleLimits } from '../../../backend/traces/sample.ts';
import { readService, readServices } from '../../../backend/traces/landscape.ts';
import { byTrace, makeTraces, SERVICES, weightOf } from './made.ts';
import { BASE_MS, startTraceStore, type MadeSpan, type TraceStore } from './store.ts';

const PERIOD = { fromMs: BASE_MS - 3_600_000, toMs: BASE_MS + 4 * 3_600_000 };

let store: TraceStore;
const spans: MadeSpan[] = makeTraces(8, 3000);
const lone = { traceId: 'f'.repeat(32), parentSpanId: '', startNs: 5e9, durationNs: 7e6,
  status: 'Unset' as const };
spans.push(
  { ...lone, spanId: 'a1', service: 'nightly', name: 'run', kind: 'Internal' },
  { ...lone, spanId: 'a2', service: 'nightly', name: 'send', kind: 'Producer', parentSpanId: 'a1',
    attributes: { 'messaging.system': 'kafka', 'messaging.destination.name': 'orders' } },
  { ...lone, spanId: 'a3', service: 'mail', name: 'take', kind: 'Consumer', status: 'Error',
    attributes: { 'messaging.system': 'kafka', 'messaging.destination.name': 'orders' },
    events: [{ atNs: 5e9, name: 'exception', attributes: { 'exception.type': 'IOError' } }] },
  { ...lone, spanId: 'a4', service: 'nightly', name: 'GET', kind: 'Client', parentSpanId: 'a1',
    attributes: { 'server.address': 'api.example.com' } },
  { ...lone, spanId: 'a5', service: 'nightly', name: 'GET', kind: 'Client', parentSpanId: 'a1',
    attributes: { 'peer.service': 'bank', 'server.address': 'bank.example.com' } },
);

before(async () => {
  store = await startTraceStore('traces_services');
  await store.insert(spans);
});

after(() => store?.stop());

const sum = (list: readonly MadeSpan[], value: (span: MadeSpan) => number): number =>
  list.reduce((total, span) => total + value(span), 0);
const isRequest = ({ kind }: MadeSpan): boolean => kind === 'Server' || kind === 'Consumer';

/** The value of rank q among durations, each as often as its weight. */
function quantile(list: readonly MadeSpan[], level: number): number {
  const values = list.flatMap((span) => Array<number>(weightOf(span)).fill(span.durationNs))
    .sort((a, b) => a - b);
  return values[Math.floor(level * (values.length - 1))]!;
}

/** The first whose weight, with that of all before it, reaches the level; in sixteenths. */
function quantileReached(list: readonly MadeSpan[], level: number): number {
  const sorted = [...list].sort((a, b) => a.durationNs - b.durationNs);
  let reached = 0;
  const least = Math.ceil(level * 16 * sum(list, weightOf));
  return sorted.find((span) => (reached += 16 * weightOf(span)) >= least)!.durationNs;
}

const near = (value: number, wanted: number, share: number, what: string): void =>
  assert.ok(Math.abs(value - wanted) <= share * wanted, `${what}: ${value} instead of ${wanted}`);

test('services: requests, errors and durations of each', async () => {
  const found = (await readServices(store.latency, PERIOD))!;
  assert.deepEqual(found.map(({ service }) => service).sort(), [...SERVICES, 'nightly'].sort());
  assert.deepEqual(found.map(({ count }) => count),
    found.map(({ count }) => count).sort((a, b) => b - a));
  for (const one of found) {
    const own = spans.filter(({ service }) => service === one.service);
    const counted = own.some(isRequest) ? own.filter(isRequest) : own;
    assert.equal(one.basis, own.some(isRequest) ? 'requests' : 'spans');
    assert.equal(one.spans, own.length);
    assert.equal(one.count, sum(counted, weightOf));
    const errors = sum(counted.filter(({ status }) => status === 'Error'), weightOf);
    assert.equal(one.errors, errors);
    assert.equal(one.errorRate, errors / one.count);
    near(one.rate, one.count / (5 * 3600), 1e-9, 'rate');
    near(one.p50, quantile(counted, 0.5), 0.03, 'p50');
    near(one.p95, quantile(counted, 0.95), 0.03, 'p95');
    assert.equal(one.max, Math.max(...counted.map(({ durationNs }) => durationNs)));
  }
});

interface Call {
  readonly source: string;
  readonly target: string;
  readonly span: MadeSpan;
  readonly isFailed: boolean;
}

function expectedCalls(): Call[] {
  const calls: Call[] = [];
  for (const own of byTrace(spans).values()) {
    for (const span of own) {
      const isFailed = span.status === 'Error';
      const parent = own.find(({ spanId }) => spanId === span.parentSpanId);
      if (parent !== undefined && parent.service !== span.service) {
        calls.push({ source: `service:${parent.service}`, target: `service:${span.service}`, span,
          isFailed: isFailed || parent.status === 'Error' });
      }
      const isAnswered = own.some((one) => one.parentSpanId === span.spanId && isRequest(one));
      if (span.attributes?.['db.system'] !== undefined && !isAnswered) {
        calls.push({ source: `service:${span.service}`, target: 'database:postgresql/shop', span,
          isFailed });
      }
    }
  }
  const other = (id: string, source: string, target: string): Call => {
    const span = spans.find(({ spanId }) => spanId === id)!;
    return { source, target, span, isFailed: span.status === 'Error' };
  };
  return [...calls,
    other('a2', 'service:nightly', 'queue:kafka/orders'),
    other('a3', 'queue:kafka/orders', 'service:mail'),
    other('a4', 'service:nightly', 'external:api.example.com'),
    other('a5', 'service:nightly', 'service:bank'),
  ];
}

test('map: calls, errors and durations between services, and to what is not one', async () => {
  const map = await readServiceMap(store.ask, PERIOD);
  assert.equal(map.sampling.isSampled, false);
  assert.equal(map.sampling.spans, spans.length);
  const wanted = new Map<string, Call[]>();
  for (const call of expectedCalls()) {
    const key = `${call.source} ${call.target}`;
    wanted.set(key, [...wanted.get(key) ?? [], call]);
  }
  const keyOf = ({ source, target }: MapEdge): string => `${source} ${target}`;
  assert.deepEqual(map.edges.map(keyOf).sort(), [...wanted.keys()].sort());
  assert.ok(map.edges.length > 12);
  for (const edge of map.edges) {
    const calls = wanted.get(keyOf(edge))!;
    const count = sum(calls.map(({ span }) => span), weightOf);
    assert.equal(edge.calls, count);
    const failed = calls.filter(({ isFailed }) => isFailed).map(({ span }) => span);
    assert.equal(edge.errors, sum(failed, weightOf));
    near(edge.rate, count / (5 * 3600), 1e-9, 'rate');
    assert.equal(edge.p95, quantileReached(calls.map(({ span }) => span), 0.95), keyOf(edge));
  }
  assert.deepEqual(map.nodes.map(({ id, isInstrumented }) => `${id} ${isInstrumented}`), [
    'database:postgresql/shop false', 'external:api.example.com false', 'queue:kafka/orders false',
    'service:bank false', 'service:cart true', 'service:mail true', 'service:nightly true',
    'service:stock true', 'service:web true']);
});

test('map: a sample of whole traces comes near', async () => {
  const whole = await readServiceMap(store.ask, PERIOD);
  const sample = await chooseSample(store.ask, PERIOD, 4000);
  const { share, spansLookedAt, windows, isSampled } = sample.sampling;
  assert.ok(isSampled && windows! >= sampleLimits.windowsMin, String(windows));
  near(spansLookedAt, 4000, 0.5, 'spans');
  const [counted] = await store.ask<{ spans: number }>({
    sql: `SELECT count() AS spans FROM otel_traces WHERE ${sample.sql}`,
    params: { from_ns: `${PERIOD.fromMs}000000`, to_ns: `${PERIOD.toMs}000000` },
  });
  near(counted!.spans, spansLookedAt, 0.1, 'in the sample');
  const sampled = await readServiceMap(store.ask, PERIOD, undefined, 4000);
  const busiest = whole.edges[0]!;
  const found = sampled.edges.find(({ source, target }) =>
    source === busiest.source && target === busiest.target)!;
  near(found.calls, busiest.calls, 0.25, 'calls');
  assert.equal(sampled.sampling.share, share);
});

test('service: what it does, of what it is made, and what is around it', async () => {
  const found = await readService(store.ask, store.latency,
    { service: 'stock', period: PERIOD, stepMs: 1_800_000 });
  assert.ok(found !== null && found !== 'too many');
  const own = spans.filter(({ service }) => service === 'stock');
  const requests = own.filter(isRequest);
  assert.equal(found.summary.count, sum(requests, weightOf));
  assert.equal(found.step, 1800);
  assert.equal(found.series.reduce((total, { count }) => total + count, 0), found.summary.count);
  assert.ok(found.series.length >= 4);
  const operations = new Map<string, number>();
  for (const span of own) {
    const key = `${span.kind} ${span.name}`;
    operations.set(key, (operations.get(key) ?? 0) + weightOf(span));
  }
  assert.deepEqual(new Map(found.operations.items.map(({ kind, operation, count }) =>
    [`${kind} ${operation}`, count])), operations);
  const map = await readServiceMap(store.ask, PERIOD);
  assert.deepEqual(found.callers, map.edges.filter(({ target }) => target === 'service:stock'));
  assert.deepEqual(found.dependencies,
    map.edges.filter(({ source }) => source === 'service:stock'));
  const failed = own.filter(({ status }) => status === 'Error')
    .sort((a, b) => b.startNs - a.startNs).slice(0, 20);
  assert.deepEqual(found.latestErrors.map(({ spanId }) => spanId),
    failed.map(({ spanId }) => spanId));
  assert.equal(found.instances.spansLookedAt, own.length);
  assert.deepEqual(new Map(found.instances.items.map(({ host, spans: count }) => [host, count])),
    new Map(['node-0', 'node-1', 'node-2'].map((host) => [host,
      own.filter(({ resource }) => resource!['host.name'] === host).length])));
  const mail = await readService(store.ask, store.latency,
    { service: 'mail', period: { fromMs: BASE_MS + 5000, toMs: BASE_MS + 5001 }, stepMs: 1000 });
  assert.ok(mail !== null && mail !== 'too many');
  assert.equal(mail.latestErrors.find(({ spanId }) => spanId === 'a3')!.exceptionType, 'IOError');
  assert.equal(await readService(store.ask, store.latency,
    { service: 'nobody', period: PERIOD, stepMs: 1_800_000 }), null);
});
