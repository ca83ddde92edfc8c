// A clock that stands still until it is moved, so that what waits for time need not be waited for.

import type { Clock, Timer } from './clock.ts';

export interface ManualClock extends Clock {
  /**
   * Moves time on and fires what falls due, in order of time; after each timer everything that
   * waits for promises (and for short I/O) may run before the next one fires.
   */
  advance(ms: number): Promise<void>;
  /** Time goes on and nothing fires, as if the process stood still; it is made up for late. */
  stall(ms: number): void;
  /** Timers and sleeps that have not fired. */
  pending(): number;
}

/** Turns of the event loop in which everything runs that does not wait for time. */
const TURNS = 5;

/**
 * `startMs`: milliseconds since 1970 at which it begins. `quiet` resolves when nothing is under way
 * that does not wait for time; one who does real I/O between two instants gives his own.
 */
export function createManualClock(startMs: number, quiet = settle): ManualClock {
  let elapsedMs = 0;
  let lastNs = 0n;
  let order = 0;
  const timers = new Map<number, { dueMs: number; fire: () => void }>();
  const after = (delayMs: number, fire: () => void): Timer => {
    const key = order++;
    timers.set(key, { dueMs: elapsedMs + Math.max(0, delayMs), fire });
    return { cancel: () => void timers.delete(key) };
  };
  const next = (untilMs: number) => [...timers].filter(([, { dueMs }]) => dueMs <= untilMs)
    .sort(([a, one], [b, two]) => one.dueMs - two.dueMs || a - b)[0];
  return {
    nowMs: () => startMs + Math.floor(elapsedMs),
    nowNs: () => {
      const now = BigInt(startMs) * 1_000_000n + BigInt(Math.floor(elapsedMs * 1e6));
      lastNs = now > lastNs ? now : lastNs + 1n;
      return lastNs;
    },
    monotonicMs: () => elapsedMs,
    after,
    every: (intervalMs, fire) => {
      // An interval of nothing would never let time go on.
      const stepMs = Math.max(1, intervalMs);
      const again = () => {
        timer = after(stepMs, again);
        fire();
      };
      let timer = after(stepMs, again);
      return { cancel: () => timer.cancel() };
    },
    sleep: (delayMs, abort) => new Promise((resolve) => {
      if (abort?.aborted === true) return resolve();
      const finish = () => {
        timer.cancel();
        abort?.removeEventListener('abort', finish);
        resolve();
      };
      const timer = after(delayMs, finish);
      abort?.addEventListener('abort', finish, { once: true });
    }),
    advance: async (ms) => {
      const target = elapsedMs + ms;
      await quiet();
      for (let due = next(target); due !== undefined; due = next(target)) {
        timers.delete(due[0]);
        elapsedMs = Math.max(elapsedMs, due[1].dueMs);
        due[1].fire();
        await quiet();
      }
      elapsedMs = target;
      await quiet();
    },
    stall: (ms) => {
      elapsedMs += ms;
    },
    pending: () => timers.size,
  };
}

/** Lets everything run that can run without waiting for time. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await new Promise((resolve) => setImmediate(resolve));
}
