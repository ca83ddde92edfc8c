// Delivers batches through a Sender that makes one attempt at a time: tries again what is
// retryable, splits what is too large, bounds what is under way. Exporters that send over a network
// stand on it.
//
// Promises:
// - `consume` answers when the peer has given its final verdict, or when `abort` fires. There is
//   no time after which data is given up, unless `maxElapsedMs` says one.
// - Between two attempts there is a wait that grows, with jitter, and is never shorter than what
//   the peer asked for (OTLP 1.11, "OTLP/gRPC Throttling").
// - A batch that the peer finds too large goes in halves, down to single records; a record that
//   alone is too large is refused alone and counted. The parts carry ids made from the batch's id,
//   the same in every attempt. If some parts were accepted and a later one is given up, the batch
//   is retryable as a whole: a peer that knows the ids takes nothing twice.
// - What was refused is counted and said in the log, never silently dropped.

import type { Counters } from '../../../runtime/counters.ts';
import { rateLimited, type Log } from '../../../runtime/log.ts';
import { retryDelayMs, type RetryOptions } from '../../../runtime/retry.ts';
import type { World } from '../../../runtime/world.ts';
import type { Sender, SendOutcome } from '../../../proto/contract/arrival.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import type { Consumer, Exporter } from '../../../proto/contract/component.ts';
import { rejected, retryable, type Outcome } from '../../../proto/contract/outcome.ts';
import { splitRequest } from '../../../proto/otlp/split.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import { createSlots } from './slots.ts';

export const limits = {
  /** Calls that wait for a free slot. Over it: retryable at once. */
  waitingMax: 1000,
  /** The same failure is said in the log once in this time. */
  logIntervalMs: 10_000,
} as const;

export interface DeliveryOptions {
  /** Null: `retryable` goes back to the caller at once. */
  readonly retry: (RetryOptions & { readonly maxElapsedMs: number }) | null;
  /** Batches that are sent at the same time. */
  readonly concurrency: number;
  /** The exporter, for counters. */
  readonly id: string;
  readonly world: World;
  readonly log: Log;
  readonly counters: Counters;
}

/** An exporter that opens its sender when it starts and closes it when it stops. */
export function createSendingExporter(
  open: () => Promise<Sender>,
  options: DeliveryOptions,
): Exporter {
  let sender: Sender | undefined;
  let delivery: Delivery | undefined;
  return {
    start: async () => {
      sender = await open();
      delivery = createDelivery(sender, options);
    },
    stop: async (deadline) => {
      await delivery?.stop(deadline);
      await sender?.close();
    },
    consume: async (batch, abort) =>
      await delivery?.consume(batch, abort) ?? retryable('the exporter has not started'),
  };
}

export interface Delivery extends Consumer {
  /** `sentBefore` is how often the batch may have been sent by somebody else, a process before. */
  consume(batch: Batch, abort: AbortSignal, sentBefore?: number): Promise<Outcome>;
  /**
   * Makes one more attempt with what waits, waits for what is under way until the deadline, then
   * gives the rest back as retryable. The sender can be closed afterwards.
   */
  stop(deadline: AbortSignal): Promise<void>;
}

export function createDelivery(sender: Sender, options: DeliveryOptions): Delivery {
  const slots = createSlots(options.concurrency, limits.waitingMax);
  const stop = new AbortController();
  const cut = new AbortController();
  const underWay = new Set<Promise<Outcome>>();
  const tools: Tools = {
    ...options,
    sender,
    attempts: new WeakMap(),
    stopping: stop.signal,
    log: rateLimited(options.log, options.world.clock, limits.logIntervalMs),
    counts: countersOf(options),
  };
  const run = async (batch: Batch, abort: AbortSignal): Promise<Outcome> => {
    const slot = await slots.take(abort);
    if (slot === null) return retryable('too much is waiting to be sent');
    try {
      return await deliver(tools, batch, abort);
    } finally {
      slot.release();
    }
  };
  return {
    consume: async (batch, abort, sentBefore = 0) => {
      if (sentBefore > (tools.attempts.get(batch) ?? 0)) tools.attempts.set(batch, sentBefore);
      if (stop.signal.aborted) return retryable('the exporter has stopped');
      const joined = joinSignals(abort, cut.signal);
      const call = run(batch, joined.signal);
      underWay.add(call);
      try {
        return await call;
      } finally {
        underWay.delete(call);
        joined.release();
      }
    },
    stop: async (deadline) => {
      stop.abort();
      const give = () => cut.abort();
      if (deadline.aborted) give();
      deadline.addEventListener('abort', give, { once: true });
      await Promise.all(underWay);
      deadline.removeEventListener('abort', give);
    },
  };
}

interface Tools extends DeliveryOptions {
  readonly sender: Sender;
  /** How often each batch was sent, also by earlier calls that were aborted. */
  readonly attempts: WeakMap<Batch, number>;
  /** Fires when the exporter stops: nobody waits for another attempt any more. */
  readonly stopping: AbortSignal;
  readonly counts: Counts;
}

type Counts = ReturnType<typeof countersOf>;

