// What a component must not leave behind: handles that keep the process alive (sockets, servers,
// files, timers that somebody awaits) and timers of its clock, also those that would not keep it
// alive. Both are counted before and after; what is going away is given a moment to do so.

import assert from 'node:assert/strict';
import type { Clock, Timer } from '../../runtime/clock.ts';
import { createWorld, type World } from '../../runtime/world.ts';
import { settle } from '../../runtime/manual_clock.ts';
import { until } from './fakes.ts';

/** Time for sockets and children to close after a stop has resolved. */
const CLOSING_MS = 3000;

/**
 * Runs `body` with a real world and fails if handles or timers are left when it is done. Handles
 * of the test runner itself are those that were there before.
 */
export async function withoutLeaks(body: (world: World) => Promise<void>): Promise<void> {
  await settle();
  const before = process.getActiveResourcesInfo();
  const real = createWorld();
  const { clock, timers } = countedClock(real.clock);
  // Timers of a clock do not keep a process alive; a test that waits for one must.
  const alive = setInterval(() => {}, 1000);
  try {
    await body({ ...real, clock });
  } finally {
    clearInterval(alive);
  }
  const left = () => surplus(before, process.getActiveResourcesInfo());
  const clean = () => left().length === 0 && timers() === 0;
  // The timer of `until` itself is not there while it asks.
  await until(clean, 'closing', CLOSING_MS).catch(() => {});
  assert.deepEqual({ handles: left(), timers: timers() }, { handles: [], timers: 0 });
}

/** What is in `after` beyond what is in `before`. */
function surplus(before: readonly string[], after: readonly string[]): string[] {
  const spare = [...before];
  return after.filter((name) => {
    const index = spare.indexOf(name);
    if (index >= 0) spare.splice(index, 1);
    // What the runner does by itself at any moment: report, and wait for its own time limit.
    return index < 0 && !RUNNER_OWN.has(name);
  });
}

const RUNNER_OWN = new Set(['Immediate', 'FSReqPromise', 'TTYWrap', 'PipeWrap', 'MessagePort']);

function countedClock(clock: Clock): { clock: Clock; timers: () => number } {
  const live = new Set<object>();
  const tracked = (timer: Timer, key: object): Timer => ({
    cancel: () => {
      live.delete(key);
      timer.cancel();
    },
  });
  const counted: Clock = {
    ...clock,
    after: (delayMs, fire) => {
      const key = {};
      live.add(key);
      return tracked(clock.after(delayMs, () => {
        live.delete(key);
        fire();
      }), key);
    },
    every: (intervalMs, fire) => {
      const key = {};
      live.add(key);
      return tracked(clock.every(intervalMs, fire), key);
    },
    sleep: async (delayMs, abort) => {
      const key = {};
      live.add(key);
      await clock.sleep(delayMs, abort);
      live.delete(key);
    },
  };
  return { clock: counted, timers: () => live.size };
}
