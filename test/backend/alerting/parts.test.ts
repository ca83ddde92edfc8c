// The parts of alerting that only compute: matchers, routes, times, what is news, how alerts are
// merged, inhibition, silences. Each sentence of Alertmanager 0.34 is a case.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  alertOf, createAlertBook, mergeAlerts, postedDraft,
} from '../../../backend/alerting/alerts.ts';
import { newsOf, type Now, type Told } from '../../../backend/alerting/dedup.ts';
import { createInhibitor } from '../../../backend/alerting/inhibit.ts';
import {
  compileMatchers, parseMatchers, printMatchers,
} from '../../../backend/alerting/matchers.ts';
import type { Alert, PostedAlert, Silence } from '../../../backend/alerting/model.ts';
import { notificationOf } from '../../../backend/alerting/notification.ts';
import {
  createRoutes, groupKey, groupLabels, routesFor,
} from '../../../backend/alerting/route.ts';
import {
  createSilenceBook, SilenceError, silenceProblem, silenceState,
} from '../../../backend/alerting/silences.ts';
import { holdsMoment, wallClock, type TimeInterval } from '../../../backend/alerting/times.ts';
import { entryOf } from '../../../backend/journal/journal.ts';
import { fingerprintOf, type Labels } from '../../../backend/labels/labels.ts';
import { configOf, matchers } from './rig.ts';

const alert = (labels: Labels, more: Partial<Alert> = {}): Alert => ({
  labels, annotations: {}, generatorUrl: '', fingerprint: fingerprintOf(labels), startsAtMs: 0,
  endsAtMs: 1000, updatedAtMs: 0, timeout: false, origin: 'posted', ...more,
});

test('fingerprints are Alertmanager’s', () => {
  assert.equal(fingerprintOf({}), 'cbf29ce484222325');
  assert.equal(fingerprintOf({ alertname: 'Test' }), 'e46aaa9fcf75dd34');
});

test('matchers: every spelling', () => {
  const check = (text: string, printed: string) => {
    const parsed = parseMatchers(text);
    assert.equal(parsed.ok ? printMatchers(parsed.matchers) : parsed.why, printed);
  };
  check('{foo = "bar", dings != "bums", }', '{dings!="bums",foo="bar"}');
  check('foo=bar,dings!=bums', '{dings!="bums",foo="bar"}');
  check('{q="She said: \\"Hi, ladies!\\""}', '{q="She said: \\"Hi, ladies!\\""}');
  check('statuscode=~"5.."', '{statuscode=~"5.."}');
  check('{}', '{}');
  check('x=~"\\d+"', '{x=~"\\\\d+"}');
  check('{"a b"="x, y", "ü"!~"z"}', '{"a b"="x, y",ü!~"z"}');
  check('b="1",a="2",a="1"', '{a="1",a="2",b="1"}');
  check('=x', 'needs the name of a label at character 1');
  check('a', 'needs =, !=, =~ or !~ at character 2');
  check('{"a"="b"', 'has no } at its end');
  check('x=~"(a"', 'has a regular expression for x that cannot be used: a ( has no )');
  check('x=~"a)|(b"', 'has a regular expression for x that cannot be used: a ) has no (');
});

test('matchers: expressions fit the whole value; what is missing is empty', () => {
  const fits = (text: string, labels: Labels) => compileMatchers(matchers(text))(labels);
  assert.equal(fits('a=~"web"', { a: 'web1' }), false);
  assert.equal(fits('a=~"web.*"', { a: 'web1' }), true);
  assert.equal(fits('a=~"a|b.*"', { a: 'xa' }), false);
  assert.equal(fits('a=~"a|b.*"', { a: 'bx' }), true);
  assert.equal(fits('a=~"(?i)WEB.*"', { a: 'web1' }), true);
  assert.equal(fits('a=""', {}), true);
  assert.equal(fits('a!="x"', {}), true);
  assert.equal(fits('a=~".+"', {}), false);
  assert.equal(fits('a!~".+"', {}), true);
  assert.equal(fits('toString!=""', {}), false);
  // Backtracking would take longer than the universe has.
  assert.equal(fits('a=~"(x+x+)+y"', { a: 'x'.repeat(5000) }), false);
});

