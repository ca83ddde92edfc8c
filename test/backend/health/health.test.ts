// The board gives the worst status of its checks, and a check that never answers is unhealthy.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHealthBoard, type CheckResult, type HealthStatus }
  from '../../../backend/health/health.ts';
import { createManualClock } from '../../contract/fakes.ts';

const board = (checks: Record<string, () => Promise<CheckResult>>, clock = createManualClock()) =>
  createHealthBoard({ clock, version: '1.0.0', checks });

test('health: the worst check decides', async () => {
  const check = async (statuses: HealthStatus[], wanted: HealthStatus) => {
    const checks = Object.fromEntries(statuses.map((status, index) =>
      [`c${index}`, async () => ({ status })]));
    assert.equal((await board(checks).report()).status, wanted);
  };
  await check([], 'healthy');
  await check(['healthy', 'healthy'], 'healthy');
  await check(['healthy', 'degraded'], 'degraded');
  await check(['unhealthy', 'degraded'], 'unhealthy');
});

test('health: a check that does not answer is unhealthy', async () => {
  const clock = createManualClock();
  const report = board({ silent: () => new Promise(() => {}) }, clock).report();
  await clock.advance(5000);
  const { status, checks } = await report;
  assert.equal(status, 'unhealthy');
  assert.match(checks.silent!.reason!, /no answer within 5 s/);
});

test('health: the report says since when, in seconds and RFC 3339', async () => {
  const clock = createManualClock();
  const health = board({}, clock);
  await clock.advance(90_000);
  const report = await health.report();
  assert.equal(report.uptime_seconds, 90);
  assert.equal(report.timestamp, new Date(clock.nowMs()).toISOString());
});
