// What a statement sees and changes: one record with what surrounds it, up to the resource. A view
// is made once and moved from record to record; the records are those of the immutable model.
//
// The first change of a record in a view replaces it by a copy, its draft, which later changes are
// made in. So whoever moved the view sees by identity whether the record changed. Attributes and
// other lists are always replaced as a whole.

import type {
  Attributes, DataPoint, LogRecord, Metric, Resource, Scope, Span, SpanEvent,
} from '../../proto/otlp/model.ts';

/** The levels at which statements and conditions run. */
export type OttlContextName =
  'resource' | 'scope' | 'span' | 'spanevent' | 'metric' | 'datapoint' | 'log';

export const OTTL_CONTEXTS: readonly OttlContextName[] = [
  'resource', 'scope', 'span', 'spanevent', 'metric', 'datapoint', 'log',
];

/** The parts of a view that hold a record. */
export interface ViewRecords {
  resource: Resource | undefined;
  scope: Scope | undefined;
  span: Span | undefined;
  spanEvent: SpanEvent | undefined;
  metric: Metric | undefined;
  dataPoint: DataPoint | undefined;
  log: LogRecord | undefined;
}

/**
 * Set what the context of the statement needs: for `log` the resource, scope and log, for
 * `datapoint` also the metric; what is not set is not looked at. Make few, and use them again.
 */
export class OttlView implements ViewRecords {
  resource: Resource | undefined = undefined;
  resourceSchemaUrl: string = '';
  scope: Scope | undefined = undefined;
  scopeSchemaUrl: string = '';
  span: Span | undefined = undefined;
  spanEvent: SpanEvent | undefined = undefined;
  /** The place of the event in its span. */
  spanEventIndex: number = 0;
  metric: Metric | undefined = undefined;
  dataPoint: DataPoint | undefined = undefined;
  log: LogRecord | undefined = undefined;
  /** What statements keep while they work on one record. */
  cache: Attributes = NO_ATTRIBUTES;
  /** Metrics that statements made of the one in view. */
  made: Metric[] = [];
  readonly drafts: ViewRecords = noRecords();

  /** Forgets all drafts: what they were is somebody else's now, and will not be changed again. */
  release(): void {
    Object.assign(this.drafts, noRecords());
  }
}

const NO_ATTRIBUTES: Attributes = [];

const noRecords = (): ViewRecords => ({
  resource: undefined, scope: undefined, span: undefined, spanEvent: undefined,
  metric: undefined, dataPoint: undefined, log: undefined,
});

export type Draft<T> = { -readonly [K in keyof T]: T[K] };

/** The record of a view, for changing. A resource or scope that is absent comes into being. */
export function draftOf<R extends keyof ViewRecords>(
  view: OttlView,
  record: R,
): Draft<NonNullable<ViewRecords[R]>> {
  const current: ViewRecords[R] = (view as ViewRecords)[record];
  if (current !== undefined && view.drafts[record] === current) return current as never;
  const draft = current === undefined ? { ...ABSENT[record] } : { ...current };
  (view as ViewRecords)[record] = draft as ViewRecords[R];
  view.drafts[record] = draft as ViewRecords[R];
  return draft as never;
}

const ABSENT: Partial<Record<keyof ViewRecords, object>> = {
  resource: { attributes: [], droppedAttributesCount: 0, entityRefs: [] },
  scope: { name: '', version: '', attributes: [], droppedAttributesCount: 0 },
};
