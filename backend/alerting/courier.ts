// Brings notifications to their receivers: retries, the fallback, and dead letters for what nobody
// took.
//
//     deliver ─> attempt ─ accepted ────────────────────────────> delivered
//                   │ retryable: again, later and later, for `limits.deliveryMs`
//                   │ rejected, or time is over
//                   └─> each channel of the fallback ─ one took it ─> fallback
//                                └─ none did ─> dead letter ──────> dead
//
// Promises:
// - Nothing throws, and nothing that is logged, counted or shown holds a secret.
// - Of one notification there is at most one attempt at a time on a channel, and none after it was
//   accepted there: whoever asks again is told what became of it.
// - `aborted` means that nothing is known: the receiver may have it, and no dead letter is written.

import assert from 'node:assert/strict';
import type { Outcome } from '../../proto/contract/outcome.ts';
import { ACCEPTED, rejected, retryable } from '../../proto/contract/outcome.ts';
import type { Counters } from '../../runtime/counters.ts';
import type { Random } from '../../runtime/random.ts';
import { retryDelayMs, type RetryOptions } from '../../runtime/retry.ts';
import type { Journal } from '../journal/journal.ts';
import { createDeadLetters, type DeadLetters } from './dead_letters.ts';
import type { Channel, Courier, Delivery, Notification, Notifier, NotifierContext, NotifierFactory }
  from './model.ts';
import { testNotification } from './notifiers/trial.ts';

export const limits = {
  /** After this long a message that could not be brought there goes to the fallback. */
  deliveryMs: 5 * 60_000,
  /** An attempt that takes longer is given up and counts as retryable. */
  attemptMs: 60_000,
  /** Receivers from one fallback to the next; behind them comes the dead letter. */
  fallbacksMax: 3,
  /** Accepted messages that are remembered, so that none is sent again; the oldest is forgotten. */
  rememberedMax: 10_000,
} as const;

/** As Alertmanager waits: half a second at first, at most a minute, half more or less. */
const BACKOFF: RetryOptions = {
  initialIntervalMs: 500, maxIntervalMs: 60_000, multiplier: 1.5, randomizationFactor: 0.5,
};

/** A receiver as it was read (`ReceiverConfig` of the alerting file). */
export interface CourierReceiver {
  readonly name: string;
  /** Name of the receiver for what cannot be brought to this one; '' for none. */
  readonly fallback: string;
  /** `config`: as the schema of the factory of its type gives it. */
  readonly channels: ReadonlyArray<
    { readonly type: string; readonly index: number; readonly config: unknown }>;
}

export interface CourierOptions {
  readonly receivers: readonly CourierReceiver[];
  readonly factories: readonly NotifierFactory<any>[];
  readonly journal: Pick<Journal, 'load' | 'write'>;
  readonly random: Random;
  readonly counters: Counters;
  readonly context: NotifierContext;
}

/** What became of the last attempt on a channel. */
export interface LastAttempt {
  readonly atMs: number;
  readonly status: Outcome['status'];
  /** '' when it was accepted. */
  readonly reason: string;
}

export interface ShownChannel extends Channel {
  /** As the API names it. */
  readonly id: string;
  readonly target: string;
  readonly sendResolved: boolean;
  readonly fallback: string;
  /** Since the process began. */
  readonly delivered: number;
  readonly failedAttempts: number;
  readonly last: LastAttempt | null;
}

export interface Channels extends Courier, DeadLetters {
  /** Receivers were read anew. Messages under way go on as they began. */
  replace(receivers: readonly CourierReceiver[]): void;
  channels(): readonly ShownChannel[];
  /**
   * Tries a dead letter again, once; what is accepted is no dead letter any more. Null when there
   * is none with the id. Throws QueryError.
   */
  resend(id: string, actor: string, abort: AbortSignal): Promise<Outcome | null>;
}

interface Line {
  readonly channel: Channel;
  readonly notifier: Notifier;
  readonly fallback: string;
  readonly record: Attempts;
}

interface Attempts {
  delivered: number;
  failed: number;
  last: LastAttempt | null;
}

