// How much a query may take.

export interface QueryLimits {
  readonly executionMsMax: number;
  readonly resultRowsMax: number;
  readonly memoryBytesMax: number;
  /** Rows and bytes that it may read, and bytes of its result; 0 for any. */
  readonly readRowsMax?: number;
  readonly readBytesMax?: number;
  readonly resultBytesMax?: number;
  /** Queries at the same time. */
  readonly concurrentMax: number;
  /** More at once wait, so many and so long; then they are turned away with 429. 0 unless given. */
  readonly waitingMax?: number;
  readonly waitMs?: number;
  /** Of one caller: queries at the same time, and that wait. As many as of all unless given. */
  readonly callerConcurrentMax?: number;
  readonly callerWaitingMax?: number;
  /** Threads of one query; what the store chooses unless given. */
  readonly threadsMax?: number;
  /** What all queries together may use; each gets a share of it. No limit unless given. */
  readonly memoryPoolBytes?: number | null;
  /** A caller who takes nothing for so long is cut off; by default 10 s more than a query has. */
  readonly stallMs?: number;
}

/** The same as settings of ClickHouse, but for memory, of which each query has a share. */
export function settingsOf(own: QueryLimits): Record<string, string | number> {
  const { readRowsMax = 0, readBytesMax = 0, resultBytesMax = 0, threadsMax } = own;
  return {
    readonly: 1,
    max_execution_time: Math.ceil(own.executionMsMax / 1000),
    max_result_rows: own.resultRowsMax,
    result_overflow_mode: 'throw',
    ...(readRowsMax === 0 ? {} : { max_rows_to_read: readRowsMax }),
    ...(readBytesMax === 0 ? {} : { max_bytes_to_read: readBytesMax }),
    ...(resultBytesMax === 0 ? {} : { max_result_bytes: resultBytesMax }),
    // What is read ahead for an ORDER BY along the table's order would be thrown away by a LIMIT.
    read_in_order_use_buffering: 0,
    ...(threadsMax === undefined ? {} : { max_threads: threadsMax }),
  };
}

const STALL_EXTRA_MS = 10_000;

export const stallMsOf = ({ stallMs, executionMsMax }: QueryLimits): number =>
  stallMs ?? executionMsMax + STALL_EXTRA_MS;
