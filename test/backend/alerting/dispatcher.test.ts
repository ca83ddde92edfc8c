// Groups and their rhythm, on a clock that is moved by hand: Alertmanager 0.34 sentence by
// sentence, then restarts, takeovers and reloads.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemoryJournal } from '../../../backend/journal/memory.ts';
import { createManualClock } from '../../../runtime/manual_clock.ts';
import { configOf, createRig, MINUTE, opsConfig, START_MS, type Rig } from './rig.ts';

const X = { alertname: 'X' };
const A = { alertname: 'X', a: '1' };
const B = { alertname: 'X', a: '2' };

const advance = (rig: Rig, minutes: number) => rig.clock.advance(minutes * MINUTE);

test('group_wait, group_interval and repeat_interval have Alertmanager’s defaults', async () => {
  const rig = await createRig(opsConfig());
  rig.fire(A);
  await advance(rig, 0.49);
  assert.deepEqual(rig.told(), []);
  await advance(rig, 0.01);
  assert.deepEqual(rig.told(), ['00:30 ops firing X{a="1"} (first notification)']);
  rig.fire(B);
  await advance(rig, 4.9);
  assert.deepEqual(rig.told(), []);
  await advance(rig, 0.1);
  assert.deepEqual(rig.told(), ['05:30 ops firing X{a="1"} X{a="2"} (new alerts added)']);
  // Four hours later, rounded up to the next look.
  await advance(rig, 4 * 60);
  assert.deepEqual(rig.told(), []);
  await advance(rig, 5);
  assert.deepEqual(rig.told(),
    ['250:30 ops firing X{a="1"} X{a="2"} (repeat interval elapsed)']);
});

test('alerts that are over: some, then all; a group without alerts begins anew', async () => {
  const rig = await createRig(opsConfig());
  rig.fire(A);
  rig.fire(B);
  await advance(rig, 1);
  rig.resolve(A);
  await advance(rig, 5);
  rig.resolve(B);
  await advance(rig, 5);
  assert.deepEqual(rig.told(), [
    '00:30 ops firing X{a="1"} X{a="2"} (first notification)',
    '05:30 ops firing -X{a="1"} X{a="2"} (some alerts resolved)',
    '10:30 ops resolved -X{a="2"} (all alerts resolved)',
  ]);
  assert.deepEqual(rig.alerting.groups(), []);
  rig.fire(A);
  await advance(rig, 1);
  assert.deepEqual(rig.told(), ['11:30 ops firing X{a="1"} (first notification)']);
});

test('what is over before group_wait is not told', async () => {
  const rig = await createRig(opsConfig());
  rig.fire(X);
  await advance(rig, 0.3);
  rig.resolve(X);
  await advance(rig, 30);
  assert.deepEqual(rig.told(), []);
});

test('an alert that began longer ago than group_wait is told at once', async () => {
  const rig = await createRig(opsConfig());
  await advance(rig, 10);
  rig.fire(X, { startsAtMs: rig.clock.nowMs() - MINUTE });
  await advance(rig, 0);
  assert.deepEqual(rig.told(), ['10:00 ops firing X (first notification)']);
});

test('resolve_timeout is for posted alerts without an end', async () => {
  const rig = await createRig(opsConfig());
  await rig.submit(X);
  await advance(rig, 4);
  await rig.submit(X);
  await advance(rig, 4);
  assert.deepEqual(rig.told(), ['00:30 ops firing X (first notification)']);
  await advance(rig, 3);
  assert.deepEqual(rig.told(), ['10:30 ops resolved -X (all alerts resolved)']);
  assert.equal(rig.sent.at(-1)!.alerts[0]!.startsAtMs, START_MS);
});

test('a channel that takes nothing is told again at the next look', async () => {
  const rig = await createRig(opsConfig());
  rig.answer = () => 'dead';
  rig.fire(X);
  await advance(rig, 1);
  rig.answer = () => 'delivered';
  await advance(rig, 5);
  assert.deepEqual(rig.told(), ['05:30 ops firing X (first notification)']);
});

test('without send_resolved the end is remembered and not told', async () => {
  const rig = await createRig(configOf('route: {receiver: ops, group_by: [alertname]}\n'
    + 'receivers: [{name: ops, webhook_configs: [{send_resolved: false}]}]'));
  rig.fire(X);
  await advance(rig, 1);
  rig.resolve(X);
  await advance(rig, 5);
  rig.fire(X);
  await advance(rig, 5);
  assert.deepEqual(rig.told(), ['00:30 ops firing X (first notification)',
    '06:30 ops firing X (first notification)']);
});

