// Requests of one signal on their way into inserts. See writer.ts for the rules.

import type { Batch } from '../../../proto/contract/batch.ts';
import type { Signal } from '../../../proto/otlp/model.ts';
import type { Clock, Timer } from '../../../runtime/clock.ts';
import type { Log } from '../../../runtime/log.ts';
import { commit } from './commit.ts';
import type { Insert, Pending } from './commit.ts';
import type { InsertFailure } from './errors.ts';
import type { RowNames } from './transcode/names.ts';
import { Transcoder } from './transcode/transcoder.ts';

export const limits = {
  /** Inserts of one lane at the same time; further groups wait their turn. */
  insertsMax: 2,
  /** Empty transcoders that a lane keeps with their memory; further ones are dropped. */
  idleTranscodersMax: 2,
} as const;

export interface LaneOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly insert: Insert;
  /** See FlushOptions. */
  readonly intervalMs: number;
  readonly rows: number;
  readonly bytes: number;
}

/** What became of the records of a request from number `first` on. */
export interface Verdict {
  /** How many of them are committed. */
  readonly stored: number;
  /** Why the first that is not stored is not; '' when all are. */
  readonly reason: string;
  /** Set when some may be stored later. */
  readonly failure: InsertFailure | null;
  /** The first record that was not looked at yet; null when there is none. */
  readonly next: number | null;
}

interface Waiting extends Pending {
  readonly settle: () => void;
}

interface Group {
  readonly transcoder: Transcoder;
  readonly waiting: Waiting[];
  timer: Timer | null;
  /** It has been open for the flush interval. */
  due: boolean;
  /** Of the requests in it. Their columns take about as much, or a little more. */
  bytes: number;
}

export class Lane {
  private readonly signal: Signal;
  private readonly options: LaneOptions;
  private open: Group | null;
  private readonly full: Group[];
  private readonly idle: Transcoder[];
  private readonly sending: Set<Promise<void>>;
  private draining: boolean;

  constructor(signal: Signal, options: LaneOptions) {
    this.signal = signal;
    this.options = options;
    this.open = null;
    this.full = [];
    this.idle = [];
    this.sending = new Set();
    this.draining = false;
  }

  /** Takes records from number `first` on; resolves when what became of them is final. */
  async add(batch: Batch, first: number, names: RowNames): Promise<Verdict> {
    const group = (this.open ??= this.openGroup());
    const { transcoder } = group;
    const arrivalMs = this.options.clock.nowMs();
    const before = transcoder.tables.map((table) => table.rows);
    const open = { first, end: Infinity };
    const { stored, reason, next } = transcoder.append(batch, arrivalMs, open, names);
    const range = { first, end: next ?? Infinity };
    const rows = transcoder.tables.map((table, index) => table.rows - before[index]!);
    const settled = { reason, refused: 0, failure: null };
    const pending: Pending = { batch, arrivalMs, range, names, rows, ...settled };
    if (stored > 0) group.bytes += batch.bytes.length;
    const committed = stored === 0 ? null : new Promise<void>((settle) => {
      group.waiting.push(Object.assign(pending, { settle }));
    });
    this.schedule(group);
    await committed;
    const { failure, refused } = pending;
    return { stored: stored - refused, reason: pending.reason, failure, next };
  }

  /** Sends everything and resolves when all verdicts are given. */
  async drain(): Promise<void> {
    this.draining = true;
    for (this.pump(); this.sending.size > 0; this.pump()) await Promise.all(this.sending);
  }

  private openGroup(): Group {
    const transcoder = this.idle.pop() ?? new Transcoder(this.signal);
    return { transcoder, waiting: [], timer: null, due: false, bytes: 0 };
  }

  private schedule(group: Group): void {
    const { transcoder, bytes } = group;
    if (group.waiting.length === 0) {
      if (transcoder.isFull()) this.open = null;
      return;
    }
    const { clock, intervalMs, rows } = this.options;
    if (transcoder.rowCount() >= rows || bytes >= this.options.bytes || transcoder.isFull()) {
      group.timer?.cancel();
      this.full.push(group);
      this.open = null;
      this.pump();
    } else if (group.timer === null) {
      group.timer = clock.after(intervalMs, () => {
        group.due = true;
        this.pump();
      });
    }
  }

  private pump(): void {
    for (let group = this.takeNext(); group !== null; group = this.takeNext()) {
      const sending: Promise<void> = this.send(group).finally(() => {
        this.sending.delete(sending);
        this.pump();
      });
      this.sending.add(sending);
    }
  }

  /** Takes the group that is to be sent now out of the lane. */
  private takeNext(): Group | null {
    if (this.sending.size >= limits.insertsMax) return null;
    const full = this.full.shift();
    if (full !== undefined) return full;
    const { open } = this;
    if (open === null || open.waiting.length === 0 || this.sending.size > 0) return null;
    if (!open.due && !this.draining) return null;
    open.timer?.cancel();
    this.open = null;
    return open;
  }

  private async send({ transcoder, waiting }: Group): Promise<void> {
    const failures = await commit(transcoder, waiting, this.options.insert);
    // After a failed insert its bytes may still be on their way, so their memory is not used again.
    if (failures.length === 0 && this.idle.length < limits.idleTranscodersMax) {
      transcoder.reset();
      this.idle.push(transcoder);
    }
    for (const failure of failures) {
      reportFailure(this.options.log, `cannot insert ${this.signal}`, failure);
    }
    for (const request of waiting) request.settle();
  }
}

/** Says in the log what went wrong and what comes next. */
export function reportFailure(log: Log, what: string, failure: InsertFailure): void {
  const { needsPerson, reason, transient } = failure;
  const cause = `${what}: ${reason}`;
  if (needsPerson) {
    log.error(cause, { hint: 'mend the store; senders come again until it is done' });
  } else {
    log.warn(`${cause}; ${transient ? 'senders will come again' : 'looking for the bad rows'}`);
  }
}
