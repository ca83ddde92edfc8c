// What ClickHouse's errors mean here. Two questions are answered: may the same insert work later,
// and whose matter is a failed query. Numbers and names are those of ClickHouse's error table.

import { ClickHouseError } from '@clickhouse/client';
import { errorMessage, systemCause } from '../../../runtime/errors.ts';
import { QueryError } from '../contract.ts';
import type { QueryErrorKind } from '../contract.ts';

/** Why an insert was not committed, as far as is known. */
export interface InsertFailure {
  /** True when the same rows may be taken later, or when a person can mend the cause. */
  readonly transient: boolean;
  readonly reason: string;
  readonly retryAfterMs: number;
}

const AWAY_RETRY_MS = 1000;
const OVERLOAD_RETRY_MS = 2000;
/** The cause waits for a person, so there is no hurry. */
const OPERATOR_RETRY_MS = 10_000;

/** The store has too much to do, or lost something for the moment. */
const OVERLOADED = new Set([
  159, // TIMEOUT_EXCEEDED
  202, // TOO_MANY_SIMULTANEOUS_QUERIES
  203, // NO_FREE_CONNECTION
  209, // SOCKET_TIMEOUT
  210, // NETWORK_ERROR
  225, // NO_ZOOKEEPER
  236, // ABORTED
  241, // MEMORY_LIMIT_EXCEEDED
  242, // TABLE_IS_READ_ONLY: a replica that lost its keeper
  252, // TOO_MANY_PARTS
  279, // ALL_CONNECTION_TRIES_FAILED
  285, // TOO_FEW_LIVE_REPLICAS
  286, // UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
  319, // UNKNOWN_STATUS_OF_INSERT
  394, // QUERY_WAS_CANCELLED
  425, // SYSTEM_ERROR
  439, // CANNOT_SCHEDULE_TASK
  745, // SERVER_OVERLOADED
  999, // KEEPER_EXCEPTION
  1001, // STD_EXCEPTION, such as a failed allocation
]);

/** Nothing is wrong with the rows: disk, grants, password or schema must be mended. */
const OPERATOR = new Set([
  16, // NO_SUCH_COLUMN_IN_TABLE
  60, // UNKNOWN_TABLE
  74, // CANNOT_READ_FROM_FILE_DESCRIPTOR
  75, // CANNOT_WRITE_TO_FILE_DESCRIPTOR
  76, // CANNOT_OPEN_FILE
  81, // UNKNOWN_DATABASE
  164, // READONLY
  192, // UNKNOWN_USER
  193, // WRONG_PASSWORD
  194, // REQUIRED_PASSWORD
  195, // IP_ADDRESS_NOT_ALLOWED
  201, // QUOTA_EXCEEDED
  218, // TABLE_IS_DROPPED
  243, // NOT_ENOUGH_SPACE
  497, // ACCESS_DENIED
  516, // AUTHENTICATION_FAILED
]);

/** Codes that say that the name and password are wrong. */
export const LOGIN_CODES: ReadonlySet<number> = new Set([192, 193, 194, 195, 516]);
export const UNKNOWN_DATABASE = 81;
const TOO_MANY_PARTS = 252;

export function insertFailure(error: unknown): InsertFailure {
  if (!(error instanceof ClickHouseError)) {
    const reason = `the store is away: ${connectionCause(error)}`;
    return { transient: true, reason, retryAfterMs: AWAY_RETRY_MS };
  }
  const code = Number(error.code);
  const reason = `the store answered ${code} ${error.type ?? ''}: ${firstLine(error.message)}`;
  // One insert with too many days, which has the same code as too many parts waiting for a merge.
  if (code === TOO_MANY_PARTS && /partitions/i.test(error.message)) {
    return { transient: false, reason, retryAfterMs: 0 };
  }
  if (OVERLOADED.has(code)) return { transient: true, reason, retryAfterMs: OVERLOAD_RETRY_MS };
  if (OPERATOR.has(code)) return { transient: true, reason, retryAfterMs: OPERATOR_RETRY_MS };
  return { transient: false, reason, retryAfterMs: 0 };
}

const LIMIT = new Set([158, 159, 160, 191, 201, 241, 290, 307, 396]);
const FORBIDDEN = new Set([...LOGIN_CODES, 164, 291, 446, 452, 497]);
const CANCELLED = new Set([394]);
const UNAVAILABLE = new Set([202, 203, 209, 210, 225, 242, 279, 425, 439, 745, 999]);

/** `aborted` says whether the asker had given up by then. */
export function queryError(error: unknown, aborted: boolean): QueryError {
  if (error instanceof QueryError) return error;
  if (aborted) return new QueryError(394, 'QUERY_WAS_CANCELLED', 'cancelled', 'cancelled');
  if (!(error instanceof ClickHouseError)) {
    const message = `cannot reach the store: ${connectionCause(error)}`;
    return new QueryError(0, 'STORE_UNAVAILABLE', message, 'unavailable');
  }
  const code = Number(error.code);
  return new QueryError(code, error.type ?? 'UNKNOWN', error.message.trim(), kindOf(code));
}

function kindOf(code: number): QueryErrorKind {
  if (LIMIT.has(code)) return 'limit';
  if (FORBIDDEN.has(code)) return 'forbidden';
  if (CANCELLED.has(code)) return 'cancelled';
  return UNAVAILABLE.has(code) ? 'unavailable' : 'statement';
}

/** A cause in a few words; the client's own errors have no code but a text of their own. */
export function connectionCause(error: unknown): string {
  const message = errorMessage(error);
  if (message === 'Timeout error.') return 'it did not answer in time';
  if (message === 'socket hang up') return 'the connection was cut';
  return firstLine(systemCause(error));
}

function firstLine(text: string): string {
  const LENGTH_MAX = 500;
  return text.trim().split('\n')[0]!.slice(0, LENGTH_MAX);
}
