// Exceptions on a real engine: stack traces of several languages that differ in lines, addresses,
// ids and messages are one group, with the fingerprint that this file computes by itself; counts,
// times, services and pages against what was made.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { readException, readExceptions, type ExceptionDetails, type ExceptionGroup,
  type ExceptionPlace, type ExceptionRequest } from '../../../backend/traces/exceptions.ts';
import { BASE_MS, startTraceStore, traceIdOf, type MadeSpan, type TraceStore } from './store.ts';

const PERIOD = { fromMs: BASE_MS, toMs: BASE_MS + 3_600_000 };
const ALL: ExceptionRequest =
  { period: PERIOD, service: null, type: null, sort: 'count', limit: 50, after: null };

let store: TraceStore;

/** Kinds of exceptions, each with what changes from one to the next. */
const KINDS: ReadonlyArray<{
  readonly type: string;
  readonly message: (n: number) => string;
  readonly stack: (n: number) => string;
  /** What they have in common. */
  readonly pattern: string;
}> = [{
  type: 'TypeError',
  message: (n) => `cannot read property of user ${n}`,
  stack: (n) => `TypeError: cannot read property of user ${n}\n    at pay (/app/pay.js:${n}:7)\n`
    + `    at async /app/node_modules/http2/index.js:${n + 1}:12`,
  pattern: 'at pay (/app/pay.js:#:#)\nat async /app/node_modules/http#/index.js:#:#',
}, {
  type: 'TypeError',
  message: () => 'cannot read property',
  stack: (n) => `TypeError: cannot read property\n    at ship (/app/ship.js:${n}:7)`,
  pattern: 'at ship (/app/ship.js:#:#)',
}, {
  type: 'java.lang.IllegalStateException',
  message: (n) => `order ${n}`,
  stack: (n) => `java.lang.IllegalStateException: order ${n}\n`
    + `\tat com.shop.Order.close(Order.java:${n})\n`
    + `\tat com.shop.Order$$Lambda$${n}/0x00007f${n}a.run(Unknown Source)\n`
    + `Caused by: java.io.IOException: disk ${n}\n\tat com.shop.Disk.write(Disk.java:9)\n`
    + '\t... 3 more',
  pattern: 'at com.shop.Order.close(Order.java:#)\n'
    + 'at com.shop.Order$$Lambda$#/#.run(Unknown Source)\nat com.shop.Disk.write(Disk.java:#)',
}, {
  type: 'ValueError',
  message: (n) => `bad ${n}`,
  stack: (n) => `Traceback (most recent call last):\n  File "/srv/app.py", line ${n}, in handle\n`
    + `    price = int(row[${n}])\nValueError: bad ${n}`,
  pattern: 'File "/srv/app.py", line #, in handle',
}, {
  type: '*errors.errorString',
  message: () => 'EOF',
  stack: (n) => `goroutine ${n} [running]:\nmain.read(0xc000${n})\n\t/src/main.go:${n} +0x${n}d`,
  pattern: '/src/main.go:# +#',
}, {
  type: 'NotFound',
  message: (n) => `no order 'o-${n}' for 4b1c2d3e-0000-4000-8000-${String(n).padStart(12, '0')}`,
  stack: () => '',
  pattern: 'no order "#" for #',
}];

const fingerprintOf = ({ type, pattern }: { type: string; pattern: string }): string =>
  createHash('md5').update(`${type}\n${pattern}`).digest('hex').slice(0, 16);

interface Made {
  readonly kind: number;
  readonly span: MadeSpan;
}

type MadeEvent = NonNullable<MadeSpan['events']>[number];

const retry = (startNs: number): MadeEvent =>
  ({ atNs: startNs + 1000, name: 'retry', attributes: { 'exception.type': 'no' } });

const made: Made[] = Array.from({ length: 600 }, (_, index) => {
  const kind = index % 11 % KINDS.length;
  const { type, message, stack } = KINDS[kind]!;
  const startNs = index * 5e9;
  const n = 100 + index % 7;
  return { kind, span: {
    traceId: traceIdOf(index + 1), spanId: traceIdOf(index + 1).slice(16), parentSpanId: '',
    service: index % 3 === 0 ? 'shop' : 'bank', name: 'GET', kind: 'Server', startNs,
    durationNs: 1e6, status: 'Error', ...(index % 4 === 0 ? { traceState: 'ot=th:8' } : {}),
    events: [retry(startNs), { atNs: startNs + 500_000, name: 'exception', attributes: {
      'exception.type': type, 'exception.message': message(n), 'exception.stacktrace': stack(n),
    } }],
  } };
});

