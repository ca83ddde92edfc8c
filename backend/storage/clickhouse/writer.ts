// Gathers requests into few large inserts and answers each after its rows are committed.
//
// Every signal has a lane. A request is transcoded at once into the lane's open group. A group is
// sent when it is full (rows, bytes) or has been open for the flush interval, and when no other
// insert of the lane is under way; while one is, requests gather for the next. A full group does
// not wait for that: two inserts of a lane may be under way. All requests of a group are answered
// together, except that one with bad rows is told apart (commit.ts).
//
// What waits is bounded in bytes; beyond that senders are told to come again. The writer keeps no
// data of its own: what was not answered is still the sender's.
//
// A batch with an id is stored once, however often and in whatever company it is sent: while it is
// under way, further attempts wait for that result, and an attempt that says it is not the first is
// looked up in the store before anything is inserted (retry.ts). A first attempt is not looked up:
// it cannot have been stored. Requests without an id are stored as often as they are sent.
//
// A sender that has stopped waiting may give its batch to another backend, which looks for it in
// the store and among the inserts that run there, and cannot see what is gathered here. So a batch
// with an id is dropped when nobody waits for it any more and its insert has not begun (D-023). One
// without an id is stored all the same: nobody may be there to send it again.

import { setMaxListeners } from 'node:events';
import type { Batch } from '../../../proto/contract/batch.ts';
import { ACCEPTED, retryable } from '../../../proto/contract/outcome.ts';
import type { Outcome } from '../../../proto/contract/outcome.ts';
import { SIGNALS } from '../../../proto/otlp/model.ts';
import type { Signal } from '../../../proto/otlp/model.ts';
import type { Counters } from '../../../runtime/counters.ts';
import { rateLimited } from '../../../runtime/log.ts';
import type { Log } from '../../../runtime/log.ts';
import type { World } from '../../../runtime/world.ts';
import type { StorageWriter } from '../contract.ts';
import { Attempt } from './attempt.ts';
import type { Connection } from './client.ts';
import { GIVEN_UP } from './commit.ts';
import type { Target } from './commit.ts';
import { insertFailure } from './errors.ts';
import { Fence } from './fence.ts';
import { insertTable } from './insert.ts';
import { Lane, reportFailure } from './lane.ts';
import type { Interest, Piece, Verdict } from './lane.ts';
import { createLateness } from './lateness.ts';
import type { Retention } from './retention.ts';
import { countDuplicates, Retries } from './retry.ts';
import { countStored, insertRest, noteRefused, repairViewsOf } from './stored.ts';
import { rowNames } from './transcode/names.ts';
import type { Table } from './transcode/table.ts';

export interface WriterOptions {
  readonly world: World;
  readonly log: Log;
  readonly counters: Counters;
  readonly connection: Connection;
  readonly flush: FlushOptions;
  /** How long records are kept: older ones are counted (lateness.ts). Absent for ever. */
  readonly retention?: Retention | undefined;
  /** How many times longer than `flush.intervalMs` requests gather now, 1 or more. */
  readonly pace?: (() => number) | undefined;
}

export interface FlushOptions {
  /** Longest wait of a request for company, in milliseconds. */
  readonly intervalMs: number;
  /** Rows, and bytes of requests, with which a group is full. */
  readonly rows: number;
  readonly bytes: number;
  /** Bytes of requests that may wait for their commit; beyond it requests are put off. */
  readonly waitingBytesMax: number;
}

const limits = {
  /** Inserts that one request may be cut into; the records beyond are refused. */
  piecesMax: 128,
} as const;

const FULL_RETRY_MS = 1000;
const STOPPED_RETRY_MS = 1000;
const LOG_EVERY_MS = 10_000;
const FOR_EVER: Retention = { logsMs: Infinity, tracesMs: Infinity, metricsMs: Infinity };
const TOO_LARGE = 'its resource attributes, repeated for each record, are too large';

