/**
 * Runs statements on the engine, each on a connection of its own.
 *
 * A connection costs 0.1 ms and carries settings, parameters, database and temporary tables, so
 * opening one per query is what keeps a query's settings from reaching the next. One connection
 * stays open as long as the process and holds the data folder.
 *
 * Forced on every query, because the embedded engine's defaults differ from a server's:
 * `implicit_select=0`, `allow_introspection_functions=0`. `log_comment` is taken to mark the query
 * (`query_id`, a blank, the caller's own comment), as the engine invents its own query ids; a KILL
 * by `query_id` is translated. `max_result_bytes` has a default (`limits.resultBytesMax`).
 * All other settings keep ClickHouse's defaults.
 *
 * Inserts do not starve: queries that read for somebody (`priority` of 2 or more, or `readonly`)
 * have a part of the places only, and give way to others in the engine: block by block while one
 * of a smaller `priority` runs, and to all in the kernel's eyes where the process may say so
 * (CAP_SYS_NICE; without it the setting does nothing).
 */
import { EngineError, parseEngineError } from './errors.ts';
import type { Connection, Native, NativeResult } from './native.ts';
import type { QueryRequest } from './request.ts';

/** Bounds. */
export const limits = {
  /** Queries in the engine at once; more wait. Each takes one thread of libuv's pool. */
  runningMax: 16,
  /** Of these, queries that read for somebody; the rest is left to inserts. */
  readersMax: 10,
  /** Queries that wait; one more is answered 503 (TOO_MANY_SIMULTANEOUS_QUERIES). */
  waitingMax: 512,
  /** How long a query waits for its turn before it is answered 503. */
  waitMs: 60_000,
  /** A longer SET needs room first: ClickHouse's own limit is on bytes of a statement. */
  preludeChars: 50_000,
  /** Default of `max_result_bytes`: more is an error of code 396. */
  resultBytesMax: 8 * 1024 * 1024 * 1024,
  /** How often a query whose caller is gone is killed again until it ends. */
  killEveryMs: 250,
  /** How long a reading query waits at each of its blocks while an insert runs. */
  giveWayMs: 50,
  /** By how much reading queries are nicer than the rest of the process. */
  niceness: 10,
} as const;

/** Threads that libuv needs: one per query, some for KILL, files and compression. */
export const THREADS = limits.runningMax + 8;

/** ClickHouse's default, set again where long parameters needed more. */
const MAX_QUERY_SIZE = '262144';
/** Settings of queries that read for somebody. */
const GIVING_WAY: readonly [string, string][] = [
  ['priority', '2'],
  ['low_priority_query_wait_time_ms', String(limits.giveWayMs)],
  ['os_threads_nice_value_query', String(limits.niceness)],
];
/** Bytes of the longest UTF-8 sequence per UTF-16 unit. */
const UTF8_BYTES = 3;

interface Waiting {
  readonly reads: boolean;
  go(): void;
  refuse(error: Error): void;
}

/** All connections of one process. */
export class Sessions {
  readonly #native: Native;
  readonly #folder: string;
  readonly #keeper: Connection;
  readonly #running = new Set<string>();
  readonly #waiting: Waiting[] = [];
  #slots: number = limits.runningMax;
  #readers = 0;
  #stopped = false;

  constructor(native: Native, folder: string, keeper: Connection) {
    this.#native = native;
    this.#folder = folder;
    this.#keeper = keeper;
  }

  /** Queries inside of the engine now. */
  get running(): number {
    return this.#running.size;
  }

