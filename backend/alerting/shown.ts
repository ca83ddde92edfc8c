// Alerts and groups as people and programs see them.

import type { Clock } from '../../runtime/clock.ts';
import type { Counters } from '../../runtime/counters.ts';
import type { Dispatcher, Group } from './dispatcher.ts';
import type { Alert, ShownAlert, ShownGroup } from './model.ts';
import { silenceState } from './silences.ts';
import type { State } from './state.ts';

export function shownAlerts(
  state: State,
  dispatcher: Dispatcher,
  nowMs: number,
): ShownAlert[] {
  const groups = new Map<string, Group[]>();
  for (const group of dispatcher.groups()) {
    for (const fingerprint of group.alerts.keys()) {
      groups.set(fingerprint, [...(groups.get(fingerprint) ?? []), group]);
    }
  }
  const forgotten = new Set(state.forgotten(nowMs));
  return [...state.book.all()].filter((alert) => !forgotten.has(alert)).map((alert) => {
    const own = groups.get(alert.fingerprint) ?? [];
    const routes = dispatcher.routesFor(alert.labels);
    const muted = routes.map((route) => state.mutedBy(route, nowMs));
    return shown(state, alert, nowMs, {
      receivers: [...new Set(routes.map(({ config }) => config.receiver))].sort(),
      // Somebody is told as long as one of its routes is not mute.
      mutedBy: muted.every((names) => names.length > 0) ? [...new Set(muted.flat())] : [],
      flapping: routes.some((route) => state.flaps(alert, route, nowMs)),
      groupKeys: own.map(({ key }) => key),
    });
  });
}

export function shownGroups(state: State, dispatcher: Dispatcher, nowMs: number): ShownGroup[] {
  return [...dispatcher.groups()].map((group) => {
    const { receiver } = group.route.config;
    const mutedBy = state.mutedBy(group.route, nowMs);
    return {
      groupKey: group.key, receiver, labels: group.labels,
      alerts: state.snapshots(group, nowMs).map(({ alert }) => shown(state, alert, nowMs, {
        receivers: [receiver], mutedBy, groupKeys: [group.key],
        flapping: state.flaps(alert, group.route, nowMs),
      })),
    };
  });
}

export function countState(
  counters: Counters,
  state: State,
  dispatcher: Dispatcher,
  clock: Clock,
): void {
  counters.gauge('binnacle_alerting_alerts', 'Alerts that fire.', () => {
    const nowMs = clock.nowMs();
    return [...state.book.all()].filter((alert) => !state.isOver(alert, nowMs)).length;
  });
  counters.gauge('binnacle_alerting_groups', 'Groups of alerts.',
    () => [...dispatcher.groups()].length);
  counters.gauges('binnacle_alerting_silences', 'Silences by state.', () => {
    const nowMs = clock.nowMs();
    const states = state.silences.all().map((silence) => silenceState(silence, nowMs));
    return (['pending', 'active', 'expired'] as const).map((name) =>
      [{ state: name }, states.filter((one) => one === name).length] as const);
  });
}

interface About {
  readonly receivers: readonly string[];
  readonly mutedBy: readonly string[];
  readonly flapping: boolean;
  readonly groupKeys: readonly string[];
}

function shown(
  state: State,
  alert: Alert,
  nowMs: number,
  { receivers, mutedBy, flapping, groupKeys }: About,
): ShownAlert {
  const silencedBy = state.silences.mutedBy(alert.labels, nowMs);
  const inhibitedBy = state.inhibitedBy(alert, nowMs);
  const by = ['', ...groupKeys].map((key) =>
    state.acknowledged(key, [alert], nowMs).get(alert.fingerprint) ?? '');
  const suppressed = [silencedBy, inhibitedBy, mutedBy].some((names) => names.length > 0);
  return {
    alert: { ...alert, endsAtMs: state.endsAtMs(alert) }, receivers, silencedBy, inhibitedBy,
    mutedBy, flapping, acknowledgedBy: by.find((name) => name !== '') ?? '',
    state: suppressed ? 'suppressed' : 'active',
  };
}
