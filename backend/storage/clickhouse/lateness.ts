// Counts records that are older than anything of their signal is kept. They are stored, and expire
// with the next merge of their day: retention goes by a record's own time, as in every store of
// telemetry, since a record's time is what it is asked for by. Whoever reads old files with the
// times that stand in them should hear of it.

import type { Signal } from '../../../proto/otlp/model.ts';
import type { Clock } from '../../../runtime/clock.ts';
import type { Counters } from '../../../runtime/counters.ts';
import { rateLimited, type Log } from '../../../runtime/log.ts';
import { longestMs, type Retention } from './retention.ts';
import type { Table } from './transcode/table.ts';

export interface Lateness {
  /** Counts rows of `tables`, each from the number in `before` on. */
  count(signal: Signal, tables: readonly Table[], before: readonly number[]): void;
}

export interface LatenessOptions {
  readonly clock: Clock;
  readonly counters: Counters;
  readonly log: Log;
  readonly retention: Retention;
}

const LOG_EVERY_MS = 600_000;
const DAY_MS = 86_400_000;
const NS_PER_MS = 1_000_000n;

export function createLateness(options: LatenessOptions): Lateness {
  const { clock, counters, retention } = options;
  const log = rateLimited(options.log, clock, LOG_EVERY_MS);
  return {
    count: (signal, tables, before) => {
      const keptMs = longestMs(retention, signal);
      // Times of rows are not before 1970.
      const bound = BigInt(Math.floor(Math.max(0, clock.nowMs() - keptMs))) * NS_PER_MS;
      let late = 0;
      tables.forEach((table, index) => {
        if (table.rows > before[index]!) late += table.countBefore(bound, before[index]!);
      });
      if (late === 0) return;
      counters.counter('binnacle_ingest_expired_records_total',
        'Records that were older than they are kept when they came.', { signal }).add(late);
      log.warn(`${signal} come in that are older than retention.${signal}, and will be dropped`, {
        keptDays: keptMs / DAY_MS,
        hint: `raise retention.${signal}, or let the sender leave out the old times`,
      });
    },
  };
}
