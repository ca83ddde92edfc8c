// The ledger on a real engine: batches go through the writer, the reports of agents are stored as
// the receiver internal_metrics sends them. Then batches, books and rows are taken away by hand,
// and the ledger must name what is gone, and nothing else.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readLedger, type Ledger } from '../../../backend/ledger/ledger.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import { requestFromJson } from '../../../proto/otlp/json.ts';
import { createClock } from '../../../runtime/clock.ts';
import { SOMEBODY, deskOf } from '../query/desk_fixture.ts';
import { startEngine, type EngineFixture } from '../storage/engine_fixture.ts';
import { NEVER, startStorage, type StorageFixture } from '../storage/clickhouse/storage_fixture.ts';

const AGENT = 'a0000000-0000-4000-8000-000000000001';
const HOUR_MS = 3_600_000;
const KEPT_MS = 30 * 24 * HOUR_MS;
const clock = createClock();
/** A quarter of an hour ago: what is younger than a minute is not looked through. */
const NOW = clock.nowMs() - 15 * 60_000;

let engine: EngineFixture;
before(async () => {
  engine = await startEngine();
});
after(() => engine.stop());

interface World {
  readonly fixture: StorageFixture;
  logs(epoch: string, sequence: number, records: number, end?: string): Promise<void>;
  report(report: Report): Promise<void>;
  ledger(): Promise<Ledger>;
}

interface Report {
  readonly epoch?: string;
  readonly exporter?: string;
  readonly atMs?: number;
  readonly startMs?: number;
  readonly first?: number;
  readonly done?: number;
  readonly received?: number;
  readonly queued?: number;
  readonly givenUp?: ReadonlyArray<readonly [reason: string, from: number, to: number,
    items: number]>;
}

async function withWorld(database: string, run: (world: World) => Promise<void>): Promise<void> {
  const fixture = await startStorage(engine.url, { database });
  const desk = deskOf(fixture);
  const store = async (signal: 'logs' | 'metrics', json: object, id?: string) => {
    const request = requestFromJson(signal, Buffer.from(JSON.stringify(json)));
    const encoded = Batch.fromRequest(signal, request).bytes;
    const outcome = await fixture.storage.writer.consume(
      Batch.fromBytes(signal, encoded, id), NEVER, 0);
    assert.equal(outcome.status, 'accepted', JSON.stringify(outcome));
  };
  const keptMs = { logs: KEPT_MS, traces: KEPT_MS, metrics: KEPT_MS };
  try {
    await run({
      fixture,
      logs: (epoch, sequence, records, end = '') =>
        store('logs', logsOf(records), `${AGENT}/${epoch}/${sequence}${end}`),
      report: (report) => store('metrics', reportOf(report)),
      ledger: () => readLedger({ desk, caller: SOMEBODY, clock, keptMs },
        { fromMs: NOW - HOUR_MS, toMs: clock.nowMs() + 1000 }, NEVER),
    });
  } finally {
    await fixture.stop();
  }
}

const logsOf = (records: number) => ({ resourceLogs: [{ scopeLogs: [{
  logRecords: Array.from({ length: records }, (_, index) =>
    ({ timeUnixNano: `${NOW}000000`, body: { stringValue: `line ${index}` } })),
}] }] });

function reportOf({ epoch = 'e1', exporter = 'otlp', atMs = NOW, startMs = NOW - 60_000, first = 1,
  done = 0, received = 0, queued = 0, givenUp = [] }: Report) {
  const attributes = (labels: Record<string, string>) => Object.entries(labels)
    .map(([key, value]) => ({ key, value: { stringValue: value } }));
  const point = (asDouble: number, labels: Record<string, string>) =>
    ({ asDouble, timeUnixNano: `${atMs}000000`, attributes: attributes(labels) });
  const gauge = (name: string, value: number, labels: Record<string, string>) =>
    ({ name, gauge: { dataPoints: [point(value, { exporter, ...labels })] } });
  const sum = (name: string, value: number, labels: Record<string, string>) => ({
    name,
    sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints: [
      { ...point(value, labels), startTimeUnixNano: `${startMs}000000` },
    ] },
  });
  return { resourceMetrics: [{
    resource: { attributes: attributes({ 'service.name': 'binnacle-agent',
      'service.instance.id': AGENT, 'host.name': 'here' }) },
    scopeMetrics: [{ metrics: [
      sum('otelcol_receiver_accepted_log_records', received, { receiver: 'otlp' }),
      sum('binnacle_exporter_enqueued_log_records', received, { exporter }),
      gauge('otelcol_exporter_queue_size', queued === 0 ? 0 : 1, {}),
      gauge('binnacle_queue_items', queued, {}),
      gauge('binnacle_queue_first_sequence', first, { epoch }),
      gauge('binnacle_queue_sealed_sequence', done, { epoch }),
      gauge('binnacle_queue_done_sequence', done, { epoch }),
      ...givenUp.map(([reason, from, to, items]) => gauge('binnacle_queue_given_up_items', items,
        { reason, from: String(from), to: String(to) })),
    ] }],
  }] };
}

/** What is missing, in few words. */
const gapsOf = ({ gaps }: Ledger): string[] => gaps.map(({ kind, epoch, from, to, records }) =>
  `${kind} ${epoch} ${from}-${to} ${records}`);

