// Requests built out of single data points: those of one metric that come one after the other stand
// together, as do the metrics of one scope and resource.
//
// Promises: every request has at least one point and at most `limits.pointsMax`.

import type {
  DataPoint, Metric, MetricData, MetricsRequest, ResourceMetrics, ScopeMetrics,
} from '../../proto/otlp/model.ts';
import type { SeriesPlace } from './table.ts';

export interface BuiltRequest<T> {
  readonly request: MetricsRequest;
  /** What the points stand for, in their order. */
  readonly sources: readonly T[];
}

export interface RequestBuilder<T> {
  /**
   * `place` and `metric` are the same objects for all points of a metric; the metric's own points
   * are not looked at.
   */
  add(place: SeriesPlace, metric: Metric, point: DataPoint, source: T): void;
  finish(): readonly BuiltRequest<T>[];
}

const limits = {
  /** Points of a request; the Collector's batches are as large. Beyond it another one is begun. */
  pointsMax: 8192,
} as const;

export function createRequestBuilder<T>(pointsMax: number = limits.pointsMax): RequestBuilder<T> {
  const built: BuiltRequest<T>[] = [];
  let draft = createDraft<T>();
  return {
    add: (place, metric, point, source) => {
      if (draft.sources.length === pointsMax) {
        built.push({ request: { resourceMetrics: draft.groups }, sources: draft.sources });
        draft = createDraft();
      }
      addTo(draft, place, metric, point);
      draft.sources.push(source);
    },
    finish: () => {
      if (draft.sources.length > 0) {
        built.push({ request: { resourceMetrics: draft.groups }, sources: draft.sources });
      }
      draft = createDraft();
      return built;
    },
  };
}

interface Draft<T> {
  readonly groups: ResourceMetrics[];
  readonly sources: T[];
  place: SeriesPlace | undefined;
  metric: Metric | undefined;
  scopes: ScopeMetrics[];
  metrics: Metric[];
  points: DataPoint[];
}

function createDraft<T>(): Draft<T> {
  return { groups: [], sources: [], place: undefined, metric: undefined, scopes: [], metrics: [],
    points: [] };
}

function addTo<T>(draft: Draft<T>, place: SeriesPlace, metric: Metric, point: DataPoint): void {
  if (draft.place !== place) {
    const sameResource = draft.place !== undefined && draft.place.resource === place.resource
      && draft.place.resourceSchemaUrl === place.resourceSchemaUrl;
    if (!sameResource) {
      draft.scopes = [];
      draft.groups.push({ resource: place.resource, scopeMetrics: draft.scopes,
        schemaUrl: place.resourceSchemaUrl });
    }
    draft.metrics = [];
    draft.scopes.push({ scope: place.scope, metrics: draft.metrics,
      schemaUrl: place.scopeSchemaUrl });
    draft.place = place;
    draft.metric = undefined;
  }
  if (draft.metric !== metric) {
    draft.points = [];
    const data: object = { ...metric.data, dataPoints: draft.points };
    draft.metrics.push({ ...metric, data: data as MetricData });
    draft.metric = metric;
  }
  draft.points.push(point);
}