test('a restart tells nothing twice and goes on in the same rhythm', async () => {
  const clock = createManualClock(START_MS);
  const journal = createMemoryJournal(clock);
  const before = await createRig(opsConfig(), { clock, journal });
  before.fire(A);
  await advance(before, 2);
  await before.alerting.stop(AbortSignal.abort());
  const rig = await createRig(opsConfig(), { clock, journal });
  rig.fire(A, { startsAtMs: START_MS });
  rig.fire(B, { startsAtMs: START_MS });
  await advance(rig, 3.4);
  assert.deepEqual([...before.told(), ...rig.told()],
    ['00:30 ops firing X{a="1"} (first notification)']);
  await advance(rig, 0.1);
  assert.deepEqual(rig.told(), ['05:30 ops firing X{a="1"} X{a="2"} (new alerts added)']);
});

test('a group that waits waits no longer for a restart', async () => {
  const clock = createManualClock(START_MS);
  const journal = createMemoryJournal(clock);
  const before = await createRig(opsConfig(), { clock, journal });
  await before.submit(X);
  await clock.advance(20_000);
  await before.alerting.stop(AbortSignal.abort());
  const rig = await createRig(opsConfig(), { clock, journal });
  await clock.advance(10_000);
  assert.deepEqual(rig.told(), ['00:30 ops firing X (first notification)']);
});

test('what was decided when the process was killed is sent with the same id', async () => {
  const clock = createManualClock(START_MS);
  const journal = createMemoryJournal(clock);
  const before = await createRig(opsConfig(), { clock, journal });
  let id = '';
  before.answer = (notification) => {
    id = notification.id;
    return new Promise(() => {});
  };
  before.fire(X);
  await advance(before, 1);
  await before.alerting.stop(AbortSignal.abort());
  const rig = await createRig(opsConfig(), { clock, journal });
  await advance(rig, 0);
  assert.deepEqual(rig.told(), ['00:30 ops firing X (first notification)']);
  assert.equal(rig.sent[0]!.id, id);
  rig.fire(X, { startsAtMs: START_MS });
  await advance(rig, 20);
  assert.deepEqual(rig.told(), []);
});

test('after a restart nobody says that all is over while alerts are not known yet', async () => {
  const clock = createManualClock(START_MS);
  const journal = createMemoryJournal(clock);
  const before = await createRig(opsConfig(), { clock, journal });
  before.fire(A);
  before.fire(B);
  await advance(before, 6);
  await before.alerting.stop(AbortSignal.abort());
  const rig = await createRig(opsConfig(), { clock, journal });
  rig.alerting.post([{ labels: A, annotations: {}, startsAtMs: START_MS,
    endsAtMs: clock.nowMs(), generatorUrl: '' }]);
  await advance(rig, 4);
  assert.deepEqual(rig.told(), []);
  rig.fire(B, { startsAtMs: START_MS });
  await advance(rig, 5);
  assert.deepEqual(rig.told(), ['11:00 ops firing -X{a="1"} X{a="2"} (some alerts resolved)']);
});

test('only the leader sends; who takes over finds what it left', async () => {
  const clock = createManualClock(START_MS);
  const journal = createMemoryJournal(clock);
  const one = await createRig(opsConfig(), { clock, journal });
  const other = await createRig(opsConfig(), { clock, journal });
  other.leads = false;
  await advance(other, 0.1);
  await one.submit(A, { endsAtMs: START_MS + 60 * MINUTE });
  await advance(one, 5);
  await one.submit(B, { endsAtMs: START_MS + 60 * MINUTE });
  one.leads = false;
  await advance(one, 2);
  assert.deepEqual(one.told(), ['00:36 ops firing X{a="1"} (first notification)']);
  assert.deepEqual(other.told(), []);
  other.leads = true;
  await advance(other, 0.1);
  assert.deepEqual(other.told(), ['07:07 ops firing X{a="1"} X{a="2"} (new alerts added)']);
  assert.deepEqual(one.told(), []);
});

test('a reload goes on in the same rhythm, and tells what other routes now take', async () => {
  const rig = await createRig(opsConfig());
  rig.fire(A);
  await advance(rig, 1);
  rig.resolve(A);
  rig.alerting.reload(opsConfig('', 'time_intervals: []'));
  await advance(rig, 5);
  assert.deepEqual(rig.told(), ['00:30 ops firing X{a="1"} (first notification)',
    '05:30 ops resolved -X{a="1"} (all alerts resolved)']);
  rig.fire(B);
  await advance(rig, 1);
  rig.told();
  rig.alerting.reload(configOf('route: {receiver: ops, routes: [{receiver: web, '
    + 'matchers: [alertname=X]}]}\nreceivers: [{name: ops}, '
    + '{name: web, webhook_configs: [{}]}]'));
  await advance(rig, 1);
  assert.deepEqual(rig.told(), ['07:00 web firing X{a="2"} (first notification)']);
});
