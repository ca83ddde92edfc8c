// Proves how many notifications alerts would have made, by Alertmanager's waits and intervals.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rehearse, type RehearsedAlert } from '../../../backend/alerting/rehearsal.ts';

const MINUTE_MS = 60_000;
const GROUPING = { groupBy: ['alertname'], groupWaitMs: 30_000, groupIntervalMs: 5 * MINUTE_MS,
  repeatIntervalMs: 4 * 60 * MINUTE_MS };
const alert = (host: string, from: number, to: number): RehearsedAlert =>
  ({ labels: { alertname: 'X', host }, fromMs: from * MINUTE_MS, toMs: to * MINUTE_MS });
const of = (alerts: readonly RehearsedAlert[], grouping = GROUPING, until = 1440) => {
  const { groups, notifications, reasons } = rehearse(alerts, grouping, until * MINUTE_MS);
  return [groups, notifications, reasons];
};

test('rehearsal: an alert is told of when it begins and when it is over', () => {
  assert.deepEqual(of([alert('a', 10, 20)]),
    [1, 2, { 'first notification': 1, 'all alerts resolved': 1 }]);
  assert.deepEqual(of([]), [0, 0, {}]);
  // Over before the group's wait: nobody hears of it.
  assert.deepEqual(of([alert('a', 10, 10.4)]), [1, 0, {}]);
});

test('rehearsal: alerts of a group share notifications', () => {
  assert.deepEqual(of([alert('a', 10, 60), alert('b', 10.3, 60), alert('c', 12, 60)]),
    [1, 3, { 'first notification': 1, 'new alerts added': 1, 'all alerts resolved': 1 }]);
  assert.deepEqual(of([alert('a', 10, 60), alert('b', 10.3, 30)]),
    [1, 3, { 'first notification': 1, 'some alerts resolved': 1, 'all alerts resolved': 1 }]);
  const apart = { ...GROUPING, groupBy: 'all' } as const;
  assert.deepEqual(of([alert('a', 10, 60), alert('b', 10.3, 60)], apart as never),
    [2, 4, { 'first notification': 2, 'all alerts resolved': 2 }]);
});

test('rehearsal: it is repeated while it fires, and told anew when it comes back', () => {
  // Looks at 30s, 5m30s, …; the one at 4h30s is four hours later, and not more.
  assert.deepEqual(of([alert('a', 0, Infinity)], GROUPING, 60 * 9),
    [1, 3, { 'first notification': 1, 'repeat interval elapsed': 2 }]);
  assert.deepEqual(of([alert('a', 0, 10), alert('a', 100, 110)]),
    [1, 4, { 'first notification': 2, 'all alerts resolved': 2 }]);
  // Back before anybody looked: nothing to tell.
  assert.deepEqual(of([alert('a', 0, 7), alert('a', 8, 20)]),
    [1, 2, { 'first notification': 1, 'all alerts resolved': 1 }]);
});
