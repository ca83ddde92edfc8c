// Whose query runs next. So many run at the same time, so many more wait for a limited time, and
// whoever comes beyond that is turned away at once. A place that becomes free goes to the caller of
// whom the fewest queries run, and among equals to whoever waits longest: one who sends a hundred
// at once waits behind himself. A caller may have a share of his own, beyond which he waits, or is
// turned away, while there are places for others.
//
// With a pool of memory, each query gets a share of it that it may use: half of what is left, and
// always what is left ÷ places when all are taken. So all running queries together stay within the
// pool, and one that needs more fails alone.

import type { Clock, Timer } from '../../runtime/clock.ts';

export interface TurnsOptions {
  readonly clock: Clock;
  readonly runningMax: number;
  readonly waitingMax: number;
  readonly waitMs: number;
  /** Most memory of one query. */
  readonly memoryBytesMax: number;
  /** Most memory of all queries; null for no such limit. */
  readonly memoryPoolBytes: number | null;
}

export interface Turn {
  readonly memoryBytes: number;
  /** Gives the place back. Safe to call twice. */
  end(): void;
}

/** Why there is no turn: too many wait, the wait was too long, or the caller has gone. */
export type NoTurn = 'full' | 'late' | 'gone';

/** Of one caller. */
export interface Share {
  readonly runningMax: number;
  readonly waitingMax: number;
}

interface Waiting {
  readonly caller: string;
  readonly runningMax: number;
  readonly answer: (turn: Turn | NoTurn) => void;
}

export class Turns {
  private readonly options: TurnsOptions;
  private readonly queue: Waiting[];
  /** Running queries by caller. */
  private readonly callers: Map<string, number>;
  private count: number;
  private freeBytes: number;

  constructor(options: TurnsOptions) {
    this.options = options;
    this.queue = [];
    this.callers = new Map();
    this.count = 0;
    this.freeBytes = options.memoryPoolBytes ?? Infinity;
  }

  running(): number {
    return this.count;
  }

  waiting(): number {
    return this.queue.length;
  }

  /** Resolves when the query may run, or why it may not. Whoever gets a turn must end it. */
  take(caller: string, gone: AbortSignal, share: Share = this.options): Promise<Turn | NoTurn> {
    const { clock, runningMax, waitingMax, waitMs } = this.options;
    if (gone.aborted) return Promise.resolve('gone');
    if (this.count < runningMax && this.runningOf(caller) < share.runningMax) {
      return Promise.resolve(this.begin(caller));
    }
    const own = this.queue.filter((one) => one.caller === caller).length;
    if (this.queue.length >= waitingMax || own >= share.waitingMax) return Promise.resolve('full');
    return new Promise((resolve) => {
      const leave = () => waiting.answer('gone');
      const timer: Timer = clock.after(waitMs, () => waiting.answer('late'));
      const waiting: Waiting = { caller, runningMax: share.runningMax, answer: (turn) => {
        timer.cancel();
        gone.removeEventListener('abort', leave);
        const index = this.queue.indexOf(waiting);
        if (index >= 0) this.queue.splice(index, 1);
        resolve(turn);
      } };
      gone.addEventListener('abort', leave, { once: true });
      this.queue.push(waiting);
    });
  }

  private begin(caller: string): Turn {
    const memoryBytes = this.share();
    this.count += 1;
    this.freeBytes -= memoryBytes;
    this.callers.set(caller, this.runningOf(caller) + 1);
    let ended = false;
    const end = () => {
      if (ended) return;
      ended = true;
      this.count -= 1;
      this.freeBytes += memoryBytes;
      const left = this.runningOf(caller) - 1;
      if (left === 0) this.callers.delete(caller);
      else this.callers.set(caller, left);
      this.next();
    };
    return { memoryBytes, end };
  }

  private share(): number {
    const { memoryBytesMax, memoryPoolBytes, runningMax } = this.options;
    if (memoryPoolBytes === null) return memoryBytesMax;
    const least = memoryPoolBytes / (2 * runningMax);
    const forOthers = (runningMax - this.count - 1) * least;
    const fair = Math.max(least, Math.min(this.freeBytes / 2, this.freeBytes - forOthers));
    return Math.min(memoryBytesMax, Math.floor(fair));
  }

  private next(): void {
    const ready = this.queue.filter(({ caller, runningMax }) =>
      this.runningOf(caller) < runningMax);
    const first = ready.reduce<Waiting | null>((best, one) =>
      (best === null || this.runningOf(one.caller) < this.runningOf(best.caller) ? one : best),
    null);
    if (first !== null) first.answer(this.begin(first.caller));
  }

  private runningOf(caller: string): number {
    return this.callers.get(caller) ?? 0;
  }
}
