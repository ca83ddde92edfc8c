// What a component remembers about series of data points: one state for each, below the metric,
// scope and resource that it belongs to, each of which is kept once.
//
//   resource ─┬─ scope ─┬─ metric ─┬─ attributes → state
//             └─ …      └─ …       └─ …
//
// Promises: at most `seriesMax` states; a state beyond that is refused, and whoever offered it says
// what becomes of its point. What has no state below it is not kept.

import type { Metric, Resource, Scope } from '../../proto/otlp/model.ts';
import { metricKey, resourceKey, scopeKey } from './identity.ts';

/** Where a metric stands in a request. */
export interface SeriesPlace {
  readonly resource: Resource | undefined;
  readonly resourceSchemaUrl: string;
  readonly scope: Scope | undefined;
  readonly scopeSchemaUrl: string;
}

/** A metric with the states of its series. Good until the next change to the table. */
export interface MetricSeries<T> {
  readonly place: SeriesPlace;
  /** As it was seen first, without data points. */
  readonly metric: Metric;
  /** By `attributesKey` of the point. */
  readonly states: ReadonlyMap<string, T>;
}

export interface SeriesTable<T> {
  readonly seriesMax: number;
  size(): number;
  /** The metric at this place, also when it has no series yet. */
  metric(place: SeriesPlace, metric: Metric): MetricSeries<T>;
  /** Adds or replaces a state. False: there is no room for another one. */
  set(series: MetricSeries<T>, key: string, state: T): boolean;
  delete(series: MetricSeries<T>, key: string): void;
  /** Removes the states for which `isOver` holds and answers how many they were. */
  sweep(isOver: (state: T) => boolean): number;
  /** All metrics that have series, those of one resource and scope one after the other. */
  metrics(): Iterable<MetricSeries<T>>;
  clear(): void;
}

interface Branch<C> {
  readonly key: string;
  readonly children: Map<string, C>;
}

interface Leaf<T> extends MetricSeries<T> {
  readonly key: string;
  readonly states: Map<string, T>;
  readonly scope: ScopeBranch<T>;
}

interface ScopeBranch<T> extends Branch<Leaf<T>> {
  readonly place: SeriesPlace;
  readonly resource: Branch<ScopeBranch<T>>;
}

export function createSeriesTable<T>(seriesMax: number): SeriesTable<T> {
  const resources = new Map<string, Branch<ScopeBranch<T>>>();
  let size = 0;
  // The metrics of a scope come one after the other, with the same place.
  let latest: { readonly place: SeriesPlace; readonly scope: ScopeBranch<T> } | undefined;
  const scopeAt = (place: SeriesPlace): ScopeBranch<T> => {
    if (latest?.place === place) return latest.scope;
    const key = resourceKey(place.resource, place.resourceSchemaUrl);
    const resource = resources.get(key) ?? { key, children: new Map() };
    const ofScope = scopeKey(place.scope, place.scopeSchemaUrl);
    const scope = resource.children.get(ofScope)
      ?? { key: ofScope, children: new Map(), place, resource };
    latest = { place, scope };
    return scope;
  };
  const attach = (leaf: Leaf<T>) => {
    const { key, scope } = leaf;
    resources.set(scope.resource.key, scope.resource);
    scope.resource.children.set(scope.key, scope);
    scope.children.set(key, leaf);
  };
  const detach = ({ key, scope }: Leaf<T>) => {
    scope.children.delete(key);
    if (scope.children.size > 0) return;
    scope.resource.children.delete(scope.key);
    latest = undefined;
    if (scope.resource.children.size === 0) resources.delete(scope.resource.key);
  };
  const remove = (leaf: Leaf<T>, key: string) => {
    if (!leaf.states.delete(key)) return;
    size -= 1;
    if (leaf.states.size === 0) detach(leaf);
  };
  const leaves = function* (): Iterable<Leaf<T>> {
    for (const resource of resources.values()) {
      for (const scope of resource.children.values()) yield* scope.children.values();
    }
  };
  return {
    seriesMax,
    size: () => size,
    metric: (place, metric) => {
      const scope = scopeAt(place);
      const key = metricKey(metric);
      return scope.children.get(key)
        ?? { key, states: new Map(), scope, place: scope.place, metric: withoutPoints(metric) };
    },
    set: (series, key, state) => {
      const leaf = series as Leaf<T>;
      if (!leaf.states.has(key)) {
        if (size >= seriesMax) return false;
        if (leaf.states.size === 0) attach(leaf);
        size += 1;
      }
      leaf.states.set(key, state);
      return true;
    },
    delete: (series, key) => remove(series as Leaf<T>, key),
    sweep: (isOver) => {
      const before = size;
      for (const leaf of leaves()) {
        for (const [key, state] of leaf.states) if (isOver(state)) remove(leaf, key);
      }
      return before - size;
    },
    metrics: leaves,
    clear: () => {
      resources.clear();
      latest = undefined;
      size = 0;
    },
  };
}

function withoutPoints(metric: Metric): Metric {
  if (metric.data === undefined) return metric;
  return { ...metric, data: { ...metric.data, dataPoints: [] } };
}