test('routes: the first child that fits, `continue`, and Alertmanager’s keys', () => {
  const { route } = configOf('route: {receiver: a, group_by: [alertname], routes: ['
    + '{matchers: [t=x], continue: true, routes: [{matchers: [u="1"]}]}, {matchers: [t=~"x|y"]},'
    + "{matchers: [t=x]}, {matchers: [t=z], group_by: ['...']}]}\nreceivers: [{name: a}]");
  const top = createRoutes(route);
  const keys = (labels: Labels) => routesFor(top, labels).map(({ key }) => key);
  assert.deepEqual(keys({}), ['{}']);
  assert.deepEqual(keys({ t: 'x' }), ['{}/{t="x"}', '{}/{t=~"x|y"}']);
  assert.deepEqual(keys({ t: 'x', u: '1' }), ['{}/{t="x"}/{u="1"}', '{}/{t=~"x|y"}']);
  assert.deepEqual(keys({ t: 'y' }), ['{}/{t=~"x|y"}']);
  const [all] = routesFor(top, { t: 'z' });
  const labels = { t: 'z', alertname: 'X', empty: '' };
  assert.deepEqual(groupLabels(all!, labels), { alertname: 'X', t: 'z' });
  assert.equal(groupKey(all!, groupLabels(all!, labels)),
    '{}/{t="z"}:{alertname="X", t="z"}');
});

const ALWAYS: TimeInterval = { times: null, weekdays: null, daysOfMonth: null, months: null,
  years: null, location: 'UTC' };

test('times: days from the end of the month, ranges, both ends', () => {
  const holds = (interval: Partial<TimeInterval>, at: string) =>
    holdsMoment({ ...ALWAYS, ...interval }, Date.parse(at));
  assert.equal(holds({}, '2026-01-01T00:00:00Z'), true);
  assert.equal(holds({ times: [[540, 1020]] }, '2026-01-01T08:59:59Z'), false);
  assert.equal(holds({ times: [[540, 1020]] }, '2026-01-01T09:00:00Z'), true);
  assert.equal(holds({ times: [[540, 1020]] }, '2026-01-01T17:00:00Z'), false);
  assert.equal(holds({ times: [[1380, 1440]] }, '2026-01-01T23:59:59Z'), true);
  assert.equal(holds({ weekdays: [[4, 5]] }, '2026-01-01T12:00:00Z'), true);
  assert.equal(holds({ weekdays: [[0, 0]] }, '2026-01-01T12:00:00Z'), false);
  assert.equal(holds({ daysOfMonth: [[-1, -1]] }, '2028-02-29T12:00:00Z'), true);
  assert.equal(holds({ daysOfMonth: [[-1, -1]] }, '2028-02-28T12:00:00Z'), false);
  assert.equal(holds({ daysOfMonth: [[31, 31]] }, '2026-04-30T12:00:00Z'), false);
  assert.equal(holds({ daysOfMonth: [[25, 31]] }, '2026-04-30T12:00:00Z'), true);
  assert.equal(holds({ months: [[3, 4]], years: [[2026, 2026]] }, '2026-04-30T12:00:00Z'), true);
  assert.equal(holds({ years: [[2027, 2030]] }, '2026-12-31T23:59:59Z'), false);
});

