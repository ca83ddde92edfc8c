// Alerts of rules and of others as a script sees them: what the rule says, and what alerting says
// of it.

import { isResolved, type Alert, type NotifiedAlert, type ShownAlert } from '../alerting/model.ts';
import type { Crew } from './crew.ts';
import type { AlertFlag } from './model.ts';
import type { SeenAlert } from './seen.ts';

export function seenAlerts(
  { evaluator, alerting }: Pick<Crew, 'evaluator' | 'alerting'>,
  nowMs: number,
  epochMs: number,
): SeenAlert[] {
  const shown = new Map(alerting.alerts().map((one) => [one.alert.fingerprint, one]));
  const ofRules = evaluator.status().flatMap(({ rules }) => rules)
    .flatMap(({ alerts }) => alerts).map((alert): SeenAlert => {
      const told = shown.get(alert.fingerprint);
      const isOver = alert.state === 'firing' && told !== undefined
        && isResolved(told.alert, nowMs);
      return {
        labels: alert.labels, annotations: alert.annotations, value: alert.value,
        state: alert.state === 'inactive' || isOver ? 'resolved' : alert.state,
        sinceMs: alert.activeAtMs - epochMs,
        flags: told === undefined ? [] : flagsOf(told),
      };
    });
  const posted = [...shown.values()].filter(({ alert }) => alert.origin === 'posted')
    .map((one) => seenPosted(one, nowMs, epochMs));
  return [...ofRules, ...posted];
}

const seenPosted = (one: ShownAlert, nowMs: number, epochMs: number): SeenAlert => ({
  labels: one.alert.labels, annotations: one.alert.annotations, value: one.alert.value ?? null,
  state: stateOf(one.alert, nowMs), sinceMs: one.alert.startsAtMs - epochMs, flags: flagsOf(one),
});

const stateOf = (alert: Alert, nowMs: number): 'firing' | 'resolved' =>
  (isResolved(alert, nowMs) ? 'resolved' : 'firing');

function flagsOf(one: ShownAlert): AlertFlag[] {
  return [
    ...(one.silencedBy.length > 0 ? ['silenced' as const] : []),
    ...(one.inhibitedBy.length > 0 ? ['inhibited' as const] : []),
    ...(one.mutedBy.length > 0 ? ['muted' as const] : []),
    ...(one.acknowledgedBy !== '' ? ['acknowledged' as const] : []),
    ...(one.flapping ? ['flapping' as const] : []),
  ];
}

export const seenNotified = (alert: NotifiedAlert, epochMs: number): SeenAlert => ({
  labels: alert.labels, annotations: alert.annotations, state: alert.status, value: alert.value,
  sinceMs: alert.startsAtMs - epochMs, flags: [],
});