before(async () => {
  store = await startTraceStore('traces_exceptions');
  await store.insert(made.map(({ span }) => span));
  const { type, message, stack } = KINDS[1]!;
  const attributes = { 'exception.type': type, 'exception.message': message(1),
    'exception.stacktrace': stack(77), more: 'yes' };
  const log = { Timestamp: '2026-01-02 10:59:59.000000001', ServiceName: 'jobs', SeverityNumber: 17,
    Body: 'failed', LogAttributes: attributes };
  await store.rows(`INSERT INTO otel_logs FORMAT JSONEachRow ${[log, { ...log, SeverityNumber: 9 },
    { ...log, SeverityNumber: 9, EventName: 'exception' }].map((row) => JSON.stringify(row))
    .join('\n')}`);
});

after(() => store?.stop());

const own = (kind: number): MadeSpan[] =>
  made.filter((one) => one.kind === kind).map(({ span }) => span);
const weight = (span: MadeSpan): number => (span.traceState === undefined ? 1 : 2);

test('exceptions: what differs in lines, addresses, ids and messages is one group', async () => {
  const { items, next, isComplete } = await readExceptions(store.ask, ALL);
  assert.deepEqual([next, isComplete], [null, true]);
  const wanted = KINDS.map((kind, index) => {
    const spans = own(index);
    const inLogs = index === 1 ? 2 : 0;
    return { fingerprint: fingerprintOf(kind), type: kind.type, pattern: kind.pattern, inLogs,
      inSpans: spans.length, count: inLogs + spans.reduce((sum, span) => sum + weight(span), 0) };
  }).sort((a, b) => b.count - a.count || (a.fingerprint < b.fingerprint ? -1 : 1));
  assert.deepEqual(items.map(({ fingerprint, type, pattern, inLogs, inSpans, count }) =>
    ({ fingerprint, type, pattern, inLogs, inSpans, count })), wanted);
  const group = items.find(({ fingerprint }) => fingerprint === fingerprintOf(KINDS[1]!))!;
  assert.deepEqual(group.services, ['bank', 'jobs', 'shop']);
  assert.equal(group.lastSeen, '2026-01-02T10:59:59.000000001Z');
  assert.equal(group.stack, KINDS[1]!.stack(77));
  const first = own(1)[0]!;
  assert.equal(group.firstSeen, new Date(BASE_MS + first.startNs / 1e6 + 0.5).toISOString()
    .replace(/\.\d+Z/, '.000500000Z'));
  assert.equal(group.example.traceId, own(1).at(-1)!.traceId);
});

test('exceptions: pages in each order, and by service and type', async () => {
  const read = async (changes: Partial<ExceptionRequest>): Promise<ExceptionGroup[]> => {
    const items: ExceptionGroup[] = [];
    let next: ExceptionPlace | null = null;
    do {
      const page = await readExceptions(store.ask, { ...ALL, limit: 2, ...changes, after: next });
      items.push(...page.items);
      next = page.next;
    } while (next !== null);
    return items;
  };
  assert.deepEqual(await read({}), (await readExceptions(store.ask, ALL)).items);
  const recent = await read({ sort: 'recent' });
  assert.deepEqual(recent.map(({ lastSeen }) => lastSeen),
    recent.map(({ lastSeen }) => lastSeen).sort().reverse());
  const latest = await read({ sort: 'new' });
  assert.deepEqual(latest.map(({ firstSeen }) => firstSeen),
    latest.map(({ firstSeen }) => firstSeen).sort().reverse());
  assert.equal(new Set([...recent, ...latest].map(({ fingerprint }) => fingerprint)).size, 6);
  assert.deepEqual((await read({ service: 'jobs' })).map(({ inLogs }) => inLogs), [2]);
  assert.equal((await read({ type: 'TypeError' })).length, 2);
  assert.deepEqual(await read({ service: 'nobody' }), []);
});

test('exception: examples of one group, page by page', async () => {
  const fingerprint = fingerprintOf(KINDS[1]!);
  const request = { ...ALL, limit: 13 };
  const ids: string[] = [];
  let next: ExceptionPlace | null = null;
  do {
    const page: ExceptionDetails = (await readException(store.ask, fingerprint,
      { ...request, after: next }))!;
    assert.equal(page.group.fingerprint, fingerprint);
    ids.push(...page.items.map(({ source, traceId }) => `${source} ${traceId}`));
    if (next === null) {
      const [first] = page.items;
      assert.deepEqual([first!.attributes['more'], first!.service], ['yes', 'jobs']);
    }
    next = page.next;
  } while (next !== null);
  const inSpans = own(1).reverse().map(({ traceId }) => `span ${traceId}`);
  assert.deepEqual(ids, ['log ', 'log ', ...inSpans]);
  assert.equal(await readException(store.ask, '0'.repeat(16), request), null);
});
