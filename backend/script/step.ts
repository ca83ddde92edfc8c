// The statements that begin with `at`: what is done at an instant. What is expected is read in
// expectation.ts.

import { knownHint } from '../../config/errors.ts';
import type { Labels } from '../labels/labels.ts';
import { readExpectation } from './expectation.ts';
import {
  channelIn, durationIn, labelsIn, numberIn, selectorIn, settingIn, textIn, wholeNumberIn,
  type Below, type Line, type Word,
} from './line.ts';
import { limits, type Action, type LifeAction, type PostAction, type Step } from './model.ts';

/** `at TIME [every STEP until TIME] VERB …`: a step for each instant. */
export function readStep(line: Line, below: Below): Step[] {
  const firstMs = durationIn(line.next('a time'));
  const instants = [firstMs];
  if (line.take('every')) {
    const stepMs = Math.max(1, durationIn(line.next('a step')));
    if (!line.take('until')) line.fail('"until" and a time must follow');
    const untilMs = durationIn(line.next('a time'));
    if ((untilMs - firstMs) / stepMs > limits.stepsMax) {
      line.fail(`these are more than ${limits.stepsMax} steps`, 'repeat it less often');
    }
    for (let atMs = firstMs + stepMs; atMs <= untilMs; atMs += stepMs) instants.push(atMs);
  }
  const verb = line.next('what is done or expected');
  const whats = readVerb(verb, line, below);
  return instants.map((atMs) => ({
    atMs, place: line.place, text: line.text,
    what: typeof whats === 'function' ? whats(atMs) : whats,
  }));
}

/** Times in a statement may be relative to its instant. */
type Made = Step['what'] | ((atMs: number) => Step['what']);

function readVerb(verb: Word, line: Line, below: Below): Made {
  if (verb.text === 'expect') return readExpectation(line, below);
  if (verb.text === 'reload') return readReload(line, below);
  below.noBody();
  const read = Object.hasOwn(VERBS, verb.text) ? VERBS[verb.text] : undefined;
  if (read === undefined) {
    line.fail(`"${verb.text}" cannot be done`,
      knownHint(verb.text, ['expect', 'reload', ...Object.keys(VERBS)]), verb);
  }
  const made = read!(line);
  line.end();
  return made;
}

const VERBS: Readonly<Record<string, (line: Line) => Made>> = {
  post: readPost,
  silence: readSilence,
  expire: (line) => {
    const name = line.next('the name of a silence').text;
    return { type: 'expire', name, by: settingsOf(line, ['by']).by?.text ?? '' };
  },
  acknowledge: (line) => readLife('acknowledge', line),
  unacknowledge: (line) => readLife('unacknowledge', line),
  snooze: (line) => readLife('snooze', line),
  resolve: (line) => readLife('resolve', line),
  note: (line) => readLife('note', line),
  restart: () => ({ type: 'restart' }),
  down: (line) => ({ type: 'down', forMs: forIn(line) }),
  pause: (line) => ({ type: 'pause', forMs: forIn(line) }),
  evaluations: (line) => {
    if (!line.take('take')) line.fail('"take" and a time must follow');
    return { type: 'slow', takesMs: durationIn(line.next('a time')) };
  },
  receiver: (line) => {
    const channel = channelIn(line.next('the name of a receiver'));
    if (!line.take('answers')) line.fail('"answers" must follow');
    const word = line.next('200, 503, timeout or refused');
    if (word.text === 'timeout' || word.text === 'refused') {
      return { type: 'answer', channel, answer: word.text };
    }
    return { type: 'answer', channel, answer: wholeNumberIn(word) };
  },
};

function readReload(line: Line, below: Below): Action {
  const what = line.take('rules') ? 'rules' : line.take('alerting') ? 'alerting' : null;
  if (what === null) line.fail('"rules" or "alerting" must follow');
  return { type: 'reload', what: what!, piece: below.piece() };
}

