// What is known of a query while it waits and runs, and once it has ended.

import type { Caller } from '../access/roles.ts';
import type { QueryErrorKind } from '../storage/contract.ts';

export const limits = {
  /** Characters of a statement that are kept; the rest is cut off. */
  statementCharactersMax: 16 * 1024,
  /** Queries that are remembered after they have ended; the oldest is forgotten. */
  rememberedMax: 1000,
} as const;

/** How a query ended, as `binnacle_queries_total` counts it. */
export type Ending = 'ok' | 'broken' | 'abandoned' | 'refused' | QueryErrorKind;

export interface QueryRecord {
  readonly id: string;
  readonly caller: Caller;
  /** `sql`: a statement of the caller's, `api`: one of Binnacle's own. */
  readonly origin: 'sql' | 'api';
  readonly statement: string;
  readonly format: string;
  /** Milliseconds since 1970. */
  readonly startedMs: number;
  readonly state: 'waiting' | 'running' | 'ended';
  readonly durationMs: number;
  /** As far as it was seen. */
  readonly readRows: number;
  readonly readBytes: number;
  /** What is to be read, as far as the store can tell; 0 when it cannot. */
  readonly totalRows: number;
  readonly resultRows: number;
  readonly resultBytes: number;
  /** Null until it has ended. */
  readonly ending: Ending | null;
  /** Code of the error; '' without one. */
  readonly error: string;
}

type Counts = 'readRows' | 'readBytes' | 'totalRows' | 'resultRows' | 'resultBytes';

export type NewRecord =
  Pick<QueryRecord, 'id' | 'caller' | 'origin' | 'statement' | 'format' | 'startedMs'>;

/** One query that is under way. */
export interface LiveQuery {
  record(): QueryRecord;
  /** Fires when somebody ends it by its id. */
  readonly cancelled: AbortSignal;
  cancel(): void;
  run(): void;
  count(counts: Partial<Pick<QueryRecord, Counts>>): void;
  /** The first call counts. */
  end(ending: Ending, error: string): void;
}

export interface Records {
  begin(query: NewRecord): LiveQuery;
  /** Those that are under way, oldest first. */
  live(): readonly LiveQuery[];
  /** One that is under way, or has ended not long ago. */
  find(id: string): QueryRecord | null;
  /** False when it is not under way. */
  cancel(id: string): boolean;
}

/** `ended` is called once for each, and must not throw. */
export function createRecords(
  monotonicMs: () => number,
  ended: (record: QueryRecord) => void,
): Records {
  const live = new Map<string, LiveQuery>();
  const past = new Map<string, QueryRecord>();
  const remember = (record: QueryRecord) => {
    past.delete(record.id);
    past.set(record.id, record);
    if (past.size > limits.rememberedMax) past.delete(past.keys().next().value!);
  };
  return {
    begin: (query) => {
      const one = createLive(query, monotonicMs, (record) => {
        live.delete(record.id);
        remember(record);
        ended(record);
      });
      live.set(query.id, one);
      return one;
    },
    live: () => [...live.values()],
    find: (id) => live.get(id)?.record() ?? past.get(id) ?? null,
    cancel: (id) => {
      live.get(id)?.cancel();
      return live.has(id) || past.get(id)?.ending === 'cancelled';
    },
  };
}

function createLive(
  query: NewRecord,
  monotonicMs: () => number,
  ended: (record: QueryRecord) => void,
): LiveQuery {
  const abort = new AbortController();
  const beganMs = monotonicMs();
  // Half a character at the end becomes a whole one.
  const cut = query.statement.slice(0, limits.statementCharactersMax);
  const statement = Buffer.from(cut).toString();
  let known: QueryRecord = {
    ...query, statement, state: 'waiting', durationMs: 0, readRows: 0, readBytes: 0, totalRows: 0,
    resultRows: 0, resultBytes: 0, ending: null, error: '',
  };
  const durationMs = () => Math.round(monotonicMs() - beganMs);
  return {
    record: () => (known.state === 'ended' ? known : { ...known, durationMs: durationMs() }),
    cancelled: abort.signal,
    cancel: () => abort.abort(),
    run: () => {
      known = { ...known, state: 'running' };
    },
    count: (counts) => {
      known = { ...known, ...counts };
    },
    end: (ending, error) => {
      if (known.state === 'ended') return;
      known = { ...known, state: 'ended', durationMs: durationMs(), ending, error };
      ended(known);
    },
  };
}
