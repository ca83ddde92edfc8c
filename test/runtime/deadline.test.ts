// Proves that work is waited for no longer than it was given, whether it heeds its signal or not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { within } from '../../runtime/deadline.ts';
import { createManualClock } from '../../runtime/manual_clock.ts';

const never = new AbortController().signal;

test('within: what comes in time is given, and no timer is left', async () => {
  const clock = createManualClock(0);
  assert.equal(await within({ clock, waitMs: 5, abort: never }, async () => 7), 7);
  await assert.rejects(within({ clock, waitMs: 5, abort: never }, () =>
    Promise.reject(new Error('it failed'))), /it failed/);
  assert.equal(clock.pending(), 0);
});

test('within: what never comes is given up after its time, or with the abort', async () => {
  const clock = createManualClock(0);
  const leave = new AbortController();
  const signals: AbortSignal[] = [];
  const wait = () => within({ clock, waitMs: 5, abort: leave.signal }, (until) => {
    signals.push(until);
    return new Promise(() => {});
  });
  const late = assert.rejects(wait(), /no answer in 5 ms/);
  await clock.advance(5);
  await late;
  const left = assert.rejects(wait(), /gone/);
  leave.abort(new Error('gone'));
  await left;
  assert.deepEqual(signals.map(({ aborted }) => aborted), [true, true]);
});
