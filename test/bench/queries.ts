// How fast the questions of every day are answered from a large store, and how little of it they
// read: a trace by its id, a rare word in the log lines, the last 100 errors of a service.
//
//   npm run bench -- queries [--rows N] [--rounds N]
//
// The store has --rows spans (store.ts) and as many log lines (log_lines.ts), all of one day; it is
// made at the start and removed at the end, unless the environment's BINNACLE_BENCH_STORE names a
// folder where to keep it. Queries are those of docs/tables.md, each round with another id or
// service, asked through the storage as the API does. The time is that until the whole answer is
// here; rows read are the engine's own count. The yardstick is the same question without indexes:
// all rows of the time range are read.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { queryText } from '../backend/storage/clickhouse/storage_fixture.ts';
import { atMost, inTurns, median, options, report } from './figures.ts';
import { keepLogLines, RARE_WORD } from './log_lines.ts';
import { openStore } from './store.ts';

const { rows: size, rounds } = options({ rows: 3_000_000, rounds: 7 });
const MS_MAX = 100;
const PERCENT_MAX = 1;
const SCAN = 'SETTINGS use_skip_indexes = 0, optimize_use_projections = 0';

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
    WHERE ServiceName = ${serviceOf(round)} AND ${failed} ORDER BY Timestamp DESC LIMIT 100`;
const spanErrors = errorsOf('otel_traces', 'SpanName, TraceId, StatusMessage',
  "StatusCode = 'Error'");
const lineErrors = errorsOf('otel_logs', 'TraceId, Body', 'SeverityNumber >= 17');

const QUESTIONS: readonly Question[] = [
  {
    name: 'trace by id',
    sql: (round) => `
      WITH (SELECT min(Start) FROM otel_traces_trace_id_ts WHERE TraceId = ${traceOf(round)}) AS first,
        (SELECT max(End) FROM otel_traces_trace_id_ts WHERE TraceId = ${traceOf(round)}) AS last
      SELECT ${traceColumns} FROM otel_traces
      WHERE TraceId = ${traceOf(round)} AND Timestamp >= first AND Timestamp <= last + 1
      ORDER BY Timestamp`,
    scan: (round) => `SELECT ${traceColumns} FROM otel_traces WHERE TraceId = ${traceOf(round)}
      ORDER BY Timestamp ${SCAN}`,
    found: 5,
  },
  {
    name: 'rare word in log lines',
    sql: () => wordSql,
    scan: () => `${wordSql} ${SCAN}`,
    found: Math.ceil((size - 500_000) / 1_000_003),
  },
  {
    name: 'last 100 errors of a service, spans', sql: spanErrors,
    scan: (round) => `${spanErrors(round)} ${SCAN}, optimize_read_in_order = 0`,
  },
  {
    name: 'last 100 errors of a service, log lines', sql: lineErrors,
    scan: (round) => `${lineErrors(round)} ${SCAN}, optimize_read_in_order = 0`,
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
  const percent = (one: Answer) => one.rowsRead / size * 100;
  report({
    id: 'B11', name: `${name}, among ${size / 1e6} million`, unit: 'ms',
    value: median(ours.map(({ ms }) => ms)),
    yardstick: { name: 'reading all', value: median(scans.map(({ ms }) => ms)) },
    rounds: ours.map(({ ms }) => ms), goal: atMost(MS_MAX),
  });
  report({
    id: 'B11', name: `${name}, rows read of ${size / 1e6} million`, unit: '%',
    value: median(ours.map(percent)),
    yardstick: { name: 'reading all', value: median(scans.map(percent)) },
    goal: atMost(PERCENT_MAX),
  });
}

function roundAfterRound<Result>(run: (round: number) => Result): () => Result {
  let round = 0;
  return () => run(round++);
}

async function ask(sql: string): Promise<Answer> {
  const startMs = performance.now();
  const text = await queryText(fixture.storage, sql, 'JSON');
  const ms = performance.now() - startMs;
  const { rows, statistics } = JSON.parse(text) as
    { rows: number; statistics: { rows_read: number } };
  return { ms, rowsRead: statistics.rows_read, rows };
}
