// Proves the state machine sentence by sentence (Prometheus, rules/alerting.go), its conditions,
// levels, labels and annotations, and our policies for what cannot be measured. Each test hands in
// what was measured at each minute and looks at the alerts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PostedAlert } from '../../../backend/alerting/model.ts';
import { holds } from '../../../backend/rules/conditions.ts';
import type { Condition, Measured, Rule, RuleGroup } from '../../../backend/rules/model.ts';
import { send, step, type RuleAlerts } from '../../../backend/rules/state.ts';
import { MINUTE, level, ruleOf, samples, templateOf } from './rules_fixture.ts';

const FAILS: Measured = { ok: false, reason: 'away' };
const NOTHING: Measured = { ok: true, samples: [] };
const UP = samples([{}, 1]);

function machineOf(over: Partial<Rule> = {}, group: Partial<RuleGroup> = {}) {
  const machine = {
    rule: ruleOf('Up', over),
    group: { limit: 0, intervalMs: MINUTE, ...group },
    alerts: new Map() as RuleAlerts,
    error: '',
    posted: [] as readonly PostedAlert[],
    at: (minute: number, measured: Measured) => {
      const common = { rule: machine.rule, group: machine.group, atMs: minute * MINUTE,
        externalUrl: 'https://b.test' };
      const next = step(machine.alerts, { ...common, measured });
      const sent = send(next.alerts, common);
      Object.assign(machine, { alerts: sent.alerts, posted: sent.posted, error: next.error });
      return machine.states();
    },
    states: () => [...machine.alerts.values()].map(({ state, activeAtMs }) =>
      `${state} ${activeAtMs / MINUTE}`),
    only: () => [...machine.alerts.values()][0]!,
  };
  return machine;
}

const FOR_2M = { levels: [level({ forMs: 2 * MINUTE })] as const };

test('conditions: what holds, and that what is no number never does', () => {
  const check = (operator: Condition['operator'], value: number, want: boolean) =>
    assert.equal(holds({ operator, value: 1, to: 2 }, value), want, `${value} ${operator}`);
  check('>', 1, false);
  check('>=', 1, true);
  check('<', 1, false);
  check('<=', 1, true);
  check('==', 1, true);
  check('!=', 1, false);
  check('within', 2, true);
  check('within', 2.1, false);
  check('outside', 2, false);
  check('outside', 0.9, true);
  check('>', Infinity, true);
  for (const operator of ['!=', 'outside', '<'] as const) check(operator, NaN, false);
});

test('state: without `for` it fires at once; with it when that is over', () => {
  assert.deepEqual(machineOf().at(0, UP), ['firing 0']);
  const machine = machineOf(FOR_2M);
  assert.deepEqual(machine.at(0, UP), ['pending 0']);
  assert.deepEqual(machine.at(1, UP), ['pending 0']);
  assert.deepEqual(machine.at(2, UP), ['firing 0']);
  assert.equal(machine.only().firedAtMs, 2 * MINUTE);
});

test('state: what is pending and missing is gone at once', () => {
  const machine = machineOf(FOR_2M);
  machine.at(0, UP);
  assert.deepEqual(machine.at(1, NOTHING), []);
  assert.deepEqual(machine.at(2, UP), ['pending 2']);
});

test('state: what fired and is missing is over, kept for 15 minutes, new when it is back', () => {
  const machine = machineOf();
  machine.at(0, UP);
  assert.deepEqual(machine.at(1, NOTHING), ['inactive 0']);
  assert.deepEqual(machine.posted.map(({ endsAtMs }) => endsAtMs), [MINUTE]);
  assert.deepEqual(machine.at(16, NOTHING), ['inactive 0']);
  assert.deepEqual(machine.at(17, NOTHING), []);
  machine.at(18, UP);
  machine.at(19, NOTHING);
  assert.deepEqual(machine.at(20, UP), ['firing 20']);
});

test('state: `keep_firing_for` counts from when it went missing, each time anew', () => {
  const machine = machineOf({ keepFiringForMs: 3 * MINUTE });
  machine.at(0, UP);
  assert.deepEqual(machine.at(1, NOTHING), ['firing 0']);
  assert.equal(machine.only().keepFiringSinceMs, MINUTE);
  machine.at(2, UP);
  assert.equal(machine.only().keepFiringSinceMs, null);
  machine.at(3, NOTHING);
  assert.deepEqual(machine.at(5, NOTHING), ['firing 0']);
  assert.deepEqual(machine.at(6, NOTHING), ['inactive 0']);
});

test('state: what fires is pending again when `for` was raised over its age', () => {
  const machine = machineOf();
  machine.at(0, UP);
  machine.rule = ruleOf('Up', FOR_2M);
  assert.deepEqual(machine.at(1, UP), ['pending 0']);
  assert.equal(machine.only().firedAtMs, null);
  assert.deepEqual(machine.at(2, UP), ['firing 0']);
});

test('state: value and annotations are those of now, the start is not', () => {
  const machine = machineOf({ annotations: { summary: templateOf('it is $value') } });
  machine.at(0, samples([{ host: 'a' }, 1]));
  machine.at(1, samples([{ host: 'a' }, 7]));
  const { value, annotations, activeAtMs } = machine.only();
  assert.deepEqual([value, annotations['summary'], activeAtMs], [7, 'it is 7', 0]);
});

