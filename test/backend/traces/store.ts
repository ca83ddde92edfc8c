// Spans that a test makes up, in a database of its own on a real engine, and the function with
// which the room of traces asks it.

import { readLatency } from '../../../backend/latency/latency.ts';
import type { Rows } from '../../../backend/traces/rows.ts';
import type { ReadLatency } from '../../../backend/traces/landscape.ts';
import { startEngine } from '../storage/engine_fixture.ts';
import { NEVER, startStorage, type StorageFixture } from '../storage/clickhouse/storage_fixture.ts';

export interface MadeSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly service: string;
  readonly name: string;
  readonly kind: string;
  /** Since `BASE_MS`. */
  readonly startNs: number;
  readonly durationNs: number;
  readonly status: 'Unset' | 'Ok' | 'Error';
  readonly attributes?: Readonly<Record<string, string>>;
  readonly resource?: Readonly<Record<string, string>>;
  readonly traceState?: string;
  readonly events?: ReadonlyArray<{
    readonly atNs: number;
    readonly name: string;
    readonly attributes: Readonly<Record<string, string>>;
  }>;
}

export const BASE_MS = Date.UTC(2026, 0, 2, 10);

export const traceIdOf = (number: number): string => number.toString(16).padStart(32, '0');

export interface TraceStore extends StorageFixture {
  readonly ask: Rows;
  readonly latency: ReadLatency;
  insert(spans: readonly MadeSpan[]): Promise<void>;
}

export async function startTraceStore(database: string): Promise<TraceStore> {
  const engine = await startEngine();
  const fixture = await startStorage(engine.url, { database });
  const ask: Rows = async <Row extends object>({ sql, params, settings }: Parameters<Rows>[0]) => {
    const { body } = await fixture.storage.query({
      sql, params, format: 'JSONEachRow', abort: NEVER,
      settings: { output_format_json_quote_64bit_integers: 0, ...settings },
    });
    const chunks: Buffer[] = [];
    for await (const chunk of body) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString().split('\n').filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Row);
  };
  return {
    ...fixture, ask,
    latency: (request) => readLatency({
      desk: { rows: (asked) => ask(asked) }, rowsMax: 10_000,
      caller: { name: 'test', role: 'viewer', address: '127.0.0.1' },
    }, request, NEVER),
    insert: (spans) => insertSpans(fixture, spans),
    stop: async () => {
      await fixture.stop();
      await engine.stop();
    },
  };
}

async function insertSpans({ rows }: StorageFixture, spans: readonly MadeSpan[]): Promise<void> {
  for (let first = 0; first < spans.length; first += 2000) {
    const values = spans.slice(first, first + 2000).map(rowOf).join('\n');
    await rows(`INSERT INTO otel_traces FORMAT JSONEachRow ${values}`);
  }
}

const timeOf = (ns: number): string =>
  `${new Date(BASE_MS + Math.floor(ns / 1e6)).toISOString().slice(0, 19).replace('T', ' ')}.${
    String(((ns % 1e9) + 1e9) % 1e9).padStart(9, '0')}`;

const rowOf = (span: MadeSpan): string => JSON.stringify({
  Timestamp: timeOf(span.startNs),
  TraceId: span.traceId,
  SpanId: span.spanId,
  ParentSpanId: span.parentSpanId,
  TraceState: span.traceState ?? '',
  SpanName: span.name,
  SpanKind: span.kind,
  ServiceName: span.service,
  ResourceAttributes: { 'service.name': span.service, ...span.resource },
  SpanAttributes: span.attributes ?? {},
  Duration: span.durationNs,
  StatusCode: span.status,
  'Events.Timestamp': (span.events ?? []).map(({ atNs }) => timeOf(atNs)),
  'Events.Name': (span.events ?? []).map(({ name }) => name),
  'Events.Attributes': (span.events ?? []).map(({ attributes }) => attributes),
});
