// An alerting file: everything of Alertmanager's format is understood, ours beside it, and every
// mistake is told with its place and without secrets.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as z from 'zod';
import { describeProblems } from '../../../config/errors.ts';
import { secret, strictObject } from '../../../config/schema.ts';
import { DEFAULT_ALERTING, readAlertingFile } from '../../../backend/alerting/file.ts';
import { NOTIFIERS } from '../../../backend/alerting/notifiers/notifiers.ts';
import type { NotifierFactory } from '../../../backend/alerting/model.ts';

const factory = (type: string, shape: Record<string, z.ZodType>): NotifierFactory<any> => ({
  type,
  schema: () => strictObject({ send_resolved: z.boolean().default(true), ...shape }),
  create: () => {
    throw new Error('nothing is sent here');
  },
});

const FACTORIES = [
  factory('dashboard', {}),
  factory('webhook', { url: z.string(), http_config: z.unknown().optional() }),
  factory('slack', { api_url: secret().optional(), channel: z.string().optional() }),
];

const read = (text: string, env: Record<string, string> = {}) =>
  readAlertingFile({ file: 'alerting.yaml', text }, env, FACTORIES);

function good(text: string, env: Record<string, string> = {}) {
  const { config, problems } = read(text, env);
  assert.equal(describeProblems(problems), '');
  return config!;
}

const bad = (text: string, ...sentences: string[]) =>
  assert.deepEqual(describeProblems(read(text).problems).split('\n'), sentences);

const FULL = `
global:
  resolve_timeout: 3m
  slack_api_url: \${env:SLACK}
  http_config: {follow_redirects: false}
limits: {cooldown: 2m, max_per_hour: 20}
route:
  receiver: ops
  group_by: [alertname, cluster]
  repeat_interval: 1w
  routes:
    - receiver: web
      matchers: ['team="web",severity=~"critical|error"', 'a!=b']
      continue: true
      mute_time_intervals: [nights]
      limits: {max_per_hour: 5, flapping: {changes: 4, within: 20m}}
      escalation: web
      routes:
        - {match: {service: cart}, match_re: {host: 'web.*'}, group_by: ['...'], group_wait: 0s}
escalations: [{name: web, steps: [{after: 10m, receiver: ops}]}]
inhibit_rules:
  - {source_matchers: ['severity="critical"'], target_match: {severity: warning}, equal: [host]}
time_intervals:
  - name: nights
    time_intervals:
      - times: [{start_time: '20:00', end_time: '24:00'}]
        weekdays: ['monday:friday', sunday]
        days_of_month: ['1:5', '-3:-1', 15]
        months: [january, '4:june']
        years: [2026, '2027:2030']
        location: Europe/Berlin
mute_time_intervals: [{name: never}]
receivers:
  - {name: ops, webhook_configs: [{url: 'http://ops.test/', send_resolved: false}]}
  - {name: web, fallback: ops, slack_configs: [{channel: '#web'}, {api_url: 'https://mine'}]}
`;

test('alerting file: everything at once', () => {
  const config = good(FULL, { SLACK: 'https://hooks.test/token' });
  const { route } = config;
  assert.equal(config.resolveTimeoutMs, 180_000);
  assert.deepEqual([route.groupWaitMs, route.groupIntervalMs, route.repeatIntervalMs],
    [30_000, 300_000, 7 * 86_400_000]);
  assert.deepEqual(route.limits, { cooldownMs: 120_000, perHourMax: 20, flapping: null });
  const [web] = route.routes;
  assert.equal(web!.continues, true);
  assert.equal(web!.escalation, 'web');
  assert.deepEqual(web!.groupBy, ['alertname', 'cluster']);
  assert.deepEqual(web!.matchers.map(({ name }) => name), ['a', 'severity', 'team']);
  assert.deepEqual(web!.limits, { cooldownMs: 120_000, perHourMax: 5,
    flapping: { changes: 4, withinMs: 1_200_000 } });
  const [cart] = web!.routes;
  assert.deepEqual([cart!.receiver, cart!.groupBy, cart!.groupWaitMs], ['web', 'all', 0]);
  assert.deepEqual(cart!.muteTimeIntervals, []);
  assert.deepEqual(cart!.matchers.map(({ name, isRegex }) => [name, isRegex]),
    [['host', true], ['service', false]]);
  assert.deepEqual(config.timeIntervals.get('nights'), [{
    times: [[1200, 1440]], weekdays: [[1, 5], [0, 0]],
    daysOfMonth: [[1, 5], [-3, -1], [15, 15]], months: [[1, 1], [4, 6]],
    years: [[2026, 2026], [2027, 2030]], location: 'Europe/Berlin',
  }]);
  assert.deepEqual(config.timeIntervals.get('never'), []);
  assert.deepEqual(config.inhibitRules[0]!.equal, ['host']);
});

