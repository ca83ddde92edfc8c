// What ClickHouse's errors mean here. Two questions are answered: does a failed insert say anything
// against its rows, and whose matter is a failed query. Numbers and names are those of ClickHouse's
// error table; a test holds the names against a real one.
//
// Records are refused, and so lost to their sender, only for errors that values cause. Everything
// else, errors of tomorrow included, lets senders come again: a wrong password, a missing table or
// a full disk says nothing about data.

import { ClickHouseError } from '@clickhouse/client';
import { errorMessage, systemCause } from '../../../runtime/errors.ts';
import { QueryError } from '../contract.ts';
import type { QueryErrorKind } from '../contract.ts';

/** Why an insert was not committed, as far as is known. */
export interface InsertFailure {
  /** False when the rows are the cause: the same rows fail always. */
  readonly transient: boolean;
  /** Whether it lasts until a person mends the store. */
  readonly needsPerson: boolean;
  readonly reason: string;
  readonly retryAfterMs: number;
}

const AWAY_RETRY_MS = 1000;
const OVERLOAD_RETRY_MS = 2000;
/** The cause waits for a person, so there is no hurry. */
const PERSON_RETRY_MS = 10_000;

/**
 * Raised for single values, by a constraint, a view, or the type of a column that a person has
 * added to our tables; the blocks themselves hold nothing that our own columns do not take.
 */
export const VALUE_CODES: ReadonlyMap<number, string> = new Map([
  [6, 'CANNOT_PARSE_TEXT'],
  [25, 'CANNOT_PARSE_ESCAPE_SEQUENCE'],
  [26, 'CANNOT_PARSE_QUOTED_STRING'],
  [27, 'CANNOT_PARSE_INPUT_ASSERTION_FAILED'],
  [38, 'CANNOT_PARSE_DATE'],
  [41, 'CANNOT_PARSE_DATETIME'],
  [69, 'ARGUMENT_OUT_OF_BOUND'],
  [70, 'CANNOT_CONVERT_TYPE'],
  [72, 'CANNOT_PARSE_NUMBER'],
  [117, 'INCORRECT_DATA'],
  [128, 'TOO_LARGE_ARRAY_SIZE'],
  [130, 'CANNOT_READ_ARRAY_FROM_TEXT'],
  [131, 'TOO_LARGE_STRING_SIZE'],
  [135, 'ZERO_ARRAY_OR_TUPLE_INDEX'],
  [153, 'ILLEGAL_DIVISION'],
  [190, 'SIZES_OF_ARRAYS_DONT_MATCH'],
  [321, 'VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE'],
  [349, 'CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN'],
  [376, 'CANNOT_PARSE_UUID'],
  [395, 'FUNCTION_THROW_IF_VALUE_IS_NON_ZERO'],
  [407, 'DECIMAL_OVERFLOW'],
  [441, 'CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING'],
  [467, 'CANNOT_PARSE_BOOL'],
  [469, 'VIOLATED_CONSTRAINT'],
  [632, 'UNEXPECTED_DATA_AFTER_PARSED_VALUE'],
  [675, 'CANNOT_PARSE_IPV4'],
  [676, 'CANNOT_PARSE_IPV6'],
  [691, 'UNKNOWN_ELEMENT_OF_ENUM'],
]);

/** The store has too much to do, or lost something for the moment: it mends itself. */
export const OVERLOAD_CODES: ReadonlyMap<number, string> = new Map([
  [159, 'TIMEOUT_EXCEEDED'],
  [202, 'TOO_MANY_SIMULTANEOUS_QUERIES'],
  [203, 'NO_FREE_CONNECTION'],
  [209, 'SOCKET_TIMEOUT'],
  [210, 'NETWORK_ERROR'],
  [225, 'NO_ZOOKEEPER'],
  [236, 'ABORTED'],
  [241, 'MEMORY_LIMIT_EXCEEDED'],
  [242, 'TABLE_IS_READ_ONLY'], // A replica that lost its keeper.
  [252, 'TOO_MANY_PARTS'],
  [279, 'ALL_CONNECTION_TRIES_FAILED'],
  [285, 'TOO_FEW_LIVE_REPLICAS'],
  [286, 'UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE'],
  [319, 'UNKNOWN_STATUS_OF_INSERT'],
  [394, 'QUERY_WAS_CANCELLED'],
  [425, 'SYSTEM_ERROR'],
  [439, 'CANNOT_SCHEDULE_TASK'],
  [745, 'SERVER_OVERLOADED'],
  [999, 'KEEPER_EXCEPTION'],
  [1001, 'STD_EXCEPTION'], // Such as a failed allocation.
]);

/** Codes that say that the name and password are wrong. */
export const LOGIN_CODES: ReadonlySet<number> = new Set([192, 193, 194, 195, 516]);
export const UNKNOWN_DATABASE = 81;
const TOO_MANY_PARTS = 252;
const TOO_MANY_DAYS = /partitions for single insert/i;

export function insertFailure(error: unknown): InsertFailure {
  if (!(error instanceof ClickHouseError)) {
    const reason = `the store is away: ${connectionCause(error)}`;
    return { transient: true, needsPerson: false, reason, retryAfterMs: AWAY_RETRY_MS };
  }
  const code = Number(error.code);
  const reason = `the store answered ${code} ${error.type ?? ''}: ${firstLine(error.message)}`;
  // One insert with too many days, which has the same code as too many parts waiting for a merge.
  const tooManyDays = code === TOO_MANY_PARTS && TOO_MANY_DAYS.test(error.message);
  if (tooManyDays || VALUE_CODES.has(code)) {
    return { transient: false, needsPerson: false, reason, retryAfterMs: 0 };
  }
  if (OVERLOAD_CODES.has(code)) {
    return { transient: true, needsPerson: false, reason, retryAfterMs: OVERLOAD_RETRY_MS };
  }
  return { transient: true, needsPerson: true, reason, retryAfterMs: PERSON_RETRY_MS };
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
