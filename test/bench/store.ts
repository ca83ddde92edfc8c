// The standing test bed of benches that ask questions: spans of one day, made by SQL inside of the
// engine, which takes minutes where sending would take longer. It is kept in the folder that
// BINNACLE_BENCH_STORE names, else in the temporary folder of the run.
//
// Shape: a trace is five spans over two services: a server span, its client span, the server span
// of the other service below that, and two client spans below this. 20 services; an operation is a
// route of a service (8), the call of another service, a table (12) or the cache; 2 of 100 spans
// fail. Durations are log-normal, around a median that depends on the operation. Traces begin in
// regular distances over the day. Every value is a hash of the span's number and SEED, so that a
// store of the same size has the same contents.

import { access, mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection } from '../../backend/storage/clickhouse/client.ts';
import { completeRollups } from '../../backend/storage/clickhouse/rollups.ts';
import { createEngine, type Engine } from '../../backend/storage/engine/supervisor.ts';
import { startStorage, type StorageFixture }
  from '../backend/storage/clickhouse/storage_fixture.ts';

const SEED = 7;
export const DAY_START_MS = Date.UTC(2026, 0, 5);
export const DAY_MS = 86_400_000;
const INSERT_ROWS = 200_000;
const SPANS_PER_TRACE = 5;
const MERGES_MS_MAX = 300_000;

export interface BenchStore {
  readonly engine: Engine;
  readonly fixture: StorageFixture;
  /** Ends the engine; the folder stays. */
  stop(): Promise<void>;
}

/** Where stores are kept; see above. */
export const storeFolder = (): string =>
  process.env['BINNACLE_BENCH_STORE'] ?? join(tmpdir(), 'binnacle-bench-store');

/** Opens the store of `spans` spans in `path`; makes it when it is not there, or not whole. */
export async function openStore(path: string, spans: number): Promise<BenchStore> {
  const folder = join(path, `spans_${spans}`);
  const whole = join(folder, 'whole');
  await mkdir(folder, { recursive: true });
  const engine = createEngine({ path: join(folder, 'engine') });
  const { url } = await engine.start();
  const fixture = await startStorage(url, { database: 'bench' });
  const isWhole = await access(whole).then(() => true, () => false);
  if (!isWhole) {
    await fixture.rows('TRUNCATE TABLE otel_traces');
    await fixture.rows('TRUNCATE TABLE otel_traces_trace_id_ts');
    const startMs = performance.now();
    await fillSpans(fixture, spans);
    const seconds = (performance.now() - startMs) / 1000;
    console.log(`store of ${spans} spans: built in ${seconds.toFixed(0)} s`);
    await mergesDone(fixture);
    await writeFile(whole, '');
  }
  return {
    engine,
    fixture,
    stop: async () => {
      await fixture.stop();
      await engine.stop(AbortSignal.timeout(60_000));
    },
  };
}

/** Fills `otel_traces` with `count` spans of `lengthMs` from `dayMs` on: of a day unless given. */
export async function fillSpans(
  { rows }: Pick<StorageFixture, 'rows'>,
  count: number,
  dayMs: number = DAY_START_MS,
  lengthMs: number = DAY_MS,
): Promise<void> {
  for (let first = 0; first < count; first += INSERT_ROWS) {
    const size = Math.min(INSERT_ROWS, count - first);
    const slice = { first, size, count, dayMs, lengthMs };
    await rows(`INSERT INTO otel_traces (${COLUMNS}) ${spansSql(slice)}
      SETTINGS async_insert = 0, max_threads = 1, max_insert_threads = 1, max_block_size = ${size},
        min_insert_block_size_rows = ${size}, min_insert_block_size_bytes = 0`);
  }
}

/** As the day is six hours after its end (schema/003): one part. */
async function mergesDone({ rows, options }: StorageFixture): Promise<void> {
  const connection = new Connection(options);
  await completeRollups(connection, AbortSignal.timeout(MERGES_MS_MAX), 0);
  await connection.close();
  await quiet(rows);
  await rows('OPTIMIZE TABLE otel_traces FINAL SETTINGS optimize_throw_if_noop = 1');
  await quiet(rows);
}

