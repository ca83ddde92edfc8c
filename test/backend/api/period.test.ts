// What the routes have in common: each form of a time means its instant and nothing else passes, a
// period is never empty or too long, and a list that is read page by page is the whole list.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../../../backend/api/errors.ts';
import { decodeCursor, encodeCursor, fittingStepMs, limits, pageOf, readDuration, readInstantNs,
  readLimit, readPeriod, readPeriodNs, type List } from '../../../backend/api/period.ts';

const NOW_MS = Date.UTC(2026, 0, 2, 12);
const OPTIONS = { nowMs: NOW_MS, defaultMs: 3_600_000 };

const refused = (run: () => unknown, message: RegExp) => assert.throws(run, (error) => {
  assert.ok(error instanceof ApiError);
  assert.equal(error.code, 'INVALID_REQUEST');
  assert.match(error.message, message);
  return true;
});

test('period: each form of a time is its instant', () => {
  const check = (text: string, want: string, moreNs = 0n) => {
    const wantNs = BigInt(Date.parse(want)) * 1_000_000n + moreNs;
    assert.equal(readInstantNs('from', text, NOW_MS), wantNs, text);
  };
  check('2026-01-02', '2026-01-02T00:00:00Z');
  check('2026-01-02T03:04', '2026-01-02T03:04:00Z');
  check('2026-01-02T03:04:05', '2026-01-02T03:04:05Z');
  check('2026-01-02 03:04:05.123456789', '2026-01-02T03:04:05Z', 123_456_789n);
  check('2026-01-02T03:04:05.5z', '2026-01-02T03:04:05Z', 500_000_000n);
  check('2026-01-02T03:04:05+01:00', '2026-01-02T02:04:05Z');
  check('2026-01-02T03:04:05 01:00', '2026-01-02T02:04:05Z');
  check('2026-01-02T03:04:05-0130', '2026-01-02T04:34:05Z');
  check('1767323045', '2026-01-02T03:04:05Z');
  check('1767323045678', '2026-01-02T03:04:05.678Z');
  check('1767323045678901', '2026-01-02T03:04:05.678Z', 901_000n);
  check('1767323045678901234', '2026-01-02T03:04:05.678Z', 901_234n);
  check('0', '1970-01-01T00:00:00Z');
  check('now', '2026-01-02T12:00:00Z');
  check('now-15m', '2026-01-02T11:45:00Z');
  check('-1.5h', '2026-01-02T10:30:00Z');
  check('-1w', '2025-12-26T12:00:00Z');
});

test('period: what is no time is refused', () => {
  for (const text of ['', 'yesterday', '15m', '-15', '-15x', 'now+1h', '2026-13-01', '2026-01-02T',
    '2026-01-02T25:00:00Z', '1969-12-31', '2500-01-01', '99999999999999999999', '-9999999w',
    '2026-01-02T03:04:05.1234567890Z', ' 2026-01-02', `2026-01-02${' '.repeat(200)}`]) {
    refused(() => readInstantNs('to', text, NOW_MS), /^to must be a time like/);
  }
});

test('period: from, to, and what is meant without them', () => {
  assert.deepEqual(readPeriod({}, OPTIONS), { fromMs: NOW_MS - 3_600_000, toMs: NOW_MS });
  assert.deepEqual(readPeriod({ from: '-1d' }, OPTIONS),
    { fromMs: NOW_MS - 86_400_000, toMs: NOW_MS });
  assert.deepEqual(readPeriod({ to: '1000' }, OPTIONS), { fromMs: 0, toMs: 1_000_000 });
  assert.equal(readPeriodNs({ from: '2026-01-02T11:00:00.000000001Z' }, OPTIONS).fromNs % 10n, 1n);
  refused(() => readPeriod({ from: '2026-01-02T11:00:00.0001Z' }, OPTIONS), /to the millisecond/);
  refused(() => readPeriod({ from: 'now' }, OPTIONS), /from must be before to/);
  refused(() => readPeriod({ from: '2020-01-01' }, OPTIONS), /longer than 400 days/);
  const day = { ...OPTIONS, periodMsMax: 86_400_000 };
  refused(() => readPeriod({ from: '-2d' }, day), /longer than 1 day/);
});

test('period: durations, steps and limits', () => {
  assert.equal(readDuration('step', '90s'), 90_000);
  assert.equal(readDuration('step', '2w'), 14 * 86_400_000);
  for (const text of ['0s', '5', 'm', '1.5h', '-1m', '1y']) {
    refused(() => readDuration('step', text), /^step must be whole/);
  }
  assert.equal(fittingStepMs({ fromMs: 0, toMs: 3_600_000 }, 60), 60_000);
  assert.equal(fittingStepMs({ fromMs: 0, toMs: 3_600_001 }, 60), 120_000);
  assert.equal(fittingStepMs({ fromMs: 0, toMs: 400 * 86_400_000 }, 10), 40 * 86_400_000);
  assert.equal(readLimit(undefined), 100);
  assert.equal(readLimit('1000'), 1000);
  for (const text of ['0', '1001', '1e2', '-1', '', ' 5']) refused(() => readLimit(text), /^limit/);
});

test('period: pages of a list are the list, and a foreign cursor is refused', () => {
  const all = Array.from({ length: 25 }, (_, index) => index);
  const isPlace = (place: unknown): place is number => typeof place === 'number';
  const seen: number[] = [];
  let cursor: string | null = encodeCursor(-1);
  while (cursor !== null) {
    const after: number = decodeCursor(cursor, isPlace);
    const found: number[] = all.filter((one) => one > after).slice(0, 11);
    const { items, next }: List<number> = pageOf(found, 10, (last) => last);
    seen.push(...items);
    cursor = next;
  }
  assert.deepEqual(seen, all);
  const long = 'x'.repeat(limits.cursorCharactersMax + 1);
  for (const text of ['', '!', 'e30', encodeCursor('a'), long]) {
    refused(() => decodeCursor(text, isPlace), /^cursor must be/);
  }
});
