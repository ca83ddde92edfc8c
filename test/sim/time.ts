// Virtual time. One heap of events for everything that is simulated; the next one is taken only
// when nothing can run any more. That is exact, because nothing under test touches real time,
// threads or sockets here: a turn of the real event loop runs all promises and streams to their
// end.
//
// A host sees it through a clock of its own, whose wall time can jump and whose timers die with the
// process that set them.

import type { Clock, Timer } from '../../runtime/clock.ts';
import { crosses, type Life } from './life.ts';

/** Wall time when a simulation begins: shortly before midnight, UTC. */
export const START_MS = Date.UTC(2026, 0, 1, 23, 58, 0);

/** What a dead process waits for. */
export const never = (): Promise<never> => new Promise(() => {});

export interface Time {
  /** Milliseconds since the simulation began. */
  nowMs(): number;
  after(delayMs: number, fire: () => void): Timer;
  sleep(delayMs: number): Promise<void>;
  /** Goes on until `done`, or for `limitMs`; answers whether it was done. */
  run(done: () => boolean, limitMs: number): Promise<boolean>;
  /** Events so far. */
  events(): number;
}

interface Event {
  readonly atMs: number;
  readonly order: number;
  fire: (() => void) | null;
}

export function createTime(): Time {
  const heap: Event[] = [];
  let nowMs = 0;
  let order = 0;
  let fired = 0;
  const after = (delayMs: number, fire: () => void): Timer => {
    const event: Event = { atMs: nowMs + Math.max(0, delayMs), order: order++, fire };
    push(heap, event);
    return {
      cancel: () => {
        event.fire = null;
      },
    };
  };
  return {
    nowMs: () => nowMs,
    after,
    sleep: (delayMs) => new Promise((resolve) => after(delayMs, resolve)),
    run: async (done, limitMs) => {
      const endMs = nowMs + limitMs;
      for (;;) {
        await turn();
        if (done()) return true;
        let event = pop(heap);
        while (event !== undefined && event.fire === null) event = pop(heap);
        if (event === undefined) return false;
        if (event.atMs > endMs) {
          push(heap, event);
          nowMs = endMs;
          return false;
        }
        nowMs = event.atMs;
        fired += 1;
        event.fire!();
      }
    },
    events: () => fired,
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** `jumpMs` is how far the host's wall clock is off by now. */
export function createHostClock(time: Time, life: Life, jumpMs: () => number): Clock {
  let lastNs = 0n;
  const nowMs = () => Math.floor(START_MS + time.nowMs() + jumpMs());
  const after = (delayMs: number, fire: () => void): Timer => time.after(delayMs, () => {
    if (crosses(life)) fire();
  });
  return {
    nowMs,
    nowNs: () => {
      const now = BigInt(nowMs()) * 1_000_000n;
      lastNs = now > lastNs ? now : lastNs + 1n;
      return lastNs;
    },
    monotonicMs: time.nowMs,
    after,
    every: (intervalMs, fire) => {
      const again = () => {
        timer = after(intervalMs, again);
        fire();
      };
      let timer = after(intervalMs, again);
      return { cancel: () => timer.cancel() };
    },
    sleep: (delayMs, abort) => new Promise((resolve) => {
      if (abort?.aborted) return resolve();
      const finish = () => {
        timer.cancel();
        abort?.removeEventListener('abort', finish);
        resolve();
      };
      const timer = after(delayMs, finish);
      abort?.addEventListener('abort', finish, { once: true });
    }),
  };
}

const before = (one: Event, two: Event): boolean =>
  one.atMs < two.atMs || (one.atMs === two.atMs && one.order < two.order);

function push(heap: Event[], event: Event): void {
  let at = heap.length;
  heap.push(event);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(event, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = event;
}

function pop(heap: Event[]): Event | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === first) return first;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
    if (!before(heap[child]!, last!)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last!;
  return first;
}
