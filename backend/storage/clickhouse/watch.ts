// Looks at the store from time to time: tells what the tables take (/metrics, /health), has the
// oldest days dropped when that is too much, slows the writer down where parts come faster than
// they are merged, and has rollups made where merges cannot. One look takes a few milliseconds of
// the store.

import type { World } from '../../../runtime/world.ts';
import type { Counters } from '../../../runtime/counters.ts';
import { rateLimited, type Log } from '../../../runtime/log.ts';
import type { Connection } from './client.ts';
import { createEvictor, fillOf, type EvictionOptions, type Evictor, type Fill }
  from './eviction.ts';
import { connectionCause } from './errors.ts';
import { SIGNAL_TABLES } from './retention.ts';
import { completeRollups } from './rollups.ts';
import { lookAtSpace, type PartitionSpace, type StoreSpace } from './space.ts';

export const limits = {
  /** So many parts of one partition slow nothing down; ClickHouse itself does so from 1,000 on. */
  partsFree: 100,
  /** The writer gathers for at most so many times its usual interval. */
  paceMax: 10,
} as const;

const LOOK_EVERY_MS = 10_000;
/** Between looks for parts without rollups. */
const ROLLUPS_EVERY_MS = 600_000;
const LOG_EVERY_MS = 600_000;

export interface WatchOptions extends EvictionOptions {
  readonly connection: Connection;
  readonly world: World;
  readonly log: Log;
  readonly counters: Counters;
  readonly cluster: string | null;
  /** Time between two looks, in milliseconds. */
  readonly everyMs?: number | undefined;
}

/** What is known of the space that the tables take; all zero before the first look. */
export interface SpaceReport extends Fill {
  readonly diskFreeBytes: number | null;
  /** The first day of which there are rows; '' when there are none. */
  readonly oldestDay: string;
  /** Since the start, by this backend. */
  readonly evictedRows: number;
  /** Why the tables still take too much; '' when they do not. */
  readonly problem: string;
}

export interface Watch {
  start(): void;
  stop(): Promise<void>;
  report(): SpaceReport;
  /** How many times longer than usual the writer is to gather. */
  pace(): number;
}

export function createWatch(options: WatchOptions): Watch {
  return new PeriodicWatch(options);
}

class PeriodicWatch implements Watch {
  private readonly options: WatchOptions;
  private readonly log: Log;
  private readonly stopping: AbortController;
  private readonly evictor: Evictor;
  private running: Promise<void> | null;
  private space: StoreSpace | null;
  private problem: string;
  private factor: number;
  private rollupsDueMs: number;

  constructor(options: WatchOptions) {
    const { world, log } = options;
    this.options = options;
    this.log = rateLimited(log, world.clock, LOG_EVERY_MS);
    this.stopping = new AbortController();
    const abort = this.stopping.signal;
    this.evictor = createEvictor({ ...options, clock: world.clock, log: this.log, abort,
      look: () => this.look() });
    this.running = null;
    this.space = null;
    this.problem = '';
    this.factor = 1;
    this.rollupsDueMs = 0;
    this.register();
  }

