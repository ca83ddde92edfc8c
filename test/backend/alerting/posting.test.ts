// What becomes of alerts that are posted: which are refused, which are written, and which need not
// be, because what is stored says as much.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alertOfEntry, createAlertBook } from '../../../backend/alerting/alerts.ts';
import { createPost, limits } from '../../../backend/alerting/life/posting.ts';
import type { PostedAlert } from '../../../backend/alerting/model.ts';
import { createMemoryJournal } from '../../../backend/journal/memory.ts';
import { fingerprintOf } from '../../../backend/labels/labels.ts';
import { createManualClock } from '../../../runtime/manual_clock.ts';

const START_MS = Date.parse('2026-01-05T08:00:00Z');
const MINUTE_MS = 60_000;
const ABORT = new AbortController().signal;

const posted = (more: Partial<PostedAlert> = {}): PostedAlert => ({
  labels: { alertname: 'Down', host: 'a' }, annotations: { summary: 's' }, startsAtMs: START_MS,
  endsAtMs: null, generatorUrl: '', ...more });

function setUp() {
  const clock = createManualClock(START_MS);
  const journal = createMemoryJournal(clock);
  const book = createAlertBook();
  const rows = { count: 0 };
  let endedMs: number | null = null;
  journal.follow(['posted'], (entries) => {
    rows.count += entries.length;
    for (const entry of entries) book.put(alertOfEntry(entry, 5 * MINUTE_MS)!, clock.nowMs());
  });
  const post = createPost({ journal, clock, endedAtMs: () => endedMs,
    alerts: () => [...book.all()].map((alert) => ({ alert })) });
  const end = (atMs: number | null) => {
    endedMs = atMs;
  };
  return { clock, journal, book, rows, post, end };
}

test('posting: what Prometheus sends every minute is written once in a while', async () => {
  const { clock, book, rows, post } = setUp();
  for (let minute = 0; minute < 60; minute += 1) {
    await post([posted({ endsAtMs: clock.nowMs() + 4 * MINUTE_MS })], 'prometheus');
    const [alert] = [...book.all()];
    const leftMs = alert!.endsAtMs - clock.nowMs();
    assert.ok(leftMs >= 4 * MINUTE_MS && leftMs <= 6 * MINUTE_MS, String(leftMs));
    await clock.advance(MINUTE_MS);
  }
  assert.ok(rows.count <= 22, `${rows.count} rows in an hour`);
  await post([posted({ endsAtMs: clock.nowMs() })], 'prometheus');
  assert.equal([...book.all()][0]!.endsAtMs, clock.nowMs());
});

test('posting: what says something new is written at once', async () => {
  const { clock, rows, post } = setUp();
  const endsAtMs = START_MS + 60 * MINUTE_MS;
  await post([posted({ endsAtMs })], 'app');
  for (const [more, isWritten] of [
    [{}, 0], [{ annotations: { summary: 'other' } }, 1], [{ value: 7 }, 1],
    [{ generatorUrl: 'http://x/' }, 1], [{ startsAtMs: START_MS - 1 }, 1],
    [{ endsAtMs: endsAtMs - 1000 }, 0],
  ] as const) {
    await clock.advance(1000);
    const before = rows.count;
    const last = { annotations: { summary: 's' }, endsAtMs };
    await post([posted({ ...last, ...more })], 'app');
    assert.equal(rows.count - before, isWritten, JSON.stringify(more));
    if (isWritten === 1) await post([posted(last)], 'app');
  }
});

test('posting: without an end, the last post counts', async () => {
  const { clock, book, rows, post } = setUp();
  await post([posted()], 'app');
  await clock.advance(limits.againMs - 1);
  await post([posted()], 'app');
  assert.equal(rows.count, 1);
  await clock.advance(1);
  await post([posted()], 'app');
  assert.equal(rows.count, 2);
  assert.equal([...book.all()][0]!.endsAtMs, clock.nowMs() + 5 * MINUTE_MS);
});

test('posting: what was ended by hand is not written again and again', async () => {
  const { clock, rows, post, end } = setUp();
  const alert = () => posted({ endsAtMs: clock.nowMs() + 4 * MINUTE_MS });
  await post([alert()], 'prometheus');
  end(clock.nowMs());
  await clock.advance(3 * MINUTE_MS);
  await post([alert()], 'prometheus');
  assert.equal(rows.count, 1);
  await post([posted({ startsAtMs: clock.nowMs(), endsAtMs: null })], 'prometheus');
  assert.equal(rows.count, 2);
});

test('posting: invalid ones are named, valid ones stored with who sent them', async () => {
  const { journal, post } = setUp();
  const labels = Object.fromEntries(Array.from({ length: limits.labelsMax + 1 },
    (_, index) => [`l${index}`, 'x']));
  const { fingerprints, refused } = await post([
    posted({ labels: { a: '' } }), posted(), posted({ labels }),
    posted({ labels: { a: 'x'.repeat(limits.labelCharactersMax + 1) } }),
    posted({ startsAtMs: 2, endsAtMs: 1 }),
  ], 'app one');
  assert.deepEqual(fingerprints, [fingerprintOf(posted().labels)]);
  assert.deepEqual(refused.map(({ index }) => index), [0, 2, 3, 4]);
  const [entry] = await journal.load(['posted'], ABORT);
  assert.deepEqual([entry!.key, entry!.actor, entry!.name, entry!.state],
    [fingerprints[0], 'app one', 'Down', 'firing']);
});
