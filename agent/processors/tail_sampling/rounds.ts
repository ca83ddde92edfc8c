// Decides traces that are due, some at a time: their spans are read back where that is needed, the
// policies are asked, what is kept goes on with its weight, and what was decided is noted in the
// journal. Only then the traces are released.
//
// - What the next one refuses for now is handed on again until it has its verdict, or the processor
//   stops; then it stays in the journal, undecided.
// - A batch that cannot be read back, or not be decoded, is said and counted.

import { Batch } from '../../../proto/contract/batch.ts';
import type { ComponentContext, Consumer } from '../../../proto/contract/component.ts';
import { unlessAborted } from '../../../proto/contract/outcome.ts';
import { mergeRequests } from '../../../proto/otlp/merge.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import { retryDelayMs } from '../../../runtime/retry.ts';
import { editRecords } from '../edit/records.ts';
import type { Tallies } from './counts.ts';
import type { Decided } from './decided.ts';
import { decide, NOT_KEPT, viewOf, weighed, type Decision } from './decision.ts';
import { encodeNote } from './notes.ts';
import type { NamedPolicy } from './policies.ts';
import type { SpanAround } from './policy.ts';
import type { HeldBatch, PendingTrace, TraceTable } from './table.ts';
import { selectSpans } from './walk.ts';

export const limits = {
  /** Traces that are decided together. */
  tracesMax: 5000,
  /** Bytes that are handed on together, unless a batch had more of one trace. */
  deliveredBytesMax: 4 * 1024 * 1024,
  retry: {
    initialIntervalMs: 100, maxIntervalMs: 5000, multiplier: 2, randomizationFactor: 0.5,
  },
} as const;

export interface RoundsOptions {
  readonly context: ComponentContext;
  readonly next: Consumer;
  readonly table: TraceTable;
  readonly decided: Decided;
  readonly policies: readonly NamedPolicy[];
  readonly firstMatch: boolean;
  /** False when traces were asked for as they came: what is undecided is not kept. */
  readonly isComplete: boolean;
  /** Spans are read back for so many bytes at a time. */
  readonly readBytesMax: number;
  readonly tallies: Tallies;
  /** Fires when nothing more may be waited for. */
  readonly stop: AbortSignal;
  /** Makes it durable, if that can be. */
  note(batch: Batch): Promise<void>;
}

export interface Rounds {
  /** Decides all that is due, and what becomes so meanwhile. Calls while it runs join it. */
  run(): Promise<void>;
}

export function createRounds(options: RoundsOptions): Rounds {
  const { table, readBytesMax, stop, context: { world } } = options;
  let running: Promise<void> | null = null;
  const work = async () => {
    while (!stop.aborted) {
      const due = table.takeDue(world.clock.monotonicMs(),
        { bytesMax: readBytesMax, tracesMax: limits.tracesMax });
      if (due.length === 0) return;
      await decideTogether(due, options);
    }
  };
  return {
    run: () => {
      running ??= work().finally(() => {
        running = null;
      });
      return running;
    },
  };
}

type Decisions = Map<string, Decision>;

async function decideTogether(due: readonly PendingTrace[], options: RoundsOptions): Promise<void> {
  const { table, decided, policies, tallies } = options;
  const needsSpans = options.isComplete && policies.some((policy) => policy.needsSpans)
    && due.some(({ decision }) => decision === null);
  const read = needsSpans ? await readParts(due, options) : null;
  const decisions = decideAll(due, read, options);
  for (const [id, decision] of decisions) {
    decided.set(id, decision);
    // Spans that came meanwhile follow it.
    const more = table.get(id);
    if (more !== undefined) table.hurry(more, decision);
  }
  const kept = due.filter(({ id }) => decisions.get(id)!.kind === 'sampled');
  const parts = read ?? await readParts(kept, options);
  // Of parts that are read for it, all spans are kept.
  const asked = read === null ? kept.map(({ id }) => decisions.get(id)!) : [...decisions.values()];
  const isWhole = asked.every(({ kind, chance }) => kind === 'sampled' && chance >= 1);
  const going = isWhole ? parts : parts.flatMap((part) => keptOf(part, decisions, options));
  for (const batch of merged(going)) {
    if (!await deliver(batch, options)) return;
  }
  await options.note(encodeNote(decisions));
  for (const trace of due) {
    tallies.released(decisions.get(trace.id)!, trace);
    table.release(trace);
  }
}

