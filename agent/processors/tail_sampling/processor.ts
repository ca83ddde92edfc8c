// Decides about whole traces: spans wait until their trace has come, then policies say whether it
// is kept (the Collector's processor/tailsampling).
//
// Promises:
// - `accepted` means that the spans are in the journal, synced, until their trace was handed on or
//   left out. They survive a kill at any instant, and are decided after the next start.
// - What waits takes at most `memory_limit` in memory: spans beyond it are on disk only and read
//   back for the decision. When the table of traces alone comes near it, the traces that have
//   waited longest are decided at once; when that does not help, senders are told to try later.
// - What is kept by chance carries its weight in the tracestate (decision.ts).
// - Spans that come after the decision follow it, as long as it is remembered.

import { basename, join, sep } from 'node:path';
import { Batch } from '../../../proto/contract/batch.ts';
import type {
  ComponentContext, Consumer, Processor, ProcessorFactory,
} from '../../../proto/contract/component.ts';
import { rejected, retryable, type Outcome } from '../../../proto/contract/outcome.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import type { Timer } from '../../../runtime/clock.ts';
import { openJournal, type Held, type Journal } from '../../queue/journal.ts';
import { createSchema, type PolicyConfig, type TailSamplingConfig } from './config.ts';
import { createTallies, showTable } from './counts.ts';
import { createDecided } from './decided.ts';
import { AT_SHUTDOWN, decide, TOO_LARGE, viewOf, type Decision } from './decision.ts';
import { decodeNote } from './notes.ts';
import { createPolicy, type NamedPolicy } from './policies.ts';
import { createRounds, type Rounds } from './rounds.ts';
import { TraceTable, type HeldBatch } from './table.ts';
import { selectSpans, summarize, type TraceSummary } from './walk.ts';

export const limits = {
  /** Between two looks for traces that are due. */
  tickMs: 1000,
  /** Of `memory_limit`: above it the oldest traces are decided early. */
  tableShare: 0.75,
  /** Of `memory_limit`: so much is read back at a time. */
  readShare: 1 / 8,
  retryAfterMs: 1000,
  /** Decisions of each kind that late spans follow, unless the configuration says how many. */
  rememberedMax: 100_000,
} as const;

export const tailSamplingProcessor: ProcessorFactory<TailSamplingConfig> = {
  kind: 'processor',
  type: 'tail_sampling',
  signals: ['traces'],
  get schema() {
    return createSchema();
  },
  uses: ({ storage }) => (storage === undefined ? []
    : [{ path: ['storage'], id: storage, type: 'file_storage' }]),
  create: (config, context, next) => {
    let sampler: TailSampler | null = null;
    let stopped: Promise<void> | null = null;
    return {
      start: async () => {
        const journal = await openJournal({
          context, bytesMax: config.storage_limit, ...placeOf(config, context),
        });
        sampler = new TailSampler(config, context, next, journal);
        await sampler.start();
      },
      stop: (deadline) => {
        stopped ??= sampler === null ? null : sampler.stop(deadline);
        return stopped ?? Promise.resolve();
      },
      consume: (batch, abort) => sampler?.consume(batch, abort)
        ?? Promise.resolve(retryable('the processor has not started')),
    } satisfies Processor;
  },
};

/** Where what waits is kept, and how it is sealed. */
function placeOf({ storage }: TailSamplingConfig, { folder, storage: find }: ComponentContext) {
  const found = storage === undefined ? null : find?.(storage) ?? null;
  if (found === null) return { folder: join(folder, 'journal'), keys: [] };
  const at = folder.lastIndexOf(`${sep}processor${sep}`);
  const name = at === -1 ? basename(folder) : folder.slice(at + 1);
  return { folder: join(found.directory, name, 'journal'), keys: found.keys() };
}

class TailSampler {
  readonly #config: TailSamplingConfig;
  readonly #context: ComponentContext;
  readonly #journal: Journal;
  readonly #table: TraceTable;
  readonly #tallies: ReturnType<typeof createTallies>;
  readonly #decided: ReturnType<typeof createDecided>;
  readonly #policies: readonly NamedPolicy[];
  readonly #rounds: Rounds;
  /** Fires when nothing more is taken. */
  readonly #leaving = new AbortController();
  /** Fires when nothing more is waited for. */
  readonly #stopping = new AbortController();
  /** What `consume` saw in bytes that come back from the journal. */
  readonly #seen = new WeakMap<Uint8Array, Map<string, TraceSummary>>();
  #room: (() => void)[] = [];
  #taking: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;
  #isReplaying = true;
  /** Notes in the journal that did not come back yet. */
  #notes = 0;