function countersOf({ counters, id }: DeliveryOptions) {
  const labels = { exporter: id };
  const counter = (name: string, help: string) => counters.counter(name, help, labels);
  return {
    refused: counter('binnacle_exporter_refused_items_total',
      'Items that the peer refused for good, or that were given up.'),
    retries: counter('binnacle_exporter_retries_total', 'Attempts to send after the first.'),
    failures: counter('binnacle_exporter_failed_attempts_total',
      'Attempts that failed in a way that is worth another.'),
  };
}

async function deliver(tools: Tools, batch: Batch, abort: AbortSignal): Promise<Outcome> {
  const outcome = await sendUntilFinal(tools, batch, abort);
  if (outcome.status === 'rejected' && outcome.tooLarge === true) {
    const parts = halves(batch);
    if (parts.length > 1) {
      // When the batch came here before, its parts may have been sent before.
      const earlier = tools.attempts.get(batch)! - 1;
      for (const part of parts) tools.attempts.set(part, earlier);
      return deliverParts(tools, parts, abort);
    }
  }
  report(tools, batch, outcome);
  return outcome.status === 'rejected' ? rejected(outcome.reason) : outcome;
}

async function sendUntilFinal(
  { sender, retry, stopping, attempts, ...tools }: Tools,
  batch: Batch,
  abort: AbortSignal,
): Promise<SendOutcome> {
  const { clock, random } = tools.world;
  const startMs = clock.monotonicMs();
  for (let failures = 0; ; failures++) {
    const attempt = attempts.get(batch) ?? 0;
    attempts.set(batch, attempt + 1);
    if (attempt > 0) tools.counts.retries.add(1);
    const last = stopping.aborted;
    const outcome = await sender.send(batch, attempt, abort);
    if (outcome.status !== 'retryable' || abort.aborted) return outcome;
    tools.counts.failures.add(1);
    if (retry === null || last) return outcome;
    const elapsedMs = clock.monotonicMs() - startMs;
    const waitMs = retryDelayMs(retry, failures, outcome.retryAfterMs ?? 0, random);
    if (retry.maxElapsedMs > 0 && elapsedMs + waitMs > retry.maxElapsedMs) {
      return rejected(`given up after ${Math.round(elapsedMs / 1000)} s: ${outcome.reason}`);
    }
    tools.log.warn(`${outcome.reason}; retrying`);
    const woken = joinSignals(abort, stopping);
    await clock.sleep(waitMs, woken.signal);
    woken.release();
    if (abort.aborted) return outcome;
  }
}

/** One after the other, so that the parts of one batch take no more room than the batch. */
async function deliverParts(
  tools: Tools,
  parts: readonly Batch[],
  abort: AbortSignal,
): Promise<Outcome> {
  const outcomes: Outcome[] = [];
  for (const part of parts) {
    const outcome = await deliver(tools, part, abort);
    if (outcome.status === 'retryable') return outcome;
    outcomes.push(outcome);
  }
  const refused = outcomes.map((outcome, index) =>
    outcome.status === 'accepted' ? outcome.rejected : parts[index]!.itemCount);
  const reason = outcomes.map((outcome) => outcome.reason).find((one) => one !== undefined);
  if (outcomes.every((outcome) => outcome.status === 'rejected')) return rejected(reason!);
  const sum = refused.reduce((total, count) => total + count, 0);
  return { status: 'accepted', rejected: sum, ...(reason === undefined ? {} : { reason }) };
}

/** The batch in two, each about half of its records; alone when it cannot be cut. */
function halves(batch: Batch): Batch[] {
  const { signal, bytes, itemCount, id } = batch;
  if (itemCount < 2) return [batch];
  try {
    const parts = splitRequest(signal, bytes, { itemsMax: Math.ceil(itemCount / 2) });
    return parts.map((part, index) =>
      Batch.fromBytes(signal, part, id === undefined ? undefined : `${id}.${index}`));
  } catch (error) {
    // Broken inside: nobody can cut it, and the peer would not take it either.
    if (error instanceof DecodeError) return [batch];
    throw error;
  }
}

function report({ counts, log }: Tools, { itemCount, signal }: Batch, outcome: Outcome): void {
  if (outcome.status === 'retryable') return;
  const refused = outcome.status === 'accepted' ? outcome.rejected : itemCount;
  counts.refused.add(refused);
  if (refused > 0) {
    const cause = outcome.reason ?? 'no reason was given';
    log.error(`the peer refused ${signal}: ${cause}`, { items: refused });
  } else if (outcome.reason !== undefined) {
    log.warn(`the peer accepted ${signal} with a warning: ${outcome.reason}`);
  }
}

/** A signal that fires with either; released, it listens to neither. */
function joinSignals(first: AbortSignal, second: AbortSignal) {
  const joined = new AbortController();
  const fire = () => joined.abort();
  const release = () => {
    first.removeEventListener('abort', fire);
    second.removeEventListener('abort', fire);
  };
  if (first.aborted || second.aborted) fire();
  first.addEventListener('abort', fire, { once: true });
  second.addEventListener('abort', fire, { once: true });
  return { signal: joined.signal, release };
}
