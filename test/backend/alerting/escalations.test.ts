// Escalations on a clock that is moved by hand, with alerting that is made up: who is told when
// nobody acknowledges, how often, and when that ends; what happens when the process dies between
// deciding and sending; and who is on call, also where clocks are changed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEscalations, limits, type Escalation }
  from '../../../backend/alerting/life/escalations.ts';
import { createLife, type Life } from '../../../backend/alerting/life/life.ts';
import { turnAt, type Rotation } from '../../../backend/alerting/life/rotation.ts';
import { lifeProblems, lifeSchemas, lifeSettings, type LifeSettings }
  from '../../../backend/alerting/life/settings.ts';
import type { Alert, Channel, Delivery, GroupEvent, Notification, ShownGroup }
  from '../../../backend/alerting/model.ts';
import type { Journal } from '../../../backend/journal/journal.ts';
import { createMemoryJournal } from '../../../backend/journal/memory.ts';
import { fingerprintOf, type Labels } from '../../../backend/labels/labels.ts';
import type { ConfigProblem } from '../../../config/errors.ts';
import { strictObject } from '../../../config/schema.ts';
import { parseWith } from '../../../config/parse.ts';
import { parseSource } from '../../../config/source.ts';
import { createTree } from '../../../config/tree.ts';
import { createManualClock, type ManualClock } from '../../../runtime/manual_clock.ts';
import { createRecordingLog } from '../../contract/fakes.ts';

const START_MS = Date.parse('2026-01-05T08:00:00Z');
const MINUTE_MS = 60_000;
const KEY = '{}:{alertname="Down"}';
const ABORT = new AbortController().signal;

const CHAIN: Escalation = { name: 'shop', steps: [
  { afterMs: 10 * MINUTE_MS, receiver: 'second', rotation: '', repeatMs: 0 },
  { afterMs: 20 * MINUTE_MS, receiver: '', rotation: 'leads', repeatMs: 5 * MINUTE_MS },
] };

const LEADS: Rotation = {
  name: 'leads', timeZone: 'Europe/Berlin', start: { year: 2026, month: 1, day: 5 },
  handoverMinute: 9 * 60, shiftDays: 7, overrides: [],
  people: [{ name: 'ann', receiver: 'ann-sms' }, { name: 'bob', receiver: 'bob-sms' }],
};

const alertOf = (labels: Labels): Alert => ({
  labels, annotations: {}, startsAtMs: START_MS, endsAtMs: START_MS + 1e9, generatorUrl: '',
  fingerprint: fingerprintOf(labels), updatedAtMs: START_MS, timeout: false, origin: 'posted',
});
const a = alertOf({ alertname: 'Down', host: 'a' });
const b = alertOf({ alertname: 'Down', host: 'b' });

interface Setting {
  readonly clock: ManualClock;
  readonly journal: Journal;
  readonly life: Life;
  /** `receiver at minutes`, and the hosts that were told of. */
  readonly told: string[];
  readonly ids: string[];
  alerts: readonly Alert[];
  suppressed: boolean;
  leads: boolean;
  delivery: Delivery;
  tell(event: Pick<GroupEvent, 'type'>): void;
  start(): Promise<{ stop(): Promise<void> }>;
}

async function setUp(): Promise<Setting> {
  const clock = createManualClock(START_MS);
  const journal = createMemoryJournal(clock);
  const life = createLife({ journal, clock });
  await life.start();
  const heard = new Set<(event: GroupEvent) => void>();
  const deliver = async (to: Channel, notification: Notification): Promise<Delivery> => {
    if (setting.delivery === 'aborted') return 'aborted';
    if (notification.status === 'firing') assert.equal(notification.reason, 'escalation');
    assert.equal(notification.receiver, to.receiver);
    setting.ids.push(notification.id);
    setting.told.push(`${to.receiver} at ${(clock.nowMs() - START_MS) / MINUTE_MS}: ${
      notification.status === 'resolved' ? 'over'
        : notification.alerts.map(({ labels }) => labels['host']).join(' ')}`);
    return setting.delivery;
  };
  const group = (): ShownGroup => ({ groupKey: KEY, receiver: 'first', labels: {
    alertname: 'Down' }, alerts: setting.alerts.map((alert) => ({ alert, receivers: ['first'],
    state: setting.suppressed ? 'suppressed' : 'active', silencedBy: [], inhibitedBy: [],
    mutedBy: [], acknowledgedBy: '', flapping: false })) });
  const setting: Setting = {
    clock, journal, life, told: [], ids: [], alerts: [a, b], suppressed: false, leads: true,
    delivery: 'delivered',
    tell: ({ type }) => {
      const notification = { status: type === 'notified' ? 'firing' : 'resolved',
        receiver: 'first', alerts: [], atMs: clock.nowMs() } as unknown as Notification;
      for (const hear of heard) hear({ type, groupKey: KEY, receiver: 'first', notification });
    },
    start: async () => {
      const escalations = createEscalations({
        journal, life, clock, log: createRecordingLog(), courier: { deliver }, externalUrl: '',
        alerting: { groups: () => [group()], follow: (hear) => {
          heard.add(hear);
          return () => void heard.delete(hear);
        } },
        leads: () => setting.leads, escalationOf: () => CHAIN, rotations: () => [LEADS],
        channelsOf: (receiver) => [{ receiver, type: 'webhook', index: 0 }],
      });
      await escalations.start();
      return { stop: () => escalations.stop(ABORT) };
    },
  };
  return setting;
}

