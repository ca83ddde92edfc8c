// What the engine spends on inserting spans into our tables: CPU of the engine process and of ours
// per row, and the time to the commit, for several sizes of inserts: with and without fsync, and
// with and without the view that keeps the books of batches (binnacle_batches), whose share of the
// engine's CPU is the last line of each size.
//
//   npx tsx test/bench/insert.ts [rows per insert, …]
//
// Data as in transcode.ts. Linux only: the engine's CPU is read from /proc.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection } from '../../backend/storage/clickhouse/client.ts';
import { insertTable } from '../../backend/storage/clickhouse/insert.ts';
import { rowNames } from '../../backend/storage/clickhouse/transcode/names.ts';
import { Transcoder } from '../../backend/storage/clickhouse/transcode/transcoder.ts';
import { createEngine } from '../../backend/storage/engine/supervisor.ts';
import { Batch } from '../../proto/contract/batch.ts';
import { NEVER, startStorage } from '../backend/storage/clickhouse/storage_fixture.ts';
import { storageOptions } from '../backend/storage/clickhouse/storage_fixture.ts';
import { seededRandom } from '../proto/generate.ts';
import { generateServiceSpans } from './data.ts';

const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [1000, 10_000, 100_000];
const ROWS_PER_FIGURE = 400_000;
const INSERTS_MAX = 60;
const VIEW_ROUNDS = 7;
/** Of the clock that /proc counts in. */
const TICK_US = 10_000;

const path = await mkdtemp(join(tmpdir(), 'binnacle-bench-'));
const engine = createEngine({ path });
const { url } = await engine.start();
const fixture = await startStorage(url);
const connection = new Connection(storageOptions(url, {}));
for (const rows of sizes) {
  for (const fsync of [1, 0, 0, 1]) {
    for (const table of ['otel_traces', 'otel_traces_trace_id_ts', 'binnacle_batches']) {
      await fixture.rows(`ALTER TABLE ${table} MODIFY SETTING
        fsync_after_insert = ${fsync}, fsync_part_directory = ${fsync}`);
    }
    console.log(`${rows} rows per insert, fsync ${fsync}: ${(await figure(rows)).text}`);
  }
  const ratios: number[] = [];
  for (let round = 0; round < VIEW_ROUNDS; round++) {
    const cpu = { with: 0, without: 0 };
    const order = ['with', 'without'] as const;
    for (const variant of round % 2 === 0 ? order : [...order].reverse()) {
      const change = variant === 'with' ? 'ATTACH' : 'DETACH';
      if (variant === 'without' || round > 0) {
        await fixture.rows(`${change} TABLE IF ${
          change === 'ATTACH' ? 'NOT ' : ''}EXISTS binnacle_batches_traces_mv`);
      }
      cpu[variant] = (await figure(rows)).engineUs;
    }
    ratios.push(cpu.with / cpu.without);
    await fixture.rows('ATTACH TABLE IF NOT EXISTS binnacle_batches_traces_mv');
  }
  ratios.sort((a, b) => a - b);
  const median = ratios[ratios.length >> 1]!;
  console.log(`${rows} rows per insert: the view makes it ${median.toFixed(3)}x the engine's CPU`
    + ` (rounds: ${ratios.map((ratio) => ratio.toFixed(3)).join(', ')})`);
}
await connection.close();
await fixture.stop();
await engine.stop(AbortSignal.timeout(10_000));
await rm(path, { recursive: true, force: true });

async function figure(rows: number): Promise<{ text: string; engineUs: number }> {
  const random = seededRandom(5);
  const transcoder = new Transcoder('traces');
  while (transcoder.rowCount() < rows) {
    const request = generateServiceSpans(random, Math.min(1000, rows));
    const batchId = `${crypto.randomUUID()}/${crypto.randomUUID()}/${transcoder.rowCount()}`;
    transcoder.append(Batch.fromRequest('traces', request), 0, undefined, rowNames(batchId, 0));
  }
  const table = transcoder.tables[0]!;
  await insertTable(connection, table, crypto.randomUUID(), NEVER);
  const inserts = Math.max(4, Math.min(INSERTS_MAX, Math.round(ROWS_PER_FIGURE / rows)));
  const engineBefore = await engineCpuUs();
  const ownBefore = process.cpuUsage();
  const startMs = performance.now();
  for (let insert = 0; insert < inserts; insert++) {
    await insertTable(connection, table, crypto.randomUUID(), NEVER);
  }
  const wallMs = performance.now() - startMs;
  const own = process.cpuUsage(ownBefore);
  const total = inserts * rows;
  const engineUs = ((await engineCpuUs()) - engineBefore) / total;
  const ownUs = (own.user + own.system) / total;
  const text = `${(wallMs / inserts).toFixed(1)} ms per insert,`
    + ` engine ${engineUs.toFixed(2)} us/row,`
    + ` sending ${ownUs.toFixed(2)} us/row, ${(total / wallMs * 1000).toFixed(0)} rows/s,`
    + ` ${(table.byteCount() / rows).toFixed(0)} bytes/row sent`;
  return { text, engineUs };
}

/** User and system time of the engine, merges included. */
async function engineCpuUs(): Promise<number> {
  const stat = await readFile(`/proc/${engine.pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}
