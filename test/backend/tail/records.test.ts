// What a live tail finds is what is stored: for random requests of logs and spans and random
// searches, the matcher over the records of the batch and ClickHouse over its rows find as many.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createMatcher } from '../../../backend/search/match.ts';
import { parseSearch } from '../../../backend/search/parse.ts';
import { printSearch } from '../../../backend/search/print.ts';
import { compileSearch } from '../../../backend/search/sql.ts';
import { recordsOf, type Tailed } from '../../../backend/tail/records.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import { encodeRequest } from '../../../proto/otlp/codec.ts';
import type { KeyValue } from '../../../proto/otlp/model.ts';
import { generateRequest, seededRandom, type Random } from '../../proto/generate.ts';
import { generateSearch, pick } from '../search/generate.ts';
import { startEngine, type EngineFixture } from '../storage/engine_fixture.ts';
import { NEVER, startStorage, type StorageFixture }
  from '../storage/clickhouse/storage_fixture.ts';

let engine: EngineFixture;
let store: StorageFixture;

before(async () => {
  engine = await startEngine();
  store = await startStorage(engine.url, { database: 'tail_records' });
});

after(async () => {
  await store?.stop();
  await engine?.stop();
});

const TEXTS = ['web-1', 'timeout at 10.0.0.7', 'Connection refused', '500', 'größe', 'checkout'];

function attributes(random: Random, made: readonly KeyValue[]): KeyValue[] {
  const own = ['host.name', 'k', 'http.status_code', 'user.id', 'service.name']
    .filter(() => random() < 0.4)
    .map((key): KeyValue => ({ key, value: { type: 'string', value: pick(random, TEXTS) } }));
  return [...own, ...made];
}

const timeOf = (random: Random): bigint => 1_767_225_600_000_000_000n
  + BigInt(Math.floor(random() * 1e15));

function logsBatch(random: Random): Batch {
  const { resourceLogs } = generateRequest('logs', random);
  return Batch.fromBytes('logs', encodeRequest('logs', { resourceLogs: resourceLogs.map((one) => ({
    ...one, scopeLogs: one.scopeLogs.map((scope) => ({ ...scope,
      logRecords: scope.logRecords.map((record) => ({ ...record, timeUnixNano: timeOf(random),
        attributes: attributes(random, record.attributes),
        body: random() < 0.5 ? record.body
          : { type: 'string' as const, value: pick(random, TEXTS) } })) })) })) }));
}

function spansBatch(random: Random): Batch {
  const { resourceSpans } = generateRequest('traces', random);
  const hex = (digits: number) => Array.from({ length: digits }, () =>
    Math.floor(random() * 15 + 1).toString(16)).join('');
  return Batch.fromBytes('traces', encodeRequest('traces', { resourceSpans: resourceSpans.map(
    (one) => ({ ...one, scopeSpans: one.scopeSpans.map((scope) => ({ ...scope,
      spans: scope.spans.map((span) => {
        const start = timeOf(random);
        return { ...span, traceId: hex(32), spanId: hex(16), startTimeUnixNano: start,
          parentSpanId: random() < 0.5 ? '' : hex(16),
          endTimeUnixNano: start + BigInt(Math.floor(random() * 1e9)) - 1000n,
          events: span.events.map((event) => ({ ...event, timeUnixNano: start })),
          name: pick(random, ['GET /cart', 'SELECT', span.name]),
          attributes: attributes(random, span.attributes) };
      }) })) })) }));
}

async function compare(signal: Tailed, batches: readonly Batch[], searches: readonly string[]) {
  for (const batch of batches) {
    assert.deepEqual(await store.storage.writer.consume(batch, NEVER),
      { status: 'accepted', rejected: 0 });
  }
  const records = batches.flatMap((batch) => recordsOf(batch, 0n));
  assert.ok(records.length > 50, `${records.length}`);
  let found = 0;
  for (const search of searches) {
    const node = parseSearch(search);
    const { sql, params } = compileSearch(node, signal);
    const { body } = await store.storage.query({ params, format: 'TSV', abort: NEVER,
      sql: `SELECT count() FROM otel_${signal} WHERE ${sql}` });
    const stored = Number(Buffer.concat(await body.toArray() as Buffer[]).toString());
    const own = records.filter(createMatcher(node, signal)).length;
    assert.equal(own, stored, search);
    found += own;
  }
  assert.ok(found > 100, `${found} found`);
}

test('tail: log records fit as their rows do', async () => {
  const random = seededRandom(41);
  const batches = Array.from({ length: 20 }, () => logsBatch(random));
  await compare('logs', batches, Array.from({ length: 150 }, () =>
    printSearch(generateSearch(random))));
});

test('tail: spans fit as their rows do', async () => {
  const random = seededRandom(42);
  const batches = Array.from({ length: 20 }, () => spansBatch(random));
  await compare('traces', batches, ['*', 'duration:>500ms', 'duration:[1us TO 0.7s]', 'kind:server',
    'kind:*', 'status:error', 'status:ok OR status:unset', 'level>=error', 'parent:""', 'parent:*',
    'name:"GET /cart"', 'cart', 'timeout', '"connection refused"', 'event:*', 'event:/a/',
    '-event:a*', 'host:web-*', 'service:*', 'k:web-1', 'http.status:>=500', 'user.id:*', 'scope:*',
    'span:*', 'status_message:*', '/[a-z]{3}/', 'resource.k:*', 'attr.k:*', 'größe', '10.0.0.7']);
});
