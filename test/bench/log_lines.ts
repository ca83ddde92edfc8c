// Log lines of one day for benches that ask questions, made by SQL inside of the engine.
//
// Shape: 20 services on 40 hosts; each line is one of eight kinds of text as servers write them,
// about 100 bytes, and most hold something that no or few other lines have: an address, a size, a
// number of a request or block, as lines of real servers do. 1 of 100 is an error; half of them
// belong to a trace. Twenty lines hold RARE_WORD. Times lie in regular distances over the
// day. Every value is a hash of the line's number, so that the same count makes the same lines.

import { access, writeFile } from 'node:fs/promises';
import type { StorageFixture } from '../backend/storage/clickhouse/storage_fixture.ts';
import { DAY_MS, DAY_START_MS } from './store.ts';

/** In RARE_LINES lines, in regular distances. */
export const RARE_WORD = 'quokka';
export const RARE_LINES = 20;
const INSERT_ROWS = 200_000;

/** Fills `otel_logs`, unless the file `whole` says that this was done before. */
export async function keepLogLines(
  { rows }: Pick<StorageFixture, 'rows'>,
  count: number,
  whole: string,
): Promise<void> {
  if (await access(whole).then(() => true, () => false)) return;
  await rows('TRUNCATE TABLE otel_logs');
  const startMs = performance.now();
  await fillLogLines({ rows }, count, { fromMs: DAY_START_MS, lengthMs: DAY_MS });
  await writeFile(whole, '');
  const seconds = (performance.now() - startMs) / 1000;
  console.log(`${count} log lines: built in ${seconds.toFixed(0)} s`);
}

interface Period {
  readonly fromMs: number;
  readonly lengthMs: number;
}

/** Fills `otel_logs` with the lines of a period. */
export async function fillLogLines(
  { rows }: Pick<StorageFixture, 'rows'>,
  count: number,
  period: Period,
): Promise<void> {
  for (let first = 0; first < count; first += INSERT_ROWS) {
    const size = Math.min(INSERT_ROWS, count - first);
    await rows(`INSERT INTO otel_logs (${COLUMNS}) ${linesSql(first, size, count, period)}
      SETTINGS async_insert = 0, max_threads = 1, max_insert_threads = 1, max_block_size = ${size},
        min_insert_block_size_rows = ${size}, min_insert_block_size_bytes = 0`);
  }
}

const COLUMNS = `Timestamp, TraceId, SpanId, TraceFlags, SeverityText, SeverityNumber, ServiceName,
  Body, ResourceAttributes, ScopeName, LogAttributes, BatchId`;

const hash = (salt: string): string => `cityHash64(number, '${salt}')`;

function linesSql(
  first: number,
  size: number,
  count: number,
  { fromMs, lengthMs }: Period,
): string {
  const stepNs = Math.floor(lengthMs * 1e6 / count);
  const address = "concat('10.', toString(a % 4), '.', toString(b % 64), '.', toString(c % 250))";
  return `WITH
      ${hash('a')} AS a, ${hash('b')} AS b, ${hash('c')} AS c,
      concat('service-', leftPad(toString(a % 20), 2, '0')) AS service,
      b % 100 = 0 AS failed, a % 2 = 0 AS traced,
      number % ${Math.ceil(count / RARE_LINES)} = 1 AS rare
    SELECT
      fromUnixTimestamp64Nano(toInt64(${fromMs}000000 + toInt64(number) * ${stepNs})),
      if(traced, lower(hex(sipHash128(number))), ''),
      if(traced, lower(hex(b)), ''), traced,
      if(failed, 'ERROR', 'INFO'), if(failed, 17, 9), service,
      concat(multiIf(
        failed, concat('connection to ', ${address}, ':', toString(b % 60000),
          ' failed after ', toString(c % 30000), ' ms: connection reset by peer'),
        c % 7 = 0, concat('Received block blk_', toString(toInt64(b)), ' of size ',
          toString(c % 67108864), ' from ', ${address}),
        c % 7 = 1, concat('Accepted socket connection from ', ${address}, ':',
          toString(b % 60000)),
        c % 7 = 2, concat('GET /api/v1/orders/', toString(b % 1000000), ' 200 ',
          toString(c % 900), ' ms, user ', toString(b % 50000)),
        c % 7 = 3, concat('session opened for user ', toString(b % 50000), ' by (uid=0)'),
        c % 7 = 4, concat('added item ', toString(b % 100000), ' to cart ', lower(hex(c)),
          ' for customer ', toString(a % 50000)),
        c % 7 = 5, concat('executor ', toString(b % 64), ' finished task ', toString(c % 4000),
          '.0 in stage ', toString(b % 30), '.0, ', toString(a % 4096), ' bytes result sent'),
        'cache expired: removed 112 of 4096 entries, oldest 3600 s'),
        if(rare, ' ${RARE_WORD}', '')),
      map('service.name', service, 'service.version', '1.14.2', 'host.name',
        concat('node-', toString(c % 40)), 'deployment.environment.name', 'production'),
      concat('com.example.shop.', ['Cart', 'Session', 'Store', 'Server'][a % 4 + 1]),
      map('log.file.name', concat(service, '.log'), 'thread', concat('worker-', toString(b % 32))),
      concat('bench/2/', toString(intDiv(number, 1000)))
    FROM numbers(${first}, ${size})`;
}
