// What a store costs as it grows: processor time of the engine for each inserted span, merges
// included, and the time of questions, at 1, 10, … million spans.
//
//   npm run bench -- growth [--most N million] [--rounds N]
//
// A day is a million spans (store.ts); the store grows by days, each a copy of the first with other
// ids, inserted in blocks of 100,000 in the order of time. Reading the copied day is measured alone
// and subtracted.
// Questions are asked when merges are done, about the last day, whose spans are one part then, as
// a finished day's are, so that an answer has the same size at every step: what grows is what must
// not be read. A trace is asked for by its id alone, latency as `GET /api/metrics/latency` asks.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine } from '../../backend/storage/engine/supervisor.ts';
import { readLatency } from '../../backend/latency/latency.ts';
import { SOMEBODY, deskOf } from '../backend/query/desk_fixture.ts';
import { NEVER, queryText, startStorage }
  from '../backend/storage/clickhouse/storage_fixture.ts';
import { cpuUsOf, median, options, ratioAtMost, report } from './figures.ts';
import { DAY_MS, DAY_START_MS, fillSpans } from './store.ts';

const { most, rounds } = options({ most: 10, rounds: 9 });
const DAY_SPANS = 1_000_000;
const BLOCKS_PER_DAY = 10;
const QUIET_MS = 1500;
const QUIET_MS_MAX = 60_000;
const STEPS = [1, 10, 50].filter((step) => step < most).concat(most);
const READ_IN_ORDER = 'read_in_order_use_buffering = 0, max_block_size = 1024';

const folder = mkdtempSync(join(tmpdir(), 'binnacle-bench-'));
const engine = createEngine({ path: folder });
const { url } = await engine.start();
const fixture = await startStorage(url);
const { rows } = fixture;
const reader = { desk: deskOf(fixture), caller: SOMEBODY, rowsMax: 100_000 };
try {
  await measure();
} finally {
  await fixture.stop();
  await engine.stop(AbortSignal.timeout(30_000));
  rmSync(folder, { recursive: true, force: true });
}

interface Step {
  readonly millions: number;
  /** Of inserting a span since the last step, in microseconds. */
  readonly rowUs: number;
  /** Milliseconds of each question. */
  readonly ms: Record<string, number>;
  readonly parts: number;
}

async function measure(): Promise<void> {
  // Day 0 is what the others are copied from; it is not one of them.
  await fillSpans(fixture, DAY_SPANS);
  await quiet();
  const readUs = await cpuOf(() => copyDay(1, 'nowhere')) / DAY_SPANS;
  console.log(`  reading what is copied: ${readUs.toFixed(2)} µs/span, subtracted`);
  const steps: Step[] = [];
  let day = 0;
  for (const millions of STEPS) {
    const days = millions - day;
    const allUs = await cpuOf(async () => {
      while (day < millions) await copyDay(++day, 'table');
    });
    const rowUs = allUs / days / DAY_SPANS - readUs;
    const [{ parts } = { parts: '0' }] = await rows<{ parts: string }>(
      "SELECT count() AS parts FROM system.parts WHERE active AND table LIKE 'otel_traces%'");
    const step = { millions, rowUs, ms: await askAll(day), parts: Number(parts) };
    steps.push(step);
    console.log(`  ${millions} million: ${rowUs.toFixed(2)} µs/span, ${parts} parts, `
      + Object.entries(step.ms).map(([name, ms]) => `${name} ${ms.toFixed(1)} ms`).join(', '));
  }
  say(steps);
}

function say([first, ...later]: readonly Step[]): void {
  for (const { millions, rowUs, ms } of later) {
    const name = `growth to ${millions} million`;
    const beside = `at ${first!.millions} million`;
    report({
      id: 'B13', name: `${name}, engine`, value: rowUs, unit: 'µs/span',
      yardstick: { name: beside, value: first!.rowUs }, goal: ratioAtMost(1.3),
    });
    for (const [question, value] of Object.entries(ms)) {
      report({
        id: 'B13', name: `${name}, ${question}`, value, unit: 'ms',
        yardstick: { name: beside, value: first!.ms[question]! }, goal: ratioAtMost(1.5),
      });
    }
  }
}

