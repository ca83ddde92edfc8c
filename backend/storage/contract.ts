// What the rest of the backend knows of the place where telemetry is kept: how to hand it batches
// (`writer`), how to ask it in SQL (`query`), and whether it is there (`ping`). Everything else,
// tables included, is behind this file.

import type { Readable } from 'node:stream';
import type { Batch } from '../../proto/contract/batch.ts';
import type { Component } from '../../proto/contract/component.ts';
import type { Outcome } from '../../proto/contract/outcome.ts';

/**
 * `start` connects, brings the schema up to date and keeps trying while the store is away; it
 * throws OperatorError for what a person must mend (wrong password, a store that is newer than
 * this program). `stop` writes what was gathered, answers everybody who waits, and closes.
 */
export interface Storage extends Component {
  /**
   * Answers `accepted` only after the store has committed every record of the batch that can be
   * stored; `rejected` in it counts those that cannot. May be called from `start` to `stop`;
   * outside of that it answers `retryable`.
   */
  readonly writer: StorageWriter;

  /**
   * Runs one statement and hands its result over as it comes. The caller owns `body` and must read
   * it to its end or destroy it; destroying it, or firing `abort`, stops the statement in the
   * store too. Throws QueryError for what the store answers, and for a store that is away.
   */
  query(request: QueryRequest): Promise<QueryAnswer>;

  /**
   * Appends rows to a table of Binnacle's own, and resolves after they were committed. Throws
   * QueryError; the same rows may then have been committed or not.
   */
  append(request: AppendRequest): Promise<void>;

  /** Asks the store for a sign of life. Never throws; answers within a few seconds. */
  ping(): Promise<Health>;
}

/** A Consumer that is told how often a batch was sent before. */
export interface StorageWriter {
  /**
   * A batch with an id is stored once when every attempt but the first has an `attempt` above 0.
   * A batch that comes while it is under way gets the result of that.
   */
  consume(batch: Batch, abort: AbortSignal, attempt?: number): Promise<Outcome>;
}

export interface QueryRequest {
  readonly sql: string;
  /** Values for `{name:Type}` in the statement: text, numbers, bigint, Date, arrays, null. */
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  /** A name of ClickHouse's formats such as `JSON`, used when the statement has no FORMAT. */
  readonly format: string;
  /** ClickHouse settings for this statement alone. */
  readonly settings?: Readonly<Record<string, string | number>> | undefined;
  /** Chosen by the storage when absent. */
  readonly queryId?: string | undefined;
  /** The text is somebody else's: it runs with a reader's rights, where the store has readers. */
  readonly foreign?: boolean | undefined;
  readonly abort: AbortSignal;
}

export interface AppendRequest {
  readonly table: string;
  /** Values by column; times as ISO 8601. */
  readonly rows: readonly object[];
  readonly abort: AbortSignal;
}

export interface QueryAnswer {
  /** The bytes of the asked format, uncompressed. */
  readonly body: Readable;
  readonly contentType: string;
  /** The format of `body`: the statement's own FORMAT clause wins over the asked one. */
  readonly format: string;
  readonly queryId: string;
  readonly summary: QuerySummary;
}

/** What the store had done when it began to answer; numbers may grow after that. */
export interface QuerySummary {
  readonly readRows: number;
  readonly readBytes: number;
  readonly resultRows: number;
  readonly resultBytes: number;
  readonly elapsedMs: number;
}

export type Health =
  | { readonly up: true; readonly version: string; readonly latencyMs: number }
  | { readonly up: false; readonly reason: string };

/** A statement failed. `code` and `name` are ClickHouse's, such as 62 and `SYNTAX_ERROR`. */
export class QueryError extends Error {
  /** ClickHouse's number, 0 when the store did not answer at all. */
  readonly code: number;
  readonly kind: QueryErrorKind;

  constructor(code: number, name: string, message: string, kind: QueryErrorKind) {
    super(message);
    this.code = code;
    this.name = name;
    this.kind = kind;
  }
}

/**
 * Whose matter a failure is: `statement` = the asker must write it differently, `limit` = it ran
 * into a limit of time, memory or rows, `forbidden` = it may not be asked, `unavailable` = the
 * store is away or too busy and the same statement may work later, `cancelled` = `abort` fired.
 */
export type QueryErrorKind = 'statement' | 'limit' | 'forbidden' | 'unavailable' | 'cancelled';
