// How fast the API answers over a large store what people and pages ask: latencies of a day, a
// trace by its id, a rare word, the last errors, searches, services, the service map, exceptions.
//
//   npm run bench -- api [--rows N] [--rounds N]
//
// The store has --rows spans (store.ts) and as many log lines (log_lines.ts) of one day; it is made
// at the start and removed at the end, unless the environment's BINNACLE_BENCH_STORE names a folder
// where to keep it. Questions are asked over HTTP, of an hour or the whole day, through the gate
// where they are SQL; the time is that until the whole answer is here, in a process that has
// answered one of its kind before. CPU time is that of this process, which is the backend, and of
// the engine.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createStoreGate } from '../../backend/query/admission.ts';
import { startApi } from '../backend/api/api_fixture.ts';
import { atMost, cpuUsOf, inTurns, median, options, ownCpuUs, report, type Goal }
  from './figures.ts';
import { keepLogLines, RARE_WORD } from './log_lines.ts';
import { DAY_MS, DAY_START_MS, openStore } from './store.ts';

const { rows: size, rounds } = options({ rows: 5_000_000, rounds: 5 });

const kept = process.env['BINNACLE_BENCH_STORE'];
const folder = kept ?? mkdtempSync(join(tmpdir(), 'binnacle-bench-'));
const store = await openStore(folder, size);
await keepLogLines(store.fixture, size, join(folder, `spans_${size}`, `lines_${size}`));
const api = await startApi(store.fixture.storage,
  { gate: createStoreGate(store.fixture.storage, 'bench') });
const traces = await store.fixture.rows<{ id: string }>(`SELECT DISTINCT TraceId AS id
  FROM otel_traces WHERE cityHash64(TraceId) % 1000 = 11 ORDER BY cityHash64(id, 1)
  LIMIT ${rounds + 1}`);
const traceOf = (round: number): string => traces[round % traces.length]!.id;
const serviceOf = (round: number): string => `service-${String(round % 20).padStart(2, '0')}`;

const period = (fromMs: number, toMs: number): string =>
  `from=${new Date(fromMs).toISOString()}&to=${new Date(toMs).toISOString()}`;
const DAY = period(DAY_START_MS, DAY_START_MS + DAY_MS);
const hourOf = (round: number): string => {
  const fromMs = DAY_START_MS + (8 + round % 12) * 3_600_000;
  return period(fromMs, fromMs + 3_600_000);
};
const q = (text: string): string => `q=${encodeURIComponent(text)}`;

interface Asked {
  /** Of the goal that it belongs to; B11 unless given. */
  readonly id?: string;
  readonly name: string;
  readonly path: (round: number) => string;
  readonly goal?: Goal;
}

const LEVELS = 'quantiles=0.5,0.95,0.99';
const sql = (text: string): string => `/api/query?sql=${encodeURIComponent(text)}`;

const ASKED: readonly Asked[] = [
  { id: 'B10', name: 'p50, p95, p99 of all operations, of a day', goal: atMost(30),
    path: () => `/api/metrics/latency?group_by=service,operation&${LEVELS}&${DAY}` },
  { id: 'B10', name: 'the same of one service, in minutes of an hour',
    path: (round) => `/api/metrics/latency?service=${serviceOf(round)}&step=60s&${LEVELS}`
      + `&${hourOf(round)}` },
  { name: 'rare word in log lines, of a day', goal: atMost(100),
    path: () => `/api/logs?${q(RARE_WORD)}&${DAY}` },
  { name: 'last 100 errors of a service, log lines', goal: atMost(100),
    path: (round) => {
      const text = `service:${serviceOf(round)} level>=error`;
      return `/api/logs?limit=100&${q(text)}&${DAY}`;
    } },
  { name: 'trace by id, in SQL', path: (round) => sql(`SELECT SpanName, Duration FROM otel_traces
    WHERE TraceId = '${traceOf(round)}'`) },
  { name: 'trace by id', path: (round) => `/api/traces/${traceOf(round)}`, goal: atMost(100) },
  { name: 'two traces compared',
    path: (round) => `/api/traces/compare?a=${traceOf(round)}&b=${traceOf(round + 1)}` },
  { name: 'latest traces of a day', path: () => `/api/traces?${DAY}` },
  { name: 'longest traces of an hour',
    path: (round) => `/api/traces?sort=duration&${hourOf(round)}` },
  { name: 'failed spans of a service, of a day',
    path: (round) => `/api/traces?status=Error&service=${serviceOf(round)}&${DAY}` },
  { name: 'an attribute\'s value, of an hour',
    path: (round) => `/api/traces?${q(`attr.url.path:/${round * 7919}`)}&${hourOf(round)}` },
  { name: 'a root with a failed descendant, of an hour', path: (round) => {
    const text = `{service:${serviceOf(round)} parent:""} >> {status:error}`;
    return `/api/traces?${q(text)}&${hourOf(round)}`;
  } },
  { name: 'services of a day', path: () => `/api/services?${DAY}` },
  { name: 'one service, of a day', path: (round) => `/api/services/${serviceOf(round)}?${DAY}` },
  { name: 'service map of an hour', path: (round) => `/api/service-map?${hourOf(round)}` },
  { name: 'service map of a day', path: () => `/api/service-map?${DAY}` },
  { name: 'exceptions of a day', path: () => `/api/exceptions?${DAY}` },
];

try {
  for (const asked of ASKED) await measure(asked);
} finally {
  await api.stop();
  await store.stop();
  if (kept === undefined) rmSync(folder, { recursive: true, force: true });
}

interface Answered {
  readonly ms: number;
  readonly cpuMs: number;
}

async function measure({ id = 'B11', name, path, goal }: Asked): Promise<void> {
  await ask(path(rounds));
  let round = 0;
  const { ours } = await inTurns(rounds, { ours: () => ask(path(round++)) });
  const times = (ours as Answered[]).map(({ ms }) => ms);
  const cpus = (ours as Answered[]).map(({ cpuMs }) => cpuMs);
  const what = `API, ${name}, ${size / 1e6} million spans`;
  report({ id, name: what, unit: 'ms', value: median(times), rounds: times,
    ...(goal === undefined ? {} : { goal }) });
  report({ id, name: `${what}, CPU`, unit: 'ms', value: median(cpus), rounds: cpus });
}

async function ask(path: string): Promise<Answered> {
  const startMs = performance.now();
  const startUs = cpuUs();
  const { status, text } = await api.get(path);
  const ms = performance.now() - startMs;
  if (status !== 200) throw new Error(`${path}: ${status} ${text}`);
  return { ms, cpuMs: (cpuUs() - startUs) / 1000 };
}

function cpuUs(): number {
  return ownCpuUs() + cpuUsOf(store.engine.pid!);
}
