// B14: what 1,000 threshold rules cost that are evaluated each minute over 10 million records an
// hour: processor time of this process, which measures, and of the engine, for one evaluation of
// all, divided by a minute. Beside it the same rules asked one by one; a tenth of them is measured.
//
//   npm run bench -- rules [--rows N] [--rounds N] [--rules N]
//
// An hour of five million spans (store.ts), four million log lines (log_lines.ts) and a million
// points of gauges and counters. The rules are in five groups, which are evaluated apart. They are
// of 20 services, 640 operations, 40 hosts and 30 metrics: counts, rates and shares of errors,
// quantiles of durations, words in lines, means and rates of metrics; over five minutes, one of ten
// over fifteen, and a few over an hour. Instants are no whole minutes. Linux only: the engine's CPU
// is read from /proc.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMeasurer } from '../../backend/rules/measuring/measurer.ts';
import type { Aggregate, Rule, SignalQuery } from '../../backend/rules/model.ts';
import { parseSearch } from '../../backend/search/parse.ts';
import { createEngine } from '../../backend/storage/engine/supervisor.ts';
import { createCounters } from '../../runtime/counters.ts';
import { SILENT_LOG } from '../../runtime/log.ts';
import { SOMEBODY, deskOf } from '../backend/query/desk_fixture.ts';
import { NEVER, startStorage, type StorageFixture }
  from '../backend/storage/clickhouse/storage_fixture.ts';
import { atMost, cpuUsOf, inTurns, median, options, ownCpuUs, report } from './figures.ts';
import { fillLogLines } from './log_lines.ts';
import { DAY_START_MS, fillSpans } from './store.ts';

const { rows: records, rounds, rules: ruleCount } =
  options({ rows: 10_000_000, rounds: 5, rules: 1000 });
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const GROUPS = 5;
/** One of so many rules is asked by itself. */
const ALONE_SHARE = 10;
const SERVICES = 20;
const ROUTES = ['cart', 'checkout', 'products/:id', 'orders', 'login', 'search', 'healthz',
  'prices'];
const METRICS = 30;
const END_MS = DAY_START_MS + HOUR_MS;

const folder = mkdtempSync(join(tmpdir(), 'binnacle-bench-rules-'));
const engine = createEngine({ path: join(folder, 'engine') });
const { url } = await engine.start();
const fixture = await startStorage(url, { database: 'bench' });
await fill(fixture);

const desk = deskOf(fixture);
let statements = 0;
const measurer = createMeasurer({
  ask: (asked, abort) => {
    statements += 1;
    return desk.rows(asked, SOMEBODY, abort);
  },
  askForeign: async () => [], checkSql: async () => {}, counters: createCounters(),
  log: SILENT_LOG,
});
const groups = Array.from({ length: GROUPS }, (_, group) =>
  makeRules().filter((_, index) => index % GROUPS === group));

let instant = 0;
const variants = { together: () => measured(together), alone: () => measured(alone) };
for (const run of Object.values(variants)) await run();
statements = 0;
await together(nextMs());
console.log(`  ${ruleCount} rules: ${statements} statements`);
const results = await inTurns(rounds, variants);
const share = (us: number) => us / (MINUTE_MS * 1000) * 100;
const shares = results.together.map(({ ownUs, engineUs }) => share(ownUs + engineUs));
report({
  id: 'B14', name: `${ruleCount} rules each minute over ${records / 1e6} million records an hour`,
  unit: '% of a core', value: median(shares), rounds: shares, goal: atMost(10),
  yardstick: { name: 'one by one', value: median(results.alone.map(({ ownUs, engineUs }) =>
    share((ownUs + engineUs) * ALONE_SHARE))) },
});
report({ name: 'rules each minute, of it in the backend', unit: '% of a core',
  value: median(results.together.map(({ ownUs }) => share(ownUs))) });
report({ name: 'rules each minute, time until all are measured', unit: 'ms',
  value: median(results.together.map(({ wallMs }) => wallMs)) });
await fixture.stop();
await engine.stop(AbortSignal.timeout(60_000));
rmSync(folder, { recursive: true, force: true });

/** No two evaluations are of the same instant; all have their hour before them. */
function nextMs(): number {
  instant += 1;
  return END_MS - 17_300 - (instant % 50) * 7001;
}

async function together(atMs: number): Promise<void> {
  for (const [index, rules] of groups.entries()) await evaluate(rules, atMs - index * 1013);
}

async function alone(atMs: number): Promise<void> {
  for (const rule of groups.flat().filter((_, index) => index % ALONE_SHARE === 0)) {
    await evaluate([rule], atMs);
  }
}

async function evaluate(rules: readonly Rule[], atMs: number): Promise<void> {
  const found = await measurer.measure(rules, { atMs, queryOffsetMs: 0 }, NEVER);
  for (const one of found.values()) if (!one.ok) throw new Error(one.reason);
}

