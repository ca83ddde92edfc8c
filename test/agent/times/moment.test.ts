// Proves that texts become instants by their layout: parts that are absent, zones by offset, by
// abbreviation and by name, years that are not written. Layouts themselves are proven with
// time_parser, in operators.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseGotime, parseStrptime } from '../../../agent/times/layout.ts';
import { momentNs, readMoment } from '../../../agent/times/moment.ts';
import { parseZone, UTC } from '../../../agent/times/zone.ts';

const NOW_MS = Date.UTC(2026, 0, 3);

const instant = (layout: ReturnType<typeof parseStrptime>, text: string, zoneName = 'UTC') => {
  const moment = readMoment(layout!, text);
  const place = { zone: parseZone(zoneName)!, zones: new Map(), nowMs: NOW_MS };
  const ns = moment === null ? null : momentNs(moment, place);
  return ns === null ? null : new Date(Number(ns / 1_000_000n)).toISOString();
};

test('moment: texts become instants', () => {
  const check = (layout: string, text: string, want: string | null, zone?: string) =>
    assert.equal(instant(parseStrptime(layout), text, zone), want, text);
  check('%Y-%m-%d', '2023-02-04', '2023-02-04T00:00:00.000Z');
  check('%Y-%m-%d %H:%M:%S', '2023-05-26 12:34:56', '2023-05-26T16:34:56.000Z', 'America/New_York');
  check('%Y-%m-%dT%H:%M:%S%z', '2012-11-01T22:08:41+0130', '2012-11-01T20:38:41.000Z');
  check('%Y-%m-%d %H:%M:%S %Z', '2023-05-26 12:34:56 HST', '2023-05-26T22:34:56.000Z');
  check('%Y-%m-%d %H:%M:%S %Z', '2023-05-26 12:34:56 QQT', null);
  check('%b %e %I:%M %p', 'Jan  4 11:05 pm', '2026-01-04T23:05:00.000Z');
  check('%b %e', 'Dec 30', '2025-12-30T00:00:00.000Z');
  check('%Y-%m-%d', '2023-02-30', null);
  check('%Y-%m-%d', 'yesterday', null);
});

test('moment: layouts of Go', () => {
  assert.equal(instant(parseGotime('Jan 2 2006 15:04:05.000'), 'Feb 4 2023 01:02:03.456'),
    '2023-02-04T01:02:03.456Z');
  assert.equal(UTC.toUtcMs(1000), 1000);
});
