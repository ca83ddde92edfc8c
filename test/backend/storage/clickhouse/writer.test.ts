// The writer gathers requests into few inserts, answers after the commit, and tells those that can
// come again from those that cannot. On a real engine, which is killed and hindered on the way.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createEngine } from '../../../../backend/storage/engine/supervisor.ts';
import { Batch } from '../../../../proto/contract/batch.ts';
import { ACCEPTED } from '../../../../proto/contract/outcome.ts';
import type { Outcome } from '../../../../proto/contract/outcome.ts';
import type { MetricsRequest, TracesRequest } from '../../../../proto/otlp/model.ts';
import { generateServiceSpans } from '../../../bench/data.ts';
import { seededRandom } from '../../../proto/generate.ts';
import { startEngine } from '../engine_fixture.ts';
import type { EngineFixture } from '../engine_fixture.ts';
import { countRows, NEVER, startStorage } from './storage_fixture.ts';
import type { StorageFixture } from './storage_fixture.ts';

const DAY_MS = 86_400_000;
const START_MS = 1_760_000_000_000;
const FLUSH = { intervalMs: 50, rows: 100_000, bytes: 64 << 20, waitingBytesMax: 256 << 20 };
const random = seededRandom(11);

let engine: EngineFixture;
before(async () => {
  engine = await startEngine();
});
after(() => engine.stop());

async function withStorage(
  database: string,
  run: (fixture: StorageFixture) => Promise<void>,
  flush: Partial<typeof FLUSH> = {},
): Promise<void> {
  const fixture = await startStorage(engine.url, { database, flush: { ...FLUSH, ...flush } });
  try {
    await run(fixture);
  } finally {
    await fixture.stop();
  }
}

const spans = (count: number, startMs: number = START_MS): Batch =>
  Batch.fromRequest('traces', generateServiceSpans(random, count, startMs));

/** The same spans under another name. */
function named(name: string, count: number): Batch {
  const { resourceSpans: [group] } = generateServiceSpans(random, count);
  const [scope] = group!.scopeSpans;
  const renamed = scope!.spans.map((span) => ({ ...span, name }));
  const request: TracesRequest = {
    resourceSpans: [{ ...group!, scopeSpans: [{ ...scope!, spans: renamed }] }],
  };
  return Batch.fromRequest('traces', request);
}

const inserts = ({ counters }: StorageFixture): number =>
  counters.total('binnacle_storage_inserts_total');

test('writer: many requests at once become few inserts, and all are answered', async () => {
  await withStorage('gathered', async (fixture) => {
    const { writer } = fixture.storage;
    const batches = Array.from({ length: 300 }, () => spans(10));
    const outcomes = await Promise.all(batches.map((batch) => writer.consume(batch, NEVER)));
    for (const outcome of outcomes) assert.deepEqual(outcome, ACCEPTED);
    assert.equal(await countRows(fixture.storage, 'otel_traces'), 3000);
    assert.ok(inserts(fixture) <= 3, `${inserts(fixture)} inserts`);
    assert.equal(fixture.counters.total('binnacle_storage_rows_total'), 3000);
    assert.equal(fixture.counters.total('binnacle_storage_waiting_bytes'), 0);
  });
});

test('writer: a group is sent at once when it is full', async () => {
  const slow = { intervalMs: 600_000, rows: 100 };
  await withStorage('full', async (fixture) => {
    const { writer } = fixture.storage;
    const first = writer.consume(spans(60), NEVER);
    const second = writer.consume(spans(60), NEVER);
    assert.deepEqual(await Promise.all([first, second]), [ACCEPTED, ACCEPTED]);
    // And what waits for company when the writer stops is sent then.
    const last = writer.consume(spans(7), NEVER);
    await fixture.storage.stop(AbortSignal.timeout(10_000));
    assert.deepEqual(await last, ACCEPTED);
    assert.equal((await writer.consume(spans(1), NEVER)).status, 'retryable');
  }, slow);
});