test('alerting file: what global says is in receivers that do not say it', () => {
  const { receivers, shown } = good(FULL, { SLACK: 'https://hooks.test/token' });
  assert.deepEqual(receivers[0]!.channels, [{ type: 'webhook', index: 0, sendResolved: false,
    config: { url: 'http://ops.test/', send_resolved: false,
      http_config: { follow_redirects: false } } }]);
  assert.equal(receivers[1]!.fallback, 'ops');
  assert.deepEqual(receivers[1]!.channels.map(({ config }) => config), [
    { send_resolved: true, api_url: 'https://hooks.test/token', channel: '#web' },
    { send_resolved: true, api_url: 'https://mine' },
  ]);
  assert.ok(!shown.includes('token') && !shown.includes('mine'), shown);
  assert.ok(shown.includes('<secret>'));
});

test('alerting file: without one there is the dashboard; ALERT_COOLDOWN counts', () => {
  const config = good(DEFAULT_ALERTING.text);
  assert.deepEqual(config.receivers.map(({ name }) => name), ['dashboard']);
  const cooldown = (text: string, value: string) =>
    good(text, { ALERT_COOLDOWN: value }).route.limits.cooldownMs;
  assert.equal(cooldown(DEFAULT_ALERTING.text, '300'), 300_000);
  assert.equal(cooldown(DEFAULT_ALERTING.text, '5m'), 300_000);
  assert.equal(cooldown(`${DEFAULT_ALERTING.text}limits: {cooldown: 1m}`, '300'), 60_000);
  const { warnings } = readAlertingFile(DEFAULT_ALERTING, { ALERT_COOLDOWN: 'x' }, FACTORIES);
  assert.match(describeProblems(warnings), /ALERT_COOLDOWN: is not a duration/);
});

test('alerting file: mistakes have their places and hints', () => {
  const rest = '\nreceivers: [{name: ops}]';
  bad(`rout: {receiver: ops}\nroute: {receiver: ops}${rest}`,
    'alerting.yaml:1:1: rout: unknown key; did you mean "route"? Known: escalations, '
    + 'event_recorder, global, inhibit_rules, limits, mute_time_intervals, receivers, rotations, '
    + 'route, templates, time_intervals, tracing');
  bad(`route: {receiver: obs}${rest}`,
    'alerting.yaml:1:19: route.receiver: is not defined; did you mean "ops"?');
  bad(`route: {receiver: ops, matchers: [a=b]}${rest}`, 'alerting.yaml:1:24: route.matchers: '
    + 'may not stand here; the topmost route takes every alert; write it in routes');
  bad(`route: {receiver: ops, routes: [{matchers: ['a=~"("']}]}${rest}`,
    'alerting.yaml:1:45: route.routes[0].matchers[0]: has a regular expression for a that cannot '
    + 'be used: a ( has no ); write it like severity="critical" or host=~"web.*"');
  bad(`route: {receiver: ops, group_by: [a, '...']}${rest}`, 'alerting.yaml:1:38: '
    + "route.group_by[1]: '...' stands for all labels; write it alone, or only labels");
  bad(`route: {receiver: ops, routes: [{mute_time_intervals: [x]}]}${rest}`,
    'alerting.yaml:1:56: route.routes[0].mute_time_intervals[0]: is not defined');
  bad('receivers: [{name: ops}]',
    'alerting.yaml:1:1: route: is required; write route: {receiver: NAME}');
  bad('route: {receiver: a}\nreceivers: [{name: a, fallback: b}, {name: b, fallback: a}]',
    'alerting.yaml:2:33: receivers[0].fallback: leads back to this receiver; '
    + 'the last receiver of a chain has no fallback',
    'alerting.yaml:2:57: receivers[1].fallback: leads back to this receiver; '
    + 'the last receiver of a chain has no fallback');
  bad(`route: {receiver: ops}\ntime_intervals: [{name: x, time_intervals: [{weekdays: [mon], `
    + `times: [{start_time: '9:00', end_time: '08:00'}], location: Berlin}]}]${rest}`,
  'alerting.yaml:2:84: time_intervals[0].time_intervals[0].times[0].start_time: is not a time of '
    + 'the day; write it like 09:00; the last of a day is 24:00',
  'alerting.yaml:2:57: time_intervals[0].time_intervals[0].weekdays[0]: is not such a range; '
    + 'write it like monday or monday:friday',
  'alerting.yaml:2:123: time_intervals[0].time_intervals[0].location: is not a time zone; '
    + 'write it like Europe/Berlin or UTC');
});

