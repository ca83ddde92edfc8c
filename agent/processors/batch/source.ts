// One request that a caller handed in, and the verdict that the caller waits for. A request may be
// sent in several pieces; the verdict combines theirs.

import { Batch } from '../../../proto/contract/batch.ts';
import { retryable, type Outcome } from '../../../proto/contract/outcome.ts';
import { splitRequest } from '../../../proto/otlp/split.ts';

export interface Source {
  readonly batch: Batch;
  /** Resolves once: with the verdict, or `retryable` when the source was abandoned before. */
  readonly outcome: Promise<Outcome>;
  /** Fires when the caller no longer waits. */
  readonly abandoned: AbortSignal;
  settle(outcome: Outcome): void;
  abandon(): void;
}

export function createSource(batch: Batch): Source {
  let settle: (outcome: Outcome) => void = () => {};
  const outcome = new Promise<Outcome>((resolve) => {
    settle = resolve;
  });
  const abandoned = new AbortController();
  return {
    batch,
    outcome,
    abandoned: abandoned.signal,
    settle,
    abandon: () => {
      abandoned.abort();
      settle(retryable('aborted'));
    },
  };
}

/** What is sent as a whole or together with others, but never cut. */
export interface Piece {
  readonly source: Source;
  readonly batch: Batch;
}

/** The request itself, or the pieces of one with more than `itemsMax` items. Throws DecodeError. */
export function piecesOf(source: Source, itemsMax: number): Piece[] {
  const { batch } = source;
  if (batch.itemCount <= itemsMax) return [{ source, batch }];
  return splitRequest(batch.signal, batch.bytes, { itemsMax })
    .map((bytes) => ({ source, batch: Batch.fromBytes(batch.signal, bytes) }));
}

/** The verdict for a request whose pieces got these. None may be retryable if one is accepted. */
export function combine(pieces: ReadonlyMap<Piece, Outcome>): Outcome {
  const outcomes = [...pieces];
  const [first] = outcomes;
  if (outcomes.length === 1) return first![1];
  const again = outcomes.find(([, { status }]) => status === 'retryable');
  if (again !== undefined) return again[1];
  if (outcomes.every(([, { status }]) => status === 'rejected')) return first![1];
  let refused = 0;
  let reason: string | undefined;
  for (const [{ batch }, outcome] of outcomes) {
    if (outcome.status === 'rejected') refused += batch.itemCount;
    if (outcome.status === 'accepted') refused += outcome.rejected;
    reason ??= outcome.reason;
  }
  return { status: 'accepted', rejected: refused, ...(reason === undefined ? {} : { reason }) };
}

/**
 * Divides `refused` records of a merged batch among its pieces in proportion to their sizes. The
 * shares are whole, their sum is `refused`, and none is larger than its piece.
 */
export function divide(refused: number, sizes: readonly number[]): number[] {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  let before = 0;
  return sizes.map((size) => {
    const after = before + size;
    const share = total === 0 ? 0
      : Math.floor((refused * after) / total) - Math.floor((refused * before) / total);
    before = after;
    return share;
  });
}