/** `post {alertname="X"} summary="…" starts=5m ends=+10m url=… value=7`. */
function readPost(line: Line): (atMs: number) => PostAction {
  const { labels } = labelsIn(line.next('the labels of an alert'));
  const annotations: Record<string, string> = {};
  let starts: Word | null = null;
  let ends: Word | null = null;
  let url = '';
  let value: number | null = null;
  for (let word = line.peek(); word !== undefined; word = line.peek()) {
    line.next('a setting');
    const setting = settingIn(word);
    if (setting === null) line.fail(`"${word.text}" is not of the form name=value`, '', word);
    const { name, value: text } = setting!;
    if (name === 'starts') starts = text;
    else if (name === 'ends') ends = text;
    else if (name === 'url') url = text.text;
    else if (name === 'value') value = numberIn(text);
    else annotations[name] = text.text;
  }
  for (const time of [starts, ends]) if (time !== null) instantIn(time, 0);
  return (atMs) => ({
    type: 'post', labels, annotations: annotations as Labels, url, value,
    startsMs: starts === null ? null : instantIn(starts, atMs),
    endsMs: ends === null ? null : instantIn(ends, atMs),
  });
}

/** `10m` since the beginning, `+10m` from now, `-10m` before now. */
function instantIn(word: Word, atMs: number): number {
  const sign = word.text[0];
  if (sign !== '+' && sign !== '-') return durationIn(word);
  const time = durationIn({ text: word.text.slice(1), place: word.place });
  return sign === '+' ? atMs + time : atMs - time;
}

/** `silence {…} for 1h [from 10m] [as NAME] [by WHO] [comment="…"]`. */
function readSilence(line: Line): (atMs: number) => Action {
  const word = line.next('matchers');
  const { matchers } = selectorIn(word);
  const words: Record<string, Word> = {};
  for (let next = line.peek(); next !== undefined; next = line.peek()) {
    line.next('a setting');
    const setting = settingIn(next);
    if (setting !== null) words[setting.name] = setting.value;
    else words[next.text] = line.next(`what follows "${next.text}"`);
  }
  const odd = Object.keys(words)
    .find((key) => !['for', 'until', 'from', 'as', 'by', 'comment'].includes(key));
  if (odd !== undefined) line.fail(`a silence has no "${odd}"`, '', word);
  const { for: time, until, from } = words;
  if ((time ?? until) === undefined) {
    line.fail('how long it lasts is missing', 'for 1h, or until 90m', word);
  }
  return (atMs) => {
    const fromMs = from === undefined ? atMs : instantIn(from, atMs);
    return {
      type: 'silence', matchers, fromMs, name: words['as']?.text ?? '',
      untilMs: time !== undefined ? fromMs + durationIn(time) : instantIn(until!, atMs),
      by: textOr(words['by'], 'script'), comment: textOr(words['comment'], ''),
    };
  };
}

const textOr = (word: Word | undefined, otherwise: string): string =>
  (word === undefined ? otherwise : textIn(word));

/** `acknowledge [group] {…} by alice [for 2h] [note="…"]`. */
function readLife(verb: LifeAction['verb'], line: Line): LifeAction {
  const target = line.take('group') ? 'group' : 'alerts';
  const { matchers } = selectorIn(line.next('which alerts'));
  const words = settingsOf(line, ['by', 'for', 'note', 'comment']);
  return {
    type: 'life', verb, target, matchers,
    by: textOr(words['by'], 'script'),
    forMs: words['for'] === undefined ? null : durationIn(words['for']),
    note: textOr(words['note'] ?? words['comment'], ''),
  };
}

/** Words such as `by alice`, and `by=alice`, in any order. */
function settingsOf(line: Line, known: readonly string[]): Record<string, Word> {
  const words: Record<string, Word> = {};
  for (let next = line.peek(); next !== undefined; next = line.peek()) {
    line.next('a setting');
    const setting = settingIn(next);
    const name = setting?.name ?? next.text;
    if (!known.includes(name)) {
      line.fail(`there is no "${name}" here`, knownHint(name, known), next);
    }
    words[name] = setting?.value ?? line.next(`what follows "${name}"`);
  }
  return words;
}

function forIn(line: Line): number {
  if (!line.take('for')) line.fail('"for" and a time must follow');
  return durationIn(line.next('a time'));
}
