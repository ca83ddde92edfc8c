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
export async function insertMissing(
  connection: Connection,
  { table, names, stored, queryId }: Completion,
  abort: AbortSignal,
): Promise<void> {
  const columns = quotedColumns(table);
  const day = `toDate(${table.timeColumn})`;
  const withoutUntimed = stored.untimed > 0 ? 'AND BatchId != {untimed:String}' : '';
  abort.throwIfAborted();
  const { stream } = await connection.exec({
    query: `INSERT INTO ${table.name} (${columns})
      SELECT ${columns} FROM input('${table.structure()}')
      WHERE (BatchId, ${day}) NOT IN (
        SELECT DISTINCT BatchId, ${day} FROM ${table.name}
        WHERE BatchId = {timed:String} AND ${inRange(table)}
      ) ${withoutUntimed}
      FORMAT Native`,
    values: Readable.from(joined(table.chunks())),
    query_id: queryId,
    query_params: { ...names },
    abort_signal: abort,
    clickhouse_settings: insertSettings(queryId),
  });
  for await (const chunk of stream) void chunk;
}

/**
 * Writes once more what the view on spans has made of a piece, or should have made: a commit of the
 * spans may have ended without it. Start and End are a minimum and a maximum, so that doing it
 * twice changes nothing.
 */
export async function repairTraceTimes(
  connection: Connection,
  table: Table,
  names: RowNames,
  abort: AbortSignal,
): Promise<void> {
  await connection.readLines(
    `INSERT INTO otel_traces_trace_id_ts (TraceId, Start, End)
    SELECT TraceId, min(toDateTime(Timestamp)), max(toDateTime(Timestamp)) FROM otel_traces
    WHERE BatchId = {timed:String} AND ${inRange(table)} AND TraceId != '' GROUP BY TraceId`,
    {
      query_params: { ...names },
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
