// B12: what analysts' queries cost those who send. The time from handing a request to the writer to
// its commit, without and with four heavy queries at a time through /api/query, over a store of
// millions of spans that is built by SQL; phases interleaved (A B B A …), fresh for every run.
//
//   npm run bench -- isolation [--rows N] [--rounds N] [--seconds N a phase]
//
// Prints a line for each phase, and what became of the queries.

import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine } from '../../backend/storage/engine/supervisor.ts';
import { Batch } from '../../proto/contract/batch.ts';
import { LIMITS, startApi } from '../backend/api/api_fixture.ts';
import { NEVER, startStorage } from '../backend/storage/clickhouse/storage_fixture.ts';
import { seededRandom } from '../proto/generate.ts';
import { generateServiceSpans } from './data.ts';
import { atMost, median, options, ratioAtMost, report } from './figures.ts';

const { rows, rounds, seconds } = options({ rows: 2_000_000, rounds: 2, seconds: 8 });
const phaseMs = seconds * 1000;
const SPANS = 200;
const EVERY_MS = 20;
const ANALYSTS = 4;
const BUILD_ROWS = 500_000;
const MEMORY_BYTES = 2 * 1024 ** 3;
/** The first seconds of a phase are those of the change. */
const SETTLE_MS = 1500;

/** Full scans, large groups, sorting, text: each takes seconds of all processors. */
const QUERIES = [
  `SELECT ServiceName, SpanName, count(), quantilesExact(0.5, 0.95, 0.99)(Duration)
    FROM otel_traces GROUP BY 1, 2`,
  'SELECT uniqExact(TraceId), uniqExact(SpanId) FROM otel_traces',
  `SELECT SpanAttributes['url.path'] AS path, count() AS n FROM otel_traces
    WHERE SpanAttributes['http.route'] ILIKE '%order%' GROUP BY path ORDER BY n DESC LIMIT 100`,
  `SELECT TraceId, Duration, SpanName FROM otel_traces
    ORDER BY Duration DESC, TraceId LIMIT 100000`,
];

const path = await mkdtemp(join(tmpdir(), 'binnacle-bench-'));
const engine = createEngine({ path, memoryBytes: MEMORY_BYTES });
const { url } = await engine.start();
const store = await startStorage(url, {
  flush: { intervalMs: 100, rows: 100_000, bytes: 64 << 20, waitingBytesMax: 256 << 20 },
});
// As a backend with its engine has it (backend/main.ts).
const api = await startApi(store.storage, { limits: {
  ...LIMITS, concurrentMax: 4, waitingMax: 32, waitMs: 10_000,
  threadsMax: Math.max(1, availableParallelism() >> 1), memoryPoolBytes: MEMORY_BYTES / 2,
} });
await build();
const requests = Array.from({ length: 32 }, (_, index) =>
  generateServiceSpans(seededRandom(100 + index), SPANS, Date.now() - 60_000));
const phases: Phase[] = [];
await phase(false);
phases.length = 0;
for (let round = 0; round < rounds; round++) {
  const order = round % 2 === 0 ? [false, true] : [true, false];
  for (const loaded of order) phases.push(await phase(loaded));
}
const of = (loaded: boolean) => phases.filter((one) => one.loaded === loaded);
const p99 = (loaded: boolean) => of(loaded).map((one) => one.p99);
report({
  id: 'B12', name: `p99 of commit latency with ${ANALYSTS} heavy queries`, unit: 'ms',
  value: median(p99(true)), yardstick: { name: 'without', value: median(p99(false)) },
  rounds: p99(true), goal: ratioAtMost(2),
});
report({
  id: 'B12', name: 'requests refused because of queries', unit: 'requests',
  value: phases.reduce((sum, { refused }) => sum + refused, 0), goal: atMost(0),
});
await api.stop();
await store.stop();
await engine.stop(AbortSignal.timeout(10_000));
await rm(path, { recursive: true, force: true });

interface Phase {
  readonly loaded: boolean;
  readonly p50: number;
  readonly p99: number;
  readonly requests: number;
  readonly refused: number;
  readonly answered: number;
  readonly turnedAway: number;
}

/** Spans of ten days, of ten services, by SQL. */
async function build(): Promise<void> {
  const startMs = performance.now();
  for (let first = 0; first < rows; first += BUILD_ROWS) {
    await store.rows(`INSERT INTO otel_traces
      (Timestamp, TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ServiceName, SpanAttributes,
        Duration, StatusCode)
      SELECT now64(9) - toIntervalMillisecond(number % 864000000),
        lower(hex(MD5(toString(intDiv(number, 5))))), lower(hex(sipHash64(number))), '',
        concat('GET /r', toString(cityHash64(number) % 50)), 'Server',
        concat('service-', toString(intDiv(number, 5) % 10)),
        map('http.route', ['/cart', '/orders/:id', '/products'][number % 3 + 1],
          'url.path', concat('/p/', toString(number % 100003)),
          'http.response.status_code', toString(200 + number % 7), 'server.address', 'shop'),
        exp2(rand(number) % 30), if(number % 50 = 0, 'Error', 'Unset')
      FROM numbers(${first}, ${Math.min(BUILD_ROWS, rows - first)})
      SETTINGS max_partitions_per_insert_block = 0`);
  }
  await store.rows('OPTIMIZE TABLE otel_traces FINAL SETTINGS alter_sync = 2');
  console.log(`${rows} rows built in ${((performance.now() - startMs) / 1000).toFixed(0)} s`);
}

async function phase(loaded: boolean): Promise<Phase> {
  const over = new AbortController();
  const found = { answered: 0, turnedAway: 0, refused: 0 };
  const questions = loaded ? QUERIES.slice(0, ANALYSTS) : [];
  const analysts = questions.map((sql) => ask(sql, over.signal, found));
  const latencies: number[] = [];
  const sent: Promise<void>[] = [];
  const startMs = performance.now();
  for (let index = 0; performance.now() - startMs < phaseMs; index++) {
    const dueMs = startMs + index * EVERY_MS;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - performance.now())));
    sent.push(send(index).then((outcome) => {
      if (outcome !== 'accepted') found.refused += 1;
      // Measured from when it was due: one that had to wait for this loop has waited, too.
      if (dueMs - startMs > SETTLE_MS) latencies.push(performance.now() - dueMs);
    }));
  }
  await Promise.all(sent);
  over.abort();
  await Promise.allSettled(analysts);
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.floor(latencies.length * share)]!;
  const result = { loaded, p50: at(0.5), p99: at(0.99), requests: sent.length, ...found };
  console.log(`${loaded ? 'with   ' : 'without'} queries: p50 ${result.p50.toFixed(0)} ms,`
    + ` p99 ${result.p99.toFixed(0)} ms, ${sent.length} requests, ${found.refused} refused;`
    + ` queries: ${found.answered} answered, ${found.turnedAway} turned away`);
  return result;
}

async function send(index: number): Promise<string> {
  const batch = Batch.fromRequest('traces', requests[index % requests.length]!);
  const outcome = await store.storage.writer.consume(batch, NEVER);
  return outcome.status;
}

async function ask(
  sql: string,
  over: AbortSignal,
  found: { answered: number; turnedAway: number },
): Promise<void> {
  while (!over.aborted) {
    const answer = await api.ask({ sql, format: 'Null' }, { signal: over }).catch(() => null);
    if (answer === null) return;
    if (answer.status === 200) found.answered += 1;
    else {
      found.turnedAway += 1;
      if (answer.status !== 429) console.log(`  ${answer.status} ${answer.text.slice(0, 200)}`);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}
