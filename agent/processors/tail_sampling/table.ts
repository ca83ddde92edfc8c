// The traces that wait for their decision: of each what policies want to know, when it is due, and
// in which batches its spans are. Spans themselves are in the journal, and in memory while there is
// room.
//
// Promises:
// - `bytes` is what all of this takes in memory, by measured sizes of its parts; batches are kept
//   in memory only while it is below the limit.
// - Traces are due in the order in which they came, root spans in theirs.
// - A batch is done when each trace in it was released.

import type { Held } from '../../queue/journal.ts';
import type { Decision } from './decision.ts';
import { Fifo } from './fifo.ts';
import { addSummary, emptySummary, type TraceSummary } from './walk.ts';

/** What parts take on the heap. A test measures them. */
export const sizes = {
  traceBytes: 600,
  /** One more batch in which a trace has spans. */
  placeBytes: 24,
  batchBytes: 700,
} as const;

/** A batch in the journal of which some traces wait. */
export interface HeldBatch {
  readonly again: Held['again'];
  readonly done: Held['done'];
  /** Null: only on disk. */
  bytes: Uint8Array | null;
  /** Traces in it that were not released. */
  open: number;
}

export interface PendingTrace {
  readonly id: string;
  summary: TraceSummary;
  readonly dueMs: number;
  /** Infinity while no root span came. */
  rootDueMs: number;
  readonly batches: HeldBatch[];
  /** Known already: spans that come late, or a trace that was too large. */
  decision: Decision | null;
  isTaken: boolean;
}

export interface TableOptions {
  readonly waitMs: number;
  /** 0: root spans are not looked at. */
  readonly rootWaitMs: number;
  /** For the table and what it keeps of spans. */
  readonly bytesMax: number;
}

export class TraceTable {
  readonly #options: TableOptions;
  readonly #traces = new Map<string, PendingTrace>();
  /** Due now, whatever the time is. */
  readonly #ready = new Fifo<PendingTrace>();
  /** Those that were taken in another order stay here until they are in front. */
  readonly #queue = new Fifo<PendingTrace>();
  readonly #rooted = new Fifo<PendingTrace>();
  /** Whose bytes are in memory, or were. */
  readonly #kept = new Fifo<HeldBatch>();
  #indexBytes = 0;
  #waitingBytes = 0;
  #keptBytes = 0;

  constructor(options: TableOptions) {
    this.#options = options;
  }

  /** Traces that wait. */
  get size(): number {
    return this.#traces.size;
  }

  /** Of the table and of the spans that it keeps in memory. */
  get bytes(): number {
    return this.#indexBytes + this.#keptBytes;
  }

  /** Of the table alone. */
  get indexBytes(): number {
    return this.#indexBytes;
  }

  /** Of the traces in it that are not due. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  get hasReady(): boolean {
    return this.#ready.length > 0;
  }

  get(id: string): PendingTrace | undefined {
    return this.#traces.get(id);
  }

  /** A batch, before its traces are added; its bytes stay in memory if there is room. */
  hold({ again, done, batch }: Held): HeldBatch {
    this.#indexBytes += sizes.batchBytes;
    const { bytes } = batch;
    const hasRoom = this.bytes + bytes.length <= this.#options.bytesMax;
    const held: HeldBatch = { again, done, bytes: hasRoom ? bytes : null, open: 0 };
    if (hasRoom) {
      this.#keptBytes += bytes.length;
      this.#kept.push(held);
    }
    return held;
  }

  /** All traces of a batch were added; when none waits, it is done. */
  held(batch: HeldBatch): void {
    if (batch.open === 0) this.#finish(batch);
    // What was kept while the table was smaller makes room for it.
    while (this.bytes > this.#options.bytesMax && this.#kept.length > 0) {
      this.#spill(this.#kept.shift()!);
    }
  }

