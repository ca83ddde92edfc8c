// Keeps the tables within their share of the disk: when they take more than they may, the oldest
// day is dropped, of all tables of telemetry together, and then the next, until they fit.
//
// - Days before the present one go as whole partitions, which takes no time and no space. Inserts
//   and merges go on meanwhile.
// - The present day, and days to come (of senders whose clock is wrong), are only touched when they
//   alone take more than `maxSize`: then their oldest parts go, and that is said as an error. When
//   the disk is full of other things (`minFree`), they stay: dropping them would not help for long.
// - Each drop is written to binnacle_evictions before and after it, so that the ledger does not
//   take it for a loss; it is logged and counted. Rollups are projections and go with their parts;
//   weeks of otel_traces_trace_id_ts go when the last day of spans in them has gone.
// - Several backends may do this at once: each looks again before each drop.

import type { Clock } from '../../../runtime/clock.ts';
import type { Counters } from '../../../runtime/counters.ts';
import { errorMessage } from '../../../runtime/errors.ts';
import type { Log } from '../../../runtime/log.ts';
import type { Connection } from './client.ts';
import { SIGNAL_TABLES } from './retention.ts';
import type { PartitionSpace, StoreSpace } from './space.ts';

export const limits = {
  /** Days, or parts of the present day, that are dropped in a row; then the next look goes on. */
  dropsMax: 100,
  /** Share of the limit from which on operators are warned. */
  warnShare: 0.9,
} as const;

/** An amount of disk: bytes, or a share of the file system from 0 to 1. */
export type DiskAmount = { readonly bytes: number } | { readonly share: number };

export interface EvictionOptions {
  /** Most that the tables may take; null for no such limit. */
  readonly maxSize: DiskAmount | null;
  /** What must stay free on the file system; null for no such limit. */
  readonly minFree: DiskAmount | null;
}

/** How far the tables are from the limit. */
export interface Fill {
  readonly bytes: number;
  /** The most that the tables may take now; null without a limit. */
  readonly limitBytes: number | null;
  /** `bytes` ÷ `limitBytes`; above 1 something is dropped. 0 without a limit. */
  readonly ratio: number;
}

export function fillOf({ bytes, leavingBytes, disk }: StoreSpace, options: EvictionOptions): Fill {
  const { maxSize, minFree } = options;
  const most = maxSize === null ? null : bytesOf(maxSize, disk);
  const free = minFree === null || disk === null ? null : bytesOf(minFree, disk);
  // What is leaving will be free soon.
  const room = free === null ? null : bytes + leavingBytes + disk!.freeBytes - free;
  const bounds = [most, room].filter((one) => one !== null);
  if (bounds.length === 0) return { bytes, limitBytes: null, ratio: 0 };
  const limitBytes = Math.max(0, Math.min(...bounds));
  return { bytes, limitBytes, ratio: bytes / Math.max(1, limitBytes) };
}

function bytesOf(amount: DiskAmount, disk: StoreSpace['disk']): number | null {
  if ('bytes' in amount) return amount.bytes;
  return disk === null ? null : amount.share * disk.totalBytes;
}

export interface Evictor {
  /** Drops what is too much. Answers the space that is taken then, and why it is still too much. */
  check(space: StoreSpace): Promise<{ readonly space: StoreSpace; readonly problem: string }>;
}

export interface EvictorOptions extends EvictionOptions {
  readonly connection: Connection;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly log: Log;
  readonly cluster: string | null;
  readonly abort: AbortSignal;
  readonly look: () => Promise<StoreSpace>;
}

export function createEvictor(options: EvictorOptions): Evictor {
  return new DayEvictor(options);
}

/** What one statement drops. */
interface Drop extends PartitionSpace {
  readonly sql: string;
  readonly what: string;
}

const WEEK_MS = 7 * 86_400_000;
const TRACE_TIMES = 'otel_traces_trace_id_ts';
/** Somebody else has dropped or merged the part. */
const NO_SUCH_PART = /NO_SUCH_DATA_PART/;

class DayEvictor implements Evictor {
  private readonly options: EvictorOptions;
  private warned: boolean;

  constructor(options: EvictorOptions) {
    this.options = options;
    this.warned = false;
  }

  async check(space: StoreSpace): Promise<{ space: StoreSpace; problem: string }> {
    let now = space;
    for (let drops = 0; drops < limits.dropsMax; drops++) {
      const fill = fillOf(now, this.options);
      this.warn(fill);
      if (fill.ratio <= 1) return { space: now, problem: '' };
      const next = oldestDay(now) ?? await this.ofToday(now);
      if (next.length === 0) return { space: now, problem: this.stuck(fill) };
      for (const drop of next) await this.drop(drop, fill);
      now = await this.options.look();
      for (const drop of goneWeeks(now)) await this.drop(drop, fill);
    }
    return { space: now, problem: '' };
  }