  /** Runs a statement of our own, for start and diagnosis; not bounded by the slots. */
  async ask(sql: string): Promise<string> {
    const connection = this.#native.CreateConnection(this.#folder);
    try {
      return textOf(await this.#native.QueryAsyncConnection(connection, sql, 'TabSeparatedRaw'));
    } finally {
      this.#native.CloseConnection(connection);
    }
  }

  /**
   * Runs a statement with the settings, parameters and database of a request.
   *
   * @param sql several run one after another on the same connection, up to the first that fails;
   *   the result is the last one's.
   * @param hidden our own paths in the text, kept out of error messages.
   * @param gone aborts while waiting, and kills the query while running; null never does.
   * @throws EngineError for whatever the engine says.
   */
  async run(
    request: QueryRequest,
    sql: string | readonly string[],
    hidden: readonly string[],
    gone: AbortSignal | null,
  ): Promise<NativeResult> {
    const reads = isReading(request);
    await this.#enter(request.queryId, reads, gone);
    try {
      const connection = this.#native.CreateConnection(this.#folder);
      const endKill = this.#killWhenGone(markOf(request), gone);
      try {
        await this.#prepare(connection, request);
        const format = request.defaultFormat;
        const statements = typeof sql === 'string' ? [sql] : sql;
        for (const statement of statements.slice(0, -1)) {
          await this.#native.QueryAsyncConnection(connection, statement, 'Null');
        }
        return await this.#native.QueryAsyncConnection(connection, statements.at(-1)!, format);
      } catch (error) {
        throw error instanceof Error ? parseEngineError(error.message, hidden) : error;
      } finally {
        endKill();
        this.#native.CloseConnection(connection);
      }
    } finally {
      this.#exit(request.queryId, reads);
    }
  }

  /** Refuses what waits, kills what runs when `deadline` aborts, then closes all. */
  async stop(deadline: AbortSignal): Promise<boolean> {
    this.#stopped = true;
    for (const waiting of this.#waiting.splice(0)) {
      waiting.refuse(stopping());
    }
    while (this.#running.size > 0 && !deadline.aborted) {
      await delay(20);
    }
    if (this.#running.size > 0) {
      void this.#kill('1').catch(() => undefined);
      await Promise.race([this.#idle(), delay(2000)]);
    }
    if (this.#running.size > 0) {
      return false;
    }
    this.#native.CloseConnection(this.#keeper);
    return true;
  }

  async #idle(): Promise<void> {
    while (this.#running.size > 0) {
      await delay(20);
    }
  }

  async #enter(queryId: string, reads: boolean, gone: AbortSignal | null): Promise<void> {
    if (this.#running.has(queryId)) {
      const message = `Query with id = ${queryId} is already running.`;
      throw new EngineError(216, 'QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING', message);
    }
    this.#running.add(queryId);
    try {
      await this.#takeSlot(reads, gone);
    } catch (error) {
      this.#running.delete(queryId);
      throw error;
    }
  }

  async #takeSlot(reads: boolean, gone: AbortSignal | null): Promise<void> {
    if (this.#stopped) {
      throw stopping();
    }
    if (this.#hasPlace(reads)) {
      this.#occupy(reads);
      return;
    }
    if (this.#waiting.length >= limits.waitingMax) {
      throw tooMany(`${limits.runningMax} running and ${limits.waitingMax} waiting`);
    }
    await new Promise<void>((resolve, reject) => {
      const settle = (end: () => void): void => {
        clearTimeout(timer);
        gone?.removeEventListener('abort', leave);
        const index = this.#waiting.indexOf(waiting);
        if (index >= 0) {
          this.#waiting.splice(index, 1);
        }
        end();
      };
      const waiting: Waiting = {
        reads,
        go: () => settle(resolve),
        refuse: (error) => settle(() => reject(error)),
      };
      const leave = (): void => waiting.refuse(cancelled());
      const timer = setTimeout(() => {
        waiting.refuse(tooMany(`waited ${limits.waitMs / 1000} s for a free place`));
      }, limits.waitMs);
      gone?.addEventListener('abort', leave);
      this.#waiting.push(waiting);
      if (gone?.aborted === true) {
        leave();
      }
    });
  }

