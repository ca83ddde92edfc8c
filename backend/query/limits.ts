// How much a query may take.

export interface QueryLimits {
  readonly executionMsMax: number;
  readonly resultRowsMax: number;
  readonly memoryBytesMax: number;
  /** Queries at the same time. */
  readonly concurrentMax: number;
  /** More at once wait, so many and so long; then they are turned away with 429. 0 unless given. */
  readonly waitingMax?: number;
  readonly waitMs?: number;
  /** Threads of one query; what the store chooses unless given. */
  readonly threadsMax?: number;
  /** What all queries together may use; each gets a share of it. No limit unless given. */
  readonly memoryPoolBytes?: number | null;
  /** A caller who takes nothing for so long is cut off; by default 10 s more than a query has. */
  readonly stallMs?: number;
}

const STALL_EXTRA_MS = 10_000;

export const stallMsOf = ({ stallMs, executionMsMax }: QueryLimits): number =>
  stallMs ?? executionMsMax + STALL_EXTRA_MS;
