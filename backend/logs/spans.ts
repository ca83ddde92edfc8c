// Pages of spans that a search finds, the newest first: what `GET /api/search` shows of them.

import { compileSearch } from '../search/sql.ts';
import type { SearchNode } from '../search/node.ts';
import { isoOf } from './entry.ts';
import { readPage, type AskRows, type Page, type PageRow, type Place } from './page.ts';
import type { Period } from './where.ts';

export interface SpanEntry {
  readonly timestamp: string;
  readonly service: string;
  readonly name: string;
  readonly kind: string;
  readonly status: string;
  readonly status_message: string;
  readonly duration_ms: number;
  readonly trace_id: string;
  readonly span_id: string;
  readonly parent_span_id: string | null;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface SpanRow extends PageRow {
  readonly ServiceName: string;
  readonly SpanName: string;
  readonly SpanKind: string;
  readonly StatusCode: string;
  readonly StatusMessage: string;
  readonly duration: number;
  readonly TraceId: string;
  readonly SpanId: string;
  readonly ParentSpanId: string;
  readonly SpanAttributes: Readonly<Record<string, string>>;
}

const COLUMNS = `ServiceName, SpanName, SpanKind,
  StatusCode, StatusMessage, Duration / 1e6 AS duration, TraceId, SpanId, ParentSpanId,
  SpanAttributes`;

export async function readSpans(
  ask: AskRows,
  question: Period & { readonly search: SearchNode; readonly limit: number;
    readonly place: Place | null },
): Promise<Page<SpanRow>> {
  const { search, fromNs, toNs, limit, place } = question;
  const { sql, params } = compileSearch(search, 'traces');
  return readPage<SpanRow>(ask, {
    fromNs, toNs, limit, place, table: 'otel_traces', columns: COLUMNS, where: sql, params,
    tie: 'concat(TraceId, SpanId)',
  });
}

export const spanEntryOf = (row: SpanRow): SpanEntry => ({
  timestamp: isoOf(BigInt(row.ns)),
  service: row.ServiceName,
  name: row.SpanName,
  kind: row.SpanKind,
  status: row.StatusCode,
  status_message: row.StatusMessage,
  duration_ms: row.duration,
  trace_id: row.TraceId,
  span_id: row.SpanId,
  parent_span_id: row.ParentSpanId === '' ? null : row.ParentSpanId,
  attributes: row.SpanAttributes,
});
