// Spans for tests of connectors: one line each, the rest as it usually is.

import { Batch } from '../../../proto/contract/batch.ts';
import type { Span } from '../../../proto/otlp/model.ts';
import { at, labels } from '../series/made.ts';

export interface MadeSpan {
  readonly service?: string;
  readonly name?: string;
  readonly kind?: number;
  readonly status?: number;
  /** Milliseconds. */
  readonly took?: number;
  readonly attributes?: Record<string, string>;
  readonly traceState?: string;
  readonly trace?: string;
  readonly id?: string;
  readonly parent?: string;
  readonly scope?: string;
  readonly events?: readonly Record<string, string>[];
}

export const SERVER = 2;
export const CLIENT = 3;
export const PRODUCER = 4;
export const CONSUMER = 5;
export const ERROR = 2;

/** One resource for each span, as if each came from another SDK. */
export function spanBatch(spans: readonly MadeSpan[], resource = {}): Batch<'traces'> {
  return Batch.fromRequest('traces', { resourceSpans: spans.map((one) => ({
    resource: {
      attributes: labels(one.service === ''
        ? resource : { 'service.name': one.service ?? 'shop', ...resource }),
      droppedAttributesCount: 0, entityRefs: [],
    },
    scopeSpans: [{
      scope: one.scope === undefined ? undefined
        : { name: one.scope, version: '1', attributes: [], droppedAttributesCount: 0 },
      spans: [spanOf(one)],
      schemaUrl: '',
    }],
    schemaUrl: '',
  })) });
}

function spanOf(one: MadeSpan): Span {
  return {
    traceId: (one.trace ?? '1').padStart(32, '0'),
    spanId: (one.id ?? '1').padStart(16, '0'),
    traceState: one.traceState ?? '',
    parentSpanId: one.parent === undefined ? '' : one.parent.padStart(16, '0'),
    flags: 0,
    name: one.name ?? 'GET /',
    kind: one.kind ?? SERVER,
    startTimeUnixNano: at(0),
    endTimeUnixNano: at((one.took ?? 1) / 1000),
    attributes: labels(one.attributes ?? {}),
    droppedAttributesCount: 0,
    events: (one.events ?? []).map((attributes) => ({ timeUnixNano: at(0), name: 'exception',
      attributes: labels(attributes), droppedAttributesCount: 0 })),
    droppedEventsCount: 0,
    links: [],
    droppedLinksCount: 0,
    status: one.status === undefined ? undefined : { message: '', code: one.status },
  };
}
