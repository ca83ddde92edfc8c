// Sends gathered requests as few merged batches and gives each request its verdict.
//
// Requests that are too large are cut into pieces first; pieces are then put together in order as
// long as they fit. See processor.ts for what happens to refused and half-accepted ones.

import { Batch } from '../../../proto/contract/batch.ts';
import type { Consumer } from '../../../proto/contract/component.ts';
import { rejected, unlessAborted, type Outcome } from '../../../proto/contract/outcome.ts';
import { mergeRequests } from '../../../proto/otlp/merge.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import { retryDelayMs, type RetryOptions } from '../../../runtime/retry.ts';
import type { World } from '../../../runtime/world.ts';
import { combine, divide, piecesOf, type Piece, type Source } from './source.ts';

export interface DeliveryOptions {
  readonly next: Consumer;
  readonly world: World;
  /** Most items of a batch. */
  readonly itemsMax: number;
  /** Waits between tries for pieces whose request is accepted in part. */
  readonly pieceRetry: RetryOptions;
  /** Ends all waiting; what has no verdict then is retryable. */
  readonly stop: AbortSignal;
}

export interface Delivery {
  /** All of one signal. Resolves when each source has its verdict. */
  send(sources: readonly Source[]): Promise<void>;
}

/** The verdicts on the pieces of each request. */
type Verdicts = Map<Source, Map<Piece, Outcome>>;

export function createDelivery(options: DeliveryOptions): Delivery {
  return {
    send: async (sources) => {
      const pieces = sources.flatMap((source) => cut(source, options.itemsMax));
      const verdicts: Verdicts = new Map(pieces.map(({ source }) => [source, new Map()]));
      await Promise.all(groupsOf(pieces, options.itemsMax).map((group) =>
        sendGroup(group, options, verdicts)));
      await Promise.all([...verdicts].map(([source, own]) =>
        isMixed(own) ? settleMixed(source, verdicts, options) : source.settle(combine(own))));
    },
  };
}

/** The pieces of a request. One that cannot be cut gets its verdict at once and has none. */
function cut(source: Source, itemsMax: number): Piece[] {
  try {
    return piecesOf(source, itemsMax);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    source.settle(rejected(error.message));
    return [];
  }
}

function groupsOf(pieces: readonly Piece[], itemsMax: number): Piece[][] {
  const groups: Piece[][] = [];
  let items = Infinity;
  for (const piece of pieces) {
    if (items + piece.batch.itemCount > itemsMax || groups.length === 0) {
      groups.push([]);
      items = 0;
    }
    groups.at(-1)!.push(piece);
    items += piece.batch.itemCount;
  }
  return groups;
}

/** Puts the verdict on each piece into `verdicts`. */
async function sendGroup(
  group: readonly Piece[],
  options: DeliveryOptions,
  verdicts: Verdicts,
): Promise<void> {
  const outcome = await consume(group, options);
  if (outcome.status === 'rejected' && group.length > 1) {
    const middle = group.length >> 1;
    await sendGroup(group.slice(0, middle), options, verdicts);
    await sendGroup(group.slice(middle), options, verdicts);
    return;
  }
  const shares = divide(refusedOf(outcome), group.map(({ batch }) => batch.itemCount));
  group.forEach((piece, index) => {
    const own = group.length === 1 ? outcome : shareOf(outcome, shares[index]!, group);
    verdicts.get(piece.source)!.set(piece, own);
  });
}

const refusedOf = (outcome: Outcome): number =>
  (outcome.status === 'accepted' ? outcome.rejected : 0);

function shareOf(outcome: Outcome, share: number, group: readonly Piece[]): Outcome {
  if (outcome.status !== 'accepted' || share === 0) {
    return outcome.status === 'accepted' ? { status: 'accepted', rejected: 0 } : outcome;
  }
  const all = `${outcome.rejected} records of ${group.length} requests that were sent together`;
  return {
    status: 'accepted',
    rejected: share,
    reason: `a share of ${all}: ${outcome.reason ?? 'refused'}`,
  };
}

/** One call of `next`; given up when nobody waits for it any more or the processor stops. */
async function consume(group: readonly Piece[], { next, stop }: DeliveryOptions): Promise<Outcome> {
  const abort = new AbortController();
  const waiting = new Set(group.map(({ source }) => source.abandoned));
  let waitingCount = waiting.size;
  const giveUp = () => abort.abort();
  const leave = () => {
    waitingCount -= 1;
    if (waitingCount === 0) giveUp();
  };
  if (stop.aborted) giveUp();
  stop.addEventListener('abort', giveUp);
  for (const signal of waiting) {
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave);
  }
  try {
    // Does not depend on the callee to notice the abort.
    return await unlessAborted(next.consume(merge(group), abort.signal), abort.signal, 'aborted');
  } finally {
    stop.removeEventListener('abort', giveUp);
    for (const signal of waiting) signal.removeEventListener('abort', leave);
  }
}

/** A single piece is handed on as it came, with its id; others with where they are from. */
function merge(group: readonly Piece[]): Batch {
  const [first] = group;
  if (group.length === 1) return first!.batch;
  const { signal } = first!.batch;
  const bytes = mergeRequests(group.map(({ batch }) => batch.bytes));
  return Batch.fromBytes(signal, bytes, undefined, group.flatMap(({ batch }) => batch.origins));
}

/** Part of it is accepted, so that its sender must not be told to repeat it. */
function isMixed(own: ReadonlyMap<Piece, Outcome>): boolean {
  const statuses = new Set([...own.values()].map(({ status }) => status));
  return statuses.has('accepted') && statuses.has('retryable');
}

/** Settles a source after trying again for pieces that its sender could not repeat alone. */
async function settleMixed(
  source: Source,
  verdicts: Verdicts,
  options: DeliveryOptions,
): Promise<void> {
  const { clock, random } = options.world;
  const own = verdicts.get(source)!;
  const over = AbortSignal.any([options.stop, source.abandoned]);
  for (let attempt = 0; !over.aborted && isMixed(own); attempt++) {
    const again = [...own].filter(([, outcome]) => outcome.status === 'retryable');
    const peerMs = Math.max(...again.map(([, outcome]) => retryAfterOf(outcome)));
    await clock.sleep(retryDelayMs(options.pieceRetry, attempt, peerMs, random), over);
    await Promise.all(again.map(([piece]) => sendGroup([piece], options, verdicts)));
  }
  source.settle(combine(own));
}

const retryAfterOf = (outcome: Outcome): number =>
  (outcome.status === 'retryable' ? outcome.retryAfterMs ?? 0 : 0);