export interface Writer extends StorageWriter {
  /** Sends what was gathered and waits for it; what is not done at `deadline` is to come again. */
  stop(deadline: AbortSignal): Promise<void>;
}

export function createWriter(options: WriterOptions): Writer {
  return new GatheringWriter(options);
}

class GatheringWriter implements Writer {
  private readonly options: WriterOptions;
  private readonly log: Log;
  private readonly lanes: ReadonlyMap<Signal, Lane>;
  private readonly retries: Retries;
  private readonly fence: Fence;
  private readonly cut: AbortController;
  /** What was taken and has no answer yet. */
  private readonly taken: Set<Attempt>;
  /** Of these, the batches with an id, by signal and id. */
  private readonly underWay: Map<string, Attempt>;
  private stopped: boolean;
  private waitingBytes: number;

  constructor(options: WriterOptions) {
    const { clock, random } = options.world;
    const { connection, counters } = options;
    const log = rateLimited(options.log, clock, LOG_EVERY_MS);
    this.cut = new AbortController();
    // Each insert and lookup listens to it, a known number at a time.
    setMaxListeners(0, this.cut.signal);
    const target = createTarget(connection, this.cut.signal, this.insert.bind(this));
    const { flush, pace = () => 1, retention = FOR_EVER } = options;
    const late = createLateness({ clock, counters, log: options.log, retention });
    const lane = (signal: Signal) => new Lane(signal, { ...flush, pace, late, clock, log, target });
    this.options = options;
    this.log = log;
    this.lanes = new Map(SIGNALS.map((signal) => [signal, lane(signal)]));
    this.fence = new Fence(connection, clock, random);
    this.retries = new Retries({
      ...{ connection, counters, clock, fence: this.fence, abort: this.cut.signal, target },
      insert: (table, rows, run) => this.insert(table, rows, run),
    });
    this.taken = new Set();
    this.underWay = new Map();
    this.stopped = false;
    this.waitingBytes = 0;
    counters.gauge(
      'binnacle_storage_waiting_bytes',
      'Bytes of requests that wait for their commit.',
      () => this.waitingBytes,
    );
  }

  async consume(batch: Batch, abort: AbortSignal, attempt = 0): Promise<Outcome> {
    if (this.stopped) return retryable('the backend is stopping', STOPPED_RETRY_MS);
    const key = batch.id === undefined ? null : `${batch.signal} ${batch.id}`;
    if (key !== null && abort.aborted) return retryable(GIVEN_UP.reason);
    const earlier = key === null ? undefined : this.underWay.get(key);
    if (earlier?.isLive() === true) return this.join(batch, earlier, abort);
    const size = batch.bytes.length;
    // A single request larger than the bound is taken when nothing else waits.
    if (this.waitingBytes > 0 && this.waitingBytes + size > this.options.flush.waitingBytesMax) {
      return retryable('too much waits for the store', FULL_RETRY_MS);
    }
    this.waitingBytes += size;
    const taken = new Attempt(key !== null, (interest) =>
      this.store(batch, attempt, interest).finally(() => {
        this.waitingBytes -= size;
        this.taken.delete(taken);
        if (key !== null && this.underWay.get(key) === taken) this.underWay.delete(key);
      }));
    this.taken.add(taken);
    if (key !== null) this.underWay.set(key, taken);
    return taken.wait(abort);
  }

  /** The result of an attempt that was under way when the same batch came again. */
  private async join(batch: Batch, earlier: Attempt, abort: AbortSignal): Promise<Outcome> {
    const outcome = await earlier.wait(abort);
    if (outcome.status === 'accepted') {
      countDuplicates(this.options.counters, batch.signal, batch.itemCount - outcome.rejected);
    }
    return outcome;
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.stopped = true;
    const cut = () => this.cut.abort();
    deadline.addEventListener('abort', cut, { once: true });
    if (deadline.aborted) cut();
    const lanes = [...this.lanes.values()];
    // What is looked up, or cut into pieces, comes into a lane later.
    for (;;) {
      await Promise.all(lanes.map((lane) => lane.drain()));
      if (this.taken.size === 0) break;
      await Promise.race([...this.taken].map(({ outcome }) => outcome));
    }
    deadline.removeEventListener('abort', cut);
  }

