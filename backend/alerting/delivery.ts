// Sends what was decided, so that it is sent once: the whole message is in the journal before the
// courier gets it, and what became of it is there before anything else is decided for the channel.
//
// - Killed in between: the message is found as decided, and sent with the same id by whoever leads
//   then. Of one that is older than `limits.resumeMs` the news is old; the group is looked at anew.
// - What cannot be written is not sent. What was sent and cannot be written is written as soon as
//   the journal takes it; until then nothing is decided for the channel.

import type { Counters } from '../../runtime/counters.ts';
import type { Clock } from '../../runtime/clock.ts';
import { rateLimited, type Log } from '../../runtime/log.ts';
import type { Draft, Journal } from '../journal/journal.ts';
import {
  draftOf, recordKey, type ChannelRecord, type Ledger, type Pending, type RecordState,
} from './ledger.ts';
import type { Channel, Courier, Delivery, Notification } from './model.ts';

export const limits = {
  /** What was decided longer ago and never sent is decided anew. */
  resumeMs: 3_600_000,
  /** The journal is given so long for one write. */
  writeMs: 30_000,
  /** Until what could not be written is tried again. */
  retryMs: 5_000,
  logMs: 60_000,
} as const;

export interface DeliveryOptions {
  readonly journal: Journal;
  readonly courier: Courier;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: Counters;
  /** Whether a receiver still has the channel. */
  readonly knows: (channel: Channel) => boolean;
}

/**
 * `unwritten`: the journal did not take the decision. `failed`: no channel took the message, and
 * nothing keeps it from being decided anew. `aborted`: somebody goes on with it later.
 */
export type Sent = 'sent' | 'unwritten' | 'failed' | 'aborted';

export class Deliveries {
  readonly #options: DeliveryOptions;
  readonly #log: Log;
  #delivering = new AbortController();
  readonly #writing = new AbortController();
  /** Keys of records whose message is on its way. */
  readonly #under = new Map<string, Promise<Sent>>();

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#log = rateLimited(options.log, options.clock, limits.logMs);
  }

  /** Writes the decision, sends, and writes what became of it. Never throws. */
  async send(record: ChannelRecord, pending: Pending): Promise<Sent> {
    const { ledger, clock } = this.#options;
    const { groupKey, channel } = record;
    ledger.own(groupKey, channel);
    const decided = { ...record, pending };
    const draft = draftOf(decided, 'decided', clock.nowMs(), pending.notification);
    if (!await this.write([draft])) return 'unwritten';
    return this.#track(decided, pending);
  }

  /** Sends what somebody decided and nobody is known to have sent. */
  async resume(record: ChannelRecord): Promise<Sent> {
    const { pending, groupKey, channel } = record;
    if (pending === null) return 'failed';
    this.#options.ledger.own(groupKey, channel);
    const { clock, knows } = this.#options;
    if (clock.nowMs() - pending.notification.atMs <= limits.resumeMs && knows(channel)) {
      return this.#track(record, pending);
    }
    const draft = draftOf({ ...record, pending: null }, 'over', clock.nowMs(),
      pending.notification);
    await this.writeAtLast([draft]);
    return 'failed';
  }

  /** Messages that are on their way. */
  underWay(): number {
    return this.#under.size;
  }

  isUnderWay(groupKey: string, channel: Channel): boolean {
    return this.#under.has(recordKey(groupKey, channel));
  }

  /** Ends attempts, since somebody else goes on with them. */
  abandon(): void {
    this.#delivering.abort();
    this.#delivering = new AbortController();
  }

  /** Whether the journal has taken it. */
  async write(drafts: readonly Draft[]): Promise<boolean> {
    const { journal, clock, counters } = this.#options;
    const late = new AbortController();
    const timer = clock.after(limits.writeMs, () => late.abort());
    try {
      await journal.write(drafts, AbortSignal.any([late.signal, this.#writing.signal]));
      return true;
    } catch (error) {
      counters.counter('binnacle_alerting_write_failures_total',
        'Writes to the journal that alerting had to repeat.').add(1);
      this.#log.warn('cannot write what was decided about alerts; it is tried again',
        { cause: (error as Error).message });
      return false;
    } finally {
      timer.cancel();
    }
  }

  /** Until the journal takes it, or the process ends. */
  async writeAtLast(drafts: readonly Draft[]): Promise<boolean> {
    while (!this.#writing.signal.aborted) {
      if (await this.write(drafts)) return true;
      await this.#options.clock.sleep(limits.retryMs, this.#writing.signal);
    }
    return false;
  }

  /** Ends attempts; what becomes of them is still written until `deadline`. */
  async stop(deadline: AbortSignal): Promise<void> {
    this.#delivering.abort();
    if (deadline.aborted) this.#writing.abort();
    deadline.addEventListener('abort', () => this.#writing.abort(), { once: true });
    await Promise.all(this.#under.values());
    this.#writing.abort();
  }

  #track(record: ChannelRecord, pending: Pending): Promise<Sent> {
    const key = recordKey(record.groupKey, record.channel);
    const sent = this.#deliver(record, pending).finally(() => this.#under.delete(key));
    this.#under.set(key, sent);
    return sent;
  }

  async #deliver(record: ChannelRecord, pending: Pending): Promise<Sent> {
    const { courier, clock } = this.#options;
    const { channel } = record;
    const { notification } = pending;
    const delivery = await courier.deliver(channel, notification, this.#delivering.signal);
    if (delivery === 'aborted') return 'aborted';
    const drafts = draftsAfter(record, pending, delivery, clock.nowMs());
    drafts.push(...this.#covered(pending, delivery, channel));
    const written = await this.writeAtLast(drafts);
    if (delivery === 'dead') return 'failed';
    return written ? 'sent' : 'aborted';
  }

  /** What a digest told of other groups. */
  #covered({ covers }: Pending, delivery: Delivery, channel: Channel): Draft[] {
    if (delivery === 'dead') return [];
    const { ledger, clock } = this.#options;
    return covers.flatMap(({ groupKey, told }) => {
      const record = ledger.get(groupKey, channel);
      if (record === undefined || record.pending !== null) return [];
      ledger.own(groupKey, channel);
      return [draftOf({ ...record, told, held: null }, 'digest', clock.nowMs(), null)];
    });
  }
}

function draftsAfter(
  record: ChannelRecord,
  { notification, told }: { notification: Notification } & Pick<Pending, 'told'>,
  delivery: Exclude<Delivery, 'aborted'>,
  atMs: number,
): Draft[] {
  if (delivery === 'dead') {
    return [draftOf({ ...record, pending: null }, 'dead', atMs, notification)];
  }
  const state: RecordState = delivery === 'delivered' ? 'sent' : 'fallback';
  return [draftOf({ ...record, told, pending: null, held: null }, state, atMs, notification)];
}
