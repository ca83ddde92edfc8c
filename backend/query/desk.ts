// Where queries are handed in, from whatever side they come: there is one desk in a backend for
// people and programs, so that its limits hold for all of them together, and one for the rules of
// alerts, which wait for nobody. It knows what is under way, and counts its ends.
//
// Promises:
// - A query has its turn (turns.ts) before the store hears of it, and keeps it until its result was
//   read to the end or destroyed.
// - A result is passed on as it comes and never held; the reader's pace is the store's pace. Only
//   `rows` holds what it reads, and no more than `limits.ownBytesMax` of it.
// - Once `abort` has fired, the query ends in the store too.

import { once } from 'node:events';
import type { Readable } from 'node:stream';
import type { Counters } from '../../runtime/counters.ts';
import { errorMessage } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { World } from '../../runtime/world.ts';
import type { Caller } from '../access/roles.ts';
import { ANONYMOUS } from '../access/roles.ts';
import { GateError, isDenial } from '../gate/errors.ts';
import type { Gate } from '../gate/gate.ts';
import { QueryError, type QueryAnswer, type QueryRequest, type Storage }
  from '../storage/contract.ts';
import { admit } from './admission.ts';
import type { Audit } from './audit.ts';
import { settingsOf, stallMsOf, type QueryLimits } from './limits.ts';
import { createProgress } from './progress.ts';
import { createRecords, type Ending, type LiveQuery, type QueryRecord, type Records }
  from './record.ts';
import { Turns, type Turn } from './turns.ts';

export const limits = {
  /** Text of a result that is held for `rows`; a larger one fails with TOO_MANY_ROWS_OR_BYTES. */
  ownBytesMax: 128 * 1024 * 1024,
} as const;

/** A statement of somebody else's. */
export interface OpenQuestion {
  readonly sql: string;
  /** Used when the statement has no FORMAT. */
  readonly format: string;
  /** ClickHouse's `param_<name>`, escaped. */
  readonly params: Readonly<Record<string, string>>;
  /** Settings of ClickHouse that the caller wishes, by name. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Made here unless given; no other query may have it. */
  readonly queryId?: string;
}

/** A statement of our own: written by Binnacle, with what comes from others as parameters. */
export interface OwnQuestion {
  readonly sql: string;
  /** Values for `{name:Type}`: text, numbers, bigint, Date, arrays, null. */
  readonly params?: Readonly<Record<string, unknown>>;
  /** ClickHouse's settings, over those of the limits. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** More rows than this are TOO_MANY_ROWS_OR_BYTES; as many as a query may have unless given. */
  readonly rowsMax?: number;
}

export interface OpenQuery extends QueryAnswer {
  /** A reader that takes nothing for so long should be cut off. */
  readonly stallMs: number;
  /** Ends it before its result was read, because nobody needs more of it. */
  enough(): void;
}

export interface Desk {
  /**
   * Runs a statement of somebody else's and hands over its result, of which the first byte has
   * come. The caller must read `body` to its end, destroy it, or call `enough`. Throws GateError
   * for what may not run, and QueryError; TOO_MANY_SIMULTANEOUS_QUERIES when there is no turn.
   */
  open(question: OpenQuestion, caller: Caller, abort: AbortSignal): Promise<OpenQuery>;

  /**
   * The rows of a statement of our own, under the same turns and limits. Integers of 64 bits are
   * numbers: those beyond 2^53 must be asked for as text. Throws QueryError.
   */
  rows<Row extends object>(asked: OwnQuestion, caller: Caller, abort: AbortSignal): Promise<Row[]>;

  /** What is under way, and what has ended not long ago. */
  readonly records: Records;
}

