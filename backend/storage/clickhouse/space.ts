// What the tables take, as ClickHouse tells it: parts, rows and bytes of each table and day, the
// file system below, merges under way.

import type { Connection } from './client.ts';

export const limits = {
  /** Tables and days that one look reads, the oldest first; what is beyond is not evicted yet. */
  daysMax: 50_000,
  /** A look that takes longer has failed. */
  seconds: 30,
} as const;

/** The active parts of one partition of a table. */
export interface PartitionSpace {
  readonly table: string;
  /** As the table is partitioned: `2026-01-02`; other texts for tables that are not by date. */
  readonly partition: string;
  readonly parts: number;
  readonly rows: number;
  readonly bytes: number;
}

export interface StoreSpace {
  readonly partitions: readonly PartitionSpace[];
  /** The day that is written to now, `2026-01-02`, in the store's time zone. */
  readonly today: string;
  /** Of active parts, of all tables of the database. */
  readonly bytes: number;
  /** Of parts that are merged or dropped and wait for their removal. */
  readonly leavingBytes: number;
  /** Of the file systems that the tables are on; null where ClickHouse does not tell. */
  readonly disk: { readonly totalBytes: number; readonly freeBytes: number } | null;
  /** Merges and rewritings of parts under way, by table. */
  readonly merges: ReadonlyMap<string, number>;
}

const PARTS = `
  SELECT table, partition, countIf(active), sumIf(rows, active), sumIf(bytes_on_disk, active),
    sumIf(bytes_on_disk, NOT active)
  FROM system.parts WHERE database = currentDatabase()
  GROUP BY table, partition ORDER BY partition LIMIT ${limits.daysMax}`;

const DISKS = `
  SELECT toString(today()), sum(total_space), sum(free_space), max(is_remote) FROM system.disks
  WHERE name IN (SELECT disk_name FROM system.parts WHERE database = currentDatabase())`;

const MERGES = `
  SELECT table, count() FROM system.merges WHERE database = currentDatabase() GROUP BY table`;

/** Throws what the client throws. */
export async function lookAtSpace(connection: Connection, abort: AbortSignal): Promise<StoreSpace> {
  const settings = { abort_signal: abort, clickhouse_settings: {
    max_execution_time: limits.seconds,
  } };
  const ask = async (query: string) =>
    (await connection.readLines(query, settings)).map((line) => line.split('\t'));
  const parts = await ask(PARTS);
  const [disk] = await ask(DISKS);
  const merges = await ask(MERGES);
  const [today = '', total = '0', free = '0', remote = '0'] = disk ?? [];
  const known = remote === '0' && Number(total) > 0;
  const sum = (column: number) => parts.reduce((bytes, row) => bytes + Number(row[column]), 0);
  return {
    partitions: parts.filter((row) => row[2] !== '0').map(partitionOf),
    today,
    bytes: sum(4),
    leavingBytes: sum(5),
    disk: known ? { totalBytes: Number(total), freeBytes: Number(free) } : null,
    merges: new Map(merges.map(([table, count]) => [table!, Number(count)])),
  };
}

function partitionOf([table, partition, parts, rows, bytes]: readonly string[]): PartitionSpace {
  const numbers = { parts: Number(parts), rows: Number(rows), bytes: Number(bytes) };
  return { table: table!, partition: partition!, ...numbers };
}
