// A ClickHouse in memory, as far as the writer can tell the difference.
//
// It models: one insert is one block, committed day by day, each whole or not at all, with time in
// between, so that an end of the store or an error can come after some of them; the view on spans
// is written after all days of its table, and can be missing; what a statement reads is what was
// committed when it began; a statement goes on when its client is gone; a query id is taken while
// its statement runs; a restart ends all statements and keeps what was committed.
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
import { parseStatement, type Missing, type Range, type Statement } from './statement.ts';
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
  readonly params: Readonly<Record<string, unknown>>;
  readonly body: Buffer | null;
}

export interface Store {
  /** Runs a statement to its end, whoever waits for it. Answers lines; throws as the client does. */
  run(query: Query): Promise<string>;
  /** Ends everything that runs; nobody is served for `downMs`. */
  restart(downMs: number): void;
  rows(): Iterable<Row>;
  traceTimes(): ReadonlyMap<string, TraceTimes>;
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
      return await this.#execute(parseStatement(query.text), query, epoch);
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
        const counts = this.#lookup(statement, query);
        await step();
        return counts;
      }
      case 'insert':
        await this.#insert(this.#rowsOf(statement.table, statement.missing, query), epoch, query);
        return '';
      case 'repair': {
        const rows = this.#inRange(statement.range, String(query.params['timed']));
        await step();
        this.#view(rows);
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
      this.#view(rows);
    }
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

  #view(rows: readonly Row[]): void {
    for (const { trace, timeNs } of rows) {
      const second = timeNs / SECOND_NS;
      const { start, end } = this.#traces.get(trace) ?? { start: second, end: second };
      this.#traces.set(trace, {
        start: second < start ? second : start, end: second > end ? second : end,
      });
    }
  }

  #lookup({ parts }: Extract<Statement, { kind: 'lookup' }>, { params }: Query): string {
    const counts = new Map<number, { timed: number; untimed: number }>();
    for (const { index, table, range } of parts) {
      const own = counts.get(index) ?? { timed: 0, untimed: 0 };
      counts.set(index, own);
      if (range !== null) own.timed += this.#inRange(range, String(params['timed'])).length;
      else own.untimed += this.#ofBatch(table, String(params['untimed'])).length;
    }
    return [...counts].sort(([one], [two]) => one - two)
      .map(([, { timed, untimed }]) => `${timed}\t${untimed}\n`).join('');
  }

  /** The rows of a block, without those that its statement leaves out. */
  #rowsOf(table: string, missing: Missing | null, { body, params }: Query): Row[] {
    const { rows, strings, times } = readBlock(body!, WANTED);
    const all = Array.from({ length: rows }, (_, index): Row => ({
      table,
      batch: strings.get('BatchId')![index]!,
      timeNs: times.get(TIME_COLUMN[table]!)![index]!,
      key: strings.get(KEY_COLUMN[table]!)![index]!,
      trace: strings.get('TraceId')?.[index] ?? '',
    }));
    if (missing === null) return all;
    const timed = String(params['timed']);
    const stored = new Set(this.#inRange(missing.range, timed)
      .map(({ timeNs }) => dayOf(timeNs)));
    return all.filter(({ batch, timeNs }) =>
      !(batch === timed && stored.has(dayOf(timeNs)))
      && !(missing.withoutUntimed && batch === String(params['untimed'])));
  }

  #inRange({ table, first, last }: Range, batch: string): Row[] {
    return this.#ofBatch(table, batch)
      .filter(({ timeNs }) => timeNs >= first && timeNs <= last);
  }

  #ofBatch(table: string, batch: string): Row[] {
    return (this.#byBatch.get(batch) ?? []).filter((row) => row.table === table);
  }
}
