// What people do with alerts, on a clock that is moved by hand and a journal in memory: what an
// acknowledgement, a snooze and a resolution hold, for how long, for whom, what is left of it after
// a restart, and that all of it is in the history.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLife, limits, type Life } from '../../../backend/alerting/life/life.ts';
import type { Alert } from '../../../backend/alerting/model.ts';
import type { Journal } from '../../../backend/journal/journal.ts';
import { createMemoryJournal } from '../../../backend/journal/memory.ts';
import { fingerprintOf, type Labels } from '../../../backend/labels/labels.ts';
import { createManualClock, type ManualClock } from '../../../runtime/manual_clock.ts';

const START_MS = Date.parse('2026-01-05T08:00:00Z');
const MINUTE_MS = 60_000;
const KEY = '{}:{alertname="Down"}';
const ABORT = new AbortController().signal;

const alertOf = (labels: Labels, startsAtMs = START_MS): Alert => ({
  labels, annotations: {}, startsAtMs, endsAtMs: startsAtMs + 3_600_000, generatorUrl: '',
  fingerprint: fingerprintOf(labels), updatedAtMs: startsAtMs, timeout: false, origin: 'posted',
});

interface Setting {
  readonly clock: ManualClock;
  readonly journal: Journal;
  readonly life: Life;
}

async function setUp(): Promise<Setting> {
  const clock = createManualClock(START_MS);
  const journal = createMemoryJournal(clock);
  const life = createLife({ journal, clock });
  await life.start();
  return { clock, journal, life };
}

const a = alertOf({ alertname: 'Down', host: 'a' });
const b = alertOf({ alertname: 'Down', host: 'b' });
const ANN = { by: 'ann', comment: 'on it' };
const held = (life: Life, clock: ManualClock, alerts = [a, b], key = KEY) =>
  Object.fromEntries(life.acknowledged(key, alerts, clock.nowMs()));

test('life: an acknowledged alert is held until its time, and no other one', async () => {
  const { life, clock } = await setUp();
  await life.acknowledge({ alert: a }, { ...ANN, untilMs: START_MS + 10 * MINUTE_MS });
  assert.deepEqual(held(life, clock), { [a.fingerprint]: 'ann' });
  await clock.advance(10 * MINUTE_MS - 1);
  assert.deepEqual(held(life, clock, [a], ''), { [a.fingerprint]: 'ann' });
  await clock.advance(1);
  assert.deepEqual(held(life, clock), {});
});

test('life: an acknowledgement ends with the alert; one that fires anew is news', async () => {
  const { life, clock } = await setUp();
  await life.acknowledge({ alert: a }, ANN);
  await clock.advance(5 * MINUTE_MS);
  const anew = { ...a, startsAtMs: clock.nowMs() };
  assert.deepEqual(held(life, clock, [anew]), {});
  assert.deepEqual(held(life, clock, [a]), { [a.fingerprint]: 'ann' });
});

test('life: a snooze holds until its time, also an alert that fires anew', async () => {
  const { life, clock } = await setUp();
  await life.snooze({ alert: a }, { ...ANN, untilMs: START_MS + 60 * MINUTE_MS });
  await clock.advance(30 * MINUTE_MS);
  const anew = { ...a, startsAtMs: clock.nowMs() };
  assert.deepEqual(held(life, clock, [anew]), { [a.fingerprint]: 'ann' });
  await clock.advance(30 * MINUTE_MS);
  assert.deepEqual(held(life, clock, [anew]), {});
});

test('life: of a group the alerts are held that fired then; a new one is told', async () => {
  const { life, clock } = await setUp();
  await life.acknowledge({ groupKey: KEY, labels: { alertname: 'Down' }, alerts: [a] }, ANN);
  assert.deepEqual(held(life, clock), { [a.fingerprint]: 'ann' });
  assert.deepEqual(held(life, clock, [a], '{}:{alertname="Other"}'), {});
});

test('life: what was said can be taken back', async () => {
  const { life, clock } = await setUp();
  await life.acknowledge({ alert: a }, ANN);
  await life.snooze({ alert: a }, { ...ANN, untilMs: START_MS + MINUTE_MS });
  await life.unacknowledge({ alert: a }, { by: 'bob', comment: 'not me' });
  assert.deepEqual(held(life, clock), {});
});

test('life: an alert that was resolved by hand is over until it fires anew', async () => {
  const { life, clock } = await setUp();
  const heard: (readonly string[])[] = [];
  life.follow((keys) => heard.push(keys));
  await life.resolve({ groupKey: KEY, labels: {}, alerts: [a, b] },
    { by: 'bob', comment: 'restarted' });
  assert.equal(life.endedAtMs(a), START_MS);
  assert.equal(life.endedAtMs(b), START_MS);
  assert.deepEqual(heard, [[a.fingerprint, b.fingerprint]]);
  await clock.advance(MINUTE_MS);
  assert.equal(life.endedAtMs({ ...a, startsAtMs: clock.nowMs() }), null);
});

test('life: all of it is known after a restart, and is in the history with its actor', async () => {
  const { life, clock, journal } = await setUp();
  await Promise.all([life.acknowledge({ alert: a }, ANN),
    life.note({ alert: a }, { by: 'bob', comment: 'disk is full' }),
    life.note({ alert: a }, { by: 'eve', comment: 'ordered one' })]);
  const again = createLife({ journal, clock });
  await again.start();
  assert.deepEqual(held(again, clock), { [a.fingerprint]: 'ann' });
  assert.deepEqual(again.said(a.fingerprint).notes.map(({ by, text }) => [by, text]),
    [['bob', 'disk is full'], ['eve', 'ordered one']]);
  const past = await journal.history(
    { key: a.fingerprint, fromMs: 0, toMs: START_MS + 1, limit: 10 }, ABORT);
  assert.deepEqual(past.map(({ state, actor, note, name }) => [state, actor, note, name]), [
    ['note', 'eve', 'ordered one', 'Down'],
    ['note', 'bob', 'disk is full', 'Down'],
    ['acknowledged', 'ann', 'on it', 'Down'],
  ]);
});

test('life: what nobody spoke of for long is forgotten, and what still counts is not', async () => {
  const { life, clock, journal } = await setUp();
  await life.note({ alert: a }, ANN);
  await life.stop(ABORT);
  await clock.advance(limits.keptMs);
  const again = createLife({ journal, clock });
  await again.start();
  await again.snooze({ alert: b }, { ...ANN, untilMs: clock.nowMs() + limits.heldMsMax });
  await clock.advance(limits.sweepMs);
  assert.deepEqual((await journal.load(['acknowledgement'], ABORT)).map(({ key }) => key),
    [b.fingerprint]);
  assert.deepEqual(again.said(a.fingerprint).notes, []);
  await again.stop(ABORT);
});