test('times: the clock on the wall decides, also when it is set', () => {
  const berlin = (from: number, to: number, at: string) => holdsMoment(
    { ...ALWAYS, times: [[from, to]], location: 'Europe/Berlin' }, Date.parse(at));
  assert.equal(berlin(540, 600, '2026-01-15T08:00:00Z'), true);
  assert.equal(berlin(540, 600, '2026-07-15T07:00:00Z'), true);
  assert.equal(berlin(540, 600, '2026-07-15T08:00:00Z'), false);
  // 2026-03-29: after 01:59 comes 03:00.
  assert.equal(berlin(119, 120, '2026-03-29T00:59:00Z'), true);
  assert.equal(berlin(120, 180, '2026-03-29T01:00:00Z'), false);
  assert.equal(berlin(180, 181, '2026-03-29T01:00:00Z'), true);
  // 2026-10-25: 02:30 comes twice.
  assert.equal(berlin(150, 151, '2026-10-25T00:30:00Z'), true);
  assert.equal(berlin(150, 151, '2026-10-25T01:30:00Z'), true);
  assert.deepEqual(wallClock(Date.parse('2026-12-31T20:30:00Z'), 'Asia/Kathmandu'),
    { year: 2027, month: 1, day: 1, weekday: 5, minute: 135 });
});

test('news: Alertmanager’s table', () => {
  const check = (told: Partial<Told> | null, now: Partial<Now>, reason: string | null) =>
    assert.equal(newsOf(told === null ? null : { firing: [], resolved: [], atMs: 0, ...told },
      { firing: [], resolved: [], atMs: 100, repeatIntervalMs: 100, sendResolved: true, ...now }),
    reason);
  check(null, { firing: ['a'] }, 'first notification');
  check(null, { resolved: ['a'] }, null);
  check({ firing: ['a'] }, { firing: ['a', 'b'] }, 'new alerts added');
  check({ firing: [] }, { firing: ['b'] }, 'first notification');
  check({ firing: ['a'] }, { resolved: ['a'] }, 'all alerts resolved');
  check({ firing: ['a'] }, { resolved: ['a'], sendResolved: false }, 'all alerts resolved');
  check({ firing: [] }, { resolved: ['a'] }, null);
  check({ firing: ['a', 'b'] }, { firing: ['a'], resolved: ['b'] }, 'some alerts resolved');
  check({ firing: ['a', 'b'] }, { firing: ['a'], resolved: ['b'], sendResolved: false }, null);
  check({ firing: ['a'], resolved: ['b'] }, { firing: ['a'], resolved: ['b'] }, null);
  check({ firing: ['a'], atMs: 0 }, { firing: ['a'], atMs: 100 }, null);
  check({ firing: ['a'], atMs: 0 }, { firing: ['a'], atMs: 101 }, 'repeat interval elapsed');
});

test('alerts: earliest start, newest of the rest, an end that was said', () => {
  const labels = { alertname: 'X' };
  const one = alert(labels, { startsAtMs: 10, endsAtMs: 100, updatedAtMs: 1 });
  const ends = (older: Partial<Alert>, newer: Partial<Alert>, nowMs = 0) =>
    mergeAlerts({ ...one, ...older }, { ...one, updatedAtMs: 2, ...newer }, nowMs).endsAtMs;
  assert.equal(mergeAlerts(one, { ...one, startsAtMs: 20, updatedAtMs: 2 }, 0).startsAtMs, 10);
  assert.equal(mergeAlerts({ ...one, startsAtMs: 20 }, { ...one, updatedAtMs: 2 }, 0).startsAtMs,
    10);
  const newest = mergeAlerts({ ...one, annotations: { a: 'new' }, updatedAtMs: 3 }, one, 0);
  assert.deepEqual(newest.annotations, { a: 'new' });
  assert.equal(ends({ endsAtMs: 200 }, { endsAtMs: 150, timeout: true }), 200);
  assert.equal(ends({ endsAtMs: 200, timeout: true }, { endsAtMs: 150 }), 150);
  assert.equal(ends({ endsAtMs: 100 }, { endsAtMs: 150, timeout: true }), 150);
  // Both are over: the later end. Only the newer is: it counts.
  assert.equal(ends({ endsAtMs: 200 }, { endsAtMs: 150 }, 300), 200);
  assert.equal(ends({ endsAtMs: 200 }, { endsAtMs: 150 }, 170), 150);
});

