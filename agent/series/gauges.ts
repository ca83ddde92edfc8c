// What every component that remembers series tells about them.

import type { ComponentContext } from '../../proto/contract/component.ts';
import type { Counter } from '../../runtime/counters.ts';

export interface SeriesGauges {
  /** Points of series for which there was no room. */
  readonly untracked: Counter;
}

/** Labels name the component by kind and id. */
export function registerSeries(
  { id, counters }: Pick<ComponentContext, 'id' | 'counters'>,
  kind: 'processor' | 'connector',
  tracked: () => number,
): SeriesGauges {
  const labels = { kind, component: id };
  counters.gauge('binnacle_series_tracked', 'Series that the component remembers.', tracked,
    labels);
  return {
    untracked: counters.counter('binnacle_series_untracked_points_total',
      'Data points of series for which the component had no room.', labels),
  };
}

/** Counts points of the metrics that a connector makes which nobody will ever get. */
export function createLossCounter(
  { id, counters }: Pick<ComponentContext, 'id' | 'counters'>,
): (points: number, reason: 'rejected' | 'undelivered') => void {
  return (points, reason) => counters.counter('binnacle_connector_lost_points_total',
    'Data points of reports that were refused, or could not be delivered before the end.',
    { connector: id, reason }).add(points);
}