test('ledger: what is stored, refused and queued is not lost', () =>
  withWorld('balanced', async ({ fixture, ledger, logs, report }) => {
    for (const sequence of [1, 2, 4]) await logs('e1', sequence, 10);
    // One without a record leaves no row, and is no gap.
    await fixture.storage.writer.consume(Batch.fromBytes('logs', new Uint8Array(),
      `${AGENT}/e1/3`), NEVER, 0);
    await report({ done: 4, received: 37, queued: 7 });
    const found = await ledger();
    assert.deepEqual(gapsOf(found), []);
    assert.equal(found.statement, '0 of 37 records lost');
    const [books] = found.agents;
    assert.equal(found.agents.length, 1);
    assert.deepEqual([books!.host, books!.received, books!.stored, books!.queued,
      books!.difference], ['here', 37, 30, 7, 0]);
    assert.deepEqual(books!.signals, [
      { signal: 'logs', received: 37, enqueued: 37, stored: 30, refused: 0 },
    ]);
  }));

test('ledger: a batch that the agent delivered and that is not here is named', () =>
  withWorld('gap', async ({ ledger, logs, report }) => {
    for (const sequence of [1, 2, 5, 9]) await logs('e1', sequence, 10);
    // 6 to 8 may be on their way.
    await report({ done: 5, received: 90, queued: 40 });
    const found = await ledger();
    assert.deepEqual(gapsOf(found), ['never arrived e1 3-4 null']);
    assert.equal(found.statement, '2 batches of unknown size of 90 records lost');
    assert.deepEqual(found.lost, { records: 0, batchesOfUnknownSize: 2 });
    assert.equal(found.gaps[0]!.exporter, 'otlp');
  }));

test('ledger: rows that are gone before their time are named with their number', () =>
  withWorld('removed', async ({ fixture, ledger, logs, report }) => {
    for (const sequence of [1, 2, 3]) await logs('e1', sequence, 10);
    await report({ done: 3, received: 30 });
    // As if it had been a while ago: what was committed just now is not looked through.
    await fixture.rows(`INSERT INTO binnacle_batches (BatchId, TableName, Day, Rows, Committed)
      SETTINGS async_insert = 0
      SELECT BatchId, TableName, Day, Rows, Committed - 300 FROM binnacle_batches`);
    assert.deepEqual(gapsOf(await ledger()), []);
    await fixture.rows(`ALTER TABLE otel_logs DELETE WHERE BatchId = '${AGENT}/e1/2'
      SETTINGS mutations_sync = 2`);
    const found = await ledger();
    assert.deepEqual(gapsOf(found), ['removed e1 2-2 10']);
    assert.equal(found.statement, '10 of 30 records lost');
    assert.equal(found.agents[0]!.difference, 0);
  }));

test('ledger: a commit that the books do not have is found by its rows', () =>
  withWorld('books', async ({ fixture, ledger, logs, report }) => {
    for (const sequence of [1, 2, 3]) await logs('e1', sequence, 10);
    await report({ done: 3, received: 30 });
    await fixture.rows(`ALTER TABLE binnacle_batches DELETE WHERE BatchId = '${AGENT}/e1/2'
      SETTINGS mutations_sync = 2`);
    assert.deepEqual(gapsOf(await ledger()), []);
  }));

test('ledger: a batch that was cut by its sender is one batch', () =>
  withWorld('cut', async ({ ledger, logs, report }) => {
    await logs('e1', 1, 5, '.0');
    await logs('e1', 1, 5, '.1');
    await report({ done: 1, received: 10 });
    assert.equal((await ledger()).statement, '0 of 10 records lost');
  }));

test('ledger: sequences go on over starts, also those too short to be reported', () =>
  withWorld('starts', async ({ ledger, logs, report }) => {
    for (const sequence of [1, 2]) await logs('e1', sequence, 1);
    await report({ epoch: 'e1', done: 1, received: 2, atMs: NOW - 60_000 });
    await logs('e2', 3, 1);
    for (const sequence of [4, 5]) await logs('e3', sequence, 1);
    await report({ epoch: 'e3', first: 4, done: 5, received: 2, startMs: NOW });
    assert.deepEqual(gapsOf(await ledger()), []);
    await report({ epoch: 'e3', first: 4, done: 7, received: 4, startMs: NOW, atMs: NOW + 1000 });
    assert.deepEqual(gapsOf(await ledger()), ['never arrived e3 6-7 null']);
  }));

test('ledger: what a queue gave up is dropped by reason, what it lost is lost', () =>
  withWorld('given_up', async ({ ledger, logs, report }) => {
    for (const sequence of [1, 9]) await logs('e1', sequence, 10);
    await report({ done: 9, received: 90,
      givenUp: [['overflow', 2, 4, 30], ['refused', 5, 5, 10], ['missing', 6, 7, 0]] });
    const found = await ledger();
    assert.deepEqual(gapsOf(found), ['damaged e1 6-7 null', 'never arrived e1 8-8 null']);
    assert.deepEqual(found.agents[0]!.dropped, { overflow: 30, refused: 10 });
  }));

test('ledger: a queue that sends to somebody else is not looked at', () =>
  withWorld('elsewhere', async ({ ledger, logs, report }) => {
    await logs('e1', 1, 10);
    await report({ done: 1, received: 10 });
    await report({ exporter: 'otlp/other', epoch: 'x1', done: 500 });
    assert.deepEqual(gapsOf(await ledger()), []);
  }));

test('ledger: counters that begin anew are added, not taken back', () =>
  withWorld('counters', async ({ ledger, report }) => {
    await report({ received: 100, startMs: NOW - 60_000, atMs: NOW - 50_000 });
    await report({ received: 120, startMs: NOW - 60_000, atMs: NOW - 40_000 });
    await report({ received: 30, startMs: NOW - 20_000, atMs: NOW });
    const found = await ledger();
    assert.equal(found.agents[0]!.received, 150);
    assert.equal(found.hours.reduce((sum, { received }) => sum + received, 0), 150);
  }));