export interface DeskOptions {
  readonly storage: Pick<Storage, 'query'>;
  /** What statements of others go through; null lets everything pass that the store lets pass. */
  readonly gate: Gate | null;
  /** Of all together; and of one caller, the same unless given. */
  readonly limits: QueryLimits;
  readonly limitsOf?: (caller: Caller) => QueryLimits;
  /** Told of each query that has ended. */
  readonly audit?: Pick<Audit, 'note'> | undefined;
  /** Whose desk it is, in the gauges; those of people say nothing. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly world: World;
  readonly counters: Counters;
  readonly log: Log;
}

export function createDesk(options: DeskOptions): Desk {
  return new CountingDesk(options);
}

const TOO_MANY = 'TOO_MANY_SIMULTANEOUS_QUERIES';
const tooMany = (message: string) => new QueryError(202, TOO_MANY, message, 'unavailable');
const queryGone = () => new QueryError(394, 'QUERY_WAS_CANCELLED', 'cancelled', 'cancelled');
const storeBroke = (cause: unknown) => new QueryError(0, 'STORE_UNAVAILABLE',
  `the store broke off: ${errorMessage(cause)}`, 'unavailable');

class CountingDesk implements Desk {
  private readonly options: DeskOptions;
  private readonly limitsOf: (caller: Caller) => QueryLimits;
  private readonly turns: Turns;
  private readonly look: () => void;
  readonly records: Records;

  constructor(options: DeskOptions) {
    const { counters, limits: own, world, labels = {} } = options;
    this.options = options;
    this.limitsOf = options.limitsOf ?? (() => own);
    const { clock } = world;
    this.records = createRecords(() => clock.monotonicMs(), (record) => this.ended(record));
    this.look = createProgress({ ...options, clock, live: () => this.records.live() });
    this.turns = new Turns({
      clock: world.clock,
      runningMax: own.concurrentMax,
      waitingMax: own.waitingMax ?? 0,
      waitMs: own.waitMs ?? 0,
      memoryBytesMax: own.memoryBytesMax,
      memoryPoolBytes: own.memoryPoolBytes ?? null,
    });
    counters.gauge('binnacle_queries_running', 'Queries that are under way.',
      () => this.turns.running(), labels);
    counters.gauge('binnacle_queries_waiting', 'Queries that wait for one of these to end.',
      () => this.turns.waiting(), labels);
  }

  open(question: OpenQuestion, caller: Caller, abort: AbortSignal): Promise<OpenQuery> {
    const { gate } = this.options;
    const { sql, format, params, settings, queryId } = question;
    const plan = async (own: Settings): Promise<Plan> => {
      // The parameters are in ClickHouse's words already; the client would escape them once more.
      if (gate === null) return { sql, format, settings: { ...own, ...settings, ...params } };
      return admit(gate, question, own, abort);
    };
    const run = { queryId, sql, format, origin: 'sql' as const };
    return this.run({ ...run, plan: async (own) => pretty(await plan(own)) }, caller, abort);
  }

  async rows<Row extends object>(
    { sql, params, settings, rowsMax }: OwnQuestion,
    caller: Caller,
    abort: AbortSignal,
  ): Promise<Row[]> {
    const format = 'JSONEachRow';
    const plan = async (own: Settings): Promise<Plan> => ({
      sql, params, format,
      settings: { ...own, ...OWN_SETTINGS,
        max_result_rows: rowsMax ?? own['max_result_rows'] ?? 0, ...settings },
    });
    const found = await this.run({ sql, format, origin: 'api', plan }, caller, abort);
    const text = await readText(found.body, abort);
    return text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Row);
  }

  private async run(asked: Run, caller: Caller, left: AbortSignal): Promise<OpenQuery> {
    const { storage } = this.options;
    const own = this.limitsOf(caller);
    const live = this.begin(asked, caller);
    const { id } = live.record();
    const abort = AbortSignal.any([left, live.cancelled]);
    let turn: Turn | null = null;
    const end = (ending: Ending, code = '') => {
      turn?.end();
      live.end(ending === 'ok' ? ending : left.aborted ? 'abandoned'
        : live.cancelled.aborted ? 'cancelled' : ending, code);
    };
    try {
      turn = await this.turn(caller, own, abort);
      live.run();
      this.look();
      const memoryBytes = Math.min(turn.memoryBytes, own.memoryBytesMax);
      const request = await asked.plan({ ...settingsOf(own), max_memory_usage: memoryBytes });
      const found = await storage.query({ ...request, queryId: id, abort });
      const { resultRows, resultBytes, readRows, readBytes } = found.summary;
      live.count({ resultRows, resultBytes, ...(readRows > 0 ? { readRows, readBytes } : {}) });
      await firstByte(found.body, abort);
      this.watch(found.body, id, abort, end);
      const enough = () => {
        end('ok');
        found.body.destroy();
      };
      return { ...found, queryId: id, stallMs: stallMsOf(own), enough };
    } catch (error) {
      end(endingOf(error), codeOf(error));
      throw error;
    }
  }

  private begin({ queryId, origin, sql, format }: Run, caller: Caller): LiveQuery {
    const { clock, random } = this.options.world;
    const id = queryId ?? random.uuid();
    const { state } = this.records.find(id) ?? {};
    if (state === 'waiting' || state === 'running') {
      throw new QueryError(216, 'QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING',
        'a query with this id is under way', 'statement');
    }
    return this.records.begin({ id, caller, origin, statement: sql, format,
      startedMs: clock.nowMs() });
  }

  private watch(
    body: Readable,
    queryId: string,
    abort: AbortSignal,
    end: (ending: Ending, code?: string) => void,
  ): void {
    // An empty result has ended by now.
    if (body.readableEnded) return end('ok');
    if (body.destroyed) return end('broken');
    body.once('end', () => end('ok'));
    body.once('error', (error) => {
      if (!abort.aborted) this.logBroken(queryId, error);
      end('broken', codeOf(error));
    });
    body.once('close', () => end('abandoned'));
    const leave = () => body.destroy();
    abort.addEventListener('abort', leave, { once: true });
    body.once('close', () => abort.removeEventListener('abort', leave));
    if (abort.aborted) leave();
  }

  private async turn(
    { name, address }: Caller,
    { callerConcurrentMax, callerWaitingMax }: QueryLimits,
    abort: AbortSignal,
  ): Promise<Turn> {
    const { concurrentMax, waitMs = 0, waitingMax = 0 } = this.options.limits;
    const turn = await this.turns.take(name === ANONYMOUS ? address : name, abort, {
      runningMax: callerConcurrentMax ?? concurrentMax,
      waitingMax: callerWaitingMax ?? waitingMax,
    });
    if (typeof turn === 'object') {
      if (!abort.aborted) return turn;
      turn.end();
      throw queryGone();
    }
    if (turn === 'gone') throw queryGone();
    const isOwn = this.turns.running() < concurrentMax;
    const running = isOwn ? `${callerConcurrentMax} of your queries are running, which is the limit`
      : `${concurrentMax} queries are running, which is the limit`;
    throw tooMany(turn === 'late' ? `${running}, and none of them has ended in ${waitMs} ms`
      : `${running}, and ${this.turns.waiting()} wait`);
  }

  private ended(record: QueryRecord): void {
    const { audit, counters } = this.options;
    audit?.note(record);
    const result = record.ending ?? '';
    counters.counter('binnacle_queries_total', 'Queries, by how they ended.', { result }).add(1);
    counters.counter('binnacle_query_seconds_total', 'Time of queries until their result was read.')
      .add(record.durationMs / 1000);
  }

  private logBroken(queryId: string, error: unknown): void {
    const cause = errorMessage(error);
    this.options.log.warn(`cannot finish the result of query ${queryId}: ${cause}`);
  }
}

type Settings = Readonly<Record<string, string | number>>;
type Plan = Pick<QueryRequest, 'sql' | 'format' | 'params'> & { readonly settings: Settings };

interface Run {
  readonly sql: string;
  readonly format: string;
  readonly origin: QueryRecord['origin'];
  readonly queryId?: string | undefined;
  /** Called when it has its turn, with the settings of its limits. */
  readonly plan: (own: Settings) => Promise<Plan>;
}