  #exit(queryId: string, reads: boolean): void {
    this.#running.delete(queryId);
    this.#slots += 1;
    this.#readers -= Number(reads);
    const next = this.#waiting.find((waiting) => this.#hasPlace(waiting.reads));
    if (next !== undefined) {
      this.#occupy(next.reads);
      next.go();
    }
  }

  #hasPlace(reads: boolean): boolean {
    return this.#slots > 0 && (!reads || this.#readers < limits.readersMax);
  }

  #occupy(reads: boolean): void {
    this.#slots -= 1;
    this.#readers += Number(reads);
  }

  async #prepare(connection: Connection, request: QueryRequest): Promise<void> {
    const prelude = preludeOf(request);
    if (prelude.length > limits.preludeChars) {
      const room = `SET max_query_size = ${prelude.length * UTF8_BYTES}`;
      await this.#native.QueryAsyncConnection(connection, room, 'Null');
    }
    await this.#native.QueryAsyncConnection(connection, prelude, 'Null');
    if (request.database !== '') {
      const use = `USE ${quoted(request.database, '`')}`;
      await this.#native.QueryAsyncConnection(connection, use, 'Null');
    }
  }

  #killWhenGone(mark: string, gone: AbortSignal | null): () => void {
    if (gone === null) {
      return () => undefined;
    }
    let timer: NodeJS.Timeout | null = null;
    const kill = (): void => {
      const where = `Settings['log_comment'] = ${quoted(mark, "'")}`;
      void this.#kill(where).catch(() => undefined);
      timer = setTimeout(kill, limits.killEveryMs);
    };
    gone.addEventListener('abort', kill, { once: true });
    if (gone.aborted) {
      kill();
    }
    return () => {
      gone.removeEventListener('abort', kill);
      clearTimeout(timer ?? undefined);
    };
  }

  async #kill(where: string): Promise<void> {
    await this.ask(`KILL QUERY WHERE ${where} ASYNC FORMAT Null`);
  }
}

/** The expression that yields our query id where a statement says `query_id`. */
export const QUERY_ID_SQL = "splitByChar(' ', Settings['log_comment'])[1]";

/** A text as a quoted literal or identifier. */
export function quoted(text: string, quote: "'" | '`'): string {
  const escaped = text.replace(/[\\'`]/g, (char) => `\\${char}`).replace(/\0/g, '\\0');
  return `${quote}${escaped}${quote}`;
}

function textOf(result: NativeResult): string {
  return Buffer.from(result.bytes).toString('utf8');
}

function markOf(request: QueryRequest): string {
  const own = request.settings.get('log_comment') ?? '';
  return own === '' ? request.queryId : `${request.queryId} ${own}`;
}

/** Whether somebody asks, and can wait, unlike what comes in and what keeps the store running. */
function isReading({ settings, readOnly }: QueryRequest): boolean {
  const priority = Number(settings.get('priority') ?? 0);
  return priority === 0 ? readOnly || settings.has('readonly') : priority > 1;
}

/** One SET for all; readonly comes last, as it locks what comes after it. */
function preludeOf(request: QueryRequest): string {
  const values = new Map<string, string>([
    ['implicit_select', '0'],
    ['allow_introspection_functions', '0'],
    ['max_result_bytes', String(limits.resultBytesMax)],
    ['max_query_size', MAX_QUERY_SIZE],
    ...(isReading(request) ? GIVING_WAY : []),
    ...request.settings,
    ['log_comment', markOf(request)],
  ]);
  const readOnly = values.get('readonly') ?? (request.readOnly ? '2' : '');
  values.delete('readonly');
  for (const [name, value] of request.params) {
    values.set(`param_${name}`, value);
  }
  if (readOnly !== '') {
    values.set('readonly', readOnly);
  }
  const list = [...values].map(([name, value]) => `${name} = ${quoted(value, "'")}`);
  return `SET ${list.join(', ')}`;
}

function tooMany(detail: string): EngineError {
  const message = `Too many simultaneous queries: ${detail}.`;
  return new EngineError(202, 'TOO_MANY_SIMULTANEOUS_QUERIES', message, 503);
}

function cancelled(): EngineError {
  return new EngineError(394, 'QUERY_WAS_CANCELLED', 'Query was cancelled.');
}

function stopping(): EngineError {
  return new EngineError(202, 'TOO_MANY_SIMULTANEOUS_QUERIES', 'The engine is stopping.', 503);
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