test('state: a failure changes nothing, and what fires is posted on', () => {
  const machine = machineOf(FOR_2M);
  machine.at(0, UP);
  assert.deepEqual(machine.at(3, FAILS), ['pending 0']);
  assert.equal(machine.error, 'away');
  machine.at(4, UP);
  machine.at(6, FAILS);
  assert.deepEqual(machine.posted.map(({ endsAtMs }) => endsAtMs), [10 * MINUTE]);
});

test('state: the same labels twice fail, and change nothing', () => {
  const machine = machineOf({ labels: { host: templateOf('') } });
  machine.at(0, samples([{ host: 'a' }, 1]));
  const before = machine.alerts;
  machine.at(1, samples([{ host: 'a' }, 1], [{ host: 'b' }, 1]));
  assert.match(machine.error, /same labels/);
  assert.deepEqual(machine.alerts, before);
});

test('state: more alerts than the limit fail, and all are gone', () => {
  const machine = machineOf({}, { limit: 1 });
  assert.deepEqual(machine.at(0, UP), ['firing 0']);
  assert.deepEqual(machine.at(1, samples([{ host: 'a' }, 1], [{ host: 'b' }, 1])), []);
  assert.equal(machine.error, 'exceeded limit of 1 with 2 alerts');
});

test('state: posted at once, after more than a minute again, valid for four of the longer', () => {
  const machine = machineOf({}, { intervalMs: MINUTE / 2 });
  const ends = (minute: number, measured = UP) => {
    machine.at(minute, measured);
    return machine.posted.map(({ endsAtMs }) => endsAtMs! / MINUTE);
  };
  assert.deepEqual([ends(0), ends(0.5), ends(1), ends(1.5)], [[4], [], [], [5.5]]);
  assert.deepEqual([ends(2, NOTHING), ends(2.5, NOTHING), ends(3.5, NOTHING)], [[2], [], [2]]);
  const slow = machineOf({}, { intervalMs: 10 * MINUTE });
  slow.at(0, UP);
  assert.equal(slow.posted[0]!.endsAtMs, 40 * MINUTE);
});

test('state: labels are those of sample and rule, the name and the severity', () => {
  const machine = machineOf({
    levels: [level({ severity: 'critical' })], runbook: 'https://r.test', owner: 'ops',
    labels: { team: templateOf('t-$host'), host: templateOf('h-$host'), none: templateOf('') },
  });
  machine.at(0, samples([{ __name__: 'up', host: 'a', alertname: 'other', severity: 'x' }, 1]));
  const { labels, annotations } = machine.only();
  assert.deepEqual({ ...labels }, { host: 'h-a', team: 't-a', alertname: 'Up',
    severity: 'critical' });
  assert.deepEqual({ ...annotations }, { owner: 'ops', runbook_url: 'https://r.test',
    link: 'https://b.test/api/rules/file%2FUp' });
});

test('state: each level has alerts of its own, with its own `for`', () => {
  const machine = machineOf({ levels: [
    level({ severity: 'warning', forMs: 2 * MINUTE }),
    level({ severity: 'critical', condition: { operator: '>', value: 10, to: 0 } })] });
  machine.at(0, samples([{}, 5]));
  const told = () => [...machine.alerts.values()].map(({ labels, state }) =>
    `${labels['severity']} ${state}`);
  assert.deepEqual(told(), ['warning pending']);
  machine.at(1, samples([{}, 11]));
  assert.deepEqual(told(), ['warning pending', 'critical firing']);
  machine.at(2, { ok: true, samples: [{ labels: {}, value: 50, severity: 'warning' }] });
  assert.deepEqual(told(), ['warning firing', 'critical inactive']);
});

test('state: extra values and the threshold are there for templates', () => {
  const machine = machineOf({ annotations: { all: templateOf('$$expected of $$threshold') } });
  machine.at(0, { ok: true, samples: [{ labels: {}, value: 9, extra: { expected: 4 } }] });
  assert.equal(machine.only().annotations['all'], '4 of 0');
});

test('state: no_data is all well, an alert, or as it was', () => {
  const up = samples([{ host: 'a' }, 1]);
  const keep = machineOf({ noData: 'keep' });
  keep.at(0, up);
  assert.deepEqual(keep.at(1, NOTHING), ['firing 0']);
  assert.deepEqual(keep.at(2, samples([{ host: 'a' }, 0])), ['inactive 0']);
  const alerting = machineOf({ noData: 'alerting' });
  alerting.at(0, up);
  assert.deepEqual(alerting.at(1, NOTHING), ['firing 0', 'firing 1']);
  const { labels, annotations } = [...alerting.alerts.values()][1]!;
  assert.deepEqual([labels, annotations['problem']],
    [{ alertname: 'Up' }, 'nothing was measured']);
  assert.deepEqual(alerting.at(2, up), ['firing 0', 'inactive 1']);
});

test('state: on_error is all well, an alert, or as it was', () => {
  const well = machineOf({ onError: 'ok' });
  well.at(0, UP);
  assert.deepEqual(well.at(1, FAILS), ['inactive 0']);
  assert.equal(well.error, 'away');
  const alerting = machineOf({ ...FOR_2M, onError: 'alerting' });
  assert.deepEqual(alerting.at(0, FAILS), ['pending 0']);
  assert.deepEqual(alerting.at(2, FAILS), ['firing 0']);
  assert.equal(alerting.only().annotations['problem'], 'cannot measure: away');
});
