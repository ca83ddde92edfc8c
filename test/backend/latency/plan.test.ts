// The segments of a plan cover the period once, each on the borders of its rollup, and no bucket of
// a rollup lies in two steps. Checked for borders written by hand and for thousands of random ones.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS, MINUTE_MS, planSegments } from '../../../backend/latency/plan.ts';
import { seededRandom } from '../../proto/generate.ts';

const at = (text: string): number => Date.parse(`2026-01-0${text}Z`);

const check = (from: string, to: string, stepMs: number | null, wanted: readonly string[]) => {
  const segments = planSegments({ fromMs: at(from), toMs: at(to) }, stepMs);
  assert.deepEqual(segments.map(({ rollup, fromMs, toMs }) =>
    `${rollup} ${new Date(fromMs).toISOString().slice(9, 23)} ${toMs - fromMs}`), wanted);
};

test('latency plan: the coarsest rollups, finer ones at the ends', () => {
  check('5T00:00:00', '6T00:00:00', null, [`day 5T00:00:00.000 ${DAY_MS}`]);
  check('5T13:00:00', '6T13:00:00', null, [`hour 5T13:00:00.000 ${24 * HOUR_MS}`]);
  check('4T22:58:59.5', '6T01:00:30', null, [
    'raw 4T22:58:59.500 500', `minute 4T22:59:00.000 ${MINUTE_MS}`,
    `hour 4T23:00:00.000 ${HOUR_MS}`, `day 5T00:00:00.000 ${DAY_MS}`,
    `hour 6T00:00:00.000 ${HOUR_MS}`, 'raw 6T01:00:00.000 30000']);
  check('5T10:00:20', '5T10:00:50', null, ['raw 5T10:00:20.000 30000']);
  check('5T10:00:20', '5T10:01:50', null, ['raw 5T10:00:20.000 90000']);
});

test('latency plan: steps that a rollup does not divide take a finer one', () => {
  check('5T10:00:00', '5T12:00:00', 10_000, [`raw 5T10:00:00.000 ${2 * HOUR_MS}`]);
  check('5T10:00:00', '5T12:00:00', 90_000, [`raw 5T10:00:00.000 ${2 * HOUR_MS}`]);
  check('5T10:00:00', '5T12:00:00', 5 * MINUTE_MS, [`minute 5T10:00:00.000 ${2 * HOUR_MS}`]);
  check('5T00:00:00', '7T00:00:00', 6 * HOUR_MS, [`hour 5T00:00:00.000 ${2 * DAY_MS}`]);
  check('5T00:00:00', '7T00:00:00', DAY_MS, [`day 5T00:00:00.000 ${2 * DAY_MS}`]);
});

test('latency plan: random periods are covered once, on the borders of the rollups', () => {
  const random = seededRandom(11);
  const sizes = { raw: 1, minute: MINUTE_MS, hour: HOUR_MS, day: DAY_MS };
  const units = Object.values(sizes);
  const upTo = (most: number): number => Math.floor(random() * most);
  for (let round = 0; round < 5000; round++) {
    const unit = units[upTo(4)]!;
    const fromMs = Math.floor((at('1T00:00:00') + upTo(5 * DAY_MS)) / unit) * unit;
    const toMs = fromMs + 1 + upTo(random() < 0.5 ? 3 * DAY_MS : 2 * HOUR_MS);
    const stepMs = [null, 1000, 7000, MINUTE_MS, 90_000, HOUR_MS, 5 * HOUR_MS, DAY_MS][upTo(8)]!;
    const segments = planSegments({ fromMs, toMs }, stepMs);
    let end = fromMs;
    for (const segment of segments) {
      const size = sizes[segment.rollup];
      assert.equal(segment.fromMs, end);
      assert.ok(segment.toMs > segment.fromMs);
      assert.equal(segment.fromMs % size + segment.toMs % size, 0);
      assert.ok(stepMs === null || size === 1 || stepMs % size === 0);
      end = segment.toMs;
    }
    assert.equal(end, toMs);
    assert.ok(segments.length <= 7);
  }
});
