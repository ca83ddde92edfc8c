// How fast the questions of every day are answered from a large store, and how little of it they
// read: a trace by its id, a rare word in the log lines, the last 100 errors of a service.
//
//   npm run bench -- queries [--rows N] [--rounds N]
//
// The store has --rows spans (store.ts) and as many log lines (log_lines.ts), all of one day; it is
// made at the start and removed at the end, unless the environment's BINNACLE_BENCH_STORE names a
// folder where to keep it. Queries are those of docs/tables.md, each round with another id or
// service, asked through the storage as the API does. The time is that until the whole answer is
// here; rows read are the engine's own count; its processor time is a mean, in ticks of 10 ms. The
// yardstick is the same question without indexes. The goal for rows read is one for 20 million rows
// (--rows 20000000, a quarter of an hour).

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { queryText } from '../backend/storage/clickhouse/storage_fixture.ts';
import { atMost, cpuUsOf, inTurns, median, options, report } from './figures.ts';
import { keepLogLines, RARE_LINES, RARE_WORD } from './log_lines.ts';
import { openStore } from './store.ts';

const { rows: size, rounds } = options({ rows: 5_000_000, rounds: 7 });
const MS_MAX = 100;
const ROWS_READ_SHARE_MAX = 0.01;
/** In fewer, a few granules are more than that share, and errors lie further apart. */
const ROWS_OF_GOAL = 20_000_000;
// The engine remembers what earlier questions found out; none here may profit from another.
const FORGETFUL = 'use_query_condition_cache = 0';
const UNINDEXED = 'use_skip_indexes = 0, optimize_use_projections = 0';
const SCAN = `SETTINGS ${FORGETFUL}, ${UNINDEXED}`;
const CAREFUL = `SETTINGS ${FORGETFUL}`;
// Columns that are fetched for found rows only are counted as rows again.
const AT_ONCE = 'query_plan_optimize_lazy_materialization = 0';
// What is read in order is read in blocks: a few rows need none of 65,000.
const IN_ORDER = `read_in_order_use_buffering = 0, max_block_size = 1024, ${AT_ONCE}`;

interface Question {
  readonly name: string;
  readonly sql: (round: number) => string;
  /** The same answer from all rows. */
  readonly scan: (round: number) => string;
  /** How many rows are right; unknown for `undefined`. */
  readonly found?: number;
}

interface Answer {
  readonly ms: number;
  /** Processor time of the engine. */
  readonly cpuMs: number;
  readonly rowsRead: number;
  readonly rows: number;
}

const kept = process.env['BINNACLE_BENCH_STORE'];
const folder = kept ?? mkdtempSync(join(tmpdir(), 'binnacle-bench-'));
const store = await openStore(folder, size);
const { fixture } = store;
await keepLogLines(fixture, size, join(folder, `spans_${size}`, `lines_${size}`));
const traces = await fixture.rows<{ id: string }>(`SELECT DISTINCT TraceId AS id FROM otel_traces
  WHERE cityHash64(TraceId) % 1000 = 7 ORDER BY cityHash64(id, 1) LIMIT ${rounds}`);
const traceOf = (round: number) => `'${traces[round % traces.length]!.id}'`;
const serviceOf = (round: number) => `'service-${String(round % 20).padStart(2, '0')}'`;

const traceColumns = 'Timestamp, ServiceName, SpanName, SpanKind, SpanId, ParentSpanId, Duration';
const wordSql = `SELECT Timestamp, ServiceName, Body FROM otel_logs
  WHERE hasToken(lower(Body), '${RARE_WORD}') ORDER BY Timestamp DESC LIMIT 100`;
const errorsOf = (table: string, columns: string, failed: string) => (round: number) =>
  `SELECT Timestamp, ${columns} FROM ${table}
    WHERE ServiceName = ${serviceOf(round)} AND ${failed}
    ORDER BY toStartOfFiveMinutes(Timestamp) DESC, Timestamp DESC LIMIT 100
    SETTINGS ${FORGETFUL}, ${IN_ORDER}`;
const tenMinutes = (round: number) => `SELECT Timestamp, ServiceName, SpanName, Duration
  FROM otel_traces WHERE Timestamp >= toDateTime('2026-01-05 ${10 + round % 10}:05:00')
    AND Timestamp <= toDateTime('2026-01-05 ${10 + round % 10}:15:00') AND StatusCode = 'Error'
  ORDER BY Timestamp DESC LIMIT 100`;
const spanErrors = errorsOf('otel_traces', 'SpanName, TraceId, StatusMessage',
  "StatusCode = 'Error'");
const lineErrors = errorsOf('otel_logs', 'TraceId, Body', 'SeverityNumber >= 17');

