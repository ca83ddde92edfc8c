// Requests of one signal on their way into inserts. See writer.ts for the rules.

import type { Batch } from '../../../proto/contract/batch.ts';
import type { Signal } from '../../../proto/otlp/model.ts';
import type { Clock, Timer } from '../../../runtime/clock.ts';
import type { Log } from '../../../runtime/log.ts';
import { commit, gather, GIVEN_UP } from './commit.ts';
import type { Pending, Target } from './commit.ts';
import type { InsertFailure } from './errors.ts';
import type { Lateness } from './lateness.ts';
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
  readonly target: Target;
  /** See FlushOptions. */
  readonly intervalMs: number;
  readonly rows: number;
  readonly bytes: number;
  /** See WriterOptions. */
  readonly pace: () => number;
  readonly late: Lateness;
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

/** One that waits for the answer to an attempt. */
export interface Interest {
  readonly wanted: () => boolean;
  /** Is told when an insert of the rows begins, and when all of them have ended. */
  readonly inserting: (inserting: boolean) => void;
}

interface Waiting extends Pending {
  readonly interest: Interest;
  readonly settle: () => void;
}

/** Records of `batch` from number `first` on, and the names for their rows. */
export interface Piece {
  readonly batch: Batch;
  readonly first: number;
  readonly names: RowNames;
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

  /** Resolves when what became of the records is final. */
  async add({ batch, first, names }: Piece, interest: Interest): Promise<Verdict> {
    const group = (this.open ??= this.openGroup());
    const { transcoder } = group;
    const arrivalMs = this.options.clock.nowMs();
    const before = transcoder.tables.map((table) => table.rows);
    const open = { first, end: Infinity };
    const { stored, reason, next } = transcoder.append(batch, arrivalMs, open, names);
    const range = { first, end: next ?? Infinity };
    const rows = transcoder.tables.map((table, index) => table.rows - before[index]!);
    this.options.late.count(this.signal, transcoder.tables, before);
    const { wanted } = interest;
    const settled = { reason, refused: 0, failure: null };
    const pending: Pending = { batch, arrivalMs, range, names, rows, wanted, ...settled };
    if (stored > 0) group.bytes += batch.bytes.length;
    const committed = stored === 0 ? null : new Promise<void>((settle) => {
      group.waiting.push(Object.assign(pending, { interest, settle }));
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
    const { clock, intervalMs, pace, rows } = this.options;
    if (transcoder.rowCount() >= rows || bytes >= this.options.bytes || transcoder.isFull()) {
      group.timer?.cancel();
      this.full.push(group);
      this.open = null;
      this.pump();
    } else if (group.timer === null) {
      group.timer = clock.after(intervalMs * pace(), () => {
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
    const wanted = waiting.filter((request) => request.wanted());
    for (const request of waiting) if (!request.wanted()) request.failure = GIVEN_UP;
    for (const { interest } of wanted) interest.inserting(true);
    const failures = await this.commit(transcoder, wanted, waiting.length);
    // After a failed insert its bytes may still be on their way, so their memory is not used again.
    if (failures.length === 0 && this.idle.length < limits.idleTranscodersMax) {
      transcoder.reset();
      this.idle.push(transcoder);
    }
    for (const failure of failures) {
      reportFailure(this.options.log, `cannot insert ${this.signal}`, failure);
    }
    for (const { interest } of wanted) interest.inserting(false);
    for (const request of waiting) request.settle();
  }

  /** The columns hold all requests of a group: without some of them, new ones are made. */
  private async commit(
    transcoder: Transcoder,
    wanted: readonly Waiting[],
    all: number,
  ): Promise<readonly InsertFailure[]> {
    if (wanted.length === 0) return [];
    const columns = wanted.length === all ? transcoder : gather(wanted);
    return commit(columns, wanted, this.options.target);
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
