// Which one of several backends does something: at most one at a time, in the table
// `binnacle_leases`. The table can only be appended to and read; what it promises is that a read
// which begins after an append was answered has its row. An append may take any time, may fail and
// still be there later.
//
// In turns, each over within D (`boundMs`) from the beginning of its read to the answer of its
// append, or it does not count; H is `heldMs`:
//
//     holder of epoch e    reads; gives up when there is a later epoch; appends a beat.
//                          It holds until H after the beginning of this turn.
//     others               read. When they know of no row that is newer than H, or the last
//                          holder has released it, they append a claim of a later epoch (none
//                          that they have claimed before), wait for D after the answer, and read
//                          again. The smallest owner among the claims wins, unless a beat of an
//                          earlier epoch has come to light since.
//                          It holds until H after the beginning of its turn.
//
// Why two never hold it at once. All durations are each one's own, by a monotonic clock; those that
// are waited for are longer by `driftMax`.
// - Two claimants A < B cannot both win epoch e. If B's second read lacks A's claim, that was
//   answered more than D after B's claim was answered, so A's turn began after that: its first
//   read had B's claim, and A did not claim e.
// - C cannot win an epoch while A holds an earlier one by a turn t of its own (claim or beat).
//   The row of t was seen by C's first read: then C waited for H since, and A's H began earlier.
//   Or only by its second: then C does not win. Or by neither: then t was answered after it, which
//   is more than D after C's claim was answered, so t began after that, saw C's claim and gave up.
// - Who releases does not hold any more, and nobody held an earlier epoch when he won.
// A claimant that fails or is late withdraws before it says so, and never wins that epoch.
//
// A process that stands still for longer than H after it has asked `held` cannot be helped from
// here. Neither can clocks that stop with a machine that sleeps.

import type { Component } from '../../proto/contract/component.ts';
import type { Clock, Timer } from '../../runtime/clock.ts';
import { within } from '../../runtime/deadline.ts';
import { errorMessage } from '../../runtime/errors.ts';
import { rateLimited, type Log } from '../../runtime/log.ts';
import type { AskRows, TableJournalOptions } from './tables.ts';

export const limits = {
  /** How much faster one clock may be than another, as a share. */
  driftMax: 0.05,
  /** Owners in epochs that are looked at, the latest first; the table forgets after two days. */
  claimsMax: 1000,
} as const;

export interface LeaseOptions {
  readonly ask: AskRows;
  readonly append: TableJournalOptions['append'];
  /** What it is about; leases of other names have nothing to do with it. */
  readonly name: string;
  /** Another one after each start. */
  readonly owner: string;
  /** How long it stays with somebody who is gone; 15 s unless given. */
  readonly heldMs?: number;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Lease extends Component {
  /** Whether this one does it now. False at the latest when another one may begin. */
  held(): boolean;
  /** Calls `changed` after each change of `held`; the function that is returned ends it. */
  follow(changed: () => void): () => void;
}

/** For somebody who has no others beside him. */
export const ALWAYS_HELD: Lease = {
  held: () => true,
  follow: () => () => {},
  start: async () => {},
  stop: async () => {},
};

/** `start` does not wait until it is held; `stop` gives it up at once. */
export const createLease = (options: LeaseOptions): Lease => new TableLease(options);

const HELD_MS = 15_000;
const LOG_EVERY_MS = 60_000;
const TABLE = 'binnacle_leases';

/** The last that an owner did in an epoch. */
interface Claim {
  readonly epoch: number;
  readonly owner: string;
  readonly sequence: number;
  readonly step: 'claim' | 'beat' | 'withdrawn' | 'released';
  readonly heldMs: number;
}

class TableLease implements Lease {
  private readonly options: LeaseOptions;
  private readonly log: Log;
  private readonly heldMs: number;
  private readonly boundMs: number;
  private readonly followers = new Set<() => void>();
  private readonly stopping = new AbortController();
  /** Of claims by epoch and owner: the last row, and since when it is known. */
  private seen = new Map<string, { readonly claim: Claim; readonly sinceMs: number }>();
  /** The epoch that it holds, or held until not long ago. */
  private epoch: number | null = null;
  /** The last epoch that it claimed, which it never does again, and whether that is open. */
  private claimed = 0;
  private isClaiming = false;
  private sequence = 0;
  private untilMs = -Infinity;
  private toldHeld = false;
  private turning: Promise<void> = Promise.resolve();
  private timer: Timer | null = null;
  private expiry: Timer | null = null;