const pretty = (plan: Plan): Plan => (PRETTY.test(plan.format)
  ? { ...plan, settings: { ...PRETTY_SETTINGS, ...plan.settings } } : plan);

/** Pretty formats are for people: every row, no row numbers, no colours in a pipe. */
const PRETTY = /^Pretty/;
const PRETTY_SETTINGS = {
  output_format_pretty_row_numbers: 0,
  output_format_pretty_color: '0',
  output_format_pretty_max_rows: 100_000,
  output_format_pretty_single_large_number_tip_threshold: 0,
};

const OWN_SETTINGS = { output_format_json_quote_64bit_integers: 0 };

function endingOf(error: unknown): Ending {
  if (error instanceof GateError) return isDenial(error.code) ? 'forbidden' : 'statement';
  if (!(error instanceof QueryError)) return 'broken';
  return error.name === TOO_MANY ? 'refused' : error.kind;
}

function codeOf(error: unknown): string {
  if (error instanceof GateError) return error.code;
  return error instanceof QueryError ? error.name : 'INTERNAL';
}

/** What breaks before the first byte can still be told with a status of its own. */
async function firstByte(body: Readable, abort: AbortSignal): Promise<void> {
  try {
    if (body.destroyed) throw body.errored ?? new Error('it ended early');
    const told = new AbortController();
    const signal = AbortSignal.any([abort, told.signal]);
    // An empty result ends without ever being readable.
    await Promise.race(['readable', 'end'].map((event) => once(body, event, { signal })))
      .finally(() => told.abort());
  } catch (error) {
    body.destroy();
    throw abort.aborted ? queryGone() : storeBroke(error);
  }
}

async function readText(body: Readable, abort: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      if (bytes > limits.ownBytesMax) break;
    }
  } catch (error) {
    throw abort.aborted ? queryGone() : storeBroke(error);
  }
  if (abort.aborted) throw queryGone();
  if (bytes <= limits.ownBytesMax) return Buffer.concat(chunks).toString();
  throw new QueryError(396, 'TOO_MANY_ROWS_OR_BYTES',
    `the result has more than ${limits.ownBytesMax} bytes`, 'limit');
}