  start(): void {
    this.running ??= this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  report(): SpaceReport {
    const { counters } = this.options;
    const fill = this.space === null ? { bytes: 0, limitBytes: null, ratio: 0 }
      : fillOf(this.space, this.options);
    return {
      ...fill,
      diskFreeBytes: this.space?.disk?.freeBytes ?? null,
      oldestDay: this.telemetry().map(({ partition }) => partition).sort()[0] ?? '',
      evictedRows: counters.total('binnacle_storage_evicted_rows_total'),
      problem: this.problem,
    };
  }

  pace(): number {
    return this.factor;
  }

  private async run(): Promise<void> {
    const { everyMs = LOOK_EVERY_MS, world } = this.options;
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        const { problem } = await this.evictor.check(await this.look());
        this.problem = problem;
        await this.seeToRollups();
      } catch (error) {
        if (signal.aborted) return;
        this.options.counters.counter('binnacle_storage_watch_failures_total', FAILURES_HELP)
          .add(1);
        this.log.warn(`cannot look after the space of the tables: ${connectionCause(error)}`);
      }
      await world.clock.sleep(everyMs, signal);
    }
  }

  private async seeToRollups(): Promise<void> {
    const { connection, world } = this.options;
    const nowMs = world.clock.monotonicMs();
    if (nowMs < this.rollupsDueMs) return;
    this.rollupsDueMs = nowMs + ROLLUPS_EVERY_MS;
    await completeRollups(connection, this.stopping.signal);
  }

  private async look(): Promise<StoreSpace> {
    const space = await lookAtSpace(this.options.connection, this.stopping.signal);
    const most = space.partitions.reduce((max, { parts }) => Math.max(max, parts), 0);
    this.factor = Math.min(limits.paceMax, Math.max(1, most / limits.partsFree));
    this.space = space;
    return space;
  }

  private telemetry(): readonly PartitionSpace[] {
    return (this.space?.partitions ?? []).filter(({ table }) => SIGNAL_NAMES.has(table));
  }

  private register(): void {
    const { counters } = this.options;
    counters.counter('binnacle_storage_watch_failures_total', FAILURES_HELP);
    for (const [name, help, read] of TABLE_GAUGES) {
      counters.gauges(name, help, () =>
        byTable(this.space?.partitions ?? []).map(([table, own]) => [{ table }, read(own)]));
    }
    counters.gauges('binnacle_storage_table_oldest_seconds',
      'Unix time at which the oldest day of a table begins.', () =>
        byTable(this.telemetry()).map(([table, own]) =>
          [{ table }, Date.parse(own.map(({ partition }) => partition).sort()[0]!) / 1000]));
    counters.gauges('binnacle_storage_merges_running', 'Merges under way.', () =>
      [...(this.space?.merges ?? [])].map(([table, merges]) => [{ table }, merges]));
    const gauge = (name: string, help: string, read: (report: SpaceReport) => number) =>
      counters.gauge(`binnacle_storage_${name}`, help, () => read(this.report()));
    gauge('size_bytes', 'Bytes on disk of all tables.', ({ bytes }) => bytes);
    gauge('size_limit_bytes', 'Most that the tables may take now; 0 without a limit.',
      ({ limitBytes }) => limitBytes ?? 0);
    gauge('size_limit_ratio', 'Size of the tables ÷ their limit; above 1 the oldest days go.',
      ({ ratio }) => ratio);
    gauge('disk_free_bytes', 'Free bytes of the file system of the tables; -1 when unknown.',
      ({ diskFreeBytes }) => diskFreeBytes ?? -1);
    counters.gauge('binnacle_storage_pace', 'How many times longer than usual inserts gather, as '
      + 'parts come faster than they are merged.', () => this.pace());
  }
}

const FAILURES_HELP = 'Looks at the space of the tables and their rollups, or drops, that failed.';
const SIGNAL_NAMES = new Set(SIGNAL_TABLES.map(({ name }) => name));

const sumOf = (key: 'parts' | 'rows' | 'bytes') => (own: readonly PartitionSpace[]) =>
  own.reduce((sum, one) => sum + one[key], 0);

const TABLE_GAUGES: readonly [string, string, (own: readonly PartitionSpace[]) => number][] = [
  ['binnacle_storage_table_bytes', 'Bytes on disk of a table.', sumOf('bytes')],
  ['binnacle_storage_table_rows', 'Rows of a table.', sumOf('rows')],
  ['binnacle_storage_table_parts', 'Active parts of a table.', sumOf('parts')],
  ['binnacle_storage_table_partition_parts_max',
    'Active parts of that partition of a table that has most.',
    (own) => own.reduce((most, { parts }) => Math.max(most, parts), 0)],
];

function byTable(partitions: readonly PartitionSpace[]): [string, PartitionSpace[]][] {
  const tables = new Map<string, PartitionSpace[]>();
  for (const one of partitions) tables.set(one.table, [...(tables.get(one.table) ?? []), one]);
  return [...tables];
}