test('alerting file: the one that is shipped, as it is and with its examples', () => {
  const text = readFileSync(`${import.meta.dirname}/../../../config/alerting.yaml`, 'utf8');
  const env = { PAGERDUTY_KEY: 'k'.repeat(32), SLACK_WEBHOOK_URL: 'https://hooks.test/x' };
  const check = (of: string) => {
    const { config, problems } = readAlertingFile({ file: 'a.yaml', text: of }, env, NOTIFIERS);
    assert.equal(describeProblems(problems), '');
    return config!;
  };
  const shipped = check(text);
  assert.deepEqual(shipped.receivers.map(({ channels }) => channels.map(({ type }) => type)),
    [['dashboard']]);
  assert.deepEqual(shipped.route.limits,
    { cooldownMs: 0, perHourMax: 0, flapping: { changes: 6, withinMs: 1_800_000 } });
  const example = /^( *)# (?= *(?:- )?(?:\{|[\w]+: ?(?:$|[[{'>\w@])))/gm;
  const { receivers, route, inhibitRules } = check(text.replace(example, '$1'));
  assert.deepEqual(receivers.map(({ name }) => name), ['dashboard', 'on-call', 'team']);
  assert.deepEqual(receivers[2]!.channels.map(({ type }) => type).sort(),
    ['email', 'slack', 'webhook']);
  assert.equal(route.routes.length, 2);
  assert.equal(inhibitRules.length, 1);
  assert.equal(route.limits.perHourMax, 60);
});

test('alerting file: what global says reaches the channels that there are', () => {
  const { config, problems } = readAlertingFile({ file: 'a.yaml', text: `
global:
  smtp_smarthost: mail.test:587
  smtp_from: a@b.test
  smtp_auth_username: u
  smtp_auth_password: p
  smtp_require_tls: false
  slack_api_url: https://slack.test/x
  pagerduty_url: https://pd.test/
  opsgenie_api_key: key
  telegram_bot_token: '1:x'
route: {receiver: all}
receivers:
  - name: all
    email_configs: [{to: x@y.test}]
    slack_configs: [{channel: '#x'}]
    pagerduty_configs: [{routing_key: r}]
    opsgenie_configs: [{}]
    telegram_configs: [{chat_id: 1}]
` }, {}, NOTIFIERS);
  assert.equal(describeProblems(problems), '');
  const of = (type: string) => config!.receivers[0]!.channels.find((one) => one.type === type)!
    .config as Record<string, unknown>;
  assert.match(JSON.stringify(of('email')['from']), /a@b\.test/);
  assert.equal(of('email')['require_tls'], false);
  assert.equal(of('slack')['api_url'], 'https://slack.test/x');
  assert.equal(of('pagerduty')['url'], 'https://pd.test/');
  assert.equal(of('opsgenie')['api_key'], 'key');
  assert.equal(of('telegram')['bot_token'], '1:x');
  assert.ok(!/pass|1:x|slack\.test/.test(config!.shown.replace(/smtp_auth_password/g, '')));
});