const minutes = (setting: Setting, count: number) => setting.clock.advance(count * MINUTE_MS);

test('escalation: one after another, and the last again and again, until it is over', async () => {
  const setting = await setUp();
  const { stop } = await setting.start();
  setting.tell({ type: 'notified' });
  await minutes(setting, 9.9);
  assert.deepEqual(setting.told, []);
  await minutes(setting, 30);
  assert.deepEqual(setting.told,
    ['second at 10: a b', 'ann-sms at 30: a b', 'ann-sms at 35: a b']);
  setting.alerts = [];
  setting.tell({ type: 'resolved' });
  await minutes(setting, 60);
  assert.deepEqual(setting.told.slice(3), ['second at 39.9: over', 'ann-sms at 39.9: over']);
  assert.deepEqual(await setting.journal.load(['escalation'], ABORT), []);
  const past = await setting.journal.history(
    { kinds: ['escalation'], key: KEY, fromMs: 0, toMs: START_MS + 1e9, limit: 20 }, ABORT);
  assert.deepEqual(past.map(({ state, note }) => `${state}: ${note}`), [
    'resolved: shop, step 2', 'closing: shop, step 2', 'sent: shop, step 2',
    'decided: shop, step 2: ann-sms', 'sent: shop, step 2', 'decided: shop, step 2: ann-sms',
    'sent: shop, step 1',
    'decided: shop, step 1: second', 'started: shop',
  ]);
  await stop();
});

test('escalation: who acknowledges all of it ends it; part of it is left out', async () => {
  const setting = await setUp();
  const { stop } = await setting.start();
  setting.tell({ type: 'notified' });
  await minutes(setting, 5);
  await setting.life.acknowledge({ alert: a }, { by: 'ann', comment: '' });
  await minutes(setting, 6);
  assert.deepEqual(setting.told, ['second at 10: b']);
  await setting.life.acknowledge({ alert: b }, { by: 'ann', comment: '' });
  await minutes(setting, 12 * 60);
  assert.equal(setting.told.length, 1);
  await stop();
});

test('escalation: when the acknowledgement ends, the wait begins anew', async () => {
  const setting = await setUp();
  const { stop } = await setting.start();
  setting.tell({ type: 'notified' });
  await minutes(setting, 5);
  const untilMs = setting.clock.nowMs() + 60 * MINUTE_MS;
  await setting.life.acknowledge({ groupKey: KEY, labels: {}, alerts: [a, b] },
    { by: 'ann', comment: '', untilMs });
  await minutes(setting, 60);
  assert.deepEqual(setting.told, []);
  await minutes(setting, 11);
  assert.match(setting.told.join(), /^second at 7[0-9.]+: a b$/);
  await setting.life.unacknowledge({ alert: a }, { by: 'ann', comment: '' });
  await stop();
});

test('escalation: nobody is woken by what is silenced, inhibited or mute', async () => {
  const setting = await setUp();
  const { stop } = await setting.start();
  setting.tell({ type: 'notified' });
  setting.suppressed = true;
  await minutes(setting, 60);
  assert.deepEqual(setting.told, []);
  await stop();
});

test('escalation: what was decided is sent after a restart, once, with the same id', async () => {
  const setting = await setUp();
  const first = await setting.start();
  setting.tell({ type: 'notified' });
  setting.delivery = 'aborted';
  await minutes(setting, 10);
  await first.stop();
  const [entry] = await setting.journal.load(['escalation'], ABORT);
  const { sending } = entry!.data as { sending: Notification };
  setting.delivery = 'delivered';
  const second = await setting.start();
  await minutes(setting, 1);
  assert.deepEqual(setting.ids, [sending.id]);
  await minutes(setting, 20);
  assert.deepEqual(setting.told.map((one) => one.split(':')[0]), ['second at 10', 'ann-sms at 30']);
  assert.equal(new Set(setting.ids).size, 2);
  await second.stop();
});

test('escalation: only who leads sends; who takes over goes on', async () => {
  const setting = await setUp();
  const { stop } = await setting.start();
  setting.tell({ type: 'notified' });
  await minutes(setting, 1);
  setting.leads = false;
  await minutes(setting, 30);
  assert.deepEqual(setting.told, []);
  setting.leads = true;
  await minutes(setting, 1);
  assert.equal(setting.told.length, 1);
  await stop();
});

test('escalation: a group whose notification was not heard of gets its chain later', async () => {
  const setting = await setUp();
  const { stop } = await setting.start();
  await setting.clock.advance(2 * limits.missedMs);
  assert.equal((await setting.journal.load(['escalation'], ABORT)).length, 1);
  await stop();
});