  constructor(options: LeaseOptions) {
    this.options = options;
    this.log = rateLimited(options.log, options.clock, LOG_EVERY_MS);
    this.heldMs = options.heldMs ?? HELD_MS;
    this.boundMs = this.heldMs / 3;
  }

  held(): boolean {
    return this.epoch !== null && !this.stopping.signal.aborted && this.nowMs() < this.untilMs;
  }

  follow(changed: () => void): () => void {
    const follower = () => changed();
    this.followers.add(follower);
    return () => void this.followers.delete(follower);
  }

  async start(): Promise<void> {
    this.turnAfter(0);
  }

  async stop(deadline: AbortSignal): Promise<void> {
    const { epoch } = this;
    const wasHeld = this.held();
    this.stopping.abort();
    this.timer?.cancel();
    this.tell();
    const gone = new Promise<void>((resolve) => {
      if (deadline.aborted) resolve();
      deadline.addEventListener('abort', () => resolve(), { once: true });
    });
    this.epoch = null;
    const release = async () => {
      await this.turning;
      if (this.isClaiming) await this.append(this.claimed, 'withdrawn', deadline);
      else if (wasHeld) await this.append(epoch!, 'released', deadline);
    };
    await Promise.race([release().catch(() => {}), gone]);
  }

  private turnAfter(delayMs: number): void {
    if (this.stopping.signal.aborted) return;
    this.timer = this.options.clock.after(delayMs, () => {
      this.turning = this.turn();
    });
  }

  private async turn(): Promise<void> {
    const beganMs = this.nowMs();
    try {
      if (this.held()) await this.beat(this.epoch!, beganMs);
      else await this.compete(beganMs);
      // Four beats in the time that it holds for: three of them may fail.
      this.turnAfter(this.held() ? beganMs + this.heldMs / 4 - this.nowMs() : this.waitMs());
    } catch (error) {
      if (this.stopping.signal.aborted) return;
      this.log.warn(`cannot keep the lease ${this.options.name}: ${errorMessage(error)}`,
        { hint: 'another backend takes over when none of the next attempts succeeds' });
      this.turnAfter(this.heldMs / 15);
    }
  }

  private async beat(epoch: number, beganMs: number): Promise<void> {
    await this.bounded(async (abort) => {
      await this.read(abort);
      if (this.lastEpoch() > epoch) {
        this.epoch = null;
        return this.tell();
      }
      await this.append(epoch, 'beat', abort);
      if (this.nowMs() - beganMs <= this.boundMs) this.hold(epoch, beganMs);
    });
  }

  private async compete(beganMs: number): Promise<void> {
    this.epoch = null;
    await this.bounded((abort) => this.read(abort));
    if (this.freeAtMs() > this.nowMs()) return;
    const epoch = Math.max(this.lastEpoch(), this.claimed) + 1;
    const before = this.seen;
    this.claimed = epoch;
    this.isClaiming = true;
    try {
      await this.claim(epoch, beganMs);
      if (!this.wins(epoch, before)) throw new Error('others are there');
      this.isClaiming = false;
      this.hold(epoch, beganMs);
    } catch (error) {
      if (this.stopping.signal.aborted) return;
      this.log.debug(`cannot claim the lease ${this.options.name}: ${errorMessage(error)}`);
      // Others need not wait for a winner that there is not; it does no harm when this fails.
      await this.bounded((abort) => this.append(epoch, 'withdrawn', abort)).catch(() => {});
      this.isClaiming = false;
      await this.options.clock.sleep(this.heldMs / 15, this.stopping.signal);
    }
  }

  /** Afterwards the claims of others that count are read. Throws when it is late. */
  private async claim(epoch: number, beganMs: number): Promise<void> {
    this.sequence = 0;
    await this.bounded((abort) => this.append(epoch, 'claim', abort));
    if (this.nowMs() - beganMs > this.boundMs) throw new Error('the store is slow');
    await this.options.clock.sleep(longer(this.boundMs), this.stopping.signal);
    await this.bounded((abort) => this.read(abort));
  }

