// B10: p50, p95 and p99 of each service and operation over a day of spans, as
// `GET /api/metrics/latency` asks for them: from rollups and from the spans, in turns, and how far
// the rollups' answers are from the exact ones.
//
//   npm run bench -- percentiles [--rows N] [--rounds N]
//
// The day is asked for as a whole, without its first hour, so that hours must answer, and without
// 30.5 s at both ends, so that everything must. The store is that of store.ts, which says where it
// is kept: a finished day in one part. Linux only: the engine's CPU is read from /proc.

import { readLatency, type Latency, type LatencyRequest } from '../../backend/latency/latency.ts';
import { SOMEBODY, deskOf } from '../backend/query/desk_fixture.ts';
import { NEVER } from '../backend/storage/clickhouse/storage_fixture.ts';
import { atLeast, atMost, cpuUsOf, inTurns, median, options, report } from './figures.ts';
import { DAY_MS, DAY_START_MS, openStore, storeFolder } from './store.ts';

const { rows: spans, rounds } = options({ rows: 5_000_000, rounds: 9 });
const HOUR_MS = 3_600_000;
const day = { fromMs: DAY_START_MS, toMs: DAY_START_MS + DAY_MS };
const LEVELS = [0.5, 0.95, 0.99];

const store = await openStore(storeFolder(), spans);
const { fixture, engine } = store;
const reader = { desk: deskOf(fixture), caller: SOMEBODY, rowsMax: 100_000 };

const ask = (changes: Partial<LatencyRequest>): Promise<Latency | null> => readLatency(reader, {
  ...day, stepMs: null, groupBy: ['service', 'operation'], only: {}, quantiles: LEVELS,
  exact: false, ...changes,
}, NEVER);

const RAW_SQL = `SELECT ServiceName, SpanName, count(),
    quantilesDD(0.01, ${LEVELS.join(', ')})(Duration) FROM otel_traces
  WHERE Timestamp >= fromUnixTimestamp64Nano(${day.fromMs}000000)
    AND Timestamp < fromUnixTimestamp64Nano(${day.toMs}000000)
  GROUP BY ServiceName, SpanName`;

const variants = {
  'a day': () => measure(() => ask({})),
  'whole hours': () => measure(() => ask({ fromMs: day.fromMs + HOUR_MS })),
  'ragged ends': () => measure(() =>
    ask({ fromMs: day.fromMs + 30_500, toMs: day.toMs - 30_500 })),
  raw: () => measure(() => fixture.rows(RAW_SQL)),
};
// Caches are filled first.
for (const run of Object.values(variants)) await run();
const results = await inTurns(rounds, variants);
for (const name of ['a day', 'whole hours', 'ragged ends'] as const) {
  say(`percentiles of ${name}`, 'ms', name, ({ wallMs }) => wallMs);
  say(`percentiles of ${name}, engine CPU`, 'ms', name, ({ cpuMs }) => cpuMs);
}
report({
  id: 'B10', name: 'raw ÷ rollups, engine CPU', unit: 'times', goal: atLeast(50),
  value: median(results.raw.map(({ cpuMs }) => cpuMs))
    / median(results['a day'].map(({ cpuMs }) => cpuMs)),
});
await reportErrors();
await store.stop();

interface Measured {
  readonly wallMs: number;
  readonly cpuMs: number;
}

async function measure(run: () => Promise<unknown>): Promise<Measured> {
  const cpuBefore = cpuUsOf(engine.pid!);
  const startMs = performance.now();
  await run();
  const wallMs = performance.now() - startMs;
  return { wallMs, cpuMs: (cpuUsOf(engine.pid!) - cpuBefore) / 1000 };
}

function say(
  name: string,
  unit: string,
  variant: keyof typeof variants,
  figure: (one: Measured) => number,
): void {
  const numbers = results[variant].map(figure);
  const isGoal = variant === 'a day' && !name.includes('CPU');
  report({
    name, unit, value: median(numbers), rounds: numbers,
    yardstick: { name: 'raw', value: median(results.raw.map(figure)) },
    ...(isGoal ? { id: 'B10', goal: atMost(30) } : {}),
  });
}

/** Of the rollups' answers for the day, over all series. */
async function reportErrors(): Promise<void> {
  const [found, exact] = [await ask({}), await ask({ exact: true })];
  for (const level of LEVELS.map(String)) {
    const errors = found!.series.map(({ points: [point] }, index) => {
      const right = exact!.series[index]!.points[0]!.quantiles[level]!;
      return 100 * Math.abs(point!.quantiles[level]! / right - 1);
    });
    report({
      id: 'B10', name: `greatest error of quantile ${level} of ${errors.length} series`, unit: '%',
      value: Math.max(...errors), goal: atMost(1),
      yardstick: { name: 'median error', value: median(errors) },
    });
  }
}
