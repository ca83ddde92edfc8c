// What keeps receivers from being told too often, and what nothing keeps from them; what people
// see of it all.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '../../../runtime/manual_clock.ts';
import { createMemoryJournal } from '../../../backend/journal/memory.ts';
import { createChanges } from '../../../backend/alerting/flapping.ts';
import type { GroupEvent } from '../../../backend/alerting/model.ts';
import { configOf, createRig, MINUTE, opsConfig, START_MS, type Rig } from './rig.ts';

const X = { alertname: 'X' };
const advance = (rig: Rig, minutes: number) => rig.clock.advance(minutes * MINUTE);
const limited = (limits: string, route = ', group_wait: 0s') =>
  opsConfig(route, `limits: {${limits}}`);

test('cooldown: what is held back comes later, all of it', async () => {
  const rig = await createRig(limited('cooldown: 20m'));
  rig.fire({ ...X, a: '1' });
  await advance(rig, 1);
  rig.fire({ ...X, a: '2' });
  await advance(rig, 18);
  assert.deepEqual(rig.told(), ['00:00 ops firing X{a="1"} (first notification)']);
  await advance(rig, 1);
  assert.deepEqual(rig.told(), ['20:00 ops firing X{a="1"} X{a="2"} (new alerts added)']);
  assert.equal(rig.sent.at(-1)!.digest, 'held back once since 2026-11-02T00:05:00Z (cooldown)');
});

test('cap: the digest comes when the hour allows it, also after a restart', async () => {
  const clock = createManualClock(START_MS);
  const journal = createMemoryJournal(clock);
  const before = await createRig(limited('max_per_hour: 2'), { clock, journal });
  for (const alertname of ['A', 'B', 'C', 'D']) {
    before.fire({ alertname });
    await advance(before, 1);
  }
  assert.deepEqual(before.told().length, 2);
  await before.alerting.stop(AbortSignal.abort());
  const rig = await createRig(limited('max_per_hour: 2'), { clock, journal });
  for (const [at, alertname] of ['A', 'B', 'C', 'D'].entries()) {
    rig.fire({ alertname }, { startsAtMs: START_MS + at * MINUTE });
  }
  await advance(rig, 55);
  assert.deepEqual(rig.told(), []);
  await advance(rig, 1);
  assert.deepEqual(rig.told(), ['60:00 ops firing C D (digest)']);
  assert.equal(rig.sent.at(-1)!.digest, '2 held back since 2026-11-02T00:02:00Z, in 2 groups:\n'
    + '{}:{alertname="C"}: 1 firing\n{}:{alertname="D"}: 1 firing');
  // They were told of: nothing more comes of them.
  await advance(rig, 120);
  assert.deepEqual(rig.told(), []);
  rig.resolve({ alertname: 'C' });
  await advance(rig, 5);
  assert.deepEqual(rig.told().map((line) => line.slice(7)),
    ['ops resolved -C (all alerts resolved)']);
});

test('cap: a digest does not stand for the end of a group that was told of', async () => {
  const rig = await createRig(limited('max_per_hour: 1', ', group_wait: 0s, group_interval: 7m'));
  rig.fire({ ...X, a: '1' });
  await advance(rig, 1);
  rig.fire({ ...X, a: '2' });
  await advance(rig, 57);
  rig.resolve({ ...X, a: '1' });
  rig.resolve({ ...X, a: '2' });
  await advance(rig, 10);
  assert.deepEqual(rig.told(), ['00:00 ops firing X{a="1"} (first notification)',
    '60:00 ops resolved  (digest)',
    '63:00 ops resolved -X{a="1"} -X{a="2"} (all alerts resolved)']);
});

test('cap: neither ends nor critical alerts wait', async () => {
  const rig = await createRig(limited('max_per_hour: 1'));
  rig.fire({ alertname: 'A' });
  await advance(rig, 1);
  rig.fire({ alertname: 'B', severity: 'critical' });
  rig.resolve({ alertname: 'A' });
  await advance(rig, 5);
  assert.deepEqual(rig.told(), ['00:00 ops firing A (first notification)',
    '01:00 ops firing B{severity="critical"} (first notification)',
    '05:00 ops resolved -A (all alerts resolved)']);
});