  private wins(epoch: number, before: TableLease['seen']): boolean {
    const claims = [...this.seen.values()].map(({ claim }) => claim);
    const isAlive = claims.some((claim) => claim.epoch < epoch && isPresent(claim)
      && claim.sequence > (before.get(keyOf(claim))?.claim.sequence ?? 0));
    if (isAlive || this.lastEpoch() > epoch) return false;
    const [first] = claims.filter((claim) => claim.epoch === epoch && claim.step !== 'withdrawn')
      .map(({ owner }) => owner).sort();
    return first === this.options.owner;
  }

  private hold(epoch: number, beganMs: number): void {
    if (this.stopping.signal.aborted) return;
    this.epoch = epoch;
    this.untilMs = beganMs + this.heldMs;
    this.expiry?.cancel();
    this.expiry = this.options.clock.after(this.untilMs - this.nowMs(), () => this.tell());
    this.tell();
  }

  private tell(): void {
    const isHeld = this.held();
    if (!isHeld) this.expiry?.cancel();
    if (isHeld === this.toldHeld) return;
    this.toldHeld = isHeld;
    this.options.log.info(isHeld ? `holds the lease ${this.options.name}`
      : `gave up the lease ${this.options.name}`);
    for (const changed of this.followers) changed();
  }

  private async read(abort: AbortSignal): Promise<void> {
    const rows = await this.options.ask<Claim>({
      sql: `SELECT toUInt32(Epoch) AS epoch, Owner AS owner, toUInt32(max(Sequence)) AS sequence,
          argMax(Step, Sequence) AS step, max(HeldMs) AS heldMs
        FROM ${TABLE} WHERE Name = {name:String}
        GROUP BY Epoch, Owner ORDER BY Epoch DESC, Owner LIMIT ${limits.claimsMax}`,
      params: { name: this.options.name },
    }, abort);
    const sinceMs = this.nowMs();
    this.seen = new Map(rows.map((claim) => {
      const before = this.seen.get(keyOf(claim));
      const isKnown = before !== undefined && before.claim.sequence >= claim.sequence;
      return [keyOf(claim), isKnown ? before : { claim, sinceMs }];
    }));
  }

  private append(epoch: number, step: Claim['step'], abort: AbortSignal): Promise<void> {
    const { name, owner } = this.options;
    this.sequence++;
    return this.options.append({ table: TABLE, abort, rows: [{ Name: name, Epoch: epoch,
      Owner: owner, Sequence: this.sequence, Step: step, HeldMs: this.heldMs }] });
  }

  private lastEpoch(): number {
    return Math.max(0, ...[...this.seen.values()].map(({ claim }) => claim.epoch));
  }

  /** When somebody may claim it, if nothing more is heard. */
  private freeAtMs(): number {
    const all = [...this.seen.values()];
    const last = this.lastEpoch();
    const isReleased = all.some(({ claim: { epoch, step } }) =>
      epoch === last && step === 'released');
    if (isReleased) return -Infinity;
    return Math.max(-Infinity, ...all.filter(({ claim }) => isPresent(claim))
      .map(({ claim, sinceMs }) => sinceMs + longer(Math.max(claim.heldMs, this.heldMs))));
  }

  private waitMs(): number {
    return Math.max(1, Math.min(this.heldMs / 6, this.freeAtMs() - this.nowMs()));
  }

  /** Nothing waits longer for the store than until its answer would be of no use. */
  private bounded(work: (abort: AbortSignal) => Promise<void>): Promise<void> {
    const { clock } = this.options;
    return within({ clock, waitMs: this.boundMs, abort: this.stopping.signal }, work);
  }

  private nowMs(): number {
    return this.options.clock.monotonicMs();
  }
}

const longer = (ms: number): number => ms * (1 + limits.driftMax);

const keyOf = ({ epoch, owner }: Claim): string => `${epoch} ${owner}`;

/** Whether the owner may hold it, as far as its last row tells. */
const isPresent = ({ step }: Claim): boolean => step === 'claim' || step === 'beat';