/** Until nothing is merged or rewritten. */
async function quiet(rows: StorageFixture['rows']): Promise<void> {
  const endMs = performance.now() + MERGES_MS_MAX;
  let quiet = 0;
  while (quiet < 5 && performance.now() < endMs) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const running = await rows(`SELECT 1 FROM system.merges
      UNION ALL SELECT 1 FROM system.mutations WHERE NOT is_done`);
    quiet = running.length === 0 ? quiet + 1 : 0;
  }
}

const COLUMNS = `Timestamp, TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ServiceName,
  ResourceAttributes, ScopeName, ScopeVersion, SpanAttributes, Duration, StatusCode, StatusMessage,
  BatchId`;

const hash = (what: string, salt: string): string => `cityHash64(${what}, ${SEED}, '${salt}')`;
/** A number above 0 and up to 1. */
const share = (what: string, salt: string): string =>
  `((${hash(what, salt)} % 1000003 + 1) / 1000003)`;
const hexId = (what: string, salt: string): string => `lower(hex(${hash(what, salt)}))`;

interface Slice {
  readonly first: number;
  readonly size: number;
  readonly count: number;
  readonly dayMs: number;
  readonly lengthMs: number;
}

function spansSql({ first, size, count, dayMs, lengthMs }: Slice): string {
  const traceNs = Math.floor((lengthMs * 1e6) / Math.ceil(count / SPANS_PER_TRACE));
  const spanId = (place: string) => hexId(`trace, ${place}`, 'span');
  return `WITH
      intDiv(number, ${SPANS_PER_TRACE}) AS trace, number % ${SPANS_PER_TRACE} AS place,
      ${hash('trace', 'front')} % 20 AS front,
      (front + 1 + ${hash('trace', 'back')} % 3) % 20 AS back,
      concat('service-', leftPad(toString(if(place < 2, front, back)), 2, '0')) AS service,
      ${hash('number', 'operation')} AS choice,
      multiIf(place = 0, concat('GET /', ROUTES[choice % 8 + 1]),
        place = 1, concat('call service-', leftPad(toString(back), 2, '0')),
        place = 2, concat('POST /', ROUTES[choice % 8 + 1]),
        place = 3, concat('SELECT ', TABLES[choice % 12 + 1]), 'GET cache') AS operation,
      ['cart', 'checkout', 'products/:id', 'orders', 'login', 'search', 'healthz', 'prices']
        AS ROUTES,
      ['orders', 'customers', 'products', 'stock', 'prices', 'carts', 'sessions', 'payments',
        'refunds', 'reviews', 'images', 'shipments'] AS TABLES,
      sqrt(-2 * log(${share('number', 'u')})) * cos(2 * pi() * ${share('number', 'v')}) AS normal,
      12 + ${share('service, operation', 'median')} * 6 AS median,
      ${hash('number', 'failed')} % 50 = 0 AS failed
    SELECT
      fromUnixTimestamp64Nano(toInt64(${dayMs}000000 + toInt64(trace) * ${traceNs}
        + place * ${hash('trace', 'delay')} % 3000000)),
      concat(${hexId('trace', 'high')}, ${hexId('trace', 'low')}),
      ${spanId('place')},
      if(place = 0, '', ${spanId('toUInt8(multiIf(place = 1, 0, place = 2, 1, 2))')}),
      operation, if(place IN (0, 2), 'Server', 'Client'), service,
      map('service.name', service, 'service.version', '1.14.2', 'host.name',
        concat('node-', toString(${hash('number', 'host')} % 40)), 'process.runtime.name', 'nodejs',
        'telemetry.sdk.language', 'nodejs', 'deployment.environment.name', 'production'),
      '@opentelemetry/instrumentation-http', '0.223.0',
      if(place IN (0, 2),
        map('http.request.method', 'GET', 'http.route', operation, 'url.path',
          concat('/', toString(choice % 100000)), 'url.scheme', 'https',
          'http.response.status_code', if(failed, '500', '200'),
          'server.address', 'shop.example.com', 'server.port', '443', 'client.address',
          concat('10.0.', toString(choice % 256), '.', toString(intDiv(choice, 256) % 256))),
        map('db.system.name', 'postgresql', 'db.namespace', 'shop', 'db.query.text', operation,
          'server.address', 'db.internal', 'server.port', '5432', 'thread.id',
          toString(choice % 40))),
      toUInt64(exp(median + 0.8 * normal)), if(failed, 'Error', 'Unset'),
      if(failed, 'connection reset', ''),
      concat('bench/1/', toString(intDiv(number, 1000)))
    FROM numbers(${first}, ${size})`;
}