test('flapping: so many changes in so long', () => {
  const changes = createChanges();
  const flapping = { changes: 3, withinMs: 10 };
  const see = (fires: boolean, atMs: number) => changes.observe('x', fires, atMs);
  const flaps = (atMs: number) => changes.flaps('x', flapping, atMs);
  for (const [at, fires] of [true, false, false, true].entries()) see(fires, at);
  assert.equal(flaps(3), false);
  see(false, 4);
  assert.equal(flaps(4), true);
  assert.equal(changes.flaps('x', null, 4), false);
  assert.equal(flaps(10), true);
  assert.equal(flaps(11), false);
});

test('acknowledged: no repetition, no news of some; new alerts and the end are told', async () => {
  const rig = await createRig(opsConfig(
    ', group_wait: 0s, group_interval: 1m, repeat_interval: 5m'));
  let held = true;
  rig.fire({ ...X, a: '1' });
  rig.fire({ ...X, a: '2' });
  await advance(rig, 0.5);
  const known = new Set(rig.sent[0]!.alerts.map(({ fingerprint }) => fingerprint));
  rig.acknowledged = (fingerprint) => (held && known.has(fingerprint) ? 'alice' : '');
  rig.resolve({ ...X, a: '1' });
  await advance(rig, 10);
  assert.deepEqual(rig.told().length, 1);
  assert.equal(rig.alerting.alerts().find(({ alert }) => alert.labels['a'] === '2')!
    .acknowledgedBy, 'alice');
  rig.fire({ ...X, a: '3' });
  await advance(rig, 1);
  assert.deepEqual(rig.told(),
    ['11:00 ops firing -X{a="1"} X{a="2"} X{a="3"} (new alerts added)']);
  held = false;
  await advance(rig, 6);
  assert.deepEqual(rig.told(), ['17:00 ops firing X{a="2"} X{a="3"} (repeat interval elapsed)']);
  held = true;
  rig.resolve({ ...X, a: '2' });
  rig.resolve({ ...X, a: '3' });
  await advance(rig, 1);
  assert.deepEqual(rig.told(), ['18:00 ops resolved -X{a="2"} -X{a="3"} (all alerts resolved)']);
});

test('what people see: who is told, and why somebody is not', async () => {
  const rig = await createRig(configOf(`
route: {receiver: ops, routes: [{receiver: web, matchers: [team=web], mute_time_intervals: [all]}]}
time_intervals: [{name: all, time_intervals: [{}]}]
inhibit_rules: [{source_matchers: [alertname=Down], target_matchers: [alertname=Slow]}]
receivers: [{name: ops, webhook_configs: [{}]}, {name: web, webhook_configs: [{}]}]
`));
  for (const alertname of ['Down', 'Slow', 'Quiet']) rig.fire({ alertname });
  rig.fire({ alertname: 'Muted', team: 'web' });
  await advance(rig, 1);
  const silence = await rig.silence('alertname="Quiet"', 60 * MINUTE);
  const shown = new Map(rig.alerting.alerts().map((one) => [one.alert.labels['alertname'], one]));
  assert.equal(shown.get('Down')!.state, 'active');
  assert.deepEqual(shown.get('Slow')!.inhibitedBy, [shown.get('Down')!.alert.fingerprint]);
  assert.deepEqual(shown.get('Quiet')!.silencedBy, [silence.id]);
  assert.deepEqual([shown.get('Muted')!.mutedBy, shown.get('Muted')!.receivers],
    [['all'], ['web']]);
  assert.deepEqual(['Slow', 'Quiet', 'Muted'].map((name) => shown.get(name)!.state),
    ['suppressed', 'suppressed', 'suppressed']);
  assert.deepEqual(rig.alerting.groups().map(({ groupKey, receiver, alerts }) =>
    [groupKey, receiver, alerts.length]),
  [['{}:{}', 'ops', 3], ['{}/{team="web"}:{}', 'web', 1]]);
  assert.equal(await rig.alerting.expireSilence(silence.id, 'bob'), true);
  assert.equal(await rig.alerting.expireSilence('none', 'bob'), false);
  assert.equal(rig.alerting.alerts().filter(({ state }) => state === 'active').length, 2);
});

test('who follows hears once of each message, and of the end of a group nobody was told of',
  async () => {
    const rig = await createRig(opsConfig(', group_wait: 0s, group_interval: 1m'));
    const heard: GroupEvent['type'][] = [];
    const end = rig.alerting.follow(({ type }) => heard.push(type));
    rig.fire(X);
    await advance(rig, 0.5);
    await rig.silence('alertname="X"', 60 * MINUTE);
    rig.resolve(X);
    await advance(rig, 2);
    assert.deepEqual(heard, ['notified', 'resolved']);
    assert.equal(rig.told().length, 1);
    end();
  });
