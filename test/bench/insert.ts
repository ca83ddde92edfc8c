// What the engine spends on inserting spans into our tables: CPU of the engine process and of ours
// per row, and the time to the commit, with and without fsync; and what of it is the view that
// keeps the books of batches (binnacle_batches): the same inserts with it and without.
//
//   npm run bench -- insert [--rows N per insert] [--rounds N]
//
// Data as in transcode.ts. Linux only: the engine's CPU is read from /proc.

import { mkdtemp, rm } from 'node:fs/promises';
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
import { cpuUsOf, inTurns, median, options, ownCpuUs, report } from './figures.ts';

const { rows, rounds } = options({ rows: 20_000, rounds: 3 });
const ROWS_PER_FIGURE = 100_000;
const INSERTS_MAX = 60;
const TABLES = ['otel_traces', 'otel_traces_trace_id_ts', 'binnacle_batches'];

const path = await mkdtemp(join(tmpdir(), 'binnacle-bench-'));
const engine = createEngine({ path });
const { url } = await engine.start();
const fixture = await startStorage(url);
const connection = new Connection(storageOptions(url, {}));
const block = blockOf(rows);
await measure();
const measured = await inTurns(rounds, {
  ordinary: () => measure(),
  'no fsync': async () => {
    await setSync(0);
    const figures = await measure();
    await setSync(1);
    return figures;
  },
  'no books': async () => {
    await fixture.rows('DETACH TABLE binnacle_batches_traces_mv');
    const figures = await measure();
    await fixture.rows('ATTACH TABLE binnacle_batches_traces_mv');
    return figures;
  },
});
say('engine', 'µs/span', (one) => one.engineUs);
say('sending', 'µs/span', (one) => one.ownUs);
say('time to the commit', 'ms', (one) => one.commitMs);
await connection.close();
await fixture.stop();
await engine.stop(AbortSignal.timeout(10_000));
await rm(path, { recursive: true, force: true });

interface Measured {
  readonly engineUs: number;
  readonly ownUs: number;
  readonly commitMs: number;
}

function say(what: string, unit: string, of: (one: Measured) => number): void {
  const rate = (name: keyof typeof measured) => median(measured[name].map(of));
  for (const other of ['no fsync', 'no books'] as const) {
    report({
      name: `insert of ${rows} spans, ${what} beside ${other}`,
      value: rate('ordinary'),
      unit,
      yardstick: { name: other, value: rate(other) },
      rounds: measured.ordinary.map(of),
    });
  }
}

function blockOf(count: number) {
  const random = seededRandom(5);
  const transcoder = new Transcoder('traces');
  while (transcoder.rowCount() < count) {
    const request = generateServiceSpans(random, Math.min(1000, count));
    const batchId = `${crypto.randomUUID()}/${crypto.randomUUID()}/${transcoder.rowCount()}`;
    transcoder.append(Batch.fromRequest('traces', request), 0, undefined, rowNames(batchId, 0));
  }
  return transcoder.tables[0]!;
}

async function setSync(on: 0 | 1): Promise<void> {
  for (const table of TABLES) {
    await fixture.rows(`ALTER TABLE ${table} MODIFY SETTING
      fsync_after_insert = ${on}, fsync_part_directory = ${on}`);
  }
}

async function measure(): Promise<Measured> {
  const inserts = Math.max(4, Math.min(INSERTS_MAX, Math.round(ROWS_PER_FIGURE / rows)));
  const total = inserts * rows;
  const engineBefore = cpuUsOf(engine.pid!);
  const ownBefore = ownCpuUs();
  const startMs = performance.now();
  for (let insert = 0; insert < inserts; insert++) {
    await insertTable(connection, block, crypto.randomUUID(), NEVER);
  }
  const wallMs = performance.now() - startMs;
  return {
    // Merges that go on in the background are in it.
    engineUs: (cpuUsOf(engine.pid!) - engineBefore) / total,
    ownUs: (ownCpuUs() - ownBefore) / total,
    commitMs: wallMs / inserts,
  };
}