  /** Stores a request, piece by piece when its columns are too large to be held at once. */
  private async store(batch: Batch, attempt: number, interest: Interest): Promise<Outcome> {
    let stored = 0;
    let reason = '';
    let next: number | null = 0;
    for (let piece = 0; next !== null; piece++) {
      if (piece >= limits.piecesMax) {
        reason ||= TOO_LARGE;
        break;
      }
      const names = rowNames(batch.id, piece);
      const verdict = await this.storePiece({ batch, first: next, names }, attempt, interest);
      if (verdict.failure !== null) {
        return retryable(verdict.failure.reason, verdict.failure.retryAfterMs);
      }
      stored += verdict.stored;
      reason ||= verdict.reason;
      next = verdict.next;
    }
    const rejected = batch.itemCount - stored;
    if (batch.id !== undefined && (rejected > 0 || stored === 0)) {
      const failure = await this.note(batch.id, batch.signal, rejected);
      if (failure !== null) return failure;
    }
    return rejected === 0 ? ACCEPTED : { status: 'accepted', rejected, reason };
  }

  /** Keeps the books of what was refused; an outcome when that fails, so that it comes again. */
  private async note(id: string, signal: Signal, refused: number): Promise<Outcome | null> {
    try {
      const { connection } = this.options;
      await noteRefused(connection, { id, signal, refused }, this.cut.signal);
      return null;
    } catch (error) {
      const { reason, retryAfterMs } = insertFailure(error);
      return retryable(`cannot note what was refused: ${reason}`, retryAfterMs);
    }
  }

  private async storePiece(piece: Piece, attempt: number, interest: Interest): Promise<Verdict> {
    const { batch } = piece;
    if (batch.id !== undefined && attempt > 0) {
      const verdict = await this.retries.complete(piece, interest);
      const failure = verdict?.failure ?? null;
      if (failure !== null) reportFailure(this.log, `cannot look up ${batch.signal}`, failure);
      if (verdict !== null) return verdict;
    }
    return this.lanes.get(batch.signal)!.add(piece, interest);
  }

  private async insert(
    table: Table,
    rows: number,
    run: (queryId: string) => Promise<void>,
  ): Promise<void> {
    const { counters, world } = this.options;
    const count = (name: string, help: string, value: number) =>
      counters.counter(`binnacle_storage_${name}`, help, { table: table.name }).add(value);
    const startMs = world.clock.monotonicMs();
    try {
      await this.fence.run(run);
    } catch (error) {
      count('insert_failures_total', 'Inserts that were not committed.', 1);
      throw error;
    }
    const seconds = (world.clock.monotonicMs() - startMs) / 1000;
    count('inserts_total', 'Inserts that were committed.', 1);
    count('rows_total', 'Rows that were committed.', rows);
    count('bytes_total', 'Bytes of columns that were committed.', table.byteCount());
    count('insert_seconds_total', 'Time from sending inserts to their commit.', seconds);
  }
}

type RunInsert = (
  table: Table,
  rows: number,
  run: (queryId: string) => Promise<void>,
) => Promise<void>;

function createTarget(connection: Connection, abort: AbortSignal, insert: RunInsert): Target {
  return {
    insert: (table) => insert(table, table.rows, (queryId) =>
      insertTable(connection, table, queryId, abort)),
    insertRest: (table, names) => insert(table, table.rows, (queryId) =>
      insertRest(connection, { table, names, queryId }, abort)),
    count: (table, names) => countStored(connection, table, names, abort),
    repair: (table, names) => repairViewsOf(connection, table, names, abort),
  };
}
