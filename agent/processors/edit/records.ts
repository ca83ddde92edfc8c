// A batch with some of its records changed or left out. Only what changed is built anew, down to
// the records; the batch that came in is not touched, and is handed back when nothing changed.

import { Batch } from '../../../proto/contract/batch.ts';
import type { ComponentContext } from '../../../proto/contract/component.ts';
import { envelopeOf } from '../../../proto/otlp/codec.ts';
import type {
  Attributes, DataPoint, Metric, RecordOf, Resource, Scope, Signal,
} from '../../../proto/otlp/model.ts';
import { mapList } from './actions.ts';

/** What surrounds a record. */
export interface Surroundings {
  readonly resource: Resource | undefined;
  readonly resourceSchemaUrl: string;
  readonly scope: Scope | undefined;
  readonly scopeSchemaUrl: string;
}

/** The record itself when it stays as it is, another one in its place, or null to leave it out. */
export type RecordEdit<S extends Signal> =
  (record: RecordOf<S>, around: Surroundings) => RecordOf<S> | null;

/**
 * The batch with each record (span, log record, metric) edited; groups that lost all of theirs are
 * left out, too. The same batch when nothing changed, null when nothing is left. Records left out
 * are dropped for good, so a changed batch keeps its origins. Throws DecodeError for broken bytes.
 */
export function editRecords<S extends Signal>(
  batch: Batch<S>,
  edit: RecordEdit<S>,
): Batch<S> | null {
  const envelope = envelopeOf(batch.signal);
  const groups = envelope.groups(batch.request);
  const kept = keepList(groups, (group) => {
    const scopes = envelope.scopes(group);
    const keptScopes = keepList(scopes, (scope) => {
      const records = envelope.records(scope);
      const around: Surroundings = {
        resource: group.resource, resourceSchemaUrl: group.schemaUrl,
        scope: scope.scope, scopeSchemaUrl: scope.schemaUrl,
      };
      const keptRecords = keepList(records, (record) => edit(record as RecordOf<S>, around));
      if (keptRecords === records) return scope;
      return keptRecords.length === 0
        ? null : envelope.scope(scope.scope, keptRecords, scope.schemaUrl);
    });
    if (keptScopes === scopes) return group;
    return keptScopes.length === 0
      ? null : envelope.group(group.resource, keptScopes, group.schemaUrl);
  });
  if (kept === groups) return batch;
  if (kept.length === 0) return null;
  const request = envelope.request(kept) as Batch<S>['request'];
  return Batch.fromRequest(batch.signal, request, batch.origins);
}

/** The data points of a metric edited, or left out; null when none is left. */
export function editPoints(
  metric: Metric,
  edit: (point: DataPoint) => DataPoint | null,
): Metric | null {
  if (metric.data === undefined) return metric;
  const points: readonly DataPoint[] = metric.data.dataPoints;
  const kept = keepList(points, edit);
  if (kept === points) return metric;
  if (kept.length === 0) return null;
  return { ...metric, data: { ...metric.data, dataPoints: kept } as Metric['data'] };
}

/** The attributes of a span or log record edited, or those of the data points of a metric. */
export function editAttributes<R extends Metric | { readonly attributes: Attributes }>(
  record: R,
  edit: (attributes: Attributes) => Attributes,
): R {
  if ('attributes' in record) {
    const attributes = edit(record.attributes);
    return attributes === record.attributes ? record : { ...record, attributes };
  }
  return editPoints(record, (point) => {
    const attributes = edit(point.attributes);
    return attributes === point.attributes ? point : { ...point, attributes };
  }) as R;
}

/** As `mapList`, without the elements for which `map` answers null. */
export function keepList<T>(list: readonly T[], map: (element: T) => T | null): readonly T[] {
  const mapped = mapList<T | null>(list, (element) => map(element!));
  if (mapped === list) return list;
  return mapped.includes(null) ? mapped.filter((one) => one !== null) : mapped as readonly T[];
}

/**
 * Counts items (spans, data points, log records) that a processor dropped as it was told to, all
 * under one name, so that a page or an alert about missing records can say where they went.
 */
export function createDropCounter(
  { id, counters }: Pick<ComponentContext, 'id' | 'counters'>,
  reason: string,
): (signal: Signal, items: number) => void {
  return (signal, items) => {
    if (items === 0) return;
    counters.counter('binnacle_processor_dropped_items_total',
      'Items that the processor dropped as it is configured to.',
      { processor: id, otel_signal: signal, reason }).add(items);
  };
}