test('writer: equal requests are stored as often as they were sent', async () => {
  await withStorage('equal', async (fixture) => {
    const batch = spans(5);
    for (let time = 0; time < 3; time++) await fixture.storage.writer.consume(batch, NEVER);
    assert.equal(await countRows(fixture.storage, 'otel_traces'), 15);
  });
});

test('writer: an empty request is accepted, one with broken records in part', async () => {
  await withStorage('partial', async ({ storage }) => {
    const empty = Batch.fromRequest('traces', { resourceSpans: [] });
    assert.deepEqual(await storage.writer.consume(empty, NEVER), ACCEPTED);
    const { resourceSpans: [group] } = generateServiceSpans(random, 4);
    const [scope] = group!.scopeSpans;
    const broken = scope!.spans.map((span, index) =>
      index % 2 === 0 ? span : { ...span, spanId: '' });
    const half = Batch.fromRequest('traces', {
      resourceSpans: [{ ...group!, scopeSpans: [{ ...scope!, spans: broken }] }],
    });
    assert.deepEqual(await storage.writer.consume(half, NEVER), {
      status: 'accepted',
      rejected: 2,
      reason: 'cannot decode span: its span id has 0 bytes, not 8',
    });
    assert.equal(await countRows(storage, 'otel_traces'), 2);
  });
});

test('writer: rows that the store refuses do not cost their neighbours', async () => {
  await withStorage('poison', async (fixture) => {
    await fixture.rows("ALTER TABLE otel_traces ADD CONSTRAINT c CHECK SpanName != 'poison'");
    const { writer } = fixture.storage;
    const batches = Array.from({ length: 40 }, (_, index) =>
      named(index === 13 || index === 30 ? 'poison' : 'good', 3));
    const outcomes = await Promise.all(batches.map((batch) => writer.consume(batch, NEVER)));
    outcomes.forEach((outcome, index) => {
      if (index !== 13 && index !== 30) return assert.deepEqual(outcome, ACCEPTED);
      assert.equal(outcome.status, 'accepted');
      assert.equal(outcome.status === 'accepted' && outcome.rejected, 3);
      assert.match(outcome.status === 'accepted' ? outcome.reason! : '', /VIOLATED_CONSTRAINT/);
    });
    assert.equal(await countRows(fixture.storage, 'otel_traces'), 38 * 3);
  });
});

test('writer: a table that refuses its rows leaves the other tables alone', async () => {
  await withStorage('metrics', async (fixture) => {
    await fixture.rows("ALTER TABLE otel_metrics_gauge ADD CONSTRAINT c CHECK MetricName != 'bad'");
    const { writer } = fixture.storage;
    const bad = await writer.consume(Batch.fromRequest('metrics', metrics('bad')), NEVER);
    assert.equal(bad.status === 'accepted' && bad.rejected, 1);
    const good = await writer.consume(Batch.fromRequest('metrics', metrics('good')), NEVER);
    assert.deepEqual(good, ACCEPTED);
    assert.equal(await countRows(fixture.storage, 'otel_metrics_gauge'), 1);
    assert.equal(await countRows(fixture.storage, 'otel_metrics_sum'), 2);
  });
});

function metrics(name: string): MetricsRequest {
  const time = BigInt(START_MS) * 1_000_000n;
  const point = {
    attributes: [],
    startTimeUnixNano: time,
    timeUnixNano: time,
    flags: 0,
    value: { type: 'int', value: 3n },
    exemplars: [],
  } as const;
  const shared = { name, description: '', unit: '', metadata: [] };
  const gauge = { ...shared, data: { type: 'gauge', dataPoints: [point] } } as const;
  const sum = {
    ...shared,
    data: { type: 'sum', dataPoints: [point], aggregationTemporality: 2, isMonotonic: true },
  } as const;
  const scopeMetrics = [{ scope: undefined, metrics: [gauge, sum], schemaUrl: '' }];
  return { resourceMetrics: [{ resource: undefined, scopeMetrics, schemaUrl: '' }] };
}

