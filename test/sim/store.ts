// A ClickHouse in memory, as far as the writer can tell the difference.
//
// It models: one insert is one block, committed day by day, each whole or not at all, with time in
// between, so that an end of the store or an error can come after some of them; the views are
// written one by one after all days of their table, and can be missing; what a statement reads is
// what was committed when it began; a statement goes on when its client is gone; a query id is
// taken while its statement runs; a restart ends all statements and keeps what was committed.
//
// It does not model: merges, retention, replicas, types and values (beyond BatchId, the time and
// one column with the record's key), deduplication by token (switched off on the tables), requests
// that wait in a socket before the store knows of them, and a machine that loses power.

import { ClickHouseError } from '@clickhouse/client';
import { errorCode } from '../../runtime/errors.ts';
import type { Random } from '../../runtime/random.ts';
import { chance, spread, type Faults } from './faults.ts';
import type { Journal } from './journal.ts';
import { readBlock } from './native.ts';
import {
  parseStatement, type Params, type Rows, type Statement, type Unless,
} from './statement.ts';
import type { Time } from './time.ts';

export interface Row {
  readonly table: string;
  readonly batch: string;
  readonly timeNs: bigint;
  /** Names the record: body, span name or metric name. */
  readonly key: string;
  readonly trace: string;
}

export interface TraceTimes {
  readonly start: bigint;
  readonly end: bigint;
}

export interface Query {
  readonly text: string;
  readonly id: string | undefined;
  readonly params: Params;
  readonly body: Buffer | null;
}

export interface Store {
  /** Runs a statement to its end, whoever waits. Answers lines; throws as the client does. */
  run(query: Query): Promise<string>;
  /** Ends everything that runs; nobody is served for `downMs`. */
  restart(downMs: number): void;
  rows(): Iterable<Row>;
  /** `otel_traces_trace_id_ts`. */
  traceTimes(): ReadonlyMap<string, TraceTimes>;
  /** `binnacle_batches`: rows, or refused records, by `batchKey`. */
  batches(): ReadonlyMap<string, number>;
  /** Called with each row when it is committed. */
  onCommit(listen: (row: Row) => void): void;
}

export interface StoreOptions {
  readonly time: Time;
  readonly random: Random;
  readonly faults: Faults;
  readonly journal: Journal;
}

const DAY_NS = 86_400_000_000_000n;
const SECOND_NS = 1_000_000_000n;
const TIME_COLUMN: Readonly<Record<string, string>> = {
  otel_logs: 'Timestamp', otel_traces: 'Timestamp',
  otel_metrics_gauge: 'TimeUnix', otel_metrics_sum: 'TimeUnix',
};
const KEY_COLUMN: Readonly<Record<string, string>> = {
  otel_logs: 'Body', otel_traces: 'SpanName',
  otel_metrics_gauge: 'MetricName', otel_metrics_sum: 'MetricName',
};
const WANTED = new Set([
  'BatchId', 'TraceId', ...Object.values(TIME_COLUMN), ...Object.values(KEY_COLUMN),
]);

/** A row of `binnacle_batches`; refused records have the signal for a table, and no day. */
export const batchKey = (batch: string, table: string, day: bigint | null): string =>
  `${batch} in ${table}${day === null ? '' : ` on ${day}`}`;

export const dayOf = (timeNs: bigint): bigint => timeNs / DAY_NS;

export function connectionLost(): Error {
  return Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
}

const failure = (code: string, type: string) => new ClickHouseError({ code, type, message: type });

export function createStore(options: StoreOptions): Store {
  return new MemoryStore(options);
}

class MemoryStore implements Store {
  readonly #options: StoreOptions;
  readonly #committed: Row[] = [];
  readonly #byBatch = new Map<string, Row[]>();
  readonly #traces = new Map<string, TraceTimes>();
  readonly #batches = new Map<string, number>();
  readonly #running = new Set<string>();
  readonly #listeners: ((row: Row) => void)[] = [];
  #epoch = 0;
  #upAtMs = 0;

  constructor(options: StoreOptions) {
    this.#options = options;
  }

  rows(): Iterable<Row> {
    return this.#committed;
  }

  traceTimes(): ReadonlyMap<string, TraceTimes> {
    return this.#traces;
  }

  batches(): ReadonlyMap<string, number> {
    return this.#batches;
  }

  onCommit(listen: (row: Row) => void): void {
    this.#listeners.push(listen);
  }

  restart(downMs: number): void {
    this.#options.journal.note('store restarts');
    this.#epoch += 1;
    this.#running.clear();
    this.#upAtMs = this.#options.time.nowMs() + downMs;
  }