function decideAll(
  due: readonly PendingTrace[],
  read: readonly Batch<'traces'>[] | null,
  { policies, firstMatch, isComplete, tallies }: RoundsOptions,
): Decisions {
  const spans = read === null ? null : spansByTrace(read);
  const decisions: Decisions = new Map();
  for (const { id, summary, decision } of due) {
    const known = decision ?? decisions.get(id) ?? (isComplete ? undefined : NOT_KEPT);
    if (known !== undefined) {
      decisions.set(id, known);
      continue;
    }
    const view = viewOf(id, summary, spans?.get(id) ?? []);
    const made = decide(policies, view, { firstMatch, tally: tallies.voted });
    tallies.decided(made);
    decisions.set(id, made);
  }
  return decisions;
}

/** Of each batch in which these traces are, their spans. */
async function readParts(
  traces: readonly PendingTrace[], options: RoundsOptions,
): Promise<Batch<'traces'>[]> {
  const ids = new Set(traces.map(({ id }) => id));
  const batches = new Set<HeldBatch>(traces.flatMap((trace) => trace.batches));
  const parts: Batch<'traces'>[] = [];
  for (const held of batches) {
    const bytes = held.bytes ?? (await held.again())?.bytes;
    if (bytes === undefined) {
      options.tallies.lost('damaged', countIn(held, traces));
      continue;
    }
    const selected = selectSpans(bytes, (id) => ids.has(id));
    if (selected.length > 0) parts.push(Batch.fromBytes('traces', selected));
  }
  return parts;
}

/** How many spans may be gone with a batch: of traces that are in it alone, all are. */
function countIn(held: HeldBatch, traces: readonly PendingTrace[]): number {
  return traces.filter(({ batches }) => batches.includes(held))
    .reduce((sum, { summary, batches }) => sum + Math.ceil(summary.spans / batches.length), 0);
}

function spansByTrace(parts: readonly Batch<'traces'>[]): Map<string, SpanAround[]> {
  const found = new Map<string, SpanAround[]>();
  for (const part of parts) {
    try {
      for (const { resource, scopeSpans } of part.request.resourceSpans) {
        for (const { scope, spans } of scopeSpans) {
          for (const span of spans) {
            const list = found.get(span.traceId);
            if (list === undefined) found.set(span.traceId, [{ resource, scope, span }]);
            else list.push({ resource, scope, span });
          }
        }
      }
    } catch (error) {
      // Such spans are not asked for; what is kept of them is said when it is handed on.
      if (!(error instanceof DecodeError)) throw error;
    }
  }
  return found;
}

/** The spans of a part that are kept, with their weights. */
function keptOf(
  part: Batch<'traces'>, decisions: Decisions, { tallies }: RoundsOptions,
): Batch<'traces'>[] {
  try {
    const kept = editRecords(part, (span) => {
      const decision = decisions.get(span.traceId) ?? NOT_KEPT;
      return decision.kind === 'sampled' ? weighed(span, decision) : null;
    });
    return kept === null ? [] : [kept];
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    tallies.lost('broken', part.itemCount);
    return [];
  }
}

function merged(parts: readonly Batch<'traces'>[]): Batch<'traces'>[] {
  const groups: Uint8Array[][] = [];
  let room = 0;
  for (const { bytes } of parts) {
    if (bytes.length > room) {
      groups.push([]);
      room = limits.deliveredBytesMax;
    }
    groups.at(-1)!.push(bytes);
    room -= bytes.length;
  }
  return groups.map((group) => Batch.fromBytes('traces', mergeRequests(group)));
}

/** False when the processor stops before there is a verdict. */
async function deliver(batch: Batch, options: RoundsOptions): Promise<boolean> {
  const { next, stop, tallies, context: { world, log } } = options;
  for (let attempt = 0; !stop.aborted; attempt++) {
    const outcome = await unlessAborted(next.consume(batch, stop), stop, 'stopping');
    if (outcome.status === 'accepted') {
      tallies.lost('refused', outcome.rejected);
      return true;
    }
    if (outcome.status === 'rejected') {
      log.error(`cannot hand on ${batch.itemCount} spans: ${outcome.reason}`);
      tallies.lost('refused', batch.itemCount);
      return true;
    }
    const delayMs = retryDelayMs(limits.retry, attempt, outcome.retryAfterMs ?? 0, world.random);
    await world.clock.sleep(delayMs, stop);
  }
  return false;
}