  constructor(
    config: TailSamplingConfig, context: ComponentContext, next: Consumer, journal: Journal,
  ) {
    const { num_traces: tracesMax, decision_cache: cache, memory_limit: bytesMax } = config;
    this.#config = config;
    this.#context = context;
    this.#journal = journal;
    this.#tallies = createTallies(context);
    this.#table = new TraceTable({
      waitMs: config.decision_wait, rootWaitMs: config.decision_wait_after_root_received, bytesMax,
    });
    const remembered = Math.min(tracesMax, limits.rememberedMax);
    this.#decided = createDecided({
      sampled: cache.sampled_cache_size || remembered,
      others: cache.non_sampled_cache_size || remembered,
    });
    const policies = config.policies.map((policy) =>
      createPolicy(policy as PolicyConfig, context));
    this.#policies = [...policies.filter((one) => one.isDrop === true),
      ...policies.filter((one) => one.isDrop !== true)];
    this.#rounds = createRounds({
      context, next, table: this.#table, decided: this.#decided, tallies: this.#tallies,
      policies: this.#policies, firstMatch: config.sample_on_first_match,
      isComplete: config.sampling_strategy === 'trace-complete',
      readBytesMax: bytesMax * limits.readShare, stop: this.#stopping.signal,
      note: async (batch) => {
        const { status } = await journal.put(batch, this.#stopping.signal);
        if (status === 'accepted') this.#notes += 1;
      },
    });
    showTable(context, this.#table);
  }

  async start(): Promise<void> {
    await this.#journal.replay((held) => this.#admit(held));
    this.#isReplaying = false;
    // Spans that came after their trace was decided, and were not yet handed on.
    for (const trace of this.#table.all()) {
      const decision = this.#decided.get(trace.id);
      if (decision !== undefined) this.#table.hurry(trace, decision);
    }
    this.#taking = this.#take();
    const { clock } = this.#context.world;
    const tickMs = Math.min(limits.tickMs, this.#config.decision_wait);
    this.#timer = clock.every(tickMs, () => void this.#run());
  }

  async consume(batch: Batch, abort: AbortSignal): Promise<Outcome> {
    try {
      this.#seen.set(batch.bytes, summarize(batch.bytes));
    } catch (error) {
      if (error instanceof DecodeError) return rejected(error.message);
      throw error;
    }
    const { block_on_overflow: blocks, num_traces: tracesMax, memory_limit: most } = this.#config;
    while (blocks && this.#table.size >= tracesMax && !abort.aborted && !this.#hasLeft) {
      await this.#roomMade(abort);
    }
    if (this.#hasLeft || abort.aborted) {
      return retryable(abort.aborted ? 'the sender stopped waiting' : 'the processor has stopped');
    }
    if (this.#table.indexBytes >= most) {
      return retryable('too many traces wait for their decision', limits.retryAfterMs);
    }
    return this.#journal.put(batch, abort);
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.#leaving.abort();
    this.#timer?.cancel();
    this.#makeRoom();
    const giveUp = () => this.#stopping.abort();
    if (deadline.aborted) giveUp();
    deadline.addEventListener('abort', giveUp, { once: true });
    await this.#taking;
    if (!this.#config.keep_pending_traces_on_shutdown) {
      const decision = this.#config.drop_pending_traces_on_shutdown ? AT_SHUTDOWN : null;
      for (const trace of this.#table.all()) this.#table.hurry(trace, decision);
    }
    await this.#rounds.run();
    // What came due while the round before was ending.
    if (this.#table.hasReady) await this.#rounds.run();
    await this.#takeNotes();
    deadline.removeEventListener('abort', giveUp);
    await this.#journal.stop();
    if (this.#journal.batches() > 0) {
      this.#context.log.info('traces that wait are kept for the next start',
        { batches: this.#journal.batches() });
    }
  }

  get #hasLeft(): boolean {
    return this.#leaving.signal.aborted;
  }

  async #take(): Promise<void> {
    for (;;) {
      const held = await this.#journal.take(this.#leaving.signal);
      if (held === null) return;
      this.#admit(held);
      this.#hurryOldest();
      if (this.#table.hasReady) void this.#run();
    }
  }

  /** Those of the last decisions; without them the journal would not be empty. */
  async #takeNotes(): Promise<void> {
    while (this.#notes > 0) {
      const held = await this.#journal.take(this.#stopping.signal);
      if (held === null) return;
      // Spans that were not taken in before wait for the next start.
      if (held.batch.is('logs')) this.#admit(held);
    }
  }

  async #run(): Promise<void> {
    if (this.#hasLeft) return;
    await this.#rounds.run();
    this.#makeRoom();
  }

  /** Takes in what is durable. */
  #admit(held: Held): void {
    const { batch } = held;
    if (batch.is('logs')) {
      if (this.#isReplaying) this.#recall(batch);
      else this.#notes -= 1;
      held.done();
      return;
    }
    const traces = this.#summaryOf(batch);
    const nowMs = this.#context.world.clock.monotonicMs();
    const place = this.#table.hold(held);
    for (const [id, summary] of traces) this.#addTrace(id, summary, place, nowMs);
    if (this.#config.sampling_strategy === 'span-ingest' && !this.#isReplaying) {
      this.#decideNow(batch, traces);
    }
    this.#table.held(place);
  }

  #summaryOf(batch: Batch): ReadonlyMap<string, TraceSummary> {
    const seen = this.#seen.get(batch.bytes);
    // Else it would stay as long as the bytes do.
    this.#seen.delete(batch.bytes);
    if (seen !== undefined) return seen;
    try {
      return summarize(batch.bytes);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#tallies.lost('broken', batch.itemCount);
      return new Map();
    }
  }

  #addTrace(id: string, summary: TraceSummary, place: HeldBatch, nowMs: number): void {
    // Notes that come after it in the journal may be about these spans.
    const decision = this.#isReplaying ? undefined : this.#decided.get(id);
    if (decision === undefined) {
      if (this.#table.add(id, summary, place, nowMs)) this.#tallies.began();
      const most = this.#config.maximum_trace_size_bytes;
      const trace = this.#table.get(id)!;
      if (most > 0 && trace.summary.bytes > most) {
        this.#decided.set(id, TOO_LARGE);
        this.#table.hurry(trace, TOO_LARGE);
      }
      return;
    }
    this.#tallies.late(decision, summary.spans);
    if (decision.kind === 'sampled') this.#table.addLate(id, summary, place, decision);
  }

  /** Forgets the spans of traces that were handed on before the last stop. */
  #recall(note: Batch<'logs'>): void {
    for (const [id, decision] of decodeNote(note)) {
      this.#decided.set(id, decision);
      const trace = this.#table.get(id);
      if (trace !== undefined) this.#table.forget(trace);
    }
  }

  /** Asks the policies about what came of each trace; what they do not keep waits on. */
  #decideNow(batch: Batch, traces: ReadonlyMap<string, TraceSummary>): void {
    for (const [id, summary] of traces) {
      const trace = this.#table.get(id);
      if (trace === undefined) continue;
      const decision = this.#judge(id, summary, batch);
      if (decision.kind === 'not_sampled') continue;
      this.#tallies.decided(decision);
      this.#decided.set(id, decision);
      this.#table.hurry(trace, decision);
    }
  }

  #judge(id: string, summary: TraceSummary, batch: Batch): Decision {
    const needsSpans = this.#policies.some((policy) => policy.needsSpans);
    const spans = needsSpans ? spansOf(id, batch) : [];
    return decide(this.#policies, viewOf(id, summary, spans),
      { firstMatch: this.#config.sample_on_first_match, tally: this.#tallies.voted });
  }

  #hurryOldest(): void {
    const { num_traces: tracesMax, block_on_overflow: blocks } = this.#config;
    const bytesMax = this.#config.memory_limit * limits.tableShare;
    const reason = (): 'traces' | 'memory' | null => {
      if (!blocks && this.#table.size > tracesMax) return 'traces';
      return this.#table.waitingBytes > bytesMax ? 'memory' : null;
    };
    for (let why = reason(); why !== null; why = reason()) {
      const oldest = this.#table.oldest();
      if (oldest === undefined) return;
      this.#tallies.early(why);
      this.#table.hurry(oldest, null);
    }
  }

  #roomMade(abort: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#room.push(resolve);
      abort.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  #makeRoom(): void {
    const waiting = this.#room;
    this.#room = [];
    for (const turn of waiting) turn();
  }
}

function spansOf(id: string, batch: Batch) {
  const bytes = selectSpans(batch.bytes, (one) => one === id);
  const { resourceSpans } = Batch.fromBytes('traces', bytes).request;
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ scope, spans }) => spans.map((span) => ({ resource, scope, span }))));
}
