// Collects what was expected and did not come, and the other way round. Alerts and states are
// looked at when their instant has come; messages at the end, when all of them are known.

import type {
  ExpectedAlert, NotifyExpectation, Place, Script, Step,
} from './model.ts';
import {
  alertFits, alertText, channelFits, messageFits, messageText, pair, timeText,
  type SeenAlert, type SeenMessage,
} from './seen.ts';

export interface Failure {
  readonly place: Place;
  readonly atMs: number;
  /** The statement, or what came without one. */
  readonly statement: string;
  readonly why: string;
  readonly expected: readonly string[];
  readonly got: readonly string[];
}

/** Null when exactly the expected ones are there. */
export function judgeAlerts(
  step: Step,
  { of, alerts: expected }: { readonly of: string; readonly alerts: readonly ExpectedAlert[] },
  seen: readonly SeenAlert[],
): Failure | null {
  const own = seen.filter(({ labels }) => of === '' || labels['alertname'] === of);
  const left = pair(expected, own, alertFits);
  const extra = left.others.filter(({ state }) => state !== 'resolved');
  if (left.ones.length === 0 && extra.length === 0) return null;
  const why = left.ones.length === 0 ? 'there are more alerts'
    : extra.length === 0 ? 'alerts are missing' : 'the alerts are others';
  return failed(step, why, {
    expected: left.ones.length === 0 ? [`no ${extra.length === 1 ? 'alert' : 'alerts'} but these`]
      : left.ones.map(({ text }) => text),
    got: left.ones.length === 0 ? extra.map(alertText) : describeAlerts(extra, own),
  });
}

const describeAlerts = (extra: readonly SeenAlert[], all: readonly SeenAlert[]): string[] =>
  (extra.length > 0 ? extra.map(alertText)
    : all.length === 0 ? ['no alerts'] : all.map(alertText));

export function failed(
  { place, atMs, text }: Step,
  why: string,
  texts: { readonly expected: readonly string[]; readonly got: readonly string[] },
): Failure {
  return { place, atMs, statement: text, why, ...texts };
}

type NotifyStep = Step & { readonly what: NotifyExpectation };

/** Every message is expected at its instant, and every expected one came. */
export function judgeMessages(script: Script, messages: readonly SeenMessage[]): Failure[] {
  const expected = script.steps.filter((step): step is NotifyStep => step.what.type === 'notify');
  const left = pair(expected, messages, (step, message) =>
    step.atMs === message.atMs && messageFits(step.what, message));
  const near = [...left.others];
  const missing = left.ones.map((step) => {
    const got = takeNearest(step, near);
    return failed(step, 'this message did not come so', {
      expected: [step.text],
      got: got === null ? [`nothing to ${step.what.channel.receiver}`] : messageText(got),
    });
  });
  const lines = script.steps.at(-1)?.place ?? { line: 1, column: 1 };
  const unexpected = script.anyNotifications ? [] : near.map((message): Failure => ({
    place: lines, atMs: message.atMs, statement: `a message at ${timeText(message.atMs)}`,
    why: 'nobody expects this message', expected: ['nothing'], got: messageText(message),
  }));
  return [...missing, ...unexpected];
}

/** The message that was most likely meant: of the receiver, at the instant or nearest to it. */
function takeNearest({ atMs, what }: NotifyStep, left: SeenMessage[]): SeenMessage | null {
  const distance = (message: SeenMessage) => Math.abs(message.atMs - atMs);
  const [nearest] = left.filter(({ channel }) => channelFits(what.channel, channel))
    .sort((one, other) => distance(one) - distance(other));
  if (nearest === undefined) return null;
  left.splice(left.indexOf(nearest), 1);
  return nearest;
}
