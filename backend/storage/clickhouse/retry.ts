// Stores a batch that was sent before, and may be stored in whole, in part, or not at all.
//
// It is transcoded alone and looked up under the names of its rows. When nothing is there, it goes
// the way of all batches. Otherwise only the days of the tables that miss it are inserted, without
// company, and the answer is what the first attempt would have got: refused records are found again
// by transcoding, or by ClickHouse.

import type { Signal } from '../../../proto/otlp/model.ts';
import type { Clock } from '../../../runtime/clock.ts';
import type { Counters } from '../../../runtime/counters.ts';
import type { Connection } from './client.ts';
import { commit, GIVEN_UP } from './commit.ts';
import type { Pending, Target } from './commit.ts';
import { insertFailure } from './errors.ts';
import type { Fence } from './fence.ts';
import type { Interest, Piece, Verdict } from './lane.ts';
import { findStored, insertMissing, repairViews } from './stored.ts';
import type { Stored } from './stored.ts';
import type { Table } from './transcode/table.ts';
import { Transcoder } from './transcode/transcoder.ts';

export const limits = {
  /** Batches that are looked up at the same time, each with columns of its own; others wait. */
  lookupsMax: 4,
} as const;

export interface RetryOptions {
  readonly connection: Connection;
  readonly fence: Fence;
  readonly clock: Clock;
  readonly counters: Counters;
  /** Gives up what is under way. */
  readonly abort: AbortSignal;
  /** Runs an insert of `rows` rows into `table` and counts it. */
  readonly insert: (
    table: Table,
    rows: number,
    run: (queryId: string) => Promise<void>,
  ) => Promise<void>;
  readonly target: Target;
}

interface Transcoded {
  readonly transcoder: Transcoder;
  readonly pending: Pending;
  readonly next: number | null;
}

export class Retries {
  private readonly options: RetryOptions;
  private readonly waiting: (() => void)[];
  private running: number;

  constructor(options: RetryOptions) {
    this.options = options;
    this.waiting = [];
    this.running = 0;
  }

  /**
   * Completes what is stored of the piece. Answers null when nothing of it is stored.
   */
  async complete(piece: Piece, interest: Interest): Promise<Verdict | null> {
    if (this.running >= limits.lookupsMax) {
      await new Promise<void>((go) => this.waiting.push(go));
    } else {
      this.running++;
    }
    try {
      return await this.completeNow(piece, interest);
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.running--;
      else next();
    }
  }

  private async completeNow(
    { batch, first, names }: Piece,
    interest: Interest,
  ): Promise<Verdict | null> {
    const piece = this.transcode({ batch, first, names }, interest);
    const tables = piece.transcoder.tables.filter((table) => table.rows > 0);
    const { pending, next } = piece;
    if (tables.length === 0) return { stored: 0, reason: pending.reason, failure: null, next };
    let found: Stored[];
    try {
      found = await this.find(batch.signal, piece, tables);
    } catch (error) {
      const cause = insertFailure(error);
      const failure = { ...cause, transient: true };
      return { stored: 0, reason: '', failure, next };
    }
    if (found.every((stored) => rowsOf(stored) === 0)) return null;
    if (!interest.wanted()) return { stored: 0, reason: '', failure: GIVEN_UP, next };
    interest.inserting(true);
    await this.fill(piece, new Map(tables.map((table, index) => [table, found[index]!])));
    interest.inserting(false);
    const { failure, reason, refused, rows } = pending;
    const total = rows.reduce((sum, count) => sum + count, 0);
    return { stored: total - refused, reason, failure, next };
  }

  private transcode({ batch, first, names }: Piece, { wanted }: Interest): Transcoded {
    const transcoder = new Transcoder(batch.signal);
    const arrivalMs = this.options.clock.nowMs();
    const { reason, next } = transcoder.append(batch, arrivalMs, { first, end: Infinity }, names);
    const range = { first, end: next ?? Infinity };
    const rows = transcoder.tables.map((table) => table.rows);
    const settled = { reason, refused: 0, failure: null };
    const pending = { batch, arrivalMs, range, names, rows, wanted, ...settled };
    return { transcoder, pending, next };
  }

  private async find(
    signal: Signal,
    piece: Transcoded,
    tables: readonly Table[],
  ): Promise<Stored[]> {
    const { abort, clock, connection, counters, fence } = this.options;
    const { names } = piece.pending;
    const startMs = clock.monotonicMs();
    await fence.passed(abort);
    const untimed = piece.transcoder.hasUntimed();
    const found = await findStored(connection, { tables, names, untimed }, abort);
    const seconds = (clock.monotonicMs() - startMs) / 1000;
    const count = (name: string, help: string, value: number) =>
      counters.counter(`binnacle_storage_${name}`, help, { signal }).add(value);
    count('lookups_total', 'Lookups of batches that were sent before.', 1);
    count('lookup_seconds_total', 'Time that these took.', seconds);
    return found;
  }

  private async fill(
    { transcoder, pending }: Transcoded,
    found: ReadonlyMap<Table, Stored>,
  ): Promise<void> {
    const { abort, connection, counters, insert } = this.options;
    const { batch, names } = pending;
    const insertThose = async (table: Table) => {
      const stored = found.get(table)!;
      const missing = table.rows - rowsOf(stored);
      if (missing <= 0) return;
      await insert(table, missing, (queryId) =>
        insertMissing(connection, { table, names, stored, queryId }, abort));
    };
    await commit(transcoder, [pending], { ...this.options.target, insert: insertThose });
    if (pending.failure === null) {
      const piece = { tables: [...found.keys()], names, untimed: transcoder.hasUntimed() };
      try {
        await repairViews(connection, piece, abort);
      } catch (error) {
        pending.failure = { ...insertFailure(error), transient: true };
      }
    }
    if (pending.failure !== null) return;
    let rows = 0;
    for (const [table, stored] of found) rows += Math.min(table.rows, rowsOf(stored));
    countDuplicates(counters, batch.signal, rows);
  }
}

export function countDuplicates(counters: Counters, signal: Signal, rows: number): void {
  counters.counter(
    'binnacle_ingest_duplicates_total',
    'Records of repeated batches that were stored already; they count as stored once more.',
    { signal },
  ).add(rows);
}

const rowsOf = ({ timed, untimed }: Stored): number => timed + untimed;
