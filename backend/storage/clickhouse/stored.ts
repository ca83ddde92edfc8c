// What the tables hold of a batch already, found by the names of its rows (transcode/names.ts), and
// the statements that add what is missing.
//
// A day that has one row of a name has all of them, so what is missing is whole days of a table.
// ClickHouse itself tells the days apart, with the expression that it partitions by: nothing here
// depends on a time zone. A lookup reads the days of the batch only, and of these the granules that
// the index on BatchId lets through. Rows that retention has removed count as missing; they are
// stored again, and removed again.

import { Readable } from 'node:stream';
import type { Connection } from './client.ts';
import { insertSettings, joined, quotedColumns } from './insert.ts';
import type { RowNames } from './transcode/names.ts';
import type { Table } from './transcode/table.ts';

/** A lookup that takes longer fails, and the sender comes again. */
const LOOKUP_SECONDS_MAX = 30;

/** How many rows of a piece a table has. */
export interface Stored {
  readonly timed: number;
  readonly untimed: number;
}

export interface Lookup {
  /** With at least one row each. */
  readonly tables: readonly Table[];
  readonly names: RowNames;
  /** Whether rows without a time of their own may be among them. */
  readonly untimed: boolean;
}

/** What is stored of the rows of `tables`, in their order. Throws what the client throws. */
export async function findStored(
  connection: Connection,
  { tables, names, untimed }: Lookup,
  abort: AbortSignal,
): Promise<Stored[]> {
  const timedRows = tables.map((table, index) =>
    `SELECT ${index} AS i, count() AS timed, 0 AS untimed FROM ${table.name}
    WHERE BatchId = {timed:String} AND ${inRange(table)}`);
  const untimedRows = tables.map((table, index) =>
    `SELECT ${index}, 0, count() FROM ${table.name} WHERE BatchId = {untimed:String}`);
  const parts = untimed ? [...timedRows, ...untimedRows] : timedRows;
  const lines = await connection.readLines(
    `SELECT sum(timed), sum(untimed) FROM (${parts.join(' UNION ALL ')}) GROUP BY i ORDER BY i`,
    {
      query_params: { ...names },
      abort_signal: abort,
      clickhouse_settings: { max_execution_time: LOOKUP_SECONDS_MAX },
    },
  );
  return lines.map((line) => {
    const [timed = 0, untimedCount = 0] = line.split('\t').map(Number);
    return { timed, untimed: untimedCount };
  });
}

export interface Completion {
  readonly table: Table;
  readonly names: RowNames;
  readonly stored: Stored;
  readonly queryId: string;
}

/** Inserts those rows of a piece that are not stored yet; to be called after `findStored`. */
export function insertMissing(
  connection: Connection,
  { table, names, stored, queryId }: Completion,
  abort: AbortSignal,
): Promise<void> {
  const untimed = stored.untimed > 0 ? [names.untimed] : [];
  return insertUnless(connection, { table, queryId, names: [names.timed], untimed }, abort);
}

export interface Rest {
  readonly table: Table;
  /** Of all rows that may be stored. */
  readonly names: readonly string[];
  readonly queryId: string;
}

/** Inserts those rows that an insert of the same rows has not stored, which has failed since. */
export function insertRest(connection: Connection, rest: Rest, abort: AbortSignal): Promise<void> {
  return insertUnless(connection, { ...rest, untimed: [] }, abort);
}

/** How many rows have one of the names, in the time that the rows of `table` span. */
export async function countStored(
  connection: Connection,
  table: Table,
  names: readonly string[],
  abort: AbortSignal,
): Promise<number> {
  const [count] = await connection.readLines(
    `SELECT count() FROM ${table.name}
    WHERE BatchId IN {names:Array(String)} AND ${inRange(table)}`,
    {
      query_params: { names },
      abort_signal: abort,
      clickhouse_settings: { max_execution_time: LOOKUP_SECONDS_MAX },
    },
  );
  return Number(count);
}

