// The statements `at … expect …`.

import { knownHint } from '../../config/errors.ts';
import {
  channelIn, durationIn, numberIn, selectorIn, settingIn, textIn, wholeNumberIn,
  type Below, type Line, type Word,
} from './line.ts';
import {
  ALERT_FLAGS, type AlertFlag, type ExpectedAlert, type Expectation, type NotifyExpectation,
} from './model.ts';

const SUBJECTS = ['alerts', 'no', 'notify', 'group', 'evaluations', 'rule', 'silence', 'dead'];

export function readExpectation(line: Line, below: Below): Expectation {
  const subject = line.next('what is expected');
  if (subject.text === 'alerts') return readAlerts(line, below);
  if (subject.text === 'notify') return readNotify(line, below);
  below.noBody();
  const read = Object.hasOwn(READERS, subject.text) ? READERS[subject.text] : undefined;
  if (read === undefined) {
    line.fail(`"${subject.text}" cannot be expected`, knownHint(subject.text, SUBJECTS), subject);
  }
  const expectation = read!(line);
  line.end();
  return expectation;
}

const READERS: Readonly<Record<string, (line: Line) => Expectation>> = {
  no: (line) => {
    if (!line.take('alerts')) line.fail('it can only be "no alerts"');
    return { type: 'alerts', of: ofIn(line), alerts: [] };
  },
  group: (line) => {
    const receiver = textIn(line.next('the name of a receiver'));
    const { matchers } = selectorIn(line.next('the labels of the group'));
    const setting = line.peek() === undefined ? null : settingIn(line.next('alerts=N'));
    if (setting !== null && setting.name !== 'alerts') line.fail('only alerts=N may follow');
    return { type: 'group', receiver, matchers,
      count: setting === null ? null : wholeNumberIn(setting.value) };
  },
  evaluations: (line) => {
    if (!line.take('missed')) line.fail('"missed" and a number must follow');
    const count = wholeNumberIn(line.next('a number'));
    return { type: 'missed', count, group: ofIn(line) };
  },
  rule: (line) => {
    const name = textIn(line.next('the name of a rule'));
    const failed = line.take('error');
    if (!failed && !line.take('ok')) line.fail('"ok" or "error" must follow');
    const reason = line.peek() === undefined ? '' : textIn(line.next('a part of the reason'));
    return { type: 'rule', name, failed, reason };
  },
  silence: (line) => {
    const name = line.next('the name of a silence').text;
    const state = line.next('pending, active or expired');
    if (state.text !== 'pending' && state.text !== 'active' && state.text !== 'expired') {
      line.fail(`"${state.text}" is no state of a silence`, 'pending, active or expired', state);
    }
    return { type: 'silence_state', name, state: state.text as 'active' };
  },
  dead: (line) => {
    if (!line.take('letters')) line.fail('"letters" must follow');
    const count = wholeNumberIn(line.next('a number'));
    return { type: 'dead', receiver: ofIn(line), count };
  },
};

const ofIn = (line: Line): string =>
  (line.take('of') ? textIn(line.next('what follows "of"')) : '');

/** `alerts [of RULE]` and alerts in the lines below, or one in the same line. */
function readAlerts(line: Line, below: Below): Expectation {
  const of = ofIn(line);
  const own = line.peek() === undefined ? [] : [readAlert(line)];
  const alerts = [...own, ...below.lines().map(readAlert)];
  if (alerts.length === 0) line.fail('the alerts are missing', 'or write: expect no alerts');
  return { type: 'alerts', of, alerts };
}

const STATES = ['pending', 'firing', 'resolved'];

/** `Name{a="b"} firing value=7 since=3m summary="…"`. */
function readAlert(line: Line): ExpectedAlert {
  const first = line.next('an alert');
  let state: ExpectedAlert['state'] = null;
  let value: number | null = null;
  let sinceMs: number | null = null;
  const flags: AlertFlag[] = [];
  const annotations: Record<string, string> = {};
  for (let word = line.peek(); word !== undefined; word = line.peek()) {
    line.next('a state');
    const setting = settingIn(word);
    if (setting === null) {
      if (STATES.includes(word.text)) state = word.text as 'firing';
      else flags.push(flagOf(word, line));
    } else if (setting.name === 'value') value = numberIn(setting.value);
    else if (setting.name === 'since') sinceMs = durationIn(setting.value);
    else annotations[setting.name] = setting.value.text;
  }
  return { place: first.place, text: line.from(first), matchers: alertMatchers(first), state, flags,
    value, sinceMs, annotations };
}

/** A name before the brace is the label `alertname`. */
export function alertMatchers(word: Word): ExpectedAlert['matchers'] {
  const { name, matchers } = selectorIn(word);
  if (name === '') return matchers;
  return [{ name: 'alertname', value: name, isRegex: false, isEqual: true }, ...matchers];
}

function flagOf(word: Word, line: Line): AlertFlag {
  if ((ALERT_FLAGS as readonly string[]).includes(word.text)) return word.text as AlertFlag;
  return line.fail(`"${word.text}" is no state of an alert`,
    knownHint(word.text, [...STATES, ...ALERT_FLAGS]), word);
}

/** `notify RECEIVER [firing|resolved] [reason="…"] [group={…}] [alerts={…}]… [count=2]`. */
function readNotify(line: Line, below: Below): NotifyExpectation {
  const channel = channelIn(line.next('the name of a receiver'));
  const status = line.take('firing') ? 'firing' : line.take('resolved') ? 'resolved' : null;
  let rest: Omit<NotifyExpectation, 'type' | 'channel' | 'status' | 'alerts'> = {
    reason: null, group: [], count: null, truncated: null, digest: '' };
  const alerts: ExpectedAlert[] = [];
  for (let word = line.peek(); word !== undefined; word = line.peek()) {
    line.next('a setting');
    const setting = settingIn(word);
    if (setting === null) line.fail(`"${word.text}" is not of the form name=value`, '', word);
    const { name, value } = setting!;
    if (name === 'alerts') alerts.push(plainAlert(value));
    else if (name === 'reason') rest = { ...rest, reason: value.text };
    else if (name === 'group') rest = { ...rest, group: selectorIn(value).matchers };
    else if (name === 'count') rest = { ...rest, count: wholeNumberIn(value) };
    else if (name === 'truncated') rest = { ...rest, truncated: wholeNumberIn(value) };
    else if (name === 'digest') rest = { ...rest, digest: value.text };
    else {
      line.fail(`a notification has no "${name}"`,
        knownHint(name, ['alerts', 'reason', 'group', 'count', 'truncated', 'digest']), word);
    }
  }
  alerts.push(...below.lines().map(readAlert));
  return { type: 'notify', channel, status, ...rest, alerts: alerts.length === 0 ? null : alerts };
}

const plainAlert = (word: Word): ExpectedAlert => ({
  place: word.place, text: word.text, matchers: alertMatchers(word), state: null, flags: [],
  value: null, sinceMs: null, annotations: {},
});