  private warn({ bytes, limitBytes, ratio }: Fill): void {
    if (ratio < limits.warnShare) this.warned = false;
    if (ratio < limits.warnShare || this.warned) return;
    this.warned = true;
    this.options.log.warn('the tables are near their limit; the oldest days will be dropped', {
      bytes, limitBytes, hint: 'shorten retention, or raise retention.max_size or free the disk',
    });
  }

  private stuck({ bytes, limitBytes }: Fill): string {
    const { log } = this.options;
    const problem = 'the tables are over their limit, and only the present day is left to drop';
    log.error(`cannot make room: ${problem}`, {
      bytes, limitBytes, hint: 'free the disk, or lower retention.min_free',
    });
    return problem;
  }

  /** The oldest part of the present day, when that alone is more than all tables may take. */
  private async ofToday(space: StoreSpace): Promise<Drop[]> {
    const { connection, maxSize, abort, log } = this.options;
    const most = maxSize === null ? null : bytesOf(maxSize, space.disk);
    if (most === null || space.bytes <= most) return [];
    const [line] = await connection.readLines(`
      SELECT table, partition, name, rows, bytes_on_disk FROM system.parts
      WHERE database = currentDatabase() AND active
        AND table IN ({tables:Array(String)}) AND partition >= toString(today())
      ORDER BY partition, min_block_number / max(max_block_number) OVER (PARTITION BY table),
        bytes_on_disk DESC LIMIT 1`,
    { query_params: { tables: SIGNAL_TABLES.map(({ name }) => name) }, abort_signal: abort });
    const [table, partition, name, rows, bytes] = line?.split('\t') ?? [];
    if (table === undefined || partition === undefined) return [];
    log.error('the present day alone is over the limit; its oldest rows are dropped', {
      hint: 'raise retention.max_size, or send less',
    });
    const taken = { table, partition, parts: 1, rows: Number(rows), bytes: Number(bytes) };
    return [{ ...taken, sql: `DROP PART '${name}'`, what: 'the oldest rows' }];
  }

  private async drop(drop: Drop, { bytes, limitBytes }: Fill): Promise<void> {
    const { connection, clock, cluster, counters, log } = this.options;
    const beganMs = clock.nowMs();
    await this.note(drop, beganMs);
    const onCluster = cluster === null ? '' : ` ON CLUSTER '${cluster}'`;
    try {
      const query = `ALTER TABLE ${drop.table}${onCluster} ${drop.sql}`;
      await connection.client().command({ query });
    } catch (error) {
      if (!NO_SUCH_PART.test(errorMessage(error))) throw error;
    }
    await this.note(drop, beganMs);
    const { table, partition, rows } = drop;
    log.warn(`dropped ${drop.what} of ${partition} of ${table}: the tables are over their limit`, {
      rows, freedBytes: drop.bytes, bytes, limitBytes,
    });
    const count = (name: string, help: string, value: number) =>
      counters.counter(name, help, { table }).add(value);
    count('binnacle_storage_evicted_partitions_total',
      'Days, or parts of one, that were dropped for lack of space.', 1);
    count('binnacle_storage_evicted_rows_total', 'Rows that were dropped for lack of space.', rows);
    count('binnacle_storage_evicted_bytes_total',
      'Bytes on disk that were dropped for lack of space.', drop.bytes);
  }

  private async note({ table, partition, rows, bytes }: Drop, beganMs: number): Promise<void> {
    await this.options.connection.client().command({
      query: `INSERT INTO binnacle_evictions (TableName, Day, Began, Rows, Bytes)
        SETTINGS async_insert = 0
        SELECT {table:String}, toDate({day:String}),
          fromUnixTimestamp64Milli({began:Int64}), {rows:UInt64}, {bytes:UInt64}`,
      query_params: { table, day: partition, began: beganMs, rows, bytes },
    });
  }
}

/** Null when nothing is older than the present day. */
function oldestDay({ partitions, today }: StoreSpace): Drop[] | null {
  const names = new Set(SIGNAL_TABLES.map(({ name }) => name));
  const old = partitions.filter(({ table, partition }) => names.has(table) && partition < today);
  if (old.length === 0) return null;
  const first = old.reduce((least, { partition }) => (partition < least ? partition : least),
    old[0]!.partition);
  return old.filter(({ partition }) => partition === first).map(dropOf);
}

/** Weeks in which the last spans were dropped. */
function goneWeeks({ partitions, today }: StoreSpace): Drop[] {
  const days = partitions.filter(({ table }) => table === 'otel_traces')
    .map(({ partition }) => partition);
  const first = [today, ...days].sort()[0]!;
  return partitions.filter(({ table, partition }) => table === TRACE_TIMES
    && Date.parse(partition) + WEEK_MS <= Date.parse(first)).map(dropOf);
}

const dropOf = (space: PartitionSpace): Drop =>
  ({ ...space, sql: `DROP PARTITION '${space.partition}'`, what: 'the rows' });
