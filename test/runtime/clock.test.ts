// The real clock keeps its promises, and the clock of the tests keeps the same ones. Real waits
// are a few milliseconds; nothing depends on how long they really take.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClock } from '../../runtime/clock.ts';
import { createManualClock, NOW } from '../contract/fakes.ts';
import { withoutLeaks } from '../contract/leaks.ts';

/** Timers of the clock do not keep the process alive, so something else must. */
const alive = (body: () => Promise<void>) => () => withoutLeaks(body);

test('clock: nanoseconds are wall time and strictly increase', () => {
  const clock = createClock();
  let last = clock.nowNs();
  assert.ok(Math.abs(Number(last / 1_000_000n) - Date.now()) < 1000);
  for (let step = 0; step < 1000; step++) {
    const next = clock.nowNs();
    assert.ok(next > last);
    last = next;
  }
});

test('clock: monotonic time does not go back', () => {
  const clock = createClock();
  let last = clock.monotonicMs();
  for (let step = 0; step < 1000; step++) {
    const next = clock.monotonicMs();
    assert.ok(next >= last);
    last = next;
  }
});

test('clock: after fires once, every fires again, both can be cancelled twice', alive(async () => {
  const clock = createClock();
  let never = 0;
  const cancelled = clock.after(1, () => never++);
  cancelled.cancel();
  cancelled.cancel();
  let fires = 0;
  await new Promise<void>((resolve) => {
    const timer = clock.every(1, () => {
      fires += 1;
      if (fires < 3) return;
      timer.cancel();
      timer.cancel();
      resolve();
    });
  });
  await new Promise<void>((resolve) => clock.after(5, resolve));
  assert.deepEqual([never, fires], [0, 3]);
}));

test('clock: sleep ends with its time, with its abort, at once when aborted before', async () => {
  const clock = createClock();
  await clock.sleep(1);
  await clock.sleep(1_000_000, NOW);
  const abort = new AbortController();
  const sleeping = clock.sleep(1_000_000, abort.signal);
  abort.abort();
  await sleeping;
});

test('clock: a delay beyond what Node.js can hold does not fire at once', alive(async () => {
  const clock = createClock();
  let fired = false;
  const timer = clock.after(2 ** 40, () => {
    fired = true;
  });
  await clock.sleep(5);
  timer.cancel();
  assert.equal(fired, false);
}));

test('manual clock: fires in the order of time, also what is started meanwhile', async () => {
  const clock = createManualClock(0);
  const events: string[] = [];
  clock.after(20, () => events.push(`b ${clock.nowMs()}`));
  clock.after(10, () => {
    events.push(`a ${clock.nowMs()}`);
    clock.after(5, () => events.push(`c ${clock.nowMs()}`));
  });
  void clock.sleep(15).then(() => events.push(`sleep ${clock.nowMs()}`));
  const every = clock.every(8, () => events.push(`every ${clock.nowMs()}`));
  await clock.advance(20);
  assert.deepEqual(events,
    ['every 8', 'a 10', 'sleep 15', 'c 15', 'every 16', 'b 20']);
  every.cancel();
  assert.equal(clock.pending(), 0);
  assert.equal(clock.monotonicMs(), 20);
});
