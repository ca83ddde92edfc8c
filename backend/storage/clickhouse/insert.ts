// One insert: the block of one table as the body of one request, answered after the commit.

import { Readable } from 'node:stream';
import type { ClickHouseSettings } from '@clickhouse/client';
import type { Connection } from './client.ts';
import type { Table } from './transcode/table.ts';

export const limits = {
  /**
   * Most days that one insert may spread over: each becomes a part of its own, with several files.
   * ClickHouse refuses more than 100 unless told otherwise, and old logs that are read in span
   * years. Beyond it the requests of the insert are tried one by one, and one that alone spreads
   * over more is refused.
   */
  partitionsMax: 2000,
  /** More rows than a table is ever given at once (transcode/transcoder.ts). */
  blockRowsMax: 16_000_000,
} as const;

/** Pieces smaller than this are sent together with their neighbours. */
const PIECE_BYTES = 64 * 1024;

/**
 * Resolves when ClickHouse has committed all rows of the table; throws what the client throws. The
 * table must not change until then. An insert that is sent twice with one `token` is stored once.
 */
export async function insertTable(
  connection: Connection,
  table: Table,
  token: string,
  abort: AbortSignal,
): Promise<void> {
  abort.throwIfAborted();
  const { stream } = await connection.exec({
    query: `INSERT INTO ${table.name} (${quotedColumns(table)}) FORMAT Native`,
    values: Readable.from(joined(table.chunks())),
    query_id: token,
    abort_signal: abort,
    clickhouse_settings: insertSettings(token),
  });
  await drained(stream);
}

export function quotedColumns(table: Table): string {
  return table.columnNames().map((name) => `\`${name}\``).join(', ');
}

/** Made by the first merge of a part instead; a search reads parts without them. */
const INDEXES_OF_MERGES = ['idx_trace_id', 'idx_span_attr_value', 'idx_duration',
  'idx_log_attr_value', 'idx_body_words', 'idx_attr_value', 'idx_res_attr_value'];

/**
 * What ClickHouse commits at once is the rows of one block in one partition. These settings keep
 * the rows of one insert one block, whatever the user's profile says; that a retry can be completed
 * day by day rests on it (stored.ts).
 */
export function insertSettings(token: string): ClickHouseSettings {
  return {
    async_insert: 0,
    wait_end_of_query: 1,
    insert_deduplication_token: token,
    max_insert_block_size: String(limits.blockRowsMax),
    min_insert_block_size_rows: String(limits.blockRowsMax),
    min_insert_block_size_bytes: '0',
    max_insert_threads: '1',
    max_partitions_per_insert_block: String(limits.partitionsMax),
    exclude_materialize_skip_indexes_on_insert: INDEXES_OF_MERGES.join(', '),
    input_format_native_allow_types_conversion: 1,
  };
}

/** The same bytes in fewer pieces: a block has two for each column, and most are small. */
export function* joined(chunks: readonly Uint8Array[]): Generator<Uint8Array> {
  let small: Uint8Array[] = [];
  let smallBytes = 0;
  for (const chunk of chunks) {
    const isSmall = chunk.length < PIECE_BYTES;
    if (isSmall) {
      small.push(chunk);
      smallBytes += chunk.length;
    }
    if (small.length > 0 && (!isSmall || smallBytes >= PIECE_BYTES)) {
      yield Buffer.concat(small, smallBytes);
      small = [];
      smallBytes = 0;
    }
    if (!isSmall) yield chunk;
  }
  if (small.length > 0) yield Buffer.concat(small, smallBytes);
}

async function drained(stream: Readable): Promise<void> {
  for await (const chunk of stream) void chunk;
}
