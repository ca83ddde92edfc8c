// Sees to it that every part gets its rollups. Inserts leave them out and merges make them
// (schema/002), but a merge combines parts that have rollups, or parts that have none: one without
// that is left between two with them is never merged, and neither are its neighbours, as a merge
// takes what lies side by side. Such parts are found here, and ClickHouse is told to make what they
// lack, which frees them. Parts that have everything are only linked anew by it.

import type { Connection } from './client.ts';

/** What has rollups. */
const PROJECTIONS = {
  otel_traces: ['latency_by_minute', 'latency_by_hour', 'latency_by_day'],
  otel_logs: ['records_by_minute'],
} as const;

export const limits = {
  /** Younger parts are left to merges. */
  ageSeconds: 600,
  /** Days of one table that are seen to at once; the others have their turn later. */
  daysMax: 10,
  seconds: 30,
} as const;

/**
 * Has rollups made for parts that have been without for `ageSeconds`, and answers in how many days
 * of tables; they are made in the background. While ClickHouse rewrites parts of a table for any
 * reason, that table is left alone. Safe to call at the same time from several backends. Throws
 * what the client throws.
 */
export async function completeRollups(
  connection: Connection,
  abort: AbortSignal,
  ageSeconds: number = limits.ageSeconds,
): Promise<number> {
  const settings = { abort_signal: abort, clickhouse_settings: {
    max_execution_time: limits.seconds, mutations_sync: '0' as const,
  } };
  const stray = await connection.readLines(straySql(ageSeconds), settings);
  for (const line of stray) {
    const [table, partition] = line.split('\t') as [keyof typeof PROJECTIONS, string];
    const commands = PROJECTIONS[table].map((name) =>
      `MATERIALIZE PROJECTION ${name} IN PARTITION ID '${partition}'`);
    await connection.readLines(`ALTER TABLE ${table} ${commands.join(', ')}`, settings);
  }
  return stray.length;
}

/** A table and the id of a partition a line. */
const straySql = (ageSeconds: number): string => `
  SELECT table, partition_id FROM system.parts
  WHERE database = currentDatabase() AND active AND empty(projections)
    AND table IN ('${Object.keys(PROJECTIONS).join("', '")}')
    AND modification_time <= now() - ${ageSeconds}
    AND table NOT IN (SELECT table FROM system.mutations
      WHERE database = currentDatabase() AND NOT is_done)
  GROUP BY table, partition_id ORDER BY min(modification_time) LIMIT ${limits.daysMax} BY table`;
