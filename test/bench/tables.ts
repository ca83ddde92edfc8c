// What our tables cost beside those of the OpenTelemetry Collector's ClickHouse exporter
// (exporter_tables.ts), in the same engine and with the same rows: processor time of the engine for
// inserts of several sizes, and bytes on disk, indexes and lookup tables included.
//
//   npm run bench -- tables [--rounds N] [--rows N]
//
// The exporter's tables get blocks of exactly their types, as the exporter's driver sends them;
// ours get what the transcoder makes. Merges stand still while inserts are measured; what it takes
// to merge the blocks of the largest size into one part is a figure of its own. Bytes are those of
// --rows distinct rows after `OPTIMIZE … FINAL`. Data: traffic.ts. Linux only.
//
// The store is in memory (/dev/shm): after the many parts that a bench removes, ext4 spends more on
// looking for inodes that were not deleted lately than the engine does on a small insert.

import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Connection } from '../../backend/storage/clickhouse/client.ts';
import { insertSettings, joined, quotedColumns }
  from '../../backend/storage/clickhouse/insert.ts';
import type { Table } from '../../backend/storage/clickhouse/transcode/table.ts';
import { Transcoder } from '../../backend/storage/clickhouse/transcode/transcoder.ts';
import { createEngine } from '../../backend/storage/engine/supervisor.ts';
import { startStorage, storageOptions }
  from '../backend/storage/clickhouse/storage_fixture.ts';
import { exporterTables } from './exporter_tables.ts';
import { cpuUsOf, inTurns, median, options, ratioAtMost, report } from './figures.ts';
import { generateTraffic } from './traffic.ts';

const { rounds, rows: storedRows } = options({ rounds: 5, rows: 200_000 });
const MEMORY = '/dev/shm';
const SIZES = [1000, 10_000, 50_000];
const ROWS_PER_ROUND = 100_000;
const INSERTS_MAX = 30;
const SIGNALS = [
  { signal: 'traces', one: 'span', table: 'otel_traces', bytesGoal: 0.6 },
  { signal: 'logs', one: 'log record', table: 'otel_logs', bytesGoal: 0.5 },
] as const;
type Side = 'ours' | 'exporter';
const DATABASES = { ours: 'default', exporter: 'exporter' } as const;

/** An insert into one of the sides. */
interface Block {
  readonly columns: string;
  readonly body: Buffer;
}
type Blocks = Readonly<Record<Side, readonly Block[]>>;

const path = await mkdtemp(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'binnacle-bench-'));
const engine = createEngine({ path });
const { url } = await engine.start();
const fixture = await startStorage(url);
const connection = new Connection(storageOptions(url, {}));
for (const sql of exporterTables('exporter')) await run(sql);
for (const one of SIGNALS) await measureSignal(one);
await connection.close();
await fixture.stop();
await engine.stop(AbortSignal.timeout(10_000));
await rm(path, { recursive: true, force: true });

async function measureSignal({ signal, one, table, bytesGoal }: (typeof SIGNALS)[number]) {
  await run('SYSTEM STOP MERGES');
  for (const size of SIZES) {
    const blocks = await blocksOf(signal, table, size, Math.min(ROWS_PER_ROUND, size * 20));
    await insertAll(table, 'ours', blocks);
    await insertAll(table, 'exporter', blocks);
    const cpuUs = await inTurns(rounds, {
      ours: () => insertAll(table, 'ours', blocks),
      exporter: () => insertAll(table, 'exporter', blocks),
    });
    reportBoth('B9', `engine, insert of ${size} ${one}s`, `µs/${one}`, cpuUs, 0.35);
  }
  const stored = await blocksOf(signal, table, 50_000, storedRows);
  const bytes = { ours: 0, exporter: 0 };
  const mergeUs = { ours: 0, exporter: 0 };
  for (const side of ['ours', 'exporter'] as const) {
    for (const block of stored[side]) await insert(table, side, block);
    await run('SYSTEM START MERGES');
    const before = cpuUsOf(engine.pid!);
    const tables = await tablesOf(side, table);
    for (const name of tables) await run(`OPTIMIZE TABLE ${DATABASES[side]}.${name} FINAL`);
    mergeUs[side] = (cpuUsOf(engine.pid!) - before) / storedRows;
    await run('SYSTEM STOP MERGES');
    bytes[side] = await bytesOf(side, tables) / storedRows;
  }
  reportBoth('B8', `on disk, ${one}s`, `bytes/${one}`,
    { ours: [bytes.ours], exporter: [bytes.exporter] }, bytesGoal);
  reportBoth(undefined, `engine, merge of ${one}s`, `µs/${one}`,
    { ours: [mergeUs.ours], exporter: [mergeUs.exporter] });
  await run('SYSTEM START MERGES');
}

type Rounds = Readonly<Record<Side, readonly number[]>>;