test('writer: a request that spreads over three hundred days is stored', async () => {
  await withStorage('days', async ({ storage }) => {
    const days = Array.from({ length: 300 }, (_, day) =>
      generateServiceSpans(random, 1, START_MS - day * DAY_MS).resourceSpans[0]!);
    const batch = Batch.fromRequest('traces', { resourceSpans: days });
    assert.deepEqual(await storage.writer.consume(batch, NEVER), ACCEPTED);
    assert.equal(await countRows(storage, 'otel_traces'), 300);
  });
});

test('writer: a store that is behind with its merges makes senders wait', async () => {
  await withStorage('behind', async (fixture) => {
    const { writer } = fixture.storage;
    await fixture.rows('SYSTEM STOP MERGES');
    await fixture.rows('ALTER TABLE otel_traces MODIFY SETTING parts_to_throw_insert = 2');
    const outcomes: Outcome[] = [];
    for (let time = 0; time < 4; time++) outcomes.push(await writer.consume(spans(1), NEVER));
    await fixture.rows('SYSTEM START MERGES');
    const last = outcomes.at(-1)!;
    assert.equal(last.status, 'retryable');
    assert.match(last.reason ?? '', /252 TOO_MANY_PARTS/);
    assert.ok(last.status === 'retryable' && last.retryAfterMs! > 0);
  });
});

test('writer: what waits is bounded, and a sender may stop waiting', async () => {
  const batch = spans(100);
  const bounded = { waitingBytesMax: batch.bytes.length * 2 };
  await withStorage('bounded', async (fixture) => {
    const { writer } = fixture.storage;
    const outcomes = await Promise.all([1, 2, 3].map(() => writer.consume(batch, NEVER)));
    assert.deepEqual(outcomes.map(({ status }) => status), ['accepted', 'accepted', 'retryable']);
    const [, , last] = outcomes;
    assert.ok(last?.status === 'retryable' && last.retryAfterMs! > 0);
    const gone = await writer.consume(batch, AbortSignal.abort());
    assert.equal(gone.status, 'retryable');
  }, bounded);
});

test('writer: nothing acknowledged is lost when the engine is killed under load', {
  skip: process.env['CLICKHOUSE_URL'] !== undefined && 'it is not our server to kill',
}, async () => {
  const path = await mkdtemp(join(tmpdir(), 'binnacle-kill-'));
  const own = createEngine({ path });
  const { url } = await own.start();
  const fixture = await startStorage(url, { flush: { ...FLUSH, intervalMs: 5 } });
  const acknowledged = new Set<string>();
  const away = { count: 0 };
  let kills = 0;
  const send = async (sender: number) => {
    for (let turn = 0; turn < 60; turn++) {
      const name = `${sender}.${turn}`;
      const batch = named(name, 20);
      for (;;) {
        const outcome = await fixture.storage.writer.consume(batch, NEVER);
        if (outcome.status === 'accepted') break;
        assert.equal(outcome.status, 'retryable');
        away.count++;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      acknowledged.add(name);
      if (acknowledged.size % 100 === 50 && kills < 3 && own.pid !== null) {
        kills++;
        process.kill(own.pid, 'SIGKILL');
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, sender) => send(sender)));
  const rows = await fixture.rows<{ name: string; count: number }>(
    'SELECT SpanName AS name, count() AS count FROM otel_traces GROUP BY name');
  const stored = new Map(rows.map(({ name, count }) => [name, Number(count)]));
  assert.equal(acknowledged.size, 480);
  for (const name of acknowledged) assert.ok((stored.get(name) ?? 0) >= 20, `${name} is lost`);
  assert.equal(kills, 3);
  assert.ok(away.count > 0, 'no sender met the engine away');
  await fixture.stop();
  await own.stop(AbortSignal.timeout(10_000));
  await rm(path, { recursive: true, force: true });
});