/** As a search for `resource.host.name:…` asks. */
const hostSql = (host: string) => `SELECT Timestamp, ServiceName, SpanName FROM otel_traces
  WHERE ResourceAttributes['host.name'] = '${host}'
    AND indexHint(has(mapValues(ResourceAttributes), '${host}'))
  ORDER BY Timestamp DESC LIMIT 100`;

const QUESTIONS: readonly Question[] = [
  {
    name: 'trace by id',
    sql: (round) => `
      WITH (SELECT (min(Start), max(End)) FROM otel_traces_trace_id_ts
        WHERE TraceId = ${traceOf(round)}) AS times
      SELECT ${traceColumns} FROM otel_traces
      WHERE TraceId = ${traceOf(round)} AND Timestamp >= times.1 AND Timestamp <= times.2 + 1
      ORDER BY Timestamp ${CAREFUL}`,
    scan: (round) => `SELECT ${traceColumns} FROM otel_traces WHERE TraceId = ${traceOf(round)}
      ORDER BY Timestamp ${SCAN}`,
    found: 5,
  },
  {
    name: 'rare word in log lines',
    sql: () => `${wordSql} ${CAREFUL}, ${AT_ONCE}`,
    scan: () => `${wordSql} ${SCAN}`,
    found: RARE_LINES,
  },
  {
    name: 'last 100 errors of a service, spans', sql: spanErrors,
    scan: (round) => `${spanErrors(round)}, ${UNINDEXED}, optimize_read_in_order = 0`,
  },
  {
    name: 'last 100 errors of a service, log lines', sql: lineErrors,
    scan: (round) => `${lineErrors(round)}, ${UNINDEXED}, optimize_read_in_order = 0`,
  },
  {
    name: 'errors of ten minutes, spans',
    sql: (round) => `${tenMinutes(round)} ${CAREFUL}, ${AT_ONCE}`,
    scan: (round) => `${tenMinutes(round)} ${SCAN}`,
  },
  {
    name: 'spans of a host that sent none',
    sql: (round) => `${hostSql(`other-${round}`)} ${CAREFUL}`,
    scan: (round) => `${hostSql(`other-${round}`)} ${SCAN}`,
    found: 0,
  },
];

try {
  for (const question of QUESTIONS) await measure(question);
} finally {
  await store.stop();
  if (kept === undefined) rmSync(folder, { recursive: true, force: true });
}

async function measure({ name, sql, scan, found }: Question): Promise<void> {
  await ask(sql(0));
  const answers = await inTurns(rounds, {
    ours: roundAfterRound((round) => ask(sql(round))),
    // Once is enough for what takes so long.
    scan: roundAfterRound((round) => (round < 3 ? ask(scan(round)) : undefined)),
  });
  const scans = answers.scan.filter((one) => one !== undefined);
  const ours = answers.ours as Answer[];
  const wrong = ours.find(({ rows }) => found !== undefined && rows !== found);
  if (wrong !== undefined) throw new Error(`${name}: ${wrong.rows} rows instead of ${found}`);
  const among = `among ${size / 1e6} million`;
  report({
    id: 'B11', name: `${name}, ${among}`, unit: 'ms',
    value: median(ours.map(({ ms }) => ms)),
    yardstick: { name: 'without indexes', value: median(scans.map(({ ms }) => ms)) },
    rounds: ours.map(({ ms }) => ms), goal: atMost(MS_MAX),
  });
  report({
    name: `${name}, engine CPU, ${among}`, unit: 'ms',
    value: ours.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / ours.length,
    yardstick: { name: 'without indexes', value: median(scans.map(({ cpuMs }) => cpuMs)) },
  });
  report({
    id: 'B11', name: `${name}, rows read ${among}`, unit: 'rows',
    value: median(ours.map(({ rowsRead }) => rowsRead)),
    yardstick: { name: 'without indexes', value: median(scans.map(({ rowsRead }) => rowsRead)) },
    ...(size < ROWS_OF_GOAL ? {} : { goal: atMost(size * ROWS_READ_SHARE_MAX) }),
  });
}

function roundAfterRound<Result>(run: (round: number) => Result): () => Result {
  let round = 0;
  return () => run(round++);
}

async function ask(sql: string): Promise<Answer> {
  const beforeUs = cpuUsOf(store.engine.pid!);
  const startMs = performance.now();
  const text = await queryText(fixture.storage, sql, 'JSON');
  const ms = performance.now() - startMs;
  const cpuMs = (cpuUsOf(store.engine.pid!) - beforeUs) / 1000;
  const { rows, statistics } = JSON.parse(text) as
    { rows: number; statistics: { rows_read: number } };
  return { ms, cpuMs, rowsRead: statistics.rows_read, rows };
}
