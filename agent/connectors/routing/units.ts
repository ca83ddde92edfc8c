// What routes decide about: spans, log records and data points, numbered in the order in which they
// stand in a batch. What is decided of a resource or a metric is decided of all units in it.

import { Batch } from '../../../proto/contract/batch.ts';
import { envelopeOf } from '../../../proto/otlp/codec.ts';
import type { DataPoint, LogRecord, Metric, RecordOf, Signal, Span } from
  '../../../proto/otlp/model.ts';
import { OttlView } from '../../ottl/view.ts';
import { editPoints, editRecords } from '../../processors/edit/records.ts';
import type { RouteContext } from './config.ts';

/** The contexts that there are in batches of a signal. */
export const CONTEXTS_OF: Readonly<Record<Signal, readonly RouteContext[]>> = {
  traces: ['resource', 'span'],
  metrics: ['resource', 'metric', 'datapoint'],
  logs: ['resource', 'log'],
};

/**
 * Sets `chosen[unit]` to what the condition says of it, or of what it is in. Throws DecodeError for
 * broken bytes, and what the condition throws.
 */
export function choose(
  batch: Batch,
  context: RouteContext,
  holds: (view: OttlView) => boolean,
): boolean[] {
  const chosen: boolean[] = [];
  const view = new OttlView();
  const envelope = envelopeOf(batch.signal);
  for (const group of envelope.groups(batch.request)) {
    view.resource = group.resource;
    view.resourceSchemaUrl = group.schemaUrl;
    const ofResource = context === 'resource' ? holds(view) : null;
    for (const scope of envelope.scopes(group)) {
      view.scope = scope.scope;
      view.scopeSchemaUrl = scope.schemaUrl;
      for (const record of envelope.records(scope)) {
        if (batch.is('metrics')) {
          chooseMetric(record as Metric, { context, holds, view, ofResource, chosen });
        } else if (ofResource !== null) {
          chosen.push(ofResource);
        } else {
          if (batch.is('traces')) view.span = record as Span;
          else view.log = record as LogRecord;
          chosen.push(holds(view));
        }
      }
    }
  }
  return chosen;
}

interface Choosing {
  readonly context: RouteContext;
  readonly holds: (view: OttlView) => boolean;
  readonly view: OttlView;
  readonly ofResource: boolean | null;
  readonly chosen: boolean[];
}

function chooseMetric(metric: Metric, choosing: Choosing): void {
  const { context, holds, view, ofResource, chosen } = choosing;
  view.metric = metric;
  const points: readonly DataPoint[] = metric.data?.dataPoints ?? [];
  const ofAll = ofResource ?? (context === 'metric' ? holds(view) : null);
  for (const point of points) {
    if (ofAll !== null) {
      chosen.push(ofAll);
      continue;
    }
    view.dataPoint = point;
    chosen.push(holds(view));
  }
}

/** The batch with those units only: itself when that is all of them, null when none. */
export function pick(batch: Batch, taken: readonly boolean[]): Batch | null {
  if (taken.every((one) => one)) return batch;
  if (!taken.includes(true)) return null;
  let unit = 0;
  const part = batch.is('metrics')
    ? editRecords(batch, (metric) => editPoints(metric, (point) => (taken[unit++] ? point : null)))
    : editRecords(batch, (record: RecordOf<Signal>) => (taken[unit++] ? record : null));
  // No part of a batch has all records of where it came from.
  return part === null ? null : part.from([]);
}
