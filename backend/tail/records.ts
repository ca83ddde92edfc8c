// The records of a batch as a live tail sees them: what a search asks of each (search/match.ts),
// and what the listener gets of those that fit, made only then. The columns are those that the
// transcoder writes; tests compare.

import type { Batch } from '../../proto/contract/batch.ts';
import type { LogsRequest, Scope, Span, TracesRequest } from '../../proto/otlp/model.ts';
import { entryOfRow } from '../logs/entry.ts';
import { hashOf, rowOf, type Entries } from '../logs/row.ts';
import { spanEntryOf } from '../logs/spans.ts';
import { textsOf } from '../logs/texts.ts';
import type { AttributeMap } from '../search/fields.ts';
import type { SearchRecord } from '../search/match.ts';

/** The signals that can be listened to. */
export const TAILED = ['logs', 'traces'] as const;
export type Tailed = (typeof TAILED)[number];

export interface TailRecord extends SearchRecord {
  /** As the API answers it. */
  entry(): object;
}

/** Throws DecodeError. `nowNs` is the time of records that have none. */
export function recordsOf(batch: Batch, nowNs: bigint): TailRecord[] {
  if (batch.is('logs')) return logRecords(batch.request, nowNs);
  return batch.is('traces') ? spanRecords(batch.request) : [];
}

function valueOf(entries: Entries, key: string): string {
  return entries.find(([name]) => name === key)?.[1] ?? '';
}

const attributesOf = (maps: Partial<Record<AttributeMap, Entries>>) =>
  (map: AttributeMap, key: string): string => valueOf(maps[map] ?? [], key);

const scopeTexts = (scope: Scope | undefined): Entries => textsOf(scope?.attributes ?? []);

function logRecords({ resourceLogs }: LogsRequest, nowNs: bigint): TailRecord[] {
  return resourceLogs.flatMap(({ resource, scopeLogs }) =>
    scopeLogs.flatMap(({ scope, logRecords: records }) => records.map((record): TailRecord => {
      const row = rowOf(resource, scope, record);
      const { attributes, ...columns } = row;
      const maps = { record: attributes, resource: row.resource, scope: scopeTexts(scope) };
      return {
        text: row.Body,
        column: (name) => (columns as unknown as Record<string, string | number>)[name] ?? '',
        list: () => [],
        attribute: attributesOf(maps),
        // The time of a record that has none is that of its commit, which is not known here.
        entry: () => (row.timeNs === 0n ? entryOfRow({ ...row, timeNs: nowNs }, '')
          : entryOfRow(row, hashOf(row))),
      };
    })));
}

const KINDS = ['Unspecified', 'Internal', 'Server', 'Client', 'Producer', 'Consumer'];
const CODES = ['Unset', 'Ok', 'Error'];

function spanRecords({ resourceSpans }: TracesRequest): TailRecord[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const from = textsOf(resource?.attributes ?? []);
    return scopeSpans.flatMap(({ scope, spans }) =>
      spans.map((span) => spanRecord(span, from, scope)));
  });
}

function spanRecord(span: Span, from: Entries, scope: Scope | undefined): TailRecord {
  const attributes = textsOf(span.attributes);
  const events = span.events.flatMap((event) => textsOf(event.attributes));
  const texts = (entries: Entries) => entries.map(([, text]) => text).join('\n');
  const { startTimeUnixNano: start, endTimeUnixNano: end } = span;
  const id = (text: string, digits: number) =>
    (text.length === digits && /[^0]/.test(text) ? text : '');
  const columns = {
    ServiceName: valueOf(from, 'service.name'),
    SpanName: span.name,
    SpanKind: KINDS[span.kind] ?? '',
    StatusCode: CODES[span.status?.code ?? 0] ?? '',
    StatusMessage: span.status?.message ?? '',
    TraceId: id(span.traceId, 32),
    SpanId: id(span.spanId, 16),
    ParentSpanId: id(span.parentSpanId, 16),
    ScopeName: scope?.name ?? '',
    Duration: end > start ? Number(end - start) : 0,
  };
  return {
    text: [span.name, columns.StatusMessage, texts(attributes), texts(events)].join('\n'),
    column: (name) => (columns as Record<string, string | number>)[name] ?? '',
    list: (name) => (name === 'Events.Name' ? span.events.map((event) => event.name) : []),
    attribute: attributesOf({ record: attributes, resource: from }),
    entry: () => spanEntryOf({ ...columns, ns: String(start), tie: '',
      duration: columns.Duration / 1e6, SpanAttributes: firstOf(attributes) }),
  };
}

function firstOf(entries: Entries): Record<string, string> {
  const found = Object.create(null) as Record<string, string>;
  for (const [key, text] of entries) found[key] ??= text;
  return found;
}
