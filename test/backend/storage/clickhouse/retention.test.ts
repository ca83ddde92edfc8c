// How long rows are kept, on a real engine: a changed configuration changes the tables and rewrites
// nothing, services have a time of their own, and what is too old when it comes is counted.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createRecordingLog } from '../../../contract/fakes.ts';
import { Batch } from '../../../../proto/contract/batch.ts';
import { until } from '../../../contract/fakes.ts';
import { startEngine } from '../engine_fixture.ts';
import type { EngineFixture } from '../engine_fixture.ts';
import { NEVER, startStorage } from './storage_fixture.ts';
import type { StorageFixture } from './storage_fixture.ts';

const DAY_MS = 86_400_000;
const days = (logs: number, traces = 30) =>
  ({ logsMs: logs * DAY_MS, tracesMs: traces * DAY_MS, metricsMs: 30 * DAY_MS });

let engine: EngineFixture;
before(async () => {
  engine = await startEngine();
});
after(() => engine.stop());

async function definition(fixture: StorageFixture, table: string): Promise<string> {
  const [row] = await fixture.rows<{ text: string }>(`SELECT engine_full AS text
    FROM system.tables WHERE database = currentDatabase() AND name = '${table}'`);
  return row!.text;
}

/** Rows of one service a day, for so many days up to today. */
const fill = (fixture: StorageFixture, services: readonly string[], count: number) =>
  fixture.rows(`INSERT INTO otel_logs (Timestamp, ServiceName, Body)
    SELECT now64(9) - toIntervalDay(number), arrayJoin([${
  services.map((name) => `'${name}'`).join(', ')}]), 'x' FROM numbers(${count})`);

test('retention: rules of services are cases of the TTL, set once', async () => {
  const database = 'kept_rules';
  const services = [
    { services: ["o'brien", 'b\\c'], logsMs: 3 * DAY_MS },
    { services: ['audit'], logsMs: 365 * DAY_MS, tracesMs: 30 * DAY_MS },
  ];
  const first = await startStorage(engine.url, { database, retention: { ...days(30), services } });
  const logs = await definition(first, 'otel_logs');
  assert.match(logs, /multiIf\(.*, 3, .*'audit'.*, 365, 30\)\)/);
  assert.match(logs, /ttl_only_drop_parts = 0/);
  // A rule that says what holds anyway is none.
  const traces = await definition(first, 'otel_traces');
  assert.match(traces, /TTL toDate\(Timestamp\) \+ toIntervalDay\(30\) .*ttl_only_drop_parts = 1/);
  assert.match(await definition(first, 'binnacle_batches'), /toIntervalDay\(365\)/);
  await first.stop();
  const log = createRecordingLog();
  const again = await startStorage(engine.url,
    { database, log, retention: { ...days(30), services } });
  assert.deepEqual(log.lines.filter(({ message }) => message.includes('keeps rows')), []);
  await again.stop();
  const without = await startStorage(engine.url, { database, retention: days(30) });
  assert.match(await definition(without, 'otel_logs'),
    /TTL toDate\(Timestamp\) \+ toIntervalDay\(30\) .*ttl_only_drop_parts = 1/);
  await without.stop();
});

test('retention: a shorter time drops days, a longer one of a service keeps its rows', async () => {
  const database = 'kept_rows';
  const first = await startStorage(engine.url, { database, retention: days(30) });
  await first.rows('ALTER TABLE otel_logs MODIFY SETTING merge_with_ttl_timeout = 0');
  await fill(first, ['debug', 'shop', 'audit'], 12);
  const before = await first.rows('SELECT name FROM system.parts WHERE database = currentDatabase()'
    + " AND table = 'otel_logs' AND active AND partition = toString(today())");
  await first.stop();
  const services = [
    { services: ['debug'], logsMs: 2 * DAY_MS },
    { services: ['audit'], logsMs: 30 * DAY_MS },
  ];
  const next = await startStorage(engine.url, { database, retention: { ...days(6), services } });
  const counts = async () => Object.fromEntries((await next.rows<{ name: string; rows: string }>(
    'SELECT ServiceName AS name, count() AS rows FROM otel_logs GROUP BY name'))
    .map(({ name, rows }) => [name, Number(rows)]));
  const isExpired = async () => {
    const { debug, shop, audit } = await counts();
    return debug === 2 && shop === 6 && audit === 12;
  };
  await until(isExpired, 'rows expired', 60_000);
  // The present day has nothing to expire: its parts have another version, not other contents.
  const parts = await next.rows<{ name: string }>('SELECT name FROM system.parts'
    + " WHERE database = currentDatabase() AND table = 'otel_logs' AND active"
    + ' AND partition = toString(today())');
  const block = ({ name }: { name?: unknown }) => String(name).split('_').slice(0, 4).join('_');
  assert.deepEqual(parts.map(block), before.map(block));
  await next.stop();
});

test('retention: records that are too old when they come are counted and said', async () => {
  const log = createRecordingLog();
  const services = [{ services: ['audit'], logsMs: 20 * DAY_MS }];
  const fixture = await startStorage(engine.url,
    { database: 'kept_late', log, retention: { ...days(10), services } });
  const record = (age: number) => ({
    timeUnixNano: BigInt(Date.now() - age * DAY_MS) * 1_000_000n,
    observedTimeUnixNano: 0n, severityNumber: 9, severityText: '', eventName: '',
    body: { type: 'string' as const, value: 'x' }, attributes: [], droppedAttributesCount: 0,
    flags: 0, traceId: '', spanId: '',
  });
  const send = (...ages: number[]) => fixture.storage.writer.consume(Batch.fromRequest('logs', {
    resourceLogs: [{ resource: undefined, schemaUrl: '', scopeLogs: [
      { scope: undefined, schemaUrl: '', logRecords: ages.map(record) }] }],
  }), NEVER);
  const counted = () => fixture.counters.total('binnacle_ingest_expired_records_total',
    { signal: 'logs' });
  assert.deepEqual(await send(0, 5, 15), { status: 'accepted', rejected: 0 });
  assert.equal(counted(), 0, 'one of them may be of the service that is kept longer');
  await Promise.all([send(0, 21, 400), send(22)]);
  assert.equal(counted(), 3);
  const said = log.lines.filter(({ message }) => message.includes('older than retention.logs'));
  assert.equal(said.length, 1);
  await fixture.stop();
});
