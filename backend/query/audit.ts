// Notes who asked what and how it ended, in the table `binnacle_queries`: gathered for a second, or
// a thousand at a time, and written behind the queries' backs. No query waits for it. While the
// store is away, notes are kept up to a bound; beyond it the oldest are dropped and counted.

import type { Clock, Timer } from '../../runtime/clock.ts';
import type { Counters } from '../../runtime/counters.ts';
import { errorMessage } from '../../runtime/errors.ts';
import { rateLimited, type Log } from '../../runtime/log.ts';
import type { Component } from '../../proto/contract/component.ts';
import type { Storage } from '../storage/contract.ts';
import type { QueryRecord } from './record.ts';

export const limits = {
  /** Notes that are written at once. */
  rowsMax: 1000,
  /** Notes that wait; beyond it the oldest are dropped and counted. */
  waitingMax: 10_000,
} as const;

const FLUSH_MS = 1000;
const RETRY_MS = 5000;
const LOG_EVERY_MS = 60_000;

export const AUDIT_TABLE = 'binnacle_queries';

export interface Audit extends Component {
  note(record: QueryRecord): void;
  /** Resolves when what was noted is written, or cannot be for now. */
  flush(): Promise<void>;
}

export interface AuditOptions {
  readonly storage: Pick<Storage, 'append'>;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly log: Log;
}

export function createAudit(options: AuditOptions): Audit {
  return new BufferedAudit(options);
}

class BufferedAudit implements Audit {
  private readonly options: AuditOptions;
  private readonly log: Log;
  private readonly stopping: AbortController;
  private waiting: QueryRecord[];
  private timer: Timer | null;
  private writing: Promise<void> | null;

  constructor(options: AuditOptions) {
    this.options = options;
    this.log = rateLimited(options.log, options.clock, LOG_EVERY_MS);
    this.stopping = new AbortController();
    this.waiting = [];
    this.timer = null;
    this.writing = null;
  }

  async start(): Promise<void> {}

  note(record: QueryRecord): void {
    this.waiting.push(record);
    if (this.waiting.length > limits.waitingMax) {
      this.drop(this.waiting.splice(0, this.waiting.length - limits.waitingMax).length);
    }
    if (this.waiting.length >= limits.rowsMax) void this.flush();
    else this.flushIn(FLUSH_MS);
  }

  flush(): Promise<void> {
    this.timer?.cancel();
    this.timer = null;
    this.writing ??= this.write().finally(() => {
      this.writing = null;
    });
    return this.writing;
  }

  async stop(deadline: AbortSignal): Promise<void> {
    const cut = () => this.stopping.abort();
    deadline.addEventListener('abort', cut, { once: true });
    if (deadline.aborted) cut();
    await this.flush();
    this.timer?.cancel();
    this.timer = null;
    deadline.removeEventListener('abort', cut);
    this.drop(this.waiting.splice(0).length);
  }

  private flushIn(ms: number): void {
    this.timer ??= this.options.clock.after(ms, () => {
      this.timer = null;
      void this.flush();
    });
  }

  private async write(): Promise<void> {
    while (this.waiting.length > 0) {
      const some = this.waiting.splice(0, limits.rowsMax);
      try {
        await this.options.storage.append({
          table: AUDIT_TABLE, rows: some.map(rowOf), abort: this.stopping.signal,
        });
      } catch (error) {
        this.log.warn(`cannot note queries: ${errorMessage(error)}`);
        this.waiting.unshift(...some);
        if (!this.stopping.signal.aborted) this.flushIn(RETRY_MS);
        return;
      }
    }
  }

  private drop(count: number): void {
    if (count === 0) return;
    this.options.counters.counter('binnacle_audit_dropped_total',
      'Notes of queries that were dropped, as the store was away.').add(count);
  }
}

const rowOf = (record: QueryRecord) => ({
  Started: new Date(record.startedMs).toISOString(),
  QueryId: record.id,
  Name: record.caller.name,
  Role: record.caller.role,
  Address: record.caller.address,
  Origin: record.origin,
  Statement: record.statement,
  Format: record.format,
  DurationMs: record.durationMs,
  ReadRows: record.readRows,
  ReadBytes: record.readBytes,
  ResultRows: record.resultRows,
  ResultBytes: record.resultBytes,
  Ending: record.ending ?? '',
  Error: record.error,
});
