// Commits the requests of one group, which were gathered in one transcoder, and notes for each what
// became of it.
//
// Each table of the group is one insert. When ClickHouse refuses one for a reason that lies in the
// rows, the requests that have rows in it are tried again in halves, down to single requests, so
// that the one with the bad rows is refused and its neighbours are stored. Tables that were
// committed are not sent again.

import type { Batch } from '../../../proto/contract/batch.ts';
import { insertFailure } from './errors.ts';
import type { InsertFailure } from './errors.ts';
import type { RowNames } from './transcode/names.ts';
import type { Table } from './transcode/table.ts';
import { Transcoder } from './transcode/transcoder.ts';
import type { RecordRange } from './transcode/transcoder.ts';

export const limits = {
  /**
   * Most inserts that the search for bad rows in one table of one group may take. What is left
   * then is told to come again, and meets other neighbours.
   */
  searchInsertsMax: 200,
} as const;

/** A request, or a part of a large one, whose rows are in the group. */
export interface Pending {
  readonly batch: Batch;
  readonly arrivalMs: number;
  readonly range: RecordRange;
  readonly names: RowNames;
  /** How many of its records have a row, by index of the transcoder's tables. */
  readonly rows: readonly number[];
  /** How many of these rows ClickHouse refused, and why it did. */
  refused: number;
  reason: string;
  /** Set when rows are not stored that may be stored later. */
  failure: InsertFailure | null;
}

/** Stores the rows of a table; throws what the client throws. */
export type Insert = (table: Table) => Promise<void>;

/** Sends the tables of `transcoder`. Answers the failures that were met; none means all is well. */
export async function commit(
  transcoder: Transcoder,
  pending: readonly Pending[],
  insert: Insert,
): Promise<readonly InsertFailure[]> {
  const failures: InsertFailure[] = [];
  const commitTable = async (table: Table, index: number) => {
    if (table.rows === 0) return;
    const failure = await attempt(insert, table);
    if (failure === null) return;
    failures.push(failure);
    const concerned = pending.filter((request) => request.rows[index]! > 0);
    const search = { index, insert, insertsLeft: limits.searchInsertsMax };
    await settleFailure(search, concerned, failure);
  };
  await Promise.all(transcoder.tables.map(commitTable));
  return failures;
}

async function attempt(insert: Insert, table: Table): Promise<InsertFailure | null> {
  try {
    await insert(table);
    return null;
  } catch (error) {
    return insertFailure(error);
  }
}

interface Search {
  /** Of the table that was refused. */
  readonly index: number;
  readonly insert: Insert;
  insertsLeft: number;
}

async function settleFailure(
  search: Search,
  requests: readonly Pending[],
  failure: InsertFailure,
): Promise<void> {
  const [first] = requests;
  if (failure.transient || search.insertsLeft <= 0) {
    for (const request of requests) request.failure = failure;
  } else if (requests.length === 1 && first !== undefined) {
    first.refused += first.rows[search.index]!;
    first.reason = failure.reason;
  } else {
    const middle = requests.length >> 1;
    await commitSome(search, requests.slice(0, middle));
    await commitSome(search, requests.slice(middle));
  }
}

async function commitSome(search: Search, requests: readonly Pending[]): Promise<void> {
  const transcoder = new Transcoder(requests[0]!.batch.signal);
  for (const { batch, arrivalMs, range, names } of requests) {
    transcoder.append(batch, arrivalMs, range, names);
  }
  search.insertsLeft -= 1;
  const failure = await attempt(search.insert, transcoder.tables[search.index]!);
  if (failure !== null) await settleFailure(search, requests, failure);
}