/** Inserts day 0 again, `day` days later and with other ids, or only reads it. */
async function copyDay(day: number, target: 'table' | 'nowhere'): Promise<void> {
  const blockMs = DAY_MS / BLOCKS_PER_DAY;
  const id = (column: string, digits: number) => `if(${column} = '', '', lower(substring(hex(
    sipHash128(${column}, ${day})), 1, ${digits}))) AS ${column}`;
  const select = (fromMs: number) => `SELECT * REPLACE (
      addDays(Timestamp, ${day}) AS Timestamp,
      ${id('TraceId', 32)}, ${id('SpanId', 16)}, ${id('ParentSpanId', 16)},
      concat(BatchId, '/', '${day}') AS BatchId)
    FROM (SELECT * FROM otel_traces
      WHERE Timestamp >= fromUnixTimestamp64Milli(${fromMs})
        AND Timestamp < fromUnixTimestamp64Milli(${fromMs + blockMs})
      ORDER BY Timestamp)`;
  const into = target === 'table' ? 'otel_traces'
    : `FUNCTION null('${(await columnsOf()).replaceAll("'", "\\'")}')`;
  for (let block = 0; block < BLOCKS_PER_DAY; block++) {
    await rows(`INSERT INTO ${into} ${select(DAY_START_MS + block * blockMs)}
      SETTINGS async_insert = 0, max_threads = 1, max_insert_threads = 1,
        max_block_size = 1000000, min_insert_block_size_rows = 1000000,
        min_insert_block_size_bytes = 0`);
  }
}

async function columnsOf(): Promise<string> {
  const columns = await rows<{ name: string; type: string }>(
    'DESCRIBE (SELECT * FROM otel_traces)');
  return columns.map(({ name, type }) => `\`${name}\` ${type}`).join(', ');
}

/** Processor time of the engine in microseconds, until it has nothing to do any more. */
async function cpuOf(run: () => Promise<void>): Promise<number> {
  const beforeUs = cpuUsOf(engine.pid!);
  await run();
  await quiet();
  return cpuUsOf(engine.pid!) - beforeUs;
}

/** Until no merge runs and none begins for a while. */
async function quiet(): Promise<void> {
  const endMs = performance.now() + QUIET_MS_MAX;
  let sinceMs = performance.now();
  while (performance.now() - sinceMs < QUIET_MS && performance.now() < endMs) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    if ((await rows('SELECT 1 FROM system.merges')).length > 0) sinceMs = performance.now();
  }
}

async function askAll(day: number): Promise<Record<string, number>> {
  const dayMs = DAY_START_MS + day * DAY_MS;
  const range = `Timestamp >= fromUnixTimestamp64Milli(${dayMs})
    AND Timestamp < fromUnixTimestamp64Milli(${dayMs + DAY_MS})`;
  await rows(`OPTIMIZE TABLE otel_traces PARTITION '${new Date(dayMs).toISOString().slice(0, 10)}'
    FINAL`);
  const traces = await rows<{ id: string }>(`SELECT DISTINCT TraceId AS id FROM otel_traces
    WHERE ${range} AND cityHash64(TraceId) % 100 = 7 LIMIT ${rounds + 1}`);
  const traceSql = (round: number) => {
    const trace = `'${traces[round % traces.length]!.id}'`;
    return `WITH (SELECT (min(Start), max(End)) FROM otel_traces_trace_id_ts
        WHERE TraceId = ${trace}) AS times
      SELECT Timestamp, ServiceName, SpanName, SpanId, ParentSpanId, Duration FROM otel_traces
      WHERE TraceId = ${trace} AND Timestamp >= times.1 AND Timestamp <= times.2 + 1
      ORDER BY Timestamp`;
  };
  return {
    'trace by id': await millisecondsOf(traceSql, 5),
    'last 100 errors of a service': await millisecondsOf((round) => `
      SELECT Timestamp, SpanName, TraceId FROM otel_traces
      WHERE ServiceName = 'service-${String(round % 20).padStart(2, '0')}'
        AND StatusCode = 'Error' AND ${range}
      ORDER BY toStartOfFiveMinutes(Timestamp) DESC, Timestamp DESC LIMIT 100
      SETTINGS ${READ_IN_ORDER}`, 100),
    'latency of operations over a day': await timesOf(() => readLatency(reader, {
      fromMs: dayMs, toMs: dayMs + DAY_MS, stepMs: null, groupBy: ['service', 'operation'],
      only: {}, quantiles: [0.5, 0.95, 0.99], exact: false,
    }, NEVER)),
  };
}

function millisecondsOf(sql: (round: number) => string, found?: number): Promise<number> {
  return timesOf(async (round) => {
    const { rows: count } = JSON.parse(await queryText(fixture.storage, sql(round), 'JSON')) as
      { rows: number };
    if (found !== undefined && count !== found) {
      throw new Error(`${count} rows instead of ${found}: ${sql(round)}`);
    }
  });
}

async function timesOf(ask: (round: number) => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const startMs = performance.now();
    await ask(round);
    times.push(performance.now() - startMs);
  }
  // The first one warms up.
  return median(times.slice(1));
}
