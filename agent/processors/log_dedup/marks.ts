// A mark in the journal: everything up to a sequence was handed on. It is a batch of one span that
// begins so many nanoseconds after 1970; nothing else in that journal has spans.

import { Batch } from '../../../proto/contract/batch.ts';

export function markOf(sequence: number): Batch<'traces'> {
  const span = {
    traceId: '', spanId: '', traceState: '', parentSpanId: '', flags: 0, name: '', kind: 0,
    startTimeUnixNano: BigInt(sequence), endTimeUnixNano: 0n, attributes: [],
    droppedAttributesCount: 0, events: [], droppedEventsCount: 0, links: [], droppedLinksCount: 0,
    status: undefined,
  };
  const scopeSpans = [{ scope: undefined, spans: [span], schemaUrl: '' }];
  return Batch.fromRequest('traces', {
    resourceSpans: [{ resource: undefined, scopeSpans, schemaUrl: '' }],
  });
}

/** Null for a batch that is no mark. */
export function markedSequence(batch: Batch): number | null {
  if (!batch.is('traces')) return null;
  const span = batch.request.resourceSpans[0]?.scopeSpans[0]?.spans[0];
  return span === undefined ? 0 : Number(span.startTimeUnixNano);
}