async function measured(run: (atMs: number) => Promise<void>) {
  const [own, ofEngine, startMs] = [ownCpuUs(), cpuUsOf(engine.pid!), performance.now()];
  await run(nextMs());
  return { wallMs: performance.now() - startMs, ownUs: ownCpuUs() - own,
    engineUs: cpuUsOf(engine.pid!) - ofEngine };
}

function makeRules(): Rule[] {
  return Array.from({ length: ruleCount }, (_, index): Rule => ({
    id: `r${index}`, name: `Rule${index}`, source: { type: 'signal', query: queryOf(index) },
    levels: [{ severity: '', condition: { operator: '>', value: index % 37, to: 0 }, forMs: 0 }],
    keepFiringForMs: 0, noData: 'ok', onError: 'keep', labels: {}, annotations: {}, runbook: '',
    owner: '', text: '', position: { file: 'bench', line: index + 1 },
  }));
}

/** Every kind for every service in turn. */
function queryOf(index: number): SignalQuery {
  const service = `service:service-${String(index % SERVICES).padStart(2, '0')}`;
  const turn = Math.floor(index / SERVICES);
  const operation = `operation:"GET /${ROUTES[turn % ROUTES.length]}"`;
  const overMs = (index % 100 === 7 ? 60 : index % 10 === 3 ? 15 : 5) * MINUTE_MS;
  const of = (signal: SignalQuery['signal'], search: string, aggregate: Aggregate,
    groupBy: readonly string[] = []): SignalQuery => ({ signal, metric: '', overMs, groupBy,
    search: parseSearch(search), aggregate });
  const duration = (level: number) => ({ type: 'quantile', field: 'duration', level }) as const;
  switch (turn % 10) {
    case 0: return of('logs', `${service} level>=error`, { type: 'count' });
    case 1: return of('logs', service, { type: 'error_rate' });
    case 2: return of('logs', `${service} "connection reset"`, { type: 'rate' });
    case 3: return of('traces', service, duration(0.95));
    case 4: return of('traces', `${service} kind:server`, { type: 'error_rate' });
    case 5: return of('traces', `${service} ${operation}`, duration(0.99));
    case 6: return of('traces', `${service} status:error`, { type: 'count' }, ['operation']);
    case 7: return metricOf(index, 'avg', overMs);
    case 8: return metricOf(index, 'rate', overMs);
    default: return of('logs', `level>=error`, { type: 'count' }, ['service']);
  }
}

function metricOf(index: number, name: 'avg' | 'rate', overMs: number): SignalQuery {
  return { signal: 'metrics', metric: `${name}.${index % METRICS}`, overMs, groupBy: ['host.name'],
    search: parseSearch(''), aggregate: { type: 'metric', level: 0, function: name,
      across: name === 'avg' ? 'max' : 'sum' } };
}

async function fill({ rows }: StorageFixture): Promise<void> {
  const startMs = performance.now();
  await fillSpans({ rows }, records * 0.5, DAY_START_MS, HOUR_MS);
  await fillLogLines({ rows }, records * 0.4, { fromMs: DAY_START_MS, lengthMs: HOUR_MS });
  for (const [table, name] of [['gauge', 'avg'], ['sum', 'rate']] as const) {
    const points = records * 0.05;
    await rows(`INSERT INTO otel_metrics_${table} (ResourceAttributes, ServiceName, MetricName,
        Attributes, StartTimeUnix, TimeUnix, Value${table === 'sum'
    ? ', AggregationTemporality, IsMonotonic' : ''})
      SELECT map('service.name', 'host', 'host.name', concat('node-', toString(number % 40))),
        'host', concat('${name}.', toString(intDiv(number, 40) % ${METRICS})), map('state', 'used'),
        fromUnixTimestamp64Milli(toInt64(${DAY_START_MS})),
        fromUnixTimestamp64Nano(toInt64(${DAY_START_MS}000000
          + number * ${Math.floor(HOUR_MS * 1e6 / points)})),
        ${table === 'sum' ? 'number, 2, true' : 'cityHash64(number) % 1000 / 10'}
      FROM numbers(${points})
      SETTINGS async_insert = 0, max_threads = 1, max_block_size = 50000,
        min_insert_block_size_rows = 50000, min_insert_block_size_bytes = 0`);
  }
  console.log(`  an hour of ${records} records: built in `
    + `${((performance.now() - startMs) / 1000).toFixed(0)} s`);
  await quiet(rows);
}

/** Merges are not what is measured; those that are left are many parts, as when records come. */
async function quiet(rows: StorageFixture['rows']): Promise<void> {
  for (let calm = 0, looks = 0; calm < 3 && looks < 180; looks += 1) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    calm = (await rows('SELECT 1 FROM system.merges')).length === 0 ? calm + 1 : 0;
  }
}
