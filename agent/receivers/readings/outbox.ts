// Readings on their way from a receiver of metrics to the next part. One batch is handed on at a
// time, in order. One that is answered `retryable` stays and is handed on again, later and later,
// while new ones queue behind it; when they are too many or too large the oldest are dropped and
// counted. Nothing is on disk: readings of the past are worth less than those of now.
//
// A receiver with many sources has an outbox for each, so that none waits for another; they share
// one `Room`, which bounds what all of them hold.

import { Batch } from '../../../proto/contract/batch.ts';
import type { Consumer } from '../../../proto/contract/component.ts';
import type { Outcome } from '../../../proto/contract/outcome.ts';
import { retryDelayMs } from '../../../runtime/retry.ts';
import type { World } from '../../../runtime/world.ts';

export const limits = {
  /** Batches that wait. Beyond it the oldest is dropped. */
  batches: 60,
  /** Bytes of the batches that wait, unless a room says more. Beyond it the oldest is dropped. */
  bytes: 16 * 1024 * 1024,
} as const;

export type DropReason = 'too many' | 'rejected' | 'stopped';

/** Bytes that the batches of several outboxes hold together while they wait. */
export interface Room {
  readonly bytesMax: number;
  bytes: number;
}

export interface OutboxOptions {
  readonly next: Consumer;
  readonly world: World;
  /** The longest wait between two tries. */
  readonly retryMsMax: number;
  /** What it shares with others; a room of its own unless given. */
  readonly room?: Room;
  /** Hears of data points that nobody will see. */
  readonly dropped: (points: number, reason: DropReason, why: string) => void;
}

export interface Outbox {
  add(batch: Batch<'metrics'>): void;
  /**
   * Hands on each batch that waits once more, waits for the answers until `deadline`, and drops
   * what is left. Nothing is handed on afterwards.
   */
  stop(deadline: AbortSignal): Promise<void>;
}

const RETRY = { initialIntervalMs: 1000, multiplier: 2, randomizationFactor: 0.5 };

export function createOutbox(options: OutboxOptions): Outbox {
  const { next, world, retryMsMax, dropped } = options;
  const room = options.room ?? { bytesMax: limits.bytes, bytes: 0 };
  const queue: Batch<'metrics'>[] = []; // All but the first are counted in the room.
  const ending = new AbortController(); // Fires when no more time shall be waited.
  const dead = new AbortController(); // Fires when no more answers shall be waited for.
  let stopping = false;
  let sending: Promise<void> | undefined;

  const send = async (): Promise<void> => {
    for (let attempt = 0; queue.length > 0 && !dead.signal.aborted;) {
      const batch = queue[0]!;
      const outcome = await next.consume(batch, dead.signal);
      if (dead.signal.aborted) break; // `stop` has counted it.
      attempt = outcome.status === 'retryable' ? attempt + 1 : 0;
      if (outcome.status !== 'retryable' || stopping) {
        queue.shift();
        room.bytes -= queue[0]?.bytes.length ?? 0;
        countLoss(batch, outcome, dropped);
        continue;
      }
      queue[0] = compact(batch);
      const retry = { ...RETRY, maxIntervalMs: retryMsMax };
      const wait = retryDelayMs(retry, attempt - 1, outcome.retryAfterMs ?? 0, world.random);
      await world.clock.sleep(wait, ending.signal);
    }
    sending = undefined;
  };

  return {
    add: (batch) => {
      if (stopping) return dropped(batch.itemCount, 'stopped', STOPPED);
      if (queue.push(queue.length === 0 ? batch : compact(batch)) > 1) {
        room.bytes += batch.bytes.length;
        trim(queue, room, dropped);
      }
      sending ??= send();
    },
    stop: async (deadline) => {
      stopping = true;
      ending.abort();
      await settledBy(deadline, sending);
      dead.abort();
      for (const [index, batch] of queue.splice(0).entries()) {
        if (index > 0) room.bytes -= batch.bytes.length;
        dropped(batch.itemCount, 'stopped', STOPPED);
      }
    },
  };
}

const STOPPED = 'the agent stops';

/** The same batch as bytes alone, which need far less memory than its objects. */
function compact(batch: Batch<'metrics'>): Batch<'metrics'> {
  return Batch.fromBytes('metrics', batch.bytes);
}

function countLoss(
  batch: Batch<'metrics'>,
  outcome: Outcome,
  dropped: OutboxOptions['dropped'],
): void {
  if (outcome.status === 'rejected') dropped(batch.itemCount, 'rejected', outcome.reason);
  if (outcome.status === 'retryable') dropped(batch.itemCount, 'stopped', outcome.reason);
  if (outcome.status === 'accepted' && outcome.rejected > 0) {
    dropped(outcome.rejected, 'rejected', outcome.reason ?? 'the next part refused them');
  }
}

/** Drops the oldest that is not under way: the first one always is. The newest always stays. */
function trim(
  queue: Batch<'metrics'>[],
  room: Room,
  dropped: OutboxOptions['dropped'],
): void {
  while (queue.length > 2 && (queue.length > limits.batches || room.bytes > room.bytesMax)) {
    const [oldest] = queue.splice(1, 1);
    room.bytes -= oldest!.bytes.length;
    dropped(oldest!.itemCount, 'too many', 'the next part does not take them');
  }
}

/** Resolves when `work` is done or when `deadline` fires, whichever comes first. */
export async function settledBy(
  deadline: AbortSignal,
  work: Promise<void> | undefined,
): Promise<void> {
  if (deadline.aborted) return;
  let fire: () => void = () => {};
  const fired = new Promise<void>((resolve) => {
    fire = resolve;
  });
  deadline.addEventListener('abort', fire, { once: true });
  await Promise.race([work, fired]);
  deadline.removeEventListener('abort', fire);
}