  async run(query: Query): Promise<string> {
    const { time } = this.#options;
    if (time.nowMs() < this.#upAtMs) {
      throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    }
    const { id } = query;
    if (id !== undefined && this.#running.has(id)) {
      throw failure('216', 'QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING');
    }
    const epoch = this.#epoch;
    if (id !== undefined) this.#running.add(id);
    try {
      return await this.#execute(parseStatement(query.text, query.params), query, epoch);
    } catch (error) {
      const meant = error instanceof ClickHouseError || errorCode(error) === 'ECONNRESET';
      if (!meant) this.#options.journal.broken(`the simulated store fails: ${String(error)}`);
      throw error;
    } finally {
      if (id !== undefined && epoch === this.#epoch) this.#running.delete(id);
    }
  }

  async #execute(statement: Statement, query: Query, epoch: number): Promise<string> {
    const step = () => this.#step(epoch);
    switch (statement.kind) {
      case 'ping':
        await step();
        return '1\n';
      case 'processes': {
        const { prefix } = statement;
        const found = [...this.#running].filter((id) => id.startsWith(prefix));
        await step();
        return found.map((id) => `${id}\n`).join('');
      }
      case 'lookup': {
        const counts = this.#lookup(statement);
        await step();
        return counts;
      }
      case 'count': {
        const { length } = this.#select(statement.rows);
        await step();
        return `${length}\n`;
      }
      case 'insert':
        await this.#insert(this.#rowsOf(statement.table, statement.unless, query), epoch, query);
        return '';
      case 'repair traces': {
        const rows = this.#select(statement.rows);
        await step();
        this.#viewTraces(rows);
        return '';
      }
      case 'repair batches': {
        const rows = this.#select(statement.rows);
        await step();
        this.#viewBatches(rows);
        return '';
      }
      case 'note refused': {
        const { id, signal, refused } = query.params;
        await step();
        this.#batches.set(batchKey(String(id), String(signal), null), Number(refused));
        return '';
      }
    }
  }

  /** Time passes, and a statement may end for a reason that passes. */
  async #step(epoch: number): Promise<void> {
    const { time, random, faults } = this.#options;
    await time.sleep(1 + spread(random, 20 + faults.storeSlowMs));
    if (epoch !== this.#epoch) throw connectionLost();
    if (chance(random, faults.storeError)) throw failure('241', 'MEMORY_LIMIT_EXCEEDED');
  }

  async #insert(rows: readonly Row[], epoch: number, { id }: Query): Promise<void> {
    const days = new Map<bigint, Row[]>();
    for (const row of rows) {
      const day = dayOf(row.timeNs);
      const own = days.get(day);
      if (own === undefined) days.set(day, [row]);
      else own.push(row);
    }
    await this.#step(epoch);
    for (const part of days.values()) {
      await this.#step(epoch);
      this.#commit(part, id);
    }
    if (rows[0]?.table === 'otel_traces') {
      await this.#step(epoch);
      this.#viewTraces(rows);
    }
    await this.#step(epoch);
    this.#viewBatches(rows);
    await this.#step(epoch);
  }

  #commit(part: readonly Row[], id: string | undefined): void {
    const { journal } = this.#options;
    const { table, timeNs } = part[0]!;
    journal.note(`store commits ${part.length} rows of ${table} day ${dayOf(timeNs)} `
      + `batches ${[...new Set(part.map(({ batch }) => batch.slice(-12)))].join(' ')} by ${id}`);
    for (const row of part) {
      this.#committed.push(row);
      const own = this.#byBatch.get(row.batch);
      if (own === undefined) this.#byBatch.set(row.batch, [row]);
      else own.push(row);
      for (const listen of this.#listeners) listen(row);
    }
  }

  #viewTraces(rows: readonly Row[]): void {
    for (const { trace, timeNs } of rows) {
      const second = timeNs / SECOND_NS;
      const { start, end } = this.#traces.get(trace) ?? { start: second, end: second };
      this.#traces.set(trace, {
        start: second < start ? second : start, end: second > end ? second : end,
      });
    }
  }

  /** Of two rows with one key the newer one is kept. */
  #viewBatches(rows: readonly Row[]): void {
    for (const [key, count] of countBatches(rows)) this.#batches.set(key, count);
  }

  #lookup({ parts }: Extract<Statement, { kind: 'lookup' }>): string {
    const counts = new Map<number, { timed: number; untimed: number }>();
    for (const { index, counts: which, rows } of parts) {
      const own = counts.get(index) ?? { timed: 0, untimed: 0 };
      counts.set(index, own);
      own[which] += this.#select(rows).length;
    }
    return [...counts].sort(([one], [two]) => one - two)
      .map(([, { timed, untimed }]) => `${timed}\t${untimed}\n`).join('');
  }

  /** The rows of a block, without those that its statement leaves out. */
  #rowsOf(table: string, unless: Unless | null, { body }: Query): Row[] {
    const { rows, strings, times } = readBlock(body!, WANTED);
    const all = Array.from({ length: rows }, (_, index): Row => ({
      table,
      batch: strings.get('BatchId')![index]!,
      timeNs: times.get(TIME_COLUMN[table]!)![index]!,
      key: strings.get(KEY_COLUMN[table]!)![index]!,
      trace: strings.get('TraceId')?.[index] ?? '',
    }));
    if (unless === null) return all;
    const stored = new Set(this.#select(unless.stored)
      .map(({ batch, timeNs }) => batchKey(batch, table, dayOf(timeNs))));
    return all.filter(({ batch, timeNs }) => !unless.names.includes(batch)
      && !stored.has(batchKey(batch, table, dayOf(timeNs))));
  }

  #select({ table, conditions }: Rows): Row[] {
    return conditions.flatMap(({ names, between }) => names
      .flatMap((name) => this.#byBatch.get(name) ?? [])
      .filter((row) => row.table === table
        && (between === null || (row.timeNs >= between.first && row.timeNs <= between.last))));
  }
}

/** What `binnacle_batches` says of rows. */
export function countBatches(rows: Iterable<Row>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { batch, table, timeNs } of rows) {
    const key = batchKey(batch, table, dayOf(timeNs));
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}