/** Leaves out the days that a name has rows of, and all rows with one of the names in `untimed`. */
async function insertUnless(
  connection: Connection,
  { table, names, untimed, queryId }: Rest & { readonly untimed: readonly string[] },
  abort: AbortSignal,
): Promise<void> {
  const columns = quotedColumns(table);
  const day = `toDate(${table.timeColumn})`;
  abort.throwIfAborted();
  const { stream } = await connection.exec({
    query: `INSERT INTO ${table.name} (${columns})
      SELECT ${columns} FROM input('${table.structure()}')
      WHERE (BatchId, ${day}) NOT IN (
        SELECT DISTINCT BatchId, ${day} FROM ${table.name}
        WHERE BatchId IN {names:Array(String)} AND ${inRange(table)}
      ) ${untimed.length === 0 ? '' : 'AND BatchId NOT IN {untimed:Array(String)}'}
      FORMAT Native`,
    values: Readable.from(joined(table.chunks())),
    query_id: queryId,
    query_params: { names, untimed },
    abort_signal: abort,
    clickhouse_settings: insertSettings(queryId),
  });
  for await (const chunk of stream) void chunk;
}

/**
 * Writes once more what the views have made of a piece, or should have made: a commit of its rows
 * may have ended without them. Doing it twice changes nothing: REPAIRS says why for each view.
 */
export async function repairViews(
  connection: Connection,
  { tables, names, untimed }: Lookup,
  abort: AbortSignal,
): Promise<void> {
  for (const table of tables) {
    const timed = `BatchId = {timed:String} AND ${inRange(table)}`;
    const ofPiece = untimed ? `(${timed} OR BatchId = {untimed:String})` : `(${timed})`;
    await runRepairs(connection, { table, rows: ofPiece, params: { ...names } }, abort);
  }
}

/** The same for the rows that have one of the names, in the time that the rows of `table` span. */
export function repairViewsOf(
  connection: Connection,
  table: Table,
  names: readonly string[],
  abort: AbortSignal,
): Promise<void> {
  const rows = `BatchId IN {names:Array(String)} AND ${inRange(table)}`;
  return runRepairs(connection, { table, rows, params: { names } }, abort);
}

async function runRepairs(
  connection: Connection,
  { table, rows, params }: { table: Table; rows: string; params: Record<string, unknown> },
  abort: AbortSignal,
): Promise<void> {
  for (const repair of REPAIRS) {
    const statement = repair(table, rows);
    if (statement === null) continue;
    await connection.readLines(statement, {
      query_params: params,
      abort_signal: abort,
      clickhouse_settings: { async_insert: 0, wait_end_of_query: 1 },
    });
  }
}

/** The statement that fills the target of a view on `table` anew; null when there is none. */
type Repair = (table: Table, ofPiece: string) => string | null;

const REPAIRS: readonly Repair[] = [
  // A minimum and a maximum.
  ({ name }, ofPiece) => (name !== 'otel_traces' ? null : `
    INSERT INTO otel_traces_trace_id_ts (TraceId, Start, End)
    SELECT TraceId, min(toDateTime(Timestamp)), max(toDateTime(Timestamp)) FROM otel_traces
    WHERE ${ofPiece} AND TraceId != '' GROUP BY TraceId`),
  // Rows with one key are one row to whoever reads it.
  ({ name, timeColumn }, ofPiece) => `
    INSERT INTO binnacle_batches (BatchId, TableName, Day, Rows)
    SELECT BatchId, '${name}', toDate(${timeColumn}) AS Day, count() FROM ${name}
    WHERE ${ofPiece} GROUP BY BatchId, Day`,
];

/**
 * Notes that `refused` records of a batch were refused, or that it has nothing to store: nothing
 * else in the store would tell this from a batch that never came. Idempotent.
 */
export async function noteRefused(
  connection: Connection,
  { id, signal, refused }: { id: string; signal: string; refused: number },
  abort: AbortSignal,
): Promise<void> {
  await connection.readLines(
    `INSERT INTO binnacle_batches (BatchId, TableName, Refused)
    SELECT {id:String}, {signal:String}, {refused:UInt64}`,
    {
      query_params: { id, signal, refused },
      abort_signal: abort,
      clickhouse_settings: { async_insert: 0, wait_end_of_query: 1 },
    },
  );
}

function inRange(table: Table): string {
  const { first, last } = table.timeRange();
  return `${table.timeColumn} BETWEEN fromUnixTimestamp64Nano(${first})
    AND fromUnixTimestamp64Nano(${last})`;
}