test('alerts: what does not overlap fires anew; starts and ends that nobody said', () => {
  const book = createAlertBook();
  const labels = { alertname: 'X' };
  book.put(alert(labels, { startsAtMs: 0, endsAtMs: 10 }), 0);
  book.put(alert(labels, { startsAtMs: 20, endsAtMs: 30, updatedAtMs: 20 }), 20);
  assert.equal(book.get(fingerprintOf(labels))?.startsAtMs, 20);
  const posted: PostedAlert = { labels, annotations: {}, startsAtMs: null, endsAtMs: null,
    generatorUrl: '' };
  const at = { atMs: 1000, resolveTimeoutMs: 300 };
  const { startsAtMs, endsAtMs, timeout } = alertOf(posted, 'posted', at);
  assert.deepEqual([startsAtMs, endsAtMs, timeout], [1000, 1300, true]);
  assert.equal(alertOf({ ...posted, endsAtMs: 900 }, 'posted', at).startsAtMs, 900);
  const known = alert(labels, { startsAtMs: 500, endsAtMs: 2000 });
  assert.equal((postedDraft(posted, known, 1000).data as PostedAlert).startsAtMs, 500);
  assert.equal((postedDraft(posted, known, 3000).data as PostedAlert).startsAtMs, 3000);
});

test('inhibition: equal labels, missing is empty, both sides', () => {
  const inhibitor = createInhibitor([{ name: '', source: matchers('s="1"'),
    target: matchers('t="1"'), equal: ['host', 'zone'] }]);
  const firing = new Set<string>();
  const put = (labels: Labels) => {
    inhibitor.update(alert(labels));
    firing.add(fingerprintOf(labels));
  };
  const isHidden = (labels: Labels) => inhibitor.inhibitedBy(alert(labels),
    ({ fingerprint }) => firing.has(fingerprint)).length > 0;
  put({ s: '1', host: 'a' });
  assert.equal(isHidden({ t: '1', host: 'a' }), true);
  assert.equal(isHidden({ t: '1', host: 'a', zone: '' }), true);
  assert.equal(isHidden({ t: '1', host: 'b' }), false);
  assert.equal(isHidden({ t: '2', host: 'a' }), false);
  assert.equal(isHidden({ s: '1', t: '1', host: 'a' }), true);
  firing.clear();
  assert.equal(isHidden({ t: '1', host: 'a' }), false);
  put({ s: '1', t: '1', host: 'c' });
  assert.equal(isHidden({ s: '1', t: '1', host: 'c', n: '2' }), false);
  assert.equal(isHidden({ t: '1', host: 'c' }), true);
  inhibitor.remove(alert({ s: '1', t: '1', host: 'c' }));
  assert.equal(isHidden({ t: '1', host: 'c' }), false);
});

test('inhibition: the worst level of a rule hides the others; posted alerts take no part', () => {
  const inhibitor = createInhibitor([]);
  const labels = { alertname: 'Disk', host: 'a' };
  const level = (severity: string, origin: Alert['origin'] = 'rule') =>
    alert({ ...labels, severity }, { origin });
  for (const severity of ['warning', 'critical', 'info']) inhibitor.update(level(severity));
  const by = (one: Alert) => inhibitor.inhibitedBy(one, () => true);
  assert.deepEqual(by(level('critical')), []);
  assert.equal(by(level('warning')).length, 1);
  assert.equal(by(level('info')).length, 1);
  assert.deepEqual(by(level('warning', 'posted')), []);
  assert.deepEqual(by(level('page')), []);
  assert.deepEqual(by(alert({ alertname: 'Disk', host: 'b', severity: 'info' },
    { origin: 'rule' })), []);
});

