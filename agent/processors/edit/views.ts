// A batch looked through, record by record, with a view that statements and conditions of OTTL run
// on. What they replace in the view is replaced in the batch, down to the resource; what a step
// answers false for is left out. The batch that came in is not touched, and is handed back when
// nothing changed.

import { Batch } from '../../../proto/contract/batch.ts';
import { envelopeOf } from '../../../proto/otlp/codec.ts';
import type {
  DataPoint, Metric, RecordOf, Signal, SpanEvent,
} from '../../../proto/otlp/model.ts';
import { draftOf, type OttlView } from '../../ottl/view.ts';
import { keepList } from './records.ts';

/** What is done at each level, before what is below it; false leaves it out with all below. */
export interface ViewSteps {
  readonly resource?: ((view: OttlView) => boolean) | undefined;
  readonly scope?: ((view: OttlView) => boolean) | undefined;
  /** A span, log record or metric. */
  readonly record?: ((view: OttlView) => boolean) | undefined;
}

const RECORD_KEY = { traces: 'span', metrics: 'metric', logs: 'log' } as const;

/**
 * Groups that lost all of theirs are left out, too. The same batch when nothing changed, null when
 * nothing is left. A changed batch keeps its origins: what is left out is dropped for good. Throws
 * DecodeError for broken bytes, and what the steps throw.
 */
export function editViews<S extends Signal>(
  batch: Batch<S>, view: OttlView, steps: ViewSteps,
): Batch | null {
  const envelope = envelopeOf(batch.signal);
  const groups = envelope.groups(batch.request);
  view.made = [];
  const kept = keepList(groups, (group) => {
    view.resource = group.resource;
    view.resourceSchemaUrl = group.schemaUrl;
    view.scope = undefined;
    if (steps.resource?.(view) === false) return null;
    const scopes = envelope.scopes(group);
    const keptScopes = steps.scope === undefined && steps.record === undefined ? scopes
      : keepList(scopes, (scope) => {
        view.scope = scope.scope;
        view.scopeSchemaUrl = scope.schemaUrl;
        if (steps.scope?.(view) === false) return null;
        const records = envelope.records(scope) as readonly RecordOf<S>[];
        const keptRecords = steps.record === undefined ? records
          : editRecordsInView(records, batch.signal, view, steps.record);
        if (keptRecords.length === 0 && records.length > 0) return null;
        const same = keptRecords === records && view.scope === scope.scope
          && view.scopeSchemaUrl === scope.schemaUrl;
        return same ? scope : envelope.scope(view.scope, keptRecords, view.scopeSchemaUrl);
      });
    if (keptScopes.length === 0 && scopes.length > 0) return null;
    const same = keptScopes === scopes && view.resource === group.resource
      && view.resourceSchemaUrl === group.schemaUrl;
    return same ? group : envelope.group(view.resource, keptScopes, view.resourceSchemaUrl);
  });
  view.release();
  if (kept === groups) return batch;
  if (kept.length === 0) return null;
  const request = envelope.request(kept) as Batch['request'];
  return Batch.fromRequest(batch.signal as Signal, request, batch.origins);
}

/** Metrics that statements made come last, and are looked through like the others. */
function editRecordsInView<S extends Signal>(
  records: readonly RecordOf<S>[], signal: S, view: OttlView, step: (view: OttlView) => boolean,
): readonly RecordOf<S>[] {
  const key = RECORD_KEY[signal];
  const holder = view as unknown as Record<string, RecordOf<S> | undefined>;
  const edit = (record: RecordOf<S>): RecordOf<S> | null => {
    holder[key] = record;
    return step(view) ? holder[key]! : null;
  };
  const kept = keepList(records, edit);
  if (view.made.length === 0) return kept;
  const all = kept.slice();
  // It grows while it is gone through.
  for (let index = 0; index < view.made.length; index++) {
    const made = edit(view.made[index]! as RecordOf<S>);
    if (made !== null) all.push(made);
  }
  view.made = [];
  return all;
}

/** The data points of the metric in view; answers whether any is left, or there were none. */
export function editPointsInView(view: OttlView, step: (view: OttlView) => boolean): boolean {
  const { data } = view.metric!;
  if (data === undefined) return true;
  const points: readonly DataPoint[] = data.dataPoints;
  const kept = keepList(points, (point) => {
    view.dataPoint = point;
    return step(view) ? view.dataPoint : null;
  });
  if (kept !== points) {
    draftOf(view, 'metric').data = { ...view.metric!.data, dataPoints: kept } as Metric['data'];
  }
  return kept.length > 0 || points.length === 0;
}

/** The events of the span in view. */
export function editEventsInView(view: OttlView, step: (view: OttlView) => boolean): void {
  const { events } = view.span!;
  let index = 0;
  const kept = keepList<SpanEvent>(events, (event) => {
    view.spanEvent = event;
    view.spanEventIndex = index++;
    return step(view) ? view.spanEvent : null;
  });
  if (kept !== events) draftOf(view, 'span').events = kept;
}
