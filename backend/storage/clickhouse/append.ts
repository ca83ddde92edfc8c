// Appends rows to a table of Binnacle's own, such as its notes of who asked what: a few hundred
// rows at a time, answered after the commit. Telemetry goes another way (writer.ts).

import { Readable } from 'node:stream';
import type { AppendRequest } from '../contract.ts';
import type { Connection } from './client.ts';
import { queryError } from './errors.ts';

export async function appendRows(
  connection: Connection,
  { table, rows, abort }: AppendRequest,
): Promise<void> {
  if (rows.length === 0) return;
  try {
    const { stream } = await connection.exec({
      query: `INSERT INTO ${table} FORMAT JSONEachRow`,
      values: Readable.from([rows.map((row) => JSON.stringify(row)).join('\n')]),
      abort_signal: abort,
      clickhouse_settings: {
        async_insert: 0, wait_end_of_query: 1, date_time_input_format: 'best_effort',
      },
    });
    for await (const chunk of stream) void chunk;
  } catch (error) {
    throw queryError(error, abort.aborted);
  }
}