/** `ops.slack.0`. */
export const channelId = ({ receiver, type, index }: Channel): string =>
  `${receiver}.${type}.${index}`;

export function createCourier(options: CourierOptions): Channels {
  const { context: { clock, log }, random, journal } = options;
  const letters = createDeadLetters(journal, clock, log);
  let lines = linesOf(options.receivers, options, new Map());
  const delivering = new Map<string, Promise<Delivery>>();
  const carried = new Map<string, Promise<Outcome | null>>();
  const accepted = createMemory();

  const attempt = async (line: Line, message: Notification, abort: AbortSignal) => {
    const outcome = await attemptOnce(line, message, options, abort);
    if (outcome.status === 'accepted') accepted.add(messageKey(line.channel, message));
    return outcome;
  };
  const persist = async (line: Line, message: Notification, abort: AbortSignal) => {
    const endMs = clock.monotonicMs() + limits.deliveryMs;
    for (let failures = 0; !abort.aborted; failures++) {
      const outcome = await attempt(line, message, abort);
      if (outcome.status !== 'retryable') return outcome;
      const waitMs = retryDelayMs(BACKOFF, failures, outcome.retryAfterMs ?? 0, random);
      if (clock.monotonicMs() + waitMs >= endMs) return outcome;
      await clock.sleep(waitMs, abort);
    }
    return null;
  };
  /** Null when it was aborted. Whoever else brings the same there waits for this. */
  const carry = (
    line: Line,
    message: Notification,
    work: () => Promise<Outcome | null>,
  ): Promise<Outcome | null> => {
    const key = messageKey(line.channel, message);
    if (accepted.has(key)) return Promise.resolve(ACCEPTED);
    const known = carried.get(key);
    if (known !== undefined) return known;
    const begun = work().finally(() => carried.delete(key));
    carried.set(key, begun);
    return begun;
  };
  const fallBack = async (
    from: Line,
    message: Notification,
    seen: readonly string[],
    abort: AbortSignal,
  ): Promise<'delivered' | 'dead' | 'aborted'> => {
    const name = from.fallback;
    if (name === '' || seen.includes(name) || seen.length > limits.fallbacksMax) return 'dead';
    const next = [...lines.values()].filter(({ channel }) => channel.receiver === name);
    const results = await Promise.all(next.map(async (line) => {
      const redirected = redirectedTo(name, from.channel, message);
      const outcome = await carry(line, redirected, () => persist(line, redirected, abort));
      if (outcome === null) return 'aborted';
      if (outcome.status === 'accepted') return 'delivered';
      return fallBack(line, redirected, [...seen, name], abort);
    }));
    return results.includes('delivered') ? 'delivered'
      : results.includes('aborted') ? 'aborted' : 'dead';
  };
  const bring = async (to: Channel, message: Notification, abort: AbortSignal) => {
    const line = lines.get(channelId(to)) ?? null;
    const outcome = line === null ? NO_CHANNEL
      : await carry(line, message, () => persist(line, message, abort));
    if (outcome === null) return 'aborted';
    if (outcome.status === 'accepted') return 'delivered';
    const rest = line === null ? 'dead' : await fallBack(line, message, [to.receiver], abort);
    if (rest === 'aborted') return 'aborted';
    if (rest === 'delivered') return 'fallback';
    await letters.write({ channel: to, notification: message, reason: outcome.reason }, abort);
    return 'dead';
  };
  return {
    ...letters,
    deliver: (to, message, abort) => {
      const key = messageKey(to, message);
      const known = delivering.get(key);
      if (known !== undefined) return known;
      const work = bring(to, message, abort).then((result) => {
        count(options, to, result);
        return result;
      }).finally(() => delivering.delete(key));
      delivering.set(key, work);
      return work;
    },
    test: async (to, abort) => {
      const line = lines.get(channelId(to));
      if (line === undefined) return NO_CHANNEL;
      return attempt(line, testNotification(to.receiver, random.uuid(), clock.nowMs()), abort);
    },
    replace: (receivers) => {
      lines = linesOf(receivers, options, lines);
    },
    channels: () => [...lines.values()].map(shown),
    resend: async (id, actor, abort) => {
      const letter = (await letters.deadLetters(abort)).find((one) => one.id === id);
      if (letter === undefined) return null;
      const line = lines.get(channelId(letter.channel));
      if (line === undefined) return NO_CHANNEL;
      const { notification } = letter;
      const outcome = await carry(line, notification, () => attempt(line, notification, abort))
        ?? retryable('it was given up');
      if (outcome.status === 'accepted') await letters.discard(id, actor, abort);
      return outcome;
    },
  };
}

