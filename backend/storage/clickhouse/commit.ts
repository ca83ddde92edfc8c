// Commits the requests of one group, which were gathered in one transcoder, and notes for each what
// became of it.
//
// Each table of the group is one insert. When ClickHouse refuses one for a reason that lies in the
// rows, the requests that have rows in it are tried again in halves, down to single requests, so
// that the one with the bad rows is refused and its neighbours are stored. Tables that were
// committed are not sent again.
//
// An insert that was refused may have committed some of its days, or all of them when a view behind
// the table has thrown. So the search leaves out what is stored already of requests with an id, and
// counts what is stored of one that is refused. Requests without an id may be stored again by it.
//
// A request whose sender has stopped waiting may be with another backend by now. It is left out of
// every insert that has not begun (writer.ts).

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
  /**
   * Names of requests that one insert of the search looks for; they travel in its URL. More
   * requests are tried in halves at once.
   */
  namesBytesMax: 8 * 1024,
} as const;

/** What a request gets whose sender has stopped waiting before its insert began. */
export const GIVEN_UP: InsertFailure = {
  transient: true, needsPerson: false, reason: 'the sender stopped waiting', retryAfterMs: 0,
};

/** A request, or a part of a large one, whose rows are in the group. */
export interface Pending {
  readonly batch: Batch;
  readonly arrivalMs: number;
  readonly range: RecordRange;
  readonly names: RowNames;
  /** How many of its records have a row, by index of the transcoder's tables. */
  readonly rows: readonly number[];
  /** Whether its sender still waits; once it does not, it never does again. */
  readonly wanted: () => boolean;
  /** How many of these rows ClickHouse refused, and why it did. */
  refused: number;
  reason: string;
  /** Set when rows are not stored that may be stored later. */
  failure: InsertFailure | null;
}

/** Where rows go. All throw what the client throws. */
export interface Target {
  /** Stores the rows of a table. */
  readonly insert: (table: Table) => Promise<void>;
  /** Stores those of its rows that an insert which has failed has not stored under these names. */
  readonly insertRest: (table: Table, names: readonly string[]) => Promise<void>;
  /** Counts the rows of these names that are stored, in the time that those of `table` span. */
  readonly count: (table: Table, names: readonly string[]) => Promise<number>;
  /** Makes the targets of views complete for the rows that are stored under these names. */
  readonly repair: (table: Table, names: readonly string[]) => Promise<void>;
}

/** Sends the tables of `transcoder`. Answers the failures that were met; none means all is well. */
export async function commit(
  transcoder: Transcoder,
  pending: readonly Pending[],
  target: Target,
): Promise<readonly InsertFailure[]> {
  const failures: InsertFailure[] = [];
  const commitTable = async (table: Table, index: number) => {
    if (table.rows === 0) return;
    const failure = await attempt(() => target.insert(table));
    if (failure === null) return;
    failures.push(failure);
    const concerned = pending.filter((request) => request.rows[index]! > 0);
    const search = { index, target, insertsLeft: limits.searchInsertsMax };
    await settleFailure(search, { requests: concerned, table }, failure);
    if (!failure.transient) await repairViews(search, concerned);
  };
  await Promise.all(transcoder.tables.map(commitTable));
  return failures;
}

/** The requests in new columns. */
export function gather(requests: readonly Pending[]): Transcoder {
  const transcoder = new Transcoder(requests[0]!.batch.signal);
  for (const { batch, arrivalMs, range, names } of requests) {
    transcoder.append(batch, arrivalMs, range, names);
  }
  return transcoder;
}

async function attempt(run: () => Promise<void>): Promise<InsertFailure | null> {
  try {
    await run();
    return null;
  } catch (error) {
    return insertFailure(error);
  }
}

interface Search {
  /** Of the table that was refused. */
  readonly index: number;
  readonly target: Target;
  insertsLeft: number;
}

/** Requests, and their rows for the table of the search. */
interface Part {
  readonly requests: readonly Pending[];
  readonly table: Table;
}

async function settleFailure(search: Search, part: Part, failure: InsertFailure): Promise<void> {
  const { requests, table } = part;
  const [first] = requests;
  if (failure.transient || search.insertsLeft <= 0) {
    for (const request of requests) request.failure ??= failure;
  } else if (requests.length === 1 && first !== undefined) {
    await refuse(search, first, table, failure);
  } else {
    await commitHalves(search, requests);
  }
}

async function refuse(
  { index, target }: Search,
  request: Pending,
  table: Table,
  failure: InsertFailure,
): Promise<void> {
  const rows = request.rows[index]!;
  let stored = 0;
  const names = namesOf([request]);
  const unknown = names.length === 0 ? null : await attempt(async () => {
    stored = await target.count(table, names);
  });
  if (unknown !== null) {
    request.failure = { ...unknown, transient: true };
  } else if (stored < rows) {
    request.refused += rows - stored;
    request.reason = failure.reason;
  }
}

/** What the refused insert has committed may have gone without its views. */
async function repairViews(search: Search, requests: readonly Pending[]): Promise<void> {
  const named = requests.filter(({ batch, failure }) =>
    batch.id !== undefined && failure === null);
  for (const part of chunks(named)) {
    const table = gather(part).tables[search.index]!;
    const failure = await attempt(() => search.target.repair(table, namesOf(part)));
    if (failure === null) continue;
    for (const request of part) request.failure = { ...failure, transient: true };
  }
}

/** As many requests at a time as have names for one statement. */
function* chunks(requests: readonly Pending[]): Generator<readonly Pending[]> {
  let chunk: Pending[] = [];
  for (const request of requests) {
    if (chunk.length > 0 && bytesOf([...chunk, request]) > limits.namesBytesMax) {
      yield chunk;
      chunk = [];
    }
    chunk.push(request);
  }
  if (chunk.length > 0) yield chunk;
}

async function commitHalves(search: Search, requests: readonly Pending[]): Promise<void> {
  const middle = requests.length >> 1;
  await commitSome(search, requests.slice(0, middle));
  await commitSome(search, requests.slice(middle));
}

async function commitSome(search: Search, all: readonly Pending[]): Promise<void> {
  const requests = all.filter((request) => request.wanted());
  for (const request of all) if (!requests.includes(request)) request.failure = GIVEN_UP;
  const names = namesOf(requests);
  const tooMany = requests.length > 1 && bytesOf(requests) > limits.namesBytesMax;
  if (tooMany) return commitHalves(search, requests);
  if (requests.length === 0) return;
  const table = gather(requests).tables[search.index]!;
  search.insertsLeft -= 1;
  const { target } = search;
  const failure = await attempt(() =>
    (names.length === 0 ? target.insert(table) : target.insertRest(table, names)));
  if (failure !== null) await settleFailure(search, { requests, table }, failure);
}

/** The names of their rows. Within one group, rows without a time stay on the day of arrival. */
function namesOf(requests: readonly Pending[]): string[] {
  const named = requests.filter(({ batch }) => batch.id !== undefined);
  return named.flatMap(({ names }) => [names.timed, names.untimed]);
}

const bytesOf = (requests: readonly Pending[]): number =>
  namesOf(requests).reduce((sum, name) => sum + name.length, 0);