test('escalation: a journal that fails is asked again', async () => {
  const setting = await setUp();
  const { stop } = await setting.start();
  setting.tell({ type: 'notified' });
  await minutes(setting, 1);
  const { write } = setting.journal;
  let failures = 3;
  (setting.journal as { write: Journal['write'] }).write = async (drafts, abort) => {
    if (failures-- > 0) throw new Error('the store is away');
    return write(drafts, abort);
  };
  await minutes(setting, 12);
  assert.equal(setting.told.length, 1);
  await stop();
});

const FILE = `
escalations:
  - name: shop
    steps:
      - {after: 10m, receiver: second}
      - {after: 20m, on_call: leads, repeat: 5m}
rotations:
  - name: leads
    time_zone: Europe/Berlin
    start: 2026-01-05
    people: [{name: ann, receiver: ann-sms}, {name: bob, receiver: bob-sms}]
    overrides: [{person: bob, from: 2026-01-07T18:00, to: 2026-01-08T06:00+00:00}]
`;

function read(text: string): { settings?: LifeSettings; problems: readonly ConfigProblem[] } {
  const tree = createTree(parseSource({ file: 'alerting.yaml', text }, null).root);
  const parsed = parseWith(strictObject(lifeSchemas()), tree);
  if (!parsed.ok) return { problems: parsed.problems };
  const settings = lifeSettings(parsed.value);
  return { settings, problems: lifeProblems(settings, ['second', 'ann-sms', 'bob-sms'], tree) };
}

test('escalation: the file', () => {
  const { settings, problems } = read(FILE);
  assert.deepEqual(problems, []);
  assert.deepEqual(settings!.escalations, [CHAIN]);
  const [rotation] = settings!.rotations;
  assert.deepEqual({ ...rotation!, overrides: [] }, LEADS);
  assert.deepEqual(rotation!.overrides, [{ person: 'bob',
    fromMs: Date.parse('2026-01-07T17:00Z'), toMs: Date.parse('2026-01-08T06:00Z') }]);
});

test('escalation: mistakes have a place', () => {
  for (const [from, to, why] of [
    ['receiver: second', 'receiver: nobody', /^4|a receiver that there is not/],
    ['on_call: leads', 'on_call: nobody', /a rotation that there is not/],
    ['{after: 10m, receiver: second}', '{after: 10m}', /needs either receiver or on_call/],
    ['person: bob', 'person: eve', /none of the people/],
    ['Europe/Berlin', 'Europe/Bonn', /not a time zone/],
    ['2026-01-08T06:00+00:00', '2026-01-06', /must be after from/],
    ['start: 2026-01-05', 'start: monday', /must be a day/],
    ['{name: bob, receiver: bob-sms}', '{name: bob, receiver: bob}', /a receiver that there is/],
  ] as const) {
    const { problems } = read(FILE.replace(from, to));
    assert.equal(problems.length, 1, `${to}: ${JSON.stringify(problems)}`);
    assert.match(problems[0]!.why, why);
    assert.ok(problems[0]!.line > 1);
  }
});

test('on call: turns change on the clock of the place', () => {
  const who = (time: string, rotation = LEADS) => turnAt(rotation, Date.parse(time)).person.name;
  assert.equal(who('2026-01-05T07:59:59Z'), 'bob');
  assert.equal(who('2026-01-05T08:00:00Z'), 'ann');
  assert.equal(who('2026-01-12T07:59:59Z'), 'ann');
  assert.equal(who('2026-01-12T08:00:00Z'), 'bob');
  // In summer the clock there is two hours ahead.
  assert.equal(who('2026-03-30T06:59:59Z'), 'bob');
  assert.equal(who('2026-03-30T07:00:00Z'), 'ann');
  const turn = turnAt(LEADS, Date.parse('2026-03-28T00:00:00Z'));
  assert.deepEqual([turn.fromMs, turn.toMs],
    ['2026-03-23T08:00Z', '2026-03-30T07:00Z'].map((time) => Date.parse(time)));
});

test('on call: an override puts somebody in', () => {
  const overrides = [{ person: 'bob', fromMs: START_MS, toMs: START_MS + 1000 }];
  const turn = turnAt({ ...LEADS, overrides }, START_MS + 999);
  assert.deepEqual([turn.person.name, turn.override], ['bob', true]);
  assert.equal(turnAt({ ...LEADS, overrides }, START_MS + 1000).person.name, 'ann');
});

test('escalation: the end is told over a restart, to those who were told', async () => {
  const setting = await setUp();
  const first = await setting.start();
  setting.tell({ type: 'notified' });
  await minutes(setting, 11);
  setting.alerts = [];
  setting.delivery = 'aborted';
  setting.tell({ type: 'resolved' });
  await minutes(setting, 0);
  await first.stop();
  setting.delivery = 'delivered';
  const second = await setting.start();
  await minutes(setting, 60);
  assert.deepEqual(setting.told, ['second at 10: a b', 'second at 11: over']);
  assert.deepEqual(await setting.journal.load(['escalation'], ABORT), []);
  await second.stop();
});