const NO_CHANNEL = rejected('the configuration has no such channel any more');

const messageKey = (to: Channel, { id }: Notification): string => `${channelId(to)} ${id}`;

/** Notifiers are made anew; what is known of a channel stays. */
function linesOf(
  receivers: readonly CourierReceiver[],
  { factories, context }: CourierOptions,
  known: ReadonlyMap<string, Line>,
): Map<string, Line> {
  const lines = new Map<string, Line>();
  for (const { name, channels, fallback } of receivers) {
    for (const { type, index, config } of channels) {
      const factory = factories.find((one) => one.type === type);
      assert.ok(factory !== undefined, `there is no notifier for ${type}`);
      const channel = { receiver: name, type, index };
      const id = channelId(channel);
      const record = known.get(id)?.record ?? { delivered: 0, failed: 0, last: null };
      lines.set(id, { channel, notifier: factory.create(config, context), fallback, record });
    }
  }
  return lines;
}

/** Never throws: what a notifier throws is a bug, and the message goes another way. */
async function attemptOnce(
  { channel, notifier, record }: Line,
  message: Notification,
  { context: { clock, log } }: CourierOptions,
  abort: AbortSignal,
): Promise<Outcome> {
  const cancel = new AbortController();
  const give = () => cancel.abort();
  const timer = clock.after(limits.attemptMs, give);
  abort.addEventListener('abort', give, { once: true });
  if (abort.aborted) give();
  let outcome: Outcome;
  try {
    outcome = await notifier.send(message, cancel.signal);
  } catch (error) {
    // Its message may hold what must not be shown; its kind does not.
    const cause = error instanceof Error ? error.name : 'unknown';
    log.error(`cannot send notification ${message.id}: internal error`, { ...channel, cause });
    outcome = rejected(`internal error (${cause})`);
  } finally {
    timer.cancel();
    abort.removeEventListener('abort', give);
  }
  const { status } = outcome;
  const reason = status === 'accepted' ? '' : outcome.reason;
  record.last = { atMs: clock.nowMs(), status, reason };
  if (status === 'accepted') {
    record.delivered += 1;
    return outcome;
  }
  record.failed += 1;
  log.warn(`cannot send notification ${message.id}: ${outcome.reason}`, { ...channel, status });
  return outcome;
}

/** Says in the message itself why it comes this way. */
function redirectedTo(receiver: string, from: Channel, message: Notification): Notification {
  const why = `Sent here because ${from.type} of ${from.receiver} could not be reached.`;
  const digest = message.digest === '' ? why : `${why} ${message.digest}`;
  return { ...message, receiver, digest };
}

function count({ counters }: CourierOptions, { receiver, type }: Channel, result: Delivery): void {
  counters.counter('binnacle_notifications_total',
    'Notifications by what became of them: delivered, fallback, dead or aborted.',
    { receiver, type, result }).add(1);
}

const shown = ({ channel, notifier, fallback, record }: Line): ShownChannel => ({
  ...channel, id: channelId(channel), target: notifier.target, sendResolved: notifier.sendResolved,
  fallback, delivered: record.delivered, failedAttempts: record.failed, last: record.last,
});

function createMemory() {
  const keys = new Set<string>();
  return {
    has: (key: string) => keys.has(key),
    add: (key: string) => {
      if (keys.size >= limits.rememberedMax) keys.delete(keys.values().next().value!);
      keys.add(key);
    },
  };
}
