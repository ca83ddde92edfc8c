// Legitimate statements: each passes the gate, and the text that it returns runs on a locked
// session of the engine, with its own format, settings and parameters.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { NEVER, queryText } from '../storage/clickhouse/storage_fixture.ts';
import { ANALYSTS } from './analyst_queries.ts';
import { startGate, type GateFixture } from './gate_fixture.ts';

const PARAMS = { from: '2026-01-02 10:00:00', to: '2026-01-02 11:00:00', service: 'shop',
  services: ['shop', 'pay'], n: 3 };

let fixture: GateFixture;

before(async () => {
  fixture = await startGate('default');
  const run = (sql: string) => queryText(fixture.storage, sql, 'TabSeparated');
  const time = `toDateTime64('2026-01-02 10:00:00', 9, 'UTC') + number * 30`;
  await run(`INSERT INTO otel_logs (Timestamp, TraceId, SpanId, SeverityText, SeverityNumber,
    ServiceName, Body, ResourceAttributes, LogAttributes)
    SELECT ${time}, toString(number), toString(number), 'ERROR', if(number % 2, 9, 17),
    ['shop', 'pay'][number % 2 + 1], concat('timeout of request ', toString(number)),
    map('host.name', 'here'), map('http.route', '/cart') FROM numbers(20)`);
  await run(`INSERT INTO otel_traces (Timestamp, TraceId, SpanId, ParentSpanId, ServiceName,
    SpanName, SpanKind, Duration, SpanAttributes)
    SELECT ${time}, toString(number), toString(number), if(number % 3, '', '0'), 'shop',
    'GET /cart', 'Server', number * 1000000, map('http.route', '/cart') FROM numbers(20)`);
  await run(`INSERT INTO otel_metrics_gauge (TimeUnix, ServiceName, MetricName, Value)
    SELECT ${time}, 'shop', 'cpu', number FROM numbers(20)`);
});

after(() => fixture?.stop());

test('analysts: at least 150 statements, and each once', () => {
  assert.ok(ANALYSTS.length >= 150, String(ANALYSTS.length));
  assert.equal(new Set(ANALYSTS).size, ANALYSTS.length);
});

test('analysts: every statement passes and runs', async () => {
  const wrong: string[] = [];
  for (const sql of ANALYSTS) {
    try {
      const { sql: text, format, settings, params } =
        await fixture.gate.check(sql, Object.keys(PARAMS), NEVER);
      const given = Object.fromEntries(Object.entries(PARAMS)
        .filter(([name]) => params.includes(name)));
      await fixture.read(text, { params: given, settings, format: format ?? 'JSON' });
    } catch (error) {
      wrong.push(`${sql} → ${String(error)}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('analysts: a checked statement says what it said before', async () => {
  for (const sql of ['SELECT 1 = 1 AND NOT 0 OR 1', 'SELECT -1 * (2 + 3) % 4, 10 - (4 - 3)',
    "SELECT 'a''b\\\\c\\nd', 1e3, 0x10, NULL IS NULL", 'SELECT [1, 2][1] + (3, 4).2',
    'SELECT number FROM numbers(9) WHERE number BETWEEN 2 AND 5 OR number IN (7, 8) ORDER BY 1',
    'SELECT CASE WHEN 1 THEN 2 ELSE 3 END ? 4 : 5']) {
    const checked = await fixture.gate.check(sql, [], NEVER);
    assert.equal(await fixture.read(checked.sql), await fixture.read(sql), sql);
  }
});
