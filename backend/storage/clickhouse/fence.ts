// Knows which inserts may still be on their way into the store, so that a lookup of what an earlier
// attempt has stored is not answered too early.
//
// An insert of ours whose answer did not arrive may be running all the same: its query id is tried
// until ClickHouse takes it, which refuses an id that is in use (216). An insert of another
// backend, or of one that was killed, is seen in `system.processes` by its name; those that are
// there when a lookup begins are waited for. What another backend has gathered and not sent yet is
// not seen, and is dropped there when its sender turns to us (writer.ts).

import { ClickHouseError } from '@clickhouse/client';
import type { Clock } from '../../../runtime/clock.ts';
import type { Random } from '../../../runtime/random.ts';
import type { Connection } from './client.ts';

export const limits = {
  /** Inserts without an answer that are remembered; the oldest is forgotten. */
  unansweredMax: 1000,
  /** Longest wait for inserts to end; then the lookup fails, and the sender comes again. */
  waitMs: 30_000,
} as const;

const PREFIX = 'binnacle-insert-';
/** The embedded engine makes ids of its own, and keeps ours at the beginning of the comment. */
const NAME = `if(startsWith(query_id, '${PREFIX}'), query_id,
  splitByChar(' ', Settings['log_comment'])[1])`;
const POLL_MS = 100;
const SAME_ID_RUNS = 216;
const ACCESS_DENIED = 497;

export class Fence {
  private readonly connection: Connection;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly running: Set<string>;
  private readonly unanswered: Set<string>;

  constructor(connection: Connection, clock: Clock, random: Random) {
    this.connection = connection;
    this.clock = clock;
    this.random = random;
    this.running = new Set();
    this.unanswered = new Set();
  }

  /** Runs an insert under a query id of its own, and remembers it when no answer came. */
  async run(insert: (queryId: string) => Promise<void>): Promise<void> {
    const queryId = `${PREFIX}${this.random.uuid()}`;
    this.running.add(queryId);
    try {
      await insert(queryId);
    } catch (error) {
      if (!(error instanceof ClickHouseError)) this.remember(queryId);
      throw error;
    } finally {
      this.running.delete(queryId);
    }
  }

  /**
   * Resolves when every insert has ended that was under way when it was called, without those of
   * ours that wait for their answer. Throws what the client throws, and after `limits.waitMs`.
   */
  async passed(abort: AbortSignal): Promise<void> {
    const endMs = this.clock.monotonicMs() + limits.waitMs;
    const wait = async () => {
      abort.throwIfAborted();
      if (this.clock.monotonicMs() > endMs) {
        throw new Error('an earlier insert has not ended yet');
      }
      await this.clock.sleep(POLL_MS, abort);
    };
    for (const queryId of [...this.unanswered]) {
      while (await this.isTaken(queryId, abort)) await wait();
      this.unanswered.delete(queryId);
    }
    const before = await this.others(abort);
    while (before.size > 0) {
      await wait();
      const now = await this.others(abort);
      for (const queryId of before) if (!now.has(queryId)) before.delete(queryId);
    }
  }

  private remember(queryId: string): void {
    this.unanswered.add(queryId);
    const [oldest] = this.unanswered;
    if (this.unanswered.size > limits.unansweredMax) this.unanswered.delete(oldest!);
  }

  private async isTaken(queryId: string, abort: AbortSignal): Promise<boolean> {
    try {
      await this.connection.readLines('SELECT 1', { query_id: queryId, abort_signal: abort });
      return false;
    } catch (error) {
      if (isError(error, SAME_ID_RUNS)) return true;
      throw error;
    }
  }

  /** Running inserts that are not ours; none when the user may not see them. */
  private async others(abort: AbortSignal): Promise<Set<string>> {
    const query = `SELECT ${NAME} AS name FROM system.processes
      WHERE startsWith(name, '${PREFIX}')`;
    try {
      const found = await this.connection.readLines(query, { abort_signal: abort });
      return new Set(found.filter((queryId) => !this.running.has(queryId)));
    } catch (error) {
      if (isError(error, ACCESS_DENIED)) return new Set();
      throw error;
    }
  }
}

function isError(error: unknown, code: number): boolean {
  return error instanceof ClickHouseError && Number(error.code) === code;
}