function reportBoth(
  id: string | undefined,
  name: string,
  unit: string,
  all: Rounds,
  goal?: number,
): void {
  report({
    ...(id === undefined ? {} : { id }), name, unit, value: median(all.ours), rounds: all.ours,
    yardstick: { name: "the exporter's tables", value: median(all.exporter) },
    ...(goal === undefined ? {} : { goal: ratioAtMost(goal) }),
  });
}

async function blocksOf(
  signal: 'traces' | 'logs',
  name: string,
  size: number,
  total: number,
): Promise<Blocks> {
  const traffic = generateTraffic(signal, 1);
  const blocks = { ours: [] as Block[], exporter: [] as Block[] };
  const types = await columnsOf(name);
  await run(`CREATE OR REPLACE TABLE exporter.staging AS exporter.${name} ENGINE = Memory`);
  for (let made = 0; made < total; made += size) {
    const transcoder = new Transcoder(signal);
    while (transcoder.rowCount() < size) {
      const { batch, names } = traffic.next().value!;
      transcoder.append(batch, 0, undefined, names);
    }
    const table = transcoder.tables[0]!;
    blocks.ours.push({ columns: quotedColumns(table), body: Buffer.concat(table.chunks()) });
    blocks.exporter.push(await exporterBlock(table, types));
  }
  return blocks;
}

/** The columns that are sent to a table of the exporter. */
async function columnsOf(table: string): Promise<string> {
  const found = await fixture.rows<{ name: string }>(`SELECT name FROM system.columns
    WHERE database = 'exporter' AND table = '${table}' AND default_kind = '' ORDER BY position`);
  return found.map(({ name }) => `\`${name}\``).join(', ');
}

/** The rows of a table as the exporter's driver would send them: of the types of its tables. */
async function exporterBlock(table: Table, columns: string): Promise<Block> {
  await run('TRUNCATE TABLE exporter.staging');
  const sent = await connection.exec({
    query: `INSERT INTO exporter.staging (${columns})
      SELECT ${columns} FROM input('${table.structure()}') FORMAT Native`,
    values: Readable.from(joined(table.chunks())),
    clickhouse_settings: insertSettings(crypto.randomUUID()),
  });
  for await (const chunk of sent.stream) void chunk;
  const { stream } = await connection.exec({
    query: `SELECT ${columns} FROM exporter.staging SETTINGS max_block_size = 1000000
      FORMAT Native`,
  });
  const body: Buffer[] = [];
  for await (const chunk of stream) body.push(chunk as Buffer);
  return { columns, body: Buffer.concat(body) };
}

/** Microseconds of the engine's processor time per row; the table is empty afterwards. */
async function insertAll(table: string, side: Side, blocks: Blocks): Promise<number> {
  const own = blocks[side];
  const size = Math.round(rowsOf(own[0]!));
  const inserts = Math.max(2, Math.min(INSERTS_MAX, Math.ceil(ROWS_PER_ROUND / size)));
  const before = cpuUsOf(engine.pid!);
  for (let index = 0; index < inserts; index++) await insert(table, side, own[index % own.length]!);
  const us = (cpuUsOf(engine.pid!) - before) / (inserts * size);
  for (const name of await tablesOf(side, table)) {
    await run(`TRUNCATE TABLE ${DATABASES[side]}.${name}`);
  }
  return us;
}

async function insert(table: string, side: Side, { columns, body }: Block): Promise<void> {
  const { stream } = await connection.exec({
    query: `INSERT INTO ${DATABASES[side]}.${table} (${columns}) FORMAT Native`,
    values: Readable.from(joined([body])),
    clickhouse_settings: insertSettings(crypto.randomUUID()),
  });
  for await (const chunk of stream) void chunk;
}

/** The second number of a block. */
function rowsOf({ body }: Block): number {
  let rows = 0;
  for (let at = 1, factor = 1; ; at++, factor *= 128) {
    rows += (body[at]! & 0x7f) * factor;
    if (body[at]! < 0x80) return rows;
  }
}

/** The table and those that are filled with it. */
async function tablesOf(side: Side, table: string): Promise<string[]> {
  const found = await fixture.rows<{ name: string }>(`SELECT name FROM system.tables
    WHERE database = '${DATABASES[side]}' AND engine LIKE '%MergeTree'
      AND (startsWith(name, '${table}') OR name = 'binnacle_batches')`);
  return found.map(({ name }) => name);
}

async function bytesOf(side: Side, tables: readonly string[]): Promise<number> {
  const [sum] = await fixture.rows<{ bytes: string }>(`SELECT sum(bytes_on_disk) AS bytes
    FROM system.parts WHERE active AND database = '${DATABASES[side]}'
      AND has(['${tables.join("', '")}'], table)`);
  return Number(sum!.bytes);
}

async function run(query: string): Promise<void> {
  const { stream } = await connection.exec({ query });
  for await (const chunk of stream) void chunk;
}