test('silences: changed where possible, else ended and made anew', () => {
  const book = createSilenceBook();
  let version = 0n;
  const silence = (more: Partial<Silence> = {}) => ({ id: '', matchers: matchers('a="1"'),
    startsAtMs: 100, endsAtMs: 200, createdBy: 'al', comment: '', ...more });
  let ids = 0;
  const set = (written: ReturnType<typeof silence>, nowMs: number) => {
    const { id, drafts } = book.set(written, { actor: 'al', nowMs, newId: `s${ids += 1}` });
    book.fold(drafts.map((draft) => entryOf(draft, version += 1n)));
    return id;
  };
  const state = (id: string, nowMs: number) => silenceState(book.get(id)!, nowMs);
  const first = set(silence(), 0);
  assert.deepEqual([state(first, 99), state(first, 100), state(first, 200)],
    ['pending', 'active', 'expired']);
  assert.deepEqual(book.mutedBy({ a: '1' }, 150), [first]);
  assert.deepEqual(book.mutedBy({ a: '2' }, 150), []);
  assert.deepEqual(book.mutedBy({ a: '1' }, 99), []);
  // Pending: both ends. Active: the end alone. Else it is another one.
  assert.equal(set(silence({ id: first, startsAtMs: 110 }), 50), first);
  assert.equal(set(silence({ id: first, startsAtMs: 110, endsAtMs: 300 }), 150), first);
  const second = set(silence({ id: first, startsAtMs: 110, endsAtMs: 300,
    matchers: matchers('a="2"') }), 160);
  assert.notEqual(second, first);
  assert.equal(state(first, 160), 'expired');
  assert.equal(book.get(second)!.startsAtMs, 160);
  assert.equal(set(silence({ id: 'gone' }), 0), 's5');
  // Who deletes it lets it expire.
  book.fold(book.expire(second, { actor: 'al', nowMs: 170 })!.map((draft) =>
    entryOf(draft, version += 1n)));
  assert.equal(state(second, 170), 'expired');
  assert.deepEqual(book.expire(second, { actor: 'al', nowMs: 180 }), []);
  assert.equal(book.expire('none', { actor: 'al', nowMs: 180 }), null);
});

test('silences: the one changed last counts; which may not be; retention', () => {
  const book = createSilenceBook();
  const silence: Silence = { id: 's', matchers: matchers('a="1"'), startsAtMs: 0, endsAtMs: 100,
    updatedAtMs: 10, createdBy: '', comment: '' };
  const fold = (more: Partial<Silence>, version: bigint) => book.fold([entryOf({ kind: 'silence',
    key: 's', atMs: 0, data: { ...silence, ...more } }, version)]);
  fold({}, 2n);
  fold({ updatedAtMs: 9, endsAtMs: 1 }, 3n);
  assert.equal(book.get('s')!.endsAtMs, 100);
  fold({ updatedAtMs: 11, endsAtMs: 50 }, 1n);
  assert.equal(book.get('s')!.endsAtMs, 50);
  assert.deepEqual(book.collect(120 * 3_600_000), []);
  assert.equal(book.collect(120 * 3_600_000 + 50).length, 1);
  assert.equal(silenceProblem(silence), null);
  assert.match(silenceProblem({ ...silence, matchers: [] })!, /at least one matcher/);
  assert.match(silenceProblem({ ...silence, matchers: matchers('a=~".*"') })!, /empty text/);
  assert.match(silenceProblem({ ...silence, endsAtMs: -1 })!, /end before/);
  assert.throws(() => book.set({ ...silence, matchers: [] },
    { actor: '', nowMs: 0, newId: 'x' }), SilenceError);
});

test('notifications: what all alerts have in common, and which they are', () => {
  const of = (labels: Labels, resolved: boolean) =>
    ({ alert: alert(labels), resolved, endsAtMs: 5 });
  const notification = notificationOf([of({ a: '1', b: '1' }, true), of({ a: '1', b: '2' }, false),
    of({ a: '1' }, true)], { id: 'i', receiver: 'r', groupKey: 'k', reason: 'test', atMs: 0,
    groupLabels: {}, externalUrl: '', digest: '' });
  assert.equal(notification.status, 'firing');
  assert.deepEqual(notification.commonLabels, { a: '1' });
  assert.deepEqual(notification.alerts.map(({ endsAtMs }) => endsAtMs), [5, null, 5]);
});