  /** Spans of a trace that waits, or that begins to. True for the latter. */
  add(id: string, summary: TraceSummary, batch: HeldBatch, nowMs: number): boolean {
    const known = this.#traces.get(id);
    const trace = known ?? this.#begin(id, summary, nowMs + this.#options.waitMs);
    if (known !== undefined) addSummary(known.summary, summary);
    else {
      this.#traces.set(id, trace);
      this.#queue.push(trace);
      this.#waitingBytes += sizes.traceBytes;
    }
    this.#waitingBytes += sizes.placeBytes;
    this.#place(trace, batch);
    if (this.#options.rootWaitMs > 0 && summary.hasRoot && trace.rootDueMs === Infinity) {
      trace.rootDueMs = nowMs + this.#options.rootWaitMs;
      this.#rooted.push(trace);
    }
    return known === undefined;
  }

  /** Spans of a trace that was decided before. */
  addLate(id: string, summary: TraceSummary, batch: HeldBatch, decision: Decision): void {
    const trace = this.#begin(id, summary, 0);
    trace.decision = decision;
    trace.isTaken = true;
    this.#place(trace, batch);
    this.#ready.push(trace);
  }

  /** Makes a trace due now; with a decision it is not asked for one any more. */
  hurry(trace: PendingTrace, decision: Decision | null): void {
    trace.decision = decision;
    this.#leave(trace);
    this.#ready.push(trace);
  }

  /** Spans that were handed on already. */
  forget(trace: PendingTrace): void {
    this.#leave(trace);
    this.release(trace);
  }

  /** The trace that has waited longest. */
  oldest(): PendingTrace | undefined {
    return firstWaiting(this.#queue);
  }

  /** Traces that are due, at least one if there is any, with spans of about `bytesMax`. */
  takeDue(nowMs: number, { bytesMax, tracesMax }: { bytesMax: number; tracesMax: number }) {
    const taken: PendingTrace[] = [];
    let bytes = 0;
    while (taken.length < tracesMax && (taken.length === 0 || bytes < bytesMax)) {
      const trace = this.#nextDue(nowMs);
      if (trace === undefined) break;
      if (!trace.isTaken) this.#leave(trace);
      bytes += trace.summary.bytes;
      taken.push(trace);
    }
    return taken;
  }

  /** Its spans were delivered, or are not wanted. */
  release(trace: PendingTrace): void {
    this.#indexBytes -= sizes.traceBytes + trace.batches.length * sizes.placeBytes;
    for (const batch of trace.batches) {
      batch.open -= 1;
      if (batch.open === 0) this.#finish(batch);
    }
    trace.batches.length = 0;
    trace.summary = RELEASED;
  }

  /** All that wait, oldest first; they stay in the table. */
  all(): PendingTrace[] {
    return [...this.#traces.values()];
  }

  /** It does not wait any more. */
  #leave(trace: PendingTrace): void {
    trace.isTaken = true;
    this.#traces.delete(trace.id);
    this.#waitingBytes -= sizes.traceBytes + trace.batches.length * sizes.placeBytes;
  }

  #begin(id: string, summary: TraceSummary, dueMs: number): PendingTrace {
    this.#indexBytes += sizes.traceBytes;
    return {
      id, summary, dueMs, rootDueMs: Infinity, batches: [], decision: null, isTaken: false,
    };
  }

  #place(trace: PendingTrace, batch: HeldBatch): void {
    this.#indexBytes += sizes.placeBytes;
    trace.batches.push(batch);
    batch.open += 1;
  }

  #nextDue(nowMs: number): PendingTrace | undefined {
    const ready = this.#ready.shift();
    if (ready !== undefined) return ready;
    const rooted = firstWaiting(this.#rooted);
    if (rooted !== undefined && rooted.rootDueMs <= nowMs) return rooted;
    const oldest = this.oldest();
    return oldest !== undefined && oldest.dueMs <= nowMs ? oldest : undefined;
  }

  #finish(batch: HeldBatch): void {
    this.#indexBytes -= sizes.batchBytes;
    this.#spill(batch);
    batch.done();
  }

  #spill(batch: HeldBatch): void {
    this.#keptBytes -= batch.bytes?.length ?? 0;
    batch.bytes = null;
    while (this.#kept.peek()?.bytes === null) this.#kept.shift();
  }
}

const RELEASED = emptySummary();

function firstWaiting(queue: Fifo<PendingTrace>): PendingTrace | undefined {
  while (queue.peek()?.isTaken === true) queue.shift();
  return queue.peek();
}
