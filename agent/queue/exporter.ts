// An exporter with a disk queue: `consume` answers when the batch is durable here, and senders
// deliver what is in the queue, in order, for as long as it takes.
//
// Promises:
// - A batch leaves the queue when the peer accepted it, or refused it for good; then it is counted,
//   said in the log and kept in `rejected/`.
// - `stop` answers all puts first. While the peer answers, what is in the queue is still sent until
//   the deadline; the rest stays on disk, whatever becomes of the attempts under way, and is sent
//   after the next start.

import { setMaxListeners } from 'node:events';
import { basename, join } from 'node:path';
import type { Sender } from '../../proto/contract/arrival.ts';
import type { Batch } from '../../proto/contract/batch.ts';
import type {
  ComponentContext, Consumer, Exporter, Storage,
} from '../../proto/contract/component.ts';
import { retryable } from '../../proto/contract/outcome.ts';
import { OperatorError, systemCause } from '../../runtime/errors.ts';
import {
  createDelivery, type Delivery, type DeliveryOptions,
} from '../exporters/sending/delivery.ts';
import { countExporter } from '../graph/throughput.ts';
import { createDeadLetters, type DeadLetters } from './dead_letters.ts';
import { parseSegmentName } from './format.ts';
import { createQueue, type Queue, type QueueOptions, type Taken } from './queue.ts';

export const limits = {
  /** Wait before a batch that came back is handed to the delivery again. */
  pauseMs: 5000,
  /** How often a stop looks whether the queue is empty. */
  drainMs: 10,
} as const;

export interface QueuedExporterOptions {
  readonly context: ComponentContext;
  readonly delivery: DeliveryOptions;
  readonly queue: Pick<QueueOptions, 'size' | 'whenFull'>;
  /** Where the queue lies, when not in the exporter's own folder. */
  readonly storage?: Storage | null;
}

interface Working {
  readonly queue: Queue;
  readonly sender: Sender;
  readonly delivery: Delivery;
  /** Fires when the exporter stops: nothing more is taken. */
  readonly stopping: AbortController;
  readonly senders: readonly Promise<void>[];
  /** False after an attempt that the peer did not answer for good. */
  reachable(): boolean;
}

/** Opens its sender and its queue when it starts. `stop` may be called at any time. */
export function createQueuedExporter(
  open: () => Promise<Sender>,
  options: QueuedExporterOptions,
): Exporter {
  let working: Working | null = null;
  let stopped: Promise<void> | null = null;
  return {
    queued: true,
    start: async () => {
      working = await begin(await open(), options);
    },
    stop: (deadline) => {
      stopped ??= working === null ? null : end(working, deadline, options);
      return stopped ?? Promise.resolve();
    },
    consume: async (batch, abort) =>
      await working?.queue.put(batch, abort) ?? retryable('the exporter has not started'),
    origins: (receiver) => working?.queue.origins(receiver) ?? [],
  };
}

async function begin(opened: Sender, options: QueuedExporterOptions): Promise<Working> {
  const { id, counters } = options.context;
  const home = await homeOf(options);
  const folder = join(home, 'queue');
  const keys = options.storage?.keys() ?? [];
  let queue: Queue;
  try {
    queue = await createQueue({ ...options.context, folder, ...options.queue, keys });
  } catch (error) {
    await opened.close();
    if (error instanceof OperatorError) {
      throw new OperatorError(`cannot open the queue of exporter ${id}: ${error.message}`,
        error.hint);
    }
    throw new OperatorError(`cannot open the queue of exporter ${id}: ${systemCause(error)}`,
      `make ${folder} a folder that this user may write, or set sending_queue.enabled to false`);
  }
  let reachable = true;
  const sender: Sender = {
    send: async (batch, attempt, abort) => {
      const outcome = await opened.send(batch, attempt, abort);
      reachable = outcome.status !== 'retryable';
      return outcome;
    },
    close: () => opened.close(),
  };
  const delivery = createDelivery(sender, options.delivery);
  const stopping = new AbortController();
  // Each of the senders listens to it twice at most.
  setMaxListeners(2 * options.delivery.concurrency, stopping.signal);
  const attempts = new WeakMap<Batch, number>();
  const counted = countExporter({
    consume: (batch, abort) => delivery.consume(batch, abort, attempts.get(batch)),
  }, { id, signals: [], counters });
  const letters = createDeadLetters(home, options.context, keys);
  const work = async () => {
    for (;;) {
      const taken = await queue.take(stopping.signal);
      if (taken === null) return;
      attempts.set(taken.batch, taken.attempt);
      await deliver(taken, counted, letters, stopping.signal, options);
    }
  };
  const senders = Array.from({ length: options.delivery.concurrency }, () => work());
  return { queue, sender, delivery, stopping, senders, reachable: () => reachable };
}

/** The folder of the queue and of what the peer refused. */
async function homeOf({ context, storage = null }: QueuedExporterOptions): Promise<string> {
  if (storage === null) return context.folder;
  const { id, folder, log, world } = context;
  const left = await world.files.list(join(folder, 'queue')).catch(() => null);
  if (left?.some(({ name }) => parseSegmentName(name) !== null) === true) {
    log.error(`the exporter ${id} has another storage now; what is in ${join(folder, 'queue')} is `
      + 'not sent: start it once without sending_queue.storage to send that');
  }
  return join(storage.directory, 'exporter', basename(folder));
}

/** Until the peer has its final verdict, or the exporter stops; then the batch stays queued. */
async function deliver(
  taken: Taken,
  counted: Consumer,
  letters: DeadLetters,
  stopping: AbortSignal,
  { context: { world } }: QueuedExporterOptions,
): Promise<void> {
  for (;;) {
    // Attempts under way are ended by the delivery, when its own time to stop is over.
    const outcome = await counted.consume(taken.batch, new AbortController().signal);
    if (outcome.status === 'rejected') await letters.keep(taken, outcome.reason);
    if (outcome.status !== 'retryable') {
      return taken.done(outcome.status === 'rejected' ? 'refused' : undefined);
    }
    await world.clock.sleep(limits.pauseMs, stopping);
    if (stopping.aborted) return;
  }
}

async function end(
  { queue, sender, delivery, stopping, senders, reachable }: Working,
  deadline: AbortSignal,
  { context: { world, log } }: QueuedExporterOptions,
): Promise<void> {
  while (queue.batches() > 0 && reachable() && !deadline.aborted) {
    await world.clock.sleep(limits.drainMs);
  }
  stopping.abort();
  await delivery.stop(deadline);
  await Promise.all(senders);
  await queue.stop();
  await sender.close();
  if (queue.batches() > 0) {
    log.info('the queue is kept for the next start', { batches: queue.batches() });
  }
}
